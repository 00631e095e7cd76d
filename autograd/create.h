/* Tensors out of nothing: values that are known without data. None of them has a gradient. An impossible shape and no
 * memory are errors in the graph. */
#ifndef AE_AUTOGRAD_CREATE_H
#define AE_AUTOGRAD_CREATE_H

#include "autograd/op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Every element equal to value, 0 or 1. */
AE_API ae_tensor *ae_full(ae_graph *g, ae_dtype dtype, int ndim, const int64_t *shape, double value);
AE_API ae_tensor *ae_zeros(ae_graph *g, ae_dtype dtype, int ndim, const int64_t *shape);
AE_API ae_tensor *ae_ones(ae_graph *g, ae_dtype dtype, int ndim, const int64_t *shape);
AE_API ae_tensor *ae_scalar(ae_graph *g, ae_dtype dtype, double value); /* rank 0 */

/* start, start + step, ... below stop (above it when step < 0): shape (ceil((stop - start) / step)), or (0). An error
 * when step is 0 or a bound is not finite. */
AE_API ae_tensor *ae_arange(ae_graph *g, ae_dtype dtype, double start, double stop, double step);

/* n values at equal distances, the first start and the last stop exactly: shape (n). An error when n < 0. */
AE_API ae_tensor *ae_linspace(ae_graph *g, ae_dtype dtype, double start, double stop, int64_t n);

/* Ones on the diagonal, zeros elsewhere: shape (rows,columns). */
AE_API ae_tensor *ae_eye(ae_graph *g, ae_dtype dtype, int64_t rows, int64_t columns);

#ifdef __cplusplus
}
#endif
#endif
