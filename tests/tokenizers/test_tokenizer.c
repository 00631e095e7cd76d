/* The interface of tokenizers: truncation, templates, decoding, bad bytes, kinds, words for trainers. */
#include "tokenizer_samples.h"

#include "tokenizers/tokenizer_internal.h"
#include "tokenizers/tokenizer_trainer.h"

/* ---- truncation, templates --------------------------------------------------------------------------------------------- */

static void test_truncation(void **state)
{
    (void)state;
    ae_tokenizer *t = of_kind("space", letter_tokens, LETTER_TOKENS);
    ae_encoding x = {0};
    ae_err e = {0};
    ae_encode_options o = {.special = true, .max_length = 6};
    const char *a = "a b e h", *b = "l o";
    assert_int_equal(ae_tokenizer_encode_pair(t, a, 7, b, 3, &o, &x, &e), 0);
    assert_spelled(t, &x, "[CLS] a b [SEP] l [SEP]");
    assert_int_equal(x.dropped, 3);
    o.truncation = AE_TRUNCATE_FIRST;
    assert_int_equal(ae_tokenizer_encode_pair(t, a, 7, b, 3, &o, &x, &e), 0);
    assert_spelled(t, &x, "[CLS] a [SEP] l o [SEP]");
    o.truncation = AE_TRUNCATE_SECOND;
    assert_int_equal(ae_tokenizer_encode_pair(t, a, 7, b, 3, &o, &x, &e), -1);
    assert_message(&e, "the second text alone has 2 tokens to give, and 3 are too many; truncate the longest");
    e = (ae_err){0};
    o.max_length = 8;
    assert_int_equal(ae_tokenizer_encode_pair(t, a, 7, b, 3, &o, &x, &e), 0);
    assert_spelled(t, &x, "[CLS] a b e h [SEP] l [SEP]");
    o.truncation = AE_TRUNCATE_ERROR;
    assert_int_equal(ae_tokenizer_encode_pair(t, a, 7, b, 3, &o, &x, &e), -1);
    assert_message(&e, "9 tokens, and 8 may be; truncation is off");
    e = (ae_err){0};
    o.max_length = 2;
    assert_int_equal(ae_tokenizer_encode_pair(t, a, 7, b, 3, &o, &x, &e), -1);
    assert_message(&e, "a limit of 2 tokens leaves no place for the 3 special ones");
    o = (ae_encode_options){.max_length = 3};
    encode_text(t, a, &o, &x);
    assert_spelled(t, &x, "a b e");
    o.truncation = AE_TRUNCATE_SECOND; /* of one text there is no second */
    encode_text(t, a, &o, &x);
    assert_spelled(t, &x, "a b e");
    ae_encoding_free(&x);
    ae_tokenizer_free(t);
}

