/* The matrix product, the one kernel nearly all time goes into:
 *
 *     C[b] = act(alpha * A[b] B[b] + bias)        or, with accumulate,        C[b] += act(alpha * A[b] B[b] + bias)
 *
 * for b in 0..batch-1, A (m,k), B (k,n), C (m,n), bias (n). ae_gemm_run chooses the fastest path that fits;
 * ae_gemm_plain states what all of them mean. Operands are raw memory with strides: shapes, promotion and gradients
 * are the business of autograd/matmul. */
#ifndef AE_TENSOR_GEMM_H
#define AE_TENSOR_GEMM_H

#include "tensor/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One row an activation: symbol, name, formula. */
#define AE_ACTIVATIONS(ROW)                                                                                            \
    ROW(AE_GEMM_NONE, "none")           /* x */                                                                        \
    ROW(AE_GEMM_RELU, "relu")           /* max(x, 0) */                                                                \
    ROW(AE_GEMM_GELU, "gelu")           /* x/2 (1 + erf(x/sqrt 2)) */                                                  \
    ROW(AE_GEMM_GELU_TANH, "gelu_tanh") /* x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */                            \
    ROW(AE_GEMM_TANH, "tanh")           /* tanh x */                                                                   \
    ROW(AE_GEMM_SIGMOID, "sigmoid")     /* 1/(1 + exp(-x)) */                                                          \
    ROW(AE_GEMM_SILU, "silu")           /* x/(1 + exp(-x)) */

typedef enum ae_activation {
#define AE_ACTIVATION_ENUM(symbol, name) symbol,
    AE_ACTIVATIONS(AE_ACTIVATION_ENUM)
#undef AE_ACTIVATION_ENUM
        AE_ACTIVATION_COUNT
} ae_activation;

AE_API const char *ae_activation_name(ae_activation activation); /* "gelu"; "?" outside the list */

/* Finds an activation by its name; returns 0, or -1 when there is none. */
AE_API int ae_activation_parse(const char *name, ae_activation *activation);

/* The value of an activation at x, in double precision. */
AE_API double ae_activation_value(ae_activation activation, double x);

/* x[i] = act(x[i]) for n numbers, by the kernel of this processor; AE_GEMM_NONE leaves them. */
AE_API void ae_gemm_activate(ae_activation activation, float *x, int64_t n);

typedef struct ae_gemm_pack ae_gemm_pack;

/* One product. Begin with ae_gemm_dense, or with `ae_gemm p = {.alpha = 1}`; zero elsewhere means: no bias, no
 * activation, no accumulation.
 *
 *     a, b    c           bias             accumulates in
 *     f32     f32         f32              f32
 *     f64     f64         f64              f64
 *     bf16    f32, bf16   f32, bf16        f32
 *     i8      i32         i32              i32; alpha 1 and no activation
 *     i8      f32         f32              i32, the rest in f32 */
typedef struct ae_gemm {
    ae_dtype a_dtype;
    ae_dtype b_dtype;
    ae_dtype c_dtype;
    int64_t batch; /* extents; each may be 0. k = 0 gives act(bias) */
    int64_t m;
    int64_t n;
    int64_t k;
    const void *a;   /* (batch,m,k) */
    int64_t a_row;   /* strides in elements, never negative: one of row and column stride is 1, */
    int64_t a_col;   /* where the extent is over 1 */
    int64_t a_batch; /* 0 uses the same matrix for every b */
    const void *b;   /* (batch,k,n); not read when b_pack is given */
    int64_t b_row;   /* b_row steps k, b_col steps n: weights (out,in) have b_row 1, b_col in */
    int64_t b_col;
    int64_t b_batch;
    void *c;       /* (batch,m,n); overlaps neither a nor b */
    int64_t c_row; /* at least n; c's column stride is 1 */
    int64_t c_batch;
    const void *bias; /* (n), or NULL */
    ae_dtype bias_dtype;
    int accumulate;             /* add to what c holds; otherwise c is only written */
    ae_activation activation;   /* after the bias; its input is not kept, so this is for inference */
    float alpha;                /* 1 for the product itself; it has no default */
    int reference;              /* take the plain twin, f32 and bf16 products accumulated in f64: for tests */
    const ae_gemm_pack *b_pack; /* B packed by ae_gemm_pack_new for this n, k, dtype and batch 1; or NULL */
} ae_gemm;

/* A dense row-major product with alpha 1: a (m,k), b (k,n), c (m,n), all of one dtype, batch 1. */
AE_API ae_gemm ae_gemm_dense(ae_dtype dtype, int64_t m, int64_t n, int64_t k, const void *a, const void *b, void *c);

/* Computes p on the fastest path that fits: oneDNN for f32, bf16 and i8 products worth its call, the plain twin for
 * f64, empty extents, tiny products, and whatever oneDNN does not implement on this processor (bf16 there is widened
 * to f32 first). Same machine, threads and library: the same bits. May be called from several threads at once.
 * A program's own signal handlers must not run on the stack of a thread that computes: oneDNN's kernels lend its stack
 * pointer to their operands. Block the signal on such threads (apps/stop_signal.c does), or give the handler
 * SA_ONSTACK. Returns 0, or -1: AE_E_DTYPE, AE_E_SHAPE (negative extents or strides that do not fit), AE_E_VALUE (NULL
 * operands, an unknown activation), AE_E_MEMORY. */
AE_API int ae_gemm_run(const ae_gemm *p, ae_err *e);

/* Operations that ae_gemm_run has made in this process, from any thread: 2 m n k a matrix. */
AE_API double ae_gemm_flop(void);

/* The same product in portable C, on every dtype; same errors. A pack is read back. */
AE_API int ae_gemm_plain(const ae_gemm *p, ae_err *e);

/* Writes which implementation ae_gemm_run would take ("matmul brg:avx512_core", "packed matmul ..." where B is first
 * copied into oneDNN's own layout, "sgemm", "plain") into text, cut to size with its terminating zero, and returns
 * text. Empty when p is in error. */
AE_API const char *ae_gemm_implementation(const ae_gemm *p, char *text, size_t size);

/* ---- packed weights ---------------------------------------------------------------------------------------------- */

/* A copy of B (k,n) in the layout that oneDNN likes best for products of m rows; other m work too. Worth it when the
 * same weights meet many products. NULL on error (as ae_gemm_run; AE_E_UNSUPPORTED for f64 and for batch over 1).
 * The caller frees it with ae_gemm_pack_free. */
AE_API ae_gemm_pack *ae_gemm_pack_new(const ae_gemm *p, ae_err *e);

/* Fills the pack anew from weights of the same extents, dtype and strides as p's, in place. */
AE_API int ae_gemm_pack_refill(ae_gemm_pack *pack, const void *b, ae_err *e);

/* Whether oneDNN offered a layout of its own; else the pack is rows (k,n), which nothing is faster for. */
AE_API bool ae_gemm_pack_is_blocked(const ae_gemm_pack *pack);

AE_API size_t ae_gemm_pack_bytes(const ae_gemm_pack *pack); /* what it holds; 0 for NULL */
AE_API void ae_gemm_pack_free(ae_gemm_pack *pack);          /* NULL is allowed */

#ifdef __cplusplus
}
#endif
#endif
