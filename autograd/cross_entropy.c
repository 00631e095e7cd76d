#include "autograd/class_targets.h"
#include "autograd/compute_type.h"
#include "autograd/ops.h"
#include "autograd/tape.h"
#include "tensor/kernels.h"

#include <string.h>

typedef struct cross_entropy_attr {
    int64_t ignore_index;
    double smoothing;
    ae_reduction reduction;
} cross_entropy_attr;

/* ---- shape ---------------------------------------------------------------------------------------------------------- */

static int64_t classes(const ae_call *c)
{
    return ae_dim(c->in[0], -1);
}

static int cross_entropy_shape(ae_call *c)
{
    char x[AE_DESCRIBE_MAX], y[AE_DESCRIBE_MAX];
    const cross_entropy_attr *a = c->attr;
    const ae_tensor *logits = c->in[0], *targets = c->in[1], *weight = c->in[2];
    bool fits = logits->ndim == targets->ndim + 1 &&
                memcmp(logits->shape, targets->shape, (size_t)targets->ndim * sizeof(int64_t)) == 0;
    if (!ae_dtype_is_float(logits->dtype) || (targets->dtype != AE_I64 && targets->dtype != AE_I32)) {
        return ae_call_fail(c, AE_E_DTYPE, "logits are %s and targets %s; floats and i64 or i32 ids are needed",
                            ae_dtype_name(logits->dtype), ae_dtype_name(targets->dtype));
    }
    if (!fits) {
        return ae_call_fail(c, AE_E_SHAPE, "logits %s must be targets %s with one more axis, the classes",
                            ae_call_describe(c, 0, x), ae_call_describe(c, 1, y));
    }
    if (weight && (weight->ndim != 1 || weight->shape[0] != classes(c) || weight->dtype != logits->dtype)) {
        return ae_call_fail(c, AE_E_SHAPE, "class weights are %s; they must be one %s a class, logits are %s",
                            ae_call_describe(c, 2, y), ae_dtype_name(logits->dtype), ae_call_describe(c, 0, x));
    }
    if (ae_label_smoothing_check(c, a->smoothing) != 0 || ae_targets_check(c, 1, classes(c), a->ignore_index) != 0) {
        return -1;
    }
    bool rows = a->reduction == AE_REDUCE_NONE;
    ae_call_out(c, 0, logits->dtype, rows ? targets->ndim : 0, targets->shape);
    return 0;
}

/* ---- fused ---------------------------------------------------------------------------------------------------------- */

static int cross_entropy_forward(ae_call *c)
{
    const cross_entropy_attr *a = c->attr;
    ae_graph *g = c->graph;
    if (c->in[0]->dtype != AE_F32 || c->in[2]) {
        return AE_DECLINE; /* class weights are rare */
    }
    int64_t rows = ae_numel(c->in[1]), v = classes(c);
    ae_tensor *logits = ae_dense(g, c->in[0]);
    ae_tensor *lse = ae_call_extra(c, 0, AE_F32, 1, &rows), *losses = ae_empty(g, AE_F32, 1, &rows);
    if (!ae_ok(g)) {
        return -1;
    }
    const ae_kernels *k = ae_kernels_get();
    const float *x = logits->data;
    float *out = losses->data, *sums = lse->data;
#pragma omp parallel for schedule(static) if (rows * v > 16384)
    for (int64_t i = 0; i < rows; i++) {
        int64_t t = ae_get_i64(c->in[1], i);
        sums[i] = 0;
        out[i] = t == a->ignore_index ? 0 : k->cross_entropy(x + i * v, v, t, (float)a->smoothing, sums + i);
    }
    if (a->reduction == AE_REDUCE_NONE) {
        memcpy(c->out[0]->data, out, (size_t)rows * sizeof *out);
        return 0;
    }
    double total = k->sum(out, rows);
    *(float *)c->out[0]->data =
        (float)(a->reduction == AE_REDUCE_MEAN ? total / ae_targets_count(c->in[1], a->ignore_index) : total);
    return 0;
}

/* The gradient takes the place of the logits when nobody else holds them: the largest tensor of a language model exists
 * once. */
static ae_tensor *place_for_gradient(ae_graph *g, ae_tensor *logits)
{
    bool sole = ae_storage_is_sole(logits->storage) && ae_is_contiguous(logits) && !ae_running_retains(g);
    return sole ? ae_view(g, logits, logits->ndim, logits->shape, logits->strides, 0) : ae_empty_like(g, logits);
}

static void cross_entropy_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    const cross_entropy_attr *a = c->attr;
    ae_graph *g = c->graph;
    int64_t rows = ae_numel(c->in[1]), v = classes(c);
    ae_tensor *logits = ae_dense(g, c->in[0]);
    ae_tensor *upstream = ae_dense(g, gout[0]);
    gin[0] = logits == c->in[0] ? place_for_gradient(g, logits) : logits;
    if (!ae_ok(g)) {
        return;
    }
    const ae_kernels *k = ae_kernels_get();
    const float *x = logits->data, *sums = c->extra[0]->data, *up = upstream->data;
    float *dx = gin[0]->data;
    float scale = a->reduction == AE_REDUCE_MEAN ? (float)(1.0 / ae_targets_count(c->in[1], a->ignore_index)) : 1.0f;
    bool per_row = a->reduction == AE_REDUCE_NONE;
#pragma omp parallel for schedule(static) if (rows * v > 16384)
    for (int64_t i = 0; i < rows; i++) {
        int64_t t = ae_get_i64(c->in[1], i);
        if (t == a->ignore_index) {
            memset(dx + i * v, 0, (size_t)v * sizeof *dx);
        } else {
            k->cross_entropy_backward(x + i * v, dx + i * v, v, t, (float)a->smoothing, sums[i],
                                      scale * up[per_row ? i : 0]);
        }
    }
}

