/* The second score of attention, by where a key stands relative to the query, and its gradients. */
#include "autograd/attention_internal.h"

#include <string.h>

/* Relative scores of a block: query t0 + i and key s meet in column s - i + n_t - 1 of the product of its queries with
 * the n_s + n_t - 1 relative keys from row `first` on, of which columns [from, to) are in the table. */
typedef struct diagonals {
    int64_t first, count, from, to;
} diagonals;

static diagonals diagonals_of(const attention_problem *p, int64_t t0, int64_t n_t, int64_t n_s)
{
    diagonals r = {.first = p->attr->origin - t0 - n_t + 1, .count = n_s > 0 ? n_s + n_t - 1 : 0};
    int64_t rows = p->relative_keys->shape[0];
    r.from = r.first < 0 ? -r.first : 0;
    r.from = r.from < r.count ? r.from : r.count;
    r.to = rows - r.first < r.count ? rows - r.first : r.count;
    r.to = r.to > r.from ? r.to : r.from;
    return r;
}

/* Where the scratch memory begins for each use of it. */
typedef struct parts {
    float *kt, *product, *keys, *query;
} parts;

static int64_t columns(const attention_problem *p)
{
    return p->max_s + p->block;
}

static parts parts_of(const attention_problem *p, float *scratch)
{
    parts s = {.kt = scratch};
    s.product = s.kt + p->d * columns(p);
    s.keys = s.product + p->block * columns(p);
    s.query = s.keys + p->d * columns(p);
    return s;
}

int64_t ae_attention_relative_scratch(const attention_problem *p)
{
    return (2 * p->d + p->block) * columns(p) + p->d * p->block;
}

static attention_f32_rows keys_of(const attention_products *w, const diagonals *r, float *room)
{
    return ae_attention_in_f32(&w->h->relative_keys, r->first + r->from, r->to - r->from, w->p->d, room);
}

static attention_f32_rows query_of(const attention_products *w, float *room)
{
    return ae_attention_in_f32(&w->h->relative_query, w->t0, w->n_t, w->p->d, room);
}

void ae_attention_add_relative(const attention_products *w, float *x, float *scratch)
{
    const ae_kernels *f = ae_kernels_get();
    const attention_problem *p = w->p;
    diagonals r = diagonals_of(p, w->t0, w->n_t, w->n_s);
    int64_t n = r.to - r.from;
    if (n == 0) {
        return;
    }
    parts s = parts_of(p, scratch);
    attention_f32_rows keys = keys_of(w, &r, s.keys), query = query_of(w, s.query);
    f->transpose(keys.data, keys.row, n, p->d, s.kt, n);
    f->matmul(w->n_t, n, p->d, p->scale, query.data, query.row, 1, s.kt, n, s.product, n, false);
    for (int64_t i = 0; i < w->n_t; i++) {
        int64_t shift = r.from + i - w->n_t + 1; /* the key that column 0 of the product belongs to */
        for (int64_t m = shift < 0 ? -shift : 0; m < n && m + shift < w->n_s; m++) {
            x[i * w->ld + m + shift] += s.product[i * n + m];
        }
    }
}

void ae_attention_relative_gradients(const attention_products *w, int64_t part, const float *x_grad, float *scratch)
{
    const ae_kernels *f = ae_kernels_get();
    const attention_problem *p = w->p;
    diagonals r = diagonals_of(p, w->t0, w->n_t, w->n_s);
    int64_t n = r.to - r.from, width = p->heads * p->d;
    if (n == 0) {
        return;
    }
    parts s = parts_of(p, scratch);
    memset(s.product, 0, (size_t)(w->n_t * n) * sizeof *s.product);
    for (int64_t i = 0; i < w->n_t; i++) {
        int64_t shift = r.from + i - w->n_t + 1;
        for (int64_t m = shift < 0 ? -shift : 0; m < n && m + shift < w->n_s; m++) {
            s.product[i * n + m] = x_grad[i * w->ld + m + shift];
        }
    }
    attention_f32_rows keys = keys_of(w, &r, s.keys), query = query_of(w, s.query);
    float *dquery = w->d->drelative_query + (w->h->row0 + w->t0) * width + w->h->a * p->d;
    float *dkeys =
        w->d->drelative_keys + (part * p->relative_keys->shape[0] + r.first + r.from) * width + w->h->a * p->d;
    f->matmul(w->n_t, p->d, n, p->scale, s.product, n, 1, keys.data, keys.row, dquery, width, false);
    f->matmul(n, p->d, w->n_t, p->scale, s.product, 1, n, query.data, query.row, dkeys, width, true);
}
