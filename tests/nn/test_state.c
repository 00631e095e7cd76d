/* State dictionaries: names, prefixes, rename tables both ways, what does not fit, storages taken over. */
#include "nn/embedding.h"
#include "nn/linear.h"
#include "nn/state.h"
#include "tensor/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- helpers ----------------------------------------------------------------------------------------------------------- */

/* A tensor whose element i is first + i. */
static ae_tensor *ramp(ae_dtype dtype, int ndim, const int64_t *shape, double first)
{
    ae_tensor *t = ae_tensor_new(dtype, ndim, shape, NULL);
    for (int64_t i = 0; i < ae_numel(t); i++) {
        ae_set_f64(t, i, first + (double)i);
    }
    return t;
}

static void put(ae_tensors *d, const char *name, int64_t rows, int64_t columns, double first)
{
    ae_tensor *t = ramp(AE_F32, columns > 0 ? 2 : 1, (int64_t[]){rows, columns}, first);
    assert_int_equal(ae_tensors_add(d, name, t, NULL), 0);
}

static ae_tensor *param(ae_model *m, const char *name, int64_t rows, int64_t columns)
{
    return ae_param(m, name, columns > 0 ? 2 : 1, (int64_t[]){rows, columns}, ae_init_zeros());
}

static double value(const ae_model *m, const char *name, int64_t i)
{
    return ae_get_f64(ae_model_get(m, name), i);
}

static void loads(ae_model *m, const ae_tensors *d, const ae_load_options *o, ae_load_report *r)
{
    ae_err e = {0};
    if (ae_model_load(m, d, o, r, &e) != 0) {
        fail_msg("%s", e.message);
    }
}

static void refused(ae_model *m, const ae_tensors *d, const ae_load_options *o, ae_code code, const char *message)
{
    ae_err e = {0};
    assert_int_equal(ae_model_load(m, d, o, NULL, &e), -1);
    assert_int_equal(e.code, code);
    if (strcmp(e.message, message) != 0) {
        fail_msg("got: %s", e.message);
    }
}

/* ---- names ------------------------------------------------------------------------------------------------------------- */

static void test_patterns(void **state)
{
    (void)state;
    char out[AE_NAME_MAX];
    assert_true(ae_rename_apply("layer.12.query.weight", "layer.*.query.*", "h.*.q.*", out));
    assert_string_equal(out, "h.12.q.weight");
    assert_true(ae_rename_apply("a.b.b.c", "*.b.c", "[*]", out));
    assert_string_equal(out, "[a.b]");
    assert_true(ae_rename_apply("same", "same", "other", out));
    assert_string_equal(out, "other");
    assert_true(ae_rename_apply("x", "*x", "*y", out));
    assert_string_equal(out, "y");
    assert_false(ae_rename_apply("layer.1", "layer.*.x", "*", out));
    assert_false(ae_rename_apply("abc", "ab", "x", out));
    assert_false(ae_rename_apply("ab", "abc", "x", out));
    char longest[AE_NAME_MAX];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_true(ae_rename_apply(longest, "*", "*", out));
    assert_false(ae_rename_apply(longest, "*", "b*", out));
}

static ae_model *encoder(const char *scope)
{
    ae_model *m = ae_model_new(1);
    ae_scope s = ae_scope_open(m, "%s", scope);
    param(m, "dense.weight", 2, 3);
    param(m, "dense.bias", 2, 0);
    param(m, "LayerNorm.weight", 2, 0);
    param(m, "LayerNorm.bias", 2, 0);
    ae_scope_close(s);
    return m;
}

static ae_tensors *encoder_file(const char *prefix, const char *gain, const char *shift)
{
    ae_tensors *d = ae_tensors_new();
    const char *const names[] = {"dense.weight", "dense.bias", gain, shift};
    for (int i = 0; i < 4; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s%s", prefix, names[i]);
        put(d, name, 2, i == 0 ? 3 : 0, 10 * i);
    }
    return d;
}

static void check_encoder(const char *scope, const char *prefix, const char *gain, const char *shift, const char *told,
                          bool added)
{
    char name[64];
    ae_model *m = encoder(scope);
    ae_tensors *d = encoder_file(prefix, gain, shift);
    ae_load_report r = {0};
    uint64_t version = ae_param_version(ae_model_at(m, 0).tensor);
    loads(m, d, NULL, &r);
    assert_int_equal(r.loaded, 4);
    assert_string_equal(r.prefix, told);
    assert_int_equal(r.prefix_added, added);
    snprintf(name, sizeof name, "%s%sLayerNorm.bias", scope, *scope ? "." : "");
    assert_true(value(m, name, 1) == 31);
    assert_true(ae_param_version(ae_model_at(m, 0).tensor) > version);
    ae_load_report_free(&r);
    ae_tensors_free(d);
    ae_model_free(m);
}

