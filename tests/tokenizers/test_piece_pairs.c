/* Joining pairs by SentencePiece's rules: the pieces that its own trainer makes of a text, and the same as counting all
 * pairs anew at each step. */
#include "tokenizers/bpe_trainer.h"
#include "tokenizers/run_counts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const fable[] = {
    "A fox one day spied a beautiful bunch of ripe grapes hanging from a vine trained along the branches of a tree.",
    "The grapes seemed ready to burst with juice, and the fox's mouth watered as he gazed longingly at them.",
    "The bunch hung from a high branch, and the fox had to jump for it; the first time he jumped he missed it by a "
    "long way.",
    "So he walked off a short distance and took a running leap at it, only to fall short once more.",
    "Again and again he tried, but in vain. No, said the fox: what a fool I am, 198 times out of 270.",
    "Here I am wearing myself out to get a bunch of sour grapes that are not worth gaping for. Ha ha!",
};

/* Of spm_train 0.1.97 with --model_type=bpe --vocab_size=150 --character_coverage=1
 * --normalization_rule_name=identity. */
static const char learned[] =
    "▁a ▁t he in ▁f ▁o ed ▁b nc ▁w ▁fo ra ▁g ▁s ▁the ha ng re ut ing ▁he ▁of ▁to es it nd ▁m nch ▁bu ▁and "
    "▁fox ea ju lo or st ain ort pes ▁ha ▁it ▁ju ▁wa long ▁gra ▁bunch ▁grapes im ly mp om ri ▁A ▁H ▁I ▁T "
    "▁d ▁h ▁v hat nce rom rst ▁am ▁at ▁ga ▁mo ▁on ▁sh gain ▁The ▁bra ▁for ▁out ▁tim ▁from ▁jump ▁long "
    "▁short 0. 19 27 No So ad ai al ay ce ee el er et fu gh is lk nn no ok ol ou pe";

enum { LINES = sizeof fable / sizeof *fable };

static const ae_piece_rules rules = {.max_length = 16};

/* A line with a blank in front, every blank as U+2581. */
static void add_line(ae_runs *runs, const char *line)
{
    ae_bytes text = {0};
    ae_bytes_add_text(&text, "\xe2\x96\x81");
    for (; *line; line++) {
        ae_bytes_add(&text, *line == ' ' ? "\xe2\x96\x81" : line, *line == ' ' ? 3 : 1);
    }
    ae_runs_cut(runs, &rules, (ae_run_symbols){0}, text.data, text.length);
    ae_bytes_free(&text);
}

/* The tokens of the merges, a blank between them; the caller's. */
static char *made_text(const ae_bpe_result *r)
{
    ae_bytes text = {0};
    ae_bytes_add_text(&text, "");
    for (int64_t i = 0; i < r->n_merges; i++) {
        size_t bytes;
        const char *token = ae_word_counts_text(&r->tokens, r->merges[i].made, &bytes);
        ae_bytes_printf(&text, "%s%.*s", i ? " " : "", (int)bytes, token);
    }
    return text.data;
}

static void as_sentencepiece(void **state)
{
    (void)state;
    ae_runs runs = {0};
    ae_bpe_result r;
    for (int i = 0; i < LINES; i++) {
        add_line(&runs, fable[i]);
    }
    ae_bpe_options o = {.vocab_size = 147, .rules = &rules};
    assert_int_equal(ae_bpe_train(&runs.words, &o, &r, NULL), 0);
    char *made = made_text(&r);
    assert_string_equal(made, learned);
    free(made);
    ae_bpe_result_free(&r);
    ae_runs_free(&runs);
}

/* What may not be a piece, or is a token already, is never made, however often it occurs. */
static void rules_hold(void **state)
{
    (void)state;
    ae_word_counts w = {0};
    static const char word[] = "a1a1a1";
    ae_bpe_result r;
    ae_word_counts_add(&w, word, strlen(word), 9);
    ae_word_counts_add(&w, "aaaa", 4, 2);
    ae_bpe_options o = {.vocab_size = 100, .rules = &rules};
    assert_int_equal(ae_bpe_train(&w, &o, &r, NULL), 0);
    char *made = made_text(&r);
    assert_string_equal(made, "aa aaaa");
    free(made);
    ae_bpe_result_free(&r);
    const ae_piece_rules together = {.max_length = 3, .join_scripts = true};
    o.rules = &together;
    assert_int_equal(ae_bpe_train(&w, &o, &r, NULL), 0);
    made = made_text(&r);
    assert_string_equal(made, "a1 aa");
    free(made);
    ae_bpe_result_free(&r);
    static const char *const there[] = {"aa"};
    o.special = there;
    o.n_special = 1;
    assert_int_equal(ae_bpe_train(&w, &o, &r, NULL), 0);
    made = made_text(&r);
    assert_string_equal(made, "a1");
    free(made);
    ae_bpe_result_free(&r);
    ae_word_counts_free(&w);
}

