/* BertNormalizer: cleaning, spaces around Chinese characters, accents, case.
 *
 * With "original": true, which Hugging Face's library passes over, it is BasicTokenizer of Google's BERT (Devlin et al.
 * 2018, tokenization.py): private characters stay, one range of Chinese characters begins 256 code points earlier, and
 * lower-casing comes before the decomposition and knows the final sigma, as Python's does. */
#include "tokenizers/component.h"
#include "tokenizers/unicode.h"

#include <stdlib.h>

typedef struct normalizer {
    bool clean, chinese, lower, original;
    int strip; /* 1, 0, or -1: as lower */
} normalizer;

static void *from_json(const ae_json *object, ae_err *e)
{
    normalizer *n = calloc(1, sizeof *n);
    if (!n) {
        ae_err_set(e, AE_E_MEMORY, "no memory");
        return NULL;
    }
    ae_err local = {0};
    n->clean = ae_json_bool(object, "clean_text", true, &local);
    n->chinese = ae_json_bool(object, "handle_chinese_chars", true, &local);
    n->lower = ae_json_bool(object, "lowercase", true, &local);
    n->original = ae_json_bool(object, "original", false, &local);
    bool given = !ae_json_is_null(ae_json_get(object, "strip_accents"));
    n->strip = given ? ae_json_bool(object, "strip_accents", false, &local) : -1;
    if (local.code) {
        ae_err_set(e, local.code, "%s", local.message);
        free(n);
        return NULL;
    }
    return n;
}

static int to_json(const void *self, ae_json *object)
{
    const normalizer *n = self;
    ae_json_set_bool(object, "clean_text", n->clean);
    ae_json_set_bool(object, "handle_chinese_chars", n->chinese);
    if (n->strip < 0) {
        ae_json_set_null(object, "strip_accents");
    } else {
        ae_json_set_bool(object, "strip_accents", n->strip);
    }
    int result = ae_json_set_bool(object, "lowercase", n->lower);
    return n->original ? ae_json_set_bool(object, "original", true) : result;
}

bool ae_is_chinese(uint32_t c, bool original)
{
    return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x20000 && c <= 0x2a6df) ||
           (c >= 0x2a700 && c <= 0x2b73f) || (c >= 0x2b740 && c <= 0x2b81f) ||
           (c >= (original ? 0x2b820 : 0x2b920) && c <= 0x2ceaf) || (c >= 0xf900 && c <= 0xfaff) ||
           (c >= 0x2f800 && c <= 0x2fa1f);
}

/* Drops control characters and U+FFFD, makes every blank a space. */
static void clean(ae_work *w, bool original)
{
    const ae_aligned *t = &w->text;
    unsigned control = AE_CHAR_CONTROL | AE_CHAR_FORMAT | (original ? 0 : AE_CHAR_PRIVATE);
    unsigned blank = original ? AE_CHAR_SPACE_MARK : AE_CHAR_SPACE;
    for (size_t i = 0; i < t->length;) {
        uint32_t c = 0;
        size_t n = (size_t)ae_utf8_decode(t->bytes + i, &c);
        bool line = c == '\t' || c == '\n' || c == '\r';
        unsigned flags = ae_char_flags(c);
        if (line || (flags & blank && !(flags & control))) {
            ae_aligned_add(&w->other, " ", 1, t->from[i], t->to[i]);
        } else if (c != 0 && c != 0xfffd && !(flags & control)) {
            ae_aligned_copy(&w->other, t, i, i + n);
        }
        i += n;
    }
    ae_work_swap_text(w);
}

static void space_chinese(ae_work *w, bool original)
{
    const ae_aligned *t = &w->text;
    if (ae_work_is_ascii(w)) {
        return;
    }
    for (size_t i = 0; i < t->length;) {
        uint32_t c = 0;
        size_t n = (size_t)ae_utf8_decode(t->bytes + i, &c);
        bool chinese = ae_is_chinese(c, original);
        if (chinese) {
            ae_aligned_add(&w->other, " ", 1, t->from[i], t->to[i]);
        }
        ae_aligned_copy(&w->other, t, i, i + n);
        if (chinese) {
            ae_aligned_add(&w->other, " ", 1, t->from[i], t->to[i]);
        }
        i += n;
    }
    ae_work_swap_text(w);
}

static int apply(const void *self, ae_work *w)
{
    const normalizer *n = self;
    if (n->clean) {
        clean(w, n->original);
    }
    if (n->chinese) {
        space_chinese(w, n->original);
    }
    if (n->lower && n->original) {
        ae_normalize_lower(w, true);
    }
    if (n->strip < 0 ? n->lower : n->strip) {
        ae_normalize_decompose(w, false);
        if (!ae_work_is_ascii(w)) {
            ae_normalize_drop(w, AE_CHAR_NONSPACING);
        }
    }
    if (n->lower && !n->original) {
        ae_normalize_lower(w, false);
    }
    return 0;
}

static bool allows(const void *self, ae_cutting *c)
{
    const normalizer *n = self;
    c->chinese = n->chinese;
    c->sigma = n->lower && n->original;
    return c->cut == AE_CUT_WORDS || c->cut == AE_CUT_BLANKS;
}

const ae_normalizer_row ae_normalizer_bert = {{"BertNormalizer", from_json, to_json, NULL}, apply, allows};
