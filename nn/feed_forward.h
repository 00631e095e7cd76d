/* The position-wise feed-forward block of a Transformer, plain and gated. */
#ifndef AE_NN_FEED_FORWARD_H
#define AE_NN_FEED_FORWARD_H

#include "nn/act.h"
#include "nn/linear.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ae_feed_forward {
    struct ae_linear input;  /* H -> F */
    struct ae_linear gate;   /* H -> F, linear, multiplied with the activated input; weight NULL when not gated */
    struct ae_linear output; /* F -> H */
    ae_act act;
    double dropout; /* of the F activated values when training: T5's; 0 after init */
};

/* What the parts are called in the checkpoint; gate NULL: not gated. UER-py: {"linear_1", NULL, "linear_2"}. T5 v1.1:
 * {"wi_0", "wi_1", "wo"}. */
typedef struct ae_feed_forward_names {
    const char *input, *gate, *output;
} ae_feed_forward_names;

/* Makes the parts under "<name>." (no scope when name is ""), weights filled by init. */
AE_API void ae_feed_forward_init(ae_model *m, struct ae_feed_forward *l, const char *name,
                                 const ae_feed_forward_names *parts, int64_t width, int64_t inner, ae_act act,
                                 ae_init init, bool bias);

/* output(h), h = act(input x), or act(input x) * gate x, with dropout on h: Vaswani et al. 2017, equation 2; Shazeer
 * 2020, arXiv:2002.05202. x (...,H) gives (...,H). */
AE_API ae_tensor *ae_feed_forward(ae_graph *g, const struct ae_feed_forward *l, ae_tensor *x);

#ifdef __cplusplus
}
#endif
#endif
