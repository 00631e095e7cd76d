/* The learned mixture of a network's layers: Peters et al. 2018, arXiv:1802.05365, equation 1, as AllenNLP's ScalarMix.
 */
#ifndef AE_NN_SCALAR_MIX_H
#define AE_NN_SCALAR_MIX_H

#include "nn/model.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ae_scalar_mix {
    ae_tensor **weight; /* n of (1), zeros at first: all layers alike */
    ae_tensor *gamma;   /* (1), 1 at first */
    int n;
    bool layer_norm; /* each layer is brought to mean 0 and variance 1 over all its real positions together */
};

/* Makes "<name>.scalar_parameters.<k>" and "<name>.gamma" for n layers. */
AE_API void ae_scalar_mix_init(ae_model *m, struct ae_scalar_mix *l, const char *name, int n, bool layer_norm);

/* gamma sum_k softmax(weight)_k layers[k]; the n layers have one shape (B,T,H). mask (B,T), nonzero at real positions,
 * matters with layer_norm alone; NULL: all are. */
AE_API ae_tensor *ae_scalar_mix(ae_graph *g, const struct ae_scalar_mix *l, ae_tensor *const *layers, ae_tensor *mask);

#ifdef __cplusplus
}
#endif
#endif
