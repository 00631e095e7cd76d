#include "autograd/shape.h"
#include "autograd/ops.h"
#include "autograd/tape.h"
#include "tensor/kernels.h"

#include <string.h>

int ae_axis(int axis, int ndim)
{
    int a = axis < 0 ? axis + ndim : axis;
    return a >= 0 && a < ndim ? a : -1;
}

/* ---- contiguous ---------------------------------------------------------------------------------------------------- */

static int contiguous_shape(ae_call *c)
{
    ae_call_out_like(c, 0, c->in[0]);
    return 0;
}

static int contiguous_forward(ae_call *c)
{
    ae_copy_values(c->out[0], c->in[0]);
    return 0;
}

static void contiguous_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    (void)c;
    gin[0] = gout[0];
}

static void contiguous_sample(ae_sample *s)
{
    s->out[0] = ae_contiguous(s->graph, ae_transpose(s->graph, ae_sample_in(s, "3,4", -2, 2), 0, 1));
}

const ae_op ae_op_contiguous = {
    .name = "contiguous",
    .formula = "x, densely stored",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .shape = contiguous_shape,
    .forward = contiguous_forward,
    .vjp = contiguous_vjp,
    .sample = contiguous_sample,
    .samples = 1,
};

ae_tensor *ae_contiguous(ae_graph *g, ae_tensor *x)
{
    return ae_ok(g) && x && x->data && ae_is_contiguous(x) ? x : ae_apply(g, &ae_op_contiguous, &x, 1, NULL, 0);
}

/* ---- reshape ------------------------------------------------------------------------------------------------------- */

typedef struct shape_attr {
    int ndim;
    int64_t shape[AE_MAX_DIMS];
} shape_attr;

/* Strides under which the elements of x, in order, have another shape; false when only a copy can have it. */
static bool view_strides(const ae_tensor *x, int ndim, const int64_t *shape, int64_t *strides)
{
    ae_shape_strides(ndim, shape, strides);
    if (ae_is_contiguous(x)) {
        return true;
    }
    int64_t count[AE_MAX_DIMS], step[AE_MAX_DIMS]; /* stretches of axes that are walked as one */
    int n = 0, i = ndim - 1;
    for (int k = 0; k < x->ndim; k++) {
        if (x->shape[k] == 1) {
            continue;
        }
        if (n > 0 && step[n - 1] == x->shape[k] * x->strides[k]) {
            count[n - 1] *= x->shape[k];
        } else {
            count[n++] = x->shape[k];
        }
        step[n - 1] = x->strides[k];
    }
    /* The new axes, the last one first, must fill each stretch exactly. */
    for (n--; n >= 0; n--) {
        int64_t taken = 1;
        for (; i >= 0 && taken * shape[i] <= count[n]; i--) {
            strides[i] = step[n] * taken;
            taken *= shape[i];
        }
        if (taken != count[n]) {
            return false;
        }
    }
    return true;
}

static int reshape_forward(ae_call *c)
{
    const shape_attr *a = c->attr;
    int64_t strides[AE_MAX_DIMS];
    if (!view_strides(c->in[0], a->ndim, a->shape, strides)) {
        return ae_call_fail(c, AE_E_STATE, "the strides allow no view");
    }
    c->out[0] = ae_view(c->graph, c->in[0], a->ndim, a->shape, strides, 0);
    return 0;
}

static void reshape_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    gin[0] = ae_reshape(c->graph, gout[0], c->in[0]->ndim, c->in[0]->shape);
}

static void reshape_sample(ae_sample *s)
{
    static const char *const shapes[] = {"3,4", "3,4", "4,3,2"};
    ae_tensor *x = ae_sample_in(s, shapes[s->variant], -2, 2);
    if (s->variant == 2) { /* a view through strides that are not dense: the middle axis stays apart */
        ae_tensor *y = ae_slice(s->graph, x, 1, 0, 2, 1);
        s->out[0] = ae_reshape(s->graph, y, 5, (int64_t[]){2, 2, 1, 4, 1});
    } else {
        s->out[0] = s->variant ? ae_reshape(s->graph, x, 3, (int64_t[]){2, -1, 3})
                               : ae_reshape(s->graph, x, 1, (int64_t[]){12});
    }
}

const ae_op ae_op_reshape = {
    .name = "reshape",
    .formula = "the elements of x, in order, under another shape",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .flags = AE_OP_VIEW,
    .forward = reshape_forward,
    .vjp = reshape_vjp,
    .sample = reshape_sample,
    .samples = 3,
};

