/* What byte-pair training keeps of pairs of neighbours: a count for each, and a queue of pairs with the words that hold
 * them. Internal to tokenizers/.
 *
 * The rules are those of Hugging Face's trainer, so that the merges are too. A pair is queued with the count it has and
 * the words it was found in; an entry whose count has changed is put back with the new one when its turn comes. A pair
 * gains words later only when a token comes about a second time, which takes words that spell the prefix of word
 * pieces; it is then queued once more, with the new words alone. */
#ifndef AE_TOKENIZERS_BPE_PAIRS_H
#define AE_TOKENIZERS_BPE_PAIRS_H

#include "tensor/error.h"

/* Numbers of words, a growing list. */
typedef struct ae_bpe_places {
    uint32_t *at;
    uint32_t n, capacity;
} ae_bpe_places;

typedef struct ae_bpe_pair {
    int32_t a, b;
    int64_t count;
    ae_bpe_places pending; /* the words where it was found since it was queued last */
} ae_bpe_pair;

typedef struct ae_bpe_entry {
    int64_t count;
    uint32_t pair; /* an index into `pairs` */
    ae_bpe_places places;
} ae_bpe_entry;

typedef struct ae_bpe_pairs {
    ae_bpe_pair *pairs;
    uint32_t n, capacity;
    uint32_t *slots; /* of the hash table: 1 + an index into `pairs`, 0 for none */
    uint32_t slot_count;
    ae_bpe_entry *heap; /* the largest count first */
    size_t heap_n, heap_capacity;
    uint32_t *touched; /* the pairs with something pending */
    size_t touched_n, touched_capacity;
    /* Which of two pairs with equal counts comes first: below 0 the first; NULL: the one with the smaller (a, b). */
    int (*order)(const void *self, const ae_bpe_pair *x, const ae_bpe_pair *y);
    const void *self;
    bool failed; /* no memory */
} ae_bpe_pairs;

/* Adds `change` to the count of (a, b); when it is above 0, the pair is pending in that word. */
void ae_bpe_pairs_change(ae_bpe_pairs *p, int32_t a, int32_t b, int64_t change, uint32_t word);

/* Queues the pairs that are pending. */
void ae_bpe_pairs_queue(ae_bpe_pairs *p);

/* Takes the next entry out; false when there is none. Its places are the caller's to free. */
bool ae_bpe_pairs_next(ae_bpe_pairs *p, ae_bpe_entry *entry);

void ae_bpe_pairs_free(ae_bpe_pairs *p); /* and empties it */

#endif
