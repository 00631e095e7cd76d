#include "autograd/weight_product.h"
#include "autograd/arithmetic.h"
#include "autograd/compute_type.h"
#include "autograd/tape.h"
#include "tensor/kernels.h"

/* n dense values, f32 or bf16, as a product reads them in the graph's precision; lives in the current frame. */
static const void *operand(ae_graph *g, const void *x, ae_dtype x_dtype, int64_t n, ae_dtype *dtype)
{
    *dtype = ae_compute_dtype(g, x_dtype);
    if (*dtype == x_dtype) {
        return x;
    }
    const float *from = x;
    ae_tensor *t = ae_empty(g, AE_BF16, 1, &n);
    if (!ae_ok(g)) {
        return NULL;
    }
    const ae_kernels *k = ae_kernels_get();
    uint16_t *y = t->data;
    const int64_t block = 1 << 15;
#pragma omp parallel for schedule(static) if (n > block)
    for (int64_t i = 0; i < n; i += block) {
        k->f32_to_bf16(from + i, y + i, n - i < block ? n - i : block);
    }
    return y;
}

static ae_gemm by_weight(const ae_weight *w, int64_t m, bool transposed)
{
    ae_gemm p = {.a_dtype = w->dtype, .b_dtype = w->dtype, .c_dtype = AE_F32, .alpha = 1.0f, .batch = 1, .m = m};
    p.b = w->data;
    p.n = transposed ? w->out : w->in;
    p.k = transposed ? w->in : w->out;
    p.b_row = transposed ? 1 : w->in;
    p.b_col = transposed ? w->in : 1;
    p.a_row = p.k;
    p.a_col = 1;
    p.c_row = p.n;
    p.c_batch = m * p.n;
    p.bias_dtype = AE_F32;
    p.b_pack = transposed ? w->forward : w->backward;
    return p;
}

int ae_weight_make(ae_weight *w, ae_graph *g, ae_tensor *t, int64_t rows, bool backward)
{
    *w = (ae_weight){.out = t->shape[0], .in = t->shape[1]};
    ae_tensor *dense = ae_dense(g, t);
    if (!ae_ok(g)) {
        return -1;
    }
    w->data = operand(g, dense->data, AE_F32, ae_numel(t), &w->dtype);
    /* A pack is a copy of the weights: it pays when they are read often, and small products run without oneDNN. */
    if (w->data && rows && ae_numel(t) >= 4096) {
        ae_gemm p = by_weight(w, rows, !backward);
        ae_err ignored = {0};
        *(backward ? &w->backward : &w->forward) = ae_gemm_pack_new(&p, &ignored);
    }
    return ae_ok(g) ? 0 : -1;
}

void ae_weight_free(ae_weight *w)
{
    ae_gemm_pack_free(w->forward);
    ae_gemm_pack_free(w->backward);
    w->forward = w->backward = NULL;
}

static int run_by_weight(ae_graph *g, ae_gemm *p, const void *a, ae_dtype a_dtype)
{
    ae_frame f = ae_frame_open(g);
    p->a = operand(g, a, a_dtype, p->m * p->k, &p->a_dtype);
    int status = p->a ? ae_gemm_run(p, &g->error) : -1;
    ae_frame_close(f);
    return status;
}

int ae_weight_forward(ae_graph *g, const ae_weight *w, int64_t m, const float *a, float *c, const float *bias,
                      bool accumulate)
{
    ae_gemm p = by_weight(w, m, true);
    p.c = c;
    p.bias = bias;
    p.accumulate = accumulate;
    return run_by_weight(g, &p, a, AE_F32);
}

int ae_weight_forward_into(ae_graph *g, const ae_weight *w, int64_t m, const float *a, ae_tensor *c, const float *bias)
{
    ae_gemm p = by_weight(w, m, true);
    p.c = c->data;
    p.c_dtype = c->dtype;
    p.bias = bias;
    return run_by_weight(g, &p, a, AE_F32);
}

int ae_weight_backward(ae_graph *g, const ae_weight *w, int64_t m, const void *a, ae_dtype a_dtype, float *c,
                       bool accumulate)
{
    ae_gemm p = by_weight(w, m, false);
    p.c = c;
    p.accumulate = accumulate;
    return run_by_weight(g, &p, a, a_dtype);
}

int ae_weight_gradient(ae_graph *g, int64_t rows, const void *dy, ae_dtype dy_dtype, int64_t dy_row, int64_t out,
                       const float *x, int64_t in, float *dw, bool accumulate)
{
    ae_frame f = ae_frame_open(g);
    ae_gemm p = {.c_dtype = AE_F32, .alpha = 1.0f, .batch = 1, .m = out, .n = in, .k = rows};
    p.accumulate = accumulate;
    /* A part of a wider matrix begins inside of it: the rows' last stretch ends with the part. */
    p.a = operand(g, dy, dy_dtype, rows ? (rows - 1) * dy_row + out : 0, &p.a_dtype);
    p.b = operand(g, x, AE_F32, rows * in, &p.b_dtype);
    p.a_row = 1;
    p.a_col = dy_row;
    p.b_row = in;
    p.b_col = 1;
    p.c = dw;
    p.c_row = in;
    p.c_batch = out * in;
    int status = p.a && p.b ? ae_gemm_run(&p, &g->error) : -1;
    ae_frame_close(f);
    return status;
}

const float *ae_bias_sum(ae_graph *g, ae_tensor *a, ae_tensor *b)
{
    ae_tensor *one = a ? a : b;
    if (!one) {
        return NULL;
    }
    one = ae_dense(g, one);
    if (!a || !b || !ae_ok(g)) {
        return one->data;
    }
    ae_tensor *other = ae_dense(g, b), *sum = ae_empty_like(g, one);
    if (ae_ok(g)) {
        ae_kernels_get()->add(one->data, other->data, sum->data, ae_numel(one));
    }
    return sum->data;
}

/* ---- bf16 ---------------------------------------------------------------------------------------------------------- */

int ae_apply_widened(ae_graph *g, const ae_op *op, ae_tensor **in, int n, const void *attr, size_t attr_size,
                     ae_tensor **out)
{
    bool any = false;
    for (int i = 0; i < n && ae_ok(g); i++) {
        any = any || (in[i] && in[i]->data && in[i]->dtype == AE_BF16);
    }
    if (!any) {
        return ae_apply_n(g, op, in, n, attr, attr_size, out);
    }
    bool rounds = in[0] && in[0]->dtype == AE_BF16;
    ae_frame f = ae_frame_open(g);
    for (int i = 0; i < n; i++) {
        in[i] = in[i] && in[i]->dtype == AE_BF16 ? ae_cast(g, in[i], AE_F32) : in[i];
    }
    ae_apply_n(g, op, in, n, attr, attr_size, out);
    for (int i = 0; i < op->n_out; i++) {
        out[i] = rounds ? ae_cast(g, out[i], AE_BF16) : out[i];
        ae_frame_keep(f, out[i]);
    }
    ae_frame_close(f);
    for (int i = 0; i < op->n_out && !ae_ok(g); i++) {
        out[i] = ae_bad(g);
    }
    return ae_ok(g) ? 0 : -1;
}
