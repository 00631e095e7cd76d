#include "zoo/beam_search.h"

#include "tensor/kernels.h"
#include "zoo/generate_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A complete sequence without its eos. */
typedef struct hypothesis {
    double score;
    int64_t length;
    int64_t *ids; /* (T+N) */
} hypothesis;

/* The best ones of a row; room for one more than are kept. */
typedef struct shelf {
    hypothesis *list;
    int64_t count;
    double worst;
    bool done;
} shelf;

/* A continuation: token `token` behind beam `beam` of its row. */
typedef struct candidate {
    float score;
    int64_t beam, token;
} candidate;

typedef struct search {
    const ae_decoder *decoder;
    const ae_beam_options *options;
    int64_t batch, beams, rows;   /* rows = batch * beams */
    int64_t start, length, most;  /* tokens given, so far, at most */
    ae_tensor *ids, *next, *mask; /* (rows, most); next is ids of the step to come */
    ae_tensor *scores;            /* (rows,N,V) or NULL */
    ae_kv_cache *cache;
    float *logits, *sums; /* (rows,V); (rows): of the open beams */
    int64_t *sources;     /* (rows): which row each beam goes on from */
    candidate *candidates;
    int64_t n_candidates; /* looked at for a row, so that enough of them are no ends */
    shelf *shelves;       /* (batch) */
    uint8_t *seen;
} search;

static int64_t *row_of(const search *s, ae_tensor *t, int64_t row)
{
    return (int64_t *)t->data + row * s->most;
}

/* ---- complete sequences ---------------------------------------------------------------------------------------------- */

/* The place of the lowest score, the first of equals. */
static int64_t lowest(const shelf *h)
{
    int64_t low = 0;
    for (int64_t i = 1; i < h->count; i++) {
        low = h->list[i].score < h->list[low].score ? i : low;
    }
    return low;
}

static void complete(const search *s, shelf *h, const int64_t *ids, int64_t length, float sum)
{
    double score = (double)sum / pow((double)length, s->options->length_penalty);
    if (h->count == s->beams && score <= h->worst) {
        return;
    }
    hypothesis *new_one = &h->list[h->count++];
    new_one->score = score;
    new_one->length = length;
    memcpy(new_one->ids, ids, (size_t)length * sizeof *ids);
    if (h->count > s->beams) { /* the order of coming decides among equals: close the gap, keep its memory */
        int64_t low = lowest(h);
        hypothesis gone = h->list[low];
        memmove(&h->list[low], &h->list[low + 1], (size_t)(h->count - low - 1) * sizeof gone);
        h->list[--h->count] = gone;
    }
    h->worst = h->list[lowest(h)].score;
}

/* Whether no open beam, of which the best has this sum at `length` tokens, is worth going on. */
static bool is_done(const search *s, const shelf *h, float best, int64_t length)
{
    const ae_beam_options *o = s->options;
    if (h->count < s->beams) {
        return false;
    }
    if (o->early_stopping == AE_BEAM_STOP_FULL) {
        return true;
    }
    bool longest = o->early_stopping == AE_BEAM_STOP_NEVER && o->length_penalty > 0;
    return h->worst >= (double)best / pow((double)(longest ? s->most : length), o->length_penalty);
}

/* ---- a step ---------------------------------------------------------------------------------------------------------- */

/* The best continuations of a row, best first; of equals the earlier beam, then the lower token. */
static void rank(const search *s, int64_t b)
{
    int64_t v = s->decoder->vocab_size, n = 0;
    for (int64_t i = 0; i < s->beams * v; i++) {
        int64_t row = b * s->beams + i / v;
        float score = s->logits[b * s->beams * v + i] + s->sums[row];
        if (n == s->n_candidates && !(score > s->candidates[n - 1].score)) {
            continue;
        }
        int64_t k = n < s->n_candidates ? n++ : n - 1;
        for (; k > 0 && score > s->candidates[k - 1].score; k--) {
            s->candidates[k] = s->candidates[k - 1];
        }
        s->candidates[k] = (candidate){score, row, i % v};
    }
}

/* A row that is done goes on with padding behind the very first beam, as in the reference; nobody reads it. */
static void idle(search *s, int64_t b)
{
    const ae_generate_options *o = &s->options->rules;
    for (int64_t k = b * s->beams; k < (b + 1) * s->beams; k++) {
        s->sums[k] = 0;
        s->sources[k] = 0;
        memcpy(row_of(s, s->next, k), row_of(s, s->ids, 0), (size_t)s->length * sizeof(int64_t));
        row_of(s, s->next, k)[s->length] = o->pad_token_id >= 0 ? o->pad_token_id : o->eos.ids[0];
    }
}

