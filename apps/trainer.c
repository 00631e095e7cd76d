#include "apps/trainer_internal.h"

#include "apps/clock.h"
#include "apps/loss_plot.h"
#include "apps/precision.h"
#include "apps/stop_signal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { AHEAD = 2, SAVE_SECONDS = 600, PLOT_WIDTH = 64, PLOT_HEIGHT = 14 };

int ae_loop_hook(const ae_loop *l, int (*hook)(void *user, const ae_moment *m), const ae_evaluation *x,
                 const char *path, double loss)
{
    if (!hook) {
        return 0;
    }
    ae_moment m = {.run = l->run,
                   .bundle = l->t->bundle,
                   .step = l->t->step,
                   .steps = l->t->steps,
                   .loss = loss,
                   .lr = l->lr,
                   .grad_norm = l->grad_norm,
                   .evaluation = x,
                   .path = path};
    if (hook(l->run->app->hooks->user, &m) == 0) {
        return 0;
    }
    if (!l->run->error.code) {
        ae_err_set(&l->run->error, AE_E_STATE, "a hook of %s ended the run at step %lld", ae_app_name(l->run->app),
                   (long long)l->t->step);
    }
    return -1;
}

static const ae_training_hooks no_hooks;

static const ae_training_hooks *hooks_of(const ae_loop *l)
{
    return l->run->app && l->run->app->hooks ? l->run->app->hooks : &no_hooks;
}

/* ---- evaluation --------------------------------------------------------------------------------------------------------- */

static int log_evaluation(ae_loop *l, const ae_evaluation *x, double value, bool better)
{
    ae_json *line = ae_json_new_object();
    ae_json_set_string(line, "kind", "evaluation");
    ae_json_set_int(line, "step", l->t->step);
    ae_json_set_double(line, "loss", x->loss);
    ae_json_set_double(line, l->t->metric, value);
    ae_json_set_bool(line, "best", better);
    ae_progress_clear(&l->progress);
    if (!ae_options_flag(l->run->options, "quiet")) {
        fprintf(l->run->log, "step %lld: validation loss %.4f", (long long)l->t->step, x->loss);
        if (strcmp(l->t->metric, "loss") != 0) {
            fprintf(l->run->log, ", %s %.4f", l->t->metric, value);
        }
        fprintf(l->run->log, "%s\n", better ? " (best)" : "");
    }
    return ae_run_log(&l->files, line, &l->run->error);
}

/* Evaluates with the averaged weights where there are some, and keeps them if they are the best. */
static int evaluate(ae_loop *l)
{
    ae_evaluation x = {0};
    int64_t span = ae_profile_begin(l->run->profile, "evaluation");
    if (l->average) {
        ae_average_swap(l->average);
    }
    int status =
        ae_evaluate(l->t->bundle, l->graph, l->t->valid, ae_options_int(l->run->options, "batch"), &x, &l->run->error);
    ae_model_drop_packs(l->t->bundle->model); /* the next step changes the values; training needs the memory */
    double value = status == 0 ? ae_evaluation_metric(&x, l->t->metric) : (double)NAN;
    bool better = !isnan(value) &&
                  (isnan(l->t->best) || (ae_metric_rises(l->t->metric) ? value > l->t->best : value < l->t->best));
    l->bad = better ? 0 : l->bad + 1;
    if (status == 0 && better) {
        l->t->best = value;
        l->t->best_step = l->t->step;
        status = ae_loop_save_best(l);
    }
    if (l->average) {
        ae_average_swap(l->average);
    }
    if (status == 0 && !isfinite(x.loss)) {
        ae_progress_clear(&l->progress);
        status = ae_loop_not_finite(l, "the validation loss is not finite");
    }
    status = status == 0 ? log_evaluation(l, &x, value, better) : status;
    status = status == 0 ? ae_loop_hook(l, hooks_of(l)->evaluated, &x, NULL, x.loss) : status;
    ae_evaluation_free(&x);
    ae_profile_end(l->run->profile, span);
    return status;
}

/* ---- the loop --------------------------------------------------------------------------------------------------------------- */

static int log_step(ae_loop *l, double rate)
{
    ae_json *line = ae_json_new_object();
    ae_json_set_string(line, "kind", "step");
    ae_json_set_int(line, "step", l->t->step);
    ae_json_set_double(line, "loss", l->loss_count > 0 ? l->loss_sum / (double)l->loss_count : (double)NAN);
    ae_json_set_double(line, "lr", l->lr);
    ae_json_set_double(line, "grad_norm", l->grad_norm);
    ae_json_set_int(line, "tokens", l->tokens);
    ae_json_set_double(line, "tokens_per_s", rate);
    l->loss_sum = 0;
    l->loss_count = 0;
    return ae_run_log(&l->files, line, &l->run->error);
}

