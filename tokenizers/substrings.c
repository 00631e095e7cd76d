#include "tokenizers/substrings.h"

#include "tensor/threads.h"
#include "tokenizers/unicode.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { CODE_POINTS = 0x110000, SMALL = 12 };

#define END_MANY (AE_RUN_END | AE_NEXT_MANY)

/* ---- the text ------------------------------------------------------------------------------------------------------- */

static void lay_out(ae_run_text *t, const ae_runs *runs, const int64_t *order)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->n_runs; i++) {
        size_t bytes;
        const char *run = ae_word_counts_text(&runs->words, order[i], &bytes);
        t->starts[i] = n;
        t->counts[i] = runs->words.words[order[i]].count;
        for (size_t at = 0; at < bytes;) {
            at += (size_t)ae_utf8_decode(run + at, &t->symbols[n++]);
        }
        t->symbols[n++] = AE_RUN_END | runs->next[order[i]];
        t->symbols[n++] = i;
    }
    t->starts[t->n_runs] = n;
}

int ae_run_text_make(ae_run_text *t, const ae_runs *runs, ae_err *e)
{
    *t = (ae_run_text){.n_runs = (uint32_t)runs->words.n};
    size_t bytes;
    for (int64_t i = 0; i < runs->words.n; i++) {
        const char *run = ae_word_counts_text(&runs->words, i, &bytes);
        t->n += ae_utf8_count(run, bytes) + 2;
    }
    if (t->n >= UINT32_MAX) {
        return ae_err_set(e, AE_E_VALUE,
                          "different runs of text have %zu characters; 4294967294 is the most. Train on a sample",
                          t->n);
    }
    int64_t *order = ae_word_counts_order(&runs->words, true);
    t->symbols = malloc((t->n + 1) * sizeof *t->symbols);
    t->starts = malloc(((size_t)t->n_runs + 1) * sizeof *t->starts);
    t->counts = malloc(((size_t)t->n_runs + 1) * sizeof *t->counts);
    if (!order || !t->symbols || !t->starts || !t->counts) {
        free(order);
        ae_run_text_free(t);
        return ae_err_set(e, AE_E_MEMORY, "no memory for the runs of the text");
    }
    lay_out(t, runs, order);
    free(order);
    return 0;
}

void ae_run_text_free(ae_run_text *t)
{
    free(t->symbols);
    free(t->starts);
    free(t->counts);
    *t = (ae_run_text){0};
}

/* ---- sorting positions ---------------------------------------------------------------------------------------------- */

static void swap(uint32_t *a, uint32_t *b)
{
    uint32_t kept = *a;
    *a = *b;
    *b = kept;
}

/* How many symbols two positions share, up to `limit`; an end is shared when the same follows. */
static uint32_t shared(const uint32_t *symbols, uint32_t a, uint32_t b, uint32_t from, uint32_t limit)
{
    uint32_t n = from;
    while (n < limit && symbols[a + n] == symbols[b + n] && (n == 0 || !(symbols[a + n - 1] & AE_RUN_END))) {
        n++;
    }
    return n;
}

static void insertion_sort(const uint32_t *symbols, uint32_t *p, size_t n, uint32_t depth, uint32_t limit)
{
    for (size_t i = 1; i < n; i++) {
        for (size_t k = i; k > 0; k--) {
            uint32_t same = shared(symbols, p[k - 1], p[k], depth, limit);
            bool equal = same == limit || (same > 0 && symbols[p[k] + same - 1] & AE_RUN_END);
            if (equal || symbols[p[k - 1] + same] < symbols[p[k] + same]) {
                break;
            }
            swap(&p[k - 1], &p[k]);
        }
    }
}

static uint32_t middle(uint32_t a, uint32_t b, uint32_t c)
{
    return a < b ? (b < c ? b : a < c ? c : a) : (a < c ? a : b < c ? c : b);
}

/* Sorts positions that share their first `depth` symbols by the symbols up to `limit`: three-way quicksort, symbol by
 * symbol (Bentley and Sedgewick 1997). */
