#include "autograd/activation.h"
#include "autograd/elementwise.h"
#include "autograd/ops.h"

#include <math.h>

/* Each vjp has two halves: one pass with the kernel of the gradient, and the same in ops, which says what it means and
 * serves f64 and derivatives of derivatives. */

/* Samples: a small one, and one that crosses blocks, tails and the border above which threads share the work. */
static ae_tensor *sample_input(ae_sample *s)
{
    return ae_sample_in(s, s->variant == 0 ? "3,5" : "37,1021", -4, 4);
}

/* ---- relu -------------------------------------------------------------------------------------------------------- */

AE_TABLE1(relu)
AE_TABLE2(relu_backward)
AE_LOOP1(relu_f64, double, double, x > 0 || isnan(x) ? x : 0)

static const ae_block_kernel relu_grad = {.f32 = relu_backward_f32};

static void relu_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    ae_tensor *y = c->out[0];
    gin[0] = ae_elementwise_grad(c, &relu_grad, y, gout[0]);
    if (!gin[0]) {
        ae_tensor *passes = ae_sign(g, y); /* y is never negative */
        gin[0] = ae_mul(g, gout[0], passes);
    }
}

static void relu_sample(ae_sample *s)
{
    s->out[0] = ae_relu(s->graph, s->variant == 0 ? ae_sample_distinct(s, "3,5") : sample_input(s));
}

const ae_op ae_op_relu = {
    .name = "relu",
    .formula = "max(x, 0)",
    AE_UNARY_ROW,
    .needs = {AE_OUT(0)},
    .kernel = &(const ae_block_kernel){.f32 = relu_f32, .f64 = relu_f64},
    .vjp = relu_vjp,
    .sample = relu_sample,
    .samples = 1,
    .big_samples = 1,
};

AE_UNARY_FUNCTION(relu)

/* ---- gelu -------------------------------------------------------------------------------------------------------- */

AE_TABLE1(gelu)
AE_TABLE2(gelu_backward)
AE_LOOP1(gelu_f64, double, double, 0.5 * x * erfc(-x * M_SQRT1_2))

static const ae_block_kernel gelu_grad = {.f32 = gelu_backward_f32};

static void gelu_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    ae_tensor *x = c->in[0];
    gin[0] = ae_elementwise_grad(c, &gelu_grad, x, gout[0]);
    if (!gin[0]) {
        /* Phi(x) + x phi(x), phi the density of the normal distribution */
        ae_tensor *cdf = ae_affine(g, ae_erf(g, ae_scale(g, x, M_SQRT1_2)), 0.5, 0.5);
        ae_tensor *density = ae_scale(g, ae_exp(g, ae_scale(g, ae_square(g, x), -0.5)), M_SQRT1_2 * 0.5 * M_2_SQRTPI);
        gin[0] = ae_mul(g, gout[0], ae_add(g, cdf, ae_mul(g, x, density)));
    }
}

static void gelu_sample(ae_sample *s)
{
    s->out[0] = ae_gelu(s->graph, sample_input(s));
}

const ae_op ae_op_gelu = {
    .name = "gelu",
    .formula = "x Phi(x)",
    AE_UNARY_ROW,
    .needs = {AE_IN(0)},
    .kernel = &(const ae_block_kernel){.f32 = gelu_f32, .f64 = gelu_f64},
    .vjp = gelu_vjp,
    .sample = gelu_sample,
    .samples = 1,
    .big_samples = 1,
};

AE_UNARY_FUNCTION(gelu)

/* ---- gelu_tanh --------------------------------------------------------------------------------------------------- */

AE_TABLE1(gelu_tanh)
AE_TABLE2(gelu_tanh_backward)

#define CUBIC 0.044715
#define ROOT_2_OVER_PI (M_SQRT1_2 * M_2_SQRTPI)

AE_LOOP1(gelu_tanh_f64, double, double, 0.5 * x * (1.0 + tanh(ROOT_2_OVER_PI * (x + CUBIC * x * x * x))))

static const ae_block_kernel gelu_tanh_grad = {.f32 = gelu_tanh_backward_f32};

static void gelu_tanh_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    ae_tensor *x = c->in[0];
    gin[0] = ae_elementwise_grad(c, &gelu_tanh_grad, x, gout[0]);
    if (!gin[0]) {
        /* with t = tanh(u(x)): (1 + t)/2 + x (1 - t^2) u'(x) / 2 */
        ae_tensor *xx = ae_square(g, x);
        ae_tensor *u = ae_scale(g, ae_mul(g, x, ae_affine(g, xx, CUBIC, 1.0)), ROOT_2_OVER_PI);
        ae_tensor *du = ae_affine(g, xx, 3.0 * CUBIC * ROOT_2_OVER_PI, ROOT_2_OVER_PI);
        ae_tensor *t = ae_tanh(g, u);
        ae_tensor *dt = ae_mul(g, ae_affine(g, ae_square(g, t), -0.5, 0.5), du);
        gin[0] = ae_mul(g, gout[0], ae_add(g, ae_affine(g, t, 0.5, 0.5), ae_mul(g, x, dt)));
    }
}

static void gelu_tanh_sample(ae_sample *s)
{
    s->out[0] = ae_gelu_tanh(s->graph, sample_input(s));
}

