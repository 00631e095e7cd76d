#include "autograd/copy.h"
#include "autograd/op.h"
#include "tensor/kernels.h"

#include <string.h>

enum {
    PARALLEL = 32768, /* elements from which threads pay */
    STRETCH = 16384,  /* elements of a row that one task copies */
    TILE = 32         /* edge of the squares in which a transposed pair of axes is walked */
};

typedef struct walk {
    int ndim;
    int64_t shape[AE_MAX_DIMS];
    int64_t to[AE_MAX_DIMS];
    int64_t from[AE_MAX_DIMS];
} walk;

static int64_t magnitude(int64_t x)
{
    return x < 0 ? -x : x;
}

/* Axes of one element go, the others are ordered by the steps of the destination, widest first. */
static walk ordered(int ndim, const int64_t *shape, const int64_t *to, const int64_t *from)
{
    walk w = {0};
    for (int i = 0; i < ndim; i++) {
        if (shape[i] == 1) {
            continue;
        }
        int k = w.ndim++;
        for (; k > 0 && magnitude(w.to[k - 1]) < magnitude(to[i]); k--) {
            w.shape[k] = w.shape[k - 1];
            w.to[k] = w.to[k - 1];
            w.from[k] = w.from[k - 1];
        }
        w.shape[k] = shape[i];
        w.to[k] = to[i];
        w.from[k] = from[i];
    }
    return w;
}

/* Merges neighbours that both sides walk as one. */
static void merge(walk *w)
{
    int last = 0;
    for (int i = 1; i < w->ndim; i++) {
        if (w->to[last] == w->to[i] * w->shape[i] && w->from[last] == w->from[i] * w->shape[i]) {
            w->shape[last] *= w->shape[i];
        } else {
            w->shape[++last] = w->shape[i];
        }
        w->to[last] = w->to[i];
        w->from[last] = w->from[i];
    }
    w->ndim = w->ndim ? last + 1 : 0;
}

/* The offsets of both sides at an index over the first n axes. */
static void offsets(const walk *w, int n, int64_t index, int64_t *to, int64_t *from)
{
    *to = *from = 0;
    for (int i = n - 1; i >= 0; i--) {
        int64_t at = index % w->shape[i];
        index /= w->shape[i];
        *to += at * w->to[i];
        *from += at * w->from[i];
    }
}

/* A loop a width: the compiler turns each into plain moves. */
#define COPY_ROW(type)                                                                                                 \
    static void copy_row_##type(type *to, int64_t to_step, const type *from, int64_t from_step, int64_t n)             \
    {                                                                                                                  \
        if (to_step == 1) {                                                                                            \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                to[i] = from[i * from_step];                                                                           \
            }                                                                                                          \
        } else {                                                                                                       \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                to[i * to_step] = from[i * from_step];                                                                 \
            }                                                                                                          \
        }                                                                                                              \
    }
COPY_ROW(uint8_t)
COPY_ROW(uint16_t)
COPY_ROW(uint32_t)
COPY_ROW(uint64_t)

static void copy_row(size_t size, char *to, int64_t to_step, const char *from, int64_t from_step, int64_t n)
{
    if (to_step == 1 && from_step == 1) {
        memcpy(to, from, (size_t)n * size);
    } else if (size == 4) {
        copy_row_uint32_t((uint32_t *)(void *)to, to_step, (const uint32_t *)(const void *)from, from_step, n);
    } else if (size == 8) {
        copy_row_uint64_t((uint64_t *)(void *)to, to_step, (const uint64_t *)(const void *)from, from_step, n);
    } else if (size == 2) {
        copy_row_uint16_t((uint16_t *)(void *)to, to_step, (const uint16_t *)(const void *)from, from_step, n);
    } else {
        copy_row_uint8_t((uint8_t *)to, to_step, (const uint8_t *)from, from_step, n);
    }
}

