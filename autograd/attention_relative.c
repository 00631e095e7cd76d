/* The second score of attention, by where a key stands relative to the query, and its gradients. */
#include "autograd/attention_internal.h"

#include <string.h>

/* The keys s0.. of a block of queries. Query t0 + i and key s0 + j meet at column j - i + n_t - 1 of the product with
 * the n_s + n_t - 1 relative keys from row `first` on, of which columns [from, to) are in the table. */
typedef struct tile {
    int64_t s0, n_s, first, from, to;
} tile;

static tile tile_of(const attention_products *w, int64_t s0, int64_t n_s)
{
    tile r = {.s0 = s0, .n_s = n_s, .first = w->p->attr->origin + s0 - w->t0 - w->n_t + 1};
    int64_t rows = w->p->relative_keys->shape[0], count = n_s > 0 ? n_s + w->n_t - 1 : 0;
    r.from = r.first < 0 ? -r.first : 0;
    r.from = r.from < count ? r.from : count;
    r.to = rows - r.first < count ? rows - r.first : count;
    r.to = r.to > r.from ? r.to : r.from;
    return r;
}

/* Whose product with the relative keys it is: that of the block's queries, or of the tile's keys. */
typedef struct side {
    bool of_keys;
    int64_t n;
    attention_f32_rows rows;
} side;

/* Where the scratch memory begins for each use of it. */
typedef struct parts {
    float *kt, *product, *keys, *rows;
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
    s.rows = s.keys + p->d * columns(p);
    return s;
}

int64_t ae_attention_relative_scratch(const attention_problem *p)
{
    return (2 * p->d + p->block) * columns(p) + p->d * p->block;
}

static side side_of(const attention_products *w, const tile *r, bool of_keys, const parts *s)
{
    const attention_rows *x = of_keys ? &w->h->relative_key : &w->h->relative_query;
    side o = {.of_keys = of_keys, .n = of_keys ? r->n_s : w->n_t};
    o.rows = ae_attention_in_f32(x, of_keys ? r->s0 : w->t0, o.n, w->p->d, s->rows);
    return o;
}

static attention_f32_rows keys_of(const attention_products *w, const tile *r, const parts *s)
{
    return ae_attention_in_f32(&w->h->relative_keys, r->first + r->from, r->to - r->from, w->p->d, s->keys);
}

/* Adds the product's numbers to the scores where their pairs meet; or, `back`, writes the scores' gradients there. */
static void meet(const attention_products *w, const tile *r, bool of_keys, float *product, float *x, bool back)
{
    int64_t n = r->to - r->from;
    for (int64_t i = 0; i < w->n_t; i++) {
        int64_t shift = r->from + i - w->n_t + 1; /* the key that column 0 of the product belongs to */
        int64_t begin = shift < 0 ? -shift : 0, end = n < r->n_s - shift ? n : r->n_s - shift;
        int64_t at = i * w->ld + r->s0 + shift, line = (of_keys ? shift : i) * n, step = of_keys ? n + 1 : 1;
        for (int64_t m = begin; m < end && back; m++) {
            product[line + m * step] = x[at + m];
        }
        for (int64_t m = begin; m < end && !back; m++) {
            x[at + m] += product[line + m * step];
        }
    }
}

static void add_side(const attention_products *w, tile r, bool of_keys, float *x, const parts *s)
{
    const ae_kernels *f = ae_kernels_get();
    int64_t n = r.to - r.from, d = w->p->d;
    if (n > 0) {
        attention_f32_rows keys = keys_of(w, &r, s);
        side o = side_of(w, &r, of_keys, s);
        f->transpose(keys.data, keys.row, n, d, s->kt, n);
        f->matmul(o.n, n, d, w->p->scale, o.rows.data, o.rows.row, 1, s->kt, n, s->product, n, false);
        meet(w, &r, of_keys, s->product, x, false);
    }
}

/* down: the gradient of the side's rows; dkeys: of the table. */
static void side_gradients(const attention_products *w, tile r, bool of_keys, float *x_grad, float *down, float *dkeys,
                           const parts *s)
{
    const ae_kernels *f = ae_kernels_get();
    int64_t n = r.to - r.from, d = w->p->d, width = w->p->heads * d;
    if (n > 0) {
        attention_f32_rows keys = keys_of(w, &r, s);
        side o = side_of(w, &r, of_keys, s);
        memset(s->product, 0, (size_t)(o.n * n) * sizeof *s->product);
        meet(w, &r, of_keys, s->product, x_grad, true);
        f->matmul(o.n, d, n, w->p->scale, s->product, n, 1, keys.data, keys.row, down, width, true);
        f->matmul(n, d, o.n, w->p->scale, s->product, 1, n, o.rows.data, o.rows.row, dkeys + (r.first + r.from) * width,
                  width, true);
    }
}

/* Keys in tiles as long as a block: each has as many relative keys as two. */
static tile tile_at(const attention_products *w, int64_t s0)
{
    int64_t left = w->n_s - s0;
    return tile_of(w, s0, left < w->p->block ? left : w->p->block);
}

void ae_attention_add_relative(const attention_products *w, float *x, float *scratch)
{
    parts s = parts_of(w->p, scratch);
    add_side(w, tile_of(w, 0, w->n_s), false, x, &s);
    for (int64_t s0 = 0; s0 < w->n_s && w->p->relative_key; s0 += w->p->block) {
        add_side(w, tile_at(w, s0), true, x, &s);
    }
}

void ae_attention_relative_gradients(const attention_products *w, int64_t part, float *x_grad, float *scratch)
{
    const attention_problem *p = w->p;
    parts s = parts_of(p, scratch);
    int64_t width = p->heads * p->d, column = w->h->a * p->d;
    float *dkeys = w->d->drelative_keys + part * p->relative_keys->shape[0] * width + column;
    float *dquery = w->d->drelative_query + (w->h->row0 + w->t0) * width + column;
    side_gradients(w, tile_of(w, 0, w->n_s), false, x_grad, dquery, dkeys, &s);
    for (int64_t s0 = 0; s0 < w->n_s && p->relative_key; s0 += p->block) {
        float *dkey = w->d->drelative_key + (w->h->key0 + s0) * width + column;
        side_gradients(w, tile_at(w, s0), true, x_grad, dkey, dkeys, &s);
    }
}
