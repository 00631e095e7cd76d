#include "apps/parity.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct tolerance {
    double rtol, scale_rtol, atol;
} tolerance;

static void read_tolerance(const ae_json *j, tolerance *t)
{
    if (!j || ae_json_is_null(j)) {
        return;
    }
    t->rtol = ae_json_double(j, "rtol", t->rtol, NULL);
    t->scale_rtol = ae_json_double(j, "scale_rtol", t->scale_rtol, NULL);
    t->atol = ae_json_double(j, "atol", t->atol, NULL);
}

static tolerance tolerance_of(const ae_case *c, const char *name)
{
    tolerance t = {1e-4, 2e-5, 1e-6};
    read_tolerance(ae_json_get(c->meta, "tolerance"), &t);
    const ae_json *each = ae_json_get(c->meta, "tolerance_per_tensor");
    read_tolerance(each ? ae_json_get(each, name) : NULL, &t);
    return t;
}

/* The tensor of outputs that stands for an expected name: itself, or a tied parameter's other name. */
static const ae_tensor *produced(const ae_case *c, const ae_tensors *outputs, const char *name)
{
    const ae_tensor *t = ae_tensors_get(outputs, name);
    const char *dot = strchr(name, '.');
    const ae_json *groups = ae_json_get(c->meta, "tied");
    if (t || !dot || !groups || (strncmp(name, "grad.", 5) != 0 && strncmp(name, "final.", 6) != 0)) {
        return t;
    }
    for (const ae_json *group = ae_json_first(groups); group; group = ae_json_next(group)) {
        bool member = false;
        const char *text;
        for (const ae_json *n = ae_json_first(group); n; n = ae_json_next(n)) {
            member = member || (ae_json_value_string(n, &text, NULL) == 0 && strcmp(text, dot + 1) == 0);
        }
        for (const ae_json *n = ae_json_first(group); n && member && !t; n = ae_json_next(n)) {
            char other[512];
            if (ae_json_value_string(n, &text, NULL) == 0) {
                snprintf(other, sizeof other, "%.*s.%s", (int)(dot - name), name, text);
                t = ae_tensors_get(outputs, other);
            }
        }
    }
    return t;
}

/* Equal but for axes of extent 1. */
static bool same_but_ones(const ae_tensor *a, const ae_tensor *b)
{
    int i = 0, k = 0;
    for (;;) {
        while (i < a->ndim && a->shape[i] == 1) {
            i++;
        }
        while (k < b->ndim && b->shape[k] == 1) {
            k++;
        }
        if (i == a->ndim || k == b->ndim) {
            return i == a->ndim && k == b->ndim;
        }
        if (a->shape[i++] != b->shape[k++]) {
            return false;
        }
    }
}

/* The mask of real rows, when name is one of the tensors whose padded rows do not count. */
static const ae_tensor *row_mask(const ae_case *c, const char *name)
{
    const ae_json *padded = ae_json_get(c->meta, "padded_rows");
    const ae_json *names = padded ? ae_json_get(padded, "tensors") : NULL;
    const char *mask = padded ? ae_json_string(padded, "mask", NULL, NULL) : NULL, *text;
    for (const ae_json *n = names ? ae_json_first(names) : NULL; n && mask; n = ae_json_next(n)) {
        if (ae_json_value_string(n, &text, NULL) == 0 && strcmp(text, name) == 0) {
            return ae_tensors_get(c->inputs, mask);
        }
    }
    return NULL;
}

/* What a packed run does not make: attention maps, and states of padding that the case does not mask. */
static bool is_padded_only(const ae_case *c, const char *name)
{
    return strncmp(name, "attentions.", 11) == 0 || (strncmp(name, "hidden_states.", 14) == 0 && !row_mask(c, name));
}

/* An element of a case; 1e30 and beyond stand for infinity, which some tools cannot write. */
static double wanted(const ae_tensor *want, int64_t i)
{
    double y = ae_get_f64(want, i);
    return y >= 1e30 ? (double)INFINITY : y <= -1e30 ? -(double)INFINITY : y;
}

static void measure(const ae_tensor *got, const ae_tensor *want, const ae_tensor *mask, const tolerance *t,
                    ae_parity_row *row)
{
    int64_t n = ae_numel(want), masked = mask ? ae_numel(mask) : 0;
    int64_t inner = masked ? n / masked : 1;
    double scale = 0;
    for (int64_t i = 0; i < n; i++) {
        bool counts = !mask || ae_get_f64(mask, i / inner) != 0;
        double y = wanted(want, i);
        scale = counts && isfinite(y) ? fmax(scale, fabs(y)) : scale;
    }
    for (int64_t i = 0; i < n; i++) {
        if (mask && ae_get_f64(mask, i / inner) == 0) {
            continue;
        }
        double x = ae_get_f64(got, i), y = wanted(want, i);
        double error = x == y ? 0 : fabs(x - y);
        error = isnan(error) ? (double)INFINITY : error;
        double allowed = t->atol + t->scale_rtol * scale + (isfinite(y) ? t->rtol * fabs(y) : 0);
        double fraction = error > 0 ? error / allowed : 0;
        row->fraction = fmax(row->fraction, fraction);
        row->max_abs = fmax(row->max_abs, error);
        row->beyond += fraction > 1;
    }
    row->relative = row->max_abs / (scale > 0 ? scale : 1);
    row->verdict = row->fraction <= 1 ? AE_PARITY_OK : AE_PARITY_BEYOND;
}

