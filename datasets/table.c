#include "datasets/table.h"

#include "datasets/record.h"
#include "datasets/table_layout.h"

#include <stdlib.h>
#include <string.h>

/* Strings of a table lie one after another in blocks that never move. */
typedef struct block {
    struct block *before;
    size_t used, bytes;
    char data[];
} block;

enum { BLOCK = 1 << 18 };

typedef struct whole_table {
    ae_table t; /* first: what the caller holds */
    block *blocks;
    int64_t capacity;
} whole_table;

typedef struct reading {
    whole_table *w;
    const ae_table_options *o;
    ae_record record;
    ae_table_layout layout;
    bool begun, found; /* the kind of the records is known; the layout is */
    bool keep_blank;
    int64_t blank_before; /* blank lines in front of the first record */
    int64_t at;           /* the line that an error is about; 0: none */
} reading;

static const char *keep(whole_table *w, const char *text, size_t n, ae_err *e)
{
    if (!w->blocks || w->blocks->bytes - w->blocks->used <= n) {
        size_t bytes = n + 1 > BLOCK ? n + 1 : BLOCK;
        block *b = malloc(sizeof *b + bytes);
        if (!b) {
            ae_err_set(e, AE_E_MEMORY, "no memory for the texts of the table");
            return NULL;
        }
        b->before = w->blocks;
        b->used = 0;
        b->bytes = bytes;
        w->blocks = b;
    }
    char *at = w->blocks->data + w->blocks->used;
    memcpy(at, text, n);
    at[n] = '\0';
    w->blocks->used += n + 1;
    return at;
}

static const char *keep_trimmed(whole_table *w, const char *text, ae_err *e)
{
    static const char blanks[] = " \t\r\n";
    text += strspn(text, blanks);
    size_t n = strlen(text);
    while (n > 0 && strchr(blanks, text[n - 1])) {
        n--;
    }
    return keep(w, text, n, e);
}

static ae_table_row *new_row(whole_table *w, ae_err *e)
{
    if (w->t.count == w->capacity) {
        int64_t capacity = w->capacity ? w->capacity * 2 : 1024;
        ae_table_row *rows = realloc(w->t.rows, (size_t)capacity * sizeof *rows);
        if (!rows) {
            ae_err_set(e, AE_E_MEMORY, "no memory for %lld rows", (long long)capacity);
            return NULL;
        }
        w->t.rows = rows;
        w->capacity = capacity;
    }
    return &w->t.rows[w->t.count];
}

/* The text of column c of the record; NULL and e when it has none. */
static const char *text_of(reading *r, int c, ae_err *e)
{
    int64_t i = r->layout.field[c];
    if (r->record.kind == AE_RECORD_JSONL) {
        i = ae_record_find(&r->record, r->layout.name[c], i);
        if (i < 0) {
            ae_err_set(e, AE_E_MISSING, "this object has no \"%s\"", r->layout.name[c]);
            return NULL;
        }
    }
    const char *text = ae_record_value(&r->record, i);
    if (!text) {
        ae_err_set(e, AE_E_FORMAT, "\"%s\" is an array or an object; a string or a number is needed",
                   r->layout.name[c]);
    }
    return text;
}

static int check_width(const reading *r, ae_err *e)
{
    long long width = r->layout.width, count = r->record.count;
    if (width == 0 || count == width) {
        return 0;
    }
    bool csv = r->record.kind == AE_RECORD_CSV;
    return ae_err_set(e, AE_E_FORMAT, "%lld field%s, and %s has %lld%s", count, count == 1 ? "" : "s",
                      r->layout.header ? "the header" : "the first row", width,
                      count < width ? ""
                      : csv         ? "; a text with a comma in it must stand in quotes"
                                    : "; is there a tab inside a text?");
}

static int add_row(reading *r, ae_err *e)
{
    const ae_table_layout *l = &r->layout;
    ae_table_row *row = new_row(r->w, e);
    if (!row || check_width(r, e) != 0) {
        return -1;
    }
    *row = (ae_table_row){.line = r->record.line};
    const char *text[AE_COLUMNS] = {NULL, NULL, NULL};
    for (int c = 0; c < AE_COLUMNS; c++) {
        if (l->field[c] >= 0 && !(text[c] = text_of(r, c, e))) {
            return -1;
        }
    }
    if (text[AE_COLUMN_LABEL]) {
        row->label = keep_trimmed(r->w, text[AE_COLUMN_LABEL], e);
        if (row->label && l->leave_out && strcmp(row->label, l->leave_out) == 0) {
            r->w->t.left_out++;
            return 0;
        }
        if (row->label && !*row->label) {
            return ae_err_set(e, AE_E_FORMAT, "the label is empty");
        }
    }
    row->text_a = keep(r->w, text[AE_COLUMN_TEXT_A], strlen(text[AE_COLUMN_TEXT_A]), e);
    if (text[AE_COLUMN_TEXT_B]) {
        row->text_b = keep(r->w, text[AE_COLUMN_TEXT_B], strlen(text[AE_COLUMN_TEXT_B]), e);
    }
    if (!row->text_a || (text[AE_COLUMN_LABEL] && !row->label) || (text[AE_COLUMN_TEXT_B] && !row->text_b)) {
        return -1;
    }
    r->w->t.count++;
    return 0;
}

