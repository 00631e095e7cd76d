/* Which table of kernels is used: the processor is asked once, AESOP_ISA may lower the answer. */
#include "tensor/idle_kernels.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

extern const ae_kernels ae_kernels_base;
#if defined(AE_KERNELS_X86)
extern const ae_kernels ae_kernels_avx2;
extern const ae_kernels ae_kernels_avx512;
#endif

/* A cache of what the processor and the environment say, not a state of the library: it would be found again the same.
 * Only tests and dry runs move it. */
static const ae_kernels *_Atomic in_use;

int ae_kernels_count(void)
{
    int count = 1;
#if defined(AE_KERNELS_X86)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        count = 2;
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
            count = 3;
        }
    }
#endif
    return count;
}

const ae_kernels *ae_kernels_at(int i)
{
    static const ae_kernels *const tables[] = {
        &ae_kernels_base,
#if defined(AE_KERNELS_X86)
        &ae_kernels_avx2,
        &ae_kernels_avx512,
#endif
    };
    return i >= 0 && i < ae_kernels_count() ? tables[i] : NULL;
}

static const ae_kernels *find(const char *name)
{
    for (int i = 0; i < ae_kernels_count(); i++) {
        if (strcmp(ae_kernels_at(i)->name, name) == 0) {
            return ae_kernels_at(i);
        }
    }
    return NULL;
}

int ae_kernels_select(const char *name)
{
    bool best = name == NULL || name[0] == '\0';
    const ae_kernels *k = best ? ae_kernels_at(ae_kernels_count() - 1) : find(name);
    if (k == NULL) {
        return -1;
    }
    atomic_store_explicit(&in_use, k, memory_order_release);
    return 0;
}

const ae_kernels *ae_kernels_get(void)
{
    const ae_kernels *k = atomic_load_explicit(&in_use, memory_order_acquire);
    if (k == NULL) {
        if (ae_kernels_select(getenv("AESOP_ISA")) != 0) {
            ae_kernels_select(NULL);
        }
        k = atomic_load_explicit(&in_use, memory_order_acquire);
    }
    return k;
}

const char *ae_kernels_name(void)
{
    return ae_kernels_get()->name;
}

/* ---- dry runs ------------------------------------------------------------------------------------------------------ */

static const ae_kernels *_Atomic before_dry; /* NULL: no dry run is on */

void ae_kernels_dry_run(bool on)
{
    const ae_kernels *before = atomic_load_explicit(&before_dry, memory_order_acquire);
    if (on && !before) {
        before = ae_kernels_get();
        atomic_store_explicit(&in_use, ae_kernels_idle(before), memory_order_release);
        atomic_store_explicit(&before_dry, before, memory_order_release);
        ae_kernels_mark_dry(true);
    } else if (!on && before) {
        atomic_store_explicit(&in_use, before, memory_order_release);
        atomic_store_explicit(&before_dry, NULL, memory_order_release);
        ae_kernels_mark_dry(false);
    }
}
