/* tokenizers/: text to ids and back. One interface for all families.
 *
 * A tokenizer is a chain: added tokens are cut out of the text; the rest passes the normalizer, the pre-tokenizer,
 * which cuts words, and the model, which cuts words into tokens; a post-processor puts special tokens around one text
 * or a pair; a decoder goes back. Each stage is a row of a list and a component of Hugging Face's tokenizer.json, and
 * that JSON is how a tokenizer is written down, in files of its own and in model files.
 *
 * A tokenizer never changes once it is made, so any number of threads may use one, each with an ae_encoding of its own.
 * Offsets are in bytes of the text that was given; a byte-level token may stand for part of a character. Texts may hold
 * zero bytes. What is no valid UTF-8 counts as U+FFFD, once for each longest beginning of a character, as Python's and
 * Rust's decoders have it, and the token's range is that of the broken bytes. A text has less than 2^29 bytes. */
#ifndef AE_TOKENIZERS_TOKENIZER_H
#define AE_TOKENIZERS_TOKENIZER_H

#include "tensor/json.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ae_tokenizer ae_tokenizer;

/* ---- making -------------------------------------------------------------------------------------------------------- */

/* What files do not say; all zero bytes mean "as the files say, or as the family's reference has it". */
typedef struct ae_tokenizer_options {
    const char *kind;      /* a name of ae_tokenizer_kind_name or ..._piece_kind_name; NULL: told from the files */
    const char *merges;    /* path of merges.txt where it does not lie beside vocab.json */
    int lower_case;        /* 1 yes, -1 no, 0 as the files say */
    int strip_accents;     /* 1 yes, -1 no, 0: as lower_case */
    int split_chinese;     /* 1 yes, -1 no: whether Chinese characters are words of their own */
    int64_t max_word_size; /* WordPiece: characters of a word that is still looked up; 0: as the files say, else 100 as
                            * Hugging Face has it (Google's code and UER-py: 200) */
    int64_t extra_ids;     /* T5: sentinels behind the vocabulary; 0: as the files say, else 100; -1: none */
} ae_tokenizer_options;

/* Opens a tokenizer.json, a vocab.txt, a vocab.json with merges.txt, a folder that holds one of these (and perhaps
 * tokenizer_config.json, special_tokens_map.json), or a model file (its section "tokenizer"). A tokenizer.json follows
 * Hugging Face's library; a vocab.txt of BERT Google's and UER-py's code, and text is lower-cased when the vocabulary
 * has no capital letters, unless options or tokenizer_config.json say otherwise. NULL and e filled when it is none of
 * them; messages begin with the path. */
AE_API ae_tokenizer *ae_tokenizer_open(const char *path, const ae_tokenizer_options *options, ae_err *e);

/* A tokenizer from the contents of a tokenizer.json. */
AE_API ae_tokenizer *ae_tokenizer_from_json(const ae_json *json, ae_err *e);

/* The contents of a tokenizer.json that gives the same tokenizer; owned by the caller. */
AE_API ae_json *ae_tokenizer_json(const ae_tokenizer *t, ae_err *e);

/* The same in words that Hugging Face's library reads to the same ids. It differs from ae_tokenizer_json for those made
 * from a SentencePiece model, which this library follows to the byte and the other nearly: texts that spell control
 * pieces get them there, and rules of a character map for several characters act in another way. NULL and e filled when
 * there are no words for it: a model of words, blanks behind words, longer user-defined symbols of a BPE model. */
AE_API ae_json *ae_tokenizer_exchange_json(const ae_tokenizer *t, ae_err *e);

/* The contents of a SentencePiece model file that gives the same ids, malloc'ed, owned by the caller: of a tokenizer
 * made from one, or of a Hugging Face Unigram or BPE over U+2581. Special tokens of the frame are no matter of such a
 * file. NULL and e filled when the file cannot hold what the tokenizer does; the message names it. */
AE_API char *ae_tokenizer_piece_file(const ae_tokenizer *t, size_t *bytes, ae_err *e);

AE_API void ae_tokenizer_free(ae_tokenizer *t); /* NULL is allowed */

/* The kinds that can be opened from vocabulary files and trained: "bert", "gpt1", "gpt2", "roberta",
 * "clip", "whisper", "char", "space", "uer-space"; English words "simple", "treebank", "nltk" and "moses", as recurrent
 * models have them; and "plain", whose tokens are single characters, blanks and line ends too, so that decoding gives
 * every text back. */
AE_API int ae_tokenizer_kind_count(void);
AE_API const char *ae_tokenizer_kind_name(int i);  /* NULL outside 0..count-1 */
AE_API const char *ae_tokenizer_kind_about(int i); /* one line */

