/* Internal to autograd/: what the fused norms share. Rows are cut into a fixed number of parts, each with sums of its
 * own for the gradients of gamma and beta, which are then added in order: so the bits do not depend on the number of
 * threads. Each part has a few rows of f32 too, in which bf16 is widened on its way. */
#ifndef AE_AUTOGRAD_NORM_ROWS_H
#define AE_AUTOGRAD_NORM_ROWS_H

#include "autograd/op.h"

enum { AE_NORM_PARTS = 32, AE_NORM_BUFFERS = 4 };

/* The rule, with gamma and beta among the inputs from `first` on: x of floats, they as long as its last axis and of its
 * dtype, or f32 where x is bf16. The output has x's shape in the compute type. */
int ae_norm_shape(ae_call *c, int first);

/* Whether the kernels take the inputs: f32, and the first n_x of them bf16 too. */
bool ae_norm_takes(const ae_call *c, int n_x);

/* A norm's rows: of the first input, dense. */
typedef struct ae_norm_rows {
    int64_t rows, n;
    float *buffers;      /* (PARTS,BUFFERS,n), or NULL */
    float *gamma, *beta; /* (PARTS,n) sums of their gradients; NULL where not wanted */
} ae_norm_rows;

/* Whether a row of an input or of the output is bf16, which wants buffers. */
bool ae_norm_widens(const ae_call *c);

/* Sets up the rows of c's first input; fails in the graph, to be asked with ae_ok. */
ae_norm_rows ae_norm_rows_of(ae_call *c, bool buffers, bool want_gamma, bool want_beta);

/* The first row of a part; the part ends where the next begins. */
int64_t ae_norm_first(const ae_norm_rows *r, int part);

float *ae_norm_buffer(const ae_norm_rows *r, int part, int i); /* row i of a part's buffers; NULL without them */
float *ae_norm_part(float *sums, int part, int64_t n);         /* a part's row of gamma or beta; NULL for NULL */

/* The sum of all parts of gamma or beta, a new tensor (n); NULL for NULL. */
ae_tensor *ae_norm_sum(ae_graph *g, const float *sums, int64_t n);

/* The f32 values of gamma or beta, made dense; NULL for NULL. */
const float *ae_norm_values(ae_graph *g, ae_tensor *t);

#endif
