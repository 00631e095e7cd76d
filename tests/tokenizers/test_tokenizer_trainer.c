/* Trainers as a caller uses them: what the vocabularies hold and in which order, the same on any number of threads, and
 * what bad input gets. */
#include "tokenizers/tokenizer_trainer.h"

#include "tensor/threads.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static ae_tokenizer *train_texts(const ae_tokenizer_training *training, const char *const *texts, int n)
{
    ae_err e = {0};
    size_t *bytes = malloc(((size_t)n + 1) * sizeof *bytes);
    for (int i = 0; i < n; i++) {
        bytes[i] = strlen(texts[i]);
    }
    ae_tokenizer_trainer *trainer = ae_tokenizer_trainer_new(training, &e);
    ae_tokenizer *t = NULL;
    if (!trainer || ae_tokenizer_trainer_add(trainer, texts, bytes, n, &e) ||
        !(t = ae_tokenizer_trainer_finish(trainer, NULL, NULL, &e))) {
        fail_msg("%s", e.message);
    }
    ae_tokenizer_trainer_free(trainer);
    free(bytes);
    return t;
}

static void assert_tokens(const ae_tokenizer *t, int32_t first, const char *const *tokens, int n)
{
    for (int i = 0; i < n; i++) {
        const char *token = ae_tokenizer_token(t, first + i, NULL);
        assert_non_null(token);
        assert_string_equal(token, tokens[i]);
    }
}

/* The words are aab and abab, twice each, and a comma. ##a+##b has 4; then a+##b, a+##ab and ##b+##ab have 2 each, and
 * the ids want them in this order, which leaves ab+##ab. */
static void word_pieces(void **state)
{
    (void)state;
    static const char *const texts[] = {"aab abab", "AAB, abab"};
    static const char *const expected[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ",",   "a",
                                           "b",     "##a",   "##b",   "##ab",  "ab",     "aab", "abab"};
    ae_tokenizer_training training = {.kind = "bert", .vocab_size = 14};
    training.options.lower_case = 1;
    ae_tokenizer *t = train_texts(&training, texts, 2);
    assert_int_equal(ae_tokenizer_size(t), 14);
    assert_tokens(t, 0, expected, 14);
    assert_string_equal(ae_tokenizer_kind(t), "bert");
    assert_int_equal(ae_tokenizer_role(t, AE_TOKEN_PAD), 0);
    assert_int_equal(ae_tokenizer_role(t, AE_TOKEN_MASK), 4);
    assert_true(ae_tokenizer_is_special(t, 2));
    ae_encoding x = {0};
    assert_int_equal(ae_tokenizer_encode(t, "ABAB aba x", 10, NULL, &x, NULL), 0);
    assert_int_equal(x.count, 4);
    assert_int_equal(x.ids[0], 13);
    assert_int_equal(x.ids[1], 11);
    assert_int_equal(x.ids[2], 8);
    assert_int_equal(x.ids[3], 1);
    ae_encoding_free(&x);
    ae_tokenizer_free(t);
}

/* All 256 bytes are in the vocabulary whatever the text holds, so that nothing is unknown. */
static void byte_level_pairs(void **state)
{
    (void)state;
    static const char *const texts[] = {"low low low lower", "lowest low"};
    static const char *const first[] = {"<|endoftext|>", "!", "\""};
    static const char *const merged[] = {"lo", "low", "\xc4\xa0low", "er"};
    ae_tokenizer_training training = {.kind = "gpt2", .vocab_size = 261};
    ae_tokenizer *t = train_texts(&training, texts, 2);
    assert_int_equal(ae_tokenizer_size(t), 260); /* no pair is left that occurs twice */
    assert_tokens(t, 0, first, 3);
    assert_string_equal(ae_tokenizer_token(t, 256, NULL), "\xc5\x83");
    assert_tokens(t, 257, merged, 3);
    static const char text[] = "low\xe4\xbd\xa0\xff \0\n";
    ae_encoding x = {0};
    size_t bytes;
    assert_int_equal(ae_tokenizer_encode(t, text, sizeof text - 1, NULL, &x, NULL), 0);
    assert_int_equal(x.ids[0], 258);
    ae_tokenizer_free(t);
    training.min_frequency = 1;
    t = train_texts(&training, texts, 2);
    assert_int_equal(ae_tokenizer_size(t), 261);
    assert_tokens(t, 257, merged, 4);
    assert_int_equal(ae_tokenizer_encode(t, "lowest", 6, NULL, &x, NULL), 0);
    char *back = ae_tokenizer_decode(t, x.ids, x.count, false, &bytes, NULL);
    assert_string_equal(back, "lowest");
    free(back);
    ae_encoding_free(&x);
    ae_tokenizer_free(t);
}

