/* Matrix products. Large ones run through tensor/gemm.h; under ae_graph_precision(g, AE_BF16) f32 operands are rounded
 * to bf16 and the products are summed in f32. */
#ifndef AE_AUTOGRAD_MATMUL_H
#define AE_AUTOGRAD_MATMUL_H

#include "autograd/op.h"
#include "tensor/gemm.h"

#ifdef __cplusplus
extern "C" {
#endif

/* a (...,M,K) times b (...,K,N) gives (...,M,N); leading axes broadcast; a vector counts as a row on the left and as a
 * column on the right, and its axis of 1 is taken off the result. Of bf16 and f32 both become bf16 under that
 * precision, f32 otherwise. */
AE_API ae_tensor *ae_matmul(ae_graph *g, ae_tensor *a, ae_tensor *b);

/* x (...,I), weight (O,I), bias (O) or NULL: x weight^T + bias, (...,O), in x's dtype, or bf16 under that precision. x
 * may be bf16 where weight and bias are f32. */
AE_API ae_tensor *ae_f_linear(ae_graph *g, ae_tensor *x, ae_tensor *weight, ae_tensor *bias);

/* x (...,I), weight (I,O), bias (O) or NULL: x weight + bias; the "Conv1D" of GPT and GPT-2. */
AE_API ae_tensor *ae_f_linear_in_out(ae_graph *g, ae_tensor *x, ae_tensor *weight, ae_tensor *bias);

/* act(x weight^T + bias), or act(x weight + bias) with in_out. Without AE_GRAD in one: the activation is computed while
 * the product's rows are at hand. Outside the list of tensor/gemm.h it fails the graph. */
AE_API ae_tensor *ae_f_linear_act(ae_graph *g, ae_tensor *x, ae_tensor *weight, ae_tensor *bias, bool in_out,
                                  ae_activation activation);

/* act(x) weight^T + bias, or act(x) weight + bias with in_out. x alone is kept for backward, which computes act(x) once
 * more. Outside the list of tensor/gemm.h it fails the graph. */
AE_API ae_tensor *ae_f_act_linear(ae_graph *g, ae_activation activation, ae_tensor *x, ae_tensor *weight,
                                  ae_tensor *bias, bool in_out);

#define AE_MATMUL_OPS(ROW) ROW(matmul) ROW(linear) ROW(act_linear)

#ifdef __cplusplus
}
#endif
#endif
