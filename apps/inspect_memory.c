#include "apps/inspect_memory.h"

#include "apps/memory_report.h"
#include "apps/model_bundle.h"
#include "apps/optim_settings.h"
#include "apps/precision.h"
#include "apps/run_start.h"
#include "apps/weights.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH = 32, SEQ = 128 };

/* ---- which model ---------------------------------------------------------------------------------------------------------- */

/* The row and configuration of a file or folder; its weights are not wanted. */
static const ae_zoo_model *from_file(ae_run *run, const char *path, ae_json **config)
{
    ae_weights w = {0};
    const ae_zoo_model *row = NULL;
    run->error_file = path;
    if (ae_weights_read(path, &w, &run->error) == 0) {
        row = *w.class_name ? ae_zoo_find(w.class_name) : NULL;
        *config = row && w.config ? ae_json_copy(w.config) : NULL;
        if (!*config) {
            ae_err_set(&run->error, AE_E_UNSUPPORTED,
                       "%s does not say which model of the zoo it is, with its configuration; --memory needs both",
                       path);
        }
    }
    ae_weights_free(&w);
    run->error_file = *config ? NULL : path;
    return *config ? row : NULL;
}

/* That of a recipe or of a configuration file, which names a class or UER-py's parts. */
static const ae_zoo_model *from_name(ae_run *run, const char *name, ae_json **config)
{
    ae_run_start s = {0};
    const char *class_name = NULL;
    if (ae_run_model(run, name, &s, config) != 0) {
        return NULL;
    }
    bool composed = strcmp(s.family, "composed") == 0;
    ae_json_value_string(ae_json_at(ae_json_get(*config, "architectures"), 0), &class_name, NULL);
    if (composed && ae_json_is_null(ae_json_get(*config, "vocab_size"))) {
        ae_json_set_int(*config, "vocab_size", AE_BENCH_VOCABULARY);
    }
    return composed   ? ae_zoo_find("Composed")
           : s.recipe ? ae_zoo_for(s.family, s.recipe->objective)
                      : ae_zoo_find(class_name);
}

/* ---- the report ----------------------------------------------------------------------------------------------------------- */

static int print_report(ae_run *run, const ae_bench_model *b, const ae_memory_plan *plan, const ae_memory_report *r)
{
    int64_t batch = ae_options_int_or(run->options, "batch", BATCH), seq = ae_options_int_or(run->options, "seq", SEQ);
    if (!run->json) {
        fprintf(run->out, "%s, %s of %lld x %lld in %s%s%s%s%s\n", b->row->class_name,
                plan->train ? "a training step" : "a forward pass", (long long)batch, (long long)seq,
                ae_precision_name(plan->precision), plan->train ? ", " : "", plan->train ? b->rule : "",
                plan->recompute ? ", layers recomputed" : "", b->early ? ", updated in backward" : "");
        ae_memory_print(r, run->out);
        return AE_EXIT_DONE;
    }
    ae_json *o = ae_json_new_object();
    ae_json_set_string(o, "model", b->row->class_name);
    ae_json_set_int(o, "parameters", ae_model_numel(b->root));
    ae_json_set_int(o, "batch", batch);
    ae_json_set_int(o, "seq", seq);
    ae_json_set_string(o, "precision", ae_precision_name(plan->precision));
    ae_json_set_bool(o, "training", plan->train);
    ae_json_set_string(o, "optimizer", plan->train ? b->rule : NULL);
    ae_json_set_int(o, "accumulate", ae_options_int(run->options, "accumulate"));
    ae_json_set_bool(o, "checkpoint_activations", plan->recompute);
    ae_json_set_bool(o, "update_in_backward", b->early);
    ae_json_set(o, "bytes", ae_memory_json(r));
    return ae_run_print_json(run, o);
}

static int measure(ae_run *run, ae_bench_model *b)
{
    const ae_options *o = run->options;
    const char *rule = ae_options_text(o, "optimizer");
    ae_memory_report r;
    ae_memory_plan plan = {.train = !ae_options_flag(o, "infer"), .dry = true};
    if (ae_precision_read(run, plan.train, &plan.precision) != 0) {
        return -1;
    }
    plan.recompute = plan.train && ae_options_flag(o, "checkpoint-activations");
    b->rule = rule ? rule : "adamw";
    b->early = plan.train && ae_options_flag(o, "update-in-backward");
    b->rounds = ae_options_int(o, "accumulate");
    if (b->early && b->rounds > 1) {
        return ae_err_set(&run->error, AE_E_VALUE, AE_EARLY_NO_ROUNDS, (long long)b->rounds);
    }
    b->rounds = b->rounds > 2 ? 2 : b->rounds; /* the third is as the second */
    if (ae_bench_model_feed(b, ae_options_int_or(run->options, "batch", BATCH),
                            ae_options_int_or(run->options, "seq", SEQ), plan.train, &run->error) != 0 ||
        ae_memory_measure(b, &plan, &r, &run->error) != 0) {
        return -1;
    }
    return print_report(run, b, &plan, &r);
}

int ae_inspect_memory(ae_run *run)
{
    const char *model = ae_options_text(run->options, "model"), *path = ae_options_argument(run->options, 0);
    ae_json *config = NULL;
    ae_bench_model b;
    if ((model != NULL) == (path != NULL)) {
        return ae_err_set(&run->error, AE_E_VALUE, "--memory of which model? Give either a file or --model NAME");
    }
    const ae_zoo_model *row = path ? from_file(run, path, &config) : from_name(run, model, &config);
    if (!row) {
        ae_json_free(config);
        return -1;
    }
    int64_t most = ae_family_positions(row->name, config), seq = ae_options_int_or(run->options, "seq", SEQ);
    if (model && most > 0 && most < seq) {
        ae_family_set_positions(row->name, config, seq); /* a new model is as long as its sequences */
    }
    if (ae_bench_model_from(&b, row, config, true, &run->error) != 0) {
        return -1;
    }
    int status = measure(run, &b);
    ae_bench_model_free(&b);
    return status;
}

int ae_inspect_no_memory(ae_run *run)
{
    static const char *const names[] = {AE_INSPECT_MEMORY_OPTIONS};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (ae_options_origin(run->options, names[i]) == AE_ORIGIN_COMMAND) {
            return ae_err_set(&run->error, AE_E_VALUE, "--%s says which step --memory is about; give --memory too",
                              names[i]);
        }
    }
    if (!ae_options_argument(run->options, 0)) {
        return ae_err_set(&run->error, AE_E_MISSING, "which file or folder? `inspect PATH`, or --memory --model NAME");
    }
    return 0;
}
