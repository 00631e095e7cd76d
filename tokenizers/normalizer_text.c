/* Normalizers that take, put or join pieces of text: Sequence, Strip, Replace, Prepend. */
#include "tokenizers/component.h"
#include "tokenizers/pattern.h"
#include "tokenizers/unicode.h"

#include <stdlib.h>

/* ---- Sequence ----------------------------------------------------------------------------------------------------- */

static void *sequence_from_json(const ae_json *object, ae_err *e)
{
    return ae_sequence_from_json(object, "normalizers", ae_normalizer_from_json, e);
}

static int sequence_to_json(const void *self, ae_json *object)
{
    return ae_sequence_to_json(self, "normalizers", object);
}

static int sequence_apply(const void *self, ae_work *w)
{
    const ae_sequence *s = self;
    for (int i = 0; i < s->count; i++) {
        const ae_normalizer_row *row = (const ae_normalizer_row *)s->items[i].row;
        row->apply(s->items[i].self, w);
    }
    return 0;
}

static bool sequence_allows(const void *self, ae_cutting *c)
{
    const ae_sequence *s = self;
    for (int i = s->count - 1; i >= 0; i--) {
        const ae_normalizer_row *row = (const ae_normalizer_row *)s->items[i].row;
        ae_cutting before = *c;
        if (!row->allows || !row->allows(s->items[i].self, c)) {
            return false;
        }
        c->chinese = c->chinese && (before.chinese || i == s->count - 1);
        c->sigma = c->sigma || before.sigma;
    }
    return true;
}

const ae_normalizer_row ae_normalizer_sequence = {
    {"Sequence", sequence_from_json, sequence_to_json, ae_sequence_free}, sequence_apply, sequence_allows};

/* ---- Strip -------------------------------------------------------------------------------------------------------- */

typedef struct strip {
    bool left, right;
} strip;

static void *strip_from_json(const ae_json *object, ae_err *e)
{
    ae_err local = {0};
    strip parsed = {ae_json_bool(object, "strip_left", true, &local),
                    ae_json_bool(object, "strip_right", true, &local)};
    if (local.code) {
        ae_err_set(e, local.code, "%s", local.message);
        return NULL;
    }
    strip *s = malloc(sizeof *s);
    if (!s) {
        ae_err_set(e, AE_E_MEMORY, "no memory");
        return NULL;
    }
    *s = parsed;
    return s;
}

static int strip_to_json(const void *self, ae_json *object)
{
    const strip *s = self;
    ae_json_set_bool(object, "strip_left", s->left);
    return ae_json_set_bool(object, "strip_right", s->right);
}

static int strip_apply(const void *self, ae_work *w)
{
    const strip *s = self;
    const ae_aligned *t = &w->text;
    size_t start = 0, end = t->length;
    uint32_t c = 0;
    while (s->left && start < end) {
        size_t n = (size_t)ae_utf8_decode(t->bytes + start, &c);
        if (!(ae_char_flags(c) & AE_CHAR_SPACE)) {
            break;
        }
        start += n;
    }
    while (s->right && end > start) {
        size_t i = end - 1;
        while (((unsigned char)t->bytes[i] & 0xc0) == 0x80) {
            i--;
        }
        ae_utf8_decode(t->bytes + i, &c);
        if (!(ae_char_flags(c) & AE_CHAR_SPACE)) {
            break;
        }
        end = i;
    }
    ae_aligned_copy(&w->other, t, start, end);
    ae_work_swap_text(w);
    return 0;
}

const ae_normalizer_row ae_normalizer_strip = {{"Strip", strip_from_json, strip_to_json, NULL}, strip_apply, NULL};

/* ---- Replace ------------------------------------------------------------------------------------------------------ */

typedef struct replace {
    ae_pattern pattern;
    char *content;
} replace;

static void replace_free(void *self)
{
    replace *r = self;
    ae_pattern_free(&r->pattern);
    free(r->content);
    free(r);
}

static void *replace_from_json(const ae_json *object, ae_err *e)
{
    replace *r = calloc(1, sizeof *r);
    const char *content = ae_json_need_string(object, "content", e);
    if (!r || !content || ae_pattern_from_json(ae_json_get(object, "pattern"), &r->pattern, e) != 0) {
        ae_err_set(e, AE_E_MEMORY, "no memory");
        free(r);
        return NULL;
    }
    r->content = strdup(content);
    if (!r->content) {
        ae_err_set(e, AE_E_MEMORY, "no memory");
        replace_free(r);
        return NULL;
    }
    return r;
}

static int replace_to_json(const void *self, ae_json *object)
{
    const replace *r = self;
    ae_json_set(object, "pattern", ae_pattern_json(&r->pattern));
    return ae_json_set_string(object, "content", r->content);
}

/* What stands where nothing was is a place without bytes. */
static void add_content(ae_aligned *out, const ae_aligned *t, const char *content, size_t start, size_t end)
{
    uint32_t from = start < t->length ? t->from[start] : t->to[t->length - 1];
    ae_aligned_add(out, content, strlen(content), from, end > start ? t->to[end - 1] : from);
}

static int replace_apply(const void *self, ae_work *w)
{
    const replace *r = self;
    const ae_aligned *t = &w->text;
    size_t at = 0, start = 0, end = 0;
    ae_matches m = ae_pattern_begin(&r->pattern, t->bytes, t->length);
    ae_match found = AE_MATCH_NONE;
    while ((found = ae_pattern_next(&m, &start, &end)) == AE_MATCH_FOUND) {
        ae_aligned_copy(&w->other, t, at, start);
        add_content(&w->other, t, r->content, start, end);
        at = end;
    }
    ae_pattern_end(&m);
    ae_work_matched(w, found);
    ae_aligned_copy(&w->other, t, at, t->length);
    ae_work_swap_text(w);
    return 0;
}

/* Blanks that become one blank still part words. */
static bool replace_allows(const void *self, ae_cutting *c)
{
    const replace *r = self;
    c->chinese = false;
    return c->cut == AE_CUT_BLANKS && r->pattern.regex && strcmp(r->pattern.text, "\\s+") == 0 &&
           strcmp(r->content, " ") == 0;
}

const ae_normalizer_row ae_normalizer_replace = {
    {"Replace", replace_from_json, replace_to_json, replace_free}, replace_apply, replace_allows};

/* ---- Prepend ------------------------------------------------------------------------------------------------------ */

static void *prepend_from_json(const ae_json *object, ae_err *e)
{
    const char *text = ae_json_need_string(object, "prepend", e);
    char *copy = text ? strdup(text) : NULL;
    if (text && !copy) {
        ae_err_set(e, AE_E_MEMORY, "no memory");
    }
    return copy;
}

static int prepend_to_json(const void *self, ae_json *object)
{
    return ae_json_set_string(object, "prepend", self);
}

/* In front of every text that is not empty; it stands for the first character's place. */
static int prepend_apply(const void *self, ae_work *w)
{
    const ae_aligned *t = &w->text;
    if (t->length > 0) {
        ae_aligned_add(&w->other, self, strlen(self), t->from[0], t->from[0]);
        ae_aligned_copy(&w->other, t, 0, t->length);
        ae_work_swap_text(w);
    }
    return 0;
}

const ae_normalizer_row ae_normalizer_prepend = {
    {"Prepend", prepend_from_json, prepend_to_json, NULL}, prepend_apply, NULL};
