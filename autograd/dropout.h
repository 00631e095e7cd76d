/* Dropout (Srivastava et al. 2014), scaled when training so that nothing remains to be done when it is off. */
#ifndef AE_AUTOGRAD_DROPOUT_H
#define AE_AUTOGRAD_DROPOUT_H

#include "autograd/op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Zero with probability p, else x / (1 - p), each element by itself; x itself unless the graph has AE_DROPOUT and p > 0
 * (then no draw is taken either). The mask is never stored: backward makes it again from the key of the draw. An error
 * unless 0 <= p < 1. */
AE_API ae_tensor *ae_dropout(ae_graph *g, ae_tensor *x, double p);

/* The same with one decision for all elements along n axes: the mask has extent 1 there. Variational dropout (Gal and
 * Ghahramani 2016) shares it over time; dropping whole channels or rows is the same thing. */
AE_API ae_tensor *ae_dropout_shared(ae_graph *g, ae_tensor *x, double p, int n, const int *axes);

/* Dropout of the draw that key names, whatever the graph's flags: what ops with a dropout inside decompose into. */
ae_tensor *ae_dropout_keyed(ae_graph *g, ae_tensor *x, double p, const ae_random_key *key);

#define AE_DROPOUT_OPS(ROW) ROW(dropout)

#ifdef __cplusplus
}
#endif
#endif
