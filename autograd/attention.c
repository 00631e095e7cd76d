#include "autograd/attention_internal.h"
#include "autograd/ops.h"
#include "autograd/tape.h"
#include "tensor/counters.h"

#include <math.h>
#include <string.h>

/* ---- shapes -------------------------------------------------------------------------------------------------------- */

static int check_packed(ae_call *c)
{
    const attention_attr *a = c->attr;
    int64_t rows = a->mask.q_offsets[a->mask.sequences], keys = a->mask.k_offsets[a->mask.sequences];
    if (rows != c->in[0]->shape[0] || keys != c->in[1]->shape[0]) {
        return ae_call_fail(c, AE_E_SHAPE, "the packed mask counts %lld queries and %lld keys; q has %lld rows, k %lld",
                            (long long)rows, (long long)keys, (long long)c->in[0]->shape[0],
                            (long long)c->in[1]->shape[0]);
    }
    return 0;
}

static int check_mask(ae_call *c)
{
    const attention_attr *a = c->attr;
    int64_t batch = c->in[0]->shape[0], keys = c->in[1]->shape[1];
    if (a->mask.sequences && a->mask.sequences != batch) {
        return ae_call_fail(c, AE_E_SHAPE, "the mask is for %lld sequences, q has %lld", (long long)a->mask.sequences,
                            (long long)batch);
    }
    if (a->mask.keys && a->mask.keys != keys) {
        return ae_call_fail(c, AE_E_SHAPE, "attention_mask covers %lld keys, k has %lld", (long long)a->mask.keys,
                            (long long)keys);
    }
    if (a->mask.queries && a->mask.queries != c->in[0]->shape[1]) {
        return ae_call_fail(c, AE_E_SHAPE, "attention_mask covers %lld queries, q has %lld", (long long)a->mask.queries,
                            (long long)c->in[0]->shape[1]);
    }
    if (c->in[3]) {
        int64_t shape[4] = {batch, a->heads, c->in[0]->shape[1], keys};
        char text[AE_DESCRIBE_MAX], want[AE_SHAPE_TEXT_MAX];
        if (!ae_broadcast_view(c->graph, c->in[3], 4, shape)) {
            return ae_call_fail(c, AE_E_SHAPE, "the bias %s does not broadcast to %s", ae_call_describe(c, 3, text),
                                ae_shape_text(4, shape, want));
        }
    }
    return 0;
}

static int attention_shape(ae_call *c)
{
    char q[AE_DESCRIBE_MAX], k[AE_DESCRIBE_MAX], v[AE_DESCRIBE_MAX];
    const attention_attr *a = c->attr;
    const ae_tensor *x = c->in[0], *y = c->in[1], *z = c->in[2];
    bool packed = a->mask.q_offsets != NULL;
    int rank = packed ? 2 : 3;
    bool fits = x->ndim == rank && y->ndim == rank && z->ndim == rank && a->heads > 0 &&
                ae_dim(x, -1) == ae_dim(y, -1) && ae_dim(x, -1) % a->heads == 0 && ae_dim(z, -1) % a->heads == 0 &&
                ae_dim(y, -2) == ae_dim(z, -2) &&
                (packed || (x->shape[0] == y->shape[0] && y->shape[0] == z->shape[0]));
    if (!fits) {
        return ae_call_fail(c, AE_E_SHAPE, "q %s, k %s, v %s with %d heads; they must be %s, widths multiples of heads",
                            ae_call_describe(c, 0, q), ae_call_describe(c, 1, k), ae_call_describe(c, 2, v), a->heads,
                            packed ? "(N,A*D), (M,A*D), (M,A*E)" : "(B,T,A*D), (B,S,A*D), (B,S,A*E)");
    }
    for (int i = 0; i < 4; i++) {
        if (c->in[i] && (c->in[i]->dtype != x->dtype || !ae_dtype_is_float(x->dtype))) {
            return ae_call_fail(c, AE_E_DTYPE, "q is %s, %s is %s; all must be of one float dtype",
                                ae_dtype_name(x->dtype), ae_call_describe(c, i, q), ae_dtype_name(c->in[i]->dtype));
        }
    }
    if ((packed ? check_packed(c) : check_mask(c)) != 0) {
        return -1;
    }
    int64_t shape[3];
    memcpy(shape, x->shape, sizeof shape);
    shape[rank - 1] = ae_dim(z, -1);
    ae_call_out(c, 0, x->dtype, rank, shape);
    return 0;
}

