#include "tensor/tensor.h"
#include "tensor/kernels.h"
#include "tensor/pool.h"

#include <stdlib.h>
#include <string.h>

enum { DRY_BYTES = 1 << 20 }; /* what a dry run leaves as it comes from the system */

const char *ae_version(void)
{
    return AE_VERSION;
}

size_t ae_dtype_size(ae_dtype dtype)
{
    static const size_t sizes[] = {
#define AE_DTYPE_BYTES(symbol, name, bytes, numpy, safetensors) bytes,
        AE_DTYPES(AE_DTYPE_BYTES)
#undef AE_DTYPE_BYTES
    };
    return (unsigned)dtype < AE_DTYPE_COUNT ? sizes[dtype] : 0;
}

const char *ae_dtype_name(ae_dtype dtype)
{
    static const char *const names[] = {
#define AE_DTYPE_NAME(symbol, name, bytes, numpy, safetensors) name,
        AE_DTYPES(AE_DTYPE_NAME)
#undef AE_DTYPE_NAME
    };
    return (unsigned)dtype < AE_DTYPE_COUNT ? names[dtype] : "?";
}

bool ae_dtype_is_float(ae_dtype dtype)
{
    return dtype == AE_F32 || dtype == AE_F64 || dtype == AE_BF16 || dtype == AE_F16;
}

bool ae_dtype_is_int(ae_dtype dtype)
{
    return dtype == AE_I8 || dtype == AE_U8 || dtype == AE_I32 || dtype == AE_I64;
}

int ae_dtype_parse(const char *name, ae_dtype *dtype)
{
    for (int i = 0; i < AE_DTYPE_COUNT; i++) {
        if (strcmp(name, ae_dtype_name((ae_dtype)i)) == 0) {
            *dtype = (ae_dtype)i;
            return 0;
        }
    }
    return -1;
}

int64_t ae_shape_numel(int ndim, const int64_t *shape)
{
    if (ndim < 0 || ndim > AE_MAX_DIMS) {
        return -1;
    }
    int64_t n = 1;
    bool empty = false;
    for (int i = 0; i < ndim; i++) {
        if (shape[i] < 0) {
            return -1;
        }
        if (shape[i] == 0) {
            empty = true;
        } else if (__builtin_mul_overflow(n, shape[i], &n)) {
            return -1;
        }
    }
    return empty ? 0 : n;
}

void ae_shape_strides(int ndim, const int64_t *shape, int64_t *strides)
{
    int64_t step = 1;
    for (int i = ndim - 1; i >= 0; i--) {
        strides[i] = step;
        step *= shape[i] > 0 ? shape[i] : 1;
    }
}

const char *ae_shape_text(int ndim, const int64_t *shape, char text[AE_SHAPE_TEXT_MAX])
{
    size_t at = 0;
    text[at++] = '[';
    for (int i = 0; i < ndim && i < AE_MAX_DIMS; i++) {
        int n = snprintf(text + at, AE_SHAPE_TEXT_MAX - at, i ? ",%lld" : "%lld", (long long)shape[i]);
        at += (size_t)n;
    }
    text[at++] = ']';
    text[at] = '\0';
    return text;
}

int64_t ae_numel(const ae_tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->ndim; i++) {
        n *= t->shape[i];
    }
    return n;
}

int64_t ae_dim(const ae_tensor *t, int axis)
{
    int i = axis < 0 ? axis + t->ndim : axis;
    return i >= 0 && i < t->ndim ? t->shape[i] : -1;
}

bool ae_is_contiguous(const ae_tensor *t)
{
    int64_t step = 1;
    for (int i = t->ndim - 1; i >= 0; i--) {
        if (t->shape[i] == 0) {
            return true;
        }
        if (t->shape[i] != 1 && t->strides[i] != step) {
            return ae_numel(t) == 0;
        }
        step *= t->shape[i];
    }
    return true;
}

