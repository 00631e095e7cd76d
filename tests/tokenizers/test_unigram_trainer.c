/* Unigram training: expectations and best ways as by trying every way to cut a run, runs too long for the range of
 * numbers, and what is learned: known words, the same on any number of threads, and stopping. */
#include "tokenizers/unigram_trainer.h"

#include "tensor/threads.h"
#include "tokenizers/piece_lattice.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static ae_piece_rules rules = {.max_length = 8};

/* ---- lattices ------------------------------------------------------------------------------------------------------- */

typedef struct fixture {
    ae_runs runs;
    ae_run_text text;
    ae_substrings found;
    ae_lattice lattice;
} fixture;

/* A lattice over runs, with scores that differ; the letter b has no piece. */
static void make(fixture *f, const char *const *runs, int n)
{
    static const uint32_t chars[] = {'a', 'c'};
    *f = (fixture){0};
    for (int i = 0; i < n; i++) {
        ae_runs_add(&f->runs, runs[i], strlen(runs[i]), AE_NEXT_MANY, 1);
    }
    assert_int_equal(ae_run_text_make(&f->text, &f->runs, NULL), 0);
    assert_int_equal(ae_substrings_find(&f->found, &f->text, &rules, 1000), 0);
    assert_int_equal(ae_lattice_make(&f->lattice, &f->text, chars, 2, &f->found, NULL), 0);
    for (uint32_t i = 0; i < f->lattice.n_pieces; i++) {
        f->lattice.pieces[i].score = -1.0f - (float)(i * 7 % 5) * 0.3f;
        f->lattice.pieces[i].probability = expf(f->lattice.pieces[i].score);
    }
    f->lattice.unknown = -6;
}

static void drop(fixture *f)
{
    ae_lattice_free(&f->lattice);
    ae_substrings_free(&f->found);
    ae_run_text_free(&f->text);
    ae_runs_free(&f->runs);
}

/* Every way to cut what is behind `at`: adds its probability, times that of the way so far, to the pieces it takes. */
static double try_all(const fixture *f, uint32_t start, uint32_t at, uint32_t length, double so_far, double *sums)
{
    const ae_lattice *l = &f->lattice;
    if (at == length) {
        return so_far;
    }
    double all = 0;
    bool own = false;
    for (uint32_t k = l->first[start + at]; k < l->first[start + at + 1]; k++) {
        const ae_lattice_piece *piece = &l->pieces[l->edges[k]];
        double part = try_all(f, start, at + piece->length, length, so_far * exp((double)piece->score), sums);
        sums[l->edges[k]] += part;
        all += part;
        own |= piece->length == 1;
    }
    return own ? all : all + try_all(f, start, at + 1, length, so_far * exp(l->unknown), sums);
}

static void expectations(void **state)
{
    (void)state;
    static const char *const runs[] = {"abcabcacab", "acacacc", "bab", "caba"};
    fixture f;
    ae_lattice_room room;
    make(&f, runs, 4);
    assert_true(f.lattice.n_pieces > 8);
    assert_int_equal(ae_lattice_room_make(&room, 16), 0);
    for (uint32_t run = 0; run < f.text.n_runs; run++) {
        double plain[64] = {0};
        int64_t sums[64] = {0};
        uint32_t start = f.text.starts[run], length = f.text.starts[run + 1] - start - 2;
        double all = try_all(&f, start, 0, length, 1, plain);
        ae_lattice_expect(&f.lattice, &room, start, length, 3, sums);
        for (uint32_t i = 0; i < f.lattice.n_pieces; i++) {
            assert_true(fabs((double)sums[i] / AE_LATTICE_UNIT - 3 * plain[i] / all) < 1e-5);
        }
    }
    ae_lattice_room_free(&room);
    drop(&f);
}

/* The best of all ways, by trying them. */
static double try_best(const fixture *f, uint32_t start, uint32_t at, uint32_t length, bool parted)
{
    const ae_lattice *l = &f->lattice;
    if (at == length) {
        return 0;
    }
    double best = -INFINITY;
    bool own = false;
    for (uint32_t k = l->first[start + at]; k < l->first[start + at + 1]; k++) {
        const ae_lattice_piece *piece = &l->pieces[l->edges[k]];
        own |= piece->length == 1;
        if (at + piece->length <= length && !(parted && piece->length == length)) {
            best = fmax(best, (double)piece->score + try_best(f, start, at + piece->length, length, parted));
        }
    }
    return own ? best : fmax(best, l->unknown + try_best(f, start, at + 1, length, parted));
}

