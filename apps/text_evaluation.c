/* Language models on running text. */
#include "apps/language_evaluation.h"

#include "apps/metrics.h"
#include "apps/progress.h"
#include "apps/table_settings.h"
#include "datasets/instances.h"

#include <stdlib.h>
#include <string.h>

int ae_text_size_of(ae_run *run, const char *const *paths, int n, ae_text_size *size)
{
    ae_line_options options;
    ae_line line;
    ae_line_settings(run, &options);
    ae_line_reader *r = ae_line_reader_open(paths, n, &options, &run->error);
    int more = r ? 1 : -1;
    *size = (ae_text_size){0};
    while (more > 0 && (more = ae_line_reader_next(r, &line, &run->error)) > 0) {
        size->bytes += (int64_t)line.bytes + line.ended;
        size->characters += ae_characters(line.text, line.bytes) + line.ended;
    }
    ae_line_reader_close(r);
    return more;
}

/* The running text again: instances overlap by the token that the last one predicts. */
static int join_instances(ae_run *run, const ae_dataset *d, int32_t **stream, int64_t *length)
{
    const int32_t *ids;
    int64_t all = 1, at = 0;
    for (int64_t i = 0; i < d->count; i++) {
        all += ae_instances_ids(d, i, &ids);
    }
    *stream = malloc((size_t)all * sizeof **stream);
    if (!*stream) {
        return ae_err_set(&run->error, AE_E_MEMORY, "no memory for %lld tokens", (long long)all);
    }
    for (int64_t i = 0; i < d->count; i++) {
        int64_t n = ae_instances_ids(d, i, &ids);
        n -= i + 1 < d->count;
        memcpy(*stream + at, ids, (size_t)n * sizeof *ids);
        at += n;
    }
    *length = at;
    return 0;
}

typedef struct walk {
    ae_run *run;
    const ae_use *use;
    const int32_t *stream;
    int64_t length, stride;
    double nll;
    int64_t predicted;
} walk;

static int add_columns(ae_tensors *batch, int64_t rows, int64_t width, ae_tensor *columns[3], ae_err *e)
{
    static const char *const names[] = {"input_ids", "attention_mask", "next_ids"};
    for (int i = 0; i < 3; i++) {
        columns[i] = ae_tensor_new(AE_I64, 2, (int64_t[]){rows, width}, e);
        if (!columns[i] || ae_tensors_add(batch, names[i], columns[i], e) != 0) {
            return -1;
        }
    }
    return 0;
}

/* Windows number first..first+rows-1 as a batch; *labels is what they predict. The first window predicts all of its
 * tokens, the others the last `stride`. */
static ae_tensors *windows(const walk *w, int64_t first, int64_t rows, int64_t *labels)
{
    ae_tensors *batch = ae_tensors_new();
    ae_tensor *columns[3];
    int64_t seq = w->use->seq, from = first * w->stride;
    int64_t width = w->length - 1 - from < seq ? w->length - 1 - from : seq;
    *labels = 0;
    if (!batch || add_columns(batch, rows, width, columns, &w->run->error) != 0) {
        ae_tensors_free(batch);
        ae_err_set(&w->run->error, AE_E_MEMORY, "no memory for a batch");
        return NULL;
    }
    for (int64_t i = 0; i < rows * width; i++) {
        int64_t number = first + i / width, k = i % width, at = number * w->stride + k;
        bool real = at + 1 < w->length, new = number == 0 || k >= seq - w->stride;
        ae_set_i64(columns[0], i, real ? w->stream[at] : 0);
        ae_set_i64(columns[1], i, real);
        ae_set_i64(columns[2], i, real && new ? w->stream[at + 1] : -100);
        *labels += real && new;
    }
    return batch;
}

static int run_windows(walk *w, int64_t first, int64_t rows)
{
    int64_t labels;
    ae_graph *g = w->use->graph;
    ae_tensors *batch = windows(w, first, rows, &labels), *outputs = ae_tensors_new();
    int status = batch && outputs ? 0 : -1;
    if (status == 0 && labels > 0) {
        ae_graph_begin(g, AE_EVAL);
        const ae_tensor *loss = ae_bundle_run(&w->use->bundle, g, batch, outputs, true);
        const ae_tensor *forward = ae_tensors_get(outputs, "loss_forward"); /* of models that read both ways */
        loss = forward ? forward : loss;
        if (!ae_ok(g) || !loss) {
            status = ae_use_failed(w->run, w->use);
        } else {
            w->nll += ae_item(loss) * (double)labels;
            w->predicted += labels;
        }
    }
    ae_tensors_free(batch);
    ae_tensors_free(outputs);
    return status;
}

static int walk_windows(walk *w, int64_t batch)
{
    int64_t seq = w->use->seq, rest = w->length - 1 - seq;
    int64_t count = 1 + (rest > 0 ? (rest + w->stride - 1) / w->stride : 0);
    ae_progress p = ae_progress_begin(w->run, "eval");
    int status = 0;
    for (int64_t i = 0; i < count && status == 0; i += batch) {
        status = run_windows(w, i, count - i < batch ? count - i : batch);
        ae_progress_show(&p, (double)i, (double)count, 0, NULL);
    }
    ae_progress_clear(&p);
    return status;
}

int ae_evaluate_text(ae_run *run, const ae_use *use, const ae_dataset *d, int64_t stride, int64_t batch,
                     const ae_text_size *size, ae_results *r, int64_t *tokens)
{
    int32_t *stream = NULL;
    walk w = {.run = run, .use = use, .stride = stride};
    if (stride < 1 || stride > use->seq) {
        return ae_err_set(&run->error, AE_E_VALUE, "--stride %lld: from 1 to the %lld tokens of a window (--seq)",
                          (long long)stride, (long long)use->seq);
    }
    int status = join_instances(run, d, &stream, &w.length);
    w.stream = stream;
    if (status == 0 && w.length < 2) {
        status = ae_err_set(&run->error, AE_E_VALUE, "a single token is no text to predict");
    }
    status = status == 0 ? walk_windows(&w, batch) : status;
    free(stream);
    ae_results_add(r, "loss", w.nll / (double)w.predicted, true);
    ae_results_add(r, "perplexity", ae_perplexity(w.nll, w.predicted), true);
    if (size->bytes > 0) {
        ae_results_add(r, "bits_per_byte", ae_bits_per(w.nll, size->bytes), true);
    }
    if (size->characters > 0) {
        ae_results_add(r, "bits_per_character", ae_bits_per(w.nll, size->characters), true);
    }
    *tokens = w.predicted;
    return status;
}
