/* Pre-tokenizers that look for something and cut there: Whitespace, WhitespaceSplit, Punctuation, Digits, Split,
 * CharDelimiterSplit; and Sequence. */
#include "tensor/nearest_name.h"
#include "tokenizers/component.h"
#include "tokenizers/pattern.h"
#include "tokenizers/unicode.h"

#include <stdlib.h>

/* ---- what becomes of the places found ------------------------------------------------------------------------------ */

typedef enum behavior { REMOVED, ISOLATED, MERGED_WITH_PREVIOUS, MERGED_WITH_NEXT, CONTIGUOUS, BEHAVIORS } behavior;

static const char *const behavior_names[BEHAVIORS] = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext",
                                                      "Contiguous"};

typedef struct part {
    uint32_t start, end;
    bool match;
} part;

/* Joins the first match of a row of them to what stands in front of it, as Hugging Face's library does. */
static size_t merge_with_previous(part *parts, size_t count)
{
    size_t n = 0;
    bool before = false;
    for (size_t i = 0; i < count; i++) {
        bool match = parts[i].match;
        if (match && !before && n > 0) {
            parts[n - 1].end = parts[i].end;
        } else {
            parts[n++] = parts[i];
        }
        before = match;
    }
    return n;
}

/* The same from the other end: the last match of a row is joined to what follows. */
static size_t merge_with_next(part *parts, size_t count)
{
    size_t n = count;
    bool behind = false;
    for (size_t i = count; i-- > 0;) {
        bool match = parts[i].match;
        if (match && !behind && n < count) {
            parts[n].start = parts[i].start;
        } else {
            parts[--n] = parts[i];
        }
        behind = match;
    }
    memmove(parts, parts + n, (count - n) * sizeof *parts);
    return count - n;
}

static size_t merge_equal(part *parts, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (n > 0 && parts[n - 1].match == parts[i].match) {
            parts[n - 1].end = parts[i].end;
        } else {
            parts[n++] = parts[i];
        }
    }
    return n;
}

static void emit(ae_work *w, part *parts, size_t count, behavior what)
{
    count = what == MERGED_WITH_PREVIOUS ? merge_with_previous(parts, count)
            : what == MERGED_WITH_NEXT   ? merge_with_next(parts, count)
            : what == CONTIGUOUS         ? merge_equal(parts, count)
                                         : count;
    for (size_t i = 0; i < count; i++) {
        if (what != REMOVED || !parts[i].match) {
            ae_work_piece(w, parts[i].start, parts[i].end, -1);
        }
    }
}

/* Cuts at a pattern. */
static void cut_at(ae_work *w, const ae_pattern *p, behavior what, bool invert, ae_piece piece)
{
    size_t length = piece.end - piece.start, at = 0, start = 0, end = 0, n = 0;
    part *parts = ae_work_room(w, 0, (2 * length + 1) * sizeof *parts);
    if (!parts) {
        return;
    }
    ae_matches m = ae_pattern_begin(p, w->text.bytes + piece.start, length);
    ae_match found = AE_MATCH_NONE;
    while ((found = ae_pattern_next(&m, &start, &end)) == AE_MATCH_FOUND) {
        if (start > at) {
            parts[n++] = (part){piece.start + (uint32_t)at, piece.start + (uint32_t)start, invert};
        }
        parts[n++] = (part){piece.start + (uint32_t)start, piece.start + (uint32_t)end, !invert};
        at = end;
    }
    ae_pattern_end(&m);
    if (at < length) {
        parts[n++] = (part){piece.start + (uint32_t)at, piece.end, invert};
    }
    ae_work_matched(w, found);
    emit(w, parts, n, what);
}

/* Cuts at every character with the property. */
static void cut_at_characters(ae_work *w, bool (*is)(uint32_t c), behavior what, ae_piece piece)
{
    part *parts = ae_work_room(w, 0, (2 * (piece.end - piece.start) + 1) * sizeof *parts);
    size_t n = 0;
    uint32_t start = piece.start;
    for (uint32_t i = piece.start; parts && i < piece.end;) {
        uint32_t c = 0, size = (uint32_t)ae_utf8_decode(w->text.bytes + i, &c);
        if (is(c)) {
            if (i > start) {
                parts[n++] = (part){start, i, false};
            }
            parts[n++] = (part){i, i + size, true};
            start = i + size;
        }
        i += size;
    }
    if (parts && start < piece.end) {
        parts[n++] = (part){start, piece.end, false};
    }
    emit(w, parts, n, what);
}

static int read_behavior(const ae_json *object, behavior otherwise, behavior *what, ae_err *e)
{
    ae_err local = {0};
    const char *name = ae_json_string(object, "behavior", behavior_names[otherwise], &local);
    if (local.code) {
        return ae_err_set(e, local.code, "%s", local.message);
    }
    for (int i = 0; i < BEHAVIORS; i++) {
        if (strcmp(name, behavior_names[i]) == 0) {
            *what = (behavior)i;
            return 0;
        }
    }
    return ae_err_set(e, AE_E_VALUE,
                      "\"behavior\" is \"%.40s\"; it may be Removed, Isolated, MergedWithPrevious, MergedWithNext or "
                      "Contiguous",
                      name);
}

