/* Philox against the published vectors; distributions by their moments; independence of split and threads. */
#include "tensor/kernels.h"
#include "tensor/random.h"
#include "tensor/threads.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint64_t seed = 20240229;

static ae_random_key some_key(uint64_t draw)
{
    return ae_random_key_make(seed, 3, 1, 0, draw);
}

/* The known answers that the authors of Philox publish with Random123 (kat_vectors, philox4x32 10). */
static void philox_known_answers(void **state)
{
    (void)state;
    static const uint32_t cases[3][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d, 0x41c83b0e, 0xa20bc7c6,
         0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb, 0x5001e420,
         0x24126ea1},
    };
    for (int i = 0; i < 3; i++) {
        uint32_t words[4];
        ae_philox(cases[i] + 4, cases[i], words);
        assert_memory_equal(words, cases[i] + 6, sizeof words);
    }
}

/* Each argument changes the key; equal arguments give equal keys. */
static void keys_differ(void **state)
{
    (void)state;
    ae_random_key keys[] = {
        ae_random_key_make(1, 2, 3, 4, 5),
        ae_random_key_make(9, 2, 3, 4, 5),
        ae_random_key_make(1 + (UINT64_C(1) << 40), 2, 3, 4, 5),
        ae_random_key_make(1, 9, 3, 4, 5),
        ae_random_key_make(1, 2 + (UINT64_C(1) << 40), 3, 4, 5),
        ae_random_key_make(1, 2, 9, 4, 5),
        ae_random_key_make(1, 2, 3, 9, 5),
        ae_random_key_make(1, 2, 3, 4, 9),
        ae_random_key_make(1, 2, 3, 4, 5 + (UINT64_C(1) << 40)),
        {{0}, {0}},
        {{0}, {0}},
        {{0}, {0}},
    };
    enum { COUNT = sizeof keys / sizeof keys[0] };
    keys[9] = ae_random_subkey(&keys[0], 0);
    keys[10] = ae_random_subkey(&keys[0], 1);
    keys[11] = ae_random_subkey(&keys[0], UINT64_C(1) << 40);
    ae_random_key same = ae_random_key_make(1, 2, 3, 4, 5);
    assert_memory_equal(&keys[0], &same, sizeof same);
    for (int i = 0; i < COUNT; i++) {
        for (int j = i + 1; j < COUNT; j++) {
            assert_memory_not_equal(&keys[i], &keys[j], sizeof keys[i]);
        }
    }
}

/* ---- every fill: the same bits for any split and any number of threads ---- */

typedef void (*any_fill)(const ae_random_key *key, uint64_t first, void *y, int64_t n);

static void u32(const ae_random_key *key, uint64_t first, void *y, int64_t n)
{
    ae_random_fill_u32(key, first, y, n);
}
static void uniform32(const ae_random_key *key, uint64_t first, void *y, int64_t n)
{
    ae_random_uniform_f32(key, first, -1, 3, y, n);
}
static void uniform64(const ae_random_key *key, uint64_t first, void *y, int64_t n)
{
    ae_random_uniform_f64(key, first, -1, 3, y, n);
}
static void normal32(const ae_random_key *key, uint64_t first, void *y, int64_t n)
{
    ae_random_normal_f32(key, first, 0.5f, 2, y, n);
}
static void normal64(const ae_random_key *key, uint64_t first, void *y, int64_t n)
{
    ae_random_normal_f64(key, first, 0.5, 2, y, n);
}
static void truncated32(const ae_random_key *key, uint64_t first, void *y, int64_t n)
{
    ae_random_truncated_normal_f32(key, first, 0.5f, 2, y, n);
}
static void truncated64(const ae_random_key *key, uint64_t first, void *y, int64_t n)
{
    ae_random_truncated_normal_f64(key, first, 0.5, 2, y, n);
}
static void int64s(const ae_random_key *key, uint64_t first, void *y, int64_t n)
{
    ae_random_int_i64(key, first, -5, 12, y, n);
}
static void int32s(const ae_random_key *key, uint64_t first, void *y, int64_t n)
{
    ae_random_int_i32(key, first, -5, 12, y, n);
}
static void bernoulli(const ae_random_key *key, uint64_t first, void *y, int64_t n)
{
    ae_random_bernoulli(key, first, 0.3, y, n);
}

