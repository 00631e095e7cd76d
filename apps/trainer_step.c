/* One step: its batches, their gradients, the update. */
#include "apps/trainer_internal.h"

#include <math.h>
#include <stdlib.h>

static int graph_error(ae_loop *l)
{
    const ae_err *e = ae_graph_error(l->graph);
    return ae_err_set(&l->run->error, e->code, "%s", e->message);
}

/* The batches of a step, so that each round's weight in the mean is known before the first. */
static int fetch(ae_loop *l, int64_t step, ae_tensors **batches, double *weights)
{
    double all = 0;
    for (int64_t r = 0; r < l->rounds; r++) {
        int64_t span = ae_profile_begin(l->run->profile, "wait for data");
        batches[r] = ae_batches_get(l->batches, step * l->rounds + r, &l->run->error);
        ae_profile_end(l->run->profile, span);
        if (!batches[r]) {
            return -1;
        }
        weights[r] = (double)ae_batch_predictions(l->t->train, batches[r]);
        all += weights[r];
    }
    for (int64_t r = 0; r < l->rounds; r++) {
        weights[r] = all > 0 ? weights[r] / all : 0;
    }
    return 0;
}

/* Backward, with the update inside it where that was asked for. A loss that is not finite updates nothing: the caller
 * ends the run. */
static int differentiate(ae_loop *l, ae_tensor *y, double loss)
{
    if (!l->updating) {
        return ae_backward(l->graph, y, 0);
    }
    l->updated = true;
    return isfinite(loss) ? ae_optimizer_backward(l->optimizer, l->graph, y, l->lr) : 0;
}

/* Adds one round's gradients, weighted so that rounds give what one large batch would. */
static int add_round(ae_loop *l, int64_t step, int64_t round, const ae_tensors *batch, double weight, double *loss)
{
    ae_graph *g = l->graph;
    ae_tensors *outputs = ae_tensors_new();
    ae_graph_random(g, l->t->seed, (uint64_t)step, (uint32_t)round, 0);
    ae_graph_begin(g, AE_TRAIN);
    ae_tensor *y = ae_bundle_run(l->t->bundle, g, batch, outputs, true);
    int status = -1;
    if (!ae_ok(g)) {
        graph_error(l);
    } else if (!y) {
        ae_err_set(&l->run->error, AE_E_STATE, "%s gives no loss on data for %s", l->t->bundle->row->class_name,
                   l->t->train->objective);
    } else {
        *loss += weight * ae_item(y);
        y = l->rounds > 1 ? ae_scale(g, y, weight) : y;
        status = differentiate(l, y, *loss) == 0 ? 0 : graph_error(l);
    }
    ae_tensors_free(outputs);
    return status;
}

int ae_loop_backward(ae_loop *l, int64_t step, double *loss)
{
    ae_tensors **batches = calloc((size_t)l->rounds, sizeof *batches);
    double *weights = calloc((size_t)l->rounds, sizeof *weights);
    int status = batches && weights ? 0 : ae_err_set(&l->run->error, AE_E_MEMORY, "no memory for batches");
    *loss = 0;
    status = status == 0 ? fetch(l, step, batches, weights) : status;
    for (int64_t r = 0; r < l->rounds && status == 0; r++) {
        if (weights[r] > 0) {
            status = add_round(l, step, r, batches[r], weights[r], loss);
        }
        l->tokens += ae_batch_tokens(batches[r]);
    }
    for (int64_t r = 0; batches && r < l->rounds; r++) {
        ae_tensors_free(batches[r]);
    }
    free(batches);
    free(weights);
    return status;
}

int ae_loop_not_finite(ae_loop *l, const char *what)
{
    char message[AE_ERR_MESSAGE_MAX];
    snprintf(message, sizeof message, "%s", what);
    ae_err_clear(&l->run->error); /* it may hold what, without the step and the remedy */
    if (l->saved >= 0) {
        return ae_err_set(
            &l->run->error, AE_E_NONFINITE,
            "step %lld: %s. The weights of step %lld are in %s; a smaller --lr, a longer --warmup or --clip "
            "1 may help",
            (long long)l->t->step, message, (long long)l->saved, l->t->output);
    }
    return ae_err_set(
        &l->run->error, AE_E_NONFINITE,
        "step %lld: %s, before the first checkpoint; a smaller --lr, a longer --warmup or --clip 1 may help",
        (long long)l->t->step, message);
}

static int run_step(ae_loop *l, double *loss)
{
    l->lr = ae_schedule_rate(&l->schedule, l->t->step);
    l->updating = l->early;
    l->updated = false;
    int status = ae_loop_backward(l, l->t->step, loss);
    l->updating = false;
    if (status != 0) {
        ae_model_zero_grad(l->t->bundle->model);
        return l->run->error.code == AE_E_NONFINITE ? ae_loop_not_finite(l, l->run->error.message) : -1;
    }
    if (!isfinite(*loss)) {
        ae_model_zero_grad(l->t->bundle->model);
        return ae_loop_not_finite(l, "the loss is not finite");
    }
    if (!l->updated && ae_optimizer_step(l->optimizer, l->graph, l->lr) != 0) {
        const ae_err *e = ae_graph_error(l->graph);
        return e->code == AE_E_NONFINITE ? ae_loop_not_finite(l, e->message) : graph_error(l);
    }
    l->grad_norm = ae_optimizer_report(l->optimizer).grad_norm;
    l->t->step++;
    if (l->average) {
        ae_average_update(l->average);
    }
    return 0;
}

int ae_loop_step(ae_loop *l, double *loss)
{
    int64_t span = ae_profile_begin(l->run->profile, "step");
    int status = run_step(l, loss);
    ae_profile_end(l->run->profile, span);
    return status;
}
