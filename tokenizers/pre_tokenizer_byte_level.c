/* ByteLevel: GPT-2's pattern cuts words, and bytes become printable characters (Radford et al. 2019, encoder.py). */
#include "tokenizers/byte_letters.h"
#include "tokenizers/component.h"
#include "tokenizers/unicode.h"

#include <stdlib.h>

/* ---- GPT-2's pattern ---------------------------------------------------------------------------------------------
 * 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ : the alternatives are tried in order. */

typedef enum class { OTHER, LETTER, NUMBER, BLANK } class;

static class class_of(const char *bytes, size_t *n)
{
    uint32_t c = (unsigned char)*bytes;
    if (c < 0x80) {
        *n = 1;
        uint32_t low = c | 0x20;
        return low >= 'a' && low <= 'z'               ? LETTER
               : c >= '0' && c <= '9'                 ? NUMBER
               : c == ' ' || (c >= '\t' && c <= '\r') ? BLANK
                                                      : OTHER;
    }
    *n = (size_t)ae_utf8_decode(bytes, &c);
    unsigned flags = ae_char_flags(c);
    return flags & AE_CHAR_LETTER ? LETTER : flags & AE_CHAR_NUMBER ? NUMBER : flags & AE_CHAR_SPACE ? BLANK : OTHER;
}

/* The length of 's 't 're 've 'm 'll 'd at the front, or 0. */
static size_t contraction(const char *p, size_t length)
{
    if (length < 2 || p[0] != '\'') {
        return 0;
    }
    if (p[1] == 's' || p[1] == 't' || p[1] == 'm' || p[1] == 'd') {
        return 2;
    }
    bool two =
        length > 2 && ((p[1] == 'r' && p[2] == 'e') || (p[1] == 'v' && p[2] == 'e') || (p[1] == 'l' && p[2] == 'l'));
    return two ? 3 : 0;
}

/* A run of blanks gives its last one up to what follows. */
static size_t blank_piece(const char *bytes, size_t length)
{
    size_t i = 0, last = 0, n = 0;
    while (i < length && class_of(bytes + i, &n) == BLANK) {
        last = i;
        i += n;
    }
    return i < length && last > 0 ? last : i;
}

size_t ae_gpt2_piece(const char *bytes, size_t length)
{
    size_t short_form = contraction(bytes, length);
    if (short_form) {
        return short_form;
    }
    size_t start = bytes[0] == ' ' && length > 1, n = 0;
    class first = class_of(bytes + start, &n);
    if (first == BLANK) {
        return blank_piece(bytes, length);
    }
    size_t i = start + n;
    while (i < length && class_of(bytes + i, &n) == first) {
        i += n;
    }
    return i;
}

/* ---- the row ------------------------------------------------------------------------------------------------------ */

typedef struct byte_level {
    bool add_prefix_space, trim_offsets, use_regex;
} byte_level;

static void *from_json(const ae_json *object, ae_err *e)
{
    ae_err local = {0};
    byte_level parsed = {ae_json_bool(object, "add_prefix_space", true, &local),
                         ae_json_bool(object, "trim_offsets", true, &local),
                         ae_json_bool(object, "use_regex", true, &local)};
    byte_level *b = local.code ? NULL : malloc(sizeof *b);
    if (!b) {
        ae_err_set(e, local.code ? local.code : AE_E_MEMORY, "%s", local.code ? local.message : "no memory");
        return NULL;
    }
    *b = parsed;
    return b;
}

static int to_json(const void *self, ae_json *object)
{
    const byte_level *b = self;
    ae_json_set_bool(object, "add_prefix_space", b->add_prefix_space);
    ae_json_set_bool(object, "trim_offsets", b->trim_offsets);
    return ae_json_set_bool(object, "use_regex", b->use_regex);
}

static void add_space(ae_work *w, const void *self, ae_piece piece, size_t number)
{
    (void)self;
    const ae_aligned *t = &w->text;
    if (t->bytes[piece.start] != ' ' && (number > 0 || w->begins)) {
        ae_aligned_add(&w->other, " ", 1, t->from[piece.start], t->from[piece.start]);
    }
    ae_aligned_copy(&w->other, t, piece.start, piece.end);
}

static void cut(ae_work *w, const void *self, ae_piece piece)
{
    (void)self;
    for (size_t i = piece.start; i < piece.end;) {
        size_t n = ae_gpt2_piece(w->text.bytes + i, piece.end - i);
        ae_work_piece(w, i, i + n, -1);
        i += n;
    }
}

static void spell(ae_work *w, const void *self, ae_piece piece, size_t number)
{
    (void)self;
    (void)number;
    ae_normalize_letters(w, piece.start, piece.end);
}

static int apply(const void *self, ae_work *w)
{
    const byte_level *b = self;
    if (b->add_prefix_space) {
        ae_work_rewrite(w, add_space, self);
    }
    if (b->use_regex) {
        ae_work_cut(w, cut, self);
    }
    return ae_work_rewrite(w, spell, self);
}

static void cutting(const void *self, ae_cutting *c)
{
    const byte_level *b = self;
    c->cut = b->use_regex ? AE_CUT_GPT2 : AE_CUT_NONE;
    c->first_apart = b->add_prefix_space;
}

const ae_pre_tokenizer_row ae_pre_tokenizer_byte_level = {{"ByteLevel", from_json, to_json, NULL}, apply, cutting};
