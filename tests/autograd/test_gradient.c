/* The ways into backward: sums over rounds, kept tapes, gradients of gradients, hooks, custom ops, anomalies, DOT. */
#include "nn/model.h"
#include "op_values.h"

static ae_tensor *total(ae_tensor *x)
{
    return ae_sum(g, x, 0, NULL, false);
}

static ae_tensor *leaf(const char *shape)
{
    return ae_requires_grad(g, ladder(AE_F64, shape));
}

static int64_t held(void)
{
    return ae_pool_get_stats(ae_graph_pool(g)).held;
}

static int begin_higher(void **state)
{
    (void)state;
    ae_graph_begin(g, AE_TRAIN | AE_HIGHER_ORDER);
    return 0;
}

/* ---- backward ------------------------------------------------------------------------------------------------------ */

static void rounds_add_up(void **state)
{
    (void)state;
    ae_model *m = ae_model_new(0);
    ae_tensor *w = ae_param(m, "w", 1, (int64_t[]){3}, ae_init_ones());
    for (int round = 1; round <= 3; round++) {
        ae_graph_begin(g, AE_TRAIN);
        assert_int_equal(ae_backward(g, total(ae_mul(g, w, ladder(AE_F32, "3"))), 0), 0);
        expect(w->grad, "[3]", 3, (double[]){0, round, 2 * round});
    }
    ae_graph *other = ae_graph_new(); /* a round in another graph counts too */
    ae_graph_begin(other, AE_TRAIN);
    assert_int_equal(ae_backward(other, ae_sum(other, w, 0, NULL, false), 0), 0);
    ae_graph_free(other);
    expect(w->grad, "[3]", 3, (double[]){1, 4, 7});
    ae_graph_begin(g, AE_TRAIN); /* the gradient outlives graph and step */
    expect(w->grad, "[3]", 3, (double[]){1, 4, 7});
    ae_model_zero_grad(m);
    assert_null(w->grad);
    ae_model_free(m);
}

/* A parameter takes its gradient over; of a part of something larger it takes a copy, and the rest goes. */
static void gradients_are_taken_over(void **state)
{
    (void)state;
    ae_model *m = ae_model_new(0);
    ae_tensor *w = ae_param(m, "w", 1, (int64_t[]){1000}, ae_init_ones());
    int64_t before = held(), bytes = 1000 * 4;
    ae_tensor *x = ladder(AE_F32, "1000");
    ae_tensor *loss = total(ae_mul(g, w, x));
    ae_pool_reset_peak(ae_graph_pool(g));
    int64_t now = held();
    assert_int_equal(ae_backward(g, loss, 0), 0);
    assert_true(ae_pool_get_stats(ae_graph_pool(g)).peak - now < 2 * bytes);
    ae_graph_begin(g, AE_TRAIN);
    assert_true(held() - before == bytes);
    ae_model_zero_grad(m);
    assert_true(held() == before);

    ae_tensor *both[] = {w, ladder(AE_F32, "3000")};
    assert_int_equal(ae_backward(g, total(ae_square(g, ae_concat(g, both, 2, 0))), 0), 0);
    ae_graph_begin(g, AE_TRAIN);
    assert_true(held() - before == bytes);
    assert_true(ae_get_f64(w->grad, 999) == 2);
    ae_model_free(m);
}

static void retained_twice(void **state)
{
    (void)state;
    ae_tensor *x = leaf("3");
    ae_tensor *y = ae_square(g, x);
    ae_retain_grad(g, y);
    ae_tensor *loss = total(ae_mul(g, y, ae_add(g, x, x)));
    int length = ae_graph_tape_length(g);
    assert_int_equal(ae_backward(g, loss, AE_RETAIN), 0);
    expect(x->grad, "[3]", 3, (double[]){0, 6, 24}); /* 2 x^3 */
    expect(y->grad, "[3]", 3, (double[]){0, 2, 4});
    assert_int_equal(ae_graph_tape_length(g), length);
    assert_int_equal(ae_backward(g, loss, AE_RETAIN), 0);
    expect(x->grad, "[3]", 3, (double[]){0, 12, 48});
    expect(y->grad, "[3]", 3, (double[]){0, 4, 8});
    assert_int_equal(ae_backward(g, loss, 0), 0);
    expect(x->grad, "[3]", 3, (double[]){0, 18, 72});
    assert_int_equal(ae_graph_tape_length(g), 0);
    assert_true(ae_graph_saved_bytes(g) == 0);
}

/* A kept tape is not written to by a vjp that would otherwise reuse what it saved. */
static void retained_cross_entropy(void **state)
{
    (void)state;
    ae_tensor *targets = values(AE_I64, "2", (double[]){1, 0});
    ae_tensor *x = ae_requires_grad(g, ladder(AE_F32, "2,3"));
    ae_tensor *loss = ae_cross_entropy(g, ae_scale(g, x, 0.5), targets, NULL);
    assert_int_equal(ae_backward(g, loss, AE_RETAIN), 0);
    double once[6], twice[6];
    ae_read(x->grad, AE_F64, once, 6);
    assert_int_equal(ae_backward(g, loss, 0), 0);
    ae_read(x->grad, AE_F64, twice, 6);
    for (int i = 0; i < 6; i++) {
        assert_true(twice[i] == 2 * once[i] && once[i] != 0);
    }
}

