#include "autograd/attention_internal.h"
#include "autograd/ops.h"
#include "autograd/tape.h"
#include "tensor/counters.h"
#include "tensor/kernels.h"

#include <math.h>
#include <string.h>

enum { INPUTS = 7 }; /* q, k, v, bias, relative query, keys and key */

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

static int check_relative(ae_call *c)
{
    const ae_tensor *q = c->in[0], *query = c->in[4], *keys = c->in[5], *key = c->in[6];
    char x[AE_DESCRIBE_MAX], y[AE_DESCRIBE_MAX], z[AE_DESCRIBE_MAX];
    if (!query || !keys) {
        return query == keys && !key ? 0 : ae_call_fail(c, AE_E_VALUE, "relative scores need both a query and keys");
    }
    if (!ae_same_shape(query, q) || keys->ndim != 2 || keys->shape[0] < 1 || keys->shape[1] != ae_dim(q, -1)) {
        return ae_call_fail(c, AE_E_SHAPE, "relative query %s, keys %s with q %s; they must be as q and (R,A*D)",
                            ae_call_describe(c, 4, x), ae_call_describe(c, 5, y), ae_call_describe(c, 0, z));
    }
    if (key && !ae_same_shape(key, c->in[1])) {
        return ae_call_fail(c, AE_E_SHAPE, "relative key %s with k %s; it must be as k", ae_call_describe(c, 6, x),
                            ae_call_describe(c, 1, y));
    }
    return 0;
}

