/* `aesop predict`: labels, numbers and scores in the order of the input, every format, and what bad input gets. */
#include "apps/tiny_models.h"
#include "tensor/hdf5_file.h"
#include "tensor/npy.h"
#include "tensor/safetensors.h"

#include <math.h>

#define LABELS "\"num_labels\": 3, \"id2label\": {\"0\": \"bad\", \"1\": \"good\", \"2\": \"so so\"}"

static int make_models(void **state)
{
    (void)state;
    make_model("p_single.h5", "BertForSequenceClassification", "{" BERT_SIZES ", " LABELS "}",
               "{\"objective\": \"classes\", \"texts\": 1, \"seq\": 16}", NULL, 3);
    make_model("p_pairs.h5", "BertForSequenceClassification", "{" BERT_SIZES ", " LABELS "}",
               "{\"objective\": \"classes\", \"texts\": 2, \"seq\": 16}", NULL, 3);
    make_model("p_score.h5", "BertForSequenceClassification",
               "{" BERT_SIZES ", \"num_labels\": 1, \"problem_type\": \"regression\"}", "{}", NULL, 3);
    make_model("p_many.h5", "BertForSequenceClassification",
               "{" BERT_SIZES ", " LABELS ", \"problem_type\": \"multi_label_classification\"}", "{}", NULL, 3);
    make_model("p_mlm.h5", "BertForMaskedLM", "{" BERT_SIZES "}", "{}", NULL, 3);
    return 0;
}

static void texts_keep_their_order(void **state)
{
    (void)state;
    static const int64_t short_ids[] = {CLS, THE, FOX, SEP}, long_ids[] = {CLS, A, OLD, CROW, SAT, ON, THE, TREE, SEP};
    const float *logits;
    tiny t;
    give_input("the fox\n\nA old crow sat on the tree\nthe fox\n");
    expect_status(aesop(5, "predict", "p_single.h5", "--logits", "--probabilities", "-v"), 0);
    expect_log("classes in order: bad good so so\n");
    assert_int_equal(count_lines(out_text), 4);
    char *lines[4];
    for (int i = 0; i < 4; i++) {
        lines[i] = line_of(out_text, i);
    }
    assert_string_equal(lines[1], "");
    tiny_open(&t, "p_single.h5");
    for (int i = 0; i < 4; i += 1 + (i == 0)) {
        char label[32];
        float p[3], x[3];
        double sum = 0;
        logits =
            i == 2 ? tiny_run(&t, "logits", long_ids, 9, NULL)->data : tiny_run(&t, "logits", short_ids, 4, NULL)->data;
        assert_int_equal(
            sscanf(lines[i], "%31[^\t]\t%f\t%f\t%f\t%f\t%f\t%f", label, &p[0], &p[1], &p[2], &x[0], &x[1], &x[2]), 7);
        int best = 0;
        for (int k = 0; k < 3; k++) {
            assert_true(fabsf(x[k] - logits[k]) < 1e-5f);
            sum += exp((double)logits[k]);
            best = logits[k] > logits[best] ? k : best;
        }
        for (int k = 0; k < 3; k++) {
            assert_true(fabs((double)p[k] - exp((double)logits[k]) / sum) < 1e-5);
        }
        assert_string_equal(label, best == 0 ? "bad" : best == 1 ? "good" : "so so");
    }
    tiny_close(&t);
    for (int i = 0; i < 4; i++) {
        free(lines[i]);
    }
}

/* More records than a window of batches of one holds, of many lengths: every line says what it says alone. */
static void windows_do_not_mix_records(void **state)
{
    (void)state;
    static const char *const texts[] = {"the fox sat", "he said , the crow ran on", "a tree", "she"};
    char *alone[4], all[20000] = "";
    for (int i = 0; i < 4; i++) {
        give_input(texts[i]);
        expect_status(aesop(3, "predict", "p_single.h5", "--logits"), 0);
        alone[i] = line_of(out_text, 0);
    }
    for (int i = 0; i < 300; i++) {
        strcat(strcat(all, texts[i * 7 % 4]), "\n");
    }
    give_input(all);
    expect_status(aesop(5, "predict", "p_single.h5", "--logits", "--batch", "3"), 0);
    assert_int_equal(count_lines(out_text), 300);
    const char *line = out_text;
    for (int i = 0; i < 300; i++, line = strchr(line, '\n') + 1) {
        assert_memory_equal(line, alone[i * 7 % 4], 4); /* the label */
        const char *a = strchr(line, '\t') + 1, *b = strchr(alone[i * 7 % 4], '\t') + 1;
        assert_true(fabs(strtod(a, NULL) - strtod(b, NULL)) < 1e-5);
    }
    for (int i = 0; i < 4; i++) {
        free(alone[i]);
    }
}

