#include "autograd/compute_type.h"
#include "autograd/elementwise.h"
#include "autograd/linear_inference.h"
#include "autograd/ops.h"
#include "autograd/tape.h"
#include "tensor/gemm.h"
#include "tensor/kernels.h"

#include <string.h>

/* ---- one product of strided operands ------------------------------------------------------------------------------- */

/* A copy in bf16 with the same strides' meaning: dense. */
static ae_tensor *rounded(ae_graph *g, ae_tensor *x)
{
    ae_tensor *dense = ae_dense(g, x);
    ae_tensor *y = ae_empty(g, AE_BF16, x->ndim, x->shape);
    if (!ae_ok(g)) {
        return y;
    }
    const ae_kernels *k = ae_kernels_get();
    const float *from = dense->data;
    uint16_t *to = y->data;
    int64_t n = ae_numel(x), block = 1 << 15;
#pragma omp parallel for schedule(static) if (n > block)
    for (int64_t i = 0; i < n; i += block) {
        k->f32_to_bf16(from + i, to + i, n - i < block ? n - i : block);
    }
    return y;
}

/* x as the product reads it: one of its last two strides 1, in bf16 where the other operand is. */
static ae_tensor *operand(ae_graph *g, ae_tensor *x, ae_dtype other)
{
    if (x->dtype == AE_F32 && (other == AE_BF16 || ae_compute_dtype(g, AE_F32) == AE_BF16)) {
        /* a transposed view keeps its order: round what lies in memory */
        int n = x->ndim;
        if (n == 2 && x->strides[0] == 1 && x->strides[1] >= x->shape[0]) {
            int64_t shape[2] = {x->shape[1], x->shape[0]}, strides[2] = {x->strides[1], x->strides[0]};
            ae_tensor *r = rounded(g, ae_view(g, x, 2, shape, strides, 0));
            int64_t back[2] = {1, x->shape[0]};
            return ae_view(g, r, 2, x->shape, back, 0);
        }
        return rounded(g, x);
    }
    int64_t rows = x->shape[x->ndim - 2], cols = x->shape[x->ndim - 1];
    bool fits = (x->strides[x->ndim - 1] == 1 || cols == 1) && x->strides[x->ndim - 2] > 0;
    bool transposed = (x->strides[x->ndim - 2] == 1 || rows == 1) && x->strides[x->ndim - 1] > 0;
    return fits || transposed ? x : ae_dense(g, x);
}

/* c (...,M,N) = a b over broadcast leading axes; c is dense. */
static int batched_product(ae_call *call, ae_tensor *a, ae_tensor *b, ae_tensor *c)
{
    ae_graph *g = call->graph;
    int lead = c->ndim - 2;
    a = operand(g, a, b->dtype);
    b = operand(g, b, a->dtype);
    if (!ae_ok(g)) {
        return -1;
    }
    int64_t shape[AE_MAX_DIMS];
    memcpy(shape, c->shape, sizeof shape);
    shape[lead] = ae_dim(a, -2);
    shape[lead + 1] = ae_dim(a, -1);
    a = ae_broadcast_view(g, a, c->ndim, shape);
    shape[lead] = ae_dim(b, -2);
    shape[lead + 1] = ae_dim(b, -1);
    b = ae_broadcast_view(g, b, c->ndim, shape);
    ae_gemm p = {.a_dtype = a->dtype, .b_dtype = b->dtype, .c_dtype = c->dtype, .alpha = 1.0f};
    p.m = c->shape[lead];
    p.n = c->shape[lead + 1];
    p.k = a->shape[lead + 1];
    p.a_row = a->strides[lead];
    p.a_col = a->strides[lead + 1];
    p.b_row = b->strides[lead];
    p.b_col = b->strides[lead + 1];
    p.c_row = p.n;
    int inner = lead - 1; /* the last leading axis is gemm's batch */
    p.batch = lead ? c->shape[inner] : 1;
    p.a_batch = lead ? a->strides[inner] : 0;
    p.b_batch = lead ? b->strides[inner] : 0;
    p.c_batch = p.m * p.n;
    int64_t outer = 1;
    for (int i = 0; i < inner; i++) {
        outer *= c->shape[i];
    }
    for (int64_t o = 0; o < outer; o++) {
        int64_t rest = o, at_a = 0, at_b = 0;
        for (int i = inner - 1; i >= 0; i--) {
            int64_t k = rest % c->shape[i];
            rest /= c->shape[i];
            at_a += k * a->strides[i];
            at_b += k * b->strides[i];
        }
        p.a = (const char *)a->data + at_a * (int64_t)ae_dtype_size(a->dtype);
        p.b = (const char *)b->data + at_b * (int64_t)ae_dtype_size(b->dtype);
        p.c = (char *)c->data + o * p.batch * p.c_batch * (int64_t)ae_dtype_size(c->dtype);
        if (ae_gemm_run(&p, &g->error) != 0) {
            return -1;
        }
    }
    return 0;
}

