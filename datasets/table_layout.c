/* A column is asked for as "2" (a number from 1), or by names: alternatives parted by '|', a '?' behind the last when
 * the column may be missing. */
#include "datasets/table_layout.h"

#include "tensor/nearest_name.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct format {
    const char *name;
    int kind; /* of ae_record_kind; -1: told from the file */
    const char *columns[AE_COLUMNS];
    const char *leave_out;
    const char *about;
} format;

enum { GENERIC = 3 }; /* the first rows: what a file is when nothing more is known of it */

#define LABEL_NAMES "label|gold_label|labels|score|class|gold|quality|category|sentiment"
#define TEXT_A_NAMES "text_a|sentence1|sentence_a|premise|question1|sentence|text|review"
#define TEXT_B_NAMES "text_b|sentence2|sentence_b|hypothesis|question2?"

static const format formats[] = {
    {"tsv", AE_RECORD_TSV, {LABEL_NAMES, TEXT_A_NAMES, TEXT_B_NAMES}, NULL, "fields parted by tabs, no quotes"},
    {"csv", AE_RECORD_CSV, {LABEL_NAMES, TEXT_A_NAMES, TEXT_B_NAMES}, NULL, "commas and quotes as in RFC 4180"},
    {"jsonl", AE_RECORD_JSONL, {LABEL_NAMES, TEXT_A_NAMES, TEXT_B_NAMES}, NULL, "one JSON object a line"},
    {"uer", AE_RECORD_TSV, {"label", "text_a", "text_b?"}, NULL, "UER-py: a header, label, text_a and perhaps text_b"},
    {"mrpc",
     AE_RECORD_TSV,
     {"Quality", "#1 String", "#2 String"},
     NULL,
     "Microsoft Research Paraphrase Corpus: pairs, 0 or 1"},
    {"sick",
     AE_RECORD_TSV,
     {"entailment_judgment|entailment_label", "sentence_A", "sentence_B"},
     NULL,
     "SICK: pairs with NEUTRAL, ENTAILMENT, CONTRADICTION"},
    {"sick-r",
     AE_RECORD_TSV,
     {"relatedness_score", "sentence_A", "sentence_B"},
     NULL,
     "SICK: pairs with scores 1 to 5"},
    {"snli", -1, {"gold_label|label", "sentence1", "sentence2"}, "-", "SNLI, MultiNLI, OCNLI: jsonl or txt"},
    {"glue-cola", AE_RECORD_TSV, {"2", "4", NULL}, NULL, "CoLA: no header, label in the second field of four"},
    {"sts", AE_RECORD_TSV, {"1", "2", "3"}, "", "STS: no header, score, two sentences; unscored rows are left out"},
    {"sent-conv", AE_RECORD_SPACE, {"1", "2", NULL}, NULL, "MR, SST, SUBJ, TREC, CR, MPQA: a label, a space, the text"},
};
enum { FORMATS = sizeof formats / sizeof *formats };

static const char *const column_names[AE_COLUMNS] = {"label", "text_a", "text_b"};

int ae_table_format_count(void)
{
    return FORMATS;
}

const char *ae_table_format_name(int i)
{
    return i >= 0 && i < FORMATS ? formats[i].name : NULL;
}

const char *ae_table_format_about(int i)
{
    return i >= 0 && i < FORMATS ? formats[i].about : NULL;
}

static const format *format_of(const char *name)
{
    for (int i = 0; i < FORMATS; i++) {
        if (strcmp(formats[i].name, name) == 0) {
            return &formats[i];
        }
    }
    return NULL;
}

static int unknown_format(const char *name, ae_err *e)
{
    const char *names[FORMATS];
    for (int i = 0; i < FORMATS; i++) {
        names[i] = formats[i].name;
    }
    const char *near = ae_nearest_name(name, names, FORMATS);
    ae_bytes list = {0};
    for (int i = 0; i < FORMATS; i++) {
        ae_bytes_printf(&list, "%s%s", i ? ", " : "", names[i]);
    }
    ae_err_set(e, AE_E_VALUE, "there is no format %s%s%s%s; the formats are %s", name, near ? " (is " : "",
               near ? near : "", near ? " meant?)" : "", list.data ? list.data : "");
    ae_bytes_free(&list);
    return -1;
}

/* ---- the kind of records ---- */

static bool ends_with(const char *path, size_t length, const char *ending)
{
    size_t n = strlen(ending);
    return length >= n && strncasecmp(path + length - n, ending, n) == 0;
}

