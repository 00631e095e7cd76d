#include "tokenizers/pattern.h"

#include "tokenizers/component.h"
#include "tokenizers/unicode.h"

#include <stdlib.h>

/* The bytes of the run of characters with (or without) a flag at the front. */
static size_t run(const char *bytes, size_t length, unsigned flags, bool with)
{
    size_t i = 0;
    while (i < length) {
        uint32_t c = 0;
        size_t n = (size_t)ae_utf8_decode(bytes + i, &c);
        if (((ae_char_flags(c) & flags) != 0) != with) {
            break;
        }
        i += n;
    }
    return i;
}

static size_t any(const char *bytes, size_t length)
{
    uint32_t c = 0;
    return length ? (size_t)ae_utf8_decode(bytes, &c) : 0;
}

static size_t blanks(const char *bytes, size_t length)
{
    return run(bytes, length, AE_CHAR_SPACE, true);
}

static size_t no_blanks(const char *bytes, size_t length)
{
    return run(bytes, length, AE_CHAR_SPACE, false);
}

static size_t digits(const char *bytes, size_t length)
{
    return run(bytes, length, AE_CHAR_DIGIT, true);
}

static size_t digit(const char *bytes, size_t length)
{
    uint32_t c = 0;
    size_t n = length ? (size_t)ae_utf8_decode(bytes, &c) : 0;
    return n && ae_char_flags(c) & AE_CHAR_DIGIT ? n : 0;
}

static size_t number(const char *bytes, size_t length)
{
    uint32_t c = 0;
    size_t n = length ? (size_t)ae_utf8_decode(bytes, &c) : 0;
    return n && ae_char_flags(c) & AE_CHAR_NUMBER ? n : 0;
}

static size_t two_spaces(const char *bytes, size_t length)
{
    size_t n = 0;
    while (n < length && bytes[n] == ' ') {
        n++;
    }
    return n >= 2 ? n : 0;
}

/* One row an expression: spelling, matcher. */
static const struct known {
    const char *text;
    size_t (*match)(const char *bytes, size_t length);
} expressions[] = {
    {"[\\s\\S]", any},
    {"\\s+", blanks},
    {"\\S+", no_blanks},
    {"\\d+", digits},
    {"\\d", digit},
    {"\\p{N}", number},
    {" {2,}", two_spaces},
    {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", ae_gpt2_piece},
};

/* CLIP's, as Hugging Face's files have it. */
static const char clip[] = "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";

enum { KNOWN = sizeof expressions / sizeof *expressions };

int ae_pattern_from_json(const ae_json *json, ae_pattern *p, ae_err *e)
{
    *p = (ae_pattern){0};
    const ae_json *value = json;
    if (ae_json_type_of(json) == AE_JSON_OBJECT) {
        p->regex = ae_json_get(json, "Regex") != NULL;
        value = ae_json_get(json, p->regex ? "Regex" : "String");
    }
    if (ae_json_type_of(value) != AE_JSON_STRING) {
        return ae_err_set(e, AE_E_FORMAT, "\"pattern\" must be {\"String\": \"...\"} or {\"Regex\": \"...\"}");
    }
    p->text = ae_json_value_bytes(value, &p->length, e);
    if (!p->text) {
        return -1;
    }
    for (int i = 0; p->regex && i < KNOWN; i++) {
        if (strcmp(p->text, expressions[i].text) == 0) {
            p->match = expressions[i].match;
        }
    }
    if ((p->regex && !p->match) || p->length == 0) {
        p->engine = ae_regex_new(p->text, p->length, e);
        if (!p->engine) {
            ae_pattern_free(p);
            return -1;
        }
    }
    p->every = p->match == any;
    p->clip = p->regex && strcmp(p->text, clip) == 0;
    return 0;
}

ae_json *ae_pattern_json(const ae_pattern *p)
{
    ae_json *object = ae_json_new_object();
    if (ae_json_set(object, p->regex ? "Regex" : "String", ae_json_new_bytes(p->text, p->length)) != 0) {
        ae_json_free(object);
        return NULL;
    }
    return object;
}

void ae_pattern_free(ae_pattern *p)
{
    free(p->text);
    ae_regex_free(p->engine);
    *p = (ae_pattern){0};
}

/* ---- matches ----------------------------------------------------------------------------------------------------------- */

ae_matches ae_pattern_begin(const ae_pattern *p, const char *bytes, size_t length)
{
    ae_matches m = {.pattern = p, .bytes = bytes, .length = length};
    if (p->engine && length > 0) {
        m.walk = ae_regex_begin(p->engine, bytes, length);
    }
    return m;
}

static ae_match next_text(ae_matches *m, size_t *start, size_t *end)
{
    const ae_pattern *p = m->pattern;
    const char *found = memmem(m->bytes + m->at, m->length - m->at, p->text, p->length);
    if (!found) {
        return AE_MATCH_NONE;
    }
    *start = (size_t)(found - m->bytes);
    m->at = *end = *start + p->length;
    return AE_MATCH_FOUND;
}

ae_match ae_pattern_next(ae_matches *m, size_t *start, size_t *end)
{
    const ae_pattern *p = m->pattern;
    if (m->length == 0) {
        return AE_MATCH_NONE;
    }
    if (p->engine) {
        return ae_regex_next(&m->walk, start, end);
    }
    if (!p->regex) {
        return next_text(m, start, end);
    }
    for (size_t at = m->at; at < m->length; at += any(m->bytes + at, m->length - at)) {
        size_t n = p->match(m->bytes + at, m->length - at);
        if (n > 0) {
            *start = at;
            m->at = *end = at + n;
            return AE_MATCH_FOUND;
        }
    }
    return AE_MATCH_NONE;
}

void ae_pattern_end(ae_matches *m)
{
    ae_regex_end(&m->walk);
}