static void test_assemble(void **state)
{
    (void)state;
    ae_tokenizer *t = open_golden("tok_roberta", NULL);
    static const int32_t a[] = {10, 11}, b[] = {12};
    int32_t ids[8];
    uint8_t types[8];
    assert_int_equal(ae_tokenizer_special_count(t, false), 2);
    assert_int_equal(ae_tokenizer_special_count(t, true), 4);
    assert_int_equal(ae_tokenizer_assemble(t, a, 2, NULL, 0, ids, types), 4);
    assert_memory_equal(ids, ((int32_t[]){0, 10, 11, 2}), 16);
    assert_int_equal(ae_tokenizer_assemble(t, a, 2, b, 1, ids, NULL), 7);
    assert_memory_equal(ids, ((int32_t[]){0, 10, 11, 2, 2, 12, 2}), 28);
    assert_int_equal(ae_tokenizer_assemble(t, a, 0, b, 0, ids, types), 4);
    assert_memory_equal(ids, ((int32_t[]){0, 2, 2, 2}), 16);
    ae_tokenizer_free(t);
    /* XLNet's: the special token last, of a type of its own. */
    t = good_text(
        "{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"<unk>\":0,\"<sep>\":1,\"<cls>\":2,\"a\":3}},\"added_tokens\":"
        "[{\"id\":1,\"content\":\"<sep>\",\"special\":true},{\"id\":2,\"content\":\"<cls>\",\"special\":true}],"
        "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
        "{\"SpecialToken\":{\"id\":\"<sep>\",\"type_id\":0}},{\"SpecialToken\":{\"id\":\"<cls>\",\"type_id\":2}}],"
        "\"pair\":[{\"Sequence\":{\"id\":\"B\",\"type_id\":1}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],"
        "\"special_tokens\":{\"<sep>\":{\"id\":\"<sep>\",\"ids\":[1],\"tokens\":[\"<sep>\"]},"
        "\"<cls>\":{\"id\":\"<cls>\",\"ids\":[2,2],\"tokens\":[\"<cls>\",\"<cls>\"]}}}}");
    assert_int_equal(ae_tokenizer_assemble(t, a, 1, NULL, 0, ids, types), 4);
    assert_memory_equal(ids, ((int32_t[]){10, 1, 2, 2}), 16);
    assert_memory_equal(types, ((uint8_t[]){0, 0, 2, 2}), 4);
    assert_int_equal(ae_tokenizer_assemble(t, a, 1, b, 1, ids, types), 2);
    assert_memory_equal(ids, ((int32_t[]){12, 10}), 8);
    assert_int_equal(ae_tokenizer_role(t, AE_TOKEN_CLS), 2);
    assert_int_equal(ae_tokenizer_role(t, AE_TOKEN_SEP), 1);
    assert_int_equal(ae_tokenizer_role(t, AE_TOKEN_UNKNOWN), 0);
    assert_int_equal(ae_tokenizer_role(t, AE_TOKEN_PAD), -1);
    assert_int_equal(ae_tokenizer_role(t, AE_TOKEN_ROLES), -1);
    ae_tokenizer_free(t);
}

/* ---- bytes that are no text --------------------------------------------------------------------------------------------- */

/* What is broken counts as U+FFFD, and stands for the broken bytes. */
static void test_invalid_utf8(void **state)
{
    (void)state;
    ae_tokenizer *t = open_golden("tok_gpt2", NULL);
    ae_encoding x = {0}, y = {0};
    ae_err e = {0};
    static const char broken[] = "a\xe4\xb8z\xff\xf0\x9f\x98", mended[] = "a\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd";
    assert_int_equal(ae_tokenizer_encode(t, broken, sizeof broken - 1, NULL, &x, &e), 0);
    assert_int_equal(ae_tokenizer_encode(t, mended, sizeof mended - 1, NULL, &y, &e), 0);
    assert_int_equal(x.count, y.count);
    assert_memory_equal(x.ids, y.ids, (size_t)x.count * 4);
    assert_int_equal(x.starts[0], 0);
    assert_int_equal(x.ends[0], 1);
    assert_int_equal(x.starts[1], 1);
    assert_int_equal(x.ends[x.count - 1], sizeof broken - 1);
    size_t bytes = 0;
    char *text = ae_tokenizer_decode(t, x.ids, x.count, false, &bytes, &e);
    assert_string_equal(text, mended);
    free(text);
    /* A token of one byte of a character: no valid text. */
    int32_t byte = ae_tokenizer_id(t, "\xc3\xa4", 2);
    assert_true(byte >= 0);
    text = ae_tokenizer_decode(t, &byte, 1, false, NULL, &e);
    assert_string_equal(text, "\xef\xbf\xbd");
    free(text);
    /* A zero byte is a character like others. */
    assert_int_equal(ae_tokenizer_encode(t, "a\0b", 3, NULL, &x, &e), 0);
    assert_spelled(t, &x, "a \xc4\x80 b");
    text = ae_tokenizer_decode(t, x.ids, x.count, false, &bytes, &e);
    assert_int_equal(bytes, 3);
    assert_memory_equal(text, "a\0b", 4);
    free(text);
    ae_tokenizer_free(t);
    t = open_golden("tok_bert_uncased", NULL); /* which drops U+FFFD and zero bytes */
    assert_int_equal(ae_tokenizer_encode(t, "m\0e\xff m\xe4", 7, NULL, &x, &e), 0);
    assert_spelled(t, &x, "m ##e m");
    assert_int_equal(x.starts[1], 2);
    assert_int_equal(x.starts[2], 5);
    assert_int_equal(x.ends[2], 6);
    ae_encoding_free(&x);
    ae_encoding_free(&y);
    ae_tokenizer_free(t);
}

