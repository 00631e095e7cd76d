/* The interface of tokenizers: offsets, words, pairs, truncation, added tokens, decoding, JSON, bad input. */
#include "tokenizer_samples.h"

#include "tokenizers/tokenizer_internal.h"
#include "tokenizers/tokenizer_trainer.h"

static const char *const golden[] = {"tok_bert_cased", "tok_bert_uncased", "tok_gpt2", "tok_roberta"};

/* ---- offsets --------------------------------------------------------------------------------------------------------- */

typedef struct joined {
    char text[512];
    size_t length;
} joined;

static int join_word(void *self, const char *word, size_t bytes)
{
    joined *j = self;
    if (j->length + bytes < sizeof j->text) {
        memcpy(j->text + j->length, word, bytes);
        j->length += bytes;
    }
    return 0;
}

/* The text cut at a token's offsets, normalised, is the token; unknown tokens stand for words of any kind. */
static void check_offsets(const ae_tokenizer *t, const char *text, size_t bytes, const ae_encoding *x, bool byte_level)
{
    ae_encoding scratch = {0};
    ae_err e = {0};
    for (int64_t i = 0; i < x->count; i++) {
        assert_true(x->starts[i] >= 0 && x->starts[i] <= x->ends[i] && (size_t)x->ends[i] <= bytes);
        assert_true(i == 0 || x->starts[i] >= x->starts[i - 1]);
        assert_int_equal(x->sequence[i], 0);
        if (x->ids[i] == ae_tokenizer_role(t, AE_TOKEN_UNKNOWN) || ae_tokenizer_is_special(t, x->ids[i])) {
            continue;
        }
        size_t length = 0;
        const char *token = ae_tokenizer_token(t, x->ids[i], &length);
        joined j = {.length = 0};
        const char *part = text + x->starts[i];
        size_t part_bytes = (size_t)(x->ends[i] - x->starts[i]);
        if (byte_level) {
            for (size_t k = 0; k < part_bytes; k++) {
                char letter[3];
                join_word(&j, letter, (size_t)ae_byte_letter((unsigned char)part[k], letter));
            }
        } else {
            assert_int_equal(ae_tokenizer_split(t, part, part_bytes, join_word, &j, &scratch, &e), 0);
            bool goes_on = ae_tokenizer_continues(t, x->ids[i]);
            token += goes_on ? 2 : 0;
            length -= goes_on ? 2 : 0;
        }
        if (j.length != length || memcmp(j.text, token, length) != 0) {
            fail_msg("\"%s\": the token %s stands for \"%.*s\"", text, token, (int)part_bytes, part);
        }
    }
    ae_encoding_free(&scratch);
}

static void test_offsets(void **state)
{
    (void)state;
    static char text[1 << 14];
    for (int k = 0; k < 3; k++) { /* RoBERTa leaves blanks out of its offsets */
        ae_tokenizer *t = open_golden(golden[k], NULL);
        ae_encoding x = {0};
        uint64_t seed = 7;
        for (int i = 0; i < 500; i++) {
            size_t bytes = random_text(&seed, 20, text, sizeof text);
            bool valid = true; /* what is broken is U+FFFD, whose bytes the text does not have */
            for (size_t b = 0; b < bytes; b++) {
                valid = valid && text[b] != (char)0xff && (text[b] != (char)0xe4 || (text[b + 1] & 0xc0) == 0x80);
            }
            ae_err e = {0};
            assert_int_equal(ae_tokenizer_encode(t, text, bytes, NULL, &x, &e), 0);
            if (valid) {
                check_offsets(t, text, bytes, &x, k == 2);
            }
        }
        ae_encoding_free(&x);
        ae_tokenizer_free(t);
    }
}

static void test_trimmed_offsets(void **state)
{
    (void)state;
    ae_tokenizer *t = open_golden("tok_roberta", NULL);
    ae_encoding x = {0};
    encode_text(t, "The  lazy \n <mask> the", NULL, &x);
    assert_spelled(t, &x, "The \xc4\xa0 \xc4\xa0la z y <mask> \xc4\xa0the");
    static const int64_t starts[] = {0, 4, 5, 7, 8, 12, 19}, ends[] = {3, 4, 7, 8, 9, 18, 22};
    assert_memory_equal(x.starts, starts, sizeof starts);
    assert_memory_equal(x.ends, ends, sizeof ends);
    static const int32_t words[] = {0, 1, 2, 2, 2, 3, 4};
    assert_memory_equal(x.words, words, sizeof words);
    ae_encoding_free(&x);
    ae_tokenizer_free(t);
}

