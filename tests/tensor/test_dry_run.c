/* Dry runs: kernels that compute nothing but keep the name, and the table of before when they end. */
#include "tensor/kernels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void dry_runs_compute_nothing(void **state)
{
    float x[4] = {1, 2, 3, 4}, y[4] = {9, 9, 9, 9};
    (void)state;
    const ae_kernels *before = ae_kernels_get();
    assert_false(ae_kernels_dry());
    ae_kernels_dry_run(true);
    ae_kernels_dry_run(true);
    assert_true(ae_kernels_dry() && ae_kernels_get() != before);
    assert_string_equal(ae_kernels_get()->name, before->name);
    ae_kernels_get()->exp(x, y, 4);
    ae_kernels_get()->add(x, x, y, 4);
    ae_kernels_get()->matmul(2, 2, 2, 1, x, 2, 1, x, 2, y, 2, false);
    assert_true(y[0] == 9 && y[3] == 9);
    assert_true(ae_kernels_get()->sum(x, 4) == 0);
    assert_int_equal(ae_kernels_get()->find(x, 3, 4), 2); /* places are followed, so they are true */
    ae_kernels_dry_run(false);
    ae_kernels_dry_run(false);
    assert_true(ae_kernels_get() == before && !ae_kernels_dry());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dry_runs_compute_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
