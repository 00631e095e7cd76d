#include "tokenizers/run_counts.h"

#include "tokenizers/unicode.h"

#include <stdlib.h>
#include <string.h>

enum { CODE_POINTS = 0x110000 };

/* ---- the table ------------------------------------------------------------------------------------------------------ */

void ae_runs_add(ae_runs *r, const char *run, size_t bytes, uint32_t next, int64_t count)
{
    int64_t before = r->words.n, i = ae_word_counts_add(&r->words, run, bytes, count);
    if (i < 0) {
        return;
    }
    if (i < before) {
        r->next[i] = r->next[i] == next ? next : AE_NEXT_MANY;
        return;
    }
    if (i >= r->room) {
        uint32_t *grown = realloc(r->next, (size_t)r->words.capacity * sizeof *grown);
        if (!grown) {
            r->words.failed = true;
            r->words.n = before;
            return;
        }
        r->next = grown;
        r->room = r->words.capacity;
    }
    r->next[i] = next;
}

void ae_runs_merge(ae_runs *into, const ae_runs *from)
{
    for (int64_t i = 0; i < from->words.n && !into->words.failed; i++) {
        size_t bytes;
        const char *run = ae_word_counts_text(&from->words, i, &bytes);
        ae_runs_add(into, run, bytes, from->next[i], from->words.words[i].count);
    }
    into->words.failed |= from->words.failed;
}

void ae_runs_clear(ae_runs *r)
{
    ae_word_counts_clear(&r->words);
}

void ae_runs_free(ae_runs *r)
{
    ae_word_counts_free(&r->words);
    free(r->next);
    *r = (ae_runs){0};
}

/* ---- cutting -------------------------------------------------------------------------------------------------------- */

/* The length of the longest symbol that stands at the front of a text, or 0. */
static size_t symbol_at(ae_run_symbols symbols, const char *text, size_t bytes)
{
    size_t longest = 0;
    for (int i = 0; i < symbols.n; i++) {
        size_t n = strlen(symbols.texts[i]);
        if (n > longest && n <= bytes && memcmp(symbols.texts[i], text, n) == 0) {
            longest = n;
        }
    }
    return longest;
}

void ae_runs_cut(ae_runs *r, const ae_piece_rules *rules, ae_run_symbols symbols, const char *text, size_t bytes)
{
    size_t start = 0, step;
    ae_rule_char before = {0};
    for (size_t at = 0; at < bytes; at += step) {
        uint32_t c = 0;
        size_t symbol = symbol_at(symbols, text + at, bytes - at);
        step = symbol ? symbol : (size_t)ae_utf8_decode(text + at, &c);
        ae_rule_char here = symbol ? before : ae_piece_char(rules, c);
        if (at > start && (symbol || ae_piece_border(rules, before, here))) {
            ae_runs_add(r, text + start, at - start, symbol ? AE_NEXT_SYMBOL : c, 1);
            start = at;
        }
        start = symbol ? at + step : start;
        before = here;
    }
    if (start < bytes) {
        ae_runs_add(r, text + start, bytes - start, AE_NEXT_END, 1);
    }
}

/* ---- the alphabet --------------------------------------------------------------------------------------------------- */

typedef struct counted_char {
    int64_t count;
    uint32_t c;
    bool always;
} counted_char;

static int before_in_alphabet(const void *a, const void *b)
{
    const counted_char *x = a, *y = b;
    if (x->always != y->always) {
        return x->always ? -1 : 1;
    }
    return x->count != y->count ? (x->count < y->count) - (x->count > y->count) : (x->c > y->c) - (x->c < y->c);
}

/* The count of every character, in the order of code points; -1 marks one that is always taken and never occurs. */
static int64_t *count_chars(const ae_runs *runs, const char *always)
{
    int64_t *counts = calloc(CODE_POINTS, sizeof *counts);
    uint32_t c;
    for (int64_t i = 0; counts && i < runs->words.n; i++) {
        size_t bytes;
        const char *run = ae_word_counts_text(&runs->words, i, &bytes);
        for (size_t at = 0; at < bytes;) {
            at += (size_t)ae_utf8_decode(run + at, &c);
            counts[c] += runs->words.words[i].count;
        }
    }
    for (; counts && always && *always;) {
        always += ae_utf8_decode(always, &c);
        counts[c] = counts[c] ? counts[c] : -1;
    }
    return counts;
}

