/* `aesop tokenizer extend`: tokenizers get words; models of every class get rows for them, or another vocabulary, and
 * nothing else of them changes; what bad input gets. */
#include "apps/model_vocabulary.h"
#include "apps/tiny_models.h"

#include <math.h>

#define COMPOSED "\"vocab_size\": 20, \"emb_size\": 6, \"hidden_size\": 8, \"layers_num\": 1, \"max_seq_length\": 24"
#define TRANSFORMER "\"encoder\": \"transformer\", \"heads_num\": 2, \"feedforward_size\": 16"

/* Every class of the zoo that has a table of words, in the shapes its output may have. */
static const struct {
    const char *class_name, *config;
    int tables;
} models[] = {
    {"BertModel", "{" BERT_SIZES "}", 1},
    {"BertForPreTraining", "{" BERT_SIZES "}", 2},
    {"BertForMaskedLM", "{" BERT_SIZES ", \"tie_word_embeddings\": false}", 3},
    {"BertLMHeadModel", "{" BERT_SIZES ", \"is_decoder\": true}", 2},
    {"BertForNextSentencePrediction", "{" BERT_SIZES "}", 1},
    {"BertForSequenceClassification", "{" BERT_SIZES "}", 1},
    {"BertForTokenClassification", "{" BERT_SIZES "}", 1},
    {"BertForQuestionAnswering", "{" BERT_SIZES "}", 1},
    {"BertForMultipleChoice", "{" BERT_SIZES "}", 1},
    {"GPT2Model", "{" GPT2_SIZES "}", 1},
    {"GPT2LMHeadModel", "{" GPT2_SIZES ", \"eos_token_id\": [3, 2], \"pad_token_id\": 0}", 1},
    {"GPT2LMHeadModel", "{" GPT2_SIZES ", \"tie_word_embeddings\": false}", 2},
    {"GPT2DoubleHeadsModel", "{" GPT2_SIZES "}", 1},
    {"GPT2ForSequenceClassification", "{" GPT2_SIZES ", \"pad_token_id\": 0}", 1},
    {"GPT2ForTokenClassification", "{" GPT2_SIZES "}", 1},
    {"GPT2ForQuestionAnswering", "{" GPT2_SIZES "}", 1},
    {"Composed",
     "{" COMPOSED ", \"embedding\": [\"word\", \"pos\"], \"encoder\": \"lstm\", \"target\": [\"lm\", \"cls\"]}", 2},
    {"Composed",
     "{" COMPOSED ", \"embedding\": [\"word\"], \"encoder\": \"bilstm\", \"target\": [\"bilm\"], "
     "\"has_lmtarget_bias\": true}",
     3},
    {"Composed",
     "{\"vocab_size\": 20, \"hidden_size\": 8, \"layers_num\": 1, \"embedding\": [\"word\", \"pos\", "
     "\"seg\"], " TRANSFORMER ", \"target\": [\"mlm\", \"sp\"], \"tie_weights\": true}",
     2},
    {"InferSent", "{\"vocab_size\": 20, \"word_emb_dim\": 4, \"enc_lstm_dim\": 3}", 1},
    {"NLINet", "{\"vocab_size\": 20, \"word_emb_dim\": 4, \"enc_lstm_dim\": 3, \"fc_dim\": 4, \"n_classes\": 3}", 1},
};
enum { MODELS = sizeof models / sizeof *models };

/* ---- what a changed model is held against ---------------------------------------------------------------------------- */

/* Where the values of one row of a parameter lie: along whichever axis has `extent` tokens. */
static int token_axis(const ae_tensor *was, const ae_tensor *is)
{
    int axis = -1;
    for (int i = 0; i < was->ndim; i++) {
        if (was->shape[i] != is->shape[i]) {
            assert_int_equal(axis, -1);
            axis = i;
        }
    }
    return axis;
}

static double value_at(const ae_tensor *t, int axis, int64_t token, int64_t rest)
{
    int64_t inner = 1;
    for (int i = axis + 1; i < t->ndim; i++) {
        inner *= t->shape[i];
    }
    return ae_get_f64(t, (rest / inner * t->shape[axis] + token) * inner + rest % inner);
}

