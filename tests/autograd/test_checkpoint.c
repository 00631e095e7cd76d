/* Recomputation: the same gradients to the bit, less memory, and nothing done twice that must be done once. */
#include "nn/linear.h"
#include "op_values.h"

enum { LAYERS = 4, WIDTH = 32, ROWS = 64 };

static ae_model *model;
static struct ae_linear linear[LAYERS];

static int make_model(void **state)
{
    char name[16];
    model = ae_model_new(7);
    for (int i = 0; i < LAYERS; i++) {
        snprintf(name, sizeof name, "layer.%d", i);
        ae_linear_init(model, &linear[i], name, WIDTH, WIDTH, ae_init_normal(0.3), true);
    }
    return ae_model_ok(model) ? make_graph(state) : -1;
}

static int free_model(void **state)
{
    ae_model_free(model);
    return free_graph(state);
}

static int begin_fresh(void **state)
{
    ae_model_zero_grad(model);
    return begin_step(state);
}

/* dropout(tanh(linear(x))) with intermediates that are worth not keeping. */
static ae_tensor *layer(ae_graph *graph, void *self, ae_tensor *const *in, int n)
{
    (void)n;
    ae_frame f = ae_frame_open(graph);
    ae_tensor *h = ae_dropout(graph, ae_tanh(graph, ae_linear(graph, self, in[0])), 0.25);
    h = ae_mul(graph, ae_sin(graph, h), ae_exp(graph, ae_scale(graph, h, 0.5)));
    return ae_frame_return(f, ae_dropout(graph, h, 0.25));
}

/* All layers, each a segment of its own when `nested`. */
typedef struct stack {
    bool nested;
    int runs;
} stack;

static ae_tensor *layers(ae_graph *graph, void *self, ae_tensor *const *in, int n)
{
    stack *s = self;
    ae_tensor *x = in[0];
    s->runs++;
    (void)n;
    for (int i = 0; i < LAYERS; i++) {
        x = s->nested ? ae_checkpoint(graph, layer, &linear[i], &x, 1) : layer(graph, &linear[i], &x, 1);
    }
    return x;
}

typedef enum how { PLAIN, BY_LAYER, WHOLE, NESTED } how;

typedef struct outcome {
    double loss, x_grad[ROWS * WIDTH], grads[2 * LAYERS][WIDTH * WIDTH];
    int64_t saved, peak;
} outcome;

static ae_tensor *forward(how way, ae_tensor *x)
{
    static stack s;
    s = (stack){.nested = way == BY_LAYER || way == NESTED};
    return way == WHOLE || way == NESTED ? ae_checkpoint(g, layers, &s, &x, 1) : layers(g, &s, &x, 1);
}

static ae_tensor *input(void)
{
    ae_tensor *x = ae_empty(g, AE_F32, 2, (int64_t[]){ROWS, WIDTH});
    for (int64_t i = 0; i < ae_numel(x); i++) {
        ae_set_f64(x, i, sin((double)i));
    }
    return ae_requires_grad(g, x);
}

static outcome *train(how way, ae_dtype precision)
{
    outcome *o = calloc(1, sizeof *o);
    ae_model_zero_grad(model);
    ae_graph_precision(g, precision);
    ae_graph_begin(g, AE_TRAIN);
    ae_graph_random(g, 11, 3, 0, 0);
    ae_dropout(g, ae_ones(g, AE_F32, 1, (int64_t[]){4}), 0.5); /* the segments do not begin at draw 0 */
    ae_tensor *x = input();
    ae_pool_reset_peak(ae_graph_pool(g));
    ae_tensor *y = forward(way, x);
    ae_tensor *loss = ae_sum(g, ae_square(g, ae_dropout(g, y, 0.5)), 0, NULL, false);
    o->saved = ae_graph_saved_bytes(g);
    o->loss = ae_item(loss);
    ae_graph_random(g, 99, 99, 9, 9); /* the segment's own key counts when it runs again, and its precision */
    ae_graph_precision(g, AE_F32);
    uint64_t draws = ae_draw(g);
    assert_int_equal(ae_backward(g, loss, 0), 0);
    assert_true(ae_draw(g) == draws + 1);
    o->peak = ae_pool_get_stats(ae_graph_pool(g)).peak;
    ae_read(x->grad, AE_F64, o->x_grad, ROWS * WIDTH);
    for (int i = 0; i < 2 * LAYERS; i++) {
        ae_tensor *p = ae_model_at(model, i).tensor;
        assert_non_null(p->grad);
        ae_read(p->grad, AE_F64, o->grads[i], ae_numel(p));
    }
    ae_graph_random(g, 0, 0, 0, 0);
    return o;
}