/* An empty line is an empty text where a line is nothing but the text. */
static int add_blank(reading *r, int64_t number, ae_err *e)
{
    ae_table_row *row = new_row(r->w, e);
    if (!row) {
        return -1;
    }
    *row = (ae_table_row){.text_a = "", .line = number};
    r->w->t.count++;
    return 0;
}

/* What the first record tells. */
static int find_layout(reading *r, ae_err *e)
{
    if (ae_table_layout_find(r->o, &r->record, &r->layout, e) != 0) {
        return -1;
    }
    r->found = true;
    ae_table *t = &r->w->t;
    t->labelled = r->layout.field[AE_COLUMN_LABEL] >= 0;
    t->pairs = r->layout.field[AE_COLUMN_TEXT_B] >= 0;
    char *text = ae_table_layout_text(&r->layout, r->record.kind);
    t->read_as = text ? keep(r->w, text, strlen(text), e) : NULL;
    free(text);
    if (!t->read_as) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for a table");
    }
    r->keep_blank = r->layout.width == 1 && r->record.kind == AE_RECORD_TSV;
    for (int64_t i = 1; r->keep_blank && !r->layout.header && i <= r->blank_before; i++) {
        if (add_blank(r, i, e) != 0) {
            return -1;
        }
    }
    return 0;
}

static int add_record(reading *r, ae_err *e)
{
    r->at = r->record.line;
    if (r->found) {
        return add_row(r, e);
    }
    if (find_layout(r, e) != 0) {
        return -1;
    }
    return r->layout.header && r->record.kind != AE_RECORD_JSONL ? 0 : add_row(r, e);
}

static int add_line(reading *r, const ae_line *line, ae_err *e)
{
    if (!r->begun) {
        if (line->bytes == 0) {
            r->blank_before++;
            return 0;
        }
        if (ae_table_kind(r->w->t.path, r->o, line->text, &r->record.kind, e) != 0) {
            return -1;
        }
        r->begun = true;
    }
    r->at = line->number;
    if (r->keep_blank && line->bytes == 0) {
        return add_blank(r, line->number, e);
    }
    int complete = ae_record_line(&r->record, line->text, line->bytes, line->number, e);
    return complete <= 0 ? complete : add_record(r, e);
}

static int check_end(reading *r, ae_err *e)
{
    const ae_table *t = &r->w->t;
    r->at = 0;
    if (ae_record_end(&r->record, e) != 0) {
        return -1;
    }
    if (t->count == 0 && t->left_out > 0) {
        return ae_err_set(e, AE_E_VALUE, "the table has no labelled rows: all %lld were left out (read as %s)",
                          (long long)t->left_out, t->read_as);
    }
    if (t->count == 0) {
        return ae_err_set(e, AE_E_VALUE, "the table has no rows%s", r->found ? " below its header" : "");
    }
    return 0;
}

static int failed(const reading *r, const ae_err *inner, ae_err *e)
{
    const char *path = r->w->t.path;
    if (r->at > 0) {
        return ae_err_set(e, inner->code, "%s:%lld: %s", path, (long long)r->at, inner->message);
    }
    return ae_err_set(e, inner->code, "%s: %s", path, inner->message);
}

static int read_all(reading *r, ae_line_reader *lines, ae_err *e)
{
    ae_line line;
    ae_err inner = {0};
    int got;
    while ((got = ae_line_reader_next(lines, &line, e)) == 1) {
        if (add_line(r, &line, &inner) != 0) {
            return failed(r, &inner, e);
        }
    }
    if (got != 0) {
        return -1;
    }
    r->w->t.repaired = ae_line_reader_repaired(lines);
    return check_end(r, &inner) == 0 ? 0 : failed(r, &inner, e);
}

ae_table *ae_table_open(const char *path, const ae_table_options *options, ae_err *e)
{
    static const ae_table_options usual = {0};
    reading r = {.o = options ? options : &usual};
    ae_line_reader *lines = ae_line_reader_open(&path, 1, &r.o->lines, e);
    if (!lines) {
        return NULL;
    }
    r.w = calloc(1, sizeof *r.w);
    if (r.w) {
        const char *shown = strcmp(path, "-") == 0 ? "standard input" : path;
        r.w->t.path = keep(r.w, shown, strlen(shown), e);
    } else {
        ae_err_set(e, AE_E_MEMORY, "%s: no memory for a table", path);
    }
    int result = r.w && r.w->t.path ? read_all(&r, lines, e) : -1;
    ae_line_reader_close(lines);
    ae_record_free(&r.record);
    ae_table_layout_free(&r.layout);
    if (result != 0 && r.w) {
        ae_table_free(&r.w->t);
    }
    return result == 0 ? &r.w->t : NULL;
}

void ae_table_free(ae_table *t)
{
    if (!t) {
        return;
    }
    whole_table *w = (whole_table *)t;
    free(t->rows);
    for (block *b = w->blocks; b;) {
        block *before = b->before;
        free(b);
        b = before;
    }
    free(w);
}
