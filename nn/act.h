/* Activation functions by the names that configurations use. */
#ifndef AE_NN_ACT_H
#define AE_NN_ACT_H

#include "autograd/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One row a name: symbol, name, formula. Names are those of Hugging Face's ACT2FN and of UER-py; several are the same
 * function. GPT-1's configuration says "gelu" and means gelu_new: its loader translates. */
#define AE_ACTS(ROW)                                                                                                   \
    ROW(AE_ACT_FN_LINEAR, "linear", "x")                                                                               \
    ROW(AE_ACT_FN_RELU, "relu", "max(x, 0)")                                                                           \
    ROW(AE_ACT_FN_GELU, "gelu", "x Phi(x)")                                                                            \
    ROW(AE_ACT_FN_GELU_NEW, "gelu_new", "x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2")                             \
    ROW(AE_ACT_FN_GELU_FAST, "gelu_fast", "gelu_new, of Hugging Face and UER")                                         \
    ROW(AE_ACT_FN_GELU_PYTORCH_TANH, "gelu_pytorch_tanh", "gelu_new")                                                  \
    ROW(AE_ACT_FN_QUICK_GELU, "quick_gelu", "x sigmoid(1.702 x)")                                                      \
    ROW(AE_ACT_FN_SILU, "silu", "x sigmoid(x)")                                                                        \
    ROW(AE_ACT_FN_SWISH, "swish", "silu")                                                                              \
    ROW(AE_ACT_FN_TANH, "tanh", "tanh x")                                                                              \
    ROW(AE_ACT_FN_SIGMOID, "sigmoid", "1 / (1 + e^-x)")                                                                \
    ROW(AE_ACT_FN_RELU2, "relu2", "max(x, 0)^2")

typedef enum ae_act {
#define AE_ACT_ENUM(symbol, name, formula) symbol,
    AE_ACTS(AE_ACT_ENUM)
#undef AE_ACT_ENUM
        AE_ACT_COUNT
} ae_act;

/* Applies an activation; outside the list it fails the graph. */
AE_API ae_tensor *ae_activate(ae_graph *g, ae_act act, ae_tensor *x);

AE_API const char *ae_act_name(ae_act act);    /* "?" outside the list */
AE_API const char *ae_act_formula(ae_act act); /* "?" outside the list */

/* Finds an activation by name; -1 with e naming the nearest known one when there is none. */
AE_API int ae_act_parse(const char *name, ae_act *act, ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
