/* Loading a model file maps it: until the weights are first used, resident memory grows by less than a tenth of the
 * file, both from our model file and from a safetensors file whose storages are adopted. */
#include "nn/embedding.h"
#include "nn/linear.h"
#include "nn/snapshot.h"
#include "tensor/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A quarter of the size of BERT-base: about 108 MB of f32. */
enum { VOCAB = 30522, WIDTH = 768, LAYERS = 6 };

/* The address sanitizer's shadow of every allocation is resident too, so the measure says nothing there. */
#ifdef __SANITIZE_ADDRESS__
enum { MEASURE = 0 };
#elif defined(__has_feature)
enum { MEASURE = !__has_feature(address_sanitizer) };
#else
enum { MEASURE = 1 };
#endif

static ae_model *build(bool deferred)
{
    struct ae_embedding words;
    struct ae_linear layer;
    ae_model *m = ae_model_new(3);
    if (deferred) {
        ae_model_defer_init(m);
    }
    ae_embedding_init(m, &words, "words", VOCAB, WIDTH, ae_init_uniform(-1, 1), -1);
    for (int i = 0; i < LAYERS; i++) {
        ae_scope s = ae_scope_open(m, "layer.%d", i);
        ae_linear_init(m, &layer, "dense", WIDTH, WIDTH, ae_init_uniform(-1, 1), true);
        ae_scope_close(s);
    }
    assert_true(ae_model_ok(m));
    return m;
}

static int64_t resident_bytes(void)
{
    long long total = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%lld %lld", &total, &resident) != 2) {
        resident = -1;
    }
    if (f) {
        fclose(f);
    }
    return resident < 0 ? -1 : resident * sysconf(_SC_PAGESIZE);
}

static int64_t file_bytes(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

/* The sum of every parameter's elements: reads all pages. */
static double sum_of(const ae_model *m)
{
    double sum = 0;
    for (int i = 0; i < ae_model_count(m); i++) {
        const ae_tensor *t = ae_model_at(m, i).tensor;
        for (int64_t k = 0; k < ae_numel(t); k++) {
            sum += ((const float *)t->data)[k];
        }
    }
    return sum;
}

static void load_snapshot(const char *path, ae_model *m)
{
    ae_err e = {0};
    ae_snapshot s = {.model = m};
    if (ae_snapshot_load(path, &s, &e) != 0) {
        fail_msg("%s", e.message);
    }
}

static void load_safetensors(const char *path, ae_model *m)
{
    ae_err e = {0};
    ae_tensors *from = ae_safetensors_read(path, NULL, &e);
    ae_load_options options = {.adopt = true};
    if (!from || ae_model_load(m, from, &options, NULL, &e) != 0) {
        fail_msg("%s", e.message);
    }
    ae_tensors_free(from);
}

static void save_snapshot(const char *path, ae_model *m)
{
    ae_err e = {0};
    ae_json *config = ae_json_new_object();
    ae_snapshot s = {.model = m};
    if (ae_snapshot_save(path, "test", NULL, config, &s, &e) != 0) {
        fail_msg("%s", e.message);
    }
    ae_json_free(config);
}

static void save_safetensors(const char *path, ae_model *m)
{
    ae_err e = {0};
    ae_tensors *out = ae_tensors_new();
    ae_save_options options = {.share = true};
    if (ae_model_save(m, &options, out, &e) != 0 || ae_safetensors_write(path, out, NULL, &e) != 0) {
        fail_msg("%s", e.message);
    }
    ae_tensors_free(out);
}

/* Loads into a new model, and says by how much resident memory grew before and after the weights were read. */
static void check(void (*save)(const char *, ae_model *), void (*load)(const char *, ae_model *))
{
    char path[] = "/tmp/aesop_mapped_XXXXXX";
    close(mkstemp(path));
    ae_model *written = build(false);
    double want = sum_of(written);
    save(path, written);
    ae_model_free(written);
    int64_t bytes = file_bytes(path);
    assert_true(bytes > 100000000);

    ae_model *m = build(true);
    int64_t before = resident_bytes();
    load(path, m);
    int64_t loaded = resident_bytes();
    assert_true(sum_of(m) == want);
    int64_t used = resident_bytes();
    print_message("file %lld bytes; resident memory grew by %.2f %% at loading, by %.0f %% when read\n",
                  (long long)bytes, 100.0 * (double)(loaded - before) / (double)bytes,
                  100.0 * (double)(used - before) / (double)bytes);
    if (MEASURE && before >= 0) { /* without /proc there is nothing to measure with */
        assert_true(loaded - before < bytes / 10);
        assert_true(used - before > bytes * 9 / 10); /* the measure does see pages that are read */
    }
    ae_model_free(m);
    unlink(path);
}

static void model_file_is_mapped(void **state)
{
    (void)state;
    check(save_snapshot, load_snapshot);
}

static void safetensors_is_mapped(void **state)
{
    (void)state;
    check(save_safetensors, load_safetensors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model_file_is_mapped),
        cmocka_unit_test(safetensors_is_mapped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
