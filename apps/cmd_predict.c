#include "apps/command_table.h"
#include "apps/record_writer.h"
#include "apps/table_settings.h"
#include "apps/text_batches.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 32, FIELDS = 5 };

typedef struct prediction {
    ae_run *run;
    const ae_use *use;
    ae_problem problem;
    int64_t classes;
    ae_labels *labels;
    ae_record_writer *writer;
    int n; /* fields */
    enum { LABEL, CLASS, SCORE, PROBABILITIES, LOGITS } what[FIELDS];
    float *probabilities; /* (classes) */
    char *several;        /* the labels of an example that may have several, joined */
} prediction;

static void prediction_free(prediction *p)
{
    ae_labels_free(p->labels);
    free(p->probabilities);
    free(p->several);
    ae_record_writer_abort(p->writer);
}

/* ---- what the model answers ------------------------------------------------------------------------------------------- */

static int name_labels(prediction *p)
{
    size_t length = 1;
    p->labels = ae_use_labels(p->run, p->use);
    for (int64_t i = 0; p->labels && i < p->labels->count; i++) {
        length += strlen(p->labels->names[i]) + 1;
    }
    if (p->labels && p->labels->count != p->classes) {
        return ae_err_set(&p->run->error, AE_E_FORMAT, "%s names %lld labels for %lld classes", p->use->path,
                          (long long)p->labels->count, (long long)p->classes);
    }
    p->probabilities = malloc((size_t)p->classes * sizeof *p->probabilities);
    p->several = malloc(length);
    return p->labels && p->probabilities && p->several
               ? 0
               : ae_err_set(&p->run->error, AE_E_MEMORY, "no memory for %lld classes", (long long)p->classes);
}

static void add_field(prediction *p, ae_field *fields, int what, ae_field field)
{
    fields[p->n] = field;
    p->what[p->n++] = what;
}

static int open_writer(prediction *p)
{
    const ae_options *o = p->run->options;
    ae_field fields[FIELDS];
    if (p->problem == AE_REGRESSION) {
        if (ae_options_flag(o, "probabilities")) {
            return ae_err_set(&p->run->error, AE_E_VALUE, "%s gives scores, which have no probabilities", p->use->path);
        }
        add_field(p, fields, SCORE, (ae_field){.name = "score", .kind = AE_FIELD_SCALAR});
    } else {
        add_field(p, fields, LABEL, (ae_field){.name = "label", .kind = AE_FIELD_TEXT});
        add_field(p, fields, CLASS, (ae_field){.name = "class", .kind = AE_FIELD_INTEGER});
    }
    ae_field vector = {.kind = AE_FIELD_VECTOR, .width = p->classes, .names = p->labels->names};
    if (ae_options_flag(o, "probabilities")) {
        vector.name = "probabilities";
        add_field(p, fields, PROBABILITIES, vector);
    }
    if (ae_options_flag(o, "logits")) {
        vector.name = "logits";
        add_field(p, fields, LOGITS, vector);
    }
    ae_json *about = ae_json_new_object();
    ae_json_set_string(about, "model", p->use->path);
    ae_json_set(about, "labels", ae_labels_json(p->labels));
    p->writer = ae_record_writer_open(p->run, fields, p->n, about);
    ae_json_free(about);
    return p->writer ? 0 : -1;
}

/* ---- running ---------------------------------------------------------------------------------------------------------- */

static int forward(void *self, const ae_tensors *batch, const int64_t *lengths, ae_text_values *values)
{
    prediction *p = self;
    ae_graph *g = p->use->graph;
    ae_tensors *outputs = ae_tensors_new();
    (void)lengths;
    ae_graph_begin(g, AE_EVAL);
    ae_bundle_run(&p->use->bundle, g, batch, outputs, false);
    const ae_tensor *logits = ae_tensors_get(outputs, "logits");
    bool fits = ae_ok(g) && logits && ae_numel(logits) == values->rows * p->classes;
    values->width = p->classes;
    values->data = fits ? malloc((size_t)(values->rows * p->classes) * sizeof(float)) : NULL;
    int status = values->data ? ae_read(logits, AE_F32, values->data, values->rows * p->classes) : -1;
    ae_tensors_free(outputs);
    return status == 0 ? 0 : ae_use_failed(p->run, p->use);
}

static void softmax(const float *x, float *y, int64_t n)
{
    double most = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++) {
        most = fmax(most, (double)x[i]);
    }
    for (int64_t i = 0; i < n; i++) {
        sum += exp((double)x[i] - most);
    }
    for (int64_t i = 0; i < n; i++) {
        y[i] = (float)(exp((double)x[i] - most) / sum);
    }
}

static int64_t likeliest(const float *x, int64_t n)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++) {
        best = x[i] > x[best] ? i : best;
    }
    return best;
}