static void *copy_of(const void *value, size_t bytes, ae_err *e)
{
    void *p = malloc(bytes);
    if (!p) {
        ae_err_set(e, AE_E_MEMORY, "no memory");
        return NULL;
    }
    return memcpy(p, value, bytes);
}

/* ---- Whitespace: \w+|[^\w\s]+ ---------------------------------------------------------------------------------------- */

static int kind_of(uint32_t c)
{
    unsigned flags = ae_char_flags(c);
    return flags & AE_CHAR_WORD ? 1 : flags & AE_CHAR_SPACE ? 0 : 2;
}

static void cut_whitespace(ae_work *w, const void *self, ae_piece piece)
{
    (void)self;
    size_t start = piece.start;
    int kind = 0;
    for (size_t i = piece.start; i < piece.end;) {
        uint32_t c = 0;
        size_t n = (size_t)ae_utf8_decode(w->text.bytes + i, &c);
        int now = kind_of(c);
        if (now != kind) {
            ae_work_piece(w, start, kind ? i : start, -1);
            start = i;
            kind = now;
        }
        i += n;
    }
    ae_work_piece(w, start, kind ? piece.end : start, -1);
}

static int apply_whitespace(const void *self, ae_work *w)
{
    return ae_work_cut(w, cut_whitespace, self);
}

static void cutting_blanks(const void *self, ae_cutting *c)
{
    (void)self;
    c->cut = AE_CUT_BLANKS;
}

const ae_pre_tokenizer_row ae_pre_tokenizer_whitespace = {
    {"Whitespace", NULL, NULL, NULL}, apply_whitespace, cutting_blanks};

/* ---- WhitespaceSplit ------------------------------------------------------------------------------------------------ */

static bool is_blank(uint32_t c)
{
    return c <= 0x3000 && ae_char_flags(c) & AE_CHAR_SPACE; /* the last one there is */
}

static void cut_blanks(ae_work *w, const void *self, ae_piece piece)
{
    (void)self;
    cut_at_characters(w, is_blank, REMOVED, piece);
}

static int apply_whitespace_split(const void *self, ae_work *w)
{
    return ae_work_cut(w, cut_blanks, self);
}

const ae_pre_tokenizer_row ae_pre_tokenizer_whitespace_split = {
    {"WhitespaceSplit", NULL, NULL, NULL}, apply_whitespace_split, cutting_blanks};

/* ---- Punctuation ---------------------------------------------------------------------------------------------------- */

static void *punctuation_from_json(const ae_json *object, ae_err *e)
{
    behavior what = ISOLATED;
    return read_behavior(object, ISOLATED, &what, e) == 0 ? copy_of(&what, sizeof what, e) : NULL;
}

static int punctuation_to_json(const void *self, ae_json *object)
{
    const behavior *what = self;
    return ae_json_set_string(object, "behavior", behavior_names[*what]);
}

static bool is_punctuation(uint32_t c)
{
    return ae_is_ascii_punctuation(c) || ae_char_flags(c) & AE_CHAR_PUNCTUATION;
}

static void cut_punctuation(ae_work *w, const void *self, ae_piece piece)
{
    const behavior *what = self;
    cut_at_characters(w, is_punctuation, *what, piece);
}

static int apply_punctuation(const void *self, ae_work *w)
{
    return ae_work_cut(w, cut_punctuation, self);
}

const ae_pre_tokenizer_row ae_pre_tokenizer_punctuation = {
    {"Punctuation", punctuation_from_json, punctuation_to_json, NULL}, apply_punctuation, NULL};

/* ---- Digits ---------------------------------------------------------------------------------------------------------- */

static void *digits_from_json(const ae_json *object, ae_err *e)
{
    ae_err local = {0};
    bool individual = ae_json_bool(object, "individual_digits", false, &local);
    if (local.code) {
        ae_err_set(e, local.code, "%s", local.message);
        return NULL;
    }
    return copy_of(&individual, sizeof individual, e);
}

static int digits_to_json(const void *self, ae_json *object)
{
    const bool *individual = self;
    return ae_json_set_bool(object, "individual_digits", *individual);
}

static bool is_number(uint32_t c)
{
    return ae_char_flags(c) & AE_CHAR_NUMBER;
}

static void cut_digits(ae_work *w, const void *self, ae_piece piece)
{
    const bool *individual = self;
    cut_at_characters(w, is_number, *individual ? ISOLATED : CONTIGUOUS, piece);
}

static int apply_digits(const void *self, ae_work *w)
{
    return ae_work_cut(w, cut_digits, self);
}

