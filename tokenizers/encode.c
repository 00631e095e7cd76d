/* From text to tokens: added tokens are cut out, what is left goes part by part through the cache or the pipeline. */
#include "tokenizers/tokenizer_internal.h"
#include "tokenizers/unicode.h"

#include <stdlib.h>

/* ---- buffers ------------------------------------------------------------------------------------------------------ */

ae_scratch *ae_scratch_of(ae_encoding *x, ae_err *e)
{
    if (!x->scratch) {
        x->scratch = calloc(1, sizeof(ae_scratch));
        if (!x->scratch) {
            ae_err_set(e, AE_E_MEMORY, "no memory for encoding");
        }
    }
    return x->scratch;
}

void ae_encoding_free(ae_encoding *x)
{
    if (!x) {
        return;
    }
    ae_scratch *s = x->scratch;
    if (s) {
        ae_work_free(&s->work);
        ae_word_cache_free(&s->cache);
        for (int i = 0; i < 2; i++) {
            free(s->texts[i].ids);
            free(s->texts[i].words);
            free(s->texts[i].starts);
            free(s->texts[i].ends);
        }
        free(s->mended);
        free(s->places);
        free(s);
    }
    free(x->ids);
    free(x->type_ids);
    free(x->sequence);
    free(x->starts);
    free(x->ends);
    free(x->words);
    *x = (ae_encoding){0};
}

static bool grow(ae_tokens *k, size_t more)
{
    if (k->count + more <= k->room) {
        return true;
    }
    size_t room = 2 * k->room + more + 256;
    void **arrays[] = {(void **)&k->ids, (void **)&k->words, (void **)&k->starts, (void **)&k->ends};
    for (int i = 0; i < 4; i++) {
        void *p = realloc(*arrays[i], room * 4);
        if (!p) {
            k->failed = true;
            return false;
        }
        *arrays[i] = p;
    }
    k->room = room;
    return true;
}

static void add_token(ae_tokens *k, int32_t id, size_t start, size_t end, int32_t word)
{
    if (grow(k, 1)) {
        k->ids[k->count] = id;
        k->starts[k->count] = (uint32_t)start;
        k->ends[k->count] = (uint32_t)end;
        k->words[k->count++] = word;
    }
}

/* What the last token is, for those who want to read it. */
static void spell(ae_tokens *k, const char *bytes, size_t length)
{
    if (k->spelled) {
        ae_strings_add(k->spelled, bytes, length);
    }
}

/* ---- UTF-8 -------------------------------------------------------------------------------------------------------- */

const char *ae_mend_utf8(ae_scratch *s, const char *text, size_t *bytes, bool each, bool *mended, ae_err *e)
{
    *mended = false;
    if (*bytes > INT32_MAX / 4) {
        ae_err_set(e, AE_E_UNSUPPORTED, "a text of %zu bytes; give it in parts of at most %d", *bytes, INT32_MAX / 4);
        return NULL;
    }
    size_t valid = ae_utf8_valid(text, *bytes);
    if (valid == *bytes) {
        return text;
    }
    size_t room = 3 * *bytes + 1;
    if (s->mended_room < room) {
        char *copy = realloc(s->mended, room);
        s->mended = copy ? copy : s->mended;
        uint32_t *places = realloc(s->places, (room + 1) * sizeof *places);
        s->places = places ? places : s->places;
        if (!copy || !places) {
            ae_err_set(e, AE_E_MEMORY, "no memory for a text of %zu bytes", *bytes);
            return NULL;
        }
        s->mended_room = room;
    }
    size_t n = 0;
    for (size_t i = 0; i < *bytes;) {
        size_t good = ae_utf8_valid(text + i, *bytes - i);
        memcpy(s->mended + n, text + i, good);
        for (size_t k = 0; k < good; k++) {
            s->places[n++] = (uint32_t)(i + k);
        }
        i += good;
        if (i < *bytes) {
            size_t broken = each ? 1 : ae_utf8_broken(text + i, *bytes - i);
            memcpy(s->mended + n, "\xef\xbf\xbd", 3);
            for (size_t k = 0; k < 3; k++) { /* the three bytes stand for all that is broken */
                s->places[n++] = (uint32_t)i;
            }
            i += broken;
        }
    }
    s->places[n] = (uint32_t)*bytes;
    *bytes = n;
    *mended = true;
    return s->mended;
}

/* Ranges of the mended text become ranges of the text given. */
static void move_back(const ae_scratch *s, ae_tokens *k, size_t bytes)
{
    for (size_t i = 0; i < k->count; i++) {
        uint32_t end = k->ends[i];
        bool inside = end > 0 && end < bytes && s->places[end] == s->places[end - 1]; /* inside a U+FFFD: its end */
        while (inside && end < bytes && s->places[end] == s->places[end - 1]) {
            end++;
        }
        k->starts[i] = s->places[k->starts[i]];
        k->ends[i] = s->places[end];
    }
}

/* ---- the pipeline --------------------------------------------------------------------------------------------------- */

void ae_normalize(const ae_tokenizer *t, ae_work *w)
{
    if (t->normalizer.row) {
        ((const ae_normalizer_row *)t->normalizer.row)->apply(t->normalizer.self, w);
    }
}

