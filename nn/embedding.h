/* A table of rows looked up by id: PyTorch's nn.Embedding. */
#ifndef AE_NN_EMBEDDING_H
#define AE_NN_EMBEDDING_H

#include "nn/model.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ae_embedding {
    ae_tensor *weight;   /* (V,H) */
    int64_t padding_idx; /* the row that gets no gradient through the look-up; -1: none */
};

/* Makes "<name>.weight" of (rows, width) filled by init. A padding_idx of 0..rows-1 makes that row zeros; -1 means
 * none; anything else fails the root. */
AE_API void ae_embedding_init(ae_model *m, struct ae_embedding *l, const char *name, int64_t rows, int64_t width,
                              ae_init init, int64_t padding_idx);

/* The rows of ids (any shape, i64 or i32): ids.shape + (H). An id outside 0..V-1 is an error. */
AE_API ae_tensor *ae_embedding(ae_graph *g, const struct ae_embedding *l, ae_tensor *ids);

#ifdef __cplusplus
}
#endif
#endif