/* Row `token` of the changed parameter is the mean of old rows. */
static void assert_mean(const ae_tensor *was, const ae_tensor *is, int axis, int64_t token, const int *old, int n)
{
    for (int64_t rest = 0; rest < ae_numel(was) / was->shape[axis]; rest++) {
        double want = 0;
        for (int i = 0; i < n; i++) {
            want += value_at(was, axis, old[i], rest) / n;
        }
        assert_true(fabs(value_at(is, axis, token, rest) - want) <= 1e-6 * fmax(1, fabs(want)));
    }
}

/* What is not a table of words is the same; the tables are `tables`. Calls `check` for each of them. */
static void compare(const char *before, const char *after, int tables,
                    void (*check)(const ae_tensor *was, const ae_tensor *is, int axis))
{
    tiny a, b;
    tiny_open(&a, before);
    tiny_open(&b, after);
    assert_int_equal(ae_model_count(a.bundle.model), ae_model_count(b.bundle.model));
    int found = 0;
    for (int i = 0; i < ae_model_count(a.bundle.model); i++) {
        const ae_tensor *was = ae_model_at(a.bundle.model, i).tensor, *is = ae_model_at(b.bundle.model, i).tensor;
        assert_string_equal(was->name, is->name);
        int axis = token_axis(was, is);
        if (axis < 0) {
            assert_memory_equal(was->data, is->data, (size_t)ae_numel(was) * ae_dtype_size(was->dtype));
        } else {
            found++;
            check(was, is, axis);
        }
    }
    assert_int_equal(found, tables);
    tiny_close(&a);
    tiny_close(&b);
}

/* ---- words ---------------------------------------------------------------------------------------------------------- */

/* "foxs" was fox ##s, "sat-on" sat [UNK] on, "zebra" unknown. */
static void check_new_words(const ae_tensor *was, const ae_tensor *is, int axis)
{
    assert_int_equal(is->shape[axis], VOCAB + 3);
    for (int id = 0; id < VOCAB; id++) {
        assert_mean(was, is, axis, id, &id, 1);
    }
    assert_mean(was, is, axis, VOCAB, (int[]){FOX, PLURAL}, 2);
    assert_mean(was, is, axis, VOCAB + 1, (int[]){SAT, ON}, 2);
}

static void every_class_gets_rows(void **state)
{
    (void)state;
    for (int i = 0; i < MODELS; i++) {
        make_model("x_before.h5", models[i].class_name, models[i].config, "{\"seq\": 7}", NULL, 3);
        expect_status(
            aesop(9, "tokenizer", "extend", "x_before.h5", "foxs", "sat-on", "zebra", "-o", "x_after.h5", "--force"),
            0);
        expect_log("rows: 20 kept, 2 means of old pieces, 1 drawn");
        compare("x_before.h5", "x_after.h5", models[i].tables, check_new_words);
    }
}

/* What a masked model says of old words does not change, and new words have logits. */
static void old_words_mean_the_same(void **state)
{
    (void)state;
    static const int64_t ids[] = {CLS, THE, FOX, SAT, MASK, SEP};
    make_model("x_before.h5", "BertForMaskedLM", "{" BERT_SIZES "}", "{\"seq\": 7}", NULL, 3);
    expect_status(aesop(7, "tokenizer", "extend", "x_before.h5", "foxs", "-o", "x_after.h5", "--force"), 0);
    tiny a, b;
    tiny_open(&a, "x_before.h5");
    tiny_open(&b, "x_after.h5");
    const ae_tensor *was = tiny_run(&a, "logits", ids, 6, NULL), *is = tiny_run(&b, "logits", ids, 6, NULL);
    assert_int_equal(is->shape[2], VOCAB + 1);
    for (int64_t t = 0; t < 6; t++) {
        for (int64_t v = 0; v < VOCAB; v++) {
            assert_true(fabs(ae_get_f64(was, t * VOCAB + v) - ae_get_f64(is, t * (VOCAB + 1) + v)) < 1e-5);
        }
        double mean = (ae_get_f64(was, t * VOCAB + FOX) + ae_get_f64(was, t * VOCAB + PLURAL)) / 2;
        assert_true(fabs(ae_get_f64(is, t * (VOCAB + 1) + VOCAB) - mean) < 1e-5);
    }
    assert_int_equal(ae_tokenizer_id(b.bundle.tokenizer, "foxs", 4), VOCAB);
    assert_int_equal(ae_json_int(b.bundle.settings, "seq", 0, NULL), 7);
    assert_int_equal(ae_json_int(b.bundle.config, "pad_token_id", -1, NULL), 0);
    tiny_close(&a);
    tiny_close(&b);
}

