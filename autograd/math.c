#include "autograd/math.h"
#include "autograd/elementwise.h"
#include "autograd/ops.h"

#include <math.h>

/* Samples: a small one with lo <= x < hi, and one that crosses blocks, tails and the border above which threads share
 * the work. */
static ae_tensor *sample_input(ae_sample *s, double lo, double hi)
{
    return ae_sample_in(s, s->variant == 0 ? "3,5" : "37,1021", lo, hi);
}

/* Operands for an op of two: equal shapes, broadcast both ways, large. */
static void sample_pair(ae_sample *s, ae_tensor **x, double x_lo, double x_hi, ae_tensor **y, double y_lo, double y_hi)
{
    static const char *const shapes[][2] = {{"3,4", "3,4"}, {"2,1,4", "3,1"}, {"37,1021", "1021"}};
    *x = ae_sample_in(s, shapes[s->variant][0], x_lo, x_hi);
    *y = ae_sample_in(s, shapes[s->variant][1], y_lo, y_hi);
}

#define NO_SLOPE "constant between its jumps: the derivative is zero wherever there is one"

/* ---- exp --------------------------------------------------------------------------------------------------------- */

AE_TABLE1(exp)
AE_LOOP1(exp_f64, double, double, exp(x))

static void exp_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    gin[0] = ae_mul(c->graph, gout[0], c->out[0]);
}

static void exp_sample(ae_sample *s)
{
    s->out[0] = ae_exp(s->graph, sample_input(s, -3, 3));
}

const ae_op ae_op_exp = {
    .name = "exp",
    .formula = "e^x",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .needs = {AE_OUT(0)},
    .shape = ae_elementwise_shape,
    .forward = ae_elementwise_forward,
    .kernel = &(const ae_block_kernel){.f32 = exp_f32, .f64 = exp_f64},
    .vjp = exp_vjp,
    .sample = exp_sample,
    .samples = 1,
    .big_samples = 1,
};

ae_tensor *ae_exp(ae_graph *g, ae_tensor *x)
{
    return ae_apply(g, &ae_op_exp, &x, 1, NULL, 0);
}

/* ---- log --------------------------------------------------------------------------------------------------------- */

AE_TABLE1(log)
AE_LOOP1(log_f64, double, double, log(x))

static void log_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    gin[0] = ae_div(c->graph, gout[0], c->in[0]);
}

static void log_sample(ae_sample *s)
{
    s->out[0] = ae_log(s->graph, sample_input(s, 0.25, 4));
}

const ae_op ae_op_log = {
    .name = "log",
    .formula = "ln x",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .needs = {AE_IN(0)},
    .shape = ae_elementwise_shape,
    .forward = ae_elementwise_forward,
    .kernel = &(const ae_block_kernel){.f32 = log_f32, .f64 = log_f64},
    .vjp = log_vjp,
    .sample = log_sample,
    .samples = 1,
    .big_samples = 1,
};

ae_tensor *ae_log(ae_graph *g, ae_tensor *x)
{
    return ae_apply(g, &ae_op_log, &x, 1, NULL, 0);
}

/* ---- log1p ------------------------------------------------------------------------------------------------------- */

AE_LOOP1(log1p_f32, float, float, log1pf(x))
AE_LOOP1(log1p_f64, double, double, log1p(x))

static void log1p_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    gin[0] = ae_div(c->graph, gout[0], ae_add_scalar(c->graph, c->in[0], 1.0));
}

static void log1p_sample(ae_sample *s)
{
    s->out[0] = ae_log1p(s->graph, sample_input(s, -0.5, 4));
}

const ae_op ae_op_log1p = {
    .name = "log1p",
    .formula = "ln(1 + x)",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .needs = {AE_IN(0)},
    .shape = ae_elementwise_shape,
    .forward = ae_elementwise_forward,
    .kernel = &(const ae_block_kernel){.f32 = log1p_f32, .f64 = log1p_f64},
    .vjp = log1p_vjp,
    .sample = log1p_sample,
    .samples = 1,
    .big_samples = 1,
};

ae_tensor *ae_log1p(ae_graph *g, ae_tensor *x)
{
    return ae_apply(g, &ae_op_log1p, &x, 1, NULL, 0);
}

