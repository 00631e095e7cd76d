/* Thread counts from made-up control groups and from the environment; denormals. */
#include "tensor/threads.h"
#include "tensor/threads_internal.h"

#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64];

static void path_of(char *path, size_t size, const char *name)
{
    snprintf(path, size, "%s/%s", root, name);
}

static void put(const char *name, const char *text)
{
    char path[256];
    path_of(path, sizeof path, name);
    for (char *slash = strchr(path + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int folder(const char *name)
{
    char path[256];
    path_of(path, sizeof path, name);
    return ae_threads_cgroup_folder(path);
}

static int groups(const char *list)
{
    char path[256];
    put("list", list);
    path_of(path, sizeof path, "list");
    return ae_threads_cgroup(path, root);
}

static int make_root(void **state)
{
    (void)state;
    strcpy(root, "/tmp/ae_threads_XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", root);
    return system(command);
}

static void texts(void **state)
{
    (void)state;
    assert_int_equal(ae_threads_parse("4"), 4);
    assert_int_equal(ae_threads_parse("4,2"), 4);
    assert_int_equal(ae_threads_parse("4096"), 4096);
    static const char *const bad[] = {"", "0", "-1", "4097", "four", "4 ", "4x", "99999999999999999999", " 4"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(ae_threads_parse(bad[i]), 0);
    }
    assert_int_equal(ae_threads_parse(NULL), 0);
}

static void quotas(void **state)
{
    (void)state;
    put("free/cpu.max", "max 100000\n");
    assert_int_equal(folder("free"), 0);
    put("two/cpu.max", "200000 100000\n");
    assert_int_equal(folder("two"), 2);
    put("part/cpu.max", "150000 100000\n");
    assert_int_equal(folder("part"), 2);
    put("little/cpu.max", "1000 100000\n");
    assert_int_equal(folder("little"), 1);
    put("broken/cpu.max", "what\n");
    assert_int_equal(folder("broken"), 0);
    put("zero/cpu.max", "100000 0\n");
    assert_int_equal(folder("zero"), 0);
    put("empty/cpu.max", "");
    assert_int_equal(folder("empty"), 0);
    put("old/cpu.cfs_quota_us", "300000\n");
    assert_int_equal(folder("old"), 0); /* a quota without a period */
    put("old/cpu.cfs_period_us", "100000\n");
    assert_int_equal(folder("old"), 3);
    put("old/cpu.cfs_quota_us", "-1\n");
    assert_int_equal(folder("old"), 0);
    assert_int_equal(folder("nothing"), 0);
}

static void groups_of_a_process(void **state)
{
    (void)state;
    put("a/cpu.max", "400000 100000\n");
    put("a/b/cpu.max", "800000 100000\n");
    put("a/b/c/cpu.max", "max 100000\n");
    assert_int_equal(groups("0::/a/b/c\n"), 4); /* the tightest above counts */
    assert_int_equal(groups("0::/a/b\n"), 4);
    assert_int_equal(groups("0::/elsewhere\n"), 0);
    assert_int_equal(groups("0::/\n"), 0);
    put("cpu/job/cpu.cfs_quota_us", "100000\n");
    put("cpu/job/cpu.cfs_period_us", "50000\n");
    assert_int_equal(groups("3:memory:/job\n4:cpu,cpuacct:/job\n0::/a\n"), 2);
    assert_int_equal(groups("4:cpuset,cpu:/job\n"), 2);
    assert_int_equal(groups("4:cpuset:/job\n"), 0);
    assert_int_equal(groups("no colons\n\n"), 0);
    assert_int_equal(ae_threads_cgroup("/nonexistent/list", root), 0);
}

static void counts(void **state)
{
    (void)state;
    ae_err e = {0};
    setenv("AESOP_THREADS", "3", 1);
    setenv("OMP_NUM_THREADS", "5", 1);
    assert_int_equal(ae_set_threads(0, &e), 0);
    assert_int_equal(ae_threads(), 3);
    assert_int_equal(omp_get_max_threads(), 3);
    setenv("AESOP_THREADS", "many", 1);
    assert_int_equal(ae_set_threads(0, &e), 0);
    assert_int_equal(ae_threads(), 5);
    unsetenv("AESOP_THREADS");
    unsetenv("OMP_NUM_THREADS");
    assert_int_equal(ae_set_threads(0, &e), 0);
    assert_true(ae_threads() >= 1 && ae_threads() <= (int)sysconf(_SC_NPROCESSORS_CONF));
    assert_int_equal(ae_set_threads(2, &e), 0);
    assert_int_equal(ae_threads(), 2);
    assert_int_equal(ae_set_threads(-1, &e), -1);
    assert_int_equal(e.code, AE_E_VALUE);
    assert_string_equal(e.message, "threads: -1 is outside 1..4096 (0 chooses by itself)");
    assert_int_equal(ae_set_threads(4097, NULL), -1);
    assert_int_equal(ae_threads(), 2); /* as before */
}

/* Half the smallest normal number, computed at run time: 0 when denormals are flushed. */
static float half_of_smallest(void)
{
    volatile float smallest = 1.17549435e-38F;
    return smallest * 0.5F;
}

static void denormals(void **state)
{
    (void)state;
    ae_err e = {0};
    assert_int_equal(ae_set_threads(2, &e), 0);
    ae_threads_restore_denormals();
    assert_true(half_of_smallest() > 0);
    assert_int_equal(ae_threads_prepare_all(), 2);
#if defined(__x86_64__) || defined(__aarch64__)
    int flushed = 0;
#pragma omp parallel num_threads(2) reduction(+ : flushed)
    flushed += half_of_smallest() == 0.0F;
    assert_int_equal(flushed, 2); /* the pool's threads too, without asking again */
    volatile float denormal = 1e-39F;
    assert_true(denormal * 1e10F == 0.0F); /* as an input as well */
#endif
    ae_threads_restore_denormals();
    assert_true(half_of_smallest() > 0);
    ae_threads_prepare();
    ae_threads_prepare();
#if defined(__x86_64__) || defined(__aarch64__)
    assert_true(half_of_smallest() == 0.0F);
#endif
    ae_threads_restore_denormals();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),  cmocka_unit_test(quotas),    cmocka_unit_test(groups_of_a_process),
        cmocka_unit_test(counts), cmocka_unit_test(denormals),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
