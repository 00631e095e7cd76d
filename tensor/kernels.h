/* Aesop's own compute kernels: one table of functions an instruction set, chosen at run time.
 *
 * tensor/simd_kernels.c is compiled once for each instruction set (base, avx2, avx512; elsewhere base alone) and each
 * compilation gives one constant table. All kernels are single-threaded and work on dense blocks or rows; callers split
 * the work over threads. Pointers need the alignment of their element only. Nothing here allocates or fails; each
 * entry notes in tensor/counters.h that it was called.
 *
 * Conventions: `n` may be 0 for every block kernel; row kernels need n >= 1. An output may be the same pointer as an
 * input of the same length (in place) but may not overlap it otherwise. NaN in gives NaN out. Tables of different
 * instruction sets agree to rounding, not to the bit, but for dropout masks, conversions and relu, which agree exactly.
 *
 * Accuracy of the elementary functions in units of the last place (ulp), measured over a sweep of all exponents:
 * exp 1, log 1, softplus 2, sigmoid 2.3, tanh 2.5, erf 2.5, silu 3. Of gelu and gelu_tanh the relative error is 6 ulp
 * on the right and grows with the exponent on the left, as x is rounded there (10 and 30 ulp at -5); the absolute error
 * stays below 1e-7. Where e^-|x| is denormal, all but exp may give 0; exp's own denormals are subject to
 * flush-to-zero. */
#ifndef AE_TENSOR_KERNELS_H
#define AE_TENSOR_KERNELS_H

#include "tensor/random.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { AE_STREAM_ROWS = 4 }; /* of x at most, for the kernels that stream a weight */

/* Constants of one Adam-like step, in the order they act on each element:
 *   g = grad_scale·g + l2·p        m = beta1·m + (1−beta1)·g        v = beta2·v + (1−beta2)·g²
 *   p = p·(1 − decay_before) − step·m / (root_scale·√v + eps)       p = p − decay_after·p
 * torch's AdamW: step = lr/(1−β1ᵗ), root_scale = 1/√(1−β2ᵗ), decay_before = lr·wd. The AdamWeightDecay of BERT:
 * step = lr, root_scale = 1, decay_before = lr·wd. OpenAI's: step = lr·√(1−β2ᵗ)/(1−β1ᵗ), root_scale = 1,
 * decay_after = lr·wd. */
typedef struct ae_adam_rule {
    double beta1, beta2; /* double: 1 - beta2 is what v is made of, and 1 - 0.999f is off by 1e-5 */
    float grad_scale, l2, step, root_scale, eps, decay_before, decay_after;
} ae_adam_rule;

/* What a norm divides by: rstd = 1/√(var + eps) of the biased variance, or, unbiased, 1/(s + eps) of the unbiased
 * deviation s = √(Σ(x − mean)²/(n − 1)), UER-py's. */
typedef struct ae_norm_rule {
    float eps;
    bool unbiased;
} ae_norm_rule;

/* Constants of one SGD step: g = grad_scale·g + l2·p; buf = first ? g : momentum·buf + (1−dampening)·g;
 * p −= lr·(nesterov ? g + momentum·buf : buf). With buf NULL (momentum 0): p −= lr·g. */
typedef struct ae_sgd_rule {
    float grad_scale, l2, lr, momentum, dampening;
    bool nesterov, first;
} ae_sgd_rule;

