#include "op_checks.h"
#include "op_harness.c"
#include "tensor/kernels.h"

#include <stdarg.h>
#include <stdio.h>

ae_graph *graph;

static void wrong(verdict *v, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (!v->failed) {
        vsnprintf(v->text, sizeof v->text, format, args);
    }
    v->failed = true;
    va_end(args);
}

static bool ran(verdict *v, const harness *h, const char *what)
{
    if (!ae_ok(h->graph)) {
        wrong(v, "%s variant %d (%s): %s", h->op->name, h->variant, what, ae_graph_error(h->graph)->message);
    }
    return ae_ok(h->graph);
}

static double worst(const double *a, const double *b, int64_t n)
{
    double e = 0;
    for (int64_t i = 0; i < n; i++) {
        double d = fabs(a[i] - b[i]);
        e = d > e || isnan(d) ? d : e;
        if (isnan(d)) {
            return (double)INFINITY;
        }
    }
    return e;
}

static double largest(const double *a, int64_t n)
{
    double m = 0;
    for (int64_t i = 0; i < n; i++) {
        m = fabs(a[i]) > m ? fabs(a[i]) : m;
    }
    return m;
}

void first_order(verdict *v, const ae_op *op, int variant)
{
    const double eps = 1e-5;
    harness *h = h_new(graph, op, variant);
    h_run(h, true);
    ran(v, h, "f64");
    double *grads[H_MAX_INPUTS];
    for (int i = 0; i < h->count; i++) {
        grads[i] = malloc((size_t)(h->in[i].n + 1) * sizeof(double));
        memcpy(grads[i], h->in[i].grad, (size_t)h->in[i].n * sizeof(double));
    }
    for (int i = 0; i < h->count; i++) {
        h_input *in = &h->in[i];
        for (int64_t k = 0; in->differentiable && k < in->n && !v->failed; k++) {
            double x = in->values[k];
            in->values[k] = x + eps;
            double up = h_run(h, false);
            in->values[k] = x - eps;
            double down = h_run(h, false);
            in->values[k] = x;
            double want = (up - down) / (2 * eps);
            if (!(fabs(grads[i][k] - want) <= 1e-6 * (1 + fabs(want)))) {
                wrong(v, "%s variant %d: gradient of input %d at %lld is %.10g, differences say %.10g", op->name,
                      variant, i, (long long)k, grads[i][k], want);
            }
        }
    }
    for (int i = 0; i < h->count; i++) {
        free(grads[i]);
    }
    h_free(h);
}

/* d/dx of sum_i v_i dL/dx_i, for the primitive ops and the decompositions, against differences of first derivatives. */
static double directional(harness *h, const double *const *v, bool backward)
{
    ae_graph_begin(graph, AE_TRAIN | AE_HIGHER_ORDER);
    ae_tensor *y = h_build(h);
    ae_tensor *xs[H_MAX_INPUTS], *gx[H_MAX_INPUTS];
    int which[H_MAX_INPUTS], n = 0;
    for (int i = 0; i < h->count; i++) {
        if (h->in[i].differentiable) {
            which[n] = i;
            xs[n++] = h->in[i].tensor;
        }
    }
    if (!y->slot || ae_grad(graph, y, NULL, xs, n, gx, AE_CREATE_GRAPH) != 0) {
        return ae_ok(graph) ? 0.0 : (double)NAN;
    }
    ae_tensor *total = NULL;
    for (int i = 0; i < n; i++) {
        ae_tensor *w = ae_from_data(graph, AE_F64, xs[i]->ndim, xs[i]->shape, v[which[i]]);
        ae_tensor *part = ae_sum(graph, ae_mul(graph, gx[i], w), 0, NULL, false);
        total = total ? ae_add(graph, total, part) : part;
    }
    double value = ae_item(total);
    for (int i = 0; i < h->count; i++) {
        memset(h->in[i].grad, 0, (size_t)h->in[i].n * sizeof(double));
    }
    if (backward && total->slot) {
        ae_tensor *hv[H_MAX_INPUTS];
        if (ae_grad(graph, total, NULL, xs, n, hv, AE_RETAIN) != 0) {
            return (double)NAN;
        }
        for (int i = 0; i < n; i++) {
            ae_read(hv[i], AE_F64, h->in[which[i]].grad, h->in[which[i]].n);
        }
    }
    return ae_ok(graph) ? value : (double)NAN;
}

