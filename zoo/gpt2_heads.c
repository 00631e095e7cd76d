/* GPT-2's heads and their rows in the list of models. */
#include "zoo/gpt2.h"

#include <stdlib.h>
#include <string.h>

/* ---- configuration ------------------------------------------------------------------------------------------------- */

static int read_summary(const ae_json *json, ae_gpt2_config *c, ae_err *e)
{
    static const char *const types[] = {"last", "first", "mean", "cls_index"};
    const char *type = ae_json_string(json, "summary_type", "cls_index", e);
    bool has_act = !ae_json_is_null(ae_json_get(json, "summary_activation"));
    const char *act = has_act ? ae_json_string(json, "summary_activation", "linear", e) : "linear";
    c->summary_use_proj = ae_json_bool(json, "summary_use_proj", true, e);
    c->summary_proj_to_labels = ae_json_bool(json, "summary_proj_to_labels", true, e);
    c->summary_first_dropout = ae_json_double(json, "summary_first_dropout", 0.1, e);
    if (e->code || ae_act_parse(act, &c->summary_activation, e) != 0) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        if (strcmp(types[i], type) == 0) {
            c->summary_type = (ae_gpt2_summary)i;
            return 0;
        }
    }
    return ae_err_set(e, AE_E_VALUE, "summary_type is \"%s\"; last, first, mean and cls_index exist", type);
}

static int check_sizes(const ae_gpt2_config *c, ae_err *e)
{
    if (c->vocab_size < 1 || c->n_positions < 1 || c->n_embd < 1 || c->n_layer < 0 || c->n_head < 1 || c->n_inner < 1 ||
        c->n_embd % c->n_head != 0 || c->n_layer > 100000) {
        return ae_err_set(e, AE_E_VALUE,
                          "config: n_embd %lld with n_head %lld, n_layer %lld, vocab_size %lld: sizes must "
                          "be positive and n_embd a multiple of n_head",
                          (long long)c->n_embd, (long long)c->n_head, (long long)c->n_layer, (long long)c->vocab_size);
    }
    return 0;
}

int ae_gpt2_config_read(const ae_json *json, ae_gpt2_config *c, ae_err *e)
{
    ae_err local = {0};
    e = e ? e : &local;
    memset(c, 0, sizeof *c);
    c->vocab_size = ae_json_int(json, "vocab_size", 50257, e);
    c->n_positions = ae_json_int(json, "n_positions", ae_json_int(json, "n_ctx", 1024, e), e);
    c->n_embd = ae_json_int(json, "n_embd", 768, e);
    c->n_layer = ae_json_int(json, "n_layer", 12, e);
    c->n_head = ae_json_int(json, "n_head", 12, e);
    bool inner = !ae_json_is_null(ae_json_get(json, "n_inner"));
    c->n_inner = inner ? ae_json_int(json, "n_inner", 0, e) : 4 * c->n_embd;
    bool pad = !ae_json_is_null(ae_json_get(json, "pad_token_id"));
    c->pad_token_id = pad ? ae_json_int(json, "pad_token_id", -1, e) : -1;
    ae_problem_read(json, &c->problem_type, &c->num_labels, e);
    c->resid_pdrop = ae_json_double(json, "resid_pdrop", 0.1, e);
    c->embd_pdrop = ae_json_double(json, "embd_pdrop", 0.1, e);
    c->attn_pdrop = ae_json_double(json, "attn_pdrop", 0.1, e);
    bool own = !ae_json_is_null(ae_json_get(json, "classifier_dropout"));
    c->classifier_dropout =
        own ? ae_json_double(json, "classifier_dropout", 0.1, e) : ae_json_double(json, "hidden_dropout", 0.1, e);
    c->layer_norm_epsilon = ae_json_double(json, "layer_norm_epsilon", 1e-5, e);
    c->initializer_range = ae_json_double(json, "initializer_range", 0.02, e);
    c->scale_attn_weights = ae_json_bool(json, "scale_attn_weights", true, e);
    c->scale_attn_by_inverse_layer_idx = ae_json_bool(json, "scale_attn_by_inverse_layer_idx", false, e);
    c->add_cross_attention = ae_json_bool(json, "add_cross_attention", false, e);
    c->tie_word_embeddings = ae_json_bool(json, "tie_word_embeddings", true, e);
    const char *act = ae_json_string(json, "activation_function", "gelu_new", e);
    if (e->code || ae_act_parse(act, &c->activation_function, e) != 0 || read_summary(json, c, e) != 0) {
        return -1;
    }
    return check_sizes(c, e);
}

