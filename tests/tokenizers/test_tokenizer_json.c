/* tokenizer.json: added tokens, what is refused, there and back, the hash of a tokenizer. */
#include "tokenizer_samples.h"

#include "tokenizers/tokenizer_internal.h"

static const char *const golden[] = {"tok_bert_cased", "tok_bert_uncased", "tok_gpt2", "tok_roberta"};

/* ---- added tokens ------------------------------------------------------------------------------------------------------ */

#define ADDED(properties)                                                                                              \
    "{\"added_tokens\":[{\"id\":5,\"content\":\"ab\"," properties                                                      \
    "},{\"id\":6,\"content\":\"abc\",\"special\":true}],\"normalizer\":{\"type\":\"Lowercase\"},\"pre_tokenizer\":"    \
    "{\"type\":\"WhitespaceSplit\"},\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"?\":0,\"x\":1},\"unk_token\":\"?"   \
    "\"}}"

static void check_added(const char *json, const char *text, const char *want, int64_t start, int64_t end)
{
    ae_tokenizer *t = good_text(json);
    ae_encoding x = {0};
    encode_text(t, text, NULL, &x);
    assert_spelled(t, &x, want);
    for (int64_t i = 0; i < x.count && end; i++) {
        if (x.ids[i] == 5) {
            assert_int_equal(x.starts[i], start);
            assert_int_equal(x.ends[i], end);
            end = 0;
        }
    }
    assert_int_equal(end, 0);
    ae_encoding_free(&x);
    ae_tokenizer_free(t);
}

static void test_added_tokens(void **state)
{
    (void)state;
    check_added(ADDED("\"normalized\":false"), "xabx abc AB", "x ab x abc ?", 1, 3);
    check_added(ADDED("\"normalized\":true"), "xabx abc AB", "x ab x abc ab", 1, 3);
    check_added(ADDED("\"normalized\":true"), "AB", "ab", 0, 2);
    check_added(ADDED("\"normalized\":false,\"single_word\":true"),
                "xab ab \xc3\xa9"
                "ab abx ab.",
                "? ab ? ? ab ?", 4, 6);
    check_added(ADDED("\"normalized\":false,\"lstrip\":true"), "x \n ab x", "x ab x", 1, 6);
    check_added(ADDED("\"normalized\":false,\"rstrip\":true"), "x ab \xe3\x80\x80x ab", "x ab x ab", 2, 8);
    check_added(ADDED("\"normalized\":false,\"lstrip\":true,\"rstrip\":true"), "ab  ab", "ab ab", 0, 4);
    /* Blanks that one token took along may be tokens of their own; one that would begin behind its end is none. */
    static const char blanks[] = "{\"added_tokens\":[{\"id\":5,\"content\":\" \",\"rstrip\":true,\"normalized\":%s}],"
                                 "\"normalizer\":%s,\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"?\":0,\"x\":1},"
                                 "\"unk_token\":\"?\"}}";
    static const char *const ways[3][2] = {{"false", "null"}, {"true", "null"}, {"true", "{\"type\":\"Lowercase\"}"}};
    for (int i = 0; i < 3; i++) {
        char json[512];
        snprintf(json, sizeof json, blanks, ways[i][0], ways[i][1]);
        check_added(json, "x  x", "x     x", 1, 3);
        strcpy(strstr(json, "rstrip"), "lstrip");
        strstr(json, "lstrip")[6] = '"';
        check_added(json, "x  x", "x     x", 1, 2);
    }
    /* Kept as text; special ones are known as such; the longest counts. */
    ae_tokenizer *t = good_text(ADDED("\"normalized\":true"));
    ae_encoding x = {0};
    encode_text(t, "ab abc", &(ae_encode_options){.keep_added = true}, &x);
    assert_spelled(t, &x, "? ?");
    assert_true(ae_tokenizer_is_special(t, 6));
    assert_false(ae_tokenizer_is_special(t, 5));
    assert_false(ae_tokenizer_is_special(t, 99));
    assert_false(ae_tokenizer_is_special(t, -1));
    assert_int_equal(ae_tokenizer_id(t, "abc", 3), 6);
    assert_int_equal(ae_tokenizer_id(t, "abd", 3), -1);
    assert_int_equal(ae_tokenizer_size(t), 7);
    assert_null(ae_tokenizer_token(t, 3, NULL));
    assert_null(ae_tokenizer_token(t, 7, NULL));
    ae_encoding_free(&x);
    ae_tokenizer_free(t);
}

