#include "tokenizers/unigram_trainer.h"

#include "tensor/threads.h"
#include "tokenizers/piece_lattice.h"
#include "tokenizers/unicode.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { SEEDS = 1000000, STEPS = 2, PROGRESS = 1000, CODE_POINTS = 0x110000 };

static const double shrinking = 0.75, surplus = 1.1, unknown_penalty = 10, least_expected = 0.5;

/* What a thread has of its own. */
typedef struct helper {
    ae_lattice_room room;
    int64_t *sums; /* by piece */
} helper;

typedef struct unigram_work {
    const ae_unigram_options *options;
    const ae_alphabet *alphabet;
    ae_run_text text;
    ae_lattice lattice;
    uint32_t live;  /* pieces that are not given up */
    int64_t wanted; /* where rounds end */
    uint32_t begun; /* pieces at the beginning */
    helper *helpers;
    int threads;
    int64_t *sums; /* by piece: of all threads */
} unigram_work;

static int no_memory(ae_err *e)
{
    return ae_err_set(e, AE_E_MEMORY, "no memory to train a vocabulary");
}

/* ---- the beginning -------------------------------------------------------------------------------------------------- */

static int by_code(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Every piece's share of the counted characters is its first probability. */
static int first_scores(unigram_work *w, const ae_substrings *found, uint32_t n_chars)
{
    ae_lattice *l = &w->lattice;
    const ae_run_text *t = &w->text;
    double *counts = calloc((size_t)l->n_pieces + 1, sizeof *counts), all = 0;
    if (!counts) {
        return -1;
    }
    for (uint32_t run = 0; run < t->n_runs; run++) {
        for (uint32_t p = t->starts[run]; p + 2 < t->starts[run + 1]; p++) {
            counts[l->edges[l->first[p]]] += (double)t->counts[run];
        }
    }
    for (size_t i = 0; i < found->n; i++) {
        counts[n_chars + i] = (double)found->list[i].count * found->list[i].length;
    }
    for (uint32_t i = 0; i < l->n_pieces; i++) {
        all += counts[i];
    }
    for (uint32_t i = 0; i < l->n_pieces; i++) {
        l->pieces[i].score = (float)(log(counts[i]) - log(all));
    }
    free(counts);
    return 0;
}

/* Brings probabilities and the score of unknown characters in line with scores. */
static void renew(unigram_work *w)
{
    double least = 0;
    w->live = 0;
    for (uint32_t i = 0; i < w->lattice.n_pieces; i++) {
        ae_lattice_piece *piece = &w->lattice.pieces[i];
        bool live = piece->score > -INFINITY;
        piece->probability = live ? expf(piece->score) : 0;
        least = live && (double)piece->score < least ? (double)piece->score : least;
        w->live += live;
    }
    w->lattice.unknown = least - unknown_penalty;
}

static int make_helpers(unigram_work *w)
{
    uint32_t longest = 0;
    for (uint32_t run = 0; run < w->text.n_runs; run++) {
        uint32_t length = w->text.starts[run + 1] - w->text.starts[run];
        longest = length > longest ? length : longest;
    }
    w->threads = ae_threads();
    w->helpers = calloc((size_t)w->threads, sizeof *w->helpers);
    for (int i = 0; w->helpers && i < w->threads; i++) {
        w->helpers[i].sums = malloc(((size_t)w->lattice.n_pieces + 1) * sizeof *w->helpers[i].sums);
        if (!w->helpers[i].sums || ae_lattice_room_make(&w->helpers[i].room, longest)) {
            return -1;
        }
    }
    return w->helpers ? 0 : -1;
}

static int begin(unigram_work *w, const ae_runs *runs, ae_err *e)
{
    const ae_unigram_options *o = w->options;
    size_t limit = o->seeds ? (size_t)o->seeds : SEEDS;
    uint32_t n_chars = (uint32_t)w->alphabet->n;
    ae_substrings found = {0};
    uint32_t *chars = malloc(((size_t)n_chars + 1) * sizeof *chars);
    int status = ae_run_text_make(&w->text, runs, e);
    if (status == 0 && (!chars || ae_substrings_find(&found, &w->text, &o->rules, limit))) {
        status = no_memory(e);
    }
    if (status == 0) {
        memcpy(chars, w->alphabet->chars, n_chars * sizeof *chars);
        qsort(chars, n_chars, sizeof *chars, by_code);
        status = ae_lattice_make(&w->lattice, &w->text, chars, n_chars, &found, e);
    }
    w->sums = malloc(((size_t)w->lattice.n_pieces + 1) * sizeof *w->sums);
    if (status == 0 && (!w->sums || make_helpers(w) || first_scores(w, &found, n_chars))) {
        status = no_memory(e);
    }
    if (status == 0) {
        renew(w);
        w->begun = w->live;
    }
    free(chars);
    ae_substrings_free(&found);
    return status;
}

/* ---- expectation and maximisation ----------------------------------------------------------------------------------- */

static void expect_run(const unigram_work *w, helper *h, uint32_t start, uint32_t length, int64_t count)
{
    ae_lattice_expect(&w->lattice, &h->room, start, length, count, h->sums);
}

static void count_best(const unigram_work *w, helper *h, uint32_t start, uint32_t length, int64_t count)
{
    ae_lattice_best(&w->lattice, &h->room, start, length, false);
    for (uint32_t at = length; at > 0; at = h->room.from[at]) {
        if (h->room.best[at] != AE_NO_PLACE) {
            h->sums[h->room.best[at]] += count;
        }
    }
}

/* Adds up, over all runs, what `visit` adds to the sums of a thread. The sums are whole numbers, so that it is the same
 * on any number of threads. */
static void sum_over_runs(unigram_work *w, void (*visit)(const unigram_work *w, helper *h, uint32_t start,
                                                         uint32_t length, int64_t count))
{
    const ae_run_text *t = &w->text;
    size_t n = w->lattice.n_pieces;
#pragma omp parallel num_threads(w->threads)
    {
        helper *h = &w->helpers[omp_get_thread_num()];
        memset(h->sums, 0, n * sizeof *h->sums);
#pragma omp for schedule(dynamic, 256)
        for (uint32_t run = 0; run < t->n_runs; run++) {
            visit(w, h, t->starts[run], t->starts[run + 1] - t->starts[run] - 2, t->counts[run]);
        }
    }
    memset(w->sums, 0, n * sizeof *w->sums);
    for (int k = 0; k < w->threads; k++) {
        for (size_t i = 0; i < n; i++) {
            w->sums[i] += w->helpers[k].sums[i];
        }
    }
}

/* The derivative of log Gamma: by its recurrence up to 8, then the first terms of its expansion (Abramowitz and Stegun
 * 1964, 6.3.5 and 6.3.18). */
static double digamma(double x)
{
    double result = 0;
    for (; x < 8; x++) {
        result -= 1 / x;
    }
    double r = 1 / (x * x);
    return result + log(x) - 0.5 / x - r * (1.0 / 12 - r * (1.0 / 120 - r * (1.0 / 252 - r / 240)));
}

/* The posterior mean of the logarithm under a flat prior instead of log(count / all): rare pieces get less, which makes
 * the model sparse (Liang and Klein 2007). */
static void maximise(unigram_work *w)
{
    int64_t all = 0;
    int64_t least = (int64_t)(least_expected * AE_LATTICE_UNIT);
    for (uint32_t i = 0; i < w->lattice.n_pieces; i++) {
        all += w->sums[i] >= least ? w->sums[i] : 0;
    }
    double logarithm = digamma((double)all / AE_LATTICE_UNIT);
    for (uint32_t i = 0; i < w->lattice.n_pieces; i++) {
        double expected = (double)w->sums[i] / AE_LATTICE_UNIT;
        w->lattice.pieces[i].score = w->sums[i] >= least ? (float)(digamma(expected) - logarithm) : -INFINITY;
    }
    renew(w);
}

/* ---- pruning -------------------------------------------------------------------------------------------------------- */

/* What the text's likelihood loses without a piece: nothing is better than its second best way (INFINITY: there is
 * none; -INFINITY: it is not needed). `sum` is the number of pieces in the best ways to cut the text. */
static double loss_without(const unigram_work *w, helper *h, uint32_t id, double sum)
{
    const ae_lattice_piece *piece = &w->lattice.pieces[id];
    double count = (double)w->sums[id];
    if (count == 0 || piece->probability == 0) {
        return -INFINITY;
    }
    if (piece->length == 1) {
        return INFINITY;
    }
    double other = ae_lattice_best(&w->lattice, &h->room, piece->place, piece->length, true);
    if (other > (double)piece->score) {
        return -INFINITY;
    }
    int parts = 0;
    for (uint32_t at = piece->length; at > 0; at = h->room.from[at]) {
        parts++;
    }
    double all = log(sum + count * (parts - 1)), without = 0;
    for (uint32_t at = piece->length; at > 0; at = h->room.from[at]) {
        uint32_t part = h->room.best[at];
        double there = part == AE_NO_PLACE ? 0 : (double)w->sums[part];
        without += log(there + count) - all;
    }
    return count * (log(count) - log(sum) - without);
}

typedef struct ranked {
    double loss;
    uint32_t id;
} ranked;

static int by_falling_loss(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    return x->loss != y->loss ? (x->loss < y->loss) - (x->loss > y->loss) : (x->id > y->id) - (x->id < y->id);
}

/* Keeps the pieces marked in `numbers`, which become 0, 1, 2, ... */
static void keep_pieces(unigram_work *w, uint32_t *numbers)
{
    ae_lattice *l = &w->lattice;
    uint32_t n = 0;
    for (uint32_t i = 0; i < l->n_pieces; i++) {
        if (numbers[i] != AE_NO_PLACE) {
            l->pieces[n] = l->pieces[i];
            numbers[i] = n++;
        }
    }
    ae_lattice_renumber(l, numbers);
    l->n_pieces = n;
    renew(w);
}

static int prune(unigram_work *w, ae_err *e)
{
    uint32_t n = w->lattice.n_pieces;
    ranked *list = malloc(((size_t)n + 1) * sizeof *list);
    uint32_t *numbers = malloc(((size_t)n + 1) * sizeof *numbers);
    if (!list || !numbers) {
        free(list);
        free(numbers);
        return no_memory(e);
    }
    sum_over_runs(w, count_best);
    int64_t sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum += w->sums[i];
    }
#pragma omp parallel num_threads(w->threads)
    {
        helper *h = &w->helpers[omp_get_thread_num()];
#pragma omp for schedule(dynamic, 256)
        for (uint32_t i = 0; i < n; i++) {
            list[i] = (ranked){loss_without(w, h, i, (double)sum), i};
        }
    }
    qsort(list, n, sizeof *list, by_falling_loss);
    double part = w->options->shrinking > 0 ? w->options->shrinking : shrinking;
    int64_t stay = (int64_t)(part * w->live);
    stay = stay > w->wanted ? stay : w->wanted;
    for (uint32_t i = 0; i < n; i++) {
        bool kept = list[i].loss == INFINITY || (list[i].loss > -INFINITY && i < stay);
        numbers[list[i].id] = kept ? 0 : AE_NO_PLACE;
    }
    free(list);
    keep_pieces(w, numbers);
    free(numbers);
    return 0;
}

