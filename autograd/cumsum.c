#include "autograd/ops.h"
#include "autograd/wide.h"

#include <string.h>

typedef struct cumsum_attr {
    int axis;
    bool reverse; /* from the last element on: the transpose */
} cumsum_attr;

/* The tensor as (outer, n, inner) around the axis. */
typedef struct extents {
    int64_t outer, n, inner;
} extents;

static extents around(const ae_tensor *x, int axis)
{
    extents e = {1, x->shape[axis], 1};
    for (int i = 0; i < x->ndim; i++) {
        *(i < axis ? &e.outer : i > axis ? &e.inner : &(int64_t){0}) *= x->shape[i];
    }
    return e;
}

static void add_floats(ae_dtype dtype, const char *x, double *sum, char *y, int64_t n)
{
    double v[AE_WIDE];
    ae_wide_load(dtype, x, 1, n, v);
    for (int64_t i = 0; i < n; i++) {
        sum[i] += v[i];
    }
    ae_wide_store(dtype, sum, y, 1, n);
}

static void add_integers(ae_dtype dtype, const char *x, int64_t *sum, char *y, int64_t n)
{
    int64_t v[AE_WIDE];
    ae_wide_load_int(dtype, x, 1, n, v);
    for (int64_t i = 0; i < n; i++) {
        sum[i] = (int64_t)((uint64_t)sum[i] + (uint64_t)v[i]);
    }
    ae_wide_store_int(dtype, sum, y, 1, n);
}

/* `width` columns side by side, down (or up) the axis. */
static void run_column(ae_dtype dtype, const char *x, char *y, const extents *e, int64_t width, bool reverse)
{
    union {
        double f[AE_WIDE];
        int64_t i[AE_WIDE];
    } sum;
    memset(&sum, 0, sizeof sum);
    int64_t size = (int64_t)ae_dtype_size(dtype);
    for (int64_t k = 0; k < e->n; k++) {
        int64_t at = (reverse ? e->n - 1 - k : k) * e->inner * size;
        if (ae_dtype_is_float(dtype)) {
            add_floats(dtype, x + at, sum.f, y + at, width);
        } else {
            add_integers(dtype, x + at, sum.i, y + at, width);
        }
    }
}

static int cumsum_shape(ae_call *c)
{
    char text[AE_DESCRIBE_MAX];
    if (c->in[0]->dtype == AE_BOOL) {
        return ae_call_fail(c, AE_E_DTYPE, "%s is bool; cast it", ae_call_describe(c, 0, text));
    }
    ae_call_out_like(c, 0, c->in[0]);
    return 0;
}

static int cumsum_forward(ae_call *c)
{
    const cumsum_attr *a = c->attr;
    const ae_tensor *x = ae_dense(c->graph, c->in[0]), *y = c->out[0];
    if (!ae_ok(c->graph)) {
        return -1;
    }
    extents e = around(x, a->axis);
    int64_t stretches = (e.inner + AE_WIDE - 1) / AE_WIDE, size = (int64_t)ae_dtype_size(x->dtype);
#pragma omp parallel for schedule(static) if (e.outer * e.n * e.inner > 32768)
    for (int64_t t = 0; t < e.outer * stretches; t++) {
        int64_t first = t % stretches * AE_WIDE, at = (t / stretches * e.n * e.inner + first) * size;
        int64_t width = e.inner - first < AE_WIDE ? e.inner - first : AE_WIDE;
        run_column(x->dtype, (const char *)x->data + at, (char *)y->data + at, &e, width, a->reverse);
    }
    return 0;
}

static void cumsum_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    const cumsum_attr *a = c->attr;
    cumsum_attr back = {a->axis, !a->reverse};
    gin[0] = ae_apply(c->graph, &ae_op_cumsum, gout, 1, &back, sizeof back);
}

static void cumsum_sample(ae_sample *s)
{
    static const char *const shapes[] = {"5", "2,3,2", "2,3", "3,20,300", "20,700"};
    static const int axes[] = {0, 1, -1, 1, 1};
    s->out[0] = ae_cumsum(s->graph, ae_sample_in(s, shapes[s->variant], -2, 2), axes[s->variant]);
}

const ae_op ae_op_cumsum = {
    .name = "cumsum",
    .formula = "y_i = x_0 + ... + x_i along an axis",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .shape = cumsum_shape,
    .forward = cumsum_forward,
    .vjp = cumsum_vjp,
    .sample = cumsum_sample,
    .samples = 3,
    .big_samples = 2,
};

ae_tensor *ae_cumsum(ae_graph *g, ae_tensor *x, int axis)
{
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    cumsum_attr a = {ae_axis(axis, x->ndim), false};
    if (a.axis < 0) {
        return ae_fail(g, AE_E_VALUE, "cumsum: axis %d of a tensor with %d axes", axis, x->ndim);
    }
    return ae_apply(g, &ae_op_cumsum, &x, 1, &a, sizeof a);
}