static void check_drawn(const ae_tensor *was, const ae_tensor *is, int axis)
{
    double sum = 0, squares = 0;
    int64_t n = 0;
    for (int id = 0; id < VOCAB; id++) {
        assert_mean(was, is, axis, id, &id, 1);
    }
    for (int64_t token = VOCAB; token < is->shape[axis]; token++) {
        for (int64_t rest = 0; rest < ae_numel(was) / was->shape[axis]; rest++, n++) {
            double x = value_at(is, axis, token, rest);
            sum += x;
            squares += x * x;
        }
    }
    bool bias = was->ndim == 1;
    assert_true(bias ? squares == 0 : fabs(sum / (double)n) < 0.02 && fabs(sqrt(squares / (double)n) - 0.02) < 0.005);
}

/* BERT's weights are drawn from N(0, initializer_range) without its tails, its biases are zero. */
static void rows_may_be_drawn(void **state)
{
    (void)state;
    static const char config[] = "{\"vocab_size\": 20, \"hidden_size\": 64, \"num_hidden_layers\": 1, "
                                 "\"num_attention_heads\": 2, \"intermediate_size\": 8, "
                                 "\"max_position_embeddings\": 24, \"tie_word_embeddings\": false}";
    write_text("x_words.txt", "foxs\n\nlion\nwolf\r\nbear\nfoxs\n");
    make_model("x_before.h5", "BertForMaskedLM", config, "{}", NULL, 3);
    expect_status(aesop(10, "tokenizer", "extend", "x_before.h5", "--words=x_words.txt", "--rows=drawn", "--seed=5",
                        "-o", "x_after.h5", "--force", "--json"),
                  0);
    assert_non_null(strstr(out_text, "\"tokens_before\":20,\"tokens\":24,\"known\":1,\"vocabulary\":4,\"whole\":0,"
                                     "\"special\":0,\"replaced\":0,\"rows\":{\"before\":20,\"after\":24,\"kept\":20,"
                                     "\"means\":0,\"drawn\":4,\"tables\":[\"bert.embeddings.word_embeddings.weight "
                                     "[20,64] -> [24,64]\","));
    compare("x_before.h5", "x_after.h5", 3, check_drawn);
}

/* Rows beyond the tokens, as tables padded to a round number have them, become the new words' and keep their number. */
static void padded_tables_keep_their_size(void **state)
{
    (void)state;
    make_model("x_before.h5", "GPT2LMHeadModel",
               "{\"vocab_size\": 24, \"n_embd\": 8, \"n_layer\": 1, \"n_head\": 2, \"n_positions\": 12}", "{}", NULL,
               3);
    expect_status(aesop(7, "tokenizer", "extend", "x_before.h5", "foxs", "-o", "x_after.h5", "--force"), 0);
    expect_log("transformer.wte.weight [24,8] -> [24,8]");
    tiny a, b;
    tiny_open(&a, "x_before.h5");
    tiny_open(&b, "x_after.h5");
    const ae_tensor *was = ae_model_get(a.bundle.model, "transformer.wte.weight");
    const ae_tensor *is = ae_model_get(b.bundle.model, "transformer.wte.weight");
    assert_mean(was, is, 0, 20, (int[]){FOX, PLURAL}, 2);
    for (int id = 0; id < 24; id++) {
        if (id != 20) {
            assert_mean(was, is, 0, id, &id, 1);
        }
    }
    tiny_close(&a);
    tiny_close(&b);
}

/* ---- another vocabulary --------------------------------------------------------------------------------------------- */

#define OTHER_WORDS "crow\n<pad>\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nfoxs\ntree\n"

static void check_other(const ae_tensor *was, const ae_tensor *is, int axis)
{
    assert_int_equal(is->shape[axis], 8);
    assert_mean(was, is, axis, 0, (int[]){CROW}, 1);
    assert_mean(was, is, axis, 1, (int[]){PAD}, 1);
    assert_mean(was, is, axis, 5, (int[]){MASK}, 1);
    assert_mean(was, is, axis, 6, (int[]){FOX, PLURAL}, 2);
    assert_mean(was, is, axis, 7, (int[]){TREE}, 1);
}

