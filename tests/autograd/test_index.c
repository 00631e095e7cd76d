/* Look-ups and their gradients against numbers that NumPy computed, and what bad ids get. */
#include "tensor/threads.h"

#include "op_values.h"

static ae_tensor *ids_of(ae_dtype dtype, int64_t n, const int64_t *numbers)
{
    ae_tensor *t = ae_empty(g, dtype, 1, &n);
    for (int64_t i = 0; i < n; i++) {
        ae_set_i64(t, i, numbers[i]);
    }
    return t;
}

static void embedding_looks_up_every_dtype(void **state)
{
    const ae_dtype dtypes[] = {AE_F32, AE_F64, AE_BF16, AE_F16, AE_I8, AE_U8, AE_I32, AE_I64};
    const double want[] = {9, 10, 11, 0, 1, 2, 9, 10, 11};
    (void)state;
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        ae_graph_begin(g, AE_TRAIN);
        ae_tensor *table = ladder(dtypes[i], "4,3");
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
        ae_tensor *table = ae_requires_grad(g, ladder(dtypes[i], "4,2"));
        ae_tensor *y = ae_f_embedding(g, table, ids_of(AE_I64, 5, (int64_t[]){3, 1, 0, 1, 0}), 0);
        ae_tensor *weighted = ae_mul(g, y, ladder(dtypes[i], "5,2"));
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
    ae_tensor *table = ae_requires_grad(g, ladder(AE_F32, "2,3"));
    ae_tensor *y = ae_f_embedding(g, table, none, -1);
    expect(y, "[0,3]", 0, NULL);
    assert_int_equal(ae_backward(g, ae_sum(g, y, 0, NULL, false), 0), 0);
    expect(table->grad, "[2,3]", 6, (double[]){0, 0, 0, 0, 0, 0});
    expect(ae_f_embedding(g, ladder(AE_F32, "0,3"), none, -1), "[0,3]", 0, NULL);
    expect(ae_f_embedding(g, ladder(AE_F32, "2,0"), ids_of(AE_I32, 1, (int64_t[]){1}), -1), "[1,0]", 0, NULL);
}

static void index_select_and_index_add(void **state)
{
    (void)state;
    ae_graph_begin(g, AE_TRAIN);
    ae_tensor *x = ladder(AE_F32, "2,3,2");
    ae_tensor *ids = ids_of(AE_I32, 3, (int64_t[]){2, 0, 2});
    expect(ae_index_select(g, x, -2, ids), "[2,3,2]", 12, (double[]){4, 5, 0, 1, 4, 5, 10, 11, 6, 7, 10, 11});
    expect(ae_index_select(g, ae_transpose(g, x, 0, 2), 1, ids), "[2,3,2]", 12,
           (double[]){4, 10, 0, 6, 4, 10, 5, 11, 1, 7, 5, 11});
    ae_tensor *i32 = ladder(AE_I32, "2,3");
    expect(ae_index_add(g, i32, 1, ids, ladder(AE_I32, "2,3")), "[2,3]", 6,
           (double[]){0 + 1, 1, 2 + 0 + 2, 3 + 4, 4, 5 + 3 + 5});
}

