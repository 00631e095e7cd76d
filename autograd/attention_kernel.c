/* Attention by blocks of queries: one parallel region over (sequence, head, block). A block's scores against all the
 * keys it sees are the only scores that exist at any time; backward computes them again from the saved log-sum-exp. */
#include "autograd/attention_internal.h"
#include "tensor/gemm_internal.h"

#include <math.h>
#include <omp.h>
#include <stdatomic.h>

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

/* Rows of sequence b from `column` on; `packed_row` is its first in a tensor without a batch axis. t may be NULL. */
static attention_rows rows_of(const ae_tensor *t, int64_t b, int64_t packed_row, int64_t column)
{
    if (!t) {
        return (attention_rows){0};
    }
    int64_t at = (t->ndim == 2 ? packed_row * t->strides[0] : b * t->strides[0]) + column;
    return (attention_rows){(const char *)t->data + at * (int64_t)ae_dtype_size(t->dtype), t->dtype,
                            t->strides[t->ndim - 2]};
}

static attention_head head_of(const attention_problem *p, int64_t b, int64_t a)
{
    const ae_mask *m = &p->attr->mask;
    bool packed = m->q_offsets != NULL;
    attention_head h = {.mask = m, .b = b, .a = a};
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
    h.dy = rows_of(p->dy, b, h.row0, a * p->e);
    h.relative_query = rows_of(p->relative_query, b, h.row0, a * p->d);
    h.relative_keys = rows_of(p->relative_keys, b, 0, a * p->d);
    h.relative_key = rows_of(p->relative_key, b, h.key0, a * p->d);
    h.bias = p->bias;
    h.bias0 = p->bias ? b * p->bias->strides[0] + a * p->bias->strides[1] : 0;
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

static void add_bias(const attention_head *h, int64_t t, float *x, int64_t n)
{
    const int64_t at = h->bias0 + t * h->bias->strides[2], step = h->bias->strides[3];
    if (h->bias->dtype == AE_F32) {
        const float *bias = (const float *)h->bias->data + at;
        for (int64_t s = 0; s < n; s++) {
            x[s] += bias[s * step];
        }
    } else {
        const uint16_t *bias = (const uint16_t *)h->bias->data + at;
        for (int64_t s = 0; s < n; s++) {
            x[s] += ae_gemm_widen(bias[s * step]);
        }
    }
}

/* Adds the bias and hides keys in one row of scores; returns whether the query sees anything. */
static bool mask_row(const attention_head *h, int64_t t, float *x, int64_t n)
{
    if (h->bias) {
        add_bias(h, t, x, n);
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

/* ---- a thread ---------------------------------------------------------------------------------------------------- */

typedef struct worker {
    attention_products products;
    attention_head head;
    float *x, *x_grad; /* scores, probabilities; and their gradient */
    float *dropped;    /* probabilities as dropout left them: x where there is none */
    float *relative;
} worker;

/* A thread's part of the scratch memory, or only its size when that is NULL. */
static int64_t lay_out(worker *w, const attention_problem *p, const attention_gradients *d, void *y, float *scratch)
{
    attention_room room = {.base = scratch};
    attention_products *m = &w->products;
    *w = (worker){.products = {.p = p, .d = d, .y = y}};
    m->kind = p->bf16 ? &ae_attention_products_bf16 : &ae_attention_products_f32;
    int64_t scores = p->block * (p->bf16 ? ae_attention_rounded(p->max_s) : p->max_s);
    w->x = ae_attention_take(&room, scores);
    w->x_grad = d ? ae_attention_take(&room, scores) : NULL;
    w->dropped = d && p->dropout > 0 ? ae_attention_take(&room, scores) : w->x;
    w->relative = p->relative_query ? ae_attention_take(&room, ae_attention_relative_scratch(p)) : NULL;
    m->kind->lay_out(m, &room);
    return room.used;
}

static void begin_head(worker *w, int64_t pair)
{
    const attention_problem *p = w->products.p;
    w->head = head_of(p, pair / p->heads, pair % p->heads);
    w->products.h = &w->head;
}

static void begin_block(worker *w, int64_t t0)
{
    attention_products *m = &w->products;
    int64_t left = m->h->t - t0;
    m->t0 = t0;
    m->n_t = left < m->p->block ? left : m->p->block;
    m->n_s = keys_seen(m->h, t0 + m->n_t);
    m->kind->block(m);
    m->kind->scores(m, w->x);
    if (m->p->relative_query) {
        ae_attention_add_relative(m, w->x, w->relative);
    }
}

static void drop(const attention_products *m, int64_t t, const float *x, float *y)
{
    const attention_problem *p = m->p;
    ae_kernels_get()->dropout(&p->key, p->dropout, m->h->first + (uint64_t)(t * m->h->s), x, y, m->n_s);
}

/* ---- forward ------------------------------------------------------------------------------------------------------- */

static void forward_block(worker *w, int64_t t0)
{
    const ae_kernels *f = ae_kernels_get();
    attention_products *m = &w->products;
    const attention_head *h = m->h;
    begin_block(w, t0);
    for (int64_t i = 0; i < m->n_t; i++) {
        float *row = w->x + i * m->ld;
        if (mask_row(h, t0 + i, row, m->n_s)) {
            h->lse[t0 + i] = f->softmax(row, row, m->n_s, NULL);
        } else {
            even_row(h, t0 + i, row, m->n_s);
            h->lse[t0 + i] = INFINITY;
        }
        if (m->p->dropout > 0) {
            drop(m, t0 + i, row, row);
        }
    }
    m->kind->output(m, w->x);
}

/* Some blocks of one head of one sequence. */
static void forward_task(worker *w, int64_t pair, int64_t from, int64_t blocks)
{
    attention_products *m = &w->products;
    const attention_problem *p = m->p;
    int64_t begin = from * p->block, end = (from + blocks) * p->block;
    begin_head(w, pair);
    if (begin < m->h->t) {
        m->kind->begin(m);
    }
    for (int64_t t0 = begin; t0 < end && t0 < m->h->t; t0 += p->block) {
        forward_block(w, t0);
    }
}

/* ---- backward ------------------------------------------------------------------------------------------------------ */

/* P from the saved log-sum-exp into x, and as dropout left it into dropped. */
static void probabilities_again(worker *w)
{
    const ae_kernels *f = ae_kernels_get();
    const attention_products *m = &w->products;
    const attention_head *h = m->h;
    for (int64_t i = 0; i < m->n_t; i++) {
        int64_t t = m->t0 + i;
        float *row = w->x + i * m->ld;
        if (!mask_row(h, t, row, m->n_s)) {
            even_row(h, t, row, m->n_s);
        } else {
            f->exp_shift(row, h->lse[t], row, m->n_s);
        }
        if (m->p->dropout > 0) {
            drop(m, t, row, w->dropped + i * m->ld);
        }
    }
}

/* sum P dP: over a whole row, which a block of queries has, and of the product M P with dP / M behind dropout by M.
 * Divided by the sum of P, which is 1 but for the rounding of the log-sum-exp, it makes rows of dS sum up to zero, as
 * they must: what is left there would be a gradient of the keys' bias, which has none. */
static float row_delta(const float *dropped, const float *row, const float *prob, int64_t n)
{
    const ae_kernels *f = ae_kernels_get();
    double sum = f->sum(prob, n);
    return sum > 0 ? (float)(f->dot(dropped, row, n) / sum) : 0.0f;
}

/* dS = P (dP - sum P dP), from dO V^T in x_grad. Behind dropout by M, dP is M times that; M P is at hand, so no mask is
 * drawn again. */
static void score_gradient(worker *w)
{
    const attention_products *m = &w->products;
    const attention_head *h = m->h;
    for (int64_t i = 0; i < m->n_t; i++) {
        int64_t t = m->t0 + i;
        float *row = w->x_grad + i * m->ld;
        const float *prob = w->x + i * m->ld, *dropped = w->dropped + i * m->ld;
        float delta = row_delta(dropped, row, prob, m->n_s);
        for (int64_t s = 0; s < m->n_s && dropped == prob; s++) { /* the difference first: no digits are lost */
            row[s] = prob[s] * (row[s] - delta);
        }
        for (int64_t s = 0; s < m->n_s && dropped != prob; s++) {
            row[s] = dropped[s] * row[s] - prob[s] * delta;
        }
        for (int64_t s = 0; s < m->n_s && isinf(h->lse[t]); s++) { /* a blind query: nothing passes causality */
            row[s] = ae_attention_precedes(h->mask, h->b, t, s, h->t, h->s) ? row[s] : 0.0f;
        }
    }
}

/* Adds dS to the bias's gradient, in the bias's own shape. */
static void add_bias_gradient(const worker *w, int64_t part)
{
    const ae_kernels *f = ae_kernels_get();
    const attention_products *m = &w->products;
    const int64_t *strides = m->p->dbias_strides;
    float *first = m->d->dbias + part * m->p->bias_count + m->h->b * strides[0] + m->h->a * strides[1];
    for (int64_t i = 0; i < m->n_t; i++) {
        const float *row = w->x_grad + i * m->ld;
        float *to = first + (m->t0 + i) * strides[2];
        if (strides[3]) {
            f->add(to, row, to, m->n_s);
        } else {
            *to += (float)f->sum(row, m->n_s);
        }
    }
}

/* part: which sum the head adds its share of the bias's and the relative keys' gradients to. */
static void backward_head(worker *w, int64_t pair, int64_t part)
{
    attention_products *m = &w->products;
    const attention_problem *p = m->p;
    begin_head(w, pair);
    m->kind->begin(m);
    for (int64_t t0 = 0; t0 < m->h->t; t0 += p->block) {
        begin_block(w, t0);
        probabilities_again(w);
        m->kind->value_gradient(m, w->dropped);
        m->kind->probability_gradient(m, w->x_grad);
        score_gradient(w);
        if (m->d->dbias) {
            add_bias_gradient(w, part);
        }
        if (p->relative_query) {
            ae_attention_relative_gradients(m, part, w->x_grad, w->relative);
        }
        m->kind->query_key_gradients(m, w->x_grad);
    }
    if (p->q->dtype == AE_BF16) {
        ae_attention_narrow(m, m->dk, m->h->s, p->d, m->d->dk, m->h->key0);
        ae_attention_narrow(m, m->dv, m->h->s, p->e, m->d->dv, m->h->key0);
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
static void backward_task(worker *w, const attention_tasks *t, int64_t i)
{
    int64_t heads = w->products.p->heads, class = i / t->parts, part = i % t->parts;
    for (int64_t m = t->members * part / t->parts; m < t->members * (part + 1) / t->parts; m++) {
        backward_head(w, t->over_batch && !t->over_heads ? m * heads + class : class * t->members + m, part);
    }
}

/* ---- all threads --------------------------------------------------------------------------------------------------- */

static int64_t scratch_of_thread(const attention_problem *p, bool backward)
{
    worker w;
    attention_gradients none = {0};
    return lay_out(&w, p, backward ? &none : NULL, NULL, NULL);
}

int64_t ae_attention_scratch(const attention_problem *p, bool backward)
{
    return scratch_of_thread(p, backward) * omp_get_max_threads();
}

/* The first failure of any thread. */
typedef struct failure {
    atomic_int set;
    ae_err err;
} failure;

static void end_worker(worker *w, failure *first)
{
    int none = 0;
    ae_blocks_end(&w->products.blocks);
    if (w->products.status != 0 && atomic_compare_exchange_strong(&first->set, &none, 1)) {
        first->err = w->products.err;
    }
}

static int outcome(failure *first, ae_err *e)
{
    return atomic_load(&first->set) ? ae_err_set(e, first->err.code, "%s", first->err.message) : 0;
}

static bool is_worth_threads(const attention_problem *p)
{
    return p->batch * p->heads * p->max_t * p->max_s * p->d > 65536;
}

int ae_attention_run(const attention_problem *p, void *y, float *scratch, ae_err *e)
{
    int64_t pairs = p->batch * p->heads, blocks = (p->max_t + p->block - 1) / p->block;
    int64_t each = scratch_of_thread(p, false), enough = 4 * omp_get_max_threads();
    int64_t together = pairs < enough ? (blocks * pairs + enough - 1) / enough : blocks; /* blocks of a task */
    together = together > 1 ? together : 1;
    failure first = {0};
#pragma omp parallel if (is_worth_threads(p))
    {
        worker w;
        lay_out(&w, p, NULL, y, scratch + each * omp_get_thread_num());
#pragma omp for schedule(dynamic) collapse(2)
        for (int64_t pair = 0; pair < pairs; pair++) {
            for (int64_t i = 0; i < blocks; i += together) {
                forward_task(&w, pair, i, together);
            }
        }
        end_worker(&w, &first);
    }
    return outcome(&first, e);
}

int ae_attention_run_backward(const attention_problem *p, const attention_gradients *d, float *scratch, ae_err *e)
{
    int64_t each = scratch_of_thread(p, true);
    attention_tasks t = ae_attention_plan(p);
    failure first = {0};
#pragma omp parallel if (is_worth_threads(p))
    {
        worker w;
        lay_out(&w, p, d, NULL, scratch + each * omp_get_thread_num());
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < t.classes * t.parts; i++) {
            backward_task(&w, &t, i);
        }
        end_worker(&w, &first);
    }
    return outcome(&first, e);
}
