#include "apps/metrics.h"

#include <math.h>
#include <stdlib.h>

static double ratio(double a, double b)
{
    return b != 0 ? a / b : (double)NAN;
}

/* ---- classes ---- */

ae_confusion *ae_confusion_of(int64_t classes, const int64_t *gold, const int64_t *predicted, int64_t n, ae_err *e)
{
    if (classes < 1) {
        ae_err_set(e, AE_E_VALUE, "confusion: %lld classes; at least one is needed", (long long)classes);
        return NULL;
    }
    ae_confusion *c = calloc(1, sizeof *c);
    int64_t *counts = classes <= INT32_MAX ? calloc((size_t)classes * (size_t)classes, sizeof *counts) : NULL;
    if (!c || !counts) {
        free(c);
        free(counts);
        ae_err_set(e, AE_E_MEMORY, "confusion: no memory for %lld classes", (long long)classes);
        return NULL;
    }
    *c = (ae_confusion){classes, n, counts};
    for (int64_t i = 0; i < n; i++) {
        if (gold[i] < 0 || gold[i] >= classes || predicted[i] < 0 || predicted[i] >= classes) {
            ae_err_set(e, AE_E_VALUE,
                       "confusion: example %lld has class %lld and prediction %lld; there are %lld classes",
                       (long long)i, (long long)gold[i], (long long)predicted[i], (long long)classes);
            ae_confusion_free(c);
            return NULL;
        }
        counts[gold[i] * classes + predicted[i]]++;
    }
    return c;
}

void ae_confusion_free(ae_confusion *c)
{
    if (c) {
        free(c->counts);
        free(c);
    }
}

ae_class_score ae_confusion_class(const ae_confusion *c, int64_t k)
{
    ae_class_score s = {.right = c->counts[k * c->classes + k]};
    for (int64_t i = 0; i < c->classes; i++) {
        s.gold += c->counts[k * c->classes + i];
        s.predicted += c->counts[i * c->classes + k];
    }
    s.precision = ratio((double)s.right, (double)s.predicted);
    s.recall = ratio((double)s.right, (double)s.gold);
    s.f1 = ratio(2 * (double)s.right, (double)(s.gold + s.predicted));
    return s;
}

static double or_zero(double x)
{
    return isnan(x) ? 0 : x;
}

/* The multi-class form is a correlation of two one-hot matrices; of two classes it is Matthews' own. */
static double matthews(double right, double n, double gold_predicted, double gold_gold, double predicted_predicted)
{
    double a = n * n - gold_gold, b = n * n - predicted_predicted;
    if (n == 0) {
        return (double)NAN;
    }
    return a > 0 && b > 0 ? (right * n - gold_predicted) / (sqrt(a) * sqrt(b)) : 0;
}

ae_classification ae_classify(const ae_confusion *c)
{
    double n = (double)c->examples, right = 0, seen = 0, p = 0, r = 0, f = 0, gp = 0, gg = 0, pp = 0, most = 0;
    for (int64_t k = 0; k < c->classes; k++) {
        ae_class_score s = ae_confusion_class(c, k);
        double gold = (double)s.gold, predicted = (double)s.predicted;
        right += (double)s.right;
        seen += s.gold + s.predicted > 0;
        p += or_zero(s.precision);
        r += or_zero(s.recall);
        f += or_zero(s.f1);
        gp += gold * predicted;
        gg += gold * gold;
        pp += predicted * predicted;
        most = gold > most ? gold : most;
    }
    double accuracy = ratio(right, n);
    return (ae_classification){.accuracy = accuracy,
                               .macro_precision = ratio(p, seen),
                               .macro_recall = ratio(r, seen),
                               .macro_f1 = ratio(f, seen),
                               .micro_precision = accuracy,
                               .micro_recall = accuracy,
                               .micro_f1 = accuracy,
                               .matthews = matthews(right, n, gp, gg, pp),
                               .majority = ratio(most, n)};
}

/* ---- scores ---- */

