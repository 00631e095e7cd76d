/* The harness of the tests over the list of ops: makes the inputs that a sample asks for, lays them out, perturbs them,
 * and reads values and gradients back in double. */
#ifndef AE_TESTS_OP_HARNESS_H
#define AE_TESTS_OP_HARNESS_H

#include "autograd/ops.h"

enum { H_MAX_INPUTS = 12, H_MAX_VALUES = 1 << 21 };

typedef enum layout { LAYOUT_DENSE, LAYOUT_STRIDED } layout;

typedef struct h_input {
    int ndim;
    int64_t shape[AE_MAX_DIMS];
    int64_t n;
    double *values; /* the truth, in double; rounded to the dtype under test when it is made */
    bool differentiable;
    ae_dtype fixed;    /* for ids and masks */
    ae_tensor *tensor; /* in the graph of the current run */
    double *grad;      /* read back after backward */
} h_input;

typedef struct harness {
    ae_graph *graph;
    const ae_op *op;
    int variant;
    ae_dtype dtype;
    layout layout;
    unsigned flags;      /* of ae_graph_begin */
    int64_t zero_extent; /* axes of this extent are made empty; 0 for none */
    int no_grad_input;   /* this input asks for no gradient; -1 for none */
    bool used_again;     /* something later uses every input too, so that the op adds to a gradient that is there */
    bool made;           /* the values exist already */
    int count, next;
    h_input in[H_MAX_INPUTS];
    uint64_t random;
    double *weights; /* of the scalar sum(weights * outputs) */
    int64_t n_weights;
    double *outputs; /* values of all float outputs, one after the other */
    int64_t n_outputs;
} harness;

harness *h_new(ae_graph *g, const ae_op *op, int variant);
void h_free(harness *h);

/* Runs the sample in a fresh step; returns the scalar (weights drawn once a harness), NaN after an error. With
 * backward, gradients are left in in[i].grad. */
double h_run(harness *h, bool backward);

/* The scalar's tensor in the running graph, for second derivatives: builds sum(weights * outputs). */
ae_tensor *h_build(harness *h);

#endif