bool ae_same_shape(const ae_tensor *a, const ae_tensor *b)
{
    return a->ndim == b->ndim && memcmp(a->shape, b->shape, (size_t)a->ndim * sizeof a->shape[0]) == 0;
}

static ae_tensor *host_tensor(ae_dtype dtype, int ndim, const int64_t *shape, ae_err *e)
{
    char text[AE_SHAPE_TEXT_MAX];
    if ((unsigned)dtype >= AE_DTYPE_COUNT) {
        ae_err_set(e, AE_E_DTYPE, "tensor: %d is no dtype", (int)dtype);
        return NULL;
    }
    if (ndim < 0 || ndim > AE_MAX_DIMS) {
        ae_err_set(e, AE_E_SHAPE, "tensor: a rank of %d; at most %d axes are possible", ndim, AE_MAX_DIMS);
        return NULL;
    }
    int64_t n = ae_shape_numel(ndim, shape);
    if (n < 0 || n > (int64_t)(PTRDIFF_MAX / 2 / (int64_t)ae_dtype_size(dtype))) {
        ae_err_set(e, AE_E_SHAPE, "tensor: the shape %s has a negative extent or too many elements",
                   ae_shape_text(ndim, shape, text));
        return NULL;
    }
    ae_tensor *t = calloc(1, sizeof *t);
    if (!t) {
        ae_err_set(e, AE_E_MEMORY, "tensor: no memory for a tensor");
        return NULL;
    }
    t->dtype = dtype;
    t->ndim = ndim;
    for (int i = 0; i < ndim; i++) {
        t->shape[i] = shape[i];
    }
    ae_shape_strides(ndim, shape, t->strides);
    return t;
}

ae_tensor *ae_tensor_new(ae_dtype dtype, int ndim, const int64_t *shape, ae_err *e)
{
    ae_tensor *t = host_tensor(dtype, ndim, shape, e);
    if (!t) {
        return NULL;
    }
    size_t bytes = (size_t)ae_numel(t) * ae_dtype_size(dtype);
    ae_storage *s = ae_storage_new(NULL, bytes);
    if (!s) {
        free(t);
        ae_err_set(e, AE_E_MEMORY, "tensor: no memory for %zu bytes", bytes);
        return NULL;
    }
    if (bytes < DRY_BYTES || !ae_kernels_dry()) {
        memset(ae_storage_data(s), 0, bytes);
    }
    ae_tensor_attach(t, s, 0);
    return t;
}

ae_tensor *ae_tensor_wrap(void *data, ae_dtype dtype, int ndim, const int64_t *shape, ae_err *e)
{
    ae_tensor *t = host_tensor(dtype, ndim, shape, e);
    if (!t) {
        return NULL;
    }
    ae_storage *s = ae_storage_wrap(data, (size_t)ae_numel(t) * ae_dtype_size(dtype), NULL, NULL);
    if (!s) {
        free(t);
        ae_err_set(e, AE_E_MEMORY, "tensor: no memory for a tensor");
        return NULL;
    }
    ae_tensor_attach(t, s, 0);
    return t;
}

ae_tensor *ae_tensor_share(const ae_tensor *t, ae_err *e)
{
    if (!t->data) {
        ae_err_set(e, AE_E_FREED, "tensor_share: the tensor was freed before");
        return NULL;
    }
    ae_tensor *copy = calloc(1, sizeof *copy);
    if (!copy) {
        ae_err_set(e, AE_E_MEMORY, "tensor: no memory for a tensor");
        return NULL;
    }
    copy->dtype = t->dtype;
    copy->ndim = t->ndim;
    memcpy(copy->shape, t->shape, sizeof t->shape);
    memcpy(copy->strides, t->strides, sizeof t->strides);
    copy->data = t->data;
    copy->storage = t->storage;
    ae_storage_hold(t->storage);
    return copy;
}

void ae_tensor_free(ae_tensor *t)
{
    if (t) {
        ae_storage_drop(t->storage);
        free(t);
    }
}