/* ---- rounds --------------------------------------------------------------------------------------------------------- */

/* Pieces fall by a constant factor a round, so what is done is measured in logarithms. */
static int report(const unigram_work *w, ae_err *e)
{
    const ae_unigram_options *o = w->options;
    double whole = log((double)w->begun / (double)w->wanted), done = log((double)w->begun / (double)w->live);
    int64_t share = whole > 0 && done < whole ? (int64_t)(PROGRESS * done / whole) : PROGRESS;
    if (o->progress && o->progress(o->self, share, PROGRESS)) {
        return ae_err_set(e, AE_E_STATE, "training the vocabulary was stopped at %u pieces; %lld are wanted",
                          (unsigned)w->live, (long long)o->vocab_size);
    }
    return 0;
}

static int learn(unigram_work *w, ae_err *e)
{
    int steps = w->options->steps ? w->options->steps : STEPS;
    for (;;) {
        for (int i = 0; i < steps; i++) {
            sum_over_runs(w, expect_run);
            maximise(w);
        }
        if (report(w, e)) {
            return -1;
        }
        if (w->live <= w->wanted) {
            return 0;
        }
        if (prune(w, e)) {
            return -1;
        }
    }
}

/* ---- the end -------------------------------------------------------------------------------------------------------- */

static int add_piece(ae_scored_pieces *out, const uint32_t *chars, uint32_t n, float score)
{
    ae_bytes text = {0};
    for (uint32_t i = 0; i < n; i++) {
        char bytes[4];
        ae_bytes_add(&text, bytes, (size_t)ae_utf8_encode(chars[i], bytes));
    }
    int64_t before = out->pieces.n, id = text.failed ? -1 : ae_word_counts_add(&out->pieces, text.data, text.length, 0);
    ae_bytes_free(&text);
    if (id == before) {
        out->scores[id] = score;
    }
    return id < 0 ? -1 : 0;
}

