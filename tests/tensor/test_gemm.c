/* The matrix product: every path against a plain sum in f64, over dtypes, transpositions, batches, tails, what follows
 * the sum, and bad input; with the counts that say which path ran. */
#include "tensor/counters.h"
#include "tensor/gemm.h"
#include "tensor/gemm_internal.h"
#include "tensor/onednn.h"
#include "tensor/threads.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- problems: operands in f64, laid out in memory as a test wants them ------------------------------------------ */

/* How the matrices of a batch lie: each operand its own; A or B the same for all; rows interleaved as heads are. */
enum { EACH_ITS_OWN, SAME_A, SAME_B, HEADS, LAYOUTS };

typedef struct problem {
    ae_dtype in;
    ae_dtype out;
    int64_t batch;
    int64_t m;
    int64_t n;
    int64_t k;
    int transpose_a;
    int transpose_b;
    int padded; /* rows are longer than their content */
    int layout;
    int bias;
    ae_dtype bias_dtype;
    int accumulate;
    ae_activation activation;
    float alpha;
} problem;

/* Small numbers that repeat late, exact in bf16 and, times 16, in i8. */
static double element(int64_t i)
{
    const uint32_t x = (uint32_t)i * 2654435761u;
    return ((double)((x >> 13) & 255u) - 128) / 128;
}

static double round_to(ae_dtype dtype, double value)
{
    switch (dtype) {
    case AE_BF16:
        return ae_bf16_to_f32(ae_f32_to_bf16((float)value));
    case AE_I8:
        return floor(value * 16);
    case AE_I32:
        return floor(value * 1000);
    default:
        return value;
    }
}

static void store(ae_dtype dtype, void *data, int64_t i, double value)
{
    switch (dtype) {
    case AE_F32:
        ((float *)data)[i] = (float)value;
        break;
    case AE_F64:
        ((double *)data)[i] = value;
        break;
    case AE_BF16:
        ((uint16_t *)data)[i] = ae_f32_to_bf16((float)value);
        break;
    case AE_I8:
        ((int8_t *)data)[i] = (int8_t)value;
        break;
    default:
        ((int32_t *)data)[i] = (int32_t)value;
        break;
    }
}

static double load(ae_dtype dtype, const void *data, int64_t i)
{
    switch (dtype) {
    case AE_F32:
        return ((const float *)data)[i];
    case AE_F64:
        return ((const double *)data)[i];
    case AE_BF16:
        return ae_bf16_to_f32(((const uint16_t *)data)[i]);
    default:
        return ((const int32_t *)data)[i];
    }
}

/* An operand (batch, rows, cols): memory of exactly the size needed, filled with element(seed + ...). */
static void *make_operand(ae_dtype dtype, int64_t seed, int64_t batch, int64_t rows, int64_t cols, int transposed,
                          int padded, int heads, int64_t *row, int64_t *col, int64_t *step)
{
    const int64_t lines = transposed ? cols : rows;
    const int64_t length = transposed ? rows : cols;
    const int64_t wide = (heads ? length * batch : length) + (padded ? 3 : 0);
    *step = batch == 1 ? 0 : heads ? length : wide * lines;
    *row = transposed ? 1 : wide;
    *col = transposed ? wide : 1;
    const int64_t last = (batch - 1) * *step + (lines > 0 ? (lines - 1) * wide : 0) + length;
    void *data = calloc((size_t)last + 1, ae_dtype_size(dtype));
    assert_non_null(data);
    for (int64_t b = 0; b < batch; b++) {
        for (int64_t i = 0; i < rows; i++) {
            for (int64_t j = 0; j < cols; j++) {
                const double value = round_to(dtype, element(seed + (b * rows + i) * cols + j));
                store(dtype, data, b * *step + i * *row + j * *col, value);
            }
        }
    }
    return data;
}

static double operand(ae_dtype dtype, int64_t seed, int64_t rows, int64_t cols, int64_t b, int64_t i, int64_t j)
{
    return round_to(dtype, element(seed + (b * rows + i) * cols + j));
}

/* The formula, in f64. */
static double expected(const problem *p, int64_t b, int64_t i, int64_t j)
{
    double sum = 0;
    for (int64_t k = 0; k < p->k; k++) {
        sum += operand(p->in, 1, p->m, p->k, p->layout == SAME_A ? 0 : b, i, k) *
               operand(p->in, 7, p->k, p->n, p->layout == SAME_B ? 0 : b, k, j);
    }
    sum *= (double)p->alpha;
    if (p->bias) {
        sum += operand(p->bias_dtype, 1000, 1, p->n, 0, 0, j);
    }
    sum = ae_activation_value(p->activation, sum);
    return p->accumulate ? sum + operand(p->out, 77, p->m, p->n, b, i, j) : sum;
}