/* ---- fused --------------------------------------------------------------------------------------------------------- */

/* The last axis dense, so that a head's row is one stretch of memory. */
static ae_tensor *row_dense(ae_graph *g, ae_tensor *t)
{
    return t->ndim && t->strides[t->ndim - 1] == 1 ? t : ae_dense(g, t);
}

static attention_problem problem_of(ae_call *c, ae_tensor *q, ae_tensor *k, ae_tensor *v)
{
    const attention_attr *a = c->attr;
    bool packed = a->mask.q_offsets != NULL;
    attention_problem p = {.attr = a, .heads = a->heads, .scale = (float)a->scale};
    p.batch = packed ? a->mask.sequences : q->shape[0];
    p.d = ae_dim(q, -1) / a->heads;
    p.e = ae_dim(v, -1) / a->heads;
    p.q = q;
    p.k = k;
    p.v = v;
    for (int64_t b = 0; b < p.batch; b++) {
        int64_t t = packed ? a->mask.q_offsets[b + 1] - a->mask.q_offsets[b] : q->shape[1];
        int64_t s = packed ? a->mask.k_offsets[b + 1] - a->mask.k_offsets[b] : k->shape[1];
        p.max_t = t > p.max_t ? t : p.max_t;
        p.max_s = s > p.max_s ? s : p.max_s;
    }
    if (c->in[3] && c->in[3]->data) {
        int64_t shape[4] = {p.batch, p.heads, q->shape[1], k->shape[1]};
        p.bias = ae_broadcast_view(c->graph, c->in[3], 4, shape);
    }
    p.dropout = (c->graph->flags & AE_DROPOUT) ? (float)a->dropout : 0.0f;
    p.key = ae_draw_key(c->graph, c->draw);
    return p;
}

static int attention_forward(ae_call *c)
{
    ae_graph *g = c->graph;
    if (c->in[0]->dtype != AE_F32) {
        return AE_DECLINE;
    }
    ae_tensor *q = row_dense(g, c->in[0]), *k = row_dense(g, c->in[1]), *v = row_dense(g, c->in[2]);
    if (!ae_ok(g)) {
        return -1;
    }
    attention_problem p = problem_of(c, q, k, v);
    int64_t rows = q->ndim == 2 ? q->shape[0] : q->shape[0] * q->shape[1];
    ae_tensor *lse = ae_call_extra(c, 0, AE_F32, 2, (int64_t[]){p.heads, rows});
    ae_tensor *scratch = ae_empty(g, AE_F32, 1, (int64_t[]){ae_attention_scratch(&p, false)});
    if (!ae_ok(g)) {
        return -1;
    }
    p.lse = lse->data;
    ae_attention_run(&p, c->out[0]->data, scratch->data);
    ae_kernel_called(AE_K_ATTENTION);
    return 0;
}

static void attention_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    ae_tensor *q = row_dense(g, c->in[0]), *k = row_dense(g, c->in[1]), *v = row_dense(g, c->in[2]);
    ae_tensor *dy = ae_dense(g, gout[0]);
    attention_gradients d = {.dy = dy->data, .y = c->out[0]->data};
    for (int i = 0; i < 3; i++) {
        gin[i] = ae_zeros(g, AE_F32, c->in[i]->ndim, c->in[i]->shape);
    }
    attention_problem p = problem_of(c, q, k, v);
    if (c->in[3] && c->need[3]) {
        gin[3] = ae_zeros(g, AE_F32, 4, (int64_t[]){p.batch, p.heads, q->shape[1], k->shape[1]});
    }
    ae_tensor *scratch = ae_empty(g, AE_F32, 1, (int64_t[]){ae_attention_scratch(&p, true)});
    if (!ae_ok(g)) {
        return;
    }
    d.dq = gin[0]->data;
    d.dk = gin[1]->data;
    d.dv = gin[2]->data;
    d.dbias = gin[3] ? gin[3]->data : NULL;
    p.lse = c->extra[0]->data;
    ae_attention_run_backward(&p, &d, scratch->data);
    ae_kernel_called(AE_K_ATTENTION_BACKWARD);
}

