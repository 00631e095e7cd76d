#include "tensor/idle_kernels.h"

#include <string.h>

/* ---- one function a signature -------------------------------------------------------------------------------------- */

static void map(const float *x, float *y, int64_t n)
{
    (void)x, (void)y, (void)n;
}

static void map_two(const float *a, const float *b, float *y, int64_t n)
{
    (void)a, (void)b, (void)y, (void)n;
}

static void widen(const uint16_t *x, float *y, int64_t n)
{
    (void)x, (void)y, (void)n;
}

static void narrow(const float *x, uint16_t *y, int64_t n)
{
    (void)x, (void)y, (void)n;
}

static void map_scaled(float a, const float *x, float *y, int64_t n)
{
    (void)a, (void)x, (void)y, (void)n;
}

static double dot(const float *a, const float *b, int64_t n)
{
    (void)a, (void)b, (void)n;
    return 0;
}

static double sum(const float *x, int64_t n)
{
    (void)x, (void)n;
    return 0;
}

static void column_sums(const float *x, int64_t ldx, int64_t rows, int64_t n, double *sums)
{
    (void)x, (void)ldx, (void)rows, (void)n, (void)sums;
}

static float extreme(const float *x, int64_t n)
{
    (void)x, (void)n;
    return 0;
}

static float exp_shift(const float *x, float shift, float *y, int64_t n)
{
    (void)x, (void)shift, (void)y, (void)n;
    return 1;
}

static float softmax(const float *x, float *y, int64_t n, float *max)
{
    (void)x, (void)y, (void)n;
    if (max) {
        *max = 0;
    }
    return 0;
}

static float log_softmax(const float *x, float *y, int64_t n)
{
    (void)x, (void)y, (void)n;
    return 0;
}

static float cross_entropy(const float *x, int64_t n, int64_t target, float smoothing, float *lse)
{
    (void)x, (void)n, (void)target, (void)smoothing;
    if (lse) {
        *lse = 0;
    }
    return 0;
}

static void cross_entropy_backward(const float *x, float *dx, int64_t n, int64_t target, float smoothing, float lse,
                                   float scale)
{
    (void)x, (void)dx, (void)n, (void)target, (void)smoothing, (void)lse, (void)scale;
}

static void layer_norm(const float *x, const float *gamma, const float *beta, ae_norm_rule rule, float *y, int64_t n,
                       float *mean, float *rstd)
{
    (void)x, (void)gamma, (void)beta, (void)rule, (void)y, (void)n;
    *mean = 0;
    *rstd = 1;
}

static void layer_norm_backward(const float *x, const float *dy, const float *gamma, ae_norm_rule rule, float mean,
                                float rstd, float *dx, float *dgamma, float *dbeta, int64_t n)
{
    (void)x, (void)dy, (void)gamma, (void)rule, (void)mean, (void)rstd, (void)dx, (void)dgamma, (void)dbeta, (void)n;
}

static void rms_norm(const float *x, const float *gamma, float eps, float *y, int64_t n, float *rstd)
{
    (void)x, (void)gamma, (void)eps, (void)y, (void)n;
    *rstd = 1;
}

static void rms_norm_backward(const float *x, const float *dy, const float *gamma, float rstd, float *dx, float *dgamma,
                              int64_t n)
{
    (void)x, (void)dy, (void)gamma, (void)rstd, (void)dx, (void)dgamma, (void)n;
}

static void dropout_add_layer_norm(const float *x, const float *residual, const ae_random_key *key, float p,
                                   uint64_t first, const float *gamma, const float *beta, ae_norm_rule rule, float *s,
                                   float *y, int64_t n, float *mean, float *rstd)
{
    (void)x, (void)residual, (void)key, (void)p, (void)first, (void)gamma, (void)beta, (void)rule, (void)s, (void)y;
    (void)n;
    *mean = 0;
    *rstd = 1;
}

static void dropout(const ae_random_key *key, float p, uint64_t first, const float *x, float *y, int64_t n)
{
    (void)key, (void)p, (void)first, (void)x, (void)y, (void)n;
}

