/* Cross-entropy by blocks of rows against the same with the logits whole: loss and gradients over block borders, for
 * tapes used twice and weights used twice; what it holds in memory; what bad input gets. */
#include "tensor/random.h"

#include "op_values.h"

enum { ROWS = 80, FEATURES = 3, CLASSES = 600000 }; /* 64 rows of these logits pass 128 MiB: two blocks */

static ae_tensor *drawn(uint64_t seed, int ndim, const int64_t *shape)
{
    ae_tensor *t = ae_empty(g, AE_F32, ndim, shape);
    ae_random_key key = ae_random_key_make(seed, 0, 0, 0, 0);
    ae_random_normal_f32(&key, 0, 0, 1, t->data, ae_numel(t));
    return ae_requires_grad(g, t);
}

static ae_tensor *targets_below(int64_t classes)
{
    ae_tensor *t = ae_empty(g, AE_I64, 1, (int64_t[]){ROWS});
    for (int64_t i = 0; i < ROWS; i++) {
        ae_set_i64(t, i, i % 7 == 3 ? -100 : i * 7919 % classes);
    }
    return t;
}

static void expect_same(const ae_tensor *a, const ae_tensor *b)
{
    double most = 0, worst = 0;
    const float *x = a->data, *y = b->data;
    for (int64_t i = 0; i < ae_numel(a); i++) {
        most = fmax(most, fabs((double)y[i]));
        worst = fmax(worst, fabs((double)x[i] - (double)y[i]));
    }
    assert_true(most > 0);
    if (worst > 1e-6 + 2e-5 * most) {
        fail_msg("differs by %g, the largest is %g", worst, most);
    }
}

static void blocks_equal_the_whole(void **state)
{
    (void)state;
    ae_tensor *x = drawn(1, 2, (int64_t[]){ROWS, FEATURES}), *w = drawn(2, 2, (int64_t[]){CLASSES, FEATURES});
    ae_tensor *b = drawn(3, 1, (int64_t[]){CLASSES}), *t = targets_below(CLASSES), *in[] = {x, w, b}, *kept[3];
    ae_pool *pool = ae_graph_pool(g);
    ae_pool_reset_peak(pool);
    ae_pool_stats before = ae_pool_get_stats(pool);
    ae_tensor *loss = ae_linear_cross_entropy(g, x, w, b, t, NULL);
    assert_int_equal(ae_backward(g, loss, 0), 0);
    int64_t logits = (int64_t)ROWS * CLASSES * 4, gradients = ae_numel(w) * 4 + ae_numel(b) * 4;
    assert_true(ae_pool_get_stats(pool).peak - before.held < logits * 3 / 4 + 2 * gradients);
    for (int i = 0; i < 3; i++) {
        kept[i] = ae_empty_like(g, in[i]->grad);
        ae_copy_values(kept[i], in[i]->grad);
        in[i]->grad = NULL;
    }
    ae_tensor *whole = ae_cross_entropy(g, ae_f_linear(g, x, w, b), t, NULL);
    expect_near(loss, "[]", 1, (double[]){ae_item(whole)}, 1e-6);
    assert_int_equal(ae_backward(g, whole, 0), 0);
    for (int i = 0; i < 3; i++) {
        expect_same(kept[i], in[i]->grad);
    }
}

/* The gradients of the forward are scaled, added to what is there, and left whole when the tape is kept. */
static void upstream_sums_and_kept_tapes(void **state)
{
    (void)state;
    ae_tensor *x = drawn(1, 2, (int64_t[]){ROWS, 5}), *w = drawn(2, 2, (int64_t[]){11, 5}), *t = targets_below(11);
    ae_tensor *loss = ae_scale(g, ae_linear_cross_entropy(g, x, w, NULL, t, NULL), -0.5);
    loss = ae_add(g, loss, ae_linear_cross_entropy(g, x, w, NULL, t, NULL));
    double once[55], twice[55], want[55];
    assert_int_equal(ae_backward(g, loss, AE_RETAIN), 0);
    ae_read(w->grad, AE_F64, once, 55);
    assert_int_equal(ae_backward(g, loss, 0), 0);
    ae_read(w->grad, AE_F64, twice, 55);
    x->grad = w->grad = NULL;
    ae_tensor *whole = ae_cross_entropy(g, ae_f_linear(g, x, w, NULL), t, NULL);
    assert_int_equal(ae_backward(g, whole, 0), 0);
    ae_read(w->grad, AE_F64, want, 55);
    for (int i = 0; i < 55; i++) {
        assert_true(fabs(once[i] - 0.5 * want[i]) < 1e-6);
        assert_true(fabs(twice[i] - want[i]) < 2e-6);
    }
}