static const struct {
    any_fill fill;
    size_t size;
} fills[] = {{u32, 4},         {uniform32, 4},   {uniform64, 8}, {normal32, 4}, {normal64, 8},
             {truncated32, 4}, {truncated64, 8}, {int64s, 8},    {int32s, 4},   {bernoulli, 1}};

static void fills_do_not_depend_on_the_split(void **state)
{
    (void)state;
    enum { N = 300 };
    const uint64_t first = (UINT64_C(1) << 34) - 37; /* crosses a carry of the counter's low word */
    ae_random_key key = some_key(7);
    for (size_t f = 0; f < sizeof fills / sizeof fills[0]; f++) {
        size_t size = fills[f].size;
        unsigned char whole[N * 8];
        unsigned char parts[N * 8];
        fills[f].fill(&key, first, whole, N);
        for (int step = 1; step <= 11; step++) {
            memset(parts, 0xee, sizeof parts);
            for (int64_t i = 0; i < N; i += step) {
                fills[f].fill(&key, first + (uint64_t)i, parts + (size_t)i * size, step < N - i ? step : N - i);
            }
            assert_memory_equal(parts, whole, N * size);
        }
        ae_random_key other = some_key(8);
        fills[f].fill(&other, first, parts, N);
        assert_memory_not_equal(parts, whole, N * size);
    }
}

static void fills_do_not_depend_on_threads(void **state)
{
    (void)state;
    enum { N = 65536 + 16384 + 5 };
    unsigned char *one = malloc((size_t)N * 8);
    unsigned char *two = malloc((size_t)N * 8);
    assert_non_null(one);
    assert_non_null(two);
    ae_random_key key = some_key(1);
    for (size_t f = 0; f < sizeof fills / sizeof fills[0]; f++) {
        assert_int_equal(ae_set_threads(1, NULL), 0);
        fills[f].fill(&key, 3, one, N);
        assert_int_equal(ae_set_threads(3, NULL), 0);
        fills[f].fill(&key, 3, two, N);
        assert_memory_equal(one, two, (size_t)N * fills[f].size);
    }
    ae_set_threads(0, NULL);
    free(one);
    free(two);
}

static void single_values_are_those_of_the_fills(void **state)
{
    (void)state;
    ae_random_key key = some_key(2);
    uint32_t words[9];
    double units[9];
    double normals[9];
    int64_t ints[9];
    ae_random_fill_u32(&key, 5, words, 9);
    ae_random_uniform_f64(&key, 5, 0, 1, units, 9);
    ae_random_normal_f64(&key, 5, 0, 1, normals, 9);
    ae_random_int_i64(&key, 5, -3, 4, ints, 9);
    for (uint64_t i = 0; i < 9; i++) {
        assert_int_equal(words[i], ae_random_word(&key, 5 + i));
        assert_true(units[i] == ae_random_unit(&key, 5 + i));
        assert_true(normals[i] == ae_random_gauss(&key, 5 + i));
        assert_int_equal(ints[i], ae_random_int(&key, 5 + i, -3, 4));
    }
}

/* The exact bits of a few values: no library, compiler or processor may change them. */
static void bits_are_pinned(void **state)
{
    (void)state;
    ae_random_key key = ae_random_key_make(1, 0, 0, 0, 0);
    float normal[3];
    double wide[2];
    uint32_t got[7];
    ae_random_normal_f32(&key, 0, 0, 1, normal, 3);
    ae_random_normal_f64(&key, 0, 0, 1, wide, 2);
    memcpy(got, normal, 12);
    memcpy(got + 3, wide, 16);
    static const uint32_t want[7] = {0xc00f7491, 0xbcbc5e50, 0x3e86f19f, 0xd8729774,
                                     0x4000f6c3, 0xa69fc556, 0xbfe7426d};
    assert_memory_equal(got, want, sizeof want);
}

