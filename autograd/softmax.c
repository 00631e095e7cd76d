/* Both work on the last axis of a dense tensor; another axis is brought there and back by the public functions. */
#include "autograd/ops.h"
#include "autograd/weight_product.h"
#include "tensor/kernels.h"

#include <math.h>

static int last_axis_shape(ae_call *c)
{
    char x[AE_DESCRIBE_MAX];
    const ae_tensor *in = c->in[0];
    if (!ae_dtype_is_float(in->dtype)) {
        return ae_call_fail(c, AE_E_DTYPE, "%s is %s; it must be of floats", ae_call_describe(c, 0, x),
                            ae_dtype_name(in->dtype));
    }
    ae_call_out_like(c, 0, in);
    return 0;
}

typedef void (*row_fn)(const ae_kernels *k, const float *x, const float *dy, float *y, int64_t n);

static void over_rows(const ae_tensor *x, const ae_tensor *dy, ae_tensor *y, row_fn fn)
{
    const ae_kernels *k = ae_kernels_get();
    int64_t n = x->shape[x->ndim - 1], rows = n ? ae_numel(x) / n : 0;
    const float *from = x->data, *grad = dy ? dy->data : NULL;
    float *to = y->data;
#pragma omp parallel for schedule(static) if (rows * n > 16384)
    for (int64_t i = 0; i < rows; i++) {
        fn(k, from + i * n, grad ? grad + i * n : NULL, to + i * n, n);
    }
}

/* x - max along the last axis, without a gradient through the maximum: it cancels. */
static ae_tensor *shifted(ae_graph *g, ae_tensor *x)
{
    int64_t shape[AE_MAX_DIMS], n = ae_dim(x, -1);
    for (int i = 0; i < x->ndim; i++) {
        shape[i] = i == x->ndim - 1 ? 1 : x->shape[i];
    }
    ae_tensor *top = ae_zeros(g, x->dtype, x->ndim, shape);
    for (int64_t i = 0; ae_ok(g) && i < ae_numel(top); i++) {
        double best = n > 0 ? ae_get_f64(x, i * n) : 0;
        for (int64_t k = 1; k < n; k++) {
            best = fmax(best, ae_get_f64(x, i * n + k));
        }
        ae_set_f64(top, i, best);
    }
    return ae_sub(g, x, top);
}

/* ---- softmax ------------------------------------------------------------------------------------------------------- */

static void softmax_row(const ae_kernels *k, const float *x, const float *dy, float *y, int64_t n)
{
    (void)dy;
    k->softmax(x, y, n, NULL);
}

static void softmax_row_back(const ae_kernels *k, const float *y, const float *dy, float *dx, int64_t n)
{
    k->softmax_backward(y, dy, dx, n);
}

static int softmax_forward(ae_call *c)
{
    if (c->in[0]->dtype != AE_F32) {
        return AE_DECLINE;
    }
    ae_tensor *x = ae_dense(c->graph, c->in[0]);
    if (ae_ok(c->graph)) {
        over_rows(x, NULL, c->out[0], softmax_row);
    }
    return 0;
}

static void softmax_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_tensor *dy = ae_dense(c->graph, gout[0]);
    gin[0] = ae_empty_like(c->graph, c->out[0]);
    if (ae_ok(c->graph)) {
        over_rows(c->out[0], dy, gin[0], softmax_row_back);
    }
}

static int softmax_decompose(ae_call *c)
{
    ae_graph *g = c->graph;
    ae_tensor *e = ae_exp(g, shifted(g, c->in[0]));
    c->out[0] = ae_div(g, e, ae_sum(g, e, 1, (int[]){-1}, true));
    return ae_ok(g) ? 0 : -1;
}

static void softmax_sample(ae_sample *s)
{
    static const char *const shapes[] = {"3,5", "2,3,4", "70,131"};
    ae_tensor *x = ae_sample_in(s, shapes[s->variant], -3, 3);
    s->out[0] = ae_softmax(s->graph, x, s->variant == 1 ? 1 : -1);
}

