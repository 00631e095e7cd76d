/* Averages of weights: the three rules by hand, the exchange, saving. */
#include "nn/average.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

static ae_tensor *p;

static ae_model *make(void)
{
    ae_model *m = ae_model_new(1);
    p = ae_param(m, "p", 1, (int64_t[]){2}, ae_init_zeros());
    ae_buffer(m, "count", AE_I64, 0, NULL);
    return m;
}

static void feed(ae_average *a, double value)
{
    ((float *)p->data)[0] = (float)value;
    ((float *)p->data)[1] = (float)-value;
    ae_average_update(a);
}

static double average(ae_average *a)
{
    ae_average_swap(a);
    double x = (double)((float *)p->data)[0];
    assert_true((double)((float *)p->data)[1] == -x);
    ae_average_swap(a);
    return x;
}

static void test_rules(void **state)
{
    (void)state;
    ae_model *m = make();
    ae_average *ema = ae_average_new(m, 0.9, false, NULL);
    ae_average *ramp = ae_average_new(m, 0.9, true, NULL);
    ae_average *swa = ae_average_new(m, 0, false, NULL);
    double by_hand[2] = {0, 0};
    for (int n = 0; n < 6; n++) {
        double value = n * n - 3;
        feed(ema, value);
        feed(ramp, value);
        feed(swa, value);
        double slow = fmin(0.9, (1.0 + n) / (10.0 + n));
        by_hand[0] = n == 0 ? value : 0.9 * by_hand[0] + 0.1 * value;
        by_hand[1] = n == 0 ? value : slow * by_hand[1] + (1 - slow) * value;
    }
    assert_true(fabs(average(ema) - by_hand[0]) < 1e-5);
    assert_true(fabs(average(ramp) - by_hand[1]) < 1e-5);
    assert_true(fabs(average(swa) - (55.0 / 6 - 3)) < 1e-5);
    assert_int_equal(ae_average_updates(swa), 6);
    ae_average_free(ema);
    ae_average_free(ramp);
    ae_average_free(swa);
    ae_model_free(m);
}

static void test_exchange(void **state)
{
    (void)state;
    ae_model *m = make();
    ae_average *a = ae_average_new(m, 0, false, NULL);
    ((float *)p->data)[0] = 7;
    ae_average_swap(a); /* nothing was averaged yet */
    assert_true(((float *)p->data)[0] == 7);
    feed(a, 2);
    feed(a, 4);
    uint64_t version = ae_param_version(p);
    ae_average_swap(a);
    assert_true(((float *)p->data)[0] == 3);
    assert_true(ae_param_version(p) > version);
    ae_average_swap(a);
    assert_true(((float *)p->data)[0] == 4);
    ae_average_free(a);
    ae_average_free(NULL);
    ae_model_free(m);
}

static void test_saving(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_model *m = make();
    ae_average *a = ae_average_new(m, 0, false, NULL);
    ae_average *b = ae_average_new(m, 0, false, NULL);
    feed(a, 2);
    feed(a, 4);
    ae_tensors *d = ae_tensors_new();
    assert_int_equal(ae_average_load(b, d, &e), -1);
    assert_string_equal(e.message, "average: the count average_updates is missing; was an average saved here?");
    assert_int_equal(ae_average_save(a, d, NULL), 0);
    assert_int_equal(ae_average_load(b, d, NULL), 0);
    feed(b, 9);
    assert_true(average(b) == 5);
    ae_model *other = ae_model_new(1);
    ae_param(other, "q", 1, (int64_t[]){2}, ae_init_zeros());
    ae_average *c = ae_average_new(other, 0, false, NULL);
    ae_err_clear(&e);
    assert_int_equal(ae_average_load(c, d, &e), -1);
    assert_string_equal(e.message, "average: average/q is missing");
    ae_err_clear(&e);
    assert_null(ae_average_new(m, 1, false, &e));
    assert_string_equal(e.message, "average: decay must lie in [0, 1); it is 1");
    ae_model_fail(m, AE_E_VALUE, "building went wrong");
    ae_err_clear(&e);
    assert_null(ae_average_new(m, 0.5, false, &e));
    assert_string_equal(e.message, "building went wrong");
    ae_tensors_free(d);
    ae_average_free(a);
    ae_average_free(b);
    ae_average_free(c);
    ae_model_free(m);
    ae_model_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_exchange),
        cmocka_unit_test(test_saving),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
