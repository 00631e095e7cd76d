/* The faster paths of encoding give what the plain one gives: caches, scratch memory, merges, large texts, threads. */
#include "tokenizer_samples.h"

#include "tokenizers/tokenizer_internal.h"
#include "tokenizers/tokenizer_trainer.h"

static const char *const golden[] = {"tok_bert_cased", "tok_bert_uncased", "tok_gpt2", "tok_roberta"};

/* ---- the faster paths ------------------------------------------------------------------------------------------------- */

/* Cut beforehand and cached, cut beforehand, and as a whole: the same tokens, offsets and words. */
static void check_paths(ae_tokenizer *t, const char *text, size_t bytes, ae_encoding *fast, ae_encoding *slow)
{
    ae_err e = {0};
    assert_int_equal(ae_tokenizer_encode(t, text, bytes, NULL, fast, &e), 0);
    ae_cutting cutting = t->cutting;
    t->cutting.cut = AE_CUT_NONE;
    assert_int_equal(ae_tokenizer_encode(t, text, bytes, NULL, slow, &e), 0);
    t->cutting = cutting;
    size_t n = (size_t)slow->count;
    bool same = fast->count == slow->count && memcmp(fast->ids, slow->ids, n * 4) == 0 &&
                memcmp(fast->starts, slow->starts, n * 8) == 0 && memcmp(fast->ends, slow->ends, n * 8) == 0 &&
                memcmp(fast->words, slow->words, n * 4) == 0;
    if (!same) {
        char *json = ae_json_text(ae_component_json(&t->pre_tokenizer, NULL), false, NULL);
        fail_msg("\"%s\" (%s, %s): %d tokens part by part, %d as a whole", text, ae_tokenizer_kind(t), json,
                 (int)fast->count, (int)slow->count);
    }
}

static void check_paths_of(ae_tokenizer *t)
{
    static char text[1 << 14];
    ae_encoding fast = {0}, slow = {0};
    uint64_t seed = 3;
    assert_int_not_equal(t->cutting.cut, AE_CUT_NONE);
    for (int i = 0; i < 1500; i++) {
        size_t bytes = random_text(&seed, 12, text, sizeof text);
        check_paths(t, text, bytes, &fast, &slow);
    }
    ae_encoding_free(&fast);
    ae_encoding_free(&slow);
    ae_tokenizer_free(t);
}

static void test_paths_agree(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        check_paths_of(open_golden(golden[k], NULL));
    }
    ae_tokenizer_options plain = {.split_chinese = -1, .strip_accents = -1};
    check_paths_of(open_golden("tok_bert_uncased", &plain));
    ae_tokenizer_options folded = {.strip_accents = 1};
    check_paths_of(open_golden("tok_bert_cased", &folded));
    check_paths_of(of_kind("space", letter_tokens, LETTER_TOKENS));
#define MODEL                                                                                                          \
    "\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"[UNK]\":0,\"the\":1,\"a\":2,\"b\":3},\"unk_token\":\"[UNK]\"}"
    check_paths_of(
        good_text("{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[\\\\s\\\\S]\"},\"behavior\":"
                  "\"Isolated\",\"invert\":false}," MODEL "}"));
    check_paths_of(good_text("{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFD\"},{\"type\":"
                             "\"Lowercase\"},{\"type\":\"StripAccents\"}]},\"pre_tokenizer\":{\"type\":"
                             "\"BertPreTokenizer\"}," MODEL "}"));
    check_paths_of(good_text("{\"normalizer\":{\"type\":\"NFKC\"},\"pre_tokenizer\":{\"type\":\"Sequence\","
                             "\"pretokenizers\":[{\"type\":\"WhitespaceSplit\"},{\"type\":\"Punctuation\"}]}," MODEL
                             "}"));
    check_paths_of(good_text("{\"pre_tokenizer\":{\"type\":\"Whitespace\"}," MODEL "}"));
    /* Tokens in normalised text, which lie in one part each, or may not. */