/* ---- expm1 ------------------------------------------------------------------------------------------------------- */

AE_LOOP1(expm1_f32, float, float, expm1f(x))
AE_LOOP1(expm1_f64, double, double, expm1(x))

static void expm1_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    gin[0] = ae_mul(c->graph, gout[0], ae_add_scalar(c->graph, c->out[0], 1.0));
}

static void expm1_sample(ae_sample *s)
{
    s->out[0] = ae_expm1(s->graph, sample_input(s, -3, 3));
}

const ae_op ae_op_expm1 = {
    .name = "expm1",
    .formula = "e^x - 1",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .needs = {AE_OUT(0)},
    .shape = ae_elementwise_shape,
    .forward = ae_elementwise_forward,
    .kernel = &(const ae_block_kernel){.f32 = expm1_f32, .f64 = expm1_f64},
    .vjp = expm1_vjp,
    .sample = expm1_sample,
    .samples = 1,
    .big_samples = 1,
};

ae_tensor *ae_expm1(ae_graph *g, ae_tensor *x)
{
    return ae_apply(g, &ae_op_expm1, &x, 1, NULL, 0);
}

/* ---- sqrt -------------------------------------------------------------------------------------------------------- */

AE_LOOP1(sqrt_f32, float, float, sqrtf(x))
AE_LOOP1(sqrt_f64, double, double, sqrt(x))

static void sqrt_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    gin[0] = ae_scale(c->graph, ae_div(c->graph, gout[0], c->out[0]), 0.5);
}

static void sqrt_sample(ae_sample *s)
{
    s->out[0] = ae_sqrt(s->graph, sample_input(s, 0.25, 4));
}

const ae_op ae_op_sqrt = {
    .name = "sqrt",
    .formula = "x^(1/2)",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .needs = {AE_OUT(0)},
    .shape = ae_elementwise_shape,
    .forward = ae_elementwise_forward,
    .kernel = &(const ae_block_kernel){.f32 = sqrt_f32, .f64 = sqrt_f64},
    .vjp = sqrt_vjp,
    .sample = sqrt_sample,
    .samples = 1,
    .big_samples = 1,
};

ae_tensor *ae_sqrt(ae_graph *g, ae_tensor *x)
{
    return ae_apply(g, &ae_op_sqrt, &x, 1, NULL, 0);
}

/* ---- rsqrt ------------------------------------------------------------------------------------------------------- */

AE_LOOP1(rsqrt_f32, float, float, 1.0f / sqrtf(x))
AE_LOOP1(rsqrt_f64, double, double, 1.0 / sqrt(x))

static void rsqrt_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    ae_tensor *y = c->out[0];
    gin[0] = ae_scale(g, ae_mul(g, gout[0], ae_mul(g, y, ae_square(g, y))), -0.5);
}

static void rsqrt_sample(ae_sample *s)
{
    s->out[0] = ae_rsqrt(s->graph, sample_input(s, 0.25, 4));
}

const ae_op ae_op_rsqrt = {
    .name = "rsqrt",
    .formula = "x^(-1/2)",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .needs = {AE_OUT(0)},
    .shape = ae_elementwise_shape,
    .forward = ae_elementwise_forward,
    .kernel = &(const ae_block_kernel){.f32 = rsqrt_f32, .f64 = rsqrt_f64},
    .vjp = rsqrt_vjp,
    .sample = rsqrt_sample,
    .samples = 1,
    .big_samples = 1,
};

ae_tensor *ae_rsqrt(ae_graph *g, ae_tensor *x)
{
    return ae_apply(g, &ae_op_rsqrt, &x, 1, NULL, 0);
}

/* ---- reciprocal -------------------------------------------------------------------------------------------------- */

AE_LOOP1(reciprocal_f32, float, float, 1.0f / x)
AE_LOOP1(reciprocal_f64, double, double, 1.0 / x)

static void reciprocal_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    gin[0] = ae_neg(c->graph, ae_mul(c->graph, gout[0], ae_square(c->graph, c->out[0])));
}

static void reciprocal_sample(ae_sample *s)
{
    s->out[0] = ae_reciprocal(s->graph, sample_input(s, 0.5, 4));
}

