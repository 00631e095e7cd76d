/* The matrix products that the weights of a model take part in, and how fast this machine makes them. */
#ifndef AE_APPS_BENCH_MATMUL_H
#define AE_APPS_BENCH_MATMUL_H

#include "nn/model.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { AE_BENCH_PRODUCTS = 96 }; /* a model has few different shapes */

/* One shape of product, (m,k) by (k,n), and how many weights of the model make it. */
typedef struct ae_bench_product {
    const char *what; /* "forward", "input gradient", "weight gradient" */
    int64_t m, n, k;
    bool a_transposed, b_transposed; /* as they lie in memory */
    int count;
} ae_bench_product;

/* Fills the list with the different products of every weight matrix and `rows` rows: y = x W^T, and with training
 * dx = dy W and dW = dy^T x. Embeddings, and heads that see one row a text, are left out. Returns how many; at most
 * AE_BENCH_PRODUCTS. */
AE_API int ae_bench_products(const ae_model *root, int64_t rows, bool training, ae_bench_product *list);

/* Seconds of one product of f32, bf16 or i8 operands into f32, the best of `runs`. 0 and an error on failure. */
AE_API double ae_bench_product_seconds(const ae_bench_product *p, ae_dtype precision, int runs, ae_err *e);

/* Writes the name of the implementation that makes it into text, as ae_gemm_implementation does; returns text. */
AE_API const char *ae_bench_product_implementation(const ae_bench_product *p, ae_dtype precision, char *text,
                                                   size_t size);

/* Operations of one product. */
AE_API double ae_bench_product_flop(const ae_bench_product *p);

/* GFLOP/s of all of ae_bench_products together, each at its best of four; 0 for a model without any. */
AE_API double ae_bench_matmul_rate(const ae_model *root, int64_t rows, bool training, ae_dtype precision, ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
