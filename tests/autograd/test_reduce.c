/* Reductions and their gradients against numbers computed apart, in every dtype, with empty extents, NaN and bad input;
 * and that the number of threads changes no bit. */
#include "tensor/kernels.h"
#include "tensor/threads.h"

#include "op_values.h"

static const double numbers[] = {1.5, -2, 0.25, -0.5, 3, -1.25, 2.75, 0.5, -0.75, 1, -3, 4};
static const ae_dtype float_dtypes[] = {AE_F64, AE_F32, AE_BF16, AE_F16};
static const double precision[] = {1e-13, 1e-6, 1e-2, 2e-3}; /* of float_dtypes, for results and gradients */
static const ae_dtype whole_dtypes[] = {AE_I8, AE_U8, AE_I32, AE_I64};

static void check(int dtype, ae_tensor *(*f)(ae_tensor *), const char *shape, int64_t n, const double *want,
                  const double *gradient)
{
    ae_graph_begin(g, AE_TRAIN);
    ae_tensor *x = ae_requires_grad(g, values(float_dtypes[dtype], "4,3", numbers));
    ae_tensor *y = f(x);
    expect_near(y, shape, n, want, precision[dtype]);
    assert_int_equal(y->dtype, float_dtypes[dtype]);
    if (gradient) {
        expect_near(ladder_gradient(x, y), "[4,3]", 12, gradient, 4 * precision[dtype]);
    }
}

static const int last[] = {-1}, first[] = {0};

static ae_tensor *sum_0(ae_tensor *x)
{
    return ae_sum(g, x, 1, first, false);
}

static ae_tensor *mean_0(ae_tensor *x)
{
    return ae_mean(g, x, 1, first, true);
}

static ae_tensor *prod_1(ae_tensor *x)
{
    return ae_prod(g, x, 1, last, false);
}

static ae_tensor *var_0(ae_tensor *x)
{
    return ae_var(g, x, 1, first, 1, false);
}

static ae_tensor *var_1(ae_tensor *x)
{
    return ae_var(g, x, 1, last, 0, false);
}

static ae_tensor *unbiased_var_1(ae_tensor *x)
{
    return ae_scale(g, ae_var(g, x, 1, last, 1, true), 2.0 / 3.0);
}

static ae_tensor *std_1(ae_tensor *x)
{
    return ae_std(g, x, 1, last, 1, false);
}

static ae_tensor *norm_2(ae_tensor *x)
{
    return ae_norm(g, x, 2, 1, last, false);
}

static ae_tensor *norm_3(ae_tensor *x)
{
    return ae_norm(g, x, 3, 1, first, false);
}

static ae_tensor *norm_half(ae_tensor *x)
{
    return ae_norm(g, x, 0.5, 1, last, false);
}

static ae_tensor *norm_1(ae_tensor *x)
{
    return ae_norm(g, x, 1, 1, last, true);
}

static ae_tensor *norm_inf(ae_tensor *x)
{
    return ae_norm(g, x, (double)INFINITY, 1, last, false);
}

static ae_tensor *logsumexp_1(ae_tensor *x)
{
    return ae_logsumexp(g, x, 1, last, false);
}

static ae_tensor *max_1(ae_tensor *x)
{
    return ae_max(g, x, 1, last, false);
}

static ae_tensor *min_0(ae_tensor *x)
{
    return ae_min(g, x, 1, first, true);
}

static ae_tensor *max_all(ae_tensor *x)
{
    return ae_add_scalar(g, ae_scale(g, ae_expand(g, ae_max(g, x, 0, NULL, false), 1, (int64_t[]){3}), 1), 0);
}