const ae_op ae_op_reciprocal = {
    .name = "reciprocal",
    .formula = "1 / x",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .needs = {AE_OUT(0)},
    .shape = ae_elementwise_shape,
    .forward = ae_elementwise_forward,
    .kernel = &(const ae_block_kernel){.f32 = reciprocal_f32, .f64 = reciprocal_f64},
    .vjp = reciprocal_vjp,
    .sample = reciprocal_sample,
    .samples = 1,
    .big_samples = 1,
};

ae_tensor *ae_reciprocal(ae_graph *g, ae_tensor *x)
{
    return ae_apply(g, &ae_op_reciprocal, &x, 1, NULL, 0);
}

/* ---- square ------------------------------------------------------------------------------------------------------ */

AE_LOOP1(square_f32, float, float, (x * x))
AE_LOOP1(square_f64, double, double, (x * x))
AE_LOOP1(square_i64, int64_t, int64_t, ((uint64_t)x * (uint64_t)x))

static void square_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    gin[0] = ae_scale(c->graph, ae_mul(c->graph, gout[0], c->in[0]), 2.0);
}

static void square_sample(ae_sample *s)
{
    s->out[0] = ae_square(s->graph, sample_input(s, -2, 2));
}

const ae_op ae_op_square = {
    .name = "square",
    .formula = "x^2",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .needs = {AE_IN(0)},
    .shape = ae_elementwise_shape,
    .forward = ae_elementwise_forward,
    .kernel = &(const ae_block_kernel){.f32 = square_f32, .f64 = square_f64, .i64 = square_i64},
    .vjp = square_vjp,
    .sample = square_sample,
    .samples = 1,
    .big_samples = 1,
};

ae_tensor *ae_square(ae_graph *g, ae_tensor *x)
{
    return ae_apply(g, &ae_op_square, &x, 1, NULL, 0);
}

/* ---- erf --------------------------------------------------------------------------------------------------------- */

AE_TABLE1(erf)
AE_TABLE2(erf_backward)
AE_LOOP1(erf_f64, double, double, erf(x))

static const ae_block_kernel erf_grad = {.f32 = erf_backward_f32};

static void erf_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    ae_tensor *x = c->in[0];
    gin[0] = ae_elementwise_grad(c, &erf_grad, x, gout[0]);
    if (!gin[0]) {
        ae_tensor *bell = ae_exp(g, ae_neg(g, ae_square(g, x)));
        gin[0] = ae_mul(g, gout[0], ae_scale(g, bell, M_2_SQRTPI));
    }
}

static void erf_sample(ae_sample *s)
{
    s->out[0] = ae_erf(s->graph, sample_input(s, -3, 3));
}

const ae_op ae_op_erf = {
    .name = "erf",
    .formula = "erf x",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .needs = {AE_IN(0)},
    .shape = ae_elementwise_shape,
    .forward = ae_elementwise_forward,
    .kernel = &(const ae_block_kernel){.f32 = erf_f32, .f64 = erf_f64},
    .vjp = erf_vjp,
    .sample = erf_sample,
    .samples = 1,
    .big_samples = 1,
};

ae_tensor *ae_erf(ae_graph *g, ae_tensor *x)
{
    return ae_apply(g, &ae_op_erf, &x, 1, NULL, 0);
}

/* ---- sin --------------------------------------------------------------------------------------------------------- */

AE_LOOP1(sin_f32, float, float, sinf(x))
AE_LOOP1(sin_f64, double, double, sin(x))

static void sin_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    gin[0] = ae_mul(c->graph, gout[0], ae_cos(c->graph, c->in[0]));
}

static void sin_sample(ae_sample *s)
{
    s->out[0] = ae_sin(s->graph, sample_input(s, -4, 4));
}

const ae_op ae_op_sin = {
    .name = "sin",
    .formula = "sin x",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .needs = {AE_IN(0)},
    .shape = ae_elementwise_shape,
    .forward = ae_elementwise_forward,
    .kernel = &(const ae_block_kernel){.f32 = sin_f32, .f64 = sin_f64},
    .vjp = sin_vjp,
    .sample = sin_sample,
    .samples = 1,
    .big_samples = 1,
};

