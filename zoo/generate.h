/* Generation: extending sequences token by token with a decoder and its key/value cache. */
#ifndef AE_ZOO_GENERATE_H
#define AE_ZOO_GENERATE_H

#include "nn/kv_cache.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A decoder: logits (B,V) of the token behind the last of ids (B,T), which follow what the cache holds. positions
 * (B,T); attention_mask (B,S) over everything read, ids included. */
typedef ae_tensor *(*ae_decode_fn)(ae_graph *g, const void *self, ae_tensor *ids, ae_tensor *positions,
                                   ae_tensor *attention_mask, ae_kv_cache *cache);

typedef struct ae_decoder {
    ae_decode_fn fn;
    const void *self;
    int layers;
    int64_t width, vocab_size, max_positions;
} ae_decoder;

/* Some token ids; borrowed. */
typedef struct ae_token_list {
    const int64_t *ids;
    int64_t count;
} ae_token_list;

/* How the next token is chosen. All zero: the likeliest one. Names and meanings are those of Hugging Face's generate();
 * what is penalised or forbidden is so before top_k and top_p. */
typedef struct ae_generate_options {
    int64_t max_new_tokens;
    ae_token_list eos;              /* a row ends behind any of these */
    int64_t pad_token_id;           /* fills up a row that ended; below 0: its first eos does */
    double repetition_penalty;      /* logits of all tokens so far, the given ones and padding too: those below 0 are
                                       multiplied by it, others divided; 0 or 1: none */
    int64_t no_repeat_ngram_size;   /* above 0: no sequence of so many tokens comes twice in a row */
    const ae_token_list *bad_words; /* sequences that are not completed, once as many tokens were read; or NULL */
    int64_t bad_word_count;
    int64_t min_length, min_new_tokens; /* no eos before so many tokens with, or without, the given ones */
    double temperature;                 /* above 0: draw from softmax(logits / temperature) */
    int64_t top_k;                      /* above 0: only logits >= the k-th largest */
    double top_p; /* in (0,1): the fewest likeliest tokens whose probabilities sum to at least p */
    uint64_t seed;
    /* Past the model's positions: when they are full, the last half of them is read anew from position 0, and what
     * stands before is forgotten. false: more tokens than positions are an error. */
    bool slide;
    /* Called with every token chosen for a row that has not ended, in order; other than 0 ends the row behind it. */
    int (*token)(void *user, int64_t row, int64_t id);
    void *user;
} ae_generate_options;

/* Extends input_ids (B,T), host i64; attention_mask (B,T) or NULL marks real tokens (padding on the left). *sequences
 * (B,T+N) i64 and, unless scores is NULL, *scores (B,N,V) f32, the logits behind every choice, are host tensors that
 * the caller frees; N is max_new_tokens, or less when every row ended. Returns 0 or -1. */
AE_API int ae_generate(ae_graph *g, const ae_decoder *d, const ae_tensor *input_ids, const ae_tensor *attention_mask,
                       const ae_generate_options *options, ae_tensor **sequences, ae_tensor **scores, ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
