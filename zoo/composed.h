/* The composable family: embedding x encoder x target from one JSON configuration, as UER-py composes its models (Zhao
 * et al. 2019, arXiv:1909.05658). Configurations of UER-py are taken as they are, with vocab_size added; parameters
 * have the names of its checkpoints.
 *
 *     {"vocab_size": 21128, "embedding": ["word", "pos", "seg"], "encoder": "transformer", "target": ["mlm", "sp"],
 *      "emb_size": 128, "hidden_size": 128, "layers_num": 2, "heads_num": 2, "feedforward_size": 512, ...}
 *
 * Keys that all share, and their values where they are left out:
 *
 *   vocab_size                    rows of the word table; must be there
 *   embedding     ["word"]        word, pos (learned), seg, sinusoidalpos; their sum is the token
 *   encoder       "transformer"   one of zoo/encoders.h, or an encoder of the program's or a plugin's
 *   target        ["mlm"]         mlm, sp, lm, bilm, cls, siamese: losses add up
 *   hidden_size   512             emb_size  hidden_size     layers_num  2      dropout  0.1
 *   max_seq_length 512            rows of the tables of positions
 *   remove_embedding_layernorm false
 *   tie_weights   false           the projection to the vocabulary is the word table (mlm, lm)
 *   hidden_act    "gelu"          of mlm and of the Transformer
 *   pooling       "first"         first, mean, max, last: of cls and siamese
 *   num_labels    2               or labels_num, or the length of id2label; with problem_type as in Hugging Face's
 *   has_lmtarget_bias, prefix_lm_loss, label_smoothing      of lm and bilm
 *   initializer_range 0.02        every parameter is drawn from N(0, that^2), but gains and shifts of layer norms
 *   pack                          whether padding counts: see below
 *
 * Batches come under the names of datasets/dataset.h (input_ids, attention_mask, token_type_ids, labels, next_ids,
 * next_sentence_label; s1_ids, s1_lengths, s2_ids, s2_lengths) or under UER-py's (src, seg and tgt, or tgt_<target> of
 * several; tgt_forward and tgt_backward of bilm). In UER-py recurrent layers run over padding, and mean pooling weighs
 * tokens by the number of their segment, so that the second text counts twice. "pack": true leaves padding out and
 * weighs tokens evenly; "pack": false is UER-py's arithmetic; without the key batches with UER-py's names get UER-py's
 * arithmetic, all others leave padding out. */
#ifndef AE_ZOO_COMPOSED_H
#define AE_ZOO_COMPOSED_H

#include "zoo/encoders.h"
#include "zoo/zoo.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One row a target: name, what it predicts. */
#define AE_TARGETS(ROW)                                                                                                \
    ROW(mlm, "the words under the mask (Devlin et al. 2018)")                                                          \
    ROW(sp, "whether two texts follow each other, or their order")                                                     \
    ROW(lm, "the next word")                                                                                           \
    ROW(bilm, "the next word and the one before (Peters et al. 2018)")                                                 \
    ROW(cls, "a class or score of a text or of a pair joined")                                                         \
    ROW(siamese, "a class or score of a pair encoded apart (Conneau et al. 2017)")

typedef enum ae_target {
#define AE_TARGET_ENUM(name, about) AE_TARGET_##name,
    AE_TARGETS(AE_TARGET_ENUM)
#undef AE_TARGET_ENUM
        AE_TARGET_COUNT
} ae_target;

typedef enum ae_pack_rule { AE_PACK_BY_NAMES, AE_PACK_ALWAYS, AE_PACK_NEVER } ae_pack_rule;

struct ae_composed {
    int64_t vocab_size, emb_size, max_seq_length;
    int64_t width; /* of the encoder's states */
    double dropout;
    ae_pack_rule pack;
    struct ae_embedding word, pos, seg;  /* weight NULL where the embedding has none */
    const float *sinusoids;              /* (max_seq_length, emb_size), or NULL */
    struct ae_layer_norm embedding_norm; /* weight NULL when removed */
    const ae_encoder *encoder;
    void *self; /* the encoder's struct */

    bool has[AE_TARGET_COUNT];
    int targets;
    ae_act act;
    ae_pooling pooling;
    ae_problem problem;
    int64_t num_labels;
    bool prefix_lm_loss;
    double label_smoothing;
    struct {
        struct ae_linear linear_1;
        struct ae_layer_norm layer_norm;
        struct ae_linear linear_2;
    } mlm;
    struct {
        struct ae_linear linear_1, linear_2;
    } sp, cls;
    struct ae_linear lm, bilm; /* output_layer */
    struct ae_linear siamese;
};

/* The text of a target ("mlm") and what it predicts; NULL outside the list. */
AE_API const char *ae_target_name(ae_target target);
AE_API const char *ae_target_about(ae_target target);

/* Builds the model of a configuration into self (a struct ae_composed of zero bytes). Encoders are looked up in extra
 * first (NULL at the end; may be NULL), and stay in use as long as the model. Errors stick in m: an unknown key or word
 * with the nearest known one, a bad value, a target that the encoder cannot be trained on. */
AE_API void ae_composed_build(ae_model *m, void *self, const ae_json *config, const ae_encoder *const *extra);

/* Runs it on named tensors: puts states and logits of the targets, returns the sum of the losses for which the batch
 * holds labels, or NULL for none. */
AE_API ae_tensor *ae_composed_run(const void *self, ae_io *io);

/* The tokens of a batch as embeddings (B,T,emb_size), and their states (B,T,width). */
AE_API ae_tensor *ae_composed_embed(ae_graph *g, const struct ae_composed *c, const ae_tokens *tokens);
AE_API ae_tensor *ae_composed_encode(ae_graph *g, const struct ae_composed *c, const ae_tokens *tokens);

/* What data a configuration trains on ("mlm_nsp", "mlm", "lm", "classes"; NULL where its targets are no known mixture),
 * and whether it takes the texts of pairs apart. */
AE_API const char *ae_composed_objective(const ae_json *config, bool *apart);

/* Changes "target" so that the model trains on an objective: cls stays siamese where it is, lm becomes bilm for the
 * encoders that look both ways apart. Returns 0, or -1 for an objective that there is no target for. */
AE_API int ae_composed_aim(ae_json *config, const char *objective, ae_err *e);

/* The name of a configuration's encoder; borrowed from it. */
AE_API const char *ae_composed_encoder_name(const ae_json *config);

/* The row of the list of models (zoo/zoo.h); its build knows the listed encoders alone. */
extern const ae_zoo_model ae_composed_models[];
extern const int ae_composed_model_count;

#ifdef __cplusplus
}
#endif
#endif
