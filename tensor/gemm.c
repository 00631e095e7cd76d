#include "tensor/gemm.h"

#include "tensor/gemm_internal.h"
#include "tensor/kernels.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- activations ------------------------------------------------------------------------------------------------- */

static const char *const activation_names[] = {
#define AE_ACTIVATION_NAME(symbol, name) name,
    AE_ACTIVATIONS(AE_ACTIVATION_NAME)
#undef AE_ACTIVATION_NAME
};

const char *ae_activation_name(ae_activation activation)
{
    return (unsigned)activation < AE_ACTIVATION_COUNT ? activation_names[activation] : "?";
}

int ae_activation_parse(const char *name, ae_activation *activation)
{
    for (int i = 0; name && i < AE_ACTIVATION_COUNT; i++) {
        if (!strcmp(activation_names[i], name)) {
            *activation = (ae_activation)i;
            return 0;
        }
    }
    return -1;
}

double ae_activation_value(ae_activation activation, double x)
{
    switch (activation) {
    case AE_GEMM_RELU:
        return x > 0 || x != x ? x : 0; /* NaN passes, as in PyTorch */
    case AE_GEMM_GELU:
        return 0.5 * x * (1 + erf(x * 0.70710678118654752440));
    case AE_GEMM_GELU_TANH:
        return 0.5 * x * (1 + tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
    case AE_GEMM_TANH:
        return tanh(x);
    case AE_GEMM_SIGMOID:
        return 1 / (1 + exp(-x));
    case AE_GEMM_SILU:
        return x / (1 + exp(-x));
    default:
        return x;
    }
}

/* ---- checks ------------------------------------------------------------------------------------------------------ */

static int check_dtypes(const ae_gemm *p, ae_err *e)
{
    const ae_dtype c = p->c_dtype;
    const bool pair =
        p->a_dtype == p->b_dtype && ((p->a_dtype == AE_F32 && c == AE_F32) || (p->a_dtype == AE_F64 && c == AE_F64) ||
                                     (p->a_dtype == AE_BF16 && (c == AE_F32 || c == AE_BF16)) ||
                                     (p->a_dtype == AE_I8 && (c == AE_I32 || c == AE_F32)));
    if (!pair) {
        return ae_err_set(
            e, AE_E_DTYPE,
            "gemm: no product of %s by %s into %s; there are f32 f32 f32, f64 f64 f64, bf16 bf16 f32|bf16, "
            "i8 i8 i32|f32",
            ae_dtype_name(p->a_dtype), ae_dtype_name(p->b_dtype), ae_dtype_name(c));
    }
    const bool bias = !p->bias || p->bias_dtype == (p->a_dtype == AE_BF16 ? AE_F32 : c) ||
                      (p->a_dtype == AE_BF16 && p->bias_dtype == AE_BF16);
    if (!bias) {
        return ae_err_set(e, AE_E_DTYPE, "gemm: a product of %s into %s takes no bias of %s", ae_dtype_name(p->a_dtype),
                          ae_dtype_name(c), ae_dtype_name(p->bias_dtype));
    }
    if ((unsigned)p->activation >= AE_ACTIVATION_COUNT) {
        return ae_err_set(e, AE_E_VALUE, "gemm: there is no activation number %d", (int)p->activation);
    }
    if (c == AE_I32 && (p->alpha != 1.0F || p->activation != AE_GEMM_NONE)) {
        return ae_err_set(e, AE_E_VALUE, "gemm: a product into i32 takes neither alpha (%g) nor an activation (%s)",
                          (double)p->alpha, ae_activation_name(p->activation));
    }
    return 0;
}

/* One operand's strides: rows and cols extents, at most one stride may differ from 1. Rewrites the strides of extents
 * up to 1, which mean nothing, as if the operand lay dense. */
static int check_operand(const char *name, int64_t rows, int64_t cols, int64_t *row, int64_t *col, int64_t batch,
                         ae_err *e)
{
    if (*row < 0 || *col < 0 || batch < 0) {
        return ae_err_set(e, AE_E_SHAPE, "gemm: strides of %s are negative: row %lld, column %lld, batch %lld", name,
                          (long long)*row, (long long)*col, (long long)batch);
    }
    if (cols <= 1) {
        *col = 1;
        *row = rows <= 1 ? 1 : *row;
    } else if (rows <= 1) {
        *row = *col == 1 ? cols : 1;
    }
    if (*row != 1 && *col != 1) {
        return ae_err_set(e, AE_E_SHAPE, "gemm: one of the strides of %s must be 1; they are row %lld, column %lld",
                          name, (long long)*row, (long long)*col);
    }
    return 0;
}

/* The rows of C must not overlap; batches may lie one after the other or be interleaved row by row (heads). */
static int check_result(ae_gemm *q, ae_err *e)
{
    if (q->m <= 1) {
        q->c_row = q->n;
    }
    const bool apart = q->c_batch >= (q->m - 1) * q->c_row + q->n;
    const bool interleaved = q->c_batch >= q->n && (q->m <= 1 || q->c_row >= (q->batch - 1) * q->c_batch + q->n);
    if (q->c_row < q->n || (q->batch > 1 && !apart && !interleaved)) {
        return ae_err_set(e, AE_E_SHAPE, "gemm: rows of c overlap: [%lld,%lld,%lld] with strides batch %lld, row %lld",
                          (long long)q->batch, (long long)q->m, (long long)q->n, (long long)q->c_batch,
                          (long long)q->c_row);
    }
    return 0;
}

/* Many matrices A against one B are one tall matrix when their rows follow each other. */
static void join_batches(ae_gemm *q)
{
    if (q->batch <= 1) {
        q->a_batch = q->b_batch = q->c_batch = 0;
        return;
    }
    const bool rows_follow = q->m == 1
                                 ? q->a_col == 1 && q->c_batch >= q->n
                                 : q->a_col == 1 && q->a_batch == q->m * q->a_row && q->c_batch == q->m * q->c_row;
    if (q->b_batch == 0 && rows_follow) {
        q->a_row = q->m == 1 ? q->a_batch : q->a_row;
        q->c_row = q->m == 1 ? q->c_batch : q->c_row;
        q->m *= q->batch;
        q->batch = 1;
        q->a_batch = q->c_batch = 0;
    }
}

static int check_pack(ae_gemm *q, ae_err *e)
{
    const ae_gemm_pack *pack = q->b_pack;
    if (pack->dtype != q->b_dtype || pack->n != q->n || pack->k != q->k) {
        return ae_err_set(e, AE_E_SHAPE, "gemm: the pack is %s [%lld,%lld]; b of this product is %s [%lld,%lld]",
                          ae_dtype_name(pack->dtype), (long long)pack->k, (long long)pack->n, ae_dtype_name(q->b_dtype),
                          (long long)q->k, (long long)q->n);
    }
    q->b = pack->data;
    q->b_row = q->n;
    q->b_col = 1;
    q->b_batch = 0;
    q->b_pack = pack->blocked ? pack : NULL;
    return 0;
}

int ae_gemm_check(const ae_gemm *p, ae_gemm *q, ae_err *e)
{
    if (!p) {
        return ae_err_set(e, AE_E_VALUE, "gemm: no product given");
    }
    *q = *p;
    if (check_dtypes(p, e)) {
        return -1;
    }
    if (p->batch < 0 || p->m < 0 || p->n < 0 || p->k < 0) {
        return ae_err_set(e, AE_E_SHAPE, "gemm: negative extents: batch %lld, m %lld, n %lld, k %lld",
                          (long long)p->batch, (long long)p->m, (long long)p->n, (long long)p->k);
    }
    if (p->batch == 0 || p->m == 0 || p->n == 0) {
        q->b_pack = NULL;
        return 0;
    }
    if (p->b_pack && check_pack(q, e)) {
        return -1;
    }
    if (!q->c || (q->k > 0 && (!q->a || (!q->b && !q->b_pack)))) {
        return ae_err_set(e, AE_E_VALUE, "gemm: %s is NULL in a product with m %lld, n %lld, k %lld",
                          !q->c   ? "c"
                          : !q->a ? "a"
                                  : "b",
                          (long long)q->m, (long long)q->n, (long long)q->k);
    }
    if (check_operand("a", q->m, q->k, &q->a_row, &q->a_col, q->a_batch, e) ||
        check_operand("b", q->k, q->n, &q->b_row, &q->b_col, q->b_batch, e) || check_result(q, e)) {
        return -1;
    }
    join_batches(q);
    return 0;
}

/* ---- the interface ----------------------------------------------------------------------------------------------- */

ae_gemm ae_gemm_dense(ae_dtype dtype, int64_t m, int64_t n, int64_t k, const void *a, const void *b, void *c)
{
    return (ae_gemm){.a_dtype = dtype,
                     .b_dtype = dtype,
                     .c_dtype = dtype,
                     .batch = 1,
                     .m = m,
                     .n = n,
                     .k = k,
                     .a = a,
                     .a_row = k,
                     .a_col = 1,
                     .b = b,
                     .b_row = n,
                     .b_col = 1,
                     .c = c,
                     .c_row = n,
                     .alpha = 1};
}

/* q with a blocked pack written back to plain memory, then the plain twin. */
static int plain_from_blocked(ae_gemm *q, ae_err *e)
{
    void *b = ae_gemm_pack_unblock(q->b_pack, e);
    if (!b) {
        return -1;
    }
    q->b = b;
    q->b_pack = NULL;
    const int result = ae_gemm_plain_unchecked(q, e);
    free(b);
    return result;
}

int ae_gemm_plain(const ae_gemm *p, ae_err *e)
{
    ae_gemm q;
    if (ae_gemm_check(p, &q, e)) {
        return -1;
    }
    return q.b_pack && q.k > 0 ? plain_from_blocked(&q, e) : ae_gemm_plain_unchecked(&q, e);
}

static atomic_ullong multiplications;

double ae_gemm_flop(void)
{
    return 2 * (double)atomic_load_explicit(&multiplications, memory_order_relaxed);
}

int ae_gemm_run(const ae_gemm *p, ae_err *e)
{
    ae_gemm q;
    if (ae_gemm_check(p, &q, e)) {
        return -1;
    }
    if (ae_kernels_dry()) {
        return 0;
    }
    atomic_fetch_add_explicit(&multiplications, (uint64_t)(q.batch * q.m * q.n * q.k), memory_order_relaxed);
    return ae_gemm_run_unchecked(&q, e);
}
