/* English words: to the letter those of the programs that define them (english_words.json), offsets and lower case,
 * lines and sentences; the kinds for recurrent models with their special tokens. */
#include "tokenizer_samples.h"

#include "tokenizers/tokenizer_internal.h"

/* A tokenizer without a vocabulary, which can split. */
static ae_tokenizer *splitter(const char *normalizer)
{
    char text[512];
    snprintf(text, sizeof text,
             "{\"added_tokens\":[],\"normalizer\":%s,\"pre_tokenizer\":{\"type\":\"WhitespaceSplit\"},"
             "\"model\":{\"type\":\"WordLevel\",\"vocab\":{},\"unk_token\":\"x\"}}",
             normalizer);
    return good_text(text);
}

typedef struct line {
    char text[2048];
    size_t length;
} line;

static int add_word(void *self, const char *word, size_t bytes)
{
    line *l = self;
    assert_true(l->length + bytes + 2 < sizeof l->text);
    l->length += (size_t)snprintf(l->text + l->length, bytes + 2, "%s%.*s", l->length ? " " : "", (int)bytes, word);
    return 0;
}

static void split(const ae_tokenizer *t, const char *text, size_t bytes, line *l)
{
    ae_err e = {0};
    ae_encoding x = {0};
    memset(l, 0, sizeof *l);
    assert_int_equal(ae_tokenizer_split(t, text, bytes, add_word, l, &x, &e), 0);
    ae_encoding_free(&x);
}

static void words_are_those_of_the_programs(void **state)
{
    (void)state;
    static const struct {
        const char *name, *normalizer;
    } all[] = {{"treebank", "{\"type\":\"EnglishWords\",\"rules\":\"treebank\"}"},
               {"nltk", "{\"type\":\"EnglishWords\",\"rules\":\"nltk\"}"},
               {"moses", "{\"type\":\"EnglishWords\",\"rules\":\"moses\"}"},
               {"escaped", "{\"type\":\"EnglishWords\",\"rules\":\"moses\",\"aggressive\":true,\"escape\":true}"}};
    ae_err e = {0};
    ae_json *cases = ae_json_read_file(AE_TEST_DIR "/tokenizers/english_words.json", &e);
    assert_non_null(cases);
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        ae_tokenizer *t = splitter(all[k].normalizer);
        int rows = 0;
        for (const ae_json *m = ae_json_first(ae_json_get(cases, "rows")); m; m = ae_json_next(m), rows++) {
            size_t bytes, length;
            char *text = ae_json_value_bytes(ae_json_get(m, "text"), &bytes, NULL);
            char *want = ae_json_value_bytes(ae_json_get(m, all[k].name), &length, NULL);
            line got;
            split(t, text, bytes, &got);
            if (strcmp(got.text, want) != 0) {
                fail_msg("%s of %s: %s, not %s", all[k].name, text, got.text, want);
            }
            free(text);
            free(want);
        }
        assert_int_equal(rows, 100);
        ae_tokenizer_free(t);
    }
    ae_json_free(cases);
}

static void lines_are_sentences(void **state)
{
    (void)state;
    static const char text[] = "He ran.\nHe hid.\n\n\"So,\" he said.";
    line got;
    ae_tokenizer *t = splitter("{\"type\":\"EnglishWords\",\"rules\":\"treebank\"}");
    split(t, text, sizeof text - 1, &got);
    assert_string_equal(got.text, "He ran . He hid . `` So , '' he said .");
    ae_tokenizer_free(t);
    t = splitter("{\"type\":\"EnglishWords\",\"rules\":\"moses\",\"lowercase\":true}");
    split(t, text, sizeof text - 1, &got);
    assert_string_equal(got.text, "he ran . he hid . \" so , \" he said .");
    ae_tokenizer_free(t);
    t = splitter("{\"type\":\"EnglishWords\",\"rules\":\"nltk\"}");
    split(t, text, sizeof text - 1, &got);
    assert_string_equal(got.text, "He ran. He hid. '' So , '' he said .");
    split(t,
          "a\x1c"
          "b\x1f.",
          5, &got); /* which Python takes for blanks */
    assert_string_equal(got.text, "a b .");
    split(t, "He ran,,\n", 9, &got);
    assert_string_equal(got.text, "He ran , ,");
    ae_tokenizer_free(t);
}

/* Every word's range is that of the text it stands for, quotes that are spelled anew too. */
static void offsets_are_of_the_text(void **state)
{
    (void)state;
    ae_tokenizer *t =
        good_text("{\"added_tokens\":[],\"normalizer\":{\"type\":\"EnglishWords\",\"rules\":\"treebank\"},"
                  "\"pre_tokenizer\":{\"type\":\"WhitespaceSplit\"},\"model\":{\"type\":\"WordLevel\","
                  "\"vocab\":{\"``\":0,\"do\":1,\"n't\":2,\"''\":3,\".\":4,\"x\":5},\"unk_token\":\"x\"}}");
    ae_encoding x = {0};
    encode_text(t, "\"don't \xc3\xa9\".", NULL, &x);
    assert_spelled(t, &x, "`` do n't x '' .");
    static const int64_t starts[] = {0, 1, 3, 7, 9, 10}, ends[] = {1, 3, 6, 9, 10, 11};
    assert_memory_equal(x.starts, starts, sizeof starts);
    assert_memory_equal(x.ends, ends, sizeof ends);
    ae_encoding_free(&x);
    ae_tokenizer_free(t);
}