static void consumed(void **state)
{
    const char *message = "backward: the tape was consumed before; give AE_RETAIN to the first backward";
    (void)state;
    ae_tensor *x = leaf("3");
    ae_tensor *y = ae_square(g, x), *loss = total(y);
    assert_int_equal(ae_backward(g, loss, 0), 0);
    assert_int_equal(ae_backward(g, loss, 0), -1);
    assert_non_null(x->grad); /* nothing was reached, nothing is dropped */
    expect_error(AE_E_STATE, message);

    x = leaf("3");
    y = ae_square(g, x);
    assert_int_equal(ae_backward(g, total(y), 0), 0);
    loss = total(ae_mul(g, y, y)); /* new calls in the old ones' places */
    assert_int_equal(ae_backward(g, loss, 0), -1);
    expect_error(AE_E_STATE, message);
    x = leaf("3");
    loss = total(ae_square(g, x));
    assert_int_equal(ae_backward(g, loss, 0), 0);
    ae_square(g, x);
    ae_square(g, x);
    assert_int_equal(ae_backward(g, loss, 0), -1);
    expect_error(AE_E_STATE, message);
}

static void several_outputs(void **state)
{
    (void)state;
    ae_tensor *x = leaf("2");
    ae_tensor *y = ae_square(g, x), *z = total(x);
    ae_tensor *outputs[] = {y, z, x};
    ae_tensor *grads[] = {ladder(AE_F64, "2"), NULL, ladder(AE_F64, "2")};
    assert_int_equal(ae_backward_from(g, outputs, grads, 3, 0), 0);
    expect(x->grad, "[2]", 2, (double[]){1, 2 + 1 + 1});
    ae_graph_begin(g, AE_TRAIN);
    x = leaf("2");
    grads[0] = ladder(AE_F64, "3");
    outputs[0] = ae_square(g, x);
    assert_int_equal(ae_backward_from(g, outputs, grads, 1, 0), -1);
    expect_error(AE_E_SHAPE, "backward: the gradient given for output 0 has another shape than the output");
}

static void without_history(void **state)
{
    (void)state;
    ae_tensor *x = ladder(AE_F32, "2");
    assert_int_equal(ae_backward(g, total(x), 0), -1);
    expect_error(AE_E_GRADIENT, "backward: output 0 (sum) has no history: it depends on no parameter, or it was made "
                                "without AE_GRAD");
    assert_int_equal(ae_backward(g, ladder(AE_F32, ""), 0), -1);
    expect_error(AE_E_GRADIENT, "backward: output 0 (an input) has no history: it depends on no parameter, or it was "
                                "made without AE_GRAD");
    assert_int_equal(ae_backward(g, total(leaf("2")), AE_CREATE_GRAPH), -1);
    expect_error(AE_E_GRADIENT, "backward: AE_CREATE_GRAPH belongs to ae_grad");
}

static void no_grad(void **state)
{
    (void)state;
    ae_tensor *x = leaf("2");
    bool was = ae_set_recording(g, false);
    ae_tensor *y = ae_square(g, x);
    assert_null(y->slot);
    assert_int_equal(ae_graph_tape_length(g), 0);
    ae_set_recording(g, was);
    assert_true(was);
    assert_int_equal(ae_backward(g, total(ae_mul(g, x, y)), 0), 0);
    expect(x->grad, "[2]", 2, (double[]){0, 1}); /* y counts as a constant */
    assert_true(ae_set_recording(g, true));      /* backward gives back what was */
}

static void asking_for_gradients(void **state)
{
    (void)state;
    ae_requires_grad(g, ladder(AE_I64, "2"));
    expect_error(AE_E_GRADIENT, "requires_grad: a tensor of i64 has no gradient");
    ae_tensor *x = leaf("2");
    assert_ptr_equal(ae_requires_grad(g, x), x);
    ae_requires_grad(g, ae_exp(g, x));
    expect_error(AE_E_GRADIENT, "requires_grad: the tensor was made by exp; use ae_retain_grad, or ae_detach first");
    ae_retain_grad(g, ladder(AE_F32, "2"));
    expect_error(AE_E_GRADIENT, "retain_grad: the tensor has no history, so no gradient will reach it");
    ae_tensor *host = ae_tensor_new(AE_F32, 0, NULL, NULL);
    ae_requires_grad(g, host); /* the graph's bookkeeping must not hang on what outlives it */
    assert_null(host->slot);
    expect_error(AE_E_GRADIENT, "requires_grad: the tensor is not of this graph (a host tensor, a buffer or a frozen "
                                "parameter); pass it through ae_input");
    ae_tensor_free(host);
    ae_tensor *ids = ladder(AE_I64, "2"), *grad;
    assert_int_equal(ae_grad(g, total(leaf("2")), NULL, &ids, 1, &grad, 0), -1);
    expect_error(AE_E_GRADIENT, "grad: input 0 has no history; call ae_requires_grad on it before it is used");
    x = leaf("3");
    ae_tensor *at = ae_argmax(g, x, 0, false);
    assert_null(at->slot);
    assert_int_equal(ae_backward(g, at, 0), -1);
    expect_error(AE_E_GRADIENT, "backward: output 0 (argmax) has no history: it depends on no parameter, or it was "
                                "made without AE_GRAD");
}

