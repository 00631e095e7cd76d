#include "apps/command_table.h"
#include "apps/table_settings.h"
#include "datasets/instances.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 16, BAR = 40, MOST_LABELS = 64 };

/* ---- instances --------------------------------------------------------------------------------------------------- */

typedef struct histogram {
    int64_t counts[BUCKETS], width, longest, total; /* bucket b holds lengths b*width+1 .. (b+1)*width */
} histogram;

static histogram lengths_of(const ae_dataset *d)
{
    histogram h = {.width = 1};
    for (int64_t i = 0; i < d->count; i++) {
        int64_t n = d->length(d, i);
        h.longest = n > h.longest ? n : h.longest;
        h.total += n;
    }
    h.width = h.longest > BUCKETS ? (h.longest + BUCKETS - 1) / BUCKETS : 1;
    for (int64_t i = 0; i < d->count; i++) {
        int64_t n = d->length(d, i);
        h.counts[n > 0 ? (n - 1) / h.width : 0]++;
    }
    return h;
}

static void print_lengths(ae_run *run, const histogram *h, int64_t count)
{
    int64_t most = 1;
    for (int b = 0; b < BUCKETS; b++) {
        most = h->counts[b] > most ? h->counts[b] : most;
    }
    fprintf(run->out, "lengths     %.1f tokens on average, %lld at most\n", (double)h->total / (double)count,
            (long long)h->longest);
    for (int64_t b = 0; b < BUCKETS && b * h->width < h->longest; b++) {
        char bar[BAR + 1];
        int n = (int)(h->counts[b] * BAR / most);
        memset(bar, '#', (size_t)n);
        bar[n] = '\0';
        char range[48];
        snprintf(range, sizeof range, h->width > 1 ? "%lld-%lld" : "%lld", (long long)(b * h->width + 1),
                 (long long)((b + 1) * h->width));
        fprintf(run->out, "%11s %9lld%s%s\n", range, (long long)h->counts[b], n ? " " : "", bar);
    }
}

/* One example as the model gets it: its text, and what it has to predict where. */
typedef struct shown {
    int64_t length, label; /* label: -1 where there is none */
    char *text;
    ae_json *targets; /* position and token of each masked one */
} shown;

static void add_target(const ae_tokenizer *t, shown *s, int64_t position, int64_t id)
{
    size_t bytes;
    const char *token = ae_tokenizer_token(t, (int32_t)id, &bytes);
    ae_json *pair = ae_json_new_array();
    ae_json_add(pair, NULL, ae_json_new_int(position));
    ae_json_add(pair, NULL, token ? ae_json_new_bytes(token, bytes) : ae_json_new_null());
    ae_json_add(s->targets, NULL, pair);
}

static int show_example(ae_run *run, const ae_dataset *d, const ae_tokenizer *t, int64_t i, shown *s)
{
    const ae_collate how = {.key = ae_random_key_make(1, 0, 0, 0, (uint64_t)i)};
    *s = (shown){.length = d->length(d, i), .label = -1, .targets = ae_json_new_array()};
    ae_tensors *b = d->collate(d, &i, 1, &how, &run->error);
    if (!b) {
        return -1;
    }
    int32_t *ids = calloc((size_t)s->length + 1, sizeof *ids);
    const ae_tensor *labels = ae_tensors_get(b, "labels"), *next = ae_tensors_get(b, "next_sentence_label");
    for (int64_t k = 0; ids && k < s->length; k++) {
        ids[k] = (int32_t)ae_get_i64(ae_tensors_get(b, "input_ids"), k);
        if (labels && ae_get_i64(labels, k) >= 0) {
            add_target(t, s, k, ae_get_i64(labels, k));
        }
    }
    s->label = next ? ae_get_i64(next, 0) : -1;
    s->text = ids ? ae_tokenizer_decode(t, ids, s->length, false, NULL, &run->error) : NULL;
    free(ids);
    ae_tensors_free(b);
    return s->text ? 0 : ae_err_set(&run->error, AE_E_MEMORY, "no memory for an example");
}

