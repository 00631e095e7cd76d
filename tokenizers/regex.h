/* The door to regular expressions: the only file that knows Oniguruma, the engine that Hugging Face's library has, so
 * the same expressions mean the same. Internal to tokenizers/.
 *
 * Classes as \p{L} follow the Unicode version of the installed library: 14 with 6.9.8 (Debian 12), 15.1 with 6.9.9. */
#ifndef AE_TOKENIZERS_REGEX_H
#define AE_TOKENIZERS_REGEX_H

#include "tensor/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ae_regex ae_regex;

/* An expression in Oniguruma's own syntax. NULL and e filled, with what Oniguruma says, when it is none. */
ae_regex *ae_regex_new(const char *text, size_t bytes, ae_err *e);
void ae_regex_free(ae_regex *r); /* NULL is allowed */

/* The script of a character, by number; Common and Inherited are scripts. NONE for a character without one, and for
 * scripts younger than Unicode 9, the version of Hugging Face's and SentencePiece's tables. */
typedef enum ae_script {
    AE_SCRIPT_NONE,
    AE_SCRIPT_COMMON,
    AE_SCRIPT_INHERITED,
    AE_SCRIPT_LATIN,
    AE_SCRIPT_HAN,
    AE_SCRIPT_HIRAGANA,
    AE_SCRIPT_KATAKANA
    /* and others, which have no name here */
} ae_script;

ae_script ae_unicode_script(uint32_t c);

/* The properties Alphabetic and Lowercase. */
bool ae_unicode_alphabetic(uint32_t c);
bool ae_unicode_lowercase(uint32_t c);

/* The matches in a text, one after the other. */
typedef struct ae_regex_walk {
    const ae_regex *regex;
    const char *bytes;
    size_t length, at, before; /* where the next search begins; where the last match ended */
    bool any;                  /* there was a match */
    void *region, *limits;
} ae_regex_walk;

/* Begins at the front of valid UTF-8, which must stay where it is. End every walk that was begun, with one regex on as
 * many threads as you like. */
ae_regex_walk ae_regex_begin(const ae_regex *r, const char *bytes, size_t length);

typedef enum ae_match {
    AE_MATCH_GAVE_UP = -2, /* it took more steps than the length of the text justifies */
    AE_MATCH_NO_MEMORY = -1,
    AE_MATCH_NONE = 0,
    AE_MATCH_FOUND = 1
} ae_match;

/* What is said of a text on which a search gave up. */
#define AE_GAVE_UP "a regular expression of the tokenizer takes too many steps on this text"

/* The next match and its range, which may be empty, but not where the last match ended. */
ae_match ae_regex_next(ae_regex_walk *w, size_t *start, size_t *end);

void ae_regex_end(ae_regex_walk *w);

#endif
