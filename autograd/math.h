/* Mathematical functions element by element. Floats, unless a line says that integers are taken too. What is outside a
 * function's domain gives NaN or an infinity as in C, never an error. */
#ifndef AE_AUTOGRAD_MATH_H
#define AE_AUTOGRAD_MATH_H

#include "autograd/op.h"

#ifdef __cplusplus
extern "C" {
#endif

AE_API ae_tensor *ae_exp(ae_graph *g, ae_tensor *x);        /* e^x */
AE_API ae_tensor *ae_log(ae_graph *g, ae_tensor *x);        /* ln x; -inf at 0, NaN below */
AE_API ae_tensor *ae_log1p(ae_graph *g, ae_tensor *x);      /* ln(1 + x), precise near 0 */
AE_API ae_tensor *ae_expm1(ae_graph *g, ae_tensor *x);      /* e^x - 1, precise near 0 */
AE_API ae_tensor *ae_sqrt(ae_graph *g, ae_tensor *x);       /* x^(1/2); the derivative at 0 is inf */
AE_API ae_tensor *ae_rsqrt(ae_graph *g, ae_tensor *x);      /* x^(-1/2) */
AE_API ae_tensor *ae_reciprocal(ae_graph *g, ae_tensor *x); /* 1 / x */
AE_API ae_tensor *ae_square(ae_graph *g, ae_tensor *x);     /* x^2; also integers */
AE_API ae_tensor *ae_erf(ae_graph *g, ae_tensor *x);        /* 2/sqrt(pi) times the integral of e^-t^2 from 0 to x */
AE_API ae_tensor *ae_sin(ae_graph *g, ae_tensor *x);        /* sin x */
AE_API ae_tensor *ae_cos(ae_graph *g, ae_tensor *x);        /* cos x */

AE_API ae_tensor *ae_pow(ae_graph *g, ae_tensor *x, ae_tensor *y);    /* x^y; d/dy at x = 0, y >= 0 is 0 */
AE_API ae_tensor *ae_pow_scalar(ae_graph *g, ae_tensor *x, double p); /* x^p */

AE_API ae_tensor *ae_abs(ae_graph *g, ae_tensor *x);   /* |x|; the derivative at 0 is 0; also integers */
AE_API ae_tensor *ae_sign(ae_graph *g, ae_tensor *x);  /* -1, 0 or 1; no derivative; also integers */
AE_API ae_tensor *ae_floor(ae_graph *g, ae_tensor *x); /* the largest whole number <= x; no derivative */
AE_API ae_tensor *ae_ceil(ae_graph *g, ae_tensor *x);  /* the smallest whole number >= x; no derivative */
AE_API ae_tensor *ae_round(ae_graph *g, ae_tensor *x); /* the nearest whole number, halves to even; no derivative */

/* x - y floor(x / y): the sign of y, as Python's %; also integers, where x % 0 is 0 (NaN for floats). */
AE_API ae_tensor *ae_remainder(ae_graph *g, ae_tensor *x, ae_tensor *y);

/* The smaller and the larger of two; NaN when either is; where they are equal, each gets half of the gradient, as in
 * PyTorch. Also integers. */
AE_API ae_tensor *ae_minimum(ae_graph *g, ae_tensor *x, ae_tensor *y);
AE_API ae_tensor *ae_maximum(ae_graph *g, ae_tensor *x, ae_tensor *y);

/* 1 where x > y, 1/2 where x = y, 0 where x < y (1 when either is NaN): the derivative of maximum; it has none. */
AE_API ae_tensor *ae_step(ae_graph *g, ae_tensor *x, ae_tensor *y);

/* min(max(x, lo), hi), lo <= hi, which may be infinite; the derivative is 1 from lo to hi, both included. Also
 * integers. */
AE_API ae_tensor *ae_clamp(ae_graph *g, ae_tensor *x, double lo, double hi);

/* 1 where lo <= x <= hi, else 0, in x's dtype: the derivative of clamp; it has none. */
AE_API ae_tensor *ae_within(ae_graph *g, ae_tensor *x, double lo, double hi);

#define AE_MATH_OPS(ROW)                                                                                               \
    ROW(exp)                                                                                                           \
    ROW(log)                                                                                                           \
    ROW(log1p)                                                                                                         \
    ROW(expm1)                                                                                                         \
    ROW(sqrt)                                                                                                          \
    ROW(rsqrt)                                                                                                         \
    ROW(reciprocal)                                                                                                    \
    ROW(square)                                                                                                        \
    ROW(erf)                                                                                                           \
    ROW(sin)                                                                                                           \
    ROW(cos)                                                                                                           \
    ROW(pow)                                                                                                           \
    ROW(pow_scalar)                                                                                                    \
    ROW(abs)                                                                                                           \
    ROW(sign)                                                                                                          \
    ROW(floor)                                                                                                         \
    ROW(ceil)                                                                                                          \
    ROW(round)                                                                                                         \
    ROW(remainder)                                                                                                     \
    ROW(minimum)                                                                                                       \
    ROW(maximum)                                                                                                       \
    ROW(step)                                                                                                          \
    ROW(clamp)                                                                                                         \
    ROW(within)

#ifdef __cplusplus
}
#endif
#endif
