#include "autograd/compute_type.h"
#include "autograd/elementwise.h"
#include "autograd/ops.h"
#include "autograd/product.h"
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

ae_tensor *ae_product_operand(ae_graph *g, ae_tensor *x, ae_dtype other)
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
    a = ae_product_operand(g, a, b->dtype);
    b = ae_product_operand(g, b, a->dtype);
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

bool ae_product_takes(ae_dtype dtype)
{
    return dtype == AE_F32 || dtype == AE_F64 || dtype == AE_BF16;
}

static int matmul_shape(ae_call *c)
{
    char a[AE_DESCRIBE_MAX], b[AE_DESCRIBE_MAX];
    ae_tensor x = *c->in[0], y = *c->in[1], lead = {.ndim = 0};
    if (x.dtype != y.dtype || !ae_product_takes(x.dtype)) {
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
