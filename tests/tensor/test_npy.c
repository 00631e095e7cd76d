#include "tensor/npy_internal.h"

#include "file_faults.h"
#include "sample_tensors.h"
#include "tensor/file_map.h"
#include "tensor/zip_file.h"

#include <unistd.h>

static char folder[] = "npy_XXXXXX";
static char path[64];

/* An array of the given version from its header and `bytes` bytes 1, 2, 3, ... */
static ae_tensor *parse(int version, const char *header, size_t bytes, ae_err *e)
{
    ae_bytes b = {0};
    ae_bytes_add(&b, "\x93NUMPY", 6);
    ae_bytes_u8(&b, (unsigned)version);
    ae_bytes_u8(&b, 0);
    if (version == 1) {
        ae_bytes_u16(&b, (unsigned)strlen(header));
    } else {
        ae_bytes_u32(&b, (uint32_t)strlen(header));
    }
    ae_bytes_add_text(&b, header);
    for (size_t i = 1; i <= bytes; i++) {
        ae_bytes_u8(&b, (unsigned)i);
    }
    ae_storage *s = ae_copy_bytes(b.data, b.length, e);
    ae_tensor *t = ae_npy_parse(s, 0, b.length, e);
    ae_storage_drop(s);
    ae_bytes_free(&b);
    return t;
}

static void test_npy_round_trip(void **state)
{
    (void)state;
    ae_tensors *d = sample_tensors();
    for (int i = 0; i < ae_tensors_count(d); i++) {
        ae_err e = {0};
        assert_int_equal(ae_npy_write(path, ae_tensors_at(d, i), &e), 0);
        ae_tensor *back = ae_npy_read(path, &e);
        if (!back) {
            fail_msg("%s", e.message);
        }
        assert_same_tensor(ae_tensors_name(d, i), ae_tensors_at(d, i), back);
        ae_tensor_free(back);
    }
    ae_tensors_free(d);
}

static void test_npz_round_trip(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_tensors *d = sample_tensors();
    assert_int_equal(ae_npz_write(path, d, &e), 0);
    ae_tensors *back = ae_npz_read(path, &e);
    if (!back) {
        fail_msg("%s", e.message);
    }
    assert_same_tensors(d, back);
    for (int i = 0; i < ae_tensors_count(back); i++) {
        assert_string_equal(ae_tensors_name(d, i), ae_tensors_name(back, i));
        const ae_tensor *t = ae_tensors_at(back, i);
        assert_int_equal((uintptr_t)t->data % 64, 0); /* mapped where it lies */
    }
    ae_tensors_free(back);
    ae_tensors_free(d);
    d = ae_tensors_new();
    assert_int_equal(ae_npz_write(path, d, &e), 0);
    back = ae_npz_read(path, &e);
    assert_int_equal(ae_tensors_count(back), 0);
    ae_tensors_free(back);
    ae_tensors_free(d);
}

/* Deflated, in Fortran order, big endian, narrow: written by NumPy 1.24 with savez_compressed. */
static void test_archive_of_numpy(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_tensors *d = ae_npz_read(AE_TEST_DIR "/tensor/files/compressed.npz", &e);
    if (!d) {
        fail_msg("%s", e.message);
    }
    static const char *const names[] = {"f4", "fortran", "big", "u2", "i2", "u4", "half"};
    static const ae_dtype dtypes[] = {AE_F32, AE_F64, AE_I32, AE_I32, AE_I32, AE_I64, AE_F16};
    for (int k = 0; k < 7; k++) {
        const ae_tensor *t = ae_tensors_get(d, names[k]);
        assert_non_null(t);
        assert_int_equal(t->dtype, dtypes[k]);
        assert_true(t->ndim == 2 && t->shape[0] == 2 && t->shape[1] == 3 && ae_is_contiguous(t));
        for (int i = 0; i < 6; i++) {
            assert_true(ae_get_f64(t, i) == i);
        }
    }
    assert_int_equal(ae_tensors_get(d, "scalar")->ndim, 0);
    assert_true(ae_get_f64(ae_tensors_get(d, "scalar"), 0) == 5);
    assert_int_equal(ae_dim(ae_tensors_get(d, "none"), 0), 0);
    assert_int_equal(ae_get_i64(ae_tensors_get(d, "mask"), 0), 0);
    assert_int_equal(ae_get_i64(ae_tensors_get(d, "mask"), 5), 1);
    ae_tensors_free(d);
}

