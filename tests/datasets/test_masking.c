/* Masks: what is chosen, how much of it, what becomes of it; counted over many draws. */
#include "datasets/draws.h"
#include "datasets/instances.h"

#include "tiny_tokenizer.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { N = 128, ROUNDS = 2000 };

static ae_tokenizer *tokenizer;

/* [CLS] w.. ab w.. [SEP] w.. [SEP]; every fourth word is "a ##b". */
static void sample(int32_t ids[N])
{
    for (int i = 0; i < N; i++) {
        ids[i] = i % 5 == 3 ? TINY_A : i % 5 == 4 ? TINY_B : TINY_W0 + i % 100;
    }
    ids[0] = TINY_CLS;
    ids[N / 2] = ids[N - 1] = TINY_SEP;
}

static ae_random_key key_of(int round)
{
    return ae_random_key_make(7, 0, 0, 0, (uint64_t)round);
}

static void assert_part(double part, double expected, double trials)
{
    double sigma = sqrt(expected * (1 - expected) / trials);
    if (fabs(part - expected) > 4.5 * sigma) {
        fail_msg("%g, expected %g +- %g", part, expected, sigma);
    }
}

static void tokens_are_masked_at_berts_rates(void **state)
{
    (void)state;
    int32_t original[N], ids[N];
    int64_t labels[N], masks = 0, random = 0, kept = 0, at[N] = {0};
    ae_masking how = ae_masking_defaults();
    sample(original);
    for (int r = 0; r < ROUNDS; r++) {
        ae_random_key key = key_of(r);
        int64_t count = 0;
        memcpy(ids, original, sizeof ids);
        ae_mask_tokens(&how, tokenizer, &key, NULL, ids, labels, N);
        for (int i = 0; i < N; i++) {
            if (labels[i] == -100) {
                assert_int_equal(ids[i], original[i]);
                continue;
            }
            assert_int_equal(labels[i], original[i]);
            assert_true(ids[i] >= TINY_MASK && ids[i] < TINY_SIZE);
            count++;
            at[i]++;
            masks += ids[i] == TINY_MASK;
            kept += ids[i] == original[i];
            random += ids[i] != TINY_MASK && ids[i] != original[i];
        }
        assert_int_equal(count, 19); /* round(128 * 0.15) */
    }
    double all = 19.0 * ROUNDS;
    assert_part((double)masks / all, 0.8, all);
    assert_part((double)random / all, 0.1 * 102 / 103, all); /* the original is one of the 103 that are not special */
    assert_part((double)kept / all, 0.1 + 0.1 / 103, all);
    for (int i = 0; i < N; i++) {
        bool special = i == 0 || i == N / 2 || i == N - 1;
        if (special) {
            assert_int_equal(at[i], 0);
        } else {
            assert_part((double)at[i] / ROUNDS, 19.0 / (N - 3), ROUNDS);
        }
    }
}

static int64_t masked_of(const ae_masking *how, int64_t n)
{
    int32_t ids[N];
    int64_t labels[N], count = 0;
    ae_random_key key = key_of(1);
    sample(ids);
    ids[n - 1] = TINY_SEP;
    ae_mask_tokens(how, tokenizer, &key, NULL, ids, labels, n);
    for (int64_t i = 0; i < n; i++) {
        count += labels[i] >= 0;
    }
    return count;
}

static void numbers_are_googles(void **state)
{
    (void)state;
    ae_masking how = ae_masking_defaults();
    assert_int_equal(masked_of(&how, 3), 1);  /* at least one */
    assert_int_equal(masked_of(&how, 10), 2); /* 1.5, rounded half to even as Python does */
    assert_int_equal(masked_of(&how, 30), 4); /* 4.5 */
    assert_int_equal(masked_of(&how, 16), 2); /* 2.4 */
    assert_int_equal(masked_of(&how, 2), 0);  /* special tokens alone */
    how.most = 5;
    assert_int_equal(masked_of(&how, N), 5);
    how.rate = 0;
    assert_int_equal(masked_of(&how, N), 0);
    how.rate = 1;
    how.most = 0;
    assert_int_equal(masked_of(&how, 50), 48);
}

