#include "apps/run_start.h"

#include "apps/optim_settings.h"
#include "apps/precision.h"
#include "apps/settings.h"
#include "zoo/composed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the model that was asked for --------------------------------------------------------------------------------------- */

/* The family of a configuration file: that of the class it names, or the composable one for UER-py's. */
static int family_of(ae_run *run, const ae_json *config, const char *class_name, char family[64])
{
    const ae_json *list = ae_json_get(config, "architectures");
    const char *name = class_name;
    if (list && ae_json_count(list) > 0) {
        ae_json_value_string(ae_json_at(list, 0), &name, NULL);
    }
    const ae_zoo_model *row = name && *name ? ae_zoo_find(name) : NULL;
    if (!row && !ae_json_is_null(ae_json_get(config, "encoder"))) {
        snprintf(family, 64, "composed");
        return 0;
    }
    if (!row) {
        return ae_err_set(
            &run->error, AE_E_UNSUPPORTED, "the configuration names %s%s; `list models` shows what there is",
            name && *name ? "the class " : "neither a class (\"architectures\") nor an encoder", name ? name : "");
    }
    snprintf(family, 64, "%s", row->name);
    return 0;
}

static bool is_path(const char *model)
{
    size_t n = strlen(model);
    return strchr(model, '/') || (n > 5 && strcmp(model + n - 5, ".json") == 0);
}

int ae_run_model(ae_run *run, const char *model, ae_run_start *s, ae_json **config)
{
    if (is_path(model)) {
        run->error_file = model;
        *config = ae_json_read_file(model, &run->error);
        if (!*config || family_of(run, *config, NULL, s->family) != 0) {
            return -1;
        }
        run->error_file = NULL;
        return 0;
    }
    s->recipe = ae_recipe_find(model, &run->error);
    *config = s->recipe ? ae_json_parse(s->recipe->config, strlen(s->recipe->config), &run->error) : NULL;
    snprintf(s->family, sizeof s->family, "%s", s->recipe ? s->recipe->family : "");
    return *config ? 0 : -1;
}

/* Configuration, tokenizer and settings of the file that the run begins with. */
static int from_file(ae_run *run, ae_run_start *s, ae_bundle *d, const char *path)
{
    char class_name[128];
    run->error_file = path;
    if (ae_bundle_peek(run, d, path, class_name) != 0) {
        return -1;
    }
    if (!d->config) {
        return ae_err_set(&run->error, AE_E_MISSING, "%s holds no configuration; say with --model what it is", path);
    }
    run->error_file = NULL;
    return family_of(run, d->config, class_name, s->family);
}

/* ---- going on ------------------------------------------------------------------------------------------------------------ */

