/* A tokenizer as SentencePiece's library reads it: from the rows that were made from such a file, or from Hugging
 * Face's Unigram and BPE where their stages say what such a file can say. */
#include "tensor/base64.h"
#include "tokenizers/piece_kinds.h"
#include "tokenizers/tokenizer_internal.h"
#include "tokenizers/unicode.h"

#include <stdlib.h>

/* ---- stages ----------------------------------------------------------------------------------------------------------- */

static int take_map(const ae_json *row, ae_piece_spec *s, ae_err *e)
{
    const char *text = ae_json_string(row, "precompiled_charsmap", "", NULL);
    text = text ? text : "";
    if (s->charsmap) {
        return ae_err_set(e, AE_E_UNSUPPORTED, "a .model holds one map of characters, and here are two");
    }
    s->charsmap = text[0] ? ae_base64_bytes(text, strlen(text), &s->charsmap_bytes, e) : NULL;
    return text[0] && !s->charsmap ? -1 : 0;
}

/* Replacements that say something of blanks: of several one, none at the ends, ▁ for each. */
static bool take_replace(const ae_json *row, ae_piece_spec *s)
{
    const ae_json *pattern = ae_json_get(row, "pattern");
    const char *regex = ae_json_string(pattern, "Regex", "", NULL), *text = ae_json_string(pattern, "String", "", NULL);
    const char *with = ae_json_string(row, "content", "", NULL);
    bool joins = strcmp(regex, " {2,}") == 0 && (strcmp(with, " ") == 0 || strcmp(with, AE_PIECE_BLANK) == 0);
    bool strips = (strcmp(regex, "\\A +| +\\z") == 0 || strcmp(regex, "^ +| +$") == 0) && with[0] == '\0';
    bool escapes = strcmp(text, " ") == 0 && strcmp(with, AE_PIECE_BLANK) == 0;
    s->remove_extra_whitespaces = s->remove_extra_whitespaces || joins || strips;
    s->escape_whitespaces = s->escape_whitespaces || escapes;
    return joins || strips || escapes;
}

static int take_step(const ae_json *row, ae_piece_file *f, ae_err *e)
{
    const char *prepended = ae_component_is(row, "Prepend") ? ae_json_string(row, "prepend", "", NULL) : "";
    if (ae_component_is(row, "Sequence")) {
        int status = 0;
        for (const ae_json *m = ae_json_first(ae_json_get(row, "normalizers")); m && status == 0; m = ae_json_next(m)) {
            status = take_step(m, f, e);
        }
        return status;
    }
    if (ae_component_is(row, "SentencePiece")) {
        f->spec.add_dummy_prefix = ae_json_bool(row, "add_dummy_prefix", true, NULL);
        f->spec.remove_extra_whitespaces = ae_json_bool(row, "remove_extra_whitespaces", true, NULL);
        f->spec.escape_whitespaces = ae_json_bool(row, "escape_whitespaces", true, NULL);
        f->whitespace_suffix = ae_json_bool(row, "whitespace_suffix", false, NULL);
        return take_map(row, &f->spec, e);
    }
    if (ae_component_is(row, "Precompiled")) {
        return take_map(row, &f->spec, e);
    }
    if (ae_component_is(row, "Strip")) {
        f->spec.remove_extra_whitespaces = true;
        return 0;
    }
    if (strcmp(prepended, AE_PIECE_BLANK) == 0 || strcmp(prepended, " ") == 0) {
        f->spec.add_dummy_prefix = true;
        return 0;
    }
    /* What ALBERT's and XLNet's code does with text first is their matter, not their file's. */
    bool known = ae_json_is_null(row) || ae_component_is(row, "PieceText") ||
                 (ae_component_is(row, "Replace") && take_replace(row, &f->spec));
    return known ? 0
                 : ae_err_set(e, AE_E_UNSUPPORTED, "a .model cannot hold the normalizer %.60s",
                              ae_json_string(row, "type", "?", NULL));
}