/* The normals against Box and Muller's formula with the C library's functions. */
static void normals_follow_their_formula(void **state)
{
    (void)state;
    const double pi = 3.14159265358979323846;
    ae_random_key key = some_key(3);
    for (uint64_t block = 0; block < 20000; block++) {
        uint32_t w[4];
        float narrow[4];
        double wide[2];
        ae_random_fill_u32(&key, 4 * block, w, 4);
        ae_random_normal_f32(&key, 4 * block, 0, 1, narrow, 4);
        ae_random_normal_f64(&key, 2 * block, 0, 1, wide, 2);
        for (int pair = 0; pair < 4; pair += 2) {
            double r = sqrt(-2 * log((w[pair] + 0.5) / 4294967296.0));
            double angle = 2 * pi * w[pair + 1] / 4294967296.0;
            assert_true(fabs((double)narrow[pair] - r * cos(angle)) < 4e-7);
            assert_true(fabs((double)narrow[pair + 1] - r * sin(angle)) < 4e-7);
        }
        uint64_t u = (uint64_t)w[0] << 32 | w[1];
        uint64_t v = (uint64_t)w[2] << 32 | w[3];
        double r = sqrt(-2 * log(((double)(u >> 12) + 0.5) * 0x1p-52));
        double angle = 2 * pi * ((double)(v >> 11) * 0x1p-53);
        assert_true(fabs(wide[0] - r * cos(angle)) < 1e-14);
        assert_true(fabs(wide[1] - r * sin(angle)) < 1e-14);
    }
}

/* ---- distributions ---- */

typedef struct moments {
    double mean, variance, skewness, kurtosis, smallest, largest, lag;
} moments;

static moments moments_of(const double *x, int64_t n)
{
    moments m = {.smallest = INFINITY, .largest = -INFINITY};
    double c2 = 0, c3 = 0, c4 = 0, lag = 0;
    for (int64_t i = 0; i < n; i++) {
        m.mean += x[i] / (double)n;
        m.smallest = fmin(m.smallest, x[i]);
        m.largest = fmax(m.largest, x[i]);
    }
    for (int64_t i = 0; i < n; i++) {
        double d = x[i] - m.mean;
        c2 += d * d / (double)n;
        c3 += d * d * d / (double)n;
        c4 += d * d * d * d / (double)n;
        lag += i > 0 ? d * (x[i - 1] - m.mean) / (double)n : 0;
    }
    m.variance = c2;
    m.skewness = c3 / pow(c2, 1.5);
    m.kurtosis = c4 / (c2 * c2);
    m.lag = lag / c2;
    return m;
}

enum { MANY = 200000 };

static void check_moments(const double *x, double mean, double variance, double kurtosis)
{
    moments m = moments_of(x, MANY);
    assert_true(fabs(m.mean - mean) < 5 * sqrt(variance / MANY));
    assert_true(fabs(m.variance / variance - 1) < 5 * sqrt((kurtosis - 1) / MANY));
    assert_true(fabs(m.skewness) < 0.04);
    assert_true(fabs(m.kurtosis - kurtosis) < 0.08);
    assert_true(fabs(m.lag) < 5 / sqrt(MANY));
}

