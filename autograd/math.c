#include "autograd/math.h"
#include "autograd/elementwise.h"
#include "autograd/ops.h"

#include <math.h>

/* ---- exp --------------------------------------------------------------------------------------------------------- */

AE_TABLE1(exp)
AE_LOOP1(exp_f64, double, double, exp(x))

static void exp_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    gin[0] = ae_mul(c->graph, gout[0], c->out[0]);
}

static void exp_sample(ae_sample *s)
{
    s->out[0] = ae_exp(s->graph, ae_sample_blocks(s, -3, 3));
}

const ae_op ae_op_exp = {
    .name = "exp",
    .formula = "e^x",
    AE_UNARY_ROW,
    .needs = {AE_OUT(0)},
    .kernel = &(const ae_block_kernel){.f32 = exp_f32, .f64 = exp_f64},
    .vjp = exp_vjp,
    .sample = exp_sample,
    .samples = 1,
    .big_samples = 1,
};

AE_UNARY_FUNCTION(exp)

/* ---- log --------------------------------------------------------------------------------------------------------- */

AE_TABLE1(log)
AE_LOOP1(log_f64, double, double, log(x))

static void log_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    gin[0] = ae_div(c->graph, gout[0], c->in[0]);
}

static void log_sample(ae_sample *s)
{
    s->out[0] = ae_log(s->graph, ae_sample_blocks(s, 0.25, 4));
}

const ae_op ae_op_log = {
    .name = "log",
    .formula = "ln x",
    AE_UNARY_ROW,
    .needs = {AE_IN(0)},
    .kernel = &(const ae_block_kernel){.f32 = log_f32, .f64 = log_f64},
    .vjp = log_vjp,
    .sample = log_sample,
    .samples = 1,
    .big_samples = 1,
};

AE_UNARY_FUNCTION(log)

/* ---- log1p ------------------------------------------------------------------------------------------------------- */

AE_LOOP1(log1p_f32, float, float, log1pf(x))
AE_LOOP1(log1p_f64, double, double, log1p(x))

static void log1p_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    gin[0] = ae_div(c->graph, gout[0], ae_add_scalar(c->graph, c->in[0], 1.0));
}

static void log1p_sample(ae_sample *s)
{
    s->out[0] = ae_log1p(s->graph, ae_sample_blocks(s, -0.5, 4));
}

const ae_op ae_op_log1p = {
    .name = "log1p",
    .formula = "ln(1 + x)",
    AE_UNARY_ROW,
    .needs = {AE_IN(0)},
    .kernel = &(const ae_block_kernel){.f32 = log1p_f32, .f64 = log1p_f64},
    .vjp = log1p_vjp,
    .sample = log1p_sample,
    .samples = 1,
    .big_samples = 1,
};

AE_UNARY_FUNCTION(log1p)

/* ---- expm1 ------------------------------------------------------------------------------------------------------- */

AE_LOOP1(expm1_f32, float, float, expm1f(x))
AE_LOOP1(expm1_f64, double, double, expm1(x))

static void expm1_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    gin[0] = ae_mul(c->graph, gout[0], ae_add_scalar(c->graph, c->out[0], 1.0));
}

static void expm1_sample(ae_sample *s)
{
    s->out[0] = ae_expm1(s->graph, ae_sample_blocks(s, -3, 3));
}

const ae_op ae_op_expm1 = {
    .name = "expm1",
    .formula = "e^x - 1",
    AE_UNARY_ROW,
    .needs = {AE_OUT(0)},
    .kernel = &(const ae_block_kernel){.f32 = expm1_f32, .f64 = expm1_f64},
    .vjp = expm1_vjp,
    .sample = expm1_sample,
    .samples = 1,
    .big_samples = 1,
};

AE_UNARY_FUNCTION(expm1)

/* ---- sqrt -------------------------------------------------------------------------------------------------------- */

AE_LOOP1(sqrt_f32, float, float, sqrtf(x))
AE_LOOP1(sqrt_f64, double, double, sqrt(x))

static void sqrt_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    gin[0] = ae_scale(c->graph, ae_div(c->graph, gout[0], c->out[0]), 0.5);
}

static void sqrt_sample(ae_sample *s)
{
    s->out[0] = ae_sqrt(s->graph, ae_sample_blocks(s, 0.25, 4));
}

const ae_op ae_op_sqrt = {
    .name = "sqrt",
    .formula = "x^(1/2)",
    AE_UNARY_ROW,
    .needs = {AE_OUT(0)},
    .kernel = &(const ae_block_kernel){.f32 = sqrt_f32, .f64 = sqrt_f64},
    .vjp = sqrt_vjp,
    .sample = sqrt_sample,
    .samples = 1,
    .big_samples = 1,
};

AE_UNARY_FUNCTION(sqrt)

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
    s->out[0] = ae_rsqrt(s->graph, ae_sample_blocks(s, 0.25, 4));
}

