/* Products over named axes, composed of permute, reshape, matmul, mul and sum. */
#ifndef AE_AUTOGRAD_EINSUM_H
#define AE_AUTOGRAD_EINSUM_H

#include "autograd/op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* n tensors multiplied and summed as NumPy's einsum says: letters name axes, one side of "->" the inputs between
 * commas, the other the result; without "->" the result has the letters that occur once, in alphabetical order. A
 * letter twice in one input takes its diagonal; "..." stands for axes that broadcast. Inputs are multiplied from left
 * to right. */
AE_API ae_tensor *ae_einsum(ae_graph *g, const char *equation, ae_tensor *const *xs, int n);

AE_API ae_tensor *ae_outer(ae_graph *g, ae_tensor *x, ae_tensor *y); /* (M), (N) -> (M,N): x_i y_j */
AE_API ae_tensor *ae_dot(ae_graph *g, ae_tensor *x, ae_tensor *y);   /* (N), (N) -> (): sum x_i y_i */

/* The last n axes of x summed against the first n of y. */
AE_API ae_tensor *ae_tensordot(ae_graph *g, ae_tensor *x, ae_tensor *y, int n);

#ifdef __cplusplus
}
#endif
#endif
