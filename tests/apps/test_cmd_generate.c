/* `aesop generate`: greedy choice against the model's own logits, drawing by seed, ends, long texts, and what bad input
 * gets. */
#include "apps/tiny_models.h"

#include <math.h>

static int make_models(void **state)
{
    (void)state;
    static const char lstm[] = "{\"vocab_size\": 20, \"embedding\": [\"word\"], \"encoder\": \"lstm\", \"target\": "
                               "[\"lm\"], \"hidden_size\": 6, \"emb_size\": 5, \"initializer_range\": 0.9}";
    make_model("g_foreign.h5", "GPT2LMHeadModel", "{" GPT2_SIZES "}", "{}", NULL, 11);
    make_model("g_own.h5", "GPT2LMHeadModel", "{" GPT2_SIZES "}", "{\"objective\": \"lm\", \"seq\": 12}", NULL, 11);
    make_model("g_lstm.h5", "Composed", lstm, "{\"objective\": \"lm\", \"no-special\": true}", NULL, 4);
    make_model("g_bert.h5", "BertForMaskedLM", "{" BERT_SIZES "}", "{}", NULL, 1);
    return 0;
}

/* The likeliest tokens behind ids[*n], one after the other, until `end` or so many; they are put behind ids. */
static void follow(const char *path, int64_t *ids, int64_t *n, int64_t more, int64_t end)
{
    tiny t;
    tiny_open(&t, path);
    for (int64_t k = 0; k < more; k++) {
        const ae_tensor *logits = tiny_run(&t, "logits", ids, *n, NULL);
        const float *last = (const float *)logits->data + (*n - 1) * VOCAB;
        int64_t best = 0;
        for (int64_t i = 1; i < VOCAB; i++) {
            best = last[i] > last[best] ? i : best;
        }
        ids[(*n)++] = best;
        if (best == end) {
            break;
        }
    }
    tiny_close(&t);
}

/* What the tokens behind the first `from` say, as the tokenizer joins them. */
static char *words(const char *path, const int64_t *ids, int64_t from, int64_t n)
{
    ae_err e = {0};
    int32_t all[64];
    tiny t;
    size_t before, now;
    for (int64_t i = 0; i < n; i++) {
        all[i] = (int32_t)ids[i];
    }
    tiny_open(&t, path);
    char *a = ae_tokenizer_decode(t.bundle.tokenizer, all, from, true, &before, &e);
    char *b = ae_tokenizer_decode(t.bundle.tokenizer, all, n, true, &now, &e);
    tiny_close(&t);
    memmove(b, b + before, now - before + 1);
    free(a);
    return b;
}

static void check_greedy(const char *path, const char *prompt, const int64_t *given, int64_t from)
{
    char want[256];
    int64_t ids[64], n = from;
    memcpy(ids, given, (size_t)from * sizeof *ids);
    follow(path, ids, &n, 6, SEP);
    char *text = words(path, ids, from, n);
    expect_status(aesop(5, "generate", path, (char *)prompt, "--length", "6"), 0);
    snprintf(want, sizeof want, "%s%s\n", prompt, text);
    assert_string_equal(out_text, want);
    free(text);
}

static void greedy_is_the_likeliest(void **state)
{
    (void)state;
    check_greedy("g_foreign.h5", "the fox", (int64_t[]){THE, FOX}, 2);
    check_greedy("g_foreign.h5", "A crow sat", (int64_t[]){A, CROW, SAT}, 3);
    check_greedy("g_own.h5", "the fox", (int64_t[]){CLS, THE, FOX}, 3); /* trained here: with the beginning token */
    check_greedy("g_foreign.h5", "", (int64_t[]){CLS}, 1);
    check_greedy("g_lstm.h5", "the fox", (int64_t[]){THE, FOX}, 2); /* a model without a cache */
}

static void drawing_follows_the_seed(void **state)
{
    (void)state;
    char *first = NULL;
    bool differs = false;
    for (int i = 0; i < 6; i++) {
        static const char *const seeds[] = {"5", "5", "6", "7", "8", "9"};
        expect_status(aesop(9, "generate", "g_foreign.h5", "the fox", "--length", "8", "--temperature", "1.5", "--seed",
                            seeds[i]),
                      0);
        if (i == 1) {
            assert_string_equal(out_text, first);
        }
        differs = differs || (first && strcmp(out_text, first) != 0);
        free(first);
        first = strdup(out_text);
    }
    free(first);
    assert_true(differs);
    expect_status(aesop(7, "generate", "g_foreign.h5", "the fox", "--length", "6", "--top-k", "1"), 0);
    char *one = strdup(out_text); /* drawing among one is the greedy choice */
    expect_status(aesop(5, "generate", "g_foreign.h5", "the fox", "--length", "6"), 0);
    assert_string_equal(out_text, one);
    free(one);
}

