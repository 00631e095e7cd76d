/* dropout, add and layer_norm in one: what stands behind every block of a Transformer whose norms come last. */
#include "autograd/compute_type.h"
#include "autograd/norm_rows.h"
#include "autograd/ops.h"
#include "tensor/kernels.h"

#include <string.h>

typedef struct residual_attr {
    double p; /* 0: nothing is dropped */
    double eps;
    bool unbiased;     /* layer_norm_uer */
    ae_random_key key; /* backward draws the same mask from it */
} residual_attr;

static int residual_norm_shape(ae_call *c)
{
    char x[AE_DESCRIBE_MAX], y[AE_DESCRIBE_MAX];
    bool any_pair = ae_norm_takes(c, 2); /* x and residual of f32 and bf16 */
    if (!ae_same_shape(c->in[0], c->in[1]) || (c->in[0]->dtype != c->in[1]->dtype && !any_pair)) {
        return ae_call_fail(c, AE_E_SHAPE, "x is %s and residual %s; they must be alike", ae_call_describe(c, 0, x),
                            ae_call_describe(c, 1, y));
    }
    return ae_norm_shape(c, 2);
}

/* Extra 0 is the sum, in the result's dtype: backward of the norm reads it. */
static int residual_norm_forward(ae_call *c)
{
    ae_graph *g = c->graph;
    const residual_attr *a = c->attr;
    if (!ae_norm_takes(c, 2)) {
        return AE_DECLINE;
    }
    ae_norm_rows r = ae_norm_rows_of(c, ae_norm_widens(c), false, false);
    ae_tensor *x = ae_dense(g, c->in[0]), *residual = ae_dense(g, c->in[1]), *y = c->out[0];
    const float *gamma = ae_norm_values(g, c->in[2]), *beta = ae_norm_values(g, c->in[3]);
    ae_tensor *sum = ae_call_extra(c, 0, y->dtype, y->ndim, y->shape);
    ae_tensor *mean = ae_call_extra(c, 1, AE_F32, 1, &r.rows), *rstd = ae_call_extra(c, 2, AE_F32, 1, &r.rows);
    if (!ae_ok(g)) {
        return -1;
    }
    const ae_kernels *k = ae_kernels_get();
    float *means = mean->data, *rstds = rstd->data;
    ae_norm_rule rule = {(float)a->eps, a->unbiased};
    int64_t n = r.n;
#pragma omp parallel for schedule(static) if (r.rows * n > 16384)
    for (int part = 0; part < AE_NORM_PARTS; part++) {
        float *added = ae_norm_buffer(&r, part, 2), *made = ae_norm_buffer(&r, part, 3);
        for (int64_t i = ae_norm_first(&r, part); i < ae_norm_first(&r, part + 1); i++) {
            k->dropout_add_layer_norm(ae_row_read(x, i, n, ae_norm_buffer(&r, part, 0)),
                                      ae_row_read(residual, i, n, ae_norm_buffer(&r, part, 1)),
                                      a->p > 0 ? &a->key : NULL, (float)a->p, (uint64_t)(i * n), gamma, beta, rule,
                                      ae_row_place(sum, i, n, added), ae_row_place(y, i, n, made), n, means + i,
                                      rstds + i);
            ae_row_written(sum, i, n, added);
            ae_row_written(y, i, n, made);
        }
    }
    return 0;
}

/* The gradients of x and residual: one tensor where nothing is dropped and they are of one dtype. */
static void residual_norm_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    const residual_attr *a = c->attr;
    ae_norm_rows r = ae_norm_rows_of(c, ae_norm_widens(c), c->in[2] && c->need[2], c->in[3] && c->need[3]);
    bool inner = c->need[0] || c->need[1], dropped = a->p > 0;
    bool apart = c->need[0] && (dropped || c->in[0]->dtype != c->in[1]->dtype);
    ae_tensor *s = c->extra[0], *dy = ae_dense(g, gout[0]);
    const float *gamma = inner ? ae_norm_values(g, c->in[2]) : NULL;
    const float *means = c->extra[1]->data, *rstds = c->extra[2]->data;
    ae_norm_rule rule = {(float)a->eps, a->unbiased};
    gin[1] = ae_empty_like(g, c->in[1]);
    gin[0] = apart ? ae_empty_like(g, c->in[0]) : gin[1];
    if (!ae_ok(g)) {
        return;
    }
    const ae_kernels *k = ae_kernels_get();
    int64_t n = r.n;