#define FOLDED "\"normalizer\":{\"type\":\"Lowercase\"},"
#define NORMAL(content, flags)                                                                                         \
    "{\"added_tokens\":[{\"id\":9,\"content\":\"" content "\",\"normalized\":true" flags "}],"
    check_paths_of(good_text(NORMAL("HE", "") FOLDED "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"}," MODEL "}"));
    check_paths_of(good_text(NORMAL("t", ",\"single_word\":true") FOLDED
                             "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"}," MODEL "}"));
    check_paths_of(good_text(NORMAL("-", "") FOLDED "\"pre_tokenizer\":{\"type\":\"Whitespace\"}," MODEL "}"));
    check_paths_of(good_text(NORMAL("h", ",\"single_word\":true") FOLDED
                             "\"pre_tokenizer\":{\"type\":\"WhitespaceSplit\"}," MODEL "}"));
    check_paths_of(good_text(NORMAL("h", ",\"lstrip\":true") FOLDED
                             "\"pre_tokenizer\":{\"type\":\"WhitespaceSplit\"}," MODEL "}"));
    check_paths_of(good_text("{\"added_tokens\":[{\"id\":9,\"content\":\"<mask>\",\"lstrip\":true,\"normalized\":true},"
                             "{\"id\":8,\"content\":\"--\"}],\"pre_tokenizer\":{\"type\":\"ByteLevel\","
                             "\"add_prefix_space\":true}," MODEL "}"));
}

/* Byte-level words are cut between bytes that no merge joins: with merges inside, across and of several characters. */
static void test_joints(void **state)
{
    (void)state;
    static const char *const texts[] = {"\xe7\x8b\x90\xe7\x8b\xb8\xe5\x92\x8c\xe4\xb9\x8c\xe9\xb8\xa6",
                                        "\xe7\x8b\x90\xe7\x8b\xb8 \xe4\xb9\x8c\xe9\xb8\xa6", "na\xc3\xafve caf\xc3\xa9",
                                        "\xe4\xb9\x8c\xe9\xb8\xa6\xe3\x80\x82"};
    static const char *const parts[] = {"\xe7\x8b\x90",
                                        "\xe7\x8b\xb8",
                                        "\xe4\xb9\x8c",
                                        "\xe9\xb8\xa6",
                                        "\xe5\x92\x8c",
                                        "\xc3\xa9",
                                        "\xe3\x80\x82",
                                        "a",
                                        " ",
                                        "\xf0\x9f\x98\x80"};
    const size_t bytes[] = {15, 13, 12, 9};
    ae_err e = {0};
    ae_encoding fast = {0}, slow = {0};
    ae_tokenizer_training training = {.kind = "gpt2", .vocab_size = 280};
    ae_tokenizer_trainer *trainer = ae_tokenizer_trainer_new(&training, &e);
    assert_non_null(trainer);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(ae_tokenizer_trainer_add(trainer, texts, bytes, 4, &e), 0);
    }
    ae_tokenizer *t = ae_tokenizer_trainer_finish(trainer, NULL, NULL, &e);
    assert_non_null(t);
    assert_non_null(t->joints);
    uint64_t seed = 5;
    for (int i = 0; i < 2000; i++) {
        char text[200];
        size_t n = 0;
        for (int k = 0; k < i % 40; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            const char *part = parts[(seed >> 33) % 10];
            memcpy(text + n, part, strlen(part) + 1);
            n += strlen(part);
        }
        text[n] = '\0';
        check_paths(t, text, n, &fast, &slow);
    }
    ae_encoding_free(&fast);
    ae_encoding_free(&slow);
    ae_tokenizer_trainer_free(trainer);
    ae_tokenizer_free(t);
}

static void spells(const char *tokenizer, const char *text, const char *want)
{
    ae_tokenizer *t = good_text(tokenizer);
    ae_encoding x = {0};
    encode_text(t, text, NULL, &x);
    assert_spelled(t, &x, want);
    ae_encoding_free(&x);
    ae_tokenizer_free(t);
}

/* A blank is put in front of every piece, the first word of a text or not. */
static void test_blank_in_front_of_pieces(void **state)
{
    (void)state;
#define SPACED                                                                                                         \
    "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"WhitespaceSplit\"},{\"type\":\"ByteLevel\","                \
    "\"add_prefix_space\":true}]}"
    spells("{\"pre_tokenizer\":" SPACED "," ONE_LETTER_WORDS "}", "a a .",
           "\xc4\xa0"
           "a \xc4\xa0"
           "a \xc4\xa0.");
    spells("{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"BertPreTokenizer\"}," SPACED
           "]}," ONE_LETTER_WORDS "}",
           "a.a",
           "\xc4\xa0"
           "a \xc4\xa0. \xc4\xa0"
           "a");
}

