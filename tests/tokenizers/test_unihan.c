/* Radicals and readings of Chinese characters: files of Unihan plain and packed, what is missing or broken in them,
 * tones of pinyin; and, where it is installed, Unicode's own database. */
#include "tokenizer_samples.h"

#include "tensor/bzip2.h"
#include "tokenizers/unihan.h"

#include <unistd.h>

static char folder[] = "unihan_XXXXXX";
static const char readings[] = "# Unihan\n\nU+4E2D\tkCantonese\tzung1\nU+4E2D\tkMandarin\tzhōng\r\n"
                               "U+20AC\tkMandarin\tno\nU+72D0\tkMandarin\thú\nU+8272\tkMandarin\tsè shǎi\n";
static const char sources[] = "U+4E2D\tkRSUnicode\t2.3\nU+72D0\tkRSUnicode\t94.5 94.6\nU+9F9F\tkRSUnicode\t213'.0\n"
                              "U+2A6D6\tkRSUnicode\t214''.20\nU+4E00\tkRSUnicode\t1.-1\n";

static void write_both(const char *first, const char *second)
{
    write_file_in(folder, "Unihan_Readings.txt", first, strlen(first));
    write_file_in(folder, "Unihan_IRGSources.txt", second, strlen(second));
}

static ae_unihan *open_folder(void)
{
    ae_err e = {0};
    ae_unihan *u = ae_unihan_open(folder, &e);
    if (!u) {
        fail_msg("%s", e.message);
    }
    return u;
}

static void characters_are_known(void **state)
{
    (void)state;
    write_both(readings, sources);
    ae_unihan *u = open_folder();
    assert_string_equal(ae_unihan_pinyin(u, 0x4e2d), "zhōng");
    assert_string_equal(ae_unihan_pinyin(u, 0x72d0), "hú");
    assert_string_equal(ae_unihan_pinyin(u, 0x8272), "sè"); /* the first of two */
    assert_null(ae_unihan_pinyin(u, 0x20ac));               /* outside what is kept */
    assert_null(ae_unihan_pinyin(u, 'a'));
    assert_null(ae_unihan_pinyin(u, 0x10ffff));
    assert_int_equal(ae_unihan_radical(u, 0x4e2d), 2);
    assert_int_equal(ae_unihan_strokes(u, 0x4e2d), 3);
    assert_int_equal(ae_unihan_radical(u, 0x72d0), 94);
    assert_int_equal(ae_unihan_strokes(u, 0x72d0), 5);
    assert_int_equal(ae_unihan_radical(u, 0x9f9f), 213);
    assert_int_equal(ae_unihan_strokes(u, 0x9f9f), 0);
    assert_int_equal(ae_unihan_radical(u, 0x2a6d6), 214);
    assert_int_equal(ae_unihan_strokes(u, 0x2a6d6), 20);
    assert_int_equal(ae_unihan_radical(u, 0x4e00), 1);
    assert_int_equal(ae_unihan_strokes(u, 0x4e00), -1);
    assert_int_equal(ae_unihan_radical(u, 0x4e01), 0);
    assert_int_equal(ae_unihan_strokes(u, 0x4e01), -1);
    assert_int_equal(ae_unihan_radical(u, UINT32_MAX), 0);
    ae_unihan_free(u);
    ae_unihan_free(NULL);
    assert_int_equal(ae_unihan_radical_character(1), 0x4e00);
    assert_int_equal(ae_unihan_radical_character(9), 0x4eba);
    assert_int_equal(ae_unihan_radical_character(94), 0x72ac);
    assert_int_equal(ae_unihan_radical_character(214), 0x9fa0);
    assert_int_equal(ae_unihan_radical_character(0), 0);
    assert_int_equal(ae_unihan_radical_character(215), 0);
}

static void tones_come_off(void **state)
{
    (void)state;
    static const struct {
        const char *pinyin, *letters;
        int tone;
    } all[] = {{"zhōng", "zhong", 1},
               {"hú", "hu", 2},
               {"lǚ", "lü", 3},
               {"lǜ", "lü", 4},
               {"ma", "ma", 5},
               {"ḿ", "m", 2},
               {"ê̄", "ê", 1},
               {"ér", "er", 2},
               {"", "", 5},
               {"nǐ\xff", "ni", 3},
               {"abcdefghijklmnopqrstuvw", "abcdefghijklmno", 5}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char letters[AE_PINYIN_MAX];
        assert_int_equal(ae_pinyin_tone(all[i].pinyin, letters), all[i].tone);
        assert_string_equal(letters, all[i].letters);
    }
}

