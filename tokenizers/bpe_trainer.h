/* Byte-pair training on counted words (Sennrich, Haddow, Birch 2016), with the rules of Hugging Face's BpeTrainer or
 * of SentencePiece's. Internal to tokenizers/.
 *
 * The vocabulary begins with the special tokens and the alphabet in the order of code points; then come the forms that
 * characters take inside words ("##a", "a</w>"), in the order of bytes. Each step joins the pair of neighbours with the
 * highest count, the smallest ids among equals, and adds it as a token unless its spelling is one already.
 *
 * With rules for pieces it is SentencePiece: among equals the pair with fewer characters is joined, then the first in
 * the order of bytes; a pair whose spelling is a token already is left alone. */
#ifndef AE_TOKENIZERS_BPE_TRAINER_H
#define AE_TOKENIZERS_BPE_TRAINER_H

#include "tokenizers/piece_rules.h"
#include "tokenizers/word_counts.h"

typedef struct ae_bpe_options {
    int64_t vocab_size;          /* tokens, special ones and alphabet included */
    int64_t min_frequency;       /* a pair that is rarer is not joined */
    int64_t limit_alphabet;      /* the most frequent characters, code points deciding among equals; 0: all */
    int64_t max_token_length;    /* characters, prefix and suffix not counted; 0: no limit */
    const ae_piece_rules *rules; /* what a token may hold, joined as SentencePiece does; NULL: anything */
    const char *prefix;          /* of characters that do not begin a word ("##"); NULL: none */
    const char *suffix;          /* of characters that end a word ("</w>"); NULL: none */
    const char *alphabet;        /* characters that belong to it even if no word has them; NULL: none */
    const char *const *special;
    int n_special;
    int (*progress)(void *self, int64_t done, int64_t all); /* may be NULL; a result other than 0 stops */
    void *self;
} ae_bpe_options;

typedef struct ae_bpe_merge {
    int32_t a, b, made; /* ids */
} ae_bpe_merge;

/* All zero bytes is a valid, empty result. */
typedef struct ae_bpe_result {
    ae_word_counts tokens; /* token i is word i of the table; counts mean nothing */
    ae_bpe_merge *merges;  /* in order */
    int64_t n_merges;
} ae_bpe_result;

/* Learns tokens and merges. Words are UTF-8 (an invalid byte is a character of its own). Fails with AE_E_VALUE when
 * vocab_size does not even hold the alphabet, AE_E_STATE when progress stopped it, AE_E_MEMORY. */
int ae_bpe_train(const ae_word_counts *words, const ae_bpe_options *options, ae_bpe_result *out, ae_err *e);

void ae_bpe_result_free(ae_bpe_result *r); /* and empties it */

#endif
