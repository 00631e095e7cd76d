#include "autograd/draw.h"
#include "autograd/ops.h"
#include "autograd/tape.h"

/* ---- real numbers ------------------------------------------------------------------------------------------------ */

/* The three distributions differ in one function a type, with two parameters. */
typedef struct distribution {
    const char *name;
    void (*f32)(const ae_random_key *key, uint64_t first, float a, float b, float *y, int64_t n);
    void (*f64)(const ae_random_key *key, uint64_t first, double a, double b, double *y, int64_t n);
} distribution;

static ae_tensor *draw(ae_graph *g, const distribution *d, ae_dtype dtype, int ndim, const int64_t *shape, double a,
                       double b)
{
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    if (!ae_dtype_is_float(dtype)) {
        return ae_fail(g, AE_E_DTYPE, "%s: %s; random real numbers need a float dtype", d->name, ae_dtype_name(dtype));
    }
    ae_frame f = ae_frame_open(g);
    ae_random_key key = ae_draw_key(g, ae_draw(g));
    ae_tensor *t = ae_empty(g, dtype == AE_F64 ? AE_F64 : AE_F32, ndim, shape);
    if (t == ae_bad(g)) {
        return ae_frame_return(f, t);
    }
    if (dtype == AE_F64) {
        d->f64(&key, 0, a, b, t->data, ae_numel(t));
    } else {
        d->f32(&key, 0, (float)a, (float)b, t->data, ae_numel(t));
    }
    return ae_frame_return(f, ae_cast(g, t, dtype));
}

ae_tensor *ae_rand(ae_graph *g, ae_dtype dtype, int ndim, const int64_t *shape, double lo, double hi)
{
    static const distribution uniform = {"rand", ae_random_uniform_f32, ae_random_uniform_f64};
    if (!(lo <= hi)) {
        return ae_fail(g, AE_E_VALUE, "rand: lo is %g and hi is %g; lo must not be above hi", lo, hi);
    }
    return draw(g, &uniform, dtype, ndim, shape, lo, hi);
}

static ae_tensor *draw_normal(ae_graph *g, const distribution *d, ae_dtype dtype, int ndim, const int64_t *shape,
                              double mean, double std)
{
    if (!(std >= 0.0)) {
        return ae_fail(g, AE_E_VALUE, "%s: the standard deviation is %g; it must not be negative", d->name, std);
    }
    return draw(g, d, dtype, ndim, shape, mean, std);
}

ae_tensor *ae_randn(ae_graph *g, ae_dtype dtype, int ndim, const int64_t *shape, double mean, double std)
{
    static const distribution normal = {"randn", ae_random_normal_f32, ae_random_normal_f64};
    return draw_normal(g, &normal, dtype, ndim, shape, mean, std);
}

ae_tensor *ae_truncated_normal(ae_graph *g, ae_dtype dtype, int ndim, const int64_t *shape, double mean, double std)
{
    static const distribution truncated = {"truncated_normal", ae_random_truncated_normal_f32,
                                           ae_random_truncated_normal_f64};
    return draw_normal(g, &truncated, dtype, ndim, shape, mean, std);
}

/* ---- whole numbers ----------------------------------------------------------------------------------------------- */

ae_tensor *ae_randint(ae_graph *g, int ndim, const int64_t *shape, int64_t lo, int64_t hi)
{
    if (lo >= hi) {
        return ae_fail(g, AE_E_VALUE, "randint: lo is %lld and hi is %lld; lo must be below hi", (long long)lo,
                       (long long)hi);
    }
    ae_tensor *t = ae_ok(g) ? ae_empty(g, AE_I64, ndim, shape) : ae_bad(g);
    if (t != ae_bad(g)) {
        ae_random_key key = ae_draw_key(g, ae_draw(g));
        ae_random_int_i64(&key, 0, lo, hi, t->data, ae_numel(t));
    }
    return t;
}

ae_tensor *ae_randperm(ae_graph *g, int64_t n)
{
    ae_tensor *t = ae_ok(g) ? ae_empty(g, AE_I64, 1, &n) : ae_bad(g);
    if (t != ae_bad(g)) {
        ae_random_key key = ae_draw_key(g, ae_draw(g));
        ae_random_permutation(&key, t->data, n);
    }
    return t;
}

/* ---- bernoulli --------------------------------------------------------------------------------------------------- */

#define NOT_SMOOTH "the result is drawn; it does not vary with the input"

static int floats_only(ae_call *c)
{
    char text[AE_DESCRIBE_MAX];
    if (!ae_dtype_is_float(c->in[0]->dtype)) {
        return ae_call_fail(c, AE_E_DTYPE, "%s is %s; it must be a float tensor", ae_call_describe(c, 0, text),
                            ae_dtype_name(c->in[0]->dtype));
    }
    return 0;
}

