/* The tokenizer as its own files see it. */
#ifndef AE_TOKENIZERS_TOKENIZER_INTERNAL_H
#define AE_TOKENIZERS_TOKENIZER_INTERNAL_H

#include "tokenizers/component.h"
#include "tokenizers/kinds.h"
#include "tokenizers/word_cache.h"

/* A token that is found in texts whole, before anything else is done with them. */
typedef struct ae_added {
    char *content;
    size_t bytes;
    int32_t id;
    bool single_word, lstrip, rstrip, normalized, special;
    char *pattern; /* what is looked for: the content, normalised when `normalized` */
    size_t pattern_bytes;
} ae_added;

/* Added tokens by their first byte, longer ones first. */
typedef struct ae_matcher {
    const ae_added **list;
    int count;
    int begin[257]; /* list[begin[b]] .. list[begin[b + 1]] begin with byte b */
    int only;       /* the one first byte there is, or -1 */
} ae_matcher;

enum { AE_FLAG_SPECIAL = 1, AE_FLAG_CONTINUES = 2, AE_FLAG_ADDED = 4, AE_FLAG_OPEN = 8 /* no end of a word */ };

struct ae_tokenizer {
    ae_component normalizer, pre_tokenizer, model, post, decoder;
    ae_json *truncation, *padding; /* of the file, written back */
    ae_added *added;
    int n_added;
    ae_matcher raw, normal; /* looked for in the text as given, and in the normalised text */
    ae_cutting cutting;
    bool byte_words;       /* parts are words that the model takes as bytes */
    const uint8_t *joints; /* the model's, where byte_words; or NULL */
    bool mend_bytes;       /* each broken byte is an U+FFFD of its own */
    bool match_parts;      /* added tokens in normalised text lie in one part each: parts are searched, not the whole */
    ae_post plan;
    const ae_vocab *vocab;
    int32_t size;
    uint8_t *flags; /* by id */
    int32_t roles[AE_TOKEN_ROLES];
    const ae_kind *kind; /* NULL: custom */
    uint64_t hash;
};

/* The tokens of one text. */
typedef struct ae_tokens {
    int32_t *ids, *words;
    uint32_t *starts, *ends;
    size_t count, room;
    int32_t n_words;
    bool failed;
    ae_strings *spelled; /* gets the normalised text of each token when it is not NULL */
} ae_tokens;

typedef struct ae_scratch {
    ae_work work;
    ae_word_cache cache;
    ae_tokens texts[2];
    char *mended; /* a text that was no UTF-8 */
    size_t mended_room;
    uint32_t *places; /* of each byte of mended: where it stood; one more for the end */
    size_t places_room;
} ae_scratch;

/* The scratch of an encoding, made at first use; NULL and e filled without memory. */
ae_scratch *ae_scratch_of(ae_encoding *x, ae_err *e);

/* Replaces the contents of `tokens` by those of a text. */
int ae_tokenize(const ae_tokenizer *t, ae_scratch *s, const char *text, size_t bytes, bool keep_added,
                ae_tokens *tokens, ae_err *e);

/* The normalised text that each token of a text stands for, which for an unknown one is not its token; added to
 * `spelled`. `x` lends its buffers. Returns 0, or -1 and e as ae_tokenizer_encode does. */
int ae_tokenizer_spell(const ae_tokenizer *t, const char *text, size_t bytes, ae_encoding *x, ae_strings *spelled,
                       ae_err *e);

/* A text as valid UTF-8: itself, or a copy in the scratch with U+FFFD for what is broken, `each` byte of it or (as
 * ae_utf8_broken has it) together; then s->places holds for each byte where it stood. NULL and e filled without memory
 * or above 2^31 bytes. */
const char *ae_mend_utf8(ae_scratch *s, const char *text, size_t *bytes, bool each, bool *mended, ae_err *e);

/* Normalizes w->text. */
void ae_normalize(const ae_tokenizer *t, ae_work *w);

/* Whether an added token that is looked for in normalised text always lies in one part. */
bool ae_cut_keeps(const ae_cutting *c, const ae_added *a);

/* The next part of a text that may be tokenized alone: *start moves over blanks that give nothing; the end. */
size_t ae_cut_next(const ae_cutting *c, const char *text, size_t end, size_t *start);

int ae_matcher_build(ae_matcher *m, const ae_added *added, int count, bool normalized, ae_err *e);

/* The longest added token at the front of a text that is not empty, or NULL. */
const ae_added *ae_matcher_at(const ae_matcher *m, const char *text, size_t bytes);

/* Added tokens in a text, one after the other: 1 with *start, *end, *id, or 0. Begin with *at and *done 0. Blanks that
 * one took with it may be another one's own: then it begins before the last one's end. */
int ae_matcher_next(const ae_matcher *m, const char *text, size_t bytes, size_t *at, size_t *done, size_t *start,
                    size_t *end, int32_t *id);

/* Takes over components and the array `added`, of which contents are copied; makes the rest. */
ae_tokenizer *ae_tokenizer_build(ae_component parts[5], const ae_json *added, const ae_json *whole, ae_err *e);

/* Lays options over the JSON of a tokenizer without or with its vocabulary. */
int ae_options_apply(const ae_tokenizer_options *options, ae_json *tokenizer, ae_err *e);

/* What the files of a folder say that the vocabulary does not. */
typedef struct ae_vocab_files {
    const char *vocab, *merges; /* the contents; merges NULL: there is no such file */
    size_t vocab_bytes, merges_bytes;
    const ae_json *tree;             /* of {"token": id}, which then counts instead of the lines of vocab; or NULL */
    const ae_json *config, *special; /* tokenizer_config.json, special_tokens_map.json; may be NULL */
    const ae_json *added;            /* added_tokens.json: {"token": id}; may be NULL */
} ae_vocab_files;

/* A tokenizer from a vocabulary: lines, or the JSON object {"token": id}. */
ae_tokenizer *ae_tokenizer_from_files(const ae_vocab_files *files, const ae_tokenizer_options *options, ae_err *e);

/* The row of the kind that the components are those of, or NULL. */
const ae_kind *ae_kind_of(const ae_tokenizer *t);

#endif
