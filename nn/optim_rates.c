/* Rules with one rate an element and no mean of the gradient: Adagrad (Duchi et al. 2011), Adadelta (Zeiler 2012,
 * arXiv:1212.5701), RMSprop (Hinton's lecture 6e, 2012), as torch.optim computes them. */
#include "nn/optimizer_rule.h"

#include <math.h>

/* ---- adagrad ------------------------------------------------------------------------------------------------------- */

static void adagrad_defaults(ae_optim_config *c)
{
    c->eps = 1e-10;
}

static double adagrad_first(const ae_optim_config *c)
{
    return c->accumulator;
}

static void adagrad_block(const ae_optim_config *c, const update *u, int64_t begin, int64_t end)
{
    float *s = u->state[0];
    float step = (float)(u->lr / (1 + (double)(u->t - 1) * c->lr_decay));
    for (int64_t i = begin; i < end; i++) {
        float g = u->grad_scale * u->g[i] + (float)u->weight_decay * u->p[i];
        s[i] += g * g;
        u->p[i] -= step * g / (sqrtf(s[i]) + (float)c->eps);
    }
}

static int adagrad_step(const ae_optim_config *c, update *list, int count)
{
    for (int i = 0; i < count; i++) {
        list[i].still = list[i].weight_decay == 0 && c->eps > 0;
    }
    optim_blocks(c, list, count, adagrad_block);
    return 0;
}

const optim_rule optim_adagrad = {"adagrad", adagrad_defaults, {{"sum", optim_like, adagrad_first}}, adagrad_step};

/* ---- adadelta ------------------------------------------------------------------------------------------------------ */

static void adadelta_defaults(ae_optim_config *c)
{
    c->rho = 0.9;
    c->eps = 1e-6;
}

static void adadelta_block(const ae_optim_config *c, const update *u, int64_t begin, int64_t end)
{
    float rho = (float)c->rho;
    float take = (float)(1 - c->rho);
    float eps = (float)c->eps;
    float *v = u->state[0];
    float *x = u->state[1];
    for (int64_t i = begin; i < end; i++) {
        float g = u->grad_scale * u->g[i] + (float)u->weight_decay * u->p[i];
        v[i] = rho * v[i] + take * g * g;
        float d = sqrtf(x[i] + eps) / sqrtf(v[i] + eps) * g;
        x[i] = rho * x[i] + take * d * d;
        u->p[i] -= (float)u->lr * d;
    }
}

static int adadelta_step(const ae_optim_config *c, update *list, int count)
{
    optim_blocks(c, list, count, adadelta_block);
    return 0;
}

const optim_rule optim_adadelta = {
    "adadelta", adadelta_defaults, {{"square_avg", optim_like, NULL}, {"acc_delta", optim_like, NULL}}, adadelta_step};

/* ---- rmsprop ------------------------------------------------------------------------------------------------------- */

static void rmsprop_defaults(ae_optim_config *c)
{
    c->rho = 0.99;
    c->eps = 1e-8;
}

static void rmsprop_block(const ae_optim_config *c, const update *u, int64_t begin, int64_t end)
{
    float rho = (float)c->rho;
    float take = (float)(1 - c->rho);
    float *v = u->state[0];
    float *mean = u->state[1];
    float *buffer = u->state[2];
    for (int64_t i = begin; i < end; i++) {
        float g = u->grad_scale * u->g[i] + (float)u->weight_decay * u->p[i];
        v[i] = rho * v[i] + take * g * g;
        float variance = v[i];
        if (mean) {
            mean[i] = rho * mean[i] + take * g;
            variance -= mean[i] * mean[i];
        }
        float d = g / (sqrtf(variance) + (float)c->eps);
        if (buffer) {
            buffer[i] = (float)c->momentum * buffer[i] + d;
            d = buffer[i];
        }
        u->p[i] -= (float)u->lr * d;
    }
}

static int rmsprop_step(const ae_optim_config *c, update *list, int count)
{
    optim_blocks(c, list, count, rmsprop_block);
    return 0;
}

static int rmsprop_mean(const ae_optim_config *c, const ae_tensor *p, int64_t shape[AE_MAX_DIMS])
{
    return c->centered ? optim_like(c, p, shape) : -1;
}

static int rmsprop_buffer(const ae_optim_config *c, const ae_tensor *p, int64_t shape[AE_MAX_DIMS])
{
    return c->momentum > 0 ? optim_like(c, p, shape) : -1;
}

const optim_rule optim_rmsprop = {
    "rmsprop",
    rmsprop_defaults,
    {{"square_avg", optim_like, NULL}, {"grad_avg", rmsprop_mean, NULL}, {"momentum_buffer", rmsprop_buffer, NULL}},
    rmsprop_step};
