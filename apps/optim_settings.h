/* The options of the update: optimizer, groups, schedule, freezing, length of training. */
#ifndef AE_APPS_OPTIM_SETTINGS_H
#define AE_APPS_OPTIM_SETTINGS_H

#include "apps/app.h"
#include "nn/optimizer.h"
#include "nn/schedule.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The names of the options that these functions read, for lists of options. */
#define AE_OPTIM_OPTIONS                                                                                               \
    "optimizer", "lr", "schedule", "warmup", "end-scale", "beta1", "beta2", "eps", "weight-decay", "clip", "freeze",   \
        "layer-decay"

/* Why --update-in-backward cannot be had; the values are those of --clip and --accumulate. */
#define AE_EARLY_NO_CLIP "--update-in-backward: --clip %g needs the gradients of all parameters at once; give --clip 0"
#define AE_EARLY_NO_ROUNDS                                                                                             \
    "--update-in-backward: --accumulate %lld keeps gradients from batch to batch; give --accumulate 1"

/* Freezes what --freeze names and makes the optimizer. NULL and run->error: a pattern that names nothing, an unknown
 * rule, a bad number. */
AE_API ae_optimizer *ae_optim_from_options(ae_run *run, ae_model *m);

/* The schedule over `steps` steps. Returns 0, or -1 and run->error. */
AE_API int ae_schedule_from_options(ae_run *run, int64_t steps, ae_schedule *schedule);

/* How long to train: which of --steps, --epochs, --tokens and --time was set last by the order of origins. Two on the
 * command line are an error. */
typedef struct ae_budget {
    enum { AE_BUDGET_STEPS, AE_BUDGET_EPOCHS, AE_BUDGET_TOKENS, AE_BUDGET_TIME } kind;
    double amount; /* steps, epochs, tokens, seconds */
} ae_budget;

#define AE_BUDGET_OPTIONS "steps", "epochs", "tokens", "time"

AE_API int ae_budget_from_options(ae_run *run, ae_budget *budget);

#ifdef __cplusplus
}
#endif
#endif