/* A product over new memory; free_product frees it. */
static ae_gemm make_product(const problem *p)
{
    ae_gemm q = {.a_dtype = p->in, .b_dtype = p->in, .c_dtype = p->out, .batch = p->batch, .m = p->m, .n = p->n};
    q.k = p->k;
    q.alpha = p->alpha;
    q.accumulate = p->accumulate;
    q.activation = p->activation;
    const int heads = p->layout == HEADS;
    q.a = make_operand(p->in, 1, p->layout == SAME_A ? 1 : p->batch, p->m, p->k, p->transpose_a, p->padded, heads,
                       &q.a_row, &q.a_col, &q.a_batch);
    q.b = make_operand(p->in, 7, p->layout == SAME_B ? 1 : p->batch, p->k, p->n, p->transpose_b, p->padded, heads,
                       &q.b_row, &q.b_col, &q.b_batch);
    int64_t one;
    q.c = make_operand(p->out, 77, p->batch, p->m, p->n, 0, p->padded, heads, &q.c_row, &one, &q.c_batch);
    if (p->bias) {
        int64_t unused;
        q.bias_dtype = p->bias_dtype;
        q.bias = make_operand(p->bias_dtype, 1000, 1, 1, p->n, 0, 0, 0, &unused, &unused, &unused);
    }
    if (!p->accumulate) { /* what is only written may hold anything */
        const int64_t last = (p->batch - 1) * q.c_batch + (p->m - 1) * q.c_row + p->n;
        if (last > 0) {
            memset(q.c, 0xff, (size_t)last * ae_dtype_size(p->out));
        }
    }
    return q;
}

static void free_product(ae_gemm *q)
{
    free((void *)(uintptr_t)q->a);
    free((void *)(uintptr_t)q->b);
    free((void *)(uintptr_t)q->bias);
    free(q->c);
}

static double tolerance(const problem *p, double largest)
{
    switch (p->out) {
    case AE_F64:
        return 1e-13 * largest;
    case AE_F32:
        return p->in == AE_I8 && p->activation == AE_GEMM_NONE ? 2e-6 * largest : 1e-5 * largest;
    case AE_BF16:
        return largest / 256;
    default:
        return 0;
    }
}

/* Compares with the formula: every element, or a scattered part of large results. */
static void check_product(const problem *p, const ae_gemm *q, const char *what)
{
    const int64_t stride = p->m * p->n * p->k > 1000000 ? 599 : 1;
    double largest = 1;
    double worst = 0;
    for (int64_t at = 0; at < p->batch * p->m * p->n; at += stride) {
        const int64_t b = at / (p->m * p->n), i = at / p->n % p->m, j = at % p->n;
        const double want = expected(p, b, i, j);
        const double got = load(p->out, q->c, b * q->c_batch + i * q->c_row + j);
        largest = fmax(largest, fabs(want));
        const double error = fabs(got - want);
        worst = isnan(error) || error > worst ? error : worst;
    }
    if (!(worst <= tolerance(p, largest))) {
        char name[80];
        fail_msg("%s (%s): %s->%s batch %d %dx%dx%d ta %d tb %d padded %d layout %d bias %d accumulate %d %s alpha %g: "
                 "error %g of %g",
                 what, ae_gemm_implementation(q, name, sizeof name), ae_dtype_name(p->in), ae_dtype_name(p->out),
                 (int)p->batch, (int)p->m, (int)p->n, (int)p->k, p->transpose_a, p->transpose_b, p->padded, p->layout,
                 p->bias, p->accumulate, ae_activation_name(p->activation), (double)p->alpha, worst, largest);
    }
}

typedef int run_fn(const ae_gemm *p, ae_err *e);

static void run_and_check(const problem *p, run_fn *run, const char *what)
{
    ae_gemm q = make_product(p);
    ae_err e = {0};
    if (run(&q, &e)) {
        fail_msg("%s: %s", what, e.message);
    }
    check_product(p, &q, what);
    free_product(&q);
}

/* ---- the walk over everything -------------------------------------------------------------------------------------- */

static const struct {
    ae_dtype in;
    ae_dtype out;
    ae_dtype bias;
    int plain_too; /* what may follow the sum: 0 nothing but bias and accumulation of integers */
} pairs[] = {
    {AE_F32, AE_F32, AE_F32, 1},   {AE_F64, AE_F64, AE_F64, 1},   {AE_BF16, AE_F32, AE_F32, 1},
    {AE_BF16, AE_F32, AE_BF16, 1}, {AE_BF16, AE_BF16, AE_F32, 1}, {AE_BF16, AE_BF16, AE_BF16, 1},
    {AE_I8, AE_I32, AE_I32, 0},    {AE_I8, AE_F32, AE_F32, 1},
};
enum { PAIRS = sizeof pairs / sizeof pairs[0] };