/* Sums of differences from the means lose no digits where sums of squares would. */
double ae_pearson(const double *x, const double *y, int64_t n)
{
    double mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
    bool x_varies = false, y_varies = false;
    for (int64_t i = 0; i < n; i++) {
        mx += x[i];
        my += y[i];
        x_varies = x_varies || x[i] != x[0];
        y_varies = y_varies || y[i] != y[0];
    }
    if (!x_varies || !y_varies) { /* told apart exactly: the mean of equal numbers may differ from them by rounding */
        return (double)NAN;
    }
    mx /= (double)n;
    my /= (double)n;
    for (int64_t i = 0; i < n; i++) {
        xx += (x[i] - mx) * (x[i] - mx);
        yy += (y[i] - my) * (y[i] - my);
        xy += (x[i] - mx) * (y[i] - my);
    }
    double r = xy / sqrt(xx) / sqrt(yy);
    return r > 1 ? 1 : r < -1 ? -1 : r;
}

typedef struct ranked {
    double value;
    int64_t at;
} ranked;

static int by_value(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->value != y->value) {
        return x->value < y->value ? -1 : 1;
    }
    return x->at < y->at ? -1 : x->at > y->at;
}

int ae_ranks(const double *x, int64_t n, double *ranks, ae_err *e)
{
    ranked *order = malloc((size_t)(n > 0 ? n : 1) * sizeof *order);
    if (!order) {
        return ae_err_set(e, AE_E_MEMORY, "ranks: no memory for %lld values", (long long)n);
    }
    for (int64_t i = 0; i < n; i++) {
        order[i] = (ranked){x[i], i};
    }
    qsort(order, (size_t)n, sizeof *order, by_value);
    for (int64_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && order[to].value == order[from].value; to++) {
        }
        for (int64_t i = from; i < to; i++) { /* ranks from + 1 to `to`, shared */
            ranks[order[i].at] = (double)(from + 1 + to) / 2;
        }
    }
    free(order);
    return 0;
}

static int spearman(const double *gold, const double *predicted, int64_t n, double *result, ae_err *e)
{
    double *ranks = malloc((size_t)(2 * n + 1) * sizeof *ranks);
    if (!ranks) {
        return ae_err_set(e, AE_E_MEMORY, "ranks: no memory for %lld values", (long long)n);
    }
    int status = ae_ranks(gold, n, ranks, e) != 0 || ae_ranks(predicted, n, ranks + n, e) != 0 ? -1 : 0;
    if (status == 0) {
        *result = ae_pearson(ranks, ranks + n, n);
    }
    free(ranks);
    return status;
}

int ae_regress(const double *gold, const double *predicted, int64_t n, ae_regression *x, ae_err *e)
{
    double squares = 0, sizes = 0;
    for (int64_t i = 0; i < n; i++) {
        squares += (predicted[i] - gold[i]) * (predicted[i] - gold[i]);
        sizes += fabs(predicted[i] - gold[i]);
    }
    *x = (ae_regression){.pearson = ae_pearson(gold, predicted, n),
                         .spearman = (double)NAN,
                         .mse = ratio(squares, (double)n),
                         .mae = ratio(sizes, (double)n)};
    return isnan(sizes) ? 0 : spearman(gold, predicted, n, &x->spearman, e); /* NaN has no rank */
}

/* ---- language models ---- */

double ae_perplexity(double nll, int64_t tokens)
{
    return exp(ratio(nll, (double)tokens));
}

double ae_bits_per(double nll, int64_t units)
{
    return ratio(nll * 1.4426950408889634, (double)units); /* 1 / ln 2 */
}

int64_t ae_characters(const char *text, size_t n)
{
    int64_t count = 0;
    for (size_t i = 0; i < n; i++) {
        count += ((unsigned char)text[i] & 0xc0) != 0x80; /* all but continuation bytes begin one */
    }
    return count;
}

/* ---- over seeds ---- */

ae_spread ae_spread_of(const double *values, int64_t n)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += values[i];
    }
    double mean = ratio(sum, (double)n);
    for (int64_t i = 0; i < n; i++) {
        squares += (values[i] - mean) * (values[i] - mean);
    }
    return (ae_spread){n, mean, n > 1 ? sqrt(squares / (double)(n - 1)) : (double)NAN};
}

ae_contrast ae_contrast_of(const ae_spread *a, const ae_spread *b)
{
    double variance = a->deviation * a->deviation / (double)a->n + b->deviation * b->deviation / (double)b->n;
    return (ae_contrast){a->mean - b->mean, sqrt(variance)};
}