static void lstm(const float *gates, const float *c_prev, float clip, float *act, float *c, float *h_out, int64_t h)
{
    (void)gates, (void)c_prev, (void)clip, (void)act, (void)c, (void)h_out, (void)h;
}

static void lstm_backward(const float *act, const float *c_prev, const float *c, float clip, const float *dh,
                          const float *dc, float *dgates, float *dc_prev, int64_t h)
{
    (void)act, (void)c_prev, (void)c, (void)clip, (void)dh, (void)dc, (void)dgates, (void)dc_prev, (void)h;
}

static void gru(const float *xg, const float *hg, const float *h_prev, float *act, float *h_out, int64_t h)
{
    (void)xg, (void)hg, (void)h_prev, (void)act, (void)h_out, (void)h;
}

static void gru_backward(const float *act, const float *hg_n, const float *h_prev, const float *dh, float *dxg,
                         float *dhg, float *dh_prev, int64_t h)
{
    (void)act, (void)hg_n, (void)h_prev, (void)dh, (void)dxg, (void)dhg, (void)dh_prev, (void)h;
}

static void matmul(int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t a_row, int64_t a_col,
                   const float *b, int64_t ldb, float *c, int64_t ldc, bool accumulate)
{
    (void)m, (void)n, (void)k, (void)alpha, (void)a, (void)a_row, (void)a_col, (void)b, (void)ldb, (void)c, (void)ldc;
    (void)accumulate;
}

static void transpose(const float *x, int64_t ldx, int64_t rows, int64_t cols, float *y, int64_t ldy)
{
    (void)x, (void)ldx, (void)rows, (void)cols, (void)y, (void)ldy;
}

static void adam(const ae_adam_rule *rule, float *p, const float *g, float *m, float *v, int64_t n)
{
    (void)rule, (void)p, (void)g, (void)m, (void)v, (void)n;
}

static void sgd(const ae_sgd_rule *rule, float *p, const float *g, float *buf, int64_t n)
{
    (void)rule, (void)p, (void)g, (void)buf, (void)n;
}

/* ---- the table ----------------------------------------------------------------------------------------------------- */

static void idle_blocks(ae_kernels *t)
{
    t->exp = t->log = t->tanh = t->sigmoid = t->erf = t->gelu = t->gelu_tanh = t->silu = t->softplus = t->relu = map;
    t->gelu_backward = t->gelu_tanh_backward = t->silu_backward = t->softplus_backward = map_two;
    t->erf_backward = t->tanh_backward = t->sigmoid_backward = t->relu_backward = map_two;
    t->softmax_backward = t->log_softmax_backward = t->add = t->mul = map_two;
    t->bf16_to_f32 = t->f16_to_f32 = widen;
    t->f32_to_bf16 = t->f32_to_f16 = narrow;
    t->axpy = t->scale = map_scaled;
    t->dropout = dropout;
    t->transpose = transpose;
    t->matmul = matmul;
}

static void idle_rows(ae_kernels *t)
{
    t->dot = dot;
    t->sum = t->sum_squares = sum;
    t->column_sums = column_sums;
    t->max = t->min = extreme;
    t->exp_shift = exp_shift;
    t->softmax = softmax;
    t->log_softmax = log_softmax;
    t->cross_entropy = cross_entropy;
    t->cross_entropy_backward = cross_entropy_backward;
    t->layer_norm = layer_norm;
    t->layer_norm_backward = layer_norm_backward;
    t->rms_norm = rms_norm;
    t->rms_norm_backward = rms_norm_backward;
    t->dropout_add_layer_norm = dropout_add_layer_norm;
}

const ae_kernels *ae_kernels_idle(const ae_kernels *base)
{
    static ae_kernels table;
    ae_kernels t = *base;
    idle_blocks(&t);
    idle_rows(&t);
    t.lstm = lstm;
    t.lstm_backward = lstm_backward;
    t.gru = gru;
    t.gru_backward = gru_backward;
    t.adam = adam;
    t.sgd = sgd;
    memcpy(&table, &t, sizeof t);
    return &table;
}
