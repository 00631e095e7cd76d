/* Internal to nn/: what a rule is, and what one update hands to it. */
#ifndef AE_NN_OPTIMIZER_RULE_H
#define AE_NN_OPTIMIZER_RULE_H

#include "autograd/row_gradient.h"
#include "nn/optimizer.h"

enum { OPTIM_STATES = 4, OPTIM_BLOCK = 1 << 14 };

/* One parameter in one step. */
typedef struct update {
    ae_tensor *tensor;
    float *p;
    const float *g;              /* contiguous; NULL: all rows but these are zero */
    const ae_row_gradient *rows; /* else NULL */
    int64_t n;
    int64_t t; /* this update's number, from 1 */
    double lr;
    double weight_decay;
    bool excluded; /* matched by no_decay */
    float grad_scale;
    float *state[OPTIM_STATES]; /* in the rule's order; NULL where the rule keeps none for this parameter */
    int owner;                  /* the optimizer's own: which parameter */
    double a, b, c, d;          /* the rule's own constants of this step */
    double *sums;               /* 2 a block, for rules that need norms; else NULL */
    int64_t first_block;        /* set by optim_blocks */
    bool still;                 /* set by a rule: where the gradient is zero, nothing changes */
} update;

/* A named buffer a parameter; shape sets its extents and returns its rank, or -1 when this parameter has none. */
typedef struct optim_state {
    const char *name;
    int (*shape)(const ae_optim_config *c, const ae_tensor *p, int64_t shape[AE_MAX_DIMS]);
    double (*first)(const ae_optim_config *c); /* the value at first; NULL: 0 */
} optim_state;

typedef struct optim_rule {
    const char *name;
    void (*defaults)(ae_optim_config *c);
    optim_state states[OPTIM_STATES];
    /* Runs the whole step over the updates; 0, or -1 without memory. NULL: the rule needs a closure. */
    int (*step)(const ae_optim_config *c, update *list, int count);
} optim_rule;

#define RULE_DECLARE(name, source, formula) extern const optim_rule optim_##name;
AE_OPTIM_RULES(RULE_DECLARE)
#undef RULE_DECLARE

/* Calls fn(config, u, begin, end) for blocks of at most OPTIM_BLOCK elements of every update, in parallel. Where the
 * gradient is kept by rows, u is an update of that block alone, begin is 0, and u->g has its zeros; with `still` fn is
 * called for the rows alone. */
typedef void (*optim_block_fn)(const ae_optim_config *c, const update *u, int64_t begin, int64_t end);
void optim_blocks(const ae_optim_config *c, update *list, int count, optim_block_fn fn);

/* The same, but without blocks whose gradient is all zero because it is kept by rows. */
void optim_gradient_blocks(const ae_optim_config *c, update *list, int count, optim_block_fn fn);

/* Row r of the gradient of a matrix of that many columns: where it is kept by rows and has none, `zeros`. */
const float *optim_gradient_row(const update *u, int64_t r, int64_t columns, const float *zeros);

/* The sum of u->sums[which] over the blocks of an update, in order. */
double optim_sum(const update *u, int which);

/* Reserves sums for every update; free with optim_sums_free. */
int optim_sums_new(update *list, int count); /* -1 without memory */
void optim_sums_free(update *list, int count);

/* State shapes: the parameter's own. */
int optim_like(const ae_optim_config *c, const ae_tensor *p, int64_t shape[AE_MAX_DIMS]);

const optim_rule *optim_find(const char *name); /* NULL when there is none */

/* What ae_optimizer_new refuses, groups aside. */
int optim_check(const ae_optim_config *c, ae_err *e);

#endif
