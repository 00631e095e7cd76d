/* Records of text: lines and what a TAB in them is, tables, and input that comes bit by bit. */
#include "apps/text_records.h"

#include "apps/table_settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const names[] = {AE_TABLE_OPTIONS, NULL};

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* A run of a command line of words (NULL at the end); the first word is the model. */
static void begin(ae_run *run, char *const *words)
{
    int count = 0;
    while (words[count]) {
        count++;
    }
    memset(run, 0, sizeof *run);
    run->options = ae_options_new(names, NULL, &run->error);
    assert_int_equal(ae_options_parse(run->options, count, words, &run->error), 0);
}

static void expect_record(ae_records *r, const char *a, const char *b, int64_t line)
{
    ae_record x;
    assert_int_equal(ae_records_next(r, &x), 1);
    assert_int_equal(x.a_bytes, strlen(a));
    assert_memory_equal(x.text_a, a, strlen(a));
    assert_int_equal(x.text_b != NULL, b != NULL);
    if (b) {
        assert_int_equal(x.b_bytes, strlen(b));
        assert_memory_equal(x.text_b, b, strlen(b));
    }
    assert_int_equal(x.empty, !b && !*a);
    assert_int_equal(x.line, line);
}

static void lines_and_tabs(void **state)
{
    (void)state;
    ae_run run;
    ae_record x;
    write_text("r_lines.txt", "one\n\na\tb\na\tb\tc\n");
    char *words[] = {"model", "r_lines.txt", "r_lines.txt", NULL};
    begin(&run, words);
    ae_records *r = ae_records_open(&run, 1, AE_TAB_MAY_PART);
    for (int file = 0; file < 2; file++) {
        expect_record(r, "one", NULL, 1);
        expect_record(r, "", NULL, 2);
        expect_record(r, "a", "b", 3);
        expect_record(r, "a\tb\tc", NULL, 4);
    }
    assert_true(ae_records_ready(r));
    assert_int_equal(ae_records_next(r, &x), 0);
    assert_int_equal(ae_records_count(r), 8);
    ae_records_close(r);
    r = ae_records_open(&run, 1, AE_TAB_IS_TEXT);
    expect_record(r, "one", NULL, 1);
    expect_record(r, "", NULL, 2);
    expect_record(r, "a\tb", NULL, 3);
    ae_records_close(r);
    r = ae_records_open(&run, 1, AE_TAB_PARTS_PAIR);
    assert_int_equal(ae_records_next(r, &x), -1);
    assert_string_equal(run.error.message,
                        "r_lines.txt:1: the model reads pairs of texts; a line must be two texts parted by one TAB, "
                        "this one has none (for tables give --format or --columns)");
    assert_string_equal(run.error_file, "r_lines.txt");
    assert_int_equal(run.error_line, 1);
    ae_records_close(r);
    ae_options_free(run.options);
}

static void tables(void **state)
{
    (void)state;
    ae_run run;
    ae_record x;
    write_text("r_table.csv", "text_a,label,text_b\n\"a, b\",x,c\n\"\",y,\"d\n e\"\n");
    char *words[] = {"model", "r_table.csv", "--format", "csv", NULL};
    begin(&run, words);
    ae_records *r = ae_records_open(&run, 1, AE_TAB_IS_TEXT);
    expect_record(r, "a, b", "c", 2);
    expect_record(r, "", "d\n e", 3);
    assert_int_equal(ae_records_next(r, &x), 0);
    ae_records_close(r);
    ae_options_free(run.options);
    char *bad[] = {"model", "r_table.csv", "--columns", "text_a=nothing", NULL};
    begin(&run, bad);
    r = ae_records_open(&run, 1, AE_TAB_IS_TEXT);
    assert_int_equal(ae_records_next(r, &x), -1);
    assert_non_null(strstr(run.error.message, "r_table.csv"));
    assert_string_equal(run.error_file, "r_table.csv");
    ae_records_close(r);
    ae_options_free(run.options);
}

/* What a pipe has given is there at once, what it has not given yet is not waited for. */
static void input_bit_by_bit(void **state)
{
    (void)state;
    ae_run run;
    ae_record x;
    int ends[2];
    char *words[] = {"model", NULL};
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    close(ends[0]);
    begin(&run, words);
    ae_records *r = ae_records_open(&run, 1, AE_TAB_IS_TEXT);
    assert_false(ae_records_ready(r));
    assert_int_equal(write(ends[1], "a\nb\n", 4), 4); /* shorter than a byte-order mark would be */
    assert_true(ae_records_ready(r));
    expect_record(r, "a", NULL, 1);
    assert_true(ae_records_ready(r));
    expect_record(r, "b", NULL, 2);
    assert_false(ae_records_ready(r));
    assert_int_equal(write(ends[1], "c", 1), 1);
    close(ends[1]);
    assert_true(ae_records_ready(r));
    expect_record(r, "c", NULL, 3);
    assert_true(ae_records_ready(r));
    assert_int_equal(ae_records_next(r, &x), 0);
    ae_records_close(r);
    ae_options_free(run.options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_and_tabs),
        cmocka_unit_test(tables),
        cmocka_unit_test(input_bit_by_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