static void every_format(void **state)
{
    (void)state;
    ae_err e = {0};
    write_text("p_lines.txt", "the fox\n\nthe crow ran\n");
    expect_status(aesop(6, "predict", "p_single.h5", "p_lines.txt", "-o", "p.npy", "--force"), 0);
    ae_tensor *t = ae_npy_read("p.npy", &e);
    fail_on(&e);
    assert_true(t->dtype == AE_I64 && t->ndim == 1 && t->shape[0] == 3);
    assert_int_equal(ae_get_i64(t, 1), -1);
    int64_t classes[] = {ae_get_i64(t, 0), ae_get_i64(t, 2)};
    ae_tensor_free(t);

    expect_status(aesop(7, "predict", "p_single.h5", "p_lines.txt", "--probabilities", "-o", "p2.npy", "--force"), 0);
    t = ae_npy_read("p2.npy", &e);
    assert_true(t->dtype == AE_F32 && t->ndim == 2 && t->shape[0] == 3 && t->shape[1] == 3);
    assert_true(isnan(ae_get_f64(t, 3)));
    double p = ae_get_f64(t, classes[0]);
    ae_tensor_free(t);

    expect_status(
        aesop(8, "predict", "p_single.h5", "p_lines.txt", "--probabilities", "--logits", "-o", "p3.h5", "--force"), 0);
    ae_h5 *f = ae_h5_open("p3.h5", &e);
    fail_on(&e);
    ae_tensor *numbers = ae_h5_read_tensor(f, "class", &e), *chances = ae_h5_read_tensor(f, "probabilities", &e);
    char *about = ae_h5_read_text(f, "about", &e);
    fail_on(&e);
    assert_int_equal(ae_get_i64(numbers, 0), classes[0]);
    assert_int_equal(ae_get_i64(numbers, 1), -1);
    assert_true(ae_get_f64(chances, classes[0]) == p);
    assert_true(ae_h5_has(f, "logits") && !ae_h5_has(f, "label"));
    assert_non_null(strstr(about, "\"so so\""));
    free(about);
    ae_tensor_free(numbers);
    ae_tensor_free(chances);
    ae_h5_close(f);

    expect_status(aesop(6, "predict", "p_single.h5", "p_lines.txt", "-o", "p4.safetensors", "--force"), 0);
    ae_tensors *all = ae_safetensors_read("p4.safetensors", NULL, &e);
    fail_on(&e);
    assert_int_equal(ae_get_i64(ae_tensors_get(all, "class"), 2), classes[1]);
    ae_tensors_free(all);
}

static void json_lines(void **state)
{
    (void)state;
    ae_err e = {0};
    write_text("p_lines.txt", "the fox\n\n");
    expect_status(aesop(5, "predict", "p_single.h5", "p_lines.txt", "--json", "--probabilities"), 0);
    char *first = line_of(out_text, 0), *second = line_of(out_text, 1);
    ae_json *j = ae_json_parse(first, strlen(first), &e);
    fail_on(&e);
    assert_int_equal(ae_json_int(j, "schema", 0, &e), 1);
    const char *label = ae_json_string(j, "label", "", &e);
    assert_true(ae_json_double(ae_json_get(j, "probabilities"), label, 0, &e) > 0.33);
    ae_json_free(j);
    assert_string_equal(second, "{\"schema\":1,\"label\":null,\"probabilities\":null}");
    free(first);
    free(second);
    expect_status(aesop(8, "predict", "p_single.h5", "p_lines.txt", "--json", "-o", "p.tsv", "--force", "-q"), 0);
    assert_string_equal(out_text, "{\"schema\":1,\"output\":\"p.tsv\",\"records\":2,\"empty\":1,\"cut\":0}\n");
    FILE *f = fopen("p.tsv", "rb");
    char text[64] = "";
    assert_true(fread(text, 1, 63, f) > 2);
    fclose(f);
    assert_int_equal(count_lines(text), 2);
}

