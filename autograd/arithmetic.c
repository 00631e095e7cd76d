#include "autograd/arithmetic.h"
#include "autograd/elementwise.h"
#include "autograd/ops.h"

/* ---- add ----------------------------------------------------------------------------------------------------------- */

AE_TABLE2(add)

static void add_f64(const double *const *x, double *y, int64_t n, const void *attr)
{
    (void)attr;
    for (int64_t i = 0; i < n; i++) {
        y[i] = x[0][i] + x[1][i];
    }
}

static void add_i64(const int64_t *const *x, int64_t *y, int64_t n, const void *attr)
{
    (void)attr;
    for (int64_t i = 0; i < n; i++) {
        y[i] = (int64_t)((uint64_t)x[0][i] + (uint64_t)x[1][i]);
    }
}

static void add_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    (void)c;
    gin[0] = gout[0];
    gin[1] = gout[0];
}

static void add_sample(ae_sample *s)
{
    static const char *const shapes[][2] = {{"3,4", "3,4"}, {"2,3,4", "3,1"}, {"", "2,2"}};
    ae_tensor *x = ae_sample_in(s, shapes[s->variant][0], -2, 2);
    s->out[0] = ae_add(s->graph, x, ae_sample_in(s, shapes[s->variant][1], -2, 2));
}

const ae_op ae_op_add = {
    .name = "add",
    .formula = "x + y",
    AE_BINARY_ROW,
    .kernel = &(const ae_block_kernel){.f32 = add_f32, .f64 = add_f64, .i64 = add_i64},
    .vjp = add_vjp,
    .sample = add_sample,
    .samples = 3,
};

ae_tensor *ae_add(ae_graph *g, ae_tensor *x, ae_tensor *y)
{
    return ae_elementwise(g, &ae_op_add, (ae_tensor *[]){x, y}, 2, NULL, 0);
}

/* ---- sub ----------------------------------------------------------------------------------------------------------- */

static void sub_f32(const float *const *x, float *y, int64_t n, const void *attr)
{
    (void)attr;
    for (int64_t i = 0; i < n; i++) {
        y[i] = x[0][i] - x[1][i];
    }
}

static void sub_f64(const double *const *x, double *y, int64_t n, const void *attr)
{
    (void)attr;
    for (int64_t i = 0; i < n; i++) {
        y[i] = x[0][i] - x[1][i];
    }
}

static void sub_i64(const int64_t *const *x, int64_t *y, int64_t n, const void *attr)
{
    (void)attr;
    for (int64_t i = 0; i < n; i++) {
        y[i] = (int64_t)((uint64_t)x[0][i] - (uint64_t)x[1][i]);
    }
}

static void sub_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    gin[0] = gout[0];
    if (c->need[1]) {
        gin[1] = ae_neg(c->graph, gout[0]);
    }
}

static void sub_sample(ae_sample *s)
{
    static const char *const shapes[][2] = {{"3,4", "3,4"}, {"4,1", "2,1,3"}};
    ae_tensor *x = ae_sample_in(s, shapes[s->variant][0], -2, 2);
    s->out[0] = ae_sub(s->graph, x, ae_sample_in(s, shapes[s->variant][1], -2, 2));
}

const ae_op ae_op_sub = {
    .name = "sub",
    .formula = "x - y",
    AE_BINARY_ROW,
    .kernel = &(const ae_block_kernel){.f32 = sub_f32, .f64 = sub_f64, .i64 = sub_i64},
    .vjp = sub_vjp,
    .sample = sub_sample,
    .samples = 2,
};

ae_tensor *ae_sub(ae_graph *g, ae_tensor *x, ae_tensor *y)
{
    return ae_elementwise(g, &ae_op_sub, (ae_tensor *[]){x, y}, 2, NULL, 0);
}

/* ---- mul ----------------------------------------------------------------------------------------------------------- */

AE_TABLE2(mul)

static void mul_f64(const double *const *x, double *y, int64_t n, const void *attr)
{
    (void)attr;
    for (int64_t i = 0; i < n; i++) {
        y[i] = x[0][i] * x[1][i];
    }
}

static void mul_i64(const int64_t *const *x, int64_t *y, int64_t n, const void *attr)
{
    (void)attr;
    for (int64_t i = 0; i < n; i++) {
        y[i] = (int64_t)((uint64_t)x[0][i] * (uint64_t)x[1][i]);
    }
}

static void mul_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    for (int i = 0; i < 2; i++) {
        if (c->need[i]) {
            gin[i] = ae_mul(c->graph, gout[0], c->in[1 - i]);
        }
    }
}

