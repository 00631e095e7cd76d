/* Convolution and pooling against numbers that NumPy computed, and what bad input gets. */
#include "nn/nn.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static ae_graph *g;

#define SHAPE(...)                                                                                                     \
    (sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[])                                                  \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }

/* scale sin(1.3 i + seed), as in the program that made the numbers. */
static ae_tensor *wave(ae_dtype dtype, double seed, double scale, int ndim, const int64_t *shape)
{
    ae_tensor *t = ae_empty(g, dtype, ndim, shape);
    for (int64_t i = 0; i < ae_numel(t); i++) {
        ae_set_f64(t, i, scale * sin(1.3 * (double)i + seed));
    }
    return t;
}

static ae_tensor *values(ae_dtype dtype, int ndim, const int64_t *shape, const double *v)
{
    ae_tensor *t = ae_empty(g, dtype, ndim, shape);
    for (int64_t i = 0; i < ae_numel(t); i++) {
        ae_set_f64(t, i, v[i]);
    }
    return t;
}

static void expect(ae_tensor *t, const char *shape, const double *want, double tolerance)
{
    char text[AE_SHAPE_TEXT_MAX];
    double got[128];
    if (!ae_ok(g)) {
        fail_msg("%s", ae_graph_error(g)->message);
    }
    assert_string_equal(ae_shape_text(t->ndim, t->shape, text), shape);
    assert_int_equal(ae_read(t, AE_F64, got, ae_numel(t)), 0);
    for (int64_t i = 0; i < ae_numel(t); i++) {
        if (!(fabs(got[i] - want[i]) <= tolerance) && !(isnan(got[i]) && isnan(want[i]))) {
            fail_msg("element %lld is %.9g, not %.9g", (long long)i, got[i], want[i]);
        }
    }
}

static void expect_error(ae_code code, const char *message)
{
    assert_int_equal(ae_graph_error(g)->code, code);
    assert_string_equal(ae_graph_error(g)->message, message);
    ae_graph_begin(g, AE_TRAIN);
}

static const double same_padding[] = {
    0.79490132,  0.66317212,   -0.0734536838, -0.269531874, 0.136830106,  0.47872596,   0.672475827, 1.45144741,
    1.56842281,  1.09674148,   0.775498361,   0.521983996,  -0.290262436, -0.326772892, 0.204735177, 0.86451766,
    0.163524737, -0.312246378, 0.102361977,   0.45490678,   0.437443797,  1.21482596,   1.64642502,  1.13038524,
    0.803397355, 0.787965627,  -0.0567533478, -0.439154504, 0.172307544,  0.469930829};
static const double grouped[] = {-0.0776719172, 0.184060038,  -0.0515570717, 0.0395951258,  0.215921322,  -0.266500846,
                                 0.161570944,   -0.132183917, -0.0563089373, 0.00599489028, -0.253386125, 0.178932369,
                                 0.0317115886,  0.27611262,   -0.240273599,  0.224294883,   0.0191534699, -0.154002225,
                                 0.162315317,   -0.336358407, 0.230481331,   -0.109574005,  -0.220415164, 0.263770619};

static void conv1d_agrees_with_numpy(void **state)
{
    static const struct {
        ae_dtype dtype;
        double tolerance;
    } paths[] = {{AE_F64, 1e-8}, {AE_F32, 2e-6}, {AE_BF16, 0.02}};
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        ae_graph_begin(g, AE_EVAL);
        ae_dtype d = paths[i].dtype;
        ae_tensor *x = wave(d, 0.1, 1, SHAPE(2, 4, 5));
        const ae_conv1d_options padded = {.pad_left = 1, .pad_right = 1};
        ae_tensor *w = wave(d, 0.2, 0.5, SHAPE(3, 4, 3)), *bias = wave(d, 0.3, 1, SHAPE(3));
        expect(ae_f_conv1d(g, x, w, bias, &padded), "[2,3,5]", same_padding, paths[i].tolerance);
        const ae_conv1d_options causal = {.stride = 2, .pad_left = 2, .dilation = 2, .groups = 2};
        ae_tensor *y = ae_f_conv1d(g, x, wave(d, 0.2, 0.5, SHAPE(4, 2, 2)), NULL, &causal);
        expect(y, "[2,4,3]", grouped, paths[i].tolerance);
        assert_int_equal(y->dtype, d);
    }
}

