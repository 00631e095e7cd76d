/* SentencePiece: the normalizer of SentencePiece's library (Kudo & Richardson 2018, section 3), to the byte. Characters
 * are replaced by the longest rule that fits, user-defined symbols stay as they are, blanks become U+2581. */
#include "tokenizers/charsmap.h"
#include "tokenizers/piece_file.h"
#include "tokenizers/tokenizer_internal.h"
#include "tokenizers/unicode.h"

#include <stdlib.h>

typedef struct pieces_normalizer {
    ae_charsmap map;
    bool prefix, remove, escape, suffix; /* as ae_piece_spec and ae_piece_file name them */
    ae_added *symbols;                   /* user-defined */
    int n_symbols;
    ae_matcher matcher;
    bool copied[256]; /* as the map's `apart`, less blanks and what user-defined symbols begin with */
} pieces_normalizer;

/* ---- reading and writing --------------------------------------------------------------------------------------------- */

static void pieces_free(void *self)
{
    pieces_normalizer *p = self;
    ae_charsmap_free(&p->map);
    for (int i = 0; i < p->n_symbols; i++) {
        free(p->symbols[i].content);
    }
    free(p->symbols);
    free(p->matcher.list);
    free(p);
}

static int read_symbols(const ae_json *object, pieces_normalizer *p, ae_err *e)
{
    ae_err local = {0};
    const ae_json *list = ae_json_array(object, "user_defined", &local);
    p->symbols = calloc((size_t)ae_json_count(list) + 1, sizeof *p->symbols);
    if (!p->symbols) {
        ae_err_set(&local, AE_E_MEMORY, "no memory");
    }
    for (const ae_json *m = ae_json_first(list); m && !local.code; m = ae_json_next(m)) {
        ae_added *a = &p->symbols[p->n_symbols];
        a->content = ae_json_value_bytes(m, &a->bytes, &local);
        a->pattern = a->content;
        a->pattern_bytes = a->bytes;
        p->n_symbols += a->content != NULL;
    }
    if (!local.code) {
        ae_matcher_build(&p->matcher, p->symbols, p->n_symbols, false, &local);
    }
    return local.code ? ae_err_set(e, local.code, "\"user_defined\": %s", local.message) : 0;
}

static void find_copied(pieces_normalizer *p)
{
    for (int c = 0; c < 256; c++) {
        p->copied[c] = c != ' ' && p->map.apart[c] && p->matcher.begin[c] == p->matcher.begin[c + 1];
    }
}

static void *pieces_from_json(const ae_json *object, ae_err *e)
{
    ae_err local = {0};
    pieces_normalizer *p = calloc(1, sizeof *p);
    if (!p) {
        ae_err_set(e, AE_E_MEMORY, "no memory");
        return NULL;
    }
    p->prefix = ae_json_bool(object, "add_dummy_prefix", true, &local);
    p->remove = ae_json_bool(object, "remove_extra_whitespaces", true, &local);
    p->escape = ae_json_bool(object, "escape_whitespaces", true, &local);
    p->suffix = ae_json_bool(object, "whitespace_suffix", false, &local);
    if (local.code || ae_charsmap_from_json(object, &p->map, &local) != 0 || read_symbols(object, p, &local) != 0) {
        ae_err_set(e, local.code, "%s", local.message);
        pieces_free(p);
        return NULL;
    }
    find_copied(p);
    return p;
}

static int pieces_to_json(const void *self, ae_json *object)
{
    const pieces_normalizer *p = self;
    ae_charsmap_to_json(&p->map, object);
    ae_json_set_bool(object, "add_dummy_prefix", p->prefix);
    ae_json_set_bool(object, "remove_extra_whitespaces", p->remove);
    ae_json_set_bool(object, "escape_whitespaces", p->escape);
    ae_json_set_bool(object, "whitespace_suffix", p->suffix);
    ae_json *list = ae_json_new_array();
    for (int i = 0; i < p->n_symbols; i++) {
        ae_json_add(list, NULL, ae_json_new_bytes(p->symbols[i].content, p->symbols[i].bytes));
    }
    return ae_json_set(object, "user_defined", list);
}

/* ---- the text --------------------------------------------------------------------------------------------------------- */

/* A unit of the text: its length, and what stands for it. */
typedef struct unit {
    size_t length, n;
    const char *with;
} unit;