/* ---- matmul -------------------------------------------------------------------------------------------------------- */

static bool multiplies(ae_dtype dtype)
{
    return dtype == AE_F32 || dtype == AE_F64 || dtype == AE_BF16;
}

static int matmul_shape(ae_call *c)
{
    char a[AE_DESCRIBE_MAX], b[AE_DESCRIBE_MAX];
    ae_tensor x = *c->in[0], y = *c->in[1], lead = {.ndim = 0};
    if (x.dtype != y.dtype || !multiplies(x.dtype)) {
        return ae_call_fail(c, AE_E_DTYPE, "%s is %s and %s is %s; both must be f32, both f64 or both bf16",
                            ae_call_describe(c, 0, a), ae_dtype_name(x.dtype), ae_call_describe(c, 1, b),
                            ae_dtype_name(y.dtype));
    }
    if (x.ndim < 2 || y.ndim < 2 || x.shape[x.ndim - 1] != y.shape[y.ndim - 2]) {
        return ae_call_fail(c, AE_E_SHAPE,
                            "%s times %s: the last extent of the first must be the second to last of the "
                            "second",
                            ae_call_describe(c, 0, a), ae_call_describe(c, 1, b));
    }
    int64_t shape[AE_MAX_DIMS];
    x.ndim -= 2;
    y.ndim -= 2;
    if (ae_broadcast_shape(&x, &y, &lead.ndim, shape) != 0) {
        return ae_call_fail(c, AE_E_SHAPE, "%s times %s: the leading axes do not broadcast", ae_call_describe(c, 0, a),
                            ae_call_describe(c, 1, b));
    }
    shape[lead.ndim] = x.shape[x.ndim];
    shape[lead.ndim + 1] = y.shape[y.ndim + 1];
    ae_call_out(c, 0, x.dtype, lead.ndim + 2, shape);
    return 0;
}

static int matmul_forward(ae_call *c)
{
    return batched_product(c, c->in[0], c->in[1], c->out[0]);
}

static void matmul_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    if (c->need[0]) {
        gin[0] = ae_matmul(g, gout[0], ae_transpose(g, c->in[1], -1, -2));
    }
    if (c->need[1]) {
        gin[1] = ae_matmul(g, ae_transpose(g, c->in[0], -1, -2), gout[0]);
    }
}

static void matmul_sample(ae_sample *s)
{
    static const char *const shapes[][2] = {{"3,4", "4,5"},        {"2,3,4", "4,2"},   {"3,4", "2,4,2"},
                                            {"2,1,3,2", "3,2,2"},  {"2,3,2", "2,2,3"}, {"67,129", "129,70"},
                                            {"3,33,65", "3,65,31"}};
    ae_tensor *a = ae_sample_in(s, shapes[s->variant][0], -1, 1);
    ae_tensor *b = ae_sample_in(s, shapes[s->variant][1], -1, 1);
    if (s->variant == 4) {
        a = ae_transpose(s->graph, a, -1, -2);
        b = ae_transpose(s->graph, b, -1, -2);
    }
    s->out[0] = ae_matmul(s->graph, a, b);
}

const ae_op ae_op_matmul = {
    .name = "matmul",
    .formula = "a b over the last two axes",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .needs = {AE_IN(1), AE_IN(0)},
    .shape = matmul_shape,
    .forward = matmul_forward,
    .vjp = matmul_vjp,
    .sample = matmul_sample,
    .samples = 5,
    .big_samples = 2,
};

/* Leading axes of a before a plain matrix b become rows: one product instead of many. */
static ae_tensor *flat_matmul(ae_graph *g, ae_tensor *a, ae_tensor *b)
{
    int64_t shape[AE_MAX_DIMS];
    memcpy(shape, a->shape, sizeof shape);
    int64_t k = shape[a->ndim - 1];
    shape[a->ndim - 1] = b->shape[1];
    ae_tensor *rows = ae_reshape(g, a, 2, (int64_t[]){ae_shape_numel(a->ndim - 1, a->shape), k});
    ae_tensor *y = ae_apply(g, &ae_op_matmul, (ae_tensor *[]){rows, b}, 2, NULL, 0);
    return ae_reshape(g, y, a->ndim, shape);
}

