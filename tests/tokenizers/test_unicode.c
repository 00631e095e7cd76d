/* The Unicode door: properties, UTF-8, decomposition, composition, case; letters for bytes; the vocabulary. */
#include "tokenizers/unicode.h"

#include "tokenizers/byte_letters.h"
#include "tokenizers/vocab.h"
#include "tokenizers/word_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static void test_flags(void **state)
{
    (void)state;
    static const struct {
        uint32_t c;
        unsigned flags;
    } cases[] = {
        {'a', AE_CHAR_LETTER | AE_CHAR_WORD | AE_CHAR_CASED},
        {'7', AE_CHAR_NUMBER | AE_CHAR_DIGIT | AE_CHAR_WORD},
        {0xbd, AE_CHAR_NUMBER},                                  /* one half */
        {0x2167, AE_CHAR_NUMBER | AE_CHAR_WORD | AE_CHAR_CASED}, /* Roman eight */
        {'_', AE_CHAR_PUNCTUATION | AE_CHAR_WORD},
        {'.', AE_CHAR_PUNCTUATION | AE_CHAR_CASE_IGNORED},
        {'$', 0},
        {'^', AE_CHAR_CASE_IGNORED},
        {' ', AE_CHAR_SPACE | AE_CHAR_SPACE_MARK},
        {0x3000, AE_CHAR_SPACE | AE_CHAR_SPACE_MARK},
        {0x2028, AE_CHAR_SPACE},
        {'\t', AE_CHAR_SPACE | AE_CHAR_CONTROL},
        {0x85, AE_CHAR_SPACE | AE_CHAR_CONTROL},
        {0x1c, AE_CHAR_CONTROL},
        {0x200d, AE_CHAR_FORMAT | AE_CHAR_WORD | AE_CHAR_CASE_IGNORED},
        {0xe000, AE_CHAR_PRIVATE},
        {0x10fffd, AE_CHAR_PRIVATE},
        {0xe0041, AE_CHAR_FORMAT | AE_CHAR_CASE_IGNORED}, /* a tag, beyond the table */
        {0x301, AE_CHAR_MARK | AE_CHAR_NONSPACING | AE_CHAR_WORD | AE_CHAR_CASE_IGNORED},
        {0x903, AE_CHAR_MARK | AE_CHAR_WORD}, /* a spacing mark */
        {0x4e2d, AE_CHAR_LETTER | AE_CHAR_WORD},
        {0x24b6, AE_CHAR_WORD | AE_CHAR_CASED}, /* a circled letter is no letter */
        {0xd800, 0},
        {0x110000, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (ae_char_flags(cases[i].c) != cases[i].flags) {
            fail_msg("U+%04X has the flags %x", (unsigned)cases[i].c, ae_char_flags(cases[i].c));
        }
    }
}

static void test_utf8(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 0x110000; c += c < 0x3000 ? 1 : 37) {
        char bytes[4];
        uint32_t back = 0;
        int n = ae_utf8_encode(c, bytes);
        assert_int_equal(ae_utf8_decode(bytes, &back), n);
        assert_int_equal(back, c);
        bool surrogate = c >= 0xd800 && c < 0xe000;
        assert_int_equal(ae_utf8_valid(bytes, (size_t)n), surrogate ? 0 : n);
    }
    assert_int_equal(ae_utf8_count("a\xc3\xa4\xf0\x9f\x98\x80", 7), 3);
    assert_int_equal(ae_utf8_valid("abcdefghijklmnop\xc3", 17), 16);
    assert_int_equal(ae_utf8_valid("abcdefgh\xc3\xa4\xff", 11), 10);
    assert_int_equal(ae_utf8_valid("", 0), 0);
    /* Table 3-8 of the Unicode standard: C2 41 | E1 80 E2 | F0 91 92 F1 BF 41 | E0 80 | ED A0 | F4 90 | F8. */
    assert_int_equal(ae_utf8_broken("\xc2\x41", 2), 1);
    assert_int_equal(ae_utf8_broken("\xe1\x80\xe2", 3), 2);
    assert_int_equal(ae_utf8_broken("\xf0\x91\x92\xf1", 4), 3);
    assert_int_equal(ae_utf8_broken("\xf1\xbf\x41", 3), 2);
    assert_int_equal(ae_utf8_broken("\xe0\x80\x80", 3), 1);
    assert_int_equal(ae_utf8_broken("\xed\xa0\x80", 3), 1);
    assert_int_equal(ae_utf8_broken("\xf4\x90\x80\x80", 4), 1);
    assert_int_equal(ae_utf8_broken("\xf8\x88", 2), 1);
    assert_int_equal(ae_utf8_broken("\x80\x80", 2), 1);
    assert_int_equal(ae_utf8_broken("\xe4\xb8", 2), 2); /* cut off */
}

