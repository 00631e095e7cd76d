#include "nn/kv_cache.h"

#include <stdlib.h>
#include <string.h>

struct ae_kv_cache {
    int layers;
    int64_t batch, capacity, width, length;
    ae_tensor *memory; /* (L,2,B,capacity,width) in the dtype of the first keys; NULL before them */
};

void ae_kv_extend(ae_graph *g, ae_kv *past, ae_tensor *k, ae_tensor *v)
{
    past->key = past->key ? ae_concat(g, (ae_tensor *[]){past->key, k}, 2, 1) : k;
    past->value = past->value ? ae_concat(g, (ae_tensor *[]){past->value, v}, 2, 1) : v;
}

ae_kv_cache *ae_kv_cache_new(int layers, int64_t batch, int64_t capacity, int64_t width, ae_err *e)
{
    ae_kv_cache *c = calloc(1, sizeof *c);
    if (!c) {
        ae_err_set(e, AE_E_MEMORY, "kv_cache: no memory");
        return NULL;
    }
    *c = (ae_kv_cache){layers, batch, capacity, width, 0, NULL};
    return c;
}

void ae_kv_cache_free(ae_kv_cache *c)
{
    if (c) {
        ae_tensor_free(c->memory);
        free(c);
    }
}

int64_t ae_kv_cache_length(const ae_kv_cache *c)
{
    return c->length;
}

/* The first n positions of one half of a layer, as (B,n,width). */
static ae_tensor *positions(ae_graph *g, const ae_kv_cache *c, int layer, int half, int64_t from, int64_t n)
{
    const int64_t *s = c->memory->strides;
    int64_t offset = layer * s[0] + half * s[1] + from * s[3];
    return ae_view(g, c->memory, 3, (int64_t[]){c->batch, n, c->width}, (int64_t[]){s[2], s[3], 1}, offset);
}

/* Whether the memory takes k and v; the first ones decide what it is of: bf16 halves what a step reads. */
static bool takes(ae_graph *g, ae_kv_cache *c, const ae_tensor *k, const ae_tensor *v)
{
    if (!c->memory) {
        ae_err e = {0};
        c->memory = ae_tensor_new(k->dtype, 5, (int64_t[]){c->layers, 2, c->batch, c->capacity, c->width}, &e);
        if (!c->memory) {
            ae_fail(g, e.code, "kv_cache: %s", e.message);
            return false;
        }
    }
    if (k->dtype != c->memory->dtype || v->dtype != c->memory->dtype) {
        ae_fail(g, AE_E_DTYPE, "kv_cache: keys are %s and values %s behind %s; keep the precision of the graph",
                ae_dtype_name(k->dtype), ae_dtype_name(v->dtype), ae_dtype_name(c->memory->dtype));
        return false;
    }
    return true;
}

void ae_kv_cache_append(ae_graph *g, ae_kv_cache *c, int layer, ae_tensor **k, ae_tensor **v)
{
    if (!ae_ok(g)) {
        return;
    }
    int64_t n = ae_dim(*k, 1);
    if (ae_dim(*k, 0) != c->batch || ae_dim(*k, 2) != c->width || layer >= c->layers || c->length + n > c->capacity) {
        ae_fail(g, AE_E_SHAPE,
                "kv_cache: %lld sequences of %lld more positions behind %lld; it was made for %lld "
                "sequences of %lld positions",
                (long long)ae_dim(*k, 0), (long long)n, (long long)c->length, (long long)c->batch,
                (long long)c->capacity);
        return;
    }
    if (!takes(g, c, *k, *v)) {
        return;
    }
    ae_tensor_copy(positions(g, c, layer, 0, c->length, n), *k, NULL);
    ae_tensor_copy(positions(g, c, layer, 1, c->length, n), *v, NULL);
    *k = positions(g, c, layer, 0, 0, c->length + n);
    *v = positions(g, c, layer, 1, 0, c->length + n);
    if (layer == c->layers - 1) {
        c->length += n;
    }
}

int ae_kv_cache_reorder(ae_kv_cache *c, const int64_t *from, ae_err *e)
{
    bool same = true;
    for (int64_t b = 0; b < c->batch; b++) {
        if (from[b] < 0 || from[b] >= c->batch) {
            return ae_err_set(e, AE_E_VALUE, "kv_cache: sequence %lld cannot go on from sequence %lld of %lld",
                              (long long)b, (long long)from[b], (long long)c->batch);
        }
        same = same && from[b] == b;
    }
    if (same || c->length == 0) {
        return 0;
    }
    size_t size = ae_dtype_size(c->memory->dtype);
    size_t row = (size_t)(c->length * c->width) * size, step = (size_t)c->memory->strides[2] * size;
    char *old = malloc((size_t)c->batch * row);
    if (!old) {
        return ae_err_set(e, AE_E_MEMORY, "kv_cache: no memory to reorder it");
    }
    for (int i = 0; i < 2 * c->layers; i++) {
        char *rows = (char *)c->memory->data + (size_t)(i * c->memory->strides[1]) * size;
        for (int64_t b = 0; b < c->batch; b++) {
            memcpy(old + (size_t)b * row, rows + (size_t)b * step, row);
        }
        for (int64_t b = 0; b < c->batch; b++) {
            memcpy(rows + (size_t)b * step, old + (size_t)from[b] * row, row);
        }
    }
    free(old);
    return 0;
}
