/* Scalar mix against AllenNLP's numbers (the mixes of the golden ELMo case), highway layers against their formula. */
#include "nn/highway.h"
#include "nn/scalar_mix.h"
#include "nn/state.h"
#include "tensor/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const ae_tensor *want(const ae_tensors *d, const char *format, int k)
{
    char name[64];
    snprintf(name, sizeof name, format, k);
    const ae_tensor *t = ae_tensors_get(d, name);
    assert_non_null(t);
    return t;
}

static void close_to(const ae_tensor *got, const ae_tensor *expected)
{
    assert_non_null(got);
    double most = 0;
    for (int64_t i = 0; i < ae_numel(expected); i++) {
        most = fmax(most, fabs(ae_get_f64(expected, i)));
    }
    for (int64_t i = 0; i < ae_numel(expected); i++) {
        double a = ae_get_f64(got, i);
        double b = ae_get_f64(expected, i);
        if (!(fabs(a - b) <= 1e-6 + 1e-4 * fabs(b) + 2e-5 * most)) {
            fail_msg("element %d is %g and should be %g", (int)i, a, b);
        }
    }
}

/* The case's activations have a begin and an end mark around each sentence, which the representations leave out. */
static void test_elmo_mixes(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_tensors *d = ae_safetensors_read(AE_TEST_DIR "/nn/elmo_mixes.safetensors", NULL, &e);
    assert_non_null(d);
    ae_model *m = ae_model_new(1);
    ae_graph *g = ae_graph_new();
    struct ae_scalar_mix mix[2];
    ae_scalar_mix_init(m, &mix[0], "scalar_mix_0", 3, true);
    ae_scalar_mix_init(m, &mix[1], "scalar_mix_1", 3, true);
    ae_load_options o = {.ignore = "activations.* elmo_* mask loss_* grad.*"};
    assert_int_equal(ae_model_load(m, d, &o, NULL, &e), 0);
    ae_graph_begin(g, AE_GRAD);
    const ae_tensor *words = ae_tensors_get(d, "mask"); /* (3,7) */
    ae_tensor *layers[3];
    for (int k = 0; k < 3; k++) {
        layers[k] = ae_input(g, want(d, "activations.%d", k));
    }
    float marked[27] = {0}; /* (3,9): one more real position at each end */
    for (int i = 0; i < 21; i++) {
        if (ae_get_f64(words, i) != 0) {
            marked[i / 7 * 9 + i % 7] = marked[i / 7 * 9 + i % 7 + 1] = marked[i / 7 * 9 + i % 7 + 2] = 1;
        }
    }
    ae_tensor *mask = ae_from_data(g, AE_F32, 2, (int64_t[]){3, 9}, marked);
    ae_tensor *inside = ae_unsqueeze(g, ae_input(g, words), -1);
    ae_tensor *loss = NULL;
    for (int k = 0; k < 2; k++) {
        ae_tensor *y = ae_scalar_mix(g, &mix[k], layers, mask);
        y = ae_mul(g, ae_slice(g, y, 1, 1, 8, 1), inside);
        assert_true(ae_ok(g));
        close_to(y, want(d, "elmo_representations.%d", k));
        ae_tensor *part = ae_sum(g, ae_mul(g, y, ae_input(g, want(d, "loss_weight.%d", k))), 0, NULL, false);
        loss = loss ? ae_add(g, loss, part) : part;
    }
    assert_int_equal(ae_backward(g, loss, 0), 0);
    for (int k = 0; k < 2; k++) {
        close_to(mix[k].gamma->grad, want(d, "grad.scalar_mix_%d.gamma", k));
        for (int i = 0; i < 3; i++) {
            char name[64];
            snprintf(name, sizeof name, "grad.scalar_mix_%d.scalar_parameters.%d", k, i);
            close_to(mix[k].weight[i]->grad, ae_tensors_get(d, name));
        }
    }
    ae_tensors_free(d);
    ae_graph_free(g);
    ae_model_free(m);
}

