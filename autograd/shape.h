/* Operations that move or view elements without changing them. */
#ifndef AE_AUTOGRAD_SHAPE_H
#define AE_AUTOGRAD_SHAPE_H

#include "autograd/op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The elements in row-major order under another shape; one extent may be -1. A view where strides allow, else a copy.
 */
AE_API ae_tensor *ae_reshape(ae_graph *g, ae_tensor *x, int ndim, const int64_t *shape);

/* Axis i of the result is axis axes[i] of x; a view. */
AE_API ae_tensor *ae_permute(ae_graph *g, ae_tensor *x, const int *axes);

/* Two axes exchanged; a view. */
AE_API ae_tensor *ae_transpose(ae_graph *g, ae_tensor *x, int a, int b);

/* x broadcast to a shape; a view with stride 0 along new and widened axes. */
AE_API ae_tensor *ae_expand(ae_graph *g, ae_tensor *x, int ndim, const int64_t *shape);

/* Elements start, start + step, ... below stop along an axis; start and stop may be negative; step > 0; a view. */
AE_API ae_tensor *ae_slice(ae_graph *g, ae_tensor *x, int axis, int64_t start, int64_t stop, int64_t step);

/* A contiguous tensor of the same values: x itself or a copy, with gradient. */
AE_API ae_tensor *ae_contiguous(ae_graph *g, ae_tensor *x);

#define AE_SHAPE_OPS(ROW) ROW(reshape) ROW(permute) ROW(expand) ROW(slice) ROW(unslice) ROW(contiguous)

#ifdef __cplusplus
}
#endif
#endif