ae_tensor *ae_matmul(ae_graph *g, ae_tensor *a, ae_tensor *b)
{
    if (!ae_ok(g) || !a || !b || !a->data || !b->data || a->ndim == 0 || b->ndim == 0) {
        return ae_apply(g, &ae_op_matmul, (ae_tensor *[]){a, b}, 2, NULL, 0);
    }
    ae_frame f = ae_frame_open(g);
    ae_tensor *x = a->ndim == 1 ? ae_reshape(g, a, 2, (int64_t[]){1, a->shape[0]}) : a;
    ae_tensor *y = b->ndim == 1 ? ae_reshape(g, b, 2, (int64_t[]){b->shape[0], 1}) : b;
    if (!ae_ok(g)) {
        return ae_frame_return(f, ae_bad(g));
    }
    if (x->dtype != y->dtype) {
        ae_tensor *same[] = {ae_to_compute(g, x), ae_to_compute(g, y)};
        ae_promote(g, same, 2);
        x = same[0];
        y = same[1];
    }
    bool flat = x->ndim > 2 && y->ndim == 2 && x->shape[x->ndim - 1] == y->shape[0] && ae_dim(x, -1) > 0 &&
                x->dtype == y->dtype && ae_is_contiguous(x);
    ae_tensor *c = flat ? flat_matmul(g, x, y) : ae_apply(g, &ae_op_matmul, (ae_tensor *[]){x, y}, 2, NULL, 0);
    if (ae_ok(g) && (a->ndim == 1 || b->ndim == 1)) {
        int64_t shape[AE_MAX_DIMS];
        int n = 0;
        for (int i = 0; i < c->ndim; i++) {
            bool row = a->ndim == 1 && i == c->ndim - 2, column = b->ndim == 1 && i == c->ndim - 1;
            if (!row && !column) {
                shape[n++] = c->shape[i];
            }
        }
        c = ae_reshape(g, c, n, shape);
    }
    return ae_frame_return(f, c);
}

/* ---- linear -------------------------------------------------------------------------------------------------------- */

typedef struct linear_attr {
    bool in_out;              /* the weight is (I,O) */
    ae_activation activation; /* in inference */
} linear_attr;

static int linear_shape(ae_call *c)
{
    char x[AE_DESCRIBE_MAX], w[AE_DESCRIBE_MAX], b[AE_DESCRIBE_MAX];
    const linear_attr *a = c->attr;
    const ae_tensor *in = c->in[0], *weight = c->in[1], *bias = c->in[2];
    bool master = in->dtype == AE_BF16 && weight->dtype == AE_F32; /* bf16 activations with a parameter of f32 */
    if (!multiplies(in->dtype) || (in->dtype != weight->dtype && !master) || (bias && bias->dtype != weight->dtype)) {
        return ae_call_fail(
            c, AE_E_DTYPE, "x is %s, weight %s, bias %s; they must be of one float dtype, or x bf16 and the others f32",
            ae_dtype_name(in->dtype), ae_dtype_name(weight->dtype), bias ? ae_dtype_name(bias->dtype) : "left out");
    }
    int64_t inner = weight->ndim == 2 ? weight->shape[a->in_out ? 0 : 1] : -1;
    int64_t outer = weight->ndim == 2 ? weight->shape[a->in_out ? 1 : 0] : -1;
    if (in->ndim < 1 || inner != ae_dim(in, -1)) {
        return ae_call_fail(c, AE_E_SHAPE, "the last axis of x must equal the %s axis of weight; x is %s, weight is %s",
                            a->in_out ? "first" : "last", ae_call_describe(c, 0, x), ae_call_describe(c, 1, w));
    }
    if (bias && (bias->ndim != 1 || bias->shape[0] != outer)) {
        return ae_call_fail(c, AE_E_SHAPE, "bias must have one element a row of the result; bias is %s, weight is %s",
                            ae_call_describe(c, 2, b), ae_call_describe(c, 1, w));
    }
    int64_t shape[AE_MAX_DIMS];
    memcpy(shape, in->shape, sizeof shape);
    shape[in->ndim - 1] = outer;
    ae_call_out(c, 0, in->dtype, in->ndim, shape);
    return 0;
}

