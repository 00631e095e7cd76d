/* `aesop eval`: results against what the models give here, requirements and their exit status, and what bad input
 * gets. */
#include "apps/evaluation.h"
#include "apps/tiny_models.h"
#include "datasets/instances.h"

#include <math.h>

#define LABELS "\"num_labels\": 2, \"id2label\": {\"0\": \"bad\", \"1\": \"good\"}"

static int make_models(void **state)
{
    (void)state;
    make_model("v_class.h5", "BertForSequenceClassification", "{" BERT_SIZES ", " LABELS "}",
               "{\"objective\": \"classes\", \"texts\": 1, \"seq\": 16}", NULL, 3);
    make_model("v_score.h5", "BertForSequenceClassification",
               "{" BERT_SIZES ", \"num_labels\": 1, \"problem_type\": \"regression\"}", "{\"texts\": 1}", NULL, 3);
    make_model("v_lm.h5", "GPT2LMHeadModel", "{" GPT2_SIZES "}", "{\"objective\": \"lm\", \"seq\": 8}", NULL, 3);
    make_model("v_plain.h5", "GPT2LMHeadModel", "{" GPT2_SIZES "}",
               "{\"objective\": \"lm\", \"seq\": 12, \"no-special\": true}", NULL, 3);
    make_model("v_mlm.h5", "BertForMaskedLM", "{" BERT_SIZES "}", "{\"objective\": \"mlm\", \"seq\": 12}", NULL, 3);
    make_model("v_nsp.h5", "BertForPreTraining", "{" BERT_SIZES "}", "{\"objective\": \"mlm_nsp\", \"seq\": 16}", NULL,
               3);
    make_model("v_bare.h5", "BertModel", "{" BERT_SIZES "}", "{}", NULL, 3);
    write_text("v_class.tsv",
               "label\ttext_a\ngood\tthe fox\nbad\ta crow sat on the tree\ngood\the said .\nbad\tshe ran "
               "on\ngood\tthe old tree\n");
    return 0;
}

static ae_json *result(void)
{
    ae_err e = {0};
    ae_json *j = ae_json_parse(out_text, strlen(out_text), &e);
    fail_on(&e);
    return j;
}

static double number(const ae_json *j, const char *name)
{
    ae_err e = {0};
    double x = ae_json_need_double(j, name, &e);
    fail_on(&e);
    return x;
}

static void classes(void **state)
{
    (void)state;
    static const char *const gold[] = {"good", "bad", "good", "bad", "good"};
    int right = 0, table[2][2] = {{0}};
    give_input("the fox\na crow sat on the tree\nhe said .\nshe ran on\nthe old tree\n");
    expect_status(aesop(2, "predict", "v_class.h5"), 0);
    for (int i = 0; i < 5; i++) {
        char *label = line_of(out_text, i);
        right += strcmp(label, gold[i]) == 0;
        table[strcmp(gold[i], "good") == 0][strcmp(label, "good") == 0]++;
        free(label);
    }
    expect_status(aesop(5, "eval", "v_class.h5", "--test", "v_class.tsv", "--json"), 0);
    ae_json *j = result();
    assert_true(fabs(number(j, "accuracy") - right / 5.0) < 1e-12);
    assert_true(fabs(number(j, "majority") - 0.6) < 1e-12);
    assert_int_equal(ae_json_int(j, "examples", 0, NULL), 5);
    assert_true(number(j, "loss") > 0);
    const ae_json *rows = ae_json_get(ae_json_get(j, "confusion"), "gold_by_predicted");
    for (int g = 0; g < 2; g++) {
        for (int p = 0; p < 2; p++) {
            int64_t count = -1;
            ae_json_value_int(ae_json_at(ae_json_at(rows, g), p), &count, NULL);
            assert_int_equal(count, table[g][p]);
        }
    }
    ae_json_free(j);
    expect_status(aesop(4, "eval", "v_class.h5", "--test", "v_class.tsv"), 0);
    assert_non_null(strstr(out_text, "accuracy                 0."));
    assert_non_null(strstr(out_text, "gold \\ predicted"));
}

