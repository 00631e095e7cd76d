/* Internal to autograd/: one driver for every op that works element by element.
 *
 * A kernel is a loop over a contiguous block. The driver cuts the result into blocks, hands contiguous operands through
 * as they are, gathers strided or broadcast ones into a small buffer, converts bf16 and f16 to f32 and back, and
 * spreads long results over the threads. So an op writes its formula once a type and knows nothing of strides. */
#ifndef AE_AUTOGRAD_ELEMENTWISE_H
#define AE_AUTOGRAD_ELEMENTWISE_H

#include "autograd/op.h"

enum { AE_BLOCK = 512 }; /* elements a block: four operands stay in the first-level cache */

/* Up to three operands of the computing type, n elements each; the result never overlaps an operand. attr is the
 * call's. A NULL entry means that the op does not take such dtypes. i64 serves every integer and bool dtype. */
typedef struct ae_block_kernel {
    void (*f32)(const float *const *x, float *y, int64_t n, const void *attr);
    void (*f64)(const double *const *x, double *y, int64_t n, const void *attr);
    void (*i64)(const int64_t *const *x, int64_t *y, int64_t n, const void *attr);
    /* For ops whose result is bool: the operands' type computes, one byte each comes out. */
    void (*f32_bool)(const float *const *x, uint8_t *y, int64_t n, const void *attr);
    void (*f64_bool)(const double *const *x, uint8_t *y, int64_t n, const void *attr);
    void (*i64_bool)(const int64_t *const *x, uint8_t *y, int64_t n, const void *attr);
} ae_block_kernel;

/* Shape rule and forward shared by elementwise ops: operands broadcast, all of one dtype, which is the result's (bool
 * for the _bool kernels). op->kernel is an ae_block_kernel. */
int ae_elementwise_shape(ae_call *c);
int ae_elementwise_forward(ae_call *c);

/* Applies an elementwise op after promoting floats of two dtypes (and nothing else) by ae_cast. */
ae_tensor *ae_elementwise(ae_graph *g, const ae_op *op, ae_tensor *const *in, int n, const void *attr,
                          size_t attr_size);

#endif
