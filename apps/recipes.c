#include "apps/recipes.h"

#include "tensor/nearest_name.h"

#include <string.h>

#define BERT(layers, hidden, heads, inner)                                                                             \
    "{\"vocab_size\":30522,\"num_hidden_layers\":" #layers ",\"hidden_size\":" #hidden                                 \
    ",\"num_attention_heads\":" #heads ",\"intermediate_size\":" #inner "}"
#define GPT2(layers, hidden, heads) "{\"n_layer\":" #layers ",\"n_embd\":" #hidden ",\"n_head\":" #heads "}"
/* Drawn from N(0, 0.02^2) as in UER-py, two layers of LSTM answer ln 2 for the first 60 steps on ChnSentiCorp and are
 * at 70 % of the development set after an epoch; from N(0, 0.08^2) at 82 %. */
#define UER_RNN(encoder, pooling)                                                                                      \
    "{\"embedding\":[\"word\"],\"remove_embedding_layernorm\":true,\"emb_size\":512,\"hidden_size\":512,"              \
    "\"layers_num\":2,\"dropout\":0.1,\"encoder\":\"" encoder "\",\"target\":[\"cls\"],\"pooling\":\"" pooling         \
    "\",\"initializer_range\":0.08,\"pack\":true}"

/* Devlin et al. 2019, appendix A.2 and A.3; google-research/bert's README for the rates of the smaller sizes, which
 * bear more than 1e-4. */
#define BERT_PRETRAIN(rate)                                                                                            \
    "optimizer=adamw_bert weight-decay=0.01 clip=1 schedule=linear warmup=0.1 batch=32 seq=128 lr=" rate
#define BERT_FINETUNE(rate)                                                                                            \
    "optimizer=adamw_bert weight-decay=0.01 clip=1 schedule=linear warmup=0.1 batch=32 seq=128 epochs=3 lr=" rate

/* Radford et al. 2019 say little of it; these are the numbers of nanoGPT's reproduction of 124M. */
#define GPT2_PRETRAIN                                                                                                  \
    "optimizer=adamw beta2=0.95 weight-decay=0.1 clip=1 schedule=nanogpt warmup=0.02 end-scale=0.1 batch=8 seq=1024 "  \
    "lr=6e-4"
#define GPT2_FINETUNE                                                                                                  \
    "optimizer=adamw weight-decay=0.01 clip=1 schedule=linear warmup=0.1 batch=16 seq=128 epochs=3 lr=5e-5"

/* UER-py's setting for models without pretraining: README of 2019, "LSTM". */
#define UER_FINETUNE                                                                                                   \
    "optimizer=adamw_bert weight-decay=0.01 clip=0 schedule=linear warmup=0.1 batch=64 seq=128 epochs=4 lr=1e-3"

