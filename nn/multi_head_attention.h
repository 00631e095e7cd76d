/* Multi-head attention with its four projections. */
#ifndef AE_NN_MULTI_HEAD_ATTENTION_H
#define AE_NN_MULTI_HEAD_ATTENTION_H

#include "nn/linear.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ae_attention {
    struct ae_linear query;  /* (A*D, H) */
    struct ae_linear key;    /* (A*D, H) */
    struct ae_linear value;  /* (A*D, H) */
    struct ae_linear output; /* (H, A*D) */
    ae_attention_options options;
};

/* The names of the projections in a model's checkpoint. */
typedef struct ae_attention_names {
    const char *query, *key, *value, *output;
} ae_attention_names;

/* Makes the projections of `hidden` to heads x head_width and back. */
AE_API void ae_attention_init(ae_model *m, struct ae_attention *a, const ae_attention_names *names, int64_t hidden,
                              int heads, int64_t head_width, double dropout, ae_init init, bool bias);

/* x (B,T,H) attends to memory (B,S,H), itself for self-attention, as mask allows: (B,T,H). Packed: (N,H). Shows its
 * probabilities as "attentions.<layer>" while the graph is observed (layer below 0: not at all). */
AE_API ae_tensor *ae_attention(ae_graph *g, const struct ae_attention *a, ae_tensor *x, ae_tensor *memory,
                               const ae_mask *mask, int layer);

/* Shows the probabilities of q and k under a name while the graph is observed and the mask is not packed. */
AE_API void ae_observe_attention(ae_graph *g, ae_tensor *q, ae_tensor *k, const ae_mask *mask,
                                 const ae_attention_options *options, int layer);

#ifdef __cplusplus
}
#endif
#endif
