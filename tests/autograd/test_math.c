/* Mathematical functions against numbers computed with Python, their edges, and what bad input gets. */
#include "op_values.h"

typedef struct unary {
    const char *name;
    ae_tensor *(*op)(ae_graph *g, ae_tensor *x);
    const double *x;
    double y[5], slope[5];
} unary;

static const double X[] = {-3.0, -0.5, 0.0, 0.25, 2.0}, P[] = {0.25, 0.5, 1.0, 2.0, 9.0};

static const unary rows[] = {
    {"exp",
     ae_exp,
     X,
     {0.049787068367863944, 0.6065306597126334, 1.0, 1.2840254166877414, 7.38905609893065},
     {0.049787068367863944, 0.6065306597126334, 1.0, 1.2840254166877414, 7.38905609893065}},
    {"log",
     ae_log,
     P,
     {-1.3862943611198906, -0.6931471805599453, 0.0, 0.6931471805599453, 2.1972245773362196},
     {4.0, 2.0, 1.0, 0.5, 0.1111111111111111}},
    {"log1p",
     ae_log1p,
     P,
     {0.22314355131420976, 0.4054651081081644, 0.6931471805599453, 1.0986122886681096, 2.302585092994046},
     {0.8, 0.6666666666666666, 0.5, 0.3333333333333333, 0.1}},
    {"expm1",
     ae_expm1,
     X,
     {-0.950212931632136, -0.3934693402873666, 0.0, 0.2840254166877415, 6.38905609893065},
     {0.049787068367863944, 0.6065306597126334, 1.0, 1.2840254166877414, 7.38905609893065}},
    {"sqrt",
     ae_sqrt,
     P,
     {0.5, 0.7071067811865476, 1.0, 1.4142135623730951, 3.0},
     {1.0, 0.7071067811865475, 0.5, 0.35355339059327373, 0.16666666666666666}},
    {"rsqrt",
     ae_rsqrt,
     P,
     {2.0, 1.414213562373095, 1.0, 0.7071067811865475, 0.3333333333333333},
     {-4.0, -1.4142135623730951, -0.5, -0.1767766952966369, -0.018518518518518517}},
    {"reciprocal",
     ae_reciprocal,
     P,
     {4.0, 2.0, 1.0, 0.5, 0.1111111111111111},
     {-16.0, -4.0, -1.0, -0.25, -0.012345679012345678}},
    {"square", ae_square, X, {9.0, 0.25, 0.0, 0.0625, 4.0}, {-6.0, -1.0, 0.0, 0.5, 4.0}},
    {"erf",
     ae_erf,
     X,
     {-0.9999779095030014, -0.5204998778130465, 0.0, 0.2763263901682369, 0.9953222650189527},
     {0.00013925305194674786, 0.8787825789354448, 1.1283791670955126, 1.0600141293761143, 0.020666985354092053}},
    {"sin",
     ae_sin,
     X,
     {-0.1411200080598672, -0.479425538604203, 0.0, 0.24740395925452294, 0.9092974268256817},
     {-0.9899924966004454, 0.8775825618903728, 1.0, 0.9689124217106447, -0.4161468365471424}},
    {"cos",
     ae_cos,
     X,
     {-0.9899924966004454, 0.8775825618903728, 1.0, 0.9689124217106447, -0.4161468365471424},
     {0.1411200080598672, 0.479425538604203, -0.0, -0.24740395925452294, -0.9092974268256817}},
    {"abs", ae_abs, X, {3.0, 0.5, 0.0, 0.25, 2.0}, {-1.0, -1.0, 0.0, 1.0, 1.0}},
};