static void copy_rows(const walk *w, size_t size, char *dst, const char *src, int64_t total)
{
    int last = w->ndim - 1;
    int64_t row = w->shape[last], stretches = (row + STRETCH - 1) / STRETCH, tasks = total / row * stretches;
#pragma omp parallel for schedule(static) if (total >= PARALLEL)
    for (int64_t t = 0; t < tasks; t++) {
        int64_t to, from, first = t % stretches * STRETCH;
        offsets(w, last, t / stretches, &to, &from);
        to += first * w->to[last];
        from += first * w->from[last];
        copy_row(size, dst + to * (int64_t)size, w->to[last], src + from * (int64_t)size, w->from[last],
                 row - first < STRETCH ? row - first : STRETCH);
    }
}

/* A square of a transposed pair: n rows (dense in the source along the rows' axis) of m elements. */
static void copy_square(size_t size, char *to, int64_t to_row, const char *from, int64_t from_step, int64_t n,
                        int64_t m)
{
    if (size == 4) {
        ae_kernels_get()->transpose((const float *)(const void *)from, from_step, m, n, (float *)(void *)to, to_row);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        copy_row(size, to + i * to_row * (int64_t)size, 1, from + i * (int64_t)size, from_step, m);
    }
}

/* The last axis is dense in the destination, the one before it in the source: squares keep both sides in cache. */
static void copy_transposed(const walk *w, size_t size, char *dst, const char *src, int64_t total)
{
    int last = w->ndim - 1, rows_axis = last - 1;
    int64_t rows = w->shape[rows_axis], row = w->shape[last];
    int64_t bands = (rows + TILE - 1) / TILE, tasks = total / (rows * row) * bands;
#pragma omp parallel for schedule(static) if (total >= PARALLEL)
    for (int64_t t = 0; t < tasks; t++) {
        int64_t to, from, first = t % bands * TILE;
        int64_t n = rows - first < TILE ? rows - first : TILE;
        offsets(w, rows_axis, t / bands, &to, &from);
        to += first * w->to[rows_axis];
        from += first;
        for (int64_t k = 0; k < row; k += TILE) {
            copy_square(size, dst + (to + k) * (int64_t)size, w->to[rows_axis],
                        src + (from + k * w->from[last]) * (int64_t)size, w->from[last], n,
                        row - k < TILE ? row - k : TILE);
        }
    }
}

/* Moves the axis that is dense in the source next to the last one, which is dense in the destination. */
static bool pair_up(walk *w)
{
    int last = w->ndim - 1, dense = last - 1;
    while (dense >= 0 && w->from[dense] != 1) {
        dense--;
    }
    if (dense < 0 || w->to[last] != 1 || w->from[last] < 0 || w->to[dense] < 0) {
        return false;
    }
    int64_t shape = w->shape[dense], to = w->to[dense];
    for (; dense < last - 1; dense++) {
        w->shape[dense] = w->shape[dense + 1];
        w->to[dense] = w->to[dense + 1];
        w->from[dense] = w->from[dense + 1];
    }
    w->shape[dense] = shape;
    w->to[dense] = to;
    w->from[dense] = 1;
    return true;
}

void ae_copy_strided(size_t size, int ndim, const int64_t *shape, void *dst, const int64_t *to, const void *src,
                     const int64_t *from)
{
    int64_t total = ae_shape_numel(ndim, shape);
    if (total <= 0) {
        return;
    }
    walk w = ordered(ndim, shape, to, from);
    merge(&w);
    if (w.ndim == 0) {
        memcpy(dst, src, size);
    } else if (w.from[w.ndim - 1] != 1 && pair_up(&w)) {
        copy_transposed(&w, size, dst, src, total);
    } else {
        copy_rows(&w, size, dst, src, total);
    }
}

void ae_copy_values(ae_tensor *dst, const ae_tensor *src)
{
    if (ae_dtype_is_float(src->dtype) && ae_kernels_dry()) {
        return;
    }
    ae_copy_strided(ae_dtype_size(src->dtype), src->ndim, src->shape, dst->data, dst->strides, src->data, src->strides);
}

ae_tensor *ae_dense(ae_graph *g, ae_tensor *x)
{
    if (ae_is_contiguous(x)) {
        return x;
    }
    ae_tensor *t = ae_empty_like(g, x);
    if (t != ae_bad(g)) {
        ae_copy_values(t, x);
    }
    return t;
}
