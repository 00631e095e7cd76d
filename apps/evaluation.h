/* A model's answers on a whole dataset. */
#ifndef AE_APPS_EVALUATION_H
#define AE_APPS_EVALUATION_H

#include "apps/model_bundle.h"
#include "datasets/dataset.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Begin with all zero bytes; free with ae_evaluation_free. */
typedef struct ae_evaluation {
    double loss;         /* mean over what is predicted: tokens of language models, else examples */
    int64_t predictions; /* how many those are */
    int64_t examples;
    int64_t classes;     /* width of logits (B,C); 0 for language models */
    float *logits;       /* (examples, classes): of classifiers, in the order of the dataset */
    int64_t *gold;       /* (examples): classes; NULL without labels */
    double *gold_scores; /* (examples): regression; NULL elsewhere */
} ae_evaluation;

AE_API void ae_evaluation_free(ae_evaluation *x);

/* What one batch's loss is a mean over: the predicted tokens of language models, else the examples. */
AE_API int64_t ae_batch_predictions(const ae_dataset *d, const ae_tensors *batch);

/* The real tokens of a batch. */
AE_API int64_t ae_batch_tokens(const ae_tensors *batch);

/* Runs the model over the dataset in its order (masks of dynamic masking are the same every time). `batch` sequences at
 * once. Returns 0, or -1 and e. */
AE_API int ae_evaluate(const ae_bundle *bundle, ae_graph *g, const ae_dataset *d, int64_t batch, ae_evaluation *x,
                       ae_err *e);

/* The argmax of each example's logits; predicted holds x->examples numbers. */
AE_API void ae_evaluation_classes(const ae_evaluation *x, int64_t *predicted);

#ifdef __cplusplus
}
#endif
#endif
