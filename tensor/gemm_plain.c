/* The plain twin of the matrix product: tiles of C, each summed over k in ascending order by one thread, so the bits
 * do not depend on the number of threads. Operands are copied tile by tile into dense panels of the accumulator's
 * type; that takes every stride and dtype, and leaves one inner loop for the compiler to vectorise. */
#include "tensor/counters.h"
#include "tensor/gemm_internal.h"
#include "tensor/threads.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { TILE_M = 64, TILE_N = 128, TILE_K = 128 };
enum { STACK_BYTES = 16384 };     /* panels of tiny products live on the stack */
enum { PARALLEL_WORK = 1 << 17 }; /* multiplications below which a parallel region costs more than it gives */

typedef enum accumulator { IN_F32, IN_F64, IN_I32 } accumulator;

/* The tile that a thread works on: its place in C and its panels. */
typedef struct tile {
    int64_t batch;
    int64_t row; /* of C */
    int64_t col;
    int64_t rows;
    int64_t cols;
    void *a;   /* (rows, depth), depth up to TILE_K */
    void *b;   /* (depth, cols) */
    void *sum; /* (rows, cols) */
} tile;

/* ---- panels ------------------------------------------------------------------------------------------------------ */

#define AS_IS(x) (x)

/* dst (rows, cols) dense = src with strides. */
#define DEFINE_PANEL(name, src_type, dst_type, CONVERT)                                                                \
    static void name(void *dst_, const void *src_, int64_t rows, int64_t cols, int64_t row, int64_t col)               \
    {                                                                                                                  \
        dst_type *dst = dst_;                                                                                          \
        const src_type *src = src_;                                                                                    \
        for (int64_t i = 0; i < rows; i++) {                                                                           \
            for (int64_t j = 0; j < cols; j++) {                                                                       \
                dst[i * cols + j] = (dst_type)CONVERT(src[i * row + j * col]);                                         \
            }                                                                                                          \
        }                                                                                                              \
    }

DEFINE_PANEL(panel_f32_f32, float, float, AS_IS)
DEFINE_PANEL(panel_f32_f64, float, double, AS_IS)
DEFINE_PANEL(panel_f64_f64, double, double, AS_IS)
DEFINE_PANEL(panel_bf16_f32, uint16_t, float, ae_gemm_widen)
DEFINE_PANEL(panel_bf16_f64, uint16_t, double, ae_gemm_widen)
DEFINE_PANEL(panel_i8_i32, int8_t, int32_t, AS_IS)

typedef void panel_fn(void *dst, const void *src, int64_t rows, int64_t cols, int64_t row, int64_t col);

static panel_fn *panel_of(ae_dtype dtype, accumulator in)
{
    switch (dtype) {
    case AE_F32:
        return in == IN_F64 ? panel_f32_f64 : panel_f32_f32;
    case AE_BF16:
        return in == IN_F64 ? panel_bf16_f64 : panel_bf16_f32;
    case AE_F64:
        return panel_f64_f64;
    default:
        return panel_i8_i32;
    }
}

/* ---- the inner product of two panels ----------------------------------------------------------------------------- */

#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__)
#define EVERY_X86 __attribute__((target_clones("default", "avx2", "avx512f"))) /* the loader picks one; same bits */
#else
#define EVERY_X86
#endif

/* sum (rows,cols) += a (rows,depth) b (depth,cols). Four steps of k share one pass over the row of sums; the additions
 * still happen one after the other. */
