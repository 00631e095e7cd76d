#include "tensor/row_weight.h"

#include "tensor/gemm_internal.h"
#include "tensor/kernels.h"
#include "tensor/onednn.h"
#include "tensor/threads.h"

#include <float.h>
#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    ALIGNMENT = 64,
    MANY_ROWS = 8,          /* from here the layout of oneDNN wins, measured with 2 threads and VNNI */
    BLOCK_ROWS = 256,       /* of activations: their sums stay in the second-level cache until they are scaled */
    STREAM_BYTES = 1 << 14, /* of the weight that stay in the nearest cache while several groups of rows meet them */
    FILL_ROWS = 32,         /* turned at a time */
    PARALLEL_WORK = 1 << 15
};

ae_row_weight ae_row_weight_borrow(const float *data, int64_t out, int64_t in, bool in_out)
{
    return (ae_row_weight){.dtype = AE_F32, .in_out = in_out, .out = out, .in = in, .data = data};
}

static size_t rounded_up(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static size_t row_bytes(const ae_row_weight *w)
{
    return (size_t)w->in * ae_dtype_size(w->dtype);
}

/* ---- making -------------------------------------------------------------------------------------------------------- */

static size_t memory_bytes(const ae_row_weight *w)
{
    const size_t scales = w->dtype == AE_I8 ? (size_t)w->out * sizeof *w->scale : 0;
    return rounded_up((size_t)w->out * row_bytes(w)) + rounded_up(scales);
}

int ae_row_weight_new(ae_row_weight *w, ae_dtype dtype, int64_t out, int64_t in, ae_err *e)
{
    *w = (ae_row_weight){.dtype = dtype, .out = out, .in = in};
    const bool countable = in == 0 || out <= PTRDIFF_MAX / 8 / in;
    w->memory = countable ? aligned_alloc(ALIGNMENT, memory_bytes(w) + ALIGNMENT) : NULL;
    if (!w->memory) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for a copy of weights [%lld,%lld] in %s", (long long)out,
                          (long long)in, ae_dtype_name(dtype));
    }
    w->data = w->memory;
    w->scale = dtype == AE_I8 ? (float *)((char *)w->memory + rounded_up((size_t)out * row_bytes(w))) : NULL;
    return 0;
}

static void fill_row(ae_row_weight *w, int64_t j, const float *values)
{
    const ae_kernels *k = ae_kernels_get();
    if (w->dtype == AE_I8) {
        w->scale[j] = k->quantize_i8(values, (int8_t *)w->memory + j * w->in, w->in);
    } else {
        k->f32_to_bf16(values, (uint16_t *)w->memory + j * w->in, w->in);
    }
}

/* Rows j0.. of the weight, from memory in which they are columns. */
static void fill_turned(ae_row_weight *w, int64_t j0, const float *values, int64_t in_stride, float *turned)
{
    const int64_t count = w->out - j0 < FILL_ROWS ? w->out - j0 : FILL_ROWS;
    ae_kernels_get()->transpose(values + j0, in_stride, w->in, count, turned, w->in);
    for (int64_t j = 0; j < count; j++) {
        fill_row(w, j0 + j, turned + j * w->in);
    }
}

static int fill_all_turned(ae_row_weight *w, const float *values, int64_t in_stride, ae_err *e)
{
    const int threads = ae_threads();
    const int64_t each = FILL_ROWS * w->in;
    float *turned = malloc((size_t)(threads * each + 1) * sizeof *turned);
    if (!turned) {
        return ae_err_set(e, AE_E_MEMORY, "no memory to turn weights [%lld,%lld]", (long long)w->in, (long long)w->out);
    }
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t j = 0; j < w->out; j += FILL_ROWS) {
        fill_turned(w, j, values, in_stride, turned + omp_get_thread_num() * each);
    }
    free(turned);
    return 0;
}

int ae_row_weight_fill(ae_row_weight *w, const float *values, int64_t out_stride, int64_t in_stride, ae_err *e)
{
    if (in_stride == 1 || w->in <= 1) {
#pragma omp parallel for schedule(static) num_threads(ae_threads()) if (w->out * w->in > PARALLEL_WORK)
        for (int64_t j = 0; j < w->out; j++) {
            fill_row(w, j, values + j * out_stride);
        }
    } else if (fill_all_turned(w, values, in_stride, e) != 0) {
        return -1;
    }
    return w->blocked ? ae_onednn_pack_fill(w->blocked, w->data, 1, w->in, e) : 0;
}

