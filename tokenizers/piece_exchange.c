/* A SentencePiece tokenizer as Hugging Face's library can read it: its rows are spelled in those that the library has.
 *
 * What the library has no words for stays behind: control pieces are found in texts that spell them, rules of a
 * character map for several characters act as the library's Precompiled has it, and probabilities are summed in double
 * precision word by word. */
#include "tensor/byte_buffer.h"
#include "tokenizers/piece_kinds.h"
#include "tokenizers/rust_number.h"
#include "tokenizers/tokenizer_internal.h"
#include "tokenizers/unicode.h"

#include <float.h>
#include <stdlib.h>

/* ---- the normalizer ------------------------------------------------------------------------------------------------ */

/* A step that replaces a "String" or a "Regex"; `what` NULL, for want of memory, breaks the list. */
static void add_replace(ae_json *list, const char *kind, const char *what, const char *with)
{
    ae_json *j = ae_component_typed("Replace"), *pattern = ae_json_new_object();
    ae_json_set(pattern, kind, what ? ae_json_new_string(what) : NULL);
    ae_json_set(j, "pattern", pattern);
    ae_json_set_string(j, "content", with);
    ae_json_add(list, NULL, j);
}

enum { LAST_COMBINING = 0x1ffff };

/* A regular expression of the characters that have a combining class; the caller's, NULL without memory. */
static char *combining_pattern(void)
{
    ae_bytes out = {0};
    ae_bytes_add_text(&out, "[");
    for (uint32_t c = 0x300, end = 0; c <= LAST_COMBINING; c = end + 1) {
        for (end = c; end <= LAST_COMBINING && ae_char_combining(end) != 0; end++) {
        }
        if (end > c) {
            ae_bytes_printf(&out, "\\x{%X}-\\x{%X}", (unsigned)c, (unsigned)end - 1);
        }
    }
    ae_bytes_add_text(&out, "]");
    if (out.failed) {
        ae_bytes_free(&out);
    }
    return out.data;
}

/* PieceText in the library's words. */
static void add_cleaning(ae_json *list, const ae_json *row)
{
    bool lower = ae_json_bool(row, "lower_case", false, NULL);
    if (lower) {
        ae_json_add(list, NULL, ae_component_typed("Lowercase"));
    }
    if (ae_json_bool(row, "remove_space", true, NULL)) {
        add_replace(list, "Regex", "[\\s\\x1c-\\x1f]+", " ");
        add_replace(list, "Regex", "\\A | \\z", "");
    }
    add_replace(list, "String", "``", "\"");
    add_replace(list, "String", "''", "\"");
    if (!ae_json_bool(row, "keep_accents", false, NULL)) {
        char *combining = combining_pattern();
        ae_json_add(list, NULL, ae_component_typed("NFKD"));
        add_replace(list, "Regex", combining, "");
        free(combining);
    }
    if (lower) {
        ae_json_add(list, NULL, ae_component_typed("Lowercase"));
    }
}

static int add_pieces(ae_json *list, const ae_json *row, ae_err *e)
{
    bool escape = ae_json_bool(row, "escape_whitespaces", true, NULL);
    const char *map = ae_json_string(row, "precompiled_charsmap", "", NULL);
    if (ae_json_bool(row, "whitespace_suffix", false, NULL)) {
        return ae_err_set(e, AE_E_UNSUPPORTED,
                          "blanks stand behind words here, for which Hugging Face's tokenizer.json has no normalizer");
    }
    if (map && map[0]) {
        ae_json *j = ae_component_typed("Precompiled");
        ae_json_set_string(j, "precompiled_charsmap", map);
        ae_json_add(list, NULL, j);
    }
    if (ae_json_bool(row, "remove_extra_whitespaces", true, NULL)) {
        add_replace(list, "Regex", "\\A +| +\\z", "");
        add_replace(list, "Regex", " {2,}", " ");
    }
    if (ae_json_bool(row, "add_dummy_prefix", true, NULL)) {
        ae_json *j = ae_component_typed("Prepend");
        ae_json_set_string(j, "prepend", escape ? AE_PIECE_BLANK : " ");
        ae_json_add(list, NULL, j);
    }
    if (escape) {
        add_replace(list, "String", " ", AE_PIECE_BLANK);
    }
    return 0;
}

