#include "tokenizers/component.h"

#include "tensor/json_internal.h"
#include "tensor/nearest_name.h"

#include <stdlib.h>

#define ADDRESS(list, name) &ae_##list##_##name.row,
#define NORMALIZER(name) ADDRESS(normalizer, name)
#define PRE_TOKENIZER(name) ADDRESS(pre_tokenizer, name)
#define MODEL(name) ADDRESS(model, name)
#define POST(name) ADDRESS(post, name)
#define DECODER(name) ADDRESS(decoder, name)

static const ae_row *const normalizers[] = {AE_NORMALIZERS(NORMALIZER)};
static const ae_row *const pre_tokenizers[] = {AE_PRE_TOKENIZERS(PRE_TOKENIZER)};
static const ae_row *const models[] = {AE_MODELS(MODEL)};
static const ae_row *const posts[] = {AE_POSTS(POST)};
static const ae_row *const decoders[] = {AE_DECODERS(DECODER)};

enum { LIST_MAX = 64 };

static const ae_row *find_row(const char *type, const ae_row *const *list, int count, ae_err *e)
{
    const char *names[LIST_MAX];
    for (int i = 0; i < count; i++) {
        if (strcmp(list[i]->type, type) == 0) {
            return list[i];
        }
        names[i] = list[i]->type;
    }
    const char *nearest = ae_nearest_name(type, names, count);
    ae_err_set(e, AE_E_UNSUPPORTED, "the type \"%.60s\" is not known%s%s%s", type, nearest ? "; did you mean \"" : "",
               nearest ? nearest : "", nearest ? "\"?" : "");
    return NULL;
}

/* The row that an object names, or NULL and e filled. */
static const ae_row *row_of(const ae_json *json, const ae_row *const *list, int count, ae_err *e)
{
    if (ae_json_type_of(json) != AE_JSON_OBJECT) {
        ae_err_set(e, AE_E_FORMAT, "an object with a \"type\" is needed, not %s",
                   ae_json_type_name(ae_json_type_of(json)));
        return NULL;
    }
    const char *type = ae_json_need_string(json, "type", e);
    return type ? find_row(type, list, count, e) : NULL;
}

static int read_component(const ae_json *json, const char *stage, const ae_row *const *list, int count, ae_component *c,
                          ae_err *e)
{
    *c = (ae_component){0};
    if (ae_json_is_null(json)) {
        return 0;
    }
    const ae_row *row = row_of(json, list, count, e);
    if (!row) {
        ae_err_prefix(e, "%s", stage);
        return -1;
    }
    if (row->from_json) {
        c->self = row->from_json(json, e);
        if (!c->self) {
            ae_err_prefix(e, "%s %s", stage, row->type);
            return -1;
        }
    }
    c->row = row;
    return 0;
}

#define COUNT(list) (int)(sizeof(list) / sizeof *(list))

int ae_normalizer_from_json(const ae_json *json, ae_component *c, ae_err *e)
{
    return read_component(json, "normalizer", normalizers, COUNT(normalizers), c, e);
}

int ae_pre_tokenizer_from_json(const ae_json *json, ae_component *c, ae_err *e)
{
    return read_component(json, "pre_tokenizer", pre_tokenizers, COUNT(pre_tokenizers), c, e);
}

/* Models of before 2020 have no "type"; their members tell. */
static const char *model_type(const ae_json *json)
{
    if (ae_json_get(json, "merges")) {
        return "BPE";
    }
    return ae_json_get(json, "continuing_subword_prefix") ? "WordPiece" : "WordLevel";
}

int ae_model_from_json(const ae_json *json, ae_component *c, ae_err *e)
{
    *c = (ae_component){0};
    if (ae_json_type_of(json) != AE_JSON_OBJECT) {
        return ae_err_set(e, AE_E_FORMAT, "model: an object is needed, not %s",
                          ae_json_type_name(ae_json_type_of(json)));
    }
    if (ae_json_get(json, "type")) {
        return read_component(json, "model", models, COUNT(models), c, e);
    }
    const ae_row *row = find_row(ae_json_get(json, "unk_id") ? "Unigram" : model_type(json), models, COUNT(models), e);
    c->self = row ? row->from_json(json, e) : NULL;
    if (!c->self) {
        ae_err_prefix(e, "model");
        return -1;
    }
    c->row = row;
    return 0;
}

