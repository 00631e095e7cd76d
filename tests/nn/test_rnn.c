/* Stacks of recurrent layers: PyTorch's names and shapes, a stack equal to its layers one by one, states in and out. */
#include "nn/nn.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { B = 3, T = 4, I = 5, H = 4 };

static ae_graph *g;

#define SHAPE(...)                                                                                                     \
    (sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[])                                                  \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }

static ae_tensor *wave(double seed, int ndim, const int64_t *shape)
{
    ae_tensor *t = ae_empty(g, AE_F32, ndim, shape);
    for (int64_t i = 0; i < ae_numel(t); i++) {
        ae_set_f64(t, i, sin(1.3 * (double)i + seed));
    }
    return t;
}

static void expect_same(ae_tensor *a, ae_tensor *b)
{
    if (!ae_ok(g)) {
        fail_msg("%s", ae_graph_error(g)->message);
    }
    assert_true(ae_same_shape(a, b));
    for (int64_t i = 0; i < ae_numel(a); i++) {
        if (!(fabs(ae_get_f64(a, i) - ae_get_f64(b, i)) <= 1e-6)) {
            fail_msg("element %lld: %g and %g", (long long)i, ae_get_f64(a, i), ae_get_f64(b, i));
        }
    }
}

static void expect_shape(const ae_model *m, const char *name, const char *shape)
{
    char text[AE_SHAPE_TEXT_MAX];
    const ae_tensor *t = ae_model_get(m, name);
    if (!t) {
        fail_msg("there is no %s", name);
    }
    assert_string_equal(ae_shape_text(t->ndim, t->shape, text), shape);
}

static void names_are_pytorchs(void **state)
{
    ae_model *m = ae_model_new(3);
    struct ae_lstm l;
    struct ae_gru u;
    struct ae_rnn r;
    (void)state;
    ae_lstm_init(m, &l, "lstm",
                 &(ae_rnn_config){.input = I, .hidden = H, .layers = 2, .bidirectional = true, .projection = 2});
    ae_gru_init(m, &u, "gru", &(ae_rnn_config){.input = I, .hidden = H, .no_bias = true});
    ae_rnn_init(m, &r, "", &(ae_rnn_config){.input = I, .hidden = H});
    assert_true(ae_model_ok(m));
    assert_int_equal(ae_model_count(m), 4 * 5 + 2 + 4);
    expect_shape(m, "lstm.weight_ih_l0", "[16,5]");
    expect_shape(m, "lstm.weight_hh_l0_reverse", "[16,2]");
    expect_shape(m, "lstm.weight_ih_l1", "[16,4]");
    expect_shape(m, "lstm.weight_ih_l1_reverse", "[16,4]");
    expect_shape(m, "lstm.bias_ih_l1", "[16]");
    expect_shape(m, "lstm.bias_hh_l1_reverse", "[16]");
    expect_shape(m, "lstm.weight_hr_l0", "[2,4]");
    expect_shape(m, "gru.weight_ih_l0", "[12,5]");
    expect_shape(m, "gru.weight_hh_l0", "[12,4]");
    assert_null(ae_model_get(m, "gru.bias_ih_l0"));
    expect_shape(m, "weight_hh_l0", "[4,4]");
    double largest = 0;
    for (int64_t i = 0; i < ae_numel(l.stack.weights[0].weight_ih); i++) {
        largest = fmax(largest, fabs(ae_get_f64(l.stack.weights[0].weight_ih, i)));
    }
    assert_true(largest <= 0.5 && largest > 0.4); /* 1/sqrt(H) */
    ae_model_free(m);
}

