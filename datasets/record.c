#include "datasets/record.h"

#include "tensor/json.h"

#include <stdlib.h>
#include <string.h>

static int no_memory(ae_err *e)
{
    return ae_err_set(e, AE_E_MEMORY, "no memory for the fields of a record");
}

static ae_record_field *begin_field(ae_record *r)
{
    if (r->count == r->capacity) {
        int64_t capacity = r->capacity ? r->capacity * 2 : 16;
        ae_record_field *fields = realloc(r->fields, (size_t)capacity * sizeof *fields);
        if (!fields) {
            r->text.failed = true; /* the one place where missing memory is looked for */
            return NULL;
        }
        r->fields = fields;
        r->capacity = capacity;
    }
    r->fields[r->count] = (ae_record_field){SIZE_MAX, r->text.length};
    return &r->fields[r->count++];
}

static void end_string(ae_record *r)
{
    ae_bytes_u8(&r->text, 0);
}

static void whole_field(ae_record *r, const char *text, size_t bytes)
{
    begin_field(r);
    ae_bytes_add(&r->text, text, bytes);
    end_string(r);
}

static void tsv(ae_record *r, const char *text, size_t bytes)
{
    const char *end = text + bytes;
    for (const char *tab; (tab = memchr(text, '\t', (size_t)(end - text))); text = tab + 1) {
        whole_field(r, text, (size_t)(tab - text));
    }
    whole_field(r, text, (size_t)(end - text));
}

static int label_and_text(ae_record *r, const char *text, size_t bytes, ae_err *e)
{
    const char *space = memchr(text, ' ', bytes);
    if (!space || space == text) {
        return ae_err_set(e, AE_E_FORMAT, "a line is a label, a space and the text, for instance \"1 a fine film\"");
    }
    whole_field(r, text, (size_t)(space - text));
    whole_field(r, space + 1, bytes - (size_t)(space + 1 - text));
    return 1;
}

/* ---- CSV ---- */

/* From behind an opening quote, or from the start of a later line, to behind the closing quote: returns where that is,
 * and leaves r->open set when the line ends before. */
static size_t within_quotes(ae_record *r, const char *text, size_t bytes, size_t at)
{
    while (at < bytes) {
        const char *quote = memchr(text + at, '"', bytes - at);
        size_t until = quote ? (size_t)(quote - text) : bytes;
        ae_bytes_add(&r->text, text + at, until - at);
        if (!quote) {
            return bytes;
        }
        if (until + 1 == bytes || text[until + 1] != '"') {
            r->open = false;
            return until + 1;
        }
        ae_bytes_u8(&r->text, '"');
        at = until + 2;
    }
    return at;
}

/* A field without quotes around it; returns where it ends, or SIZE_MAX and e. */
static size_t bare(ae_record *r, const char *text, size_t bytes, size_t at, ae_err *e)
{
    const char *comma = memchr(text + at, ',', bytes - at);
    size_t until = comma ? (size_t)(comma - text) : bytes;
    if (memchr(text + at, '"', until - at)) {
        ae_err_set(e, AE_E_FORMAT,
                   "a quote inside a field that does not begin with one; put the field in quotes and double those "
                   "inside, as in \"the \"\"best\"\" film\"");
        return SIZE_MAX;
    }
    ae_bytes_add(&r->text, text + at, until - at);
    return until;
}

static int csv(ae_record *r, const char *text, size_t bytes, int64_t number, ae_err *e)
{
    bool goes_on = r->open;
    if (goes_on) {
        ae_bytes_u8(&r->text, '\n');
    }
    for (size_t at = 0;; at++) { /* over the comma */
        if (!goes_on) {
            begin_field(r);
            r->open = at < bytes && text[at] == '"';
        }
        if (!r->open) {
            at = bare(r, text, bytes, at, e);
            if (at == SIZE_MAX) {
                return -1;
            }
        } else {
            r->quote = goes_on ? r->quote : number;
            at = within_quotes(r, text, bytes, goes_on ? at : at + 1);
            if (r->open) {
                return 0;
            }
            if (at < bytes && text[at] != ',') {
                return ae_err_set(e, AE_E_FORMAT,
                                  "text behind a closing quote; the quotes inside a field must be doubled, as in "
                                  "\"the \"\"best\"\" film\"");
            }
        }
        goes_on = false;
        end_string(r);
        if (at == bytes) {
            return 1;
        }
    }
}

