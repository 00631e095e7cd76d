/* The segmenter while its dictionary is read. */
#ifndef AE_TOKENIZERS_SEGMENTER_INTERNAL_H
#define AE_TOKENIZERS_SEGMENTER_INTERNAL_H

#include "tokenizers/segmenter.h"

typedef struct ae_word_node {
    int64_t frequency; /* 0: no word ends here */
    double log_frequency;
} ae_word_node;

struct ae_segmenter {
    struct ae_word_edge *edges; /* open addressing, a power of two */
    uint64_t mask;
    ae_word_node *nodes;
    uint32_t n_nodes, room;
    int64_t words, total; /* of the frequencies of all lines, those of words that stand twice counted twice */
    double log_total;
    uint64_t hash;
};

/* Without words; NULL without memory. */
ae_segmenter *ae_segmenter_new(void);

/* Gives a word of valid UTF-8 its frequency; -1 without memory. */
int ae_segmenter_add(ae_segmenter *s, const char *word, size_t bytes, int64_t frequency);

/* The frequency of a word: 0 for the beginning of one that is none itself, 1 for what is unknown. */
int64_t ae_segmenter_frequency(const ae_segmenter *s, const char *word, size_t bytes);

#endif
