/* Arithmetic and comparison, with broadcasting. */
#ifndef AE_AUTOGRAD_ARITHMETIC_H
#define AE_AUTOGRAD_ARITHMETIC_H

#include "autograd/op.h"

#ifdef __cplusplus
extern "C" {
#endif

AE_API ae_tensor *ae_add(ae_graph *g, ae_tensor *x, ae_tensor *y); /* x + y */
AE_API ae_tensor *ae_sub(ae_graph *g, ae_tensor *x, ae_tensor *y); /* x - y */
AE_API ae_tensor *ae_mul(ae_graph *g, ae_tensor *x, ae_tensor *y); /* x y */
AE_API ae_tensor *ae_div(ae_graph *g, ae_tensor *x, ae_tensor *y); /* x / y; integers truncate, x / 0 is 0 there */
AE_API ae_tensor *ae_neg(ae_graph *g, ae_tensor *x);               /* -x */

/* scale x + shift, for floats; integers take whole numbers. */
AE_API ae_tensor *ae_affine(ae_graph *g, ae_tensor *x, double scale, double shift);
AE_API ae_tensor *ae_scale(ae_graph *g, ae_tensor *x, double scale);      /* scale x */
AE_API ae_tensor *ae_add_scalar(ae_graph *g, ae_tensor *x, double shift); /* x + shift */

/* The values converted; float to integer truncates toward zero, anything to bool is "not zero". */
AE_API ae_tensor *ae_cast(ae_graph *g, ae_tensor *x, ae_dtype dtype);

#define AE_ARITHMETIC_OPS(ROW) ROW(add) ROW(sub) ROW(mul) ROW(div) ROW(affine) ROW(cast)

#ifdef __cplusplus
}
#endif
#endif
