/* Maps of characters that are made here: what they replace, by the rules of SentencePiece's own maps and by Unicode's
 * normalisation, and that they are written as they are read. */
#include "tokenizers/charsmap.h"
#include "tokenizers/charsmap_build.h"
#include "tokenizers/charsmap_rules.h"
#include "tokenizers/unicode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static ae_charsmap map_of(const char *name)
{
    ae_bytes bytes = {0};
    ae_charsmap map;
    assert_int_equal(ae_charsmap_rules_make(name, &bytes, NULL), 0);
    assert_int_equal(ae_charsmap_read(bytes.data, bytes.length, &map, NULL), 0);
    ae_bytes_free(&bytes);
    return map;
}

static void replaces(const ae_charsmap *map, const char *text, const char *expected)
{
    ae_bytes out = {0};
    ae_bytes_add_text(&out, "");
    for (size_t i = 0, n = strlen(text), step; i < n; i += step) {
        const char *with = text + i;
        uint32_t c;
        step = ae_charsmap_longest(map, text + i, n - i, &with);
        size_t bytes = step ? strlen(with) : (size_t)ae_utf8_decode(text + i, &c);
        step = step ? step : bytes;
        ae_bytes_add(&out, with, bytes);
    }
    assert_string_equal(out.data, expected);
    ae_bytes_free(&out);
}

/* Lines of the rules that nmt_nfkc has in the files of SentencePiece 0.1.97. */
static void known_rules(void **state)
{
    (void)state;
    ae_charsmap map = map_of("nmt_nfkc");
    replaces(&map, "\xef\xbc\xa1\xe2\x91\xa0\xef\xac\x81", "A1fi");         /* full width, circled, ligature */
    replaces(&map, "e\xcc\x81", "\xc3\xa9");                                /* e and an accent */
    replaces(&map, "\xef\xbd\x81\xcc\x82\xcc\x81", "\xe1\xba\xa5");         /* full-width a and two accents */
    replaces(&map, "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", "\xed\x95\x9c"); /* Hangul's parts */
    replaces(&map, "\xe3\x84\xb1\xe1\x85\xa1", "\xea\xb0\x80");             /* with a compatibility letter */
    replaces(&map, "\xef\xbd\x9e", "\xef\xbd\x9e");                         /* the full-width tilde */
    replaces(&map,
             "a\tb\xe2\x80\x8b"
             "c\x01\x7f"
             "d\xe2\x96\x81",
             "a b cd ");
    replaces(&map, "\xe2\x80\x8d", "\xe2\x80\x8d"); /* the joiner stays */
    replaces(&map,
             "Stra\xc3\x9f"
             "e",
             "Stra\xc3\x9f"
             "e");
    ae_charsmap_free(&map);
    map = map_of("nmt_nfkc_cf");
    replaces(&map,
             "\xef\xbc\xa1"
             "BE\xcc\x81\xce\xa3\xcf\x82",
             "ab\xc3\xa9\xcf\x83\xcf\x83");
    ae_charsmap_free(&map);
    map = map_of("nfkc");
    replaces(&map, "\t\xef\xbd\x9e", "\t~");
    ae_charsmap_free(&map);
    map = map_of("identity");
    assert_int_equal(map.n_units, 0);
    replaces(&map, "\xef\xbc\xa1", "\xef\xbc\xa1");
    ae_charsmap_free(&map);
}

/* Every character's own decomposition composes to what stands for the character. */
static void as_unicode_composes(void **state)
{
    (void)state;
    ae_charsmap map = map_of("nfkc");
    int compared = 0;
    for (uint32_t c = 0xC0; c < 0x2000; c++) {
        uint32_t parts[AE_DECOMPOSED_MAX], first[AE_DECOMPOSED_MAX];
        int n = ae_char_decompose(c, false, parts);
        if (n != 2 || ae_char_combining(c) || ae_char_compose(parts[0], parts[1]) == 0 ||
            ae_char_decompose(parts[0], true, first) > 1 || first[0] != parts[0] ||
            ae_char_decompose(ae_char_compose(parts[0], parts[1]), true, first) != 2) {
            continue;
        }
        char whole[8] = "", decomposed[16] = "";
        ae_utf8_encode(ae_char_compose(parts[0], parts[1]), whole);
        int used = ae_utf8_encode(parts[0], decomposed);
        ae_utf8_encode(parts[1], decomposed + used);
        replaces(&map, decomposed, whole);
        compared++;
    }
    assert_true(compared > 500);
    ae_charsmap_free(&map);
}

/* Random keys, some of which begin others, are found again, and no others. */
static void any_rules(void **state)
{
    (void)state;
    unsigned seed = 3;
    for (int round = 0; round < 30; round++) {
        ae_word_counts keys = {0}, texts = {0};
        ae_bytes bytes = {0};
        ae_charsmap map;
        int64_t values[3000];
        for (int i = 0; i < 100 * round; i++) {
            char key[8], text[8];
            int n = 1 + rand_r(&seed) % 6;
            for (int k = 0; k < n; k++) {
                key[k] = (char)('a' + rand_r(&seed) % (2 + round));
            }
            text[0] = (char)('A' + rand_r(&seed) % 26);
            int64_t value = ae_word_counts_add(&texts, text, (size_t)(rand_r(&seed) % 2), 0);
            values[ae_word_counts_add(&keys, key, (size_t)n, 0)] = value;
        }
        assert_int_equal(ae_charsmap_build(&keys, values, &texts, &bytes, NULL), 0);
        assert_int_equal(ae_charsmap_read(bytes.data, bytes.length, &map, NULL), 0);
        for (int64_t i = 0; i < keys.n; i++) {
            size_t n, m;
            const char *key = ae_word_counts_text(&keys, i, &n), *with = NULL;
            const char *text = ae_word_counts_text(&texts, values[i], &m);
            assert_int_equal(ae_charsmap_longest(&map, key, n, &with), n);
            assert_int_equal(strlen(with), m);
            assert_memory_equal(with, text, m);
        }
        for (int i = 0; i < 200; i++) {
            char key[6];
            for (int k = 0; k < 6; k++) {
                key[k] = (char)('a' + rand_r(&seed) % (2 + round));
            }
            const char *with = NULL;
            size_t longest = 6;
            while (longest > 0 && ae_word_counts_find(&keys, key, longest) < 0) {
                longest--;
            }
            assert_int_equal(ae_charsmap_longest(&map, key, 6, &with), longest);
        }
        ae_charsmap_free(&map);
        ae_bytes_free(&bytes);
        ae_word_counts_free(&keys);
        ae_word_counts_free(&texts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(known_rules), cmocka_unit_test(as_unicode_composes),
                                       cmocka_unit_test(any_rules)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
