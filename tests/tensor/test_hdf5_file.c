#include "tensor/hdf5_file_internal.h"

#include "file_faults.h"
#include "sample_tensors.h"

#include <unistd.h>

static char folder[] = "hdf5_XXXXXX";
static char path[64];

static void assert_message(const ae_err *e, ae_code code, const char *part)
{
    if (e->code != code || !strstr(e->message, part)) {
        fail_msg("%s: %s; wanted %s", ae_code_name(e->code), e->message, part);
    }
}

static void test_dictionary_round_trip(void **state)
{
    (void)state;
    ae_tensors *d = sample_tensors();
    for (int groups = 0; groups <= 1; groups++) {
        ae_err e = {0};
        if (ae_hdf5_write(path, d, groups, &e) != 0) {
            fail_msg("%s", e.message);
        }
        ae_tensors *back = ae_hdf5_read(path, NULL, groups ? '.' : '/', &e);
        if (!back) {
            fail_msg("%s", e.message);
        }
        assert_same_tensors(d, back);
        for (int i = 0; !groups && i < ae_tensors_count(d);
             i++) { /* groups gather what came apart, a flat file keeps it */
            assert_string_equal(ae_tensors_name(d, i), ae_tensors_name(back, i));
        }
        ae_tensors_free(back);
    }
    assert_int_equal(count_files(folder), 1);
    ae_tensors_free(d);
}

static void test_groups_and_parts(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_tensors *d = small_tensors();
    ae_h5 *f = ae_h5_create(path, &e);
    assert_int_equal(ae_h5_write_tensors(f, "model/weights", d, &e), 0);
    assert_int_equal(ae_h5_write_text(f, "model/note", "gr\xc3\xbc\xc3\x9f", &e), 0);
    assert_int_equal(ae_h5_write_text(f, "empty", "", &e), 0);
    assert_int_equal(ae_h5_write_blob(f, "blob", "a\0b", 3, &e), 0);
    assert_int_equal(ae_h5_write_blob(f, "no_bytes", "", 0, &e), 0);
    assert_int_equal(ae_h5_write_attribute(f, "/", "title", "fables", &e), 0);
    assert_int_equal(ae_h5_write_attribute_int(f, "model", "steps", -5, &e), 0);
    assert_int_equal(ae_h5_commit(f, &e), 0);
    f = ae_h5_open(path, &e);
    ae_tensors *back = ae_h5_read_tensors(f, "model/weights", '/', &e);
    assert_same_tensors(d, back);
    ae_tensors_free(back);
    back = ae_h5_read_tensors(f, "/model", '.', &e);
    assert_int_equal(ae_tensors_count(back), 3); /* the note is a text */
    assert_same_tensor("weight", ae_tensors_get(d, "weight"), ae_tensors_get(back, "weights.weight"));
    ae_tensors_free(back);
    char *text = ae_h5_read_text(f, "model/note", &e);
    assert_string_equal(text, "gr\xc3\xbc\xc3\x9f");
    free(text);
    text = ae_h5_read_text(f, "empty", &e);
    assert_string_equal(text, "");
    free(text);
    size_t bytes = 9;
    text = ae_h5_read_blob(f, "blob", &bytes, &e);
    assert_int_equal(bytes, 3);
    assert_memory_equal(text, "a\0b", 3);
    free(text);
    text = ae_h5_read_blob(f, "no_bytes", &bytes, &e);
    assert_non_null(text);
    assert_int_equal(bytes, 0);
    free(text);
    text = ae_h5_read_attribute(f, "/", "title", &e);
    assert_string_equal(text, "fables");
    free(text);
    int64_t steps = 0;
    assert_int_equal(ae_h5_read_attribute_int(f, "model", "steps", &steps, &e), 0);
    assert_int_equal(steps, -5);
    assert_true(ae_h5_has(f, "model/weights/ids") && ae_h5_has(f, "/") && !ae_h5_has(f, "model/x/y"));
    ae_json *members = ae_h5_members(f, "/", &e);
    text = ae_json_text(members, false, &e);
    assert_string_equal(text, "{\"model\":\"group\",\"empty\":\"text\",\"blob\":\"tensor\",\"no_bytes\":\"tensor\"}");
    free(text);
    ae_json_free(members);
    ae_h5_close(f);
    ae_tensors_free(d);
    assert_int_equal(e.code, AE_OK);
}

