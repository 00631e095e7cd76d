#include "autograd/profile.h"
#include "nn/optim_lbfgs.h"
#include "nn/optimizer_rule.h"
#include "tensor/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What an optimizer knows of one parameter. */
typedef struct param {
    ae_tensor *tensor;
    int index; /* in the model */
    double lr_scale, weight_decay;
    bool excluded;
    int64_t t; /* updates so far */
    ae_tensor *state[OPTIM_STATES];
    double squares; /* of the gradient of this step, summed; 0: it had none */
} param;

struct ae_optimizer {
    ae_model *model;
    const optim_rule *rule;
    ae_optim_config config;
    param *params;
    int count;
    update *list; /* of the step under way, count entries */
    double grad_scale;
    ae_optim_report report;
    lbfgs *lbfgs;
};

/* ---- making -------------------------------------------------------------------------------------------------------- */

static void resolve(param *p, const ae_optim_config *c, const char *name, bool *group_used)
{
    p->lr_scale = 1;
    p->weight_decay = c->weight_decay;
    for (int i = 0; i < c->n_groups; i++) {
        if (ae_name_matches(name, c->groups[i].patterns)) {
            p->lr_scale = c->groups[i].lr_scale;
            p->weight_decay = isnan(c->groups[i].weight_decay) ? p->weight_decay : c->groups[i].weight_decay;
            group_used[i] = true;
            break;
        }
    }
    p->excluded = c->no_decay && ae_name_matches(name, c->no_decay);
    if (p->excluded || (!c->decay_vectors && p->tensor->ndim < 2)) {
        p->weight_decay = 0;
    }
}

static int check_groups(const ae_optim_config *c, const bool *used, ae_err *e)
{
    for (int i = 0; i < c->n_groups; i++) {
        const ae_optim_group *group = &c->groups[i];
        if (!(group->lr_scale >= 0) || isinf(group->lr_scale) || group->weight_decay < 0 ||
            isinf(group->weight_decay)) {
            return ae_err_set(e, AE_E_VALUE,
                              "optimizer: group %d (%s) has lr_scale %g and weight_decay %g; both must be "
                              "finite and at least 0, and weight_decay may be NaN",
                              i, group->patterns, group->lr_scale, group->weight_decay);
        }
        if (!used[i]) {
            return ae_err_set(
                e, AE_E_VALUE,
                "optimizer: group %d (%s) holds no parameter: nothing matches it, or an earlier group does", i,
                group->patterns);
        }
    }
    return 0;
}

static int fill(ae_optimizer *opt, const ae_optim_config *c, ae_err *e)
{
    bool *used = calloc((size_t)c->n_groups + 1, sizeof *used);
    if (!used) {
        return ae_err_set(e, AE_E_MEMORY, "optimizer: no memory");
    }
    for (int i = 0; i < ae_model_count(opt->model); i++) {
        ae_param_info info = ae_model_at(opt->model, i);
        if (!info.is_buffer) {
            param *p = &opt->params[opt->count++];
            p->tensor = info.tensor;
            p->index = i;
            resolve(p, c, info.name, used);
        }
    }
    int status = check_groups(c, used, e);
    free(used);
    return status;
}

ae_optimizer *ae_optimizer_new(ae_model *m, const ae_optim_config *config, ae_err *e)
{
    if (!ae_model_ok(m)) {
        ae_err_set(e, ae_model_error(m)->code, "%s", ae_model_error(m)->message);
        return NULL;
    }
    if (optim_check(config, e) != 0) {
        return NULL;
    }
    size_t most = (size_t)ae_model_count(m) + 1;
    ae_optimizer *opt = calloc(1, sizeof *opt);
    if (opt) {
        opt->params = calloc(most, sizeof *opt->params);
        opt->list = calloc(most, sizeof *opt->list);
    }
    if (!opt || !opt->params || !opt->list) {
        ae_err_set(e, AE_E_MEMORY, "optimizer: no memory");
        ae_optimizer_free(opt);
        return NULL;
    }
    opt->model = m;
    opt->rule = optim_find(config->rule);
    opt->config = *config;
    opt->config.rule = opt->rule->name;
    opt->config.no_decay = NULL; /* resolved into the parameters, as are the groups */
    opt->config.groups = NULL;
    opt->config.n_groups = 0;
    opt->grad_scale = 1;
    opt->report.clip = 1;
    if (fill(opt, config, e) != 0) {
        ae_optimizer_free(opt);
        return NULL;
    }
    return opt;
}