/* The product of m rows of i8 with w, into i32. */
static ae_gemm product_i8(const ae_row_weight *w, int64_t m, const int8_t *x, void *y)
{
    ae_gemm p = ae_gemm_dense(AE_I8, m, w->out, w->in, x, w->data, y);
    p.c_dtype = AE_I32;
    p.b_row = 1;
    p.b_col = w->in;
    return p;
}

int ae_row_weight_block(ae_row_weight *w, ae_err *e)
{
    if (w->blocked || w->dtype != AE_I8 || w->out == 0 || w->in == 0) {
        return 0;
    }
    const ae_gemm p = product_i8(w, BLOCK_ROWS, w->data, w->memory);
    ae_err failure = {0};
    w->blocked = ae_onednn_pack_new(&p, &failure);
    return failure.code ? ae_err_set(e, failure.code, "%s", failure.message) : 0;
}

size_t ae_row_weight_bytes(const ae_row_weight *w)
{
    return (w->memory ? memory_bytes(w) : 0) + ae_onednn_pack_bytes(w->blocked);
}

void ae_row_weight_free(ae_row_weight *w)
{
    ae_onednn_pack_free(w->blocked);
    free(w->memory);
    memset(w, 0, sizeof *w);
}

/* ---- streaming ----------------------------------------------------------------------------------------------------- */

typedef struct streamed {
    const ae_row_weight *w;
    int64_t m;
    const float *x;
    int64_t x_row;
    const int8_t *q; /* x in i8: (m,in) and a scale a row */
    const float *q_scale;
    const float *bias;
    float *y;
} streamed;

/* Rows i.. of x, at most AE_STREAM_ROWS, by rows j.. of the weight. */
static void stream_group(const streamed *s, int64_t i, int64_t j, int64_t n)
{
    const ae_kernels *k = ae_kernels_get();
    const ae_row_weight *w = s->w;
    const int64_t m = s->m - i < AE_STREAM_ROWS ? s->m - i : AE_STREAM_ROWS;
    const float *x = s->x + i * s->x_row;
    const float *bias = s->bias ? s->bias + j : NULL;
    float *y = s->y + i * w->out + j;
    if (w->dtype == AE_I8) {
        k->stream_i8(m, n, w->in, s->q + i * w->in, s->q_scale + i, (const int8_t *)w->data + j * w->in, w->scale + j,
                     bias, y, w->out);
    } else if (w->dtype == AE_BF16) {
        k->stream_bf16(m, n, w->in, x, s->x_row, (const uint16_t *)w->data + j * w->in, bias, y, w->out);
    } else if (w->in_out) {
        k->stream_columns_f32(m, n, w->in, x, s->x_row, (const float *)w->data + j, w->out, bias, y, w->out);
    } else {
        k->stream_f32(m, n, w->in, x, s->x_row, (const float *)w->data + j * w->in, bias, y, w->out);
    }
}

/* Rows from..to of the weight: in one stretch when one group of rows reads them. */
static void stream_part(const streamed *s, int64_t from, int64_t to)
{
    const int64_t few = STREAM_BYTES / (int64_t)(row_bytes(s->w) + 1);
    const int64_t step = s->m <= AE_STREAM_ROWS ? to - from : few > 1 ? few : 1;
    for (int64_t j = from; j < to; j += step) {
        for (int64_t i = 0; i < s->m; i += AE_STREAM_ROWS) {
            stream_group(s, i, j, to - j < step ? to - j : step);
        }
    }
}

/* Each thread reads one part of the weight, cut where cache lines of y and of its rows end. */
static void stream(const streamed *s)
{
    const int64_t cut = 16;
    const int64_t pieces = (s->w->out + cut - 1) / cut;
    const int threads = s->w->out * s->w->in > PARALLEL_WORK ? ae_threads() : 1;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int t = 0; t < threads; t++) {
        const int64_t from = pieces * t / threads * cut;
        const int64_t to = pieces * (t + 1) / threads * cut;
        stream_part(s, from, to < s->w->out ? to : s->w->out);
    }
}

/* ---- products ------------------------------------------------------------------------------------------------------ */

