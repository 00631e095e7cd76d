/* Which path a product takes. Measured on an AVX-512 server with 2 threads (GFLOP/s, oneDNN 2.6 and 3.7 alike):
 *
 *                                      matmul   packed   sgemm
 *     x W^T   4096 x 3072 x 768            72      126     145
 *     dY W    4096 x 768 x 3072            72      136     130
 *     dY^T x  768 x 3072 x 4096           120      137     129
 *     a step of an LSTM, 64 x 2048 x 512  125      161      62
 *     128 x 128 x 128                     155        -      50
 *     one row, 1 x 768 x 768               13       22      13
 *     384 heads of 128 x 128 x 64          97        -      91
 *
 * So one large f32 product goes to sgemm, whatever its transposition, which beats the matmul primitive on plain layouts
 * by up to 2 and gives what packing would without the copy; all else goes to the primitive. Packs pay for few rows:
 * the step of a recurrent layer, generation. bf16, which has no sgemm, is packed for products of many rows
 * (onednn_repack.c). The choice depends on the product alone, so the bits do as well. */
#include "tensor/counters.h"
#include "tensor/gemm_internal.h"
#include "tensor/kernels.h"
#include "tensor/onednn.h"
#include "tensor/threads.h"

#include <omp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double tiny_work = 4096;       /* multiplications; the plain twin needs a microsecond for them */
static const double sgemm_work = 134217728; /* 2^27: from here sgemm is as fast as the primitive or faster */
enum { SGEMM_ROWS = 64 };                   /* below, sgemm leaves threads idle */
enum { CHUNK = 1 << 23 };                   /* floats of one widened operand held at a time */
enum { PARALLEL_COPY = 1 << 16 };           /* elements */

/* ---- element by element ------------------------------------------------------------------------------------------ */

void ae_gemm_widen_rows(float *dst, int64_t dst_row, const uint16_t *src, int64_t src_row, int64_t rows, int64_t cols)
{
    const ae_kernels *kernels = ae_kernels_get();
#pragma omp parallel for schedule(static) num_threads(ae_threads()) if (rows * cols > PARALLEL_COPY)
    for (int64_t i = 0; i < rows; i++) {
        kernels->bf16_to_f32(src + i * src_row, dst + i * dst_row, cols);
    }
}

void ae_gemm_narrow_rows(uint16_t *dst, int64_t dst_row, const float *src, int64_t src_row, int64_t rows, int64_t cols)
{
    const ae_kernels *kernels = ae_kernels_get();
#pragma omp parallel for schedule(static) num_threads(ae_threads()) if (rows * cols > PARALLEL_COPY)
    for (int64_t i = 0; i < rows; i++) {
        kernels->f32_to_bf16(src + i * src_row, dst + i * dst_row, cols);
    }
}

void ae_gemm_activate(ae_activation activation, float *x, int64_t n)
{
    const ae_kernels *kernels = ae_kernels_get();
    switch (activation) {
    case AE_GEMM_RELU:
        kernels->relu(x, x, n);
        break;
    case AE_GEMM_GELU:
        kernels->gelu(x, x, n);
        break;
    case AE_GEMM_GELU_TANH:
        kernels->gelu_tanh(x, x, n);
        break;
    case AE_GEMM_TANH:
        kernels->tanh(x, x, n);
        break;
    case AE_GEMM_SIGMOID:
        kernels->sigmoid(x, x, n);
        break;
    case AE_GEMM_SILU:
        kernels->silu(x, x, n);
        break;
    default:
        break;
    }
}

/* ---- operands that oneDNN does not take as they are -------------------------------------------------------------- */

/* Whether the vectors of an operand overlap, as windows over a sequence do; oneDNN wants them apart. */
static bool overlaps(int64_t rows, int64_t cols, int64_t row, int64_t col)
{
    return rows > 1 && cols > 1 && (col == 1 ? row < cols : col < rows);
}