static void values_and_gradients(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        check(i, sum_0, "[3]", 3, (double[]){4.75, -1.5, 2.25}, (double[]){0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2});
        check(i, mean_0, "[1,3]", 3, (double[]){1.1875, -0.375, 0.5625},
              (double[]){0, .25, .5, 0, .25, .5, 0, .25, .5, 0, .25, .5});
        check(i, prod_1, "[4]", 4, (double[]){-0.75, 1.875, -1.03125, -12},
              (double[]){0, 0, 0, -3.75, 0.625, -1.5, -0.75, -4.125, 2.75, -36, 12, -9});
        check(i, var_0, "[3]", 3, (double[]){1.8072916666666667, 7.229166666666667, 5.640625}, NULL);
        check(i, var_1, "[4]", 4,
              (double[]){2.097222222222222, 3.430555555555556, 2.0972222222222223, 8.222222222222221},
              (double[]){0, 0, 0, -0.9166666666666667 * 2 / 3, 2.5833333333333335 * 2 / 3, -1.6666666666666667 * 2 / 3,
                         3.833333333333333 * 2 / 3, -0.6666666666666667 * 2 / 3, -3.166666666666667 * 2 / 3, 2.0 / 3,
                         -22.0 / 3, 20.0 / 3});
        check(i, unbiased_var_1, "[4,1]", 4,
              (double[]){2.097222222222222, 3.430555555555556, 2.0972222222222223, 8.222222222222221}, NULL);
        check(i, std_1, "[4]", 4,
              (double[]){1.773649721149397, 2.268442931469367, 1.773649721149397, 3.511884584284246},
              (double[]){0, 0, 0, -0.2020475485519274, 0.5694067277372499, -0.3673591791853225, 1.0806342671903608,
                         -0.18793639429397585, -0.8926978728963852, 0.14237369936287486, -1.5661106929916235,
                         1.4237369936287485});
    }
}

static void norms_and_extremes(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        check(i, norm_2, "[4]", 4,
              (double[]){2.5124689052802225, 3.2882366094914763, 2.8939592256975564, 5.0990195135927845},
              (double[]){0, 0, 0, -0.1520571842539411, 0.9123431055236466, -0.38014296063485276, 1.9005105362789922,
                         0.34554737023254406, -0.5183210553488161, 0.5883484054145521, -1.7650452162436565,
                         2.3533936216582085});
        check(i, norm_3, "[3]", 3, (double[]){2.9355464602831525, 3.96054969752418, 4.049197117682962},
              (double[]){0, -0.2550052119130258, 0.007623811941977807, 0, 0.5737617268043079, -0.19059529854944518, 0,
                         0.01593782574456411, -0.06861430747780026, 0, -0.5737617268043079, 1.9516958571463185});
        check(i, norm_half, "[4]", 4,
              (double[]){9.85306004890244, 12.653611919074784, 10.442234074572319, 22.392304845413257}, NULL);
        check(i, norm_1, "[4,1]", 4, (double[]){3.75, 4.75, 4, 8}, (double[]){0, 0, 0, -1, 1, -1, 2, 2, -2, 3, -3, 3});
        check(i, norm_inf, "[4]", 4, (double[]){2, 3, 2.75, 4}, (double[]){0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0, 3});
        check(i, logsumexp_1, "[4]", 4,
              (double[]){1.775130262247635, 3.043501553930298, 2.8771581586310475, 4.049455609695646},
              (double[]){0, 0, 0, 0.02891191300976212, 0.9574310663086687, 0.013657020681569427, 1.761188775960008,
                         0.18562793129324387, 0.05318329274674816, 0.14215413944802646, 0.0026036438846688153,
                         2.855242216667304});
        check(i, max_1, "[4]", 4, (double[]){1.5, 3, 2.75, 4}, (double[]){0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0, 3});
        check(i, min_0, "[1,3]", 3, (double[]){-0.5, -3, -1.25}, (double[]){0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0});
        check(i, max_all, "[3]", 3, (double[]){4, 4, 4}, (double[]){0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3});
    }
}