static void pairs_and_tables(void **state)
{
    (void)state;
    tiny t;
    static const int64_t single[] = {CLS, THE, FOX, SEP};
    give_input("the fox\tthe crow\nthe fox\n");
    expect_status(aesop(2, "predict", "p_pairs.h5"), 2);
    expect_log("standard input:2: the model reads pairs of texts; a line must be two texts parted by one TAB, this one "
               "has none");
    give_input("the fox\tthe crow\ta tree\n");
    expect_status(aesop(2, "predict", "p_pairs.h5"), 2);
    expect_log("this one has several TABs");
    give_input("the fox\tthe crow\n");
    expect_status(aesop(3, "predict", "p_pairs.h5", "--logits"), 0);
    char *pair = line_of(out_text, 0);
    write_text("p_table.csv", "label,text_a,text_b\nx,\"the fox\",\"the crow\"\n");
    expect_status(aesop(6, "predict", "p_pairs.h5", "p_table.csv", "--format", "csv", "--logits"), 0);
    char *row = line_of(out_text, 0);
    assert_string_equal(row, pair);
    free(pair);
    free(row);
    expect_status(aesop(7, "predict", "p_pairs.h5", "p_table.csv", "--format", "csv", "--columns", "text_a=text_a"), 2);
    expect_log("a table of single texts, but the model reads pairs");
    give_input("the\tfox\n"); /* for a model of single texts a TAB is a blank */
    expect_status(aesop(3, "predict", "p_single.h5", "--logits"), 0);
    tiny_open(&t, "p_single.h5");
    const float *logits = tiny_run(&t, "logits", single, 4, NULL)->data;
    assert_true(fabs(strtod(strchr(out_text, '\t') + 1, NULL) - (double)logits[0]) < 1e-5);
    tiny_close(&t);
}

static void scores_and_several_labels(void **state)
{
    (void)state;
    tiny t;
    static const int64_t ids[] = {CLS, THE, FOX, SEP};
    give_input("the fox\n\n");
    expect_status(aesop(2, "predict", "p_score.h5"), 0);
    tiny_open(&t, "p_score.h5");
    assert_true(fabs(strtod(out_text, NULL) - ae_get_f64(tiny_run(&t, "logits", ids, 4, NULL), 0)) < 1e-5);
    tiny_close(&t);
    assert_int_equal(count_lines(out_text), 2);
    give_input("the fox\n");
    expect_status(aesop(3, "predict", "p_score.h5", "--probabilities"), 2);
    expect_log("p_score.h5 gives scores, which have no probabilities");

    static const char *const names[] = {"bad", "good", "so so"};
    char want[64] = "";
    give_input("the fox\n");
    expect_status(aesop(2, "predict", "p_many.h5"), 0);
    tiny_open(&t, "p_many.h5");
    const float *logits = tiny_run(&t, "logits", ids, 4, NULL)->data;
    for (int i = 0; i < 3; i++) {
        if (logits[i] > 0) {
            strcat(strcat(want, *want ? "," : ""), names[i]);
        }
    }
    tiny_close(&t);
    assert_string_equal(strcat(want, "\n"), out_text);
}

static void long_texts_are_cut(void **state)
{
    (void)state;
    give_input("the fox sat on the old tree . the crow sat on the old tree . he ran .\nthe fox\n");
    expect_status(aesop(2, "predict", "p_single.h5"), 0);
    expect_log("1 of 2 records had more than 16 tokens and were cut (--seq)");
    give_input("the fox\n");
    expect_status(aesop(4, "predict", "p_single.h5", "--seq", "25"), 2);
    expect_log("--seq 25: p_single.h5 has 24 positions");
}

