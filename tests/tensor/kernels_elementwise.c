/* Functions of one value, their derivatives, and conversions. */
#include "tensor/kernel_checks.h"

/* ---- y = f(x) ---- */

static double gelu(double x)
{
    return x * 0.5 * erfc(-x * 0.70710678118654752);
}
static double tanh_argument(double x)
{
    return 0.79788456080286536 * (x + 0.044715 * x * x * x);
}
static double gelu_tanh(double x)
{
    return x * sigmoid(2 * tanh_argument(x));
}
static double silu(double x)
{
    return x * sigmoid(x);
}
static double softplus(double x)
{
    return isnan(x) ? x : fmax(x, 0) + log1p(exp(-fabs(x)));
}
static double relu(double x)
{
    return x < 0 ? 0 : x;
}

/* How far left of zero the exponent's rounding shows: gelu = x·e^-tail roughly, so the relative error grows with it. */
static double no_tail(double x)
{
    (void)x;
    return 0;
}
static double gelu_tail(double x)
{
    return x < 0 ? x * x / 2 : 0;
}
static double gelu_tanh_tail(double x)
{
    return x < 0 ? -2 * tanh_argument(x) : 0;
}

typedef void (*unary)(const float *x, float *y, int64_t n);

static const struct {
    const char *name;
    size_t member;
    double (*plain)(double);
    double ulps;
    double (*tail)(double);
} unaries[] = {
    {"exp", offsetof(ae_kernels, exp), exp, 1.1, no_tail},
    {"log", offsetof(ae_kernels, log), log, 1.1, no_tail},
    {"tanh", offsetof(ae_kernels, tanh), tanh, 2.6, no_tail},
    {"sigmoid", offsetof(ae_kernels, sigmoid), sigmoid, 2.4, no_tail},
    {"erf", offsetof(ae_kernels, erf), erf, 2.6, no_tail},
    {"gelu", offsetof(ae_kernels, gelu), gelu, 6, gelu_tail},
    {"gelu_tanh", offsetof(ae_kernels, gelu_tanh), gelu_tanh, 4, gelu_tanh_tail},
    {"silu", offsetof(ae_kernels, silu), silu, 3.1, no_tail},
    {"softplus", offsetof(ae_kernels, softplus), softplus, 2.1, no_tail},
    {"relu", offsetof(ae_kernels, relu), relu, 0, no_tail},
};
enum { UNARIES = sizeof unaries / sizeof unaries[0] };

static unary unary_at(size_t member)
{
    unary f;
    memcpy(&f, (const char *)k + member, sizeof f);
    return f;
}

void unary_sizes(void)
{
    static float x[MAX_N];
    for (int u = 0; u < UNARIES; u++) {
        unary f = unary_at(unaries[u].member);
        for (int s = 0; s < SIZES; s++) {
            int64_t n = size_at(s);
            float *y = result();
            fill(x, n, -9, 9);
            f(x, y, n);
            check_guards(n);
            for (int64_t i = 0; i < n; i++) {
                double at = (double)x[i];
                double allowed = unaries[u].ulps + 2.5 * unaries[u].tail(at);
                check_ulps(y[i], unaries[u].plain(at), allowed, unaries[u].name, x[i]);
            }
            f(x, x, n);
            assert_memory_equal(x, y, (size_t)n * sizeof *x);
        }
    }
}

/* Bit patterns over the whole range of floats: denormals, huge values, infinities and NaNs among them. Far in the tails
 * of gelu, and where others reach the denormals, the relative error is not promised: there both are tiny. */
void unary_sweep(void)
{
    static float x[MAX_N];
    static float y[MAX_N];
    const uint32_t special[] = {0,          0x80000000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001, 0x7f800001,
                                0x00000001, 0x807fffff, 0x00800000, 0x7f7fffff, 0xff7fffff, 0x42b17218, 0xc2aeac50,
                                0xc2cff1b5, 0x3f800000, 0x3f7fffff, 0x3f800001, 0xbf800000};
    enum { SPECIAL = sizeof special / sizeof special[0] };
    memcpy(x, special, sizeof special);
    for (uint32_t i = SPECIAL; i < MAX_N; i++) {
        uint32_t bits = i * 976129u; /* about 2^32 / MAX_N */
        memcpy(&x[i], &bits, sizeof bits);
    }
    for (int u = 0; u < UNARIES; u++) {
        unary_at(unaries[u].member)(x, y, MAX_N);
        for (int i = 0; i < MAX_N; i++) {
            double at = (double)x[i];
            double want = unaries[u].plain(at);
            bool tiny = fabs(want) < (unaries[u].tail(at) > 80 ? 1e-30 : 2e-36);
            if (tiny && unaries[u].plain != exp && unaries[u].plain != relu) {
                assert_true(fabsf(y[i]) < 1e-30f);
                continue;
            }
            check_ulps(y[i], want, unaries[u].ulps + 2.5 * unaries[u].tail(at), unaries[u].name, x[i]);
        }
    }
}

/* ---- dx = dy f' ---- */

static double tanh_of_y(double y)
{
    return 1 - y * y;
}
static double sigmoid_of_y(double y)
{
    return y * (1 - y);
}
static double relu_of_y(double y)
{
    return y > 0 ? 1 : 0;
}

