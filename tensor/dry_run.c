/* Whether a dry run is on: apart from the kernels, so that programs that only read files need none of them. */
#include "tensor/kernels.h"

#include <stdatomic.h>

static atomic_bool on;

bool ae_kernels_dry(void)
{
    return atomic_load_explicit(&on, memory_order_acquire);
}

void ae_kernels_mark_dry(bool dry)
{
    atomic_store_explicit(&on, dry, memory_order_release);
}
