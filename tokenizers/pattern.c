#include "tokenizers/pattern.h"

#include "tokenizers/component.h"
#include "tokenizers/unicode.h"

#include <stdio.h>
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
    {"(?s).", any},
    {"\\s+", blanks},
    {"\\S+", no_blanks},
    {"\\d+", digits},
    {"\\d", digit},
    {"\\p{N}", number},
    {" {2,}", two_spaces},
    {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", ae_gpt2_piece},
};

enum { KNOWN = sizeof expressions / sizeof *expressions };

static int unknown_regex(const char *text, ae_err *e)
{
    char list[512];
    size_t used = 0;
    for (int i = 0; i < KNOWN; i++) {
        int n = snprintf(list + used, sizeof list - used, "%s%s", i ? "  " : "", expressions[i].text);
        used += n > 0 && used + (size_t)n < sizeof list ? (size_t)n : 0;
    }
    return ae_err_set(e, AE_E_UNSUPPORTED, "the regular expression %.200s is not among those that are known: %s", text,
                      list);
}

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
    if (!p->regex && p->length == 0) {
        ae_pattern_free(p);
        return ae_err_set(e, AE_E_VALUE, "\"pattern\" is an empty string");
    }
    for (int i = 0; p->regex && i < KNOWN; i++) {
        if (strcmp(p->text, expressions[i].text) == 0) {
            p->match = expressions[i].match;
        }
    }
    if (p->regex && !p->match) {
        unknown_regex(p->text, e);
        ae_pattern_free(p);
        return -1;
    }
    p->every = p->match == any;
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
    *p = (ae_pattern){0};
}

bool ae_pattern_find(const ae_pattern *p, const char *bytes, size_t length, size_t at, size_t *start, size_t *end)
{
    if (!p->regex) {
        const char *found = length - at >= p->length ? memmem(bytes + at, length - at, p->text, p->length) : NULL;
        *start = found ? (size_t)(found - bytes) : 0;
        *end = *start + p->length;
        return found;
    }
    for (; at < length; at += any(bytes + at, length - at)) {
        size_t n = p->match(bytes + at, length - at);
        if (n > 0) {
            *start = at;
            *end = at + n;
            return true;
        }
    }
    return false;
}