/* Last characters are letters of their own, and the tokens made of them end their words. */
static void pairs_with_ends(void **state)
{
    (void)state;
    static const char *const texts[] = {"low low low lower", "Lowest low"};
    static const char *const all[] = {"<unk>", "e",     "l",     "o",  "r",       "s",  "t",   "w",
                                      "r</w>", "t</w>", "w</w>", "lo", "low</w>", "we", "lowe"};
    ae_tokenizer_training training = {.kind = "gpt1", .vocab_size = 100};
    ae_tokenizer *t = train_texts(&training, texts, 2);
    assert_tokens(t, 0, all, 15);
    ae_encoding x = {0};
    assert_int_equal(ae_tokenizer_encode(t, "lower low", 9, NULL, &x, NULL), 0);
    assert_int_equal(x.count, 3);
    assert_true(ae_tokenizer_joins(t, x.ids[0], x.ids[1]));  /* lowe r</w> */
    assert_false(ae_tokenizer_joins(t, x.ids[1], x.ids[2])); /* r</w> low</w> */
    assert_false(ae_tokenizer_continues(t, x.ids[1]));
    assert_false(ae_tokenizer_joins(t, -1, 100));
    char *back = ae_tokenizer_decode(t, x.ids, x.count, false, NULL, NULL);
    assert_string_equal(back, "lower low");
    free(back);
    ae_encoding_free(&x);
    ae_tokenizer_free(t);
}

static void word_lists(void **state)
{
    (void)state;
    static const char *const texts[] = {"c b a b", "d b c"};
    static const char *const special[] = {"[PAD]", "[UNK]"};
    static const char *const all[] = {"[PAD]", "[UNK]", "b", "c", "a", "d"};
    ae_tokenizer_training training = {.kind = "space", .special = special, .n_special = 2};
    ae_tokenizer *t = train_texts(&training, texts, 2);
    assert_int_equal(ae_tokenizer_size(t), 6);
    assert_tokens(t, 0, all, 6);
    ae_tokenizer_free(t);
    training.min_frequency = 2;
    t = train_texts(&training, texts, 2);
    assert_int_equal(ae_tokenizer_size(t), 4);
    ae_tokenizer_free(t);
    training.vocab_size = 3;
    t = train_texts(&training, texts, 2);
    assert_int_equal(ae_tokenizer_size(t), 3);
    ae_tokenizer_free(t);
    static const char *const chinese[] = {"\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xbd\xa0"};
    training = (ae_tokenizer_training){.kind = "char", .special = special, .n_special = 2};
    t = train_texts(&training, chinese, 1);
    assert_int_equal(ae_tokenizer_size(t), 4);
    assert_int_equal(ae_tokenizer_id(t, "\xe4\xbd\xa0", 3), 2);
    assert_int_equal(ae_tokenizer_id(t, "\xe5\xa5\xbd", 3), 3);
    ae_tokenizer_free(t);
}

/* ---- the same on any number of threads ------------------------------------------------------------------------------ */

enum { TEXTS = 3000, WORDS = 12, WORD_BYTES = 8 };

/* Texts of random words; a good part of them occurs once, so that the tables of threads fill and are handed over. */
static char **random_texts(void)
{
    unsigned seed = 3;
    char **texts = malloc(TEXTS * sizeof *texts);
    for (int i = 0; i < TEXTS; i++) {
        char *at = texts[i] = malloc(WORDS * WORD_BYTES + 1);
        for (int k = 0; k < WORDS; k++) {
            int n = 1 + rand_r(&seed) % (WORD_BYTES - 1);
            for (int j = 0; j < n; j++) {
                *at++ = (char)('a' + rand_r(&seed) % 20);
            }
            *at++ = ' ';
        }
        *at = '\0';
    }
    return texts;
}