static void test_decode(void **state)
{
    (void)state;
    ae_tokenizer *t = of_kind("space", letter_tokens, LETTER_TOKENS);
    ae_err e = {0};
    static const int32_t ids[] = {1, 3, 4, 2};
    size_t bytes = 0;
    char *text = ae_tokenizer_decode(t, ids, 4, false, &bytes, &e);
    assert_string_equal(text, "[CLS] a b [SEP]");
    assert_int_equal(bytes, 15);
    free(text);
    text = ae_tokenizer_decode(t, ids, 4, true, NULL, &e);
    assert_string_equal(text, "a b");
    free(text);
    text = ae_tokenizer_decode(t, NULL, 0, true, &bytes, &e);
    assert_string_equal(text, "");
    assert_int_equal(bytes, 0);
    free(text);
    ae_tokenizer *folded = good_text("{\"added_tokens\":[{\"id\":1,\"content\":\"ADD\",\"normalized\":true}],"
                                     "\"normalizer\":{\"type\":\"Lowercase\"},\"model\":{\"type\":\"WordLevel\","
                                     "\"vocab\":{\"[UNK]\":0},\"unk_token\":\"[UNK]\"}}");
    text = ae_tokenizer_decode(folded, (const int32_t[]){1, 0}, 2, false, NULL, &e);
    assert_string_equal(text, "add [UNK]"); /* as it is looked for */
    free(text);
    ae_tokenizer_free(folded);
    static const int32_t outside[] = {3, 12}, negative[] = {-1};
    assert_null(ae_tokenizer_decode(t, outside, 2, false, NULL, &e));
    assert_int_equal(e.code, AE_E_VALUE);
    assert_message(&e, "the id 12 at place 1 has no token; the vocabulary has 12");
    assert_null(ae_tokenizer_decode(t, negative, 1, false, NULL, &e));
    ae_tokenizer_free(t);
}

/* ---- kinds ----------------------------------------------------------------------------------------------------------------- */

static void test_kinds(void **state)
{
    (void)state;
    assert_null(ae_tokenizer_kind_name(-1));
    assert_null(ae_tokenizer_kind_about(ae_tokenizer_kind_count()));
    ae_err e = {0};
    for (int i = 0; i < ae_tokenizer_kind_count(); i++) { /* without a vocabulary they split, and know themselves */
        ae_kind_parts parts = {.kind = ae_kind_find(ae_tokenizer_kind_name(i), &e)};
        ae_tokenizer *t = ae_tokenizer_from_parts(&parts, &e);
        assert_non_null(t);
        assert_true(strlen(ae_tokenizer_kind_about(i)) > 10);
        /* An empty vocabulary has no special tokens, so a frame falls away and char looks like plain but for Strip. */
        const char *name = parts.kind->name;
        bool framed = strcmp(name, "roberta") == 0 || strcmp(name, "whisper") == 0;
        assert_string_equal(ae_tokenizer_kind(t), framed ? "gpt2" : strcmp(name, "clip") == 0 ? "custom" : name);
        ae_tokenizer_free(t);
    }
    assert_null(ae_kind_find("brt", &e));
    assert_message(&e, "there is no tokenizer kind \"brt\"; did you mean \"bert\"?; kinds: bert, gpt1, gpt2, roberta, "
                       "clip, whisper, char, space, uer-space, simple, treebank, nltk, moses, plain");
}