static void empty_convolutions(void **state)
{
    (void)state;
    ae_graph_begin(g, AE_TRAIN);
    ae_tensor *w = ae_requires_grad(g, wave(AE_F32, 0, 1, SHAPE(3, 4, 2)));
    ae_tensor *y = ae_f_conv1d(g, ae_zeros(g, AE_F32, SHAPE(0, 4, 5)), w, NULL, NULL);
    assert_true(y->shape[0] == 0 && y->shape[1] == 3 && y->shape[2] == 4);
    assert_int_equal(ae_backward(g, ae_sum(g, y, 0, NULL, false), 0), 0);
    for (int64_t i = 0; i < ae_numel(w); i++) {
        assert_true(ae_get_f64(w->grad, i) == 0);
    }
    ae_graph_begin(g, AE_EVAL); /* no channels: the bias alone */
    ae_tensor *bias = values(AE_F32, SHAPE(2), (const double[]){1, -2});
    y = ae_f_conv1d(g, ae_zeros(g, AE_F32, SHAPE(1, 0, 3)), ae_zeros(g, AE_F32, SHAPE(2, 0, 2)), bias, NULL);
    expect(y, "[1,2,2]", (const double[]){1, 1, -2, -2}, 0);
}

static void bad_convolutions_are_named(void **state)
{
    (void)state;
    ae_graph_begin(g, AE_TRAIN);
    ae_tensor *x = wave(AE_F32, 0, 1, SHAPE(2, 4, 5)), *w = wave(AE_F32, 0, 1, SHAPE(3, 4, 3));
    ae_f_conv1d(g, wave(AE_F32, 0, 1, SHAPE(4, 5)), w, NULL, NULL);
    expect_error(AE_E_SHAPE, "conv1d: x must be (batch, channels, time); it is [4,5]");
    x = wave(AE_F32, 0, 1, SHAPE(2, 4, 5));
    w = ae_name(g, wave(AE_F32, 0, 1, SHAPE(3, 5, 3)), "conv.weight");
    ae_f_conv1d(g, x, w, NULL, NULL);
    expect_error(AE_E_SHAPE, "conv1d: x must be (batch, time, channels) and the weight (out, channels / 1 groups, "
                             "kernel); x is input 0 [2,5,4], the weight conv.weight [3,5,3]");
    x = wave(AE_F32, 0, 1, SHAPE(2, 4, 5));
    w = wave(AE_F32, 0, 1, SHAPE(3, 4, 6));
    ae_f_conv1d(g, x, w, NULL, NULL);
    expect_error(AE_E_SHAPE, "conv1d: a kernel of 6 with dilation 1 does not fit into 5 padded steps");
    x = wave(AE_F32, 0, 1, SHAPE(2, 4, 5));
    w = wave(AE_F32, 0, 1, SHAPE(3, 4, 3));
    ae_f_conv1d(g, x, w, wave(AE_F32, 0, 1, SHAPE(4)), NULL);
    expect_error(AE_E_SHAPE, "conv1d: the bias must have one element an output channel; it is input 2 [4], the weight "
                             "input 1 [3,4,3]");
    x = wave(AE_F32, 0, 1, SHAPE(2, 4, 5));
    w = wave(AE_F64, 0, 1, SHAPE(3, 4, 3));
    ae_f_conv1d(g, x, w, NULL, NULL);
    expect_error(AE_E_DTYPE, "conv1d: x is f32, weight f64, bias left out; they must be of one float dtype");
    x = wave(AE_F32, 0, 1, SHAPE(2, 4, 5));
    w = wave(AE_F32, 0, 1, SHAPE(3, 4, 3));
    ae_f_conv1d(g, x, w, NULL, &(const ae_conv1d_options){.stride = -1, .pad_left = -2});
    expect_error(AE_E_VALUE,
                 "conv1d: stride -1, dilation 1, groups 1 must be positive, the padding -2, 0 not negative");
}

