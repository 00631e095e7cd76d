/* Every prefix of small tokenizer files and every change of a single byte, and likewise texts: no crash, an error with
 * a message or a tokenizer that keeps its promises. */
#include "fuzz/piece_targets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

typedef void reader(const uint8_t *data, size_t size);

/* Bytes at the very end of memory of their own, so that a sanitizer sees a read beyond them. */
static void read_copy(reader *read, const char *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, data, size);
    read(copy, size);
    free(copy);
}

static void mutate_bytes(reader *read, const char *bytes, size_t size, size_t step)
{
    static const char others[] = {'\0', '"', '}', ',', '9', ' ', '\n', (char)0xff, (char)0xc3, 'a'};
    char *data = malloc(size + 1);
    assert_non_null(data);
    memcpy(data, bytes, size);
    for (size_t n = 0; n <= size; n += step) {
        read_copy(read, data, n);
    }
    for (size_t i = 0; i < size; i++) {
        for (size_t k = i % step; k < sizeof others; k += step) {
            data[i] = others[k];
            read_copy(read, data, size);
        }
        data[i] = bytes[i];
    }
    free(data);
}

static void mutate(reader *read, const char *text, size_t step)
{
    mutate_bytes(read, text, strlen(text), step);
}

static void test_json(void **state)
{
    (void)state;
    for (int i = 0; i < FUZZ_TOKENIZERS; i++) {
        mutate(fuzz_tokenizer_json, fuzz_tokenizers[i], 5);
    }
}

static void test_vocab(void **state)
{
    (void)state;
    mutate(fuzz_vocab, fuzz_vocabulary, 1);
    mutate(fuzz_vocab, fuzz_pairs, 1);
    mutate(fuzz_vocab, fuzz_folder, 3);
    mutate(fuzz_vocab, "{\"a\":0,\"[UNK]\":1,\"##b\":2}", 1);
}

/* By every tokenizer, whose number is the first byte. */
static void mutate_text(reader *read, const char *text, size_t step, int tokenizers)
{
    char *data = strdup(text);
    assert_non_null(data);
    for (int i = 1; i < tokenizers; i++) { /* 0 would end the text */
        data[0] = (char)i;
        mutate(read, data, step);
    }
    free(data);
}

static void test_texts(void **state)
{
    (void)state;
    mutate_text(fuzz_encode, " The \xc3\x84 1\xcc\x81 \xe4\xb8\xad, aB<m> \xf0\x9f\x98\x80 ''s \xff\xe4\xb8\n", 3,
                FUZZ_TOKENIZERS);
    mutate_text(fuzz_encode, " <m>a<m> <m>ab aB\xcc\x81 \xe2\x80\xa8 'll'x", 3, FUZZ_KNOWN);
}

static void test_words(void **state)
{
    (void)state;
    mutate_text(fuzz_extend, " !<m>", 1, FUZZ_TOKENIZERS);
    mutate_text(fuzz_extend, " New york", 2, FUZZ_TOKENIZERS);
    mutate_text(fuzz_extend, " #2", 1, FUZZ_TOKENIZERS);
}

static void test_dictionaries(void **state)
{
    (void)state;
    mutate(fuzz_segmenter, fuzz_chinese, 2);
    mutate(fuzz_unihan, fuzz_readings, 5);
}

static void test_piece_files(void **state)
{
    (void)state;
    for (int i = AE_PIECES_UNIGRAM; i <= AE_PIECES_CHAR; i++) {
        ae_bytes file = {0};
        assert_int_equal(seed_pieces((ae_piece_algorithm)i, &file), 0);
        mutate_bytes(fuzz_pieces, file.data, file.length, 29);
        ae_bytes_free(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),  cmocka_unit_test(test_vocab),        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_words), cmocka_unit_test(test_dictionaries), cmocka_unit_test(test_piece_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