/* The kinds that are opened from a SentencePiece model: "sentencepiece", "t5", "albert", "xlnet", "pegasus",
 * "xlm-roberta", "mbart", "mbart50", "camembert", "bigbird", "llama", "marian". */
AE_API int ae_tokenizer_piece_kind_count(void);
AE_API const char *ae_tokenizer_piece_kind_name(int i);  /* NULL outside 0..count-1 */
AE_API const char *ae_tokenizer_piece_kind_about(int i); /* one line */

/* The kind of a tokenizer: a name of one of the lists, or "custom". */
AE_API const char *ae_tokenizer_kind(const ae_tokenizer *t);

/* A number that two tokenizers share only when they give the same ids: a hash of the JSON. */
AE_API uint64_t ae_tokenizer_hash(const ae_tokenizer *t);

/* ---- vocabulary ---------------------------------------------------------------------------------------------------- */

/* One more than the largest id, added tokens included. */
AE_API int32_t ae_tokenizer_size(const ae_tokenizer *t);

/* The id of a token, or -1. */
AE_API int32_t ae_tokenizer_id(const ae_tokenizer *t, const char *token, size_t bytes);

/* The token of an id as the vocabulary file spells it; NULL for an id without one. Borrowed; *bytes may be NULL. */
AE_API const char *ae_tokenizer_token(const ae_tokenizer *t, int32_t id, size_t *bytes);

typedef enum ae_token_role {
    AE_TOKEN_PAD,
    AE_TOKEN_UNKNOWN,
    AE_TOKEN_CLS, /* begins a sequence: [CLS], <s>; GPT-2's <|endoftext|> */
    AE_TOKEN_SEP, /* ends one: [SEP], </s>; GPT-2's <|endoftext|> */
    AE_TOKEN_MASK,
    AE_TOKEN_ROLES
} ae_token_role;

/* The id of a role, or -1 when the tokenizer has none. */
AE_API int32_t ae_tokenizer_role(const ae_tokenizer *t, ae_token_role role);

AE_API bool ae_tokenizer_is_special(const ae_tokenizer *t, int32_t id);

/* Whether a token goes on with the word of the token before it ("##ing"; a byte-level token without a space in front).
 */
AE_API bool ae_tokenizer_continues(const ae_tokenizer *t, int32_t id);

/* Whether a token that stands behind `before` goes on with its word: the same, or, where the ends of words are marked
 * ("ing</w>"), `before` lacks the mark. */
AE_API bool ae_tokenizer_joins(const ae_tokenizer *t, int32_t before, int32_t id);

/* ---- encoding ------------------------------------------------------------------------------------------------------ */

/* The tokens of one text or pair. Begin with all zero bytes and use it again: its memory grows and stays. Arrays that
 * were not asked for are NULL or stale. */
typedef struct ae_encoding {
    int64_t count;
    int32_t *ids;
    uint8_t *type_ids;      /* 0 in the first segment, 1 in the second, as the post-processor says */
    uint8_t *sequence;      /* 0: of the first text, 1: of the second, 255: a special token */
    int64_t *starts, *ends; /* the bytes of its text that the token stands for; 0 and 0 for a special token */
    int32_t *words;         /* the number of its word within its text, -1 for a special token */
    int64_t dropped;        /* tokens that truncation took away */
    bool no_offsets;        /* set by the caller: starts, ends and words are not wanted, which is faster */
    int64_t capacity;
    void *scratch; /* of the implementation: caches of words and buffers */
} ae_encoding;

AE_API void ae_encoding_free(ae_encoding *x); /* frees what it holds and zeroes it */

typedef enum ae_truncation {
    AE_TRUNCATE_LONGEST, /* whichever is longer, token by token; the second when both are equally long */
    AE_TRUNCATE_FIRST,
    AE_TRUNCATE_SECOND,
    AE_TRUNCATE_ERROR
} ae_truncation;

typedef struct ae_encode_options {
    bool special;             /* put the special tokens around */
    int64_t max_length;       /* tokens with the special ones; 0: no limit */
    ae_truncation truncation; /* what is cut when it is longer: token by token off the end */
    bool keep_added;          /* added tokens spelled in the text stay text (user input that must not forge them) */
} ae_encode_options;

/* The tokens of a text; `options` NULL: no special tokens, no limit. Returns 0 or -1 (no memory; a limit too small for
 * the special tokens; AE_TRUNCATE_ERROR and too long; a word that is not in the vocabulary of a tokenizer without an
 * unknown token). Where the file asks for trimmed offsets, as RoBERTa's does, blanks at a token's ends are left out. */
