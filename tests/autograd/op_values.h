/* Small inputs with known numbers, and what is expected of results and of errors. */
#ifndef AE_TESTS_OP_VALUES_H
#define AE_TESTS_OP_VALUES_H

#include "autograd/ops.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static ae_graph *g;

static inline int shape_of(const char *text, int64_t *shape)
{
    int n = 0;
    while (*text) {
        char *end;
        shape[n++] = strtoll(text, &end, 10);
        text = *end ? end + 1 : end;
    }
    return n;
}

/* 0, 1, 2, ... under a shape such as "2,3" ("" for a scalar). */
static inline ae_tensor *ladder(ae_dtype dtype, const char *shape)
{
    int64_t extents[AE_MAX_DIMS];
    int ndim = shape_of(shape, extents);
    ae_tensor *t = ae_empty(g, dtype, ndim, extents);
    for (int64_t i = 0; i < ae_numel(t); i++) {
        ae_set_f64(t, i, (double)i);
    }
    return t;
}

/* The given numbers. */
static inline ae_tensor *values(ae_dtype dtype, const char *shape, const double *numbers)
{
    ae_tensor *t = ladder(dtype, shape);
    for (int64_t i = 0; i < ae_numel(t); i++) {
        ae_set_f64(t, i, numbers[i]);
    }
    return t;
}

/* Fails unless t has the shape, such as "[2,3]", and the n numbers, to `tolerance`. */
static inline void expect_near(ae_tensor *t, const char *shape, int64_t n, const double *numbers, double tolerance)
{
    char text[AE_SHAPE_TEXT_MAX];
    double got[256];
    if (!ae_ok(g)) {
        fail_msg("%s", ae_graph_error(g)->message);
    }
    assert_non_null(t);
    assert_string_equal(ae_shape_text(t->ndim, t->shape, text), shape);
    assert_true(n <= 256);
    assert_int_equal(ae_read(t, AE_F64, got, n), 0);
    for (int64_t i = 0; i < n; i++) {
        bool same = got[i] == numbers[i] || (isnan(got[i]) && isnan(numbers[i]));
        if (!same && !(fabs(got[i] - numbers[i]) <= tolerance * (1 + fabs(numbers[i])))) {
            fail_msg("element %lld is %.10g, not %.10g", (long long)i, got[i], numbers[i]);
        }
    }
}

static inline void expect(ae_tensor *t, const char *shape, int64_t n, const double *numbers)
{
    expect_near(t, shape, n, numbers, 0.0);
}

/* The gradient of sum(0 y0 + 1 y1 + ...) with respect to x. */
static inline ae_tensor *ladder_gradient(ae_tensor *x, ae_tensor *y)
{
    ae_tensor *weights = ae_empty(g, y->dtype, y->ndim, y->shape);
    for (int64_t i = 0; i < ae_numel(weights); i++) {
        ae_set_f64(weights, i, (double)i);
    }
    if (ae_backward(g, ae_sum(g, ae_mul(g, y, weights), 0, NULL, false), 0) != 0) {
        fail_msg("%s", ae_graph_error(g)->message);
    }
    return x->grad;
}

/* Fails unless this error stands in the graph; then begins anew. */
static inline void expect_error(ae_code code, const char *message)
{
    assert_string_equal(ae_graph_error(g)->message, message);
    assert_int_equal(ae_graph_error(g)->code, code);
    ae_graph_begin(g, AE_TRAIN);
}

static inline int make_graph(void **state)
{
    (void)state;
    g = ae_graph_new();
    return g ? 0 : -1;
}

static inline int begin_step(void **state)
{
    (void)state;
    ae_graph_begin(g, AE_TRAIN);
    return 0;
}

static inline int free_graph(void **state)
{
    (void)state;
    ae_graph_free(g);
    return 0;
}

#endif
