#include "nn/rnn.h"

#include <math.h>

/* ---- parameters ---------------------------------------------------------------------------------------------------- */

static int check(ae_model *m, const char *name, int gates, const ae_rnn_config *c)
{
    if (c->input < 1 || c->hidden < 1 || c->layers < 0) {
        return ae_model_fail(m, AE_E_VALUE, "%s%s: input %lld and hidden %lld must be positive, layers %d not negative",
                             ae_scope_prefix(m), name, (long long)c->input, (long long)c->hidden, c->layers);
    }
    if (!(c->dropout >= 0 && c->dropout < 1) || !(c->cell_clip >= 0) || !(c->proj_clip >= 0)) {
        return ae_model_fail(m, AE_E_VALUE,
                             "%s%s: dropout %g must be at least 0 and below 1, the clips %g and %g not negative",
                             ae_scope_prefix(m), name, c->dropout, c->cell_clip, c->proj_clip);
    }
    if (c->bidirectional && c->reverse) {
        return ae_model_fail(m, AE_E_VALUE, "%s%s: reverse is for a single direction, bidirectional has both",
                             ae_scope_prefix(m), name);
    }
    if (c->projection < 0 || (c->projection && (gates != 4 || c->projection >= c->hidden))) {
        return ae_model_fail(m, AE_E_VALUE, "%s%s: a projection of %lld; only an LSTM has one, of 1..%lld units",
                             ae_scope_prefix(m), name, (long long)c->projection, (long long)c->hidden - 1);
    }
    return 0;
}

static ae_tensor *param(ae_model *m, const char *kind, int layer, bool reverse, int64_t rows, int64_t cols, ae_init i)
{
    char name[64];
    snprintf(name, sizeof name, "%s_l%d%s", kind, layer, reverse ? "_reverse" : "");
    return ae_param(m, name, cols ? 2 : 1, (int64_t[]){rows, cols}, i);
}

static void layer_init(ae_model *m, struct ae_rnn_stack *s, int layer, int direction)
{
    const ae_rnn_config *c = &s->config;
    struct ae_rnn_weights *w = &s->weights[layer * s->directions + direction];
    double bound = 1 / sqrt((double)c->hidden);
    ae_init i = c->init ? *c->init : ae_init_uniform(-bound, bound);
    int64_t wide = s->gates * c->hidden, state = c->projection ? c->projection : c->hidden;
    w->weight_ih = param(m, "weight_ih", layer, direction, wide, layer ? state * s->directions : c->input, i);
    w->weight_hh = param(m, "weight_hh", layer, direction, wide, state, i);
    if (!c->no_bias) {
        w->bias_ih = param(m, "bias_ih", layer, direction, wide, 0, i);
        w->bias_hh = param(m, "bias_hh", layer, direction, wide, 0, i);
    }
    if (c->projection) {
        w->weight_hr = param(m, "weight_hr", layer, direction, state, c->hidden, i);
    }
}

void ae_rnn_stack_init(ae_model *m, struct ae_rnn_stack *s, const char *name, int gates, const ae_rnn_config *config)
{
    *s = (struct ae_rnn_stack){.config = *config, .gates = gates, .directions = config->bidirectional ? 2 : 1};
    s->config.init = NULL; /* the caller's, for the time of this call */
    s->config.layers = config->layers ? config->layers : 1;
    if (check(m, name, gates, config) != 0) {
        return;
    }
    s->weights = ae_model_alloc(m, (size_t)(s->config.layers * s->directions) * sizeof *s->weights);
    ae_scope scope = ae_scope_open(m, "%s", name);
    s->config.init = config->init;
    for (int i = 0; s->weights && i < s->config.layers * s->directions; i++) {
        layer_init(m, s, i / s->directions, i % s->directions);
    }
    s->config.init = NULL;
    ae_scope_close(scope);
}

/* ---- running ------------------------------------------------------------------------------------------------------- */

static ae_tensor *state_at(ae_graph *g, ae_tensor *states, int64_t i)
{
    return states ? ae_squeeze(g, ae_slice(g, states, 0, i, i + 1, 1), 0) : NULL;
}