/* ---- ae_grad and higher orders ------------------------------------------------------------------------------------- */

static void grad_leaves_grads_alone(void **state)
{
    (void)state;
    ae_tensor *x = leaf("2"), *other = leaf("2,2");
    ae_tensor *y = ae_square(g, x), *loss = total(ae_square(g, y));
    ae_retain_grad(g, y);
    ae_tensor *xs[] = {x, y, other, x}, *grads[4];
    int64_t before = held();
    assert_int_equal(ae_grad(g, loss, NULL, xs, 4, grads, AE_RETAIN), 0);
    expect(grads[0], "[2]", 2, (double[]){0, 4});
    expect(grads[1], "[2]", 2, (double[]){0, 2});
    expect(grads[2], "[2,2]", 4, (double[]){0, 0, 0, 0});
    expect(grads[3], "[2]", 2, (double[]){0, 4});
    assert_true(!x->grad && !y->grad && !other->grad);
    assert_true(held() - before == 2 * 16 + 32);
    /* y alone: what y was made of is not run at all */
    assert_int_equal(ae_grad(g, loss, ladder(AE_F64, ""), &xs[1], 1, grads, AE_RETAIN), 0);
    expect(grads[0], "[2]", 2, (double[]){0, 0});
    assert_int_equal(ae_grad(g, loss, NULL, &loss, 1, grads, AE_RETAIN), 0);
    expect(grads[0], "[]", 1, (double[]){1});
    assert_int_equal(ae_grad(g, x, ladder(AE_F64, "2"), xs, 3, grads, AE_RETAIN), 0); /* y is a leaf */
    expect(grads[0], "[2]", 2, (double[]){0, 1});
    expect(grads[1], "[2]", 2, (double[]){0, 0});
    assert_int_equal(ae_backward(g, loss, 0), 0);
    expect(x->grad, "[2]", 2, (double[]){0, 4});
}

/* Nothing is left behind when no target is reached: the next run starts from zero, the pool gets all back. */
static void unrelated_targets(void **state)
{
    (void)state;
    ae_tensor *x = leaf("2"), *other = leaf("3"), *grad;
    ae_tensor *y = total(ae_square(g, x));
    for (int i = 0; i < 3; i++) {
        ae_frame f = ae_frame_open(g);
        int64_t before = held();
        assert_int_equal(ae_grad(g, y, NULL, &other, 1, &grad, AE_RETAIN), 0);
        expect(grad, "[3]", 3, (double[]){0, 0, 0});
        assert_int_equal(ae_grad(g, x, ladder(AE_F64, "2"), &other, 1, &grad, AE_RETAIN), 0);
        ae_frame_close(f);
        assert_true(held() == before);
    }
    assert_int_equal(ae_backward(g, y, 0), 0);
    expect(x->grad, "[2]", 2, (double[]){0, 2});
}

static void create_graph_needs_flag(void **state)
{
    (void)state;
    ae_tensor *x = leaf("2"), *grad;
    assert_int_equal(ae_grad(g, total(ae_square(g, x)), NULL, &x, 1, &grad, AE_CREATE_GRAPH), -1);
    assert_ptr_equal(grad, ae_bad(g));
    expect_error(AE_E_GRADIENT,
                 "grad: AE_CREATE_GRAPH needs ae_graph_begin(g, ... | AE_HIGHER_ORDER) before the forward");
}

/* f(x) = sum x^4 / 4 + x0 x1: H = diag(3 x^2) + the exchange. */
static void hessian_vector_product(void **state)
{
    (void)state;
    ae_tensor *x = ae_requires_grad(g, values(AE_F64, "2", (double[]){2, 3}));
    ae_tensor *f = ae_add(g, ae_scale(g, total(ae_square(g, ae_square(g, x))), 0.25), ae_prod(g, x, 0, NULL, false));
    ae_tensor *v = values(AE_F64, "2", (double[]){1, -2}), *grad, *hv;
    assert_int_equal(ae_grad(g, f, NULL, &x, 1, &grad, AE_CREATE_GRAPH), 0);
    expect_near(grad, "[2]", 2, (double[]){8 + 3, 27 + 2}, 1e-12);
    assert_int_equal(ae_grad(g, total(ae_mul(g, grad, v)), NULL, &x, 1, &hv, 0), 0);
    expect_near(hv, "[2]", 2, (double[]){12 - 2, 1 - 54}, 1e-12);
    assert_null(x->grad);
}