/* q, k and v are alike; what is added to the scores may be of another precision. */
static int check_dtypes(ae_call *c)
{
    char text[AE_DESCRIBE_MAX];
    const ae_dtype dtype = c->in[0]->dtype;
    for (int i = 0; i < INPUTS; i++) {
        const ae_dtype own = c->in[i] ? c->in[i]->dtype : dtype;
        const bool mixed = i > 2 && (dtype == AE_F32 || dtype == AE_BF16) && (own == AE_F32 || own == AE_BF16);
        if (!ae_dtype_is_float(dtype) || (own != dtype && !mixed)) {
            return ae_call_fail(c, AE_E_DTYPE,
                                "q is %s, %s is %s; q, k and v must be of one float dtype, and the bias, relative "
                                "query and keys of that too, or f32 and bf16 in any mixture",
                                ae_dtype_name(dtype), ae_call_describe(c, i, text), ae_dtype_name(own));
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
    if (check_dtypes(c) != 0) {
        return -1;
    }
    if ((packed ? check_packed(c) : check_mask(c)) != 0 || check_relative(c) != 0) {
        return -1;
    }
    int64_t shape[3];
    memcpy(shape, x->shape, sizeof shape);
    shape[rank - 1] = ae_dim(z, -1);
    ae_call_out(c, 0, x->dtype, rank, shape);
    return 0;
}

/* ---- fused --------------------------------------------------------------------------------------------------------- */

/* The last axis dense, so that a head's row is one stretch of memory. NULL stays NULL. */
static ae_tensor *readable(ae_graph *g, ae_tensor *t)
{
    return !t || !t->data || (t->ndim && t->strides[t->ndim - 1] == 1) ? t : ae_dense(g, t);
}

enum {
    BLOCK = 64,      /* queries at a time: their scores against 512 keys fill half of a second-level cache of 256 KiB */
    BF16_BLOCK = 128 /* a product of bf16 takes a tenth of the time, and its call costs as much: half as many calls */
};

/* in: the inputs as `readable` gives them. */
static attention_problem problem_of(ae_call *c, ae_tensor *const *in)
{
    const attention_attr *a = c->attr;
    const ae_tensor *q = in[0], *k = in[1];
    bool packed = a->mask.q_offsets != NULL;
    attention_problem p = {.attr = a, .heads = a->heads, .scale = (float)a->scale, .q = q, .k = k, .v = in[2]};
    p.batch = packed ? a->mask.sequences : q->shape[0];
    p.d = ae_dim(q, -1) / a->heads;
    p.e = ae_dim(in[2], -1) / a->heads;
    p.relative_query = in[4];
    p.relative_keys = in[5];
    p.relative_key = in[6];
    for (int64_t b = 0; b < p.batch; b++) {
        int64_t t = packed ? a->mask.q_offsets[b + 1] - a->mask.q_offsets[b] : q->shape[1];
        int64_t s = packed ? a->mask.k_offsets[b + 1] - a->mask.k_offsets[b] : k->shape[1];
        p.max_t = t > p.max_t ? t : p.max_t;
        p.max_s = s > p.max_s ? s : p.max_s;
    }
    if (in[3] && in[3]->data) {
        int64_t shape[4] = {p.batch, p.heads, q->shape[1], k->shape[1]};
        p.bias = ae_broadcast_view(c->graph, in[3], 4, shape);
    }
    p.bf16 = q->dtype == AE_BF16 && ae_blocks_in_bf16();
    p.block = p.bf16 ? BF16_BLOCK : BLOCK;
    p.dropout = (c->graph->flags & AE_DROPOUT) ? (float)a->dropout : 0.0f;
    p.key = ae_draw_key(c->graph, c->draw);
    return p;
}

/* All inputs, readable; returns whether that worked. */
static bool read_inputs(ae_call *c, ae_tensor *in[INPUTS])
{
    for (int i = 0; i < INPUTS; i++) {
        in[i] = readable(c->graph, c->in[i]);
    }
    return ae_ok(c->graph);
}

static int attention_forward(ae_call *c)
{
    ae_graph *g = c->graph;
    ae_dtype dtype = c->in[0]->dtype;
    if (dtype != AE_F32 && dtype != AE_BF16) {
        return AE_DECLINE;
    }
    ae_tensor *in[INPUTS];
    if (!read_inputs(c, in)) {
        return -1;
    }
    attention_problem p = problem_of(c, in);
    const ae_tensor *q = in[0];
    int64_t rows = q->ndim == 2 ? q->shape[0] : q->shape[0] * q->shape[1];
    ae_tensor *lse = ae_call_extra(c, 0, AE_F32, 2, (int64_t[]){p.heads, rows});
    ae_tensor *scratch = ae_empty(g, AE_F32, 1, (int64_t[]){ae_attention_scratch(&p, false)});
    if (!ae_ok(g)) {
        return -1;
    }
    ae_err e = {0};
    p.lse = lse->data;
    if (ae_attention_run(&p, c->out[0]->data, scratch->data, &e) != 0) {
        return ae_call_fail(c, e.code, "%s", e.message);
    }
    ae_kernel_called(p.bf16 ? AE_K_ATTENTION_BF16 : AE_K_ATTENTION);
    return 0;
}

/* The gradient of input i in its dtype. In f32 sums are made in it, in bf16 it is written. */
static void *gradient_of(ae_call *c, int i, ae_tensor **gin)
{
    const ae_tensor *x = c->in[i];
    gin[i] = x->dtype == AE_F32 ? ae_zeros(c->graph, AE_F32, x->ndim, x->shape)
                                : ae_empty(c->graph, x->dtype, x->ndim, x->shape);
    return gin[i]->data;
}

/* Describes the gradient of the bias, whose own shape it takes. */
static void plan_bias_gradient(attention_problem *p, const ae_tensor *bias)
{
    p->bias_count = 1;
    for (int axis = 3, i = bias->ndim - 1; axis >= 0; axis--, i--) {
        int64_t extent = i >= 0 ? bias->shape[i] : 1;
        p->dbias_strides[axis] = extent > 1 ? p->bias_count : 0;
        p->bias_count *= extent;
    }
}

/* The sum of the parts (parts,n), in t's shape. */
static ae_tensor *sum_of_parts(ae_graph *g, ae_tensor *parts, const ae_tensor *t)
{
    ae_tensor *sum = parts->shape[0] > 1 ? ae_sum(g, parts, 1, (int[]){0}, false) : parts;
    return ae_reshape(g, sum, t->ndim, t->shape);
}

static void attention_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    ae_tensor *in[INPUTS];
    ae_tensor *dy = ae_dense(g, gout[0]->dtype == c->out[0]->dtype ? gout[0] : ae_cast(g, gout[0], c->out[0]->dtype));
    if (!read_inputs(c, in)) {
        return;
    }
    attention_problem p = problem_of(c, in);
    attention_gradients d = {.dq = gradient_of(c, 0, gin), .dk = gradient_of(c, 1, gin), .dv = gradient_of(c, 2, gin)};
    p.dy = dy;
    if (in[3] && c->need[3]) {
        plan_bias_gradient(&p, c->in[3]);
    }
    int64_t parts = ae_attention_plan(&p).parts;
    if (p.bias_count) {
        gin[3] = ae_zeros(g, AE_F32, 2, (int64_t[]){parts, p.bias_count});
        d.dbias = gin[3]->data;
    }
    if (in[4]) {
        gin[4] = ae_zeros(g, AE_F32, in[4]->ndim, in[4]->shape);
        gin[5] = ae_zeros(g, AE_F32, 2, (int64_t[]){parts, ae_numel(in[5])});
        d.drelative_query = gin[4]->data;
        d.drelative_keys = gin[5]->data;
    }
    if (in[6]) {
        gin[6] = ae_zeros(g, AE_F32, in[6]->ndim, in[6]->shape);
        d.drelative_key = gin[6]->data;
    }
    ae_tensor *scratch = ae_empty(g, AE_F32, 1, (int64_t[]){ae_attention_scratch(&p, true)});
    if (!ae_ok(g)) {
        return;
    }
    ae_err e = {0};
    p.lse = c->extra[0]->data;
    if (ae_attention_run_backward(&p, &d, scratch->data, &e) != 0) {
        ae_call_fail(c, e.code, "%s", e.message);
        return;
    }
    for (int i = 3; i < INPUTS; i++) {
        bool parted = i == 3 || i == 5;
        if (gin[i]) {
            gin[i] = ae_cast(g, parted ? sum_of_parts(g, gin[i], c->in[i]) : gin[i], c->in[i]->dtype);
        }
    }
    ae_kernel_called(p.bf16 ? AE_K_ATTENTION_BF16_BACKWARD : AE_K_ATTENTION_BACKWARD);
}

/* ---- row, samples, functions ---------------------------------------------------------------------------------------- */

/* keys: whether there are relative ones. */
static void sample_packed(ae_sample *s, int64_t longest, ae_mask_kind kind, bool keys)
{
    int64_t offsets[4] = {0, 2, 2 + longest, 5 + longest};
    char shape[32];
    snprintf(shape, sizeof shape, "%lld,4", (long long)offsets[3]);
    ae_tensor *q = ae_sample_in(s, shape, -1, 1), *k = ae_sample_in(s, shape, -1, 1),
              *v = ae_sample_in(s, shape, -1, 1);
    ae_relative relative = {.origin = 2};
    if (keys) {
        relative.query = ae_sample_in(s, shape, -1, 1);
        relative.keys = ae_sample_in(s, "4,4", -1, 1);
        relative.key = ae_sample_in(s, shape, -1, 1);
    }
    ae_attention_options o = {.heads = 2, .relative = keys ? &relative : NULL};
    s->out[0] = ae_f_attention(s->graph, q, k, v, ae_mask_packed(s->graph, kind, 3, offsets), &o);
}

/* Few queries of packed sequences look at all of their keys; those of one sequence do not look at all. */
static void sample_packed_cross(ae_sample *s, int64_t longest)
{
    int64_t q_offsets[4] = {0, 1, 1, 1 + (longest + 1) / 2}, k_offsets[4] = {0, 2, 4, 4 + longest};
    char queries[32], keys[32];
    snprintf(queries, sizeof queries, "%lld,4", (long long)q_offsets[3]);
    snprintf(keys, sizeof keys, "%lld,4", (long long)k_offsets[3]);
    ae_tensor *q = ae_sample_in(s, queries, -1, 1), *k = ae_sample_in(s, keys, -1, 1),
              *v = ae_sample_in(s, keys, -1, 1);
    ae_attention_options o = {.heads = 2, .dropout = 0.25};
    s->out[0] = ae_f_attention(s->graph, q, k, v, ae_mask_packed_cross(s->graph, 3, q_offsets, k_offsets), &o);
}

/* A sample without packing. */
typedef struct sample_kind {
    const char *q, *k;
    enum { NO_MASK, KEPT, KEPT_EACH, CAUSAL, CAUSAL_KEPT, PREFIX, CROSS } mask; /* CROSS: packed only */
    const char *bias;                                                           /* or NULL */
    const char *relative;                                                       /* the relative keys (R,A*D), or NULL */
    int64_t origin;
    int heads;
    double scale, dropout;
    bool of_keys; /* relative scores of keys too */
} sample_kind;

static const ae_mask *sample_mask(ae_sample *s, const sample_kind *of)
{
    ae_graph *g = s->graph;
    const ae_mask *mask = ae_mask_full(g);
    switch (of->mask) {
    case KEPT:
        mask = ae_mask_padding(g, ae_sample_mask(s, "2,5"));
        break;
    case KEPT_EACH:
        mask = ae_mask_padding(g, ae_sample_mask(s, "2,3,5"));
        break;
    case CAUSAL:
        mask = ae_mask_causal(g, NULL);
        break;
    case CAUSAL_KEPT:
        mask = ae_mask_causal(g, ae_sample_mask(s, "2,4"));
        break;
    case PREFIX:
        mask = ae_mask_prefix(g, ae_sample_ids(s, "2", 1, 3), NULL);
        break;
    default:
        break;
    }
    return of->bias ? ae_mask_with_bias(g, mask, ae_sample_in(s, of->bias, -1, 1)) : mask;
}

enum { SMALL_SAMPLES = 16, BIG_SAMPLES = 8 };

static void attention_sample(ae_sample *s)
{
    /* Those without shapes are packed; with relative keys (3,4) and (100,12) some pairs find none. */
    static const sample_kind kinds[SMALL_SAMPLES + BIG_SAMPLES] = {
        {"2,3,4", "2,3,4", .heads = 2, .dropout = 0.25},
        {"2,3,4", "2,5,4", KEPT, .heads = 2, .scale = 0.7},
        {"1,4,6", "1,4,6", CAUSAL, .heads = 3},
        {"2,3,4", "2,3,4", PREFIX, .bias = "2,3,3", .heads = 2},
        {"2,2,4", "2,4,4", CAUSAL_KEPT, .heads = 2},
        {"", "", NO_MASK, .heads = 0},
        {"", "", CAUSAL, .heads = 0},
        {"2,3,4", "2,5,4", KEPT_EACH, .heads = 2},
        {"2,3,4", "2,5,4", CAUSAL, .relative = "7,4", .origin = 2, .heads = 2},
        {"2,3,4", "2,5,4", .bias = "1,2,3,5", .relative = "3,4", .origin = 1, .heads = 2, .dropout = 0.25},
        {"2,3,4", "2,5,4", .bias = "2,1,1,5", .relative = "3,4", .origin = 1, .heads = 2},
        {"2,3,4", "2,5,4", .bias = "2,2,3,1", .heads = 2},
        {"2,3,4", "2,5,4", CAUSAL, .relative = "7,4", .origin = 2, .heads = 2, .of_keys = true},
        {"2,3,4", "2,5,4", KEPT, .relative = "3,4", .origin = 1, .heads = 2, .of_keys = true},
        {"", "", CAUSAL, .relative = "", .heads = 0},
        {"", "", CROSS, .heads = 0},
        {"2,70,32", "2,70,32", .heads = 2, .dropout = 0.25},
        {"1,150,12", "1,150,12", CAUSAL, .bias = "150", .heads = 2},
        {"2,67,16", "2,130,16", .bias = "2,1,67,130", .heads = 2},
        {"2,70,32", "2,130,32", CAUSAL, .relative = "199,32", .origin = 69, .heads = 2},
        {"1,150,12", "1,90,12", .relative = "100,12", .origin = 80, .heads = 2},
        {"1,70,16", "1,200,16", .relative = "230,16", .origin = 60, .heads = 2, .of_keys = true},
        {"", "", NO_MASK, .relative = "", .heads = 0},
        {"", "", CROSS, .heads = 0}};
    const sample_kind *of = &kinds[s->variant];
    if (!of->heads) {
        int64_t longest = s->variant >= SMALL_SAMPLES ? 140 : of->mask == NO_MASK ? 1 : 3;
        if (of->mask == CROSS) {
            sample_packed_cross(s, longest);
            return;
        }
        sample_packed(s, longest, of->mask == CAUSAL ? AE_MASK_CAUSAL : AE_MASK_FULL, of->relative != NULL);
        return;
    }
    ae_tensor *q = ae_sample_in(s, of->q, -1, 1), *k = ae_sample_in(s, of->k, -1, 1),
              *x = ae_sample_in(s, of->k, -1, 1);
    ae_relative relative = {.origin = of->origin};
    if (of->relative) {
        relative.query = ae_sample_in(s, of->q, -1, 1);
        relative.keys = ae_sample_in(s, of->relative, -1, 1);
    }
    ae_attention_options o = {
        .heads = of->heads, .scale = of->scale, .dropout = of->dropout, .relative = of->relative ? &relative : NULL};
    s->out[0] = ae_f_attention(s->graph, q, k, x, sample_mask(s, of), &o);
}

#define EVERYTHING (AE_IN(0) | AE_IN(1) | AE_IN(2) | AE_IN(3) | AE_IN(4) | AE_IN(5) | AE_IN(6))

const ae_op ae_op_attention = {
    .name = "attention",
    .formula = "softmax(scale (q k^T + relative) + bias) v, head by head",
    .min_in = INPUTS,
    .max_in = INPUTS,
    .n_out = 1,
    .flags = AE_OP_FUSED | AE_OP_RANDOM,
    .optional = AE_IN(3) | AE_IN(4) | AE_IN(5) | AE_IN(6),
    .needs = {EVERYTHING, EVERYTHING, EVERYTHING, EVERYTHING, EVERYTHING, EVERYTHING, EVERYTHING},
    .shape = attention_shape,
    .forward = attention_forward,
    .vjp = attention_vjp,
    .decompose = ae_attention_decompose,
    .sample = attention_sample,
    .samples = SMALL_SAMPLES,
    .big_samples = BIG_SAMPLES,
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
    a->origin = o->relative ? o->relative->origin : 0;
    return 0;
}

ae_tensor *ae_f_attention(ae_graph *g, ae_tensor *q, ae_tensor *k, ae_tensor *v, const ae_mask *mask,
                          const ae_attention_options *options)
{
    attention_attr a;
    if (attention_attr_of(g, q, mask, options, &a) != 0) {
        return ae_bad(g);
    }
    const ae_relative *r = options->relative;
    ae_tensor *in[INPUTS] = {q, k, v, a.mask.bias, r ? r->query : NULL, r ? r->keys : NULL, r ? r->key : NULL};
    return ae_apply(g, &ae_op_attention, in, INPUTS, &a, sizeof a);
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
    const ae_relative *r = options->relative;
    attention_terms in = {q, k, a.mask.bias, r ? r->query : NULL, r ? r->keys : NULL, r ? r->key : NULL};
    ae_frame f = ae_frame_open(g);
    return ae_frame_return(f, ae_attention_probabilities(g, &a, &in));
}
