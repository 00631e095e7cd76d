/* The composed model: its embedding, its building, its row. */
#include "zoo/composed_internal.h"

#include "tensor/nearest_name.h"

#include <math.h>
#include <string.h>

/* ---- embedding ----------------------------------------------------------------------------------------------------- */

/* UER-py's sinusoids: sines and cosines alternate, the slowest angle is p / 10000, and token t has position t + 2. */
static const float *make_sinusoids(ae_model *m, int64_t rows, int64_t width)
{
    float *table = ae_model_alloc(m, (size_t)(rows * width) * sizeof *table);
    int64_t half = width / 2;
    for (int64_t p = 0; table && p < rows; p++) {
        for (int64_t i = 0; i < half; i++) {
            double angle = (double)(p + 2) * exp(-log(10000) * (double)i / (double)(half > 1 ? half - 1 : 1));
            table[p * width + 2 * i] = (float)sin(angle);
            table[p * width + 2 * i + 1] = (float)cos(angle);
        }
    }
    return table;
}

static void embedding_init(ae_model *m, struct ae_composed *c, const ae_json *config, ae_err *e)
{
    static const char *const names[] = {"word", "pos", "seg", "sinusoidalpos"};
    ae_init init = ae_init_normal(ae_json_double(config, "initializer_range", 0.02, e));
    const char *name = NULL;
    ae_scope s = ae_scope_open(m, "embedding");
    for (const ae_json *j = ae_json_first(ae_json_get(config, "embedding")); j && !e->code; j = ae_json_next(j)) {
        if (ae_json_value_string(j, &name, e) != 0) {
            break;
        }
        if (strcmp(name, "word") == 0) {
            ae_embedding_init(m, &c->word, "word.embedding", c->vocab_size, c->emb_size, init, -1);
        } else if (strcmp(name, "pos") == 0) {
            ae_embedding_init(m, &c->pos, "pos.embedding", c->max_seq_length, c->emb_size, init, -1);
        } else if (strcmp(name, "seg") == 0) {
            ae_embedding_init(m, &c->seg, "seg.embedding", 3, c->emb_size, init, -1);
        } else if (strcmp(name, "sinusoidalpos") == 0 && c->emb_size % 2 == 0) {
            c->sinusoids = make_sinusoids(m, c->max_seq_length, c->emb_size);
        } else if (strcmp(name, "sinusoidalpos") == 0) {
            ae_err_set(e, AE_E_VALUE, "emb_size is %lld; sinusoidalpos needs an even one", (long long)c->emb_size);
        } else {
            const char *nearest = ae_nearest_name(name, names, 4);
            ae_err_set(e, AE_E_VALUE, "embedding: \"%s\" is not known; %s%s", name,
                       nearest ? "did you mean " : "word, pos, seg and sinusoidalpos are", nearest ? nearest : "");
        }
    }
    if (!ae_json_bool(config, "remove_embedding_layernorm", false, e)) {
        ae_layer_norm_init_uer(m, &c->embedding_norm, "layer_norm", c->emb_size);
    }
    ae_scope_close(s);
}

/* (T,emb_size), or (B,T,emb_size) with zeros at padding. */
static ae_tensor *sinusoids(ae_graph *g, const struct ae_composed *c, const ae_tokens *t)
{
    int64_t shape[2] = {ae_dim(t->ids, 1), c->emb_size};
    ae_tensor *y = ae_from_data(g, AE_F32, 2, shape, c->sinusoids);
    return t->attention_mask ? ae_mul(g, y, ae_unsqueeze(g, ae_cast(g, t->attention_mask, AE_F32), -1)) : y;
}