/* Fills the row's beams from its candidates: ends among the best num_beams are complete, the others go on. */
static void choose(search *s, int64_t b)
{
    shelf *h = &s->shelves[b];
    int64_t open = 0;
    rank(s, b);
    for (int64_t i = 0; i < s->n_candidates && open < s->beams; i++) {
        candidate c = s->candidates[i];
        if (ae_generate_ends(&s->options->rules, c.token)) {
            if (i < s->beams) {
                complete(s, h, row_of(s, s->ids, c.beam), s->length, c.score);
            }
            continue;
        }
        int64_t row = b * s->beams + open++;
        memcpy(row_of(s, s->next, row), row_of(s, s->ids, c.beam), (size_t)s->length * sizeof(int64_t));
        row_of(s, s->next, row)[s->length] = c.token;
        s->sources[row] = c.beam;
    }
    for (int64_t i = 0, k = 0; i < s->n_candidates && k < open; i++) { /* after rank, which reads the old sums */
        if (!ae_generate_ends(&s->options->rules, s->candidates[i].token)) {
            s->sums[b * s->beams + k++] = s->candidates[i].score;
        }
    }
    h->done = is_done(s, h, s->candidates[0].score, s->length + 1);
}

/* Logarithms of probabilities under the rules, for every beam. */
static void apply_rules(search *s)
{
    int64_t v = s->decoder->vocab_size, n = s->options->rules.max_new_tokens, step = s->length - s->start;
    for (int64_t row = 0; row < s->rows; row++) {
        float *x = s->logits + row * v;
        ae_kernels_get()->log_softmax(x, x, v);
        ae_generate_rules(&s->options->rules, row_of(s, s->ids, row), s->length, s->start, x, v, s->seen);
        if (s->scores) {
            memcpy((float *)s->scores->data + (row * n + step) * v, x, (size_t)v * sizeof *x);
        }
    }
}

/* One token more for every beam; returns whether a row goes on. */
static bool extend(search *s)
{
    bool any = false;
    apply_rules(s);
    for (int64_t b = 0; b < s->batch; b++) {
        if (s->shelves[b].done) {
            idle(s, b);
        } else {
            choose(s, b);
        }
        any = any || !s->shelves[b].done;
    }
    ae_tensor *ids = s->ids;
    s->ids = s->next;
    s->next = ids;
    for (int64_t row = 0; row < s->rows; row++) {
        row_of(s, s->mask, row)[s->length] = 1;
    }
    s->length++;
    return any && s->length < s->most;
}

static int run(search *s, ae_graph *g, ae_err *e)
{
    bool more = s->length < s->most;
    while (more) {
        ae_decode_view view = {s->ids, s->mask, 0, ae_kv_cache_length(s->cache), s->length};
        if (ae_decode_step(g, s->decoder, &view, s->cache, s->logits, e) != 0) {
            return -1;
        }
        more = extend(s);
        if (more && ae_kv_cache_reorder(s->cache, s->sources, e) != 0) {
            return -1;
        }
    }
    for (int64_t b = 0; b < s->batch; b++) {
        for (int64_t k = b * s->beams; !s->shelves[b].done && k < (b + 1) * s->beams; k++) {
            complete(s, &s->shelves[b], row_of(s, s->ids, k), s->length, s->sums[k]);
        }
    }
    return 0;
}

/* ---- beginning and end ----------------------------------------------------------------------------------------------- */

/* The best of a row; of equals the last that came. */
static const hypothesis *best_of(const shelf *h)
{
    int64_t best = 0;
    for (int64_t i = 1; i < h->count; i++) {
        best = h->list[i].score >= h->list[best].score ? i : best;
    }
    return &h->list[best];
}

static int collect(const search *s, ae_tensor **sequences, ae_tensor **totals, ae_err *e)
{
    const ae_generate_options *o = &s->options->rules;
    int64_t longest = 0;
    for (int64_t b = 0; b < s->batch; b++) {
        int64_t n = best_of(&s->shelves[b])->length;
        longest = n > longest ? n : longest;
    }
    int64_t width = longest < s->most ? longest + 1 : s->most; /* with an eos, if it fits in */
    *sequences = ae_tensor_new(AE_I64, 2, (int64_t[]){s->batch, width}, e);
    ae_tensor *scores = totals ? ae_tensor_new(AE_F32, 1, &s->batch, e) : NULL;
    if (e->code) {
        ae_tensor_free(*sequences);
        ae_tensor_free(scores);
        *sequences = NULL;
        return -1;
    }
    for (int64_t b = 0; b < s->batch; b++) {
        const hypothesis *h = best_of(&s->shelves[b]);
        for (int64_t i = 0; i < width; i++) {
            int64_t filler =
                o->eos.count == 0 || (i > h->length && o->pad_token_id >= 0) ? o->pad_token_id : o->eos.ids[0];
            ae_set_i64(*sequences, b * width + i, i < h->length ? h->ids[i] : filler);
        }
        if (scores) {
            ae_set_f64(scores, b, h->score);
        }
    }
    if (totals) {
        *totals = scores;
    }
    return 0;
}

static int new_shelves(search *s)
{
    s->shelves = calloc((size_t)s->batch + 1, sizeof *s->shelves);
    for (int64_t b = 0; s->shelves && b < s->batch; b++) {
        shelf *h = &s->shelves[b];
        h->list = calloc((size_t)s->beams + 1, sizeof *h->list);
        for (int64_t i = 0; h->list && i <= s->beams; i++) {
            h->list[i].ids = malloc((size_t)s->most * sizeof(int64_t));
            if (!h->list[i].ids) {
                return -1;
            }
        }
        if (!h->list) {
            return -1;
        }
    }
    return s->shelves ? 0 : -1;
}