/* Trains on the texts, `batch` at a time, on so many threads. */
static ae_tokenizer *train_on(const char *kind, int threads, int batch, char **texts)
{
    ae_err e = {0};
    size_t bytes[TEXTS];
    ae_tokenizer_training training = {.kind = kind, .vocab_size = 3000};
    ae_tokenizer_trainer *trainer = ae_tokenizer_trainer_new(&training, &e);
    assert_int_equal(ae_set_threads(threads, &e), 0);
    assert_non_null(trainer);
    for (int i = 0; i < TEXTS; i += batch) {
        int n = TEXTS - i < batch ? TEXTS - i : batch;
        for (int k = 0; k < n; k++) {
            bytes[k] = strlen(texts[i + k]);
        }
        assert_int_equal(ae_tokenizer_trainer_add(trainer, (const char *const *)texts + i, bytes, n, &e), 0);
    }
    ae_tokenizer *t = ae_tokenizer_trainer_finish(trainer, NULL, NULL, &e);
    assert_non_null(t);
    ae_tokenizer_trainer_free(trainer);
    ae_set_threads(0, NULL);
    return t;
}

static void same_on_any_threads(void **state)
{
    (void)state;
    char **texts = random_texts();
    for (int i = 0; i < ae_tokenizer_kind_count(); i++) {
        const char *kind = ae_tokenizer_kind_name(i);
        ae_tokenizer *one = train_on(kind, 1, TEXTS, texts), *many = train_on(kind, 5, 700, texts);
        assert_true(ae_tokenizer_size(one) > 20);
        assert_int_equal(ae_tokenizer_hash(one), ae_tokenizer_hash(many));
        ae_tokenizer_free(one);
        ae_tokenizer_free(many);
    }
    ae_tokenizer *one = train_on("sentencepiece", 1, TEXTS, texts), *many = train_on("sentencepiece", 5, 700, texts);
    assert_true(ae_tokenizer_size(one) > 2000);
    assert_int_equal(ae_tokenizer_hash(one), ae_tokenizer_hash(many));
    ae_tokenizer_free(one);
    ae_tokenizer_free(many);
    for (int i = 0; i < TEXTS; i++) {
        free(texts[i]);
    }
    free(texts);
}

/* More distinct words than a thread keeps for itself. */
static void many_distinct_words(void **state)
{
    (void)state;
    enum { COUNT = 150000, LINE = 10 };
    char **texts = malloc(COUNT / LINE * sizeof *texts);
    for (int i = 0; i < COUNT / LINE; i++) {
        texts[i] = malloc(LINE * 9 + 1);
        for (int k = 0; k < LINE; k++) {
            snprintf(texts[i] + 9 * k, 10, "w%06d  ", (i * LINE + k) * 6);
        }
    }
    ae_tokenizer_training training = {.kind = "space"};
    ae_tokenizer *t = train_texts(&training, (const char *const *)texts, COUNT / LINE);
    int special = 0;
    while (ae_tokenizer_is_special(t, special)) {
        special++;
    }
    assert_int_equal(ae_tokenizer_size(t), COUNT + special);
    assert_string_equal(ae_tokenizer_token(t, special + 17, NULL), "w000102");
    ae_tokenizer_free(t);
    for (int i = 0; i < COUNT / LINE; i++) {
        free(texts[i]);
    }
    free(texts);
}

/* What is written down and read again gives the same ids. */
static void survives_its_json(void **state)
{
    (void)state;
    static const char *const texts[] = {"The quick brown fox jumps over the lazy dog; the dog sleeps on.",
                                        "The fox, the dog and the crow: a fable of three."};
    for (int i = 0; i < ae_tokenizer_kind_count(); i++) {
        ae_tokenizer_training training = {.kind = ae_tokenizer_kind_name(i), .vocab_size = 300};
        ae_err e = {0};
        /* Without an unknown token what was never seen is an error. */
        bool plain = strcmp(training.kind, "plain") == 0;
        const char *probe = plain ? "the lazy crow" : "the crow jumps over [MASK] <|endoftext|> 12 foxes";
        ae_tokenizer *t = train_texts(&training, texts, 2);
        ae_json *json = ae_tokenizer_json(t, &e);
        ae_tokenizer *again = ae_tokenizer_from_json(json, &e);
        assert_non_null(again);
        ae_encoding x = {0}, y = {0};
        assert_int_equal(ae_tokenizer_encode(t, probe, strlen(probe), NULL, &x, &e), 0);
        assert_int_equal(ae_tokenizer_encode(again, probe, strlen(probe), NULL, &y, &e), 0);
        assert_int_equal(x.count, y.count);
        assert_true(x.count > 5);
        assert_memory_equal(x.ids, y.ids, (size_t)x.count * sizeof *x.ids);
        assert_int_equal(ae_tokenizer_hash(t), ae_tokenizer_hash(again));
        ae_encoding_free(&x);
        ae_encoding_free(&y);
        ae_json_free(json);
        ae_tokenizer_free(again);
        ae_tokenizer_free(t);
    }
}

