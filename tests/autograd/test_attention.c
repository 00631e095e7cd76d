/* Attention: which keys a query sees under every mask, read off uniform weights; relative scores against the shift of
 * Transformer-XL's authors; gradients that sequences and heads share, bit for bit on repetition and without a tensor of
 * all scores; bf16, which is widened or multiplied as such; and what bad masks and relative keys are told. */
#include "op_values.h"
#include "tensor/counters.h"
#include "tensor/gemm_blocks.h"
#include "tensor/threads.h"

#include <math.h>

static ae_tensor *mask_of(const char *shape, const double *numbers)
{
    return values(AE_I64, shape, numbers);
}

/* With zero queries every seen key weighs the same: the result is the mean of the values 0, 1, 2, ... of those. */
static ae_tensor *means(const char *q_shape, const char *k_shape, const ae_mask *mask)
{
    ae_attention_options o = {.heads = 1};
    ae_tensor *q = ae_scale(g, ladder(AE_F32, q_shape), 0.0), *k = ladder(AE_F32, k_shape);
    return ae_f_attention(g, q, k, ladder(AE_F32, k_shape), mask, &o);
}

static void masks_of_sequences(void **state)
{
    (void)state;
    ae_tensor *keep = mask_of("2,3", (double[]){1, 1, 0, 0, 1, 1});
    expect_near(means("2,2,1", "2,3,1", ae_mask_padding(g, keep)), "[2,2,1]", 4, (double[]){0.5, 0.5, 4.5, 4.5}, 1e-6);
    expect_near(means("2,3,1", "2,3,1", ae_mask_causal(g, NULL)), "[2,3,1]", 6, (double[]){0, 0.5, 1, 3, 3.5, 4}, 1e-6);
    ae_tensor *prefix = values(AE_I64, "1", (double[]){2});
    expect_near(means("1,3,1", "1,3,1", ae_mask_prefix(g, prefix, NULL)), "[1,3,1]", 3, (double[]){0.5, 0.5, 1}, 1e-6);
}

/* A query that sees nothing weighs evenly what one rule alone hides. */
static void masks_of_queries(void **state)
{
    (void)state;
    ae_tensor *keep = mask_of("2,2,3", (double[]){0, 1, 1, 0, 0, 0, 1, 0, 0, 1, 0, 1});
    expect_near(means("2,2,1", "2,3,1", ae_mask_padding(g, keep)), "[2,2,1]", 4, (double[]){1.5, 1, 3, 4}, 1e-6);
    keep = mask_of("1,3,3", (double[]){1, 0, 1, 0, 1, 1, 1, 0, 1});
    expect_near(means("1,3,1", "1,3,1", ae_mask_causal(g, keep)), "[1,3,1]", 3, (double[]){0, 1, 1}, 1e-6);
    keep = mask_of("1,3,3", (double[]){0, 1, 1, 0, 0, 1, 0, 0, 1});
    expect_near(means("1,3,1", "1,3,1", ae_mask_causal(g, keep)), "[1,3,1]", 3, (double[]){1, 1, 2}, 1e-6);
}

static void many_queries_agree_with_a_bias(void **state)
{
    (void)state;
    ae_tensor *x = ae_randn(g, AE_F32, 3, (int64_t[]){2, 150, 16}, 0, 1);
    ae_tensor *keep = ae_randint(g, 3, (int64_t[]){2, 150, 150}, 0, 2);
    ae_tensor *bias =
        ae_reshape(g, ae_scale(g, ae_cast(g, ae_logical_not(g, keep), AE_F32), -1e4), 4, (int64_t[]){2, 1, 150, 150});
    ae_attention_options o = {.heads = 2};
    ae_tensor *a = ae_f_attention(g, x, x, x, ae_mask_padding(g, keep), &o);
    ae_tensor *b = ae_f_attention(g, x, x, x, ae_mask_with_bias(g, ae_mask_full(g), bias), &o);
    assert_true(ae_item(ae_max(g, ae_abs(g, ae_sub(g, a, b)), 0, NULL, false)) < 1e-5);
    assert_true(ae_item(ae_max(g, ae_abs(g, a), 0, NULL, false)) > 0.1);
}