const ae_op ae_op_rsqrt = {
    .name = "rsqrt",
    .formula = "x^(-1/2)",
    AE_UNARY_ROW,
    .needs = {AE_OUT(0)},
    .kernel = &(const ae_block_kernel){.f32 = rsqrt_f32, .f64 = rsqrt_f64},
    .vjp = rsqrt_vjp,
    .sample = rsqrt_sample,
    .samples = 1,
    .big_samples = 1,
};

AE_UNARY_FUNCTION(rsqrt)

/* ---- reciprocal -------------------------------------------------------------------------------------------------- */

AE_LOOP1(reciprocal_f32, float, float, 1.0f / x)
AE_LOOP1(reciprocal_f64, double, double, 1.0 / x)

static void reciprocal_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    gin[0] = ae_neg(c->graph, ae_mul(c->graph, gout[0], ae_square(c->graph, c->out[0])));
}

static void reciprocal_sample(ae_sample *s)
{
    s->out[0] = ae_reciprocal(s->graph, ae_sample_blocks(s, 0.5, 4));
}

const ae_op ae_op_reciprocal = {
    .name = "reciprocal",
    .formula = "1 / x",
    AE_UNARY_ROW,
    .needs = {AE_OUT(0)},
    .kernel = &(const ae_block_kernel){.f32 = reciprocal_f32, .f64 = reciprocal_f64},
    .vjp = reciprocal_vjp,
    .sample = reciprocal_sample,
    .samples = 1,
    .big_samples = 1,
};

AE_UNARY_FUNCTION(reciprocal)

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
    s->out[0] = ae_square(s->graph, ae_sample_blocks(s, -2, 2));
}

const ae_op ae_op_square = {
    .name = "square",
    .formula = "x^2",
    AE_UNARY_ROW,
    .needs = {AE_IN(0)},
    .kernel = &(const ae_block_kernel){.f32 = square_f32, .f64 = square_f64, .i64 = square_i64},
    .vjp = square_vjp,
    .sample = square_sample,
    .samples = 1,
    .big_samples = 1,
};

AE_UNARY_FUNCTION(square)

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
    s->out[0] = ae_erf(s->graph, ae_sample_blocks(s, -3, 3));
}

const ae_op ae_op_erf = {
    .name = "erf",
    .formula = "erf x",
    AE_UNARY_ROW,
    .needs = {AE_IN(0)},
    .kernel = &(const ae_block_kernel){.f32 = erf_f32, .f64 = erf_f64},
    .vjp = erf_vjp,
    .sample = erf_sample,
    .samples = 1,
    .big_samples = 1,
};

AE_UNARY_FUNCTION(erf)

/* ---- sin --------------------------------------------------------------------------------------------------------- */

AE_LOOP1(sin_f32, float, float, sinf(x))
AE_LOOP1(sin_f64, double, double, sin(x))

static void sin_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    gin[0] = ae_mul(c->graph, gout[0], ae_cos(c->graph, c->in[0]));
}

static void sin_sample(ae_sample *s)
{
    s->out[0] = ae_sin(s->graph, ae_sample_blocks(s, -4, 4));
}

const ae_op ae_op_sin = {
    .name = "sin",
    .formula = "sin x",
    AE_UNARY_ROW,
    .needs = {AE_IN(0)},
    .kernel = &(const ae_block_kernel){.f32 = sin_f32, .f64 = sin_f64},
    .vjp = sin_vjp,
    .sample = sin_sample,
    .samples = 1,
    .big_samples = 1,
};

AE_UNARY_FUNCTION(sin)

/* ---- cos --------------------------------------------------------------------------------------------------------- */

AE_LOOP1(cos_f32, float, float, cosf(x))
AE_LOOP1(cos_f64, double, double, cos(x))

static void cos_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    gin[0] = ae_neg(c->graph, ae_mul(c->graph, gout[0], ae_sin(c->graph, c->in[0])));
}

static void cos_sample(ae_sample *s)
{
    s->out[0] = ae_cos(s->graph, ae_sample_blocks(s, -4, 4));
}

const ae_op ae_op_cos = {
    .name = "cos",
    .formula = "cos x",
    AE_UNARY_ROW,
    .needs = {AE_IN(0)},
    .kernel = &(const ae_block_kernel){.f32 = cos_f32, .f64 = cos_f64},
    .vjp = cos_vjp,
    .sample = cos_sample,
    .samples = 1,
    .big_samples = 1,
};

AE_UNARY_FUNCTION(cos)

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
    ae_sample_operands(s, &x, 0.5, 2, &y, -2, 2);
    s->out[0] = ae_pow(s->graph, x, y);
}

const ae_op ae_op_pow = {
    .name = "pow",
    .formula = "x^y",
    AE_BINARY_ROW,
    .needs = {AE_IN(0) | AE_IN(1), AE_IN(0) | AE_IN(1) | AE_OUT(0)},
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
    AE_UNARY_ROW,
    .needs = {AE_IN(0)},
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