static void integers_and_bool(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        ae_tensor *x = ladder(whole_dtypes[i], "2,3");
        expect(ae_sum(g, x, 1, first, false), "[3]", 3, (double[]){3, 5, 7});
        expect(ae_prod(g, x, 1, last, false), "[2]", 2, (double[]){0, 60});
        expect(ae_max(g, x, 1, last, true), "[2,1]", 2, (double[]){2, 5});
        expect(ae_min(g, x, 0, NULL, false), "[]", 1, (double[]){0});
        expect(ae_argmax(g, x, 0, false), "[3]", 3, (double[]){1, 1, 1});
        expect(ae_cumsum(g, x, -1), "[2,3]", 6, (double[]){0, 1, 3, 3, 7, 12});
        expect(ae_all(g, x, 1, last, false), "[2]", 2, (double[]){0, 1});
        expect(ae_any(g, x, 1, first, true), "[1,3]", 3, (double[]){1, 1, 1});
    }
    ae_tensor *truth = values(AE_BOOL, "2,3", (double[]){1, 0, 1, 0, 0, 0});
    ae_tensor *count = ae_sum(g, truth, 1, last, false);
    assert_int_equal(count->dtype, AE_I64);
    expect(count, "[2]", 2, (double[]){2, 0});
    assert_int_equal(ae_any(g, truth, 0, NULL, false)->dtype, AE_BOOL);
    expect(ae_any(g, truth, 1, last, false), "[2]", 2, (double[]){1, 0});
    expect(ae_all(g, truth, 1, first, false), "[3]", 3, (double[]){0, 0, 0});
    expect(ae_any(g, values(AE_F32, "2", (double[]){0, NAN}), 0, NULL, false), "[]", 1, (double[]){1});
    ae_tensor *big = ae_full(g, AE_I64, 1, (int64_t[]){3}, 0);
    ae_set_i64(big, 0, INT64_MIN);
    ae_set_i64(big, 1, INT64_MAX);
    assert_true(ae_item_i64(ae_max(g, big, 0, NULL, false)) == INT64_MAX);
    assert_true(ae_item_i64(ae_min(g, big, 0, NULL, false)) == INT64_MIN);
    assert_true(ae_item_i64(ae_argmin(g, big, 0, false)) == 0);
}

/* Many equal values and some NaN, over blocks and pieces and in every order of the axes in memory: the value and the
 * row-major place of the first, as a plain search finds them. */
static void check_extremes(ae_tensor *x, int axis)
{
    ae_tensor *places[2] = {ae_argmax(g, x, axis, false), ae_argmin(g, x, axis, false)};
    ae_tensor *found[2] = {ae_max(g, x, 1, &axis, false), ae_min(g, x, 1, &axis, false)};
    int64_t n = x->shape[axis], kept = x->shape[1 - axis];
    for (int64_t i = 0; i < 2 * kept; i++) {
        bool min = i >= kept;
        int64_t want = 0;
        double best = NAN;
        for (int64_t k = 0; k < n; k++) {
            int64_t at[2] = {axis ? i % kept : k, axis ? k : i % kept};
            double v = (double)((const float *)x->data)[at[0] * x->strides[0] + at[1] * x->strides[1]];
            if (k == 0 || (!isnan(best) && (isnan(v) || (min ? v < best : v > best)))) {
                best = v;
                want = k;
            }
        }
        double got = ae_get_f64(found[min], i % kept);
        assert_true(got == best || (isnan(got) && isnan(best)));
        assert_int_equal(ae_get_i64(places[min], i % kept), want);
    }
}

static void extremes_of_many_equals(void **state)
{
    (void)state;
    static const char *const shapes[] = {"3,700", "700,3", "300,517", "2,40000", "40000,2", "1,5"};
    for (int isa = 0; isa < ae_kernels_count(); isa++) {
        assert_int_equal(ae_kernels_select(ae_kernels_at(isa)->name), 0);
        for (int s = 0; s < 6; s++) {
            ae_tensor *x = ladder(AE_F32, shapes[s]);
            for (int64_t i = 0; i < ae_numel(x); i++) {
                int64_t draw = i * 7919 % 1013;
                ae_set_f64(x, i, draw == 0 && s % 2 ? NAN : draw % 5 == 4 ? -INFINITY : (double)(draw % 5));
            }
            for (int axis = 0; axis < 2; axis++) {
                check_extremes(x, axis);
                check_extremes(ae_transpose(g, x, 0, 1), axis);
                check_extremes(ae_slice(g, x, 1, 0, INT64_MAX, 2), axis);
            }
        }
        ae_graph_begin(g, AE_TRAIN);
    }
    ae_kernels_select(NULL);
}