static void free_shown(shown *s)
{
    free(s->text);
    ae_json_free(s->targets);
}

static int print_examples(ae_run *run, const ae_dataset *d, const ae_tokenizer *t)
{
    int64_t wanted = ae_options_int(run->options, "examples");
    for (int64_t i = 0; i < d->count && i < wanted; i++) {
        shown s;
        if (show_example(run, d, t, i, &s) != 0) {
            free_shown(&s);
            return -1;
        }
        fprintf(run->out, "\n%lld: %lld tokens%s\n  %s\n", (long long)i, (long long)s.length,
                s.label < 0    ? ""
                : s.label == 0 ? ", the second segment follows the first"
                               : ", the second segment is from elsewhere",
                s.text);
        const ae_json *m = ae_json_first(s.targets);
        fprintf(run->out, "%s", m ? "  to predict:" : "");
        for (; m; m = ae_json_next(m)) {
            const char *token = "?";
            int64_t position = 0;
            ae_json_value_int(ae_json_at(m, 0), &position, NULL);
            ae_json_value_string(ae_json_at(m, 1), &token, NULL);
            fprintf(run->out, " %lld=%s", (long long)position, token);
        }
        fprintf(run->out, "%s", ae_json_count(s.targets) > 0 ? "\n" : "");
        free_shown(&s);
    }
    return 0;
}

static ae_json *examples_json(ae_run *run, const ae_dataset *d, const ae_tokenizer *t)
{
    int64_t wanted = ae_options_int(run->options, "examples");
    ae_json *list = ae_json_new_array();
    for (int64_t i = 0; i < d->count && i < wanted; i++) {
        shown s;
        if (show_example(run, d, t, i, &s) == 0) {
            ae_json *example = ae_json_new_object();
            ae_json_set_int(example, "length", s.length);
            ae_json_set_string(example, "text", s.text);
            ae_json_set(example, "targets", s.targets);
            ae_json_set(example, "next_sentence_label", s.label < 0 ? ae_json_new_null() : ae_json_new_int(s.label));
            ae_json_add(list, NULL, example);
            s.targets = NULL;
        }
        free_shown(&s);
    }
    return list;
}

static int print_instances_json(ae_run *run, const ae_dataset *d, const ae_tokenizer *t, ae_json *about)
{
    histogram h = lengths_of(d);
    ae_json *lengths = ae_json_new_object(), *counts = ae_json_new_array();
    for (int b = 0; b < BUCKETS; b++) {
        ae_json_add(counts, NULL, ae_json_new_int(h.counts[b]));
    }
    ae_json_set_int(lengths, "longest", h.longest);
    ae_json_set_double(lengths, "mean", (double)h.total / (double)d->count);
    ae_json_set_int(lengths, "bucket", h.width);
    ae_json_set(lengths, "counts", counts);
    ae_json *whole = ae_json_copy(about);
    ae_json_set_string(whole, "kind", "instances");
    ae_json_set_int(whole, "instances", d->count);
    ae_json_set(whole, "lengths", lengths);
    ae_json_set(whole, "examples", examples_json(run, d, t));
    return ae_run_print_json(run, whole);
}

