/* Internal to autograd/: how linear reads its weight when no gradient will follow. */
#ifndef AE_AUTOGRAD_LINEAR_INFERENCE_H
#define AE_AUTOGRAD_LINEAR_INFERENCE_H

#include "autograd/op.h"
#include "tensor/gemm.h"

/* Computes y (m,out) = act(x (m,in) weight^T + bias) where streaming the weight or i8 is the way: few rows by a large
 * weight; under AE_I8 every large parameter; else many rows by a copy of a large parameter in oneDNN's layout. x has
 * dense rows; weight is (out,in), or (in,out) with in_out. Returns 0; 1 when this product is for others (nothing was
 * written); -1 after an error. */
int ae_linear_infer(ae_call *c, ae_tensor *x, bool in_out, ae_activation activation, ae_tensor *y);

/* The weight as a matrix (in,out) that a product of many rows reads: under AE_BF16 the rounded copy of a large
 * parameter when no gradient will follow, else a view of the weight itself. Counts its bytes. */
ae_tensor *ae_linear_weight(ae_call *c, bool in_out);

#endif
