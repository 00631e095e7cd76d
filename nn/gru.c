#include "nn/gru.h"

void ae_gru_init(ae_model *m, struct ae_gru *l, const char *name, const ae_rnn_config *config)
{
    ae_rnn_stack_init(m, &l->stack, name, 3, config);
}

ae_tensor *ae_gru(ae_graph *g, const struct ae_gru *l, ae_tensor *x, ae_tensor *lengths, ae_tensor *h0, ae_tensor **h_n)
{
    ae_rnn_state initial = {.h = h0}, final = {0};
    ae_tensor *y = ae_rnn_stack_run(g, &l->stack, x, lengths, &initial, h_n ? &final : NULL);
    if (h_n) {
        *h_n = final.h;
    }
    return y;
}
