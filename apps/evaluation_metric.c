/* The one number by which evaluations are compared. */
#include "apps/metrics.h"
#include "apps/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double of_classes(const ae_evaluation *x, const char *metric)
{
    int64_t *predicted = malloc((size_t)(x->examples > 0 ? x->examples : 1) * sizeof *predicted);
    ae_confusion *c = NULL;
    if (predicted) {
        ae_evaluation_classes(x, predicted);
        c = ae_confusion_of(x->classes, x->gold, predicted, x->examples, NULL);
    }
    double value = (double)NAN;
    if (c) {
        ae_classification s = ae_classify(c);
        value = strcmp(metric, "accuracy") == 0   ? s.accuracy
                : strcmp(metric, "macro_f1") == 0 ? s.macro_f1
                : strcmp(metric, "micro_f1") == 0 ? s.micro_f1
                : strcmp(metric, "matthews") == 0 ? s.matthews
                                                  : (double)NAN;
    }
    ae_confusion_free(c);
    free(predicted);
    return value;
}

static double of_scores(const ae_evaluation *x, const char *metric)
{
    ae_regression r;
    double *predicted = malloc((size_t)(x->examples > 0 ? x->examples : 1) * sizeof *predicted);
    for (int64_t i = 0; predicted && i < x->examples; i++) {
        predicted[i] = (double)x->logits[i * x->classes];
    }
    int status = predicted ? ae_regress(x->gold_scores, predicted, x->examples, &r, NULL) : -1;
    free(predicted);
    if (status != 0) {
        return (double)NAN;
    }
    return strcmp(metric, "pearson") == 0 ? r.pearson : strcmp(metric, "spearman") == 0 ? r.spearman : (double)NAN;
}

double ae_evaluation_metric(const ae_evaluation *x, const char *metric)
{
    if (strcmp(metric, "loss") == 0) {
        return x->loss;
    }
    return x->gold ? of_classes(x, metric) : x->gold_scores ? of_scores(x, metric) : (double)NAN;
}

bool ae_metric_fits(const char *objective, const char *metric)
{
    bool scores = strcmp(metric, "pearson") == 0 || strcmp(metric, "spearman") == 0;
    return strcmp(metric, "loss") == 0 || (scores && strcmp(objective, "regression") == 0) ||
           (!scores && strcmp(objective, "classes") == 0);
}

bool ae_metric_rises(const char *metric)
{
    return strcmp(metric, "loss") != 0;
}
