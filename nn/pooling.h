/* From one state a token to one a sequence, by the names that configurations use. */
#ifndef AE_NN_POOLING_H
#define AE_NN_POOLING_H

#include "autograd/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One row a pooling: symbol, name, formula. */
#define AE_POOLINGS(ROW)                                                                                               \
    ROW(AE_POOLING_MEAN, "mean", "the mean over the steps")                                                            \
    ROW(AE_POOLING_MAX, "max", "the largest over the steps, unit by unit")                                             \
    ROW(AE_POOLING_FIRST, "first", "the first step")                                                                   \
    ROW(AE_POOLING_LAST, "last", "the last step")

typedef enum ae_pooling {
#define AE_POOLING_ENUM(symbol, name, formula) symbol,
    AE_POOLINGS(AE_POOLING_ENUM)
#undef AE_POOLING_ENUM
        AE_POOLING_COUNT
} ae_pooling;

/* x (B,T,H), lengths (B) in 1..T, or NULL for all T steps: (B,H). */
AE_API ae_tensor *ae_pool_over_time(ae_graph *g, ae_pooling pooling, ae_tensor *x, ae_tensor *lengths);

AE_API const char *ae_pooling_name(ae_pooling pooling); /* "?" outside the list */

/* Finds a pooling by name; -1 with e naming the nearest known one when there is none. */
AE_API int ae_pooling_parse(const char *name, ae_pooling *pooling, ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
