/* Optimizers: one constant row a rule, one state a parameter, one fused parallel pass a step.
 *
 *     ae_optim_config c = ae_optim_defaults("adamw");
 *     c.no_decay = AE_NO_DECAY_BERT;
 *     c.clip_norm = 1;
 *     ae_optimizer *opt = ae_optimizer_new(model, &c, &err);
 *     for (...) {
 *         ae_graph_begin(g, AE_TRAIN);                       // one round, or several that add up their gradients
 *         ae_backward(g, loss(g, model, batch), 0);
 *         ae_optimizer_step(opt, g, ae_schedule_rate(&schedule, step));
 *     }
 *
 * Parameters and states are f32. A tied tensor is one parameter. A parameter without a gradient is left as it is and
 * its own count of updates stands still, as in PyTorch. */
#ifndef AE_NN_OPTIMIZER_H
#define AE_NN_OPTIMIZER_H

#include "nn/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One row a rule: name, source, formula of one update of p by the gradient g at the rate lr. m and v are running means
 * of g and g^2, t counts the updates of this parameter, wd is the weight decay. */
#define AE_OPTIM_RULES(ROW)                                                                                            \
    ROW(sgd, "torch SGD", "buf = momentum buf + (1 - dampening) (g + wd p); p -= lr buf")                              \
    ROW(asgd, "torch ASGD", "p -= eta (g + lambda p), eta = lr / (1 + lambda lr t)^alpha; the mean of p is kept")      \
    ROW(adam, "torch Adam", "p -= lr/(1-b1^t) m / (sqrt(v/(1-b2^t)) + eps), wd p added to g")                          \
    ROW(adamw, "torch AdamW", "adam, after p -= lr wd p")                                                              \
    ROW(adamw_hf, "Hugging Face AdamW", "p -= lr c m / (sqrt v + eps), c = sqrt(1-b2^t)/(1-b1^t); then p -= lr wd p")  \
    ROW(adamw_bert, "google-research/bert", "p -= lr (m / (sqrt v + eps) + wd p)")                                     \
    ROW(adamw_fairseq, "fairseq, Paddle ERNIE", "p -= lr (c m / (sqrt v + eps) + wd p)")                               \
    ROW(adam_gpt1, "openai/finetune-transformer-lm", "p -= lr c (m / (sqrt v + eps) + wd p)")                          \
    ROW(adam_kiros, "skip-thoughts", "p -= lr d m / (sqrt v + eps), d = sqrt(1-(1-b2)^t)/(1-(1-b1)^t)")                \
    ROW(adamax, "torch Adamax", "u = max(b2 u, |g| + eps); p -= lr/(1-b1^t) m / u")                                    \
    ROW(adagrad, "torch Adagrad", "s += g^2; p -= lr/(1 + (t-1) lr_decay) g / (sqrt s + eps)")                         \
    ROW(adadelta, "torch Adadelta", "d = sqrt(x + eps)/sqrt(v + eps) g; x = rho x + (1-rho) d^2; p -= lr d")           \
    ROW(rmsprop, "torch RMSprop", "p -= lr g / (sqrt v + eps)")                                                        \
    ROW(adafactor, "Hugging Face Adafactor",                                                                           \
        "v of a matrix kept as means of rows and columns; updates clipped by RMS")                                     \
    ROW(adafactor_mesh, "tensorflow/mesh", "adafactor for matrices of at least 128 x 128; p -= lr max(RMS p, eps2) u") \
    ROW(lamb, "google-research/albert", "u = m/(sqrt v + eps) + wd p; p -= lr |p|/|u| u, plain for no_decay")          \
    ROW(lamb_cybertronai, "cybertronai/pytorch-lamb", "the same, min(|p|,10)/|u|, for every parameter")                \
    ROW(lbfgs, "torch LBFGS", "two-loop recursion over the last changes; needs ae_optimizer_minimise")

/* ---- configuration ------------------------------------------------------------------------------------------------- */

/* Patterns of names (ae_name_matches) that are not decayed. */
#define AE_NO_DECAY_BERT "*LayerNorm* *layer_norm* *bias*" /* google-research/bert and albert */
#define AE_NO_DECAY_HF "*bias *LayerNorm.weight"           /* Hugging Face's examples */

/* Parameters that differ from the rest. The first group whose patterns match the canonical name holds. */
typedef struct ae_optim_group {
    const char *patterns;
    double lr_scale;     /* times the rate of the step; 0 leaves the parameters as they are */
    double weight_decay; /* NaN: the configuration's */
} ae_optim_group;

typedef enum ae_clip {
    AE_CLIP_TORCH,    /* g min(1, max / (norm + 1e-6)) */
    AE_CLIP_TF,       /* g min(1, max / norm) */
    AE_CLIP_INFERSENT /* the rate, not the gradient, is scaled: lr min(1, max / norm) */
} ae_clip;

