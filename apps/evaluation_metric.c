/* The one number by which evaluations are compared. */
#include "apps/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double accuracy(const ae_evaluation *x)
{
    int64_t *predicted = malloc((size_t)(x->examples > 0 ? x->examples : 1) * sizeof *predicted), right = 0;
    if (!predicted) {
        return (double)NAN;
    }
    ae_evaluation_classes(x, predicted);
    for (int64_t i = 0; i < x->examples; i++) {
        right += predicted[i] == x->gold[i];
    }
    free(predicted);
    return x->examples > 0 ? (double)right / (double)x->examples : (double)NAN;
}

double ae_evaluation_metric(const ae_evaluation *x, const char *metric)
{
    if (strcmp(metric, "loss") == 0) {
        return x->loss;
    }
    return x->gold && strcmp(metric, "accuracy") == 0 ? accuracy(x) : (double)NAN;
}

bool ae_metric_rises(const char *metric)
{
    return strcmp(metric, "loss") != 0;
}
