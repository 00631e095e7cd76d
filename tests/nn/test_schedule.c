/* Schedules: values at the places where the rules change, by hand; the two that look at results; what is refused. The
 * reference values of the Hugging Face and UER schedules are a golden case. */
#include "nn/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

static void at(const ae_schedule *s, int64_t step, double want)
{
    double got = ae_schedule_rate(s, step);
    if (!(fabs(got - want) <= 1e-12 + 1e-9 * fabs(want))) {
        fail_msg("%s at step %d is %.12g and should be %.12g", s->name, (int)step, got, want);
    }
}

static void test_constant(void **state)
{
    (void)state;
    ae_schedule s = ae_schedule_make("constant", 0.5, 10, 0);
    at(&s, 0, 0.5);
    at(&s, 1000, 0.5);
    at(&s, -3, 0.5);
}

static void test_bert_drops_behind_the_warmup(void **state)
{
    (void)state;
    ae_schedule s = ae_schedule_make("bert", 1, 10, 100);
    at(&s, 0, 0);
    at(&s, 9, 0.9);
    at(&s, 10, 0.9); /* 1 - 10/100 */
    at(&s, 11, 0.89);
    at(&s, 100, 0);
    at(&s, 101, 0);
}

static void test_xlnet_has_a_floor(void **state)
{
    (void)state;
    ae_schedule s = ae_schedule_make("xlnet", 2, 10, 110);
    s.end_scale = 0.1;
    at(&s, 5, 1);
    at(&s, 10, 2);
    at(&s, 60, 2 * (0.9 * 0.5 + 0.1));
    at(&s, 110, 0.2);
    at(&s, 500, 0.2);
}

static void test_gpt1(void **state)
{
    (void)state;
    ae_schedule s = ae_schedule_make("gpt1_linear", 1, 10, 100);
    at(&s, 5, 0.5 * 0.95);
    at(&s, 10, 0.9);
    at(&s, 11, 0.89);
    at(&s, 100, 0);
    s = ae_schedule_make("gpt1_cosine", 1, 10, 100);
    at(&s, 5, 0.5);
    at(&s, 10, 1);
    at(&s, 50, 0.5);
    at(&s, 100, 0);
    at(&s, 150, 0);
}

static void test_t5_and_noam(void **state)
{
    (void)state;
    ae_schedule s = ae_schedule_make("t5", 1, 10000, 1000000);
    at(&s, 0, 0.01);
    at(&s, 10000, 0.01);
    at(&s, 40000, 0.005);
    s.decay = 100000;
    at(&s, 950000, 0.5 / sqrt(950000));
    at(&s, 1000000, 0);
    s = ae_schedule_make("noam", 1, 4000, 0);
    at(&s, 0, pow(512, -0.5) * pow(4000, -1.5));
    at(&s, 3999, pow(512, -0.5) / sqrt(4000));
    at(&s, 15999, pow(512, -0.5) / sqrt(16000));
    s.warmup = 0;
    at(&s, 3, pow(512, -0.5) / 2);
}

static void test_inverse_sqrt_timescale(void **state)
{
    (void)state;
    ae_schedule s = ae_schedule_make("inverse_sqrt", 1, 4, 0);
    s.timescale = 9;
    at(&s, 2, 0.5);
    at(&s, 4, 1);
    at(&s, 31, 0.5);
    s = ae_schedule_make("inverse_sqrt", 1, 0, 0);
    at(&s, 0, 1);
    at(&s, 30000, 0.5);
}

static void test_no_warmup_and_no_length(void **state)
{
    (void)state;
    for (int i = 0; i < ae_schedule_count(); i++) {
        ae_schedule s = ae_schedule_make(ae_schedule_name(i), 1, 0, 1);
        for (int64_t step = 0; step < 4; step++) {
            double rate = ae_schedule_rate(&s, step);
            assert_true(isfinite(rate) && rate >= 0 && rate <= 1);
        }
        s = ae_schedule_make(ae_schedule_name(i), 1, 5, 5);
        for (int64_t step = 0; step < 8; step++) {
            assert_true(isfinite(ae_schedule_rate(&s, step)));
        }
        assert_true(strlen(ae_schedule_source(i)) > 0 && strlen(ae_schedule_formula(i)) > 0);
    }
    assert_null(ae_schedule_name(-1));
    assert_null(ae_schedule_source(ae_schedule_count()));
    assert_null(ae_schedule_formula(ae_schedule_count()));
}

