#include "tokenizers/added_files.h"

#include <stdlib.h>

static ae_added_spec *find(const ae_added_specs *s, const char *content)
{
    for (int i = 0; i < s->count; i++) {
        if (strcmp(s->list[i].content, content) == 0) {
            return &s->list[i];
        }
    }
    return NULL;
}

static int add(ae_added_specs *s, ae_added_spec spec, ae_err *e)
{
    if (!spec.content[0]) {
        return 0;
    }
    if (s->count == AE_ADDED_FILES_MAX) {
        return ae_err_set(e, AE_E_UNSUPPORTED, "the files name more than %d added tokens", AE_ADDED_FILES_MAX);
    }
    if (s->count == s->room) {
        int room = 2 * s->room + 64;
        ae_added_spec *list = realloc(s->list, (size_t)room * sizeof *list);
        if (!list) {
            return ae_err_set(e, AE_E_MEMORY, "no memory for %d added tokens", room);
        }
        s->list = list;
        s->room = room;
    }
    s->list[s->count++] = spec;
    return 0;
}

/* {"content": "<mask>", "lstrip": true, ...}; what it leaves out is as the kinds have it. */
static int read_spec(const ae_json *object, bool special, ae_added_spec *spec, ae_err *e)
{
    ae_err local = {0};
    const char *content = ae_json_need_string(object, "content", &local);
    *spec = ae_added_default(content ? content : "");
    spec->special = ae_json_bool(object, "special", special, &local);
    spec->single_word = ae_json_bool(object, "single_word", false, &local);
    spec->lstrip = ae_json_bool(object, "lstrip", spec->lstrip, &local);
    spec->rstrip = ae_json_bool(object, "rstrip", false, &local);
    spec->normalized = ae_json_bool(object, "normalized", spec->special ? spec->normalized : true, &local);
    return local.code ? ae_err_set(e, local.code, "%s", local.message) : 0;
}

/* "added_tokens_decoder": {"50257": {"content": "<|endoftext|>", ...}, ...} */
static int read_decoder(ae_added_specs *s, const ae_json *config, ae_err *e)
{
    for (const ae_json *m = ae_json_first(ae_json_get(config, "added_tokens_decoder")); m; m = ae_json_next(m)) {
        const char *key = ae_json_key(m);
        char *end = NULL;
        long long id = key ? strtoll(key, &end, 10) : -1;
        ae_added_spec spec = {0};
        if (!key || end == key || *end || id < 0 || id >= AE_VOCAB_MAX) {
            return ae_err_set(e, AE_E_VALUE, "added_tokens_decoder: \"%.40s\" is no id", key ? key : "");
        }
        if (read_spec(m, false, &spec, e) != 0) {
            ae_err_prefix(e, "added_tokens_decoder: %s", key);
            return -1;
        }
        spec.id = id;
        if (!find(s, spec.content) && add(s, spec, e) != 0) {
            return -1;
        }
    }
    return 0;
}

/* "[CLS]", or {"content": "[CLS]", ...}; anything else is no token. */
static int read_value(ae_added_specs *s, const ae_json *value, ae_err *e)
{
    const char *content = NULL;
    ae_added_spec spec = {0};
    if (ae_json_type_of(value) == AE_JSON_STRING) {
        if (ae_json_value_string(value, &content, NULL) != 0) {
            return 0;
        }
        spec = ae_added_default(content);
    } else if (ae_json_type_of(value) != AE_JSON_OBJECT) {
        return 0;
    } else if (read_spec(value, true, &spec, e) != 0) {
        return -1;
    }
    ae_added_spec *known = find(s, spec.content);
    if (known) {
        known->special = true;
        return 0;
    }
    return add(s, spec, e);
}

/* The members "..._token", and those of "additional_special_tokens". */
static int read_named(ae_added_specs *s, const ae_json *file, ae_err *e)
{
    for (const ae_json *m = ae_json_first(file); m; m = ae_json_next(m)) {
        const char *key = ae_json_key(m);
        size_t n = key ? strlen(key) : 0;
        int result = 0;
        if (n > 6 && strcmp(key + n - 6, "_token") == 0) {
            result = read_value(s, m, e);
        } else if (key && strcmp(key, "additional_special_tokens") == 0) {
            for (const ae_json *item = ae_json_first(m); item && result == 0; item = ae_json_next(item)) {
                result = read_value(s, item, e);
            }
        }
        if (result != 0) {
            ae_err_prefix(e, "%s", key);
            return -1;
        }
    }
    return 0;
}

static bool is_kinds_own(const ae_kind *kind, const char *content)
{
    for (int i = 0; kind->special[i]; i++) {
        if (strcmp(kind->special[i], content) == 0) {
            return true;
        }
    }
    return false;
}

/* {"<|en|>": 50259, ...} */
static int read_ids(ae_added_specs *s, const ae_json *added, const ae_kind *kind, ae_err *e)
{
    for (const ae_json *m = ae_json_first(added); m; m = ae_json_next(m)) {
        const char *content = ae_json_key(m);
        int64_t id = 0;
        if (!content || ae_json_value_int(m, &id, e) != 0) {
            ae_err_prefix(e, "added_tokens.json");
            return -1;
        }
        ae_added_spec *known = find(s, content);
        if (known && known->id < 0) {
            known->id = id;
        } else if (!known) {
            ae_added_spec spec = ae_added_default(content);
            spec.id = id;
            if (!is_kinds_own(kind, content)) {
                spec.special = false;
                spec.normalized = true;
            }
            if (add(s, spec, e) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

int ae_added_gather(ae_added_specs *s, const ae_json *config, const ae_json *special, const ae_json *added,
                    const ae_kind *kind, const ae_vocab *v, ae_err *e)
{
    *s = (ae_added_specs){0};
    int result = read_decoder(s, config, e);
    result = result == 0 ? read_named(s, special, e) : result;
    result = result == 0 ? read_named(s, config, e) : result;
    result = result == 0 ? read_ids(s, added, kind, e) : result;
    for (int i = 0; kind->special[i] && result == 0; i++) {
        const char *content = kind->special[i];
        if (!find(s, content) && ae_vocab_find(v, content, strlen(content)) >= 0) {
            result = add(s, ae_added_default(content), e);
        }
    }
    if (result != 0) {
        free(s->list);
        *s = (ae_added_specs){0};
    }
    return result;
}

/* ---- classes ---------------------------------------------------------------------------------------------------------- */

/* The classes of Hugging Face's transformers that are made from vocabulary files; "Fast" may stand behind. */
static const struct {
    const char *name, *kind;
} classes[] = {
    {"BertTokenizer", "bert"},      {"DistilBertTokenizer", "bert"}, {"ElectraTokenizer", "bert"},
    {"GPT2Tokenizer", "gpt2"},      {"RobertaTokenizer", "roberta"}, {"BartTokenizer", "roberta"},
    {"OpenAIGPTTokenizer", "gpt1"}, {"CLIPTokenizer", "clip"},       {"WhisperTokenizer", "whisper"},
};

const char *ae_kind_of_config(const ae_json *config)
{
    const char *name = ae_json_string(config, "tokenizer_class", "", NULL);
    for (size_t i = 0; name && i < sizeof classes / sizeof *classes; i++) {
        size_t n = strlen(classes[i].name);
        if (strncmp(name, classes[i].name, n) == 0 && (!name[n] || strcmp(name + n, "Fast") == 0)) {
            return classes[i].kind;
        }
    }
    return NULL;
}
