/* BERT's heads: what section 3 and 4 of the paper put on top of the encoder, and their rows in the list of models. */
#include "zoo/bert.h"

#include <string.h>

/* ---- configuration ------------------------------------------------------------------------------------------------- */

static int read_positions(const ae_json *json, ae_bert_config *c, ae_err *e)
{
    const char *position = ae_json_string(json, "position_embedding_type", "absolute", e);
    const char *first = ae_json_string(json, "position_initializer", "normal", e);
    if (e->code) {
        return -1;
    }
    if (!position || strcmp(position, "absolute") == 0) {
        c->position_embedding_type = AE_BERT_ABSOLUTE;
    } else if (strcmp(position, "relative_key") == 0) {
        c->position_embedding_type = AE_BERT_RELATIVE_KEY;
    } else if (strcmp(position, "relative_key_query") == 0) {
        c->position_embedding_type = AE_BERT_RELATIVE_KEY_QUERY;
    } else {
        return ae_err_set(e, AE_E_VALUE,
                          "position_embedding_type is \"%s\"; absolute, relative_key and "
                          "relative_key_query exist",
                          position);
    }
    c->sinusoidal_positions = first && strcmp(first, "sinusoidal") == 0;
    if (first && !c->sinusoidal_positions && strcmp(first, "normal") != 0) {
        return ae_err_set(e, AE_E_VALUE, "position_initializer is \"%s\"; normal and sinusoidal exist", first);
    }
    return 0;
}

static int read_kinds(const ae_json *json, ae_bert_config *c, ae_err *e)
{
    const char *act = ae_json_string(json, "hidden_act", "gelu", e);
    return e->code || read_positions(json, c, e) != 0 ? -1 : ae_act_parse(act, &c->hidden_act, e);
}

int ae_bert_config_read(const ae_json *json, ae_bert_config *c, ae_err *e)
{
    ae_err local = {0};
    e = e ? e : &local;
    memset(c, 0, sizeof *c);
    c->vocab_size = ae_json_int(json, "vocab_size", 30522, e);
    c->hidden_size = ae_json_int(json, "hidden_size", 768, e);
    c->num_hidden_layers = ae_json_int(json, "num_hidden_layers", 12, e);
    c->num_attention_heads = ae_json_int(json, "num_attention_heads", 12, e);
    c->intermediate_size = ae_json_int(json, "intermediate_size", 3072, e);
    c->max_position_embeddings = ae_json_int(json, "max_position_embeddings", 512, e);
    c->type_vocab_size = ae_json_int(json, "type_vocab_size", 2, e);
    c->pad_token_id = ae_json_is_null(ae_json_get(json, "pad_token_id")) ? -1 : ae_json_int(json, "pad_token_id", 0, e);
    ae_problem_read(json, &c->problem_type, &c->num_labels, e);
    c->hidden_dropout_prob = ae_json_double(json, "hidden_dropout_prob", 0.1, e);
    c->attention_probs_dropout_prob = ae_json_double(json, "attention_probs_dropout_prob", 0.1, e);
    bool own = !ae_json_is_null(ae_json_get(json, "classifier_dropout"));
    c->classifier_dropout = own ? ae_json_double(json, "classifier_dropout", 0.1, e) : c->hidden_dropout_prob;
    c->initializer_range = ae_json_double(json, "initializer_range", 0.02, e);
    c->layer_norm_eps = ae_json_double(json, "layer_norm_eps", 1e-12, e);
    c->is_decoder = ae_json_bool(json, "is_decoder", false, e);
    c->add_cross_attention = ae_json_bool(json, "add_cross_attention", false, e);
    c->tie_word_embeddings = ae_json_bool(json, "tie_word_embeddings", true, e);
    if (e->code || read_kinds(json, c, e) != 0) {
        return -1;
    }
    if (c->vocab_size < 1 || c->hidden_size < 1 || c->num_hidden_layers < 0 || c->num_attention_heads < 1 ||
        c->intermediate_size < 1 || c->max_position_embeddings < 1 || c->type_vocab_size < 1 ||
        c->hidden_size % c->num_attention_heads != 0 || c->num_hidden_layers > 100000) {
        return ae_err_set(e, AE_E_VALUE,
                          "config: hidden_size %lld with %lld heads, %lld layers, vocab_size %lld: sizes "
                          "must be positive and hidden_size a multiple of the heads",
                          (long long)c->hidden_size, (long long)c->num_attention_heads, (long long)c->num_hidden_layers,
                          (long long)c->vocab_size);
    }
    return 0;
}

