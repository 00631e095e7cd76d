/* Every kernel under every instruction set this machine has, against a plain twin in double precision: sizes across
 * every block and tail, values where floats are special, and nothing written outside the result. */
#include "tensor/counters.h"
#include "tensor/kernels.h"
#include "tensor/random.h"
#include "tensor/tensor.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_N = 4400, GUARD = 16 };

static const int64_t some_sizes[] = {127, 128, 129, 255, 256, 257, 1000, 1023, 2047, 2048, 2049, 4099};
enum { SMALL_SIZES = 71, SIZES = SMALL_SIZES + sizeof some_sizes / sizeof some_sizes[0] };

/* 0..70, then some larger ones. */
static int64_t size_at(int i)
{
    return i < SMALL_SIZES ? i : some_sizes[i - SMALL_SIZES];
}

static const ae_kernels *k; /* the table under test */

/* Runs a test's body once for each instruction set. */
static void each_isa(void (*body)(void))
{
    assert_true(ae_kernels_count() >= 1);
    for (int i = 0; i < ae_kernels_count(); i++) {
        k = ae_kernels_at(i);
        body();
    }
}

static void fill(float *x, int64_t n, float lo, float hi)
{
    static uint64_t draw;
    ae_random_key key = ae_random_key_make(1, 0, 0, 0, draw++);
    ae_random_uniform_f32(&key, 0, lo, hi, x, n);
}

/* A result with guards on both sides. */
static float guarded[MAX_N + 2 * GUARD];

static float *result(void)
{
    for (int i = 0; i < MAX_N + 2 * GUARD; i++) {
        guarded[i] = 777.0f;
    }
    return guarded + GUARD;
}

static void check_guards(int64_t n)
{
    for (int i = 0; i < GUARD; i++) {
        assert_true(guarded[i] == 777.0f && guarded[GUARD + n + i] == 777.0f);
    }
}

/* |got - want| in units of the last place of want as a float; NaN fits NaN, and overflow fits infinity. */
static double ulps_between(float got, double want)
{
    if (isnan(want)) {
        return isnan(got) ? 0 : INFINITY;
    }
    if (isinf((float)want)) {
        return got == (float)want ? 0 : INFINITY;
    }
    int exponent;
    (void)frexp(want, &exponent);
    return fabs((double)got - want) / ldexp(1, (exponent < -125 ? -125 : exponent) - 24);
}

static void check_ulps(float got, double want, double allowed, const char *what, float at)
{
    if (!(ulps_between(got, want) <= allowed)) {
        fail_msg("%s.%s(%.9g) is %.9g, should be %.9g", k->name, what, (double)at, (double)got, want);
    }
}

static void check_near(float got, double want, double allowed, const char *what, int64_t i)
{
    if (!(fabs((double)got - want) <= allowed)) {
        fail_msg("%s.%s: element %lld is %.9g, should be %.9g +- %.3g", k->name, what, (long long)i, (double)got, want,
                 allowed);
    }
}

/* What a float sum of n terms of one sign may be off, relatively: a build whose sums run in one lane (sanitizers keep
 * the compiler from using more) adds n rounding errors in a row. */
static double sum_tolerance(int64_t n)
{
    return 2e-6 * fmax(1, sqrt((double)n) / 16);
}

/* ---- which table ---- */

/* The first question asks the environment; main has set it. */
static void environment(void **state)
{
    (void)state;
    assert_string_equal(ae_kernels_name(), "base");
}

static void selection(void **state)
{
    (void)state;
    assert_ptr_equal(ae_kernels_get(), ae_kernels_at(0));
    assert_int_equal(ae_kernels_select("sse9"), -1);
    assert_string_equal(ae_kernels_name(), "base");
    assert_int_equal(ae_kernels_select(NULL), 0);
    assert_ptr_equal(ae_kernels_get(), ae_kernels_at(ae_kernels_count() - 1));
    assert_int_equal(ae_kernels_select("base"), 0);
    assert_int_equal(ae_kernels_select(""), 0);
    assert_ptr_equal(ae_kernels_get(), ae_kernels_at(ae_kernels_count() - 1));
    assert_null(ae_kernels_at(-1));
    assert_null(ae_kernels_at(ae_kernels_count()));
}

/* Last: by now every entry of every table that runs here was called, and the counters know. */
static void every_call_was_counted(void **state)
{
    (void)state;
    int tables = 0;
    for (int i = 0; i < AE_KERNEL_COUNT; i++) {
        const char *isa = strrchr(ae_kernel_name(i), '.');
        if (strncmp(ae_kernel_name(i), "gemm.", 5) == 0) {
            continue;
        }
        bool runs = ae_kernels_select(isa + 1) == 0;
        if (ae_kernel_count_at(i) != runs) {
            fail_msg("%s: the count is %lld", ae_kernel_name(i), (long long)ae_kernel_count_at(i));
        }
        tables += strcmp(ae_kernel_name(i), "exp.base") == 0;
    }
    assert_int_equal(tables, 1);
    ae_kernels_select(NULL);
    ae_kernel_counts_reset();
    float x = 1;
    k = ae_kernels_get();
    k->exp(&x, &x, 1);
    char name[32];
    snprintf(name, sizeof name, "exp.%s", k->name);
    assert_int_equal(ae_kernel_count(name), 1);
    assert_int_equal(ae_kernel_count("log.base"), 0);
    assert_int_equal(ae_kernel_count("exp"), -1);
}

/* ---- y = f(x) ---- */

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}
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

static void unary_sizes(void)
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
static void unary_sweep(void)
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

static void backward_sizes(void)
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

static void relu_backward_is_a_choice(void)
{
    const float y[4] = {0, 1, 0, 2};
    const float dy[4] = {INFINITY, INFINITY, NAN, NAN};
    float dx[4];
    k->relu_backward(y, dy, dx, 4);
    assert_true(dx[0] == 0 && isinf(dx[1]) && dx[2] == 0 && isnan(dx[3]));
}

/* ---- conversions: bit for bit as the plain ones of tensor.h ---- */

static void conversions(void)
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

/* ---- vectors ---- */