static void whole_words_are_chosen_whole(void **state)
{
    (void)state;
    int32_t original[N], ids[N];
    int64_t labels[N], total = 0, first = 0, second = 0, differ = 0;
    ae_masking how = ae_masking_defaults();
    how.unit = AE_MASK_WHOLE_WORDS;
    sample(original);
    for (int r = 0; r < ROUNDS; r++) {
        ae_random_key key = key_of(r);
        int64_t count = 0;
        memcpy(ids, original, sizeof ids);
        ae_mask_tokens(&how, tokenizer, &key, NULL, ids, labels, N);
        for (int i = 0; i < N; i++) {
            count += labels[i] >= 0;
            if (original[i] == TINY_A && original[i + 1] == TINY_B) {
                assert_int_equal(labels[i] >= 0, labels[i + 1] >= 0);
                first += labels[i] >= 0;
                second += labels[i] >= 0 && ids[i] == TINY_MASK;
                differ += labels[i] >= 0 && (ids[i] == TINY_MASK) != (ids[i + 1] == TINY_MASK);
            }
        }
        assert_int_equal(count, 19); /* there is always a word of one token that fits at the end */
        total += count;
    }
    assert_int_equal(total, 19 * ROUNDS);
    assert_part((double)second / (double)first, 0.8, (double)first);
    assert_part((double)differ / (double)first, 0.32, (double)first); /* each token has a draw of its own */
    int32_t word[] = {TINY_CLS, TINY_A, TINY_B, TINY_SEP};
    ae_random_key key = key_of(0);
    ae_mask_tokens(&how, tokenizer, &key, NULL, word, labels, 4); /* one is to be chosen, no word fits */
    assert_int_equal(labels[1], TINY_A);
    assert_int_equal(labels[2], TINY_B);
}

/* On text of single words: how many runs of predicted tokens there are tells how long spans are. */
static void spans_have_geometric_lengths(void **state)
{
    enum { TRIALS = 40000, WIDE = 1000 };
    (void)state;
    static int32_t ids[WIDE];
    static int64_t labels[WIDE];
    double runs_of[5] = {0}, law[5], left = 1, mixed = 0, masks = 0, all = 0;
    ae_masking how = ae_masking_defaults();
    how.unit = AE_MASK_SPANS;
    how.span_most = 4;
    how.rate = 4.0 / WIDE;
    for (int k = 1; k <= 4; k++) {
        law[k] = 0.2 * left / (1 - pow(0.8, 4));
        left *= 0.8;
    }
    for (int r = 0; r < TRIALS; r++) {
        ae_random_key key = key_of(r);
        int runs = 0, chosen = 0;
        for (int i = 0; i < WIDE; i++) {
            ids[i] = TINY_W0 + 1;
        }
        ae_mask_tokens(&how, tokenizer, &key, NULL, ids, labels, WIDE);
        for (int i = 0; i < WIDE; i++) {
            chosen += labels[i] >= 0;
            bool begins = labels[i] >= 0 && (i == 0 || labels[i - 1] < 0);
            runs += begins;
            masks += begins && ids[i] == TINY_MASK;
            mixed += labels[i] >= 0 && !begins && (ids[i] == TINY_MASK) != (ids[i - 1] == TINY_MASK);
        }
        assert_int_equal(chosen, 4);
        runs_of[runs]++;
        all += runs;
    }
    assert_true(mixed / all < 0.01); /* a span has one draw; only spans that meet can differ within a run */
    assert_part(masks / all, 0.8, all);
    /* Four tokens: one span of four; or four spans, of which the last may be of any length. Few spans meet by chance.
     */
    assert_true(fabs(runs_of[1] / TRIALS - law[4]) < 0.015);
    assert_true(fabs(runs_of[4] / TRIALS - law[1] * law[1] * law[1]) < 0.01);
    /* Two: one of three and any; of two and at least two; of one and at least three. */
    assert_true(fabs(runs_of[2] / TRIALS - (law[3] + law[2] * (1 - law[1]) + law[1] * (law[3] + law[4]))) < 0.02);
}