/* Two axes reduced together whose order in memory is not that of their places: the first place gets the gradient. */
static void extremes_over_permuted_axes(void **state)
{
    (void)state;
    ae_tensor *x = ladder(AE_F32, "2,3,4");
    for (int64_t i = 0; i < 24; i++) {
        ae_set_f64(x, i, i == 4 || i == 12 ? 2.0 : 1.0); /* places 2 and 1 of (3,2): 12 comes first */
    }
    ae_requires_grad(g, x);
    ae_tensor *y = ae_max(g, ae_permute(g, x, (int[]){1, 0, 2}), 2, (int[]){0, 1}, false);
    ae_backward(g, ae_sum(g, y, 0, NULL, false), 0);
    expect(x->grad, "[2,3,4]", 24, (double[24]){0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1});
}

static void extremes_take_the_first_and_pass_nan_on(void **state)
{
    (void)state;
    ae_tensor *x = ae_requires_grad(g, values(AE_F32, "2,4", (double[]){1, 5, 5, 2, 7, 0, 7, 0}));
    ae_tensor *y = ae_max(g, x, 1, last, false);
    expect(ae_argmin(g, x, 1, true), "[2,1]", 2, (double[]){0, 1});
    expect(ladder_gradient(x, ae_add_scalar(g, y, 1)), "[2,4]", 8, (double[]){0, 0, 0, 0, 1, 0, 0, 0});
    ae_tensor *flat = ae_requires_grad(g, values(AE_F32, "3,2", (double[]){4, 9, 9, 4, 9, 9}));
    y = ae_expand(g, ae_max(g, ae_transpose(g, flat, 0, 1), 0, NULL, false), 1, (int64_t[]){2});
    expect(ladder_gradient(flat, y), "[3,2]", 6, (double[]){0, 0, 1, 0, 0, 0}); /* the first of the transpose */
    x = values(AE_F32, "2,3", (double[]){1, NAN, 3, -INFINITY, -INFINITY, -INFINITY});
    expect(ae_max(g, x, 1, last, false), "[2]", 2, (double[]){NAN, -INFINITY});
    expect(ae_argmax(g, x, 1, false), "[2]", 2, (double[]){1, 0});
    expect(ae_argmin(g, x, 1, false), "[2]", 2, (double[]){1, 0});
    expect(ae_logsumexp(g, x, 1, last, false), "[2]", 2, (double[]){NAN, -INFINITY});
    x = values(AE_F32, "2,2", (double[]){1000, 1000, INFINITY, 1});
    expect_near(ae_logsumexp(g, x, 1, last, false), "[2]", 2, (double[]){1000.693147180559945, INFINITY}, 1e-6);
}

static void derivatives_where_a_root_is_zero(void **state)
{
    (void)state;
    const double zeros[4] = {0};
    ae_tensor *x = ae_requires_grad(g, ae_full(g, AE_F32, 2, (int64_t[]){2, 2}, 0));
    expect(ladder_gradient(x, ae_norm(g, x, 2, 1, last, false)), "[2,2]", 4, zeros);
    x = ae_requires_grad(g, ae_full(g, AE_F32, 2, (int64_t[]){2, 2}, 3));
    expect(ladder_gradient(x, ae_std(g, x, 1, last, 1, false)), "[2,2]", 4, zeros);
    x = ae_requires_grad(g, values(AE_F32, "2,2", (double[]){0, 0, 0, 4}));
    expect_near(ladder_gradient(x, ae_norm(g, x, 0.5, 1, last, false)), "[2,2]", 4, (double[]){0, 0, 0, 1}, 1e-6);
    /* one zero, two zeros, none */
    x = ae_requires_grad(g, values(AE_F32, "3,3", (double[]){1, 2, 3, 2, 0, 5, 0, 4, 0}));
    expect(ladder_gradient(x, ae_prod(g, x, 1, last, false)), "[3,3]", 9, (double[]){0, 0, 0, 0, 10, 0, 0, 0, 0});
    x = ae_requires_grad(g, values(AE_F64, "3,3", (double[]){1, 2, 3, 2, 0, 5, 0, 4, 0}));
    expect(ladder_gradient(x, ae_prod(g, x, 1, last, false)), "[3,3]", 9, (double[]){0, 0, 0, 0, 10, 0, 0, 0, 0});
}

