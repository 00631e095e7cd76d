/* Every rule and every schedule against the reference implementations, and a proof that the comparison can fail. */
#include "apps/parity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int run(const char *name, double *worst, int *rows_compared)
{
    char dir[1024];
    ae_err e = {0};
    snprintf(dir, sizeof dir, "%s/golden/%s", AE_TEST_DIR, name);
    ae_case *c = ae_case_read(dir, &e);
    ae_tensors *out = ae_tensors_new();
    ae_parity_row *rows = NULL;
    int n = 0;
    if (!c || ae_case_run(c, false, out, &e) != 0) {
        fail_msg("%s: %s", name, e.message);
    }
    int failures = ae_case_compare(c, out, false, &rows, &n, &e);
    for (int i = 0; i < n && failures != 0; i++) {
        if (rows[i].verdict != AE_PARITY_OK) {
            print_error("%s: %s: %g of the tolerance, %g absolute\n", name, rows[i].name, rows[i].fraction,
                        rows[i].max_abs);
        }
    }
    *worst = n > 0 ? rows[0].fraction : 0;
    *rows_compared = n;
    free(rows);
    ae_tensors_free(out);
    ae_case_free(c);
    return failures;
}

static void test_every_case(void **state)
{
    (void)state;
    char path[1024];
    snprintf(path, sizeof path, "%s/golden", AE_TEST_DIR);
    DIR *folder = opendir(path);
    assert_non_null(folder);
    int cases = 0;
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        if (strncmp(entry->d_name, "optim_", 6) == 0) {
            double worst = 0;
            int n = 0;
            assert_int_equal(run(entry->d_name, &worst, &n), 0);
            print_message("%s: %d tensors, worst %.3f of the tolerance\n", entry->d_name, n, worst);
            assert_true(n >= 8);
            cases++;
        }
    }
    closedir(folder);
    assert_int_equal(cases, 28);
}

static ae_case *open_case(const char *name)
{
    char dir[1024];
    ae_err e = {0};
    snprintf(dir, sizeof dir, "%s/golden/%s", AE_TEST_DIR, name);
    ae_case *c = ae_case_read(dir, &e);
    assert_non_null(c);
    return c;
}

/* The same gradients under a rule that differs a little must not pass. */
static void test_another_rule_fails(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_case *c = open_case("optim_adamw");
    ae_json *options = ae_json_copy(ae_json_get(c->meta, "optimizer"));
    ae_json_set_double(options, "weight_decay", 0.101);
    ae_json_set(c->meta, "optimizer", options);
    ae_tensors *out = ae_tensors_new();
    ae_parity_row *rows = NULL;
    int n = 0;
    assert_int_equal(ae_case_run(c, false, out, &e), 0);
    assert_true(ae_case_compare(c, out, false, &rows, &n, &e) > 0);
    free(rows);
    ae_tensors_free(out);
    ae_case_free(c);
}

static void test_what_a_broken_case_gets(void **state)
{
    (void)state;
    ae_tensors *out = ae_tensors_new();
    ae_case *c = open_case("optim_adam");
    ae_json *options = ae_json_copy(ae_json_get(c->meta, "optimizer"));
    ae_json_set_string(options, "cls", "Shampoo");
    ae_json_set(c->meta, "optimizer", options);
    ae_err e = {0};
    assert_int_equal(ae_case_run(c, false, out, &e), -1);
    assert_non_null(strstr(e.message, "no rule stands for the optimizer Shampoo of torch.optim"));
    ae_json_remove(c->meta, "optimizer");
    ae_err_clear(&e);
    assert_int_equal(ae_case_run(c, false, out, &e), -1);
    assert_non_null(strstr(e.message, "meta.json must describe the optimizer"));
    ae_case_free(c);
    c = open_case("optim_schedules");
    ae_json_set_int(c->meta, "warmup", -1);
    ae_err_clear(&e);
    assert_int_equal(ae_case_run(c, false, out, &e), -1);
    assert_non_null(strstr(e.message, "schedule: warmup, total and decay count steps"));
    ae_case_free(c);
    ae_tensors_free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_case),
        cmocka_unit_test(test_another_rule_fails),
        cmocka_unit_test(test_what_a_broken_case_gets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