/* A text of which nothing is left has no tokens, in the first call of an encoding too. */
static void test_nothing_left(void **state)
{
    (void)state;
    spells("{\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\".\"},\"content\":\"\"}," ONE_LETTER_WORDS
           "}",
           "abc", "");
}

/* An unknown token that is not in the vocabulary is missed when it is needed. */
static void test_unknown_token_missing(void **state)
{
    (void)state;
    ae_tokenizer *t = good_text("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"unk_token\":\"\"}}");
    ae_encoding x = {0};
    ae_err e = {0};
    encode_text(t, "aa", NULL, &x);
    assert_int_equal(x.count, 2);
    assert_int_equal(ae_tokenizer_encode(t, "ab", 2, NULL, &x, &e), -1);
    assert_message(&e, "\"b\" is not in the vocabulary, and it has no unknown token");
    ae_encoding_free(&x);
    ae_tokenizer_free(t);
}

/* More different words than the cache holds. */
static void test_cache_begins_anew(void **state)
{
    (void)state;
    ae_tokenizer *t = open_golden("tok_bert_uncased", NULL);
    ae_encoding x = {0}, fresh = {0};
    ae_err e = {0};
    for (int i = 0; i < 200000; i++) {
        char word[64];
        int n = snprintf(word, sizeof word, "w%dx%s", i % 90000, i % 3 ? "" : "ingandthe");
        x.no_offsets = true;
        assert_int_equal(ae_tokenizer_encode(t, word, (size_t)n, NULL, &x, &e), 0);
        if (i % 1000 == 0) {
            assert_int_equal(ae_tokenizer_encode(t, word, (size_t)n, NULL, &fresh, &e), 0);
            assert_int_equal(x.count, fresh.count);
            assert_memory_equal(x.ids, fresh.ids, (size_t)x.count * 4);
            ae_encoding_free(&fresh);
        }
    }
    assert_null(x.starts);
    ae_encoding_free(&x);
    ae_tokenizer_free(t);
}

/* One encoding for two tokenizers in turn: the words of one are not the other's. */
static void test_scratch_changes_hands(void **state)
{
    (void)state;
    ae_tokenizer *a = open_golden("tok_bert_uncased", NULL), *b = open_golden("tok_gpt2", NULL);
    ae_encoding x = {0};
    for (int i = 0; i < 3; i++) {
        encode_text(a, "the lazy dog", NULL, &x);
        assert_spelled(a, &x, "th ##e la ##z ##y d ##o ##g");
        encode_text(b, "the lazy dog", NULL, &x);
        assert_spelled(b, &x,
                       "t he \xc4\xa0la z y \xc4\xa0"
                       "do g");
    }
    ae_encoding_free(&x);
    ae_tokenizer_free(a);
    ae_tokenizer_free(b);
}

/* The merges of a long word come from a heap, those of a short one from a scan; both are the plain definition. */
static int32_t plain_bpe(const ae_tokenizer *t, const char *word, int32_t *ids)
{
    char tokens[400][8];
    int n = 0;
    for (const char *p = word; *p; p++) {
        snprintf(tokens[n++], 8, "%c", *p);
    }
    static const char *const order[] = {"ab", "bc", "aa", "abab", "cab", NULL};
    for (int k = 0; order[k];) {
        int found = -1;
        for (int i = 0; i + 1 < n && found < 0; i++) {
            char both[16];
            snprintf(both, sizeof both, "%s%s", tokens[i], tokens[i + 1]);
            bool is = strcmp(both, order[k]) == 0 && (k < 3 || strcmp(tokens[i + 1], "ab") == 0);
            found = is ? i : -1;
        }
        if (found < 0) {
            k++;
            continue;
        }
        snprintf(tokens[found], 8, "%s", order[k]);
        memmove(tokens[found + 1], tokens[found + 2], (size_t)(n - found - 2) * sizeof *tokens);
        n--;
        k = 0;
    }
    for (int i = 0; i < n; i++) {
        ids[i] = ae_tokenizer_id(t, tokens[i], strlen(tokens[i]));
    }
    return n;
}