static void test_prefixes_and_old_names(void **state)
{
    (void)state;
    check_encoder("", "", "LayerNorm.weight", "LayerNorm.bias", "", false);
    check_encoder("bert", "bert.", "LayerNorm.weight", "LayerNorm.bias", "", false);
    check_encoder("bert", "", "LayerNorm.weight", "LayerNorm.bias", "bert.", false);
    check_encoder("", "transformer.", "LayerNorm.weight", "LayerNorm.bias", "transformer.", true);
    check_encoder("", "", "LayerNorm.gamma", "LayerNorm.beta", "", false);
    check_encoder("", "bert.", "LayerNorm.gamma", "LayerNorm.beta", "bert.", true);
}

/* A model with a head, from the file of its encoder alone: the encoder's names lose the prefix, the head is new. */
static void test_new_head(void **state)
{
    (void)state;
    ae_model *m = encoder("bert");
    param(m, "classifier.weight", 3, 2);
    ae_tensors *d = encoder_file("", "LayerNorm.weight", "LayerNorm.bias");
    ae_load_report r = {0};
    ae_load_options o = {.optional = "classifier.*"};
    loads(m, d, &o, &r);
    assert_int_equal(r.loaded, 4);
    assert_int_equal(r.missing.count, 0);
    ae_load_report_free(&r);
    refused(m, d, NULL, AE_E_MISSING,
            "load: 1 of the model are missing (classifier.weight); is it the same model and configuration?");
    ae_tensors_free(d);
    ae_model_free(m);
}

static void test_tied_names(void **state)
{
    (void)state;
    const char *const names[] = {"word.weight", "decoder.weight"};
    for (int both = 0; both < 2; both++) {
        for (int i = 0; i < 2; i++) {
            ae_model *m = ae_model_new(1);
            ae_tie(m, "decoder.weight", param(m, "word.weight", 4, 2));
            ae_tensors *d = ae_tensors_new();
            put(d, names[i], 4, 2, 5);
            if (both) {
                put(d, names[1 - i], 4, 2, 5);
            }
            loads(m, d, NULL, NULL);
            assert_true(value(m, "word.weight", 7) == 12);
            ae_tensors_free(d);
            d = ae_tensors_new();
            ae_save_options o = {.aliases = both};
            assert_int_equal(ae_model_save(m, &o, d, NULL), 0);
            assert_int_equal(ae_tensors_count(d), 1 + both);
            assert_true(ae_get_f64(ae_tensors_get(d, names[both]), 7) == 12);
            ae_tensors_free(d);
            ae_model_free(m);
        }
    }
}

/* ---- what does not fit ------------------------------------------------------------------------------------------------- */

static void test_strict(void **state)
{
    (void)state;
    ae_model *m = encoder("");
    ae_tensors *d = encoder_file("", "LayerNorm.weight", "LayerNorm.bias");
    put(d, "position_ids", 2, 0, 0);
    refused(m, d, NULL, AE_E_UNEXPECTED,
            "load: 1 of the file are unexpected (position_ids); is it the same model and configuration?");
    assert_true(value(m, "dense.weight", 5) == 0); /* nothing was written */
    ae_load_options o = {.ignore = "position_*"};
    loads(m, d, &o, NULL);
    assert_true(value(m, "dense.weight", 5) == 5);
    ae_tensors_free(d);
    d = ae_tensors_new();
    put(d, "dense.weight", 3, 2, 0);
    put(d, "dense.bias", 2, 0, 7);
    assert_int_equal(ae_tensors_add(d, "LayerNorm.weight", ramp(AE_I64, 1, (int64_t[]){2}, 0), NULL), 0);
    refused(
        m, d, NULL, AE_E_SHAPE,
        "load: 1 of the model are missing (LayerNorm.bias); 2 do not fit (dense.weight: [3,2] in the file, [2,3] in "
        "the model, LayerNorm.weight: i64 in the file, f32 in the model); is it the same model and configuration?");
    assert_true(value(m, "dense.bias", 0) == 10);
    o = (ae_load_options){.lenient = true};
    ae_load_report r = {0};
    loads(m, d, &o, &r);
    assert_int_equal(r.loaded, 1);
    assert_int_equal(r.missing.count, 1);
    assert_int_equal(r.mismatched.count, 2);
    assert_string_equal(r.mismatched.names[0], "dense.weight: [3,2] in the file, [2,3] in the model");
    assert_true(value(m, "dense.bias", 0) == 7);
    ae_load_report_free(&r);
    ae_model_fail(m, AE_E_VALUE, "building went wrong");
    refused(m, d, NULL, AE_E_VALUE, "building went wrong");
    ae_err e = {0};
    assert_int_equal(ae_model_save(m, NULL, d, &e), -1);
    assert_string_equal(e.message, "building went wrong");
    ae_tensors_free(d);
    ae_model_free(m);
}