static bool holds_char(const char *text, uint32_t c)
{
    uint32_t there = 0;
    while (text && *text && there != c) {
        text += ae_utf8_decode(text, &there);
    }
    return there == c && c != 0;
}

/* Characters and counts as a list in the alphabet's order; *n of them. */
static counted_char *list_chars(const int64_t *counts, const char *always, size_t *n)
{
    size_t used = 0;
    for (uint32_t c = 1; c < CODE_POINTS; c++) {
        used += counts[c] != 0;
    }
    counted_char *list = malloc((used + 1) * sizeof *list);
    *n = 0;
    for (uint32_t c = 1; list && c < CODE_POINTS; c++) {
        if (counts[c]) {
            list[(*n)++] = (counted_char){counts[c] > 0 ? counts[c] : 0, c, holds_char(always, c)};
        }
    }
    if (list) {
        qsort(list, *n, sizeof *list, before_in_alphabet);
    }
    return list;
}

int ae_alphabet_choose(ae_alphabet *a, const ae_runs *runs, double coverage, int64_t limit, const char *always)
{
    *a = (ae_alphabet){0};
    int64_t *counts = count_chars(runs, always);
    size_t n = 0;
    counted_char *list = counts ? list_chars(counts, always, &n) : NULL;
    free(counts);
    a->chars = malloc((n + 1) * sizeof *a->chars);
    a->counts = malloc((n + 1) * sizeof *a->counts);
    if (!list || !a->chars || !a->counts) {
        free(list);
        ae_alphabet_free(a);
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        a->all += list[i].count;
    }
    int64_t covered = 0;
    for (size_t i = 0; i < n && (limit == 0 || a->n < limit); i++) {
        /* SentencePiece compares as float what it divides as double. */
        if (!list[i].always && (double)(float)((double)covered / (double)a->all) >= coverage) {
            break;
        }
        covered += list[i].count;
        a->chars[a->n] = list[i].c;
        a->counts[a->n++] = list[i].count;
    }
    free(list);
    return 0;
}

void ae_alphabet_free(ae_alphabet *a)
{
    free(a->chars);
    free(a->counts);
    *a = (ae_alphabet){0};
}

/* ---- the runs within it --------------------------------------------------------------------------------------------- */

static void restrict_run(ae_runs *out, const ae_runs *runs, int64_t i, const uint8_t *kept)
{
    size_t bytes, start = 0, step;
    const char *run = ae_word_counts_text(&runs->words, i, &bytes);
    int64_t count = runs->words.words[i].count;
    for (size_t at = 0; at < bytes; at += step) {
        uint32_t c;
        step = (size_t)ae_utf8_decode(run + at, &c);
        if (kept[c / 8] >> c % 8 & 1) {
            continue;
        }
        if (at > start) {
            ae_runs_add(out, run + start, at - start, AE_NEXT_RARE, count);
        }
        start = at + step;
    }
    if (start < bytes) {
        uint32_t next = runs->next[i];
        bool rare = next != AE_NEXT_MANY && next >= ' ' && !(kept[next / 8] >> next % 8 & 1);
        ae_runs_add(out, run + start, bytes - start, rare ? AE_NEXT_RARE : next, count);
    }
}

void ae_runs_restrict(ae_runs *out, const ae_runs *runs, const ae_alphabet *alphabet)
{
    uint8_t *kept = calloc(CODE_POINTS / 8, 1);
    for (int64_t i = 0; kept && i < alphabet->n; i++) {
        kept[alphabet->chars[i] / 8] |= (uint8_t)(1 << alphabet->chars[i] % 8);
    }
    for (int64_t i = 0; kept && i < runs->words.n && !out->words.failed; i++) {
        restrict_run(out, runs, i, kept);
    }
    out->words.failed |= !kept;
    free(kept);
}
