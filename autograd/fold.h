/* Internal to autograd/: one driver for everything that reduces over axes.
 *
 * The axes are ordered by their steps in memory and merged, so that the innermost loop is dense whether it runs along
 * what is reduced (rows) or along what stays (columns, 256 of them side by side). A long reduction to few results is
 * cut into pieces that depend on the shape alone: the bits are the same for any number of threads. Floats are summed
 * and multiplied in double. */
#ifndef AE_AUTOGRAD_FOLD_H
#define AE_AUTOGRAD_FOLD_H

#include "autograd/op.h"

typedef enum ae_fold_kind {
    AE_FOLD_SUM,
    AE_FOLD_PROD,
    AE_FOLD_MAX, /* NaN when there is one */
    AE_FOLD_MIN,
    AE_FOLD_ANY, /* to bool */
    AE_FOLD_ALL
} ae_fold_kind;

/* Reduces x (any strides) over the axes with over[i] into y: contiguous, the kept axes in their order (axes of extent 1
 * do not matter), scaled where it is a sum of floats. y may be NULL for MAX and MIN; ids, unless NULL, receives the
 * row-major place of the first one among the reduced axes. Returns 0, or -1 with the graph's error set. */
int ae_fold(ae_graph *g, ae_fold_kind kind, const ae_tensor *x, const bool *over, double scale, ae_tensor *y,
            ae_tensor *ids);

#endif