/* What may be given beside --resume: how long, where to, and how it is shown. Everything else the checkpoint says. */
static bool may_change(const char *name)
{
    static const char *const names[] = {AE_BUDGET_OPTIONS, "resume",     "output",    "force",    "quiet",   "verbose",
                                        "progress",        "json",       "threads",   "keep",     "dry-run", "data",
                                        "corpus",          "valid",      "train",     "test",     "plugin",  "help",
                                        "print-config",    "save-every", "log-every", "patience", "plot"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static int check_resume(ae_run *run)
{
    for (int i = 0; i < ae_options_rows(run->options); i++) {
        const char *name = ae_options_row(run->options, i)->name;
        if (ae_options_origin(run->options, name) >= AE_ORIGIN_CONFIG && !may_change(name)) {
            return ae_err_set(
                &run->error, AE_E_UNEXPECTED,
                "--%s cannot be given with --resume, which goes on with the run as it was; --init starts a "
                "new one from its weights",
                name);
        }
    }
    return 0;
}

/* ---- choosing -------------------------------------------------------------------------------------------------------------- */

static int lay_recipe(ae_run *run, ae_run_start *s, const ae_bundle *d, const char *stage)
{
    const char *name = s->recipe ? NULL : ae_json_string(d->settings, "recipe", NULL, NULL);
    if (name) {
        ae_err ignored = {0};
        s->recipe = ae_recipe_find(name, &ignored);
    }
    if (!s->recipe) {
        return 0;
    }
    return ae_settings_recipe(run, strcmp(stage, "finetune") == 0 ? s->recipe->finetune : s->recipe->pretrain);
}

static int take_tokenizer(ae_run *run, ae_bundle *d)
{
    const char *path = ae_options_text(run->options, "tokenizer");
    if (!path || d->tokenizer) {
        return 0; /* ae_bundle_peek has opened it */
    }
    d->tokenizer = ae_tokenizer_open(path, NULL, &run->error);
    return d->tokenizer ? 0 : -1;
}

/* Weights that exist have as many positions as they have: a length that the recipe says gives way, one that was asked
 * for is refused. */
static int fit_seq(ae_run *run, const ae_run_start *s, const ae_bundle *d)
{
    int64_t most = ae_family_positions(s->family, d->config), seq = ae_options_int(run->options, "seq");
    char text[24];
    if (!s->init || most == 0 || seq <= most) {
        return 0;
    }
    if (ae_options_origin(run->options, "seq") > AE_ORIGIN_RECIPE) {
        return ae_err_set(&run->error, AE_E_VALUE, "--seq %lld: the model in %s has %lld positions", (long long)seq,
                          s->init, (long long)most);
    }
    snprintf(text, sizeof text, "%lld", (long long)most);
    return ae_options_set(run->options, "seq", text, AE_ORIGIN_RECIPE, &run->error);
}

int ae_run_choose(ae_run *run, ae_run_start *s, ae_bundle *d, const char *stage)
{
    const char *model = ae_options_text(run->options, "model");
    ae_dtype precision;
    memset(s, 0, sizeof *s);
    s->resume = ae_options_text(run->options, "resume");
    s->init = ae_options_text(run->options, "init");
    if (ae_settings_read(run) != 0 || ae_precision_read(run, true, &precision) != 0 ||
        (s->resume && check_resume(run) != 0)) {
        return -1;
    }
    model = ae_options_text(run->options, "model");
    s->init = ae_options_text(run->options, "init");
    if (!s->resume && !model && !s->init) {
        return ae_err_set(&run->error, AE_E_MISSING,
                          "which model? --model NAME (`list recipes`) or --init FILE with weights to start from");
    }
    int status = s->resume ? from_file(run, s, d, s->resume)
                 : model   ? ae_run_model(run, model, s, &d->config)
                           : from_file(run, s, d, s->init);
    if (status != 0) {
        return -1;
    }
    d->settings = d->settings ? d->settings : ae_json_new_object();
    if (s->resume) {
        s->init = NULL;
        return ae_settings_stored(run, d->settings, AE_ORIGIN_CONFIG);
    }
    if (lay_recipe(run, s, d, stage) != 0 || take_tokenizer(run, d) != 0 || ae_settings_model(run, d->config) != 0) {
        return -1;
    }
    return fit_seq(run, s, d);
}

/* ---- fitting and building ---------------------------------------------------------------------------------------------------- */

const ae_zoo_model *ae_run_row(ae_run *run, const ae_run_start *s, const ae_run_needs *needs)
{
    const char *objective = strcmp(needs->objective, "regression") == 0 ? "classes" : needs->objective;
    const ae_zoo_model *row = strcmp(s->family, "composed") == 0 ? ae_zoo_find("Composed")
                              : needs->texts > 0                 ? ae_zoo_for_texts(s->family, objective, needs->texts)
                                                                 : ae_zoo_for(s->family, objective);
    if (!row) {
        ae_err_set(&run->error, AE_E_UNSUPPORTED, "%s has no model for %s%s; `list models` shows what each is for",
                   s->family, objective, needs->texts == 2 ? " of pairs" : "");
    }
    return row;
}

/* --dropout under the keys that the family reads: some refuse others. */
static void set_dropout(ae_run *run, const char *family, ae_json *config)
{
    static const struct {
        const char *family, *key;
    } keys[] = {{"bert", "hidden_dropout_prob"}, {"bert", "attention_probs_dropout_prob"},
                {"gpt2", "resid_pdrop"},         {"gpt2", "embd_pdrop"},
                {"gpt2", "attn_pdrop"},          {"composed", "dropout"},
                {"infersent", "dpout_fc"}};
    double rate = ae_options_real(run->options, "dropout");
    for (size_t i = 0; !isnan(rate) && i < sizeof keys / sizeof *keys; i++) {
        if (strcmp(family, keys[i].family) == 0) {
            ae_json_set_double(config, keys[i].key, rate);
        }
    }
}

static int fit_config(ae_run *run, const ae_run_start *s, ae_bundle *d, const ae_run_needs *needs)
{
    bool labelled = strcmp(needs->objective, "classes") == 0 || strcmp(needs->objective, "regression") == 0;
    if (d->tokenizer) {
        ae_json_set_int(d->config, "vocab_size", ae_tokenizer_size(d->tokenizer));
        int32_t pad = ae_tokenizer_role(d->tokenizer, AE_TOKEN_PAD);
        if (pad >= 0) {
            ae_json_set_int(d->config, "pad_token_id", pad);
        }
    }
    set_dropout(run, s->family, d->config);
    int64_t most = ae_family_positions(s->family, d->config);
    if (!s->init && most > 0 && most < needs->seq) {
        ae_family_set_positions(s->family, d->config, needs->seq); /* a new model is as long as its sequences */
    }
    if (ae_options_text(run->options, "encoder")) {
        ae_json_set_string(d->config, "encoder", ae_options_text(run->options, "encoder"));
    }
    if (strcmp(s->family, "composed") == 0) {
        const char *objective = labelled ? "classes" : needs->objective;
        if (ae_composed_aim(d->config, objective, &run->error) != 0) {
            return -1;
        }
    }
    return labelled ? ae_bundle_set_labels(d->config, needs->labels, &run->error) : 0;
}

static void name_class(ae_bundle *d, const ae_zoo_model *row)
{
    ae_json *list = ae_json_new_array();
    ae_json_add(list, NULL, ae_json_new_string(row->class_name));
    ae_json_set(d->config, "architectures", list);
}

int ae_run_build(ae_run *run, const ae_run_start *s, ae_bundle *d, const ae_run_needs *needs, uint64_t seed)
{
    const ae_zoo_model *row = ae_run_row(run, s, needs);
    if (!row || (!s->resume && fit_config(run, s, d, needs) != 0)) {
        return -1;
    }
    name_class(d, row);
    if (!s->resume) {
        ae_json *settings = ae_settings_plain(run);
        ae_json_set_string(settings, "objective", needs->objective);
        ae_json_set_int(settings, "texts", needs->texts);
        if (s->recipe) {
            ae_json_set_string(settings, "recipe", s->recipe->name);
        }
        ae_json_set_string(settings, "stage", run->command->name);
        ae_json_free(d->settings);
        d->settings = settings;
    }
    if (ae_bundle_build(run, d, row, seed, false) != 0) {
        return -1;
    }
    return s->init ? ae_bundle_init(run, d, s->init) : 0;
}

/* ---- outputs that exist --------------------------------------------------------------------------------------------- */

int ae_run_refuse(ae_run *run, const char *output, const char *resume)
{
    bool same = resume && strcmp(resume, output) == 0;
    if (same || ae_options_flag(run->options, "force") || ae_options_flag(run->options, "dry-run") ||
        access(output, F_OK) != 0) {
        return 0;
    }
    return ae_err_set(&run->error, AE_E_STATE, "%s exists; --resume %s goes on with it, --force overwrites it", output,
                      output);
}