static void several_prompts_and_continuations(void **state)
{
    (void)state;
    ae_err e = {0};
    write_text("g_prompts.txt", "the fox\na crow\n");
    expect_status(
        aesop(9, "generate", "g_foreign.h5", "--prompts", "g_prompts.txt", "--number", "3", "--top-k", "5", "--json"),
        0);
    assert_int_equal(count_lines(out_text), 6);
    for (int i = 0; i < 6; i++) {
        char *line = line_of(out_text, i);
        ae_json *j = ae_json_parse(line, strlen(line), &e);
        fail_on(&e);
        assert_string_equal(ae_json_string(j, "prompt", "", &e), i < 3 ? "the fox" : "a crow");
        assert_int_equal(ae_json_int(j, "number", -1, &e), i % 3);
        int64_t tokens = ae_json_int(j, "tokens", -1, &e);
        const char *ended = ae_json_string(j, "ended", "", &e);
        assert_true(tokens == 100 ? true : strcmp(ended, "end") == 0);
        assert_true(tokens > 0 && tokens <= 100);
        ae_json_free(j);
        free(line);
    }
    give_input("the fox\na crow\n");
    expect_status(aesop(4, "generate", "g_foreign.h5", "--length", "3"), 0);
    assert_memory_equal(out_text, "the fox", 7);
    assert_non_null(strstr(out_text, "\n\na crow"));
}

static void texts_outgrow_the_model(void **state)
{
    (void)state;
    ae_err e = {0};
    expect_status(aesop(7, "generate", "g_foreign.h5", "the fox sat on the old tree . the crow ran . he said the",
                        "--length", "40", "--no-repeat", "3"),
                  0); /* 15 tokens in 12 positions, and 40 more */
    expect_status(aesop(6, "generate", "g_foreign.h5", "the fox", "--length", "40", "--json"), 0);
    ae_json *j = ae_json_parse(out_text, strlen(out_text), &e);
    const char *ended = ae_json_string(j, "ended", "", &e);
    assert_true(strcmp(ended, "end") == 0 || ae_json_int(j, "tokens", 0, &e) == 40);
    ae_json_free(j);
}

static void texts_end_before_a_stop(void **state)
{
    (void)state;
    char want[128], stop[64];
    int64_t ids[16] = {THE, FOX}, n = 2;
    follow("g_foreign.h5", ids, &n, 3, SEP);
    assert_int_equal(n, 5); /* this model does not end here */
    char *text = words("g_foreign.h5", ids, 2, n);
    size_t cut = strlen(text) - 2; /* the stop is the end of the third word */
    snprintf(stop, sizeof stop, "%s", text + cut);
    size_t at = (size_t)(strstr(text, stop) - text);
    snprintf(want, sizeof want, "the fox%.*s\n", (int)at, text);
    expect_status(aesop(7, "generate", "g_foreign.h5", "the fox", "--length", "9", "--stop", stop), 0);
    assert_string_equal(out_text, want);
    expect_status(aesop(8, "generate", "g_foreign.h5", "the fox", "--length", "9", "--stop", stop, "--json"), 0);
    assert_non_null(strstr(out_text, "\"ended\":\"stop\""));
    free(text);
}

/* ln p of the tokens behind the first `from`. */
static double likelihood(tiny *t, const int64_t *ids, int64_t from, int64_t n)
{
    double sum = 0;
    const float *logits = tiny_run(t, "logits", ids, n, NULL)->data;
    for (int64_t i = from; i < n; i++) {
        double all = 0;
        for (int k = 0; k < VOCAB; k++) {
            all += exp((double)logits[(i - 1) * VOCAB + k]);
        }
        sum += (double)logits[(i - 1) * VOCAB + ids[i]] - log(all);
    }
    return sum;
}