int64_t ae_row_weight_most_rows(const ae_row_weight *w)
{
    return w->dtype == AE_BF16 && !ae_onednn_has_bf16() ? 4 * AE_STREAM_ROWS
           : w->dtype == AE_I8                          ? MANY_ROWS
                                                        : AE_STREAM_ROWS;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

size_t ae_row_weight_scratch(const ae_row_weight *w, int64_t m)
{
    return w->dtype == AE_I8 ? (size_t)smaller(m, BLOCK_ROWS) * ((size_t)w->in + sizeof(float)) + sizeof(float) : 0;
}

/* Rows of x in i8 for at most BLOCK_ROWS: scales first, then the values. */
static void quantize_rows(streamed *s, void *scratch)
{
    float *scale = scratch;
    int8_t *q = (int8_t *)(scale + s->m);
    const ae_kernels *k = ae_kernels_get();
#pragma omp parallel for schedule(static) num_threads(ae_threads()) if (s->m * s->w->in > PARALLEL_WORK)
    for (int64_t i = 0; i < s->m; i++) {
        scale[i] = k->quantize_i8(s->x + i * s->x_row, q + i * s->w->in, s->w->in);
    }
    s->q = q;
    s->q_scale = scale;
}

/* One block through oneDNN: the sums come to lie where the results will. 1 when it has no such product. */
static int many_rows(const streamed *s, ae_err *e)
{
    const ae_row_weight *w = s->w;
    const ae_gemm p = product_i8(w, s->m, s->q, s->y);
    const int status = ae_onednn_matmul(&p, w->blocked, e);
    if (status != 0) {
        return status;
    }
    const ae_kernels *k = ae_kernels_get();
#pragma omp parallel for schedule(static) num_threads(ae_threads()) if (s->m * w->out > PARALLEL_WORK)
    for (int64_t i = 0; i < s->m; i++) {
        float *y = s->y + i * w->out;
        k->scale_i32((const int32_t *)(const void *)y, s->q_scale[i], w->scale, s->bias, y, w->out);
    }
    return 0;
}

static int product_in_i8(const ae_row_weight *w, int64_t m, const float *x, int64_t x_row, const float *bias, float *y,
                         void *scratch, ae_err *e)
{
    int status = 0;
    for (int64_t i = 0; i < m && status >= 0; i += BLOCK_ROWS) {
        streamed s = {.w = w, .m = smaller(m - i, BLOCK_ROWS), .x = x + i * x_row, .x_row = x_row, .bias = bias};
        s.y = y + i * w->out;
        quantize_rows(&s, scratch);
        status = w->blocked && m > MANY_ROWS ? many_rows(&s, e) : 1;
        if (status > 0) {
            stream(&s);
        }
    }
    return status < 0 ? -1 : 0;
}

int ae_row_weight_product(const ae_row_weight *w, int64_t m, const float *x, int64_t x_row, const float *bias, float *y,
                          void *scratch, ae_err *e)
{
    if (w->dtype == AE_I8) {
        return product_in_i8(w, m, x, x_row, bias, y, scratch, e);
    }
    stream(&(streamed){.w = w, .m = m, .x = x, .x_row = x_row, .bias = bias, .y = y});
    return 0;
}

/* ---- the plain twin ------------------------------------------------------------------------------------------------ */

static float quantize_plain(const float *x, int8_t *q, int64_t n)
{
    float most = 0;
    for (int64_t p = 0; p < n; p++) {
        if (!(fabsf(x[p]) <= FLT_MAX)) {
            memset(q, 0, (size_t)n);
            return NAN;
        }
        most = fmaxf(most, fabsf(x[p]));
    }
    const float inverse = 127 / most;
    const bool zero = !(inverse <= FLT_MAX);
    for (int64_t p = 0; p < n; p++) {
        q[p] = zero ? 0 : (int8_t)nearbyintf(x[p] * inverse);
    }
    return zero ? 0 : most / 127;
}

static float dot_plain(const ae_row_weight *w, int64_t j, const float *x)
{
    double sum = 0;
    for (int64_t p = 0; p < w->in; p++) {
        const int64_t at = w->in_out ? p * w->out + j : j * w->in + p;
        const float v =
            w->dtype == AE_F32 ? ((const float *)w->data)[at] : ae_gemm_widen(((const uint16_t *)w->data)[at]);
        sum += (double)x[p] * (double)v;
    }
    return (float)sum;
}

static float dot_i8_plain(const ae_row_weight *w, int64_t j, const int8_t *q, float scale)
{
    int32_t sum = 0;
    for (int64_t p = 0; p < w->in; p++) {
        sum += (int32_t)q[p] * ((const int8_t *)w->data)[j * w->in + p];
    }
    return (float)sum * (scale * w->scale[j]);
}

void ae_row_weight_product_plain(const ae_row_weight *w, int64_t m, const float *x, int64_t x_row, const float *bias,
                                 float *y, void *scratch)
{
    for (int64_t i = 0; i < m; i++) {
        const float scale = w->dtype == AE_I8 ? quantize_plain(x + i * x_row, scratch, w->in) : 1;
        for (int64_t j = 0; j < w->out; j++) {
            const float sum = w->dtype == AE_I8 ? dot_i8_plain(w, j, scratch, scale) : dot_plain(w, j, x + i * x_row);
            y[i * w->out + j] = sum + (bias ? bias[j] : 0);
        }
    }
}