static void parameters_survive(void **state)
{
    (void)state;
    static const char text[] = "{\"type\":\"EnglishWords\",\"rules\":\"moses\",\"aggressive\":true,\"escape\":false,"
                               "\"lowercase\":true}";
    ae_tokenizer *t = splitter(text);
    ae_json *whole = ae_tokenizer_json(t, NULL);
    char *written = ae_json_text(ae_json_get(whole, "normalizer"), false, NULL);
    assert_string_equal(written, text);
    free(written);
    ae_json_free(whole);
    ae_tokenizer_free(t);
    static const char *const bad[][2] = {
        {"{\"type\":\"EnglishWords\"}", "rules"},
        {"{\"type\":\"EnglishWords\",\"rules\":\"penn\"}", "\"rules\" is \"penn\"; it may be treebank, nltk or moses"},
        {"{\"type\":\"EnglishWords\",\"rules\":\"moses\",\"escape\":1}", "escape"}};
    for (int i = 0; i < 3; i++) {
        ae_err e = {0};
        ae_component c;
        ae_json *j = ae_json_parse(bad[i][0], strlen(bad[i][0]), &e);
        assert_int_equal(ae_normalizer_from_json(j, &c, &e), -1);
        assert_message(&e, "normalizer EnglishWords: ");
        assert_message(&e, bad[i][1]);
        ae_json_free(j);
    }
}

/* ---- kinds --------------------------------------------------------------------------------------------------------- */

static void kinds_frame_their_words(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *text, *want;
        const char *tokens[10];
    } all[] = {{"simple",
                "Don't pay 1,000.50!",
                "[CLS] Don't [UNK] 1,000.50 ! [SEP]",
                {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "Don't", "1,000.50", "!"}},
               {"treebank", "It's!", "<s> It 's <unk> </s>", {"<pad>", "<unk>", "<s>", "</s>", "It", "'s"}},
               {"nltk", "It's! \"", "It 's UNK ``", {"<eos>", "UNK", "It", "'s", "``"}},
               {"moses", "It's & THAT!", "it 's & <unk> !", {"<blank>", "<unk>", "<s>", "</s>", "it", "'s", "&", "!"}}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        int n = 0;
        while (n < 10 && all[i].tokens[n]) {
            n++;
        }
        ae_tokenizer *t = of_kind(all[i].kind, all[i].tokens, n);
        ae_encoding x = {0};
        assert_string_equal(ae_tokenizer_kind(t), all[i].kind);
        encode_text(t, all[i].text, &(ae_encode_options){.special = true}, &x);
        assert_spelled(t, &x, all[i].want);
        assert_true(ae_tokenizer_role(t, AE_TOKEN_UNKNOWN) == 1);
        ae_encoding_free(&x);
        ae_tokenizer_free(t);
    }
    ae_tokenizer *t = of_kind("moses", all[3].tokens, 4);
    assert_int_equal(ae_tokenizer_role(t, AE_TOKEN_PAD), 0);
    ae_tokenizer_free(t);
}

/* Capitals tell words apart and then become small; accents go first. */
static void options_go_around_the_rules(void **state)
{
    (void)state;
    ae_err e = {0};
    line got;
    ae_tokenizer_options o = {.lower_case = -1, .strip_accents = 1};
    ae_kind_parts parts = {.kind = ae_kind_find("moses", &e), .options = &o};
    ae_tokenizer *t = ae_tokenizer_from_parts(&parts, &e);
    assert_string_equal(ae_tokenizer_kind(t), "moses");
    split(t, "Mr. \xc3\x89mile ran.", 16, &got);
    assert_string_equal(got.text, "Mr. Emile ran .");
    ae_tokenizer_free(t);
    parts.kind = ae_kind_find("treebank", &e);
    o.lower_case = 1;
    t = ae_tokenizer_from_parts(&parts, &e);
    assert_string_equal(ae_tokenizer_kind(t), "treebank");
    split(t, "WE'LL CAN'T", 11, &got);
    assert_string_equal(got.text, "we 'll ca n't");
    ae_tokenizer_free(t);
    parts.kind = ae_kind_find("simple", &e);
    t = ae_tokenizer_from_parts(&parts, &e);
    static const char text[] = "B2B e-mail: \xc3\x89t\xc3\xa9 U.S. 3.14. it\xe2\x80\x99s 'x'";
    split(t, text, sizeof text - 1, &got);
    assert_string_equal(got.text, "b2b e - mail : ete u . s . 3.14 . it\xe2\x80\x99s ' x '");
    ae_tokenizer_free(t);
}

static void any_text_is_taken(void **state)
{
    (void)state;
    static char text[1 << 14];
    static const char *const kinds[] = {"simple", "treebank", "nltk", "moses"};
    for (int k = 0; k < 4; k++) {
        ae_tokenizer *t = of_kind(kinds[k], (const char *const[]){"[UNK]", "<unk>", "UNK"}, 3);
        ae_encoding x = {0};
        ae_err e = {0};
        uint64_t seed = 9;
        for (int i = 0; i < 200; i++) {
            size_t bytes = random_text(&seed, 20, text, sizeof text);
            assert_int_equal(ae_tokenizer_encode(t, text, bytes, NULL, &x, &e), 0);
            for (int64_t n = 0; n < x.count; n++) {
                assert_true(x.starts[n] <= x.ends[n] && (size_t)x.ends[n] <= bytes);
                assert_true(n == 0 || x.starts[n] >= x.starts[n - 1]);
            }
        }
        ae_encoding_free(&x);
        ae_tokenizer_free(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_those_of_the_programs),
        cmocka_unit_test(lines_are_sentences),
        cmocka_unit_test(offsets_are_of_the_text),
        cmocka_unit_test(parameters_survive),
        cmocka_unit_test(kinds_frame_their_words),
        cmocka_unit_test(options_go_around_the_rules),
        cmocka_unit_test(any_text_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