/* Gulrajani et al. 2017: d/dw (|df/dx| - 1)^2 through a fused op; against differences. */
static double penalty(double shift, ae_tensor **w_out)
{
    ae_graph_begin(g, AE_TRAIN | AE_HIGHER_ORDER);
    ae_tensor *w = values(AE_F64, "2,3", (double[]){0.5, -1, 0.3, 0.8, 0.2 + shift, -0.6});
    ae_tensor *x = ae_requires_grad(g, values(AE_F64, "1,3", (double[]){1, -0.5, 0.25}));
    ae_requires_grad(g, w);
    ae_tensor *y = total(ae_tanh(g, ae_f_linear(g, x, w, NULL))), *grad;
    assert_int_equal(ae_grad(g, y, NULL, &x, 1, &grad, AE_CREATE_GRAPH), 0);
    ae_tensor *size = ae_norm(g, grad, 2, 0, NULL, false);
    ae_tensor *loss = ae_square(g, ae_add_scalar(g, size, -1));
    *w_out = w;
    assert_int_equal(ae_backward(g, loss, 0), 0);
    return ae_item(loss);
}

static void gradient_penalty(void **state)
{
    (void)state;
    ae_tensor *w;
    double h = 1e-5, up = penalty(h, &w), down = penalty(-h, &w);
    penalty(0, &w);
    assert_true(fabs(ae_get_f64(w->grad, 4)) > 1e-2);
    assert_true(fabs(ae_get_f64(w->grad, 4) - (up - down) / (2 * h)) < 1e-8);
}

/* One Newton step from anywhere ends in the minimum of a quadratic: f = (x - c)^T A (x - c) / 2. */
static void newton_step(void **state)
{
    (void)state;
    ae_tensor *a = values(AE_F64, "2,2", (double[]){3, 1, 1, 2});
    ae_tensor *x = ae_requires_grad(g, values(AE_F64, "2,1", (double[]){-4, 9}));
    ae_tensor *d = ae_sub(g, x, values(AE_F64, "2,1", (double[]){1, 2})), *grad, *row;
    ae_tensor *f = ae_scale(g, total(ae_mul(g, d, ae_matmul(g, a, d))), 0.5);
    double hessian[4], slope[2];
    assert_int_equal(ae_grad(g, f, NULL, &x, 1, &grad, AE_CREATE_GRAPH), 0);
    ae_read(grad, AE_F64, slope, 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ae_grad(g, total(ae_slice(g, grad, 0, i, i + 1, 1)), NULL, &x, 1, &row, AE_RETAIN), 0);
        ae_read(row, AE_F64, hessian + 2 * i, 2);
    }
    double det = hessian[0] * hessian[3] - hessian[1] * hessian[2];
    assert_true(fabs(-4 - (hessian[3] * slope[0] - hessian[1] * slope[1]) / det - 1) < 1e-12);
    assert_true(fabs(9 - (hessian[0] * slope[1] - hessian[2] * slope[0]) / det - 2) < 1e-12);
}

static void jvp(void **state)
{
    (void)state;
    ae_tensor *x = leaf("3"), *v = values(AE_F64, "3", (double[]){1, 2, -1});
    ae_tensor *y = ae_mul(g, ae_square(g, x), ae_sum(g, x, 0, NULL, false)); /* x_i^2 s; s = 3 */
    expect_near(ae_jvp(g, y, x, v), "[3]", 3, (double[]){0, 2 * 1 * 2 * 3 + 2, 2 * 2 * -1 * 3 + 4 * 2}, 1e-12);
    expect(ae_jvp(g, ae_sum(g, leaf("2"), 0, NULL, false), x, v), "[]", 1, (double[]){0});
    ae_tensor *bad = ae_jvp(g, y, x, ladder(AE_F64, "2"));
    assert_ptr_equal(bad, ae_bad(g));
    expect_error(AE_E_SHAPE, "backward: the gradient given for output 0 has another shape than the output");
    x = leaf("3");
    ae_jvp(g, ae_exp(g, x), x, x);
    expect_error(AE_E_GRADIENT,
                 "grad: AE_CREATE_GRAPH needs ae_graph_begin(g, ... | AE_HIGHER_ORDER) before the forward");
}

static void third_derivative(void **state)
{
    (void)state;
    ae_tensor *x = ae_requires_grad(g, values(AE_F64, "2", (double[]){0.3, -1.1}));
    ae_tensor *y = total(ae_mul(g, ae_sin(g, x), ae_exp(g, x))), *d = NULL;
    for (int order = 1; order <= 3; order++) {
        assert_int_equal(ae_grad(g, y, NULL, &x, 1, &d, AE_CREATE_GRAPH), 0);
        y = total(d);
    }
    double expected[2]; /* (sin x e^x)''' = 2 e^x (cos x - sin x) */
    for (int i = 0; i < 2; i++) {
        double v = i ? -1.1 : 0.3;
        expected[i] = 2 * exp(v) * (cos(v) - sin(v));
    }
    expect_near(d, "[2]", 2, expected, 1e-12);
}

/* ---- hooks --------------------------------------------------------------------------------------------------------- */