static problem problem_of(int pair, int64_t batch, int64_t m, int64_t n, int64_t k)
{
    return (problem){.in = pairs[pair].in,
                     .out = pairs[pair].out,
                     .bias_dtype = pairs[pair].bias,
                     .batch = batch,
                     .m = m,
                     .n = n,
                     .k = k,
                     .alpha = 1};
}

static void every_transposition(void **state)
{
    (void)state;
    static const int64_t shapes[][3] = {{1, 1, 1}, {1, 64, 96},  {64, 1, 96},   {33, 17, 1},
                                        {3, 5, 7}, {17, 33, 65}, {64, 48, 128}, {65, 67, 130}};
    for (int pair = 0; pair < PAIRS; pair++) {
        for (size_t s = pair == 3 || pair == 4 ? 100 : 0;
             /* these differ in the bias alone */ s < sizeof shapes / sizeof shapes[0]; s++) {
            for (int bits = 0; bits < 8; bits++) {
                problem p = problem_of(pair, 1, shapes[s][0], shapes[s][1], shapes[s][2]);
                p.transpose_a = bits & 1;
                p.transpose_b = bits >> 1 & 1;
                p.padded = bits >> 2 & 1;
                run_and_check(&p, ae_gemm_run, "run");
                run_and_check(&p, ae_gemm_plain, "plain");
            }
        }
    }
}

static void every_batch(void **state)
{
    (void)state;
    static const int64_t shapes[][3] = {{1, 40, 60}, {33, 31, 26}};
    for (int pair = 0; pair < PAIRS; pair++) {
        for (size_t s = pair == 3 || pair == 4 ? 100 : 0;
             /* these differ in the bias alone */ s < sizeof shapes / sizeof shapes[0]; s++) {
            for (int layout = 0; layout < LAYOUTS; layout++) {
                for (int bits = 0; bits < 8; bits++) {
                    problem p = problem_of(pair, 3, shapes[s][0], shapes[s][1], shapes[s][2]);
                    p.layout = layout;
                    p.transpose_a = bits & 1;
                    p.transpose_b = bits >> 1 & 1;
                    p.padded = bits >> 2 & 1;
                    p.accumulate = layout == SAME_B;
                    run_and_check(&p, bits & 1 ? ae_gemm_run : ae_gemm_plain, "run, or plain");
                    p.accumulate = !p.accumulate;
                    run_and_check(&p, bits & 1 ? ae_gemm_plain : ae_gemm_run, "plain, or run");
                }
            }
        }
    }
}

static void one_ending(int pair, int bits, int64_t side, ae_activation activation)
{
    problem p = problem_of(pair, bits >> 2 ? 3 : 1, side, side + 1, side + 2);
    p.bias = bits & 1;
    p.accumulate = bits >> 1 & 1;
    p.activation = activation;
    p.alpha = pairs[pair].plain_too && activation != AE_GEMM_TANH ? 0.125F : 1;
    p.transpose_b = 1;
    run_and_check(&p, ae_gemm_run, "run");
    run_and_check(&p, ae_gemm_plain, "plain");
}

static void every_ending(void **state)
{
    (void)state;
    for (int pair = 0; pair < PAIRS; pair++) {
        for (int bits = 0; bits < 8; bits++) {
            for (int activation = 0; activation < (pairs[pair].plain_too ? AE_ACTIVATION_COUNT : 1); activation++) {
                one_ending(pair, bits, 3, (ae_activation)activation);
                if (bits == 3 || activation < AE_GEMM_GELU) { /* primitives take long to make */
                    one_ending(pair, bits, 31, (ae_activation)activation);
                }
            }
        }
    }
}

