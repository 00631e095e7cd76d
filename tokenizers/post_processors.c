/* Post-processors: which special tokens and type ids stand around one text or a pair. */
#include "tokenizers/component.h"

#include <stdlib.h>

static void add(ae_template *t, ae_place place)
{
    if (t->count < AE_TEMPLATE_MAX) {
        t->places[t->count++] = place;
    }
}

static ae_place token(int32_t id, uint8_t type)
{
    return (ae_place){id, -1, type};
}

static ae_place text(int sequence, uint8_t type)
{
    return (ae_place){-1, sequence, type};
}

/* ---- BertProcessing, RobertaProcessing ------------------------------------------------------------------------------ */

typedef struct frame {
    char *sep, *cls;
    int32_t sep_id, cls_id;
    bool trim, add_prefix_space;
} frame;

static void frame_free(void *self)
{
    frame *f = self;
    free(f->sep);
    free(f->cls);
    free(f);
}

/* ["[SEP]", 102] */
static int read_token(const ae_json *object, const char *key, char **token_text, int32_t *id, ae_err *e)
{
    const ae_json *pair = ae_json_need_array(object, key, e);
    const ae_json *first = ae_json_first(pair), *second = first ? ae_json_next(first) : NULL;
    const char *spelled = NULL;
    int64_t number = 0;
    if (!pair) {
        return -1;
    }
    if (ae_json_type_of(first) != AE_JSON_STRING || ae_json_type_of(second) != AE_JSON_NUMBER) {
        return ae_err_set(e, AE_E_FORMAT, "\"%s\" must be a token and its id, [\"[SEP]\", 102]", key);
    }
    if (ae_json_value_string(first, &spelled, e) != 0 || ae_json_value_int(second, &number, e) != 0) {
        return -1;
    }
    if (number < 0 || number >= AE_VOCAB_MAX) {
        return ae_err_set(e, AE_E_VALUE, "\"%s\" has the id %lld", key, (long long)number);
    }
    *id = (int32_t)number;
    *token_text = strdup(spelled);
    return *token_text ? 0 : ae_err_set(e, AE_E_MEMORY, "no memory");
}

static void *frame_from_json(const ae_json *object, ae_err *e)
{
    frame *f = calloc(1, sizeof *f);
    if (!f) {
        ae_err_set(e, AE_E_MEMORY, "no memory");
        return NULL;
    }
    ae_err local = {0};
    f->trim = ae_json_bool(object, "trim_offsets", true, &local);
    f->add_prefix_space = ae_json_bool(object, "add_prefix_space", true, &local);
    if (local.code) {
        ae_err_set(e, local.code, "%s", local.message);
    }
    if (local.code || read_token(object, "sep", &f->sep, &f->sep_id, e) != 0 ||
        read_token(object, "cls", &f->cls, &f->cls_id, e) != 0) {
        frame_free(f);
        return NULL;
    }
    return f;
}

static int write_token(ae_json *object, const char *key, const char *spelled, int32_t id)
{
    ae_json *pair = ae_json_new_array();
    ae_json_add(pair, NULL, ae_json_new_string(spelled));
    ae_json_add(pair, NULL, ae_json_new_int(id));
    return ae_json_set(object, key, pair);
}

static int bert_to_json(const void *self, ae_json *object)
{
    const frame *f = self;
    write_token(object, "sep", f->sep, f->sep_id);
    return write_token(object, "cls", f->cls, f->cls_id);
}

static int roberta_to_json(const void *self, ae_json *object)
{
    const frame *f = self;
    bert_to_json(self, object);
    ae_json_set_bool(object, "trim_offsets", f->trim);
    return ae_json_set_bool(object, "add_prefix_space", f->add_prefix_space);
}

/* [CLS] A [SEP] and [CLS] A [SEP] B [SEP], B and its end of type 1. */
static int bert_plan(const void *self, ae_post *p)
{
    const frame *f = self;
    p->single = p->pair = (ae_template){0};
    ae_template *both[] = {&p->single, &p->pair};
    for (int i = 0; i < 2; i++) {
        add(both[i], token(f->cls_id, 0));
        add(both[i], text(0, 0));
        add(both[i], token(f->sep_id, 0));
    }
    add(&p->pair, text(1, 1));
    add(&p->pair, token(f->sep_id, 1));
    return 0;
}

