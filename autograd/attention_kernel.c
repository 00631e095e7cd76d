/* Attention by blocks of queries: one parallel region over (sequence, head, block). A block's scores against all the
 * keys it sees are the only scores that exist at any time; backward computes them again from the saved log-sum-exp. */
#include "autograd/attention_internal.h"
#include "tensor/kernels.h"

#include <math.h>
#include <omp.h>
#include <string.h>

bool ae_attention_precedes(const ae_mask *m, int64_t b, int64_t t, int64_t s, int64_t n_t, int64_t n_s)
{
    if (m->kind == AE_MASK_FULL || s <= t + n_s - n_t) {
        return true;
    }
    return m->kind == AE_MASK_PREFIX && m->prefix && s < m->prefix[b];
}

static bool kept(const ae_mask *m, int64_t b, int64_t t, int64_t s)
{
    return !m->keep || m->keep[(m->queries ? b * m->queries + t : b) * m->keys + s];
}

bool ae_attention_sees(const ae_mask *m, int64_t b, int64_t t, int64_t s, int64_t n_t, int64_t n_s)
{
    return kept(m, b, t, s) && ae_attention_precedes(m, b, t, s, n_t, n_s);
}

static int64_t total_rows(const attention_problem *p)
{
    return p->q->ndim == 2 ? p->q->shape[0] : p->q->shape[0] * p->q->shape[1];
}

static const float *rows_of(const ae_tensor *t, int64_t b, int64_t packed_row, int64_t column)
{
    int64_t at = t->ndim == 2 ? packed_row * t->strides[0] : b * t->strides[0];
    return (const float *)t->data + at + column;
}

static attention_head head_of(const attention_problem *p, int64_t b, int64_t a)
{
    const ae_mask *m = &p->attr->mask;
    bool packed = m->q_offsets != NULL;
    attention_head h = {.mask = m, .b = b};
    h.t = packed ? m->q_offsets[b + 1] - m->q_offsets[b] : p->q->shape[1];
    h.s = packed ? m->k_offsets[b + 1] - m->k_offsets[b] : p->k->shape[1];
    h.row0 = packed ? m->q_offsets[b] : b * h.t;
    h.key0 = packed ? m->k_offsets[b] : b * h.s;
    uint64_t before = 0;
    for (int64_t i = 0; packed && i < b; i++) {
        before += (uint64_t)((m->q_offsets[i + 1] - m->q_offsets[i]) * (m->k_offsets[i + 1] - m->k_offsets[i]));
    }
    before = packed ? before : (uint64_t)(b * h.t * h.s);
    h.first = before * (uint64_t)p->heads + (uint64_t)(a * h.t * h.s);
    h.q = rows_of(p->q, b, h.row0, a * p->d);
    h.k = rows_of(p->k, b, h.key0, a * p->d);
    h.v = rows_of(p->v, b, h.key0, a * p->e);
    h.q_row = p->q->strides[p->q->ndim - 2];
    h.k_row = p->k->strides[p->k->ndim - 2];
    h.v_row = p->v->strides[p->v->ndim - 2];
    if (p->bias) {
        h.bias_strides = p->bias->strides;
        h.bias = (const float *)p->bias->data + b * h.bias_strides[0] + a * h.bias_strides[1];
    }
    if (p->relative_query) {
        h.relative_query = rows_of(p->relative_query, b, h.row0, a * p->d);
        h.relative_query_row = p->relative_query->strides[1];
        h.relative_keys = rows_of(p->relative_keys, b, 0, a * p->d);
        h.relative_keys_row = p->relative_keys->strides[0];
    }
    h.lse = p->lse + a * total_rows(p) + h.row0;
    return h;
}

/* Keys from the first that some query of the block may see: all, or up to the block's last diagonal. */
static int64_t keys_seen(const attention_head *h, int64_t t_end)
{
    /* A query may see nothing, and then looks beyond its diagonal. */
    bool blind = h->s > 0 && h->mask->keep && (h->mask->queries || !kept(h->mask, h->b, 0, 0));
    if (h->mask->kind == AE_MASK_FULL || blind) {
        return h->s;
    }
    int64_t n = t_end + h->s - h->t;
    if (h->mask->kind == AE_MASK_PREFIX && h->mask->prefix && h->mask->prefix[h->b] > n) {
        n = h->mask->prefix[h->b];
    }
    return n < 0 ? 0 : n < h->s ? n : h->s;
}

