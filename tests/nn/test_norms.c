/* Layer norm in three dialects and RMS norm, against the formulas in double. */
#include "nn/layer_norm.h"
#include "nn/rms_norm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

static const float rows[8] = {1, -2, 0.5F, 4, 0.25F, 0.5F, -0.125F, 3};
static const float gain[4] = {1, 2, -1, 0.5F};
static const float shift[4] = {0.5F, 0, -1, 2};

/* divisor: of the sum of squared deviations, with eps inside the root (false) or behind it (true). */
static void layer_norm_by_hand(const float *x, double divisor, double eps, bool behind, double *y)
{
    double mean = 0;
    double squares = 0;
    for (int i = 0; i < 4; i++) {
        mean += (double)x[i] / 4;
    }
    for (int i = 0; i < 4; i++) {
        squares += ((double)x[i] - mean) * ((double)x[i] - mean);
    }
    double scale = behind ? sqrt(squares / divisor) + eps : sqrt(squares / divisor + eps);
    for (int i = 0; i < 4; i++) {
        y[i] = (double)gain[i] * ((double)x[i] - mean) / scale + (double)shift[i];
    }
}

static void compare(ae_tensor *y, const double *want)
{
    float got[4];
    assert_int_equal(ae_read(y, AE_F32, got, 4), 0);
    for (int i = 0; i < 4; i++) {
        assert_true(fabs((double)got[i] - want[i]) < 1e-5);
    }
}

static void test_layer_norm(void **state)
{
    (void)state;
    ae_model *m = ae_model_new(1);
    ae_graph *g = ae_graph_new();
    struct ae_layer_norm torch;
    struct ae_layer_norm uer;
    ae_layer_norm_init(m, &torch, "LayerNorm", 4, 0.1);
    ae_layer_norm_init_uer(m, &uer, "layer_norm_1", 4);
    assert_ptr_equal(ae_model_get(m, "LayerNorm.weight"), torch.weight);
    assert_ptr_equal(ae_model_get(m, "LayerNorm.bias"), torch.bias);
    assert_ptr_equal(ae_model_get(m, "layer_norm_1.gamma"), uer.weight);
    assert_ptr_equal(ae_model_get(m, "layer_norm_1.beta"), uer.bias);
    assert_true(((float *)torch.weight->data)[3] == 1 && ((float *)torch.bias->data)[3] == 0);
    uer.eps = 0.1; /* large, so that its place shows */
    memcpy(torch.weight->data, gain, sizeof gain);
    memcpy(torch.bias->data, shift, sizeof shift);
    memcpy(uer.weight->data, gain, sizeof gain);
    memcpy(uer.bias->data, shift, sizeof shift);
    for (int row = 0; row < 2; row++) {
        double want[4];
        ae_graph_begin(g, AE_EVAL);
        ae_tensor *x = ae_from_data(g, AE_F32, 1, (int64_t[]){4}, rows + 4 * row);
        layer_norm_by_hand(rows + 4 * row, 4, 0.1, false, want);
        compare(ae_layer_norm(g, &torch, x), want);
        layer_norm_by_hand(rows + 4 * row, 3, 0.1, true, want);
        compare(ae_layer_norm(g, &uer, x), want);
    }
    ae_graph_free(g);
    ae_model_free(m);
}

static void test_rms_norm(void **state)
{
    (void)state;
    ae_model *m = ae_model_new(1);
    ae_graph *g = ae_graph_new();
    struct ae_rms_norm l;
    ae_rms_norm_init(m, &l, "layer_norm", 4, 0.1);
    assert_ptr_equal(ae_model_get(m, "layer_norm.weight"), l.weight);
    memcpy(l.weight->data, gain, sizeof gain);
    double squares = 0;
    double want[4];
    for (int i = 0; i < 4; i++) {
        squares += (double)rows[i] * (double)rows[i];
    }
    for (int i = 0; i < 4; i++) {
        want[i] = (double)gain[i] * (double)rows[i] / sqrt(squares / 4 + 0.1);
    }
    ae_graph_begin(g, AE_EVAL);
    compare(ae_rms_norm(g, &l, ae_from_data(g, AE_F32, 1, (int64_t[]){4}, rows)), want);
    ae_graph_free(g);
    ae_model_free(m);
}