static bool a_overlaps(const ae_gemm *q)
{
    return overlaps(q->m, q->k, q->a_row, q->a_col);
}

static bool b_overlaps(const ae_gemm *q)
{
    return !q->b_pack && overlaps(q->k, q->n, q->b_row, q->b_col);
}

/* A dense copy of an operand in its orientation, from malloc; the strides become those of the copy. */
static void *dense_copy(const void *src, size_t size, int64_t batch, int64_t rows, int64_t cols, int64_t strides[3])
{
    const bool by_rows = strides[2] == 1;
    const int64_t lines = by_rows ? rows : cols;
    const int64_t length = by_rows ? cols : rows;
    const int64_t step = by_rows ? strides[1] : strides[2];
    const int64_t count = strides[0] ? batch : 1;
    char *dst = malloc((size_t)(count * rows * cols) * size);
    if (!dst) {
        return NULL;
    }
#pragma omp parallel for schedule(static) num_threads(ae_threads()) if (count * rows * cols > PARALLEL_COPY)
    for (int64_t i = 0; i < count * lines; i++) {
        memcpy(dst + (size_t)(i * length) * size,
               (const char *)src + (size_t)(i / lines * strides[0] + i % lines * step) * size, (size_t)length * size);
    }
    strides[0] = strides[0] ? rows * cols : 0;
    strides[1] = by_rows || rows == 1 ? cols : 1;
    strides[2] = by_rows ? 1 : rows;
    return dst;
}

/* Runs q with dense copies of a, b or both. */
static int run_dense(const ae_gemm *q, bool copy_a, bool copy_b, ae_err *e)
{
    ae_gemm p = *q;
    const size_t size = ae_dtype_size(q->a_dtype);
    int64_t a_strides[3] = {q->a_batch, q->a_row, q->a_col};
    int64_t b_strides[3] = {q->b_batch, q->b_row, q->b_col};
    void *a = copy_a ? dense_copy(q->a, size, q->batch, q->m, q->k, a_strides) : NULL;
    void *b = copy_b ? dense_copy(q->b, size, q->batch, q->k, q->n, b_strides) : NULL;
    int result = -1;
    if ((copy_a && !a) || (copy_b && !b)) {
        ae_err_set(e, AE_E_MEMORY, "gemm: no memory for dense copies of [%lld,%lld,%lld] and [%lld,%lld]",
                   (long long)q->batch, (long long)q->m, (long long)q->k, (long long)q->k, (long long)q->n);
    } else {
        p.a = copy_a ? a : q->a;
        p.a_batch = a_strides[0];
        p.a_row = a_strides[1];
        p.a_col = a_strides[2];
        p.b = copy_b ? b : q->b;
        p.b_batch = b_strides[0];
        p.b_row = b_strides[1];
        p.b_col = b_strides[2];
        result = ae_gemm_run_unchecked(&p, e);
    }
    free(a);
    free(b);
    return result;
}

/* ---- f32 --------------------------------------------------------------------------------------------------------- */

/* sgemm knows no bias: C begins as the bias (or has it added), and the product is added to that. */
static float begin_with_bias(const ae_gemm *q, float *c)
{
    if (!q->bias) {
        return q->accumulate ? 1.0F : 0.0F;
    }
    const float *bias = q->bias;
#pragma omp parallel for schedule(static) num_threads(ae_threads()) if (q->m * q->n > PARALLEL_COPY)
    for (int64_t i = 0; i < q->m; i++) {
        float *row = c + i * q->c_row;
        for (int64_t j = 0; j < q->n; j++) {
            row[j] = q->accumulate ? row[j] + bias[j] : bias[j];
        }
    }
    return 1.0F;
}

/* One matrix of the batch. oneDNN refuses before it writes, and refuses every matrix alike. */
static int sgemm_one(const ae_gemm *q, int64_t i)
{
    float *c = (float *)q->c + i * q->c_batch;
    const float beta = begin_with_bias(q, c);
    ae_kernel_called(AE_K_GEMM_SGEMM_F32);
    return ae_onednn_sgemm(q, (const float *)q->a + i * q->a_batch, (const float *)q->b + i * q->b_batch, beta, c);
}

