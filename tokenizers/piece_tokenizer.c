/* A tokenizer from the contents of a SentencePiece file: the components that its kind asks for. */
#include "tensor/base64.h"
#include "tensor/json_internal.h"
#include "tokenizers/piece_kinds.h"
#include "tokenizers/tokenizer_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* What the components are made from. */
typedef struct recipe {
    const ae_piece_kind *kind;
    const ae_piece_settings *settings;
    const ae_piece_file *file;
    ae_json *added; /* added tokens */
    int64_t next;   /* the next free id */
    ae_err *e;
} recipe;

static ae_json *charsmap_json(const ae_piece_spec *r)
{
    char *text = ae_base64_text(r->charsmap, r->charsmap_bytes);
    ae_json *j = text ? ae_json_new_string(text) : NULL;
    free(text);
    return j;
}

/* The spellings of the pieces of a type. */
static ae_json *pieces_of(const ae_piece_list *p, ae_piece_type type)
{
    ae_json *list = ae_json_new_array();
    for (int32_t id = 0; id < p->vocab->size; id++) {
        size_t bytes = 0;
        const char *piece = ae_vocab_token(p->vocab, id, &bytes);
        if (p->types[id] == type) {
            ae_json_add(list, NULL, ae_json_new_bytes(piece, bytes));
        }
    }
    return list;
}

/* ---- the normalizer ---------------------------------------------------------------------------------------------------- */

static ae_json *cleaning_json(const recipe *r)
{
    const ae_json *config = r->settings->config;
    const ae_tokenizer_options *o = r->settings->options;
    bool lower = ae_json_bool(config, "do_lower_case", r->kind->lower_case, r->e);
    bool keep = ae_json_bool(config, "keep_accents", false, r->e);
    ae_json *j = ae_component_typed("PieceText");
    ae_json_set_bool(j, "remove_space", ae_json_bool(config, "remove_space", true, r->e));
    ae_json_set_bool(j, "keep_accents", o && o->strip_accents ? o->strip_accents < 0 : keep);
    ae_json_set_bool(j, "lower_case", o && o->lower_case ? o->lower_case > 0 : lower);
    return j;
}

static ae_json *normalizer_json(const recipe *r)
{
    const ae_piece_spec *s = &r->file->spec;
    ae_json *j = ae_component_typed("SentencePiece");
    ae_json_set(j, "precompiled_charsmap", charsmap_json(s));
    ae_json_set_bool(j, "add_dummy_prefix", s->add_dummy_prefix);
    ae_json_set_bool(j, "remove_extra_whitespaces", s->remove_extra_whitespaces);
    ae_json_set_bool(j, "escape_whitespaces", s->escape_whitespaces);
    ae_json_set_bool(j, "whitespace_suffix", r->file->whitespace_suffix);
    ae_json_set(j, "user_defined", pieces_of(&r->file->pieces, AE_PIECE_USER));
    if (!r->kind->clean) {
        return j;
    }
    ae_json *list = ae_json_new_array(), *sequence = ae_component_typed("Sequence");
    ae_json_add(list, NULL, cleaning_json(r));
    ae_json_add(list, NULL, j);
    ae_json_set(sequence, "normalizers", list);
    return sequence;
}

/* ---- special tokens ------------------------------------------------------------------------------------------------------ */

static int32_t added_id(const ae_json *added, const char *token)
{
    for (const ae_json *m = ae_json_first(added); m; m = ae_json_next(m)) {
        const char *content = ae_json_string(m, "content", "", NULL);
        if (strcmp(content, token) == 0) {
            return (int32_t)ae_json_int(m, "id", -1, NULL);
        }
    }
    return -1;
}

