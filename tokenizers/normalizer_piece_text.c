/* PieceText: what ALBERT's and XLNet's code does with text before SentencePiece sees it (google-research/albert,
 * zihangdai/xlnet, as Hugging Face's Python tokenizers have it). */
#include "tokenizers/component.h"
#include "tokenizers/unicode.h"

#include <stdlib.h>

typedef struct piece_text {
    bool remove_space, keep_accents, lower_case;
} piece_text;

static void *piece_text_from_json(const ae_json *object, ae_err *e)
{
    ae_err local = {0};
    piece_text parsed = {ae_json_bool(object, "remove_space", true, &local),
                         ae_json_bool(object, "keep_accents", false, &local),
                         ae_json_bool(object, "lower_case", false, &local)};
    piece_text *p = local.code ? NULL : malloc(sizeof *p);
    if (!p) {
        ae_err_set(e, local.code ? local.code : AE_E_MEMORY, "%s", local.code ? local.message : "no memory");
        return NULL;
    }
    *p = parsed;
    return p;
}

static int piece_text_to_json(const void *self, ae_json *object)
{
    const piece_text *p = self;
    ae_json_set_bool(object, "remove_space", p->remove_space);
    ae_json_set_bool(object, "keep_accents", p->keep_accents);
    return ae_json_set_bool(object, "lower_case", p->lower_case);
}

/* One blank for every run of what Python's split() parts at, none at the ends. */
static void join_words(ae_work *w)
{
    const ae_aligned *t = &w->text;
    size_t blank = 0, blank_end = 0; /* the run in front of i */
    for (size_t i = 0, n = 0; i < t->length; i += n) {
        uint32_t c = 0;
        n = (size_t)ae_utf8_decode(t->bytes + i, &c);
        if (ae_char_flags(c) & AE_CHAR_SPACE || (c >= 0x1c && c <= 0x1f)) {
            blank = blank_end == i && i > 0 ? blank : i;
            blank_end = i + n;
            continue;
        }
        if (blank_end == i && i > 0 && w->other.length > 0) {
            ae_aligned_add(&w->other, " ", 1, t->from[blank], t->to[blank_end - 1]);
        }
        ae_aligned_copy(&w->other, t, i, i + n);
    }
    ae_work_swap_text(w);
}

/* `` and '' become ". */
static void join_quotes(ae_work *w)
{
    const ae_aligned *t = &w->text;
    size_t run = 0;
    for (size_t i = 0; i + 1 < t->length; i++) {
        if (t->bytes[i] == t->bytes[i + 1] && (t->bytes[i] == '`' || t->bytes[i] == '\'')) {
            ae_aligned_copy(&w->other, t, run, i);
            ae_aligned_add(&w->other, "\"", 1, t->from[i], t->to[i + 1]);
            run = i + 2;
            i++;
        }
    }
    ae_aligned_copy(&w->other, t, run, t->length);
    ae_work_swap_text(w);
}

/* Takes characters of a combining class off. */
static void drop_combining(ae_work *w)
{
    const ae_aligned *t = &w->text;
    for (size_t i = 0, n = 0; i < t->length; i += n) {
        uint32_t c = 0;
        n = (size_t)ae_utf8_decode(t->bytes + i, &c);
        if (c < 0x300 || ae_char_combining(c) == 0) {
            ae_aligned_copy(&w->other, t, i, i + n);
        }
    }
    ae_work_swap_text(w);
}

/* Text is lower-cased twice: character by character when special tokens are looked for, where a sigma has no end of a
 * word, and in the end, for what the decomposition brought forth. */
static int piece_text_apply(const void *self, ae_work *w)
{
    const piece_text *p = self;
    if (p->lower_case) {
        ae_normalize_lower(w, false);
    }
    if (p->remove_space) {
        join_words(w);
    }
    join_quotes(w);
    if (!p->keep_accents) {
        ae_normalize_decompose(w, true);
        drop_combining(w);
    }
    if (p->lower_case) {
        ae_normalize_lower(w, true);
    }
    return 0;
}

const ae_normalizer_row ae_normalizer_piece_text = {
    {"PieceText", piece_text_from_json, piece_text_to_json, NULL}, piece_text_apply, NULL};
