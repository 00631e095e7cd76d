/* Metrics against numbers computed by hand and by a second program in Python from the definitions, and the cases in
 * which a metric does not exist. */
#include "apps/metrics.h"
#include "apps/trainer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NEAR(a, b) assert_near(a, b, __LINE__)

static void assert_near(double a, double b, int line)
{
    if (!(fabs(a - b) <= 1e-14 * (fabs(b) > 1 ? fabs(b) : 1)) && !(isnan(a) && isnan(b))) {
        fail_msg("line %d: %.17g instead of %.17g", line, a, b);
    }
}

static ae_confusion *confusion(int64_t classes, const int64_t *gold, const int64_t *predicted, int64_t n)
{
    ae_err e = {0};
    ae_confusion *c = ae_confusion_of(classes, gold, predicted, n, &e);
    if (!c) {
        fail_msg("%s", e.message);
    }
    return c;
}

/* ---- classes ---- */

static const int64_t gold3[] = {0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2};
static const int64_t predicted3[] = {0, 0, 1, 2, 1, 1, 0, 2, 2, 2, 0, 1};

static void test_three_classes(void **state)
{
    (void)state;
    static const int64_t counts[] = {2, 1, 1, 1, 2, 0, 1, 1, 3};
    ae_confusion *c = confusion(3, gold3, predicted3, 12);
    assert_memory_equal(c->counts, counts, sizeof counts);
    ae_class_score s = ae_confusion_class(c, 2);
    assert_int_equal(s.gold, 5);
    assert_int_equal(s.predicted, 4);
    assert_int_equal(s.right, 3);
    NEAR(s.precision, 0.75);
    NEAR(s.recall, 0.6);
    NEAR(s.f1, 2.0 / 3);
    ae_classification x = ae_classify(c);
    NEAR(x.accuracy, 7.0 / 12);
    NEAR(x.macro_precision, 1.75 / 3);
    NEAR(x.macro_recall, 0.5888888888888889);
    NEAR(x.macro_f1, 0.5793650793650794);
    NEAR(x.micro_precision, 7.0 / 12);
    NEAR(x.micro_recall, 7.0 / 12);
    NEAR(x.micro_f1, 7.0 / 12);
    NEAR(x.matthews, 0.3789683644799335);
    NEAR(x.majority, 5.0 / 12);
    ae_confusion_free(c);
}

/* 90 and 3 right, 4 and 1 wrong: Matthews' own formula. */
static void test_matthews_of_two(void **state)
{
    (void)state;
    int64_t gold[98], predicted[98];
    for (int i = 0; i < 98; i++) {
        gold[i] = i < 90 || i == 97;
        predicted[i] = i < 94;
    }
    ae_confusion *c = confusion(2, gold, predicted, 98);
    NEAR(ae_classify(c).matthews, 0.5435230893060919);
    ae_confusion_free(c);
    static const int64_t a[] = {0, 1, 0, 1}, b[] = {1, 0, 1, 0};
    c = confusion(2, a, b, 4);
    NEAR(ae_classify(c).matthews, -1);
    NEAR(ae_classify(c).macro_f1, 0);
    ae_confusion_free(c);
    c = confusion(2, a, a, 4);
    NEAR(ae_classify(c).matthews, 1);
    ae_confusion_free(c);
}

static void test_classes_that_are_missing(void **state)
{
    (void)state;
    static const int64_t gold[] = {0, 0, 2, 2}, predicted[] = {0, 3, 0, 0};
    ae_confusion *c = confusion(5, gold, predicted, 4); /* 1, 4: neither; 2: never predicted; 3: not in the data */
    ae_class_score none = ae_confusion_class(c, 1), unpredicted = ae_confusion_class(c, 2),
                   new = ae_confusion_class(c, 3);
    assert_true(isnan(none.precision) && isnan(none.recall) && isnan(none.f1));
    assert_true(isnan(unpredicted.precision) && unpredicted.recall == 0 && unpredicted.f1 == 0);
    assert_true(new.precision == 0 && isnan(new.recall) && new.f1 == 0);
    ae_classification x = ae_classify(c);
    NEAR(x.macro_precision, (1.0 / 3) / 3);
    NEAR(x.macro_recall, 0.5 / 3);
    NEAR(x.macro_f1, 0.4 / 3);
    NEAR(x.accuracy, 0.25);
    ae_confusion_free(c);
    static const int64_t ones[] = {1, 1, 1, 1};
    c = confusion(3, ones, ones, 4); /* one class, and all right */
    x = ae_classify(c);
    NEAR(x.accuracy, 1);
    NEAR(x.macro_f1, 1);
    NEAR(x.matthews, 0);
    NEAR(x.majority, 1);
    ae_confusion_free(c);
    c = confusion(3, gold, ones, 4); /* always the same answer */
    NEAR(ae_classify(c).matthews, 0);
    ae_confusion_free(c);
}