static int after_step(ae_loop *l, double loss)
{
    double seconds = ae_seconds() - l->started;
    double rate = seconds > 0 ? (double)(l->tokens - l->first_tokens) / seconds : 0;
    char note[96];
    l->loss_sum += loss;
    l->loss_count++;
    l->t->last_loss = l->loss_sum / (double)l->loss_count;
    snprintf(note, sizeof note, "step %lld, loss %.4f, %.0f tokens/s", (long long)l->t->step, l->t->last_loss, rate);
    ae_progress_show(&l->progress, (double)l->t->step, (double)l->t->steps, (double)l->first_step, note);
    if (ae_loop_hook(l, hooks_of(l)->after_step, NULL, NULL, loss) != 0) {
        return -1;
    }
    bool due = l->t->step % ae_options_int(l->run->options, "log-every") == 0 || l->t->step == l->t->steps;
    return due ? log_step(l, rate) : 0;
}

static int save(ae_loop *l)
{
    int64_t span = ae_profile_begin(l->run->profile, "save");
    int status = ae_loop_save(l);
    ae_profile_end(l->run->profile, span);
    return status;
}

/* Evaluation and checkpoint where they are due; *stop is set when patience has run out. */
static int keep_up(ae_loop *l, bool *stop)
{
    bool last = l->t->step >= l->t->steps, evaluated = false;
    int64_t patience = ae_options_int(l->run->options, "patience");
    if (l->t->valid && (last || l->t->step % l->eval_every == 0)) {
        if (evaluate(l) != 0) {
            return -1;
        }
        evaluated = true;
    }
    *stop = patience > 0 && l->bad >= patience;
    l->t->signal = ae_stop_signal();
    bool due = l->save_every > 0 ? l->t->step % l->save_every == 0 : evaluated;
    bool old = ae_seconds() - l->saved_at > SAVE_SECONDS;
    return last || *stop || due || old || l->t->signal ? save(l) : 0;
}

static void say_end(ae_loop *l, bool stop)
{
    char time[32];
    ae_progress_clear(&l->progress);
    if (ae_options_flag(l->run->options, "quiet")) {
        return;
    }
    ae_duration(ae_seconds() - l->started, time);
    if (l->t->signal) {
        fprintf(l->run->log, "stopped by signal %d at step %lld; go on with --resume %s\n", l->t->signal,
                (long long)l->t->step, l->t->output);
    } else {
        fprintf(l->run->log, "%s at step %lld after %s; %s\n",
                stop ? "no better evaluation for a while: stopped" : "done", (long long)l->t->step, time, l->t->output);
    }
}

static int plot(ae_loop *l)
{
    char path[AE_RUN_PATH];
    return ae_run_path(l->t->output, "log.jsonl", path, &l->run->error) == 0
               ? ae_loss_plot(l->run->log, path, PLOT_WIDTH, PLOT_HEIGHT, &l->run->error)
               : -1;
}

static int run_loop(ae_loop *l)
{
    bool stop = false;
    double loss = 0;
    l->started = l->saved_at = ae_seconds();
    l->first_step = l->t->step;
    l->first_tokens = l->tokens;
    l->progress = ae_progress_begin(l->run, "train");
    while (l->t->step < l->t->steps && !stop && !l->t->signal) {
        if (ae_loop_hook(l, hooks_of(l)->before_step, NULL, NULL, (double)NAN) != 0 || ae_loop_step(l, &loss) != 0 ||
            after_step(l, loss) != 0 || keep_up(l, &stop) != 0) {
            ae_progress_clear(&l->progress);
            return -1;
        }
    }
    say_end(l, stop);
    return ae_options_flag(l->run->options, "plot") ? plot(l) : 0;
}

/* ---- setting up ---------------------------------------------------------------------------------------------------------------- */

