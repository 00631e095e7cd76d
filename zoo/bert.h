/* BERT: Devlin et al. 2018, "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding",
 * arXiv:1810.04805. Parameter names and numbers are those of Hugging Face's PyTorch release. */
#ifndef AE_ZOO_BERT_H
#define AE_ZOO_BERT_H

#include "zoo/zoo.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ae_bert_position {
    AE_BERT_ABSOLUTE,          /* learned embeddings of positions */
    AE_BERT_RELATIVE_KEY,      /* Shaw et al. 2018, arXiv:1803.02155 */
    AE_BERT_RELATIVE_KEY_QUERY /* Huang et al. 2020, arXiv:2009.13658, method 4 */
} ae_bert_position;

/* Fields of config.json under their own names. position_initializer is ours: "normal", as the other weights, or
 * "sinusoidal", absolute positions that begin as the table of Vaswani et al. 2017 with a root mean square of
 * initializer_range, and are learned from there. */
typedef struct ae_bert_config {
    int64_t vocab_size, hidden_size, num_hidden_layers, num_attention_heads, intermediate_size;
    int64_t max_position_embeddings, type_vocab_size, pad_token_id, num_labels;
    ae_act hidden_act;
    double hidden_dropout_prob, attention_probs_dropout_prob, classifier_dropout;
    double initializer_range, layer_norm_eps;
    ae_bert_position position_embedding_type;
    bool sinusoidal_positions; /* position_initializer, see above */
    bool is_decoder;           /* causal attention */
    bool add_cross_attention;  /* every layer also attends to an encoder's states */
    bool tie_word_embeddings;  /* the masked LM head's decoder is the word table */
    ae_problem problem_type;
} ae_bert_config;

struct ae_bert_layer {
    struct ae_attention attention;
    struct ae_layer_norm attention_norm;
    struct ae_linear intermediate, output;
    struct ae_layer_norm output_norm;
    ae_tensor *distance;       /* (2P-1, D), relative positions only */
    struct ae_attention cross; /* over an encoder's states; weights NULL without add_cross_attention */
    struct ae_layer_norm cross_norm;
};

struct ae_bert {
    ae_bert_config config;
    struct ae_embedding word, position, token_type; /* position is there, but unused, for relative positions */
    struct ae_layer_norm embedding_norm;
    struct ae_bert_layer *layer; /* (L) */
    struct ae_linear pooler;     /* weight NULL where the head has none */
    struct ae_linear transform;  /* masked LM head: dense, act, layer_norm, then the decoder */
    struct ae_layer_norm transform_norm;
    ae_tensor *decoder;          /* (V,H); the word table where tied */
    ae_tensor *decoder_bias;     /* (V) */
    struct ae_linear classifier; /* next sentence, classes, spans or choices */
};

/* What a batch holds; NULL for what is left out. B sequences of T tokens. */
typedef struct ae_bert_inputs {
    ae_tensor *input_ids;             /* (B,T) */
    ae_tensor *attention_mask;        /* (B,T), nonzero at real tokens; NULL: all are; or (B,T,T): nonzero where a query
                                         sees a key, and nothing else says so, is_decoder neither; not packed */
    ae_tensor *token_type_ids;        /* (B,T); NULL: all 0 */
    ae_tensor *position_ids;          /* (B,T) or (1,T); NULL: 0..T-1 */
    bool packed;                      /* skip padding inside; the result at padded positions is zero */
    const ae_reading *reading;        /* which of the last states are read: others may be zero, for the last layer may
                                         leave them out; NULL: all */
    ae_tensor *encoder_hidden_states; /* (B,S,H) for cross-attention, which is left out without them; not packed */
    ae_tensor *encoder_attention_mask; /* (B,S) or (B,T,S) likewise; NULL: all are real */
} ae_bert_inputs;

/* Reads config.json; unknown keys are left alone, wrong values are errors. Returns 0 or -1. */
AE_API int ae_bert_config_read(const ae_json *json, ae_bert_config *config, ae_err *e);

/* Embeddings and layers under the open scope, with the pooler if wanted. */
AE_API void ae_bert_init(ae_model *m, struct ae_bert *b, const ae_bert_config *config, bool pooler);

/* The last layer's states, (B,T,H). Shows hidden_states.0..L and attentions.0..L-1 while the graph is observed. */
AE_API ae_tensor *ae_bert_encode(ae_graph *g, const struct ae_bert *b, const ae_bert_inputs *in);

/* One layer, x (B,T,H) or packed (N,H): section 3 of the paper, the encoder block of Vaswani et al. 2017; with memory
 * (B,S,H), an encoder's states as memory_mask allows, its decoder block. memory NULL: no cross-attention. rows (P) i64
 * of packed x: those alone attend, to all of x, and go on, as mask says (ae_packing_read), without relative positions;
 * the result is (P,H). NULL: all. */
AE_API ae_tensor *ae_bert_layer(ae_graph *g, const struct ae_bert *b, int i, ae_tensor *x, ae_tensor *rows,
                                const ae_mask *mask, ae_tensor *memory, const ae_mask *memory_mask);

/* tanh(W h_[CLS] + b) of states (B,T,H): (B,H). */
AE_API ae_tensor *ae_bert_pool(ae_graph *g, const struct ae_bert *b, ae_tensor *states);

/* Logits over the vocabulary of states (...,H): (...,V). */
AE_API ae_tensor *ae_bert_mlm_logits(ae_graph *g, const struct ae_bert *b, ae_tensor *states);

/* Mean cross-entropy at the positions of labels (B,T) that are not -100; only these are projected. */
AE_API ae_tensor *ae_bert_mlm_loss(ae_graph *g, const struct ae_bert *b, ae_tensor *states, ae_tensor *labels);

/* The rows of the list of models (zoo/zoo.h), one a head. */
extern const ae_zoo_model ae_bert_models[];
extern const int ae_bert_model_count;

#ifdef __cplusplus
}
#endif
#endif