static int prepare(search *s, const ae_tensor *input_ids, const ae_tensor *attention_mask, bool scores, ae_err *e)
{
    int64_t v = s->decoder->vocab_size, n = s->options->rules.max_new_tokens, shape[2] = {s->rows, s->most};
    int64_t ends = s->options->rules.eos.count;
    s->n_candidates = (ends > 1 ? 1 + ends : 2) * s->beams;
    s->n_candidates = s->n_candidates < s->beams * v ? s->n_candidates : s->beams * v;
    s->ids = ae_tensor_new(AE_I64, 2, shape, e);
    s->next = ae_tensor_new(AE_I64, 2, shape, e);
    s->mask = ae_tensor_new(AE_I64, 2, shape, e);
    s->scores = scores ? ae_tensor_new(AE_F32, 3, (int64_t[]){s->rows, n, v}, e) : NULL;
    s->cache = ae_kv_cache_new(s->decoder->layers, s->rows, s->most, s->decoder->width, e);
    s->logits = malloc((size_t)(s->rows * v + 1) * sizeof *s->logits);
    s->sums = malloc((size_t)(s->rows + 1) * sizeof *s->sums);
    s->sources = malloc((size_t)(s->rows + 1) * sizeof *s->sources);
    s->candidates = malloc((size_t)(s->n_candidates + 1) * sizeof *s->candidates);
    s->seen = malloc((size_t)v + 1);
    if (e->code || !s->logits || !s->sums || !s->sources || !s->candidates || !s->seen || new_shelves(s) != 0) {
        return ae_err_set(e, AE_E_MEMORY, "beam_search: no memory for %lld beams", (long long)s->rows);
    }
    for (int64_t row = 0; row < s->rows; row++) {
        s->sums[row] = row % s->beams ? -1e9f : 0.0f; /* the beams of a row begin equal: only the first one counts */
        for (int64_t t = 0; t < s->start; t++) {
            int64_t at = row / s->beams * s->start + t;
            row_of(s, s->ids, row)[t] = ae_get_i64(input_ids, at);
            row_of(s, s->mask, row)[t] = attention_mask ? ae_get_i64(attention_mask, at) : 1;
        }
    }
    return 0;
}

static void finish(search *s)
{
    for (int64_t b = 0; s->shelves && b < s->batch; b++) {
        for (int64_t i = 0; s->shelves[b].list && i <= s->beams; i++) {
            free(s->shelves[b].list[i].ids);
        }
        free(s->shelves[b].list);
    }
    free(s->shelves);
    free(s->logits);
    free(s->sums);
    free(s->sources);
    free(s->candidates);
    free(s->seen);
    ae_tensor_free(s->ids);
    ae_tensor_free(s->next);
    ae_tensor_free(s->mask);
    ae_tensor_free(s->scores);
    ae_kv_cache_free(s->cache);
}

static int check(const ae_decoder *d, const ae_tensor *ids, const ae_tensor *mask, const ae_beam_options *o, ae_err *e)
{
    ae_generate_options rules = o->rules;
    rules.slide = false; /* beams need all their positions */
    if (ae_decode_check(d, ids, mask, &rules, e) != 0) {
        return -1;
    }
    if (o->num_beams < 1 || o->num_beams > 4096) {
        return ae_err_set(e, AE_E_VALUE, "beam_search: num_beams is %lld; 1 to 4096 are possible",
                          (long long)o->num_beams);
    }
    if (d->vocab_size <= o->rules.eos.count) {
        return ae_err_set(e, AE_E_VALUE, "beam_search: %lld ends in a vocabulary of %lld leave nothing to go on with",
                          (long long)o->rules.eos.count, (long long)d->vocab_size);
    }
    return 0;
}

int ae_beam_search(ae_graph *g, const ae_decoder *d, const ae_tensor *input_ids, const ae_tensor *attention_mask,
                   const ae_beam_options *options, ae_tensor **sequences, ae_tensor **totals, ae_tensor **scores,
                   ae_err *e)
{
    ae_err local = {0};
    e = e ? e : &local;
    *sequences = NULL;
    if (check(d, input_ids, attention_mask, options, e) != 0) {
        return -1;
    }
    search s = {.decoder = d, .options = options, .batch = input_ids->shape[0], .beams = options->num_beams};
    s.rows = s.batch * s.beams;
    s.start = s.length = input_ids->shape[1];
    s.most = s.start + options->rules.max_new_tokens;
    int status = prepare(&s, input_ids, attention_mask, scores != NULL, e) == 0 && run(&s, g, e) == 0 &&
                         collect(&s, sequences, totals, e) == 0
                     ? 0
                     : -1;
    if (status == 0 && scores) {
        *scores = ae_decode_cut(s.scores, s.length - s.start, e);
        s.scores = NULL;
    }
    finish(&s);
    return e->code ? -1 : 0;
}
