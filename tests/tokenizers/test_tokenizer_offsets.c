/* Offsets into the text and numbers of words: of one text, trimmed, of a pair. */
#include "tokenizer_samples.h"

#include "tokenizers/tokenizer_internal.h"

static const char *const golden[] = {"tok_bert_cased", "tok_bert_uncased", "tok_gpt2", "tok_roberta"};

/* ---- offsets --------------------------------------------------------------------------------------------------------- */

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
        joined_words j = {.length = 0};
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offsets),
        cmocka_unit_test(test_trimmed_offsets),
        cmocka_unit_test(test_offsets_and_words_of_a_pair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
