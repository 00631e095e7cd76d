/* Internal to autograd/: the columns of a matrix summed over its rows, as the gradient of every bias is. */
#ifndef AE_AUTOGRAD_COLUMN_SUMS_H
#define AE_AUTOGRAD_COLUMN_SUMS_H

#include "autograd/op.h"

/* sums (n) of f32 = scale times the sums over `rows` rows of n values of f32 or bf16, `row` elements apart, added in
 * double. The bits depend on the extents alone. Returns 0, or -1 with the graph's error set. */
int ae_column_sums(ae_graph *g, const void *x, ae_dtype dtype, int64_t rows, int64_t row, int64_t n, double scale,
                   float *sums);

/* The sums over the rows of x (rows,n) of f32 or bf16: a new tensor (n) of f32. */
ae_tensor *ae_column_sums_of(ae_graph *g, ae_tensor *x);

#endif
