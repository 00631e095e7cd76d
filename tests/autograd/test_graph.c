/* The graph itself: errors that stick, frames, what enters and leaves, and two graphs at once. */
#include "nn/model.h"
#include "op_values.h"

#include <pthread.h>

/* "<before><this file>:<line><after>", as messages name a frame. */
static const char *at_line(const char *before, int line, const char *after)
{
    static char text[AE_ERR_MESSAGE_MAX];
    snprintf(text, sizeof text, "%s%s:%d%s", before, __FILE__, line, after);
    return text;
}

static void expect_bad(ae_tensor *t)
{
    double out[2] = {7, 7};
    assert_ptr_equal(t, ae_bad(g));
    assert_true(isnan(ae_item(t)));
    assert_int_equal(ae_item_i64(t), 0);
    assert_int_equal(ae_read(t, AE_F64, out, 1), -1);
    assert_true(out[0] == 0 && out[1] == 7);
    assert_int_equal(ae_numel(t), 1);
    assert_int_equal(t->shape[AE_MAX_DIMS - 1], 1);
}

/* ---- errors -------------------------------------------------------------------------------------------------------- */

static void first_error_stays(void **state)
{
    (void)state;
    ae_tensor *x = ladder(AE_F32, "2,3");
    assert_true(ae_ok(g));
    expect_bad(ae_add(g, x, ladder(AE_F32, "4")));
    assert_false(ae_ok(g));
    char first[AE_ERR_MESSAGE_MAX];
    strcpy(first, ae_graph_error(g)->message);
    assert_non_null(strstr(first, "[2,3]"));
    expect_bad(ae_fail(g, AE_E_VALUE, "another"));
    expect_bad(ae_add(g, x, x)); /* nothing computes any more */
    expect_bad(ae_zeros(g, AE_F32, 1, (int64_t[]){3}));
    expect_bad(ae_input(g, x));
    expect_bad(ae_from_data(g, AE_F32, 0, NULL, "1234"));
    expect_bad(ae_from_borrowed(g, AE_F32, 0, NULL, first));
    expect_bad(ae_detach(g, x));
    expect_bad(ae_requires_grad(g, x));
    expect_bad(ae_retain_grad(g, x));
    assert_int_equal(ae_hook(g, x, NULL, NULL), -1);
    assert_int_equal(ae_backward(g, x, 0), -1);
    ae_tensor *grad = NULL;
    assert_int_equal(ae_grad(g, x, NULL, &x, 1, &grad, 0), -1);
    expect_bad(grad);
    expect_bad(ae_jvp(g, x, x, x));
    expect_error(AE_E_SHAPE, first);
    assert_true(ae_ok(g));
    assert_string_equal(ae_graph_error(g)->message, "");
}

static void reading(void **state)
{
    (void)state;
    ae_tensor *x = ladder(AE_F32, "2,2");
    float out[4];
    assert_true(isnan(ae_item(x))); /* four elements */
    assert_int_equal(ae_item_i64(x), 0);
    assert_int_equal(ae_read(x, AE_F32, out, 4), 0);
    assert_true(out[3] == 3);
    assert_int_equal(ae_read(x, AE_F32, out, 3), -1);
    assert_true(out[0] == 0 && out[2] == 0 && out[3] == 3);
    assert_true(isnan(ae_item(NULL)));
    assert_int_equal(ae_read(NULL, AE_F32, out, 4), -1);
    assert_true(out[3] == 0);
    assert_true(ae_item(ae_scalar(g, AE_BF16, 2)) == 2);
    assert_int_equal(ae_item_i64(ae_scalar(g, AE_I64, 7)), 7);
    assert_true(ae_ok(g));
}

/* A backward that fails drops what it reached, and what a failed forward had put on the tape. */
static void gradients_are_voided(void **state)
{
    (void)state;
    ae_model *m = ae_model_new(0);
    ae_tensor *w = ae_param(m, "w", 1, (int64_t[]){3}, ae_init_ones());
    ae_tensor *loss = ae_sum(g, ae_mul(g, w, ladder(AE_F32, "3")), 0, NULL, false);
    assert_int_equal(ae_backward(g, loss, 0), 0);
    expect(w->grad, "[3]", 3, (double[]){0, 1, 2});

    ae_graph_begin(g, AE_TRAIN);
    ae_tensor *y = ae_mul(g, w, w);
    assert_int_equal(ae_backward(g, y, 0), -1); /* three elements */
    assert_null(w->grad);
    expect_error(AE_E_SHAPE, "backward: the output is [3]; without a gradient for it, it must have one element");

    assert_int_equal(ae_backward(g, ae_sum(g, w, 0, NULL, false), 0), 0);
    assert_non_null(w->grad);
    ae_graph_begin(g, AE_TRAIN);
    loss = ae_sum(g, w, 0, NULL, false);
    ae_fail(g, AE_E_VALUE, "model: broken");
    assert_int_equal(ae_backward(g, loss, 0), -1);
    assert_null(w->grad);
    expect_error(AE_E_VALUE, "model: broken");
    ae_model_free(m);
}

