/* Internal to autograd/: the type that values between operations have under ae_graph_precision. Products, norms and
 * attention give bf16 under that precision; parameters stay f32, and so do losses and sums of residual streams that
 * began in f32. */
#ifndef AE_AUTOGRAD_COMPUTE_TYPE_H
#define AE_AUTOGRAD_COMPUTE_TYPE_H

#include "autograd/graph.h"

/* bf16 for f32 under that precision, else the dtype itself. */
ae_dtype ae_compute_dtype(const ae_graph *g, ae_dtype dtype);

/* x in ae_compute_dtype, by a recorded cast where that differs; NULL and faulty tensors pass. */
ae_tensor *ae_to_compute(ae_graph *g, ae_tensor *x);

/* x in f32, by a recorded cast, where it is bf16 or f16: for losses. */
ae_tensor *ae_to_f32(ae_graph *g, ae_tensor *x);

/* ---- rows of f32 or bf16 for kernels that take f32 ------------------------------------------------------------------- */

/* Row i of a dense tensor of n columns as f32: where it lies, or widened into buffer. */
const float *ae_row_read(const ae_tensor *t, int64_t i, int64_t n, float *buffer);

/* Where a kernel writes row i as f32: its place, or buffer. ae_row_written then rounds buffer into its place. */
float *ae_row_place(ae_tensor *t, int64_t i, int64_t n, float *buffer);
void ae_row_written(ae_tensor *t, int64_t i, int64_t n, const float *buffer);

#endif
