/* Configurations: UER-py's keys and Hugging Face's. */
#include "zoo/uer.h"

#include <string.h>

/* What has the same meaning under three names. */
static const struct {
    const char *uer, *bert, *gpt2;
} sizes[] = {
    {"hidden_size", "hidden_size", "n_embd"},
    {"layers_num", "num_hidden_layers", "n_layer"},
    {"heads_num", "num_attention_heads", "n_head"},
    {"feedforward_size", "intermediate_size", "n_inner"},
};

static const struct {
    const char *uer, *hf;
} acts[] = {
    {"gelu", "gelu"},  {"gelu_fast", "gelu_new"},          {"relu", "relu"},           {"silu", "silu"},
    {"silu", "swish"}, {"gelu_fast", "gelu_pytorch_tanh"}, {"gelu_fast", "gelu_fast"},
};

/* UER-py's parts: what BERT and what GPT-2 has, and UER-py's default. */
static const struct {
    const char *key, *bert, *gpt2, *otherwise;
} parts[] = {
    {"encoder", "transformer", "transformer", "transformer"},
    {"mask", "fully_visible", "causal", "fully_visible"},
    {"layernorm_positioning", "post", "pre", "post"},
    {"layernorm", "normal", "normal", "normal"},
    {"feed_forward", "dense", "dense", "dense"},
};

/* UER-py's switches that neither has, and the one that GPT-2 has. */
static const char *const switches[] = {"factorized_embedding_parameterization",
                                       "parameter_sharing",
                                       "relative_position_embedding",
                                       "remove_attention_scale",
                                       "remove_transformer_bias",
                                       "has_residual_attention",
                                       "has_lmtarget_bias",
                                       "remove_embedding_layernorm"};

enum {
    SIZES = sizeof sizes / sizeof sizes[0],
    ACTS = sizeof acts / sizeof acts[0],
    PARTS = sizeof parts / sizeof parts[0],
    SWITCHES = sizeof switches / sizeof switches[0]
};

static bool is_gpt2(const char *class_name)
{
    return strncmp(class_name, "GPT2", 4) == 0;
}

static int refuse(ae_err *e, const char *key, const char *got, const char *class_name, const char *want)
{
    return ae_err_set(e, AE_E_UNSUPPORTED, "config: \"%s\" is %.100s; %s is %s there", key, got, class_name, want);
}

/* ---- from UER-py ----------------------------------------------------------------------------------------------------- */

/* ["word", "pos", "seg"], or "word_pos_seg" as before 2023. */
static int check_embedding(const ae_json *uer, const char *class_name, ae_err *e)
{
    char text[256] = "";
    const char *want = is_gpt2(class_name) ? "word_pos" : "word_pos_seg", *name = NULL;
    const ae_json *list = ae_json_get(uer, "embedding");
    if (ae_json_type_of(list) == AE_JSON_STRING) {
        snprintf(text, sizeof text, "%s", ae_json_string(uer, "embedding", "", e));
    }
    for (const ae_json *j = ae_json_first(list); j; j = ae_json_next(j)) {
        if (ae_json_value_string(j, &name, e) != 0) {
            return -1;
        }
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%s", used ? "_" : "", name);
    }
    return strcmp(text, want) == 0 ? 0 : refuse(e, "embedding", *text ? text : "\"word\"", class_name, want);
}

static int check_parts(const ae_json *uer, const char *class_name, ae_err *e)
{
    bool gpt2 = is_gpt2(class_name);
    for (int i = 0; i < PARTS; i++) {
        const char *want = gpt2 ? parts[i].gpt2 : parts[i].bert;
        const char *got = ae_json_string(uer, parts[i].key, parts[i].otherwise, e);
        if (!got || strcmp(got, want) != 0) {
            return e->code ? -1 : refuse(e, parts[i].key, got, class_name, want);
        }
    }
    for (int i = 0; i < SWITCHES; i++) {
        bool want = gpt2 && strcmp(switches[i], "remove_embedding_layernorm") == 0;
        if (ae_json_bool(uer, switches[i], false, e) != want) {
            return e->code ? -1 : refuse(e, switches[i], want ? "false" : "true", class_name, want ? "true" : "false");
        }
    }
    int64_t hidden = ae_json_int(uer, "hidden_size", 0, e), heads = ae_json_int(uer, "heads_num", 1, e);
    if (ae_json_int(uer, "emb_size", hidden, e) != hidden) {
        return refuse(e, "emb_size", "another than hidden_size", class_name, "of one width");
    }
    if (heads > 0 && ae_json_int(uer, "attention_head_size", hidden / heads, e) != hidden / heads) {
        return refuse(e, "attention_head_size", "given", class_name, "of heads of hidden_size / heads_num");
    }
    return check_embedding(uer, class_name, e);
}