static void moments_fit(void **state)
{
    (void)state;
    double *x = malloc(MANY * sizeof *x);
    float *y = malloc(MANY * sizeof *y);
    assert_non_null(x);
    assert_non_null(y);
    ae_random_key key = some_key(11);
    ae_random_uniform_f64(&key, 0, -1, 3, x, MANY);
    check_moments(x, 1, 16.0 / 12, 1.8);
    moments m = moments_of(x, MANY);
    assert_true(m.smallest >= -1 && m.largest < 3);
    ae_random_normal_f64(&key, 0, 0.5, 2, x, MANY);
    check_moments(x, 0.5, 4, 3);
    /* cut at 2: variance 1 − 4φ(2)/(2Φ(2) − 1) = 0.77374, kurtosis 2.36535 (from the moments of the density) */
    ae_random_truncated_normal_f64(&key, 0, 0.5, 2, x, MANY);
    check_moments(x, 0.5, 4 * 0.7737413, 2.3653);
    m = moments_of(x, MANY);
    assert_true(m.smallest >= -3.5 && m.largest <= 4.5);
    void (*const singles[3])(const ae_random_key *, uint64_t, float, float, float *,
                             int64_t) = {ae_random_uniform_f32, ae_random_normal_f32, ae_random_truncated_normal_f32};
    const double want[3][3] = {{1.25, 0.75 * 0.75 / 3, 1.8}, {0.5, 4, 3}, {0.5, 4 * 0.7737413, 2.3653}};
    for (int f = 0; f < 3; f++) {
        singles[f](&key, 1, 0.5f, 2, y, MANY);
        for (int i = 0; i < MANY; i++) {
            x[i] = (double)y[i];
        }
        check_moments(x, want[f][0], want[f][1], want[f][2]);
    }
    free(x);
    free(y);
}

/* Uniform f32 stays below hi even where rounding would reach it. */
static void uniform_excludes_hi(void **state)
{
    (void)state;
    float y[4096];
    ae_random_key key = some_key(12);
    ae_random_uniform_f32(&key, 0, 1, nextafterf(1, 2), y, 4096);
    for (int i = 0; i < 4096; i++) {
        assert_true(y[i] == 1.0f);
    }
    double z[64];
    ae_random_uniform_f64(&key, 0, 1, nextafter(1, 2), z, 64);
    for (int i = 0; i < 64; i++) {
        assert_true(z[i] == 1.0);
    }
}

static void integers_are_uniform(void **state)
{
    (void)state;
    int64_t count[7] = {0};
    ae_random_key key = some_key(13);
    for (uint64_t i = 0; i < 70000; i++) {
        int64_t v = ae_random_int(&key, i, -3, 4);
        assert_in_range(v + 3, 0, 6);
        count[v + 3]++;
    }
    for (int i = 0; i < 7; i++) {
        assert_true(llabs((long long)count[i] - 10000) < 500);
    }
    assert_int_equal(ae_random_int(&key, 0, 5, 5), 5);
    assert_int_equal(ae_random_int(&key, 0, 5, -1), 5);
    int64_t extremes = 0;
    for (uint64_t i = 0; i < 64; i++) {
        int64_t v = ae_random_int(&key, i, INT64_MIN, INT64_MAX);
        extremes |= v < 0 ? 1 : 2;
    }
    assert_int_equal(extremes, 3);
}

static void bernoulli_counts(void **state)
{
    (void)state;
    static uint8_t y[40000];
    ae_random_key key = some_key(14);
    const double p[] = {-1, 0, 0.1, 0.5, 1, 2};
    const double want[] = {0, 0, 0.1, 0.5, 1, 1};
    for (int c = 0; c < 6; c++) {
        int64_t ones = 0;
        ae_random_bernoulli(&key, 0, p[c], y, 40000);
        for (int i = 0; i < 40000; i++) {
            ones += y[i];
        }
        double allowed = 5 * sqrt(40000 * want[c] * (1 - want[c]));
        assert_true(fabs((double)ones - 40000 * want[c]) <= allowed);
    }
    assert_int_equal(ae_random_threshold(NAN), 0);
}

static void permutations_are_fair(void **state)
{
    (void)state;
    int64_t y[1000];
    bool seen[1000] = {false};
    ae_random_key key = some_key(15);
    ae_random_permutation(&key, y, 1000);
    for (int i = 0; i < 1000; i++) {
        assert_in_range(y[i], 0, 999);
        assert_false(seen[y[i]]);
        seen[y[i]] = true;
    }
    int count[6] = {0};
    for (uint64_t draw = 0; draw < 12000; draw++) {
        ae_random_key k = some_key(100 + draw);
        int64_t p[3];
        ae_random_permutation(&k, p, 3);
        count[p[0] * 2 + (p[1] > p[2])]++;
    }
    for (int i = 0; i < 6; i++) {
        assert_true(abs(count[i] - 2000) < 220);
    }
    ae_random_permutation(&key, y, 0);
}

