/* The searches under the models of pieces against plain twins: the trie against comparing every key, the best path
 * against trying every way to cut, merging through arrays and a heap against merging as it is described. */
#include "tokenizers/best_path.h"
#include "tokenizers/merge_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint32_t state_of_chance = 1;

static uint32_t below(uint32_t n)
{
    state_of_chance = state_of_chance * 1664525u + 1013904223u;
    return (state_of_chance >> 8) % n;
}

/* ---- the trie ------------------------------------------------------------------------------------------------------ */

enum { KEYS = 3000, KEY_BYTES = 8 };

typedef struct keys {
    char bytes[KEYS][KEY_BYTES];
    ae_trie_key list[KEYS], given[KEYS];
} keys;

static void make_keys(keys *k, uint32_t letters)
{
    for (int i = 0; i < KEYS; i++) {
        uint32_t length = below(KEY_BYTES + 1);
        for (uint32_t c = 0; c < length; c++) {
            k->bytes[i][c] = (char)(below(letters) + (letters < 256 ? 250 : 0));
        }
        k->list[i] = (ae_trie_key){k->bytes[i], length, i};
    }
    memcpy(k->given, k->list, sizeof k->list);
}

static int32_t plain_longest(const keys *k, const char *text, size_t left, size_t *length)
{
    int32_t found = -1;
    *length = 0;
    for (int32_t i = 0; i < KEYS; i++) {
        uint32_t n = k->list[i].length;
        if (n > 0 && n <= left && n >= *length && memcmp(k->bytes[i], text, n) == 0) {
            found = i;
            *length = n;
        }
    }
    return found;
}

static void test_trie(void **state)
{
    (void)state;
    keys *k = calloc(1, sizeof *k);
    for (int round = 0; round < 4; round++) {
        ae_trie t;
        make_keys(k, round < 2 ? 256 : 3);
        assert_int_equal(ae_trie_build(&t, k->given, KEYS, NULL), 0);
        for (int i = 0; i < 2000; i++) {
            char text[KEY_BYTES];
            size_t n = 0, want = 0;
            memcpy(text, k->bytes[below(KEYS)], KEY_BYTES);
            text[below(KEY_BYTES)] = (char)below(256);
            size_t left = below(KEY_BYTES + 1);
            assert_int_equal(ae_trie_longest(&t, text, left, &n), plain_longest(k, text, left, &want));
            assert_int_equal(n, want);
        }
        ae_trie_free(&t);
    }
    free(k);
}

static void test_empty_trie(void **state)
{
    (void)state;
    ae_trie t;
    size_t n = 1;
    assert_int_equal(ae_trie_build(&t, NULL, 0, NULL), 0);
    assert_int_equal(ae_trie_longest(&t, "a\0b", 3, &n), -1);
    assert_int_equal(n, 0);
    ae_trie_free(&t);
    assert_int_equal(ae_trie_longest(&t, "a", 1, &n), -1);
}

/* ---- the best path ------------------------------------------------------------------------------------------------- */

typedef struct ways {
    const ae_trie_key *list;
    int count;
    const double *scores;
    double unknown;
} ways;

static double best_from(const ways *w, const char *text, size_t left)
{
    double best = left ? -HUGE_VAL : 0;
    bool alone = false;
    for (int i = 0; i < w->count && left; i++) {
        if (w->list[i].length <= left && memcmp(w->list[i].bytes, text, w->list[i].length) == 0) {
            best =
                fmax(best, w->scores[w->list[i].id] + best_from(w, text + w->list[i].length, left - w->list[i].length));
            alone = alone || w->list[i].length == 1;
        }
    }
    return alone || !left ? best : fmax(best, w->unknown + best_from(w, text + 1, left - 1));
}

static void test_best_path(void **state)
{
    (void)state;
    static const char *const pieces[] = {"a", "b", "ab", "ba", "aab", "bbb", "abab", "bab"};
    static const double scores[] = {-2, -2.5, -3.75, -4.25, -5, -7, -7.5, -6};
    ae_trie_key list[8];
    for (int i = 0; i < 8; i++) {
        list[i] = (ae_trie_key){pieces[i], (uint32_t)strlen(pieces[i]), i};
    }
    ae_trie_key given[8];
    memcpy(given, list, sizeof list);
    ae_path_pieces p = {.scores = (double *)scores, .unknown_score = -17.5, .unknown = 99};
    ways w = {list, 8, scores, -17.5};
    assert_int_equal(ae_trie_build(&p.trie, given, 8, NULL), 0);
    for (int round = 0; round < 500; round++) {
        char text[14];
        size_t n = 1 + below(sizeof text), missing = 0;
        for (size_t i = 0; i < n; i++) {
            text[i] = "abababac"[below(8)];
        }
        ae_path_spot spots[15];
        assert_false(isnan(ae_best_path(&p, text, n, 0, round % 2, spots, &missing)));
        double sum = 0;
        for (size_t i = 0; i < n; i = spots[i].start) {
            assert_true(spots[i].start > i && spots[i].start <= n);
            int32_t id = spots[spots[i].start].id;
            sum += id == 99 ? -17.5 : scores[id];
        }
        assert_true(sum == best_from(&w, text, n)); /* sums of quarters are exact */
    }
    ae_trie_free(&p.trie);
}

