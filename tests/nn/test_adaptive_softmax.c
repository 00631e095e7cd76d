/* Adaptive softmax against PyTorch's numbers (its AdaptiveLogSoftmaxWithLoss, and Transformer-XL's form computed there
 * row by row): losses, log-probabilities of all words and every gradient, tables and projections of their own and tied
 * to an adaptive embedding; order of the clusters, rows that do not count, and what wrong input gets. */
#include "nn/adaptive_softmax.h"
#include "nn/state.h"
#include "tensor/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 9, V = 12 };

static const int64_t targets[N] = {0, 3, 4, 11, 6, 7, 2, 9, 5}, words[N] = {1, 4, 11, 7, 0, 6, 3, 10, 1};

static ae_tensors *numbers;
static ae_model *m;
static ae_graph *g;

static int read_numbers(void **state)
{
    (void)state;
    numbers = ae_safetensors_read(AE_TEST_DIR "/nn/adaptive_softmax.safetensors", NULL, NULL);
    return numbers ? 0 : -1;
}

static int free_numbers(void **state)
{
    (void)state;
    ae_tensors_free(numbers);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    m = ae_model_new(1);
    g = ae_graph_new();
    ae_graph_begin(g, AE_TRAIN);
    return m && g ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    ae_graph_free(g);
    ae_model_free(m);
    return 0;
}

static const ae_tensor *number(const char *of, const char *name)
{
    char text[128];
    snprintf(text, sizeof text, "%s.%s", of, name);
    const ae_tensor *t = ae_tensors_get(numbers, text);
    if (!t) {
        fail_msg("there is no %s", text);
    }
    return t;
}

static void close_to(const char *what, const ae_tensor *got, const ae_tensor *want)
{
    if (!ae_ok(g)) {
        fail_msg("%s", ae_graph_error(g)->message);
    }
    assert_int_equal(ae_numel(got), ae_numel(want));
    for (int64_t i = 0; i < ae_numel(want); i++) {
        double a = ae_get_f64(got, i), b = ae_get_f64(want, i);
        if (!(fabs(a - b) <= 1e-5 * (1 + fabs(b)))) {
            fail_msg("%s: element %d is %.9g and should be %.9g", what, (int)i, a, b);
        }
    }
}

/* The parameters take the values of the case; every name must be there. */
static void load(const char *of)
{
    for (int i = 0; i < ae_model_count(m); i++) {
        ae_param_info info = ae_model_at(m, i);
        const ae_tensor *t = number(of, info.name);
        assert_true(ae_same_shape(t, info.tensor));
        assert_int_equal(ae_tensor_copy(info.tensor, t, NULL), 0);
    }
}

static void gradients(const char *of)
{
    char text[128];
    for (int i = 0; i < ae_model_count(m); i++) {
        ae_param_info info = ae_model_at(m, i);
        snprintf(text, sizeof text, "grad.%s", info.name);
        assert_non_null(info.tensor->grad);
        close_to(text, info.tensor->grad, number(of, text));
    }
}

static ae_tensor *ids_of(const int64_t *ids)
{
    return ae_from_data(g, AE_I64, 1, (int64_t[]){N}, ids);
}

/* Losses, log-probabilities, and gradients of the mean loss. */
static void compare(const char *of, const struct ae_adaptive_softmax *l, ae_tensor *x)
{
    close_to("losses", ae_adaptive_softmax_loss(g, l, x, ids_of(targets), -100, AE_REDUCE_NONE), number(of, "losses"));
    close_to("log_prob", ae_adaptive_softmax_log_prob(g, l, x), number(of, "log_prob"));
    ae_tensor *mean = ae_adaptive_softmax_loss(g, l, x, ids_of(targets), -100, AE_REDUCE_MEAN);
    ae_tensor *sum = ae_adaptive_softmax_loss(g, l, x, ids_of(targets), -100, AE_REDUCE_SUM);
    assert_true(fabs(ae_item(sum) - N * ae_item(mean)) < 1e-4);
    assert_int_equal(ae_backward(g, mean, 0), 0);
    gradients(of);
}

static void torch_form(void **state)
{
    (void)state;
    struct ae_adaptive_softmax l;
    ae_adaptive_softmax_init(m, &l, "", 8, V, (const int64_t[]){4, 7}, 2, 2, true);
    load("torch");
    ae_tensor *x = ae_requires_grad(g, ae_input(g, number("torch", "x")));
    compare("torch", &l, x);
    close_to("grad.x", x->grad, number("torch", "grad.x"));
}