/* ---- SentencePiece's kinds ------------------------------------------------------------------------------------------- */

static const char *const fables[] = {"the  fox and the crow, the crow and the fox",
                                     "\xef\xbc\xa1 fable of the fox \xe2\x91\xa0 <sep>the end",
                                     "the tortoise and the hare, the", "the fox and the grapes 1999"};

/* The pieces that a text is cut into, a blank between them; the caller's. */
static char *pieces_text(const ae_tokenizer *t, const char *text)
{
    ae_encoding x = {0};
    char *out = calloc(1, 8 * strlen(text) + 64);
    assert_int_equal(ae_tokenizer_encode(t, text, strlen(text), NULL, &x, NULL), 0);
    for (int64_t i = 0; i < x.count; i++) {
        strcat(strcat(out, i ? " " : ""), ae_tokenizer_token(t, x.ids[i], NULL));
    }
    ae_encoding_free(&x);
    return out;
}

static void assert_pieces(const ae_tokenizer *t, const char *text, const char *expected)
{
    char *got = pieces_text(t, text);
    assert_string_equal(got, expected);
    free(got);
}

/* The symbols come first, each algorithm's pieces behind them; text is normalised: a full-width A is an A. */
static void sentencepiece_kinds(void **state)
{
    (void)state;
    static const char *const first[] = {"<unk>", "<s>", "</s>", "<sep>"}, *const user[] = {"<sep>"};
    static const char *const algorithms[] = {"unigram", "bpe", "word", "char"};
    static const char *const expected[] = {"\xe2\x96\x81the \xe2\x96\x81"
                                           "fox",
                                           "\xe2\x96\x81the \xe2\x96\x81"
                                           "fox",
                                           "\xe2\x96\x81the \xe2\x96\x81"
                                           "fox",
                                           "\xe2\x96\x81 t h e \xe2\x96\x81 f o x"};
    for (int i = 0; i < 4; i++) {
        ae_tokenizer_training training = {.kind = "sentencepiece",
                                          .vocab_size = 60,
                                          .algorithm = algorithms[i],
                                          .user_symbols = user,
                                          .n_user_symbols = 1,
                                          .character_coverage = 1};
        ae_tokenizer *t = train_texts(&training, fables, 4);
        assert_string_equal(ae_tokenizer_kind(t), "sentencepiece");
        assert_tokens(t, 0, first, 4);
        assert_true(ae_tokenizer_size(t) <= 60);
        assert_pieces(t, "the fox", expected[i]);
        assert_true(ae_tokenizer_id(t, "A", 1) >= 0 || i == 2);
        assert_true(ae_tokenizer_id(t, "\xef\xbc\xa1", 3) < 0);
        ae_tokenizer_free(t);
    }
}

/* What the options change. */
static void sentencepiece_options(void **state)
{
    (void)state;
    static const char *const special[] = {"<pad>", "<unk>"};
    ae_tokenizer_training training = {.kind = "sentencepiece",
                                      .vocab_size = 330,
                                      .algorithm = "bpe",
                                      .byte_fallback = 1,
                                      .split_digits = 1,
                                      .keep_blanks = 1,
                                      .dummy_prefix = -1,
                                      .normalization = "identity",
                                      .required_chars = "\xe4\xbd\xa0",
                                      .special = special,
                                      .n_special = 2};
    ae_tokenizer *t = train_texts(&training, fables, 4);
    assert_tokens(t, 0, special, 2);
    assert_string_equal(ae_tokenizer_token(t, 2, NULL), "<0x00>");
    assert_pieces(t, "the  1999", "the \xe2\x96\x81 \xe2\x96\x81 1 9 9 9");
    assert_pieces(t, "\xe4\xbd\xa0\xe5\xa5\xbd", "\xe4\xbd\xa0 <0xE5> <0xA5> <0xBD>");
    assert_true(ae_tokenizer_id(t, "\xef\xbc\xa1", 3) >= 0);
    ae_tokenizer_free(t);
    training = (ae_tokenizer_training){.kind = "t5", .vocab_size = 60};
    t = train_texts(&training, fables, 4);
    assert_string_equal(ae_tokenizer_kind(t), "t5");
    assert_int_equal(ae_tokenizer_role(t, AE_TOKEN_PAD), 0);
    assert_int_equal(ae_tokenizer_id(t, "</s>", 4), 1);
    assert_true(ae_tokenizer_id(t, "<extra_id_0>", 12) > 0);
    ae_tokenizer_free(t);
    training = (ae_tokenizer_training){.kind = "albert", .vocab_size = 60};
    t = train_texts(&training, fables, 4);
    assert_int_equal(ae_tokenizer_role(t, AE_TOKEN_CLS), 2);
    assert_true(ae_tokenizer_id(t, "A", 1) < 0); /* its cleaning makes small letters */
    ae_tokenizer_free(t);
}

