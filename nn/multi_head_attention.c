#include "nn/multi_head_attention.h"

void ae_attention_init(ae_model *m, struct ae_attention *a, const ae_attention_names *names, int64_t hidden, int heads,
                       int64_t head_width, double dropout, ae_init init, bool bias)
{
    int64_t width = heads * head_width;
    ae_linear_init(m, &a->query, names->query, hidden, width, init, bias);
    ae_linear_init(m, &a->key, names->key, hidden, width, init, bias);
    ae_linear_init(m, &a->value, names->value, hidden, width, init, bias);
    ae_linear_init(m, &a->output, names->output, width, hidden, init, bias);
    a->options = (ae_attention_options){.heads = heads, .dropout = dropout};
}

void ae_observe_attention(ae_graph *g, ae_tensor *q, ae_tensor *k, const ae_mask *mask,
                          const ae_attention_options *options, int layer)
{
    if (!ae_observing(g) || layer < 0 || (mask && mask->q_offsets) || !ae_ok(g)) {
        return;
    }
    ae_frame f = ae_frame_open(g);
    bool was = ae_set_recording(g, false);
    ae_observe(g, ae_attention_scores(g, q, k, mask, options), "attentions.%d", layer);
    ae_set_recording(g, was);
    ae_frame_close(f);
}

ae_tensor *ae_attention(ae_graph *g, const struct ae_attention *a, ae_tensor *x, ae_tensor *memory, const ae_mask *mask,
                        int layer)
{
    ae_frame f = ae_frame_open(g);
    ae_tensor *q = ae_linear(g, &a->query, x);
    ae_tensor *k = ae_linear(g, &a->key, memory);
    ae_tensor *v = ae_linear(g, &a->value, memory);
    ae_observe_attention(g, q, k, mask, &a->options, layer);
    ae_tensor *y = ae_f_attention(g, q, k, v, mask, &a->options);
    return ae_frame_return(f, ae_linear(g, &a->output, y));
}
