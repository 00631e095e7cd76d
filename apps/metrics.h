/* Numbers that say how good predictions are. All are computed in double precision, and as scikit-learn and SciPy
 * compute them, so that they compare with published ones. A number that does not exist is NaN (null in JSON, "-" in
 * text):
 *
 *   nothing to measure (no examples)          every metric is NaN
 *   a class that was never predicted          its precision is NaN; it counts as 0 in the macro average
 *   a class that never occurs in the data     its recall is NaN; it counts as 0 in the macro average if it was
 * predicted a class that neither occurs nor is predicted   all three are NaN, and the macro average leaves it out gold
 * labels or predictions of one class   Matthews is 0 gold scores or predictions all equal      Pearson and Spearman are
 * NaN a NaN among the scores                    Pearson, Spearman and the errors are NaN
 */
#ifndef AE_APPS_METRICS_H
#define AE_APPS_METRICS_H

#include "datasets/table.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- classes --------------------------------------------------------------------------------------------------------- */

/* counts[g * classes + p] examples of class g were taken for p. */
typedef struct ae_confusion {
    int64_t classes, examples;
    int64_t *counts;
} ae_confusion;

/* Counts n predictions. NULL and e: fewer than one class, a number outside 0..classes-1, no memory. n may be 0. */
AE_API ae_confusion *ae_confusion_of(int64_t classes, const int64_t *gold, const int64_t *predicted, int64_t n,
                                     ae_err *e);
AE_API void ae_confusion_free(ae_confusion *c); /* NULL is allowed */

typedef struct ae_class_score {
    int64_t gold, predicted, right; /* examples of the class, taken for it, both */
    double precision;               /* right / predicted */
    double recall;                  /* right / gold */
    double f1;                      /* 2 right / (gold + predicted) */
} ae_class_score;

AE_API ae_class_score ae_confusion_class(const ae_confusion *c, int64_t k);

typedef struct ae_classification {
    double accuracy;
    double macro_precision, macro_recall, macro_f1; /* means over classes */
    double micro_precision, micro_recall, micro_f1; /* of sums over classes; with one label an example: the accuracy */
    double matthews;                                /* of two classes: Matthews 1975; of more: R_K of Gorodkin 2004 */
    double majority; /* the accuracy of always answering the most frequent class of the data */
} ae_classification;

AE_API ae_classification ae_classify(const ae_confusion *c);

/* Precision, recall and F1 by class, and the matrix (rows: gold, columns: predicted). `labels` gives the names; NULL:
 * the numbers. Above 12 classes the matrix is headed by the numbers of the first table. Returns 0, or -1 when writing
 * failed or without memory. */
AE_API int ae_confusion_print(FILE *out, const ae_confusion *c, const ae_labels *labels);

/* {"labels": [...], "gold_by_predicted": [[...], ...], "classes": [{"label", "gold", "predicted", "precision",
 * "recall", "f1"}, ...]}, the caller's; NULL without memory. */
AE_API ae_json *ae_confusion_json(const ae_confusion *c, const ae_labels *labels);

/* {"accuracy", "macro_precision", ..., "matthews", "majority"} into an object; 0 or -1. */
AE_API int ae_classification_json(ae_json *object, const ae_classification *x);

/* ---- scores ---------------------------------------------------------------------------------------------------------- */

typedef struct ae_regression {
    double pearson;
    double spearman; /* Pearson of the ranks; equal values share the mean of theirs */
    double mse, mae; /* mean of squared and of absolute errors */
} ae_regression;

/* Returns 0, or -1 and e without memory for the ranks. */
AE_API int ae_regress(const double *gold, const double *predicted, int64_t n, ae_regression *x, ae_err *e);

AE_API double ae_pearson(const double *x, const double *y, int64_t n);

/* ranks[i] is the rank of x[i] from 1; equal values share the mean of theirs. x holds no NaN. 0, or -1 and e without
 * memory. */
AE_API int ae_ranks(const double *x, int64_t n, double *ranks, ae_err *e);

/* {"pearson", "spearman", "mse", "mae"} into an object; 0 or -1. */
AE_API int ae_regression_json(ae_json *object, const ae_regression *x);

/* ---- language models -------------------------------------------------------------------------------------------------- */

/* From the sum of -ln p over the predicted tokens. NaN when there are no tokens, bytes or characters; perplexity may be
 * infinite. */
AE_API double ae_perplexity(double nll, int64_t tokens);  /* exp(nll / tokens) */
AE_API double ae_bits_per(double nll, int64_t units);     /* nll / ln 2 / units: of bytes, of characters */
AE_API int64_t ae_characters(const char *text, size_t n); /* code points of valid UTF-8 */

/* ---- over seeds ------------------------------------------------------------------------------------------------------- */

typedef struct ae_spread {
    int64_t n;
    double mean;
    double deviation; /* of the sample: divided by n - 1; NaN for one value */
} ae_spread;

AE_API ae_spread ae_spread_of(const double *values, int64_t n);

/* mean(a) - mean(b), and its standard error sqrt(deviation(a)^2 / n(a) + deviation(b)^2 / n(b)). */
typedef struct ae_contrast {
    double difference, standard_error;
} ae_contrast;

AE_API ae_contrast ae_contrast_of(const ae_spread *a, const ae_spread *b);

/* {"n", "mean", "standard_deviation"} into an object; 0 or -1. */
AE_API int ae_spread_json(ae_json *object, const ae_spread *x);

#ifdef __cplusplus
}
#endif
#endif
