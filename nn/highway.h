/* Highway layers: Srivastava et al. 2015, arXiv:1505.00387, as ELMo's character encoder has them. */
#ifndef AE_NN_HIGHWAY_H
#define AE_NN_HIGHWAY_H

#include "nn/act.h"
#include "nn/linear.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ae_highway {
    struct ae_linear
        *layer; /* (n): weight (2H,H), bias (2H); the first H rows make the new values, the others the gate */
    int n;
    ae_act act;
};

/* Makes "<name>._layers.<i>.weight" and ".bias" of n layers, AllenNLP's names. The biases of the gate begin at carry,
 * so that a positive number lets the input through at first (Srivastava et al. ask for 1 to 3). */
AE_API void ae_highway_init(ae_model *m, struct ae_highway *l, const char *name, int n, int64_t width, ae_act act,
                            ae_init init, double carry);

/* gate x + (1 - gate) act(W x + b), gate = sigmoid(W' x + b'), n times over; x (...,H) gives (...,H). */
AE_API ae_tensor *ae_highway(ae_graph *g, const struct ae_highway *l, ae_tensor *x);

#ifdef __cplusplus
}
#endif
#endif