void ae_optimizer_free(ae_optimizer *opt)
{
    if (!opt) {
        return;
    }
    for (int i = 0; i < opt->count; i++) {
        for (int s = 0; s < OPTIM_STATES; s++) {
            ae_tensor_free(opt->params[i].state[s]);
        }
    }
    lbfgs_free(opt->lbfgs);
    free(opt->params);
    free(opt->list);
    free(opt);
}

void ae_optimizer_scale_grad(ae_optimizer *opt, double factor)
{
    opt->grad_scale = factor;
}

const char *ae_optimizer_rule(const ae_optimizer *opt)
{
    return opt->rule->name;
}

ae_optim_report ae_optimizer_report(const ae_optimizer *opt)
{
    return opt->report;
}

int64_t ae_optimizer_bytes(const ae_optimizer *opt)
{
    int64_t bytes = lbfgs_bytes(opt->lbfgs);
    for (int i = 0; i < opt->count; i++) {
        for (int s = 0; s < OPTIM_STATES; s++) {
            bytes += opt->params[i].state[s] ? ae_numel(opt->params[i].state[s]) * (int64_t)sizeof(float) : 0;
        }
    }
    return bytes;
}

/* ---- collecting ---------------------------------------------------------------------------------------------------- */

static ae_tensor *state_new(const ae_optimizer *opt, const param *p, int s, ae_err *e)
{
    const optim_state *state = &opt->rule->states[s];
    int64_t shape[AE_MAX_DIMS];
    int ndim = state->name ? state->shape(&opt->config, p->tensor, shape) : -1;
    if (ndim < 0) {
        return NULL;
    }
    ae_tensor *t = ae_tensor_new(AE_F32, ndim, shape, e);
    float first = state->first ? (float)state->first(&opt->config) : 0;
    for (int64_t i = 0; t && first != 0 && i < ae_numel(t); i++) {
        ((float *)t->data)[i] = first;
    }
    return t;
}

/* States come to be with a parameter's first gradient. */
static int make_states(const ae_optimizer *opt, param *p, ae_err *e)
{
    for (int s = 0; s < OPTIM_STATES && p->t == 0; s++) {
        if (!p->state[s]) {
            p->state[s] = state_new(opt, p, s, e);
        }
    }
    return e->code == AE_OK ? 0 : -1;
}

static int check_gradient(const param *p, ae_err *e)
{
    const ae_tensor *grad = p->tensor->grad;
    if (!grad) {
        return 0; /* kept by rows, which the library makes */
    }
    if (grad->dtype != AE_F32 || !ae_is_contiguous(grad) || !ae_same_shape(grad, p->tensor)) {
        char have[AE_SHAPE_TEXT_MAX];
        char want[AE_SHAPE_TEXT_MAX];
        return ae_err_set(e, AE_E_SHAPE, "optimizer: the gradient of %s must be contiguous f32 %s; it is %s %s",
                          p->tensor->name, ae_shape_text(p->tensor->ndim, p->tensor->shape, want),
                          ae_dtype_name(grad->dtype), ae_shape_text(grad->ndim, grad->shape, have));
    }
    return 0;
}

static bool takes_part(const ae_optimizer *opt, const param *p)
{
    return (p->tensor->grad || p->tensor->grad_rows) && ae_model_at(opt->model, p->index).trainable && p->lr_scale != 0;
}

/* Fills u with what this step does to parameter i; whether it takes part, or -1. */
static int collect_one(ae_optimizer *opt, int i, double lr, update *u, ae_err *e)
{
    param *p = &opt->params[i];
    if (!takes_part(opt, p)) {
        return 0;
    }
    if (check_gradient(p, e) != 0 || make_states(opt, p, e) != 0) {
        return -1;
    }
    *u = (update){.tensor = p->tensor,
                  .p = p->tensor->data,
                  .g = p->tensor->grad ? p->tensor->grad->data : NULL,
                  .rows = p->tensor->grad ? NULL : p->tensor->grad_rows,
                  .n = ae_numel(p->tensor),
                  .t = p->t + 1,
                  .lr = lr * p->lr_scale,
                  .weight_decay = p->weight_decay,
                  .excluded = p->excluded,
                  .grad_scale = (float)opt->grad_scale,
                  .owner = i};
    for (int s = 0; s < OPTIM_STATES; s++) {
        u->state[s] = p->state[s] ? p->state[s]->data : NULL;
    }
    return 1;
}

