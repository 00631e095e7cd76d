#include "nn/sampled_softmax.h"

#include <math.h>
#include <string.h>

/* ---- the distribution ---------------------------------------------------------------------------------------------- */

double ae_log_uniform_probability(int64_t classes, int64_t id)
{
    return id >= 0 && id < classes ? log1p(1 / (double)(id + 1)) / log((double)classes + 1) : 0;
}

double ae_log_uniform_expected(int64_t classes, int64_t id, int64_t count, int64_t tries)
{
    double p = ae_log_uniform_probability(classes, id);
    return tries == count ? (double)count * p : -expm1((double)tries * log1p(-p));
}

/* ---- a set of ids -------------------------------------------------------------------------------------------------- */

/* Open addressing: places hold an id's index among the candidates, or -1. */
typedef struct id_set {
    const int64_t *ids;
    int64_t *places;
    uint64_t mask;
} id_set;

static id_set id_set_new(ae_graph *g, const int64_t *ids, int64_t count)
{
    int64_t size = 16;
    while (size < 2 * count) {
        size *= 2;
    }
    ae_tensor *t = ae_empty(g, AE_I64, 1, &size);
    if (!ae_ok(g)) {
        return (id_set){0};
    }
    memset(t->data, 0xff, (size_t)size * sizeof(int64_t));
    return (id_set){ids, t->data, (uint64_t)size - 1};
}

/* Where an id stands, or the free place that it would take. */
static int64_t *id_set_place(const id_set *s, int64_t id)
{
    uint64_t at = ((uint64_t)id * 0x9e3779b97f4a7c15U) >> 20;
    while (s->places[at & s->mask] >= 0 && s->ids[s->places[at & s->mask]] != id) {
        at++;
    }
    return &s->places[at & s->mask];
}

/* ---- drawing ------------------------------------------------------------------------------------------------------- */

/* The inverse of the distribution function, log(id + 1) / log(classes + 1), at a uniform number. */
static int64_t draw_one(const ae_random_key *key, int64_t number, int64_t classes)
{
    int64_t id = (int64_t)exp(ae_random_unit(key, (uint64_t)number) * log((double)classes + 1)) - 1;
    return id < classes ? id : classes - 1; /* rounding may reach the end */
}

struct ae_candidates ae_log_uniform_candidates(ae_graph *g, int64_t classes, int64_t count)
{
    struct ae_candidates c = {ae_bad(g), classes, 0};
    if (!ae_ok(g)) {
        return c;
    }
    if (count < 1 || count > classes) {
        ae_fail(g, AE_E_VALUE,
                "log_uniform_candidates: %lld candidates of %lld classes; at least 1 and at most all are "
                "possible",
                (long long)count, (long long)classes);
        return c;
    }
    ae_random_key key = ae_draw_key(g, ae_draw(g));
    ae_tensor *ids = ae_empty(g, AE_I64, 1, &count);
    ae_frame f = ae_frame_open(g);
    id_set seen = ae_ok(g) ? id_set_new(g, ids->data, count) : (id_set){0};
    for (int64_t n = 0; n < count && ae_ok(g);) {
        int64_t id = draw_one(&key, c.tries++, classes), *place = id_set_place(&seen, id);
        if (*place < 0) {
            ((int64_t *)ids->data)[n] = id;
            *place = n++;
        }
    }
    ae_frame_close(f);
    c.ids = ae_ok(g) ? ids : ae_bad(g);
    return c;
}

/* ---- loss ---------------------------------------------------------------------------------------------------------- */

static int check_shapes(ae_graph *g, const ae_tensor *x, const ae_tensor *weight, const ae_tensor *bias,
                        const ae_tensor *targets, const struct ae_candidates *c)
{
    char a[AE_SHAPE_TEXT_MAX], b[AE_SHAPE_TEXT_MAX], d[AE_SHAPE_TEXT_MAX];
    if (x->ndim != 2 || weight->ndim != 2 || targets->ndim != 1 || x->shape[1] != weight->shape[1] ||
        x->shape[0] != targets->shape[0]) {
        ae_fail(g, AE_E_SHAPE, "sampled_softmax: x %s must be (N,H), weight %s (V,H), targets %s (N)",
                ae_shape_text(x->ndim, x->shape, a), ae_shape_text(weight->ndim, weight->shape, b),
                ae_shape_text(targets->ndim, targets->shape, d));
    } else if (bias && (bias->ndim != 1 || bias->shape[0] != weight->shape[0])) {
        ae_fail(g, AE_E_SHAPE, "sampled_softmax: bias %s must have one value a row of weight %s",
                ae_shape_text(bias->ndim, bias->shape, a), ae_shape_text(weight->ndim, weight->shape, b));
    } else if (c->classes != weight->shape[0]) {
        ae_fail(g, AE_E_VALUE, "sampled_softmax: the candidates are of %lld classes, weight %s has other rows",
                (long long)c->classes, ae_shape_text(weight->ndim, weight->shape, b));
    } else if (targets->dtype != AE_I64 && targets->dtype != AE_I32) {
        ae_fail(g, AE_E_DTYPE, "sampled_softmax: targets are %s; i64 or i32 ids are needed",
                ae_dtype_name(targets->dtype));
    }
    return ae_ok(g) ? 0 : -1;
}

