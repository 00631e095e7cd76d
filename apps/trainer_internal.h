/* The state of a training loop, shared by its files. */
#ifndef AE_APPS_TRAINER_INTERNAL_H
#define AE_APPS_TRAINER_INTERNAL_H

#include "apps/profiling.h"
#include "apps/progress.h"
#include "apps/run_files.h"
#include "apps/trainer.h"
#include "nn/average.h"

typedef struct ae_loop {
    ae_training *t;
    ae_run *run;
    ae_graph *graph;
    ae_optimizer *optimizer;
    ae_average *average;  /* NULL without --ema */
    ae_dataset *profiled; /* the data as --profile sees it; NULL without */
    ae_batches *batches;
    ae_schedule schedule;
    ae_run_files files;
    ae_progress progress;
    bool early;    /* --update-in-backward */
    bool updating; /* the backward that runs is to update */
    bool updated;  /* and has done so */
    int64_t rounds, eval_every, save_every;
    int64_t bad;     /* evaluations in a row without a new best */
    int64_t tokens;  /* seen so far */
    int64_t saved;   /* the step that the file holds; -1: none */
    double saved_at; /* seconds of the clock */
    double started;
    int64_t first_step, first_tokens; /* of this process */
    double lr, grad_norm;
    double loss_sum; /* since the last line of the log */
    int64_t loss_count;
} ae_loop;

/* trainer_state.c: everything that outlives the process. */
int ae_loop_save(ae_loop *l);
int ae_loop_save_best(ae_loop *l);
int ae_loop_load(ae_loop *l);

/* trainer_plan.c: how long, how often, and what a run says of itself before it starts. */
int ae_loop_plan(ae_loop *l);
void ae_loop_introduce(const ae_loop *l);
int ae_loop_dry_run(ae_loop *l);

/* trainer_step.c: one step of the optimizer over its rounds; *loss is the mean. */
int ae_loop_step(ae_loop *l, double *loss);
int ae_loop_backward(ae_loop *l, int64_t step, double *loss); /* gradients alone, for measuring */

/* Ends the run: says what was not finite, and which weights are good. Returns -1. */
int ae_loop_not_finite(ae_loop *l, const char *what);

/* Calls a hook of the program. */
int ae_loop_hook(const ae_loop *l, int (*hook)(void *user, const ae_moment *m), const ae_evaluation *x,
                 const char *path, double loss);

#endif
