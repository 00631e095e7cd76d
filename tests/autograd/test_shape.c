/* What moves or views elements, against NumPy's numbers, in every dtype, with empty extents and bad input. */
#include "autograd/copy.h"
#include "op_values.h"

static const ae_dtype all_dtypes[] = {AE_F32, AE_F64, AE_BF16, AE_F16, AE_I8, AE_U8, AE_I32, AE_I64, AE_BOOL};
enum { DTYPES = sizeof all_dtypes / sizeof *all_dtypes };

/* Every width of element, both sides with odd steps, some of them backward, against an element-by-element walk. */
static void strided_copies_agree_with_a_plain_walk(void **state)
{
    static const int64_t shapes[][4] = {{3, 70, 5, 67}, {1, 1, 40, 900}, {2, 3, 1, 5}, {65, 2, 33, 4}};
    static const int orders[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {0, 2, 1, 3}, {0, 1, 3, 2}, {2, 0, 3, 1}};
    static unsigned char src[2000000], dst[2000000], want[2000000];
    (void)state;
    for (size_t i = 0; i < sizeof src; i++) {
        src[i] = (unsigned char)(i * 2654435761u >> 7);
    }
    for (int trial = 0; trial < 4 * 5 * 4 * 2; trial++) {
        const int64_t *shape = shapes[trial % 4];
        const int *order = orders[trial / 4 % 5];
        size_t size = (size_t)1 << trial / 20 % 4;
        bool backward = trial / 80;
        int64_t to[4], from[4], step = 1, start = 0;
        for (int i = 3; i >= 0; i--) {
            to[i] = i == 3 ? 1 : to[i + 1] * shape[i + 1] + (i == 1);
        }
        for (int i = 3; i >= 0; i--) {
            int axis = order[i];
            from[axis] = backward && axis & 1 ? -step : step;
            start += backward && axis & 1 ? step * (shape[axis] - 1) : 0;
            step *= shape[axis];
        }
        memset(dst, 7, sizeof dst);
        memset(want, 7, sizeof want);
        for (int64_t k = 0; k < shape[0] * shape[1] * shape[2] * shape[3]; k++) {
            int64_t rest = k, a = 0, b = start;
            for (int i = 3; i >= 0; i--) {
                a += rest % shape[i] * to[i];
                b += rest % shape[i] * from[i];
                rest /= shape[i];
            }
            memcpy(want + a * (int64_t)size, src + b * (int64_t)size, size);
        }
        ae_copy_strided(size, 4, shape, dst, to, src + start * (int64_t)size, from);
        assert_memory_equal(dst, want, sizeof dst);
    }
}

static void reshape_is_a_view_where_strides_allow(void **state)
{
    (void)state;
    ae_tensor *x = ladder(AE_F32, "4,3,6");
    ae_tensor *rows = ae_slice(g, x, 1, 0, 2, 1);
    ae_tensor *y = ae_reshape(g, rows, 4, (int64_t[]){4, 4, 1, 3});
    expect(ae_slice(g, ae_slice(g, y, 0, 1, 2, 1), 1, 1, 3, 1), "[1,2,1,3]", 6, (double[]){21, 22, 23, 24, 25, 26});
    assert_ptr_equal(y->data, x->data);
    y = ae_reshape(g, rows, 2, (int64_t[]){8, 6}); /* 4 and 2 are apart: a copy */
    assert_ptr_not_equal(y->data, x->data);
    expect(ae_slice(g, y, 0, 2, 4, 1), "[2,6]", 12, (double[]){18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29});
    y = ae_reshape(g, ae_transpose(g, ladder(AE_F32, "2,3"), 0, 1), 1, (int64_t[]){6});
    expect(y, "[6]", 6, (double[]){0, 3, 1, 4, 2, 5});
    y = ae_reshape(g, ae_expand(g, ladder(AE_F32, "2,1"), 2, (int64_t[]){2, 4}), 3, (int64_t[]){2, 2, 2});
    expect(y, "[2,2,2]", 8, (double[]){0, 0, 0, 0, 1, 1, 1, 1});
}

