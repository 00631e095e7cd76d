/* Gradients of look-ups kept by rows: every optimizer does with them, to the bit, what it does with whole ones
 * (parameters, states, norm), over several look-ups, rounds, clipping, groups and threads; tied tables, hooks,
 * recomputed segments, lbfgs, saved gradients and failures; what is never made: a whole gradient. */
#include "nn/optimizer.h"
#include "nn/state.h"
#include "tensor/threads.h"

#include "autograd/op_values.h"

enum { V = 5000, H = 10, N = 90 }; /* blocks of the optimizer (16384 elements) end inside rows */

typedef struct fixture {
    ae_model *m;
    ae_tensor *table, *weight;
} fixture;

static fixture made(void)
{
    fixture f = {.m = ae_model_new(3)};
    f.table = ae_param(f.m, "words.weight", 2, (int64_t[]){V, H}, ae_init_normal(0.1));
    f.weight = ae_param(f.m, "linear.weight", 2, (int64_t[]){4, H}, ae_init_normal(0.1));
    return f;
}

static int set_up(void **state)
{
    make_graph(state);
    return 0;
}

static int begin(void **state)
{
    begin_step(state);
    ae_graph_sparse_gradients(g, true);
    return 0;
}

/* Ids of round r: some rows come often, some in every round, the last row too. */
static ae_tensor *ids_of(int r, int stride)
{
    ae_tensor *ids = ae_empty(g, AE_I64, 1, (int64_t[]){N});
    for (int i = 0; i < N; i++) {
        ae_set_i64(ids, i, i % 9 == 0 ? 7 : i == 10 ? V - 1 : (r * 131 + i / 2 * stride) % V);
    }
    return ids;
}

/* Two look-ups of one table, one with a row that gets nothing, and a product. */
static ae_tensor *loss_of(const fixture *f, int r)
{
    ae_tensor *x = ae_f_embedding(g, f->table, ids_of(r, 53), 7);
    ae_tensor *y = ae_index_select(g, f->table, 0, ids_of(r + 1, 29));
    ae_tensor *z = ae_tanh(g, ae_f_linear(g, ae_add(g, x, ae_square(g, y)), f->weight, NULL));
    return ae_sum(g, ae_mul(g, z, ladder(AE_F32, "90,4")), 0, NULL, false);
}

static void backward(const fixture *f, int r, bool sparse)
{
    ae_graph_begin(g, AE_TRAIN);
    ae_graph_sparse_gradients(g, sparse);
    if (ae_backward(g, ae_scale(g, loss_of(f, r), 0.01), 0) != 0) {
        fail_msg("%s", ae_graph_error(g)->message);
    }
    assert_true(sparse ? f->table->grad_rows && !f->table->grad : f->table->grad && !f->table->grad_rows);
}

static void same_bits(const char *what, const ae_tensor *a, const ae_tensor *b)
{
    assert_true(a->dtype == b->dtype && ae_same_shape(a, b));
    const char *x = a->data, *y = b->data;
    size_t size = ae_dtype_size(a->dtype);
    for (size_t i = 0; i < (size_t)ae_numel(a); i++) {
        if (memcmp(x + i * size, y + i * size, size) != 0) {
            fail_msg("%s: element %d is %.9g, and %.9g by whole gradients", what, (int)i, ae_get_f64(a, (int64_t)i),
                     ae_get_f64(b, (int64_t)i));
        }
    }
}

/* ---- optimizers ---------------------------------------------------------------------------------------------------- */

static void same_states(const ae_optimizer *a, const ae_optimizer *b)
{
    ae_tensors *x = ae_tensors_new(), *y = ae_tensors_new();
    assert_true(ae_optimizer_save(a, x, NULL) == 0 && ae_optimizer_save(b, y, NULL) == 0);
    assert_int_equal(ae_tensors_count(x), ae_tensors_count(y));
    for (int i = 0; i < ae_tensors_count(x); i++) {
        same_bits(ae_tensors_name(x, i), ae_tensors_at(x, i), ae_tensors_get(y, ae_tensors_name(x, i)));
    }
    ae_tensors_free(x);
    ae_tensors_free(y);
}

static ae_optimizer *optimizer(const fixture *f, const ae_optim_config *c)
{
    ae_err e = {0};
    ae_optimizer *opt = ae_optimizer_new(f->m, c, &e);
    if (!opt) {
        fail_msg("%s", e.message);
    }
    return opt;
}

