#include "autograd/ops.h"
#include "tensor/kernels.h"

typedef struct norm_attr {
    double eps;
} norm_attr;

/* The rule, with gamma and beta among the inputs from `first` on. */
static int norm_shape_from(ae_call *c, int first)
{
    char x[AE_DESCRIBE_MAX], w[AE_DESCRIBE_MAX];
    const ae_tensor *in = c->in[0];
    if (!ae_dtype_is_float(in->dtype) || in->ndim < 1) {
        return ae_call_fail(c, AE_E_DTYPE, "%s is %s; it must be of floats and have at least one axis",
                            ae_call_describe(c, 0, x), ae_dtype_name(in->dtype));
    }
    for (int i = first; i < c->n_in; i++) {
        const ae_tensor *p = c->in[i];
        if (p && (p->ndim != 1 || p->shape[0] != ae_dim(in, -1))) {
            return ae_call_fail(c, AE_E_SHAPE, "gamma and beta must be as long as the last axis of x; x is %s, got %s",
                                ae_call_describe(c, 0, x), ae_call_describe(c, i, w));
        }
        if (p && p->dtype != in->dtype) {
            return ae_call_fail(c, AE_E_DTYPE, "x is %s and %s is %s; cast one of them", ae_dtype_name(in->dtype),
                                ae_call_describe(c, i, w), ae_dtype_name(p->dtype));
        }
    }
    ae_call_out_like(c, 0, in);
    return 0;
}

static int norm_shape(ae_call *c)
{
    return norm_shape_from(c, 1);
}

static const float *values(ae_graph *g, ae_tensor *t)
{
    return t ? ae_dense(g, t)->data : NULL;
}

static int64_t row_count(const ae_tensor *x)
{
    int64_t n = ae_dim(x, -1);
    return n > 0 ? ae_numel(x) / n : 0;
}

/* ---- the gradients of gamma and beta -------------------------------------------------------------------------------- */

enum { PARTS = 32 };

/* Rows are cut into a fixed number of parts, each summed into a row of its own and the rows then added in order: so the
 * bits do not depend on the number of threads. */
typedef struct partial {
    float *gamma, *beta;
    int64_t n;
} partial;

static partial partial_new(ae_graph *g, int64_t n, bool gamma, bool beta)
{
    partial p = {NULL, NULL, n};
    if (gamma) {
        p.gamma = ae_zeros(g, AE_F32, 2, (int64_t[]){PARTS, n})->data;
    }
    if (beta) {
        p.beta = ae_zeros(g, AE_F32, 2, (int64_t[]){PARTS, n})->data;
    }
    return p;
}

static float *part_row(float *base, int part, int64_t n)
{
    return base ? base + part * n : NULL;
}

static ae_tensor *partial_sum(ae_graph *g, const float *parts, int64_t n)
{
    ae_tensor *t = ae_zeros(g, AE_F32, 1, &n);
    float *sum = t->data;
    for (int part = 0; ae_ok(g) && part < PARTS; part++) {
        for (int64_t i = 0; i < n; i++) {
            sum[i] += parts[part * n + i];
        }
    }
    return t;
}

/* Where x's gradient goes: a new tensor, or, in a network whose norms stand before the blocks, on top of what came past
 * the block; then each row is made in `rows`, one a part, and added. */
typedef struct target {
    ae_tensor *dx;
    float *rows; /* NULL: dx is new */
} target;

static target target_of(ae_call *c, int64_t n)
{
    ae_tensor *sum = ae_call_sum(c, 0);
    if (!sum || sum->dtype != AE_F32) {
        return (target){ae_empty_like(c->graph, c->in[0]), NULL};
    }
    return (target){sum, ae_empty(c->graph, AE_F32, 2, (int64_t[]){PARTS, n})->data};
}

static float *target_row(const target *t, int part, int64_t i, int64_t n)
{
    return t->rows ? t->rows + part * n : (float *)t->dx->data + i * n;
}

static void target_done(const target *t, int part, int64_t i, int64_t n)
{
    if (t->rows) {
        float *to = (float *)t->dx->data + i * n;
        ae_kernels_get()->add(to, t->rows + part * n, to, n);
    }
}

/* ---- layer_norm ---------------------------------------------------------------------------------------------------- */

