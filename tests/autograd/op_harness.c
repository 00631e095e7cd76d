#include "op_harness.h"
#include "autograd/tape.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double next_random(harness *h)
{
    h->random = h->random * 6364136223846793005u + 1442695040888963407u;
    return (double)(h->random >> 11) / 9007199254740992.0;
}

harness *h_new(ae_graph *g, const ae_op *op, int variant)
{
    harness *h = calloc(1, sizeof *h);
    h->graph = g;
    h->op = op;
    h->variant = variant;
    h->dtype = AE_F64;
    h->flags = AE_TRAIN; /* random ops act, with the same draws in every run */
    h->no_grad_input = -1;
    h->random = 88172645463325252u + (uint64_t)variant * 7919u;
    for (const char *p = op->name; *p; p++) {
        h->random = h->random * 31u + (unsigned char)*p;
    }
    return h;
}

void h_free(harness *h)
{
    for (int i = 0; i < h->count; i++) {
        free(h->in[i].values);
        free(h->in[i].grad);
    }
    free(h->weights);
    free(h->outputs);
    free(h);
}

static int parse_shape(const char *text, int64_t *shape)
{
    int n = 0;
    while (*text) {
        char *end;
        shape[n++] = strtoll(text, &end, 10);
        text = *end ? end + 1 : end;
    }
    return n;
}

/* A tensor of the values in dtype; strided ones lie transposed in a wider storage, so that no axis is dense. */
static ae_tensor *lay_out(harness *h, const h_input *in, ae_dtype dtype)
{
    ae_graph *g = h->graph;
    ae_tensor *t;
    if (h->layout == LAYOUT_STRIDED && in->ndim > 0) {
        int64_t shape[AE_MAX_DIMS], strides[AE_MAX_DIMS], step = 2;
        for (int i = 0; i < in->ndim; i++) {
            strides[i] = step;
            step *= in->shape[i] > 0 ? in->shape[i] + 1 : 1;
            shape[i] = in->shape[i];
        }
        ae_tensor *wide = ae_full(g, dtype, 1, &step, ae_dtype_is_float(dtype) ? (double)NAN : 0.0);
        t = ae_view(g, wide, in->ndim, shape, strides, in->n ? 1 : 0);
    } else {
        t = ae_empty(g, dtype, in->ndim, in->shape);
    }
    for (int64_t i = 0; ae_ok(g) && i < in->n; i++) {
        ae_set_f64(t, i, in->values[i]);
    }
    return t;
}

static ae_tensor *input(ae_sample *s, const char *shape, bool differentiable, ae_dtype fixed,
                        double (*value)(harness *, int64_t, double, double), double lo, double hi)
{
    harness *h = s->harness;
    h_input *in = &h->in[h->next];
    if (!h->made) {
        in->ndim = parse_shape(shape, in->shape);
        for (int k = 0; k < in->ndim; k++) {
            in->shape[k] = in->shape[k] == h->zero_extent ? 0 : in->shape[k];
        }
        in->n = ae_shape_numel(in->ndim, in->shape);
        in->values = calloc((size_t)in->n + 1, sizeof(double));
        in->grad = calloc((size_t)in->n + 1, sizeof(double));
        in->differentiable = differentiable;
        in->fixed = fixed;
        for (int64_t i = 0; i < in->n; i++) {
            in->values[i] = value(h, i, lo, hi);
        }
        if (differentiable && value == NULL) {
            abort();
        }
        h->count = h->next + 1;
    }
    in->tensor = lay_out(h, in, differentiable ? h->dtype : fixed);
    if (differentiable && h->next != h->no_grad_input) {
        ae_requires_grad(h->graph, in->tensor);
    }
    h->next++;
    return in->tensor;
}

static double uniform(harness *h, int64_t i, double lo, double hi)
{
    (void)i;
    /* rounded to bf16, so that every dtype begins with the same values */
    return (double)ae_bf16_to_f32(ae_f32_to_bf16((float)(lo + (hi - lo) * next_random(h))));
}

static double whole(harness *h, int64_t i, double lo, double hi)
{
    (void)i;
    return floor(lo + (hi - lo) * next_random(h));
}

static double coin(harness *h, int64_t i, double lo, double hi)
{
    (void)i;
    (void)lo;
    (void)hi;
    return next_random(h) < 0.6 ? 1.0 : 0.0;
}

