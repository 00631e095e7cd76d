/* Stochastic gradient descent: torch.optim.SGD and torch.optim.ASGD. */
#include "nn/optimizer_rule.h"
#include "tensor/kernels.h"

#include <math.h>

/* ---- sgd ----------------------------------------------------------------------------------------------------------- */

static void sgd_defaults(ae_optim_config *c)
{
    (void)c; /* no momentum, no decay */
}

static int sgd_buffer(const ae_optim_config *c, const ae_tensor *p, int64_t shape[AE_MAX_DIMS])
{
    return c->momentum > 0 ? optim_like(c, p, shape) : -1;
}

static void sgd_block(const ae_optim_config *c, const update *u, int64_t begin, int64_t end)
{
    ae_sgd_rule rule = {.grad_scale = u->grad_scale,
                        .l2 = (float)u->weight_decay,
                        .lr = (float)u->lr,
                        .momentum = (float)c->momentum,
                        .dampening = (float)c->dampening,
                        .nesterov = c->nesterov,
                        .first = u->t == 1};
    float *buffer = u->state[0] ? u->state[0] + begin : NULL;
    ae_kernels_get()->sgd(&rule, u->p + begin, u->g + begin, buffer, end - begin);
}

static int sgd_step(const ae_optim_config *c, update *list, int count)
{
    for (int i = 0; i < count; i++) {
        list[i].still = c->momentum == 0 && list[i].weight_decay == 0;
    }
    optim_blocks(c, list, count, sgd_block);
    return 0;
}

const optim_rule optim_sgd = {"sgd", sgd_defaults, {{"momentum_buffer", sgd_buffer, NULL}}, sgd_step};

/* ---- asgd: Polyak and Juditsky 1992 -------------------------------------------------------------------------------- */

static void asgd_defaults(ae_optim_config *c)
{
    c->lambda = 1e-4;
    c->alpha = 0.75;
    c->averaging_start = 1e6;
}

/* a: the rate eta, b: the weight of the new point in the mean. Both are those that torch computes at the end of the
 * step before. */
static void asgd_block(const ae_optim_config *c, const update *u, int64_t begin, int64_t end)
{
    float keep = (float)(1 - c->lambda * u->a);
    float eta = (float)u->a;
    float wd = (float)u->weight_decay;
    float mix = (float)u->b;
    float *mean = u->state[0];
    for (int64_t i = begin; i < end; i++) {
        float g = u->grad_scale * u->g[i] + wd * u->p[i];
        u->p[i] = keep * u->p[i] - eta * g;
        mean[i] = mix == 1 ? u->p[i] : mean[i] + mix * (u->p[i] - mean[i]);
    }
}

static int asgd_step(const ae_optim_config *c, update *list, int count)
{
    for (int i = 0; i < count; i++) {
        double before = (double)(list[i].t - 1);
        list[i].a = list[i].lr / pow(1 + c->lambda * list[i].lr * before, c->alpha);
        list[i].b = 1 / fmax(1, before - c->averaging_start);
    }
    optim_blocks(c, list, count, asgd_block);
    return 0;
}

const optim_rule optim_asgd = {"asgd", asgd_defaults, {{"ax", optim_like, NULL}}, asgd_step};