/* Fills in an extent of -1; returns -1 when the counts do not fit. */
static int complete_shape(int64_t n, shape_attr *a)
{
    int64_t known = 1;
    int open = -1;
    for (int i = 0; i < a->ndim; i++) {
        if (a->shape[i] == -1 && open < 0) {
            open = i;
        } else if (a->shape[i] < 0 || __builtin_mul_overflow(known, a->shape[i], &known)) {
            return -1;
        }
    }
    if (open >= 0) {
        if (known == 0 || n % known != 0) {
            return -1;
        }
        a->shape[open] = n / known;
        return 0;
    }
    return known == n ? 0 : -1;
}

ae_tensor *ae_reshape(ae_graph *g, ae_tensor *x, int ndim, const int64_t *shape)
{
    char from[AE_SHAPE_TEXT_MAX], to[AE_SHAPE_TEXT_MAX];
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    shape_attr a = {.ndim = ndim};
    if (ndim < 0 || ndim > AE_MAX_DIMS) {
        return ae_fail(g, AE_E_SHAPE, "reshape: a rank of %d; at most %d axes are possible", ndim, AE_MAX_DIMS);
    }
    if (ndim) {
        memcpy(a.shape, shape, (size_t)ndim * sizeof *shape);
    }
    if (!x->data || complete_shape(ae_numel(x), &a) == 0) {
        int64_t strides[AE_MAX_DIMS];
        if (!x->data || view_strides(x, ndim, a.shape, strides)) {
            return ae_apply(g, &ae_op_reshape, &x, 1, &a, sizeof a);
        }
        ae_frame f = ae_frame_open(g);
        ae_tensor *dense = ae_contiguous(g, x);
        return ae_frame_return(f, ae_apply(g, &ae_op_reshape, &dense, 1, &a, sizeof a));
    }
    return ae_fail(g, AE_E_SHAPE, "reshape: %s has %lld elements and cannot become %s",
                   ae_shape_text(x->ndim, x->shape, from), (long long)ae_numel(x), ae_shape_text(ndim, shape, to));
}

ae_tensor *ae_unsqueeze(ae_graph *g, ae_tensor *x, int axis)
{
    int64_t shape[AE_MAX_DIMS + 1];
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    int k = ae_axis(axis, x->ndim + 1);
    if (k < 0 || x->ndim == AE_MAX_DIMS) {
        return ae_fail(g, AE_E_VALUE, "unsqueeze: no new axis %d for a tensor with %d axes; at most %d are possible",
                       axis, x->ndim, AE_MAX_DIMS);
    }
    memcpy(shape, x->shape, (size_t)k * sizeof *shape);
    shape[k] = 1;
    memcpy(shape + k + 1, x->shape + k, (size_t)(x->ndim - k) * sizeof *shape);
    return ae_reshape(g, x, x->ndim + 1, shape);
}

ae_tensor *ae_squeeze(ae_graph *g, ae_tensor *x, int axis)
{
    char text[AE_SHAPE_TEXT_MAX];
    int64_t shape[AE_MAX_DIMS];
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    int k = ae_axis(axis, x->ndim);
    if (k < 0 || x->shape[k] != 1) {
        return ae_fail(g, AE_E_SHAPE, "squeeze: axis %d of %s is no axis of extent 1", axis,
                       ae_shape_text(x->ndim, x->shape, text));
    }
    memcpy(shape, x->shape, (size_t)k * sizeof *shape);
    memcpy(shape + k, x->shape + k + 1, (size_t)(x->ndim - k - 1) * sizeof *shape);
    return ae_reshape(g, x, x->ndim - 1, shape);
}

ae_tensor *ae_flatten(ae_graph *g, ae_tensor *x, int first, int last)
{
    int64_t shape[AE_MAX_DIMS], n = 1;
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    int from = ae_axis(first, x->ndim), to = ae_axis(last, x->ndim);
    if (from < 0 || to < from) {
        return ae_fail(g, AE_E_VALUE, "flatten: axes %d to %d of a tensor with %d axes", first, last, x->ndim);
    }
    for (int i = from; i <= to; i++) {
        n *= x->shape[i];
    }
    memcpy(shape, x->shape, (size_t)from * sizeof *shape);
    shape[from] = n;
    memcpy(shape + from + 1, x->shape + to + 1, (size_t)(x->ndim - to - 1) * sizeof *shape);
    return ae_reshape(g, x, x->ndim - (to - from), shape);
}

/* ---- permute ------------------------------------------------------------------------------------------------------- */

typedef struct permute_attr {
    int axes[AE_MAX_DIMS];
} permute_attr;

