#include "apps/text_batches.h"

#include "apps/profiling.h"

#include <stdlib.h>
#include <string.h>

enum {
    WINDOW_BATCHES = 64, /* batches whose records are sorted together */
    ALONE_BATCHES = 256, /* the same where only texts of one length meet in a batch */
    LENGTH_STEP = 8      /* other batches are padded to a multiple of so many tokens */
};

typedef struct example {
    int64_t number, length;
} example;

typedef struct window {
    ae_run *run;
    const ae_use *use;
    const ae_text_job *job;
    int64_t capacity;
    /* records: place[i] is the row in the table, -1 for an empty one */
    int64_t records;
    int64_t *place;
    ae_table table;
    /* examples sorted by length, and what they gave */
    example *sorted;
    int64_t *examples, *lengths; /* (batch) of scratch */
    float *values;               /* (table.count, width) */
    int64_t width;
} window;

static void window_free(window *w)
{
    for (int64_t i = 0; i < w->table.count; i++) {
        free((char *)w->table.rows[i].text_a);
        free((char *)w->table.rows[i].text_b);
    }
    free(w->table.rows);
    free(w->place);
    free(w->sorted);
    free(w->examples);
    free(w->lengths);
    free(w->values);
}

static int no_memory(window *w)
{
    return ae_err_set(&w->run->error, AE_E_MEMORY, "no memory for %lld texts", (long long)w->capacity);
}

static int window_init(window *w)
{
    size_t n = (size_t)w->capacity, b = (size_t)w->job->batch;
    w->table.rows = calloc(n, sizeof *w->table.rows);
    w->place = malloc(n * sizeof *w->place);
    w->sorted = malloc(n * sizeof *w->sorted);
    w->examples = malloc(b * sizeof *w->examples);
    w->lengths = malloc(b * sizeof *w->lengths);
    return w->table.rows && w->place && w->sorted && w->examples && w->lengths ? 0 : no_memory(w);
}

/* ---- filling ---------------------------------------------------------------------------------------------------------- */

static char *copy_text(window *w, const ae_record *r, const char *text, size_t bytes)
{
    if (memchr(text, '\0', bytes)) {
        w->run->error_file = r->path;
        w->run->error_line = r->line;
        ae_err_set(&w->run->error, AE_E_VALUE, "%s:%lld: holds a zero byte; text is wanted", r->path,
                   (long long)r->line);
        return NULL;
    }
    char *copy = malloc(bytes + 1);
    if (!copy) {
        no_memory(w);
        return NULL;
    }
    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    return copy;
}

static int window_add(window *w, const ae_record *r)
{
    if (r->empty) {
        w->place[w->records++] = -1;
        return 0;
    }
    ae_table_row *row = &w->table.rows[w->table.count];
    *row = (ae_table_row){.line = r->line};
    row->text_a = copy_text(w, r, r->text_a, r->a_bytes);
    row->text_b = row->text_a && r->text_b ? copy_text(w, r, r->text_b, r->b_bytes) : NULL;
    w->table.pairs = w->table.pairs || row->text_b;
    w->table.path = r->path;
    w->place[w->records++] = w->table.count++;
    return row->text_a && (row->text_b || !r->text_b) ? 0 : -1;
}

/* Fills the window: 1; 0 when the input is at its end and nothing came; -1. */
static int window_fill(window *w, ae_records *records)
{
    ae_record r;
    int status = 1;
    while (w->records < w->capacity && (w->records == 0 || ae_records_ready(records)) &&
           (status = ae_records_next(records, &r)) > 0) {
        if (window_add(w, &r) != 0) {
            return -1;
        }
    }
    return status < 0 ? -1 : w->records > 0;
}

static void window_empty(window *w)
{
    for (int64_t i = 0; i < w->table.count; i++) {
        free((char *)w->table.rows[i].text_a);
        free((char *)w->table.rows[i].text_b);
        w->table.rows[i] = (ae_table_row){0};
    }
    w->table.count = w->records = 0;
    w->table.pairs = false;
}

/* ---- running ---------------------------------------------------------------------------------------------------------- */

static int longest_first(const void *a, const void *b)
{
    const example *x = a, *y = b;
    return x->length != y->length ? (x->length < y->length) - (x->length > y->length)
                                  : (x->number > y->number) - (x->number < y->number);
}

/* How many of the sorted examples from `from` on make one batch. */
static int64_t batch_end(const window *w, int64_t from)
{
    int64_t n = 0, most = w->job->batch;
    while (n < most && from + n < w->table.count &&
           (!w->job->alone || w->sorted[from + n].length == w->sorted[from].length)) {
        n++;
    }
    return n;
}

