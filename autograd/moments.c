/* Reductions that are made of others, and the product. */
#include "autograd/fold.h"
#include "autograd/ops.h"
#include "autograd/reduce_axes.h"
#include "autograd/wide.h"

#include <math.h>
#include <string.h>

/* ---- prod ---------------------------------------------------------------------------------------------------------- */

static int prod_shape(ae_call *c)
{
    ae_reduce_out(c, 0, c->in[0]->dtype);
    return 0;
}

static int prod_forward(ae_call *c)
{
    const ae_reduce_attr *a = c->attr;
    return ae_fold(c->graph, AE_FOLD_PROD, c->in[0], a->over, 1.0, c->out[0], NULL);
}

/* x as (kept..., reduced in one axis of n). */
static ae_tensor *reduced_as_one(ae_graph *g, ae_tensor *x, const ae_reduce_attr *a, int64_t n)
{
    int order[AE_MAX_DIMS];
    int64_t shape[AE_MAX_DIMS + 1];
    int kept = ae_reduce_order(x, a, order);
    for (int i = 0; i < kept; i++) {
        shape[i] = x->shape[order[i]];
    }
    shape[kept] = n;
    return ae_reshape(g, ae_permute(g, x, order), kept + 1, shape);
}

/* Halves multiplied until one is left: exact gradients with any number of zeros. */
static int prod_decompose(ae_call *c)
{
    ae_graph *g = c->graph;
    const ae_reduce_attr *a = c->attr;
    int64_t n = ae_reduce_elements(c->in[0], a);
    int64_t shape[AE_MAX_DIMS];
    int ndim = 0;
    for (int i = 0; i < c->in[0]->ndim; i++) {
        if (!a->over[i] || a->keepdim) {
            shape[ndim++] = a->over[i] ? 1 : c->in[0]->shape[i];
        }
    }
    if (n == 0) {
        c->out[0] = ae_full(g, c->in[0]->dtype, ndim, shape, 1.0);
        return ae_ok(g) ? 0 : -1;
    }
    if (ae_numel(c->in[0]) == 0) {
        c->out[0] = ae_zeros(g, c->in[0]->dtype, ndim, shape);
        return ae_ok(g) ? 0 : -1;
    }
    ae_tensor *y = reduced_as_one(g, c->in[0], a, n);
    while (n > 1 && ae_ok(g)) {
        ae_tensor *part[3];
        int64_t half = n / 2;
        ae_split(g, y, -1, 3, (int64_t[]){half, half, n - 2 * half}, part);
        y = ae_mul(g, part[0], part[1]);
        y = n % 2 ? ae_concat(g, (ae_tensor *[]){y, part[2]}, 2, -1) : y;
        n -= half;
    }
    c->out[0] = ae_reshape(g, y, ndim, shape);
    return ae_ok(g) ? 0 : -1;
}

/* One line: dy times the product of the others, which is all zeros once two of them are. */
static void prod_line(ae_dtype dtype, const char *x, double dy, char *dx, int64_t n)
{
    double v[AE_WIDE], product = 1;
    int64_t zeros = 0, size = (int64_t)ae_dtype_size(dtype);
    for (int64_t i = 0; i < n; i += AE_WIDE) {
        int64_t m = n - i < AE_WIDE ? n - i : AE_WIDE;
        ae_wide_load(dtype, x + i * size, 1, m, v);
        for (int64_t k = 0; k < m; k++) {
            zeros += v[k] == 0.0;
            product *= v[k] == 0.0 ? 1.0 : v[k];
        }
    }
    for (int64_t i = 0; i < n; i += AE_WIDE) {
        int64_t m = n - i < AE_WIDE ? n - i : AE_WIDE;
        ae_wide_load(dtype, x + i * size, 1, m, v);
        for (int64_t k = 0; k < m; k++) {
            bool zero = v[k] == 0.0;
            v[k] = zeros == 0 ? dy * product / v[k] : zeros == 1 && zero ? dy * product : 0.0;
        }
        ae_wide_store(dtype, v, dx + i * size, 1, m);
    }
}