/* The activation of a whole matrix that sgemm wrote: reading it once more costs less than the primitive that would do
 * both at once. */
static void activate_matrix(const ae_gemm *q)
{
#pragma omp parallel for schedule(static) num_threads(ae_threads()) if (q->m * q->n > PARALLEL_COPY)
    for (int64_t i = 0; i < q->m; i++) {
        ae_gemm_activate(q->activation, (float *)q->c + i * q->c_row, q->n);
    }
}

/* Many matrices: one thread each. */
static int run_sgemm(const ae_gemm *q, ae_err *e)
{
    if (q->batch == 1) {
        if (sgemm_one(q, 0)) {
            return ae_err_set(e, AE_E_UNSUPPORTED, "gemm: oneDNN refused an sgemm");
        }
        if (q->activation != AE_GEMM_NONE) {
            activate_matrix(q);
        }
        return 0;
    }
    atomic_int failed = 0;
#pragma omp parallel for schedule(static) num_threads(ae_threads())
    for (int64_t i = 0; i < q->batch; i++) {
        if (sgemm_one(q, i)) {
            atomic_store(&failed, 1);
        }
    }
    return atomic_load(&failed) ? ae_err_set(e, AE_E_UNSUPPORTED, "gemm: oneDNN refused an sgemm") : 0;
}

static double work_of(const ae_gemm *q)
{
    return (double)q->batch * (double)q->m * (double)q->n * (double)q->k;
}

static bool prefers_sgemm(const ae_gemm *q)
{
    return q->batch == 1 && !(q->activation && q->accumulate) && q->m >= SGEMM_ROWS && work_of(q) >= sgemm_work;
}

/* ---- what the primitive refuses ---------------------------------------------------------------------------------- */

/* c = act(sum + bias) (+ c), for one row of f32. */
static void finish_row(const ae_gemm *q, float *sum, const float *bias, float *c)
{
    for (int64_t j = 0; bias && j < q->n; j++) {
        sum[j] += bias[j];
    }
    ae_gemm_activate(q->activation, sum, q->n);
    for (int64_t j = 0; j < q->n; j++) {
        c[j] = q->accumulate ? sum[j] + c[j] : sum[j];
    }
}

/* The rest of the product, for sums that stand dense in f32 and are overwritten; scratch (threads,n) and bias in f32.
 */
static void finish(const ae_gemm *q, float *sums, float *scratch, const float *bias)
{
#pragma omp parallel for schedule(static) num_threads(ae_threads())
    for (int64_t i = 0; i < q->batch * q->m; i++) {
        const int64_t at = i / q->m * q->c_batch + i % q->m * q->c_row;
        if (q->c_dtype == AE_F32) {
            finish_row(q, sums + i * q->n, bias, (float *)q->c + at);
            continue;
        }
        float *row = scratch + omp_get_thread_num() * q->n;
        uint16_t *c = (uint16_t *)q->c + at;
        if (q->accumulate) {
            ae_gemm_widen_rows(row, q->n, c, q->n, 1, q->n);
        }
        finish_row(q, sums + i * q->n, bias, row);
        ae_gemm_narrow_rows(c, q->n, row, q->n, 1, q->n);
    }
}

/* The product of q with its pack written back to plain memory. */
static int run_unblocked(const ae_gemm *q, ae_err *e)
{
    ae_gemm p = *q;
    void *b = ae_gemm_pack_unblock(q->b_pack, e);
    if (!b) {
        return -1;
    }
    p.b = b;
    p.b_pack = NULL;
    const int result = ae_gemm_run_unchecked(&p, e);
    free(b);
    return result;
}

/* The bare product into dense memory from a dense A, which every implementation takes, and the rest afterwards.
 * oneDNN 2.6 refuses, or has only its reference loop for, some activations and sums when rows of C are apart, and packs
 * when rows of A are. */
