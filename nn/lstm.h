/* Long short-term memory: PyTorch's nn.LSTM, with projection and the clips of TensorFlow's LSTMCell. */
#ifndef AE_NN_LSTM_H
#define AE_NN_LSTM_H

#include "nn/rnn.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ae_lstm {
    struct ae_rnn_stack stack; /* gates in the order i, f, g, o */
};

/* Makes the parameters under "<name>."; a configuration that makes no sense fails the root. */
AE_API void ae_lstm_init(ae_model *m, struct ae_lstm *l, const char *name, const ae_rnn_config *config);

/* x (B,T,I), lengths (B) or NULL: outputs (B,T,directions * H), or P for H with projection. initial may be NULL; the
 * final states go to *final unless that is NULL. Gates, packing: autograd/recurrent.h. */
AE_API ae_tensor *ae_lstm(ae_graph *g, const struct ae_lstm *l, ae_tensor *x, ae_tensor *lengths,
                          const ae_rnn_state *initial, ae_rnn_state *final);

#ifdef __cplusplus
}
#endif
#endif
