/* Another vocabulary for a tokenizer: new words for one that is there, and which old tokens a new one goes back to, so
 * that a model's tables can follow. */
#ifndef AE_TOKENIZERS_EXTEND_H
#define AE_TOKENIZERS_EXTEND_H

#include "tokenizers/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- new words ------------------------------------------------------------------------------------------------------ */

/* What is to be added; all zero bytes: nothing. Strings are copied. */
typedef struct ae_tokenizer_words {
    const char *const *words;
    int64_t n_words;
    const char *const *special; /* special tokens: found in texts as they are spelled, left out by decoding on demand */
    int64_t n_special;
    const int32_t *free_ids; /* ids whose tokens make way for new ones ("[unused1]"), in the order of their use */
    int64_t n_free;
    bool single_word; /* words that are found whole in texts count only where no letter, digit or _ touches them */
} ae_tokenizer_words;

/* What became of them. */
typedef struct ae_tokenizer_growth {
    int64_t known;      /* were one token before, or stand twice in the list */
    int64_t vocabulary; /* became tokens of the model's vocabulary */
    int64_t whole;      /* are found in texts before the model cuts them (Hugging Face's added tokens) */
    int64_t special;    /* special tokens */
    int64_t replaced;   /* of all these: took the id of an old token */
} ae_tokenizer_growth;

/* A tokenizer with new words; the ids of the old tokens stay, but of those that make way. WordPiece and word lists take
 * a word into their vocabulary, in the form that the normalizer gives it, when the pre-tokenizer leaves it one word,
 * and a continuation ("##ing") as it is; every other word, and all words of other models, are added tokens that are
 * found in texts whole. New ids are the free ones, then those behind the last. growth may be NULL. The result is the
 * caller's; NULL and e filled: an empty word, a free id without a token, twice, of a special token, or of an added one.
 */
AE_API ae_tokenizer *ae_tokenizer_extend(const ae_tokenizer *t, const ae_tokenizer_words *words,
                                         ae_tokenizer_growth *growth, ae_err *e);

/* ---- from one vocabulary to another --------------------------------------------------------------------------------- */

typedef enum ae_token_origin {
    AE_TOKEN_KEPT,   /* an old token with the same spelling, or with the same role */
    AE_TOKEN_PIECES, /* what the old tokenizer makes of its text */
    AE_TOKEN_NEW     /* nothing: the old tokenizer does not know it */
} ae_token_origin;

/* The old tokens that each new one goes back to. */
typedef struct ae_vocabulary_map {
    int32_t size;     /* new ids: 0..size-1 */
    int32_t old_size; /* old ids: 0..old_size-1 */
    uint8_t *origin;  /* (size) of ae_token_origin */
    int64_t *begin;   /* (size + 1) old[begin[i]] .. old[begin[i + 1]] belong to new id i */
    int32_t *old;     /* old ids */
} ae_vocabulary_map;

/* Finds them. A token that is spelled alike is the same token; a role (padding, unknown, beginning, end, mask) goes
 * back to the old role where no spelling does. With `pieces` a new token is cut by the old tokenizer, unknown tokens
 * left out; else it is new. A continuation is cut as the text that it stands for. Ids without a token are new. Returns
 * 0, or -1 without memory; free with ae_vocabulary_map_free either way. */
AE_API int ae_vocabulary_map_make(const ae_tokenizer *old, const ae_tokenizer *now, bool pieces, ae_vocabulary_map *map,
                                  ae_err *e);
AE_API void ae_vocabulary_map_free(ae_vocabulary_map *map); /* and zeroes it */

/* The first new id that keeps an old one, or -1. */
AE_API int32_t ae_vocabulary_map_find(const ae_vocabulary_map *map, int32_t old);

#ifdef __cplusplus
}
#endif
#endif