typedef struct log_entry {
    int calls;
    double seen;
    double factor;        /* 0: leave the gradient alone */
    ae_tensor *returns;   /* instead of a multiple */
    ae_tensor *parameter; /* its grad before */
} log_entry;

static ae_tensor *watch(ae_graph *graph, ae_tensor *grad, void *user)
{
    log_entry *e = user;
    e->calls++;
    e->seen = ae_get_f64(grad, ae_numel(grad) - 1);
    return e->returns ? e->returns : e->factor != 0 ? ae_scale(graph, grad, e->factor) : NULL;
}

static void tensor_hooks(void **state)
{
    (void)state;
    log_entry on_x = {0}, on_y = {.factor = 10}, after = {0};
    ae_tensor *x = leaf("2");
    ae_tensor *y = ae_square(g, x);
    assert_int_equal(ae_hook(g, x, watch, &on_x), 0);
    assert_int_equal(ae_hook(g, y, watch, &on_y), 0);
    assert_int_equal(ae_hook(g, y, watch, &after), 0);
    ae_tensor *loss = total(ae_add(g, ae_scale(g, y, 3), ae_scale(g, y, 4)));
    assert_int_equal(ae_backward(g, loss, AE_RETAIN), 0);
    assert_true(on_y.calls == 1 && on_y.seen == 7);    /* the sum, once */
    assert_true(after.calls == 1 && after.seen == 70); /* in the order of setting */
    assert_true(on_x.calls == 1 && on_x.seen == 140);
    expect(x->grad, "[2]", 2, (double[]){0, 140});
    ae_tensor *grad; /* on an inner target too, whose own maker does not run */
    assert_int_equal(ae_grad(g, loss, NULL, &y, 1, &grad, AE_RETAIN), 0);
    expect(grad, "[2]", 2, (double[]){70, 70});
    assert_true(on_y.calls == 2 && on_x.calls == 1);
    ae_graph_begin(g, AE_TRAIN);
    x = leaf("2");
    assert_int_equal(ae_backward(g, total(x), 0), 0);
    assert_true(on_x.calls == 1);
    ae_hook(g, ladder(AE_F32, "2"), watch, &on_x);
    expect_error(AE_E_GRADIENT, "hook: the tensor has no history, so no gradient will reach it");
}

static void hooks_that_misbehave(void **state)
{
    (void)state;
    log_entry e = {0};
    ae_tensor *x = leaf("2");
    e.returns = ladder(AE_F64, "3");
    ae_hook(g, x, watch, &e);
    assert_int_equal(ae_backward(g, total(ae_square(g, x)), 0), -1);
    assert_null(x->grad);
    expect_error(AE_E_SHAPE, "hook: it returned a gradient of another shape");
    x = leaf("2");
    ae_frame f = ae_frame_open(g);
    e.returns = ae_name(g, ladder(AE_F64, "2"), "late");
    ae_frame_close(f);
    ae_hook(g, x, watch, &e);
    assert_int_equal(ae_backward(g, total(ae_square(g, x)), 0), -1);
    assert_int_equal(ae_graph_error(g)->code, AE_E_FREED);
    assert_non_null(strstr(ae_graph_error(g)->message, "hook: late was freed when the frame opened at "));
    ae_graph_begin(g, AE_TRAIN);
    x = ae_requires_grad(g, ladder(AE_F32, "2"));
    e.returns = ladder(AE_F64, "2"); /* another dtype: converted */
    ae_hook(g, x, watch, &e);
    assert_int_equal(ae_backward(g, total(ae_square(g, x)), 0), 0);
    assert_int_equal(x->grad->dtype, AE_F32);
    expect(x->grad, "[2]", 2, (double[]){0, 1});
}

static ae_tensor *starts_backward(ae_graph *graph, ae_tensor *grad, void *user)
{
    ae_tensor *other;
    (void)grad;
    if (user) {
        ae_grad(graph, user, NULL, (ae_tensor *[]){user}, 1, &other, 0);
    } else {
        ae_backward(graph, grad, 0);
    }
    return NULL;
}

static void backward_in_backward(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        ae_tensor *x = leaf("2");
        ae_hook(g, x, starts_backward, i ? x : NULL);
        assert_int_equal(ae_backward(g, total(ae_square(g, x)), 0), -1);
        expect_error(AE_E_STATE, i ? "grad: a backward of this graph is running; hooks and recomputed segments cannot "
                                     "start one"
                                   : "backward: a backward of this graph is running; hooks and recomputed segments "
                                     "cannot start one");
    }
}