static void vectors(void)
{
    static float a[MAX_N];
    static float b[MAX_N];
    static float c[MAX_N];
    for (int s = 0; s < SIZES; s++) {
        int64_t n = size_at(s);
        fill(a, n, -3, 5);
        fill(b, n, -3, 5);
        fill(c, n, -3, 5);
        double dot = 0;
        double sum = 0;
        double squares = 0;
        double largest = -INFINITY;
        double smallest = INFINITY;
        for (int64_t i = 0; i < n; i++) {
            dot += (double)a[i] * (double)b[i];
            sum += (double)a[i];
            squares += (double)a[i] * (double)a[i];
            largest = fmax(largest, (double)a[i]);
            smallest = fmin(smallest, (double)a[i]);
        }
        assert_true(fabs(k->dot(a, b, n) - dot) <= 1e-11 * (double)(n + 1));
        assert_true(fabs(k->sum(a, n) - sum) <= 1e-11 * (double)(n + 1));
        assert_true(fabs(k->sum_squares(a, n) - squares) <= 1e-11 * (double)(n + 1));
        assert_true((double)k->max(a, n) == largest);
        assert_true((double)k->min(a, n) == smallest);
        float *y = result();
        k->add(a, b, y, n);
        check_guards(n);
        for (int64_t i = 0; i < n; i++) {
            assert_true(y[i] == a[i] + b[i]);
        }
        k->mul(a, b, y, n);
        for (int64_t i = 0; i < n; i++) {
            assert_true(y[i] == a[i] * b[i]);
        }
        k->scale(1.7f, a, y, n);
        for (int64_t i = 0; i < n; i++) {
            assert_true(y[i] == 1.7f * a[i]);
        }
        memcpy(y, c, (size_t)n * sizeof *y);
        k->axpy(1.7f, a, y, n);
        check_guards(n);
        for (int64_t i = 0; i < n; i++) {
            check_near(y[i], (double)c[i] + (double)1.7f * (double)a[i], 2e-6, "axpy", i);
        }
    }
}

static void sums_of_columns(void)
{
    enum { LDX = 70, ROWS = 11, COLS = 67 };
    float x[ROWS * LDX];
    double sums[COLS + 1];
    fill(x, ROWS * LDX, -3, 5);
    for (int64_t rows = 0; rows <= ROWS; rows++) {
        for (int64_t n = 0; n <= COLS; n++) {
            for (int64_t j = 0; j <= COLS; j++) {
                sums[j] = 0.25 * (double)j;
            }
            k->column_sums(x, LDX, rows, n, sums);
            for (int64_t j = 0; j <= COLS; j++) {
                double want = 0.25 * (double)j;
                for (int64_t i = 0; i < rows && j < n; i++) {
                    want += (double)x[i * LDX + j];
                }
                assert_true(fabs(sums[j] - want) <= 1e-13 * 100);
            }
        }
    }
}

static void extremes_of_specials(void)
{
    float x[40];
    fill(x, 40, -1, 1);
    for (int64_t at = 0; at < 40; at++) {
        float kept = x[at];
        x[at] = NAN;
        assert_true(isnan(k->max(x, 40)) && isnan(k->min(x, 40)));
        assert_true(k->find(x, NAN, 40) == at);
        x[at] = INFINITY;
        assert_true(k->max(x, 40) == INFINITY && k->min(x, 40) < 1);
        x[at] = 2;
        assert_true(k->max(x, 40) == 2);
        x[at] = -INFINITY;
        assert_true(k->max(x, 40) < 1 && k->min(x, 40) == -INFINITY);
        x[at] = kept;
    }
    for (int i = 0; i < 40; i++) {
        x[i] = -INFINITY;
    }
    assert_true(k->max(x, 40) == -INFINITY && k->min(x, 40) == -INFINITY);
}

static void first_of_equals_is_found(void)
{
    static float x[MAX_N];
    for (int s = 0; s < SIZES; s++) {
        int64_t n = size_at(s);
        memset(x, 0, sizeof x);
        assert_true(k->find(x, 1, n) == n && k->find(x, NAN, n) == n);
        for (int64_t at = n - 1; at >= 0; at -= 1 + n / 7) { /* from the back: those behind are hits too */
            x[at] = 2;
            assert_true(k->find(x, 2, n) == at);
        }
    }
}

/* Running extremes of columns take a larger value and the first NaN, and keep the mark of the first of equals. */
static void columns_keep_their_extremes(void)
{
    static float rows[5][MAX_N];
    static int32_t at[MAX_N];
    for (int s = 0; s < SIZES; s++) {
        int64_t n = size_at(s);
        float *best = result();
        for (int min = 0; min < 2; min++) {
            for (int r = 0; r < 5; r++) {
                for (int64_t i = 0; i < n; i++) {
                    int64_t draw = (i * 7 + r * 3 + i * r) % 11;
                    rows[r][i] = draw == 10 ? NAN : (float)(draw / 2);
                    at[i] = r == 0 ? 0 : at[i];
                }
                if (r == 0) {
                    memcpy(best, rows[0], (size_t)n * sizeof *best);
                } else {
                    (min ? k->min_into : k->max_into)(rows[r], r, best, at, n);
                }
            }
            check_guards(n);
            for (int64_t i = 0; i < n; i++) {
                int want = 0;
                for (int r = 1; r < 5 && !isnan(rows[want][i]); r++) {
                    bool beats = min ? rows[r][i] < rows[want][i] : rows[r][i] > rows[want][i];
                    want = beats || isnan(rows[r][i]) ? r : want;
                }
                assert_true(at[i] == want);
                assert_true(best[i] == rows[want][i] || isnan(rows[want][i]));
            }
        }
    }
}

/* ---- softmax and its relatives ---- */

static double plain_log_sum_exp(const float *x, int64_t n)
{
    double largest = -INFINITY;
    double total = 0;
    for (int64_t i = 0; i < n; i++) {
        largest = fmax(largest, (double)x[i]);
    }
    for (int64_t i = 0; i < n; i++) {
        total += exp((double)x[i] - largest);
    }
    return largest + log(total);
}