enum { IGNORED = -100 };

/* What is known of a batch before any logit. */
typedef struct batch {
    int64_t rows, count;
    ae_tensor *ids;       /* (N + S): targets, then candidates */
    ae_tensor *shift;     /* (N + S): - log expected; what removes a row's own column where a candidate is its target */
    ae_tensor *positions; /* (N): the column of the target among own | candidates, or IGNORED */
} batch;

static int check_target(ae_graph *g, int64_t row, int64_t target, int64_t classes, int64_t ignore_index)
{
    if (target < 0 || target >= classes) {
        ae_fail(g, AE_E_VALUE, "sampled_softmax: target %lld is %lld; there are %lld classes, and %lld is ignored",
                (long long)row, (long long)target, (long long)classes, (long long)ignore_index);
    }
    return ae_ok(g) ? 0 : -1;
}

/* A candidate that is the row's target has the logit of the target, to rounding: the row then finds it there, and its
 * own column goes. So a hit costs no mask over all candidates. */
static void fill_rows(ae_graph *g, const batch *b, const ae_tensor *targets, const struct ae_candidates *c,
                      int64_t ignore_index)
{
    int64_t *ids = b->ids->data, *positions = b->positions->data;
    id_set drawn = id_set_new(g, c->ids->data, b->count);
    for (int64_t i = 0; i < b->count && ae_ok(g); i++) {
        *id_set_place(&drawn, ((const int64_t *)c->ids->data)[i]) = i;
    }
    for (int64_t i = 0; i < b->rows && ae_ok(g); i++) {
        int64_t t = ae_get_i64(targets, i);
        bool ignored = t == ignore_index;
        if (!ignored && check_target(g, i, t, c->classes, ignore_index) != 0) {
            return;
        }
        ids[i] = ignored ? 0 : t;
        int64_t hit = *id_set_place(&drawn, ids[i]);
        double expected = ae_log_uniform_expected(c->classes, ids[i], b->count, c->tries);
        ae_set_f64(b->shift, i, hit >= 0 ? -1e30 : -log(expected));
        positions[i] = ignored ? IGNORED : hit + 1;
    }
}

static batch batch_of(ae_graph *g, ae_dtype dtype, const ae_tensor *targets, const struct ae_candidates *c,
                      int64_t ignore_index)
{
    batch b = {.rows = ae_numel(targets), .count = ae_numel(c->ids)};
    int64_t all = b.rows + b.count;
    b.ids = ae_empty(g, AE_I64, 1, &all);
    b.shift = ae_empty(g, dtype, 1, &all);
    b.positions = ae_empty(g, AE_I64, 1, &b.rows);
    if (ae_ok(g)) {
        fill_rows(g, &b, targets, c, ignore_index);
    }
    for (int64_t i = 0; i < b.count && ae_ok(g); i++) {
        int64_t id = ((const int64_t *)c->ids->data)[i];
        ((int64_t *)b.ids->data)[b.rows + i] = id;
        ae_set_f64(b.shift, b.rows + i, -log(ae_log_uniform_expected(c->classes, id, b.count, c->tries)));
    }
    return b;
}

/* (N, 1 + S): the target's logit of each row, then those of the candidates. */
static ae_tensor *logits_of(ae_graph *g, const batch *b, ae_tensor *x, ae_tensor *weight, ae_tensor *bias)
{
    const int64_t sizes[2] = {b->rows, b->count};
    ae_tensor *rows[2], *shifts[2];
    ae_tensor *shift = bias ? ae_add(g, ae_index_select(g, bias, 0, b->ids), b->shift) : b->shift;
    if (ae_split(g, ae_f_embedding(g, weight, b->ids, -1), 0, 2, sizes, rows) != 0 ||
        ae_split(g, shift, 0, 2, sizes, shifts) != 0) {
        return ae_bad(g);
    }
    ae_tensor *own = ae_add(g, ae_sum(g, ae_mul(g, x, rows[0]), 1, (int[]){1}, false), shifts[0]);
    ae_tensor *others = ae_f_linear(g, x, rows[1], shifts[1]);
    others = ae_ok(g) && others->dtype != own->dtype ? ae_cast(g, others, own->dtype) : others;
    return ae_concat(g, (ae_tensor *[]){ae_unsqueeze(g, own, 1), others}, 2, 1);
}

ae_tensor *ae_sampled_softmax_loss(ae_graph *g, ae_tensor *x, ae_tensor *weight, ae_tensor *bias, ae_tensor *targets,
                                   const struct ae_candidates *candidates, int64_t ignore_index, ae_reduction reduction)
{
    if (!ae_ok(g) || check_shapes(g, x, weight, bias, targets, candidates) != 0) {
        return ae_bad(g);
    }
    ae_frame f = ae_frame_open(g);
    ae_cross_entropy_options o = {.ignore_index = IGNORED, .reduction = reduction};
    batch b = batch_of(g, weight->dtype, targets, candidates, ignore_index);
    ae_tensor *logits = ae_ok(g) ? logits_of(g, &b, x, weight, bias) : ae_bad(g);
    return ae_frame_return(f, ae_cross_entropy(g, logits, b.positions, &o));
}
