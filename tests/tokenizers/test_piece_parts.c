/* Text that is cut before each ▁ and looked up part by part gives the tokens of the whole, rounding of long sums
 * included; numbers before a comma are cut anew as ALBERT's and XLNet's code does it. Characters that a map of
 * characters leaves alone are copied in runs, with the same result as one by one. */
#include "tokenizer_samples.h"
#include "tokenizers/charsmap.h"
#include "tokenizers/sentencepiece_internal.h"
#include "tokenizers/tokenizer_internal.h"

static uint32_t chance = 7;

static uint32_t below(uint32_t n)
{
    chance = chance * 1664525u + 1013904223u;
    return (chance >> 8) % n;
}

static const char *const letters[] = {"a", "b", "c", "\xc3\xa9", "\xe4\xb8\xad", "\xe2\x96\x81"};

static size_t random_piece(char *room, uint32_t most, bool mark)
{
    size_t n = 0;
    if (mark) {
        memcpy(room, letters[5], 3);
        n = 3;
    }
    for (uint32_t i = 1 + below(most); i > 0; i--) {
        const char *letter = letters[below(5)];
        memcpy(room + n, letter, strlen(letter));
        n += strlen(letter);
    }
    return n;
}

/* Scores a tenth apart, so that many sums are nearly equal. */
static ae_sentencepiece *random_model(ae_piece_algorithm algorithm, bool byte_fallback)
{
    ae_piece_list p;
    ae_err e = {0};
    char room[32];
    assert_int_equal(ae_piece_list_room(&p, 400, &e), 0);
    ae_vocab_add(p.vocab, "<unk>", 5, 0, &e);
    p.types[0] = AE_PIECE_UNKNOWN;
    for (int i = 0; i < 256 && byte_fallback; i++) {
        size_t n = (size_t)snprintf(room, sizeof room, "<0x%02X>", (unsigned)i);
        p.types[p.vocab->size] = AE_PIECE_BYTE;
        ae_vocab_add(p.vocab, room, n, p.vocab->size, &e);
    }
    for (int i = 0; i < 100; i++) {
        size_t n = random_piece(room, i < 20 ? 1 : 4, below(3) == 0);
        if (ae_vocab_find(p.vocab, room, n) < 0) {
            p.scores[p.vocab->size] = -0.1f * (float)(20 + below(100));
            p.types[p.vocab->size] = below(20) ? AE_PIECE_NORMAL : AE_PIECE_USER;
            ae_vocab_add(p.vocab, room, n, p.vocab->size, &e);
        }
    }
    ae_sentencepiece *m = ae_sentencepiece_make(p, (ae_piece_options){algorithm, byte_fallback, false}, &e);
    assert_non_null(m);
    assert_true(m->parts);
    return m;
}

static size_t random_words(char *text, size_t words)
{
    size_t n = 0;
    for (size_t i = 0; i < words; i++) {
        for (uint32_t marks = below(8) ? 1 : below(4); marks > 0; marks--) {
            memcpy(text + n, letters[5], 3);
            n += 3;
        }
        if (below(30) == 0) {
            text[n++] = 'z'; /* in no piece */
        }
        n += random_piece(text + n, below(20) ? 4 : 40, false);
    }
    return n;
}

static void compare(const ae_sentencepiece *m, const char *text, size_t bytes, ae_work *parts, ae_work *whole)
{
    parts->n_made = whole->n_made = parts->word = whole->word = 0;
    ae_sentencepiece_parts(m, text, bytes, parts);
    ae_sentencepiece_whole(m, text, 0, bytes, whole);
    assert_int_equal(parts->n_made, whole->n_made);
    assert_memory_equal(parts->made, whole->made, whole->n_made * sizeof *whole->made);
    assert_int_equal(parts->word, whole->word);
}

static void test_parts(void **state)
{
    (void)state;
    static char text[2000 * 200];
    for (int round = 0; round < 24; round++) {
        ae_work parts = {0}, whole = {0};
        ae_sentencepiece *m = random_model((ae_piece_algorithm)(1 + (round < 12 ? 0 : round % 4)), round % 3 == 0);
        for (int i = 0; i < 20; i++) {
            size_t bytes = random_words(text, i < 10 ? 12 : i < 19 ? 100 : 2000);
            compare(m, text, bytes, &parts, &whole);
        }
        ae_work_free(&parts);
        ae_work_free(&whole);
        ae_model_sentencepiece.row.free(m);
    }
}

#define NUMBERS                                                                                                        \
    "{\"model\":{\"type\":\"SentencePiece\",\"algorithm\":\"unigram\",\"comma_rule\":true,\"pieces\":["                \
    "[\"<unk>\",0,2],[\"\\u2581\",-3],[\"9\",-3],[\"8\",-3],[\",\",-3],[\"\\u25819\",-3],[\"\\u25819,\",-3],"          \
    "[\"98,\",-3],[\"\\u258198\",-3.5],[\"98\",-4],[\"8,\",-3],[\"a\",-3],[\"a,\",-3],[\"\\u0669,\",-3],"              \
    "[\"\\u2581\\u25819,\",-1]]}}"