void second_order(verdict *result, const ae_op *op, int variant)
{
    const double eps = 1e-5;
    harness *h = h_new(graph, op, variant);
    h_run(h, false);
    double *v[H_MAX_INPUTS], *grads[H_MAX_INPUTS];
    for (int i = 0; i < h->count; i++) {
        v[i] = malloc((size_t)(h->in[i].n + 1) * sizeof(double));
        grads[i] = malloc((size_t)(h->in[i].n + 1) * sizeof(double));
        for (int64_t k = 0; k < h->in[i].n; k++) {
            v[i][k] = next_random(h) * 2 - 1;
        }
    }
    directional(h, (const double *const *)v, true);
    ran(result, h, "second order");
    for (int i = 0; i < h->count; i++) {
        memcpy(grads[i], h->in[i].grad, (size_t)h->in[i].n * sizeof(double));
    }
    for (int i = 0; i < h->count; i++) {
        h_input *in = &h->in[i];
        for (int64_t k = 0; in->differentiable && k < in->n && !result->failed; k++) {
            double x = in->values[k];
            in->values[k] = x + eps;
            double up = directional(h, (const double *const *)v, false);
            in->values[k] = x - eps;
            double down = directional(h, (const double *const *)v, false);
            in->values[k] = x;
            double want = (up - down) / (2 * eps);
            if (!(fabs(grads[i][k] - want) <= 2e-6 * (1 + fabs(want)))) {
                wrong(result, "%s variant %d: second derivative at input %d, %lld is %.10g, differences say %.10g",
                      op->name, variant, i, (long long)k, grads[i][k], want);
            }
        }
    }
    for (int i = 0; i < h->count; i++) {
        free(v[i]);
        free(grads[i]);
    }
    h_free(h);
}

/* The largest gradient of input i; in bf16 that of any input, for terms that cancel in one input's gradient leave the
 * rounding of the values between, which is of the others' size. */
static double gradient_scale(const harness *truth, ae_dtype dtype, int i)
{
    double scale = largest(truth->in[i].grad, truth->in[i].n);
    for (int k = 0; k < truth->count && dtype == AE_BF16; k++) {
        double other = largest(truth->in[k].grad, truth->in[k].n);
        scale = other > scale ? other : scale;
    }
    return scale;
}

static void compare(verdict *v, const harness *h, const harness *truth, double tolerance, const char *what)
{
    double scale = largest(truth->outputs, truth->n_outputs);
    double e = worst(h->outputs, truth->outputs, truth->n_outputs);
    if (!(e <= tolerance * (scale + 1e-3))) {
        wrong(v, "%s variant %d, %s: values differ by %g of %g", h->op->name, h->variant, what, e, scale);
    }
    for (int i = 0; i < truth->count; i++) {
        if (!truth->in[i].differentiable || i == h->no_grad_input) {
            continue;
        }
        scale = gradient_scale(truth, h->dtype, i);
        e = worst(h->in[i].grad, truth->in[i].grad, truth->in[i].n);
        if (!(e <= tolerance * (scale + 1e-3))) {
            wrong(v, "%s variant %d, %s: gradient of input %d differs by %g of %g", h->op->name, h->variant, what, i, e,
                  scale);
        }
    }
}

/* How many terms a sum in the op may have: all the elements of an input but for one axis, the shortest. */
static int64_t reduction_length(const harness *h)
{
    int64_t length = 1;
    for (int i = 0; i < h->count; i++) {
        int64_t shortest = h->in[i].n;
        for (int k = 0; k < h->in[i].ndim; k++) {
            shortest = h->in[i].shape[k] < shortest ? h->in[i].shape[k] : shortest;
        }
        int64_t n = shortest > 0 && h->in[i].ndim > 1 ? h->in[i].n / shortest : h->in[i].n;
        length = n > length ? n : length;
    }
    return length;
}

/* One run in another dtype or layout against the truth in f64. */
static void one_fast_path(verdict *v, const harness *truth, ae_dtype dtype, layout laid, int off)
{
    char what[64];
    snprintf(what, sizeof what, "%s%s%s, kernels %s", ae_dtype_name(dtype), laid == LAYOUT_STRIDED ? " strided" : "",
             truth->used_again ? " used again" : "", ae_kernels_name());
    harness *h = h_new(graph, truth->op, truth->variant);
    h->used_again = truth->used_again;
    h->dtype = dtype;
    h->layout = laid;
    h->no_grad_input = off;
    h_run(h, true);
    double step = dtype == AE_BF16 ? 0x1p-7 : 1e-5;
    if (ae_ok(graph)) {
        compare(v, h, truth, step * sqrt((double)reduction_length(truth)), what);
    } else if (dtype != AE_BF16 ||
               ae_graph_error(graph)->code != AE_E_DTYPE) { /* an op may refuse bf16, in those words */
        ran(v, h, what);
    }
    h_free(h);
}