static int layer_norm_forward(ae_call *c)
{
    ae_graph *g = c->graph;
    if (c->in[0]->dtype != AE_F32) {
        return AE_DECLINE;
    }
    int64_t rows = row_count(c->in[0]), n = ae_dim(c->in[0], -1);
    const float *x = values(g, c->in[0]), *gamma = values(g, c->in[1]), *beta = values(g, c->in[2]);
    ae_tensor *mean = ae_call_extra(c, 0, AE_F32, 1, &rows), *rstd = ae_call_extra(c, 1, AE_F32, 1, &rows);
    if (!ae_ok(g)) {
        return -1;
    }
    const ae_kernels *k = ae_kernels_get();
    float *y = c->out[0]->data, *means = mean->data, *rstds = rstd->data;
    float eps = (float)((const norm_attr *)c->attr)->eps;
#pragma omp parallel for schedule(static) if (rows * n > 16384)
    for (int64_t i = 0; i < rows; i++) {
        k->layer_norm(x + i * n, gamma, beta, eps, y + i * n, n, means + i, rstds + i);
    }
    return 0;
}

static void layer_norm_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    int64_t rows = row_count(c->in[0]), n = ae_dim(c->in[0], -1);
    const float *x = values(g, c->in[0]), *dy = values(g, gout[0]);
    const float *gamma = c->need[0] ? values(g, c->in[1]) : NULL; /* only x's gradient reads it, and has it saved */
    bool want_gamma = c->in[1] && c->need[1], want_beta = c->in[2] && c->need[2];
    partial p = partial_new(g, n, want_gamma, want_beta);
    target to = target_of(c, n);
    gin[0] = to.dx;
    if (!ae_ok(g)) {
        return;
    }
    const ae_kernels *k = ae_kernels_get();
    const float *means = c->extra[0]->data, *rstds = c->extra[1]->data;
#pragma omp parallel for schedule(static) if (rows * n > 16384)
    for (int part = 0; part < PARTS; part++) {
        for (int64_t i = rows * part / PARTS; i < rows * (part + 1) / PARTS; i++) {
            k->layer_norm_backward(x + i * n, dy + i * n, gamma, means[i], rstds[i], target_row(&to, part, i, n),
                                   part_row(p.gamma, part, n), part_row(p.beta, part, n), n);
            target_done(&to, part, i, n);
        }
    }
    if (want_gamma) {
        gin[1] = partial_sum(g, p.gamma, n);
    }
    if (want_beta) {
        gin[2] = partial_sum(g, p.beta, n);
    }
}

static ae_tensor *scale_and_shift(ae_graph *g, ae_tensor *y, ae_tensor *gamma, ae_tensor *beta)
{
    y = gamma ? ae_mul(g, y, gamma) : y;
    return beta ? ae_add(g, y, beta) : y;
}

static ae_tensor *mean_of(ae_graph *g, ae_tensor *x)
{
    return ae_scale(g, ae_sum(g, x, 1, (int[]){-1}, true), 1.0 / (double)(ae_dim(x, -1) > 0 ? ae_dim(x, -1) : 1));
}

static int layer_norm_decompose(ae_call *c)
{
    ae_graph *g = c->graph;
    ae_tensor *x = c->in[0];
    ae_tensor *d = ae_sub(g, x, mean_of(g, x));
    ae_tensor *var = mean_of(g, ae_mul(g, d, d));
    ae_tensor *rstd = ae_rsqrt(g, ae_add_scalar(g, var, ((const norm_attr *)c->attr)->eps));
    c->out[0] = scale_and_shift(g, ae_mul(g, d, rstd), c->in[1], c->in[2]);
    return ae_ok(g) ? 0 : -1;
}

static void layer_norm_sample(ae_sample *s)
{
    static const char *const xs[] = {"3,5", "2,3,4", "3,5", "70,67"};
    static const char *const ws[] = {"5", "4", NULL, "67"};
    int v = s->variant;
    ae_tensor *x = ae_sample_in(s, xs[v], -2, 2);
    ae_tensor *gamma = ws[v] ? ae_sample_in(s, ws[v], 0.5, 1.5) : NULL;
    ae_tensor *beta = ws[v] && v != 1 ? ae_sample_in(s, ws[v], -1, 1) : NULL;
    s->out[0] = ae_f_layer_norm(s->graph, x, gamma, beta, 1e-5);
}

