/* Trainers: a vocabulary from text. Deterministic: the same text and numbers give the same tokenizer on any number of
 * threads.
 *
 * Special tokens come first. Kinds of joined pairs ("bert", "gpt2", "roberta") go on with the alphabet in the order of
 * code points (bert's "##" forms in the order of bytes behind it) and then join the pair of neighbours that occurs most
 * often, the smallest ids among equals, as Hugging Face's trainers do: byte-level merges are the same, in the same
 * order. Word lists ("char", "space", "plain") go on by falling frequency, in the order of bytes among equals.
 *
 * SentencePiece's kinds learn pieces as its trainer does: unigram language models by expectation maximisation and
 * pruning, pairs with its ties, words, or characters. Characters that are not needed to cover character_coverage of the
 * text become no pieces.
 *
 * A step of joining passes over every word that has the pair, so texts should have words: 10 MB without a blank or a
 * mark take some 40 ms a step. */
#ifndef AE_TOKENIZERS_TOKENIZER_TRAINER_H
#define AE_TOKENIZERS_TOKENIZER_TRAINER_H

#include "tokenizers/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ae_tokenizer_training {
    const char *kind;         /* of ae_tokenizer_kind_name or ae_tokenizer_piece_kind_name */
    int64_t vocab_size;       /* tokens with special ones and the alphabet; 0: no limit ("char", "space") */
    int64_t min_frequency;    /* pairs or words that are rarer are not taken; 0: 2 for pairs, 1 for words and pieces */
    int64_t limit_alphabet;   /* the most frequent characters only; 0: all */
    int64_t max_token_length; /* characters; 0: no limit */
    const char *const *special; /* special tokens in the order of their ids; NULL: the family's own */
    int n_special;
    ae_tokenizer_options options; /* lower_case and so on */

    /* Of SentencePiece's kinds alone; NULL and 0 mean what its trainer does, or the family's own models were trained
     * with. Their special tokens must have "<unk>" among them. */
    const char *algorithm;           /* "unigram", "bpe", "word", "char" */
    const char *normalization;       /* "identity", "nfkc", "nfkc_cf", "nmt_nfkc", "nmt_nfkc_cf" */
    double character_coverage;       /* the part of the text whose characters become pieces; 0: 0.9995 */
    const char *required_chars;      /* characters that become pieces whatever the text holds */
    const char *const *user_symbols; /* user-defined: always one token where they stand in a text */
    int n_user_symbols;
    int byte_fallback; /* 1 yes, -1 no: what has no piece becomes bytes */
    int split_digits;  /* 1 yes, -1 no: each digit is a piece of its own */
    int keep_blanks;   /* 1 yes, -1 no: blanks at the ends of a text and several in a row stay */
    int dummy_prefix;  /* 1 yes, -1 no: a text begins with a blank */
} ae_tokenizer_training;

typedef struct ae_tokenizer_trainer ae_tokenizer_trainer;

/* NULL and e filled: unknown kind (the nearest is named), numbers outside their range, and such as mean nothing for the
 * kind (a word list has no alphabet to limit; bytes have all of theirs). Strings are copied. */
AE_API ae_tokenizer_trainer *ae_tokenizer_trainer_new(const ae_tokenizer_training *training, ae_err *e);
AE_API void ae_tokenizer_trainer_free(ae_tokenizer_trainer *t); /* NULL is allowed */

/* Counts the words of some texts (on all threads). Memory grows with the number of distinct words alone. */
AE_API int ae_tokenizer_trainer_add(ae_tokenizer_trainer *t, const char *const *texts, const size_t *bytes, int64_t n,
                                    ae_err *e);

/* Learns the vocabulary. `progress` (may be NULL) is called now and then, while pairs are joined, with what is done
 * and all there is to do (tokens; for unigram models parts of a thousand); a result other than 0 stops with AE_E_STATE.
 * AE_E_VALUE when vocab_size does not hold the alphabet. What was counted stays, so it may be called again. The
 * tokenizer is the caller's. */
AE_API ae_tokenizer *ae_tokenizer_trainer_finish(ae_tokenizer_trainer *t,
                                                 int (*progress)(void *self, int64_t done, int64_t all), void *self,
                                                 ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
