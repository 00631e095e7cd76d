/* Operations that pick and place elements by integer ids (i64 or i32, never negative). */
#ifndef AE_AUTOGRAD_INDEX_H
#define AE_AUTOGRAD_INDEX_H

#include "autograd/op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Rows of a table (V,H) by ids of any shape: ids.shape + (H). The row padding_idx (-1: none) gets no gradient through
 * this look-up, as in PyTorch. An id outside 0..V-1 is an error that names it and the table. The gradient is the same
 * to the bit for any number of threads. */
AE_API ae_tensor *ae_f_embedding(ae_graph *g, ae_tensor *table, ae_tensor *ids, int64_t padding_idx);

/* The slices of x at ids along an axis; ids of any shape, whose axes take the place of that axis. For ids of rank 1
 * this is torch.index_select. */
AE_API ae_tensor *ae_index_select(ae_graph *g, ae_tensor *x, int axis, ae_tensor *ids);

/* x with the slices of src added at ids along an axis; ids that repeat add up. src has the shape that index_select
 * gives. */
AE_API ae_tensor *ae_index_add(ae_graph *g, ae_tensor *x, int axis, ae_tensor *ids, ae_tensor *src);

/* Single elements along an axis, as torch.gather: for axis 0 of a matrix y[i, j] = x[ids[i, j], j]. ids has the rank of
 * x and the shape of the result; its extents may be smaller than those of x, and along the axis any. */
AE_API ae_tensor *ae_gather(ae_graph *g, ae_tensor *x, int axis, ae_tensor *ids);

/* The same under NumPy's name. */
AE_API ae_tensor *ae_take_along(ae_graph *g, ae_tensor *x, int axis, ae_tensor *ids);

/* x with src added at ids along an axis: for axis 0 of a matrix y[ids[i, j], j] += src[i, j]. src has the shape of ids.
 */
AE_API ae_tensor *ae_scatter_add(ae_graph *g, ae_tensor *x, int axis, ae_tensor *ids, ae_tensor *src);

/* ids.shape + (classes) of a dtype: one at each id, zero elsewhere. No gradient. */
AE_API ae_tensor *ae_one_hot(ae_graph *g, ae_tensor *ids, int64_t classes, ae_dtype dtype);

/* x in ascending or descending order along an axis: stable, NaN greatest. Unless NULL, *ids receives the places
 * (AE_I64); take_along(x, axis, ids) is the result. */
AE_API ae_tensor *ae_sort(ae_graph *g, ae_tensor *x, int axis, bool descending, ae_tensor **ids);

/* The places alone. */
AE_API ae_tensor *ae_argsort(ae_graph *g, ae_tensor *x, int axis, bool descending);

/* The k largest or smallest along an axis, in that order, the first of equals first; *ids as in ae_sort. */
AE_API ae_tensor *ae_topk(ae_graph *g, ae_tensor *x, int64_t k, int axis, bool largest, ae_tensor **ids);

#define AE_INDEX_OPS(ROW)                                                                                              \
    ROW(embedding)                                                                                                     \
    ROW(index_select)                                                                                                  \
    ROW(index_sum)                                                                                                     \
    ROW(gather)                                                                                                        \
    ROW(scatter_sum)                                                                                                   \
    ROW(one_hot)                                                                                                       \
    ROW(sort)                                                                                                          \
    ROW(topk)

#ifdef __cplusplus
}
#endif
#endif