static size_t resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    unsigned long size = 0, resident = 0;
    assert_int_equal(fscanf(f, "%lu %lu", &size, &resident), 2);
    fclose(f);
    return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void test_large_tensors_are_mapped(void **state)
{
    (void)state;
    ae_err e = {0};
    enum { MEGABYTES = 64 };
    static const int64_t shape[] = {MEGABYTES, 1 << 18};
    ae_tensor *t = ae_tensor_new(AE_F32, 2, shape, &e);
    fill_with_bits(t, 5);
    ae_h5 *f = ae_h5_create(path, &e);
    assert_int_equal(ae_h5_write_blob(f, "odd", "abc", 3, &e), 0);
    assert_int_equal(ae_h5_write_tensor(f, "big", t, &e), 0);
    assert_int_equal(ae_h5_commit(f, &e), 0);
    size_t before = resident_bytes();
    f = ae_h5_open(path, &e);
    ae_tensor *odd = ae_h5_read_tensor(f, "odd", &e), *back = ae_h5_read_tensor(f, "big", &e);
    ae_h5_close(f);
    size_t grown = resident_bytes() - before;
    if (resident_bytes() > before && grown > (size_t)MEGABYTES * 1024 * 1024 / 10) {
        fail_msg("loading %d MB made %zu bytes resident", MEGABYTES, grown);
    }
    assert_int_equal((uintptr_t)back->data % 64, 0);
    assert_int_equal((uintptr_t)odd->data % 64, 0);
    ae_tensor_free(odd);
    assert_same_tensor("big", t, back);
    ae_set_f64(back, 0, 1.0); /* private: the file keeps its value */
    ae_tensor_free(back);
    ae_tensors *again = ae_hdf5_read(path, NULL, '/', &e);
    assert_same_tensor("big", t, ae_tensors_get(again, "big"));
    ae_tensors_free(again);
    ae_tensor_free(t);
}

static void test_append(void **state)
{
    (void)state;
    ae_err e = {0};
    static const int64_t shape[] = {10, 3};
    ae_tensor *all = ae_tensor_new(AE_I32, 2, shape, &e);
    fill_with_bits(all, 9);
    ae_h5 *f = ae_h5_create(path, &e);
    for (int64_t at = 0, n = 0; at < 10; at += n, n++) {
        int64_t part[] = {n, 3};
        ae_tensor *rows = ae_tensor_wrap((int32_t *)all->data + 3 * at, AE_I32, 2, part, &e);
        assert_int_equal(ae_h5_append(f, "data/ids", rows, &e), 0);
        ae_tensor_free(rows);
    }
    int64_t none[] = {0, 2};
    ae_tensor *empty = ae_tensor_new(AE_F64, 2, none, &e);
    assert_int_equal(ae_h5_append(f, "data/empty", empty, &e), 0);
    assert_int_equal(ae_h5_commit(f, &e), 0);
    ae_tensors *back = ae_hdf5_read(path, "data", '/', &e);
    assert_same_tensor("ids", all, ae_tensors_get(back, "ids"));
    assert_same_tensor("empty", empty, ae_tensors_get(back, "empty"));
    ae_tensors_free(back);
    assert_int_equal(count_files(folder), 1);
    f = ae_h5_create(path, &e);
    assert_int_equal(ae_h5_append(f, "x", all, &e), 0);
    assert_int_equal(ae_h5_append(f, "x", empty, &e), -1);
    assert_message(&e, AE_E_SHAPE, "rows [0,2] of f64 cannot follow rows [10,3] of i32 in x");
    ae_err_clear(&e);
    assert_int_equal(ae_h5_commit(f, &e), -1);
    assert_message(&e, AE_E_IO, "an earlier write failed; the old file, if any, is unchanged");
    ae_tensor_free(all);
    ae_tensor_free(empty);
}

