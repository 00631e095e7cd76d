#include "tensor/safetensors_internal.h"

#include "file_faults.h"
#include "sample_tensors.h"
#include "tensor/file_map.h"

#include <unistd.h>

static char folder[] = "safetensors_XXXXXX";
static char path[64];

/* A file in memory from a header and bytes of data. */
static ae_tensors *parse(const char *header, size_t data_bytes, ae_err *e)
{
    size_t n = strlen(header);
    unsigned char *file = calloc(1, 8 + n + data_bytes);
    for (int i = 0; i < 8; i++) {
        file[i] = (unsigned char)((uint64_t)n >> (8 * i));
    }
    memcpy(file + 8, header, n);
    memset(file + 8 + n, 7, data_bytes);
    ae_storage *s = ae_copy_bytes(file, 8 + n + data_bytes, e);
    free(file);
    ae_tensors *d = ae_safetensors_parse(s, NULL, e);
    ae_storage_drop(s);
    return d;
}

static void test_round_trip(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_tensors *d = sample_tensors(), *back;
    ae_json *metadata = ae_json_new_object(), *meta_back = NULL;
    ae_json_set_string(metadata, "format", "pt");
    assert_int_equal(ae_safetensors_write(path, d, metadata, &e), 0);
    back = ae_safetensors_read(path, &meta_back, &e);
    if (!back) {
        fail_msg("%s", e.message);
    }
    assert_same_tensors(d, back);
    assert_string_equal(ae_json_string(meta_back, "format", "", &e), "pt");
    assert_int_equal(count_files(folder), 1);
    for (int i = 0; i < ae_tensors_count(back); i++) {
        const ae_tensor *t = ae_tensors_at(back, i);
        assert_int_equal((uintptr_t)t->data % ae_dtype_size(t->dtype), 0);
        assert_ptr_equal(t->storage, ae_tensors_at(back, 0)->storage); /* all on the map, none copied */
    }
    ae_tensors_free(d);
    ae_tensors_free(back);
    ae_json_free(metadata);
    ae_json_free(meta_back);
}

/* A tensor outlives the dictionary and the file's name; a changed value stays in memory. */
static void test_map_lives_as_long_as_a_tensor(void **state)
{
    (void)state;
    ae_tensors *d = small_tensors();
    assert_int_equal(ae_safetensors_write(path, d, NULL, NULL), 0);
    ae_json *metadata = (ae_json *)d;
    ae_tensors *back = ae_safetensors_read(path, &metadata, NULL);
    assert_null(metadata);
    ae_tensor *t = ae_tensor_share(ae_tensors_get(back, "ids"), NULL);
    ae_set_i64(t, 0, 12345);
    ae_tensors_free(back);
    assert_int_equal(ae_get_i64(t, 0), 12345);
    back = ae_safetensors_read(path, NULL, NULL);
    assert_same_tensors(d, back);
    unlink(path);
    assert_int_equal(ae_get_i64(t, 0), 12345);
    ae_tensor_free(t);
    ae_tensors_free(back);
    ae_tensors_free(d);
}

static void test_empty_dictionary(void **state)
{
    (void)state;
    ae_tensors *d = ae_tensors_new();
    assert_int_equal(ae_safetensors_write(path, d, NULL, NULL), 0);
    ae_tensors *back = ae_safetensors_read(path, NULL, NULL);
    assert_int_equal(ae_tensors_count(back), 0);
    ae_tensors_free(back);
    ae_tensors_free(d);
}

/* The format does not promise alignment: here f32 data begins 1 byte past a multiple of 4. */
static void test_misaligned_is_copied(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_tensors *d = parse("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                          "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[1,9]},"
                          "\"c\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[9,17]},"
                          "\"d\":{\"dtype\":\"BOOL\",\"shape\":[3],\"data_offsets\":[17,20]}}",
                          20, &e);
    if (!d) {
        fail_msg("%s", e.message);
    }
    for (int i = 0; i < 4; i++) {
        const ae_tensor *t = ae_tensors_at(d, i);
        assert_int_equal((uintptr_t)t->data % ae_dtype_size(t->dtype), 0);
    }
    assert_true(ae_get_f64(ae_tensors_get(d, "b"), 1) == ae_get_f64(ae_tensors_get(d, "c"), 0));
    assert_int_equal(((unsigned char *)ae_tensors_get(d, "d")->data)[0], 1);
    ae_tensors_free(d);
}

