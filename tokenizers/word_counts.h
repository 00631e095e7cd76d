/* Distinct words and how often each occurred; also a map from strings to numbers 0, 1, 2, ... Internal to tokenizers/.
 * All zero bytes is a valid, empty table. Words may hold any bytes. */
#ifndef AE_TOKENIZERS_WORD_COUNTS_H
#define AE_TOKENIZERS_WORD_COUNTS_H

#include "tensor/byte_buffer.h"

typedef struct ae_counted_word {
    size_t at; /* of its first byte in `text` */
    uint32_t bytes;
    uint32_t hash;
    int64_t count;
} ae_counted_word;

typedef struct ae_word_counts {
    ae_bytes text; /* the words one after the other */
    ae_counted_word *words;
    int64_t n, capacity;
    uint32_t *slots; /* 1 + the number of the word that sits there, 0 for none; a power of two of them */
    size_t slot_count;
    bool failed; /* no memory; later additions are ignored */
} ae_word_counts;

/* Adds `count` to a word, which is taken in if it is new. Returns its number, or -1 without memory. */
int64_t ae_word_counts_add(ae_word_counts *w, const char *word, size_t bytes, int64_t count);

/* The number of a word, or -1. */
int64_t ae_word_counts_find(const ae_word_counts *w, const char *word, size_t bytes);

/* The bytes of word i (no NUL behind them); *bytes receives how many. */
const char *ae_word_counts_text(const ae_word_counts *w, int64_t i, size_t *bytes);

/* Adds all words of `from`, with their counts. */
void ae_word_counts_merge(ae_word_counts *into, const ae_word_counts *from);

/* Forgets the words and keeps the memory. */
void ae_word_counts_clear(ae_word_counts *w);

/* The order of two words' bytes: below, at or above 0. */
int ae_word_counts_compare(const ae_word_counts *w, int64_t i, int64_t k);

/* Numbers of the words in an order that does not depend on how they came: bytewise, or by falling count and bytewise
 * among equals. malloc'ed, the caller's; NULL without memory. */
int64_t *ae_word_counts_order(const ae_word_counts *w, bool by_count);

void ae_word_counts_free(ae_word_counts *w); /* and empties it */

#endif
