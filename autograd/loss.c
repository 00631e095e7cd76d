/* Losses that are compositions, in f32 at least; cross-entropy, which every step runs, is fused (cross_entropy.c). */
#include "autograd/compute_type.h"
#include "autograd/ops.h"

#include <math.h>
#include <string.h>

static ae_tensor *reduced(ae_graph *g, ae_tensor *x, ae_reduction reduction, double count)
{
    if (reduction == AE_REDUCE_NONE) {
        return x;
    }
    ae_tensor *total = ae_sum(g, x, 0, NULL, false);
    return reduction == AE_REDUCE_MEAN ? ae_scale(g, total, count > 0 ? 1 / count : 1) : total;
}

/* ---- nll ------------------------------------------------------------------------------------------------------------ */

/* The weight of every row (0: ignored) and where its target lies among all logp. Returns the sum of the weights. */
static double nll_rows(ae_graph *g, const ae_tensor *targets, const ae_cross_entropy_options *o, int64_t classes,
                       ae_tensor *weight, ae_tensor *at)
{
    double sum = 0;
    for (int64_t i = 0; i < ae_numel(targets) && ae_ok(g); i++) {
        int64_t t = ae_get_i64(targets, i);
        bool counts = t != o->ignore_index;
        if (counts && (t < 0 || t >= classes)) {
            ae_fail(g, AE_E_VALUE, "nll_loss: target %lld is %lld; there are %lld classes, and %lld is ignored",
                    (long long)i, (long long)t, (long long)classes, (long long)o->ignore_index);
            break;
        }
        double w = !counts ? 0.0 : o->class_weight ? ae_get_f64(o->class_weight, t) : 1.0;
        ae_set_f64(weight, i, w);
        ae_set_i64(at, i, i * classes + (counts ? t : 0));
        sum += w;
    }
    return sum;
}

ae_tensor *ae_nll_loss(ae_graph *g, ae_tensor *logp, ae_tensor *targets, const ae_cross_entropy_options *options)
{
    char a[AE_SHAPE_TEXT_MAX], b[AE_SHAPE_TEXT_MAX];
    ae_cross_entropy_options o = {.ignore_index = -100};
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    o = options ? *options : o;
    if (logp->ndim != targets->ndim + 1 ||
        memcmp(logp->shape, targets->shape, (size_t)targets->ndim * sizeof(int64_t)) != 0) {
        return ae_fail(g, AE_E_SHAPE, "nll_loss: logp %s must be targets %s with one more axis, the classes",
                       ae_shape_text(logp->ndim, logp->shape, a), ae_shape_text(targets->ndim, targets->shape, b));
    }
    int64_t rows = ae_numel(targets), v = ae_dim(logp, -1);
    ae_frame f = ae_frame_open(g);
    logp = ae_to_f32(g, logp);
    ae_tensor *w = ae_zeros(g, logp->dtype, 1, &rows), *at = ae_zeros(g, AE_I64, 1, &rows);
    if (!ae_ok(g)) {
        return ae_frame_return(f, ae_bad(g));
    }
    double sum = nll_rows(g, targets, &o, v, w, at);
    ae_tensor *picked = ae_index_select(g, ae_reshape(g, logp, 1, (int64_t[]){rows * v}), 0, at);
    ae_tensor *loss = ae_mul(g, ae_neg(g, picked), w);
    loss = reduced(g, loss, o.reduction, sum);
    return ae_frame_return(f,
                           o.reduction == AE_REDUCE_NONE ? ae_reshape(g, loss, targets->ndim, targets->shape) : loss);
}

/* ---- the others ----------------------------------------------------------------------------------------------------- */

ae_tensor *ae_binary_cross_entropy_with_logits(ae_graph *g, ae_tensor *logits, ae_tensor *targets, ae_tensor *weight,
                                               ae_reduction reduction)
{
    char a[AE_SHAPE_TEXT_MAX], b[AE_SHAPE_TEXT_MAX];
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    if (!ae_same_shape(logits, targets)) {
        return ae_fail(g, AE_E_SHAPE, "binary_cross_entropy_with_logits: logits %s and targets %s must have one shape",
                       ae_shape_text(logits->ndim, logits->shape, a), ae_shape_text(targets->ndim, targets->shape, b));
    }
    ae_frame f = ae_frame_open(g);
    logits = ae_to_f32(g, logits);
    /* log(1 + e^x) - x y */
    ae_tensor *loss = ae_sub(g, ae_softplus(g, logits), ae_mul(g, logits, targets));
    loss = weight ? ae_mul(g, loss, weight) : loss;
    return ae_frame_return(f, reduced(g, loss, reduction, ae_ok(g) ? (double)ae_numel(loss) : 1));
}

ae_tensor *ae_kl_div(ae_graph *g, ae_tensor *log_q, ae_tensor *p, ae_reduction reduction)
{
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    ae_frame f = ae_frame_open(g);
    p = ae_to_f32(g, p);
    log_q = ae_to_f32(g, log_q);
    ae_tensor *zero = ae_eq(g, p, ae_scalar(g, p->dtype, 0)); /* 0 log 0 is 0, in the value and in the gradient */
    ae_tensor *log_p = ae_log(g, ae_masked_fill(g, p, zero, 1.0));
    ae_tensor *loss = ae_mul(g, p, ae_sub(g, log_p, log_q));
    double count = ae_ok(g) && loss->ndim ? (double)loss->shape[0] : 1;
    return ae_frame_return(f, reduced(g, loss, reduction, count));
}

ae_tensor *ae_mse_loss(ae_graph *g, ae_tensor *x, ae_tensor *y, ae_reduction reduction)
{
    ae_frame f = ae_frame_open(g);
    ae_tensor *loss = ae_square(g, ae_sub(g, ae_to_f32(g, x), ae_to_f32(g, y)));
    return ae_frame_return(f, reduced(g, loss, reduction, ae_ok(g) ? (double)ae_numel(loss) : 1));
}

ae_tensor *ae_cosine_similarity(ae_graph *g, ae_tensor *x, ae_tensor *y, int axis, double eps)
{
    ae_frame f = ae_frame_open(g);
    x = ae_to_f32(g, x);
    y = ae_to_f32(g, y);
    ae_tensor *dot = ae_sum(g, ae_mul(g, x, y), 1, &axis, false);
    ae_tensor *xx = ae_sum(g, ae_square(g, x), 1, &axis, false), *yy = ae_sum(g, ae_square(g, y), 1, &axis, false);
    double inf = (double)INFINITY;
    ae_tensor *norms = ae_mul(g, ae_clamp(g, xx, eps * eps, inf), ae_clamp(g, yy, eps * eps, inf));
    return ae_frame_return(f, ae_mul(g, dot, ae_rsqrt(g, norms)));
}