/* One large product of each kind: sgemm, and blocks of widened bf16. */
static void large(void **state)
{
    (void)state;
    for (int bits = 0; bits < 16; bits++) {
        problem p = problem_of(0, 1, 527, 513, 517);
        p.transpose_a = bits & 1;
        p.transpose_b = bits >> 1 & 1;
        p.bias = bits >> 2 & 1;
        p.accumulate = bits >> 3 & 1;
        p.alpha = bits & 1 ? 0.5F : 1;
        ae_kernel_counts_reset();
        run_and_check(&p, ae_gemm_run, "sgemm");
        assert_int_equal(ae_kernel_count("gemm.sgemm.f32"), 1);
        assert_int_equal(ae_kernel_count("gemm.plain.f32"), 0);
    }
    for (int activation = 1; activation < AE_ACTIVATION_COUNT; activation++) {
        problem p = problem_of(0, 1, 527, 513, 517);
        p.bias = 1;
        p.padded = activation & 1;
        p.activation = (ae_activation)activation;
        ae_kernel_counts_reset();
        run_and_check(&p, ae_gemm_run, "sgemm with an activation");
        assert_int_equal(ae_kernel_count("gemm.sgemm.f32"), 1);
    }
    problem p = problem_of(5, 1, 260, 259, 33000); /* two blocks of rows and of columns */
    p.bias = p.accumulate = p.transpose_b = 1;
    run_and_check(&p, ae_gemm_run, "blocks");
    problem q = problem_of(2, 40, 128, 128, 512); /* two groups of matrices */
    run_and_check(&q, ae_gemm_run, "groups");
}

/* ---- empty extents, overlaps ----------------------------------------------------------------------------------------- */

static void empty(void **state)
{
    (void)state;
    for (int pair = 0; pair < PAIRS; pair++) {
        for (int bits = 0; bits < 4; bits++) {
            problem p = problem_of(pair, 2, 70, 80, 0);
            p.bias = bits & 1;
            p.accumulate = bits >> 1;
            p.activation = pairs[pair].plain_too ? AE_GEMM_SIGMOID : AE_GEMM_NONE;
            run_and_check(&p, ae_gemm_run, "k = 0");
            ae_gemm q = make_product(&p);
            free((void *)(uintptr_t)q.a);
            q.a = NULL; /* nothing there to point at */
            ae_err e = {0};
            assert_int_equal(ae_gemm_run(&q, &e), 0);
            check_product(&p, &q, "k = 0 without a");
            free_product(&q);
        }
        ae_gemm q = ae_gemm_dense(pairs[pair].in, 0, 5, 7, NULL, NULL, NULL);
        q.c_dtype = pairs[pair].out;
        ae_err e = {0};
        assert_int_equal(ae_gemm_run(&q, &e), 0);
        q.m = 5;
        q.n = 0;
        assert_int_equal(ae_gemm_run(&q, &e), 0);
        q.n = 5;
        q.batch = 0;
        assert_int_equal(ae_gemm_run(&q, &e), 0);
    }
}

/* Windows over a sequence: rows that overlap, and rows that are all the same. */
static void overlapping_rows(void **state)
{
    (void)state;
    enum { M = 40, N = 24, K = 36 };
    float a[M + K], b[K * N], c[M * N], want[M * N];
    for (int i = 0; i < M + K; i++) {
        a[i] = (float)element(i);
    }
    for (int i = 0; i < K * N; i++) {
        b[i] = (float)element(9 * i);
    }
    for (int64_t row = 0; row < 2; row++) {
        ae_gemm p = ae_gemm_dense(AE_F32, M, N, K, a, b, c);
        p.a_row = row;
        ae_err e = {0};
        ae_kernel_counts_reset();
        assert_int_equal(ae_gemm_run(&p, &e), 0);
        assert_int_equal(ae_kernel_count("gemm.plain.f32"), 0);
        p.c = want;
        p.reference = 1;
        assert_int_equal(ae_gemm_run(&p, &e), 0);
        assert_int_equal(ae_kernel_count("gemm.plain.f32"), 1);
        for (int i = 0; i < M * N; i++) {
            assert_true(fabsf(c[i] - want[i]) < 1e-4F);
        }
    }
}

/* A refused ending must not send a product to the plain twin: activation and sum with rows of C apart. */
static void detached(void **state)
{
    (void)state;
    static const int floats[] = {0, 2, 4, 7};
    const size_t count = ae_onednn_sums_i8() ? 4 : 3; /* else the plain twin is the one that is right */
    for (size_t i = 0; i < count; i++) {
        problem p = problem_of(floats[i], 3, 33, 48, 65);
        p.padded = p.bias = p.accumulate = 1;
        p.activation = AE_GEMM_GELU;
        p.alpha = 0.25F;
        ae_kernel_counts_reset();
        run_and_check(&p, ae_gemm_run, "detached");
        for (int k = 0; k < AE_KERNEL_COUNT; k++) {
            assert_true(strncmp(ae_kernel_name(k), "gemm.plain", 10) || ae_kernel_count_at(k) == 0);
        }
    }
}