static int print_instances(ae_run *run, const ae_dataset *d, const ae_tokenizer *t, const ae_json *about)
{
    const ae_json *counts = ae_json_get(about, "counts"), *o = ae_json_get(about, "options");
    const ae_json *masking = ae_json_get(o, "masking");
    fprintf(run->out, "objective   %s, at most %lld tokens\n", d->objective, (long long)ae_json_int(o, "seq", 0, NULL));
    fprintf(run->out, "instances   %lld\n", (long long)d->count);
    if (strcmp(d->objective, "lm") != 0) {
        fprintf(run->out, "masks       %s, %g of the %s%s\n",
                ae_json_bool(o, "dynamic", true, NULL) ? "drawn for every batch" : "stored",
                ae_json_double(masking, "rate", 0, NULL), ae_json_string(masking, "unit", "tokens", NULL),
                ae_json_get(o, "words") ? ", words by a dictionary" : "");
    }
    fprintf(run->out, "tokenizer   %s, %d tokens\n", ae_tokenizer_kind(t), (int)ae_tokenizer_size(t));
    fprintf(run->out, "text        %lld documents, %lld sentences, %lld tokens (%lld unknown), a line is a %s\n",
            (long long)ae_json_int(counts, "documents", 0, NULL), (long long)ae_json_int(counts, "sentences", 0, NULL),
            (long long)ae_json_int(counts, "tokens", 0, NULL),
            (long long)ae_json_int(counts, "unknown_tokens", 0, NULL),
            strcmp(ae_json_string(counts, "unit", "line", NULL), "line") == 0 ? "document" : "sentence");
    for (const ae_json *s = ae_json_first(ae_json_get(about, "sources")); s; s = ae_json_next(s)) {
        fprintf(run->out, "source      %s, %lld bytes, hash %s\n", ae_json_string(s, "path", "?", NULL),
                (long long)ae_json_int(s, "bytes", 0, NULL), ae_json_string(s, "hash", "?", NULL));
    }
    const histogram h = lengths_of(d);
    print_lengths(run, &h, d->count);
    return print_examples(run, d, t);
}

