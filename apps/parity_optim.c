/* Cases of the kinds "optimizer" (rules on fixed gradients, without a model) and "schedule". */
#include "apps/parity.h"
#include "nn/optimizer.h"
#include "nn/schedule.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- from meta.json to a configuration ------------------------------------------------------------------------------- */

/* How the references name their classes, and what tells apart those that share a name. */
static const struct class_row {
    const char *class_name, *source, *rule;
} classes[] = {
    {"SGD", "", "sgd"},
    {"ASGD", "", "asgd"},
    {"Adam", "", "adam"},
    {"AdamW", "torch.optim", "adamw"},
    {"AdamW", "transformers", "adamw_hf"},
    {"<lambda>", "transformers", "adamw_hf"},
    {"AdamWeightDecayOptimizer", "", "adamw_bert"},
    {"Adamax", "", "adamax"},
    {"Adagrad", "", "adagrad"},
    {"Adadelta", "", "adadelta"},
    {"RMSprop", "", "rmsprop"},
    {"Adafactor", "", "adafactor"},
    {"LAMBOptimizer", "", "lamb"},
    {"Lamb", "", "lamb_cybertronai"},
};

static const char *rule_of(const ae_case *c, const ae_json *options, ae_err *e)
{
    const char *class_name = ae_json_need_string(options, "cls", e);
    const char *source = ae_json_string(c->meta, "source_repo", "", e);
    for (size_t i = 0; class_name && i < sizeof classes / sizeof *classes; i++) {
        if (strcmp(classes[i].class_name, class_name) == 0 && strstr(source, classes[i].source)) {
            return classes[i].rule;
        }
    }
    if (class_name) {
        ae_err_set(e, AE_E_UNSUPPORTED, "%s: no rule stands for the optimizer %s of %s", c->dir, class_name, source);
    }
    return NULL;
}

/* The names of a list as patterns: exact, or anywhere in a name. malloc'ed. */
static char *patterns_of(const ae_json *list, bool anywhere)
{
    size_t size = 1;
    for (const ae_json *j = ae_json_first(list); j; j = ae_json_next(j)) {
        const char *name = "";
        ae_json_value_string(j, &name, NULL);
        size += strlen(name) + 3;
    }
    char *text = calloc(1, size);
    for (const ae_json *j = ae_json_first(list); text && j; j = ae_json_next(j)) {
        const char *name = "";
        const char *star = anywhere ? "*" : "";
        ae_json_value_string(j, &name, NULL);
        snprintf(text + strlen(text), size - strlen(text), "%s%s%s ", star, name, star);
    }
    return text;
}

static void read_options(const ae_json *o, ae_optim_config *c, ae_err *e)
{
    c->weight_decay = ae_json_double(o, "weight_decay", c->weight_decay, e);
    c->weight_decay = ae_json_double(o, "weight_decay_rate", c->weight_decay, e);
    c->eps = ae_json_double(o, "eps", c->eps, e);
    c->momentum = ae_json_double(o, "momentum", c->momentum, e);
    c->dampening = ae_json_double(o, "dampening", c->dampening, e);
    c->nesterov = ae_json_bool(o, "nesterov", c->nesterov, e);
    c->amsgrad = ae_json_bool(o, "amsgrad", c->amsgrad, e);
    c->rho = ae_json_double(o, "rho", c->rho, e);
    c->rho = strcmp(c->rule, "rmsprop") == 0 ? ae_json_double(o, "alpha", c->rho, e) : c->rho;
    c->alpha = strcmp(c->rule, "asgd") == 0 ? ae_json_double(o, "alpha", c->alpha, e) : c->alpha;
    c->centered = ae_json_bool(o, "centered", c->centered, e);
    c->lr_decay = ae_json_double(o, "lr_decay", c->lr_decay, e);
    c->accumulator = ae_json_double(o, "initial_accumulator_value", c->accumulator, e);
    c->lambda = ae_json_double(o, "lambd", c->lambda, e);
    c->averaging_start = ae_json_double(o, "t0", c->averaging_start, e);
    c->correct_bias = ae_json_bool(o, "correct_bias", c->correct_bias, e);
    c->scale_parameter = ae_json_bool(o, "scale_parameter", c->scale_parameter, e);
    c->relative_step = ae_json_bool(o, "relative_step", c->relative_step, e);
    const ae_json *betas = ae_json_array(o, "betas", e);
    if (ae_json_count(betas) == 2) {
        ae_json_value_double(ae_json_at(betas, 0), &c->beta1, e);
        ae_json_value_double(ae_json_at(betas, 1), &c->beta2, e);
    }
}