static void torch_form_without_bias(void **state)
{
    (void)state;
    struct ae_adaptive_softmax l;
    ae_adaptive_softmax_init(m, &l, "", 8, V, (const int64_t[]){5}, 1, 4, false);
    load("torch_wide");
    ae_tensor *x = ae_requires_grad(g, ae_input(g, number("torch_wide", "x")));
    compare("torch_wide", &l, x);
    close_to("grad.x", x->grad, number("torch_wide", "grad.x"));
}

/* The embedding of words, squashed, and the softmax over it: the cases' whole. */
static void transformer_xl(const char *of, int64_t width, int64_t outer, double div_value, const int64_t *cutoffs,
                           int n_cutoffs, bool tied)
{
    static const bool tie_projs[] = {false, true, true};
    struct ae_adaptive_embedding e;
    struct ae_adaptive_softmax l;
    ae_adaptive_layout layout = {.classes = V,
                                 .cutoffs = cutoffs,
                                 .n_cutoffs = n_cutoffs,
                                 .width = width,
                                 .outer = outer,
                                 .div_value = div_value,
                                 .init = ae_init_normal(0.02),
                                 .proj_init = ae_init_normal(0.01)};
    ae_adaptive_embedding_init(m, &e, "word_emb", &layout);
    ae_adaptive_softmax_init_transfo_xl(m, &l, "crit", &layout, tied ? &e : NULL, tied ? tie_projs : NULL);
    if (!ae_model_ok(m)) {
        fail_msg("%s", ae_model_error(m)->message);
    }
    load(of);
    ae_tensor *ids = ae_from_data(g, AE_I64, 2, (int64_t[]){3, 3}, words);
    ae_tensor *x = ae_adaptive_embedding(g, &e, ids);
    assert_int_equal(x->ndim, 3);
    close_to("embedded", x, number(of, "embedded"));
    compare(of, &l, ae_tanh(g, ae_scale(g, ae_reshape(g, x, 2, (int64_t[]){N, outer}), 0.3)));
}

static void transformer_xl_tied(void **state)
{
    (void)state;
    transformer_xl("xl", 8, 6, 2, (const int64_t[]){4, 7}, 2, true);
    assert_ptr_equal(ae_model_get(m, "crit.out_layers.1.weight"), ae_model_get(m, "word_emb.emb_layers.1.weight"));
    assert_ptr_equal(ae_model_get(m, "crit.out_projs.2"), ae_model_get(m, "word_emb.emb_projs.2"));
    assert_ptr_not_equal(ae_model_get(m, "crit.out_projs.0"), ae_model_get(m, "word_emb.emb_projs.0"));
}

static void transformer_xl_one_table(void **state)
{
    (void)state;
    transformer_xl("xl_one", 4, 6, 1, (const int64_t[]){4, 7}, 2, true);
    assert_ptr_equal(ae_model_get(m, "crit.out_projs.2"), ae_model_get(m, "word_emb.emb_projs.0"));
}

static void transformer_xl_own_tables(void **state)
{
    (void)state;
    transformer_xl("xl_own", 8, 6, 2, (const int64_t[]){3, 5, 9}, 3, false);
}

/* No cutoffs, no projection: softmax. */
static void transformer_xl_plain(void **state)
{
    (void)state;
    transformer_xl("xl_plain", 5, 5, 1, NULL, 0, false);
    assert_null(ae_model_get(m, "crit.cluster_weight"));
    assert_null(ae_model_get(m, "word_emb.emb_projs.0"));
}

/* The authors' PyTorch program reads the entries from the other end: swapping them by hand is the same. */
static void last_cluster_first(void **state)
{
    (void)state;
    struct ae_adaptive_softmax l;
    ae_adaptive_softmax_init(m, &l, "", 8, V, (const int64_t[]){4, 7}, 2, 2, true);
    load("torch");
    float *w = l.head.weight->data, *b = l.head.bias->data;
    for (int k = 0; k < 8; k++) {
        float t = w[4 * 8 + k];
        w[4 * 8 + k] = w[5 * 8 + k];
        w[5 * 8 + k] = t;
    }
    float t = b[4];
    b[4] = b[5];
    b[5] = t;
    l.last_first = true;
    ae_tensor *x = ae_input(g, number("torch", "x"));
    close_to("losses", ae_adaptive_softmax_loss(g, &l, x, ids_of(targets), -100, AE_REDUCE_NONE),
             number("torch", "losses"));
    close_to("log_prob", ae_adaptive_softmax_log_prob(g, &l, x), number("torch", "log_prob"));
}

