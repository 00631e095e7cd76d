/* Reductions over any set of axes. */
#ifndef AE_AUTOGRAD_REDUCE_H
#define AE_AUTOGRAD_REDUCE_H

#include "autograd/op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The sum over n axes (n = 0: over all of them); keepdim leaves extents of 1. f32 sums are pairwise or in double. */
AE_API ae_tensor *ae_sum(ae_graph *g, ae_tensor *x, int n, const int *axes, bool keepdim);

/* The sum over the axes along which `shape` was broadcast to x's shape: the transpose of expand. */
AE_API ae_tensor *ae_sum_to(ae_graph *g, ae_tensor *x, int ndim, const int64_t *shape);

#define AE_REDUCE_OPS(ROW) ROW(sum)

#ifdef __cplusplus
}
#endif
#endif
