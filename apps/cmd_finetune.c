#include "apps/command_table.h"
#include "apps/profiling.h"
#include "apps/run_files.h"
#include "apps/run_seeds.h"
#include "apps/run_start.h"
#include "apps/settings.h"
#include "apps/table_settings.h"
#include "apps/trainer.h"
#include "datasets/labelled.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TRAIN, VALID, TEST, SPLITS };

static const char *const splits[SPLITS] = {[TRAIN] = "train", [VALID] = "valid", [TEST] = "test"};

/* The labelled tables of one run. */
typedef struct task {
    ae_table *tables[SPLITS];
    ae_dataset *data[SPLITS];
    ae_labels *labels; /* NULL: regression */
    bool regression;
} task;

static void free_task(task *t)
{
    for (int i = 0; i < SPLITS; i++) {
        ae_table_free(t->tables[i]);
        ae_dataset_free(t->data[i]);
    }
    ae_labels_free(t->labels);
}

/* ---- tables ------------------------------------------------------------------------------------------------------------------ */

static int open_tables(ae_run *run, task *t)
{
    ae_table_options options;
    if (!ae_options_text(run->options, "train")) {
        return ae_err_set(&run->error, AE_E_MISSING, "which table? --train FILE with labels and texts");
    }
    ae_table_settings(run, &options);
    for (int i = 0; i < SPLITS; i++) {
        const char *path = ae_options_text(run->options, splits[i]);
        run->error_file = path;
        t->tables[i] = path ? ae_table_open(path, &options, &run->error) : NULL;
        if (path && !t->tables[i]) {
            return -1;
        }
        if (path && t->tables[i]->left_out > 0) {
            fprintf(run->log, "%s: %lld rows left out\n", path, (long long)t->tables[i]->left_out);
        }
        if (path && t->tables[i]->pairs != t->tables[TRAIN]->pairs) {
            return ae_err_set(&run->error, AE_E_VALUE, "%s has %s, %s has %s", path,
                              t->tables[i]->pairs ? "pairs" : "single texts", t->tables[TRAIN]->path,
                              t->tables[TRAIN]->pairs ? "pairs" : "single texts");
        }
    }
    run->error_file = NULL;
    return 0;
}

/* Scores have fractions; anything else is a class. --objective says otherwise. */
static bool looks_like_scores(const ae_table *t)
{
    bool fraction = false;
    for (int64_t i = 0; i < t->count; i++) {
        char *end;
        const char *label = t->rows[i].label ? t->rows[i].label : "";
        double value = strtod(label, &end);
        if (end == label || *end) {
            return false;
        }
        fraction = fraction || value != floor(value);
    }
    return fraction;
}

static int choose_task(ae_run *run, task *t, const ae_bundle *d, const ae_run_start *start)
{
    const char *objective = ae_options_text(run->options, "objective");
    t->regression =
        strcmp(objective, "regression") == 0 || (strcmp(objective, "auto") == 0 && looks_like_scores(t->tables[TRAIN]));
    if (strcmp(objective, "auto") != 0 && strcmp(objective, "classes") != 0 && !t->regression) {
        return ae_err_set(&run->error, AE_E_VALUE, "finetune learns classes or regression; %s is for `pretrain`",
                          objective);
    }
    if (t->regression) {
        return 0;
    }
    t->labels = start->resume ? ae_bundle_labels(d, &run->error) : ae_labels_of(t->tables[TRAIN], &run->error);
    if (t->labels && t->labels->count < 2) {
        return ae_err_set(&run->error, AE_E_VALUE, "%s has the single label \"%s\"; a classifier needs two",
                          t->tables[TRAIN]->path, t->labels->names[0]);
    }
    return t->labels ? 0 : -1;
}

static int make_datasets(ae_run *run, task *t, const ae_bundle *d, bool apart)
{
    ae_labelled_options options = {.objective = t->regression ? "regression" : "classes",
                                   .seq = ae_options_int(run->options, "seq"),
                                   .layout = apart ? AE_LAYOUT_APART : AE_LAYOUT_JOINED};
    for (int i = 0; i < SPLITS; i++) {
        ae_labelled_report report = {0};
        run->error_file = t->tables[i] ? t->tables[i]->path : NULL;
        t->data[i] = t->tables[i]
                         ? ae_labelled_new(t->tables[i], d->tokenizer, t->labels, &options, &report, &run->error)
                         : NULL;
        if (t->tables[i] && !t->data[i]) {
            return -1;
        }
        if (t->tables[i] && !ae_options_flag(run->options, "quiet")) {
            fprintf(run->log, "%s: %lld examples, %.1f tokens each, %lld cut at %lld, %.2f %% unknown\n",
                    t->tables[i]->path, (long long)t->tables[i]->count,
                    (double)report.tokens / (double)t->tables[i]->count, (long long)report.cut, (long long)options.seq,
                    100 * (double)report.unknown / (double)(report.tokens > 0 ? report.tokens : 1));
        }
    }
    run->error_file = NULL;
    return 0;
}

/* ---- the test at the end -------------------------------------------------------------------------------------------------------- */

