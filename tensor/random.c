/* Philox4x32-10 and the distributions made from it. This file is compiled without contraction to fused multiply-add, so
 * its bits are the same everywhere. */
#include "tensor/random.h"

#include "tensor/threads.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PARALLEL_FROM = 65536, CHUNK = 16384 };

static inline void philox_round(uint32_t *c0, uint32_t *c1, uint32_t *c2, uint32_t *c3, uint32_t k0, uint32_t k1)
{
    uint64_t a = (uint64_t)*c0 * 0xd2511f53u;
    uint64_t b = (uint64_t)*c2 * 0xcd9e8d57u;
    *c0 = (uint32_t)(b >> 32) ^ *c1 ^ k0;
    *c1 = (uint32_t)b;
    *c2 = (uint32_t)(a >> 32) ^ *c3 ^ k1;
    *c3 = (uint32_t)a;
}

static inline void philox(const uint32_t key[2], const uint32_t counter[4], uint32_t words[4])
{
    uint32_t c[4] = {counter[0], counter[1], counter[2], counter[3]};
    uint32_t k0 = key[0];
    uint32_t k1 = key[1];
    for (int round = 0; round < 10; round++) {
        philox_round(&c[0], &c[1], &c[2], &c[3], k0, k1);
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    memcpy(words, c, sizeof c);
}

void ae_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t words[4])
{
    philox(key, counter, words);
}

/* ---- keys ---- */

static ae_random_key key_from(const uint32_t words[4])
{
    return (ae_random_key){{words[0], words[1]}, {words[2], words[3]}};
}

/* Two rounds of hashing: together the numbers are longer than one counter. */
ae_random_key ae_random_key_make(uint64_t seed, uint64_t step, uint32_t round, uint32_t rank, uint64_t draw)
{
    uint32_t words[4];
    const uint32_t seed_key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    const uint32_t where[4] = {(uint32_t)step, (uint32_t)(step >> 32), round, rank};
    philox(seed_key, where, words);
    const uint32_t which[4] = {(uint32_t)draw, (uint32_t)(draw >> 32), words[2], words[3]};
    philox(words, which, words);
    return key_from(words);
}

/* The constant keeps the counters of subkeys away from those of the first 2^62 elements. */
ae_random_key ae_random_subkey(const ae_random_key *key, uint64_t index)
{
    uint32_t words[4];
    const uint32_t counter[4] = {(uint32_t)index, (uint32_t)(index >> 32) ^ 0x80000000u, key->stream[0],
                                 key->stream[1]};
    philox(key->key, counter, words);
    return key_from(words);
}

/* ---- words and uniform numbers ---- */

static inline void block_at(const ae_random_key *key, uint64_t block, uint32_t words[4])
{
    const uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), key->stream[0], key->stream[1]};
    philox(key->key, counter, words);
}

uint32_t ae_random_word(const ae_random_key *key, uint64_t element)
{
    uint32_t words[4];
    block_at(key, element / 4, words);
    return words[element % 4];
}

static uint64_t join(const uint32_t words[2])
{
    return (uint64_t)words[0] << 32 | words[1];
}

static uint64_t word64(const ae_random_key *key, uint64_t element)
{
    uint32_t words[4];
    block_at(key, element / 2, words);
    return join(words + 2 * (element % 2));
}

static double unit_of(uint64_t u)
{
    return (double)(u >> 11) * 0x1p-53;
}

double ae_random_unit(const ae_random_key *key, uint64_t element)
{
    return unit_of(word64(key, element));
}

/* The upper half of a·b. */
static uint64_t multiply_high(uint64_t a, uint64_t b)
{
    uint64_t a0 = (uint32_t)a;
    uint64_t a1 = a >> 32;
    uint64_t b0 = (uint32_t)b;
    uint64_t b1 = b >> 32;
    uint64_t middle = a1 * b0 + (a0 * b0 >> 32);
    uint64_t other = a0 * b1 + (uint32_t)middle;
    return a1 * b1 + (middle >> 32) + (other >> 32);
}

/* Lemire's multiplication without the rejection: the bias is below range/2^64. */
static int64_t int_of(uint64_t u, int64_t lo, int64_t hi)
{
    if (hi <= lo) {
        return lo;
    }
    return (int64_t)((uint64_t)lo + multiply_high(u, (uint64_t)hi - (uint64_t)lo));
}