/* ---- what is refused --------------------------------------------------------------------------------------------------- */

static void refuses(const char *json, const char *message)
{
    ae_err e = {0};
    ae_tokenizer *t = from_text(json, &e);
    assert_null(t);
    assert_message(&e, message);
}

static void test_refused_json(void **state)
{
    (void)state;
#define SMALL "\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"?\":0,\"x\":1},\"unk_token\":\"?\"}"
    refuses("[]", "not a tokenizer.json: there is no \"model\" in it");
    refuses("{\"model\":{\"type\":\"Trigram\"}}", "model: the type \"Trigram\" is not known");
    refuses("{\"model\":{\"type\":\"WordLevel\"}}", "model WordLevel: ");
    refuses("{" SMALL ",\"added_tokens\":{}}", "added_tokens");
    refuses("{" SMALL ",\"added_tokens\":[3]}", "added_tokens: its members must be objects, not a number");
    refuses("{" SMALL ",\"added_tokens\":[{\"content\":\"y\"}]}", "added_tokens: ");
    refuses("{" SMALL ",\"added_tokens\":[{\"id\":2}]}", "added_tokens: content");
    refuses("{" SMALL ",\"added_tokens\":[{\"id\":1,\"content\":\"y\"}]}",
            "added_tokens: \"y\" has the id 1, which is another token's");
    refuses("{" SMALL ",\"added_tokens\":[{\"id\":2,\"content\":\"y\"},{\"id\":2,\"content\":\"z\"}]}",
            "added_tokens: \"z\" has the id 2, which another added token has");
    refuses("{" SMALL ",\"added_tokens\":[{\"id\":99999999,\"content\":\"y\"}]}", "which is out of range");
    refuses("{" SMALL ",\"added_tokens\":[{\"id\":2,\"content\":\"y\",\"lstrip\":1}]}", "added_tokens: ");
    refuses("{" SMALL ",\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"s\",7],\"cls\":[\"c\",0]}}",
            "post_processor: its special token 7 is not in the vocabulary");
    refuses("{" SMALL ",\"decoder\":{\"type\":\"Bytes\"}}", "decoder: the type \"Bytes\" is not known");
}

/* ---- JSON there and back -------------------------------------------------------------------------------------------------- */

static void check_round_trip(const ae_tokenizer *t)
{
    static char text[1 << 14];
    ae_err e = {0};
    ae_json *j = ae_tokenizer_json(t, &e);
    assert_non_null(j);
    char *one = ae_json_text(j, false, &e);
    ae_json *parsed = ae_json_parse(one, strlen(one), &e);
    ae_tokenizer *u = ae_tokenizer_from_json(parsed, &e);
    if (!u) {
        fail_msg("%s", e.message);
    }
    assert_true(ae_tokenizer_hash(t) == ae_tokenizer_hash(u));
    assert_string_equal(ae_tokenizer_kind(t), ae_tokenizer_kind(u));
    assert_int_equal(ae_tokenizer_size(t), ae_tokenizer_size(u));
    for (int role = 0; role < AE_TOKEN_ROLES; role++) {
        assert_int_equal(ae_tokenizer_role(t, (ae_token_role)role), ae_tokenizer_role(u, (ae_token_role)role));
    }
    ae_json *k = ae_tokenizer_json(u, &e);
    char *two = ae_json_text(k, false, &e);
    assert_string_equal(one, two);
    ae_encoding x = {0}, y = {0};
    uint64_t seed = 5;
    for (int i = 0; i < 200; i++) {
        size_t bytes = random_text(&seed, 10, text, sizeof text);
        ae_err none = {0};
        int a = ae_tokenizer_encode(t, text, bytes, &(ae_encode_options){.special = true}, &x, &none);
        int b = ae_tokenizer_encode(u, text, bytes, &(ae_encode_options){.special = true}, &y, &none);
        assert_int_equal(a, b);
        assert_int_equal(x.count, y.count);
        assert_memory_equal(x.ids, y.ids, (size_t)x.count * 4);
    }
    ae_encoding_free(&x);
    ae_encoding_free(&y);
    free(one);
    free(two);
    ae_json_free(j);
    ae_json_free(k);
    ae_json_free(parsed);
    ae_tokenizer_free(u);
}