static void requirements(void **state)
{
    (void)state;
    expect_status(aesop(6, "eval", "v_class.h5", "--test", "v_class.tsv", "--require", "acc=0.0"), 0);
    expect_status(aesop(6, "eval", "v_class.h5", "--test", "v_class.tsv", "--require", "acc=1.01"), 1);
    expect_log("required: accuracy at least 1.01; it is 0.");
    expect_status(
        aesop(8, "eval", "v_class.h5", "--test", "v_class.tsv", "--require", "acc=0", "--require=loss=1e-9", "-q"), 1);
    expect_log("required: loss at most 1e-09; it is ");
    expect_status(aesop(6, "eval", "v_class.h5", "--test", "v_class.tsv", "--require", "acuracy=.5"), 2);
    expect_log("--require acuracy: no result here is called so; did you mean accuracy?");
    expect_status(aesop(6, "eval", "v_class.h5", "--test", "v_class.tsv", "--require", "acc"), 2);
    expect_log("--require acc: NAME=X is wanted, as in accuracy=0.88");
    expect_status(aesop(6, "eval", "v_class.h5", "--test", "v_class.tsv", "--require", "acc=good"), 2);
    expect_log("--require acc=good: NAME=X is wanted");
}

static void regression(void **state)
{
    (void)state;
    double x[3], gold[] = {1.5, 3, 0.25}, mx = 0, mg = 0, sxy = 0, sxx = 0, sgg = 0, mse = 0;
    give_input("the fox\na crow sat\nhe ran\n");
    expect_status(aesop(2, "predict", "v_score.h5"), 0);
    for (int i = 0; i < 3; i++) {
        char *line = line_of(out_text, i);
        x[i] = strtod(line, NULL);
        mx += x[i] / 3;
        mg += gold[i] / 3;
        free(line);
    }
    for (int i = 0; i < 3; i++) {
        sxy += (x[i] - mx) * (gold[i] - mg);
        sxx += (x[i] - mx) * (x[i] - mx);
        sgg += (gold[i] - mg) * (gold[i] - mg);
        mse += (x[i] - gold[i]) * (x[i] - gold[i]) / 3;
    }
    write_text("v_score.tsv", "label\ttext_a\n1.5\tthe fox\n3\ta crow sat\n0.25\the ran\n");
    expect_status(aesop(5, "eval", "v_score.h5", "--test", "v_score.tsv", "--json"), 0);
    ae_json *j = result();
    assert_true(fabs(number(j, "pearson") - sxy / sqrt(sxx * sgg)) < 1e-4);
    assert_true(fabs(number(j, "mse") - mse) < 1e-4);
    assert_true(fabs(number(j, "spearman")) <= 1);
    ae_json_free(j);
}

/* The mean of -ln p of ids[i+1] given those before it, from `first` on, and at most `window` tokens of context. */
static double nll_of(const char *path, const int64_t *ids, int64_t from, int64_t n)
{
    tiny t;
    double sum = 0;
    tiny_open(&t, path);
    const float *logits = tiny_run(&t, "logits", ids, n - 1, NULL)->data;
    for (int64_t i = from; i + 1 < n; i++) {
        double all = 0;
        for (int k = 0; k < VOCAB; k++) {
            all += exp((double)logits[i * VOCAB + k]);
        }
        sum += log(all) - (double)logits[i * VOCAB + ids[i + 1]];
    }
    tiny_close(&t);
    return sum;
}

