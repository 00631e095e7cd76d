/* `aesop average`: means of weights, and files that do not belong together. */
#include "apps/tiny_models.h"

#include <math.h>

static int make_models(void **state)
{
    (void)state;
    static const char small[] = "{\"vocab_size\": 20, \"hidden_size\": 4, \"num_hidden_layers\": 2, "
                                "\"num_attention_heads\": 2, \"intermediate_size\": 16, "
                                "\"max_position_embeddings\": 24}";
    make_model("a1.h5", "BertForMaskedLM", "{" BERT_SIZES "}", "{\"objective\": \"mlm\", \"seq\": 16}", NULL, 1);
    make_model("a2.h5", "BertForMaskedLM", "{" BERT_SIZES "}", "{}", NULL, 2);
    make_model("a3.h5", "BertForMaskedLM", "{" BERT_SIZES "}", "{}", NULL, 3);
    make_model("a_other.h5", "BertModel", "{" BERT_SIZES "}", "{}", NULL, 2);
    make_model("a_small.h5", "BertForMaskedLM", small, "{}", NULL, 2);
    write_text("a_words.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nfox\nthe\n");
    make_model("a_words.h5", "BertForMaskedLM", "{" BERT_SIZES "}", "{}", "a_words.txt", 2);
    return 0;
}

static void check_mean(const char *path, const double shares[3])
{
    tiny t[3], mean;
    static const char *const paths[] = {"a1.h5", "a2.h5", "a3.h5"};
    tiny_open(&mean, path);
    for (int i = 0; i < 3; i++) {
        tiny_open(&t[i], paths[i]);
    }
    for (int i = 0; i < ae_model_count(mean.bundle.model); i++) {
        const ae_tensor *m = ae_model_at(mean.bundle.model, i).tensor;
        for (int64_t k = 0; k < ae_numel(m); k++) {
            double want = 0;
            for (int n = 0; n < 3; n++) {
                want += shares[n] * ae_get_f64(ae_model_at(t[n].bundle.model, i).tensor, k);
            }
            assert_true(fabs(ae_get_f64(m, k) - want) <= 1e-7 * fmax(1, fabs(want)));
        }
    }
    assert_int_equal(ae_json_int(mean.bundle.settings, "seq", 0, NULL), 16);
    assert_int_equal(ae_json_count(ae_json_get(mean.bundle.settings, "averaged")), 3);
    assert_true(ae_tokenizer_hash(mean.bundle.tokenizer) == ae_tokenizer_hash(t[0].bundle.tokenizer));
    tiny_close(&mean);
    for (int i = 0; i < 3; i++) {
        tiny_close(&t[i]);
    }
}

static void means(void **state)
{
    (void)state;
    expect_status(aesop(7, "average", "a1.h5", "a2.h5", "a3.h5", "-o", "a_mean.h5", "--force"), 0);
    expect_log("a_mean.h5: the mean of 3 files, 42 tensors");
    check_mean("a_mean.h5", (double[]){1 / 3.0, 1 / 3.0, 1 / 3.0});
    expect_status(
        aesop(10, "average", "a1.h5", "a2.h5", "a3.h5", "-o", "a_mean.h5", "--force", "--weights", "3,0,1", "--json"),
        0);
    assert_string_equal(
        out_text, "{\"schema\":1,\"output\":\"a_mean.h5\",\"files\":3,\"tensors\":42,\"weights\":[0.75,0.0,0.25]}\n");
    check_mean("a_mean.h5", (double[]){0.75, 0, 0.25});
}

static void files_that_do_not_belong_together(void **state)
{
    (void)state;
    unlink("a_bad.h5");
    expect_status(aesop(5, "average", "a1.h5", "a_other.h5", "-o", "a_bad.h5"), 2);
    expect_log("a_other.h5 is a BertModel, the first file a BertForMaskedLM");
    expect_status(aesop(5, "average", "a1.h5", "a_small.h5", "-o", "a_bad.h5"), 2);
    expect_log("a_small.h5: bert.embeddings.word_embeddings.weight is [20,4], in the first file [20,8]");
    expect_status(aesop(5, "average", "a1.h5", "a_words.h5", "-o", "a_bad.h5"), 2);
    expect_log("a_words.h5 was trained with another tokenizer than the first file");
    expect_status(aesop(5, "average", "a1.h5", "nowhere.h5", "-o", "a_bad.h5"), 2);
    expect_log("nowhere.h5: cannot be opened");
    assert_int_equal(access("a_bad.h5", F_OK), -1);
}

static void bad_options(void **state)
{
    (void)state;
    expect_status(aesop(3, "average", "a1.h5", "a2.h5"), 2);
    expect_log("where to? give --output OUT.h5");
    expect_status(aesop(2, "average", "a1.h5"), 2);
    expect_log("an argument is missing");
    expect_status(aesop(5, "average", "a1.h5", "a2.h5", "-o", "a3.h5"), 2);
    expect_log("a3.h5: exists; --force overwrites it");
    expect_status(aesop(7, "average", "a1.h5", "a2.h5", "-o", "a_bad.h5", "--weights", "1,2,3"), 2);
    expect_log("--weights 1,2,3: 3 numbers for 2 files");
    expect_status(aesop(7, "average", "a1.h5", "a2.h5", "-o", "a_bad.h5", "--weights", "1"), 2);
    expect_log("--weights 1: 1 numbers for 2 files");
    expect_status(aesop(7, "average", "a1.h5", "a2.h5", "-o", "a_bad.h5", "--weights", "0,0"), 2);
    expect_log("--weights 0,0: 2 numbers for 2 files, and all are 0");
    expect_status(aesop(7, "average", "a1.h5", "a2.h5", "-o", "a_bad.h5", "--weights", "1,-2"), 2);
    expect_log("--weights 1,-2: numbers of at least 0 parted by commas are wanted, as in 1,1,2");
    expect_status(aesop(7, "average", "a1.h5", "a2.h5", "-o", "a_bad.h5", "--weights", "1;2"), 2);
    expect_log("--weights 1;2: numbers");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(means),
        cmocka_unit_test(files_that_do_not_belong_together),
        cmocka_unit_test(bad_options),
    };
    return cmocka_run_group_tests(tests, make_models, free_texts);
}
