/* `aesop bench` on small sizes: that it runs, what it prints, and what wrong names get. Nothing about time. */
#include "apps/program.h"

#include <math.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

static void training_prints_one_object(void **state)
{
    (void)state;
    static const char *const models[] = {"nanogpt", "bert-tiny", "lstm"};
    for (int i = 0; i < 3; i++) {
        int status =
            aesop(11, "bench", "train", "--model", models[i], "--batch", "2", "--seq", "16", "--steps", "2", "--json");
        if (status != 0) {
            fail_msg("%s: %s", models[i], log_text);
        }
        ae_json *j = ae_json_parse(out_text, strlen(out_text), NULL);
        assert_non_null(j);
        const ae_json *rate = ae_json_get(j, "tokens_per_s");
        double best = ae_json_double(rate, "best", 0, NULL), median = ae_json_double(rate, "median", 0, NULL);
        assert_true(best > 0 && median > 0 && best >= median);
        assert_true(ae_json_double(j, "matmul_gflops_peak", 0, NULL) > 0);
        assert_true(ae_json_double(j, "peak_rss_gib", 0, NULL) > 0);
        assert_true(isfinite(ae_json_double(j, "loss", NAN, NULL)));
        ae_json_free(j);
    }
}

static void inference_needs_no_optimizer(void **state)
{
    (void)state;
    assert_int_equal(aesop(10, "bench", "infer", "--model", "bert-tiny", "--batch", "2", "--seq", "16", "--steps", "1"),
                     0);
    assert_non_null(strstr(out_text, "tokens/s"));
}

static void operations_print_a_row_each(void **state)
{
    (void)state;
    assert_int_equal(aesop(7, "bench", "ops", "--batch", "1", "--seq", "8", "--json"), 0);
    assert_non_null(strstr(out_text, "\"op\":\"attention\""));
    assert_non_null(strstr(out_text, "\"op\":\"layer_norm\""));
}

static void wrong_names_are_answered(void **state)
{
    (void)state;
    assert_int_equal(aesop(4, "bench", "train", "--model", "bert-bsae"), 2);
    assert_non_null(strstr(log_text, "did you mean bert-base"));
    assert_int_equal(aesop(2, "bench", "train"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_prints_one_object),
        cmocka_unit_test(inference_needs_no_optimizer),
        cmocka_unit_test(operations_print_a_row_each),
        cmocka_unit_test(wrong_names_are_answered),
    };
    return cmocka_run_group_tests(tests, NULL, free_texts);
}