/* Pinned numbers: ranges of bytes, words counted within each text, special tokens outside. */
static void test_offsets_and_words_of_a_pair(void **state)
{
    (void)state;
    ae_tokenizer *t = open_golden("tok_bert_uncased", NULL);
    ae_encoding x = {0};
    ae_err e = {0};
    ae_encode_options o = {.special = true};
    const char *a = "  Mu\xcc\x88l, ", *b = "\xe4\xb8\xad M\xc3\x89";
    assert_int_equal(ae_tokenizer_encode_pair(t, a, strlen(a), b, strlen(b), &o, &x, &e), 0);
    assert_spelled(t, &x, "[CLS] m ##u ##l , [SEP] [UNK] m ##e [SEP]");
    static const int64_t starts[] = {0, 2, 3, 6, 7, 0, 0, 4, 5, 0}, ends[] = {0, 3, 4, 7, 8, 0, 3, 5, 7, 0};
    static const int32_t words[] = {-1, 0, 0, 0, 1, -1, 0, 1, 1, -1};
    static const uint8_t sequence[] = {255, 0, 0, 0, 0, 255, 1, 1, 1, 255}, types[] = {0, 0, 0, 0, 0, 0, 1, 1, 1, 1};
    assert_memory_equal(x.starts, starts, sizeof starts);
    assert_memory_equal(x.ends, ends, sizeof ends);
    assert_memory_equal(x.words, words, sizeof words);
    assert_memory_equal(x.sequence, sequence, sizeof sequence);
    assert_memory_equal(x.type_ids, types, sizeof types);
    ae_encoding_free(&x);
    ae_tokenizer_free(t);
}

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

static const char *const letters[] = {"[UNK]", "[CLS]", "[SEP]", "a", "b", "e", "h", "l", "o", "t", " ", "\n"};
enum { LETTERS = sizeof letters / sizeof *letters };

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
    check_paths_of(of_kind("space", letters, LETTERS));
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
#define WORDS                                                                                                          \
    "\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"u\":0,\"\xc4\xa0"                                                  \
    "a\":1,\"a\":2,\"\xc4\xa0.\":3},\"unk_token\":\"u\"}"
    spells("{\"pre_tokenizer\":" SPACED "," WORDS "}", "a a .",
           "\xc4\xa0"
           "a \xc4\xa0"
           "a \xc4\xa0.");
    spells("{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"BertPreTokenizer\"}," SPACED
           "]}," WORDS "}",
           "a.a",
           "\xc4\xa0"
           "a \xc4\xa0. \xc4\xa0"
           "a");
}

