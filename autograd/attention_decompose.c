/* Attention in primitive ops: what the blocked kernel means. */
#include "autograd/attention_internal.h"
#include "autograd/ops.h"
#include "autograd/tape.h"

/* (B,T,A*D) -> (B,A,T,D) */
static ae_tensor *split_heads(ae_graph *g, ae_tensor *x, int heads)
{
    int64_t shape[4] = {x->shape[0], x->shape[1], heads, x->shape[2] / heads};
    return ae_permute(g, ae_reshape(g, x, 4, shape), (int[]){0, 2, 1, 3});
}

/* (B,1,T,S) bool: what causality hides from each query. */
static ae_tensor *unseen(ae_graph *g, const attention_attr *a, int64_t batch, int64_t t, int64_t s)
{
    ae_tensor *m = ae_zeros(g, AE_BOOL, 4, (int64_t[]){batch, 1, t, s});
    uint8_t *v = m->data;
    for (int64_t i = 0; ae_ok(g) && i < batch * t * s; i++) {
        v[i] = !ae_attention_precedes(&a->mask, i / (t * s), i / s % t, i % s, t, s);
    }
    return m;
}

static const double hidden_score = -1e30; /* absorbs every score that is added to it */

/* (B,1,1,S) or (B,1,T,S): what keep adds to the scores, 0 or hidden_score. */
static ae_tensor *keep_bias(ae_graph *g, const attention_attr *a, ae_dtype dtype, int64_t batch, int64_t s)
{
    int64_t rows = a->mask.queries ? a->mask.queries : 1;
    ae_tensor *bias = ae_zeros(g, dtype, 4, (int64_t[]){batch, 1, rows, s});
    for (int64_t i = 0; ae_ok(g) && i < batch * rows * s; i++) {
        ae_set_f64(bias, i, a->mask.keep[i] ? 0.0 : hidden_score);
    }
    return bias;
}

/* (B,A,T,S): the product of query t with the relative key of row s - t + origin, zero where there is none; of_keys:
 * that of key s, x (B,S,A*D), with it. `others` is the number of keys, or of queries. */
static ae_tensor *relative_scores(ae_graph *g, const attention_attr *a, ae_tensor *x, ae_tensor *keys, bool of_keys,
                                  int64_t others)
{
    int64_t batch = x->shape[0], n = x->shape[1], rows = keys->shape[0];
    ae_tensor *r = split_heads(g, ae_reshape(g, keys, 3, (int64_t[]){1, rows, keys->shape[1]}), a->heads);
    ae_tensor *all = ae_matmul(g, split_heads(g, x, a->heads), ae_transpose(g, r, -1, -2)); /* (B,A,n,R) */
    ae_tensor *ids = ae_empty(g, AE_I64, 4, (int64_t[]){batch, a->heads, n, others});
    ae_tensor *outside = ae_empty(g, AE_BOOL, 4, (int64_t[]){1, 1, n, others});
    for (int64_t i = 0; ae_ok(g) && i < ae_numel(ids); i++) {
        int64_t ahead = i % others - i / others % n, row = (of_keys ? -ahead : ahead) + a->origin;
        bool none = row < 0 || row >= rows;
        ae_set_i64(ids, i, none ? 0 : row);
        ((uint8_t *)outside->data)[i % (n * others)] = none;
    }
    ae_tensor *scores = ae_masked_fill(g, ae_gather(g, all, -1, ids), outside, 0.0);
    return of_keys ? ae_transpose(g, scores, -1, -2) : scores;
}

/* All terms in the widest dtype among them. */
static attention_terms promoted(ae_graph *g, const attention_terms *in)
{
    attention_terms t = *in;
    ae_tensor **const terms[] = {&t.q, &t.k, &t.bias, &t.relative_query, &t.relative_keys, &t.relative_key};
    ae_dtype widest = t.q->dtype;
    for (size_t i = 1; i < sizeof terms / sizeof *terms; i++) {
        bool wider = *terms[i] && ae_dtype_size((*terms[i])->dtype) > ae_dtype_size(widest);
        widest = wider ? (*terms[i])->dtype : widest;
    }
    for (size_t i = 0; i < sizeof terms / sizeof *terms; i++) {
        *terms[i] = *terms[i] ? ae_cast(g, *terms[i], widest) : NULL;
    }
    return t;
}