ae_tensor *ae_sin(ae_graph *g, ae_tensor *x)
{
    return ae_apply(g, &ae_op_sin, &x, 1, NULL, 0);
}

/* ---- cos --------------------------------------------------------------------------------------------------------- */

AE_LOOP1(cos_f32, float, float, cosf(x))
AE_LOOP1(cos_f64, double, double, cos(x))

static void cos_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    gin[0] = ae_neg(c->graph, ae_mul(c->graph, gout[0], ae_sin(c->graph, c->in[0])));
}

static void cos_sample(ae_sample *s)
{
    s->out[0] = ae_cos(s->graph, sample_input(s, -4, 4));
}

const ae_op ae_op_cos = {
    .name = "cos",
    .formula = "cos x",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .needs = {AE_IN(0)},
    .shape = ae_elementwise_shape,
    .forward = ae_elementwise_forward,
    .kernel = &(const ae_block_kernel){.f32 = cos_f32, .f64 = cos_f64},
    .vjp = cos_vjp,
    .sample = cos_sample,
    .samples = 1,
    .big_samples = 1,
};

ae_tensor *ae_cos(ae_graph *g, ae_tensor *x)
{
    return ae_apply(g, &ae_op_cos, &x, 1, NULL, 0);
}

/* ---- pow --------------------------------------------------------------------------------------------------------- */

AE_LOOP2(pow_f32, float, float, powf(x, y))
AE_LOOP2(pow_f64, double, double, pow(x, y))

static void pow_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    ae_tensor *x = c->in[0], *y = c->in[1];
    if (c->need[0]) {
        ae_tensor *slope = ae_mul(g, y, ae_pow(g, x, ae_add_scalar(g, y, -1.0)));
        ae_tensor *constant = ae_eq(g, y, ae_scalar(g, y->dtype, 0.0)); /* where the formula may say 0 * inf */
        gin[0] = ae_mul(g, gout[0], ae_masked_fill(g, slope, constant, 0.0));
    }
    if (c->need[1]) {
        /* x^y ln x, whose limit at x = 0 is 0 for y > 0; y = 0 follows PyTorch */
        ae_tensor *zero = ae_scalar(g, x->dtype, 0.0);
        ae_tensor *flat = ae_logical_and(g, ae_eq(g, x, zero), ae_ge(g, y, zero));
        ae_tensor *base = ae_masked_fill(g, x, flat, 1.0);
        gin[1] = ae_mul(g, gout[0], ae_mul(g, c->out[0], ae_log(g, base)));
    }
}

static void pow_sample(ae_sample *s)
{
    ae_tensor *x, *y;
    sample_pair(s, &x, 0.5, 2, &y, -2, 2);
    s->out[0] = ae_pow(s->graph, x, y);
}

const ae_op ae_op_pow = {
    .name = "pow",
    .formula = "x^y",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .needs = {AE_IN(0) | AE_IN(1), AE_IN(0) | AE_IN(1) | AE_OUT(0)},
    .shape = ae_elementwise_shape,
    .forward = ae_elementwise_forward,
    .kernel = &(const ae_block_kernel){.f32 = pow_f32, .f64 = pow_f64},
    .vjp = pow_vjp,
    .sample = pow_sample,
    .samples = 2,
    .big_samples = 1,
};

ae_tensor *ae_pow(ae_graph *g, ae_tensor *x, ae_tensor *y)
{
    return ae_elementwise(g, &ae_op_pow, (ae_tensor *[]){x, y}, 2, NULL, 0);
}

/* ---- pow_scalar -------------------------------------------------------------------------------------------------- */

static void pow_scalar_f32(const float *const *in, float *out, int64_t n, const void *attr)
{
    float p = (float)*(const double *)attr;
    for (int64_t i = 0; i < n; i++) {
        out[i] = powf(in[0][i], p);
    }
}

static void pow_scalar_f64(const double *const *in, double *out, int64_t n, const void *attr)
{
    double p = *(const double *)attr;
    for (int64_t i = 0; i < n; i++) {
        out[i] = pow(in[0][i], p);
    }
}

