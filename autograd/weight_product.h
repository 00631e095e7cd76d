/* Internal to autograd/: products of rows with a weight, in the graph's precision, for ops that run several of them
 * with one weight. */
#ifndef AE_AUTOGRAD_WEIGHT_PRODUCT_H
#define AE_AUTOGRAD_WEIGHT_PRODUCT_H

#include "autograd/op.h"
#include "tensor/gemm.h"

/* A weight as the products read it: dense, and rounded to bf16 under that precision. */
typedef struct ae_weight {
    const void *data;
    ae_dtype dtype;
    int64_t out, in;
    ae_gemm_pack *forward;  /* for products by its transpose, or NULL */
    ae_gemm_pack *backward; /* for products by itself, or NULL */
} ae_weight;

/* Makes w of t (out,in) of f32. rows: of the products that will follow when there are many of them, which makes a pack
 * worthwhile; 0 otherwise. Returns 0 or -1. Give it back with ae_weight_free in any case. */
int ae_weight_make(ae_weight *w, ae_graph *g, ae_tensor *t, int64_t rows, bool backward);
void ae_weight_free(ae_weight *w);

/* c (m,out) = or += a (m,in) w^T [+ bias]. */
int ae_weight_forward(ae_graph *g, const ae_weight *w, int64_t m, const float *a, float *c, const float *bias,
                      bool accumulate);

/* c (m,out) = a w^T [+ bias] into a dense tensor of f32 or bf16. */
int ae_weight_forward_into(ae_graph *g, const ae_weight *w, int64_t m, const float *a, ae_tensor *c, const float *bias);

/* c (m,in) = or += a (m,out) w. a is f32, or bf16 under that precision. */
int ae_weight_backward(ae_graph *g, const ae_weight *w, int64_t m, const void *a, ae_dtype a_dtype, float *c,
                       bool accumulate);

/* dw (out,in) = or += dy^T x over `rows` rows; a part of a wider dy is given by its row stride. dy is f32, or bf16
 * under that precision. */
int ae_weight_gradient(ae_graph *g, int64_t rows, const void *dy, ae_dtype dy_dtype, int64_t dy_row, int64_t out,
                       const float *x, int64_t in, float *dw, bool accumulate);

/* The elementwise sum of two biases, either of which may be NULL; NULL when both are. */
const float *ae_bias_sum(ae_graph *g, ae_tensor *a, ae_tensor *b);

/* Applies an op that computes in f32 alone: bf16 inputs are widened first and, when input 0 is bf16, the outputs
 * rounded afterwards. in is changed. As ae_apply_n. */
int ae_apply_widened(ae_graph *g, const ae_op *op, ae_tensor **in, int n, const void *attr, size_t attr_size,
                     ae_tensor **out);

#endif
