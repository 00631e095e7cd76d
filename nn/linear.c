#include "nn/linear.h"

#include <math.h>

static void make(ae_model *m, struct ae_linear *l, const char *name, const int64_t weight_shape[2], ae_init weight,
                 int64_t out, const ae_init *bias)
{
    ae_scope s = ae_scope_open(m, "%s", name);
    l->weight = ae_param(m, "weight", 2, weight_shape, weight);
    l->bias = bias ? ae_param(m, "bias", 1, &out, *bias) : NULL;
    ae_scope_close(s);
}

void ae_linear_init(ae_model *m, struct ae_linear *l, const char *name, int64_t in, int64_t out, ae_init init,
                    bool bias)
{
    ae_init zeros = ae_init_zeros();
    l->in_out = false;
    make(m, l, name, (int64_t[]){out, in}, init, out, bias ? &zeros : NULL);
}

void ae_linear_init_torch(ae_model *m, struct ae_linear *l, const char *name, int64_t in, int64_t out, bool bias)
{
    double bound = in > 0 ? 1 / sqrt((double)in) : 0;
    ae_init uniform = ae_init_uniform(-bound, bound);
    l->in_out = false;
    make(m, l, name, (int64_t[]){out, in}, uniform, out, bias ? &uniform : NULL);
}

void ae_linear_init_in_out(ae_model *m, struct ae_linear *l, const char *name, int64_t in, int64_t out, ae_init init,
                           bool bias)
{
    ae_init zeros = ae_init_zeros();
    l->in_out = true;
    make(m, l, name, (int64_t[]){in, out}, init, out, bias ? &zeros : NULL);
}

ae_tensor *ae_linear(ae_graph *g, const struct ae_linear *l, ae_tensor *x)
{
    return l->in_out ? ae_f_linear_in_out(g, x, l->weight, l->bias) : ae_f_linear(g, x, l->weight, l->bias);
}