static void test_no_examples(void **state)
{
    (void)state;
    ae_confusion *c = confusion(2, NULL, NULL, 0);
    ae_classification x = ae_classify(c);
    assert_true(isnan(x.accuracy) && isnan(x.macro_precision) && isnan(x.macro_recall) && isnan(x.macro_f1) &&
                isnan(x.micro_f1) && isnan(x.matthews) && isnan(x.majority));
    ae_json *o = ae_json_new_object();
    assert_int_equal(ae_classification_json(o, &x), 0);
    char *text = ae_json_text(o, false, NULL);
    assert_string_equal(text, "{\"accuracy\":null,\"macro_precision\":null,\"macro_recall\":null,\"macro_f1\":null,"
                              "\"micro_precision\":null,\"micro_recall\":null,\"micro_f1\":null,\"matthews\":null,"
                              "\"majority\":null}");
    free(text);
    ae_json_free(o);
    ae_confusion_free(c);
}

static void test_refused_classes(void **state)
{
    (void)state;
    ae_err e = {0};
    static const int64_t gold[] = {0, 1}, low[] = {0, -1}, high[] = {0, 2};
    assert_null(ae_confusion_of(0, gold, gold, 2, &e));
    assert_string_equal(e.message, "confusion: 0 classes; at least one is needed");
    ae_err_clear(&e);
    assert_null(ae_confusion_of(2, gold, low, 2, &e));
    assert_string_equal(e.message, "confusion: example 1 has class 1 and prediction -1; there are 2 classes");
    ae_err_clear(&e);
    assert_null(ae_confusion_of(2, high, gold, 2, &e));
    assert_string_equal(e.message, "confusion: example 1 has class 2 and prediction 1; there are 2 classes");
    ae_err_clear(&e);
    assert_null(ae_confusion_of(INT64_MAX, gold, gold, 2, &e));
    assert_int_equal(e.code, AE_E_MEMORY);
    ae_confusion_free(NULL);
}

/* ---- reports ---- */

static char *printed(const ae_confusion *c, const ae_labels *labels)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    assert_int_equal(ae_confusion_print(out, c, labels), 0);
    fclose(out);
    return text;
}

static void test_text(void **state)
{
    (void)state;
    static char *names[] = {"neg", "\xe4\xb8\xad\xe6\x80\xa7", "a name with a\ttab that is long"};
    const ae_labels labels = {3, names};
    ae_confusion *c = confusion(3, gold3, predicted3, 12);
    char *text = printed(c, &labels);
    assert_string_equal(text,
                        "class                      examples  predicted  precision     recall         F1\n"
                        "neg                               4          4     0.5000     0.5000     0.5000\n"
                        "\xe4\xb8\xad\xe6\x80\xa7                              3          4     0.5000     0.6667     "
                        "0.5714\n"
                        "a name with a tab that i          5          4     0.7500     0.6000     0.6667\n"
                        "\n"
                        "gold \\ predicted          neg  \xe4\xb8\xad\xe6\x80\xa7  a name with a tab that i\n"
                        "neg                         2     1                         1\n"
                        "\xe4\xb8\xad\xe6\x80\xa7                        1     2                         0\n"
                        "a name with a tab that i    1     1                         3\n");
    free(text);
    ae_confusion_free(c);
}

static void test_text_of_many_classes(void **state)
{
    (void)state;
    static char *names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m"};
    const ae_labels labels = {13, names};
    int64_t gold[1003] = {0}, predicted[1003] = {0};
    gold[1002] = 12;
    ae_confusion *c = confusion(13, gold, predicted, 1003);
    char *text = printed(c, &labels);
    assert_non_null(strstr(text, "  no  class   examples  predicted  precision     recall         F1\n"
                                 "   0  a           1002       1003     0.9990     1.0000     0.9995\n"
                                 "   1  b              0          0          -          -          -\n"));
    assert_non_null(strstr(text, "  12  m              1          0          -     0.0000     0.0000\n"
                                 "\n"
                                 "gold \\ predicted     0  1  2  3  4  5  6  7  8  9  10  11  12\n"
                                 "0                 1002  0  0  0  0  0  0  0  0  0   0   0   0\n"));
    free(text);
    text = printed(c, NULL);
    assert_non_null(strstr(text, "  12  12             1"));
    free(text);
    ae_confusion_free(c);
    static const int64_t none[] = {0};
    c = confusion(1, none, none, 1);
    FILE *full = fopen("/dev/full", "w");
    if (full) {
        setvbuf(full, NULL, _IONBF, 0);
        assert_int_equal(ae_confusion_print(full, c, NULL), -1);
        fclose(full);
    }
    ae_confusion_free(c);
}

