/* Adaptive softmax (Grave et al. 2017, arXiv:1609.04309): frequent words and one entry a cluster of rarer ones are
 * decided first, words of a cluster only where a target lies in it:
 *
 *     log p(w) = head[w]                                        in the shortlist, cluster 0
 *              = head[entry of cluster i] + tail_i[w - begin_i]  in cluster i
 *
 * head and tail_i being log-softmax of what is projected. Two published forms: PyTorch's AdaptiveLogSoftmaxWithLoss,
 * and Transformer-XL's, whose tables may be those of an adaptive embedding. */
#ifndef AE_NN_ADAPTIVE_SOFTMAX_H
#define AE_NN_ADAPTIVE_SOFTMAX_H

#include "nn/adaptive_embedding.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ae_adaptive_softmax {
    struct ae_word_clusters clusters;
    bool one_table;  /* out[0] holds the rows of all clusters */
    bool last_first; /* the entry of the last cluster is the first one behind the shortlist, as in the PyTorch program
                      * of Transformer-XL's authors; else clusters stand in their order, as in their TensorFlow program
                      * and in Hugging Face's. Set it after the constructor to use a checkpoint of the former. */
    struct ae_linear head;    /* PyTorch's form: shortlist and entries, (end[1] + count - 1, H) */
    struct ae_linear entries; /* Transformer-XL's: entries alone, (count - 1, E); the shortlist is out[0] */
    struct ae_linear proj[AE_CLUSTERS_MAX]; /* to the width of cluster i; weight NULL: none */
    struct ae_linear out[AE_CLUSTERS_MAX];  /* (size of cluster i, E_i) and its bias */
};

/* torch.nn.AdaptiveLogSoftmaxWithLoss(in, classes, cutoffs, div_value, head_bias): "<name>.head.weight" and with
 * head_bias ".bias", "<name>.tail.<i>.0.weight" (floor(in / div_value^(i+1)), in) and "<name>.tail.<i>.1.weight", with
 * PyTorch's initial values. Fails the root for no cutoff, cutoffs that do not rise inside the classes, a div_value that
 * is not above 0, and a cluster without width. */
AE_API void ae_adaptive_softmax_init(ae_model *m, struct ae_adaptive_softmax *l, const char *name, int64_t in,
                                     int64_t classes, const int64_t *cutoffs, int n_cutoffs, double div_value,
                                     bool head_bias);

/* Transformer-XL's form: "<name>.cluster_weight" and "cluster_bias" where there are cutoffs, "<name>.out_layers.<i>"
 * with weight and bias, "<name>.out_projs.<i>" (H,E_i) unless div_value is 1 and E is H. With `tied` the tables are
 * that embedding's (of the same layout), and where tie_projs[i] its projections too (tie_projs NULL: none; else an
 * entry a cluster); their names become aliases. Fails the root as ae_adaptive_embedding_init does. */
AE_API void ae_adaptive_softmax_init_transfo_xl(ae_model *m, struct ae_adaptive_softmax *l, const char *name,
                                                const ae_adaptive_layout *layout,
                                                const struct ae_adaptive_embedding *tied, const bool *tie_projs);

/* -log p(target): x (...,H), targets (...) of i64 or i32. Rows whose target is ignore_index do not count; the mean is
 * over those that do (0 over none); AE_REDUCE_NONE gives targets.shape. Only rows with a target in a cluster meet its
 * projections, and logits are made by blocks (ae_linear_cross_entropy); a cluster that no target lies in gets no
 * gradient. A target outside 0..V-1 is an error. */
AE_API ae_tensor *ae_adaptive_softmax_loss(ae_graph *g, const struct ae_adaptive_softmax *l, ae_tensor *x,
                                           ae_tensor *targets, int64_t ignore_index, ae_reduction reduction);

/* log p of all classes: x.shape with H replaced by V. */
AE_API ae_tensor *ae_adaptive_softmax_log_prob(ae_graph *g, const struct ae_adaptive_softmax *l, ae_tensor *x);

#ifdef __cplusplus
}
#endif
#endif
