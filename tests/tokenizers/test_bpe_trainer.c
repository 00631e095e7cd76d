/* Byte-pair training: a worked example, the rules of ties, alphabets and limits, against counting anew at each step. */
#include "tokenizers/bpe_trainer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct counted {
    const char *word;
    int64_t count;
} counted;

static ae_word_counts table_of(const counted *words, int n)
{
    ae_word_counts w = {0};
    for (int i = 0; i < n; i++) {
        ae_word_counts_add(&w, words[i].word, strlen(words[i].word), words[i].count);
    }
    return w;
}

/* The tokens with blanks between, as one text of the caller's. */
static char *tokens_text(const ae_bpe_result *r)
{
    ae_bytes text = {0};
    for (int64_t i = 0; i < r->tokens.n; i++) {
        size_t bytes;
        const char *token = ae_word_counts_text(&r->tokens, i, &bytes);
        ae_bytes_printf(&text, "%s%.*s", i ? " " : "", (int)bytes, token);
    }
    return text.data;
}

/* The merges as "a+b a+b". */
static char *merges_text(const ae_bpe_result *r)
{
    ae_bytes text = {0};
    ae_bytes_add_text(&text, "");
    for (int64_t i = 0; i < r->n_merges; i++) {
        size_t a_bytes, b_bytes;
        const char *a = ae_word_counts_text(&r->tokens, r->merges[i].a, &a_bytes);
        const char *b = ae_word_counts_text(&r->tokens, r->merges[i].b, &b_bytes);
        ae_bytes_printf(&text, "%s%.*s+%.*s", i ? " " : "", (int)a_bytes, a, (int)b_bytes, b);
    }
    return text.data;
}

static void check(const counted *words, int n, ae_bpe_options options, const char *tokens, const char *merges)
{
    ae_word_counts w = table_of(words, n);
    ae_bpe_result r;
    ae_err e = {0};
    if (ae_bpe_train(&w, &options, &r, &e)) {
        fail_msg("%s", e.message);
    }
    char *got_tokens = tokens_text(&r), *got_merges = merges_text(&r);
    if (tokens) {
        assert_string_equal(got_tokens, tokens);
    }
    assert_string_equal(got_merges, merges);
    free(got_tokens);
    free(got_merges);
    ae_bpe_result_free(&r);
    ae_word_counts_free(&w);
}

/* The example of Sennrich et al. (2016). Counts: e+s and s+t 9, and e has the smaller id; es+t 9; l+o and o+w 7; lo+w
 * 7; then n+e, e+w and w+est have 6, of which e+w has the smallest ids; n+ew and ew+est 6. */
static void worked_example(void **state)
{
    (void)state;
    static const counted words[] = {{"low", 5}, {"lower", 2}, {"newest", 6}, {"widest", 3}};
    ae_bpe_options o = {.vocab_size = 16};
    check(words, 4, o, "d e i l n o r s t w es est lo low ew new", "e+s es+t l+o lo+w e+w n+ew");
}

/* Of pairs with equal counts the one with the smaller ids is joined first, the left id deciding before the right. */
static void ties_go_to_the_smallest_ids(void **state)
{
    (void)state;
    static const counted words[] = {{"dc", 3}, {"ba", 3}, {"bd", 3}, {"ac", 3}};
    ae_bpe_options o = {.vocab_size = 100};
    check(words, 4, o, NULL, "a+c b+a b+d d+c");
}

static void overlaps_are_joined_from_the_left(void **state)
{
    (void)state;
    static const counted words[] = {{"aaaaa", 1}};
    ae_bpe_options o = {.vocab_size = 4};
    check(words, 1, o, "a aa aaa aaaaa", "a+a aa+a aa+aaa");
}

/* Characters within words carry the prefix, which joined tokens keep only in front. */
static void prefix_of_word_pieces(void **state)
{
    (void)state;
    static const counted words[] = {{"abab", 2}, {"b", 5}, {"xab", 2}};
    static const char *const special[] = {"[PAD]", "[UNK]"};
    ae_bpe_options o = {.vocab_size = 13, .prefix = "##", .special = special, .n_special = 2};
    check(words, 3, o, "[PAD] [UNK] a b x ##a ##b ##ab ab xab abab", "##a+##b a+##b x+##ab ab+##ab");
}

static void suffix_of_words(void **state)
{
    (void)state;
    static const counted words[] = {{"ab", 2}, {"aab", 1}, {"b", 1}};
    ae_bpe_options o = {.vocab_size = 6, .suffix = "</w>"};
    check(words, 3, o, "a b b</w> ab</w> aab</w>", "a+b</w> a+ab</w>");
}

static void rare_pairs_are_left(void **state)
{
    (void)state;
    static const counted words[] = {{"ab", 3}, {"cd", 2}, {"ef", 1}};
    ae_bpe_options o = {.vocab_size = 100, .min_frequency = 2};
    check(words, 3, o, "a b c d e f ab cd", "a+b c+d");
}

