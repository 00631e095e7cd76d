/* Random tensors. Each call takes the next draw of the graph, so equal keys (ae_graph_random) and an equal order of
 * calls give equal values, on any number of threads. No gradient passes through any of them. See tensor/random.h for
 * the numbers themselves. */
#ifndef AE_AUTOGRAD_DRAW_H
#define AE_AUTOGRAD_DRAW_H

#include "autograd/op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Uniform on [lo,hi), floats. bf16 and f16 are rounded from f32, so that hi may come. An error unless lo <= hi. */
AE_API ae_tensor *ae_rand(ae_graph *g, ae_dtype dtype, int ndim, const int64_t *shape, double lo, double hi);

/* Normal with the given mean and standard deviation (an error when negative), floats. */
AE_API ae_tensor *ae_randn(ae_graph *g, ae_dtype dtype, int ndim, const int64_t *shape, double mean, double std);

/* Normal, drawn again while more than two standard deviations from the mean, floats. */
AE_API ae_tensor *ae_truncated_normal(ae_graph *g, ae_dtype dtype, int ndim, const int64_t *shape, double mean,
                                      double std);

/* Whole numbers, each of lo..hi-1 equally likely: i64. An error unless lo < hi. */
AE_API ae_tensor *ae_randint(ae_graph *g, int ndim, const int64_t *shape, int64_t lo, int64_t hi);

/* A permutation of 0..n-1, each equally likely: i64 (n). */
AE_API ae_tensor *ae_randperm(ae_graph *g, int64_t n);

/* 1 with the probability that stands at the same place of p (a float tensor), else 0; shape and dtype of p. An error
 * when a probability is outside [0,1]. */
AE_API ae_tensor *ae_bernoulli(ae_graph *g, ae_tensor *p);

/* count indices with probabilities proportional to weights, (n) or (rows,n) floats: i64 (count) or (rows,count), each
 * row in the order drawn. Without replacement no index comes twice in a row. An error for weights that are negative,
 * not finite or all 0, and when fewer than count are positive without replacement. */
AE_API ae_tensor *ae_multinomial(ae_graph *g, ae_tensor *weights, int64_t count, bool replacement);

#define AE_DRAW_OPS(ROW) ROW(bernoulli) ROW(multinomial)

#ifdef __cplusplus
}
#endif
#endif
