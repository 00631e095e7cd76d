#include "tokenizers/charsmap_rules.h"

#include "tokenizers/charsmap_build.h"
#include "tokenizers/unicode.h"

#include <stdlib.h>
#include <string.h>

enum { CODE_POINTS = 0x110000, LONGEST = AE_DECOMPOSED_MAX, FULL_WIDTH_TILDE = 0xFF5E };

static const char *const names[] = {"identity", "nfkc", "nfkc_cf", "nmt_nfkc", "nmt_nfkc_cf"};

int ae_charsmap_rules_count(void)
{
    return sizeof names / sizeof *names;
}

const char *const *ae_charsmap_rules_names(void)
{
    return names;
}

/* Characters of a key or of what takes its place. */
typedef struct chars {
    uint32_t at[LONGEST];
    int n;
} chars;

/* A character that decomposes to one other, in a list of all that decompose to that one. */
typedef struct variant {
    uint32_t c, next; /* next: an index, 0 for none */
} variant;

typedef struct rules {
    ae_word_counts keys, texts; /* UTF-8 */
    int64_t *values;            /* by key: its text */
    int64_t room;
    uint32_t *first;   /* by code point: its first variant */
    variant *variants; /* from 1 on */
    uint32_t n_variants;
    bool fold;
    bool failed;
} rules;

static size_t spell(const chars *c, char text[4 * LONGEST])
{
    size_t n = 0;
    for (int i = 0; i < c->n; i++) {
        n += (size_t)ae_utf8_encode(c->at[i], text + n);
    }
    return n;
}

static bool same(const chars *a, const chars *b)
{
    return a->n == b->n && memcmp(a->at, b->at, (size_t)a->n * sizeof *a->at) == 0;
}

/* A rule, in place of one with the same key. */
static void put(rules *r, const chars *from, chars to)
{
    char text[4 * LONGEST];
    for (int i = 0; i < to.n && r->fold; i++) {
        to.at[i] = ae_char_fold(to.at[i]);
    }
    int64_t value = ae_word_counts_add(&r->texts, text, spell(&to, text), 0);
    int64_t key = ae_word_counts_add(&r->keys, text, spell(from, text), 0);
    if (key >= r->room) {
        int64_t *grown = realloc(r->values, (size_t)r->keys.capacity * sizeof *grown);
        r->failed |= !grown;
        r->values = grown ? grown : r->values;
        r->room = grown ? r->keys.capacity : r->room;
    }
    r->failed |= key < 0 || value < 0;
    if (!r->failed) {
        r->values[key] = value;
    }
}

static void put_one(rules *r, uint32_t from, chars to)
{
    put(r, &(chars){{from}, 1}, to);
}

/* ---- composition ---------------------------------------------------------------------------------------------------- */

/* Composes a decomposed string: a character joins the last one before it that begins a combination, unless one in
 * between stops it (Unicode standard annex 15). */
static chars compose(const chars *c)
{
    chars out = {{0}, 0};
    int starter = -1, last = 0; /* last: the class of what stands behind the starter */
    for (int i = 0; i < c->n; i++) {
        int class = ae_char_combining(c->at[i]);
        bool next = starter >= 0 && (starter == out.n - 1 || (last < class && last > 0));
        uint32_t joined = next ? ae_char_compose(out.at[starter], c->at[i]) : 0;
        if (joined) {
            out.at[starter] = joined;
            continue;
        }
        starter = class == 0 ? out.n : starter;
        last = class;
        out.at[out.n++] = c->at[i];
    }
    return out;
}

/* ---- rules of single characters ------------------------------------------------------------------------------------- */

static bool add_variant(rules *r, uint32_t c, uint32_t of)
{
    if (r->n_variants % 4096 == 0) {
        variant *grown = realloc(r->variants, (r->n_variants + 4097) * sizeof *grown);
        if (!grown) {
            return false;
        }
        r->variants = grown;
    }
    r->variants[++r->n_variants] = (variant){c, r->first[of]};
    r->first[of] = r->n_variants;
    return true;
}

/* Gives each character that decomposes its rule, notes variants, and lists decompositions that compose to something. */
static void single_rules(rules *r, ae_word_counts *decomposed)
{
    for (uint32_t c = 1; c < CODE_POINTS && !r->failed; c++) {
        chars from = {{c}, 1}, parts;
        if (c >= 0xD800 && c < 0xE000) {
            continue;
        }
        parts.n = ae_char_decompose(c, true, parts.at);
        if (same(&parts, &from)) {
            continue;
        }
        chars whole = compose(&parts);
        if (!same(&whole, &from)) {
            put(r, &from, whole);
        }
        if (parts.n == 1) {
            r->failed |= !add_variant(r, c, parts.at[0]);
        } else if (!same(&whole, &parts)) {
            r->failed |=
                ae_word_counts_add(decomposed, (const char *)parts.at, (size_t)parts.n * sizeof *parts.at, 0) < 0;
        }
    }
}

/* ---- rules of several characters ------------------------------------------------------------------------------------ */