static ae_optimizer *make_optimizer(const ae_case *c, ae_model *m, const ae_json *options, ae_err *e)
{
    const char *rule = rule_of(c, options, e);
    if (!rule) {
        return NULL;
    }
    ae_optim_config config = ae_optim_defaults(rule);
    read_options(options, &config, e);
    config.clip_norm = ae_json_double(c->meta, "clip_grad_norm", 0, e);
    const ae_json *excluded = ae_json_array(options, "exclude_from_weight_decay", e);
    const ae_json *listed = ae_json_array(c->meta, "no_decay_params", e);
    char *patterns = patterns_of(excluded ? excluded : listed, excluded != NULL);
    config.no_decay = patterns;
    ae_optimizer *opt = e->code == AE_OK ? ae_optimizer_new(m, &config, e) : NULL;
    free(patterns);
    return opt;
}

/* ---- running ----------------------------------------------------------------------------------------------------------- */

static ae_model *make_parameters(const ae_case *c, ae_err *e)
{
    ae_model *m = ae_model_new(1);
    for (int i = 0; m && i < ae_tensors_count(c->model); i++) {
        const ae_tensor *t = ae_tensors_at(c->model, i);
        ae_tensor *p = ae_param(m, ae_tensors_name(c->model, i), t->ndim, t->shape, ae_init_zeros());
        if (ae_model_ok(m)) {
            ae_tensor_copy(p, t, e);
        }
    }
    if (m && !ae_model_ok(m)) {
        ae_err_set(e, ae_model_error(m)->code, "%s: %s", c->dir, ae_model_error(m)->message);
    }
    return m;
}

/* Row t of inputs grad.<name> becomes each parameter's gradient. */
static int set_gradients(const ae_case *c, const ae_model *m, int64_t t, ae_err *e)
{
    for (int i = 0; i < ae_model_count(m); i++) {
        char name[640];
        ae_param_info p = ae_model_at(m, i);
        snprintf(name, sizeof name, "grad.%s", p.name);
        const ae_tensor *rows = ae_tensors_get(c->inputs, name);
        int64_t n = ae_numel(p.tensor);
        if (!rows || rows->dtype != AE_F32 || ae_numel(rows) < (t + 1) * n || !ae_is_contiguous(rows)) {
            return ae_err_set(e, AE_E_MISSING, "%s: inputs.safetensors holds no f32 %s for step %lld", c->dir, name,
                              (long long)t + 1);
        }
        ae_tensor_free(p.tensor->grad);
        p.tensor->grad = ae_tensor_new(AE_F32, p.tensor->ndim, p.tensor->shape, e);
        if (!p.tensor->grad) {
            return -1;
        }
        memcpy(p.tensor->grad->data, (const float *)rows->data + t * n, (size_t)n * sizeof(float));
    }
    return 0;
}

/* Adds step<t>.<name> for every parameter that expected names so. */
static int put_parameters(const ae_case *c, const ae_model *m, int64_t t, ae_tensors *outputs, ae_err *e)
{
    for (int i = 0; i < ae_model_count(m); i++) {
        char name[640];
        ae_param_info p = ae_model_at(m, i);
        snprintf(name, sizeof name, "step%lld.%s", (long long)t, p.name);
        if (ae_tensors_get(c->expected, name) && ae_tensors_add_copy(outputs, name, p.tensor, e) != 0) {
            return -1;
        }
    }
    return 0;
}

static double rate_at(const ae_case *c, const ae_json *options, int64_t t, ae_err *e)
{
    const ae_json *rates = ae_json_array(c->meta, "lr_per_step", e);
    double lr = ae_json_double(options, "learning_rate", ae_json_double(options, "lr", 1, e), e);
    if (rates) {
        ae_json_value_double(ae_json_at(rates, (int)t), &lr, e);
    }
    return lr;
}

/* Adds grad_norm (steps), when expected has it. */
static void put_norms(const ae_case *c, const double *norms, int64_t steps, ae_tensors *outputs, ae_err *e)
{
    ae_tensor *t = ae_tensors_get(c->expected, "grad_norm") ? ae_tensor_new(AE_F32, 1, &steps, e) : NULL;
    for (int64_t i = 0; t && i < steps; i++) {
        ae_set_f64(t, i, norms[i]);
    }
    if (t) {
        ae_tensors_add(outputs, "grad_norm", t, e);
    }
}

/* Adds mean.<name> of an averaging rule, when expected has it. */
static void put_means(const ae_case *c, const ae_model *m, ae_optimizer *opt, ae_tensors *outputs, ae_err *e)
{
    char name[640];
    snprintf(name, sizeof name, "mean.%s", ae_model_at(m, 0).name);
    if (!ae_tensors_get(c->expected, name) || ae_optimizer_use_mean(opt, e) != 0) {
        return;
    }
    for (int i = 0; i < ae_model_count(m); i++) {
        ae_param_info p = ae_model_at(m, i);
        snprintf(name, sizeof name, "mean.%s", p.name);
        ae_tensors_add_copy(outputs, name, p.tensor, e);
    }
}

