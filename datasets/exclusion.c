#include "datasets/exclusion.h"

#include "datasets/sentence_cut.h"
#include "tensor/byte_buffer.h"
#include "tensor/json.h"

#include <stdlib.h>
#include <string.h>

/* Texts are kept as 128 bits of hash, so that memory does not grow with their lengths and two never meet by chance. */
typedef struct digest {
    uint64_t a, b;
} digest;

struct ae_exclusion {
    digest *slots; /* open addressing; {0,0} is free */
    size_t capacity, count;
};

static digest digest_of(const char *text, size_t bytes)
{
    digest d = {0x243f6a8885a308d3u, 0x13198a2e03707344u};
    size_t taken = 0;
    for (size_t at = 0; at < bytes;) {
        size_t blank = ae_blank_length(text + at, bytes - at);
        if (blank > 0) {
            at += blank;
            continue;
        }
        unsigned char c = (unsigned char)text[at++];
        c = c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
        d.a = (d.a ^ c) * 0x100000001b3u;
        d.a ^= d.a >> 47;
        d.b = (d.b + c) * 0x9e3779b97f4a7c15u;
        d.b ^= d.b >> 31;
        taken++;
    }
    return taken > 0 ? (digest){d.a | 1, d.b} : (digest){0, 0};
}

static digest *slot_of(const ae_exclusion *x, digest d)
{
    size_t i = (size_t)d.b & (x->capacity - 1);
    while (x->slots[i].a != 0 && (x->slots[i].a != d.a || x->slots[i].b != d.b)) {
        i = (i + 1) & (x->capacity - 1);
    }
    return &x->slots[i];
}

static int grow(ae_exclusion *x, ae_err *e)
{
    ae_exclusion wider = {.capacity = x->capacity ? 2 * x->capacity : 1024};
    wider.slots = calloc(wider.capacity, sizeof *wider.slots);
    if (!wider.slots) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for the texts to exclude");
    }
    for (size_t i = 0; i < x->capacity; i++) {
        if (x->slots[i].a != 0) {
            *slot_of(&wider, x->slots[i]) = x->slots[i];
        }
    }
    free(x->slots);
    x->slots = wider.slots;
    x->capacity = wider.capacity;
    return 0;
}

static int add(ae_exclusion *x, const char *text, size_t bytes, ae_err *e)
{
    digest d = digest_of(text, bytes);
    if (d.a == 0) {
        return 0;
    }
    if (2 * x->count >= x->capacity && grow(x, e) != 0) {
        return -1;
    }
    digest *slot = slot_of(x, d);
    x->count += slot->a == 0;
    *slot = d;
    return 0;
}

/* ---- cells ------------------------------------------------------------------------------------------------------- */

static int add_strings(ae_exclusion *x, const ae_json *j, ae_err *e)
{
    if (ae_json_type_of(j) == AE_JSON_STRING) {
        size_t bytes;
        char *text = ae_json_value_bytes(j, &bytes, e);
        int result = text ? add(x, text, bytes, e) : -1;
        free(text);
        return result;
    }
    for (const ae_json *m = ae_json_first(j); m; m = ae_json_next(m)) {
        if (add_strings(x, m, e) != 0) {
            return -1;
        }
    }
    return 0;
}

static int add_json_line(ae_exclusion *x, const ae_line *line, ae_err *e)
{
    ae_err ignored = {0}; /* a line that begins like JSON and is none has no strings */
    ae_json *j = ae_json_parse(line->text, line->bytes, &ignored);
    int result = j ? add_strings(x, j, e) : 0;
    ae_json_free(j);
    return result;
}

/* Cells between separators; with `quotes`, one that begins with a quote ends at the next single quote, and "" in it
 * stands for ". */
static int add_cells(ae_exclusion *x, const ae_line *line, char separator, bool quotes, ae_err *e)
{
    ae_bytes cell = {0};
    int result = 0;
    for (size_t at = 0; at <= line->bytes && result == 0; at++) {
        cell.length = 0;
        bool quoted = quotes && at < line->bytes && line->text[at] == '"';
        at += quoted;
        while (at < line->bytes && (quoted || line->text[at] != separator)) {
            if (quoted && line->text[at] == '"') {
                quoted = at + 1 < line->bytes && line->text[at + 1] == '"';
                if (!quoted) {
                    at++;
                    continue;
                }
                at++;
            }
            ae_bytes_add(&cell, line->text + at, 1);
            at++;
        }
        result = cell.failed ? ae_err_set(e, AE_E_MEMORY, "no memory for the texts to exclude")
                             : add(x, cell.data ? cell.data : "", cell.length, e);
    }
    ae_bytes_free(&cell);
    return result;
}

static bool ends_with(const char *path, const char *ending)
{
    size_t n = strlen(path), m = strlen(ending);
    return n >= m && strcmp(path + n - m, ending) == 0;
}

static int add_line(ae_exclusion *x, const ae_line *line, ae_err *e)
{
    if (add(x, line->text, line->bytes, e) != 0) {
        return -1;
    }
    if (memchr(line->text, '\t', line->bytes) && /* some tables of this kind quote, in others a quote is text */
        (add_cells(x, line, '\t', false, e) != 0 || add_cells(x, line, '\t', true, e) != 0)) {
        return -1;
    }
    if ((ends_with(line->path, ".csv") || ends_with(line->path, ".csv.gz")) && add_cells(x, line, ',', true, e) != 0) {
        return -1;
    }
    return line->text[0] == '{' ? add_json_line(x, line, e) : 0;
}

/* ---- the set ----------------------------------------------------------------------------------------------------- */

ae_exclusion *ae_exclusion_open(const char *const *paths, int n, const ae_line_options *options, ae_err *e)
{
    ae_exclusion *x = calloc(1, sizeof *x);
    if (!x || grow(x, e) != 0) {
        ae_err_set(e, AE_E_MEMORY, "no memory for the texts to exclude");
        ae_exclusion_free(x);
        return NULL;
    }
    ae_line line;
    ae_line_reader *r = n > 0 ? ae_line_reader_open(paths, n, options, e) : NULL;
    int state = n > 0 && !r ? -1 : n > 0;
    while (state == 1) {
        state = ae_line_reader_next(r, &line, e);
        if (state == 1 && add_line(x, &line, e) != 0) {
            state = -1;
        }
    }
    ae_line_reader_close(r);
    if (state != 0) {
        ae_exclusion_free(x);
        return NULL;
    }
    return x;
}

void ae_exclusion_free(ae_exclusion *x)
{
    if (x) {
        free(x->slots);
        free(x);
    }
}

int64_t ae_exclusion_count(const ae_exclusion *x)
{
    return (int64_t)x->count;
}

bool ae_exclusion_has(const ae_exclusion *x, const char *text, size_t bytes)
{
    digest d = digest_of(text, bytes);
    return d.a != 0 && slot_of(x, d)->a != 0;
}