static void pow_scalar_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    double p = *(const double *)c->attr;
    if (p == 0.0) {
        return; /* constant, also at x = 0, where the formula would say 0 * inf */
    }
    gin[0] = ae_mul(g, gout[0], ae_scale(g, ae_pow_scalar(g, c->in[0], p - 1.0), p));
}

static void pow_scalar_sample(ae_sample *s)
{
    static const double powers[] = {3.0, -0.5, 0.0, 2.5};
    ae_tensor *x = ae_sample_in(s, s->variant < 3 ? "3,5" : "37,1021", s->variant == 0 ? -2 : 0.5, 2);
    s->out[0] = ae_pow_scalar(s->graph, x, powers[s->variant]);
}

const ae_op ae_op_pow_scalar = {
    .name = "pow_scalar",
    .formula = "x^p",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .needs = {AE_IN(0)},
    .shape = ae_elementwise_shape,
    .forward = ae_elementwise_forward,
    .kernel = &(const ae_block_kernel){.f32 = pow_scalar_f32, .f64 = pow_scalar_f64},
    .vjp = pow_scalar_vjp,
    .sample = pow_scalar_sample,
    .samples = 3,
    .big_samples = 1,
};

ae_tensor *ae_pow_scalar(ae_graph *g, ae_tensor *x, double p)
{
    return ae_apply(g, &ae_op_pow_scalar, &x, 1, &p, sizeof p);
}

/* ---- abs --------------------------------------------------------------------------------------------------------- */

AE_LOOP1(abs_f32, float, float, fabsf(x))
AE_LOOP1(abs_f64, double, double, fabs(x))
AE_LOOP1(abs_i64, int64_t, int64_t, x < 0 ? 0 - (uint64_t)x : (uint64_t)x)

static void abs_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    gin[0] = ae_mul(c->graph, gout[0], ae_sign(c->graph, c->in[0]));
}

static void abs_sample(ae_sample *s)
{
    s->out[0] = ae_abs(s->graph, ae_sample_distinct(s, s->variant == 0 ? "3,5" : "37,1021"));
}

const ae_op ae_op_abs = {
    .name = "abs",
    .formula = "|x|",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .needs = {AE_IN(0)},
    .shape = ae_elementwise_shape,
    .forward = ae_elementwise_forward,
    .kernel = &(const ae_block_kernel){.f32 = abs_f32, .f64 = abs_f64, .i64 = abs_i64},
    .vjp = abs_vjp,
    .sample = abs_sample,
    .samples = 1,
    .big_samples = 1,
};

ae_tensor *ae_abs(ae_graph *g, ae_tensor *x)
{
    return ae_apply(g, &ae_op_abs, &x, 1, NULL, 0);
}

/* ---- sign -------------------------------------------------------------------------------------------------------- */

AE_LOOP1(sign_f32, float, float, x > 0 ? 1.0f : x < 0 ? -1.0f : x)
AE_LOOP1(sign_f64, double, double, x > 0 ? 1.0 : x < 0 ? -1.0 : x)
AE_LOOP1(sign_i64, int64_t, int64_t, (x > 0) - (x < 0))

static void sign_sample(ae_sample *s)
{
    s->out[0] = ae_sign(s->graph, sample_input(s, -3, 3));
}

const ae_op ae_op_sign = {
    .name = "sign",
    .formula = "-1, 0 or 1",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .shape = ae_elementwise_shape,
    .forward = ae_elementwise_forward,
    .kernel = &(const ae_block_kernel){.f32 = sign_f32, .f64 = sign_f64, .i64 = sign_i64},
    .no_vjp = NO_SLOPE,
    .sample = sign_sample,
    .samples = 1,
    .big_samples = 1,
};

ae_tensor *ae_sign(ae_graph *g, ae_tensor *x)
{
    return ae_apply(g, &ae_op_sign, &x, 1, NULL, 0);
}

/* ---- floor ------------------------------------------------------------------------------------------------------- */

AE_LOOP1(floor_f32, float, float, floorf(x))
AE_LOOP1(floor_f64, double, double, floor(x))

static void floor_sample(ae_sample *s)
{
    s->out[0] = ae_floor(s->graph, sample_input(s, -3, 3));
}

