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

/* The loss is that of the last step, after two updates. */
static void recomputation_changes_no_number(void **state)
{
    (void)state;
    double loss[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(aesop(11 + i, "bench", "train", "--model", "bert-tiny", "--batch", "2", "--seq", "16",
                               "--steps", "2", "--json", "--checkpoint-activations"),
                         0);
        ae_json *j = ae_json_parse(out_text, strlen(out_text), NULL);
        loss[i] = ae_json_double(j, "loss", NAN, NULL);
        ae_json_free(j);
    }
    assert_true(isfinite(loss[0]) && loss[0] == loss[1]);
    assert_int_equal(
        aesop(9, "bench", "train", "--model", "lstm", "--batch", "2", "--seq", "16", "--checkpoint-activations"), 2);
    assert_non_null(strstr(log_text, "--checkpoint-activations: Composed as it is configured cannot recompute its "
                                     "layers in backward; BERT, GPT-2 and the composed encoder transformer without "
                                     "has_residual_attention can"));
}

static void inference_needs_no_optimizer(void **state)
{
    (void)state;
    assert_int_equal(aesop(10, "bench", "infer", "--model", "bert-tiny", "--batch", "2", "--seq", "16", "--steps", "1"),
                     0);
    assert_non_null(strstr(out_text, "tokens/s"));
}

/* Lengths of a file or of standard input, one a line; what is no length is told with its line. */
static void encoding_takes_lengths(void **state)
{
    (void)state;
    FILE *f = fopen("bench_lengths.txt", "w");
    assert_non_null(f);
    fputs("3\n17\n1\n9\n", f);
    fclose(f);
    static const char *const models[] = {"bert-tiny", "lstm"};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(aesop(10, "bench", "encode", "--model", models[i], "--batch", "3", "--runs", "2", "--json",
                               "bench_lengths.txt"),
                         0);
        ae_json *j = ae_json_parse(out_text, strlen(out_text), NULL);
        assert_int_equal(ae_json_int(j, "sequences", 0, NULL), 4);
        assert_true(ae_json_double(j, "tokens", 0, NULL) == 30);
        double best = ae_json_double(j, "sequences_per_s_best", 0, NULL);
        assert_true(best > 0 && best >= ae_json_double(j, "sequences_per_s", 0, NULL));
        assert_true(ae_json_double(j, "tokens_per_s", 0, NULL) > 0);
        ae_json_free(j);
    }
    assert_int_equal(aesop(5, "bench", "encode", "--model", "bert-tiny", "bench_lengths.txt"), 0);
    assert_non_null(strstr(out_text, "sequences/s"));
    static const char *const wrong[] = {"5\n0\n", "5\n2x\n", "5\n\n", "5\n1048577\n"};
    static const char *const said[] = {"0", "2x", "", "1048577"};
    for (int i = 0; i < 4; i++) {
        char message[96];
        f = fopen("bench_lengths.txt", "w");
        fputs(wrong[i], f);
        fclose(f);
        assert_int_equal(aesop(5, "bench", "encode", "--model", "bert-tiny", "bench_lengths.txt"), 2);
        snprintf(message, sizeof message, "line 2 is \"%s\"; a number of tokens is wanted", said[i]);
        assert_non_null(strstr(log_text, message));
    }
    f = fopen("bench_lengths.txt", "w");
    fputs("4\n", f);
    fclose(f);
    assert_int_equal(aesop(5, "bench", "encode", "--model", "infersent", "bench_lengths.txt"), 2);
    assert_non_null(strstr(log_text, "infersent takes word vectors, not tokens"));
    assert_int_equal(aesop(5, "bench", "encode", "--model", "bert-tine", "bench_lengths.txt"), 2);
    assert_non_null(strstr(log_text, "did you mean bert-tiny"));
}

