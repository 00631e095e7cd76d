/* Convolution along time: PyTorch's nn.Conv1d. */
#ifndef AE_NN_CONV1D_H
#define AE_NN_CONV1D_H

#include "nn/model.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ae_conv1d {
    ae_tensor *weight; /* (O, C/groups, K) */
    ae_tensor *bias;   /* (O), or NULL */
    ae_conv1d_options options;
};

/* Makes "<name>.weight" and, with bias, "<name>.bias", uniform on +-1/sqrt(C/groups K) as in PyTorch. options NULL
 * means no padding and ones (autograd/convolution.h). */
AE_API void ae_conv1d_init(ae_model *m, struct ae_conv1d *l, const char *name, int64_t in, int64_t out, int64_t kernel,
                           const ae_conv1d_options *options, bool bias);

/* x (B,C,T): (B,O,T'). */
AE_API ae_tensor *ae_conv1d(ae_graph *g, const struct ae_conv1d *l, ae_tensor *x);

/* x (B,T,C): (B,T',O), without transposing. */
AE_API ae_tensor *ae_conv1d_time(ae_graph *g, const struct ae_conv1d *l, ae_tensor *x);

#ifdef __cplusplus
}
#endif
#endif
