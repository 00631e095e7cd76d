/* Attention's products in f32: of rows where they lie, or widened from bf16 a head and a block at a time. */
#include "autograd/attention_internal.h"

#include <string.h>

float *ae_attention_take(attention_room *room, int64_t floats)
{
    float *at = room->base ? room->base + room->used : NULL;
    room->used += (floats + 15) / 16 * 16;
    return at;
}

attention_f32_rows ae_attention_in_f32(const attention_rows *x, int64_t from, int64_t n, int64_t width, float *room)
{
    if (x->dtype == AE_F32) {
        return (attention_f32_rows){(const float *)x->data + from * x->row, x->row};
    }
    const ae_kernels *f = ae_kernels_get();
    const uint16_t *bits = (const uint16_t *)x->data + from * x->row;
    for (int64_t i = 0; i < n; i++) {
        f->bf16_to_f32(bits + i * x->row, room + i * width, width);
    }
    return (attention_f32_rows){room, width};
}

void ae_attention_narrow(const attention_products *w, const float *x, int64_t n, int64_t width, void *to, int64_t row0)
{
    const ae_kernels *f = ae_kernels_get();
    const int64_t step = w->p->heads * width;
    uint16_t *rows = (uint16_t *)to + row0 * step + w->h->a * width;
    for (int64_t i = 0; i < n; i++) {
        f->f32_to_bf16(x + i * width, rows + i * step, width);
    }
}

/* ---- in f32 ------------------------------------------------------------------------------------------------------ */

static bool is_wide(const attention_products *w)
{
    return w->p->q->dtype == AE_F32;
}

static void lay_out(attention_products *w, attention_room *room)
{
    const attention_problem *p = w->p;
    const int64_t widest = p->d > p->e ? p->d : p->e;
    w->kt = ae_attention_take(room, p->d * p->max_s);
    w->vt = w->d ? ae_attention_take(room, p->e * p->max_s) : NULL;
    if (is_wide(w)) {
        return;
    }
    w->k_room = ae_attention_take(room, p->d * p->max_s);
    w->v_room = ae_attention_take(room, p->e * p->max_s);
    w->q_room = ae_attention_take(room, p->d * p->block);
    w->result = ae_attention_take(room, widest * p->block);
    if (w->d) {
        w->dy_room = ae_attention_take(room, p->e * p->block);
        w->dk = ae_attention_take(room, p->d * p->max_s);
        w->dv = ae_attention_take(room, p->e * p->max_s);
    }
}

/* Where a head's sums are made: among the gradients when those are f32. */
static void begin_sums(attention_products *w)
{
    const int64_t d = w->p->d, e = w->p->e, heads = w->p->heads;
    if (is_wide(w)) {
        w->dk = (float *)w->d->dk + (w->h->key0 * heads + w->h->a) * d;
        w->dv = (float *)w->d->dv + (w->h->key0 * heads + w->h->a) * e;
    } else {
        memset(w->dk, 0, (size_t)(w->h->s * d) * sizeof *w->dk);
        memset(w->dv, 0, (size_t)(w->h->s * e) * sizeof *w->dv);
    }
    w->dk_row = is_wide(w) ? heads * d : d;
    w->dv_row = is_wide(w) ? heads * e : e;
}

static void begin(attention_products *w)
{
    const ae_kernels *f = ae_kernels_get();
    const int64_t s = w->h->s, d = w->p->d, e = w->p->e;
    w->k32 = ae_attention_in_f32(&w->h->k, 0, s, d, w->k_room);
    w->v32 = ae_attention_in_f32(&w->h->v, 0, s, e, w->v_room);
    f->transpose(w->k32.data, w->k32.row, s, d, w->kt, s);
    if (w->d) {
        f->transpose(w->v32.data, w->v32.row, s, e, w->vt, s);
        begin_sums(w);
    }
}

static void block(attention_products *w)
{
    w->rows = w->n_t;
    w->ld = w->n_s;
    w->q32 = ae_attention_in_f32(&w->h->q, w->t0, w->n_t, w->p->d, w->q_room);
    if (w->d) {
        w->dy32 = ae_attention_in_f32(&w->h->dy, w->t0, w->n_t, w->p->e, w->dy_room);
    }
}

static void scores(attention_products *w, float *x)
{
    const ae_kernels *f = ae_kernels_get();
    f->matmul(w->n_t, w->n_s, w->p->d, w->p->scale, w->q32.data, w->q32.row, 1, w->kt, w->h->s, x, w->ld, false);
}

/* The block's rows of `to` = alpha x b, with rows of b and of the result `width` wide. */
static void multiply_rows(attention_products *w, const float *x, float alpha, attention_f32_rows b, int64_t width,
                          void *to)
{
    const ae_kernels *f = ae_kernels_get();
    const int64_t row0 = w->h->row0 + w->t0, step = w->p->heads * width;
    if (is_wide(w)) {
        float *rows = (float *)to + row0 * step + w->h->a * width;
        f->matmul(w->n_t, width, w->n_s, alpha, x, w->ld, 1, b.data, b.row, rows, step, false);
    } else {
        f->matmul(w->n_t, width, w->n_s, alpha, x, w->ld, 1, b.data, b.row, w->result, width, false);
        ae_attention_narrow(w, w->result, w->n_t, width, to, row0);
    }
}

static void output(attention_products *w, const float *x)
{
    multiply_rows(w, x, 1.0f, w->v32, w->p->e, w->y);
}

static void value_gradient(attention_products *w, const float *x)
{
    const ae_kernels *f = ae_kernels_get();
    f->matmul(w->n_s, w->p->e, w->n_t, 1.0f, x, 1, w->ld, w->dy32.data, w->dy32.row, w->dv, w->dv_row, true);
}

static void probability_gradient(attention_products *w, float *x)
{
    const ae_kernels *f = ae_kernels_get();
    f->matmul(w->n_t, w->n_s, w->p->e, 1.0f, w->dy32.data, w->dy32.row, 1, w->vt, w->h->s, x, w->ld, false);
}

static void query_key_gradients(attention_products *w, float *x)
{
    const ae_kernels *f = ae_kernels_get();
    const float scale = w->p->scale;
    multiply_rows(w, x, scale, w->k32, w->p->d, w->d->dq);
    f->matmul(w->n_s, w->p->d, w->n_t, scale, x, 1, w->ld, w->q32.data, w->q32.row, w->dk, w->dk_row, true);
}

const attention_products_kind ae_attention_products_f32 = {
    lay_out, begin, block, scores, output, value_gradient, probability_gradient, query_key_gradients,
};
