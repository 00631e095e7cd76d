#include "autograd/reduce_axes.h"
#include "autograd/ops.h"

ae_tensor *ae_reduce_apply(ae_graph *g, const ae_op *op, ae_tensor *x, int n, const int *axes, bool keepdim)
{
    ae_reduce_attr a = {.keepdim = keepdim};
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    for (int i = 0; x && i < x->ndim; i++) {
        a.over[i] = n == 0;
    }
    for (int i = 0; x && i < n; i++) {
        int axis = ae_axis(axes[i], x->ndim);
        if (axis < 0) {
            return ae_fail(g, AE_E_VALUE, "%s: axis %d of a tensor with %d axes", op->name, axes[i], x->ndim);
        }
        a.over[axis] = true;
    }
    return ae_apply(g, op, &x, 1, &a, sizeof a);
}

void ae_reduce_out(ae_call *c, int i, ae_dtype dtype)
{
    const ae_reduce_attr *a = c->attr;
    int64_t shape[AE_MAX_DIMS];
    int ndim = 0;
    for (int k = 0; k < c->in[0]->ndim; k++) {
        if (!a->over[k] || a->keepdim) {
            shape[ndim++] = a->over[k] ? 1 : c->in[0]->shape[k];
        }
    }
    ae_call_out(c, i, dtype, ndim, shape);
}

int64_t ae_reduce_elements(const ae_tensor *x, const ae_reduce_attr *a)
{
    int64_t n = 1;
    for (int i = 0; i < x->ndim; i++) {
        n *= a->over[i] ? x->shape[i] : 1;
    }
    return n;
}

ae_tensor *ae_reduce_keep_axes(ae_call *c, ae_tensor *t)
{
    const ae_reduce_attr *a = c->attr;
    int64_t shape[AE_MAX_DIMS];
    for (int i = 0; i < c->in[0]->ndim; i++) {
        shape[i] = a->over[i] ? 1 : c->in[0]->shape[i];
    }
    return ae_reshape(c->graph, t, c->in[0]->ndim, shape);
}

int ae_reduce_order(const ae_tensor *x, const ae_reduce_attr *a, int order[AE_MAX_DIMS])
{
    int n = 0, kept = 0;
    for (int i = 0; i < x->ndim; i++) {
        if (!a->over[i]) {
            order[n++] = i;
        }
    }
    kept = n;
    for (int i = 0; i < x->ndim; i++) {
        if (a->over[i]) {
            order[n++] = i;
        }
    }
    return kept;
}
