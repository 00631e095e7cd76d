#include "nn/kv_cache.h"

#include <stdlib.h>
#include <string.h>

struct ae_kv_cache {
    int layers;
    int64_t batch, capacity, width, length;
    ae_tensor *memory; /* (L,2,B,capacity,width) */
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
    c->memory = ae_tensor_new(AE_F32, 5, (int64_t[]){layers, 2, batch, capacity, width}, e);
    if (!c->memory) {
        free(c);
        return NULL;
    }
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
    size_t row = (size_t)(c->length * c->width) * sizeof(float), step = (size_t)c->memory->strides[2] * sizeof(float);
    char *old = same ? NULL : malloc((size_t)c->batch * row + 1);
    if (!same && !old) {
        return ae_err_set(e, AE_E_MEMORY, "kv_cache: no memory to reorder it");
    }
    for (int i = 0; i < 2 * c->layers && !same; i++) {
        char *rows = (char *)c->memory->data + (size_t)(i * c->memory->strides[1]) * sizeof(float);
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
