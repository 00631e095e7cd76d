/* A training command's runs: one, or with --seeds one for each seed, and what is printed of them. */
#ifndef AE_APPS_RUN_SEEDS_H
#define AE_APPS_RUN_SEEDS_H

#include "apps/trainer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One run to `output` (NULL: the command has no -o). Fills *result, and *score with the number by which seeds are
 * compared; prints its own result. Returns 0, or -1 and run->error. */
typedef int (*ae_seed_run)(ae_run *run, const char *output, uint64_t seed, ae_training *result, double *score);

/* Calls `once` with --seed and -o; or, for each seed of --seeds "A..B" or "A,B,C", with RUN.seed-N.h5, and then prints
 * the scores with mean and standard deviation (of the sample). Returns the command's exit status, or -1 and
 * run->error. */
AE_API int ae_run_each_seed(ae_run *run, ae_seed_run once);

/* What every training command says of a run: output, seed, steps, losses, the best evaluation; to be extended and
 * printed. The caller's. */
AE_API ae_json *ae_training_json(const ae_training *t);

#ifdef __cplusplus
}
#endif
#endif
