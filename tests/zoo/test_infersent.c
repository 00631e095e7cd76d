/* InferSent against the release: outputs, loss and every parameter's gradient of the golden cases. */
#include "apps/parity.h"
#include "zoo/infersent.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check_case(const char *name)
{
    char dir[512];
    ae_err e = {0};
    ae_parity_row *rows = NULL;
    int n = 0;
    snprintf(dir, sizeof dir, "%s/golden/%s", AE_TEST_DIR, name);
    ae_case *c = ae_case_read(dir, &e);
    ae_tensors *outputs = ae_tensors_new();
    if (!c || ae_case_run(c, false, outputs, &e) != 0) {
        fail_msg("%s: %s", name, e.message);
    }
    int failures = ae_case_compare(c, outputs, false, &rows, &n, &e);
    if (failures != 0) {
        fail_msg("%s: %d tensors differ, worst %s by %.3g of what is allowed", name, failures,
                 rows ? rows[0].name : "?", rows ? rows[0].fraction : 0);
    }
    assert_true(n >= 4);
    free(rows);
    ae_tensors_free(outputs);
    ae_case_free(c);
}

static void golden_cases_agree(void **state)
{
    struct dirent *entry;
    int count = 0;
    (void)state;
    DIR *folder = opendir(AE_TEST_DIR "/golden");
    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL) {
        if (strncmp(entry->d_name, "infersent_", 10) == 0) {
            check_case(entry->d_name);
            count++;
        }
    }
    closedir(folder);
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
        cmocka_unit_test(bad_lengths_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
