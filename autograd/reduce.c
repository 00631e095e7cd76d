#include "autograd/reduce.h"
#include "autograd/fold.h"
#include "autograd/ids.h"
#include "autograd/ops.h"
#include "autograd/reduce_axes.h"

#include <string.h>

/* ---- sum, mean ----------------------------------------------------------------------------------------------------- */

static int sum_shape(ae_call *c)
{
    ae_reduce_out(c, 0, c->in[0]->dtype == AE_BOOL ? AE_I64 : c->in[0]->dtype);
    return 0;
}

static int sum_forward(ae_call *c)
{
    const ae_reduce_attr *a = c->attr;
    return ae_fold(c->graph, AE_FOLD_SUM, c->in[0], a->over, 1.0, c->out[0], NULL);
}

static void sum_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    gin[0] = ae_expand(c->graph, ae_reduce_keep_axes(c, gout[0]), c->in[0]->ndim, c->in[0]->shape);
}

static void sum_sample(ae_sample *s)
{
    static const char *const shapes[] = {"2,3,4", "2,3,4", "2,3,4", "130,270", "12,3,260", "2,20000", "2,300,5"};
    static const int axes[][2] = {{0, -1}, {1}, {0}, {0}, {0, 2}, {1}, {1}};
    static const int counts[] = {2, 1, 1, 1, 2, 1, 1};
    int v = s->variant;
    ae_tensor *x = ae_sample_in(s, shapes[v], -2, 2);
    s->out[0] = ae_sum(s->graph, x, counts[v], axes[v], v == 1);
}

const ae_op ae_op_sum = {
    .name = "sum",
    .formula = "sum of x over axes",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .shape = sum_shape,
    .forward = sum_forward,
    .vjp = sum_vjp,
    .sample = sum_sample,
    .samples = 3,
    .big_samples = 4,
};

ae_tensor *ae_sum(ae_graph *g, ae_tensor *x, int n, const int *axes, bool keepdim)
{
    return ae_reduce_apply(g, &ae_op_sum, x, n, axes, keepdim);
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

static int mean_shape(ae_call *c)
{
    char text[AE_DESCRIBE_MAX];
    if (!ae_dtype_is_float(c->in[0]->dtype)) {
        return ae_call_fail(c, AE_E_DTYPE, "%s is %s; a mean is of floats: cast it", ae_call_describe(c, 0, text),
                            ae_dtype_name(c->in[0]->dtype));
    }
    ae_reduce_out(c, 0, c->in[0]->dtype);
    return 0;
}

static int mean_forward(ae_call *c)
{
    const ae_reduce_attr *a = c->attr;
    double scale = 1.0 / (double)ae_reduce_elements(c->in[0], a);
    return ae_fold(c->graph, AE_FOLD_SUM, c->in[0], a->over, scale, c->out[0], NULL);
}

static void mean_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    double scale = 1.0 / (double)ae_reduce_elements(c->in[0], c->attr);
    ae_tensor *grad = ae_reduce_keep_axes(c, ae_scale(c->graph, gout[0], scale));
    gin[0] = ae_expand(c->graph, grad, c->in[0]->ndim, c->in[0]->shape);
}

static void mean_sample(ae_sample *s)
{
    static const char *const shapes[] = {"2,3,4", "2,3,4", "20,300"};
    static const int axes[][2] = {{1, 2}, {0}, {0}};
    int v = s->variant;
    s->out[0] = ae_mean(s->graph, ae_sample_in(s, shapes[v], -2, 2), v ? 1 : 2, axes[v], v == 1);
}

const ae_op ae_op_mean = {
    .name = "mean",
    .formula = "sum of x over axes / number of elements",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .shape = mean_shape,
    .forward = mean_forward,
    .vjp = mean_vjp,
    .sample = mean_sample,
    .samples = 2,
    .big_samples = 1,
};

ae_tensor *ae_mean(ae_graph *g, ae_tensor *x, int n, const int *axes, bool keepdim)
{
    return ae_reduce_apply(g, &ae_op_mean, x, n, axes, keepdim);
}

/* ---- max, min ------------------------------------------------------------------------------------------------------ */

