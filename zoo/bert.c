/* BERT. Per layer (post-norm), with x (B,T,H):
 *     x = LayerNorm(x + Dropout(MultiHeadAttention(x)))
 *     x = LayerNorm(x + Dropout(W2 gelu(W1 x + b1) + b2))
 * where the last layer goes on with those positions alone that a head reads. */
#include "zoo/bert.h"

/* ---- parameters ---------------------------------------------------------------------------------------------------- */

static void layer_init(ae_model *m, struct ae_bert_layer *l, const ae_bert_config *c, int i)
{
    static const ae_attention_names names = {"attention.self.query", "attention.self.key", "attention.self.value",
                                             "attention.output.dense"};
    static const ae_attention_names cross_names = {"crossattention.self.query", "crossattention.self.key",
                                                   "crossattention.self.value", "crossattention.output.dense"};
    ae_init init = ae_init_truncated_normal(c->initializer_range);
    int64_t width = c->hidden_size / c->num_attention_heads;
    ae_scope s = ae_scope_open(m, "encoder.layer.%d", i);
    ae_attention_init(m, &l->attention, &names, c->hidden_size, (int)c->num_attention_heads, width,
                      c->attention_probs_dropout_prob, init, true);
    if (c->position_embedding_type != AE_BERT_ABSOLUTE) {
        int64_t shape[2] = {2 * c->max_position_embeddings - 1, width};
        l->distance = ae_param(m, "attention.self.distance_embedding.weight", 2, shape, init);
    }
    ae_layer_norm_init(m, &l->attention_norm, "attention.output.LayerNorm", c->hidden_size, c->layer_norm_eps);
    if (c->add_cross_attention) {
        ae_attention_init(m, &l->cross, &cross_names, c->hidden_size, (int)c->num_attention_heads, width,
                          c->attention_probs_dropout_prob, init, true);
        ae_layer_norm_init(m, &l->cross_norm, "crossattention.output.LayerNorm", c->hidden_size, c->layer_norm_eps);
    }
    ae_linear_init(m, &l->intermediate, "intermediate.dense", c->hidden_size, c->intermediate_size, init, true);
    ae_linear_init(m, &l->output, "output.dense", c->intermediate_size, c->hidden_size, init, true);
    ae_layer_norm_init(m, &l->output_norm, "output.LayerNorm", c->hidden_size, c->layer_norm_eps);
    ae_scope_close(s);
}

void ae_bert_init(ae_model *m, struct ae_bert *b, const ae_bert_config *config, bool pooler)
{
    const ae_bert_config *c = config;
    ae_init init = ae_init_truncated_normal(c->initializer_range);
    b->config = *c;
    ae_embedding_init(m, &b->word, "embeddings.word_embeddings", c->vocab_size, c->hidden_size, init, c->pad_token_id);
    ae_embedding_init(m, &b->position, "embeddings.position_embeddings", c->max_position_embeddings, c->hidden_size,
                      c->sinusoidal_positions ? ae_init_sinusoidal_spread(c->initializer_range) : init, -1);
    ae_embedding_init(m, &b->token_type, "embeddings.token_type_embeddings", c->type_vocab_size, c->hidden_size, init,
                      -1);
    ae_layer_norm_init(m, &b->embedding_norm, "embeddings.LayerNorm", c->hidden_size, c->layer_norm_eps);
    b->layer = ae_model_alloc(m, (size_t)c->num_hidden_layers * sizeof *b->layer);
    for (int i = 0; b->layer && i < c->num_hidden_layers; i++) {
        layer_init(m, &b->layer[i], c, i);
    }
    if (pooler) {
        ae_linear_init(m, &b->pooler, "pooler.dense", c->hidden_size, c->hidden_size, init, true);
    }
}

/* ---- encoder ------------------------------------------------------------------------------------------------------- */

/* word + position + token type, (B,T,H); packed (N,H). */
static ae_tensor *embed(ae_graph *g, const struct ae_bert *b, const ae_bert_inputs *in, const ae_packing *packing)
{
    ae_frame f = ae_frame_open(g);
    int64_t shape[2] = {ae_dim(in->input_ids, 0), ae_dim(in->input_ids, 1)};
    ae_tensor *ids = in->input_ids;
    ae_tensor *types = in->token_type_ids ? in->token_type_ids : ae_zeros(g, AE_I64, 2, shape);
    ae_tensor *positions = in->position_ids ? in->position_ids : ae_arange(g, AE_I64, 0, (double)shape[1], 1);
    positions = ae_expand(g, positions, 2, shape);
    if (packing) {
        ids = ae_pack(g, packing, ids);
        types = ae_pack(g, packing, types);
        positions = ae_pack(g, packing, positions);
    }
    ae_tensor *x = ae_add(g, ae_embedding(g, &b->word, ids), ae_embedding(g, &b->token_type, types));
    if (b->config.position_embedding_type == AE_BERT_ABSOLUTE) {
        x = ae_add(g, x, ae_embedding(g, &b->position, positions));
    }
    x = ae_layer_norm(g, &b->embedding_norm, x);
    return ae_frame_return(f, ae_dropout(g, x, b->config.hidden_dropout_prob));
}

