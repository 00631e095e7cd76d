/* Hugging Face's tokenizer.json, read and written. */
#include "tensor/json_internal.h"
#include "tokenizers/tokenizer_internal.h"

#include <stdlib.h>

static const struct {
    const char *key;
    ae_component_reader *read;
} stages[5] = {{"normalizer", ae_normalizer_from_json},
               {"pre_tokenizer", ae_pre_tokenizer_from_json},
               {"model", ae_model_from_json},
               {"post_processor", ae_post_from_json},
               {"decoder", ae_decoder_from_json}};

ae_tokenizer *ae_tokenizer_from_json(const ae_json *json, ae_err *e)
{
    if (ae_json_type_of(json) != AE_JSON_OBJECT || !ae_json_get(json, "model")) {
        ae_err_set(e, AE_E_FORMAT, "not a tokenizer.json: there is no \"model\" in it");
        return NULL;
    }
    ae_err local = {0};
    const ae_json *added = ae_json_array(json, "added_tokens", &local);
    ae_component parts[5] = {{0}};
    for (int i = 0; i < 5 && !local.code; i++) {
        stages[i].read(ae_json_get(json, stages[i].key), &parts[i], &local);
    }
    if (local.code) {
        for (int i = 0; i < 5; i++) {
            ae_component_free(&parts[i]);
        }
        ae_err_set(e, local.code, "%s", local.message);
        return NULL;
    }
    return ae_tokenizer_build(parts, added, json, e);
}

static ae_json *added_json(const ae_tokenizer *t)
{
    ae_json *list = ae_json_new_array();
    for (int i = 0; i < t->n_added && list; i++) {
        const ae_added *a = &t->added[i];
        ae_json *m = ae_json_new_object();
        ae_json_set_int(m, "id", a->id);
        ae_json_set(m, "content", ae_json_new_bytes(a->content, a->bytes));
        ae_json_set_bool(m, "single_word", a->single_word);
        ae_json_set_bool(m, "lstrip", a->lstrip);
        ae_json_set_bool(m, "rstrip", a->rstrip);
        ae_json_set_bool(m, "normalized", a->normalized);
        ae_json_set_bool(m, "special", a->special);
        ae_json_add(list, NULL, m);
    }
    return list;
}

ae_json *ae_tokenizer_json(const ae_tokenizer *t, ae_err *e)
{
    ae_json *j = ae_json_new_object();
    ae_json_set_string(j, "version", "1.0");
    ae_json_set(j, "truncation", ae_json_copy(t->truncation));
    ae_json_set(j, "padding", ae_json_copy(t->padding));
    ae_json_set(j, "added_tokens", added_json(t));
    ae_json_set(j, "normalizer", ae_component_json(&t->normalizer, e));
    ae_json_set(j, "pre_tokenizer", ae_component_json(&t->pre_tokenizer, e));
    ae_json_set(j, "post_processor", ae_component_json(&t->post, e));
    ae_json_set(j, "decoder", ae_component_json(&t->decoder, e));
    if (!j || ae_json_set(j, "model", ae_component_json(&t->model, e)) != 0 || ae_json_is_broken(j)) {
        ae_json_free(j);
        ae_err_set(e, AE_E_MEMORY, "no memory for the tokenizer's JSON");
        return NULL;
    }
    return j;
}
