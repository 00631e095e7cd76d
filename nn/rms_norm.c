#include "nn/rms_norm.h"

void ae_rms_norm_init(ae_model *m, struct ae_rms_norm *l, const char *name, int64_t width, double eps)
{
    ae_scope s = ae_scope_open(m, "%s", name);
    l->weight = ae_param(m, "weight", 1, &width, ae_init_ones());
    l->eps = eps;
    ae_scope_close(s);
}

ae_tensor *ae_rms_norm(ae_graph *g, const struct ae_rms_norm *l, ae_tensor *x)
{
    return ae_f_rms_norm(g, x, l->weight, l->eps);
}
