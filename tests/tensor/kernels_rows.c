/* Softmax and its relatives, normalisation, dropout: row by row. */
#include "tensor/kernel_checks.h"

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

void softmax_rows(void)
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

void softmax_of_specials(void)
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

void cross_entropy_rows(void)
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
void plain_norm_backward_is_right(void **state)
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

void norms(void)
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
void norm_far_from_zero(void)
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

void dropout(void)
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