/* With as many beams as there are tokens, two more tokens are the likeliest two of all. */
static void beams_find_the_likeliest_text(void **state)
{
    (void)state;
    double best = -INFINITY;
    int64_t ids[4] = {THE, FOX}, found[4] = {THE, FOX};
    char want[128];
    tiny t;
    tiny_open(&t, "g_foreign.h5");
    for (ids[2] = 0; ids[2] < VOCAB; ids[2]++) {
        for (ids[3] = 0; ids[3] < VOCAB; ids[3]++) {
            double p = ids[2] == SEP ? -INFINITY : likelihood(&t, ids, 2, 4);
            if (p > best) {
                best = p;
                memcpy(found, ids, sizeof ids);
            }
        }
    }
    tiny_close(&t);
    char *text = words("g_foreign.h5", found, 2, 4);
    snprintf(want, sizeof want, "the fox%s\n", text);
    expect_status(aesop(7, "generate", "g_foreign.h5", "the fox", "--length", "2", "--beams", "20"), 0);
    assert_string_equal(out_text, want);
    free(text);
    expect_status(aesop(7, "generate", "g_foreign.h5", "the fox", "--number", "2", "--beams", "2"), 2);
    expect_log(
        "--beams looks for the one likeliest text; --temperature, --top-k, --top-p and --number are for drawing");
    expect_status(aesop(7, "generate", "g_foreign.h5", "the fox", "--length", "20", "--beams", "2"), 2);
    expect_log("20 tokens behind 2; the model has 12 positions");
    expect_status(aesop(5, "generate", "g_lstm.h5", "the fox", "--beams", "2"), 2);
    expect_log("g_lstm.h5 is a Composed, which keeps no cache that beams could share");
}

/* A tokenizer of fewer tokens than the table has rows: only its tokens are taken. */
static void tokens_without_a_name_are_not_taken(void **state)
{
    (void)state;
    write_text("g_few.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nfox\n");
    make_model("g_few.h5", "GPT2LMHeadModel", "{" GPT2_SIZES "}", "{}", "g_few.txt", 11);
    expect_status(aesop(7, "generate", "g_few.h5", "the", "--temperature", "3", "--length", "200"), 0);
    expect_status(aesop(5, "generate", "g_few.h5", "the fox", "--length", "30"), 0);
}

static void bad_input(void **state)
{
    (void)state;
    expect_status(aesop(3, "generate", "g_bert.h5", "the"), 2);
    expect_log("g_bert.h5 is a BertForMaskedLM and has no head of a language model; `aesop fill` is for it");
    give_input("");
    expect_status(aesop(2, "generate", "g_own.h5"), 2);
    expect_log("no prompt: give one as an argument, a line each on standard input, or with --prompts FILE");
    expect_status(aesop(5, "generate", "g_own.h5", "the", "--prompts", "words.txt"), 2);
    expect_log("give either a prompt or --prompts, not both");
    expect_status(aesop(7, "generate", "g_own.h5", "the", "--temperature", "0", "--top-k", "3"), 2);
    expect_log("--temperature 0 takes the likeliest token; --top-k and --top-p are for drawing");
    expect_status(aesop(4, "generate", "g_own.h5", "--prompts", "nowhere.txt"), 2);
    expect_log("nowhere.txt");
    write_text("g_plain.txt", "the\nfox\n");
    make_model("g_plain.h5", "GPT2LMHeadModel", "{" GPT2_SIZES "}", "{}", "g_plain.txt", 1);
    expect_status(aesop(3, "generate", "g_plain.h5", ""), 2);
    expect_log("the prompt is empty, and the tokenizer has no token that begins a text; give some text");
    make_model("g_mute.h5", "GPT2LMHeadModel", "{" GPT2_SIZES "}", "{}", "", 1);
    expect_status(aesop(3, "generate", "g_mute.h5", "the"), 2);
    expect_log("g_mute.h5 holds no tokenizer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greedy_is_the_likeliest),           cmocka_unit_test(drawing_follows_the_seed),
        cmocka_unit_test(several_prompts_and_continuations), cmocka_unit_test(texts_outgrow_the_model),
        cmocka_unit_test(beams_find_the_likeliest_text),     cmocka_unit_test(tokens_without_a_name_are_not_taken),
        cmocka_unit_test(texts_end_before_a_stop),           cmocka_unit_test(bad_input),
    };
    return cmocka_run_group_tests(tests, make_models, free_texts);
}