static void test_json(void **state)
{
    (void)state;
    static char *names[] = {"no", "\xe6\x98\xaf"};
    const ae_labels labels = {2, names};
    static const int64_t gold[] = {0, 0, 1}, predicted[] = {0, 0, 0};
    ae_confusion *c = confusion(2, gold, predicted, 3);
    ae_json *o = ae_confusion_json(c, &labels);
    char *text = ae_json_text(o, false, NULL);
    assert_string_equal(text,
                        "{\"labels\":[\"no\",\"\xe6\x98\xaf\"],\"gold_by_predicted\":[[2,0],[1,0]],\"classes\":["
                        "{\"label\":\"no\",\"gold\":2,\"predicted\":3,\"precision\":0.6666666666666666,\"recall\":1.0,"
                        "\"f1\":0.8},{\"label\":\"\xe6\x98\xaf\",\"gold\":1,\"predicted\":0,\"precision\":null,"
                        "\"recall\":0.0,\"f1\":0.0}]}");
    free(text);
    ae_json_free(o);
    o = ae_confusion_json(c, NULL);
    text = ae_json_text(o, false, NULL);
    assert_non_null(strstr(text, "{\"labels\":[0,1],"));
    free(text);
    ae_json_free(o);
    ae_confusion_free(c);
}

/* ---- scores ---- */

static const double iq[] = {106, 100, 86, 101, 99, 103, 97, 113, 112, 110};
static const double hours[] = {7, 27, 2, 50, 28, 29, 20, 12, 6, 17};
static const double pi[] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5};
static const double e11[] = {2, 7, 1, 8, 2, 8, 1, 8, 2, 8, 4};

static void test_correlations(void **state)
{
    (void)state;
    ae_regression x;
    assert_int_equal(ae_regress(iq, hours, 10, &x, NULL), 0);
    NEAR(x.pearson, -0.07021632602905675);
    NEAR(x.spearman, -29.0 / 165);
    assert_int_equal(ae_regress(pi, e11, 11, &x, NULL), 0); /* with ties */
    NEAR(x.pearson, 0.09422924859889796);
    NEAR(x.spearman, 0.1384567651467695);
    NEAR(x.mse, 145.0 / 11);
    NEAR(x.mae, 3);
    double ranks[11];
    static const double expected[] = {4.5, 1.5, 6, 1.5, 8, 11, 3, 10, 8, 4.5, 8};
    assert_int_equal(ae_ranks(pi, 11, ranks, NULL), 0);
    assert_memory_equal(ranks, expected, sizeof ranks);
    /* A large mean, a small spread: sums of squares would have lost it. */
    static const double high[] = {1e9 + 1, 1e9 + 2, 1e9 + 4}, low[] = {1, 2, 4}, down[] = {4, 3, 1};
    NEAR(ae_pearson(high, low, 3), 1);
    NEAR(ae_pearson(high, down, 3), -1);
    static const double cubes[] = {1, 8, 64};
    assert_int_equal(ae_regress(low, cubes, 3, &x, NULL), 0);
    NEAR(x.spearman, 1);
    assert_true(x.pearson < 1);
}

static void test_scores_without_a_correlation(void **state)
{
    (void)state;
    ae_regression x;
    static const double same[] = {0.1, 0.1, 0.1}, some[] = {1, 2, 3};
    assert_int_equal(ae_regress(same, some, 3, &x, NULL), 0);
    assert_true(isnan(x.pearson) && isnan(x.spearman));
    NEAR(x.mae, 1.9);
    assert_int_equal(ae_regress(some, same, 3, &x, NULL), 0);
    assert_true(isnan(x.pearson) && isnan(x.spearman));
    assert_int_equal(ae_regress(some, some, 1, &x, NULL), 0);
    assert_true(isnan(x.pearson) && isnan(x.spearman));
    NEAR(x.mse, 0);
    assert_int_equal(ae_regress(some, same, 0, &x, NULL), 0);
    assert_true(isnan(x.pearson) && isnan(x.spearman) && isnan(x.mse) && isnan(x.mae));
    const double broken[] = {1, (double)NAN, 2};
    assert_int_equal(ae_regress(some, broken, 3, &x, NULL), 0);
    assert_true(isnan(x.pearson) && isnan(x.spearman) && isnan(x.mse) && isnan(x.mae));
    ae_json *o = ae_json_new_object();
    assert_int_equal(ae_regression_json(o, &x), 0);
    char *text = ae_json_text(o, false, NULL);
    assert_string_equal(text, "{\"pearson\":null,\"spearman\":null,\"mse\":null,\"mae\":null}");
    free(text);
    ae_json_free(o);
}