/* ---- building ------------------------------------------------------------------------------------------------------ */

enum { BARE, MLM, PRETRAINING, NEXT_SENTENCE, CLASSES, TAGS, SPANS, CHOICES };

static void mlm_init(ae_model *m, struct ae_bert *b)
{
    const ae_bert_config *c = &b->config;
    ae_scope s = ae_scope_open(m, "cls.predictions");
    b->decoder_bias = ae_param(m, "bias", 1, &c->vocab_size, ae_init_zeros());
    ae_linear_init(m, &b->transform, "transform.dense", c->hidden_size, c->hidden_size,
                   ae_init_truncated_normal(c->initializer_range), true);
    ae_layer_norm_init(m, &b->transform_norm, "transform.LayerNorm", c->hidden_size, c->layer_norm_eps);
    if (c->tie_word_embeddings) {
        b->decoder = b->word.weight;
        ae_tie(m, "decoder.weight", b->decoder);
    } else {
        b->decoder = ae_param(m, "decoder.weight", 2, (int64_t[]){c->vocab_size, c->hidden_size},
                              ae_init_truncated_normal(c->initializer_range));
    }
    ae_tie(m, "decoder.bias", b->decoder_bias);
    ae_scope_close(s);
}

static void build(ae_model *m, void *self, const ae_json *config, int kind)
{
    struct ae_bert *b = self;
    ae_err e = {0};
    ae_bert_config c;
    if (ae_bert_config_read(config, &c, &e) != 0) {
        ae_model_fail(m, e.code, "bert: %s", e.message);
        return;
    }
    bool pooler = kind != MLM && kind != TAGS && kind != SPANS;
    ae_scope s = ae_scope_open(m, "%s", kind == BARE ? "" : "bert");
    ae_bert_init(m, b, &c, pooler);
    ae_scope_close(s);
    if (kind == MLM || kind == PRETRAINING) {
        mlm_init(m, b);
    }
    bool next = kind == PRETRAINING || kind == NEXT_SENTENCE;
    if (next || kind >= CLASSES) {
        const char *name = next ? "cls.seq_relationship" : kind == SPANS ? "qa_outputs" : "classifier";
        int64_t n = next ? 2 : kind == CHOICES ? 1 : c.num_labels;
        ae_linear_init(m, &b->classifier, name, c.hidden_size, n, ae_init_truncated_normal(c.initializer_range), true);
    }
}

/* ---- running ------------------------------------------------------------------------------------------------------- */

static ae_bert_inputs inputs_of(ae_io *io)
{
    return (ae_bert_inputs){
        .input_ids = ae_io_get(io, "input_ids"),
        .attention_mask = ae_io_optional(io, "attention_mask"),
        .token_type_ids = ae_io_optional(io, "token_type_ids"),
        .position_ids = ae_io_optional(io, "position_ids"),
        .packed = io->packed,
        .encoder_hidden_states = ae_io_optional(io, "encoder_hidden_states"),
        .encoder_attention_mask = ae_io_optional(io, "encoder_attention_mask"),
    };
}

/* reading: which of the states the head reads, where they are no output themselves; NULL: all. */
static ae_tensor *encode(const struct ae_bert *b, ae_io *io, const ae_reading *reading)
{
    ae_bert_inputs in = inputs_of(io);
    in.reading = reading;
    return ae_bert_encode(io->graph, b, &in);
}

/* What heads over [CLS] read. */
static const ae_reading of_first = {.first = true};

