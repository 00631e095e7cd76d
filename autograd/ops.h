/* All operations, by family. Every one takes the graph first, and what it returns lives in that graph. Axes may be
 * negative; shapes broadcast as in NumPy; floats of two dtypes promote bf16 -> f32 -> f64; integers never promote. */
#ifndef AE_AUTOGRAD_OPS_H
#define AE_AUTOGRAD_OPS_H

#include "autograd/activation.h"
#include "autograd/arithmetic.h"
#include "autograd/attention.h"
#include "autograd/compare.h"
#include "autograd/convolution.h"
#include "autograd/create.h"
#include "autograd/draw.h"
#include "autograd/dropout.h"
#include "autograd/einsum.h"
#include "autograd/index.h"
#include "autograd/loss.h"
#include "autograd/math.h"
#include "autograd/matmul.h"
#include "autograd/norm.h"
#include "autograd/recurrent.h"
#include "autograd/reduce.h"
#include "autograd/shape.h"
#include "autograd/softmax.h"

/* The list: one row an op, by family. Tests, `aesop list ops` and docs walk it. */
#define AE_OPS(ROW)                                                                                                    \
    AE_ARITHMETIC_OPS(ROW)                                                                                             \
    AE_MATMUL_OPS(ROW)                                                                                                 \
    AE_INDEX_OPS(ROW)                                                                                                  \
    AE_ACTIVATION_OPS(ROW)                                                                                             \
    AE_MATH_OPS(ROW)                                                                                                   \
    AE_COMPARE_OPS(ROW)                                                                                                \
    AE_DRAW_OPS(ROW)                                                                                                   \
    AE_DROPOUT_OPS(ROW)                                                                                                \
    AE_CONVOLUTION_OPS(ROW)                                                                                            \
    AE_RECURRENT_OPS(ROW)                                                                                              \
    AE_REDUCE_OPS(ROW)                                                                                                 \
    AE_SHAPE_OPS(ROW)                                                                                                  \
    AE_SOFTMAX_OPS(ROW)                                                                                                \
    AE_NORM_OPS(ROW)                                                                                                   \
    AE_LOSS_OPS(ROW)                                                                                                   \
    AE_ATTENTION_OPS(ROW)

#ifdef __cplusplus
extern "C" {
#endif

#define AE_OP_DECLARE(name) extern const ae_op ae_op_##name;
AE_OPS(AE_OP_DECLARE)
#undef AE_OP_DECLARE

/* The ops of the list; n receives their number. */
AE_API const ae_op *const *ae_op_list(int *n);

/* An op of the list by name; NULL when there is none. */
AE_API const ae_op *ae_op_find(const char *name);

#ifdef __cplusplus
}
#endif
#endif
