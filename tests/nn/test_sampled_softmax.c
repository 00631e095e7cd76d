/* Sampled softmax against numbers computed with NumPy by TensorFlow's formula (hits masked out there, found in another
 * way here) and against differences; the log-uniform candidates: their distribution, how often they are expected, that
 * none comes twice, and that they depend on the key alone; what wrong input gets. */
#include "nn/sampled_softmax.h"
#include "tensor/threads.h"

#include "autograd/op_values.h"

enum { N = 4, S = 5, V = 10, H = 3 };

static ae_model *m;
static ae_tensor *weight, *bias;

static int set_up(void **state)
{
    make_graph(state);
    m = ae_model_new(1);
    weight = ae_param(m, "weight", 2, (int64_t[]){V, H}, ae_init_zeros());
    bias = ae_param(m, "bias", 1, (int64_t[]){V}, ae_init_zeros());
    for (int i = 0; i < V * H; i++) {
        ((float *)weight->data)[i] = (float)sin(1.3 * i);
    }
    for (int i = 0; i < V; i++) {
        ((float *)bias->data)[i] = (float)(0.1 * i - 0.3);
    }
    return 0;
}

static int tear_down(void **state)
{
    ae_model_free(m);
    return free_graph(state);
}

static int begin(void **state)
{
    ae_model_zero_grad(m);
    return begin_step(state);
}

static ae_tensor *given(void)
{
    ae_tensor *x = ae_empty(g, AE_F32, 2, (int64_t[]){N, H});
    for (int i = 0; i < N * H; i++) {
        ((float *)x->data)[i] = (float)cos(0.7 * i);
    }
    return ae_requires_grad(g, x);
}

/* Two of the targets are among the candidates. */
static ae_tensor *targets(void)
{
    return values(AE_I64, "4", (double[]){1, 7, 3, 0});
}

static struct ae_candidates fixed(int64_t tries)
{
    return (struct ae_candidates){values(AE_I64, "5", (double[]){3, 0, 5, 9, 2}), V, tries};
}

static void values_and_gradients(void **state)
{
    (void)state;
    struct ae_candidates c = fixed(8);
    ae_tensor *x = given();
    ae_tensor *each = ae_sampled_softmax_loss(g, x, weight, bias, targets(), &c, -100, AE_REDUCE_NONE);
    expect_near(each, "[4]", N, (double[]){4.28795905, 1.22234755, 1.03952647, 2.42746623}, 1e-6);
    ae_tensor *loss = ae_sampled_softmax_loss(g, x, weight, bias, targets(), &c, -100, AE_REDUCE_MEAN);
    assert_int_equal(ae_backward(g, loss, 0), 0);
    expect_near(x->grad, "[4,3]", 12,
                (double[]){0.27674433, 0.363791058, -0.0821169661, -0.214356518, -0.0770461389, 0.173137014,
                           0.0987802626, -0.111457811, -0.15840993, 0.109145026, -0.0939087051, -0.159385963},
                1e-6);
    expect_near(weight->grad, "[10,3]", 30,
                (double[]){-0.216383938,
                           -0.152548651,
                           -0.0169673492,
                           -0.246566769,
                           -0.188584667,
                           -0.0419082492,
                           0.0970409915,
                           0.0719892782,
                           0.0130798824,
                           0.11083376,
                           -0.00905303918,
                           -0.124682052,
                           0,
                           0,
                           0,
                           0.245758788,
                           0.20165024,
                           0.0627024338,
                           0,
                           0,
                           0,
                           0.0890374468,
                           0.166175535,
                           0.165158672,
                           0,
                           0,
                           0,
                           -0.0797202788,
                           -0.0896286967,
                           -0.0573833381},
                1e-6);
    expect_near(bias->grad, "[10]", 10,
                (double[]){-0.184350957, -0.246566769, 0.122182591, -0.122119686, 0, 0.307605106, 0, -0.176365522, 0,
                           0.299615236},
                1e-6);
}

/* When every draw was new, TensorFlow expects count P. */
static void as_many_tries_as_candidates(void **state)
{
    (void)state;
    struct ae_candidates c = fixed(S);
    ae_tensor *each = ae_sampled_softmax_loss(g, given(), weight, bias, targets(), &c, -100, AE_REDUCE_NONE);
    expect_near(each, "[4]", N, (double[]){4.54244059, 1.22658702, 1.0927401, 3.03139619}, 1e-6);
}