static void test_an_untrained_mix_is_the_mean(void **state)
{
    (void)state;
    ae_model *m = ae_model_new(1);
    ae_graph *g = ae_graph_new();
    struct ae_scalar_mix mix;
    ae_scalar_mix_init(m, &mix, "", 2, false);
    assert_non_null(ae_model_get(m, "scalar_parameters.1"));
    ae_graph_begin(g, AE_EVAL);
    ae_tensor *layers[2] = {ae_full(g, AE_F32, 3, (int64_t[]){1, 2, 3}, 1),
                            ae_full(g, AE_F32, 3, (int64_t[]){1, 2, 3}, 4)};
    float y[6];
    assert_int_equal(ae_read(ae_scalar_mix(g, &mix, layers, NULL), AE_F32, y, 6), 0);
    assert_true(fabsf(y[5] - 2.5F) < 1e-6F);
    mix.layer_norm = true; /* without a mask: over everything */
    layers[0] = ae_from_data(g, AE_F32, 3, (int64_t[]){1, 2, 3}, (float[]){1, 2, 3, 4, 5, 6});
    layers[1] = layers[0];
    assert_int_equal(ae_read(ae_scalar_mix(g, &mix, layers, NULL), AE_F32, y, 6), 0);
    assert_true(fabs((double)y[0] + 2.5 / sqrt(35.0 / 12)) < 1e-5);
    ae_scalar_mix_init(m, &mix, "none", 0, false);
    assert_string_equal(ae_model_error(m)->message, "scalar_mix: none must mix at least one layer; it has 0");
    ae_scalar_mix(g, &mix, layers, NULL);
    assert_string_equal(ae_graph_error(g)->message, "scalar_mix: it was not built");
    ae_graph_free(g);
    ae_model_free(m);
}

static void test_highway(void **state)
{
    (void)state;
    enum { H = 3, LAYERS = 2 };
    ae_model *m = ae_model_new(3);
    ae_graph *g = ae_graph_new();
    struct ae_highway l;
    ae_highway_init(m, &l, "highways", LAYERS, H, AE_ACT_FN_RELU, ae_init_normal(1), 2);
    assert_true(ae_model_ok(m));
    assert_ptr_equal(ae_model_get(m, "highways._layers.1.weight"), l.layer[1].weight);
    const float biases[6] = {0, 0, 0, 2, 2, 2};
    assert_memory_equal(l.layer[0].bias->data, biases, sizeof biases);
    double x[H] = {0.5, -1, 2};
    const float input[H] = {0.5F, -1, 2};
    for (int layer = 0; layer < LAYERS; layer++) {
        const float *w = l.layer[layer].weight->data;
        double y[H];
        for (int i = 0; i < H; i++) {
            double fresh = 0;
            double gate = 2;
            for (int k = 0; k < H; k++) {
                fresh += (double)w[i * H + k] * x[k];
                gate += (double)w[(H + i) * H + k] * x[k];
            }
            gate = 1 / (1 + exp(-gate));
            y[i] = gate * x[i] + (1 - gate) * fmax(fresh, 0);
        }
        memcpy(x, y, sizeof x);
    }
    ae_graph_begin(g, AE_EVAL);
    float out[H];
    assert_int_equal(ae_read(ae_highway(g, &l, ae_from_data(g, AE_F32, 2, (int64_t[]){1, H}, input)), AE_F32, out, H),
                     0);
    for (int i = 0; i < H; i++) {
        assert_true(fabs((double)out[i] - x[i]) < 1e-5);
    }
    ae_highway(g, &l, ae_zeros(g, AE_F32, 2, (int64_t[]){1, H + 1}));
    assert_non_null(strstr(ae_graph_error(g)->message, "highways._layers.0.weight"));
    ae_graph_free(g);
    ae_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_elmo_mixes),
        cmocka_unit_test(test_an_untrained_mix_is_the_mean),
        cmocka_unit_test(test_highway),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