static void failed_root(void **state)
{
    (void)state;
    ae_model *m = ae_model_new(0);
    ae_tensor *w = ae_param(m, "w", 1, (int64_t[]){3}, ae_init_ones());
    ae_model_fail(m, AE_E_MISSING, "a.bin: no tensor w");
    expect_bad(ae_neg(g, w));
    expect_error(AE_E_MISSING, "a.bin: no tensor w");
    expect_bad(ae_neg(g, ae_param(m, "v", 0, NULL, ae_init_ones())));
    expect_error(AE_E_MISSING, "a.bin: no tensor w");
    expect_bad(ae_detach(g, w));
    expect_error(AE_E_MISSING, "a.bin: no tensor w");
    expect_bad(ae_input(g, w));
    expect_error(AE_E_MISSING, "a.bin: no tensor w");
    expect_bad(ae_requires_grad(g, w));
    expect_error(AE_E_MISSING, "a.bin: no tensor w");
    assert_int_equal(ae_backward(g, w, 0), -1);
    expect_error(AE_E_MISSING, "a.bin: no tensor w");
    ae_model_free(m);
}

static void another_graph(void **state)
{
    (void)state;
    ae_graph *other = ae_graph_new();
    ae_graph_begin(other, AE_TRAIN);
    ae_tensor *x = ae_requires_grad(other, ae_ones(other, AE_F32, 1, (int64_t[]){2}));
    ae_name(other, x, "theirs");
    ae_tensor *y = ae_sum(other, ae_square(other, x), 0, NULL, false);
    expect_bad(ae_square(g, x));
    expect_error(AE_E_STATE, "square: theirs (input 0) belongs to another graph; pass it through ae_input");
    expect_bad(ae_detach(g, x));
    expect_error(AE_E_STATE, "detach: theirs belongs to another graph; pass it through ae_input");
    expect_bad(ae_requires_grad(g, x));
    expect_error(AE_E_STATE, "requires_grad: theirs belongs to another graph; pass it through ae_input");
    expect_bad(ae_retain_grad(g, y));
    expect_error(AE_E_STATE, "retain_grad: the tensor belongs to another graph; pass it through ae_input");
    assert_int_equal(ae_backward(g, y, 0), -1);
    expect_error(AE_E_STATE, "backward: the tensor belongs to another graph; pass it through ae_input");
    expect_bad(ae_name(g, x, "mine"));
    expect_error(AE_E_STATE, "name: \"mine\" was given to a tensor that is not of this graph; parameters keep the name "
                             "that their model gave them");
    expect(ae_neg(g, ae_input(g, x)), "[2]", 2, (double[]){-1, -1});
    assert_true(ae_ok(other));
    expect_bad(ae_input(g, ae_bad(other)));
    expect_error(AE_E_STATE, "input: the tensor is the bad tensor of a graph that has failed");
    ae_graph_free(other);
}

static void null_inputs(void **state)
{
    (void)state;
    expect_bad(ae_square(g, NULL));
    expect_error(AE_E_VALUE, "square: input 0 is NULL");
    expect_bad(ae_detach(g, NULL));
    expect_error(AE_E_VALUE, "detach: the tensor is NULL");
    expect_bad(ae_input(g, NULL));
    expect_error(AE_E_FREED, "input: the host tensor is NULL or was freed");
    expect_bad(ae_name(g, NULL, "x"));
    expect_error(AE_E_STATE, "name: \"x\" was given to NULL; parameters keep the name that their model gave them");
    assert_int_equal(ae_backward(g, NULL, 0), -1);
    expect_error(AE_E_VALUE, "backward: the tensor is NULL");
    expect_bad(ae_empty(g, AE_F32, 2, (int64_t[]){2, -1}));
    expect_error(AE_E_SHAPE, "tensor: [2,-1] is no shape (8 axes at most, no negative extents)");
    ae_graph_precision(g, AE_F64);
    expect_error(AE_E_DTYPE, "graph_precision: f64; a graph computes in f32, bf16 or i8");
    ae_graph_free(NULL);
}

