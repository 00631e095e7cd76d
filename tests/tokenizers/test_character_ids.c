/* ELMo's character ids: those that allennlp gave the reference model, long words, marks, and words by a tokenizer. */
#include "tokenizer_samples.h"

#include "tokenizers/character_ids.h"

static void characters_of(const ae_tokenizer *t, const char *text, const ae_character_options *o, ae_character_words *x)
{
    ae_err e = {0};
    if (ae_character_words_of(t, text, strlen(text), o, x, &e) != 0) {
        fail_msg("%s", e.message);
    }
}

static void ids_are_the_reference_s(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_json *cases = ae_json_read_file(AE_TEST_DIR "/tokenizers/elmo_characters.json", &e);
    assert_non_null(cases);
    ae_character_words x = {0};
    const ae_character_options o = {.shifted = true};
    int words = 0;
    for (const ae_json *row = ae_json_first(ae_json_get(cases, "rows")); row; row = ae_json_next(row)) {
        characters_of(NULL, ae_json_string(row, "text", "", NULL), &o, &x);
        assert_int_equal(x.width, 50);
        assert_int_equal(ae_json_count(ae_json_get(row, "ids")), x.count);
        int64_t w = 0;
        for (const ae_json *word = ae_json_first(ae_json_get(row, "ids")); word; word = ae_json_next(word), w++) {
            for (int i = 0; i < 50; i++) {
                int64_t want = 261;
                ae_json_value_int(ae_json_at(word, i), &want, NULL);
                assert_int_equal(x.ids[w * 50 + i], want);
            }
            words++;
        }
    }
    assert_int_equal(words, 15);
    ae_character_words_free(&x);
    ae_json_free(cases);
}

static void marks_and_cuts(void **state)
{
    (void)state;
    ae_character_words x = {0};
    ae_character_options o = {.width = 6, .marks = true};
    characters_of(NULL, " ab\xe3\x80\x80\xe4\xb8\xad\xe6\x96\x87\n<S> </S>\xff ", &o, &x);
    static const int32_t want[] = {258, 256,  259,  260,  260,  260, /* <S> */
                                   258, 'a',  'b',  259,  260,  260, /* ab */
                                   258, 0xe4, 0xb8, 0xad, 0xe6, 259, /* cut within a character */
                                   258, 256,  259,  260,  260,  260,
                                   258, '<',  '/',  'S',  '>',  259, /* with a broken byte behind: no mark */
                                   258, 257,  259,  260,  260,  260};
    assert_int_equal(x.count, 6);
    assert_memory_equal(x.ids, want, sizeof want);
    o.marks = false;
    characters_of(NULL, "", &o, &x);
    assert_int_equal(x.count, 0);
    o.width = 3;
    characters_of(NULL, "</S> xyz", &o, &x);
    static const int32_t narrow[] = {258, 257, 259, 258, 'x', 259};
    assert_int_equal(x.count, 2);
    assert_memory_equal(x.ids, narrow, sizeof narrow);
    ae_err e = {0};
    o.width = 2;
    assert_int_equal(ae_character_words_of(NULL, "a", 1, &o, &x, &e), -1);
    assert_message(&e, "a width of 2 ids a word is outside 3..1000");
    e = (ae_err){0};
    o.width = 1001;
    assert_int_equal(ae_character_words_of(NULL, "a", 1, &o, &x, &e), -1);
    assert_message(&e, "a width of 1001 ids");
    ae_character_words_free(&x);
}

static void words_by_a_tokenizer(void **state)
{
    (void)state;
    static const char *const tokens[] = {"[UNK]"};
    ae_tokenizer *t = of_kind("simple", tokens, 1);
    ae_character_words x = {0};
    const ae_character_options o = {0};
    static char text[600];
    memset(text, 'x', sizeof text - 1);
    characters_of(t, "It's (so).", &o, &x);
    assert_int_equal(x.count, 5);
    assert_int_equal(x.ids[50 + 1], '(');
    characters_of(t, text, &o, &x);
    assert_int_equal(x.count, 1);
    assert_int_equal(x.ids[48], 'x');
    assert_int_equal(x.ids[49], AE_CHARACTER_WORD_END);
    for (int i = 0; i < 599; i += 2) { /* more words than fit at first */
        text[i] = ' ';
    }
    characters_of(NULL, text, &o, &x);
    assert_int_equal(x.count, 299);
    assert_int_equal(x.ids[298 * 50 + 1], 'x');
    ae_character_words_free(&x);
    ae_tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_the_reference_s),
        cmocka_unit_test(marks_and_cuts),
        cmocka_unit_test(words_by_a_tokenizer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