/* Steps of two rounds each, by rows and by whole gradients. */
static void compare(const ae_optim_config *c)
{
    fixture f[2] = {made(), made()};
    ae_optimizer *opt[2] = {optimizer(&f[0], c), optimizer(&f[1], c)};
    for (int step = 0; step < 3; step++) {
        for (int k = 0; k < 2; k++) {
            backward(&f[k], 2 * step, k == 0);
            backward(&f[k], 2 * step + 1, k == 0);
            ae_optimizer_scale_grad(opt[k], 0.5);
            assert_int_equal(ae_optimizer_step(opt[k], g, 0.02), 0);
            assert_true(!f[k].table->grad && !f[k].table->grad_rows);
        }
        same_bits(c->rule, f[0].table, f[1].table);
        same_bits(c->rule, f[0].weight, f[1].weight);
        same_states(opt[0], opt[1]);
        ae_optim_report r[2] = {ae_optimizer_report(opt[0]), ae_optimizer_report(opt[1])};
        assert_true(r[0].grad_norm == r[1].grad_norm && r[0].grad_norm > 0 && r[0].clip == r[1].clip);
        assert_true(r[0].updated == r[1].updated);
    }
    for (int k = 0; k < 2; k++) {
        ae_optimizer_free(opt[k]);
        ae_model_free(f[k].m);
    }
}

static void every_rule(void **state)
{
    (void)state;
    for (int i = 0; i < ae_optim_count(); i++) {
        ae_optim_config c = ae_optim_defaults(ae_optim_name(i));
        if (strcmp(c.rule, "lbfgs") == 0) {
            continue;
        }
        compare(&c);
        c.weight_decay = 0.1;
        c.clip_norm = 0.3;
        c.clip_value = 0.2;
        compare(&c);
    }
}

static void options_of_rules(void **state)
{
    (void)state;
    ae_optim_config sgd = ae_optim_defaults("sgd"), adam = ae_optim_defaults("adam");
    sgd.momentum = 0.9;
    sgd.nesterov = true;
    compare(&sgd);
    adam.amsgrad = true;
    compare(&adam);
    ae_optim_config rms = ae_optim_defaults("rmsprop"), factor = ae_optim_defaults("adafactor");
    rms.centered = true;
    rms.momentum = 0.5;
    compare(&rms);
    factor.first_moment = true;
    compare(&factor);
    ae_optim_config scaled = ae_optim_defaults("sgd");
    scaled.clip_norm = 0.1;
    scaled.clip_rule = AE_CLIP_INFERSENT;
    scaled.groups = &(ae_optim_group){"words.*", 3, NAN};
    scaled.n_groups = 1;
    compare(&scaled);
}

static void any_number_of_threads(void **state)
{
    (void)state;
    int threads = ae_threads();
    ae_optim_config c = ae_optim_defaults("adagrad");
    for (int n = 1; n <= 3; n += 2) {
        ae_set_threads(n, NULL);
        compare(&c);
    }
    ae_set_threads(threads, NULL);
}

static int closure(ae_graph *graph, void *user, double *loss)
{
    const fixture *f = user;
    ae_graph_begin(graph, AE_TRAIN);
    ae_tensor *y = ae_scale(graph, loss_of(f, 1), 0.01);
    *loss = ae_item(y);
    return ae_backward(graph, y, 0);
}

static void lbfgs_reads_them_whole(void **state)
{
    (void)state;
    ae_optim_config c = ae_optim_defaults("lbfgs");
    c.max_iterations = 3;
    fixture f[2] = {made(), made()};
    for (int k = 0; k < 2; k++) {
        double loss;
        ae_optimizer *opt = optimizer(&f[k], &c);
        ae_graph_sparse_gradients(g, k == 0);
        assert_int_equal(ae_optimizer_minimise(opt, g, 0.1, closure, &f[k], &loss), 0);
        ae_optimizer_free(opt);
    }
    same_bits("lbfgs", f[0].table, f[1].table);
    ae_model_free(f[0].m);
    ae_model_free(f[1].m);
}

static void what_an_optimizer_leaves(void **state)
{
    (void)state;
    fixture f = made();
    ae_optim_config c = ae_optim_defaults("sgd");
    ae_optimizer *opt = optimizer(&f, &c);
    float before = *(float *)f.table->data;
    backward(&f, 1, true);
    ae_model_freeze(f.m, "words.*", true);
    assert_int_equal(ae_optimizer_step(opt, g, 1), 0);
    assert_int_equal(ae_optimizer_report(opt).updated, 1);
    assert_true(*(float *)f.table->data == before && !f.table->grad_rows);
    ae_model_freeze(f.m, "words.*", false);
    backward(&f, 0, true);
    ae_param_grad(f.weight, NULL);
    ((float *)f.weight->data)[0] = NAN;
    backward(&f, 0, true);
    assert_int_equal(ae_optimizer_step(opt, g, 1), -1);
    assert_string_equal(ae_graph_error(g)->message,
                        "optimizer: the gradient of words.weight is not finite, so nothing was updated; look for the "
                        "operation with AE_ANOMALY, or lower the learning rate");
    assert_true(*(float *)f.table->data == before);
    ae_optimizer_free(opt);
    ae_model_free(f.m);
}

