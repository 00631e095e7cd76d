/* Walks the list of ops: every row's derivative against central differences in f64, first and second order; every fast
 * path against the f64 result, values and gradients, dense and strided, with each input's gradient switched off in
 * turn. */
#include "op_harness.c"
#include "op_harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static ae_graph *g;

static void check_ok(const harness *h, const char *what)
{
    if (!ae_ok(h->graph)) {
        fail_msg("%s variant %d (%s): %s", h->op->name, h->variant, what, ae_graph_error(h->graph)->message);
    }
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

/* First derivatives in f64 against central differences. */
static void first_order(const ae_op *op, int variant)
{
    const double eps = 1e-5;
    harness *h = h_new(g, op, variant);
    h_run(h, true);
    check_ok(h, "f64");
    double *grads[H_MAX_INPUTS];
    for (int i = 0; i < h->count; i++) {
        grads[i] = malloc((size_t)(h->in[i].n + 1) * sizeof(double));
        memcpy(grads[i], h->in[i].grad, (size_t)h->in[i].n * sizeof(double));
    }
    for (int i = 0; i < h->count; i++) {
        h_input *in = &h->in[i];
        for (int64_t k = 0; in->differentiable && k < in->n; k++) {
            double x = in->values[k];
            in->values[k] = x + eps;
            double up = h_run(h, false);
            in->values[k] = x - eps;
            double down = h_run(h, false);
            in->values[k] = x;
            double want = (up - down) / (2 * eps);
            if (!(fabs(grads[i][k] - want) <= 1e-6 * (1 + fabs(want)))) {
                fail_msg("%s variant %d: gradient of input %d at %lld is %.10g, differences say %.10g", op->name,
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
    ae_graph_begin(g, AE_TRAIN | AE_HIGHER_ORDER);
    ae_tensor *y = h_build(h);
    ae_tensor *xs[H_MAX_INPUTS], *gx[H_MAX_INPUTS];
    int which[H_MAX_INPUTS], n = 0;
    for (int i = 0; i < h->count; i++) {
        if (h->in[i].differentiable) {
            which[n] = i;
            xs[n++] = h->in[i].tensor;
        }
    }
    if (!y->slot || ae_grad(g, y, NULL, xs, n, gx, AE_CREATE_GRAPH) != 0) {
        return ae_ok(g) ? 0.0 : (double)NAN;
    }
    ae_tensor *total = NULL;
    for (int i = 0; i < n; i++) {
        ae_tensor *w = ae_from_data(g, AE_F64, xs[i]->ndim, xs[i]->shape, v[which[i]]);
        ae_tensor *part = ae_sum(g, ae_mul(g, gx[i], w), 0, NULL, false);
        total = total ? ae_add(g, total, part) : part;
    }
    double value = ae_item(total);
    for (int i = 0; i < h->count; i++) {
        memset(h->in[i].grad, 0, (size_t)h->in[i].n * sizeof(double));
    }
    if (backward && total->slot) {
        ae_tensor *hv[H_MAX_INPUTS];
        if (ae_grad(g, total, NULL, xs, n, hv, AE_RETAIN) != 0) {
            return (double)NAN;
        }
        for (int i = 0; i < n; i++) {
            ae_read(hv[i], AE_F64, h->in[which[i]].grad, h->in[which[i]].n);
        }
    }
    return ae_ok(g) ? value : (double)NAN;
}

static void second_order(const ae_op *op, int variant)
{
    const double eps = 1e-5;
    harness *h = h_new(g, op, variant);
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
    check_ok(h, "second order");
    for (int i = 0; i < h->count; i++) {
        memcpy(grads[i], h->in[i].grad, (size_t)h->in[i].n * sizeof(double));
    }
    for (int i = 0; i < h->count; i++) {
        h_input *in = &h->in[i];
        for (int64_t k = 0; in->differentiable && k < in->n; k++) {
            double x = in->values[k];
            in->values[k] = x + eps;
            double up = directional(h, (const double *const *)v, false);
            in->values[k] = x - eps;
            double down = directional(h, (const double *const *)v, false);
            in->values[k] = x;
            double want = (up - down) / (2 * eps);
            if (!(fabs(grads[i][k] - want) <= 2e-6 * (1 + fabs(want)))) {
                fail_msg("%s variant %d: second derivative at input %d, %lld is %.10g, differences say %.10g", op->name,
                         variant, i, (long long)k, grads[i][k], want);
            }
        }
    }
    for (int i = 0; i < h->count; i++) {
        free(v[i]);
        free(grads[i]);
    }
    h_free(h);
}

static void compare(const harness *h, const harness *truth, double tolerance, const char *what)
{
    double scale = largest(truth->outputs, truth->n_outputs);
    double e = worst(h->outputs, truth->outputs, truth->n_outputs);
    if (!(e <= tolerance * (scale + 1e-3))) {
        fail_msg("%s variant %d, %s: values differ by %g of %g", h->op->name, h->variant, what, e, scale);
    }
    for (int i = 0; i < truth->count; i++) {
        if (!truth->in[i].differentiable || i == h->no_grad_input) {
            continue;
        }
        scale = largest(truth->in[i].grad, truth->in[i].n);
        e = worst(h->in[i].grad, truth->in[i].grad, truth->in[i].n);
        if (!(e <= tolerance * (scale + 1e-3))) {
            fail_msg("%s variant %d, %s: gradient of input %d differs by %g of %g", h->op->name, h->variant, what, i, e,
                     scale);
        }
    }
}

static int64_t reduction_length(const harness *h)
{
    int64_t n = 1;
    for (int i = 0; i < h->count; i++) {
        for (int k = 0; k < h->in[i].ndim; k++) {
            n = h->in[i].shape[k] > n ? h->in[i].shape[k] : n;
        }
    }
    return n;
}

/* The fast path in f32: dense, strided, and with each input's gradient off in turn. */
static void fast_path(const ae_op *op, int variant)
{
    harness *truth = h_new(g, op, variant);
    h_run(truth, true);
    check_ok(truth, "f64");
    double tolerance = 1e-5 * sqrt((double)reduction_length(truth));
    for (int mode = 0; mode < 2; mode++) {
        for (int off = -1; off < truth->count; off++) {
            if (off >= 0 && !truth->in[off].differentiable) {
                continue;
            }
            harness *h = h_new(g, op, variant);
            h->dtype = AE_F32;
            h->layout = mode ? LAYOUT_STRIDED : LAYOUT_DENSE;
            h->no_grad_input = off;
            h_run(h, true);
            check_ok(h, mode ? "f32 strided" : "f32");
            compare(h, truth, tolerance, mode ? "f32 strided" : "f32");
            h_free(h);
        }
    }
    h_free(truth);
}

static void derivatives_agree_with_differences(void **state)
{
    int n;
    const ae_op *const *list = ae_op_list(&n);
    (void)state;
    for (int i = 0; i < n; i++) {
        if (!list[i]->vjp) {
            assert_non_null(list[i]->no_vjp);
            continue;
        }
        assert_true(list[i]->sample && list[i]->samples > 0);
        for (int k = 0; k < list[i]->samples; k++) {
            first_order(list[i], k);
            second_order(list[i], k);
        }
    }
}

static void fast_paths_agree_with_f64(void **state)
{
    int n;
    const ae_op *const *list = ae_op_list(&n);
    (void)state;
    for (int i = 0; i < n; i++) {
        assert_non_null(list[i]->sample);
        for (int k = 0; k < list[i]->samples + list[i]->big_samples; k++) {
            fast_path(list[i], k);
        }
    }
}

static void rows_are_complete(void **state)
{
    int n;
    const ae_op *const *list = ae_op_list(&n);
    (void)state;
    for (int i = 0; i < n; i++) {
        const ae_op *op = list[i];
        assert_non_null(op->formula);
        assert_true(op->vjp || op->no_vjp);
        assert_false(op->vjp && op->no_vjp);
        assert_true(!(op->flags & AE_OP_FUSED) || op->decompose);
        assert_ptr_equal(ae_op_find(op->name), op);
        for (int k = 0; k < i; k++) {
            assert_string_not_equal(list[k]->name, op->name);
        }
    }
}

static int setup(void **state)
{
    (void)state;
    g = ae_graph_new();
    return g ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    ae_graph_free(g);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_complete),
        cmocka_unit_test(derivatives_agree_with_differences),
        cmocka_unit_test(fast_paths_agree_with_f64),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
