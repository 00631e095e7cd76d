/* GPT-2. Per block (pre-norm), with x (B,T,H):
 *     x = x + Dropout(CausalAttention(LayerNorm(x)))
 *     x = x + Dropout(W2 gelu(W1 LayerNorm(x) + b1) + b2)
 * and a last LayerNorm behind all of them. */
#include "zoo/gpt2.h"

#include <math.h>
#include <string.h>

/* ---- parameters ---------------------------------------------------------------------------------------------------- */

static void block_init(ae_model *m, struct ae_gpt2_block *b, const ae_gpt2_config *c, int i)
{
    ae_init init = ae_init_normal(c->initializer_range);
    /* The paper scales what is added to the residual stream by 1/sqrt(2L): its variance would grow with depth. */
    ae_init residual = ae_init_normal(c->initializer_range / sqrt(2.0 * (double)c->n_layer));
    double width = (double)c->n_embd / (double)c->n_head;
    ae_scope s = ae_scope_open(m, "h.%d", i);
    ae_layer_norm_init(m, &b->ln_1, "ln_1", c->n_embd, c->layer_norm_epsilon);
    ae_linear_init_in_out(m, &b->c_attn, "attn.c_attn", c->n_embd, 3 * c->n_embd, init, true);
    ae_linear_init_in_out(m, &b->c_proj, "attn.c_proj", c->n_embd, c->n_embd, residual, true);
    ae_layer_norm_init(m, &b->ln_2, "ln_2", c->n_embd, c->layer_norm_epsilon);
    ae_linear_init_in_out(m, &b->c_fc, "mlp.c_fc", c->n_embd, c->n_inner, init, true);
    ae_linear_init_in_out(m, &b->mlp_proj, "mlp.c_proj", c->n_inner, c->n_embd, residual, true);
    b->options = (ae_attention_options){.heads = (int)c->n_head, .dropout = c->attn_pdrop};
    b->options.scale = c->scale_attn_weights ? 1.0 / sqrt(width) : 1.0;
    if (c->scale_attn_by_inverse_layer_idx) {
        b->options.scale /= i + 1;
    }
    if (c->add_cross_attention) {
        ae_linear_init_in_out(m, &b->q_attn, "crossattention.q_attn", c->n_embd, c->n_embd, init, true);
        ae_linear_init_in_out(m, &b->cross_attn, "crossattention.c_attn", c->n_embd, 2 * c->n_embd, init, true);
        ae_linear_init_in_out(m, &b->cross_proj, "crossattention.c_proj", c->n_embd, c->n_embd, residual, true);
        ae_layer_norm_init(m, &b->ln_cross_attn, "ln_cross_attn", c->n_embd, c->layer_norm_epsilon);
    }
    ae_scope_close(s);
}

void ae_gpt2_init(ae_model *m, struct ae_gpt2 *p, const ae_gpt2_config *config)
{
    const ae_gpt2_config *c = config;
    ae_init init = ae_init_normal(c->initializer_range);
    p->config = *c;
    ae_embedding_init(m, &p->wte, "wte", c->vocab_size, c->n_embd, init, -1);
    ae_embedding_init(m, &p->wpe, "wpe", c->n_positions, c->n_embd, init, -1);
    p->h = ae_model_alloc(m, (size_t)c->n_layer * sizeof *p->h);
    for (int i = 0; p->h && i < c->n_layer; i++) {
        block_init(m, &p->h[i], c, i);
    }
    ae_layer_norm_init(m, &p->ln_f, "ln_f", c->n_embd, c->layer_norm_epsilon);
}

/* ---- encoder ------------------------------------------------------------------------------------------------------- */

static int64_t read_before(const ae_gpt2_inputs *in)
{
    if (in->cache) {
        return ae_kv_cache_length(in->cache);
    }
    return in->past && in->past[0].key ? ae_dim(in->past[0].key, 1) : 0;
}

/* wte[id] + wpe[position], (B,T,H); packed (N,H). */
static ae_tensor *embed(ae_graph *g, const struct ae_gpt2 *p, const ae_gpt2_inputs *in, const ae_packing *packing)
{
    ae_frame f = ae_frame_open(g);
    int64_t shape[2] = {ae_dim(in->input_ids, 0), ae_dim(in->input_ids, 1)}, start = read_before(in);
    ae_tensor *ids = in->input_ids, *types = in->token_type_ids;
    ae_tensor *positions = in->position_ids;
    if (!positions) {
        positions = ae_arange(g, AE_I64, (double)start, (double)(start + shape[1]), 1);
    }
    positions = ae_expand(g, positions, 2, shape);
    if (packing) {
        ids = ae_pack(g, packing, ids);
        positions = ae_pack(g, packing, positions);
        types = types ? ae_pack(g, packing, types) : NULL;
    }
    ae_tensor *x = ae_add(g, ae_embedding(g, &p->wte, ids), ae_embedding(g, &p->wpe, positions));
    x = types ? ae_add(g, x, ae_embedding(g, &p->wte, types)) : x;
    return ae_frame_return(f, ae_dropout(g, x, p->config.embd_pdrop));
}