static void rows_that_do_not_count(void **state)
{
    (void)state;
    struct ae_candidates c = fixed(8);
    ae_tensor *t = values(AE_I32, "4", (double[]){1, -1, 3, -1});
    expect_near(ae_sampled_softmax_loss(g, given(), weight, bias, t, &c, -1, AE_REDUCE_NONE), "[4]", N,
                (double[]){4.28795905, 0, 1.03952647, 0}, 1e-6);
    ae_tensor *mean = ae_sampled_softmax_loss(g, given(), weight, bias, t, &c, -1, AE_REDUCE_MEAN);
    expect_near(mean, "[]", 1, (double[]){(4.28795905 + 1.03952647) / 2}, 1e-6);
}

/* The loss of both directions over shared candidates, as a function of one number of x. */
static double both_directions(int at, double step, ae_tensor **x)
{
    ae_graph_begin(g, AE_TRAIN);
    ae_graph_random(g, 5, 0, 0, 0);
    struct ae_candidates c = ae_log_uniform_candidates(g, V, 6);
    ae_tensor *t = given();
    ((float *)t->data)[at] += (float)step;
    *x = t;
    ae_tensor *forward = ae_sampled_softmax_loss(g, t, weight, NULL, targets(), &c, -100, AE_REDUCE_MEAN);
    ae_tensor *backward = ae_sampled_softmax_loss(g, t, weight, bias, values(AE_I64, "4", (double[]){9, 9, 2, 4}), &c,
                                                  -100, AE_REDUCE_MEAN);
    ae_tensor *loss = ae_scale(g, ae_add(g, forward, backward), 0.5);
    double value = ae_item(loss);
    assert_int_equal(ae_backward(g, loss, 0), 0);
    return value;
}

static void differences(void **state)
{
    (void)state;
    for (int i = 0; i < N * H; i++) {
        ae_tensor *x;
        double up = both_directions(i, 0.01, &x), down = both_directions(i, -0.01, &x);
        both_directions(i, 0, &x);
        assert_true(fabs((up - down) / 0.02 - ae_get_f64(x->grad, i)) < 2e-4);
    }
}

/* ---- candidates ---------------------------------------------------------------------------------------------------- */

static void probabilities(void **state)
{
    (void)state;
    static const double p[V] = {0.289064826,  0.169092084, 0.119972743, 0.0930580888, 0.0760339948,
                                0.0642858266, 0.055686916, 0.049119341, 0.0439387478, 0.0397474322};
    static const double expected[V] = {0.93474106, 0.772792233, 0.64027635, 0.542242178, 0.468812383,
                                       0.41231357, 0.367692902, 0.3316436,  0.301951276, 0.277090691};
    double sum = 0;
    for (int i = 0; i < V; i++) {
        assert_true(fabs(ae_log_uniform_probability(V, i) - p[i]) < 1e-8);
        assert_true(fabs(ae_log_uniform_expected(V, i, S, 8) - expected[i]) < 1e-8);
        assert_true(ae_log_uniform_expected(V, i, S, S) == S * ae_log_uniform_probability(V, i));
        sum += ae_log_uniform_probability(V, i);
    }
    assert_true(fabs(sum - 1) < 1e-12);
    assert_true(ae_log_uniform_probability(V, -1) == 0 && ae_log_uniform_probability(V, V) == 0);
}

/* The first draw follows P; id is among two that differ with P(id) + sum over other j of P(j) P(id) / (1 - P(j)). */
static void distribution(void **state)
{
    (void)state;
    enum { ROUNDS = 20000 };
    double first[V] = {0}, held[V] = {0};
    for (int round = 0; round < ROUNDS; round++) {
        ae_graph_begin(g, AE_EVAL);
        ae_graph_random(g, 3, (uint64_t)round, 0, 0);
        struct ae_candidates c = ae_log_uniform_candidates(g, V, 2);
        first[ae_get_i64(c.ids, 0)]++;
        held[ae_get_i64(c.ids, 0)]++;
        held[ae_get_i64(c.ids, 1)]++;
    }
    for (int i = 0; i < V; i++) {
        double p = ae_log_uniform_probability(V, i), both = p;
        for (int j = 0; j < V; j++) {
            double q = ae_log_uniform_probability(V, j);
            both += j == i ? 0 : q * p / (1 - q);
        }
        assert_true(fabs(first[i] / ROUNDS - p) < 4 * sqrt(p * (1 - p) / ROUNDS));
        assert_true(fabs(held[i] / ROUNDS - both) < 4 * sqrt(both * (1 - both) / ROUNDS));
    }
}

