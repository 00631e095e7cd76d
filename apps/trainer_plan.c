/* How long a run takes, how often it evaluates and saves, and what it says of itself before it starts. */
#include "apps/trainer_internal.h"

#include "apps/clock.h"
#include "apps/precision.h"
#include "tensor/kernels.h"
#include "tensor/threads.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLED = 1000, PRETRAIN_EVALUATIONS = 10, MEASURED_MOST = 20 };

static int64_t steps_per_epoch(const ae_loop *l)
{
    int64_t n = (ae_batches_per_epoch(l->batches) + l->rounds - 1) / l->rounds;
    return n > 0 ? n : 1;
}

static double mean_length(const ae_dataset *d)
{
    int64_t n = d->count < SAMPLED ? d->count : SAMPLED;
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += (double)d->length(d, i * d->count / n);
    }
    return n > 0 ? sum / (double)n : 1;
}

/* ---- --time: a measured start fixes the number of steps ------------------------------------------------------------------ */

/* Gradients of the first batches without an update: nothing of the run changes. */
static int seconds_a_step(ae_loop *l, double budget, double *seconds)
{
    double began = ae_seconds(), first = 0, loss;
    int64_t n = 0, tokens = l->tokens;
    int status = 0;
    while (status == 0 && n < MEASURED_MOST && (n < 3 || ae_seconds() - began < budget)) {
        status = ae_loop_backward(l, n, &loss);
        ae_model_zero_grad(l->t->bundle->model);
        n++;
        first = n == 1 ? ae_seconds() - began : first; /* the first step asks the system for memory */
    }
    *seconds = (ae_seconds() - began - first) / (double)(n > 1 ? n - 1 : 1);
    l->tokens = tokens;
    return status;
}

static int steps_of_time(ae_loop *l, double seconds, int64_t *steps)
{
    double one = 1, began = ae_seconds();
    if (seconds_a_step(l, fmin(0.03 * seconds, 20), &one) != 0) {
        return -1;
    }
    double left = seconds - (ae_seconds() - began);
    *steps = (int64_t)fmax(1, floor(left / (1.05 * one))); /* the update and evaluations take some of it */
    return 0;
}

static int count_steps(ae_loop *l, int64_t *steps)
{
    ae_budget b;
    if (ae_budget_from_options(l->run, &b) != 0) {
        return -1;
    }
    double a_step = mean_length(l->t->train) *
                    fmin((double)ae_options_int(l->run->options, "batch"), (double)l->t->train->count) *
                    (double)l->rounds;
    switch (b.kind) {
    case AE_BUDGET_EPOCHS:
        *steps = (int64_t)ceil(b.amount * (double)steps_per_epoch(l));
        return 0;
    case AE_BUDGET_TOKENS:
        *steps = (int64_t)ceil(b.amount / a_step);
        return 0;
    case AE_BUDGET_TIME:
        return steps_of_time(l, b.amount, steps);
    default:
        *steps = (int64_t)b.amount;
        return 0;
    }
}

/* What the model file says of the length: the number of steps, whatever it was given as. */
static void record_steps(ae_loop *l)
{
    static const char *const names[] = {AE_BUDGET_OPTIONS};
    for (int i = 0; i < 4; i++) {
        ae_json_remove(l->t->bundle->settings, names[i]);
    }
    ae_json_set_int(l->t->bundle->settings, "steps", l->t->steps);
}

int ae_loop_plan(ae_loop *l)
{
    const ae_options *o = l->run->options;
    if (count_steps(l, &l->t->steps) != 0) {
        return -1;
    }
    if (l->t->steps < l->t->step) {
        return ae_err_set(&l->run->error, AE_E_VALUE, "%s is at step %lld already, beyond the %lld steps asked for",
                          l->t->resume ? l->t->resume : "the run", (long long)l->t->step, (long long)l->t->steps);
    }
    int64_t every = ae_options_int(o, "eval-every");
    l->eval_every = every > 0 ? every : l->t->by_epoch ? steps_per_epoch(l) : l->t->steps / PRETRAIN_EVALUATIONS;
    l->eval_every = l->eval_every > 0 ? l->eval_every : 1;
    l->save_every = ae_options_int(o, "save-every");
    record_steps(l);
    return ae_schedule_from_options(l->run, l->t->steps, &l->schedule);
}

/* ---- what it says ------------------------------------------------------------------------------------------------------------ */

void ae_loop_introduce(const ae_loop *l)
{
    const ae_training *t = l->t;
    FILE *log = l->run->log;
    double numel = (double)ae_model_numel(t->bundle->model), mib = numel * 4 / (1024.0 * 1024.0);
    if (ae_options_flag(l->run->options, "quiet")) {
        return;
    }
    fprintf(log, "aesop %s, %s, %d threads, %s, seed %llu\n", ae_version(), ae_kernels_name(), ae_threads(),
            ae_precision_name(ae_graph_get_precision(l->graph)), (unsigned long long)t->seed);
    fprintf(log, "%s: %.2f M parameters; weights, gradients and two moments of Adam take %.0f MiB\n",
            t->bundle->row->class_name, numel / 1e6, 4 * mib);
    fprintf(log, "%s: %lld examples of %.1f tokens; %lld steps of %lld x %lld (%.2f epochs)", t->train->objective,
            (long long)t->train->count, mean_length(t->train), (long long)t->steps,
            (long long)ae_options_int(l->run->options, "batch"), (long long)l->rounds,
            (double)t->steps / (double)steps_per_epoch(l));
    if (t->resume) {
        fprintf(log, ", going on from step %lld of %s", (long long)t->step, t->resume);
    }
    fprintf(log, "\n");
}

/* The first rows of the first batch as the model sees them. */
static void show_batch(const ae_loop *l, const ae_tensors *batch)
{
    const ae_tensor *ids = ae_tensors_get(batch, "input_ids");
    ids = ids ? ids : ae_tensors_get(batch, "s1_ids");
    for (int64_t b = 0; ids && b < ids->shape[0] && b < 3; b++) {
        int64_t n = ids->shape[1];
        int32_t *row = malloc((size_t)(n > 0 ? n : 1) * sizeof *row);
        for (int64_t i = 0; row && i < n; i++) {
            row[i] = (int32_t)ae_get_i64(ids, b * n + i);
        }
        char *text = row && l->t->bundle->tokenizer
                         ? ae_tokenizer_decode(l->t->bundle->tokenizer, row, n, false, NULL, NULL)
                         : NULL;
        fprintf(l->run->log, "first batch, row %lld: %s\n", (long long)b, text ? text : "(no tokenizer)");
        free(text);
        free(row);
    }
}

int ae_loop_dry_run(ae_loop *l)
{
    ae_tensors *batch = ae_batches_get(l->batches, l->t->step * l->rounds, &l->run->error);
    if (!batch) {
        return -1;
    }
    for (int i = 0; i < ae_tensors_count(batch); i++) {
        const ae_tensor *t = ae_tensors_at(batch, i);
        char shape[AE_SHAPE_TEXT_MAX];
        fprintf(l->run->log, "%s %s\n", ae_tensors_name(batch, i), ae_shape_text(t->ndim, t->shape, shape));
    }
    show_batch(l, batch);
    ae_tensors_free(batch);
    return 0;
}