/* Fills opt->list with what this step updates; the number of entries, or -1. */
static int collect(ae_optimizer *opt, double lr, ae_err *e)
{
    int n = 0;
    for (int i = 0; i < opt->count; i++) {
        int one = collect_one(opt, i, lr, &opt->list[n], e);
        if (one < 0) {
            return -1;
        }
        n += one;
    }
    return n;
}

/* ---- clipping ------------------------------------------------------------------------------------------------------ */

static void clamp(const ae_optim_config *c, const update *u, float *g, int64_t n)
{
    float most = (float)(c->clip_value / fabs((double)u->grad_scale));
    for (int64_t i = 0; i < n; i++) {
        g[i] = g[i] > most ? most : g[i] < -most ? -most : g[i]; /* NaN stays */
    }
}

static void clamp_block(const ae_optim_config *c, const update *u, int64_t begin, int64_t end)
{
    if (u->tensor->grad) {
        clamp(c, u, (float *)u->tensor->grad->data + begin, end - begin);
    }
}

/* Rows that are kept are clamped where they are: zeros stay zeros. */
static void clamp_all(ae_optimizer *opt, update *list, int n)
{
    optim_gradient_blocks(&opt->config, list, n, clamp_block);
    for (int i = 0; i < n; i++) {
        const ae_row_gradient *rows = list[i].rows;
        if (rows) {
            clamp(&opt->config, &list[i], rows->values, rows->count * rows->width);
        }
    }
}

static void square_block(const ae_optim_config *c, const update *u, int64_t begin, int64_t end)
{
    (void)c;
    u->sums[2 * (begin / OPTIM_BLOCK)] = ae_kernels_get()->sum_squares(u->g + begin, end - begin);
}

/* The squares of each gradient of the list are left with its parameter; -1 with e naming the first that is not
 * finite. */
static int square_gradients(ae_optimizer *opt, update *list, int n, const char *so, ae_err *e)
{
    if (optim_sums_new(list, n) != 0) {
        return ae_err_set(e, AE_E_MEMORY, "optimizer: no memory");
    }
    optim_gradient_blocks(&opt->config, list, n, square_block);
    for (int i = 0; i < n; i++) {
        double own = optim_sum(&list[i], 0);
        if (!isfinite(own)) {
            ae_err_set(e, AE_E_NONFINITE,
                       "optimizer: the gradient of %s is not finite, so %s; look for the operation with AE_ANOMALY, or "
                       "lower the learning rate",
                       list[i].tensor->name, so);
        }
        opt->params[list[i].owner].squares = own;
    }
    optim_sums_free(list, n);
    return e->code == AE_OK ? 0 : -1;
}

/* The norm of all gradients, from the squares of those that took part. */
static double gradient_norm(const ae_optimizer *opt)
{
    double sum = 0;
    for (int i = 0; i < opt->count; i++) {
        sum += opt->params[i].squares;
    }
    return sqrt(sum) * fabs(opt->grad_scale);
}

/* The factor of clipping by norm. */
static double clip_factor(const ae_optim_config *c, double norm)
{
    if (c->clip_norm == 0) {
        return 1;
    }
    double factor = c->clip_norm / (c->clip_rule == AE_CLIP_TORCH ? norm + 1e-6 : norm);
    return factor < 1 ? factor : 1;
}

static void clip_by_norm(ae_optimizer *opt, int n, double norm)
{
    double factor = clip_factor(&opt->config, norm);
    for (int i = 0; i < n && factor < 1; i++) {
        if (opt->config.clip_rule == AE_CLIP_INFERSENT) {
            opt->list[i].lr *= factor;
        } else {
            opt->list[i].grad_scale *= (float)factor;
        }
    }
    opt->report.grad_norm = norm;
    opt->report.clip = factor;
}

/* ---- the step ------------------------------------------------------------------------------------------------------ */

static int check_rate(double lr, ae_err *e)
{
    if (!(lr >= 0) || isinf(lr)) {
        return ae_err_set(e, AE_E_VALUE, "optimizer: the rate must be finite and at least 0; it is %g", lr);
    }
    return 0;
}

static void forget_squares(ae_optimizer *opt)
{
    for (int i = 0; i < opt->count; i++) {
        opt->params[i].squares = 0;
    }
}

/* Limits the elements and measures the gradients of the list. */
static int prepare(ae_optimizer *opt, update *list, int n, const char *so, ae_err *e)
{
    if (opt->config.clip_value > 0) {
        clamp_all(opt, list, n);
    }
    return square_gradients(opt, list, n, so, e);
}