static int add_step(ae_json *list, const ae_json *row, ae_err *e)
{
    if (ae_component_is(row, "Sequence")) {
        int status = 0;
        for (const ae_json *m = ae_json_first(ae_json_get(row, "normalizers")); m && status == 0; m = ae_json_next(m)) {
            status = add_step(list, m, e);
        }
        return status;
    }
    if (ae_component_is(row, "SentencePiece")) {
        return add_pieces(list, row, e);
    }
    if (ae_component_is(row, "PieceText")) {
        add_cleaning(list, row);
    } else if (!ae_json_is_null(row)) {
        ae_json_add(list, NULL, ae_json_copy(row));
    }
    return 0;
}

static ae_json *normalizer_of(const ae_json *row, ae_err *e)
{
    ae_json *list = ae_json_new_array(), *sequence = ae_component_typed("Sequence");
    int status = add_step(list, row, e);
    ae_json_set(sequence, "normalizers", list);
    if (status != 0) {
        ae_json_free(sequence);
        return NULL;
    }
    return sequence;
}

/* ---- the model ------------------------------------------------------------------------------------------------------ */

static bool ends_in_number_comma(const char *piece, size_t bytes)
{
    return bytes > 1 && piece[bytes - 1] == ',' && piece[bytes - 2] >= '0' && piece[bytes - 2] <= '9';
}

/* A score that makes the library choose as SentencePiece does: user-defined pieces always; pieces that end in a number
 * and a comma, which are cut anew, and unused ones never. */
static double score_of(const ae_piece_list *p, int32_t id, bool comma_rule, double largest)
{
    size_t bytes = 0;
    const char *piece = ae_vocab_token(p->vocab, id, &bytes);
    double score = (double)p->scores[id], never = 100;
    if (p->types[id] == AE_PIECE_USER) {
        return (double)bytes * largest - 0.1;
    }
    bool avoided = p->types[id] == AE_PIECE_UNUSED || (comma_rule && ends_in_number_comma(piece, bytes));
    return avoided ? score - never : score;
}

static ae_json *unigram_of(const ae_piece_list *p, ae_piece_options o)
{
    ae_json *j = ae_component_typed("Unigram"), *vocab = ae_json_new_array();
    double largest = (double)FLT_MIN;
    int32_t unknown = 0;
    for (int32_t id = 0; id < p->vocab->size; id++) {
        bool normal = p->types[id] == AE_PIECE_NORMAL;
        largest = normal && (double)p->scores[id] > largest ? (double)p->scores[id] : largest;
        unknown = p->types[id] == AE_PIECE_UNKNOWN ? id : unknown;
    }
    for (int32_t id = 0; id < p->vocab->size; id++) {
        size_t bytes = 0;
        const char *piece = ae_vocab_token(p->vocab, id, &bytes);
        ae_json *pair = ae_json_new_array();
        ae_json_add(pair, NULL, ae_json_new_bytes(piece, bytes));
        ae_json_add(pair, NULL, ae_rust_number(score_of(p, id, o.comma_rule, largest)));
        ae_json_add(vocab, NULL, pair);
    }
    ae_json_set_int(j, "unk_id", unknown);
    ae_json_set(j, "vocab", vocab);
    ae_json_set_bool(j, "byte_fallback", o.byte_fallback);
    return j;
}

/* Two pieces that make a third one. */
typedef struct joint {
    int32_t piece;
    uint32_t left; /* bytes of the first */
    float score;
} joint;

static int by_score(const void *a, const void *b)
{
    const joint *x = a, *y = b;
    if (x->score != y->score) {
        return x->score > y->score ? -1 : 1;
    }
    if (x->piece != y->piece) {
        return x->piece < y->piece ? -1 : 1;
    }
    return x->left > y->left ? -1 : x->left < y->left;
}

static bool is_normal(const ae_piece_list *p, const char *piece, size_t bytes)
{
    int32_t id = ae_vocab_find(p->vocab, piece, bytes);
    return id >= 0 && p->types[id] == AE_PIECE_NORMAL;
}

