/* `aesop fill`: candidates against the model's own logits, the score of a text counted by hand, and what bad input
 * gets. */
#include "apps/tiny_models.h"

#include <math.h>

static int make_models(void **state)
{
    (void)state;
    static const char composed[] =
        "{\"vocab_size\": 20, \"embedding\": [\"word\", \"pos\", \"seg\"], \"encoder\": \"transformer\", \"target\": "
        "[\"mlm\"], \"hidden_size\": 8, \"emb_size\": 8, \"layers_num\": 1, \"heads_num\": 2, \"feedforward_size\": "
        "16, "
        "\"max_seq_length\": 24, \"initializer_range\": 0.5}";
    make_model("f_mlm.h5", "BertForMaskedLM", "{" BERT_SIZES "}", "{\"objective\": \"mlm\", \"seq\": 20}", NULL, 7);
    make_model("f_nsp.h5", "BertForPreTraining", "{" BERT_SIZES "}", "{}", NULL, 7);
    make_model("f_composed.h5", "Composed", composed, "{\"objective\": \"mlm\"}", NULL, 7);
    make_model("f_class.h5", "BertForSequenceClassification", "{" BERT_SIZES "}", "{}", NULL, 7);
    return 0;
}

/* Candidates of one mask in the JSON of a line, against softmax over all tokens without the special ones. */
static void check_candidates(const ae_json *list, const float *logits, int n)
{
    double sum = 0, before = 1;
    ae_err e = {0};
    for (int i = 0; i < VOCAB; i++) {
        sum += exp((double)logits[i]);
    }
    assert_int_equal(ae_json_count(list), n);
    for (const ae_json *c = ae_json_first(list); c; c = ae_json_next(c)) {
        int64_t id = ae_json_int(c, "id", -1, &e);
        double p = ae_json_double(c, "probability", -1, &e);
        assert_true(id > MASK && id < VOCAB);
        assert_true(p <= before && fabs(p - exp((double)logits[id]) / sum) < 1e-5);
        before = p;
    }
    int better = 0; /* tokens likelier than the last one listed */
    for (int i = MASK + 1; i < VOCAB; i++) {
        better += exp((double)logits[i]) / sum > before + 1e-9;
    }
    assert_true(better < n);
}

static void check_fill(const char *path, const char *output)
{
    static const int64_t ids[] = {CLS, THE, MASK, SAT, ON, A, MASK, DOT, SEP};
    ae_err e = {0};
    tiny t;
    expect_status(aesop(6, "fill", path, "The [MASK] sat on a [MASK].", "--top", "4", "--json"), 0);
    ae_json *j = ae_json_parse(out_text, strlen(out_text), &e);
    fail_on(&e);
    const ae_json *masks = ae_json_get(j, "masks");
    assert_int_equal(ae_json_count(masks), 2);
    assert_int_equal(ae_json_int(ae_json_at(masks, 1), "start", 0, &e), 20);
    tiny_open(&t, path);
    const float *logits = tiny_run(&t, output, ids, 9, NULL)->data;
    check_candidates(ae_json_get(ae_json_at(masks, 0), "candidates"), logits + 2 * VOCAB, 4);
    check_candidates(ae_json_get(ae_json_at(masks, 1), "candidates"), logits + 6 * VOCAB, 4);
    tiny_close(&t);
    ae_json_free(j);
}

static void candidates(void **state)
{
    (void)state;
    check_fill("f_mlm.h5", "logits");
    check_fill("f_nsp.h5", "prediction_logits");
    check_fill("f_composed.h5", "logits");
}

static void lines_of_text(void **state)
{
    (void)state;
    give_input("the [MASK] ran\n\nhe [MASK] .\n");
    expect_status(aesop(4, "fill", "f_mlm.h5", "--top", "2"), 0);
    assert_int_equal(count_lines(out_text), 5); /* two, an empty line, two */
    char *line = line_of(out_text, 0), word[32], text[64];
    double p;
    assert_int_equal(sscanf(line, "%lf\t%31[^\t]\t%63[^\n]", &p, word, text), 3);
    char want[64];
    snprintf(want, sizeof want, "the %s ran", word);
    assert_string_equal(text, want);
    free(line);
    line = line_of(out_text, 2);
    assert_string_equal(line, "");
    free(line);
}

