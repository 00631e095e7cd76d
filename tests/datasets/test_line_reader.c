/* Lines of files: line ends, encodings, gzip, odd files, and what bad ones get. */
#include "datasets/line_reader.h"

#include "tensor/input_file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "lines_XXXXXX";
static char paths[4][64];

static const char *put(int i, const void *data, size_t bytes)
{
    snprintf(paths[i], sizeof paths[i], "%s/%d", folder, i);
    FILE *f = fopen(paths[i], "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, bytes, f), bytes);
    assert_int_equal(fclose(f), 0);
    return paths[i];
}

/* All lines of the files as "number:text|" each, with "!" where no line end stood; or the error's message. */
static const char *lines_of(int n, const ae_line_options *options, int64_t *repaired)
{
    static char text[4096];
    const char *names[4] = {paths[0], paths[1], paths[2], paths[3]};
    ae_err e = {0};
    ae_line line;
    ae_line_reader *r = ae_line_reader_open(names, n, options, &e);
    int state = r ? 1 : -1;
    size_t used = 0;
    text[0] = '\0';
    while (state == 1 && (state = ae_line_reader_next(r, &line, &e)) == 1) {
        assert_int_equal(strlen(line.text), line.bytes);
        used += (size_t)snprintf(text + used, sizeof text - used, "%lld:%s%s|", (long long)line.number, line.text,
                                 line.ended ? "" : "!");
    }
    if (repaired) {
        *repaired = r ? ae_line_reader_repaired(r) : -1;
    }
    if (state == 0) {
        assert_int_equal(ae_line_reader_next(r, &line, &e), 0); /* and stays at the end */
    }
    ae_line_reader_close(r);
    if (state < 0) {
        snprintf(text, sizeof text, "%s %s", ae_code_name(e.code), e.message);
    }
    return text;
}

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part)) {
        fail_msg("\"%s\" does not contain \"%s\"", text, part);
    }
}

static void line_ends_and_marks_are_taken_off(void **state)
{
    (void)state;
    put(0, "a\nb\r\n\r\n\nc", 9);
    put(1,
        "\xef\xbb\xbf"
        "d\n\xef\xbb\xbf"
        "e\n",
        10);
    put(2, "", 0);
    put(3, "\n", 1);
    assert_string_equal(lines_of(4, NULL, NULL), "1:a|2:b|3:|4:|5:c!|1:d|2:\xef\xbb\xbf"
                                                 "e|1:|");
    put(0, "\xef\xbb\xbf", 3);
    assert_string_equal(lines_of(1, NULL, NULL), "");
    put(0, "x", 1);
    assert_string_equal(lines_of(1, NULL, NULL), "1:x!|");
}

static void zero_bytes_and_long_lines_pass(void **state)
{
    enum { LONG = 10 << 20 };
    (void)state;
    ae_err e = {0};
    ae_line line;
    char *text = malloc(LONG + 8);
    memset(text, 'x', LONG);
    memcpy(text + LONG, "\na\0b\nc\n", 7);
    const char *name = put(0, text, LONG + 7);
    ae_line_reader *r = ae_line_reader_open(&name, 1, NULL, &e);
    assert_int_equal(ae_line_reader_total(r), LONG + 7);
    assert_int_equal(ae_line_reader_next(r, &line, &e), 1);
    assert_int_equal(line.bytes, LONG);
    assert_memory_equal(line.text, text, LONG);
    assert_int_equal(line.text[LONG], 0);
    assert_int_equal(ae_line_reader_next(r, &line, &e), 1);
    assert_int_equal(line.bytes, 3);
    assert_memory_equal(line.text, "a\0b", 4);
    assert_int_equal(ae_line_reader_next(r, &line, &e), 1);
    assert_string_equal(line.text, "c");
    assert_int_equal(ae_line_reader_next(r, &line, &e), 0);
    assert_int_equal(ae_line_reader_consumed(r), LONG + 7);
    ae_line_reader_close(r);
    free(text);
}

static void single_byte_encodings_become_utf8(void **state)
{
    (void)state;
    ae_line_options latin1 = {AE_TEXT_LATIN1, AE_TEXT_ERRORS_FAIL}, cp1252 = {AE_TEXT_CP1252, AE_TEXT_ERRORS_FAIL};
    int64_t repaired;
    put(0, "caf\xe9 \x80\x93\nplain\n", 14);
    assert_string_equal(lines_of(1, &latin1, NULL), "1:caf\xc3\xa9 \xc2\x80\xc2\x93|2:plain|");
    assert_string_equal(lines_of(1, &cp1252, NULL), "1:caf\xc3\xa9 \xe2\x82\xac\xe2\x80\x9c|2:plain|");
    put(0, "ok\na\x81z\n", 7);
    assert_contains(lines_of(1, &cp1252, NULL), "/0:2: byte 2 of the line is 0x81, which cp1252 does not have");
    cp1252.errors = AE_TEXT_ERRORS_REPLACE;
    assert_string_equal(lines_of(1, &cp1252, &repaired), "1:ok|2:a\xef\xbf\xbdz|");
    assert_int_equal(repaired, 1);
    cp1252.errors = AE_TEXT_ERRORS_SKIP;
    assert_string_equal(lines_of(1, &cp1252, &repaired), "1:ok|2:az|");
}

