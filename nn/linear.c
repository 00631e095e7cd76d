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

/* How products call an activation; AE_GEMM_NONE for those that they do not know. */
static ae_activation within_product(ae_act act)
{
    switch (act) {
    case AE_ACT_FN_RELU:
        return AE_GEMM_RELU;
    case AE_ACT_FN_GELU:
        return AE_GEMM_GELU;
    case AE_ACT_FN_GELU_NEW:
    case AE_ACT_FN_GELU_FAST:
    case AE_ACT_FN_GELU_PYTORCH_TANH:
        return AE_GEMM_GELU_TANH;
    case AE_ACT_FN_SILU:
    case AE_ACT_FN_SWISH:
        return AE_GEMM_SILU;
    case AE_ACT_FN_TANH:
        return AE_GEMM_TANH;
    case AE_ACT_FN_SIGMOID:
        return AE_GEMM_SIGMOID;
    default:
        return AE_GEMM_NONE;
    }
}

ae_tensor *ae_linear_act(ae_graph *g, const struct ae_linear *l, ae_act act, ae_tensor *x)
{
    ae_activation within = within_product(act);
    if (within != AE_GEMM_NONE) {
        return ae_f_linear_act(g, x, l->weight, l->bias, l->in_out, within);
    }
    ae_frame f = ae_frame_open(g);
    return ae_frame_return(f, ae_activate(g, act, ae_linear(g, l, x)));
}

ae_tensor *ae_act_linear(ae_graph *g, const struct ae_linear *l, ae_act act, ae_tensor *x)
{
    ae_activation within = within_product(act);
    if (within != AE_GEMM_NONE) {
        return ae_f_act_linear(g, within, x, l->weight, l->bias, l->in_out);
    }
    ae_frame f = ae_frame_open(g);
    return ae_frame_return(f, ae_linear(g, l, ae_activate(g, act, x)));
}

ae_tensor *ae_linear_act_linear(ae_graph *g, const struct ae_linear *inner, ae_act act, const struct ae_linear *outer,
                                ae_tensor *x)
{
    ae_frame f = ae_frame_open(g);
    bool trains = ae_graph_flags(g) & AE_GRAD;
    return ae_frame_return(f, trains ? ae_act_linear(g, outer, act, ae_linear(g, inner, x))
                                     : ae_linear(g, outer, ae_linear_act(g, inner, act, x)));
}
