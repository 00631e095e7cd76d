/* Convolution and pooling along time. */
#ifndef AE_AUTOGRAD_CONVOLUTION_H
#define AE_AUTOGRAD_CONVOLUTION_H

#include "autograd/op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Zero means 1 for stride, dilation and groups. Causal: pad_left = dilation (K - 1), pad_right = 0. */
typedef struct ae_conv1d_options {
    int64_t stride;
    int64_t pad_left, pad_right; /* zeros before the first and after the last step */
    int64_t dilation;            /* steps between the taps */
    int64_t groups;              /* output channels of group i see input channels of group i alone */
} ae_conv1d_options;

/* x (B,C,T), weight (O,C/groups,K), bias (O) or NULL: y (B,O,T'), with
 *     y[b,o,t] = bias[o] + sum over c, k of weight[o,c,k] x[b,c,stride t + dilation k - pad_left]
 * and T' = (T + pad_left + pad_right - dilation (K - 1) - 1) / stride + 1, at least one step. As in PyTorch; options
 * NULL means no padding and ones. The result is stored with the channels innermost. */
AE_API ae_tensor *ae_f_conv1d(ae_graph *g, ae_tensor *x, ae_tensor *weight, ae_tensor *bias,
                              const ae_conv1d_options *options);

/* The same on x (B,T,C), giving (B,T',O): no transposition on either side. */
AE_API ae_tensor *ae_f_conv1d_time(ae_graph *g, ae_tensor *x, ae_tensor *weight, ae_tensor *bias,
                                   const ae_conv1d_options *options);

/* x (B,C,T): the largest of each window of `kernel` steps, (B,C,T'); stride 0 means kernel; padding, at most half of
 * kernel, never wins. The gradient goes to the first maximum. */
AE_API ae_tensor *ae_max_pool1d(ae_graph *g, ae_tensor *x, int64_t kernel, int64_t stride, int64_t padding);

/* The mean of each window; padding counts as zeros (PyTorch's count_include_pad). */
AE_API ae_tensor *ae_avg_pool1d(ae_graph *g, ae_tensor *x, int64_t kernel, int64_t stride, int64_t padding);

/* x (B,T,C): the largest over time, (B,C), or over the first lengths[b] steps; lengths (B), i32 or i64 in 1..T, or
 * NULL. The gradient goes to the first maximum; NaN wins. */
AE_API ae_tensor *ae_max_over_time(ae_graph *g, ae_tensor *x, ae_tensor *lengths);

/* The mean likewise. */
AE_API ae_tensor *ae_mean_over_time(ae_graph *g, ae_tensor *x, ae_tensor *lengths);

/* x (B,T,C): the step lengths[b] - 1, or the last, (B,C). */
AE_API ae_tensor *ae_last_over_time(ae_graph *g, ae_tensor *x, ae_tensor *lengths);

#define AE_CONVOLUTION_OPS(ROW) ROW(conv1d) ROW(max_pool1d) ROW(max_over_time)

#ifdef __cplusplus
}
#endif
#endif