static void values_and_slopes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int k = 0; k < 4; k++) {
            const ae_dtype dtypes[] = {AE_F64, AE_F32, AE_BF16, AE_F16};
            const double tolerance[] = {1e-14, 1e-6, 0x1p-7, 0x1p-9};
            ae_graph_begin(g, AE_TRAIN);
            ae_tensor *x = values(dtypes[k], "5", rows[i].x);
            ae_requires_grad(g, x);
            ae_tensor *y = rows[i].op(g, x);
            assert_string_equal(y->op, rows[i].name);
            assert_int_equal(y->dtype, dtypes[k]);
            expect_near(y, "[5]", 5, rows[i].y, tolerance[k]);
            assert_int_equal(ae_backward(g, ae_sum(g, y, 0, NULL, false), 0), 0);
            expect_near(x->grad, "[5]", 5, rows[i].slope, tolerance[k]);
        }
    }
}

static void nan_passes_and_empty_stays_empty(void **state)
{
    const double nan[] = {NAN, 1.0};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double got[2];
        assert_int_equal(ae_read(rows[i].op(g, values(AE_F32, "2", nan)), AE_F64, got, 2), 0);
        assert_true(isnan(got[0]) && !isnan(got[1]));
        ae_tensor *x = values(AE_F32, "3,0", NULL);
        ae_requires_grad(g, x);
        ae_tensor *y = rows[i].op(g, x);
        expect(y, "[3,0]", 0, NULL);
        assert_int_equal(ae_backward(g, ae_sum(g, y, 0, NULL, false), 0), 0);
        expect(x->grad, "[3,0]", 0, NULL);
    }
}

static void integers_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char message[200];
        if (rows[i].op == ae_square || rows[i].op == ae_abs) {
            continue;
        }
        ae_tensor *x = ladder(AE_I32, "2");
        rows[i].op(g, x);
        snprintf(message, sizeof message, "%s: input 0 [2] is i32, which this operation does not take; cast it",
                 rows[i].name);
        expect_error(AE_E_DTYPE, message);
        rows[i].op(g, NULL);
        snprintf(message, sizeof message, "%s: input 0 is NULL", rows[i].name);
        expect_error(AE_E_VALUE, message);
    }
}

static void whole_numbers(void **state)
{
    const double x[] = {-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.7, -3.7};
    const double down[] = {-3, -2, -1, 0, 1, 2, 3, -4}, up[] = {-2, -1, 0, 1, 2, 3, 4, -3};
    const double nearest[] = {-2, -2, 0, 0, 2, 2, 4, -4}, signs[] = {-1, -1, -1, 1, 1, 1, 1, -1};
    (void)state;
    for (int k = 0; k < 2; k++) {
        ae_tensor *t = values(k ? AE_F64 : AE_F32, "8", x);
        expect(ae_floor(g, t), "[8]", 8, down);
        expect(ae_ceil(g, t), "[8]", 8, up);
        expect(ae_round(g, t), "[8]", 8, nearest);
        expect(ae_sign(g, t), "[8]", 8, signs);
    }
}

/* Python: [x % y for x, y in zip(...)]. */
static void remainder_has_the_sign_of_the_divisor(void **state)
{
    const double x[] = {7, -7, 7, -7, 6, 0}, y[] = {3, 3, -3, -3, -3, 5}, want[] = {1, 2, -2, -1, 0, 0};
    const double slope_y[] = {-2, 3, 3, -2, 2, 0};
    (void)state;
    const ae_dtype dtypes[] = {AE_F32, AE_F64, AE_I64, AE_I32, AE_I8};
    for (int k = 0; k < 5; k++) {
        expect(ae_remainder(g, values(dtypes[k], "6", x), values(dtypes[k], "6", y)), "[6]", 6, want);
    }
    ae_tensor *divisor = values(AE_F64, "6", y);
    ae_requires_grad(g, divisor);
    ae_backward(g, ae_sum(g, ae_remainder(g, values(AE_F64, "6", x), divisor), 0, NULL, false), 0);
    expect(divisor->grad, "[6]", 6, slope_y);
    expect(ae_remainder(g, values(AE_F64, "", (double[]){1.5}), ae_scalar(g, AE_F64, 0)), "[]", 1, (double[]){NAN});
    expect(ae_remainder(g, values(AE_I64, "", (double[]){5}), ae_scalar(g, AE_I64, 0)), "[]", 1, (double[]){0});
    ae_tensor *least = ae_from_data(g, AE_I64, 0, NULL, &(int64_t){INT64_MIN});
    expect(ae_remainder(g, least, ae_scalar(g, AE_I64, -1)), "[]", 1, (double[]){0});
}

