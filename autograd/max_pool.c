/* Pooling along time. */
#include "autograd/convolution.h"
#include "autograd/ops.h"

#include <math.h>
#include <string.h>

/* ---- max_pool1d ---------------------------------------------------------------------------------------------------- */

typedef struct pool_attr {
    int64_t kernel, stride, padding;
} pool_attr;

static int64_t pool_steps(const pool_attr *a, int64_t time)
{
    int64_t room = time + 2 * a->padding - a->kernel;
    return room < 0 ? 0 : room / a->stride + 1;
}

static int check_pool(ae_graph *g, const char *name, const ae_tensor *x, const pool_attr *a)
{
    char text[AE_SHAPE_TEXT_MAX];
    if (!ae_ok(g) || !x->data) {
        return 0; /* ae_apply says what is wrong */
    }
    if (x->ndim != 3) {
        ae_fail(g, AE_E_SHAPE, "%s: x must be (batch, channels, time); it is %s", name,
                ae_shape_text(x->ndim, x->shape, text));
        return -1;
    }
    if (a->kernel < 1 || a->stride < 1 || a->padding < 0 || a->padding > a->kernel / 2) {
        ae_fail(g, AE_E_VALUE, "%s: kernel %lld and stride %lld must be positive, padding %lld in 0..%lld", name,
                (long long)a->kernel, (long long)a->stride, (long long)a->padding, (long long)(a->kernel / 2));
        return -1;
    }
    if (pool_steps(a, x->shape[2]) < 1) {
        ae_fail(g, AE_E_SHAPE, "%s: a window of %lld does not fit into %lld padded steps", name, (long long)a->kernel,
                (long long)(x->shape[2] + 2 * a->padding));
        return -1;
    }
    return 0;
}

static int max_pool1d_shape(ae_call *c)
{
    const ae_tensor *x = c->in[0];
    if (!ae_dtype_is_float(x->dtype)) {
        return ae_call_fail(c, AE_E_DTYPE, "x is %s; it must be of floats", ae_dtype_name(x->dtype));
    }
    ae_call_out(c, 0, x->dtype, 3, (int64_t[]){x->shape[0], x->shape[1], pool_steps(c->attr, x->shape[2])});
    return 0;
}

/* Whether v is to replace best: NaN wins, ties leave the first. */
static bool beats(float v, float best)
{
    return v > best || (isnan(v) && !isnan(best));
}

static int max_pool1d_forward(ae_call *c)
{
    const pool_attr *a = c->attr;
    if (c->in[0]->dtype != AE_F32) {
        return AE_DECLINE;
    }
    ae_tensor *at = ae_call_extra(c, 0, AE_I64, 3, c->out[0]->shape), *x = ae_dense(c->graph, c->in[0]);
    if (!ae_ok(c->graph)) {
        return -1;
    }
    const int64_t rows = x->shape[0] * x->shape[1], time = x->shape[2], steps = c->out[0]->shape[2];
#pragma omp parallel for schedule(static) if (rows * time > 32768)
    for (int64_t r = 0; r < rows; r++) {
        const float *row = (const float *)x->data + r * time;
        for (int64_t i = 0; i < steps; i++) {
            int64_t from = i * a->stride - a->padding, to = from + a->kernel;
            from = from < 0 ? 0 : from;
            int64_t best = from;
            for (int64_t t = from + 1; t < to && t < time; t++) {
                best = beats(row[t], row[best]) ? t : best;
            }
            ((float *)c->out[0]->data)[r * steps + i] = row[best];
            ((int64_t *)at->data)[r * steps + i] = best;
        }
    }
    return 0;
}

static void max_pool1d_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    ae_tensor *dy = ae_dense(g, gout[0]);
    gin[0] = ae_zeros(g, AE_F32, 3, c->in[0]->shape);
    const int64_t rows = dy->shape[0] * dy->shape[1], time = c->in[0]->shape[2], steps = dy->shape[2];
    const int64_t *at = c->extra[0]->data;
    for (int64_t i = 0; i < rows * steps && ae_ok(g); i++) {
        ((float *)gin[0]->data)[i / steps * time + at[i]] += ((const float *)dy->data)[i];
    }
}

