/* Products of bf16 blocks within a parallel region: against the plain twin in every orientation, more kinds than a
 * set holds primitives for, what goes to the cache, and when they are chosen. */
#include "tensor/counters.h"
#include "tensor/gemm_blocks.h"
#include "tensor/gemm_internal.h"
#include "tensor/kernels.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 96 };

typedef struct blocks {
    uint16_t a[MOST * MOST], b[MOST * MOST];
    float c[MOST * MOST], want[MOST * MOST];
} blocks;

static void fill(blocks *x)
{
    for (int i = 0; i < MOST * MOST; i++) {
        x->a[i] = ae_f32_to_bf16((float)(i * 37 % 101 - 50) / 32);
        x->b[i] = ae_f32_to_bf16((float)(i * 53 % 97 - 48) / 32);
        x->c[i] = x->want[i] = (float)(i % 7);
    }
}

static ae_gemm product(blocks *x, int64_t m, int64_t n, int64_t k, unsigned transposed, bool accumulate)
{
    ae_gemm q = ae_gemm_dense(AE_BF16, m, n, k, x->a, x->b, x->c);
    q.c_dtype = AE_F32;
    q.accumulate = accumulate;
    if (transposed & 1) {
        q.a_row = 1;
        q.a_col = m;
    }
    if (transposed & 2) {
        q.b_row = 1;
        q.b_col = k;
    }
    return q;
}

/* The number of elements that differ from the plain twin's. */
static int compare(ae_blocks *w, blocks *x, ae_gemm q)
{
    ae_err e = {0};
    int wrong = ae_blocks_multiply(w, &q, &e) != 0;
    q.c = x->want;
    wrong += ae_gemm_plain(&q, &e) != 0;
    for (int64_t i = 0; i < q.m * q.n; i++) {
        wrong += !(fabsf(x->c[i] - x->want[i]) <= 1e-4F * (1 + fabsf(x->want[i])));
    }
    return wrong;
}

static void products_agree_with_the_plain_twin(void **state)
{
    int wrong = 0;
    (void)state;
#pragma omp parallel num_threads(2) reduction(+ : wrong)
    {
        static _Thread_local blocks x;
        ae_blocks w = {0};
        for (unsigned kind = 0; kind < 8; kind++) {
            fill(&x);
            ae_gemm q = product(&x, 64, 96, 32, kind & 3, kind & 4);
            q.alpha = kind & 4 ? 1.0F : 0.3F;
            wrong += compare(&w, &x, q);
            wrong += compare(&w, &x, product(&x, 32, 5, 64, kind & 3, kind & 4));
            wrong += compare(&w, &x, product(&x, 32, 1, 1, kind & 3, kind & 4));
        }
        ae_blocks_end(&w);
    }
    assert_int_equal(wrong, 0);
}

/* A set keeps its primitives for whoever takes it next; what it has no place for is in the cache. */
static void many_kinds(void **state)
{
    static blocks x;
    ae_blocks w = {0};
    (void)state;
    ae_onednn_release();
    for (int round = 0; round < 2; round++) {
        fill(&x);
        for (int64_t k = 1; k <= MOST; k++) {
            for (unsigned kind = 0; kind < 4; kind++) {
                assert_int_equal(compare(&w, &x, product(&x, 32, 32, k, kind, false)), 0);
            }
        }
        assert_int_equal(ae_onednn_cached_in_sets(), 0);
        ae_blocks_end(&w);
        assert_true(ae_onednn_cached() > 0);
        assert_true(ae_onednn_cached_in_sets() > AE_ONEDNN_SET / 2 && ae_onednn_cached_in_sets() <= AE_ONEDNN_SET);
        assert_int_equal(ae_onednn_cached() + ae_onednn_cached_in_sets(), 4 * MOST);
    }
    ae_blocks_end(&w);
    ae_onednn_release();
    assert_int_equal(ae_onednn_cached() + ae_onednn_cached_in_sets(), 0);
}

static void empty_and_dry(void **state)
{
    static blocks x;
    ae_blocks w = {0};
    ae_err e = {0};
    (void)state;
    fill(&x);
    assert_int_equal(compare(&w, &x, product(&x, 32, 0, 32, 0, false)), 0);
    ae_gemm q = product(&x, 32, 32, 0, 0, false);
    assert_int_equal(ae_blocks_multiply(&w, &q, &e), 0);
    assert_true(x.c[0] == 0 && x.c[32 * 32 - 1] == 0 && x.c[32 * 32] == x.want[32 * 32]);
    q = product(&x, 32, 32, 32, 0, false);
    ae_kernels_dry_run(true);
    assert_int_equal(ae_blocks_multiply(&w, &q, &e), 0);
    ae_kernels_dry_run(false);
    assert_true(x.c[0] == 0 && x.c[32 * 32 - 1] == 0);
    ae_blocks_end(&w);
}

static void choices(void **state)
{
    (void)state;
    assert_int_equal(ae_blocks_in_bf16(), ae_onednn_has_bf16());
    ae_blocks_select(AE_BLOCKS_BF16);
    assert_true(ae_blocks_in_bf16());
    ae_blocks_select(AE_BLOCKS_WIDENED);
    assert_false(ae_blocks_in_bf16());
    ae_blocks_select(AE_BLOCKS_BEST);
    assert_int_equal(ae_blocks_in_bf16(), ae_onednn_has_bf16());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_agree_with_the_plain_twin),
        cmocka_unit_test(many_kinds),
        cmocka_unit_test(empty_and_dry),
        cmocka_unit_test(choices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
