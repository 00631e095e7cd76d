/* InferSent's configuration and its rows in the list of models. Sentences come time-first, as in the release. */
#include "zoo/infersent.h"

#include <string.h>

static const char *const class_names[] = {
#define ROW(symbol, class_name, formula) class_name,
    AE_INFERSENT_ENCODERS(ROW)
#undef ROW
};

const char *ae_infersent_class_name(ae_infersent_encoder encoder)
{
    return (unsigned)encoder < AE_INFERSENT_ENCODER_COUNT ? class_names[encoder] : "?";
}

/* ---- configuration ------------------------------------------------------------------------------------------------- */

static int read_encoder(const ae_json *json, ae_infersent_encoder *encoder, ae_err *e)
{
    const char *name = ae_json_string(json, "encoder_type", class_names[AE_INFERSENT_BLSTM], e);
    for (int i = 0; !e->code && name && i < AE_INFERSENT_ENCODER_COUNT; i++) {
        if (strcmp(name, class_names[i]) == 0) {
            *encoder = (ae_infersent_encoder)i;
            return 0;
        }
    }
    return e->code ? -1
                   : ae_err_set(e, AE_E_VALUE,
                                "encoder_type: \"%s\" is not known; InferSent, BLSTMprojEncoder, LSTMEncoder, "
                                "GRUEncoder, BGRUlastEncoder, InnerAttentionNAACLEncoder, "
                                "InnerAttentionMILAEncoder, InnerAttentionYANGEncoder, ConvNetEncoder are",
                                name);
}

/* The release writes such switches as 0 and 1, of any number type. */
static bool read_switch(const ae_json *json, const char *key, ae_err *e)
{
    return ae_json_type_of(ae_json_get(json, key)) == AE_JSON_BOOL ? ae_json_bool(json, key, false, e)
                                                                   : ae_json_double(json, key, 0, e) != 0;
}

int ae_infersent_config_read(const ae_json *json, ae_infersent_config *c, ae_err *e)
{
    static const char *const known[] = {"word_emb_dim", "enc_lstm_dim", "pool_type",    "version",  "encoder_type",
                                        "fc_dim",       "n_classes",    "nonlinear_fc", "dpout_fc", "dpout_model",
                                        "bsize",        "n_words",      "n_enc_layers", "use_cuda", "fixed",
                                        "model_type",   "architectures"};
    ae_err local = {0};
    e = e ? e : &local;
    *c = (ae_infersent_config){0};
    if (ae_json_check_keys(json, known, (int)(sizeof known / sizeof *known), e) != 0) {
        return -1;
    }
    const char *pooling = ae_json_string(json, "pool_type", "max", e);
    c->word_emb_dim = ae_json_int(json, "word_emb_dim", 300, e);
    c->enc_lstm_dim = ae_json_int(json, "enc_lstm_dim", 2048, e);
    int64_t version = ae_json_int(json, "version", 1, e);
    c->fc_dim = ae_json_int(json, "fc_dim", 512, e);
    c->n_classes = ae_json_int(json, "n_classes", 3, e);
    c->nonlinear_fc = read_switch(json, "nonlinear_fc", e);
    c->dpout_fc = ae_json_double(json, "dpout_fc", 0, e);
    c->fixed = read_switch(json, "fixed", e);
    if (e->code || read_encoder(json, &c->encoder_type, e) != 0 || ae_pooling_parse(pooling, &c->pool_type, e) != 0) {
        return -1;
    }
    if (c->pool_type != AE_POOLING_MAX && c->pool_type != AE_POOLING_MEAN) {
        return ae_err_set(e, AE_E_VALUE, "pool_type: \"%s\"; InferSent pools with max or mean", pooling);
    }
    if (version != 1 && version != 2) {
        return ae_err_set(e, AE_E_VALUE, "version: %lld; there are 1 and 2", (long long)version);
    }
    c->version = (int)version;
    const int64_t most = 1 << 24;
    if (c->word_emb_dim < 1 || c->enc_lstm_dim < 1 || c->fc_dim < 1 || c->n_classes < 1 || c->word_emb_dim > most ||
        c->enc_lstm_dim > most || c->fc_dim > most || c->n_classes > most || !(c->dpout_fc >= 0 && c->dpout_fc < 1)) {
        return ae_err_set(e, AE_E_VALUE,
                          "word_emb_dim %lld, enc_lstm_dim %lld, fc_dim %lld, n_classes %lld must be in 1..2^24, "
                          "dpout_fc %g at least 0 and below 1",
                          (long long)c->word_emb_dim, (long long)c->enc_lstm_dim, (long long)c->fc_dim,
                          (long long)c->n_classes, c->dpout_fc);
    }
    return 0;
}