/* ---- building ------------------------------------------------------------------------------------------------------ */

enum { BARE, LM, DOUBLE_HEADS, CLASSES, TAGS, SPANS };

static void lm_init(ae_model *m, struct ae_gpt2 *p)
{
    const ae_gpt2_config *c = &p->config;
    ae_scope s = ae_scope_open(m, "lm_head");
    if (c->tie_word_embeddings) {
        p->lm_head = p->wte.weight;
        ae_tie(m, "weight", p->lm_head);
    } else {
        p->lm_head =
            ae_param(m, "weight", 2, (int64_t[]){c->vocab_size, c->n_embd}, ae_init_normal(c->initializer_range));
    }
    ae_scope_close(s);
}

static void head_init(ae_model *m, struct ae_gpt2 *p, int kind)
{
    const ae_gpt2_config *c = &p->config;
    ae_init init = ae_init_normal(c->initializer_range);
    if (kind == DOUBLE_HEADS && c->summary_use_proj) {
        int64_t width = c->summary_proj_to_labels ? 1 : c->n_embd; /* one score a choice */
        ae_linear_init(m, &p->head, "multiple_choice_head.summary", c->n_embd, width, init, true);
    } else if (kind == CLASSES) {
        ae_linear_init(m, &p->head, "score", c->n_embd, c->num_labels, init, false);
    } else if (kind == TAGS) {
        ae_linear_init(m, &p->head, "classifier", c->n_embd, c->num_labels, init, true);
    } else if (kind == SPANS) {
        ae_linear_init(m, &p->head, "qa_outputs", c->n_embd, 2, init, true);
    }
}

static void build(ae_model *m, void *self, const ae_json *config, int kind)
{
    struct ae_gpt2 *p = self;
    ae_err e = {0};
    ae_gpt2_config c;
    if (ae_gpt2_config_read(config, &c, &e) != 0) {
        ae_model_fail(m, e.code, "gpt2: %s", e.message);
        return;
    }
    ae_scope s = ae_scope_open(m, "%s", kind == BARE ? "" : "transformer");
    ae_gpt2_init(m, p, &c);
    ae_scope_close(s);
    if (kind == LM || kind == DOUBLE_HEADS) {
        lm_init(m, p);
    }
    head_init(m, p, kind);
}

/* ---- running ------------------------------------------------------------------------------------------------------- */

static ae_gpt2_inputs inputs_of(ae_io *io)
{
    return (ae_gpt2_inputs){
        .input_ids = ae_io_get(io, "input_ids"),
        .attention_mask = ae_io_optional(io, "attention_mask"),
        .token_type_ids = ae_io_optional(io, "token_type_ids"),
        .position_ids = ae_io_optional(io, "position_ids"),
        .packed = io->packed,
        .encoder_hidden_states = ae_io_optional(io, "encoder_hidden_states"),
        .encoder_attention_mask = ae_io_optional(io, "encoder_attention_mask"),
    };
}

/* Puts logits of all positions without recording them: the loss computes its own rows. */
static void put_logits(const struct ae_gpt2 *p, ae_io *io, ae_tensor *states)
{
    if (io->loss_only) {
        return;
    }
    ae_frame f = ae_frame_open(io->graph);
    bool was = ae_set_recording(io->graph, false);
    ae_io_put(io, "logits", ae_gpt2_logits(io->graph, p, states));
    ae_set_recording(io->graph, was);
    ae_frame_close(f);
}

