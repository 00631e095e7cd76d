/* A tokenizer from its components: added tokens, roles, flags; and what can be asked of it. */
#include "tokenizers/piece_kinds.h"
#include "tokenizers/tokenizer_internal.h"
#include "tokenizers/unicode.h"

#include <stdlib.h>

static const ae_model_row *model_of(const ae_tokenizer *t)
{
    return (const ae_model_row *)t->model.row;
}

void ae_tokenizer_free(ae_tokenizer *t)
{
    if (!t) {
        return;
    }
    ae_component_free(&t->normalizer);
    ae_component_free(&t->pre_tokenizer);
    ae_component_free(&t->model);
    ae_component_free(&t->post);
    ae_component_free(&t->decoder);
    ae_json_free(t->truncation);
    ae_json_free(t->padding);
    for (int i = 0; i < t->n_added; i++) {
        free(t->added[i].content);
        free(t->added[i].pattern);
    }
    free(t->added);
    free(t->raw.list);
    free(t->normal.list);
    free(t->flags);
    free(t);
}

/* ---- added tokens --------------------------------------------------------------------------------------------------- */

static const ae_added *added_named(const ae_tokenizer *t, const char *token, size_t bytes)
{
    for (int i = 0; i < t->n_added; i++) {
        if (t->added[i].bytes == bytes && memcmp(t->added[i].content, token, bytes) == 0) {
            return &t->added[i];
        }
    }
    return NULL;
}

static const ae_added *added_of(const ae_tokenizer *t, int32_t id)
{
    for (int i = 0; i < t->n_added; i++) {
        if (t->added[i].id == id) {
            return &t->added[i];
        }
    }
    return NULL;
}

/* The model's id wins over the file's, as in Hugging Face's library; an id of another token is an error. */
static int settle_id(const ae_tokenizer *t, ae_added *a, int64_t id, ae_err *e)
{
    int32_t known = ae_vocab_find(t->vocab, a->content, a->bytes);
    a->id = known >= 0 ? known : (int32_t)id;
    if (known >= 0) {
        return 0;
    }
    const char *other = ae_vocab_token(t->vocab, (int32_t)id, NULL);
    if (id < 0 || id >= AE_VOCAB_MAX || other || added_of(t, (int32_t)id)) {
        return ae_err_set(e, AE_E_VALUE, "added_tokens: \"%.60s\" has the id %lld, which %s", a->content, (long long)id,
                          other                          ? "is another token's"
                          : id >= 0 && id < AE_VOCAB_MAX ? "another added token has"
                                                         : "is out of range");
    }
    return 0;
}

static int read_added(ae_tokenizer *t, const ae_json *m, ae_err *e)
{
    ae_added *a = &t->added[t->n_added];
    ae_err local = {0};
    int64_t id = ae_json_need_int(m, "id", &local);
    *a = (ae_added){.single_word = ae_json_bool(m, "single_word", false, &local),
                    .lstrip = ae_json_bool(m, "lstrip", false, &local),
                    .rstrip = ae_json_bool(m, "rstrip", false, &local),
                    .special = ae_json_bool(m, "special", false, &local)};
    a->normalized = ae_json_bool(m, "normalized", !a->special, &local);
    if (local.code) {
        return ae_err_set(e, local.code, "added_tokens: %s", local.message);
    }
    a->content = ae_json_value_bytes(ae_json_get(m, "content"), &a->bytes, e);
    if (!a->content) {
        ae_err_prefix(e, "added_tokens: content");
        return -1;
    }
    if (settle_id(t, a, id, e) != 0) {
        free(a->content);
        return -1;
    }
    bool known = added_named(t, a->content, a->bytes) != NULL;
    t->n_added++;
    if (known) { /* standing twice is harmless: the first counts */
        free(t->added[--t->n_added].content);
    }
    return 0;
}

/* The pattern of a normalised token is what the normalizer makes of it. */
static int make_patterns(ae_tokenizer *t, ae_err *e)
{
    ae_work w = {0};
    for (int i = 0; i < t->n_added; i++) {
        ae_added *a = &t->added[i];
        const char *pattern = a->content;
        a->pattern_bytes = a->bytes;
        if (a->normalized && t->normalizer.row) {
            w.begins = w.text_start = true;
            ae_work_begin(&w, a->content, a->bytes);
            ae_normalize(t, &w);
            pattern = w.text.bytes;
            a->pattern_bytes = w.text.length;
        }
        a->pattern = malloc(a->pattern_bytes + 1);
        if (!a->pattern || ae_work_check(&w, NULL) != 0) {
            ae_work_free(&w);
            return ae_err_set(e, AE_E_MEMORY, "no memory");
        }
        if (a->pattern_bytes > 0) {
            memcpy(a->pattern, pattern, a->pattern_bytes);
        }
        a->pattern[a->pattern_bytes] = '\0';
    }
    ae_work_free(&w);
    return 0;
}