typedef struct ae_kernels {
    const char *name; /* "base", "avx2", "avx512" */

    /* ---- y = f(x) over n elements ---- */
    void (*exp)(const float *x, float *y, int64_t n);
    void (*log)(const float *x, float *y, int64_t n); /* log 0 = -inf, of negatives NaN */
    void (*tanh)(const float *x, float *y, int64_t n);
    void (*sigmoid)(const float *x, float *y, int64_t n); /* 1 / (1 + e^-x) */
    void (*erf)(const float *x, float *y, int64_t n);
    void (*gelu)(const float *x, float *y, int64_t n);      /* x·Φ(x); also accurate far left of zero */
    void (*gelu_tanh)(const float *x, float *y, int64_t n); /* x/2·(1 + tanh(√(2/π)(x + 0.044715x³))) */
    void (*silu)(const float *x, float *y, int64_t n);      /* x·sigmoid(x) */
    void (*softplus)(const float *x, float *y, int64_t n);  /* log(1 + e^x) */
    void (*relu)(const float *x, float *y, int64_t n);

    /* ---- dx = dy·f'; the first five take the input x, the rest the output y ---- */
    void (*gelu_backward)(const float *x, const float *dy, float *dx, int64_t n);
    void (*gelu_tanh_backward)(const float *x, const float *dy, float *dx, int64_t n);
    void (*silu_backward)(const float *x, const float *dy, float *dx, int64_t n);
    void (*softplus_backward)(const float *x, const float *dy, float *dx, int64_t n);
    void (*erf_backward)(const float *x, const float *dy, float *dx, int64_t n);
    void (*tanh_backward)(const float *y, const float *dy, float *dx, int64_t n);
    void (*sigmoid_backward)(const float *y, const float *dy, float *dx, int64_t n);
    void (*relu_backward)(const float *y, const float *dy, float *dx, int64_t n); /* 0 where y <= 0 */

    /* ---- conversion: to nearest even, NaN stays a (quiet) NaN ---- */
    void (*bf16_to_f32)(const uint16_t *x, float *y, int64_t n);
    void (*f32_to_bf16)(const float *x, uint16_t *y, int64_t n);
    void (*f16_to_f32)(const uint16_t *x, float *y, int64_t n);
    void (*f32_to_f16)(const float *x, uint16_t *y, int64_t n);

    /* ---- vectors ---- */
    void (*add)(const float *a, const float *b, float *y, int64_t n);
    void (*mul)(const float *a, const float *b, float *y, int64_t n);
    void (*axpy)(float a, const float *x, float *y, int64_t n);  /* y += a·x */
    void (*scale)(float a, const float *x, float *y, int64_t n); /* y = a·x */
    double (*dot)(const float *a, const float *b, int64_t n);    /* summed in double, as the next two */
    double (*sum)(const float *x, int64_t n);
    double (*sum_squares)(const float *x, int64_t n);

    /* sums[j] += Σ x[i·ldx + j] over the rows i, in double; the same bits in every table. */
    void (*column_sums)(const float *x, int64_t ldx, int64_t rows, int64_t n, double *sums);
    float (*max)(const float *x, int64_t n); /* NaN when there is one; -inf for n = 0 */
    float (*min)(const float *x, int64_t n); /* likewise; inf for n = 0 */

    /* Running extremes of n columns: where x is larger (smaller) than best, or NaN and best is not, best = x and
     * at = mark. */
    void (*max_into)(const float *x, int32_t mark, float *best, int32_t *at, int64_t n);
    void (*min_into)(const float *x, int32_t mark, float *best, int32_t *at, int64_t n);

    /* The first element equal to v, or the first NaN when v is NaN; n when there is none. */
    int64_t (*find)(const float *x, float v, int64_t n);

    /* ---- softmax, one row ----
     * A row of -inf alone, or with +inf or NaN in it, gives NaN, as in PyTorch. */

    /* y = e^(x - shift); returns the sum of y. The step of an online softmax: x may hold -inf (gives 0). */
    float (*exp_shift)(const float *x, float shift, float *y, int64_t n);

    /* y = softmax(x); returns log Σ e^x and stores the largest x in *max unless max is NULL. */
    float (*softmax)(const float *x, float *y, int64_t n, float *max);

    /* dx = y·(dy − Σ y·dy), from y = softmax(x) */
    void (*softmax_backward)(const float *y, const float *dy, float *dx, int64_t n);

    /* y = x − log Σ e^x; returns log Σ e^x. */
    float (*log_softmax)(const float *x, float *y, int64_t n);

    /* dx = dy − e^y·Σ dy, from y = log_softmax(x) */
    void (*log_softmax_backward)(const float *y, const float *dy, float *dx, int64_t n);

    /* The loss of one row of logits: (1−s)·(lse − x[target]) + s·(lse − mean x), s the label smoothing.
     * 0 <= target < n. The log Σ e^x of the row goes to *lse unless that is NULL. */
    float (*cross_entropy)(const float *x, int64_t n, int64_t target, float smoothing, float *lse);

    /* Turns logits into the gradient: dx = scale·(softmax(x) − (1−s)·[j = target] − s/n); lse as given by
     * cross_entropy. */
    void (*cross_entropy_backward)(const float *x, float *dx, int64_t n, int64_t target, float smoothing, float lse,
                                   float scale);

    /* ---- normalisation, one row ----
     * gamma and beta may be NULL (1 and 0), dgamma and dbeta too (not wanted). */

    /* y = (x − mean)·rstd·gamma + beta, rstd as the rule says. */
    void (*layer_norm)(const float *x, const float *gamma, const float *beta, ae_norm_rule rule, float *y, int64_t n,
                       float *mean, float *rstd);

    /* dx is written; dgamma and dbeta are added to. */
    void (*layer_norm_backward)(const float *x, const float *dy, const float *gamma, ae_norm_rule rule, float mean,
                                float rstd, float *dx, float *dgamma, float *dbeta, int64_t n);

    /* y = x·rstd·gamma, rstd = 1/√(mean x² + eps). */
    void (*rms_norm)(const float *x, const float *gamma, float eps, float *y, int64_t n, float *rstd);
    void (*rms_norm_backward)(const float *x, const float *dy, const float *gamma, float rstd, float *dx, float *dgamma,
                              int64_t n);

    /* s = residual + dropout(x) is written (it is layer_norm_backward's x), then y = layer_norm(s). `key` NULL means
     * no dropout. */
    void (*dropout_add_layer_norm)(const float *x, const float *residual, const ae_random_key *key, float p,
                                   uint64_t first, const float *gamma, const float *beta, ae_norm_rule rule, float *s,
                                   float *y, int64_t n, float *mean, float *rstd);

    /* ---- dropout ----
     * y = kept ? x/(1−p) : 0; x[0] is element `first` of the dropout that key names. Backward is the same function on
     * dy. Zero comes exactly where ae_random_bernoulli(key, first, p) is 1; p in 0..1. */
    void (*dropout)(const ae_random_key *key, float p, uint64_t first, const float *x, float *y, int64_t n);

    /* ---- recurrent cells, one row of h units ---- */

    /* gates (4,h): pre-activations of i, f, g, o with biases. c = σ(f)·c_prev + σ(i)·tanh(g), clipped to ±clip when
     * clip > 0; h_out = σ(o)·tanh(c); c may be c_prev. act (4,h), may be gates: σ(i), σ(f), tanh(g), σ(o), for
     * backward. */
    void (*lstm)(const float *gates, const float *c_prev, float clip, float *act, float *c, float *h_out, int64_t h);

    /* dh, dc: gradients of h_out and of c (dc NULL means zero). Writes dgates (4,h), may be act, and dc_prev, may be
     * dc. A clipped c passes no gradient on. */
    void (*lstm_backward)(const float *act, const float *c_prev, const float *c, float clip, const float *dh,
                          const float *dc, float *dgates, float *dc_prev, int64_t h);

    /* torch's GRU (reset after the product). xg, hg (3,h): W x + b_i and W h + b_h in the order r, z, n.
     * r = σ, z = σ, n = tanh(xg_n + r·hg_n), h_out = (1−z)·n + z·h_prev. act (3,h), may be xg: r, z, n. */
    void (*gru)(const float *xg, const float *hg, const float *h_prev, float *act, float *h_out, int64_t h);

    /* hg_n: the last h of the forward's hg. Writes dxg (3,h), may be act, dhg (3,h), and dh_prev = z·dh (the caller
     * adds what flows through hg), may be dh. */
    void (*gru_backward)(const float *act, const float *hg_n, const float *h_prev, const float *dh, float *dxg,
                         float *dhg, float *dh_prev, int64_t h);

    /* TensorFlow's GRU (reset before the product), in two steps. Step 1: gates (2,h): pre-activations of r and z;
     * act (2,h), may be gates: σ of them; rh = r·h_prev, which the caller multiplies by the candidate's weights.
     * Step 2: candidate (h): pre-activations; n = tanh(candidate), may be candidate; h_out = (1−z)·n + z·h_prev. */
    void (*gru_reset)(const float *gates, const float *h_prev, float *act, float *rh, int64_t h);
    void (*gru_output)(const float *candidate, const float *z, const float *h_prev, float *n, float *h_out, int64_t h);

    /* Backward of step 2 writes dcandidate, dz (of z's pre-activation) and dh_prev = z·dh. Backward of step 1, given
     * drh from the caller's product, writes dr (of r's pre-activation) and adds r·drh to dh_prev. */
    void (*gru_output_backward)(const float *n, const float *z, const float *h_prev, const float *dh, float *dcandidate,
                                float *dz, float *dh_prev, int64_t h);
    void (*gru_reset_backward)(const float *r, const float *h_prev, const float *drh, float *dr, float *dh_prev,
                               int64_t h);

    /* A simple recurrent cell is tanh or relu and their backward above. */

    /* ---- small dense products, the blocks of attention ----
     * C (m,n) = alpha·A B, or C += alpha·A B. A (m,k) has any strides: a_row between rows, a_col between columns, so
     * (1, lda) reads a transpose. The rows of B (k,n) and C are dense, ldb and ldc elements apart. k = 0 gives zeros.
     *   S = scale·Q Kᵀ: transpose K first, then matmul(Tq, Ts, D, scale, Q, ldq, 1, KT, ...)
     *   O += P V:       matmul(Tq, D, Ts, 1, P, ldp, 1, V, ..., true)
     *   dV += Pᵀ dO:    matmul(Ts, D, Tq, 1, P, 1, ldp, dO, ..., true)
     *   dP = dO Vᵀ:     transpose V first; dQ += dS K; dK += dSᵀ Q: as above. */
    void (*matmul)(int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t a_row, int64_t a_col,
                   const float *b, int64_t ldb, float *c, int64_t ldc, bool accumulate);

    /* y (cols,rows) = xᵀ, x (rows,cols); not in place. */
    void (*transpose)(const float *x, int64_t ldx, int64_t rows, int64_t cols, float *y, int64_t ldy);

    /* ---- few rows by a weight: bound by reading the weight, which is read once ----
     * y (m,n) = x (m,k) wᵀ, plus bias (n) unless that is NULL; m in 1..AE_STREAM_ROWS. Rows of x and y are dense, ldx
     * and ldy elements apart; w (n,k) is dense. Sums are made in f32. */
    void (*stream_f32)(int64_t m, int64_t n, int64_t k, const float *x, int64_t ldx, const float *w, const float *bias,
                       float *y, int64_t ldy);
    void (*stream_bf16)(int64_t m, int64_t n, int64_t k, const float *x, int64_t ldx, const uint16_t *w,
                        const float *bias, float *y, int64_t ldy);

    /* y = x w + bias; w (k,n), its rows dense, ldw elements apart. */
    void (*stream_columns_f32)(int64_t m, int64_t n, int64_t k, const float *x, int64_t ldx, const float *w,
                               int64_t ldw, const float *bias, float *y, int64_t ldy);

    /* y[i][j] = x_scale[i]·w_scale[j]·Σ x[i][p]·w[j][p] + bias[j]; x (m,k) and w (n,k) dense; sums in i32, exact for
     * k < 2^17 and values in -127..127. */
    void (*stream_i8)(int64_t m, int64_t n, int64_t k, const int8_t *x, const float *x_scale, const int8_t *w,
                      const float *w_scale, const float *bias, float *y, int64_t ldy);

    /* y = a·scale·sums + bias, one row; bias NULL means 0. sums and y may be the same memory. */
    void (*scale_i32)(const int32_t *sums, float a, const float *scale, const float *bias, float *y, int64_t n);

    /* q = x / scale to the nearest of -127..127; returns scale = max|x| / 127. 0 and zeros for a row of zeros (or below
     * 4e-37, whose inverse is not a number); NaN and zeros when x holds NaN or infinity, so that what is made of it is
     * NaN. */
    float (*quantize_i8)(const float *x, int8_t *q, int64_t n);

    /* ---- optimizers, n elements, p and the state in place ---- */
    void (*adam)(const ae_adam_rule *rule, float *p, const float *g, float *m, float *v, int64_t n);
    void (*sgd)(const ae_sgd_rule *rule, float *p, const float *g, float *buf, int64_t n);
} ae_kernels;

