/* The formulas that docs/how-backward-works.md derives by hand, as plain loops in double, against autograd: in f64,
 * where the decomposition into primitive ops runs, and in f32, where the fused kernels do. */
#include "autograd/ops.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- layer_norm ---------------------------------------------------------------------------------------------------- */

/* One row: y_i = gamma_i h_i + beta_i, h_i = (x_i - mean) r, r = 1 / sqrt(var + eps). */
static void layer_norm(const double *x, const double *gamma, const double *beta, double eps, int n, double *y,
                       double *mean, double *r)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < n; i++) {
        sum += x[i];
    }
    *mean = sum / n;
    for (int i = 0; i < n; i++) {
        squares += (x[i] - *mean) * (x[i] - *mean);
    }
    *r = 1 / sqrt(squares / n + eps);
    for (int i = 0; i < n; i++) {
        y[i] = gamma[i] * (x[i] - *mean) * *r + beta[i];
    }
}

/* Its gradients: dx is written, dgamma and dbeta are added to, for every row adds to them. */
static void layer_norm_backward(const double *x, const double *gamma, double mean, double r, const double *dy, int n,
                                double *dx, double *dgamma, double *dbeta)
{
    double mean_a = 0, mean_ah = 0;
    for (int i = 0; i < n; i++) {
        double h = (x[i] - mean) * r;
        double a = dy[i] * gamma[i];
        dbeta[i] += dy[i];
        dgamma[i] += dy[i] * h;
        mean_a += a / n;
        mean_ah += a * h / n;
    }
    for (int i = 0; i < n; i++) {
        double h = (x[i] - mean) * r;
        double a = dy[i] * gamma[i];
        dx[i] = r * (a - mean_a - h * mean_ah);
    }
}

/* ---- attention ----------------------------------------------------------------------------------------------------- */