static void sort_positions(const uint32_t *symbols, uint32_t *p, size_t n, uint32_t depth, uint32_t limit)
{
    while (n > SMALL && depth < limit) {
        uint32_t pivot = middle(symbols[p[n / 4] + depth], symbols[p[n / 2] + depth], symbols[p[n / 4 * 3] + depth]);
        size_t less = 0, i = 0, more = n;
        while (i < more) {
            uint32_t symbol = symbols[p[i] + depth];
            if (symbol < pivot) {
                swap(&p[less++], &p[i++]);
            } else if (symbol > pivot) {
                swap(&p[i], &p[--more]);
            } else {
                i++;
            }
        }
        bool ended = pivot & AE_RUN_END; /* what is behind an end does not count */
        /* The largest part is left for the loop, so that the stack stays small. */
        size_t parts[3] = {less, ended ? 0 : more - less, n - more}, at[3] = {0, less, more};
        int largest = parts[0] >= parts[1] ? (parts[0] >= parts[2] ? 0 : 2) : (parts[1] >= parts[2] ? 1 : 2);
        for (int k = 0; k < 3; k++) {
            if (k != largest && parts[k] > 1) {
                sort_positions(symbols, p + at[k], parts[k], depth + (k == 1), limit);
            }
        }
        p += at[largest];
        n = parts[largest];
        depth += largest == 1;
    }
    if (depth < limit) {
        insertion_sort(symbols, p, n, depth, limit);
    }
}

/* ---- inner nodes ---------------------------------------------------------------------------------------------------- */

/* What one thread finds: only the best are kept. */
typedef struct finding {
    const ae_run_text *text;
    const ae_piece_rules *rules;
    const uint32_t *order;
    ae_substring *list;
    size_t n, room, limit;
    int64_t least; /* of count * length among those that can still be among the best */
    bool failed;
} finding;

static int64_t worth(const ae_substring *s)
{
    return s->count * s->length;
}

/* By falling worth; among equals the one that is sorted first, and of several beginnings of it the shorter. */
static int by_worth(const void *a, const void *b)
{
    const ae_substring *x = a, *y = b;
    int64_t p = worth(x), q = worth(y);
    if (p != q) {
        return p < q ? 1 : -1;
    }
    return x->left != y->left ? (x->left > y->left) - (x->left < y->left)
                              : (x->length > y->length) - (x->length < y->length);
}

static void keep_best(ae_substring *list, size_t *n, size_t limit)
{
    if (*n > 0) {
        qsort(list, *n, sizeof *list, by_worth);
    }
    *n = *n < limit ? *n : limit;
}

static void take(finding *f, uint32_t length, size_t left, size_t right, int64_t count)
{
    ae_substring s = {(uint32_t)left, (uint32_t)(right - left), length, 0, count};
    if (f->failed || worth(&s) < f->least || !ae_piece_allowed(f->rules, f->text->symbols + f->order[left], length)) {
        return;
    }
    if (f->n == f->room && f->n >= 4 * f->limit) {
        keep_best(f->list, &f->n, f->limit);
        f->least = worth(&f->list[f->n - 1]);
    }
    if (f->n == f->room) {
        size_t room = f->room ? f->room * 2 : 1024;
        ae_substring *grown = realloc(f->list, room * sizeof *grown);
        if (!grown) {
            f->failed = true;
            return;
        }
        f->list = grown;
        f->room = room;
    }
    f->list[f->n++] = s;
}

/* A node of the suffix tree: `depth` symbols that the positions of a range share. It is no piece if its last symbol is
 * an end, unless that end has several continuations: then what is in front of the end has, too, and is taken if no
 * node above stands for it. */
static void take_node(finding *f, uint32_t depth, uint32_t above, size_t left, size_t right, int64_t count)
{
    uint32_t last = f->text->symbols[f->order[left] + depth - 1];
    if (last & AE_RUN_END) {
        depth = last == END_MANY && above < depth - 1 ? depth - 1 : 0;
    }
    if (depth > 1 && depth <= (uint32_t)f->rules->max_length) {
        take(f, depth, left, right, count);
    }
}

typedef struct open_node {
    uint32_t depth;
    size_t left;
    int64_t count;
} open_node;

/* The symbols up to a run's end, that included, and the run's count. */
static uint32_t length_at(const ae_run_text *t, uint32_t position, int64_t *count)
{
    uint32_t n = 0;
    while (!(t->symbols[position + n] & AE_RUN_END)) {
        n++;
    }
    *count = t->counts[t->symbols[position + n + 1]];
    return n + 1;
}

/* Walks over a sorted range, closing nodes of the suffix tree as the shared beginnings of neighbours get shorter
 * (Kasai et al. 2001). `stack` has room for limit + 2 nodes. */