static void check_numbers(const ae_tokenizer *t, const char *text, int count, const int32_t *ids, const int64_t *ends)
{
    ae_encoding x = {0};
    ae_err e = {0};
    assert_int_equal(ae_tokenizer_encode(t, text, strlen(text), NULL, &x, &e), 0);
    assert_int_equal(x.count, count);
    assert_memory_equal(x.ids, ids, (size_t)count * sizeof *ids);
    assert_memory_equal(x.ends, ends, (size_t)count * sizeof *ends);
    ae_encoding_free(&x);
}

/* Followed by hand through the rule as it is written in Python: "98," is cut as "▁98", whose ▁ goes, and so on. */
static void test_commas(void **state)
{
    (void)state;
    ae_tokenizer *t = good_text(NUMBERS);
    check_numbers(t,
                  "\xe2\x96\x81"
                  "9,8",
                  3, (int32_t[]){5, 4, 3}, (int64_t[]){4, 5, 6});
    check_numbers(t, "a98,a", 4, (int32_t[]){11, 9, 4, 11}, (int64_t[]){1, 3, 4, 5});
    check_numbers(t, "a,8,a", 4, (int32_t[]){12, 3, 4, 11}, (int64_t[]){2, 3, 4, 5});
    check_numbers(t, "a\xd9\xa9,", 3, (int32_t[]){11, 0, 4}, (int64_t[]){1, 3, 4});
    check_numbers(t,
                  "\xe2\x96\x81\xe2\x96\x81"
                  "9,",
                  2, (int32_t[]){5, 4}, (int64_t[]){7, 8});
    ae_tokenizer_free(t);
}

/* A component of the type with the map of T5's golden model. */
static ae_component with_map(const char *type)
{
    ae_err e = {0};
    ae_tokenizer *t = open_golden("tok_t5", NULL);
    ae_json *whole = ae_component_json(&t->normalizer, &e), *json = ae_json_new_object();
    const char *map = ae_json_string(whole, "precompiled_charsmap", NULL, &e);
    ae_component c = {0};
    assert_true(map && strlen(map) > 1000);
    ae_json_set_string(json, "type", type);
    ae_json_set_string(json, "precompiled_charsmap", map);
    assert_int_equal(ae_normalizer_from_json(json, &c, &e), 0);
    ae_json_free(json);
    ae_json_free(whole);
    ae_tokenizer_free(t);
    return c;
}

static void test_runs(void **state)
{
    (void)state;
    static const char *const parts[] = {"\xe4\xb8\xad",
                                        "\xe9\xb8\xa6",
                                        "\xe5\x92\x8c",
                                        "a",
                                        "B",
                                        " ",
                                        "\r\n",
                                        "\xcc\x81",
                                        "\xcc\x83",
                                        "\xe3\x80\x82",
                                        "\xef\xbc\x8c",
                                        "\xe3\x80\x80",
                                        "\xef\xbc\xa1",
                                        "\xe2\x80\x8d",
                                        "\xe3\x81\x8b",
                                        "\xe3\x82\x99",
                                        "\xef\xa4\x80",
                                        "\xc3\xa9"};
    ae_component fast = with_map("Precompiled"), slow = with_map("Precompiled");
    ae_charsmap *map = slow.self;
    assert_true(map->apart['a'] && map->apart[0xe4]);
    memset(map->apart, 0, sizeof map->apart);
    ae_work one = {0}, two = {0};
    for (int i = 0; i < 4000; i++) {
        char text[100];
        size_t n = 0;
        for (uint32_t k = below(25); k > 0; k--) {
            const char *part = parts[below(18)];
            memcpy(text + n, part, strlen(part));
            n += strlen(part);
        }
        ae_work_begin(&one, text, n);
        ae_work_begin(&two, text, n);
        ae_normalizer_precompiled.apply(fast.self, &one);
        ae_normalizer_precompiled.apply(slow.self, &two);
        assert_int_equal(one.text.length, two.text.length);
        assert_memory_equal(one.text.bytes, two.text.bytes, two.text.length);
        assert_memory_equal(one.text.from, two.text.from, two.text.length * sizeof *two.text.from);
        assert_memory_equal(one.text.to, two.text.to, two.text.length * sizeof *two.text.to);
    }
    ae_work_free(&one);
    ae_work_free(&two);
    ae_component_free(&fast);
    ae_component_free(&slow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parts), cmocka_unit_test(test_commas),
                                       cmocka_unit_test(test_runs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
