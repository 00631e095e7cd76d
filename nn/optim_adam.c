/* Adam (Kingma and Ba 2015, arXiv:1412.6980), AMSGrad (Reddi et al. 2018), AdamW (Loshchilov and Hutter 2019,
 * arXiv:1711.05101), and the rules that the reference code of pretraining papers runs under these names. They differ in
 * how the bias of the means is corrected and in where the decay enters. */
#include "nn/optimizer_rule.h"
#include "tensor/kernels.h"

#include <math.h>

typedef enum correction {
    CORRECT_NONE,
    CORRECT_SPLIT,  /* m by 1 - b1^t, v by 1 - b2^t: eps stands beside the corrected root */
    CORRECT_JOINED, /* the rate by sqrt(1 - b2^t) / (1 - b1^t): eps stands beside the raw root */
    CORRECT_KIROS   /* joined, with 1 - b in the place of b */
} correction;

typedef enum decay {
    DECAY_L2,   /* added to the gradient */
    DECAY_RATE, /* p (1 - lr wd) - ... */
    DECAY_STEP, /* p (1 - step wd) - ..., step being the corrected rate */
    DECAY_AFTER /* ... and then p (1 - lr wd) */
} decay;

static void adam_defaults(ae_optim_config *c)
{
    c->beta1 = 0.9;
    c->beta2 = 0.999;
    c->eps = 1e-8;
}

static void adamw_defaults(ae_optim_config *c)
{
    adam_defaults(c);
    c->weight_decay = 0.01;
}

static void adamw_hf_defaults(ae_optim_config *c)
{
    adam_defaults(c);
    c->eps = 1e-6;
    c->correct_bias = true;
}

static void adamw_bert_defaults(ae_optim_config *c)
{
    adamw_defaults(c);
    c->eps = 1e-6;
    c->no_decay = AE_NO_DECAY_BERT;
}

static void adamw_fairseq_defaults(ae_optim_config *c)
{
    adamw_defaults(c);
    c->beta2 = 0.98;
    c->eps = 1e-6;
}

static void adam_gpt1_defaults(ae_optim_config *c)
{
    adamw_defaults(c);
    c->decay_vectors = false;
}

/* The constants of the kernel: a, b, c and d of the update hold step, root scale, decay before and after. */
static void set_constants(const ae_optim_config *c, update *u, correction how, decay where)
{
    double b1 = how == CORRECT_KIROS ? 1 - c->beta1 : c->beta1;
    double b2 = how == CORRECT_KIROS ? 1 - c->beta2 : c->beta2;
    double c1 = how == CORRECT_NONE ? 1 : 1 - pow(b1, (double)u->t);
    double c2 = how == CORRECT_NONE ? 1 : 1 - pow(b2, (double)u->t);
    u->a = how == CORRECT_SPLIT ? u->lr / c1 : u->lr * sqrt(c2) / c1;
    u->b = how == CORRECT_SPLIT ? 1 / sqrt(c2) : 1;
    u->c = where == DECAY_RATE ? u->lr * u->weight_decay : where == DECAY_STEP ? u->a * u->weight_decay : 0;
    u->d = where == DECAY_AFTER ? u->lr * u->weight_decay : 0;
    u->weight_decay = where == DECAY_L2 ? u->weight_decay : 0;
}

static void adam_block(const ae_optim_config *c, const update *u, int64_t begin, int64_t end)
{
    ae_adam_rule rule = {.grad_scale = u->grad_scale,
                         .l2 = (float)u->weight_decay,
                         .beta1 = c->beta1,
                         .beta2 = c->beta2,
                         .step = (float)u->a,
                         .root_scale = (float)u->b,
                         .eps = (float)c->eps,
                         .decay_before = (float)u->c,
                         .decay_after = (float)u->d};
    ae_kernels_get()->adam(&rule, u->p + begin, u->g + begin, u->state[0] + begin, u->state[1] + begin, end - begin);
}

static void amsgrad_block(const ae_optim_config *c, const update *u, int64_t begin, int64_t end)
{
    float b1 = (float)c->beta1;
    float b2 = (float)c->beta2;
    float take1 = (float)(1 - c->beta1);
    float take2 = (float)(1 - c->beta2);
    float eps = (float)c->eps;
    float step = (float)u->a;
    float scale = (float)u->b;
    float keep = (float)(1 - u->c);
    float *m = u->state[0];
    float *v = u->state[1];
    float *most = u->state[2];
    for (int64_t i = begin; i < end; i++) {
        float g = u->grad_scale * u->g[i] + (float)u->weight_decay * u->p[i];
        m[i] = b1 * m[i] + take1 * g;
        v[i] = b2 * v[i] + take2 * g * g;
        most[i] = most[i] > v[i] ? most[i] : v[i];
        u->p[i] = u->p[i] * keep - step * m[i] / (scale * sqrtf(most[i]) + eps);
    }
}

