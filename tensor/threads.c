#include "tensor/threads.h"

#include <ctype.h>
#include <math.h>
#include <omp.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "tensor/threads_internal.h"

enum { MAX_THREADS = 4096 };

/* 0 until the first question. The only state here: OpenMP's own thread count is just as global. */
static atomic_int chosen;

int ae_threads_parse(const char *text)
{
    if (!text || !isdigit((unsigned char)text[0])) {
        return 0;
    }
    char *end;
    const long n = strtol(text, &end, 10);
    /* OMP_NUM_THREADS may be a list, one entry a nesting level: the first counts. */
    return (*end == '\0' || *end == ',') && n >= 1 && n <= MAX_THREADS ? (int)n : 0;
}

/* Reads the first line of a file of the control-group tree. */
static int read_line(const char *folder, const char *name, char *line, int size)
{
    char path[512];
    const int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = n > 0 && (size_t)n < sizeof path ? fopen(path, "re") : NULL;
    if (!f) {
        return -1;
    }
    const char *got = fgets(line, size, f);
    fclose(f);
    return got ? 0 : -1;
}

static int quota_cpus(long long quota, long long period)
{
    if (quota <= 0 || period <= 0) {
        return 0;
    }
    const long long cpus = (quota + period - 1) / period;
    return cpus > MAX_THREADS ? MAX_THREADS : (int)cpus;
}

int ae_threads_cgroup_folder(const char *folder)
{
    char line[128];
    char second[128];
    long long period;
    if (!read_line(folder, "cpu.max", line, sizeof line)) { /* version 2: "max 100000" or "150000 100000" */
        long long quota;
        return sscanf(line, "%lld %lld", &quota, &period) == 2 ? quota_cpus(quota, period) : 0;
    }
    if (!read_line(folder, "cpu.cfs_quota_us", line, sizeof line) &&
        !read_line(folder, "cpu.cfs_period_us", second, sizeof second)) { /* version 1: -1 means no limit */
        return quota_cpus(atoll(line), atoll(second));
    }
    return 0;
}

/* The smallest quota on the way from the folder of this process's group up to the root of the tree. */
static int smallest_on_path(const char *root, const char *group)
{
    char path[512];
    const int n = snprintf(path, sizeof path, "%s%s", root, group);
    if (n < 0 || (size_t)n >= sizeof path) {
        return 0;
    }
    int least = 0;
    for (;;) {
        const int cpus = ae_threads_cgroup_folder(path);
        least = cpus > 0 && (least == 0 || cpus < least) ? cpus : least;
        char *slash = strrchr(path, '/');
        if (strlen(path) <= strlen(root) || !slash) {
            return least;
        }
        *slash = '\0';
    }
}

int ae_threads_cgroup(const char *list_path, const char *tree)
{
    FILE *f = fopen(list_path, "re");
    if (!f) {
        return 0;
    }
    char line[512];
    int least = 0;
    while (fgets(line, sizeof line, f)) { /* "0::/group" (version 2) or "4:cpu,cpuacct:/group" (version 1) */
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group) {
            continue;
        }
        *group++ = '\0';
        controllers++;
        char root[256];
        if (*controllers == '\0') {
            snprintf(root, sizeof root, "%s", tree);
        } else if (!strcmp(controllers, "cpu") || !strncmp(controllers, "cpu,", 4) || strstr(controllers, ",cpu,") ||
                   (strlen(controllers) > 4 && !strcmp(controllers + strlen(controllers) - 4, ",cpu"))) {
            snprintf(root, sizeof root, "%s/cpu", tree);
        } else {
            continue;
        }
        const int cpus = smallest_on_path(root, strcmp(group, "/") ? group : "");
        least = cpus > 0 && (least == 0 || cpus < least) ? cpus : least;
    }
    fclose(f);
    return least;
}

/* The processors this process may run on. The plain cpu_set_t ends at 1024: larger machines need larger sets. */
static int affinity_cpus(void)
{
    for (int cpus = 1024; cpus <= 1 << 18; cpus *= 4) {
        cpu_set_t *set = CPU_ALLOC(cpus);
        if (!set) {
            break;
        }
        const size_t bytes = CPU_ALLOC_SIZE(cpus);
        const int count = sched_getaffinity(0, bytes, set) ? 0 : CPU_COUNT_S(bytes, set);
        CPU_FREE(set);
        if (count > 0) {
            return count;
        }
    }
    return omp_get_num_procs();
}

static int find_threads(void)
{
    int n = ae_threads_parse(getenv("AESOP_THREADS"));
    n = n ? n : ae_threads_parse(getenv("OMP_NUM_THREADS"));
    if (n) {
        return n;
    }
    const int cpus = affinity_cpus();
    const int quota = ae_threads_cgroup("/proc/self/cgroup", "/sys/fs/cgroup");
    n = quota > 0 && quota < cpus ? quota : cpus;
    return n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : n;
}

int ae_threads(void)
{
    int n = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (n == 0) {
        n = find_threads(); /* two threads may both look: they find the same */
        atomic_store_explicit(&chosen, n, memory_order_relaxed);
    }
    return n;
}

int ae_set_threads(int threads, ae_err *e)
{
    if (threads < 0 || threads > MAX_THREADS) {
        return ae_err_set(e, AE_E_VALUE, "threads: %d is outside 1..%d (0 chooses by itself)", threads, MAX_THREADS);
    }
    atomic_store_explicit(&chosen, threads ? threads : find_threads(), memory_order_relaxed);
    omp_set_num_threads(ae_threads());
    return 0;
}

/* ---- denormals --------------------------------------------------------------------------------------------------- */

#if defined(__x86_64__)
enum { FLUSH_BITS = 0x8040 }; /* MXCSR: flush to zero (bit 15), denormals are zero (bit 6) */

static void set_flush(bool flush)
{
    const unsigned old = _mm_getcsr();
    const unsigned want = flush ? old | FLUSH_BITS : old & ~(unsigned)FLUSH_BITS;
    if (old != want) {
        _mm_setcsr(want);
    }
}
#elif defined(__aarch64__)
static void set_flush(bool flush)
{
    uint64_t old;
    const uint64_t bit = UINT64_C(1) << 24; /* FPCR.FZ: inputs and results */
    __asm__ __volatile__("mrs %0, fpcr" : "=r"(old));
    const uint64_t want = flush ? old | bit : old & ~bit;
    if (old != want) {
        __asm__ __volatile__("msr fpcr, %0" : : "r"(want));
    }
}
#else
static void set_flush(bool flush)
{
    (void)flush;
}
#endif

void ae_threads_prepare(void)
{
    set_flush(true);
}

void ae_threads_restore_denormals(void)
{
    set_flush(false);
}

int ae_threads_prepare_all(void)
{
    int prepared = 0;
#pragma omp parallel num_threads(ae_threads()) reduction(+ : prepared)
    {
        ae_threads_prepare();
        prepared = 1;
    }
    return prepared;
}
