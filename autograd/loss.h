/* Losses. Logits and scores may have any leading axes; the classes are the last one. */
#ifndef AE_AUTOGRAD_LOSS_H
#define AE_AUTOGRAD_LOSS_H

#include "autograd/op.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ae_reduction {
    AE_REDUCE_MEAN, /* sum of weighted losses / sum of weights of the rows that count */
    AE_REDUCE_SUM,
    AE_REDUCE_NONE /* one loss a row, 0 where the row is ignored */
} ae_reduction;

typedef struct ae_cross_entropy_options {
    int64_t ignore_index;    /* rows with this target do not count; torch's default is -100 */
    double label_smoothing;  /* 0 to 1: that much of the target's mass spread evenly over all classes */
    ae_tensor *class_weight; /* (V), without gradient; or NULL */
    ae_reduction reduction;
} ae_cross_entropy_options;

/* -log softmax(logits)[target]: logits (...,V), targets (...) of i64 or i32. options NULL: mean, -100 ignored, no
 * smoothing, no weights. The mean over no rows is 0 (torch's is NaN). A target outside 0..V-1 is an error. */
AE_API ae_tensor *ae_cross_entropy(ae_graph *g, ae_tensor *logits, ae_tensor *targets,
                                   const ae_cross_entropy_options *options);

/* The same of the logits x weight^T + bias: x (rows,features), weight (classes,features), bias (classes) or NULL,
 * targets (rows). The logits are made and dropped by blocks of rows, and the gradients are taken meanwhile, so that
 * memory does not grow with rows times classes. Class weights, and one loss a row, take the logits whole. Without
 * AE_GRAD the logits are those of linear in the graph's precision: under AE_I8 by the weight's copy in bytes. */
AE_API ae_tensor *ae_linear_cross_entropy(ae_graph *g, ae_tensor *x, ae_tensor *weight, ae_tensor *bias,
                                          ae_tensor *targets, const ae_cross_entropy_options *options);

/* -weight[target] logp[target], reduced as in cross_entropy: logp (...,V) holds logarithms of probabilities. */
AE_API ae_tensor *ae_nll_loss(ae_graph *g, ae_tensor *logp, ae_tensor *targets,
                              const ae_cross_entropy_options *options);

/* -(y log sigma(x) + (1-y) log(1 - sigma(x))), stable for every x: logits and targets of one shape, targets of floats.
 * weight broadcasts to that shape, or is NULL. The mean is over all elements, as in torch. */
AE_API ae_tensor *ae_binary_cross_entropy_with_logits(ae_graph *g, ae_tensor *logits, ae_tensor *targets,
                                                      ae_tensor *weight, ae_reduction reduction);

/* p (log p - log q), from log q and p, 0 where p is 0. The mean is over the leading extent ("batchmean" of torch): the
 * sum over everything, divided by the first extent. */
AE_API ae_tensor *ae_kl_div(ae_graph *g, ae_tensor *log_q, ae_tensor *p, ae_reduction reduction);

/* (x - y)^2; broadcasts. */
AE_API ae_tensor *ae_mse_loss(ae_graph *g, ae_tensor *x, ae_tensor *y, ae_reduction reduction);

/* x . y / (max(|x|, eps) max(|y|, eps)) along an axis; shapes broadcast. */
AE_API ae_tensor *ae_cosine_similarity(ae_graph *g, ae_tensor *x, ae_tensor *y, int axis, double eps);

#define AE_LOSS_OPS(ROW) ROW(cross_entropy) ROW(linear_cross_entropy)

#ifdef __cplusplus
}
#endif
#endif