/* Adds a special token with its id, behind the vocabulary when it is not in it; a mask takes the blanks before it. */
static void add_special(recipe *r, const char *token, size_t bytes, int64_t id)
{
    char content[128];
    snprintf(content, sizeof content, "%.*s", (int)(bytes < 127 ? bytes : 127), token);
    if (!content[0] || added_id(r->added, content) >= 0) {
        return;
    }
    int32_t known = ae_vocab_find(r->file->pieces.vocab, content, strlen(content));
    id = id >= 0 ? id : known >= 0 ? known : r->next;
    r->next = id >= r->next ? id + 1 : r->next;
    ae_json *m = ae_json_new_object();
    ae_json_set_int(m, "id", id);
    ae_json_set_string(m, "content", content);
    ae_json_set_bool(m, "lstrip", strcmp(content, "<mask>") == 0 || strcmp(content, "[MASK]") == 0);
    ae_json_set_bool(m, "special", true);
    ae_json_set_bool(m, "normalized", false);
    ae_json_add(r->added, NULL, m);
}

static void add_words(recipe *r, const char *words)
{
    for (size_t n = 0; words && *words; words += n + (words[n] == ' ')) {
        n = strcspn(words, " ");
        add_special(r, words, n, -1);
    }
}

/* "additional_special_tokens" of the files: strings, or objects with their "content". */
static void add_named(recipe *r, const ae_json *source)
{
    for (const ae_json *m = ae_json_first(ae_json_get(source, "additional_special_tokens")); m; m = ae_json_next(m)) {
        const ae_json *text = ae_json_type_of(m) == AE_JSON_OBJECT ? ae_json_get(m, "content") : m;
        const char *content = NULL;
        if (ae_json_type_of(text) == AE_JSON_STRING && ae_json_value_string(text, &content, NULL) == 0) {
            add_special(r, content, strlen(content), -1);
        }
    }
}

enum { EXTRA_MAX = 100000 };

/* T5's sentinels: the last id behind the vocabulary is that of <extra_id_0>. */
static int add_extra(recipe *r)
{
    const ae_tokenizer_options *o = r->settings->options;
    int64_t said = 0;
    const ae_json *list = ae_json_get(r->settings->config, "additional_special_tokens");
    for (const ae_json *m = ae_json_first(list); m; m = ae_json_next(m)) {
        const char *content = NULL;
        said += ae_json_type_of(m) == AE_JSON_STRING && ae_json_value_string(m, &content, NULL) == 0 &&
                strncmp(content, "<extra_id_", 10) == 0;
    }
    int64_t n = ae_json_int(r->settings->config, "extra_ids", said > 0 ? said : 100, r->e);
    n = o && o->extra_ids ? o->extra_ids : n;
    n = n == -1 ? 0 : n;
    if (n < 0 || n > EXTRA_MAX) {
        return ae_err_set(r->e, AE_E_VALUE, "%lld extra ids; 0 to %d are possible", (long long)n, EXTRA_MAX);
    }
    for (int64_t i = n - 1; i >= 0; i--) {
        char token[32];
        snprintf(token, sizeof token, "<extra_id_%d>", (int)i);
        add_special(r, token, strlen(token), -1);
    }
    return 0;
}

static int add_specials(recipe *r)
{
    const ae_piece_list *p = &r->file->pieces;
    r->added = ae_json_new_array();
    r->next = p->vocab->size;
    if (r->kind->layout == AE_LAYOUT_EXTRA && add_extra(r) != 0) {
        return -1;
    }
    add_words(r, r->kind->special);
    add_words(r, r->kind->languages);
    for (int32_t id = 0; r->kind->layout == AE_LAYOUT_PEGASUS && id < p->vocab->size; id++) {
        size_t bytes = 0;
        const char *piece = ae_vocab_token(p->vocab, id, &bytes);
        if (bytes > 5 && memcmp(piece, "<unk_", 5) == 0 && p->types[id] == AE_PIECE_CONTROL) {
            add_special(r, piece, bytes, id);
        }
    }
    if (r->kind->special) {
        add_named(r, r->settings->special);
        add_named(r, r->settings->config);
    }
    return 0;
}

/* ---- the frame ------------------------------------------------------------------------------------------------------------ */

static const char *language_of(const recipe *r)
{
    const char *said = ae_json_string(r->settings->config, "src_lang", "en_XX", NULL);
    return said && added_id(r->added, said) >= 0 ? said : "en_XX";
}