/* Adds the bias and hides keys in one row of scores; returns whether the query sees anything. */
static bool mask_row(const attention_head *h, int64_t t, float *x, int64_t n)
{
    if (h->bias) {
        const float *bias = h->bias + t * h->bias_strides[2];
        for (int64_t s = 0; s < n; s++) {
            x[s] += bias[s * h->bias_strides[3]];
        }
    }
    if (h->mask->kind == AE_MASK_FULL && !h->mask->keep) {
        return n > 0;
    }
    if (h->mask->kind == AE_MASK_CAUSAL && !h->mask->keep) { /* the same as below, in two stretches */
        int64_t seen = t + h->s - h->t + 1;
        for (int64_t s = seen > 0 ? seen : 0; s < n; s++) {
            x[s] = -INFINITY;
        }
        return seen > 0 && n > 0;
    }
    bool any = false;
    for (int64_t s = 0; s < n; s++) {
        if (ae_attention_sees(h->mask, h->b, t, s, h->t, h->s)) {
            any = true;
        } else {
            x[s] = -INFINITY;
        }
    }
    return any;
}

/* The weights of a query that sees nothing: even over the keys that one rule alone hides. */
static void even_row(const attention_head *h, int64_t t, float *x, int64_t n)
{
    int64_t count = 0;
    for (int64_t s = 0; s < n; s++) {
        bool once = kept(h->mask, h->b, t, s) != ae_attention_precedes(h->mask, h->b, t, s, h->t, h->s);
        x[s] = once ? 1.0f : 0.0f;
        count += once;
    }
    for (int64_t s = 0; s < n && count > 0; s++) {
        x[s] /= (float)count;
    }
}

/* kt (D,S) holds the keys' transpose, its rows ldk apart. */
static void block_scores(const ae_kernels *f, const attention_problem *p, const attention_head *h, const float *kt,
                         int64_t ldk, int64_t t0, int64_t n_t, int64_t n_s, float *x)
{
    f->matmul(n_t, n_s, p->d, p->scale, h->q + t0 * h->q_row, h->q_row, 1, kt, ldk, x, n_s, false);
}

static void forward_block(const attention_problem *p, int64_t b, int64_t a, int64_t t0, float *y, float *scratch)
{
    const ae_kernels *f = ae_kernels_get();
    attention_head h = head_of(p, b, a);
    int64_t n_t = h.t - t0 < AE_ATTENTION_BLOCK ? h.t - t0 : AE_ATTENTION_BLOCK;
    int64_t n_s = keys_seen(&h, t0 + n_t);
    float *kt = scratch, *x = scratch + p->d * p->max_s;
    float *out = y + (h.row0 + t0) * p->heads * p->e + a * p->e;
    f->transpose(h.k, h.k_row, n_s, p->d, kt, n_s);
    block_scores(f, p, &h, kt, n_s, t0, n_t, n_s, x);
    if (h.relative_query) {
        ae_attention_add_relative(f, p, &h, t0, n_t, n_s, x, x + AE_ATTENTION_BLOCK * p->max_s);
    }
    for (int64_t i = 0; i < n_t; i++) {
        float *row = x + i * n_s;
        if (mask_row(&h, t0 + i, row, n_s)) {
            h.lse[t0 + i] = f->softmax(row, row, n_s, NULL);
        } else {
            even_row(&h, t0 + i, row, n_s);
            h.lse[t0 + i] = INFINITY;
        }
        if (p->dropout > 0) {
            f->dropout(&p->key, p->dropout, h.first + (uint64_t)((t0 + i) * h.s), row, row, n_s);
        }
    }
    f->matmul(n_t, p->e, n_s, 1.0f, x, n_s, 1, h.v, h.v_row, out, p->heads * p->e, false);
}

/* P from the saved log-sum-exp into x, and its dropped-out copy into xd (which may be x's equal without dropout). */
static void probabilities_again(const ae_kernels *f, const attention_problem *p, const attention_head *h, int64_t t0,
                                int64_t n_t, int64_t n_s, float *x, float *xd)
{
    for (int64_t i = 0; i < n_t; i++) {
        float *row = x + i * n_s;
        if (!mask_row(h, t0 + i, row, n_s)) {
            even_row(h, t0 + i, row, n_s);
        } else {
            f->exp_shift(row, h->lse[t0 + i], row, n_s);
        }
        if (xd != x) {
            f->dropout(&p->key, p->dropout, h->first + (uint64_t)((t0 + i) * h->s), row, xd + i * n_s, n_s);
        }
    }
}

