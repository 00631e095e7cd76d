/* Snapshots: five steps are the same, bit for bit, as two, a save, a load into new objects, and three; with dropout,
 * and for every rule. What a file of the wrong kind gets. */
#include "nn/act.h"
#include "nn/linear.h"
#include "nn/snapshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { IN = 6, HIDDEN = 16, OUT = 3, BATCH = 8 };

typedef struct run {
    ae_model *m;
    ae_graph *g;
    ae_optimizer *opt;
    struct ae_linear first, second;
    ae_tensor *table; /* tied: used twice */
} run;

static run begin(const char *rule)
{
    ae_err e = {0};
    run r = {.m = ae_model_new(11), .g = ae_graph_new()};
    ae_linear_init(r.m, &r.first, "first", IN, HIDDEN, ae_init_normal(0.3), true);
    ae_linear_init(r.m, &r.second, "second", HIDDEN, OUT, ae_init_normal(0.3), true);
    r.table = ae_param(r.m, "table", 2, (int64_t[]){HIDDEN, HIDDEN}, ae_init_normal(0.2));
    ae_tie(r.m, "decoder.table", r.table);
    ae_optim_config c = ae_optim_defaults(rule);
    c.momentum = 0.9;
    c.clip_norm = 1;
    r.opt = ae_optimizer_new(r.m, &c, &e);
    if (!r.opt) {
        fail_msg("%s", e.message);
    }
    return r;
}

static void end(run *r)
{
    ae_optimizer_free(r->opt);
    ae_graph_free(r->g);
    ae_model_free(r->m);
}

static double step(run *r, uint64_t seed, int64_t t)
{
    float x[BATCH * IN];
    for (int i = 0; i < BATCH * IN; i++) {
        x[i] = (float)((i * 37 + (int)t * 11) % 19) / 10 - 1;
    }
    ae_graph_random(r->g, seed, (uint64_t)t, 0, 0);
    ae_graph_begin(r->g, AE_TRAIN);
    ae_tensor *h = ae_linear(r->g, &r->first, ae_from_data(r->g, AE_F32, 2, (int64_t[]){BATCH, IN}, x));
    h = ae_dropout(r->g, ae_activate(r->g, AE_ACT_FN_GELU, h), 0.3);
    h = ae_matmul(r->g, ae_matmul(r->g, h, r->table), r->table);
    h = ae_linear(r->g, &r->second, ae_dropout(r->g, h, 0.2));
    ae_tensor *loss = ae_sum(r->g, ae_mul(r->g, h, h), 0, NULL, false);
    double value = ae_item(loss);
    assert_int_equal(ae_backward(r->g, loss, 0), 0);
    assert_int_equal(ae_optimizer_step(r->opt, r->g, 0.01), 0);
    return value;
}

static void same(const run *a, const run *b)
{
    for (int i = 0; i < ae_model_count(a->m); i++) {
        const ae_tensor *x = ae_model_at(a->m, i).tensor;
        const ae_tensor *y = ae_model_at(b->m, i).tensor;
        assert_memory_equal(x->data, y->data, (size_t)ae_numel(x) * sizeof(float));
    }
}

static void check_rule(const char *rule)
{
    const uint64_t seed = 0xFFFFFFFFFFFFFFF5u;
    ae_err e = {0};
    char path[] = "/tmp/aesop_snapshot_XXXXXX";
    close(mkstemp(path));
    run whole = begin(rule);
    run half = begin(rule);
    double losses[5];
    for (int t = 0; t < 5; t++) {
        losses[t] = step(&whole, seed, t);
    }
    for (int t = 0; t < 2; t++) {
        assert_true(step(&half, seed, t) == losses[t]);
    }
    ae_json *extra = ae_json_new_object();
    ae_json_set_string(extra, "schedule", "linear");
    ae_snapshot c = {.model = half.m, .optimizer = half.opt, .seed = seed, .step = 2, .extra = extra};
    ae_json *config = ae_json_new_object();
    if (ae_snapshot_save(path, "toy", NULL, config, &c, &e) != 0) {
        fail_msg("%s", e.message);
    }
    ae_json_free(config);
    ae_json_free(extra);
    end(&half);
    half = begin(rule);
    ae_snapshot d = {.model = half.m, .optimizer = half.opt};
    if (ae_snapshot_load(path, &d, &e) != 0) {
        fail_msg("%s", e.message);
    }
    assert_true(d.seed == seed);
    assert_int_equal(d.step, 2);
    assert_string_equal(ae_json_string(d.extra, "schedule", "", NULL), "linear");
    ae_json_free(d.extra);
    for (int64_t t = d.step; t < 5; t++) {
        assert_true(step(&half, d.seed, t) == losses[t]);
    }
    same(&whole, &half);
    end(&whole);
    end(&half);
    unlink(path);
}

static void test_every_rule_goes_on_bit_for_bit(void **state)
{
    (void)state;
    for (int i = 0; i < ae_optim_count(); i++) {
        if (strcmp(ae_optim_name(i), "lbfgs") != 0) {
            check_rule(ae_optim_name(i));
        }
    }
}

static void test_dropout_is_on(void **state)
{
    (void)state;
    run a = begin("sgd");
    run b = begin("sgd");
    assert_true(step(&a, 1, 0) != step(&b, 2, 0));
    end(&a);
    end(&b);
}