const ae_op ae_op_layer_norm = {
    .name = "layer_norm",
    .formula = "gamma (x - mean) / sqrt(var + eps) + beta",
    .min_in = 3,
    .max_in = 3,
    .n_out = 1,
    .flags = AE_OP_FUSED,
    .optional = AE_IN(1) | AE_IN(2),
    .needs = {AE_IN(0) | AE_IN(1), AE_IN(0), AE_IN(0)},
    .shape = norm_shape,
    .forward = layer_norm_forward,
    .vjp = layer_norm_vjp,
    .decompose = layer_norm_decompose,
    .sample = layer_norm_sample,
    .samples = 3,
    .big_samples = 1,
};

ae_tensor *ae_f_layer_norm(ae_graph *g, ae_tensor *x, ae_tensor *gamma, ae_tensor *beta, double eps)
{
    norm_attr a = {eps};
    return ae_apply(g, &ae_op_layer_norm, (ae_tensor *[]){x, gamma, beta}, 3, &a, sizeof a);
}

ae_tensor *ae_f_layer_norm_uer(ae_graph *g, ae_tensor *x, ae_tensor *gamma, ae_tensor *beta, double eps)
{
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    ae_frame f = ae_frame_open(g);
    ae_tensor *d = ae_sub(g, x, mean_of(g, x));
    int64_t n = ae_ok(g) ? ae_dim(x, -1) : 2;
    ae_tensor *var = ae_scale(g, ae_sum(g, ae_mul(g, d, d), 1, (int[]){-1}, true), 1.0 / (double)(n > 1 ? n - 1 : 1));
    ae_tensor *s = ae_sqrt(g, var);
    return ae_frame_return(f, scale_and_shift(g, ae_div(g, d, ae_add_scalar(g, s, eps)), gamma, beta));
}

/* ---- dropout, add and layer_norm ------------------------------------------------------------------------------------ */

typedef struct residual_attr {
    double p; /* 0: nothing is dropped */
    double eps;
    ae_random_key key; /* backward draws the same mask from it */
} residual_attr;

static int residual_norm_shape(ae_call *c)
{
    char x[AE_DESCRIBE_MAX], y[AE_DESCRIBE_MAX];
    if (!ae_same_shape(c->in[0], c->in[1]) || c->in[0]->dtype != c->in[1]->dtype) {
        return ae_call_fail(c, AE_E_SHAPE, "x is %s and residual %s; they must be alike", ae_call_describe(c, 0, x),
                            ae_call_describe(c, 1, y));
    }
    return norm_shape_from(c, 2);
}

/* Extra 0 is the sum, which backward of the norm reads. */
static int residual_norm_forward(ae_call *c)
{
    ae_graph *g = c->graph;
    const residual_attr *a = c->attr;
    const ae_tensor *in = c->in[0];
    if (in->dtype != AE_F32) {
        return AE_DECLINE;
    }
    int64_t rows = row_count(in), n = ae_dim(in, -1);
    const float *x = values(g, c->in[0]), *residual = values(g, c->in[1]);
    const float *gamma = values(g, c->in[2]), *beta = values(g, c->in[3]);
    ae_tensor *sum = ae_call_extra(c, 0, AE_F32, in->ndim, in->shape);
    ae_tensor *mean = ae_call_extra(c, 1, AE_F32, 1, &rows), *rstd = ae_call_extra(c, 2, AE_F32, 1, &rows);
    if (!ae_ok(g)) {
        return -1;
    }
    const ae_kernels *k = ae_kernels_get();
    float *y = c->out[0]->data, *s = sum->data, *means = mean->data, *rstds = rstd->data;
#pragma omp parallel for schedule(static) if (rows * n > 16384)
    for (int64_t i = 0; i < rows; i++) {
        k->dropout_add_layer_norm(x + i * n, residual + i * n, a->p > 0 ? &a->key : NULL, (float)a->p,
                                  (uint64_t)(i * n), gamma, beta, (float)a->eps, s + i * n, y + i * n, n, means + i,
                                  rstds + i);
    }
    return 0;
}