/* <s> A </s> and <s> A </s></s> B </s>, all of type 0. */
static int roberta_plan(const void *self, ae_post *p)
{
    const frame *f = self;
    bert_plan(self, p);
    p->pair.count = 3;
    add(&p->pair, token(f->sep_id, 0));
    add(&p->pair, text(1, 0));
    add(&p->pair, token(f->sep_id, 0));
    p->trim = f->trim;
    p->add_prefix_space = f->add_prefix_space;
    return 0;
}

const ae_post_row ae_post_bert = {{"BertProcessing", frame_from_json, bert_to_json, frame_free}, bert_plan};
const ae_post_row ae_post_roberta = {{"RobertaProcessing", frame_from_json, roberta_to_json, frame_free}, roberta_plan};

/* ---- ByteLevel ------------------------------------------------------------------------------------------------------- */

typedef struct trimming {
    bool add_prefix_space, trim, use_regex;
} trimming;

static void *trimming_from_json(const ae_json *object, ae_err *e)
{
    ae_err local = {0};
    trimming parsed = {ae_json_bool(object, "add_prefix_space", true, &local),
                       ae_json_bool(object, "trim_offsets", true, &local),
                       ae_json_bool(object, "use_regex", true, &local)};
    trimming *t = local.code ? NULL : malloc(sizeof *t);
    if (!t) {
        ae_err_set(e, local.code ? local.code : AE_E_MEMORY, "%s", local.code ? local.message : "no memory");
        return NULL;
    }
    *t = parsed;
    return t;
}

static int trimming_to_json(const void *self, ae_json *object)
{
    const trimming *t = self;
    ae_json_set_bool(object, "add_prefix_space", t->add_prefix_space);
    ae_json_set_bool(object, "trim_offsets", t->trim);
    return ae_json_set_bool(object, "use_regex", t->use_regex);
}

static int trimming_plan(const void *self, ae_post *p)
{
    const trimming *t = self;
    p->trim = t->trim;
    p->add_prefix_space = t->add_prefix_space;
    return 0;
}

const ae_post_row ae_post_byte_level = {{"ByteLevel", trimming_from_json, trimming_to_json, NULL}, trimming_plan};

/* ---- TemplateProcessing ---------------------------------------------------------------------------------------------- */

typedef struct templates {
    ae_template single, pair;
    ae_json *source[3]; /* single, pair, special_tokens as they were read */
} templates;

static const char *const template_keys[3] = {"single", "pair", "special_tokens"};

static void templates_free(void *self)
{
    templates *t = self;
    for (int i = 0; i < 3; i++) {
        ae_json_free(t->source[i]);
    }
    free(t);
}

static int read_type(const ae_json *object, uint8_t *type, ae_err *e)
{
    ae_err local = {0};
    int64_t number = ae_json_int(object, "type_id", 0, &local);
    if (local.code || number < 0 || number > 255) {
        return ae_err_set(e, AE_E_VALUE, "\"type_id\" must lie between 0 and 255");
    }
    *type = (uint8_t)number;
    return 0;
}

/* {"SpecialToken": {"id": "[CLS]", "type_id": 0}}: the ids of that name in special_tokens. */
static int add_special(ae_template *t, const ae_json *object, const ae_json *specials, ae_err *e)
{
    uint8_t type = 0;
    const char *name = ae_json_need_string(object, "id", e);
    if (!name || read_type(object, &type, e) != 0) {
        return -1;
    }
    const ae_json *ids = ae_json_get(ae_json_get(specials, name), "ids");
    if (ae_json_type_of(ids) != AE_JSON_ARRAY) {
        return ae_err_set(e, AE_E_MISSING, "\"special_tokens\" has no ids for \"%.60s\"", name);
    }
    for (const ae_json *m = ae_json_first(ids); m; m = ae_json_next(m)) {
        int64_t id = 0;
        if (ae_json_value_int(m, &id, e) != 0) {
            return -1;
        }
        if (id < 0 || id >= AE_VOCAB_MAX || t->count == AE_TEMPLATE_MAX) {
            return ae_err_set(e, AE_E_VALUE, "the id %lld of \"%.60s\", or too many places (%d are)", (long long)id,
                              name, AE_TEMPLATE_MAX);
        }
        add(t, token((int32_t)id, type));
    }
    return 0;
}