static ae_tensor *run_bare(const void *self, ae_io *io)
{
    ae_gpt2_inputs in = inputs_of(io);
    ae_tensor *states = ae_gpt2_encode(io->graph, self, &in);
    ae_io_put(io, "last_hidden_state", states);
    return ae_tensors_get(io->inputs, "loss_weight") ? ae_io_probe(io, states, "loss_weight") : NULL;
}

static void put_present(const struct ae_gpt2 *p, ae_io *io, const ae_kv *past)
{
    ae_graph *g = io->graph;
    for (int i = 0; i < p->config.n_layer && ae_ok(g); i++) {
        int64_t shape[4] = {ae_dim(past[i].key, 0), ae_dim(past[i].key, 1), p->config.n_head,
                            p->config.n_embd / p->config.n_head};
        char name[64];
        snprintf(name, sizeof name, "present.%d.key", i);
        ae_io_put(io, name, ae_permute(g, ae_reshape(g, past[i].key, 4, shape), (int[]){0, 2, 1, 3}));
        snprintf(name, sizeof name, "present.%d.value", i);
        ae_io_put(io, name, ae_permute(g, ae_reshape(g, past[i].value, 4, shape), (int[]){0, 2, 1, 3}));
    }
}

/* Two calls: the tokens before `split` fill the past, those behind it are predicted; gradients reach both. */
static ae_tensor *run_split(const struct ae_gpt2 *p, ae_io *io, int64_t split)
{
    ae_graph *g = io->graph;
    ae_tensor *ids = ae_io_get(io, "input_ids"), *labels = ae_io_optional(io, "labels");
    ae_kv *past = calloc((size_t)p->config.n_layer + 1, sizeof *past);
    if (!past) {
        return ae_fail(g, AE_E_MEMORY, "gpt2: no memory for the past");
    }
    int64_t t = ae_dim(ids, 1);
    ae_tensors *sink = ae_observer(g);
    ae_graph_observe(g, NULL); /* what is shown is the second call's */
    ae_gpt2_inputs first = {.input_ids = ae_slice(g, ids, 1, 0, split, 1), .past = past};
    ae_gpt2_encode(g, p, &first);
    ae_graph_observe(g, sink);
    ae_gpt2_inputs second = {.input_ids = ae_slice(g, ids, 1, split, t, 1), .past = past};
    ae_tensor *states = ae_gpt2_encode(g, p, &second);
    put_logits(p, io, states);
    put_present(p, io, past);
    free(past);
    return labels ? ae_gpt2_lm_loss(g, p, states, ae_slice(g, labels, 1, split, t, 1)) : NULL;
}

static ae_tensor *run_lm(const void *self, ae_io *io)
{
    const ae_tensor *split = ae_tensors_get(io->inputs, "split");
    if (split && ae_numel(split) == 1) {
        return run_split(self, io, ae_get_i64(split, 0));
    }
    ae_gpt2_inputs in = inputs_of(io);
    ae_tensor *labels = ae_io_optional(io, "labels"), *next = ae_io_optional(io, "next_ids");
    ae_tensor *states = ae_gpt2_encode(io->graph, self, &in);
    put_logits(self, io, states);
    if (next) {
        return ae_gpt2_next_loss(io->graph, self, states, next);
    }
    return labels ? ae_gpt2_lm_loss(io->graph, self, states, labels) : NULL;
}

/* One row of states (N,T,H) at ids (N), or the last without ids: (N,H). */
static ae_tensor *at_position(ae_graph *g, ae_tensor *states, const ae_tensor *ids)
{
    int64_t n = ae_dim(states, 0), t = ae_dim(states, 1), h = ae_dim(states, 2);
    ae_tensor *rows = ae_zeros(g, AE_I64, 1, &n);
    for (int64_t i = 0; i < n && ae_ok(g); i++) {
        int64_t at = ids ? ae_get_i64(ids, i) : t - 1;
        ae_set_i64(rows, i, i * t + (at < 0 ? at + t : at));
    }
    return ae_index_select(g, ae_reshape(g, states, 2, (int64_t[]){n * t, h}), 0, rows);
}