static ae_tensor *attend(ae_graph *g, const struct ae_gpt2_block *b, int i, ae_tensor *x, const ae_mask *mask,
                         const ae_gpt2_inputs *in, ae_frame block)
{
    ae_tensor *qkv = ae_linear(g, &b->c_attn, x); /* (B,T,3H) */
    ae_observe(g, qkv, "h.%d.attn.c_attn", i);
    ae_tensor *part[3];
    ae_split(g, qkv, -1, 3, NULL, part);
    ae_tensor *q = part[0], *k = part[1], *v = part[2];
    if (in->cache) {
        ae_kv_cache_append(g, in->cache, i, &k, &v);
    } else if (in->past) {
        ae_kv_extend(g, &in->past[i], k, v);
        k = in->past[i].key;
        v = in->past[i].value;
        ae_frame_keep(block, k);
        ae_frame_keep(block, v);
    }
    ae_observe_attention(g, q, k, mask, &b->options, i);
    ae_tensor *y = ae_f_attention(g, q, k, v, mask, &b->options);
    ae_observe(g, y, "h.%d.attn.heads", i);
    return ae_linear(g, &b->c_proj, y);
}

/* Attention of x (B,T,H) to an encoder's states. */
static ae_tensor *attend_to_memory(ae_graph *g, const struct ae_gpt2_block *b, int i, ae_tensor *x,
                                   const ae_gpt2_inputs *in)
{
    int64_t h = ae_dim(x, -1);
    const ae_mask *mask = ae_mask_padding(g, in->encoder_attention_mask);
    ae_tensor *q = ae_linear(g, &b->q_attn, x), *kv = ae_linear(g, &b->cross_attn, in->encoder_hidden_states);
    ae_tensor *k = ae_slice(g, kv, -1, 0, h, 1), *v = ae_slice(g, kv, -1, h, 2 * h, 1);
    if (ae_observing(g)) {
        ae_frame f = ae_frame_open(g);
        bool was = ae_set_recording(g, false);
        ae_observe(g, ae_attention_scores(g, q, k, mask, &b->options), "cross_attentions.%d", i);
        ae_set_recording(g, was);
        ae_frame_close(f);
    }
    return ae_linear(g, &b->cross_proj, ae_f_attention(g, q, k, v, mask, &b->options));
}

/* The MLP, in one unless somebody looks at its parts. */
static ae_tensor *mlp(ae_graph *g, const struct ae_gpt2 *p, const struct ae_gpt2_block *b, int i, ae_tensor *x)
{
    ae_act act = p->config.activation_function;
    if (!ae_observing(g)) {
        return ae_linear_act_linear(g, &b->c_fc, act, &b->mlp_proj, x);
    }
    ae_tensor *h = ae_linear(g, &b->c_fc, x);
    ae_observe(g, h, "h.%d.mlp.c_fc", i);
    h = ae_activate(g, act, h);
    ae_observe(g, h, "h.%d.mlp.act", i);
    h = ae_linear(g, &b->mlp_proj, h);
    ae_observe(g, h, "h.%d.mlp.c_proj", i);
    return h;
}

ae_tensor *ae_gpt2_block(ae_graph *g, const struct ae_gpt2 *p, int i, ae_tensor *x, const ae_mask *mask,
                         const ae_gpt2_inputs *in)
{
    ae_frame f = ae_frame_open(g);
    const struct ae_gpt2_block *b = &p->h[i];
    ae_tensor *n = ae_layer_norm(g, &b->ln_1, x);
    ae_observe(g, n, "h.%d.ln_1", i);
    ae_tensor *a = attend(g, b, i, n, mask, in, f);
    ae_observe(g, a, "h.%d.attn.c_proj", i);
    x = ae_add(g, x, ae_dropout(g, a, p->config.resid_pdrop));
    ae_observe(g, x, "h.%d.attn.residual", i);
    if (in->encoder_hidden_states) {
        a = attend_to_memory(g, b, i, ae_layer_norm(g, &b->ln_cross_attn, x), in);
        x = ae_add(g, x, ae_dropout(g, a, p->config.resid_pdrop));
    }
    n = ae_layer_norm(g, &b->ln_2, x);
    ae_observe(g, n, "h.%d.ln_2", i);
    ae_tensor *h = mlp(g, p, b, i, n);
    return ae_frame_return(f, ae_add(g, x, ae_dropout(g, h, p->config.resid_pdrop)));
}

/* One block as a segment: in[0] is x, in[1] an encoder's states or NULL. */
struct block_call {
    const struct ae_gpt2 *gpt2;
    int i;
    const ae_mask *mask;
    ae_gpt2_inputs in;
};

static ae_tensor *call_block(ae_graph *g, void *self, ae_tensor *const *in, int n)
{
    struct block_call *c = self;
    (void)n;
    c->in.encoder_hidden_states = in[1];
    return ae_gpt2_block(g, c->gpt2, c->i, in[0], c->mask, &c->in);
}

