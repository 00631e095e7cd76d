/* Tokens, ids, ids with special tokens, decoded texts, pairs and truncation against the reference's Python code (see
 * meta.json in each folder of tests/golden/tok_*). */
#include "tokenizers/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ae_tokenizer *open_case(const char *name, const ae_tokenizer_options *options)
{
    char path[512];
    ae_err e = {0};
    snprintf(path, sizeof path, "%s/golden/%s", AE_TEST_DIR, name);
    ae_tokenizer *t = ae_tokenizer_open(path, options, &e);
    if (!t) {
        fail_msg("%s", e.message);
    }
    return t;
}

static ae_json *expected_of(const char *name)
{
    char path[512];
    ae_err e = {0};
    snprintf(path, sizeof path, "%s/golden/%s/expected.json", AE_TEST_DIR, name);
    ae_json *j = ae_json_read_file(path, &e);
    if (!j) {
        fail_msg("%s", e.message);
    }
    return j;
}

static char *text_of(const ae_json *row, const char *key, size_t *bytes)
{
    char *text = ae_json_value_bytes(ae_json_get(row, key), bytes, NULL);
    assert_non_null(text);
    return text;
}

static void assert_ids(const ae_json *want, const int32_t *ids, int64_t count, const char *what)
{
    int64_t n = 0;
    for (const ae_json *m = ae_json_first(want); m; m = ae_json_next(m), n++) {
        int64_t id = -1;
        assert_int_equal(ae_json_value_int(m, &id, NULL), 0);
        if (n >= count || ids[n] != id) {
            fail_msg("%s: token %d is %d, not %d", what, (int)n, n < count ? (int)ids[n] : -1, (int)id);
        }
    }
    if (n != count) {
        fail_msg("%s: %d tokens instead of %d", what, (int)count, (int)n);
    }
}

static void assert_tokens(const ae_tokenizer *t, const ae_json *want, const ae_encoding *x)
{
    int64_t i = 0;
    for (const ae_json *m = ae_json_first(want); m; m = ae_json_next(m), i++) {
        size_t bytes = 0;
        char *token = ae_json_value_bytes(m, &bytes, NULL);
        assert_non_null(token);
        assert_true(i < x->count);
        /* The reference spells unknown words out; their id is that of the unknown token. */
        if (strcmp(ae_tokenizer_token(t, x->ids[i], NULL), token) != 0) {
            assert_int_equal(x->ids[i], ae_tokenizer_role(t, AE_TOKEN_UNKNOWN));
        }
        free(token);
    }
}

static void check_row(const ae_tokenizer *t, const ae_json *row, ae_encoding *x)
{
    ae_err e = {0};
    size_t bytes = 0, decoded_bytes = 0, want_bytes = 0;
    char *text = text_of(row, "text", &bytes);
    assert_int_equal(ae_tokenizer_encode(t, text, bytes, NULL, x, &e), 0);
    assert_ids(ae_json_get(row, "ids"), x->ids, x->count, text);
    assert_tokens(t, ae_json_get(row, "tokens"), x);
    ae_encode_options options = {.special = true};
    char *decoded = ae_tokenizer_decode(t, x->ids, x->count, false, &decoded_bytes, &e);
    char *want = text_of(row, "decoded", &want_bytes);
    assert_non_null(decoded);
    assert_string_equal(decoded, want);
    assert_int_equal(decoded_bytes, want_bytes);
    assert_int_equal(ae_tokenizer_encode(t, text, bytes, &options, x, &e), 0);
    const ae_json *framed = ae_json_get(row, "input_ids"); /* SentencePiece's library knows no frame */
    assert_ids(framed ? framed : ae_json_get(row, "ids"), x->ids, x->count, text);
    free(want);
    free(decoded);
    free(text);
}

static void check_types(const ae_json *want, const ae_encoding *x)
{
    int64_t i = 0;
    for (const ae_json *m = ae_json_first(want); m; m = ae_json_next(m), i++) {
        int64_t type = 0;
        assert_int_equal(ae_json_value_int(m, &type, NULL), 0);
        assert_true(i >= x->count || x->type_ids[i] == type); /* behind the tokens there is padding, of type 0 */
        assert_true(i < x->count || type == 0);
    }
}