/* All pairs of pieces that make a piece, the best first; NULL without memory. */
static joint *find_joints(const ae_piece_list *p, size_t *count)
{
    size_t room = 0;
    for (int32_t id = 0; id < p->vocab->size; id++) {
        size_t bytes = 0;
        ae_vocab_token(p->vocab, id, &bytes);
        room += bytes;
    }
    joint *all = malloc((room + 1) * sizeof *all);
    *count = 0;
    for (int32_t id = 0; id < p->vocab->size && all; id++) {
        size_t bytes = 0;
        const char *piece = ae_vocab_token(p->vocab, id, &bytes);
        for (size_t k = 1; k < bytes && p->types[id] == AE_PIECE_NORMAL; k++) {
            if (((unsigned char)piece[k] & 0xc0) != 0x80 && is_normal(p, piece, k) &&
                is_normal(p, piece + k, bytes - k)) {
                all[(*count)++] = (joint){id, (uint32_t)k, p->scores[id]};
            }
        }
    }
    if (all && *count > 0) {
        qsort(all, *count, sizeof *all, by_score);
    }
    return all;
}

static ae_json *merges_of(const ae_piece_list *p, bool joins)
{
    size_t count = 0;
    joint *all = find_joints(p, &count);
    ae_json *merges = all ? ae_json_new_array() : NULL;
    for (size_t i = 0; i < count && merges && joins; i++) {
        size_t bytes = 0, left = all[i].left;
        const char *piece = ae_vocab_token(p->vocab, all[i].piece, &bytes);
        ae_json *pair = ae_json_new_array();
        ae_json_add(pair, NULL, ae_json_new_bytes(piece, left));
        ae_json_add(pair, NULL, ae_json_new_bytes(piece + left, bytes - left));
        ae_json_add(merges, NULL, pair);
    }
    free(all);
    return merges;
}

/* BPE; without merges it has characters alone. */
static ae_json *bpe_of(const ae_piece_list *p, ae_piece_options o)
{
    ae_json *j = ae_component_typed("BPE");
    const char *unknown = "<unk>";
    for (int32_t id = 0; id < p->vocab->size; id++) {
        unknown = p->types[id] == AE_PIECE_UNKNOWN ? ae_vocab_token(p->vocab, id, NULL) : unknown;
    }
    ae_json_set_null(j, "dropout");
    ae_json_set_string(j, "unk_token", unknown);
    ae_json_set_null(j, "continuing_subword_prefix");
    ae_json_set_null(j, "end_of_word_suffix");
    ae_json_set_bool(j, "fuse_unk", true);
    ae_json_set_bool(j, "byte_fallback", o.byte_fallback);
    ae_json_set_bool(j, "ignore_merges", false);
    ae_json_set(j, "vocab", ae_vocab_json(p->vocab, NULL));
    ae_json_set(j, "merges", merges_of(p, o.algorithm == AE_PIECES_BPE));
    return j;
}

/* A character that is a user-defined piece stays apart because no pair has it; longer symbols would need added tokens,
 * behind which the library begins the text anew. */
static int check_symbols(const ae_piece_list *p, ae_piece_options o, ae_err *e)
{
    for (int32_t id = 0; id < p->vocab->size && o.algorithm != AE_PIECES_UNIGRAM; id++) {
        size_t bytes = 0;
        const char *piece = ae_vocab_token(p->vocab, id, &bytes);
        if (p->types[id] == AE_PIECE_USER && ae_utf8_count(piece, bytes) > 1) {
            return ae_err_set(e, AE_E_UNSUPPORTED,
                              "the user-defined symbol \"%.60s\" of a %s model has no place in Hugging Face's "
                              "tokenizer.json; write a .model",
                              piece, o.algorithm == AE_PIECES_BPE ? "BPE" : "character");
        }
    }
    return 0;
}

static ae_json *model_of(const ae_component *model, ae_err *e)
{
    const ae_piece_list *p = ae_sentencepiece_pieces(model->self);
    ae_piece_options o = ae_sentencepiece_options(model->self);
    if (o.algorithm == AE_PIECES_WORD) {
        ae_err_set(e, AE_E_UNSUPPORTED,
                   "a word model joins unknown words, which Hugging Face's tokenizer.json cannot say; write a .model");
        return NULL;
    }
    if (check_symbols(p, o, e) != 0) {
        return NULL;
    }
    return o.algorithm == AE_PIECES_UNIGRAM ? unigram_of(p, o) : bpe_of(p, o);
}

/* ---- decoder, added tokens -------------------------------------------------------------------------------------------- */

