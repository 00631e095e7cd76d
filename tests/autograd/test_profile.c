/* A profile: it counts what ran and no more, its times nest and add up, its memory is bounded, and what it writes can
 * be read. */
#include "autograd/profile.h"
#include "nn/optimizer.h"
#include "op_values.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static ae_profile *p;

static int begin_profile(void **state)
{
    begin_step(state);
    p = ae_profile_new(1000, NULL);
    ae_graph_profile(g, p);
    return p ? 0 : -1;
}

static int end_profile(void **state)
{
    (void)state;
    ae_graph_profile(g, NULL);
    ae_profile_free(p);
    p = NULL;
    return 0;
}

static ae_profile_row row_of(const char *name, ae_span_kind kind)
{
    for (int i = 0; i < ae_profile_count(p); i++) {
        ae_profile_row row = ae_profile_at(p, i);
        if (strcmp(row.name, name) == 0 && row.kind == kind) {
            return row;
        }
    }
    return (ae_profile_row){.name = ""};
}

static double wall(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* x (16,16) through two products, a sum of three and tanh. */
static ae_tensor *forward(ae_tensor *x)
{
    ae_frame f = ae_frame_open(g);
    ae_tensor *y = ae_matmul(g, ae_matmul(g, x, x), x);
    y = ae_tanh(g, ae_add(g, ae_add(g, y, x), ae_add(g, x, x)));
    return ae_frame_return(f, ae_sum(g, y, 0, NULL, false));
}

static ae_tensor *operand(void)
{
    return ae_requires_grad(g, ae_full(g, AE_F32, 2, (int64_t[]){16, 16}, 0.01));
}

/* ---- what is counted ------------------------------------------------------------------------------------------------- */

static void counts_are_calls(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        ae_graph_begin(g, AE_TRAIN);
        assert_int_equal(ae_backward(g, forward(operand()), 0), 0);
    }
    assert_int_equal(row_of("matmul", AE_SPAN_FORWARD).count, 6);
    assert_int_equal(row_of("matmul", AE_SPAN_BACKWARD).count, 6);
    assert_int_equal(row_of("add", AE_SPAN_FORWARD).count, 9);
    assert_int_equal(row_of("add", AE_SPAN_BACKWARD).count, 9);
    assert_int_equal(row_of("tanh", AE_SPAN_FORWARD).count, 3);
    assert_int_equal(row_of("tanh", AE_SPAN_BACKWARD).count, 3);
    assert_int_equal(row_of("backward", AE_SPAN_PHASE).count, 3);
    assert_true(row_of("matmul", AE_SPAN_INNER).count >= 12); /* two for each vjp of a product */
    int frames = 0;
    for (int i = 0; i < ae_profile_count(p); i++) {
        ae_profile_row row = ae_profile_at(p, i);
        if (row.kind == AE_SPAN_FRAME) {
            assert_null(strstr(row.name, "apply.c")); /* the engine's own */
            assert_null(strstr(row.name, "backward.c"));
            frames += strncmp(row.name, "test_profile.c:", 15) == 0;
            assert_true(row.count % 3 == 0);
        }
    }
    assert_int_equal(frames, 1);
    assert_string_equal(ae_profile_at(p, -1).name, "");
    assert_int_equal(ae_profile_at(p, 10000).count, 0);
}

/* Without a profile nothing is counted, and what ends one in the middle of frames does no harm. */
static void ends_when_told(void **state)
{
    (void)state;
    ae_frame f = ae_frame_open(g);
    ae_tensor *x = ae_tanh(g, operand());
    assert_ptr_equal(ae_graph_get_profile(g), p);
    ae_graph_profile(g, NULL);
    assert_null(ae_graph_get_profile(g));
    int rows = ae_profile_count(p);
    ae_frame_return(f, ae_exp(g, x));
    assert_int_equal(ae_profile_count(p), rows);
    assert_int_equal(row_of("tanh", AE_SPAN_FORWARD).count, 1);
    f = ae_frame_open(g);
    ae_graph_profile(g, p);
    ae_frame_close(f);
    ae_frame_open(g);
    ae_frame_open(g);
    ae_graph_begin(g, AE_EVAL); /* ends both */
    assert_true(ae_profile_seconds(p, 0) > 0);
    assert_true(ae_profile_seconds(p, 1) == 0 && ae_profile_seconds(p, -1) == 0);
}