static void test_mappings(void **state)
{
    (void)state;
    uint32_t parts[AE_DECOMPOSED_MAX];
    assert_int_equal(ae_char_decompose(0xc4, false, parts), 2);
    assert_int_equal(parts[0], 'A');
    assert_int_equal(parts[1], 0x308);
    assert_int_equal(ae_char_decompose(0x1e9b, false, parts), 2); /* long s with dot */
    assert_int_equal(ae_char_decompose(0x1e9b, true, parts), 2);
    assert_int_equal(parts[0], 's');
    assert_int_equal(ae_char_decompose(0xfdfa, true, parts), 18);
    assert_int_equal(ae_char_decompose(0xfdfa, false, parts), 1);
    assert_int_equal(ae_char_decompose(0xac01, false, parts), 3); /* a Hangul syllable */
    assert_int_equal(ae_char_decompose(0xd800, false, parts), 1);
    assert_int_equal(parts[0], 0xd800);
    assert_int_equal(ae_char_combining(0x301), 230);
    assert_int_equal(ae_char_combining('a'), 0);
    assert_int_equal(ae_char_compose('A', 0x308), 0xc4);
    assert_int_equal(ae_char_compose(0x1100, 0x1161), 0xac00);
    assert_int_equal(ae_char_compose(0xac00, 0x11a8), 0xac01);
    assert_int_equal(ae_char_compose(0x915, 0x93c), 0); /* an exclusion */
    assert_int_equal(ae_char_compose('x', 'y'), 0);
    assert_int_equal(ae_char_lower('Q', parts), 1);
    assert_int_equal(parts[0], 'q');
    assert_int_equal(ae_char_lower(0x130, parts), 2);
    assert_int_equal(parts[1], 0x307);
    assert_int_equal(ae_char_lower(0x1c5, parts), 1);
    assert_int_equal(parts[0], 0x1c6);
}

/* The numbers of zoo's reference: encoder.py of GPT-2. */
static void test_byte_letters(void **state)
{
    (void)state;
    static const struct {
        unsigned char byte;
        uint32_t c;
    } pinned[] = {{0, 0x100},    {' ', 0x120},  {'\n', 0x10a}, {'\t', 0x109},
                  {0x7f, 0x121}, {0xa0, 0x142}, {0xad, 0x143}, {'a', 'a'}};
    for (size_t i = 0; i < sizeof pinned / sizeof *pinned; i++) {
        assert_int_equal(ae_byte_character(pinned[i].byte), pinned[i].c);
    }
    for (int b = 0; b < 256; b++) {
        char letter[4]; /* as much as any character takes */
        uint32_t c = 0;
        int n = ae_byte_letter((unsigned char)b, letter);
        assert_int_equal(ae_utf8_decode(letter, &c), n);
        assert_int_equal(letter[n], '\0');
        assert_int_equal(ae_character_byte(c), b);
    }
    assert_int_equal(ae_character_byte(0x144), -1);
    assert_int_equal(ae_character_byte(' '), -1);
    assert_int_equal(ae_character_byte(0xad), -1);
}

