/* The Transformer with UER-py's options and names: Vaswani et al. 2017, arXiv:1706.03762. One layer, on x (B,T,H):
 *
 *     layernorm_positioning post     x = N(x + Attention(x))     x = N(x + F(x))
 *     layernorm_positioning pre      x = x + Attention(N(x))     x = x + F(N(x))     and N behind all of them
 *
 * so that BERT, GPT-2, ALBERT (parameter_sharing, factorized_embedding_parameterization; Lan et al. 2019,
 * arXiv:1909.11942), UniLM (mask causal_with_prefix; Dong et al. 2019, arXiv:1905.03197), T5's encoder (layernorm t5,
 * relative_position_embedding, feed_forward gated, no scale, no biases; Raffel et al. 2019, arXiv:1910.10683) and
 * RealFormer (has_residual_attention; He et al. 2020, arXiv:2012.11747) are configurations of it. */
#include "zoo/encoders.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FARTHEST = 128 }; /* tokens: relative positions beyond share the last bucket */

struct norm {
    bool t5;
    struct ae_layer_norm normal;
    struct ae_rms_norm rms;
};

struct layer {
    struct ae_attention attention;
    struct norm norm_1, norm_2;
    struct ae_feed_forward feed_forward;
};

struct transformer {
    ae_encoder_sizes sizes;
    ae_mask_kind mask;
    bool pre, t5, shared, residual;
    int64_t heads, head_size, inner, buckets;
    struct ae_linear linear;    /* emb_size to hidden_size; weight NULL unless factorized */
    struct layer *layer;        /* (layers_num), or one where shared */
    struct norm norm;           /* pre only */
    struct ae_embedding bucket; /* (buckets, A); weight NULL without relative positions */
};

/* ---- configuration ------------------------------------------------------------------------------------------------- */

/* Which of `count` words stands under key; the first one when nothing does. */
static int choice(const ae_json *config, const char *key, const char *const *words, int count, ae_err *e)
{
    const char *word = ae_json_string(config, key, words[0], e);
    for (int i = 0; i < count; i++) {
        if (!word || strcmp(word, words[i]) == 0) {
            return i;
        }
    }
    ae_err_set(e, AE_E_VALUE, "%s is \"%s\"; %s, %s%s%s exist", key, word, words[0], words[1], count > 2 ? ", " : "",
               count > 2 ? words[2] : "");
    return 0;
}

static const char *const masks[] = {"fully_visible", "causal", "causal_with_prefix"};
static const char *const places[] = {"post", "pre"}, *const norms[] = {"normal", "t5"},
                         *const feeds[] = {"dense", "gated"};

static void read_config(struct transformer *t, const ae_json *config, ae_err *e)
{
    int64_t hidden = t->sizes.hidden_size;
    t->heads = ae_json_int(config, "heads_num", hidden % 64 == 0 ? hidden / 64 : 1, e);
    t->inner = ae_json_int(config, "feedforward_size", 4 * hidden, e);
    t->mask = (ae_mask_kind)choice(config, "mask", masks, 3, e);
    t->pre = choice(config, "layernorm_positioning", places, 2, e) == 1;
    t->t5 = choice(config, "layernorm", norms, 2, e) == 1;
    t->shared = ae_json_bool(config, "parameter_sharing", false, e);
    t->residual = ae_json_bool(config, "has_residual_attention", false, e);
    if (e->code) {
        return;
    }
    bool own = !ae_json_is_null(ae_json_get(config, "attention_head_size"));
    if (t->heads < 1 || t->heads > 4096 || (!own && hidden % t->heads != 0)) {
        ae_err_set(e, AE_E_VALUE,
                   "hidden_size %lld with heads_num %lld: the heads must share it evenly, or "
                   "attention_head_size be given",
                   (long long)hidden, (long long)t->heads);
        return;
    }
    t->head_size = ae_json_int(config, "attention_head_size", hidden / t->heads, e);
    if (t->head_size < 1 || t->head_size > 1 << 16 || t->inner < 1 || t->inner > 1 << 24) {
        ae_err_set(e, AE_E_VALUE, "attention_head_size %lld and feedforward_size %lld must be positive",
                   (long long)t->head_size, (long long)t->inner);
    }
}

/* ---- parameters ---------------------------------------------------------------------------------------------------- */

