#include "apps/command_table.h"
#include "apps/record_writer.h"
#include "apps/table_settings.h"
#include "apps/text_batches.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Few, so that a single line is not dear: every batch has exactly so many rows. */
enum { BATCH = 8 };

typedef struct embedding {
    ae_run *run;
    const ae_use *use;
    const char *pooling; /* "mean", ..., or "own": the vector that the model itself makes of a sentence */
    bool whole;          /* the model shows its states only where it computes all of its outputs */
    ae_record_writer *writer;
} embedding;

/* ---- from states to vectors -------------------------------------------------------------------------------------------- */

/* One row's vector (width) from its states (T,width), of which the first n are real. */
static void pool(const char *pooling, const float *states, int64_t n, int64_t width, float *y)
{
    const float *one = strcmp(pooling, "last") == 0 ? states + (n - 1) * width : states;
    bool mean = strcmp(pooling, "mean") == 0, max = strcmp(pooling, "max") == 0;
    for (int64_t k = 0; k < width; k++) {
        double sum = 0, most = -INFINITY;
        for (int64_t t = 0; t < n && (mean || max); t++) {
            double x = (double)states[t * width + k];
            sum += x;
            most = fmax(most, x);
        }
        y[k] = mean ? (float)(sum / (double)n) : max ? (float)most : one[k];
    }
}

/* States (B,T,H) of the layer asked for: 0 is the embeddings, negative ones count from the last. */
static const ae_tensor *find_states(const embedding *m, const ae_tensors *outputs, const ae_tensors *seen)
{
    static const char *const names[] = {"last_hidden_state", "states"};
    const ae_options *o = m->run->options;
    char name[64];
    int64_t layers = 0;
    for (; snprintf(name, sizeof name, "hidden_states.%lld", (long long)layers), ae_tensors_get(seen, name); layers++) {
    }
    bool asked = ae_options_origin(o, "layer") > AE_ORIGIN_PRESET;
    int64_t layer = asked ? ae_options_int(o, "layer") : -1;
    if (layers == 0 && !asked) {
        const ae_tensor *t = ae_tensors_get(outputs, names[0]);
        return t ? t : ae_tensors_get(outputs, names[1]);
    }
    if (layer >= layers || layer < -layers) {
        ae_err_set(&m->run->error, AE_E_VALUE, "--layer %lld: the model shows %lld (0: the embeddings; -1: the last)",
                   (long long)layer, (long long)layers);
        return NULL;
    }
    snprintf(name, sizeof name, "hidden_states.%lld", (long long)(layer < 0 ? layer + layers : layer));
    return ae_tensors_get(seen, name);
}

/* What the model makes of a whole sentence (B,width): with --pooling pooler BERT's pooler, else a sentence encoder's,
 * which in a classifier of pairs is called u. */
static const ae_tensor *find_vector(const embedding *m, const ae_tensors *outputs)
{
    if (strcmp(m->pooling, "pooler") == 0) {
        return ae_tensors_get(outputs, "pooler_output");
    }
    const ae_tensor *t = ae_tensors_get(outputs, "embedding");
    return t ? t : ae_tensors_get(outputs, "u");
}

static int read_vectors(embedding *m, const ae_tensor *t, ae_text_values *values)
{
    values->width = t->shape[1];
    values->data = malloc((size_t)(values->rows * values->width + 1) * sizeof(float));
    return values->data ? ae_read(t, AE_F32, values->data, values->rows * values->width)
                        : ae_err_set(&m->run->error, AE_E_MEMORY, "no memory for the vectors");
}

static int read_states(embedding *m, const ae_tensor *t, const int64_t *lengths, ae_text_values *values)
{
    int64_t length = t->shape[1], width = t->shape[2];
    float *states = malloc((size_t)(ae_numel(t) + 1) * sizeof *states);
    values->width = width;
    values->data = malloc((size_t)(values->rows * width + 1) * sizeof(float));
    if (!states || !values->data || ae_read(t, AE_F32, states, ae_numel(t)) != 0) {
        free(states);
        return ae_err_set(&m->run->error, AE_E_MEMORY, "no memory for the states");
    }
    for (int64_t i = 0; i < values->rows; i++) {
        pool(m->pooling, states + i * length * width, lengths[i], width, values->data + i * width);
    }
    free(states);
    return 0;
}