/* Sums of the largest products of i8, which 16 bits do not hold, on every processor. */
static void largest_i8(void **state)
{
    (void)state;
    enum { S = 64 };
    static int8_t a[S * S], b[S * S];
    static int32_t c[S * S];
    static const int8_t ends[] = {127, -128, -127};
    for (int k = 0; k < 9; k++) {
        memset(a, ends[k / 3], sizeof a);
        memset(b, ends[k % 3], sizeof b);
        ae_gemm p = ae_gemm_dense(AE_I8, S, S, S, a, b, c);
        p.c_dtype = AE_I32;
        ae_err e = {0};
        assert_int_equal(ae_gemm_run(&p, &e), 0);
        for (int i = 0; i < S * S; i++) {
            assert_int_equal(c[i], S * ends[k / 3] * ends[k % 3]);
        }
    }
}

/* NaN and infinity go through every path; relu keeps a NaN. */
static void not_finite(void **state)
{
    (void)state;
    enum { S = 32 };
    float a[S * S], b[S * S], c[S * S];
    for (int i = 0; i < S * S; i++) {
        a[i] = b[i] = 1;
    }
    a[0] = NAN;
    a[S] = INFINITY;
    ae_gemm p = ae_gemm_dense(AE_F32, S, S, S, a, b, c);
    ae_err e = {0};
    assert_int_equal(ae_gemm_run(&p, &e), 0);
    assert_true(isnan(c[0]) && isinf(c[S]) && c[2 * S] == S);
    assert_int_equal(ae_gemm_plain(&p, &e), 0);
    assert_true(isnan(c[0]) && isinf(c[S]) && c[2 * S] == S);
    assert_true(isnan(ae_activation_value(AE_GEMM_RELU, NAN)));
}

/* ---- packs -------------------------------------------------------------------------------------------------------------- */

static void packs(void **state)
{
    (void)state;
    static const int with_pack[] = {0, 2, 4, 6, 7};
    for (size_t w = 0; w < sizeof with_pack / sizeof with_pack[0]; w++) {
        for (int bits = 0; bits < 16; bits++) {
            problem p = problem_of(with_pack[w], 1, 32, 96, 80);
            p.transpose_b = bits & 1;
            p.padded = bits >> 1 & 1;
            p.bias = bits >> 2 & 1;
            p.accumulate = bits >> 3 & 1;
            ae_gemm q = make_product(&p);
            ae_err e = {0};
            ae_gemm_pack *pack = ae_gemm_pack_new(&q, &e);
            assert_non_null(pack);
            assert_true(ae_gemm_pack_bytes(pack) >= (size_t)(96 * 80) * ae_dtype_size(p.in));
            void *weights = (void *)(uintptr_t)q.b;
            q.b = NULL;
            q.b_pack = pack;
            ae_kernel_counts_reset();
            assert_int_equal(ae_gemm_run(&q, &e), 0);
            check_product(&p, &q, "packed");
            if (p.in == AE_F32) {
                assert_int_equal(ae_kernel_count("gemm.packed.f32"), 1);
            }
            assert_int_equal(ae_kernel_count("gemm.plain.f32") + ae_kernel_count("gemm.plain.bf16"), 0);
            q.b = weights;
            free_product(&q);
            p.m = 7; /* another number of rows than it was made for */
            ae_gemm other = make_product(&p);
            other.b_pack = pack;
            assert_int_equal(ae_gemm_run(&other, &e), 0);
            check_product(&p, &other, "packed, other rows");
            free_product(&other);
            ae_gemm plain = make_product(&p);
            plain.b_pack = pack;
            assert_int_equal(ae_gemm_plain(&plain, &e), 0);
            check_product(&p, &plain, "read back");
            free_product(&plain);
            ae_gemm_pack_free(pack);
        }
    }
}

static void packs_refilled(void **state)
{
    (void)state;
    static const int with_pack[] = {0, 4, 6};
    for (size_t w = 0; w < sizeof with_pack / sizeof with_pack[0]; w++) {
        problem p = problem_of(with_pack[w], 1, 32, 64, 80);
        p.transpose_b = 1;
        ae_gemm q = make_product(&p);
        ae_err e = {0};
        const size_t bytes = (size_t)(p.n * p.k) * ae_dtype_size(p.in);
        void *zeros = calloc(1, bytes);
        assert_non_null(zeros);
        ae_gemm from_zeros = q;
        from_zeros.b = zeros;
        ae_gemm_pack *pack = ae_gemm_pack_new(&from_zeros, &e);
        assert_non_null(pack);
        assert_int_equal(ae_gemm_pack_refill(pack, q.b, &e), 0);
        q.b_pack = pack;
        assert_int_equal(ae_gemm_run(&q, &e), 0);
        check_product(&p, &q, "refilled");
        free(zeros);
        free_product(&q);
        assert_int_equal(ae_gemm_pack_refill(pack, NULL, &e), -1);
        assert_string_equal(e.message, "gemm: b to refill a pack is NULL");
        ae_gemm_pack_free(pack);
    }
    ae_gemm_pack_free(NULL);
    assert_int_equal(ae_gemm_pack_bytes(NULL), 0);
}