static void residual_norm_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    const residual_attr *a = c->attr;
    int64_t rows = row_count(c->in[0]), n = ae_dim(c->in[0], -1);
    bool inner = c->need[0] || c->need[1], dropped = a->p > 0 && c->need[0];
    bool want_gamma = c->in[2] && c->need[2], want_beta = c->in[3] && c->need[3];
    const float *s = c->extra[0]->data, *dy = values(g, gout[0]), *gamma = inner ? values(g, c->in[2]) : NULL;
    const float *means = c->extra[1]->data, *rstds = c->extra[2]->data;
    partial p = partial_new(g, n, want_gamma, want_beta);
    gin[1] = ae_empty_like(g, c->in[1]);
    gin[0] = dropped ? ae_empty_like(g, c->in[0]) : gin[1]; /* without dropout both are the sum's gradient */
    if (!ae_ok(g)) {
        return;
    }
    const ae_kernels *k = ae_kernels_get();
    float *ds = gin[1]->data, *dx = gin[0]->data;
#pragma omp parallel for schedule(static) if (rows * n > 16384)
    for (int part = 0; part < PARTS; part++) {
        for (int64_t i = rows * part / PARTS; i < rows * (part + 1) / PARTS; i++) {
            k->layer_norm_backward(s + i * n, dy + i * n, gamma, means[i], rstds[i], ds + i * n,
                                   part_row(p.gamma, part, n), part_row(p.beta, part, n), n);
            if (dropped) {
                k->dropout(&a->key, (float)a->p, (uint64_t)(i * n), ds + i * n, dx + i * n, n);
            }
        }
    }
    gin[2] = want_gamma ? partial_sum(g, p.gamma, n) : NULL;
    gin[3] = want_beta ? partial_sum(g, p.beta, n) : NULL;
}

static int residual_norm_decompose(ae_call *c)
{
    ae_graph *g = c->graph;
    const residual_attr *a = c->attr;
    ae_tensor *x = a->p > 0 ? ae_dropout_keyed(g, c->in[0], a->p, &a->key) : c->in[0];
    c->out[0] = ae_f_layer_norm(g, ae_add(g, c->in[1], x), c->in[2], c->in[3], a->eps);
    return ae_ok(g) ? 0 : -1;
}

static void residual_norm_sample(ae_sample *s)
{
    static const char *const xs[] = {"3,5", "2,3,4", "3,5", "70,67", "70,67"};
    static const char *const ws[] = {"5", "4", NULL, "67", "67"};
    int v = s->variant;
    ae_tensor *x = ae_sample_in(s, xs[v], -2, 2), *residual = ae_sample_in(s, xs[v], -2, 2);
    ae_tensor *gamma = ws[v] ? ae_sample_in(s, ws[v], 0.5, 1.5) : NULL;
    ae_tensor *beta = ws[v] && v != 1 ? ae_sample_in(s, ws[v], -1, 1) : NULL;
    s->out[0] = ae_f_dropout_add_layer_norm(s->graph, x, residual, v == 0 || v == 3 ? 0.3 : 0, gamma, beta, 1e-5);
}

const ae_op ae_op_dropout_add_layer_norm = {
    .name = "dropout_add_layer_norm",
    .formula = "layer_norm(residual + dropout(x))",
    .min_in = 4,
    .max_in = 4,
    .n_out = 1,
    .flags = AE_OP_FUSED,
    .optional = AE_IN(2) | AE_IN(3),
    .needs = {AE_IN(2), AE_IN(2), 0, 0},
    .shape = residual_norm_shape,
    .forward = residual_norm_forward,
    .vjp = residual_norm_vjp,
    .decompose = residual_norm_decompose,
    .sample = residual_norm_sample,
    .samples = 3,
    .big_samples = 2,
};

ae_tensor *ae_f_dropout_add_layer_norm(ae_graph *g, ae_tensor *x, ae_tensor *residual, double p, ae_tensor *gamma,
                                       ae_tensor *beta, double eps)
{
    if (!ae_ok(g) || !x || !residual || x->dtype != residual->dtype || !ae_same_shape(x, residual) ||
        !(p >= 0 && p < 1)) {
        ae_frame f = ae_frame_open(g);
        ae_tensor *sum = ae_add(g, residual, ae_dropout(g, x, p));
        return ae_frame_return(f, ae_f_layer_norm(g, sum, gamma, beta, eps));
    }
    residual_attr a = {.eps = eps};
    if ((ae_graph_flags(g) & AE_DROPOUT) && p > 0) {
        a.p = p;
        a.key = ae_draw_key(g, ae_draw(g));
    }
    return ae_apply(g, &ae_op_dropout_add_layer_norm, (ae_tensor *[]){x, residual, gamma, beta}, 4, &a, sizeof a);
}