/* A text of which nothing is left has no tokens, in the first call of an encoding too. */
static void test_nothing_left(void **state)
{
    (void)state;
    spells("{\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\".\"},\"content\":\"\"}," WORDS "}", "abc",
           "");
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

/* ---- truncation, templates --------------------------------------------------------------------------------------------- */

static void test_truncation(void **state)
{
    (void)state;
    ae_tokenizer *t = of_kind("space", letters, LETTERS);
    ae_encoding x = {0};
    ae_err e = {0};
    ae_encode_options o = {.special = true, .max_length = 6};
    const char *a = "a b e h", *b = "l o";
    assert_int_equal(ae_tokenizer_encode_pair(t, a, 7, b, 3, &o, &x, &e), 0);
    assert_spelled(t, &x, "[CLS] a b [SEP] l [SEP]");
    assert_int_equal(x.dropped, 3);
    o.truncation = AE_TRUNCATE_FIRST;
    assert_int_equal(ae_tokenizer_encode_pair(t, a, 7, b, 3, &o, &x, &e), 0);
    assert_spelled(t, &x, "[CLS] a [SEP] l o [SEP]");
    o.truncation = AE_TRUNCATE_SECOND;
    assert_int_equal(ae_tokenizer_encode_pair(t, a, 7, b, 3, &o, &x, &e), -1);
    assert_message(&e, "the second text alone has 2 tokens to give, and 3 are too many; truncate the longest");
    e = (ae_err){0};
    o.max_length = 8;
    assert_int_equal(ae_tokenizer_encode_pair(t, a, 7, b, 3, &o, &x, &e), 0);
    assert_spelled(t, &x, "[CLS] a b e h [SEP] l [SEP]");
    o.truncation = AE_TRUNCATE_ERROR;
    assert_int_equal(ae_tokenizer_encode_pair(t, a, 7, b, 3, &o, &x, &e), -1);
    assert_message(&e, "9 tokens, and 8 may be; truncation is off");
    e = (ae_err){0};
    o.max_length = 2;
    assert_int_equal(ae_tokenizer_encode_pair(t, a, 7, b, 3, &o, &x, &e), -1);
    assert_message(&e, "a limit of 2 tokens leaves no place for the 3 special ones");
    o = (ae_encode_options){.max_length = 3};
    encode_text(t, a, &o, &x);
    assert_spelled(t, &x, "a b e");
    o.truncation = AE_TRUNCATE_SECOND; /* of one text there is no second */
    encode_text(t, a, &o, &x);
    assert_spelled(t, &x, "a b e");
    ae_encoding_free(&x);
    ae_tokenizer_free(t);
}

static void test_assemble(void **state)
{
    (void)state;
    ae_tokenizer *t = open_golden("tok_roberta", NULL);
    static const int32_t a[] = {10, 11}, b[] = {12};
    int32_t ids[8];
    uint8_t types[8];
    assert_int_equal(ae_tokenizer_special_count(t, false), 2);
    assert_int_equal(ae_tokenizer_special_count(t, true), 4);
    assert_int_equal(ae_tokenizer_assemble(t, a, 2, NULL, 0, ids, types), 4);
    assert_memory_equal(ids, ((int32_t[]){0, 10, 11, 2}), 16);
    assert_int_equal(ae_tokenizer_assemble(t, a, 2, b, 1, ids, NULL), 7);
    assert_memory_equal(ids, ((int32_t[]){0, 10, 11, 2, 2, 12, 2}), 28);
    assert_int_equal(ae_tokenizer_assemble(t, a, 0, b, 0, ids, types), 4);
    assert_memory_equal(ids, ((int32_t[]){0, 2, 2, 2}), 16);
    ae_tokenizer_free(t);
    /* XLNet's: the special token last, of a type of its own. */
    t = good_text(
        "{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"<unk>\":0,\"<sep>\":1,\"<cls>\":2,\"a\":3}},\"added_tokens\":"
        "[{\"id\":1,\"content\":\"<sep>\",\"special\":true},{\"id\":2,\"content\":\"<cls>\",\"special\":true}],"
        "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
        "{\"SpecialToken\":{\"id\":\"<sep>\",\"type_id\":0}},{\"SpecialToken\":{\"id\":\"<cls>\",\"type_id\":2}}],"
        "\"pair\":[{\"Sequence\":{\"id\":\"B\",\"type_id\":1}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],"
        "\"special_tokens\":{\"<sep>\":{\"id\":\"<sep>\",\"ids\":[1],\"tokens\":[\"<sep>\"]},"
        "\"<cls>\":{\"id\":\"<cls>\",\"ids\":[2,2],\"tokens\":[\"<cls>\",\"<cls>\"]}}}}");
    assert_int_equal(ae_tokenizer_assemble(t, a, 1, NULL, 0, ids, types), 4);
    assert_memory_equal(ids, ((int32_t[]){10, 1, 2, 2}), 16);
    assert_memory_equal(types, ((uint8_t[]){0, 0, 2, 2}), 4);
    assert_int_equal(ae_tokenizer_assemble(t, a, 1, b, 1, ids, types), 2);
    assert_memory_equal(ids, ((int32_t[]){12, 10}), 8);
    assert_int_equal(ae_tokenizer_role(t, AE_TOKEN_CLS), 2);
    assert_int_equal(ae_tokenizer_role(t, AE_TOKEN_SEP), 1);
    assert_int_equal(ae_tokenizer_role(t, AE_TOKEN_UNKNOWN), 0);
    assert_int_equal(ae_tokenizer_role(t, AE_TOKEN_PAD), -1);
    assert_int_equal(ae_tokenizer_role(t, AE_TOKEN_ROLES), -1);
    ae_tokenizer_free(t);
}

/* ---- added tokens ------------------------------------------------------------------------------------------------------ */

#define ADDED(properties)                                                                                              \
    "{\"added_tokens\":[{\"id\":5,\"content\":\"ab\"," properties                                                      \
    "},{\"id\":6,\"content\":\"abc\",\"special\":true}],\"normalizer\":{\"type\":\"Lowercase\"},\"pre_tokenizer\":"    \
    "{\"type\":\"WhitespaceSplit\"},\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"?\":0,\"x\":1},\"unk_token\":\"?"   \
    "\"}}"

static void check_added(const char *json, const char *text, const char *want, int64_t start, int64_t end)
{
    ae_tokenizer *t = good_text(json);
    ae_encoding x = {0};
    encode_text(t, text, NULL, &x);
    assert_spelled(t, &x, want);
    for (int64_t i = 0; i < x.count && end; i++) {
        if (x.ids[i] == 5) {
            assert_int_equal(x.starts[i], start);
            assert_int_equal(x.ends[i], end);
            end = 0;
        }
    }
    assert_int_equal(end, 0);
    ae_encoding_free(&x);
    ae_tokenizer_free(t);
}

static void test_added_tokens(void **state)
{
    (void)state;
    check_added(ADDED("\"normalized\":false"), "xabx abc AB", "x ab x abc ?", 1, 3);
    check_added(ADDED("\"normalized\":true"), "xabx abc AB", "x ab x abc ab", 1, 3);
    check_added(ADDED("\"normalized\":true"), "AB", "ab", 0, 2);
    check_added(ADDED("\"normalized\":false,\"single_word\":true"),
                "xab ab \xc3\xa9"
                "ab abx ab.",
                "? ab ? ? ab ?", 4, 6);
    check_added(ADDED("\"normalized\":false,\"lstrip\":true"), "x \n ab x", "x ab x", 1, 6);
    check_added(ADDED("\"normalized\":false,\"rstrip\":true"), "x ab \xe3\x80\x80x ab", "x ab x ab", 2, 8);
    check_added(ADDED("\"normalized\":false,\"lstrip\":true,\"rstrip\":true"), "ab  ab", "ab ab", 0, 4);
    /* Blanks that one token took along may be tokens of their own; one that would begin behind its end is none. */
    static const char blanks[] = "{\"added_tokens\":[{\"id\":5,\"content\":\" \",\"rstrip\":true,\"normalized\":%s}],"
                                 "\"normalizer\":%s,\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"?\":0,\"x\":1},"
                                 "\"unk_token\":\"?\"}}";
    static const char *const ways[3][2] = {{"false", "null"}, {"true", "null"}, {"true", "{\"type\":\"Lowercase\"}"}};
    for (int i = 0; i < 3; i++) {
        char json[512];
        snprintf(json, sizeof json, blanks, ways[i][0], ways[i][1]);
        check_added(json, "x  x", "x     x", 1, 3);
        strcpy(strstr(json, "rstrip"), "lstrip");
        strstr(json, "lstrip")[6] = '"';
        check_added(json, "x  x", "x     x", 1, 2);
    }
    /* Kept as text; special ones are known as such; the longest counts. */
    ae_tokenizer *t = good_text(ADDED("\"normalized\":true"));
    ae_encoding x = {0};
    encode_text(t, "ab abc", &(ae_encode_options){.keep_added = true}, &x);
    assert_spelled(t, &x, "? ?");
    assert_true(ae_tokenizer_is_special(t, 6));
    assert_false(ae_tokenizer_is_special(t, 5));
    assert_false(ae_tokenizer_is_special(t, 99));
    assert_false(ae_tokenizer_is_special(t, -1));
    assert_int_equal(ae_tokenizer_id(t, "abc", 3), 6);
    assert_int_equal(ae_tokenizer_id(t, "abd", 3), -1);
    assert_int_equal(ae_tokenizer_size(t), 7);
    assert_null(ae_tokenizer_token(t, 3, NULL));
    assert_null(ae_tokenizer_token(t, 7, NULL));
    ae_encoding_free(&x);
    ae_tokenizer_free(t);
}

static void refuses(const char *json, const char *message)
{
    ae_err e = {0};
    ae_tokenizer *t = from_text(json, &e);
    assert_null(t);
    assert_message(&e, message);
}

static void test_refused_json(void **state)
{
    (void)state;
#define SMALL "\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"?\":0,\"x\":1},\"unk_token\":\"?\"}"
    refuses("[]", "not a tokenizer.json: there is no \"model\" in it");
    refuses("{\"model\":{\"type\":\"Trigram\"}}", "model: the type \"Trigram\" is not known");
    refuses("{\"model\":{\"type\":\"WordLevel\"}}", "model WordLevel: ");
    refuses("{" SMALL ",\"added_tokens\":{}}", "added_tokens");
    refuses("{" SMALL ",\"added_tokens\":[3]}", "added_tokens: its members must be objects, not a number");
    refuses("{" SMALL ",\"added_tokens\":[{\"content\":\"y\"}]}", "added_tokens: ");
    refuses("{" SMALL ",\"added_tokens\":[{\"id\":2}]}", "added_tokens: content");
    refuses("{" SMALL ",\"added_tokens\":[{\"id\":1,\"content\":\"y\"}]}",
            "added_tokens: \"y\" has the id 1, which is another token's");
    refuses("{" SMALL ",\"added_tokens\":[{\"id\":2,\"content\":\"y\"},{\"id\":2,\"content\":\"z\"}]}",
            "added_tokens: \"z\" has the id 2, which another added token has");
    refuses("{" SMALL ",\"added_tokens\":[{\"id\":99999999,\"content\":\"y\"}]}", "which is out of range");
    refuses("{" SMALL ",\"added_tokens\":[{\"id\":2,\"content\":\"y\",\"lstrip\":1}]}", "added_tokens: ");
    refuses("{" SMALL ",\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"s\",7],\"cls\":[\"c\",0]}}",
            "post_processor: its special token 7 is not in the vocabulary");
    refuses("{" SMALL ",\"decoder\":{\"type\":\"Bytes\"}}", "decoder: the type \"Bytes\" is not known");
}

/* ---- JSON there and back -------------------------------------------------------------------------------------------------- */

static void check_round_trip(const ae_tokenizer *t)
{
    static char text[1 << 14];
    ae_err e = {0};
    ae_json *j = ae_tokenizer_json(t, &e);
    assert_non_null(j);
    char *one = ae_json_text(j, false, &e);
    ae_json *parsed = ae_json_parse(one, strlen(one), &e);
    ae_tokenizer *u = ae_tokenizer_from_json(parsed, &e);
    if (!u) {
        fail_msg("%s", e.message);
    }
    assert_true(ae_tokenizer_hash(t) == ae_tokenizer_hash(u));
    assert_string_equal(ae_tokenizer_kind(t), ae_tokenizer_kind(u));
    assert_int_equal(ae_tokenizer_size(t), ae_tokenizer_size(u));
    for (int role = 0; role < AE_TOKEN_ROLES; role++) {
        assert_int_equal(ae_tokenizer_role(t, (ae_token_role)role), ae_tokenizer_role(u, (ae_token_role)role));
    }
    ae_json *k = ae_tokenizer_json(u, &e);
    char *two = ae_json_text(k, false, &e);
    assert_string_equal(one, two);
    ae_encoding x = {0}, y = {0};
    uint64_t seed = 5;
    for (int i = 0; i < 200; i++) {
        size_t bytes = random_text(&seed, 10, text, sizeof text);
        ae_err none = {0};
        int a = ae_tokenizer_encode(t, text, bytes, &(ae_encode_options){.special = true}, &x, &none);
        int b = ae_tokenizer_encode(u, text, bytes, &(ae_encode_options){.special = true}, &y, &none);
        assert_int_equal(a, b);
        assert_int_equal(x.count, y.count);
        assert_memory_equal(x.ids, y.ids, (size_t)x.count * 4);
    }
    ae_encoding_free(&x);
    ae_encoding_free(&y);
    free(one);
    free(two);
    ae_json_free(j);
    ae_json_free(k);
    ae_json_free(parsed);
    ae_tokenizer_free(u);
}

static void test_round_trip(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        ae_tokenizer *t = open_golden(golden[k], NULL);
        check_round_trip(t);
        ae_tokenizer_free(t);
    }
    static const char *const kinds[] = {"char", "space"};
    for (int k = 0; k < 2; k++) {
        ae_tokenizer *t = of_kind(kinds[k], letters, LETTERS);
        check_round_trip(t);
        ae_tokenizer_free(t);
    }
    ae_tokenizer *t = good_text(ADDED("\"normalized\":true,\"rstrip\":true"));
    check_round_trip(t);
    ae_tokenizer_free(t);
    t = good_text(
        "{\"truncation\":{\"max_length\":3},\"padding\":null,\"model\":{\"type\":\"BPE\",\"vocab\":{\"a b\":0,\"c\":1,"
        "\"a bc\":2,\"\\u0000\":3},\"merges\":[[\"a b\",\"c\"]],\"unk_token\":\"c\",\"fuse_unk\":true}}");
    check_round_trip(t);
    ae_json *j = ae_tokenizer_json(t, NULL);
    assert_int_equal(ae_json_int(ae_json_get(j, "truncation"), "max_length", 0, NULL), 3);
    ae_json_free(j);
    ae_tokenizer_free(t);
}