static int take_cut(const ae_json *row, ae_piece_file *f, ae_err *e)
{
    if (ae_component_is(row, "Sequence")) {
        int status = 0;
        const ae_json *list = ae_json_get(row, "pretokenizers");
        for (const ae_json *m = ae_json_first(list); m && status == 0; m = ae_json_next(m)) {
            status = take_cut(m, f, e);
        }
        return status;
    }
    if (ae_component_is(row, "WhitespaceSplit")) {
        f->spec.remove_extra_whitespaces = true;
        return 0;
    }
    if (ae_component_is(row, "Metaspace")) {
        const char *scheme = ae_json_string(row, "prepend_scheme", "always", NULL);
        f->spec.add_dummy_prefix = f->spec.add_dummy_prefix || strcmp(scheme, "never") != 0;
        f->spec.escape_whitespaces = true;
        return 0;
    }
    return ae_json_is_null(row) ? 0
                                : ae_err_set(e, AE_E_UNSUPPORTED, "a .model cannot hold the pre-tokenizer %.60s",
                                             ae_json_string(row, "type", "?", NULL));
}

/* ---- pieces --------------------------------------------------------------------------------------------------------------- */

static int put(ae_piece_list *p, int32_t id, const char *piece, size_t bytes, double score, ae_piece_type type,
               ae_err *e)
{
    p->scores[id] = (float)score;
    p->types[id] = (uint8_t)type;
    return ae_vocab_add(p->vocab, piece, bytes, id, e);
}

static int copy_list(const ae_piece_list *from, ae_piece_list *to, ae_err *e)
{
    int status = ae_piece_list_room(to, (size_t)from->vocab->size, e);
    for (int32_t id = 0; id < from->vocab->size && status == 0; id++) {
        size_t bytes = 0;
        const char *piece = ae_vocab_token(from->vocab, id, &bytes);
        status = put(to, id, piece, bytes, (double)from->scores[id], (ae_piece_type)from->types[id], e);
    }
    return status;
}

/* The id of the token that a merge, "a b" or ["a", "b"], makes, or -1. */
static int32_t merged_id(const ae_tokenizer *t, const ae_json *merge)
{
    ae_bytes joined = {0};
    bool text = ae_json_type_of(merge) == AE_JSON_STRING;
    for (const ae_json *m = text ? merge : ae_json_first(merge); m; m = text ? NULL : ae_json_next(m)) {
        size_t bytes = 0;
        char *part = ae_json_value_bytes(m, &bytes, NULL);
        size_t first = text && part ? strcspn(part, " ") : bytes;
        ae_bytes_add(&joined, part ? part : "", first);
        ae_bytes_add(&joined, part && first < bytes ? part + first + 1 : "", first < bytes ? bytes - first - 1 : 0);
        free(part);
    }
    int32_t id = joined.data ? ae_vocab_find(t->vocab, joined.data, joined.length) : -1;
    ae_bytes_free(&joined);
    return id;
}

/* The scores of Unigram's tokens by id, or of BPE's the rank of the first merge that makes them, less for later ones
 * and least for tokens that none makes. NULL without memory. */
static double *scores_of(const ae_tokenizer *t, const ae_json *model)
{
    double *scores = calloc((size_t)t->size + 1, sizeof *scores);
    int64_t rank = 0;
    if (scores && ae_component_is(model, "Unigram")) {
        for (const ae_json *m = ae_json_first(ae_json_get(model, "vocab")); m; m = ae_json_next(m)) {
            ae_json_value_double(ae_json_at(m, 1), &scores[rank++], NULL);
        }
        return scores;
    }
    for (const ae_json *m = ae_json_first(ae_json_get(model, "merges")); scores && m; m = ae_json_next(m)) {
        int32_t id = merged_id(t, m);
        rank++;
        if (id >= 0 && scores[id] == 0) {
            scores[id] = (double)-rank;
        }
    }
    for (int32_t id = 0; scores && id < t->size; id++) {
        scores[id] = scores[id] == 0 ? (double)(-rank - 1 - id) : scores[id];
    }
    return scores;
}

static ae_piece_type type_of(const ae_tokenizer *t, int32_t id, int32_t unknown, bool fallback)
{
    size_t bytes = 0;
    const char *piece = ae_tokenizer_token(t, id, &bytes);
    uint8_t flags = t->flags[id];
    return id == unknown                                  ? AE_PIECE_UNKNOWN
           : fallback && ae_piece_byte(piece, bytes) >= 0 ? AE_PIECE_BYTE
           : flags & AE_FLAG_SPECIAL                      ? AE_PIECE_CONTROL
           : flags & AE_FLAG_ADDED                        ? AE_PIECE_USER
                                                          : AE_PIECE_NORMAL;
}