#define DEFINE_MULTIPLY(name, type)                                                                                    \
    EVERY_X86 static void name(const tile *t, int64_t depth)                                                           \
    {                                                                                                                  \
        const int64_t cols = t->cols;                                                                                  \
        for (int64_t i = 0; i < t->rows; i++) {                                                                        \
            type *restrict sum = (type *)t->sum + i * cols;                                                            \
            const type *a = (const type *)t->a + i * depth;                                                            \
            const type *b = t->b;                                                                                      \
            int64_t k = 0;                                                                                             \
            for (; k + 4 <= depth; k += 4, b += 4 * cols) {                                                            \
                const type a0 = a[k], a1 = a[k + 1], a2 = a[k + 2], a3 = a[k + 3];                                     \
                for (int64_t j = 0; j < cols; j++) {                                                                   \
                    type s = sum[j] + a0 * b[j];                                                                       \
                    s += a1 * b[cols + j];                                                                             \
                    s += a2 * b[2 * cols + j];                                                                         \
                    sum[j] = s + a3 * b[3 * cols + j];                                                                 \
                }                                                                                                      \
            }                                                                                                          \
            for (; k < depth; k++, b += cols) {                                                                        \
                for (int64_t j = 0; j < cols; j++) {                                                                   \
                    sum[j] += a[k] * b[j];                                                                             \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }

DEFINE_MULTIPLY(multiply_f32, float)
DEFINE_MULTIPLY(multiply_f64, double)
DEFINE_MULTIPLY(multiply_i32, int32_t)

/* ---- what happens after the sum ---------------------------------------------------------------------------------- */

static double read_number(ae_dtype dtype, const void *data, int64_t i)
{
    switch (dtype) {
    case AE_F32:
        return ((const float *)data)[i];
    case AE_F64:
        return ((const double *)data)[i];
    case AE_BF16:
        return ae_gemm_widen(((const uint16_t *)data)[i]);
    default:
        return ((const int32_t *)data)[i];
    }
}

static void write_number(ae_dtype dtype, void *data, int64_t i, double value)
{
    switch (dtype) {
    case AE_F32:
        ((float *)data)[i] = (float)value;
        break;
    case AE_F64:
        ((double *)data)[i] = value;
        break;
    default:
        ((uint16_t *)data)[i] = ae_gemm_narrow((float)value);
        break;
    }
}

/* Integers into integers stay exact: neither alpha nor an activation is allowed there. */
static void finish_row_i32(const ae_gemm *p, const tile *t, int64_t i, int64_t at)
{
    const int32_t *sum = (const int32_t *)t->sum + i * t->cols;
    int32_t *c = (int32_t *)p->c + at;
    for (int64_t j = 0; j < t->cols; j++) {
        const uint32_t bias = p->bias ? (uint32_t)((const int32_t *)p->bias)[t->col + j] : 0;
        const uint32_t old = p->accumulate ? (uint32_t)c[j] : 0;
        c[j] = (int32_t)((uint32_t)sum[j] + bias + old); /* wraps as the vector instructions do */
    }
}

static void finish_row(const ae_gemm *p, const tile *t, accumulator in, int64_t i, int64_t at)
{
    for (int64_t j = 0; j < t->cols; j++) {
        const int64_t s = i * t->cols + j;
        double value = in == IN_F32   ? (double)((const float *)t->sum)[s]
                       : in == IN_F64 ? ((const double *)t->sum)[s]
                                      : (double)((const int32_t *)t->sum)[s];
        value *= (double)p->alpha;
        if (p->bias) {
            value += read_number(p->bias_dtype, p->bias, t->col + j);
        }
        if (p->activation != AE_GEMM_NONE) {
            value = ae_activation_value(p->activation, value);
        }
        if (p->accumulate) {
            value += read_number(p->c_dtype, p->c, at + j);
        }
        write_number(p->c_dtype, p->c, at + j, value);
    }
}

/* Whether C becomes the sums as they are, which is what tiny products mostly ask for. */
static bool is_bare(const ae_gemm *p, accumulator in)
{
    return in == IN_F32 && p->c_dtype == AE_F32 && p->alpha == 1.0F && !p->bias && !p->accumulate &&
           p->activation == AE_GEMM_NONE;
}

/* ---- tiles ------------------------------------------------------------------------------------------------------- */

static size_t accumulator_size(accumulator in)
{
    return in == IN_F64 ? sizeof(double) : sizeof(float);
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void compute_tile(const ae_gemm *p, accumulator in, const tile *t)
{
    const char *a =
        (const char *)p->a + (size_t)(t->batch * p->a_batch + t->row * p->a_row) * ae_dtype_size(p->a_dtype);
    const char *b =
        (const char *)p->b + (size_t)(t->batch * p->b_batch + t->col * p->b_col) * ae_dtype_size(p->b_dtype);
    memset(t->sum, 0, (size_t)(t->rows * t->cols) * accumulator_size(in));
    for (int64_t k = 0; k < p->k; k += TILE_K) {
        const int64_t depth = smaller(TILE_K, p->k - k);
        panel_of(p->a_dtype, in)(t->a, a + (size_t)(k * p->a_col) * ae_dtype_size(p->a_dtype), t->rows, depth, p->a_row,
                                 p->a_col);
        panel_of(p->b_dtype, in)(t->b, b + (size_t)(k * p->b_row) * ae_dtype_size(p->b_dtype), depth, t->cols, p->b_row,
                                 p->b_col);
        if (in == IN_F32) {
            multiply_f32(t, depth);
        } else if (in == IN_F64) {
            multiply_f64(t, depth);
        } else {
            multiply_i32(t, depth);
        }
    }
    const bool bare = is_bare(p, in);
    for (int64_t i = 0; i < t->rows; i++) {
        const int64_t at = t->batch * p->c_batch + (t->row + i) * p->c_row + t->col;
        if (bare) {
            memcpy((float *)p->c + at, (const float *)t->sum + i * t->cols, (size_t)t->cols * sizeof(float));
        } else if (p->c_dtype == AE_I32) {
            finish_row_i32(p, t, i, at);
        } else {
            finish_row(p, t, in, i, at);
        }
    }
}

/* Computes tile `index` of the product with panels in `memory`. */
static void compute_indexed(const ae_gemm *p, accumulator in, int64_t index, char *memory)
{
    const int64_t tiles_m = (p->m + TILE_M - 1) / TILE_M;
    const int64_t tiles_n = (p->n + TILE_N - 1) / TILE_N;
    tile t;
    t.batch = index / (tiles_m * tiles_n);
    t.row = index / tiles_n % tiles_m * TILE_M;
    t.col = index % tiles_n * TILE_N;
    t.rows = smaller(TILE_M, p->m - t.row);
    t.cols = smaller(TILE_N, p->n - t.col);
    const int64_t depth = smaller(TILE_K, p->k);
    const size_t size = accumulator_size(in);
    t.sum = memory;
    t.a = memory + (size_t)(t.rows * t.cols) * size;
    t.b = (char *)t.a + (size_t)(t.rows * depth) * size;
    compute_tile(p, in, &t);
}

static size_t panel_bytes(const ae_gemm *p, accumulator in)
{
    const int64_t rows = smaller(TILE_M, p->m);
    const int64_t cols = smaller(TILE_N, p->n);
    const int64_t depth = smaller(TILE_K, p->k);
    return (size_t)(rows * cols + rows * depth + depth * cols) * accumulator_size(in);
}

static void count_plain(const ae_gemm *p)
{
    ae_kernel_called(p->a_dtype == AE_F32    ? AE_K_GEMM_PLAIN_F32
                     : p->a_dtype == AE_F64  ? AE_K_GEMM_PLAIN_F64
                     : p->a_dtype == AE_BF16 ? AE_K_GEMM_PLAIN_BF16
                                             : AE_K_GEMM_PLAIN_I8);
}

int ae_gemm_plain_unchecked(const ae_gemm *p, ae_err *e)
{
    count_plain(p);
    if (p->batch == 0 || p->m == 0 || p->n == 0) {
        return 0;
    }
    const accumulator in = p->a_dtype == AE_I8 ? IN_I32 : p->a_dtype == AE_F64 || p->reference ? IN_F64 : IN_F32;
    const int64_t tiles = p->batch * ((p->m + TILE_M - 1) / TILE_M) * ((p->n + TILE_N - 1) / TILE_N);
    const size_t bytes = panel_bytes(p, in);
    if (tiles == 1 && bytes <= STACK_BYTES) {
        _Alignas(64) char memory[STACK_BYTES];
        compute_indexed(p, in, 0, memory);
        return 0;
    }
    const double work = (double)p->batch * (double)p->m * (double)p->n * (double)(p->k + 1);
    const int threads = work < PARALLEL_WORK ? 1 : (int)smaller(ae_threads(), tiles);
    char *memory = aligned_alloc(64, (bytes + 63) / 64 * 64 * (size_t)threads);
    if (!memory) {
        return ae_err_set(e, AE_E_MEMORY, "gemm: no memory for the panels of %d threads", threads);
    }
    const size_t each = (bytes + 63) / 64 * 64;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        ae_threads_prepare();
#pragma omp for schedule(static)
        for (int64_t index = 0; index < tiles; index++) {
            compute_indexed(p, in, index, memory + each * (size_t)omp_get_thread_num());
        }
    }
    free(memory);
    return 0;
}