static int check_elements(ae_call *c)
{
    char text[AE_DESCRIBE_MAX];
    if (ae_reduce_elements(c->in[0], c->attr) == 0) {
        return ae_call_fail(c, AE_E_SHAPE, "%s has no elements along the reduced axes", ae_call_describe(c, 0, text));
    }
    return 0;
}

/* The second output is the place of the extreme among the reduced axes. */
static int extreme_shape(ae_call *c)
{
    if (check_elements(c) != 0) {
        return -1;
    }
    ae_reduce_out(c, 0, c->in[0]->dtype);
    ae_reduce_out(c, 1, AE_I64);
    return 0;
}

static int extreme_forward(ae_call *c)
{
    const ae_reduce_attr *a = c->attr;
    ae_fold_kind kind = c->op == &ae_op_max ? AE_FOLD_MAX : AE_FOLD_MIN;
    return ae_fold(c->graph, kind, c->in[0], a->over, 1.0, c->out[0], c->out[1]);
}

/* The gradient at its place in zeros: (kept..., reduced as one axis), then the axes back to where they were. */
static void extreme_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    const ae_reduce_attr *a = c->attr;
    const ae_tensor *x = c->in[0];
    int order[AE_MAX_DIMS], back[AE_MAX_DIMS];
    int64_t shape[AE_MAX_DIMS], flat[AE_MAX_DIMS + 1];
    int kept = ae_reduce_order(x, a, order);
    if (kept == x->ndim) {
        gin[0] = gout[0]; /* nothing was reduced */
        return;
    }
    for (int i = 0; i < x->ndim; i++) {
        back[order[i]] = i;
        shape[i] = x->shape[order[i]];
        flat[i] = shape[i];
    }
    flat[kept] = 1;
    ae_tensor *grad = ae_reshape(c->graph, gout[0], kept + 1, flat);
    ae_tensor *ids = ae_reshape(c->graph, c->out[1], kept + 1, flat);
    flat[kept] = ae_reduce_elements(x, a);
    ae_tensor *placed = ae_scatter_zeros(c->graph, grad, ids, kept, flat, kept + 1);
    gin[0] = ae_permute(c->graph, ae_reshape(c->graph, placed, x->ndim, shape), back);
}

static void extreme_sample(ae_sample *s, ae_tensor *(*op)(ae_graph *, ae_tensor *, int, const int *, bool))
{
    static const char *const shapes[] = {"2,3,4", "2,3,4", "5", "6,300", "2,30,70"};
    static const int axes[][2] = {{1}, {2, 0}, {0}, {1}, {1}};
    int v = s->variant;
    /* The large ones are not compared with differences: equal values may occur, and are the same in every dtype. */
    ae_tensor *x = v < 3 ? ae_sample_distinct(s, shapes[v]) : ae_sample_in(s, shapes[v], -2, 2);
    s->out[0] = op(s->graph, x, v == 1 ? 2 : 1, axes[v], v == 1);
}

static void max_sample(ae_sample *s)
{
    extreme_sample(s, ae_max);
}

static void min_sample(ae_sample *s)
{
    extreme_sample(s, ae_min);
}

const ae_op ae_op_max = {
    .name = "max",
    .formula = "the largest of x over axes; the gradient goes to the first",
    .min_in = 1,
    .max_in = 1,
    .n_out = 2,
    .needs = {AE_OUT(1)},
    .shape = extreme_shape,
    .forward = extreme_forward,
    .vjp = extreme_vjp,
    .sample = max_sample,
    .samples = 3,
    .big_samples = 2,
};

const ae_op ae_op_min = {
    .name = "min",
    .formula = "the smallest of x over axes; the gradient goes to the first",
    .min_in = 1,
    .max_in = 1,
    .n_out = 2,
    .needs = {AE_OUT(1)},
    .shape = extreme_shape,
    .forward = extreme_forward,
    .vjp = extreme_vjp,
    .sample = min_sample,
    .samples = 3,
    .big_samples = 2,
};