static void test_many_missing_names_are_counted(void **state)
{
    (void)state;
    ae_model *m = ae_model_new(1);
    for (int i = 0; i < 5; i++) {
        char name[8];
        snprintf(name, sizeof name, "p%d", i);
        param(m, name, 1, 0);
    }
    ae_tensors *d = ae_tensors_new();
    refused(m, d, NULL, AE_E_MISSING,
            "load: 5 of the model are missing (p0, p1, p2, ...); is it the same model and configuration?");
    ae_tensors_free(d);
    ae_model_free(m);
}

static void test_dtypes(void **state)
{
    (void)state;
    const ae_dtype floats[] = {AE_F64, AE_BF16, AE_F16, AE_F32};
    for (int i = 0; i < 4; i++) {
        ae_model *m = ae_model_new(1);
        param(m, "p", 3, 0);
        ae_buffer(m, "steps", AE_I64, 0, NULL);
        ae_tensors *d = ae_tensors_new();
        assert_int_equal(ae_tensors_add(d, "p", ramp(floats[i], 1, (int64_t[]){3}, 1.5), NULL), 0);
        assert_int_equal(ae_tensors_add(d, "steps", ramp(AE_I32, 0, NULL, 9), NULL), 0);
        loads(m, d, NULL, NULL);
        assert_true(value(m, "p", 2) == 3.5);
        assert_int_equal(ae_get_i64(ae_model_get(m, "steps"), 0), 9);
        ae_tensors_free(d);
        d = ae_tensors_new();
        ae_save_options o = {.dtype = floats[i]};
        assert_int_equal(ae_model_save(m, &o, d, NULL), 0);
        assert_int_equal(ae_tensors_get(d, "p")->dtype, floats[i]);
        assert_int_equal(ae_tensors_get(d, "steps")->dtype, AE_I64);
        assert_true(ae_get_f64(ae_tensors_get(d, "p"), 2) == 3.5);
        o.dtype = AE_I32;
        ae_err e = {0};
        assert_int_equal(ae_model_save(m, &o, d, &e), -1);
        assert_string_equal(e.message, "save: parameters cannot be written as i32");
        ae_tensors_free(d);
        ae_model_free(m);
    }
}

/* ---- rename tables ------------------------------------------------------------------------------------------------------- */

/* The file joins query, key and value and stores transposes; it splits what the model joins (weight_ih of two gates).
 */
static const ae_rename rows[] = {
    {"h.*.attn.weight", "layer.*.query.weight", .transpose = true, .file_piece = {0, 1, 3}},
    {"h.*.attn.weight", "layer.*.key.weight", .transpose = true, .file_piece = {1, 1, 3}},
    {"h.*.attn.weight", "layer.*.value.weight", .transpose = true, .file_piece = {2, 1, 3}},
    {"W_*", "rnn.weight_*", .transpose = true, .model_piece = {0, 2, 3}},
    {"Wx_*", "rnn.weight_*", .transpose = true, .model_piece = {2, 1, 3}},
    {.file = "h.*.*", .model = "layer.*.*"},
};
static const ae_rename_table table = {rows, sizeof rows / sizeof *rows};

static ae_model *renamed_model(void)
{
    ae_model *m = ae_model_new(1);
    param(m, "layer.3.query.weight", 2, 4);
    param(m, "layer.3.key.weight", 2, 4);
    param(m, "layer.3.value.weight", 2, 4);
    param(m, "layer.3.norm.bias", 2, 0);
    param(m, "rnn.weight_ih", 6, 5);
    param(m, "other", 1, 0);
    return m;
}

static ae_tensors *renamed_file(void)
{
    ae_tensors *d = ae_tensors_new();
    put(d, "h.3.attn.weight", 4, 6, 100); /* (in, 3 out) */
    put(d, "h.3.norm.bias", 2, 0, 50);
    put(d, "W_ih", 5, 4, 200);
    put(d, "Wx_ih", 5, 2, 300);
    put(d, "other", 1, 0, 8);
    return d;
}