static void norm_init(ae_model *m, struct norm *n, const char *name, int64_t width, bool t5)
{
    n->t5 = t5;
    if (t5) {
        ae_rms_norm_init(m, &n->rms, name, width, 1e-6);
    } else {
        ae_layer_norm_init_uer(m, &n->normal, name, width);
    }
}

static void layer_init(ae_model *m, const struct transformer *t, struct layer *l, const ae_json *config, ae_init init,
                       ae_err *e)
{
    static const ae_attention_names attention = {"linear_layers.0", "linear_layers.1", "linear_layers.2",
                                                 "final_linear"};
    static const ae_feed_forward_names feed[2] = {{"linear_1", NULL, "linear_2"},
                                                  {"linear_gate", "linear_1", "linear_2"}};
    int64_t h = t->sizes.hidden_size;
    bool bias = !ae_json_bool(config, "remove_transformer_bias", false, e);
    bool unscaled = ae_json_bool(config, "remove_attention_scale", false, e);
    const char *act = ae_json_string(config, "hidden_act", "gelu", e);
    ae_act function = AE_ACT_FN_GELU;
    int gated = choice(config, "feed_forward", feeds, 2, e);
    if (e->code || ae_act_parse(act, &function, e) != 0) {
        return;
    }
    ae_scope s = ae_scope_open(m, "self_attn");
    ae_attention_init(m, &l->attention, &attention, h, (int)t->heads, t->head_size, t->sizes.dropout, init, bias);
    l->attention.options.scale = unscaled ? 1 : 0;
    ae_scope_close(s);
    ae_feed_forward_init(m, &l->feed_forward, "feed_forward", &feed[gated], h, t->inner, function, init, bias);
    norm_init(m, &l->norm_1, "layer_norm_1", h, t->t5);
    norm_init(m, &l->norm_2, "layer_norm_2", h, t->t5);
}

static void extras_init(ae_model *m, struct transformer *t, const ae_json *config, int64_t width, ae_init init,
                        ae_err *e)
{
    int64_t h = t->sizes.hidden_size;
    if (ae_json_bool(config, "factorized_embedding_parameterization", false, e)) {
        ae_linear_init(m, &t->linear, "linear", width, h, init, true);
    } else if (width != h) {
        ae_err_set(e, AE_E_VALUE,
                   "emb_size %lld is not hidden_size %lld; they may differ with "
                   "factorized_embedding_parameterization",
                   (long long)width, (long long)h);
    }
    if (t->pre) {
        norm_init(m, &t->norm, "layer_norm", h, t->t5);
    }
    if (ae_json_bool(config, "relative_position_embedding", false, e)) {
        t->buckets = ae_json_int(config, "relative_attention_buckets_num", 32, e);
        if (!e->code && (t->buckets < 4 || t->buckets > 1 << 16 || t->buckets % 4 || t->buckets > 4 * FARTHEST)) {
            ae_err_set(e, AE_E_VALUE, "relative_attention_buckets_num is %lld; it must be a multiple of 4 in 4..%d",
                       (long long)t->buckets, 4 * FARTHEST);
        } else if (!e->code) {
            ae_embedding_init(m, &t->bucket, "relative_pos_emb.relative_attention_bias", t->buckets, t->heads, init,
                              -1);
        }
    }
}

static int64_t build(ae_model *m, void *self, const ae_json *config, int64_t width)
{
    struct transformer *t = self;
    ae_err e = {0};
    ae_init init = ae_init_normal(ae_json_double(config, "initializer_range", 0.02, &e));
    if (ae_encoder_read_sizes(m, "transformer", config, &t->sizes) != 0) {
        return 1;
    }
    read_config(t, config, &e);
    int layers = t->shared ? 1 : t->sizes.layers_num;
    t->layer = e.code ? NULL : ae_model_alloc(m, (size_t)layers * sizeof *t->layer);
    for (int i = 0; t->layer && i < layers && !e.code; i++) {
        ae_scope s = t->shared ? ae_scope_open(m, "transformer") : ae_scope_open(m, "transformer.%d", i);
        layer_init(m, t, &t->layer[i], config, init, &e);
        ae_scope_close(s);
    }
    if (t->layer && !e.code) {
        extras_init(m, t, config, width, init, &e);
    }
    if (e.code) {
        ae_model_fail(m, e.code, "transformer: %s", e.message);
    }
    return t->sizes.hidden_size;
}

/* ---- which keys a query sees --------------------------------------------------------------------------------------- */

/* How many tokens of the first segment each row begins with; a row where one of the second stands before one of the
 * first has no prefix. */
