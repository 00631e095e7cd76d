/* The training loop, for every model and objective: batches by number, accumulation, schedule, evaluation, checkpoints,
 * resuming bit for bit, and hooks for programs of one's own. */
#ifndef AE_APPS_TRAINER_H
#define AE_APPS_TRAINER_H

#include "apps/evaluation.h"
#include "apps/model_bundle.h"
#include "apps/optim_settings.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The options that ae_train reads, for lists of options. */
#define AE_TRAIN_OPTIONS                                                                                               \
    AE_OPTIM_OPTIONS, AE_BUDGET_OPTIONS, "accumulate", "batch", "checkpoint-activations", "dry-run", "ema",            \
        "eval-every", "force", "keep", "log-every", "metric", "output", "patience", "plot", "precision", "profile",    \
        "progress", "quiet", "random-windows", "save-every", "seed", "threads", "update-in-backward", "verbose"

/* Where a run stands when a hook is called. */
typedef struct ae_moment {
    ae_run *run;
    ae_bundle *bundle;
    int64_t step, steps; /* steps done, and of the whole run */
    double loss, lr, grad_norm;
    const ae_evaluation *evaluation; /* at evaluations */
    const char *path;                /* at savings: the file that was written */
} ae_moment;

/* Called by the loop; a result other than 0 ends the run with run->error (AE_E_STATE when the hook left it empty). */
typedef struct ae_training_hooks {
    void *user;
    int (*before_step)(void *user, const ae_moment *m);
    int (*after_step)(void *user, const ae_moment *m);
    int (*evaluated)(void *user, const ae_moment *m);
    int (*saved)(void *user, const ae_moment *m);
} ae_training_hooks;

/* One run. */
typedef struct ae_training {
    ae_run *run;
    ae_bundle *bundle;
    const ae_dataset *train;
    const ae_dataset *valid; /* NULL: no evaluation */
    const char *output;      /* RUN.h5 */
    const char *resume;      /* the checkpoint whose weights the bundle holds; NULL: a new run */
    uint64_t seed;
    bool by_epoch; /* evaluate at the ends of epochs unless told otherwise; else ten times */

    /* What became of it. */
    int64_t step, steps;
    char metric[16]; /* "loss", "accuracy", ... */
    double best;     /* the best evaluation by it; NaN without one */
    int64_t best_step;
    int signal;       /* the signal that ended it, or 0 */
    double last_loss; /* mean over the last steps */
} ae_training;

/* Trains. Returns 0 when the run ended (also by a signal or for want of progress, state saved), or -1 and run->error:
 * AE_E_NONFINITE leaves the last good checkpoint and names it. */
AE_API int ae_train(ae_training *t);

/* The path of the best weights if the run has evaluated, else of the last: what to go on with. */
AE_API int ae_train_best_path(const ae_training *t, char path[4096], ae_err *e);

/* A number that says how good an evaluation is ("loss", "accuracy", "macro_f1", ...), and whether more is better. NaN
 * when the metric does not fit the data. */
AE_API double ae_evaluation_metric(const ae_evaluation *x, const char *metric);
AE_API bool ae_metric_rises(const char *metric);

/* Whether a metric can be had of an objective's answers. */
AE_API bool ae_metric_fits(const char *objective, const char *metric);

#ifdef __cplusplus
}
#endif
#endif