/* The norm behind a residual connection against its three steps, which draw the same mask. */
static void compare_residual(ae_graph *g, const struct ae_layer_norm *l, unsigned flags, double p, int y_rows)
{
    float want[8], got[8];
    for (int fused = 0; fused < 2; fused++) {
        ae_graph_begin(g, flags);
        ae_tensor *x = ae_from_data(g, AE_F32, 2, (int64_t[]){2, 4}, rows);
        ae_tensor *y = ae_from_data(g, AE_F32, 2, (int64_t[]){y_rows, 4}, rows);
        ae_tensor *z = fused ? ae_residual_norm(g, l, x, y, p) : ae_layer_norm(g, l, ae_add(g, x, ae_dropout(g, y, p)));
        assert_int_equal(ae_read(z, AE_F32, fused ? got : want, 8), 0);
    }
    for (int i = 0; i < 8; i++) {
        assert_true(fabs((double)got[i] - (double)want[i]) < 1e-6);
    }
}

static void test_residual_norm(void **state)
{
    (void)state;
    ae_model *m = ae_model_new(1);
    ae_graph *g = ae_graph_new();
    struct ae_layer_norm l[2];
    ae_layer_norm_init(m, &l[0], "LayerNorm", 4, 0.1);
    ae_layer_norm_init_uer(m, &l[1], "layer_norm_1", 4);
    for (int i = 0; i < 2; i++) {
        memcpy(l[i].weight->data, gain, sizeof gain);
        memcpy(l[i].bias->data, shift, sizeof shift);
        compare_residual(g, &l[i], AE_EVAL, 0.5, 2);
        compare_residual(g, &l[i], AE_TRAIN, 0.5, 2);
        compare_residual(g, &l[i], AE_TRAIN, 0, 2);
        compare_residual(g, &l[i], AE_TRAIN, 0.5, 1); /* broadcast: not the one pass */
        ae_graph_begin(g, AE_TRAIN);
        ae_tensor *x = ae_zeros(g, AE_F32, 2, (int64_t[]){2, 4});
        ae_residual_norm(g, &l[i], x, x, 1.0);
        assert_string_equal(ae_graph_error(g)->message, "dropout: p is 1; it must be at least 0 and below 1");
    }
    ae_graph_begin(g, AE_TRAIN);
    ae_tensor *x = ae_zeros(g, AE_F32, 2, (int64_t[]){2, 3});
    ae_residual_norm(g, &l[0], x, x, 0.1);
    assert_string_equal(ae_graph_error(g)->message,
                        "dropout_add_layer_norm: gamma and beta must be as long as the last axis of x; x is input 0 "
                        "[2,3], got LayerNorm.weight [4]");
    ae_graph_free(g);
    ae_model_free(m);
}

static void test_wrong_width(void **state)
{
    (void)state;
    ae_model *m = ae_model_new(1);
    ae_graph *g = ae_graph_new();
    struct ae_layer_norm l;
    struct ae_rms_norm r;
    ae_layer_norm_init(m, &l, "LayerNorm", 4, 1e-12);
    ae_rms_norm_init(m, &r, "rms", 4, 1e-6);
    ae_graph_begin(g, AE_EVAL);
    ae_layer_norm(g, &l, ae_zeros(g, AE_F32, 2, (int64_t[]){2, 3}));
    assert_false(ae_ok(g));
    assert_non_null(strstr(ae_graph_error(g)->message, "LayerNorm.weight"));
    ae_graph_begin(g, AE_EVAL);
    ae_rms_norm(g, &r, ae_zeros(g, AE_F32, 2, (int64_t[]){2, 3}));
    assert_non_null(strstr(ae_graph_error(g)->message, "rms.weight"));
    ae_graph_free(g);
    ae_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layer_norm),
        cmocka_unit_test(test_rms_norm),
        cmocka_unit_test(test_residual_norm),
        cmocka_unit_test(test_wrong_width),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
