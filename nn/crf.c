#include "nn/crf.h"

#include <stdlib.h>

void ae_crf_init(ae_model *m, struct ae_crf *l, const char *name, int64_t tags)
{
    ae_scope s = ae_scope_open(m, "%s", name);
    ae_init init = ae_init_uniform(-0.1, 0.1);
    if (tags < 1) {
        ae_model_fail(m, AE_E_VALUE, "crf: %s needs at least one tag; it has %lld", name, (long long)tags);
    }
    l->start = ae_param(m, "start_transitions", 1, &tags, init);
    l->end = ae_param(m, "end_transitions", 1, &tags, init);
    l->transitions = ae_param(m, "transitions", 2, (int64_t[]){tags, tags}, init);
    ae_scope_close(s);
}

/* What both functions read on the host: sizes, and which positions are real. */
typedef struct batch {
    int64_t b, t, k;
    bool *real;    /* (B,T) */
    int64_t *tags; /* (B,T), checked where real, 0 elsewhere; NULL for decoding */
} batch;

static void batch_free(batch *s)
{
    free(s->real);
    free(s->tags);
}

static int check_shapes(ae_graph *g, const struct ae_crf *l, const ae_tensor *emissions, const ae_tensor *tags,
                        const ae_tensor *mask, batch *s)
{
    char text[AE_SHAPE_TEXT_MAX];
    const ae_tensor *others[] = {tags, mask};
    if (emissions->ndim != 3 || ae_dim(emissions, 2) != ae_numel(l->start) || ae_dim(emissions, 1) < 1) {
        ae_fail(g, AE_E_SHAPE, "crf: emissions must be [B,T,%lld] with T at least 1; they are %s",
                (long long)ae_numel(l->start), ae_shape_text(emissions->ndim, emissions->shape, text));
        return -1;
    }
    *s = (batch){.b = emissions->shape[0], .t = emissions->shape[1], .k = emissions->shape[2]};
    for (int i = 0; i < 2; i++) {
        const ae_tensor *x = others[i];
        if (x && (x->ndim != 2 || x->shape[0] != s->b || x->shape[1] != s->t)) {
            ae_fail(g, AE_E_SHAPE, "crf: %s must be [%lld,%lld] as the emissions are; it is %s", i ? "mask" : "tags",
                    (long long)s->b, (long long)s->t, ae_shape_text(x->ndim, x->shape, text));
            return -1;
        }
    }
    return 0;
}

static int check_values(ae_graph *g, const ae_tensor *tags, const ae_tensor *mask, batch *s)
{
    for (int64_t i = 0; i < s->b * s->t; i++) {
        s->real[i] = !mask || ae_get_f64(mask, i) != 0;
        if (!s->real[i] && i % s->t == 0) {
            ae_fail(g, AE_E_VALUE, "crf: the mask leaves out the first position of sequence %lld",
                    (long long)(i / s->t));
            return -1;
        }
        if (tags && s->real[i]) {
            s->tags[i] = ae_get_i64(tags, i);
        }
        if (tags && (s->tags[i] < 0 || s->tags[i] >= s->k)) {
            ae_fail(g, AE_E_VALUE, "crf: tag %lld of sequence %lld at position %lld is outside 0..%lld",
                    (long long)s->tags[i], (long long)(i / s->t), (long long)(i % s->t), (long long)s->k - 1);
            return -1;
        }
    }
    return 0;
}

static int read_batch(ae_graph *g, const struct ae_crf *l, const ae_tensor *emissions, const ae_tensor *tags,
                      const ae_tensor *mask, batch *s)
{
    if (!ae_ok(g)) {
        return -1;
    }
    if (l->start->fault && l->start->fault->code != AE_OK) {
        ae_fail(g, l->start->fault->code, "%s", l->start->fault->message);
        return -1;
    }
    if (check_shapes(g, l, emissions, tags, mask, s) != 0) {
        return -1;
    }
    size_t n = (size_t)(s->b * s->t);
    s->real = calloc(n + 1, sizeof *s->real);
    s->tags = tags ? calloc(n + 1, sizeof *s->tags) : NULL;
    if (!s->real || (tags && !s->tags)) {
        ae_fail(g, AE_E_MEMORY, "crf: no memory");
    } else {
        check_values(g, tags, mask, s);
    }
    if (!ae_ok(g)) {
        batch_free(s);
        return -1;
    }
    return 0;
}