static int run_batch(window *w, const ae_dataset *d, int64_t from, int64_t n)
{
    int64_t rows = w->job->alone ? w->job->batch : n;
    for (int64_t i = 0; i < rows; i++) {
        const example *x = &w->sorted[from + (i < n ? i : 0)];
        w->examples[i] = x->number;
        w->lengths[i] = x->length;
    }
    ae_collate how = {.multiple = w->job->alone ? 1 : LENGTH_STEP};
    ae_text_values values = {.rows = rows};
    ae_tensors *batch = d->collate(d, w->examples, rows, &how, &w->run->error);
    int status = batch ? w->job->forward(w->job->self, batch, w->lengths, &values) : -1;
    ae_tensors_free(batch);
    if (status == 0 && !w->values) {
        w->width = values.width;
        w->values = malloc((size_t)(w->capacity * values.width + 1) * sizeof(float));
        status = w->values ? 0 : no_memory(w);
    }
    for (int64_t i = 0; i < n && status == 0; i++) {
        memcpy(w->values + w->examples[i] * w->width, values.data + i * w->width, (size_t)w->width * sizeof(float));
    }
    free(values.data);
    return status;
}

static int run_table(window *w, ae_text_report *report)
{
    const ae_use *use = w->use;
    ae_labelled_options options = {.objective = "none",
                                   .seq = use->seq,
                                   .layout = ae_bundle_apart(&use->bundle) ? AE_LAYOUT_APART : AE_LAYOUT_JOINED,
                                   .no_special = !use->special};
    ae_labelled_report counts = {0};
    int64_t span = ae_profile_begin(w->run->profile, "tokenize");
    ae_dataset *d = ae_labelled_new(&w->table, use->bundle.tokenizer, NULL, &options, &counts, &w->run->error);
    ae_profile_end(w->run->profile, span);
    int status = d ? 0 : -1;
    for (int64_t i = 0; i < w->table.count && d; i++) {
        w->sorted[i] = (example){.number = i, .length = d->length(d, i)};
    }
    qsort(w->sorted, (size_t)w->table.count, sizeof *w->sorted, longest_first);
    for (int64_t at = 0, n; at < w->table.count && status == 0; at += n) {
        n = batch_end(w, at);
        status = run_batch(w, d, at, n);
    }
    report->cut += counts.cut;
    ae_dataset_free(d);
    return status;
}

static int write_window(window *w, ae_text_report *report)
{
    int status = 0;
    int64_t span = ae_profile_begin(w->run->profile, "write records");
    for (int64_t i = 0; i < w->records && status == 0; i++) {
        bool empty = w->place[i] < 0;
        status = w->job->write(w->job->self, empty ? NULL : w->values + w->place[i] * w->width, w->width);
        report->empty += empty;
    }
    report->records += w->records;
    ae_profile_end(w->run->profile, span);
    return status;
}

int ae_text_batches_run(ae_run *run, const ae_use *use, ae_records *records, const ae_text_job *job,
                        ae_text_report *report)
{
    window w = {
        .run = run, .use = use, .job = job, .capacity = job->batch * (job->alone ? ALONE_BATCHES : WINDOW_BATCHES)};
    int status = window_init(&w), more = 1;
    while (status == 0 && (more = window_fill(&w, records)) > 0) {
        status = w.table.count > 0 ? run_table(&w, report) : 0;
        status = status == 0 ? write_window(&w, report) : status;
        window_empty(&w);
        if (job->flush && !ae_records_ready(records)) {
            job->flush(job->self);
        }
    }
    window_free(&w);
    if (status == 0 && more == 0 && report->records == 0) {
        return ae_err_set(&run->error, AE_E_FORMAT, "the input is empty: give a file, or text on standard input");
    }
    return status == 0 && more < 0 ? -1 : status;
}

int ae_text_report_print(ae_run *run, const ae_use *use, const ae_text_report *report)
{
    const char *output = ae_options_text(run->options, "output");
    if (report->cut > 0 && !ae_options_flag(run->options, "quiet")) {
        fprintf(run->log, "%lld of %lld records had more than %lld tokens and were cut (--seq)\n",
                (long long)report->cut, (long long)report->records, (long long)use->seq);
    }
    if (!run->json || !output || strcmp(output, "-") == 0) {
        return 0;
    }
    ae_json *o = ae_json_new_object();
    ae_json_set_string(o, "output", output);
    ae_json_set_int(o, "records", report->records);
    ae_json_set_int(o, "empty", report->empty);
    ae_json_set_int(o, "cut", report->cut);
    return ae_run_print_json(run, o);
}