/* More than any address space: the refusal is an ordinary error, and the step can be begun again. */
static void no_memory(void **state)
{
    (void)state;
    ae_tensor *x = ae_expand(g, ladder(AE_F32, "1"), 2, (int64_t[]){INT64_C(1) << 32, INT64_C(1) << 29});
    expect_bad(ae_square(g, x));
    expect_error(AE_E_MEMORY, "square: no memory for a result [4294967296,536870912] of f32");
    expect_bad(ae_empty(g, AE_F64, 1, (int64_t[]){INT64_C(1) << 60}));
    expect_error(AE_E_MEMORY, "no memory for a tensor [1152921504606846976] of f64");
    expect(ae_neg(g, ladder(AE_F32, "2")), "[2]", 2, (double[]){0, -1});
}

/* ---- frames -------------------------------------------------------------------------------------------------------- */

static int64_t held(void)
{
    return ae_pool_get_stats(ae_graph_pool(g)).held;
}

static void use_after_close(void **state)
{
    (void)state;
    ae_frame f = ae_frame_open(g);
    int line = __LINE__ - 1;
    ae_tensor *x = ae_name(g, ladder(AE_F32, "3"), "x");
    ae_tensor *y = ae_neg(g, x);
    ae_frame_close(f);
    assert_null(x->data);
    assert_true(isnan(ae_item(x)));
    expect_bad(ae_add(g, x, x));
    expect_error(AE_E_FREED, at_line("add: x (input 0) was freed when the frame opened at ", line,
                                     " closed; hand it on with ae_frame_keep"));
    (void)y;
}

static void use_after_close_elsewhere(void **state)
{
    (void)state;
    ae_frame f = ae_frame_open(g);
    int line = __LINE__ - 1;
    ae_tensor *x = ladder(AE_F32, "3");
    ae_frame_close(f);
    expect_bad(ae_detach(g, x));
    assert_string_equal(ae_graph_error(g)->message, at_line("detach: the tensor was freed when the frame opened at ",
                                                            line, " closed; hand it on with ae_frame_keep"));
    assert_int_equal(ae_graph_error(g)->code, AE_E_FREED);
}

static void keep_and_return(void **state)
{
    (void)state;
    int64_t before = held();
    ae_frame outer = ae_frame_open(g);
    ae_frame f = ae_frame_open(g);
    ae_tensor *h = ladder(AE_F32, "64"), *c = ladder(AE_F32, "64"), *lost = ladder(AE_F32, "64");
    ae_frame_keep(f, c);
    ae_frame_keep(f, c); /* twice is once: it lives in the outer frame */
    ae_frame_keep(f, NULL);
    assert_ptr_equal(ae_frame_return(f, h), h);
    assert_true(h->data && c->data && !lost->data);
    assert_true(held() - before == 2 * 64 * 4);
    ae_frame_close(outer);
    assert_true(!h->data && !c->data);
    assert_true(held() == before);
    assert_true(ae_ok(g));
}

/* Handing on a view keeps its base's storage; a tensor from outside the frame stays where it lives. */
static void views_keep_their_base(void **state)
{
    (void)state;
    int64_t before = held();
    ae_frame outer = ae_frame_open(g);
    ae_tensor *outside = ladder(AE_F32, "16");
    ae_frame f = ae_frame_open(g);
    ae_tensor *base = ladder(AE_F32, "32");
    ae_tensor *row = ae_slice(g, base, 0, 4, 8, 2);
    ae_frame_keep(f, outside);
    ae_frame_return(f, row);
    assert_null(base->data);
    expect(row, "[2]", 2, (double[]){4, 6});
    assert_true(held() - before == (16 + 32) * 4);
    ae_frame_close(outer);
    assert_null(outside->data);
    assert_true(held() == before);
}

