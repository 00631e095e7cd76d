/* Where the values of a run come from, and what is said of bad ones. */
#include "tests/apps/program.h"

#include "tensor/json.h"

#include <setjmp.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char config_path[] = "/tmp/test_settings_XXXXXX";

static void write_config(const char *text)
{
    FILE *f = fopen(config_path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static ae_json *printed(void)
{
    ae_err e = {0};
    ae_json *j = ae_json_parse(out_text, strlen(out_text), &e);
    assert_non_null(j);
    return j;
}

static void assert_value(const ae_json *j, const char *name, double value, const char *origin)
{
    const ae_json *entry = ae_json_get(j, name);
    assert_non_null(entry);
    assert_true(ae_json_double(entry, "value", -1, NULL) == value);
    assert_string_equal(ae_json_string(entry, "origin", "", NULL), origin);
}

/* preset < recipe < --config < command line. */
static void test_order(void **state)
{
    (void)state;
    write_config("{\"batch\": 16, \"weight_decay\": 0.5, \"model_config\": {\"hidden_size\": 64}}");
    assert_int_equal(aesop(9, "pretrain", "--model", "bert-tiny", "--config", config_path, "--batch", "8", "--set",
                           "num_hidden_layers=3"),
                     2); /* no budget and no data, but the values are read first */
    assert_int_equal(aesop(10, "pretrain", "--model", "bert-tiny", "--config", config_path, "--batch", "8", "--set",
                           "num_hidden_layers=3", "--print-config"),
                     0);
    ae_json *j = printed();
    assert_value(j, "batch", 8, "command line");
    assert_value(j, "weight-decay", 0.5, "configuration file");
    assert_value(j, "lr", 1e-3, "recipe");
    assert_value(j, "accumulate", 1, "preset");
    assert_true(ae_json_is_null(ae_json_get(ae_json_get(j, "steps"), "value")));
    const ae_json *model = ae_json_get(j, "model_config");
    assert_int_equal(ae_json_int(model, "hidden_size", 0, NULL), 64);
    assert_int_equal(ae_json_int(model, "num_hidden_layers", 0, NULL), 3);
    ae_json_free(j);
}

/* What --print-config prints is taken back as --config and gives the same. */
static void test_round_trip(void **state)
{
    (void)state;
    assert_int_equal(aesop(9, "finetune", "--model", "bert-mini", "--lr", "3e-4", "--freeze", "*embeddings*",
                           "--print-config", "--json"),
                     0);
    write_config(out_text);
    ae_json *before = printed();
    assert_int_equal(aesop(4, "finetune", "--config", config_path, "--print-config"), 0);
    ae_json *after = printed();
    for (const ae_json *m = ae_json_first(before); m; m = ae_json_next(m)) {
        const ae_json *twin = ae_json_get(after, ae_json_key(m));
        assert_non_null(twin);
        if (ae_json_type_of(m) != AE_JSON_OBJECT || strcmp(ae_json_key(m), "model_config") == 0) {
            continue;
        }
        char *a = ae_json_text(ae_json_get(m, "value"), false, NULL);
        char *b = ae_json_text(ae_json_get(twin, "value"), false, NULL);
        assert_string_equal(a ? a : "null", b ? b : "null");
        free(a);
        free(b);
    }
    ae_json_free(before);
    ae_json_free(after);
}

static void refused(const char *config, const char *message)
{
    write_config(config);
    assert_int_equal(aesop(6, "pretrain", "--model", "bert-tiny", "--config", config_path, "--print-config"), 2);
    if (!strstr(log_text, message)) {
        print_message("%s\n", log_text);
    }
    assert_non_null(strstr(log_text, message));
}

static void test_bad_values(void **state)
{
    (void)state;
    refused("{\"batchs\": 3}", "pretrain has no value called \"batchs\"; did you mean batch");
    refused("{\"batch\": \"many\"}", "--batch wants an integer; got");
    refused("{\"batch\": {\"value\": [1]}}", "batch takes one value, not an array");
    refused("[1]", "a configuration is an object {\"lr\": 1e-4, ...}");
    refused("{\"batch\": 3", "line 1");
    assert_int_equal(aesop(5, "pretrain", "--model", "bert-tiny", "--set", "hidden_size"), 2);
    assert_non_null(strstr(log_text, "--set hidden_size: KEY=VALUE is wanted"));
    assert_int_equal(aesop(3, "pretrain", "--model", "bert-tinny"), 2);
    assert_non_null(strstr(log_text, "no recipe is called \"bert-tinny\"; did you mean bert-tiny"));
    assert_int_equal(aesop(1, "pretrain"), 2);
    assert_non_null(strstr(log_text, "which model? --model NAME"));
    assert_int_equal(aesop(5, "finetune", "--model", "bert-tiny", "--seeds", "3..1"), 2);
    assert_non_null(strstr(log_text, "--seeds 3..1: a range like 1..3 or a list like 1,5,9 is wanted"));
}

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(config_path);
    return fd < 0 ? -1 : close(fd);
}

static int drop_file(void **state)
{
    unlink(config_path);
    return free_texts(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_bad_values),
    };
    return cmocka_run_group_tests(tests, make_file, drop_file);
}
