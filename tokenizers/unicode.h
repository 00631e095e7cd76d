/* The Unicode door: the only file that knows utf8proc. Properties and mappings of code points, and UTF-8. Internal.
 *
 * The version of Unicode is the library's: 14 with utf8proc 2.8 (Debian 12), 15.1 with 2.9 (Debian 13). References that
 * carry other versions differ from it on the characters that came between. */
#ifndef AE_TOKENIZERS_UNICODE_H
#define AE_TOKENIZERS_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Groups of general categories and properties, one bit each (Unicode standard annex 44). */
enum {
    AE_CHAR_LETTER = 1,         /* L */
    AE_CHAR_NUMBER = 2,         /* N */
    AE_CHAR_DIGIT = 4,          /* Nd */
    AE_CHAR_PUNCTUATION = 8,    /* P */
    AE_CHAR_MARK = 16,          /* M */
    AE_CHAR_NONSPACING = 32,    /* Mn */
    AE_CHAR_SPACE = 64,         /* White_Space */
    AE_CHAR_SPACE_MARK = 128,   /* Zs */
    AE_CHAR_CONTROL = 256,      /* Cc */
    AE_CHAR_FORMAT = 512,       /* Cf */
    AE_CHAR_PRIVATE = 1024,     /* Co */
    AE_CHAR_WORD = 2048,        /* \w of regular expressions (Unicode technical standard 18, annex C) */
    AE_CHAR_CASED = 4096,       /* Lu, Ll, Lt: has a case, near enough for the final sigma */
    AE_CHAR_CASE_IGNORED = 8192 /* Mn, Me, Cf, Lm, Sk and the marks inside words: what the final sigma looks through */
};

/* The bits of a code point; 0 beyond U+10FFFF. */
unsigned ae_char_flags(uint32_t c);

/* Decodes one character of valid UTF-8; the length, 1 to 4. */
static inline int ae_utf8_decode(const char *bytes, uint32_t *c)
{
    const unsigned char *p = (const unsigned char *)bytes;
    if (p[0] < 0x80) {
        *c = p[0];
        return 1;
    }
    if (p[0] < 0xe0) {
        *c = (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
        return 2;
    }
    if (p[0] < 0xf0) {
        *c = (uint32_t)(p[0] & 0xf) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3f);
        return 3;
    }
    *c = (uint32_t)(p[0] & 7) << 18 | (uint32_t)(p[1] & 0x3f) << 12 | (uint32_t)(p[2] & 0x3f) << 6 | (p[3] & 0x3f);
    return 4;
}

/* Encodes one; the length, 1 to 4. No NUL is added. */
int ae_utf8_encode(uint32_t c, char bytes[4]);

/* The number of characters in valid UTF-8. */
size_t ae_utf8_count(const char *bytes, size_t length);

/* The number of bytes at the front that are valid UTF-8. */
size_t ae_utf8_valid(const char *bytes, size_t length);

/* The length of what becomes one U+FFFD at the front of bytes that are not valid UTF-8 there: the longest beginning of
 * a character, at least 1 (Unicode standard, section 3.9; as Python's and Rust's decoders have it). */
size_t ae_utf8_broken(const char *bytes, size_t length);

enum { AE_DECOMPOSED_MAX = 20 }; /* U+FDFA has 18 */

/* The full canonical or compatibility decomposition of a character; the number of code points, at least 1. */
int ae_char_decompose(uint32_t c, bool compatibility, uint32_t parts[AE_DECOMPOSED_MAX]);

/* The canonical combining class. */
int ae_char_combining(uint32_t c);

/* The canonical composition of two characters, or 0. */
uint32_t ae_char_compose(uint32_t a, uint32_t b);

/* The bytes of the grapheme cluster at the front of valid UTF-8, length > 0 (Unicode standard annex 29, extended). */
size_t ae_grapheme(const char *bytes, size_t length);

/* The full lower-case mapping without context; the number of code points, 1 or 2. */
int ae_char_lower(uint32_t c, uint32_t parts[2]);

/* The simple case folding: the full one where that is one character, else the small letter. */
uint32_t ae_char_fold(uint32_t c);

#endif