/* Whatever changes ids changes the hash. */
static void test_hash(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{" SMALL "}",
        "{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"?\":0,\"y\":1},\"unk_token\":\"?\"}}",
        "{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"?\":1,\"x\":0},\"unk_token\":\"?\"}}",
        "{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"?\":0,\"x\":1},\"unk_token\":\"x\"}}",
        "{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"?\":0,\"x\":1},\"unk_token\":\"?\"}}",
        "{" SMALL ",\"normalizer\":{\"type\":\"NFC\"}}",
        "{" SMALL ",\"pre_tokenizer\":{\"type\":\"Whitespace\"}}",
        "{" SMALL ",\"added_tokens\":[{\"id\":1,\"content\":\"x\"}]}",
        "{" SMALL ",\"added_tokens\":[{\"id\":1,\"content\":\"x\",\"lstrip\":true}]}",
    };
    enum { N = sizeof texts / sizeof *texts };
    uint64_t hashes[N];
    for (int i = 0; i < N; i++) {
        ae_tokenizer *t = good_text(texts[i]);
        hashes[i] = ae_tokenizer_hash(t);
        ae_tokenizer_free(t);
        for (int k = 0; k < i; k++) {
            assert_true(hashes[i] != hashes[k]);
        }
    }
    ae_tokenizer_options cased = {.lower_case = -1};
    ae_tokenizer *a = open_golden("tok_bert_uncased", NULL), *b = open_golden("tok_bert_uncased", &cased);
    assert_true(ae_tokenizer_hash(a) != ae_tokenizer_hash(b));
    ae_tokenizer_free(a);
    ae_tokenizer_free(b);
}

