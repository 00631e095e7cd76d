#include "apps/masked_words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ROWS = 32 };
static const double logits_bytes = 64e6; /* of a batch, where a model computes them at every position */

/* ---- one batch --------------------------------------------------------------------------------------------------------- */

static int add_column(ae_tensors *batch, const char *name, int64_t rows, int64_t length, int64_t fill, ae_tensor **t,
                      ae_err *e)
{
    *t = ae_tensor_new(AE_I64, 2, (int64_t[]){rows, length}, e);
    for (int64_t i = 0; *t && i < rows * length; i++) {
        ae_set_i64(*t, i, fill);
    }
    return *t ? ae_tensors_add(batch, name, *t, e) : -1;
}

/* `labels` marks the places, for models that then project these alone. */
static ae_tensors *make_batch(const ae_use *use, const ae_masked_text *texts, int64_t n, bool labels, ae_err *e)
{
    ae_tensors *batch = ae_tensors_new();
    ae_tensor *ids, *mask, *types, *marks = NULL;
    int32_t pad = ae_tokenizer_role(use->bundle.tokenizer, AE_TOKEN_PAD);
    int64_t length = 1;
    for (int64_t i = 0; i < n; i++) {
        length = texts[i].count > length ? texts[i].count : length;
    }
    if (!batch || add_column(batch, "input_ids", n, length, pad >= 0 ? pad : 0, &ids, e) != 0 ||
        add_column(batch, "attention_mask", n, length, 0, &mask, e) != 0 ||
        add_column(batch, "token_type_ids", n, length, 0, &types, e) != 0 ||
        (labels && add_column(batch, "labels", n, length, -100, &marks, e) != 0)) {
        ae_tensors_free(batch);
        ae_err_set(e, AE_E_MEMORY, "no memory for a batch");
        return NULL;
    }
    for (int64_t i = 0; i < n; i++) {
        for (int64_t t = 0; t < texts[i].count; t++) {
            ae_set_i64(ids, i * length + t, texts[i].ids[t]);
            ae_set_i64(mask, i * length + t, 1);
            ae_set_i64(types, i * length + t, texts[i].type_ids[t]);
        }
        for (int64_t k = 0; marks && k < texts[i].n_places; k++) {
            ae_set_i64(marks, i * length + texts[i].places[k], 0);
        }
    }
    return batch;
}

typedef struct visitor {
    ae_run *run;
    const ae_use *use;
    ae_masked_fn visit;
    void *self;
    bool everywhere; /* the model gives logits at all positions only */
} visitor;

/* Hands on the rows of logits: (P,V) at the places alone, or (B,T,V). */
static int visit_rows(const visitor *x, const ae_masked_text *texts, int64_t first, int64_t n, const ae_tensor *logits)
{
    int64_t v = ae_dim(logits, -1), row = 0, length = logits->ndim == 3 ? logits->shape[1] : 0, all = 0;
    for (int64_t i = 0; i < n; i++) {
        all += texts[first + i].n_places;
    }
    if (logits->dtype != AE_F32 || !ae_is_contiguous(logits) || (length == 0 && logits->shape[0] != all)) {
        return ae_err_set(&x->run->error, AE_E_STATE, "%s: the model's logits have an unknown form", x->use->path);
    }
    for (int64_t i = 0; i < n; i++) {
        for (int64_t k = 0; k < texts[first + i].n_places; k++, row++) {
            int64_t at = length > 0 ? i * length + texts[first + i].places[k] : row;
            if (x->visit(x->self, first + i, k, (const float *)logits->data + at * v, v) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

static int run_batch(visitor *x, const ae_masked_text *texts, int64_t first, int64_t n)
{
    static const char *const names[] = {"mlm_logits_at_targets", "prediction_logits", "logits"};
    ae_graph *g = x->use->graph;
    ae_tensors *batch = make_batch(x->use, texts + first, n, !x->everywhere, &x->run->error);
    ae_tensors *outputs = ae_tensors_new();
    const ae_tensor *logits = NULL;
    int status = batch && outputs ? 0 : -1;
    if (status == 0) {
        ae_graph_begin(g, AE_EVAL);
        ae_bundle_run(&x->use->bundle, g, batch, outputs, !x->everywhere);
        for (int i = 0; i < 3 && !logits; i++) {
            logits = ae_tensors_get(outputs, names[i]);
        }
        bool again = ae_ok(g) && !logits && !x->everywhere;
        x->everywhere = x->everywhere || again;
        status = again                ? run_batch(x, texts, first, n)
                 : ae_ok(g) && logits ? visit_rows(x, texts, first, n, logits)
                                      : ae_use_failed(x->run, x->use);
    }
    ae_tensors_free(batch);
    ae_tensors_free(outputs);
    return status;
}

int ae_masked_run(ae_run *run, const ae_use *use, const ae_masked_text *texts, int64_t n, ae_masked_fn visit,
                  void *self)
{
    visitor x = {.run = run, .use = use, .visit = visit, .self = self};
    int64_t longest = 1;
    for (int64_t i = 0; i < n; i++) {
        longest = texts[i].count > longest ? texts[i].count : longest;
    }
    double row = 4.0 * (double)longest * (double)ae_tokenizer_size(use->bundle.tokenizer);
    int64_t rows = (int64_t)fmax(1, fmin(MOST_ROWS, logits_bytes / row));
    for (int64_t i = 0; i < n; i += rows) {
        if (run_batch(&x, texts, i, n - i < rows ? n - i : rows) != 0) {
            return -1;
        }
    }
    return 0;
}

/* ---- candidates -------------------------------------------------------------------------------------------------------- */

int64_t ae_masked_candidates(const ae_tokenizer *t, const float *logits, int64_t v, int64_t n, ae_candidate *best)
{
    double most = -INFINITY, sum = 0;
    int64_t count = 0;
    for (int64_t i = 0; i < v; i++) {
        most = fmax(most, (double)logits[i]);
    }
    for (int64_t i = 0; i < v; i++) {
        double p = exp((double)logits[i] - most);
        sum += p;
        bool enters = count < n || (n > 0 && p > best[n - 1].probability);
        if (!enters || !ae_tokenizer_token(t, (int32_t)i, NULL) || ae_tokenizer_is_special(t, (int32_t)i)) {
            continue;
        }
        int64_t at = count < n ? count++ : n - 1;
        for (; at > 0 && best[at - 1].probability < p; at--) {
            best[at] = best[at - 1];
        }
        best[at] = (ae_candidate){(int32_t)i, p};
    }
    for (int64_t i = 0; i < count; i++) {
        best[i].probability /= sum;
    }
    return count;
}