/* What Python's text.strip().split(" ") gives. */
static void test_uer_space(void **state)
{
    (void)state;
    static const char *const tokens[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "a\tb"};
    ae_encoding x = {0};
    ae_tokenizer *t = of_kind("uer-space", tokens, 7);
    encode_text(t, "\x1c a  b a\tb   B\xe3\x80\x80\n", &(ae_encode_options){.special = true}, &x);
    assert_spelled(t, &x, "[CLS] a [UNK] b a\tb [UNK] [UNK] [UNK] [SEP]");
    static const int64_t starts[] = {0, 2, 4, 5, 7, 11, 12, 13, 0}, ends[] = {0, 3, 4, 6, 10, 11, 12, 14, 0};
    assert_memory_equal(x.starts, starts, sizeof starts);
    assert_memory_equal(x.ends, ends, sizeof ends);
    encode_text(t, " \n ", NULL, &x);
    assert_spelled(t, &x, "[UNK]");
    encode_text(t, "", NULL, &x);
    assert_int_equal(x.count, 0);
    ae_encoding_free(&x);
    ae_tokenizer_free(t);
    ae_err e = {0};
    assert_null(from_text("{\"normalizer\":{\"type\":\"UerSpace\",\"unknown\":1}," ONE_LETTER_WORDS "}", &e));
    assert_message(&e, "normalizer UerSpace: ");
}

static void test_char_kinds(void **state)
{
    (void)state;
    ae_encoding x = {0};
    ae_err e = {0};
    ae_tokenizer *t = of_kind("char", letter_tokens, LETTER_TOKENS);
    encode_text(t, "  hell\xc3\xb6 a\n", &(ae_encode_options){.special = true}, &x);
    assert_spelled(t, &x, "[CLS] h e l l [UNK]   a [SEP]");
    ae_tokenizer_free(t);
    /* Every character comes back; one that is not in the vocabulary is an error that names it. */
    t = of_kind("plain", letter_tokens + 3, LETTER_TOKENS - 3);
    static const char text[] = " \n\nhello  the\nboat ";
    encode_text(t, text, &(ae_encode_options){.special = true}, &x);
    assert_int_equal(x.count, sizeof text - 1);
    char *back = ae_tokenizer_decode(t, x.ids, x.count, true, NULL, &e);
    assert_string_equal(back, text);
    free(back);
    assert_int_equal(ae_tokenizer_encode(t, "hxa", 3, NULL, &x, &e), -1);
    assert_message(&e, "\"x\" is not in the vocabulary, and it has no unknown token");
    encode_text(t, "ha", NULL, &x); /* the failure is forgotten */
    ae_encoding_free(&x);
    ae_tokenizer_free(t);
}

static void test_parts(void **state)
{
    (void)state;
    ae_err e = {0};
    static const char *const tokens[] = {"a", "b", "ab", "a"};
    static const int32_t merges[][2] = {{0, 1}};
    static const char *const special[] = {"<end>", "b"};
    ae_kind_parts parts = {.kind = ae_kind_find("gpt2", &e),
                           .tokens = tokens,
                           .n_tokens = 3,
                           .merges = merges,
                           .n_merges = 1,
                           .special = special,
                           .n_special = 2};
    ae_tokenizer *t = ae_tokenizer_from_parts(&parts, &e);
    assert_non_null(t);
    ae_encoding x = {0};
    encode_text(t, "ab<end>ba", NULL, &x);
    assert_spelled(t, &x, "a b <end> b a"); /* b is found first, as a token of its own */
    assert_int_equal(ae_tokenizer_id(t, "<end>", 5), 3);
    ae_tokenizer_free(t);
    parts.n_special = 1;
    t = ae_tokenizer_from_parts(&parts, &e);
    encode_text(t, "ab<end>ba", NULL, &x);
    assert_spelled(t, &x, "ab <end> b a");
    ae_tokenizer_free(t);
    static const int32_t outside[][2] = {{0, 9}}, missing[][2] = {{1, 0}};
    parts.merges = outside;
    assert_null(ae_tokenizer_from_parts(&parts, &e));
    assert_message(&e, "merge 1 has the ids 0 and 9; the vocabulary has 3");
    e = (ae_err){0};
    parts.merges = missing;
    assert_null(ae_tokenizer_from_parts(&parts, &e));
    assert_message(&e, "merge 1 joins \"b\" and \"a\" to a token that is not in the vocabulary");
    e = (ae_err){0};
    static const char *const invalid[] = {"a\xff"};
    parts = (ae_kind_parts){.kind = ae_kind_find("space", &e), .tokens = invalid, .n_tokens = 1};
    assert_null(ae_tokenizer_from_parts(&parts, &e));
    assert_message(&e, "token 0 is not valid UTF-8");
    parts = (ae_kind_parts){.kind = ae_kind_find("space", &e), .tokens = tokens, .n_tokens = 4};
    t = ae_tokenizer_from_parts(&parts, &e); /* the last id of a token that stands twice */
    assert_int_equal(ae_tokenizer_id(t, "a", 1), 3);
    assert_string_equal(ae_tokenizer_token(t, 0, NULL), "a");
    ae_encoding_free(&x);
    ae_tokenizer_free(t);
}