/* The pieces of Hugging Face's Unigram or BPE. */
static int take_tokens(const ae_tokenizer *t, const ae_json *model, ae_piece_file *f, ae_err *e)
{
    int32_t unknown = ((const ae_model_row *)t->model.row)->unknown(t->model.self);
    if (unknown < 0) {
        return ae_err_set(e, AE_E_UNSUPPORTED, "a .model must have an unknown piece, and this tokenizer has none");
    }
    f->options.algorithm = ae_component_is(model, "Unigram") ? AE_PIECES_UNIGRAM : AE_PIECES_BPE;
    f->options.byte_fallback = ae_json_bool(model, "byte_fallback", false, NULL);
    double *scores = scores_of(t, model);
    int status = scores ? ae_piece_list_room(&f->pieces, (size_t)t->size, e) : ae_err_set(e, AE_E_MEMORY, "no memory");
    for (int32_t id = 0; id < t->size && status == 0; id++) {
        size_t bytes = 0;
        const char *piece = ae_tokenizer_token(t, id, &bytes);
        status =
            piece ? put(&f->pieces, id, piece, bytes, scores[id], type_of(t, id, unknown, f->options.byte_fallback), e)
                  : ae_err_set(e, AE_E_UNSUPPORTED, "the id %d has no token, and a .model leaves none out", (int)id);
    }
    free(scores);
    return status;
}

/* ---- together --------------------------------------------------------------------------------------------------------------- */

static int take_model(const ae_tokenizer *t, const ae_json *model, ae_piece_file *f, ae_err *e)
{
    if (t->model.row == &ae_model_sentencepiece.row) {
        f->options = ae_sentencepiece_options(t->model.self);
        return copy_list(ae_sentencepiece_pieces(t->model.self), &f->pieces, e);
    }
    const char *prefix = ae_json_string(model, "continuing_subword_prefix", "", NULL);
    const char *suffix = ae_json_string(model, "end_of_word_suffix", "", NULL);
    bool plain =
        (!prefix || !prefix[0]) && (!suffix || !suffix[0]) && !ae_json_bool(model, "ignore_merges", false, NULL);
    if ((ae_component_is(model, "Unigram") || ae_component_is(model, "BPE")) && plain) {
        return take_tokens(t, model, f, e);
    }
    return ae_err_set(e, AE_E_UNSUPPORTED,
                      "a .model holds Unigram or BPE over U+2581, and this tokenizer's model is %s%s",
                      t->model.row->type, plain ? "" : " with marks at words' ends");
}

/* What the decoder says, and the pieces of the roles. */
static int take_rest(const ae_tokenizer *t, const ae_json *decoder, ae_piece_file *f, ae_err *e)
{
    static const ae_token_role roles[3] = {AE_TOKEN_CLS, AE_TOKEN_SEP, AE_TOKEN_PAD};
    char **names[3] = {&f->begin, &f->end, &f->pad};
    const char *surface = ae_json_string(decoder, "unknown_surface", NULL, NULL);
    f->unknown_surface = surface ? strdup(surface) : NULL;
    bool failed = surface && !f->unknown_surface;
    for (int i = 0; i < 3; i++) {
        int32_t id = t->roles[roles[i]];
        bool there = id >= 0 && id < f->pieces.vocab->size;
        *names[i] = there ? strdup(ae_tokenizer_token(t, id, NULL)) : NULL;
        failed = failed || (there && !*names[i]);
    }
    return failed ? ae_err_set(e, AE_E_MEMORY, "no memory for a model") : 0;
}

char *ae_tokenizer_piece_file(const ae_tokenizer *t, size_t *bytes, ae_err *e)
{
    ae_piece_file f = {0};
    ae_bytes out = {0};
    ae_json *normalizer = ae_component_json(&t->normalizer, e), *cut = ae_component_json(&t->pre_tokenizer, e);
    ae_json *model = ae_component_json(&t->model, e), *decoder = ae_component_json(&t->decoder, e);
    if (normalizer && cut && model && decoder && take_step(normalizer, &f, e) == 0 && take_cut(cut, &f, e) == 0 &&
        take_model(t, model, &f, e) == 0 && take_rest(t, decoder, &f, e) == 0) {
        ae_piece_file_write(&f, &out, e);
    }
    ae_json_free(normalizer);
    ae_json_free(cut);
    ae_json_free(model);
    ae_json_free(decoder);
    ae_piece_file_free(&f);
    if (out.failed) {
        ae_bytes_free(&out);
    }
    *bytes = out.length;
    return out.data;
}
