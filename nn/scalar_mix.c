#include "nn/scalar_mix.h"

void ae_scalar_mix_init(ae_model *m, struct ae_scalar_mix *l, const char *name, int n, bool layer_norm)
{
    if (n < 1) {
        ae_model_fail(m, AE_E_VALUE, "scalar_mix: %s%s must mix at least one layer; it has %d", ae_scope_prefix(m),
                      name, n);
    }
    l->weight = ae_model_alloc(m, (size_t)(n > 0 ? n : 0) * sizeof(ae_tensor *));
    l->n = l->weight ? n : 0;
    l->layer_norm = layer_norm;
    ae_scope s = ae_scope_open(m, "%s", name);
    for (int k = 0; k < l->n; k++) {
        char part[48];
        snprintf(part, sizeof part, "scalar_parameters.%d", k);
        l->weight[k] = ae_param(m, part, 1, (int64_t[]){1}, ae_init_zeros());
    }
    l->gamma = ae_param(m, "gamma", 1, (int64_t[]){1}, ae_init_ones());
    ae_scope_close(s);
}

/* (x - mean) / sqrt(variance + 1e-13) over every element at a real position; mask (B,T,1) of 0 and 1, or NULL. */
static ae_tensor *normalise(ae_graph *g, ae_tensor *x, ae_tensor *mask)
{
    ae_frame f = ae_frame_open(g);
    ae_tensor *real = mask ? ae_mul(g, x, mask) : x;
    ae_tensor *count = mask ? ae_scale(g, ae_sum(g, mask, 0, NULL, false), (double)ae_dim(x, -1))
                            : ae_scalar(g, x->dtype, (double)ae_numel(x));
    ae_tensor *mean = ae_div(g, ae_sum(g, real, 0, NULL, false), count);
    ae_tensor *d = ae_sub(g, x, mean);
    ae_tensor *inside = mask ? ae_mul(g, d, mask) : d;
    ae_tensor *variance = ae_div(g, ae_sum(g, ae_mul(g, inside, inside), 0, NULL, false), count);
    return ae_frame_return(f, ae_mul(g, d, ae_rsqrt(g, ae_add_scalar(g, variance, 1e-13))));
}

ae_tensor *ae_scalar_mix(ae_graph *g, const struct ae_scalar_mix *l, ae_tensor *const *layers, ae_tensor *mask)
{
    if (l->n < 1) {
        return ae_fail(g, AE_E_STATE, "scalar_mix: it was not built");
    }
    ae_frame f = ae_frame_open(g);
    ae_tensor *weights = ae_softmax(g, ae_concat(g, l->weight, l->n, 0), 0);
    ae_tensor *real = mask && l->layer_norm ? ae_unsqueeze(g, ae_cast(g, ae_cast(g, mask, AE_BOOL), AE_F32), -1) : NULL;
    ae_tensor *sum = NULL;
    for (int k = 0; k < l->n; k++) {
        ae_tensor *x = l->layer_norm ? normalise(g, layers[k], real) : layers[k];
        ae_tensor *part = ae_mul(g, x, ae_slice(g, weights, 0, k, k + 1, 1));
        sum = sum ? ae_add(g, sum, part) : part;
    }
    return ae_frame_return(f, ae_mul(g, sum, l->gamma));
}
