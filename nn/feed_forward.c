#include "nn/feed_forward.h"

void ae_feed_forward_init(ae_model *m, struct ae_feed_forward *l, const char *name, const ae_feed_forward_names *parts,
                          int64_t width, int64_t inner, ae_act act, ae_init init, bool bias)
{
    *l = (struct ae_feed_forward){.act = act};
    ae_scope s = ae_scope_open(m, "%s", name);
    ae_linear_init(m, &l->input, parts->input, width, inner, init, bias);
    if (parts->gate) {
        ae_linear_init(m, &l->gate, parts->gate, width, inner, init, bias);
    }
    ae_linear_init(m, &l->output, parts->output, inner, width, init, bias);
    ae_scope_close(s);
}

ae_tensor *ae_feed_forward(ae_graph *g, const struct ae_feed_forward *l, ae_tensor *x)
{
    bool drops = l->dropout > 0 && (ae_graph_flags(g) & AE_DROPOUT);
    if (!l->gate.weight && !drops) {
        return ae_linear_act_linear(g, &l->input, l->act, &l->output, x);
    }
    ae_frame f = ae_frame_open(g);
    ae_tensor *h = ae_linear_act(g, &l->input, l->act, x);
    if (l->gate.weight) {
        h = ae_mul(g, h, ae_linear(g, &l->gate, x));
    }
    return ae_frame_return(f, ae_linear(g, &l->output, ae_dropout(g, h, l->dropout)));
}
