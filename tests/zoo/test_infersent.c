/* InferSent against the release: outputs, loss and every parameter's gradient of the golden cases. */
#include "tests/zoo/golden_cases.h"
#include "zoo/infersent.h"

static void golden_cases_agree(void **state)
{
    static const char *const prefixes[] = {"infersent_", NULL};
    (void)state;
    int count = check_cases(prefixes, 4);
    assert_int_equal(count, 20);
}

static void every_class_is_listed(void **state)
{
    (void)state;
    for (int i = 0; i < AE_INFERSENT_ENCODER_COUNT; i++) {
        assert_non_null(ae_zoo_find(ae_infersent_class_name((ae_infersent_encoder)i)));
    }
    assert_non_null(ae_zoo_find("models.NLINet"));
    assert_non_null(ae_zoo_find("ClassificationNet"));
    assert_string_equal(ae_infersent_class_name((ae_infersent_encoder)99), "?");
}

/* 38,502,400 parameters, as the release's infersent1.pkl. */
static void the_default_is_the_releases_model(void **state)
{
    ae_err e = {0};
    ae_infersent_config c;
    struct ae_infersent s = {0};
    ae_json *json = ae_json_parse("{}", 2, &e);
    ae_model *m = ae_model_new(1);
    (void)state;
    assert_int_equal(ae_infersent_config_read(json, &c, &e), 0);
    ae_infersent_init(m, &s, &c);
    assert_int_equal(ae_model_numel(m), 38502400);
    assert_int_equal(ae_infersent_width(&c), 4096);
    ae_model_free(m);
    ae_json_free(json);
}

static void bad_configurations_are_named(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"{\"pool_typ\": \"max\"}", "pool_type"},
        {"{\"pool_type\": \"last\"}", "pool_type: \"last\"; InferSent pools with max or mean"},
        {"{\"pool_type\": \"median\"}", "pooling: median is not known; mean, max, first, last are"},
        {"{\"version\": 3}", "version: 3; there are 1 and 2"},
        {"{\"encoder_type\": \"LSTM\"}", "encoder_type: \"LSTM\" is not known; InferSent, BLSTMprojEncoder"},
        {"{\"encoder_type\": 5}", "encoder_type"},
        {"{\"enc_lstm_dim\": 0}", "word_emb_dim 300, enc_lstm_dim 0, fc_dim 512, n_classes 3 must be in 1..2^24"},
        {"{\"dpout_fc\": 2}", "dpout_fc 2 at least 0 and below 1"},
        {"{\"fc_dim\": \"wide\"}", "fc_dim"},
        {"{\"vocab_size\": -1}", "vocab_size: -1; it must be in 0..2^28"},
        {"{\"problem_type\": \"ranking\"}", "problem_type is \"ranking\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ae_err e = {0};
        ae_infersent_config c;
        ae_json *json = ae_json_parse(cases[i].text, strlen(cases[i].text), &e);
        assert_int_equal(ae_infersent_config_read(json, &c, &e), -1);
        if (!strstr(e.message, cases[i].message)) {
            fail_msg("%s: %s", cases[i].text, e.message);
        }
        struct ae_nli_net n = {0};
        ae_model *m = ae_model_new(1);
        ae_zoo_find("NLINet")->build(m, &n, json, 0);
        assert_true(strncmp(ae_model_error(m)->message, "infersent: ", 11) == 0);
        ae_model_free(m);
        ae_json_free(json);
    }
}

/* ---- ids in place of vectors --------------------------------------------------------------------------------------- */

#define TINY "{\"word_emb_dim\":3,\"enc_lstm_dim\":2,\"fc_dim\":4,\"vocab_size\":7,"

static ae_tensor *put_ids(ae_tensors *in, const char *name, int ndim, int64_t rows, int64_t columns, const int64_t *v)
{
    ae_err e = {0};
    ae_tensor *t = ae_tensor_new(AE_I64, ndim, (int64_t[]){rows, columns}, &e);
    for (int64_t i = 0; i < ae_numel(t); i++) {
        ae_set_i64(t, i, v[i]);
    }
    assert_int_equal(ae_tensors_add(in, name, t, &e), 0);
    return t;
}