static void refused(const char *message)
{
    ae_err e = {0};
    assert_null(ae_unihan_open(folder, &e));
    assert_message(&e, message);
    assert_message(&e, folder);
}

static void broken_folders(void **state)
{
    (void)state;
    unlink(write_file_in(folder, "Unihan_Readings.txt", "", 0));
    unlink(write_file_in(folder, "Unihan_IRGSources.txt", "", 0));
    refused("there is no Unihan_Readings.txt (.bz2, .gz) in this folder; Debian's package unicode-data has it in "
            "/usr/share/unicode");
    write_file_in(folder, "Unihan_Readings.txt", readings, sizeof readings - 1);
    refused("there is no Unihan_IRGSources.txt (.bz2, .gz) in this folder");
    write_both("", sources);
    refused("Unihan_Readings.txt: is empty");
    write_both("U+4E2D\tkCantonese\tzung1\n", sources);
    refused("Unihan_Readings.txt: no line says kMandarin of a character");
    write_both(readings, "U+4E2D\tkTotalStrokes\t4\n");
    refused("Unihan_IRGSources.txt: no line says kRSUnicode of a character");
    static const char *const lines[] = {"U+4E2D kMandarin x",  "4E2D\tkMandarin\tx",      "U+4E2D\tkMandarin",
                                        "U+4E\tkMandarin\tx",  "U+4E2DXYZ\tkMandarin\tx", "U+4E2G\tkMandarin\tx",
                                        "U+4E2D\tkMandarin\t", "U+4E2D\tkMandarin\t\xff", "some other text"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char text[128];
        snprintf(text, sizeof text, "# first\n%s\n", lines[i]);
        write_both(text, sources);
        refused("Unihan_Readings.txt: line 2 is no line of Unihan, such as \"U+4E2D\\tkMandarin\\tzhōng\": ");
    }
    static const char *const values[] = {"0.1", "215.1", "x", "2", "2.", "99999999999999999999.1", "2'3"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char text[128];
        snprintf(text, sizeof text, "U+4E2D\tkRSUnicode\t%s\n", values[i]);
        write_both(readings, text);
        refused("Unihan_IRGSources.txt: line 1 is no line of Unihan");
    }
    /* The field stood in another file once. */
    write_both(readings, "U+4E2D\tkTotalStrokes\t4\n");
    write_file_in(folder, "Unihan_RadicalStrokeCounts.txt", sources, sizeof sources - 1);
    ae_unihan *u = open_folder();
    assert_int_equal(ae_unihan_radical(u, 0x72d0), 94);
    ae_unihan_free(u);
    unlink(write_file_in(folder, "Unihan_RadicalStrokeCounts.txt", "", 0));
}

/* A changed byte gives a message or other characters, never worse. */
static void changed_files(void **state)
{
    (void)state;
    static char first[sizeof readings], second[sizeof sources];
    uint64_t seed = 3;
    int refusals = 0;
    for (int i = 0; i < 400; i++) {
        memcpy(first, readings, sizeof readings);
        memcpy(second, sources, sizeof sources);
        bool which = next_random(&seed) % 2;
        size_t at = next_random(&seed) % ((which ? sizeof readings : sizeof sources) - 1);
        (which ? first : second)[at] = (char)(1 + next_random(&seed) % 255);
        write_both(first, second);
        ae_err e = {0};
        ae_unihan *u = ae_unihan_open(folder, &e);
        assert_true(u || e.message[0]);
        refusals += !u;
        for (uint32_t c = 0x4e00; u && c < 0x9fff; c += 7) {
            const char *pinyin = ae_unihan_pinyin(u, c);
            assert_true(ae_unihan_radical(u, c) <= AE_RADICALS && (!pinyin || strlen(pinyin) < 64));
        }
        ae_unihan_free(u);
    }
    assert_true(refusals > 50 && refusals < 390);
}