static ae_tensor *prefix_lengths(ae_graph *g, const ae_tensor *segments)
{
    int64_t b = ae_dim(segments, 0), t = ae_dim(segments, 1);
    ae_tensor *prefix = ae_zeros(g, AE_I64, 1, &b);
    for (int64_t i = 0; i < b && ae_ok(g); i++) {
        int64_t n = 0, k;
        while (n < t && ae_get_i64(segments, i * t + n) == 1) {
            n++;
        }
        for (k = n; k < t && ae_get_i64(segments, i * t + k) != 1; k++) {
        }
        if (k < t) {
            ae_fail(g, AE_E_VALUE,
                    "transformer: mask causal_with_prefix needs the first segment in front; row %lld "
                    "has a token of it behind another",
                    (long long)i);
        }
        ae_set_i64(prefix, i, n);
    }
    return prefix;
}

/* The bucket of key j for query i, T5's: exact for small distances, then by the logarithm; half of them for keys
 * behind. */
static int64_t bucket_of(int64_t distance, int64_t buckets)
{
    int64_t half = buckets / 2, exact = half / 2, far = distance < 0 ? -distance : distance;
    if (far >= exact) {
        float log_part = logf((float)far / (float)exact) / (float)log((double)FARTHEST / (double)exact);
        int64_t wide = exact + (int64_t)(log_part * (float)(half - exact));
        far = wide < half - 1 ? wide : half - 1;
    }
    return far + (distance > 0 ? half : 0);
}

/* (1,A,T,T), multiplied with the scale of the scores, as UER-py adds it before scaling. */
static ae_tensor *position_bias(ae_graph *g, const struct transformer *t, int64_t length)
{
    ae_frame f = ae_frame_open(g);
    ae_tensor *buckets = ae_zeros(g, AE_I64, 2, (int64_t[]){length, length});
    for (int64_t i = 0; i < length * length && ae_ok(g); i++) {
        ae_set_i64(buckets, i, bucket_of(i % length - i / length, t->buckets));
    }
    ae_tensor *bias = ae_permute(g, ae_embedding(g, &t->bucket, buckets), (int[]){2, 0, 1});
    double scale = t->layer->attention.options.scale;
    return ae_frame_return(
        f, ae_scale(g, ae_unsqueeze(g, bias, 0), scale != 0.0 ? scale : 1 / sqrt((double)t->head_size)));
}

/* Causal attention needs no padding mask: padding stands behind every token that counts. */
static const ae_mask *mask_of(ae_graph *g, const struct transformer *t, const ae_tokens *tokens)
{
    switch (t->mask) {
    case AE_MASK_CAUSAL:
        return ae_mask_causal(g, NULL);
    case AE_MASK_PREFIX:
        return ae_mask_prefix(g, prefix_lengths(g, tokens->segments), tokens->attention_mask);
    default:
        return ae_mask_padding(g, tokens->attention_mask);
    }
}

/* ---- RealFormer's attention ---------------------------------------------------------------------------------------- */

/* (B,1,T,T): 0 where a query sees a key, else -10000. */
static ae_tensor *additive(ae_graph *g, const struct transformer *t, const ae_tokens *tokens)
{
    int64_t b = ae_dim(tokens->ids, 0), n = ae_dim(tokens->ids, 1);
    ae_tensor *y = ae_zeros(g, AE_F32, 4, (int64_t[]){b, 1, n, n});
    ae_tensor *prefix = t->mask == AE_MASK_PREFIX ? prefix_lengths(g, tokens->segments) : NULL;
    for (int64_t i = 0; i < b * n * n && ae_ok(g); i++) {
        int64_t row = i / (n * n), query = i / n % n, key = i % n;
        bool real = !tokens->attention_mask || ae_get_f64(tokens->attention_mask, row * n + key) != 0.0;
        bool sees = t->mask == AE_MASK_FULL     ? real
                    : t->mask == AE_MASK_CAUSAL ? key <= query
                                                : real && (key <= query || key < ae_get_i64(prefix, row));
        ae_set_f64(y, i, sees ? 0 : -10000);
    }
    return y;
}

/* (B,T,A*D) to (B,A,T,D). */
static ae_tensor *heads(ae_graph *g, const struct transformer *t, ae_tensor *x)
{
    int64_t shape[4] = {ae_dim(x, 0), ae_dim(x, 1), t->heads, t->head_size};
    return ae_transpose(g, ae_reshape(g, x, 4, shape), 1, 2);
}

