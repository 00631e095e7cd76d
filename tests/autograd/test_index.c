/* Look-ups and their gradients against numbers that NumPy computed, and what bad ids get. */
#include "autograd/ops.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static ae_graph *g;

static ae_tensor *ladder(ae_dtype dtype, int ndim, const int64_t *shape)
{
    ae_tensor *t = ae_empty(g, dtype, ndim, shape);
    for (int64_t i = 0; i < ae_numel(t); i++) {
        ae_set_f64(t, i, (double)i);
    }
    return t;
}

static ae_tensor *ids_of(ae_dtype dtype, int64_t n, const int64_t *values)
{
    ae_tensor *t = ae_empty(g, dtype, 1, &n);
    for (int64_t i = 0; i < n; i++) {
        ae_set_i64(t, i, values[i]);
    }
    return t;
}

static void expect(ae_tensor *t, const char *shape, int64_t n, const double *values)
{
    char text[AE_SHAPE_TEXT_MAX];
    double got[64];
    if (!ae_ok(g)) {
        fail_msg("%s", ae_graph_error(g)->message);
    }
    assert_string_equal(ae_shape_text(t->ndim, t->shape, text), shape);
    assert_int_equal(ae_read(t, AE_F64, got, n), 0);
    for (int64_t i = 0; i < n; i++) {
        if (fabs(got[i] - values[i]) > 1e-12) {
            fail_msg("element %lld is %.10g, not %.10g", (long long)i, got[i], values[i]);
        }
    }
}

static void expect_error(ae_code code, const char *message)
{
    assert_int_equal(ae_graph_error(g)->code, code);
    assert_string_equal(ae_graph_error(g)->message, message);
    ae_graph_begin(g, AE_TRAIN);
}

static void embedding_looks_up_every_dtype(void **state)
{
    const ae_dtype dtypes[] = {AE_F32, AE_F64, AE_BF16, AE_F16, AE_I8, AE_U8, AE_I32, AE_I64};
    const double want[] = {9, 10, 11, 0, 1, 2, 9, 10, 11};
    (void)state;
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        ae_graph_begin(g, AE_TRAIN);
        ae_tensor *table = ladder(dtypes[i], 2, (int64_t[]){4, 3});
        ae_tensor *y = ae_f_embedding(g, table, ids_of(i & 1 ? AE_I32 : AE_I64, 3, (int64_t[]){3, 0, 3}), -1);
        assert_int_equal(y->dtype, dtypes[i]);
        expect(y, "[3,3]", 9, want);
    }
}

static void embedding_gradient_skips_the_padding_row(void **state)
{
    const ae_dtype dtypes[] = {AE_F32, AE_F64, AE_BF16, AE_F16};
    (void)state;
    for (int i = 0; i < 4; i++) {
        ae_graph_begin(g, AE_TRAIN);
        ae_tensor *table = ae_requires_grad(g, ladder(dtypes[i], 2, (int64_t[]){4, 2}));
        ae_tensor *y = ae_f_embedding(g, table, ids_of(AE_I64, 5, (int64_t[]){3, 1, 0, 1, 0}), 0);
        ae_tensor *weighted = ae_mul(g, y, ladder(dtypes[i], 2, (int64_t[]){5, 2}));
        assert_int_equal(ae_backward(g, ae_sum(g, weighted, 0, NULL, false), 0), 0);
        expect(table->grad, "[4,2]", 8, (double[]){0, 0, 2 + 6, 3 + 7, 0, 0, 0, 1});
    }
}

/* 3000 additions of 0.1 to one row: summed in f32, one after the other, they would be off by 1e-3. */
static void embedding_gradient_is_summed_accurately(void **state)
{
    (void)state;
    ae_graph_begin(g, AE_TRAIN);
    ae_tensor *table = ae_requires_grad(g, ae_zeros(g, AE_F32, 2, (int64_t[]){2, 700}));
    ae_tensor *ids = ae_zeros(g, AE_I64, 2, (int64_t[]){30, 100});
    ae_tensor *y = ae_scale(g, ae_f_embedding(g, table, ids, -1), 0.1);
    assert_int_equal(ae_backward(g, ae_sum(g, y, 0, NULL, false), 0), 0);
    for (int i = 0; i < 700; i++) {
        assert_true(((const float *)table->grad->data)[i] == (float)(3000 * (double)0.1F));
        assert_true(((const float *)table->grad->data)[700 + i] == 0.0F);
    }
}

static void empty_lookups_are_fine(void **state)
{
    (void)state;
    ae_graph_begin(g, AE_TRAIN);
    ae_tensor *none = ids_of(AE_I64, 0, NULL);
    ae_tensor *table = ae_requires_grad(g, ladder(AE_F32, 2, (int64_t[]){2, 3}));
    ae_tensor *y = ae_f_embedding(g, table, none, -1);
    expect(y, "[0,3]", 0, NULL);
    assert_int_equal(ae_backward(g, ae_sum(g, y, 0, NULL, false), 0), 0);
    expect(table->grad, "[2,3]", 6, (double[]){0, 0, 0, 0, 0, 0});
    expect(ae_f_embedding(g, ladder(AE_F32, 2, (int64_t[]){0, 3}), none, -1), "[0,3]", 0, NULL);
    expect(ae_f_embedding(g, ladder(AE_F32, 2, (int64_t[]){2, 0}), ids_of(AE_I32, 1, (int64_t[]){1}), -1), "[1,0]", 0,
           NULL);
}

