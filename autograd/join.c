/* Tensors put together and taken apart along an axis. */
#include "autograd/copy.h"
#include "autograd/ops.h"
#include "autograd/tape.h"

#include <string.h>

/* ---- split --------------------------------------------------------------------------------------------------------- */

/* A row of the list has a fixed number of outputs: unused ones are views of no element, more pieces are split again. */
typedef struct split_attr {
    int axis;
    int64_t size[AE_MAX_OUT];
} split_attr;

static int split_forward(ae_call *c)
{
    const split_attr *a = c->attr;
    const ae_tensor *x = c->in[0];
    int64_t shape[AE_MAX_DIMS], at = 0;
    memcpy(shape, x->shape, sizeof shape);
    for (int i = 0; i < AE_MAX_OUT; i++) {
        shape[a->axis] = a->size[i];
        c->out[i] = ae_view(c->graph, x, x->ndim, shape, x->strides, a->size[i] ? at * x->strides[a->axis] : 0);
        at += a->size[i];
    }
    return 0;
}

static void split_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    const split_attr *a = c->attr;
    ae_tensor *pieces[AE_MAX_OUT];
    int n = 0;
    for (int i = 0; i < AE_MAX_OUT; i++) {
        const ae_tensor *y = c->out[i];
        if (gout[i]) {
            pieces[n++] = gout[i];
        } else if (a->size[i]) {
            pieces[n++] = ae_zeros(c->graph, y->dtype, y->ndim, y->shape);
        }
    }
    gin[0] = ae_concat(c->graph, pieces, n, a->axis);
}

static void split_sample(ae_sample *s)
{
    static const int64_t sizes[3][2] = {{1, 3}, {2, 2}, {4, 0}};
    ae_tensor *x = ae_sample_in(s, "4,6", -2, 2);
    ae_tensor *out[6];
    if (s->variant == 3) { /* six pieces, of which some go unused */
        ae_split(s->graph, x, 1, 6, NULL, out);
        s->out[0] = out[0];
        s->out[1] = out[4];
    } else {
        ae_split(s->graph, x, 0, 2, sizes[s->variant], s->out);
    }
}

const ae_op ae_op_split = {
    .name = "split",
    .formula = "consecutive pieces of x along an axis",
    .min_in = 1,
    .max_in = 1,
    .n_out = AE_MAX_OUT,
    .flags = AE_OP_VIEW,
    .forward = split_forward,
    .vjp = split_vjp,
    .sample = split_sample,
    .samples = 4,
};

/* Up to four pieces at once, each of which is split again when it stands for several. */
static int split_group(ae_graph *g, ae_tensor *x, int axis, int n, const int64_t *sizes, int64_t equal, ae_tensor **out)
{
    ae_tensor *part[AE_MAX_OUT];
    split_attr a = {.axis = axis};
    int per = (n + AE_MAX_OUT - 1) / AE_MAX_OUT;
    for (int i = 0; i < n; i++) {
        a.size[i / per] += sizes ? sizes[i] : equal;
    }
    int status = ae_apply_n(g, &ae_op_split, &x, 1, &a, sizeof a, part);
    for (int i = 0; i < n && status == 0; i += per) {
        int count = n - i < per ? n - i : per;
        if (per == 1) {
            out[i] = part[i];
        } else {
            status = split_group(g, part[i / per], axis, count, sizes ? sizes + i : NULL, equal, out + i);
        }
    }
    return status;
}