/* Bytes on the tape, each storage once, and bytes that operations took. */
static void bytes_are_counted(void **state)
{
    (void)state;
    ae_graph_begin(g, AE_TRAIN);
    ae_tensor *x = operand(), *y = forward(x);
    int64_t saved = 0;
    for (int i = 0; i < ae_profile_count(p); i++) {
        saved += ae_profile_at(p, i).saved;
    }
    assert_true(saved > 0);
    assert_int_equal(saved, ae_graph_saved_bytes(g));
    assert_int_equal(row_of("add", AE_SPAN_FORWARD).made, 3 * 16 * 16 * 4);
    assert_int_equal(row_of("tanh", AE_SPAN_FORWARD).made, 16 * 16 * 4);
    assert_true(ae_ok(g) && y);
    ae_reshape(g, x, 1, (int64_t[]){256});
    assert_int_equal(row_of("reshape", AE_SPAN_FORWARD).made, 0); /* a view */
    assert_int_equal(row_of("reshape", AE_SPAN_FORWARD).saved, 0);
}

/* ---- times ----------------------------------------------------------------------------------------------------------- */

static void times_add_up(void **state)
{
    (void)state;
    double start = wall(), sum = 0, inside = 0;
    int64_t span = ae_profile_begin(p, "step");
    for (int i = 0; i < 20; i++) {
        ae_graph_begin(g, AE_TRAIN);
        assert_int_equal(ae_backward(g, forward(operand()), 0), 0);
    }
    ae_profile_end(p, span);
    double all = wall() - start;
    for (int i = 0; i < ae_profile_count(p); i++) {
        ae_profile_row row = ae_profile_at(p, i);
        assert_true(row.self >= 0 && row.total <= all && row.self <= row.total + 1e-9);
        sum += row.self;
        inside += row.kind == AE_SPAN_PHASE ? 0 : row.self;
    }
    double step = row_of("step", AE_SPAN_PHASE).total;
    assert_true(step <= all && inside > 0);
    assert_true(fabs(sum - step) < 1e-6 * (1 + step));
    assert_true(fabs(ae_profile_seconds(p, 0) - step) < 1e-9);
}

/* A span inside one of the same name counts once in the total. */
static void recursion_counts_once(void **state)
{
    (void)state;
    int64_t outer = ae_profile_begin(p, "again"), inner = ae_profile_begin(p, "again");
    ae_profile_end(p, inner);
    ae_profile_end(p, inner); /* it has ended */
    ae_profile_end(p, outer);
    ae_profile_row row = row_of("again", AE_SPAN_PHASE);
    assert_int_equal(row.count, 2);
    assert_true(fabs(row.total - row.self) < 1e-9);
    outer = ae_profile_begin(p, "left open");
    ae_profile_begin(p, "never ended");
    ae_profile_end(p, outer);
    assert_int_equal(row_of("never ended", AE_SPAN_PHASE).count, 1);
    assert_int_equal(ae_profile_begin(NULL, "nothing"), -1);
    ae_profile_end(NULL, 3);
    ae_profile_end(p, -1);
    ae_profile_end(p, 12345678);
    ae_profile_name_thread(NULL, "nobody");
    ae_profile_free(NULL);
}

static void optimizer_has_parts(void **state)
{
    (void)state;
    ae_model *m = ae_model_new(1);
    ae_tensor *w = ae_param(m, "w", 2, (int64_t[]){16, 16}, ae_init_normal(0.1));
    ae_optim_config c = ae_optim_defaults("adamw");
    ae_optimizer *opt = ae_optimizer_new(m, &c, NULL);
    ae_graph_begin(g, AE_TRAIN);
    assert_int_equal(ae_backward(g, forward(w), 0), 0);
    assert_int_equal(ae_optimizer_step(opt, g, 0.1), 0);
    ae_profile_row whole = row_of("optimizer", AE_SPAN_PHASE);
    ae_profile_row clip = row_of("gradient norm and clipping", AE_SPAN_PHASE);
    assert_int_equal(whole.count, 1);
    assert_int_equal(clip.count, 1);
    assert_true(clip.total <= whole.total);
    ae_optimizer_free(opt);
    ae_model_free(m);
}