/* All labels whose probability is above one half, parted by commas. */
static void join_labels(prediction *p)
{
    p->several[0] = '\0';
    for (int64_t i = 0; i < p->classes; i++) {
        if (p->probabilities[i] > 0.5f) {
            strcat(strcat(p->several, p->several[0] ? "," : ""), p->labels->names[i]);
        }
    }
}

static int write_record(void *self, const float *logits, int64_t width)
{
    prediction *p = self;
    ae_field_value values[FIELDS] = {{0}};
    if (!logits) {
        return ae_record_write(p->writer, NULL);
    }
    int64_t best = likeliest(logits, p->classes);
    const char *label = p->labels->names[best];
    if (p->problem == AE_MANY_LABELS) {
        for (int64_t i = 0; i < width; i++) {
            p->probabilities[i] = (float)(1 / (1 + exp(-(double)logits[i])));
        }
        join_labels(p);
        label = p->several;
    } else {
        softmax(logits, p->probabilities, width);
    }
    for (int i = 0; i < p->n; i++) {
        values[i].text = label;
        values[i].integer = best;
        values[i].numbers = p->what[i] == PROBABILITIES ? p->probabilities : logits;
    }
    return ae_record_write(p->writer, values);
}

static void flush(void *self)
{
    ae_record_writer_flush(((prediction *)self)->writer);
}

/* ---- the command ------------------------------------------------------------------------------------------------------ */

static ae_tab_rule tabs_of(const ae_use *use)
{
    int64_t texts = ae_use_texts(use);
    return texts == 1 ? AE_TAB_IS_TEXT : texts == 2 ? AE_TAB_PARTS_PAIR : AE_TAB_MAY_PART;
}

static void say_columns(const prediction *p)
{
    if (ae_options_flag(p->run->options, "verbose") && p->problem != AE_REGRESSION) {
        fprintf(p->run->log, "classes in order:");
        for (int64_t i = 0; i < p->classes; i++) {
            fprintf(p->run->log, " %s", p->labels->names[i]);
        }
        fprintf(p->run->log, "\n");
    }
}

static int predict(ae_run *run, prediction *p, ae_records **records)
{
    static const char *const wanted[] = {"classes", "regression", NULL};
    ae_text_report report = {0};
    if (ae_use_need(run, p->use, wanted, "head for classes or scores") != 0) {
        return -1;
    }
    ae_problem_read(p->use->bundle.config, &p->problem, &p->classes, &run->error);
    if (run->error.code || name_labels(p) != 0 || open_writer(p) != 0) {
        return -1;
    }
    say_columns(p);
    *records = ae_records_open(run, 1, tabs_of(p->use));
    ae_text_job job = {.forward = forward, .write = write_record, .flush = flush, .self = p};
    job.batch = ae_options_int_or(run->options, "batch", BATCH);
    if (!*records || ae_text_batches_run(run, p->use, *records, &job, &report) != 0) {
        return -1;
    }
    ae_record_writer *w = p->writer;
    p->writer = NULL;
    return ae_record_writer_close(w) == 0 ? ae_text_report_print(run, p->use, &report) : -1;
}

static int run_predict(ae_run *run)
{
    ae_use use = {0};
    prediction p = {.run = run, .use = &use};
    ae_records *records = NULL;
    int status = ae_use_open(run, &use) == 0 ? predict(run, &p, &records) : -1;
    ae_records_close(records);
    prediction_free(&p);
    ae_use_free(&use);
    return status == 0 ? AE_EXIT_DONE : status;
}

static const char *const options[] = {AE_TABLE_OPTIONS, "batch",         "force",   "json",   "logits", "output",
                                      "precision",      "probabilities", "quiet",   "seq",    "to",     "profile",
                                      "threads",        "tokenizer",     "verbose", "plugin", NULL};

const ae_command ae_cmd_predict = {
    .name = "predict",
    .summary = "label texts with a model that finetune made",
    .usage = "MODEL [FILE...]",
    .details =
        "Reads one text a line from the files or from standard input; the two texts of a pair are parted by a TAB. "
        "With --format, --columns or --header the files are tables (labels in them are not looked at). Writes one "
        "record a line in the order of the input: the label, or the score of a regression, then with --probabilities "
        "and --logits one number a class (-v says the order). An empty line gives an empty record.\n\n"
        "The ending of --output, or --to, chooses the format: tsv, jsonl (also --json), npy (class numbers, or the "
        "numbers asked for), h5, safetensors. Texts longer than --seq (the length the model was trained with) are cut. "
        "Records are sorted by length inside a window of 64 batches; what waits is answered as soon as the input "
        "pauses.",
    .options = options,
    .arguments_min = 1,
    .arguments_max = -1,
    .run = run_predict,
};
