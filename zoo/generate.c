#include "zoo/generate_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- choosing ------------------------------------------------------------------------------------------------------- */

static int descending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

/* The lowest logit that may be drawn: the k-th largest, and the last one needed to gather probability p. */
static float threshold(const float *logits, int64_t n, const ae_generate_options *o, float *sorted)
{
    memcpy(sorted, logits, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, descending);
    float lowest = o->top_k > 0 && o->top_k < n ? sorted[o->top_k - 1] : sorted[n - 1];
    if (o->top_p > 0 && o->top_p < 1) {
        double total = 0, sum = 0;
        for (int64_t i = 0; i < n; i++) {
            total += exp((double)(sorted[i] - sorted[0]) / o->temperature);
        }
        int64_t last = 0;
        for (; last < n - 1; last++) {
            sum += exp((double)(sorted[last] - sorted[0]) / o->temperature) / total;
            if (sum >= o->top_p) {
                break;
            }
        }
        lowest = sorted[last] > lowest ? sorted[last] : lowest;
    }
    return lowest;
}

static int64_t likeliest(const float *logits, int64_t n)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++) {
        best = logits[i] > logits[best] ? i : best;
    }
    return best;
}

/* Draws with the uniform number u by walking the cumulated probabilities. */
static int64_t draw(const float *logits, int64_t n, const ae_generate_options *o, double u, float *sorted)
{
    float lowest = threshold(logits, n, o, sorted);
    int64_t chosen = likeliest(logits, n);
    double total = 0, sum = 0, top = (double)logits[chosen];
    for (int64_t i = 0; i < n; i++) {
        total += logits[i] >= lowest ? exp(((double)logits[i] - top) / o->temperature) : 0;
    }
    for (int64_t i = 0; i < n; i++) {
        if (logits[i] >= lowest && logits[i] > -INFINITY) {
            sum += exp(((double)logits[i] - top) / o->temperature) / total;
            chosen = i;
            if (sum > u) {
                break;
            }
        }
    }
    return chosen;
}

/* ---- the loop ------------------------------------------------------------------------------------------------------- */

typedef struct generation {
    ae_graph *g;
    const ae_decoder *decoder;
    const ae_generate_options *options;
    int64_t batch, start, length; /* tokens given; tokens so far */
    int64_t first;                /* the first token that the model still sees */
    ae_tensor *ids, *mask;        /* (B, T+N) */
    ae_tensor *scores;            /* (B,N,V) or NULL */
    bool *finished;
    float *logits, *sorted;
    uint8_t *seen; /* (V) of scratch */
    ae_kv_cache *cache;
} generation;

static int next_logits(generation *s, int64_t from, ae_err *e)
{
    ae_decode_view view = {s->ids, s->mask, s->first, from, s->length};
    return ae_decode_step(s->g, s->decoder, &view, s->cache, s->logits, e);
}

/* Chooses a token for every row; returns whether a row goes on. */
static bool extend(generation *s)
{
    const ae_generate_options *o = s->options;
    int64_t v = s->decoder->vocab_size, width = s->ids->shape[1], step = s->length - s->start;
    ae_random_key key = ae_random_key_make(o->seed, (uint64_t)step, 0, 0, 0);
    bool any = false;
    for (int64_t b = 0; b < s->batch; b++) {
        float *logits = s->logits + b * v;
        const int64_t *ids = (const int64_t *)s->ids->data + b * width;
        ae_generate_rules(o, ids, s->length, s->start, logits, v, s->seen);
        if (s->scores) {
            memcpy((float *)s->scores->data + (b * o->max_new_tokens + step) * v, logits, (size_t)v * sizeof *logits);
        }
        int64_t token = o->temperature > 0 ? draw(logits, v, o, ae_random_unit(&key, (uint64_t)b), s->sorted)
                                           : likeliest(logits, v);
        if (s->finished[b]) {
            token = o->pad_token_id >= 0 ? o->pad_token_id : o->eos.count > 0 ? o->eos.ids[0] : 0;
        }
        ae_set_i64(s->ids, b * width + s->length, token);
        ae_set_i64(s->mask, b * width + s->length, 1);
        bool stopped = !s->finished[b] && o->token && o->token(o->user, b, token) != 0;
        s->finished[b] = s->finished[b] || stopped || ae_generate_ends(o, token);
        any = any || !s->finished[b];
    }
    s->length++;
    return any;
}