static void softmax_rows(void)
{
    static float x[MAX_N];
    static float dy[MAX_N];
    static float dx[MAX_N];
    for (int s = 1; s < SIZES; s++) {
        int64_t n = size_at(s);
        fill(x, n, -8, 20);
        fill(dy, n, -1, 1);
        double lse = plain_log_sum_exp(x, n);
        float *y = result();
        float largest = 0;
        check_near(k->softmax(x, y, n, &largest), lse, 4e-6, "softmax lse", n);
        check_guards(n);
        assert_true(largest == k->max(x, n));
        double dot = 0;
        double total = 0;
        for (int64_t i = 0; i < n; i++) {
            double want = exp((double)x[i] - lse);
            check_near(y[i], want, sum_tolerance(n) * want, "softmax", i);
            dot += want * (double)dy[i];
            total += (double)dy[i];
        }
        k->softmax_backward(y, dy, dx, n);
        for (int64_t i = 0; i < n; i++) {
            check_near(dx[i], exp((double)x[i] - lse) * ((double)dy[i] - dot), 1e-6, "softmax_backward", i);
        }
        y = result();
        check_near(k->log_softmax(x, y, n), lse, 4e-6, "log_softmax lse", n);
        check_guards(n);
        k->log_softmax_backward(y, dy, dx, n);
        for (int64_t i = 0; i < n; i++) {
            check_near(y[i], (double)x[i] - lse, 6e-6, "log_softmax", i);
            check_near(dx[i], (double)dy[i] - exp((double)x[i] - lse) * total, 5e-6, "log_softmax_backward", i);
        }
        y = result();
        x[n / 2] = -INFINITY;
        double sum = 0;
        float got = k->exp_shift(x, 20, y, n);
        check_guards(n);
        for (int64_t i = 0; i < n; i++) {
            check_near(y[i], exp((double)x[i] - 20), 2e-6 * exp((double)x[i] - 20), "exp_shift", i);
            sum += exp((double)x[i] - 20);
        }
        check_near(got, sum, sum_tolerance(n) * sum, "exp_shift sum", n);
        k->softmax(x, x, n, NULL);
        assert_true(n == 1 ? isnan(x[0]) : x[n / 2] == 0);
    }
}

static void softmax_of_specials(void)
{
    float x[20];
    float y[20];
    for (int c = 0; c < 3; c++) {
        for (int i = 0; i < 20; i++) {
            x[i] = c == 0 ? -INFINITY : (float)i;
        }
        x[7] = c == 1 ? INFINITY : (c == 2 ? NAN : x[7]);
        assert_true(isnan(k->softmax(x, y, 20, NULL)));
        assert_true(isnan(y[7]) && (c == 1 || isnan(y[0])));
        assert_true(isnan(k->log_softmax(x, y, 20)) && isnan(y[7]));
    }
    for (int i = 0; i < 20; i++) {
        x[i] = 3e38f;
    }
    k->softmax(x, y, 20, NULL);
    check_near(y[11], 0.05, 1e-8, "softmax of huge values", 11);
}

static void cross_entropy_rows(void)
{
    static float x[MAX_N];
    const float smoothings[] = {0, 0.1f, 1};
    for (int s = 1; s < SIZES; s++) {
        int64_t n = size_at(s);
        int64_t target = (n * 2) / 3;
        fill(x, n, -8, 8);
        double lse = plain_log_sum_exp(x, n);
        double mean = 0;
        for (int64_t i = 0; i < n; i++) {
            mean += (double)x[i] / (double)n;
        }
        for (int c = 0; c < 3; c++) {
            double e = (double)smoothings[c];
            float got = 0;
            float loss = k->cross_entropy(x, n, target, smoothings[c], &got);
            check_near(got, lse, sum_tolerance(n), "cross_entropy lse", n);
            check_near(loss, (1 - e) * (lse - (double)x[target]) + e * (lse - mean), 4e-6, "cross_entropy", n);
            assert_true(loss == k->cross_entropy(x, n, target, smoothings[c], NULL));
            float *dx = result();
            memcpy(dx, x, (size_t)n * sizeof *x);
            k->cross_entropy_backward(dx, dx, n, target, smoothings[c], got, 0.25f);
            check_guards(n);
            for (int64_t i = 0; i < n; i++) {
                double want = 0.25 * (exp((double)x[i] - lse) - (i == target ? 1 - e : 0) - e / (double)n);
                check_near(dx[i], want, 1e-6, "cross_entropy_backward", i);
            }
        }
    }
    x[0] = -INFINITY;
    check_near(k->cross_entropy(x, 3, 1, 0, NULL), plain_log_sum_exp(x, 3) - (double)x[1], 2e-6, "masked logit", 0);
}

/* ---- normalisation ---- */

typedef struct norm_case {
    const float *x, *dy, *gamma, *beta;
    int64_t n;
    double eps;
    bool centred;  /* layer_norm; else rms_norm */
    bool unbiased; /* UER-py's layer_norm */
} norm_case;

/* Of the squares' mean. */
static double plain_rstd(const norm_case *c, double v)
{
    double n = (double)c->n;
    return c->unbiased ? 1 / (sqrt(v * (n > 1 ? n / (n - 1) : 1)) + c->eps) : 1 / sqrt(v + c->eps);
}

static double factor_at(const float *gamma, int64_t i)
{
    return gamma != NULL ? (double)gamma[i] : 1;
}

static void plain_moments(const norm_case *c, double *mean, double *rstd)
{
    double mu = 0;
    double v = 0;
    for (int64_t i = 0; i < c->n; i++) {
        mu += c->centred ? (double)c->x[i] / (double)c->n : 0;
    }
    for (int64_t i = 0; i < c->n; i++) {
        v += ((double)c->x[i] - mu) * ((double)c->x[i] - mu) / (double)c->n;
    }
    *mean = mu;
    *rstd = plain_rstd(c, v);
}

static void plain_norm_backward(const norm_case *c, double *dx)
{
    double mean;
    double rstd;
    double a_mean = 0;
    double slope = 0;
    plain_moments(c, &mean, &rstd);
    double s = 1 / rstd - c->eps; /* the unbiased deviation */
    double bend = !c->unbiased ? 1 : c->n > 1 ? (double)c->n / ((double)(c->n - 1) * s * rstd) : 0;
    for (int64_t i = 0; i < c->n; i++) {
        double a = (double)c->dy[i] * factor_at(c->gamma, i);
        a_mean += c->centred ? a / (double)c->n : 0;
        slope += a * ((double)c->x[i] - mean) * rstd / (double)c->n;
    }
    for (int64_t i = 0; i < c->n; i++) {
        double a = (double)c->dy[i] * factor_at(c->gamma, i);
        dx[i] = rstd * (a - a_mean - ((double)c->x[i] - mean) * rstd * slope * bend);
    }
}

