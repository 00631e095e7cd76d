#include "autograd/compute_type.h"
#include "autograd/norm_rows.h"
#include "autograd/ops.h"
#include "tensor/kernels.h"

typedef struct norm_attr {
    double eps;
    bool unbiased; /* layer_norm: UER-py's */
} norm_attr;

static int norm_shape(ae_call *c)
{
    return ae_norm_shape(c, 1);
}

/* Where x's gradient goes: a new tensor, or, in a network whose norms stand before the blocks, on top of what came past
 * the block; then each row is made in a buffer and added. */
typedef struct target {
    ae_tensor *dx;
    bool adds;
} target;

static target target_of(ae_call *c)
{
    ae_tensor *sum = ae_call_sum(c, 0);
    bool adds = sum && sum->dtype == AE_F32;
    return (target){adds ? sum : ae_empty_like(c->graph, c->in[0]), adds};
}

static float *target_row(const target *t, int64_t i, int64_t n, float *buffer)
{
    return t->adds ? buffer : ae_row_place(t->dx, i, n, buffer);
}

static void target_done(const target *t, int64_t i, int64_t n, const float *buffer)
{
    if (t->adds) {
        float *to = (float *)t->dx->data + i * n;
        ae_kernels_get()->add(to, buffer, to, n);
    } else {
        ae_row_written(t->dx, i, n, buffer);
    }
}

/* ---- layer_norm ---------------------------------------------------------------------------------------------------- */

static ae_norm_rule rule_of(const ae_call *c)
{
    const norm_attr *a = c->attr;
    return (ae_norm_rule){(float)a->eps, a->unbiased};
}

static int layer_norm_forward(ae_call *c)
{
    ae_graph *g = c->graph;
    if (!ae_norm_takes(c, 1)) {
        return AE_DECLINE;
    }
    ae_norm_rows r = ae_norm_rows_of(c, ae_norm_widens(c), false, false);
    ae_tensor *x = ae_dense(g, c->in[0]), *y = c->out[0];
    const float *gamma = ae_norm_values(g, c->in[1]), *beta = ae_norm_values(g, c->in[2]);
    ae_tensor *mean = ae_call_extra(c, 0, AE_F32, 1, &r.rows), *rstd = ae_call_extra(c, 1, AE_F32, 1, &r.rows);
    if (!ae_ok(g)) {
        return -1;
    }
    const ae_kernels *k = ae_kernels_get();
    ae_norm_rule rule = rule_of(c);
    float *means = mean->data, *rstds = rstd->data;
    int64_t n = r.n;
#pragma omp parallel for schedule(static) if (r.rows * n > 16384)
    for (int part = 0; part < AE_NORM_PARTS; part++) {
        float *wide = ae_norm_buffer(&r, part, 0), *made = ae_norm_buffer(&r, part, 1);
        for (int64_t i = ae_norm_first(&r, part); i < ae_norm_first(&r, part + 1); i++) {
            k->layer_norm(ae_row_read(x, i, n, wide), gamma, beta, rule, ae_row_place(y, i, n, made), n, means + i,
                          rstds + i);
            ae_row_written(y, i, n, made);
        }
    }
    return 0;
}

static void layer_norm_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    target to = target_of(c);
    ae_norm_rows r = ae_norm_rows_of(c, ae_norm_widens(c) || to.adds, c->in[1] && c->need[1], c->in[2] && c->need[2]);
    ae_tensor *x = ae_dense(g, c->in[0]), *dy = ae_dense(g, gout[0]);
    const float *gamma = c->need[0] ? ae_norm_values(g, c->in[1]) : NULL; /* only x's gradient reads it */
    gin[0] = to.dx;
    if (!ae_ok(g)) {
        return;
    }
    const ae_kernels *k = ae_kernels_get();
    const float *means = c->extra[0]->data, *rstds = c->extra[1]->data;
    ae_norm_rule rule = rule_of(c);
    int64_t n = r.n;