static void no_rows(void **state)
{
    (void)state;
    ae_tensor *x = ae_requires_grad(g, ladder(AE_F32, "0,2")), *w = ae_requires_grad(g, ladder(AE_F32, "2,2"));
    ae_tensor *loss = ae_linear_cross_entropy(g, x, w, NULL, ladder(AE_I64, "0"), NULL);
    expect(loss, "[]", 1, (double[]){0});
    assert_int_equal(ae_backward(g, loss, 0), 0);
    expect(w->grad, "[2,2]", 4, (double[]){0, 0, 0, 0});
}

static void class_weights_take_the_logits_whole(void **state)
{
    (void)state;
    ae_tensor *x = ladder(AE_F32, "2,2"), *w = ladder(AE_F32, "3,2"), *t = values(AE_I64, "2", (double[]){0, 2});
    ae_cross_entropy_options o = {.ignore_index = -100, .class_weight = values(AE_F32, "3", (double[]){1, 2, 3})};
    ae_tensor *got = ae_linear_cross_entropy(g, x, w, NULL, t, &o);
    expect(got, "[]", 1, (double[]){ae_item(ae_cross_entropy(g, ae_f_linear(g, x, w, NULL), t, &o))});
}

static void bad_input_is_named(void **state)
{
    (void)state;
    ae_tensor *x = ladder(AE_F32, "2,3"), *w = ladder(AE_F32, "4,3"), *t = values(AE_I64, "2", (double[]){0, 4});
    ae_linear_cross_entropy(g, ladder(AE_F64, "2,3"), w, NULL, t, NULL);
    expect_error(AE_E_DTYPE, "linear_cross_entropy: input 0 [2,3] is f64 and input 1 [4,3] is f32; floats of one dtype "
                             "are needed");
    x = ladder(AE_F32, "2,3"), w = ladder(AE_F32, "4,2"), t = values(AE_I64, "2", (double[]){0, 4});
    ae_linear_cross_entropy(g, x, w, NULL, t, NULL);
    expect_error(AE_E_SHAPE, "linear_cross_entropy: input 0 [2,3] must be (rows,features) and input 1 [4,2] "
                             "(classes,features)");
    x = ladder(AE_F32, "2,3"), w = ladder(AE_F32, "4,3"), t = values(AE_I64, "2", (double[]){0, 4});
    ae_linear_cross_entropy(g, x, w, ladder(AE_F32, "3"), t, NULL);
    expect_error(AE_E_SHAPE, "linear_cross_entropy: input 2 [3] must have one value a class of input 1 [4,3]");
    x = ladder(AE_F32, "2,3"), w = ladder(AE_F32, "4,3"), t = ladder(AE_I64, "3");
    ae_linear_cross_entropy(g, x, w, NULL, t, NULL);
    expect_error(AE_E_SHAPE, "linear_cross_entropy: targets input 3 [3] must have one id a row of input 0 [2,3]");
    x = ladder(AE_F32, "2,3"), w = ladder(AE_F32, "4,3"), t = values(AE_I64, "2", (double[]){0, 4});
    ae_linear_cross_entropy(g, x, w, NULL, t, NULL);
    expect_error(AE_E_VALUE, "linear_cross_entropy: target 1 is 4; there are 4 classes, and -100 is ignored");
    x = ladder(AE_F32, "2,3"), w = ladder(AE_F32, "4,3"), t = ladder(AE_F32, "2");
    ae_linear_cross_entropy(g, x, w, NULL, t, NULL);
    expect_error(AE_E_DTYPE, "linear_cross_entropy: targets are f32; i64 or i32 ids are needed");
    x = ladder(AE_F32, "2,3"), w = ladder(AE_F32, "4,3"), t = ladder(AE_I64, "2");
    ae_linear_cross_entropy(g, x, w, NULL, t, &(ae_cross_entropy_options){.label_smoothing = 2});
    expect_error(AE_E_VALUE, "linear_cross_entropy: label_smoothing is 2; it must lie in 0 to 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(blocks_equal_the_whole, begin_step),
        cmocka_unit_test_setup(upstream_sums_and_kept_tapes, begin_step),
        cmocka_unit_test_setup(no_rows, begin_step),
        cmocka_unit_test_setup(class_weights_take_the_logits_whole, begin_step),
        cmocka_unit_test_setup(bad_input_is_named, begin_step),
    };
    return cmocka_run_group_tests(tests, make_graph, free_graph);
}
