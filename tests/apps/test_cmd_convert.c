/* `aesop convert` and `aesop inspect`: every format there and back, and what bad input gets. */
#include "apps/program.h"
#include "apps/weights.h"

#include <setjmp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define GPT2 AE_TEST_DIR "/golden/gpt2_lm"
#define BERT AE_TEST_DIR "/golden/bert_base"
#define MLM AE_TEST_DIR "/golden/bert_mlm"

static void assert_same_weights(const char *a, const char *b)
{
    ae_weights x, y;
    ae_err e = {0};
    assert_int_equal(ae_weights_read(a, &x, &e), 0);
    assert_int_equal(ae_weights_read(b, &y, &e), 0);
    assert_int_equal(ae_tensors_count(x.tensors), ae_tensors_count(y.tensors));
    for (int i = 0; i < ae_tensors_count(x.tensors); i++) {
        const ae_tensor *t = ae_tensors_at(x.tensors, i), *u = ae_tensors_get(y.tensors, ae_tensors_name(x.tensors, i));
        assert_non_null(u);
        assert_true(ae_same_shape(t, u) && t->dtype == u->dtype);
        assert_memory_equal(t->data, u->data, (size_t)ae_numel(t) * ae_dtype_size(t->dtype));
    }
    ae_weights_free(&x);
    ae_weights_free(&y);
}

static void every_format_there_and_back(void **state)
{
    static const char *const files[] = {"c.h5", "c_hf", "c.safetensors", "c.bin", "c.npz"};
    static const char *const formats[] = {"h5", "hf", "safetensors", "bin", "npz"};
    (void)state;
    const char *from = GPT2;
    for (int i = 0; i < 5; i++) {
        if (aesop(7, "convert", from, "-o", files[i], "--to", formats[i], "--force") != 0) {
            fail_msg("%s: %s", files[i], log_text);
        }
        assert_same_weights(GPT2, files[i]);
        from = i < 2 ? files[i] : from;
    }
}

static void a_model_file_keeps_class_and_configuration(void **state)
{
    (void)state;
    assert_int_equal(aesop(5, "convert", MLM, "-o", "d.h5", "--force"), 0);
    assert_int_equal(aesop(3, "inspect", "d.h5", "--json"), 0);
    ae_json *j = ae_json_parse(out_text, strlen(out_text), NULL);
    assert_string_equal(ae_json_string(j, "class", "", NULL), "BertForMaskedLM");
    assert_int_equal(ae_json_int(ae_json_get(j, "config"), "hidden_size", 0, NULL), 40);
    assert_int_equal(ae_json_count(ae_json_get(j, "tensors")), 42);
    ae_json_free(j);
    assert_int_equal(aesop(2, "inspect", "d.h5"), 0);
    assert_non_null(strstr(out_text, "bert.encoder.layer.1.output.dense.weight"));
}

static void weights_pass_through_their_model(void **state)
{
    (void)state;
    assert_int_equal(aesop(7, "convert", BERT, "-o", "e.h5", "--model", "BertForMaskedLM", "--force"), 2);
    assert_non_null(strstr(log_text, "cls.predictions.bias"));
    assert_int_equal(aesop(7, "convert", BERT, "-o", "e.h5", "--model", "BertForMaskedML", "--force"), 2);
    assert_non_null(strstr(log_text, "no model of this class"));
}

#define UER AE_TEST_DIR "/golden/uer_bert_mlm_sp"

