/* The columns of a matrix over its rows: against sums in double at extents that cross every piece and stretch, rows
 * apart from one another, f32 and bf16, and the same bits for every number of threads. */
#include "autograd/column_sums.h"
#include "autograd/create.h"
#include "tensor/kernels.h"

#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static float value(int64_t i)
{
    return (float)(i * 37 % 1009 - 500) / 64;
}

/* A matrix of f32 or bf16 with rows `row` elements apart; what lies between them is NaN. */
static void *matrix(ae_dtype dtype, int64_t rows, int64_t row, int64_t n)
{
    const size_t size = ae_dtype_size(dtype), count = (size_t)(rows * row + 1);
    char *x = malloc(count * size);
    assert_non_null(x);
    memset(x, 0xff, count * size);
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < n; j++) {
            const float v = value(i * n + j);
            const uint16_t bits = ae_f32_to_bf16(v);
            memcpy(x + (size_t)(i * row + j) * size, dtype == AE_F32 ? (const void *)&v : &bits, size);
        }
    }
    return x;
}

static double expected(ae_dtype dtype, int64_t rows, int64_t n, int64_t j)
{
    double sum = 0;
    for (int64_t i = 0; i < rows; i++) {
        const float v = value(i * n + j);
        sum += (double)(dtype == AE_F32 ? v : ae_bf16_to_f32(ae_f32_to_bf16(v)));
    }
    return sum;
}

static void check(ae_graph *g, ae_dtype dtype, int64_t rows, int64_t row, int64_t n)
{
    void *x = matrix(dtype, rows, row, n);
    float *sums = malloc((size_t)(n + 1) * sizeof *sums), *again = malloc((size_t)(n + 1) * sizeof *again);
    assert_true(sums && again);
    const int threads = omp_get_max_threads();
    sums[n] = again[n] = 7;
    assert_int_equal(ae_column_sums(g, x, dtype, rows, row, n, 0.5, sums), 0);
    for (int64_t j = 0; j < n; j++) {
        const double want = 0.5 * expected(dtype, rows, n, j);
        if (!(fabs((double)sums[j] - want) <= 1e-6 * (1 + fabs(want)))) {
            fail_msg("%s %dx%d, rows %d apart: column %d is %g instead of %g", ae_dtype_name(dtype), (int)rows, (int)n,
                     (int)row, (int)j, (double)sums[j], want);
        }
    }
    for (int t = 1; t <= 4; t *= 2) {
        omp_set_num_threads(t);
        assert_int_equal(ae_column_sums(g, x, dtype, rows, row, n, 0.5, again), 0);
        assert_memory_equal(sums, again, (size_t)(n + 1) * sizeof *sums);
    }
    omp_set_num_threads(threads);
    free(x);
    free(sums);
    free(again);
}

static void every_extent(void **state)
{
    (void)state;
    static const int64_t extents[][2] = {{0, 5},     {1, 1},   {7, 0},     {7, 3},     {3, 1024},  {5, 1025},
                                         {64, 2100}, {33, 40}, {400, 513}, {1000, 64}, {70, 3072}, {2, 40000}};
    ae_graph *g = ae_graph_new();
    ae_graph_begin(g, 0);
    for (size_t i = 0; i < sizeof extents / sizeof *extents; i++) {
        for (int apart = 0; apart <= 9; apart += 9) {
            check(g, AE_F32, extents[i][0], extents[i][1] + apart, extents[i][1]);
            check(g, AE_BF16, extents[i][0], extents[i][1] + apart, extents[i][1]);
        }
    }
    ae_graph_free(g);
}

static void of_a_tensor(void **state)
{
    (void)state;
    uint16_t x[6];
    for (int i = 0; i < 6; i++) {
        x[i] = ae_f32_to_bf16((float)i);
    }
    ae_graph *g = ae_graph_new();
    ae_graph_begin(g, 0);
    ae_tensor *t = ae_from_borrowed(g, AE_BF16, 2, (int64_t[]){2, 3}, x);
    ae_tensor *sums = ae_column_sums_of(g, t);
    ae_tensor *across = ae_column_sums_of(g, ae_view(g, t, 2, (int64_t[]){3, 2}, (int64_t[]){1, 3}, 0));
    assert_true(ae_ok(g));
    assert_memory_equal(sums->data, ((float[]){3, 5, 7}), sizeof(float[3]));
    assert_memory_equal(across->data, ((float[]){3, 12}), sizeof(float[2]));
    ae_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_extent), cmocka_unit_test(of_a_tensor)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
