/* Attention's products of bf16 with sums in f32, by oneDNN. Its fast path wants dense operands and few shapes: a head's
 * rows are copied, and every extent but the width is rounded up, with rows of zeros. */
#include "autograd/attention_internal.h"

#include <string.h>

int64_t ae_attention_rounded(int64_t n)
{
    const int64_t step = n <= 128 ? 32 : 64;
    return (n + step - 1) / step * step;
}

static uint16_t *take(attention_room *room, int64_t elements)
{
    return (uint16_t *)ae_attention_take(room, (elements + 1) / 2);
}

static void lay_out(attention_products *w, attention_room *room)
{
    const attention_problem *p = w->p;
    const int64_t widest = p->d > p->e ? p->d : p->e, keys = ae_attention_rounded(p->max_s);
    w->k16 = take(room, p->d * keys);
    w->v16 = take(room, p->e * keys);
    w->q16 = take(room, p->d * p->block);
    w->x16 = take(room, p->block * keys);
    w->result = ae_attention_take(room, widest * p->block);
    if (w->d) {
        w->dy16 = take(room, p->e * p->block);
        w->dk = ae_attention_take(room, p->d * keys);
        w->dv = ae_attention_take(room, p->e * keys);
    }
}

/* Copies rows [from, from + n), with zeros behind them up to `rounded`. */
static void copy_rows(const attention_rows *x, int64_t from, int64_t n, int64_t rounded, int64_t width, uint16_t *to)
{
    const uint16_t *bits = (const uint16_t *)x->data + from * x->row;
    for (int64_t i = 0; i < n; i++) {
        memcpy(to + i * width, bits + i * x->row, (size_t)width * sizeof *to);
    }
    memset(to + n * width, 0, (size_t)((rounded - n) * width) * sizeof *to);
}

static void begin(attention_products *w)
{
    const int64_t s = w->h->s, d = w->p->d, e = w->p->e, keys = ae_attention_rounded(s);
    copy_rows(&w->h->k, 0, s, keys, d, w->k16);
    copy_rows(&w->h->v, 0, s, keys, e, w->v16);
    if (w->d) {
        memset(w->dk, 0, (size_t)(keys * d) * sizeof *w->dk);
        memset(w->dv, 0, (size_t)(keys * e) * sizeof *w->dv);
    }
}

static void block(attention_products *w)
{
    w->rows = ae_attention_rounded(w->n_t);
    w->ld = ae_attention_rounded(w->n_s);
    copy_rows(&w->h->q, w->t0, w->n_t, w->rows, w->p->d, w->q16);
    if (w->d) {
        copy_rows(&w->h->dy, w->t0, w->n_t, w->rows, w->p->e, w->dy16);
    }
}

/* One operand: a dense matrix, or the transpose of one. */
typedef struct operand {
    const uint16_t *data;
    int64_t row, col;
} operand;

/* c (m,n) = alpha a b, or c += a b. */
static void multiply(attention_products *w, int64_t m, int64_t n, int64_t k, float alpha, operand a, operand b,
                     float *c, bool accumulate)
{
    ae_gemm q = ae_gemm_dense(AE_BF16, m, n, k, a.data, b.data, c);
    q.c_dtype = AE_F32;
    q.a_row = a.row;
    q.a_col = a.col;
    q.b_row = b.row;
    q.b_col = b.col;
    q.accumulate = accumulate;
    q.alpha = alpha;
    if (w->status == 0) {
        w->status = ae_blocks_multiply(&w->blocks, &q, &w->err);
    }
}

/* Row i of x as bf16, zero where nothing counts. */
static void narrow_row(attention_products *w, int64_t i, const float *x)
{
    uint16_t *to = w->x16 + i * w->ld;
    ae_kernels_get()->f32_to_bf16(x + i * w->ld, to, w->n_s);
    memset(to + w->n_s, 0, (size_t)(w->ld - w->n_s) * sizeof *to);
}

static void clear_rows_behind(attention_products *w)
{
    memset(w->x16 + w->n_t * w->ld, 0, (size_t)((w->rows - w->n_t) * w->ld) * sizeof *w->x16);
}

static void narrow(attention_products *w, const float *x)
{
    for (int64_t i = 0; i < w->n_t; i++) {
        narrow_row(w, i, x);
    }
    clear_rows_behind(w);
}

static void scores(attention_products *w, float *x)
{
    const int64_t d = w->p->d;
    multiply(w, w->rows, w->ld, d, w->p->scale, (operand){w->q16, d, 1}, (operand){w->k16, 1, d}, x, false);
}

/* The block's rows of `to`, from x16 and rows of `width`. */
static void multiply_rows(attention_products *w, const uint16_t *b, int64_t width, void *to)
{
    multiply(w, w->rows, width, w->ld, 1.0f, (operand){w->x16, w->ld, 1}, (operand){b, width, 1}, w->result, false);
    ae_attention_narrow(w, w->result, w->n_t, width, to, w->h->row0 + w->t0);
}

static void output(attention_products *w, const float *x)
{
    narrow(w, x);
    multiply_rows(w, w->v16, w->p->e, w->y);
}

static void value_gradient(attention_products *w, const float *x)
{
    const int64_t e = w->p->e;
    narrow(w, x);
    multiply(w, w->ld, e, w->rows, 1.0f, (operand){w->x16, 1, w->ld}, (operand){w->dy16, e, 1}, w->dv, true);
}

static void probability_gradient(attention_products *w, float *x)
{
    const int64_t e = w->p->e;
    multiply(w, w->rows, w->ld, e, 1.0f, (operand){w->dy16, e, 1}, (operand){w->v16, 1, e}, x, false);
}

/* The scale goes into dS: a sum behind a scale is not on every fast path. */
static void query_key_gradients(attention_products *w, float *x)
{
    const ae_kernels *f = ae_kernels_get();
    const int64_t d = w->p->d;
    for (int64_t i = 0; i < w->n_t; i++) {
        f->scale(w->p->scale, x + i * w->ld, x + i * w->ld, w->n_s);
        narrow_row(w, i, x);
    }
    clear_rows_behind(w);
    multiply_rows(w, w->k16, d, w->d->dq);
    multiply(w, w->ld, d, w->rows, 1.0f, (operand){w->x16, 1, w->ld}, (operand){w->q16, d, 1}, w->dk, true);
}

const attention_products_kind ae_attention_products_bf16 = {
    lay_out, begin, block, scores, output, value_gradient, probability_gradient, query_key_gradients,
};