/* ---- bad input ------------------------------------------------------------------------------------------------------ */

static void refused(ae_tokenizer_training training, const char *message)
{
    ae_err e = {0};
    assert_null(ae_tokenizer_trainer_new(&training, &e));
    assert_string_equal(e.message, message);
}

static void bad_numbers(void **state)
{
    (void)state;
    static const char *const empty[] = {"[PAD]", ""};
    refused((ae_tokenizer_training){.kind = "bert"},
            "tokenizer training: \"bert\" wants a vocab_size, for instance 30000");
    refused((ae_tokenizer_training){.kind = "gpt2", .vocab_size = 256},
            "tokenizer training: vocab_size is 256; the 256 bytes and 1 special tokens are 257 already");
    refused((ae_tokenizer_training){.kind = "gpt2", .vocab_size = 300, .limit_alphabet = 10},
            "tokenizer training: limit_alphabet does not apply to \"gpt2\", whose alphabet is the 256 bytes");
    refused((ae_tokenizer_training){.kind = "space", .max_token_length = 10},
            "tokenizer training: max_token_length does not apply to \"space\", a list of whole words; limit it by "
            "vocab_size or min_frequency");
    refused((ae_tokenizer_training){.kind = "bert", .vocab_size = 100, .min_frequency = -1},
            "tokenizer training: min_frequency is -1; it must be 0 or more");
    refused((ae_tokenizer_training){.kind = "bert", .vocab_size = 1ll << 31},
            "tokenizer training: vocab_size is 2147483648; ids have 31 bits");
    refused((ae_tokenizer_training){.kind = "space", .special = empty, .n_special = 2},
            "tokenizer training: special token 1 is empty");
    refused((ae_tokenizer_training){.kind = "gpt2", .vocab_size = 300, .algorithm = "bpe"},
            "tokenizer training: algorithm does not apply to \"gpt2\"; it is for SentencePiece's kinds");
    refused((ae_tokenizer_training){.kind = "bert", .vocab_size = 300, .dummy_prefix = -1},
            "tokenizer training: dummy_prefix does not apply to \"bert\"; it is for SentencePiece's kinds");
    ae_err e = {0};
    assert_null(ae_tokenizer_trainer_new(&(ae_tokenizer_training){.kind = "brt", .vocab_size = 9}, &e));
    assert_non_null(strstr(e.message, "bert"));
    ae_err_clear(&e);
    assert_null(ae_tokenizer_trainer_new(&(ae_tokenizer_training){.vocab_size = 9}, &e));
    assert_int_not_equal(e.code, AE_OK);
    ae_tokenizer_trainer_free(NULL);
}

