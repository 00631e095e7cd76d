/* InferSent against the release: outputs, loss and every parameter's gradient of the golden cases. */
#include "apps/parity.h"
#include "zoo/infersent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check_case(const char *name)
{
    char dir[512];
    ae_err e = {0};
    ae_parity_row *rows = NULL;
    int n = 0;
    snprintf(dir, sizeof dir, "%s/golden/%s", AE_TEST_DIR, name);
    ae_case *c = ae_case_read(dir, &e);
    ae_tensors *outputs = ae_tensors_new();
    if (!c || ae_case_run(c, false, outputs, &e) != 0) {
        fail_msg("%s: %s", name, e.message);
    }
    int failures = ae_case_compare(c, outputs, false, &rows, &n, &e);
    if (failures != 0) {
        fail_msg("%s: %d tensors differ, worst %s by %.3g of what is allowed", name, failures,
                 rows ? rows[0].name : "?", rows ? rows[0].fraction : 0);
    }
    assert_true(n >= 4);
    free(rows);
    ae_tensors_free(outputs);
    ae_case_free(c);
}

static void golden_cases_agree(void **state)
{
    static const char *const names[] = {
        "infersent_v1_max",    "infersent_v2_max",  "infersent_yang_attn", "infersent_bgrulast",
        "infersent_blstmproj", "infersent_convnet", "infersent_nlinet",    "infersent_nlinet_tanh",
    };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        check_case(names[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_cases_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
