/* Arithmetic and the driver under it: broadcasting in every layout, promotion, every dtype, casts, gradients' sums. */
#include "autograd/elementwise.h"
#include "autograd/tape.h"
#include "op_values.h"

#include <limits.h>

static void arithmetic_in_every_dtype(void **state)
{
    const ae_dtype dtypes[] = {AE_F32, AE_F64, AE_BF16, AE_F16, AE_I8, AE_U8, AE_I32, AE_I64};
    (void)state;
    for (size_t k = 0; k < sizeof dtypes / sizeof *dtypes; k++) {
        ae_tensor *x = values(dtypes[k], "3", (double[]){6, 8, 10}), *y = values(dtypes[k], "3", (double[]){3, 2, 5});
        expect(ae_add(g, x, y), "[3]", 3, (double[]){9, 10, 15});
        expect(ae_sub(g, x, y), "[3]", 3, (double[]){3, 6, 5});
        expect(ae_mul(g, x, y), "[3]", 3, (double[]){18, 16, 50});
        expect(ae_div(g, x, y), "[3]", 3, (double[]){2, 4, 2});
        expect(ae_affine(g, x, 2, 1), "[3]", 3, (double[]){13, 17, 21});
        expect(ae_scale(g, x, 3), "[3]", 3, (double[]){18, 24, 30});
        assert_int_equal(ae_add(g, x, y)->dtype, dtypes[k]);
    }
    expect(ae_neg(g, values(AE_I32, "2", (double[]){1, -2})), "[2]", 2, (double[]){-1, 2});
    expect(ae_div(g, values(AE_I32, "3", (double[]){7, -7, 1}), values(AE_I32, "3", (double[]){2, 2, 0})), "[3]", 3,
           (double[]){3, -3, 0});
    ae_tensor *least = ae_from_data(g, AE_I64, 0, NULL, &(int64_t){INT64_MIN});
    assert_true(ae_get_i64(ae_div(g, least, ae_scalar(g, AE_I64, -1)), 0) == INT64_MIN);
    assert_true(ae_get_i64(ae_sub(g, least, ae_scalar(g, AE_I64, 1)), 0) == INT64_MAX);
}

/* x (4,3,5) under five layouts against every broadcast of y, with enough columns that blocks are crossed. */
static void broadcasting_in_every_layout(void **state)
{
    static const char *const shapes[] = {"4,3,500", "3,500", "500", "", "4,1,1", "3,1", "4,1,500", "1,3,1"};
    (void)state;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        for (int layout = 0; layout < 3; layout++) {
            ae_graph_begin(g, AE_EVAL);
            ae_tensor *x = ladder(AE_F64, layout == 1 ? "500,3,4" : layout == 2 ? "4,3,1000" : "4,3,500");
            x = layout == 1 ? ae_transpose(g, x, 0, 2) : layout == 2 ? ae_slice(g, x, 2, 1, 1000, 2) : x;
            ae_tensor *y = ladder(AE_F64, shapes[s]);
            ae_tensor *wide = ae_expand(g, y, 3, x->shape);
            ae_tensor *sum = ae_add(g, x, y), *other = ae_sub(g, y, x);
            for (int64_t i = 0; i < 6000; i++) {
                assert_true(ae_get_f64(sum, i) == ae_get_f64(x, i) + ae_get_f64(wide, i));
                assert_true(ae_get_f64(other, i) == ae_get_f64(wide, i) - ae_get_f64(x, i));
            }
        }
    }
    expect(ae_add(g, ladder(AE_F32, "0,3"), ladder(AE_F32, "3")), "[0,3]", 0, NULL);
    expect(ae_mul(g, ladder(AE_I8, "2,0"), ladder(AE_I8, "2,1")), "[2,0]", 0, NULL);
}

static void floats_promote_integers_do_not(void **state)
{
    static const struct {
        ae_dtype x, y, result;
    } rows[] = {{AE_F32, AE_BF16, AE_F32}, {AE_BF16, AE_F16, AE_F32}, {AE_F16, AE_F32, AE_F32},
                {AE_F64, AE_BF16, AE_F64}, {AE_F32, AE_F64, AE_F64},  {AE_BF16, AE_BF16, AE_BF16}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ae_tensor *x = ladder(rows[i].x, "3"), *y = ladder(rows[i].y, "3");
        ae_requires_grad(g, x);
        ae_requires_grad(g, y);
        ae_tensor *z = ae_mul(g, x, y);
        assert_int_equal(z->dtype, rows[i].result);
        expect(z, "[3]", 3, (double[]){0, 1, 4});
        ae_backward(g, ae_sum(g, z, 0, NULL, false), 0);
        expect(y->grad, "[3]", 3, (double[]){0, 1, 2});
        assert_int_equal(y->grad->dtype, rows[i].y);
        assert_int_equal(x->grad->dtype, rows[i].x);
        ae_graph_begin(g, AE_TRAIN);
    }
    ae_add(g, ladder(AE_I32, "3"), ladder(AE_I64, "3"));
    expect_error(AE_E_DTYPE, "add: input 0 [3] is i32 and input 1 [3] is i64; cast one of them");
    ae_mul(g, ladder(AE_F32, "3"), ladder(AE_BOOL, "3"));
    expect_error(AE_E_DTYPE, "mul: input 0 [3] is f32 and input 1 [3] is bool; cast one of them");
    ae_sub(g, ladder(AE_F32, "3"), ladder(AE_F32, "2,2"));
    expect_error(AE_E_SHAPE,
                 "sub: input 0 [3] and input 1 [2,2] do not broadcast: extents must be equal or 1 from the right");
    ae_div(g, NULL, ladder(AE_F32, "2,2"));
    expect_error(AE_E_VALUE, "div: input 0 is NULL");
    ae_scale(g, NULL, 2);
    expect_error(AE_E_VALUE, "affine: input 0 is NULL");
}