/* Scores of characters by code point, NAN for those without a piece; NULL without memory. */
static float *scores_of_chars(const unigram_work *w)
{
    float *scores = malloc(CODE_POINTS * sizeof *scores);
    for (uint32_t c = 0; scores && c < CODE_POINTS; c++) {
        scores[c] = NAN;
    }
    for (uint32_t i = 0; scores && i < w->lattice.n_pieces; i++) {
        const ae_lattice_piece *piece = &w->lattice.pieces[i];
        if (piece->length == 1 && piece->probability > 0) {
            scores[w->text.symbols[piece->place]] = piece->score;
        }
    }
    return scores;
}

/* Characters come first, those without a piece with the lowest score and a little more, so that no two are equal. */
static int take_alphabet(const unigram_work *w, ae_scored_pieces *out)
{
    double least = w->lattice.unknown + unknown_penalty;
    float more = 0, *scores = scores_of_chars(w);
    int status = scores ? 0 : -1;
    for (int64_t i = 0; status == 0 && i < w->alphabet->n; i++) {
        uint32_t c = w->alphabet->chars[i];
        float score = scores[c];
        if (isnan(score)) {
            score = (float)least + more;
            more += 0.0001f;
        }
        status = add_piece(out, &c, 1, score);
    }
    free(scores);
    return status;
}