static int permute_forward(ae_call *c)
{
    permute_attr *a = c->attr;
    const ae_tensor *x = c->in[0];
    int64_t shape[AE_MAX_DIMS], strides[AE_MAX_DIMS];
    bool seen[AE_MAX_DIMS] = {false};
    for (int i = 0; i < x->ndim; i++) {
        int axis = ae_axis(a->axes[i], x->ndim);
        if (axis < 0 || seen[axis]) {
            return ae_call_fail(c, AE_E_VALUE, "axis %d is outside of, or twice in, a permutation of %d axes",
                                a->axes[i], x->ndim);
        }
        seen[axis] = true;
        a->axes[i] = axis;
        shape[i] = x->shape[axis];
        strides[i] = x->strides[axis];
    }
    c->out[0] = ae_view(c->graph, x, x->ndim, shape, strides, 0);
    return 0;
}

static void permute_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    const permute_attr *a = c->attr;
    int inverse[AE_MAX_DIMS];
    for (int i = 0; i < c->in[0]->ndim; i++) {
        inverse[a->axes[i]] = i;
    }
    gin[0] = ae_permute(c->graph, gout[0], inverse);
}

static void permute_sample(ae_sample *s)
{
    s->out[0] = ae_permute(s->graph, ae_sample_in(s, "2,3,4", -2, 2), (int[]){2, 0, 1});
}

const ae_op ae_op_permute = {
    .name = "permute",
    .formula = "x with its axes in another order",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .flags = AE_OP_VIEW,
    .forward = permute_forward,
    .vjp = permute_vjp,
    .sample = permute_sample,
    .samples = 1,
};

ae_tensor *ae_permute(ae_graph *g, ae_tensor *x, const int *axes)
{
    permute_attr a = {{0}};
    if (ae_ok(g)) {
        memcpy(a.axes, axes, (size_t)x->ndim * sizeof *axes);
    }
    return ae_apply(g, &ae_op_permute, &x, 1, &a, sizeof a);
}

ae_tensor *ae_transpose(ae_graph *g, ae_tensor *x, int a, int b)
{
    int axes[AE_MAX_DIMS];
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    int i = ae_axis(a, x->ndim), j = ae_axis(b, x->ndim);
    if (i < 0 || j < 0) {
        return ae_fail(g, AE_E_VALUE, "transpose: axes %d and %d; the tensor has %d", a, b, x->ndim);
    }
    for (int k = 0; k < x->ndim; k++) {
        axes[k] = k == i ? j : k == j ? i : k;
    }
    return ae_permute(g, x, axes);
}

/* ---- expand -------------------------------------------------------------------------------------------------------- */

static int expand_forward(ae_call *c)
{
    char from[AE_DESCRIBE_MAX], to[AE_SHAPE_TEXT_MAX];
    const shape_attr *a = c->attr;
    c->out[0] = ae_broadcast_view(c->graph, c->in[0], a->ndim, a->shape);
    if (!c->out[0]) {
        return ae_call_fail(c, AE_E_SHAPE, "%s does not broadcast to %s", ae_call_describe(c, 0, from),
                            ae_shape_text(a->ndim, a->shape, to));
    }
    return 0;
}

/* The engine sums the gradient over the expanded axes. */
static void expand_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    (void)c;
    gin[0] = gout[0];
}

static void expand_sample(ae_sample *s)
{
    s->out[0] = ae_expand(s->graph, ae_sample_in(s, "3,1", -2, 2), 3, (int64_t[]){2, 3, 4});
}

const ae_op ae_op_expand = {
    .name = "expand",
    .formula = "x repeated along axes of extent 1",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .flags = AE_OP_VIEW,
    .forward = expand_forward,
    .vjp = expand_vjp,
    .sample = expand_sample,
    .samples = 1,
};

ae_tensor *ae_expand(ae_graph *g, ae_tensor *x, int ndim, const int64_t *shape)
{
    shape_attr a = {.ndim = ndim};
    if (ae_ok(g) && ae_shape_numel(ndim, shape) < 0) {
        return ae_fail(g, AE_E_SHAPE, "expand: a negative extent, or more than %d axes", AE_MAX_DIMS);
    }
    if (ae_ok(g) && ndim) {
        memcpy(a.shape, shape, (size_t)ndim * sizeof *shape);
    }
    return ae_apply(g, &ae_op_expand, &x, 1, &a, sizeof a);
}

/* ---- slice, and its transpose -------------------------------------------------------------------------------------- */

typedef struct slice_attr {
    int axis;
    int64_t start, step, count;
    int64_t extent; /* of the axis before slicing */
} slice_attr;

