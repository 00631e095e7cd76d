/* Weights of inference in f32, bf16 and i8: streamed products and those through oneDNN against the plain twin under
 * every instruction set, over rows, tails, row strides, layouts of the source and refilling; what i8 makes of rows of
 * zeros, of numbers that are not finite, and how far it is from f32; that the paths run which are meant. */
#include "tensor/counters.h"
#include "tensor/kernels.h"
#include "tensor/onednn.h"
#include "tensor/random.h"
#include "tensor/row_weight.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_M = 300, PAD = 3 };

static void *memory(size_t bytes)
{
    void *p = calloc(1, bytes + 64);
    assert_non_null(p);
    return p;
}

static float *values(int64_t n, uint64_t draw)
{
    float *x = memory((size_t)n * sizeof *x);
    ae_random_key key = ae_random_key_make(3, 0, 0, 0, draw);
    ae_random_normal_f32(&key, 0, 0, 1, x, n);
    return x;
}

typedef struct shape {
    int64_t out, in;
} shape;

/* The weight of a kind: f32, f32 (in,out), bf16 and i8, the last two from memory of both layouts. */
enum { F32_ROWS, F32_COLUMNS, BF16_ROWS, BF16_COLUMNS, I8_ROWS, I8_COLUMNS, KINDS };

static ae_row_weight make(int kind, shape s, const float *v)
{
    ae_err e = {0};
    ae_row_weight w = ae_row_weight_borrow(v, s.out, s.in, kind == F32_COLUMNS);
    const bool columns = kind == BF16_COLUMNS || kind == I8_COLUMNS;
    if (kind > F32_COLUMNS) {
        assert_int_equal(ae_row_weight_new(&w, kind >= I8_ROWS ? AE_I8 : AE_BF16, s.out, s.in, &e), 0);
        assert_int_equal(ae_row_weight_fill(&w, v, columns ? 1 : s.in, columns ? s.out : 1, &e), 0);
    }
    return w;
}

/* Fast against plain with m rows, some numbers apart; bias on odd m. */
static void check(const ae_row_weight *w, int64_t m, const char *what)
{
    ae_err e = {0};
    const int64_t x_row = w->in + PAD;
    float *x = values(m * x_row, 7), *bias = values(w->out, 8);
    float *got = memory((size_t)(m * w->out) * sizeof *got), *want = memory((size_t)(m * w->out) * sizeof *want);
    void *scratch = memory(ae_row_weight_scratch(w, m)), *plain = memory((size_t)w->in);
    const float *b = m % 2 ? bias : NULL;
    assert_int_equal(ae_row_weight_product(w, m, x, x_row, b, got, scratch, &e), 0);
    ae_row_weight_product_plain(w, m, x, x_row, b, want, plain);
    const double allowed = w->dtype == AE_I8 ? 0.02 : 1e-6; /* i8: one activation may round to the other side */
    for (int64_t i = 0; i < m * w->out; i++) {
        if (!(fabs((double)got[i] - (double)want[i]) <= allowed * sqrt((double)w->in) + 1e-6 * fabs((double)want[i]))) {
            fail_msg("%s %s m %lld of [%lld,%lld]: element %lld is %g, should be %g", ae_kernels_name(), what,
                     (long long)m, (long long)w->out, (long long)w->in, (long long)i, (double)got[i], (double)want[i]);
        }
    }
    free(x);
    free(bias);
    free(got);
    free(want);
    free(scratch);
    free(plain);
}

static void streams_agree_with_the_plain_twin(void **state)
{
    (void)state;
    static const shape shapes[] = {{1, 1}, {3, 5}, {16, 31}, {17, 32}, {64, 64}, {65, 100}, {130, 257}, {300, 70}};
    static const char *const names[KINDS] = {"f32", "f32 (in,out)", "bf16", "bf16 of (in,out)", "i8", "i8 of (in,out)"};
    for (int isa = 0; isa < ae_kernels_count(); isa++) {
        assert_int_equal(ae_kernels_select(ae_kernels_at(isa)->name), 0);
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            float *v = values(shapes[i].out * shapes[i].in, i);
            for (int kind = 0; kind < KINDS; kind++) {
                ae_row_weight w = make(kind, shapes[i], v);
                for (int64_t m = 1; m <= 9; m++) {
                    check(&w, m, names[kind]);
                }
                check(&w, 17, names[kind]);
                ae_row_weight_free(&w);
            }
            free(v);
        }
    }
    assert_int_equal(ae_kernels_select(NULL), 0);
}

/* Many rows go through oneDNN's layout in blocks, and the streams take them where it has none. */
static void many_rows_of_i8(void **state)
{
    (void)state;
    ae_err e = {0};
    static const shape shapes[] = {{64, 64}, {192, 96}, {129, 77}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        float *v = values(shapes[i].out * shapes[i].in, i);
        ae_row_weight w = make(I8_ROWS, shapes[i], v);
        const size_t before = ae_row_weight_bytes(&w);
        assert_true(before >= (size_t)(shapes[i].out * (shapes[i].in + (int64_t)sizeof(float))));
        check(&w, 40, "streamed");
        assert_int_equal(ae_row_weight_block(&w, &e), 0);
        assert_int_equal(ae_row_weight_block(&w, &e), 0);
        ae_kernel_counts_reset();
        check(&w, ae_row_weight_most_rows(&w) + 1, "blocked");
        check(&w, 256, "blocked");
        check(&w, 300, "two blocks");
        if (w.blocked) {
            assert_int_equal(ae_kernel_count("gemm.onednn.i8"), 4);
            assert_true(ae_row_weight_bytes(&w) > before);
        }
        ae_row_weight_free(&w);
        assert_true(w.blocked == NULL && w.memory == NULL && ae_row_weight_bytes(&w) == 0);
        free(v);
    }
}