/* The plain backward is itself compared with differences of the forward. */
static void plain_norm_backward_is_right(void **state)
{
    (void)state;
    enum { N = 7 };
    float x[N], dy[N], gamma[N];
    double dx[N];
    fill(x, N, -1, 3);
    fill(dy, N, -1, 1);
    fill(gamma, N, 0.5f, 1.5f);
    for (int rule = 0; rule < 3; rule++) {
        norm_case c = {x, dy, gamma, NULL, N, 1e-3, rule > 0, rule > 1};
        plain_norm_backward(&c, dx);
        for (int j = 0; j < N; j++) {
            double loss[2];
            float kept = x[j];
            double step[2];
            for (int side = 0; side < 2; side++) {
                x[j] = kept + (side ? 1.0f / 1024 : -1.0f / 1024);
                step[side] = (double)x[j];
                double mean;
                double rstd;
                plain_moments(&c, &mean, &rstd);
                loss[side] = 0;
                for (int i = 0; i < N; i++) {
                    loss[side] += (double)dy[i] * ((double)x[i] - mean) * rstd * (double)gamma[i];
                }
            }
            x[j] = kept;
            assert_true(fabs((loss[1] - loss[0]) / (step[1] - step[0]) - dx[j]) < 1e-5);
        }
    }
}

static void check_norm(const norm_case *c)
{
    static double want[MAX_N];
    static float dgamma[MAX_N];
    static float dbeta[MAX_N];
    int64_t n = c->n;
    double mean;
    double rstd;
    float mean_got = 0;
    float rstd_got = 0;
    float *y = result();
    ae_norm_rule rule = {(float)c->eps, c->unbiased};
    plain_moments(c, &mean, &rstd);
    if (c->centred) {
        k->layer_norm(c->x, c->gamma, c->beta, rule, y, n, &mean_got, &rstd_got);
    } else {
        k->rms_norm(c->x, c->gamma, (float)c->eps, y, n, &rstd_got);
    }
    check_guards(n);
    check_near(mean_got, mean, sum_tolerance(n), "mean", n);
    check_near(rstd_got, rstd, 3e-6 * rstd, "rstd", n);
    for (int64_t i = 0; i < n; i++) {
        double v = ((double)c->x[i] - mean) * rstd * factor_at(c->gamma, i);
        v += c->beta != NULL && c->centred ? (double)c->beta[i] : 0;
        check_near(y[i], v, 4e-6 * rstd + 4e-6, c->centred ? "layer_norm" : "rms_norm", i);
        dgamma[i] = 0.5f;
        dbeta[i] = 0.25f;
    }
    float *dx = result();
    bool wanted = c->gamma != NULL;
    if (c->centred) {
        k->layer_norm_backward(c->x, c->dy, c->gamma, rule, mean_got, rstd_got, dx, wanted ? dgamma : NULL,
                               wanted ? dbeta : NULL, n);
    } else {
        k->rms_norm_backward(c->x, c->dy, c->gamma, rstd_got, dx, wanted ? dgamma : NULL, n);
    }
    check_guards(n);
    plain_norm_backward(c, want);
    for (int64_t i = 0; i < n; i++) {
        double xhat = ((double)c->x[i] - mean) * rstd;
        double dg = 0.5 + (wanted ? (double)c->dy[i] * xhat : 0);
        double db = 0.25 + (wanted && c->centred ? (double)c->dy[i] : 0);
        check_near(dx[i], want[i], 4e-6 * rstd + 2e-6 * rstd * rstd, "norm backward", i);
        check_near(dgamma[i], dg, 4e-6 * rstd + 4e-6, "dgamma", i);
        check_near(dbeta[i], db, 1e-6, "dbeta", i);
    }
}

static void norms(void)
{
    static float x[MAX_N], dy[MAX_N], gamma[MAX_N], beta[MAX_N];
    for (int s = 1; s < SIZES; s++) {
        int64_t n = size_at(s);
        fill(x, n, -2, 4);
        fill(dy, n, -1, 1);
        fill(gamma, n, 0.5f, 1.5f);
        fill(beta, n, -1, 1);
        for (int c = 0; c < 12; c++) {
            norm_case one = {x, dy, c & 1 ? gamma : NULL, c & 2 ? beta : NULL, n, 1e-2, c >= 4, c >= 8};
            check_norm(&one);
        }
    }
}

/* Rows far from zero: the variance must not cancel away. */
static void norm_far_from_zero(void)
{
    float x[256];
    float y[256];
    float mean;
    float rstd;
    for (int i = 0; i < 256; i++) {
        x[i] = 10000.0f + (float)(i % 2);
    }
    k->layer_norm(x, NULL, NULL, (ae_norm_rule){0, false}, y, 256, &mean, &rstd);
    check_near(mean, 10000.5, 1e-3, "mean", 0);
    check_near(rstd, 2, 1e-2, "rstd", 0);
    check_near(y[1], 1, 1e-2, "layer_norm", 1);
}

/* ---- dropout ---- */

static void dropout(void)
{
    static float x[MAX_N], residual[MAX_N], s[MAX_N], normed[MAX_N], want[MAX_N], gamma[MAX_N], beta[MAX_N];
    static uint8_t zero[MAX_N];
    ae_random_key key = ae_random_key_make(5, 6, 7, 8, 9);
    const float ps[] = {0, 0.1f, 0.5f, 1};
    for (int i = 0; i < SIZES; i++) {
        int64_t n = size_at(i);
        const ae_norm_rule rule = {1e-5f, i % 2 != 0};
        uint64_t first = (UINT64_C(1) << 34) - 130 + (uint64_t)i; /* every remainder; some cross a carry */
        fill(x, n, 1, 2);
        fill(residual, n, -1, 1);
        fill(gamma, n, -1, 1);
        fill(beta, n, -1, 1);
        for (int c = 0; c < 4; c++) {
            float *y = result();
            float factor = ps[c] < 1 ? (float)(1 / (1 - (double)ps[c])) : 0;
            ae_random_bernoulli(&key, first, (double)ps[c], zero, n);
            k->dropout(&key, ps[c], first, x, y, n);
            check_guards(n);
            for (int64_t j = 0; j < n; j++) {
                assert_true(y[j] == (zero[j] ? 0 : x[j] * factor));
            }
            if (n == 0) {
                continue;
            }
            float mean[2];
            float rstd[2];
            k->dropout_add_layer_norm(x, residual, &key, ps[c], first, gamma, beta, rule, s, normed, n, mean, rstd);
            for (int64_t j = 0; j < n; j++) {
                check_near(s[j], (double)residual[j] + (double)y[j], 5e-7, "dropout_add_layer_norm sum", j);
            }
            k->layer_norm(s, gamma, beta, rule, want, n, mean + 1, rstd + 1);
            assert_memory_equal(normed, want, (size_t)n * sizeof *want);
            assert_true(mean[0] == mean[1] && rstd[0] == rstd[1]);
            k->dropout_add_layer_norm(x, residual, NULL, 0, 0, gamma, beta, rule, s, normed, n, mean, rstd);
            for (int64_t j = 0; j < n; j++) {
                assert_true(s[j] == x[j] + residual[j]);
            }
        }
    }
}

