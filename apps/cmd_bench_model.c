#include "apps/bench.h"
#include "apps/bench_matmul.h"
#include "apps/command_table.h"
#include "apps/precision.h"
#include "apps/profiling.h"
#include "tensor/gemm.h"
#include "tensor/threads.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STEPS = 1000 };

typedef struct measurement {
    bool train; /* forward, backward and update; else forward alone */
    ae_bench_model model;
    ae_graph *graph;
    ae_optimizer *optimizer;
    int64_t batch, seq;
    int steps;
    bool recompute; /* --checkpoint-activations */
    bool early;     /* --update-in-backward */
    double times[MAX_STEPS];
    double flop; /* of the products of one step */
    double loss;
} measurement;

static int run_steps(measurement *t, ae_profile *profile, ae_err *e)
{
    t->model.early = t->early;
    t->optimizer = t->train ? ae_bench_optimizer(&t->model, e) : NULL;
    if (t->train && !t->optimizer) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for the optimizer");
    }
    ae_graph_sparse_gradients(t->graph, true);
    if (t->recompute && ae_zoo_recompute(t->model.row, t->model.self, t->graph, e) != 0) {
        return ae_err_prefix(e, "--checkpoint-activations"), -1;
    }
    for (int i = -1; i < t->steps; i++) { /* the first step asks the system for memory and is not counted */
        int64_t span = ae_profile_begin(profile, "step");
        double start = ae_seconds(), flop = ae_gemm_flop();
        if (ae_bench_step(&t->model, t->graph, t->optimizer, i + 1, false, &t->loss, e) != 0) {
            return -1;
        }
        if (i >= 0) {
            t->times[i] = ae_seconds() - start;
            t->flop = ae_gemm_flop() - flop;
        }
        ae_profile_end(profile, span);
    }
    return 0;
}

/* Tokens of a step: InferSent reads pairs of texts. */
static int64_t tokens_of(const measurement *t)
{
    return t->batch * t->seq * (strcmp(t->model.row->name, "infersent") == 0 ? 2 : 1);
}

static int print_result(ae_run *run, const measurement *t, double gflops)
{
    double tokens = (double)tokens_of(t);
    double times[MAX_STEPS], best = t->times[0];
    memcpy(times, t->times, sizeof times);
    for (int i = 1; i < t->steps; i++) {
        best = fmin(best, times[i]);
    }
    double median = ae_median(times, t->steps), share = t->flop * 1e-9 / (gflops * best);
    if (!run->json) {
        fprintf(run->out,
                "%-24s %.1f best, %.1f median\n%-24s %.3f best, %.3f median\n%-24s %.2f\n%-24s %.2f\n%-24s "
                "%.1f\n%-24s %.2f\n",
                "tokens/s", tokens / best, tokens / median, "seconds a step", best, median, "peak memory, GiB",
                ae_peak_rss_gib(), "held of it, GiB",
                (double)ae_bench_held_bytes(&t->model, t->graph, t->optimizer) / 0x1p30, "matmul peak, GFLOP/s", gflops,
                "matmul share", share);
        return AE_EXIT_DONE;
    }
    ae_json *o = ae_json_new_object(), *rates = ae_json_new_object();
    ae_json_set_string(o, "model", ae_options_text(run->options, "model"));
    ae_json_set_int(o, "batch", t->batch);
    ae_json_set_int(o, "seq", t->seq);
    ae_json_set_int(o, "steps", t->steps);
    ae_json_set_string(o, "precision", ae_precision_name(ae_graph_get_precision(t->graph)));
    ae_json_set_int(o, "threads", ae_threads());
    ae_json_set_int(o, "parameters", ae_model_numel(t->model.root));
    ae_json_set_double(rates, "best", tokens / best);
    ae_json_set_double(rates, "median", tokens / median);
    ae_json_set(o, "tokens_per_s", rates);
    ae_json_set_double(o, "step_seconds_best", best);
    ae_json_set_double(o, "peak_rss_gib", ae_peak_rss_gib());
    ae_json_set_int(o, "held_bytes", ae_bench_held_bytes(&t->model, t->graph, t->optimizer));
    ae_json_set_double(o, "step_gflop", t->flop * 1e-9);
    ae_json_set_double(o, "matmul_gflops_peak", gflops);
    ae_json_set_double(o, "matmul_share", share);
    ae_json_set_double(o, "loss", t->loss);
    return ae_run_print_json(run, o);
}

static int run_bench(ae_run *run, bool train)
{
    const ae_options *o = run->options;
    const ae_recipe *recipe = ae_recipe_find(ae_options_text(o, "model"), &run->error);
    measurement t = {.train = train};
    t.early = train && ae_options_flag(o, "update-in-backward");
    t.recompute = train && ae_options_flag(o, "checkpoint-activations");
    t.batch = ae_options_int_or(o, "batch", 32);
    t.seq = ae_options_int_or(o, "seq", 128);
    t.steps = (int)fmin((double)ae_options_int_or(o, "steps", 3), MAX_STEPS);
    t.graph = recipe ? ae_bench_graph(run, train) : NULL;
    int status = -1;
    if (t.graph && ae_bench_model_new(&t.model, recipe, t.batch, t.seq, true, &run->error) == 0 &&
        run_steps(&t, run->profile, &run->error) == 0) {
        double gflops =
            ae_bench_matmul_rate(t.model.root, tokens_of(&t), train, ae_graph_get_precision(t.graph), &run->error);
        status = run->error.code ? -1 : print_result(run, &t, gflops);
    }
    ae_optimizer_free(t.optimizer);
    ae_bench_model_free(&t.model);
    ae_graph_free(t.graph);
    return status;
}

static int run_train(ae_run *run)
{
    return run_bench(run, true);
}

static int run_infer(ae_run *run)
{
    return run_bench(run, false);
}

static const char *const train_options[] = {AE_BENCH_OPTIONS,     "seq", "steps", "profile", "checkpoint-activations",
                                            "update-in-backward", NULL};
static const char *const infer_options[] = {AE_BENCH_OPTIONS, "seq", "steps", "profile", NULL};

const ae_command ae_cmd_bench_train = {
    .name = "bench train",
    .summary = "measure training steps: tokens a second, memory, share of the matmul rate",
    .details = "Trains a model of a standard size (`list recipes`) on random tokens: forward, backward, clipping and "
               "AdamW, dropout on; BERT predicts 15 % of the positions. The matmul rate is measured in the same run on "
               "the model's own weight matrices; the share is the time that all matrix products of the step, but for "
               "those of attention, would take at this rate over the best step's time.",
    .options = train_options,
    .run = run_train,
};

const ae_command ae_cmd_bench_infer = {
    .name = "bench infer",
    .summary = "measure forward passes: tokens a second, memory, share of the matmul rate",
    .details = "As `bench train`, but without backward, update and dropout.",
    .options = infer_options,
    .run = run_infer,
};
