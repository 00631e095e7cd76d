#include "autograd/reduce.h"
#include "autograd/ops.h"

#include <string.h>

/* ---- sum ----------------------------------------------------------------------------------------------------------- */

typedef struct reduce_attr {
    bool over[AE_MAX_DIMS]; /* which axes go */
    bool keepdim;
} reduce_attr;

static int reduce_shape(ae_call *c)
{
    const reduce_attr *a = c->attr;
    int64_t shape[AE_MAX_DIMS];
    int ndim = 0;
    for (int i = 0; i < c->in[0]->ndim; i++) {
        if (!a->over[i] || a->keepdim) {
            shape[ndim++] = a->over[i] ? 1 : c->in[0]->shape[i];
        }
    }
    ae_call_out(c, 0, c->in[0]->dtype, ndim, shape);
    return 0;
}

/* The kept axes first, then the reduced ones: a view in which each result is the sum of one contiguous stretch of the
 * index space. */
static ae_tensor *reduced_last(ae_call *c, int64_t *kept, int64_t *reduced)
{
    const reduce_attr *a = c->attr;
    const ae_tensor *x = c->in[0];
    int64_t shape[AE_MAX_DIMS], strides[AE_MAX_DIMS];
    int n = 0;
    *kept = *reduced = 1;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < x->ndim; i++) {
            if (a->over[i] == (pass == 1)) {
                *(pass ? reduced : kept) *= x->shape[i];
                shape[n] = x->shape[i];
                strides[n++] = x->strides[i];
            }
        }
    }
    return ae_view(c->graph, x, x->ndim, shape, strides, 0);
}

static double sum_row_f32(const float *x, int64_t n)
{
    double total = 0;
    for (int64_t i = 0; i < n; i += 1024) {
        int64_t m = n - i < 1024 ? n - i : 1024;
        double part = 0;
#pragma omp simd reduction(+ : part)
        for (int64_t k = 0; k < m; k++) {
            part += (double)x[i + k];
        }
        total += part;
    }
    return total;
}

static int sum_forward(ae_call *c)
{
    int64_t kept, reduced;
    ae_tensor *x = ae_dense(c->graph, reduced_last(c, &kept, &reduced));
    ae_tensor *y = c->out[0];
    if (!ae_ok(c->graph)) {
        return -1;
    }
#pragma omp parallel for schedule(static) if (kept * reduced > 32768)
    for (int64_t i = 0; i < kept; i++) {
        if (x->dtype == AE_F32) {
            ((float *)y->data)[i] = (float)sum_row_f32((const float *)x->data + i * reduced, reduced);
        } else if (ae_dtype_is_float(x->dtype)) {
            double total = 0;
            for (int64_t k = 0; k < reduced; k++) {
                total += ae_get_f64(x, i * reduced + k);
            }
            ae_set_f64(y, i, total);
        } else {
            int64_t total = 0;
            for (int64_t k = 0; k < reduced; k++) {
                total += ae_get_i64(x, i * reduced + k);
            }
            ae_set_i64(y, i, total);
        }
    }
    return 0;
}

static void sum_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    const reduce_attr *a = c->attr;
    const ae_tensor *x = c->in[0];
    int64_t shape[AE_MAX_DIMS];
    for (int i = 0; i < x->ndim; i++) {
        shape[i] = a->over[i] ? 1 : x->shape[i];
    }
    ae_tensor *grad = ae_reshape(c->graph, gout[0], x->ndim, shape);
    gin[0] = ae_expand(c->graph, grad, x->ndim, x->shape);
}

static void sum_sample(ae_sample *s)
{
    ae_tensor *x = ae_sample_in(s, "2,3,4", -2, 2);
    static const int axes[3][2] = {{0, -1}, {1}, {0}};
    s->out[0] = ae_sum(s->graph, x, 2 - s->variant, axes[s->variant], s->variant == 1);
}

const ae_op ae_op_sum = {
    .name = "sum",
    .formula = "sum of x over axes",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .shape = reduce_shape,
    .forward = sum_forward,
    .vjp = sum_vjp,
    .sample = sum_sample,
    .samples = 3,
};

static ae_tensor *reduce(ae_graph *g, const ae_op *op, ae_tensor *x, int n, const int *axes, bool keepdim)
{
    reduce_attr a = {.keepdim = keepdim};
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    for (int i = 0; i < x->ndim; i++) {
        a.over[i] = n == 0;
    }
    for (int i = 0; i < n; i++) {
        int axis = ae_axis(axes[i], x->ndim);
        if (axis < 0) {
            return ae_fail(g, AE_E_VALUE, "%s: axis %d of a tensor with %d axes", op->name, axes[i], x->ndim);
        }
        a.over[axis] = true;
    }
    return ae_apply(g, op, &x, 1, &a, sizeof a);
}

ae_tensor *ae_sum(ae_graph *g, ae_tensor *x, int n, const int *axes, bool keepdim)
{
    return reduce(g, &ae_op_sum, x, n, axes, keepdim);
}

ae_tensor *ae_sum_to(ae_graph *g, ae_tensor *x, int ndim, const int64_t *shape)
{
    int axes[AE_MAX_DIMS], n = 0;
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    int lead = x->ndim - ndim;
    for (int i = 0; i < x->ndim; i++) {
        if (i < lead || (shape[i - lead] == 1 && x->shape[i] != 1)) {
            axes[n++] = i;
        }
    }
    ae_frame f = ae_frame_open(g);
    ae_tensor *y = n ? ae_sum(g, x, n, axes, false) : x;
    return ae_frame_return(f, ae_reshape(g, y, ndim, shape));
}