static void test_layouts(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_tensor *t = parse(2, "{'descr': '>i2', 'fortran_order': False, 'shape': (2,)}", 4, &e);
    assert_int_equal(t->dtype, AE_I32);
    assert_int_equal(ae_get_i64(t, 0), 0x0102);
    assert_int_equal(ae_get_i64(t, 1), 0x0304);
    ae_tensor_free(t);
    t = parse(3, "{\"shape\": (2L, 3L), \"descr\": \"|u1\", \"fortran_order\": True, }\n", 6, &e);
    static const int values[] = {1, 3, 5, 2, 4, 6};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(ae_get_i64(t, i), values[i]);
    }
    ae_tensor_free(t);
    t = parse(1, "{'descr':'<f4','fortran_order':False,'shape':()}", 4, &e); /* misaligned on purpose: copied */
    assert_int_equal((uintptr_t)t->data % 4, 0);
    ae_tensor_free(t);
    t = parse(1, "{'descr':'|b1','fortran_order':False,'shape':(3,)}", 3, &e);
    assert_int_equal(((unsigned char *)t->data)[2], 1);
    ae_tensor_free(t);
    static const unsigned char minus[] =
        "\x93NUMPY\1\0\x35\0{'descr': '<i2', 'fortran_order': False, 'shape': ()}\xfe\xff";
    ae_storage *s = ae_copy_bytes(minus, sizeof minus - 1, &e);
    t = ae_npy_parse(s, 0, sizeof minus - 1, &e);
    assert_int_equal(ae_get_i64(t, 0), -2);
    ae_tensor_free(t);
    ae_storage_drop(s);
    assert_int_equal(e.code, AE_OK);
}