/* ---- bytes that are no text --------------------------------------------------------------------------------------------- */

/* What is broken counts as U+FFFD, and stands for the broken bytes. */
static void test_invalid_utf8(void **state)
{
    (void)state;
    ae_tokenizer *t = open_golden("tok_gpt2", NULL);
    ae_encoding x = {0}, y = {0};
    ae_err e = {0};
    static const char broken[] = "a\xe4\xb8z\xff\xf0\x9f\x98", mended[] = "a\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd";
    assert_int_equal(ae_tokenizer_encode(t, broken, sizeof broken - 1, NULL, &x, &e), 0);
    assert_int_equal(ae_tokenizer_encode(t, mended, sizeof mended - 1, NULL, &y, &e), 0);
    assert_int_equal(x.count, y.count);
    assert_memory_equal(x.ids, y.ids, (size_t)x.count * 4);
    assert_int_equal(x.starts[0], 0);
    assert_int_equal(x.ends[0], 1);
    assert_int_equal(x.starts[1], 1);
    assert_int_equal(x.ends[x.count - 1], sizeof broken - 1);
    size_t bytes = 0;
    char *text = ae_tokenizer_decode(t, x.ids, x.count, false, &bytes, &e);
    assert_string_equal(text, mended);
    free(text);
    /* A token of one byte of a character: no valid text. */
    int32_t byte = ae_tokenizer_id(t, "\xc3\xa4", 2);
    assert_true(byte >= 0);
    text = ae_tokenizer_decode(t, &byte, 1, false, NULL, &e);
    assert_string_equal(text, "\xef\xbf\xbd");
    free(text);
    /* A zero byte is a character like others. */
    assert_int_equal(ae_tokenizer_encode(t, "a\0b", 3, NULL, &x, &e), 0);
    assert_spelled(t, &x, "a \xc4\x80 b");
    text = ae_tokenizer_decode(t, x.ids, x.count, false, &bytes, &e);
    assert_int_equal(bytes, 3);
    assert_memory_equal(text, "a\0b", 4);
    free(text);
    ae_tokenizer_free(t);
    t = open_golden("tok_bert_uncased", NULL); /* which drops U+FFFD and zero bytes */
    assert_int_equal(ae_tokenizer_encode(t, "m\0e\xff m\xe4", 7, NULL, &x, &e), 0);
    assert_spelled(t, &x, "m ##e m");
    assert_int_equal(x.starts[1], 2);
    assert_int_equal(x.starts[2], 5);
    assert_int_equal(x.ends[2], 6);
    ae_encoding_free(&x);
    ae_encoding_free(&y);
    ae_tokenizer_free(t);
}

