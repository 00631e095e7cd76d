/* Layer normalisation with learned gain and shift. */
#ifndef AE_NN_LAYER_NORM_H
#define AE_NN_LAYER_NORM_H

#include "nn/model.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ae_layer_norm {
    ae_tensor *weight; /* (H) gain, ones at first */
    ae_tensor *bias;   /* (H) shift, zeros at first; NULL when there is none */
    double eps;
    bool uer; /* divide by (unbiased standard deviation + eps), as UER-py does */
};

/* Makes "<name>.weight" and "<name>.bias". */
AE_API void ae_layer_norm_init(ae_model *m, struct ae_layer_norm *l, const char *name, int64_t width, double eps);

/* UER-py's: parameters "<name>.gamma" and "<name>.beta", eps 1e-6 added to the unbiased standard deviation. */
AE_API void ae_layer_norm_init_uer(ae_model *m, struct ae_layer_norm *l, const char *name, int64_t width);

/* weight (x - mean) / sqrt(var + eps) + bias over the last axis of x (..., H). */
AE_API ae_tensor *ae_layer_norm(ae_graph *g, const struct ae_layer_norm *l, ae_tensor *x);

/* layer_norm(x + dropout(y)) of two tensors (..., H): the residual connection behind a block, in one pass. Dropout as
 * ae_dropout; an error unless 0 <= p < 1. */
AE_API ae_tensor *ae_residual_norm(ae_graph *g, const struct ae_layer_norm *l, ae_tensor *x, ae_tensor *y, double p);

#ifdef __cplusplus
}
#endif
#endif
