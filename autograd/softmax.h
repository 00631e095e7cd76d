/* Softmax and its logarithm. */
#ifndef AE_AUTOGRAD_SOFTMAX_H
#define AE_AUTOGRAD_SOFTMAX_H

#include "autograd/op.h"

#ifdef __cplusplus
extern "C" {
#endif

AE_API ae_tensor *ae_softmax(ae_graph *g, ae_tensor *x, int axis);     /* e^x / sum over the axis of e^x */
AE_API ae_tensor *ae_log_softmax(ae_graph *g, ae_tensor *x, int axis); /* x - log sum over the axis of e^x */

#define AE_SOFTMAX_OPS(ROW) ROW(softmax) ROW(log_softmax)

#ifdef __cplusplus
}
#endif
#endif