static void test_decode(void **state)
{
    (void)state;
    ae_tokenizer *t = of_kind("space", letters, LETTERS);
    ae_err e = {0};
    static const int32_t ids[] = {1, 3, 4, 2};
    size_t bytes = 0;
    char *text = ae_tokenizer_decode(t, ids, 4, false, &bytes, &e);
    assert_string_equal(text, "[CLS] a b [SEP]");
    assert_int_equal(bytes, 15);
    free(text);
    text = ae_tokenizer_decode(t, ids, 4, true, NULL, &e);
    assert_string_equal(text, "a b");
    free(text);
    text = ae_tokenizer_decode(t, NULL, 0, true, &bytes, &e);
    assert_string_equal(text, "");
    assert_int_equal(bytes, 0);
    free(text);
    ae_tokenizer *folded = good_text("{\"added_tokens\":[{\"id\":1,\"content\":\"ADD\",\"normalized\":true}],"
                                     "\"normalizer\":{\"type\":\"Lowercase\"},\"model\":{\"type\":\"WordLevel\","
                                     "\"vocab\":{\"[UNK]\":0},\"unk_token\":\"[UNK]\"}}");
    text = ae_tokenizer_decode(folded, (const int32_t[]){1, 0}, 2, false, NULL, &e);
    assert_string_equal(text, "add [UNK]"); /* as it is looked for */
    free(text);
    ae_tokenizer_free(folded);
    static const int32_t outside[] = {3, 12}, negative[] = {-1};
    assert_null(ae_tokenizer_decode(t, outside, 2, false, NULL, &e));
    assert_int_equal(e.code, AE_E_VALUE);
    assert_message(&e, "the id 12 at place 1 has no token; the vocabulary has 12");
    assert_null(ae_tokenizer_decode(t, negative, 1, false, NULL, &e));
    ae_tokenizer_free(t);
}

/* ---- kinds ----------------------------------------------------------------------------------------------------------------- */