static int take(embedding *m, const ae_tensors *outputs, const ae_tensors *seen, const int64_t *lengths,
                ae_text_values *values)
{
    ae_graph *g = m->use->graph;
    bool own = strcmp(m->pooling, "auto") == 0, pooler = strcmp(m->pooling, "pooler") == 0;
    if (!ae_ok(g)) {
        return ae_use_failed(m->run, m->use);
    }
    const ae_tensor *vector = own || pooler ? find_vector(m, outputs) : NULL;
    if (vector && vector->ndim == 2) {
        return read_vectors(m, vector, values);
    }
    if (pooler) {
        return ae_err_set(&m->run->error, AE_E_UNSUPPORTED,
                          "%s is a %s and has no pooler; --pooling cls, mean, max "
                          "and last take the states of its tokens",
                          m->use->path, m->use->bundle.row->class_name);
    }
    const ae_tensor *states = find_states(m, outputs, seen);
    if (!states || states->ndim != 3) {
        return ae_err_set(&m->run->error, AE_E_UNSUPPORTED, "%s is a %s, which shows no states of its tokens",
                          m->use->path, m->use->bundle.row->class_name);
    }
    m->pooling = own ? "mean" : m->pooling;
    return read_states(m, states, lengths, values);
}

/* ---- running ---------------------------------------------------------------------------------------------------------- */

/* A classifier of pairs wants a second text; the first serves. */
static int add_second(ae_tensors *both, const ae_tensors *batch, ae_err *e)
{
    static const char *const names[][2] = {{"s1_ids", "s2_ids"}, {"s1_lengths", "s2_lengths"}};
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < 2; k++) {
            const ae_tensor *t = ae_tensors_get(batch, names[i][0]);
            if (!t || ae_tensors_add(both, names[i][k], ae_tensor_share(t, e), e) != 0) {
                return ae_err_set(e, AE_E_STATE, "the batch has no %s", names[i][0]);
            }
        }
    }
    return 0;
}

static int forward(void *self, const ae_tensors *batch, const int64_t *lengths, ae_text_values *values)
{
    embedding *m = self;
    ae_graph *g = m->use->graph;
    ae_tensors *outputs = ae_tensors_new(), *seen = ae_tensors_new(), *both = ae_tensors_new();
    bool pairs = ae_bundle_apart(&m->use->bundle) && m->use->bundle.row->texts != 1;
    int status = outputs && seen && both ? 0 : ae_err_set(&m->run->error, AE_E_MEMORY, "no memory for the states");
    status = status == 0 && pairs ? add_second(both, batch, &m->run->error) : status;
    if (status == 0) {
        ae_graph_observe(g, seen);
        ae_graph_begin(g, AE_EVAL);
        ae_bundle_run(&m->use->bundle, g, pairs ? both : batch, outputs, !m->whole);
        ae_graph_observe(g, NULL);
        status = take(m, outputs, seen, lengths, values);
    }
    ae_tensors_free(outputs);
    ae_tensors_free(seen);
    ae_tensors_free(both);
    return status;
}

static int write_record(void *self, const float *vector, int64_t width)
{
    embedding *m = self;
    ae_field_value value = {.numbers = vector};
    (void)width;
    return ae_record_write(m->writer, vector ? &value : NULL);
}

static void flush(void *self)
{
    ae_record_writer_flush(((embedding *)self)->writer);
}

/* ---- the command ------------------------------------------------------------------------------------------------------ */

static int add_one(ae_tensors *batch, const char *name, int ndim, int64_t value, ae_err *e)
{
    ae_tensor *t = ae_tensor_new(AE_I64, ndim, (int64_t[]){1, 1}, e);
    if (!t) {
        return -1;
    }
    ae_set_i64(t, 0, value);
    return ae_tensors_add(batch, name, t, e);
}