static void bad_input_is_named(void **state)
{
    (void)state;
    ae_graph_begin(g, AE_TRAIN);
    ae_tensor *table = ae_name(g, ladder(AE_F32, "4,2"), "wte.weight");
    ae_f_embedding(g, table, ids_of(AE_I64, 3, (int64_t[]){0, 3, 4}), -1);
    expect_error(AE_E_VALUE, "embedding: id 4 at place 2 is outside of axis 0 of wte.weight [4,2]");
    table = ae_name(g, ladder(AE_F32, "4,2"), "wte.weight");
    ae_f_embedding(g, table, ids_of(AE_I32, 1, (int64_t[]){-1}), -1);
    expect_error(AE_E_VALUE, "embedding: id -1 at place 0 is outside of axis 0 of wte.weight [4,2]");
    table = ladder(AE_F32, "4,2");
    ae_f_embedding(g, table, ladder(AE_F32, "1"), -1);
    expect_error(AE_E_DTYPE, "embedding: input 1 [1] is f32; ids are i64 or i32: cast it");
    ae_f_embedding(g, ladder(AE_F32, "4"), ids_of(AE_I64, 1, (int64_t[]){0}), -1);
    expect_error(AE_E_SHAPE, "embedding: the table is (V,H), two axes; this one is [4]");
    ae_f_embedding(g, ladder(AE_F32, "4,2"), ids_of(AE_I64, 1, (int64_t[]){0}), 4);
    expect_error(AE_E_VALUE, "embedding: padding_idx 4 is no row of the table [4,2]; -1 means none");
    ae_f_embedding(g, ladder(AE_F32, "4,2"), NULL, -1);
    expect_error(AE_E_VALUE, "embedding: input 1 is NULL");
    ae_index_select(g, ladder(AE_F32, "4"), 1, ids_of(AE_I64, 1, (int64_t[]){0}));
    expect_error(AE_E_VALUE, "index_select: axis 1 of a tensor [4] does not exist");
    ae_index_select(g, ladder(AE_F32, "4,2"), 1, ids_of(AE_I64, 1, (int64_t[]){2}));
    expect_error(AE_E_VALUE, "index_select: id 2 at place 0 is outside of axis 1 of input 0 [4,2]");
    ae_tensor *deep = ae_zeros(g, AE_F32, 8, (int64_t[]){1, 1, 1, 1, 1, 1, 1, 1});
    ae_index_select(g, deep, 1, ae_zeros(g, AE_I64, 2, (int64_t[]){1, 1}));
    expect_error(AE_E_SHAPE,
                 "index_select: input 0 [1,1,1,1,1,1,1,1] at ids of rank 2 would have 9 axes; at most 8 are "
                 "possible");
    ae_index_add(g, ladder(AE_F32, "4,2"), 0, ids_of(AE_I64, 1, (int64_t[]){0}), ladder(AE_F32, "2,2"));
    expect_error(AE_E_SHAPE, "index_sum: the axes of input 0 [2,2] from 0 on are not those of the ids input 1 [1]");
    ae_index_add(g, ladder(AE_F32, "4,2"), 0, ids_of(AE_I64, 1, (int64_t[]){0}), ladder(AE_F32, "1,3"));
    expect_error(AE_E_SHAPE, "index_add: src gives [4,3], which cannot be added to [4,2]");
    ae_index_add(g, ladder(AE_F32, "4,2"), 2, ids_of(AE_I64, 1, (int64_t[]){0}), ladder(AE_F32, "1,3"));
    expect_error(AE_E_VALUE, "index_add: axis 2 of a tensor [4,2] does not exist");
}

