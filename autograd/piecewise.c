/* The functions of math.h that have kinks or jumps. */
#include "autograd/elementwise.h"
#include "autograd/math.h"
#include "autograd/ops.h"

#include <math.h>

#define NO_SLOPE "constant between its jumps: the derivative is zero wherever there is one"

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
    AE_UNARY_ROW,
    .needs = {AE_IN(0)},
    .kernel = &(const ae_block_kernel){.f32 = abs_f32, .f64 = abs_f64, .i64 = abs_i64},
    .vjp = abs_vjp,
    .sample = abs_sample,
    .samples = 1,
    .big_samples = 1,
};

AE_UNARY_FUNCTION(abs)

/* ---- sign -------------------------------------------------------------------------------------------------------- */

AE_LOOP1(sign_f32, float, float, x > 0 ? 1.0f : x < 0 ? -1.0f : x)
AE_LOOP1(sign_f64, double, double, x > 0 ? 1.0 : x < 0 ? -1.0 : x)
AE_LOOP1(sign_i64, int64_t, int64_t, (x > 0) - (x < 0))

static void sign_sample(ae_sample *s)
{
    s->out[0] = ae_sign(s->graph, ae_sample_blocks(s, -3, 3));
}

const ae_op ae_op_sign = {
    .name = "sign",
    .formula = "-1, 0 or 1",
    AE_UNARY_ROW,
    .kernel = &(const ae_block_kernel){.f32 = sign_f32, .f64 = sign_f64, .i64 = sign_i64},
    .no_vjp = NO_SLOPE,
    .sample = sign_sample,
    .samples = 1,
    .big_samples = 1,
};

AE_UNARY_FUNCTION(sign)

/* ---- floor ------------------------------------------------------------------------------------------------------- */

AE_LOOP1(floor_f32, float, float, floorf(x))
AE_LOOP1(floor_f64, double, double, floor(x))

static void floor_sample(ae_sample *s)
{
    s->out[0] = ae_floor(s->graph, ae_sample_blocks(s, -3, 3));
}

const ae_op ae_op_floor = {
    .name = "floor",
    .formula = "the largest whole number <= x",
    AE_UNARY_ROW,
    .kernel = &(const ae_block_kernel){.f32 = floor_f32, .f64 = floor_f64},
    .no_vjp = NO_SLOPE,
    .sample = floor_sample,
    .samples = 1,
    .big_samples = 1,
};

AE_UNARY_FUNCTION(floor)

/* ---- ceil -------------------------------------------------------------------------------------------------------- */

AE_LOOP1(ceil_f32, float, float, ceilf(x))
AE_LOOP1(ceil_f64, double, double, ceil(x))

static void ceil_sample(ae_sample *s)
{
    s->out[0] = ae_ceil(s->graph, ae_sample_blocks(s, -3, 3));
}

const ae_op ae_op_ceil = {
    .name = "ceil",
    .formula = "the smallest whole number >= x",
    AE_UNARY_ROW,
    .kernel = &(const ae_block_kernel){.f32 = ceil_f32, .f64 = ceil_f64},
    .no_vjp = NO_SLOPE,
    .sample = ceil_sample,
    .samples = 1,
    .big_samples = 1,
};

AE_UNARY_FUNCTION(ceil)

/* ---- round ------------------------------------------------------------------------------------------------------- */

AE_LOOP1(round_f32, float, float, rintf(x))
AE_LOOP1(round_f64, double, double, rint(x))

static void round_sample(ae_sample *s)
{
    s->out[0] = ae_round(s->graph, ae_sample_blocks(s, -3, 3));
}

const ae_op ae_op_round = {
    .name = "round",
    .formula = "the nearest whole number, halves to even",
    AE_UNARY_ROW,
    .kernel = &(const ae_block_kernel){.f32 = round_f32, .f64 = round_f64},
    .no_vjp = NO_SLOPE,
    .sample = round_sample,
    .samples = 1,
    .big_samples = 1,
};

AE_UNARY_FUNCTION(round)

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
    ae_sample_operands(s, &x, 2.1, 2.9, &y, 0.9, 1.02);
    s->out[0] = ae_remainder(s->graph, x, y);
}

const ae_op ae_op_remainder = {
    .name = "remainder",
    .formula = "x - y floor(x / y)",
    AE_BINARY_ROW,
    .needs = {0, AE_IN(0) | AE_IN(1) | AE_OUT(0)},
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
    ae_sample_operands(s, &x, -2, 2, &y, -2, 2);
    s->out[0] = ae_minimum(s->graph, x, y);
}

const ae_op ae_op_minimum = {
    .name = "minimum",
    .formula = "the smaller of x and y",
    AE_BINARY_ROW,
    .needs = {AE_IN(0) | AE_IN(1), AE_IN(0) | AE_IN(1)},
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
    ae_sample_operands(s, &x, -2, 2, &y, -2, 2);
    s->out[0] = ae_maximum(s->graph, x, y);
}

const ae_op ae_op_maximum = {
    .name = "maximum",
    .formula = "the larger of x and y",
    AE_BINARY_ROW,
    .needs = {AE_IN(0) | AE_IN(1), AE_IN(0) | AE_IN(1)},
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
    ae_sample_operands(s, &x, -2, 2, &y, -2, 2);
    s->out[0] = ae_step(s->graph, x, y);
}

const ae_op ae_op_step = {
    .name = "step",
    .formula = "1, 1/2 or 0 where x is above, at or below y",
    AE_BINARY_ROW,
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
    AE_UNARY_ROW,
    .needs = {AE_IN(0)},
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
    AE_UNARY_ROW,
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
