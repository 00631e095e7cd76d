/* Every prefix of small tables, every change of a bit, and every place where a byte that means something is put in or
 * taken out: no crash, an error with a message or a record that can be written and read again. */
#include "fuzz/table_targets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

typedef void reader(const uint8_t *data, size_t size);
static reader *const readers[TABLE_SEEDS] = {fuzz_tsv, fuzz_csv, fuzz_jsonl, fuzz_sent_conv};

/* Bytes at the very end of memory of their own, so that a sanitizer sees a read beyond them. */
static void read_copy(reader *read, const char *head, size_t a, const char *middle, size_t b, const char *tail,
                      size_t c)
{
    uint8_t *copy = malloc(a + b + c + 1);
    assert_non_null(copy);
    memcpy(copy, head, a);
    memcpy(copy + a, middle, b);
    memcpy(copy + a + b, tail, c);
    uint8_t *exact = realloc(copy, a + b + c ? a + b + c : 1);
    assert_non_null(exact);
    read(exact, a + b + c);
    free(exact);
}

static void mutate(reader *read, const char *seed)
{
    static const char marks[] = {'"', ',', '\t', '\n', '\r', ' ', '{', '}', '\\', '1', '\0', '\xc3'};
    size_t n = strlen(seed);
    for (size_t i = 0; i <= n; i++) {
        read_copy(read, seed, i, "", 0, "", 0);
        for (size_t k = 0; k < sizeof marks; k++) {
            read_copy(read, seed, i, &marks[k], 1, seed + i, n - i);
        }
        for (int bit = 0; bit < 8 && i < n; bit++) {
            char changed = (char)(seed[i] ^ 1 << bit);
            read_copy(read, seed, i, &changed, 1, seed + i + 1, n - i - 1);
        }
        for (size_t gone = 1; gone < 4 && i + gone <= n; gone++) {
            read_copy(read, seed, i, "", 0, seed + i + gone, n - i - gone);
        }
    }
}

/* Each seed as each format. */
static void test_mutated_tables(void **state)
{
    (void)state;
    for (int format = 0; format < TABLE_SEEDS; format++) {
        for (int seed = 0; seed < TABLE_SEEDS; seed++) {
            mutate(readers[format], table_seeds[seed][1]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mutated_tables)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
