/* The replacements of characters that SentencePiece's models hold: a trie of what is replaced, and the texts that take
 * its place. Internal to tokenizers/.
 *
 * The bytes are a length, that many bytes of a double-array trie (units of 32 bits, as Darts-clone lays them out), and
 * texts that end with a zero byte; a value of the trie is the offset of a text. */
#ifndef AE_TOKENIZERS_CHARSMAP_H
#define AE_TOKENIZERS_CHARSMAP_H

#include "tensor/json.h"

typedef struct ae_charsmap {
    char *source; /* the bytes as they came */
    size_t source_bytes;
    uint32_t *units;
    size_t n_units;
    const char *texts; /* within source, which has a NUL behind it */
    size_t text_bytes;
    bool keeps_blanks; /* blanks, tabs and line ends stay, or become blanks, whatever stands around them */
    bool apart[256]; /* by first byte: an ASCII character stays as it is wherever an ASCII character or nothing follows;
                      * an ideograph (U+4000 to U+9FFF), whatever follows */
} ae_charsmap;

/* Copies the bytes; none give an empty map. Returns 0, or -1 and e filled: no such bytes; no memory. */
int ae_charsmap_read(const void *bytes, size_t length, ae_charsmap *c, ae_err *e);

/* The same of the member "precompiled_charsmap", which holds them in base64, and back. */
int ae_charsmap_from_json(const ae_json *object, ae_charsmap *c, ae_err *e);
int ae_charsmap_to_json(const ae_charsmap *c, ae_json *object);

void ae_charsmap_free(ae_charsmap *c); /* frees what it holds and zeroes it */

/* The length of what is replaced at the front of a valid text, the longest (or the shortest) of several, and in *with
 * its replacement; 0: nothing is. */
size_t ae_charsmap_longest(const ae_charsmap *c, const char *text, size_t length, const char **with);
size_t ae_charsmap_shortest(const ae_charsmap *c, const char *text, size_t length, const char **with);

/* The end of a run of characters from i on that stay as they are, as `apart` tells or a narrower table of that kind.
 * `clusters`: what could belong to a cluster with what follows is no part of it. */
size_t ae_charsmap_run(const bool apart[256], bool clusters, const char *text, size_t i, size_t length);

#endif