static void every_class_goes_to_another_vocabulary(void **state)
{
    (void)state;
    static const char *const special[] = {"<pad>", "[UNK]", "[CLS]", "[SEP]", "[MASK]", NULL};
    write_text("x_other.txt", OTHER_WORDS);
    expect_status(aesop(12, "tokenizer", "extend", "x_other.txt", "--special-token", special[0], "--special-token",
                        special[1], "--special-token", special[2], "-o", "x_other.json", "--force"),
                  0);
    for (int i = 0; i < MODELS; i++) {
        make_model("x_before.h5", models[i].class_name, models[i].config, "{}", NULL, 3);
        expect_status(aesop(7, "tokenizer", "extend", "x_before.h5", "--new-tokenizer=x_other.json", "-o", "x_after.h5",
                            "--force"),
                      0);
        expect_log("x_after.h5: 8 tokens, before 20\nrows: 7 kept, 1 means of old pieces, 0 drawn\n");
        compare("x_before.h5", "x_after.h5", models[i].tables, check_other);
    }
    tiny t;
    make_model("x_before.h5", models[10].class_name, models[10].config, "{}", NULL, 3);
    expect_status(
        aesop(7, "tokenizer", "extend", "x_before.h5", "--new-tokenizer=x_other.json", "-o", "x_after.h5", "--force"),
        0);
    tiny_open(&t, "x_after.h5");
    assert_int_equal(ae_json_int(t.bundle.config, "pad_token_id", -1, NULL), 1);
    assert_int_equal(ae_json_int(t.bundle.config, "vocab_size", -1, NULL), 8);
    char *ids = ae_json_text(ae_json_get(t.bundle.config, "eos_token_id"), false, NULL);
    assert_string_equal(ids, "[4,3]");
    free(ids);
    tiny_close(&t);
}

/* ---- files ---------------------------------------------------------------------------------------------------------- */

static void tokenizers_alone(void **state)
{
    (void)state;
    write_text("words.txt", WORDS);
    expect_status(aesop(12, "tokenizer", "extend", "words.txt", "foxs", "sat-on", "fox", "--special-token=[E]",
                        "--replace", "he she", "-o", "x_own.json", "--force"),
                  0);
    expect_log(
        "x_own.json: 22 tokens, before 20; new: 1 in the vocabulary, 1 found whole, 1 special; 1 took old ids, 1 "
        "were there");
    write_text("x_line.txt", "The foxs sat-on[E]she\n");
    expect_status(aesop(5, "tokenizer", "encode", "--tokenizer=x_own.json", "--to=tokens", "x_line.txt"), 0);
    assert_string_equal(out_text, "the foxs sat-on [E] she\n");
    expect_status(aesop(5, "tokenizer", "inspect", "x_own.json", "foxs", "he"), 1);
    assert_non_null(strstr(out_text, "17  foxs\n"));
    unlink("x_list.txt");
    expect_status(aesop(6, "tokenizer", "extend", "words.txt", "sat-on", "-o", "x_list.txt"), 2);
    expect_log(
        "x_list.txt: a list of tokens cannot hold the words that are found whole of this tokenizer; give a folder");
    expect_status(aesop(5, "tokenizer", "convert", AE_TEST_DIR "/golden/tok_t5", "-o", "x_list.txt"), 2);
    expect_log("x_list.txt: a list of tokens cannot hold the scores of this tokenizer");
    expect_status(aesop(6, "tokenizer", "extend", "words.txt", "lion", "-o", "x_list.txt"), 0);
    expect_status(aesop(4, "tokenizer", "inspect", "x_list.txt", "lion"), 0);
}