/* {"Sequence": {"id": "A", "type_id": 0}} */
static int add_text(ae_template *t, const ae_json *object, bool pair, ae_err *e)
{
    uint8_t type = 0;
    const char *name = ae_json_need_string(object, "id", e);
    if (!name || read_type(object, &type, e) != 0) {
        return -1;
    }
    int sequence = strcmp(name, "A") == 0 ? 0 : strcmp(name, "B") == 0 && pair ? 1 : -1;
    for (int i = 0; i < t->count; i++) {
        sequence = t->places[i].sequence == sequence ? -1 : sequence;
    }
    if (sequence < 0 || t->count == AE_TEMPLATE_MAX) {
        return ae_err_set(e, AE_E_VALUE, "the sequence \"%.20s\": each of A%s stands once in a template", name,
                          pair ? " and B" : "");
    }
    add(t, text(sequence, type));
    return 0;
}

static int read_template(const ae_json *list, const ae_json *specials, bool pair, ae_template *t, ae_err *e)
{
    for (const ae_json *m = ae_json_first(list); m; m = ae_json_next(m)) {
        const ae_json *special = ae_json_get(m, "SpecialToken"), *sequence = ae_json_get(m, "Sequence");
        int result = special ? add_special(t, special, specials, e)
                     : sequence
                         ? add_text(t, sequence, pair, e)
                         : ae_err_set(e, AE_E_FORMAT, "a place must be {\"SpecialToken\": ...} or {\"Sequence\": ...}");
        if (result != 0) {
            return -1;
        }
    }
    int texts = 0;
    for (int i = 0; i < t->count; i++) {
        texts += t->places[i].sequence >= 0;
    }
    return texts == 1 + pair ? 0 : ae_err_set(e, AE_E_VALUE, "it must hold the sequence A%s", pair ? " and B" : "");
}

static void *templates_from_json(const ae_json *object, ae_err *e)
{
    templates *t = calloc(1, sizeof *t);
    if (!t) {
        ae_err_set(e, AE_E_MEMORY, "no memory");
        return NULL;
    }
    ae_err local = {0};
    const ae_json *single = ae_json_need_array(object, "single", &local);
    const ae_json *pair = local.code ? NULL : ae_json_need_array(object, "pair", &local);
    const ae_json *specials = local.code ? NULL : ae_json_object(object, "special_tokens", &local);
    if (!local.code && read_template(single, specials, false, &t->single, &local) != 0) {
        ae_err_prefix(&local, "single");
    }
    if (!local.code && read_template(pair, specials, true, &t->pair, &local) != 0) {
        ae_err_prefix(&local, "pair");
    }
    for (int i = 0; i < 3 && !local.code; i++) {
        const ae_json *part = ae_json_get(object, template_keys[i]);
        t->source[i] = part ? ae_json_copy(part) : ae_json_new_object();
        if (!t->source[i]) {
            ae_err_set(&local, AE_E_MEMORY, "no memory");
        }
    }
    if (local.code) {
        ae_err_set(e, local.code, "%s", local.message);
        templates_free(t);
        return NULL;
    }
    return t;
}

static int templates_to_json(const void *self, ae_json *object)
{
    const templates *t = self;
    int result = 0;
    for (int i = 0; i < 3; i++) {
        result = ae_json_set(object, template_keys[i], ae_json_copy(t->source[i]));
    }
    return result;
}

static int templates_plan(const void *self, ae_post *p)
{
    const templates *t = self;
    p->single = t->single;
    p->pair = t->pair;
    return 0;
}

const ae_post_row ae_post_template = {{"TemplateProcessing", templates_from_json, templates_to_json, templates_free},
                                      templates_plan};

/* ---- Sequence -------------------------------------------------------------------------------------------------------- */

static void *sequence_from_json(const ae_json *object, ae_err *e)
{
    return ae_sequence_from_json(object, "processors", ae_post_from_json, e);
}

static int sequence_to_json(const void *self, ae_json *object)
{
    return ae_sequence_to_json(self, "processors", object);
}

static int sequence_plan(const void *self, ae_post *p)
{
    const ae_sequence *s = self;
    for (int i = 0; i < s->count; i++) {
        ((const ae_post_row *)s->items[i].row)->plan(s->items[i].self, p);
    }
    return 0;
}

const ae_post_row ae_post_sequence = {{"Sequence", sequence_from_json, sequence_to_json, ae_sequence_free},
                                      sequence_plan};