static void index_select_and_index_add(void **state)
{
    (void)state;
    ae_graph_begin(g, AE_TRAIN);
    ae_tensor *x = ladder(AE_F32, 3, (int64_t[]){2, 3, 2});
    ae_tensor *ids = ids_of(AE_I32, 3, (int64_t[]){2, 0, 2});
    expect(ae_index_select(g, x, -2, ids), "[2,3,2]", 12, (double[]){4, 5, 0, 1, 4, 5, 10, 11, 6, 7, 10, 11});
    expect(ae_index_select(g, ae_transpose(g, x, 0, 2), 1, ids), "[2,3,2]", 12,
           (double[]){4, 10, 0, 6, 4, 10, 5, 11, 1, 7, 5, 11});
    ae_tensor *i32 = ladder(AE_I32, 2, (int64_t[]){2, 3});
    expect(ae_index_add(g, i32, 1, ids, ladder(AE_I32, 2, (int64_t[]){2, 3})), "[2,3]", 6,
           (double[]){0 + 1, 1, 2 + 0 + 2, 3 + 4, 4, 5 + 3 + 5});
}

static void bad_input_is_named(void **state)
{
    (void)state;
    ae_graph_begin(g, AE_TRAIN);
    ae_tensor *table = ae_name(g, ladder(AE_F32, 2, (int64_t[]){4, 2}), "wte.weight");
    ae_f_embedding(g, table, ids_of(AE_I64, 3, (int64_t[]){0, 3, 4}), -1);
    expect_error(AE_E_VALUE, "embedding: id 4 at place 2 is outside of axis 0 of wte.weight [4,2]");
    table = ae_name(g, ladder(AE_F32, 2, (int64_t[]){4, 2}), "wte.weight");
    ae_f_embedding(g, table, ids_of(AE_I32, 1, (int64_t[]){-1}), -1);
    expect_error(AE_E_VALUE, "embedding: id -1 at place 0 is outside of axis 0 of wte.weight [4,2]");
    table = ladder(AE_F32, 2, (int64_t[]){4, 2});
    ae_f_embedding(g, table, ladder(AE_F32, 1, (int64_t[]){1}), -1);
    expect_error(AE_E_DTYPE, "embedding: input 1 [1] is f32; ids are i64 or i32: cast it");
    ae_f_embedding(g, ladder(AE_F32, 1, (int64_t[]){4}), ids_of(AE_I64, 1, (int64_t[]){0}), -1);
    expect_error(AE_E_SHAPE, "embedding: the table is (V,H), two axes; this one is [4]");
    ae_f_embedding(g, ladder(AE_F32, 2, (int64_t[]){4, 2}), ids_of(AE_I64, 1, (int64_t[]){0}), 4);
    expect_error(AE_E_VALUE, "embedding: padding_idx 4 is no row of the table [4,2]; -1 means none");
    ae_f_embedding(g, ladder(AE_F32, 2, (int64_t[]){4, 2}), NULL, -1);
    expect_error(AE_E_VALUE, "embedding: input 1 is NULL");
    ae_index_select(g, ladder(AE_F32, 1, (int64_t[]){4}), 1, ids_of(AE_I64, 1, (int64_t[]){0}));
    expect_error(AE_E_VALUE, "index_select: axis 1 of a tensor [4] does not exist");
    ae_index_select(g, ladder(AE_F32, 2, (int64_t[]){4, 2}), 1, ids_of(AE_I64, 1, (int64_t[]){2}));
    expect_error(AE_E_VALUE, "index_select: id 2 at place 0 is outside of axis 1 of input 0 [4,2]");
    ae_tensor *deep = ae_zeros(g, AE_F32, 8, (int64_t[]){1, 1, 1, 1, 1, 1, 1, 1});
    ae_index_select(g, deep, 1, ae_zeros(g, AE_I64, 2, (int64_t[]){1, 1}));
    expect_error(AE_E_SHAPE,
                 "index_select: input 0 [1,1,1,1,1,1,1,1] at ids of rank 2 would have 9 axes; at most 8 are "
                 "possible");
    ae_index_add(g, ladder(AE_F32, 2, (int64_t[]){4, 2}), 0, ids_of(AE_I64, 1, (int64_t[]){0}),
                 ladder(AE_F32, 2, (int64_t[]){2, 2}));
    expect_error(AE_E_SHAPE, "index_sum: the axes of input 0 [2,2] from 0 on are not those of the ids input 1 [1]");
    ae_index_add(g, ladder(AE_F32, 2, (int64_t[]){4, 2}), 0, ids_of(AE_I64, 1, (int64_t[]){0}),
                 ladder(AE_F32, 2, (int64_t[]){1, 3}));
    expect_error(AE_E_SHAPE, "index_add: src gives [4,3], which cannot be added to [4,2]");
    ae_index_add(g, ladder(AE_F32, 2, (int64_t[]){4, 2}), 2, ids_of(AE_I64, 1, (int64_t[]){0}),
                 ladder(AE_F32, 2, (int64_t[]){1, 3}));
    expect_error(AE_E_VALUE, "index_add: axis 2 of a tensor [4,2] does not exist");
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
        cmocka_unit_test(embedding_looks_up_every_dtype),
        cmocka_unit_test(embedding_gradient_skips_the_padding_row),
        cmocka_unit_test(embedding_gradient_is_summed_accurately),
        cmocka_unit_test(empty_lookups_are_fine),
        cmocka_unit_test(index_select_and_index_add),
        cmocka_unit_test(bad_input_is_named),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