/* With as many candidates as there are words all are found, but those of several tokens; the frequent ones are counted
 * by hand. */
static void scores(void **state)
{
    (void)state;
    ae_err e = {0};
    /* words: the fox sat / the crows ran / he said the crow ran - punctuation is none, crows is crow ##s */
    write_text("f_text.txt", "The fox sat.\nThe crows ran!\n\nHe said, the crow ran.\n");
    expect_status(aesop(9, "fill", "f_mlm.h5", "--score", "f_text.txt", "--every", "1", "--top", "15", "--json"), 0);
    ae_json *j = ae_json_parse(out_text, strlen(out_text), &e);
    fail_on(&e);
    assert_int_equal(ae_json_int(j, "words", 0, &e), 11);
    assert_int_equal(ae_json_int(j, "masked", 0, &e), 11);
    assert_int_equal(ae_json_int(j, "several_tokens", 0, &e), 1);
    assert_int_equal(ae_json_int(j, "found", 0, &e), 10);
    assert_int_equal(ae_json_int(j, "frequent_found", 0, &e), 10);
    ae_json_free(j);

    expect_status(aesop(9, "fill", "f_mlm.h5", "--score", "f_text.txt", "--every", "2", "--top", "2", "--json"), 0);
    j = ae_json_parse(out_text, strlen(out_text), &e); /* masked: fox, the, ran, said, crow */
    assert_int_equal(ae_json_int(j, "masked", 0, &e), 5);
    assert_int_equal(ae_json_int(j, "several_tokens", 0, &e), 0);
    assert_int_equal(ae_json_int(j, "frequent_found", 0, &e), 2); /* the (3 times), ran (2 times) */
    const ae_json *words = ae_json_get(j, "frequent_words");
    const char *first = NULL;
    ae_json_value_string(ae_json_at(words, 0), &first, &e);
    assert_string_equal(first, "the");
    ae_json_free(j);

    write_text("f_corpus.txt", "fox fox fox crow crow tree\n");
    expect_status(aesop(10, "fill", "f_mlm.h5", "--score", "f_text.txt", "--every", "2", "--top", "2", "--corpus",
                        "f_corpus.txt"),
                  0);
    assert_non_null(strstr(out_text, "masked words                  5 of 11 (0 of several tokens)\n"));
    assert_non_null(strstr(out_text, "2 (40.0 %): fox crow\n"));
    assert_non_null(strstr(out_text, "ratio "));
}

/* the (3 times) and ran (2 times) are left out of both sides; of the rest fox and crow come first, by their ids. */
static void frequent_words_left_out(void **state)
{
    (void)state;
    ae_err e = {0};
    write_text("f_text.txt", "The fox sat.\nThe crows ran!\n\nHe said, the crow ran.\n");
    expect_status(aesop(11, "fill", "f_mlm.h5", "--score", "f_text.txt", "--every", "1", "--top", "2",
                        "--skip-frequent", "2", "--json"),
                  0);
    ae_json *j = ae_json_parse(out_text, strlen(out_text), &e); /* fox sat crows he said crow */
    assert_int_equal(ae_json_int(j, "masked", 0, &e), 6);
    assert_int_equal(ae_json_int(j, "several_tokens", 0, &e), 1);
    assert_int_equal(ae_json_int(j, "frequent_found", 0, &e), 2);
    assert_int_equal(ae_json_count(ae_json_get(j, "frequent_words")), 2);
    const char *word = NULL;
    ae_json_value_string(ae_json_at(ae_json_get(j, "frequent_words"), 1), &word, &e);
    assert_string_equal(word, "crow");
    ae_json_free(j);
    expect_status(
        aesop(9, "fill", "f_mlm.h5", "--score", "f_text.txt", "--every", "1", "--skip-frequent", "100", "--json"),
        0); /* all but the word of two tokens */
    j = ae_json_parse(out_text, strlen(out_text), &e);
    assert_int_equal(ae_json_int(j, "masked", 0, &e), 1);
    assert_int_equal(ae_json_int(j, "found", 0, &e), 0);
    assert_true(ae_json_is_null(ae_json_get(j, "ratio")));
    ae_json_free(j);
    give_input("the fox\n");
    expect_status(aesop(4, "fill", "f_mlm.h5", "--score", "-"), 2);
    expect_log("--score -: standard input is read once; --corpus FILE says which words are frequent");
}

