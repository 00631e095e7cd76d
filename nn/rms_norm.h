/* Root-mean-square normalisation with a learned gain: T5's layer norm. */
#ifndef AE_NN_RMS_NORM_H
#define AE_NN_RMS_NORM_H

#include "nn/model.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ae_rms_norm {
    ae_tensor *weight; /* (H) gain, ones at first */
    double eps;
};

/* Makes "<name>.weight". */
AE_API void ae_rms_norm_init(ae_model *m, struct ae_rms_norm *l, const char *name, int64_t width, double eps);

/* weight x / sqrt(mean x^2 + eps) over the last axis of x (..., H). */
AE_API ae_tensor *ae_rms_norm(ae_graph *g, const struct ae_rms_norm *l, ae_tensor *x);

#ifdef __cplusplus
}
#endif
#endif
