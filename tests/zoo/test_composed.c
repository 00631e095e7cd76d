/* Composed models: UER-py's numbers, padding left out, what configurations say, and encoders of a user's own. */
#include "tests/zoo/golden_cases.h"
#include "zoo/composed.h"

/* ---- against the references ---------------------------------------------------------------------------------------- */

static void golden_cases_agree(void **state)
{
    static const char *const prefixes[] = {"composed_", "uer_", NULL};
    (void)state;
    int count = check_cases(prefixes, 15);
    assert_int_equal(count, 20);
}

/* ---- a model of a configuration ------------------------------------------------------------------------------------ */

typedef struct fixture {
    ae_json *config;
    ae_model *root;
    struct ae_composed model;
    ae_graph *graph;
    ae_tensors *in, *out;
} fixture;

static void make(fixture *f, const char *config, const ae_encoder *const *extra)
{
    ae_err e = {0};
    memset(f, 0, sizeof *f);
    f->config = ae_json_parse(config, strlen(config), &e);
    if (!f->config) {
        fail_msg("%s: %s", config, e.message);
    }
    f->root = ae_model_new(5);
    f->graph = ae_graph_new();
    f->in = ae_tensors_new();
    f->out = ae_tensors_new();
    ae_composed_build(f->root, &f->model, f->config, extra);
}

static void drop(fixture *f)
{
    ae_json_free(f->config);
    ae_model_free(f->root);
    ae_graph_free(f->graph);
    ae_tensors_free(f->in);
    ae_tensors_free(f->out);
}

static void give(fixture *f, const char *name, int ndim, int64_t rows, int64_t columns, const int64_t *values)
{
    ae_err e = {0};
    ae_tensor *t = ae_tensor_new(AE_I64, ndim, (int64_t[]){rows, columns}, &e);
    for (int64_t i = 0; i < ae_numel(t); i++) {
        ae_set_i64(t, i, values[i]);
    }
    assert_int_equal(ae_tensors_add(f->in, name, t, &e), 0);
}

static double run(fixture *f, bool packed, unsigned flags)
{
    if (!ae_model_ok(f->root)) {
        fail_msg("%s", ae_model_error(f->root)->message);
    }
    ae_graph_begin(f->graph, flags);
    ae_io io = {.graph = f->graph, .inputs = f->in, .outputs = f->out, .packed = packed};
    ae_tensor *loss = ae_composed_run(&f->model, &io);
    return loss ? ae_item(loss) : -1;
}

#define SMALL "\"vocab_size\":21,\"hidden_size\":8,\"layers_num\":2,\"max_seq_length\":8,\"initializer_range\":0.3,"

static const int64_t words[12] = {3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};
static const int64_t mask[12] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0};

/* ---- padding ------------------------------------------------------------------------------------------------------- */

/* Logits of the second text, of 4 tokens, with two tokens of padding behind it (of id `pad`) or alone. */
static void second_logits(const char *config, int64_t pad, bool alone, bool packed, double logits[2])
{
    fixture f;
    int64_t ids[12];
    memcpy(ids, words, sizeof ids);
    ids[10] = ids[11] = pad;
    make(&f, config, NULL);
    if (alone) {
        give(&f, "input_ids", 2, 1, 4, ids + 6);
    } else {
        give(&f, "input_ids", 2, 2, 6, ids);
        give(&f, "attention_mask", 2, 2, 6, mask);
    }
    run(&f, packed, AE_EVAL);
    if (!ae_ok(f.graph)) {
        fail_msg("%s: %s", config, ae_graph_error(f.graph)->message);
    }
    const ae_tensor *t = ae_tensors_get(f.out, "logits");
    for (int i = 0; i < 2; i++) {
        logits[i] = ae_get_f64(t, i + (alone ? 0 : 2));
    }
    drop(&f);
}