static void text_in_one_window(void **state)
{
    (void)state;
    /* two documents, of a line each: CLS the fox ran SEP CLS a crow SEP */
    static const int64_t ids[] = {CLS, THE, FOX, RAN, SEP, CLS, A, CROW, SEP};
    write_text("v_text.txt", "the fox ran\na crow\n");
    double nll = nll_of("v_lm.h5", ids, 0, 9);
    expect_status(aesop(8, "eval", "v_lm.h5", "--corpus", "v_text.txt", "--unit", "line", "--json", "-q"), 0);
    ae_json *j = result();
    assert_int_equal(ae_json_int(j, "tokens", 0, NULL), 8);
    assert_true(fabs(number(j, "loss") - nll / 8) < 1e-5);
    assert_true(fabs(number(j, "perplexity") - exp(nll / 8)) < 1e-3);
    assert_true(fabs(number(j, "bits_per_byte") - nll / log(2) / 19) < 1e-5);
    ae_json_free(j);
    write_text("v_text.txt", "the fox ran\nW\xc3\xbcrste\n"); /* characters are fewer than bytes */
    expect_status(aesop(6, "eval", "v_lm.h5", "--test", "v_text.txt", "--json", "-q"), 0);
    j = result();
    assert_true(fabs(number(j, "bits_per_character") / number(j, "bits_per_byte") - 20 / 19.0) < 1e-9);
    ae_json_free(j);
}

static void windows_overlap_by_the_stride(void **state)
{
    (void)state;
    static const int64_t ids[] = {THE, FOX, SAT, ON, THE, OLD, TREE, DOT, THE, CROW, RAN};
    write_text("v_long.txt", "the fox sat on the old tree . the crow ran\n");
    /* without special tokens but the end of the document there is none: windows of 6 tokens */
    double plain = nll_of("v_plain.h5", ids, 0, 7) + nll_of("v_plain.h5", ids + 6, 0, 5);
    expect_status(aesop(9, "eval", "v_plain.h5", "--corpus", "v_long.txt", "--unit", "line", "--seq", "6", "--json"),
                  0);
    ae_json *j = result();
    assert_int_equal(ae_json_int(j, "tokens", 0, NULL), 10);
    assert_true(fabs(number(j, "loss") - plain / 10) < 1e-5);
    ae_json_free(j);
    /* stride 3: tokens 0..6, then 3..9 predicts the last three, then 6..10 the last one */
    double strided =
        nll_of("v_plain.h5", ids, 0, 7) + nll_of("v_plain.h5", ids + 3, 3, 7) + nll_of("v_plain.h5", ids + 6, 3, 5);
    expect_status(aesop(11, "eval", "v_plain.h5", "--corpus", "v_long.txt", "--unit", "line", "--seq", "6", "--stride",
                        "3", "--json"),
                  0);
    j = result();
    assert_int_equal(ae_json_int(j, "tokens", 0, NULL), 10);
    assert_true(fabs(number(j, "loss") - strided / 10) < 1e-5);
    ae_json_free(j);
    expect_status(aesop(8, "eval", "v_plain.h5", "--corpus", "v_long.txt", "--seq", "6", "--stride", "7"), 2);
    expect_log("--stride 7: from 1 to the 6 tokens of a window (--seq)");
}

static void masked_words(void **state)
{
    (void)state;
    ae_err e = {0};
    const char *path = "v_mlm_text.txt";
    write_text(path, "the fox sat on the old tree .\nthe crow ran .\nhe said the crow sat on a tree .\nshe ran .\n");
    tiny t;
    tiny_open(&t, "v_mlm.h5");
    ae_instance_options o = ae_instance_defaults("mlm");
    o.seq = 12;
    o.unit = AE_UNIT_DOCUMENT;
    ae_build_report report;
    assert_int_equal(ae_instances_build(&path, 1, t.bundle.tokenizer, &o, "v_mlm.data.h5", NULL, NULL, &report, &e), 0);
    ae_dataset *d = ae_instances_open("v_mlm.data.h5", NULL, NULL, NULL, &e);
    fail_on(&e);
    ae_evaluation x = {0};
    assert_int_equal(ae_evaluate(&t.bundle, t.graph, d, 32, &x, &e), 0);
    expect_status(aesop(5, "eval", "v_mlm.h5", "--data", "v_mlm.data.h5", "--json"), 0);
    ae_json *j = result();
    assert_int_equal(ae_json_int(j, "tokens", 0, NULL), x.predictions);
    assert_true(fabs(number(j, "loss") - x.loss) < 1e-5);
    double found = number(j, "masked_accuracy") * (double)x.predictions;
    assert_true(fabs(found - round(found)) < 1e-9 && found >= 0 && found <= (double)x.predictions);
    ae_json_free(j);
    ae_evaluation_free(&x);
    ae_dataset_free(d);
    tiny_close(&t);
    expect_status(aesop(6, "eval", "v_mlm.h5", "--corpus", "v_mlm_text.txt", "--unit", "line"), 0);
    assert_non_null(strstr(out_text, "masked_accuracy "));
    write_text("v_pairs.txt", "the fox sat .\nthe crow ran .\nhe said .\n\nshe ran .\na tree .\nthe old fox .\n");
    expect_status(aesop(6, "eval", "v_nsp.h5", "--corpus", "v_pairs.txt", "--json", "-q"), 0);
    j = result();
    double share = number(j, "next_sentence_accuracy");
    assert_true(share >= 0 && share <= 1);
    ae_json_free(j);
}

