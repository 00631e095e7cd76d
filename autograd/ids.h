/* Internal to autograd/: integer inputs that name places along an axis. */
#ifndef AE_AUTOGRAD_IDS_H
#define AE_AUTOGRAD_IDS_H

#include "autograd/op.h"

/* Checks in a shape rule that input i is of i64 or i32; returns 0 or -1 after failing. */
int ae_ids_check_dtype(ae_call *c, int i);

/* Input i as a dense tensor of i64 for a forward or vjp, every id checked to lie in 0..extent-1, which is the extent of
 * an axis of input `of` (of < 0: of no tensor, a number of classes). NULL after failing. */
const int64_t *ae_ids(ae_call *c, int i, int64_t extent, int of, int axis);

/* zeros of a shape with src added at ids along an axis: the transpose of gather. src has the shape of ids. */
ae_tensor *ae_scatter_zeros(ae_graph *g, ae_tensor *src, ae_tensor *ids, int axis, const int64_t *shape, int ndim);

#endif