/* Leading axes stay; ignored rows are 0 and out of the mean; a cluster nobody asks for has no gradient. */
static void rows_that_count(void **state)
{
    (void)state;
    struct ae_adaptive_softmax l;
    ae_adaptive_softmax_init(m, &l, "words", 8, V, (const int64_t[]){4, 7}, 2, 2, true);
    ae_tensor *x = ae_reshape(g, ae_input(g, number("torch", "x")), 3, (int64_t[]){3, 3, 8});
    ae_tensor *t = ae_from_data(g, AE_I32, 2, (int64_t[]){3, 3}, (int32_t[]){0, -1, 1, 2, -1, 4, 3, -1, 6});
    ae_tensor *each = ae_adaptive_softmax_loss(g, &l, x, t, -1, AE_REDUCE_NONE);
    ae_tensor *all = ae_adaptive_softmax_log_prob(g, &l, x);
    assert_true(each->ndim == 2 && each->shape[0] == 3 && all->ndim == 3 && all->shape[2] == V);
    double sum = 0;
    for (int i = 0; i < 9; i++) {
        int64_t k = ae_get_i64(t, i);
        assert_true(k < 0 ? ae_get_f64(each, i) == 0 : fabs(ae_get_f64(each, i) + ae_get_f64(all, i * V + k)) < 1e-5);
        sum += ae_get_f64(each, i);
    }
    ae_tensor *mean = ae_adaptive_softmax_loss(g, &l, x, t, -1, AE_REDUCE_MEAN);
    assert_true(fabs(ae_item(mean) - sum / 6) < 1e-5);
    assert_int_equal(ae_backward(g, mean, 0), 0);
    assert_non_null(l.out[1].weight->grad);
    assert_null(l.out[2].weight->grad);
    ae_graph_begin(g, AE_TRAIN);
    x = ae_input(g, number("torch", "x"));
    t = ae_full(g, AE_I64, 1, (int64_t[]){N}, -100);
    assert_true(ae_item(ae_adaptive_softmax_loss(g, &l, x, t, -100, AE_REDUCE_MEAN)) == 0);
}

/* Words of one cluster, and no words at all. */
static void few_words(void **state)
{
    (void)state;
    struct ae_adaptive_embedding e;
    ae_adaptive_layout layout = {V, (const int64_t[]){4}, 1, 4, 2, 2, ae_init_ones(), ae_init_ones()};
    ae_adaptive_embedding_init(m, &e, "e", &layout);
    ae_tensor *y = ae_adaptive_embedding(g, &e, ae_from_data(g, AE_I32, 1, (int64_t[]){1}, (int32_t[]){11}));
    assert_true(fabs(ae_get_f64(y, 1) - 2 * sqrt(2)) < 1e-6); /* width 2 of ones, times sqrt(H) */
    assert_int_equal(ae_backward(g, ae_sum(g, y, 0, NULL, false), 0), 0);
    assert_true(!e.weight[0]->grad && ae_get_f64(e.weight[1]->grad, 2 * 7) != 0);
    ae_graph_begin(g, AE_TRAIN);
    y = ae_adaptive_embedding(g, &e, ae_zeros(g, AE_I64, 2, (int64_t[]){0, 3}));
    assert_true(ae_ok(g) && y->ndim == 3 && y->shape[0] == 0 && y->shape[2] == 2);
}

static void expect_error(const char *message)
{
    assert_string_equal(ae_graph_error(g)->message, message);
    ae_graph_begin(g, AE_TRAIN);
}

static void wrong_input(void **state)
{
    (void)state;
    struct ae_adaptive_softmax l;
    struct ae_adaptive_embedding e;
    ae_adaptive_softmax_init(m, &l, "words", 8, V, (const int64_t[]){4, 7}, 2, 2, true);
    ae_adaptive_layout layout = {V, (const int64_t[]){4}, 1, 4, 2, 2, ae_init_ones(), ae_init_ones()};
    ae_adaptive_embedding_init(m, &e, "e", &layout);
    ae_tensor *x = ae_zeros(g, AE_F32, 2, (int64_t[]){N, 8});
    ae_adaptive_softmax_loss(g, &l, x, ae_full(g, AE_I64, 1, (int64_t[]){N}, 12), -100, AE_REDUCE_SUM);
    expect_error("adaptive_softmax: target 0 is 12; there are 12 classes, and -100 is ignored");
    x = ae_zeros(g, AE_F32, 2, (int64_t[]){N, 8});
    ae_adaptive_softmax_loss(g, &l, x, ae_zeros(g, AE_I64, 1, (int64_t[]){4}), -100, AE_REDUCE_SUM);
    expect_error("adaptive_softmax: x [9,8] must be targets [4] with one more axis");
    x = ae_zeros(g, AE_F32, 2, (int64_t[]){N, 8});
    ae_adaptive_softmax_loss(g, &l, x, ae_zeros(g, AE_F32, 1, (int64_t[]){N}), -100, AE_REDUCE_SUM);
    expect_error("adaptive_softmax: targets are f32; i64 or i32 ids are needed");
    ae_adaptive_softmax_log_prob(g, &l, ae_zeros(g, AE_F32, 0, NULL));
    expect_error("adaptive_softmax: x has no last axis to project");
    ae_adaptive_embedding(g, &e, ae_full(g, AE_I64, 1, (int64_t[]){2}, 12));
    expect_error("adaptive_embedding: id 12 at place 0; e.emb_layers.0.weight and its clusters have 12 rows");
    ae_adaptive_embedding(g, &e, ae_zeros(g, AE_F32, 1, (int64_t[]){2}));
    expect_error("adaptive_embedding: ids are f32; i64 or i32 are needed");
}