/* Scores are those of this layer plus all those before, which stand in *scores (NULL in the first layer). */
static ae_tensor *residual_attention(ae_graph *g, const struct transformer *t, const struct layer *l, ae_tensor *x,
                                     ae_tensor *hidden, ae_tensor *bias, ae_tensor **scores)
{
    double scale = l->attention.options.scale;
    ae_tensor *q = heads(g, t, ae_linear(g, &l->attention.query, x));
    ae_tensor *k = heads(g, t, ae_linear(g, &l->attention.key, x));
    ae_tensor *v = heads(g, t, ae_linear(g, &l->attention.value, x));
    ae_tensor *s = ae_matmul(g, q, ae_transpose(g, k, 2, 3));
    s = ae_scale(g, s, scale != 0.0 ? scale : 1 / sqrt((double)t->head_size));
    s = bias ? ae_add(g, s, bias) : s;
    *scores = *scores ? ae_add(g, s, *scores) : s;
    ae_tensor *p = ae_dropout(g, ae_softmax(g, ae_add(g, *scores, hidden), -1), t->sizes.dropout);
    ae_tensor *y = ae_transpose(g, ae_matmul(g, p, v), 1, 2);
    int64_t shape[3] = {ae_dim(x, 0), ae_dim(x, 1), t->heads * t->head_size};
    return ae_linear(g, &l->attention.output, ae_reshape(g, y, 3, shape));
}

/* ---- the encoder --------------------------------------------------------------------------------------------------- */

/* What all layers of one run share. */
struct run {
    const struct transformer *t;
    const ae_packing *packing; /* NULL: padded */
    const ae_mask *mask;
    ae_queries last;                   /* of the last layer, which the others' packing and mask give way to */
    ae_tensor *hidden, *bias, *scores; /* of RealFormer's attention */
};

static ae_tensor *normalise(ae_graph *g, const struct norm *n, ae_tensor *x)
{
    return n->t5 ? ae_rms_norm(g, &n->rms, x) : ae_layer_norm(g, &n->normal, x);
}

/* q are the rows of x that attend. */
static ae_tensor *attend(ae_graph *g, struct run *r, const struct layer *l, int i, ae_tensor *q, ae_tensor *x)
{
    ae_tensor *y = r->t->residual ? residual_attention(g, r->t, l, x, r->hidden, r->bias, &r->scores)
                                  : ae_attention(g, &l->attention, q, x, r->mask, i);
    return ae_dropout(g, y, r->t->sizes.dropout);
}

static ae_tensor *rows_of(ae_graph *g, ae_tensor *x, ae_tensor *rows)
{
    return rows ? ae_index_select(g, x, 0, rows) : x;
}

/* rows: those of packed x that attend and go on; NULL: all. */
static ae_tensor *run_layer(ae_graph *g, struct run *r, int i, ae_tensor *x, ae_tensor *rows)
{
    const struct layer *l = &r->t->layer[r->t->shared ? 0 : i];
    double dropout = r->t->sizes.dropout;
    ae_frame f = ae_frame_open(g);
    ae_tensor *on = rows_of(g, x, rows);
    if (r->t->pre) {
        ae_tensor *n = normalise(g, &l->norm_1, x);
        x = ae_add(g, on, attend(g, r, l, i, rows_of(g, n, rows), n));
        ae_tensor *h = ae_feed_forward(g, &l->feed_forward, normalise(g, &l->norm_2, x));
        x = ae_add(g, x, ae_dropout(g, h, dropout));
    } else {
        x = normalise(g, &l->norm_1, ae_add(g, on, attend(g, r, l, i, on, x)));
        ae_tensor *h = ae_feed_forward(g, &l->feed_forward, x);
        x = normalise(g, &l->norm_2, ae_add(g, x, ae_dropout(g, h, dropout)));
    }
    if (r->scores) {
        ae_frame_keep(f, r->scores);
    }
    return ae_frame_return(f, x);
}

/* One layer as a segment: in[0] is x, in[1] the bias of relative positions or NULL, in[2] the rows that go on or NULL.
 */
struct layer_call {
    struct run run;
    int i;
};

static ae_tensor *call_layer(ae_graph *g, void *self, ae_tensor *const *in, int n)
{
    struct layer_call c = *(const struct layer_call *)self;
    (void)n;
    c.run.mask = in[1] ? ae_mask_with_bias(g, c.run.mask, in[1]) : c.run.mask;
    return run_layer(g, &c.run, c.i, in[0], in[2]);
}