/* Puts an output that no loss is computed from, without recording it. */
static void put_logits(const struct ae_bert *b, ae_io *io, const char *name, ae_tensor *states)
{
    if (io->loss_only) {
        return;
    }
    ae_frame f = ae_frame_open(io->graph);
    bool was = ae_set_recording(io->graph, false);
    ae_io_put(io, name, ae_bert_mlm_logits(io->graph, b, states));
    ae_set_recording(io->graph, was);
    ae_frame_close(f);
}

static ae_tensor *run_bare(const void *self, ae_io *io)
{
    const struct ae_bert *b = self;
    ae_tensor *states = encode(b, io, NULL);
    ae_tensor *pooled = ae_bert_pool(io->graph, b, states);
    ae_io_put(io, "last_hidden_state", states);
    ae_io_put(io, "pooler_output", pooled);
    if (!ae_tensors_get(io->inputs, "loss_weight")) {
        return NULL;
    }
    ae_tensor *loss = ae_io_probe(io, states, "loss_weight");
    return ae_tensors_get(io->inputs, "loss_weight_pooled")
               ? ae_add(io->graph, loss, ae_io_probe(io, pooled, "loss_weight_pooled"))
               : loss;
}

static ae_tensor *run_mlm(const void *self, ae_io *io)
{
    ae_tensor *labels = ae_io_optional(io, "labels");
    const ae_reading reading = {.labels = labels, .ignore = -100};
    ae_tensor *states = encode(self, io, labels && io->loss_only ? &reading : NULL);
    put_logits(self, io, "logits", states);
    return labels ? ae_bert_mlm_loss(io->graph, self, states, labels) : NULL;
}

/* Next-token prediction with causal attention: position t predicts label t + 1. */
static ae_tensor *run_causal(const void *self, ae_io *io)
{
    ae_graph *g = io->graph;
    ae_tensor *labels = ae_io_optional(io, "labels");
    ae_tensor *states = encode(self, io, NULL);
    put_logits(self, io, "logits", states);
    if (!labels || !ae_ok(g)) {
        return labels ? ae_bad(g) : NULL;
    }
    int64_t t = ae_dim(labels, 1);
    return ae_bert_mlm_loss(g, self, ae_slice(g, states, 1, 0, t - 1, 1), ae_slice(g, labels, 1, 1, t, 1));
}

static ae_tensor *run_pretraining(const void *self, ae_io *io)
{
    const struct ae_bert *b = self;
    ae_graph *g = io->graph;
    ae_tensor *labels = ae_io_optional(io, "labels"), *next = ae_io_optional(io, "next_sentence_label");
    const ae_reading reading = {.first = true, .labels = labels, .ignore = -100};
    ae_tensor *states = encode(b, io, labels && io->loss_only ? &reading : NULL);
    ae_tensor *pooled = ae_bert_pool(g, b, states);
    ae_tensor *relation = ae_linear(g, &b->classifier, pooled);
    put_logits(b, io, "prediction_logits", states);
    ae_io_put(io, "seq_relationship_logits", relation);
    ae_io_put(io, "pooler_output", pooled);
    if (!labels || !next) {
        return NULL;
    }
    return ae_add(g, ae_bert_mlm_loss(g, b, states, labels), ae_cross_entropy(g, relation, next, NULL));
}

static ae_tensor *run_next_sentence(const void *self, ae_io *io)
{
    const struct ae_bert *b = self;
    ae_tensor *labels = ae_io_optional(io, "labels");
    ae_tensor *pooled = ae_bert_pool(io->graph, b, encode(b, io, &of_first));
    ae_tensor *logits = ae_linear(io->graph, &b->classifier, pooled);
    ae_io_put(io, "logits", logits);
    ae_io_put(io, "pooler_output", pooled);
    return labels ? ae_cross_entropy(io->graph, logits, labels, NULL) : NULL;
}