static bool is_label_and_text(const char *line)
{
    size_t digits = strspn(line, "0123456789");
    return digits > 0 && line[digits] == ' ' && !strchr(line, '\t');
}

int ae_table_kind(const char *path, const ae_table_options *o, const char *line, ae_record_kind *kind, ae_err *e)
{
    const format *f = o->format ? format_of(o->format) : NULL;
    if (o->format && !f) {
        return unknown_format(o->format, e);
    }
    size_t n = strlen(path);
    n -= ends_with(path, n, ".gz") ? 3 : 0;
    if (f && f->kind >= 0) {
        *kind = (ae_record_kind)f->kind;
    } else if (ends_with(path, n, ".csv")) {
        *kind = AE_RECORD_CSV;
    } else if (ends_with(path, n, ".tsv")) {
        *kind = AE_RECORD_TSV;
    } else if (ends_with(path, n, ".jsonl") || ends_with(path, n, ".json") || line[0] == '{') {
        *kind = AE_RECORD_JSONL;
    } else {
        *kind = !f && is_label_and_text(line) ? AE_RECORD_SPACE : AE_RECORD_TSV;
    }
    return 0;
}

/* ---- finding columns ---- */

static const char *name_in(const ae_record *r, int64_t i)
{
    return r->kind == AE_RECORD_JSONL ? ae_record_name(r, i) : ae_record_value(r, i);
}

/* The field whose name is the n bytes at name, in any case; -1 when there is none. */
static int64_t find_name(const ae_record *r, const char *name, size_t n)
{
    for (int64_t i = 0; i < r->count; i++) {
        const char *has = name_in(r, i);
        if (has && strncasecmp(has, name, n) == 0 && has[n] == '\0') {
            return i;
        }
    }
    return -1;
}

static int64_t find_any(const ae_record *r, const char *names)
{
    for (const char *name = names; *name && *name != '?';) {
        size_t n = strcspn(name, "|?");
        int64_t i = find_name(r, name, n);
        if (i >= 0) {
            return i;
        }
        name += n + (name[n] == '|');
    }
    return -1;
}

static bool by_number(const char *column)
{
    return column && *column && column[strspn(column, "0123456789")] == '\0';
}

static bool is_optional(const char *column)
{
    return !column || strchr(column, '?');
}

/* Whether a record has all names that a format needs. */
static bool has_names(const ae_record *r, const format *f, bool unlabelled)
{
    for (int c = 0; c < AE_COLUMNS; c++) {
        bool needed = !is_optional(f->columns[c]) && !(c == AE_COLUMN_LABEL && unlabelled);
        if (by_number(f->columns[c]) || (needed && find_any(r, f->columns[c]) < 0)) {
            return false;
        }
    }
    return true;
}

/* A single text that reads "text" is data; only UER's name for it counts there. */
static bool is_header(const ae_record *r)
{
    return find_any(r, r->count == 1 ? "text_a" : TEXT_A_NAMES) >= 0 || has_names(r, format_of("mrpc"), true);
}

static bool is_number(const char *text)
{
    char *end = NULL;
    strtod(text, &end);
    return end != text && *end == '\0';
}

/* Published layouts without a header. */
static const format *headerless(const ae_record *r)
{
    const char *second = ae_record_value(r, 1), *third = ae_record_value(r, 2), *first = ae_record_value(r, 0);
    if (r->kind == AE_RECORD_SPACE) {
        return format_of("sent-conv");
    }
    if (r->kind == AE_RECORD_TSV && r->count == 4 && (strcmp(second, "0") == 0 || strcmp(second, "1") == 0) &&
        (strcmp(third, "") == 0 || strcmp(third, "*") == 0)) {
        return format_of("glue-cola");
    }
    if (r->kind == AE_RECORD_TSV && r->count == 3 && (*first == '\0' || is_number(first))) {
        return format_of("sts");
    }
    return NULL;
}

static const format *generic(ae_record_kind kind)
{
    return &formats[kind == AE_RECORD_CSV ? 1 : kind == AE_RECORD_JSONL ? 2 : 0];
}

static const format *detect(const ae_record *r, bool header, bool unlabelled)
{
    if (!header) {
        const format *f = headerless(r);
        return f ? f : generic(r->kind);
    }
    for (int i = GENERIC; i < FORMATS; i++) {
        const format *f = &formats[i];
        bool fits = f->kind < 0 ? r->kind != AE_RECORD_CSV : f->kind == (int)r->kind;
        if (fits && has_names(r, f, unlabelled)) {
            return f;
        }
    }
    return generic(r->kind);
}

