#include "autograd/compare.h"
#include "autograd/elementwise.h"
#include "autograd/ops.h"

#include <math.h>
#include <string.h>

#define NOT_A_FLOAT "the result is bool"

/* Operands for an op of two: whole numbers, so that some are equal; equal shapes, broadcast both ways, large. */
static void sample_pair(ae_sample *s, ae_tensor **x, ae_tensor **y)
{
    static const char *const shapes[][2] = {{"3,4", "3,4"}, {"2,1,4", "3,1"}, {"37,1021", "1021"}};
    *x = ae_cast(s->graph, ae_sample_ids(s, shapes[s->variant][0], -2, 3), AE_F32);
    *y = ae_cast(s->graph, ae_sample_ids(s, shapes[s->variant][1], -2, 3), AE_F32);
}

/* ---- eq ---------------------------------------------------------------------------------------------------------- */

AE_LOOP2(eq_f32, float, uint8_t, x == y)
AE_LOOP2(eq_f64, double, uint8_t, x == y)
AE_LOOP2(eq_i64, int64_t, uint8_t, x == y)

static void eq_sample(ae_sample *s)
{
    ae_tensor *x, *y;
    sample_pair(s, &x, &y);
    s->out[0] = ae_cast(s->graph, ae_eq(s->graph, x, y), AE_F32);
}

const ae_op ae_op_eq = {
    .name = "eq",
    .formula = "x = y",
    AE_BINARY_ROW,
    .kernel = &(const ae_block_kernel){.f32_bool = eq_f32, .f64_bool = eq_f64, .i64_bool = eq_i64},
    .no_vjp = NOT_A_FLOAT,
    .sample = eq_sample,
    .samples = 2,
    .big_samples = 1,
};

ae_tensor *ae_eq(ae_graph *g, ae_tensor *x, ae_tensor *y)
{
    return ae_elementwise(g, &ae_op_eq, (ae_tensor *[]){x, y}, 2, NULL, 0);
}

/* ---- ne ---------------------------------------------------------------------------------------------------------- */

AE_LOOP2(ne_f32, float, uint8_t, x != y)
AE_LOOP2(ne_f64, double, uint8_t, x != y)
AE_LOOP2(ne_i64, int64_t, uint8_t, x != y)

static void ne_sample(ae_sample *s)
{
    ae_tensor *x, *y;
    sample_pair(s, &x, &y);
    s->out[0] = ae_cast(s->graph, ae_ne(s->graph, x, y), AE_F32);
}

const ae_op ae_op_ne = {
    .name = "ne",
    .formula = "x != y",
    AE_BINARY_ROW,
    .kernel = &(const ae_block_kernel){.f32_bool = ne_f32, .f64_bool = ne_f64, .i64_bool = ne_i64},
    .no_vjp = NOT_A_FLOAT,
    .sample = ne_sample,
    .samples = 2,
    .big_samples = 1,
};

ae_tensor *ae_ne(ae_graph *g, ae_tensor *x, ae_tensor *y)
{
    return ae_elementwise(g, &ae_op_ne, (ae_tensor *[]){x, y}, 2, NULL, 0);
}

/* ---- lt ---------------------------------------------------------------------------------------------------------- */

AE_LOOP2(lt_f32, float, uint8_t, x < y)
AE_LOOP2(lt_f64, double, uint8_t, x < y)
AE_LOOP2(lt_i64, int64_t, uint8_t, x < y)

static void lt_sample(ae_sample *s)
{
    ae_tensor *x, *y;
    sample_pair(s, &x, &y);
    s->out[0] = ae_cast(s->graph, ae_lt(s->graph, x, y), AE_F32);
}

const ae_op ae_op_lt = {
    .name = "lt",
    .formula = "x < y",
    AE_BINARY_ROW,
    .kernel = &(const ae_block_kernel){.f32_bool = lt_f32, .f64_bool = lt_f64, .i64_bool = lt_i64},
    .no_vjp = NOT_A_FLOAT,
    .sample = lt_sample,
    .samples = 2,
    .big_samples = 1,
};

ae_tensor *ae_lt(ae_graph *g, ae_tensor *x, ae_tensor *y)
{
    return ae_elementwise(g, &ae_op_lt, (ae_tensor *[]){x, y}, 2, NULL, 0);
}

/* ---- le ---------------------------------------------------------------------------------------------------------- */

AE_LOOP2(le_f32, float, uint8_t, x <= y)
AE_LOOP2(le_f64, double, uint8_t, x <= y)
AE_LOOP2(le_i64, int64_t, uint8_t, x <= y)

static void le_sample(ae_sample *s)
{
    ae_tensor *x, *y;
    sample_pair(s, &x, &y);
    s->out[0] = ae_cast(s->graph, ae_le(s->graph, x, y), AE_F32);
}

