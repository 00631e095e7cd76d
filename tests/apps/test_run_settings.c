/* Rates by layer, frozen parameters, schedules and lengths of time as the options say them. */
#include "apps/clock.h"
#include "apps/optim_settings.h"
#include "apps/progress.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const names[] = {AE_OPTIM_OPTIONS, AE_BUDGET_OPTIONS, "progress", "quiet", NULL};

static ae_run run_of(const char *const *words, int n)
{
    ae_run run = {.log = stderr};
    char *argv[32];
    for (int i = 0; i < n; i++) {
        argv[i] = (char *)words[i];
    }
    run.options = ae_options_new(names, NULL, &run.error);
    assert_non_null(run.options);
    assert_int_equal(ae_options_parse(run.options, n, argv, &run.error), 0);
    return run;
}

/* ---- rates ---------------------------------------------------------------------------------------------------------------- */

static const char *const parameters[] = {"bert.embeddings.word_embeddings.weight", "bert.encoder.layer.0.dense.weight",
                                         "bert.encoder.layer.1.dense.weight", "classifier.weight"};

/* One step of plain descent at rate 1 on the sum of all parameters: each moves by its own rate. */
static void moves(const char *const *words, int n, double moved[4])
{
    ae_run run = run_of(words, n);
    ae_model *m = ae_model_new(1);
    ae_graph *g = ae_graph_new();
    ae_tensor *p[4];
    for (int i = 0; i < 4; i++) {
        p[i] = ae_param(m, parameters[i], 2, (int64_t[]){1, 1}, ae_init_zeros());
    }
    ae_optimizer *opt = ae_optim_from_options(&run, m);
    assert_non_null(opt);
    ae_graph_begin(g, AE_TRAIN);
    ae_tensor *sum = ae_add(g, ae_add(g, p[0], p[1]), ae_add(g, p[2], p[3]));
    assert_int_equal(ae_backward(g, ae_reshape(g, sum, 0, NULL), 0), 0);
    assert_int_equal(ae_optimizer_step(opt, g, 1), 0);
    for (int i = 0; i < 4; i++) {
        moved[i] = -ae_get_f64(p[i], 0);
    }
    ae_optimizer_free(opt);
    ae_graph_free(g);
    ae_model_free(m);
    ae_options_free(run.options);
}

static void test_layer_decay(void **state)
{
    (void)state;
    static const char *const words[] = {"--optimizer", "sgd", "--layer-decay", "0.5"};
    static const double wanted[] = {0.125, 0.25, 0.5, 1};
    double moved[4];
    moves(words, 4, moved);
    for (int i = 0; i < 4; i++) {
        assert_true(fabs(moved[i] - wanted[i]) < 1e-7);
    }
}

static void test_freeze(void **state)
{
    (void)state;
    static const char *const words[] = {"--optimizer", "sgd", "--freeze", "*embeddings*", "--freeze", "*.layer.0.*"};
    static const double wanted[] = {0, 0, 1, 1};
    double moved[4];
    moves(words, 6, moved);
    for (int i = 0; i < 4; i++) {
        assert_true(moved[i] == wanted[i]);
    }
}

static void test_schedule(void **state)
{
    (void)state;
    static const char *const words[] = {"--schedule", "nanogpt", "--lr",        "1e-3",
                                        "--warmup",   "100",     "--end-scale", "0.1"};
    ae_run run = run_of(words, 8);
    ae_schedule s;
    assert_int_equal(ae_schedule_from_options(&run, 2000, &s), 0);
    /* nanoGPT's get_lr, by hand: a rise of (s + 1)/(w + 1), half a cosine down to a tenth, which stays. */
    assert_true(fabs(ae_schedule_rate(&s, 0) - 1e-3 / 101) < 1e-12);
    assert_true(fabs(ae_schedule_rate(&s, 100) - 1e-3) < 1e-12);
    assert_true(fabs(ae_schedule_rate(&s, 1050) - 5.5e-4) < 1e-12);
    assert_true(fabs(ae_schedule_rate(&s, 2000) - 1e-4) < 1e-12);
    assert_true(fabs(ae_schedule_rate(&s, 5000) - 1e-4) < 1e-12);
    ae_options_free(run.options);
    static const char *const part[] = {"--schedule", "linear", "--lr", "1", "--warmup", "0.25"};
    run = run_of(part, 6);
    assert_int_equal(ae_schedule_from_options(&run, 80, &s), 0);
    assert_int_equal(s.warmup, 20);
    ae_options_free(run.options);
    static const char *const wrong[] = {"--schedule", "linaer"};
    run = run_of(wrong, 2);
    assert_int_equal(ae_schedule_from_options(&run, 80, &s), -1);
    assert_non_null(strstr(run.error.message, "linear"));
    ae_options_free(run.options);
}

/* ---- time -------------------------------------------------------------------------------------------------------------------- */

static void test_durations(void **state)
{
    (void)state;
    char text[32];
    assert_true(ae_parse_duration("90") == 90 && ae_parse_duration("90s") == 90 && ae_parse_duration("30m") == 1800);
    assert_true(ae_parse_duration("1.5h") == 5400);
    static const char *const wrong[] = {"", "s", "-3m", "0", "3x", "3 m"};
    for (int i = 0; i < 6; i++) {
        assert_true(isnan(ae_parse_duration(wrong[i])));
    }
    ae_duration(12.34, text);
    assert_string_equal(text, "12.3s");
    ae_duration(245, text);
    assert_string_equal(text, "4m05s");
    ae_duration(7860, text);
    assert_string_equal(text, "2h11m");
    ae_duration(-1, text);
    assert_string_equal(text, "?");
}

static void test_bar(void **state)
{
    (void)state;
    static const char *const words[] = {"--progress", "bar"};
    char *text = NULL;
    size_t n;
    ae_run run = run_of(words, 2);
    run.log = open_memstream(&text, &n);
    ae_progress p = ae_progress_begin(&run, "train");
    p.shown = -1e9; /* as if the last line were long ago */
    ae_progress_show(&p, 30, 120, 0, "loss 1.5");
    ae_progress_clear(&p);
    fclose(run.log);
    assert_non_null(strstr(text, "train [##########...")); /* a quarter of 40 */
    assert_non_null(strstr(text, "  25% loss 1.5, left "));
    assert_string_equal(text + strlen(text) - 4, "\r\033[K");
    free(text);
    ae_options_free(run.options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layer_decay), cmocka_unit_test(test_freeze), cmocka_unit_test(test_schedule),
        cmocka_unit_test(test_durations),   cmocka_unit_test(test_bar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