/* ---- what the caller asks for ---- */

typedef struct wish {
    char *column[AE_COLUMNS]; /* owned; NULL: not asked for */
    bool any, by_name;
} wish;

static void free_wish(wish *w)
{
    for (int c = 0; c < AE_COLUMNS; c++) {
        free(w->column[c]);
    }
}

static int wish_for(wish *w, const char *key, size_t key_bytes, const char *value, size_t bytes, ae_err *e)
{
    static const char *const form =
        "columns are written as label=2,text_a=4 or by names as in label=gold,text_a=premise";
    for (int c = 0; c < AE_COLUMNS; c++) {
        if (strlen(column_names[c]) != key_bytes || strncmp(column_names[c], key, key_bytes) != 0) {
            continue;
        }
        if (w->column[c] || bytes == 0) {
            return ae_err_set(e, AE_E_VALUE, "columns: %s is given %s; %s", column_names[c],
                              bytes ? "twice" : "without a column", form);
        }
        w->column[c] = strndup(value, bytes);
        if (!w->column[c]) {
            return ae_err_set(e, AE_E_MEMORY, "no memory for a column's name");
        }
        w->any = true;
        w->by_name |= !by_number(w->column[c]);
        return 0;
    }
    return ae_err_set(e, AE_E_VALUE, "columns: %.*s is none of label, text_a, text_b; %s", (int)key_bytes, key, form);
}

static int parse_wish(const char *columns, wish *w, ae_err *e)
{
    *w = (wish){0};
    while (columns && *columns) {
        size_t n = strcspn(columns, ",");
        const char *equals = memchr(columns, '=', n);
        size_t key = equals ? (size_t)(equals - columns) : n;
        const char *value = equals ? equals + 1 : columns + n;
        if (wish_for(w, columns, key, value, (size_t)(columns + n - value), e) != 0) {
            free_wish(w);
            return -1;
        }
        columns += n + (columns[n] == ',');
    }
    return 0;
}

/* ---- the layout ---- */

/* "label, text_a" or, without names, "1 to 4". */
static void list_columns(ae_bytes *list, const ae_record *first, bool header)
{
    if (!header) {
        ae_bytes_printf(list, "the first row has %lld field%s and no header", (long long)first->count,
                        first->count == 1 ? "" : "s");
        return;
    }
    ae_bytes_add_text(list, first->kind == AE_RECORD_JSONL ? "the first object has " : "the header has ");
    ae_bytes_add_text(list, first->count == 0 ? "nothing" : "");
    for (int64_t i = 0; i < first->count && list->length < 600; i++) {
        ae_bytes_printf(list, "%s%s", i ? ", " : "", name_in(first, i));
    }
}

static int missing(const ae_record *first, bool header, int c, const char *column, ae_err *e)
{
    ae_bytes has = {0};
    list_columns(&has, first, header);
    const char *list = has.data ? has.data : "";
    const char *other = c == AE_COLUMN_LABEL ? ", or that there are no labels" : "";
    if (column) {
        ae_err_set(e, AE_E_MISSING, "there is no column %s for %s; %s", column, column_names[c], list);
    } else {
        ae_err_set(e, AE_E_MISSING, "no column is known as %s: say which one (columns, as in %s=%s)%s; %s",
                   column_names[c], column_names[c], header ? "NAME" : "2", other, list);
    }
    ae_bytes_free(&has);
    return -1;
}

/* Column c as asked for by the caller, or else by the format. */
static int place(ae_table_layout *l, const ae_record *first, int c, const char *asked, const char *usual, ae_err *e)
{
    const char *column = asked ? asked : usual;
    if (asked && first->kind != AE_RECORD_JSONL && by_number(asked)) {
        long long number = strtoll(asked, NULL, 10);
        l->field[c] = number >= 1 && number <= first->count ? number - 1 : -1;
    } else if (asked) {
        l->field[c] = find_name(first, asked, strlen(asked));
    } else if (by_number(usual)) {
        l->field[c] = strtoll(usual, NULL, 10) - 1;
        l->field[c] = l->field[c] < first->count ? l->field[c] : -1;
    } else {
        l->field[c] = usual ? find_any(first, usual) : -1;
    }
    if (l->field[c] < 0) {
        bool needed = asked || !is_optional(usual);
        bool own = asked || by_number(usual) || (usual && !strchr(usual, '|'));
        return needed ? missing(first, l->header, c, own ? column : NULL, e) : 0;
    }
    if (l->header && !(l->name[c] = strdup(name_in(first, l->field[c])))) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for a column's name");
    }
    return 0;
}

