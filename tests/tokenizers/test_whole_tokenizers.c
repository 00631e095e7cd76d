/* Random tokenizers, of every component and option, against what Hugging Face's library made of random texts with them:
 * ids, special tokens, type ids, pairs, decoded texts (whole_tokenizers.json); and that each says the same again when
 * it was written and read. */
#include "tokenizer_samples.h"

static void say(const ae_json *tokenizer, const char *what, const char *text)
{
    ae_json *parts = ae_json_copy(tokenizer);
    ae_json_remove(parts, "model");
    char *spelled = ae_json_text(parts, false, NULL);
    fail_msg("%s of \"%s\" differ: %s", what, text, spelled);
}

static bool equal(const ae_json *want, int64_t count, const int32_t *ids, const uint8_t *types)
{
    int64_t i = 0;
    for (const ae_json *m = ae_json_first(want); m; m = ae_json_next(m), i++) {
        int64_t value = 0;
        assert_int_equal(ae_json_value_int(m, &value, NULL), 0);
        if (i >= count || value != (ids ? ids[i] : types[i])) {
            return false;
        }
    }
    return i == count;
}

/* A text of the file, which may hold zero bytes. */
static char *text_of(const ae_json *j, size_t *bytes)
{
    char *text = ae_json_value_bytes(j, bytes, NULL);
    assert_non_null(text);
    return text;
}

static void check_text(const ae_json *json, const ae_tokenizer *t, const ae_json *row, const char *other,
                       size_t other_bytes, ae_encoding *x)
{
    static const ae_encode_options special = {.special = true};
    ae_err e = {0};
    size_t bytes = 0;
    char *text = text_of(ae_json_at(row, 0), &bytes);
    assert_int_equal(ae_tokenizer_encode(t, text, bytes, NULL, x, &e), 0);
    if (!equal(ae_json_at(row, 1), x->count, x->ids, NULL)) {
        say(json, "the ids", text);
    }
    assert_int_equal(ae_tokenizer_encode(t, text, bytes, &special, x, &e), 0);
    if (!equal(ae_json_at(row, 2), x->count, x->ids, NULL) || !equal(ae_json_at(row, 3), x->count, NULL, x->type_ids)) {
        say(json, "the special tokens", text);
    }
    assert_int_equal(ae_tokenizer_encode_pair(t, text, bytes, other, other_bytes, &special, x, &e), 0);
    if (!equal(ae_json_at(row, 4), x->count, x->ids, NULL) || !equal(ae_json_at(row, 5), x->count, NULL, x->type_ids)) {
        say(json, "the tokens of the pair", text);
    }
    free(text);
}

static void check_decoded(const ae_json *json, const ae_tokenizer *t, const ae_json *row)
{
    int32_t ids[64];
    int64_t count = 0;
    for (const ae_json *m = ae_json_first(ae_json_at(row, 0)); m; m = ae_json_next(m)) {
        int64_t id = 0;
        ae_json_value_int(m, &id, NULL);
        ids[count++] = (int32_t)id;
    }
    for (int i = 1; i < ae_json_count(row); i++) {
        size_t bytes = 0, want_bytes = 0;
        ae_err e = {0};
        char *text = ae_tokenizer_decode(t, ids, count, i == 2, &bytes, &e);
        char *want = text_of(ae_json_at(row, i), &want_bytes);
        assert_non_null(text);
        if (bytes != want_bytes || memcmp(text, want, bytes) != 0) {
            say(json, text, want);
        }
        free(text);
        free(want);
    }
}

static void check_case(const ae_json *row, const ae_json *json, const ae_tokenizer *t)
{
    ae_encoding x = {0};
    size_t bytes = 0;
    char *first = text_of(ae_json_at(ae_json_first(ae_json_get(row, "texts")), 0), &bytes);
    for (const ae_json *m = ae_json_first(ae_json_get(row, "texts")); m; m = ae_json_next(m)) {
        check_text(json, t, m, first, bytes, &x);
    }
    for (const ae_json *m = ae_json_first(ae_json_get(row, "decoded")); m; m = ae_json_next(m)) {
        check_decoded(json, t, m);
    }
    free(first);
    ae_encoding_free(&x);
}

static void test_whole_tokenizers(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_json *file = ae_json_read_file(AE_TEST_DIR "/tokenizers/whole_tokenizers.json", &e);
    assert_non_null(file);
    int count = 0;
    for (const ae_json *row = ae_json_first(ae_json_get(file, "cases")); row; row = ae_json_next(row), count++) {
        const ae_json *json = ae_json_get(row, "tokenizer");
        ae_tokenizer *t = ae_tokenizer_from_json(json, &e);
        if (!t) {
            fail_msg("%s", e.message);
        }
        ae_json *written = ae_tokenizer_json(t, &e);
        ae_tokenizer *again = ae_tokenizer_from_json(written, &e);
        assert_non_null(again);
        assert_true(ae_tokenizer_hash(t) == ae_tokenizer_hash(again));
        check_case(row, json, t);
        check_case(row, written, again);
        ae_json_free(written);
        ae_tokenizer_free(again);
        ae_tokenizer_free(t);
    }
    assert_true(count > 40);
    ae_json_free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_whole_tokenizers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
