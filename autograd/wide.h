/* Internal to autograd/: stretches of any dtype in the two types that sums are made in, double and int64. */
#ifndef AE_AUTOGRAD_WIDE_H
#define AE_AUTOGRAD_WIDE_H

#include "tensor/tensor.h"

enum { AE_WIDE = 256 }; /* elements of a buffer on the stack: 2 KiB of them stay in the first-level cache */

/* out[i] = src[i * step] of a float dtype, n elements. */
void ae_wide_load(ae_dtype dtype, const void *src, int64_t step, int64_t n, double *out);

/* dst[i * step] = x[i], rounded to a float dtype. */
void ae_wide_store(ae_dtype dtype, const double *x, void *dst, int64_t step, int64_t n);

/* The same two for integers and bool; storing wraps, and is "not zero" for bool. */
void ae_wide_load_int(ae_dtype dtype, const void *src, int64_t step, int64_t n, int64_t *out);
void ae_wide_store_int(ae_dtype dtype, const int64_t *x, void *dst, int64_t step, int64_t n);

#endif