/* ---- gradients ----------------------------------------------------------------------------------------------------- */

typedef void (*backward_fn)(const fixture *f);

/* The table's gradient, whole, of one way to make it, by rows and not. */
static void same_gradient(const char *what, backward_fn run, bool rows_left)
{
    fixture f[2] = {made(), made()};
    for (int k = 0; k < 2; k++) {
        ae_graph_begin(g, AE_TRAIN);
        ae_graph_sparse_gradients(g, k == 0);
        run(&f[k]);
        if (!ae_ok(g)) {
            fail_msg("%s: %s", what, ae_graph_error(g)->message);
        }
        assert_true((f[k].table->grad_rows != NULL) == (rows_left && k == 0));
    }
    same_bits(what, ae_param_grad(f[0].table, NULL), ae_param_grad(f[1].table, NULL));
    assert_true(f[0].table->grad && !f[0].table->grad_rows);
    ae_model_free(f[0].m);
    ae_model_free(f[1].m);
}

static ae_tensor *looked_up(const fixture *f)
{
    return ae_sum(g, ae_square(g, ae_f_embedding(g, f->table, ids_of(2, 31), 7)), 0, NULL, false);
}

static ae_tensor *projected(const fixture *f)
{
    return ae_sum(g, ae_tanh(g, ae_f_linear(g, ladder(AE_F32, "2,10"), f->table, NULL)), 0, NULL, false);
}

static void tied(const fixture *f)
{
    ae_tensor *first = looked_up(f);
    ae_backward(g, ae_add(g, first, projected(f)), 0);
}

static void tied_the_other_way(const fixture *f)
{
    ae_tensor *first = projected(f);
    ae_backward(g, ae_add(g, first, looked_up(f)), 0);
}

static void rows_on_whole(const fixture *f)
{
    ae_backward(g, projected(f), 0);
    ae_backward(g, looked_up(f), 0);
}

static void whole_on_rows(const fixture *f)
{
    ae_backward(g, looked_up(f), 0);
    ae_backward(g, projected(f), 0);
}

/* Together the rounds touch more rows than are worth keeping. */
static void many_rounds(const fixture *f)
{
    for (int r = 0; r < 80; r++) {
        ae_tensor *ids = ae_empty(g, AE_I64, 1, (int64_t[]){N});
        for (int i = 0; i < N; i++) {
            ae_set_i64(ids, i, (r * N + i) % V);
        }
        ae_backward(g, ae_sum(g, ae_square(g, ae_f_embedding(g, f->table, ids, -1)), 0, NULL, false), 0);
    }
}

static void many_ids(const fixture *f)
{
    ae_tensor *all = ae_arange(g, AE_I64, 0, V, 1);
    ae_tensor *some = looked_up(f);
    ae_tensor *rest = ae_sum(g, ae_square(g, ae_index_select(g, f->table, 0, all)), 0, NULL, false);
    ae_backward(g, ae_add(g, rest, some), 0);
}

static ae_tensor *doubled(ae_graph *graph, ae_tensor *grad, void *user)
{
    assert_true(ae_numel(grad) == V * H);
    (*(int *)user)++;
    return ae_scale(graph, grad, 2);
}

static void hooked(const fixture *f)
{
    int calls = 0;
    ae_hook(g, f->table, doubled, &calls);
    ae_backward(g, looked_up(f), 0);
    assert_int_equal(calls, 1);
}

static ae_tensor *segment(ae_graph *graph, void *self, ae_tensor *const *in, int n)
{
    (void)graph, (void)n;
    const fixture *f = self;
    return ae_add(g, ae_scale(g, in[0], 2), looked_up(f));
}

static void recomputed(const fixture *f)
{
    ae_tensor *first = looked_up(f);
    ae_backward(g, ae_checkpoint(g, segment, (void *)(uintptr_t)f, &first, 1), 0);
}

static void kept_tape(const fixture *f)
{
    ae_tensor *loss = looked_up(f);
    ae_backward(g, loss, AE_RETAIN);
    ae_backward(g, loss, 0);
}