static void test_bad_writes(void **state)
{
    (void)state;
    static const char *const names[] = {"", "/a", "a/", "a//b", "a/./b", ".."};
    ae_tensor *t = ae_tensor_new(AE_F32, 0, NULL, NULL);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ae_err e = {0};
        ae_h5 *f = ae_h5_create(path, NULL);
        assert_int_equal(ae_h5_write_tensor(f, names[i], t, &e), -1);
        assert_message(&e, AE_E_VALUE, "is no name for a dataset");
        ae_h5_close(f);
    }
    ae_err e = {0};
    ae_h5 *f = ae_h5_create(path, NULL);
    assert_int_equal(ae_h5_write_tensor(f, "a", t, &e), 0);
    assert_int_equal(ae_h5_write_tensor(f, "a", t, &e), -1);
    assert_message(&e, AE_E_UNEXPECTED, "a is there already");
    ae_err_clear(&e);
    assert_int_equal(ae_h5_write_tensor(f, "a/b", t, &e), -1); /* a is a dataset, no group */
    assert_message(&e, AE_E_IO, "a/b cannot be created (HDF5: ");
    ae_err_clear(&e);
    assert_int_equal(ae_h5_write_tensor(f, "a/b/c", t, &e), -1);
    assert_message(&e, AE_E_IO, "the group a/b cannot be made (HDF5: ");
    ae_err_clear(&e);
    assert_int_equal(ae_h5_append(f, "s", t, &e), -1);
    assert_message(&e, AE_E_SHAPE, "need at least one axis");
    ae_err_clear(&e);
    char *huge = calloc(1, 60002);
    memset(huge, 'x', 60001);
    assert_int_equal(ae_h5_write_attribute(f, "/", "k", huge, &e), -1);
    assert_message(&e, AE_E_VALUE, "the attribute k has 60001 bytes; at most 60000 fit");
    free(huge);
    ae_err_clear(&e);
    assert_int_equal(ae_h5_write_attribute_int(f, "nothing", "k", 1, &e), -1);
    assert_message(&e, AE_E_IO, "the attribute k of nothing cannot be written (HDF5: ");
    ae_err_clear(&e);
    char *longest = calloc(1, 5001);
    memset(longest, 'x', 5000);
    assert_int_equal(ae_h5_write_tensor(f, longest, t, &e), -1);
    assert_message(&e, AE_E_VALUE, "is no name for a dataset");
    assert_false(ae_h5_has(f, longest));
    free(longest);
    ae_err_clear(&e);
    void *data = t->data;
    t->data = NULL;
    assert_int_equal(ae_h5_write_tensor(f, "freed", t, &e), -1);
    assert_message(&e, AE_E_FREED, "freed: tensor ?: was freed before it could be written");
    t->data = data;
    ae_h5_close(f);
    ae_err_clear(&e);
    ae_tensors *d = small_tensors();
    assert_int_equal(ae_tensors_add(d, "a..b", ae_tensor_share(t, NULL), NULL), 0);
    assert_int_equal(ae_hdf5_write(path, d, true, &e), -1); /* dots as groups leave an empty part */
    assert_message(&e, AE_E_VALUE, "\"a//b\" is no name for a dataset");
    ae_err_clear(&e);
    f = ae_h5_create(path, NULL);
    assert_int_equal(ae_h5_append(f, "weight", ae_tensors_at(d, 0), &e), 0);
    assert_int_equal(ae_h5_write_tensor(f, "weight", t, &e), 0);
    assert_int_equal(ae_h5_commit(f, &e), -1);
    assert_message(&e, AE_E_UNEXPECTED, "weight is there already");
    ae_tensors_free(d);
    assert_null(ae_h5_create("no/such/folder/x.h5", &(ae_err){0}));
    ae_tensor_free(t);
}