static void test_bad_arrays(void **state)
{
    (void)state;
    static const struct {
        int version;
        const char *header;
        size_t bytes;
        ae_code code;
        const char *message;
    } cases[] = {
        {4, "{}", 0, AE_E_UNSUPPORTED, "version 4 of NumPy's format; 1 to 3 are read"},
        {1, "", 0, AE_E_FORMAT, "no dictionary"},
        {1, "{'descr': '<f4', 'fortran_order': False}", 4, AE_E_FORMAT, "descr, fortran_order or shape is missing"},
        {1, "{'descr': '<f4', 'descr': '<f4'}", 4, AE_E_FORMAT, "has the key \"descr\" twice"},
        {1, "{'what': 1}", 4, AE_E_FORMAT, "has an unknown key \"what\""},
        {1, "{'descr' '<f4'}", 4, AE_E_FORMAT, "a colon is missing"},
        {1, "{'descr': '<f4' 'shape': ()}", 4, AE_E_FORMAT, "a comma is missing"},
        {1, "{'descr': <f4}", 4, AE_E_FORMAT, "a string is needed"},
        {1, "{'descr': '<f4", 4, AE_E_FORMAT, "a string without its end"},
        {1, "{'descr': '<f44444444444444444444'}", 4, AE_E_FORMAT, "or too long"},
        {1, "{'fortran_order': 1}", 4, AE_E_FORMAT, "fortran_order is neither True nor False"},
        {1, "{'shape': [1]}", 4, AE_E_FORMAT, "the shape is no tuple"},
        {1, "{'shape': (-1,)}", 4, AE_E_FORMAT, "an extent is no number"},
        {1, "{'shape': (1 1)}", 4, AE_E_FORMAT, "a comma is missing in the shape"},
        {1, "{'shape': (99999999999999999999,)}", 4, AE_E_FORMAT, "an extent is too large"},
        {1, "{'shape': (1,1,1,1,1,1,1,1,1)}", 4, AE_E_UNSUPPORTED, "more than 8 axes"},
        {1, "{'descr': [('a', '<f4')]}", 4, AE_E_UNSUPPORTED, "an array of records"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x", 4, AE_E_FORMAT, "text after the dictionary"},
        {1, "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", 4, AE_E_UNSUPPORTED, "\"|O\" (pickled objects)"},
        {1, "{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", 8, AE_E_UNSUPPORTED, "an array of type \"<c8\""},
        {1, "{'descr': '<u8', 'fortran_order': False, 'shape': (1,)}", 8, AE_E_UNSUPPORTED, "an array of type \"<u8\""},
        {1, "{'descr': '', 'fortran_order': False, 'shape': (1,)}", 8, AE_E_UNSUPPORTED, "an array of type \"\""},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", 8, AE_E_FORMAT,
         "8 bytes after the header do not make a shape [3] of \"<f4\""},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (9,)}", 8, AE_E_FORMAT, "is the file cut short?"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", 5, AE_E_FORMAT, "5 bytes after the header"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}", 8, AE_E_FORMAT,
         "do not make a shape"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ae_err e = {0};
        ae_tensor *t = parse(cases[i].version, cases[i].header, cases[i].bytes, &e);
        if (t || e.code != cases[i].code || !strstr(e.message, cases[i].message)) {
            fail_msg("%s: %s: %s", cases[i].header, ae_code_name(e.code), e.message);
        }
    }
    ae_err e = {0};
    put_file(path, "\x93NUMPY\1\0\xff\0{", 11);
    assert_null(ae_npy_read(path, &e));
    assert_non_null(strstr(e.message, "the header of the array is longer than the file"));
    assert_non_null(strstr(e.message, path));
    ae_err_clear(&e);
    put_file(path, "hello, world", 12);
    assert_null(ae_npy_read(path, &e));
    assert_non_null(strstr(e.message, "not NumPy's format"));
    ae_err_clear(&e);
    assert_null(ae_npz_read(path, &e));
    assert_non_null(strstr(e.message, "12 bytes are too few for a ZIP archive"));
    ae_err_clear(&e);
    put_file(path, "hello, world, here are more than twenty-two bytes", 48);
    assert_null(ae_npz_read(path, &e));
    assert_non_null(strstr(e.message, "no end record of a ZIP archive"));
}

/* Damages one byte of a copy of an archive and tells what the reader says. */
static void assert_damage(const char *archive, size_t length, size_t at, unsigned char value, const char *message)
{
    char *copy = malloc(length);
    memcpy(copy, archive, length);
    copy[at] = (char)value;
    put_file(path, copy, length);
    free(copy);
    ae_err e = {0};
    ae_tensors *d = ae_npz_read(path, &e);
    if (d || !strstr(e.message, message)) {
        fail_msg("byte %zu: %s", at, e.message);
    }
}

static void test_bad_archives(void **state)
{
    (void)state;
    size_t length = 0;
    ae_tensors *d = small_tensors();
    assert_int_equal(ae_npz_write(path, d, NULL), 0);
    char *a = file_text(path, &length);
    size_t end = length - 22, directory = ae_load_u32(a + end + 16);
    assert_damage(a, length, end + 16, (unsigned char)(a[end + 16] ^ 1), "entry 0 of the ZIP directory is damaged");
    assert_damage(a, length, end + 19, 0x7f, "the directory of the ZIP archive does not lie in the file");
    assert_damage(a, length, directory, 0, "entry 0 of the ZIP directory is damaged");
    assert_damage(a, length, directory + 29, 0xff, "entry 0 of the ZIP directory is cut short");
    assert_damage(a, length, directory + 8, 1, "weight.npy is encrypted");
    assert_damage(a, length, directory + 10, 12, "compression method 12 is not supported");
    assert_damage(a, length, directory + 23, 0x7f, "weight.npy does not lie in the file");
    assert_damage(a, length, directory + 44, 0x7f, "weight.npy is not where the ZIP directory says");
    assert_damage(a, length, directory + 46 + 9, 'x', "weight.npx is no .npy file");
    assert_damage(a, length, ae_load_u16(a + 26) + ae_load_u16(a + 28) + 30, 0, "weight.npy: not NumPy's format");
    free(a);
    a = file_text(AE_TEST_DIR "/tensor/files/compressed.npz", &length);
    directory = ae_load_u32(a + length - 22 + 16);
    assert_damage(a, length, directory + 16, (unsigned char)(a[directory + 16] + 1),
                  "f4.npy: its checksum does not fit");
    assert_damage(a, length, directory + 24, (unsigned char)(a[directory + 24] + 1),
                  "f4.npy: its compressed bytes are damaged");
    assert_damage(a, length, directory + 27, 0x7f, "f4.npy claims 21");
    free(a);
    ae_tensors_free(d);
}

