/* Every prefix of small files of every format and every change of a single bit, read back: no crash, no value outside
 * its storage, an error with a message or a proper result. What the fuzzers found may be added as cases of its own. */
#include "file_faults.h"
#include "fuzz/seeds.h"
#include "fuzz/targets.h"
#include "sample_tensors.h"

#include <unistd.h>

static char folder[] = "mutated_XXXXXX";
static char path[128];

typedef void reader(const uint8_t *data, size_t size);

/* Bytes at the very end of memory of their own, so that a sanitizer sees a read beyond them. */
static void read_copy(reader *read, const char *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, data, size);
    read(copy, size);
    free(copy);
}

static void mutate(reader *read, const char *file)
{
    size_t size = 0;
    char *data = file_text(file, &size);
    assert_non_null(data);
    assert_true(size > 0);
    for (size_t n = 0; n <= size; n++) {
        read_copy(read, data, n);
    }
    size_t step = size > 1500 ? 4 : 1; /* two bits a byte of the larger files are enough */
    for (size_t i = 0; i < size; i++) {
        for (size_t bit = i % step; bit < 8; bit += step) {
            data[i] ^= (char)(1 << bit);
            read_copy(read, data, size);
            data[i] ^= (char)(1 << bit);
        }
    }
    free(data);
}

static const char *seed(const char *format)
{
    snprintf(path, sizeof path, "%s/%s.seed", folder, format);
    return path;
}

static void test_json(void **state)
{
    (void)state;
    mutate(fuzz_json, seed("json"));
}

static void test_safetensors(void **state)
{
    (void)state;
    mutate(fuzz_safetensors, seed("safetensors"));
}

static void test_npy(void **state)
{
    (void)state;
    mutate(fuzz_npy, seed("npy"));
    mutate(fuzz_npz, seed("npz"));
    mutate(fuzz_npz, AE_TEST_DIR "/tensor/files/compressed.npz");
}

static void test_torch(void **state)
{
    (void)state;
    mutate(fuzz_torch, seed("torch"));
    mutate(fuzz_torch, AE_TEST_DIR "/tensor/files/module_old.pt");
    mutate(fuzz_torch, AE_TEST_DIR "/tensor/files/module.pt");
}

/* A model file is refused whichever bit changed; without its seal (cut off, or its magic changed) it is a plain HDF5
 * file, which is whole or reported as cut short. */
static void test_hdf5(void **state)
{
    (void)state;
    size_t size = 0;
    char *data = file_text(seed("hdf5"), &size);
    assert_non_null(data);
    for (size_t i = 0; i < size - 8; i++) {
        data[i] ^= (char)(1 << i % 8);
        ae_err e = {0};
        ae_storage *s = ae_copy_bytes(data, size, &e);
        ae_h5 *f = ae_h5_open_storage(s, "x.h5", &e);
        if (f || !strstr(e.message, "x.h5: damaged since it was written: its checksum does not fit")) {
            fail_msg("byte %zu: %s", i, e.message);
        }
        ae_storage_drop(s);
        data[i] ^= (char)(1 << i % 8);
    }
    for (size_t n = 0; n <= size; n++) {
        ae_err e = {0};
        ae_storage *s = ae_copy_bytes(data, n, &e);
        ae_h5 *f = ae_h5_open_storage(s, "x.h5", &e);
        ae_tensors *d = f ? ae_h5_read_tensors(f, "weights", '/', &e) : NULL;
        assert_true(n + 32 < size ? !d : d && ae_tensors_count(d) == 3);
        assert_true(d || strstr(e.message, "x.h5: not an HDF5 file, or cut short"));
        ae_tensors_free(d);
        ae_h5_close(f);
        ae_storage_drop(s);
    }
    free(data);
    mutate(fuzz_hdf5, seed("hdf5_groups"));
}

/* The bytes of large tensors are not under the seal: they stay unread until they are used. */
static void test_seal_leaves_out_large_tensors(void **state)
{
    (void)state;
    static const int64_t shape[] = {2000};
    ae_tensors *d = small_tensors();
    ae_tensor *large = ae_tensor_new(AE_F32, 1, shape, NULL);
    fill_with_bits(large, 4);
    assert_int_equal(ae_tensors_add(d, "large", large, NULL), 0);
    assert_int_equal(ae_tensors_add_copy(d, "second", large, NULL), 0); /* its place stands behind the first */
    fill_with_bits(ae_tensors_get(d, "second"), 5);
    snprintf(path, sizeof path, "%s/large.h5", folder);
    assert_int_equal(ae_hdf5_write(path, d, false, NULL), 0);
    size_t size = 0;
    char *data = file_text(path, &size);
    char *place = memmem(data, size, large->data, 8000);
    assert_non_null(place);
    place[4000] ^= 1;
    put_file(path, data, size);
    ae_tensors *back = ae_hdf5_read(path, NULL, '/', NULL);
    assert_non_null(back);
    ((char *)large->data)[4000] ^= 1;
    assert_same_tensors(d, back);
    ae_tensors_free(back);
    place = memmem(data, size, ae_tensors_get(d, "second")->data, 8000);
    assert_non_null(place);
    place[8000] ^= 1; /* the byte after the last of them is under the seal again */
    put_file(path, data, size);
    ae_err e = {0};
    assert_null(ae_hdf5_read(path, NULL, '/', &e));
    assert_non_null(strstr(e.message, "its checksum does not fit"));
    unlink(path);
    free(data);
    ae_tensors_free(d);
}

int main(void)
{
    if (!mkdtemp(folder) || write_seeds(folder) != 0) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json), cmocka_unit_test(test_safetensors),
        cmocka_unit_test(test_npy),  cmocka_unit_test(test_torch),
        cmocka_unit_test(test_hdf5), cmocka_unit_test(test_seal_leaves_out_large_tensors),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    static const char *const formats[] = {"json", "safetensors", "npy", "npz", "torch", "hdf5", "hdf5_groups"};
    for (int i = 0; i < 7; i++) {
        unlink(seed(formats[i]));
    }
    rmdir(folder);
    return failed;
}