static void check_renamed(const ae_model *m)
{
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < 4; k++) {
            assert_true(value(m, "layer.3.query.weight", i * 4 + k) == 100 + 6 * k + i);
            assert_true(value(m, "layer.3.value.weight", i * 4 + k) == 100 + 6 * k + 4 + i);
        }
    }
    for (int k = 0; k < 5; k++) {
        assert_true(value(m, "rnn.weight_ih", 3 * 5 + k) == 200 + 4 * k + 3);
        assert_true(value(m, "rnn.weight_ih", 5 * 5 + k) == 300 + 2 * k + 1);
    }
    assert_true(value(m, "layer.3.norm.bias", 1) == 51);
    assert_true(value(m, "other", 0) == 8);
}

static void same_tensors(const ae_tensors *a, const ae_tensors *b)
{
    assert_int_equal(ae_tensors_count(a), ae_tensors_count(b));
    for (int i = 0; i < ae_tensors_count(a); i++) {
        const ae_tensor *x = ae_tensors_at(a, i);
        const ae_tensor *y = ae_tensors_get(b, ae_tensors_name(a, i));
        assert_non_null(y);
        assert_true(ae_same_shape(x, y));
        assert_memory_equal(x->data, y->data, (size_t)ae_numel(x) * sizeof(float));
    }
}

static void test_rename_both_ways(void **state)
{
    (void)state;
    ae_model *m = renamed_model();
    ae_tensors *d = renamed_file();
    ae_load_options o = {.renames = table};
    loads(m, d, &o, NULL);
    check_renamed(m);
    ae_tensors *back = ae_tensors_new();
    ae_save_options s = {.renames = table};
    assert_int_equal(ae_model_save(m, &s, back, NULL), 0);
    same_tensors(d, back);
    ae_tensors_free(back);
    back = ae_tensors_new(); /* the same rearrangement on gradients */
    for (int i = 0; i < ae_model_count(m); i++) {
        ae_tensor *p = ae_model_at(m, i).tensor;
        if (i != 5) {
            p->grad = ae_tensor_new(AE_F32, p->ndim, p->shape, NULL);
            memcpy(p->grad->data, p->data, (size_t)ae_numel(p) * sizeof(float));
        }
    }
    s.gradients = true;
    assert_int_equal(ae_model_save(m, &s, back, NULL), 0);
    memset(ae_tensors_get(d, "other")->data, 0, sizeof(float));
    same_tensors(d, back);
    ae_tensors_free(back);
    ae_tensors_free(d);
    ae_model_free(m);
}

static void test_bad_tables(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_model *m = ae_model_new(1);
    param(m, "a", 4, 0);
    param(m, "b", 4, 0);
    ae_tensors *d = ae_tensors_new();
    put(d, "x", 4, 0, 0);
    const ae_rename cut[] = {{"x", "a", .file_piece = {0, 1, 3}}, {"x", "b", .transpose = true}};
    ae_load_options o = {.renames = {cut, 2}};
    refused(
        m, d, &o, AE_E_SHAPE,
        "load: 2 do not fit (a: a tensor of shape [4] cannot be cut into 3 parts along axis 0, b: a tensor of shape "
        "[4] has no transpose); is it the same model and configuration?");
    const ae_rename clash[] = {{.file = "x", .model = "a"}, {.file = "x", .model = "b"}};
    ae_save_options s = {.renames = {clash, 2}};
    ae_tensors *out = ae_tensors_new();
    assert_int_equal(ae_model_save(m, &s, out, &e), -1);
    assert_string_equal(e.message, "save: b as x: two tensors would be written under this name");
    ae_tensors_free(out);
    ae_tensors_free(d);
    ae_model_free(m);
}

static void test_prefixes_of_saving(void **state)
{
    (void)state;
    ae_model *m = encoder("bert");
    ae_tensors *d = ae_tensors_new();
    ae_save_options s = {.remove_prefix = "bert.", .add_prefix = "encoder."};
    assert_int_equal(ae_model_save(m, &s, d, NULL), 0);
    assert_non_null(ae_tensors_get(d, "encoder.dense.weight"));
    assert_int_equal(ae_tensors_count(d), 4);
    ae_tensors_free(d);
    ae_model_free(m);
}

/* ---- storages ------------------------------------------------------------------------------------------------------------ */

