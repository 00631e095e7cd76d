/* From ids back to text, and from text to the words that trainers count. */
#include "tokenizers/tokenizer_internal.h"

#include <stdlib.h>

/* What decoders get for an id. An added token that is looked for in normalised text is spelled so, as Hugging Face's
 * library has it: decoders undo what normalizers did. */
static const char *spelling(const ae_tokenizer *t, int32_t id, size_t *bytes)
{
    bool known = id >= 0 && id < t->size;
    for (int i = 0; i < t->n_added && known && t->flags[id] & AE_FLAG_ADDED; i++) {
        if (t->added[i].id == id) {
            *bytes = t->added[i].pattern_bytes;
            return t->added[i].pattern;
        }
    }
    return ae_tokenizer_token(t, id, bytes);
}

/* The strings of the ids; -1 for an id without one. */
static int gather(const ae_tokenizer *t, const int32_t *ids, int64_t count, bool skip_special, ae_strings *s, ae_err *e)
{
    for (int64_t i = 0; i < count && !s->failed; i++) {
        size_t bytes = 0;
        const char *token = spelling(t, ids[i], &bytes);
        if (!token) {
            return ae_err_set(e, AE_E_VALUE, "the id %d at place %lld has no token; the vocabulary has %d", (int)ids[i],
                              (long long)i, (int)t->size);
        }
        if (!skip_special || !ae_tokenizer_is_special(t, ids[i])) {
            ae_strings_add(s, token, bytes);
        }
    }
    return 0;
}

char *ae_tokenizer_decode(const ae_tokenizer *t, const int32_t *ids, int64_t count, bool skip_special, size_t *bytes,
                          ae_err *e)
{
    ae_strings tokens = {0}, decoded = {0};
    if (gather(t, ids, count, skip_special, &tokens, e) != 0) {
        ae_strings_free(&tokens);
        return NULL;
    }
    const ae_decoder_row *row = (const ae_decoder_row *)t->decoder.row;
    if (row && !tokens.failed) {
        row->apply(t->decoder.self, &tokens, &decoded);
    }
    ae_strings *s = row ? &decoded : &tokens;
    char *text = s->failed || tokens.failed ? NULL : malloc(s->used + s->count + 1);
    size_t n = 0;
    for (size_t i = 0; text && i < s->count; i++) {
        if (!row && i > 0) {
            text[n++] = ' '; /* without a decoder tokens are words */
        }
        if (s->at[i].length > 0) {
            memcpy(text + n, s->bytes + s->at[i].offset, s->at[i].length);
        }
        n += s->at[i].length;
    }
    if (text) {
        text[n] = '\0';
        if (bytes) {
            *bytes = n;
        }
    } else if (s->gave_up) {
        ae_err_set(e, AE_E_VALUE, AE_GAVE_UP);
    } else {
        ae_err_set(e, AE_E_MEMORY, "no memory to decode %lld ids", (long long)count);
    }
    ae_strings_free(&tokens);
    ae_strings_free(&decoded);
    return text;
}

/* ---- words ------------------------------------------------------------------------------------------------------------ */

static int split_part(const ae_tokenizer *t, ae_work *w, const char *text, size_t bytes, ae_word_fn word, void *self,
                      ae_err *e)
{
    ae_work_begin(w, text, bytes);
    ae_normalize(t, w);
    ae_work_piece(w, 0, w->text.length, -1);
    ae_work_swap_pieces(w);
    if (t->pre_tokenizer.row) {
        ((const ae_pre_tokenizer_row *)t->pre_tokenizer.row)->apply(t->pre_tokenizer.self, w);
    }
    if (ae_work_check(w, e) != 0) {
        return -1;
    }
    for (size_t i = 0; i < w->pieces.count; i++) {
        ae_piece p = w->pieces.at[i];
        int result = word(self, w->text.bytes + p.start, p.end - p.start);
        if (result != 0) {
            return result;
        }
    }
    return 0;
}

int ae_tokenizer_split(const ae_tokenizer *t, const char *text, size_t bytes, ae_word_fn word, void *self,
                       ae_encoding *scratch, ae_err *e)
{
    ae_scratch *s = ae_scratch_of(scratch, e);
    bool mended = false;
    text = s ? ae_mend_utf8(s, text, &bytes, t->mend_bytes, &mended, e) : NULL;
    if (!text) {
        return -1;
    }
    ae_work_reset(&s->work);
    s->work.places = mended ? s->places : NULL;
    s->work.start = 0;
    s->work.begins = s->work.text_start = true;
    ae_cutting c = t->cutting;
    c.sigma = c.sigma && memmem(text, bytes, "\xce\xa3", 2);
    if (c.cut == AE_CUT_NONE || c.first_apart) {
        return split_part(t, &s->work, text, bytes, word, self, e);
    }
    for (size_t at = 0; at < bytes;) {
        size_t stop = ae_cut_next(&c, text, bytes, &at);
        s->work.start = at;
        int result = stop > at ? split_part(t, &s->work, text + at, stop - at, word, self, e) : 0;
        if (result != 0) {
            return result;
        }
        at = stop;
        s->work.begins = s->work.text_start = false;
    }
    return 0;
}
