/* Internal to autograd/: operands of a matrix product. */
#ifndef AE_AUTOGRAD_PRODUCT_H
#define AE_AUTOGRAD_PRODUCT_H

#include "autograd/op.h"

/* x (...,M,K) as tensor/gemm.h reads it beside an operand of dtype `other`: one of its last two strides 1, in bf16
 * where the other is or the graph computes in it. */
ae_tensor *ae_product_operand(ae_graph *g, ae_tensor *x, ae_dtype other);

/* Whether products take a dtype. */
bool ae_product_takes(ae_dtype dtype);

#endif
