#include "zoo/uer.h"

#include <string.h>

#define ROW(theirs, ours) {.file = theirs, .model = ours},
#define PIECE_ROW(theirs, ours, ...) {.file = theirs, .model = ours, __VA_ARGS__},

/* ---- BERT ---------------------------------------------------------------------------------------------------------- */

/* The encoder under its prefix. Rows are tried from the top: those of attention.output come before those of output. */
#define BERT_ROWS(prefix)                                                                                              \
    ROW("embedding.word.embedding.weight", prefix "embeddings.word_embeddings.weight")                                 \
    ROW("embedding.pos.embedding.weight", prefix "embeddings.position_embeddings.weight")                              \
    PIECE_ROW("embedding.seg.embedding.weight", prefix "embeddings.token_type_embeddings.weight",                      \
              .file_piece = {1, 2, 3}) /* segments count from 1 */                                                     \
    ROW("embedding.layer_norm.gamma", prefix "embeddings.LayerNorm.weight")                                            \
    ROW("embedding.layer_norm.beta", prefix "embeddings.LayerNorm.bias")                                               \
    ROW("encoder.transformer.*.self_attn.linear_layers.0.*", prefix "encoder.layer.*.attention.self.query.*")          \
    ROW("encoder.transformer.*.self_attn.linear_layers.1.*", prefix "encoder.layer.*.attention.self.key.*")            \
    ROW("encoder.transformer.*.self_attn.linear_layers.2.*", prefix "encoder.layer.*.attention.self.value.*")          \
    ROW("encoder.transformer.*.self_attn.final_linear.*", prefix "encoder.layer.*.attention.output.dense.*")           \
    ROW("encoder.transformer.*.layer_norm_1.gamma", prefix "encoder.layer.*.attention.output.LayerNorm.weight")        \
    ROW("encoder.transformer.*.layer_norm_1.beta", prefix "encoder.layer.*.attention.output.LayerNorm.bias")           \
    ROW("encoder.transformer.*.feed_forward.linear_1.*", prefix "encoder.layer.*.intermediate.dense.*")                \
    ROW("encoder.transformer.*.feed_forward.linear_2.*", prefix "encoder.layer.*.output.dense.*")                      \
    ROW("encoder.transformer.*.layer_norm_2.gamma", prefix "encoder.layer.*.output.LayerNorm.weight")                  \
    ROW("encoder.transformer.*.layer_norm_2.beta", prefix "encoder.layer.*.output.LayerNorm.bias")

/* clang-format off */
static const ae_rename bert_bare[] = {
    BERT_ROWS("")
    ROW("target.sp.linear_1.*", "pooler.dense.*")
};

static const ae_rename bert_pretraining[] = {
    BERT_ROWS("bert.")
    ROW("target.sp.linear_1.*", "bert.pooler.dense.*")
    ROW("target.sp.linear_2.*", "cls.seq_relationship.*")
    ROW("target.mlm.linear_1.*", "cls.predictions.transform.dense.*")
    ROW("target.mlm.layer_norm.gamma", "cls.predictions.transform.LayerNorm.weight")
    ROW("target.mlm.layer_norm.beta", "cls.predictions.transform.LayerNorm.bias")
    ROW("target.mlm.linear_2.*", "cls.predictions.decoder.*")
    ROW("target.mlm.linear_2.bias", "cls.predictions.bias") /* the other name of the decoder's */
};

/* What finetune/run_classifier.py, run_ner.py and run_cmrc.py save. */
static const ae_rename bert_classes[] = {
    BERT_ROWS("bert.")
    ROW("output_layer_1.*", "bert.pooler.dense.*")
    ROW("output_layer_2.*", "classifier.*")
};

static const ae_rename bert_tags[] = {
    BERT_ROWS("bert.")
    ROW("output_layer.*", "classifier.*")
};

static const ae_rename bert_spans[] = {
    BERT_ROWS("bert.")
    ROW("output_layer.*", "qa_outputs.*")
};
/* clang-format on */

/* ---- GPT-2 --------------------------------------------------------------------------------------------------------- */

/* Part k of query | key | value. GPT-2's projections are "Conv1D": (in, out), the transpose of UER-py's. */
#define JOINED_ROWS(prefix, theirs, k)                                                                                 \
    PIECE_ROW("encoder.transformer.*." theirs ".weight", prefix "h.*.attn.c_attn.weight", .transpose = true,           \
              .axis = 1, .model_piece = {k, 1, 3})                                                                     \
    PIECE_ROW("encoder.transformer.*." theirs ".bias", prefix "h.*.attn.c_attn.bias", .model_piece = {k, 1, 3})

