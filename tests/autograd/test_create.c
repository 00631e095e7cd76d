/* Tensors out of nothing, known and random, and what bad input gets. */
#include "op_values.h"

static const int64_t two_three[] = {2, 3}, many[] = {100, 200}, negative[] = {2, -1};

static void known_values(void **state)
{
    (void)state;
    for (int k = 0; k < AE_DTYPE_COUNT; k++) {
        expect(ae_ones(g, (ae_dtype)k, 2, two_three), "[2,3]", 6, (double[]){1, 1, 1, 1, 1, 1});
        expect(ae_zeros(g, (ae_dtype)k, 2, two_three), "[2,3]", 6, (double[]){0, 0, 0, 0, 0, 0});
        expect(ae_eye(g, (ae_dtype)k, 2, 3), "[2,3]", 6, (double[]){1, 0, 0, 0, 1, 0});
        assert_int_equal(ae_scalar(g, (ae_dtype)k, 1)->dtype, k);
    }
    expect(ae_full(g, AE_F64, 1, (int64_t[]){3}, -1.5), "[3]", 3, (double[]){-1.5, -1.5, -1.5});
    expect(ae_eye(g, AE_F32, 0, 4), "[0,4]", 0, NULL);
    ae_ones(g, AE_F32, 2, negative);
    expect_error(AE_E_SHAPE, "tensor: [2,-1] is no shape (8 axes at most, no negative extents)");
}

static void ranges(void **state)
{
    (void)state;
    expect(ae_arange(g, AE_I64, 0, 4, 1), "[4]", 4, (double[]){0, 1, 2, 3});
    expect(ae_arange(g, AE_F32, 1, 2, 0.25), "[4]", 4, (double[]){1, 1.25, 1.5, 1.75});
    expect(ae_arange(g, AE_F64, 3, 0, -2), "[2]", 2, (double[]){3, 1});
    expect(ae_arange(g, AE_F32, 3, 3, 1), "[0]", 0, NULL);
    expect(ae_arange(g, AE_F32, 3, 0, 1), "[0]", 0, NULL);
    ae_arange(g, AE_F32, 0, 1, 0);
    expect_error(AE_E_VALUE, "arange: from 0 to 1 by 0; the bounds must be finite and the step not 0");
    ae_arange(g, AE_F32, 0, INFINITY, 1);
    expect_error(AE_E_VALUE, "arange: from 0 to inf by 1; the bounds must be finite and the step not 0");
    expect(ae_linspace(g, AE_F64, -1, 1, 5), "[5]", 5, (double[]){-1, -0.5, 0, 0.5, 1});
    expect_near(ae_linspace(g, AE_F64, 0, 0.7, 4), "[4]", 4, (double[]){0, 0.7 / 3, 1.4 / 3, 0.7}, 1e-15);
    expect(ae_linspace(g, AE_F32, 3, 9, 1), "[1]", 1, (double[]){3});
    expect(ae_linspace(g, AE_F32, 3, 9, 0), "[0]", 0, NULL);
    ae_linspace(g, AE_F32, 0, 1, -1);
    expect_error(AE_E_SHAPE, "tensor: [-1] is no shape (8 axes at most, no negative extents)");
}

static void moments(ae_tensor *t, double *mean, double *std, double *lo, double *hi)
{
    double sum = 0, squares = 0;
    int64_t n = ae_numel(t);
    *lo = INFINITY;
    *hi = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        double v = ae_get_f64(t, i);
        sum += v;
        squares += v * v;
        *lo = v < *lo ? v : *lo;
        *hi = v > *hi ? v : *hi;
    }
    *mean = sum / (double)n;
    *std = sqrt(squares / (double)n - *mean * *mean);
}

/* 20000 draws: the bounds below are over five standard errors wide. */
static void distributions(void **state)
{
    const ae_dtype dtypes[] = {AE_F32, AE_F64, AE_BF16, AE_F16};
    double mean, std, lo, hi;
    (void)state;
    for (int k = 0; k < 4; k++) {
        ae_tensor *t = ae_rand(g, dtypes[k], 2, many, -1, 3);
        assert_int_equal(t->dtype, dtypes[k]);
        moments(t, &mean, &std, &lo, &hi);
        assert_true(fabs(mean - 1) < 0.045 && fabs(std - 1.1547) < 0.03 && lo >= -1 && hi <= 3 && hi > 2.99);
        moments(ae_randn(g, dtypes[k], 2, many, 2, 0.5), &mean, &std, &lo, &hi);
        assert_true(fabs(mean - 2) < 0.02 && fabs(std - 0.5) < 0.015 && lo < 0.6 && hi > 3.4);
        moments(ae_truncated_normal(g, dtypes[k], 2, many, 0, 1), &mean, &std, &lo, &hi);
        assert_true(fabs(mean) < 0.035 && fabs(std - 0.8796) < 0.03 && lo >= -2 && hi <= 2 && hi > 1.95);
    }
    ae_tensor *ids = ae_randint(g, 2, many, -3, 4);
    assert_int_equal(ids->dtype, AE_I64);
    moments(ids, &mean, &std, &lo, &hi);
    assert_true(fabs(mean) < 0.08 && lo == -3 && hi == 3);
}