static void test_merges(void **state)
{
    (void)state;
    ae_tokenizer *t =
        good_text("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"c\":2,\"ab\":3,\"bc\":4,\"aa\":5,"
                  "\"abab\":6,\"cab\":7},\"merges\":[\"a b\",\"b c\",\"a a\",\"ab ab\",\"c ab\"]}}");
    ae_encoding x = {0};
    ae_err e = {0};
    uint64_t seed = 11;
    for (int i = 0; i < 800; i++) {
        char word[400];
        int length = 1 + (int)(next_random(&seed) % (i % 2 ? 40 : 300));
        for (int k = 0; k < length; k++) {
            word[k] = (char)('a' + next_random(&seed) % 3);
        }
        word[length] = '\0';
        int32_t want[400];
        int n = plain_bpe(t, word, want);
        assert_int_equal(ae_tokenizer_encode(t, word, (size_t)length, NULL, &x, &e), 0);
        assert_int_equal(x.count, n);
        assert_memory_equal(x.ids, want, (size_t)n * 4);
    }
    ae_encoding_free(&x);
    ae_tokenizer_free(t);
}

/* ---- large ------------------------------------------------------------------------------------------------------------------ */

static void test_large_texts(void **state)
{
    (void)state;
    size_t bytes = 3 << 20;
    char *text = malloc(bytes);
    ae_encoding x = {.no_offsets = true};
    ae_err e = {0};
    for (int k = 0; k < 4; k++) { /* one word without an end, then blanks without an end */
        ae_tokenizer *t = open_golden(golden[k], NULL);
        memset(text, 'a', bytes);
        assert_int_equal(ae_tokenizer_encode(t, text, bytes, NULL, &x, &e), 0);
        assert_true(k < 2 ? x.count == 1 : x.count > 1000);
        memset(text, ' ', bytes);
        assert_int_equal(ae_tokenizer_encode(t, text, bytes, NULL, &x, &e), 0);
        assert_true(k < 2 ? x.count == 0 : x.count > 1000);
        for (size_t i = 0; i + 1 < bytes; i += 2) { /* a starter and marks that must be put in order */
            memcpy(text + i, i == 0 ? "aa" : i % 4 ? "\xcc\x81" : "\xcc\xa3", 2);
        }
        assert_int_equal(ae_tokenizer_encode(t, text, bytes, NULL, &x, &e), 0);
        ae_tokenizer_free(t);
    }
    ae_encoding_free(&x);
    free(text);
}

/* One tokenizer, several threads, each with an encoding of its own. */
static void test_threads(void **state)
{
    (void)state;
    ae_tokenizer *t = open_golden("tok_bert_uncased", NULL);
    enum { TEXTS = 400 };
    static uint64_t sums[2][TEXTS];
    for (int round = 0; round < 2; round++) {
#pragma omp parallel num_threads(round ? 4 : 1)
        {
            ae_encoding x = {0};
            static _Thread_local char text[1 << 13];
#pragma omp for schedule(dynamic, 7)
            for (int i = 0; i < TEXTS; i++) {
                uint64_t seed = (uint64_t)i;
                size_t bytes = random_text(&seed, 20, text, sizeof text);
                sums[round][i] = (uint64_t)ae_tokenizer_encode(t, text, bytes, NULL, &x, NULL);
                for (int64_t k = 0; k < x.count; k++) {
                    sums[round][i] = sums[round][i] * 31 + (uint64_t)x.ids[k];
                }
            }
            ae_encoding_free(&x);
        }
    }
    assert_memory_equal(sums[0], sums[1], sizeof sums[0]);
    ae_tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths_agree),
        cmocka_unit_test(test_joints),
        cmocka_unit_test(test_blank_in_front_of_pieces),
        cmocka_unit_test(test_nothing_left),
        cmocka_unit_test(test_unknown_token_missing),
        cmocka_unit_test(test_cache_begins_anew),
        cmocka_unit_test(test_scratch_changes_hands),
        cmocka_unit_test(test_merges),
        cmocka_unit_test(test_large_texts),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
