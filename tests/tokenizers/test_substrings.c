/* Frequent substrings by sorted positions: the same as counting every substring of random runs one by one, with the
 * positions where they stand, on any number of threads. */
#include "tokenizers/substrings.h"

#include "tensor/threads.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RUN_MAX = 9, PIECE_MAX = 5 };

/* Runs of so many letters; what follows is one of two characters, the end, or changes. */
static ae_runs random_runs(unsigned seed, int n, int letters)
{
    static const uint32_t next[] = {AE_NEXT_END, 'x', 'y'};
    ae_runs r = {0};
    for (int i = 0; i < n; i++) {
        char run[RUN_MAX];
        int length = 1 + rand_r(&seed) % RUN_MAX;
        for (int k = 0; k < length; k++) {
            run[k] = (char)('a' + rand_r(&seed) % letters);
        }
        ae_runs_add(&r, run, (size_t)length, next[rand_r(&seed) % 3], 1 + rand_r(&seed) % 4);
    }
    assert_false(r.words.failed);
    return r;
}

/* What stands behind a place in a run: a letter, or what follows the run; AE_NEXT_MANY is two. */
static void look_behind(const ae_runs *r, int64_t run, size_t at, uint32_t *seen, bool *different)
{
    size_t bytes;
    const char *text = ae_word_counts_text(&r->words, run, &bytes);
    uint32_t c = at < bytes ? (uint32_t)text[at] : r->next[run] | AE_RUN_END;
    *different |= c == (AE_NEXT_MANY | AE_RUN_END) || (*seen != UINT32_MAX && *seen != c);
    *seen = c;
}

/* How often a string occurs, 0 when it is always followed by the same; *places receives how many different ones. */
static int64_t count_plainly(const ae_runs *r, const char *text, size_t n, uint32_t *places)
{
    int64_t count = 0;
    uint32_t seen = UINT32_MAX;
    bool different = false;
    *places = 0;
    for (int64_t i = 0; i < r->words.n; i++) {
        size_t bytes;
        const char *run = ae_word_counts_text(&r->words, i, &bytes);
        for (size_t at = 0; at + n <= bytes; at++) {
            if (memcmp(run + at, text, n) == 0) {
                count += r->words.words[i].count;
                ++*places;
                look_behind(r, i, at + n, &seen, &different);
            }
        }
    }
    return different ? count : 0;
}

static void compare(const ae_runs *r, const ae_run_text *text, const ae_substrings *s)
{
    ae_word_counts plain = {0};
    uint32_t places;
    for (int64_t i = 0; i < r->words.n; i++) {
        size_t bytes;
        const char *run = ae_word_counts_text(&r->words, i, &bytes);
        for (size_t at = 0; at < bytes; at++) {
            for (size_t n = 2; n <= PIECE_MAX && at + n <= bytes; n++) {
                if (count_plainly(r, run + at, n, &places) > 0) {
                    ae_word_counts_add(&plain, run + at, n, 0);
                }
            }
        }
    }
    assert_int_equal(plain.n, s->n);
    for (size_t i = 0; i < s->n; i++) {
        char word[PIECE_MAX];
        for (uint32_t k = 0; k < s->list[i].length; k++) {
            word[k] = (char)text->symbols[s->order[s->list[i].left] + k];
        }
        assert_true(ae_word_counts_find(&plain, word, s->list[i].length) >= 0);
        assert_int_equal(s->list[i].count, count_plainly(r, word, s->list[i].length, &places));
        assert_int_equal(s->list[i].places, places);
        for (uint32_t p = 0; p < places; p++) {
            for (uint32_t k = 0; k < s->list[i].length; k++) {
                assert_int_equal(text->symbols[s->order[s->list[i].left + p] + k], word[k]);
            }
        }
        assert_true(i == 0 || s->list[i - 1].count * s->list[i - 1].length >= s->list[i].count * s->list[i].length);
    }
    ae_word_counts_free(&plain);
}

static void as_counted_plainly(void **state)
{
    (void)state;
    ae_piece_rules rules = {.max_length = PIECE_MAX};
    for (unsigned seed = 0; seed < 40; seed++) {
        ae_runs r = random_runs(seed, 1 + (int)seed * 3, 1 + (int)seed % 4);
        ae_run_text text;
        ae_substrings s;
        assert_int_equal(ae_set_threads(1 + (int)seed % 3, NULL), 0);
        assert_int_equal(ae_run_text_make(&text, &r, NULL), 0);
        assert_int_equal(ae_substrings_find(&s, &text, &rules, 100000), 0);
        compare(&r, &text, &s);
        ae_substrings_free(&s);
        ae_run_text_free(&text);
        ae_runs_free(&r);
    }
    ae_set_threads(0, NULL);
}

/* With a limit the best stay, the same ones on any number of threads. */
static void the_best_stay(void **state)
{
    (void)state;
    ae_piece_rules rules = {.max_length = PIECE_MAX};
    ae_runs r = random_runs(7, 4000, 12);
    ae_run_text text;
    ae_substrings all, some;
    assert_int_equal(ae_run_text_make(&text, &r, NULL), 0);
    assert_int_equal(ae_substrings_find(&all, &text, &rules, 1000000), 0);
    assert_true(all.n > 3000);
    for (int threads = 1; threads <= 5; threads += 4) {
        assert_int_equal(ae_set_threads(threads, NULL), 0);
        assert_int_equal(ae_substrings_find(&some, &text, &rules, 50), 0);
        assert_int_equal(some.n, 50);
        assert_memory_equal(some.list, all.list, 50 * sizeof *all.list);
        ae_substrings_free(&some);
    }
    ae_set_threads(0, NULL);
    ae_substrings_free(&all);
    ae_run_text_free(&text);
    ae_runs_free(&r);
}

static void nothing_to_find(void **state)
{
    (void)state;
    ae_piece_rules rules = {.max_length = PIECE_MAX};
    ae_runs r = {0};
    ae_run_text text;
    ae_substrings s;
    assert_int_equal(ae_run_text_make(&text, &r, NULL), 0);
    assert_int_equal(ae_substrings_find(&s, &text, &rules, 10), 0);
    assert_int_equal(s.n, 0);
    ae_substrings_free(&s);
    ae_run_text_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_counted_plainly), cmocka_unit_test(the_best_stay),
                                       cmocka_unit_test(nothing_to_find)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