static int read_added_list(ae_tokenizer *t, const ae_json *list, ae_err *e)
{
    t->added = calloc((size_t)ae_json_count(list) + 1, sizeof *t->added);
    if (!t->added) {
        return ae_err_set(e, AE_E_MEMORY, "no memory");
    }
    for (const ae_json *m = ae_json_first(list); m; m = ae_json_next(m)) {
        if (ae_json_type_of(m) != AE_JSON_OBJECT) {
            return ae_err_set(e, AE_E_FORMAT, "added_tokens: its members must be objects, not %s",
                              ae_json_type_name(ae_json_type_of(m)));
        }
        if (read_added(t, m, e) != 0) {
            return -1;
        }
    }
    if (make_patterns(t, e) != 0 || ae_matcher_build(&t->raw, t->added, t->n_added, false, e) != 0) {
        return -1;
    }
    return ae_matcher_build(&t->normal, t->added, t->n_added, true, e);
}

/* ---- roles and flags --------------------------------------------------------------------------------------------------- */

/* The names that families give to a role, the first that is there counts. */
static const char *const role_names[AE_TOKEN_ROLES][5] = {
    [AE_TOKEN_PAD] = {"[PAD]", "<pad>", "<blank>"},
    [AE_TOKEN_UNKNOWN] = {"[UNK]", "<unk>"},
    [AE_TOKEN_CLS] = {"[CLS]", "<cls>", "<s>", "<|startoftext|>", "<|endoftext|>"},
    [AE_TOKEN_SEP] = {"[SEP]", "<sep>", "</s>", "<|endoftext|>", "<eos>"},
    [AE_TOKEN_MASK] = {"[MASK]", "<mask>"},
};

/* Whether an id is that of a piece which no text spells. */
static bool is_control(const ae_tokenizer *t, int32_t id)
{
    return id >= 0 && model_of(t) == &ae_model_sentencepiece &&
           ae_sentencepiece_pieces(t->model.self)->types[id] == AE_PIECE_CONTROL;
}

static int32_t role_id(const ae_tokenizer *t, const char *name)
{
    const ae_added *a = added_named(t, name, strlen(name));
    int32_t id = a ? a->id : ae_vocab_find(t->vocab, name, strlen(name));
    return a || is_control(t, id) ? id : -1;
}

static void find_roles(ae_tokenizer *t)
{
    for (int role = 0; role < AE_TOKEN_ROLES; role++) {
        t->roles[role] = -1;
        for (int i = 0; i < 5 && role_names[role][i] && t->roles[role] < 0; i++) {
            t->roles[role] = role_id(t, role_names[role][i]);
        }
    }
    int32_t unknown = model_of(t)->unknown(t->model.self);
    t->roles[AE_TOKEN_UNKNOWN] = unknown >= 0 ? unknown : t->roles[AE_TOKEN_UNKNOWN];
}

/* The letter that the beginnings of words are marked with in tokens, or NULL. */
static const char *word_mark(const ae_component *pre)
{
    if (pre->row == &ae_pre_tokenizer_byte_level.row) {
        return "\xc4\xa0"; /* a byte-level blank */
    }
    const ae_sequence *s = pre->row == &ae_pre_tokenizer_sequence.row ? pre->self : NULL;
    for (int i = 0; s && i < s->count; i++) {
        const char *mark = word_mark(&s->items[i]);
        if (mark) {
            return mark;
        }
    }
    return NULL;
}

static const char *suffix_of(const ae_tokenizer *t)
{
    return t->model.row == &ae_model_bpe.row ? ae_bpe_suffix(t->model.self) : "";
}

/* Where words end with a mark, all tokens without it leave their word open. */
static void flag_open(ae_tokenizer *t)
{
    const char *suffix = suffix_of(t);
    size_t n = strlen(suffix);
    for (int32_t id = 0; id < t->vocab->size && n > 0; id++) {
        size_t bytes = 0;
        const char *token = ae_vocab_token(t->vocab, id, &bytes);
        bool ends = !token || (bytes >= n && memcmp(token + bytes - n, suffix, n) == 0);
        t->flags[id] |= ends ? 0 : AE_FLAG_OPEN;
    }
}