static void check_pair(const ae_tokenizer *t, const ae_json *row, ae_encoding *x)
{
    ae_err e = {0};
    size_t a_bytes = 0, b_bytes = 0;
    char *a = text_of(row, "a", &a_bytes), *b = text_of(row, "b", &b_bytes);
    ae_encode_options options = {.special = true};
    assert_int_equal(ae_tokenizer_encode_pair(t, a, a_bytes, b, b_bytes, &options, x, &e), 0);
    assert_ids(ae_json_get(row, "input_ids"), x->ids, x->count, a);
    check_types(ae_json_get(row, "token_type_ids"), x);
    const ae_json *max9 = ae_json_get(row, "max9");
    options.max_length = 9;
    int64_t all = x->count;
    assert_int_equal(ae_tokenizer_encode_pair(t, a, a_bytes, b, b_bytes, &options, x, &e), 0);
    assert_int_equal(x->dropped, all - x->count);
    int32_t
        padded[9]; /* the reference pads to 9, with the end of text, or the unknown token, where there is none for it */
    int32_t pad = ae_tokenizer_role(t, AE_TOKEN_PAD), end = ae_tokenizer_role(t, AE_TOKEN_SEP);
    end = end >= 0 ? end : ae_tokenizer_role(t, AE_TOKEN_UNKNOWN);
    for (int i = 0; i < 9; i++) {
        padded[i] = i < x->count ? x->ids[i] : pad >= 0 ? pad : end;
    }
    assert_ids(ae_json_get(max9, "input_ids"), padded, 9, a);
    check_types(ae_json_get(max9, "token_type_ids"), x);
    free(a);
    free(b);
}

static void check_case_as(const char *name, const ae_tokenizer_options *options, int expected_pairs)
{
    ae_tokenizer *t = open_case(name, options);
    ae_json *expected = expected_of(name);
    ae_encoding x = {0};
    int rows = 0, pairs = 0;
    for (const ae_json *m = ae_json_first(ae_json_get(expected, "rows")); m; m = ae_json_next(m), rows++) {
        check_row(t, m, &x);
    }
    for (const ae_json *m = ae_json_first(ae_json_get(expected, "pairs")); m; m = ae_json_next(m), pairs++) {
        check_pair(t, m, &x);
    }
    assert_int_equal(rows, 29);
    assert_int_equal(pairs, expected_pairs);
    ae_encoding_free(&x);
    ae_json_free(expected);
    ae_tokenizer_free(t);
}

static void check_case(const char *name)
{
    check_case_as(name, NULL, 3);
}

static void test_albert(void **state)
{
    (void)state;
    check_case_as("tok_albert", &(ae_tokenizer_options){.kind = "albert"}, 3);
}

static void test_t5(void **state)
{
    (void)state;
    check_case_as("tok_t5", &(ae_tokenizer_options){.kind = "t5", .extra_ids = 10}, 3);
}

static void test_xlnet(void **state)
{
    (void)state;
    check_case_as("tok_xlnet", &(ae_tokenizer_options){.kind = "xlnet"}, 3);
}

static void test_sentencepiece_bpe(void **state)
{
    (void)state;
    check_case_as("tok_spm_bpe", NULL, 0);
}

static void test_sentencepiece_bytes(void **state)
{
    (void)state;
    check_case_as("tok_spm_unigram_bytefallback", NULL, 0);
}

static void test_bert_cased(void **state)
{
    (void)state;
    check_case("tok_bert_cased");
}

static void test_bert_uncased(void **state)
{
    (void)state;
    check_case("tok_bert_uncased");
}

static void test_gpt1(void **state)
{
    (void)state;
    check_case("tok_gpt1");
}

static void test_gpt2(void **state)
{
    (void)state;
    check_case("tok_gpt2");
}

static void test_roberta(void **state)
{
    (void)state;
    check_case("tok_roberta");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bert_cased),
        cmocka_unit_test(test_bert_uncased),
        cmocka_unit_test(test_gpt1),
        cmocka_unit_test(test_gpt2),
        cmocka_unit_test(test_roberta),
        cmocka_unit_test(test_albert),
        cmocka_unit_test(test_t5),
        cmocka_unit_test(test_xlnet),
        cmocka_unit_test(test_sentencepiece_bpe),
        cmocka_unit_test(test_sentencepiece_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