static void same_gradients_less_memory(void **state)
{
    (void)state;
    outcome *plain = train(PLAIN, AE_F32);
    assert_true(plain->loss > 0 && plain->x_grad[7] != 0 && plain->grads[0][5] != 0);
    for (how way = BY_LAYER; way <= NESTED; way++) {
        outcome *o = train(way, AE_F32);
        assert_true(o->loss == plain->loss);
        assert_memory_equal(o->x_grad, plain->x_grad, sizeof o->x_grad);
        assert_memory_equal(o->grads, plain->grads, sizeof o->grads);
        assert_true(2 * o->saved < plain->saved);
        if (way == BY_LAYER || way == NESTED) {
            assert_true(o->peak < plain->peak);
        }
        free(o);
    }
    free(plain);
}

/* One layer's intermediates at a time: the peak does not hold those of all layers. */
static void peak_falls(void **state)
{
    (void)state;
    int64_t activation = ROWS * WIDTH * 4;
    outcome *plain = train(PLAIN, AE_F32), *by_layer = train(BY_LAYER, AE_F32);
    assert_true(plain->saved - by_layer->saved >= 3 * LAYERS * activation);
    assert_true(plain->peak - by_layer->peak >= 2 * LAYERS * activation);
    free(plain);
    free(by_layer);
}

static void precision_is_restored(void **state)
{
    (void)state;
    outcome *f32 = train(PLAIN, AE_F32), *again = train(BY_LAYER, AE_BF16), *whole = train(WHOLE, AE_BF16);
    assert_true(again->loss != f32->loss && whole->loss == again->loss);
    assert_memory_equal(whole->x_grad, again->x_grad, sizeof again->x_grad);
    assert_int_equal(ae_graph_get_precision(g), AE_F32);
    free(f32);
    free(again);
    free(whole);
}

/* ---- parameters ---------------------------------------------------------------------------------------------------- */

static ae_tensor *weights_only(ae_graph *graph, void *self, ae_tensor *const *in, int n)
{
    (void)in;
    (void)n;
    return ae_square(graph, self);
}

static void parameters_only(void **state)
{
    (void)state;
    ae_tensor *b = linear[0].bias;
    ae_tensor *y = ae_checkpoint(g, weights_only, b, NULL, 0);
    ae_tensor *ramp = ladder(AE_F32, "32");
    assert_int_equal(ae_backward(g, ae_sum(g, ae_mul(g, y, ramp), 0, NULL, false), 0), 0);
    for (int i = 0; i < WIDTH; i++) {
        assert_true((float)ae_get_f64(b->grad, i) == (float)(2 * ae_get_f64(b, i) * i));
    }
}

typedef struct counter {
    int final, hooked;
    double seen;
} counter;

static void count_final(ae_tensor *parameter, void *user)
{
    counter *c = user;
    c->final++;
    c->seen = ae_get_f64(parameter->grad, 0);
}

static ae_tensor *count_hook(ae_graph *graph, ae_tensor *grad, void *user)
{
    (void)graph;
    (void)grad;
    ((counter *)user)->hooked++;
    return NULL;
}

/* A parameter shared by two segments and a use outside is complete once, with the sum. */
static void shared_parameter_is_final_once(void **state)
{
    counter c = {0};
    (void)state;
    ae_tensor *b = linear[0].bias;
    ae_on_param_final(g, count_final, &c);
    ae_hook(g, b, count_hook, &c);
    ae_tensor *y = ae_add(g, ae_checkpoint(g, weights_only, b, NULL, 0), ae_scale(g, b, 3));
    y = ae_add(g, y, ae_checkpoint(g, weights_only, b, NULL, 0));
    y = ae_add(g, y, ae_scale(g, b, 5));
    assert_int_equal(ae_backward(g, ae_sum(g, y, 0, NULL, false), 0), 0);
    assert_true(c.final == 1 && c.hooked == 1);
    assert_true(fabs(c.seen - (8 + 4 * ae_get_f64(b, 0))) < 1e-5);
    ae_on_param_final(g, NULL, NULL);
}

/* How many segments had run, again or not, when the first and the last layer's weights were final. */
typedef struct finals {
    int runs, at[2];
} finals;

static finals seen_final;

static ae_tensor *counted_layer(ae_graph *graph, void *self, ae_tensor *const *in, int n)
{
    seen_final.runs++;
    return layer(graph, self, in, n);
}

