/* Internal to autograd/: copying between two walks over memory. */
#ifndef AE_AUTOGRAD_COPY_H
#define AE_AUTOGRAD_COPY_H

#include "tensor/tensor.h"

/* Copies prod(shape) elements of `size` bytes (1, 2, 4 or 8); to and from are strides in elements, which may be
 * negative; the two areas do not overlap. Parallel when there is much to copy. */
void ae_copy_strided(size_t size, int ndim, const int64_t *shape, void *dst, const int64_t *to, const void *src,
                     const int64_t *from);

#endif