static void empty_extents(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        ae_tensor *x = ladder(float_dtypes[i], "2,0");
        expect(ae_sum(g, x, 1, last, false), "[2]", 2, (double[]){0, 0});
        expect(ae_sum(g, x, 1, first, false), "[0]", 0, NULL);
        expect(ae_mean(g, x, 1, last, false), "[2]", 2, (double[]){NAN, NAN});
        expect(ae_prod(g, x, 1, last, false), "[2]", 2, (double[]){1, 1});
        expect(ae_prod(g, x, 1, first, true), "[1,0]", 0, NULL);
        expect(ae_max(g, x, 1, first, false), "[0]", 0, NULL);
        expect(ae_any(g, x, 1, last, false), "[2]", 2, (double[]){0, 0});
        expect(ae_all(g, x, 1, last, false), "[2]", 2, (double[]){1, 1});
        expect(ae_var(g, x, 1, last, 1, false), "[2]", 2, (double[]){NAN, NAN});
        expect(ae_norm(g, x, 2, 1, last, false), "[2]", 2, (double[]){0, 0});
        expect(ae_cumsum(g, x, 1), "[2,0]", 0, NULL);
        expect(ae_cumsum(g, x, 0), "[2,0]", 0, NULL);
    }
    expect(ae_sum(g, ladder(AE_F32, ""), 0, NULL, false), "[]", 1, (double[]){0});
    expect(ae_var(g, ladder(AE_F32, "1"), 0, NULL, 1, false), "[]", 1, (double[]){NAN});
}

/* 3 million times 0.1: an f32 running sum would be off by percents. */
static void long_sums_are_accurate(void **state)
{
    (void)state;
    ae_tensor *x = ae_full(g, AE_F32, 2, (int64_t[]){3000, 1000}, 0.1);
    double tenth = (double)0.1F;
    expect_near(ae_sum(g, x, 0, NULL, false), "[]", 1, (double[]){tenth * 3e6}, 1e-7);
    ae_tensor *columns = ae_sum(g, x, 1, first, false);
    ae_tensor *rows = ae_sum(g, ae_transpose(g, x, 0, 1), 1, last, false);
    for (int i = 0; i < 1000; i++) {
        assert_true(fabs(ae_get_f64(columns, i) - tenth * 3000) < 3e-5);
        assert_true(ae_get_f64(rows, i) == ae_get_f64(columns, i));
    }
    expect_near(ae_slice(g, ae_cumsum(g, ae_reshape(g, x, 1, (int64_t[]){-1}), 0), 0, 2999999, 3000000, 1), "[1]", 1,
                (double[]){tenth * 3e6}, 1e-7);
}