/* A loop holds what its last round made. */
static void carrying(void **state)
{
    (void)state;
    int64_t before = held();
    ae_tensor *outside = ladder(AE_F32, "16"), *older = NULL;
    ae_frame f = ae_frame_open(g);
    int line = __LINE__ - 1;
    ae_tensor *x = outside;
    for (int i = 0; i < 4; i++) {
        older = x;
        ae_frame_open(g); /* forgotten inside a round */
        x = ae_frame_carry(f, ae_slice(g, ae_add(g, ae_exp(g, x), outside), 0, 0, 16, 1));
        assert_true(held() - before == 2 * 16 * 4);
        assert_null(i ? older->data : NULL);
    }
    ae_add(g, older, x);
    expect_error(AE_E_FREED, at_line("add: the tensor (input 0) was freed when the frame opened at ", line,
                                     " closed; hand it on with ae_frame_keep"));
    assert_true(held() == before);

    outside = ladder(AE_F32, "2");
    f = ae_frame_open(g);
    assert_ptr_equal(ae_frame_carry(f, outside), outside);
    ae_frame_close(f); /* it does not move in */
    expect(outside, "[2]", 2, (double[]){0, 1});
    f = ae_frame_open(g);
    x = ae_frame_carry(f, ladder(AE_F32, "2"));
    assert_non_null(x->data);
    ae_frame_close(f); /* what is carried lives inside */
    assert_null(x->data);
    assert_ptr_equal(ae_frame_carry(f, outside), ae_bad(g));
    expect_error(AE_E_STATE, "frame: used after it was closed (closing an outer frame closes the inner ones)");
}

/* Opens a frame and forgets it on one of its ways out. */
static ae_tensor *early(bool fail)
{
    ae_frame f = ae_frame_open(g);
    ae_tensor *x = ladder(AE_F32, "8");
    if (fail) {
        return ae_fail(g, AE_E_VALUE, "early: no");
    }
    return ae_frame_return(f, x);
}

static void outer_closes_inner(void **state)
{
    (void)state;
    int64_t before = held();
    ae_frame outer = ae_frame_open(g);
    ae_frame inner = ae_frame_open(g);
    ae_tensor *x = ladder(AE_F32, "8"), *y = ladder(AE_F32, "8");
    ae_frame_keep(outer, y); /* through the inner frame */
    ae_frame_close(outer);
    assert_true(!x->data && y->data);
    ae_frame_close(inner);
    expect_error(AE_E_STATE, "frame: used after it was closed (closing an outer frame closes the inner ones)");

    outer = ae_frame_open(g);
    early(true);
    assert_ptr_equal(ae_frame_return(outer, y), ae_bad(g));
    assert_true(held() == before);
    expect_error(AE_E_VALUE, "early: no");
    expect(early(false), "[8]", 8, (double[]){0, 1, 2, 3, 4, 5, 6, 7});
}

static void closed_frames(void **state)
{
    const char *message = "frame: used after it was closed (closing an outer frame closes the inner ones)";
    (void)state;
    ae_tensor *x = ladder(AE_F32, "2");
    ae_frame f = ae_frame_open(g);
    ae_frame_close(f);
    ae_frame_close(f);
    expect_error(AE_E_STATE, message);
    ae_frame again = ae_frame_open(g); /* the same depth, another frame */
    ae_frame_keep(f, x);
    ae_frame_close(again);
    expect_error(AE_E_STATE, message);
    f = ae_frame_open(g);
    ae_graph_begin(g, AE_TRAIN);
    assert_ptr_equal(ae_frame_return(f, ladder(AE_F32, "2")), ae_bad(g));
    expect_error(AE_E_STATE, message);
    for (int i = 0; i < 500; i++) { /* deeper than the first allocation */
        ae_frame_open(g);
    }
    assert_true(ae_ok(g));
    ae_graph_begin(g, AE_TRAIN);
    f = ae_frame_open(g);
    ae_frame_close(f);
    assert_true(ae_ok(g));
}

/* What the tape saved survives its frame, and backward works on it. */
static void tape_outlives_frames(void **state)
{
    (void)state;
    ae_tensor *x = ae_requires_grad(g, ladder(AE_F32, "3"));
    ae_frame f = ae_frame_open(g);
    ae_tensor *y = ae_frame_return(f, ae_sum(g, ae_exp(g, ae_square(g, ae_sin(g, x))), 0, NULL, false));
    assert_int_equal(ae_backward(g, y, 0), 0);
    double expected[3];
    for (int i = 0; i < 3; i++) {
        expected[i] = exp(sin(i) * sin(i)) * 2 * sin(i) * cos(i);
    }
    expect_near(x->grad, "[3]", 3, expected, 1e-6);
}

/* ---- into and out of a graph --------------------------------------------------------------------------------------- */

