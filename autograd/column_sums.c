#include "autograd/column_sums.h"
#include "tensor/kernels.h"

#include <string.h>

/* Memory is read in stretches of a row, one row after the other: narrow columns of a wide matrix would be fetched a few
 * lines at a time. */
enum {
    STRETCH = 1024,   /* columns of a task */
    TASKS = 32,       /* that keep the threads busy: more would only be sums to add up in the end */
    PIECE = 32768,    /* elements from which a piece of the rows has sums of its own */
    WIDENED_ROWS = 4, /* of bf16 that are widened together: 16 KiB, which the nearest cache holds */
    PARALLEL = 32768, /* elements worth several threads */
};

/* Adds the columns of a stretch. */
static void add_stretch(const void *x, ae_dtype dtype, int64_t rows, int64_t row, int64_t n, double *sums)
{
    const ae_kernels *k = ae_kernels_get();
    float wide[WIDENED_ROWS * STRETCH];
    if (dtype == AE_F32) {
        k->column_sums(x, row, rows, n, sums);
        return;
    }
    for (int64_t i = 0; i < rows; i += WIDENED_ROWS) {
        const int64_t count = rows - i < WIDENED_ROWS ? rows - i : WIDENED_ROWS;
        for (int64_t r = 0; r < count; r++) {
            k->bf16_to_f32((const uint16_t *)x + (i + r) * row, wide + r * n, n);
        }
        k->column_sums(wide, n, count, n, sums);
    }
}

static int64_t pieces_of(int64_t rows, int64_t n, int64_t stretches)
{
    int64_t pieces = rows * n / PIECE;
    pieces = pieces < TASKS / stretches ? pieces : TASKS / stretches;
    pieces = pieces < rows ? pieces : rows;
    return pieces > 1 ? pieces : 1;
}

/* sums = scale times the parts, (pieces,n), added up in the first of them. */
static void add_parts(double *parts, int64_t pieces, int64_t n, double scale, float *sums)
{
    for (int64_t piece = 1; piece < pieces; piece++) {
        for (int64_t i = 0; i < n; i++) {
            parts[i] += parts[piece * n + i];
        }
    }
    for (int64_t i = 0; i < n; i++) {
        sums[i] = (float)(scale * parts[i]);
    }
}

int ae_column_sums(ae_graph *g, const void *x, ae_dtype dtype, int64_t rows, int64_t row, int64_t n, double scale,
                   float *sums)
{
    if (n == 0) {
        return 0;
    }
    const int64_t stretches = (n + STRETCH - 1) / STRETCH, size = (int64_t)ae_dtype_size(dtype);
    const int64_t pieces = pieces_of(rows, n, stretches), length = (rows + pieces - 1) / pieces;
    ae_frame f = ae_frame_open(g);
    ae_tensor *scratch = ae_empty(g, AE_F64, 2, (int64_t[]){pieces, n});
    if (!ae_ok(g)) {
        ae_frame_close(f);
        return -1;
    }
    double *parts = scratch->data;
#pragma omp parallel for schedule(static) if (rows * n > PARALLEL)
    for (int64_t t = 0; t < pieces * stretches; t++) {
        const int64_t piece = t / stretches, at = t % stretches * STRETCH, from = piece * length;
        const int64_t count = rows - from < length ? rows - from : length, width = n - at < STRETCH ? n - at : STRETCH;
        memset(parts + piece * n + at, 0, (size_t)width * sizeof *parts);
        if (count > 0) {
            add_stretch((const char *)x + (from * row + at) * size, dtype, count, row, width, parts + piece * n + at);
        }
    }
    add_parts(parts, pieces, n, scale, sums);
    ae_frame_close(f);
    return 0;
}

ae_tensor *ae_column_sums_of(ae_graph *g, ae_tensor *x)
{
    const int64_t rows = x->shape[0], n = x->shape[1];
    ae_tensor *dense = ae_dense(g, x), *sums = ae_empty(g, AE_F32, 1, &n);
    if (ae_ok(g)) {
        ae_column_sums(g, dense->data, dense->dtype, rows, n, n, 1, sums->data);
    }
    return ae_ok(g) ? sums : ae_bad(g);
}
