#include "autograd/create.h"

#include <string.h>

ae_tensor *ae_zeros(ae_graph *g, ae_dtype dtype, int ndim, const int64_t *shape)
{
    ae_tensor *t = ae_ok(g) ? ae_empty(g, dtype, ndim, shape) : ae_bad(g);
    if (t != ae_bad(g)) {
        memset(t->data, 0, (size_t)ae_numel(t) * ae_dtype_size(dtype));
    }
    return t;
}

ae_tensor *ae_full(ae_graph *g, ae_dtype dtype, int ndim, const int64_t *shape, double value)
{
    ae_tensor *t = ae_ok(g) ? ae_empty(g, dtype, ndim, shape) : ae_bad(g);
    if (t == ae_bad(g) || ae_numel(t) == 0) {
        return t;
    }
    /* One element is converted; the rest are copies of its bytes. */
    size_t size = ae_dtype_size(dtype), bytes = (size_t)ae_numel(t) * size;
    ae_set_f64(t, 0, value);
    for (size_t done = size; done < bytes; done *= 2) {
        memcpy((char *)t->data + done, t->data, done < bytes - done ? done : bytes - done);
    }
    return t;
}

ae_tensor *ae_scalar(ae_graph *g, ae_dtype dtype, double value)
{
    return ae_full(g, dtype, 0, NULL, value);
}