#pragma omp parallel for schedule(static) if (r.rows * n > 16384)
    for (int part = 0; part < AE_NORM_PARTS; part++) {
        float *made = ae_norm_buffer(&r, part, 2);
        for (int64_t i = ae_norm_first(&r, part); i < ae_norm_first(&r, part + 1); i++) {
            k->layer_norm_backward(ae_row_read(x, i, n, ae_norm_buffer(&r, part, 0)),
                                   ae_row_read(dy, i, n, ae_norm_buffer(&r, part, 1)), gamma, rule, means[i], rstds[i],
                                   target_row(&to, i, n, made), ae_norm_part(r.gamma, part, n),
                                   ae_norm_part(r.beta, part, n), n);
            target_done(&to, i, n, made);
        }
    }
    gin[1] = ae_norm_sum(g, r.gamma, n);
    gin[2] = ae_norm_sum(g, r.beta, n);
}

static ae_tensor *scale_and_shift(ae_graph *g, ae_tensor *y, ae_tensor *gamma, ae_tensor *beta)
{
    y = gamma ? ae_mul(g, y, gamma) : y;
    return beta ? ae_add(g, y, beta) : y;
}

/* The decomposition's result, of the dtype that the rule says. */
static int decomposed(ae_call *c, ae_tensor *y)
{
    ae_dtype dtype = ae_compute_dtype(c->graph, c->in[0]->dtype);
    c->out[0] = ae_ok(c->graph) && y->dtype != dtype ? ae_cast(c->graph, y, dtype) : y;
    return ae_ok(c->graph) ? 0 : -1;
}

static ae_tensor *mean_of(ae_graph *g, ae_tensor *x)
{
    return ae_scale(g, ae_sum(g, x, 1, (int[]){-1}, true), 1.0 / (double)(ae_dim(x, -1) > 0 ? ae_dim(x, -1) : 1));
}

static int layer_norm_decompose(ae_call *c)
{
    ae_graph *g = c->graph;
    ae_tensor *x = c->in[0];
    const norm_attr *a = c->attr;
    ae_tensor *d = ae_sub(g, x, mean_of(g, x));
    ae_tensor *y, *var = mean_of(g, ae_mul(g, d, d));
    if (a->unbiased) {
        double n = ae_ok(g) ? (double)ae_dim(x, -1) : 2;
        y = ae_div(g, d, ae_add_scalar(g, ae_sqrt(g, ae_scale(g, var, n > 1 ? n / (n - 1) : 1)), a->eps));
    } else {
        y = ae_mul(g, d, ae_rsqrt(g, ae_add_scalar(g, var, a->eps)));
    }
    return decomposed(c, scale_and_shift(g, y, c->in[1], c->in[2]));
}

static void layer_norm_sample(ae_sample *s)
{
    static const char *const xs[] = {"3,5", "2,3,4", "3,5", "3,5", "70,67", "70,67"};
    static const char *const ws[] = {"5", "4", NULL, "5", "67", "67"};
    int v = s->variant;
    ae_tensor *x = ae_sample_in(s, xs[v], -2, 2);
    ae_tensor *gamma = ws[v] ? ae_sample_in(s, ws[v], 0.5, 1.5) : NULL;
    ae_tensor *beta = ws[v] && v != 1 ? ae_sample_in(s, ws[v], -1, 1) : NULL;
    s->out[0] = v == 3 || v == 5 ? ae_f_layer_norm_uer(s->graph, x, gamma, beta, 1e-2)
                                 : ae_f_layer_norm(s->graph, x, gamma, beta, 1e-5);
}

const ae_op ae_op_layer_norm = {
    .name = "layer_norm",
    .formula = "gamma (x - mean) / sqrt(var + eps) + beta, or / (s + eps) as UER-py",
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
    .samples = 4,
    .big_samples = 2,
};

ae_tensor *ae_f_layer_norm(ae_graph *g, ae_tensor *x, ae_tensor *gamma, ae_tensor *beta, double eps)
{
    norm_attr a = {eps, false};
    return ae_apply(g, &ae_op_layer_norm, (ae_tensor *[]){x, gamma, beta}, 3, &a, sizeof a);
}