/* Transformer-XL's own way: the products with all distances, a column of zeros in front, and the rows read anew from
 * memory one row later, so that every row moves one place further. */
static ae_tensor *shifted(ae_tensor *x, int64_t t, int64_t s)
{
    ae_tensor *zero = ae_zeros(g, AE_F32, 4, (int64_t[]){1, 1, t, 1});
    ae_tensor *wide = ae_reshape(g, ae_concat(g, (ae_tensor *[]){zero, x}, 2, -1), 4, (int64_t[]){1, 1, s + 1, t});
    return ae_reshape(g, ae_slice(g, wide, 2, 1, s + 1, 1), 4, (int64_t[]){1, 1, t, s});
}

static void relative_scores_are_transformer_xl_s(void **state)
{
    (void)state;
    enum { T = 70, S = 130, D = 12 };
    ae_tensor *q = ae_randn(g, AE_F32, 3, (int64_t[]){1, T, D}, 0, 1),
              *k = ae_randn(g, AE_F32, 3, (int64_t[]){1, S, D}, 0, 1);
    ae_tensor *u = ae_randn(g, AE_F32, 1, (int64_t[]){D}, 0, 1), *v = ae_randn(g, AE_F32, 1, (int64_t[]){D}, 0, 1);
    ae_tensor *r = ae_randn(g, AE_F32, 2, (int64_t[]){S, D}, 0, 1); /* of the distances S - 1 to 0 */
    ae_relative relative = {.query = ae_add(g, q, v), .keys = r, .origin = T - 1};
    ae_attention_options o = {.heads = 1, .relative = &relative};
    const ae_mask *causal = ae_mask_causal(g, NULL);
    ae_tensor *y = ae_f_attention(g, ae_add(g, q, u), k, k, causal, &o);
    ae_tensor *product = ae_matmul(g, ae_add(g, q, v), ae_transpose(g, r, 0, 1));
    ae_tensor *bias = shifted(ae_reshape(g, product, 4, (int64_t[]){1, 1, T, S}), T, S);
    ae_attention_options plain = {.heads = 1};
    causal = ae_mask_with_bias(g, causal, ae_scale(g, bias, 1 / sqrt(D)));
    ae_tensor *want = ae_f_attention(g, ae_add(g, q, u), k, k, causal, &plain);
    assert_true(ae_item(ae_max(g, ae_abs(g, ae_sub(g, y, want)), 0, NULL, false)) < 1e-5);
    assert_true(ae_item(ae_max(g, ae_abs(g, want), 0, NULL, false)) > 0.1);
    ae_tensor *maps = ae_attention_scores(g, ae_add(g, q, u), k, ae_mask_causal(g, NULL), &o);
    ae_tensor *by_maps = ae_matmul(g, ae_reshape(g, maps, 3, (int64_t[]){1, T, S}), k);
    assert_true(ae_item(ae_max(g, ae_abs(g, ae_sub(g, by_maps, want)), 0, NULL, false)) < 1e-5);
}

/* ---- gradients that many heads add to ------------------------------------------------------------------------------ */

enum { GRADIENTS = 4, LENGTH = 100 }; /* of x, relative keys, a bias of heads, a bias of keys */