/* ---- language models, seeds ---- */

static void test_language_models(void **state)
{
    (void)state;
    NEAR(ae_perplexity(12345.6, 3210), 46.80459156204536);
    NEAR(ae_perplexity(0, 7), 1);
    NEAR(ae_perplexity(log(50257.0) * 10, 10), 50257);
    assert_true(isinf(ae_perplexity(1e6, 10)));
    assert_true(isnan(ae_perplexity(1, 0)));
    NEAR(ae_bits_per(12345.6, 54321), 0.3278830635812814);
    NEAR(ae_bits_per(log(2.0) * 24, 3), 8);
    assert_true(isnan(ae_bits_per(0, 0)));
    assert_int_equal(ae_characters("a\xc3\xa4\xe4\xb8\xad\xf0\x9f\x98\x80", 10), 4);
    assert_int_equal(ae_characters("", 0), 0);
}

static void test_seeds(void **state)
{
    (void)state;
    static const double a[] = {.886, .891, .884}, b[] = {.872, .879, .870};
    ae_spread x = ae_spread_of(a, 3), y = ae_spread_of(b, 3), one = ae_spread_of(a, 1), none = ae_spread_of(a, 0);
    assert_int_equal(x.n, 3);
    NEAR(x.mean, 0.887);
    NEAR(x.deviation, 0.0036055512754639926);
    ae_contrast difference = ae_contrast_of(&x, &y);
    NEAR(difference.difference, 0.013333333333333308);
    NEAR(difference.standard_error, 0.0034318767136623366);
    NEAR(one.mean, .886);
    assert_true(isnan(one.deviation) && isnan(none.mean) && isnan(none.deviation));
    assert_true(isnan(ae_contrast_of(&x, &one).standard_error));
    const double broken[] = {1, (double)NAN};
    assert_true(isnan(ae_spread_of(broken, 2).mean));
    ae_json *o = ae_json_new_object();
    assert_int_equal(ae_spread_json(o, &one), 0);
    char *text = ae_json_text(o, false, NULL);
    assert_string_equal(text, "{\"n\":1,\"mean\":0.886,\"standard_deviation\":null}");
    free(text);
    ae_json_free(o);
}

/* ---- by name, of a model's answers ---- */

static void test_metrics_by_name(void **state)
{
    (void)state;
    static float logits[] = {2, 1, 0, /**/ 0, 3, 1, /**/ 5, 4, 1, /**/ 0, 0, 1};
    static int64_t gold[] = {0, 1, 1, 2};
    const ae_evaluation x = {.loss = 0.5, .examples = 4, .classes = 3, .logits = logits, .gold = gold};
    NEAR(ae_evaluation_metric(&x, "loss"), 0.5);
    NEAR(ae_evaluation_metric(&x, "accuracy"), 0.75);
    NEAR(ae_evaluation_metric(&x, "micro_f1"), 0.75);
    NEAR(ae_evaluation_metric(&x, "macro_f1"), (2.0 / 3 + 2.0 / 3 + 1) / 3);
    NEAR(ae_evaluation_metric(&x, "matthews"), 0.7);
    assert_true(isnan(ae_evaluation_metric(&x, "pearson")));
    static double scores[] = {1, 2, 3, 5};
    const ae_evaluation y = {.loss = 2, .examples = 4, .classes = 1, .logits = logits + 3, .gold_scores = scores};
    NEAR(ae_evaluation_metric(&y, "pearson"), 37.0 / sqrt(35.0 * 59));
    NEAR(ae_evaluation_metric(&y, "spearman"), 0.8);
    assert_true(isnan(ae_evaluation_metric(&y, "accuracy")));
    const ae_evaluation language = {.loss = 3};
    NEAR(ae_evaluation_metric(&language, "loss"), 3);
    assert_true(isnan(ae_evaluation_metric(&language, "accuracy")));
    assert_true(ae_metric_rises("matthews") && !ae_metric_rises("loss"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_classes),
        cmocka_unit_test(test_matthews_of_two),
        cmocka_unit_test(test_classes_that_are_missing),
        cmocka_unit_test(test_no_examples),
        cmocka_unit_test(test_refused_classes),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_text_of_many_classes),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_correlations),
        cmocka_unit_test(test_scores_without_a_correlation),
        cmocka_unit_test(test_language_models),
        cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_metrics_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
