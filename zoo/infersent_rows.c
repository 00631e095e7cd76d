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

/* n_classes is the release's word, num_labels that of data sets. */
static void read_classes(const ae_json *json, ae_infersent_config *c, ae_err *e)
{
    bool theirs = ae_json_is_null(ae_json_get(json, "num_labels")) && ae_json_is_null(ae_json_get(json, "id2label"));
    ae_problem_read(json, &c->problem, &c->n_classes, e);
    if (theirs) {
        c->n_classes = ae_json_int(json, "n_classes", 3, e);
    }
}

int ae_infersent_config_read(const ae_json *json, ae_infersent_config *c, ae_err *e)
{
    static const char *const known[] = {"word_emb_dim", "enc_lstm_dim",  "pool_type",    "version",      "encoder_type",
                                        "fc_dim",       "n_classes",     "nonlinear_fc", "dpout_fc",     "dpout_model",
                                        "bsize",        "n_words",       "n_enc_layers", "use_cuda",     "fixed",
                                        "model_type",   "architectures", "vocab_size",   "freeze_words", "num_labels",
                                        "id2label",     "label2id",      "problem_type", "pad_token_id"};
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
    read_classes(json, c, e);
    c->vocab_size = ae_json_int(json, "vocab_size", 0, e);
    c->freeze_words = read_switch(json, "freeze_words", e);
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
    if (c->vocab_size < 0 || c->vocab_size > 1 << 28) {
        return ae_err_set(e, AE_E_VALUE, "vocab_size: %lld; it must be in 0..2^28", (long long)c->vocab_size);
    }
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

/* The word table stands beside the release's parameters, at the root. */
static void words_init(ae_model *m, struct ae_infersent *s, const ae_infersent_config *c)
{
    if (c->vocab_size > 0) {
        ae_embedding_init(m, &s->words, "word_embedding", c->vocab_size, c->word_emb_dim, ae_init_normal(0.1), -1);
        ae_model_freeze(m, "word_embedding.weight", c->freeze_words);
    }
}

static void build_encoder(ae_model *m, void *self, const ae_json *config, int encoder)
{
    ae_infersent_config c;
    if (read_config(m, config, &c) == 0) {
        c.encoder_type = (ae_infersent_encoder)encoder;
        words_init(m, self, &c);
        ae_infersent_init(m, self, &c);
    }
}

static void build_nli(ae_model *m, void *self, const ae_json *config, int kind)
{
    (void)kind;
    ae_infersent_config c;
    struct ae_nli_net *n = self;
    if (read_config(m, config, &c) == 0) {
        words_init(m, &n->encoder, &c);
        ae_nli_net_init(m, n, &c);
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
    words_init(m, &n->encoder, &c);
    ae_scope s = ae_scope_open(m, "encoder");
    ae_infersent_init(m, &n->encoder, &c);
    ae_scope_close(s);
    ae_linear_init_torch(m, &n->classifier[0], "classifier.0", ae_infersent_width(&c), 512, true);
    ae_linear_init_torch(m, &n->classifier[1], "classifier.1", 512, c.n_classes, true);
}

/* Vectors (B,T,word_emb_dim) of ids (B,T), zeros behind the lengths. */
static ae_tensor *vectors_of(ae_graph *g, const struct ae_infersent *s, ae_tensor *ids, const ae_tensor *lengths)
{
    if (!s->words.weight) {
        return ae_fail(g, AE_E_STATE,
                       "infersent: the batch holds ids; a vocab_size in the configuration gives the model "
                       "the word table for them");
    }
    int64_t rows = ae_dim(ids, 0), n = ae_dim(ids, 1);
    ae_tensor *real = ae_ones(g, AE_F32, 3, (int64_t[]){rows, n, 1});
    for (int64_t i = 0; i < rows * n && ae_ok(g); i++) {
        ae_set_f64(real, i, i % n < ae_get_i64(lengths, i / n));
    }
    return ae_mul(g, ae_embedding(g, &s->words, ids), real);
}

static int check_ids(ae_graph *g, const char *name, const ae_tensor *ids, const ae_tensor *lengths)
{
    if (ae_ok(g) && (ids->ndim != 2 || lengths->ndim != 1 || lengths->shape[0] != ids->shape[0])) {
        char a[AE_SHAPE_TEXT_MAX], b[AE_SHAPE_TEXT_MAX];
        ae_fail(g, AE_E_SHAPE, "infersent: %s is %s and its lengths %s; (batch, tokens) and (batch) are wanted", name,
                ae_shape_text(ids->ndim, ids->shape, a), ae_shape_text(lengths->ndim, lengths->shape, b));
    }
    return ae_ok(g) ? 0 : -1;
}

/* A text of the batch: ids (B,T), or vectors (B,T,word_emb_dim). */
typedef struct text {
    const char *name, *lengths_name;
    ae_tensor *words, *lengths;
    bool ids;
} text;

/* Vectors `sent` (T,B,word_emb_dim) with their lengths, or ids (B,T) "s1_ids" with "s1_lengths". */
static text text_of(ae_io *io, const char *sent, const char *lengths, int which)
{
    static const char *const names[][2] = {{"s1_ids", "s1_lengths"}, {"s2_ids", "s2_lengths"}};
    ae_graph *g = io->graph;
    text t = {.name = sent, .lengths_name = lengths, .ids = ae_tensors_get(io->inputs, names[which][0]) != NULL};
    if (t.ids) {
        t.name = names[which][0];
        t.lengths_name = names[which][1];
    }
    t.words = ae_io_get(io, t.name);
    t.lengths = ae_io_get(io, t.lengths_name);
    if (t.ids) {
        check_ids(g, t.name, t.words, t.lengths);
    } else {
        t.words = ae_transpose(g, t.words, 0, 1);
    }
    return t;
}

static ae_tensor *encode(const struct ae_infersent *s, ae_io *io, const text *t)
{
    ae_graph *g = io->graph;
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    return ae_infersent_encode(g, s, t->ids ? vectors_of(g, s, t->words, t->lengths) : t->words, t->lengths);
}

/* ---- pairs --------------------------------------------------------------------------------------------------------- */

/* Side by side, a length too large for its text could hide in the padding to the other: it is found here. */
static int check_lengths(ae_graph *g, const text *t)
{
    int64_t time = ae_dim(t->words, 1);
    for (int64_t i = 0; i < ae_numel(t->lengths); i++) {
        int64_t n = ae_get_i64(t->lengths, i);
        if (n < 0 || n > time) {
            ae_fail(g, AE_E_VALUE, "infersent: length %lld of row %lld of %s is outside of 0..%lld, the steps of %s",
                    (long long)n, (long long)i, t->lengths_name, (long long)time, t->name);
            return -1;
        }
    }
    return 0;
}

static int check_pair(ae_graph *g, const text t[2])
{
    char a[AE_SHAPE_TEXT_MAX], b[AE_SHAPE_TEXT_MAX];
    for (int i = 0; i < 2 && ae_ok(g); i++) {
        const ae_tensor *x = t[i].words, *n = t[i].lengths;
        if (x->ndim != 2 + !t[i].ids || n->ndim != 1 || n->shape[0] != x->shape[0]) {
            ae_fail(g, AE_E_SHAPE, "infersent: %s, batch first, is %s and %s %s; they must agree in the batch",
                    t[i].name, ae_shape_text(x->ndim, x->shape, a), t[i].lengths_name,
                    ae_shape_text(n->ndim, n->shape, b));
        } else if (x->shape[0] != t[0].words->shape[0]) {
            ae_fail(g, AE_E_SHAPE, "infersent: %s has %lld rows and %s %lld; a pair has both texts", t[0].name,
                    (long long)t[0].words->shape[0], t[1].name, (long long)x->shape[0]);
        } else {
            check_lengths(g, &t[i]);
        }
    }
    return ae_ok(g) ? 0 : -1;
}

/* Integers of two widths have one; others stay what they are. */
static ae_tensor *widest(ae_graph *g, ae_tensor *x)
{
    return x->dtype == AE_I32 ? ae_cast(g, x, AE_I64) : x;
}

/* The rows of both, (2B,T,...), T the longer time; zeros behind the shorter one. */
static ae_tensor *joined(ae_graph *g, ae_tensor *a, ae_tensor *b)
{
    ae_tensor *x[2] = {widest(g, a), widest(g, b)};
    int64_t most = ae_dim(a, 1) > ae_dim(b, 1) ? ae_dim(a, 1) : ae_dim(b, 1);
    for (int i = 0; i < 2 && ae_ok(g) && a->ndim > 1; i++) {
        const int64_t before[3] = {0}, after[3] = {0, most - ae_dim(x[i], 1), 0};
        x[i] = after[1] ? ae_pad(g, x[i], before, after, 0) : x[i];
    }
    return ae_concat(g, x, 2, 0);
}

/* (2B, width): one look-up and one recurrent layer for both texts. */
static ae_tensor *encode_joined(const struct ae_infersent *s, ae_graph *g, const text t[2])
{
    ae_frame f = ae_frame_open(g);
    ae_tensor *lengths = joined(g, t[0].lengths, t[1].lengths), *x;
    if (t[0].ids && t[1].ids) {
        x = vectors_of(g, s, joined(g, t[0].words, t[1].words), lengths);
    } else {
        x = joined(g, t[0].ids ? vectors_of(g, s, t[0].words, t[0].lengths) : t[0].words,
                   t[1].ids ? vectors_of(g, s, t[1].words, t[1].lengths) : t[1].words);
    }
    return ae_frame_return(f, ae_infersent_encode_pairs(g, s, x, lengths));
}

/* The vectors of both texts of each pair. ConvNetEncoder reads all of a text's own padding: its texts stay apart. */
static void encode_pair(const struct ae_infersent *s, ae_io *io, ae_tensor *out[2])
{
    ae_graph *g = io->graph;
    const text t[2] = {text_of(io, "s1", "s1_lengths", 0), text_of(io, "s2", "s2_lengths", 1)};
    out[0] = out[1] = ae_bad(g);
    if (s->config.encoder_type == AE_INFERSENT_CONVNET) {
        out[0] = encode(s, io, &t[0]);
        out[1] = encode(s, io, &t[1]);
    } else if (ae_ok(g) && check_pair(g, t) == 0) {
        ae_split(g, encode_joined(s, g, t), 0, 2, NULL, out);
    }
}

/* ---- runs ---------------------------------------------------------------------------------------------------------- */

static ae_tensor *run_encoder(const void *self, ae_io *io)
{
    const text t = text_of(io, "sent", "lengths", 0);
    ae_tensor *u = encode(self, io, &t);
    ae_io_put(io, "embedding", u);
    return ae_tensors_get(io->inputs, "loss_weight") ? ae_io_probe(io, u, "loss_weight") : NULL;
}

static ae_tensor *finish(const struct ae_nli_net *n, ae_io *io, ae_tensor *logits)
{
    ae_tensor *labels = ae_io_optional(io, "labels");
    ae_io_put(io, "logits", logits);
    return labels ? ae_problem_loss(io->graph, n->encoder.config.problem, logits, labels) : NULL;
}

static ae_tensor *run_nli(const void *self, ae_io *io)
{
    const struct ae_nli_net *n = self;
    ae_tensor *vectors[2];
    encode_pair(&n->encoder, io, vectors);
    ae_io_put(io, "u", vectors[0]);
    ae_io_put(io, "v", vectors[1]);
    return finish(n, io, ae_nli_net_classify(io->graph, n, vectors[0], vectors[1]));
}

static ae_tensor *run_classification(const void *self, ae_io *io)
{
    const struct ae_nli_net *n = self;
    const text t = text_of(io, "sent", "lengths", 0);
    ae_tensor *u = encode(&n->encoder, io, &t);
    ae_io_put(io, "embedding", u);
    ae_tensor *hidden = ae_linear(io->graph, &n->classifier[0], u);
    return finish(n, io, ae_linear(io->graph, &n->classifier[1], hidden));
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