static void a_stack_is_its_layers(void **state)
{
    ae_model *m = ae_model_new(3);
    struct ae_lstm l;
    const ae_init init = ae_init_uniform(-0.9, 0.9);
    ae_rnn_state final;
    ae_tensor *layer[4][3];
    (void)state;
    ae_graph_begin(g, AE_EVAL);
    ae_lstm_init(
        m, &l, "lstm",
        &(ae_rnn_config){.input = I, .hidden = H, .layers = 2, .bidirectional = true, .dropout = 0.5, .init = &init});
    ae_tensor *x = wave(0, SHAPE(B, T, I)), *h0 = wave(1, SHAPE(4, B, H)), *c0 = wave(2, SHAPE(4, B, H));
    ae_tensor *lengths = ae_from_data(g, AE_I64, 1, (int64_t[]){B}, (int64_t[]){2, 4, 1});
    ae_tensor *y = ae_lstm(g, &l, x, lengths, &(ae_rnn_state){h0, c0}, &final);
    for (int i = 0; i < 4; i++) {
        const struct ae_rnn_weights *w = &l.stack.weights[i];
        ae_tensor *h = ae_squeeze(g, ae_slice(g, h0, 0, i, i + 1, 1), 0);
        ae_tensor *c = ae_squeeze(g, ae_slice(g, c0, 0, i, i + 1, 1), 0);
        const ae_recurrent_options o = {.reverse = i % 2};
        ae_f_lstm(g, x, w->weight_ih, w->weight_hh, w->bias_ih, w->bias_hh, NULL, h, c, lengths, &o, layer[i]);
        x = i % 2 ? ae_concat(g, (ae_tensor *[]){layer[i - 1][0], layer[i][0]}, 2, -1) : x;
    }
    expect_same(y, x);
    for (int k = 1; k < 3; k++) {
        ae_tensor *states[4] = {layer[0][k], layer[1][k], layer[2][k], layer[3][k]};
        expect_same(k == 1 ? final.h : final.c, ae_stack(g, states, 4, 0));
    }
    ae_model_free(m);
}

static void carrying_the_state_on_is_one_long_run(void **state)
{
    ae_model *m = ae_model_new(5);
    struct ae_gru gru[2];
    struct ae_rnn rnn;
    (void)state;
    ae_graph_begin(g, AE_EVAL);
    ae_rnn_config c = {.input = I, .hidden = H, .layers = 2};
    ae_gru_init(m, &gru[0], "a", &c);
    c.reset_before = true;
    ae_gru_init(m, &gru[1], "b", &c);
    c.relu = true;
    ae_rnn_init(m, &rnn, "c", &c);
    ae_tensor *x = wave(0, SHAPE(B, T, I)), *h, *whole_h;
    for (int i = 0; i < 3; i++) {
        ae_tensor *first = ae_slice(g, x, 1, 0, 3, 1), *rest = ae_slice(g, x, 1, 3, T, 1), *whole, *begun, *ended;
        if (i < 2) {
            whole = ae_gru(g, &gru[i], x, NULL, NULL, &whole_h);
            begun = ae_gru(g, &gru[i], first, NULL, NULL, &h);
            ended = ae_gru(g, &gru[i], rest, NULL, h, &h);
        } else {
            whole = ae_rnn(g, &rnn, x, NULL, NULL, &whole_h);
            begun = ae_rnn(g, &rnn, first, NULL, NULL, &h);
            ended = ae_rnn(g, &rnn, rest, NULL, h, &h);
        }
        expect_same(whole, ae_concat(g, (ae_tensor *[]){begun, ended}, 2, 1));
        expect_same(whole_h, h);
    }
    ae_model_free(m);
}