const ae_op ae_op_le = {
    .name = "le",
    .formula = "x <= y",
    AE_BINARY_ROW,
    .kernel = &(const ae_block_kernel){.f32_bool = le_f32, .f64_bool = le_f64, .i64_bool = le_i64},
    .no_vjp = NOT_A_FLOAT,
    .sample = le_sample,
    .samples = 2,
    .big_samples = 1,
};

ae_tensor *ae_le(ae_graph *g, ae_tensor *x, ae_tensor *y)
{
    return ae_elementwise(g, &ae_op_le, (ae_tensor *[]){x, y}, 2, NULL, 0);
}

/* ---- gt ---------------------------------------------------------------------------------------------------------- */

AE_LOOP2(gt_f32, float, uint8_t, x > y)
AE_LOOP2(gt_f64, double, uint8_t, x > y)
AE_LOOP2(gt_i64, int64_t, uint8_t, x > y)

static void gt_sample(ae_sample *s)
{
    ae_tensor *x, *y;
    sample_pair(s, &x, &y);
    s->out[0] = ae_cast(s->graph, ae_gt(s->graph, x, y), AE_F32);
}

const ae_op ae_op_gt = {
    .name = "gt",
    .formula = "x > y",
    AE_BINARY_ROW,
    .kernel = &(const ae_block_kernel){.f32_bool = gt_f32, .f64_bool = gt_f64, .i64_bool = gt_i64},
    .no_vjp = NOT_A_FLOAT,
    .sample = gt_sample,
    .samples = 2,
    .big_samples = 1,
};

ae_tensor *ae_gt(ae_graph *g, ae_tensor *x, ae_tensor *y)
{
    return ae_elementwise(g, &ae_op_gt, (ae_tensor *[]){x, y}, 2, NULL, 0);
}

/* ---- ge ---------------------------------------------------------------------------------------------------------- */

AE_LOOP2(ge_f32, float, uint8_t, x >= y)
AE_LOOP2(ge_f64, double, uint8_t, x >= y)
AE_LOOP2(ge_i64, int64_t, uint8_t, x >= y)

static void ge_sample(ae_sample *s)
{
    ae_tensor *x, *y;
    sample_pair(s, &x, &y);
    s->out[0] = ae_cast(s->graph, ae_ge(s->graph, x, y), AE_F32);
}

const ae_op ae_op_ge = {
    .name = "ge",
    .formula = "x >= y",
    AE_BINARY_ROW,
    .kernel = &(const ae_block_kernel){.f32_bool = ge_f32, .f64_bool = ge_f64, .i64_bool = ge_i64},
    .no_vjp = NOT_A_FLOAT,
    .sample = ge_sample,
    .samples = 2,
    .big_samples = 1,
};

ae_tensor *ae_ge(ae_graph *g, ae_tensor *x, ae_tensor *y)
{
    return ae_elementwise(g, &ae_op_ge, (ae_tensor *[]){x, y}, 2, NULL, 0);
}

/* ---- logical_and ------------------------------------------------------------------------------------------------- */

AE_LOOP2(logical_and_f32, float, uint8_t, x != 0 && y != 0)
AE_LOOP2(logical_and_f64, double, uint8_t, x != 0 && y != 0)
AE_LOOP2(logical_and_i64, int64_t, uint8_t, x != 0 && y != 0)

static void logical_and_sample(ae_sample *s)
{
    ae_tensor *x, *y;
    sample_pair(s, &x, &y);
    s->out[0] = ae_cast(s->graph, ae_logical_and(s->graph, x, y), AE_F32);
}

const ae_op ae_op_logical_and = {
    .name = "logical_and",
    .formula = "x and y",
    AE_BINARY_ROW,
    .kernel =
        &(const ae_block_kernel){.f32_bool = logical_and_f32, .f64_bool = logical_and_f64, .i64_bool = logical_and_i64},
    .no_vjp = NOT_A_FLOAT,
    .sample = logical_and_sample,
    .samples = 2,
    .big_samples = 1,
};

ae_tensor *ae_logical_and(ae_graph *g, ae_tensor *x, ae_tensor *y)
{
    return ae_elementwise(g, &ae_op_logical_and, (ae_tensor *[]){x, y}, 2, NULL, 0);
}

/* ---- logical_or -------------------------------------------------------------------------------------------------- */

AE_LOOP2(logical_or_f32, float, uint8_t, x != 0 || y != 0)
AE_LOOP2(logical_or_f64, double, uint8_t, x != 0 || y != 0)
AE_LOOP2(logical_or_i64, int64_t, uint8_t, x != 0 || y != 0)

