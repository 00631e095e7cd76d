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

/* What both passes need of an update, out of reach of the stores: a and b correct the bias of m and of sqrt v. */
typedef struct view {
    float *restrict p, *restrict m, *restrict v;
    float first, root, eps, decay;
} view;

static view view_of(const ae_optim_config *c, const update *u, int64_t begin)
{
    return (view){.p = u->p + begin,
                  .m = u->state[0] + begin,
                  .v = u->state[1] + begin,
                  .first = (float)u->a,
                  .root = (float)u->b,
                  .eps = (float)c->eps,
                  .decay = (float)u->weight_decay};
}

static void moments_block(const ae_optim_config *c, const update *u, int64_t begin, int64_t end)
{
    const view x = view_of(c, u, begin);
    const float *restrict gradient = u->g + begin;
    const float scale = u->grad_scale;
    const float b1 = (float)c->beta1;
    const float b2 = (float)c->beta2;
    const float take1 = (float)(1 - c->beta1);
    const float take2 = (float)(1 - c->beta2);
    double p_squares = 0;
    double d_squares = 0;
#pragma omp simd reduction(+ : p_squares, d_squares)
    for (int64_t i = 0; i < end - begin; i++) {
        float g = scale * gradient[i];
        float m = b1 * x.m[i] + take1 * g;
        float v = b2 * x.v[i] + take2 * g * g;
        float d = x.first * m / (x.root * sqrtf(v) + x.eps) + x.decay * x.p[i];
        x.m[i] = m;
        x.v[i] = v;
        p_squares += (double)x.p[i] * (double)x.p[i];
        d_squares += (double)d * (double)d;
    }
    u->sums[2 * (begin / OPTIM_BLOCK)] = p_squares;
    u->sums[2 * (begin / OPTIM_BLOCK) + 1] = d_squares;
}

/* c: the rate times the ratio. */
static void apply_block(const ae_optim_config *c, const update *u, int64_t begin, int64_t end)
{
    const view x = view_of(c, u, begin);
    const float step = (float)u->c;
#pragma omp simd
    for (int64_t i = 0; i < end - begin; i++) {
        x.p[i] -= step * (x.first * x.m[i] / (x.root * sqrtf(x.v[i]) + x.eps) + x.decay * x.p[i]);
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
