/* Cases of a short training run: loss, rate and gradient norm of every step, and the parameters at the end. */
#include "apps/parity_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The rule that meta.json describes, with its rates, decay exclusions and clipping. */
typedef struct recipe {
    ae_optim_config optim;
    char *no_decay; /* names, joined by spaces */
    ae_schedule schedule;
    int64_t steps;
} recipe;

static const char *rule_of(const char *name)
{
    static const struct {
        const char *part, *rule;
    } rules[] = {
        {"LAMB", "lamb_cybertronai"}, {"Adafactor", "adafactor"}, {"BERT", "adamw_hf"}, {"HF", "adamw_hf"},
        {"AdamW", "adamw"},           {"Adamax", "adamax"},       {"Adam", "adam"},     {"SGD", "sgd"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (strstr(name, rules[i].part)) {
            return rules[i].rule;
        }
    }
    return NULL;
}

static char *joined_names(const ae_json *names)
{
    size_t size = 1;
    const char *text;
    for (const ae_json *n = names ? ae_json_first(names) : NULL; n; n = ae_json_next(n)) {
        size += ae_json_value_string(n, &text, NULL) == 0 ? strlen(text) + 1 : 0;
    }
    char *all = calloc(size, 1);
    for (const ae_json *n = names ? ae_json_first(names) : NULL; n && all; n = ae_json_next(n)) {
        if (ae_json_value_string(n, &text, NULL) == 0) {
            strcat(all, text);
            strcat(all, " ");
        }
    }
    return all;
}

static int recipe_read(const ae_case *c, recipe *r, ae_err *e)
{
    memset(r, 0, sizeof *r);
    const ae_json *o = ae_json_need_object(c->meta, "optimizer", e);
    const ae_tensor *losses = ae_tensors_get(c->expected, "loss");
    const char *name = o ? ae_json_need_string(o, "name", e) : NULL;
    if (!name || !losses) {
        return ae_err_set(e, AE_E_MISSING, "%s: a case of steps needs an optimizer and the expected losses", c->dir);
    }
    const char *rule = rule_of(name);
    if (!rule) {
        return ae_err_set(e, AE_E_UNSUPPORTED, "%s: no optimizer like \"%s\"", c->dir, name);
    }
    r->optim = ae_optim_defaults(rule);
    const ae_json *betas = ae_json_get(o, "betas");
    if (!ae_json_is_null(betas) && ae_json_count(betas) == 2) {
        ae_json_value_double(ae_json_at(betas, 0), &r->optim.beta1, e);
        ae_json_value_double(ae_json_at(betas, 1), &r->optim.beta2, e);
    }
    if (ae_json_type_of(ae_json_get(o, "eps")) == AE_JSON_NUMBER) {
        r->optim.eps = ae_json_double(o, "eps", r->optim.eps, e);
    }
    r->optim.momentum = ae_json_double(o, "momentum", r->optim.momentum, e);
    r->optim.dampening = ae_json_double(o, "dampening", r->optim.dampening, e);
    r->optim.nesterov = ae_json_bool(o, "nesterov", r->optim.nesterov, e);
    r->optim.correct_bias = ae_json_bool(o, "correct_bias", r->optim.correct_bias, e);
    r->optim.weight_decay = ae_json_double(c->meta, "weight_decay", 0, e);
    r->optim.clip_norm = ae_json_is_null(ae_json_get(c->meta, "clip")) ? 0 : ae_json_double(c->meta, "clip", 0, e);
    r->no_decay = joined_names(ae_json_get(c->meta, "no_decay_params"));
    r->optim.no_decay = r->no_decay;
    r->steps = ae_numel(losses);
    bool rated = !ae_json_is_null(ae_json_get(o, "lr"));
    double lr = rated ? ae_json_double(o, "lr", 1, e) : 1; /* a rule with a rate of its own multiplies by this */
    r->schedule = ae_schedule_make(rated ? "linear" : "constant", lr, ae_json_int(o, "warmup_steps", 0, e), r->steps);
    return e->code ? -1 : 0;
}

/* Step t's batch: entry t mod B of every input's leading axis. */
static ae_tensors *batch_of(const ae_case *c, int64_t t, ae_err *e)
{
    ae_tensors *batch = ae_tensors_new();
    for (int i = 0; batch && i < ae_tensors_count(c->inputs) && !e->code; i++) {
        const ae_tensor *all = ae_tensors_at(c->inputs, i);
        if (all->ndim < 1 || all->shape[0] < 1) {
            ae_err_set(e, AE_E_SHAPE, "%s: input %s has no batches", c->dir, ae_tensors_name(c->inputs, i));
            break;
        }
        ae_tensor part = *all;
        part.ndim--;
        memmove(part.shape, part.shape + 1, (size_t)part.ndim * sizeof part.shape[0]);
        memmove(part.strides, part.strides + 1, (size_t)part.ndim * sizeof part.strides[0]);
        int64_t offset = t % all->shape[0] * all->strides[0];
        part.data = (char *)all->data + offset * (int64_t)ae_dtype_size(all->dtype);
        ae_tensors_add_copy(batch, ae_tensors_name(c->inputs, i), &part, e);
    }
    return batch;
}

/* One step; its three numbers go to place t of the traces. */
static int run_step(const ae_case *c, ae_parity_model *p, ae_optimizer *opt, const recipe *r, bool packed, int64_t t,
                    ae_tensor *traces[3], ae_err *e)
{
    ae_tensors *batch = batch_of(c, t, e), *ignored = ae_tensors_new();
    double lr = ae_schedule_rate(&r->schedule, t);
    if (!e->code && batch && ignored) {
        ae_graph_begin(p->graph, AE_GRAD);
        ae_io io = {p->graph, batch, ignored, packed, true};
        ae_tensor *loss = p->row->run(p->self, &io);
        ae_set_f64(traces[0], t, loss ? ae_item(loss) : (double)NAN);
        if (loss && ae_backward(p->graph, loss, 0) == 0) {
            ae_optimizer_step(opt, p->graph, lr);
        }
        ae_set_f64(traces[1], t, lr);
        ae_set_f64(traces[2], t, ae_optimizer_report(opt).grad_norm);
        if (!ae_ok(p->graph)) {
            ae_err_set(e, ae_graph_error(p->graph)->code, "%s: step %lld: %s", c->dir, (long long)t,
                       ae_graph_error(p->graph)->message);
        }
    }
    ae_tensors_free(batch);
    ae_tensors_free(ignored);
    return e->code ? -1 : 0;
}

static int run_steps(const ae_case *c, ae_parity_model *p, const recipe *r, bool packed, ae_tensors *outputs, ae_err *e)
{
    static const char *const names[3] = {"loss", "lr", "grad_norm"};
    ae_tensor *traces[3];
    ae_optimizer *opt = ae_optimizer_new(p->root, &r->optim, e);
    for (int i = 0; i < 3; i++) {
        traces[i] = ae_tensor_new(AE_F64, 1, &r->steps, e);
        if (!traces[i] || ae_tensors_add(outputs, names[i], traces[i], e) != 0) {
            ae_optimizer_free(opt);
            return -1;
        }
    }
    for (int64_t t = 0; opt && t < r->steps && !e->code; t++) {
        run_step(c, p, opt, r, packed, t, traces, e);
    }
    for (int i = 0; i < ae_model_count(p->root) && !e->code; i++) {
        ae_param_info info = ae_model_at(p->root, i);
        ae_parity_put(outputs, "final.", info.name, info.tensor, info.tensor, e);
    }
    ae_optimizer_free(opt);
    return e->code ? -1 : 0;
}

int ae_case_run_steps(const ae_case *c, bool packed, ae_tensors *outputs, ae_err *e)
{
    recipe r;
    ae_parity_model p;
    if (recipe_read(c, &r, e) == 0 && ae_parity_build(c, &p, e) == 0) {
        run_steps(c, &p, &r, packed, outputs, e);
        ae_parity_free(&p);
    }
    free(r.no_decay);
    return e->code ? -1 : 0;
}
