/* InferSent: Conneau et al. 2017, "Supervised Learning of Universal Sentence Representations from Natural Language
 * Inference Data", arXiv:1705.02364. All encoders that the paper compares, the classifier they are trained with, and
 * version 2 of the release. Parameter names and numbers are those of facebookresearch/InferSent. */
#ifndef AE_ZOO_INFERSENT_H
#define AE_ZOO_INFERSENT_H

#include "zoo/zoo.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One row an encoder: symbol, the release's class, what its vector is; D = enc_lstm_dim. */
#define AE_INFERSENT_ENCODERS(ROW)                                                                                     \
    ROW(AE_INFERSENT_BLSTM, "InferSent", "max or mean over a BiLSTM's outputs, 2D")                                    \
    ROW(AE_INFERSENT_BLSTM_PROJ, "BLSTMprojEncoder", "the same after a projection, 2D")                                \
    ROW(AE_INFERSENT_LSTM, "LSTMEncoder", "last state of an LSTM, D")                                                  \
    ROW(AE_INFERSENT_GRU, "GRUEncoder", "last state of a GRU, D")                                                      \
    ROW(AE_INFERSENT_BGRU_LAST, "BGRUlastEncoder", "last states of a BiGRU, 2D")                                       \
    ROW(AE_INFERSENT_NAACL, "InnerAttentionNAACLEncoder", "attention of one learned query, 2D")                        \
    ROW(AE_INFERSENT_MILA, "InnerAttentionMILAEncoder", "attention of four learned queries, 8D")                       \
    ROW(AE_INFERSENT_YANG, "InnerAttentionYANGEncoder", "attention of a query of the maximum, 2D")                     \
    ROW(AE_INFERSENT_CONVNET, "ConvNetEncoder", "maxima of four stacked convolutions, 8D")

typedef enum ae_infersent_encoder {
#define AE_INFERSENT_ENUM(symbol, class_name, formula) symbol,
    AE_INFERSENT_ENCODERS(AE_INFERSENT_ENUM)
#undef AE_INFERSENT_ENUM
        AE_INFERSENT_ENCODER_COUNT
} ae_infersent_encoder;

/* Fields of the release's configuration under their own names. */
typedef struct ae_infersent_config {
    int64_t word_emb_dim, enc_lstm_dim;
    ae_pooling pool_type; /* InferSent and BLSTMprojEncoder: max or mean */
    int version;          /* InferSent: 1 lets the zeros of padding take part in the maximum, 2 does not */
    ae_infersent_encoder encoder_type;
    int64_t fc_dim, n_classes; /* the classifier's */
    bool nonlinear_fc;         /* dropout and tanh between its layers; the paper's classifier has them not */
    double dpout_fc;
    /* The release looks up rows 0, 1, 1, 1 of a table of two queries in InnerAttentionMILAEncoder, and divides the mean
     * of BLSTMprojEncoder by lengths in sorted order. true: four queries, and every row its own length. */
    bool fixed;
    /* Ours: a word table of so many rows, "word_embedding.weight", for batches of ids (datasets/dataset.h: s1_ids,
     * s1_lengths, s2_ids, s2_lengths); 0: batches bring vectors, as the release's do. */
    int64_t vocab_size;
    bool freeze_words;  /* the table is not trained, as GloVe's vectors are not in the paper */
    ae_problem problem; /* by num_labels, id2label and problem_type, which may stand in n_classes' place */
} ae_infersent_config;

struct ae_infersent {
    ae_infersent_config config;
    struct ae_embedding words; /* weight NULL where batches bring vectors */
    struct ae_lstm lstm;
    struct ae_gru gru;
    struct ae_linear proj_enc, proj_key, proj_lstm, proj_query;
    struct ae_embedding query; /* (queries, 2D) */
    struct ae_conv1d conv[4];
};

/* The siamese classifier of pairs; with one sentence, a classifier of sentences. */
struct ae_nli_net {
    struct ae_infersent encoder;
    struct ae_linear classifier[3]; /* two in a classifier of sentences */
};

/* Reads a configuration; an unknown key, a wrong type or value is an error. Returns 0 or -1. */
AE_API int ae_infersent_config_read(const ae_json *json, ae_infersent_config *config, ae_err *e);

AE_API const char *ae_infersent_class_name(ae_infersent_encoder encoder); /* "?" outside the list */

/* Makes the encoder's parameters under the open scope. */
AE_API void ae_infersent_init(ae_model *m, struct ae_infersent *s, const ae_infersent_config *config);

/* The extent of a sentence's vector: D, 2D or 8D. */
AE_API int64_t ae_infersent_width(const ae_infersent_config *config);

/* sent (B,T,word_emb_dim), word vectors with zeros as padding; lengths (B) of i32 or i64 in 1..T: (B, width). */
AE_API ae_tensor *ae_infersent_encode(ae_graph *g, const struct ae_infersent *s, ae_tensor *sent, ae_tensor *lengths);

/* The same for both texts of B pairs at once, which reads the recurrent weights once a step for both: of sent
 * (2B,T,word_emb_dim) and lengths (2B) the first B rows are the first texts, the others the second ones. (2B, width),
 * equal to ae_infersent_encode of each half with the padding it has apart, but for ConvNetEncoder: that one reads all
 * padding there is, so that halves with less of it differ. */
AE_API ae_tensor *ae_infersent_encode_pairs(ae_graph *g, const struct ae_infersent *s, ae_tensor *sent,
                                            ae_tensor *lengths);

/* "encoder." and "classifier." of the release's NLINet. */
AE_API void ae_nli_net_init(ae_model *m, struct ae_nli_net *n, const ae_infersent_config *config);

/* The classifier on vectors u, v (B, width) of premise and hypothesis: logits (B, n_classes), in the order entailment,
 * neutral, contradiction. */
AE_API ae_tensor *ae_nli_net_classify(ae_graph *g, const struct ae_nli_net *n, ae_tensor *u, ae_tensor *v);

/* The rows of the list of models (zoo/zoo.h), one an encoder, and both classifiers. */
extern const ae_zoo_model ae_infersent_models[];
extern const int ae_infersent_model_count;

#ifdef __cplusplus
}
#endif
#endif
