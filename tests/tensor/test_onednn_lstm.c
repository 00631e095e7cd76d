/* oneDNN's LSTM, which the bench measures: the same states and gradients as ours. */
#include "autograd/ops.h"
#include "tensor/onednn_lstm.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { TIME = 5, BATCH = 3, IN = 7, CELLS = 6 };

static float *wave(int64_t n, double phase)
{
    float *x = malloc((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++) {
        x[i] = (float)(0.5 * sin(phase + 1.3 * (double)i));
    }
    return x;
}

static void agrees_with_ours(void **state)
{
    (void)state;
    ae_err e = {0};
    float *x = wave(TIME * BATCH * IN, 0.1), *w_ih = wave(4 * CELLS * IN, 0.2), *w_hh = wave(4 * CELLS * CELLS, 0.3);
    float *bias = wave(4 * CELLS, 0.4), *dy = wave(TIME * BATCH * CELLS, 0.5);
    ae_graph *g = ae_graph_new();
    ae_graph_begin(g, AE_TRAIN);
    ae_tensor *in = ae_requires_grad(g, ae_from_data(g, AE_F32, 3, (int64_t[]){TIME, BATCH, IN}, x)), *out[3];
    ae_tensor *by_batch = ae_permute(g, in, (int[]){1, 0, 2});
    ae_tensor *a = ae_from_data(g, AE_F32, 2, (int64_t[]){4 * CELLS, IN}, w_ih);
    ae_tensor *b = ae_from_data(g, AE_F32, 2, (int64_t[]){4 * CELLS, CELLS}, w_hh);
    ae_tensor *c = ae_from_data(g, AE_F32, 1, (int64_t[]){4 * CELLS}, bias);
    ae_recurrent_options options = {0};
    assert_int_equal(ae_f_lstm(g, by_batch, a, b, c, NULL, NULL, NULL, NULL, NULL, &options, out), 0);
    ae_tensor *y = ae_permute(g, out[0], (int[]){1, 0, 2});
    ae_tensor *up = ae_from_data(g, AE_F32, 3, (int64_t[]){TIME, BATCH, CELLS}, dy);
    assert_int_equal(ae_backward(g, ae_sum(g, ae_mul(g, y, up), 0, NULL, false), 0), 0);

    ae_onednn_lstm *l = ae_onednn_lstm_new(TIME, BATCH, IN, CELLS, &e);
    if (!l) {
        fail_msg("%s", e.message);
    }
    assert_true(ae_onednn_lstm_name(l)[0] != '\0');
    assert_int_equal(ae_onednn_lstm_fill(l, x, w_ih, w_hh, bias, &e), 0);
    for (int again = 0; again < 2; again++) {
        const float *h = ae_onednn_lstm_forward(l, &e), *dx = h ? ae_onednn_lstm_backward(l, dy, &e) : NULL;
        assert_non_null(dx);
        for (int64_t i = 0; i < TIME * BATCH * CELLS; i++) {
            assert_true(fabs((double)h[i] - ae_get_f64(y, i)) < 1e-5);
        }
        for (int64_t i = 0; i < TIME * BATCH * IN; i++) {
            assert_true(fabs((double)dx[i] - ae_get_f64(in->grad, i)) < 1e-5);
        }
    }
    ae_onednn_lstm_free(l);
    ae_onednn_lstm_free(NULL);
    ae_graph_free(g);
    free(x);
    free(w_ih);
    free(w_hh);
    free(bias);
    free(dy);
}

static void what_it_cannot_make(void **state)
{
    (void)state;
    ae_err e = {0};
    assert_null(ae_onednn_lstm_new(-1, 2, 3, 4, &e));
    assert_int_equal(e.code, AE_E_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_ours), cmocka_unit_test(what_it_cannot_make)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