int64_t ae_random_int(const ae_random_key *key, uint64_t element, int64_t lo, int64_t hi)
{
    return int_of(word64(key, element), lo, hi);
}

uint64_t ae_random_threshold(double p)
{
    if (!(p > 0)) {
        return 0;
    }
    return p >= 1 ? UINT64_C(1) << 32 : (uint64_t)(p * 0x1p32 + 0.5);
}

/* ---- elementary functions in double, by their series: error a few units of the last place ---- */

/* Adding 1.5·2^52 rounds to an integer, which then stands in the low bits. */
static const double rounder = 0x1.8p52;

static inline uint64_t bits_of(double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline double double_of(uint64_t u)
{
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* ln u for a positive normal u: u = m·2^k, m in [√½,√2); ln m = 2 artanh s, s = (m − 1)/(m + 1), |s| < 0.172. The
 * exponent becomes a number by standing in the fraction of 2^52: no conversion, so that loops vectorise everywhere. */
static inline double log_of(double u)
{
    const uint64_t root_half = UINT64_C(0x3fe6a09e667f3bcd);
    uint64_t shifted = bits_of(u) - root_half + (UINT64_C(1024) << 52);
    double k = double_of((shifted >> 52) | UINT64_C(0x4330000000000000)) - (0x1p52 + 1024);
    double m = double_of((shifted & UINT64_C(0x000fffffffffffff)) + root_half);
    double s = (m - 1) / (m + 1);
    double z = s * s;
    double series = 1.0 / 21;
    series = series * z + 1.0 / 19;
    series = series * z + 1.0 / 17;
    series = series * z + 1.0 / 15;
    series = series * z + 1.0 / 13;
    series = series * z + 1.0 / 11;
    series = series * z + 1.0 / 9;
    series = series * z + 1.0 / 7;
    series = series * z + 1.0 / 5;
    series = series * z + 1.0 / 3;
    series = series * z + 1.0;
    return k * 0.69314718055994530942 + 2 * s * series;
}

/* One step of the series 1 − z/(i(i+1))·(1 − z/((i+2)(i+3))·(...)). */
static inline double series_step(double inner, double z, double i)
{
    return 1 - inner * z * (1.0 / (i * (i + 1)));
}

static inline double sine_series(double z)
{
    double s = series_step(1, z, 16);
    s = series_step(s, z, 14);
    s = series_step(s, z, 12);
    s = series_step(s, z, 10);
    s = series_step(s, z, 8);
    s = series_step(s, z, 6);
    s = series_step(s, z, 4);
    return series_step(s, z, 2);
}

static inline double cosine_series(double z)
{
    double c = series_step(1, z, 15);
    c = series_step(c, z, 13);
    c = series_step(c, z, 11);
    c = series_step(c, z, 9);
    c = series_step(c, z, 7);
    c = series_step(c, z, 5);
    c = series_step(c, z, 3);
    return series_step(c, z, 1);
}

enum { BATCH = 32 }; /* Philox blocks made at once */

/* Box and Muller's transform: pairs of independent normals z[2i], z[2i+1] from uniforms u[i] in (0,1), v[i] in [0,1).
 * The angle 2π·v is taken to the nearest quarter turn, then by the series on ±π/4. */
static void box_muller(const double *u, const double *v, double *z, int pairs)
{
#pragma omp simd
    for (int i = 0; i < pairs; i++) {
        double radius = sqrt(-2 * log_of(u[i]));
        double shifted = 4 * v[i] + rounder;
        uint64_t quarter = bits_of(shifted);
        double x = (4 * v[i] - (shifted - rounder)) * 1.57079632679489661923;
        double s = x * sine_series(x * x);
        double c = cosine_series(x * x);
        uint64_t odd = 0 - (quarter & 1); /* cos and sin change places, with a sign */
        uint64_t turned = (quarter & 2) << 62;
        uint64_t cosine = (bits_of(c) & ~odd) | ((bits_of(s) ^ (UINT64_C(1) << 63)) & odd);
        uint64_t sine = (bits_of(s) & ~odd) | (bits_of(c) & odd);
        z[2 * i] = radius * double_of(cosine ^ turned);
        z[2 * i + 1] = radius * double_of(sine ^ turned);
    }
}

/* The words of `count` Philox blocks from `block` on, the four of each in columns. */
static void blocks_at(const ae_random_key *key, uint64_t block, int count, uint32_t words[4][BATCH])
{
#pragma omp simd
    for (int i = 0; i < count; i++) {
        uint64_t at = block + (uint64_t)i;
        uint32_t c0 = (uint32_t)at;
        uint32_t c1 = (uint32_t)(at >> 32);
        uint32_t c2 = key->stream[0];
        uint32_t c3 = key->stream[1];
        uint32_t k0 = key->key[0];
        uint32_t k1 = key->key[1];
        for (int round = 0; round < 10; round++) {
            philox_round(&c0, &c1, &c2, &c3, k0, k1);
            k0 += 0x9e3779b9u;
            k1 += 0xbb67ae85u;
        }
        words[0][i] = c0;
        words[1][i] = c1;
        words[2][i] = c2;
        words[3][i] = c3;
    }
}

/* The normals of `count` <= BATCH blocks: four a block for f32, from 32-bit uniforms; two for f64. */
static void normals_f32(const ae_random_key *key, uint64_t block, int count, double z[4 * BATCH])
{
    uint32_t words[4][BATCH];
    double u[2 * BATCH];
    double v[2 * BATCH];
    blocks_at(key, block, count, words);
    for (int i = 0; i < count; i++) {
        u[2 * i] = (words[0][i] + 0.5) * 0x1p-32;
        v[2 * i] = words[1][i] * 0x1p-32;
        u[2 * i + 1] = (words[2][i] + 0.5) * 0x1p-32;
        v[2 * i + 1] = words[3][i] * 0x1p-32;
    }
    box_muller(u, v, z, 2 * count);
}

static void normals_f64(const ae_random_key *key, uint64_t block, int count, double z[4 * BATCH])
{
    uint32_t words[4][BATCH];
    double u[BATCH];
    double v[BATCH];
    blocks_at(key, block, count, words);
    for (int i = 0; i < count; i++) {
        u[i] = ((double)(((uint64_t)words[0][i] << 32 | words[1][i]) >> 12) + 0.5) * 0x1p-52;
        v[i] = unit_of((uint64_t)words[2][i] << 32 | words[3][i]);
    }
    box_muller(u, v, z, count);
}

double ae_random_gauss(const ae_random_key *key, uint64_t element)
{
    double z[4 * BATCH];
    normals_f64(key, element / 2, 1, z);
    return z[element % 2];
}

/* ---- fills: a chunk filler each, and one loop that splits the work ---- */

typedef struct fill {
    const ae_random_key *key;
    uint64_t first;
    double a, b; /* lo and hi, or mean and std, or the probability */
    int64_t lo, hi;
    void *y;
} fill;

typedef void (*chunk_filler)(const fill *f, int64_t from, int64_t to);

static void run(chunk_filler chunk, const fill *f, int64_t n)
{
    if (n < PARALLEL_FROM) {
        chunk(f, 0, n);
        return;
    }
    int64_t chunks = (n + CHUNK - 1) / CHUNK;
#pragma omp parallel for schedule(static) num_threads(ae_threads())
    for (int64_t c = 0; c < chunks; c++) {
        int64_t from = c * CHUNK;
        chunk(f, from, from + CHUNK < n ? from + CHUNK : n);
    }
}

/* The part of y[from..end-1] that BATCH Philox blocks of some width fill; the first and last block may be cut. */
typedef struct span {
    uint64_t block;
    int blocks;
    int64_t start; /* the index in y of the first block's first element; below `from` in a cut block */
    int64_t from, to;
} span;

static span span_at(const fill *f, int64_t i, int64_t end, int width)
{
    uint64_t element = f->first + (uint64_t)i;
    span s = {element / (unsigned)width, 0, i - (int64_t)(element % (unsigned)width), i, 0};
    int64_t full = s.start + (int64_t)width * BATCH;
    s.to = full < end ? full : end;
    s.blocks = (int)((s.to - s.start + width - 1) / width);
    return s;
}

static void chunk_u32(const fill *f, int64_t from, int64_t to)
{
    uint32_t *y = f->y;
    for (span s = {.to = from}; s.to < to;) {
        uint32_t words[4][BATCH];
        s = span_at(f, s.to, to, 4);
        blocks_at(f->key, s.block, s.blocks, words);
        for (int64_t i = s.from; i < s.to; i++) {
            y[i] = words[(i - s.start) % 4][(i - s.start) / 4];
        }
    }
}

static void chunk_uniform_f32(const fill *f, int64_t from, int64_t to)
{
    float *y = f->y;
    float below = nextafterf((float)f->b, (float)f->a);
    for (span s = {.to = from}; s.to < to;) {
        uint32_t words[4][BATCH];
        s = span_at(f, s.to, to, 4);
        blocks_at(f->key, s.block, s.blocks, words);
        for (int64_t i = s.from; i < s.to; i++) {
            float v = (float)(f->a + (f->b - f->a) * ((words[(i - s.start) % 4][(i - s.start) / 4] >> 8) * 0x1p-24));
            y[i] = v < (float)f->b ? v : below; /* rounding may reach hi */
        }
    }
}

static void chunk_uniform_f64(const fill *f, int64_t from, int64_t to)
{
    double *y = f->y;
    double below = nextafter(f->b, f->a);
    for (int64_t i = from; i < to; i++) {
        double v = f->a + (f->b - f->a) * ae_random_unit(f->key, f->first + (uint64_t)i);
        y[i] = v < f->b ? v : below;
    }
}

static void chunk_normal_f32(const fill *f, int64_t from, int64_t to)
{
    float *y = f->y;
    for (span s = {.to = from}; s.to < to;) {
        double z[4 * BATCH];
        s = span_at(f, s.to, to, 4);
        normals_f32(f->key, s.block, s.blocks, z);
        for (int64_t i = s.from; i < s.to; i++) {
            y[i] = (float)(f->a + f->b * z[i - s.start]);
        }
    }
}

static void chunk_normal_f64(const fill *f, int64_t from, int64_t to)
{
    double *y = f->y;
    for (span s = {.to = from}; s.to < to;) {
        double z[4 * BATCH];
        s = span_at(f, s.to, to, 2);
        normals_f64(f->key, s.block, s.blocks, z);
        for (int64_t i = s.from; i < s.to; i++) {
            y[i] = f->a + f->b * z[i - s.start];
        }
    }
}

/* Attempt 0 is the plain normal; each later attempt has a key of its own, so that no element's attempts depend on
 * another's. */
static double again(const ae_random_key *key, uint64_t element)
{
    double z = 3;
    for (uint64_t attempt = 1; fabs(z) > 2; attempt++) {
        ae_random_key other = ae_random_subkey(key, attempt);
        z = ae_random_gauss(&other, element);
    }
    return z;
}

static void chunk_truncated_f32(const fill *f, int64_t from, int64_t to)
{
    float *y = f->y;
    for (span s = {.to = from}; s.to < to;) {
        double z[4 * BATCH];
        s = span_at(f, s.to, to, 4);
        normals_f32(f->key, s.block, s.blocks, z);
        for (int64_t i = s.from; i < s.to; i++) {
            double v = z[i - s.start];
            v = fabs(v) <= 2 ? v : again(f->key, f->first + (uint64_t)i);
            y[i] = (float)(f->a + f->b * v);
        }
    }
}

static void chunk_truncated_f64(const fill *f, int64_t from, int64_t to)
{
    double *y = f->y;
    for (span s = {.to = from}; s.to < to;) {
        double z[4 * BATCH];
        s = span_at(f, s.to, to, 2);
        normals_f64(f->key, s.block, s.blocks, z);
        for (int64_t i = s.from; i < s.to; i++) {
            double v = z[i - s.start];
            v = fabs(v) <= 2 ? v : again(f->key, f->first + (uint64_t)i);
            y[i] = f->a + f->b * v;
        }
    }
}

static void chunk_int_i64(const fill *f, int64_t from, int64_t to)
{
    int64_t *y = f->y;
    for (int64_t i = from; i < to; i++) {
        y[i] = ae_random_int(f->key, f->first + (uint64_t)i, f->lo, f->hi);
    }
}

static void chunk_int_i32(const fill *f, int64_t from, int64_t to)
{
    int32_t *y = f->y;
    for (int64_t i = from; i < to; i++) {
        y[i] = (int32_t)ae_random_int(f->key, f->first + (uint64_t)i, f->lo, f->hi);
    }
}

static void chunk_bernoulli(const fill *f, int64_t from, int64_t to)
{
    uint8_t *y = f->y;
    uint64_t threshold = ae_random_threshold(f->a);
    for (span s = {.to = from}; s.to < to;) {
        uint32_t words[4][BATCH];
        s = span_at(f, s.to, to, 4);
        blocks_at(f->key, s.block, s.blocks, words);
        for (int64_t i = s.from; i < s.to; i++) {
            y[i] = words[(i - s.start) % 4][(i - s.start) / 4] < threshold;
        }
    }
}

void ae_random_fill_u32(const ae_random_key *key, uint64_t first, uint32_t *y, int64_t n)
{
    run(chunk_u32, &(fill){.key = key, .first = first, .y = y}, n);
}

void ae_random_uniform_f32(const ae_random_key *key, uint64_t first, float lo, float hi, float *y, int64_t n)
{
    run(chunk_uniform_f32, &(fill){.key = key, .first = first, .a = lo, .b = hi, .y = y}, n);
}

void ae_random_uniform_f64(const ae_random_key *key, uint64_t first, double lo, double hi, double *y, int64_t n)
{
    run(chunk_uniform_f64, &(fill){.key = key, .first = first, .a = lo, .b = hi, .y = y}, n);
}

void ae_random_normal_f32(const ae_random_key *key, uint64_t first, float mean, float std, float *y, int64_t n)
{
    run(chunk_normal_f32, &(fill){.key = key, .first = first, .a = mean, .b = std, .y = y}, n);
}

void ae_random_normal_f64(const ae_random_key *key, uint64_t first, double mean, double std, double *y, int64_t n)
{
    run(chunk_normal_f64, &(fill){.key = key, .first = first, .a = mean, .b = std, .y = y}, n);
}

void ae_random_truncated_normal_f32(const ae_random_key *key, uint64_t first, float mean, float std, float *y,
                                    int64_t n)
{
    run(chunk_truncated_f32, &(fill){.key = key, .first = first, .a = mean, .b = std, .y = y}, n);
}

void ae_random_truncated_normal_f64(const ae_random_key *key, uint64_t first, double mean, double std, double *y,
                                    int64_t n)
{
    run(chunk_truncated_f64, &(fill){.key = key, .first = first, .a = mean, .b = std, .y = y}, n);
}

void ae_random_int_i64(const ae_random_key *key, uint64_t first, int64_t lo, int64_t hi, int64_t *y, int64_t n)
{
    run(chunk_int_i64, &(fill){.key = key, .first = first, .lo = lo, .hi = hi, .y = y}, n);
}

void ae_random_int_i32(const ae_random_key *key, uint64_t first, int32_t lo, int32_t hi, int32_t *y, int64_t n)
{
    run(chunk_int_i32, &(fill){.key = key, .first = first, .lo = lo, .hi = hi, .y = y}, n);
}

void ae_random_bernoulli(const ae_random_key *key, uint64_t first, double p, uint8_t *y, int64_t n)
{
    run(chunk_bernoulli, &(fill){.key = key, .first = first, .a = p, .y = y}, n);
}

/* ---- whole draws ---- */

void ae_random_permutation(const ae_random_key *key, int64_t *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        y[i] = i;
    }
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = ae_random_int(key, (uint64_t)i, 0, i + 1);
        int64_t kept = y[i];
        y[i] = y[j];
        y[j] = kept;
    }
}