static void powers(void **state)
{
    const double x[] = {2, 4, 0, 0, 0.5, -2}, y[] = {3, 0.5, 2, 0, -1, 2}, want[] = {8, 2, 0, 1, 2, 4};
    /* y x^(y-1), and x^y ln x with 0 where x = 0 and y >= 0; ln of -2 is NaN */
    const double slope_x[] = {12, 0.25, 0, 0, -4, -4};
    const double slope_y[] = {5.545177444479562, 2.772588722239781, 0, 0, -1.3862943611198906, NAN};
    (void)state;
    ae_tensor *a = values(AE_F64, "6", x), *b = values(AE_F64, "6", y);
    ae_requires_grad(g, a);
    ae_requires_grad(g, b);
    ae_tensor *p = ae_pow(g, a, b);
    expect_near(p, "[6]", 6, want, 1e-15);
    ae_backward(g, ae_sum(g, p, 0, NULL, false), 0);
    expect_near(b->grad, "[6]", 6, slope_y, 1e-15);
    expect_near(a->grad, "[6]", 6, slope_x, 1e-15);
    ae_tensor *c = values(AE_F64, "6", x);
    ae_requires_grad(g, c);
    expect_near(ae_pow_scalar(g, c, 3), "[6]", 6, (double[]){8, 64, 0, 0, 0.125, -8}, 1e-15);
    ae_tensor *flat = ae_pow_scalar(g, c, 0);
    expect(flat, "[6]", 6, (double[]){1, 1, 1, 1, 1, 1});
    ae_backward(g, ae_sum(g, ae_add(g, flat, ae_square(g, c)), 0, NULL, false), 0);
    expect(c->grad, "[6]", 6, (double[]){4, 8, 0, 0, 1, -4});
}

static void ties_share_the_gradient(void **state)
{
    const double x[] = {1, 2, 3, NAN}, y[] = {2, 2, 2, 2};
    (void)state;
    for (int larger = 0; larger < 2; larger++) {
        ae_graph_begin(g, AE_TRAIN);
        ae_tensor *a = values(AE_F32, "4", x), *b = values(AE_F32, "4", y);
        ae_requires_grad(g, a);
        ae_requires_grad(g, b);
        ae_tensor *m = larger ? ae_maximum(g, a, b) : ae_minimum(g, a, b);
        expect(m, "[4]", 4, larger ? (double[]){2, 2, 3, NAN} : (double[]){1, 2, 2, NAN});
        ae_backward(g, ae_sum(g, m, 0, NULL, false), 0);
        expect(a->grad, "[4]", 4, larger ? (double[]){0, 0.5, 1, 1} : (double[]){1, 0.5, 0, 1});
        expect(b->grad, "[4]", 4, larger ? (double[]){1, 0.5, 0, 1} : (double[]){0, 0.5, 1, 1});
    }
    expect(ae_maximum(g, values(AE_I32, "3", x), ae_scalar(g, AE_I32, 2)), "[3]", 3, (double[]){2, 2, 3});
    expect(ae_minimum(g, values(AE_U8, "3", x), ae_scalar(g, AE_U8, 2)), "[3]", 3, (double[]){1, 2, 2});
}

