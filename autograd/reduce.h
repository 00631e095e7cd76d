/* Reductions over any set of axes: n = 0 means all of them, keepdim leaves extents of 1. Floats are accumulated in
 * double; results have the same bits for any number of threads. */
#ifndef AE_AUTOGRAD_REDUCE_H
#define AE_AUTOGRAD_REDUCE_H

#include "autograd/op.h"

#ifdef __cplusplus
extern "C" {
#endif

AE_API ae_tensor *ae_sum(ae_graph *g, ae_tensor *x, int n, const int *axes, bool keepdim);  /* bool counts in i64 */
AE_API ae_tensor *ae_mean(ae_graph *g, ae_tensor *x, int n, const int *axes, bool keepdim); /* floats; NaN of nothing */
AE_API ae_tensor *ae_prod(ae_graph *g, ae_tensor *x, int n, const int *axes, bool keepdim);

/* The largest and the smallest element, NaN when there is one; the gradient goes to the first one in row-major order.
 * Axes without elements are an error. */
AE_API ae_tensor *ae_max(ae_graph *g, ae_tensor *x, int n, const int *axes, bool keepdim);
AE_API ae_tensor *ae_min(ae_graph *g, ae_tensor *x, int n, const int *axes, bool keepdim);

/* The place of the first largest or smallest element along one axis: AE_I64, no gradient. */
AE_API ae_tensor *ae_argmax(ae_graph *g, ae_tensor *x, int axis, bool keepdim);
AE_API ae_tensor *ae_argmin(ae_graph *g, ae_tensor *x, int axis, bool keepdim);

/* Whether any or all elements are not zero: AE_BOOL, no gradient; false and true for no elements. */
AE_API ae_tensor *ae_any(ae_graph *g, ae_tensor *x, int n, const int *axes, bool keepdim);
AE_API ae_tensor *ae_all(ae_graph *g, ae_tensor *x, int n, const int *axes, bool keepdim);

/* sum (x - mean)^2 / (N - correction) over N elements, and its root; correction 1 is the unbiased one. The derivative
 * of std where it is 0 is 0. */
AE_API ae_tensor *ae_var(ae_graph *g, ae_tensor *x, int n, const int *axes, int correction, bool keepdim);
AE_API ae_tensor *ae_std(ae_graph *g, ae_tensor *x, int n, const int *axes, int correction, bool keepdim);

/* (sum |x|^p)^(1/p), p > 0; p = INFINITY is the largest |x|. The derivative at 0 is 0. */
AE_API ae_tensor *ae_norm(ae_graph *g, ae_tensor *x, double p, int n, const int *axes, bool keepdim);

/* log sum e^x, without overflow; -inf of nothing but -inf. */
AE_API ae_tensor *ae_logsumexp(ae_graph *g, ae_tensor *x, int n, const int *axes, bool keepdim);

/* y_i = x_0 + ... + x_i along an axis. */
AE_API ae_tensor *ae_cumsum(ae_graph *g, ae_tensor *x, int axis);

/* The sum over the axes along which `shape` was broadcast to x's shape: the transpose of expand. */
AE_API ae_tensor *ae_sum_to(ae_graph *g, ae_tensor *x, int ndim, const int64_t *shape);

#define AE_REDUCE_OPS(ROW)                                                                                             \
    ROW(sum)                                                                                                           \
    ROW(mean)                                                                                                          \
    ROW(max)                                                                                                           \
    ROW(min)                                                                                                           \
    ROW(argmax)                                                                                                        \
    ROW(argmin)                                                                                                        \
    ROW(any)                                                                                                           \
    ROW(all)                                                                                                           \
    ROW(prod)                                                                                                          \
    ROW(cumsum)

#ifdef __cplusplus
}
#endif
#endif