static int test_best(ae_run *run, const ae_training *t, const task *tables, double *loss, double *value)
{
    char path[AE_RUN_PATH];
    ae_bundle best = {0};
    ae_evaluation x = {0};
    ae_graph *g = ae_graph_new();
    int status = g && ae_train_best_path(t, path, &run->error) == 0 ? ae_bundle_open(run, &best, path) : -1;
    if (status == 0) {
        ae_graph_profile(g, run->profile);
        status = ae_evaluate(&best, g, tables->data[TEST], ae_options_int(run->options, "batch"), &x, &run->error);
    }
    *loss = x.loss;
    *value = status == 0 ? ae_evaluation_metric(&x, t->metric) : (double)NAN;
    ae_evaluation_free(&x);
    ae_graph_free(g);
    ae_bundle_free(&best);
    return status;
}

static int print_result(ae_run *run, const ae_training *t, double test_loss, double test, bool tested)
{
    ae_json *o = ae_training_json(t);
    if (tested) {
        ae_json_set_double(o, "test", test);
        ae_json_set_double(o, "test_loss", test_loss);
    }
    if (run->json) {
        return ae_run_print_json(run, o);
    }
    ae_json_free(o);
    if (!isnan(t->best)) {
        fprintf(run->out, "validation %s %.4f at step %lld\n", t->metric, t->best, (long long)t->best_step);
    }
    if (tested) {
        fprintf(run->out, "test %s %.4f, loss %.4f\n", t->metric, test, test_loss);
    }
    return 0;
}

/* ---- one run ---------------------------------------------------------------------------------------------------------------------- */

static int prepare(ae_run *run, ae_run_start *start, ae_bundle *bundle, task *t, const char *output, uint64_t seed)
{
    if (!output) {
        return ae_err_set(&run->error, AE_E_MISSING, "where to? -o RUN.h5 names the files of the run");
    }
    if (ae_run_refuse(run, output, start->resume) != 0 || open_tables(run, t) != 0) {
        return -1;
    }
    if (!bundle->tokenizer) {
        return ae_err_set(&run->error, AE_E_MISSING,
                          "text needs a tokenizer: --tokenizer PATH, or --init FILE that brings one");
    }
    if (choose_task(run, t, bundle, start) != 0) {
        return -1;
    }
    ae_run_needs needs = {.objective = t->regression ? "regression" : "classes",
                          .texts = t->tables[TRAIN]->pairs ? 2 : 1,
                          .seq = ae_options_int(run->options, "seq"),
                          .labels = t->labels};
    if (ae_run_build(run, start, bundle, &needs, seed) != 0) {
        return -1;
    }
    return make_datasets(run, t, bundle, ae_bundle_apart(bundle));
}

static int run_once(ae_run *run, const char *output, uint64_t seed, ae_training *result, double *score)
{
    ae_run_start start;
    ae_bundle bundle = {0};
    task t = {0};
    double test_loss = (double)NAN, test = (double)NAN;
    int status = ae_run_choose(run, &start, &bundle, "finetune");
    if (status == 0 && ae_options_flag(run->options, "print-config")) {
        status = ae_run_print_json(run, ae_settings_json(run, bundle.config));
        ae_bundle_free(&bundle);
        return status;
    }
    output = output ? output : start.resume;
    status = status == 0 ? prepare(run, &start, &bundle, &t, output, seed) : status;
    *result = (ae_training){.run = run,
                            .bundle = &bundle,
                            .train = t.data[TRAIN],
                            .valid = t.data[VALID],
                            .output = output,
                            .resume = start.resume,
                            .seed = seed,
                            .by_epoch = true};
    status = status == 0 ? ae_train(result) : status;
    bool dry = status == 0 && ae_options_flag(run->options, "dry-run");
    bool tested = status == 0 && !dry && t.data[TEST] && !result->signal;
    status = tested ? test_best(run, result, &t, &test_loss, &test) : status;
    status = status == 0 && !dry ? print_result(run, result, test_loss, test, tested) : status;
    *score = tested ? test : isnan(result->best) ? result->last_loss : result->best;
    free_task(&t);
    ae_bundle_free(&bundle);
    result->bundle = NULL;
    return status;
}

static int run_finetune(ae_run *run)
{
    return ae_run_each_seed(run, run_once);
}

static const char *const options[] = {
    AE_START_OPTIONS, AE_TRAIN_OPTIONS, AE_TABLE_OPTIONS, "json", "objective", "seeds", "seq",
    "test",           "train",          "valid",          NULL};

const ae_command ae_cmd_finetune = {
    .name = "finetune",
    .summary = "train a classifier or a regression on labelled texts",
    .usage = NULL,
    .details = "Learns the labels of --train (TSV, CSV or JSONL; single texts or pairs), from pretrained weights with "
               "--init, or "
               "from nothing with --model (`list recipes`). Labels may be any words; numbers with fractions are taken "
               "as scores. "
               "With --valid the best weights by --metric are kept in RUN.best.h5, and with --test these are tested at "
               "the end.\n\n"
               "The output RUN.h5 holds the last state; --resume RUN.h5 goes on with it as if nothing had been.",
    .options = options,
    .arguments_min = 0,
    .arguments_max = 0,
    .run = run_finetune,
};