static void gather_and_scatter_add(void **state)
{
    const ae_dtype dtypes[] = {AE_F32, AE_F64, AE_BF16, AE_F16, AE_I8, AE_U8, AE_I32, AE_I64};
    (void)state;
    for (int i = 0; i < 8; i++) {
        ae_dtype d = dtypes[i];
        ae_tensor *x = ladder(d, "3,4");
        ae_tensor *columns = values(AE_I32, "3,2", (double[]){3, 0, 1, 1, 2, 3});
        ae_tensor *rows = values(AE_I64, "2,3", (double[]){2, 0, 1, 2, 2, 0});
        expect(ae_gather(g, x, -1, columns), "[3,2]", 6, (double[]){3, 0, 5, 5, 10, 11});
        expect(ae_take_along(g, x, 0, rows), "[2,3]", 6, (double[]){8, 1, 6, 8, 9, 2});
        expect(ae_gather(g, ae_transpose(g, x, 0, 1), 0, ae_transpose(g, columns, 0, 1)), "[2,3]", 6,
               (double[]){3, 5, 10, 0, 5, 11});
        expect(ae_scatter_add(g, x, 1, columns, ladder(d, "3,2")), "[3,4]", 12,
               (double[]){1, 1, 2, 3, 4, 5 + 2 + 3, 6, 7, 8, 9, 10 + 4, 11 + 5});
        expect(ae_scatter_add(g, x, 0, rows, ladder(d, "2,3")), "[3,4]", 12,
               (double[]){0, 1 + 1, 2 + 5, 3, 4, 5, 6 + 2, 7, 8 + 0 + 3, 9 + 4, 10, 11});
    }
    ae_tensor *x = ae_requires_grad(g, ladder(AE_F32, "2,3"));
    ae_tensor *y = ae_gather(g, x, 1, values(AE_I64, "2,3", (double[]){0, 0, 2, 1, 1, 1}));
    expect(ladder_gradient(x, y), "[2,3]", 6, (double[]){1, 0, 2, 0, 12, 0});
    expect(ae_gather(g, ladder(AE_F32, "0,2"), 0, ladder(AE_I64, "0,2")), "[0,2]", 0, NULL);
    expect(ae_scatter_add(g, ladder(AE_F32, "2,2"), 0, ladder(AE_I64, "0,2"), ladder(AE_F32, "0,2")), "[2,2]", 4,
           (double[]){0, 1, 2, 3});
}

static void one_hot_in_every_dtype(void **state)
{
    const ae_dtype dtypes[] = {AE_F32, AE_F64, AE_BF16, AE_F16, AE_I8, AE_U8, AE_I32, AE_I64, AE_BOOL};
    (void)state;
    for (int i = 0; i < 9; i++) {
        ae_tensor *y = ae_one_hot(g, ids_of(i & 1 ? AE_I32 : AE_I64, 2, (int64_t[]){2, 0}), 3, dtypes[i]);
        assert_int_equal(y->dtype, dtypes[i]);
        expect(y, "[2,3]", 6, (double[]){0, 0, 1, 1, 0, 0});
    }
    expect(ae_one_hot(g, ids_of(AE_I64, 0, NULL), 3, AE_F32), "[0,3]", 0, NULL);
}

static void sorting(void **state)
{
    const ae_dtype dtypes[] = {AE_F32, AE_F64, AE_BF16, AE_F16, AE_I8, AE_I32, AE_I64};
    ae_tensor *ids;
    (void)state;
    for (int i = 0; i < 7; i++) {
        ae_tensor *x = values(dtypes[i], "2,5", (double[]){3, -1, 2, -1, 3, 0, 5, -4, 5, 1});
        expect(ae_sort(g, x, 1, false, &ids), "[2,5]", 10, (double[]){-1, -1, 2, 3, 3, -4, 0, 1, 5, 5});
        expect(ids, "[2,5]", 10, (double[]){1, 3, 2, 0, 4, 2, 0, 4, 1, 3});
        expect(ae_sort(g, x, -1, true, &ids), "[2,5]", 10, (double[]){3, 3, 2, -1, -1, 5, 5, 1, 0, -4});
        expect(ids, "[2,5]", 10, (double[]){0, 4, 2, 1, 3, 1, 3, 4, 0, 2});
        expect(ae_argsort(g, x, 0, true), "[2,5]", 10, (double[]){0, 1, 0, 1, 0, 1, 0, 1, 0, 1});
        expect(ae_topk(g, x, 2, 1, true, &ids), "[2,2]", 4, (double[]){3, 3, 5, 5});
        expect(ids, "[2,2]", 4, (double[]){0, 4, 1, 3});
        expect(ae_topk(g, ae_transpose(g, x, 0, 1), 3, 0, false, &ids), "[3,2]", 6, (double[]){-1, -4, -1, 0, 2, 1});
        expect(ids, "[3,2]", 6, (double[]){1, 2, 3, 0, 2, 4});
    }
    ae_tensor *x = values(AE_F32, "5", (double[]){NAN, 1, -INFINITY, -0.0, 0.0});
    expect(ae_argsort(g, x, 0, false), "[5]", 5, (double[]){2, 3, 4, 1, 0});
    expect(ae_argsort(g, x, 0, true), "[5]", 5, (double[]){0, 1, 3, 4, 2});
    expect(ae_sort(g, values(AE_U8, "3", (double[]){200, 3, 100}), 0, false, NULL), "[3]", 3, (double[]){3, 100, 200});
    expect(ae_sort(g, ladder(AE_F32, "2,0"), 1, false, NULL), "[2,0]", 0, NULL);
    expect(ae_sort(g, ladder(AE_F32, "0,2"), 1, false, NULL), "[0,2]", 0, NULL);
    expect(ae_topk(g, x, 0, 0, true, NULL), "[0]", 0, NULL);
    x = ae_requires_grad(g, values(AE_F32, "4", (double[]){3, 1, 2, 0}));
    expect(ladder_gradient(x, ae_sort(g, x, 0, false, NULL)), "[4]", 4, (double[]){3, 1, 2, 0});
}