const ae_pre_tokenizer_row ae_pre_tokenizer_digits = {
    {"Digits", digits_from_json, digits_to_json, NULL}, apply_digits, NULL};

/* ---- Split, CharDelimiterSplit ---------------------------------------------------------------------------------------- */

typedef struct split {
    ae_pattern pattern;
    behavior what;
    bool invert;
} split;

static void split_free(void *self)
{
    split *s = self;
    ae_pattern_free(&s->pattern);
    free(s);
}

static void *split_from_json(const ae_json *object, ae_err *e)
{
    ae_err local = {0};
    split s = {.invert = ae_json_bool(object, "invert", false, &local)};
    if (local.code) {
        ae_err_set(e, local.code, "%s", local.message);
        return NULL;
    }
    if (read_behavior(object, REMOVED, &s.what, e) != 0 ||
        ae_pattern_from_json(ae_json_get(object, "pattern"), &s.pattern, e) != 0) {
        return NULL;
    }
    split *made = copy_of(&s, sizeof s, e);
    if (!made) {
        ae_pattern_free(&s.pattern);
    }
    return made;
}

static int split_to_json(const void *self, ae_json *object)
{
    const split *s = self;
    ae_json_set(object, "pattern", ae_pattern_json(&s->pattern));
    ae_json_set_string(object, "behavior", behavior_names[s->what]);
    return ae_json_set_bool(object, "invert", s->invert);
}

static void cut_split(ae_work *w, const void *self, ae_piece piece)
{
    const split *s = self;
    cut_at(w, &s->pattern, s->what, s->invert, piece);
}

static int apply_split(const void *self, ae_work *w)
{
    return ae_work_cut(w, cut_split, self);
}

static void cutting_split(const void *self, ae_cutting *c)
{
    const split *s = self;
    bool words = s->pattern.clip && s->what == REMOVED && s->invert;
    c->cut = s->pattern.every && s->what == ISOLATED ? AE_CUT_LETTERS : words ? AE_CUT_BLANKS : AE_CUT_NONE;
}

const ae_pre_tokenizer_row ae_pre_tokenizer_split = {
    {"Split", split_from_json, split_to_json, split_free}, apply_split, cutting_split};

static void *delimiter_from_json(const ae_json *object, ae_err *e)
{
    split s = {.what = REMOVED};
    if (ae_pattern_from_json(ae_json_get(object, "delimiter"), &s.pattern, e) != 0) {
        return NULL;
    }
    split *made = copy_of(&s, sizeof s, e);
    if (!made) {
        ae_pattern_free(&s.pattern);
    }
    return made;
}

static int delimiter_to_json(const void *self, ae_json *object)
{
    const split *s = self;
    return ae_json_set(object, "delimiter", ae_json_new_bytes(s->pattern.text, s->pattern.length));
}

const ae_pre_tokenizer_row ae_pre_tokenizer_char_delimiter = {
    {"CharDelimiterSplit", delimiter_from_json, delimiter_to_json, split_free}, apply_split, NULL};

/* ---- Sequence ------------------------------------------------------------------------------------------------------- */

static void *sequence_from_json(const ae_json *object, ae_err *e)
{
    return ae_sequence_from_json(object, "pretokenizers", ae_pre_tokenizer_from_json, e);
}

static int sequence_to_json(const void *self, ae_json *object)
{
    return ae_sequence_to_json(self, "pretokenizers", object);
}

static int apply_sequence(const void *self, ae_work *w)
{
    const ae_sequence *s = self;
    for (int i = 0; i < s->count; i++) {
        const ae_pre_tokenizer_row *row = (const ae_pre_tokenizer_row *)s->items[i].row;
        row->apply(s->items[i].self, w);
    }
    return 0;
}

/* When the first of them cuts at blanks, what the others do happens between blanks. */
static void cutting_sequence(const void *self, ae_cutting *c)
{
    const ae_sequence *s = self;
    const ae_pre_tokenizer_row *first = s->count ? (const ae_pre_tokenizer_row *)s->items[0].row : NULL;
    if (first && first->cutting) {
        first->cutting(s->items[0].self, c);
    }
    if (s->count > 1 && c->cut != AE_CUT_WORDS) {
        c->cut = c->cut == AE_CUT_BLANKS ? AE_CUT_BLANKS : AE_CUT_NONE;
    }
    for (int i = 1; i < s->count; i++) { /* one that puts a blank in front puts it in front of every piece */
        const ae_pre_tokenizer_row *row = (const ae_pre_tokenizer_row *)s->items[i].row;
        ae_cutting later = {0};
        if (row->cutting) {
            row->cutting(s->items[i].self, &later);
        }
        c->first_apart = c->first_apart || later.first_apart;
        c->cut = later.first_apart ? AE_CUT_NONE : c->cut;
    }
}

const ae_pre_tokenizer_row ae_pre_tokenizer_sequence = {
    {"Sequence", sequence_from_json, sequence_to_json, ae_sequence_free}, apply_sequence, cutting_sequence};