/* A broken byte, which stands as U+FFFD in the text: no rule is asked for it. */
static bool is_mended(const ae_work *w, size_t i)
{
    if (!w->places || w->text.length - i < 3 || memcmp(w->text.bytes + i, "\xef\xbf\xbd", 3) != 0) {
        return false;
    }
    const uint32_t *place = w->places + w->start + w->text.from[i];
    return w->text.to[i] - w->text.from[i] == 3 && place[0] == place[2];
}

static unit next_unit(const pieces_normalizer *p, const ae_work *w, size_t i)
{
    const char *text = w->text.bytes + i, *with = text;
    size_t length = w->text.length - i;
    const ae_added *symbol = p->n_symbols > 0 ? ae_matcher_at(&p->matcher, text, length) : NULL;
    if (symbol) {
        return (unit){symbol->bytes, symbol->bytes, text};
    }
    if (!is_mended(w, i)) {
        size_t n = ae_charsmap_longest(&p->map, text, length, &with);
        if (n > 0) {
            return (unit){n, strlen(with), with};
        }
    }
    uint32_t c = 0;
    size_t n = (size_t)ae_utf8_decode(text, &c);
    return (unit){n, n, text};
}

static void add_blank(const pieces_normalizer *p, ae_aligned *out, uint32_t from, uint32_t to)
{
    ae_aligned_add(out, p->escape ? AE_PIECE_BLANK : " ", p->escape ? 3 : 1, from, to);
}

/* What vanishes belongs to what stands before it. */
static void extend(ae_aligned *out, uint32_t to)
{
    uint32_t old = out->length > 0 ? out->to[out->length - 1] : 0;
    for (size_t k = out->length; k > 0 && out->to[k - 1] == old; k--) {
        out->to[k - 1] = to;
    }
}

/* Adds a unit; *blank: what was added last ends with a blank that takes in those behind it. */
static void add_unit(const pieces_normalizer *p, ae_work *w, size_t i, unit u, bool *blank)
{
    uint32_t from = w->text.from[i], to = w->text.to[i + u.length - 1];
    while (*blank && u.n > 0 && u.with[0] == ' ') {
        u.with++;
        u.n--;
    }
    if (u.n == 0) {
        extend(&w->other, to);
        return;
    }
    for (size_t k = 0, run = 0; k <= u.n; k++) {
        if (k == u.n || u.with[k] == ' ') {
            ae_aligned_add(&w->other, u.with + run, k - run, from, to);
            run = k + 1;
        }
        if (k < u.n && u.with[k] == ' ') {
            add_blank(p, &w->other, from, to);
        }
    }
    *blank = p->remove && u.with[u.n - 1] == ' ';
}

static void trim_end(const pieces_normalizer *p, ae_aligned *out)
{
    const char *blank = p->escape ? AE_PIECE_BLANK : " ";
    size_t n = strlen(blank);
    while (out->length >= n && memcmp(out->bytes + out->length - n, blank, n) == 0) {
        out->length -= n;
    }
}

static int pieces_apply(const void *self, ae_work *w)
{
    const pieces_normalizer *p = self;
    ae_aligned *t = &w->text, *out = &w->other;
    size_t i = 0;
    for (unit u; p->remove && w->begins && i < t->length; i += u.length) {
        u = next_unit(p, w, i);
        if (u.n != 1 || u.with[0] != ' ') {
            break;
        }
    }
    if (i < t->length) {
        if (p->prefix && !p->suffix && w->begins) {
            add_blank(p, out, t->from[i], t->from[i]);
        }
        bool blank = p->remove && w->begins;
        while (i < t->length) {
            size_t end = ae_charsmap_run(p->copied, false, t->bytes, i, t->length);
            if (end > i) {
                ae_aligned_copy(out, t, i, end);
                blank = false;
                i = end;
                continue;
            }
            unit u = next_unit(p, w, i);
            add_unit(p, w, i, u, &blank);
            i += u.length;
        }
        if (p->remove) {
            trim_end(p, out);
        }
        if (p->prefix && p->suffix) {
            add_blank(p, out, t->to[t->length - 1], t->to[t->length - 1]);
        }
    }
    ae_work_swap_text(w);
    return 0;
}

const ae_normalizer_row ae_normalizer_sentencepiece = {
    {"SentencePiece", pieces_from_json, pieces_to_json, pieces_free}, pieces_apply, NULL};
