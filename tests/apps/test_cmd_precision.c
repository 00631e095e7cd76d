/* --precision bf16 and int8: every command that uses trained models takes them and stays near f32, training refuses
 * int8; and the bench of generation, which measures all precisions. */
#include "apps/tiny_models.h"

#include <math.h>

/* Wide enough for copies: 64 x 64 and more. */
#define WIDE_BERT                                                                                                      \
    "\"vocab_size\": 20, \"hidden_size\": 64, \"num_hidden_layers\": 1, \"num_attention_heads\": 2, "                  \
    "\"intermediate_size\": 128, \"max_position_embeddings\": 24, \"initializer_range\": 0.2, \"pad_token_id\": 0"
#define WIDE_GPT2                                                                                                      \
    "\"n_embd\": 64, \"n_layer\": 2, \"n_head\": 2, \"n_positions\": 24, "                                             \
    "\"initializer_range\": 0.2"

static int make_models(void **state)
{
    (void)state;
    make_model("i_class.h5", "BertForSequenceClassification", "{" WIDE_BERT ", \"num_labels\": 3}",
               "{\"objective\": \"classes\", \"texts\": 1, \"seq\": 16}", NULL, 3);
    make_model("i_mlm.h5", "BertForMaskedLM", "{" WIDE_BERT "}", "{\"objective\": \"mlm\", \"seq\": 20}", NULL, 7);
    make_model("i_lm.h5", "GPT2LMHeadModel", "{\"vocab_size\": 20, " WIDE_GPT2 "}",
               "{\"objective\": \"lm\", \"seq\": 12}", NULL, 11);
    make_model("i_words.h5", "GPT2LMHeadModel", "{\"vocab_size\": 90, " WIDE_GPT2 "}",
               "{\"objective\": \"lm\", \"seq\": 12}", NULL, 11);
    write_text("i_table.tsv", "label\ttext_a\n0\tthe fox sat\n1\tthe old crow sat on a tree\n2\the said .\n");
    write_text("i_text.txt",
               "the fox sat on a tree . the old crow said , he ran\nshe sat on the old tree . the fox ran\n");
    return 0;
}

/* All numbers of a text, up to `most` of them. */
static int numbers(const char *text, double *x, int most)
{
    int n = 0;
    for (char *end; *text && n<most; text = end> text ? end : text + 1) {
        x[n] = strtod(text, &end);
        n += end > text;
    }
    return n;
}

/* Runs in f32, bf16 and int8: as many numbers, within `most` of the largest, not all the same. */
static void check_near(const char *what, int (*run)(const char *precision), double most)
{
    static const char *const narrow[] = {"bf16", "int8"};
    static double f32[4096], other[4096];
    for (int k = 0; k < 2; k++) {
        double size = 0, apart = 0;
        expect_status(run("f32"), 0);
        int n = numbers(out_text, f32, 4096);
        expect_status(run(narrow[k]), 0);
        assert_true(n > 2 && numbers(out_text, other, 4096) == n);
        for (int i = 0; i < n; i++) {
            size = fmax(size, fabs(f32[i]));
            apart = fmax(apart, fabs(f32[i] - other[i]));
        }
        if (!(apart > 0 && apart < most * size)) {
            fail_msg("%s: %s is %g apart, of %g", what, narrow[k], apart, size);
        }
    }
}

static int run_predict(const char *precision)
{
    give_input("the fox\nA old crow sat on the tree\n");
    return aesop(5, "predict", "i_class.h5", "--logits", "--precision", precision);
}

static int run_embed(const char *precision)
{
    give_input("the fox\nA old crow sat on the tree\n");
    return aesop(4, "embed", "i_mlm.h5", "--precision", precision);
}

static int run_fill(const char *precision)
{
    return aesop(8, "fill", "i_mlm.h5", "The [MASK] sat on a tree.", "--top", "15", "--json", "--precision", precision);
}

static int run_eval(const char *precision)
{
    return aesop(7, "eval", "i_class.h5", "--test", "i_table.tsv", "--json", "--precision", precision);
}

/* A loss over words of which there are enough for a copy. */
static int run_words(const char *precision)
{
    return aesop(7, "eval", "i_words.h5", "--test", "i_text.txt", "--json", "--precision", precision);
}