static void test_vocabulary(void **state)
{
    (void)state;
    ae_vocab *v = ae_vocab_new();
    ae_err e = {0};
    assert_int_equal(ae_vocab_find(v, "a", 1), -1);
    char token[160];
    for (int id = 0; id < 20000; id++) { /* of every length up to 160, with holes between the ids */
        int n = snprintf(token, sizeof token, "%0*d", 1 + id % 150, id);
        assert_int_equal(ae_vocab_add(v, token, (size_t)n, 3 * id, &e), 0);
    }
    for (int id = 0; id < 20000; id++) {
        int n = snprintf(token, sizeof token, "%0*d", 1 + id % 150, id);
        size_t bytes = 0;
        assert_int_equal(ae_vocab_find(v, token, (size_t)n), 3 * id);
        assert_string_equal(ae_vocab_token(v, 3 * id, &bytes), token);
        assert_int_equal(bytes, n);
        assert_null(ae_vocab_token(v, 3 * id + 1, NULL));
    }
    assert_int_equal(ae_vocab_find(v, "x", 1), -1);
    assert_null(ae_vocab_token(v, 60000, NULL));
    assert_int_equal(ae_vocab_add(v, "x", 1, -1, &e), -1);
    assert_int_equal(e.code, AE_E_VALUE);
    ae_vocab_free(v);
    ae_vocab_free(NULL);
    v = ae_vocab_new(); /* zero bytes, and the empty token */
    assert_int_equal(ae_vocab_add(v, "a\0b", 3, 0, NULL), 0);
    assert_int_equal(ae_vocab_add(v, "", 0, 1, NULL), 0);
    assert_int_equal(ae_vocab_find(v, "a\0b", 3), 0);
    assert_int_equal(ae_vocab_find(v, "a\0c", 3), -1);
    assert_int_equal(ae_vocab_find(v, "", 0), 1);
    ae_json *j = ae_vocab_json(v, NULL);
    ae_vocab *w = ae_vocab_from_json(j, NULL);
    assert_int_equal(ae_vocab_find(w, "a\0b", 3), 0);
    assert_true(ae_vocab_hash(v) == ae_vocab_hash(w));
    ae_json_free(j);
    ae_vocab_free(v);
    ae_vocab_free(w);
}

static void test_word_cache(void **state)
{
    (void)state;
    ae_word_cache c = {0};
    static const int32_t ids[] = {5, 6}, words[] = {9, 10};
    static const uint32_t starts[] = {100, 103}, ends[] = {103, 110};
    static const char word[] = "abcdefghij        ";
    assert_null(ae_word_cache_find(&c, word, 10, sizeof word - 1));
    for (size_t n = 1; n <= 10; n++) {
        ae_word_cache_add(&c, word, n, ids, starts, ends, words, n % 3, 100, 9, 2);
    }
    for (size_t n = 1; n <= 10; n++) { /* whether or not bytes behind the word may be read */
        const ae_cached *x = ae_word_cache_find(&c, word, n, sizeof word - 1);
        assert_non_null(x);
        assert_ptr_equal(x, ae_word_cache_find(&c, word, n, n));
        assert_int_equal(x->count, n % 3);
        assert_int_equal(x->words, 2);
    }
    assert_null(ae_word_cache_find(&c, "abcdefghiX", 10, 10));
    assert_null(ae_word_cache_find(&c, "b", 1, 1));
    ae_word_cache_own(&c, 1);
    assert_null(ae_word_cache_find(&c, word, 10, 10));
    char large[AE_CACHED_BYTES + 1] = "";
    ae_word_cache_add(&c, large, sizeof large, ids, starts, ends, words, 1, 100, 9, 1);
    assert_null(ae_word_cache_find(&c, large, sizeof large, sizeof large));
    ae_word_cache_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flags),        cmocka_unit_test(test_utf8),       cmocka_unit_test(test_mappings),
        cmocka_unit_test(test_byte_letters), cmocka_unit_test(test_vocabulary), cmocka_unit_test(test_word_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