static void test_bad_reads(void **state)
{
    (void)state;
    ae_err e = {0};
    unlink(path);
    assert_null(ae_h5_open(path, &e));
    assert_message(&e, AE_E_MISSING, "cannot be opened: No such file");
    ae_err_clear(&e);
    put_file(path, "not hdf5 at all", 15);
    assert_null(ae_h5_open(path, &e));
    assert_message(&e, AE_E_FORMAT, "not an HDF5 file, or cut short (HDF5: ");
    assert_null(strstr(e.message, "no reason given"));
    ae_err_clear(&e);
    ae_tensors *d = small_tensors();
    ae_h5 *f = ae_h5_create(path, &e);
    ae_h5_write_tensors(f, "w", d, &e);
    ae_h5_write_text(f, "t", "text", &e);
    ae_h5_write_attribute(f, "w", "k", "v", &e);
    ae_h5_write_attribute_int(f, "w", "i", 1, &e);
    assert_int_equal(ae_h5_commit(f, &e), 0);
    f = ae_h5_open(path, &e);
    assert_null(ae_h5_read_tensor(f, "w/none", &e));
    assert_message(&e, AE_E_MISSING, "there is no w/none in the file");
    ae_err_clear(&e);
    assert_null(ae_h5_read_tensor(f, "w", &e));
    assert_message(&e, AE_E_FORMAT, "w is a group, not a dataset");
    ae_err_clear(&e);
    assert_null(ae_h5_read_tensor(f, "t", &e));
    assert_message(&e, AE_E_UNSUPPORTED, "the values of t have a type that no dtype here holds");
    ae_err_clear(&e);
    assert_null(ae_h5_read_tensors(f, "t", '/', &e));
    assert_message(&e, AE_E_FORMAT, "t is no group");
    ae_err_clear(&e);
    assert_null(ae_h5_read_tensors(f, "q", '/', &e));
    assert_message(&e, AE_E_MISSING, "there is no q in the file");
    ae_err_clear(&e);
    assert_null(ae_h5_read_text(f, "w/ids", &e));
    assert_message(&e, AE_E_FORMAT, "w/ids is not one readable text");
    ae_err_clear(&e);
    size_t bytes;
    assert_null(ae_h5_read_blob(f, "w/ids", &bytes, &e));
    assert_message(&e, AE_E_FORMAT, "w/ids is i64 [2,3]; a blob is a vector of u8");
    ae_err_clear(&e);
    assert_null(ae_h5_read_attribute(f, "w", "none", &e));
    assert_message(&e, AE_E_MISSING, "w has no attribute none");
    ae_err_clear(&e);
    int64_t value;
    assert_int_equal(ae_h5_read_attribute_int(f, "w", "k", &value, &e), -1);
    assert_message(&e, AE_E_FORMAT, "the attribute k of w is not one integer");
    ae_err_clear(&e);
    assert_null(ae_h5_read_attribute(f, "w", "i", &e));
    assert_message(&e, AE_E_FORMAT, "the attribute i of w is not one text");
    ae_err_clear(&e);
    assert_int_equal(ae_h5_write_text(f, "new", "x", &e), -1);
    assert_message(&e, AE_E_STATE, "is open for reading");
    ae_err_clear(&e);
    assert_int_equal(ae_h5_write_attribute(f, "/", "new", "x", &e), -1);
    assert_message(&e, AE_E_STATE, "is open for reading; no attribute can be written to it");
    ae_err_clear(&e);
    assert_int_equal(ae_h5_commit(f, &e), -1);
    assert_message(&e, AE_E_STATE, "there is nothing to commit");
    ae_tensors_free(d);
}