static int take_best(const unigram_work *w, ae_scored_pieces *out)
{
    uint32_t n = w->lattice.n_pieces;
    ranked *list = malloc(((size_t)n + 1) * sizeof *list);
    int64_t room = w->options->vocab_size - w->options->others;
    for (uint32_t i = 0; list && i < n; i++) {
        list[i] = (ranked){(double)w->lattice.pieces[i].score, i};
    }
    if (list) {
        qsort(list, n, sizeof *list, by_falling_loss);
    }
    int status = list ? 0 : -1;
    for (uint32_t i = 0; status == 0 && i < n && out->pieces.n < room; i++) {
        const ae_lattice_piece *piece = &w->lattice.pieces[list[i].id];
        if (piece->length > 1 && piece->probability > 0) {
            status = add_piece(out, w->text.symbols + piece->place, piece->length, piece->score);
        }
    }
    free(list);
    return status;
}

static int by_falling_score(const void *a, const void *b, void *list)
{
    const ae_scored_pieces *p = list;
    int64_t i = *(const int64_t *)a, k = *(const int64_t *)b;
    if (p->scores[i] != p->scores[k]) {
        return p->scores[i] < p->scores[k] ? 1 : -1;
    }
    return ae_word_counts_compare(&p->pieces, i, k);
}

int ae_scored_pieces_sort(ae_scored_pieces *p, ae_err *e)
{
    size_t n = (size_t)p->pieces.n;
    ae_scored_pieces sorted = {.scores = malloc((n + 1) * sizeof *sorted.scores)};
    int64_t *order = malloc((n + 1) * sizeof *order);
    for (size_t i = 0; order && i < n; i++) {
        order[i] = (int64_t)i;
    }
    if (order && sorted.scores) {
        qsort_r(order, n, sizeof *order, by_falling_score, p);
    }
    for (size_t i = 0; order && sorted.scores && i < n; i++) {
        size_t bytes;
        const char *text = ae_word_counts_text(&p->pieces, order[i], &bytes);
        ae_word_counts_add(&sorted.pieces, text, bytes, 0);
        sorted.scores[i] = p->scores[order[i]];
    }
    bool done = order && sorted.scores && !sorted.pieces.failed && !p->pieces.failed;
    free(order);
    ae_scored_pieces_free(p);
    *p = sorted;
    if (!done) {
        ae_scored_pieces_free(p);
        return no_memory(e);
    }
    return 0;
}

static int finish(const unigram_work *w, ae_scored_pieces *out, ae_err *e)
{
    size_t room = (size_t)(w->lattice.n_pieces + w->alphabet->n);
    out->scores = malloc((room + 1) * sizeof *out->scores);
    if (!out->scores || take_alphabet(w, out) || take_best(w, out)) {
        return no_memory(e);
    }
    return ae_scored_pieces_sort(out, e);
}

int ae_unigram_train(const ae_runs *runs, const ae_alphabet *alphabet, const ae_unigram_options *options,
                     ae_scored_pieces *out, ae_err *e)
{
    *out = (ae_scored_pieces){0};
    unigram_work w = {.options = options, .alphabet = alphabet};
    w.wanted = (int64_t)((double)options->vocab_size * surplus);
    int status = begin(&w, runs, e);
    status = status == 0 ? learn(&w, e) : -1;
    status = status == 0 ? finish(&w, out, e) : -1;
    for (int i = 0; w.helpers && i < w.threads; i++) {
        free(w.helpers[i].sums);
        ae_lattice_room_free(&w.helpers[i].room);
    }
    free(w.helpers);
    free(w.sums);
    ae_lattice_free(&w.lattice);
    ae_run_text_free(&w.text);
    if (status) {
        ae_scored_pieces_free(out);
    }
    return status;
}

void ae_scored_pieces_free(ae_scored_pieces *p)
{
    ae_word_counts_free(&p->pieces);
    free(p->scores);
    *p = (ae_scored_pieces){0};
}
