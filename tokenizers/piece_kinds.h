/* The tokenizers that are made from SentencePiece's files: which id a piece has, which special tokens there are and
 * where they stand. Internal to tokenizers/. To add one is to add its row to piece_kinds.c. */
#ifndef AE_TOKENIZERS_PIECE_KINDS_H
#define AE_TOKENIZERS_PIECE_KINDS_H

#include "tokenizers/component.h"
#include "tokenizers/piece_file.h"
#include "tokenizers/tokenizer.h"

/* Which id a piece of the file has. */
typedef enum ae_piece_layout {
    AE_LAYOUT_FILE,      /* its place in the file */
    AE_LAYOUT_EXTRA,     /* T5: likewise; <extra_id_0> is the last of those behind it */
    AE_LAYOUT_FAIRSEQ,   /* <s> <pad> </s> <unk>, the file's from the fourth on, languages, <mask> */
    AE_LAYOUT_CAMEMBERT, /* <s>NOTUSED <pad> </s>NOTUSED <unk>, all of the file, <mask> */
    AE_LAYOUT_PEGASUS,   /* <pad> </s> <mask_1> <mask_2> <unk_2> ..., the file's from the third on */
    AE_LAYOUT_VOCAB      /* what vocab.json says (Marian) */
} ae_piece_layout;

typedef struct ae_piece_kind {
    const char *name, *about;
    const char *class; /* Hugging Face's class in tokenizer_config.json, without "Fast" */
    ae_piece_layout layout;
    const char *join;          /* how tokens are decoded, as decoder_pieces.c names it */
    const char *special;       /* special tokens, a blank between them; NULL: none */
    const char *single, *pair; /* frames: "A:0 </s>:0", the token or text and its type; NULL: none */
    const char *languages;     /* codes that have ids; LANG in a frame is one of them */
    bool clean;                /* text passes ALBERT's and XLNet's cleaning, and commas behind digits are cut off */
    bool lower_case;           /* it is lower-cased when no file says otherwise */
    bool pads_left;
} ae_piece_kind;

/* The row of a kind or of a class (NULL: none). */
const ae_piece_kind *ae_piece_kind_find(const char *name);
const ae_piece_kind *ae_piece_kind_of_class(const char *name);

/* The kind that a tokenizer with this decoder was made as, or NULL. */
const ae_piece_kind *ae_decoder_piece_kind(const ae_component *decoder);

/* What stands beside the file; all may be NULL. */
typedef struct ae_piece_settings {
    const ae_json *config;  /* tokenizer_config.json */
    const ae_json *special; /* special_tokens_map.json */
    const ae_json *vocab;   /* vocab.json: {"token": id} */
    const ae_tokenizer_options *options;
} ae_piece_settings;

/* The kind that the options ask for, or that of the class that tokenizer_config.json names, else "sentencepiece". NULL
 * and e filled when the options ask for one that is not in the list. */
const ae_piece_kind *ae_piece_kind_settle(const ae_piece_settings *settings, ae_err *e);

/* A tokenizer of a kind from the contents of a file, which it takes over, even on failure. NULL and e filled: the file
 * does not fit the kind; no memory. */
ae_tokenizer *ae_tokenizer_from_pieces(ae_piece_file *f, const ae_piece_kind *kind, const ae_piece_settings *settings,
                                       ae_err *e);

/* The list of pieces of a kind in the order of its ids, of a file's, which it takes the place of. */
int ae_piece_layout_apply(const ae_piece_kind *kind, const ae_piece_settings *settings, ae_piece_file *f, ae_err *e);

#endif