/* The rows of a tensor as a matrix: a view where it is dense, else a copy. */
static ae_tensor *as_rows(ae_graph *g, ae_tensor *x)
{
    int64_t k = x->ndim ? x->shape[x->ndim - 1] : 1;
    int64_t rows = x->ndim ? ae_shape_numel(x->ndim - 1, x->shape) : 1; /* not numel / k: k may be 0 */
    int64_t shape[2] = {rows, k}, strides[2] = {k, 1};
    if (x->ndim == 2 && x->strides[1] == 1 && x->strides[0] >= k) {
        return x;
    }
    return ae_view(g, ae_dense(g, x), 2, shape, strides, 0);
}

/* c (M,N) = act(a (M,K) b (K,N) + bias), or c += a b without the others; every operand a matrix view. */
static int product(ae_call *call, ae_tensor *a, ae_tensor *b, ae_tensor *c, const ae_tensor *bias,
                   ae_activation activation, bool accumulate)
{
    ae_graph *g = call->graph;
    a = operand(g, a, b->dtype);
    b = operand(g, b, a->dtype);
    if (!ae_ok(g)) {
        return -1;
    }
    ae_gemm p = {.a_dtype = a->dtype, .b_dtype = b->dtype, .c_dtype = c->dtype, .alpha = 1.0f};
    p.batch = 1;
    p.m = a->shape[0];
    p.k = a->shape[1];
    p.n = b->shape[1];
    p.a = a->data;
    p.a_row = a->strides[0];
    p.a_col = a->strides[1];
    p.b = b->data;
    p.b_row = b->strides[0];
    p.b_col = b->strides[1];
    p.c = c->data;
    p.c_row = p.n;
    p.c_batch = p.m * p.n;
    p.bias = bias ? ae_dense(g, (ae_tensor *)(uintptr_t)bias)->data : NULL;
    p.bias_dtype = bias ? bias->dtype : AE_F32;
    p.activation = activation;
    p.accumulate = accumulate;
    return ae_gemm_run(&p, &g->error);
}

static ae_tensor *transposed(ae_graph *g, const ae_tensor *x)
{
    return ae_view(g, x, 2, (int64_t[]){x->shape[1], x->shape[0]}, (int64_t[]){x->strides[1], x->strides[0]}, 0);
}

static int linear_forward(ae_call *c)
{
    const linear_attr *a = c->attr;
    ae_tensor *x = as_rows(c->graph, c->in[0]);
    const int status = ae_linear_infer(c, x, a->in_out, a->activation, c->out[0]);
    return status <= 0 ? status
                       : product(c, x, ae_linear_weight(c, a->in_out), c->out[0], c->in[2], a->activation, false);
}

/* The gradient of input i is a product: added to what reached it before (several users of one value, a tied weight), or
 * made. bf16 would lose digits with every such sum. */
static ae_tensor *gradient_product(ae_call *c, int i, ae_tensor *a, ae_tensor *b)
{
    ae_graph *g = c->graph;
    ae_tensor *sum = c->in[i]->dtype == AE_F32 ? ae_call_sum(c, i) : NULL;
    ae_tensor *y = sum ? sum : ae_empty_like(g, c->in[i]);
    if (ae_ok(g)) {
        product(c, a, b, y, NULL, AE_GEMM_NONE, sum != NULL);
    }
    return y;
}

static void linear_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    const linear_attr *a = c->attr;
    ae_tensor *dy = as_rows(g, gout[0]);
    if (c->need[0] && ae_ok(g)) {
        gin[0] = gradient_product(c, 0, dy, a->in_out ? transposed(g, c->in[1]) : c->in[1]);
    }
    if (c->need[1] && ae_ok(g)) {
        ae_tensor *x = as_rows(g, c->in[0]);
        gin[1] =
            a->in_out ? gradient_product(c, 1, transposed(g, x), dy) : gradient_product(c, 1, transposed(g, dy), x);
    }
    if (c->in[2] && c->need[2] && ae_ok(g)) {
        bool wide = dy->dtype == AE_BF16 && c->in[2]->dtype == AE_F32;
        gin[2] = wide ? ae_sum_bf16_rows(g, dy) : ae_sum(g, dy, 1, (int[]){0}, false);
    }
}