/* The larger of two, the first on a tie, in primitive ops. */
static ae_tensor *plain_larger(ae_graph *g, ae_tensor *best, ae_tensor *v)
{
    return ae_where(g, ae_logical_or(g, ae_gt(g, v, best), ae_isnan(g, v)), v, best);
}

/* The values that tap k of every window sees, (B,C,T'). */
static ae_tensor *tap(ae_graph *g, ae_tensor *padded, const pool_attr *a, int64_t k, int64_t steps)
{
    return ae_slice(g, padded, 2, k, k + (steps - 1) * a->stride + 1, a->stride);
}

static ae_tensor *padded_with(ae_graph *g, ae_tensor *x, const pool_attr *a, double value)
{
    const int64_t pad[3] = {0, 0, a->padding};
    return a->padding ? ae_pad(g, x, pad, pad, value) : x;
}

static int max_pool1d_decompose(ae_call *c)
{
    ae_graph *g = c->graph;
    const pool_attr *a = c->attr;
    int64_t steps = pool_steps(a, c->in[0]->shape[2]);
    ae_tensor *x = padded_with(g, c->in[0], a, -INFINITY), *best = tap(g, x, a, 0, steps);
    for (int64_t k = 1; k < a->kernel && ae_ok(g); k++) {
        best = plain_larger(g, best, tap(g, x, a, k, steps));
    }
    c->out[0] = ae_contiguous(g, best);
    return ae_ok(g) ? 0 : -1;
}

static void max_pool1d_sample(ae_sample *s)
{
    static const struct {
        const char *x;
        pool_attr a;
    } cases[] = {
        {"2,2,5", {2, 2, 0}}, {"1,2,5", {3, 1, 1}}, {"1,2,4", {1, 3, 0}}, {"3,5,33", {5, 2, 2}}, {"2,3,70", {70, 1, 0}},
    };
    const pool_attr *a = &cases[s->variant].a;
    ae_tensor *x = ae_sample_distinct(s, cases[s->variant].x);
    s->out[0] = ae_max_pool1d(s->graph, x, a->kernel, a->stride, a->padding);
}

const ae_op ae_op_max_pool1d = {
    .name = "max_pool1d",
    .formula = "the largest of each window along the last axis",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .flags = AE_OP_FUSED,
    .shape = max_pool1d_shape,
    .forward = max_pool1d_forward,
    .vjp = max_pool1d_vjp,
    .decompose = max_pool1d_decompose,
    .sample = max_pool1d_sample,
    .samples = 3,
    .big_samples = 2,
};

ae_tensor *ae_max_pool1d(ae_graph *g, ae_tensor *x, int64_t kernel, int64_t stride, int64_t padding)
{
    pool_attr a = {kernel, stride ? stride : kernel, padding};
    return check_pool(g, "max_pool1d", x, &a) == 0 ? ae_apply(g, &ae_op_max_pool1d, &x, 1, &a, sizeof a) : ae_bad(g);
}

ae_tensor *ae_avg_pool1d(ae_graph *g, ae_tensor *x, int64_t kernel, int64_t stride, int64_t padding)
{
    pool_attr a = {kernel, stride ? stride : kernel, padding};
    if (!ae_ok(g) || check_pool(g, "avg_pool1d", x, &a) != 0) {
        return ae_bad(g);
    }
    ae_frame f = ae_frame_open(g);
    int64_t steps = pool_steps(&a, x->shape[2]);
    ae_tensor *padded = padded_with(g, x, &a, 0.0), *sum = tap(g, padded, &a, 0, steps);
    for (int64_t k = 1; k < kernel && ae_ok(g); k++) {
        sum = ae_add(g, sum, tap(g, padded, &a, k, steps));
    }
    return ae_frame_return(f, ae_scale(g, sum, 1.0 / (double)kernel));
}

/* ---- over all of time ---------------------------------------------------------------------------------------------- */