static void draws_follow_the_key(void **state)
{
    float first[6], again[6], next[6];
    (void)state;
    ae_graph_random(g, 7, 3, 0, 0);
    ae_read(ae_randn(g, AE_F32, 2, two_three, 0, 1), AE_F32, first, 6);
    ae_read(ae_randn(g, AE_F32, 2, two_three, 0, 1), AE_F32, next, 6);
    assert_memory_not_equal(first, next, sizeof first);
    ae_graph_begin(g, AE_EVAL);
    ae_read(ae_randn(g, AE_F32, 2, two_three, 0, 1), AE_F32, again, 6);
    assert_memory_equal(first, again, sizeof first);
    ae_graph_random(g, 7, 4, 0, 0);
    ae_graph_begin(g, AE_EVAL);
    ae_read(ae_randn(g, AE_F32, 2, two_three, 0, 1), AE_F32, again, 6);
    assert_memory_not_equal(first, again, sizeof first);
    ae_graph_random(g, 0, 0, 0, 0);
}

static void permutations(void **state)
{
    bool seen[50] = {false};
    (void)state;
    ae_tensor *p = ae_randperm(g, 50);
    int fixed = 0;
    for (int64_t i = 0; i < 50; i++) {
        int64_t v = ae_get_i64(p, i);
        assert_true(v >= 0 && v < 50 && !seen[v]);
        seen[v] = true;
        fixed += v == i;
    }
    assert_true(fixed < 10);
    expect(ae_randperm(g, 0), "[0]", 0, NULL);
}

static void bernoulli(void **state)
{
    double mean, std, lo, hi;
    (void)state;
    moments(ae_bernoulli(g, ae_full(g, AE_F32, 2, many, 0.3)), &mean, &std, &lo, &hi);
    assert_true(fabs(mean - 0.3) < 0.02 && lo == 0 && hi == 1);
    expect(ae_bernoulli(g, values(AE_F64, "2", (double[]){0, 1})), "[2]", 2, (double[]){0, 1});
    ae_bernoulli(g, values(AE_F32, "2", (double[]){0.5, 1.5}));
    expect_error(AE_E_VALUE, "bernoulli: the probability at element 1 is 1.5; it must be within 0 and 1");
    ae_bernoulli(g, values(AE_F32, "1", (double[]){NAN}));
    expect_error(AE_E_VALUE, "bernoulli: the probability at element 0 is nan; it must be within 0 and 1");
    ae_bernoulli(g, ladder(AE_I32, "2"));
    expect_error(AE_E_DTYPE, "bernoulli: input 0 [2] is i32; it must be a float tensor");
}

static void multinomial(void **state)
{
    (void)state;
    ae_tensor *w = values(AE_F32, "2,3", (double[]){0, 1, 3, 5, 0, 0});
    ae_tensor *drawn = ae_multinomial(g, w, 4000, true);
    int counts[3] = {0};
    for (int64_t i = 0; i < 4000; i++) {
        counts[ae_get_i64(drawn, i)]++;
        assert_int_equal(ae_get_i64(drawn, 4000 + i), 0);
    }
    assert_true(counts[0] == 0 && abs(counts[1] - 1000) < 150);
    ae_tensor *both = ae_multinomial(g, values(AE_F64, "3", (double[]){2, 0, 1}), 2, false);
    assert_int_equal(ae_get_i64(both, 0) + ae_get_i64(both, 1), 2);
    expect(ae_multinomial(g, w, 0, true), "[2,0]", 0, NULL);
    ae_multinomial(g, values(AE_F32, "2", (double[]){1, -1}), 1, true);
    expect_error(AE_E_VALUE, "multinomial: weight 1 is -1; weights must be finite and not negative");
    ae_multinomial(g, ladder(AE_F32, "1,2,3"), 1, true);
    expect_error(AE_E_SHAPE, "multinomial: the weights must be (n) or (rows,n); got input 0 [1,2,3]");
    ae_multinomial(g, ladder(AE_F32, "3"), -1, true);
    expect_error(AE_E_VALUE, "multinomial: -1 draws; the count must not be negative");
    ae_multinomial(g, ladder(AE_I64, "3"), 1, true);
    expect_error(AE_E_DTYPE, "multinomial: input 0 [3] is i64; it must be a float tensor");
}

static void bad_distributions(void **state)
{
    (void)state;
    ae_rand(g, AE_I32, 2, two_three, 0, 1);
    expect_error(AE_E_DTYPE, "rand: i32; random real numbers need a float dtype");
    ae_rand(g, AE_F32, 2, two_three, 1, 0);
    expect_error(AE_E_VALUE, "rand: lo is 1 and hi is 0; lo must not be above hi");
    ae_randn(g, AE_F32, 2, two_three, 0, -1);
    expect_error(AE_E_VALUE, "randn: the standard deviation is -1; it must not be negative");
    ae_truncated_normal(g, AE_F32, 2, two_three, 0, NAN);
    expect_error(AE_E_VALUE, "truncated_normal: the standard deviation is nan; it must not be negative");
    ae_randint(g, 2, two_three, 3, 3);
    expect_error(AE_E_VALUE, "randint: lo is 3 and hi is 3; lo must be below hi");
    ae_randn(g, AE_F32, 2, negative, 0, 1);
    expect_error(AE_E_SHAPE, "tensor: [2,-1] is no shape (8 axes at most, no negative extents)");
    ae_randperm(g, -1);
    expect_error(AE_E_SHAPE, "tensor: [-1] is no shape (8 axes at most, no negative extents)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(known_values, begin_step),  cmocka_unit_test_setup(ranges, begin_step),
        cmocka_unit_test_setup(distributions, begin_step), cmocka_unit_test_setup(draws_follow_the_key, begin_step),
        cmocka_unit_test_setup(permutations, begin_step),  cmocka_unit_test_setup(bernoulli, begin_step),
        cmocka_unit_test_setup(multinomial, begin_step),   cmocka_unit_test_setup(bad_distributions, begin_step),
    };
    return cmocka_run_group_tests(tests, make_graph, free_graph);
}