static int run_detached(const ae_gemm *q, ae_err *e)
{
    ae_gemm p = *q;
    const ae_onednn_pack *pack = q->b_pack ? q->b_pack->blocked : NULL;
    int64_t strides[3] = {q->a_batch, q->a_row, q->a_col};
    void *a = dense_copy(q->a, ae_dtype_size(q->a_dtype), q->batch, q->m, q->k, strides);
    const int64_t count = q->batch * q->m * q->n;
    float *sums = malloc((size_t)(count + (ae_threads() + 1) * q->n) * sizeof *sums);
    int result = -1;
    if (!a || !sums) {
        ae_err_set(e, AE_E_MEMORY, "gemm: no memory for a product [%lld,%lld,%lld] beside its result",
                   (long long)q->batch, (long long)q->m, (long long)q->n);
    } else {
        p.a = a;
        p.a_batch = strides[0];
        p.a_row = strides[1];
        p.a_col = strides[2];
        p.c = sums;
        p.c_dtype = AE_F32;
        p.c_row = q->n;
        p.c_batch = q->batch > 1 ? q->m * q->n : 0;
        p.bias = NULL;
        p.activation = AE_GEMM_NONE;
        p.accumulate = 0;
        result = ae_onednn_matmul(&p, pack, e);
        if (result == 0) {
            const float *bias = q->bias;
            if (q->bias && q->bias_dtype == AE_BF16) {
                bias = sums + count;
                ae_gemm_widen_rows(sums + count, q->n, q->bias, q->n, 1, q->n);
            }
            finish(q, sums, sums + count + q->n, bias);
        }
    }
    free(a);
    free(sums);
    return result <= 0 ? result : pack ? run_unblocked(q, e) : ae_gemm_plain(q, e);
}

static int run_f32(const ae_gemm *q, ae_err *e)
{
    if (!q->b_pack && prefers_sgemm(q)) {
        return run_sgemm(q, e);
    }
    const int result = ae_onednn_matmul(q, q->b_pack ? q->b_pack->blocked : NULL, e);
    if (result <= 0) {
        return result;
    }
    return q->activation == AE_GEMM_NONE && !q->b_pack ? run_sgemm(q, e) : run_detached(q, e);
}

/* ---- bf16 -------------------------------------------------------------------------------------------------------- */

/* A block of the product in f32: rows m0.. and columns n0.. of the matrices b0... */
typedef struct block {
    int64_t batch0;
    int64_t m0;
    int64_t n0;
    float *a; /* the widened operands */
    float *b;
    float *c; /* the result before it is narrowed; unused when c is f32 */
    const float *bias;
} block;

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Widens rows r0.. and columns c0.. of a bf16 operand, each matrix dense in its orientation. */
static void widen_operand(float *dst, const uint16_t *src, int64_t batch, int64_t rows, int64_t cols,
                          const int64_t strides[3])
{
    const bool by_rows = strides[2] == 1;
    const int64_t lines = by_rows ? rows : cols;
    const int64_t length = by_rows ? cols : rows;
    const int64_t step = by_rows ? strides[1] : strides[2];
    const int64_t count = strides[0] ? batch : 1;
    const ae_kernels *kernels = ae_kernels_get();
#pragma omp parallel for schedule(static) num_threads(ae_threads()) if (count * rows * cols > PARALLEL_COPY)
    for (int64_t i = 0; i < count * lines; i++) {
        kernels->bf16_to_f32(src + i / lines * strides[0] + i % lines * step, dst + i * length, length);
    }
}

/* Moves the block of C into f32 (to add to it) or out of it. */
static void move_result(const ae_gemm *q, const block *k, const ae_gemm *p, bool out)
{
    for (int64_t i = 0; i < p->batch; i++) {
        uint16_t *c = (uint16_t *)q->c + (k->batch0 + i) * q->c_batch + k->m0 * q->c_row + k->n0;
        float *wide = k->c + i * p->m * p->n;
        if (out) {
            ae_gemm_narrow_rows(c, q->c_row, wide, p->n, p->m, p->n);
        } else {
            ae_gemm_widen_rows(wide, p->n, c, q->c_row, p->m, p->n);
        }
    }
}