static int fill_flags(ae_tokenizer *t, ae_err *e)
{
    t->size = t->vocab->size;
    for (int i = 0; i < t->n_added; i++) {
        t->size = t->added[i].id >= t->size ? t->added[i].id + 1 : t->size;
    }
    t->flags = calloc((size_t)t->size + 1, 1);
    if (!t->flags) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for %d tokens", (int)t->size);
    }
    const char *prefix = model_of(t)->prefix(t->model.self);
    const char *mark = *suffix_of(t) ? NULL : word_mark(&t->pre_tokenizer);
    if (model_of(t) == &ae_model_sentencepiece || model_of(t) == &ae_model_unigram) {
        mark = "\xe2\x96\x81";
    }
    size_t n_prefix = strlen(prefix), n_mark = mark ? strlen(mark) : 0;
    for (int32_t id = 0; id < t->vocab->size && (n_prefix || n_mark); id++) {
        size_t bytes = 0;
        const char *token = ae_vocab_token(t->vocab, id, &bytes);
        bool goes_on = token && (n_prefix ? bytes > n_prefix && memcmp(token, prefix, n_prefix) == 0
                                          : bytes < n_mark || memcmp(token, mark, n_mark) != 0);
        t->flags[id] = goes_on ? AE_FLAG_CONTINUES : 0;
    }
    flag_open(t);
    for (int32_t id = 0; id < t->vocab->size; id++) {
        t->flags[id] = is_control(t, id) ? AE_FLAG_SPECIAL : t->flags[id];
    }
    for (int i = 0; i < t->n_added; i++) {
        t->flags[t->added[i].id] = (uint8_t)(AE_FLAG_ADDED | (t->added[i].special ? AE_FLAG_SPECIAL : 0));
    }
    return 0;
}

static void plan(ae_tokenizer *t)
{
    t->plan.single.places[0] = (ae_place){-1, 0, 0};
    t->plan.single.count = 1;
    t->plan.pair = t->plan.single;
    t->plan.pair.places[1] = (ae_place){-1, 1, 1};
    t->plan.pair.count = 2;
    if (t->post.row) {
        ((const ae_post_row *)t->post.row)->plan(t->post.self, &t->plan);
    }
    const ae_pre_tokenizer_row *pre = (const ae_pre_tokenizer_row *)t->pre_tokenizer.row;
    if (pre && pre->cutting) {
        pre->cutting(t->pre_tokenizer.self, &t->cutting);
    }
    const ae_normalizer_row *normalizer = (const ae_normalizer_row *)t->normalizer.row;
    if (normalizer && (!normalizer->allows || !normalizer->allows(t->normalizer.self, &t->cutting))) {
        t->cutting.cut = AE_CUT_NONE;
    }
    t->match_parts = normalizer && t->normal.count > 0;
    for (int i = 0; i < t->normal.count && t->match_parts; i++) {
        t->match_parts = ae_cut_keeps(&t->cutting, t->normal.list[i]);
    }
    t->mend_bytes = normalizer == &ae_normalizer_sentencepiece;
    t->byte_words = pre == &ae_pre_tokenizer_byte_level && !normalizer && model_of(t)->encode_bytes;
    t->joints = t->byte_words && model_of(t)->joints ? model_of(t)->joints(t->model.self) : NULL;
}

static int check_plan(const ae_tokenizer *t, ae_err *e)
{
    const ae_template *both[] = {&t->plan.single, &t->plan.pair};
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < both[k]->count; i++) {
            const ae_place *p = &both[k]->places[i];
            if (p->sequence < 0 && !ae_tokenizer_token(t, p->id, NULL)) {
                return ae_err_set(e, AE_E_MISSING, "post_processor: its special token %d is not in the vocabulary",
                                  (int)p->id);
            }
        }
    }
    return 0;
}

/* ---- making -------------------------------------------------------------------------------------------------------------- */

