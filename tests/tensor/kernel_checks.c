#include "tensor/kernel_checks.h"

static const int64_t some_sizes[SIZES - SMALL_SIZES] = {127,  128,  129,  255,  256,  257,
                                                        1000, 1023, 2047, 2048, 2049, 4099};

/* 0..70, then some larger ones. */
int64_t size_at(int i)
{
    return i < SMALL_SIZES ? i : some_sizes[i - SMALL_SIZES];
}

const ae_kernels *k;

/* Runs a test's body once for each instruction set. */
void each_isa(void (*body)(void))
{
    assert_true(ae_kernels_count() >= 1);
    for (int i = 0; i < ae_kernels_count(); i++) {
        k = ae_kernels_at(i);
        body();
    }
}

void fill(float *x, int64_t n, float lo, float hi)
{
    static uint64_t draw;
    ae_random_key key = ae_random_key_make(1, 0, 0, 0, draw++);
    ae_random_uniform_f32(&key, 0, lo, hi, x, n);
}

/* A result with guards on both sides. */
static float guarded[MAX_N + 2 * GUARD];

float *result(void)
{
    for (int i = 0; i < MAX_N + 2 * GUARD; i++) {
        guarded[i] = 777.0f;
    }
    return guarded + GUARD;
}

void check_guards(int64_t n)
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

void check_ulps(float got, double want, double allowed, const char *what, float at)
{
    if (!(ulps_between(got, want) <= allowed)) {
        fail_msg("%s.%s(%.9g) is %.9g, should be %.9g", k->name, what, (double)at, (double)got, want);
    }
}

void check_near(float got, double want, double allowed, const char *what, int64_t i)
{
    if (!(fabs((double)got - want) <= allowed)) {
        fail_msg("%s.%s: element %lld is %.9g, should be %.9g +- %.3g", k->name, what, (long long)i, (double)got, want,
                 allowed);
    }
}

/* What a float sum of n terms of one sign may be off, relatively: a build whose sums run in one lane (sanitizers keep
 * the compiler from using more) adds n rounding errors in a row. */
double sum_tolerance(int64_t n)
{
    return 2e-6 * fmax(1, sqrt((double)n) / 16);
}

double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}