const ae_op ae_op_floor = {
    .name = "floor",
    .formula = "the largest whole number <= x",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .shape = ae_elementwise_shape,
    .forward = ae_elementwise_forward,
    .kernel = &(const ae_block_kernel){.f32 = floor_f32, .f64 = floor_f64},
    .no_vjp = NO_SLOPE,
    .sample = floor_sample,
    .samples = 1,
    .big_samples = 1,
};

ae_tensor *ae_floor(ae_graph *g, ae_tensor *x)
{
    return ae_apply(g, &ae_op_floor, &x, 1, NULL, 0);
}

/* ---- ceil -------------------------------------------------------------------------------------------------------- */

AE_LOOP1(ceil_f32, float, float, ceilf(x))
AE_LOOP1(ceil_f64, double, double, ceil(x))

static void ceil_sample(ae_sample *s)
{
    s->out[0] = ae_ceil(s->graph, sample_input(s, -3, 3));
}

const ae_op ae_op_ceil = {
    .name = "ceil",
    .formula = "the smallest whole number >= x",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .shape = ae_elementwise_shape,
    .forward = ae_elementwise_forward,
    .kernel = &(const ae_block_kernel){.f32 = ceil_f32, .f64 = ceil_f64},
    .no_vjp = NO_SLOPE,
    .sample = ceil_sample,
    .samples = 1,
    .big_samples = 1,
};

ae_tensor *ae_ceil(ae_graph *g, ae_tensor *x)
{
    return ae_apply(g, &ae_op_ceil, &x, 1, NULL, 0);
}

/* ---- round ------------------------------------------------------------------------------------------------------- */

AE_LOOP1(round_f32, float, float, rintf(x))
AE_LOOP1(round_f64, double, double, rint(x))

static void round_sample(ae_sample *s)
{
    s->out[0] = ae_round(s->graph, sample_input(s, -3, 3));
}

const ae_op ae_op_round = {
    .name = "round",
    .formula = "the nearest whole number, halves to even",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .shape = ae_elementwise_shape,
    .forward = ae_elementwise_forward,
    .kernel = &(const ae_block_kernel){.f32 = round_f32, .f64 = round_f64},
    .no_vjp = NO_SLOPE,
    .sample = round_sample,
    .samples = 1,
    .big_samples = 1,
};

ae_tensor *ae_round(ae_graph *g, ae_tensor *x)
{
    return ae_apply(g, &ae_op_round, &x, 1, NULL, 0);
}

/* ---- remainder --------------------------------------------------------------------------------------------------- */

static double modulo(double x, double y)
{
    double r = fmod(x, y);
    return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}

static int64_t modulo_i64(int64_t x, int64_t y)
{
    if (y == 0 || y == -1) {
        return 0; /* -1 apart, because the smallest integer has no positive counterpart */
    }
    int64_t r = x % y;
    return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}

AE_LOOP2(remainder_f32, float, float, (float)modulo((double)x, (double)y))
AE_LOOP2(remainder_f64, double, double, modulo(x, y))
AE_LOOP2(remainder_i64, int64_t, int64_t, modulo_i64(x, y))

static void remainder_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    gin[0] = gout[0];
    if (c->need[1]) {
        /* -floor(x / y), as the nearest whole number to (r - x) / y, which rounding cannot push over an edge */
        ae_tensor *whole = ae_round(g, ae_div(g, ae_sub(g, c->out[0], c->in[0]), c->in[1]));
        gin[1] = ae_mul(g, gout[0], whole);
    }
}

static void remainder_sample(ae_sample *s)
{
    ae_tensor *x, *y;
    sample_pair(s, &x, 2.1, 2.9, &y, 0.9, 1.02);
    s->out[0] = ae_remainder(s->graph, x, y);
}

const ae_op ae_op_remainder = {
    .name = "remainder",
    .formula = "x - y floor(x / y)",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .needs = {0, AE_IN(0) | AE_IN(1) | AE_OUT(0)},
    .shape = ae_elementwise_shape,
    .forward = ae_elementwise_forward,
    .kernel = &(const ae_block_kernel){.f32 = remainder_f32, .f64 = remainder_f64, .i64 = remainder_i64},
    .vjp = remainder_vjp,
    .sample = remainder_sample,
    .samples = 2,
    .big_samples = 1,
};

