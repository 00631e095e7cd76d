#include "autograd/linear_inference.h"
#include "autograd/compute_type.h"
#include "autograd/packs.h"
#include "autograd/product.h"
#include "autograd/tape.h"
#include "tensor/kernels.h"
#include "tensor/onednn.h"

enum {
    LARGE_EXTENT = 64,        /* of both axes of a weight worth a copy: heads of few classes stay f32 */
    PARALLEL = 32768,         /* numbers worth several threads */
    STREAMED_NUMEL = 1 << 14, /* of a weight that is read from memory rather than from a cache */
    BLOCKED_ROWS = 128,       /* of a product that is worth a copy of its weight in oneDNN's layout */
};

static bool infers(const ae_call *c)
{
    return !(c->graph->flags & AE_GRAD) && (c->in[0]->dtype == AE_F32 || c->in[0]->dtype == AE_BF16);
}

static bool has_copies(const ae_tensor *weight)
{
    return weight->packs && weight->shape[0] >= LARGE_EXTENT && weight->shape[1] >= LARGE_EXTENT;
}

/* The weight in the form that m rows stream; 1 when they do not. */
static int streamed_weight(const ae_call *c, int64_t m, bool in_out, ae_row_weight *w)
{
    ae_graph *g = c->graph;
    const ae_tensor *t = c->in[1];
    const int64_t out = t->shape[in_out ? 1 : 0];
    const int64_t in = t->shape[in_out ? 0 : 1];
    *w = (ae_row_weight){.dtype = g->precision};
    const int64_t most = ae_row_weight_most_rows(w);
    if (g->precision != AE_F32 && has_copies(t)) {
        const bool fits = g->precision == AE_I8 || m <= most;
        return fits ? ae_packs_rows(t, g->precision, in_out, m > most, w, &g->error) : 1;
    }
    *w = ae_row_weight_borrow(t->data, out, in, in_out);
    const bool few = m <= ae_row_weight_most_rows(w) && g->precision != AE_BF16;
    return few && out * in >= STREAMED_NUMEL && ae_is_contiguous(t) ? 0 : 1;
}

/* The activation, and the rounding where y is bf16, of rows that wide holds: y's own memory where y is f32. */
static void finish(ae_tensor *wide, ae_activation activation, ae_tensor *y)
{
    const int64_t m = wide->shape[0];
    const int64_t n = wide->shape[1];
#pragma omp parallel for schedule(static) if (m * n > PARALLEL)
    for (int64_t i = 0; i < m; i++) {
        float *row = (float *)wide->data + i * n;
        if (activation != AE_GEMM_NONE) {
            ae_gemm_activate(activation, row, n);
        }
        ae_row_written(y, i, n, row);
    }
}

/* Whether a copy of the weight in oneDNN's layout pays for its memory. Under bf16 it stands for the rounded one that
 * would be made anyway, where the processor multiplies bf16; elsewhere it would be wide. In f32 it is a second one:
 * sgemm is as fast to a tenth, but for long sums of few columns, where a few hundred rows go at two thirds of the
 * speed. */
static bool wants_blocks(const ae_tensor *t, bool in_out, ae_dtype dtype, int64_t m)
{
    const int64_t out = t->shape[in_out ? 1 : 0];
    const int64_t in = t->shape[in_out ? 0 : 1];
    return t->dtype == AE_F32 && has_copies(t) && ae_is_contiguous(t) &&
           (dtype == AE_BF16 ? ae_onednn_has_bf16() : m >= BLOCKED_ROWS && in >= 2 * out);
}

/* Many rows by the weight in oneDNN's own layout, which it would else make anew for every product. 1 when there is
 * none. */