static void by_the_key_alone(void **state)
{
    (void)state;
    enum { CLASSES = 50000, COUNT = 3000 };
    int64_t drawn[3][COUNT];
    int threads = ae_threads();
    for (int k = 0; k < 3; k++) {
        ae_set_threads(k == 1 ? 1 : 3, NULL);
        ae_graph_begin(g, AE_TRAIN);
        ae_graph_random(g, 7, k == 2, 0, 0);
        struct ae_candidates c = ae_log_uniform_candidates(g, CLASSES, COUNT);
        assert_true(c.tries >= COUNT && c.classes == CLASSES);
        memcpy(drawn[k], c.ids->data, sizeof drawn[k]);
    }
    ae_set_threads(threads, NULL);
    assert_memory_equal(drawn[0], drawn[1], sizeof drawn[0]);
    assert_memory_not_equal(drawn[0], drawn[2], sizeof drawn[0]);
    static bool seen[CLASSES];
    for (int i = 0; i < COUNT; i++) {
        assert_true(drawn[0][i] >= 0 && drawn[0][i] < CLASSES && !seen[drawn[0][i]]);
        seen[drawn[0][i]] = true;
    }
}

static void all_classes(void **state)
{
    (void)state;
    struct ae_candidates c = ae_log_uniform_candidates(g, V, V);
    int64_t sum = 0;
    for (int i = 0; i < V; i++) {
        sum += ae_get_i64(c.ids, i);
    }
    assert_int_equal(sum, V * (V - 1) / 2);
}

/* ---- wrong input --------------------------------------------------------------------------------------------------- */

static void bad_input_is_named(void **state)
{
    (void)state;
    ae_log_uniform_candidates(g, V, 11);
    expect_error(AE_E_VALUE,
                 "log_uniform_candidates: 11 candidates of 10 classes; at least 1 and at most all are possible");
    assert_ptr_equal(ae_log_uniform_candidates(g, V, 0).ids, ae_bad(g));
    expect_error(AE_E_VALUE,
                 "log_uniform_candidates: 0 candidates of 10 classes; at least 1 and at most all are possible");
    struct ae_candidates c = fixed(8);
    ae_sampled_softmax_loss(g, given(), weight, bias, values(AE_I64, "4", (double[]){0, 1, 2, 10}), &c, -100,
                            AE_REDUCE_SUM);
    expect_error(AE_E_VALUE, "sampled_softmax: target 3 is 10; there are 10 classes, and -100 is ignored");
    c = fixed(8);
    ae_sampled_softmax_loss(g, given(), weight, bias, ladder(AE_I64, "3"), &c, -100, AE_REDUCE_SUM);
    expect_error(AE_E_SHAPE, "sampled_softmax: x [4,3] must be (N,H), weight [10,3] (V,H), targets [3] (N)");
    c = fixed(8);
    ae_sampled_softmax_loss(g, given(), weight, ladder(AE_F32, "9"), targets(), &c, -100, AE_REDUCE_SUM);
    expect_error(AE_E_SHAPE, "sampled_softmax: bias [9] must have one value a row of weight [10,3]");
    c = fixed(8);
    c.classes = 11;
    ae_sampled_softmax_loss(g, given(), weight, bias, targets(), &c, -100, AE_REDUCE_SUM);
    expect_error(AE_E_VALUE, "sampled_softmax: the candidates are of 11 classes, weight [10,3] has other rows");
    c = fixed(8);
    ae_sampled_softmax_loss(g, given(), weight, bias, ladder(AE_F32, "4"), &c, -100, AE_REDUCE_SUM);
    expect_error(AE_E_DTYPE, "sampled_softmax: targets are f32; i64 or i32 ids are needed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(values_and_gradients, begin),
        cmocka_unit_test_setup(as_many_tries_as_candidates, begin),
        cmocka_unit_test_setup(rows_that_do_not_count, begin),
        cmocka_unit_test_setup(differences, begin),
        cmocka_unit_test_setup(probabilities, begin),
        cmocka_unit_test_setup(distribution, begin),
        cmocka_unit_test_setup(by_the_key_alone, begin),
        cmocka_unit_test_setup(all_classes, begin),
        cmocka_unit_test_setup(bad_input_is_named, begin),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