/* ---- in bf16 --------------------------------------------------------------------------------------------------------- */

static bool is_gradient(const char *name)
{
    return strncmp(name, "grad.", 5) == 0;
}

/* The mean length of the gradients that a case expects. */
static double mean_gradient(const ae_case *c)
{
    double sum = 0;
    int count = 0;
    for (int i = 0; i < ae_tensors_count(c->expected); i++) {
        const ae_tensor *t = ae_tensors_at(c->expected, i);
        double square = 0;
        for (int64_t k = 0; is_gradient(ae_tensors_name(c->expected, i)) && k < ae_numel(t); k++) {
            square += ae_get_f64(t, k) * ae_get_f64(t, k);
        }
        count += is_gradient(ae_tensors_name(c->expected, i));
        sum += sqrt(square);
    }
    return count ? sum / count : 0;
}

/* The length of the error against the tensor's own, or the mean gradient's where that is longer. A number of right
 * guesses may change by one: two classes may lie nearer to each other than bf16 tells apart. */
static void measure_length(const ae_tensor *got, const ae_tensor *want, const ae_tensor *mask, double mean,
                           ae_parity_row *row)
{
    int64_t n = ae_numel(want), inner = mask && ae_numel(mask) ? n / ae_numel(mask) : 1;
    double own = 0, error = 0;
    for (int64_t i = 0; i < n; i++) {
        if (mask && ae_get_f64(mask, i / inner) == 0) {
            continue;
        }
        double x = ae_get_f64(got, i), y = wanted(want, i);
        own += isfinite(y) ? y * y : 0;
        if (x == y) { /* infinities too */
            continue;
        }
        error += isfinite(x - y) ? (x - y) * (x - y) : (double)INFINITY;
        row->max_abs = fmax(row->max_abs, isfinite(x - y) ? fabs(x - y) : (double)INFINITY);
    }
    bool count = strncmp(row->name, "correct", 7) == 0 && n == 1;
    double length = is_gradient(row->name) ? fmax(sqrt(own), mean) : sqrt(own);
    double allowed = AE_PARITY_BF16 * length + (count ? 1 : 1e-6);
    row->fraction = sqrt(error) / allowed;
    row->relative = length > 0 ? sqrt(error) / length : 0;
    row->beyond = row->fraction > 1 ? n : 0;
    row->verdict = row->fraction <= 1 ? AE_PARITY_OK : AE_PARITY_BEYOND;
}

static int worst_first(const void *a, const void *b)
{
    const ae_parity_row *x = a, *y = b;
    return x->fraction > y->fraction ? -1 : x->fraction < y->fraction ? 1 : strcmp(x->name, y->name);
}

int ae_case_compare(const ae_case *c, const ae_tensors *outputs, bool packed, ae_parity_row **rows, int *n, ae_err *e)
{
    int count = ae_tensors_count(c->expected), failures = 0;
    double mean = c->precision == AE_BF16 ? mean_gradient(c) : 0;
    *n = 0;
    *rows = calloc((size_t)count + 1, sizeof **rows);
    if (!*rows) {
        return ae_err_set(e, AE_E_MEMORY, "no memory to compare %d tensors", count);
    }
    for (int i = 0; i < count; i++) {
        ae_parity_row row = {.name = ae_tensors_name(c->expected, i), .verdict = AE_PARITY_MISSING};
        if (packed && is_padded_only(c, row.name)) {
            continue;
        }
        const ae_tensor *want = ae_tensors_at(c->expected, i), *got = produced(c, outputs, row.name);
        tolerance t = tolerance_of(c, row.name);
        if (got && same_but_ones(got, want) && c->precision == AE_BF16) {
            measure_length(got, want, row_mask(c, row.name), mean, &row);
        } else if (got && same_but_ones(got, want)) {
            measure(got, want, row_mask(c, row.name), &t, &row);
        } else {
            row.verdict = got ? AE_PARITY_SHAPE : AE_PARITY_MISSING;
            row.fraction = (double)INFINITY;
        }
        failures += row.verdict != AE_PARITY_OK;
        (*rows)[(*n)++] = row;
    }
    qsort(*rows, (size_t)*n, sizeof **rows, worst_first);
    return failures;
}