static void bad_pieces(void **state)
{
    (void)state;
    static const char *const some[] = {"<unk>", "<s>", "<s>"}, *const none[] = {"<pad>"}, *const empty[] = {""};
    refused((ae_tokenizer_training){.kind = "t5"}, "tokenizer training: \"t5\" wants a vocab_size, for instance 8000");
    refused((ae_tokenizer_training){.kind = "t5", .vocab_size = 90, .algorithm = "bpa"},
            "tokenizer training: there is no algorithm \"bpa\"; did you mean \"bpe\"?; there are unigram, bpe, word, "
            "char");
    refused((ae_tokenizer_training){.kind = "t5", .vocab_size = 90, .normalization = "nfkd"},
            "tokenizer training: there is no normalization \"nfkd\"; did you mean \"nfkc\"?; there are identity, nfkc, "
            "nfkc_cf, nmt_nfkc, nmt_nfkc_cf");
    refused((ae_tokenizer_training){.kind = "t5", .vocab_size = 90, .min_frequency = 2},
            "tokenizer training: min_frequency does not apply to the algorithm \"unigram\"; it is for bpe and word");
    refused((ae_tokenizer_training){.kind = "t5", .vocab_size = 90, .max_token_length = 513},
            "tokenizer training: max_token_length is 513; pieces have at most 512");
    refused((ae_tokenizer_training){.kind = "t5", .vocab_size = 90, .character_coverage = 99.95},
            "tokenizer training: character_coverage is 99.95; it is a part, 0 to 1");
    refused(
        (ae_tokenizer_training){.kind = "t5", .vocab_size = 90, .options.lower_case = 1},
        "tokenizer training: lower_case and strip_accents do not apply to \"t5\"; the normalization \"nmt_nfkc_cf\" "
        "makes small letters");
    refused((ae_tokenizer_training){.kind = "t5", .vocab_size = 90, .special = some, .n_special = 3},
            "tokenizer training: the symbol \"<s>\" is there twice");
    refused((ae_tokenizer_training){.kind = "t5", .vocab_size = 90, .special = none, .n_special = 1},
            "tokenizer training: \"<unk>\" must be one of the special tokens of \"t5\"");
    refused((ae_tokenizer_training){.kind = "t5", .vocab_size = 90, .user_symbols = empty, .n_user_symbols = 1},
            "tokenizer training: user-defined symbol 0 is empty");
    refused((ae_tokenizer_training){.kind = "llama", .vocab_size = 259},
            "tokenizer training: vocab_size is 259; symbols and bytes are 259 already");
    refused((ae_tokenizer_training){.kind = "marian", .vocab_size = 90},
            "tokenizer training: \"marian\" takes its ids from a vocab.json; train \"sentencepiece\"");
    refused((ae_tokenizer_training){.kind = "t5", .vocab_size = -1},
            "tokenizer training: vocab_size is -1; it must be 0 or more");
}

static int stop_at_once(void *self, int64_t done, int64_t all)
{
    (void)self;
    (void)done;
    assert_int_equal(all, 400);
    return 1;
}

static void failures_while_learning(void **state)
{
    (void)state;
    ae_err e = {0};
    static const char *const texts[] = {"abc abd abe", ""};
    static const size_t bytes[] = {11, 0};
    ae_tokenizer_training training = {.kind = "bert", .vocab_size = 8};
    ae_tokenizer_trainer *trainer = ae_tokenizer_trainer_new(&training, &e);
    assert_int_equal(ae_tokenizer_trainer_add(trainer, texts, bytes, 2, &e), 0);
    assert_null(ae_tokenizer_trainer_finish(trainer, NULL, NULL, &e));
    assert_non_null(
        strstr(e.message, "the special tokens and the alphabet of the text are 14 tokens, vocab_size is 8"));
    ae_tokenizer_trainer_free(trainer);
    training.vocab_size = 400;
    ae_err_clear(&e);
    trainer = ae_tokenizer_trainer_new(&training, &e);
    assert_int_equal(ae_tokenizer_trainer_add(trainer, texts, bytes, 0, &e), 0);
    assert_null(ae_tokenizer_trainer_finish(trainer, stop_at_once, NULL, &e));
    assert_int_equal(e.code, AE_E_STATE);
    ae_tokenizer_trainer_free(trainer);
    training = (ae_tokenizer_training){.kind = "sentencepiece", .vocab_size = 8};
    ae_err_clear(&e);
    trainer = ae_tokenizer_trainer_new(&training, &e);
    assert_int_equal(ae_tokenizer_trainer_add(trainer, texts, bytes, 2, &e), 0);
    assert_null(ae_tokenizer_trainer_finish(trainer, NULL, NULL, &e));
    assert_string_equal(e.message, "the alphabet of the text and 3 symbols are 9 pieces, vocab_size is 8; raise it or "
                                   "lower character_coverage");
    ae_tokenizer_trainer_free(trainer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(word_pieces),           cmocka_unit_test(byte_level_pairs),
        cmocka_unit_test(pairs_with_ends),       cmocka_unit_test(word_lists),
        cmocka_unit_test(same_on_any_threads),   cmocka_unit_test(many_distinct_words),
        cmocka_unit_test(survives_its_json),     cmocka_unit_test(sentencepiece_kinds),
        cmocka_unit_test(sentencepiece_options), cmocka_unit_test(bad_pieces),
        cmocka_unit_test(bad_numbers),           cmocka_unit_test(failures_while_learning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