/* ---- rows ---------------------------------------------------------------------------------------------------------- */

static int read_config(ae_model *m, const ae_json *config, ae_infersent_config *c)
{
    ae_err e = {0};
    return ae_infersent_config_read(config, c, &e) == 0 ? 0 : ae_model_fail(m, e.code, "infersent: %s", e.message);
}

static void build_encoder(ae_model *m, void *self, const ae_json *config, int encoder)
{
    ae_infersent_config c;
    if (read_config(m, config, &c) == 0) {
        c.encoder_type = (ae_infersent_encoder)encoder;
        ae_infersent_init(m, self, &c);
    }
}

static void build_nli(ae_model *m, void *self, const ae_json *config, int kind)
{
    (void)kind;
    ae_infersent_config c;
    if (read_config(m, config, &c) == 0) {
        ae_nli_net_init(m, self, &c);
    }
}

/* The release's ClassificationNet: two linear layers on one sentence, the inner one always 512 wide. */
static void build_classification(ae_model *m, void *self, const ae_json *config, int kind)
{
    (void)kind;
    ae_infersent_config c;
    struct ae_nli_net *n = self;
    if (read_config(m, config, &c) != 0) {
        return;
    }
    ae_scope s = ae_scope_open(m, "encoder");
    ae_infersent_init(m, &n->encoder, &c);
    ae_scope_close(s);
    ae_linear_init_torch(m, &n->classifier[0], "classifier.0", ae_infersent_width(&c), 512, true);
    ae_linear_init_torch(m, &n->classifier[1], "classifier.1", 512, c.n_classes, true);
}

/* A sentence (T,B,word_emb_dim) with its lengths, encoded. */
static ae_tensor *encode(const struct ae_infersent *s, ae_io *io, const char *sent, const char *lengths)
{
    ae_tensor *x = ae_io_get(io, sent), *n = ae_io_get(io, lengths);
    return ae_infersent_encode(io->graph, s, ae_transpose(io->graph, x, 0, 1), n);
}

static ae_tensor *run_encoder(const void *self, ae_io *io)
{
    ae_tensor *u = encode(self, io, "sent", "lengths");
    ae_io_put(io, "embedding", u);
    return ae_tensors_get(io->inputs, "loss_weight") ? ae_io_probe(io, u, "loss_weight") : NULL;
}

static ae_tensor *finish(ae_io *io, ae_tensor *logits)
{
    ae_tensor *labels = ae_io_optional(io, "labels");
    ae_io_put(io, "logits", logits);
    return labels ? ae_cross_entropy(io->graph, logits, labels, NULL) : NULL;
}

static ae_tensor *run_nli(const void *self, ae_io *io)
{
    const struct ae_nli_net *n = self;
    ae_tensor *u = encode(&n->encoder, io, "s1", "s1_lengths"), *v = encode(&n->encoder, io, "s2", "s2_lengths");
    ae_io_put(io, "u", u);
    ae_io_put(io, "v", v);
    return finish(io, ae_nli_net_classify(io->graph, n, u, v));
}

static ae_tensor *run_classification(const void *self, ae_io *io)
{
    const struct ae_nli_net *n = self;
    ae_tensor *u = encode(&n->encoder, io, "sent", "lengths");
    ae_io_put(io, "embedding", u);
    ae_tensor *hidden = ae_linear(io->graph, &n->classifier[0], u);
    return finish(io, ae_linear(io->graph, &n->classifier[1], hidden));
}

#define PAPER "Conneau et al. 2017, arXiv:1705.02364"

const ae_zoo_model ae_infersent_models[] = {
#define ROW(symbol, class, formula)                                                                                    \
    {.name = "infersent",                                                                                              \
     .class_name = class,                                                                                              \
     .paper = PAPER,                                                                                                   \
     .size = sizeof(struct ae_infersent),                                                                              \
     .build = build_encoder,                                                                                           \
     .kind = symbol,                                                                                                   \
     .run = run_encoder},
    AE_INFERSENT_ENCODERS(ROW)
#undef ROW
        {.name = "infersent",
         .class_name = "NLINet",
         .paper = PAPER,
         .size = sizeof(struct ae_nli_net),
         .build = build_nli,
         .run = run_nli,
         .objective = "classes",
         .apart = true,
         .texts = 2},
    {.name = "infersent",
     .class_name = "ClassificationNet",
     .paper = PAPER,
     .size = sizeof(struct ae_nli_net),
     .build = build_classification,
     .run = run_classification,
     .objective = "classes",
     .apart = true,
     .texts = 1},
};

const int ae_infersent_model_count = sizeof ae_infersent_models / sizeof ae_infersent_models[0];