static void packs_refused(void **state)
{
    (void)state;
    float a[64] = {0}, c[64];
    double d[64] = {0};
    ae_err e = {0};
    ae_gemm p = ae_gemm_dense(AE_F64, 8, 8, 8, d, d, d);
    assert_null(ae_gemm_pack_new(&p, &e));
    assert_int_equal(e.code, AE_E_UNSUPPORTED);
    ae_err_clear(&e);
    p = ae_gemm_dense(AE_F32, 8, 8, 8, a, a, c);
    p.batch = 2;
    assert_null(ae_gemm_pack_new(&p, &e));
    assert_string_equal(e.message,
                        "gemm: a pack is made from plain weights of f32, bf16 or i8 in a product of batch 1");
    ae_err_clear(&e);
    p.batch = 1;
    ae_gemm_pack *pack = ae_gemm_pack_new(&p, &e);
    assert_non_null(pack);
    p.b_pack = pack;
    p.k = 4;
    assert_int_equal(ae_gemm_run(&p, &e), -1);
    assert_string_equal(e.message, "gemm: the pack is f32 [8,8]; b of this product is f32 [4,8]");
    ae_gemm_pack_free(pack);
}

/* ---- which path ran ------------------------------------------------------------------------------------------------------ */

static void paths(void **state)
{
    (void)state;
    const bool bf16 = ae_onednn_has_bf16();
    const struct {
        int pair;
        int64_t side;
        const char *kernel;
    } cases[] = {
        {0, 8, "gemm.plain.f32"},
        {0, 64, "gemm.onednn.f32"},
        {1, 64, "gemm.plain.f64"},
        {2, 8, "gemm.plain.bf16"},
        {2, 64, bf16 ? "gemm.onednn.bf16" : "gemm.converted.bf16"},
        {6, 8, "gemm.plain.i8"},
        {6, 64, ae_onednn_sums_i8() ? "gemm.onednn.i8" : "gemm.plain.i8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        problem p = problem_of(cases[i].pair, 1, cases[i].side, cases[i].side, cases[i].side);
        ae_kernel_counts_reset();
        run_and_check(&p, ae_gemm_run, cases[i].kernel);
        assert_int_equal(ae_kernel_count(cases[i].kernel), 1);
    }
    if (!bf16) {
        problem p = problem_of(2, 1, 64, 64, 64);
        ae_kernel_counts_reset();
        run_and_check(&p, ae_gemm_run, "widened");
        assert_int_equal(ae_kernel_count("gemm.onednn.f32"), 1); /* not the slow twin */
    }
}

static void names(void **state)
{
    (void)state;
    float x[4] = {0};
    char name[80];
    ae_gemm p = ae_gemm_dense(AE_F32, 2, 2, 1, x, x, x);
    assert_string_equal(ae_gemm_implementation(&p, name, sizeof name), "plain");
    p = ae_gemm_dense(AE_F32, 64, 64, 64, x, x, x); /* only named, not run */
    assert_memory_equal(ae_gemm_implementation(&p, name, sizeof name), "matmul ", 7);
    p = ae_gemm_dense(AE_F32, 4096, 768, 768, x, x, x);
    assert_string_equal(ae_gemm_implementation(&p, name, sizeof name), "sgemm");
    p.m = -1;
    assert_string_equal(ae_gemm_implementation(&p, name, sizeof name), "");
    assert_true(strchr(ae_onednn_version(name), '.') != NULL);
    ae_activation activation = AE_GEMM_NONE;
    assert_int_equal(ae_activation_parse("gelu_tanh", &activation), 0);
    assert_int_equal(activation, AE_GEMM_GELU_TANH);
    assert_int_equal(ae_activation_parse("swoosh", &activation), -1);
    assert_string_equal(ae_activation_name(AE_GEMM_SILU), "silu");
    assert_string_equal(ae_activation_name((ae_activation)99), "?");
}

static void cache_is_bounded(void **state)
{
    (void)state;
    static float x[16 * (AE_ONEDNN_CACHE_MAX + 64)];
    float c[16 * 64];
    ae_err e = {0};
    for (int k = 20; k < 20 + AE_ONEDNN_CACHE_MAX + 20; k++) {
        ae_gemm p = ae_gemm_dense(AE_F32, 16, 16, k, x, x, c);
        assert_int_equal(ae_gemm_run(&p, &e), 0);
        assert_true(ae_onednn_cached() <= AE_ONEDNN_CACHE_MAX);
    }
    assert_int_equal(ae_onednn_cached(), AE_ONEDNN_CACHE_MAX);
    ae_onednn_release();
    assert_int_equal(ae_onednn_cached(), 0);
    ae_gemm p = ae_gemm_dense(AE_F32, 32, 32, 32, x, x, c);
    assert_int_equal(ae_gemm_run(&p, &e), 0);
    assert_int_equal(ae_gemm_run(&p, &e), 0);
    assert_int_equal(ae_onednn_cached(), 1); /* the second product took the first one's primitive */
}

/* ---- threads ----------------------------------------------------------------------------------------------------------- */

typedef struct worker {
    int64_t m;
    int failures;
    float first[48 * 40];
} worker;

static void *work(void *arg)
{
    worker *w = arg;
    float a[48 * 56], b[56 * 40], c[48 * 40];
    for (int i = 0; i < 48 * 56; i++) {
        a[i] = (float)element(i);
    }
    for (int i = 0; i < 56 * 40; i++) {
        b[i] = (float)element(3 * i + w->m);
    }
    ae_err e = {0};
    ae_gemm p = ae_gemm_dense(AE_F32, w->m, 40, 56, a, b, c);
    for (int round = 0; round < 300; round++) {
        w->failures += ae_gemm_run(&p, &e) != 0;
        if (round == 0) {
            memcpy(w->first, c, sizeof c);
        }
        w->failures += memcmp(w->first, c, (size_t)(w->m * 40) * sizeof(float)) != 0;
    }
    return NULL;
}

/* Two threads with the same shape, which must not share a primitive, and a third with its own. */
static void concurrent(void **state)
{
    (void)state;
    static worker w[3] = {{.m = 48}, {.m = 48}, {.m = 31}};
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work, &w[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(w[i].failures, 0);
    }
    assert_memory_equal(w[0].first, w[1].first, sizeof w[0].first);
}

/* Same threads, same bits, also with a long sum and a small result; the plain twin on any number of threads. */
static void same_bits(void **state)
{
    (void)state;
    problem p = problem_of(0, 1, 64, 64, 16384);
    problem f64 = problem_of(1, 1, 130, 140, 300);
    ae_gemm q[2] = {make_product(&p), make_product(&p)};
    ae_gemm d[2] = {make_product(&f64), make_product(&f64)};
    ae_err e = {0};
    const int threads = ae_threads();
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ae_gemm_run(&q[i], &e), 0);
        assert_int_equal(ae_set_threads(i + 1, &e), 0);
        assert_int_equal(ae_gemm_run(&d[i], &e), 0);
        assert_int_equal(ae_set_threads(threads, &e), 0);
    }
    assert_memory_equal(q[0].c, q[1].c, (size_t)(p.m * p.n) * sizeof(float));
    assert_memory_equal(d[0].c, d[1].c, (size_t)(f64.m * f64.n) * sizeof(double));
    for (int i = 0; i < 2; i++) {
        free_product(&q[i]);
        free_product(&d[i]);
    }
}

