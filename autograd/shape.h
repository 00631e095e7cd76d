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

/* A new axis of extent 1 that stands at `axis` of the result (-1: last). */
AE_API ae_tensor *ae_unsqueeze(ae_graph *g, ae_tensor *x, int axis);

/* An axis of extent 1 taken off; another extent is an error. */
AE_API ae_tensor *ae_squeeze(ae_graph *g, ae_tensor *x, int axis);

/* Axes first..last as one. */
AE_API ae_tensor *ae_flatten(ae_graph *g, ae_tensor *x, int first, int last);

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

/* n consecutive pieces along an axis, views, into out[0..n): sizes[i] elements each, which add up to the extent; NULL
 * means equal parts. Returns 0, or -1 with out all the bad tensor. */
AE_API int ae_split(ae_graph *g, ae_tensor *x, int axis, int n, const int64_t *sizes, ae_tensor **out);

/* n tensors one after the other along an axis; their other extents are equal. Floats of two dtypes promote. */
AE_API ae_tensor *ae_concat(ae_graph *g, ae_tensor *const *xs, int n, int axis);

/* n tensors of one shape along a new axis that stands at `axis` of the result. */
AE_API ae_tensor *ae_stack(ae_graph *g, ae_tensor *const *xs, int n, int axis);

/* x with before[i] and after[i] elements of a value added at the ends of axis i. */
AE_API ae_tensor *ae_pad(ae_graph *g, ae_tensor *x, const int64_t *before, const int64_t *after, double value);

/* The elements in reverse order along n axes; a copy, since strides are never negative. */
AE_API ae_tensor *ae_flip(ae_graph *g, ae_tensor *x, int n, const int *axes);

/* Element i goes to place i + shift along an axis, around the end; shift may be negative. */
AE_API ae_tensor *ae_roll(ae_graph *g, ae_tensor *x, int64_t shift, int axis);

/* Elements [i, i + offset] of two axes as a last axis, in place of the two; a view. */
AE_API ae_tensor *ae_diagonal(ae_graph *g, ae_tensor *x, int64_t offset, int axis1, int axis2);

/* The last axis of x (...,n) on a diagonal of zeros (..., n + |offset|, n + |offset|). */
AE_API ae_tensor *ae_diag_embed(ae_graph *g, ae_tensor *x, int64_t offset);

/* The diagonal of a matrix, or the matrix with a vector on that diagonal, as torch.diag. */
AE_API ae_tensor *ae_diag(ae_graph *g, ae_tensor *x, int64_t offset);

/* x (...,M,N) with zeros above (tril) or below (triu) diagonal k. */
AE_API ae_tensor *ae_tril(ae_graph *g, ae_tensor *x, int64_t k);
AE_API ae_tensor *ae_triu(ae_graph *g, ae_tensor *x, int64_t k);

#define AE_SHAPE_OPS(ROW)                                                                                              \
    ROW(reshape)                                                                                                       \
    ROW(permute)                                                                                                       \
    ROW(expand)                                                                                                        \
    ROW(slice)                                                                                                         \
    ROW(unslice)                                                                                                       \
    ROW(contiguous)                                                                                                    \
    ROW(split) ROW(concat) ROW(pad) ROW(flip) ROW(diagonal) ROW(diag_embed) ROW(tril) ROW(triu)

#ifdef __cplusplus
}
#endif
#endif