int ae_model_make(const ae_json *object, ae_vocab *vocab, ae_merges merges, ae_component *c, ae_err *e)
{
    *c = (ae_component){0};
    const ae_model_row *row = (const ae_model_row *)row_of(object, models, COUNT(models), e);
    if (!row || !row->make) {
        ae_vocab_free(vocab);
        free(merges.pairs);
        return row ? ae_err_set(e, AE_E_UNSUPPORTED, "model %s: is not made from lists", row->row.type) : -1;
    }
    c->self = row->make(object, vocab, merges, e);
    c->row = c->self ? &row->row : NULL;
    return c->self ? 0 : -1;
}

int ae_post_from_json(const ae_json *json, ae_component *c, ae_err *e)
{
    return read_component(json, "post_processor", posts, COUNT(posts), c, e);
}

int ae_decoder_from_json(const ae_json *json, ae_component *c, ae_err *e)
{
    return read_component(json, "decoder", decoders, COUNT(decoders), c, e);
}

ae_json *ae_component_json(const ae_component *c, ae_err *e)
{
    ae_json *json = c->row ? ae_component_typed(c->row->type) : ae_json_new_null();
    if (json && c->row && ((c->row->to_json && c->row->to_json(c->self, json) != 0) || ae_json_is_broken(json))) {
        ae_json_free(json);
        json = NULL;
    }
    if (!json) {
        ae_err_set(e, AE_E_MEMORY, "no memory for the tokenizer's JSON");
    }
    return json;
}

ae_json *ae_component_typed(const char *type)
{
    ae_json *json = ae_json_new_object();
    ae_json_set_string(json, "type", type);
    return json;
}

bool ae_component_is(const ae_json *json, const char *type)
{
    const char *name = ae_json_string(json, "type", "", NULL);
    return name && strcmp(name, type) == 0;
}

void ae_component_free(ae_component *c)
{
    if (c->row && c->row->free) {
        c->row->free(c->self);
    } else {
        free(c->self);
    }
    *c = (ae_component){0};
}

/* ---- sequences ---------------------------------------------------------------------------------------------------- */

ae_sequence *ae_sequence_from_json(const ae_json *object, const char *key, ae_component_reader *read, ae_err *e)
{
    const ae_json *array = ae_json_need_array(object, key, e);
    ae_sequence *s = array ? calloc(1, sizeof *s) : NULL;
    int count = ae_json_count(array);
    if (s) {
        s->items = calloc((size_t)count + 1, sizeof *s->items);
    }
    if (!s || !s->items) {
        if (array) {
            ae_err_set(e, AE_E_MEMORY, "no memory for %d members", count);
        }
        free(s);
        return NULL;
    }
    for (const ae_json *m = ae_json_first(array); m; m = ae_json_next(m)) {
        if (ae_json_is_null(m)) {
            ae_err_set(e, AE_E_FORMAT, "member %d of \"%s\" is null", s->count, key);
        }
        if (ae_json_is_null(m) || read(m, &s->items[s->count], e) != 0) {
            ae_sequence_free(s);
            return NULL;
        }
        s->count++;
    }
    return s;
}

int ae_sequence_to_json(const ae_sequence *s, const char *key, ae_json *object)
{
    ae_json *array = ae_json_new_array();
    for (int i = 0; array && i < s->count; i++) {
        if (ae_json_add(array, NULL, ae_component_json(&s->items[i], NULL)) != 0) {
            ae_json_free(array);
            array = NULL;
        }
    }
    return ae_json_set(object, key, array);
}

void ae_sequence_free(void *self)
{
    ae_sequence *s = self;
    for (int i = 0; i < s->count; i++) {
        ae_component_free(&s->items[i]);
    }
    free(s->items);
    free(s);
}
