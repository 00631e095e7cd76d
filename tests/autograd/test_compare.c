/* Comparison and choice by hand-written tables, for every dtype, and what bad input gets. */
#include "op_values.h"

typedef ae_tensor *(*binary)(ae_graph *g, ae_tensor *x, ae_tensor *y);

static const ae_dtype every[] = {AE_F32, AE_F64, AE_BF16, AE_F16, AE_I8, AE_U8, AE_I32, AE_I64};

static void comparisons(void **state)
{
    static const struct {
        binary op;
        double want[3]; /* below, equal, above */
    } rows[] = {{ae_eq, {0, 1, 0}}, {ae_ne, {1, 0, 1}}, {ae_lt, {1, 0, 0}},
                {ae_le, {1, 1, 0}}, {ae_gt, {0, 0, 1}}, {ae_ge, {0, 1, 1}}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t k = 0; k < sizeof every / sizeof *every; k++) {
            ae_tensor *y = rows[i].op(g, values(every[k], "3", (double[]){1, 2, 3}), ae_scalar(g, every[k], 2));
            assert_int_equal(y->dtype, AE_BOOL);
            expect(y, "[3]", 3, rows[i].want);
        }
        double with_nan = rows[i].op == ae_ne;
        expect(rows[i].op(g, ae_scalar(g, AE_F32, NAN), ae_scalar(g, AE_F32, NAN)), "[]", 1, &with_nan);
    }
    /* i64 beyond the reach of doubles */
    int64_t big[2] = {(1LL << 53) + 1, 1LL << 53};
    ae_tensor *a = ae_from_data(g, AE_I64, 0, NULL, big), *b = ae_from_data(g, AE_I64, 0, NULL, big + 1);
    expect(ae_gt(g, a, b), "[]", 1, (double[]){1});
}

static void logic(void **state)
{
    (void)state;
    const ae_dtype dtypes[] = {AE_BOOL, AE_F32, AE_I64, AE_U8};
    for (int k = 0; k < 4; k++) {
        ae_tensor *x = values(dtypes[k], "2,1", (double[]){0, 1}), *y = values(dtypes[k], "2", (double[]){0, 1});
        expect(ae_logical_and(g, x, y), "[2,2]", 4, (double[]){0, 0, 0, 1});
        expect(ae_logical_or(g, x, y), "[2,2]", 4, (double[]){0, 1, 1, 1});
        expect(ae_logical_xor(g, x, y), "[2,2]", 4, (double[]){0, 1, 1, 0});
        expect(ae_logical_not(g, x), "[2,1]", 2, (double[]){1, 0});
    }
}

static void finite_and_nan(void **state)
{
    const double x[] = {0, NAN, INFINITY, -INFINITY, 1};
    (void)state;
    for (int k = 0; k < 4; k++) {
        ae_tensor *t = values((ae_dtype[]){AE_F32, AE_F64, AE_BF16, AE_F16}[k], "5", x);
        expect(ae_isfinite(g, t), "[5]", 5, (double[]){1, 0, 0, 0, 1});
        expect(ae_isnan(g, t), "[5]", 5, (double[]){0, 1, 0, 0, 0});
    }
    expect(ae_isfinite(g, ladder(AE_I32, "2")), "[2]", 2, (double[]){1, 1});
    expect(ae_isnan(g, ladder(AE_BOOL, "2")), "[2]", 2, (double[]){0, 0});
}

static void where_chooses_in_every_dtype(void **state)
{
    (void)state;
    ae_tensor *c = values(AE_BOOL, "2,1", (double[]){1, 0});
    for (size_t k = 0; k < sizeof every / sizeof *every; k++) {
        ae_tensor *y = ae_where(g, c, values(every[k], "3", (double[]){1, 2, 3}), ae_scalar(g, every[k], 9));
        assert_int_equal(y->dtype, every[k]);
        expect(y, "[2,3]", 6, (double[]){1, 2, 3, 9, 9, 9});
    }
    ae_tensor *mixed = ae_where(g, c, ladder(AE_BF16, "3"), ladder(AE_F32, "3"));
    assert_int_equal(mixed->dtype, AE_F32);
    expect(ae_where(g, values(AE_BOOL, "0,1", NULL), ladder(AE_F32, "3"), ladder(AE_F32, "")), "[0,3]", 0, NULL);
}