static void mul_sample(ae_sample *s)
{
    static const char *const shapes[][2] = {{"3,4", "3,4"}, {"2,3,4", "3,1"}, {"5", ""}};
    ae_tensor *x = ae_sample_in(s, shapes[s->variant][0], -2, 2);
    s->out[0] = ae_mul(s->graph, x, ae_sample_in(s, shapes[s->variant][1], -2, 2));
}

const ae_op ae_op_mul = {
    .name = "mul",
    .formula = "x y",
    AE_BINARY_ROW,
    .needs = {AE_IN(1), AE_IN(0)},
    .kernel = &(const ae_block_kernel){.f32 = mul_f32, .f64 = mul_f64, .i64 = mul_i64},
    .vjp = mul_vjp,
    .sample = mul_sample,
    .samples = 3,
};

ae_tensor *ae_mul(ae_graph *g, ae_tensor *x, ae_tensor *y)
{
    return ae_elementwise(g, &ae_op_mul, (ae_tensor *[]){x, y}, 2, NULL, 0);
}

/* ---- div ----------------------------------------------------------------------------------------------------------- */

static void div_f32(const float *const *x, float *y, int64_t n, const void *attr)
{
    (void)attr;
    for (int64_t i = 0; i < n; i++) {
        y[i] = x[0][i] / x[1][i];
    }
}

static void div_f64(const double *const *x, double *y, int64_t n, const void *attr)
{
    (void)attr;
    for (int64_t i = 0; i < n; i++) {
        y[i] = x[0][i] / x[1][i];
    }
}

static void div_i64(const int64_t *const *x, int64_t *y, int64_t n, const void *attr)
{
    (void)attr;
    for (int64_t i = 0; i < n; i++) {
        /* -1 apart, because the smallest integer has no positive counterpart */
        y[i] = x[1][i] == 0 ? 0 : x[1][i] == -1 ? (int64_t)(0 - (uint64_t)x[0][i]) : x[0][i] / x[1][i];
    }
}

static void div_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_tensor *over = ae_div(c->graph, gout[0], c->in[1]);
    gin[0] = over;
    if (c->need[1]) {
        gin[1] = ae_neg(c->graph, ae_mul(c->graph, over, c->out[0])); /* -(g/y)(x/y) */
    }
}

static void div_sample(ae_sample *s)
{
    static const char *const shapes[][2] = {{"3,4", "3,4"}, {"2,3,4", "3,1"}};
    ae_tensor *x = ae_sample_in(s, shapes[s->variant][0], -2, 2);
    s->out[0] = ae_div(s->graph, x, ae_sample_in(s, shapes[s->variant][1], 0.5, 2));
}

const ae_op ae_op_div = {
    .name = "div",
    .formula = "x / y",
    AE_BINARY_ROW,
    .needs = {AE_IN(1), AE_IN(1) | AE_OUT(0)},
    .kernel = &(const ae_block_kernel){.f32 = div_f32, .f64 = div_f64, .i64 = div_i64},
    .vjp = div_vjp,
    .sample = div_sample,
    .samples = 2,
};

ae_tensor *ae_div(ae_graph *g, ae_tensor *x, ae_tensor *y)
{
    return ae_elementwise(g, &ae_op_div, (ae_tensor *[]){x, y}, 2, NULL, 0);
}

/* ---- affine -------------------------------------------------------------------------------------------------------- */

typedef struct affine_attr {
    double scale;
    double shift;
} affine_attr;

static void affine_f32(const float *const *x, float *y, int64_t n, const void *attr)
{
    const affine_attr *a = attr;
    float scale = (float)a->scale, shift = (float)a->shift;
    if (shift == 0.0f) {
        ae_kernels_get()->scale(scale, x[0], y, n);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        y[i] = scale * x[0][i] + shift;
    }
}

static void affine_f64(const double *const *x, double *y, int64_t n, const void *attr)
{
    const affine_attr *a = attr;
    for (int64_t i = 0; i < n; i++) {
        y[i] = a->scale * x[0][i] + a->shift;
    }
}

static void affine_i64(const int64_t *const *x, int64_t *y, int64_t n, const void *attr)
{
    const affine_attr *a = attr;
    uint64_t scale = (uint64_t)(int64_t)a->scale, shift = (uint64_t)(int64_t)a->shift;
    for (int64_t i = 0; i < n; i++) {
        y[i] = (int64_t)(scale * (uint64_t)x[0][i] + shift);
    }
}

static void affine_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    const affine_attr *a = c->attr;
    gin[0] = a->scale == 1.0 ? gout[0] : ae_scale(c->graph, gout[0], a->scale);
}

static void affine_sample(ae_sample *s)
{
    s->out[0] = ae_affine(s->graph, ae_sample_in(s, "3,4", -2, 2), -1.5, s->variant ? 0.0 : 0.25);
}