static void logical_or_sample(ae_sample *s)
{
    ae_tensor *x, *y;
    sample_pair(s, &x, &y);
    s->out[0] = ae_cast(s->graph, ae_logical_or(s->graph, x, y), AE_F32);
}

const ae_op ae_op_logical_or = {
    .name = "logical_or",
    .formula = "x or y",
    AE_BINARY_ROW,
    .kernel =
        &(const ae_block_kernel){.f32_bool = logical_or_f32, .f64_bool = logical_or_f64, .i64_bool = logical_or_i64},
    .no_vjp = NOT_A_FLOAT,
    .sample = logical_or_sample,
    .samples = 2,
    .big_samples = 1,
};

ae_tensor *ae_logical_or(ae_graph *g, ae_tensor *x, ae_tensor *y)
{
    return ae_elementwise(g, &ae_op_logical_or, (ae_tensor *[]){x, y}, 2, NULL, 0);
}

/* ---- logical_xor ------------------------------------------------------------------------------------------------- */

AE_LOOP2(logical_xor_f32, float, uint8_t, (x != 0) != (y != 0))
AE_LOOP2(logical_xor_f64, double, uint8_t, (x != 0) != (y != 0))
AE_LOOP2(logical_xor_i64, int64_t, uint8_t, (x != 0) != (y != 0))

static void logical_xor_sample(ae_sample *s)
{
    ae_tensor *x, *y;
    sample_pair(s, &x, &y);
    s->out[0] = ae_cast(s->graph, ae_logical_xor(s->graph, x, y), AE_F32);
}

const ae_op ae_op_logical_xor = {
    .name = "logical_xor",
    .formula = "x or y, not both",
    AE_BINARY_ROW,
    .kernel =
        &(const ae_block_kernel){.f32_bool = logical_xor_f32, .f64_bool = logical_xor_f64, .i64_bool = logical_xor_i64},
    .no_vjp = NOT_A_FLOAT,
    .sample = logical_xor_sample,
    .samples = 2,
    .big_samples = 1,
};

ae_tensor *ae_logical_xor(ae_graph *g, ae_tensor *x, ae_tensor *y)
{
    return ae_elementwise(g, &ae_op_logical_xor, (ae_tensor *[]){x, y}, 2, NULL, 0);
}

/* ---- logical_not ------------------------------------------------------------------------------------------------- */

AE_LOOP1(logical_not_f32, float, uint8_t, x == 0)
AE_LOOP1(logical_not_f64, double, uint8_t, x == 0)
AE_LOOP1(logical_not_i64, int64_t, uint8_t, x == 0)

static void logical_not_sample(ae_sample *s)
{
    ae_tensor *x, *y;
    sample_pair(s, &x, &y);
    s->out[0] = ae_cast(s->graph, ae_logical_not(s->graph, x), AE_F32);
}

const ae_op ae_op_logical_not = {
    .name = "logical_not",
    .formula = "not x",
    AE_UNARY_ROW,
    .kernel =
        &(const ae_block_kernel){.f32_bool = logical_not_f32, .f64_bool = logical_not_f64, .i64_bool = logical_not_i64},
    .no_vjp = NOT_A_FLOAT,
    .sample = logical_not_sample,
    .samples = 2,
    .big_samples = 1,
};

AE_UNARY_FUNCTION(logical_not)

/* ---- isfinite ---------------------------------------------------------------------------------------------------- */

AE_LOOP1(isfinite_f32, float, uint8_t, isfinite(x) != 0)
AE_LOOP1(isfinite_f64, double, uint8_t, isfinite(x) != 0)
AE_LOOP1(isfinite_i64, int64_t, uint8_t, x == x)

static void isfinite_sample(ae_sample *s)
{
    ae_tensor *x, *y;
    sample_pair(s, &x, &y);
    s->out[0] = ae_cast(s->graph, ae_isfinite(s->graph, ae_div(s->graph, x, y)), AE_F32);
}

const ae_op ae_op_isfinite = {
    .name = "isfinite",
    .formula = "neither NaN nor infinite",
    AE_UNARY_ROW,
    .kernel = &(const ae_block_kernel){.f32_bool = isfinite_f32, .f64_bool = isfinite_f64, .i64_bool = isfinite_i64},
    .no_vjp = NOT_A_FLOAT,
    .sample = isfinite_sample,
    .samples = 2,
    .big_samples = 1,
};

AE_UNARY_FUNCTION(isfinite)

/* ---- isnan ------------------------------------------------------------------------------------------------------- */

AE_LOOP1(isnan_f32, float, uint8_t, isnan(x) != 0)
AE_LOOP1(isnan_f64, double, uint8_t, isnan(x) != 0)
AE_LOOP1(isnan_i64, int64_t, uint8_t, x != x)

