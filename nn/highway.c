#include "nn/highway.h"

void ae_highway_init(ae_model *m, struct ae_highway *l, const char *name, int n, int64_t width, ae_act act,
                     ae_init init, double carry)
{
    l->layer = ae_model_alloc(m, (size_t)(n > 0 ? n : 0) * sizeof *l->layer);
    l->n = l->layer ? n : 0;
    l->act = act;
    ae_scope s = ae_scope_open(m, "%s", name);
    for (int i = 0; i < l->n; i++) {
        ae_scope t = ae_scope_open(m, "_layers.%d", i);
        l->layer[i].in_out = false;
        l->layer[i].weight = ae_param(m, "weight", 2, (int64_t[]){2 * width, width}, init);
        l->layer[i].bias = ae_param(m, "bias", 1, (int64_t[]){2 * width}, ae_init_part(carry, 1, 2));
        ae_scope_close(t);
    }
    ae_scope_close(s);
}

static ae_tensor *one_layer(ae_graph *g, const struct ae_linear *layer, ae_act act, ae_tensor *x)
{
    ae_frame f = ae_frame_open(g);
    int64_t width = ae_dim(x, -1);
    ae_tensor *both = ae_linear(g, layer, x); /* (...,2H) */
    ae_tensor *fresh = ae_activate(g, act, ae_slice(g, both, -1, 0, width, 1));
    ae_tensor *gate = ae_sigmoid(g, ae_slice(g, both, -1, width, 2 * width, 1));
    return ae_frame_return(f, ae_add(g, fresh, ae_mul(g, gate, ae_sub(g, x, fresh))));
}

ae_tensor *ae_highway(ae_graph *g, const struct ae_highway *l, ae_tensor *x)
{
    ae_frame f = ae_frame_open(g);
    for (int i = 0; i < l->n; i++) {
        x = one_layer(g, &l->layer[i], l->act, x);
    }
    return ae_frame_return(f, x);
}