/* ---- recurrent cells, against differences of the plain forward ---- */

enum { MAX_IN = 8, MAX_OUT = 2 };

/* One unit of a cell: inputs to outputs. */
typedef void (*plain_cell)(const double *in, double *out);

static double lstm_limit = INFINITY;

/* i, f, g, o, c_prev -> c, h */
static void plain_lstm(const double *in, double *out)
{
    double c = sigmoid(in[1]) * in[4] + sigmoid(in[0]) * tanh(in[2]);
    out[0] = fmax(-lstm_limit, fmin(lstm_limit, c));
    out[1] = sigmoid(in[3]) * tanh(out[0]);
}

/* xr, xz, xn, hr, hz, hn, h_prev -> h */
static void plain_gru(const double *in, double *out)
{
    double r = sigmoid(in[0] + in[3]);
    double z = sigmoid(in[1] + in[4]);
    double n = tanh(in[2] + r * in[5]);
    out[0] = (1 - z) * n + z * in[6];
}

/* candidate, z's pre-activation, h_prev -> h */
static void plain_gru_output(const double *in, double *out)
{
    double z = sigmoid(in[1]);
    out[0] = (1 - z) * tanh(in[0]) + z * in[2];
}

/* r's pre-activation, h_prev -> r·h_prev */
static void plain_gru_reset(const double *in, double *out)
{
    out[0] = sigmoid(in[0]) * in[1];
}

/* din[i] = Σ_o dout[o]·∂out[o]/∂in[i] */
static void plain_backward(plain_cell cell, int inputs, int outputs, const double *in, const double *dout, double *din)
{
    const double step = 1e-5;
    for (int i = 0; i < inputs; i++) {
        double moved[2][MAX_OUT];
        double at[MAX_IN];
        memcpy(at, in, (size_t)inputs * sizeof *at);
        at[i] = in[i] - step;
        cell(at, moved[0]);
        at[i] = in[i] + step;
        cell(at, moved[1]);
        din[i] = 0;
        for (int o = 0; o < outputs; o++) {
            din[i] += dout[o] * (moved[1][o] - moved[0][o]) / (2 * step);
        }
    }
}

enum { MAX_H = 1100 };

static void lstm_size(int64_t h, float clip)
{
    static float gates[4 * MAX_H], c_prev[MAX_H], act[4 * MAX_H], c[MAX_H], out[MAX_H];
    static float dh[MAX_H], dc[MAX_H], dgates[4 * MAX_H], dc_prev[MAX_H];
    lstm_limit = clip > 0 ? (double)clip : INFINITY;
    fill(gates, 4 * h, -3, 3);
    fill(c_prev, h, -2, 2);
    fill(dh, h, -1, 1);
    fill(dc, h, -1, 1);
    k->lstm(gates, c_prev, clip, act, c, out, h);
    for (int later = 0; later < 2; later++) {
        k->lstm_backward(act, c_prev, c, clip, dh, later ? dc : NULL, dgates, dc_prev, h);
        for (int64_t j = 0; j < h; j++) {
            double in[5] = {(double)gates[j], (double)gates[h + j], (double)gates[2 * h + j], (double)gates[3 * h + j],
                            (double)c_prev[j]};
            double dout[2] = {later ? (double)dc[j] : 0, (double)dh[j]};
            double want[2];
            double din[5];
            plain_lstm(in, want);
            check_near(c[j], want[0], 1e-6, "lstm c", j);
            check_near(out[j], want[1], 1e-6, "lstm h", j);
            if (fabs(fabs(want[0]) - lstm_limit) < 1e-4 && fabs(want[0]) < lstm_limit) {
                continue; /* too near the kink for differences */
            }
            plain_backward(plain_lstm, 5, 2, in, dout, din);
            for (int gate = 0; gate < 4; gate++) {
                check_near(dgates[gate * h + j], din[gate], 2e-6, "lstm_backward gate", j);
            }
            check_near(dc_prev[j], din[4], 2e-6, "lstm_backward c_prev", j);
        }
    }
    float in_place[4 * MAX_H];
    memcpy(in_place, gates, (size_t)(4 * h) * sizeof *gates);
    k->lstm(in_place, c_prev, clip, in_place, c, out, h);
    assert_memory_equal(in_place, act, (size_t)(4 * h) * sizeof *act);
    k->lstm_backward(in_place, c_prev, c, clip, dh, dc, in_place, dc, h);
    assert_memory_equal(in_place, dgates, (size_t)(4 * h) * sizeof *act);
    assert_memory_equal(dc, dc_prev, (size_t)h * sizeof *dc);
}

