/* UerSpace: what UER-py's SpaceTokenizer does before words are looked up (uer/utils/tokenizers.py at 5743050:
 * text.strip().split(" ")): blanks at the ends go, and where two spaces stand together the word between them, which is
 * empty and in no vocabulary, becomes the unknown token. A text of blanks alone is one such word. */
#include "tokenizers/component.h"
#include "tokenizers/unicode.h"

#include <stdlib.h>

static void *from_json(const ae_json *object, ae_err *e)
{
    ae_err local = {0};
    const char *unknown = ae_json_string(object, "unknown", "[UNK]", &local);
    char *copy = local.code ? NULL : strdup(unknown);
    if (!copy) {
        ae_err_set(e, local.code ? local.code : AE_E_MEMORY, "%s", local.code ? local.message : "no memory");
    }
    return copy;
}

static int to_json(const void *self, ae_json *object)
{
    return ae_json_set_string(object, "unknown", self);
}

/* What str.strip() of Python takes off. */
static bool is_blank(uint32_t c)
{
    return ae_char_flags(c) & AE_CHAR_SPACE || (c >= 0x1c && c <= 0x1f);
}

/* Where the text begins and ends without blanks. */
static void strip(const ae_aligned *t, size_t *start, size_t *end)
{
    uint32_t c = 0;
    *start = *end = t->length;
    for (size_t i = 0, n; i < t->length; i += n) {
        n = (size_t)ae_utf8_decode(t->bytes + i, &c);
        if (!is_blank(c)) {
            *start = *start == t->length ? i : *start;
            *end = i + n;
        }
    }
}

static int apply(const void *self, ae_work *w)
{
    const ae_aligned *t = &w->text;
    const char *unknown = self;
    size_t start, end;
    strip(t, &start, &end);
    if (t->length > 0 && start == end) {
        ae_aligned_add(&w->other, unknown, strlen(unknown), t->from[0], t->to[t->length - 1]);
    }
    for (size_t i = start; i < end; i++) {
        if (t->bytes[i] == ' ' && t->bytes[i - 1] == ' ') {
            ae_aligned_add(&w->other, unknown, strlen(unknown), t->from[i], t->from[i]);
        }
        ae_aligned_copy(&w->other, t, i, i + 1);
    }
    ae_work_swap_text(w);
    return 0;
}

const ae_normalizer_row ae_normalizer_uer_space = {{"UerSpace", from_json, to_json, NULL}, apply, NULL};
