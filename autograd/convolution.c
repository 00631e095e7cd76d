#include "autograd/convolution.h"
#include "autograd/column_sums.h"
#include "autograd/ops.h"
#include "autograd/weight_product.h"
#include "tensor/threads.h"

#include <string.h>

enum { X, WEIGHT, BIAS, INPUTS };

/* The op itself has the channels innermost on both sides: x (B,T,C), y (B,T',O). */
typedef struct conv_shape {
    int64_t batch, time, in, out, kernel, steps; /* steps: T' */
    int64_t stride, left, dilation, groups;
} conv_shape;

static conv_shape shape_of(const ae_call *c)
{
    const ae_conv1d_options *o = c->attr;
    const ae_tensor *x = c->in[X], *w = c->in[WEIGHT];
    conv_shape s = {.batch = x->shape[0], .time = x->shape[1], .in = x->shape[2], .out = w->shape[0]};
    s.kernel = w->shape[2];
    s.stride = o->stride;
    s.left = o->pad_left;
    s.dilation = o->dilation;
    s.groups = o->groups;
    int64_t room = s.time + o->pad_left + o->pad_right - s.dilation * (s.kernel - 1) - 1;
    s.steps = room < 0 ? 0 : room / s.stride + 1;
    return s;
}

static int conv1d_shape(ae_call *c)
{
    char a[AE_DESCRIBE_MAX], b[AE_DESCRIBE_MAX];
    const ae_conv1d_options *o = c->attr;
    const ae_tensor *x = c->in[X], *w = c->in[WEIGHT], *bias = c->in[BIAS];
    if (!ae_dtype_is_float(x->dtype) || x->dtype != w->dtype || (bias && bias->dtype != x->dtype)) {
        return ae_call_fail(c, AE_E_DTYPE, "x is %s, weight %s, bias %s; they must be of one float dtype",
                            ae_dtype_name(x->dtype), ae_dtype_name(w->dtype),
                            bias ? ae_dtype_name(bias->dtype) : "left out");
    }
    if (o->stride < 1 || o->dilation < 1 || o->groups < 1 || o->pad_left < 0 || o->pad_right < 0) {
        return ae_call_fail(c, AE_E_VALUE,
                            "stride %lld, dilation %lld, groups %lld must be positive, the padding %lld, %lld not "
                            "negative",
                            (long long)o->stride, (long long)o->dilation, (long long)o->groups, (long long)o->pad_left,
                            (long long)o->pad_right);
    }
    if (x->ndim != 3 || w->ndim != 3 || w->shape[2] < 1 || w->shape[1] * o->groups != x->shape[2] ||
        w->shape[0] % o->groups != 0) {
        return ae_call_fail(c, AE_E_SHAPE,
                            "x must be (batch, time, channels) and the weight (out, channels / %lld groups, kernel); "
                            "x is %s, the weight %s",
                            (long long)o->groups, ae_call_describe(c, X, a), ae_call_describe(c, WEIGHT, b));
    }
    if (bias && (bias->ndim != 1 || bias->shape[0] != w->shape[0])) {
        return ae_call_fail(c, AE_E_SHAPE, "the bias must have one element an output channel; it is %s, the weight %s",
                            ae_call_describe(c, BIAS, a), ae_call_describe(c, WEIGHT, b));
    }
    conv_shape s = shape_of(c);
    if (s.steps < 1) {
        return ae_call_fail(c, AE_E_SHAPE, "a kernel of %lld with dilation %lld does not fit into %lld padded steps",
                            (long long)s.kernel, (long long)s.dilation,
                            (long long)(s.time + o->pad_left + o->pad_right));
    }
    ae_call_out(c, 0, x->dtype, 3, (int64_t[]){s.batch, s.steps, s.out});
    return 0;
}

/* ---- the columns: what every output step sees, (B T', K C/groups), zeros where it looks past the ends -------------- */