static ae_json *decoder_of(const ae_json *row, bool bytes)
{
    bool strips =
        ae_json_bool(row, "add_dummy_prefix", true, NULL) || ae_json_bool(row, "remove_extra_whitespaces", true, NULL);
    if (!bytes) {
        ae_json *j = ae_component_typed("Metaspace");
        ae_json_set_string(j, "replacement", AE_PIECE_BLANK);
        ae_json_set_string(j, "prepend_scheme", strips ? "always" : "never");
        ae_json_set_bool(j, "split", true);
        return j;
    }
    ae_json *list = ae_json_new_array(), *sequence = ae_component_typed("Sequence");
    add_replace(list, "String", AE_PIECE_BLANK, " ");
    ae_json_add(list, NULL, ae_component_typed("ByteFallback"));
    ae_json_add(list, NULL, ae_component_typed("Fuse"));
    if (strips) {
        ae_json *strip = ae_component_typed("Strip");
        ae_json_set_string(strip, "content", " ");
        ae_json_set_int(strip, "start", 1);
        ae_json_set_int(strip, "stop", 0);
        ae_json_add(list, NULL, strip);
    }
    ae_json_set(sequence, "decoders", list);
    return sequence;
}

/* Control pieces are special tokens; those that are added tokens already keep their place. */
static ae_json *added_of(const ae_json *added, const ae_piece_list *p)
{
    ae_json *list = added ? ae_json_copy(added) : ae_json_new_array();
    for (int32_t id = 0; id < p->vocab->size && ae_json_count(added) == 0; id++) {
        if (p->types[id] == AE_PIECE_CONTROL) {
            size_t bytes = 0;
            const char *piece = ae_vocab_token(p->vocab, id, &bytes);
            ae_json *m = ae_json_new_object();
            ae_json_set_int(m, "id", id);
            ae_json_set(m, "content", ae_json_new_bytes(piece, bytes));
            ae_json_set_bool(m, "single_word", false);
            ae_json_set_bool(m, "lstrip", false);
            ae_json_set_bool(m, "rstrip", false);
            ae_json_set_bool(m, "normalized", false);
            ae_json_set_bool(m, "special", true);
            ae_json_add(list, NULL, m);
        }
    }
    return list;
}

/* Words may be cut apart in front of a ▁ when no piece goes on behind one. */
static bool pieces_end_at_blanks(const ae_piece_list *p)
{
    for (int32_t id = 0; id < p->vocab->size; id++) {
        size_t bytes = 0;
        const char *piece = ae_vocab_token(p->vocab, id, &bytes);
        if (p->types[id] == AE_PIECE_NORMAL && bytes > 3 && memmem(piece + 1, bytes - 1, AE_PIECE_BLANK, 3)) {
            return false;
        }
    }
    return true;
}

static ae_json *pre_tokenizer_of(const ae_piece_list *p)
{
    if (!pieces_end_at_blanks(p)) {
        return ae_json_new_null();
    }
    ae_json *j = ae_component_typed("Metaspace");
    ae_json_set_string(j, "replacement", AE_PIECE_BLANK);
    ae_json_set_string(j, "prepend_scheme", "never");
    ae_json_set_bool(j, "split", true);
    return j;
}

ae_json *ae_tokenizer_exchange_json(const ae_tokenizer *t, ae_err *e)
{
    if (t->model.row != &ae_model_sentencepiece.row) {
        return ae_tokenizer_json(t, e);
    }
    ae_json *normalizer_row = ae_component_json(&t->normalizer, e), *decoder_row = ae_component_json(&t->decoder, e);
    ae_json *normalizer = normalizer_row && decoder_row ? normalizer_of(normalizer_row, e) : NULL;
    ae_json *model = normalizer ? model_of(&t->model, e) : NULL, *j = model ? ae_tokenizer_json(t, e) : NULL;
    if (j) {
        const ae_piece_list *p = ae_sentencepiece_pieces(t->model.self);
        int failed = ae_json_set(j, "normalizer", normalizer);
        failed |= ae_json_set(j, "model", model);
        failed |= ae_json_set(j, "pre_tokenizer", pre_tokenizer_of(p));
        failed |=
            ae_json_set(j, "decoder", decoder_of(decoder_row, ae_sentencepiece_options(t->model.self).byte_fallback));
        failed |= ae_json_set(j, "added_tokens", added_of(ae_json_get(j, "added_tokens"), p));
        normalizer = model = NULL;
        if (failed) {
            ae_json_free(j);
            j = NULL;
            ae_err_set(e, AE_E_MEMORY, "no memory for the tokenizer's JSON");
        }
    }
    ae_json_free(normalizer_row);
    ae_json_free(decoder_row);
    ae_json_free(normalizer);
    ae_json_free(model);
    return j;
}