static void no_ids(const fixture *f)
{
    ae_tensor *none = ae_f_embedding(g, f->table, ae_zeros(g, AE_I64, 1, (int64_t[]){0}), -1);
    ae_backward(g, ae_sum(g, none, 0, NULL, false), 0);
}

static void ways_to_a_gradient(void **state)
{
    (void)state;
    same_gradient("tied, projected last", tied, false);
    same_gradient("tied, projected first", tied_the_other_way, false);
    same_gradient("rows on a whole one", rows_on_whole, false);
    same_gradient("a whole one on rows", whole_on_rows, false);
    same_gradient("many rounds", many_rounds, false);
    same_gradient("many ids", many_ids, false);
    same_gradient("a hook", hooked, false);
    same_gradient("a recomputed segment", recomputed, true);
    same_gradient("a tape used twice", kept_tape, true);
    same_gradient("no ids", no_ids, true);
}

/* Gradients that are asked for, and graphs that could not tell which op was wrong, stay whole. */
static void where_they_are_whole(void **state)
{
    (void)state;
    fixture f = made();
    ae_tensor *grad;
    assert_int_equal(ae_grad(g, looked_up(&f), NULL, &f.table, 1, &grad, 0), 0);
    assert_true(ae_numel(grad) == V * H && !f.table->grad_rows);
    static const unsigned flags[] = {AE_TRAIN | AE_HIGHER_ORDER, AE_TRAIN | AE_ANOMALY};
    for (int i = 0; i < 2; i++) {
        ae_graph_begin(g, flags[i]);
        assert_int_equal(ae_backward(g, looked_up(&f), 0), 0);
        assert_true(f.table->grad && !f.table->grad_rows);
        ae_model_zero_grad(f.m);
    }
    ae_model_free(f.m);
}

static void saved_whole(void **state)
{
    (void)state;
    fixture f = made();
    backward(&f, 0, true);
    ae_tensors *out = ae_tensors_new();
    assert_int_equal(ae_model_save(f.m, &(ae_save_options){.gradients = true}, out, NULL), 0);
    same_bits("saved", ae_tensors_get(out, "words.weight"), f.table->grad);
    ae_tensors_free(out);
    ae_model_free(f.m);
}

static ae_tensor *failing(ae_graph *graph, ae_tensor *grad, void *user)
{
    (void)grad, (void)user;
    return ae_fail(graph, AE_E_VALUE, "enough");
}

/* A backward that fails drops what it and earlier rounds left. */
static void dropped_with_a_failure(void **state)
{
    (void)state;
    fixture f = made();
    backward(&f, 0, true);
    ae_graph_begin(g, AE_TRAIN);
    ae_tensor *first = ae_requires_grad(g, ladder(AE_F32, ""));
    ae_hook(g, first, failing, NULL);
    ae_tensor *sum = ae_mul(g, first, first);
    assert_int_equal(ae_backward(g, ae_add(g, sum, looked_up(&f)), 0), -1);
    assert_true(!f.table->grad && !f.table->grad_rows);
    backward(&f, 0, true); /* what is left is freed with the model */
    ae_model_free(f.m);
}

/* Neither backward nor an optimizer holds V x H numbers for the gradient. */
static void no_whole_gradient_is_made(void **state)
{
    (void)state;
    fixture f = made();
    ae_optim_config c = ae_optim_defaults("sgd");
    ae_optimizer *opt = optimizer(&f, &c);
    ae_pool *pool = ae_graph_pool(g);
    ae_graph_begin(g, AE_TRAIN);
    ae_pool_reset_peak(pool);
    int64_t before = ae_pool_get_stats(pool).held;
    backward(&f, 0, true);
    backward(&f, 1, true);
    assert_int_equal(ae_optimizer_step(opt, g, 1), 0);
    assert_true(ae_pool_get_stats(pool).peak - before < (int64_t)V * H * 4);
    ae_optimizer_free(opt);
    ae_model_free(f.m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_rule, begin),
        cmocka_unit_test_setup(options_of_rules, begin),
        cmocka_unit_test_setup(any_number_of_threads, begin),
        cmocka_unit_test_setup(lbfgs_reads_them_whole, begin),
        cmocka_unit_test_setup(what_an_optimizer_leaves, begin),
        cmocka_unit_test_setup(ways_to_a_gradient, begin),
        cmocka_unit_test_setup(where_they_are_whole, begin),
        cmocka_unit_test_setup(saved_whole, begin),
        cmocka_unit_test_setup(dropped_with_a_failure, begin),
        cmocka_unit_test_setup(no_whole_gradient_is_made, begin),
    };
    return cmocka_run_group_tests(tests, set_up, free_graph);
}
