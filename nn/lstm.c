#include "nn/lstm.h"

void ae_lstm_init(ae_model *m, struct ae_lstm *l, const char *name, const ae_rnn_config *config)
{
    ae_rnn_stack_init(m, &l->stack, name, 4, config);
}

ae_tensor *ae_lstm(ae_graph *g, const struct ae_lstm *l, ae_tensor *x, ae_tensor *lengths, const ae_rnn_state *initial,
                   ae_rnn_state *final)
{
    return ae_rnn_stack_run(g, &l->stack, x, lengths, initial, final);
}