static ae_tensor *activated(ae_graph *g, ae_activation activation, ae_tensor *x)
{
    static ae_tensor *(*const functions[AE_ACTIVATION_COUNT])(ae_graph *, ae_tensor *) = {
        [AE_GEMM_RELU] = ae_relu, [AE_GEMM_GELU] = ae_gelu,       [AE_GEMM_GELU_TANH] = ae_gelu_tanh,
        [AE_GEMM_TANH] = ae_tanh, [AE_GEMM_SIGMOID] = ae_sigmoid, [AE_GEMM_SILU] = ae_silu,
    };
    return functions[activation] ? functions[activation](g, x) : x;
}

static int linear_decompose(ae_call *c)
{
    const linear_attr *a = c->attr;
    ae_tensor *w = a->in_out ? c->in[1] : ae_transpose(c->graph, c->in[1], 0, 1);
    ae_tensor *y = ae_matmul(c->graph, c->in[0], w);
    y = activated(c->graph, a->activation, c->in[2] ? ae_add(c->graph, y, c->in[2]) : y);
    c->out[0] = ae_ok(c->graph) && y->dtype != c->in[0]->dtype ? ae_cast(c->graph, y, c->in[0]->dtype) : y;
    return ae_ok(c->graph) ? 0 : -1;
}

static void linear_sample(ae_sample *s)
{
    static const char *const xs[] = {"3,4", "2,3,4", "3,4", "4", "67,129", "2,65,67"};
    static const char *const ws[] = {"5,4", "5,4", "4,5", "2,4", "70,129", "67,65"};
    static const char *const bs[] = {"5", NULL, "5", "2", "70", "65"};
    int v = s->variant;
    ae_tensor *x = ae_sample_in(s, xs[v], -1, 1), *w = ae_sample_in(s, ws[v], -1, 1);
    ae_tensor *b = bs[v] ? ae_sample_in(s, bs[v], -1, 1) : NULL;
    s->out[0] = v == 2 || v == 5 ? ae_f_linear_in_out(s->graph, x, w, b) : ae_f_linear(s->graph, x, w, b);
}

const ae_op ae_op_linear = {
    .name = "linear",
    .formula = "x weight^T + bias",
    .min_in = 3,
    .max_in = 3,
    .n_out = 1,
    .flags = AE_OP_FUSED,
    .optional = AE_IN(2),
    .needs = {AE_IN(1), AE_IN(0), 0},
    .shape = linear_shape,
    .forward = linear_forward,
    .vjp = linear_vjp,
    .decompose = linear_decompose,
    .sample = linear_sample,
    .samples = 4,
    .big_samples = 2,
};

static ae_tensor *linear(ae_graph *g, ae_tensor *x, ae_tensor *weight, ae_tensor *bias, const linear_attr *a)
{
    ae_tensor *in[] = {x, weight, bias};
    if (!ae_ok(g) || !x || !x->data || ae_compute_dtype(g, x->dtype) == x->dtype) {
        return ae_apply(g, &ae_op_linear, in, 3, a, sizeof *a);
    }
    ae_frame f = ae_frame_open(g);
    in[0] = ae_to_compute(g, x);
    return ae_frame_return(f, ae_apply(g, &ae_op_linear, in, 3, a, sizeof *a));
}

ae_tensor *ae_f_linear(ae_graph *g, ae_tensor *x, ae_tensor *weight, ae_tensor *bias)
{
    return linear(g, x, weight, bias, &(linear_attr){.in_out = false});
}

ae_tensor *ae_f_linear_in_out(ae_graph *g, ae_tensor *x, ae_tensor *weight, ae_tensor *bias)
{
    return linear(g, x, weight, bias, &(linear_attr){.in_out = true});
}

ae_tensor *ae_f_linear_act(ae_graph *g, ae_tensor *x, ae_tensor *weight, ae_tensor *bias, bool in_out,
                           ae_activation activation)
{
    bool alone = !(ae_graph_flags(g) & AE_GRAD); /* backward of the activation reads its input */
    linear_attr a = {.in_out = in_out, .activation = alone ? activation : AE_GEMM_NONE};
    if ((unsigned)activation >= AE_ACTIVATION_COUNT) {
        return ae_fail(g, AE_E_VALUE, "linear: there is no activation %d", (int)activation);
    }
    if (alone) {
        return linear(g, x, weight, bias, &a);
    }
    ae_frame f = ae_frame_open(g);
    return ae_frame_return(f, activated(g, activation, linear(g, x, weight, bias, &a)));
}