/* Files as other programs write them: big endian, compressed chunks, narrow integers, old groups; made with h5py. */
static void test_foreign_file(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_h5 *f = ae_h5_open(AE_TEST_DIR "/tensor/files/foreign.h5", &e);
    if (!f) {
        fail_msg("%s", e.message);
    }
    static const char *const names[] = {"big_endian", "chunked", "compressed", "i16",
                                        "u16",        "u32",     "group/half", "bool"};
    static const ae_dtype dtypes[] = {AE_F32, AE_F64, AE_I64, AE_I32, AE_I32, AE_I64, AE_F16, AE_BOOL};
    for (int k = 0; k < 8; k++) {
        ae_tensor *t = ae_h5_read_tensor(f, names[k], &e);
        if (!t) {
            fail_msg("%s", e.message);
            return;
        }
        assert_int_equal(t->dtype, dtypes[k]);
        assert_int_equal(ae_numel(t), 6);
        for (int i = 0; i < 6; i++) { /* every dataset is arange(6).reshape(2, 3), as truth values in bool */
            assert_true(ae_get_f64(t, i) == (t->dtype == AE_BOOL ? i > 0 : i));
        }
        ae_tensor_free(t);
    }
    char *text = ae_h5_read_text(f, "variable_text", &e);
    assert_string_equal(text, "vari\xc3\xa4"
                              "ble");
    free(text);
    text = ae_h5_read_attribute(f, "/", "note", &e);
    assert_string_equal(text, "from h5py");
    free(text);
    static const char *const refused[][2] = {{"u64", "have a type that no dtype here holds"},
                                             {"complex", "have a type that no dtype here holds"},
                                             {"null", "has -1 axes"},
                                             {"external", "lie in other files"},
                                             {"nine_axes", "has 9 axes; 0 to 8 are possible"}};
    for (int k = 0; k < 5; k++) {
        ae_err_clear(&e);
        assert_null(ae_h5_read_tensor(f, refused[k][0], &e));
        assert_message(&e, AE_E_UNSUPPORTED, refused[k][1]);
    }
    ae_err_clear(&e);
    assert_null(ae_h5_read_tensor(f, "bomb", &e));
    assert_message(&e, AE_E_FORMAT, "bomb claims 4398046511104 bytes and stores 0");
    ae_h5_close(f);
}

static int save_new(const ae_file_calls *calls, const ae_tensors *d, ae_err *e)
{
    ae_h5 *f = ae_h5_create_with(path, calls, e);
    if (!f) {
        return -1;
    }
    ae_h5_write_tensors(f, "w", d, e); /* unchecked on purpose: commit must know */
    ae_h5_append(f, "rows", ae_tensors_get(d, "weight"), e);
    ae_h5_write_text(f, "note", "text", e);
    ae_h5_write_attribute_int(f, "/", "k", 1, e);
    return ae_h5_commit(f, e);
}

/* HDF5 looks among its open files for the one to open. */
static void test_several_open_files(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_tensors *d = small_tensors();
    assert_int_equal(ae_hdf5_write(path, d, false, &e), 0);
    ae_h5 *a = ae_h5_open(path, &e), *b = ae_h5_open(path, &e);
    ae_h5 *other = ae_h5_open(AE_TEST_DIR "/tensor/files/foreign.h5", &e), *saving = ae_h5_create(path, &e);
    assert_true(a && b && other && saving);
    assert_int_equal(ae_h5_write_text(saving, "t", "new", &e), 0);
    assert_int_equal(ae_h5_commit(saving, &e), 0);
    assert_true(ae_h5_has(a, "weight") && ae_h5_has(b, "weight") && !ae_h5_has(other, "weight"));
    ae_tensor *t = ae_h5_read_tensor(a, "weight", &e);
    ae_h5_close(a);
    ae_h5_close(b);
    ae_h5_close(other);
    assert_same_tensor("weight", ae_tensors_get(d, "weight"), t);
    ae_tensor_free(t);
    ae_tensors_free(d);
}

