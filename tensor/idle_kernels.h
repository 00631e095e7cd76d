/* Internal to tensor/: kernels that touch no data, for dry runs. */
#ifndef AE_TENSOR_IDLE_KERNELS_H
#define AE_TENSOR_IDLE_KERNELS_H

#include "tensor/kernels.h"

/* The table of `base` with every kernel that passes over large data replaced by one that does nothing and returns zero.
 * Those that find places (max_into, min_into, find) stay: places are followed. A kernel that is not known here stays
 * too, and computes. The table is one for the process; base must be the same whenever it is in use. */
const ae_kernels *ae_kernels_idle(const ae_kernels *base);

#endif