/* dS = P (dP - sum P dP), where the sum is dY . Y by the product rule; dP comes in x_grad. */
static void score_gradient(const ae_kernels *f, const attention_problem *p, const attention_head *h, const float *y,
                           const float *dy, int64_t t0, int64_t n_t, int64_t n_s, const float *x, float *x_grad)
{
    int64_t width = p->heads * p->e;
    for (int64_t i = 0; i < n_t; i++) {
        float *row = x_grad + i * n_s;
        const float *prob = x + i * n_s;
        if (p->dropout > 0) {
            f->dropout(&p->key, p->dropout, h->first + (uint64_t)((t0 + i) * h->s), row, row, n_s);
        }
        float delta = (float)f->dot(dy + i * width, y + i * width, p->e);
        for (int64_t s = 0; s < n_s; s++) {
            row[s] = prob[s] * (row[s] - delta);
        }
        for (int64_t s = 0; s < n_s && isinf(h->lse[t0 + i]); s++) { /* a blind query: nothing passes causality */
            row[s] = ae_attention_precedes(h->mask, h->b, t0 + i, s, h->t, h->s) ? row[s] : 0.0f;
        }
    }
}

/* Adds dS to the bias's gradient, in the bias's own shape. */
static void add_bias_gradient(const ae_kernels *f, const attention_problem *p, const attention_head *h, int64_t a,
                              int64_t t0, int64_t n_t, int64_t n_s, const float *x_grad, float *dbias)
{
    const int64_t *strides = p->dbias_strides;
    float *first = dbias + h->b * strides[0] + a * strides[1];
    for (int64_t i = 0; i < n_t; i++) {
        const float *row = x_grad + i * n_s;
        float *to = first + (t0 + i) * strides[2];
        if (strides[3]) {
            f->add(to, row, to, n_s);
        } else {
            *to += (float)f->sum(row, n_s);
        }
    }
}

/* part: which sum the head adds its share of the bias's and the relative keys' gradients to. */
static void backward_head(const attention_problem *p, const attention_gradients *d, int64_t b, int64_t a, int64_t part,
                          float *scratch)
{
    const ae_kernels *f = ae_kernels_get();
    attention_head h = head_of(p, b, a);
    int64_t width_d = p->heads * p->d, width_e = p->heads * p->e;
    float *kt = scratch, *vt = kt + p->d * p->max_s, *x = vt + p->e * p->max_s;
    float *xd = p->dropout > 0 ? x + AE_ATTENTION_BLOCK * p->max_s : x;
    float *x_grad = x + 2 * AE_ATTENTION_BLOCK * p->max_s, *relative = x_grad + AE_ATTENTION_BLOCK * p->max_s;
    f->transpose(h.k, h.k_row, h.s, p->d, kt, h.s);
    f->transpose(h.v, h.v_row, h.s, p->e, vt, h.s);
    float *dk = d->dk + h.key0 * width_d + a * p->d, *dv = d->dv + h.key0 * width_e + a * p->e;
    for (int64_t t0 = 0; t0 < h.t; t0 += AE_ATTENTION_BLOCK) {
        int64_t n_t = h.t - t0 < AE_ATTENTION_BLOCK ? h.t - t0 : AE_ATTENTION_BLOCK;
        int64_t n_s = keys_seen(&h, t0 + n_t);
        const float *y = d->y + (h.row0 + t0) * width_e + a * p->e, *dy = d->dy + (y - d->y);
        float *dq = d->dq + (h.row0 + t0) * width_d + a * p->d;
        block_scores(f, p, &h, kt, h.s, t0, n_t, n_s, x);
        if (h.relative_query) {
            ae_attention_add_relative(f, p, &h, t0, n_t, n_s, x, relative);
        }
        probabilities_again(f, p, &h, t0, n_t, n_s, x, xd);
        f->matmul(n_s, p->e, n_t, 1.0f, xd, 1, n_s, dy, width_e, dv, width_e, true);
        f->matmul(n_t, n_s, p->e, 1.0f, dy, width_e, 1, vt, h.s, x_grad, n_s, false);
        score_gradient(f, p, &h, y, dy, t0, n_t, n_s, x, x_grad);
        if (d->dbias) {
            add_bias_gradient(f, p, &h, a, t0, n_t, n_s, x_grad, d->dbias + part * p->bias_count);
        }
        if (h.relative_query) {
            int64_t table = p->relative_keys->shape[0] * width_d;
            ae_attention_relative_gradients(f, p, &h, t0, n_t, n_s, x_grad, d->drelative_query + (dq - d->dq),
                                            d->drelative_keys + part * table + a * p->d, relative);
        }
        f->matmul(n_t, p->d, n_s, p->scale, x_grad, n_s, 1, h.k, h.k_row, dq, width_d, false);
        f->matmul(n_s, p->d, n_t, p->scale, x_grad, 1, n_s, h.q + t0 * h.q_row, h.q_row, dk, width_d, true);
    }
}

