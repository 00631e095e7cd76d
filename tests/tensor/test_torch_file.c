#include "tensor/torch_file_internal.h"

#include "file_faults.h"
#include "sample_tensors.h"
#include "tensor/file_map.h"
#include "tensor/zip_file.h"

#include <unistd.h>

#define FILES AE_TEST_DIR "/tensor/files/"

static char folder[] = "torch_XXXXXX";
static char path[64];

static ae_tensors *read_good(const char *file)
{
    ae_err e = {0};
    ae_tensors *d = ae_torch_read(file, &e);
    if (!d) {
        fail_msg("%s", e.message);
    }
    return d;
}

static void test_round_trip(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_tensors *d = sample_tensors();
    assert_int_equal(ae_torch_write(path, d, &e), 0);
    ae_tensors *back = read_good(path);
    assert_same_tensors(d, back);
    for (int i = 0; i < ae_tensors_count(d); i++) {
        assert_string_equal(ae_tensors_name(d, i), ae_tensors_name(back, i));
    }
    ae_tensors_free(back);
    ae_tensors_free(d);
    d = ae_tensors_new();
    assert_int_equal(ae_torch_write(path, d, &e), 0);
    back = read_good(path);
    assert_int_equal(ae_tensors_count(back), 0);
    ae_tensors_free(back);
    ae_tensors_free(d);
}

static void test_ties_survive(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_tensors *d = small_tensors();
    assert_int_equal(ae_tensors_add(d, "decoder", ae_tensor_share(ae_tensors_get(d, "weight"), &e), &e), 0);
    assert_int_equal(ae_torch_write(path, d, &e), 0);
    ae_tensors *back = read_good(path);
    assert_same_tensors(d, back);
    assert_ptr_equal(ae_tensors_get(back, "decoder")->data, ae_tensors_get(back, "weight")->data);
    ae_tensors_free(back);
    ae_tensors_free(d);
}

/* Files of torch.save, PyTorch 1.13: arange(6).reshape(2, 3) in every dtype, as a view, a part, expanded. */
static void test_state_dicts_of_pytorch(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        ae_dtype dtype;
    } rows[] = {{"w", AE_F32},   {"f16", AE_F16}, {"bf16", AE_BF16}, {"i64", AE_I64}, {"i32", AE_I32},
                {"i16", AE_I32}, {"u8", AE_U8},   {"i8", AE_I8},     {"f64", AE_F64}};
    for (int old = 0; old <= 1; old++) {
        ae_tensors *d = read_good(old ? FILES "state_old.pt" : FILES "state.pt");
        assert_int_equal(ae_tensors_count(d), 15);
        for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
            const ae_tensor *t = ae_tensors_get(d, rows[k].name);
            assert_int_equal(t->dtype, rows[k].dtype);
            assert_true(t->ndim == 2 && t->shape[0] == 2 && t->shape[1] == 3);
            for (int i = 0; i < 6; i++) {
                assert_true(ae_get_f64(t, i) == i);
            }
        }
        static const double transposed[] = {0, 3, 1, 4, 2, 5};
        const ae_tensor *view = ae_tensors_get(d, "view"), *part = ae_tensors_get(d, "part");
        assert_true(view->shape[0] == 3 && ae_is_contiguous(view));
        for (int i = 0; i < 6; i++) {
            assert_true(ae_get_f64(view, i) == transposed[i]);
            assert_true(ae_get_f64(ae_tensors_get(d, "expanded"), i) == 1);
            assert_int_equal(ae_get_i64(ae_tensors_get(d, "bool"), i), i > 2);
        }
        assert_true(ae_numel(part) == 2 && ae_get_f64(part, 0) == 2);
        assert_true(ae_tensors_get(d, "scalar")->ndim == 0 && ae_get_f64(ae_tensors_get(d, "scalar"), 0) == 5);
        assert_true(ae_dim(ae_tensors_get(d, "empty"), 0) == 0 && ae_dim(ae_tensors_get(d, "empty"), 1) == 3);
        ae_tensors_free(d);
    }
    ae_tensors *d = read_good(FILES "single.pt");
    assert_int_equal(ae_numel(ae_tensors_get(d, "tensor")), 6);
    ae_tensors_free(d);
}

