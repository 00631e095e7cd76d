#include "autograd/create.h"
#include "tensor/kernels.h"

#include <math.h>
#include <string.h>

ae_tensor *ae_zeros(ae_graph *g, ae_dtype dtype, int ndim, const int64_t *shape)
{
    ae_tensor *t = ae_ok(g) ? ae_empty(g, dtype, ndim, shape) : ae_bad(g);
    if (t != ae_bad(g) && !(ae_dtype_is_float(dtype) && ae_kernels_dry())) {
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

ae_tensor *ae_ones(ae_graph *g, ae_dtype dtype, int ndim, const int64_t *shape)
{
    return ae_full(g, dtype, ndim, shape, 1.0);
}

ae_tensor *ae_arange(ae_graph *g, ae_dtype dtype, double start, double stop, double step)
{
    double count = ceil((stop - start) / step);
    if (!isfinite(start) || !isfinite(stop) || !isfinite(step) || step == 0.0 || count > 1e15) {
        return ae_fail(g, AE_E_VALUE, "arange: from %g to %g by %g; the bounds must be finite and the step not 0",
                       start, stop, step);
    }
    int64_t n = count > 0 ? (int64_t)count : 0;
    ae_tensor *t = ae_ok(g) ? ae_empty(g, dtype, 1, &n) : ae_bad(g);
    for (int64_t i = 0; t != ae_bad(g) && i < n; i++) {
        ae_set_f64(t, i, start + (double)i * step);
    }
    return t;
}

ae_tensor *ae_linspace(ae_graph *g, ae_dtype dtype, double start, double stop, int64_t n)
{
    ae_tensor *t = ae_ok(g) ? ae_empty(g, dtype, 1, &n) : ae_bad(g);
    if (t == ae_bad(g)) {
        return t;
    }
    double step = n > 1 ? (stop - start) / (double)(n - 1) : 0.0;
    for (int64_t i = 0; i < n; i++) {
        /* counted from the nearer end, so that both ends are exact and the values are symmetric */
        ae_set_f64(t, i, i < (n + 1) / 2 ? start + (double)i * step : stop - (double)(n - 1 - i) * step);
    }
    return t;
}

ae_tensor *ae_eye(ae_graph *g, ae_dtype dtype, int64_t rows, int64_t columns)
{
    int64_t shape[] = {rows, columns};
    ae_tensor *t = ae_zeros(g, dtype, 2, shape);
    for (int64_t i = 0; t != ae_bad(g) && i < rows && i < columns; i++) {
        ae_set_f64(t, i * columns + i, 1.0);
    }
    return t;
}