/* The gradients of GRADIENTS inputs, one after the other, with this number of threads. */
static int64_t shared_gradients(int threads, float *out)
{
    ae_err e = {0};
    assert_int_equal(ae_set_threads(threads, &e), 0);
    ae_graph_begin(g, AE_TRAIN);
    ae_graph_random(g, 7, 0, 0, 0);
    ae_tensor *in[GRADIENTS] = {ae_randn(g, AE_F32, 3, (int64_t[]){5, LENGTH, 24}, 0, 1),
                                ae_randn(g, AE_F32, 2, (int64_t[]){2 * LENGTH - 1, 24}, 0, 1),
                                ae_randn(g, AE_F32, 4, (int64_t[]){1, 3, LENGTH, LENGTH}, 0, 1),
                                ae_randn(g, AE_F32, 1, (int64_t[]){LENGTH}, 0, 1)};
    for (int i = 0; i < GRADIENTS; i++) {
        ae_requires_grad(g, in[i]);
    }
    ae_relative relative = {in[0], in[1], LENGTH - 1, in[0]};
    ae_attention_options o = {.heads = 3, .dropout = 0.1, .relative = &relative};
    ae_tensor *x = ae_f_attention(g, in[0], in[0], in[0], ae_mask_with_bias(g, ae_mask_causal(g, NULL), in[2]), &o);
    o.relative = NULL;
    x = ae_f_attention(g, x, x, x, ae_mask_with_bias(g, ae_mask_full(g), in[3]), &o);
    if (ae_backward(g, ae_sum(g, ae_mul(g, x, x), 0, NULL, false), 0) != 0) {
        fail_msg("%s", ae_graph_error(g)->message);
    }
    int64_t at = 0;
    for (int i = 0; i < GRADIENTS; i++) {
        assert_int_equal(ae_read(in[i]->grad, AE_F32, out + at, ae_numel(in[i])), 0);
        at += ae_numel(in[i]);
    }
    assert_int_equal(ae_set_threads(0, &e), 0);
    return at;
}

static void shared_gradients_repeat(void **state)
{
    (void)state;
    enum { MOST = 5 * LENGTH * 24 + 2 * LENGTH * 24 + 3 * LENGTH * LENGTH + LENGTH };
    static float one[MOST], first[MOST], again[MOST];
    int64_t n = shared_gradients(1, one);
    for (int threads = 1; threads <= 4; threads *= 2) {
        shared_gradients(threads, first);
        float most = 0, apart = 0;
        for (int64_t i = 0; i < n; i++) {
            most = fmaxf(most, fabsf(one[i]));
            apart = fmaxf(apart, fabsf(one[i] - first[i]));
        }
        assert_true(most > 0.1F && apart <= 1e-5F * most);
        for (int round = 0; round < 3; round++) {
            shared_gradients(threads, again);
            assert_memory_equal(first, again, (size_t)n * sizeof *first);
        }
    }
}

/* The gradient of a bias (1,A,T,S) costs what the bias costs, not a tensor (B,A,T,S). */
static void gradient_of_a_bias_is_small(void **state)
{
    (void)state;
    enum { B = 32, A = 2, S = 128 };
    ae_tensor *x = ae_randn(g, AE_F32, 3, (int64_t[]){B, S, A}, 0, 1);
    ae_tensor *bias = ae_requires_grad(g, ae_randn(g, AE_F32, 4, (int64_t[]){1, A, S, S}, 0, 1));
    ae_attention_options o = {.heads = A};
    ae_tensor *y = ae_f_attention(g, x, x, x, ae_mask_with_bias(g, ae_mask_full(g), bias), &o);
    ae_tensor *loss = ae_sum(g, ae_mul(g, y, y), 0, NULL, false);
    ae_pool_reset_peak(ae_graph_pool(g));
    int64_t before = ae_pool_get_stats(ae_graph_pool(g)).peak;
    assert_int_equal(ae_backward(g, loss, 0), 0);
    int64_t after = ae_pool_get_stats(ae_graph_pool(g)).peak, scores = (int64_t)B * A * S * S * 4;
    assert_true(after - before < scores / 2);
    assert_true(ae_item(ae_max(g, ae_abs(g, bias->grad), 0, NULL, false)) > 1e-3);
}

/* ---- bf16 ------------------------------------------------------------------------------------------------------------ */

enum { MIXED = 6, BF16_ROWS = 197, BF16_WIDTH = 24 };

/* Sequences of all sorts of lengths, an empty one among them. */
static const int64_t lengths[] = {0, 1, 1, 34, 67, BF16_ROWS};

