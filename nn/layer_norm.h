/* Layer normalisation with learned scale and shift. */
#ifndef AE_NN_LAYER_NORM_H
#define AE_NN_LAYER_NORM_H

#include "nn/model.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ae_layer_norm {
    ae_tensor *weight; /* (H), gamma */
    ae_tensor *bias;   /* (H), beta; NULL for none */
    double eps;
    bool uer; /* divide by (unbiased standard deviation + eps), as UER-py does */
};

/* Makes "<name>.weight" of ones and "<name>.bias" of zeros. */
AE_API void ae_layer_norm_init(ae_model *m, struct ae_layer_norm *l, const char *name, int64_t width, double eps);

/* Over the last axis of x (...,H). */
AE_API ae_tensor *ae_layer_norm(ae_graph *g, const struct ae_layer_norm *l, ae_tensor *x);

#ifdef __cplusplus
}
#endif
#endif
