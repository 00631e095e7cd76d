/* A linear-chain conditional random field over tag sequences: Lafferty et al. 2001; Lample et al. 2016, section 2.2. */
#ifndef AE_NN_CRF_H
#define AE_NN_CRF_H

#include "nn/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Names and meaning as in the package pytorch-crf, which UER-py uses. K tags. */
struct ae_crf {
    ae_tensor *start;       /* (K) "start_transitions" */
    ae_tensor *end;         /* (K) "end_transitions" */
    ae_tensor *transitions; /* (K,K) "transitions", from the row's tag to the column's */
};

/* Makes the three under "<name>.", uniform on -0.1..0.1. */
AE_API void ae_crf_init(ae_model *m, struct ae_crf *l, const char *name, int64_t tags);

/* log p(tags | emissions) of each sequence: (B). emissions (B,T,K) f32; tags (B,T) ids, read where the mask is nonzero;
 * mask (B,T): real positions, the first of each sequence among them; NULL: all. T at least 1. Errors: shapes, a tag
 * outside 0..K-1, a sequence without a first position. */
AE_API ae_tensor *ae_crf_log_likelihood(ae_graph *g, const struct ae_crf *l, ae_tensor *emissions, ae_tensor *tags,
                                        ae_tensor *mask);

/* The most probable tags of each sequence (Viterbi) into tags[B*T], -1 where the mask is zero, and their scores (before
 * normalisation) into scores[B] unless it is NULL. Of equal scores the smallest tag wins. Returns 0, or -1 after
 * failing the graph. */
AE_API int ae_crf_decode(ae_graph *g, const struct ae_crf *l, ae_tensor *emissions, ae_tensor *mask, int64_t *tags,
                         double *scores);

#ifdef __cplusplus
}
#endif
#endif
