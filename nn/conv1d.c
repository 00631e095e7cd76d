#include "nn/conv1d.h"

#include <math.h>

void ae_conv1d_init(ae_model *m, struct ae_conv1d *l, const char *name, int64_t in, int64_t out, int64_t kernel,
                    const ae_conv1d_options *options, bool bias)
{
    *l = (struct ae_conv1d){.options = options ? *options : (ae_conv1d_options){0}};
    int64_t groups = l->options.groups ? l->options.groups : 1;
    if (in < 1 || out < 1 || kernel < 1 || groups < 1 || in % groups != 0 || out % groups != 0) {
        ae_model_fail(m, AE_E_VALUE,
                      "%s%s: %lld input and %lld output channels must be positive and divisible by %lld groups, the "
                      "kernel %lld positive",
                      ae_scope_prefix(m), name, (long long)in, (long long)out, (long long)groups, (long long)kernel);
        return;
    }
    double bound = 1 / sqrt((double)(in / groups * kernel));
    ae_init init = ae_init_uniform(-bound, bound);
    ae_scope s = ae_scope_open(m, "%s", name);
    l->weight = ae_param(m, "weight", 3, (int64_t[]){out, in / groups, kernel}, init);
    l->bias = bias ? ae_param(m, "bias", 1, &out, init) : NULL;
    ae_scope_close(s);
}

ae_tensor *ae_conv1d(ae_graph *g, const struct ae_conv1d *l, ae_tensor *x)
{
    return ae_f_conv1d(g, x, l->weight, l->bias, &l->options);
}

ae_tensor *ae_conv1d_time(ae_graph *g, const struct ae_conv1d *l, ae_tensor *x)
{
    return ae_f_conv1d_time(g, x, l->weight, l->bias, &l->options);
}