const ae_op ae_op_affine = {
    .name = "affine",
    .formula = "scale x + shift",
    AE_UNARY_ROW,
    .kernel = &(const ae_block_kernel){.f32 = affine_f32, .f64 = affine_f64, .i64 = affine_i64},
    .vjp = affine_vjp,
    .sample = affine_sample,
    .samples = 2,
};

ae_tensor *ae_affine(ae_graph *g, ae_tensor *x, double scale, double shift)
{
    affine_attr a = {scale, shift};
    return ae_apply(g, &ae_op_affine, &x, 1, &a, sizeof a);
}

ae_tensor *ae_scale(ae_graph *g, ae_tensor *x, double scale)
{
    return ae_affine(g, x, scale, 0.0);
}

ae_tensor *ae_add_scalar(ae_graph *g, ae_tensor *x, double shift)
{
    return ae_affine(g, x, 1.0, shift);
}

ae_tensor *ae_neg(ae_graph *g, ae_tensor *x)
{
    return ae_affine(g, x, -1.0, 0.0);
}

/* ---- cast ---------------------------------------------------------------------------------------------------------- */

typedef struct cast_attr {
    ae_dtype from, to;
} cast_attr;

#define CONVERT(from, to)                                                                                              \
    do {                                                                                                               \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            ((to *)y)[i] = (to)((const from *)x[0])[i];                                                                \
        }                                                                                                              \
    } while (0)

#define PAIR(from, to) ((unsigned)(from)*AE_DTYPE_COUNT + (unsigned)(to))

/* The pairs that training meets have loops of their own; ae_tensor_copy says what each of them means, and does the
 * rest. */
static void cast_bytes(const void *const *x, void *y, int64_t n, const void *attr)
{
    const cast_attr *a = attr;
    const ae_kernels *k = ae_kernels_get();
    switch (PAIR(a->from, a->to)) {
    case PAIR(AE_F32, AE_BF16):
        k->f32_to_bf16(x[0], y, n);
        return;
    case PAIR(AE_BF16, AE_F32):
        k->bf16_to_f32(x[0], y, n);
        return;
    case PAIR(AE_F32, AE_F16):
        k->f32_to_f16(x[0], y, n);
        return;
    case PAIR(AE_F16, AE_F32):
        k->f16_to_f32(x[0], y, n);
        return;
    case PAIR(AE_F32, AE_F64):
        CONVERT(float, double);
        return;
    case PAIR(AE_F64, AE_F32):
        CONVERT(double, float);
        return;
    case PAIR(AE_BOOL, AE_F32):
        CONVERT(uint8_t, float);
        return;
    case PAIR(AE_I32, AE_F32):
        CONVERT(int32_t, float);
        return;
    case PAIR(AE_I64, AE_F32):
        CONVERT(int64_t, float);
        return;
    default:
        break;
    }
    ae_tensor from = {.dtype = a->from, .ndim = 1, .shape = {n}, .strides = {1}, .data = (void *)x[0]};
    ae_tensor to = {.dtype = a->to, .ndim = 1, .shape = {n}, .strides = {1}, .data = y};
    ae_tensor_copy(&to, &from, NULL);
}

static int cast_shape(ae_call *c)
{
    const cast_attr *a = c->attr;
    if ((unsigned)a->to >= AE_DTYPE_COUNT) {
        return ae_call_fail(c, AE_E_DTYPE, "%d is no dtype", (int)a->to);
    }
    ae_call_out(c, 0, a->to, c->in[0]->ndim, c->in[0]->shape);
    return 0;
}

static void cast_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    gin[0] = ae_cast(c->graph, gout[0], c->in[0]->dtype);
}

static void cast_sample(ae_sample *s)
{
    ae_tensor *x = ae_sample_in(s, s->variant == 0 ? "3,4" : "37,1021", -2, 2);
    s->out[0] = ae_cast(s->graph, x, x->dtype == AE_F64 ? AE_F64 : x->dtype == AE_F32 ? AE_F64 : AE_F32);
}

const ae_op ae_op_cast = {
    .name = "cast",
    .formula = "x in another dtype",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .shape = cast_shape,
    .forward = ae_elementwise_forward,
    .kernel = &(const ae_block_kernel){.bytes = cast_bytes},
    .vjp = cast_vjp,
    .sample = cast_sample,
    .samples = 1,
    .big_samples = 1,
};

ae_tensor *ae_cast(ae_graph *g, ae_tensor *x, ae_dtype dtype)
{
    if (ae_ok(g) && x && x->dtype == dtype) {
        return x;
    }
    cast_attr a = {.from = x ? x->dtype : AE_F32, .to = dtype};
    return ae_apply(g, &ae_op_cast, &x, 1, &a, sizeof a);
}
