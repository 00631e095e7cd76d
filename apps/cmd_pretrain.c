#include "apps/command_table.h"
#include "apps/instance_settings.h"
#include "apps/run_files.h"
#include "apps/run_seeds.h"
#include "apps/run_start.h"
#include "apps/settings.h"
#include "apps/trainer.h"
#include "zoo/composed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PATHS = 4096 };

/* One run's data: instances, built or given. */
typedef struct source {
    char objective[16];
    ae_dataset *train, *valid;
} source;

static void free_source(source *s)
{
    ae_dataset_free(s->train);
    ae_dataset_free(s->valid);
}

/* ---- data ------------------------------------------------------------------------------------------------------------------- */

static bool is_instances(const char *path)
{
    size_t n = strlen(path);
    return n > 3 && strcmp(path + n - 3, ".h5") == 0;
}

static int agree(ae_run *run, const ae_bundle *d, const ae_tokenizer *t, const char *path)
{
    if (d->tokenizer && t && ae_tokenizer_hash(d->tokenizer) != ae_tokenizer_hash(t)) {
        return ae_err_set(&run->error, AE_E_VALUE,
                          "%s was built with another tokenizer (%s, %d tokens) than the model's "
                          "(%s, %d tokens); build it again with that one",
                          path, ae_tokenizer_kind(t), (int)ae_tokenizer_size(t), ae_tokenizer_kind(d->tokenizer),
                          (int)ae_tokenizer_size(d->tokenizer));
    }
    return 0;
}

/* Opens instances; the first file of a run brings its tokenizer and objective where nothing else did. */
static ae_dataset *open_instances(ae_run *run, source *s, ae_bundle *d, const char *path)
{
    ae_tokenizer *t = NULL;
    ae_dataset *data = ae_instances_open(path, NULL, NULL, &t, &run->error);
    if (data && agree(run, d, t, path) != 0) {
        ae_dataset_free(data);
        data = NULL;
    }
    if (data && *s->objective && strcmp(s->objective, data->objective) != 0) {
        ae_err_set(&run->error, AE_E_VALUE, "%s holds instances for %s, not for %s", path, data->objective,
                   s->objective);
        ae_dataset_free(data);
        data = NULL;
    }
    if (data) {
        snprintf(s->objective, sizeof s->objective, "%s", data->objective);
    }
    if (data && !d->tokenizer) {
        d->tokenizer = t;
    } else {
        ae_tokenizer_free(t);
    }
    return data;
}

/* Builds RUN.<what> from text and opens it. */
static ae_dataset *build(ae_run *run, source *s, ae_bundle *d, const char *const *paths, int n, const char *output,
                         const char *what)
{
    char path[AE_RUN_PATH];
    if (!d->tokenizer) {
        ae_err_set(&run->error, AE_E_MISSING,
                   "text needs a tokenizer: --tokenizer PATH, or --init FILE that brings one");
        return NULL;
    }
    if (ae_run_path(output, what, path, &run->error) != 0 ||
        ae_instance_build_once(run, paths, n, d->tokenizer, s->objective, path) != 0) {
        return NULL;
    }
    return open_instances(run, s, d, path);
}

/* Options of building have no effect on instances that are built; to give one is a mistake to be told of. */
static int check_no_building(ae_run *run, const char *data)
{
    static const char *const names[] = {AE_INSTANCE_OPTIONS, NULL};
    const char *valid = ae_options_text(run->options, "valid");
    bool builds = valid && !is_instances(valid);
    for (int i = 0; names[i] && !builds; i++) {
        if (ae_options_origin(run->options, names[i]) == AE_ORIGIN_COMMAND) {
            return ae_err_set(&run->error, AE_E_VALUE,
                              "--%s says how instances are built, and %s holds built ones; give it to `data build`, or "
                              "give --corpus",
                              names[i], data);
        }
    }
    return 0;
}

static int open_train(ae_run *run, source *s, ae_bundle *d, const char *output)
{
    const char *paths[MOST_PATHS];
    const char *data = ae_options_text(run->options, "data");
    int n = 0;
    for (; n < ae_options_count(run->options, "corpus") && n < MOST_PATHS; n++) {
        paths[n] = ae_options_nth(run->options, "corpus", n);
    }
    if ((data != NULL) == (n > 0)) {
        return ae_err_set(&run->error, AE_E_VALUE, "give either --corpus with text or --data with instances");
    }
    if (data && check_no_building(run, data) != 0) {
        return -1;
    }
    s->train = data ? open_instances(run, s, d, data) : build(run, s, d, paths, n, output, "data.h5");
    return s->train ? 0 : -1;
}

static int open_valid(ae_run *run, source *s, ae_bundle *d, const char *output)
{
    const char *valid = ae_options_text(run->options, "valid");
    if (!valid) {
        return 0;
    }
    s->valid = is_instances(valid) ? open_instances(run, s, d, valid) : build(run, s, d, &valid, 1, output, "valid.h5");
    return s->valid ? 0 : -1;
}

/* ---- the objective ------------------------------------------------------------------------------------------------------------ */

static bool is_language(const char *objective)
{
    return objective && (strcmp(objective, "lm") == 0 || strncmp(objective, "mlm", 3) == 0);
}