/* ---- log-likelihood ------------------------------------------------------------------------------------------------ */

/* The elements of x (any shape, read flat) at n places, as a vector (n). */
static ae_tensor *pick(ae_graph *g, ae_tensor *x, const int64_t *places, int64_t n)
{
    ae_tensor *flat = ae_reshape(g, x, 1, (int64_t[]){-1});
    return ae_index_select(g, flat, 0, ae_from_data(g, AE_I64, 1, &n, places));
}

/* The scores of the given paths, (B): picks each emission and transition that the path goes through and sums them by
 * sequence. */
static ae_tensor *path_scores(ae_graph *g, const struct ae_crf *l, ae_tensor *emissions, const batch *s)
{
    ae_frame f = ae_frame_open(g);
    int64_t most = s->b * s->t + 1;
    int64_t *place = malloc((size_t)(6 * most) * sizeof *place);
    if (!place) {
        return ae_frame_return(f, ae_fail(g, AE_E_MEMORY, "crf: no memory"));
    }
    int64_t *emitted = place, *emitter = place + most, *moved = place + 2 * most, *mover = place + 3 * most;
    int64_t *first = place + 4 * most, *last = place + 5 * most;
    int64_t n = 0;
    int64_t moves = 0;
    for (int64_t i = 0; i < s->b * s->t; i++) {
        int64_t b = i / s->t;
        if (!s->real[i]) {
            continue;
        }
        if (i % s->t == 0) {
            first[b] = s->tags[i];
        } else {
            moved[moves] = last[b] * s->k + s->tags[i];
            mover[moves++] = b;
        }
        last[b] = s->tags[i];
        emitted[n] = i * s->k + s->tags[i];
        emitter[n++] = b;
    }
    ae_tensor *sum = ae_add(g, pick(g, l->start, first, s->b), pick(g, l->end, last, s->b));
    sum = ae_index_add(g, sum, 0, ae_from_data(g, AE_I64, 1, &n, emitter), pick(g, emissions, emitted, n));
    sum = ae_index_add(g, sum, 0, ae_from_data(g, AE_I64, 1, &moves, mover), pick(g, l->transitions, moved, moves));
    free(place);
    return ae_frame_return(f, sum);
}

static ae_tensor *mask_column(ae_graph *g, const batch *s, int64_t t)
{
    ae_tensor *column = ae_empty(g, AE_BOOL, 2, (int64_t[]){s->b, 1});
    for (int64_t b = 0; b < s->b && ae_ok(g); b++) {
        ((bool *)column->data)[b] = s->real[b * s->t + t];
    }
    return column;
}

/* The log of the sum over all paths of e^score, (B): the forward algorithm. */
static ae_tensor *log_partition(ae_graph *g, const struct ae_crf *l, ae_tensor *emissions, const batch *s)
{
    const int last_axis[] = {-1};
    ae_frame f = ae_frame_open(g);
    ae_tensor *into = ae_transpose(g, l->transitions, 0, 1);                                      /* (K to, K from) */
    ae_tensor *score = ae_add(g, l->start, ae_squeeze(g, ae_slice(g, emissions, 1, 0, 1, 1), 1)); /* (B,K) */
    for (int64_t t = 1; t < s->t; t++) {
        ae_tensor *paths = ae_add(g, ae_unsqueeze(g, score, 1), into); /* (B,K to,K from) */
        ae_tensor *next = ae_add(g, ae_logsumexp(g, paths, 1, last_axis, false),
                                 ae_squeeze(g, ae_slice(g, emissions, 1, t, t + 1, 1), 1));
        score = ae_where(g, mask_column(g, s, t), next, score);
    }
    return ae_frame_return(f, ae_logsumexp(g, ae_add(g, score, l->end), 1, last_axis, false));
}

