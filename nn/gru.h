/* Gated recurrent units: PyTorch's nn.GRU (reset after the product), or TensorFlow's GRUCell (before). */
#ifndef AE_NN_GRU_H
#define AE_NN_GRU_H

#include "nn/rnn.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ae_gru {
    struct ae_rnn_stack stack; /* gates in the order r, z, n */
};

/* Makes the parameters under "<name>."; a configuration that makes no sense fails the root. */
AE_API void ae_gru_init(ae_model *m, struct ae_gru *l, const char *name, const ae_rnn_config *config);

/* x (B,T,I), lengths (B) or NULL, h0 (layers * directions, B, H) or NULL: outputs (B,T,directions * H). The final
 * states go to *h_n unless h_n is NULL. */
AE_API ae_tensor *ae_gru(ae_graph *g, const struct ae_gru *l, ae_tensor *x, ae_tensor *lengths, ae_tensor *h0,
                         ae_tensor **h_n);

#ifdef __cplusplus
}
#endif
#endif