/* A folder for Hugging Face's library, and from there back. */
static void folders(void **state)
{
    (void)state;
    make_model("x_before.h5", "BertForMaskedLM", "{" BERT_SIZES ", \"architectures\": [\"BertForMaskedLM\"]}", "{}",
               NULL, 3);
    expect_status(aesop(8, "tokenizer", "extend", "x_before.h5", "foxs", "--to=hf", "-o", "x_folder", "--force"), 0);
    expect_status(aesop(7, "tokenizer", "extend", "x_folder", "lion", "-o", "x_after.h5", "--force"), 0);
    expect_log("x_after.h5: 22 tokens, before 21");
    tiny a, b;
    tiny_open(&a, "x_before.h5");
    tiny_open(&b, "x_after.h5");
    const ae_tensor *was = ae_model_get(a.bundle.model, "cls.predictions.bias");
    const ae_tensor *is = ae_model_get(b.bundle.model, "cls.predictions.decoder.bias");
    assert_mean(was, is, 0, 20, (int[]){FOX, PLURAL}, 2);
    tiny_close(&a);
    tiny_close(&b);
}

static void bad_input(void **state)
{
    (void)state;
    unlink("x_bad.h5");
    write_text("words.txt", WORDS);
    make_model("x_before.h5", "BertModel", "{" BERT_SIZES "}", "{}", NULL, 3);
    make_model("x_none.h5", "BertModel", "{" BERT_SIZES "}", "{}", "", 3);
    make_model("x_vectors.h5", "InferSent", "{\"word_emb_dim\": 4, \"enc_lstm_dim\": 3}", "{}", NULL, 3);
    make_model("x_small.h5", "GPT2Model",
               "{\"vocab_size\": 9, \"n_embd\": 8, \"n_layer\": 1, \"n_head\": 2, \"n_positions\": 12}", "{}", NULL, 3);
    static const struct {
        const char *path, *argument, *output, *message;
    } rows[] = {
        {"x_before.h5", "foxs", "words.txt", "words.txt: exists; --force overwrites it"},
        {"x_before.h5", "foxs", "x_bad", "x_bad: the ending names no format"},
        {"x_before.h5", "foxs", "x_bad.npz",
         "x_bad.npz: a model and its tokenizer are written as NAME.h5 or as a folder"},
        {"x_before.h5", "--rows=mean", "x_bad.h5", "which words? give them, or --words FILE, or --special-token TOKEN"},
        {"x_before.h5", "--words=none.txt", "x_bad.h5", "none.txt: cannot be opened"},
        {"x_before.h5", "--new-tokenizer=none.txt", "x_bad.h5", "none.txt"},
        {"words.txt", "--new-tokenizer=words.txt", "x_bad.json",
         "--new-tokenizer is for models; words.txt is a tokenizer"},
        {"words.txt", "--tokenizer=words.txt", "x_bad.json", "--tokenizer is for models without one; words.txt is"},
        {"x_none.h5", "foxs", "x_bad.h5", "x_none.h5 holds no tokenizer; give the one that it was trained with"},
        {"x_vectors.h5", "foxs", "x_bad.h5", "InferSent: its configuration has no vocab_size"},
        {"x_small.h5", "foxs", "x_bad.h5", "the tokenizer has 20 tokens and the model's table 9 rows"},
        {"nowhere.h5", "foxs", "x_bad.h5", "nowhere.h5"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        expect_status(aesop(6, "tokenizer", "extend", rows[i].path, rows[i].argument, "-o", rows[i].output), 2);
        expect_log(rows[i].message);
    }
    expect_status(aesop(4, "tokenizer", "extend", "words.txt", "lion"), 2);
    expect_log("where to? give --output PATH");
    expect_status(aesop(7, "tokenizer", "extend", "words.txt", "lion", "--replace=x*", "-o", "x_bad.json"), 2);
    expect_log("--replace x*: no token is called so");
    expect_status(aesop(7, "tokenizer", "extend", "x_before.h5", "lion", "--new-tokenizer=words.txt", "-o", "x_bad.h5"),
                  2);
    expect_log("--new-tokenizer brings all its tokens; give no words beside it");
    assert_int_equal(access("x_bad.h5", F_OK), -1);
    assert_int_equal(access("x_bad.json", F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_class_gets_rows),
        cmocka_unit_test(old_words_mean_the_same),
        cmocka_unit_test(rows_may_be_drawn),
        cmocka_unit_test(padded_tables_keep_their_size),
        cmocka_unit_test(every_class_goes_to_another_vocabulary),
        cmocka_unit_test(tokenizers_alone),
        cmocka_unit_test(folders),
        cmocka_unit_test(bad_input),
    };
    return cmocka_run_group_tests(tests, NULL, free_texts);
}