static void refused(const ae_schedule *s, const char *message)
{
    ae_err e = {0};
    assert_int_equal(ae_schedule_check(s, &e), -1);
    assert_string_equal(e.message, message);
}

static void test_refusals(void **state)
{
    (void)state;
    ae_schedule s = ae_schedule_make("linaer", 1, 1, 10);
    refused(&s, "schedule: there is no schedule linaer; did you mean linear?");
    assert_true(ae_schedule_rate(&s, 3) == 0);
    s = ae_schedule_make("linear", NAN, 1, 10);
    refused(&s, "schedule: base of linear must be finite and at least 0; it is nan");
    s = ae_schedule_make("linear", 1, 1, 0);
    refused(&s, "schedule: linear runs to the end of training; set total");
    s = ae_schedule_make("linear", 1, 11, 10);
    refused(&s, "schedule: warmup 11 and decay 0 do not fit into the 10 steps of linear");
    s = ae_schedule_make("constant", 1, -1, 10);
    refused(&s, "schedule: warmup, total and decay count steps; they are -1, 10, 0");
    s = ae_schedule_make("polynomial", 1e-8, 1, 10);
    refused(&s, "schedule: polynomial must fall: its end_rate 1e-07 is not below its base 1e-08");
    s = ae_schedule_make("noam", 1, 1, 10);
    s.width = 0;
    refused(&s, "schedule: width of noam must be finite and above 0; it is 0");
    s = ae_schedule_make("t5", 1, 1, 10);
    s.decay = 11;
    refused(&s, "schedule: decay 11 is longer than the 10 steps of t5");
    s = ae_schedule_make("bert", 1, 1, 10);
    assert_int_equal(ae_schedule_check(&s, NULL), 0);
}

/* torch.optim.lr_scheduler.ReduceLROnPlateau(patience=1, cooldown=1) on the same losses. */
static void test_plateau(void **state)
{
    (void)state;
    const double losses[] = {1, 0.99995, 0.9998, 0.9998, 0.9998, 0.9998, 0.9998, 0.9998, 0.5, NAN, NAN, NAN};
    const double rates[] = {1, 1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001, 0.001};
    ae_plateau p = ae_plateau_make(1, false);
    p.patience = 1;
    p.cooldown = 1;
    for (int i = 0; i < 12; i++) {
        double rate = ae_plateau_update(&p, losses[i]);
        if (fabs(rate - rates[i]) > 1e-12) {
            fail_msg("after %d results the rate is %g and should be %g", i + 1, rate, rates[i]);
        }
    }
    p = ae_plateau_make(1, true);
    p.patience = 0;
    p.least = 0.05;
    assert_true(ae_plateau_update(&p, 0.5) == 1);
    assert_true(ae_plateau_update(&p, 0.6) == 1);
    assert_true(fabs(ae_plateau_update(&p, 0.6) - 0.1) < 1e-12);
    assert_true(ae_plateau_update(&p, 0.6) == 0.05);
}

static void test_infersent(void **state)
{
    (void)state;
    ae_infersent_schedule s = ae_infersent_schedule_make(0.1);
    assert_true(ae_infersent_begin_epoch(&s) == 0.1);
    ae_infersent_end_epoch(&s, 60);
    assert_true(fabs(ae_infersent_begin_epoch(&s) - 0.099) < 1e-12);
    ae_infersent_end_epoch(&s, 60); /* not better */
    assert_true(fabs(ae_infersent_begin_epoch(&s) - 0.099 / 5 * 0.99) < 1e-12);
    ae_infersent_end_epoch(&s, 70);
    assert_false(s.stopped);
    for (int i = 0; i < 4; i++) {
        ae_infersent_end_epoch(&s, 0);
    }
    assert_false(s.stopped); /* 3.1e-5 */
    ae_infersent_end_epoch(&s, 0);
    assert_true(s.stopped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constant),
        cmocka_unit_test(test_bert_drops_behind_the_warmup),
        cmocka_unit_test(test_xlnet_has_a_floor),
        cmocka_unit_test(test_gpt1),
        cmocka_unit_test(test_t5_and_noam),
        cmocka_unit_test(test_inverse_sqrt_timescale),
        cmocka_unit_test(test_no_warmup_and_no_length),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_plateau),
        cmocka_unit_test(test_infersent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
