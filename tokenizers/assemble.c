/* Tokens of one or two texts become a sequence: truncation, special tokens, type ids. */
#include "tokenizers/tokenizer_internal.h"

#include <stdlib.h>

static int64_t specials_of(const ae_template *t)
{
    int64_t n = 0;
    for (int i = 0; i < t->count; i++) {
        n += t->places[i].sequence < 0;
    }
    return n;
}

int64_t ae_tokenizer_special_count(const ae_tokenizer *t, bool pair)
{
    return specials_of(pair ? &t->plan.pair : &t->plan.single);
}

int64_t ae_tokenizer_assemble(const ae_tokenizer *t, const int32_t *a, int64_t a_count, const int32_t *b,
                              int64_t b_count, int32_t *ids, uint8_t *type_ids)
{
    const ae_template *places = b ? &t->plan.pair : &t->plan.single;
    const int32_t *texts[] = {a, b};
    int64_t counts[] = {a_count, b_count}, n = 0;
    for (int i = 0; i < places->count; i++) {
        ae_place p = places->places[i];
        int64_t count = p.sequence < 0 ? 1 : counts[p.sequence];
        if (count > 0) {
            memcpy(ids + n, p.sequence < 0 ? &p.id : texts[p.sequence], (size_t)count * sizeof *ids);
        }
        if (type_ids && count > 0) {
            memset(type_ids + n, p.type, (size_t)count);
        }
        n += count;
    }
    return n;
}

/* How many tokens of each text stay. LONGEST takes them one by one off the longer text, off the second when both are
 * equally long, as BERT's and Hugging Face's Python code do. */
static int truncate(int64_t keep[2], bool pair, int64_t room, const ae_encode_options *options, ae_err *e)
{
    int64_t excess = keep[0] + keep[1] - room;
    if (excess <= 0) {
        return 0;
    }
    if (options->truncation == AE_TRUNCATE_ERROR) {
        return ae_err_set(e, AE_E_VALUE, "%lld tokens, and %lld may be; truncation is off",
                          (long long)(keep[0] + keep[1] + options->max_length - room), (long long)options->max_length);
    }
    if (options->truncation == AE_TRUNCATE_LONGEST) {
        int64_t difference = keep[0] > keep[1] ? keep[0] - keep[1] : keep[1] - keep[0];
        int64_t *longer = keep[0] > keep[1] ? &keep[0] : &keep[1];
        int64_t first = excess < difference ? excess : difference;
        *longer -= first;
        excess -= first;
        keep[1] -= pair ? (excess + 1) / 2 : 0;
        keep[0] -= pair ? excess / 2 : excess;
        return 0;
    }
    int which = options->truncation == AE_TRUNCATE_SECOND && pair;
    if (keep[which] < excess) {
        return ae_err_set(e, AE_E_VALUE,
                          "the %s text alone has %lld tokens to give, and %lld are too many; truncate the longest",
                          which ? "second" : "first", (long long)keep[which], (long long)excess);
    }
    keep[which] -= excess;
    return 0;
}

/* ---- the sequence ------------------------------------------------------------------------------------------------------ */

static bool resize(void **memory, size_t element, int64_t count)
{
    void *p = realloc(*memory, element * (size_t)count);
    *memory = p ? p : *memory;
    return p;
}

static int make_room(ae_encoding *x, int64_t count, ae_err *e)
{
    bool offsets = !x->no_offsets;
    if (count <= x->capacity && (!offsets || x->starts)) {
        return 0;
    }
    int64_t room = count > x->capacity ? count + count / 2 + 64 : x->capacity;
    bool done = resize((void **)&x->ids, sizeof *x->ids, room) && resize((void **)&x->type_ids, 1, room) &&
                resize((void **)&x->sequence, 1, room);
    if (done && (offsets || x->starts)) {
        done = resize((void **)&x->starts, sizeof *x->starts, room) &&
               resize((void **)&x->ends, sizeof *x->ends, room) && resize((void **)&x->words, sizeof *x->words, room);
    }
    if (!done) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for %lld tokens", (long long)count);
    }
    x->capacity = room;
    return 0;
}