/* ---- limits ---------------------------------------------------------------------------------------------------------- */

static void memory_is_bounded(void **state)
{
    (void)state;
    char name[200];
    int64_t spans[300];
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "name %d", i);
        ae_profile_end(p, ae_profile_begin(p, name));
    }
    assert_int_equal(ae_profile_count(p), 1024);
    assert_string_equal(ae_profile_at(p, 1023).name, "(others)");
    assert_int_equal(ae_profile_at(p, 1023).count, 3000 - 1023);
    assert_int_equal(ae_profile_events(p), 1000);
    assert_int_equal(ae_profile_dropped(p), 2000);
    for (int i = 0; i < 300; i++) { /* deeper than is kept */
        spans[i] = ae_profile_begin(p, "name 7");
    }
    assert_true(spans[255] >= 0 && spans[256] == -1);
    for (int i = 299; i >= 0; i--) {
        ae_profile_end(p, spans[i]);
    }
    assert_int_equal(row_of("name 7", AE_SPAN_PHASE).count, 257);
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    ae_err e = {0};
    assert_null(ae_profile_new(-1, &e));
    assert_string_equal(e.message, "profile: room for -1 events was asked for; 0 or more can be kept");
    ae_profile *none = ae_profile_new(0, NULL);
    ae_profile_end(none, ae_profile_begin(none, name));
    assert_int_equal(strlen(ae_profile_at(none, 0).name), 63);
    assert_int_equal(ae_profile_events(none), 0);
    assert_int_equal(ae_profile_dropped(none), 1);
    ae_profile_free(none);
}

/* ---- reports --------------------------------------------------------------------------------------------------------- */

static void *reader(void *arg)
{
    (void)arg;
    ae_profile_name_thread(p, "reader \"one\"");
    for (int i = 0; i < 10; i++) {
        int64_t outer = ae_profile_begin(p, "read");
        ae_profile_end(p, ae_profile_begin(p, "unpack"));
        ae_profile_end(p, outer);
    }
    return NULL;
}

static void run_two_threads(void)
{
    pthread_t thread;
    int64_t span = ae_profile_begin(p, "step");
    assert_int_equal(pthread_create(&thread, NULL, reader, NULL), 0);
    ae_graph_begin(g, AE_TRAIN);
    assert_int_equal(ae_backward(g, forward(operand()), 0), 0);
    pthread_join(thread, NULL);
    ae_profile_end(p, span);
}

static char *file_text(const char *path, size_t *length)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    char *text = calloc(1, 1 << 20);
    *length = fread(text, 1, (1 << 20) - 1, f);
    fclose(f);
    return text;
}

typedef struct interval {
    int64_t thread;
    double begin, end;
} interval;

/* Any two events of a thread lie apart or one inside the other. */
static void expect_nested(const interval *v, int n)
{
    const double rounding = 0.0015; /* times are cut to ns */
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < i; k++) {
            bool apart = v[i].begin >= v[k].end - rounding || v[k].begin >= v[i].end - rounding;
            bool within = v[i].begin >= v[k].begin - rounding && v[i].end <= v[k].end + rounding;
            if (v[i].thread == v[k].thread && !apart && !within) {
                fail_msg("events %d and %d overlap: %.3f..%.3f, %.3f..%.3f", k, i, v[k].begin, v[k].end, v[i].begin,
                         v[i].end);
            }
        }
    }
}