/* Gradients on top of those of a later use, which a vjp may add to in place. */
static void on_top(verdict *v, const ae_op *op, int variant)
{
    harness *truth = h_new(graph, op, variant);
    truth->used_again = true;
    h_run(truth, true);
    ran(v, truth, "f64");
    one_fast_path(v, truth, AE_F32, LAYOUT_DENSE, -1);
    h_free(truth);
}

void fast_path(verdict *v, const ae_op *op, int variant)
{
    harness *truth = h_new(graph, op, variant);
    h_run(truth, true);
    ran(v, truth, "f64");
    for (int off = -1; off < truth->count && !v->failed; off++) {
        if (off < 0 || truth->in[off].differentiable) {
            one_fast_path(v, truth, AE_F32, LAYOUT_DENSE, off);
            one_fast_path(v, truth, AE_F32, LAYOUT_STRIDED, off);
        }
    }
    h_free(truth);
    on_top(v, op, variant);
}

void bf16_path(verdict *v, const ae_op *op, int variant)
{
    harness *truth = h_new(graph, op, variant);
    h_run(truth, true);
    ran(v, truth, "f64");
    one_fast_path(v, truth, AE_BF16, LAYOUT_DENSE, -1);
    one_fast_path(v, truth, AE_BF16, LAYOUT_STRIDED, -1);
    h_free(truth);
}

/* ---- extents of zero --------------------------------------------------------------------------------------------- */

static bool same_or_both_nan(double a, double b)
{
    return a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-4 * (1 + fabs(b));
}

/* Every axis of this extent becomes empty. The op may refuse, in the same way in both dtypes, or must give the same
 * values and gradients. */
static void zero_extent(verdict *v, const ae_op *op, int variant, int64_t extent)
{
    harness *h[2];
    ae_code code[2];
    for (int i = 0; i < 2; i++) {
        h[i] = h_new(graph, op, variant);
        h[i]->dtype = i ? AE_F32 : AE_F64;
        h[i]->zero_extent = extent;
        h_run(h[i], true);
        code[i] = ae_graph_error(graph)->code;
    }
    if (code[0] != code[1] || h[0]->n_outputs != h[1]->n_outputs) {
        wrong(v, "%s variant %d: with an extent of 0 for %lld, f64 gives code %d, f32 code %d", op->name, variant,
              (long long)extent, (int)code[0], (int)code[1]);
    }
    for (int64_t i = 0; i < h[0]->n_outputs && code[0] == AE_OK && !v->failed; i++) {
        if (!same_or_both_nan(h[0]->outputs[i], h[1]->outputs[i])) {
            wrong(v, "%s variant %d: with an extent of 0 for %lld, f64 gives %g, f32 gives %g", op->name, variant,
                  (long long)extent, h[0]->outputs[i], h[1]->outputs[i]);
        }
    }
    for (int i = 0; i < h[0]->count && code[0] == AE_OK; i++) {
        for (int64_t k = 0; k < h[0]->in[i].n && !v->failed; k++) {
            if (!same_or_both_nan(h[0]->in[i].grad[k], h[1]->in[i].grad[k])) {
                wrong(v,
                      "%s variant %d: with an extent of 0 for %lld, the gradient of input %d is %g in f64, %g "
                      "in f32",
                      op->name, variant, (long long)extent, i, h[0]->in[i].grad[k], h[1]->in[i].grad[k]);
            }
        }
    }
    h_free(h[0]);
    h_free(h[1]);
}

void zero_extents(verdict *v, const ae_op *op, int variant)
{
    harness *h = h_new(graph, op, variant);
    h_run(h, false);
    for (int i = 0; i < h->count; i++) {
        for (int k = 0; k < h->in[i].ndim; k++) {
            if (h->in[i].shape[k] > 1) {
                zero_extent(v, op, variant, h->in[i].shape[k]);
            }
        }
    }
    h_free(h);
}