static void best_ways(void **state)
{
    (void)state;
    static const char *const runs[] = {"abcabcacab", "acacacc", "bab", "caba"};
    fixture f;
    ae_lattice_room room;
    make(&f, runs, 4);
    assert_int_equal(ae_lattice_room_make(&room, 16), 0);
    for (uint32_t run = 0; run < f.text.n_runs; run++) {
        uint32_t start = f.text.starts[run], length = f.text.starts[run + 1] - start - 2;
        for (uint32_t n = 1; n <= length; n++) {
            for (int parted = 0; parted < 2; parted++) {
                double best = ae_lattice_best(&f.lattice, &room, start, n, parted), sum = 0;
                double plain = try_best(&f, start, 0, n, parted);
                assert_true(best == plain || fabs(best - plain) < 1e-6);
                for (uint32_t at = n; best > -INFINITY && at > 0; at = room.from[at]) {
                    uint32_t piece = room.best[at];
                    sum += piece == AE_NO_PLACE ? f.lattice.unknown : (double)f.lattice.pieces[piece].score;
                }
                assert_true(best == -INFINITY || fabs(sum - best) < 1e-6);
            }
        }
    }
    ae_lattice_room_free(&room);
    drop(&f);
}

/* 20000 characters at e^-25 each are far below the range of double; each is still expected once. */
static void long_runs(void **state)
{
    (void)state;
    enum { LONG = 20000 };
    char *run = malloc(LONG + 1);
    for (int i = 0; i < LONG; i++) {
        run[i] = "ac"[i * i % 7 % 2];
    }
    run[LONG] = '\0';
    const char *const runs[] = {run, "aa", "ca"};
    fixture f;
    ae_lattice_room room;
    make(&f, runs, 3);
    for (uint32_t i = 0; i < f.lattice.n_pieces; i++) {
        f.lattice.pieces[i].score -= 24;
        f.lattice.pieces[i].probability = expf(f.lattice.pieces[i].score);
    }
    int64_t *sums = calloc(f.lattice.n_pieces, sizeof *sums);
    assert_int_equal(ae_lattice_room_make(&room, LONG), 0);
    for (uint32_t i = 0; i < f.text.n_runs; i++) {
        uint32_t length = f.text.starts[i + 1] - f.text.starts[i] - 2;
        if (length == LONG) {
            ae_lattice_expect(&f.lattice, &room, f.text.starts[i], length, 1, sums);
        }
    }
    double characters = 0;
    for (uint32_t i = 0; i < f.lattice.n_pieces; i++) {
        characters += (double)sums[i] / AE_LATTICE_UNIT * f.lattice.pieces[i].length;
    }
    assert_true(fabs(characters - LONG) < 0.05);
    ae_lattice_room_free(&room);
    free(sums);
    drop(&f);
    free(run);
}

static void renumbering(void **state)
{
    (void)state;
    static const char *const runs[] = {"aca", "caca"};
    fixture f;
    make(&f, runs, 2);
    uint32_t before = f.lattice.first[f.text.n], removed = 0, *numbers = malloc(f.lattice.n_pieces * sizeof *numbers);
    for (uint32_t i = 0; i < before; i++) {
        removed += f.lattice.edges[i] == 1;
    }
    for (uint32_t i = 0; i < f.lattice.n_pieces; i++) {
        numbers[i] = i == 1 ? AE_NO_PLACE : i - (i > 1);
    }
    assert_true(removed > 0);
    ae_lattice_renumber(&f.lattice, numbers);
    assert_int_equal(f.lattice.first[f.text.n], before - removed);
    for (uint32_t i = 0; i < f.lattice.first[f.text.n]; i++) {
        assert_true(f.lattice.edges[i] < f.lattice.n_pieces - 1);
    }
    free(numbers);
    drop(&f);
}

/* ---- training ------------------------------------------------------------------------------------------------------- */

/* Words of four syllables out of twelve, the first ones far more often. */
static ae_runs sample(void)
{
    static const char *const syllables[] = {"ba", "no", "ki", "tur", "mel", "so", "pra", "li", "den", "gu", "fo", "we"};
    unsigned seed = 5;
    ae_runs r = {0};
    for (int i = 0; i < 3000; i++) {
        char word[32] = "\xe2\x96\x81";
        int n = 1 + rand_r(&seed) % 4;
        for (int k = 0; k < n; k++) {
            strcat(word, syllables[rand_r(&seed) % 12 * (rand_r(&seed) % 12) / 11]);
        }
        ae_runs_add(&r, word, strlen(word), i % 3 ? 0x2581 : ',', 1);
    }
    return r;
}