static void where_parts_the_gradient(void **state)
{
    (void)state;
    ae_tensor *c = values(AE_BOOL, "2,2", (double[]){1, 0, 0, 1});
    ae_tensor *x = ladder(AE_F32, "2,2"), *y = values(AE_F32, "2", (double[]){INFINITY, NAN});
    ae_requires_grad(g, x);
    ae_requires_grad(g, y);
    expect(ladder_gradient(x, ae_where(g, c, x, y)), "[2,2]", 4, (double[]){0, 0, 0, 3});
    expect(y->grad, "[2]", 2, (double[]){2, 1}); /* not NaN: what was not chosen takes no part */
}

static void masked_fill(void **state)
{
    (void)state;
    ae_tensor *x = ladder(AE_F32, "2,3");
    ae_requires_grad(g, x);
    ae_tensor *y = ae_masked_fill(g, x, values(AE_BOOL, "3", (double[]){0, 1, 0}), -INFINITY);
    expect(y, "[2,3]", 6, (double[]){0, -INFINITY, 2, 3, -INFINITY, 5});
    ae_backward(g, ae_sum(g, y, 0, NULL, false), 0);
    expect(x->grad, "[2,3]", 6, (double[]){1, 0, 1, 1, 0, 1});
    ae_tensor *ids = ae_masked_fill(g, ladder(AE_I64, "3"), values(AE_BOOL, "3", (double[]){0, 1, 0}), -100);
    assert_int_equal(ids->dtype, AE_I64);
    expect(ids, "[3]", 3, (double[]){0, -100, 2});
}

static void bad_input(void **state)
{
    (void)state;
    ae_where(g, ladder(AE_F32, "2"), ladder(AE_F32, "2"), ladder(AE_F32, "2"));
    expect_error(AE_E_DTYPE, "where: the condition, input 0 [2], is f32; it must be bool");
    ae_where(g, ladder(AE_BOOL, "2"), ladder(AE_F32, "2"), ladder(AE_I32, "2"));
    expect_error(AE_E_DTYPE, "where: input 1 [2] is f32 and input 2 [2] is i32; cast one of them");
    ae_where(g, ladder(AE_BOOL, "2"), ladder(AE_F32, "2"), ladder(AE_F32, "3"));
    expect_error(AE_E_SHAPE,
                 "where: input 1 [2] and input 2 [3] do not broadcast: extents must be equal or 1 from the right");
    ae_where(g, ladder(AE_BOOL, "2"), NULL, ladder(AE_F32, "3"));
    expect_error(AE_E_VALUE, "where: input 1 is NULL");
    ae_masked_fill(g, NULL, ladder(AE_BOOL, "2"), 0);
    expect_error(AE_E_VALUE, "where: input 2 is NULL");
    ae_eq(g, ladder(AE_I32, "2"), ladder(AE_I64, "2"));
    expect_error(AE_E_DTYPE, "eq: input 0 [2] is i32 and input 1 [2] is i64; cast one of them");
    ae_lt(g, ladder(AE_F32, "2"), ladder(AE_F32, "3"));
    expect_error(AE_E_SHAPE,
                 "lt: input 0 [2] and input 1 [3] do not broadcast: extents must be equal or 1 from the right");
    ae_isnan(g, NULL);
    expect_error(AE_E_VALUE, "isnan: input 0 is NULL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(comparisons, begin_step),
        cmocka_unit_test_setup(logic, begin_step),
        cmocka_unit_test_setup(finite_and_nan, begin_step),
        cmocka_unit_test_setup(where_chooses_in_every_dtype, begin_step),
        cmocka_unit_test_setup(where_parts_the_gradient, begin_step),
        cmocka_unit_test_setup(masked_fill, begin_step),
        cmocka_unit_test_setup(bad_input, begin_step),
    };
    return cmocka_run_group_tests(tests, make_graph, free_graph);
}