/* Runs a single token: how wide vectors are, and whether the model can give what was asked for, is known before text
 * is read. */
static int probe(embedding *m, int64_t *width)
{
    ae_err *e = &m->run->error;
    ae_tensors *batch = ae_tensors_new();
    ae_text_values values = {.rows = 1};
    bool apart = ae_bundle_apart(&m->use->bundle);
    int32_t cls = ae_tokenizer_role(m->use->bundle.tokenizer, AE_TOKEN_CLS);
    int64_t id = cls >= 0 ? cls : 0, length = 1;
    int status = batch ? add_one(batch, apart ? "s1_ids" : "input_ids", 2, id, e) : -1;
    status = status == 0 ? add_one(batch, apart ? "s1_lengths" : "attention_mask", apart ? 1 : 2, 1, e) : status;
    if (status == 0 && forward(m, batch, &length, &values) != 0) {
        bool again = e->code == AE_E_UNSUPPORTED;
        m->whole = true;
        e->code = again ? AE_OK : e->code;
        status = again ? forward(m, batch, &length, &values) : -1;
    }
    *width = values.width;
    free(values.data);
    ae_tensors_free(batch);
    return status;
}

static int embed(ae_run *run, embedding *m, ae_records **records)
{
    ae_text_report report = {0};
    ae_field field = {.name = "embedding", .kind = AE_FIELD_VECTOR};
    m->pooling = ae_options_text(run->options, "pooling");
    if (probe(m, &field.width) != 0) {
        return -1;
    }
    ae_json *about = ae_json_new_object();
    ae_json_set_string(about, "model", m->use->path);
    ae_json_set_string(about, "pooling", m->pooling);
    m->writer = ae_record_writer_open(run, &field, 1, about);
    ae_json_free(about);
    *records = m->writer ? ae_records_open(run, 1, AE_TAB_IS_TEXT) : NULL;
    ae_text_job job = {
        .batch = BATCH, .alone = true, .forward = forward, .write = write_record, .flush = flush, .self = m};
    if (!*records || ae_text_batches_run(run, m->use, *records, &job, &report) != 0) {
        return -1;
    }
    ae_record_writer *w = m->writer;
    m->writer = NULL;
    return ae_record_writer_close(w) == 0 ? ae_text_report_print(run, m->use, &report) : -1;
}

static int run_embed(ae_run *run)
{
    ae_use use = {0};
    embedding m = {.run = run, .use = &use};
    ae_records *records = NULL;
    int status = ae_use_open(run, &use) == 0 ? embed(run, &m, &records) : -1;
    ae_records_close(records);
    ae_record_writer_abort(m.writer);
    ae_use_free(&use);
    return status == 0 ? AE_EXIT_DONE : status;
}

static const char *const options[] = {AE_TABLE_OPTIONS, "force",   "json",  "layer", "output", "pooling",
                                      "precision",      "profile", "quiet", "seq",   "to",     "threads",
                                      "tokenizer",      "plugin",  NULL};

const ae_command ae_cmd_embed = {
    .name = "embed",
    .summary = "write a vector for every text",
    .usage = "MODEL [FILE...]",
    .details =
        "Reads one text a line from the files or from standard input (tables with --format, --columns or --header) and "
        "writes one vector a record in the order of the input: lines of numbers, or by the ending of --output or --to "
        "an .npy, .h5, .safetensors (array \"embedding\"), .tsv or .jsonl file. An empty line gives an empty record "
        "(NaN in arrays).\n\n"
        "A vector is the mean over the last layer's states of all tokens, the special ones included, unless --pooling "
        "or --layer say otherwise; sentence encoders give their own. A text gives the same bits whatever stands beside "
        "it: every batch has 8 rows, of texts of one length.",
    .options = options,
    .arguments_min = 1,
    .arguments_max = -1,
    .run = run_embed,
};