ae_tensor *ae_f_layer_norm_uer(ae_graph *g, ae_tensor *x, ae_tensor *gamma, ae_tensor *beta, double eps)
{
    norm_attr a = {eps, true};
    return ae_apply(g, &ae_op_layer_norm, (ae_tensor *[]){x, gamma, beta}, 3, &a, sizeof a);
}

/* ---- rms_norm ------------------------------------------------------------------------------------------------------ */

static int rms_norm_forward(ae_call *c)
{
    ae_graph *g = c->graph;
    if (!ae_norm_takes(c, 1)) {
        return AE_DECLINE;
    }
    ae_norm_rows r = ae_norm_rows_of(c, ae_norm_widens(c), false, false);
    ae_tensor *x = ae_dense(g, c->in[0]), *y = c->out[0], *rstd = ae_call_extra(c, 0, AE_F32, 1, &r.rows);
    const float *gamma = ae_norm_values(g, c->in[1]);
    if (!ae_ok(g)) {
        return -1;
    }
    const ae_kernels *k = ae_kernels_get();
    float *rstds = rstd->data, eps = (float)((const norm_attr *)c->attr)->eps;
    int64_t n = r.n;
#pragma omp parallel for schedule(static) if (r.rows * n > 16384)
    for (int part = 0; part < AE_NORM_PARTS; part++) {
        float *wide = ae_norm_buffer(&r, part, 0), *made = ae_norm_buffer(&r, part, 1);
        for (int64_t i = ae_norm_first(&r, part); i < ae_norm_first(&r, part + 1); i++) {
            k->rms_norm(ae_row_read(x, i, n, wide), gamma, eps, ae_row_place(y, i, n, made), n, rstds + i);
            ae_row_written(y, i, n, made);
        }
    }
    return 0;
}

static void rms_norm_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    target to = target_of(c);
    ae_norm_rows r = ae_norm_rows_of(c, ae_norm_widens(c) || to.adds, c->in[1] && c->need[1], false);
    ae_tensor *x = ae_dense(g, c->in[0]), *dy = ae_dense(g, gout[0]);
    const float *gamma = c->need[0] ? ae_norm_values(g, c->in[1]) : NULL; /* only x's gradient reads it */
    gin[0] = to.dx;
    if (!ae_ok(g)) {
        return;
    }
    const ae_kernels *k = ae_kernels_get();
    const float *rstds = c->extra[0]->data;
    int64_t n = r.n;
#pragma omp parallel for schedule(static) if (r.rows * n > 16384)
    for (int part = 0; part < AE_NORM_PARTS; part++) {
        float *made = ae_norm_buffer(&r, part, 2);
        for (int64_t i = ae_norm_first(&r, part); i < ae_norm_first(&r, part + 1); i++) {
            k->rms_norm_backward(ae_row_read(x, i, n, ae_norm_buffer(&r, part, 0)),
                                 ae_row_read(dy, i, n, ae_norm_buffer(&r, part, 1)), gamma, rstds[i],
                                 target_row(&to, i, n, made), ae_norm_part(r.gamma, part, n), n);
            target_done(&to, i, n, made);
        }
    }
    gin[1] = ae_norm_sum(g, r.gamma, n);
}

static int rms_norm_decompose(ae_call *c)
{
    ae_graph *g = c->graph;
    ae_tensor *x = c->in[0];
    ae_tensor *square = mean_of(g, ae_mul(g, x, x));
    ae_tensor *rstd = ae_rsqrt(g, ae_add_scalar(g, square, ((const norm_attr *)c->attr)->eps));
    return decomposed(c, scale_and_shift(g, ae_mul(g, x, rstd), c->in[1], NULL));
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
    norm_attr a = {eps, false};
    return ae_apply(g, &ae_op_rms_norm, (ae_tensor *[]){x, gamma}, 2, &a, sizeof a);
}