/* Runs the rule over the list. */
static int update_all(ae_optimizer *opt, update *list, int n, ae_err *e)
{
    if (opt->rule->step(&opt->config, list, n) != 0) {
        return ae_err_set(e, AE_E_MEMORY, "optimizer: no memory for %s", opt->rule->name);
    }
    for (int i = 0; i < n; i++) {
        opt->params[list[i].owner].t++;
        ae_param_touch(list[i].tensor);
    }
    return 0;
}

static int run(ae_optimizer *opt, double lr, ae_profile *profile, ae_err *e)
{
    int n = check_rate(lr, e) == 0 ? collect(opt, lr, e) : -1;
    forget_squares(opt);
    if (n < 0) {
        return -1;
    }
    int64_t span = ae_profile_begin(profile, "gradient norm and clipping");
    int finite = prepare(opt, opt->list, n, "nothing was updated", e);
    ae_profile_end(profile, span);
    if (finite != 0) {
        return -1;
    }
    clip_by_norm(opt, n, gradient_norm(opt));
    if (update_all(opt, opt->list, n, e) != 0) {
        return -1;
    }
    opt->report.step++;
    opt->report.updated = n;
    return 0;
}

int ae_optimizer_step(ae_optimizer *opt, ae_graph *g, double lr)
{
    ae_err e = {0};
    ae_profile *profile = ae_graph_get_profile(g);
    int64_t span = ae_profile_begin(profile, "optimizer");
    int status = ae_ok(g) ? 0 : -1;
    if (status == 0 && !opt->rule->step) {
        status = ae_err_set(&e, AE_E_STATE, "optimizer: %s evaluates the function itself; call ae_optimizer_minimise",
                            opt->rule->name);
    }
    status = status == 0 ? run(opt, lr, profile, &e) : status;
    if (e.code != AE_OK) {
        ae_fail(g, e.code, "%s", e.message);
    }
    ae_model_zero_grad(opt->model);
    ae_profile_end(profile, span);
    return status;
}

/* ---- the step inside backward -------------------------------------------------------------------------------------- */

/* What the graph's hook knows. */
typedef struct early {
    ae_optimizer *opt;
    double lr;
    int updated;
    ae_profile *profile;
    ae_err error;
} early;

static int index_of(const ae_optimizer *opt, const ae_tensor *parameter)
{
    for (int i = 0; i < opt->count; i++) {
        if (opt->params[i].tensor == parameter) {
            return i;
        }
    }
    return -1;
}

static void update_now(ae_tensor *parameter, void *user)
{
    early *x = user;
    update u;
    int i = index_of(x->opt, parameter);
    if (i < 0 || x->error.code != AE_OK) {
        return; /* of another model, or too late */
    }
    int64_t span = ae_profile_begin(x->profile, "optimizer");
    if (collect_one(x->opt, i, x->lr, &u, &x->error) == 1 &&
        prepare(x->opt, &u, 1, "the update stopped half way", &x->error) == 0 &&
        update_all(x->opt, &u, 1, &x->error) == 0) {
        x->updated++;
    }
    ae_gradient_drop(parameter);
    ae_profile_end(x->profile, span);
}

static int check_early(const ae_optimizer *opt, double lr, ae_err *e)
{
    if (!opt->rule->step) {
        return ae_err_set(e, AE_E_STATE, "optimizer: %s evaluates the function itself; call ae_optimizer_minimise",
                          opt->rule->name);
    }
    if (opt->config.clip_norm > 0) {
        return ae_err_set(
            e, AE_E_VALUE,
            "optimizer: clipping by the norm of all gradients (clip_norm %g) needs all of them; an update "
            "inside backward goes without it, or with clip_value",
            opt->config.clip_norm);
    }
    return check_rate(lr, e);
}

int ae_optimizer_backward(ae_optimizer *opt, ae_graph *g, ae_tensor *loss, double lr)
{
    early x = {.opt = opt, .lr = lr, .profile = ae_graph_get_profile(g)};
    int status = ae_ok(g) ? check_early(opt, lr, &x.error) : -1;
    ae_model_zero_grad(opt->model);
    forget_squares(opt);
    if (status == 0) {
        ae_on_param_final(g, update_now, &x);
        status = ae_backward(g, loss, 0);
        ae_on_param_final(g, NULL, NULL);
    }
    if (x.error.code != AE_OK) {
        ae_fail(g, x.error.code, "%s", x.error.message);
        status = -1;
    }
    ae_model_zero_grad(opt->model);
    if (status == 0) {
        opt->report = (ae_optim_report){opt->report.step + 1, x.updated, gradient_norm(opt), 1};
    }
    return status;
}

