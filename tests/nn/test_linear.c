/* Linear: names, initial values, the three layouts, and what a wrong input gets. */
#include "nn/linear.h"
#include "tensor/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

static void set(ae_tensor *t, const float *values)
{
    memcpy(t->data, values, (size_t)ae_numel(t) * sizeof(float));
}

static void test_values(void **state)
{
    (void)state;
    ae_model *m = ae_model_new(1);
    ae_graph *g = ae_graph_new();
    struct ae_linear a;
    struct ae_linear b;
    ae_linear_init(m, &a, "a", 2, 3, ae_init_normal(0.02), true);
    ae_linear_init_in_out(m, &b, "b", 2, 3, ae_init_normal(0.02), false);
    assert_true(ae_model_ok(m));
    assert_ptr_equal(ae_model_get(m, "a.weight"), a.weight);
    assert_ptr_equal(ae_model_get(m, "a.bias"), a.bias);
    assert_ptr_equal(ae_model_get(m, "b.weight"), b.weight);
    assert_null(b.bias);
    assert_null(ae_model_get(m, "b.bias"));
    assert_int_equal(b.weight->shape[0], 2);
    set(a.weight, (float[]){1, 2, 3, 4, 5, 6});
    set(a.bias, (float[]){10, 20, 30});
    set(b.weight, (float[]){1, 2, 3, 4, 5, 6});
    ae_graph_begin(g, AE_EVAL);
    ae_tensor *x = ae_from_data(g, AE_F32, 2, (int64_t[]){1, 2}, (float[]){1, -1});
    float y[3];
    assert_int_equal(ae_read(ae_linear(g, &a, x), AE_F32, y, 3), 0);
    assert_true(y[0] == 9 && y[1] == 19 && y[2] == 29);
    assert_int_equal(ae_read(ae_linear(g, &b, x), AE_F32, y, 3), 0);
    assert_true(y[0] == -3 && y[1] == -3 && y[2] == -3);
    ae_graph_free(g);
    ae_model_free(m);
}

static void test_torch_init(void **state)
{
    (void)state;
    ae_model *m = ae_model_new(1);
    struct ae_linear l;
    ae_linear_init_torch(m, &l, "l", 16, 500, true);
    float most = 0;
    for (int64_t i = 0; i < 500; i++) {
        most = fmaxf(most, fabsf(((float *)l.bias->data)[i]));
    }
    assert_true(most > 0.24F && most <= 0.25F);
    ae_linear_init_torch(m, &l, "plain", 16, 4, false);
    assert_null(l.bias);
    assert_int_equal(l.weight->shape[1], 16);
    ae_model_free(m);
}

static double largest_difference(const double *x, const double *y, int64_t n)
{
    double most = 0;
    for (int64_t i = 0; i < n; i++) {
        most = fmax(most, fabs(x[i] - y[i]));
    }
    return most;
}

/* act(linear(x)) in one and in two, in inference and in training. */
static void act_both_ways(ae_graph *g, const struct ae_linear *l, int act, int64_t rows, ae_dtype precision,
                          ae_dtype dtype)
{
    static double one[100 * 96], two[100 * 96];
    static double x[100 * 80];
    for (int64_t i = 0; i < rows * 80; i++) {
        x[i] = sin(0.7 * (double)i) + 0.1 * (double)(i % 7);
    }
    for (int training = 0; training < (precision == AE_I8 ? 1 : 2); training++) {
        ae_graph_precision(g, precision);
        ae_graph_begin(g, training ? AE_TRAIN : AE_EVAL);
        ae_tensor *in = ae_cast(g, ae_from_data(g, AE_F64, 2, (int64_t[]){rows, 80}, x), dtype);
        ae_tensor *y = ae_linear_act(g, l, (ae_act)act, in), *z = ae_activate(g, (ae_act)act, ae_linear(g, l, in));
        assert_int_equal(y->dtype, z->dtype);
        assert_int_equal(ae_read(y, AE_F64, one, rows * 96), 0);
        assert_int_equal(ae_read(z, AE_F64, two, rows * 96), 0);
        double tolerance = precision == AE_BF16 ? 0.05 : dtype == AE_F64 ? 1e-12 : 2e-5;
        double apart = largest_difference(one, two, rows * 96);
        if (!(apart <= (training ? 0 : tolerance))) {
            fail_msg("%s of %lld rows in %s: %g apart", ae_act_name((ae_act)act), (long long)rows,
                     ae_dtype_name(precision), apart);
        }
    }
    ae_graph_precision(g, AE_F32);
}

static void test_activation_in_one(void **state)
{
    (void)state;
    static const ae_dtype precisions[] = {AE_F32, AE_BF16, AE_I8};
    ae_model *m = ae_model_new(1);
    ae_graph *g = ae_graph_new();
    struct ae_linear layers[2];
    ae_linear_init(m, &layers[0], "plain", 80, 96, ae_init_normal(0.3), true);
    ae_linear_init_in_out(m, &layers[1], "turned", 80, 96, ae_init_normal(0.3), true);
    for (int act = 0; act < AE_ACT_COUNT; act++) {
        for (int i = 0; i < 6; i++) {
            act_both_ways(g, &layers[i / 3], act, 100, precisions[i % 3], AE_F32);
            act_both_ways(g, &layers[i / 3], act, 2, precisions[i % 3], AE_F32);
        }
    }
    ae_tensor *w = ae_tensor_new(AE_F64, 2, (int64_t[]){96, 80}, NULL),
              *b = ae_tensor_new(AE_F64, 1, (int64_t[]){96}, NULL);
    ae_tensor_copy(w, layers[0].weight, NULL);
    ae_tensor_copy(b, layers[0].bias, NULL);
    struct ae_linear exact = {.weight = w, .bias = b};
    for (int act = 0; act < AE_ACT_COUNT; act++) {
        act_both_ways(g, &exact, act, 5, AE_F32, AE_F64);
    }
    ae_graph_begin(g, AE_EVAL);
    ae_f_linear_act(g, layers[0].weight, layers[0].weight, NULL, false, (ae_activation)99);
    assert_string_equal(ae_graph_error(g)->message, "linear: there is no activation 99");
    ae_tensor_free(w);
    ae_tensor_free(b);
    ae_graph_free(g);
    ae_model_free(m);
}