static void threads_change_no_bit(void **state)
{
    static const char *const shapes[] = {"300,500", "7,90,300", "200000", "3,100000", "100000,3"};
    static const int axes[] = {0, 1, 0, 1, 0};
    static float kept[2][700];
    (void)state;
    for (int k = 0; k < 5; k++) {
        for (int threads = 1; threads <= 3; threads += 2) {
            ae_graph_begin(g, AE_EVAL);
            ae_set_threads(threads, NULL);
            int64_t shape[AE_MAX_DIMS];
            int ndim = shape_of(shapes[k], shape);
            ae_tensor *x = ae_empty(g, AE_F32, ndim, shape);
            for (int64_t i = 0; i < ae_numel(x); i++) {
                ((float *)x->data)[i] = (float)sin((double)i * 0.7) * 1e3F;
            }
            ae_tensor *y = ae_sum(g, x, 1, &axes[k], false);
            int64_t n = ae_numel(y) < 700 ? ae_numel(y) : 700;
            memcpy(kept[threads == 3], y->data, (size_t)n * sizeof(float));
            if (threads == 3) {
                assert_memory_equal(kept[0], kept[1], (size_t)n * sizeof(float));
            }
        }
    }
    ae_set_threads(0, NULL);
}

static void bad_input_is_named(void **state)
{
    (void)state;
    ae_sum(g, ladder(AE_F32, "2,3"), 1, (int[]){2}, false);
    expect_error(AE_E_VALUE, "sum: axis 2 of a tensor with 2 axes");
    ae_mean(g, ladder(AE_I64, "2,3"), 0, NULL, false);
    expect_error(AE_E_DTYPE, "mean: input 0 [2,3] is i64; a mean is of floats: cast it");
    ae_max(g, ae_name(g, ladder(AE_F32, "2,0"), "scores"), 1, last, false);
    expect_error(AE_E_SHAPE, "max: scores [2,0] has no elements along the reduced axes");
    ae_argmin(g, ladder(AE_F32, "0"), 0, false);
    expect_error(AE_E_SHAPE, "argmin: input 0 [0] has no elements along the reduced axes");
    ae_var(g, ladder(AE_I32, "2"), 0, NULL, 1, false);
    expect_error(AE_E_DTYPE, "var: the tensor [2] is i32; it takes floats: cast it");
    ae_std(g, ladder(AE_I32, "2"), 0, NULL, 1, false);
    expect_error(AE_E_DTYPE, "std: the tensor [2] is i32; it takes floats: cast it");
    ae_norm(g, ladder(AE_F32, "2"), 0, 0, NULL, false);
    expect_error(AE_E_VALUE, "norm: p is 0; it must be positive, or INFINITY");
    ae_norm(g, ladder(AE_U8, "2"), 2, 0, NULL, false);
    expect_error(AE_E_DTYPE, "norm: the tensor [2] is u8; it takes floats: cast it");
    ae_logsumexp(g, ladder(AE_I32, "2"), 0, NULL, false);
    expect_error(AE_E_DTYPE, "logsumexp: the tensor [2] is i32; it takes floats: cast it");
    ae_cumsum(g, ladder(AE_F32, "2"), -2);
    expect_error(AE_E_VALUE, "cumsum: axis -2 of a tensor with 1 axes");
    ae_cumsum(g, ladder(AE_BOOL, "2"), 0);
    expect_error(AE_E_DTYPE, "cumsum: input 0 [2] is bool; cast it");
    ae_any(g, NULL, 0, NULL, false);
    expect_error(AE_E_VALUE, "any: input 0 is NULL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(values_and_gradients, begin_step),
        cmocka_unit_test_setup(norms_and_extremes, begin_step),
        cmocka_unit_test_setup(integers_and_bool, begin_step),
        cmocka_unit_test_setup(extremes_take_the_first_and_pass_nan_on, begin_step),
        cmocka_unit_test_setup(extremes_of_many_equals, begin_step),
        cmocka_unit_test_setup(extremes_over_permuted_axes, begin_step),
        cmocka_unit_test_setup(derivatives_where_a_root_is_zero, begin_step),
        cmocka_unit_test_setup(empty_extents, begin_step),
        cmocka_unit_test_setup(long_sums_are_accurate, begin_step),
        cmocka_unit_test_setup(threads_change_no_bit, begin_step),
        cmocka_unit_test_setup(bad_input_is_named, begin_step),
    };
    return cmocka_run_group_tests(tests, make_graph, free_graph);
}