static void test_round_trip(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        ae_tokenizer *t = open_golden(golden[k], NULL);
        check_round_trip(t);
        ae_tokenizer_free(t);
    }
    static const char *const kinds[] = {"char", "space"};
    for (int k = 0; k < 2; k++) {
        ae_tokenizer *t = of_kind(kinds[k], letter_tokens, LETTER_TOKENS);
        check_round_trip(t);
        ae_tokenizer_free(t);
    }
    ae_tokenizer *t = good_text(ADDED("\"normalized\":true,\"rstrip\":true"));
    check_round_trip(t);
    ae_tokenizer_free(t);
    t = good_text(
        "{\"truncation\":{\"max_length\":3},\"padding\":null,\"model\":{\"type\":\"BPE\",\"vocab\":{\"a b\":0,\"c\":1,"
        "\"a bc\":2,\"\\u0000\":3},\"merges\":[[\"a b\",\"c\"]],\"unk_token\":\"c\",\"fuse_unk\":true}}");
    check_round_trip(t);
    ae_json *j = ae_tokenizer_json(t, NULL);
    assert_int_equal(ae_json_int(ae_json_get(j, "truncation"), "max_length", 0, NULL), 3);
    ae_json_free(j);
    ae_tokenizer_free(t);
}

/* Whatever changes ids changes the hash. */
static void test_hash(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{" SMALL "}",
        "{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"?\":0,\"y\":1},\"unk_token\":\"?\"}}",
        "{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"?\":1,\"x\":0},\"unk_token\":\"?\"}}",
        "{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"?\":0,\"x\":1},\"unk_token\":\"x\"}}",
        "{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"?\":0,\"x\":1},\"unk_token\":\"?\"}}",
        "{" SMALL ",\"normalizer\":{\"type\":\"NFC\"}}",
        "{" SMALL ",\"pre_tokenizer\":{\"type\":\"Whitespace\"}}",
        "{" SMALL ",\"added_tokens\":[{\"id\":1,\"content\":\"x\"}]}",
        "{" SMALL ",\"added_tokens\":[{\"id\":1,\"content\":\"x\",\"lstrip\":true}]}",
    };
    enum { N = sizeof texts / sizeof *texts };
    uint64_t hashes[N];
    for (int i = 0; i < N; i++) {
        ae_tokenizer *t = good_text(texts[i]);
        hashes[i] = ae_tokenizer_hash(t);
        ae_tokenizer_free(t);
        for (int k = 0; k < i; k++) {
            assert_true(hashes[i] != hashes[k]);
        }
    }
    ae_tokenizer_options cased = {.lower_case = -1};
    ae_tokenizer *a = open_golden("tok_bert_uncased", NULL), *b = open_golden("tok_bert_uncased", &cased);
    assert_true(ae_tokenizer_hash(a) != ae_tokenizer_hash(b));
    ae_tokenizer_free(a);
    ae_tokenizer_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_added_tokens),
        cmocka_unit_test(test_refused_json),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
