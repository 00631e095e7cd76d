/* Recurrent layers: one op a layer and direction. Each is one product over all steps for the inputs, one product a step
 * for the state, and a fused cell; gradients of the weights are one product at the end.
 *
 * x is (B,T,I) of any strides; time-first input comes as ae_transpose(g, x, 0, 1). Weights are (G H, I) and (G H, H),
 * gates stacked in the order given below, as in PyTorch; every bias and initial state (zeros) may be NULL.
 *
 * lengths (B), i32 or i64 in 0..T, or NULL. With lengths, outputs past a row's length are 0, its state stays what it
 * was at its last token, and a reversed layer starts at the last token (PyTorch's packed sequences). Without, the layer
 * runs over all T steps. Outputs stand at the time of the input they belong to, reversed or not. h_n, c_n are the
 * states after the last step that was run. Results go to out[0..]; each may go unused. */
#ifndef AE_AUTOGRAD_RECURRENT_H
#define AE_AUTOGRAD_RECURRENT_H

#include "autograd/op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a layer of any kind takes; zero is the default everywhere. */
typedef struct ae_recurrent_options {
    bool reverse;
    bool relu;         /* rnn only: relu instead of tanh */
    bool reset_before; /* gru only: r h before its product, as in Cho et al. 2014 and TensorFlow, instead of after */
    double cell_clip;  /* lstm only: c clipped to +-cell_clip when positive; a clipped value passes no gradient on */
    double proj_clip;  /* lstm with projection only: h clipped likewise after the projection */
} ae_recurrent_options;

/* h_t = act(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh), G = 1. out: y (B,T,H), h_n (B,H). Returns 0 or -1. */
AE_API int ae_f_rnn(ae_graph *g, ae_tensor *x, ae_tensor *w_ih, ae_tensor *w_hh, ae_tensor *b_ih, ae_tensor *b_hh,
                    ae_tensor *h0, ae_tensor *lengths, const ae_recurrent_options *options, ae_tensor *out[2]);

/* i, f, o = sigmoid, g = tanh of W_ih x + b_ih + W_hh h + b_hh; c = f c + i g; h = o tanh(c), G = 4 in the order i f g
 * o (Hochreiter and Schmidhuber 1997 with forget gates). With w_hr (P,H): h = W_hr (o tanh(c)), w_hh is (4H,P) and h0
 * is (B,P) (Sak et al. 2014, arXiv:1402.1128). out: y (B,T,P), h_n (B,P), c_n (B,H). Returns 0 or -1. */
AE_API int ae_f_lstm(ae_graph *g, ae_tensor *x, ae_tensor *w_ih, ae_tensor *w_hh, ae_tensor *b_ih, ae_tensor *b_hh,
                     ae_tensor *w_hr, ae_tensor *h0, ae_tensor *c0, ae_tensor *lengths,
                     const ae_recurrent_options *options, ae_tensor *out[3]);

/* r, z = sigmoid(W_ih x + b_ih + W_hh h + b_hh); h = (1 - z) n + z h, G = 3 in the order r z n, with
 *   n = tanh(W_in x + b_in + r (W_hn h + b_hn))        PyTorch
 *   n = tanh(W_in x + b_in + W_hn (r h) + b_hn)        reset_before (Cho et al. 2014, arXiv:1406.1078)
 * out: y (B,T,H), h_n (B,H). Returns 0 or -1. */
AE_API int ae_f_gru(ae_graph *g, ae_tensor *x, ae_tensor *w_ih, ae_tensor *w_hh, ae_tensor *b_ih, ae_tensor *b_hh,
                    ae_tensor *h0, ae_tensor *lengths, const ae_recurrent_options *options, ae_tensor *out[2]);

#define AE_RECURRENT_OPS(ROW) ROW(rnn) ROW(lstm) ROW(gru) ROW(gru_reset_before)

#ifdef __cplusplus
}
#endif
#endif