ae_tensor *ae_max(ae_graph *g, ae_tensor *x, int n, const int *axes, bool keepdim)
{
    return ae_reduce_apply(g, &ae_op_max, x, n, axes, keepdim);
}

ae_tensor *ae_min(ae_graph *g, ae_tensor *x, int n, const int *axes, bool keepdim)
{
    return ae_reduce_apply(g, &ae_op_min, x, n, axes, keepdim);
}

/* ---- argmax, argmin ------------------------------------------------------------------------------------------------ */

static int place_shape(ae_call *c)
{
    if (check_elements(c) != 0) {
        return -1;
    }
    ae_reduce_out(c, 0, AE_I64);
    return 0;
}

static int place_forward(ae_call *c)
{
    const ae_reduce_attr *a = c->attr;
    ae_fold_kind kind = c->op == &ae_op_argmax ? AE_FOLD_MAX : AE_FOLD_MIN;
    return ae_fold(c->graph, kind, c->in[0], a->over, 1.0, NULL, c->out[0]);
}

static void argmax_sample(ae_sample *s)
{
    s->out[0] = ae_argmax(s->graph, ae_sample_distinct(s, "2,3,4"), s->variant, false);
}

static void argmin_sample(ae_sample *s)
{
    s->out[0] = ae_argmin(s->graph, ae_sample_distinct(s, "2,3,4"), s->variant, true);
}

const ae_op ae_op_argmax = {
    .name = "argmax",
    .formula = "the place of the first largest of x along an axis",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .shape = place_shape,
    .forward = place_forward,
    .no_vjp = "a place is an integer",
    .sample = argmax_sample,
    .samples = 3,
};

const ae_op ae_op_argmin = {
    .name = "argmin",
    .formula = "the place of the first smallest of x along an axis",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .shape = place_shape,
    .forward = place_forward,
    .no_vjp = "a place is an integer",
    .sample = argmin_sample,
    .samples = 3,
};

ae_tensor *ae_argmax(ae_graph *g, ae_tensor *x, int axis, bool keepdim)
{
    return ae_reduce_apply(g, &ae_op_argmax, x, 1, &axis, keepdim);
}

ae_tensor *ae_argmin(ae_graph *g, ae_tensor *x, int axis, bool keepdim)
{
    return ae_reduce_apply(g, &ae_op_argmin, x, 1, &axis, keepdim);
}

/* ---- any, all ------------------------------------------------------------------------------------------------------ */

static int truth_shape(ae_call *c)
{
    ae_reduce_out(c, 0, AE_BOOL);
    return 0;
}

static int truth_forward(ae_call *c)
{
    const ae_reduce_attr *a = c->attr;
    ae_fold_kind kind = c->op == &ae_op_any ? AE_FOLD_ANY : AE_FOLD_ALL;
    return ae_fold(c->graph, kind, c->in[0], a->over, 1.0, c->out[0], NULL);
}

static void any_sample(ae_sample *s)
{
    s->out[0] = ae_any(s->graph, ae_sample_mask(s, "2,3"), 1, (int[]){s->variant}, false);
}

static void all_sample(ae_sample *s)
{
    s->out[0] = ae_all(s->graph, ae_sample_mask(s, "2,3"), 1, (int[]){s->variant}, false);
}

const ae_op ae_op_any = {
    .name = "any",
    .formula = "whether any x over axes is not 0",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .shape = truth_shape,
    .forward = truth_forward,
    .no_vjp = "the result is bool",
    .sample = any_sample,
    .samples = 2,
};

const ae_op ae_op_all = {
    .name = "all",
    .formula = "whether every x over axes is not 0",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .shape = truth_shape,
    .forward = truth_forward,
    .no_vjp = "the result is bool",
    .sample = all_sample,
    .samples = 2,
};

ae_tensor *ae_any(ae_graph *g, ae_tensor *x, int n, const int *axes, bool keepdim)
{
    return ae_reduce_apply(g, &ae_op_any, x, n, axes, keepdim);
}

ae_tensor *ae_all(ae_graph *g, ae_tensor *x, int n, const int *axes, bool keepdim)
{
    return ae_reduce_apply(g, &ae_op_all, x, n, axes, keepdim);
}
