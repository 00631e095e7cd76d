/* LAMB (You et al. 2020, arXiv:1904.00962): Adam's update with the size of each tensor's step made proportional to the
 * tensor's own norm. Two published programs, two rules for that proportion. */
#include "nn/optimizer_rule.h"

#include <math.h>

static void lamb_defaults(ae_optim_config *c)
{
    c->beta1 = 0.9;
    c->beta2 = 0.999;
    c->eps = 1e-6;
    c->weight_decay = 0.01;
    c->no_decay = AE_NO_DECAY_BERT;
}

static void lamb_cybertronai_defaults(ae_optim_config *c)
{
    lamb_defaults(c);
    c->weight_decay = 0;
    c->no_decay = NULL;
}

/* a and b correct the bias of m and of sqrt v. */
static float direction(const ae_optim_config *c, const update *u, int64_t i)
{
    return (float)u->a * u->state[0][i] / ((float)u->b * sqrtf(u->state[1][i]) + (float)c->eps) +
           (float)u->weight_decay * u->p[i];
}

static void moments_block(const ae_optim_config *c, const update *u, int64_t begin, int64_t end)
{
    float b1 = (float)c->beta1;
    float b2 = (float)c->beta2;
    float take1 = (float)(1 - c->beta1);
    float take2 = (float)(1 - c->beta2);
    float *m = u->state[0];
    float *v = u->state[1];
    double p_squares = 0;
    double d_squares = 0;
    for (int64_t i = begin; i < end; i++) {
        float g = u->grad_scale * u->g[i];
        m[i] = b1 * m[i] + take1 * g;
        v[i] = b2 * v[i] + take2 * g * g;
        double d = (double)direction(c, u, i);
        p_squares += (double)u->p[i] * (double)u->p[i];
        d_squares += d * d;
    }
    u->sums[2 * (begin / OPTIM_BLOCK)] = p_squares;
    u->sums[2 * (begin / OPTIM_BLOCK) + 1] = d_squares;
}

/* c: the rate times the ratio. */
static void apply_block(const ae_optim_config *c, const update *u, int64_t begin, int64_t end)
{
    for (int64_t i = begin; i < end; i++) {
        u->p[i] -= (float)u->c * direction(c, u, i);
    }
}

static int run(const ae_optim_config *c, update *list, int count, double most, bool all)
{
    if (optim_sums_new(list, count) != 0) {
        return -1;
    }
    for (int i = 0; i < count; i++) {
        update *u = &list[i];
        u->a = c->correct_bias ? 1 / (1 - pow(c->beta1, (double)u->t)) : 1;
        u->b = c->correct_bias ? 1 / sqrt(1 - pow(c->beta2, (double)u->t)) : 1;
    }
    optim_blocks(c, list, count, moments_block);
    for (int i = 0; i < count; i++) {
        update *u = &list[i];
        double p = fmin(sqrt(optim_sum(u, 0)), most);
        double d = sqrt(optim_sum(u, 1));
        bool adapt = (all || !u->excluded) && p > 0 && d > 0;
        u->c = adapt ? u->lr * p / d : u->lr;
    }
    optim_blocks(c, list, count, apply_block);
    optim_sums_free(list, count);
    return 0;
}

static int lamb_step(const ae_optim_config *c, update *list, int count)
{
    return run(c, list, count, (double)INFINITY, false);
}

static int lamb_cybertronai_step(const ae_optim_config *c, update *list, int count)
{
    return run(c, list, count, 10, true);
}

const optim_rule optim_lamb = {
    "lamb", lamb_defaults, {{"exp_avg", optim_like, NULL}, {"exp_avg_sq", optim_like, NULL}}, lamb_step};
const optim_rule optim_lamb_cybertronai = {"lamb_cybertronai",
                                           lamb_cybertronai_defaults,
                                           {{"exp_avg", optim_like, NULL}, {"exp_avg_sq", optim_like, NULL}},
                                           lamb_cybertronai_step};