static void gru_size(int64_t h)
{
    static float xg[3 * MAX_H], hg[3 * MAX_H], h_prev[MAX_H], act[3 * MAX_H], out[MAX_H];
    static float dh[MAX_H], dxg[3 * MAX_H], dhg[3 * MAX_H], dh_prev[MAX_H];
    fill(xg, 3 * h, -2, 2);
    fill(hg, 3 * h, -2, 2);
    fill(h_prev, h, -1, 1);
    fill(dh, h, -1, 1);
    k->gru(xg, hg, h_prev, act, out, h);
    k->gru_backward(act, hg + 2 * h, h_prev, dh, dxg, dhg, dh_prev, h);
    for (int64_t j = 0; j < h; j++) {
        double in[7];
        double want;
        double din[7];
        double dout = (double)dh[j];
        for (int gate = 0; gate < 3; gate++) {
            in[gate] = (double)xg[gate * h + j];
            in[3 + gate] = (double)hg[gate * h + j];
        }
        in[6] = (double)h_prev[j];
        plain_gru(in, &want);
        plain_backward(plain_gru, 7, 1, in, &dout, din);
        check_near(out[j], want, 1e-6, "gru", j);
        for (int gate = 0; gate < 3; gate++) {
            check_near(dxg[gate * h + j], din[gate], 2e-6, "gru_backward x", j);
            check_near(dhg[gate * h + j], din[3 + gate], 2e-6, "gru_backward h", j);
        }
        check_near(dh_prev[j], din[6], 2e-6, "gru_backward h_prev", j);
    }
    k->gru(xg, hg, h_prev, xg, out, h);
    assert_memory_equal(xg, act, (size_t)(3 * h) * sizeof *act);
    k->gru_backward(act, hg + 2 * h, h_prev, dh, act, hg, dh, h);
    assert_memory_equal(act, dxg, (size_t)(3 * h) * sizeof *act);
    assert_memory_equal(dh, dh_prev, (size_t)h * sizeof *dh);
}

static void gru_before_size(int64_t h)
{
    static float gates[2 * MAX_H], h_prev[MAX_H], act[2 * MAX_H], rh[MAX_H], candidate[MAX_H], n[MAX_H], out[MAX_H];
    static float dh[MAX_H], drh[MAX_H], dcandidate[MAX_H], dz[MAX_H], dr[MAX_H], dh_prev[MAX_H];
    fill(gates, 2 * h, -2, 2);
    fill(candidate, h, -2, 2);
    fill(h_prev, h, -1, 1);
    fill(dh, h, -1, 1);
    fill(drh, h, -1, 1);
    k->gru_reset(gates, h_prev, act, rh, h);
    k->gru_output(candidate, act + h, h_prev, n, out, h);
    k->gru_output_backward(n, act + h, h_prev, dh, dcandidate, dz, dh_prev, h);
    k->gru_reset_backward(act, h_prev, drh, dr, dh_prev, h);
    for (int64_t j = 0; j < h; j++) {
        double step2[3] = {(double)candidate[j], (double)gates[h + j], (double)h_prev[j]};
        double step1[2] = {(double)gates[j], (double)h_prev[j]};
        double want;
        double din2[3];
        double din1[2];
        double dout2 = (double)dh[j];
        double dout1 = (double)drh[j];
        plain_gru_reset(step1, &want);
        check_near(rh[j], want, 1e-6, "gru_reset", j);
        plain_gru_output(step2, &want);
        check_near(out[j], want, 1e-6, "gru_output", j);
        plain_backward(plain_gru_output, 3, 1, step2, &dout2, din2);
        plain_backward(plain_gru_reset, 2, 1, step1, &dout1, din1);
        check_near(dcandidate[j], din2[0], 2e-6, "gru_output_backward candidate", j);
        check_near(dz[j], din2[1], 2e-6, "gru_output_backward z", j);
        check_near(dr[j], din1[0], 2e-6, "gru_reset_backward r", j);
        check_near(dh_prev[j], din2[2] + din1[1], 3e-6, "gru backward h_prev", j);
    }
}

static void cells(void)
{
    for (int64_t h = 0; h < SMALL_SIZES; h++) {
        lstm_size(h, 0);
        lstm_size(h, 0.5f);
        gru_size(h);
        gru_before_size(h);
    }
    lstm_size(1024 + 17, 0);
    gru_size(1024 + 17);
    gru_before_size(1024 + 17);
}

/* ---- products ---- */

typedef struct product {
    int64_t m, n, k;
    float alpha;
    bool transposed, accumulate;
} product;

static void check_product(const product *p)
{
    static float a[40000], b[40000], c[40000], before[40000];
    int64_t lda = (p->transposed ? p->m : p->k) + 3;
    int64_t ldb = p->n + 5;
    int64_t ldc = p->n + 2;
    int64_t a_row = p->transposed ? 1 : lda;
    int64_t a_col = p->transposed ? lda : 1;
    fill(a, (p->transposed ? p->k : p->m) * lda, -1, 1);
    fill(b, p->k * ldb, -1, 1);
    fill(before, p->m * ldc, -1, 1);
    memcpy(c, before, sizeof c);
    k->matmul(p->m, p->n, p->k, p->alpha, a, a_row, a_col, b, ldb, c, ldc, p->accumulate);
    for (int64_t i = 0; i < p->m; i++) {
        for (int64_t j = 0; j < p->n; j++) {
            double want = 0;
            for (int64_t q = 0; q < p->k; q++) {
                want += (double)a[i * a_row + q * a_col] * (double)b[q * ldb + j];
            }
            want = (double)p->alpha * want + (p->accumulate ? (double)before[i * ldc + j] : 0);
            check_near(c[i * ldc + j], want, 4e-7 * sqrt((double)p->k) + 3e-7 + 2e-7 * fabs(want), "matmul", j);
        }
        for (int64_t j = p->n; j < ldc; j++) {
            assert_true(c[i * ldc + j] == before[i * ldc + j]);
        }
    }
}

static void products(void)
{
    const int64_t m[] = {1, 2, 3, 5, 6, 7, 8, 9, 13, 14, 15, 17, 24, 33};
    const int64_t n[] = {1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 80};
    const int64_t depth[] = {0, 1, 2, 7, 16, 33, 64};
    int turn = 0;
    for (int i = 0; i < (int)(sizeof m / sizeof m[0]); i++) {
        for (int j = 0; j < (int)(sizeof n / sizeof n[0]); j++) {
            for (int q = 0; q < (int)(sizeof depth / sizeof depth[0]); q++, turn++) {
                product p = {m[i], n[j], depth[q], turn % 3 ? 1 : 0.125f, turn & 1, turn & 2};
                check_product(&p);
            }
        }
    }
    const int64_t deep[] = {255, 256, 257, 300, 513};
    for (int q = 0; q < 5; q++) {
        for (int c = 0; c < 4; c++) {
            product p = {11, 37, deep[q], 0.5f, c & 1, c & 2};
            check_product(&p);
        }
    }
    product packed[] = {{70, 200, 100, 1, false, true}, {41, 140, 70, 2, true, false}};
    check_product(&packed[0]);
    check_product(&packed[1]);
    product empty[] = {{0, 5, 5, 1, false, false}, {5, 0, 5, 1, false, true}};
    check_product(&empty[0]);
    check_product(&empty[1]);
}

