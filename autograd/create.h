/* Tensors out of nothing. */
#ifndef AE_AUTOGRAD_CREATE_H
#define AE_AUTOGRAD_CREATE_H

#include "autograd/op.h"

#ifdef __cplusplus
extern "C" {
#endif

AE_API ae_tensor *ae_full(ae_graph *g, ae_dtype dtype, int ndim, const int64_t *shape, double value);
AE_API ae_tensor *ae_zeros(ae_graph *g, ae_dtype dtype, int ndim, const int64_t *shape);
AE_API ae_tensor *ae_scalar(ae_graph *g, ae_dtype dtype, double value); /* rank 0 */

#ifdef __cplusplus
}
#endif
#endif
