/* The activation table and the feed-forward blocks, against the formulas in double. */
#include "nn/feed_forward.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

static double by_formula(ae_act act, double x)
{
    double relu = x > 0 ? x : 0;
    double tanh_form = x / 2 * (1 + tanh(sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
    switch (act) {
    case AE_ACT_FN_LINEAR:
        return x;
    case AE_ACT_FN_RELU:
        return relu;
    case AE_ACT_FN_RELU2:
        return relu * relu;
    case AE_ACT_FN_GELU:
        return x / 2 * (1 + erf(x / sqrt(2)));
    case AE_ACT_FN_GELU_NEW:
    case AE_ACT_FN_GELU_FAST:
    case AE_ACT_FN_GELU_PYTORCH_TANH:
        return tanh_form;
    case AE_ACT_FN_QUICK_GELU:
        return x / (1 + exp(-1.702 * x));
    case AE_ACT_FN_SILU:
    case AE_ACT_FN_SWISH:
        return x / (1 + exp(-x));
    case AE_ACT_FN_TANH:
        return tanh(x);
    case AE_ACT_FN_SIGMOID:
        return 1 / (1 + exp(-x));
    default:
        return NAN;
    }
}

static void test_every_activation(void **state)
{
    (void)state;
    ae_graph *g = ae_graph_new();
    for (int act = 0; act < AE_ACT_COUNT; act++) {
        ae_act found = AE_ACT_COUNT;
        assert_int_equal(ae_act_parse(ae_act_name((ae_act)act), &found, NULL), 0);
        assert_int_equal(found, act);
        assert_true(strlen(ae_act_formula((ae_act)act)) > 0);
        ae_graph_begin(g, AE_EVAL);
        const float in[6] = {-3.5F, -1, -0.25F, 0, 0.5F, 2.75F};
        float out[6];
        ae_tensor *y = ae_activate(g, (ae_act)act, ae_from_data(g, AE_F32, 1, (int64_t[]){6}, in));
        assert_int_equal(ae_read(y, AE_F32, out, 6), 0);
        for (int i = 0; i < 6; i++) {
            double want = by_formula((ae_act)act, (double)in[i]);
            assert_true(fabs((double)out[i] - want) < 1e-6 * (1 + fabs(want)));
        }
    }
    ae_graph_free(g);
}

static void test_unknown_activation(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_act act;
    assert_int_equal(ae_act_parse("gelu_nev", &act, &e), -1);
    assert_string_equal(e.message, "activation: gelu_nev is not known; did you mean gelu_new?");
    ae_err_clear(&e);
    assert_int_equal(ae_act_parse("zzzzzzzzzzzz", &act, &e), -1);
    assert_string_equal(e.message, "activation: zzzzzzzzzzzz is not known; gelu, gelu_new, relu, silu, tanh are");
    ae_graph *g = ae_graph_new();
    ae_graph_begin(g, AE_EVAL);
    ae_activate(g, AE_ACT_COUNT, ae_scalar(g, AE_F32, 1));
    assert_string_equal(ae_graph_error(g)->message, "activate: there is no activation 12");
    assert_string_equal(ae_act_name(AE_ACT_COUNT), "?");
    assert_string_equal(ae_act_formula(AE_ACT_COUNT), "?");
    ae_graph_free(g);
}

static double element(const ae_tensor *weight, int row, int column)
{
    return (double)((float *)weight->data)[row * weight->shape[1] + column];
}

/* output(act(input x) * gate x) for x (3), inner 5, in double. */
static void plain(const struct ae_feed_forward *l, const float *x, double *y)
{
    double h[5];
    for (int i = 0; i < 5; i++) {
        double a = (double)((float *)l->input.bias->data)[i];
        double b = 0;
        for (int k = 0; k < 3; k++) {
            a += element(l->input.weight, i, k) * (double)x[k];
            b += l->gate.weight ? element(l->gate.weight, i, k) * (double)x[k] : 0;
        }
        h[i] = by_formula(l->act, a) * (l->gate.weight ? b : 1);
    }
    for (int k = 0; k < 3; k++) {
        y[k] = 0;
        for (int i = 0; i < 5; i++) {
            y[k] += element(l->output.weight, k, i) * h[i];
        }
    }
}

static void test_blocks(void **state)
{
    (void)state;
    ae_model *m = ae_model_new(5);
    ae_graph *g = ae_graph_new();
    const ae_feed_forward_names uer = {"linear_1", NULL, "linear_2"};
    const ae_feed_forward_names gated = {"wi_0", "wi_1", "wo"};
    struct ae_feed_forward l[2];
    ae_feed_forward_init(m, &l[0], "feed_forward", &uer, 3, 5, AE_ACT_FN_GELU, ae_init_normal(1), true);
    ae_feed_forward_init(m, &l[1], "", &gated, 3, 5, AE_ACT_FN_GELU_NEW, ae_init_normal(1), true);
    assert_true(ae_model_ok(m));
    assert_non_null(ae_model_get(m, "feed_forward.linear_1.bias"));
    assert_non_null(ae_model_get(m, "wi_1.weight"));
    assert_int_equal(ae_model_count(m), 10);
    const float x[6] = {0.5F, -1, 2, 1, 0.25F, -0.75F};
    for (int i = 0; i < 2; i++) {
        ae_graph_begin(g, AE_EVAL);
        ae_tensor *y = ae_feed_forward(g, &l[i], ae_from_data(g, AE_F32, 2, (int64_t[]){2, 3}, x));
        float out[6];
        assert_int_equal(ae_read(y, AE_F32, out, 6), 0);
        for (int row = 0; row < 2; row++) {
            double want[3];
            plain(&l[i], x + 3 * row, want);
            for (int k = 0; k < 3; k++) {
                assert_true(fabs((double)out[3 * row + k] - want[k]) < 1e-5 * (1 + fabs(want[k])));
            }
        }
    }
    ae_graph_free(g);
    ae_model_free(m);
}

/* Dropout acts on the inner values when training, and only then. */
static void test_dropout(void **state)
{
    (void)state;
    ae_model *m = ae_model_new(5);
    ae_graph *g = ae_graph_new();
    const ae_feed_forward_names names = {"wi", NULL, "wo"};
    struct ae_feed_forward l;
    ae_feed_forward_init(m, &l, "", &names, 3, 64, AE_ACT_FN_SIGMOID, ae_init_constant(0), false);
    for (int i = 0; i < 3 * 64; i++) {
        ((float *)l.output.weight->data)[i] = 1;
    }
    l.dropout = 0.25;
    for (int train = 0; train < 2; train++) {
        float y[3];
        ae_graph_random(g, 9, 0, 0, 0);
        ae_graph_begin(g, train ? AE_TRAIN : AE_EVAL);
        ae_tensor *x = ae_feed_forward(g, &l, ae_zeros(g, AE_F32, 2, (int64_t[]){1, 3}));
        assert_int_equal(ae_read(x, AE_F32, y, 3), 0);
        double kept = (double)y[0] / (0.5 / 0.75); /* inner values are 1/2, scaled when kept */
        assert_true(train ? kept >= 32 && kept < 64 && fabs(kept - round(kept)) < 1e-4 : y[0] == 32);
    }
    ae_graph_free(g);
    ae_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_activation),
        cmocka_unit_test(test_unknown_activation),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_dropout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