/* Streams: f32, bf16 and (k,n), all of numbers that bf16 holds, against sums in double; i8 exactly. */
static void check_stream(int64_t m, int64_t n, int64_t depth, bool biased)
{
    static float x[4 * 600], w[70 * 600], turned[600 * 73], bias[70], scale[70], x_scale[4];
    static uint16_t half[70 * 600];
    static int8_t xq[4 * 600], wq[70 * 600];
    int64_t ldx = depth + 3, ldw = n + 3, ldy = n + 2;
    fill(x, m * ldx, -1, 1);
    fill(w, n * depth, -1, 1);
    fill(bias, n, -1, 1);
    fill(scale, n, 0.5f, 1);
    fill(x_scale, m, 0.5f, 1);
    for (int64_t j = 0; j < n; j++) {
        for (int64_t p = 0; p < depth; p++) {
            half[j * depth + p] = ae_f32_to_bf16(w[j * depth + p]);
            w[j * depth + p] = turned[p * ldw + j] = ae_bf16_to_f32(half[j * depth + p]);
            wq[j * depth + p] = (int8_t)((j * 31 + p * 57) % 255 - 127);
        }
    }
    for (int64_t p = 0; p < m * depth; p++) {
        xq[p] = (int8_t)((p * 91) % 255 - 127);
    }
    const float *b = biased ? bias : NULL;
    for (int way = 0; way < 4; way++) {
        float *y = result();
        switch (way) {
        case 0:
            k->stream_f32(m, n, depth, x, ldx, w, b, y, ldy);
            break;
        case 1:
            k->stream_bf16(m, n, depth, x, ldx, half, b, y, ldy);
            break;
        case 2:
            k->stream_columns_f32(m, n, depth, x, ldx, turned, ldw, b, y, ldy);
            break;
        default:
            k->stream_i8(m, n, depth, xq, x_scale, wq, scale, b, y, ldy);
        }
        check_guards((m - 1) * ldy + n);
        for (int64_t i = 0; i < m; i++) {
            for (int64_t j = 0; j < n; j++) {
                double want = 0;
                for (int64_t p = 0; p < depth; p++) {
                    want += way == 3 ? (double)xq[i * depth + p] * wq[j * depth + p]
                                     : (double)x[i * ldx + p] * (double)w[j * depth + p];
                }
                want *= way == 3 ? (double)x_scale[i] * (double)scale[j] : 1;
                want += biased ? (double)bias[j] : 0;
                check_near(y[i * ldy + j], want, 1.5e-6 * sqrt((double)depth) + 3e-7 + 4e-7 * fabs(want), "stream", j);
            }
        }
    }
}

static void streams(void)
{
    const int64_t n[] = {1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 70};
    const int64_t depth[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 100, 511, 597};
    for (int64_t m = 1; m <= AE_STREAM_ROWS; m++) {
        for (int j = 0; j < (int)(sizeof n / sizeof n[0]); j++) {
            for (int q = 0; q < (int)(sizeof depth / sizeof depth[0]); q++) {
                check_stream(m, n[j], depth[q], (j + q) % 2 != 0);
            }
        }
    }
}

static void bytes_of_a_row(void)
{
    static float x[MAX_N];
    static int8_t q[MAX_N + 1];
    static int32_t sums[MAX_N];
    for (int i = 1; i < SIZES; i++) {
        int64_t n = size_at(i);
        fill(x, n, -3, 3);
        x[n / 2] = -4;
        q[n] = 99;
        float scale = k->quantize_i8(x, q, n);
        assert_true(scale == 4.0f / 127 && q[n / 2] == -127 && q[n] == 99);
        for (int64_t j = 0; j < n; j++) {
            assert_true(fabs((double)x[j] - (double)scale * q[j]) <= 0.5001 * (double)scale);
            sums[j] = q[j] * 1000;
        }
        float *y = result();
        k->scale_i32(sums, scale, x, NULL, y, n);
        check_guards(n);
        for (int64_t j = 0; j < n; j++) {
            check_near(y[j], 1000.0 * q[j] * (double)scale * (double)x[j], 0.01, "scale_i32", j);
        }
        k->scale_i32(sums, 1, x, x, (float *)(void *)sums, n);
        for (int64_t j = 0; j < n; j++) {
            check_near(((float *)(void *)sums)[j], (1000.0 * q[j] + 1) * (double)x[j], 0.1, "scale_i32", j);
        }
    }
    float odd[4] = {1, NAN, 2, 3}, tiny[2] = {1e-39f, -1e-38f}, zeros[3] = {0, -0.0f, 0};
    assert_true(isnan(k->quantize_i8(odd, q, 4)) && q[0] == 0 && q[3] == 0);
    odd[1] = -INFINITY;
    assert_true(isnan(k->quantize_i8(odd, q, 4)) && q[0] == 0);
    assert_true(k->quantize_i8(tiny, q, 2) == 0 && q[1] == 0);
    assert_true(k->quantize_i8(zeros, q, 3) == 0 && q[1] == 0);
}

static void transposes(void)
{
    static float x[100 * 110], y[100 * 110];
    for (int64_t rows = 0; rows <= 70; rows += rows < 34 ? 1 : 9) {
        for (int64_t cols = 0; cols <= 70; cols += cols < 34 ? 1 : 9) {
            int64_t ldx = cols + 3;
            int64_t ldy = rows + 2;
            fill(x, rows * ldx, -1, 1);
            for (int i = 0; i < 100 * 110; i++) {
                y[i] = 777;
            }
            k->transpose(x, ldx, rows, cols, y, ldy);
            for (int64_t j = 0; j < cols; j++) {
                for (int64_t i = 0; i < ldy; i++) {
                    assert_true(y[j * ldy + i] == (i < rows ? x[i * ldx + j] : 777));
                }
            }
            assert_true(y[cols * ldy] == 777);
        }
    }
}

/* ---- optimizers ---- */