/* Packed attention in bf16: result and gradients, one after the other. */
static int64_t packed_bf16(int threads, ae_blocks_choice choice, float *out)
{
    ae_err e = {0};
    assert_int_equal(ae_set_threads(threads, &e), 0);
    ae_blocks_select(choice);
    ae_graph_begin(g, AE_TRAIN);
    ae_graph_random(g, 7, 0, 0, 0);
    ae_tensor *in[3];
    int64_t shape[2] = {BF16_ROWS, BF16_WIDTH}, n = BF16_ROWS * BF16_WIDTH;
    for (int i = 0; i < 3; i++) {
        in[i] = ae_requires_grad(g, ae_cast(g, ae_randn(g, AE_F32, 2, shape, 0, 1), AE_BF16));
    }
    ae_attention_options o = {.heads = 3, .dropout = 0.1};
    ae_tensor *y = ae_f_attention(g, in[0], in[1], in[2], ae_mask_packed(g, AE_MASK_CAUSAL, 5, lengths), &o);
    assert_int_equal(ae_read(y, AE_F32, out, n), 0);
    if (ae_backward(g, ae_sum(g, ae_mul(g, y, y), 0, NULL, false), 0) != 0) {
        fail_msg("%s", ae_graph_error(g)->message);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(in[i]->grad->dtype, AE_BF16);
        assert_int_equal(ae_read(in[i]->grad, AE_F32, out + (i + 1) * n, n), 0);
    }
    ae_blocks_select(AE_BLOCKS_BEST);
    assert_int_equal(ae_set_threads(0, &e), 0);
    return 4 * n;
}

/* Heads share nothing here, so the number of threads does not matter either. */
static void bf16_repeats(void **state)
{
    (void)state;
    static float widened[4 * BF16_ROWS * BF16_WIDTH], multiplied[4 * BF16_ROWS * BF16_WIDTH],
        again[4 * BF16_ROWS * BF16_WIDTH];
    int64_t n = packed_bf16(1, AE_BLOCKS_WIDENED, widened), calls = ae_kernel_count("attention.bf16.backward");
    packed_bf16(1, AE_BLOCKS_BF16, multiplied);
    assert_int_equal(ae_kernel_count("attention.bf16.backward"), calls + 1);
    float most = 0, apart = 0;
    for (int64_t i = 0; i < n; i++) {
        most = fmaxf(most, fabsf(widened[i]));
        apart = fmaxf(apart, fabsf(widened[i] - multiplied[i]));
    }
    assert_true(most > 1 && apart > 0 && apart < 0.02F * most);
    for (int threads = 1; threads <= 4; threads *= 2) {
        packed_bf16(threads, AE_BLOCKS_WIDENED, again);
        assert_memory_equal(widened, again, (size_t)n * sizeof *again);
        packed_bf16(threads, AE_BLOCKS_BF16, again);
        assert_memory_equal(multiplied, again, (size_t)n * sizeof *again);
    }
}

/* q, k, v in `dtype`, the bias, relative query and keys in dtypes of their own; the same numbers in all of them. */
static void mixed_gradients(ae_dtype dtype, ae_dtype bias, ae_dtype query, ae_dtype keys, unsigned flags,
                            double out[MIXED][2 * 9 * 8])
{
    const ae_dtype dtypes[MIXED] = {dtype, dtype, dtype, bias, query, keys};
    static const int shapes[MIXED][4] = {{2, 9, 8}, {2, 9, 8}, {2, 9, 8}, {9, 9}, {2, 9, 8}, {17, 8}};
    ae_graph_begin(g, AE_TRAIN | flags);
    ae_graph_random(g, 3, 0, 0, 0);
    ae_tensor *in[MIXED];
    for (int i = 0; i < MIXED; i++) {
        int ndim = i < 3 || i == 4 ? 3 : 2;
        int64_t shape[3] = {shapes[i][0], shapes[i][1], shapes[i][2]};
        ae_tensor *x = ae_cast(g, ae_randn(g, AE_F32, ndim, shape, 0, 1), AE_BF16);
        in[i] = ae_requires_grad(g, ae_cast(g, x, dtypes[i]));
    }
    ae_relative relative = {in[4], in[5], 8, in[4]};
    ae_attention_options o = {.heads = 2, .relative = &relative};
    ae_tensor *y = ae_f_attention(g, in[0], in[1], in[2], ae_mask_with_bias(g, ae_mask_full(g), in[3]), &o);
    if (ae_backward(g, ae_sum(g, ae_mul(g, y, y), 0, NULL, false), 0) != 0) {
        fail_msg("%s", ae_graph_error(g)->message);
    }
    assert_int_equal(y->dtype, dtype);
    for (int i = 0; i < MIXED; i++) {
        assert_int_equal(in[i]->grad->dtype, dtypes[i]);
        assert_int_equal(ae_read(in[i]->grad, AE_F64, out[i], ae_numel(in[i])), 0);
    }
}