/* Hugging Face's SequenceSummary of states (B,C,T,H): (B,C,1 or H) for cls_index. The other kinds take axis 1, as
 * there, although it counts choices here: (B,T,1 or H), the first or last choice or their mean. */
static ae_tensor *summarise(ae_graph *g, const struct ae_gpt2 *p, ae_tensor *states, ae_tensor *ids)
{
    const ae_gpt2_config *c = &p->config;
    ae_tensor *y;
    if (c->summary_type == AE_SUMMARY_MEAN) {
        y = ae_mean(g, states, 1, (int[]){1}, false);
    } else if (c->summary_type == AE_SUMMARY_FIRST) {
        y = ae_squeeze(g, ae_slice(g, states, 1, 0, 1, 1), 1);
    } else if (c->summary_type == AE_SUMMARY_LAST) {
        y = ae_squeeze(g, ae_slice(g, states, 1, -1, INT64_MAX, 1), 1);
    } else {
        int64_t shape[3] = {ae_dim(states, 0), ae_dim(states, 1), ae_dim(states, 3)};
        y = at_position(g, ae_flatten(g, states, 0, 1), ids ? ae_flatten(g, ids, 0, -1) : NULL);
        y = ae_reshape(g, y, 3, shape);
    }
    y = ae_dropout(g, y, c->summary_first_dropout);
    y = c->summary_use_proj ? ae_linear(g, &p->head, y) : y;
    return ae_activate(g, c->summary_activation, y);
}

/* (B,C,T): C continuations a row; the language model's loss and the choice among them. */
static ae_tensor *run_double_heads(const void *self, ae_io *io)
{
    const struct ae_gpt2 *p = self;
    ae_graph *g = io->graph;
    ae_gpt2_inputs in = inputs_of(io);
    ae_tensor *labels = ae_io_optional(io, "labels"), *choice = ae_io_optional(io, "mc_labels");
    ae_tensor *at = ae_io_optional(io, "mc_token_ids");
    in.packed = in.packed && p->config.summary_type == AE_SUMMARY_CLS_INDEX; /* the others read padded positions */
    ae_tensor *states = ae_gpt2_encode(g, p, &in);                           /* (B,C,T,H) */
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    ae_tensor *scores = ae_reshape(g, summarise(g, p, states, at), 2, (int64_t[]){ae_dim(states, 0), -1});
    put_logits(p, io, states);
    ae_io_put(io, "mc_logits", scores);
    if (!labels || !choice) {
        return NULL;
    }
    ae_tensor *lm_loss = ae_gpt2_lm_loss(g, p, states, labels);
    ae_tensor *mc_loss = ae_cross_entropy(g, scores, choice, NULL);
    ae_io_put(io, "lm_loss", lm_loss);
    ae_io_put(io, "mc_loss", mc_loss);
    return ae_add(g, lm_loss, mc_loss);
}

/* The last token of every row: before the first padding token where the configuration names it, else the last that the
 * mask keeps, else the last of all. */
static ae_tensor *last_tokens(ae_graph *g, const struct ae_gpt2 *p, const ae_gpt2_inputs *in)
{
    int64_t b = ae_dim(in->input_ids, 0), t = ae_dim(in->input_ids, 1), pad = p->config.pad_token_id;
    const ae_tensor *ids = in->input_ids, *mask = pad < 0 ? in->attention_mask : NULL;
    ae_tensor *last = ae_zeros(g, AE_I64, 1, &b);
    for (int64_t i = 0; i < b && ae_ok(g); i++) {
        int64_t n = mask ? t : 0;
        while (mask ? n > 0 && ae_get_i64(mask, i * t + n - 1) == 0 : n < t && ae_get_i64(ids, i * t + n) != pad) {
            n += mask ? -1 : 1;
        }
        ae_set_i64(last, i, n - 1);
    }
    return last;
}