static void test_bad_headers(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data;
        ae_code code;
        const char *message;
    } cases[] = {
        {"", 0, AE_E_FORMAT, "header: line 1, column 1: the text ends"},
        {"[]", 0, AE_E_FORMAT, "the header is an array; an object is needed"},
        {"{\"a\":1}", 0, AE_E_VALUE, "tensor a: \"a\" is 1; an object is needed"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
         "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
         8, AE_E_FORMAT, "the key \"a\" stands twice"},
        {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, AE_E_MISSING, "tensor a: the key \"dtype\" is needed"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, AE_E_MISSING, "the key \"shape\" is needed"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, AE_E_MISSING, "the key \"data_offsets\" is needed"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4, AE_E_UNEXPECTED,
         "unknown key \"x\""},
        {"{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, AE_E_UNSUPPORTED,
         "tensor a: the dtype \"F8_E4M3\" is not supported; F32,"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, AE_E_FORMAT,
         "the shape [-1] has a negative extent"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,4]}}", 4, AE_E_FORMAT,
         "too many elements"},
        {"{\"a\":{\"dtype\":\"F64\",\"shape\":[2305843009213693952],\"data_offsets\":[0,0]}}", 0, AE_E_FORMAT,
         "0 bytes in the file do not make a shape [2305843009213693952] of F64"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", 4, AE_E_VALUE,
         "shape: the value is 1.5; an integer is needed"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, AE_E_UNSUPPORTED,
         "more than 8 axes"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8, AE_E_FORMAT,
         "8 bytes in the file do not make a shape [3] of F32"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, AE_E_FORMAT,
         "data_offsets has 1 entries; two are needed"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,\"4\"]}}", 4, AE_E_VALUE,
         "data_offsets: the value is the string \"4\""},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, AE_E_FORMAT,
         "data_offsets [4, 0] do not lie in the 4 bytes"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4, AE_E_FORMAT, "do not lie in"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 4, AE_E_FORMAT, "is the file cut short?"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
         "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[2,6]}}",
         6, AE_E_FORMAT, "the tensors a and b overlap"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, AE_E_FORMAT,
         "4 bytes before the tensor a belong to no tensor"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 7, AE_E_FORMAT,
         "3 bytes at the end belong to no tensor"},
        {"{\"__metadata__\":[]}", 0, AE_E_FORMAT, "__metadata__ is an array; an object of strings"},
        {"{\"__metadata__\":{\"k\":1}}", 0, AE_E_VALUE, "__metadata__: \"k\" is 1; a string is needed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ae_err e = {0};
        ae_tensors *d = parse(cases[i].header, cases[i].data, &e);
        if (d || e.code != cases[i].code || !strstr(e.message, cases[i].message)) {
            fail_msg("%s: %s: %s", cases[i].header, ae_code_name(e.code), e.message);
        }
    }
}

static void test_bad_lengths(void **state)
{
    (void)state;
    static const unsigned char absurd[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, '{', '}'};
    ae_err e = {0};
    assert_int_equal(put_file(path, absurd, sizeof absurd), 0);
    assert_null(ae_safetensors_read(path, NULL, &e));
    assert_non_null(strstr(e.message, path));
    assert_non_null(strstr(e.message, "the header claims 18446744073709551615 bytes in a file of 10"));
    ae_err_clear(&e);
    assert_int_equal(put_file(path, absurd, 5), 0);
    assert_null(ae_safetensors_read(path, NULL, &e));
    assert_non_null(strstr(e.message, "5 bytes are too few"));
    ae_err_clear(&e);
    assert_int_equal(put_file(path, absurd, 0), 0);
    assert_null(ae_safetensors_read(path, NULL, &e));
    assert_non_null(strstr(e.message, "0 bytes are too few"));
    ae_err_clear(&e);
    unlink(path);
    assert_null(ae_safetensors_read(path, NULL, &e));
    assert_int_equal(e.code, AE_E_MISSING);
}

