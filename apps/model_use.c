#include "apps/model_use.h"

#include "apps/precision.h"
#include "apps/profiling.h"
#include "apps/settings.h"

#include <string.h>

enum { SEQ_WITHOUT_LIMIT = 512 }; /* for models that take sequences of any length, where nothing else says how long */

void ae_use_free(ae_use *use)
{
    ae_bundle_free(&use->bundle);
    ae_graph_free(use->graph);
    memset(use, 0, sizeof *use);
}

/* ---- what the model is ---------------------------------------------------------------------------------------------- */

/* A composed model's row trains on anything; its settings say on what it was trained. */
static const char *objective_of(const ae_bundle *d)
{
    ae_err ignored = {0};
    const char *objective = d->row->objective;
    if (!objective) {
        objective = ae_json_string(d->settings, "objective", NULL, &ignored);
    }
    if (objective && strcmp(objective, "classes") == 0) {
        ae_problem problem = AE_ONE_LABEL;
        int64_t labels = 2;
        ae_problem_read(d->config, &problem, &labels, &ignored);
        return problem == AE_REGRESSION ? "regression" : "classes";
    }
    return objective;
}

/* The stored values that say how text becomes tokens; others (output files, seeds) are of the training alone. */
static int take_stored(ae_run *run, const ae_json *stored)
{
    static const char *const kept[] = {"full-sentences", "line-ends", "mask-most", "mask-rate",
                                       "no-special",     "seq",       "short-seq", "span",
                                       "span-most",      "span-p",    "unit",      "whole-word"};
    ae_json *some = ae_json_new_object();
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        const ae_json *value = ae_json_get(stored, kept[i]);
        if (!ae_json_is_null(value) && ae_options_has(run->options, kept[i])) {
            ae_json_set(some, kept[i], ae_json_copy(value));
        }
    }
    int status = ae_settings_stored(run, some, AE_ORIGIN_MODEL);
    ae_json_free(some);
    return status;
}

/* ---- checks --------------------------------------------------------------------------------------------------------- */

static int check_tokenizer(ae_run *run, const ae_use *use)
{
    const ae_bundle *d = &use->bundle;
    if (!d->tokenizer) {
        return ae_err_set(&run->error, AE_E_MISSING,
                          "%s holds no tokenizer; give the one that it was trained with: --tokenizer PATH", use->path);
    }
    int64_t rows = ae_json_int(d->config, "vocab_size", 0, NULL), tokens = ae_tokenizer_size(d->tokenizer);
    if (rows > 0 && tokens > rows) {
        return ae_err_set(&run->error, AE_E_VALUE,
                          "%s: the tokenizer has %lld tokens, the model's table %lld rows: they do not belong together",
                          use->path, (long long)tokens, (long long)rows);
    }
    return 0;
}

static int choose_length(ae_run *run, ae_use *use)
{
    int64_t positions = ae_bundle_positions(&use->bundle);
    int64_t seq = ae_options_has(run->options, "seq") ? ae_options_int(run->options, "seq") : 0;
    use->seq = seq > 0 ? seq : positions > 0 ? positions : SEQ_WITHOUT_LIMIT;
    if (positions > 0 && use->seq > positions) {
        return ae_err_set(&run->error, AE_E_VALUE, "--seq %lld: %s has %lld positions", (long long)seq, use->path,
                          (long long)positions);
    }
    return 0;
}

static int make_graph(ae_run *run, ae_use *use)
{
    ae_dtype precision;
    if (ae_precision_read(run, false, &precision) != 0) {
        return -1;
    }
    use->graph = ae_graph_new();
    if (!use->graph) {
        return ae_err_set(&run->error, AE_E_MEMORY, "no memory for a graph");
    }
    ae_graph_precision(use->graph, precision);
    ae_graph_profile(use->graph, run->profile);
    return 0;
}

int ae_use_open(ae_run *run, ae_use *use)
{
    use->path = ae_options_argument(run->options, 0);
    if (ae_bundle_open(run, &use->bundle, use->path) != 0) {
        return -1;
    }
    run->error_file = use->path;
    if (take_stored(run, use->bundle.settings) != 0 || check_tokenizer(run, use) != 0 || choose_length(run, use) != 0) {
        return -1;
    }
    run->error_file = NULL;
    use->objective = objective_of(&use->bundle);
    use->special = !ae_options_has(run->options, "no-special") || !ae_options_flag(run->options, "no-special");
    return make_graph(run, use);
}

/* ---- for commands ----------------------------------------------------------------------------------------------------- */

/* Which command a model is for. */
static const char *command_of(const char *objective)
{
    static const char *const pairs[][2] = {{"classes", "predict"}, {"regression", "predict"}, {"lm", "generate"},
                                           {"mlm", "fill"},        {"mlm_nsp", "fill"},       {NULL, NULL}};
    for (int i = 0; objective && pairs[i][0]; i++) {
        if (strcmp(pairs[i][0], objective) == 0) {
            return pairs[i][1];
        }
    }
    return "embed";
}

int ae_use_need(ae_run *run, const ae_use *use, const char *const *wanted, const char *what)
{
    for (; *wanted; wanted++) {
        if (use->objective && strcmp(*wanted, use->objective) == 0) {
            return 0;
        }
    }
    run->error_file = use->path;
    return ae_err_set(&run->error, AE_E_UNSUPPORTED, "%s is a %s and has no %s; `%s %s` is for it", use->path,
                      use->bundle.row->class_name, what, ae_app_name(run->app), command_of(use->objective));
}

ae_labels *ae_use_labels(ae_run *run, const ae_use *use)
{
    ae_problem problem = AE_ONE_LABEL;
    int64_t classes = 0;
    ae_labels *labels = ae_bundle_labels(&use->bundle, &run->error);
    ae_problem_read(use->bundle.config, &problem, &classes, &run->error);
    if (labels || run->error.code) {
        return labels;
    }
    ae_json *numbers = ae_json_new_array();
    for (int64_t i = 0; i < classes; i++) {
        char number[24];
        snprintf(number, sizeof number, "%lld", (long long)i);
        ae_json_add(numbers, NULL, ae_json_new_string(number));
    }
    labels = ae_labels_from_json(numbers, &run->error);
    ae_json_free(numbers);
    return labels;
}

int64_t ae_use_texts(const ae_use *use)
{
    int64_t texts = ae_json_int(use->bundle.settings, "texts", 0, NULL);
    return texts > 0 ? texts : use->bundle.row->texts;
}

int32_t ae_use_role(ae_run *run, const ae_use *use, ae_token_role role)
{
    static const char *const names[AE_TOKEN_ROLES] = {"padding", "unknown", "beginning ([CLS])", "end ([SEP])", "mask"};
    int32_t id = ae_tokenizer_role(use->bundle.tokenizer, role);
    if (id < 0) {
        ae_err_set(&run->error, AE_E_MISSING, "%s: the tokenizer (%s) has no %s token", use->path,
                   ae_tokenizer_kind(use->bundle.tokenizer), names[role]);
    }
    return id;
}

int ae_use_failed(ae_run *run, const ae_use *use)
{
    const ae_err *e = ae_graph_error(use->graph);
    return ae_err_set(&run->error, e->code ? e->code : AE_E_STATE, "%s: %s", use->path,
                      e->code ? e->message : "the model gave nothing");
}