/* ---- counting anew -------------------------------------------------------------------------------------------------- */

enum { WORDS = 12, LENGTH = 30, TOKEN = LENGTH + 1 };

typedef struct plain {
    char symbols[WORDS][LENGTH][TOKEN];
    int lengths[WORDS];
    int64_t counts[WORDS];
    char made[400][TOKEN];
    int n_made;
} plain;

/* How often a pair occurs; of three equals the second pair does not count. */
static int64_t count_pair(const plain *p, const char *a, const char *b)
{
    int64_t count = 0;
    for (int i = 0; i < WORDS; i++) {
        for (int k = 0; k + 1 < p->lengths[i]; k++) {
            if (strcmp(p->symbols[i][k], a) == 0 && strcmp(p->symbols[i][k + 1], b) == 0) {
                count += p->counts[i];
                k += strcmp(a, b) == 0;
            }
        }
    }
    return count;
}

/* The pair to join next: the first by count, length and spelling. */
static int64_t best_pair(const plain *p, char a[TOKEN], char b[TOKEN])
{
    int64_t best = 0;
    char spelling[2 * TOKEN] = "";
    for (int i = 0; i < WORDS; i++) {
        for (int k = 0; k + 1 < p->lengths[i]; k++) {
            const char *x = p->symbols[i][k], *y = p->symbols[i][k + 1];
            char here[2 * TOKEN];
            snprintf(here, sizeof here, "%s%s", x, y);
            int64_t count = count_pair(p, x, y);
            size_t n = strlen(here), m = strlen(spelling);
            bool first = n != m ? n < m : strcmp(here, spelling) < 0;
            if (count > best || (count == best && count > 0 && first)) {
                best = count;
                strcpy(spelling, here);
                strcpy(a, x);
                strcpy(b, y);
            }
        }
    }
    return best;
}

static void join(plain *p, const char *a, const char *b)
{
    for (int i = 0; i < WORDS; i++) {
        int kept = 0;
        for (int k = 0; k < p->lengths[i]; kept++) {
            bool here =
                k + 1 < p->lengths[i] && strcmp(p->symbols[i][k], a) == 0 && strcmp(p->symbols[i][k + 1], b) == 0;
            char made[2 * TOKEN];
            snprintf(made, sizeof made, "%s%s", p->symbols[i][k], here ? b : "");
            memcpy(p->symbols[i][kept], made, TOKEN);
            k += here ? 2 : 1;
        }
        p->lengths[i] = kept;
    }
}

static void train_plainly(plain *p)
{
    char a[TOKEN], b[TOKEN];
    while (best_pair(p, a, b) > 0) {
        char made[2 * TOKEN];
        snprintf(made, sizeof made, "%s%s", a, b);
        memcpy(p->made[p->n_made++], made, TOKEN);
        join(p, a, b);
    }
}

static void random_words(unsigned *seed, plain *p, ae_word_counts *w)
{
    *p = (plain){.n_made = 0};
    for (int i = 0; i < WORDS; i++) {
        char word[LENGTH + 1] = "";
        int n = 1 + rand_r(seed) % LENGTH;
        for (int k = 0; k < n; k++) {
            word[k] = (char)('a' + rand_r(seed) % 16 / 15);
        }
        if (ae_word_counts_find(w, word, (size_t)n) >= 0) {
            continue;
        }
        p->lengths[i] = n;
        p->counts[i] = 1 + rand_r(seed) % 5;
        for (int k = 0; k < n; k++) {
            p->symbols[i][k][0] = word[k];
        }
        ae_word_counts_add(w, word, (size_t)n, p->counts[i]);
    }
}

static void equals_counting_anew(void **state)
{
    (void)state;
    unsigned seed = 11;
    plain *p = malloc(sizeof *p);
    for (int round = 0; round < 150; round++) {
        ae_word_counts w = {0};
        ae_bpe_result r;
        random_words(&seed, p, &w);
        train_plainly(p);
        ae_bpe_options o = {.vocab_size = 1 << 20, .rules = &(ae_piece_rules){.max_length = LENGTH}};
        assert_int_equal(ae_bpe_train(&w, &o, &r, NULL), 0);
        assert_int_equal(r.n_merges, p->n_made);
        for (int i = 0; i < p->n_made; i++) {
            size_t bytes;
            const char *token = ae_word_counts_text(&r.tokens, r.merges[i].made, &bytes);
            assert_int_equal(bytes, strlen(p->made[i]));
            assert_memory_equal(token, p->made[i], bytes);
        }
        ae_bpe_result_free(&r);
        ae_word_counts_free(&w);
    }
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_sentencepiece), cmocka_unit_test(rules_hold),
                                       cmocka_unit_test(equals_counting_anew)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