/* Checks the weights; returns how many are positive, or -1. */
static int64_t check_weights(const double *weights, int64_t n, ae_err *e)
{
    double total = 0;
    int64_t positive = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!(weights[i] >= 0) || !isfinite(weights[i])) {
            return ae_err_set(e, AE_E_VALUE, "multinomial: weight %lld is %g; weights must be finite and not negative",
                              (long long)i, weights[i]);
        }
        total += weights[i];
        positive += weights[i] > 0;
    }
    if (positive == 0) {
        return ae_err_set(e, AE_E_VALUE, "multinomial: none of the %lld weights is positive", (long long)n);
    }
    if (!isfinite(total)) {
        return ae_err_set(e, AE_E_VALUE, "multinomial: the sum of the %lld weights overflows; scale them down",
                          (long long)n);
    }
    return positive;
}

/* The first index whose cumulative weight exceeds u·total; weights of 0 add nothing and so are never first. */
static int draw_with_replacement(const ae_random_key *key, const double *weights, int64_t n, int64_t count, int64_t *y,
                                 ae_err *e)
{
    double *cumulative = malloc((size_t)n * sizeof *cumulative);
    if (cumulative == NULL) {
        return ae_err_set(e, AE_E_MEMORY, "multinomial: no memory for %lld weights", (long long)n);
    }
    double total = 0;
    int64_t last = 0;
    for (int64_t i = 0; i < n; i++) {
        total += weights[i];
        cumulative[i] = total;
        last = weights[i] > 0 ? i : last;
    }
    for (int64_t d = 0; d < count; d++) {
        double u = ae_random_unit(key, (uint64_t)d) * total;
        int64_t lo = 0;
        int64_t hi = last; /* also the answer when rounding makes u the total */
        while (lo < hi) {
            int64_t middle = lo + (hi - lo) / 2;
            if (cumulative[middle] > u) {
                hi = middle;
            } else {
                lo = middle + 1;
            }
        }
        y[d] = lo;
    }
    free(cumulative);
    return 0;
}