/* From inside a parallel region each thread computes its own product. */
static void inside_a_region(void **state)
{
    (void)state;
    problem p = problem_of(0, 1, 40, 48, 56);
    ae_gemm q[2] = {make_product(&p), make_product(&p)};
    int failures = 0;
#pragma omp parallel for num_threads(2) reduction(+ : failures)
    for (int i = 0; i < 2; i++) {
        ae_err e = {0};
        failures += ae_gemm_run(&q[i], &e) != 0;
    }
    assert_int_equal(failures, 0);
    for (int i = 0; i < 2; i++) {
        check_product(&p, &q[i], "inside a region");
        free_product(&q[i]);
    }
}

/* ---- bad input ----------------------------------------------------------------------------------------------------------- */

static void refused(ae_gemm p, ae_code code, const char *message)
{
    ae_err e = {0};
    assert_int_equal(ae_gemm_run(&p, &e), -1);
    assert_string_equal(e.message, message);
    assert_int_equal(e.code, code);
    ae_err_clear(&e);
    assert_int_equal(ae_gemm_plain(&p, &e), -1);
    assert_string_equal(e.message, message);
}

static void bad_input(void **state)
{
    (void)state;
    float x[64] = {0}, c[64] = {0};
    const ae_gemm good = ae_gemm_dense(AE_F32, 4, 4, 4, x, x, c);
    ae_gemm p = good;
    p.b_dtype = AE_BF16;
    refused(p, AE_E_DTYPE,
            "gemm: no product of f32 by bf16 into f32; there are f32 f32 f32, f64 f64 f64, bf16 bf16 f32|bf16, i8 i8 "
            "i32|f32");
    p = good;
    p.bias = x;
    p.bias_dtype = AE_F64;
    refused(p, AE_E_DTYPE, "gemm: a product of f32 into f32 takes no bias of f64");
    p = good;
    p.activation = (ae_activation)77;
    refused(p, AE_E_VALUE, "gemm: there is no activation number 77");
    p = good;
    p.m = -1;
    refused(p, AE_E_SHAPE, "gemm: negative extents: batch 1, m -1, n 4, k 4");
    p = good;
    p.a = NULL;
    refused(p, AE_E_VALUE, "gemm: a is NULL in a product with m 4, n 4, k 4");
    p = good;
    p.b = NULL;
    refused(p, AE_E_VALUE, "gemm: b is NULL in a product with m 4, n 4, k 4");
    p = good;
    p.c = NULL;
    refused(p, AE_E_VALUE, "gemm: c is NULL in a product with m 4, n 4, k 4");
    p = good;
    p.a_row = 8;
    p.a_col = 2;
    refused(p, AE_E_SHAPE, "gemm: one of the strides of a must be 1; they are row 8, column 2");
    p = good;
    p.b_row = -4;
    refused(p, AE_E_SHAPE, "gemm: strides of b are negative: row -4, column 1, batch 0");
    p = good;
    p.c_row = 3;
    refused(p, AE_E_SHAPE, "gemm: rows of c overlap: [1,4,4] with strides batch 0, row 3");
    p = good;
    p.batch = 2;
    refused(p, AE_E_SHAPE, "gemm: rows of c overlap: [2,4,4] with strides batch 0, row 4");
    p = good;
    p.a_dtype = p.b_dtype = AE_I8;
    p.c_dtype = AE_I32;
    p.alpha = 2;
    refused(p, AE_E_VALUE, "gemm: a product into i32 takes neither alpha (2) nor an activation (none)");
    ae_err e = {0};
    assert_int_equal(ae_gemm_run(NULL, &e), -1);
    assert_string_equal(e.message, "gemm: no product given");
}