static void gather_columns(const conv_shape *s, const float *x, int64_t group, float *columns)
{
    const int64_t part = s->in / s->groups;
#pragma omp parallel for schedule(static) if (s->batch * s->steps * s->kernel * part > 32768)
    for (int64_t row = 0; row < s->batch * s->steps; row++) {
        const int64_t b = row / s->steps, start = row % s->steps * s->stride - s->left;
        for (int64_t k = 0; k < s->kernel; k++) {
            const int64_t t = start + k * s->dilation;
            float *to = columns + (row * s->kernel + k) * part;
            if (t < 0 || t >= s->time) {
                memset(to, 0, (size_t)part * sizeof *to);
            } else {
                memcpy(to, x + (b * s->time + t) * s->in + group * part, (size_t)part * sizeof *to);
            }
        }
    }
}

/* The transpose: adds the columns' gradients back onto the steps they were copied from. */
static void scatter_columns(const conv_shape *s, const float *columns, int64_t group, float *dx)
{
    const int64_t part = s->in / s->groups;
#pragma omp parallel for schedule(static) if (s->batch * s->steps * s->kernel * part > 32768)
    for (int64_t b = 0; b < s->batch; b++) {
        for (int64_t i = 0; i < s->steps * s->kernel; i++) {
            const int64_t t = i / s->kernel * s->stride - s->left + i % s->kernel * s->dilation;
            const float *from = columns + (b * s->steps * s->kernel + i) * part;
            float *to = dx + (b * s->time + t) * s->in + group * part;
            for (int64_t j = 0; j < part && t >= 0 && t < s->time; j++) {
                to[j] += from[j];
            }
        }
    }
}

/* Weight rows of a group between (O,C,K) and the order of the columns, (O,K,C). */
static ae_tensor *weight_to_columns(ae_call *c, const conv_shape *s, int64_t group)
{
    const int64_t out = s->out / s->groups, part = s->in / s->groups;
    const ae_tensor *w = c->in[WEIGHT];
    ae_tensor *rows = ae_view(c->graph, w, 3, (int64_t[]){out, s->kernel, part},
                              (int64_t[]){w->strides[0], w->strides[2], w->strides[1]}, group * out * w->strides[0]);
    rows = ae_ok(c->graph) ? ae_dense(c->graph, rows) : rows;
    return ae_view(c->graph, rows, 2, (int64_t[]){out, s->kernel * part}, (int64_t[]){s->kernel * part, 1}, 0);
}

static void weight_from_columns(const conv_shape *s, const float *rows, int64_t group, float *dw)
{
    const int64_t out = s->out / s->groups, part = s->in / s->groups;
    for (int64_t o = 0; o < out; o++) {
        for (int64_t i = 0; i < s->kernel * part; i++) {
            dw[((group * out + o) * part + i % part) * s->kernel + i / part] = rows[o * s->kernel * part + i];
        }
    }
}

static float *matrix(ae_graph *g, int64_t rows, int64_t cols)
{
    ae_tensor *t = ae_empty(g, AE_F32, 2, (int64_t[]){rows, cols});
    return ae_ok(g) ? t->data : NULL;
}

/* Copies the columns [at, at + n) of wide (rows,width) out of it, or into it. */
static void copy_part(float *wide, int64_t width, int64_t at, float *narrow, int64_t n, int64_t rows, bool out)
{
    for (int64_t i = 0; i < rows; i++) {
        float *w = wide + i * width + at, *p = narrow + i * n;
        memcpy(out ? p : w, out ? w : p, (size_t)n * sizeof *w);
    }
}

static int conv1d_forward(ae_call *c)
{
    ae_graph *g = c->graph;
    conv_shape s = shape_of(c);
    if (c->in[X]->dtype != AE_F32) {
        return AE_DECLINE;
    }
    const int64_t rows = s.batch * s.steps, part = s.in / s.groups, out = s.out / s.groups;
    ae_tensor *x = ae_dense(g, c->in[X]), *bias = c->in[BIAS] ? ae_dense(g, c->in[BIAS]) : NULL;
    float *columns = matrix(g, rows, s.kernel * part), *y = c->out[0]->data;
    float *of_group = s.groups > 1 ? matrix(g, rows, out) : y;
    for (int64_t i = 0; i < s.groups && ae_ok(g); i++) {
        ae_weight w = {0};
        ae_tensor *kernel = weight_to_columns(c, &s, i);
        if (!ae_ok(g) || ae_weight_make(&w, g, kernel, 0, false) != 0) {
            return -1;
        }
        gather_columns(&s, x->data, i, columns);
        ae_weight_forward(g, &w, rows, columns, of_group, bias ? (const float *)bias->data + i * out : NULL, false);
        if (s.groups > 1) {
            copy_part(y, s.out, i * out, of_group, out, rows, false);
        }
    }
    return ae_ok(g) ? 0 : -1;
}