/* {"SpecialToken": {"id": "</s>", "type_id": 0}} or {"Sequence": {"id": "A", "type_id": 0}} */
static ae_json *place_json(const char *name, int type, bool text)
{
    ae_json *inner = ae_json_new_object(), *outer = ae_json_new_object();
    ae_json_set_string(inner, "id", name);
    ae_json_set_int(inner, "type_id", type);
    ae_json_set(outer, text ? "Sequence" : "SpecialToken", inner);
    return outer;
}

static void note_special(const recipe *r, ae_json *specials, const char *name)
{
    ae_json *entry = ae_json_new_object(), *ids = ae_json_new_array(), *tokens = ae_json_new_array();
    ae_json_add(ids, NULL, ae_json_new_int(added_id(r->added, name)));
    ae_json_add(tokens, NULL, ae_json_new_string(name));
    ae_json_set_string(entry, "id", name);
    ae_json_set(entry, "ids", ids);
    ae_json_set(entry, "tokens", tokens);
    ae_json_set(specials, name, entry);
}

/* "A:0 </s>:0" as TemplateProcessing has it; the tokens in it are noted in `specials`. */
static ae_json *frame_json(const recipe *r, const char *frame, ae_json *specials)
{
    ae_json *list = ae_json_new_array();
    for (size_t n = 0; *frame; frame += n + (frame[n] == ' ')) {
        char word[32];
        n = strcspn(frame, " ");
        snprintf(word, sizeof word, "%.*s", (int)n - 2, frame);
        bool text = strcmp(word, "A") == 0 || strcmp(word, "B") == 0;
        const char *name = strcmp(word, "LANG") == 0 ? language_of(r) : word;
        if (!text) {
            note_special(r, specials, name);
        }
        ae_json_add(list, NULL, place_json(name, frame[n - 1] - '0', text));
    }
    return list;
}

static ae_json *post_json(const recipe *r)
{
    static const char *const llama[4][2] = {{"A:0", "A:0 B:1"},
                                            {"<s>:0 A:0", "<s>:0 A:0 <s>:1 B:1"},
                                            {"A:0 </s>:0", "A:0 </s>:0 B:1 </s>:1"},
                                            {"<s>:0 A:0 </s>:0", "<s>:0 A:0 </s>:0 <s>:1 B:1 </s>:1"}};
    const char *frames[2] = {r->kind->single, r->kind->pair};
    if (!frames[0]) {
        return ae_json_new_null();
    }
    if (strcmp(r->kind->name, "llama") == 0) {
        int which = ae_json_bool(r->settings->config, "add_bos_token", true, r->e) +
                    2 * ae_json_bool(r->settings->config, "add_eos_token", false, r->e);
        frames[0] = llama[which][0];
        frames[1] = llama[which][1];
    }
    ae_json *j = ae_component_typed("TemplateProcessing"), *specials = ae_json_new_object();
    ae_json_set(j, "single", frame_json(r, frames[0], specials));
    ae_json_set(j, "pair", frame_json(r, frames[1], specials));
    ae_json_set(j, "special_tokens", specials);
    return j;
}

/* ---- decoder, padding ------------------------------------------------------------------------------------------------------ */

static ae_json *decoder_json(const recipe *r)
{
    const ae_piece_file *f = r->file;
    ae_json *j = ae_component_typed("SentencePiece"), *special = NULL;
    ae_json *unknown = pieces_of(&f->pieces, AE_PIECE_UNKNOWN);
    const char *spelled = NULL;
    ae_json_value_string(ae_json_first(unknown), &spelled, NULL);
    ae_json_set_string(j, "kind", r->kind->name);
    ae_json_set_string(j, "join", r->kind->join);
    ae_json_set_bool(j, "add_dummy_prefix", f->spec.add_dummy_prefix);
    ae_json_set_bool(j, "remove_extra_whitespaces", f->spec.remove_extra_whitespaces);
    ae_json_set_bool(j, "byte_fallback", f->options.byte_fallback);
    ae_json_set_string(j, "unknown", spelled ? spelled : "<unk>");
    ae_json_set_string(j, "unknown_surface", f->unknown_surface ? f->unknown_surface : AE_PIECE_UNKNOWN_SURFACE);
    if (f->reverse.charsmap) {
        ae_json_set(j, "precompiled_charsmap", charsmap_json(&f->reverse));
    }
    if (strcmp(r->kind->join, "library") == 0) {
        special = pieces_of(&f->pieces, AE_PIECE_CONTROL);
    } else {
        special = ae_json_new_array();
        for (const ae_json *m = ae_json_first(r->added); m; m = ae_json_next(m)) {
            ae_json_add(special, NULL, ae_json_copy(ae_json_get(m, "content")));
        }
    }
    ae_json_set(j, "special", special);
    ae_json_free(unknown);
    return j;
}