/* 5000 values in many orders, against the count of smaller ones. */
static void long_lines_are_sorted_by_any_number_of_threads(void **state)
{
    (void)state;
    ae_tensor *x = ae_empty(g, AE_F32, 2, (int64_t[]){3, 5000});
    for (int64_t i = 0; i < 15000; i++) {
        ((float *)x->data)[i] = (float)((uint64_t)i * 2654435761u % 1009);
    }
    for (int threads = 1; threads <= 3; threads += 2) {
        ae_set_threads(threads, NULL);
        ae_tensor *ids, *top_ids;
        ae_tensor *y = ae_sort(g, x, 1, true, &ids), *top = ae_topk(g, x, 100, 1, true, &top_ids);
        for (int64_t i = 1; i < 5000; i++) {
            double a = ae_get_f64(y, i - 1), b = ae_get_f64(y, i);
            assert_true(a > b || (a == b && ae_get_i64(ids, i - 1) < ae_get_i64(ids, i)));
        }
        for (int64_t i = 0; i < 300; i++) {
            assert_true(ae_get_f64(top, i) == ae_get_f64(y, i / 100 * 5000 + i % 100));
            assert_true(ae_get_i64(top_ids, i) == ae_get_i64(ids, i / 100 * 5000 + i % 100));
        }
    }
    ae_set_threads(0, NULL);
}

static void threads_change_no_bit_of_a_gradient(void **state)
{
    static float kept[2][40 * 300];
    (void)state;
    for (int threads = 1; threads <= 3; threads += 2) {
        ae_graph_begin(g, AE_TRAIN);
        ae_set_threads(threads, NULL);
        ae_tensor *table = ae_requires_grad(g, ae_zeros(g, AE_F32, 2, (int64_t[]){40, 300}));
        ae_tensor *ids = ladder(AE_I64, "700"), *weights = ladder(AE_F32, "700,300");
        for (int64_t i = 0; i < 700; i++) {
            ae_set_i64(ids, i, i * i % 37);
        }
        for (int64_t i = 0; i < 210000; i++) {
            ((float *)weights->data)[i] = (float)sin((double)i);
        }
        ae_tensor *y = ae_f_embedding(g, table, ids, 3);
        assert_int_equal(ae_backward(g, ae_sum(g, ae_mul(g, y, weights), 0, NULL, false), 0), 0);
        memcpy(kept[threads == 3], table->grad->data, sizeof kept[0]);
    }
    ae_set_threads(0, NULL);
    assert_memory_equal(kept[0], kept[1], sizeof kept[0]);
}

