/* The golden cases of a family, run and compared: what the tests of a model's numbers share. */
#ifndef AE_TESTS_GOLDEN_CASES_H
#define AE_TESTS_GOLDEN_CASES_H

#include "apps/parity.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Fails unless the case's tensors agree, and are at least so many. */
static void check_case(const char *name, int least_tensors)
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
    assert_true(n >= least_tensors);
    free(rows);
    ae_tensors_free(outputs);
    ae_case_free(c);
}

/* Checks every case whose name begins with one of the prefixes (NULL at the end); returns how many there are. */
static int check_cases(const char *const *prefixes, int least_tensors)
{
    struct dirent *entry;
    int count = 0;
    DIR *folder = opendir(AE_TEST_DIR "/golden");
    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL) {
        for (const char *const *p = prefixes; *p; p++) {
            if (strncmp(entry->d_name, *p, strlen(*p)) == 0) {
                check_case(entry->d_name, least_tensors);
                count++;
            }
        }
    }
    closedir(folder);
    return count;
}

#endif
