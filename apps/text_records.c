#include "apps/text_records.h"

#include "apps/table_settings.h"

#include <stdlib.h>
#include <string.h>

struct ae_records {
    ae_run *run;
    ae_tab_rule tabs;
    const char **paths;
    int count, current; /* current is the table that is read next */
    ae_line_reader *lines;
    ae_table *table;
    int64_t row;   /* the table's next one */
    int64_t taken; /* records so far */
};

/* Whether an option was given that only tables have. */
static bool wants_table(const ae_options *o)
{
    static const char *const names[] = {"format", "columns", "header"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (ae_options_origin(o, names[i]) > AE_ORIGIN_PRESET) {
            return true;
        }
    }
    return false;
}

ae_records *ae_records_open(ae_run *run, int first, ae_tab_rule tabs)
{
    int n = ae_options_arguments(run->options) - first;
    ae_records *r = calloc(1, sizeof *r);
    const char **paths = calloc((size_t)(n > 0 ? n : 1), sizeof *paths);
    if (!r || !paths) {
        free(r);
        free(paths);
        ae_err_set(&run->error, AE_E_MEMORY, "no memory to read text");
        return NULL;
    }
    *r = (ae_records){.run = run, .tabs = tabs, .paths = paths, .count = n > 0 ? n : 1};
    paths[0] = "-";
    for (int i = 0; i < n; i++) {
        paths[i] = ae_options_argument(run->options, first + i);
    }
    if (!wants_table(run->options)) {
        ae_line_options options;
        ae_line_settings(run, &options);
        r->lines = ae_line_reader_open(paths, r->count, &options, &run->error);
        if (!r->lines) {
            ae_records_close(r);
            return NULL;
        }
    }
    return r;
}

void ae_records_close(ae_records *r)
{
    if (r) {
        ae_line_reader_close(r->lines);
        ae_table_free(r->table);
        free(r->paths);
        free(r);
    }
}

/* ---- lines --------------------------------------------------------------------------------------------------------- */

static int cut_pair(ae_records *r, ae_record *x)
{
    const char *tab = r->tabs == AE_TAB_IS_TEXT ? NULL : memchr(x->text_a, '\t', x->a_bytes);
    const char *end = x->text_a + x->a_bytes;
    bool one = tab && !memchr(tab + 1, '\t', (size_t)(end - tab - 1));
    if (!one && r->tabs == AE_TAB_PARTS_PAIR) {
        r->run->error_file = x->path;
        r->run->error_line = x->line;
        return ae_err_set(&r->run->error, AE_E_FORMAT,
                          "%s:%lld: the model reads pairs of texts; a line must be two texts parted by one TAB, this "
                          "one has %s (for tables give --format or --columns)",
                          x->path, (long long)x->line, tab ? "several TABs" : "none");
    }
    if (one) {
        x->a_bytes = (size_t)(tab - x->text_a);
        x->text_b = tab + 1;
        x->b_bytes = (size_t)(end - tab - 1);
    }
    return 1;
}

static int next_line(ae_records *r, ae_record *x)
{
    ae_line line;
    int status = ae_line_reader_next(r->lines, &line, &r->run->error);
    if (status <= 0) {
        return status;
    }
    *x = (ae_record){.text_a = line.text, .a_bytes = line.bytes, .line = line.number};
    x->path = strcmp(r->paths[line.file], "-") == 0 ? "standard input" : r->paths[line.file];
    x->empty = line.bytes == 0;
    return x->empty ? 1 : cut_pair(r, x);
}

/* ---- tables -------------------------------------------------------------------------------------------------------- */

static int next_row(ae_records *r, ae_record *x)
{
    while (!r->table || r->row == r->table->count) {
        ae_table_free(r->table);
        r->table = NULL;
        r->row = 0;
        if (r->current == r->count) {
            return 0;
        }
        ae_table_options options;
        ae_table_settings(r->run, &options);
        options.unlabelled = true;
        r->table = ae_table_open(r->paths[r->current++], &options, &r->run->error);
        if (!r->table) {
            r->run->error_file = r->paths[r->current - 1];
            return -1;
        }
    }
    const ae_table_row *row = &r->table->rows[r->row++];
    *x = (ae_record){.text_a = row->text_a, .text_b = row->text_b, .path = r->paths[r->current - 1], .line = row->line};
    if (r->tabs == AE_TAB_PARTS_PAIR && !row->text_b) {
        return ae_err_set(&r->run->error, AE_E_FORMAT,
                          "%s: a table of single texts, but the model reads pairs; name the second column, as in "
                          "--columns text_a=1,text_b=2",
                          x->path);
    }
    x->a_bytes = strlen(x->text_a);
    x->b_bytes = x->text_b ? strlen(x->text_b) : 0;
    return 1;
}

int ae_records_next(ae_records *r, ae_record *record)
{
    int status = r->lines ? next_line(r, record) : next_row(r, record);
    r->taken += status > 0;
    return status;
}

bool ae_records_ready(const ae_records *r)
{
    return !r->lines || ae_line_reader_ready(r->lines);
}

int64_t ae_records_count(const ae_records *r)
{
    return r->taken;
}