/* RealFormer's layers hand on their scores too: there is little else to spare. */
static ae_tensor *next_state(ae_graph *g, struct run *r, int i, ae_tensor *x)
{
    if (r->t->residual) {
        return run_layer(g, r, i, x, NULL);
    }
    ae_tensor *rows = i == r->t->sizes.layers_num - 1 ? r->last.rows : NULL;
    if (rows) {
        r->packing = r->last.packing;
        r->mask = r->last.mask;
    }
    struct layer_call c = {*r, i};
    return ae_segment(g, call_layer, &c, sizeof c, (ae_tensor *[]){x, r->bias, rows}, 3);
}

static void show(ae_graph *g, const ae_packing *packing, ae_tensor *x, int i)
{
    if (ae_observing(g)) {
        ae_frame f = ae_frame_open(g);
        ae_observe(g, packing ? ae_unpack(g, packing, x) : x, "encoder_layer.%d", i);
        ae_frame_close(f);
    }
}

static void prepare(ae_graph *g, struct run *r, const ae_tokens *tokens)
{
    const struct transformer *t = r->t;
    bool can = t->mask != AE_MASK_PREFIX && !t->bucket.weight && !t->residual;
    bool packs = can && tokens->packed && tokens->attention_mask && ae_begins_real(tokens->attention_mask);
    bool few =
        can && tokens->reading && t->mask == AE_MASK_FULL && !ae_observing(g) && (packs || !tokens->attention_mask);
    if (packs || few) {
        r->packing = packs ? ae_packing_plan(g, tokens->attention_mask)
                           : ae_packing_whole(g, ae_dim(tokens->ids, 0), ae_dim(tokens->ids, 1));
        r->mask = ae_packing_mask(g, r->packing, t->mask);
        r->last = few ? ae_packing_read(g, r->packing, tokens->reading) : r->last;
        return;
    }
    r->bias = t->bucket.weight ? position_bias(g, t, ae_dim(tokens->ids, 1)) : NULL;
    if (t->residual) {
        r->hidden = additive(g, t, tokens);
        return;
    }
    r->mask = mask_of(g, t, tokens); /* its layers add the bias */
}

static ae_tensor *encode(ae_graph *g, const void *self, ae_tensor *x, const ae_tokens *tokens)
{
    const struct transformer *t = self;
    if (!t->layer) {
        return ae_fail(g, AE_E_STATE, "transformer: it was not built");
    }
    ae_frame f = ae_frame_open(g);
    struct run r = {.t = t};
    prepare(g, &r, tokens);
    ae_frame states = ae_frame_open(g);
    x = r.packing ? ae_pack(g, r.packing, x) : x;
    x = t->linear.weight ? ae_linear(g, &t->linear, x) : x;
    for (int i = 0; i < t->sizes.layers_num; i++) {
        x = next_state(g, &r, i, x);
        x = t->residual ? x : ae_frame_carry(states, x); /* the scores outlive their layer */
        show(g, r.packing, x, i);
    }
    x = t->pre ? normalise(g, &t->norm, x) : x;
    return ae_frame_return(f, r.packing ? ae_unpack(g, r.packing, x) : x);
}

static ae_sight sees(const void *self)
{
    return ((const struct transformer *)self)->mask == AE_MASK_FULL ? AE_SIGHT_FULL : AE_SIGHT_PAST;
}

static bool recomputes(const void *self)
{
    return !((const struct transformer *)self)->residual;
}

static const char *const keys[] = {"heads_num",
                                   "attention_head_size",
                                   "feedforward_size",
                                   "feed_forward",
                                   "mask",
                                   "layernorm_positioning",
                                   "layernorm",
                                   "relative_position_embedding",
                                   "relative_attention_buckets_num",
                                   "remove_attention_scale",
                                   "remove_transformer_bias",
                                   "parameter_sharing",
                                   "factorized_embedding_parameterization",
                                   "has_residual_attention",
                                   NULL};

const ae_encoder ae_encoder_transformer = {.name = "transformer",
                                           .about = "BERT, GPT-2, ALBERT, T5's encoder and their mixtures (Vaswani et "
                                                    "al. 2017)",
                                           .size = sizeof(struct transformer),
                                           .keys = keys,
                                           .build = build,
                                           .encode = encode,
                                           .sight = sees,
                                           .recomputes = recomputes};
