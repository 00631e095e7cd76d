/* Initialisers: moments and bounds of the random ones against their formulas, exact properties of the others. */
#include "nn/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

typedef struct moments {
    double mean, std, low, high;
} moments;

static moments measure(const ae_tensor *t)
{
    moments m = {0, 0, INFINITY, -INFINITY};
    int64_t n = ae_numel(t);
    for (int64_t i = 0; i < n; i++) {
        double x = (double)((const float *)t->data)[i];
        m.mean += x / (double)n;
        m.low = fmin(m.low, x);
        m.high = fmax(m.high, x);
    }
    for (int64_t i = 0; i < n; i++) {
        m.std += pow((double)((const float *)t->data)[i] - m.mean, 2) / (double)n;
    }
    m.std = sqrt(m.std);
    return m;
}

/* Uniform on +-bound when bound > 0, else normal of that std; 30000 elements. */
static void check(ae_init init, int ndim, const int64_t *shape, double bound, double std)
{
    ae_model *m = ae_model_new(1);
    ae_tensor *t = ae_param(m, "p", ndim, shape, init);
    assert_true(ae_model_ok(m));
    moments x = measure(t);
    double want = bound > 0 ? bound / sqrt(3) : std;
    assert_true(fabs(x.mean) < 5 * want / sqrt((double)ae_numel(t)));
    assert_true(fabs(x.std - want) < 0.02 * want);
    if (bound > 0) {
        assert_true(x.low >= -bound * (1 + 1e-6) && x.high <= bound * (1 + 1e-6));
        assert_true(x.low < -0.99 * bound && x.high > 0.99 * bound);
    } else {
        assert_true(x.high > 3 * std && x.low < -3 * std);
    }
    ae_model_free(m);
}

static void test_fans(void **state)
{
    (void)state;
    const int64_t matrix[] = {100, 300};    /* out, in */
    const int64_t filters[] = {50, 30, 20}; /* out, in, width: fan_in 600, fan_out 1000 */
    check(ae_init_xavier_uniform(2), 2, matrix, 2 * sqrt(6.0 / 400), 0);
    check(ae_init_xavier_normal(2), 2, matrix, 0, 2 * sqrt(2.0 / 400));
    check(ae_init_xavier_uniform(1), 3, filters, sqrt(6.0 / 1600), 0);
    check(ae_init_kaiming_uniform(0), 2, matrix, sqrt(6.0 / 300), 0);
    check(ae_init_kaiming_normal(1), 3, filters, 0, sqrt(1.0 / 600));
    check(ae_init_torch(), 2, matrix, 1 / sqrt(300), 0);
    check(ae_init_torch(), 3, filters, 1 / sqrt(600), 0);
    check(ae_init_torch_width(16), 2, matrix, 0.25, 0);
    check(ae_init_fan_in_normal(0.5), 2, matrix, 0, 0.5 / sqrt(300));
    check(ae_init_gpt2_residual(0.02, 8), 2, matrix, 0, 0.005);
    check(ae_init_skip_thoughts(), 2, matrix, 0.1, 0);
    check(ae_init_normal(0.3), 2, matrix, 0, 0.3);
    check(ae_init_uniform(-0.5, 0.5), 2, matrix, 0.5, 0);
    const int64_t vector[] = {30000};
    check(ae_init_torch(), 1, vector, 1 / sqrt(30000), 0);
}

/* The block of `rows` rows of t from `first` has orthonormal rows, or columns when those are fewer. */
static void orthonormal(const ae_tensor *t, int64_t first, int64_t rows, double gain)
{
    int64_t columns = t->shape[1];
    const float *x = (const float *)t->data + first * columns;
    int64_t n = rows < columns ? rows : columns;
    int64_t m = rows < columns ? columns : rows;
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j <= i; j++) {
            double dot = 0;
            for (int64_t k = 0; k < m; k++) {
                dot += rows < columns ? (double)x[i * columns + k] * (double)x[j * columns + k]
                                      : (double)x[k * columns + i] * (double)x[k * columns + j];
            }
            assert_true(fabs(dot - (i == j ? gain * gain : 0)) < 1e-5);
        }
    }
}

static void test_orthogonal(void **state)
{
    (void)state;
    ae_model *m = ae_model_new(1);
    orthonormal(ae_param(m, "wide", 2, (int64_t[]){20, 35}, ae_init_orthogonal(2, 1)), 0, 20, 2);
    orthonormal(ae_param(m, "tall", 2, (int64_t[]){35, 20}, ae_init_orthogonal(1, 1)), 0, 35, 1);
    orthonormal(ae_param(m, "square", 2, (int64_t[]){24, 24}, ae_init_skip_thoughts()), 0, 24, 1);
    ae_tensor *gates = ae_param(m, "gates", 2, (int64_t[]){48, 16}, ae_init_orthogonal(1, 3));
    for (int i = 0; i < 3; i++) {
        orthonormal(gates, 16 * i, 16, 1);
    }
    assert_memory_not_equal(gates->data, (float *)gates->data + 256, 256 * sizeof(float));
    ae_param(m, "empty", 2, (int64_t[]){0, 16}, ae_init_orthogonal(1, 1));
    ae_param(m, "one", 1, (int64_t[]){3}, ae_init_orthogonal(1, 1));
    ae_param(m, "scalar", 0, NULL, ae_init_orthogonal(1, 1));
    ae_tensor *cube = ae_param(m, "cube", 3, (int64_t[]){4, 3, 5}, ae_init_orthogonal(1, 1));
    ae_tensor flat = *cube;
    flat.shape[1] = 15;
    orthonormal(&flat, 0, 4, 1);
    assert_true(ae_model_ok(m));
    ae_model_free(m);
}