ae_tensor *ae_remainder(ae_graph *g, ae_tensor *x, ae_tensor *y)
{
    return ae_elementwise(g, &ae_op_remainder, (ae_tensor *[]){x, y}, 2, NULL, 0);
}

/* ---- minimum ----------------------------------------------------------------------------------------------------- */

AE_LOOP2(minimum_f32, float, float, x < y || isnan(x) ? x : y)
AE_LOOP2(minimum_f64, double, double, x < y || isnan(x) ? x : y)
AE_LOOP2(minimum_i64, int64_t, int64_t, x < y ? x : y)

static void minimum_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    ae_tensor *x = c->in[0], *y = c->in[1];
    if (c->need[0]) {
        gin[0] = ae_mul(g, gout[0], ae_step(g, y, x));
    }
    if (c->need[1]) {
        gin[1] = ae_mul(g, gout[0], ae_step(g, x, y));
    }
}

static void minimum_sample(ae_sample *s)
{
    ae_tensor *x, *y;
    sample_pair(s, &x, -2, 2, &y, -2, 2);
    s->out[0] = ae_minimum(s->graph, x, y);
}

const ae_op ae_op_minimum = {
    .name = "minimum",
    .formula = "the smaller of x and y",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .needs = {AE_IN(0) | AE_IN(1), AE_IN(0) | AE_IN(1)},
    .shape = ae_elementwise_shape,
    .forward = ae_elementwise_forward,
    .kernel = &(const ae_block_kernel){.f32 = minimum_f32, .f64 = minimum_f64, .i64 = minimum_i64},
    .vjp = minimum_vjp,
    .sample = minimum_sample,
    .samples = 2,
    .big_samples = 1,
};

ae_tensor *ae_minimum(ae_graph *g, ae_tensor *x, ae_tensor *y)
{
    return ae_elementwise(g, &ae_op_minimum, (ae_tensor *[]){x, y}, 2, NULL, 0);
}

/* ---- maximum ----------------------------------------------------------------------------------------------------- */

AE_LOOP2(maximum_f32, float, float, x > y || isnan(x) ? x : y)
AE_LOOP2(maximum_f64, double, double, x > y || isnan(x) ? x : y)
AE_LOOP2(maximum_i64, int64_t, int64_t, x > y ? x : y)

static void maximum_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    ae_tensor *x = c->in[0], *y = c->in[1];
    if (c->need[0]) {
        gin[0] = ae_mul(g, gout[0], ae_step(g, x, y));
    }
    if (c->need[1]) {
        gin[1] = ae_mul(g, gout[0], ae_step(g, y, x));
    }
}

static void maximum_sample(ae_sample *s)
{
    ae_tensor *x, *y;
    sample_pair(s, &x, -2, 2, &y, -2, 2);
    s->out[0] = ae_maximum(s->graph, x, y);
}

const ae_op ae_op_maximum = {
    .name = "maximum",
    .formula = "the larger of x and y",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .needs = {AE_IN(0) | AE_IN(1), AE_IN(0) | AE_IN(1)},
    .shape = ae_elementwise_shape,
    .forward = ae_elementwise_forward,
    .kernel = &(const ae_block_kernel){.f32 = maximum_f32, .f64 = maximum_f64, .i64 = maximum_i64},
    .vjp = maximum_vjp,
    .sample = maximum_sample,
    .samples = 2,
    .big_samples = 1,
};

ae_tensor *ae_maximum(ae_graph *g, ae_tensor *x, ae_tensor *y)
{
    return ae_elementwise(g, &ae_op_maximum, (ae_tensor *[]){x, y}, 2, NULL, 0);
}

/* ---- step -------------------------------------------------------------------------------------------------------- */

AE_LOOP2(step_f32, float, float, x < y ? 0.0f : x == y ? 0.5f : 1.0f)
AE_LOOP2(step_f64, double, double, x < y ? 0.0 : x == y ? 0.5 : 1.0)

static void step_sample(ae_sample *s)
{
    ae_tensor *x, *y;
    sample_pair(s, &x, -2, 2, &y, -2, 2);
    s->out[0] = ae_step(s->graph, x, y);
}