/* The queries of the longest sequence of x (B,T,H), or packed (N,H). */
static int64_t longest_sequence(const ae_tensor *x, const ae_mask *mask)
{
    int64_t longest = x->ndim == 3 ? x->shape[1] : 1;
    for (int64_t b = 0; mask && mask->q_offsets && b < mask->sequences; b++) {
        int64_t length = mask->q_offsets[b + 1] - mask->q_offsets[b];
        longest = length > longest ? length : longest;
    }
    return longest;
}

/* (2T-1,A*D): E of the distances t - s from T-1 down to 1-T, the same for every head. */
static ae_tensor *distance_keys(ae_graph *g, const struct ae_bert *b, const struct ae_bert_layer *l, int64_t t)
{
    int64_t heads = b->config.num_attention_heads, width = b->config.hidden_size / heads, rows = 2 * t - 1;
    double zero = (double)b->config.max_position_embeddings - 1; /* the row of distance 0 */
    ae_tensor *at = ae_arange(g, AE_I64, zero + (double)(t - 1), zero - (double)t, -1);
    ae_tensor *e = ae_reshape(g, ae_f_embedding(g, l->distance, at, -1), 3, (int64_t[]){rows, 1, width});
    return ae_reshape(g, ae_expand(g, e, 3, (int64_t[]){rows, heads, width}), 2, (int64_t[]){rows, heads * width});
}

/* Self-attention whose scores have q_t . E[t-s] more, and for key_query also k_s . E[t-s]. */
static ae_tensor *attend_by_distance(ae_graph *g, const struct ae_bert *b, const struct ae_bert_layer *l, ae_tensor *x,
                                     const ae_mask *mask, int i)
{
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    ae_frame f = ae_frame_open(g);
    const struct ae_attention *a = &l->attention;
    ae_tensor *q = ae_linear(g, &a->query, x), *k = ae_linear(g, &a->key, x), *v = ae_linear(g, &a->value, x);
    int64_t t = longest_sequence(x, mask);
    bool key_query = b->config.position_embedding_type == AE_BERT_RELATIVE_KEY_QUERY;
    ae_relative relative = {q, distance_keys(g, b, l, t), t - 1, key_query ? k : NULL};
    ae_attention_options options = a->options;
    options.relative = &relative;
    ae_observe_attention(g, q, k, mask, &options, i);
    return ae_frame_return(f, ae_linear(g, &a->output, ae_f_attention(g, q, k, v, mask, &options)));
}

static ae_tensor *attend_to_memory(ae_graph *g, const struct ae_attention *a, int i, ae_tensor *x, ae_tensor *memory,
                                   const ae_mask *mask)
{
    if (ae_observing(g)) {
        ae_frame f = ae_frame_open(g);
        bool was = ae_set_recording(g, false);
        ae_tensor *q = ae_linear(g, &a->query, x), *k = ae_linear(g, &a->key, memory);
        ae_observe(g, ae_attention_scores(g, q, k, mask, &a->options), "cross_attentions.%d", i);
        ae_set_recording(g, was);
        ae_frame_close(f);
    }
    return ae_attention(g, a, x, memory, mask, -1);
}

ae_tensor *ae_bert_layer(ae_graph *g, const struct ae_bert *b, int i, ae_tensor *x, ae_tensor *rows,
                         const ae_mask *mask, ae_tensor *memory, const ae_mask *memory_mask)
{
    ae_frame f = ae_frame_open(g);
    const struct ae_bert_layer *l = &b->layer[i];
    double dropout = b->config.hidden_dropout_prob;
    ae_tensor *q = rows ? ae_index_select(g, x, 0, rows) : x;
    ae_tensor *a =
        l->distance ? attend_by_distance(g, b, l, x, mask, i) : ae_attention(g, &l->attention, q, x, mask, i);
    x = ae_residual_norm(g, &l->attention_norm, q, a, dropout); /* LayerNorm(x + Dropout(a)) */
    if (memory) {
        a = attend_to_memory(g, &l->cross, i, x, memory, memory_mask);
        x = ae_residual_norm(g, &l->cross_norm, x, a, dropout);
    }
    ae_tensor *h = ae_linear_act_linear(g, &l->intermediate, b->config.hidden_act, &l->output, x);
    x = ae_residual_norm(g, &l->output_norm, x, h, dropout);
    return ae_frame_return(f, x);
}

/* One layer as a segment: in[0] is x, in[1] the memory or NULL, in[2] the rows that go on or NULL. */
struct layer_call {
    const struct ae_bert *bert;
    int i;
    const ae_mask *mask, *memory_mask;
};

