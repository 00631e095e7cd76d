#include "autograd/norm_rows.h"
#include "autograd/compute_type.h"
#include "autograd/ops.h"

int ae_norm_shape(ae_call *c, int first)
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
        if (p && p->dtype != in->dtype && !(p->dtype == AE_F32 && in->dtype == AE_BF16)) {
            return ae_call_fail(c, AE_E_DTYPE, "x is %s and %s is %s; cast one of them", ae_dtype_name(in->dtype),
                                ae_call_describe(c, i, w), ae_dtype_name(p->dtype));
        }
    }
    ae_call_out(c, 0, ae_compute_dtype(c->graph, in->dtype), in->ndim, in->shape);
    return 0;
}

bool ae_norm_takes(const ae_call *c, int n_x)
{
    bool fits = true;
    for (int i = 0; i < c->n_in; i++) {
        const ae_tensor *t = c->in[i];
        fits = fits && (!t || t->dtype == AE_F32 || (i < n_x && t->dtype == AE_BF16));
    }
    return fits;
}

static float *rows_of_zeros(ae_graph *g, int64_t n, bool wanted)
{
    return wanted ? ae_zeros(g, AE_F32, 2, (int64_t[]){AE_NORM_PARTS, n})->data : NULL;
}

bool ae_norm_widens(const ae_call *c)
{
    bool wide = c->out[0]->dtype == AE_BF16;
    for (int i = 0; i < c->n_in; i++) {
        wide = wide || (c->in[i] && c->in[i]->dtype == AE_BF16);
    }
    return wide;
}

ae_norm_rows ae_norm_rows_of(ae_call *c, bool buffers, bool want_gamma, bool want_beta)
{
    ae_graph *g = c->graph;
    int64_t n = ae_dim(c->in[0], -1);
    ae_norm_rows r = {.rows = n > 0 ? ae_numel(c->in[0]) / n : 0, .n = n};
    r.gamma = rows_of_zeros(g, n, want_gamma);
    r.beta = rows_of_zeros(g, n, want_beta);
    r.buffers = buffers ? ae_empty(g, AE_F32, 3, (int64_t[]){AE_NORM_PARTS, AE_NORM_BUFFERS, n})->data : NULL;
    return r;
}

int64_t ae_norm_first(const ae_norm_rows *r, int part)
{
    return r->rows * part / AE_NORM_PARTS;
}

float *ae_norm_buffer(const ae_norm_rows *r, int part, int i)
{
    return r->buffers ? r->buffers + ((int64_t)part * AE_NORM_BUFFERS + i) * r->n : NULL;
}

float *ae_norm_part(float *sums, int part, int64_t n)
{
    return sums ? sums + part * n : NULL;
}

ae_tensor *ae_norm_sum(ae_graph *g, const float *sums, int64_t n)
{
    if (!sums) {
        return NULL;
    }
    ae_tensor *t = ae_zeros(g, AE_F32, 1, &n);
    float *total = t->data;
    for (int part = 0; ae_ok(g) && part < AE_NORM_PARTS; part++) {
        for (int64_t i = 0; i < n; i++) {
            total[i] += sums[part * n + i];
        }
    }
    return t;
}

const float *ae_norm_values(ae_graph *g, ae_tensor *t)
{
    return t ? ae_dense(g, t)->data : NULL;
}