static ae_tensor *run_classes(const void *self, ae_io *io)
{
    const struct ae_bert *b = self;
    ae_graph *g = io->graph;
    ae_tensor *labels = ae_io_optional(io, "labels");
    ae_tensor *pooled = ae_bert_pool(g, b, encode(b, io, &of_first));
    ae_tensor *logits = ae_linear(g, &b->classifier, ae_dropout(g, pooled, b->config.classifier_dropout));
    ae_io_put(io, "logits", logits);
    ae_io_put(io, "pooler_output", pooled);
    return labels ? ae_problem_loss(g, b->config.problem_type, logits, labels) : NULL;
}

static ae_tensor *run_tags(const void *self, ae_io *io)
{
    const struct ae_bert *b = self;
    ae_graph *g = io->graph;
    ae_tensor *labels = ae_io_optional(io, "labels");
    ae_tensor *states = ae_dropout(g, encode(b, io, NULL), b->config.classifier_dropout);
    ae_tensor *logits = ae_linear(g, &b->classifier, states);
    ae_io_put(io, "logits", logits);
    return labels ? ae_cross_entropy(g, logits, labels, NULL) : NULL;
}

static ae_tensor *run_spans(const void *self, ae_io *io)
{
    const struct ae_bert *b = self;
    return ae_io_spans(io, ae_linear(io->graph, &b->classifier, encode(b, io, NULL)));
}

static ae_tensor *flat(ae_graph *g, ae_tensor *x)
{
    return x ? ae_reshape(g, x, 2, (int64_t[]){-1, ae_dim(x, -1)}) : NULL;
}

/* (B,C,T): every choice is a sequence of its own; one score each. */
static ae_tensor *run_choices(const void *self, ae_io *io)
{
    const struct ae_bert *b = self;
    ae_graph *g = io->graph;
    ae_bert_inputs in = inputs_of(io);
    ae_tensor *labels = ae_io_optional(io, "labels");
    int64_t choices = ae_dim(in.input_ids, 1);
    in.input_ids = flat(g, in.input_ids);
    in.attention_mask = flat(g, in.attention_mask);
    in.token_type_ids = flat(g, in.token_type_ids);
    in.position_ids = flat(g, in.position_ids);
    in.reading = &of_first;
    ae_tensor *pooled = ae_dropout(g, ae_bert_pool(g, b, ae_bert_encode(g, b, &in)), b->config.classifier_dropout);
    ae_tensor *logits = ae_reshape(g, ae_linear(g, &b->classifier, pooled), 2, (int64_t[]){-1, choices});
    ae_io_put(io, "logits", logits);
    return labels ? ae_cross_entropy(g, logits, labels, NULL) : NULL;
}

#define PAPER "Devlin et al. 2018, arXiv:1810.04805"

#define ROW(class, builds, runs, packing, trains)                                                                      \
    {                                                                                                                  \
        .name = "bert", .class_name = class, .paper = PAPER, .size = sizeof(struct ae_bert), .build = build,           \
        .kind = builds, .run = runs, .packs = packing, .recomputes = ae_zoo_recomputes, .objective = trains            \
    }

const ae_zoo_model ae_bert_models[] = {
    ROW("BertModel", BARE, run_bare, true, NULL),
    ROW("BertForPreTraining", PRETRAINING, run_pretraining, true, "mlm_nsp"),
    ROW("BertForMaskedLM", MLM, run_mlm, true, "mlm"),
    ROW("BertLMHeadModel", MLM, run_causal, true, NULL),
    ROW("BertForNextSentencePrediction", NEXT_SENTENCE, run_next_sentence, true, NULL),
    ROW("BertForSequenceClassification", CLASSES, run_classes, true, "classes"),
    ROW("BertForTokenClassification", TAGS, run_tags, true, "tags"),
    ROW("BertForQuestionAnswering", SPANS, run_spans, false, "spans"),
    ROW("BertForMultipleChoice", CHOICES, run_choices, true, "choices"),
};
const int ae_bert_model_count = sizeof ae_bert_models / sizeof ae_bert_models[0];