static void test_bad_writes(void **state)
{
    (void)state;
    static const int64_t shape[] = {1};
    ae_err e = {0};
    ae_tensors *d = ae_tensors_new();
    assert_int_equal(ae_tensors_add(d, "__metadata__", ae_tensor_new(AE_F32, 1, shape, NULL), NULL), 0);
    assert_int_equal(ae_safetensors_write(path, d, NULL, &e), -1);
    assert_non_null(strstr(e.message, "__metadata__ is no name for a tensor"));
    ae_tensors_free(d);
    ae_err_clear(&e);
    d = ae_tensors_new();
    assert_int_equal(ae_tensors_add(d, "a\xff", ae_tensor_new(AE_F32, 1, shape, NULL), NULL), 0);
    assert_int_equal(ae_safetensors_write(path, d, NULL, &e), -1);
    assert_non_null(strstr(e.message, "the name of tensor 0 is not UTF-8"));
    ae_tensors_free(d);
    ae_err_clear(&e);
    d = small_tensors();
    ae_json *metadata = ae_json_new_object();
    ae_json_set_int(metadata, "k", 1);
    assert_int_equal(ae_safetensors_write(path, d, metadata, &e), -1);
    assert_non_null(strstr(e.message, "__metadata__: \"k\" is 1; a string is needed"));
    ae_json_free(metadata);
    assert_int_equal(access(path, F_OK), -1);
    ae_err_clear(&e);
    void *data = ae_tensors_at(d, 1)->data;
    ae_tensors_at(d, 1)->data = NULL;
    assert_int_equal(ae_safetensors_write(path, d, NULL, &e), -1);
    assert_int_equal(e.code, AE_E_FREED);
    assert_non_null(strstr(e.message, "tensor ids: was freed"));
    ae_tensors_at(d, 1)->data = data;
    ae_tensors_free(d);
}

static void try_every_fault(bool crash)
{
    ae_tensors *old = small_tensors(), *new = sample_tensors();
    bool done = false;
    for (int at = 0; !done; at++) {
        assert_int_equal(ae_safetensors_write(path, old, NULL, NULL), 0);
        file_faults faults = {.at = at, .reason = ENOSPC, .crash = crash};
        ae_file_calls calls = file_faults_calls(&faults);
        ae_err e = {0};
        int result = ae_safetensors_write_with(path, new, NULL, &calls, &e);
        done = !faults.hit;
        assert_int_equal(result, done ? 0 : -1);
        ae_tensors *now = ae_safetensors_read(path, NULL, NULL);
        assert_non_null(now);
        assert_same_tensors(faults.renamed ? new : old, now);
        ae_tensors_free(now);
        assert_true(crash || count_files(folder) == 1);
        remove_temporaries(folder);
    }
    ae_tensors_free(old);
    ae_tensors_free(new);
}

static void test_full_disk_keeps_the_old_file(void **state)
{
    (void)state;
    try_every_fault(false);
    try_every_fault(true);
}

int main(void)
{
    if (!mkdtemp(folder)) {
        return 1;
    }
    snprintf(path, sizeof path, "%s/x.safetensors", folder);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),       cmocka_unit_test(test_map_lives_as_long_as_a_tensor),
        cmocka_unit_test(test_empty_dictionary), cmocka_unit_test(test_misaligned_is_copied),
        cmocka_unit_test(test_bad_headers),      cmocka_unit_test(test_bad_lengths),
        cmocka_unit_test(test_bad_writes),       cmocka_unit_test(test_full_disk_keeps_the_old_file),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    rmdir(folder);
    return failed;
}