static int bernoulli_shape(ae_call *c)
{
    if (floats_only(c) != 0) {
        return -1;
    }
    ae_call_out_like(c, 0, c->in[0]);
    return 0;
}

static int bernoulli_forward(ae_call *c)
{
    ae_random_key key = ae_draw_key(c->graph, c->draw);
    for (int64_t i = 0; i < ae_numel(c->in[0]); i++) {
        double p = ae_get_f64(c->in[0], i);
        if (!(p >= 0.0 && p <= 1.0)) {
            return ae_call_fail(c, AE_E_VALUE, "the probability at element %lld is %g; it must be within 0 and 1",
                                (long long)i, p);
        }
        bool yes = ae_random_word(&key, (uint64_t)i) < ae_random_threshold(p);
        ae_set_f64(c->out[0], i, yes ? 1.0 : 0.0);
    }
    return 0;
}

static void bernoulli_sample(ae_sample *s)
{
    s->out[0] = ae_bernoulli(s->graph, ae_sample_in(s, "3,5", 0, 1));
}

const ae_op ae_op_bernoulli = {
    .name = "bernoulli",
    .formula = "1 with probability p, else 0",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .flags = AE_OP_RANDOM,
    .shape = bernoulli_shape,
    .forward = bernoulli_forward,
    .no_vjp = NOT_SMOOTH,
    .sample = bernoulli_sample,
    .samples = 1,
};

ae_tensor *ae_bernoulli(ae_graph *g, ae_tensor *p)
{
    return ae_apply(g, &ae_op_bernoulli, &p, 1, NULL, 0);
}

/* ---- multinomial ------------------------------------------------------------------------------------------------- */

typedef struct multinomial_attr {
    int64_t count;
    bool replacement;
} multinomial_attr;

static int multinomial_shape(ae_call *c)
{
    char text[AE_DESCRIBE_MAX];
    const multinomial_attr *a = c->attr;
    const ae_tensor *w = c->in[0];
    if (floats_only(c) != 0) {
        return -1;
    }
    if (w->ndim < 1 || w->ndim > 2) {
        return ae_call_fail(c, AE_E_SHAPE, "the weights must be (n) or (rows,n); got %s", ae_call_describe(c, 0, text));
    }
    if (a->count < 0) {
        return ae_call_fail(c, AE_E_VALUE, "%lld draws; the count must not be negative", (long long)a->count);
    }
    int64_t shape[2] = {w->ndim == 2 ? w->shape[0] : a->count, a->count};
    ae_call_out(c, 0, AE_I64, w->ndim, shape);
    return 0;
}

static int multinomial_forward(ae_call *c)
{
    const multinomial_attr *a = c->attr;
    ae_tensor *w = ae_empty(c->graph, AE_F64, c->in[0]->ndim, c->in[0]->shape);
    if (!ae_ok(c->graph) || ae_tensor_copy(w, c->in[0], &c->graph->error) != 0) {
        return -1;
    }
    int64_t n = ae_dim(w, -1), rows = w->ndim == 2 ? w->shape[0] : 1;
    ae_random_key key = ae_draw_key(c->graph, c->draw);
    for (int64_t r = 0; r < rows && a->count > 0; r++) {
        ae_random_key row = ae_random_subkey(&key, (uint64_t)r);
        if (ae_random_multinomial(&row, (const double *)w->data + r * n, n, a->count, a->replacement,
                                  (int64_t *)c->out[0]->data + r * a->count, &c->graph->error) != 0) {
            return -1;
        }
    }
    return 0;
}

static void multinomial_sample(ae_sample *s)
{
    ae_tensor *w = ae_sample_in(s, s->variant ? "7" : "3,5", 0.5, 1);
    s->out[0] = ae_cast(s->graph, ae_multinomial(s->graph, w, 4, s->variant == 1), AE_F32);
}

const ae_op ae_op_multinomial = {
    .name = "multinomial",
    .formula = "indices drawn with probabilities proportional to weights",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .flags = AE_OP_RANDOM,
    .shape = multinomial_shape,
    .forward = multinomial_forward,
    .no_vjp = NOT_SMOOTH,
    .sample = multinomial_sample,
    .samples = 2,
};

ae_tensor *ae_multinomial(ae_graph *g, ae_tensor *weights, int64_t count, bool replacement)
{
    multinomial_attr a = {count, replacement};
    return ae_apply(g, &ae_op_multinomial, &weights, 1, &a, sizeof a);
}