static long resident_kib(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%*d %ld", &pages), 1);
    fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void test_a_mapped_file_is_not_read(void **state)
{
    (void)state;
    enum { ROWS = 8192, COLUMNS = 1024 }; /* 32 MiB */
    char path[] = "/tmp/aesop_state_XXXXXX";
    close(mkstemp(path));
    ae_tensors *d = ae_tensors_new();
    put(d, "table.weight", ROWS, COLUMNS, 1);
    put(d, "small", 2, 0, 1);
    assert_int_equal(ae_safetensors_write(path, d, NULL, NULL), 0);
    ae_tensors_free(d);
    long before = resident_kib();
    ae_model *m = ae_model_new(1);
    ae_model_defer_init(m);
    struct ae_embedding table_of;
    ae_embedding_init(m, &table_of, "table", ROWS, COLUMNS, ae_init_normal(1), 0);
    param(m, "small", 2, 0);
    ae_tensor *fresh =
        ae_param(m, "fresh", 2, (int64_t[]){3, 2}, (ae_init){.fill = ae_init_ones().fill, .a = 1, .zero_row = 2});
    d = ae_safetensors_read(path, NULL, NULL);
    ae_load_options o = {.adopt = true, .optional = "fresh"};
    loads(m, d, &o, NULL);
    ae_tensors_free(d);
    long grown = resident_kib() - before;
#ifdef __SANITIZE_ADDRESS__
    grown -= ROWS * COLUMNS * 4 / 1024 / 8; /* the sanitizer's own bookkeeping of what was allocated */
#endif
    if (grown > ROWS * COLUMNS * 4 / 1024 / 10) {
        fail_msg("loading a file of %d KiB made %ld KiB resident", ROWS * COLUMNS * 4 / 1024, grown);
    }
    const float *x = table_of.weight->data;
    assert_true(x[0] == 1 && x[5 * COLUMNS + 3] == 5 * COLUMNS + 4);
    assert_memory_equal(fresh->data, ((float[]){1, 1, 0, 0, 1, 1}), 6 * sizeof(float));
    ((float *)table_of.weight->data)[1] = -1; /* training writes; the file stays as it is */
    d = ae_safetensors_read(path, NULL, NULL);
    assert_true(ae_get_f64(ae_tensors_get(d, "table.weight"), 1) == 2);
    ae_tensors_free(d);
    ae_model_free(m);
    unlink(path);
}

static void test_adopted_storages_are_not_shared(void **state)
{
    (void)state;
    const ae_rename same[] = {{.file = "x", .model = "a"}, {.file = "x", .model = "b"}};
    ae_model *m = ae_model_new(1);
    ae_tensor *a = param(m, "a", 4, 0);
    ae_tensor *b = param(m, "b", 4, 0);
    ae_tensors *d = ae_tensors_new();
    put(d, "x", 4, 0, 3);
    ae_load_options o = {.renames = {same, 2}, .adopt = true};
    loads(m, d, &o, NULL);
    ae_tensors_free(d);
    assert_ptr_not_equal(a->data, b->data);
    assert_true(value(m, "a", 3) == 6 && value(m, "b", 3) == 6);
    ae_model_free(m);
}

static void test_deferred_values_are_the_same(void **state)
{
    (void)state;
    ae_model *a = ae_model_new(7);
    ae_model *b = ae_model_new(7);
    struct ae_linear x;
    struct ae_linear y;
    ae_linear_init(a, &x, "l", 5, 6, ae_init_normal(1), true);
    ae_model_defer_init(b);
    ae_linear_init(b, &y, "l", 5, 6, ae_init_normal(1), true);
    assert_int_equal(ae_model_fill(b), 2);
    assert_int_equal(ae_model_fill(b), 0);
    assert_memory_equal(x.weight->data, y.weight->data, 30 * sizeof(float));
    assert_memory_equal(x.bias->data, y.bias->data, 6 * sizeof(float));
    ae_model_free(a);
    ae_model_free(b);
}

static void test_shared_saving(void **state)
{
    (void)state;
    ae_model *m = encoder("");
    ae_tensors *d = ae_tensors_new();
    ae_save_options s = {.share = true};
    assert_int_equal(ae_model_save(m, &s, d, NULL), 0);
    assert_ptr_equal(ae_tensors_get(d, "dense.weight")->data, ae_model_get(m, "dense.weight")->data);
    ae_tensors_free(d);
    ae_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_prefixes_and_old_names),
        cmocka_unit_test(test_new_head),
        cmocka_unit_test(test_tied_names),
        cmocka_unit_test(test_strict),
        cmocka_unit_test(test_many_missing_names_are_counted),
        cmocka_unit_test(test_dtypes),
        cmocka_unit_test(test_rename_both_ways),
        cmocka_unit_test(test_bad_tables),
        cmocka_unit_test(test_prefixes_of_saving),
        cmocka_unit_test(test_a_mapped_file_is_not_read),
        cmocka_unit_test(test_adopted_storages_are_not_shared),
        cmocka_unit_test(test_deferred_values_are_the_same),
        cmocka_unit_test(test_shared_saving),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
