/* Masked language models on instances. */
#include "apps/language_evaluation.h"

#include "apps/metrics.h"
#include "apps/progress.h"

#include <math.h>
#include <string.h>

static const double logits_bytes = 128e6; /* of a batch, where a model computes them at every position */

typedef struct tally {
    ae_run *run;
    const ae_use *use;
    bool everywhere; /* the model gives logits at all positions only */
    double nll;
    int64_t masked, found, pairs, pairs_right;
} tally;

static int64_t likeliest(const float *x, int64_t n)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++) {
        best = x[i] > x[best] ? i : best;
    }
    return best;
}

static void count_word(tally *t, const float *logits, int64_t v, int64_t label)
{
    int64_t best = likeliest(logits, v);
    double sum = 0;
    for (int64_t i = 0; i < v; i++) {
        sum += exp((double)logits[i] - (double)logits[best]);
    }
    t->nll += log(sum) + (double)logits[best] - (double)logits[label];
    t->found += best == label;
    t->masked++;
}

/* Logits are rows at the masked places, (P,V), or (B,T,V). */
static int count_words(tally *t, const ae_tensor *logits, const ae_tensor *labels)
{
    int64_t v = ae_dim(logits, -1), row = 0;
    bool all = logits->ndim == 3;
    for (int64_t i = 0; i < ae_numel(labels); i++) {
        int64_t label = ae_get_i64(labels, i), at = all ? i : row;
        if (label == -100) {
            continue;
        }
        if (label >= v || logits->dtype != AE_F32 || (at + 1) * v > ae_numel(logits)) {
            return ae_err_set(&t->run->error, AE_E_VALUE,
                              "%s: the data hold the token %lld; the model gives %lld logits", t->use->path,
                              (long long)label, (long long)v);
        }
        count_word(t, (const float *)logits->data + at * v, v, label);
        row++;
    }
    return 0;
}

static void count_pairs(tally *t, const ae_tensor *logits, const ae_tensor *labels)
{
    for (int64_t i = 0; logits && labels && i < ae_numel(labels); i++) {
        bool elsewhere = ae_get_f64(logits, 2 * i + 1) > ae_get_f64(logits, 2 * i);
        t->pairs++;
        t->pairs_right += elsewhere == (ae_get_i64(labels, i) != 0);
    }
}

static int run_batch(tally *t, const ae_tensors *batch)
{
    static const char *const names[] = {"mlm_logits_at_targets", "prediction_logits", "logits"};
    ae_graph *g = t->use->graph;
    ae_tensors *outputs = ae_tensors_new();
    const ae_tensor *logits = NULL;
    ae_graph_begin(g, AE_EVAL);
    ae_bundle_run(&t->use->bundle, g, batch, outputs, !t->everywhere);
    for (int i = 0; i < 3 && !logits; i++) {
        logits = ae_tensors_get(outputs, names[i]);
    }
    int status = 0;
    if (ae_ok(g) && !logits && !t->everywhere) {
        t->everywhere = true;
        status = run_batch(t, batch);
    } else if (!ae_ok(g) || !logits) {
        status = ae_use_failed(t->run, t->use);
    } else {
        status = count_words(t, logits, ae_tensors_get(batch, "labels"));
        count_pairs(t, ae_tensors_get(outputs, "seq_relationship_logits"),
                    ae_tensors_get(batch, "next_sentence_label"));
    }
    ae_tensors_free(outputs);
    return status;
}

/* How many sequences keep the logits of every position in bounds. */
static int64_t bounded(const ae_use *use, int64_t batch)
{
    double row = 4.0 * (double)use->seq * (double)ae_tokenizer_size(use->bundle.tokenizer);
    return (int64_t)fmax(1, fmin((double)batch, logits_bytes / row));
}

int ae_evaluate_masked(ae_run *run, const ae_use *use, const ae_dataset *d, int64_t batch, ae_results *r,
                       int64_t *tokens)
{
    tally t = {.run = run, .use = use};
    ae_batch_plan plan = {.batch = bounded(use, batch), .seed = 1, .shuffle = false, .ahead = 1};
    ae_batches *batches = ae_batches_new(d, &plan, &run->error);
    int64_t n = batches ? ae_batches_per_epoch(batches) : 0;
    ae_progress p = ae_progress_begin(run, "eval");
    int status = batches ? 0 : -1;
    for (int64_t i = 0; i < n && status == 0; i++) {
        ae_tensors *b = ae_batches_get(batches, i, &run->error);
        status = b ? run_batch(&t, b) : -1;
        ae_tensors_free(b);
        ae_progress_show(&p, (double)i, (double)n, 0, NULL);
    }
    ae_progress_clear(&p);
    ae_batches_free(batches);
    *tokens = t.masked;
    ae_results_add(r, "loss", t.nll / (double)t.masked, true);
    ae_results_add(r, "perplexity", ae_perplexity(t.nll, t.masked), true);
    ae_results_add(r, "masked_accuracy", (double)t.found / (double)t.masked, false);
    if (t.pairs > 0) {
        ae_results_add(r, "next_sentence_accuracy", (double)t.pairs_right / (double)t.pairs, false);
    }
    return status;
}