static const char *their_act(const ae_json *uer, ae_err *e)
{
    const char *act = ae_json_string(uer, "hidden_act", "gelu", e);
    for (int i = 0; act && i < ACTS; i++) {
        if (strcmp(acts[i].uer, act) == 0) {
            return acts[i].hf;
        }
    }
    ae_err_set(e, AE_E_VALUE, "config: \"hidden_act\" is %.100s; gelu, gelu_fast, relu and silu are UER-py's",
               act ? act : "no text");
    return NULL;
}

/* Extent `axis` of a tensor; an error when it is not there. */
static int64_t extent(const ae_tensors *t, const char *name, int axis, ae_err *e)
{
    const ae_tensor *x = ae_tensors_get(t, name);
    if (!x || x->ndim <= axis) {
        return ae_err_set(e, AE_E_MISSING, "there is no tensor %s", name);
    }
    return x->shape[axis];
}

static void read_bert(ae_json *c, const ae_json *uer, const char *class_name, const ae_tensors *t, ae_err *e)
{
    double dropout = ae_json_double(uer, "dropout", 0.1, e);
    bool tags = strcmp(class_name, "BertForTokenClassification") == 0;
    ae_json_set_string(c, "model_type", "bert");
    ae_json_set_int(c, "max_position_embeddings", extent(t, "embedding.pos.embedding.weight", 0, e));
    ae_json_set_int(c, "type_vocab_size", 2);
    ae_json_set_string(c, "hidden_act", their_act(uer, e));
    ae_json_set_double(c, "hidden_dropout_prob", dropout);
    ae_json_set_double(c, "attention_probs_dropout_prob", dropout);
    ae_json_set_double(c, "layer_norm_eps", 1e-12);
    ae_json_set_double(c, "initializer_range", 0.02);
    ae_json_set_int(c, "pad_token_id", 0);
    if (tags || strcmp(class_name, "BertForSequenceClassification") == 0) {
        ae_json_set_int(c, "num_labels", extent(t, tags ? "output_layer.weight" : "output_layer_2.weight", 0, e));
    }
}

static void read_gpt2(ae_json *c, const ae_json *uer, const ae_tensors *t, ae_err *e)
{
    double dropout = ae_json_double(uer, "dropout", 0.1, e);
    ae_json_set_string(c, "model_type", "gpt2");
    ae_json_set_int(c, "n_positions", extent(t, "embedding.pos.embedding.weight", 0, e));
    ae_json_set_string(c, "activation_function", their_act(uer, e));
    ae_json_set_double(c, "resid_pdrop", dropout);
    ae_json_set_double(c, "embd_pdrop", dropout);
    ae_json_set_double(c, "attn_pdrop", dropout);
    ae_json_set_double(c, "layer_norm_epsilon", 1e-5);
    ae_json_set_double(c, "initializer_range", 0.02);
}

ae_json *ae_uer_config_read(const char *class_name, const ae_json *uer, const ae_tensors *t, ae_err *e)
{
    ae_err local = {0};
    e = e ? e : &local;
    if (check_parts(uer, class_name, e) != 0) {
        return NULL;
    }
    ae_json *c = ae_json_new_object(), *list = ae_json_new_array();
    ae_json_add(list, NULL, ae_json_new_string(class_name));
    ae_json_set(c, "architectures", list);
    ae_json_set_int(c, "vocab_size", extent(t, "embedding.word.embedding.weight", 0, e));
    for (int i = 0; i < SIZES; i++) {
        ae_json_set_int(c, is_gpt2(class_name) ? sizes[i].gpt2 : sizes[i].bert, ae_json_need_int(uer, sizes[i].uer, e));
    }
    if (is_gpt2(class_name)) {
        read_gpt2(c, uer, t, e);
    } else {
        read_bert(c, uer, class_name, t, e);
    }
    if (ae_json_set_bool(c, "tie_word_embeddings", ae_json_bool(uer, "tie_weights", false, e)) != 0) {
        ae_err_set(e, AE_E_MEMORY, "no memory for a configuration");
    }
    if (e->code) {
        ae_json_free(c);
        return NULL;
    }
    return c;
}

/* ---- to UER-py ------------------------------------------------------------------------------------------------------- */

static const char *our_act(const ae_json *config, const char *key, const char *otherwise, ae_err *e)
{
    const char *act = ae_json_string(config, key, otherwise, e);
    for (int i = 0; act && i < ACTS; i++) {
        if (strcmp(acts[i].hf, act) == 0) {
            return acts[i].uer;
        }
    }
    ae_err_set(e, AE_E_UNSUPPORTED, "config: \"%s\" is %.100s; UER-py has gelu, gelu_new, relu and silu", key,
               act ? act : "no text");
    return NULL;
}