ae_tensor *ae_attention_probabilities(ae_graph *g, const attention_attr *a, const attention_terms *terms)
{
    const attention_terms all = promoted(g, terms), *in = &all;
    ae_tensor *q = in->q, *k = in->k;
    int64_t batch = q->shape[0], t = q->shape[1], s = k->shape[1];
    ae_tensor *kt = ae_transpose(g, split_heads(g, k, a->heads), -1, -2);
    ae_tensor *scores = ae_matmul(g, split_heads(g, q, a->heads), kt);
    if (in->relative_query) {
        scores = ae_add(g, scores, relative_scores(g, a, in->relative_query, in->relative_keys, false, s));
    }
    if (in->relative_key) {
        scores = ae_add(g, scores, relative_scores(g, a, in->relative_key, in->relative_keys, true, t));
    }
    scores = ae_scale(g, scores, a->scale);
    scores = in->bias ? ae_add(g, scores, in->bias) : scores;
    if (a->mask.kind != AE_MASK_FULL) {
        scores = ae_masked_fill(g, scores, unseen(g, a, batch, t, s), hidden_score);
    }
    if (a->mask.keep && ae_ok(g)) {
        scores = ae_add(g, scores, keep_bias(g, a, scores->dtype, batch, s));
    }
    return ae_softmax(g, scores, -1);
}

/* Dropout with the mask that the fused kernel draws; x is dense. */
static ae_tensor *drop(ae_call *c, const attention_attr *a, ae_tensor *x, int64_t first)
{
    ae_graph *g = c->graph;
    ae_random_key key = ae_draw_key(g, c->draw);
    ae_tensor *mask = ae_empty(g, AE_BOOL, x->ndim, x->shape);
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    ae_random_bernoulli(&key, (uint64_t)first, a->dropout, mask->data, ae_numel(x));
    return ae_scale(g, ae_masked_fill(g, x, mask, 0.0), a->dropout < 1 ? 1 / (1 - a->dropout) : 0.0);
}

/* One batch of equal lengths; `first` is the number of its first probability within the dropout's draw. */
static ae_tensor *attend(ae_call *c, const attention_attr *a, const attention_terms *in, ae_tensor *v, int64_t first)
{
    ae_graph *g = c->graph;
    ae_tensor *p = ae_attention_probabilities(g, a, in);
    if ((g->flags & AE_DROPOUT) && a->dropout > 0) {
        p = drop(c, a, p, first);
    }
    v = split_heads(g, ae_cast(g, v, p->dtype), a->heads);
    ae_tensor *y = ae_permute(g, ae_matmul(g, p, v), (int[]){0, 2, 1, 3});
    y = ae_reshape(g, y, 3, (int64_t[]){in->q->shape[0], in->q->shape[1], ae_dim(v, 1) * ae_dim(v, 3)});
    return ae_cast(g, y, in->q->dtype);
}

/* Rows [at[0], at[1]) as a batch of one sequence. NULL stays NULL. */
static ae_tensor *sequence(ae_graph *g, ae_tensor *x, const int64_t *at)
{
    return !x ? NULL
              : ae_reshape(g, ae_slice(g, x, 0, at[0], at[1], 1), 3, (int64_t[]){1, at[1] - at[0], ae_dim(x, -1)});
}

static int decompose_packed(ae_call *c)
{
    ae_graph *g = c->graph;
    const attention_attr *a = c->attr;
    attention_attr one = *a;
    one.mask = (ae_mask){.kind = a->mask.kind};
    int64_t first = 0, width = ae_dim(c->in[2], -1);
    ae_tensor *y = ae_zeros(g, c->in[0]->dtype, 2, (int64_t[]){c->in[0]->shape[0], width});
    for (int64_t b = 0; b < a->mask.sequences && ae_ok(g); b++) {
        const int64_t *at_q = a->mask.q_offsets + b, *at_k = a->mask.k_offsets + b;
        int64_t t = at_q[1] - at_q[0], s = at_k[1] - at_k[0];
        if (t == 0 || s == 0) {
            continue;
        }
        attention_terms in = {
            sequence(g, c->in[0], at_q), sequence(g, c->in[1], at_k), NULL, sequence(g, c->in[4], at_q), c->in[5],
            sequence(g, c->in[6], at_k)};
        ae_tensor *part = attend(c, &one, &in, sequence(g, c->in[2], at_k), first);
        ae_tensor *rows = ae_empty(g, AE_I64, 1, &t);
        for (int64_t i = 0; i < t && ae_ok(g); i++) {
            ae_set_i64(rows, i, at_q[0] + i);
        }
        y = ae_index_add(g, y, 0, rows, ae_reshape(g, part, 2, (int64_t[]){t, width}));
        first += a->heads * t * s;
    }
    c->out[0] = y;
    return ae_ok(g) ? 0 : -1;
}

int ae_attention_decompose(ae_call *c)
{
    const attention_attr *a = c->attr;
    if (a->mask.q_offsets) {
        return decompose_packed(c);
    }
    attention_terms in = {c->in[0], c->in[1], c->in[3], c->in[4], c->in[5], c->in[6]};
    c->out[0] = attend(c, a, &in, c->in[2], 0);
    return ae_ok(c->graph) ? 0 : -1;
}