static void refilling_reaches_every_form(void **state)
{
    (void)state;
    ae_err e = {0};
    const shape s = {96, 80};
    float *v = values(s.out * s.in, 1), *other = values(s.out * s.in, 2);
    ae_row_weight w = make(I8_ROWS, s, v), again = make(I8_ROWS, s, other);
    assert_int_equal(ae_row_weight_block(&w, &e), 0);
    const void *where = w.data;
    assert_int_equal(ae_row_weight_fill(&w, other, s.in, 1, &e), 0);
    assert_ptr_equal(w.data, where);
    assert_memory_equal(w.data, again.data, (size_t)(s.out * s.in));
    assert_memory_equal(w.scale, again.scale, (size_t)s.out * sizeof(float));
    check(&w, 3, "refilled");
    check(&w, 20, "refilled");
    ae_row_weight_free(&w);
    ae_row_weight_free(&again);
    free(v);
    free(other);
}

/* Products of numbers around 1: i8 keeps two digits of them, whatever the size of a row. */
static void i8_is_near_f32(void **state)
{
    (void)state;
    ae_err e = {0};
    const shape s = {128, 256};
    float *v = values(s.out * s.in, 1), *x = values(4 * s.in, 2), got[4 * 128], want[4 * 128];
    for (int64_t p = 0; p < s.in; p++) {
        x[s.in + p] *= 1000;
        x[2 * s.in + p] *= 1e-6F;
    }
    ae_row_weight f32 = make(F32_ROWS, s, v), i8 = make(I8_ROWS, s, v);
    void *scratch = memory(ae_row_weight_scratch(&i8, 4));
    ae_row_weight_product_plain(&f32, 4, x, s.in, NULL, want, scratch);
    assert_int_equal(ae_row_weight_product(&i8, 4, x, s.in, NULL, got, scratch, &e), 0);
    for (int i = 0; i < 4; i++) {
        double error = 0, size = 0;
        for (int j = 0; j < 128; j++) {
            error += pow((double)got[i * 128 + j] - (double)want[i * 128 + j], 2);
            size += pow((double)want[i * 128 + j], 2);
        }
        assert_true(size > 0 && sqrt(error / size) < 0.02);
        assert_true(error > 0);
    }
    ae_row_weight_free(&i8);
    free(scratch);
    free(v);
    free(x);
}

static void zeros_and_what_is_not_finite(void **state)
{
    (void)state;
    ae_err e = {0};
    const shape s = {64, 64};
    float *v = values(s.out * s.in, 1), *x = values(4 * s.in, 2), bias[64], y[4 * 64];
    for (int j = 0; j < 64; j++) {
        bias[j] = (float)j;
        v[s.in + j] = 0; /* row 1 of the weight */
    }
    v[2 * s.in + 5] = INFINITY; /* row 2 */
    memset(x, 0, (size_t)s.in * sizeof *x);
    x[s.in + 9] = NAN;
    x[2 * s.in + 63] = -INFINITY;
    ae_row_weight w = make(I8_ROWS, s, v);
    void *scratch = memory(ae_row_weight_scratch(&w, 4));
    for (int isa = 0; isa < ae_kernels_count(); isa++) {
        assert_int_equal(ae_kernels_select(ae_kernels_at(isa)->name), 0);
        for (int plain = 0; plain < 2; plain++) {
            if (plain) {
                ae_row_weight_product_plain(&w, 4, x, s.in, bias, y, scratch);
            } else {
                assert_int_equal(ae_row_weight_product(&w, 4, x, s.in, bias, y, scratch, &e), 0);
            }
            assert_true(y[0] == 0 && y[63] == 63 && isnan(y[2]));
            for (int j = 0; j < 64; j++) {
                assert_true(isnan(y[64 + j]) && isnan(y[128 + j]));
            }
            assert_true(y[192 + 1] == 1 && isnan(y[192 + 2]) && isfinite(y[192 + 3]));
        }
    }
    assert_int_equal(ae_kernels_select(NULL), 0);
    ae_row_weight_free(&w);
    free(scratch);
    free(v);
    free(x);
}

static void too_much_memory_is_an_error(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_row_weight w;
    assert_int_equal(ae_row_weight_new(&w, AE_I8, (int64_t)1 << 31, (int64_t)1 << 31, &e), -1);
    assert_int_equal(e.code, AE_E_MEMORY);
    assert_string_equal(e.message, "no memory for a copy of weights [2147483648,2147483648] in i8");
    ae_row_weight_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_agree_with_the_plain_twin), cmocka_unit_test(many_rows_of_i8),
        cmocka_unit_test(refilling_reaches_every_form),      cmocka_unit_test(i8_is_near_f32),
        cmocka_unit_test(zeros_and_what_is_not_finite),      cmocka_unit_test(too_much_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
