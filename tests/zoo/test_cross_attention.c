/* Cross-attention of BERT and GPT-2: what is refused, and that a mask over the encoder's states counts. */
#include "zoo/bert.h"
#include "zoo/gpt2.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const configs[2][2] = {
    {"BertModel", "{\"vocab_size\":11,\"hidden_size\":8,\"num_hidden_layers\":1,\"num_attention_heads\":2,"
                  "\"intermediate_size\":8,\"max_position_embeddings\":6,\"is_decoder\":true,"
                  "\"add_cross_attention\":%s}"},
    {"GPT2Model", "{\"vocab_size\":11,\"n_embd\":8,\"n_layer\":1,\"n_head\":2,\"n_positions\":6,"
                  "\"add_cross_attention\":%s}"},
};

/* Runs model i on two tokens and two encoder states, the second one hidden or not; the error's text goes to message. */
static double first_state(int i, bool crossing, float second, bool hidden, char message[AE_ERR_MESSAGE_MAX])
{
    char text[512];
    ae_err e = {0};
    snprintf(text, sizeof text, configs[i][1], crossing ? "true" : "false");
    ae_json *config = ae_json_parse(text, strlen(text), &e);
    const ae_zoo_model *row = ae_zoo_find(configs[i][0]);
    ae_model *m = ae_model_new(3);
    void *self = calloc(1, row->size);
    row->build(m, self, config, row->kind);
    assert_true(ae_model_ok(m));
    ae_tensors *in = ae_tensors_new(), *out = ae_tensors_new();
    ae_tensor *ids = ae_tensor_new(AE_I64, 2, (int64_t[]){1, 2}, &e);
    ae_tensor *states = ae_tensor_new(AE_F32, 3, (int64_t[]){1, 2, 8}, &e);
    ae_tensor *mask = ae_tensor_new(AE_I64, 2, (int64_t[]){1, 2}, &e);
    for (int k = 0; k < 16; k++) {
        ae_set_f64(states, k, k < 8 ? k * 0.25 : (double)second * (k - 11));
    }
    ae_set_i64(ids, 1, 7);
    ae_set_i64(mask, 0, 1);
    ae_set_i64(mask, 1, !hidden);
    ae_tensors_add(in, "input_ids", ids, &e);
    ae_tensors_add(in, "encoder_hidden_states", states, &e);
    ae_tensors_add(in, "encoder_attention_mask", mask, &e);
    ae_graph *g = ae_graph_new();
    ae_graph_begin(g, AE_EVAL);
    ae_io io = {g, in, out, false, false};
    row->run(self, &io);
    message[0] = 0;
    if (!ae_ok(g)) {
        snprintf(message, AE_ERR_MESSAGE_MAX, "%s", ae_graph_error(g)->message);
    }
    const ae_tensor *y = ae_tensors_get(out, "last_hidden_state");
    double value = y ? ae_get_f64(y, 3) : 0;
    ae_graph_free(g);
    ae_tensors_free(in);
    ae_tensors_free(out);
    ae_model_free(m);
    ae_json_free(config);
    free(self);
    return value;
}

static void states_without_layers_are_refused(void **state)
{
    (void)state;
    char message[AE_ERR_MESSAGE_MAX];
    first_state(0, false, 1, false, message);
    assert_non_null(
        strstr(message, "bert: encoder_hidden_states are given; add_cross_attention must be true for them"));
    first_state(1, false, 1, false, message);
    assert_non_null(
        strstr(message, "gpt2: encoder_hidden_states are given; add_cross_attention must be true for them"));
}

static void hidden_states_do_not_count(void **state)
{
    (void)state;
    char message[AE_ERR_MESSAGE_MAX];
    for (int i = 0; i < 2; i++) {
        double a = first_state(i, true, 1, true, message), b = first_state(i, true, -2, true, message);
        assert_string_equal(message, "");
        assert_true(a == b);
        assert_true(first_state(i, true, -2, false, message) != b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_without_layers_are_refused),
        cmocka_unit_test(hidden_states_do_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
