#include "autograd/dropout.h"
#include "autograd/ops.h"
#include "tensor/kernels.h"

/* The key travels with the call, so that backward, a derivative of it and a recomputed segment all see one mask. */
typedef struct dropout_attr {
    double p;
    ae_random_key key;
} dropout_attr;

enum { BLOCK = 4096, PARALLEL = 16384 };

static int dropout_shape(ae_call *c)
{
    char text[AE_DESCRIBE_MAX];
    if (!ae_dtype_is_float(c->in[0]->dtype)) {
        return ae_call_fail(c, AE_E_DTYPE, "%s is %s; only floats are dropped", ae_call_describe(c, 0, text),
                            ae_dtype_name(c->in[0]->dtype));
    }
    ae_call_out_like(c, 0, c->in[0]);
    return 0;
}

/* The plain twin of the kernel: the definition, in f64. */
static void block_f64(const dropout_attr *a, int64_t from, const double *x, double *y, int64_t n)
{
    uint8_t dropped[BLOCK];
    /* the kernels take p as float, and every dtype has the same mask */
    ae_random_bernoulli(&a->key, (uint64_t)from, (double)(float)a->p, dropped, n);
    for (int64_t i = 0; i < n; i++) {
        y[i] = dropped[i] ? 0.0 : x[i] / (1.0 - a->p);
    }
}

static void block_16(const dropout_attr *a, int64_t from, ae_dtype dtype, const uint16_t *x, uint16_t *y, int64_t n)
{
    const ae_kernels *k = ae_kernels_get();
    float wide[BLOCK];
    (dtype == AE_BF16 ? k->bf16_to_f32 : k->f16_to_f32)(x, wide, n);
    k->dropout(&a->key, (float)a->p, (uint64_t)from, wide, wide, n);
    (dtype == AE_BF16 ? k->f32_to_bf16 : k->f32_to_f16)(wide, y, n);
}

/* Elements [from, to), a block at a time. */
static void blocks(const dropout_attr *a, const ae_tensor *x, ae_tensor *y, int64_t from, int64_t to)
{
    for (; from < to; from += BLOCK) {
        int64_t m = to - from < BLOCK ? to - from : BLOCK;
        if (x->dtype == AE_F32) {
            ae_kernels_get()->dropout(&a->key, (float)a->p, (uint64_t)from, (const float *)x->data + from,
                                      (float *)y->data + from, m);
        } else if (x->dtype == AE_F64) {
            block_f64(a, from, (const double *)x->data + from, (double *)y->data + from, m);
        } else {
            block_16(a, from, x->dtype, (const uint16_t *)x->data + from, (uint16_t *)y->data + from, m);
        }
    }
}

static int dropout_forward(ae_call *c)
{
    const dropout_attr *a = c->attr;
    const ae_tensor *x = ae_dense(c->graph, c->in[0]);
    ae_tensor *y = c->out[0];
    if (!ae_ok(c->graph)) {
        return -1;
    }
    int64_t n = ae_numel(y);
    if (n < PARALLEL) { /* no region: see elementwise.c */
        blocks(a, x, y, 0, n);
        return 0;
    }
#pragma omp parallel for schedule(static)
    for (int64_t from = 0; from < n; from += BLOCK) {
        blocks(a, x, y, from, n - from < BLOCK ? n : from + BLOCK);
    }
    return 0;
}

/* Linear in x: the gradient goes through the same mask, by the same op. */
static void dropout_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    gin[0] = ae_apply(c->graph, c->op, gout, 1, c->attr, c->attr_size);
}

static void dropout_sample(ae_sample *s)
{
    static const char *const shapes[] = {"5,7", "2,3,4", "37,1021"};
    ae_tensor *x = ae_sample_in(s, shapes[s->variant], -2, 2);
    if (s->variant == 1) {
        s->out[0] = ae_dropout_shared(s->graph, x, 0.4, 1, (const int[]){-2});
    } else {
        s->out[0] = ae_dropout(s->graph, x, 0.3);
    }
}

const ae_op ae_op_dropout = {
    .name = "dropout",
    .formula = "0 with probability p, else x / (1 - p)",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .shape = dropout_shape,
    .forward = dropout_forward,
    .vjp = dropout_vjp,
    .sample = dropout_sample,
    .samples = 2,
    .big_samples = 1,
};

ae_tensor *ae_dropout_keyed(ae_graph *g, ae_tensor *x, double p, const ae_random_key *key)
{
    dropout_attr a = {.p = p, .key = *key};
    return ae_apply(g, &ae_op_dropout, &x, 1, &a, sizeof a);
}

ae_tensor *ae_dropout(ae_graph *g, ae_tensor *x, double p)
{
    if (!(p >= 0.0 && p < 1.0)) {
        return ae_fail(g, AE_E_VALUE, "dropout: p is %g; it must be at least 0 and below 1", p);
    }
    if (!(ae_graph_flags(g) & AE_DROPOUT) || p == 0.0 || !ae_ok(g)) {
        return ae_ok(g) ? x : ae_bad(g);
    }
    ae_random_key key = ae_draw_key(g, ae_draw(g));
    return ae_dropout_keyed(g, x, p, &key);
}

ae_tensor *ae_dropout_shared(ae_graph *g, ae_tensor *x, double p, int n, const int *axes)
{
    int64_t shape[AE_MAX_DIMS];
    if (!ae_ok(g) || !x || !ae_dtype_is_float(x->dtype)) {
        return ae_dropout(g, x, p);
    }
    for (int i = 0; i < x->ndim; i++) {
        shape[i] = x->shape[i];
    }
    for (int i = 0; i < n; i++) {
        int axis = ae_axis(axes[i], x->ndim);
        if (axis < 0) {
            return ae_fail(g, AE_E_VALUE, "dropout_shared: axis %d of a tensor with %d axes", axes[i], x->ndim);
        }
        shape[axis] = 1;
    }
    ae_frame f = ae_frame_open(g);
    /* in f32 at least, because 1 / (1 - p) in bf16 would scale everything by up to 0.4 % too much */
    ae_tensor *ones = ae_ones(g, x->dtype == AE_F64 ? AE_F64 : AE_F32, x->ndim, shape);
    ae_tensor *mask = ae_dropout(g, ones, p);
    if (mask == ones) {
        return ae_frame_return(f, x);
    }
    return ae_frame_return(f, ae_cast(g, ae_mul(g, x, mask), x->dtype));
}