/* What the rules so far, each shorter than the key, make of it: the longest that fits at each place. */
static chars apply(const rules *r, const chars *key)
{
    chars out = {{0}, 0};
    for (int at = 0; at < key->n;) {
        int64_t found = -1;
        int n = key->n - at < key->n - 1 ? key->n - at : key->n - 1;
        for (; n > 0 && found < 0; n -= found < 0) {
            chars part = {.n = n};
            char text[4 * LONGEST];
            memcpy(part.at, key->at + at, (size_t)n * sizeof *part.at);
            found = ae_word_counts_find(&r->keys, text, spell(&part, text));
        }
        if (found < 0) {
            out.at[out.n] = key->at[at++];
            out.n += out.n + 1 < LONGEST;
            continue;
        }
        size_t bytes;
        const char *text = ae_word_counts_text(&r->texts, r->values[found], &bytes);
        for (size_t i = 0; i < bytes && out.n < LONGEST; out.n++) {
            i += (size_t)ae_utf8_decode(text + i, &out.at[out.n]);
        }
        at += n;
    }
    return out;
}

/* A rule for every string of variants of `parts` from i on. */
static void expand(rules *r, const chars *parts, int i, chars *key, chars whole)
{
    if (i == parts->n) {
        chars folded = whole, made = apply(r, key);
        for (int k = 0; k < folded.n && r->fold; k++) {
            folded.at[k] = ae_char_fold(folded.at[k]);
        }
        if (!same(key, &whole) && !same(&made, &folded)) {
            put(r, key, whole);
        }
        return;
    }
    key->n = i + 1;
    key->at[i] = parts->at[i];
    expand(r, parts, i + 1, key, whole);
    for (uint32_t v = r->first[parts->at[i]]; v && !r->failed; v = r->variants[v].next) {
        key->n = i + 1;
        key->at[i] = r->variants[v].c;
        expand(r, parts, i + 1, key, whole);
    }
    key->n = i + 1;
}

/* Shorter keys first, since those that they make needless are left out. */
static void several_rules(rules *r, const ae_word_counts *decomposed)
{
    for (int length = 2; length <= LONGEST; length++) {
        for (int64_t i = 0; i < decomposed->n && !r->failed; i++) {
            size_t bytes;
            chars parts, key = {{0}, 0};
            const char *text = ae_word_counts_text(decomposed, i, &bytes);
            parts.n = (int)(bytes / sizeof *parts.at);
            if (parts.n == length) {
                memcpy(parts.at, text, bytes);
                expand(r, &parts, 0, &key, compose(&parts));
            }
        }
    }
}

/* ---- what is not Unicode's ------------------------------------------------------------------------------------------ */

static void nmt_rules(rules *r)
{
    static const uint32_t blanks[] = {'\t',   '\n',   '\f',   '\r',   0x1680, 0x200B, 0x200C,
                                      0x200E, 0x200F, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD};
    const chars blank = {{' '}, 1}, nothing = {{0}, 0}, tilde = {{FULL_WIDTH_TILDE}, 1};
    for (size_t i = 0; i < sizeof blanks / sizeof *blanks; i++) {
        put_one(r, blanks[i], blank);
    }
    for (uint32_t c = 1; c < ' '; c++) {
        if (c != '\t' && c != '\n' && c != '\f' && c != '\r') {
            put_one(r, c, nothing);
        }
    }
    put_one(r, 0x7F, nothing);
    put_one(r, 0x8F, nothing);
    put_one(r, 0x9F, nothing);
    put_one(r, FULL_WIDTH_TILDE, tilde);
}

static void fold_rules(rules *r)
{
    for (uint32_t c = 1; c < CODE_POINTS && !r->failed; c++) {
        char text[4];
        if (c >= 0xD800 && c < 0xE000) {
            continue;
        }
        uint32_t folded = ae_char_fold(c);
        if (folded != c && ae_word_counts_find(&r->keys, text, (size_t)ae_utf8_encode(c, text)) < 0) {
            put_one(r, c, (chars){{folded}, 1});
        }
    }
}

int ae_charsmap_rules_make(const char *name, ae_bytes *out, ae_err *e)
{
    if (strcmp(name, names[0]) == 0) {
        return 0;
    }
    rules r = {.first = calloc(CODE_POINTS, sizeof *r.first), .fold = strstr(name, "_cf") != NULL};
    ae_word_counts decomposed = {0};
    r.failed = !r.first;
    if (!r.failed) {
        single_rules(&r, &decomposed);
        if (strncmp(name, "nmt_", 4) == 0) {
            nmt_rules(&r);
        }
        if (r.fold) {
            fold_rules(&r);
        }
        several_rules(&r, &decomposed);
    }
    int status = r.failed ? ae_err_set(e, AE_E_MEMORY, "no memory for a map of characters")
                          : ae_charsmap_build(&r.keys, r.values, &r.texts, out, e);
    ae_word_counts_free(&decomposed);
    ae_word_counts_free(&r.keys);
    ae_word_counts_free(&r.texts);
    free(r.values);
    free(r.first);
    free(r.variants);
    return status;
}
