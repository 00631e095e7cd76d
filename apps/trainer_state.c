/* What a run leaves behind and finds again: weights, optimizer, average, and where it stood. */
#include "apps/trainer_internal.h"

#include "apps/clock.h"
#include "tensor/kernels.h"
#include "tensor/model_file.h"
#include "tensor/onednn.h"
#include "tensor/threads.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What the bits of a run depend on besides its settings. */
static ae_json *circumstances(void)
{
    char onednn[AE_ONEDNN_NAME_MAX];
    ae_json *o = ae_json_new_object();
    ae_onednn_version(onednn);
    ae_json_set_string(o, "version", ae_version());
    ae_json_set_string(o, "instruction set", ae_kernels_name());
    ae_json_set_int(o, "threads", ae_threads());
    ae_json_set_string(o, "oneDNN", onednn);
    return o;
}

/* A run that goes on under others is equal to rounding only. */
static void compare_circumstances(const ae_loop *l, const ae_json *then)
{
    ae_json *now = circumstances();
    for (const ae_json *m = ae_json_first(now); m; m = ae_json_next(m)) {
        char *a = ae_json_text(ae_json_get(then, ae_json_key(m)), false, NULL), *b = ae_json_text(m, false, NULL);
        if (a && b && strcmp(a, b) != 0) {
            fprintf(l->run->log, "warning: %s was %s before and is %s now: the run goes on, but not bit for bit\n",
                    ae_json_key(m), a, b);
        }
        free(a);
        free(b);
    }
    ae_json_free(now);
}

/* Nothing here may depend on the clock: a resumed run must write the same bytes. */
static ae_json *standing(const ae_loop *l)
{
    ae_json *o = ae_json_new_object();
    ae_json_set_int(o, "tokens", l->tokens);
    ae_json_set_string(o, "metric", l->t->metric);
    ae_json_set_double(o, "best", l->t->best);
    ae_json_set_int(o, "best_step", l->t->best_step);
    ae_json_set_int(o, "bad_evaluations", l->bad);
    ae_json_set_double(o, "loss_sum", l->loss_sum);
    ae_json_set_int(o, "loss_count", l->loss_count);
    ae_json_set(o, "made_with", circumstances());
    return o;
}

static ae_tensors *average_tensors(const ae_loop *l, ae_err *e)
{
    ae_tensors *t = ae_tensors_new();
    if (t && ae_average_save(l->average, t, e) != 0) {
        ae_tensors_free(t);
        return NULL;
    }
    return t;
}

int ae_loop_save(ae_loop *l)
{
    ae_err *e = &l->run->error;
    ae_snapshot s = {.model = l->t->bundle->model,
                     .optimizer = l->optimizer,
                     .seed = l->t->seed,
                     .step = l->t->step,
                     .extra = standing(l)};
    ae_tensors *average = l->average ? average_tensors(l, e) : NULL;
    int status = l->average && !average ? -1 : ae_bundle_save(l->t->bundle, l->t->output, &s, average, e);
    ae_tensors_free(average);
    ae_json_free(s.extra);
    if (status != 0 || ae_run_keep(&l->files, l->t->step, ae_options_int(l->run->options, "keep"), e) != 0) {
        return -1;
    }
    l->saved = l->t->step;
    l->saved_at = ae_seconds();
    return ae_loop_hook(l, l->run->app && l->run->app->hooks ? l->run->app->hooks->saved : NULL, NULL, l->t->output,
                        (double)NAN);
}

int ae_loop_save_best(ae_loop *l)
{
    char path[AE_RUN_PATH];
    if (ae_run_path(l->t->output, "best.h5", path, &l->run->error) != 0) {
        return -1;
    }
    return ae_bundle_save(l->t->bundle, path, NULL, NULL, &l->run->error);
}

static int take_average(ae_loop *l, ae_h5 *f)
{
    ae_err *e = &l->run->error;
    if (!ae_h5_has(f, "average")) {
        return ae_err_set(e, AE_E_MISSING, "%s holds no moving average; it was trained without --ema", l->t->resume);
    }
    ae_tensors *t = ae_h5_read_tensors(f, "average", '/', e);
    int status = t ? ae_average_load(l->average, t, e) : -1;
    ae_tensors_free(t);
    return status;
}

int ae_loop_load(ae_loop *l)
{
    ae_err *e = &l->run->error;
    ae_model_info info = {0};
    ae_snapshot s = {.model = l->t->bundle->model, .optimizer = l->optimizer};
    ae_h5 *f = ae_model_file_open(l->t->resume, &info, e);
    ae_model_info_free(&info);
    int status = f ? ae_snapshot_read(f, &s, e) : -1;
    if (status == 0 && !s.extra) {
        status = ae_err_set(e, AE_E_MISSING, "%s holds weights alone, no state of training: --init starts from it",
                            l->t->resume);
    }
    if (status == 0) {
        l->t->step = s.step;
        l->t->seed = s.seed;
        l->tokens = ae_json_int(s.extra, "tokens", 0, e);
        l->t->best = ae_json_double(s.extra, "best", (double)NAN, e);
        l->t->best_step = ae_json_int(s.extra, "best_step", 0, e);
        l->bad = ae_json_int(s.extra, "bad_evaluations", 0, e);
        l->loss_sum = ae_json_double(s.extra, "loss_sum", 0, e);
        l->loss_count = ae_json_int(s.extra, "loss_count", 0, e);
        l->saved = s.step;
        compare_circumstances(l, ae_json_get(s.extra, "made_with"));
        status = e->code ? -1 : l->average ? take_average(l, f) : 0;
    }
    ae_json_free(s.extra);
    ae_h5_close(f);
    return status;
}