static void counters(void **state)
{
    (void)state;
    ae_kernel_counts_reset();
    ae_kernel_called(AE_K_GEMM_PLAIN_F64);
    ae_kernel_called(AE_K_GEMM_PLAIN_F64);
    ae_kernel_called((ae_kernel)9999); /* ignored */
    assert_int_equal(ae_kernel_count("gemm.plain.f64"), 2);
    assert_int_equal(ae_kernel_count("gemm.plain.f65"), -1);
    assert_int_equal(ae_kernel_count(NULL), -1);
    int64_t sum = 0;
    for (int i = 0; i < AE_KERNEL_COUNT; i++) {
        assert_int_equal(ae_kernel_count(ae_kernel_name(i)), ae_kernel_count_at(i));
        sum += ae_kernel_count_at(i);
    }
    assert_int_equal(sum, 2);
    assert_string_equal(ae_kernel_name(-1), "?");
    assert_int_equal(ae_kernel_count_at(AE_KERNEL_COUNT), -1);
}

/* 2 m n k a matrix, whichever implementation runs; what is in error counts nothing. */
static void operations(void **state)
{
    (void)state;
    float a[6] = {0}, b[12] = {0}, c[8];
    ae_err e = {0};
    ae_gemm p = ae_gemm_dense(AE_F32, 2, 4, 3, a, b, c);
    double before = ae_gemm_flop();
    assert_int_equal(ae_gemm_run(&p, &e), 0);
    assert_true(ae_gemm_flop() - before == 48);
    p.a = NULL;
    assert_int_equal(ae_gemm_run(&p, &e), -1);
    assert_true(ae_gemm_flop() - before == 48);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_transposition),
        cmocka_unit_test(every_batch),
        cmocka_unit_test(every_ending),
        cmocka_unit_test(large),
        cmocka_unit_test(empty),
        cmocka_unit_test(overlapping_rows),
        cmocka_unit_test(largest_i8),
        cmocka_unit_test(not_finite),
        cmocka_unit_test(detached),
        cmocka_unit_test(packs),
        cmocka_unit_test(packs_refilled),
        cmocka_unit_test(packs_refused),
        cmocka_unit_test(paths),
        cmocka_unit_test(names),
        cmocka_unit_test(cache_is_bounded),
        cmocka_unit_test(concurrent),
        cmocka_unit_test(same_bits),
        cmocka_unit_test(inside_a_region),
        cmocka_unit_test(bad_input),
        cmocka_unit_test(counters),
        cmocka_unit_test(operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
