/* Products of bf16 with many rows, by a copy of B made for the one product: against the plain twin in every
 * orientation, the copy filled anew, its bits whatever came before, and the bounds of what waits. Where the processor
 * does not multiply bf16 there are no such products, which is checked as well. */
#include "tensor/counters.h"
#include "tensor/gemm_internal.h"
#include "tensor/kernels.h"
#include "tensor/onednn.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 832, MOST = 200 };

typedef struct operands {
    uint16_t a[ROWS * MOST], b[MOST * MOST], bias[MOST];
    float c[ROWS * MOST], want[ROWS * MOST];
} operands;

static operands x;

static void fill(int seed)
{
    for (int i = 0; i < ROWS * MOST; i++) {
        x.a[i] = ae_f32_to_bf16((float)((i * 37 + seed) % 101 - 50) / 32);
        x.c[i] = x.want[i] = (float)(i % 7);
    }
    for (int i = 0; i < MOST * MOST; i++) {
        x.b[i] = ae_f32_to_bf16((float)((i * 53 + seed) % 97 - 48) / 32);
        x.bias[i % MOST] = ae_f32_to_bf16((float)(i % 5));
    }
}

static ae_gemm product(int64_t n, int64_t k, unsigned transposed)
{
    ae_gemm q = ae_gemm_dense(AE_BF16, ROWS, n, k, x.a, x.b, x.c);
    q.c_dtype = AE_F32;
    if (transposed & 1) {
        q.a_row = 1;
        q.a_col = ROWS;
    }
    if (transposed & 2) {
        q.b_row = 1;
        q.b_col = k;
    }
    return q;
}

static void run(const ae_gemm *q)
{
    ae_err e = {0};
    ae_kernel_counts_reset();
    assert_int_equal(ae_gemm_run(q, &e), 0);
    assert_int_equal(ae_kernel_count("gemm.packed.bf16"), ae_onednn_has_bf16());
}

static void check(ae_gemm q)
{
    ae_err e = {0};
    run(&q);
    q.c = x.want;
    assert_int_equal(ae_gemm_plain(&q, &e), 0);
    for (int64_t i = 0; i < q.m * q.n; i++) {
        if (!(fabsf(x.c[i] - x.want[i]) <= 1e-4F * (1 + fabsf(x.want[i])))) {
            fail_msg("%d x %d x %d, b_row %d, a_row %d: element %d is %g instead of %g", (int)q.m, (int)q.n, (int)q.k,
                     (int)q.b_row, (int)q.a_row, (int)i, (double)x.c[i], (double)x.want[i]);
        }
    }
}

static void agrees_with_the_plain_twin(void **state)
{
    (void)state;
    static const int64_t extents[][2] = {{64, 64}, {70, 131}, {200, 96}, {129, 199}};
    for (size_t s = 0; s < sizeof extents / sizeof *extents; s++) {
        for (unsigned kind = 0; kind < 16; kind++) {
            fill((int)kind);
            ae_gemm q = product(extents[s][0], extents[s][1], kind & 3);
            q.accumulate = (kind & 4) != 0;
            q.bias = kind & 8 ? x.bias : NULL;
            q.bias_dtype = AE_BF16;
            check(q);
        }
    }
}

/* The copy that waits holds the values of the last product: another B, and one that is stored otherwise. */
static void copies_are_filled_anew(void **state)
{
    (void)state;
    ae_onednn_release();
    for (int round = 0; round < 3; round++) {
        fill(100 * round);
        check(product(96, 80, 0));
        check(product(96, 80, 2));
    }
    assert_int_equal(ae_onednn_kept_repacks(), ae_onednn_has_bf16() ? 1 : 0);
}

/* The bits of a product do not depend on which extents were met before, nor on how many rows they had. */
static void same_bits_whatever_came_before(void **state)
{
    (void)state;
    static float first[ROWS * MOST];
    fill(1);
    ae_onednn_release();
    ae_gemm q = product(129, 200, 2);
    run(&q);
    memcpy(first, x.c, sizeof first);
    ae_onednn_release();
    q.m = ROWS - 50;
    run(&q);
    ae_gemm other = product(96, 80, 0);
    run(&other);
    fill(1);
    q.m = ROWS;
    run(&q);
    assert_memory_equal(first, x.c, (size_t)(ROWS * 129) * sizeof *first);
}

static void what_waits_is_bounded(void **state)
{
    (void)state;
    int most = 0;
    fill(2);
    ae_onednn_release();
    assert_int_equal(ae_onednn_kept_repacks(), 0);
    for (int64_t k = 64; k < 64 + 80; k++) {
        ae_gemm q = product(64, k, 0);
        run(&q);
        most = ae_onednn_kept_repacks() > most ? ae_onednn_kept_repacks() : most;
    }
    assert_true(ae_onednn_has_bf16() ? most > 8 && most < 80 : most == 0);
    ae_onednn_release();
    assert_int_equal(ae_onednn_kept_repacks(), 0);
}

/* Large copies leave before small ones fill the places: 20 of 6 MB do not wait together. */
static void what_waits_is_bounded_in_bytes(void **state)
{
    (void)state;
    enum { K = 3072 };
    uint16_t *memory = calloc((size_t)ROWS * K + (size_t)K * (1024 + 20), sizeof *memory);
    float *c = malloc((size_t)ROWS * (1024 + 20) * sizeof *c);
    assert_true(memory && c);
    for (int64_t n = 1024; n < 1024 + 20; n++) {
        ae_gemm q = ae_gemm_dense(AE_BF16, ROWS, n, K, memory, memory + (size_t)ROWS * K, c);
        q.c_dtype = AE_F32;
        run(&q);
        assert_true(ae_onednn_kept_repacks() <= 10);
    }
    free(memory);
    free(c);
    ae_onednn_release();
}

/* Few rows do not pay for the copy, and small matrices none at all. */
static void few_rows_go_without(void **state)
{
    (void)state;
    ae_gemm q = product(96, 80, 0);
    char name[80];
    assert_int_equal(ae_onednn_repacks(&q), ae_onednn_has_bf16());
    assert_int_equal(strncmp(ae_gemm_implementation(&q, name, sizeof name), "packed", 6) == 0, ae_onednn_has_bf16());
    q.m = 100;
    assert_false(ae_onednn_repacks(&q));
    assert_int_not_equal(strncmp(ae_gemm_implementation(&q, name, sizeof name), "packed", 6), 0);
    q = product(8, 80, 0);
    assert_false(ae_onednn_repacks(&q));
    q = ae_gemm_dense(AE_F32, ROWS, 96, 80, x.a, x.b, x.c);
    assert_false(ae_onednn_repacks(&q));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_plain_twin),     cmocka_unit_test(copies_are_filled_anew),
        cmocka_unit_test(same_bits_whatever_came_before), cmocka_unit_test(what_waits_is_bounded),
        cmocka_unit_test(what_waits_is_bounded_in_bytes), cmocka_unit_test(few_rows_go_without),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