static int check_split(ae_graph *g, const ae_tensor *x, int axis, int n, const int64_t *sizes)
{
    char text[AE_SHAPE_TEXT_MAX];
    int k = ae_axis(axis, x->ndim);
    if (k < 0 || n < 1) {
        ae_fail(g, AE_E_VALUE, "split: %d pieces along axis %d of a tensor with %d axes", n, axis, x->ndim);
        return -1;
    }
    if (!sizes && x->shape[k] % n == 0) {
        return k;
    }
    int64_t sum = 0;
    bool outside = false;
    for (int i = 0; sizes && i < n && !outside; i++) {
        outside = sizes[i] < 0 || sizes[i] > x->shape[k];
        sum += sizes[i];
    }
    if (!sizes) {
        ae_fail(g, AE_E_SHAPE, "split: axis %d of %s has no %d equal parts", axis,
                ae_shape_text(x->ndim, x->shape, text), n);
    } else if (outside || sum != x->shape[k]) {
        ae_fail(g, AE_E_SHAPE, "split: the %d sizes do not add up to axis %d of %s%s", n, axis,
                ae_shape_text(x->ndim, x->shape, text), outside ? "; one is negative or too large" : "");
    }
    return ae_ok(g) ? k : -1;
}

int ae_split(ae_graph *g, ae_tensor *x, int axis, int n, const int64_t *sizes, ae_tensor **out)
{
    int k = ae_ok(g) ? check_split(g, x, axis, n, sizes) : -1;
    if (k >= 0) {
        split_group(g, x, k, n, sizes, x->shape[k] / n, out);
    }
    for (int i = 0; i < n && !ae_ok(g); i++) {
        out[i] = ae_bad(g);
    }
    return ae_ok(g) ? 0 : -1;
}

/* ---- concat, stack ------------------------------------------------------------------------------------------------- */

static int concat_shape(ae_call *c)
{
    char a_text[AE_DESCRIBE_MAX], b_text[AE_DESCRIBE_MAX];
    int axis = *(const int *)c->attr;
    const ae_tensor *first = c->in[0];
    int64_t shape[AE_MAX_DIMS];
    memcpy(shape, first->shape, sizeof shape);
    for (int i = 1; i < c->n_in; i++) {
        const ae_tensor *x = c->in[i];
        bool fits = x->ndim == first->ndim;
        for (int k = 0; k < first->ndim && fits; k++) {
            fits = k == axis || x->shape[k] == first->shape[k];
        }
        if (!fits) {
            return ae_call_fail(c, AE_E_SHAPE, "%s and %s differ outside of axis %d", ae_call_describe(c, 0, a_text),
                                ae_call_describe(c, i, b_text), axis);
        }
        if (x->dtype != first->dtype) {
            return ae_call_fail(c, AE_E_DTYPE, "%s is %s and %s is %s; cast one of them",
                                ae_call_describe(c, 0, a_text), ae_dtype_name(first->dtype),
                                ae_call_describe(c, i, b_text), ae_dtype_name(x->dtype));
        }
        shape[axis] += x->shape[axis];
    }
    ae_call_out(c, 0, first->dtype, first->ndim, shape);
    return 0;
}

static int concat_forward(ae_call *c)
{
    int axis = *(const int *)c->attr;
    const ae_tensor *y = c->out[0];
    size_t size = ae_dtype_size(y->dtype);
    char *to = y->data;
    for (int i = 0; i < c->n_in; i++) {
        const ae_tensor *x = c->in[i];
        ae_copy_strided(size, x->ndim, x->shape, to, y->strides, x->data, x->strides);
        to += (size_t)(x->shape[axis] * y->strides[axis]) * size;
    }
    return 0;
}

static void concat_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    int axis = *(const int *)c->attr;
    int64_t at = 0;
    for (int i = 0; i < c->n_in; i++) {
        int64_t n = c->in[i]->shape[axis];
        if (c->need[i]) {
            gin[i] = ae_slice(c->graph, gout[0], axis, at, at + n, 1);
        }
        at += n;
    }
}

static void concat_sample(ae_sample *s)
{
    static const char *const shapes[][3] = {{"2,3", "1,3", "4,3"}, {"2,1,3", "2,4,3", "2,2,3"}, {"2,2", "2,0", "2,1"}};
    static const int axes[] = {0, 1, -1};
    ae_tensor *xs[3];
    for (int i = 0; i < 3; i++) {
        xs[i] = ae_sample_in(s, shapes[s->variant][i], -2, 2);
    }
    s->out[0] = ae_concat(s->graph, xs, 3, axes[s->variant]);
}