static ae_tensor *run_classes(const void *self, ae_io *io)
{
    const struct ae_gpt2 *p = self;
    ae_graph *g = io->graph;
    ae_gpt2_inputs in = inputs_of(io);
    ae_tensor *labels = ae_io_optional(io, "labels");
    ae_tensor *states = ae_gpt2_encode(g, p, &in);
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    ae_tensor *logits = ae_linear(g, &p->head, at_position(g, states, last_tokens(g, p, &in)));
    ae_io_put(io, "logits", logits);
    return labels ? ae_problem_loss(g, p->config.problem_type, logits, labels) : NULL;
}

static ae_tensor *run_tags(const void *self, ae_io *io)
{
    const struct ae_gpt2 *p = self;
    ae_graph *g = io->graph;
    ae_gpt2_inputs in = inputs_of(io);
    ae_tensor *labels = ae_io_optional(io, "labels");
    ae_tensor *states = ae_dropout(g, ae_gpt2_encode(g, p, &in), p->config.classifier_dropout);
    ae_tensor *logits = ae_linear(g, &p->head, states);
    ae_io_put(io, "logits", logits);
    return labels ? ae_cross_entropy(g, logits, labels, NULL) : NULL;
}

static ae_tensor *run_spans(const void *self, ae_io *io)
{
    const struct ae_gpt2 *p = self;
    ae_gpt2_inputs in = inputs_of(io);
    return ae_io_spans(io, ae_linear(io->graph, &p->head, ae_gpt2_encode(io->graph, p, &in)));
}

static ae_tensor *decode(ae_graph *g, const void *self, ae_tensor *ids, ae_tensor *position_ids, ae_tensor *mask,
                         ae_kv_cache *cache)
{
    const struct ae_gpt2 *p = self;
    ae_frame f = ae_frame_open(g);
    ae_gpt2_inputs in = {.input_ids = ids, .position_ids = position_ids, .attention_mask = mask, .cache = cache};
    ae_tensor *states = ae_gpt2_encode(g, p, &in);
    ae_tensor *last = ae_squeeze(g, ae_slice(g, states, 1, -1, INT64_MAX, 1), 1);
    return ae_frame_return(f, ae_gpt2_logits(g, p, last));
}

static ae_decoder decoder_of(const void *self)
{
    const ae_gpt2_config *c = &((const struct ae_gpt2 *)self)->config;
    return (ae_decoder){decode, self, (int)c->n_layer, c->n_embd, c->vocab_size, c->n_positions};
}

#define PAPER "Radford et al. 2019"

#define ROW(class, builds, runs, packing, trains)                                                                      \
    {                                                                                                                  \
        .name = "gpt2", .class_name = class, .paper = PAPER, .size = sizeof(struct ae_gpt2), .build = build,           \
        .kind = builds, .run = runs, .packs = packing, .recomputes = ae_zoo_recomputes,                                \
        .decoder = (builds) == LM ? decoder_of : NULL, .objective = trains                                             \
    }

const ae_zoo_model ae_gpt2_models[] = {
    ROW("GPT2Model", BARE, run_bare, true, NULL),
    ROW("GPT2LMHeadModel", LM, run_lm, true, "lm"),
    ROW("GPT2DoubleHeadsModel", DOUBLE_HEADS, run_double_heads, true, NULL),
    ROW("GPT2ForSequenceClassification", CLASSES, run_classes, true, "classes"),
    ROW("GPT2ForTokenClassification", TAGS, run_tags, true, "tags"),
    ROW("GPT2ForQuestionAnswering", SPANS, run_spans, false, "spans"),
};
const int ae_gpt2_model_count = sizeof ae_gpt2_models / sizeof ae_gpt2_models[0];