static ae_tensor *call_layer(ae_graph *g, void *self, ae_tensor *const *in, int n)
{
    const struct layer_call *c = self;
    (void)n;
    return ae_bert_layer(g, c->bert, c->i, in[0], in[2], c->mask, in[1], c->memory_mask);
}

static void show(ae_graph *g, const ae_packing *packing, ae_tensor *x, int i)
{
    if (ae_observing(g)) {
        ae_frame f = ae_frame_open(g);
        ae_observe(g, packing ? ae_unpack(g, packing, x) : x, "hidden_states.%d", i);
        ae_frame_close(f);
    }
}

/* How a batch runs through the layers. */
struct plan {
    const ae_packing *packing; /* NULL: padded */
    const ae_mask *mask, *memory_mask;
    ae_queries last; /* of the last layer */
};

static struct plan plan_of(ae_graph *g, const struct ae_bert *b, const ae_bert_inputs *in)
{
    bool each = in->attention_mask && in->attention_mask->ndim == 3; /* says for each query what it sees */
    bool packed = in->packed && in->attention_mask && !each && !in->encoder_hidden_states;
    bool causal = b->config.is_decoder && !each;
    bool few = in->reading && !ae_observing(g) && !causal && !in->encoder_hidden_states &&
               (packed || !in->attention_mask) && b->config.position_embedding_type == AE_BERT_ABSOLUTE;
    ae_mask_kind kind = causal ? AE_MASK_CAUSAL : AE_MASK_FULL;
    struct plan p = {0};
    if (packed || few) {
        p.packing = packed ? ae_packing_plan(g, in->attention_mask)
                           : ae_packing_whole(g, ae_dim(in->input_ids, 0), ae_dim(in->input_ids, 1));
        p.mask = ae_packing_mask(g, p.packing, kind);
    } else {
        p.mask = causal ? ae_mask_causal(g, in->attention_mask) : ae_mask_padding(g, in->attention_mask);
    }
    if (few) {
        p.last = ae_packing_read(g, p.packing, in->reading);
    }
    if (in->encoder_hidden_states) {
        p.memory_mask = ae_mask_padding(g, in->encoder_attention_mask);
    }
    return p;
}

ae_tensor *ae_bert_encode(ae_graph *g, const struct ae_bert *b, const ae_bert_inputs *in)
{
    ae_tensor *memory = in->encoder_hidden_states;
    if (memory && !b->config.add_cross_attention) {
        return ae_fail(g, AE_E_VALUE,
                       "bert: encoder_hidden_states are given; add_cross_attention must be true for them");
    }
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    ae_frame f = ae_frame_open(g);
    struct plan p = plan_of(g, b, in);
    ae_frame states = ae_frame_open(g);
    ae_tensor *x = embed(g, b, in, p.packing);
    show(g, p.packing, x, 0);
    for (int i = 0; i < b->config.num_hidden_layers; i++) {
        bool few = p.last.rows && i == b->config.num_hidden_layers - 1;
        struct layer_call c = {b, i, few ? p.last.mask : p.mask, p.memory_mask};
        ae_tensor *in_layer[] = {x, memory, few ? p.last.rows : NULL};
        x = ae_frame_carry(states, ae_segment(g, call_layer, &c, sizeof c, in_layer, 3));
        p.packing = few ? p.last.packing : p.packing;
        show(g, p.packing, x, i + 1);
    }
    return ae_frame_return(f, p.packing ? ae_unpack(g, p.packing, x) : x);
}

/* ---- heads --------------------------------------------------------------------------------------------------------- */

ae_tensor *ae_bert_pool(ae_graph *g, const struct ae_bert *b, ae_tensor *states)
{
    ae_frame f = ae_frame_open(g);
    ae_tensor *first = ae_squeeze(g, ae_slice(g, states, 1, 0, 1, 1), 1);
    return ae_frame_return(f, ae_tanh(g, ae_linear(g, &b->pooler, first)));
}

static ae_tensor *transformed(ae_graph *g, const struct ae_bert *b, ae_tensor *states)
{
    ae_tensor *h = ae_linear_act(g, &b->transform, b->config.hidden_act, states);
    return ae_layer_norm(g, &b->transform_norm, h);
}

ae_tensor *ae_bert_mlm_logits(ae_graph *g, const struct ae_bert *b, ae_tensor *states)
{
    ae_frame f = ae_frame_open(g);
    return ae_frame_return(f, ae_f_linear(g, transformed(g, b, states), b->decoder, b->decoder_bias));
}

ae_tensor *ae_bert_mlm_loss(ae_graph *g, const struct ae_bert *b, ae_tensor *states, ae_tensor *labels)
{
    ae_frame f = ae_frame_open(g);
    ae_tensor *targets, *rows = ae_labelled_rows(g, states, labels, -100, &targets);
    ae_tensor *h = transformed(g, b, rows);
    return ae_frame_return(f, ae_linear_cross_entropy(g, h, b->decoder, b->decoder_bias, targets, NULL));
}