ae_tensor *ae_composed_embed(ae_graph *g, const struct ae_composed *c, const ae_tokens *t)
{
    int64_t length = ae_dim(t->ids, 1);
    if (ae_ok(g) && (c->pos.weight || c->sinusoids) && length > c->max_seq_length) {
        return ae_fail(g, AE_E_VALUE, "composed: a text of %lld tokens; max_seq_length is %lld", (long long)length,
                       (long long)c->max_seq_length);
    }
    ae_frame f = ae_frame_open(g);
    ae_tensor *x = NULL, *parts[4] = {0};
    if (c->word.weight) {
        parts[0] = ae_embedding(g, &c->word, t->ids);
        parts[0] = c->sinusoids ? ae_scale(g, parts[0], sqrt((double)c->emb_size)) : parts[0];
    }
    parts[1] = c->seg.weight ? ae_embedding(g, &c->seg, t->segments) : NULL;
    parts[2] = c->pos.weight ? ae_slice(g, c->pos.weight, 0, 0, length, 1) : NULL;
    parts[3] = c->sinusoids ? sinusoids(g, c, t) : NULL;
    for (int i = 0; i < 4; i++) {
        x = x && parts[i] ? ae_add(g, x, parts[i]) : parts[i] ? parts[i] : x;
    }
    if (!x) {
        return ae_frame_return(f, ae_fail(g, AE_E_STATE, "composed: the model was not built"));
    }
    x = ae_expand(g, x, 3, (int64_t[]){ae_dim(t->ids, 0), length, c->emb_size}); /* positions alone have no batch */
    x = c->embedding_norm.weight ? ae_layer_norm(g, &c->embedding_norm, x) : x;
    return ae_frame_return(f, ae_dropout(g, x, c->dropout));
}

ae_tensor *ae_composed_encode(ae_graph *g, const struct ae_composed *c, const ae_tokens *t)
{
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    ae_frame f = ae_frame_open(g);
    ae_tensor *x = ae_composed_embed(g, c, t);
    ae_observe(g, x, "embedding");
    ae_tensor *states = c->encoder->encode(g, c->self, x, t);
    if (ae_ok(g) && (states->ndim != 3 || states->shape[2] != c->width)) {
        char text[AE_SHAPE_TEXT_MAX];
        ae_fail(g, AE_E_SHAPE, "%s: its states are %s; (batch, tokens, %lld) was announced", c->encoder->name,
                ae_shape_text(states->ndim, states->shape, text), (long long)c->width);
    }
    ae_observe(g, states, "encoder_output");
    return ae_frame_return(f, states);
}

/* ---- building ------------------------------------------------------------------------------------------------------ */

/* Every key that a composed model or one of the known encoders reads. */
static int check_keys(const ae_json *config, const ae_encoder *const *extra, ae_err *e)
{
    static const char *const shared[] = {
        "vocab_size",      "embedding",         "encoder",      "target",         "hidden_size",
        "emb_size",        "layers_num",        "dropout",      "max_seq_length", "remove_embedding_layernorm",
        "tie_weights",     "hidden_act",        "pooling",      "num_labels",     "labels_num",
        "id2label",        "label2id",          "problem_type", "prefix_lm_loss", "has_lmtarget_bias",
        "label_smoothing", "initializer_range", "pack",         "data_processor", "decoder",
        "architectures",   "model_type",        "pad_token_id", "bos_token_id",   "eos_token_id",
    };
    enum { SHARED = sizeof shared / sizeof *shared, MOST = 512 };
    const char *known[MOST];
    const ae_encoder *encoder;
    int n = SHARED;
    memcpy(known, shared, sizeof shared);
    for (int i = 0; (encoder = ae_encoder_at(extra, i)) != NULL; i++) {
        for (const char *const *key = encoder->keys; key && *key && n < MOST; key++) {
            known[n++] = *key;
        }
    }
    return ae_json_check_keys(config, known, n, e);
}