static void invalid_utf8_is_named_or_repaired(void **state)
{
    (void)state;
    ae_line_options replace = {AE_TEXT_UTF8, AE_TEXT_ERRORS_REPLACE}, skip = {AE_TEXT_UTF8, AE_TEXT_ERRORS_SKIP};
    int64_t repaired;
    put(0, "fine\nabcdefgh\xe4\xbd\xa0\xe9t\xe9\n", 20);
    const char *said = lines_of(1, NULL, NULL);
    assert_contains(said, "format ");
    assert_contains(said, "/0:2: byte 12 of the line is 0xe9, which is not UTF-8 there; convert the file (iconv");
    assert_contains(said, "--encoding latin1 or cp1252");
    assert_contains(said, "--encoding-errors replace or skip");
    assert_string_equal(lines_of(1, &replace, &repaired), "1:fine|2:abcdefgh\xe4\xbd\xa0\xef\xbf\xbdt\xef\xbf\xbd|");
    assert_int_equal(repaired, 2);
    assert_string_equal(lines_of(1, &skip, &repaired), "1:fine|2:abcdefgh\xe4\xbd\xa0t|");
    /* Unicode 15, table 3-8: one U+FFFD for each maximal subpart. */
    put(0,
        "\xe1\x80\xe2\xf0\x91\x92\xf1\xbf"
        "A\n",
        10);
    assert_string_equal(lines_of(1, &replace, &repaired), "1:\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
                                                          "A|");
    put(0, "\xc0\xaf\xed\xa0\x80\xf4\x90\x80\xe4\xbd\n", 11);
    assert_string_equal(lines_of(1, &replace, &repaired),
                        "1:\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
                        "\xef\xbf\xbd\xef\xbf\xbd|");
    assert_int_equal(repaired, 9);
}

static void utf16_folders_and_missing_files_are_refused(void **state)
{
    (void)state;
    ae_err e = {0};
    put(0,
        "\xff\xfe"
        "a\0\n\0",
        6);
    assert_contains(lines_of(1, NULL, NULL), "/0:1: begins as UTF-16 does; convert it: iconv -f UTF-16 -t UTF-8");
    const char *names[] = {paths[0], "no_such_file"}, *twice[] = {"-", "-"}, *place = folder;
    assert_null(ae_line_reader_open(names, 2, NULL, &e));
    assert_int_equal(e.code, AE_E_MISSING);
    assert_contains(e.message, "no_such_file: cannot be opened: No such file");
    e = (ae_err){0};
    assert_null(ae_line_reader_open(&place, 1, NULL, &e));
    assert_contains(e.message, ": is a folder; name the files in it");
    e = (ae_err){0};
    assert_null(ae_line_reader_open(twice, 2, NULL, &e));
    assert_contains(e.message, "it is given twice");
    e = (ae_err){0};
    assert_null(ae_line_reader_open(names, 0, NULL, &e));
    assert_contains(e.message, "no text file was given");
    ae_line_reader_close(NULL);
}

/* ---- gzip and pipes ---------------------------------------------------------------------------------------------- */

/* "one\ntwo\n" and "three" as two members, as `gzip -9n` writes them. */
static const unsigned char member_1[] = {0x1f, 0x8b, 0x08, 0,    0,    0,    0,    0,    0x02, 0x03,
                                         0xcb, 0xcf, 0x4b, 0xe5, 0x2a, 0x29, 0xcf, 0xe7, 0x02, 0x00,
                                         0xe6, 0x0b, 0xba, 0x12, 0x08, 0,    0,    0};
static const unsigned char member_2[] = {0x1f, 0x8b, 0x08, 0,    0,    0,    0,    0,    0x02, 0x03, 0x2b, 0xc9, 0x28,
                                         0x4a, 0x4d, 0x05, 0x00, 0xf5, 0xd8, 0xc5, 0x46, 0x05, 0,    0,    0};