static void entering(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_tensor *host = ae_tensor_new(AE_F32, 1, (int64_t[]){2}, &e);
    char name[] = "batch";
    host->name = name;
    ae_set_f64(host, 1, 5);
    ae_tensor *x = ae_input(g, host);
    assert_ptr_equal(x->data, host->data);
    ae_tensor_free(host); /* its storage stays with x, and so does its name */
    name[0] = '?';
    assert_string_equal(x->name, "batch");
    expect(x, "[2]", 2, (double[]){0, 5});

    float numbers[2] = {1, 2};
    ae_tensor *copied = ae_from_data(g, AE_F32, 1, (int64_t[]){2}, numbers);
    ae_tensor *borrowed = ae_from_borrowed(g, AE_F32, 1, (int64_t[]){2}, numbers);
    assert_ptr_equal(borrowed->data, numbers);
    numbers[0] = 9;
    expect(copied, "[2]", 2, (double[]){1, 2});
    expect(borrowed, "[2]", 2, (double[]){9, 2});
    assert_int_equal(ae_numel(ae_from_data(g, AE_F32, 1, (int64_t[]){0}, NULL)), 0);
    ae_tensor *twice = ae_add(g, borrowed, borrowed);
    expect(twice, "[2]", 2, (double[]){18, 4});
    assert_true(numbers[0] == 9); /* never written to */
}

/* A borrowed gradient is not the engine's to add into. */
static void borrowed_gradient(void **state)
{
    (void)state;
    float ones[2] = {1, 1};
    ae_tensor *x = ae_requires_grad(g, ladder(AE_F32, "2"));
    ae_tensor *y = ae_reshape(g, x, 1, (int64_t[]){2});
    ae_tensor *z = ae_scale(g, x, 3);
    ae_tensor *outputs[] = {y, z};
    ae_tensor *grads[] = {ae_from_borrowed(g, AE_F32, 1, (int64_t[]){2}, ones), ae_ones(g, AE_F32, 1, (int64_t[]){2})};
    assert_int_equal(ae_backward_from(g, outputs, grads, 2, 0), 0);
    expect(x->grad, "[2]", 2, (double[]){4, 4});
    assert_true(ones[0] == 1 && ones[1] == 1);
}

static void detaching(void **state)
{
    (void)state;
    ae_tensor *x = ae_requires_grad(g, ladder(AE_F32, "2"));
    ae_tensor *d = ae_detach(g, x);
    assert_ptr_equal(d->data, x->data);
    assert_null(d->slot);
    ae_tensor *y = ae_sum(g, ae_mul(g, x, d), 0, NULL, false);
    assert_int_equal(ae_backward(g, y, 0), 0);
    expect(x->grad, "[2]", 2, (double[]){0, 1}); /* not twice x */
}

static void naming(void **state)
{
    (void)state;
    char name[] = "scores";
    ae_tensor *x = ladder(AE_F32, "2,3");
    assert_ptr_equal(ae_name(g, x, name), x);
    name[0] = '?';
    assert_string_equal(x->name, "scores");
    ae_neg(g, ae_name(g, ae_reshape(g, x, 1, (int64_t[]){6}), "flat"));
    ae_tensor *y = ae_matmul(g, x, x);
    expect_bad(y);
    assert_non_null(strstr(ae_graph_error(g)->message, "scores [2,3]"));
    assert_ptr_equal(ae_name(g, y, "y"), ae_bad(g)); /* after an error: nothing */
    assert_string_equal(ae_bad(g)->name, "bad tensor");
    ae_graph_begin(g, AE_TRAIN);
    ae_model *m = ae_model_new(0);
    ae_tensor *w = ae_param(m, "w", 0, NULL, ae_init_ones());
    ae_name(g, w, "other");
    assert_string_equal(w->name, "w");
    assert_int_equal(ae_graph_error(g)->code, AE_E_STATE);
    ae_model_free(m);
}

static void begin_resets(void **state)
{
    (void)state;
    int64_t before = held();
    ae_tensor *x = ae_requires_grad(g, ladder(AE_F32, "64"));
    ae_exp(g, x);
    ae_draw(g);
    ae_frame_open(g);
    ae_set_recording(g, false);
    assert_int_equal(ae_graph_tape_length(g), 1);
    assert_true(ae_graph_saved_bytes(g) == 64 * 4);
    ae_fail(g, AE_E_VALUE, "no");
    ae_graph_begin(g, AE_GRAD | AE_ANOMALY);
    assert_true(ae_ok(g));
    assert_int_equal(ae_graph_flags(g), AE_GRAD | AE_ANOMALY);
    assert_int_equal(ae_graph_tape_length(g), 0);
    assert_true(ae_graph_saved_bytes(g) == 0);
    assert_true(held() == before);
    assert_true(ae_draw(g) == 0);
    assert_true(ae_set_recording(g, true));
    ae_graph_begin(g, AE_EVAL);
    assert_false(ae_set_recording(g, false));
    x = ae_requires_grad(g, ladder(AE_F32, "2"));
    assert_null(ae_exp(g, x)->slot);
}

