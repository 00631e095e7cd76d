/* The conditional random field against enumeration of all paths, its gradients against differences, and what a wrong
 * input gets. */
#include "nn/crf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

enum { B = 3, T = 4, K = 3 };

static const int64_t gold[B * T] = {0, 2, 1, 1, 2, 2, 0, 99, 1, -5, 2, 99};
static const bool real[B * T] = {1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 1, 0}; /* the last one with a gap */

static ae_model *m;
static ae_graph *g;
static struct ae_crf crf;
static float emissions[B * T * K];

static int set_up(void **state)
{
    (void)state;
    m = ae_model_new(2);
    g = ae_graph_new();
    ae_crf_init(m, &crf, "crf", K);
    for (int i = 0; i < B * T * K; i++) {
        emissions[i] = (float)sin(1.7 * i) * 2;
    }
    for (int i = 0; i < K * K; i++) {
        ((float *)crf.transitions->data)[i] = (float)cos(2.3 * i);
    }
    for (int i = 0; i < K; i++) {
        ((float *)crf.start->data)[i] = 0.3F * (float)i;
        ((float *)crf.end->data)[i] = -0.4F * (float)i;
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ae_graph_free(g);
    ae_model_free(m);
    return 0;
}

static double at(const ae_tensor *t, int64_t i)
{
    return (double)((const float *)t->data)[i];
}

static double score_of(int b, const bool *mask, const int64_t *tags)
{
    double score = at(crf.start, tags[0]) + (double)emissions[b * T * K + tags[0]];
    int64_t last = tags[0];
    for (int t = 1; t < T; t++) {
        if (mask[t]) {
            score += at(crf.transitions, last * K + tags[t]) + (double)emissions[(b * T + t) * K + tags[t]];
            last = tags[t];
        }
    }
    return score + at(crf.end, last);
}

/* Every assignment of tags to real positions; returns log of the sum of e^score, the best into best[]. */
static double enumerate(int b, const bool *mask, double *most, int64_t *best)
{
    double sum = 0;
    *most = -INFINITY;
    for (int code = 0; code < K * K * K * K; code++) {
        int64_t tags[T];
        bool canonical = true;
        for (int t = 0, rest = code; t < T; t++, rest /= K) {
            tags[t] = rest % K;
            canonical = canonical && (mask[t] || tags[t] == 0);
        }
        if (canonical) {
            double score = score_of(b, mask, tags);
            sum += exp(score);
            if (score > *most) {
                *most = score;
                memcpy(best, tags, sizeof tags);
            }
        }
    }
    return log(sum);
}

static ae_tensor *input(void)
{
    return ae_from_data(g, AE_F32, 3, (int64_t[]){B, T, K}, emissions);
}

static ae_tensor *masked(void)
{
    return ae_from_data(g, AE_BOOL, 2, (int64_t[]){B, T}, real);
}

static ae_tensor *tags_of(const int64_t *tags)
{
    return ae_from_data(g, AE_I64, 2, (int64_t[]){B, T}, tags);
}

static void test_likelihood(void **state)
{
    (void)state;
    const bool all[T] = {1, 1, 1, 1};
    for (int with_mask = 0; with_mask < 2; with_mask++) {
        int64_t plain[B * T];
        for (int i = 0; i < B * T; i++) {
            plain[i] = with_mask ? gold[i] : i % K;
        }
        ae_graph_begin(g, AE_EVAL);
        ae_tensor *y = ae_crf_log_likelihood(g, &crf, input(), tags_of(plain), with_mask ? masked() : NULL);
        double got[B];
        assert_int_equal(ae_read(y, AE_F64, got, B), 0);
        for (int b = 0; b < B; b++) {
            double most;
            int64_t best[T];
            const bool *mask = with_mask ? real + b * T : all;
            double want = score_of(b, mask, plain + b * T) - enumerate(b, mask, &most, best);
            assert_true(fabs(got[b] - want) < 1e-5);
        }
    }
}

static void test_one_position(void **state)
{
    (void)state;
    ae_graph_begin(g, AE_EVAL);
    ae_tensor *x = ae_from_data(g, AE_F32, 3, (int64_t[]){1, 1, K}, emissions);
    ae_tensor *tag = ae_from_data(g, AE_I64, 2, (int64_t[]){1, 1}, gold + 1);
    double sum = 0;
    for (int k = 0; k < K; k++) {
        sum += exp(at(crf.start, k) + at(crf.end, k) + (double)emissions[k]);
    }
    double want = at(crf.start, 2) + at(crf.end, 2) + (double)emissions[2] - log(sum);
    assert_true(fabs(ae_item(ae_crf_log_likelihood(g, &crf, x, tag, NULL)) - want) < 1e-5);
}

static double loss(bool backward, ae_tensor **x)
{
    ae_graph_begin(g, AE_GRAD);
    *x = ae_requires_grad(g, input());
    ae_tensor *y = ae_crf_log_likelihood(g, &crf, *x, tags_of(gold), masked());
    y = ae_sum(g, ae_mul(g, y, ae_from_data(g, AE_F32, 1, (int64_t[]){B}, (float[]){1, -2, 0.5F})), 0, NULL, false);
    double value = ae_item(y);
    assert_true(ae_ok(g));
    if (backward) {
        assert_int_equal(ae_backward(g, y, 0), 0);
    }
    return value;
}

static void differences(float *values, int n, const double *gradient)
{
    for (int i = 0; i < n; i++) {
        ae_tensor *x;
        float old = values[i];
        values[i] = old + 0.01F;
        double up = loss(false, &x);
        values[i] = old - 0.01F;
        double down = loss(false, &x);
        values[i] = old;
        assert_true(fabs((up - down) / 0.02 - gradient[i]) < 2e-3);
    }
}

static void test_gradients(void **state)
{
    (void)state;
    ae_tensor *x;
    double dx[B * T * K];
    double dt[K * K];
    double ds[K];
    double de[K];
    loss(true, &x);
    assert_int_equal(ae_read(x->grad, AE_F64, dx, B * T * K), 0);
    assert_int_equal(ae_read(crf.transitions->grad, AE_F64, dt, K * K), 0);
    assert_int_equal(ae_read(crf.start->grad, AE_F64, ds, K), 0);
    assert_int_equal(ae_read(crf.end->grad, AE_F64, de, K), 0);
    differences(emissions, B * T * K, dx);
    differences(crf.transitions->data, K * K, dt);
    differences(crf.start->data, K, ds);
    differences(crf.end->data, K, de);
    ae_model_zero_grad(m);
}

static void test_decoding(void **state)
{
    (void)state;
    int64_t tags[B * T];
    double scores[B];
    ae_graph_begin(g, AE_EVAL);
    assert_int_equal(ae_crf_decode(g, &crf, input(), masked(), tags, scores), 0);
    for (int b = 0; b < B; b++) {
        double most;
        int64_t best[T];
        enumerate(b, real + b * T, &most, best);
        assert_true(fabs(scores[b] - most) < 1e-6);
        for (int t = 0; t < T; t++) {
            assert_int_equal(tags[b * T + t], real[b * T + t] ? best[t] : -1);
        }
    }
    assert_int_equal(ae_crf_decode(g, &crf, ae_zeros(g, AE_F32, 3, (int64_t[]){0, 2, K}), NULL, tags, NULL), 0);
}

static void failed(const char *message)
{
    assert_string_equal(ae_graph_error(g)->message, message);
    ae_graph_begin(g, AE_EVAL);
}

static void test_wrong_input(void **state)
{
    (void)state;
    int64_t tags[B * T];
    ae_graph_begin(g, AE_EVAL);
    ae_crf_log_likelihood(g, &crf, input(), tags_of(gold), NULL);
    failed("crf: tag 99 of sequence 1 at position 3 is outside 0..2");
    ae_crf_decode(g, &crf, input(), ae_from_data(g, AE_BOOL, 2, (int64_t[]){1, T}, real), tags, NULL);
    failed("crf: mask must be [3,4] as the emissions are; it is [1,4]");
    ae_crf_log_likelihood(g, &crf, input(), ae_from_data(g, AE_I64, 1, (int64_t[]){T}, gold), NULL);
    failed("crf: tags must be [3,4] as the emissions are; it is [4]");
    const bool none[B * T] = {1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1};
    ae_tensor *late = ae_from_data(g, AE_BOOL, 2, (int64_t[]){B, T}, none);
    assert_int_equal(ae_crf_decode(g, &crf, input(), late, tags, NULL), -1);
    failed("crf: the mask leaves out the first position of sequence 1");
    ae_crf_decode(g, &crf, ae_zeros(g, AE_F32, 3, (int64_t[]){B, T, K + 1}), NULL, tags, NULL);
    failed("crf: emissions must be [B,T,3] with T at least 1; they are [3,4,4]");
    ae_crf_decode(g, &crf, ae_zeros(g, AE_F32, 3, (int64_t[]){B, 0, K}), NULL, tags, NULL);
    failed("crf: emissions must be [B,T,3] with T at least 1; they are [3,0,3]");
    ae_model *other = ae_model_new(1);
    struct ae_crf none_built;
    ae_crf_init(other, &none_built, "tagger", 0);
    assert_string_equal(ae_model_error(other)->message, "crf: tagger needs at least one tag; it has 0");
    ae_crf_log_likelihood(g, &none_built, input(), tags_of(gold), masked());
    failed("crf: tagger needs at least one tag; it has 0");
    ae_model_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_likelihood, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_position, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_gradients, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_decoding, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_input, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
