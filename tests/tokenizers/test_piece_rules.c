/* What a learned piece may hold: borders that no piece reaches across agree with what is allowed as a piece, runs are
 * cut at them, and the alphabet is that of a coverage. */
#include "tokenizers/run_counts.h"
#include "tokenizers/unicode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static size_t decode(const char *text, uint32_t *chars)
{
    size_t n = 0;
    for (size_t at = 0; text[at]; n++) {
        at += (size_t)ae_utf8_decode(text + at, &chars[n]);
    }
    return n;
}

static bool allowed(ae_piece_rules rules, const char *text)
{
    uint32_t chars[64];
    size_t n = decode(text, chars);
    return ae_piece_allowed(&rules, chars, n);
}

static void what_is_allowed(void **state)
{
    (void)state;
    ae_piece_rules plain = {.max_length = 5};
    assert_true(allowed(plain, "▁the"));
    assert_false(allowed(plain, "▁them_"));
    assert_false(allowed(plain, ""));
    assert_false(allowed(plain, "a▁"));
    assert_false(allowed(plain, "a▁b"));
    assert_false(allowed(plain, "▁▁"));
    assert_false(allowed(plain, "a1"));
    assert_false(allowed(plain, "aб"));
    assert_true(allowed(plain, "1,9"));
    assert_true(allowed(plain, "日ほンー"));
    assert_false(allowed(plain, "日a"));
    assert_true(allowed(plain, "e\xcc\x81t")); /* a combining accent has the script of its letter */
    assert_false(allowed(plain, "e\xcc\x81б"));
    assert_true(allowed(plain, "\xcc\x81б"));
    assert_true(allowed((ae_piece_rules){.max_length = 5, .join_blanks = true}, "▁a▁b"));
    assert_false(allowed((ae_piece_rules){.max_length = 5, .join_blanks = true}, "a▁"));
    assert_true(allowed((ae_piece_rules){.max_length = 5, .join_scripts = true}, "aб日1"));
    assert_true(allowed((ae_piece_rules){.max_length = 5, .join_numbers = true}, "a1б"));
    assert_false(allowed((ae_piece_rules){.max_length = 5, .split_digits = true}, "19"));
    assert_true(allowed((ae_piece_rules){.max_length = 5, .split_digits = true}, "9"));
    assert_true(allowed((ae_piece_rules){.max_length = 5, .blank_suffix = true}, "the▁"));
    assert_false(allowed((ae_piece_rules){.max_length = 5, .blank_suffix = true}, "▁the"));
    assert_true(allowed((ae_piece_rules){.max_length = 5, .blank_pieces = true}, "▁▁"));
    assert_false(allowed((ae_piece_rules){.max_length = 5, .blank_pieces = true}, "▁▁a"));
}

/* Two neighbours have a border between them exactly if no string around them is a piece. */
static void borders_are_sound(void **state)
{
    (void)state;
    static const uint32_t letters[] = {'a', '1', 0x2581, 0x431, 0x301, ',', 0x65e5, 0x30FC};
    enum { LETTERS = sizeof letters / sizeof *letters, DEEP = 4 };
    for (int bits = 0; bits < 64; bits++) {
        ae_piece_rules rules = {.max_length = 16,
                                .join_blanks = bits & 1,
                                .join_scripts = bits & 2,
                                .join_numbers = bits & 4,
                                .split_digits = bits & 8,
                                .blank_suffix = bits & 16,
                                .blank_pieces = bits & 32};
        for (int pair = 0; pair < LETTERS * LETTERS; pair++) {
            uint32_t a = letters[pair / LETTERS], b = letters[pair % LETTERS];
            bool found = false;
            for (int other = 0; other < LETTERS * LETTERS && !found; other++) {
                uint32_t text[DEEP] = {letters[other / LETTERS], a, b, letters[other % LETTERS]};
                found = ae_piece_allowed(&rules, text, 4) || ae_piece_allowed(&rules, text + 1, 2) ||
                        ae_piece_allowed(&rules, text, 3) || ae_piece_allowed(&rules, text + 1, 3);
            }
            bool border = ae_piece_border(&rules, ae_piece_char(&rules, a), ae_piece_char(&rules, b));
            if (border && found) {
                fail_msg("rules %d: U+%04x U+%04x may be in a piece", bits, a, b);
            }
            if (bits == 0) {
                assert_int_equal(border, !found);
            }
        }
    }
}