/* dx and dw of one group from its part of dy (B T', O/groups). */
static int group_backward(ae_call *c, const conv_shape *s, int64_t group, const float *dy, float *columns,
                          const ae_tensor *x, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    const int64_t rows = s->batch * s->steps, wide = s->kernel * (s->in / s->groups), out = s->out / s->groups;
    if (c->need[WEIGHT]) {
        float *dw = matrix(g, out, wide);
        if (!dw) {
            return -1;
        }
        gather_columns(s, x->data, group, columns);
        if (ae_weight_gradient(g, rows, dy, AE_F32, out, out, columns, wide, dw, false) != 0) {
            return -1;
        }
        weight_from_columns(s, dw, group, gin[WEIGHT]->data);
    }
    if (c->need[X]) {
        ae_weight w = {0};
        ae_tensor *kernel = weight_to_columns(c, s, group);
        if (!ae_ok(g) || ae_weight_make(&w, g, kernel, 0, true) != 0 ||
            ae_weight_backward(g, &w, rows, dy, AE_F32, columns, false) != 0) {
            return -1;
        }
        scatter_columns(s, columns, group, gin[X]->data);
    }
    return 0;
}

static void conv1d_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    conv_shape s = shape_of(c);
    const int64_t rows = s.batch * s.steps, out = s.out / s.groups;
    ae_tensor *dy = ae_dense(g, gout[0]), *x = c->need[WEIGHT] ? ae_dense(g, c->in[X]) : NULL;
    gin[X] = c->need[X] ? ae_zeros(g, AE_F32, 3, c->in[X]->shape) : NULL;
    gin[WEIGHT] = c->need[WEIGHT] ? ae_empty(g, AE_F32, 3, c->in[WEIGHT]->shape) : NULL;
    gin[BIAS] = c->in[BIAS] && c->need[BIAS] ? ae_empty(g, AE_F32, 1, &s.out) : NULL;
    float *columns = matrix(g, rows, s.kernel * (s.in / s.groups));
    float *of_group = s.groups > 1 ? matrix(g, rows, out) : NULL;
    if (!ae_ok(g)) {
        return;
    }
    if (gin[BIAS]) {
        ae_column_sums(g, dy->data, AE_F32, rows, s.out, s.out, 1, gin[BIAS]->data);
    }
    for (int64_t i = 0; i < s.groups && (gin[X] || gin[WEIGHT]); i++) {
        if (of_group) {
            copy_part(dy->data, s.out, i * out, of_group, out, rows, true);
        }
        if (group_backward(c, &s, i, of_group ? of_group : dy->data, columns, x, gin) != 0) {
            return;
        }
    }
}

/* ---- the same in primitive ops: one product a tap ------------------------------------------------------------------ */

static ae_tensor *plain_group(ae_call *c, const conv_shape *s, ae_tensor *padded, int64_t group)
{
    ae_graph *g = c->graph;
    const int64_t out = s->out / s->groups, part = s->in / s->groups;
    ae_tensor *w = ae_slice(g, c->in[WEIGHT], 0, group * out, (group + 1) * out, 1);
    ae_tensor *x = ae_slice(g, padded, 2, group * part, (group + 1) * part, 1), *y = NULL;
    for (int64_t k = 0; k < s->kernel && ae_ok(g); k++) {
        int64_t first = k * s->dilation;
        ae_tensor *seen = ae_slice(g, x, 1, first, first + (s->steps - 1) * s->stride + 1, s->stride);
        ae_tensor *tap = ae_reshape(g, ae_slice(g, w, 2, k, k + 1, 1), 2, (int64_t[]){out, part});
        ae_tensor *product = ae_f_linear(g, seen, tap, NULL);
        y = y ? ae_add(g, y, product) : product;
    }
    return y;
}