static int run(const ae_optim_config *c, update *list, int count, correction how, decay where)
{
    for (int i = 0; i < count; i++) {
        set_constants(c, &list[i], how, where);
    }
    optim_blocks(c, list, count, c->amsgrad ? amsgrad_block : adam_block);
    return 0;
}

static int adam_step(const ae_optim_config *c, update *list, int count)
{
    return run(c, list, count, CORRECT_SPLIT, DECAY_L2);
}

static int adamw_step(const ae_optim_config *c, update *list, int count)
{
    return run(c, list, count, CORRECT_SPLIT, DECAY_RATE);
}

static int adamw_hf_step(const ae_optim_config *c, update *list, int count)
{
    return run(c, list, count, c->correct_bias ? CORRECT_JOINED : CORRECT_NONE, DECAY_AFTER);
}

static int adamw_bert_step(const ae_optim_config *c, update *list, int count)
{
    return run(c, list, count, CORRECT_NONE, DECAY_RATE);
}

static int adamw_fairseq_step(const ae_optim_config *c, update *list, int count)
{
    return run(c, list, count, CORRECT_JOINED, DECAY_RATE);
}

static int adam_gpt1_step(const ae_optim_config *c, update *list, int count)
{
    return run(c, list, count, CORRECT_JOINED, DECAY_STEP);
}

static int adam_kiros_step(const ae_optim_config *c, update *list, int count)
{
    return run(c, list, count, CORRECT_KIROS, DECAY_L2);
}

static int amsgrad_state(const ae_optim_config *c, const ae_tensor *p, int64_t shape[AE_MAX_DIMS])
{
    return c->amsgrad ? optim_like(c, p, shape) : -1;
}

#define ADAM_STATES                                                                                                    \
    {                                                                                                                  \
        {"exp_avg", optim_like, NULL}, {"exp_avg_sq", optim_like, NULL},                                               \
        {                                                                                                              \
            "max_exp_avg_sq", amsgrad_state, NULL                                                                      \
        }                                                                                                              \
    }

const optim_rule optim_adam = {"adam", adam_defaults, ADAM_STATES, adam_step};
const optim_rule optim_adamw = {"adamw", adamw_defaults, ADAM_STATES, adamw_step};
const optim_rule optim_adamw_hf = {"adamw_hf", adamw_hf_defaults, ADAM_STATES, adamw_hf_step};
const optim_rule optim_adamw_bert = {"adamw_bert", adamw_bert_defaults, ADAM_STATES, adamw_bert_step};
const optim_rule optim_adamw_fairseq = {"adamw_fairseq", adamw_fairseq_defaults, ADAM_STATES, adamw_fairseq_step};
const optim_rule optim_adam_gpt1 = {"adam_gpt1", adam_gpt1_defaults, ADAM_STATES, adam_gpt1_step};
const optim_rule optim_adam_kiros = {"adam_kiros", adam_defaults, ADAM_STATES, adam_kiros_step};

/* ---- adamax: the same paper, section 7.1 --------------------------------------------------------------------------- */

static void adamax_block(const ae_optim_config *c, const update *u, int64_t begin, int64_t end)
{
    float b1 = (float)c->beta1;
    float b2 = (float)c->beta2;
    float take1 = (float)(1 - c->beta1);
    float *m = u->state[0];
    float *most = u->state[1];
    float step = (float)u->a;
    for (int64_t i = begin; i < end; i++) {
        float g = u->grad_scale * u->g[i] + (float)u->weight_decay * u->p[i];
        float size = fabsf(g) + (float)c->eps;
        m[i] = b1 * m[i] + take1 * g;
        most[i] = b2 * most[i] > size ? b2 * most[i] : size;
        u->p[i] -= step * m[i] / most[i];
    }
}

static int adamax_step(const ae_optim_config *c, update *list, int count)
{
    for (int i = 0; i < count; i++) {
        list[i].a = list[i].lr / (1 - pow(c->beta1, (double)list[i].t));
    }
    optim_blocks(c, list, count, adamax_block);
    return 0;
}

const optim_rule optim_adamax = {
    "adamax", adam_defaults, {{"exp_avg", optim_like, NULL}, {"exp_inf", optim_like, NULL}}, adamax_step};