static void axes_of_one_come_and_go(void **state)
{
    (void)state;
    ae_tensor *x = ladder(AE_I64, "2,3");
    expect(ae_unsqueeze(g, x, 0), "[1,2,3]", 6, (double[]){0, 1, 2, 3, 4, 5});
    expect(ae_unsqueeze(g, x, -1), "[2,3,1]", 6, (double[]){0, 1, 2, 3, 4, 5});
    expect(ae_squeeze(g, ae_unsqueeze(g, ae_transpose(g, x, 0, 1), 1), -2), "[3,2]", 6, (double[]){0, 3, 1, 4, 2, 5});
    expect(ae_flatten(g, ladder(AE_BF16, "2,1,3,2"), 1, -2), "[2,3,2]", 12,
           (double[]){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
    expect(ae_flatten(g, ladder(AE_F32, "2,0"), 0, -1), "[0]", 0, NULL);
}

static void split_gives_views(void **state)
{
    ae_tensor *out[6];
    (void)state;
    ae_tensor *x = ae_requires_grad(g, ladder(AE_F32, "2,6"));
    assert_int_equal(ae_split(g, x, 1, 3, (int64_t[]){1, 3, 2}, out), 0);
    expect(out[0], "[2,1]", 2, (double[]){0, 6});
    expect(out[1], "[2,3]", 6, (double[]){1, 2, 3, 7, 8, 9});
    assert_ptr_equal(out[2]->data, (float *)x->data + 4);
    expect(ladder_gradient(x, out[1]), "[2,6]", 12, (double[]){0, 0, 1, 2, 0, 0, 0, 3, 4, 5, 0, 0});
    ae_graph_begin(g, AE_TRAIN);
    x = ae_requires_grad(g, ladder(AE_F64, "6,2"));
    assert_int_equal(ae_split(g, x, 0, 6, NULL, out), 0);
    expect(out[5], "[1,2]", 2, (double[]){10, 11});
    expect(ladder_gradient(x, ae_concat(g, (ae_tensor *[]){out[4], out[1]}, 2, 1)), "[6,2]", 12,
           (double[]){0, 0, 2, 3, 0, 0, 0, 0, 0, 1, 0, 0});
}

static void concat_and_stack(void **state)
{
    (void)state;
    for (int i = 0; i < DTYPES; i++) {
        ae_dtype d = all_dtypes[i];
        double one = d == AE_BOOL ? 1 : 2;
        ae_tensor *xs[] = {ladder(d, "2,1"), ladder(d, "2,0"), ae_transpose(g, ladder(d, "2,2"), 0, 1)};
        ae_tensor *y = ae_concat(g, xs, 3, -1);
        assert_int_equal(y->dtype, d);
        expect(y, "[2,3]", 6, (double[]){0, 0, one, 1, 1, d == AE_BOOL ? 1 : 3});
        expect(ae_stack(g, (ae_tensor *[]){xs[0], xs[0]}, 2, 1), "[2,2,1]", 4, (double[]){0, 0, 1, 1});
        expect(ae_stack(g, (ae_tensor *[]){xs[0], xs[0]}, 2, -1), "[2,1,2]", 4, (double[]){0, 0, 1, 1});
    }
    ae_tensor *mixed = ae_concat(g, (ae_tensor *[]){ladder(AE_BF16, "1"), ladder(AE_F64, "1")}, 2, 0);
    assert_int_equal(mixed->dtype, AE_F64);
    mixed = ae_concat(g, (ae_tensor *[]){ladder(AE_BF16, "1"), ladder(AE_F16, "1")}, 2, 0);
    assert_int_equal(mixed->dtype, AE_F32);
    ae_tensor *many[40];
    for (int i = 0; i < 40; i++) {
        many[i] = ae_full(g, AE_F32, 1, (int64_t[]){1}, i);
    }
    expect(ae_slice(g, ae_concat(g, many, 40, 0), 0, 37, 40, 1), "[3]", 3, (double[]){37, 38, 39});
}

static void pad_flip_roll(void **state)
{
    (void)state;
    for (int i = 0; i < DTYPES; i++) {
        ae_dtype d = all_dtypes[i];
        double two = d == AE_BOOL ? 1 : 2, three = d == AE_BOOL ? 1 : 3, pad = d == AE_BOOL ? 1 : 7;
        ae_tensor *x = ladder(d, "2,2");
        expect(ae_pad(g, x, (int64_t[]){0, 1}, (int64_t[]){1, 0}, 7), "[3,3]", 9,
               (double[]){pad, 0, 1, pad, two, three, pad, pad, pad});
        expect(ae_flip(g, x, 2, (int[]){0, 1}), "[2,2]", 4, (double[]){three, two, 1, 0});
        expect(ae_flip(g, x, 1, (int[]){-1}), "[2,2]", 4, (double[]){1, 0, three, two});
    }
    ae_tensor *x = ladder(AE_F32, "2,3");
    expect(ae_roll(g, x, 1, 1), "[2,3]", 6, (double[]){2, 0, 1, 5, 3, 4});
    expect(ae_roll(g, x, -4, -1), "[2,3]", 6, (double[]){1, 2, 0, 4, 5, 3});
    expect(ae_roll(g, x, 7, 0), "[2,3]", 6, (double[]){3, 4, 5, 0, 1, 2});
    expect(ae_roll(g, ladder(AE_F32, "0,3"), 1, 0), "[0,3]", 0, NULL);
    expect(ae_flip(g, ladder(AE_F32, "0,3"), 1, (int[]){0}), "[0,3]", 0, NULL);
    expect(ae_pad(g, ladder(AE_F32, "0"), (int64_t[]){1}, (int64_t[]){1}, 5), "[2]", 2, (double[]){5, 5});
    x = ae_requires_grad(g, ladder(AE_F32, "4"));
    expect(ladder_gradient(x, ae_roll(g, x, 1, 0)), "[4]", 4, (double[]){1, 2, 3, 0});
}

static void diagonals(void **state)
{
    (void)state;
    for (int i = 0; i < DTYPES; i++) {
        ae_tensor *x = ladder(all_dtypes[i], "2");
        expect(ae_diag(g, x, 0), "[2,2]", 4, (double[]){0, 0, 0, 1});
        expect(ae_diag(g, x, -1), "[3,3]", 9, (double[]){0, 0, 0, 0, 0, 0, 0, 1, 0});
    }
    ae_tensor *x = ladder(AE_F32, "3,4");
    expect(ae_diag(g, x, 0), "[3]", 3, (double[]){0, 5, 10});
    expect(ae_diag(g, x, 2), "[2]", 2, (double[]){2, 7});
    expect(ae_diag(g, x, -2), "[1]", 1, (double[]){8});
    expect(ae_diag(g, x, -3), "[0]", 0, NULL);
    expect(ae_diag(g, x, INT64_MIN), "[0]", 0, NULL);
    expect(ae_diagonal(g, ladder(AE_I32, "2,3,2"), 1, 2, 1), "[2,2]", 4, (double[]){2, 5, 8, 11});
    expect(ae_diag_embed(g, ladder(AE_F32, "2,1"), 1), "[2,2,2]", 8, (double[]){0, 0, 0, 0, 0, 1, 0, 0});
}

static void triangles(void **state)
{
    (void)state;
    ae_tensor *x = ae_add_scalar(g, ladder(AE_F32, "3,4"), 1);
    expect(ae_tril(g, x, 0), "[3,4]", 12, (double[]){1, 0, 0, 0, 5, 6, 0, 0, 9, 10, 11, 0});
    expect(ae_tril(g, x, -1), "[3,4]", 12, (double[]){0, 0, 0, 0, 5, 0, 0, 0, 9, 10, 0, 0});
    expect(ae_triu(g, x, 1), "[3,4]", 12, (double[]){0, 2, 3, 4, 0, 0, 7, 8, 0, 0, 0, 12});
    expect(ae_triu(g, ae_transpose(g, x, 0, 1), -1), "[4,3]", 12, (double[]){1, 5, 9, 2, 6, 10, 0, 7, 11, 0, 0, 12});
    expect(ae_tril(g, x, INT64_MAX), "[3,4]", 12, (double[]){1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
    expect(ae_triu(g, x, INT64_MAX), "[3,4]", 12, (double[]){0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    expect(ae_triu(g, ladder(AE_I64, "2,0"), 0), "[2,0]", 0, NULL);
    for (int i = 0; i < DTYPES; i++) {
        expect(ae_triu(g, ae_full(g, all_dtypes[i], 2, (int64_t[]){2, 2}, 1), 0), "[2,2]", 4, (double[]){1, 1, 0, 1});
    }
}

static void bad_shapes_are_named(void **state)
{
    ae_tensor *out[3];
    (void)state;
    ae_unsqueeze(g, ladder(AE_F32, "2"), 3);
    expect_error(AE_E_VALUE, "unsqueeze: no new axis 3 for a tensor with 1 axes; at most 8 are possible");
    ae_squeeze(g, ladder(AE_F32, "1,2"), 1);
    expect_error(AE_E_SHAPE, "squeeze: axis 1 of [1,2] is no axis of extent 1");
    ae_flatten(g, ladder(AE_F32, "1,2"), 1, 0);
    expect_error(AE_E_VALUE, "flatten: axes 1 to 0 of a tensor with 2 axes");
    ae_reshape(g, ladder(AE_F32, "2,3"), 2, (int64_t[]){4, -1});
    expect_error(AE_E_SHAPE, "reshape: [2,3] has 6 elements and cannot become [4,-1]");
    assert_int_equal(ae_split(g, ladder(AE_F32, "2,3"), 1, 2, NULL, out), -1);
    assert_ptr_equal(out[1], ae_bad(g));
    expect_error(AE_E_SHAPE, "split: axis 1 of [2,3] has no 2 equal parts");
    ae_split(g, ladder(AE_F32, "2,3"), 1, 2, (int64_t[]){1, 1}, out);
    expect_error(AE_E_SHAPE, "split: the 2 sizes do not add up to axis 1 of [2,3]");
    ae_split(g, ladder(AE_F32, "2,3"), 1, 2, (int64_t[]){4, -1}, out);
    expect_error(AE_E_SHAPE, "split: the 2 sizes do not add up to axis 1 of [2,3]; one is negative or too large");
    ae_split(g, ladder(AE_F32, "2,3"), 2, 1, NULL, out);
    expect_error(AE_E_VALUE, "split: 1 pieces along axis 2 of a tensor with 2 axes");
    ae_concat(g, (ae_tensor *[]){ladder(AE_F32, "2,3"), ladder(AE_F32, "3,4")}, 2, 1);
    expect_error(AE_E_SHAPE, "concat: input 0 [2,3] and input 1 [3,4] differ outside of axis 1");
    ae_concat(g, (ae_tensor *[]){ladder(AE_F32, "2"), ladder(AE_I64, "2")}, 2, 0);
    expect_error(AE_E_DTYPE, "concat: input 0 [2] is f32 and input 1 [2] is i64; cast one of them");
    ae_concat(g, NULL, 0, 0);
    expect_error(AE_E_VALUE, "concat: 0 tensors along axis 0; there must be one, and it must have that axis");
    ae_stack(g, (ae_tensor *[]){ladder(AE_F32, "2"), ladder(AE_F32, "3")}, 2, 0);
    expect_error(AE_E_SHAPE, "stack: input 1 is [3], the first one is [2]; all must be equal");
    ae_pad(g, ladder(AE_F32, "2"), (int64_t[]){-1}, (int64_t[]){0}, 0);
    expect_error(AE_E_VALUE, "pad: -1 and 0 elements around axis 0; use slice to take some away");
    ae_flip(g, ladder(AE_F32, "2"), 1, (int[]){1});
    expect_error(AE_E_VALUE, "flip: axis 1 of a tensor with 1 axes");
    ae_roll(g, ladder(AE_F32, "2"), 1, 1);
    expect_error(AE_E_VALUE, "roll: axis 1 of a tensor with 1 axes");
    ae_diag(g, ladder(AE_F32, ""), 0);
    expect_error(AE_E_SHAPE, "diag: a tensor with 0 axes; it takes a vector or a matrix");
    ae_diag(g, ladder(AE_F32, "2"), INT64_MIN);
    expect_error(AE_E_VALUE, "diag_embed: no matrix holds diagonal -9223372036854775808");
    ae_diagonal(g, ladder(AE_F32, "2,2"), 0, 0, -2);
    expect_error(AE_E_VALUE, "diagonal: axes 0 and -2 of a tensor with 2 axes; it takes two different ones");
    ae_tril(g, ladder(AE_F32, "2"), 0);
    expect_error(AE_E_SHAPE, "tril: input 0 [2] is no matrix");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(strided_copies_agree_with_a_plain_walk, begin_step),
        cmocka_unit_test_setup(reshape_is_a_view_where_strides_allow, begin_step),
        cmocka_unit_test_setup(axes_of_one_come_and_go, begin_step),
        cmocka_unit_test_setup(split_gives_views, begin_step),
        cmocka_unit_test_setup(concat_and_stack, begin_step),
        cmocka_unit_test_setup(pad_flip_roll, begin_step),
        cmocka_unit_test_setup(diagonals, begin_step),
        cmocka_unit_test_setup(triangles, begin_step),
        cmocka_unit_test_setup(bad_shapes_are_named, begin_step),
    };
    return cmocka_run_group_tests(tests, make_graph, free_graph);
}
