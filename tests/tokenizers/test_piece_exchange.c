/* SentencePiece's tokenizers in Hugging Face's words and back: the same ids where the library's words suffice, a
 * message where they do not. Metaspace, Precompiled, maps of characters and base64, which carry them. */
#include "tensor/base64.h"
#include "tokenizer_samples.h"
#include "tokenizers/charsmap.h"
#include "tokenizers/piece_kinds.h"
#include "tokenizers/rust_number.h"
#include "tokenizers/tokenizer_internal.h"

/* ---- base64 ----------------------------------------------------------------------------------------------------------- */

static void test_base64(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"\xff\xfe?", "//4/"}};
    for (int i = 0; i < 5; i++) {
        size_t n = 0;
        char *text = ae_base64_text(pairs[i][0], strlen(pairs[i][0]));
        char *bytes = ae_base64_bytes(pairs[i][1], strlen(pairs[i][1]), &n, NULL);
        assert_string_equal(text, pairs[i][1]);
        assert_string_equal(bytes, pairs[i][0]);
        assert_int_equal(n, strlen(pairs[i][0]));
        free(text);
        free(bytes);
    }
    size_t n = 0;
    ae_err e = {0};
    assert_null(ae_base64_bytes("Zg=", 3, &n, &e));
    assert_message(&e, "3 letters are not base64: a multiple of 4 is needed");
    ae_err_clear(&e);
    assert_null(ae_base64_bytes("Z g=", 4, &n, &e));
    assert_message(&e, "letter 2 is not base64");
    ae_err_clear(&e);
    assert_null(ae_base64_bytes("Z===", 4, &n, &e));
    assert_message(&e, "letter 2 is not base64");
}

/* ---- maps of characters ------------------------------------------------------------------------------------------------- */

static ae_charsmap golden_map(void)
{
    ae_tokenizer *t = open_golden("tok_spm_bpe", NULL);
    ae_json *j = ae_component_json(&t->normalizer, NULL);
    ae_charsmap map;
    assert_int_equal(ae_charsmap_from_json(j, &map, NULL), 0);
    ae_json_free(j);
    ae_tokenizer_free(t);
    return map;
}

static void test_charsmap(void **state)
{
    (void)state;
    ae_charsmap map = golden_map();
    const char *with = NULL;
    assert_int_equal(ae_charsmap_longest(&map, "\xef\xbc\xa1x", 4, &with), 3); /* a wide A */
    assert_string_equal(with, "A");
    assert_int_equal(ae_charsmap_longest(&map, "e\xcc\x81", 3, &with), 3);
    assert_string_equal(with, "\xc3\xa9");
    assert_int_equal(ae_charsmap_longest(&map, "ex", 2, &with), 0);
    assert_int_equal(ae_charsmap_longest(&map, "", 0, &with), 0);
    assert_int_equal(ae_charsmap_shortest(&map, "\t\n", 2, &with), 1);
    assert_string_equal(with, " ");
    assert_true(map.apart['e'] && !map.apart['\t']);
    assert_true(map.keeps_blanks);
    ae_charsmap_free(&map);
    assert_int_equal(ae_charsmap_read("", 0, &map, NULL), 0);
    assert_int_equal(ae_charsmap_longest(&map, "e", 1, &with), 0);
    ae_charsmap_free(&map);
    static const struct {
        const char *bytes;
        size_t length;
        const char *message;
    } broken[] = {{"\0\0\0", 3, "a trie of 0 bytes in 3"},
                  {"\4\0\0\0....", 8, "a trie of 4 bytes in 8"},
                  {"\3\0\0\0......", 10, "a trie of 3 bytes in 10"},
                  {"\4\0\0\0....\xff", 9, "its texts are not UTF-8"}};
    for (int i = 0; i < 4; i++) {
        ae_err e = {0};
        assert_int_equal(ae_charsmap_read(broken[i].bytes, broken[i].length, &map, &e), -1);
        assert_message(&e, broken[i].message);
    }
}

/* ---- Metaspace ------------------------------------------------------------------------------------------------------------ */