/* A hook is part of what a second derivative sees. */
static void hooks_create_graph(void **state)
{
    (void)state;
    log_entry e = {.factor = 2};
    ae_tensor *x = ae_requires_grad(g, values(AE_F64, "1", (double[]){3})), *d, *dd;
    ae_tensor *y = ae_square(g, x);
    ae_hook(g, y, watch, &e);
    assert_int_equal(ae_grad(g, total(ae_square(g, y)), NULL, &x, 1, &d, AE_CREATE_GRAPH), 0);
    expect(d, "[1]", 1, (double[]){2 * 4 * 27});
    assert_int_equal(ae_grad(g, total(d), NULL, &x, 1, &dd, 0), 0);
    assert_true(e.calls == 2);
    /* d = 2 * 2 y * 2 x = 8 x y; its own way back through y passes the hook as well: 8 y + 2 * 8 x * 2 x */
    expect(dd, "[1]", 1, (double[]){8 * 9 + 2 * 16 * 9});
}

static void final(ae_tensor *parameter, void *user)
{
    log_entry *e = user;
    e->calls++;
    e->parameter = parameter;
    e->seen = ae_get_f64(parameter->grad, 0);
}

static void tied_parameter(void **state)
{
    (void)state;
    log_entry hooked = {0}, done = {0};
    ae_model *m = ae_model_new(0);
    ae_tensor *w = ae_param(m, "w", 2, (int64_t[]){2, 2}, ae_init_ones());
    ae_tie(m, "decoder.weight", w);
    ae_on_param_final(g, final, &done);
    for (int round = 1; round <= 2; round++) {
        ae_graph_begin(g, AE_TRAIN);
        ae_hook(g, ae_model_get(m, "decoder.weight"), watch, &hooked);
        ae_tensor *h = ae_f_linear(g, ae_ones(g, AE_F32, 2, (int64_t[]){1, 2}), w, NULL);
        assert_int_equal(ae_backward(g, total(ae_f_linear(g, h, w, NULL)), 0), 0);
        assert_true(hooked.calls == round && hooked.seen == 4); /* 2 from each use; this backward's alone */
        assert_true(done.calls == round && done.seen == 4 * round && done.parameter == w);
    }
    ae_graph_begin(g, AE_TRAIN); /* the hook went with its step */
    assert_int_equal(ae_backward(g, total(w), 0), 0);
    assert_true(hooked.calls == 2 && done.calls == 3);
    ae_on_param_final(g, NULL, NULL);
    ae_graph_begin(g, AE_TRAIN);
    assert_int_equal(ae_backward(g, total(w), 0), 0);
    assert_true(done.calls == 3);
    ae_model_free(m);
}

/* A hook set on a parameter in one graph says nothing to another, not even at the same step and address. */
static void parameter_hooks_are_the_graphs(void **state)
{
    (void)state;
    log_entry hooked = {0};
    ae_model *m = ae_model_new(0);
    ae_tensor *w = ae_param(m, "w", 0, NULL, ae_init_ones());
    for (int i = 0; i < 2; i++) {
        ae_graph *other = ae_graph_new();
        ae_graph_begin(other, AE_TRAIN);
        if (i == 0) {
            ae_hook(other, w, watch, &hooked);
        } else {
            assert_int_equal(ae_backward(other, ae_square(other, w), 0), 0);
        }
        ae_graph_free(other);
    }
    assert_int_equal(hooked.calls, 0);
    ae_model_free(m);
}

/* ---- a custom op --------------------------------------------------------------------------------------------------- */

static int cube_shape(ae_call *c)
{
    if (c->in[0]->dtype != AE_F64) {
        char text[AE_DESCRIBE_MAX];
        return ae_call_fail(c, AE_E_DTYPE, "%s is of %s; it takes f64", ae_call_describe(c, 0, text),
                            ae_dtype_name(c->in[0]->dtype));
    }
    ae_call_out_like(c, 0, c->in[0]);
    ae_call_out_like(c, 1, c->in[0]);
    return 0;
}

static int cube_forward(ae_call *c)
{
    for (int64_t i = 0; i < ae_numel(c->in[0]); i++) {
        double x = ae_get_f64(c->in[0], i);
        ae_set_f64(c->out[0], i, *(const double *)c->attr * x * x * x);
        ae_set_f64(c->out[1], i, -x);
    }
    return 0;
}

static int seen_gradients; /* bit k: output k had one */

static void cube_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    seen_gradients = (gout[0] ? 1 : 0) | (gout[1] ? 2 : 0);
    ae_frame f = ae_frame_open(c->graph);
    if (gout[0]) {
        gin[0] =
            ae_scale(c->graph, ae_mul(c->graph, gout[0], ae_square(c->graph, c->in[0])), 3 * *(const double *)c->attr);
    }
    if (gout[1]) {
        ae_tensor *minus = ae_neg(c->graph, gout[1]);
        gin[0] = gin[0] ? ae_add(c->graph, gin[0], minus) : minus;
    }
    gin[0] = ae_frame_return(f, gin[0]);
}

static ae_op cube = {
    .name = "cube",
    .formula = "a x^3, -x",
    .min_in = 1,
    .max_in = 1,
    .n_out = 2,
    .needs = {AE_IN(0)},
    .shape = cube_shape,
    .forward = cube_forward,
    .vjp = cube_vjp,
};