typedef struct arrival {
    double time;
    int64_t index;
} arrival;

static int by_time(const void *a, const void *b)
{
    const arrival *x = a;
    const arrival *y = b;
    if (x->time != y->time) {
        return x->time < y->time ? -1 : 1;
    }
    return x->index < y->index ? -1 : x->index > y->index;
}

/* Index i arrives after an exponential time of rate weights[i]; the order of arrival is that of draws one by one. */
static int draw_without_replacement(const ae_random_key *key, const double *weights, int64_t n, int64_t count,
                                    int64_t *y, ae_err *e)
{
    arrival *arrivals = malloc((size_t)n * sizeof *arrivals);
    if (arrivals == NULL) {
        return ae_err_set(e, AE_E_MEMORY, "multinomial: no memory for %lld weights", (long long)n);
    }
    int64_t racing = 0;
    for (int64_t i = 0; i < n; i++) {
        if (weights[i] > 0) {
            double u = ((double)(word64(key, (uint64_t)i) >> 12) + 0.5) * 0x1p-52;
            arrivals[racing++] = (arrival){-log_of(u) / weights[i], i};
        }
    }
    qsort(arrivals, (size_t)racing, sizeof *arrivals, by_time);
    for (int64_t d = 0; d < count; d++) {
        y[d] = arrivals[d].index;
    }
    free(arrivals);
    return 0;
}