static void test_exact_values(void **state)
{
    (void)state;
    ae_model *m = ae_model_new(1);
    const float *eye = ae_param(m, "eye", 2, (int64_t[]){4, 3}, ae_init_identity(1))->data;
    const float *two = ae_param(m, "two", 2, (int64_t[]){4, 2}, ae_init_identity(2))->data;
    const float *forget = ae_param(m, "forget", 1, (int64_t[]){8}, ae_init_part(1.5, 1, 4))->data;
    const float *nothing = ae_param(m, "nothing", 1, (int64_t[]){4}, ae_init_part(1, 4, 4))->data;
    assert_memory_equal(eye, ((float[]){1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0}), 12 * sizeof(float));
    assert_memory_equal(two, ((float[]){1, 0, 0, 1, 1, 0, 0, 1}), 8 * sizeof(float));
    assert_memory_equal(forget, ((float[]){0, 0, 1.5F, 1.5F, 0, 0, 0, 0}), 8 * sizeof(float));
    assert_memory_equal(nothing, ((float[]){0, 0, 0, 0}), 4 * sizeof(float));
    ae_model_free(m);
}

static void test_sinusoidal(void **state)
{
    (void)state;
    ae_model *m = ae_model_new(1);
    const float *a = ae_param(m, "a", 2, (int64_t[]){5, 6}, ae_init_sinusoidal(0, false))->data;
    const float *b = ae_param(m, "b", 2, (int64_t[]){5, 6}, ae_init_sinusoidal(2, true))->data;
    const float *odd = ae_param(m, "odd", 2, (int64_t[]){3, 5}, ae_init_sinusoidal(0, true))->data;
    for (int p = 0; p < 5; p++) {
        for (int i = 0; i < 3; i++) {
            double angle = pow(10000, -2.0 * i / 6);
            assert_true(fabs((double)a[p * 6 + 2 * i] - sin(p * angle)) < 1e-6);
            assert_true(fabs((double)a[p * 6 + 2 * i + 1] - cos(p * angle)) < 1e-6);
            assert_true(fabs((double)b[p * 6 + i] - sin((p + 2) * angle)) < 1e-6);
            assert_true(fabs((double)b[p * 6 + 3 + i] - cos((p + 2) * angle)) < 1e-6);
        }
    }
    assert_true(fabs((double)odd[2 * 5 + 2] - sin(2 * pow(10000, -4.0 / 5))) < 1e-6); /* three sines, two cosines */
    assert_true(fabs((double)odd[2 * 5 + 3] - cos(2)) < 1e-6);
    const float *spread = ae_param(m, "spread", 2, (int64_t[]){5, 6}, ae_init_sinusoidal_spread(0.05))->data;
    double squares = 0;
    for (int i = 0; i < 5 * 6; i++) {
        assert_true(fabs((double)spread[i] - 0.05 * sqrt(2) * (double)a[i]) < 1e-8);
        squares += (double)spread[i] * (double)spread[i];
    }
    assert_true(fabs(sqrt(squares / 30) - 0.05) < 1e-7);
    ae_model_free(m);
}

static void test_the_order_of_building_changes_nothing(void **state)
{
    (void)state;
    ae_model *a = ae_model_new(5);
    ae_model *b = ae_model_new(5);
    ae_model *c = ae_model_new(6);
    ae_tensor *x = ae_param(a, "x", 1, (int64_t[]){16}, ae_init_normal(1));
    ae_tensor *y = ae_param(a, "y", 1, (int64_t[]){16}, ae_init_normal(1));
    ae_param(b, "y", 1, (int64_t[]){16}, ae_init_normal(1));
    ae_tensor *again = ae_param(b, "x", 1, (int64_t[]){16}, ae_init_normal(1));
    ae_tensor *other = ae_param(c, "x", 1, (int64_t[]){16}, ae_init_normal(1));
    assert_memory_equal(x->data, again->data, 16 * sizeof(float));
    assert_memory_not_equal(x->data, y->data, 16 * sizeof(float));
    assert_memory_not_equal(x->data, other->data, 16 * sizeof(float));
    ae_model_free(a);
    ae_model_free(b);
    ae_model_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fans),
        cmocka_unit_test(test_orthogonal),
        cmocka_unit_test(test_exact_values),
        cmocka_unit_test(test_sinusoidal),
        cmocka_unit_test(test_the_order_of_building_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