static void expect_run(const ae_runs *r, const char *run, int64_t count, uint32_t next)
{
    int64_t i = ae_word_counts_find(&r->words, run, strlen(run));
    if (i < 0) {
        fail_msg("there is no run %s", run);
    }
    assert_int_equal(r->words.words[i].count, count);
    assert_int_equal(r->next[i], next);
}

static void runs_of_a_text(void **state)
{
    (void)state;
    static const char text[] = "▁the▁cat,▁1999年<s>the▁the";
    static const char *const symbols[] = {"<s>"};
    ae_piece_rules rules = {.max_length = 16};
    ae_runs r = {0}, more = {0};
    ae_runs_cut(&r, &rules, (ae_run_symbols){symbols, 1}, text, strlen(text));
    assert_int_equal(r.words.n, 6);
    expect_run(&r, "▁the", 2, AE_NEXT_MANY);
    expect_run(&r, "▁cat", 1, ',');
    expect_run(&r, ",", 1, 0x2581);
    expect_run(&r, "▁1999", 1, 0x5e74);
    expect_run(&r, "年", 1, AE_NEXT_SYMBOL);
    expect_run(&r, "the", 1, 0x2581);
    ae_runs_merge(&more, &r);
    ae_runs_cut(&more, &rules, (ae_run_symbols){0}, ",", 1);
    expect_run(&more, ",", 2, AE_NEXT_MANY);
    expect_run(&more, "▁cat", 1, ',');
    ae_runs_free(&more);
    ae_runs_free(&r);
}

/* 10 a, 5 b, 5 c, 1 d: three quarters are a and b; equals are taken in the order of code points. */
static void alphabets(void **state)
{
    (void)state;
    static const char text[] = "aaaaaaaaaacccccbbbbbd";
    ae_piece_rules rules = {.max_length = 16};
    ae_runs r = {0}, kept = {0};
    ae_alphabet a;
    ae_runs_cut(&r, &rules, (ae_run_symbols){0}, text, strlen(text));
    assert_int_equal(ae_alphabet_choose(&a, &r, 0.7, 0, NULL), 0);
    assert_int_equal(a.n, 2);
    assert_int_equal(a.all, 21);
    assert_int_equal(a.chars[0], 'a');
    assert_int_equal(a.chars[1], 'b');
    assert_int_equal(a.counts[1], 5);
    ae_runs_restrict(&kept, &r, &a);
    assert_int_equal(kept.words.n, 2);
    expect_run(&kept, "aaaaaaaaaa", 1, AE_NEXT_RARE);
    expect_run(&kept, "bbbbb", 1, AE_NEXT_RARE);
    ae_runs_free(&kept);
    ae_alphabet_free(&a);
    assert_int_equal(ae_alphabet_choose(&a, &r, 1, 3, "zd"), 0);
    assert_int_equal(a.n, 3);
    assert_int_equal(a.chars[0], 'd');
    assert_int_equal(a.chars[1], 'z');
    assert_int_equal(a.counts[1], 0);
    assert_int_equal(a.chars[2], 'a');
    ae_alphabet_free(&a);
    assert_int_equal(ae_alphabet_choose(&a, &r, 1, 0, NULL), 0);
    assert_int_equal(a.n, 4);
    ae_alphabet_free(&a);
    ae_runs_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_allowed), cmocka_unit_test(borders_are_sound),
                                       cmocka_unit_test(runs_of_a_text), cmocka_unit_test(alphabets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
