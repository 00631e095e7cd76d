#include "tensor/model_file_internal.h"

#include "file_faults.h"
#include "sample_tensors.h"

#include <unistd.h>

static char path[] = "model_file_XXXXXX";

static void test_sections(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_tensors *weights = sample_tensors(), *moments = small_tensors();
    ae_json *config = ae_json_new_object();
    ae_json_set_int(config, "hidden_size", 32);
    ae_h5 *f = ae_model_file_create(path, "bert", "mine.so", config, &e);
    assert_int_equal(ae_h5_write_tensors(f, "weights", weights, &e), 0);
    assert_int_equal(ae_h5_write_tensors(f, "optimizer/m", moments, &e), 0);
    assert_int_equal(ae_h5_write_json(f, "tokenizer/vocab", config, &e), 0);
    assert_int_equal(ae_h5_write_blob(f, "random", "\1\0\2", 3, &e), 0);
    assert_int_equal(ae_h5_commit(f, &e), 0);
    ae_json_free(config);
    ae_model_info info;
    f = ae_model_file_open(path, &info, &e);
    if (!f) {
        fail_msg("%s", e.message);
    }
    assert_int_equal(info.format, AE_MODEL_FORMAT);
    assert_string_equal(info.model, "bert");
    assert_string_equal(info.plugin, "mine.so");
    assert_string_equal(info.writer, "aesop " AE_VERSION);
    ae_model_info_free(&info);
    assert_null(info.model);
    config = ae_model_file_config(f, &e);
    assert_int_equal(ae_json_need_int(config, "hidden_size", &e), 32);
    ae_json_free(config);
    config = ae_h5_read_json(f, "tokenizer/vocab", &e);
    assert_int_equal(ae_json_count(config), 1);
    ae_json_free(config);
    ae_tensors *back = ae_h5_read_tensors(f, "weights", '/', &e);
    assert_same_tensors(weights, back);
    assert_int_equal((uintptr_t)ae_tensors_at(back, 2)->data % 64, 0);
    ae_tensors_free(back);
    back = ae_h5_read_tensors(f, "optimizer/m", '/', &e);
    assert_same_tensors(moments, back);
    ae_tensors_free(back);
    ae_h5_close(f);
    ae_tensors_free(weights);
    ae_tensors_free(moments);
    assert_int_equal(e.code, AE_OK);
}

static ae_h5 *reopen(int64_t written, int64_t newest, ae_err *e)
{
    ae_json *config = ae_json_new_object();
    ae_h5 *f = ae_model_file_create_as(path, written, "gpt2", NULL, config, NULL);
    ae_json_free(config);
    assert_int_equal(ae_h5_commit(f, NULL), 0);
    ae_model_info info;
    f = ae_model_file_open_as(path, newest, &info, e);
    if (f) {
        assert_int_equal(info.format, written);
        assert_null(info.plugin);
    }
    ae_model_info_free(&info);
    return f;
}

static void test_formats(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_h5 *f = reopen(1, 3, &e); /* a later program reads today's files */
    assert_non_null(f);
    ae_h5_close(f);
    assert_null(reopen(7, AE_MODEL_FORMAT, &e));
    assert_int_equal(e.code, AE_E_UNSUPPORTED);
    assert_non_null(strstr(e.message, "has format 7, written by aesop " AE_VERSION "; aesop " AE_VERSION
                                      " reads formats 1 to 1; use a newer aesop"));
    ae_err_clear(&e);
    assert_null(reopen(0, AE_MODEL_FORMAT, &e));
    assert_non_null(strstr(e.message, "has format 0"));
}

static void test_other_files(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_model_info info;
    ae_tensors *d = small_tensors();
    assert_int_equal(ae_hdf5_write(path, d, false, NULL), 0);
    ae_tensors_free(d);
    assert_null(ae_model_file_open(path, &info, &e));
    assert_int_equal(e.code, AE_E_FORMAT);
    assert_non_null(strstr(e.message, "not a model written by Aesop: the attribute aesop_format is missing"));
    ae_err_clear(&e);
    ae_h5 *f = ae_h5_create(path, NULL);
    ae_h5_write_attribute_int(f, "/", "aesop_format", 1, NULL);
    ae_h5_write_text(f, "config", "{oops", NULL);
    assert_int_equal(ae_h5_commit(f, NULL), 0);
    assert_null(ae_model_file_open(path, &info, &e));
    assert_non_null(strstr(e.message, "has no attribute model"));
    ae_err_clear(&e);
    f = ae_h5_open(path, &e);
    assert_null(ae_model_file_config(f, &e));
    assert_non_null(strstr(e.message, "section config: line 1, column 2: a key in quotes"));
    ae_h5_close(f);
    ae_model_info_free(&info);
}

int main(void)
{
    int fd = mkstemp(path);
    if (fd < 0) {
        return 1;
    }
    close(fd);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sections),
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_other_files),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