typedef struct tiny {
    ae_model *m;
    struct ae_nli_net net;
    ae_graph *g;
    ae_tensors *in, *out;
    const ae_zoo_model *row;
} tiny;

static void tiny_make(tiny *t, const char *class_name, const char *config)
{
    static const int64_t first[8] = {1, 2, 3, 0, 4, 5, 0, 0}, second[6] = {6, 0, 0, 1, 1, 2};
    ae_err e = {0};
    memset(t, 0, sizeof *t);
    ae_json *json = ae_json_parse(config, strlen(config), &e);
    t->row = ae_zoo_find(class_name);
    t->m = ae_model_new(3);
    t->g = ae_graph_new();
    t->in = ae_tensors_new();
    t->out = ae_tensors_new();
    t->row->build(t->m, &t->net, json, t->row->kind);
    if (!ae_model_ok(t->m)) {
        fail_msg("%s", ae_model_error(t->m)->message);
    }
    ae_json_free(json);
    put_ids(t->in, "s1_ids", 2, 2, 4, first);
    put_ids(t->in, "s1_lengths", 1, 2, 0, (int64_t[]){3, 2});
    put_ids(t->in, "s2_ids", 2, 2, 3, second);
    put_ids(t->in, "s2_lengths", 1, 2, 0, (int64_t[]){1, 3});
}

static double tiny_run(tiny *t)
{
    ae_graph_begin(t->g, AE_GRAD);
    ae_io io = {.graph = t->g, .inputs = t->in, .outputs = t->out};
    ae_tensor *loss = t->row->run(&t->net, &io);
    double value = loss ? ae_item(loss) : -1;
    if (loss && ae_ok(t->g)) {
        ae_backward(t->g, loss, 0);
    }
    return value;
}

static void tiny_drop(tiny *t)
{
    ae_graph_free(t->g);
    ae_model_free(t->m);
    ae_tensors_free(t->in);
    ae_tensors_free(t->out);
}

/* The same vectors by hand, time first, zeros as padding. */
static void put_vectors(const tiny *t, ae_tensors *in, const char *name, const char *ids_name, const char *lengths_name)
{
    ae_err e = {0};
    const ae_tensor *ids = ae_tensors_get(t->in, ids_name), *lengths = ae_tensors_get(t->in, lengths_name);
    const ae_tensor *table = ae_model_get(t->m, "word_embedding.weight");
    int64_t rows = ids->shape[0], n = ids->shape[1];
    ae_tensor *x = ae_tensor_new(AE_F32, 3, (int64_t[]){n, rows, 3}, &e);
    for (int64_t i = 0; i < rows * n * 3; i++) {
        int64_t k = i / 3 / rows, b = i / 3 % rows, j = i % 3;
        bool real = k < ae_get_i64(lengths, b);
        ae_set_f64(x, i, real ? ae_get_f64(table, ae_get_i64(ids, b * n + k) * 3 + j) : 0);
    }
    assert_int_equal(ae_tensors_add(in, name, x, &e), 0);
    ae_tensors_add_copy(in, lengths_name, lengths, &e);
}

static void ids_are_looked_up_in_the_models_table(void **state)
{
    (void)state;
    tiny t;
    tiny_make(&t, "NLINet", TINY "\"pool_type\":\"max\"}");
    put_ids(t.in, "labels", 1, 2, 0, (int64_t[]){2, 0});
    double by_ids = tiny_run(&t);
    assert_true(ae_ok(t.g) && by_ids > 0);
    assert_non_null(ae_model_get(t.m, "word_embedding.weight")->grad);
    ae_tensors *vectors = ae_tensors_new(), *ids = t.in;
    put_vectors(&t, vectors, "s1", "s1_ids", "s1_lengths");
    put_vectors(&t, vectors, "s2", "s2_ids", "s2_lengths");
    put_ids(vectors, "labels", 1, 2, 0, (int64_t[]){2, 0});
    ae_tensors_free(t.out);
    t.out = ae_tensors_new();
    t.in = vectors;
    double by_vectors = tiny_run(&t);
    assert_float_equal(by_ids, by_vectors, 1e-6);
    ae_tensors_free(ids);
    tiny_drop(&t);
}

