/* Dropout: what it keeps, that backward and every dtype and instruction set see the same mask, when it does nothing. */
#include "op_values.h"
#include "tensor/kernels.h"

enum { N = 20011 };

static ae_tensor *ones(ae_dtype dtype)
{
    return ae_ones(g, dtype, 1, (int64_t[]){N});
}

static void keeps_and_scales(void **state)
{
    (void)state;
    ae_tensor *y = ae_dropout(g, ones(AE_F32), 0.2);
    int zeros = 0;
    for (int64_t i = 0; i < N; i++) {
        double v = ae_get_f64(y, i);
        zeros += v == 0.0;
        assert_true(v == 0.0 || v == 1.25);
    }
    assert_true(abs(zeros - N / 5) < 300);
}

/* The mask is the draw's: that of ae_random_bernoulli, whatever computes. */
static void one_mask_for_all(void **state)
{
    static uint8_t dropped[N];
    static double kept[N];
    const ae_dtype dtypes[] = {AE_F32, AE_F64, AE_BF16, AE_F16};
    ae_random_key key = ae_random_key_make(5, 6, 0, 0, 0);
    (void)state;
    ae_random_bernoulli(&key, 0, (double)0.1f, dropped, N);
    ae_graph_random(g, 5, 6, 0, 0);
    for (int isa = 0; isa < ae_kernels_count(); isa++) {
        assert_int_equal(ae_kernels_select(ae_kernels_at(isa)->name), 0);
        for (int k = 0; k < 4; k++) {
            ae_graph_begin(g, AE_TRAIN);
            ae_tensor *x = ones(dtypes[k]);
            ae_requires_grad(g, x);
            ae_tensor *y = ae_dropout(g, x, 0.1);
            ae_read(y, AE_F64, kept, N);
            for (int64_t i = 0; i < N; i++) {
                assert_true((kept[i] == 0.0) == dropped[i]);
            }
            ae_graph_random(g, 9, 9, 9, 9); /* the key of the draw counts, not that of the graph in backward */
            ae_backward(g, ae_sum(g, y, 0, NULL, false), 0);
            ae_graph_random(g, 5, 6, 0, 0);
            for (int64_t i = 0; i < N; i++) {
                assert_true(ae_get_f64(x->grad, i) == kept[i]);
            }
        }
    }
    ae_kernels_select(NULL);
    ae_graph_random(g, 0, 0, 0, 0);
}

static void off(void **state)
{
    (void)state;
    ae_tensor *x = ones(AE_F32);
    assert_ptr_equal(ae_dropout(g, x, 0), x);
    assert_ptr_equal(ae_dropout_shared(g, x, 0, 1, (int[]){0}), x);
    uint64_t draw = ae_draw(g);
    ae_graph_begin(g, AE_GRAD);
    x = ones(AE_F32);
    assert_ptr_equal(ae_dropout(g, x, 0.5), x);
    assert_ptr_equal(ae_dropout_shared(g, x, 0.5, 0, NULL), x);
    assert_true(draw == 0 && ae_draw(g) == 0);
}

static void shared_along_axes(void **state)
{
    (void)state;
    ae_tensor *x = ladder(AE_F32, "3,40,5");
    ae_requires_grad(g, x);
    ae_tensor *y = ae_dropout_shared(g, x, 0.5, 1, (int[]){1});
    int kept = 0;
    for (int64_t b = 0; b < 3; b++) {
        for (int64_t c = 0; c < 5; c++) {
            double scale = ae_get_f64(y, b * 200 + 5 + c) == 0.0 ? 0.0 : 2.0;
            kept += scale == 2.0;
            for (int64_t t = 0; t < 40; t++) {
                int64_t i = b * 200 + t * 5 + c;
                assert_true(ae_get_f64(y, i) == scale * (double)i);
            }
        }
    }
    assert_true(kept > 1 && kept < 14);
    assert_int_equal(ae_dropout_shared(g, ladder(AE_BF16, "3,2"), 0.5, 1, (int[]){-1})->dtype, AE_BF16);
}

static void bad_input(void **state)
{
    const double wrong[] = {1, -0.1, NAN};
    (void)state;
    for (int i = 0; i < 3; i++) {
        char message[100];
        snprintf(message, sizeof message, "dropout: p is %g; it must be at least 0 and below 1", wrong[i]);
        ae_dropout(g, ones(AE_F32), wrong[i]);
        expect_error(AE_E_VALUE, message);
        ae_dropout_shared(g, ones(AE_F32), wrong[i], 0, NULL);
        expect_error(AE_E_VALUE, message);
    }
    ae_dropout(g, ladder(AE_I64, "3"), 0.5);
    expect_error(AE_E_DTYPE, "dropout: input 0 [3] is i64; only floats are dropped");
    ae_dropout(g, NULL, 0.5);
    expect_error(AE_E_VALUE, "dropout: input 0 is NULL");
    ae_dropout_shared(g, ones(AE_F32), 0.5, 1, (int[]){1});
    expect_error(AE_E_VALUE, "dropout_shared: axis 1 of a tensor with 1 axes");
    expect(ae_dropout(g, ladder(AE_F32, "0,3"), 0.5), "[0,3]", 0, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(keeps_and_scales, begin_step),
        cmocka_unit_test_setup(one_mask_for_all, begin_step),
        cmocka_unit_test_setup(off, begin_step),
        cmocka_unit_test_setup(shared_along_axes, begin_step),
        cmocka_unit_test_setup(bad_input, begin_step),
    };
    return cmocka_run_group_tests(tests, make_graph, free_graph);
}