static void spans_keep_words_and_special_tokens(void **state)
{
    (void)state;
    int32_t original[N], ids[N];
    int64_t labels[N];
    ae_masking how = ae_masking_defaults();
    how.unit = AE_MASK_SPANS;
    sample(original);
    int cut = 0;
    for (int r = 0; r < ROUNDS; r++) {
        ae_random_key key = key_of(r);
        int64_t count = 0;
        memcpy(ids, original, sizeof ids);
        ae_mask_tokens(&how, tokenizer, &key, NULL, ids, labels, N);
        for (int i = 0; i < N; i++) {
            count += labels[i] >= 0;
            if (original[i] == TINY_A && original[i + 1] == TINY_B) {
                cut += (labels[i] >= 0) != (labels[i + 1] >= 0);
            }
        }
        assert_int_equal(count, 19);
        assert_true(labels[0] == -100 && labels[N / 2] == -100 && labels[N - 1] == -100);
    }
    assert_true(cut <= ROUNDS); /* only where the last token that may be masked is a word's first */
    assert_true(cut > 0);
}

static void a_mask_is_a_function_of_its_key(void **state)
{
    (void)state;
    for (int unit = AE_MASK_TOKENS; unit <= AE_MASK_SPANS; unit++) {
        int32_t a[N], b[N], c[N];
        int64_t x[N], y[N], z[N];
        ae_masking how = ae_masking_defaults();
        how.unit = (ae_mask_unit)unit;
        ae_random_key one = key_of(1), two = key_of(2);
        sample(a);
        sample(b);
        sample(c);
        ae_mask_tokens(&how, tokenizer, &one, NULL, a, x, N);
        ae_mask_tokens(&how, tokenizer, &one, NULL, b, y, N);
        ae_mask_tokens(&how, tokenizer, &two, NULL, c, z, N);
        assert_memory_equal(a, b, sizeof a);
        assert_memory_equal(x, y, sizeof x);
        assert_memory_not_equal(x, z, sizeof x);
        ae_mask_tokens(&how, tokenizer, &one, NULL, a, x, 0);
    }
}

static void draws_are_uniform(void **state)
{
    enum { DRAWS = 70000 };
    (void)state;
    ae_draws d = {.key = key_of(3)};
    double counts[7] = {0}, sum = 0;
    for (int i = 0; i < DRAWS; i++) {
        counts[ae_draw_below(&d, 7)]++;
        double u = ae_draw_unit(&d);
        assert_true(u >= 0 && u < 1);
        sum += u;
        int64_t large = ae_draw_below(&d, INT64_C(3) << 32);
        assert_true(large >= 0 && large < INT64_C(3) << 32);
    }
    for (int i = 0; i < 7; i++) {
        assert_part(counts[i] / DRAWS, 1.0 / 7, DRAWS);
    }
    assert_true(fabs(sum / DRAWS - 0.5) < 0.005);
    assert_int_equal(ae_draw_below(&d, 1), 0);
    assert_int_equal(ae_draw_below(&d, 0), 0);
    ae_draws again = {.key = key_of(3)};
    assert_int_equal(ae_draw_word(&again), ae_random_word(&again.key, 0));
    assert_int_equal(ae_draw_word(&again), ae_random_word(&again.key, 1));
}

static int open_tokenizer(void **state)
{
    (void)state;
    tokenizer = tiny_tokenizer("masking_vocab.txt");
    unlink("masking_vocab.txt");
    return tokenizer ? 0 : -1;
}

static int close_tokenizer(void **state)
{
    (void)state;
    ae_tokenizer_free(tokenizer);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_masked_at_berts_rates),
        cmocka_unit_test(numbers_are_googles),
        cmocka_unit_test(whole_words_are_chosen_whole),
        cmocka_unit_test(spans_have_geometric_lengths),
        cmocka_unit_test(spans_keep_words_and_special_tokens),
        cmocka_unit_test(a_mask_is_a_function_of_its_key),
        cmocka_unit_test(draws_are_uniform),
    };
    return cmocka_run_group_tests(tests, open_tokenizer, close_tokenizer);
}