static void windows(void **state)
{
    const double x[] = {1, 5, 5, 2, -1, -3};
    (void)state;
    for (int f64 = 0; f64 < 2; f64++) {
        ae_graph_begin(g, AE_TRAIN);
        ae_tensor *t = ae_requires_grad(g, values(f64 ? AE_F64 : AE_F32, SHAPE(1, 1, 6), x));
        ae_tensor *y = ae_max_pool1d(g, t, 3, 0, 1);
        expect(y, "[1,1,2]", (const double[]){5, 5}, 0);
        ae_backward(g, ae_sum(g, y, 0, NULL, false), 0);
        expect(t->grad, "[1,1,6]", (const double[]){0, 1, 1, 0, 0, 0}, 0);
        expect(ae_max_pool1d(g, t, 2, 1, 0), "[1,1,5]", (const double[]){5, 5, 5, 2, -1}, 0);
        expect(ae_avg_pool1d(g, t, 2, 2, 1), "[1,1,4]", (const double[]){0.5, 5, 0.5, -1.5}, 1e-7);
    }
    ae_max_pool1d(g, ae_zeros(g, AE_F32, SHAPE(1, 1, 6)), 2, 0, 2);
    expect_error(AE_E_VALUE, "max_pool1d: kernel 2 and stride 2 must be positive, padding 2 in 0..1");
    ae_avg_pool1d(g, ae_zeros(g, AE_F32, SHAPE(1, 6)), 2, 0, 0);
    expect_error(AE_E_SHAPE, "avg_pool1d: x must be (batch, channels, time); it is [1,6]");
    ae_max_pool1d(g, ae_zeros(g, AE_F32, SHAPE(1, 1, 6)), 7, 0, 0);
    expect_error(AE_E_SHAPE, "max_pool1d: a window of 7 does not fit into 6 padded steps");
    ae_max_pool1d(g, ae_zeros(g, AE_I64, SHAPE(1, 1, 6)), 2, 0, 0);
    expect_error(AE_E_DTYPE, "max_pool1d: x is i64; it must be of floats");
}

static void over_time(void **state)
{
    /* (2,3,2): ties, padding that would win, and NaN in padding */
    const double x[] = {3, -1, 3, -2, 9, NAN, -4, 0, 1, 0, 2, 1};
    const double counts[] = {2, 3};
    (void)state;
    for (int f64 = 0; f64 < 2; f64++) {
        ae_dtype d = f64 ? AE_F64 : AE_F32;
        ae_graph_begin(g, AE_TRAIN);
        ae_tensor *t = ae_requires_grad(g, values(d, SHAPE(2, 3, 2), x));
        ae_tensor *n = values(f64 ? AE_I32 : AE_I64, SHAPE(2), counts);
        ae_tensor *y = ae_max_over_time(g, t, n);
        expect(y, "[2,2]", (const double[]){3, -1, 2, 1}, 0);
        ae_backward(g, ae_sum(g, y, 0, NULL, false), 0);
        expect(t->grad, "[2,3,2]", (const double[]){1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1}, 0);
        expect(ae_max_over_time(g, t, NULL), "[2,2]", (const double[]){9, NAN, 2, 1}, 0);
        expect(ae_mean_over_time(g, t, n), "[2,2]", (const double[]){3, -1.5, -1.0 / 3, 1.0 / 3}, 1e-7);
        expect(ae_last_over_time(g, t, n), "[2,2]", (const double[]){3, -2, 2, 1}, 0);
        ae_graph_begin(g, AE_TRAIN);
        t = ae_requires_grad(g, values(d, SHAPE(2, 3, 2), x));
        n = values(AE_I64, SHAPE(2), counts);
        ae_backward(g, ae_sum(g, ae_mean_over_time(g, t, n), 0, NULL, false), 0);
        const double third = 1.0 / 3;
        expect(t->grad, "[2,3,2]", (const double[]){0.5, 0.5, 0.5, 0.5, 0, 0, third, third, third, third, third, third},
               1e-7);
    }
}

static void pooling_by_name(void **state)
{
    const double x[] = {3, -1, 3, -2, 9, 4, -4, 0, 1, 0, 2, 1}, counts[] = {2, 3};
    static const struct {
        const char *name;
        double with[4], without[4];
    } cases[] = {{"mean", {3, -1.5, -1.0 / 3, 1.0 / 3}, {5, 1.0 / 3, -1.0 / 3, 1.0 / 3}},
                 {"max", {3, -1, 2, 1}, {9, 4, 2, 1}},
                 {"first", {3, -1, -4, 0}, {3, -1, -4, 0}},
                 {"last", {3, -2, 2, 1}, {9, 4, 2, 1}}};
    ae_err e = {0};
    (void)state;
    ae_graph_begin(g, AE_EVAL);
    for (size_t i = 0; i < AE_POOLING_COUNT; i++) {
        ae_pooling p;
        assert_int_equal(ae_pooling_parse(cases[i].name, &p, &e), 0);
        assert_string_equal(ae_pooling_name(p), cases[i].name);
        ae_tensor *t = values(AE_F32, SHAPE(2, 3, 2), x);
        expect(ae_pool_over_time(g, p, t, values(AE_I64, SHAPE(2), counts)), "[2,2]", cases[i].with, 1e-6);
        expect(ae_pool_over_time(g, p, t, NULL), "[2,2]", cases[i].without, 1e-6);
    }
    ae_pooling p;
    assert_int_equal(ae_pooling_parse("median", &p, &e), -1);
    assert_string_equal(e.message, "pooling: median is not known; mean, max, first, last are");
    assert_string_equal(ae_pooling_name((ae_pooling)9), "?");
    ae_pool_over_time(g, (ae_pooling)9, ae_zeros(g, AE_F32, SHAPE(1, 1, 1)), NULL);
    expect_error(AE_E_VALUE, "pool_over_time: there is no pooling 9");
}