static void read_targets(struct ae_composed *c, const ae_json *config, ae_err *e)
{
    const char *names[AE_TARGET_COUNT], *name = NULL;
    for (int i = 0; i < AE_TARGET_COUNT; i++) {
        names[i] = ae_target_name((ae_target)i);
    }
    for (const ae_json *j = ae_json_first(ae_json_get(config, "target")); j && !e->code; j = ae_json_next(j)) {
        int found = -1;
        if (ae_json_value_string(j, &name, e) != 0) {
            return;
        }
        for (int i = 0; i < AE_TARGET_COUNT; i++) {
            found = strcmp(name, names[i]) == 0 ? i : found;
        }
        if (found < 0) {
            const char *nearest = ae_nearest_name(name, names, AE_TARGET_COUNT);
            ae_err_set(e, AE_E_VALUE, "target: \"%s\" is not known; %s%s", name,
                       nearest ? "did you mean " : "mlm, sp, lm, bilm, cls and siamese are", nearest ? nearest : "");
        } else if (c->has[found]) {
            ae_err_set(e, AE_E_VALUE, "target: \"%s\" stands there twice", name);
        } else {
            c->has[found] = true;
            c->targets++;
        }
    }
}

static void read_shared(struct ae_composed *c, const ae_json *config, ae_err *e)
{
    const int64_t most = 1 << 28;
    const ae_json *pack = ae_json_get(config, "pack");
    c->vocab_size = ae_json_need_int(config, "vocab_size", e);
    c->emb_size = ae_json_int(config, "emb_size", ae_json_int(config, "hidden_size", 512, e), e);
    c->max_seq_length = ae_json_int(config, "max_seq_length", 512, e);
    c->dropout = ae_json_double(config, "dropout", 0.1, e);
    c->prefix_lm_loss = ae_json_bool(config, "prefix_lm_loss", false, e);
    c->label_smoothing = ae_json_double(config, "label_smoothing", 0, e);
    const char *act = ae_json_string(config, "hidden_act", "gelu", e);
    const char *pooling = ae_json_string(config, "pooling", "first", e);
    ae_problem_read(config, &c->problem, &c->num_labels, e);
    if (!ae_json_is_null(pack)) {
        c->pack = ae_json_bool(config, "pack", true, e) ? AE_PACK_ALWAYS : AE_PACK_NEVER;
    }
    if (e->code || ae_act_parse(act, &c->act, e) != 0 || ae_pooling_parse(pooling, &c->pooling, e) != 0) {
        return;
    }
    if (c->vocab_size < 1 || c->vocab_size > most || c->emb_size < 1 || c->emb_size > 1 << 20 ||
        c->max_seq_length < 1 || c->max_seq_length > 1 << 20) {
        ae_err_set(e, AE_E_VALUE,
                   "vocab_size %lld, emb_size %lld and max_seq_length %lld must be positive and no larger "
                   "than 2^28, 2^20 and 2^20",
                   (long long)c->vocab_size, (long long)c->emb_size, (long long)c->max_seq_length);
    } else if (!(c->label_smoothing >= 0 && c->label_smoothing < 1) || !(c->dropout >= 0 && c->dropout < 1)) {
        ae_err_set(e, AE_E_VALUE, "dropout %g and label_smoothing %g must be at least 0 and below 1", c->dropout,
                   c->label_smoothing);
    }
}

/* A language model that sees the word it predicts learns nothing; better to say so. */
static void check_sight(const struct ae_composed *c, ae_err *e)
{
    ae_sight sight = c->encoder->sight ? c->encoder->sight(c->self) : AE_SIGHT_FULL;
    if (c->has[AE_TARGET_lm] && sight != AE_SIGHT_PAST) {
        ae_err_set(e, AE_E_VALUE, "target lm: the encoder %s sees the words that it should predict; use %s",
                   c->encoder->name,
                   strcmp(c->encoder->name, "transformer") == 0 ? "\"mask\": \"causal\""
                   : sight == AE_SIGHT_APART                    ? "the target bilm, or an encoder of one direction"
                                                                : "an encoder of one direction");
    } else if (c->has[AE_TARGET_bilm] && (sight != AE_SIGHT_APART || c->width % 2)) {
        ae_err_set(e, AE_E_VALUE,
                   "target bilm: the encoder %s does not keep its two directions apart; birnn, bilstm and "
                   "bigru do",
                   c->encoder->name);
    }
}