static void words(const char *pre, const char *text, const char *want)
{
    char json[1000];
    snprintf(json, sizeof json,
             "{\"pre_tokenizer\":%s,\"decoder\":{\"type\":\"Metaspace\"},\"model\":{\"type\":\"Unigram\",\"unk_id\":0,"
             "\"vocab\":[[\"<unk>\",0],[\"_a\",-1],[\"a\",-2],[\"_\",-3],[\"\xe2\x96\x81\",-3],[\"\xe2\x96\x81"
             "a\",-1]]}}",
             pre);
    ae_tokenizer *t = good_text(json);
    ae_encoding x = {0};
    encode_text(t, text, NULL, &x);
    assert_spelled(t, &x, want);
    ae_encoding_free(&x);
    ae_tokenizer_free(t);
}

static void test_metaspace(void **state)
{
    (void)state;
    words("{\"type\":\"Metaspace\",\"replacement\":\"_\"}", "a a  a", "_a _a _ _a");
    words("{\"type\":\"Metaspace\",\"replacement\":\"_\"}", " a", "_a");
    words("{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"never\"}", "a a", "a _a");
    words("{\"type\":\"Metaspace\",\"replacement\":\"_\",\"add_prefix_space\":false}", "a a", "a _a");
    words("{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"WhitespaceSplit\"},{\"type\":\"Metaspace\","
          "\"replacement\":\"_\",\"prepend_scheme\":\"first\"}]}",
          "a a", "_a a");
    words("{\"type\":\"Metaspace\",\"split\":false}", "a",
          "\xe2\x96\x81"
          "a");
    static const char *const broken[][2] = {
        {"{\"type\":\"Metaspace\",\"replacement\":\"ab\"}", "\"replacement\" must be one character"},
        {"{\"type\":\"Metaspace\",\"prepend_scheme\":\"often\"}", "\"prepend_scheme\" must be always, first or never"},
        {"{\"type\":\"Metaspace\",\"prepend_scheme\":\"always\",\"add_prefix_space\":false}",
         "\"add_prefix_space\" is false and \"prepend_scheme\" is not never"}};
    for (int i = 0; i < 3; i++) {
        char json[300];
        ae_err e = {0};
        snprintf(json, sizeof json, "{\"pre_tokenizer\":%s,\"model\":{\"type\":\"WordLevel\",\"vocab\":{}}}",
                 broken[i][0]);
        assert_null(from_text(json, &e));
        assert_message(&e, broken[i][1]);
    }
}

/* ---- both ways --------------------------------------------------------------------------------------------------------------- */

/* Texts that the two libraries see alike. */
static const char *const plain[] = {
    "The quick brown fox jumps over the lazy dog.", "  two  blanks ", "", " ", "1,234 and 9,",
    "caf\xc3\xa9 \xe4\xbd\xa0\xe5\xa5\xbd",         "``quoted''"};

static void same_ids(const ae_tokenizer *a, const ae_tokenizer *b)
{
    ae_encoding x = {0}, y = {0};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        encode_text(a, plain[i], NULL, &x);
        encode_text(b, plain[i], NULL, &y);
        assert_int_equal(x.count, y.count);
        assert_true(x.count == 0 || memcmp(x.ids, y.ids, (size_t)x.count * sizeof *x.ids) == 0);
    }
    ae_encoding_free(&x);
    ae_encoding_free(&y);
}

/* What the library reads has none of this library's own types. */
static ae_tokenizer *exchanged(const ae_tokenizer *t)
{
    ae_err e = {0};
    ae_json *j = ae_tokenizer_exchange_json(t, &e);
    if (!j) {
        fail_msg("%s", e.message);
    }
    char *text = ae_json_text(j, false, &e);
    assert_null(strstr(text, "\"SentencePiece\""));
    assert_null(strstr(text, "\"PieceText\""));
    ae_tokenizer *again = ae_tokenizer_from_json(j, &e);
    assert_non_null(again);
    free(text);
    ae_json_free(j);
    return again;
}

static ae_tokenizer *filed(const ae_tokenizer *t)
{
    ae_err e = {0};
    size_t bytes = 0;
    ae_piece_file f;
    char *data = ae_tokenizer_piece_file(t, &bytes, &e);
    if (!data || ae_piece_file_read(data, bytes, &f, &e) != 0) {
        fail_msg("%s", e.message);
    }
    free(data);
    ae_tokenizer *again =
        ae_tokenizer_from_pieces(&f, ae_piece_kind_find("sentencepiece"), &(ae_piece_settings){0}, &e);
    assert_non_null(again);
    return again;
}