static void test_continues(void **state)
{
    (void)state;
    ae_tokenizer *t = open_golden("tok_bert_cased", NULL);
    assert_true(ae_tokenizer_continues(t, ae_tokenizer_id(t, "##ing", 5)));
    assert_false(ae_tokenizer_continues(t, ae_tokenizer_id(t, "the", 3)));
    assert_false(ae_tokenizer_continues(t, ae_tokenizer_role(t, AE_TOKEN_MASK)));
    assert_false(ae_tokenizer_continues(t, 100000));
    ae_tokenizer_free(t);
    t = open_golden("tok_roberta", NULL);
    assert_true(ae_tokenizer_continues(t, ae_tokenizer_id(t, "ing", 3)));
    assert_false(ae_tokenizer_continues(t, ae_tokenizer_id(t, "\xc4\xa0the", 5)));
    assert_false(ae_tokenizer_continues(t, 0));
    ae_tokenizer_free(t);
}

/* ---- words for trainers ---------------------------------------------------------------------------------------------------- */

static int list_word(void *self, const char *word, size_t bytes)
{
    joined_words *j = self;
    join_word(j, word, bytes);
    join_word(j, "|", 1);
    return bytes == 4 && memcmp(word, "abcd", 4) == 0 ? 7 : 0;
}

static void test_split(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_encoding x = {0};
    static const struct {
        const char *kind, *words;
        bool letters_apart;
    } want[] = {{"bert", "h\xc3\xa9|,|you|", false},
                {"gpt1", "he|,|you|", false},
                {"gpt2", "H\xc3\x83\xc2\xa9|,|\xc4\xa0You|", false},
                {"roberta", "H\xc3\x83\xc2\xa9|,|\xc4\xa0You|", false},
                {"char", "H|\xc3\xa9|,| |Y|o|u|", true},
                {"space", "H\xc3\xa9,|You|", false},
                {"plain", "H|\xc3\xa9|,| |Y|o|u|", true}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        bool bert = strcmp(want[i].kind, "bert") == 0;
        ae_tokenizer_options o = {.lower_case = bert ? 1 : 0, .strip_accents = bert ? -1 : 0};
        ae_kind_parts parts = {.kind = ae_kind_find(want[i].kind, &e), .options = &o};
        ae_tokenizer *t = ae_tokenizer_from_parts(&parts, &e);
        joined_words j = {.length = 0};
        assert_int_equal(ae_tokenizer_split(t, "H\xc3\xa9, You", 8, list_word, &j, &x, &e), 0);
        assert_string_equal(j.text, want[i].words);
        memset(&j, 0, sizeof j);
        bool letters_apart = want[i].letters_apart; /* else "abcd" stops it */
        int result = ae_tokenizer_split(t, "abcd efg", 8, list_word, &j, &x, &e);
        assert_int_equal(result, letters_apart ? 0 : 7);
        assert_string_equal(j.text, letters_apart ? "a|b|c|d| |e|f|g|" : "abcd|");
        ae_tokenizer_free(t);
    }
    ae_encoding_free(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truncation), cmocka_unit_test(test_assemble), cmocka_unit_test(test_invalid_utf8),
        cmocka_unit_test(test_decode),     cmocka_unit_test(test_kinds),    cmocka_unit_test(test_uer_space),
        cmocka_unit_test(test_char_kinds), cmocka_unit_test(test_parts),    cmocka_unit_test(test_continues),
        cmocka_unit_test(test_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