/* x (B,T,C), and lengths in 1..T where they are given. */
static int check_over_time(ae_graph *g, const char *name, const ae_tensor *x, const ae_tensor *lengths)
{
    char text[AE_SHAPE_TEXT_MAX];
    if (x->ndim != 3 || x->shape[1] < 1) {
        ae_fail(g, AE_E_SHAPE, "%s: x must be (batch, time, channels) with at least one step; it is %s", name,
                ae_shape_text(x->ndim, x->shape, text));
        return -1;
    }
    if (!lengths) {
        return 0;
    }
    if (lengths->dtype != AE_I32 && lengths->dtype != AE_I64) {
        ae_fail(g, AE_E_DTYPE, "%s: lengths are %s; they must be i32 or i64", name, ae_dtype_name(lengths->dtype));
        return -1;
    }
    if (lengths->ndim != 1 || lengths->shape[0] != x->shape[0]) {
        ae_fail(g, AE_E_SHAPE, "%s: lengths must be [%lld], one a row of x; got %s", name, (long long)x->shape[0],
                ae_shape_text(lengths->ndim, lengths->shape, text));
        return -1;
    }
    for (int64_t i = 0; i < x->shape[0]; i++) {
        int64_t n = ae_get_i64(lengths, i);
        if (n < 1 || n > x->shape[1]) {
            ae_fail(g, AE_E_VALUE, "%s: length %lld of row %lld is outside of 1..%lld, the steps of x", name,
                    (long long)n, (long long)i, (long long)x->shape[1]);
            return -1;
        }
    }
    return 0;
}

static int max_over_time_shape(ae_call *c)
{
    const ae_tensor *x = c->in[0];
    if (!ae_dtype_is_float(x->dtype)) {
        return ae_call_fail(c, AE_E_DTYPE, "x is %s; it must be of floats", ae_dtype_name(x->dtype));
    }
    if (check_over_time(c->graph, c->op->name, x, c->in[1]) != 0) {
        return -1;
    }
    ae_call_out(c, 0, x->dtype, 2, (int64_t[]){x->shape[0], x->shape[2]});
    return 0;
}

static int max_over_time_forward(ae_call *c)
{
    if (c->in[0]->dtype != AE_F32) {
        return AE_DECLINE;
    }
    ae_tensor *at = ae_call_extra(c, 0, AE_I32, 2, c->out[0]->shape), *x = ae_dense(c->graph, c->in[0]);
    if (!ae_ok(c->graph)) {
        return -1;
    }
    const int64_t batch = x->shape[0], time = x->shape[1], width = x->shape[2];
#pragma omp parallel for schedule(static) if (batch * time * width > 32768)
    for (int64_t b = 0; b < batch; b++) {
        const float *row = (const float *)x->data + b * time * width;
        float *best = (float *)c->out[0]->data + b * width;
        int32_t *where = (int32_t *)at->data + b * width;
        int64_t n = c->in[1] ? ae_get_i64(c->in[1], b) : time;
        memcpy(best, row, (size_t)width * sizeof *best);
        memset(where, 0, (size_t)width * sizeof *where);
        for (int64_t t = 1; t < n; t++) {
            for (int64_t i = 0; i < width; i++) {
                bool better = beats(row[t * width + i], best[i]);
                best[i] = better ? row[t * width + i] : best[i];
                where[i] = better ? (int32_t)t : where[i];
            }
        }
    }
    return 0;
}

static void max_over_time_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    ae_tensor *dy = ae_dense(g, gout[0]);
    gin[0] = ae_zeros(g, AE_F32, 3, c->in[0]->shape);
    const int64_t time = c->in[0]->shape[1], width = c->in[0]->shape[2];
    const int32_t *at = c->extra[0]->data;
    for (int64_t i = 0; i < ae_numel(dy) && ae_ok(g); i++) {
        ((float *)gin[0]->data)[(i / width * time + at[i]) * width + i % width] = ((const float *)dy->data)[i];
    }
}

/* (B,1): whether step t lies within the lengths. */
static ae_tensor *within(ae_graph *g, const ae_tensor *lengths, int64_t t)
{
    ae_tensor *mask = ae_empty(g, AE_BOOL, 2, (int64_t[]){lengths->shape[0], 1});
    for (int64_t b = 0; b < lengths->shape[0] && ae_ok(g); b++) {
        ((uint8_t *)mask->data)[b] = t < ae_get_i64(lengths, b);
    }
    return mask;
}

static ae_tensor *step_at(ae_graph *g, ae_tensor *x, int64_t t)
{
    return ae_squeeze(g, ae_slice(g, x, 1, t, t + 1, 1), 1);
}

