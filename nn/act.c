#include "nn/act.h"
#include "tensor/nearest_name.h"

#include <string.h>

static const char *const names[] = {
#define ROW(symbol, name, formula) name,
    AE_ACTS(ROW)
#undef ROW
};

static const char *const formulas[] = {
#define ROW(symbol, name, formula) formula,
    AE_ACTS(ROW)
#undef ROW
};

static ae_tensor *identity(ae_graph *g, ae_tensor *x)
{
    (void)g;
    return x;
}

static ae_tensor *quick_gelu(ae_graph *g, ae_tensor *x)
{
    ae_frame f = ae_frame_open(g);
    return ae_frame_return(f, ae_mul(g, x, ae_sigmoid(g, ae_scale(g, x, 1.702))));
}

static ae_tensor *relu2(ae_graph *g, ae_tensor *x)
{
    ae_frame f = ae_frame_open(g);
    ae_tensor *y = ae_relu(g, x);
    return ae_frame_return(f, ae_mul(g, y, y));
}

static ae_tensor *(*const functions[AE_ACT_COUNT])(ae_graph *g, ae_tensor *x) = {
    [AE_ACT_FN_LINEAR] = identity,        [AE_ACT_FN_RELU] = ae_relu,
    [AE_ACT_FN_GELU] = ae_gelu,           [AE_ACT_FN_GELU_NEW] = ae_gelu_tanh,
    [AE_ACT_FN_GELU_FAST] = ae_gelu_tanh, [AE_ACT_FN_GELU_PYTORCH_TANH] = ae_gelu_tanh,
    [AE_ACT_FN_QUICK_GELU] = quick_gelu,  [AE_ACT_FN_SILU] = ae_silu,
    [AE_ACT_FN_SWISH] = ae_silu,          [AE_ACT_FN_TANH] = ae_tanh,
    [AE_ACT_FN_SIGMOID] = ae_sigmoid,     [AE_ACT_FN_RELU2] = relu2,
};

static bool known(ae_act act)
{
    return (unsigned)act < AE_ACT_COUNT;
}

ae_tensor *ae_activate(ae_graph *g, ae_act act, ae_tensor *x)
{
    return known(act) ? functions[act](g, x) : ae_fail(g, AE_E_VALUE, "activate: there is no activation %d", (int)act);
}

const char *ae_act_name(ae_act act)
{
    return known(act) ? names[act] : "?";
}

const char *ae_act_formula(ae_act act)
{
    return known(act) ? formulas[act] : "?";
}

int ae_act_parse(const char *name, ae_act *act, ae_err *e)
{
    for (int i = 0; i < AE_ACT_COUNT; i++) {
        if (strcmp(name, names[i]) == 0) {
            *act = (ae_act)i;
            return 0;
        }
    }
    const char *near = ae_nearest_name(name, names, AE_ACT_COUNT);
    return near ? ae_err_set(e, AE_E_VALUE, "activation: %s is not known; did you mean %s?", name, near)
                : ae_err_set(e, AE_E_VALUE, "activation: %s is not known; gelu, gelu_new, relu, silu, tanh are", name);
}
