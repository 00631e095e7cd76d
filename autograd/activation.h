/* Activation functions. Every one keeps shape and dtype, takes floats, and is differentiable any number of times. */
#ifndef AE_AUTOGRAD_ACTIVATION_H
#define AE_AUTOGRAD_ACTIVATION_H

#include "autograd/op.h"

#ifdef __cplusplus
extern "C" {
#endif

AE_API ae_tensor *ae_relu(ae_graph *g, ae_tensor *x);      /* max(x, 0); the derivative at 0 is 0 */
AE_API ae_tensor *ae_gelu(ae_graph *g, ae_tensor *x);      /* x Phi(x), Phi(x) = (1 + erf(x / sqrt 2)) / 2 */
AE_API ae_tensor *ae_gelu_tanh(ae_graph *g, ae_tensor *x); /* x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2 */
AE_API ae_tensor *ae_silu(ae_graph *g, ae_tensor *x);      /* x sigmoid(x) */
AE_API ae_tensor *ae_softplus(ae_graph *g, ae_tensor *x);  /* log(1 + e^x), without overflow */
AE_API ae_tensor *ae_tanh(ae_graph *g, ae_tensor *x);      /* (e^x - e^-x) / (e^x + e^-x) */
AE_API ae_tensor *ae_sigmoid(ae_graph *g, ae_tensor *x);   /* 1 / (1 + e^-x) */

#define AE_ACTIVATION_OPS(ROW) ROW(relu) ROW(gelu) ROW(gelu_tanh) ROW(silu) ROW(softplus) ROW(tanh) ROW(sigmoid)

#ifdef __cplusplus
}
#endif
#endif