const ae_op ae_op_softmax = {
    .name = "softmax",
    .formula = "e^x / sum e^x over an axis",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .flags = AE_OP_FUSED,
    .needs = {AE_OUT(0)},
    .shape = last_axis_shape,
    .forward = softmax_forward,
    .vjp = softmax_vjp,
    .decompose = softmax_decompose,
    .sample = softmax_sample,
    .samples = 2,
    .big_samples = 1,
};

/* ---- log_softmax --------------------------------------------------------------------------------------------------- */

static void log_softmax_row(const ae_kernels *k, const float *x, const float *dy, float *y, int64_t n)
{
    (void)dy;
    k->log_softmax(x, y, n);
}

static void log_softmax_row_back(const ae_kernels *k, const float *y, const float *dy, float *dx, int64_t n)
{
    k->log_softmax_backward(y, dy, dx, n);
}

static int log_softmax_forward(ae_call *c)
{
    if (c->in[0]->dtype != AE_F32) {
        return AE_DECLINE;
    }
    ae_tensor *x = ae_dense(c->graph, c->in[0]);
    if (ae_ok(c->graph)) {
        over_rows(x, NULL, c->out[0], log_softmax_row);
    }
    return 0;
}

static void log_softmax_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_tensor *dy = ae_dense(c->graph, gout[0]);
    gin[0] = ae_empty_like(c->graph, c->out[0]);
    if (ae_ok(c->graph)) {
        over_rows(c->out[0], dy, gin[0], log_softmax_row_back);
    }
}

static int log_softmax_decompose(ae_call *c)
{
    ae_graph *g = c->graph;
    ae_tensor *x = shifted(g, c->in[0]);
    c->out[0] = ae_sub(g, x, ae_log(g, ae_sum(g, ae_exp(g, x), 1, (int[]){-1}, true)));
    return ae_ok(g) ? 0 : -1;
}

static void log_softmax_sample(ae_sample *s)
{
    static const char *const shapes[] = {"3,5", "2,3,4", "70,131"};
    ae_tensor *x = ae_sample_in(s, shapes[s->variant], -3, 3);
    s->out[0] = ae_log_softmax(s->graph, x, s->variant == 1 ? 0 : -1);
}

const ae_op ae_op_log_softmax = {
    .name = "log_softmax",
    .formula = "x - log sum e^x over an axis",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .flags = AE_OP_FUSED,
    .needs = {AE_OUT(0)},
    .shape = last_axis_shape,
    .forward = log_softmax_forward,
    .vjp = log_softmax_vjp,
    .decompose = log_softmax_decompose,
    .sample = log_softmax_sample,
    .samples = 2,
    .big_samples = 1,
};

/* ---- any axis ------------------------------------------------------------------------------------------------------ */

/* Rows of bf16 are computed in f32. */
static ae_tensor *over_last(ae_graph *g, const ae_op *op, ae_tensor *x)
{
    ae_tensor *y;
    ae_apply_widened(g, op, &x, 1, NULL, 0, &y);
    return y;
}

static ae_tensor *along(ae_graph *g, const ae_op *op, ae_tensor *x, int axis)
{
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    int k = ae_axis(axis, x->ndim);
    if (k < 0) {
        return ae_fail(g, AE_E_VALUE, "%s: axis %d of a tensor with %d axes", op->name, axis, x->ndim);
    }
    if (k == x->ndim - 1) {
        return over_last(g, op, x);
    }
    ae_frame f = ae_frame_open(g);
    ae_tensor *last = ae_transpose(g, x, k, -1);
    return ae_frame_return(f, ae_transpose(g, over_last(g, op, last), k, -1));
}

ae_tensor *ae_softmax(ae_graph *g, ae_tensor *x, int axis)
{
    return along(g, &ae_op_softmax, x, axis);
}

ae_tensor *ae_log_softmax(ae_graph *g, ae_tensor *x, int axis)
{
    return along(g, &ae_op_log_softmax, x, axis);
}