/* The characters that are left out vanish from words, so that their neighbours meet; at the limit the smaller code
 * point stays; an alphabet that is asked for comes first. */
static void alphabet_limits(void **state)
{
    (void)state;
    static const counted words[] = {{"axb", 3}, {"a\xc3\xa9", 2}, {"bz", 2}};
    ae_bpe_options o = {.vocab_size = 100, .limit_alphabet = 2};
    check(words, 3, o, "a b ab", "a+b");
    o.limit_alphabet = 4;
    check(words, 3, o, "a b x z ax axb bz", "a+x ax+b b+z");
    o.alphabet = "\xc3\xa9"
                 "q";
    check(words, 3, o, "a b q \xc3\xa9 ab a\xc3\xa9", "a+b a+\xc3\xa9");
}

static void tokens_of_limited_length(void **state)
{
    (void)state;
    static const counted words[] = {{"aabb", 4}, {"aab", 2}};
    ae_bpe_options o = {.vocab_size = 100, .max_token_length = 2, .prefix = "##"};
    check(words, 2, o, "a b ##a ##b aa ##bb", "a+##a ##b+##b");
}

/* A pair that spells a token takes its id, be that a special token or, where words spell the prefix, another piece.
 * The merge of "#" and "###ab" gives "##ab" once more, and with it a pair that was joined before is joined again. */
static void tokens_that_are_there_already(void **state)
{
    (void)state;
    static const char *const special[] = {"ab"};
    static const counted plain_words[] = {{"abc", 4}, {"ab", 1}};
    ae_bpe_options o = {.vocab_size = 100, .special = special, .n_special = 1};
    check(plain_words, 2, o, "ab a b c abc", "a+b ab+c");
    static const counted words[] = {{"xabc", 10}, {"wabc", 5}, {"y#ab", 20}, {"##abc", 3}};
    ae_bpe_options pieces = {.vocab_size = 100, .prefix = "##"};
    check(words, 4, pieces, "# a b c w x y ### ##a ##b ##c ##ab ###ab y#ab ##abc xabc wabc",
          "##a+##b ###+##ab y+###ab ##ab+##c x+##abc w+##abc #+###ab ##ab+##c");
}

static void bad_input(void **state)
{
    (void)state;
    static const counted words[] = {{"abc", 1}, {"\xff\x80", 2}};
    ae_word_counts w = table_of(words, 2);
    ae_bpe_options o = {.vocab_size = 4};
    ae_bpe_result r;
    ae_err e = {0};
    assert_int_equal(ae_bpe_train(&w, &o, &r, &e), -1);
    assert_int_equal(e.code, AE_E_VALUE);
    assert_string_equal(e.message, "the special tokens and the alphabet of the text are 5 tokens, vocab_size is 4; "
                                   "raise it or set limit_alphabet");
    ae_word_counts_free(&w);
    o.vocab_size = 0;
    ae_err_clear(&e);
    assert_int_equal(ae_bpe_train(&w, &o, &r, &e), 0); /* no words: no tokens */
    assert_int_equal(r.tokens.n, 0);
    ae_bpe_result_free(&r);
}

static int stop(void *self, int64_t done, int64_t all)
{
    assert_int_equal(done, 3);
    assert_int_equal(all, 50);
    return ++*(int *)self;
}

static void progress_stops_it(void **state)
{
    (void)state;
    static const counted words[] = {{"ab", 1}};
    ae_word_counts w = table_of(words, 1);
    int calls = 0;
    ae_bpe_options o = {.vocab_size = 50, .progress = stop, .self = &calls};
    ae_bpe_result r;
    ae_err e = {0};
    assert_int_equal(ae_bpe_train(&w, &o, &r, &e), -1);
    assert_int_equal(calls, 1);
    assert_int_equal(e.code, AE_E_STATE);
    assert_string_equal(e.message, "training the vocabulary was stopped at 3 of 50 tokens");
    ae_word_counts_free(&w);
}

/* ---- against counting anew ---------------------------------------------------------------------------------------- */

enum { LETTERS = 6, MAX_WORDS = 40, MAX_LENGTH = 14, MAX_TOKENS = 4096 };

typedef struct plain {
    int words, lengths[MAX_WORDS];
    int symbols[MAX_WORDS][MAX_LENGTH];
    int64_t counts[MAX_WORDS];
    char spelling[MAX_TOKENS][MAX_LENGTH + 1];
    int tokens;
} plain;

