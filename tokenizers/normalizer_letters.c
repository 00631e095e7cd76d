/* Normalizers that change characters one by one: Nmt and ByteLevel. */
#include "tokenizers/byte_letters.h"
#include "tokenizers/component.h"
#include "tokenizers/unicode.h"

/* ---- Nmt: the characters that SentencePiece's rule "nmt" drops or makes blanks ------------------------------------- */

static bool is_dropped(uint32_t c)
{
    return (c >= 0x01 && c <= 0x08) || c == 0x0b || (c >= 0x0e && c <= 0x1f) || c == 0x7f || c == 0x8f || c == 0x9f;
}

static bool is_blank(uint32_t c)
{
    return c == '\t' || c == '\n' || c == '\f' || c == '\r' || c == 0x1680 || (c >= 0x200b && c <= 0x200f) ||
           c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xfeff || c == 0xfffd;
}

static int apply_nmt(const void *self, ae_work *w)
{
    (void)self;
    const ae_aligned *t = &w->text;
    for (size_t i = 0; i < t->length;) {
        uint32_t c = 0;
        size_t n = (size_t)ae_utf8_decode(t->bytes + i, &c);
        if (is_blank(c)) {
            ae_aligned_add(&w->other, " ", 1, t->from[i], t->to[i]);
        } else if (!is_dropped(c)) {
            ae_aligned_copy(&w->other, t, i, i + n);
        }
        i += n;
    }
    ae_work_swap_text(w);
    return 0;
}

const ae_normalizer_row ae_normalizer_nmt = {{"Nmt", NULL, NULL, NULL}, apply_nmt, NULL};

/* ---- ByteLevel: every byte becomes its letter ------------------------------------------------------------------------ */

static int apply_byte_level(const void *self, ae_work *w)
{
    (void)self;
    ae_normalize_letters(w, 0, w->text.length);
    ae_work_swap_text(w);
    return 0;
}

const ae_normalizer_row ae_normalizer_byte_level = {{"ByteLevel", NULL, NULL, NULL}, apply_byte_level, NULL};