/* zhōng and hú, in two streams. */
static const unsigned char packed[] = {
    0x42, 0x5a, 0x68, 0x39, 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, 0xa1, 0x88, 0x57, 0x0e, 0x00, 0x00, 0x04, 0xdf, 0xc4,
    0x00, 0x30, 0x00, 0x08, 0x14, 0x00, 0x06, 0x02, 0x02, 0x00, 0x24, 0xe9, 0x10, 0x10, 0x00, 0x02, 0x02, 0x00, 0x20,
    0x00, 0x22, 0x80, 0x1b, 0x51, 0xa6, 0x9e, 0xa6, 0x85, 0x30, 0x9a, 0x68, 0x0d, 0x31, 0x2c, 0xdb, 0x09, 0x8c, 0xa3,
    0x0d, 0x28, 0x81, 0x3c, 0x3d, 0xf4, 0xa8, 0xef, 0xf1, 0x77, 0x24, 0x53, 0x85, 0x09, 0x0a, 0x18, 0x85, 0x70, 0xe0,
    0x42, 0x5a, 0x68, 0x39, 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, 0xe4, 0x4b, 0x08, 0x7a, 0x00, 0x00, 0x04, 0xdf, 0x8c,
    0x00, 0x30, 0x00, 0x08, 0x50, 0x80, 0x04, 0x02, 0x02, 0x00, 0x24, 0x69, 0x10, 0x00, 0x00, 0x10, 0x08, 0x00, 0x20,
    0x00, 0x22, 0x9a, 0x03, 0x68, 0x86, 0xd2, 0x14, 0xd3, 0x23, 0x13, 0x13, 0x13, 0xd8, 0x2c, 0x02, 0x88, 0x67, 0xeb,
    0xf0, 0xa1, 0x8a, 0x4c, 0xfc, 0x5d, 0xc9, 0x14, 0xe1, 0x42, 0x43, 0x91, 0x2c, 0x21, 0xe8};

static void packed_files(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_bytes out = {0};
    write_both(readings, sources);
    unlink(write_file_in(folder, "Unihan_Readings.txt", "", 0));
    write_file_in(folder, "Unihan_Readings.txt.bz2", packed, sizeof packed);
    if (ae_bzip2_unpack((const char *)packed, sizeof packed, &out, &e) != 0 && e.code == AE_E_UNSUPPORTED) {
        refused("Unihan_Readings.txt.bz2: is packed by bzip2, which this build lacks; unpack it (bunzip2)");
        return;
    }
    assert_string_equal(out.data, "U+4E2D\tkMandarin\tzhōng\nU+72D0\tkMandarin\thú\n");
    ae_unihan *u = open_folder();
    assert_string_equal(ae_unihan_pinyin(u, 0x72d0), "hú");
    ae_unihan_free(u);
    write_file_in(folder, "Unihan_Readings.txt.bz2", packed, sizeof packed - 5);
    refused("Unihan_Readings.txt.bz2: the bzip2 data is cut short");
    unsigned char broken[sizeof packed + 4];
    memcpy(broken, packed, sizeof packed);
    broken[30] ^= 0x55;
    write_file_in(folder, "Unihan_Readings.txt.bz2", broken, sizeof packed);
    refused("Unihan_Readings.txt.bz2: the bzip2 data is damaged");
    memcpy(broken, packed, sizeof packed);
    memcpy(broken + sizeof packed, "tail", 4);
    write_file_in(folder, "Unihan_Readings.txt.bz2", broken, sizeof broken);
    refused("Unihan_Readings.txt.bz2: something that is no bzip2 data follows the bzip2 data");
    unlink(write_file_in(folder, "Unihan_Readings.txt.bz2", "", 0));
    ae_bytes_free(&out);
}

static void unicode_s_own(void **state)
{
    (void)state;
    ae_err e = {0};
    if (access("/usr/share/unicode/Unihan_Readings.txt.bz2", R_OK) != 0) {
        skip();
    }
    ae_unihan *u = ae_unihan_open("/usr/share/unicode", &e);
    if (!u && e.code == AE_E_UNSUPPORTED) {
        skip();
    }
    assert_non_null(u);
    assert_string_equal(ae_unihan_pinyin(u, 0x72d0), "hú");
    assert_string_equal(ae_unihan_pinyin(u, 0x884c), "xíng");
    assert_int_equal(ae_unihan_radical(u, 0x6570), 66);
    int read = 0, filed = 0;
    for (uint32_t c = 0x4e00; c < 0xa000; c++) {
        char letters[AE_PINYIN_MAX];
        const char *pinyin = ae_unihan_pinyin(u, c);
        read += pinyin && ae_pinyin_tone(pinyin, letters) <= 5 && strlen(letters) < 8;
        filed += ae_unihan_radical(u, c) > 0 && ae_unihan_strokes(u, c) >= 0;
    }
    assert_true(read > 20000);
    assert_true(filed > 20900);
    ae_unihan_free(u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_are_known), cmocka_unit_test(tones_come_off), cmocka_unit_test(broken_folders),
        cmocka_unit_test(changed_files),        cmocka_unit_test(packed_files),   cmocka_unit_test(unicode_s_own),
    };
    if (!mkdtemp(folder)) {
        return 1;
    }
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(write_file_in(folder, "Unihan_IRGSources.txt", "", 0));
    return failures + (rmdir(folder) != 0);
}
