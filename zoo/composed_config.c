/* The words of a composed model's configuration. */
#include "zoo/composed_internal.h"

#include "tensor/nearest_name.h"

#include <string.h>

static const struct {
    const char *name, *about;
} targets[] = {
#define ROW(name, about) {#name, about},
    AE_TARGETS(ROW)
#undef ROW
};

const char *ae_target_name(ae_target target)
{
    return (unsigned)target < AE_TARGET_COUNT ? targets[target].name : NULL;
}

const char *ae_target_about(ae_target target)
{
    return (unsigned)target < AE_TARGET_COUNT ? targets[target].about : NULL;
}

/* ---- UER-py's other spellings -------------------------------------------------------------------------------------- */

/* The parts of a word that are joined by "_" ("word_pos_seg" of UER-py before 2023), as members of list. */
static void add_parts(ae_json *list, const char *word)
{
    char part[64];
    while (*word) {
        size_t n = strcspn(word, "_");
        snprintf(part, sizeof part, "%.*s", (int)(n < sizeof part ? n : sizeof part - 1), word);
        ae_json_add(list, NULL, ae_json_new_string(part));
        word += n + (word[n] == '_');
    }
}

/* A list of words under key, from a list or one word; `otherwise` when there is neither. */
static int as_list(ae_json *config, const char *key, const char *otherwise, ae_err *e)
{
    const ae_json *j = ae_json_get(config, key);
    const char *word = otherwise;
    ae_json *list = ae_json_new_array();
    if (ae_json_type_of(j) == AE_JSON_ARRAY) {
        for (const ae_json *item = ae_json_first(j); item && !e->code; item = ae_json_next(item)) {
            if (ae_json_value_string(item, &word, e) == 0) {
                add_parts(list, word);
            }
        }
    } else if (ae_json_is_null(j) || ae_json_value_string(j, &word, e) == 0) {
        add_parts(list, word);
    }
    if (!e->code && ae_json_count(list) == 0) {
        ae_err_set(e, AE_E_VALUE, "%s is empty; it needs at least one word", key);
    }
    if (e->code) {
        ae_json_free(list);
        return -1;
    }
    return ae_json_set(config, key, list);
}

/* A siamese configuration: both streams alike, and the encoder "dual" around them. */
static int open_streams(ae_json *config, ae_err *e)
{
    const ae_json *stream = ae_json_need_object(config, "stream_0", e);
    bool tied = ae_json_bool(config, "tie_weights", false, e);
    if (e->code) {
        return -1;
    }
    if (!tied) {
        return ae_err_set(e, AE_E_UNSUPPORTED,
                          "encoder \"dual\" without tie_weights: two encoders of their own are not "
                          "supported; with tie_weights both texts share one");
    }
    ae_json *own = ae_json_copy(stream);
    ae_json_remove(config, "stream_0");
    ae_json_remove(config, "stream_1");
    ae_json_remove(config, "tie_weights");
    int status = own ? ae_json_merge(config, own, e) : ae_err_set(e, AE_E_MEMORY, "no memory for the configuration");
    ae_json_free(own);
    return status == 0 ? as_list(config, "target", "siamese", e) : -1;
}

ae_json *ae_composed_config(const ae_json *config, ae_err *e)
{
    ae_err local = {0};
    e = e ? e : &local;
    ae_json *c = ae_json_copy(config);
    if (!c) {
        ae_err_set(e, AE_E_MEMORY, "no memory for the configuration");
        return NULL;
    }
    const char *encoder = ae_json_string(c, "encoder", "transformer", e);
    if (!e->code && !ae_json_is_null(ae_json_get(c, "decoder"))) {
        ae_err_set(e, AE_E_UNSUPPORTED, "decoder: configurations with a decoder are not composed models");
    }
    if (!e->code && encoder && strcmp(encoder, "dual") == 0) {
        open_streams(c, e);
    }
    if (!e->code && as_list(c, "embedding", "word", e) == 0 && as_list(c, "target", "mlm", e) == 0 &&
        ae_json_is_null(ae_json_get(c, "num_labels")) && !ae_json_is_null(ae_json_get(c, "labels_num"))) {
        ae_json_set_int(c, "num_labels", ae_json_int(c, "labels_num", 2, e));
    }
    if (e->code) {
        ae_json_free(c);
        return NULL;
    }
    return c;
}

/* ---- what a configuration trains on -------------------------------------------------------------------------------- */

const char *ae_composed_encoder_name(const ae_json *config)
{
    const ae_json *stream = ae_json_get(config, "stream_0");
    const char *name = ae_json_string(config, "encoder", "transformer", NULL);
    return name && strcmp(name, "dual") == 0 ? ae_json_string(stream, "encoder", "transformer", NULL) : name;
}

static bool lists(const ae_json *config, const char *target)
{
    const char *word;
    for (const ae_json *t = ae_json_first(ae_json_get(config, "target")); t; t = ae_json_next(t)) {
        if (ae_json_value_string(t, &word, NULL) == 0 && strcmp(word, target) == 0) {
            return true;
        }
    }
    return false;
}

const char *ae_composed_objective(const ae_json *config, bool *apart)
{
    static const struct {
        const char *first, *second, *objective;
    } mixtures[] = {{"mlm", "sp", "mlm_nsp"}, {"mlm", NULL, "mlm"},     {"lm", NULL, "lm"},
                    {"bilm", NULL, "lm"},     {"cls", NULL, "classes"}, {"siamese", NULL, "classes"}};
    const char *objective = NULL;
    ae_json *c = ae_composed_config(config, NULL);
    int count = ae_json_count(ae_json_get(c, "target"));
    for (size_t i = 0; i < sizeof mixtures / sizeof *mixtures && !objective; i++) {
        const char *second = mixtures[i].second;
        if (count == (second ? 2 : 1) && lists(c, mixtures[i].first) && (!second || lists(c, second))) {
            objective = mixtures[i].objective;
        }
    }
    if (apart) {
        *apart = lists(c, "siamese");
    }
    ae_json_free(c);
    return objective;
}

int ae_composed_aim(ae_json *config, const char *objective, ae_err *e)
{
    bool apart = false;
    ae_composed_objective(config, &apart);
    const char *encoder = ae_composed_encoder_name(config);
    bool both =
        encoder && (strcmp(encoder, "birnn") == 0 || strcmp(encoder, "bilstm") == 0 || strcmp(encoder, "bigru") == 0);
    const struct {
        const char *objective, *words;
    } aims[] = {{"mlm_nsp", "mlm_sp"},
                {"mlm", "mlm"},
                {"lm", both ? "bilm" : "lm"},
                {"classes", apart ? "siamese" : "cls"},
                {"regression", apart ? "siamese" : "cls"}};
    for (size_t i = 0; i < sizeof aims / sizeof *aims; i++) {
        if (strcmp(aims[i].objective, objective) == 0) {
            ae_json *list = ae_json_new_array();
            add_parts(list, aims[i].words);
            return ae_json_set(config, "target", list) == 0 ? 0 : ae_err_set(e, AE_E_MEMORY, "no memory");
        }
    }
    return ae_err_set(e, AE_E_UNSUPPORTED,
                      "composed: there is no target for \"%s\"; mlm_nsp, mlm, lm, classes and "
                      "regression have one",
                      objective);
}