/* Without names and without a preset the number of fields tells which is which. */
static const char *by_count(const ae_record *first, int c, bool unlabelled)
{
    static const char *const places[] = {"1", "2", "3"};
    if (unlabelled) {
        return first->count == 1 && c == AE_COLUMN_TEXT_A ? "1" : NULL;
    }
    return (first->count == 2 || first->count == 3) && c < first->count ? places[c] : NULL;
}

static int place_all(ae_table_layout *l, const format *f, const wish *w, const ae_record *first, bool unlabelled,
                     ae_err *e)
{
    bool generic_names = l->header && by_number(f->columns[AE_COLUMN_TEXT_A]); /* CoLA's test file has a header */
    bool guess = !l->header && !by_number(f->columns[AE_COLUMN_TEXT_A]);
    bool only_asked = w->column[AE_COLUMN_TEXT_A] != NULL;
    for (int c = 0; c < AE_COLUMNS; c++) {
        const char *usual = generic_names ? generic(first->kind)->columns[c] : f->columns[c];
        usual = guess ? by_count(first, c, unlabelled) : usual;
        l->field[c] = -1;
        if (c == AE_COLUMN_LABEL ? unlabelled : only_asked && !w->column[c]) {
            continue;
        }
        if (!w->column[c] && !usual && c != AE_COLUMN_TEXT_B) {
            return missing(first, l->header, c, NULL, e);
        }
        if (place(l, first, c, w->column[c], usual, e) != 0) {
            return -1;
        }
    }
    return 0;
}

static int find(const ae_table_options *o, const ae_record *first, const wish *w, ae_table_layout *l, ae_err *e)
{
    const format *f = o->format ? format_of(o->format) : NULL;
    bool named = first->kind == AE_RECORD_JSONL;
    bool never = first->kind == AE_RECORD_SPACE || o->header == AE_HEADER_NO;
    bool needs = f && f - formats >= GENERIC && !by_number(f->columns[AE_COLUMN_TEXT_A]);
    l->header = named || (!never && (o->header == AE_HEADER_YES || w->by_name || needs || is_header(first)));
    if (w->by_name && !l->header) {
        return ae_err_set(e, AE_E_VALUE,
                          "columns are asked for by name, and the table is said to have no header; use numbers");
    }
    if (!f) {
        f = w->column[AE_COLUMN_TEXT_A] ? generic(first->kind) : detect(first, l->header, o->unlabelled);
    }
    l->format = f->name;
    l->leave_out = o->unlabelled ? NULL : f->leave_out;
    l->width = named ? 0 : first->count;
    return place_all(l, f, w, first, o->unlabelled, e);
}

int ae_table_layout_find(const ae_table_options *o, const ae_record *first, ae_table_layout *layout, ae_err *e)
{
    wish w;
    *layout = (ae_table_layout){0};
    if (parse_wish(o->columns, &w, e) != 0) {
        return -1;
    }
    int result = find(o, first, &w, layout, e);
    free_wish(&w);
    if (result != 0) {
        ae_table_layout_free(layout);
    }
    return result;
}

void ae_table_layout_free(ae_table_layout *layout)
{
    for (int c = 0; c < AE_COLUMNS; c++) {
        free(layout->name[c]);
        layout->name[c] = NULL;
    }
}

char *ae_table_layout_text(const ae_table_layout *l, ae_record_kind kind)
{
    static const char *const kinds[] = {"tsv", "csv", "jsonl", "text"};
    ae_bytes b = {0};
    ae_bytes_add_text(&b, l->format);
    if (strcmp(l->format, kinds[kind]) != 0) {
        ae_bytes_printf(&b, " (%s)", kinds[kind]);
    }
    if (kind != AE_RECORD_JSONL && kind != AE_RECORD_SPACE) {
        ae_bytes_add_text(&b, l->header ? ", with a header" : ", no header");
    }
    for (int c = 0; c < AE_COLUMNS; c++) {
        if (l->name[c]) {
            ae_bytes_printf(&b, ", %s=%s", column_names[c], l->name[c]);
        } else if (l->field[c] >= 0) {
            ae_bytes_printf(&b, ", %s=%lld", column_names[c], (long long)l->field[c] + 1);
        }
    }
    if (b.failed) {
        ae_bytes_free(&b);
        return NULL;
    }
    return b.data;
}
