/* A weight as inference reads it: rows (out,in) kept in f32, bf16 or i8, and products of a few rows of activations with
 * it, which are bound by reading the weight. The weight is read once, in the order in which it lies in memory, and
 * widened in registers, so that bf16 takes half and i8 a quarter of the time of f32 on every processor.
 *
 * i8 is symmetric: row j of the weight is scale[j]·q with q in -127..127, scale[j] = max|w[j]| / 127; every row of the
 * activations is brought to the same form when it comes ("dynamic"). Products are summed in i32, exactly, and scaled to
 * f32 as they leave, bias added. Products of many rows go to oneDNN with the weight in its own layout. */
#ifndef AE_TENSOR_ROW_WEIGHT_H
#define AE_TENSOR_ROW_WEIGHT_H

#include "tensor/gemm.h"

struct ae_onednn_pack;

typedef struct ae_row_weight {
    ae_dtype dtype; /* AE_F32, AE_BF16 or AE_I8 */
    bool in_out;    /* data lies (in,out): f32 that is borrowed */
    int64_t out;
    int64_t in;
    const void *data;               /* (out,in) */
    float *scale;                   /* (out); i8 alone */
    void *memory;                   /* what data and scale lie in when it is owned, else NULL */
    struct ae_onednn_pack *blocked; /* i8: for products of many rows; NULL until ae_row_weight_block */
} ae_row_weight;

/* f32 weights where they are; nothing is owned. */
ae_row_weight ae_row_weight_borrow(const float *data, int64_t out, int64_t in, bool in_out);

/* Memory for a weight of bf16 or i8, to be filled; free with ae_row_weight_free. Returns 0, or -1: AE_E_MEMORY. */
int ae_row_weight_new(ae_row_weight *w, ae_dtype dtype, int64_t out, int64_t in, ae_err *e);

/* Rounds f32 values into w, in place: element (j,p) is values[j·out_stride + p·in_stride], one stride is 1. A layout
 * that was made is filled as well. Returns 0, or -1: AE_E_MEMORY, or what oneDNN says. */
int ae_row_weight_fill(ae_row_weight *w, const float *values, int64_t out_stride, int64_t in_stride, ae_err *e);

/* Adds oneDNN's layout to a filled weight of i8, where oneDNN has a fast product and it is not there yet. */
int ae_row_weight_block(ae_row_weight *w, ae_err *e);

size_t ae_row_weight_bytes(const ae_row_weight *w); /* that are owned */
void ae_row_weight_free(ae_row_weight *w);          /* and zeroes it */

/* The rows of activations up to which a product streams the weight; above, i8 wants ae_row_weight_block, and f32 and
 * bf16 are better served by ae_gemm_run. */
int64_t ae_row_weight_most_rows(const ae_row_weight *w);

/* Bytes of scratch memory that a product with m rows needs; 0 for f32 and bf16. */
size_t ae_row_weight_scratch(const ae_row_weight *w, int64_t m);

/* y (m,out) = x (m,in) wᵀ + bias (out), bias NULL for none. Rows of x are dense, x_row elements apart; y is dense. A
 * row of x that holds NaN or infinity gives a row of NaN in i8. Returns 0, or -1 with e filled by oneDNN. */
int ae_row_weight_product(const ae_row_weight *w, int64_t m, const float *x, int64_t x_row, const float *bias, float *y,
                          void *scratch, ae_err *e);

/* The same in portable C, summed in f64 (i8: in i32); never fails. */
void ae_row_weight_product_plain(const ae_row_weight *w, int64_t m, const float *x, int64_t x_row, const float *bias,
                                 float *y, void *scratch);

#endif