static void walk(finding *f, size_t begin, size_t end, uint32_t limit, open_node *stack)
{
    int top = 0;
    stack[0] = (open_node){0, begin, 0};
    uint32_t before = 0;
    for (size_t i = begin; i < end; i++) {
        int64_t count;
        uint32_t length = length_at(f->text, f->order[i], &count);
        uint32_t same = i + 1 < end ? shared(f->text->symbols, f->order[i], f->order[i + 1], 0, limit) : 0;
        uint32_t above = same > before ? same : before;
        if (above < length && length <= limit) {
            take_node(f, length, above, i, i + 1, count); /* a leaf: several continuations of one run */
        }
        size_t left = i;
        if (same > stack[top].depth) {
            stack[++top] = (open_node){same, i, 0};
        }
        stack[top].count += count;
        while (same < stack[top].depth) {
            open_node node = stack[top--];
            uint32_t outer = stack[top].depth > same ? stack[top].depth : same;
            take_node(f, node.depth, outer, node.left, i + 1, node.count);
            left = node.left;
            if (stack[top].depth < same) {
                stack[++top] = (open_node){same, left, 0};
            }
            stack[top].count += node.count;
        }
        before = same;
    }
}

/* ---- all of it ------------------------------------------------------------------------------------------------------ */

/* Positions of characters by their first symbol; starts of its groups in `groups` (CODE_POINTS + 1). */
static void group(const ae_run_text *text, uint32_t *order, size_t *groups)
{
    memset(groups, 0, (CODE_POINTS + 1) * sizeof *groups);
    for (uint32_t run = 0; run < text->n_runs; run++) {
        for (uint32_t p = text->starts[run]; p + 2 < text->starts[run + 1]; p++) {
            groups[text->symbols[p] + 1]++;
        }
    }
    for (size_t c = 0; c < CODE_POINTS; c++) {
        groups[c + 1] += groups[c];
    }
    for (uint32_t run = 0; run < text->n_runs; run++) {
        for (uint32_t p = text->starts[run]; p + 2 < text->starts[run + 1]; p++) {
            order[groups[text->symbols[p]]++] = p;
        }
    }
    memmove(groups + 1, groups, CODE_POINTS * sizeof *groups);
    groups[0] = 0;
}

static void find_in_groups(finding *findings, const size_t *groups, uint32_t *order, open_node *stacks, uint32_t limit,
                           int threads)
{
#pragma omp parallel num_threads(threads)
    {
        int self = omp_get_thread_num();
        finding *f = &findings[self];
#pragma omp for schedule(dynamic)
        for (int c = 1; c < CODE_POINTS; c++) {
            if (groups[c + 1] > groups[c] && !f->failed) {
                sort_positions(f->text->symbols, order + groups[c], groups[c + 1] - groups[c], 1, limit);
                walk(f, groups[c], groups[c + 1], limit, stacks + (size_t)self * (limit + 2));
            }
        }
    }
}

/* The best of what all threads found. */
static int gather(ae_substrings *s, finding *findings, int threads, size_t limit)
{
    size_t all = 0;
    bool failed = false;
    for (int i = 0; i < threads; i++) {
        all += findings[i].n;
        failed |= findings[i].failed;
    }
    s->list = failed ? NULL : malloc((all + 1) * sizeof *s->list);
    for (int i = 0; i < threads; i++) {
        if (s->list && findings[i].n > 0) {
            memcpy(s->list + s->n, findings[i].list, findings[i].n * sizeof *s->list);
            s->n += findings[i].n;
        }
        free(findings[i].list);
    }
    if (!s->list) {
        return -1;
    }
    keep_best(s->list, &s->n, limit);
    ae_substring *shrunk = realloc(s->list, (s->n + 1) * sizeof *shrunk);
    s->list = shrunk ? shrunk : s->list;
    return 0;
}

int ae_substrings_find(ae_substrings *s, const ae_run_text *text, const ae_piece_rules *rules, size_t limit)
{
    *s = (ae_substrings){.n_order = text->n - 2 * (size_t)text->n_runs};
    int threads = ae_threads(), status = -1;
    uint32_t deep = (uint32_t)rules->max_length + 1; /* what follows the longest piece decides whether it is a node */
    s->order = malloc((s->n_order + 1) * sizeof *s->order);
    size_t *groups = malloc((CODE_POINTS + 1) * sizeof *groups);
    finding *findings = calloc((size_t)threads, sizeof *findings);
    open_node *stacks = malloc((size_t)threads * (deep + 2) * sizeof *stacks);
    if (s->order && groups && findings && stacks) {
        for (int i = 0; i < threads; i++) {
            findings[i] = (finding){.text = text, .rules = rules, .order = s->order, .limit = limit ? limit : 1};
        }
        group(text, s->order, groups);
        find_in_groups(findings, groups, s->order, stacks, deep, threads);
        status = gather(s, findings, threads, limit);
    }
    free(groups);
    free(findings);
    free(stacks);
    if (status) {
        ae_substrings_free(s);
    }
    return status;
}

void ae_substrings_free(ae_substrings *s)
{
    free(s->order);
    free(s->list);
    *s = (ae_substrings){0};
}