static void build_parts(ae_model *m, struct ae_composed *c, const ae_json *config, const ae_encoder *const *extra,
                        ae_err *e)
{
    read_targets(c, config, e);
    read_shared(c, config, e);
    if (e->code) {
        return;
    }
    c->encoder = ae_encoder_find(extra, ae_json_string(config, "encoder", "transformer", e), e);
    if (!c->encoder || check_keys(config, extra, e) != 0) {
        return;
    }
    c->self = ae_model_alloc(m, c->encoder->size);
    embedding_init(m, c, config, e);
    if (e->code || !c->self) {
        return;
    }
    ae_scope s = ae_scope_open(m, "encoder");
    c->width = c->encoder->build(m, c->self, config, c->emb_size);
    ae_scope_close(s);
    if (ae_model_ok(m) && c->width < 1) {
        ae_err_set(e, AE_E_VALUE, "the encoder %s announces states of %lld numbers", c->encoder->name,
                   (long long)c->width);
    }
    if (!e->code && ae_model_ok(m)) {
        check_sight(c, e);
        ae_composed_targets_init(m, c, config, e);
    }
}

void ae_composed_build(ae_model *m, void *self, const ae_json *config, const ae_encoder *const *extra)
{
    ae_err e = {0};
    ae_json *own = ae_composed_config(config, &e);
    if (own) {
        build_parts(m, self, own, extra, &e);
    }
    if (e.code) {
        ae_model_fail(m, e.code, "composed: %s", e.message);
    }
    if (!ae_model_ok(m)) {
        ((struct ae_composed *)self)->encoder = NULL; /* what is half built is not run */
    }
    ae_json_free(own);
}

/* ---- running ------------------------------------------------------------------------------------------------------- */

ae_tensor *ae_composed_run(const void *self, ae_io *io)
{
    const struct ae_composed *c = self;
    ae_graph *g = io->graph;
    bool apart = ae_tensors_get(io->inputs, "s1_ids") != NULL;
    if (!c->encoder) {
        return ae_fail(g, AE_E_STATE, "composed: the model was not built");
    }
    if (apart && c->has[AE_TARGET_siamese]) {
        return ae_composed_siamese_run(c, io);
    }
    if (apart) {
        return ae_fail(g, AE_E_VALUE, "composed: the batch holds texts apart (s1_ids); the target siamese takes them");
    }
    struct ae_composed_batch batch = ae_composed_read_batch(c, io, 0);
    ae_reading reading;
    batch.tokens.reading = ae_composed_targets_read(c, io, &batch, &reading) ? &reading : NULL;
    ae_tensor *states = ae_composed_encode(g, c, &batch.tokens);
    if (!batch.uer) {
        ae_io_put(io, "last_hidden_state", states);
    }
    return ae_composed_targets_run(c, io, &batch, states);
}

static void build(ae_model *m, void *self, const ae_json *config, int kind)
{
    (void)kind;
    ae_composed_build(m, self, config, NULL);
}

static bool recomputes(const void *self)
{
    const struct ae_composed *c = self;
    return c->encoder && c->encoder->recomputes && c->encoder->recomputes(c->self);
}

const ae_zoo_model ae_composed_models[] = {{.name = "composed",
                                            .class_name = "Composed",
                                            .alias = "build_model",
                                            .paper = "Zhao et al. 2019, arXiv:1909.05658",
                                            .size = sizeof(struct ae_composed),
                                            .build = build,
                                            .run = ae_composed_run,
                                            .packs = true,
                                            .recomputes = recomputes}};
const int ae_composed_model_count = sizeof ae_composed_models / sizeof ae_composed_models[0];