static void test_whole_modules_of_pytorch(void **state)
{
    (void)state;
    static const char *const names[] = {"seq.0.weight",
                                        "seq.0.bias",
                                        "seq.2.weight",
                                        "seq.2.bias",
                                        "seq.2.running_mean",
                                        "seq.2.running_var",
                                        "seq.2.num_batches_tracked",
                                        "first.weight",
                                        "first.bias"};
    for (int old = 0; old <= 1; old++) {
        ae_tensors *d = read_good(old ? FILES "module_old.pt" : FILES "module.pt");
        assert_int_equal(ae_tensors_count(d), 9);
        for (int i = 0; i < 9; i++) {
            char name[64];
            snprintf(name, sizeof name, "%s%s", old ? "" : "model.", names[i]);
            assert_string_equal(ae_tensors_name(d, i), name);
        }
        assert_ptr_equal(ae_tensors_at(d, 0)->data, ae_tensors_at(d, 7)->data); /* one layer under two names */
        ae_tensors_free(d);
    }
}

/* ---- pickles made by hand ------------------------------------------------------------------------------------------ */

static void text(ae_bytes *b, const char *s)
{
    ae_bytes_u8(b, 'U');
    ae_bytes_u8(b, (unsigned)strlen(s));
    ae_bytes_add_text(b, s);
}

/* A module as Python 2 and PyTorch 0.2 pickled it: classes through persistent ids, dictionaries from pairs, parameters
 * as instances, a backend made by a function. */