static void refused(const char *path, ae_snapshot *c, const char *message)
{
    ae_err e = {0};
    assert_int_equal(ae_snapshot_load(path, c, &e), -1);
    assert_true(strncmp(e.message, path, strlen(path)) == 0);
    if (!strstr(e.message, message)) {
        fail_msg("got: %s", e.message);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    ae_err e = {0};
    char path[] = "/tmp/aesop_snapshot_XXXXXX";
    close(mkstemp(path));
    run r = begin("adam");
    step(&r, 1, 0);
    ae_json *config = ae_json_new_object();
    ae_snapshot weights = {.model = r.m};
    ae_snapshot all = {.model = r.m, .optimizer = r.opt};
    assert_int_equal(ae_snapshot_save(path, "toy", NULL, config, &weights, &e), 0);
    refused(path, &all, "the file holds no optimizer state; train from its weights anew instead");
    assert_int_equal(ae_snapshot_load(path, &weights, &e), 0);
    assert_int_equal(weights.step, 0);
    assert_null(weights.extra);
    assert_int_equal(ae_snapshot_save(path, "toy", NULL, config, &all, &e), 0);
    run other = begin("sgd");
    ae_snapshot wrong = {.model = other.m, .optimizer = other.opt};
    refused(path, &wrong, "the file holds the state of adam, and sgd is to go on; ask for the same rule");
    ae_param(other.m, "new", 0, NULL, ae_init_zeros());
    wrong.optimizer = NULL;
    refused(path, &wrong, "load: 1 of the model are missing (new)");
    ae_h5 *f = ae_model_file_create(path, "toy", NULL, config, &e);
    ae_snapshot_write(f, &weights, &e);
    assert_int_equal(ae_h5_commit(f, &e), 0);
    ae_model_fail(r.m, AE_E_VALUE, "building went wrong");
    assert_int_equal(ae_snapshot_save(path, "toy", NULL, config, &all, &e), -1);
    assert_string_equal(e.message, "building went wrong");
    ae_json_free(config);
    end(&r);
    end(&other);
    unlink(path);
}

static void test_a_damaged_training_section(void **state)
{
    (void)state;
    const char *const texts[] = {"{\"seed\": \"12x\", \"step\": 1}", "{\"step\": 1}", "{\"seed\": \"1\"}",
                                 "{\"seed\": \"99999999999999999999999\", \"step\": 1}"};
    const char *const messages[] = {"holds the seed \"12x\"", "seed", "step", "a number of 64 bits is expected"};
    char path[] = "/tmp/aesop_snapshot_XXXXXX";
    close(mkstemp(path));
    run r = begin("sgd");
    ae_json *config = ae_json_new_object();
    for (int i = 0; i < 4; i++) {
        ae_err e = {0};
        ae_tensors *d = ae_tensors_new();
        assert_int_equal(ae_model_save(r.m, NULL, d, &e), 0);
        ae_h5 *f = ae_model_file_create(path, "toy", NULL, config, &e);
        assert_int_equal(ae_h5_write_tensors(f, "weights", d, &e), 0);
        assert_int_equal(ae_h5_write_text(f, "training", texts[i], &e), 0);
        assert_int_equal(ae_h5_commit(f, &e), 0);
        ae_tensors_free(d);
        ae_snapshot c = {.model = r.m};
        refused(path, &c, messages[i]);
    }
    ae_json_free(config);
    end(&r);
    unlink(path);
}

static long resident_kib(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%*d %ld", &pages), 1);
    fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* 32 MiB of weights are mapped, not read, and training writes into memory, never into the file. */
static void test_loading_reads_nothing(void **state)
{
    (void)state;
    enum { ROWS = 8192, COLUMNS = 1024, KIB = ROWS * COLUMNS / 256 };
    ae_err e = {0};
    char path[] = "/tmp/aesop_snapshot_XXXXXX";
    close(mkstemp(path));
    ae_json *config = ae_json_new_object();
    ae_model *m = ae_model_new(1);
    ae_tensor *p = ae_param(m, "table", 2, (int64_t[]){ROWS, COLUMNS}, ae_init_constant(3));
    ae_snapshot c = {.model = m};
    assert_int_equal(ae_snapshot_save(path, "toy", NULL, config, &c, &e), 0);
    ae_model_free(m);
    for (int again = 0; again < 2; again++) {
        long before = resident_kib();
        m = ae_model_new(1);
        ae_model_defer_init(m);
        p = ae_param(m, "table", 2, (int64_t[]){ROWS, COLUMNS}, ae_init_normal(1));
        c = (ae_snapshot){.model = m};
        assert_int_equal(ae_snapshot_load(path, &c, &e), 0);
        long grown = resident_kib() - before;
#ifdef __SANITIZE_ADDRESS__
        grown -= KIB / 8; /* the sanitizer's own bookkeeping of what was allocated */
#endif
        if (grown > KIB / 10) {
            fail_msg("loading a file of %d KiB made %ld KiB resident", KIB, grown);
        }
        assert_true(((float *)p->data)[ROWS * COLUMNS - 1] == 3);
        ((float *)p->data)[ROWS * COLUMNS - 1] = 4;
        ae_model_free(m);
    }
    ae_json_free(config);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_rule_goes_on_bit_for_bit), cmocka_unit_test(test_dropout_is_on),
        cmocka_unit_test(test_loading_reads_nothing),          cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_a_damaged_training_section),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