/* A cache or past takes up keys and values as a side effect, which must happen once. */
static ae_tensor *next_state(ae_graph *g, const struct ae_gpt2 *p, int i, ae_tensor *x, const ae_mask *mask,
                             const ae_gpt2_inputs *in)
{
    if (in->past || in->cache) {
        return ae_gpt2_block(g, p, i, x, mask, in);
    }
    struct block_call c = {p, i, mask, *in};
    return ae_segment(g, call_block, &c, sizeof c, (ae_tensor *[]){x, in->encoder_hidden_states}, 2);
}

static void show(ae_graph *g, const ae_packing *packing, ae_tensor *x, int i)
{
    if (ae_observing(g)) {
        ae_frame f = ae_frame_open(g);
        ae_observe(g, packing ? ae_unpack(g, packing, x) : x, "hidden_states.%d", i);
        ae_frame_close(f);
    }
}

/* Leading axes but the last one become one. */
static ae_tensor *as_batch(ae_graph *g, ae_tensor *x)
{
    return x && x->ndim != 2 ? ae_reshape(g, x, 2, (int64_t[]){-1, ae_dim(x, -1)}) : x;
}

/* (N,T,H) with the leading axes of the ids. */
static ae_tensor *like_ids(ae_graph *g, ae_tensor *x, const ae_tensor *ids)
{
    int64_t shape[AE_MAX_DIMS];
    if (ids->ndim == 2 || !ae_ok(g) || ids->ndim >= AE_MAX_DIMS) {
        return x;
    }
    memcpy(shape, ids->shape, sizeof shape);
    shape[ids->ndim] = ae_dim(x, -1);
    return ae_reshape(g, x, ids->ndim + 1, shape);
}

ae_tensor *ae_gpt2_encode(ae_graph *g, const struct ae_gpt2 *p, const ae_gpt2_inputs *inputs)
{
    int64_t layers = p->config.n_layer;
    ae_frame f = ae_frame_open(g);
    ae_gpt2_inputs batch = *inputs, *in = &batch;
    in->input_ids = as_batch(g, in->input_ids);
    in->attention_mask = as_batch(g, in->attention_mask);
    in->token_type_ids = as_batch(g, in->token_type_ids);
    in->position_ids = as_batch(g, in->position_ids);
    if (in->encoder_hidden_states && !p->config.add_cross_attention) {
        ae_fail(g, AE_E_VALUE, "gpt2: encoder_hidden_states are given; add_cross_attention must be true for them");
    }
    if (!ae_ok(g)) {
        return ae_frame_return(f, ae_bad(g));
    }
    bool packed = in->packed && in->attention_mask && ae_begins_real(in->attention_mask) && !in->past && !in->cache &&
                  !in->encoder_hidden_states;
    const ae_packing *packing = packed ? ae_packing_plan(g, in->attention_mask) : NULL;
    const ae_mask *mask = packing ? ae_packing_mask(g, packing, AE_MASK_CAUSAL) : ae_mask_causal(g, in->attention_mask);
    ae_frame states = ae_frame_open(g);
    ae_tensor *x = embed(g, p, in, packing);
    for (int i = 0; i < layers; i++) {
        show(g, packing, x, i);
        ae_tensor *y = next_state(g, p, i, x, mask, in);
        if (in->past && ae_ok(g)) {
            ae_frame_keep(f, in->past[i].key);
            ae_frame_keep(f, in->past[i].value);
        }
        x = ae_frame_carry(states, y);
    }
    x = ae_layer_norm(g, &p->ln_f, x);
    x = like_ids(g, packing ? ae_unpack(g, packing, x) : x, inputs->input_ids);
    ae_observe(g, x, "hidden_states.%d", (int)layers);
    return ae_frame_return(f, x);
}

/* ---- language model ------------------------------------------------------------------------------------------------- */

ae_tensor *ae_gpt2_logits(ae_graph *g, const struct ae_gpt2 *p, ae_tensor *states)
{
    return ae_f_linear(g, states, p->lm_head, NULL);
}

ae_tensor *ae_gpt2_next_loss(ae_graph *g, const struct ae_gpt2 *p, ae_tensor *states, ae_tensor *next_ids)
{
    ae_frame f = ae_frame_open(g);
    ae_tensor *targets, *rows = ae_labelled_rows(g, states, next_ids, -100, &targets);
    return ae_frame_return(f, ae_linear_cross_entropy(g, rows, p->lm_head, NULL, targets, NULL));
}

ae_tensor *ae_gpt2_lm_loss(ae_graph *g, const struct ae_gpt2 *p, ae_tensor *states, ae_tensor *labels)
{
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    ae_frame f = ae_frame_open(g);
    int64_t t = ae_dim(labels, -1);
    ae_tensor *given = ae_slice(g, states, -2, 0, t - 1, 1), *next = ae_slice(g, labels, -1, 1, t, 1);
    return ae_frame_return(f, ae_gpt2_next_loss(g, p, given, next));
}
