/* Classes cut into clusters by how frequent they are, as adaptive softmax and adaptive input have them: class 0 is the
 * most frequent one, and cluster 0, the shortlist, holds the first. */
#ifndef AE_NN_WORD_CLUSTERS_H
#define AE_NN_WORD_CLUSTERS_H

#include "nn/model.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { AE_CLUSTERS_MAX = 8 };

/* Cluster i holds the classes end[i] to end[i + 1] - 1. */
struct ae_word_clusters {
    int count;
    int64_t end[AE_CLUSTERS_MAX + 1]; /* end[0] is 0, end[count] the number of classes */
};

/* Cuts 0..classes-1 in front of each of n cutoffs (n may be 0). Fails the root, naming `who`, unless the cutoffs rise
 * strictly between 0 and classes and there are fewer than AE_CLUSTERS_MAX. */
AE_API void ae_word_clusters_init(ae_model *m, struct ae_word_clusters *c, const char *who, int64_t classes,
                                  const int64_t *cutoffs, int n);

AE_API int64_t ae_word_clusters_size(const struct ae_word_clusters *c, int i); /* classes of cluster i */

/* Of ids (n) i64: where those of cluster i stand, (k) i64, and into *within their numbers inside the cluster, (k) i64;
 * NULL when there is none, and after an error. Ids outside every cluster are passed over. */
AE_API ae_tensor *ae_word_clusters_find(ae_graph *g, const struct ae_word_clusters *c, int i, const ae_tensor *ids,
                                        ae_tensor **within);

#ifdef __cplusplus
}
#endif
#endif