static void precisions_mix(void **state)
{
    static double want[MIXED][2 * 9 * 8], got[MIXED][2 * 9 * 8];
    static const ae_dtype rows[][4] = {{AE_BF16, AE_F32, AE_F32, AE_F32},
                                       {AE_BF16, AE_BF16, AE_F32, AE_BF16},
                                       {AE_BF16, AE_F32, AE_BF16, AE_F32},
                                       {AE_F32, AE_BF16, AE_BF16, AE_BF16}};
    (void)state;
    mixed_gradients(AE_F64, AE_F64, AE_F64, AE_F64, 0, want);
    for (size_t i = 0; i < 3 * sizeof rows / sizeof *rows; i++) {
        const ae_dtype *d = rows[i / 3];
        ae_blocks_select(i % 3 == 1 ? AE_BLOCKS_BF16 : AE_BLOCKS_WIDENED);
        mixed_gradients(d[0], d[1], d[2], d[3], i % 3 == 2 ? AE_HIGHER_ORDER : 0, got);
        for (int k = 0; k < MIXED; k++) {
            double most = 0, apart = 0;
            for (int j = 0; j < 2 * 9 * 8; j++) {
                most = fmax(most, fabs(want[k][j]));
                apart = fmax(apart, fabs(want[k][j] - got[k][j]));
            }
            if (!(most > 0.1 && apart < 0.03 * most)) {
                fail_msg("row %zu: gradient of input %d is off by %g of %g", i, k, apart, most);
            }
        }
    }
    ae_blocks_select(AE_BLOCKS_BEST);
}

/* ---- what bad input is told ----------------------------------------------------------------------------------------- */

/* Attention of x to itself with a relative query, keys and key of these shapes; NULL: left out. */
static void attend_relatively(const char *shape, const char *query, const char *keys, const char *key)
{
    ae_tensor *x = ladder(AE_F32, shape);
    ae_relative relative = {.query = query ? ladder(AE_F32, query) : NULL,
                            .keys = keys ? ladder(AE_F32, keys) : NULL,
                            .key = key ? ladder(AE_F32, key) : NULL};
    ae_attention_options o = {.heads = 2, .relative = &relative};
    ae_f_attention(g, x, x, x, x->ndim == 2 ? ae_mask_packed(g, AE_MASK_FULL, 1, (int64_t[]){0, 3}) : NULL, &o);
}

static void bad_relative_keys(void **state)
{
    (void)state;
    attend_relatively("1,3,4", "1,3,4", NULL, NULL);
    expect_error(AE_E_VALUE, "attention: relative scores need both a query and keys");
    attend_relatively("1,3,4", NULL, NULL, "1,3,4");
    expect_error(AE_E_VALUE, "attention: relative scores need both a query and keys");
    attend_relatively("1,3,4", "1,3,4", "3,2", NULL);
    expect_error(AE_E_SHAPE, "attention: relative query input 4 [1,3,4], keys input 5 [3,2] with q input 0 [1,3,4]; "
                             "they must be as q and (R,A*D)");
    attend_relatively("3,4", "1,3,4", "3,4", NULL);
    expect_error(AE_E_SHAPE, "attention: relative query input 4 [1,3,4], keys input 5 [3,4] with q input 0 [3,4]; "
                             "they must be as q and (R,A*D)");
    attend_relatively("3,4", "3,4", "3,4", "2,4");
    expect_error(AE_E_SHAPE, "attention: relative key input 6 [2,4] with k input 1 [3,4]; it must be as k");
}