/* What a configuration of one's own is for: a composed one by its targets, others by the class they name. */
static const char *objective_of(const ae_run_start *start, const ae_json *config)
{
    const char *name = NULL, *objective = NULL;
    if (strcmp(start->family, "composed") == 0) {
        objective = ae_composed_objective(config, NULL);
    } else if (ae_json_value_string(ae_json_at(ae_json_get(config, "architectures"), 0), &name, NULL) == 0) {
        const ae_zoo_model *row = ae_zoo_find(name);
        objective = row ? row->objective : NULL;
    }
    return is_language(objective) ? objective : strcmp(start->family, "gpt2") == 0 ? "lm" : "mlm";
}

static void choose_objective(const ae_run *run, const ae_run_start *start, const ae_bundle *d, source *s)
{
    const char *asked = ae_options_text(run->options, "objective");
    const char *stored = ae_json_string(d->settings, "objective", NULL, NULL);
    if (strcmp(asked, "auto") != 0) {
        snprintf(s->objective, sizeof s->objective, "%s", asked);
    } else if (is_language(stored)) {
        snprintf(s->objective, sizeof s->objective, "%s", stored);
    } else if (ae_options_text(run->options, "data")) {
        *s->objective = 0; /* the instances say it */
    } else if (start->recipe) {
        snprintf(s->objective, sizeof s->objective, "%s", start->recipe->objective);
    } else {
        snprintf(s->objective, sizeof s->objective, "%s", objective_of(start, d->config));
    }
}

static int check_objective(ae_run *run, const source *s)
{
    if (*s->objective && strcmp(s->objective, "lm") != 0 && strncmp(s->objective, "mlm", 3) != 0) {
        return ae_err_set(&run->error, AE_E_VALUE,
                          "%s is learned from labelled tables: use `finetune`; pretrain takes mlm_nsp, mlm and lm",
                          s->objective);
    }
    return 0;
}

/* ---- one run ---------------------------------------------------------------------------------------------------------------------- */

static int print_config(ae_run *run, const ae_bundle *d)
{
    return ae_run_print_json(run, ae_settings_json(run, d->config));
}

static int print_result(ae_run *run, const ae_training *t)
{
    ae_json *o = ae_training_json(t);
    if (run->json) {
        return ae_run_print_json(run, o);
    }
    ae_json_free(o);
    if (isnan(t->best)) {
        fprintf(run->out, "train loss %.4f\n", t->last_loss);
    } else {
        fprintf(run->out, "best validation %s %.4f at step %lld\n", t->metric, t->best, (long long)t->best_step);
    }
    return 0;
}

static int run_once(ae_run *run, const char *output, uint64_t seed, ae_training *result, double *score)
{
    const char *beside = ae_options_text(run->options, "output"); /* runs of several seeds share their instances */
    ae_run_start start;
    ae_bundle bundle = {0};
    source s = {.objective = ""};
    int status = ae_run_choose(run, &start, &bundle, "pretrain");
    if (status == 0) {
        choose_objective(run, &start, &bundle, &s);
        status = check_objective(run, &s);
    }
    if (status == 0 && ae_options_flag(run->options, "print-config")) {
        status = print_config(run, &bundle);
        ae_bundle_free(&bundle);
        return status;
    }
    output = output ? output : start.resume;
    beside = beside ? beside : output;
    if (status == 0 && !output) {
        status = ae_err_set(&run->error, AE_E_MISSING, "where to? -o RUN.h5 names the files of the run");
    }
    status = status == 0 ? ae_run_refuse(run, output, start.resume) : status;
    status = status == 0 ? open_train(run, &s, &bundle, beside) : status;
    status = status == 0 ? open_valid(run, &s, &bundle, beside) : status;
    ae_run_needs needs = {.objective = s.objective, .seq = ae_options_int(run->options, "seq")};
    status = status == 0 ? ae_run_build(run, &start, &bundle, &needs, seed) : status;
    *result = (ae_training){.run = run,
                            .bundle = &bundle,
                            .train = s.train,
                            .valid = s.valid,
                            .output = output,
                            .resume = start.resume,
                            .seed = seed};
    status = status == 0 ? ae_train(result) : status;
    if (status == 0 && !ae_options_flag(run->options, "dry-run")) {
        status = print_result(run, result);
    }
    *score = isnan(result->best) ? result->last_loss : result->best;
    free_source(&s);
    ae_bundle_free(&bundle);
    result->bundle = NULL;
    return status;
}

static int run_pretrain(ae_run *run)
{
    return ae_run_each_seed(run, run_once);
}

static const char *const options[] = {
    AE_START_OPTIONS, AE_TRAIN_OPTIONS, AE_INSTANCE_OPTIONS, "data", "json", "objective", "seeds", "valid", NULL};

const ae_command ae_cmd_pretrain = {
    .name = "pretrain",
    .summary = "train a model on plain text",
    .usage = NULL,
    .details =
        "Learns from --corpus (text, from which instances are built once and kept beside the output) or from --data "
        "(instances of `data build`): masked words and following sentences (mlm_nsp), masked words (mlm), or the next "
        "word (lm). A recipe (--model NAME, `list recipes`) brings every value that is not given.\n\n"
        "The output RUN.h5 holds the last state, RUN.best.h5 the best weights by --valid, RUN.log.jsonl what happened. "
        "SIGINT, SIGTERM and SIGUSR1 end the run after saving; --resume RUN.h5 goes on as if nothing had been.\n\n"
        "A second stage on text of a domain is the same command with --init.",
    .options = options,
    .arguments_min = 0,
    .arguments_max = 0,
    .run = run_pretrain,
};