/* ---- rms_norm ------------------------------------------------------------------------------------------------------ */

static int rms_norm_forward(ae_call *c)
{
    ae_graph *g = c->graph;
    if (c->in[0]->dtype != AE_F32) {
        return AE_DECLINE;
    }
    int64_t rows = row_count(c->in[0]), n = ae_dim(c->in[0], -1);
    const float *x = values(g, c->in[0]), *gamma = values(g, c->in[1]);
    ae_tensor *rstd = ae_call_extra(c, 0, AE_F32, 1, &rows);
    if (!ae_ok(g)) {
        return -1;
    }
    const ae_kernels *k = ae_kernels_get();
    float *y = c->out[0]->data, *rstds = rstd->data;
    float eps = (float)((const norm_attr *)c->attr)->eps;
#pragma omp parallel for schedule(static) if (rows * n > 16384)
    for (int64_t i = 0; i < rows; i++) {
        k->rms_norm(x + i * n, gamma, eps, y + i * n, n, rstds + i);
    }
    return 0;
}

static void rms_norm_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    int64_t rows = row_count(c->in[0]), n = ae_dim(c->in[0], -1);
    const float *x = values(g, c->in[0]), *dy = values(g, gout[0]);
    const float *gamma = c->need[0] ? values(g, c->in[1]) : NULL; /* only x's gradient reads it, and has it saved */
    bool want_gamma = c->in[1] && c->need[1];
    partial p = partial_new(g, n, want_gamma, false);
    target to = target_of(c, n);
    gin[0] = to.dx;
    if (!ae_ok(g)) {
        return;
    }
    const ae_kernels *k = ae_kernels_get();
    const float *rstds = c->extra[0]->data;
#pragma omp parallel for schedule(static) if (rows * n > 16384)
    for (int part = 0; part < PARTS; part++) {
        for (int64_t i = rows * part / PARTS; i < rows * (part + 1) / PARTS; i++) {
            k->rms_norm_backward(x + i * n, dy + i * n, gamma, rstds[i], target_row(&to, part, i, n),
                                 part_row(p.gamma, part, n), n);
            target_done(&to, part, i, n);
        }
    }
    if (want_gamma) {
        gin[1] = partial_sum(g, p.gamma, n);
    }
}

static int rms_norm_decompose(ae_call *c)
{
    ae_graph *g = c->graph;
    ae_tensor *x = c->in[0];
    ae_tensor *square = mean_of(g, ae_mul(g, x, x));
    ae_tensor *rstd = ae_rsqrt(g, ae_add_scalar(g, square, ((const norm_attr *)c->attr)->eps));
    c->out[0] = scale_and_shift(g, ae_mul(g, x, rstd), c->in[1], NULL);
    return ae_ok(g) ? 0 : -1;
}

static void rms_norm_sample(ae_sample *s)
{
    static const char *const xs[] = {"3,5", "2,3,4", "70,67"};
    int v = s->variant;
    ae_tensor *x = ae_sample_in(s, xs[v], -2, 2);
    ae_tensor *gamma = v == 1 ? NULL : ae_sample_in(s, v ? "67" : "5", 0.5, 1.5);
    s->out[0] = ae_f_rms_norm(s->graph, x, gamma, 1e-6);
}

const ae_op ae_op_rms_norm = {
    .name = "rms_norm",
    .formula = "gamma x / sqrt(mean x^2 + eps)",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .flags = AE_OP_FUSED,
    .optional = AE_IN(1),
    .needs = {AE_IN(0) | AE_IN(1), AE_IN(0)},
    .shape = norm_shape,
    .forward = rms_norm_forward,
    .vjp = rms_norm_vjp,
    .decompose = rms_norm_decompose,
    .sample = rms_norm_sample,
    .samples = 2,
    .big_samples = 1,
};

ae_tensor *ae_f_rms_norm(ae_graph *g, ae_tensor *x, ae_tensor *gamma, double eps)
{
    norm_attr a = {eps};
    return ae_apply(g, &ae_op_rms_norm, (ae_tensor *[]){x, gamma}, 2, &a, sizeof a);
}
