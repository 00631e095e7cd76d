/* The kinds of tokenizers that are made from lists of tokens: what readers of vocabulary files and trainers build with.
 * Internal to tokenizers/. To add a kind is to add its row to kinds.c. */
#ifndef AE_TOKENIZERS_KINDS_H
#define AE_TOKENIZERS_KINDS_H

#include "tokenizers/byte_letters.h"
#include "tokenizers/tokenizer.h"

/* How the tokens of a vocabulary come about, which decides how it is trained. */
typedef enum ae_kind_learning {
    AE_LEARN_MERGES, /* pairs of tokens are joined, and the model keeps the list of pairs: BPE */
    AE_LEARN_PIECES, /* the same joining, and the model keeps the tokens alone: WordPiece */
    AE_LEARN_WORDS   /* every word that ae_tokenizer_split hands on is a token or unknown: a word list */
} ae_kind_learning;

typedef struct ae_kind {
    const char *name;
    const char *about;
    ae_kind_learning learning;
    bool bytes;                 /* words are spelled in GPT-2's 256 characters for bytes (ae_byte_letter) */
    const char *prefix;         /* of a token that goes on with a word: "##"; NULL: none */
    const char *suffix;         /* of a token that ends a word: "</w>"; NULL: none */
    const char *const *special; /* the family's special tokens in the order of a new vocabulary's ids; NULL ends it */
    const char *components;     /* JSON: all of a tokenizer.json but added tokens, vocabulary and merges */
} ae_kind;

/* The row of a kind; NULL and e filled, the nearest name given, when there is none. */
const ae_kind *ae_kind_find(const char *name, ae_err *e);

/* What is known of an added token before it has an id. */
typedef struct ae_added_spec {
    const char *content;
    int64_t id; /* -1: the vocabulary's, or the next free one */
    bool single_word, lstrip, rstrip, normalized, special;
} ae_added_spec;

/* A special token as its family has it. */
ae_added_spec ae_added_default(const char *content);

/* What a tokenizer of a kind is made of. */
typedef struct ae_kind_parts {
    const ae_kind *kind;
    const ae_tokenizer_options *options; /* NULL: all as the kind has it; `kind` and `merges` in it are not read */
    const char *const *tokens;           /* the token of each id; a token that stands twice has its last id */
    const size_t *token_bytes;           /* NULL: tokens end with a NUL byte */
    int64_t n_tokens;                    /* 0: a tokenizer that can only split words, for trainers */
    const int32_t (*merges)[2];          /* the ids of the pairs, the first to be merged first; AE_LEARN_MERGES only */
    int64_t n_merges;
    const char *const *special; /* tokens that are special, found in texts whole; NULL: those of the kind's own that */
    int n_special;              /* are in the vocabulary. One that is not in the vocabulary gets the next free id */
    const ae_added_spec *added; /* further ones, of which more is known; each content stands once in both lists */
    int n_added;
} ae_kind_parts;

/* Builds it, copying all that parts point to. NULL and e filled: no memory; a merge whose ids are outside, or whose
 * joined token is not in the vocabulary. */
ae_tokenizer *ae_tokenizer_from_parts(const ae_kind_parts *parts, ae_err *e);

#endif
