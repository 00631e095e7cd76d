/* The affine map, alone, with an activation behind it (inference) or before it (training). */
#include "autograd/column_sums.h"
#include "autograd/compute_type.h"
#include "autograd/linear_inference.h"
#include "autograd/ops.h"
#include "autograd/product.h"
#include "autograd/tape.h"

#include <string.h>

typedef struct linear_attr {
    bool in_out;              /* the weight is (I,O) */
    ae_activation before;     /* of x */
    ae_activation activation; /* of the result; in inference */
} linear_attr;

static int linear_shape(ae_call *c)
{
    char x[AE_DESCRIBE_MAX], w[AE_DESCRIBE_MAX], b[AE_DESCRIBE_MAX];
    const linear_attr *a = c->attr;
    const ae_tensor *in = c->in[0], *weight = c->in[1], *bias = c->in[2];
    bool master = in->dtype == AE_BF16 && weight->dtype == AE_F32; /* bf16 activations with a parameter of f32 */
    if (!ae_product_takes(in->dtype) || (in->dtype != weight->dtype && !master) ||
        (bias && bias->dtype != weight->dtype)) {
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
    a = ae_product_operand(g, a, b->dtype);
    b = ae_product_operand(g, b, a->dtype);
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

/* The operation that an activation of tensor/gemm.h is by itself; NULL for none. */
static const ae_op *activation_op(ae_activation activation)
{
    static const ae_op *const ops[AE_ACTIVATION_COUNT] = {
        [AE_GEMM_RELU] = &ae_op_relu, [AE_GEMM_GELU] = &ae_op_gelu,       [AE_GEMM_GELU_TANH] = &ae_op_gelu_tanh,
        [AE_GEMM_TANH] = &ae_op_tanh, [AE_GEMM_SIGMOID] = &ae_op_sigmoid, [AE_GEMM_SILU] = &ae_op_silu,
    };
    return ops[activation];
}

static ae_tensor *activated(ae_graph *g, ae_activation activation, ae_tensor *x)
{
    const ae_op *op = activation_op(activation);
    return op ? ae_apply(g, op, &x, 1, NULL, 0) : x;
}

static int linear_forward(ae_call *c)
{
    const linear_attr *a = c->attr;
    ae_tensor *x = as_rows(c->graph, c->in[0]);
    const int status = ae_linear_infer(c, x, a->in_out, a->activation, c->out[0]);
    return status <= 0 ? status
                       : product(c, x, ae_linear_weight(c, a->in_out), c->out[0], c->in[2], a->activation, false);
}

/* The affine map of act(x), which nobody keeps. */
static int act_linear_forward(ae_call *c)
{
    const linear_attr *a = c->attr;
    ae_frame f = ae_frame_open(c->graph);
    bool was = ae_set_recording(c->graph, false);
    ae_tensor *x = c->in[0], *h = activated(c->graph, a->before, x);
    c->in[0] = h;
    int status = ae_ok(c->graph) ? linear_forward(c) : -1;
    c->in[0] = x;
    ae_set_recording(c->graph, was);
    ae_frame_close(f);
    return status;
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

static void bias_gradient(ae_call *c, ae_tensor *dy, ae_tensor **gin)
{
    if (c->in[2] && c->need[2] && ae_ok(c->graph)) {
        bool wide = dy->dtype == AE_BF16 && c->in[2]->dtype == AE_F32;
        gin[2] = wide ? ae_column_sums_of(c->graph, dy) : ae_sum(c->graph, dy, 1, (int[]){0}, false);
    }
}

/* dw = dy^T x, or x^T dy. */
static ae_tensor *weight_gradient(ae_call *c, bool in_out, ae_tensor *x, ae_tensor *dy)
{
    ae_tensor *rows = as_rows(c->graph, x);
    return in_out ? gradient_product(c, 1, transposed(c->graph, rows), dy)
                  : gradient_product(c, 1, transposed(c->graph, dy), rows);
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
        gin[1] = weight_gradient(c, a->in_out, c->in[0], dy);
    }
    bias_gradient(c, dy, gin);
}

/* act(x) is computed once more: a pass over it takes a fraction of the product that follows, and for a Transformer's
 * feed-forward layer to keep it would take four times what the layer gives. */
static ae_tensor *act_weight_gradient(ae_call *c, ae_tensor *dy)
{
    const linear_attr *a = c->attr;
    ae_frame f = ae_frame_open(c->graph);
    ae_tensor *h = activated(c->graph, a->before, c->in[0]);
    return ae_frame_return(f, ae_ok(c->graph) ? weight_gradient(c, a->in_out, h, dy) : ae_bad(c->graph));
}

/* (dy weight) times act'(x), the latter by the activation's own vjp. */
static ae_tensor *act_input_gradient(ae_call *c, ae_tensor *dy)
{
    ae_graph *g = c->graph;
    const linear_attr *a = c->attr;
    const ae_op *op = activation_op(a->before);
    ae_frame f = ae_frame_open(g);
    ae_tensor *x = c->in[0], *dx = NULL, *dh = ae_empty_like(g, x);
    ae_tensor *h = op->needs[0] & AE_OUT(0) ? activated(g, a->before, x) : NULL;
    ae_tensor *w = a->in_out ? transposed(g, c->in[1]) : c->in[1];
    if (ae_ok(g) && product(c, dy, w, dh, NULL, AE_GEMM_NONE, false) == 0) {
        ae_call inner = {.graph = g, .op = op, .n_in = 1, .n_out = 1, .in = &x, .out = {h}, .need = (bool[]){true}};
        op->vjp(&inner, &dh, &dx);
    }
    return ae_frame_return(f, dx ? dx : ae_bad(g));
}

static void act_linear_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_tensor *dy = as_rows(c->graph, gout[0]);
    if (c->need[1] && ae_ok(c->graph)) {
        gin[1] = act_weight_gradient(c, dy);
    }
    if (c->need[0] && ae_ok(c->graph)) {
        gin[0] = act_input_gradient(c, dy);
    }
    bias_gradient(c, dy, gin);
}

static int linear_decompose(ae_call *c)
{
    const linear_attr *a = c->attr;
    ae_tensor *w = a->in_out ? c->in[1] : ae_transpose(c->graph, c->in[1], 0, 1);
    ae_tensor *y = ae_matmul(c->graph, activated(c->graph, a->before, c->in[0]), w);
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

static void act_linear_sample(ae_sample *s)
{
    static const ae_activation acts[] = {AE_GEMM_GELU,    AE_GEMM_GELU_TANH, AE_GEMM_SILU, AE_GEMM_TANH,
                                         AE_GEMM_SIGMOID, AE_GEMM_GELU,      AE_GEMM_RELU};
    int v = s->variant;
    bool in_out = v == 1 || v == 6, big = v >= 5;
    ae_tensor *x = ae_sample_in(s, big ? "67,129" : "2,3,4", -1, 1);
    ae_tensor *w = ae_sample_in(s, big ? in_out ? "129,70" : "70,129" : in_out ? "4,5" : "5,4", -1, 1);
    ae_tensor *b = v == 2 ? NULL : ae_sample_in(s, big ? "70" : "5", -1, 1);
    s->out[0] = ae_f_act_linear(s->graph, acts[v], x, w, b, in_out);
}

const ae_op ae_op_act_linear = {
    .name = "act_linear",
    .formula = "act(x) weight^T + bias",
    .min_in = 3,
    .max_in = 3,
    .n_out = 1,
    .flags = AE_OP_FUSED,
    .optional = AE_IN(2),
    .needs = {AE_IN(0) | AE_IN(1), AE_IN(0), 0},
    .shape = linear_shape,
    .forward = act_linear_forward,
    .vjp = act_linear_vjp,
    .decompose = linear_decompose,
    .sample = act_linear_sample,
    .samples = 5,
    .big_samples = 2,
};

static ae_tensor *linear(ae_graph *g, ae_tensor *x, ae_tensor *weight, ae_tensor *bias, const linear_attr *a)
{
    const ae_op *op = a->before == AE_GEMM_NONE ? &ae_op_linear : &ae_op_act_linear;
    ae_tensor *in[] = {x, weight, bias};
    if (!ae_ok(g) || !x || !x->data || ae_compute_dtype(g, x->dtype) == x->dtype) {
        return ae_apply(g, op, in, 3, a, sizeof *a);
    }
    ae_frame f = ae_frame_open(g);
    in[0] = ae_to_compute(g, x);
    return ae_frame_return(f, ae_apply(g, op, in, 3, a, sizeof *a));
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

ae_tensor *ae_f_act_linear(ae_graph *g, ae_activation activation, ae_tensor *x, ae_tensor *weight, ae_tensor *bias,
                           bool in_out)
{
    if ((unsigned)activation >= AE_ACTIVATION_COUNT) {
        return ae_fail(g, AE_E_VALUE, "act_linear: there is no activation %d", (int)activation);
    }
    return linear(g, x, weight, bias, &(linear_attr){.in_out = in_out, .before = activation});
}