enum { ROWS = 6, IN = 80, OUT = 96 };

/* What one backward of mean(outer(act(x))^2) gives, and the bytes held before it. */
struct pass {
    double x[ROWS * IN], weight[OUT * IN], bias[OUT];
    int64_t held;
};

static void run_pass(ae_graph *g, const struct ae_linear *l, ae_act act, bool in_one, int flags, struct pass *p)
{
    static float values[ROWS * IN];
    for (int i = 0; i < ROWS * IN; i++) {
        values[i] = (float)sin(0.7 * i);
    }
    ae_graph_begin(g, AE_TRAIN | flags);
    ae_tensor *leaf = ae_from_data(g, AE_F32, 2, (int64_t[]){ROWS, IN}, values), *grads[3];
    leaf = ae_requires_grad(g, leaf);
    ae_frame f = ae_frame_open(g);
    ae_tensor *x = ae_affine(g, leaf, 1.5, 0.25);
    ae_tensor *y = in_one ? ae_act_linear(g, l, act, x) : ae_linear(g, l, ae_activate(g, act, x));
    ae_tensor *loss = ae_frame_return(f, ae_mean(g, ae_square(g, y), 0, NULL, false));
    p->held = ae_pool_get_stats(ae_graph_pool(g)).held;
    assert_int_equal(
        ae_grad(g, loss, NULL, (ae_tensor *[]){leaf, l->weight, l->bias}, 3, grads, flags ? AE_CREATE_GRAPH : 0), 0);
    assert_int_equal(ae_read(grads[0], AE_F64, p->x, ROWS * IN), 0);
    assert_int_equal(ae_read(grads[1], AE_F64, p->weight, OUT * IN), 0);
    assert_int_equal(ae_read(grads[2], AE_F64, p->bias, OUT), 0);
}

/* linear(act(x)) keeps x alone, and its gradients are those of the two operations, to the bit. */
static void test_activation_before(void **state)
{
    (void)state;
    static struct pass one, two, higher;
    ae_model *m = ae_model_new(1);
    ae_graph *g = ae_graph_new();
    struct ae_linear layers[2];
    ae_linear_init(m, &layers[0], "plain", IN, OUT, ae_init_normal(0.3), true);
    ae_linear_init_in_out(m, &layers[1], "turned", IN, OUT, ae_init_normal(0.3), true);
    for (int i = 0; i < 2 * AE_ACT_COUNT; i++) {
        const struct ae_linear *l = &layers[i % 2];
        ae_act act = (ae_act)(i / 2);
        run_pass(g, l, act, true, 0, &one);
        run_pass(g, l, act, false, 0, &two);
        run_pass(g, l, act, true, AE_HIGHER_ORDER, &higher);
        assert_memory_equal(one.x, two.x, sizeof one.x);
        assert_memory_equal(one.weight, two.weight, sizeof one.weight);
        assert_memory_equal(one.bias, two.bias, sizeof one.bias);
        assert_true(largest_difference(one.x, higher.x, ROWS * IN) < 1e-5);
        assert_true(largest_difference(one.weight, higher.weight, OUT * IN) < 1e-5);
        bool computed_again = act == AE_ACT_FN_GELU || act == AE_ACT_FN_GELU_NEW || act == AE_ACT_FN_SILU;
        assert_true(one.held <= two.held - (computed_again ? ROWS * IN * 4 : 0));
    }
    ae_graph_begin(g, AE_EVAL);
    ae_f_act_linear(g, (ae_activation)99, layers[0].weight, layers[0].weight, NULL, false);
    assert_string_equal(ae_graph_error(g)->message, "act_linear: there is no activation 99");
    ae_graph_free(g);
    ae_model_free(m);
}

static void test_wrong_input(void **state)
{
    (void)state;
    ae_model *m = ae_model_new(1);
    ae_graph *g = ae_graph_new();
    struct ae_linear l;
    ae_linear_init(m, &l, "pooler", 4, 3, ae_init_zeros(), true);
    ae_graph_begin(g, AE_EVAL);
    ae_tensor *x = ae_zeros(g, AE_F32, 2, (int64_t[]){2, 5});
    ae_linear(g, &l, x);
    assert_false(ae_ok(g));
    assert_non_null(strstr(ae_graph_error(g)->message, "pooler.weight [3,4]"));
    ae_linear_init(m, &l, "pooler", 4, 3, ae_init_zeros(), true);
    assert_string_equal(ae_model_error(m)->message, "model: two parameters are named pooler.weight");
    ae_linear_init(m, &l, "late", 4, 3, ae_init_zeros(), true);
    ae_graph_begin(g, AE_EVAL);
    ae_linear(g, &l, ae_zeros(g, AE_F32, 2, (int64_t[]){2, 4}));
    assert_string_equal(ae_graph_error(g)->message, "model: two parameters are named pooler.weight");
    ae_graph_free(g);
    ae_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_torch_init),
        cmocka_unit_test(test_activation_in_one),
        cmocka_unit_test(test_activation_before),
        cmocka_unit_test(test_wrong_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
