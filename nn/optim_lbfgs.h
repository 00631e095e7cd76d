/* Internal to nn/: L-BFGS, the one rule that evaluates the function itself. */
#ifndef AE_NN_OPTIM_LBFGS_H
#define AE_NN_OPTIM_LBFGS_H

#include "nn/optimizer_rule.h"

/* The memory of a run: the last changes of point and gradient. */
typedef struct lbfgs lbfgs;

/* The function: its parameters, and how to evaluate it. */
typedef struct lbfgs_problem {
    ae_model *model;
    ae_graph *graph;
    ae_tensor **tensors;
    int count;
    ae_closure_fn fn;
    void *user;
} lbfgs_problem;

/* One call of torch.optim.LBFGS.step; makes *l at first. -1 after failing p->graph, the point then being as before. */
int lbfgs_minimise(lbfgs **l, const ae_optim_config *c, const lbfgs_problem *p, double lr, double *loss,
                   ae_optim_report *report);

void lbfgs_free(lbfgs *l);
int64_t lbfgs_bytes(const lbfgs *l); /* 0 for NULL */

/* The memory as tensors named "lbfgs/..." (none for NULL), and back. n: the number of elements of all parameters. */
int lbfgs_save(const lbfgs *l, ae_tensors *out, ae_err *e);
int lbfgs_load(lbfgs **l, const ae_optim_config *c, int64_t n, const ae_tensors *in, ae_err *e);

#endif