static void names_of_uer_there_and_back(void **state)
{
    (void)state;
    if (aesop(9, "convert", UER, "-o", "u_hf", "--to", "hf", "--names", "hf", "--force") != 0) {
        fail_msg("%s", log_text);
    }
    assert_int_equal(aesop(3, "inspect", "u_hf", "--json"), 0);
    assert_non_null(strstr(out_text, "\"BertForPreTraining\""));
    assert_non_null(strstr(out_text, "bert.encoder.layer.1.attention.self.value.bias"));
    assert_int_equal(aesop(9, "convert", "u_hf", "-o", "u_uer", "--to", "hf", "--names", "uer", "--force"), 0);
    assert_int_equal(aesop(9, "convert", "u_uer", "-o", "u_hf2", "--to", "hf", "--names", "hf", "--force"), 0);
    assert_same_weights("u_hf", "u_hf2");
    assert_int_equal(aesop(9, "convert", GPT2, "-o", "v_uer", "--to", "hf", "--names", "uer", "--force"), 0);
    assert_int_equal(aesop(9, "convert", "v_uer", "-o", "v_hf", "--to", "hf", "--names", "hf", "--force"), 0);
    assert_same_weights(GPT2, "v_hf");
    /* A class that was asked for leaves the other targets behind. */
    assert_int_equal(aesop(9, "convert", UER, "-o", "w.h5", "--model", "BertForMaskedLM", "--names", "hf", "--force"),
                     0);
    assert_non_null(strstr(log_text, "w.h5: 42 tensors, every parameter of the model checked"));
}

static void bad_names_are_named(void **state)
{
    (void)state;
    unlink("alone.safetensors");
    assert_int_equal(aesop(4, "convert", UER "/model.safetensors", "-o", "alone.safetensors"), 0);
    assert_int_equal(aesop(6, "convert", "alone.safetensors", "-o", "x.h5", "--names", "hf"), 2);
    assert_non_null(strstr(log_text, "put its configuration beside them as config.json"));
    assert_int_equal(aesop(6, "convert", "alone.safetensors", "-o", "x.h5", "--names", "tf"), 2);
    assert_non_null(strstr(log_text, "names"));
    assert_int_equal(aesop(8, "convert", UER, "-o", "x.h5", "--names", "hf", "--model", "BertForMultipleChoice"), 2);
    assert_non_null(strstr(log_text, "UER-py's tensors are no such model; they look like BertForPreTraining"));
    assert_int_equal(aesop(6, "convert", AE_TEST_DIR "/golden/bert_multiple_choice", "-o", "x.h5", "--names", "uer"),
                     2);
    assert_non_null(strstr(log_text, "BertForMultipleChoice: UER-py has no names for this class"));
}

static void bad_input_is_named(void **state)
{
    (void)state;
    assert_int_equal(aesop(4, "convert", "no_such_file", "-o", "f.h5"), 2);
    assert_non_null(strstr(log_text, "no_such_file: cannot be opened"));
    assert_int_equal(aesop(2, "convert", BERT), 2);
    assert_non_null(strstr(log_text, "give --output PATH"));
    assert_int_equal(aesop(4, "convert", BERT, "-o", "f.xyz"), 2);
    assert_non_null(strstr(log_text, "the ending names no format"));
    assert_int_equal(aesop(6, "convert", BERT, "-o", "f", "--to", "onnx"), 2);
    assert_non_null(strstr(log_text, "no format is called \"onnx\""));
    mkdir("empty_folder", 0777);
    assert_int_equal(aesop(2, "inspect", "empty_folder"), 2);
    assert_non_null(strstr(log_text, "a folder without model.safetensors"));
    assert_int_equal(aesop(5, "convert", BERT, "-o", "g.h5", "--force"), 0);
    assert_int_equal(aesop(4, "convert", BERT, "-o", "g.h5"), 2);
    assert_non_null(strstr(log_text, "g.h5: exists; --force overwrites it"));
    assert_int_equal(truncate("g.h5", 3000), 0);
    assert_int_equal(aesop(2, "inspect", "g.h5"), 2);
    assert_non_null(strstr(log_text, "g.h5"));
}

static void no_room_on_the_disk_leaves_nothing(void **state)
{
    (void)state;
    assert_int_equal(aesop(4, "convert", BERT, "-o", "/proc/nowhere.h5"), 4);
    assert_int_equal(access("/proc/nowhere.h5", F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_there_and_back),
        cmocka_unit_test(a_model_file_keeps_class_and_configuration),
        cmocka_unit_test(weights_pass_through_their_model),
        cmocka_unit_test(names_of_uer_there_and_back),
        cmocka_unit_test(bad_names_are_named),
        cmocka_unit_test(bad_input_is_named),
        cmocka_unit_test(no_room_on_the_disk_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, free_texts);
}
