/* Internal to autograd/ and nn/: the gradient of a table (V,H) that is zero but for some rows. Look-ups alone leave
 * such a one, and it is kept as those rows; see ae_graph_sparse_gradients. */
#ifndef AE_AUTOGRAD_ROW_GRADIENT_H
#define AE_AUTOGRAD_ROW_GRADIENT_H

#include "tensor/pool.h"
#include "tensor/tensor.h"

typedef struct ae_row_gradient {
    int64_t count, width;
    int64_t *ids;  /* of the rows kept, rising */
    float *values; /* (count, width) */
    ae_storage *storage[2];
} ae_row_gradient;

/* A gradient that outlives its step: contiguous, of the shape of t, uninitialised; NULL without memory. */
ae_tensor *ae_gradient_new(ae_pool *pool, ae_dtype dtype, const ae_tensor *t);

/* Uninitialised rows in storages of a pool; NULL without memory. */
ae_row_gradient *ae_row_gradient_new(ae_pool *pool, int64_t count, int64_t width);
void ae_row_gradient_free(ae_row_gradient *r); /* NULL is allowed */

/* The sum of two, over the rows of both; NULL without memory. */
ae_row_gradient *ae_row_gradient_sum(ae_pool *pool, const ae_row_gradient *a, const ae_row_gradient *b);

/* Writes all rows of a table: those kept, zeros elsewhere. */
void ae_row_gradient_write(const ae_row_gradient *r, float *table, int64_t rows);

/* Adds the rows to a table. */
void ae_row_gradient_add_to(const ae_row_gradient *r, float *table);

/* How many of the rows kept have an id below `id`: the place of the first that has not. */
int64_t ae_row_gradient_find(const ae_row_gradient *r, int64_t id);

/* Whether that many rows of a table are few enough to be kept apart. */
bool ae_row_gradient_pays(int64_t count, int64_t rows);

/* Turns a parameter's gradient that is kept by rows into parameter->grad; nothing happens to another. 0, or -1 and e.
 */
int ae_row_gradient_spread(ae_tensor *parameter, ae_pool *pool, ae_err *e);

/* Drops a parameter's gradient, however it is kept. */
void ae_gradient_drop(ae_tensor *parameter);

#endif
