/* Sampled softmax (Jean et al. 2015, arXiv:1412.2007) with TensorFlow's log-uniform candidates, as ELMo's language
 * model is trained: the sum over all classes is replaced by one over classes drawn for the batch.
 *
 *     struct ae_candidates drawn = ae_log_uniform_candidates(g, vocabulary, 8192);
 *     ae_tensor *forward = ae_sampled_softmax_loss(g, h, weight, bias, next, &drawn, -100, AE_REDUCE_MEAN);
 *     ae_tensor *backward = ae_sampled_softmax_loss(g, k, weight, bias, previous, &drawn, -100, AE_REDUCE_MEAN);
 *
 * For training alone: evaluate with all classes (ae_linear_cross_entropy). */
#ifndef AE_NN_SAMPLED_SOFTMAX_H
#define AE_NN_SAMPLED_SOFTMAX_H

#include "nn/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Classes drawn for one batch, none twice. They live in the graph, until the frame they were drawn in closes. */
struct ae_candidates {
    ae_tensor *ids;  /* (S) i64, in the order drawn */
    int64_t classes; /* of which they were drawn */
    int64_t tries;   /* draws that it took to find S different ones */
};

/* P(id) = log((id + 2) / (id + 1)) / log(classes + 1), for classes numbered by falling frequency; 0 outside them. */
AE_API double ae_log_uniform_probability(int64_t classes, int64_t id);

/* How often a class is expected among `count` candidates that took `tries` draws: 1 - (1 - P)^tries, or count P when
 * every draw was a new one, as TensorFlow has it. */
AE_API double ae_log_uniform_expected(int64_t classes, int64_t id, int64_t count, int64_t tries);

/* Draws count different classes of 0..classes-1 log-uniformly: by counters from the graph's next draw, so that equal
 * keys (ae_graph_random) give equal candidates on any number of threads. An error unless 1 <= count <= classes; ids is
 * then the bad tensor. Time grows when nearly all classes are asked for. */
AE_API struct ae_candidates ae_log_uniform_candidates(ae_graph *g, int64_t classes, int64_t count);

/* -log of e^f(t) / (e^f(t) + sum over candidates s other than t of e^f(s)), f(k) being x weight_k + bias_k - log of how
 * often k is expected: x (N,H), weight (V,H), bias (V) or NULL, targets (N) of i64 or i32. Rows whose target is
 * ignore_index do not count; the mean is over those that do. weight and bias get gradients at targets and candidates
 * alone. Errors: shapes, a target outside 0..V-1, candidates of another number of classes. */
AE_API ae_tensor *ae_sampled_softmax_loss(ae_graph *g, ae_tensor *x, ae_tensor *weight, ae_tensor *bias,
                                          ae_tensor *targets, const struct ae_candidates *candidates,
                                          int64_t ignore_index, ae_reduction reduction);

#ifdef __cplusplus
}
#endif
#endif