static void test_both_ways(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"tok_spm_bpe", "sentencepiece"},
                                           {"tok_spm_unigram_bytefallback", "sentencepiece"},
                                           {"tok_t5", "t5"},
                                           {"tok_albert", "albert"},
                                           {"tok_xlnet", "xlnet"}};
    for (int i = 0; i < 5; i++) {
        ae_tokenizer *t = open_golden(cases[i][0], &(ae_tokenizer_options){.kind = cases[i][1]});
        ae_tokenizer *there = exchanged(t);
        same_ids(t, there);
        if (i < 3) { /* the cleaning of the other two is no matter of such a file */
            ae_tokenizer *back = filed(there);
            same_ids(t, back);
            ae_tokenizer_free(back);
        }
        ae_tokenizer_free(there);
        ae_tokenizer_free(t);
    }
}

static void has_no_words(const char *file, const char *message)
{
    char path[512];
    ae_err e = {0};
    snprintf(path, sizeof path, "%s/tokenizers/sentencepiece/%s.model", AE_TEST_DIR, file);
    ae_tokenizer *t = ae_tokenizer_open(path, NULL, &e);
    assert_non_null(t);
    assert_null(ae_tokenizer_exchange_json(t, &e));
    assert_message(&e, message);
    ae_tokenizer_free(t);
}

static void has_no_file(const char *json, const char *message)
{
    ae_err e = {0};
    size_t bytes = 0;
    ae_tokenizer *t = good_text(json);
    assert_null(ae_tokenizer_piece_file(t, &bytes, &e));
    assert_message(&e, message);
    ae_tokenizer_free(t);
}

#define UNIGRAM "\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0],[\"a\",-1]]}}"

static void test_refused(void **state)
{
    (void)state;
    has_no_words("suffix", "blanks stand behind words here");
    has_no_words("word", "a word model joins unknown words");
    has_no_words("symbols_bpe", "the user-defined symbol \"<sep>\" of a BPE model has no place");
    has_no_file("{\"normalizer\":{\"type\":\"NFD\"}," UNIGRAM, "a .model cannot hold the normalizer NFD");
    has_no_file("{\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\"x\"},\"content\":\"y\"}," UNIGRAM,
                "a .model cannot hold the normalizer Replace");
    has_no_file("{\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"}," UNIGRAM,
                "a .model cannot hold the pre-tokenizer BertPreTokenizer");
    has_no_file("{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0},\"unk_token\":\"a\"}}",
                "a .model holds Unigram or BPE over U+2581, and this tokenizer's model is WordLevel");
    has_no_file("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}",
                "a .model must have an unknown piece, and this tokenizer has none");
    has_no_file("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"unk_token\":\"a\","
                "\"end_of_word_suffix\":\"</w>\"}}",
                "this tokenizer's model is BPE with marks at words' ends");
}

/* ---- numbers -------------------------------------------------------------------------------------------------------------------- */

/* 17 digits that are rounded before they are divided differ from the nearest number in the last bit. */
static void test_numbers(void **state)
{
    (void)state;
    static const char *const texts[] = {"-10.238945960998535",     "1e22",  "-0.1", "3",
                                        "12345678901234567890123", "1e-320"};
    for (int i = 0; i < 6; i++) {
        double read = 0, again = 0;
        ae_json *j = ae_json_parse(texts[i], strlen(texts[i]), NULL);
        assert_int_equal(ae_rust_double(j, &read, NULL), 0);
        double nearest = strtod(texts[i], NULL), off = read - nearest;
        assert_true((off < 0 ? -off : off) <= (nearest < 0 ? -nearest : nearest) * 1e-15 + 1e-321);
        ae_json *k = ae_rust_number(read);
        assert_int_equal(ae_rust_double(k, &again, NULL), 0);
        assert_true(again == read);
        ae_json_free(j);
        ae_json_free(k);
    }
    ae_json *text = ae_json_new_string("1");
    double value = 0;
    assert_int_equal(ae_rust_double(text, &value, NULL), -1);
    ae_json_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64),    cmocka_unit_test(test_charsmap), cmocka_unit_test(test_metaspace),
        cmocka_unit_test(test_both_ways), cmocka_unit_test(test_refused),  cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