ae_tensor *ae_crf_log_likelihood(ae_graph *g, const struct ae_crf *l, ae_tensor *emissions, ae_tensor *tags,
                                 ae_tensor *mask)
{
    batch s;
    if (read_batch(g, l, emissions, tags, mask, &s) != 0) {
        return ae_bad(g);
    }
    ae_frame f = ae_frame_open(g);
    ae_tensor *path = path_scores(g, l, emissions, &s);
    ae_tensor *all = log_partition(g, l, emissions, &s);
    batch_free(&s);
    return ae_frame_return(f, ae_sub(g, path, all));
}

/* ---- decoding ------------------------------------------------------------------------------------------------------ */

typedef struct viterbi {
    const double *start, *end, *transitions;
    double *score, *next;
    int64_t *back; /* (T,K): the tag before, on the best path to this one */
} viterbi;

/* The best path of one sequence of k tags; emissions (T,K). */
static double best_path(const viterbi *v, const double *emissions, const bool *real, int64_t t_end, int64_t k,
                        int64_t *tags)
{
    for (int64_t j = 0; j < k; j++) {
        v->score[j] = v->start[j] + emissions[j];
    }
    for (int64_t t = 1; t < t_end; t++) {
        for (int64_t j = 0; j < k && real[t]; j++) {
            int64_t best = 0;
            for (int64_t i = 1; i < k; i++) {
                double x = v->score[i] + v->transitions[i * k + j];
                best = x > v->score[best] + v->transitions[best * k + j] ? i : best;
            }
            v->back[t * k + j] = best;
            v->next[j] = v->score[best] + v->transitions[best * k + j] + emissions[t * k + j];
        }
        for (int64_t j = 0; j < k && real[t]; j++) {
            v->score[j] = v->next[j];
        }
    }
    int64_t tag = 0;
    for (int64_t j = 1; j < k; j++) {
        tag = v->score[j] + v->end[j] > v->score[tag] + v->end[tag] ? j : tag;
    }
    double score = v->score[tag] + v->end[tag];
    for (int64_t t = t_end - 1; t >= 0; t--) {
        tags[t] = real[t] ? tag : -1;
        tag = real[t] && t > 0 ? v->back[t * k + tag] : tag;
    }
    return score;
}

static int decode(const struct ae_crf *l, const ae_tensor *emissions, const batch *s, int64_t *tags, double *scores)
{
    int64_t k = s->k;
    size_t doubles = (size_t)(s->b * s->t * k + 4 * k + k * k);
    double *x = malloc(doubles * sizeof *x);
    int64_t *back = malloc((size_t)(s->t * k) * sizeof *back);
    int status = x && back ? 0 : -1;
    if (status == 0) {
        double *rest = x + s->b * s->t * k;
        viterbi v = {rest, rest + k, rest + 4 * k, rest + 2 * k, rest + 3 * k, back};
        ae_read(emissions, AE_F64, x, s->b * s->t * k);
        ae_read(l->start, AE_F64, rest, k);
        ae_read(l->end, AE_F64, rest + k, k);
        ae_read(l->transitions, AE_F64, rest + 4 * k, k * k);
        for (int64_t b = 0; b < s->b; b++) {
            double score = best_path(&v, x + b * s->t * k, s->real + b * s->t, s->t, k, tags + b * s->t);
            if (scores) {
                scores[b] = score;
            }
        }
    }
    free(x);
    free(back);
    return status;
}

int ae_crf_decode(ae_graph *g, const struct ae_crf *l, ae_tensor *emissions, ae_tensor *mask, int64_t *tags,
                  double *scores)
{
    batch s;
    if (read_batch(g, l, emissions, NULL, mask, &s) != 0) {
        return -1;
    }
    if (decode(l, emissions, &s, tags, scores) != 0) {
        ae_fail(g, AE_E_MEMORY, "crf: no memory");
    }
    batch_free(&s);
    return ae_ok(g) ? 0 : -1;
}