/* The pieces that the pre-tokenizer begins with: the normalised text between the added tokens that are in it. */
static void first_pieces(const ae_tokenizer *t, ae_work *w, bool match)
{
    size_t at = 0, done = 0, before = 0, start = 0, end = 0;
    int32_t id = 0;
    while (match && ae_matcher_next(&t->normal, w->text.bytes, w->text.length, &at, &done, &start, &end, &id)) {
        ae_work_piece(w, before, start, -1);
        ae_work_piece(w, start, end, id);
        before = end;
    }
    ae_work_piece(w, before, w->text.length, -1);
    ae_work_swap_pieces(w);
}

/* The whole pipeline for a part of a text: its tokens are added. This is what every faster path must equal. */
static void run(const ae_tokenizer *t, ae_work *w, const char *text, size_t start, size_t end, bool match, ae_tokens *k)
{
    ae_work_begin(w, text + start, end - start);
    w->start = start;
    ae_normalize(t, w);
    first_pieces(t, w, match);
    if (t->pre_tokenizer.row) {
        ((const ae_pre_tokenizer_row *)t->pre_tokenizer.row)->apply(t->pre_tokenizer.self, w);
    }
    const ae_model_row *model = (const ae_model_row *)t->model.row;
    for (size_t i = 0; i < w->pieces.count; i++) {
        ae_piece p = w->pieces.at[i];
        const uint32_t *from = w->text.from + p.start, *to = w->text.to + p.start;
        if (p.token >= 0) {
            add_token(k, p.token, start + from[0], start + to[p.end - p.start - 1], k->n_words++);
            spell(k, w->text.bytes + p.start, p.end - p.start);
            continue;
        }
        w->n_made = w->word = 0;
        model->encode(t->model.self, w->text.bytes + p.start, p.end - p.start, w);
        for (size_t m = 0; m < w->n_made; m++) {
            ae_made made = w->made[m];
            add_token(k, made.id, start + from[made.start], start + to[made.end - 1], k->n_words + (int32_t)made.word);
            spell(k, w->text.bytes + p.start + made.start, made.end - made.start);
        }
        k->n_words += (int32_t)w->word + 1;
    }
}

/* The same for a word by GPT-2's pattern: cut already, and spelled in the model's mind alone. */
static bool run_bytes(const ae_tokenizer *t, ae_work *w, const char *text, size_t start, size_t end, ae_tokens *k)
{
    const ae_model_row *model = (const ae_model_row *)t->model.row;
    w->n_made = w->word = 0;
    if (!model->encode_bytes(t->model.self, text + start, end - start, w)) {
        return false;
    }
    for (size_t m = 0; m < w->n_made; m++) {
        add_token(k, w->made[m].id, start + w->made[m].start, start + w->made[m].end, k->n_words);
    }
    k->n_words++;
    return true;
}

/* ---- parts ------------------------------------------------------------------------------------------------------------ */

static void add_cached(ae_tokens *k, const ae_word_cache *c, const ae_cached *x, size_t start)
{
    if (!grow(k, x->count)) {
        return;
    }
    const unsigned char *q = (const unsigned char *)c->arena + x->offset + 4u * x->count;
    size_t n = x->count;
    memcpy(k->ids + k->count, c->arena + x->offset, 4 * n);
    for (size_t i = 0; i < n; i++) {
        k->starts[k->count + i] = (uint32_t)start + q[i];
        k->ends[k->count + i] = (uint32_t)start + q[n + i];
        k->words[k->count + i] = k->n_words + q[2 * n + i];
    }
    k->count += n;
    k->n_words += x->words;
}

/* One part that stands apart from its neighbours. */
static void tokenize_part(const ae_tokenizer *t, ae_scratch *s, const char *text, size_t bytes, size_t start,
                          size_t end, ae_tokens *k)
{
    const ae_cached *x = ae_word_cache_find(&s->cache, text + start, end - start, bytes - start);
    if (x) {
        add_cached(k, &s->cache, x, start);
        return;
    }
    size_t count = k->count;
    int32_t words = k->n_words;
    if (!t->byte_words || !run_bytes(t, &s->work, text, start, end, k)) {
        run(t, &s->work, text, start, end, t->match_parts, k);
    }
    if (!k->failed && ae_work_check(&s->work, NULL) == 0) {
        ae_word_cache_add(&s->cache, text + start, end - start, k->ids + count, k->starts + count, k->ends + count,
                          k->words + count, k->count - count, (uint32_t)start, words, k->n_words - words);
    }
}

/* A word that is cut where the model joins nothing, which for Chinese is nearly everywhere: short parts are often
 * known.
 */
static void tokenize_joined(const ae_tokenizer *t, ae_scratch *s, const char *text, size_t bytes, size_t start,
                            size_t end, ae_tokens *k)
{
    int32_t word = k->n_words;
    for (size_t stop = start; start < end; start = stop) {
        do {
            unsigned pair =
                (unsigned)(unsigned char)text[stop] << 8 | (stop + 1 < end ? (unsigned char)text[stop + 1] : 0);
            stop++;
            bool inside = stop < end && ((unsigned char)text[stop] & 0xc0) == 0x80;
            if (!inside && !(t->joints[pair >> 3] >> (pair & 7) & 1)) {
                break;
            }
        } while (stop < end);
        k->n_words = word;
        tokenize_part(t, s, text, bytes, start, stop, k);
    }
}