static void trace_parses_and_nests(void **state)
{
    (void)state;
    static const char path[] = "test_profile_trace.json";
    ae_err e = {0};
    size_t length;
    run_two_threads();
    ae_profile_begin(p, "still open");
    assert_int_equal(ae_profile_write_trace(p, path, &e), 0);
    char *text = file_text(path, &length);
    ae_json *whole = ae_json_parse(text, length, &e);
    if (!whole) {
        fail_msg("%s", e.message);
    }
    const ae_json *list = ae_json_get(whole, "traceEvents");
    interval *v = calloc((size_t)ae_json_count(list), sizeof *v);
    int n = 0, threads = 0, products = 0;
    for (const ae_json *x = ae_json_first(list); x; x = ae_json_next(x)) {
        const char *name = ae_json_string(x, "name", "", NULL);
        if (strcmp(ae_json_string(x, "ph", "", NULL), "M") == 0) {
            const char *thread = ae_json_string(ae_json_get(x, "args"), "name", "", NULL);
            assert_string_equal(thread, threads == 0 ? "main" : "reader \"one\"");
            threads++;
            continue;
        }
        assert_string_not_equal(name, "still open");
        v[n].thread = ae_json_int(x, "tid", 0, NULL);
        v[n].begin = ae_json_double(x, "ts", -1, NULL);
        v[n].end = v[n].begin + ae_json_double(x, "dur", -1, NULL);
        assert_true(v[n].thread >= 1 && v[n].begin >= 0 && v[n].end >= v[n].begin);
        products += strcmp(name, "matmul") == 0 && strcmp(ae_json_string(x, "cat", "", NULL), "forward") == 0 &&
                    ae_json_int(ae_json_get(x, "args"), "made", 0, NULL) == 16 * 16 * 4;
        n++;
    }
    assert_int_equal(threads, 2);
    assert_int_equal(products, 2);
    assert_int_equal(n + 1, ae_profile_events(p));
    expect_nested(v, n);
    free(v);
    free(text);
    ae_json_free(whole);
    unlink(path);
    assert_int_equal(ae_profile_write_trace(p, "no/such/folder/trace.json", &e), -1);
    assert_non_null(strstr(e.message, "no/such/folder"));
}

static void table_and_json_agree(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size;
    run_two_threads();
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(ae_profile_print(p, out), 0);
    fclose(out);
    assert_true(strncmp(text, "profile of main: ", 17) == 0);
    assert_non_null(strstr(text, "\non the thread reader \"one\": "));
    assert_non_null(strstr(text, "\nmatmul                           forward             2 "));
    free(text);
    ae_json *o = ae_profile_json(p);
    const ae_json *rows = ae_json_get(o, "rows");
    assert_int_equal(ae_json_count(rows), ae_profile_count(p));
    double last = INFINITY, sum = 0;
    for (const ae_json *x = ae_json_first(rows); x; x = ae_json_next(x)) {
        double self = ae_json_double(x, "self_s", -1, NULL);
        bool own = strcmp(ae_json_string(x, "thread", "", NULL), "main") == 0;
        assert_true(!own || self <= last); /* the dearest first */
        last = own ? self : last;
        sum += own ? ae_json_double(x, "share", 0, NULL) : 0;
    }
    assert_true(fabs(sum - 1) < 1e-6);
    assert_true(ae_json_double(o, "seconds", 0, NULL) > 0);
    assert_int_equal(ae_json_int(o, "events", 0, NULL), ae_profile_events(p));
    ae_json_free(o);
    FILE *full = fopen("/dev/full", "w");
    if (full) {
        setvbuf(full, NULL, _IONBF, 0);
        assert_int_equal(ae_profile_print(p, full), -1);
        fclose(full);
    }
    assert_string_equal(ae_span_kind_name(AE_SPAN_INNER), "in backward");
    assert_string_equal(ae_span_kind_name((ae_span_kind)17), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(counts_are_calls, begin_profile, end_profile),
        cmocka_unit_test_setup_teardown(ends_when_told, begin_profile, end_profile),
        cmocka_unit_test_setup_teardown(bytes_are_counted, begin_profile, end_profile),
        cmocka_unit_test_setup_teardown(times_add_up, begin_profile, end_profile),
        cmocka_unit_test_setup_teardown(recursion_counts_once, begin_profile, end_profile),
        cmocka_unit_test_setup_teardown(optimizer_has_parts, begin_profile, end_profile),
        cmocka_unit_test_setup_teardown(memory_is_bounded, begin_profile, end_profile),
        cmocka_unit_test_setup_teardown(trace_parses_and_nests, begin_profile, end_profile),
        cmocka_unit_test_setup_teardown(table_and_json_agree, begin_profile, end_profile),
    };
    return cmocka_run_group_tests(tests, make_graph, free_graph);
}
