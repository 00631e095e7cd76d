#include "nn/layer_norm.h"

void ae_layer_norm_init(ae_model *m, struct ae_layer_norm *l, const char *name, int64_t width, double eps)
{
    ae_scope s = ae_scope_open(m, "%s", name);
    l->weight = ae_param(m, "weight", 1, &width, ae_init_ones());
    l->bias = ae_param(m, "bias", 1, &width, ae_init_zeros());
    l->eps = eps;
    l->uer = false;
    ae_scope_close(s);
}

void ae_layer_norm_init_uer(ae_model *m, struct ae_layer_norm *l, const char *name, int64_t width)
{
    ae_scope s = ae_scope_open(m, "%s", name);
    l->weight = ae_param(m, "gamma", 1, &width, ae_init_ones());
    l->bias = ae_param(m, "beta", 1, &width, ae_init_zeros());
    l->eps = 1e-6;
    l->uer = true;
    ae_scope_close(s);
}

ae_tensor *ae_layer_norm(ae_graph *g, const struct ae_layer_norm *l, ae_tensor *x)
{
    return l->uer ? ae_f_layer_norm_uer(g, x, l->weight, l->bias, l->eps)
                  : ae_f_layer_norm(g, x, l->weight, l->bias, l->eps);
}

ae_tensor *ae_residual_norm(ae_graph *g, const struct ae_layer_norm *l, ae_tensor *x, ae_tensor *y, double p)
{
    return l->uer ? ae_f_dropout_add_layer_norm_uer(g, y, x, p, l->weight, l->bias, l->eps)
                  : ae_f_dropout_add_layer_norm(g, y, x, p, l->weight, l->bias, l->eps);
}