static double dot(const double *a, const double *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* Query i of t sees key j of s when the queries are the last t of s positions. */
static int sees(int i, int j, int t, int s)
{
    return j <= i + s - t;
}

/* One head: q (T,D), k (S,D), v (S,E) give o (T,E) and l (T), the logarithm of each row's sum of exponentials. */
static void attention(const double *q, const double *k, const double *v, int t, int s, int d, int e, double c,
                      double *o, double *l)
{
    for (int i = 0; i < t; i++) {
        double sum = 0;
        for (int j = 0; j < s; j++) {
            sum += sees(i, j, t, s) ? exp(c * dot(q + i * d, k + j * d, d)) : 0;
        }
        l[i] = log(sum);
        for (int m = 0; m < e; m++) {
            o[i * e + m] = 0;
        }
        for (int j = 0; j < s && sees(i, j, t, s); j++) {
            double p = exp(c * dot(q + i * d, k + j * d, d) - l[i]);
            for (int m = 0; m < e; m++) {
                o[i * e + m] += p * v[j * e + m];
            }
        }
    }
}

/* Its gradients, added to dq (T,D), dk (S,D), dv (S,E). The probabilities are made again from l, a row at a time, in
 * p (S); dp (S) is scratch too. */
static void attention_backward(const double *q, const double *k, const double *v, const double *l, const double *dout,
                               int t, int s, int d, int e, double c, double *p, double *dp, double *dq, double *dk,
                               double *dv)
{
    for (int i = 0; i < t; i++) {
        double delta = 0;
        for (int j = 0; j < s && sees(i, j, t, s); j++) {
            p[j] = exp(c * dot(q + i * d, k + j * d, d) - l[i]);
            dp[j] = dot(dout + i * e, v + j * e, e);
            delta += p[j] * dp[j];
        }
        for (int j = 0; j < s && sees(i, j, t, s); j++) {
            double ds = p[j] * (dp[j] - delta);
            for (int m = 0; m < e; m++) {
                dv[j * e + m] += p[j] * dout[i * e + m];
            }
            for (int m = 0; m < d; m++) {
                dq[i * d + m] += c * ds * k[j * d + m];
                dk[j * d + m] += c * ds * q[i * d + m];
            }
        }
    }
}

/* ---- against autograd ---------------------------------------------------------------------------------------------- */

enum { ROWS = 3, WIDTH = 7, T = 4, S = 6, D = 3, E = 5, HEADS = 2 };

static ae_graph *g;
static uint64_t random_state;

static void fill(double *x, int n)
{
    for (int i = 0; i < n; i++) {
        random_state = random_state * 6364136223846793005u + 1442695040888963407u;
        x[i] = (double)(random_state >> 40) / (double)(1 << 23) - 1;
    }
}

/* A leaf of a dtype with these values. */
static ae_tensor *leaf(ae_dtype dtype, int ndim, const int64_t *shape, const double *values)
{
    ae_tensor *x = ae_from_data(g, AE_F64, ndim, shape, values);
    return ae_requires_grad(g, ae_detach(g, ae_cast(g, x, dtype)));
}

/* Backward from sum(y dy), so that dy is the gradient that y receives. */
static void backward(ae_tensor *y, const double *dy)
{
    ae_tensor *weight = ae_cast(g, ae_from_data(g, AE_F64, y->ndim, y->shape, dy), y->dtype);
    ae_backward(g, ae_sum(g, ae_mul(g, y, weight), 0, NULL, false), 0);
    if (!ae_ok(g)) {
        fail_msg("%s", ae_graph_error(g)->message);
    }
}

static void agree(const char *what, const ae_tensor *t, const double *want, int n)
{
    double tolerance = t->dtype == AE_F64 ? 1e-12 : 1e-5;
    assert_int_equal(ae_numel(t), n);
    for (int i = 0; i < n; i++) {
        double got = ae_get_f64(t, i);
        if (!(fabs(got - want[i]) <= tolerance * (1 + fabs(want[i])))) {
            fail_msg("%s in %s, element %d: %.15g, by hand %.15g", what, ae_dtype_name(t->dtype), i, got, want[i]);
        }
    }
}

static void check_layer_norm(ae_dtype dtype)
{
    double x[ROWS * WIDTH], gamma[WIDTH], beta[WIDTH], dy[ROWS * WIDTH];
    double y[ROWS * WIDTH], dx[ROWS * WIDTH], dgamma[WIDTH] = {0}, dbeta[WIDTH] = {0};
    const double eps = 1e-5;
    fill(x, ROWS * WIDTH);
    fill(gamma, WIDTH);
    fill(beta, WIDTH);
    fill(dy, ROWS * WIDTH);
    for (int i = 0; i < ROWS; i++) {
        double mean, r;
        layer_norm(x + i * WIDTH, gamma, beta, eps, WIDTH, y + i * WIDTH, &mean, &r);
        layer_norm_backward(x + i * WIDTH, gamma, mean, r, dy + i * WIDTH, WIDTH, dx + i * WIDTH, dgamma, dbeta);
    }
    ae_graph_begin(g, AE_GRAD);
    const int64_t shape[2] = {ROWS, WIDTH}, width = WIDTH;
    ae_tensor *tx = leaf(dtype, 2, shape, x);
    ae_tensor *tgamma = leaf(dtype, 1, &width, gamma), *tbeta = leaf(dtype, 1, &width, beta);
    ae_tensor *ty = ae_f_layer_norm(g, tx, tgamma, tbeta, eps);
    agree("layer_norm", ty, y, ROWS * WIDTH);
    backward(ty, dy);
    agree("layer_norm dx", tx->grad, dx, ROWS * WIDTH);
    agree("layer_norm dgamma", tgamma->grad, dgamma, WIDTH);
    agree("layer_norm dbeta", tbeta->grad, dbeta, WIDTH);
}

static void layer_norm_by_hand(void **state)
{
    (void)state;
    check_layer_norm(AE_F64);
    check_layer_norm(AE_F32);
}

/* Columns of one head out of (rows, HEADS * width), or back into it. */
static void take_head(const double *all, int rows, int width, int head, double *one)
{
    for (int i = 0; i < rows; i++) {
        memcpy(one + i * width, all + (i * HEADS + head) * width, (size_t)width * sizeof(double));
    }
}

static void put_head(double *all, int rows, int width, int head, const double *one)
{
    for (int i = 0; i < rows; i++) {
        memcpy(all + (i * HEADS + head) * width, one + i * width, (size_t)width * sizeof(double));
    }
}

typedef struct attention_numbers {
    double q[T * HEADS * D], k[S * HEADS * D], v[S * HEADS * E], dout[T * HEADS * E]; /* given */
    double o[T * HEADS * E], dq[T * HEADS * D], dk[S * HEADS * D], dv[S * HEADS * E]; /* by hand */
} attention_numbers;

static void attention_head(attention_numbers *a, int head)
{
    double q[T * D], k[S * D], v[S * E], dout[T * E], o[T * E], l[T], p[S], dp[S];
    double dq[T * D] = {0}, dk[S * D] = {0}, dv[S * E] = {0};
    const double c = 1 / sqrt(D);
    take_head(a->q, T, D, head, q);
    take_head(a->k, S, D, head, k);
    take_head(a->v, S, E, head, v);
    take_head(a->dout, T, E, head, dout);
    attention(q, k, v, T, S, D, E, c, o, l);
    attention_backward(q, k, v, l, dout, T, S, D, E, c, p, dp, dq, dk, dv);
    put_head(a->o, T, E, head, o);
    put_head(a->dq, T, D, head, dq);
    put_head(a->dk, S, D, head, dk);
    put_head(a->dv, S, E, head, dv);
}

static void check_attention(ae_dtype dtype)
{
    attention_numbers a;
    fill(a.q, T * HEADS * D);
    fill(a.k, S * HEADS * D);
    fill(a.v, S * HEADS * E);
    fill(a.dout, T * HEADS * E);
    for (int head = 0; head < HEADS; head++) {
        attention_head(&a, head);
    }
    ae_graph_begin(g, AE_GRAD);
    ae_tensor *q = leaf(dtype, 3, (int64_t[]){1, T, HEADS * D}, a.q);
    ae_tensor *k = leaf(dtype, 3, (int64_t[]){1, S, HEADS * D}, a.k);
    ae_tensor *v = leaf(dtype, 3, (int64_t[]){1, S, HEADS * E}, a.v);
    ae_tensor *o = ae_f_attention(g, q, k, v, ae_mask_causal(g, NULL), &(ae_attention_options){.heads = HEADS});
    agree("attention", o, a.o, T * HEADS * E);
    backward(o, a.dout);
    agree("attention dq", q->grad, a.dq, T * HEADS * D);
    agree("attention dk", k->grad, a.dk, S * HEADS * D);
    agree("attention dv", v->grad, a.dv, S * HEADS * E);
}

static void attention_by_hand(void **state)
{
    (void)state;
    check_attention(AE_F64);
    check_attention(AE_F32);
}

static int setup(void **state)
{
    (void)state;
    g = ae_graph_new();
    return g ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    ae_graph_free(g);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layer_norm_by_hand),
        cmocka_unit_test(attention_by_hand),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