static int64_t scratch_of_thread(const attention_problem *p, bool backward)
{
    int64_t keys = p->max_s > 0 ? p->max_s : 1;
    int64_t n = backward ? (p->d + p->e + 3 * AE_ATTENTION_BLOCK) * keys : (p->d + AE_ATTENTION_BLOCK) * keys;
    n += p->relative_query ? (p->d + AE_ATTENTION_BLOCK) * (p->max_s + AE_ATTENTION_BLOCK) : 0;
    return (n + 15) / 16 * 16;
}

int64_t ae_attention_scratch(const attention_problem *p, bool backward)
{
    return scratch_of_thread(p, backward) * omp_get_max_threads();
}

void ae_attention_run(const attention_problem *p, float *y, float *scratch)
{
    int64_t blocks = (p->max_t + AE_ATTENTION_BLOCK - 1) / AE_ATTENTION_BLOCK, each = scratch_of_thread(p, false);
    int64_t work = p->batch * p->heads * p->max_t * p->max_s * p->d;
#pragma omp parallel for schedule(dynamic) collapse(3) if (work > 65536)
    for (int64_t b = 0; b < p->batch; b++) {
        for (int64_t a = 0; a < p->heads; a++) {
            for (int64_t i = 0; i < blocks; i++) {
                const ae_mask *m = &p->attr->mask;
                int64_t t = m->q_offsets ? m->q_offsets[b + 1] - m->q_offsets[b] : p->max_t;
                if (i * AE_ATTENTION_BLOCK < t) {
                    forward_block(p, b, a, i * AE_ATTENTION_BLOCK, y, scratch + each * omp_get_thread_num());
                }
            }
        }
    }
}

attention_tasks ae_attention_plan(const attention_problem *p)
{
    bool bias = p->bias_count > 0, batch = p->relative_keys || (bias && !p->dbias_strides[0]);
    attention_tasks t = {.over_batch = batch, .over_heads = bias && !p->dbias_strides[1]};
    t.classes = (t.over_batch ? 1 : p->batch) * (t.over_heads ? 1 : p->heads);
    t.members = (t.over_batch ? p->batch : 1) * (t.over_heads ? p->heads : 1);
    int64_t threads = omp_get_max_threads(), wanted = threads > 1 ? 2 * threads : 1;
    t.parts = t.classes > 0 ? (wanted + t.classes - 1) / t.classes : 1;
    t.parts = t.parts < t.members ? t.parts : t.members;
    t.parts = t.parts > 1 ? t.parts : 1;
    return t;
}

/* All heads of one task, in order. */
static void backward_task(const attention_problem *p, const attention_gradients *d, const attention_tasks *t, int64_t i,
                          float *scratch)
{
    int64_t class = i / t->parts, part = i % t->parts;
    for (int64_t m = t->members * part / t->parts; m < t->members * (part + 1) / t->parts; m++) {
        int64_t pair = t->over_batch && !t->over_heads ? m * p->heads + class : class * t->members + m;
        backward_head(p, d, pair / p->heads, pair % p->heads, part, scratch);
    }
}

void ae_attention_run_backward(const attention_problem *p, const attention_gradients *d, float *scratch)
{
    int64_t each = scratch_of_thread(p, true);
    int64_t work = p->batch * p->heads * p->max_t * p->max_s * p->d;
    attention_tasks t = ae_attention_plan(p);
#pragma omp parallel for schedule(dynamic) if (work > 65536)
    for (int64_t i = 0; i < t.classes * t.parts; i++) {
        backward_task(p, d, &t, i, scratch + each * omp_get_thread_num());
    }
}
