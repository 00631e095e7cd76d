#include "tensor/counters.h"

#include <stdatomic.h>
#include <string.h>

static const char *const names[] = {
#define AE_KERNEL_NAME(symbol, name) name,
    AE_KERNELS(AE_KERNEL_NAME)
#undef AE_KERNEL_NAME
};

/* Statistics for reports: no result depends on them, so relaxed order is enough. */
static atomic_llong counts[AE_KERNEL_COUNT];

void ae_kernel_called(ae_kernel kernel)
{
    if ((unsigned)kernel < AE_KERNEL_COUNT) {
        atomic_fetch_add_explicit(&counts[kernel], 1, memory_order_relaxed);
    }
}

void ae_kernel_seen(ae_kernel kernel)
{
    if ((unsigned)kernel < AE_KERNEL_COUNT && atomic_load_explicit(&counts[kernel], memory_order_relaxed) == 0) {
        atomic_store_explicit(&counts[kernel], 1, memory_order_relaxed);
    }
}

const char *ae_kernel_name(int kernel)
{
    return kernel >= 0 && kernel < AE_KERNEL_COUNT ? names[kernel] : "?";
}

int64_t ae_kernel_count_at(int kernel)
{
    if (kernel < 0 || kernel >= AE_KERNEL_COUNT) {
        return -1;
    }
    return atomic_load_explicit(&counts[kernel], memory_order_relaxed);
}

int64_t ae_kernel_count(const char *name)
{
    for (int i = 0; name && i < AE_KERNEL_COUNT; i++) {
        if (!strcmp(names[i], name)) {
            return ae_kernel_count_at(i);
        }
    }
    return -1;
}

void ae_kernel_counts_reset(void)
{
    for (int i = 0; i < AE_KERNEL_COUNT; i++) {
        atomic_store_explicit(&counts[i], 0, memory_order_relaxed);
    }
}
