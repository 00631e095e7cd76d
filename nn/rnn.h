/* Stacks of recurrent layers, with PyTorch's parameter names: weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0,
 * weight_hr_l0, each with _reverse for the backward direction. nn/lstm.h and nn/gru.h are the other cells; the formulas
 * stand in autograd/recurrent.h. */
#ifndef AE_NN_RNN_H
#define AE_NN_RNN_H

#include "nn/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* input and hidden must be given; zero elsewhere is the default. */
typedef struct ae_rnn_config {
    int64_t input;
    int64_t hidden;      /* H */
    int layers;          /* 0 means 1; layer l > 0 reads all directions of layer l - 1 */
    bool bidirectional;  /* a second set of layers runs from the end; outputs are concatenated */
    bool reverse;        /* the only direction runs from the end; names are those of a forward layer */
    bool no_bias;        /* without bias_ih and bias_hh */
    double dropout;      /* on the output of every layer but the last */
    bool relu;           /* ae_rnn: relu instead of tanh */
    bool reset_before;   /* ae_gru: TensorFlow's form */
    int64_t projection;  /* ae_lstm: P, the width of the state when it is not H */
    double cell_clip;    /* ae_lstm: c within +-cell_clip when positive */
    double proj_clip;    /* ae_lstm: h likewise, with projection */
    const ae_init *init; /* NULL: PyTorch's, uniform on +-1/sqrt(H) for weights and biases */
} ae_rnn_config;

/* One layer in one direction; G gates. */
struct ae_rnn_weights {
    ae_tensor *weight_ih; /* (G H, I) */
    ae_tensor *weight_hh; /* (G H, H or P) */
    ae_tensor *bias_ih;   /* (G H), or NULL */
    ae_tensor *bias_hh;   /* (G H), or NULL */
    ae_tensor *weight_hr; /* (P, H), or NULL */
};

/* What all three kinds are inside. */
struct ae_rnn_stack {
    ae_rnn_config config;
    int gates;
    int directions;
    struct ae_rnn_weights *weights; /* layer l, direction d: weights[l * directions + d] */
};

/* States of a whole stack in PyTorch's order: layer 0 forward, layer 0 backward, layer 1 forward, ... */
typedef struct ae_rnn_state {
    ae_tensor *h; /* (layers * directions, B, H or P); NULL: zeros */
    ae_tensor *c; /* (layers * directions, B, H), ae_lstm only; NULL: zeros */
} ae_rnn_state;

struct ae_rnn {
    struct ae_rnn_stack stack;
};

/* Makes the parameters under "<name>."; a configuration that makes no sense fails the root. */
AE_API void ae_rnn_init(ae_model *m, struct ae_rnn *r, const char *name, const ae_rnn_config *config);

/* x (B,T,I), lengths (B) or NULL (autograd/recurrent.h says what they do), h0 (layers * directions, B, H) or NULL:
 * the last layer's outputs (B,T,directions * H). The final states go to *h_n unless h_n is NULL. */
AE_API ae_tensor *ae_rnn(ae_graph *g, const struct ae_rnn *r, ae_tensor *x, ae_tensor *lengths, ae_tensor *h0,
                         ae_tensor **h_n);

/* For nn/lstm.c and nn/gru.c: the same for `gates` gates of the cell that this number names (1 rnn, 3 gru, 4 lstm). */
void ae_rnn_stack_init(ae_model *m, struct ae_rnn_stack *s, const char *name, int gates, const ae_rnn_config *config);
ae_tensor *ae_rnn_stack_run(ae_graph *g, const struct ae_rnn_stack *s, ae_tensor *x, ae_tensor *lengths,
                            const ae_rnn_state *initial, ae_rnn_state *final);

#ifdef __cplusplus
}
#endif
#endif