/* ---- decomposition -------------------------------------------------------------------------------------------------- */

/* Row weights (class weight of the target, 0 where ignored) and where each row's target lies among all logits. */
static void row_weights(ae_call *c, ae_tensor *weight, ae_tensor *at)
{
    const cross_entropy_attr *a = c->attr;
    for (int64_t i = 0; i < ae_numel(c->in[1]); i++) {
        int64_t t = ae_get_i64(c->in[1], i);
        bool counts = t != a->ignore_index;
        ae_set_i64(at, i, i * classes(c) + (counts ? t : 0));
        ae_set_f64(weight, i, !counts ? 0.0 : c->in[2] ? ae_get_f64(c->in[2], t) : 1.0);
    }
}

/* The smoothed part, -mean over classes of weight_v log p_v, for the rows that count. */
static ae_tensor *even_loss(ae_call *c, ae_tensor *logp, ae_tensor *row_weight)
{
    ae_graph *g = c->graph;
    ae_tensor *all = c->in[2] ? ae_mul(g, logp, ae_detach(g, c->in[2])) : logp;
    ae_tensor *even = ae_scale(g, ae_sum(g, all, 1, (int[]){-1}, false), -1.0 / (double)classes(c));
    ae_tensor *counts = ae_ne(g, row_weight, ae_scalar(g, row_weight->dtype, 0));
    return ae_mul(g, even, ae_cast(g, counts, logp->dtype));
}

static int cross_entropy_decompose(ae_call *c)
{
    const cross_entropy_attr *a = c->attr;
    ae_graph *g = c->graph;
    int64_t rows = ae_numel(c->in[1]), v = classes(c), all = rows * v;
    ae_tensor *w = ae_zeros(g, c->in[0]->dtype, 1, &rows), *at = ae_zeros(g, AE_I64, 1, &rows);
    if (!ae_ok(g)) {
        return -1;
    }
    row_weights(c, w, at);
    ae_tensor *logp = ae_log_softmax(g, ae_reshape(g, c->in[0], 2, (int64_t[]){rows, v}), -1);
    ae_tensor *picked = ae_index_select(g, ae_reshape(g, logp, 1, &all), 0, at);
    ae_tensor *loss = ae_mul(g, ae_neg(g, picked), w);
    if (a->smoothing > 0) {
        loss = ae_add(g, ae_scale(g, loss, 1 - a->smoothing), ae_scale(g, even_loss(c, logp, w), a->smoothing));
    }
    if (a->reduction == AE_REDUCE_NONE) {
        c->out[0] = ae_reshape(g, loss, c->in[1]->ndim, c->in[1]->shape);
        return ae_ok(g) ? 0 : -1;
    }
    ae_tensor *total = ae_sum(g, loss, 0, NULL, false);
    double sum = ae_item(ae_sum(g, w, 0, NULL, false));
    c->out[0] = a->reduction == AE_REDUCE_MEAN ? ae_scale(g, total, sum > 0 ? 1 / sum : 1) : total;
    return ae_ok(g) ? 0 : -1;
}

/* ---- row ------------------------------------------------------------------------------------------------------------ */

static void cross_entropy_sample(ae_sample *s)
{
    int v = s->variant;
    ae_cross_entropy_options o = {.ignore_index = v == 1 ? 2 : -100, .label_smoothing = v == 2 || v == 5 ? 0.1 : 0};
    o.reduction = v == 3 ? AE_REDUCE_NONE : v == 1 ? AE_REDUCE_SUM : AE_REDUCE_MEAN;
    ae_tensor *x = ae_sample_in(s, v == 3 ? "2,3,4" : v == 5 ? "70,131" : "5,4", -3, 3);
    ae_tensor *t = ae_sample_ids(s, v == 3 ? "2,3" : v == 5 ? "70" : "5", 0, v == 5 ? 131 : 4);
    if (v == 4) {
        ae_tensor *w = ae_zeros(s->graph, x->dtype, 1, (int64_t[]){4});
        for (int i = 0; i < 4; i++) {
            ae_set_f64(w, i, 0.5 + i);
        }
        o.class_weight = w;
    }
    s->out[0] = ae_cross_entropy(s->graph, x, t, &o);
}

const ae_op ae_op_cross_entropy = {
    .name = "cross_entropy",
    .formula = "-log softmax(logits)[target]",
    .min_in = 3,
    .max_in = 3,
    .n_out = 1,
    .flags = AE_OP_FUSED,
    .optional = AE_IN(2),
    .needs = {AE_IN(0) | AE_IN(1)},
    .shape = cross_entropy_shape,
    .forward = cross_entropy_forward,
    .vjp = cross_entropy_vjp,
    .decompose = cross_entropy_decompose,
    .sample = cross_entropy_sample,
    .samples = 5,
    .big_samples = 1,
};

ae_tensor *ae_cross_entropy(ae_graph *g, ae_tensor *logits, ae_tensor *targets, const ae_cross_entropy_options *options)
{
    cross_entropy_attr a = {.ignore_index = -100, .reduction = AE_REDUCE_MEAN};
    if (options) {
        a = (cross_entropy_attr){options->ignore_index, options->label_smoothing, options->reduction};
    }
    ae_frame f = ae_frame_open(g);
    ae_tensor *weight = options ? ae_to_f32(g, options->class_weight) : NULL;
    ae_tensor *in[] = {ae_to_f32(g, logits), targets, weight};
    return ae_frame_return(f, ae_apply(g, &ae_op_cross_entropy, in, 3, &a, sizeof a));
}