/* ---- decomposition ------------------------------------------------------------------------------------------------- */

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

/* Probabilities of unpacked q and k. */
static ae_tensor *probabilities(ae_graph *g, const attention_attr *a, ae_tensor *q, ae_tensor *k, ae_tensor *bias)
{
    int64_t batch = q->shape[0], t = q->shape[1], s = k->shape[1];
    ae_tensor *kt = ae_transpose(g, split_heads(g, k, a->heads), -1, -2);
    ae_tensor *scores = ae_scale(g, ae_matmul(g, split_heads(g, q, a->heads), kt), a->scale);
    scores = bias ? ae_add(g, scores, bias) : scores;
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
static ae_tensor *attend(ae_call *c, const attention_attr *a, ae_tensor *q, ae_tensor *k, ae_tensor *v, ae_tensor *bias,
                         int64_t first)
{
    ae_graph *g = c->graph;
    ae_tensor *p = probabilities(g, a, q, k, bias);
    if ((g->flags & AE_DROPOUT) && a->dropout > 0) {
        p = drop(c, a, p, first);
    }
    ae_tensor *y = ae_permute(g, ae_matmul(g, p, split_heads(g, v, a->heads)), (int[]){0, 2, 1, 3});
    return ae_reshape(g, y, 3, (int64_t[]){q->shape[0], q->shape[1], v->shape[2]});
}

/* Rows [at[0], at[1]) as a batch of one sequence. */
static ae_tensor *sequence(ae_graph *g, ae_tensor *x, const int64_t *at)
{
    return ae_reshape(g, ae_slice(g, x, 0, at[0], at[1], 1), 3, (int64_t[]){1, at[1] - at[0], ae_dim(x, -1)});
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
        ae_tensor *part = attend(c, &one, sequence(g, c->in[0], at_q), sequence(g, c->in[1], at_k),
                                 sequence(g, c->in[2], at_k), NULL, first);
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

static int attention_decompose(ae_call *c)
{
    const attention_attr *a = c->attr;
    if (a->mask.q_offsets) {
        return decompose_packed(c);
    }
    c->out[0] = attend(c, a, c->in[0], c->in[1], c->in[2], c->in[3], 0);
    return ae_ok(c->graph) ? 0 : -1;
}

/* ---- row, samples, functions ---------------------------------------------------------------------------------------- */

static void sample_packed(ae_sample *s, int64_t longest, ae_mask_kind kind)
{
    int64_t offsets[4] = {0, 2, 2 + longest, 5 + longest};
    char shape[32];
    snprintf(shape, sizeof shape, "%lld,4", (long long)offsets[3]);
    ae_tensor *q = ae_sample_in(s, shape, -1, 1), *k = ae_sample_in(s, shape, -1, 1),
              *v = ae_sample_in(s, shape, -1, 1);
    ae_attention_options o = {.heads = 2};
    s->out[0] = ae_f_attention(s->graph, q, k, v, ae_mask_packed(s->graph, kind, 3, offsets), &o);
}

static void attention_sample(ae_sample *s)
{
    ae_graph *g = s->graph;
    static const char *const qs[] = {"2,3,4", "2,3,4", "1,4,6",   "2,3,4",    "2,2,4",  "",
                                     "",      "2,3,4", "2,70,32", "1,150,12", "2,67,16"};
    static const char *const ks[] = {"2,3,4", "2,5,4", "1,4,6",   "2,3,4",    "2,4,4",   "",
                                     "",      "2,5,4", "2,70,32", "1,150,12", "2,130,16"};
    int v = s->variant;
    if (v == 5 || v == 6) {
        sample_packed(s, v == 5 ? 1 : 3, v == 5 ? AE_MASK_FULL : AE_MASK_CAUSAL);
        return;
    }
    ae_tensor *q = ae_sample_in(s, qs[v], -1, 1), *k = ae_sample_in(s, ks[v], -1, 1),
              *x = ae_sample_in(s, ks[v], -1, 1);
    ae_attention_options o = {
        .heads = v == 2 ? 3 : 2, .scale = v == 1 ? 0.7 : 0, .dropout = v == 0 || v == 8 ? 0.25 : 0};
    const ae_mask *mask = ae_mask_full(g);
    if (v == 1) {
        mask = ae_mask_padding(g, ae_sample_mask(s, "2,5"));
    } else if (v == 7) {
        mask = ae_mask_padding(g, ae_sample_mask(s, "2,3,5"));
    } else if (v == 2 || v == 4 || v == 9) {
        mask = ae_mask_causal(g, v == 4 ? ae_sample_mask(s, "2,4") : NULL);
    } else if (v == 3) {
        mask = ae_mask_prefix(g, ae_sample_ids(s, "2", 1, 3), NULL);
    }
    if (v == 3 || v == 10) {
        mask = ae_mask_with_bias(g, mask, ae_sample_in(s, v == 3 ? "2,3,3" : "2,1,67,130", -1, 1));
    }
    s->out[0] = ae_f_attention(g, q, k, x, mask, &o);
}

const ae_op ae_op_attention = {
    .name = "attention",
    .formula = "softmax(scale q k^T + bias) v, head by head",
    .min_in = 4,
    .max_in = 4,
    .n_out = 1,
    .flags = AE_OP_FUSED | AE_OP_RANDOM,
    .optional = AE_IN(3),
    .needs = {AE_IN(0) | AE_IN(1) | AE_IN(2) | AE_IN(3) | AE_OUT(0),
              AE_IN(0) | AE_IN(1) | AE_IN(2) | AE_IN(3) | AE_OUT(0),
              AE_IN(0) | AE_IN(1) | AE_IN(2) | AE_IN(3) | AE_OUT(0),
              AE_IN(0) | AE_IN(1) | AE_IN(2) | AE_IN(3) | AE_OUT(0)},
    .shape = attention_shape,
    .forward = attention_forward,
    .vjp = attention_vjp,
    .decompose = attention_decompose,
    .sample = attention_sample,
    .samples = 8,
    .big_samples = 3,
};

static int attention_attr_of(ae_graph *g, const ae_tensor *q, const ae_mask *mask, const ae_attention_options *o,
                             attention_attr *a)
{
    memset(a, 0, sizeof *a);
    if (!ae_ok(g)) {
        return -1;
    }
    if (o->heads < 1 || !(o->dropout >= 0 && o->dropout <= 1)) {
        ae_fail(g, AE_E_VALUE, "attention: %d heads, dropout %g; at least one head and 0 to 1 are needed", o->heads,
                o->dropout);
        return -1;
    }
    a->heads = o->heads;
    a->dropout = o->dropout;
    int64_t width = q->ndim ? ae_dim(q, -1) : 0;
    a->scale = o->scale != 0 ? o->scale : width > 0 ? 1.0 / sqrt((double)width / o->heads) : 1.0;
    if (mask) {
        a->mask = *mask;
    }
    return 0;
}

ae_tensor *ae_f_attention(ae_graph *g, ae_tensor *q, ae_tensor *k, ae_tensor *v, const ae_mask *mask,
                          const ae_attention_options *options)
{
    attention_attr a;
    if (attention_attr_of(g, q, mask, options, &a) != 0) {
        return ae_bad(g);
    }
    return ae_apply(g, &ae_op_attention, (ae_tensor *[]){q, k, v, a.mask.bias}, 4, &a, sizeof a);
}

ae_tensor *ae_attention_scores(ae_graph *g, ae_tensor *q, ae_tensor *k, const ae_mask *mask,
                               const ae_attention_options *options)
{
    attention_attr a;
    if (attention_attr_of(g, q, mask, options, &a) != 0) {
        return ae_bad(g);
    }
    if (a.mask.q_offsets || q->ndim != 3 || k->ndim != 3 || ae_dim(q, -1) % a.heads || ae_dim(q, -1) != ae_dim(k, -1)) {
        return ae_fail(g, AE_E_SHAPE, "attention_scores: q and k must be (B,T,A*D) and (B,S,A*D), not packed");
    }
    ae_frame f = ae_frame_open(g);
    return ae_frame_return(f, probabilities(g, &a, q, k, a.mask.bias));
}
