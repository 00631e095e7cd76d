/* Merging adjacent symbols by rank: what every model of the BPE family runs. Internal to tokenizers/.
 *
 * A word begins as symbols; the pair of neighbours with the smallest rank is joined, the leftmost of equal ones, until
 * no pair has one. */
#ifndef AE_TOKENIZERS_MERGE_TABLE_H
#define AE_TOKENIZERS_MERGE_TABLE_H

#include "tokenizers/work.h"

/* A pair that is merged: its place in the order, and the symbol that it gives. */
typedef struct ae_merge {
    uint64_t pair; /* the two symbols */
    uint32_t rank; /* at most INT32_MAX - 1 */
    int32_t id;
} ae_merge;

typedef struct ae_merge_table {
    ae_merge *merges; /* open addressing, a power of two */
    uint16_t *tags;   /* of its places; 0: free. Small enough to stay in a near cache, and most pairs are no merges */
    uint64_t mask;
} ae_merge_table;

/* A table for so many merges; -1 and e filled without memory. */
int ae_merge_table_init(ae_merge_table *t, int64_t count, ae_err *e);

void ae_merge_table_free(ae_merge_table *t); /* frees what it holds and zeroes it */

/* A pair that is put twice has its last rank, as in a dictionary. */
void ae_merge_table_put(ae_merge_table *t, int32_t a, int32_t b, uint32_t rank, int32_t id);

/* A symbol with its range of the word's bytes. */
typedef struct ae_symbol {
    int32_t id; /* not below 0 */
    uint32_t start, end;
} ae_symbol;

enum { AE_SHORT_WORD = 128 };

/* The symbols of a short word in arrays, so that the smallest rank is found fast. */
typedef struct ae_short_word {
    int32_t rank[AE_SHORT_WORD], merged[AE_SHORT_WORD], id[AE_SHORT_WORD];
    uint32_t start[AE_SHORT_WORD], end[AE_SHORT_WORD];
    uint8_t next[AE_SHORT_WORD], before[AE_SHORT_WORD];
} ae_short_word;

/* Merges n symbols, of which id, start and end are filled; those that are left are 0, next[0], next[next[0]] and so on,
 * up to n. */
void ae_merge_short_word(const ae_merge_table *t, ae_short_word *s, size_t n);

/* Is told of every pair that could be merged, whenever one comes up, the left one of two first. */
typedef struct ae_merge_watch {
    void (*seen)(void *self, int32_t id, ae_symbol left, ae_symbol right);
    void *self;
} ae_merge_watch;

/* Merges symbols of a word of any length in place; how many are left, 0 and w->failed without memory. Uses room 2.
 * `watch` may be NULL. */
size_t ae_merge_symbols(const ae_merge_table *t, ae_symbol *symbols, size_t n, const ae_merge_watch *watch, ae_work *w);

#endif