static void bad_data(void **state)
{
    (void)state;
    write_text("v_unseen.tsv", "label\ttext_a\ngood\tthe fox\nugly\ta crow\n");
    expect_status(aesop(5, "eval", "v_class.h5", "--test", "v_unseen.tsv", "--json"), 2);
    expect_log("v_unseen.tsv:3: the label \"ugly\" is none of the 2 classes: bad, good");
    assert_non_null(strstr(out_text, "\"file\":\"v_unseen.tsv\""));
    write_text("v_two.tsv", "label\ttext_a\ttext_b\ngood\tthe fox\tran\nbad\ta crow\tsat\n");
    expect_status(aesop(4, "eval", "v_class.h5", "--test", "v_two.tsv"), 2);
    expect_log("v_two.tsv holds pairs; the model reads single texts");
    expect_status(aesop(4, "eval", "v_class.h5", "--test", "nowhere.tsv"), 2);
    expect_log("nowhere.tsv");
    expect_status(aesop(2, "eval", "v_class.h5"), 2);
    expect_log("what to evaluate on? give one of --test FILE");
    expect_status(aesop(6, "eval", "v_lm.h5", "--test", "v_text.txt", "--data", "v_mlm.data.h5"), 2);
    expect_log("what to evaluate on? give one of");
    expect_status(aesop(4, "eval", "v_class.h5", "--corpus", "v_text.txt"), 2);
    expect_log("v_class.h5 is a BertForSequenceClassification: --test FILE names a labelled table to test it on");
    expect_status(aesop(4, "eval", "v_lm.h5", "--data", "v_mlm.data.h5"), 2);
    expect_log("v_mlm.data.h5 holds instances for mlm, the model learned lm");
    expect_status(aesop(4, "eval", "v_bare.h5", "--test", "v_text.txt"), 2);
    expect_log("v_bare.h5 is a BertModel and has no head that can be evaluated; `aesop embed` is for it");
    write_text("v_empty.txt", "\n");
    expect_status(aesop(4, "eval", "v_lm.h5", "--corpus", "v_empty.txt"), 2);
    expect_log("v_empty.txt");
    write_text("v_words.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nfox\nthe\n");
    make_model("v_words.h5", "BertForMaskedLM", "{" BERT_SIZES "}", "{\"objective\": \"mlm\"}", "v_words.txt", 3);
    expect_status(aesop(4, "eval", "v_words.h5", "--data", "v_mlm.data.h5"), 2);
    expect_log("v_mlm.data.h5 was built with another tokenizer than the model's");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes),
        cmocka_unit_test(requirements),
        cmocka_unit_test(regression),
        cmocka_unit_test(text_in_one_window),
        cmocka_unit_test(windows_overlap_by_the_stride),
        cmocka_unit_test(masked_words),
        cmocka_unit_test(bad_data),
    };
    return cmocka_run_group_tests(tests, make_models, free_texts);
}
