/* Internal to autograd/: what the ops that reduce over axes share. */
#ifndef AE_AUTOGRAD_REDUCE_AXES_H
#define AE_AUTOGRAD_REDUCE_AXES_H

#include "autograd/op.h"

typedef struct ae_reduce_attr {
    bool over[AE_MAX_DIMS]; /* which axes go */
    bool keepdim;
} ae_reduce_attr;

/* Applies an op whose attributes are an ae_reduce_attr; n = 0 means all axes. */
ae_tensor *ae_reduce_apply(ae_graph *g, const ae_op *op, ae_tensor *x, int n, const int *axes, bool keepdim);

/* Describes output i: input 0 without its reduced axes, or with extents of 1 in their place. */
void ae_reduce_out(ae_call *c, int i, ae_dtype dtype);

/* The number of elements that go into one result. */
int64_t ae_reduce_elements(const ae_tensor *x, const ae_reduce_attr *a);

/* t, of the shape of an output, with the reduced axes of input 0 as extents of 1. */
ae_tensor *ae_reduce_keep_axes(ae_call *c, ae_tensor *t);

/* The order of axes that has the reduced ones last; returns how many are kept. */
int ae_reduce_order(const ae_tensor *x, const ae_reduce_attr *a, int order[AE_MAX_DIMS]);

#endif