static int conv1d_decompose(ae_call *c)
{
    ae_graph *g = c->graph;
    const ae_conv1d_options *o = c->attr;
    conv_shape s = shape_of(c);
    ae_tensor *padded = ae_pad(g, c->in[X], (int64_t[]){0, o->pad_left, 0}, (int64_t[]){0, o->pad_right, 0}, 0.0),
              *y = NULL;
    for (int64_t i = 0; i < s.groups && ae_ok(g); i++) {
        ae_tensor *of_group = plain_group(c, &s, padded, i);
        y = y ? ae_concat(g, (ae_tensor *[]){y, of_group}, 2, 2) : of_group;
    }
    c->out[0] = c->in[BIAS] && ae_ok(g) ? ae_add(g, y, c->in[BIAS]) : y;
    return ae_ok(g) ? 0 : -1;
}

/* ---- the row ------------------------------------------------------------------------------------------------------- */

static void conv1d_sample(ae_sample *s)
{
    static const struct {
        const char *x, *w, *bias;
        ae_conv1d_options options;
    } cases[] = {
        {"2,4,3", "2,3,2", "2", {.stride = 1, .dilation = 1, .groups = 1}},
        {"1,5,4", "4,2,2", NULL, {.stride = 2, .pad_left = 1, .dilation = 2, .groups = 2}},
        {"2,3,2", "3,2,3", "3", {.stride = 1, .pad_left = 1, .pad_right = 1, .dilation = 1, .groups = 1}},
        {"2,2,2", "2,1,1", "2", {.stride = 3, .pad_right = 2, .dilation = 1, .groups = 2}},
        {"3,19,33", "40,33,3", "40", {.stride = 1, .pad_left = 1, .pad_right = 1, .dilation = 1, .groups = 1}},
        {"2,70,24", "36,8,5", "36", {.stride = 3, .pad_left = 4, .pad_right = 2, .dilation = 2, .groups = 3}},
        {"5,31,70", "129,70,2", NULL, {.stride = 1, .pad_left = 1, .dilation = 1, .groups = 1}},
    };
    ae_tensor *x = ae_sample_in(s, cases[s->variant].x, -1, 1), *w = ae_sample_in(s, cases[s->variant].w, -1, 1);
    ae_tensor *bias = cases[s->variant].bias ? ae_sample_in(s, cases[s->variant].bias, -1, 1) : NULL;
    s->out[0] = ae_f_conv1d_time(s->graph, x, w, bias, &cases[s->variant].options);
}

const ae_op ae_op_conv1d = {
    .name = "conv1d",
    .formula = "y[t,o] = sum over c, k of w[o,c,k] x[stride t + dilation k - pad,c] + b[o]",
    .min_in = INPUTS,
    .max_in = INPUTS,
    .n_out = 1,
    .flags = AE_OP_FUSED,
    .optional = AE_IN(BIAS),
    .needs = {AE_IN(WEIGHT), AE_IN(X)},
    .shape = conv1d_shape,
    .forward = conv1d_forward,
    .vjp = conv1d_vjp,
    .decompose = conv1d_decompose,
    .sample = conv1d_sample,
    .samples = 4,
    .big_samples = 3,
};

ae_tensor *ae_f_conv1d_time(ae_graph *g, ae_tensor *x, ae_tensor *weight, ae_tensor *bias,
                            const ae_conv1d_options *options)
{
    ae_conv1d_options o = options ? *options : (ae_conv1d_options){0};
    o.stride = o.stride ? o.stride : 1;
    o.dilation = o.dilation ? o.dilation : 1;
    o.groups = o.groups ? o.groups : 1;
    ae_tensor *y;
    ae_apply_widened(g, &ae_op_conv1d, (ae_tensor *[]){x, weight, bias}, INPUTS, &o, sizeof o, &y);
    return y;
}

ae_tensor *ae_f_conv1d(ae_graph *g, ae_tensor *x, ae_tensor *weight, ae_tensor *bias, const ae_conv1d_options *options)
{
    if (ae_ok(g) && x->data && x->ndim != 3) {
        char text[AE_SHAPE_TEXT_MAX];
        return ae_fail(g, AE_E_SHAPE, "conv1d: x must be (batch, channels, time); it is %s",
                       ae_shape_text(x->ndim, x->shape, text));
    }
    ae_frame f = ae_frame_open(g);
    ae_tensor *y = ae_f_conv1d_time(g, ae_transpose(g, x, 1, 2), weight, bias, options);
    return ae_frame_return(f, ae_transpose(g, y, 1, 2));
}