static int count_calls(void *self, int64_t done, int64_t all)
{
    int64_t *last = self;
    assert_true(done >= last[1] && done <= all);
    last[0]++;
    last[1] = done;
    return 0;
}

static ae_scored_pieces learn(const ae_runs *r, int64_t size, int threads, int64_t calls[2])
{
    ae_alphabet a;
    ae_scored_pieces out;
    ae_err e = {0};
    assert_int_equal(ae_set_threads(threads, NULL), 0);
    assert_int_equal(ae_alphabet_choose(&a, r, 1, 0, NULL), 0);
    ae_unigram_options o = {.vocab_size = size, .others = 3, .rules = rules, .progress = count_calls, .self = calls};
    if (ae_unigram_train(r, &a, &o, &out, &e)) {
        fail_msg("%s", e.message);
    }
    ae_alphabet_free(&a);
    ae_set_threads(0, NULL);
    return out;
}

static void learns_syllables(void **state)
{
    (void)state;
    static const char *const expected[] = {"ba", "no", "ki", "tur", "mel", "so", "pra", "li", "den"};
    ae_runs r = sample();
    int64_t calls[2] = {0};
    ae_scored_pieces one = learn(&r, 60, 1, calls), many = learn(&r, 60, 5, (int64_t[2]){0});
    assert_int_equal(one.pieces.n, 57);
    assert_true(calls[0] >= 3);
    assert_int_equal(calls[1], 1000);
    for (int i = 0; i < 9; i++) {
        assert_true(ae_word_counts_find(&one.pieces, expected[i], strlen(expected[i])) >= 0);
    }
    double all = 0;
    for (int64_t i = 0; i < one.pieces.n; i++) {
        all += exp((double)one.scores[i]);
        assert_true(i == 0 || one.scores[i] <= one.scores[i - 1]);
    }
    assert_true(all > 0.9 && all < 1.1);
    assert_int_equal(many.pieces.n, one.pieces.n);
    assert_int_equal(many.pieces.text.length, one.pieces.text.length);
    assert_memory_equal(many.pieces.text.data, one.pieces.text.data, one.pieces.text.length);
    assert_memory_equal(many.scores, one.scores, (size_t)one.pieces.n * sizeof *one.scores);
    ae_scored_pieces_free(&one);
    ae_scored_pieces_free(&many);
    ae_runs_free(&r);
}

/* More is wanted than the text has. */
static void fewer_than_wanted(void **state)
{
    (void)state;
    ae_runs r = {0};
    ae_runs_add(&r, "abab", 4, AE_NEXT_MANY, 5);
    ae_scored_pieces p = learn(&r, 100, 2, (int64_t[2]){0});
    assert_true(p.pieces.n >= 2 && p.pieces.n < 8);
    assert_true(ae_word_counts_find(&p.pieces, "a", 1) >= 0);
    assert_true(ae_word_counts_find(&p.pieces, "ab", 2) >= 0 || ae_word_counts_find(&p.pieces, "abab", 4) >= 0);
    ae_scored_pieces_free(&p);
    ae_runs_free(&r);
}

static int stop(void *self, int64_t done, int64_t all)
{
    (void)self;
    return done <= all;
}

static void stopped(void **state)
{
    (void)state;
    ae_runs r = sample();
    ae_alphabet a;
    ae_scored_pieces out;
    ae_err e = {0};
    assert_int_equal(ae_alphabet_choose(&a, &r, 1, 0, NULL), 0);
    ae_unigram_options o = {.vocab_size = 40, .others = 3, .rules = rules, .progress = stop};
    assert_int_equal(ae_unigram_train(&r, &a, &o, &out, &e), -1);
    assert_int_equal(e.code, AE_E_STATE);
    assert_non_null(strstr(e.message, "training the vocabulary was stopped at "));
    assert_null(out.scores);
    ae_alphabet_free(&a);
    ae_runs_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expectations), cmocka_unit_test(best_ways),        cmocka_unit_test(long_runs),
        cmocka_unit_test(renumbering),  cmocka_unit_test(learns_syllables), cmocka_unit_test(fewer_than_wanted),
        cmocka_unit_test(stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