/* The table in use: the best this processor can run, or the one that AESOP_ISA=base|avx2|avx512 names when the
 * processor can run it. Decided at the first call, then one load. Never NULL. */
AE_API const ae_kernels *ae_kernels_get(void);

/* The name of the table in use. */
AE_API const char *ae_kernels_name(void);

/* Changes the table in use, for tests: "base", "avx2", "avx512"; NULL or "" goes back to the best. Returns 0, or -1
 * when this build or processor has none of that name. */
AE_API int ae_kernels_select(const char *name);

/* While a dry run is on, in the whole process, products, copies and most kernels do nothing: a step takes the memory
 * that it would take, and neither the time nor, as nothing is written to it, most of the memory's pages. Values are
 * whatever lies there. For reports of memory; the table of before comes back with `on` false. */
AE_API void ae_kernels_dry_run(bool on);
AE_API bool ae_kernels_dry(void);
void ae_kernels_mark_dry(bool dry); /* for ae_kernels_dry_run alone: sets what ae_kernels_dry answers */

/* The number of tables that this processor can run, worst first, and each of them (NULL outside 0..count-1). */
AE_API int ae_kernels_count(void);
AE_API const ae_kernels *ae_kernels_at(int i);

#ifdef __cplusplus
}
#endif
#endif