static void padding_is_left_out(void **state)
{
    static const char *const encoders[] = {"transformer", "rnn", "lstm", "gru", "birnn", "bilstm", "bigru", "gatedcnn"};
    static const char *const poolings[] = {"first", "mean", "max", "last"};
    (void)state;
    for (int i = 0; i < 8; i++) {
        for (int p = 0; p < 4; p++) {
            char config[512];
            double alone[2], padded[2], packed[2];
            snprintf(config, sizeof config,
                     "{" SMALL "\"heads_num\":2,\"encoder\":\"%s\",\"target\":\"cls\",\"pooling\":\"%s\","
                     "\"embedding\":[\"word\",\"pos\",\"seg\"],\"bidirectional\":%s}",
                     encoders[i], poolings[p], p % 2 ? "true" : "false");
            second_logits(config, 0, true, false, alone);
            second_logits(config, 20, false, false, padded);
            second_logits(config, 1, false, true, packed);
            for (int k = 0; k < 2; k++) {
                assert_float_equal(padded[k], alone[k], 1e-5);
                assert_float_equal(packed[k], alone[k], 1e-5);
            }
            assert_true(alone[0] != 0.0);
        }
    }
}

/* "pack" decides against what names of the batch say. */
static void the_key_pack_rules(void **state)
{
    static const char *const keys[3] = {"", ",\"pack\":true", ",\"pack\":false"};
    double pooled[2][3];
    (void)state;
    for (int uer = 0; uer < 2; uer++) {
        for (int k = 0; k < 3; k++) {
            char config[256];
            fixture f;
            snprintf(config, sizeof config,
                     "{" SMALL "\"encoder\":\"birnn\",\"target\":\"cls\",\"pooling\":\"mean\"%s}", keys[k]);
            make(&f, config, NULL);
            give(&f, uer ? "src" : "input_ids", 2, 2, 6, words);
            give(&f, uer ? "seg" : "attention_mask", 2, 2, 6, mask);
            run(&f, false, AE_EVAL);
            pooled[uer][k] = ae_get_f64(ae_tensors_get(f.out, uer ? "cls_logits" : "logits"), 2);
            drop(&f);
        }
    }
    assert_float_equal(pooled[0][0], pooled[0][1], 0);
    assert_float_equal(pooled[1][0], pooled[1][2], 0);
    assert_float_equal(pooled[0][1], pooled[1][1], 1e-6);
    assert_float_equal(pooled[0][2], pooled[1][2], 1e-6);
    assert_true(pooled[0][1] > pooled[0][2] + 1e-4 || pooled[0][1] < pooled[0][2] - 1e-4);
}

/* A mean over a pair counts both texts alike, which UER-py's does not. */
static void pairs_are_pooled_evenly(void **state)
{
    static const int64_t types[6] = {0, 0, 0, 1, 1, 1};
    (void)state;
    for (int p = 0; p < 4; p++) {
        static const char *const poolings[] = {"first", "mean", "max", "last"};
        double logits[2];
        for (int typed = 0; typed < 2; typed++) {
            char config[256];
            fixture f;
            snprintf(config, sizeof config, "{" SMALL "\"encoder\":\"lstm\",\"target\":\"cls\",\"pooling\":\"%s\"}",
                     poolings[p]);
            make(&f, config, NULL); /* no embedding of segments: their numbers must change nothing */
            give(&f, "input_ids", 2, 1, 6, words);
            if (typed) {
                give(&f, "token_type_ids", 2, 1, 6, types);
            }
            run(&f, false, AE_EVAL);
            logits[typed] = ae_get_f64(ae_tensors_get(f.out, "logits"), 0);
            drop(&f);
        }
        assert_float_equal(logits[0], logits[1], 0);
    }
}

/* ---- targets on data sets' batches --------------------------------------------------------------------------------- */

