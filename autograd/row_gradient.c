#include "autograd/row_gradient.h"

#include <stdlib.h>
#include <string.h>

ae_row_gradient *ae_row_gradient_new(ae_pool *pool, int64_t count, int64_t width)
{
    ae_row_gradient *r = calloc(1, sizeof *r);
    if (!r) {
        return NULL;
    }
    r->count = count;
    r->width = width;
    r->storage[0] = ae_storage_new(pool, (size_t)count * sizeof *r->ids);
    r->storage[1] = ae_storage_new(pool, (size_t)(count * width) * sizeof *r->values);
    if (!r->storage[0] || !r->storage[1]) {
        ae_row_gradient_free(r);
        return NULL;
    }
    r->ids = ae_storage_data(r->storage[0]);
    r->values = ae_storage_data(r->storage[1]);
    return r;
}

void ae_row_gradient_free(ae_row_gradient *r)
{
    if (r) {
        ae_storage_drop(r->storage[0]);
        ae_storage_drop(r->storage[1]);
        free(r);
    }
}

int64_t ae_row_gradient_find(const ae_row_gradient *r, int64_t id)
{
    int64_t low = 0, high = r->count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (r->ids[middle] < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool ae_row_gradient_pays(int64_t count, int64_t rows)
{
    return 2 * count <= rows;
}

/* ---- sums ---------------------------------------------------------------------------------------------------------- */

static int64_t count_both(const ae_row_gradient *a, const ae_row_gradient *b)
{
    int64_t n = 0;
    for (int64_t i = 0, j = 0; i < a->count || j < b->count; n++) {
        int64_t x = i < a->count ? a->ids[i] : INT64_MAX, y = j < b->count ? b->ids[j] : INT64_MAX;
        i += x <= y;
        j += y <= x;
    }
    return n;
}

/* A row that one side alone has is added to zero, as it would be in a whole table: -0 becomes 0 there. */
static void add_rows(const float *a, const float *b, float *to, int64_t n)
{
    for (int64_t k = 0; k < n; k++) {
        to[k] = (a ? a[k] : 0.0f) + (b ? b[k] : 0.0f);
    }
}

ae_row_gradient *ae_row_gradient_sum(ae_pool *pool, const ae_row_gradient *a, const ae_row_gradient *b)
{
    ae_row_gradient *sum = ae_row_gradient_new(pool, count_both(a, b), a->width);
    for (int64_t i = 0, j = 0, n = 0; sum && n < sum->count; n++) {
        int64_t x = i < a->count ? a->ids[i] : INT64_MAX, y = j < b->count ? b->ids[j] : INT64_MAX;
        sum->ids[n] = x < y ? x : y;
        add_rows(x <= y ? a->values + i * a->width : NULL, y <= x ? b->values + j * b->width : NULL,
                 sum->values + n * sum->width, sum->width);
        i += x <= y;
        j += y <= x;
    }
    return sum;
}

/* ---- whole gradients -------------------------------------------------------------------------------------------------- */

ae_tensor *ae_gradient_new(ae_pool *pool, ae_dtype dtype, const ae_tensor *t)
{
    ae_tensor *grad = calloc(1, sizeof *grad);
    ae_storage *s = ae_storage_new(pool, (size_t)ae_numel(t) * ae_dtype_size(dtype));
    if (!grad || !s) {
        free(grad);
        ae_storage_drop(s);
        return NULL;
    }
    grad->dtype = dtype;
    grad->ndim = t->ndim;
    memcpy(grad->shape, t->shape, sizeof t->shape);
    ae_shape_strides(t->ndim, t->shape, grad->strides);
    ae_tensor_attach(grad, s, 0);
    return grad;
}

void ae_row_gradient_write(const ae_row_gradient *r, float *table, int64_t rows)
{
    size_t bytes = (size_t)r->width * sizeof *table;
    int64_t next = 0;
    for (int64_t i = 0; i <= r->count; i++) {
        int64_t id = i < r->count ? r->ids[i] : rows;
        memset(table + next * r->width, 0, (size_t)(id - next) * bytes);
        if (i < r->count) {
            memcpy(table + id * r->width, r->values + i * r->width, bytes);
        }
        next = id + 1;
    }
}

void ae_row_gradient_add_to(const ae_row_gradient *r, float *table)
{
    for (int64_t i = 0; i < r->count; i++) {
        float *to = table + r->ids[i] * r->width;
        add_rows(to, r->values + i * r->width, to, r->width);
    }
}

int ae_row_gradient_spread(ae_tensor *parameter, ae_pool *pool, ae_err *e)
{
    ae_row_gradient *r = parameter->grad_rows;
    if (!r) {
        return 0;
    }
    ae_tensor *whole = ae_gradient_new(pool, AE_F32, parameter);
    if (!whole) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for the gradient of %s", parameter->name);
    }
    ae_row_gradient_write(r, whole->data, parameter->shape[0]);
    ae_gradient_drop(parameter);
    parameter->grad = whole;
    return 0;
}

void ae_gradient_drop(ae_tensor *parameter)
{
    ae_tensor_free(parameter->grad);
    ae_row_gradient_free(parameter->grad_rows);
    parameter->grad = NULL;
    parameter->grad_rows = NULL;
}