/* Computes one block; p holds its extents. */
static int run_block(const ae_gemm *q, const block *k, ae_gemm *p, ae_err *e)
{
    const int64_t a_strides[3] = {q->a_batch, q->a_row, q->a_col};
    const int64_t b_strides[3] = {q->b_batch, q->b_row, q->b_col};
    widen_operand(k->a, (const uint16_t *)q->a + k->batch0 * q->a_batch + k->m0 * q->a_row, p->batch, p->m, p->k,
                  a_strides);
    p->a_dtype = p->b_dtype = p->c_dtype = AE_F32;
    p->a = k->a;
    p->a_row = q->a_col == 1 || p->m == 1 ? p->k : 1;
    p->a_col = q->a_col == 1 ? 1 : p->m;
    p->a_batch = q->a_batch && p->batch > 1 ? p->m * p->k : 0;
    if (!q->b_pack) {
        widen_operand(k->b, (const uint16_t *)q->b + k->batch0 * q->b_batch + k->n0 * q->b_col, p->batch, p->k, p->n,
                      b_strides);
        p->b = k->b;
        p->b_row = q->b_col == 1 ? p->n : 1;
        p->b_col = q->b_col == 1 ? 1 : p->k;
        p->b_batch = q->b_batch && p->batch > 1 ? p->k * p->n : 0;
    }
    p->bias = k->bias ? k->bias + k->n0 : NULL;
    p->bias_dtype = AE_F32;
    if (q->c_dtype == AE_F32) {
        p->c = (float *)q->c + k->batch0 * q->c_batch + k->m0 * q->c_row + k->n0;
        return run_f32(p, e);
    }
    if (q->accumulate) {
        move_result(q, k, p, false);
    }
    p->c = k->c;
    p->c_row = p->n;
    p->c_batch = p->batch > 1 ? p->m * p->n : 0;
    const int result = run_f32(p, e);
    if (result == 0) {
        move_result(q, k, p, true);
    }
    return result;
}

/* Walks the blocks: several small matrices at a time, or one large one in pieces. */
static int run_blocks(const ae_gemm *q, block *k, int64_t group, int64_t rows, int64_t cols, ae_err *e)
{
    for (k->batch0 = 0; k->batch0 < q->batch; k->batch0 += group) {
        for (k->n0 = 0; k->n0 < q->n; k->n0 += cols) {
            for (k->m0 = 0; k->m0 < q->m; k->m0 += rows) {
                ae_gemm p = *q;
                p.batch = smaller(group, q->batch - k->batch0);
                p.m = smaller(rows, q->m - k->m0);
                p.n = smaller(cols, q->n - k->n0);
                if (run_block(q, k, &p, e)) {
                    return -1;
                }
            }
        }
    }
    return 0;
}

/* bf16 where the processor lacks it: operands widened block by block, then the f32 product. */
static int run_widened(const ae_gemm *q, ae_err *e)
{
    const int64_t rows = smaller(q->m, larger(CHUNK / q->k, 256));
    const int64_t cols = q->b_pack ? q->n : smaller(q->n, larger(CHUNK / q->k, 256));
    const int64_t most = larger(larger(rows * q->k, q->k * cols), rows * cols);
    const bool whole = rows == q->m && cols == q->n;
    const int64_t group = whole ? smaller(q->batch, larger(CHUNK / most, 1)) : 1;
    const size_t a_count = (size_t)(group * rows * q->k);
    const size_t b_count = q->b_pack ? 0 : (size_t)(group * q->k * cols);
    const size_t c_count = q->c_dtype == AE_F32 ? 0 : (size_t)(group * rows * cols);
    float *memory = malloc((a_count + b_count + c_count + (size_t)q->n) * sizeof *memory);
    if (!memory) {
        return ae_err_set(e, AE_E_MEMORY, "gemm: no memory to widen bf16 operands with m %lld, n %lld, k %lld",
                          (long long)q->m, (long long)q->n, (long long)q->k);
    }
    block k = {.a = memory, .b = memory + a_count, .c = memory + a_count + b_count, .bias = q->bias};
    if (q->bias && q->bias_dtype == AE_BF16) {
        float *bias = memory + a_count + b_count + c_count;
        ae_gemm_widen_rows(bias, q->n, q->bias, q->n, 1, q->n);
        k.bias = bias;
    }
    ae_kernel_called(AE_K_GEMM_CONVERTED_BF16);
    const int result = run_blocks(q, &k, group, rows, cols, e);
    free(memory);
    return result;
}