typedef void (*backward)(const float *v, const float *dy, float *dx, int64_t n);

static const struct {
    const char *name;
    size_t member;
    double (*function)(double); /* differentiated numerically; or */
    double (*slope)(double);    /* the slope as a function of y */
} backwards[] = {
    {"gelu_backward", offsetof(ae_kernels, gelu_backward), gelu, NULL},
    {"gelu_tanh_backward", offsetof(ae_kernels, gelu_tanh_backward), gelu_tanh, NULL},
    {"silu_backward", offsetof(ae_kernels, silu_backward), silu, NULL},
    {"softplus_backward", offsetof(ae_kernels, softplus_backward), softplus, NULL},
    {"erf_backward", offsetof(ae_kernels, erf_backward), erf, NULL},
    {"tanh_backward", offsetof(ae_kernels, tanh_backward), NULL, tanh_of_y},
    {"sigmoid_backward", offsetof(ae_kernels, sigmoid_backward), NULL, sigmoid_of_y},
    {"relu_backward", offsetof(ae_kernels, relu_backward), NULL, relu_of_y},
};
enum { BACKWARDS = sizeof backwards / sizeof backwards[0] };

static double slope_at(int b, double x)
{
    const double step = 1e-5;
    if (backwards[b].slope != NULL) {
        return backwards[b].slope(x);
    }
    double (*f)(double) = backwards[b].function;
    return (8 * (f(x + step) - f(x - step)) - (f(x + 2 * step) - f(x - 2 * step))) / (12 * step);
}

void backward_sizes(void)
{
    static float v[MAX_N];
    static float dy[MAX_N];
    for (int b = 0; b < BACKWARDS; b++) {
        backward f;
        memcpy(&f, (const char *)k + backwards[b].member, sizeof f);
        for (int s = 0; s < SIZES; s++) {
            int64_t n = size_at(s);
            float *dx = result();
            fill(v, n, -6, 6);
            fill(dy, n, -2, 2);
            f(v, dy, dx, n);
            check_guards(n);
            for (int64_t i = 0; i < n; i++) {
                double want = (double)dy[i] * slope_at(b, (double)v[i]);
                check_near(dx[i], want, 1e-6 * fmax(1, fabs(want)), backwards[b].name, i);
            }
            f(v, dy, dy, n);
            assert_memory_equal(dy, dx, (size_t)n * sizeof *dy);
        }
        const float nan = NAN;
        const float one = 1;
        float dx;
        f(&nan, &one, &dx, 1);
        assert_true(isnan(dx));
    }
}

void relu_backward_is_a_choice(void)
{
    const float y[4] = {0, 1, 0, 2};
    const float dy[4] = {INFINITY, INFINITY, NAN, NAN};
    float dx[4];
    k->relu_backward(y, dy, dx, 4);
    assert_true(dx[0] == 0 && isinf(dx[1]) && dx[2] == 0 && isnan(dx[3]));
}

/* ---- conversions: bit for bit as the plain ones of tensor.h ---- */

void conversions(void)
{
    static uint16_t halves[65536];
    static uint16_t back[65536];
    static float wide[65536];
    for (int i = 0; i < 65536; i++) {
        halves[i] = (uint16_t)i;
    }
    k->bf16_to_f32(halves, wide, 65536);
    k->f32_to_bf16(wide, back, 65536);
    for (int i = 0; i < 65536; i++) {
        float want = ae_bf16_to_f32((uint16_t)i);
        assert_memory_equal(&wide[i], &want, 4);
        assert_int_equal(back[i], ae_f32_to_bf16(want));
    }
    k->f16_to_f32(halves, wide, 65536);
    k->f32_to_f16(wide, back, 65536);
    for (int i = 0; i < 65536; i++) {
        float want = ae_f16_to_f32((uint16_t)i);
        assert_true(isnan(want) ? isnan(wide[i]) : memcmp(&wide[i], &want, 4) == 0);
        assert_int_equal(back[i], ae_f32_to_f16(want));
    }
    for (uint32_t start = 0; start < 64; start++) { /* every exponent, sign, and rounding case of the fraction */
        for (uint32_t i = 0; i < 65536; i++) {
            uint32_t bits = (start * 65536u + i) * 1021u;
            memcpy(&wide[i], &bits, sizeof bits);
        }
        k->f32_to_bf16(wide, halves, 65536);
        k->f32_to_f16(wide, back, 65536);
        for (uint32_t i = 0; i < 65536; i++) {
            assert_int_equal(halves[i], ae_f32_to_bf16(wide[i]));
            assert_int_equal(back[i], ae_f32_to_f16(wide[i]));
        }
    }
    for (int s = 0; s < SIZES; s++) {
        int64_t n = size_at(s);
        uint16_t ends[2] = {halves[n], back[n]};
        float *y = result();
        k->bf16_to_f32(halves, y, n);
        check_guards(n);
        k->f32_to_bf16(y, halves, n);
        k->f32_to_f16(y, back, n);
        assert_int_equal(ends[0], halves[n]);
        assert_int_equal(ends[1], back[n]);
        k->f16_to_f32(back, result(), n);
        check_guards(n);
    }
}
