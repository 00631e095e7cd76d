/* GPT-2: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners". Parameter names and numbers are
 * those of Hugging Face's PyTorch release; the projections are "Conv1D", with weights (in, out). */
#ifndef AE_ZOO_GPT2_H
#define AE_ZOO_GPT2_H

#include "nn/kv_cache.h"
#include "zoo/zoo.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ae_gpt2_summary {
    AE_SUMMARY_LAST,
    AE_SUMMARY_FIRST,
    AE_SUMMARY_MEAN,
    AE_SUMMARY_CLS_INDEX
} ae_gpt2_summary;

/* Fields of config.json under their own names. */
typedef struct ae_gpt2_config {
    int64_t vocab_size, n_positions, n_embd, n_layer, n_head, n_inner, num_labels, pad_token_id;
    ae_act activation_function, summary_activation;
    double resid_pdrop, embd_pdrop, attn_pdrop, classifier_dropout, summary_first_dropout;
    double layer_norm_epsilon, initializer_range;
    bool scale_attn_weights, scale_attn_by_inverse_layer_idx, tie_word_embeddings;
    bool summary_use_proj, summary_proj_to_labels;
    bool add_cross_attention; /* every block also attends to an encoder's states */
    ae_gpt2_summary summary_type;
    ae_problem problem_type;
} ae_gpt2_config;

struct ae_gpt2_block {
    struct ae_layer_norm ln_1, ln_2;
    struct ae_linear c_attn; /* (H,3H): query, key, value */
    struct ae_linear c_proj; /* (H,H) */
    struct ae_linear c_fc;   /* (H,F) */
    struct ae_linear mlp_proj;
    ae_attention_options options;
    struct ae_linear q_attn, cross_attn, cross_proj; /* (H,H), (H,2H): key and value, (H,H); add_cross_attention only */
    struct ae_layer_norm ln_cross_attn;
};

struct ae_gpt2 {
    ae_gpt2_config config;
    struct ae_embedding wte; /* (V,H) */
    struct ae_embedding wpe; /* (P,H) */
    struct ae_gpt2_block *h; /* (L) */
    struct ae_layer_norm ln_f;
    ae_tensor *lm_head;    /* (V,H); wte's weight where tied; NULL without a language model's head */
    struct ae_linear head; /* summary, score, classifier or spans */
};

/* What a batch holds; NULL for what is left out. B sequences of T new tokens behind S - T that were read before; ids
 * may have further leading axes, which the states then have too. */
typedef struct ae_gpt2_inputs {
    ae_tensor *input_ids;              /* (B,T) */
    ae_tensor *attention_mask;         /* (B,S), nonzero at real tokens; NULL: all are */
    ae_tensor *token_type_ids;         /* (B,T), looked up in wte */
    ae_tensor *position_ids;           /* (B,T) or (1,T); NULL: S-T..S-1 */
    bool packed;                       /* skip padding inside (nothing read before); padded positions give zeros */
    ae_kv *past;                       /* (L) or NULL: read, and replaced by what now is read, with gradients */
    ae_kv_cache *cache;                /* or NULL: the same without gradients, across steps of the graph */
    ae_tensor *encoder_hidden_states;  /* (B,M,H) for cross-attention, which is left out without them; not packed */
    ae_tensor *encoder_attention_mask; /* (B,M); NULL: all are real */
} ae_gpt2_inputs;

/* Reads config.json; unknown keys are left alone, wrong values are errors. Returns 0 or -1. */
AE_API int ae_gpt2_config_read(const ae_json *json, ae_gpt2_config *config, ae_err *e);

/* Embeddings, blocks and ln_f under the open scope. */
AE_API void ae_gpt2_init(ae_model *m, struct ae_gpt2 *p, const ae_gpt2_config *config);

/* ln_f of the last block's states, (B,T,H). Shows hidden_states.0..L (the last one behind ln_f), attentions.0..L-1 and
 * each block's insides while the graph is observed. */
AE_API ae_tensor *ae_gpt2_encode(ae_graph *g, const struct ae_gpt2 *p, const ae_gpt2_inputs *in);

/* One block, x (B,T,H) or packed (N,H). */
AE_API ae_tensor *ae_gpt2_block(ae_graph *g, const struct ae_gpt2 *p, int i, ae_tensor *x, const ae_mask *mask,
                                const ae_gpt2_inputs *in);

/* Logits over the vocabulary of states (...,H): (...,V). */
AE_API ae_tensor *ae_gpt2_logits(ae_graph *g, const struct ae_gpt2 *p, ae_tensor *states);

/* Mean cross-entropy of label t+1 given state t, where the label is not -100; states (B,T,H), labels (B,T). */
AE_API ae_tensor *ae_gpt2_lm_loss(ae_graph *g, const struct ae_gpt2 *p, ae_tensor *states, ae_tensor *labels);

/* Mean cross-entropy of next_ids (B,T) given the states (B,T,H) at the same places, where it is not -100. */
AE_API ae_tensor *ae_gpt2_next_loss(ae_graph *g, const struct ae_gpt2 *p, ae_tensor *states, ae_tensor *next_ids);

/* The rows of the list of models (zoo/zoo.h), one a head. */
extern const ae_zoo_model ae_gpt2_models[];
extern const int ae_gpt2_model_count;

#ifdef __cplusplus
}
#endif
#endif