static void test_deep_groups(void **state)
{
    (void)state;
    ae_err e = {0};
    char name[2 * 70 + 1] = "";
    for (int i = 0; i < 70; i++) {
        strcat(name, i ? "/g" : "g");
    }
    ae_h5 *f = ae_h5_create(path, &e);
    assert_int_equal(ae_h5_write_blob(f, name, "x", 1, &e), 0);
    assert_int_equal(ae_h5_commit(f, &e), 0);
    assert_null(ae_hdf5_read(path, NULL, '/', &e));
    assert_message(&e, AE_E_FORMAT, "groups nested deeper than 64");
}

/* The compressed bytes of a chunk are damaged: HDF5 says why it cannot read them. */
static void test_damaged_chunk(void **state)
{
    (void)state;
    size_t size = 0;
    char *data = file_text(AE_TEST_DIR "/tensor/files/foreign.h5", &size);
    char *chunk = memmem(data, size, "\x78\x5e", 2); /* how zlib's streams begin at h5py's level */
    assert_non_null(chunk);
    chunk[3] ^= 0x55;
    put_file(path, data, size);
    free(data);
    ae_err e = {0};
    ae_h5 *f = ae_h5_open(path, &e);
    assert_null(ae_h5_read_tensor(f, "compressed", &e));
    assert_message(&e, AE_E_IO, "compressed cannot be read (HDF5: ");
    ae_h5_close(f);
}

/* Every system call in turn fails (a full disk), or it and all later ones (a crash): the file is whole, old or new. */
static void try_every_fault(bool crash)
{
    ae_tensors *old = sample_tensors(), *new = small_tensors();
    bool done = false;
    int tried = 0;
    for (int at = 0; !done; at++, tried++) {
        assert_int_equal(ae_hdf5_write(path, old, false, NULL), 0);
        file_faults faults = {.at = at, .reason = ENOSPC, .crash = crash};
        ae_file_calls calls = file_faults_calls(&faults);
        ae_err e = {0};
        int result = save_new(&calls, new, &e);
        done = !faults.hit;
        assert_int_equal(result, done ? 0 : -1);
        if (!done) {
            assert_message(&e, AE_E_IO, "No space left on device");
        }
        ae_tensors *now = ae_hdf5_read(path, faults.renamed ? "w" : NULL, '/', NULL);
        assert_same_tensors(faults.renamed ? new : old, now);
        ae_tensors_free(now);
        assert_true(crash || count_files(folder) == 1);
        remove_temporaries(folder);
    }
    assert_true(tried > 10);
    ae_tensors_free(old);
    ae_tensors_free(new);
}

static void test_full_disk(void **state)
{
    (void)state;
    try_every_fault(false);
    try_every_fault(true);
}

static void test_version(void **state)
{
    (void)state;
    char text[32];
    ae_h5_version(text);
    int major = 0, minor = 0;
    assert_int_equal(sscanf(text, "%d.%d.", &major, &minor), 2);
    assert_true(major > 1 || minor >= 10);
}

int main(void)
{
    if (!mkdtemp(folder)) {
        return 1;
    }
    snprintf(path, sizeof path, "%s/x.h5", folder);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dictionary_round_trip),
        cmocka_unit_test(test_groups_and_parts),
        cmocka_unit_test(test_large_tensors_are_mapped),
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_bad_writes),
        cmocka_unit_test(test_bad_reads),
        cmocka_unit_test(test_foreign_file),
        cmocka_unit_test(test_several_open_files),
        cmocka_unit_test(test_deep_groups),
        cmocka_unit_test(test_damaged_chunk),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_version),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    rmdir(folder);
    return failed;
}
