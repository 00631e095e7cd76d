/* Normalisation over the last axis. */
#ifndef AE_AUTOGRAD_NORM_H
#define AE_AUTOGRAD_NORM_H

#include "autograd/op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* gamma (x - mean) / sqrt(var + eps) + beta over the last axis H, var biased; gamma (H) and beta (H) may be NULL.
 * Ba et al. 2016, arXiv:1607.06450, equations 3 and 4. */
AE_API ae_tensor *ae_f_layer_norm(ae_graph *g, ae_tensor *x, ae_tensor *gamma, ae_tensor *beta, double eps);

/* layer_norm(residual + dropout(x)) of x and residual (...,H): what ends a block of a transformer with norms behind.
 * The three in one pass over memory where x and residual have one shape and dtype; else one after the other. Dropout as
 * ae_dropout: nothing unless the graph has AE_DROPOUT and p > 0; an error unless 0 <= p < 1. */
AE_API ae_tensor *ae_f_dropout_add_layer_norm(ae_graph *g, ae_tensor *x, ae_tensor *residual, double p,
                                              ae_tensor *gamma, ae_tensor *beta, double eps);

/* The same with layer_norm_uer below. */
AE_API ae_tensor *ae_f_dropout_add_layer_norm_uer(ae_graph *g, ae_tensor *x, ae_tensor *residual, double p,
                                                  ae_tensor *gamma, ae_tensor *beta, double eps);

/* gamma (x - mean) / (s + eps) + beta with s the unbiased standard deviation: UER-py's layer_norm. The gradient of s
 * counts as 0 in a row whose values are all one. */
AE_API ae_tensor *ae_f_layer_norm_uer(ae_graph *g, ae_tensor *x, ae_tensor *gamma, ae_tensor *beta, double eps);

/* gamma x / sqrt(mean x^2 + eps); gamma may be NULL. Zhang and Sennrich 2019, arXiv:1910.07467, as T5 uses it. */
AE_API ae_tensor *ae_f_rms_norm(ae_graph *g, ae_tensor *x, ae_tensor *gamma, double eps);

#define AE_NORM_OPS(ROW) ROW(layer_norm) ROW(dropout_add_layer_norm) ROW(rms_norm)

#ifdef __cplusplus
}
#endif
#endif