/* A row of building and four of reading for each objective; instances and padding agree with each other. */
static void data_is_built_and_read(void **state)
{
    (void)state;
    static const char vocab[] = AE_TEST_DIR "/golden/tok_bert_uncased/vocab.txt";
    static const char text[] = AE_TEST_DIR "/../README.md";
    assert_int_equal(
        aesop(12, "bench", "data", "--tokenizer", vocab, "--runs", "1", "--batch", "4", "--seq", "32", "--json", text),
        0);
    int rows = 0;
    double padding[5] = {0};
    int64_t instances[5] = {0};
    for (char *line = out_text; *line; line = strchr(line, '\n') + 1, rows++) {
        ae_json *j = ae_json_parse(line, strcspn(line, "\n"), NULL);
        assert_non_null(j);
        assert_true(ae_json_double(j, "instances_per_s", 0, NULL) > 0 && ae_json_double(j, "mb_per_s", 0, NULL) > 0);
        instances[rows % 5] = ae_json_int(j, "instances", 0, NULL);
        padding[rows % 5] = ae_json_double(j, "padding", 0, NULL);
        if (rows == 4) { /* mlm_nsp, whose lengths differ */
            assert_int_equal(instances[1], instances[0]);
            assert_true(instances[2] <= instances[0] && instances[2] > instances[0] - 4);
            assert_true(padding[3] <= padding[2] && padding[4] == padding[3] && padding[2] > 0);
        }
        ae_json_free(j);
    }
    assert_int_equal(rows, 15);
    assert_int_equal(aesop(9, "bench", "data", "--tokenizer", vocab, "--runs", "2", "--objective", "lm", text), 0);
    assert_non_null(strstr(out_text, "lm       build "));
    assert_non_null(strstr(out_text, "lm       the same, read ahead "));
    assert_non_null(strstr(out_text, "peak memory "));
    assert_int_equal(aesop(4, "bench", "data", "--tokenizer", vocab), 2);
    assert_non_null(strstr(log_text, "which text? give FILE..."));
    assert_int_equal(aesop(5, "bench", "data", "--tokenizer", vocab, "-"), 2);
    assert_non_null(strstr(log_text, "the text is read several times; give files, not -"));
    assert_int_equal(aesop(5, "bench", "data", "--objective", "classes", text), 2);
    assert_non_null(strstr(log_text, "classes is learned from tables; mlm_nsp, mlm and lm are built from text"));
    assert_int_equal(aesop(3, "bench", "data", text), 2);
    assert_non_null(strstr(log_text, "--tokenizer"));
}

static void operations_print_a_row_each(void **state)
{
    (void)state;
    assert_int_equal(aesop(9, "bench", "ops", "--batch", "1", "--seq", "8", "--vocab-size", "50", "--json"), 0);
    assert_non_null(strstr(out_text, "\"op\":\"attention\""));
    assert_non_null(strstr(out_text, "\"op\":\"layer_norm\""));
    assert_non_null(strstr(out_text, "\"op\":\"linear_cross_entropy\""));
    assert_non_null(strstr(out_text, "\"op\":\"lstm (H,H)\",\"forward_ms\":"));
    assert_non_null(strstr(out_text, "\"op\":\"lstm of oneDNN (H,H)\",\"forward_ms\":"));
    assert_non_null(strstr(out_text, "\"op\":\"gru (H,H)\",\"forward_ms\":"));
    assert_non_null(strstr(out_text, "\"small_op\":\"add\",\"call_us\":"));
    const char *last = strstr(out_text, "{\"schema\":1,\"small_op\":\"matmul\"");
    assert_non_null(last);
    ae_json *row = ae_json_parse(last, strlen(last), NULL);
    double call = ae_json_double(row, "call_us", 0, NULL), kernel = ae_json_double(row, "kernel_us", 0, NULL);
    assert_true(kernel > 0 && call > 0);
    assert_true(fabs(call - kernel - ae_json_double(row, "overhead_us", 0, NULL)) < 1e-9);
    ae_json_free(row);
    assert_int_equal(aesop(8, "bench", "ops", "--batch", "1", "--seq", "8", "--vocab-size", "50"), 0);
    assert_non_null(strstr(out_text, "8 x 8, tape on      call us  kernel us   overhead\nadd "));
}

static int count_of(const char *text, const char *part)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++) {
        n++;
    }
    return n;
}

/* BERT-tiny has two layers of four matrices (H,H), one (4H,H) and one (H,4H), and (H,H) in the head of words. */
static void products_are_those_of_the_weights(void **state)
{
    (void)state;
    assert_int_equal(
        aesop(11, "bench", "matmul", "--model", "bert-tiny", "--batch", "2", "--seq", "8", "--runs", "1", "--json"), 0);
    assert_non_null(strstr(out_text, "{\"schema\":1,\"precision\":\"f32\",\"product\":\"forward\",\"m\":16,\"n\":128,"
                                     "\"k\":128,\"count\":9,"));
    assert_non_null(strstr(out_text, "\"product\":\"weight gradient\",\"m\":512,\"n\":128,\"k\":16,\"count\":2,"));
    assert_non_null(strstr(out_text, "{\"schema\":1,\"precision\":\"bf16\",\"product\":\"all\",\"count\":39,"));
    assert_non_null(strstr(out_text, "{\"schema\":1,\"precision\":\"int8\",\"product\":\"all\",\"count\":13,"));
    assert_int_equal(count_of(out_text, "\"precision\":\"int8\""), 4); /* no gradients */
    assert_int_equal(count_of(out_text, "\"implementation\":\"\""), 0);
    assert_int_equal(aesop(8, "bench", "matmul", "--model", "bert-tiny", "--runs", "1", "--precision", "f32"), 0);
    assert_int_equal(count_of(out_text, "\n"), 11);
    assert_int_equal(aesop(4, "bench", "matmul", "--model", "bert-tine"), 2);
    assert_non_null(strstr(log_text, "bert-tiny"));
}