static void losses_come_from_data_sets_names(void **state)
{
    static const int64_t labels[12] = {-100, 4, -100, 6, -100, 8, 9, -100, -100, -100, -100, -100};
    static const int64_t next[12] = {4, 5, 6, 7, 8, -100, 10, 11, 12, -100, -100, -100};
    static const int64_t relation[2] = {0, 1};
    static const char *const configs[] = {
        "{" SMALL "\"heads_num\":2,\"target\":[\"mlm\",\"sp\"]}",
        "{" SMALL "\"heads_num\":2,\"target\":[\"mlm\"],\"tie_weights\":true}",
        "{" SMALL "\"encoder\":\"lstm\",\"target\":[\"lm\"]}",
        "{" SMALL "\"encoder\":\"bilstm\",\"target\":[\"bilm\"]}",
        "{" SMALL "\"encoder\":\"gru\",\"target\":[\"sp\"]}",
    };
    static const char *const outputs[][2] = {{"prediction_logits", "seq_relationship_logits"},
                                             {"logits", "last_hidden_state"},
                                             {"logits", "last_hidden_state"},
                                             {"logits", "backward_logits"},
                                             {"seq_relationship_logits", "last_hidden_state"}};
    (void)state;
    for (int i = 0; i < 5; i++) {
        fixture f;
        make(&f, configs[i], NULL);
        give(&f, "input_ids", 2, 2, 6, words);
        give(&f, "attention_mask", 2, 2, 6, mask);
        assert_float_equal(run(&f, true, AE_EVAL), -1, 0); /* no labels, no loss */
        assert_non_null(ae_tensors_get(f.out, outputs[i][0]));
        assert_non_null(ae_tensors_get(f.out, outputs[i][1]));
        ae_tensors_free(f.out);
        f.out = ae_tensors_new();
        give(&f, "labels", 2, 2, 6, labels);
        give(&f, "next_ids", 2, 2, 6, next);
        give(&f, "next_sentence_label", 1, 2, 0, relation);
        double padded = run(&f, false, AE_EVAL);
        ae_tensors_free(f.out);
        f.out = ae_tensors_new();
        double packed = run(&f, true, AE_TRAIN);
        assert_true(padded > 0.1 && packed > 0.1 && ae_ok(f.graph));
        if (f.model.has[AE_TARGET_bilm]) { /* the mean of both directions */
            double forward = ae_get_f64(ae_tensors_get(f.out, "loss_forward"), 0);
            double backward = ae_get_f64(ae_tensors_get(f.out, "loss_backward"), 0);
            assert_float_equal(packed, (forward + backward) / 2, 1e-6);
        }
        drop(&f);
    }
}

static void regression_and_several_labels(void **state)
{
    static const char *const configs[] = {
        "{" SMALL "\"encoder\":\"lstm\",\"target\":\"cls\",\"num_labels\":1,\"dropout\":0}",
        "{" SMALL "\"encoder\":\"lstm\",\"target\":\"cls\",\"labels_num\":2,\"problem_type\":"
        "\"multi_label_classification\"}"};
    (void)state;
    for (int i = 0; i < 2; i++) {
        fixture f;
        ae_err e = {0};
        make(&f, configs[i], NULL);
        give(&f, "input_ids", 2, 2, 6, words);
        ae_tensor *t = ae_tensor_new(AE_F32, i + 1, (int64_t[]){2, 2}, &e);
        ae_set_f64(t, 0, 1);
        ae_tensors_add(f.in, "labels", t, &e);
        double loss = run(&f, false, AE_EVAL);
        const ae_tensor *logits = ae_tensors_get(f.out, "logits");
        assert_int_equal(logits->shape[1], i + 1);
        if (i == 0) {
            double a = ae_get_f64(logits, 0) - 1, b = ae_get_f64(logits, 1);
            assert_float_equal(loss, (a * a + b * b) / 2, 1e-6);
        }
        assert_true(loss > 0);
        drop(&f);
    }
}

/* ---- configurations ------------------------------------------------------------------------------------------------ */