/* How near two paths came; and a character that nothing stands for. */
static void test_margin(void **state)
{
    (void)state;
    ae_trie_key given[] = {{"a", 1, 0}, {"b", 1, 1}, {"ab", 2, 2}};
    double scores[] = {-1, -2, -3.25};
    ae_path_pieces p = {.scores = scores, .unknown_score = -13, .unknown = -1};
    ae_path_spot spots[8];
    size_t missing = 0;
    assert_int_equal(ae_trie_build(&p.trie, given, 3, NULL), 0);
    assert_true(ae_best_path(&p, "ab", 2, 0, false, spots, &missing) == 0.25);
    assert_true(ae_best_path(&p, "aa", 2, 0, false, spots, &missing) == HUGE_VAL);
    assert_true(ae_best_path(&p, "ab", 2, -16777216, true, spots, &missing) == 2); /* where numbers are 2 apart */
    assert_true(isnan(ae_best_path(&p, "a\xc3\xa9", 3, 0, false, spots, &missing)));
    assert_int_equal(missing, 3);
    ae_trie_free(&p.trie);
}

/* ---- merging ------------------------------------------------------------------------------------------------------- */

enum { SYMBOLS = 400, NAMES = 12 };

typedef struct plain_merge {
    int32_t a, b, id;
    uint32_t rank;
} plain_merge;

static const plain_merge *plain_find(const plain_merge *list, int count, int32_t a, int32_t b)
{
    for (int i = count - 1; i >= 0; i--) {
        if (list[i].a == a && list[i].b == b) {
            return &list[i];
        }
    }
    return NULL;
}

static size_t plain_merging(const plain_merge *list, int count, ae_symbol *s, size_t n)
{
    for (;;) {
        const plain_merge *best = NULL;
        size_t at = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            const plain_merge *m = plain_find(list, count, s[i].id, s[i + 1].id);
            if (m && (!best || m->rank < best->rank)) {
                best = m;
                at = i;
            }
        }
        if (!best) {
            return n;
        }
        s[at] = (ae_symbol){best->id, s[at].start, s[at + 1].end};
        memmove(s + at + 1, s + at + 2, (n - at - 2) * sizeof *s);
        n--;
    }
}

static void count_seen(void *self, int32_t id, ae_symbol left, ae_symbol right)
{
    assert_true(id >= 0 && left.end == right.start);
    ++*(int *)self;
}

static void test_merging(void **state)
{
    (void)state;
    ae_work w = {0};
    for (int round = 0; round < 60; round++) {
        plain_merge list[40];
        ae_merge_table t;
        assert_int_equal(ae_merge_table_init(&t, 40, NULL), 0);
        for (int i = 0; i < 40; i++) { /* ranks that are equal too, and pairs that stand twice */
            list[i] = (plain_merge){(int32_t)below(NAMES), (int32_t)below(NAMES), (int32_t)below(NAMES), below(20)};
            ae_merge_table_put(&t, list[i].a, list[i].b, list[i].rank, list[i].id);
        }
        ae_symbol first[SYMBOLS], few[SYMBOLS], many[SYMBOLS];
        size_t n = 1 + below(round % 2 ? AE_SHORT_WORD : SYMBOLS);
        for (size_t i = 0; i < n; i++) {
            first[i] = (ae_symbol){(int32_t)below(NAMES), (uint32_t)i, (uint32_t)i + 1};
        }
        memcpy(few, first, sizeof few);
        memcpy(many, first, sizeof many);
        int seen = 0;
        ae_merge_watch watch = {count_seen, &seen};
        size_t want = plain_merging(list, 40, first, n);
        assert_int_equal(ae_merge_symbols(&t, few, n, NULL, &w), want);
        assert_int_equal(ae_merge_symbols(&t, many, n, &watch, &w), want);
        assert_memory_equal(few, first, want * sizeof *few);
        assert_memory_equal(many, first, want * sizeof *many);
        assert_true((size_t)seen >= n - want);
        ae_merge_table_free(&t);
    }
    ae_work_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trie),   cmocka_unit_test(test_empty_trie), cmocka_unit_test(test_best_path),
        cmocka_unit_test(test_margin), cmocka_unit_test(test_merging),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