AE_API int ae_tokenizer_encode(const ae_tokenizer *t, const char *text, size_t bytes, const ae_encode_options *options,
                               ae_encoding *out, ae_err *e);

/* The same of a pair: special tokens and type ids as the post-processor's template for pairs says. */
AE_API int ae_tokenizer_encode_pair(const ae_tokenizer *t, const char *a, size_t a_bytes, const char *b, size_t b_bytes,
                                    const ae_encode_options *options, ae_encoding *out, ae_err *e);

/* One text, or a pair. */
typedef struct ae_text {
    const char *a, *b; /* b NULL: there is one */
    size_t a_bytes, b_bytes;
} ae_text;

typedef enum ae_padding {
    AE_PAD_NONE,    /* rows are as long as their texts */
    AE_PAD_LONGEST, /* all as long as the longest */
    AE_PAD_LENGTH   /* as long as `length` says, or as the longest where that is longer (set max_length, too) */
} ae_padding;

typedef enum ae_side { AE_SIDE_OF_FILE, AE_SIDE_RIGHT, AE_SIDE_LEFT } ae_side;

typedef struct ae_batch_options {
    ae_encode_options encode;
    ae_padding padding;
    int64_t length;   /* of AE_PAD_LENGTH */
    int64_t multiple; /* lengths of padded rows are rounded up to a multiple of this; 0: they are not */
    ae_side side;     /* where padding stands; OF_FILE: as the tokenizer's section "padding" says, else right */
    bool no_offsets;  /* starts, ends and words are not wanted */
    int threads;      /* 0: as many as ae_threads() */
} ae_batch_options;

/* The tokens of many texts, row by row: row i is [offsets[i], offsets[i + 1]). Begin with all zero bytes and use it
 * again: its memory grows and stays. */
typedef struct ae_encoding_batch {
    int64_t count, longest; /* rows; tokens of the longest with its padding */
    int64_t *offsets;       /* count + 1 */
    int64_t *lengths;       /* tokens of each row without padding */
    int64_t *dropped;       /* tokens that truncation took away from each */
    int32_t *ids;
    uint8_t *mask;          /* 1 for a token, 0 for padding */
    uint8_t *type_ids;      /* of padding: the section "padding"'s "pad_type_id", else 0 */
    uint8_t *sequence;      /* as in ae_encoding; 255 for padding */
    int64_t *starts, *ends; /* 0 and 0 for padding; these three are NULL or stale when they were not wanted */
    int32_t *words;         /* -1 for padding */
    int64_t capacity, row_capacity;
    void *scratch; /* of the implementation: what the threads use */
} ae_encoding_batch;

AE_API void ae_encoding_batch_free(ae_encoding_batch *x); /* frees what it holds and zeroes it */

/* Encodes texts side by side on threads; the result does not depend on their number. `options` NULL: all zero. Padding
 * is the token that the section "padding" names, else the one of AE_TOKEN_PAD. Returns 0 or -1: as ae_tokenizer_encode,
 * with the number of the first text that failed, from 0; padding without a token for it; a negative length. */
AE_API int ae_tokenizer_encode_batch(const ae_tokenizer *t, const ae_text *texts, int64_t count,
                                     const ae_batch_options *options, ae_encoding_batch *out, ae_err *e);

/* Puts the special tokens of the post-processor around ids of one text (b NULL) or a pair, for builders of instances
 * that hold ids already: writes a_count + b_count + ae_tokenizer_special_count ids and type ids (may be NULL). */
AE_API int64_t ae_tokenizer_special_count(const ae_tokenizer *t, bool pair);
AE_API int64_t ae_tokenizer_assemble(const ae_tokenizer *t, const int32_t *a, int64_t a_count, const int32_t *b,
                                     int64_t b_count, int32_t *ids, uint8_t *type_ids);

/* Ids back to text, malloc'ed and NUL-terminated, owned by the caller (*bytes may be NULL). `skip_special` leaves
 * special tokens out. An id outside the vocabulary is AE_E_VALUE. */
AE_API char *ae_tokenizer_decode(const ae_tokenizer *t, const int32_t *ids, int64_t count, bool skip_special,
                                 size_t *bytes, ae_err *e);

/* Hands on each normalised word of a text as the model would get it: what trainers count. Added tokens are text here,
 * as in Hugging Face's trainers; byte-level words are spelled in letters for bytes. Stops when `word` returns other
 * than 0 and returns that; -1 and e on failure. `scratch` is an encoding of the caller's for its buffers. */
typedef int (*ae_word_fn)(void *self, const char *word, size_t bytes);
AE_API int ae_tokenizer_split(const ae_tokenizer *t, const char *text, size_t bytes, ae_word_fn word, void *self,
                              ae_encoding *scratch, ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