static void bad_lengths_are_named(void **state)
{
    (void)state;
    ae_graph_begin(g, AE_EVAL);
    ae_tensor *x = wave(AE_F32, 0, 1, SHAPE(2, 3, 2));
    ae_max_over_time(g, x, values(AE_I64, SHAPE(2), (const double[]){3, 0}));
    expect_error(AE_E_VALUE, "max_over_time: length 0 of row 1 is outside of 1..3, the steps of x");
    x = wave(AE_F32, 0, 1, SHAPE(2, 3, 2));
    ae_mean_over_time(g, x, values(AE_I64, SHAPE(2), (const double[]){4, 1}));
    expect_error(AE_E_VALUE, "mean_over_time: length 4 of row 0 is outside of 1..3, the steps of x");
    x = wave(AE_F32, 0, 1, SHAPE(2, 3, 2));
    ae_last_over_time(g, x, values(AE_F32, SHAPE(2), (const double[]){3, 1}));
    expect_error(AE_E_DTYPE, "last_over_time: lengths are f32; they must be i32 or i64");
    x = wave(AE_F32, 0, 1, SHAPE(2, 3, 2));
    ae_max_over_time(g, x, values(AE_I64, SHAPE(1), (const double[]){3}));
    expect_error(AE_E_SHAPE, "max_over_time: lengths must be [2], one a row of x; got [1]");
    ae_max_over_time(g, ae_zeros(g, AE_F32, SHAPE(2, 0, 2)), NULL);
    expect_error(AE_E_SHAPE, "max_over_time: x must be (batch, time, channels) with at least one step; it is [2,0,2]");
    ae_max_over_time(g, ae_zeros(g, AE_I32, SHAPE(2, 1, 2)), NULL);
    expect_error(AE_E_DTYPE, "max_over_time: x is i32; it must be of floats");
}

static void the_module_is_the_function(void **state)
{
    ae_model *m = ae_model_new(1);
    struct ae_conv1d l;
    const ae_conv1d_options o = {.stride = 2, .groups = 2};
    (void)state;
    ae_graph_begin(g, AE_EVAL);
    ae_conv1d_init(m, &l, "conv", 4, 6, 3, &o, true);
    assert_ptr_equal(ae_model_get(m, "conv.weight"), l.weight);
    assert_ptr_equal(ae_model_get(m, "conv.bias"), l.bias);
    assert_true(l.weight->shape[0] == 6 && l.weight->shape[1] == 2 && l.weight->shape[2] == 3);
    double largest = 0, bound = 1 / sqrt(6.0);
    for (int64_t i = 0; i < ae_numel(l.weight); i++) {
        largest = fmax(largest, fabs(ae_get_f64(l.weight, i)));
    }
    assert_true(largest <= bound && largest > 0.7 * bound);
    ae_tensor *x = wave(AE_F32, 0, 1, SHAPE(2, 4, 9));
    ae_tensor *want = ae_contiguous(g, ae_f_conv1d(g, x, l.weight, l.bias, &o));
    double numbers[48];
    ae_read(want, AE_F64, numbers, 48);
    expect(ae_conv1d(g, &l, x), "[2,6,4]", numbers, 0);
    expect(ae_transpose(g, ae_conv1d_time(g, &l, ae_transpose(g, x, 1, 2)), 1, 2), "[2,6,4]", numbers, 0);
    ae_conv1d_init(m, &l, "bad", 4, 5, 3, &o, true);
    assert_string_equal(ae_model_error(m)->message, "bad: 4 input and 5 output channels must be positive and divisible "
                                                    "by 2 groups, the kernel 3 positive");
    ae_model_free(m);
}

static int setup(void **state)
{
    (void)state;
    g = ae_graph_new();
    return g ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    ae_graph_free(g);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv1d_agrees_with_numpy),
        cmocka_unit_test(empty_convolutions),
        cmocka_unit_test(bad_convolutions_are_named),
        cmocka_unit_test(windows),
        cmocka_unit_test(over_time),
        cmocka_unit_test(pooling_by_name),
        cmocka_unit_test(bad_lengths_are_named),
        cmocka_unit_test(the_module_is_the_function),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