static int run_steps(const ae_case *c, ae_model *m, ae_graph *g, const ae_json *options, ae_tensors *outputs, ae_err *e)
{
    const ae_tensor *rows = ae_tensors_at(c->inputs, 0);
    int64_t steps = rows && rows->ndim > 0 ? rows->shape[0] : 0;
    ae_optimizer *opt = make_optimizer(c, m, options, e);
    double *norms = calloc((size_t)steps + 1, sizeof *norms);
    for (int64_t t = 0; opt && norms && t < steps && e->code == AE_OK; t++) {
        double lr = rate_at(c, options, t, e);
        ae_graph_begin(g, AE_EVAL);
        if (set_gradients(c, m, t, e) == 0 && ae_optimizer_step(opt, g, lr) != 0) {
            ae_err_set(e, ae_graph_error(g)->code, "%s: %s", c->dir, ae_graph_error(g)->message);
        }
        if (e->code == AE_OK) {
            put_parameters(c, m, t + 1, outputs, e);
            norms[t] = ae_optimizer_report(opt).grad_norm;
        }
    }
    if (e->code == AE_OK && norms) {
        put_means(c, m, opt, outputs, e);
        put_norms(c, norms, steps, outputs, e);
    }
    free(norms);
    ae_optimizer_free(opt);
    return e->code == AE_OK ? 0 : -1;
}

int ae_case_run_optimizer(const ae_case *c, bool packed, ae_tensors *outputs, ae_err *e)
{
    (void)packed;
    ae_err own = {0};
    const ae_json *options = ae_json_object(c->meta, "optimizer", &own);
    if (!options || !c->model || !c->inputs || !c->expected) {
        return ae_err_set(e, AE_E_MISSING,
                          "%s: meta.json must describe the optimizer, and model, inputs and expected be there", c->dir);
    }
    ae_model *m = make_parameters(c, &own);
    ae_graph *g = ae_graph_new();
    if (!m || !g) {
        ae_err_set(&own, AE_E_MEMORY, "%s: no memory", c->dir);
    }
    if (own.code == AE_OK) {
        run_steps(c, m, g, options, outputs, &own);
    }
    ae_graph_free(g);
    ae_model_free(m);
    return own.code == AE_OK ? 0 : ae_err_set(e, own.code, "%s", own.message);
}

/* ---- schedules --------------------------------------------------------------------------------------------------------- */

static ae_schedule make_schedule(const ae_case *c, const char *name, ae_err *e)
{
    ae_schedule s = ae_schedule_make(name, ae_json_double(c->meta, "base_lr", 0, e),
                                     ae_json_int(c->meta, "warmup", 0, e), ae_json_int(c->meta, "total", 0, e));
    const ae_json *own = ae_json_object(c->meta, name, e);
    s.cycles = ae_json_double(own, "num_cycles", s.cycles, e);
    s.end_rate = ae_json_double(own, "lr_end", s.end_rate, e);
    s.power = ae_json_double(own, "power", s.power, e);
    s.warmup = ae_json_int(own, "warmup", s.warmup, e);
    s.total = ae_json_int(own, "total", s.total, e);
    s.decay = ae_json_int(own, "decay_steps", s.decay, e);
    s.start_scale = ae_json_double(own, "init_lr_scale", s.start_scale, e);
    s.end_scale = ae_json_double(own, "final_lr_scale", s.end_scale, e);
    return s;
}

int ae_case_run_schedule(const ae_case *c, bool packed, ae_tensors *outputs, ae_err *e)
{
    (void)packed;
    ae_err own = {0};
    const ae_tensor *steps = c->inputs ? ae_tensors_get(c->inputs, "steps") : NULL;
    if (!steps || !c->expected) {
        return ae_err_set(e, AE_E_MISSING, "%s: inputs.safetensors must hold steps, and expected be there", c->dir);
    }
    for (int i = 0; i < ae_tensors_count(c->expected) && own.code == AE_OK; i++) {
        const char *name = ae_tensors_name(c->expected, i);
        ae_schedule s = make_schedule(c, name, &own);
        ae_tensor *rates = ae_tensor_new(AE_F32, steps->ndim, steps->shape, &own);
        if (!rates || ae_schedule_check(&s, &own) != 0) {
            ae_tensor_free(rates);
            break;
        }
        for (int64_t k = 0; k < ae_numel(steps); k++) {
            ae_set_f64(rates, k, ae_schedule_rate(&s, ae_get_i64(steps, k)));
        }
        ae_tensors_add(outputs, name, rates, &own);
    }
    return own.code == AE_OK ? 0 : ae_err_set(e, own.code, "%s: %s", c->dir, own.message);
}
