#include "tensor/atomic_file_internal.h"

#include "file_faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "atomic_XXXXXX";
static char target[64];

static void put_old(void)
{
    FILE *f = fopen(target, "wb");
    assert_non_null(f);
    assert_int_equal(fputs("old", f) >= 0, 1);
    fclose(f);
}

static int save(const ae_file_calls *calls, ae_err *e)
{
    ae_atomic_file *f = ae_atomic_open_with(target, calls, e);
    if (!f) {
        return -1;
    }
    if (ae_atomic_write(f, "new ", 4, e) != 0 || ae_atomic_write(f, "content", 7, e) != 0) {
        ae_atomic_abort(f);
        return -1;
    }
    return ae_atomic_commit(f, e);
}

/* Every call in turn fails with `reason`; the target is whole, old or new, and new only when the rename was done. */
static void try_all(int reason, bool crash, bool partial)
{
    bool done = false;
    for (int at = 0; !done; at++) {
        put_old();
        file_faults faults = {.at = at, .reason = reason, .crash = crash, .partial = partial};
        ae_file_calls calls = file_faults_calls(&faults);
        ae_err e = {0};
        int result = save(&calls, &e);
        done = !faults.hit;
        char *text = file_text(target, NULL);
        assert_string_equal(text, faults.renamed ? "new content" : "old");
        free(text);
        if (done) {
            assert_int_equal(result, 0);
            assert_true(at >= 8); /* open, two writes, fsync, close, rename, and the folder's open, fsync, close */
        } else if (!(partial && result == 0)) {
            assert_int_equal(result, -1);
            assert_int_equal(e.code, AE_E_IO);
            assert_non_null(strstr(e.message, strerror(reason)));
            assert_non_null(strstr(e.message, "target.bin"));
        }
        int left = count_files(folder);
        assert_true(crash ? left <= 2 : left == 1);
        remove_temporaries(folder);
    }
}

static void test_each_call_fails(void **state)
{
    (void)state;
    try_all(ENOSPC, false, false);
    try_all(EIO, false, false);
}

/* After a crash nothing more happens, not even the removal of the temporary file. */
static void test_crash_at_each_call(void **state)
{
    (void)state;
    try_all(EIO, true, false);
}

static void test_partial_writes_are_continued(void **state)
{
    (void)state;
    try_all(ENOSPC, false, true);
}

static void test_interrupted_write_is_repeated(void **state)
{
    (void)state;
    put_old();
    file_faults faults = {.at = 1, .reason = EINTR, .crash = false};
    ae_file_calls calls = file_faults_calls(&faults);
    assert_int_equal(save(&calls, NULL), 0);
    assert_true(faults.hit);
    char *text = file_text(target, NULL);
    assert_string_equal(text, "new content");
    free(text);
}

static void test_failed_write_sticks(void **state)
{
    (void)state;
    file_faults faults = {.at = 1, .reason = ENOSPC};
    ae_file_calls calls = file_faults_calls(&faults);
    ae_atomic_file *f = ae_atomic_open_with(target, &calls, NULL);
    assert_int_equal(ae_atomic_write(f, "a", 1, NULL), -1);
    ae_err e = {0};
    assert_int_equal(ae_atomic_write(f, "b", 1, &e), -1);
    assert_non_null(strstr(e.message, "an earlier write failed"));
    ae_err_clear(&e);
    assert_int_equal(ae_atomic_commit(f, &e), -1);
    assert_non_null(strstr(e.message, "an earlier write failed"));
    assert_int_equal(count_files(folder), 1);
}

static void test_bad_targets(void **state)
{
    (void)state;
    ae_err e = {0};
    assert_null(ae_atomic_open("", &e));
    assert_non_null(strstr(e.message, "an empty file name"));
    ae_err_clear(&e);
    assert_null(ae_atomic_open("no/such/folder/x", &e));
    assert_non_null(strstr(e.message, "no/such/folder/x: cannot create a temporary file in the folder no/such/folder"));
    ae_err_clear(&e);
    assert_null(ae_atomic_open(folder, &e));
    assert_non_null(strstr(e.message, "not a regular file"));
    ae_err_clear(&e);
    assert_int_equal(ae_atomic_save("/dev/null", "x", 1, &e), -1);
    assert_non_null(strstr(e.message, "not a regular file"));
}

static void test_links_and_permissions(void **state)
{
    (void)state;
    put_old();
    assert_int_equal(chmod(target, 0640), 0);
    char link_path[96];
    snprintf(link_path, sizeof link_path, "%s/link", folder);
    assert_int_equal(symlink("target.bin", link_path), 0);
    ae_err e = {0};
    assert_int_equal(ae_atomic_save(link_path, "through", 7, &e), 0);
    char *text = file_text(target, NULL);
    assert_string_equal(text, "through");
    free(text);
    struct stat info;
    assert_int_equal(lstat(link_path, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(stat(target, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    unlink(link_path);
}

static void test_abort_leaves_the_old_file(void **state)
{
    (void)state;
    put_old();
    ae_atomic_file *f = ae_atomic_open(target, NULL);
    assert_non_null(f);
    assert_int_equal(access(ae_atomic_temporary(f), F_OK), 0);
    assert_int_equal(ae_atomic_write(f, "x", 1, NULL), 0);
    ae_atomic_abort(f);
    ae_atomic_abort(NULL);
    char *text = file_text(target, NULL);
    assert_string_equal(text, "old");
    free(text);
    assert_int_equal(count_files(folder), 1);
}

int main(void)
{
    if (!mkdtemp(folder)) {
        return 1;
    }
    snprintf(target, sizeof target, "%s/target.bin", folder);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_call_fails),
        cmocka_unit_test(test_crash_at_each_call),
        cmocka_unit_test(test_partial_writes_are_continued),
        cmocka_unit_test(test_interrupted_write_is_repeated),
        cmocka_unit_test(test_failed_write_sticks),
        cmocka_unit_test(test_bad_targets),
        cmocka_unit_test(test_links_and_permissions),
        cmocka_unit_test(test_abort_leaves_the_old_file),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(target);
    rmdir(folder);
    return failed;
}