#define CONV1D_ROWS(prefix, theirs, ours)                                                                              \
    PIECE_ROW("encoder.transformer.*." theirs ".weight", prefix "h.*." ours ".weight", .transpose = true)              \
    ROW("encoder.transformer.*." theirs ".bias", prefix "h.*." ours ".bias")

#define GPT2_ROWS(prefix)                                                                                              \
    ROW("embedding.word.embedding.weight", prefix "wte.weight")                                                        \
    ROW("embedding.pos.embedding.weight", prefix "wpe.weight")                                                         \
    JOINED_ROWS(prefix, "self_attn.linear_layers.0", 0)                                                                \
    JOINED_ROWS(prefix, "self_attn.linear_layers.1", 1)                                                                \
    JOINED_ROWS(prefix, "self_attn.linear_layers.2", 2)                                                                \
    CONV1D_ROWS(prefix, "self_attn.final_linear", "attn.c_proj")                                                       \
    CONV1D_ROWS(prefix, "feed_forward.linear_1", "mlp.c_fc")                                                           \
    CONV1D_ROWS(prefix, "feed_forward.linear_2", "mlp.c_proj")                                                         \
    ROW("encoder.transformer.*.layer_norm_1.gamma", prefix "h.*.ln_1.weight")                                          \
    ROW("encoder.transformer.*.layer_norm_1.beta", prefix "h.*.ln_1.bias")                                             \
    ROW("encoder.transformer.*.layer_norm_2.gamma", prefix "h.*.ln_2.weight")                                          \
    ROW("encoder.transformer.*.layer_norm_2.beta", prefix "h.*.ln_2.bias")                                             \
    ROW("encoder.layer_norm.gamma", prefix "ln_f.weight")                                                              \
    ROW("encoder.layer_norm.beta", prefix "ln_f.bias")

/* clang-format off */
static const ae_rename gpt2_bare[] = {
    GPT2_ROWS("")
};

static const ae_rename gpt2_lm[] = {
    GPT2_ROWS("transformer.")
    ROW("target.lm.output_layer.*", "lm_head.*")
};
/* clang-format on */

/* ---- classes --------------------------------------------------------------------------------------------------------- */

#define TABLE(rows)                                                                                                    \
    {                                                                                                                  \
        rows, sizeof rows / sizeof rows[0]                                                                             \
    }

/* Each class with the tensor that gives it away among UER-py's; the first that fits is the one. */
static const struct {
    const char *class_name;
    ae_rename_table table;
    const char *sign, *also; /* NULL: no more is needed */
} classes[] = {
    {"GPT2LMHeadModel", TABLE(gpt2_lm), "target.lm.output_layer.weight", "encoder.layer_norm.gamma"},
    {"BertForPreTraining", TABLE(bert_pretraining), "target.mlm.linear_2.weight", "target.sp.linear_2.weight"},
    {"BertForMaskedLM", TABLE(bert_pretraining), "target.mlm.linear_2.weight", NULL},
    {"BertForNextSentencePrediction", TABLE(bert_pretraining), "target.sp.linear_2.weight", NULL},
    {"BertForSequenceClassification", TABLE(bert_classes), "output_layer_2.weight", NULL},
    {"BertForTokenClassification", TABLE(bert_tags), "output_layer.weight", NULL},
    {"BertForQuestionAnswering", TABLE(bert_spans), "output_layer.weight", NULL},
    {"GPT2Model", TABLE(gpt2_bare), "encoder.layer_norm.gamma", NULL},
    {"BertModel", TABLE(bert_bare), "embedding.seg.embedding.weight", NULL},
};

enum { CLASSES = sizeof classes / sizeof classes[0] };

const ae_rename_table *ae_uer_names(const char *class_name)
{
    for (int i = 0; i < CLASSES; i++) {
        if (strcmp(classes[i].class_name, class_name) == 0) {
            return &classes[i].table;
        }
    }
    return NULL;
}

const char *ae_uer_class(const ae_tensors *t)
{
    if (!ae_tensors_get(t, "embedding.word.embedding.weight") ||
        !ae_tensors_get(t, "encoder.transformer.0.self_attn.linear_layers.0.weight")) {
        return NULL;
    }
    for (int i = 0; i < CLASSES; i++) {
        if (ae_tensors_get(t, classes[i].sign) && (!classes[i].also || ae_tensors_get(t, classes[i].also))) {
            return classes[i].class_name;
        }
    }
    return NULL;
}
