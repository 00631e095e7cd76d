/* Samples of lines: as many as asked for, in order, each line about as often as any other, the same for a seed. */
#include "apps/line_sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LINES = 200, KEPT = 20, ROUNDS = 500 };

static ae_line_sample sample_of(uint64_t seed, int64_t limit)
{
    ae_line_sample s = {.limit = limit, .seed = seed};
    for (int i = 0; i < LINES; i++) {
        char line[32];
        snprintf(line, sizeof line, "%0*d", 1 + i % 20, i);
        assert_int_equal(ae_line_sample_offer(&s, line, strlen(line), i % 2, NULL), 0);
    }
    ae_line_sample_sort(&s);
    return s;
}

static void even_and_in_order(void **state)
{
    (void)state;
    int taken[LINES] = {0};
    for (uint64_t seed = 0; seed < ROUNDS; seed++) {
        ae_line_sample s = sample_of(seed, KEPT);
        assert_int_equal(s.n, KEPT);
        for (int64_t i = 0; i < s.n; i++) {
            char line[32];
            int64_t number = s.lines[i].number;
            assert_true(i == 0 || s.lines[i - 1].number < number);
            int n = snprintf(line, sizeof line, "%0*d", 1 + (int)number % 20, (int)number);
            assert_int_equal(s.lines[i].bytes, n);
            assert_memory_equal(s.lines[i].text, line, (size_t)n);
            assert_int_equal(s.lines[i].ended, number % 2);
            taken[number]++;
        }
        ae_line_sample_free(&s);
    }
    for (int i = 0; i < LINES; i++) { /* 50 is expected, with a deviation of 6.7 */
        assert_in_range(taken[i], 17, 83);
    }
}

static void seeds_and_short_texts(void **state)
{
    (void)state;
    ae_line_sample a = sample_of(1, KEPT), b = sample_of(1, KEPT), c = sample_of(2, KEPT), all = sample_of(1, 1000);
    int differ = 0;
    for (int i = 0; i < KEPT; i++) {
        assert_int_equal(a.lines[i].number, b.lines[i].number);
        differ += a.lines[i].number != c.lines[i].number;
    }
    assert_true(differ > 0);
    assert_int_equal(all.n, LINES);
    ae_line_sample_free(&a);
    ae_line_sample_free(&b);
    ae_line_sample_free(&c);
    ae_line_sample_free(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(even_and_in_order), cmocka_unit_test(seeds_and_short_texts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