/* Leaves blanks at a token's ends out of its range. */
static void trim(const char *text, int64_t *start, int64_t *end)
{
    while (*start < *end &&
           (text[*start] == ' ' || (text[*start] >= '\t' && text[*start] <= '\r' && *end - *start > 1))) {
        ++*start;
    }
    while (*end > *start && text[*end - 1] == ' ') {
        --*end;
    }
}

static void copy_offsets(const ae_tokenizer *t, const ae_tokens *k, int64_t count, const char *text, ae_encoding *out)
{
    for (int64_t i = 0; i < count; i++) {
        int64_t *start = &out->starts[out->count + i], *end = &out->ends[out->count + i];
        *start = k->starts[i];
        *end = k->ends[i];
        if (t->plan.trim) {
            trim(text, start, end);
        }
    }
    if (count > 0) {
        memcpy(out->words + out->count, k->words, (size_t)count * sizeof *out->words);
    }
}

static void put_text(const ae_tokenizer *t, const ae_tokens *k, int64_t count, ae_place p, const char *text,
                     ae_encoding *out)
{
    if (count == 0) {
        return;
    }
    memcpy(out->ids + out->count, k->ids, (size_t)count * sizeof *out->ids);
    memset(out->type_ids + out->count, p.type, (size_t)count);
    memset(out->sequence + out->count, p.sequence, (size_t)count);
    if (!out->no_offsets) {
        copy_offsets(t, k, count, text, out);
    }
    out->count += count;
}

static void put_special(ae_place p, ae_encoding *out)
{
    out->ids[out->count] = p.id;
    out->type_ids[out->count] = p.type;
    out->sequence[out->count] = 255;
    if (!out->no_offsets) {
        out->starts[out->count] = out->ends[out->count] = 0;
        out->words[out->count] = -1;
    }
    out->count++;
}

static int encode(const ae_tokenizer *t, const char *const texts[2], const size_t bytes[2], int n_texts,
                  const ae_encode_options *given, ae_encoding *out, ae_err *e)
{
    static const ae_encode_options none = {0};
    const ae_encode_options *options = given ? given : &none;
    ae_scratch *s = ae_scratch_of(out, e);
    int64_t keep[2] = {0, 0};
    out->count = out->dropped = 0;
    for (int i = 0; i < n_texts; i++) {
        if (!s || ae_tokenize(t, s, texts[i], bytes[i], options->keep_added, &s->texts[i], e) != 0) {
            return -1;
        }
        keep[i] = (int64_t)s->texts[i].count;
    }
    const ae_template *plan = n_texts == 2 ? &t->plan.pair : &t->plan.single;
    int64_t specials = options->special ? specials_of(plan) : 0, all = keep[0] + keep[1];
    if (options->max_length > 0) {
        if (options->max_length < specials) {
            return ae_err_set(e, AE_E_VALUE, "a limit of %lld tokens leaves no place for the %lld special ones",
                              (long long)options->max_length, (long long)specials);
        }
        if (truncate(keep, n_texts == 2, options->max_length - specials, options, e) != 0) {
            return -1;
        }
    }
    out->dropped = all - keep[0] - keep[1];
    if (make_room(out, keep[0] + keep[1] + specials + 1, e) != 0) {
        return -1;
    }
    for (int i = 0; i < plan->count; i++) {
        ae_place p = plan->places[i];
        if (p.sequence >= 0) {
            put_text(t, &s->texts[p.sequence], keep[p.sequence], p, texts[p.sequence], out);
        } else if (options->special) {
            put_special(p, out);
        }
    }
    return 0;
}

int ae_tokenizer_encode(const ae_tokenizer *t, const char *text, size_t bytes, const ae_encode_options *options,
                        ae_encoding *out, ae_err *e)
{
    const char *texts[2] = {text, NULL};
    const size_t sizes[2] = {bytes, 0};
    return encode(t, texts, sizes, 1, options, out, e);
}

int ae_tokenizer_encode_pair(const ae_tokenizer *t, const char *a, size_t a_bytes, const char *b, size_t b_bytes,
                             const ae_encode_options *options, ae_encoding *out, ae_err *e)
{
    const char *texts[2] = {a, b};
    const size_t sizes[2] = {a_bytes, b_bytes};
    return encode(t, texts, sizes, 2, options, out, e);
}
