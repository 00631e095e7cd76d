/* Layers computed again in backward: three steps with dropout give the same losses and the same weights to the bit as
 * when everything is saved, for every model that says it can, with less saved; the others say that they cannot. */
#include "small_training.h"

/* ---- running ------------------------------------------------------------------------------------------------------- */

typedef struct way {
    bool recompute, packed;
    ae_dtype precision;
} way;

typedef struct outcome {
    double loss[STEPS];
    int64_t saved;
    ae_model *model;
} outcome;

static double step(const training *t, const way *w, uint64_t number, int64_t *saved)
{
    ae_graph *g = t->g;
    ae_tensors *outputs = ae_tensors_new();
    ae_tensor *loss = forward(t, number, w->packed, outputs);
    *saved = ae_graph_saved_bytes(g);
    double value = loss ? ae_item(loss) : (double)NAN;
    if (ae_backward(g, loss, 0) != 0 || ae_optimizer_step(t->opt, g, 1e-2) != 0) {
        fail_msg("%s: %s", t->f.row->class_name, ae_graph_error(g)->message);
    }
    ae_tensors_free(outputs);
    return value;
}

/* Leaves the trained model in the outcome, for the caller to free. */
static outcome train(const char *class_name, const char *config, way w)
{
    ae_err e = {0};
    outcome o;
    ae_optim_config rule = ae_optim_defaults("adamw");
    rule.clip_norm = 1;
    training t = begin_training(class_name, config, &rule);
    ae_graph_precision(t.g, w.precision);
    if (w.recompute && ae_zoo_recompute(t.f.row, t.f.self, t.g, &e) != 0) {
        fail_msg("%s", e.message);
    }
    assert_int_equal(ae_graph_recomputes(t.g), w.recompute);
    for (int i = 0; i < STEPS; i++) {
        o.loss[i] = step(&t, &w, (uint64_t)i, &o.saved);
    }
    o.model = end_training(&t);
    return o;
}

/* Both ways, packed and padded; returns how many times more is saved without recomputation, padded, in f32. */
static double both_ways(const char *class_name, const char *config, ae_dtype precision)
{
    double less = 0;
    for (int packed = 1; packed >= 0; packed--) {
        outcome plain = train(class_name, config, (way){false, packed, precision});
        outcome again = train(class_name, config, (way){true, packed, precision});
        assert_true(isfinite(plain.loss[0]) && plain.loss[2] != plain.loss[0]);
        assert_memory_equal(plain.loss, again.loss, sizeof plain.loss);
        same_weights(plain.model, again.model);
        less = (double)plain.saved / (double)again.saved;
        ae_model_free(plain.model);
        ae_model_free(again.model);
    }
    return less;
}

/* ---- tests --------------------------------------------------------------------------------------------------------- */

static void bert_is_the_same_to_the_bit(void **state)
{
    (void)state;
    assert_true(both_ways("BertForPreTraining", BERT "}", AE_F32) > 4);
    assert_true(both_ways("BertForMaskedLM", BERT ",\"position_embedding_type\":\"relative_key_query\"}", AE_F32) > 4);
    both_ways("BertForMaskedLM", BERT ",\"is_decoder\":true}", AE_F32);
    both_ways("BertForPreTraining", BERT "}", AE_BF16);
}

static void gpt2_is_the_same_to_the_bit(void **state)
{
    (void)state;
    assert_true(both_ways("GPT2LMHeadModel", GPT2, AE_F32) > 4);
    both_ways("GPT2LMHeadModel", GPT2, AE_BF16);
}

static void composed_transformers_are_the_same_to_the_bit(void **state)
{
    (void)state;
    static const char *const options[] = {
        MLM "}",
        MLM ",\"layernorm_positioning\":\"pre\",\"feed_forward\":\"gated\"}",
        MLM ",\"parameter_sharing\":true}",
        MLM ",\"layernorm\":\"t5\",\"relative_position_embedding\":true,\"remove_attention_scale\":true}",
        ",\"embedding\":[\"word\",\"pos\"],\"target\":[\"lm\"],\"mask\":\"causal\"}",
        MLM ",\"mask\":\"causal_with_prefix\"}",
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        char config[1024];
        snprintf(config, sizeof config, "%s%s", COMPOSED, options[i]);
        assert_true(both_ways("Composed", config, AE_F32) > 3);
    }
}

/* Evaluation keeps no tape: there is nothing to recompute, and the flag does no harm. */
static void evaluation_is_left_alone(void **state)
{
    (void)state;
    fixture f;
    double loss[2];
    make(&f, "BertForMaskedLM", BERT "}");
    ae_graph *g = ae_graph_new();
    for (int i = 0; i < 2; i++) {
        ae_tensors *outputs = ae_tensors_new();
        ae_io io = {g, f.inputs, outputs, true, true};
        ae_graph_recompute(g, i == 1);
        ae_graph_begin(g, AE_EVAL);
        loss[i] = ae_item(f.row->run(f.self, &io));
        assert_int_equal(ae_graph_tape_length(g), 0);
        ae_tensors_free(outputs);
    }
    assert_true(isfinite(loss[0]) && loss[0] == loss[1]);
    ae_graph_free(g);
    drop(&f);
}

static void others_say_that_they_cannot(void **state)
{
    (void)state;
    static const char *const configs[][2] = {
        {"Composed", COMPOSED MLM ",\"has_residual_attention\":true}"},
        {"Composed", "{\"vocab_size\":29,\"hidden_size\":16,\"encoder\":\"lstm\",\"embedding\":[\"word\"],"
                     "\"target\":[\"lm\"]}"},
        {"NLINet", "{\"word_emb_dim\":8,\"enc_lstm_dim\":8,\"pool_type\":\"max\",\"version\":1,\"bsize\":2,"
                   "\"dpout_model\":0,\"dpout_fc\":0,\"fc_dim\":8,\"n_classes\":3,\"nonlinear_fc\":0,"
                   "\"encoder_type\":\"InferSent\"}"},
    };
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        fixture f;
        ae_err e = {0};
        char want[256];
        make(&f, configs[i][0], configs[i][1]);
        ae_graph *g = ae_graph_new();
        assert_int_equal(ae_zoo_recompute(f.row, f.self, g, &e), -1);
        snprintf(want, sizeof want,
                 "%s as it is configured cannot recompute its layers in backward; BERT, GPT-2 and the composed encoder "
                 "transformer without has_residual_attention can",
                 configs[i][0]);
        assert_string_equal(e.message, want);
        assert_int_equal(e.code, AE_E_UNSUPPORTED);
        assert_false(ae_graph_recomputes(g));
        ae_graph_free(g);
        drop(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bert_is_the_same_to_the_bit),
        cmocka_unit_test(gpt2_is_the_same_to_the_bit),
        cmocka_unit_test(composed_transformers_are_the_same_to_the_bit),
        cmocka_unit_test(evaluation_is_left_alone),
        cmocka_unit_test(others_say_that_they_cannot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
