/* The list of rules, their defaults, and what a configuration may say. */
#include "nn/optimizer_rule.h"
#include "tensor/nearest_name.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static const optim_rule *const rules[] = {
#define ROW(name, source, formula) &optim_##name,
    AE_OPTIM_RULES(ROW)
#undef ROW
};

static const char *const texts[][3] = {
#define ROW(name, source, formula) {#name, source, formula},
    AE_OPTIM_RULES(ROW)
#undef ROW
};

enum { RULES = sizeof rules / sizeof *rules };

const optim_rule *optim_find(const char *name)
{
    for (int i = 0; i < RULES; i++) {
        if (strcmp(rules[i]->name, name) == 0) {
            return rules[i];
        }
    }
    return NULL;
}

int ae_optim_count(void)
{
    return RULES;
}

static const char *text_of(int i, int which)
{
    return i >= 0 && i < RULES ? texts[i][which] : NULL;
}

const char *ae_optim_name(int i)
{
    return text_of(i, 0);
}

const char *ae_optim_source(int i)
{
    return text_of(i, 1);
}

const char *ae_optim_formula(int i)
{
    return text_of(i, 2);
}

ae_optim_config ae_optim_defaults(const char *name)
{
    ae_optim_config c = {.rule = name, .decay_vectors = true};
    const optim_rule *rule = optim_find(name);
    if (rule) {
        rule->defaults(&c);
    }
    return c;
}

/* Where each number may lie; the upper end is excluded. */
static const struct range {
    const char *name;
    size_t offset;
    double low, high;
} ranges[] = {
    {"beta1", offsetof(ae_optim_config, beta1), 0, 1},
    {"beta2", offsetof(ae_optim_config, beta2), 0, 1},
    {"eps", offsetof(ae_optim_config, eps), 0, INFINITY},
    {"weight_decay", offsetof(ae_optim_config, weight_decay), 0, INFINITY},
    {"momentum", offsetof(ae_optim_config, momentum), 0, INFINITY},
    {"dampening", offsetof(ae_optim_config, dampening), -INFINITY, INFINITY},
    {"rho", offsetof(ae_optim_config, rho), 0, 1},
    {"lr_decay", offsetof(ae_optim_config, lr_decay), 0, INFINITY},
    {"accumulator", offsetof(ae_optim_config, accumulator), 0, INFINITY},
    {"lambda", offsetof(ae_optim_config, lambda), 0, INFINITY},
    {"alpha", offsetof(ae_optim_config, alpha), 0, INFINITY},
    {"averaging_start", offsetof(ae_optim_config, averaging_start), 0, INFINITY},
    {"eps2", offsetof(ae_optim_config, eps2), 0, INFINITY},
    {"clip_threshold", offsetof(ae_optim_config, clip_threshold), 0, INFINITY},
    {"decay_rate", offsetof(ae_optim_config, decay_rate), -INFINITY, INFINITY},
    {"tolerance_grad", offsetof(ae_optim_config, tolerance_grad), 0, INFINITY},
    {"tolerance_change", offsetof(ae_optim_config, tolerance_change), 0, INFINITY},
    {"clip_norm", offsetof(ae_optim_config, clip_norm), 0, INFINITY},
    {"clip_value", offsetof(ae_optim_config, clip_value), 0, INFINITY},
};

static int check_numbers(const ae_optim_config *c, ae_err *e)
{
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        const struct range *r = &ranges[i];
        double x;
        memcpy(&x, (const char *)c + r->offset, sizeof x);
        if (!(x >= r->low && x < r->high && isfinite(x))) {
            return isfinite(r->high)
                       ? ae_err_set(e, AE_E_VALUE, "optimizer: %s of %s must lie in [%g, %g); it is %g", r->name,
                                    c->rule, r->low, r->high, x)
                       : ae_err_set(e, AE_E_VALUE, "optimizer: %s of %s must be finite and at least %g; it is %g",
                                    r->name, c->rule, r->low, x);
        }
    }
    return 0;
}

static int check_lbfgs(const ae_optim_config *c, ae_err *e)
{
    if (c->history < 1 || c->max_iterations < 1 || c->max_evaluations < 0) {
        return ae_err_set(e, AE_E_VALUE,
                          "optimizer: lbfgs needs history and max_iterations of at least 1; they are %d and %d",
                          c->history, c->max_iterations);
    }
    if (c->n_groups > 0 || c->weight_decay > 0 || c->clip_norm > 0 || c->clip_value > 0) {
        return ae_err_set(
            e, AE_E_UNSUPPORTED,
            "optimizer: lbfgs takes no groups, weight decay or clipping: they would bend its model of the "
            "function; add the penalty to the loss");
    }
    return 0;
}

int optim_check(const ae_optim_config *c, ae_err *e)
{
    const char *names[RULES];
    for (int i = 0; i < RULES; i++) {
        names[i] = rules[i]->name;
    }
    if (!optim_find(c->rule)) {
        const char *near = ae_nearest_name(c->rule, names, RULES);
        return ae_err_set(e, AE_E_VALUE, "optimizer: there is no rule %s; %s%s%s", c->rule,
                          near ? "did you mean " : "see AE_OPTIM_RULES", near ? near : "", near ? "?" : "");
    }
    if (check_numbers(c, e) != 0) {
        return -1;
    }
    if (c->nesterov && (c->momentum <= 0 || c->dampening != 0)) {
        return ae_err_set(e, AE_E_VALUE,
                          "optimizer: nesterov needs momentum above 0 and dampening 0; they are %g and %g", c->momentum,
                          c->dampening);
    }
    if (c->factor_from < 0) {
        return ae_err_set(e, AE_E_VALUE, "optimizer: factor_from must be at least 0; it is %lld",
                          (long long)c->factor_from);
    }
    if ((unsigned)c->clip_rule > AE_CLIP_INFERSENT) {
        return ae_err_set(e, AE_E_VALUE, "optimizer: clip_rule must be one of AE_CLIP_*; it is %d", (int)c->clip_rule);
    }
    return strcmp(c->rule, "lbfgs") == 0 ? check_lbfgs(c, e) : 0;
}
