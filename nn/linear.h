/* The affine map of PyTorch's nn.Linear. */
#ifndef AE_NN_LINEAR_H
#define AE_NN_LINEAR_H

#include "nn/act.h"
#include "nn/model.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ae_linear {
    ae_tensor *weight; /* (out, in); (in, out) when in_out */
    ae_tensor *bias;   /* (out), or NULL */
    bool in_out;       /* the layout of GPT's Conv1D */
};

/* Makes "<name>.weight" filled by init and, with bias, "<name>.bias" of zeros. */
AE_API void ae_linear_init(ae_model *m, struct ae_linear *l, const char *name, int64_t in, int64_t out, ae_init init,
                           bool bias);

/* The same with PyTorch's default: weight and bias uniform on +-1/sqrt(in). */
AE_API void ae_linear_init_torch(ae_model *m, struct ae_linear *l, const char *name, int64_t in, int64_t out,
                                 bool bias);

/* The same with a weight of (in, out): the "Conv1D" of GPT and GPT-2. */
AE_API void ae_linear_init_in_out(ae_model *m, struct ae_linear *l, const char *name, int64_t in, int64_t out,
                                  ae_init init, bool bias);

/* x (..., in) weight^T + bias: (..., out). */
AE_API ae_tensor *ae_linear(ae_graph *g, const struct ae_linear *l, ae_tensor *x);

/* ae_activate(g, act, ae_linear(g, l, x)), in one where no gradient will follow. */
AE_API ae_tensor *ae_linear_act(ae_graph *g, const struct ae_linear *l, ae_act act, ae_tensor *x);

/* ae_linear(g, l, ae_activate(g, act, x)): backward keeps x and computes act(x) again, where products know act. */
AE_API ae_tensor *ae_act_linear(ae_graph *g, const struct ae_linear *l, ae_act act, ae_tensor *x);

/* outer(act(inner(x))), (..., in of inner) to (..., out of outer), by whichever of the two above serves: the
 * position-wise feed-forward layer. */
AE_API ae_tensor *ae_linear_act_linear(ae_graph *g, const struct ae_linear *inner, ae_act act,
                                       const struct ae_linear *outer, ae_tensor *x);

#ifdef __cplusplus
}
#endif
#endif