static void custom_op(void **state)
{
    (void)state;
    double a = 2;
    for (int used = 1; used <= 3; used++) {
        ae_graph_begin(g, AE_TRAIN | AE_HIGHER_ORDER);
        ae_tensor *x = leaf("3"), *out[AE_MAX_OUT], *d, *dd;
        assert_int_equal(ae_apply_n(g, &cube, &x, 1, &a, sizeof a, out), 0);
        ae_tensor *y = used == 1 ? out[0] : used == 2 ? out[1] : ae_add(g, out[0], out[1]);
        assert_int_equal(ae_grad(g, total(y), NULL, &x, 1, &d, AE_CREATE_GRAPH), 0);
        assert_int_equal(seen_gradients, used); /* an unused output's gradient is NULL, not zeros */
        for (int i = 0; i < 3; i++) {
            assert_true(ae_get_f64(d, i) == (used & 1 ? 6.0 * i * i : 0) - (used & 2 ? 1 : 0));
        }
        if (used & 1) {
            assert_int_equal(ae_grad(g, total(d), NULL, &x, 1, &dd, 0), 0);
            expect(dd, "[3]", 3, (double[]){0, 12, 24});
        }
    }
    ae_tensor *x = ae_name(g, ladder(AE_F32, "3"), "x");
    ae_apply(g, &cube, &x, 1, &a, sizeof a);
    expect_error(AE_E_DTYPE, "cube: x [3] is of f32; it takes f64");
    ae_tensor *two[] = {leaf("2"), leaf("2")};
    ae_apply(g, &cube, two, 2, &a, sizeof a);
    expect_error(AE_E_VALUE, "cube: 2 inputs; it takes 1 to 1");
}

static int no_output(ae_call *c)
{
    (void)c;
    return 0;
}

static void freed_gradient(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_frame f = ae_frame_open(c->graph);
    gin[0] = ae_scale(c->graph, gout[0], 2);
    ae_frame_close(f);
}

static void broken_custom_ops(void **state)
{
    (void)state;
    double a = 2;
    ae_op broken = cube;
    broken.shape = no_output;
    ae_tensor *x = leaf("2"), *out[AE_MAX_OUT];
    assert_int_equal(ae_apply_n(g, &broken, &x, 1, &a, sizeof a, out), -1);
    assert_true(out[0] == ae_bad(g) && out[1] == ae_bad(g));
    expect_error(AE_E_STATE, "cube: its shape rule described no output 0");
    broken.flags = AE_OP_VIEW;
    broken.forward = no_output;
    x = leaf("2");
    ae_apply(g, &broken, &x, 1, &a, sizeof a);
    expect_error(AE_E_STATE, "cube: its forward set no output 0");
    broken = cube;
    broken.needs[0] = 0;
    x = leaf("2");
    assert_int_equal(ae_backward(g, total(ae_apply(g, &broken, &x, 1, &a, sizeof a)), 0), -1);
    expect_error(AE_E_FREED, "backward of cube: square: the tensor (input 0) has no values: it was freed, or the op's "
                             "needs do not save it");
    broken.vjp = freed_gradient;
    x = leaf("2");
    assert_int_equal(ae_backward(g, total(ae_apply(g, &broken, &x, 1, &a, sizeof a)), 0), -1);
    assert_null(x->grad);
    assert_non_null(strstr(ae_graph_error(g)->message, "backward: the tensor was freed when the frame opened at "));
    ae_graph_begin(g, AE_TRAIN);
}

/* ---- anomalies ----------------------------------------------------------------------------------------------------- */

static void nan_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    gin[0] = ae_empty_like(c->graph, gout[0]);
    for (int64_t i = 0; i < ae_numel(gin[0]); i++) {
        ae_set_f64(gin[0], i, i == 1 ? (double)INFINITY : 0);
    }
}

static void anomaly(void **state)
{
    (void)state;
    ae_graph_begin(g, AE_TRAIN | AE_ANOMALY);
    ae_tensor *x = ae_name(g, leaf("3"), "x");
    ae_exp(g, ae_add_scalar(g, ae_log(g, x), 1)); /* log makes it, add and exp only hand it on */
    expect_error(AE_E_NONFINITE, "log: made -inf at element 0 of its output [3], from x [3]");

    ae_graph_begin(g, AE_TRAIN | AE_ANOMALY);
    x = leaf("2");
    assert_int_equal(ae_backward(g, total(ae_scale(g, ae_sqrt(g, x), 2)), 0), -1);
    assert_int_equal(ae_graph_error(g)->code, AE_E_NONFINITE);
    assert_int_equal(strncmp(ae_graph_error(g)->message, "backward of sqrt: ", 18), 0);
    assert_null(x->grad);

    ae_graph_begin(g, AE_TRAIN | AE_ANOMALY); /* a vjp that works on buffers */
    double a = 1;
    ae_op broken = cube;
    broken.vjp = nan_vjp;
    x = leaf("2");
    ae_tensor *y = ae_apply(g, &broken, (ae_tensor *[]){ae_exp(g, x)}, 1, &a, sizeof a);
    assert_int_equal(ae_backward(g, total(y), 0), -1);
    expect_error(AE_E_NONFINITE, "backward of cube: made inf at element 1 of the gradient [2] of input 0");

    x = leaf("3"); /* without the mode it goes through */
    assert_int_equal(ae_backward(g, total(ae_log(g, x)), 0), 0);
    assert_true(isinf(ae_get_f64(x->grad, 0)));
}

