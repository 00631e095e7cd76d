#include "apps/evaluation.h"

#include "autograd/profile.h"

#include <stdlib.h>
#include <string.h>

void ae_evaluation_free(ae_evaluation *x)
{
    free(x->logits);
    free(x->gold);
    free(x->gold_scores);
    memset(x, 0, sizeof *x);
}

static int64_t count_labels(const ae_tensor *t)
{
    int64_t n = 0;
    for (int64_t i = 0; t && i < ae_numel(t); i++) {
        n += ae_get_i64(t, i) != -100;
    }
    return n;
}

static const ae_tensor *ids_of(const ae_tensors *batch)
{
    const ae_tensor *ids = ae_tensors_get(batch, "input_ids");
    return ids ? ids : ae_tensors_get(batch, "s1_ids");
}

int64_t ae_batch_predictions(const ae_dataset *d, const ae_tensors *batch)
{
    if (strcmp(d->objective, "lm") == 0) {
        return count_labels(ae_tensors_get(batch, "next_ids"));
    }
    if (strcmp(d->objective, "mlm") == 0) {
        return count_labels(ae_tensors_get(batch, "labels"));
    }
    return ids_of(batch)->shape[0];
}

int64_t ae_batch_tokens(const ae_tensors *batch)
{
    static const char *const counted[] = {"attention_mask", "s1_lengths", "s2_lengths"};
    int64_t n = 0;
    for (size_t k = 0; k < sizeof counted / sizeof *counted; k++) {
        const ae_tensor *t = ae_tensors_get(batch, counted[k]);
        for (int64_t i = 0; t && i < ae_numel(t); i++) {
            n += ae_get_i64(t, i);
        }
    }
    return n > 0 ? n : ae_numel(ids_of(batch));
}

/* ---- over a dataset ---------------------------------------------------------------------------------------------------------- */

static int room(ae_evaluation *x, const ae_dataset *d, const ae_tensor *logits, const ae_tensor *labels, ae_err *e)
{
    bool scores = strcmp(d->objective, "regression") == 0;
    x->classes = logits->shape[1];
    x->logits = malloc((size_t)(d->count * x->classes) * sizeof(float));
    if (labels && scores) {
        x->gold_scores = malloc((size_t)d->count * sizeof(double));
    } else if (labels) {
        x->gold = malloc((size_t)d->count * sizeof(int64_t));
    }
    return x->logits && (!labels || x->gold || x->gold_scores)
               ? 0
               : ae_err_set(e, AE_E_MEMORY, "no memory for the answers to %lld examples", (long long)d->count);
}

/* Keeps a classifier's logits (B,C) and the labels beside them. */
static int keep(ae_evaluation *x, const ae_dataset *d, const ae_tensors *batch, const ae_tensors *outputs, int64_t at,
                ae_err *e)
{
    const ae_tensor *logits = ae_tensors_get(outputs, "logits"), *labels = ae_tensors_get(batch, "labels");
    if (!logits || (logits->ndim != 2 && logits->ndim != 1)) {
        return ae_err_set(e, AE_E_STATE, "the model gave no logits of the shape (B,classes)");
    }
    int64_t rows = logits->shape[0];
    if (!x->logits) {
        ae_tensor wide = *logits;
        wide.shape[1] = logits->ndim == 1 ? 1 : logits->shape[1];
        if (room(x, d, &wide, labels, e) != 0) {
            return -1;
        }
    }
    for (int64_t i = 0; i < rows * x->classes; i++) {
        x->logits[at * x->classes + i] = (float)ae_get_f64(logits, i);
    }
    for (int64_t i = 0; labels && i < rows; i++) {
        if (x->gold) {
            x->gold[at + i] = ae_get_i64(labels, i);
        } else {
            x->gold_scores[at + i] = ae_get_f64(labels, i);
        }
    }
    return 0;
}

static int run_batch(const ae_bundle *bundle, ae_graph *g, const ae_dataset *d, const ae_tensors *batch, int64_t at,
                     ae_evaluation *x, double *sum, ae_err *e)
{
    bool language = strcmp(d->objective, "lm") == 0 || strncmp(d->objective, "mlm", 3) == 0;
    int64_t n = ae_batch_predictions(d, batch);
    ae_tensors *outputs = ae_tensors_new();
    ae_graph_begin(g, AE_EVAL);
    ae_tensor *loss = ae_bundle_run(bundle, g, batch, outputs, language);
    int status = ae_ok(g) ? 0 : ae_err_set(e, ae_graph_error(g)->code, "%s", ae_graph_error(g)->message);
    if (status == 0 && loss && n > 0) {
        *sum += ae_item(loss) * (double)n;
        x->predictions += n;
    }
    status = status == 0 && !language ? keep(x, d, batch, outputs, at, e) : status;
    ae_tensors_free(outputs);
    return status;
}

int ae_evaluate(const ae_bundle *bundle, ae_graph *g, const ae_dataset *d, int64_t batch, ae_evaluation *x, ae_err *e)
{
    ae_batch_plan plan = {.batch = batch, .seed = 1, .shuffle = false};
    ae_batches *batches = ae_batches_new(d, &plan, e);
    int64_t n = batches ? ae_batches_per_epoch(batches) : 0, at = 0;
    double sum = 0;
    int status = batches ? 0 : -1;
    for (int64_t i = 0; i < n && status == 0; i++) {
        int64_t span = ae_profile_begin(ae_graph_get_profile(g), "make a batch");
        ae_tensors *b = ae_batches_get(batches, i, e);
        ae_profile_end(ae_graph_get_profile(g), span);
        status = b ? run_batch(bundle, g, d, b, at, x, &sum, e) : -1;
        at += b ? ids_of(b)->shape[0] : 0;
        ae_tensors_free(b);
    }
    x->examples = at;
    x->loss = x->predictions > 0 ? sum / (double)x->predictions : 0;
    ae_batches_free(batches);
    return status;
}

void ae_evaluation_classes(const ae_evaluation *x, int64_t *predicted)
{
    for (int64_t i = 0; i < x->examples; i++) {
        int64_t best = 0;
        for (int64_t c = 1; c < x->classes; c++) {
            best = x->logits[i * x->classes + c] > x->logits[i * x->classes + best] ? c : best;
        }
        predicted[i] = best;
    }
}
