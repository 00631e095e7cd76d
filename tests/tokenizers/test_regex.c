/* The door to regular expressions: where matches are, what is said of broken expressions and of texts that cost too
 * much, from the engine up to encoding and decoding; scripts of characters. */
#include "tokenizers/regex.h"
#include "tokenizers/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The matches as "start-end start-end ". */
static void matches(const char *pattern, const char *text, const char *want)
{
    ae_err e = {0};
    ae_regex *r = ae_regex_new(pattern, strlen(pattern), &e);
    assert_non_null(r);
    ae_regex_walk w = ae_regex_begin(r, text, strlen(text));
    char got[256] = "";
    size_t start = 0, end = 0;
    while (ae_regex_next(&w, &start, &end) == AE_MATCH_FOUND) {
        size_t n = strlen(got);
        snprintf(got + n, sizeof got - n, "%d-%d ", (int)start, (int)end);
    }
    assert_int_equal(ae_regex_next(&w, &start, &end), AE_MATCH_NONE);
    ae_regex_end(&w);
    ae_regex_free(r);
    assert_string_equal(got, want);
}

static void test_matches(void **state)
{
    (void)state;
    matches("l+", "hello all", "2-4 7-9 ");
    matches("x*", "axé", "0-0 1-2 4-4 "); /* an empty one, one, none right behind it, and the end behind two bytes */
    matches("", "aé", "0-0 1-1 3-3 ");
    matches("$", "a\nb", "1-1 3-3 ");
    matches("\\p{Han}{1,2}", "漢字数a", "0-6 6-9 ");
    matches("(?<=a)b|(?=c)", "abc", "1-2 ");
    matches("b", "", "");
}

static void test_broken(void **state)
{
    (void)state;
    ae_err e = {0};
    assert_null(ae_regex_new("a(b", 3, &e));
    assert_int_equal(e.code, AE_E_VALUE);
    assert_string_equal(e.message,
                        "the regular expression a(b is not understood: end pattern with unmatched parenthesis");
    ae_regex_free(NULL);
}

/* Every x may belong to either of two runs, which makes 2^n ways to fail. */
static const char hostile[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
#define HOSTILE "(?:x+x+)+y"

static void test_gives_up(void **state)
{
    (void)state;
    ae_regex *r = ae_regex_new(HOSTILE, strlen(HOSTILE), NULL);
    assert_non_null(r);
    ae_regex_walk w = ae_regex_begin(r, hostile, strlen(hostile));
    size_t start = 0, end = 0;
    assert_int_equal(ae_regex_next(&w, &start, &end), AE_MATCH_GAVE_UP);
    ae_regex_end(&w);
    ae_regex_free(r);
}

static ae_tokenizer *tokenizer_with(const char *stage)
{
    char text[512];
    snprintf(text, sizeof text,
             "{%s,\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"u\":0,\"%s\":1},\"unk_token\":\"u\"}}", stage,
             hostile);
    ae_err e = {0};
    ae_json *j = ae_json_parse(text, strlen(text), &e);
    ae_tokenizer *t = ae_tokenizer_from_json(j, &e);
    ae_json_free(j);
    if (!t) {
        fail_msg("%s", e.message);
    }
    return t;
}

static const char too_many[] = "a regular expression of the tokenizer takes too many steps on this text";

static void test_encoding_says_so(void **state)
{
    (void)state;
    static const char *const stages[] = {"\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" HOSTILE
                                         "\"},\"behavior\":\"Isolated\",\"invert\":false}",
                                         "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"" HOSTILE
                                         "\"},\"content\":\"\"}"};
    for (int i = 0; i < 2; i++) {
        ae_tokenizer *t = tokenizer_with(stages[i]);
        ae_encoding x = {0};
        ae_err e = {0};
        assert_int_equal(ae_tokenizer_encode(t, hostile, strlen(hostile), NULL, &x, &e), -1);
        assert_string_equal(e.message, too_many);
        assert_int_equal(ae_tokenizer_encode(t, "xy", 2, NULL, &x, NULL), 0); /* and the next text is none the worse */
        ae_encoding_free(&x);
        ae_tokenizer_free(t);
    }
}

static void test_decoding_says_so(void **state)
{
    (void)state;
    static const char replace[] = "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"" HOSTILE "\"},\"content\":\"\"}";
    char stages[2][256];
    snprintf(stages[0], sizeof stages[0], "\"decoder\":%s", replace);
    snprintf(stages[1], sizeof stages[1], "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[%s]}", replace);
    for (int i = 0; i < 2; i++) {
        ae_tokenizer *t = tokenizer_with(stages[i]);
        ae_err e = {0};
        const int32_t id = 1;
        assert_null(ae_tokenizer_decode(t, &id, 1, false, NULL, &e));
        assert_string_equal(e.message, too_many);
        ae_tokenizer_free(t);
    }
}

/* ---- threads --------------------------------------------------------------------------------------------------------- */

static void *count_words(void *self)
{
    const ae_regex *r = self;
    intptr_t count = 0;
    for (int i = 0; i < 200; i++) {
        static const char text[] = "one two  three";
        ae_regex_walk w = ae_regex_begin(r, text, strlen(text));
        size_t start = 0, end = 0;
        while (ae_regex_next(&w, &start, &end) == AE_MATCH_FOUND) {
            count++;
        }
        ae_regex_end(&w);
    }
    return (void *)count;
}

static void test_threads(void **state)
{
    (void)state;
    ae_regex *r = ae_regex_new("\\w+", 3, NULL);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count_words, r), 0);
    }
    for (int i = 0; i < 4; i++) {
        void *count = NULL;
        pthread_join(threads[i], &count);
        assert_int_equal((intptr_t)count, 600);
    }
    ae_regex_free(r);
}

static void test_scripts(void **state)
{
    (void)state;
    assert_int_equal(ae_unicode_script('a'), AE_SCRIPT_LATIN);
    assert_int_equal(ae_unicode_script(0xe9), AE_SCRIPT_LATIN);
    assert_int_equal(ae_unicode_script('.'), AE_SCRIPT_COMMON);
    assert_int_equal(ae_unicode_script(0x301), AE_SCRIPT_INHERITED);
    assert_int_equal(ae_unicode_script(0x4e2d), AE_SCRIPT_HAN);
    assert_int_equal(ae_unicode_script(0x3042), AE_SCRIPT_HIRAGANA);
    assert_int_equal(ae_unicode_script(0x30a2), AE_SCRIPT_KATAKANA);
    assert_int_equal(ae_unicode_script(0x430), ae_unicode_script(0x44f));
    assert_true(ae_unicode_script(0x430) > AE_SCRIPT_KATAKANA);
    assert_int_not_equal(ae_unicode_script(0x430), ae_unicode_script(0x3b1));
    assert_int_equal(ae_unicode_script(0x378), AE_SCRIPT_NONE); /* no character */
    assert_int_equal(ae_unicode_script(0x118a0), ae_unicode_script(0x118df));
    assert_int_equal(ae_unicode_script(0x10d00), AE_SCRIPT_NONE); /* Hanifi Rohingya, of Unicode 11 */
    assert_int_equal(ae_unicode_script(0x110000), AE_SCRIPT_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches),          cmocka_unit_test(test_broken),
        cmocka_unit_test(test_gives_up),         cmocka_unit_test(test_encoding_says_so),
        cmocka_unit_test(test_decoding_says_so), cmocka_unit_test(test_threads),
        cmocka_unit_test(test_scripts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