/* A shuffled ladder with rungs 1/8 apart around zero: exact in bf16 up to a few hundred values. */
static double rung(harness *h, int64_t i, double lo, double hi)
{
    (void)lo;
    (void)hi;
    const h_input *in = &h->in[h->next];
    uint64_t k = ((uint64_t)i * 7919u + 13u) % (uint64_t)in->n;
    (void)h;
    return ((double)k - (double)(in->n / 2)) / 8.0 + 0.0625;
}

static ae_tensor *make_in(ae_sample *s, const char *shape, double lo, double hi)
{
    return input(s, shape, true, AE_F32, uniform, lo, hi);
}

static ae_tensor *make_distinct(ae_sample *s, const char *shape)
{
    return input(s, shape, true, AE_F32, rung, 0, 0);
}

static ae_tensor *make_ids(ae_sample *s, const char *shape, int64_t lo, int64_t hi)
{
    return input(s, shape, false, AE_I64, whole, (double)lo, (double)hi);
}

static ae_tensor *make_mask(ae_sample *s, const char *shape)
{
    return input(s, shape, false, AE_BOOL, coin, 0, 1);
}

static const ae_sample_maker maker = {make_in, make_distinct, make_ids, make_mask};

static void draw_weights(harness *h, int64_t n)
{
    if (!h->weights) {
        h->weights = calloc((size_t)n + 1, sizeof(double));
        h->outputs = calloc((size_t)n + 1, sizeof(double));
        h->n_weights = n;
        for (int64_t i = 0; i < n; i++) {
            h->weights[i] = (double)ae_bf16_to_f32(ae_f32_to_bf16((float)(next_random(h) * 2 - 1)));
        }
    }
}

/* total plus a little of every input's sum, which backward reaches before the op. */
static ae_tensor *use_again(harness *h, ae_tensor *total)
{
    ae_graph *g = h->graph;
    for (int i = 0; i < h->count && ae_ok(g); i++) {
        ae_tensor *x = h->in[i].tensor;
        if (h->in[i].differentiable && x->slot) {
            ae_tensor *part = ae_sum(g, ae_mul(g, x, ae_full(g, x->dtype, x->ndim, x->shape, 0x1p-6)), 0, NULL, false);
            total = ae_add(g, total, part);
        }
    }
    return total;
}

ae_tensor *h_build(harness *h)
{
    ae_graph *g = h->graph;
    ae_sample s = {.graph = g, .variant = h->variant, .maker = &maker, .harness = h};
    h->next = 0;
    h->op->sample(&s);
    h->made = true;
    const ae_op *replaced = g->replaced; /* what follows must not be broken too */
    g->replaced = NULL;
    int64_t n = 0;
    for (int i = 0; i < AE_MAX_OUT; i++) {
        n += s.out[i] && ae_dtype_is_float(s.out[i]->dtype) ? ae_numel(s.out[i]) : 0;
    }
    draw_weights(h, n);
    ae_tensor *total = NULL;
    int64_t at = 0;
    for (int i = 0; i < AE_MAX_OUT && ae_ok(g); i++) {
        ae_tensor *y = s.out[i];
        if (!y || !ae_dtype_is_float(y->dtype)) {
            continue;
        }
        int64_t m = ae_numel(y);
        ae_read(y, AE_F64, h->outputs + at, m);
        ae_tensor *w = ae_empty(g, y->dtype, y->ndim, y->shape);
        for (int64_t k = 0; k < m; k++) {
            ae_set_f64(w, k, h->weights[at + k]);
        }
        ae_tensor *part = ae_sum(g, ae_mul(g, y, w), 0, NULL, false);
        total = total ? ae_add(g, total, part) : part;
        at += m;
    }
    h->n_outputs = at;
    total = h->used_again && total ? use_again(h, total) : total;
    g->replaced = replaced;
    return total ? total : ae_scalar(g, AE_F64, 0.0);
}

double h_run(harness *h, bool backward)
{
    ae_graph *g = h->graph;
    ae_graph_begin(g, h->flags);
    ae_tensor *y = h_build(h);
    double value = ae_item(y);
    if (!ae_ok(g) || !backward) {
        return ae_ok(g) ? value : (double)NAN;
    }
    if (y->slot && ae_backward(g, y, 0) != 0) {
        return (double)NAN;
    }
    for (int i = 0; i < h->count; i++) {
        h_input *in = &h->in[i];
        memset(in->grad, 0, (size_t)in->n * sizeof(double));
        if (in->differentiable && in->tensor->grad) {
            ae_read(in->tensor->grad, AE_F64, in->grad, in->n);
        }
    }
    return value;
}