/* A cache for what the model sees at once. */
static int new_cache(generation *s, ae_err *e)
{
    int64_t most = s->decoder->max_positions, all = s->ids->shape[1];
    ae_kv_cache_free(s->cache);
    s->cache = ae_kv_cache_new(s->decoder->layers, s->batch, all < most ? all : most, s->decoder->width, e);
    return s->cache ? 0 : -1;
}

/* Forgets the older half when the positions are full; *read is what the cache holds. */
static int slide(generation *s, int64_t *read, ae_err *e)
{
    int64_t most = s->decoder->max_positions;
    if (s->length - s->first <= most) {
        return 0;
    }
    s->first = *read = s->length - (most + 1) / 2;
    return new_cache(s, e);
}

static int prepare(generation *s, const ae_tensor *input_ids, const ae_tensor *attention_mask, bool scores, ae_err *e)
{
    int64_t n = s->options->max_new_tokens, v = s->decoder->vocab_size;
    int64_t shape[2] = {s->batch, s->start + n};
    s->ids = ae_tensor_new(AE_I64, 2, shape, e);
    s->mask = ae_tensor_new(AE_I64, 2, shape, e);
    s->scores = scores ? ae_tensor_new(AE_F32, 3, (int64_t[]){s->batch, n, v}, e) : NULL;
    s->finished = calloc((size_t)s->batch + 1, sizeof *s->finished);
    s->logits = malloc((size_t)(s->batch * v + 1) * sizeof *s->logits);
    s->sorted = malloc((size_t)(v + 1) * sizeof *s->sorted);
    s->seen = malloc((size_t)v + 1);
    if (e->code || new_cache(s, e) != 0 || !s->finished || !s->logits || !s->sorted || !s->seen) {
        return ae_err_set(e, AE_E_MEMORY, "generate: no memory for %lld sequences", (long long)s->batch);
    }
    for (int64_t i = 0; i < s->batch * s->start; i++) {
        int64_t at = i / s->start * shape[1] + i % s->start;
        ae_set_i64(s->ids, at, ae_get_i64(input_ids, i));
        ae_set_i64(s->mask, at, attention_mask ? ae_get_i64(attention_mask, i) : 1);
    }
    return 0;
}

int ae_generate(ae_graph *g, const ae_decoder *d, const ae_tensor *input_ids, const ae_tensor *attention_mask,
                const ae_generate_options *options, ae_tensor **sequences, ae_tensor **scores, ae_err *e)
{
    ae_err local = {0};
    e = e ? e : &local;
    *sequences = NULL;
    if (ae_decode_check(d, input_ids, attention_mask, options, e) != 0) {
        return -1;
    }
    generation s = {.g = g, .decoder = d, .options = options, .batch = input_ids->shape[0]};
    s.start = s.length = input_ids->shape[1];
    int64_t read = 0;
    bool more = options->max_new_tokens > 0;
    if (prepare(&s, input_ids, attention_mask, scores != NULL, e) == 0) {
        while (more && slide(&s, &read, e) == 0 && next_logits(&s, read, e) == 0) {
            read = s.length;
            more = extend(&s) && s.length < s.start + options->max_new_tokens;
        }
    }
    if (!e->code) {
        *sequences = ae_decode_cut(s.ids, s.length, e);
        s.ids = NULL;
        if (scores) {
            *scores = ae_decode_cut(s.scores, s.length - s.start, e);
            s.scores = NULL;
        }
    }
    ae_tensor_free(s.ids);
    ae_tensor_free(s.mask);
    ae_tensor_free(s.scores);
    ae_kv_cache_free(s.cache);
    free(s.finished);
    free(s.logits);
    free(s.sorted);
    free(s.seen);
    return e->code ? -1 : 0;
}