static void gzip_members_are_unpacked(void **state)
{
    (void)state;
    unsigned char both[128] = {0};
    size_t n = sizeof member_1 + sizeof member_2;
    memcpy(both, member_1, sizeof member_1);
    memcpy(both + sizeof member_1, member_2, sizeof member_2);
    put(0, both, n);
    assert_string_equal(lines_of(1, NULL, NULL), "1:one|2:two|3:three!|");
    put(0, both, n + 13); /* padded with zero bytes, as tapes are */
    assert_string_equal(lines_of(1, NULL, NULL), "1:one|2:two|3:three!|");
    both[n] = 'x';
    put(0, both, n + 13);
    assert_contains(lines_of(1, NULL, NULL), "something that is no gzip data follows");
    for (size_t cut = 3; cut < sizeof member_1; cut++) {
        put(0, both, cut);
        assert_contains(lines_of(1, NULL, NULL), "/0: the gzip data is cut short");
    }
    both[12] ^= 0x10;
    put(0, both, sizeof member_1);
    assert_contains(lines_of(1, NULL, NULL), "/0: the gzip data is damaged");
}

static void the_hash_tells_files_apart(void **state)
{
    (void)state;
    uint64_t hashes[3];
    static const char text[] = "The fox and the grapes\nThe crow and the pitcher\n";
    for (int i = 0; i < 3; i++) {
        char changed[sizeof text];
        int64_t bytes;
        ae_line line;
        ae_err e = {0};
        memcpy(changed, text, sizeof text);
        changed[5] = i == 2 ? 'F' : changed[5];
        const char *name = put(i, changed, sizeof text - 1);
        ae_line_reader *r = ae_line_reader_open(&name, 1, NULL, &e);
        while (ae_line_reader_next(r, &line, &e) == 1) {
        }
        ae_line_reader_source(r, 0, &bytes, &hashes[i]);
        assert_int_equal(bytes, sizeof text - 1);
        ae_line_reader_close(r);
    }
    assert_true(hashes[0] == hashes[1] && hashes[0] != hashes[2]);
}

/* The hash must not depend on the sizes of the pieces in which a pipe gives its bytes. */
static void pipes_give_the_same_lines_and_hash(void **state)
{
    (void)state;
    ae_err e = {0};
    int ends[2], before = dup(STDIN_FILENO);
    char bytes[64];
    put(0, member_1, sizeof member_1);
    ae_input *file = ae_input_open(paths[0], &e);
    while (ae_input_read(file, bytes, sizeof bytes, &e) > 0) {
    }
    assert_int_equal(pipe(ends), 0);
    dup2(ends[0], STDIN_FILENO);
    ae_input *in = ae_input_open("-", &e);
    assert_int_equal(write(ends[1], member_1, 1), 1);
    int child = fork(); /* a writer that takes its time */
    if (child == 0) {
        for (size_t i = 1; i < sizeof member_1; i++) {
            usleep(500);
            if (write(ends[1], member_1 + i, 1) != 1) {
                _exit(1);
            }
        }
        _exit(0);
    }
    close(ends[1]);
    size_t got = 0;
    int64_t n;
    while ((n = ae_input_read(in, bytes + got, 3, &e)) > 0) {
        got += (size_t)n;
    }
    assert_int_equal(n, 0);
    assert_int_equal(got, 8);
    assert_memory_equal(bytes, "one\ntwo\n", 8);
    assert_int_equal(ae_input_taken(in), sizeof member_1);
    assert_true(ae_input_hash(in) == ae_input_hash(file));
    ae_input_close(in);
    ae_input_close(file);
    dup2(before, STDIN_FILENO);
    close(before);
    close(ends[0]);
}

static void standard_input_is_a_file(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_line line;
    put(0, "one\n\xff\n", 6);
    int before = dup(STDIN_FILENO), fd = open(paths[0], O_RDONLY);
    dup2(fd, STDIN_FILENO);
    const char *name = "-";
    ae_line_reader *r = ae_line_reader_open(&name, 1, NULL, &e);
    assert_int_equal(ae_line_reader_total(r), -1);
    assert_int_equal(ae_line_reader_next(r, &line, &e), 1);
    assert_string_equal(line.text, "one");
    assert_int_equal(ae_line_reader_next(r, &line, &e), -1);
    assert_contains(e.message, "standard input:2: byte 1 of the line is 0xff");
    ae_line_reader_close(r);
    dup2(before, STDIN_FILENO);
    close(before);
    close(fd);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        remove(paths[i]);
    }
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_ends_and_marks_are_taken_off),
        cmocka_unit_test(zero_bytes_and_long_lines_pass),
        cmocka_unit_test(single_byte_encodings_become_utf8),
        cmocka_unit_test(invalid_utf8_is_named_or_repaired),
        cmocka_unit_test(utf16_folders_and_missing_files_are_refused),
        cmocka_unit_test(gzip_members_are_unpacked),
        cmocka_unit_test(the_hash_tells_files_apart),
        cmocka_unit_test(pipes_give_the_same_lines_and_hash),
        cmocka_unit_test(standard_input_is_a_file),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