static void test_kinds(void **state)
{
    (void)state;
    assert_null(ae_tokenizer_kind_name(-1));
    assert_null(ae_tokenizer_kind_about(ae_tokenizer_kind_count()));
    ae_err e = {0};
    for (int i = 0; i < ae_tokenizer_kind_count(); i++) { /* without a vocabulary they split, and know themselves */
        ae_kind_parts parts = {.kind = ae_kind_find(ae_tokenizer_kind_name(i), &e)};
        ae_tokenizer *t = ae_tokenizer_from_parts(&parts, &e);
        assert_non_null(t);
        assert_true(strlen(ae_tokenizer_kind_about(i)) > 10);
        /* An empty vocabulary has no special tokens, so a frame falls away and char looks like plain but for Strip. */
        const char *name = parts.kind->name;
        bool framed = strcmp(name, "roberta") == 0 || strcmp(name, "whisper") == 0;
        assert_string_equal(ae_tokenizer_kind(t), framed ? "gpt2" : strcmp(name, "clip") == 0 ? "custom" : name);
        ae_tokenizer_free(t);
    }
    assert_null(ae_kind_find("brt", &e));
    assert_message(&e, "there is no tokenizer kind \"brt\"; did you mean \"bert\"?; kinds: bert, gpt1, gpt2, roberta, "
                       "clip, whisper, char, space, uer-space, simple, treebank, nltk, moses, plain");
}

/* What Python's text.strip().split(" ") gives. */
static void test_uer_space(void **state)
{
    (void)state;
    static const char *const tokens[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "a\tb"};
    ae_encoding x = {0};
    ae_tokenizer *t = of_kind("uer-space", tokens, 7);
    encode_text(t, "\x1c a  b a\tb   B\xe3\x80\x80\n", &(ae_encode_options){.special = true}, &x);
    assert_spelled(t, &x, "[CLS] a [UNK] b a\tb [UNK] [UNK] [UNK] [SEP]");
    static const int64_t starts[] = {0, 2, 4, 5, 7, 11, 12, 13, 0}, ends[] = {0, 3, 4, 6, 10, 11, 12, 14, 0};
    assert_memory_equal(x.starts, starts, sizeof starts);
    assert_memory_equal(x.ends, ends, sizeof ends);
    encode_text(t, " \n ", NULL, &x);
    assert_spelled(t, &x, "[UNK]");
    encode_text(t, "", NULL, &x);
    assert_int_equal(x.count, 0);
    ae_encoding_free(&x);
    ae_tokenizer_free(t);
    ae_err e = {0};
    assert_null(from_text("{\"normalizer\":{\"type\":\"UerSpace\",\"unknown\":1}," WORDS "}", &e));
    assert_message(&e, "normalizer UerSpace: ");
}

static void test_char_kinds(void **state)
{
    (void)state;
    ae_encoding x = {0};
    ae_err e = {0};
    ae_tokenizer *t = of_kind("char", letters, LETTERS);
    encode_text(t, "  hell\xc3\xb6 a\n", &(ae_encode_options){.special = true}, &x);
    assert_spelled(t, &x, "[CLS] h e l l [UNK]   a [SEP]");
    ae_tokenizer_free(t);
    /* Every character comes back; one that is not in the vocabulary is an error that names it. */
    t = of_kind("plain", letters + 3, LETTERS - 3);
    static const char text[] = " \n\nhello  the\nboat ";
    encode_text(t, text, &(ae_encode_options){.special = true}, &x);
    assert_int_equal(x.count, sizeof text - 1);
    char *back = ae_tokenizer_decode(t, x.ids, x.count, true, NULL, &e);
    assert_string_equal(back, text);
    free(back);
    assert_int_equal(ae_tokenizer_encode(t, "hxa", 3, NULL, &x, &e), -1);
    assert_message(&e, "\"x\" is not in the vocabulary, and it has no unknown token");
    encode_text(t, "ha", NULL, &x); /* the failure is forgotten */
    ae_encoding_free(&x);
    ae_tokenizer_free(t);
}

static void test_parts(void **state)
{
    (void)state;
    ae_err e = {0};
    static const char *const tokens[] = {"a", "b", "ab", "a"};
    static const int32_t merges[][2] = {{0, 1}};
    static const char *const special[] = {"<end>", "b"};
    ae_kind_parts parts = {.kind = ae_kind_find("gpt2", &e),
                           .tokens = tokens,
                           .n_tokens = 3,
                           .merges = merges,
                           .n_merges = 1,
                           .special = special,
                           .n_special = 2};
    ae_tokenizer *t = ae_tokenizer_from_parts(&parts, &e);
    assert_non_null(t);
    ae_encoding x = {0};
    encode_text(t, "ab<end>ba", NULL, &x);
    assert_spelled(t, &x, "a b <end> b a"); /* b is found first, as a token of its own */
    assert_int_equal(ae_tokenizer_id(t, "<end>", 5), 3);
    ae_tokenizer_free(t);
    parts.n_special = 1;
    t = ae_tokenizer_from_parts(&parts, &e);
    encode_text(t, "ab<end>ba", NULL, &x);
    assert_spelled(t, &x, "ab <end> b a");
    ae_tokenizer_free(t);
    static const int32_t outside[][2] = {{0, 9}}, missing[][2] = {{1, 0}};
    parts.merges = outside;
    assert_null(ae_tokenizer_from_parts(&parts, &e));
    assert_message(&e, "merge 1 has the ids 0 and 9; the vocabulary has 3");
    e = (ae_err){0};
    parts.merges = missing;
    assert_null(ae_tokenizer_from_parts(&parts, &e));
    assert_message(&e, "merge 1 joins \"b\" and \"a\" to a token that is not in the vocabulary");
    e = (ae_err){0};
    static const char *const invalid[] = {"a\xff"};
    parts = (ae_kind_parts){.kind = ae_kind_find("space", &e), .tokens = invalid, .n_tokens = 1};
    assert_null(ae_tokenizer_from_parts(&parts, &e));
    assert_message(&e, "token 0 is not valid UTF-8");
    parts = (ae_kind_parts){.kind = ae_kind_find("space", &e), .tokens = tokens, .n_tokens = 4};
    t = ae_tokenizer_from_parts(&parts, &e); /* the last id of a token that stands twice */
    assert_int_equal(ae_tokenizer_id(t, "a", 1), 3);
    assert_string_equal(ae_tokenizer_token(t, 0, NULL), "a");
    ae_encoding_free(&x);
    ae_tokenizer_free(t);
}