static void clamping(void **state)
{
    const double x[] = {-2, -1, 0, 1, 2, NAN};
    (void)state;
    ae_tensor *t = values(AE_F32, "6", x);
    ae_requires_grad(g, t);
    ae_tensor *y = ae_clamp(g, t, -1, 1);
    expect(y, "[6]", 6, (double[]){-1, -1, 0, 1, 1, NAN});
    ae_backward(g, ae_sum(g, y, 0, NULL, false), 0);
    expect(t->grad, "[6]", 6, (double[]){0, 1, 1, 1, 0, 0});
    expect(ae_clamp(g, values(AE_I32, "5", x), -1, INFINITY), "[5]", 5, (double[]){-1, -1, 0, 1, 2});
    ae_clamp(g, t, 1, -1);
    expect_error(AE_E_VALUE, "clamp: lo is 1 and hi is -1; lo must not be above hi");
    ae_clamp(g, t, 0, NAN);
    expect_error(AE_E_VALUE, "clamp: lo is 0 and hi is nan; lo must not be above hi");
}

static void integers(void **state)
{
    const double x[] = {-3, 0, 2};
    (void)state;
    expect(ae_square(g, values(AE_I32, "3", x)), "[3]", 3, (double[]){9, 0, 4});
    expect(ae_abs(g, values(AE_I8, "3", x)), "[3]", 3, (double[]){3, 0, 2});
    expect(ae_sign(g, values(AE_I64, "3", x)), "[3]", 3, (double[]){-1, 0, 1});
}

static void edges_of_the_domain(void **state)
{
    const double x[] = {0, -1, INFINITY};
    (void)state;
    expect(ae_log(g, values(AE_F32, "3", x)), "[3]", 3, (double[]){-INFINITY, NAN, INFINITY});
    expect(ae_sqrt(g, values(AE_F32, "3", x)), "[3]", 3, (double[]){0, NAN, INFINITY});
    expect(ae_rsqrt(g, values(AE_F32, "3", x)), "[3]", 3, (double[]){INFINITY, NAN, 0});
    expect(ae_reciprocal(g, values(AE_F64, "3", x)), "[3]", 3, (double[]){INFINITY, -1, 0});
    expect(ae_exp(g, values(AE_F32, "2", (double[]){-INFINITY, 89})), "[2]", 2, (double[]){0, INFINITY});
    expect_near(ae_log1p(g, values(AE_F64, "", (double[]){1e-17})), "[]", 1, (double[]){1e-17}, 0);
    expect_near(ae_expm1(g, values(AE_F64, "", (double[]){1e-17})), "[]", 1, (double[]){1e-17}, 0);
}

static void shapes_that_do_not_broadcast(void **state)
{
    (void)state;
    ae_tensor *x = ae_name(g, ladder(AE_F32, "2,3"), "encoder.weight");
    ae_maximum(g, x, ladder(AE_F32, "2"));
    expect_error(AE_E_SHAPE,
                 "maximum: encoder.weight [2,3] and input 1 [2] do not broadcast: extents must be equal or 1 "
                 "from the right");
    ae_pow(g, ladder(AE_F32, "2"), ladder(AE_I64, "2"));
    expect_error(AE_E_DTYPE, "pow: input 0 [2] is f32 and input 1 [2] is i64; cast one of them");
    ae_tensor *mixed = ae_pow(g, ladder(AE_BF16, "3"), ae_scalar(g, AE_F64, 2));
    assert_int_equal(mixed->dtype, AE_F64);
    expect(mixed, "[3]", 3, (double[]){0, 1, 4});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(values_and_slopes, begin_step),
        cmocka_unit_test_setup(nan_passes_and_empty_stays_empty, begin_step),
        cmocka_unit_test_setup(integers_are_refused, begin_step),
        cmocka_unit_test_setup(whole_numbers, begin_step),
        cmocka_unit_test_setup(remainder_has_the_sign_of_the_divisor, begin_step),
        cmocka_unit_test_setup(powers, begin_step),
        cmocka_unit_test_setup(ties_share_the_gradient, begin_step),
        cmocka_unit_test_setup(clamping, begin_step),
        cmocka_unit_test_setup(integers, begin_step),
        cmocka_unit_test_setup(edges_of_the_domain, begin_step),
        cmocka_unit_test_setup(shapes_that_do_not_broadcast, begin_step),
    };
    return cmocka_run_group_tests(tests, make_graph, free_graph);
}