static void bad_models(void **state)
{
    (void)state;
    static const char small[] = "{\"vocab_size\": 12, \"hidden_size\": 8, \"num_hidden_layers\": 1, "
                                "\"num_attention_heads\": 2, \"intermediate_size\": 16, \"num_labels\": 2}";
    expect_status(aesop(2, "predict", "nowhere.h5"), 2);
    expect_log("nowhere.h5: cannot be opened");
    give_input("the fox\n");
    expect_status(aesop(2, "predict", "p_mlm.h5"), 2);
    expect_log("p_mlm.h5 is a BertForMaskedLM and has no head for classes or scores; `aesop fill` is for it");
    make_model("p_mute.h5", "BertForSequenceClassification", "{" BERT_SIZES "}", "{}", "", 1);
    expect_status(aesop(2, "predict", "p_mute.h5"), 2);
    expect_log("p_mute.h5 holds no tokenizer; give the one that it was trained with: --tokenizer PATH");
    expect_status(aesop(4, "predict", "p_mute.h5", "--tokenizer", "words.txt"), 0);
    make_model("p_small.h5", "BertForSequenceClassification", small, "{}", NULL, 1);
    expect_status(aesop(3, "predict", "p_small.h5", "--json"), 2);
    expect_log("p_small.h5: the tokenizer has 20 tokens, the model's table 12 rows: they do not belong together");
    assert_non_null(strstr(out_text, "\"file\":\"p_small.h5\""));
}

static void bad_input(void **state)
{
    (void)state;
    give_input("");
    expect_status(aesop(2, "predict", "p_single.h5"), 2);
    expect_log("the input is empty: give a file, or text on standard input");
    expect_status(aesop(3, "predict", "p_single.h5", "no_such.txt"), 2);
    expect_log("no_such.txt");
    FILE *f = fopen("p_zero.txt", "wb");
    fwrite("the fox\nthe\0crow\n", 1, 17, f);
    fclose(f);
    expect_status(aesop(4, "predict", "p_single.h5", "p_zero.txt", "--json"), 2);
    expect_log("p_zero.txt:2: holds a zero byte; text is wanted");
    assert_non_null(strstr(out_text, "\"file\":\"p_zero.txt\",\"line\":2"));
    write_text("p_bytes.txt", "the fox\nthe \xff fox\n");
    expect_status(aesop(3, "predict", "p_single.h5", "p_bytes.txt"), 2);
    expect_log("p_bytes.txt:2");
    expect_status(aesop(5, "predict", "p_single.h5", "p_bytes.txt", "--encoding", "latin1"), 0);
}

static void bad_outputs(void **state)
{
    (void)state;
    give_input("the fox\n");
    write_text("p_there.tsv", "mine");
    expect_status(aesop(4, "predict", "p_single.h5", "-o", "p_there.tsv"), 2);
    expect_log("p_there.tsv: exists; --force overwrites it");
    expect_status(aesop(4, "predict", "p_single.h5", "-o", "p.tsx"), 2);
    expect_log(
        "p.tsx: no format of records (did you mean tsv?); the ending of --output or --to names one of tsv, jsonl");
    expect_status(aesop(4, "predict", "p_single.h5", "--to", "npy"), 2);
    expect_log("npy is no format for standard output; give --output FILE");
    expect_status(aesop(6, "predict", "p_single.h5", "-o", "p9.npy", "--logits", "--probabilities"), 2);
    expect_log("p9.npy: an .npy file holds one array, several were asked for");
    assert_int_equal(access("p9.npy", F_OK), -1);
    expect_status(aesop(4, "predict", "p_single.h5", "-o", "/proc/p.tsv"), 4);
    give_input("");
    expect_status(aesop(4, "predict", "p_single.h5", "-o", "p_empty.h5"), 2);
    assert_int_equal(access("p_empty.h5", F_OK), -1); /* nothing half done stays */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_keep_their_order),
        cmocka_unit_test(windows_do_not_mix_records),
        cmocka_unit_test(every_format),
        cmocka_unit_test(json_lines),
        cmocka_unit_test(pairs_and_tables),
        cmocka_unit_test(scores_and_several_labels),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(bad_models),
        cmocka_unit_test(bad_input),
        cmocka_unit_test(bad_outputs),
    };
    return cmocka_run_group_tests(tests, make_models, free_texts);
}