static void bad_places_are_named(void **state)
{
    (void)state;
    ae_gather(g, ae_name(g, ladder(AE_F32, "2,3"), "logits"), 1, values(AE_I64, "2,1", (double[]){2, 3}));
    expect_error(AE_E_VALUE, "gather: id 3 at place 1 is outside of axis 1 of logits [2,3]");
    ae_gather(g, ladder(AE_F32, "2,3"), 1, ladder(AE_I64, "3,1"));
    expect_error(AE_E_SHAPE, "gather: ids [3,1] for [2,3]: ranks must be equal and no extent larger but for axis 1");
    ae_gather(g, ladder(AE_F32, "2,3"), 1, ladder(AE_I64, "2"));
    expect_error(AE_E_SHAPE, "gather: ids [2] for [2,3]: ranks must be equal and no extent larger but for axis 1");
    ae_gather(g, ladder(AE_F32, "2,3"), 1, ladder(AE_BOOL, "2,1"));
    expect_error(AE_E_DTYPE, "gather: input 1 [2,1] is bool; ids are i64 or i32: cast it");
    ae_gather(g, ladder(AE_F32, "2,3"), 2, ladder(AE_I64, "2,1"));
    expect_error(AE_E_VALUE, "gather: axis 2 of a tensor [2,3] does not exist");
    ae_scatter_add(g, ladder(AE_F32, "2,3"), 1, ladder(AE_I64, "2,1"), ladder(AE_F32, "2,2"));
    expect_error(AE_E_SHAPE, "scatter_sum: input 0 [2,2] and its ids input 1 [2,1] must have one shape");
    ae_scatter_add(g, ladder(AE_F32, "2,3"), 1, ladder(AE_I64, "2"), ladder(AE_F32, "2"));
    expect_error(AE_E_SHAPE, "scatter_add: src [2] and x [2,3] must have one rank");
    ae_scatter_add(g, ladder(AE_F32, "2,1"), 1, ladder(AE_I64, "1,2"), ladder(AE_F32, "1,2"));
    expect_error(AE_E_VALUE, "scatter_sum: id 1 at place 1 is outside of 0..0");
    ae_one_hot(g, ids_of(AE_I64, 1, (int64_t[]){3}), 3, AE_F32);
    expect_error(AE_E_VALUE, "one_hot: id 3 at place 0 is outside of 0..2");
    ae_one_hot(g, ids_of(AE_I64, 1, (int64_t[]){3}), -1, AE_F32);
    expect_error(AE_E_VALUE, "one_hot: -1 classes for ids of rank 1 in dtype 0");
    ae_sort(g, ladder(AE_F32, "2"), 1, false, NULL);
    expect_error(AE_E_VALUE, "sort: axis 1 of a tensor [2] does not exist");
    ae_tensor *ids = NULL;
    assert_ptr_equal(ae_topk(g, ladder(AE_F32, "2"), 3, 0, true, &ids), ae_bad(g));
    assert_ptr_equal(ids, ae_bad(g));
    expect_error(AE_E_VALUE, "topk: k is 3 for axis 0 of input 0 [2]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(embedding_looks_up_every_dtype, begin_step),
        cmocka_unit_test_setup(embedding_gradient_skips_the_padding_row, begin_step),
        cmocka_unit_test_setup(embedding_gradient_is_summed_accurately, begin_step),
        cmocka_unit_test_setup(empty_lookups_are_fine, begin_step),
        cmocka_unit_test_setup(index_select_and_index_add, begin_step),
        cmocka_unit_test_setup(gather_and_scatter_add, begin_step),
        cmocka_unit_test_setup(one_hot_in_every_dtype, begin_step),
        cmocka_unit_test_setup(sorting, begin_step),
        cmocka_unit_test_setup(long_lines_are_sorted_by_any_number_of_threads, begin_step),
        cmocka_unit_test_setup(threads_change_no_bit_of_a_gradient, begin_step),
        cmocka_unit_test_setup(bad_input_is_named, begin_step),
        cmocka_unit_test_setup(bad_places_are_named, begin_step),
    };
    return cmocka_run_group_tests(tests, make_graph, free_graph);
}