const ae_op ae_op_step = {
    .name = "step",
    .formula = "1, 1/2 or 0 where x is above, at or below y",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .shape = ae_elementwise_shape,
    .forward = ae_elementwise_forward,
    .kernel = &(const ae_block_kernel){.f32 = step_f32, .f64 = step_f64},
    .no_vjp = NO_SLOPE,
    .sample = step_sample,
    .samples = 2,
    .big_samples = 1,
};

ae_tensor *ae_step(ae_graph *g, ae_tensor *x, ae_tensor *y)
{
    return ae_elementwise(g, &ae_op_step, (ae_tensor *[]){x, y}, 2, NULL, 0);
}

/* ---- clamp ------------------------------------------------------------------------------------------------------- */

typedef struct bounds {
    double lo, hi;
} bounds;

#define CLAMP(name, type)                                                                                              \
    static void name(const type *const *in, type *out, int64_t n, const void *attr)                                    \
    {                                                                                                                  \
        const bounds *b = attr;                                                                                        \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            type x = in[0][i];                                                                                         \
            out[i] = (double)x < b->lo ? (type)b->lo : (double)x > b->hi ? (type)b->hi : x;                            \
        }                                                                                                              \
    }

CLAMP(clamp_f32, float)
CLAMP(clamp_f64, double)
CLAMP(clamp_i64, int64_t)

static void clamp_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    const bounds *b = c->attr;
    gin[0] = ae_mul(c->graph, gout[0], ae_within(c->graph, c->in[0], b->lo, b->hi));
}

static void clamp_sample(ae_sample *s)
{
    static const double hi[] = {0.51, INFINITY, 3.0};
    ae_tensor *x = ae_sample_distinct(s, s->variant < 2 ? "4,5" : "37,1021");
    s->out[0] = ae_clamp(s->graph, x, -0.52, hi[s->variant]);
}

const ae_op ae_op_clamp = {
    .name = "clamp",
    .formula = "min(max(x, lo), hi)",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .needs = {AE_IN(0)},
    .shape = ae_elementwise_shape,
    .forward = ae_elementwise_forward,
    .kernel = &(const ae_block_kernel){.f32 = clamp_f32, .f64 = clamp_f64, .i64 = clamp_i64},
    .vjp = clamp_vjp,
    .sample = clamp_sample,
    .samples = 2,
    .big_samples = 1,
};

static ae_tensor *bounded(ae_graph *g, const ae_op *op, ae_tensor *x, double lo, double hi)
{
    bounds b = {lo, hi};
    if (!(lo <= hi)) {
        return ae_fail(g, AE_E_VALUE, "%s: lo is %g and hi is %g; lo must not be above hi", op->name, lo, hi);
    }
    return ae_apply(g, op, &x, 1, &b, sizeof b);
}

ae_tensor *ae_clamp(ae_graph *g, ae_tensor *x, double lo, double hi)
{
    return bounded(g, &ae_op_clamp, x, lo, hi);
}

/* ---- within ------------------------------------------------------------------------------------------------------ */

#define WITHIN(name, type)                                                                                             \
    static void name(const type *const *in, type *out, int64_t n, const void *attr)                                    \
    {                                                                                                                  \
        const bounds *b = attr;                                                                                        \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            double x = (double)in[0][i];                                                                               \
            out[i] = (type)(x >= b->lo && x <= b->hi);                                                                 \
        }                                                                                                              \
    }

WITHIN(within_f32, float)
WITHIN(within_f64, double)

static void within_sample(ae_sample *s)
{
    s->out[0] = ae_within(s->graph, ae_sample_distinct(s, s->variant == 0 ? "4,5" : "37,1021"), -0.52, 0.51);
}

const ae_op ae_op_within = {
    .name = "within",
    .formula = "1 where lo <= x <= hi, else 0",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .shape = ae_elementwise_shape,
    .forward = ae_elementwise_forward,
    .kernel = &(const ae_block_kernel){.f32 = within_f32, .f64 = within_f64},
    .no_vjp = NO_SLOPE,
    .sample = within_sample,
    .samples = 1,
    .big_samples = 1,
};

ae_tensor *ae_within(ae_graph *g, ae_tensor *x, double lo, double hi)
{
    return bounded(g, &ae_op_within, x, lo, hi);
}
