/* The stages of a tokenizer as rows of lists: normalizers, pre-tokenizers, models, post-processors, decoders. Internal
 * to tokenizers/.
 *
 * A row is one type of Hugging Face's tokenizer.json. To add one is to write it in a file of its own (or beside its
 * like) and to put one line into the list at the end of this header. */
#ifndef AE_TOKENIZERS_COMPONENT_H
#define AE_TOKENIZERS_COMPONENT_H

#include "tokenizers/vocab.h"
#include "tokenizers/work.h"

/* What all rows begin with. */
typedef struct ae_row {
    const char *type;                                     /* "BertNormalizer": the member "type" of its JSON */
    void *(*from_json)(const ae_json *object, ae_err *e); /* parameters; NULL in the row: it has none */
    int (*to_json)(const void *self, ae_json *object);    /* adds all members but "type"; NULL: there are none */
    void (*free)(void *self);                             /* NULL: free() does */
} ae_row;

/* A row with its parameters; row NULL: the stage is left out. */
typedef struct ae_component {
    const ae_row *row;
    void *self;
} ae_component;

/* Places where a text may be cut beforehand, so that its parts, tokenized one by one, give the tokens of the whole.
 * This is what lets words be looked up in a cache. */
typedef enum ae_cut {
    AE_CUT_NONE,
    AE_CUT_WORDS,   /* at blanks, which vanish; around ASCII punctuation and, if asked for, Chinese characters */
    AE_CUT_BLANKS,  /* at blanks, which vanish */
    AE_CUT_GPT2,    /* as GPT-2's pattern cuts */
    AE_CUT_LETTERS, /* around every character */
    AE_CUTS
} ae_cut;

typedef struct ae_cutting {
    ae_cut cut;
    bool chinese;     /* AE_CUT_WORDS: around Chinese characters too */
    bool first_apart; /* the first part of a segment is treated in another way than the same word later */
    bool sigma;       /* AE_CUT_WORDS: a capital sigma looks beyond punctuation */
    bool clusters;    /* AE_CUT_BLANKS: a blank that makes one cluster with the marks behind it stays with them */
} ae_cutting;

typedef struct ae_normalizer_row {
    ae_row row;
    int (*apply)(const void *self, ae_work *w); /* w->text to w->text; memory failures stick in w */
    bool (*allows)(const void *self,
                   ae_cutting *c); /* whether c remains true in front of this; may narrow c; NULL: no */
} ae_normalizer_row;

typedef struct ae_pre_tokenizer_row {
    ae_row row;
    int (*apply)(const void *self, ae_work *w);       /* w->pieces to finer w->pieces */
    void (*cutting)(const void *self, ae_cutting *c); /* how it may be cut beforehand; NULL: not at all */
} ae_pre_tokenizer_row;

/* Lists of pairs of ids, the first to be merged first. */
typedef struct ae_merges {
    int32_t (*pairs)[2];
    int64_t count;
} ae_merges;

typedef struct ae_model_row {
    ae_row row;
    /* From the parameters and lists instead of the JSON's "vocab" and "merges"; takes both over, even on failure. NULL
     * when the model is made otherwise. */
    void *(*make)(const ae_json *object, ae_vocab *vocab, ae_merges merges, ae_err *e);
    void (*encode)(const void *self, const char *word, size_t bytes, ae_work *w); /* adds to w->made */
    /* The same of bytes that ByteLevel would spell first; false: not this word, nothing was added. NULL: never. */
    bool (*encode_bytes)(const void *self, const char *word, size_t bytes, ae_work *w);
    const ae_vocab *(*vocab)(const void *self);
    int32_t (*unknown)(const void *self);    /* the id of the unknown token, or -1 */
    const char *(*prefix)(const void *self); /* of tokens that go on with a word, or "" */
    uint64_t (*hash)(const void *self);      /* of what to_json writes */
    /* A bit for each two bytes, a << 8 | b: whether encode_bytes may ever join them; where it cannot, a word may be
     * cut. NULL, or a result of NULL: not known. */
    const uint8_t *(*joints)(const void *self);
} ae_model_row;

/* One place of a post-processor's template. */
typedef struct ae_place {
    int32_t id;   /* a special token, or: */
    int sequence; /* 0: the first text, 1: the second; -1: the special token */
    uint8_t type;
} ae_place;

enum { AE_TEMPLATE_MAX = 32 };

typedef struct ae_template {
    ae_place places[AE_TEMPLATE_MAX];
    int count;
} ae_template;

typedef struct ae_post {
    ae_template single, pair;
    bool trim;             /* offsets leave blanks at a token's ends out */
    bool add_prefix_space; /* and the first token's blank in front was not in the text */
} ae_post;

typedef struct ae_post_row {
    ae_row row;
    int (*plan)(const void *self,
                ae_post *post); /* changes the plan that it is given: without specials, types 0 and 1 */
} ae_post_row;

/* Strings while they are decoded. */
typedef struct ae_strings {
    char *bytes;
    size_t used, room;
    struct ae_string {
        size_t offset, length;
    } * at;
    size_t count, count_room;
    bool failed;
    bool gave_up; /* it failed for a regular expression */
} ae_strings;

void ae_strings_add(ae_strings *s, const char *bytes, size_t length);
void ae_strings_extend(ae_strings *s, const char *bytes, size_t length);    /* lengthens the last string */
void ae_strings_replace(ae_strings *s, const char *what, const char *with); /* in the last one; no longer than what */
void ae_strings_tidy(ae_strings *s); /* takes the blanks out of the last one that English does not have: " ." */
void ae_strings_free(ae_strings *s);