static void note_final(ae_tensor *parameter, void *user)
{
    finals *f = user;
    for (int i = 0; i < 2; i++) {
        if (parameter == linear[i ? LAYERS - 1 : 0].weight) {
            f->at[i] = f->runs;
        }
    }
}

/* A parameter that only one segment uses is complete as soon as that has been differentiated. */
static void segments_complete_their_parameters(void **state)
{
    (void)state;
    seen_final = (finals){0};
    ae_on_param_final(g, note_final, &seen_final);
    ae_tensor *x = input();
    for (int i = 0; i < LAYERS; i++) {
        x = ae_checkpoint(g, counted_layer, &linear[i], &x, 1);
    }
    assert_int_equal(ae_backward(g, ae_sum(g, x, 0, NULL, false), 0), 0);
    ae_on_param_final(g, NULL, NULL);
    assert_int_equal(seen_final.at[1], LAYERS + 1);
    assert_int_equal(seen_final.at[0], 2 * LAYERS);
}

/* A leaf that a segment reaches through self, not through its inputs, arrives once as well. */
static void leaf_inside_and_outside(void **state)
{
    for (int outside_first = 0; outside_first < 2; outside_first++) {
        counter c = {0};
        begin_fresh(state);
        ae_tensor *x = ae_requires_grad(g, ladder(AE_F32, "3"));
        ae_hook(g, x, count_hook, &c);
        ae_tensor *early = outside_first ? NULL : ae_scale(g, x, 10);
        ae_tensor *y = ae_checkpoint(g, weights_only, x, NULL, 0);
        y = ae_add(g, y, early ? early : ae_scale(g, x, 10));
        assert_int_equal(ae_backward(g, ae_sum(g, y, 0, NULL, false), 0), 0);
        expect(x->grad, "[3]", 3, (double[]){10, 12, 14});
        assert_int_equal(c.hooked, 1);
    }
}

/* ---- ae_grad, kept tapes, odd segments ----------------------------------------------------------------------------- */

static void grad_through(void **state)
{
    (void)state;
    double expected[2][WIDTH * WIDTH], got[WIDTH * WIDTH];
    for (int round = 0; round < 2; round++) {
        ae_graph_begin(g, AE_TRAIN);
        ae_tensor *x = input(), *grads[2];
        ae_tensor *y = forward(round ? NESTED : PLAIN, x);
        ae_tensor *xs[] = {linear[1].weight, linear[3].bias};
        ae_tensor *loss = ae_sum(g, y, 0, NULL, false);
        for (int again = 0; again < 2; again++) {
            assert_int_equal(ae_grad(g, loss, NULL, xs, 2, grads, AE_RETAIN), 0);
            for (int i = 0; i < 2; i++) {
                ae_read(grads[i], AE_F64, round ? got : expected[i], ae_numel(xs[i]));
                assert_true(!round || memcmp(got, expected[i], (size_t)ae_numel(xs[i]) * sizeof *got) == 0);
            }
        }
        assert_true(expected[0][3] != 0 && expected[1][3] != 0);
        assert_true(!x->grad && !xs[0]->grad && !linear[0].weight->grad);
    }
}

static void retained(void **state)
{
    (void)state;
    stack s = {0};
    ae_tensor *x = input();
    ae_tensor *loss = ae_sum(g, ae_checkpoint(g, layers, &s, &x, 1), 0, NULL, false);
    assert_int_equal(s.runs, 1);
    assert_int_equal(ae_backward(g, loss, AE_RETAIN), 0);
    double once = ae_get_f64(x->grad, 9);
    assert_int_equal(ae_backward(g, loss, 0), 0);
    assert_int_equal(s.runs, 3);
    assert_true(once != 0 && ae_get_f64(x->grad, 9) == 2 * once);
    assert_int_equal(ae_graph_tape_length(g), 0);
    ae_graph_begin(g, AE_EVAL); /* nothing to save: it only runs */
    x = input();
    ae_checkpoint(g, layers, &s, &x, 1);
    assert_int_equal(s.runs, 4);
    assert_int_equal(ae_graph_tape_length(g), 0);
}

static ae_tensor *passes(ae_graph *graph, void *self, ae_tensor *const *in, int n)
{
    (void)graph;
    (void)self;
    return in[n - 1];
}

static void handing_through(void **state)
{
    (void)state;
    ae_tensor *x = ae_requires_grad(g, ladder(AE_F32, "2")), *ids = ladder(AE_I64, "2");
    ae_tensor *y = ae_checkpoint(g, passes, NULL, (ae_tensor *[]){ids, NULL, x}, 3);
    assert_string_equal(y->op, "checkpoint");
    ae_tensor *loss = ae_sum(g, ae_mul(g, y, ladder(AE_F32, "2")), 0, NULL, false);
    assert_int_equal(ae_backward(g, loss, 0), 0);
    expect(x->grad, "[2]", 2, (double[]){0, 1});
}