/* Get one from ae_optim_defaults and change what differs; a rule reads the fields that its formula names. */
typedef struct ae_optim_config {
    const char *rule;
    double beta1, beta2, eps;
    double weight_decay;  /* L2 (added to g) for the torch rules other than adamw, decoupled for the rest */
    const char *no_decay; /* patterns of names with weight decay 0; NULL: none */
    bool decay_vectors;   /* false: only tensors of rank 2 and more are decayed */
    bool correct_bias;    /* adamw_hf, and the lamb rules */
    bool amsgrad;         /* adam, adamw: divide by the largest v so far */
    double momentum, dampening;
    bool nesterov;
    double rho;             /* rmsprop (torch calls it alpha), adadelta */
    bool centered;          /* rmsprop: v minus the squared mean of g */
    double lr_decay;        /* adagrad */
    double accumulator;     /* adagrad: s at first */
    double lambda, alpha;   /* asgd */
    double averaging_start; /* asgd: the mean begins after this many updates */
    double eps2;            /* adafactor: the least RMS of p that counts */
    double clip_threshold;  /* adafactor */
    double decay_rate;      /* adafactor: b2 = 1 - t^decay_rate */
    bool scale_parameter;   /* adafactor: the rate times max(eps2, RMS p) */
    bool relative_step;     /* adafactor: the rate is min(1e-2, 1/sqrt t); the step's lr multiplies it */
    bool warmup_init;       /* adafactor: the rate is min(1e-6 t, 1/sqrt t) */
    int64_t factor_from;    /* adafactor: smaller last two axes are not factored; mesh has 128 */
    bool first_moment;      /* adafactor: a running mean of the updates by beta1 */
    int history;            /* lbfgs: changes remembered */
    int max_iterations;     /* lbfgs: in one call */
    int max_evaluations;    /* lbfgs: of the closure in one call; 0: max_iterations * 5 / 4 */
    double tolerance_grad, tolerance_change; /* lbfgs */
    bool strong_wolfe;                       /* lbfgs: line search */

    double clip_norm; /* of all gradients together; 0: off */
    ae_clip clip_rule;
    double clip_value; /* every element to -clip_value..clip_value, before the norm; 0: off */

    const ae_optim_group *groups; /* copied, with their strings, by ae_optimizer_new */
    int n_groups;
} ae_optim_config;

/* The published defaults of a rule, clipping off; an unknown name is kept and refused by ae_optimizer_new. */
AE_API ae_optim_config ae_optim_defaults(const char *rule);

AE_API int ae_optim_count(void);           /* rules in the list */
AE_API const char *ae_optim_name(int i);   /* NULL outside 0..count-1, as the next two */
AE_API const char *ae_optim_source(int i); /* whose rule it is */
AE_API const char *ae_optim_formula(int i);

/* ---- stepping ------------------------------------------------------------------------------------------------------ */

typedef struct ae_optimizer ae_optimizer;

/* NULL and e filled: unknown rule (the nearest name is given), a number outside its range, a failed root. The model
 * must outlive the optimizer; parameters added later are not seen. */
AE_API ae_optimizer *ae_optimizer_new(ae_model *m, const ae_optim_config *config, ae_err *e);
AE_API void ae_optimizer_free(ae_optimizer *opt); /* NULL is allowed */

/* Updates every parameter that has a gradient, raises its version and drops the gradient. Returns 0; or -1, with
 * nothing written but the gradients dropped, when the graph has failed, when the rate is negative or not finite, or
 * when the norm of the gradients is not finite: the graph then holds an error that names the parameter. */
AE_API int ae_optimizer_step(ae_optimizer *opt, ae_graph *g, double lr);

/* ae_backward(g, loss, 0) and the step in one: each parameter is updated as soon as its last gradient has come, and the
 * gradient dropped, so that the gradients of all never stand side by side. The same numbers as backward and
 * ae_optimizer_step give, to the bit. Returns 0 or -1: as ae_optimizer_step; a rule that clips by the norm of all
 * gradients, or evaluates the function itself, is refused before anything is changed (AE_E_VALUE in the graph); a
 * gradient that is not finite ends it when others have been updated already. Drops gradients of earlier rounds, and the
 * graph's ae_on_param_final. A detached use of a parameter must not wait for its values in backward. */
AE_API int ae_optimizer_backward(ae_optimizer *opt, ae_graph *g, ae_tensor *loss, double lr);

/* One evaluation of the function to be minimised: begins the graph, computes, runs backward, stores the loss. Returns
 * 0, or -1 when the graph has failed. */
typedef int (*ae_closure_fn)(ae_graph *g, void *user, double *loss);

/* A step of a rule that evaluates the function as often as it likes (lbfgs); other rules evaluate once and step. *loss
 * receives the first loss; NULL is allowed. */
AE_API int ae_optimizer_minimise(ae_optimizer *opt, ae_graph *g, double lr, ae_closure_fn fn, void *user, double *loss);

/* Multiplies the gradients of later steps by a factor, before clipping and norms: 1/rounds turns sums into means. */
AE_API void ae_optimizer_scale_grad(ae_optimizer *opt, double factor);

AE_API const char *ae_optimizer_rule(const ae_optimizer *opt); /* its name in the list */

/* What the last successful step saw and did. */
typedef struct ae_optim_report {
    int64_t step;     /* steps so far, this one included */
    int updated;      /* parameters that had a gradient */
    double grad_norm; /* of all of them together, scaled by ae_optimizer_scale_grad, before clipping by norm */
    double clip;      /* the factor of clipping by norm; 1 when nothing was clipped */
} ae_optim_report;
AE_API ae_optim_report ae_optimizer_report(const ae_optimizer *opt);

/* The bytes of all states so far. */
AE_API int64_t ae_optimizer_bytes(const ae_optimizer *opt);

/* ---- saving -------------------------------------------------------------------------------------------------------- */

/* Adds the states to out: "<state>/<parameter>" (exp_avg/encoder.weight, ...), "updates/<parameter>" (i64) and "step"
 * (i64). Returns 0 or -1. */
AE_API int ae_optimizer_save(const ae_optimizer *opt, ae_tensors *out, ae_err *e);

/* Takes the states back (copied); a name that is not of this model and rule, and another shape, are errors, and then
 * nothing was changed. */
AE_API int ae_optimizer_load(ae_optimizer *opt, const ae_tensors *in, ae_err *e);

/* asgd: copies the mean of each parameter into the parameter. -1 for another rule. */
AE_API int ae_optimizer_use_mean(ae_optimizer *opt, ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
