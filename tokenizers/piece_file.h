/* SentencePiece's model files: read, written. The only place that knows their encoding. Internal to tokenizers/.
 *
 * Source: sentencepiece_model.proto of google/sentencepiece (the numbers of its fields), Kudo & Richardson 2018. */
#ifndef AE_TOKENIZERS_PIECE_FILE_H
#define AE_TOKENIZERS_PIECE_FILE_H

#include "tensor/byte_buffer.h"
#include "tokenizers/pieces.h"

/* How text is normalised before pieces are looked for. */
typedef struct ae_piece_spec {
    char *name;     /* "nmt_nfkc", "identity"; says nothing that the rest does not */
    char *charsmap; /* replacements of characters as the file has them (charsmap.h); NULL: none */
    size_t charsmap_bytes;
    bool add_dummy_prefix;         /* a text begins with a blank */
    bool remove_extra_whitespaces; /* none at the ends else, and never two */
    bool escape_whitespaces;       /* a blank is U+2581 in pieces */
} ae_piece_spec;

typedef struct ae_piece_file {
    ae_piece_list pieces;
    ae_piece_options options; /* comma_rule is no matter of the file and false */
    ae_piece_spec spec;
    ae_piece_spec reverse;   /* what decoded text passes; charsmap NULL: nothing */
    bool whitespace_suffix;  /* the blank stands behind a word, not in front */
    char *unknown_surface;   /* what an unknown piece decodes to; NULL: SentencePiece's " U+2047 " */
    char *begin, *end, *pad; /* the control pieces of these roles; NULL: "<s>", "</s>", "<pad>", if they are there */
} ae_piece_file;

/* Whether the bytes begin as such a file does. */
bool ae_is_piece_file(const char *bytes, size_t length);

/* Reads a file's contents. Returns 0, or -1 and e filled: not such a file; a piece that is empty, stands twice, is not
 * UTF-8 or of an unknown type; byte fallback without all of <0x00> to <0xFF>; no memory. Nothing is to be freed then.
 */
int ae_piece_file_read(const char *bytes, size_t length, ae_piece_file *f, ae_err *e);

/* Adds the file's contents to `out`. Returns 0, or -1 and e filled without memory. */
int ae_piece_file_write(const ae_piece_file *f, ae_bytes *out, ae_err *e);

void ae_piece_file_free(ae_piece_file *f); /* frees what it holds and zeroes it */

void ae_piece_spec_free(ae_piece_spec *r);

/* The byte of a piece <0x00> to <0xFF>, or -1. */
int ae_piece_byte(const char *piece, size_t bytes);

#define AE_PIECE_BLANK "\xe2\x96\x81" /* U+2581 */
#define AE_PIECE_UNKNOWN_SURFACE " \xe2\x81\x87 "

#endif