static int max_over_time_decompose(ae_call *c)
{
    ae_graph *g = c->graph;
    ae_tensor *best = step_at(g, c->in[0], 0);
    for (int64_t t = 1; t < c->in[0]->shape[1] && ae_ok(g); t++) {
        ae_tensor *larger = plain_larger(g, best, step_at(g, c->in[0], t));
        best = c->in[1] ? ae_where(g, within(g, c->in[1], t), larger, best) : larger;
    }
    c->out[0] = ae_contiguous(g, best);
    return ae_ok(g) ? 0 : -1;
}

static void max_over_time_sample(ae_sample *s)
{
    static const char *const shapes[][2] = {{"2,3,4", NULL}, {"3,4,2", "3"}, {"2,1,3", "2"}, {"5,13,67", "5"}};
    ae_tensor *x = ae_sample_distinct(s, shapes[s->variant][0]);
    ae_tensor *lengths = shapes[s->variant][1] ? ae_sample_ids(s, shapes[s->variant][1], 1, x->shape[1] + 1) : NULL;
    s->out[0] = ae_max_over_time(s->graph, x, lengths);
}

const ae_op ae_op_max_over_time = {
    .name = "max_over_time",
    .formula = "the largest over the steps of each row",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .flags = AE_OP_FUSED,
    .optional = AE_IN(1),
    .shape = max_over_time_shape,
    .forward = max_over_time_forward,
    .vjp = max_over_time_vjp,
    .decompose = max_over_time_decompose,
    .sample = max_over_time_sample,
    .samples = 3,
    .big_samples = 1,
};

ae_tensor *ae_max_over_time(ae_graph *g, ae_tensor *x, ae_tensor *lengths)
{
    return ae_apply(g, &ae_op_max_over_time, (ae_tensor *[]){x, lengths}, 2, NULL, 0);
}

/* x with zeros past the lengths, and 1 / length of every row, (B,1). */
static ae_tensor *cut_to_lengths(ae_graph *g, ae_tensor *x, const ae_tensor *lengths, ae_tensor **inverse)
{
    const int64_t batch = x->shape[0], time = x->shape[1];
    ae_tensor *mask = ae_empty(g, AE_BOOL, 3, (int64_t[]){batch, time, 1});
    *inverse = ae_empty(g, x->dtype, 2, (int64_t[]){batch, 1});
    for (int64_t b = 0; b < batch && ae_ok(g); b++) {
        int64_t n = ae_get_i64(lengths, b);
        ae_set_f64(*inverse, b, 1.0 / (double)n);
        for (int64_t t = 0; t < time; t++) {
            ((uint8_t *)mask->data)[b * time + t] = t < n;
        }
    }
    return ae_where(g, mask, x, ae_scalar(g, x->dtype, 0.0));
}

ae_tensor *ae_mean_over_time(ae_graph *g, ae_tensor *x, ae_tensor *lengths)
{
    if (!ae_ok(g) || check_over_time(g, "mean_over_time", x, lengths) != 0) {
        return ae_bad(g);
    }
    ae_frame f = ae_frame_open(g);
    ae_tensor *inverse = NULL, *y;
    if (lengths) {
        y = ae_sum(g, cut_to_lengths(g, x, lengths, &inverse), 1, (int[]){1}, false);
        y = ae_mul(g, y, inverse);
    } else {
        y = ae_scale(g, ae_sum(g, x, 1, (int[]){1}, false), 1.0 / (double)x->shape[1]);
    }
    return ae_frame_return(f, y);
}

ae_tensor *ae_last_over_time(ae_graph *g, ae_tensor *x, ae_tensor *lengths)
{
    if (!ae_ok(g) || check_over_time(g, "last_over_time", x, lengths) != 0) {
        return ae_bad(g);
    }
    ae_frame f = ae_frame_open(g);
    const int64_t batch = x->shape[0], time = x->shape[1];
    ae_tensor *ids = ae_empty(g, AE_I64, 1, &batch);
    for (int64_t b = 0; b < batch && ae_ok(g); b++) {
        ((int64_t *)ids->data)[b] = b * time + (lengths ? ae_get_i64(lengths, b) : time) - 1;
    }
    ae_tensor *rows = ae_reshape(g, x, 2, (int64_t[]){batch * time, x->shape[2]});
    return ae_frame_return(f, ae_index_select(g, rows, 0, ids));
}