const ae_op ae_op_concat = {
    .name = "concat",
    .formula = "x_1, x_2, ... one after the other along an axis",
    .min_in = 1,
    .max_in = -1,
    .n_out = 1,
    .shape = concat_shape,
    .forward = concat_forward,
    .vjp = concat_vjp,
    .sample = concat_sample,
    .samples = 3,
};

/* The widest float among the inputs; AE_DTYPE_COUNT when they are of one dtype, or not all floats. */
static ae_dtype promoted(ae_tensor *const *xs, int n)
{
    ae_dtype widest = xs[0]->dtype;
    bool mixed = false;
    for (int i = 0; i < n; i++) {
        ae_dtype dtype = xs[i]->dtype;
        if (!ae_dtype_is_float(dtype)) {
            return AE_DTYPE_COUNT;
        }
        mixed = mixed || dtype != xs[0]->dtype;
        if (ae_dtype_size(dtype) > ae_dtype_size(widest)) {
            widest = dtype;
        } else if (ae_dtype_size(dtype) == ae_dtype_size(widest) && dtype != widest) {
            widest = AE_F32; /* bf16 and f16 */
        }
    }
    return mixed ? widest : AE_DTYPE_COUNT;
}

ae_tensor *ae_concat(ae_graph *g, ae_tensor *const *xs, int n, int axis)
{
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    int k = n > 0 && xs[0] ? ae_axis(axis, xs[0]->ndim) : 0;
    if (n < 1 || k < 0) {
        return ae_fail(g, AE_E_VALUE, "concat: %d tensors along axis %d; there must be one, and it must have that axis",
                       n, axis);
    }
    ae_dtype dtype = promoted(xs, n);
    if (dtype == AE_DTYPE_COUNT) {
        return ae_apply(g, &ae_op_concat, xs, n, &k, sizeof k);
    }
    ae_tensor **cast = ae_arena(g, (size_t)n * sizeof *cast);
    ae_frame f = ae_frame_open(g);
    for (int i = 0; i < n && cast; i++) {
        cast[i] = ae_cast(g, xs[i], dtype);
    }
    return ae_frame_return(f, cast ? ae_apply(g, &ae_op_concat, cast, n, &k, sizeof k) : ae_bad(g));
}

ae_tensor *ae_stack(ae_graph *g, ae_tensor *const *xs, int n, int axis)
{
    char a_text[AE_SHAPE_TEXT_MAX], b_text[AE_SHAPE_TEXT_MAX];
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    int k = n > 0 ? ae_axis(axis, xs[0]->ndim + 1) : -1;
    ae_tensor **wide = k >= 0 ? ae_arena(g, (size_t)n * sizeof *wide) : NULL;
    if (!wide) {
        return ae_fail(g, AE_E_VALUE, "stack: %d tensors along a new axis %d", n, axis);
    }
    ae_frame f = ae_frame_open(g);
    for (int i = 0; i < n && ae_ok(g); i++) {
        if (!ae_same_shape(xs[i], xs[0])) {
            ae_fail(g, AE_E_SHAPE, "stack: input %d is %s, the first one is %s; all must be equal", i,
                    ae_shape_text(xs[i]->ndim, xs[i]->shape, a_text), ae_shape_text(xs[0]->ndim, xs[0]->shape, b_text));
        }
        wide[i] = ae_unsqueeze(g, xs[i], k);
    }
    return ae_frame_return(f, ae_concat(g, wide, n, k));
}

/* ---- pad ----------------------------------------------------------------------------------------------------------- */

typedef struct pad_attr {
    int64_t before[AE_MAX_DIMS];
    int64_t after[AE_MAX_DIMS];
    double value;
} pad_attr;