/* A row with one thread and one with two, of the same ids. */
static void tokenizers_print_a_row_for_each_number_of_threads(void **state)
{
    (void)state;
    static const char vocab[] = AE_TEST_DIR "/golden/tok_bert_uncased/vocab.txt";
    assert_int_equal(aesop(12, "bench", "tokenizer", "--tokenizer", vocab, "--runs", "2", "--batch", "7", "--threads",
                           "2", "--json", vocab),
                     0);
    char *second = strchr(out_text, '\n');
    assert_non_null(second);
    ae_json *one = ae_json_parse(out_text, (size_t)(second - out_text), NULL);
    ae_json *two = ae_json_parse(second + 1, strlen(second + 1), NULL);
    assert_int_equal(ae_json_int(one, "threads", 0, NULL), 1);
    assert_int_equal(ae_json_int(two, "threads", 0, NULL), 2);
    assert_int_equal(ae_json_count(ae_json_get(one, "runs_mb_per_s")), 2);
    assert_true(ae_json_double(one, "mb_per_s", 0, NULL) > 0 && ae_json_double(two, "tokens_per_s", 0, NULL) > 0);
    assert_true(ae_json_int(one, "tokens", 0, NULL) >= ae_json_int(one, "lines", 0, NULL));
    assert_string_equal(ae_json_string(one, "ids_hash", "", NULL), ae_json_string(two, "ids_hash", "?", NULL));
    ae_json_free(one);
    ae_json_free(two);
    assert_int_equal(aesop(7, "bench", "tokenizer", "--tokenizer", vocab, "--runs", "1", "/dev/null"), 2);
    assert_non_null(strstr(log_text, "there is no text to measure with"));
}

/* Both ways compute the same loss; a model of word vectors is refused. */
static void packing_is_compared_with_padding(void **state)
{
    (void)state;
    static const char vocab[] = AE_TEST_DIR "/golden/tok_bert_uncased/vocab.txt";
    int status = aesop(14, "bench", "packing", "--model", "bert-tiny", "--tokenizer", vocab, "--batch", "5", "--seq",
                       "24", "--steps", "3", "--json", AE_TEST_DIR "/../README.md");
    if (status != 0) {
        fail_msg("%s", log_text);
    }
    ae_json *j = ae_json_parse(out_text, strlen(out_text), NULL);
    assert_non_null(j);
    assert_true(ae_json_double(j, "padded_over_real", 0, NULL) > 1);
    assert_true(ae_json_double(j, "packed_tokens_per_s", 0, NULL) > 0);
    assert_true(ae_json_double(j, "times_median", 0, NULL) > 0);
    ae_json_free(j);
    assert_int_equal(aesop(7, "bench", "packing", "--model", "infersent", "--tokenizer", vocab, vocab), 2);
    assert_non_null(strstr(log_text, "infersent takes word vectors, not tokens"));
    assert_int_equal(aesop(7, "bench", "packing", "--model", "bert-tiny", "--tokenizer", vocab, "/dev/null"), 2);
    assert_non_null(strstr(log_text, "there is no text to measure with"));
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
        cmocka_unit_test(recomputation_changes_no_number),
        cmocka_unit_test(inference_needs_no_optimizer),
        cmocka_unit_test(encoding_takes_lengths),
        cmocka_unit_test(data_is_built_and_read),
        cmocka_unit_test(operations_print_a_row_each),
        cmocka_unit_test(products_are_those_of_the_weights),
        cmocka_unit_test(tokenizers_print_a_row_for_each_number_of_threads),
        cmocka_unit_test(packing_is_compared_with_padding),
        cmocka_unit_test(wrong_names_are_answered),
    };
    return cmocka_run_group_tests(tests, NULL, free_texts);
}
