/* Comparison and choice. Comparisons broadcast, promote floats as arithmetic does, and give bool; whatever involves NaN
 * is false, but for ne. None of these but where and masked_fill has a derivative. */
#ifndef AE_AUTOGRAD_COMPARE_H
#define AE_AUTOGRAD_COMPARE_H

#include "autograd/op.h"

#ifdef __cplusplus
extern "C" {
#endif

AE_API ae_tensor *ae_eq(ae_graph *g, ae_tensor *x, ae_tensor *y); /* x = y */
AE_API ae_tensor *ae_ne(ae_graph *g, ae_tensor *x, ae_tensor *y); /* x != y */
AE_API ae_tensor *ae_lt(ae_graph *g, ae_tensor *x, ae_tensor *y); /* x < y */
AE_API ae_tensor *ae_le(ae_graph *g, ae_tensor *x, ae_tensor *y); /* x <= y */
AE_API ae_tensor *ae_gt(ae_graph *g, ae_tensor *x, ae_tensor *y); /* x > y */
AE_API ae_tensor *ae_ge(ae_graph *g, ae_tensor *x, ae_tensor *y); /* x >= y */

/* Any dtype; "not zero" is true. */
AE_API ae_tensor *ae_logical_and(ae_graph *g, ae_tensor *x, ae_tensor *y);
AE_API ae_tensor *ae_logical_or(ae_graph *g, ae_tensor *x, ae_tensor *y);
AE_API ae_tensor *ae_logical_xor(ae_graph *g, ae_tensor *x, ae_tensor *y);
AE_API ae_tensor *ae_logical_not(ae_graph *g, ae_tensor *x);

AE_API ae_tensor *ae_isfinite(ae_graph *g, ae_tensor *x); /* neither NaN nor infinite; true for every integer */
AE_API ae_tensor *ae_isnan(ae_graph *g, ae_tensor *x);    /* false for every integer */

/* x where condition (bool) holds, else y; all three broadcast; x and y may be of any dtype, equal but for floats, which
 * promote. */
AE_API ae_tensor *ae_where(ae_graph *g, ae_tensor *condition, ae_tensor *x, ae_tensor *y);

/* value where mask (bool, broadcast with x) holds, else x. */
AE_API ae_tensor *ae_masked_fill(ae_graph *g, ae_tensor *x, ae_tensor *mask, double value);

#define AE_COMPARE_OPS(ROW)                                                                                            \
    ROW(eq)                                                                                                            \
    ROW(ne)                                                                                                            \
    ROW(lt)                                                                                                            \
    ROW(le)                                                                                                            \
    ROW(gt)                                                                                                            \
    ROW(ge)                                                                                                            \
    ROW(logical_and)                                                                                                   \
    ROW(logical_or)                                                                                                    \
    ROW(logical_xor)                                                                                                   \
    ROW(logical_not)                                                                                                   \
    ROW(isfinite)                                                                                                      \
    ROW(isnan)                                                                                                         \
    ROW(where)

#ifdef __cplusplus
}
#endif
#endif