/* One layer in one direction; out: y, h_n and, of an LSTM, c_n. */
static void run_layer(ae_graph *g, const struct ae_rnn_stack *s, int at, ae_tensor *x, ae_tensor *lengths,
                      const ae_rnn_state *initial, ae_tensor *out[3])
{
    const ae_rnn_config *c = &s->config;
    const struct ae_rnn_weights *w = &s->weights[at];
    ae_recurrent_options o = {.reverse = s->directions == 2 ? at % 2 == 1 : c->reverse,
                              .relu = c->relu,
                              .reset_before = c->reset_before,
                              .cell_clip = c->cell_clip,
                              .proj_clip = c->proj_clip};
    ae_tensor *h0 = initial ? state_at(g, initial->h, at) : NULL;
    if (s->gates == 4) {
        ae_tensor *c0 = initial ? state_at(g, initial->c, at) : NULL;
        ae_f_lstm(g, x, w->weight_ih, w->weight_hh, w->bias_ih, w->bias_hh, w->weight_hr, h0, c0, lengths, &o, out);
    } else if (s->gates == 3) {
        ae_f_gru(g, x, w->weight_ih, w->weight_hh, w->bias_ih, w->bias_hh, h0, lengths, &o, out);
    } else {
        ae_f_rnn(g, x, w->weight_ih, w->weight_hh, w->bias_ih, w->bias_hh, h0, lengths, &o, out);
    }
}

/* PyTorch's layout has the layers first: given states must be exactly that. */
static int check_states(ae_graph *g, const struct ae_rnn_stack *s, const ae_rnn_state *initial)
{
    static const char *const names[] = {[1] = "rnn", [3] = "gru", [4] = "lstm"};
    ae_tensor *const states[] = {initial ? initial->h : NULL, initial ? initial->c : NULL};
    int n = s->config.layers * s->directions;
    for (int i = 0; i < 2 && ae_ok(g); i++) {
        if (states[i] && states[i]->data && (states[i]->ndim != 3 || states[i]->shape[0] != n)) {
            char text[AE_SHAPE_TEXT_MAX];
            ae_fail(g, AE_E_SHAPE, "%s: initial states must be [%d,batch,units], one a layer and direction; got %s",
                    names[s->gates], n, ae_shape_text(states[i]->ndim, states[i]->shape, text));
        }
    }
    return ae_ok(g) ? 0 : -1;
}

/* The states of all layers and directions in one tensor. */
static ae_tensor *collect(ae_graph *g, ae_frame f, ae_tensor *const *states, int n)
{
    ae_tensor *all = ae_stack(g, states, n, 0);
    ae_frame_keep(f, all);
    return ae_ok(g) ? all : ae_bad(g);
}

ae_tensor *ae_rnn_stack_run(ae_graph *g, const struct ae_rnn_stack *s, ae_tensor *x, ae_tensor *lengths,
                            const ae_rnn_state *initial, ae_rnn_state *final)
{
    enum { MOST = 64 };
    ae_tensor *h[MOST], *c[MOST], *out[2][3];
    int n = s->config.layers * s->directions;
    if (final) {
        *final = (ae_rnn_state){ae_bad(g), ae_bad(g)};
    }
    if (!s->weights || n > MOST) {
        return ae_fail(g, AE_E_STATE, "rnn: it was not built, or has more than %d layers and directions", (int)MOST);
    }
    if (!ae_ok(g) || check_states(g, s, initial) != 0) {
        return ae_bad(g);
    }
    ae_frame f = ae_frame_open(g);
    for (int layer = 0; layer < s->config.layers; layer++) {
        for (int d = 0; d < s->directions; d++) {
            int at = layer * s->directions + d;
            run_layer(g, s, at, x, lengths, initial, out[d]);
            h[at] = out[d][1];
            c[at] = s->gates == 4 ? out[d][2] : NULL;
        }
        x = s->directions == 2 ? ae_concat(g, (ae_tensor *[]){out[0][0], out[1][0]}, 2, 2) : out[0][0];
        x = layer + 1 < s->config.layers ? ae_dropout(g, x, s->config.dropout) : x;
    }
    if (final) {
        final->h = collect(g, f, h, n);
        final->c = s->gates == 4 ? collect(g, f, c, n) : NULL;
    }
    return ae_frame_return(f, x);
}

/* ---- the plain cell ------------------------------------------------------------------------------------------------ */

void ae_rnn_init(ae_model *m, struct ae_rnn *r, const char *name, const ae_rnn_config *config)
{
    ae_rnn_stack_init(m, &r->stack, name, 1, config);
}

ae_tensor *ae_rnn(ae_graph *g, const struct ae_rnn *r, ae_tensor *x, ae_tensor *lengths, ae_tensor *h0, ae_tensor **h_n)
{
    ae_rnn_state initial = {.h = h0}, final = {0};
    ae_tensor *y = ae_rnn_stack_run(g, &r->stack, x, lengths, &initial, h_n ? &final : NULL);
    if (h_n) {
        *h_n = final.h;
    }
    return y;
}