int ae_random_multinomial(const ae_random_key *key, const double *weights, int64_t n, int64_t count, bool replacement,
                          int64_t *y, ae_err *e)
{
    if (count <= 0) {
        return 0;
    }
    int64_t positive = check_weights(weights, n, e);
    if (positive < 0) {
        return -1;
    }
    if (replacement) {
        return draw_with_replacement(key, weights, n, count, y, e);
    }
    if (count > positive) {
        return ae_err_set(e, AE_E_VALUE,
                          "multinomial: %lld draws without replacement from %lld positive weights; draw fewer, or with "
                          "replacement",
                          (long long)count, (long long)positive);
    }
    return draw_without_replacement(key, weights, n, count, y, e);
}

int ae_random_multinomial_f32(const ae_random_key *key, const float *weights, int64_t n, int64_t count,
                              bool replacement, int64_t *y, ae_err *e)
{
    double *wide = malloc((size_t)(n > 0 ? n : 1) * sizeof *wide);
    if (wide == NULL) {
        return ae_err_set(e, AE_E_MEMORY, "multinomial: no memory for %lld weights", (long long)n);
    }
    for (int64_t i = 0; i < n; i++) {
        wide[i] = (double)weights[i];
    }
    int status = ae_random_multinomial(key, wide, n, count, replacement, y, e);
    free(wide);
    return status;
}