static void old_module(ae_bytes *b)
{
    ae_bytes_add_text(b, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.");
    ae_bytes_add_text(b, "\x80\x02(");
    text(b, "module");
    ae_bytes_add_text(b, "cmodels\nBLSTMEncoder\n");
    text(b, "models.py");
    text(b, "class ...");
    ae_bytes_add_text(b, "tQ)\x81}(");
    text(b, "_backend");
    ae_bytes_add_text(b, "ctorch.nn.backends.thnn\n_get_thnn_function_backend\n)R");
    text(b, "_parameters");
    ae_bytes_add_text(b, "ccollections\nOrderedDict\n](](");
    text(b, "w");
    ae_bytes_add_text(b, "ctorch.nn.parameter\nParameter\nctorch._utils\n_rebuild_tensor\n((");
    text(b, "storage");
    ae_bytes_add_text(b, "ctorch.cuda\nFloatStorage\n");
    text(b, "94");
    text(b, "cuda:0");
    ae_bytes_add_text(b, "K\x02NtQK");
    ae_bytes_u8(b, 0);
    ae_bytes_add_text(b, "K\x02\x85K\x01\x85tR\x88\x86\x81"
                         "ee\x85R");
    text(b, "_buffers");
    ae_bytes_add_text(b, "N");
    text(b, "_modules");
    ae_bytes_add_text(b, "ccollections\nOrderedDict\n)Rub.\x80\x02]");
    text(b, "94");
    ae_bytes_add_text(b, "a.");
    ae_bytes_u64(b, 2);
    static const float values[] = {1.5f, -2.0f};
    ae_bytes_add(b, values, sizeof values);
}

static void test_module_of_python_2(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_bytes b = {0};
    old_module(&b);
    ae_storage *s = ae_copy_bytes(b.data, b.length, &e);
    ae_tensors *d = ae_torch_parse(s, &e);
    if (!d) {
        fail_msg("%s", e.message);
    }
    assert_int_equal(ae_tensors_count(d), 1);
    assert_true(ae_get_f64(ae_tensors_get(d, "w"), 0) == 1.5 && ae_get_f64(ae_tensors_get(d, "w"), 1) == -2);
    ae_tensors_free(d);
    ae_storage_drop(s);
    s = ae_copy_bytes(b.data, b.length - 1, &e);
    assert_null(ae_torch_parse(s, &e));
    assert_non_null(strstr(e.message, "storage 0 does not lie in the file; is it cut short?"));
    ae_storage_drop(s);
    ae_bytes_free(&b);
}

/* A ZIP file with the given pickle, one storage "0" of 8 bytes, and perhaps one more member. */
static ae_tensors *parse(const char *pickle, size_t length, const char *member, const char *content, ae_err *e)
{
    ae_atomic_file *f = ae_atomic_open(path, e);
    ae_zip_writer w = {.file = f};
    assert_int_equal(ae_zip_add(&w, "a/data.pkl", pickle, length, NULL, 0, e), 0);
    assert_int_equal(ae_zip_add(&w, "a/data/0", "\0\0\x80?\0\0\0@", 8, NULL, 0, e), 0);
    if (member) {
        assert_int_equal(ae_zip_add(&w, member, content, strlen(content), NULL, 0, e), 0);
    }
    assert_int_equal(ae_zip_finish(&w, e), 0);
    ae_zip_writer_free(&w);
    assert_int_equal(ae_atomic_commit(f, e), 0);
    return ae_torch_read(path, e);
}

/* Protocol 4 (another way to name globals and to count the memo), integer keys, a torch.Size, attributes in slots. */
static void test_protocol_4(void **state)
{
    (void)state;
    ae_tensors *d = read_good(FILES "protocol4.pt");
    assert_int_equal(ae_tensors_count(d), 2);
    for (int i = 0; i < 2; i++) {
        const ae_tensor *t = ae_tensors_get(d, i ? "slots.weight" : "optimizer.state.0.exp_avg");
        assert_non_null(t);
        assert_true(ae_numel(t) == 6 && ae_get_f64(t, 5) == 5);
    }
    ae_tensors_free(d);
}

#define TENSOR(class, key, count, offset, shape, strides)                                                              \
    "ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagec" class "\nU\x01" key "U\x03"                                   \
                                                               "cpuK" count "tQK" offset "(" shape "t(" strides        \
                                                               "t\x89Nt"                                               \
                                                               "R"

static void test_bad_pickles(void **state)
{
    (void)state;
    static const struct {
        const char *pickle;
        ae_code code;
        const char *message;
    } cases[] = {
        {"\x80\x02}U\x01xcos\nsystem\nU\x02ls\x85Rs.", AE_E_UNSUPPORTED, "x: made by os.system, which is not read"},
        {"cbuiltins\neval\n)R.", AE_E_UNSUPPORTED, "made by builtins.eval, which is not read"},
        {"}U\x01xctorch._utils\n_rebuild_qtensor\n)Rs.", AE_E_UNSUPPORTED, "made by torch._utils._rebuild_qtensor"},
        {"}", AE_E_FORMAT, "damaged at byte 1: it ends without its stop; is the file cut short?"},
        {".", AE_E_FORMAT, "damaged at byte 0: a value is missing on the stack"},
        {"(.", AE_E_FORMAT, "a value is missing on the stack"},
        {"t.", AE_E_FORMAT, "a mark is missing on the stack"},
        {"}K", AE_E_FORMAT, "it ends in the middle of a value"},
        {"X\xff\xff\xff\xff.", AE_E_FORMAT, "it ends in the middle of a value"},
        {"cos\nsystem", AE_E_FORMAT, "a line without its end"},
        {"h\x05.", AE_E_FORMAT, "a memo number that was never set"},
        {"}r\xff\xff\xff\x7f.", AE_E_FORMAT, "a memo number far beyond the others"},
        {"q\x01.", AE_E_FORMAT, "nothing to remember"},
        {"}p-1\n.", AE_E_FORMAT, "a negative memo number"},
        {"Iabc\n.", AE_E_FORMAT, "a decimal number that is none"},
        {"I\n.", AE_E_FORMAT, "an empty number"},
        {"K\x01K\x02s.", AE_E_FORMAT, "a container is missing on the stack"},
        {"K\x01K\x02K\x03s.", AE_E_FORMAT, "something that is no container"},
        {"}(K\x01u.", AE_E_FORMAT, "a key without its value"},
        {"(K\x01"
         "d.",
         AE_E_FORMAT, "a key without its value"},
        {"(\x85.", AE_E_FORMAT, "a mark stands among the values"},
        {"K\x01)R.", AE_E_FORMAT, "a call of something that is no global"},
        {"cos\nsystem\nK\x01R.", AE_E_FORMAT, "the arguments of a call are no tuple"},
        {"(o.", AE_E_FORMAT, "an object without a class"},
        {"K\x01"
         "b.",
         AE_E_FORMAT, "an object is missing on the stack"},
        {"K\x01K\x02\x93.", AE_E_FORMAT, "a global whose name is no text"},
        {"2.", AE_E_FORMAT, "nothing to repeat"},
        {"S'x'\n.", AE_E_UNSUPPORTED, "the pickle's opcode 0x53 at byte 0 is not supported"},
        {"}U\x01x" TENSOR("torch\nComplexFloatStorage", "0", "\x02", "\x01", "K\x01", "K\x01") "s.", AE_E_UNSUPPORTED,
         "x: storages of class torch.ComplexFloatStorage are not supported"},
        {"}U\x01x" TENSOR("torch\nFloatStorage", "7", "\x02", "\x01", "K\x01", "K\x01") "s.", AE_E_FORMAT,
         "x: the storage \"7\" is not in the file"},
        {"}U\x01x" TENSOR("torch\nFloatStorage", "0", "\x09", "\x01", "K\x01", "K\x01") "s.", AE_E_FORMAT,
         "x: a storage of 9 elements with 8 bytes; is the file cut short?"},
        {"}U\x01x" TENSOR("torch\nFloatStorage", "0", "\x02", "\x01", "K\x02", "K\x01") "s.", AE_E_FORMAT,
         "x: a shape [2] that does not lie in its storage of 2 elements"},
        {"}U\x01x" TENSOR("torch\nFloatStorage", "0", "\x02", "\x01", "K\x01", "J\xff\xff\xff\xff") "s.", AE_E_FORMAT,
         "x: a shape or strides that are no natural numbers"},
        {"}U\x01x" TENSOR("torch\nFloatStorage", "0", "\x02", "\x01", "K\x01K\x01", "K\x01") "s.", AE_E_FORMAT,
         "x: a shape of 2 axes with 1 strides"},
        {"}U\x01x" TENSOR("torch\nFloatStorage", "0", "\x02", "\x01", "J\xff\xff\xff\x7fJ\xff\xff\xff\x7fK\x03",
                          "I0\nI0\nI0\n") "s.",
         AE_E_FORMAT, "does not lie in its storage"},
        {"}U\x01x" TENSOR("torch\nFloatStorage", "0", "\x02", "\x01", "J\xff\xff\xff\x7f", "I0\n") "s.",
         AE_E_UNSUPPORTED, "x: an expanded tensor of shape [2147483647] over 2 elements"},
        {"}U\x01x" TENSOR("torch\nFloatStorage", "0", "\x02", "\x01", "I1\nI1\nI1\nI1\nI1\nI1\nI1\nI1\nI1\n", "") "s.",
         AE_E_UNSUPPORTED, "x: 9 axes; at most 8 are possible"},
        {"}U\x01xctorch._utils\n_rebuild_tensor_v2\n)Rs.", AE_E_FORMAT, "x: a tensor with 0 arguments"},
        {"}U\x01xctorch._utils\n_rebuild_tensor_v2\n(NK\x01NNtRs.", AE_E_FORMAT,
         "x: a tensor without a proper storage"},
        {"}U\x01xctorch._utils\n_rebuild_parameter\n)Rs.", AE_E_FORMAT, "x: a parameter without a tensor"},
        {"}(NNu}s.", AE_E_FORMAT, "a container is missing on the stack"},
        {"}N}s.", AE_E_UNSUPPORTED, "a dictionary with a key that is neither text nor integer"},
        {"}U\x02\xff\xff}s.", AE_E_FORMAT, "a name that is too long or no text"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ae_err e = {0};
        ae_tensors *d = parse(cases[i].pickle, strlen(cases[i].pickle), NULL, NULL, &e);
        if (d || e.code != cases[i].code || !strstr(e.message, cases[i].message) || !strstr(e.message, path)) {
            fail_msg("case %zu: %s: %s: %s", i, cases[i].pickle, ae_code_name(e.code), e.message);
        }
    }
}

static void test_deep_and_cyclic_values(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_bytes b = {0};
    ae_bytes_fill(&b, ']', 5000);
    ae_bytes_fill(&b, 'a', 4999);
    ae_bytes_u8(&b, '.');
    assert_null(parse(b.data, b.length, NULL, NULL, &e));
    assert_non_null(strstr(e.message, "values nested too deep or too often"));
    ae_err_clear(&e);
    ae_bytes_free(&b);
    ae_bytes_add_text(&b, "]q\x01h\x01"
                          "a."); /* a list that contains itself */
    ae_tensors *d = parse(b.data, b.length, NULL, NULL, &e);
    assert_non_null(d);
    ae_tensors_free(d);
    ae_bytes_free(&b);
    ae_bytes_add_text(&b, "]"); /* sixty lists, each holding the one before twice: 2 to the 60 paths */
    for (int i = 0; i < 60; i++) {
        ae_bytes_add_text(&b, "2\x86");
    }
    ae_bytes_u8(&b, '.');
    assert_null(parse(b.data, b.length, NULL, NULL, &e));
    assert_non_null(strstr(e.message, "values nested too deep or too often"));
    ae_bytes_free(&b);
}

static void test_other_files(void **state)
{
    (void)state;
    ae_err e = {0};
    assert_null(parse("}.", 2, "a/constants.pkl", "", &e));
    assert_non_null(strstr(e.message, "a TorchScript archive; save its state_dict() with torch.save"));
    ae_err_clear(&e);
    assert_null(parse("}.", 2, "a/byteorder", "big", &e));
    assert_non_null(strstr(e.message, "written on a big-endian machine"));
    ae_err_clear(&e);
    ae_tensors *d = parse("}.", 2, "a/byteorder", "little", &e);
    assert_int_equal(ae_tensors_count(d), 0);
    ae_tensors_free(d);
    assert_null(ae_torch_read(FILES "compressed.npz", &e));
    assert_non_null(strstr(e.message, "a ZIP archive without data.pkl"));
    ae_err_clear(&e);
    assert_null(ae_torch_read(FILES "complex.pt", &e));
    assert_non_null(strstr(e.message, "z: storages of class torch.ComplexFloatStorage are not supported"));
    ae_err_clear(&e);
    put_file(path, "hello", 5);
    assert_null(ae_torch_read(path, &e));
    assert_non_null(strstr(e.message, "neither a ZIP archive nor the older format of torch.save"));
    ae_err_clear(&e);
    put_file(path, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.M\xe8\x03.}.", 22);
    assert_null(ae_torch_read(path, &e));
    assert_non_null(strstr(e.message, "a version of the older format other than 1001"));
    ae_err_clear(&e);
    static const char big[] =
        "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.M\xe9\x03.}U\x0dlittle_endian\x89s.";
    put_file(path, big, sizeof big - 1);
    assert_null(ae_torch_read(path, &e));
    assert_non_null(strstr(e.message, "written on a big-endian machine"));
    ae_err_clear(&e);
    unlink(path);
    assert_null(ae_torch_read(path, &e));
    assert_int_equal(e.code, AE_E_MISSING);
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
        int result = ae_torch_write_with(path, d, &calls, &e);
        done = !faults.hit;
        assert_int_equal(result, done ? 0 : -1);
        char *now = file_text(path, NULL);
        assert_true(faults.renamed || strcmp(now, "old") == 0);
        free(now);
        assert_int_equal(count_files(folder), 1);
    }
    ae_tensors_free(d);
}

int main(void)
{
    if (!mkdtemp(folder)) {
        return 1;
    }
    snprintf(path, sizeof path, "%s/x.pt", folder);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_ties_survive),
        cmocka_unit_test(test_state_dicts_of_pytorch),
        cmocka_unit_test(test_whole_modules_of_pytorch),
        cmocka_unit_test(test_module_of_python_2),
        cmocka_unit_test(test_protocol_4),
        cmocka_unit_test(test_bad_pickles),
        cmocka_unit_test(test_deep_and_cyclic_values),
        cmocka_unit_test(test_other_files),
        cmocka_unit_test(test_full_disk),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    rmdir(folder);
    return failed;
}