static ae_tensor *slice_view(ae_graph *g, const ae_tensor *x, const slice_attr *a)
{
    int64_t shape[AE_MAX_DIMS], strides[AE_MAX_DIMS];
    memcpy(shape, x->shape, sizeof shape);
    memcpy(strides, x->strides, sizeof strides);
    shape[a->axis] = a->count;
    strides[a->axis] *= a->step;
    return ae_view(g, x, x->ndim, shape, strides, a->count ? a->start * x->strides[a->axis] : 0);
}

static int slice_forward(ae_call *c)
{
    c->out[0] = slice_view(c->graph, c->in[0], c->attr);
    return 0;
}

/* sum[start:stop] += dy, both dense f32: one stretch of memory for each index over the axes before. */
static void add_stretches(const slice_attr *a, ae_tensor *sum, const ae_tensor *dy)
{
    const int64_t inner = ae_shape_numel(sum->ndim - a->axis - 1, sum->shape + a->axis + 1), n = a->count * inner;
    const int64_t outer = ae_shape_numel(a->axis, sum->shape);
    const ae_kernels *k = ae_kernels_get();
    float *to = (float *)sum->data + a->start * inner;
    const float *from = dy->data;
#pragma omp parallel for schedule(static) if (outer * n > 32768)
    for (int64_t o = 0; o < outer; o++) {
        k->add(to + o * a->extent * inner, from + o * n, to + o * a->extent * inner, n);
    }
}

static void slice_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    const slice_attr *a = c->attr;
    ae_tensor *in = gout[0], *sum = ae_call_sum(c, 0);
    if (sum && sum->dtype == AE_F32 && a->step == 1 && a->count > 0) { /* the zeros around dy need no adding */
        add_stretches(a, sum, ae_dense(c->graph, in));
        gin[0] = sum;
        return;
    }
    gin[0] = ae_apply(c->graph, &ae_op_unslice, &in, 1, c->attr, sizeof(slice_attr));
}

static void slice_sample(ae_sample *s)
{
    ae_tensor *x = ae_sample_in(s, "4,5", -2, 2);
    s->out[0] = s->variant ? ae_slice(s->graph, x, -1, 0, 5, 2) : ae_slice(s->graph, x, 0, 1, -1, 1);
}

const ae_op ae_op_slice = {
    .name = "slice",
    .formula = "x[start:stop:step] along an axis",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .flags = AE_OP_VIEW,
    .forward = slice_forward,
    .vjp = slice_vjp,
    .sample = slice_sample,
    .samples = 2,
};

ae_tensor *ae_slice(ae_graph *g, ae_tensor *x, int axis, int64_t start, int64_t stop, int64_t step)
{
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    int k = ae_axis(axis, x->ndim);
    if (k < 0 || step < 1) {
        return ae_fail(g, AE_E_VALUE, "slice: axis %d of %d, step %lld; the axis must exist and the step be positive",
                       axis, x->ndim, (long long)step);
    }
    int64_t n = x->shape[k];
    int64_t from = start < 0 ? start + n : start, to = stop < 0 ? stop + n : stop;
    from = from < 0 ? 0 : from > n ? n : from;
    to = to < from ? from : to > n ? n : to;
    slice_attr a = {k, from, step, (to - from + step - 1) / step, n};
    return ae_apply(g, &ae_op_slice, &x, 1, &a, sizeof a);
}

static int unslice_shape(ae_call *c)
{
    const slice_attr *a = c->attr;
    int64_t shape[AE_MAX_DIMS];
    memcpy(shape, c->in[0]->shape, sizeof shape);
    shape[a->axis] = a->extent;
    ae_call_out(c, 0, c->in[0]->dtype, c->in[0]->ndim, shape);
    return 0;
}

static int unslice_forward(ae_call *c)
{
    ae_tensor *y = c->out[0];
    memset(y->data, 0, (size_t)ae_numel(y) * ae_dtype_size(y->dtype));
    ae_tensor *part = slice_view(c->graph, y, c->attr);
    if (ae_ok(c->graph)) {
        ae_copy_values(part, c->in[0]);
    }
    return 0;
}

static void unslice_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_tensor *in = gout[0];
    gin[0] = ae_apply(c->graph, &ae_op_slice, &in, 1, c->attr, sizeof(slice_attr));
}

static void unslice_sample(ae_sample *s)
{
    slice_attr a = {1, 1, 2, 2, 6};
    ae_tensor *x = ae_sample_in(s, "3,2", -2, 2);
    s->out[0] = ae_apply(s->graph, &ae_op_unslice, &x, 1, &a, sizeof a);
}

const ae_op ae_op_unslice = {
    .name = "unslice",
    .formula = "zeros with y[start:stop:step] = x; the transpose of slice",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .shape = unslice_shape,
    .forward = unslice_forward,
    .vjp = unslice_vjp,
    .sample = unslice_sample,
    .samples = 1,
};