const ae_op ae_op_gelu_tanh = {
    .name = "gelu_tanh",
    .formula = "x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2",
    AE_UNARY_ROW,
    .needs = {AE_IN(0)},
    .kernel = &(const ae_block_kernel){.f32 = gelu_tanh_f32, .f64 = gelu_tanh_f64},
    .vjp = gelu_tanh_vjp,
    .sample = gelu_tanh_sample,
    .samples = 1,
    .big_samples = 1,
};

AE_UNARY_FUNCTION(gelu_tanh)

/* ---- silu -------------------------------------------------------------------------------------------------------- */

AE_TABLE1(silu)
AE_TABLE2(silu_backward)
AE_LOOP1(silu_f64, double, double, x / (1.0 + exp(-x)))

static const ae_block_kernel silu_grad = {.f32 = silu_backward_f32};

static void silu_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    ae_tensor *x = c->in[0];
    gin[0] = ae_elementwise_grad(c, &silu_grad, x, gout[0]);
    if (!gin[0]) {
        /* s + x s (1 - s) */
        ae_tensor *s = ae_sigmoid(g, x);
        ae_tensor *ds = ae_mul(g, s, ae_affine(g, s, -1.0, 1.0));
        gin[0] = ae_mul(g, gout[0], ae_add(g, s, ae_mul(g, x, ds)));
    }
}

static void silu_sample(ae_sample *s)
{
    s->out[0] = ae_silu(s->graph, sample_input(s));
}

const ae_op ae_op_silu = {
    .name = "silu",
    .formula = "x sigmoid(x)",
    AE_UNARY_ROW,
    .needs = {AE_IN(0)},
    .kernel = &(const ae_block_kernel){.f32 = silu_f32, .f64 = silu_f64},
    .vjp = silu_vjp,
    .sample = silu_sample,
    .samples = 1,
    .big_samples = 1,
};

AE_UNARY_FUNCTION(silu)

/* ---- softplus ---------------------------------------------------------------------------------------------------- */

AE_TABLE1(softplus)
AE_TABLE2(softplus_backward)
AE_LOOP1(softplus_f64, double, double, fmax(x, 0) + log1p(exp(-fabs(x))))

static const ae_block_kernel softplus_grad = {.f32 = softplus_backward_f32};

static void softplus_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    ae_tensor *x = c->in[0];
    gin[0] = ae_elementwise_grad(c, &softplus_grad, x, gout[0]);
    if (!gin[0]) {
        gin[0] = ae_mul(g, gout[0], ae_sigmoid(g, x));
    }
}

static void softplus_sample(ae_sample *s)
{
    s->out[0] = ae_softplus(s->graph, sample_input(s));
}

const ae_op ae_op_softplus = {
    .name = "softplus",
    .formula = "log(1 + e^x)",
    AE_UNARY_ROW,
    .needs = {AE_IN(0)},
    .kernel = &(const ae_block_kernel){.f32 = softplus_f32, .f64 = softplus_f64},
    .vjp = softplus_vjp,
    .sample = softplus_sample,
    .samples = 1,
    .big_samples = 1,
};

AE_UNARY_FUNCTION(softplus)

/* ---- tanh -------------------------------------------------------------------------------------------------------- */

AE_TABLE1(tanh)
AE_TABLE2(tanh_backward)
AE_LOOP1(tanh_f64, double, double, tanh(x))

static const ae_block_kernel tanh_grad = {.f32 = tanh_backward_f32};

static void tanh_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    ae_tensor *y = c->out[0];
    gin[0] = ae_elementwise_grad(c, &tanh_grad, y, gout[0]);
    if (!gin[0]) {
        gin[0] = ae_mul(g, gout[0], ae_affine(g, ae_square(g, y), -1.0, 1.0));
    }
}

static void tanh_sample(ae_sample *s)
{
    s->out[0] = ae_tanh(s->graph, sample_input(s));
}

const ae_op ae_op_tanh = {
    .name = "tanh",
    .formula = "tanh x",
    AE_UNARY_ROW,
    .needs = {AE_OUT(0)},
    .kernel = &(const ae_block_kernel){.f32 = tanh_f32, .f64 = tanh_f64},
    .vjp = tanh_vjp,
    .sample = tanh_sample,
    .samples = 1,
    .big_samples = 1,
};

AE_UNARY_FUNCTION(tanh)

/* ---- sigmoid ----------------------------------------------------------------------------------------------------- */

AE_TABLE1(sigmoid)
AE_TABLE2(sigmoid_backward)
AE_LOOP1(sigmoid_f64, double, double, 1.0 / (1.0 + exp(-x)))

static const ae_block_kernel sigmoid_grad = {.f32 = sigmoid_backward_f32};

static void sigmoid_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    ae_tensor *y = c->out[0];
    gin[0] = ae_elementwise_grad(c, &sigmoid_grad, y, gout[0]);
    if (!gin[0]) {
        gin[0] = ae_mul(g, gout[0], ae_mul(g, y, ae_affine(g, y, -1.0, 1.0)));
    }
}

static void sigmoid_sample(ae_sample *s)
{
    s->out[0] = ae_sigmoid(s->graph, sample_input(s));
}

const ae_op ae_op_sigmoid = {
    .name = "sigmoid",
    .formula = "1 / (1 + e^-x)",
    AE_UNARY_ROW,
    .needs = {AE_OUT(0)},
    .kernel = &(const ae_block_kernel){.f32 = sigmoid_f32, .f64 = sigmoid_f64},
    .vjp = sigmoid_vjp,
    .sample = sigmoid_sample,
    .samples = 1,
    .big_samples = 1,
};

AE_UNARY_FUNCTION(sigmoid)
