/* Internal to autograd/: one driver for every op that works element by element.
 *
 * A kernel is a loop over a contiguous block. The driver cuts the result into blocks, hands contiguous operands through
 * as they are, gathers strided or broadcast ones into a small buffer, converts bf16 and f16 to f32 and back, and
 * spreads long results over the threads. So an op writes its formula once a type and knows nothing of strides. */
#ifndef AE_AUTOGRAD_ELEMENTWISE_H
#define AE_AUTOGRAD_ELEMENTWISE_H

#include "autograd/op.h"
#include "tensor/kernels.h"

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
    /* For ops that move elements and compute nothing: operands and result as they lie, each of its own dtype. */
    void (*bytes)(const void *const *x, void *y, int64_t n, const void *attr);
} ae_block_kernel;

/* Shape rule and forward shared by elementwise ops: operands broadcast, all of one dtype, which is the result's (bool
 * for the _bool kernels). op->kernel is an ae_block_kernel. */
int ae_elementwise_shape(ae_call *c);
int ae_elementwise_forward(ae_call *c);

/* The part of the shape rule without dtypes: output 0 is the broadcast of all operands, in dtype. */
int ae_elementwise_out(ae_call *c, ae_dtype dtype);

/* The driver itself: out = k(in...), with operands broadcast to out's shape. out is contiguous and may be one of the
 * operands. */
void ae_elementwise_run(const ae_block_kernel *k, ae_tensor *const *in, int n_in, ae_tensor *out, const void *attr);

/* For the vjp of a primitive op that has a fast kernel for its gradient: dx = k(known, dy) in one pass over buffers.
 * NULL, with nothing done, where the gradient must itself be differentiable or the kernel is not precise enough (f64);
 * the vjp then goes on in ops, which state the meaning. */
ae_tensor *ae_elementwise_grad(ae_call *c, const ae_block_kernel *k, ae_tensor *known, ae_tensor *dy);

/* Casts floats of unequal dtypes to the widest of them (bf16 and f16 to f32), in place in x; leaves everything else. */
void ae_promote(ae_graph *g, ae_tensor **x, int n);

/* Applies an elementwise op after ae_promote. */
ae_tensor *ae_elementwise(ae_graph *g, const ae_op *op, ae_tensor *const *in, int n, const void *attr,
                          size_t attr_size);

/* ---- rows ---------------------------------------------------------------------------------------------------------
 * What the rows of most elementwise ops have in common, and the public function of an op of one operand. */

#define AE_UNARY_ROW                                                                                                   \
    .min_in = 1, .max_in = 1, .n_out = 1, .shape = ae_elementwise_shape, .forward = ae_elementwise_forward
#define AE_BINARY_ROW                                                                                                  \
    .min_in = 2, .max_in = 2, .n_out = 1, .shape = ae_elementwise_shape, .forward = ae_elementwise_forward
#define AE_UNARY_FUNCTION(name)                                                                                        \
    ae_tensor *ae_##name(ae_graph *g, ae_tensor *x)                                                                    \
    {                                                                                                                  \
        return ae_apply(g, &ae_op_##name, &x, 1, NULL, 0);                                                             \
    }

/* ---- loops --------------------------------------------------------------------------------------------------------
 * Each defines one kernel function. In the formula x (and y) are the operands' elements; attr is the call's. */

#define AE_LOOP1(name, type, result, formula)                                                                          \
    static void name(const type *const *in, result *out, int64_t n, const void *attr)                                  \
    {                                                                                                                  \
        (void)attr;                                                                                                    \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            type x = in[0][i];                                                                                         \
            out[i] = (result)(formula);                                                                                \
        }                                                                                                              \
    }

#define AE_LOOP2(name, type, result, formula)                                                                          \
    static void name(const type *const *in, result *out, int64_t n, const void *attr)                                  \
    {                                                                                                                  \
        (void)attr;                                                                                                    \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            type x = in[0][i], y = in[1][i];                                                                           \
            out[i] = (result)(formula);                                                                                \
        }                                                                                                              \
    }

/* f32 functions of the table of tensor/kernels.h: y = f(x), and dx = f(known, dy). */
#define AE_TABLE1(name)                                                                                                \
    static void name##_f32(const float *const *in, float *out, int64_t n, const void *attr)                            \
    {                                                                                                                  \
        (void)attr;                                                                                                    \
        ae_kernels_get()->name(in[0], out, n);                                                                         \
    }

#define AE_TABLE2(name)                                                                                                \
    static void name##_f32(const float *const *in, float *out, int64_t n, const void *attr)                            \
    {                                                                                                                  \
        (void)attr;                                                                                                    \
        ae_kernels_get()->name(in[0], in[1], out, n);                                                                  \
    }

/* Samples of elementwise ops: an input with lo <= x < hi, a small one for variant 0, else one that crosses blocks,
 * tails and the border above which threads share the work. */
ae_tensor *ae_sample_blocks(ae_sample *s, double lo, double hi);

/* Operands for an op of two: equal shapes, broadcast both ways, large, by the variant. */
void ae_sample_operands(ae_sample *s, ae_tensor **x, double x_lo, double x_hi, ae_tensor **y, double y_lo, double y_hi);

#endif