static void bad_configurations_are_named(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"{}", "vocab_size"},
        {"{\"vocab_size\":9,\"hiden_size\":8}", "hidden_size"},
        {"{\"vocab_size\":9,\"kernel_sise\":8}", "kernel_size"},
        {"{\"vocab_size\":0}", "composed: vocab_size 0, emb_size 512 and max_seq_length 512 must be positive"},
        {"{\"vocab_size\":9,\"encoder\":\"lstn\"}", "encoder: \"lstn\" is not known; did you mean lstm?"},
        {"{\"vocab_size\":9,\"encoder\":\"quite another\"}", "one of a plugin needs --plugin FILE"},
        {"{\"vocab_size\":9,\"embedding\":[\"word\",\"poss\"]}", "embedding: \"poss\" is not known; did you mean pos"},
        {"{\"vocab_size\":9,\"embedding\":[]}", "embedding is empty"},
        {"{\"vocab_size\":9,\"target\":[\"mln\"]}", "target: \"mln\" is not known; did you mean mlm"},
        {"{\"vocab_size\":9,\"target\":[\"mlm\",\"mlm\"]}", "target: \"mlm\" stands there twice"},
        {"{\"vocab_size\":9,\"target\":7}", "target"},
        {"{\"vocab_size\":9,\"pooling\":\"median\"}", "pooling: median is not known; mean, max, first, last are"},
        {"{\"vocab_size\":9,\"hidden_act\":\"gelus\"}", "activation: gelus is not known; did you mean gelu?"},
        {"{\"vocab_size\":9,\"dropout\":1}", "dropout 1 and label_smoothing 0 must be at least 0 and below 1"},
        {"{\"vocab_size\":9,\"decoder\":\"transformer\"}", "configurations with a decoder are not composed models"},
        {"{\"vocab_size\":9,\"layers_num\":0}", "transformer: layers_num is 0; it must be in 1..1024"},
        {"{\"vocab_size\":9,\"hidden_size\":10,\"heads_num\":3}", "transformer: hidden_size 10 with heads_num 3"},
        {"{\"vocab_size\":9,\"mask\":\"casual\"}",
         "mask is \"casual\"; fully_visible, causal, causal_with_prefix exist"},
        {"{\"vocab_size\":9,\"layernorm\":\"rms\"}", "layernorm is \"rms\"; normal, t5 exist"},
        {"{\"vocab_size\":9,\"emb_size\":8}", "transformer: emb_size 8 is not hidden_size 512"},
        {"{\"vocab_size\":9,\"embedding\":\"sinusoidalpos\",\"emb_size\":7}", "sinusoidalpos needs an even one"},
        {"{\"vocab_size\":9,\"relative_position_embedding\":true,\"relative_attention_buckets_num\":6}",
         "relative_attention_buckets_num is 6; it must be a multiple of 4"},
        {"{\"vocab_size\":9,\"target\":\"lm\"}", "target lm: the encoder transformer sees the words that it should "
                                                 "predict; use \"mask\": \"causal\""},
        {"{\"vocab_size\":9,\"target\":\"lm\",\"encoder\":\"bilstm\"}", "use the target bilm"},
        {"{\"vocab_size\":9,\"target\":\"lm\",\"encoder\":\"lstm\",\"bidirectional\":true}",
         "use an encoder of one direction"},
        {"{\"vocab_size\":9,\"target\":\"bilm\",\"encoder\":\"lstm\"}",
         "target bilm: the encoder lstm does not keep its two directions apart; birnn, bilstm and bigru do"},
        {"{\"vocab_size\":9,\"encoder\":\"bigru\",\"hidden_size\":9}", "bigru: hidden_size is 9; two directions share"},
        {"{\"vocab_size\":9,\"encoder\":\"gatedcnn\",\"kernel_size\":0}", "gatedcnn: kernel_size is 0"},
        {"{\"vocab_size\":9,\"encoder\":\"gru\",\"layers_num\":\"two\"}", "layers_num"},
        {"{\"vocab_size\":9,\"encoder\":\"lstm\",\"emb_size\":8,\"tie_weights\":true,\"target\":\"lm\"}",
         "tie_weights: output_layer has 512 inputs; the word table is as wide as emb_size, 8"},
        {"{\"vocab_size\":9,\"encoder\":\"dual\"}", "stream_0"},
        {"{\"vocab_size\":9,\"encoder\":\"dual\",\"stream_0\":{}}", "encoder \"dual\" without tie_weights"},
        {"{\"vocab_size\":9,\"problem_type\":\"ranking\"}", "problem_type is \"ranking\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture f;
        make(&f, cases[i].text, NULL);
        if (ae_model_ok(f.root) || !strstr(ae_model_error(f.root)->message, cases[i].message)) {
            fail_msg("%s: %s", cases[i].text, ae_model_error(f.root)->message);
        }
        give(&f, "input_ids", 2, 2, 6, words);
        ae_graph_begin(f.graph, AE_EVAL);
        ae_io io = {.graph = f.graph, .inputs = f.in, .outputs = f.out};
        ae_composed_run(&f.model, &io); /* a model that failed says so and does no harm */
        assert_false(ae_ok(f.graph));
        drop(&f);
    }
}

