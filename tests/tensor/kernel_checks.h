/* What the tests of kernels share: the table under test, sizes, guarded results, comparisons. Their bodies are in the
 * files kernels_*.c, a family each; test_kernels.c runs each of them once for every instruction set. */
#ifndef AE_TESTS_KERNEL_CHECKS_H
#define AE_TESTS_KERNEL_CHECKS_H

#include "tensor/counters.h"
#include "tensor/kernels.h"
#include "tensor/random.h"
#include "tensor/tensor.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_N = 4400, GUARD = 16 };
enum { SMALL_SIZES = 71, SIZES = SMALL_SIZES + 12 };

extern const ae_kernels *k; /* the table under test */

int64_t size_at(int i);                             /* 0..70, then some larger ones */
void each_isa(void (*body)(void));                  /* runs a body once for each instruction set */
void fill(float *x, int64_t n, float lo, float hi); /* uniform in [lo, hi) */
float *result(void);                                /* MAX_N floats with guards on both sides */
void check_guards(int64_t n);                       /* that nothing behind n was written */
void check_ulps(float got, double want, double allowed, const char *what, float at);
void check_near(float got, double want, double allowed, const char *what, int64_t i);
double sum_tolerance(int64_t n); /* relative, of a float sum of n terms of one sign */
double sigmoid(double x);

/* ---- the bodies -------------------------------------------------------------------------------------------------- */

void unary_sizes(void);
void unary_sweep(void);
void backward_sizes(void);
void relu_backward_is_a_choice(void);
void conversions(void);

void vectors(void);
void extremes_of_specials(void);
void first_of_equals_is_found(void);
void columns_keep_their_extremes(void);
void sums_of_columns(void);

void softmax_rows(void);
void softmax_of_specials(void);
void cross_entropy_rows(void);
void norms(void);
void norm_far_from_zero(void);
void dropout(void);
void plain_norm_backward_is_right(void **state);

void cells(void);

void products(void);
void transposes(void);
void streams(void);
void bytes_of_a_row(void);

void adam_steps(void);
void sgd_steps(void);
void sgd_first_step_ignores_the_buffer(void);

#endif
