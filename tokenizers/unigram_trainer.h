/* Training a unigram language model of pieces (Kudo 2018), with the rules of SentencePiece's trainer. Internal to
 * tokenizers/.
 *
 * It begins with every character and the frequent substrings of the text. Then rounds: two steps of expectation
 * maximisation, after each of which pieces that are expected less than half a time go; and a quarter of the pieces is
 * given up, those without which the text loses least likelihood. When a tenth more than wanted are left, the best of
 * them are taken, the characters of the alphabet first. */
#ifndef AE_TOKENIZERS_UNIGRAM_TRAINER_H
#define AE_TOKENIZERS_UNIGRAM_TRAINER_H

#include "tokenizers/run_counts.h"

typedef struct ae_unigram_options {
    int64_t vocab_size; /* pieces of the whole vocabulary */
    int64_t others;     /* of which so many are not learned: <unk>, control symbols */
    int64_t seeds;      /* substrings it begins with; 0: 1000000 */
    double shrinking;   /* the part of the pieces that stays in a round; 0: 0.75 */
    int steps;          /* of expectation maximisation in a round; 0: 2 */
    ae_piece_rules rules;
    int (*progress)(void *self, int64_t done, int64_t all); /* may be NULL; a result other than 0 stops */
    void *self;
} ae_unigram_options;

/* Pieces by falling score, in the order of bytes among equals; all zero bytes is a valid, empty list. */
typedef struct ae_scored_pieces {
    ae_word_counts pieces; /* counts mean nothing */
    float *scores;
} ae_scored_pieces;

/* Learns the pieces of runs that hold no character outside the alphabet, all of which becomes pieces. Fails with
 * AE_E_STATE when progress stopped it, AE_E_VALUE with more text than places have numbers, AE_E_MEMORY. */
int ae_unigram_train(const ae_runs *runs, const ae_alphabet *alphabet, const ae_unigram_options *options,
                     ae_scored_pieces *out, ae_err *e);

/* From pieces in any order, which are taken over, even on failure: sorts them. */
int ae_scored_pieces_sort(ae_scored_pieces *p, ae_err *e);

void ae_scored_pieces_free(ae_scored_pieces *p); /* and empties it */

#endif