/* The pair to join: all pairs counted, the most frequent, the smallest ids among equals. Returns its count. */
static int64_t best_pair(const plain *p, int *best_a, int *best_b)
{
    static int64_t counts[MAX_TOKENS][MAX_TOKENS];
    for (int i = 0; i < p->tokens; i++) {
        memset(counts[i], 0, (size_t)p->tokens * sizeof counts[i][0]);
    }
    for (int i = 0; i < p->words; i++) {
        for (int k = 0; k + 1 < p->lengths[i]; k++) {
            counts[p->symbols[i][k]][p->symbols[i][k + 1]] += p->counts[i];
        }
    }
    int64_t best = 0;
    for (int a = 0; a < p->tokens; a++) {
        for (int b = 0; b < p->tokens; b++) {
            if (counts[a][b] > best) {
                best = counts[a][b];
                *best_a = a;
                *best_b = b;
            }
        }
    }
    return best;
}

static void join_everywhere(plain *p, int a, int b, int made)
{
    for (int i = 0; i < p->words; i++) {
        int kept = 0, n = p->lengths[i], *s = p->symbols[i];
        for (int k = 0; k < n; kept++) {
            bool here = k + 1 < n && s[k] == a && s[k + 1] == b;
            s[kept] = here ? made : s[k];
            k += here ? 2 : 1;
        }
        p->lengths[i] = kept;
    }
}

/* Joins until nothing is left; false when a token came about twice, where the rules differ on purpose. */
static bool train_plainly(plain *p, ae_bytes *merges)
{
    int a = 0, b = 0;
    while (best_pair(p, &a, &b) > 0) {
        char made[2 * MAX_LENGTH + 2];
        snprintf(made, sizeof made, "%s%s", p->spelling[a], p->spelling[b]);
        for (int i = 0; i < p->tokens; i++) {
            if (strcmp(p->spelling[i], made) == 0) {
                return false;
            }
        }
        ae_bytes_printf(merges, "%s%s+%s", merges->length ? " " : "", p->spelling[a], p->spelling[b]);
        snprintf(p->spelling[p->tokens], sizeof p->spelling[0], "%.*s", MAX_LENGTH, made);
        join_everywhere(p, a, b, p->tokens++);
    }
    return true;
}

/* Random words of few letters; `p` gets the same as `w`. */
static void random_words(unsigned *seed, plain *p, ae_word_counts *w)
{
    int letters = 3 + rand_r(seed) % (LETTERS - 2);
    *p = (plain){.tokens = 0};
    bool used[LETTERS] = {false};
    char words[MAX_WORDS][MAX_LENGTH + 1];
    int wanted = 2 + rand_r(seed) % (MAX_WORDS - 2);
    for (int i = 0; i < wanted; i++) {
        int n = 1 + rand_r(seed) % (MAX_LENGTH - 1);
        for (int k = 0; k < n; k++) {
            int letter = rand_r(seed) % letters;
            used[letter] = true;
            words[p->words][k] = (char)('a' + letter);
        }
        words[p->words][n] = '\0';
        if (ae_word_counts_find(w, words[p->words], (size_t)n) < 0) {
            p->counts[p->words] = 1 + rand_r(seed) % 9;
            ae_word_counts_add(w, words[p->words], (size_t)n, p->counts[p->words]);
            p->lengths[p->words++] = n;
        }
    }
    int ids[LETTERS];
    for (int k = 0; k < LETTERS; k++) {
        if (used[k]) {
            ids[k] = p->tokens;
            snprintf(p->spelling[p->tokens++], 2, "%c", 'a' + k);
        }
    }
    for (int i = 0; i < p->words; i++) {
        for (int k = 0; k < p->lengths[i]; k++) {
            p->symbols[i][k] = ids[words[i][k] - 'a'];
        }
    }
}

static void equals_counting_anew(void **state)
{
    (void)state;
    unsigned seed = 7;
    int compared = 0;
    plain *p = malloc(sizeof *p);
    for (int round = 0; round < 60; round++) {
        ae_word_counts w = {0};
        ae_bytes expected = {0};
        ae_bytes_add_text(&expected, "");
        random_words(&seed, p, &w);
        if (train_plainly(p, &expected)) {
            ae_bpe_options o = {.vocab_size = 1 << 20};
            ae_bpe_result r;
            assert_int_equal(ae_bpe_train(&w, &o, &r, NULL), 0);
            char *got = merges_text(&r);
            assert_string_equal(got, expected.data);
            free(got);
            ae_bpe_result_free(&r);
            compared++;
        }
        ae_bytes_free(&expected);
        ae_word_counts_free(&w);
    }
    free(p);
    assert_true(compared >= 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worked_example),
        cmocka_unit_test(ties_go_to_the_smallest_ids),
        cmocka_unit_test(overlaps_are_joined_from_the_left),
        cmocka_unit_test(prefix_of_word_pieces),
        cmocka_unit_test(suffix_of_words),
        cmocka_unit_test(rare_pairs_are_left),
        cmocka_unit_test(alphabet_limits),
        cmocka_unit_test(tokens_of_limited_length),
        cmocka_unit_test(tokens_that_are_there_already),
        cmocka_unit_test(bad_input),
        cmocka_unit_test(progress_stops_it),
        cmocka_unit_test(equals_counting_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