static int blocked_product(ae_call *c, ae_tensor *x, bool in_out, ae_activation activation, ae_tensor *y)
{
    ae_graph *g = c->graph;
    const ae_tensor *t = c->in[1];
    const ae_dtype dtype = g->precision == AE_BF16 ? AE_BF16 : AE_F32;
    const ae_gemm_pack *pack = NULL;
    if ((dtype == AE_F32 && x->dtype != AE_F32) || !wants_blocks(t, in_out, dtype, x->shape[0])) {
        return 1;
    }
    const int status = ae_packs_blocks(t, dtype, in_out, &pack, &g->error);
    if (status != 0 || !pack) {
        return status; /* no pack: a dry run, which computes nothing */
    }
    const ae_tensor *bias = c->in[2] ? ae_dense(g, c->in[2]) : NULL;
    x = ae_product_operand(g, x, dtype);
    if (!ae_ok(g)) {
        return -1;
    }
    ae_gemm p = {.a_dtype = x->dtype, .b_dtype = dtype, .c_dtype = y->dtype, .alpha = 1.0f, .batch = 1};
    p.m = x->shape[0];
    p.n = t->shape[in_out ? 1 : 0];
    p.k = t->shape[in_out ? 0 : 1];
    p.a = x->data;
    p.a_row = x->strides[0];
    p.a_col = x->strides[1];
    p.b_pack = pack;
    p.c = y->data;
    p.c_row = p.n;
    p.bias = bias ? bias->data : NULL;
    p.bias_dtype = bias ? bias->dtype : AE_F32;
    p.activation = activation;
    g->weight_bytes += ae_numel(t) * (int64_t)ae_dtype_size(dtype);
    return ae_gemm_run(&p, &g->error);
}

int ae_linear_infer(ae_call *c, ae_tensor *x, bool in_out, ae_activation activation, ae_tensor *y)
{
    ae_graph *g = c->graph;
    const int64_t m = ae_ok(g) ? x->shape[0] : 0;
    ae_row_weight w;
    if (m == 0 || !infers(c) || ae_numel(c->in[1]) == 0) {
        return ae_ok(g) ? 1 : -1;
    }
    const int status = streamed_weight(c, m, in_out, &w);
    if (status != 0) {
        return status < 0 ? status : blocked_product(c, x, in_out, activation, y);
    }
    const ae_tensor *bias = c->in[2] ? ae_dense(g, c->in[2]) : NULL;
    const int64_t bytes = (int64_t)ae_row_weight_scratch(&w, m);
    ae_tensor *scratch = bytes ? ae_empty(g, AE_U8, 1, &bytes) : NULL;
    ae_tensor *wide = y->dtype == AE_F32 ? ae_view(g, y, 2, (int64_t[]){m, w.out}, (int64_t[]){w.out, 1}, 0)
                                         : ae_empty(g, AE_F32, 2, (int64_t[]){m, w.out});
    x = ae_to_f32(g, x);
    if (!ae_ok(g)) {
        return -1;
    }
    const int64_t numel = w.out * w.in;
    g->weight_bytes += numel * (int64_t)ae_dtype_size(w.dtype) + (w.scale ? w.out * (int64_t)sizeof *w.scale : 0);
    const int done = ae_row_weight_product(&w, m, x->data, x->strides[0], bias ? bias->data : NULL, wide->data,
                                           scratch ? scratch->data : NULL, &g->error);
    if (done == 0 && (activation != AE_GEMM_NONE || y->dtype != AE_F32)) {
        finish(wide, activation, y);
    }
    return done;
}

ae_tensor *ae_linear_weight(ae_call *c, bool in_out)
{
    ae_graph *g = c->graph;
    ae_tensor *t = c->in[1];
    ae_row_weight w;
    if (infers(c) && g->precision == AE_BF16 && has_copies(t)) {
        if (ae_packs_rows(t, AE_BF16, in_out, false, &w, &g->error) != 0) {
            return ae_bad(g);
        }
        t = ae_from_borrowed(g, AE_BF16, 2, (int64_t[]){w.out, w.in}, (void *)(uintptr_t)w.data);
        in_out = false;
    }
    if (!(g->flags & AE_GRAD)) {
        g->weight_bytes += ae_numel(t) * (int64_t)ae_dtype_size(t->dtype);
    }
    return in_out
               ? t
               : ae_view(g, t, 2, (int64_t[]){t->shape[1], t->shape[0]}, (int64_t[]){t->strides[1], t->strides[0]}, 0);
}