static int run_lbfgs(ae_optimizer *opt, lbfgs_problem *p, double lr, double *loss)
{
    p->tensors = malloc((size_t)opt->count * sizeof(ae_tensor *) + 1);
    if (!p->tensors) {
        ae_fail(p->graph, AE_E_MEMORY, "optimizer: no memory for lbfgs");
        return -1;
    }
    for (int i = 0; i < opt->count; i++) {
        if (ae_model_at(opt->model, opt->params[i].index).trainable) {
            p->tensors[p->count++] = opt->params[i].tensor;
        }
    }
    int status = lbfgs_minimise(&opt->lbfgs, &opt->config, p, lr, loss, &opt->report);
    opt->report.step += status == 0;
    free(p->tensors);
    return status;
}

int ae_optimizer_minimise(ae_optimizer *opt, ae_graph *g, double lr, ae_closure_fn fn, void *user, double *loss)
{
    double nobody;
    double *out = loss ? loss : &nobody;
    if (opt->rule->step) {
        ae_model_zero_grad(opt->model);
        if (fn(g, user, out) != 0 && ae_ok(g)) {
            ae_fail(g, AE_E_STATE, "optimizer: the closure failed");
        }
        return ae_optimizer_step(opt, g, lr);
    }
    ae_graph_begin(g, AE_EVAL);
    if (!(lr > 0) || isinf(lr)) {
        ae_fail(g, AE_E_VALUE, "optimizer: the rate of lbfgs must be finite and above 0; it is %g", lr);
        return -1;
    }
    lbfgs_problem p = {.model = opt->model, .graph = g, .fn = fn, .user = user};
    return run_lbfgs(opt, &p, lr, out);
}

/* ---- saving -------------------------------------------------------------------------------------------------------- */

enum { LABEL_MAX = 640 };

static const char *label(const char *state, const param *p, char text[LABEL_MAX])
{
    snprintf(text, LABEL_MAX, "%s/%s", state, p->tensor->name);
    return text;
}

static int add_count(ae_tensors *out, const char *name, int64_t value, ae_err *e)
{
    ae_tensor *t = ae_tensor_new(AE_I64, 0, NULL, e);
    if (!t) {
        return -1;
    }
    ae_set_i64(t, 0, value);
    return ae_tensors_add(out, name, t, e);
}

int ae_optimizer_save(const ae_optimizer *opt, ae_tensors *out, ae_err *e)
{
    char text[LABEL_MAX];
    int status = add_count(out, "step", opt->report.step, e);
    for (int i = 0; i < opt->count && status == 0; i++) {
        const param *p = &opt->params[i];
        if (p->t > 0) {
            status = add_count(out, label("updates", p, text), p->t, e);
        }
        for (int s = 0; s < OPTIM_STATES && status == 0; s++) {
            if (p->state[s] && p->t > 0) {
                status = ae_tensors_add_copy(out, label(opt->rule->states[s].name, p, text), p->state[s], e);
            }
        }
    }
    return status == 0 ? lbfgs_save(opt->lbfgs, out, e) : -1;
}

/* A count of the file, from 0; -1 when it is absent, -2 with e filled when it is something else. */
static int64_t read_count(const ae_tensors *in, const char *name, ae_err *e)
{
    const ae_tensor *t = ae_tensors_get(in, name);
    if (!t) {
        return -1;
    }
    if (t->dtype != AE_I64 || ae_numel(t) != 1 || ae_get_i64(t, 0) < 0) {
        ae_err_set(e, AE_E_FORMAT, "optimizer: the state %s must be one count", name);
        return -2;
    }
    return ae_get_i64(t, 0);
}