static bool has_capital_sigma(const char *text, size_t bytes)
{
    return memmem(text, bytes, "\xce\xa3", 2);
}

/* A stretch between added tokens. */
static void tokenize_stretch(const ae_tokenizer *t, ae_scratch *s, const char *text, size_t bytes, size_t start,
                             size_t end, bool match, ae_tokens *k)
{
    if (start >= end) {
        return;
    }
    ae_cutting c = t->cutting;
    /* Behind a space that is put in front, a blank or a short form like 's would be cut in another way. */
    uint32_t first = 0;
    ae_utf8_decode(text + start, &first);
    bool whole = c.first_apart && (first == '\'' || (first != ' ' && ae_char_flags(first) & AE_CHAR_SPACE));
    s->work.begins = true;
    s->work.text_start = start == 0;
    bool unlike = t->normal.count > 0 && match != t->match_parts; /* cached words are otherwise */
    bool broken = t->mend_bytes && s->work.places; /* a cached word could be one with a U+FFFD of its own */
    if (c.cut == AE_CUT_NONE || whole || broken || k->spelled || unlike) {
        run(t, &s->work, text, start, end, match, k);
        return;
    }
    c.sigma = c.sigma && has_capital_sigma(text + start, end - start);
    size_t at = start;
    if (c.first_apart) {
        size_t stop = ae_cut_next(&c, text, end, &at);
        run(t, &s->work, text, at, stop, t->match_parts, k);
        at = stop;
    }
    s->work.begins = s->work.text_start = false;
    while (at < end && !k->failed && !s->work.missing[0]) {
        size_t stop = ae_cut_next(&c, text, end, &at);
        if (stop > at && t->joints && (unsigned char)text[stop - 1] >= 0x80) {
            tokenize_joined(t, s, text, bytes, at, stop, k);
        } else if (stop > at) {
            tokenize_part(t, s, text, bytes, at, stop, k);
        }
        at = stop;
    }
}

/* Cuts at the added tokens of the second kind, when there is no normalizer that could hide or make one. */
static void tokenize_between(const ae_tokenizer *t, ae_scratch *s, const char *text, size_t bytes, size_t start,
                             size_t end, bool keep_added, ae_tokens *k)
{
    if (start >= end || keep_added || t->normalizer.row || t->normal.count == 0) {
        tokenize_stretch(t, s, text, bytes, start, end, !keep_added, k);
        return;
    }
    size_t at = 0, done = 0, before = start, from = 0, to = 0;
    int32_t id = 0;
    while (ae_matcher_next(&t->normal, text + start, end - start, &at, &done, &from, &to, &id)) {
        tokenize_stretch(t, s, text, bytes, before, start + from, false, k);
        add_token(k, id, start + from, start + to, k->n_words++);
        spell(k, text + start + from, to - from);
        before = start + to;
    }
    tokenize_stretch(t, s, text, bytes, before, end, false, k);
}

int ae_tokenize(const ae_tokenizer *t, ae_scratch *s, const char *text, size_t bytes, bool keep_added, ae_tokens *k,
                ae_err *e)
{
    bool mended = false;
    text = ae_mend_utf8(s, text, &bytes, t->mend_bytes, &mended, e);
    if (!text) {
        return -1;
    }
    k->count = 0;
    k->n_words = 0;
    k->failed = false;
    grow(k, 1); /* the arrays are there even when there are no tokens */
    ae_work_reset(&s->work);
    s->work.places = mended ? s->places : NULL;
    ae_word_cache_own(&s->cache, t->hash);
    size_t at = 0, done = 0, before = 0, start = 0, end = 0;
    int32_t id = 0;
    while (!keep_added && ae_matcher_next(&t->raw, text, bytes, &at, &done, &start, &end, &id)) {
        tokenize_between(t, s, text, bytes, before, start, false, k);
        add_token(k, id, start, end, k->n_words++);
        spell(k, text + start, end - start);
        before = end;
    }
    tokenize_between(t, s, text, bytes, before, bytes, keep_added, k);
    if (mended) {
        move_back(s, k, bytes);
    }
    if (k->failed) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for the tokens of a text of %zu bytes", bytes);
    }
    return ae_work_check(&s->work, e);
}

int ae_tokenizer_spell(const ae_tokenizer *t, const char *text, size_t bytes, ae_encoding *x, ae_strings *spelled,
                       ae_err *e)
{
    ae_scratch *s = ae_scratch_of(x, e);
    if (!s) {
        return -1;
    }
    s->texts[0].spelled = spelled;
    int status = ae_tokenize(t, s, text, bytes, false, &s->texts[0], e);
    s->texts[0].spelled = NULL;
    return status != 0 || !spelled->failed ? status : ae_err_set(e, AE_E_MEMORY, "no memory to spell tokens");
}