/* ---- two graphs on two threads ------------------------------------------------------------------------------------- */

typedef struct worker {
    ae_tensor *weight; /* shared, read by both */
    uint64_t seed;
    double result;
    bool fails;
    bool ok;
} worker;

/* Some steps of forward and backward; with `fails` every step ends in an error of this graph alone. */
static void *work(void *arg)
{
    worker *w = arg;
    ae_graph *mine = ae_graph_new();
    w->ok = mine != NULL;
    for (uint64_t step = 0; step < 40 && w->ok; step++) {
        ae_graph_begin(mine, AE_TRAIN);
        ae_graph_random(mine, w->seed, step, 0, 0);
        ae_tensor *weight = ae_input(mine, w->weight);
        ae_tensor *x = ae_requires_grad(mine, ae_ones(mine, AE_F32, 2, (int64_t[]){8, 16}));
        ae_tensor *h = ae_dropout(mine, ae_tanh(mine, ae_f_linear(mine, x, weight, NULL)), 0.3);
        ae_tensor *loss = ae_sum(mine, h, 0, NULL, false);
        if (w->fails) {
            ae_fail(mine, AE_E_VALUE, "thread: on purpose");
        }
        int status = ae_backward(mine, loss, 0);
        w->ok = status == (w->fails ? -1 : 0) && ae_ok(mine) == !w->fails;
        w->result += w->fails ? 0 : ae_item(loss) + ae_get_f64(x->grad, 5);
    }
    ae_graph_free(mine);
    return NULL;
}

static void two_threads(void **state)
{
    (void)state;
    ae_model *m = ae_model_new(3);
    ae_tensor *weight = ae_param(m, "w", 2, (int64_t[]){24, 16}, ae_init_normal(0.5));
    worker alone = {.weight = weight, .seed = 1};
    work(&alone);
    worker both[2] = {{.weight = weight, .seed = 1}, {.weight = weight, .seed = 1}};
    worker failing = {.weight = weight, .seed = 2, .fails = true};
    pthread_t threads[3];
    assert_int_equal(pthread_create(&threads[0], NULL, work, &both[0]), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, work, &failing), 0);
    assert_int_equal(pthread_create(&threads[2], NULL, work, &both[1]), 0);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_true(alone.ok && both[0].ok && both[1].ok && failing.ok);
    assert_true(alone.result != 0 && both[0].result == alone.result && both[1].result == alone.result);
    assert_null(weight->grad);
    ae_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(first_error_stays, begin_step),
        cmocka_unit_test_setup(reading, begin_step),
        cmocka_unit_test_setup(gradients_are_voided, begin_step),
        cmocka_unit_test_setup(failed_root, begin_step),
        cmocka_unit_test_setup(another_graph, begin_step),
        cmocka_unit_test_setup(null_inputs, begin_step),
        cmocka_unit_test_setup(no_memory, begin_step),
        cmocka_unit_test_setup(use_after_close, begin_step),
        cmocka_unit_test_setup(use_after_close_elsewhere, begin_step),
        cmocka_unit_test_setup(keep_and_return, begin_step),
        cmocka_unit_test_setup(views_keep_their_base, begin_step),
        cmocka_unit_test_setup(carrying, begin_step),
        cmocka_unit_test_setup(outer_closes_inner, begin_step),
        cmocka_unit_test_setup(closed_frames, begin_step),
        cmocka_unit_test_setup(tape_outlives_frames, begin_step),
        cmocka_unit_test_setup(entering, begin_step),
        cmocka_unit_test_setup(borrowed_gradient, begin_step),
        cmocka_unit_test_setup(detaching, begin_step),
        cmocka_unit_test_setup(naming, begin_step),
        cmocka_unit_test_setup(begin_resets, begin_step),
        cmocka_unit_test_setup(two_threads, begin_step),
    };
    return cmocka_run_group_tests(tests, make_graph, free_graph);
}