typedef struct ae_decoder_row {
    ae_row row;
    void (*apply)(const void *self, const ae_strings *in, ae_strings *out);
} ae_decoder_row;

/* Reading a component of one of the lists; absent and null give an empty one. Messages name the stage and the type. */
int ae_normalizer_from_json(const ae_json *json, ae_component *c, ae_err *e);
int ae_pre_tokenizer_from_json(const ae_json *json, ae_component *c, ae_err *e);
int ae_model_from_json(const ae_json *json, ae_component *c, ae_err *e);
int ae_post_from_json(const ae_json *json, ae_component *c, ae_err *e);
int ae_decoder_from_json(const ae_json *json, ae_component *c, ae_err *e);

/* A model of the type that the object names, from lists. */
int ae_model_make(const ae_json *object, ae_vocab *vocab, ae_merges merges, ae_component *c, ae_err *e);

ae_json *ae_component_json(const ae_component *c, ae_err *e); /* null for an empty one */
ae_json *ae_component_typed(const char *type);                /* {"type": type}, to be filled */
bool ae_component_is(const ae_json *json, const char *type);  /* whether its "type" is this one */
void ae_component_free(ae_component *c);

/* Several components in a row, as the types Sequence have them. */
typedef struct ae_sequence {
    ae_component *items;
    int count;
} ae_sequence;

typedef int ae_component_reader(const ae_json *json, ae_component *c, ae_err *e);
ae_sequence *ae_sequence_from_json(const ae_json *object, const char *key, ae_component_reader *read, ae_err *e);
int ae_sequence_to_json(const ae_sequence *s, const char *key, ae_json *object);
void ae_sequence_free(void *self);

/* Passes over the text that normalizers share. */
void ae_normalize_decompose(ae_work *w, bool compatibility);
void ae_normalize_compose(ae_work *w);
void ae_normalize_drop(ae_work *w, unsigned flags); /* characters with one of the flags */
void ae_normalize_lower(ae_work *w, bool final_sigma);
void ae_normalize_letters(ae_work *w, size_t start, size_t end); /* bytes to ByteLevel's letters, added to w->other */
bool ae_work_is_ascii(const ae_work *w);

/* Whether a character counts as Chinese in BERT; the original's sixth range begins 256 earlier. */
bool ae_is_chinese(uint32_t c, bool original);
bool ae_is_ascii_punctuation(uint32_t c);

/* What marks a token of a model BPE as the end of a word, or "". */
const char *ae_bpe_suffix(const void *self);

/* The name of the rules of a normalizer EnglishWords. */
const char *ae_english_rules(const void *self);

/* The end of the next piece by GPT-2's pattern; bytes are valid UTF-8, length > 0. */
size_t ae_gpt2_piece(const char *bytes, size_t length);

/* ---- the lists -------------------------------------------------------------------------------------------------- */

#define AE_NORMALIZERS(ROW)                                                                                            \
    ROW(sequence)                                                                                                      \
    ROW(bert)                                                                                                          \
    ROW(nfc)                                                                                                           \
    ROW(nfd)                                                                                                           \
    ROW(nfkc)                                                                                                          \
    ROW(nfkd)                                                                                                          \
    ROW(lowercase)                                                                                                     \
    ROW(strip_accents)                                                                                                 \
    ROW(strip)                                                                                                         \
    ROW(replace)                                                                                                       \
    ROW(prepend)                                                                                                       \
    ROW(nmt) ROW(byte_level) ROW(sentencepiece) ROW(precompiled) ROW(piece_text) ROW(english_words) ROW(uer_space)

#define AE_PRE_TOKENIZERS(ROW)                                                                                         \
    ROW(sequence)                                                                                                      \
    ROW(bert)                                                                                                          \
    ROW(byte_level)                                                                                                    \
    ROW(whitespace)                                                                                                    \
    ROW(whitespace_split)                                                                                              \
    ROW(punctuation) ROW(digits) ROW(split) ROW(char_delimiter) ROW(unicode_scripts) ROW(fixed_length) ROW(metaspace)

#define AE_MODELS(ROW) ROW(word_piece) ROW(bpe) ROW(word_level) ROW(unigram) ROW(sentencepiece)

#define AE_POSTS(ROW) ROW(sequence) ROW(template) ROW(bert) ROW(roberta) ROW(byte_level)

#define AE_DECODERS(ROW)                                                                                               \
    ROW(sequence)                                                                                                      \
    ROW(word_piece)                                                                                                    \
    ROW(byte_level)                                                                                                    \
    ROW(bpe) ROW(byte_fallback) ROW(fuse) ROW(strip) ROW(replace) ROW(ctc) ROW(metaspace) ROW(sentencepiece)

#define AE_ROW(name) extern const ae_normalizer_row ae_normalizer_##name;
AE_NORMALIZERS(AE_ROW)
#undef AE_ROW
#define AE_ROW(name) extern const ae_pre_tokenizer_row ae_pre_tokenizer_##name;
AE_PRE_TOKENIZERS(AE_ROW)
#undef AE_ROW
#define AE_ROW(name) extern const ae_model_row ae_model_##name;
AE_MODELS(AE_ROW)
#undef AE_ROW
#define AE_ROW(name) extern const ae_post_row ae_post_##name;
AE_POSTS(AE_ROW)
#undef AE_ROW
#define AE_ROW(name) extern const ae_decoder_row ae_decoder_##name;
AE_DECODERS(AE_ROW)
#undef AE_ROW

#endif