static int pad_shape(ae_call *c)
{
    const pad_attr *a = c->attr;
    const ae_tensor *x = c->in[0];
    int64_t shape[AE_MAX_DIMS];
    for (int i = 0; i < x->ndim; i++) {
        if (a->before[i] < 0 || a->after[i] < 0 || __builtin_add_overflow(x->shape[i], a->before[i], &shape[i]) ||
            __builtin_add_overflow(shape[i], a->after[i], &shape[i])) {
            return ae_call_fail(c, AE_E_VALUE, "%lld and %lld elements around axis %d; use slice to take some away",
                                (long long)a->before[i], (long long)a->after[i], i);
        }
    }
    ae_call_out(c, 0, x->dtype, x->ndim, shape);
    return 0;
}

static int pad_forward(ae_call *c)
{
    const pad_attr *a = c->attr;
    const ae_tensor *x = c->in[0], *y = c->out[0];
    ae_tensor *value = ae_full(c->graph, x->dtype, 0, NULL, a->value);
    if (!ae_ok(c->graph)) {
        return -1;
    }
    const int64_t none[AE_MAX_DIMS] = {0};
    size_t size = ae_dtype_size(x->dtype);
    int64_t offset = 0;
    for (int i = 0; i < x->ndim; i++) {
        offset += a->before[i] * y->strides[i];
    }
    ae_copy_strided(size, y->ndim, y->shape, y->data, y->strides, value->data, none);
    ae_copy_strided(size, x->ndim, x->shape, (char *)y->data + offset * (int64_t)size, y->strides, x->data, x->strides);
    return 0;
}

static void pad_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    const pad_attr *a = c->attr;
    gin[0] = gout[0];
    for (int i = 0; i < c->in[0]->ndim; i++) {
        if (a->before[i] || a->after[i]) {
            gin[0] = ae_slice(c->graph, gin[0], i, a->before[i], a->before[i] + c->in[0]->shape[i], 1);
        }
    }
}

static void pad_sample(ae_sample *s)
{
    ae_tensor *x = ae_sample_in(s, "2,3", -2, 2);
    s->out[0] = s->variant ? ae_pad(s->graph, x, (int64_t[]){0, 2}, (int64_t[]){0, 0}, -1.5)
                           : ae_pad(s->graph, x, (int64_t[]){1, 0}, (int64_t[]){2, 3}, 0);
}

const ae_op ae_op_pad = {
    .name = "pad",
    .formula = "x with a value around it",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .shape = pad_shape,
    .forward = pad_forward,
    .vjp = pad_vjp,
    .sample = pad_sample,
    .samples = 2,
};

ae_tensor *ae_pad(ae_graph *g, ae_tensor *x, const int64_t *before, const int64_t *after, double value)
{
    pad_attr a = {.value = value};
    if (ae_ok(g) && x) {
        memcpy(a.before, before, (size_t)x->ndim * sizeof *before);
        memcpy(a.after, after, (size_t)x->ndim * sizeof *after);
    }
    return ae_apply(g, &ae_op_pad, &x, 1, &a, sizeof a);
}

/* ---- roll ---------------------------------------------------------------------------------------------------------- */

ae_tensor *ae_roll(ae_graph *g, ae_tensor *x, int64_t shift, int axis)
{
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    int k = ae_axis(axis, x->ndim);
    if (k < 0) {
        return ae_fail(g, AE_E_VALUE, "roll: axis %d of a tensor with %d axes", axis, x->ndim);
    }
    int64_t n = x->shape[k], by = n ? (shift % n + n) % n : 0;
    if (by == 0) {
        return x;
    }
    ae_tensor *part[2];
    ae_frame f = ae_frame_open(g);
    ae_split(g, x, k, 2, (int64_t[]){n - by, by}, part);
    return ae_frame_return(f, ae_concat(g, (ae_tensor *[]){part[1], part[0]}, 2, k));
}