static int make_parts(ae_loop *l)
{
    ae_err *e = &l->run->error;
    const ae_options *o = l->run->options;
    ae_dtype precision;
    double ema = ae_options_real(o, "ema");
    if (ae_precision_read(l->run, true, &precision) != 0) {
        return -1;
    }
    l->graph = ae_graph_new();
    l->optimizer = ae_optim_from_options(l->run, l->t->bundle->model);
    if (!l->graph || !l->optimizer) {
        return e->code ? -1 : ae_err_set(e, AE_E_MEMORY, "no memory for training");
    }
    ae_graph_precision(l->graph, precision);
    ae_graph_sparse_gradients(l->graph, true);
    if (ae_options_flag(o, "checkpoint-activations") &&
        ae_zoo_recompute(l->t->bundle->row, l->t->bundle->self, l->graph, e) != 0) {
        return ae_err_prefix(e, "--checkpoint-activations"), -1;
    }
    ae_graph_profile(l->graph, l->run->profile);
    if (ema > 0) {
        l->average = ae_average_new(l->t->bundle->model, ema, true, e);
    }
    return e->code || (l->t->resume && ae_loop_load(l) != 0) ? -1 : 0;
}

/* --update-in-backward sees one gradient at a time. */
static int check_early(ae_loop *l)
{
    double clip = ae_options_real(l->run->options, "clip");
    int64_t rounds = ae_options_int(l->run->options, "accumulate");
    l->early = ae_options_flag(l->run->options, "update-in-backward");
    if (l->early && clip > 0) {
        return ae_err_set(&l->run->error, AE_E_VALUE, AE_EARLY_NO_CLIP, clip);
    }
    if (l->early && rounds > 1) {
        return ae_err_set(&l->run->error, AE_E_VALUE, AE_EARLY_NO_ROUNDS, (long long)rounds);
    }
    return 0;
}

static int make_batches(ae_loop *l)
{
    ae_batch_plan plan = {.seed = l->t->seed, .shuffle = true, .ahead = AHEAD};
    plan.batch = ae_options_int_or(l->run->options, "batch", 32);
    plan.windows = ae_options_flag(l->run->options, "random-windows");
    l->rounds = ae_options_int(l->run->options, "accumulate");
    if (l->run->profile && !(l->profiled = ae_profiled_dataset(l->t->train, l->run->profile, &l->run->error))) {
        return -1;
    }
    l->batches = ae_batches_new(l->profiled ? l->profiled : l->t->train, &plan, &l->run->error);
    return l->batches ? 0 : -1;
}

static int choose_metric(ae_loop *l)
{
    const char *metric = ae_options_text(l->run->options, "metric");
    const char *objective = l->t->train->objective;
    if (strcmp(metric, "auto") == 0) {
        metric = strcmp(objective, "classes") == 0      ? "accuracy"
                 : strcmp(objective, "regression") == 0 ? "pearson"
                                                        : "loss";
    }
    snprintf(l->t->metric, sizeof l->t->metric, "%s", metric);
    if (!ae_metric_fits(objective, metric)) {
        return ae_err_set(&l->run->error, AE_E_VALUE, "--metric %s does not fit the objective %s", metric, objective);
    }
    return 0;
}

static int train(ae_loop *l)
{
    ae_training *t = l->t;
    bool resume = t->resume != NULL, dry = ae_options_flag(l->run->options, "dry-run");
    if (check_early(l) != 0 || make_parts(l) != 0 || make_batches(l) != 0 || ae_loop_plan(l) != 0) {
        return -1;
    }
    ae_loop_introduce(l);
    if (dry) {
        return ae_loop_dry_run(l);
    }
    if (ae_run_files_open(&l->files, t->output, resume && strcmp(t->resume, t->output) == 0, t->step, &l->run->error) !=
        0) {
        return -1;
    }
    return run_loop(l);
}

int ae_train(ae_training *t)
{
    ae_loop l = {.t = t, .run = t->run, .saved = -1, .files = {.lock = -1}};
    t->step = 0;
    t->best = (double)NAN;
    t->best_step = 0;
    t->signal = 0;
    ae_stop_signal_begin();
    int status = choose_metric(&l) == 0 ? train(&l) : -1;
    ae_stop_signal_end();
    ae_run_files_close(&l.files);
    ae_batches_free(l.batches);
    ae_dataset_free(l.profiled);
    ae_average_free(l.average);
    ae_optimizer_free(l.optimizer);
    ae_graph_free(l.graph);
    return status;
}

int ae_train_best_path(const ae_training *t, char path[4096], ae_err *e)
{
    if (isnan(t->best)) {
        snprintf(path, 4096, "%s", t->output);
        return 0;
    }
    return ae_run_path(t->output, "best.h5", path, e);
}