static const ae_recipe recipes[] = {
    {"bert-tiny", "bert", "mlm_nsp", BERT(2, 128, 2, 512), BERT_PRETRAIN("1e-3"), BERT_FINETUNE("3e-4"),
     "BERT, 2 layers of 128 (Turc et al. 2019)"},
    {"bert-mini", "bert", "mlm_nsp", BERT(4, 256, 4, 1024), BERT_PRETRAIN("7e-4"), BERT_FINETUNE("1e-4"),
     "BERT, 4 layers of 256 (Turc et al. 2019)"},
    {"bert-small", "bert", "mlm_nsp", BERT(4, 512, 8, 2048), BERT_PRETRAIN("4e-4"), BERT_FINETUNE("5e-5"),
     "BERT, 4 layers of 512 (Turc et al. 2019)"},
    {"bert-medium", "bert", "mlm_nsp", BERT(8, 512, 8, 2048), BERT_PRETRAIN("2e-4"), BERT_FINETUNE("5e-5"),
     "BERT, 8 layers of 512 (Turc et al. 2019)"},
    {"bert-base", "bert", "mlm_nsp", BERT(12, 768, 12, 3072), BERT_PRETRAIN("1e-4"), BERT_FINETUNE("3e-5"),
     "BERT, 12 layers of 768 (Devlin et al. 2019)"},
    {"bert-large", "bert", "mlm_nsp", BERT(24, 1024, 16, 4096), BERT_PRETRAIN("1e-4"), BERT_FINETUNE("2e-5"),
     "BERT, 24 layers of 1024 (Devlin et al. 2019)"},
    {"gpt2", "gpt2", "lm", GPT2(12, 768, 12), GPT2_PRETRAIN, GPT2_FINETUNE,
     "GPT-2, 124M parameters (Radford et al. 2019)"},
    {"gpt2-medium", "gpt2", "lm", GPT2(24, 1024, 16), GPT2_PRETRAIN, GPT2_FINETUNE, "GPT-2, 355M parameters"},
    {"gpt2-large", "gpt2", "lm", GPT2(36, 1280, 20), GPT2_PRETRAIN, GPT2_FINETUNE, "GPT-2, 774M parameters"},
    {"gpt2-xl", "gpt2", "lm", GPT2(48, 1600, 25), GPT2_PRETRAIN, GPT2_FINETUNE, "GPT-2, 1558M parameters"},
    {"nanogpt", "gpt2", "lm",
     "{\"vocab_size\":65,\"n_positions\":64,\"n_layer\":4,\"n_embd\":128,\"n_head\":4,\"resid_pdrop\":0,"
     "\"embd_pdrop\":0,\"attn_pdrop\":0}",
     "optimizer=adamw beta1=0.9 beta2=0.99 weight-decay=0.1 clip=1 schedule=nanogpt warmup=100 end-scale=0.1 batch=12 "
     "seq=64 steps=2000 lr=1e-3 freeze=*bias random-windows=true",
     GPT2_FINETUNE, "GPT-2, 4 layers of 128 without biases on characters: nanoGPT's setting for a CPU"},
    {"infersent", "infersent", "classes",
     "{\"word_emb_dim\":300,\"enc_lstm_dim\":2048,\"pool_type\":\"max\",\"version\":1,\"bsize\":64,\"dpout_model\":0.0,"
     "\"dpout_fc\":0.0,\"fc_dim\":512,\"n_classes\":3,\"nonlinear_fc\":0,\"encoder_type\":\"InferSent\"}",
     NULL, "optimizer=sgd weight-decay=0 clip=5 schedule=constant warmup=0 batch=64 seq=64 epochs=20 lr=0.1",
     "InferSent, BiLSTM of 2048 a direction with the NLI classifier (Conneau et al. 2017)"},
    {"lstm", "composed", "lm", UER_RNN("lstm", "mean"),
     "optimizer=adamw_bert weight-decay=0.01 clip=1 schedule=linear warmup=0.1 batch=64 seq=128 lr=1e-3", UER_FINETUNE,
     "two layers of LSTM of 512, mean pooling (UER-py)"},
    {"gru", "composed", "lm", UER_RNN("gru", "mean"),
     "optimizer=adamw_bert weight-decay=0.01 clip=1 schedule=linear warmup=0.1 batch=64 seq=128 lr=1e-3", UER_FINETUNE,
     "two layers of GRU of 512, mean pooling (UER-py)"},
    {"bilstm-max", "composed", "classes",
     "{\"embedding\":[\"word\"],\"remove_embedding_layernorm\":true,\"emb_size\":512,\"hidden_size\":1024,"
     "\"layers_num\":1,\"dropout\":0.1,\"encoder\":\"bilstm\",\"target\":[\"cls\"],\"pooling\":\"max\","
     "\"initializer_range\":0.08,\"pack\":true}",
     NULL, UER_FINETUNE, "BiLSTM of 512 a direction with maximum pooling: InferSent's encoder on single texts"},
};

enum { RECIPES = sizeof recipes / sizeof recipes[0] };

const ae_recipe *ae_recipe_at(int i)
{
    return i >= 0 && i < RECIPES ? &recipes[i] : NULL;
}

const ae_recipe *ae_recipe_find(const char *name, ae_err *e)
{
    const char *names[RECIPES];
    for (int i = 0; i < RECIPES; i++) {
        names[i] = recipes[i].name;
        if (name && strcmp(name, names[i]) == 0) {
            return &recipes[i];
        }
    }
    const char *nearest = name ? ae_nearest_name(name, names, RECIPES) : NULL;
    ae_err_set(e, AE_E_MISSING, "no recipe is called \"%s\"%s%s; `list recipes` shows all", name ? name : "",
               nearest ? "; did you mean " : "", nearest ? nearest : "");
    return NULL;
}