static void adam_steps(void)
{
    static float p[MAX_N], g[MAX_N], m[MAX_N], v[MAX_N];
    const ae_adam_rule rules[] = {
        {0.9, 0.999, 1, 0, 1e-3f, 1, 1e-8f, 0, 0},
        {0.8, 0.99, 0.5f, 0.01f, 0.1f, 3, 1e-3f, 0.02f, 0.03f},
    };
    for (int s = 0; s < SIZES; s++) {
        int64_t n = size_at(s);
        const ae_adam_rule *r = &rules[s % 2];
        double want[3][8];
        fill(p, n, -1, 1);
        fill(g, n, -1, 1);
        fill(m, n, -1, 1);
        fill(v, n, 0.01f, 1);
        float tail = p[n];
        int64_t probes[8];
        for (int i = 0; i < 8 && n > 0; i++) {
            int64_t at = probes[i] = n * i / 8 + (i == 7 ? n - 1 - n * i / 8 : 0);
            double d = (double)r->grad_scale * (double)g[at] + (double)r->l2 * (double)p[at];
            want[1][i] = r->beta1 * (double)m[at] + (1 - r->beta1) * d;
            want[2][i] = r->beta2 * (double)v[at] + (1 - r->beta2) * d * d;
            double q = (double)p[at] * (1 - (double)r->decay_before) -
                       (double)r->step * want[1][i] / ((double)r->root_scale * sqrt(want[2][i]) + (double)r->eps);
            want[0][i] = q - (double)r->decay_after * q;
        }
        k->adam(r, p, g, m, v, n);
        for (int i = 0; i < 8 && n > 0; i++) {
            check_near(p[probes[i]], want[0][i], 5e-7, "adam p", probes[i]);
            check_near(m[probes[i]], want[1][i], 3e-7, "adam m", probes[i]);
            check_near(v[probes[i]], want[2][i], 3e-7, "adam v", probes[i]);
        }
        assert_true(p[n] == tail);
    }
}

static void sgd_steps(void)
{
    static float p[MAX_N], g[MAX_N], buf[MAX_N], before[MAX_N], buf_before[MAX_N];
    for (int s = 0; s < SIZES; s++) {
        int64_t n = size_at(s);
        for (int c = 0; c < 5; c++) {
            ae_sgd_rule r = {0.5f, 0.01f, 0.1f, 0.9f, 0.2f, c & 1, c & 2};
            bool plain = c == 4;
            fill(p, n + 1, -1, 1);
            fill(g, n + 1, -1, 1);
            fill(buf, n + 1, -1, 1);
            memcpy(before, p, sizeof p);
            memcpy(buf_before, buf, sizeof buf);
            k->sgd(&r, p, g, plain ? NULL : buf, n);
            for (int64_t i = 0; i < n; i++) {
                double d = 0.5 * (double)g[i] + (double)r.l2 * (double)before[i];
                double b = r.first ? d : (double)r.momentum * (double)buf_before[i] + (1 - (double)r.dampening) * d;
                double u = r.nesterov ? d + (double)r.momentum * b : b;
                check_near(p[i], (double)before[i] - (double)r.lr * (plain ? d : u), 3e-7, "sgd p", i);
                check_near(buf[i], plain ? (double)buf_before[i] : b, 3e-7, "sgd buf", i);
            }
            assert_true(p[n] == before[n] && buf[n] == buf_before[n]);
        }
    }
}

/* A NaN in the buffer that `first` overwrites must not live on. */
static void sgd_first_step_ignores_the_buffer(void)
{
    float p = 1;
    float g = 2;
    float buf = NAN;
    ae_sgd_rule r = {1, 0, 0.5f, 0.9f, 0, false, true};
    k->sgd(&r, &p, &g, &buf, 1);
    assert_true(p == 0 && buf == 2);
}

#define EACH_ISA(body)                                                                                                 \
    static void each_##body(void **state)                                                                              \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        each_isa(body);                                                                                                \
    }

EACH_ISA(unary_sizes)
EACH_ISA(unary_sweep)
EACH_ISA(backward_sizes)
EACH_ISA(relu_backward_is_a_choice)
EACH_ISA(conversions)
EACH_ISA(vectors)
EACH_ISA(extremes_of_specials)
EACH_ISA(first_of_equals_is_found)
EACH_ISA(columns_keep_their_extremes)
EACH_ISA(sums_of_columns)
EACH_ISA(softmax_rows)
EACH_ISA(softmax_of_specials)
EACH_ISA(cross_entropy_rows)
EACH_ISA(norms)
EACH_ISA(norm_far_from_zero)
EACH_ISA(dropout)
EACH_ISA(cells)
EACH_ISA(products)
EACH_ISA(transposes)
EACH_ISA(streams)
EACH_ISA(bytes_of_a_row)
EACH_ISA(adam_steps)
EACH_ISA(sgd_steps)
EACH_ISA(sgd_first_step_ignores_the_buffer)

int main(void)
{
    setenv("AESOP_ISA", "base", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(environment),
        cmocka_unit_test(selection),
        cmocka_unit_test(each_unary_sizes),
        cmocka_unit_test(each_unary_sweep),
        cmocka_unit_test(each_backward_sizes),
        cmocka_unit_test(each_relu_backward_is_a_choice),
        cmocka_unit_test(each_conversions),
        cmocka_unit_test(each_vectors),
        cmocka_unit_test(each_extremes_of_specials),
        cmocka_unit_test(each_first_of_equals_is_found),
        cmocka_unit_test(each_columns_keep_their_extremes),
        cmocka_unit_test(each_softmax_rows),
        cmocka_unit_test(each_softmax_of_specials),
        cmocka_unit_test(each_cross_entropy_rows),
        cmocka_unit_test(plain_norm_backward_is_right),
        cmocka_unit_test(each_norms),
        cmocka_unit_test(each_norm_far_from_zero),
        cmocka_unit_test(each_dropout),
        cmocka_unit_test(each_cells),
        cmocka_unit_test(each_products),
        cmocka_unit_test(each_transposes),
        cmocka_unit_test(each_streams),
        cmocka_unit_test(each_bytes_of_a_row),
        cmocka_unit_test(each_adam_steps),
        cmocka_unit_test(each_sgd_steps),
        cmocka_unit_test(each_sgd_first_step_ignores_the_buffer),
        cmocka_unit_test(each_sums_of_columns),
        cmocka_unit_test(every_call_was_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
