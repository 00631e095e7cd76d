/* Metaspace: a letter for blanks, U+2581, which begins the words that are cut there; and back. */
#include "tokenizers/component.h"
#include "tokenizers/unicode.h"

#include <stdlib.h>

typedef enum scheme { ALWAYS, FIRST, NEVER, SCHEMES } scheme;

static const char *const scheme_names[SCHEMES] = {"always", "first", "never"};

typedef struct metaspace {
    char letter[5];
    size_t bytes;
    scheme scheme;
    bool split;
} metaspace;

static int read_scheme(const ae_json *object, metaspace *m, ae_err *e)
{
    ae_err local = {0};
    const char *name = ae_json_string(object, "prepend_scheme", scheme_names[ALWAYS], &local);
    m->scheme = SCHEMES;
    for (int i = 0; i < SCHEMES && !local.code; i++) {
        m->scheme = strcmp(scheme_names[i], name) == 0 ? (scheme)i : m->scheme;
    }
    if (!local.code && m->scheme == SCHEMES) {
        ae_err_set(&local, AE_E_VALUE, "\"prepend_scheme\" must be always, first or never");
    }
    bool older = ae_json_bool(object, "add_prefix_space", true, &local);
    if (!older && ae_json_get(object, "prepend_scheme") && m->scheme != NEVER) {
        ae_err_set(&local, AE_E_VALUE, "\"add_prefix_space\" is false and \"prepend_scheme\" is not never");
    }
    m->scheme = older ? m->scheme : NEVER;
    return local.code ? ae_err_set(e, local.code, "%s", local.message) : 0;
}

static void *metaspace_from_json(const ae_json *object, ae_err *e)
{
    ae_err local = {0};
    metaspace parsed = {.split = ae_json_bool(object, "split", true, &local)};
    const char *letter = ae_json_string(object, "replacement", "\xe2\x96\x81", &local);
    if (!local.code && ae_utf8_count(letter, strlen(letter)) != 1) {
        ae_err_set(&local, AE_E_VALUE, "\"replacement\" must be one character");
    }
    metaspace *m = !local.code && read_scheme(object, &parsed, &local) == 0 ? malloc(sizeof *m) : NULL;
    if (!m) {
        ae_err_set(e, local.code ? local.code : AE_E_MEMORY, "%s", local.code ? local.message : "no memory");
        return NULL;
    }
    parsed.bytes = strlen(letter);
    memcpy(parsed.letter, letter, parsed.bytes);
    *m = parsed;
    return m;
}

static int metaspace_to_json(const void *self, ae_json *object)
{
    const metaspace *m = self;
    ae_json_set_string(object, "replacement", m->letter);
    ae_json_set_string(object, "prepend_scheme", scheme_names[m->scheme]);
    return ae_json_set_bool(object, "split", m->split);
}

static bool is_letter(const metaspace *m, const char *bytes, size_t length)
{
    return length >= m->bytes && bytes[0] == m->letter[0] && memcmp(bytes, m->letter, m->bytes) == 0;
}

/* ---- the pre-tokenizer ---------------------------------------------------------------------------------------------- */

static void spell_blanks(ae_work *w, const void *self, ae_piece piece, size_t number)
{
    (void)number;
    const metaspace *m = self;
    const ae_aligned *t = &w->text;
    size_t start = piece.start, run = start;
    bool first = m->scheme == ALWAYS || (m->scheme == FIRST && w->start + t->from[start] == 0);
    if (first && t->bytes[start] != ' ' && !is_letter(m, t->bytes + start, piece.end - start)) {
        ae_aligned_add(&w->other, m->letter, m->bytes, t->from[start], t->from[start]);
    }
    for (size_t i = start; i < piece.end; i++) {
        if (t->bytes[i] == ' ') {
            ae_aligned_copy(&w->other, t, run, i);
            ae_aligned_add(&w->other, m->letter, m->bytes, t->from[i], t->to[i]);
            run = i + 1;
        }
    }
    ae_aligned_copy(&w->other, t, run, piece.end);
}

static void cut_before(ae_work *w, const void *self, ae_piece piece)
{
    const metaspace *m = self;
    size_t start = piece.start;
    for (size_t i = piece.start + 1; i < piece.end; i++) {
        if (is_letter(m, w->text.bytes + i, piece.end - i)) {
            ae_work_piece(w, start, i, -1);
            start = i;
        }
    }
    ae_work_piece(w, start, piece.end, -1);
}

static int metaspace_apply(const void *self, ae_work *w)
{
    const metaspace *m = self;
    ae_work_rewrite(w, spell_blanks, self);
    return m->split ? ae_work_cut(w, cut_before, self) : 0;
}

static void metaspace_cutting(const void *self, ae_cutting *c)
{
    const metaspace *m = self;
    c->first_apart = m->scheme == FIRST;
}

const ae_pre_tokenizer_row ae_pre_tokenizer_metaspace = {
    {"Metaspace", metaspace_from_json, metaspace_to_json, NULL}, metaspace_apply, metaspace_cutting};

/* ---- the decoder ------------------------------------------------------------------------------------------------------ */

static void metaspace_decode(const void *self, const ae_strings *in, ae_strings *out)
{
    const metaspace *m = self;
    for (size_t i = 0; i < in->count && !out->failed; i++) {
        const char *bytes = in->bytes + in->at[i].offset;
        size_t length = in->at[i].length, run = 0;
        ae_strings_add(out, "", 0);
        for (size_t k = 0; k <= length; k++) {
            bool blank = k < length && is_letter(m, bytes + k, length - k);
            if (blank || k == length) {
                ae_strings_extend(out, bytes + run, k - run);
            }
            if (blank) {
                ae_strings_extend(out, " ", i > 0 || m->scheme == NEVER);
                run = k + m->bytes;
                k = run - 1;
            }
        }
    }
}

const ae_decoder_row ae_decoder_metaspace = {{"Metaspace", metaspace_from_json, metaspace_to_json, NULL},
                                             metaspace_decode};