/* Every pair of dtypes, dense and strided, long enough for the threads: what ae_tensor_copy says. */
static void casts(void **state)
{
    enum { ROWS = 70, COLUMNS = 600 };
    static double numbers[ROWS * COLUMNS];
    const double special[] = {0, -1, 1.5, -2.75, 100, 0.1, 65504, 3};
    (void)state;
    for (int64_t i = 0; i < ROWS * COLUMNS; i++) {
        numbers[i] = special[i % 8];
    }
    for (int from = 0; from < AE_DTYPE_COUNT; from++) {
        for (int to = 0; to < AE_DTYPE_COUNT; to++) {
            ae_graph_begin(g, AE_EVAL);
            ae_tensor *x = values((ae_dtype)from, "70,600", numbers);
            x = to % 2 ? ae_transpose(g, x, 0, 1) : x;
            ae_tensor *want = ae_empty(g, (ae_dtype)to, 2, x->shape);
            assert_int_equal(ae_tensor_copy(want, x, NULL), 0);
            ae_tensor *got = ae_cast(g, x, (ae_dtype)to);
            assert_int_equal(got->dtype, to);
            assert_true(from == to ? got == x : ae_same_shape(got, x));
            got = ae_contiguous(g, got);
            assert_memory_equal(got->data, want->data, (size_t)ae_numel(x) * ae_dtype_size(want->dtype));
        }
    }
    expect(ae_cast(g, ladder(AE_F32, "0,2"), AE_BF16), "[0,2]", 0, NULL);
    ae_graph_begin(g, AE_TRAIN);
    ae_cast(g, ladder(AE_F32, "2"), (ae_dtype)77);
    expect_error(AE_E_DTYPE, "cast: 77 is no dtype");
    ae_cast(g, NULL, AE_F32);
    expect_error(AE_E_VALUE, "cast: input 0 is NULL");
}

/* A value used three times: its gradient is the sum, in its dtype, also where contributions are broadcast views. */
static void gradients_add_up_in_every_dtype(void **state)
{
    const ae_dtype dtypes[] = {AE_F32, AE_F64, AE_BF16, AE_F16};
    (void)state;
    for (int k = 0; k < 4; k++) {
        ae_graph_begin(g, AE_TRAIN);
        ae_tensor *x = ladder(dtypes[k], "2,3");
        ae_requires_grad(g, x);
        ae_tensor *y = ae_add(g, ae_scale(g, x, 2), ae_mul(g, x, x));
        ae_tensor *total = ae_add(g, ae_sum(g, y, 0, NULL, false), ae_sum(g, x, 0, NULL, false));
        assert_int_equal(ae_backward(g, total, 0), 0);
        assert_int_equal(x->grad->dtype, dtypes[k]);
        expect(x->grad, "[2,3]", 6, (double[]){3, 5, 7, 9, 11, 13});
    }
}

static void driver_writes_in_place(void **state)
{
    (void)state;
    ae_tensor *sum = ladder(AE_BF16, "2,3");
    ae_elementwise_run(ae_op_add.kernel, (ae_tensor *[]){sum, ladder(AE_BF16, "3")}, 2, sum, NULL);
    expect(sum, "[2,3]", 6, (double[]){0, 2, 4, 3, 5, 7});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(arithmetic_in_every_dtype, begin_step),
        cmocka_unit_test_setup(broadcasting_in_every_layout, begin_step),
        cmocka_unit_test_setup(floats_promote_integers_do_not, begin_step),
        cmocka_unit_test_setup(casts, begin_step),
        cmocka_unit_test_setup(gradients_add_up_in_every_dtype, begin_step),
        cmocka_unit_test_setup(driver_writes_in_place, begin_step),
    };
    return cmocka_run_group_tests(tests, make_graph, free_graph);
}