/* ---- JSONL ---- */

static int json_member(ae_record *r, const ae_json *m, ae_err *e)
{
    const char *text = NULL;
    char *number = NULL;
    switch (ae_json_type_of(m)) {
    case AE_JSON_NULL:
        return 0;
    case AE_JSON_STRING:
        if (ae_json_value_string(m, &text, NULL) != 0) {
            return ae_err_set(e, AE_E_FORMAT, "a string with a zero byte");
        }
        break;
    case AE_JSON_NUMBER:
    case AE_JSON_BOOL:
        text = number = ae_json_text(m, false, e);
        if (!text) {
            return -1;
        }
        break;
    default:
        break;
    }
    ae_record_field *f = begin_field(r);
    if (f) {
        f->name = r->text.length;
        ae_bytes_add_text(&r->text, ae_json_key(m));
        end_string(r);
        f->value = text ? r->text.length : SIZE_MAX;
        ae_bytes_add_text(&r->text, text ? text : "");
        end_string(r);
    }
    free(number);
    return 0;
}

/* The parser sees one line and calls it the first; the caller knows better which it is. */
static int json_failed(const ae_err *inner, ae_err *e)
{
    static const char first[] = "line 1, ";
    const char *message = inner->message;
    if (strncmp(message, first, sizeof first - 1) == 0) {
        message += sizeof first - 1;
    }
    return ae_err_set(e, inner->code,
                      "%s; a line is one JSON object, as in {\"label\": 1, \"text_a\": \"a fine film\"}", message);
}

static int jsonl(ae_record *r, const char *text, size_t bytes, ae_err *e)
{
    ae_err inner = {0};
    ae_json *j = ae_json_parse(text, bytes, &inner);
    if (j && ae_json_type_of(j) != AE_JSON_OBJECT) {
        ae_err_set(&inner, AE_E_FORMAT, "%s", ae_json_type_name(ae_json_type_of(j)));
    }
    for (const ae_json *m = ae_json_first(j); m && inner.code == AE_OK; m = ae_json_next(m)) {
        json_member(r, m, &inner);
    }
    ae_json_free(j);
    return inner.code == AE_OK ? 1 : json_failed(&inner, e);
}

/* ---- records ---- */

static int take(ae_record *r, const char *text, size_t bytes, int64_t number, ae_err *e)
{
    switch (r->kind) {
    case AE_RECORD_TSV:
        tsv(r, text, bytes);
        return 1;
    case AE_RECORD_CSV:
        return csv(r, text, bytes, number, e);
    case AE_RECORD_JSONL:
        return jsonl(r, text, bytes, e);
    default:
        return label_and_text(r, text, bytes, e);
    }
}

int ae_record_line(ae_record *r, const char *text, size_t bytes, int64_t number, ae_err *e)
{
    if (!r->open) {
        r->text.length = 0;
        r->count = 0;
        r->line = number;
        if (bytes == 0) {
            return 0;
        }
    }
    if (memchr(text, 0, bytes)) {
        return ae_err_set(e, AE_E_FORMAT, "a zero byte; is this a text file, and in UTF-8?");
    }
    int result = take(r, text, bytes, number, e);
    return r->text.failed ? no_memory(e) : result;
}

int ae_record_end(const ae_record *r, ae_err *e)
{
    return r->open ? ae_err_set(e, AE_E_FORMAT, "the quote opened in line %lld is never closed", (long long)r->quote)
                   : 0;
}

static const char *string_at(const ae_record *r, size_t place)
{
    return place == SIZE_MAX ? NULL : r->text.data + place;
}

const char *ae_record_value(const ae_record *r, int64_t i)
{
    return i >= 0 && i < r->count ? string_at(r, r->fields[i].value) : NULL;
}

const char *ae_record_name(const ae_record *r, int64_t i)
{
    return i >= 0 && i < r->count ? string_at(r, r->fields[i].name) : NULL;
}

int64_t ae_record_find(const ae_record *r, const char *name, int64_t hint)
{
    for (int64_t k = 0; k < r->count; k++) {
        int64_t i = (k + hint) % r->count;
        const char *has = ae_record_name(r, i);
        if (has && strcmp(has, name) == 0) {
            return i;
        }
    }
    return -1;
}

void ae_record_free(ae_record *r)
{
    ae_bytes_free(&r->text);
    free(r->fields);
    *r = (ae_record){.kind = r->kind};
}