/* The one word masked, computed here. */
static void the_score_is_the_models_own(void **state)
{
    (void)state;
    static const int64_t ids[] = {CLS, THE, OLD, MASK, RAN, SEP};
    tiny t;
    char top[8];
    tiny_open(&t, "f_mlm.h5");
    const float *logits = (const float *)tiny_run(&t, "logits", ids, 6, NULL)->data + (size_t)3 * VOCAB;
    int rank = 1;
    for (int i = MASK + 1; i < VOCAB; i++) {
        rank += logits[i] > logits[FOX];
    }
    tiny_close(&t);
    write_text("f_one.txt", "the old fox ran\n");
    for (int more = 0; more < 2; more++) { /* found among the first `rank`, not among fewer */
        if (rank - 1 + more < 1) {
            continue;
        }
        snprintf(top, sizeof top, "%d", rank - 1 + more);
        expect_status(aesop(9, "fill", "f_mlm.h5", "--score", "f_one.txt", "--every", "3", "--top", top, "--json"), 0);
        assert_non_null(strstr(out_text, more ? "\"masked\":1,\"several_tokens\":0,\"top\"" : "\"found\":0,"));
        assert_non_null(strstr(out_text, more ? "\"found\":1," : "\"masked\":1,"));
    }
}

static void bad_input(void **state)
{
    (void)state;
    expect_status(aesop(3, "fill", "f_mlm.h5", "the fox"), 2);
    expect_log("the text: there is no mask; write [MASK] where a word is missing");
    give_input("the [MASK]\nthe fox\n");
    expect_status(aesop(2, "fill", "f_mlm.h5"), 2);
    expect_log("standard input:2: there is no mask");
    expect_status(aesop(5, "fill", "f_mlm.h5", "the fox sat on the old [MASK]", "--seq", "7"), 2);
    expect_log("there is no mask among the tokens that the model can read at once (--seq)");
    give_input("");
    expect_status(aesop(2, "fill", "f_mlm.h5"), 2);
    expect_log("no text: give one as an argument, or a line each on standard input");
    expect_status(aesop(3, "fill", "f_class.h5", "the [MASK]"), 2);
    expect_log("f_class.h5 is a BertForSequenceClassification and has no head that predicts masked words; "
               "`aesop predict` is for it");
    write_text("f_plain.txt", "the\nfox\n[UNK]\n");
    make_model("f_plain.h5", "BertForMaskedLM", "{" BERT_SIZES "}", "{}", "f_plain.txt", 1);
    expect_status(aesop(3, "fill", "f_plain.h5", "the [MASK]"), 2);
    expect_log("f_plain.h5: the tokenizer (space) has no mask token");
    expect_status(aesop(5, "fill", "f_mlm.h5", "the [MASK]", "--score", "f_text.txt"), 2);
    expect_log("give either a text to fill or --score, not both");
    expect_status(aesop(6, "fill", "f_mlm.h5", "--score", "f_text.txt", "--every", "1000"), 2);
    expect_log("f_text.txt has 11 words; with --every 1000 none is masked");
    write_text("f_empty.txt", "\n\n");
    expect_status(aesop(4, "fill", "f_mlm.h5", "--score", "f_empty.txt"), 2);
    expect_log("f_empty.txt: holds no text");
    expect_status(aesop(4, "fill", "f_mlm.h5", "--score", "nowhere.txt"), 2);
    expect_log("nowhere.txt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(candidates),
        cmocka_unit_test(lines_of_text),
        cmocka_unit_test(scores),
        cmocka_unit_test(frequent_words_left_out),
        cmocka_unit_test(the_score_is_the_models_own),
        cmocka_unit_test(bad_input),
    };
    return cmocka_run_group_tests(tests, make_models, free_texts);
}