/* What changes BERT or GPT-2 and UER-py cannot say. */
static int check_plain(const ae_json *config, const char *class_name, ae_err *e)
{
    static const struct {
        const char *key;
        bool plain;
    } keys[] = {{"is_decoder", false},
                {"add_cross_attention", false},
                {"scale_attn_by_inverse_layer_idx", false},
                {"scale_attn_weights", true}};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (ae_json_bool(config, keys[i].key, keys[i].plain, e) != keys[i].plain) {
            return e->code ? -1
                           : refuse(e, keys[i].key, keys[i].plain ? "false" : "true", "UER-py's model",
                                    keys[i].plain ? "true" : "false");
        }
    }
    const char *position = ae_json_string(config, "position_embedding_type", "absolute", e);
    if (position && strcmp(position, "absolute") != 0) {
        return refuse(e, "position_embedding_type", position, "UER-py's model", "absolute");
    }
    if (!is_gpt2(class_name) && ae_json_int(config, "type_vocab_size", 2, e) != 2) {
        return refuse(e, "type_vocab_size", "not 2", "UER-py's model", "of two segments and padding");
    }
    return e->code ? -1 : 0;
}

static void set_list(ae_json *c, const char *key, const char *words)
{
    ae_json *list = ae_json_new_array();
    while (*words) {
        size_t n = strcspn(words, " ");
        ae_json_add(list, NULL, ae_json_new_bytes(words, n));
        words += n + (words[n] == ' ');
    }
    ae_json_set(c, key, list);
}

static const char *targets_of(const char *class_name)
{
    static const struct {
        const char *class_name, *targets;
    } rows[] = {{"BertForMaskedLM", "mlm"}, {"BertForNextSentencePrediction", "sp"}, {"BertModel", "sp"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].class_name, class_name) == 0) {
            return rows[i].targets;
        }
    }
    return is_gpt2(class_name) ? "lm" : "mlm sp"; /* a classifier carries the targets of its pretraining */
}

static void write_parts(ae_json *c, const ae_json *config, bool gpt2, ae_err *e)
{
    set_list(c, "embedding", gpt2 ? "word pos" : "word pos seg");
    for (int i = 0; i < PARTS; i++) {
        ae_json_set_string(c, parts[i].key, gpt2 ? parts[i].gpt2 : parts[i].bert);
    }
    if (gpt2) {
        ae_json_set_bool(c, "remove_embedding_layernorm", true);
        ae_json_set_string(c, "hidden_act", our_act(config, "activation_function", "gelu_new", e));
        ae_json_set_int(c, "max_seq_length",
                        ae_json_int(config, "n_positions", ae_json_int(config, "n_ctx", 1024, e), e));
        ae_json_set_double(c, "dropout", ae_json_double(config, "resid_pdrop", 0.1, e));
    } else {
        ae_json_set_string(c, "hidden_act", our_act(config, "hidden_act", "gelu", e));
        ae_json_set_int(c, "max_seq_length", ae_json_int(config, "max_position_embeddings", 512, e));
        ae_json_set_double(c, "dropout", ae_json_double(config, "hidden_dropout_prob", 0.1, e));
    }
}

ae_json *ae_uer_config_write(const char *class_name, const ae_json *config, ae_err *e)
{
    ae_err local = {0};
    e = e ? e : &local;
    bool gpt2 = is_gpt2(class_name);
    if (check_plain(config, class_name, e) != 0) {
        return NULL;
    }
    ae_json *c = ae_json_new_object();
    int64_t sizes_of[SIZES];
    static const int64_t bert_sizes[] = {768, 12, 12, 3072}, gpt2_sizes[] = {768, 12, 12, 0};
    for (int i = 0; i < SIZES; i++) {
        const char *key = gpt2 ? sizes[i].gpt2 : sizes[i].bert;
        int64_t otherwise = gpt2 ? gpt2_sizes[i] : bert_sizes[i];
        bool null = ae_json_is_null(ae_json_get(config, key));
        sizes_of[i] = null ? otherwise : ae_json_int(config, key, otherwise, e);
        sizes_of[i] = sizes_of[i] ? sizes_of[i] : 4 * sizes_of[0]; /* n_inner */
        ae_json_set_int(c, sizes[i].uer, sizes_of[i]);
    }
    ae_json_set_int(c, "emb_size", sizes_of[0]);
    write_parts(c, config, gpt2, e);
    set_list(c, "target", targets_of(class_name));
    ae_json_set_string(c, "data_processor", gpt2 ? "lm" : strcmp(class_name, "BertForMaskedLM") == 0 ? "mlm" : "bert");
    ae_json_set_bool(c, "tie_weights", ae_json_bool(config, "tie_word_embeddings", true, e));
    if (ae_json_set_int(c, "vocab_size", ae_json_int(config, "vocab_size", gpt2 ? 50257 : 30522, e)) != 0) {
        ae_err_set(e, AE_E_MEMORY, "no memory for a configuration");
    }
    if (e->code) {
        ae_json_free(c);
        return NULL;
    }
    return c;
}