static void prod_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    const ae_reduce_attr *a = c->attr;
    ae_tensor *x = c->in[0];
    int64_t n = ae_reduce_elements(x, a), shape[AE_MAX_DIMS];
    int order[AE_MAX_DIMS], back[AE_MAX_DIMS];
    ae_reduce_order(x, a, order);
    for (int i = 0; i < x->ndim; i++) {
        back[order[i]] = i;
        shape[i] = x->shape[order[i]];
    }
    ae_tensor *lines = ae_dense(g, ae_permute(g, x, order));
    ae_tensor *grad = ae_empty(g, x->dtype, x->ndim, shape);
    ae_tensor *dy = ae_dense(g, gout[0]);
    if (!ae_ok(g)) {
        return;
    }
    int64_t total = n ? ae_numel(x) / n : 0, bytes = n * (int64_t)ae_dtype_size(x->dtype);
#pragma omp parallel for schedule(static) if (total * n > 32768)
    for (int64_t i = 0; i < total; i++) {
        prod_line(x->dtype, (const char *)lines->data + i * bytes, ae_get_f64(dy, i), (char *)grad->data + i * bytes,
                  n);
    }
    gin[0] = ae_permute(g, grad, back);
}

static void prod_sample(ae_sample *s)
{
    static const char *const shapes[] = {"2,3,4", "2,3,4", "5", "300,4"};
    static const int axes[][2] = {{1, 2}, {0}, {0}, {0}};
    int v = s->variant;
    s->out[0] = ae_prod(s->graph, ae_sample_in(s, shapes[v], 0.5, 1.5), v ? 1 : 2, axes[v], v == 1);
}

const ae_op ae_op_prod = {
    .name = "prod",
    .formula = "product of x over axes",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .flags = AE_OP_FUSED,
    .needs = {AE_IN(0)},
    .shape = prod_shape,
    .forward = prod_forward,
    .vjp = prod_vjp,
    .decompose = prod_decompose,
    .sample = prod_sample,
    .samples = 3,
    .big_samples = 1,
};

ae_tensor *ae_prod(ae_graph *g, ae_tensor *x, int n, const int *axes, bool keepdim)
{
    return ae_reduce_apply(g, &ae_op_prod, x, n, axes, keepdim);
}

/* ---- what the compositions share ----------------------------------------------------------------------------------- */

static bool is_half(const ae_tensor *x)
{
    return x->dtype == AE_BF16 || x->dtype == AE_F16;
}

/* Halves compute in f32; anything but floats is an error in the name of the function. */
static ae_tensor *floats(ae_graph *g, const char *name, ae_tensor *x)
{
    char text[AE_SHAPE_TEXT_MAX];
    if (ae_ok(g) && x->data && !ae_dtype_is_float(x->dtype)) {
        return ae_fail(g, AE_E_DTYPE, "%s: the tensor %s is %s; it takes floats: cast it", name,
                       ae_shape_text(x->ndim, x->shape, text), ae_dtype_name(x->dtype));
    }
    return ae_ok(g) && is_half(x) ? ae_cast(g, x, AE_F32) : x;
}

/* y with extents of 1, without them unless keepdim, in the dtype of x. */
static ae_tensor *finish(ae_graph *g, const ae_tensor *x, ae_tensor *y, int n, const int *axes, bool keepdim)
{
    int64_t shape[AE_MAX_DIMS];
    int ndim = 0;
    for (int i = 0; ae_ok(g) && i < x->ndim; i++) {
        bool over = n == 0;
        for (int k = 0; k < n; k++) {
            over = over || ae_axis(axes[k], x->ndim) == i;
        }
        if (!over || keepdim) {
            shape[ndim++] = y->shape[i];
        }
    }
    y = ae_reshape(g, y, ndim, shape);
    return ae_ok(g) ? ae_cast(g, y, x->dtype) : ae_bad(g);
}

/* f(x) with f(0) = 0 and derivative 0 there, for an f whose own derivative at 0 is not finite. */
typedef ae_tensor *(*unary)(ae_graph *g, ae_tensor *x, double p);