static void commands_stay_near_f32(void **state)
{
    (void)state;
    check_near("predict", run_predict, 0.05);
    check_near("embed", run_embed, 0.05);
    check_near("eval", run_eval, 0.05);
    check_near("eval of words", run_words, 0.02);
    static const char *const narrow[] = {"bf16", "int8"};
    for (int i = 0; i < 2; i++) {
        expect_status(run_fill(narrow[i]), 0);
        assert_non_null(strstr(out_text, "[MASK]"));
        expect_status(aesop(7, "eval", "i_mlm.h5", "--corpus", "i_text.txt", "--json", "--precision", narrow[i]), 0);
        assert_non_null(strstr(out_text, "\"masked_accuracy\""));
        expect_status(aesop(8, "generate", "i_lm.h5", "the fox", "--length", "9", "--json", "--precision", narrow[i]),
                      0);
        assert_non_null(strstr(out_text, "\"tokens\":"));
    }
}

static void training_refuses_int8(void **state)
{
    (void)state;
    static const char message[] =
        "--precision int8 has no gradients; train in f32 or bf16, and use int8 with the trained "
        "model: predict, eval, embed, fill, generate, bench infer and encode";
    expect_status(aesop(9, "finetune", "--init", "i_class.h5", "--train", "i_table.tsv", "--output", "i_out.h5",
                        "--precision", "int8"),
                  2);
    expect_log(message);
    expect_status(aesop(9, "pretrain", "--model", "bert-tiny", "--corpus", "i_table.tsv", "--output", "i_out.h5",
                        "--precision", "int8"),
                  2);
    expect_log(message);
    expect_status(aesop(6, "bench", "train", "--model", "bert-tiny", "--precision", "int8"), 2);
    expect_log(message);
    expect_status(aesop(4, "predict", "i_class.h5", "--precision", "int4"), 2);
    expect_log("int8");
}

static void inference_is_measured(void **state)
{
    (void)state;
    expect_status(aesop(13, "bench", "infer", "--model", "bert-tiny", "--batch", "1", "--seq", "8", "--steps", "1",
                        "--precision", "int8", "--json"),
                  0);
    assert_non_null(strstr(out_text, "\"precision\":\"int8\""));
}

/* One object a precision: fewer bytes in each, and every number there. */
static void generation_is_measured(void **state)
{
    (void)state;
    static const char *const names[] = {"f32", "bf16", "int8"};
    expect_status(aesop(13, "bench", "generate", "--model", "nanogpt", "--batch", "2", "--seq", "4", "--length", "3",
                        "--runs", "1", "--json"),
                  0);
    assert_int_equal(count_lines(out_text), 3);
    int64_t before = INT64_MAX;
    for (int i = 0; i < 3; i++) {
        char *line = line_of(out_text, i);
        ae_json *j = ae_json_parse(line, strlen(line), NULL);
        int64_t bytes = ae_json_int(j, "weight_bytes", 0, NULL);
        assert_string_equal(ae_json_string(j, "precision", "", NULL), names[i]);
        assert_true(bytes > 100000 && bytes < before);
        assert_true(ae_json_double(j, "tokens_per_s", 0, NULL) > 0 && ae_json_double(j, "step_seconds", 0, NULL) > 0);
        assert_true(ae_json_double(j, "stream_bytes_per_s", 0, NULL) > 1e6);
        assert_true(ae_json_double(j, "bandwidth_share", 0, NULL) > 0);
        assert_int_equal(ae_json_int(j, "batch", 0, NULL), 2);
        before = bytes;
        ae_json_free(j);
        free(line);
    }
    expect_status(aesop(12, "bench", "generate", "--model", "nanogpt", "--seq", "4", "--length", "2", "--runs", "1",
                        "--precision", "bf16"),
                  0);
    assert_int_equal(count_lines(out_text), 2);
    assert_non_null(strstr(out_text, "share"));
}

static void what_cannot_be_measured(void **state)
{
    (void)state;
    expect_status(aesop(4, "bench", "generate", "--model", "bert-tiny"), 2);
    expect_log("--model bert-tiny: a BertForPreTraining keeps no cache of keys and values to generate with");
    expect_status(aesop(6, "bench", "generate", "--model", "nanogpt", "--length", "1"), 2);
    expect_log("--length 1: the time between tokens needs at least 2");
    expect_status(aesop(8, "bench", "generate", "--model", "nanogpt", "--length", "9000", "--runs", "1"), 2);
    expect_log("positions");
    expect_status(aesop(4, "bench", "generate", "--model", "gpt3"), 2);
    expect_log("did you mean gpt2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_stay_near_f32),  cmocka_unit_test(training_refuses_int8),
        cmocka_unit_test(inference_is_measured),   cmocka_unit_test(generation_is_measured),
        cmocka_unit_test(what_cannot_be_measured),
    };
    return cmocka_run_group_tests(tests, make_models, free_texts);
}