static void words_may_be_frozen_and_labels_be_scores(void **state)
{
    ae_err e = {0};
    (void)state;
    tiny t;
    tiny_make(&t, "ClassificationNet",
              TINY "\"freeze_words\":true,\"num_labels\":1,\"problem_type\":"
                   "\"regression\"}");
    ae_tensor *scores = ae_tensor_new(AE_F32, 1, (int64_t[]){2}, &e);
    ae_set_f64(scores, 0, 0.5);
    ae_tensors_add(t.in, "labels", scores, &e);
    double loss = tiny_run(&t);
    const ae_tensor *logits = ae_tensors_get(t.out, "logits");
    double a = ae_get_f64(logits, 0) - 0.5, b = ae_get_f64(logits, 1);
    assert_float_equal(loss, (a * a + b * b) / 2, 1e-6);
    assert_null(ae_model_get(t.m, "word_embedding.weight")->grad);
    assert_non_null(ae_model_get(t.m, "classifier.1.weight")->grad);
    tiny_drop(&t);
    tiny_make(&t, "InferSent", TINY "\"id2label\":{\"0\":\"a\",\"1\":\"b\"}}");
    tiny_run(&t);
    assert_int_equal(ae_tensors_get(t.out, "embedding")->shape[1], 4);
    tiny_drop(&t);
}

static void ids_without_a_table_are_refused(void **state)
{
    (void)state;
    tiny t;
    tiny_make(&t, "NLINet", "{\"word_emb_dim\":3,\"enc_lstm_dim\":2}");
    tiny_run(&t);
    assert_string_equal(ae_graph_error(t.g)->message,
                        "infersent: the batch holds ids; a vocab_size in the configuration gives the model the word "
                        "table for them");
    tiny_drop(&t);
    tiny_make(&t, "NLINet", TINY "\"version\":2}");
    ae_tensor *short_lengths = (ae_tensor *)(uintptr_t)ae_tensors_get(t.in, "s1_lengths");
    short_lengths->shape[0] = 1;
    tiny_run(&t);
    assert_string_equal(ae_graph_error(t.g)->message,
                        "infersent: s1_ids is [2,4] and its lengths [1]; (batch, tokens) and (batch) are wanted");
    tiny_drop(&t);
}

static void bad_lengths_are_named(void **state)
{
    ae_infersent_config c = {.word_emb_dim = 3, .enc_lstm_dim = 2, .pool_type = AE_POOLING_MAX, .version = 1};
    struct ae_infersent s = {0};
    ae_model *m = ae_model_new(1);
    ae_graph *g = ae_graph_new();
    (void)state;
    ae_infersent_init(m, &s, &c);
    ae_tensor *sent = ae_zeros(g, AE_F32, 3, (int64_t[]){2, 4, 3});
    ae_tensor *lengths = ae_from_data(g, AE_I64, 1, (int64_t[]){2}, (int64_t[]){5, 1});
    assert_ptr_equal(ae_infersent_encode(g, &s, sent, lengths), ae_bad(g));
    assert_string_equal(ae_graph_error(g)->message, "lstm: length 5 of row 0 is outside of 0..4, the steps of x");
    ae_graph_free(g);
    ae_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_cases_agree),
        cmocka_unit_test(every_class_is_listed),
        cmocka_unit_test(the_default_is_the_releases_model),
        cmocka_unit_test(bad_configurations_are_named),
        cmocka_unit_test(ids_are_looked_up_in_the_models_table),
        cmocka_unit_test(words_may_be_frozen_and_labels_be_scores),
        cmocka_unit_test(ids_without_a_table_are_refused),
        cmocka_unit_test(bad_lengths_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