static void isnan_sample(ae_sample *s)
{
    ae_tensor *x, *y;
    sample_pair(s, &x, &y);
    s->out[0] = ae_cast(s->graph, ae_isnan(s->graph, ae_div(s->graph, x, y)), AE_F32);
}

const ae_op ae_op_isnan = {
    .name = "isnan",
    .formula = "NaN",
    AE_UNARY_ROW,
    .kernel = &(const ae_block_kernel){.f32_bool = isnan_f32, .f64_bool = isnan_f64, .i64_bool = isnan_i64},
    .no_vjp = NOT_A_FLOAT,
    .sample = isnan_sample,
    .samples = 2,
    .big_samples = 1,
};

AE_UNARY_FUNCTION(isnan)

/* ---- where ------------------------------------------------------------------------------------------------------- */

static int where_shape(ae_call *c)
{
    char a[AE_DESCRIBE_MAX], b[AE_DESCRIBE_MAX];
    const ae_tensor *x = c->in[1], *y = c->in[2];
    if (c->in[0]->dtype != AE_BOOL) {
        return ae_call_fail(c, AE_E_DTYPE, "the condition, %s, is %s; it must be bool", ae_call_describe(c, 0, a),
                            ae_dtype_name(c->in[0]->dtype));
    }
    if (x->dtype != y->dtype) {
        return ae_call_fail(c, AE_E_DTYPE, "%s is %s and %s is %s; cast one of them", ae_call_describe(c, 1, a),
                            ae_dtype_name(x->dtype), ae_call_describe(c, 2, b), ae_dtype_name(y->dtype));
    }
    return ae_elementwise_out(c, x->dtype);
}

/* Chosen as bits, so one loop an element size serves all dtypes. */
#define CHOOSE(type)                                                                                                   \
    do {                                                                                                               \
        const type *x = in[1], *y = in[2];                                                                             \
        type *to = out;                                                                                                \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            to[i] = condition[i] ? x[i] : y[i];                                                                        \
        }                                                                                                              \
    } while (0)

static void where_bytes(const void *const *in, void *out, int64_t n, const void *attr)
{
    size_t size = *(const size_t *)attr;
    const uint8_t *condition = in[0];
    switch (size) {
    case 1:
        CHOOSE(uint8_t);
        break;
    case 2:
        CHOOSE(uint16_t);
        break;
    case 4:
        CHOOSE(uint32_t);
        break;
    default:
        CHOOSE(uint64_t);
        break;
    }
}

static void where_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    ae_tensor *zero = ae_scalar(g, gout[0]->dtype, 0.0);
    if (c->need[1]) {
        gin[1] = ae_where(g, c->in[0], gout[0], zero);
    }
    if (c->need[2]) {
        gin[2] = ae_where(g, c->in[0], zero, gout[0]);
    }
}

static void where_sample(ae_sample *s)
{
    static const char *const shapes[][3] = {
        {"3,4", "3,4", "3,4"}, {"4", "2,1,4", "3,1"}, {"2,3", "", "3"}, {"1021", "37,1021", "37,1"}};
    const char *const *shape = shapes[s->variant];
    ae_tensor *condition = ae_sample_mask(s, shape[0]);
    ae_tensor *x = ae_sample_in(s, shape[1], -2, 2);
    s->out[0] = ae_where(s->graph, condition, x, ae_sample_in(s, shape[2], -2, 2));
}

const ae_op ae_op_where = {
    .name = "where",
    .formula = "x where the condition holds, else y",
    .min_in = 3,
    .max_in = 3,
    .n_out = 1,
    .needs = {0, AE_IN(0), AE_IN(0)},
    .shape = where_shape,
    .forward = ae_elementwise_forward,
    .kernel = &(const ae_block_kernel){.bytes = where_bytes},
    .vjp = where_vjp,
    .sample = where_sample,
    .samples = 3,
    .big_samples = 1,
};

ae_tensor *ae_where(ae_graph *g, ae_tensor *condition, ae_tensor *x, ae_tensor *y)
{
    ae_frame f = ae_frame_open(g);
    ae_tensor *xy[2] = {x, y};
    ae_promote(g, xy, 2);
    size_t size = xy[0] ? ae_dtype_size(xy[0]->dtype) : 0;
    ae_tensor *in[] = {condition, xy[0], xy[1]};
    return ae_frame_return(f, ae_apply(g, &ae_op_where, in, 3, &size, sizeof size));
}

ae_tensor *ae_masked_fill(ae_graph *g, ae_tensor *x, ae_tensor *mask, double value)
{
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    ae_frame f = ae_frame_open(g);
    return ae_frame_return(f, ae_where(g, mask, ae_scalar(g, x ? x->dtype : AE_F32, value), x));
}