/* What forward handed to vjp goes back when the check that follows fails. */
static void anomaly_leaks_nothing(void **state)
{
    (void)state;
    ae_graph_begin(g, AE_TRAIN | AE_ANOMALY);
    int64_t before = held();
    ae_tensor *x = ae_requires_grad(g, values(AE_F32, "2,3", (double[]){1, 2, NAN, 3, 4, 5}));
    ae_f_layer_norm(g, x, NULL, NULL, 1e-5);
    assert_int_equal(ae_graph_error(g)->code, AE_E_NONFINITE);
    ae_graph_begin(g, AE_TRAIN);
    assert_true(held() == before);
    x = ae_requires_grad(g, values(AE_F32, "2,3", (double[]){1, 2, NAN, 3, 4, 5}));
    ae_graph_begin(g, AE_TRAIN | AE_ANOMALY);
    x = ae_requires_grad(g, values(AE_F32, "2,3", (double[]){1, 2, NAN, 3, 4, 5}));
    ae_cross_entropy(g, x, values(AE_I64, "2", (double[]){0, 1}), NULL);
    assert_int_equal(ae_graph_error(g)->code, AE_E_NONFINITE);
    ae_graph_begin(g, AE_TRAIN);
    assert_true(held() == before);
}

/* ---- DOT ----------------------------------------------------------------------------------------------------------- */

static void dot(void **state)
{
    (void)state;
    ae_tensor *x = ae_name(g, leaf("2"), "a \"b\"");
    ae_tensor *y = total(ae_mul(g, ae_exp(g, x), ae_ones(g, AE_F64, 0, NULL)));
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(ae_graph_dot(g, out), 0);
    fclose(out);
    assert_string_equal(text, "digraph tape {\n"
                              "  rankdir=BT;\n"
                              "  node [shape=box, fontname=\"monospace\"];\n"
                              "  op0 [label=\"exp\\n[2]\"];\n"
                              "  in0_0 [shape=ellipse, label=\"a \\\"b\\\"\\n[2]\"];\n"
                              "  in0_0 -> op0;\n"
                              "  op1 [label=\"mul\\n[2]\"];\n"
                              "  op0 -> op1;\n"
                              "  in1_1 [shape=ellipse, label=\"input\\n[]\"];\n"
                              "  in1_1 -> op1;\n"
                              "  op2 [label=\"sum\\n[]\"];\n"
                              "  op1 -> op2;\n"
                              "}\n");
    free(text);
    assert_int_equal(ae_graph_tape_length(g), 3);
    out = fopen("/dev/full", "w");
    if (out) {
        setvbuf(out, NULL, _IONBF, 0);
        assert_int_equal(ae_graph_dot(g, out), -1);
        fclose(out);
    }
    (void)y;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(rounds_add_up, begin_step),
        cmocka_unit_test_setup(gradients_are_taken_over, begin_step),
        cmocka_unit_test_setup(retained_twice, begin_step),
        cmocka_unit_test_setup(retained_cross_entropy, begin_step),
        cmocka_unit_test_setup(consumed, begin_step),
        cmocka_unit_test_setup(several_outputs, begin_step),
        cmocka_unit_test_setup(without_history, begin_step),
        cmocka_unit_test_setup(no_grad, begin_step),
        cmocka_unit_test_setup(asking_for_gradients, begin_step),
        cmocka_unit_test_setup(grad_leaves_grads_alone, begin_step),
        cmocka_unit_test_setup(unrelated_targets, begin_step),
        cmocka_unit_test_setup(create_graph_needs_flag, begin_step),
        cmocka_unit_test_setup(hessian_vector_product, begin_higher),
        cmocka_unit_test_setup(gradient_penalty, begin_higher),
        cmocka_unit_test_setup(newton_step, begin_higher),
        cmocka_unit_test_setup(jvp, begin_higher),
        cmocka_unit_test_setup(third_derivative, begin_higher),
        cmocka_unit_test_setup(tensor_hooks, begin_step),
        cmocka_unit_test_setup(hooks_that_misbehave, begin_step),
        cmocka_unit_test_setup(backward_in_backward, begin_step),
        cmocka_unit_test_setup(hooks_create_graph, begin_higher),
        cmocka_unit_test_setup(tied_parameter, begin_step),
        cmocka_unit_test_setup(parameter_hooks_are_the_graphs, begin_step),
        cmocka_unit_test_setup(custom_op, begin_step),
        cmocka_unit_test_setup(broken_custom_ops, begin_step),
        cmocka_unit_test_setup(anomaly, begin_step),
        cmocka_unit_test_setup(anomaly_leaks_nothing, begin_step),
        cmocka_unit_test_setup(dot, begin_step),
    };
    return cmocka_run_group_tests(tests, make_graph, free_graph);
}