/* Never 0, but without memory. */
static uint64_t hash_of(const ae_tokenizer *t)
{
    uint64_t h = model_of(t)->hash(t->model.self);
    const ae_component *parts[] = {&t->normalizer, &t->pre_tokenizer, &t->post, &t->decoder};
    for (int i = 0; i < 4; i++) {
        ae_json *json = ae_component_json(parts[i], NULL);
        char *text = json ? ae_json_text(json, false, NULL) : NULL;
        ae_json_free(json);
        if (!text) {
            return 0;
        }
        uint64_t pair[2] = {h, ae_hash_bytes(text, strlen(text))};
        h = ae_hash_bytes(pair, sizeof pair);
        free(text);
    }
    for (int i = 0; i < t->n_added; i++) {
        const ae_added *a = &t->added[i];
        uint64_t flags = (uint64_t)a->single_word | (uint64_t)a->lstrip << 1 | (uint64_t)a->rstrip << 2 |
                         (uint64_t)a->normalized << 3 | (uint64_t)a->special << 4;
        uint64_t parts_of[4] = {h, ae_hash_bytes(a->content, a->bytes), (uint64_t)a->id, flags};
        h = ae_hash_bytes(parts_of, sizeof parts_of);
    }
    uint64_t model[2] = {h, ae_hash_bytes(t->model.row->type, strlen(t->model.row->type))};
    h = ae_hash_bytes(model, sizeof model);
    return h ? h : 1;
}

ae_tokenizer *ae_tokenizer_build(ae_component parts[5], const ae_json *added, const ae_json *whole, ae_err *e)
{
    ae_tokenizer *t = calloc(1, sizeof *t);
    if (!t) {
        for (int i = 0; i < 5; i++) {
            ae_component_free(&parts[i]);
        }
        ae_err_set(e, AE_E_MEMORY, "no memory");
        return NULL;
    }
    t->normalizer = parts[0];
    t->pre_tokenizer = parts[1];
    t->model = parts[2];
    t->post = parts[3];
    t->decoder = parts[4];
    t->vocab = model_of(t)->vocab(t->model.self);
    const ae_json *truncation = ae_json_get(whole, "truncation"), *padding = ae_json_get(whole, "padding");
    t->truncation = truncation ? ae_json_copy(truncation) : ae_json_new_null();
    t->padding = padding ? ae_json_copy(padding) : ae_json_new_null();
    if (read_added_list(t, added, e) != 0 || fill_flags(t, e) != 0) {
        ae_tokenizer_free(t);
        return NULL;
    }
    plan(t);
    if (check_plan(t, e) != 0) {
        ae_tokenizer_free(t);
        return NULL;
    }
    find_roles(t);
    t->kind = ae_kind_of(t);
    t->hash = hash_of(t);
    if (!t->hash || !t->truncation || !t->padding) {
        ae_tokenizer_free(t);
        ae_err_set(e, AE_E_MEMORY, "no memory");
        return NULL;
    }
    return t;
}

/* ---- questions -------------------------------------------------------------------------------------------------------------- */

const char *ae_tokenizer_kind(const ae_tokenizer *t)
{
    const ae_piece_kind *pieces = ae_decoder_piece_kind(&t->decoder);
    return t->kind ? t->kind->name : pieces ? pieces->name : "custom";
}

uint64_t ae_tokenizer_hash(const ae_tokenizer *t)
{
    return t->hash;
}

int32_t ae_tokenizer_size(const ae_tokenizer *t)
{
    return t->size;
}

int32_t ae_tokenizer_id(const ae_tokenizer *t, const char *token, size_t bytes)
{
    int32_t id = ae_vocab_find(t->vocab, token, bytes);
    const ae_added *a = id < 0 ? added_named(t, token, bytes) : NULL;
    return a ? a->id : id;
}

const char *ae_tokenizer_token(const ae_tokenizer *t, int32_t id, size_t *bytes)
{
    const char *token = ae_vocab_token(t->vocab, id, bytes);
    const ae_added *a = token ? NULL : added_of(t, id);
    if (a && bytes) {
        *bytes = a->bytes;
    }
    return a ? a->content : token;
}

int32_t ae_tokenizer_role(const ae_tokenizer *t, ae_token_role role)
{
    return (int)role >= 0 && role < AE_TOKEN_ROLES ? t->roles[role] : -1;
}

bool ae_tokenizer_is_special(const ae_tokenizer *t, int32_t id)
{
    return id >= 0 && id < t->size && t->flags[id] & AE_FLAG_SPECIAL;
}

bool ae_tokenizer_continues(const ae_tokenizer *t, int32_t id)
{
    return id >= 0 && id < t->size && t->flags[id] & AE_FLAG_CONTINUES;
}

bool ae_tokenizer_joins(const ae_tokenizer *t, int32_t before, int32_t id)
{
    return ae_tokenizer_continues(t, id) || (before >= 0 && before < t->size && t->flags[before] & AE_FLAG_OPEN);
}