/* Sizes of 4 GB and more stand in ZIP64 fields; here the writer's counters are set as if so much had been written. */
static void test_zip64_records(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_atomic_file *f = ae_atomic_open(path, &e);
    ae_zip_writer w = {.file = f};
    assert_int_equal(ae_zip_add(&w, "a.bin", "head", 4, "data", 4, &e), 0);
    w.count = 70000; /* more members than 16 bits count */
    assert_int_equal(ae_zip_finish(&w, &e), 0);
    ae_zip_writer_free(&w);
    assert_int_equal(ae_atomic_commit(f, &e), 0);
    size_t length = 0;
    char *a = file_text(path, &length);
    size_t end64 = length - 22 - 20 - 56;
    assert_int_equal(ae_load_u64(a + end64 + 32), 70000);
    memset(a + end64 + 32, 0, 8);
    a[end64 + 32] = 1;
    ae_storage *s = ae_copy_bytes(a, length, &e);
    ae_zip *z = ae_zip_parse(s, &e);
    if (!z) {
        fail_msg("%s", e.message);
    }
    assert_int_equal(ae_zip_count(z), 1);
    assert_int_equal(ae_zip_find(z, "a.bin"), 0);
    assert_int_equal(ae_zip_find(z, "b.bin"), -1);
    size_t offset = 0, bytes = 0;
    ae_storage *content = ae_zip_content(z, 0, &offset, &bytes, &e);
    assert_int_equal(bytes, 8);
    assert_memory_equal((char *)ae_storage_data(content) + offset, "headdata", 8);
    ae_storage_drop(content);
    ae_zip_free(z);
    ae_storage_drop(s);
    a[end64] = 0;
    s = ae_copy_bytes(a, length, &e);
    assert_null(ae_zip_parse(s, &e));
    assert_non_null(strstr(e.message, "the ZIP64 end record is not where the archive says"));
    ae_storage_drop(s);
    free(a);
}

static void test_full_disk(void **state)
{
    (void)state;
    ae_tensors *d = small_tensors();
    bool done = false;
    for (int at = 0; !done; at++) {
        put_file(path, "old", 3);
        file_faults faults = {.at = at, .reason = ENOSPC};
        ae_file_calls calls = file_faults_calls(&faults);
        ae_err e = {0};
        int result =
            at % 2 ? ae_npz_write_with(path, d, &calls, &e) : ae_npy_write_with(path, ae_tensors_at(d, 0), &calls, &e);
        done = !faults.hit && at > 20;
        assert_int_equal(result, faults.hit ? -1 : 0);
        char *text = file_text(path, NULL);
        assert_true(faults.renamed || strcmp(text, "old") == 0);
        free(text);
        assert_int_equal(count_files(folder), 1);
    }
    ae_tensors_free(d);
}

int main(void)
{
    if (!mkdtemp(folder)) {
        return 1;
    }
    snprintf(path, sizeof path, "%s/x.npz", folder);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_npy_round_trip),   cmocka_unit_test(test_npz_round_trip),
        cmocka_unit_test(test_archive_of_numpy), cmocka_unit_test(test_layouts),
        cmocka_unit_test(test_bad_arrays),       cmocka_unit_test(test_bad_archives),
        cmocka_unit_test(test_zip64_records),    cmocka_unit_test(test_full_disk),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    rmdir(folder);
    return failed;
}