static ae_tensor *zero_at_zero(ae_graph *g, ae_tensor *x, unary f, double p)
{
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    ae_tensor *zero = ae_eq(g, x, ae_scalar(g, x->dtype, 0.0));
    return ae_masked_fill(g, f(g, ae_masked_fill(g, x, zero, 1.0), p), zero, 0.0);
}

static ae_tensor *root(ae_graph *g, ae_tensor *x, double p)
{
    (void)p;
    return ae_sqrt(g, x);
}

static ae_tensor *power(ae_graph *g, ae_tensor *x, double p)
{
    return ae_pow(g, x, ae_scalar(g, x->dtype, p));
}

/* ---- var, std ------------------------------------------------------------------------------------------------------ */

static ae_tensor *variance(ae_graph *g, const char *name, ae_tensor *x, int n, const int *axes, int correction)
{
    x = floats(g, name, x);
    ae_tensor *mean = ae_mean(g, x, n, axes, true);
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    int64_t results = ae_numel(mean), count = results ? ae_numel(x) / results : 0;
    double denominator = count > correction ? (double)(count - correction) : 0.0; /* 0: NaN, as in PyTorch */
    return ae_scale(g, ae_sum(g, ae_square(g, ae_sub(g, x, mean)), n, axes, true), 1.0 / denominator);
}

ae_tensor *ae_var(ae_graph *g, ae_tensor *x, int n, const int *axes, int correction, bool keepdim)
{
    ae_frame f = ae_frame_open(g);
    ae_tensor *y = variance(g, "var", x, n, axes, correction);
    return ae_frame_return(f, finish(g, x, y, n, axes, keepdim));
}

ae_tensor *ae_std(ae_graph *g, ae_tensor *x, int n, const int *axes, int correction, bool keepdim)
{
    ae_frame f = ae_frame_open(g);
    ae_tensor *y = zero_at_zero(g, variance(g, "std", x, n, axes, correction), root, 0.5);
    return ae_frame_return(f, finish(g, x, y, n, axes, keepdim));
}

/* ---- norm ---------------------------------------------------------------------------------------------------------- */

static ae_tensor *norm(ae_graph *g, ae_tensor *x, double p, int n, const int *axes)
{
    if (isinf(p)) {
        return ae_max(g, ae_abs(g, x), n, axes, true);
    }
    if (p == 1.0) {
        return ae_sum(g, ae_abs(g, x), n, axes, true);
    }
    if (p == 2.0) {
        return zero_at_zero(g, ae_sum(g, ae_square(g, x), n, axes, true), root, 0.5);
    }
    ae_tensor *powers = zero_at_zero(g, ae_abs(g, x), power, p);
    return zero_at_zero(g, ae_sum(g, powers, n, axes, true), power, 1.0 / p);
}

ae_tensor *ae_norm(ae_graph *g, ae_tensor *x, double p, int n, const int *axes, bool keepdim)
{
    if (ae_ok(g) && !(p > 0)) {
        return ae_fail(g, AE_E_VALUE, "norm: p is %g; it must be positive, or INFINITY", p);
    }
    ae_frame f = ae_frame_open(g);
    ae_tensor *y = norm(g, floats(g, "norm", x), p, n, axes);
    return ae_frame_return(f, finish(g, x, y, n, axes, keepdim));
}

/* ---- logsumexp ----------------------------------------------------------------------------------------------------- */

ae_tensor *ae_logsumexp(ae_graph *g, ae_tensor *x, int n, const int *axes, bool keepdim)
{
    ae_frame f = ae_frame_open(g);
    ae_tensor *wide = floats(g, "logsumexp", x);
    ae_tensor *top = ae_max(g, ae_ok(g) ? ae_detach(g, wide) : ae_bad(g), n, axes, true);
    if (!ae_ok(g)) {
        return ae_frame_return(f, ae_bad(g));
    }
    /* An infinite maximum cannot be subtracted, and need not be. */
    top = ae_where(g, ae_isfinite(g, top), top, ae_scalar(g, top->dtype, 0.0));
    ae_tensor *sum = ae_sum(g, ae_exp(g, ae_sub(g, wide, top)), n, axes, true);
    return ae_frame_return(f, finish(g, x, ae_add(g, ae_log(g, sum), top), n, axes, keepdim));
}