static void multinomial_follows_the_weights(void **state)
{
    (void)state;
    static int64_t y[40000];
    const double w[5] = {0, 1, 2, 0, 5};
    const float narrow[5] = {0, 1, 2, 0, 5};
    int64_t count[5] = {0};
    ae_random_key key = some_key(16);
    assert_int_equal(ae_random_multinomial(&key, w, 5, 40000, true, y, NULL), 0);
    for (int i = 0; i < 40000; i++) {
        count[y[i]]++;
    }
    assert_int_equal(count[0] + count[3], 0);
    assert_true(llabs((long long)count[1] - 5000) < 400);
    assert_true(llabs((long long)count[4] - 25000) < 500);
    int first[5] = {0};
    for (uint64_t d = 0; d < 8000; d++) {
        ae_random_key k = some_key(1000 + d);
        int64_t z[3];
        assert_int_equal(ae_random_multinomial_f32(&k, narrow, 5, 3, false, z, NULL), 0);
        assert_true(z[0] != z[1] && z[1] != z[2] && z[0] != z[2]);
        first[z[0]]++;
    }
    assert_int_equal(first[0] + first[3], 0);
    assert_true(abs(first[1] - 1000) < 170);
    assert_true(abs(first[4] - 5000) < 230);
    assert_int_equal(ae_random_multinomial(&key, w, 5, 0, true, y, NULL), 0);
}

static void multinomial_refuses(void **state)
{
    (void)state;
    int64_t y[4];
    ae_err e = {0};
    ae_random_key key = some_key(17);
    const double negative[2] = {1, -2};
    const double zeros[2] = {0, 0};
    const double huge[2] = {1e308, 1e308};
    const double one[3] = {0, 4, 0};
    const float nan[1] = {NAN};
    assert_int_equal(ae_random_multinomial(&key, negative, 2, 1, true, y, &e), -1);
    assert_int_equal(e.code, AE_E_VALUE);
    assert_string_equal(e.message, "multinomial: weight 1 is -2; weights must be finite and not negative");
    ae_err_clear(&e);
    assert_int_equal(ae_random_multinomial(&key, zeros, 2, 1, true, y, &e), -1);
    assert_string_equal(e.message, "multinomial: none of the 2 weights is positive");
    ae_err_clear(&e);
    assert_int_equal(ae_random_multinomial(&key, huge, 2, 1, true, y, &e), -1);
    assert_string_equal(e.message, "multinomial: the sum of the 2 weights overflows; scale them down");
    ae_err_clear(&e);
    assert_int_equal(ae_random_multinomial(&key, one, 3, 2, false, y, &e), -1);
    assert_string_equal(e.message, "multinomial: 2 draws without replacement from 1 positive weights; draw fewer, or "
                                   "with replacement");
    ae_err_clear(&e);
    assert_int_equal(ae_random_multinomial_f32(&key, nan, 1, 1, true, y, &e), -1);
    assert_string_equal(e.message, "multinomial: weight 0 is nan; weights must be finite and not negative");
    ae_err_clear(&e);
    assert_int_equal(ae_random_multinomial(&key, zeros, 0, 1, true, y, &e), -1);
    assert_string_equal(e.message, "multinomial: none of the 0 weights is positive");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_known_answers),
        cmocka_unit_test(keys_differ),
        cmocka_unit_test(fills_do_not_depend_on_the_split),
        cmocka_unit_test(fills_do_not_depend_on_threads),
        cmocka_unit_test(single_values_are_those_of_the_fills),
        cmocka_unit_test(bits_are_pinned),
        cmocka_unit_test(normals_follow_their_formula),
        cmocka_unit_test(moments_fit),
        cmocka_unit_test(uniform_excludes_hi),
        cmocka_unit_test(integers_are_uniform),
        cmocka_unit_test(bernoulli_counts),
        cmocka_unit_test(permutations_are_fair),
        cmocka_unit_test(multinomial_follows_the_weights),
        cmocka_unit_test(multinomial_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
