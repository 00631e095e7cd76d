/* oneDNN's own LSTM layer, which `aesop bench ops` shows beside ours. It knows no lengths, takes time before batch, and
 * in f32 trains by its reference loop. */
#ifndef AE_TENSOR_ONEDNN_LSTM_H
#define AE_TENSOR_ONEDNN_LSTM_H

#include "tensor/onednn.h"

typedef struct ae_onednn_lstm ae_onednn_lstm;

/* A layer of one direction for x (T,B,I) and H cells, in f32, with its memory. The caller's; NULL with e filled:
 * AE_E_MEMORY, or AE_E_UNSUPPORTED where oneDNN has none. */
ae_onednn_lstm *ae_onednn_lstm_new(int64_t time, int64_t batch, int64_t in, int64_t cells, ae_err *e);
void ae_onednn_lstm_free(ae_onednn_lstm *l); /* NULL is allowed */

/* Copies x, w_ih (4H,I), w_hh (4H,H) and a bias (4H), gates in the order i f g o, and puts the weights in oneDNN's
 * layouts. Returns 0, or -1 with e filled. */
int ae_onednn_lstm_fill(ae_onednn_lstm *l, const float *x, const float *w_ih, const float *w_hh, const float *bias,
                        ae_err *e);

/* The states h from zero states on, (T,B,H), borrowed; NULL with e filled. */
const float *ae_onednn_lstm_forward(ae_onednn_lstm *l, ae_err *e);

/* After forward, from the gradient dy (T,B,H) of the states: that of x, (T,B,I), borrowed; those of weights and bias
 * are made too. NULL with e filled. */
const float *ae_onednn_lstm_backward(ae_onednn_lstm *l, const float *dy, ae_err *e);

/* The implementation of forward ("brgemm:avx512_core"). */
const char *ae_onednn_lstm_name(const ae_onednn_lstm *l);

#endif