static int fail_at; /* the run of `fails` that fails */

static ae_tensor *fails(ae_graph *graph, void *self, ae_tensor *const *in, int n)
{
    (void)n;
    ae_frame_open(graph); /* left open on every way out */
    ae_tensor *h = ae_mul(graph, in[0], self);
    if (--fail_at == 0) {
        return ae_fail(graph, AE_E_VALUE, "segment: no");
    }
    return ae_exp(graph, h);
}

static void error_inside(void **state)
{
    (void)state;
    ae_tensor *b = linear[0].bias;
    int64_t before = ae_pool_get_stats(ae_graph_pool(g)).held;
    for (int run = 1; run <= 2; run++) {
        fail_at = run;
        ae_tensor *x = ae_requires_grad(g, ladder(AE_F32, "32"));
        ae_tensor *y = ae_checkpoint(g, fails, b, &x, 1);
        assert_true((y == ae_bad(g)) == (run == 1));
        ae_tensor *loss = ae_sum(g, ae_add(g, y, b), 0, NULL, false);
        assert_int_equal(ae_backward(g, loss, 0), -1);
        assert_null(b->grad);
        assert_null(x->grad);
        expect_error(AE_E_VALUE, run == 1 ? "segment: no" : "backward of checkpoint: segment: no");
        assert_true(ae_pool_get_stats(ae_graph_pool(g)).held == before);
        assert_true(ae_set_recording(g, true));
    }
}

static ae_tensor *frees(ae_graph *graph, void *self, ae_tensor *const *in, int n)
{
    (void)self;
    (void)n;
    ae_frame f = ae_frame_open(graph);
    ae_tensor *y = ae_name(graph, ae_exp(graph, in[0]), "y");
    ae_frame_close(f);
    return y;
}

static ae_tensor *returns_null(ae_graph *graph, void *self, ae_tensor *const *in, int n)
{
    (void)graph;
    (void)self;
    (void)in;
    (void)n;
    return NULL;
}

static void bad_segments(void **state)
{
    (void)state;
    ae_tensor *x = ae_requires_grad(g, ladder(AE_F32, "2"));
    assert_ptr_equal(ae_checkpoint(g, frees, NULL, &x, 1), ae_bad(g));
    assert_int_equal(ae_graph_error(g)->code, AE_E_FREED);
    assert_non_null(strstr(ae_graph_error(g)->message, "checkpoint: y was freed when the frame opened at "));
    ae_graph_begin(g, AE_TRAIN);
    x = ae_requires_grad(g, ladder(AE_F32, "2"));
    ae_checkpoint(g, returns_null, NULL, &x, 1);
    expect_error(AE_E_VALUE, "checkpoint: the tensor is NULL");
    ae_graph *other = ae_graph_new();
    x = ae_ones(other, AE_F32, 0, NULL);
    ae_checkpoint(g, passes, NULL, &x, 1);
    expect_error(AE_E_STATE, "checkpoint: the tensor belongs to another graph; pass it through ae_input");
    ae_graph_free(other);
    ae_graph_begin(g, AE_TRAIN | AE_HIGHER_ORDER);
    x = ae_requires_grad(g, ladder(AE_F32, "2"));
    ae_checkpoint(g, passes, NULL, &x, 1);
    expect_error(AE_E_GRADIENT, "checkpoint: a recomputed segment has no second derivative; leave out AE_HIGHER_ORDER "
                                "or the checkpoint");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(same_gradients_less_memory, begin_fresh),
        cmocka_unit_test_setup(peak_falls, begin_fresh),
        cmocka_unit_test_setup(precision_is_restored, begin_fresh),
        cmocka_unit_test_setup(parameters_only, begin_fresh),
        cmocka_unit_test_setup(shared_parameter_is_final_once, begin_fresh),
        cmocka_unit_test_setup(segments_complete_their_parameters, begin_fresh),
        cmocka_unit_test_setup(leaf_inside_and_outside, begin_fresh),
        cmocka_unit_test_setup(grad_through, begin_fresh),
        cmocka_unit_test_setup(retained, begin_fresh),
        cmocka_unit_test_setup(handing_through, begin_fresh),
        cmocka_unit_test_setup(error_inside, begin_fresh),
        cmocka_unit_test_setup(bad_segments, begin_fresh),
    };
    return cmocka_run_group_tests(tests, make_model, free_model);
}
