/* Embedding: rows, the padding row in values and in gradients, and what a wrong input gets. */
#include "nn/embedding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static void test_rows_and_padding(void **state)
{
    (void)state;
    ae_model *m = ae_model_new(1);
    ae_graph *g = ae_graph_new();
    struct ae_embedding l;
    ae_embedding_init(m, &l, "words", 4, 2, ae_init_ones(), 1);
    assert_true(ae_model_ok(m));
    assert_ptr_equal(ae_model_get(m, "words.weight"), l.weight);
    const float rows[8] = {1, 1, 0, 0, 1, 1, 1, 1};
    assert_memory_equal(l.weight->data, rows, sizeof rows);
    memcpy(l.weight->data, ((float[]){1, 2, 3, 4, 5, 6, 7, 8}), 32);
    ae_graph_begin(g, AE_GRAD);
    ae_tensor *ids = ae_from_data(g, AE_I64, 2, (int64_t[]){2, 2}, (int64_t[]){3, 1, 3, 0});
    ae_tensor *y = ae_embedding(g, &l, ids);
    assert_int_equal(y->ndim, 3);
    float out[8];
    assert_int_equal(ae_read(y, AE_F32, out, 8), 0);
    const float want[8] = {7, 8, 3, 4, 7, 8, 1, 2};
    assert_memory_equal(out, want, sizeof want);
    assert_int_equal(ae_backward(g, ae_sum(g, y, 0, NULL, false), 0), 0);
    assert_int_equal(ae_read(l.weight->grad, AE_F32, out, 8), 0);
    const float grad[8] = {1, 1, 0, 0, 0, 0, 2, 2};
    assert_memory_equal(out, grad, sizeof grad);
    ae_graph_free(g);
    ae_model_free(m);
}

static void test_wrong_input(void **state)
{
    (void)state;
    ae_model *m = ae_model_new(1);
    ae_graph *g = ae_graph_new();
    struct ae_embedding l;
    ae_embedding_init(m, &l, "words", 4, 2, ae_init_ones(), -1);
    ae_graph_begin(g, AE_EVAL);
    ae_embedding(g, &l, ae_from_data(g, AE_I64, 1, (int64_t[]){1}, (int64_t[]){4}));
    assert_false(ae_ok(g));
    assert_non_null(strstr(ae_graph_error(g)->message, "words.weight"));
    ae_embedding_init(m, &l, "other", 4, 2, ae_init_ones(), 4);
    assert_string_equal(ae_model_error(m)->message,
                        "embedding: padding_idx of other must be -1 or a row of 0..3; it is 4");
    ae_graph_free(g);
    ae_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_and_padding),
        cmocka_unit_test(test_wrong_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