static bool is_dense(int64_t rows, int64_t cols, int64_t row, int64_t col)
{
    return col == 1 ? rows <= 1 || row == cols : col == rows;
}

/* bf16 in hardware. oneDNN 2.6 leaves its fast path for operands that are not dense: a copy costs less. */
static int run_bf16(const ae_gemm *q, ae_err *e)
{
    const ae_onednn_pack *pack = q->b_pack ? q->b_pack->blocked : NULL;
    const bool copy_a = !is_dense(q->m, q->k, q->a_row, q->a_col);
    const bool copy_b = !pack && !is_dense(q->k, q->n, q->b_row, q->b_col);
    char name[AE_ONEDNN_NAME_MAX];
    if ((copy_a || copy_b) && !strncmp(ae_onednn_matmul_name(q, pack, name), "gemm", 4)) {
        return run_dense(q, copy_a, copy_b, e);
    }
    int result = pack ? 1 : ae_onednn_matmul_repacked(q, e);
    if (result == 1) {
        result = ae_onednn_matmul(q, pack, e);
    }
    return result <= 0 ? result : run_detached(q, e);
}

/* ---- dispatch ---------------------------------------------------------------------------------------------------- */

static bool is_plain(const ae_gemm *q)
{
    return q->reference || q->a_dtype == AE_F64 || (!q->b_pack && work_of(q) <= tiny_work) || work_of(q) == 0;
}

int ae_gemm_run_unchecked(const ae_gemm *q, ae_err *e)
{
    if (is_plain(q)) {
        return ae_gemm_plain(q, e);
    }
    if (a_overlaps(q) || b_overlaps(q)) {
        return run_dense(q, a_overlaps(q), b_overlaps(q), e);
    }
    if (q->a_dtype == AE_F32) {
        return run_f32(q, e);
    }
    if (q->a_dtype == AE_BF16) {
        return ae_onednn_has_bf16() ? run_bf16(q, e) : run_widened(q, e);
    }
    const int result = ae_onednn_matmul(q, NULL, e);
    return result <= 0 ? result : q->c_dtype == AE_I32 ? ae_gemm_plain(q, e) : run_detached(q, e);
}

const char *ae_gemm_implementation(const ae_gemm *p, char *text, size_t size)
{
    ae_gemm q;
    char name[AE_ONEDNN_NAME_MAX];
    if (ae_gemm_check(p, &q, NULL)) {
        snprintf(text, size, "%s", "");
    } else if (is_plain(&q)) {
        snprintf(text, size, "plain");
    } else if (q.a_dtype == AE_BF16 && !ae_onednn_has_bf16()) {
        snprintf(text, size, "f32 after widening");
    } else if (q.a_dtype == AE_F32 && !q.b_pack && prefers_sgemm(&q)) {
        snprintf(text, size, "sgemm");
    } else {
        ae_onednn_matmul_name(&q, q.b_pack ? q.b_pack->blocked : NULL, name);
        const char *how = !name[0] ? "in steps" : !q.b_pack && ae_onednn_repacks(&q) ? "packed matmul " : "matmul ";
        snprintf(text, size, "%s%s", how, name);
    }
    return text;
}
