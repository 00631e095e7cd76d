#include "tensor/sharded.h"

#include "file_faults.h"
#include "sample_tensors.h"
#include "tensor/hdf5_file.h"
#include "tensor/npy.h"
#include "tensor/safetensors.h"
#include "tensor/torch_file.h"

#include <unistd.h>

static char folder[] = "sharded_XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void assert_failure(const char *path, ae_code code, const char *message)
{
    ae_err e = {0};
    ae_tensors *d = ae_tensors_read_file(path, &e);
    if (d || e.code != code || !strstr(e.message, message)) {
        fail_msg("%s: %s", ae_code_name(e.code), e.message);
    }
}

static void test_every_kind_is_recognised(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_tensors *d = small_tensors();
    const char *path = in_folder("weights.any");
    for (int kind = 0; kind < 4; kind++) {
        int result = kind == 0   ? ae_safetensors_write(path, d, NULL, &e)
                     : kind == 1 ? ae_hdf5_write(path, d, false, &e)
                     : kind == 2 ? ae_npz_write(path, d, &e)
                                 : ae_torch_write(path, d, &e);
        assert_int_equal(result, 0);
        ae_tensors *back = ae_tensors_read_file(path, &e);
        if (!back) {
            fail_msg("%s", e.message);
        }
        assert_same_tensors(d, back);
        ae_tensors_free(back);
    }
    assert_int_equal(ae_npy_write(path, ae_tensors_at(d, 0), &e), 0);
    ae_tensors *back = ae_tensors_read_file(path, &e);
    assert_same_tensor("array", ae_tensors_at(d, 0), ae_tensors_get(back, "array"));
    ae_tensors_free(back);
    ae_tensors_free(d);
    d = ae_tensors_read_file(AE_TEST_DIR "/tensor/files/state_old.pt", &e);
    assert_int_equal(ae_tensors_count(d), 15);
    ae_tensors_free(d);
    put_file(path, "some text", 9);
    assert_failure(path, AE_E_FORMAT, "no file of tensors; safetensors, HDF5,");
    unlink(path);
    assert_failure(path, AE_E_MISSING, "cannot be opened");
}

static void put_text(const char *name, const char *text)
{
    assert_int_equal(put_file(in_folder(name), text, strlen(text)), 0);
}

static void test_shards(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_tensors *d = small_tensors(), *more = ae_tensors_new();
    static const int64_t shape[] = {4};
    ae_tensors_add(more, "last", ae_tensor_new(AE_F64, 1, shape, NULL), NULL);
    assert_int_equal(ae_safetensors_write(in_folder("model-1.safetensors"), d, NULL, &e), 0);
    assert_int_equal(ae_torch_write(in_folder("model-2.bin"), more, &e), 0);
    put_text("model.index.json",
             "{\"metadata\": {\"total_size\": 1}, \"weight_map\": {\"mask\": \"model-1.safetensors\","
             "\"last\": \"model-2.bin\", \"weight\": \"model-1.safetensors\"}}");
    ae_tensors *back = ae_tensors_read_file(in_folder("model.index.json"), &e);
    if (!back) {
        fail_msg("%s", e.message);
    }
    assert_int_equal(ae_tensors_count(back), 3);
    assert_string_equal(ae_tensors_name(back, 1), "last");
    assert_same_tensor("weight", ae_tensors_get(d, "weight"), ae_tensors_get(back, "weight"));
    assert_same_tensor("mask", ae_tensors_get(d, "mask"), ae_tensors_get(back, "mask"));
    ae_tensors_free(back);
    ae_tensors_free(d);
    ae_tensors_free(more);
    static const struct {
        const char *text;
        ae_code code;
        const char *message;
    } cases[] = {
        {"{\"weight_map\": {\"x\": \"model-1.safetensors\"}}", AE_E_MISSING,
         "the tensor x is not in its shard model-1.safetensors"},
        {"{\"weight_map\": {\"x\": \"../model-1.safetensors\"}}", AE_E_FORMAT, "is no name of a shard in the folder"},
        {"{\"weight_map\": {\"x\": \"model.index.json\"}}", AE_E_FORMAT, "is no name of a shard"},
        {"{\"weight_map\": {\"x\": \"\"}}", AE_E_FORMAT, "is no name of a shard"},
        {"{\"weight_map\": {\"x\": \"none\"}}", AE_E_MISSING, "/none: cannot be opened"},
        {"{\"weight_map\": {\"x\": 3}}", AE_E_VALUE, "weight_map: \"x\" is 3; a string is needed"},
        {"{\"a\": 1}", AE_E_MISSING, "the key \"weight_map\" is needed and is missing"},
        {"{\"a\": 1", AE_E_FORMAT, "an object without its closing brace"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put_text("model.index.json", cases[i].text);
        assert_failure(in_folder("model.index.json"), cases[i].code, cases[i].message);
    }
    unlink(in_folder("model.index.json"));
    unlink(in_folder("model-1.safetensors"));
    unlink(in_folder("model-2.bin"));
}

int main(void)
{
    if (!mkdtemp(folder)) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_is_recognised),
        cmocka_unit_test(test_shards),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(folder);
    return failed;
}