/* Copies of the states of one parameter into fresh. */
static void read_states(const ae_optimizer *opt, const param *p, const ae_tensors *in, param *fresh, ae_err *e)
{
    char text[LABEL_MAX];
    fresh->t = read_count(in, label("updates", p, text), e);
    if (fresh->t == -1) {
        fresh->t = 0;
        return;
    }
    for (int s = 0; s < OPTIM_STATES && e->code == AE_OK; s++) {
        ae_tensor *t = state_new(opt, p, s, e);
        fresh->state[s] = t;
        if (!t) {
            continue;
        }
        const ae_tensor *from = ae_tensors_get(in, label(opt->rule->states[s].name, p, text));
        char want[AE_SHAPE_TEXT_MAX];
        char have[AE_SHAPE_TEXT_MAX];
        if (!from) {
            ae_err_set(e, AE_E_MISSING, "optimizer: the state %s of %s is missing", text, opt->rule->name);
        } else if (!ae_same_shape(from, t)) {
            ae_err_set(e, AE_E_SHAPE, "optimizer: the state %s must be %s; it is %s", text,
                       ae_shape_text(t->ndim, t->shape, want), ae_shape_text(from->ndim, from->shape, have));
        } else {
            ae_tensor_copy(t, from, e);
        }
    }
}

/* The first name that no parameter took: made by another rule or for another model. */
static int refuse_foreign(const ae_optimizer *opt, const ae_tensors *in, ae_err *e)
{
    for (int i = 0; i < ae_tensors_count(in); i++) {
        const char *name = ae_tensors_name(in, i);
        const char *slash = strchr(name, '/');
        bool known = strcmp(name, "step") == 0 || (!opt->rule->step && strncmp(name, "lbfgs/", 6) == 0);
        for (int s = -1; s < OPTIM_STATES && slash && !known; s++) {
            const char *state = s < 0 ? "updates" : opt->rule->states[s].name;
            known = state && strlen(state) == (size_t)(slash - name) && strncmp(state, name, strlen(state)) == 0 &&
                    ae_model_get(opt->model, slash + 1);
        }
        if (!known) {
            return ae_err_set(e, AE_E_UNEXPECTED,
                              "optimizer: the state %s is not one of %s for this model; resume with the rule and the "
                              "model that wrote it",
                              name, opt->rule->name);
        }
    }
    return 0;
}

static void take_states(ae_optimizer *opt, param *fresh)
{
    for (int i = 0; i < opt->count; i++) {
        param *p = &opt->params[i];
        p->t = fresh[i].t;
        for (int s = 0; s < OPTIM_STATES; s++) {
            ae_tensor_free(p->state[s]);
            p->state[s] = fresh[i].state[s];
            fresh[i].state[s] = NULL;
        }
    }
}

static int64_t trainable_elements(const ae_optimizer *opt)
{
    int64_t n = 0;
    for (int i = 0; i < opt->count; i++) {
        n += ae_model_at(opt->model, opt->params[i].index).trainable ? ae_numel(opt->params[i].tensor) : 0;
    }
    return n;
}

int ae_optimizer_load(ae_optimizer *opt, const ae_tensors *in, ae_err *e)
{
    ae_err own = {0};
    param *fresh = calloc((size_t)opt->count + 1, sizeof *fresh);
    int64_t step = read_count(in, "step", &own);
    if (!fresh) {
        return ae_err_set(e, AE_E_MEMORY, "optimizer: no memory");
    }
    if (step == -1) {
        ae_err_set(&own, AE_E_MISSING, "optimizer: the count \"step\" is missing; is this an optimizer's state?");
    }
    for (int i = 0; i < opt->count && own.code == AE_OK; i++) {
        read_states(opt, &opt->params[i], in, &fresh[i], &own);
    }
    if (own.code == AE_OK && refuse_foreign(opt, in, &own) == 0 &&
        lbfgs_load(&opt->lbfgs, &opt->config, trainable_elements(opt), in, &own) == 0) {
        take_states(opt, fresh);
        opt->report.step = step;
    }
    for (int i = 0; i < opt->count; i++) {
        for (int s = 0; s < OPTIM_STATES; s++) {
            ae_tensor_free(fresh[i].state[s]);
        }
    }
    free(fresh);
    return own.code == AE_OK ? 0 : ae_err_set(e, own.code, "%s", own.message);
}

int ae_optimizer_use_mean(ae_optimizer *opt, ae_err *e)
{
    if (opt->rule != &optim_asgd) {
        return ae_err_set(e, AE_E_STATE, "optimizer: %s keeps no mean of the parameters; asgd and ae_average do",
                          opt->rule->name);
    }
    for (int i = 0; i < opt->count; i++) {
        param *p = &opt->params[i];
        if (p->t > 0) {
            ae_tensor_copy(p->tensor, p->state[0], e);
            ae_param_touch(p->tensor);
        }
    }
    return 0;
}