#pragma omp parallel for schedule(static) if (r.rows * n > 16384)
    for (int part = 0; part < AE_NORM_PARTS; part++) {
        float *made = ae_norm_buffer(&r, part, 2), *thinned = ae_norm_buffer(&r, part, 3);
        for (int64_t i = ae_norm_first(&r, part); i < ae_norm_first(&r, part + 1); i++) {
            float *ds = ae_row_place(gin[1], i, n, made);
            k->layer_norm_backward(ae_row_read(s, i, n, ae_norm_buffer(&r, part, 0)),
                                   ae_row_read(dy, i, n, ae_norm_buffer(&r, part, 1)), gamma, rule, means[i], rstds[i],
                                   ds, ae_norm_part(r.gamma, part, n), ae_norm_part(r.beta, part, n), n);
            ae_row_written(gin[1], i, n, ds);
            if (apart) {
                float *dx = ae_row_place(gin[0], i, n, thinned);
                if (dropped) {
                    k->dropout(&a->key, (float)a->p, (uint64_t)(i * n), ds, dx, n);
                } else {
                    memcpy(dx, ds, (size_t)n * sizeof *dx);
                }
                ae_row_written(gin[0], i, n, dx);
            }
        }
    }
    gin[2] = ae_norm_sum(g, r.gamma, n);
    gin[3] = ae_norm_sum(g, r.beta, n);
}

static ae_tensor *norm(ae_graph *g, ae_tensor *x, ae_tensor *gamma, ae_tensor *beta, double eps, bool unbiased)
{
    return unbiased ? ae_f_layer_norm_uer(g, x, gamma, beta, eps) : ae_f_layer_norm(g, x, gamma, beta, eps);
}

static int residual_norm_decompose(ae_call *c)
{
    ae_graph *g = c->graph;
    const residual_attr *a = c->attr;
    ae_tensor *x = a->p > 0 ? ae_dropout_keyed(g, c->in[0], a->p, &a->key) : c->in[0];
    ae_tensor *sum = ae_add(g, c->in[1], x);
    c->out[0] = norm(g, sum, c->in[2], c->in[3], a->eps, a->unbiased);
    return ae_ok(g) ? 0 : -1;
}

static void residual_norm_sample(ae_sample *s)
{
    static const char *const xs[] = {"3,5", "2,3,4", "3,5", "3,5", "70,67", "70,67", "70,67"};
    static const char *const ws[] = {"5", "4", NULL, "5", "67", "67", "67"};
    int v = s->variant;
    ae_tensor *x = ae_sample_in(s, xs[v], -2, 2), *residual = ae_sample_in(s, xs[v], -2, 2);
    ae_tensor *gamma = ws[v] ? ae_sample_in(s, ws[v], 0.5, 1.5) : NULL;
    ae_tensor *beta = ws[v] && v != 1 ? ae_sample_in(s, ws[v], -1, 1) : NULL;
    double p = v == 0 || v == 4 || v == 6 ? 0.3 : 0;
    s->out[0] = v == 3 || v == 6 ? ae_f_dropout_add_layer_norm_uer(s->graph, x, residual, p, gamma, beta, 1e-2)
                                 : ae_f_dropout_add_layer_norm(s->graph, x, residual, p, gamma, beta, 1e-5);
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
    .samples = 4,
    .big_samples = 3,
};

static ae_tensor *residual_norm(ae_graph *g, ae_tensor *x, ae_tensor *residual, double p, ae_tensor *gamma,
                                ae_tensor *beta, double eps, bool unbiased)
{
    if (!ae_ok(g) || !x || !residual || !ae_same_shape(x, residual) || !(p >= 0 && p < 1)) {
        ae_frame f = ae_frame_open(g);
        ae_tensor *sum = ae_add(g, residual, ae_dropout(g, x, p));
        return ae_frame_return(f, norm(g, sum, gamma, beta, eps, unbiased));
    }
    residual_attr a = {.eps = eps, .unbiased = unbiased};
    if ((ae_graph_flags(g) & AE_DROPOUT) && p > 0) {
        a.p = p;
        a.key = ae_draw_key(g, ae_draw(g));
    }
    return ae_apply(g, &ae_op_dropout_add_layer_norm, (ae_tensor *[]){x, residual, gamma, beta}, 4, &a, sizeof a);
}

ae_tensor *ae_f_dropout_add_layer_norm(ae_graph *g, ae_tensor *x, ae_tensor *residual, double p, ae_tensor *gamma,
                                       ae_tensor *beta, double eps)
{
    return residual_norm(g, x, residual, p, gamma, beta, eps, false);
}

ae_tensor *ae_f_dropout_add_layer_norm_uer(ae_graph *g, ae_tensor *x, ae_tensor *residual, double p, ae_tensor *gamma,
                                           ae_tensor *beta, double eps)
{
    return residual_norm(g, x, residual, p, gamma, beta, eps, true);
}