static void bad_batches_are_named(void **state)
{
    static const int64_t left[12] = {1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1}, mixed[12] = {1, 2, 1, 1, 1, 1, 1, 1, 1, 1};
    static const int64_t lengths[2] = {7, 1};
    static const char cls[] = "{" SMALL "\"encoder\":\"lstm\",\"target\":\"cls\"}";
    static const struct {
        const char *config, *ids, *other;
        const int64_t *values;
        int64_t columns;
        const char *message;
    } cases[] = {
        {cls, "input_id", NULL, NULL, 0, "the inputs hold no input_ids"},
        {cls, "input_ids", "attention_mask", mask, 5, "attention_mask is [2,5], but input_ids is [2,6]"},
        {cls, "input_ids", "attention_mask", left, 6, "row 1 of the batch has padding before token 2"},
        {cls, "s1_ids", NULL, NULL, 0, "the batch holds texts apart (s1_ids); the target siamese takes them"},
        {"{" SMALL "\"encoder\":\"lstm\",\"target\":\"siamese\"}", "s1_ids", "s1_lengths", lengths, 0,
         "s1_lengths holds 7 for text 0; lengths are in 1..6"},
        {"{" SMALL "\"heads_num\":2,\"mask\":\"causal_with_prefix\",\"target\":\"lm\"}", "src", "seg", mixed, 6,
         "mask causal_with_prefix needs the first segment in front; row 0"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture f;
        make(&f, cases[i].config, NULL);
        give(&f, cases[i].ids, 2, 2, 6, words);
        if (cases[i].other) {
            give(&f, cases[i].other, cases[i].columns ? 2 : 1, 2, cases[i].columns, cases[i].values);
        }
        run(&f, false, AE_EVAL);
        if (ae_ok(f.graph) || !strstr(ae_graph_error(f.graph)->message, cases[i].message)) {
            fail_msg("%s: %s", cases[i].message, ae_graph_error(f.graph)->message);
        }
        drop(&f);
    }
}

static void texts_longer_than_the_tables_are_refused(void **state)
{
    fixture f;
    (void)state;
    make(&f,
         "{\"vocab_size\":21,\"hidden_size\":8,\"embedding\":\"word_pos\",\"max_seq_length\":5,"
         "\"encoder\":\"lstm\"}",
         NULL);
    give(&f, "input_ids", 2, 2, 6, words);
    run(&f, false, AE_EVAL);
    assert_string_equal(ae_graph_error(f.graph)->message, "composed: a text of 6 tokens; max_seq_length is 5");
    drop(&f);
}

/* Parameters of embedding and encoder in UER-py's own configurations, in units of 100,000. */
static void uer_configurations_have_their_size(void **state)
{
    static const struct {
        const char *config;
        int64_t parameters;
    } cases[] = {
        {"{\"emb_size\":128,\"feedforward_size\":512,\"hidden_size\":128,\"hidden_act\":\"gelu\",\"heads_num\":2,"
         "\"layers_num\":2,\"max_seq_length\":512,\"dropout\":0.1,\"data_processor\":\"bert\",\"embedding\":[\"word\","
         "\"pos\",\"seg\"],\"encoder\":\"transformer\",\"mask\":\"fully_visible\",\"target\":[\"mlm\",\"sp\"],"
         "\"tie_weights\":true,\"vocab_size\":21128}",
         32},
        {"{\"emb_size\":128,\"feedforward_size\":3072,\"hidden_size\":768,\"hidden_act\":\"relu\",\"heads_num\":12,"
         "\"layers_num\":12,\"max_seq_length\":512,\"dropout\":0.0,\"data_processor\":\"albert\",\"embedding\":["
         "\"word\",\"pos\",\"seg\"],\"encoder\":\"transformer\",\"mask\":\"fully_visible\","
         "\"factorized_embedding_parameterization\":true,\"parameter_sharing\":true,\"target\":[\"mlm\",\"sp\"],"
         "\"vocab_size\":21128}",
         100},
        {"{\"stream_0\":{\"vocab_size\":21128,\"emb_size\":512,\"hidden_size\":512,\"layers_num\":2,\"dropout\":0.1,"
         "\"embedding\":[\"word\"],\"encoder\":\"lstm\"},\"stream_1\":{\"vocab_size\":21128},\"dropout\":0.1,"
         "\"embedding\":[\"dual\"],\"encoder\":\"dual\",\"pooling\":\"mean\",\"tie_weights\":true}",
         150},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture f;
        int64_t n = 0;
        make(&f, cases[i].config, NULL);
        if (!ae_model_ok(f.root)) {
            fail_msg("%s", ae_model_error(f.root)->message);
        }
        for (int k = 0; k < ae_model_count(f.root); k++) {
            ae_param_info p = ae_model_at(f.root, k);
            n += strncmp(p.name, "em", 2) == 0 || strncmp(p.name, "en", 2) == 0 ? ae_numel(p.tensor) : 0;
        }
        assert_int_equal((n + 50000) / 100000, cases[i].parameters);
        assert_true(f.model.has[AE_TARGET_siamese] == (i == 2));
        drop(&f);
    }
}

static const char *objective_of(const char *text, bool *apart)
{
    ae_json *config = ae_json_parse(text, strlen(text), NULL);
    const char *objective = ae_composed_objective(config, apart);
    ae_json_free(config);
    return objective ? objective : "none";
}

static void objectives_and_targets_meet(void **state)
{
    bool apart = true;
    ae_err e = {0};
    (void)state;
    assert_string_equal(objective_of("{\"target\":[\"mlm\",\"sp\"]}", &apart), "mlm_nsp");
    assert_false(apart);
    assert_string_equal(objective_of("{\"target\":\"sp_mlm\"}", NULL), "mlm_nsp");
    assert_string_equal(objective_of("{}", NULL), "mlm");
    assert_string_equal(objective_of("{\"target\":[\"bilm\"]}", NULL), "lm");
    assert_string_equal(objective_of("{\"target\":[\"lm\"]}", NULL), "lm");
    assert_string_equal(objective_of("{\"target\":[\"mlm\",\"cls\"]}", NULL), "none");
    assert_string_equal(objective_of("{\"target\":[\"siamese\"]}", &apart), "classes");
    assert_true(apart);
    ae_json *config = ae_json_parse("{\"encoder\":\"bilstm\"}", 20, &e);
    assert_int_equal(ae_composed_aim(config, "lm", &e), 0);
    char *text = ae_json_text(config, false, &e);
    assert_string_equal(text, "{\"encoder\":\"bilstm\",\"target\":[\"bilm\"]}");
    free(text);
    assert_int_equal(ae_composed_aim(config, "mlm_nsp", &e), 0);
    assert_string_equal(ae_composed_objective(config, NULL), "mlm_nsp");
    assert_int_equal(ae_composed_aim(config, "regression", &e), 0);
    assert_string_equal(ae_composed_objective(config, NULL), "classes");
    assert_int_equal(ae_composed_aim(config, "songs", &e), -1);
    assert_non_null(strstr(e.message, "composed: there is no target for \"songs\""));
    assert_string_equal(ae_composed_encoder_name(config), "bilstm");
    ae_json_free(config);
}

/* ---- an encoder of a user's own ------------------------------------------------------------------------------------ */

struct mine {
    struct ae_linear linear;
};

static int64_t mine_build(ae_model *m, void *self, const ae_json *config, int64_t width)
{
    struct mine *s = self;
    int64_t out = ae_json_int(config, "own_width", 6, NULL);
    ae_linear_init_torch(m, &s->linear, "own", width, out > 0 ? out : 6, true);
    return out;
}

static ae_tensor *mine_encode(ae_graph *g, const void *self, ae_tensor *x, const ae_tokens *tokens)
{
    (void)tokens;
    return ae_linear(g, &((const struct mine *)self)->linear, x);
}

static const char *const mine_keys[] = {"own_width", NULL};
static const ae_encoder mine = {.name = "mine",
                                .about = "a linear map",
                                .size = sizeof(struct mine),
                                .keys = mine_keys,
                                .build = mine_build,
                                .encode = mine_encode};
static const ae_encoder other_lstm = {.name = "lstm",
                                      .about = "not the listed one",
                                      .size = sizeof(struct mine),
                                      .build = mine_build,
                                      .encode = mine_encode};
static const ae_encoder *const extra[] = {&mine, &other_lstm, NULL};

static void own_encoders_are_looked_up_first(void **state)
{
    static const int64_t labels[2] = {0, 1};
    fixture f;
    (void)state;
    make(&f, "{\"vocab_size\":21,\"hidden_size\":8,\"encoder\":\"mine\",\"own_width\":5,\"target\":\"cls\"}", extra);
    give(&f, "input_ids", 2, 2, 6, words);
    give(&f, "labels", 1, 2, 0, labels);
    assert_true(run(&f, false, AE_TRAIN) > 0);
    assert_non_null(ae_model_get(f.root, "encoder.own.weight"));
    assert_int_equal(f.model.width, 5);
    drop(&f);
    make(&f, "{\"vocab_size\":21,\"encoder\":\"lstm\",\"own_width\":5}", extra);
    assert_ptr_equal(f.model.encoder, &other_lstm);
    drop(&f);
    make(&f, "{\"vocab_size\":21,\"encoder\":\"mine\",\"own_wide\":5}", extra);
    assert_non_null(strstr(ae_model_error(f.root)->message, "own_width"));
    drop(&f);
    make(&f, "{\"vocab_size\":21,\"encoder\":\"mine\",\"target\":\"lm\"}", extra); /* nothing says it sees the past */
    assert_non_null(strstr(ae_model_error(f.root)->message, "target lm: the encoder mine sees the words"));
    drop(&f);
    make(&f, "{\"vocab_size\":21,\"encoder\":\"mine\",\"own_width\":-3}", extra);
    assert_string_equal(ae_model_error(f.root)->message, "composed: the encoder mine announces states of -3 numbers");
    drop(&f);
    make(&f, "{\"vocab_size\":21,\"hidden_size\":8,\"encoder\":\"mine\",\"own_width\":5,\"target\":\"cls\"}", extra);
    f.model.width = 4;
    give(&f, "input_ids", 2, 2, 6, words);
    run(&f, false, AE_EVAL);
    assert_string_equal(ae_graph_error(f.graph)->message,
                        "mine: its states are [2,6,5]; (batch, tokens, 4) was announced");
    drop(&f);
}

static void the_lists_can_be_walked(void **state)
{
    int n = 0;
    (void)state;
    for (const ae_encoder *e; (e = ae_encoder_at(NULL, n)) != NULL; n++) {
        assert_true(e->name && e->about && e->size && e->build && e->encode);
        assert_ptr_equal(ae_encoder_find(NULL, e->name, NULL), e);
    }
    assert_int_equal(n, 8);
    assert_ptr_equal(ae_encoder_at(extra, 0), &mine);
    assert_ptr_equal(ae_encoder_at(extra, 2), ae_encoder_at(NULL, 0));
    assert_null(ae_encoder_at(extra, 10));
    assert_null(ae_encoder_at(NULL, -1));
    assert_string_equal(ae_target_name(AE_TARGET_bilm), "bilm");
    assert_non_null(ae_target_about(AE_TARGET_siamese));
    assert_null(ae_target_name(AE_TARGET_COUNT));
    assert_null(ae_target_about(AE_TARGET_COUNT));
    assert_ptr_equal(ae_zoo_find("uer.model_builder.build_model"), ae_zoo_find("Composed"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_cases_agree),
        cmocka_unit_test(padding_is_left_out),
        cmocka_unit_test(the_key_pack_rules),
        cmocka_unit_test(pairs_are_pooled_evenly),
        cmocka_unit_test(losses_come_from_data_sets_names),
        cmocka_unit_test(regression_and_several_labels),
        cmocka_unit_test(bad_configurations_are_named),
        cmocka_unit_test(bad_batches_are_named),
        cmocka_unit_test(texts_longer_than_the_tables_are_refused),
        cmocka_unit_test(uer_configurations_have_their_size),
        cmocka_unit_test(objectives_and_targets_meet),
        cmocka_unit_test(own_encoders_are_looked_up_first),
        cmocka_unit_test(the_lists_can_be_walked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