static void bad_dtypes(void **state)
{
    (void)state;
    ae_attention_options o = {.heads = 1};
    ae_tensor *half = ladder(AE_BF16, "1,3,4"), *x = ladder(AE_F32, "1,3,4");
    ae_f_attention(g, half, x, half, NULL, &o);
    expect_error(AE_E_DTYPE, "attention: q is bf16, input 1 [1,3,4] is f32; q, k and v must be of one float dtype, and "
                             "the bias, relative query and keys of that too, or f32 and bf16 in any mixture");
    half = ladder(AE_BF16, "1,3,4");
    ae_tensor *wide = ladder(AE_F64, "3,3");
    ae_f_attention(g, half, half, half, ae_mask_with_bias(g, ae_mask_full(g), wide), &o);
    expect_error(AE_E_DTYPE, "attention: q is bf16, input 3 [3,3] is f64; q, k and v must be of one float dtype, and "
                             "the bias, relative query and keys of that too, or f32 and bf16 in any mixture");
    x = ladder(AE_I64, "1,3,4");
    ae_f_attention(g, x, x, x, NULL, &o);
    expect_error(AE_E_DTYPE, "attention: q is i64, input 0 [1,3,4] is i64; q, k and v must be of one float dtype, and "
                             "the bias, relative query and keys of that too, or f32 and bf16 in any mixture");
}

static void bad_masks(void **state)
{
    (void)state;
    static const double none[64] = {0};
    means("2,2,1", "2,3,1", ae_mask_padding(g, mask_of("6", none)));
    expect_error(AE_E_SHAPE, "mask: attention_mask is [6]; it must be (batch, keys) or (batch, queries, keys)");
    means("2,2,1", "2,3,1", ae_mask_padding(g, mask_of("3,3", none)));
    expect_error(AE_E_SHAPE, "attention: the mask is for 3 sequences, q has 2");
    means("2,2,1", "2,3,1", ae_mask_causal(g, mask_of("2,4", none)));
    expect_error(AE_E_SHAPE, "attention: attention_mask covers 4 keys, k has 3");
    means("2,2,1", "2,3,1", ae_mask_padding(g, mask_of("2,3,3", none)));
    expect_error(AE_E_SHAPE, "attention: attention_mask covers 3 queries, q has 2");
    means("2,2,1", "2,3,1", ae_mask_prefix(g, mask_of("2,1", none), NULL));
    expect_error(AE_E_SHAPE, "mask: prefix_lengths must hold one number a sequence");
    ae_mask_packed(g, AE_MASK_FULL, 2, (int64_t[]){0, 3, 2});
    expect_error(AE_E_VALUE, "mask: offset 2 of a packed batch is 2; offsets rise from 0");
    means("4,1", "4,1", ae_mask_packed(g, AE_MASK_FULL, 1, (int64_t[]){0, 3}));
    expect_error(AE_E_SHAPE, "attention: the packed mask counts 3 queries and 3 keys; q has 4 rows, k 4");
    ae_mask_with_bias(g, ae_mask_packed(g, AE_MASK_FULL, 1, (int64_t[]){0, 3}), ladder(AE_F32, "3,3"));
    expect_error(AE_E_UNSUPPORTED, "mask: a packed batch takes no additive bias; pad it");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(masks_of_sequences, begin_step),
        cmocka_unit_test_setup(masks_of_queries, begin_step),
        cmocka_unit_test_setup(many_queries_agree_with_a_bias, begin_step),
        cmocka_unit_test_setup(relative_scores_are_transformer_xl_s, begin_step),
        cmocka_unit_test_setup(shared_gradients_repeat, begin_step),
        cmocka_unit_test_setup(gradient_of_a_bias_is_small, begin_step),
        cmocka_unit_test_setup(bf16_repeats, begin_step),
        cmocka_unit_test_setup(precisions_mix, begin_step),
        cmocka_unit_test_setup(bad_relative_keys, begin_step),
        cmocka_unit_test_setup(bad_dtypes, begin_step),
        cmocka_unit_test_setup(bad_masks, begin_step),
    };
    return cmocka_run_group_tests(tests, make_graph, free_graph);
}
