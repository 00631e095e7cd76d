/* The recurrent encoders, with UER-py's names of parameters:
 *
 *     rnn, lstm, gru            "rnn.": layers_num layers of hidden_size units, or with "bidirectional" of
 *                               hidden_size / 2 units a direction, each layer reading both directions of the last
 *     birnn, bilstm, bigru      "rnn_forward.", "rnn_backward.": two stacks of hidden_size / 2 units that never meet,
 * so that one half of a state knows the past alone and the other the future alone (ELMo's shape: Peters et al. 2018,
 * arXiv:1802.05365)
 *
 * Dropout acts between the layers and on the result. Elman 1990; Hochreiter and Schmidhuber 1997; Cho et al. 2014,
 * arXiv:1406.1078. */
#include "zoo/encoders.h"

enum { RNN = 1, GRU = 3, LSTM = 4 }; /* their gates */

struct recurrent {
    union {
        struct ae_rnn rnn;
        struct ae_gru gru;
        struct ae_lstm lstm;
    } stack[2]; /* the second one only where there are two stacks */
    bool bidirectional;
    double dropout;
};

static void stack_init(ae_model *m, struct recurrent *r, int i, int gates, const char *name, const ae_rnn_config *c)
{
    if (gates == LSTM) {
        ae_lstm_init(m, &r->stack[i].lstm, name, c);
    } else if (gates == GRU) {
        ae_gru_init(m, &r->stack[i].gru, name, c);
    } else {
        ae_rnn_init(m, &r->stack[i].rnn, name, c);
    }
}

static ae_tensor *stack_run(ae_graph *g, const struct recurrent *r, int i, int gates, ae_tensor *x, ae_tensor *lengths)
{
    ae_tensor *y = gates == LSTM  ? ae_lstm(g, &r->stack[i].lstm, x, lengths, NULL, NULL)
                   : gates == GRU ? ae_gru(g, &r->stack[i].gru, x, lengths, NULL, NULL)
                                  : ae_rnn(g, &r->stack[i].rnn, x, lengths, NULL, NULL);
    return ae_dropout(g, y, r->dropout);
}

static int64_t build(ae_model *m, struct recurrent *r, const ae_json *config, int64_t width, const char *name,
                     int gates, bool apart)
{
    ae_encoder_sizes s;
    ae_err e = {0};
    r->bidirectional = !apart && ae_json_bool(config, "bidirectional", false, &e);
    ae_init init = ae_init_normal(ae_json_double(config, "initializer_range", 0.02, &e));
    if (e.code || ae_encoder_read_sizes(m, name, config, &s) != 0) {
        ae_model_fail(m, e.code, "%s: %s", name, e.message);
        return 1;
    }
    bool halved = apart || r->bidirectional;
    if (halved && s.hidden_size % 2) {
        ae_model_fail(m, AE_E_VALUE, "%s: hidden_size is %lld; two directions share it, so it must be even", name,
                      (long long)s.hidden_size);
        return 1;
    }
    ae_rnn_config c = {.input = width,
                       .hidden = halved ? s.hidden_size / 2 : s.hidden_size,
                       .layers = s.layers_num,
                       .bidirectional = r->bidirectional,
                       .dropout = s.dropout,
                       .init = &init};
    r->dropout = s.dropout;
    stack_init(m, r, 0, gates, apart ? "rnn_forward" : "rnn", &c);
    if (apart) {
        c.reverse = true;
        stack_init(m, r, 1, gates, "rnn_backward", &c);
    }
    return s.hidden_size;
}

static ae_tensor *run_apart(ae_graph *g, const struct recurrent *r, int gates, ae_tensor *x, ae_tensor *lengths)
{
    ae_frame f = ae_frame_open(g);
    ae_tensor *half[2] = {stack_run(g, r, 0, gates, x, lengths), stack_run(g, r, 1, gates, x, lengths)};
    return ae_frame_return(f, ae_concat(g, half, 2, -1));
}

static ae_sight sees(const void *self)
{
    return ((const struct recurrent *)self)->bidirectional ? AE_SIGHT_FULL : AE_SIGHT_PAST;
}

static ae_sight sees_apart(const void *self)
{
    (void)self;
    return AE_SIGHT_APART;
}

/* ---- the six of them ----------------------------------------------------------------------------------------------- */

static const char *const one_keys[] = {"bidirectional", NULL};

#define AE_RECURRENT_ENCODER(title, gates, summary)                                                                    \
    static int64_t title##_build(ae_model *m, void *self, const ae_json *config, int64_t width)                        \
    {                                                                                                                  \
        return build(m, self, config, width, #title, gates, false);                                                    \
    }                                                                                                                  \
    static ae_tensor *title##_encode(ae_graph *g, const void *self, ae_tensor *x, const ae_tokens *tokens)             \
    {                                                                                                                  \
        return stack_run(g, self, 0, gates, x, tokens->lengths);                                                       \
    }                                                                                                                  \
    const ae_encoder ae_encoder_##title = {.name = #title,                                                             \
                                           .about = summary,                                                           \
                                           .size = sizeof(struct recurrent),                                           \
                                           .keys = one_keys,                                                           \
                                           .build = title##_build,                                                     \
                                           .encode = title##_encode,                                                   \
                                           .sight = sees};

#define AE_APART_ENCODER(title, gates, summary)                                                                        \
    static int64_t title##_build(ae_model *m, void *self, const ae_json *config, int64_t width)                        \
    {                                                                                                                  \
        return build(m, self, config, width, #title, gates, true);                                                     \
    }                                                                                                                  \
    static ae_tensor *title##_encode(ae_graph *g, const void *self, ae_tensor *x, const ae_tokens *tokens)             \
    {                                                                                                                  \
        return run_apart(g, self, gates, x, tokens->lengths);                                                          \
    }                                                                                                                  \
    const ae_encoder ae_encoder_##title = {.name = #title,                                                             \
                                           .about = summary,                                                           \
                                           .size = sizeof(struct recurrent),                                           \
                                           .build = title##_build,                                                     \
                                           .encode = title##_encode,                                                   \
                                           .sight = sees_apart};

AE_RECURRENT_ENCODER(rnn, RNN, "a plain recurrent network (Elman 1990)")
AE_RECURRENT_ENCODER(lstm, LSTM, "long short-term memory (Hochreiter and Schmidhuber 1997)")
AE_RECURRENT_ENCODER(gru, GRU, "gated recurrent units (Cho et al. 2014)")
AE_APART_ENCODER(birnn, RNN, "two plain recurrent networks, one a direction")
AE_APART_ENCODER(bilstm, LSTM, "two LSTMs, one a direction, as in ELMo (Peters et al. 2018)")
AE_APART_ENCODER(bigru, GRU, "two GRUs, one a direction")
