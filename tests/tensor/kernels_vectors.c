/* Vectors, their sums and extremes, and those of columns. */
#include "tensor/kernel_checks.h"

void vectors(void)
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

void sums_of_columns(void)
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

void extremes_of_specials(void)
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

void first_of_equals_is_found(void)
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
void columns_keep_their_extremes(void)
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