static ae_json *padding_json(const recipe *r)
{
    if (!r->kind->pads_left) {
        return ae_json_new_null();
    }
    ae_json *j = ae_json_new_object();
    ae_json_set_string(j, "strategy", "BatchLongest");
    ae_json_set_string(j, "direction", "Left");
    ae_json_set_null(j, "pad_to_multiple_of");
    ae_json_set_int(j, "pad_id", added_id(r->added, "<pad>"));
    ae_json_set_int(j, "pad_type_id", 3);
    ae_json_set_string(j, "pad_token", "<pad>");
    return j;
}

/* ---- together ---------------------------------------------------------------------------------------------------------------- */

/* The tokenizer; takes over the list of pieces. */
static ae_tokenizer *assemble(recipe *r, ae_piece_list pieces)
{
    ae_component parts[5] = {{0}};
    ae_piece_options options = r->file->options;
    options.comma_rule = r->kind->clean;
    ae_err local = {0};
    ae_json *whole = ae_json_new_object();
    int failed = ae_json_set(whole, "normalizer", normalizer_json(r));
    failed |= ae_json_set(whole, "post_processor", post_json(r));
    failed |= ae_json_set(whole, "decoder", decoder_json(r));
    failed |= ae_json_set(whole, "padding", padding_json(r));
    failed |= !r->added || ae_json_is_broken(r->added);
    if (failed) {
        ae_err_set(&local, AE_E_MEMORY, "no memory for a tokenizer");
    }
    if (!r->kind->clean) {
        ae_options_apply(r->settings->options, whole, &local);
    }
    parts[2].self = ae_sentencepiece_make(pieces, options, &local);
    parts[2].row = parts[2].self ? &ae_model_sentencepiece.row : NULL;
    if (!local.code && ae_normalizer_from_json(ae_json_get(whole, "normalizer"), &parts[0], &local) == 0 &&
        ae_post_from_json(ae_json_get(whole, "post_processor"), &parts[3], &local) == 0) {
        ae_decoder_from_json(ae_json_get(whole, "decoder"), &parts[4], &local);
    }
    ae_tokenizer *t = NULL;
    if (local.code) {
        for (int i = 0; i < 5; i++) {
            ae_component_free(&parts[i]);
        }
        ae_err_set(r->e, local.code, "%s", local.message);
    } else {
        t = ae_tokenizer_build(parts, r->added, whole, r->e);
    }
    ae_json_free(whole);
    return t;
}

ae_tokenizer *ae_tokenizer_from_pieces(ae_piece_file *f, const ae_piece_kind *kind, const ae_piece_settings *settings,
                                       ae_err *e)
{
    ae_err local = {0};
    recipe r = {.kind = kind, .settings = settings, .file = f, .e = &local};
    ae_tokenizer *t = NULL;
    if (ae_piece_layout_apply(kind, settings, f, &local) == 0 && add_specials(&r) == 0 && !local.code) {
        t = assemble(&r, f->pieces);
        f->pieces = (ae_piece_list){0};
    }
    if (!t) {
        ae_err_set(e, local.code ? local.code : AE_E_MEMORY, "%s", local.code ? local.message : "no memory");
    }
    ae_json_free(r.added);
    ae_piece_file_free(f);
    return t;
}