static void a_reversed_layer_is_the_second_direction(void **state)
{
    ae_model *m = ae_model_new(5);
    struct ae_lstm both, back;
    (void)state;
    ae_graph_begin(g, AE_EVAL);
    ae_lstm_init(m, &both, "both", &(ae_rnn_config){.input = I, .hidden = H, .bidirectional = true});
    ae_lstm_init(m, &back, "back", &(ae_rnn_config){.input = I, .hidden = H, .reverse = true});
    assert_non_null(ae_model_get(m, "back.weight_ih_l0"));
    back.stack.weights[0] = both.stack.weights[1];
    ae_tensor *x = wave(0, SHAPE(B, T, I));
    ae_tensor *lengths = ae_from_data(g, AE_I64, 1, (int64_t[]){B}, (int64_t[]){2, 4, 1});
    ae_tensor *y = ae_lstm(g, &both, x, lengths, NULL, NULL);
    expect_same(ae_lstm(g, &back, x, lengths, NULL, NULL), ae_slice(g, y, 2, H, 2 * H, 1));
    ae_model_free(m);
}

static double run_once(const struct ae_lstm *l, unsigned flags)
{
    double y[B * T * H], sum = 0;
    ae_graph_begin(g, flags);
    ae_read(ae_lstm(g, l, wave(0, SHAPE(B, T, I)), NULL, NULL, NULL), AE_F64, y, B * T * H);
    assert_true(ae_ok(g));
    for (int i = 0; i < B * T * H; i++) {
        sum += (i + 1) * y[i];
    }
    return sum;
}

static void dropout_lies_between_layers(void **state)
{
    ae_model *m = ae_model_new(5);
    struct ae_lstm one, two;
    (void)state;
    ae_rnn_config c = {.input = I, .hidden = H, .dropout = 0.5};
    ae_lstm_init(m, &one, "one", &c);
    c.layers = 2;
    ae_lstm_init(m, &two, "two", &c);
    assert_true(run_once(&one, AE_TRAIN) == run_once(&one, AE_EVAL)); /* nothing is dropped after the last layer */
    assert_true(run_once(&two, AE_TRAIN) != run_once(&two, AE_EVAL));
    assert_true(run_once(&two, AE_GRAD) == run_once(&two, AE_EVAL));
    ae_model_free(m);
}

static void expect_model_error(ae_rnn_config c, const char *message)
{
    ae_model *m = ae_model_new(5);
    struct ae_gru l;
    ae_gru_init(m, &l, "enc", &c);
    assert_string_equal(ae_model_error(m)->message, message);
    ae_model_free(m);
}

static void bad_configurations_are_named(void **state)
{
    (void)state;
    expect_model_error((ae_rnn_config){.input = 0, .hidden = H},
                       "enc: input 0 and hidden 4 must be positive, layers 0 not negative");
    expect_model_error((ae_rnn_config){.input = I, .hidden = H, .dropout = 1.5},
                       "enc: dropout 1.5 must be at least 0 and below 1, the clips 0 and 0 not negative");
    expect_model_error((ae_rnn_config){.input = I, .hidden = H, .projection = 2},
                       "enc: a projection of 2; only an LSTM has one, of 1..3 units");
    expect_model_error((ae_rnn_config){.input = I, .hidden = H, .bidirectional = true, .reverse = true},
                       "enc: reverse is for a single direction, bidirectional has both");
    ae_model *m = ae_model_new(5);
    struct ae_lstm l;
    ae_graph_begin(g, AE_EVAL);
    ae_lstm_init(m, &l, "enc", &(ae_rnn_config){.input = I, .hidden = H});
    ae_rnn_state initial = {.h = wave(0, SHAPE(2, B, H))};
    ae_tensor *y = ae_lstm(g, &l, wave(0, SHAPE(B, T, I)), NULL, &initial, NULL);
    assert_ptr_equal(y, ae_bad(g));
    assert_string_equal(ae_graph_error(g)->message,
                        "lstm: initial states must be [1,batch,units], one a layer and direction; got [2,3,4]");
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
        cmocka_unit_test(names_are_pytorchs),
        cmocka_unit_test(a_stack_is_its_layers),
        cmocka_unit_test(a_reversed_layer_is_the_second_direction),
        cmocka_unit_test(carrying_the_state_on_is_one_long_run),
        cmocka_unit_test(dropout_lies_between_layers),
        cmocka_unit_test(bad_configurations_are_named),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