static void test_continues(void **state)
{
    (void)state;
    ae_tokenizer *t = open_golden("tok_bert_cased", NULL);
    assert_true(ae_tokenizer_continues(t, ae_tokenizer_id(t, "##ing", 5)));
    assert_false(ae_tokenizer_continues(t, ae_tokenizer_id(t, "the", 3)));
    assert_false(ae_tokenizer_continues(t, ae_tokenizer_role(t, AE_TOKEN_MASK)));
    assert_false(ae_tokenizer_continues(t, 100000));
    ae_tokenizer_free(t);
    t = open_golden("tok_roberta", NULL);
    assert_true(ae_tokenizer_continues(t, ae_tokenizer_id(t, "ing", 3)));
    assert_false(ae_tokenizer_continues(t, ae_tokenizer_id(t, "\xc4\xa0the", 5)));
    assert_false(ae_tokenizer_continues(t, 0));
    ae_tokenizer_free(t);
}

/* ---- words for trainers ---------------------------------------------------------------------------------------------------- */

static int list_word(void *self, const char *word, size_t bytes)
{
    joined *j = self;
    join_word(j, word, bytes);
    join_word(j, "|", 1);
    return bytes == 4 && memcmp(word, "abcd", 4) == 0 ? 7 : 0;
}

static void test_split(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_encoding x = {0};
    static const struct {
        const char *kind, *words;
        bool letters_apart;
    } want[] = {{"bert", "h\xc3\xa9|,|you|", false},
                {"gpt1", "he|,|you|", false},
                {"gpt2", "H\xc3\x83\xc2\xa9|,|\xc4\xa0You|", false},
                {"roberta", "H\xc3\x83\xc2\xa9|,|\xc4\xa0You|", false},
                {"char", "H|\xc3\xa9|,| |Y|o|u|", true},
                {"space", "H\xc3\xa9,|You|", false},
                {"plain", "H|\xc3\xa9|,| |Y|o|u|", true}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        bool bert = strcmp(want[i].kind, "bert") == 0;
        ae_tokenizer_options o = {.lower_case = bert ? 1 : 0, .strip_accents = bert ? -1 : 0};
        ae_kind_parts parts = {.kind = ae_kind_find(want[i].kind, &e), .options = &o};
        ae_tokenizer *t = ae_tokenizer_from_parts(&parts, &e);
        joined j = {.length = 0};
        assert_int_equal(ae_tokenizer_split(t, "H\xc3\xa9, You", 8, list_word, &j, &x, &e), 0);
        assert_string_equal(j.text, want[i].words);
        memset(&j, 0, sizeof j);
        bool letters_apart = want[i].letters_apart; /* else "abcd" stops it */
        int result = ae_tokenizer_split(t, "abcd efg", 8, list_word, &j, &x, &e);
        assert_int_equal(result, letters_apart ? 0 : 7);
        assert_string_equal(j.text, letters_apart ? "a|b|c|d| |e|f|g|" : "abcd|");
        ae_tokenizer_free(t);
    }
    ae_encoding_free(&x);
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
        cmocka_unit_test(test_offsets),
        cmocka_unit_test(test_trimmed_offsets),
        cmocka_unit_test(test_offsets_and_words_of_a_pair),
        cmocka_unit_test(test_paths_agree),
        cmocka_unit_test(test_joints),
        cmocka_unit_test(test_blank_in_front_of_pieces),
        cmocka_unit_test(test_nothing_left),
        cmocka_unit_test(test_unknown_token_missing),
        cmocka_unit_test(test_cache_begins_anew),
        cmocka_unit_test(test_scratch_changes_hands),
        cmocka_unit_test(test_merges),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_assemble),
        cmocka_unit_test(test_added_tokens),
        cmocka_unit_test(test_refused_json),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_invalid_utf8),
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_uer_space),
        cmocka_unit_test(test_char_kinds),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_continues),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_large_texts),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