static int inspect_instances(ae_run *run, const char *path)
{
    ae_json *about = NULL;
    ae_tokenizer *t = NULL;
    ae_dataset *d = ae_instances_open(path, NULL, &about, &t, &run->error);
    int status = !d ? -1 : run->json ? print_instances_json(run, d, t, about) : print_instances(run, d, t, about);
    ae_dataset_free(d);
    ae_tokenizer_free(t);
    ae_json_free(about);
    return status;
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

/* How often each label comes, as an object; null when there are too many to list. */
static ae_json *label_counts(const ae_table *t, const ae_labels *labels)
{
    int64_t counts[MOST_LABELS] = {0};
    if (!labels || labels->count > MOST_LABELS) {
        return ae_json_new_null();
    }
    for (int64_t i = 0; i < t->count; i++) {
        int64_t label = t->rows[i].label ? ae_labels_find(labels, t->rows[i].label) : -1;
        if (label >= 0) {
            counts[label]++;
        }
    }
    ae_json *j = ae_json_new_object();
    for (int64_t i = 0; i < labels->count; i++) {
        ae_json_set_int(j, labels->names[i], counts[i]);
    }
    return j;
}

static ae_json *row_json(const ae_table_row *row)
{
    ae_json *j = ae_json_new_object();
    ae_json_set_int(j, "line", row->line);
    ae_json_set_string(j, "label", row->label);
    ae_json_set_string(j, "text_a", row->text_a);
    ae_json_set_string(j, "text_b", row->text_b);
    return j;
}

static int print_table_json(ae_run *run, const ae_table *t, const ae_labels *labels)
{
    ae_json *j = ae_json_new_object(), *rows = ae_json_new_array();
    ae_json_set_string(j, "kind", "table");
    ae_json_set_string(j, "read_as", t->read_as);
    ae_json_set_int(j, "rows", t->count);
    ae_json_set_int(j, "left_out", t->left_out);
    ae_json_set_bool(j, "pairs", t->pairs);
    ae_json_set(j, "distinct_labels", labels ? ae_json_new_int(labels->count) : ae_json_new_null());
    ae_json_set(j, "labels", label_counts(t, labels));
    for (int64_t i = 0; i < t->count && i < ae_options_int(run->options, "examples"); i++) {
        ae_json_add(rows, NULL, row_json(&t->rows[i]));
    }
    ae_json_set(j, "examples", rows);
    return ae_run_print_json(run, j);
}

static void print_table(ae_run *run, const ae_table *t, const ae_labels *labels)
{
    size_t bytes = 0, longest = 0;
    for (int64_t i = 0; i < t->count; i++) {
        size_t n = strlen(t->rows[i].text_a) + (t->rows[i].text_b ? strlen(t->rows[i].text_b) : 0);
        bytes += n;
        longest = n > longest ? n : longest;
    }
    fprintf(run->out, "read as     %s\n", t->read_as);
    fprintf(run->out, "rows        %lld of %s, %lld left out\n", (long long)t->count,
            t->pairs ? "pairs" : "single texts", (long long)t->left_out);
    fprintf(run->out, "text        %.1f bytes a row, %zu at most\n", (double)bytes / (double)t->count, longest);
    if (labels) {
        fprintf(run->out, "labels      %lld\n", (long long)labels->count);
    }
    ae_json *counts = label_counts(t, labels);
    for (const ae_json *m = ae_json_first(counts); m; m = ae_json_next(m)) {
        int64_t n = 0;
        ae_json_value_int(m, &n, NULL);
        fprintf(run->out, "  %-20s %9lld %5.1f %%\n", ae_json_key(m), (long long)n,
                100.0 * (double)n / (double)t->count);
    }
    ae_json_free(counts);
    for (int64_t i = 0; i < t->count && i < ae_options_int(run->options, "examples"); i++) {
        const ae_table_row *row = &t->rows[i];
        fprintf(run->out, "\nline %lld: %s\n  %s\n", (long long)row->line, row->label ? row->label : "no label",
                row->text_a);
        if (row->text_b) {
            fprintf(run->out, "  %s\n", row->text_b);
        }
    }
}

/* A table without a label column is one without labels. */
static ae_table *open_table(ae_run *run, const char *path)
{
    ae_err first = {0};
    ae_table_options o = {0};
    ae_table_settings(run, &o);
    ae_table *t = ae_table_open(path, &o, &first);
    if (!t && first.code == AE_E_MISSING) {
        o.unlabelled = true;
        t = ae_table_open(path, &o, &run->error);
    } else if (!t) {
        run->error = first;
    }
    return t;
}

static int inspect_table(ae_run *run, const char *path)
{
    ae_table *t = open_table(run, path);
    if (!t) {
        return -1;
    }
    ae_labels *labels = t->labelled ? ae_labels_of(t, &run->error) : NULL;
    int status = t->labelled && !labels ? -1 : 0;
    if (status == 0 && run->json) {
        status = print_table_json(run, t, labels);
    } else if (status == 0) {
        print_table(run, t, labels);
    }
    ae_labels_free(labels);
    ae_table_free(t);
    return status;
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

/* HDF5 files begin with these bytes. */
static bool is_hdf5(const char *path)
{
    char begin[4] = "";
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(begin, 1, sizeof begin, f) : 0;
    if (f) {
        fclose(f);
    }
    return n == sizeof begin && memcmp(begin, "\x89HDF", 4) == 0;
}

static int run_data_inspect(ae_run *run)
{
    const char *path = ae_options_argument(run->options, 0);
    int status = is_hdf5(path) ? inspect_instances(run, path) : inspect_table(run, path);
    if (status != 0) {
        ae_run_locate_error(run, path);
    }
    return status == 0 ? AE_EXIT_DONE : status;
}

static const char *const options[] = {AE_TABLE_OPTIONS, "examples", "json", NULL};

const ae_command ae_cmd_data_inspect = {
    .name = "data inspect",
    .summary = "show what is in instances or in a labelled table",
    .usage = "FILE",
    .details = "FILE is what `data build` made, or a table of labelled text (TSV, CSV, JSONL, also .gz). Of instances: "
               "counts, a histogram of lengths, and the first examples as the model gets them, with what it has to "
               "predict; of tables: how they were read, how often each label comes, and the first rows.",
    .options = options,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run_data_inspect,
};