/* Every way to ask for what cannot be built, each in a root of its own. */
static void wrong_layouts(void **state)
{
    (void)state;
    const struct {
        int64_t classes;
        int64_t cutoffs[2];
        int n_cutoffs;
        double div_value;
        const char *message;
    } rows[] = {
        {V, {4, 4}, 2, 2, "cutoff 1 is 4; cutoffs must rise strictly between 0 and the 12 classes"},
        {V, {12}, 1, 2, "cutoff 0 is 12; cutoffs must rise strictly between 0 and the 12 classes"},
        {0, {0}, 0, 2, "0 classes and 0 cutoffs; at least 1 class is needed, at most 7 cutoffs"},
        {V, {4}, 1, 0.5, "div_value of e is 0.5; it must be at least 1"},
        {V,
         {4},
         1,
         8,
         "e has width 4, div_value 8 and 1 cutoffs, inside a model of width 2: rows of the last cluster "
         "would be empty"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ae_model *root = ae_model_new(1);
        char want[256];
        struct ae_adaptive_embedding e;
        ae_adaptive_layout layout = {rows[i].classes,   rows[i].cutoffs, rows[i].n_cutoffs, 4, 2,
                                     rows[i].div_value, ae_init_ones(),  ae_init_ones()};
        ae_adaptive_embedding_init(root, &e, "e", &layout);
        snprintf(want, sizeof want, "adaptive_embedding: %s", rows[i].message);
        assert_string_equal(ae_model_error(root)->message, want);
        ae_model_free(root);
    }
}

static void wrong_softmaxes(void **state)
{
    (void)state;
    struct ae_adaptive_embedding e;
    struct ae_adaptive_softmax l;
    ae_adaptive_layout layout = {V, (const int64_t[]){4}, 1, 4, 2, 2, ae_init_ones(), ae_init_ones()};
    ae_adaptive_softmax_init(m, &l, "words", 8, V, NULL, 0, 2, true);
    assert_string_equal(ae_model_error(m)->message, "adaptive_softmax: words has no cutoffs; at least 1 is needed");
    ae_model *root = ae_model_new(1);
    ae_adaptive_softmax_init(root, &l, "words", 8, V, (const int64_t[]){4}, 1, 16, true);
    assert_string_equal(ae_model_error(root)->message, "adaptive_softmax: words has 8 inputs, div_value 16 and 1 "
                                                       "cutoffs: the last cluster would have no width");
    ae_model_free(root);
    root = ae_model_new(1);
    ae_adaptive_embedding_init(root, &e, "e", &layout);
    layout.classes = 13;
    ae_adaptive_softmax_init_transfo_xl(root, &l, "crit", &layout, &e, NULL);
    assert_string_equal(
        ae_model_error(root)->message,
        "adaptive_softmax: crit is tied to e.emb_layers.0.weight [4,4] of 2 clusters and 12 classes; its "
        "own layout has 2, 13 and width 4");
    ae_model_free(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(torch_form, begin, end),
        cmocka_unit_test_setup_teardown(torch_form_without_bias, begin, end),
        cmocka_unit_test_setup_teardown(transformer_xl_tied, begin, end),
        cmocka_unit_test_setup_teardown(transformer_xl_one_table, begin, end),
        cmocka_unit_test_setup_teardown(transformer_xl_own_tables, begin, end),
        cmocka_unit_test_setup_teardown(transformer_xl_plain, begin, end),
        cmocka_unit_test_setup_teardown(last_cluster_first, begin, end),
        cmocka_unit_test_setup_teardown(rows_that_count, begin, end),
        cmocka_unit_test_setup_teardown(few_words, begin, end),
        cmocka_unit_test_setup_teardown(wrong_input, begin, end),
        cmocka_unit_test_setup_teardown(wrong_layouts, begin, end),
        cmocka_unit_test_setup_teardown(wrong_softmaxes, begin, end),
    };
    return cmocka_run_group_tests(tests, read_numbers, free_numbers);
}
