#include "apps/optim_settings.h"

#include "apps/clock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LAYERS = 512, PATTERN_BYTES = 64 };

/* ---- freezing ------------------------------------------------------------------------------------------------------------ */

static int freeze(ae_run *run, ae_model *m)
{
    for (int i = 0; i < ae_options_count(run->options, "freeze"); i++) {
        const char *pattern = ae_options_nth(run->options, "freeze", i);
        if (ae_model_freeze(m, pattern, true) == 0) {
            return ae_err_set(&run->error, AE_E_MISSING,
                              "--freeze %s names no parameter; `inspect MODEL` lists them (the first is %s)", pattern,
                              ae_model_at(m, 0).name);
        }
    }
    return 0;
}

/* ---- rates by layer ------------------------------------------------------------------------------------------------------- */

/* The number of a parameter's layer: the first component of its name that is a number; -1 when there is none. */
static int layer_of(const char *name)
{
    for (const char *p = name; p; p = strchr(p, '.'), p = p ? p + 1 : NULL) {
        char *end;
        long n = strtol(p, &end, 10);
        if (end > p && (*end == '.' || *end == 0) && n >= 0 && n < MOST_LAYERS) {
            return (int)n;
        }
    }
    return -1;
}

static bool is_embedding(const char *name)
{
    return strstr(name, "embedding") || strstr(name, "wte.") || strstr(name, "wpe.") || strstr(name, "emb.");
}

typedef struct layer_groups {
    ae_optim_group groups[MOST_LAYERS + 1];
    char patterns[MOST_LAYERS + 1][PATTERN_BYTES];
    int count;
} layer_groups;

static void add_group(layer_groups *lg, const char *pattern, double scale)
{
    snprintf(lg->patterns[lg->count], PATTERN_BYTES, "%s", pattern);
    lg->groups[lg->count] = (ae_optim_group){lg->patterns[lg->count], scale, (double)NAN};
    lg->count++;
}

/* Layer l of L gets decay^(L-l), the embeddings below the first decay^(L+1), heads the full rate. */
static void decay_layers(const ae_model *m, double decay, layer_groups *lg)
{
    int layers = 0;
    char pattern[PATTERN_BYTES];
    for (int i = 0; i < ae_model_count(m); i++) {
        int layer = layer_of(ae_model_at(m, i).name);
        layers = layer >= layers ? layer + 1 : layers;
    }
    for (int l = 0; l < layers; l++) {
        snprintf(pattern, sizeof pattern, "*.%d.* %d.*", l, l);
        add_group(lg, pattern, pow(decay, layers - l));
    }
    add_group(lg, "*embedding* *wte.* *wpe.*", pow(decay, layers + 1));
}

/* ---- the optimizer --------------------------------------------------------------------------------------------------------- */

static double real_or(const ae_run *run, const char *name, double otherwise)
{
    double value = ae_options_real(run->options, name);
    return isnan(value) ? otherwise : value;
}

static bool has_embedding(const ae_model *m)
{
    for (int i = 0; i < ae_model_count(m); i++) {
        if (is_embedding(ae_model_at(m, i).name)) {
            return true;
        }
    }
    return false;
}

ae_optimizer *ae_optim_from_options(ae_run *run, ae_model *m)
{
    const char *rule = ae_options_text(run->options, "optimizer");
    ae_optim_config c = ae_optim_defaults(rule ? rule : "adamw");
    layer_groups *lg = calloc(1, sizeof *lg);
    double decay = ae_options_real(run->options, "layer-decay");
    if (!lg || freeze(run, m) != 0) {
        free(lg);
        return NULL;
    }
    c.beta1 = real_or(run, "beta1", c.beta1);
    c.beta2 = real_or(run, "beta2", c.beta2);
    c.eps = real_or(run, "eps", c.eps);
    c.weight_decay = real_or(run, "weight-decay", c.weight_decay);
    c.no_decay = AE_NO_DECAY_BERT;
    c.decay_vectors = false;
    c.clip_norm = real_or(run, "clip", 0);
    if (strcmp(c.rule, "sgd") == 0 && c.clip_norm > 0) {
        c.clip_rule = AE_CLIP_TORCH;
    }
    if (!isnan(decay) && decay < 1 && has_embedding(m)) {
        decay_layers(m, decay, lg);
        c.groups = lg->groups;
        c.n_groups = lg->count;
    }
    ae_optimizer *opt = ae_optimizer_new(m, &c, &run->error);
    free(lg);
    return opt;
}

int ae_schedule_from_options(ae_run *run, int64_t steps, ae_schedule *schedule)
{
    const char *name = ae_options_text(run->options, "schedule");
    double warmup = real_or(run, "warmup", 0);
    double count = warmup < 1 ? floor(warmup * (double)steps) : warmup;
    *schedule =
        ae_schedule_make(name ? name : "linear", real_or(run, "lr", 1e-4), (int64_t)fmin(count, (double)steps), steps);
    schedule->end_scale = real_or(run, "end-scale", schedule->end_scale);
    return ae_schedule_check(schedule, &run->error);
}

/* ---- the length of training ---------------------------------------------------------------------------------------------------- */

int ae_budget_from_options(ae_run *run, ae_budget *budget)
{
    static const char *const names[] = {AE_BUDGET_OPTIONS};
    ae_origin strongest = AE_ORIGIN_NONE;
    int chosen = -1;
    for (int i = 0; i < 4; i++) {
        ae_origin origin = ae_options_origin(run->options, names[i]);
        if (origin > AE_ORIGIN_RECIPE && origin == strongest) {
            return ae_err_set(&run->error, AE_E_VALUE, "both --%s and --%s say how long to train; give one",
                              names[chosen], names[i]);
        }
        if (origin > strongest) {
            strongest = origin;
            chosen = i;
        }
    }
    if (chosen < 0) {
        return ae_err_set(&run->error, AE_E_MISSING, "how long to train? Give --steps, --epochs, --tokens or --time");
    }
    budget->kind = chosen;
    budget->amount = chosen == AE_BUDGET_STEPS || chosen == AE_BUDGET_TOKENS
                         ? (double)ae_options_int(run->options, names[chosen])
                     : chosen == AE_BUDGET_EPOCHS ? ae_options_real(run->options, names[chosen])
                                                  : ae_parse_duration(ae_options_text(run->options, names[chosen]));
    if (!(budget->amount > 0)) {
        return ae_err_set(&run->error, AE_E_VALUE, "--%s must be above 0%s", names[chosen],
                          chosen == AE_BUDGET_TIME ? ", as in 90s, 30m or 2h" : "");
    }
    return 0;
}
