#include "apps/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

static const ae_option own[] = {
    {.name = "rate", .kind = AE_OPTION_REAL, .value = "X", .low = 0, .high = 1, .preset = "0.5", .help = "a rate"},
    {.name = "config", .kind = AE_OPTION_FILE, .many = true, .value = "FILE", .help = "a file"},
    {.name = "warm-up", .kind = AE_OPTION_INT, .value = "N", .help = "steps"},
    {.name = "report", .kind = AE_OPTION_REPORT, .value = "FILE.json", .help = "a report"},
    {.name = "shift", .kind = AE_OPTION_REAL, .value = "X", .help = "any number"},
    {.name = NULL},
};
static const char *const names[] = {"batch",  "json",    "precision", "output", "rate",
                                    "config", "warm-up", "shift",     "report", NULL};

/* Parses words (NULL at the end); the caller frees what it gets. */
static ae_options *parse(char *const *words, ae_err *e)
{
    int count = 0;
    while (words[count]) {
        count++;
    }
    ae_options *o = ae_options_new(names, own, e);
    assert_non_null(o);
    if (ae_options_parse(o, count, words, e)) {
        ae_options_free(o);
        return NULL;
    }
    return o;
}

static void test_values(void **state)
{
    (void)state;
    ae_err e = {0};
    char *words[] = {"first",   "--batch",       "8",  "--rate=0.25", "--precision", "bf16", "--config",
                     "a",       "--warm_up=100", "-o", "out.h5",      "--config=b",  "-",    "--json",
                     "--shift", "-1e-3",         "--", "--batch",     NULL};
    ae_options *o = parse(words, &e);
    assert_non_null(o);
    assert_int_equal(ae_options_int(o, "batch"), 8);
    assert_int_equal(ae_options_int_or(o, "batch", 32), 8);
    assert_true(ae_options_real(o, "rate") == 0.25);
    assert_true(ae_options_real(o, "shift") == -1e-3);
    assert_int_equal(ae_options_int(o, "warm-up"), 100);
    assert_string_equal(ae_options_text(o, "precision"), "bf16");
    assert_string_equal(ae_options_text(o, "output"), "out.h5");
    assert_true(ae_options_flag(o, "json"));
    assert_false(ae_options_flag(o, "help"));
    assert_int_equal(ae_options_count(o, "config"), 2);
    assert_string_equal(ae_options_nth(o, "config", 0), "a");
    assert_string_equal(ae_options_nth(o, "config", 1), "b");
    assert_null(ae_options_nth(o, "config", 2));
    assert_int_equal(ae_options_arguments(o), 3);
    assert_string_equal(ae_options_argument(o, 0), "first");
    assert_string_equal(ae_options_argument(o, 1), "-");
    assert_string_equal(ae_options_argument(o, 2), "--batch");
    assert_null(ae_options_argument(o, 3));
    ae_options_free(o);
}

static void test_no_values(void **state)
{
    (void)state;
    ae_err e = {0};
    char *words[] = {NULL};
    ae_options *o = parse(words, &e);
    assert_int_equal(ae_options_int(o, "batch"), 0);
    assert_int_equal(ae_options_int_or(o, "batch", 32), 32);
    assert_true(isnan(ae_options_real(o, "shift")));
    assert_null(ae_options_text(o, "output"));
    assert_int_equal(ae_options_origin(o, "output"), AE_ORIGIN_NONE);
    assert_int_equal(ae_options_origin(o, "rate"), AE_ORIGIN_PRESET);
    assert_true(ae_options_real(o, "rate") == 0.5);
    assert_int_equal(ae_options_count(o, "config"), 0);
    assert_int_equal(ae_options_rows(o), 10); /* the nine, and help */
    assert_string_equal(ae_options_row(o, 9)->name, "help");
    assert_null(ae_options_row(o, 10));
    ae_options_free(o);
}

/* A flag that may bring a file: by "=", or as the next word when that ends as its files do. */
static void test_report(void **state)
{
    (void)state;
    static const struct {
        char *words[4];
        const char *file; /* NULL: not given */
        int arguments;
    } cases[] = {
        {{"model.h5"}, NULL, 1},
        {{"--report"}, "", 0},
        {{"--report", "model.h5"}, "", 1},
        {{"--report", "--json"}, "", 0},
        {{"--report", "a.json", "model.h5"}, "a.json", 1},
        {{"--report=b.json", "c.json"}, "b.json", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ae_err e = {0};
        ae_options *o = parse(cases[i].words, &e);
        assert_non_null(o);
        assert_int_equal(ae_options_origin(o, "report") == AE_ORIGIN_NONE, cases[i].file == NULL);
        if (cases[i].file) {
            assert_string_equal(ae_options_text(o, "report"), cases[i].file);
        }
        assert_int_equal(ae_options_arguments(o), cases[i].arguments);
        ae_options_free(o);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        char *words[4];
        ae_code code;
        const char *message;
    } cases[] = {
        {{"--btach", "3"}, AE_E_UNEXPECTED, "unknown option --btach; did you mean --batch?"},
        {{"--warm_upp=3"}, AE_E_UNEXPECTED, "unknown option --warm-upp; did you mean --warm-up?"},
        {{"--zzzzzz"}, AE_E_UNEXPECTED, "unknown option --zzzzzz; --help lists the options"},
        {{"--write", "x"}, AE_E_UNEXPECTED, "--write is an option of other commands, not of this one; see --help"},
        {{"-x"}, AE_E_UNEXPECTED, "unknown option -x; options have two dashes, --help lists them"},
        {{"-batch", "3"}, AE_E_UNEXPECTED, "unknown option -batch; options have two dashes, --help lists them"},
        {{"--batch"}, AE_E_VALUE, "--batch wants a value: --batch N"},
        {{"--batch", "--json"}, AE_E_VALUE, "--batch wants a value: --batch N"},
        {{"--batch", "3x"}, AE_E_VALUE, "--batch wants an integer; got \"3x\""},
        {{"--batch="}, AE_E_VALUE, "--batch wants an integer; got \"\""},
        {{"--batch", "1.5"}, AE_E_VALUE, "--batch wants an integer; got \"1.5\""},
        {{"--batch", "0"}, AE_E_VALUE, "--batch must lie from 1 to 1048576; got 0"},
        {{"--warm-up", "99999999999999999999"}, AE_E_VALUE, "--warm-up: 99999999999999999999 does not fit 64 bits"},
        {{"--rate", "1.1"}, AE_E_VALUE, "--rate must lie from 0 to 1; got 1.1"},
        {{"--rate", "nan"}, AE_E_VALUE, "--rate wants a finite number; got \"nan\""},
        {{"--shift", "1,5"}, AE_E_VALUE, "--shift wants a finite number; got \"1,5\""},
        {{"--precision", "f3"}, AE_E_VALUE, "--precision is one of auto|f32|bf16|int8; got \"f3\""},
        {{"--precision="}, AE_E_VALUE, "--precision is one of auto|f32|bf16|int8; got \"\""},
        {{"--precision=auto|f32"}, AE_E_VALUE, "--precision is one of auto|f32|bf16|int8; got \"auto|f32\""},
        {{"--json=yes"}, AE_E_VALUE, "--json is true or false; got \"yes\""},
        {{"--report=x.txt"}, AE_E_VALUE, "--report wants a file that ends in .json; got \"x.txt\""},
        {{"--report=.json"}, AE_E_VALUE, "--report wants a file that ends in .json; got \".json\""},
        {{"--output="}, AE_E_VALUE, "--output is empty; it wants FILE"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ae_err e = {0};
        assert_null(parse(cases[i].words, &e));
        assert_string_equal(e.message, cases[i].message);
        assert_int_equal(e.code, cases[i].code);
    }
}

static void test_unknown_row(void **state)
{
    (void)state;
    static const char *const wrong[] = {"batch", "no-such-option", NULL};
    ae_err e = {0};
    assert_null(ae_options_new(wrong, own, &e));
    assert_int_equal(e.code, AE_E_MISSING);
    assert_string_equal(e.message, "the option --no-such-option is in no table");
}

/* The command line wins over a configuration file, which wins over the model's recipe, in whatever order they come. */
static void test_precedence(void **state)
{
    (void)state;
    ae_err e = {0};
    char *words[] = {"--batch", "8", "--json=false", NULL};
    ae_options *o = parse(words, &e);
    assert_int_equal(ae_options_set(o, "batch", "16", AE_ORIGIN_CONFIG, &e), 0);
    assert_int_equal(ae_options_int(o, "batch"), 8);
    assert_int_equal(ae_options_origin(o, "batch"), AE_ORIGIN_COMMAND);
    assert_int_equal(ae_options_set(o, "rate", "0.1", AE_ORIGIN_CONFIG, &e), 0);
    assert_int_equal(ae_options_set(o, "rate", "0.2", AE_ORIGIN_RECIPE, &e), 0);
    assert_true(ae_options_real(o, "rate") == 0.1);
    assert_string_equal(ae_origin_name(ae_options_origin(o, "rate")), "configuration file");
    assert_int_equal(ae_options_set(o, "json", "true", AE_ORIGIN_CONFIG, &e), 0);
    assert_false(ae_options_flag(o, "json"));
    assert_int_equal(ae_options_set(o, "config", "a", AE_ORIGIN_RECIPE, &e), 0);
    assert_int_equal(ae_options_set(o, "config", "b", AE_ORIGIN_CONFIG, &e), 0);
    assert_int_equal(ae_options_count(o, "config"), 1);
    assert_string_equal(ae_options_text(o, "config"), "b");
    assert_int_equal(ae_options_set(o, "rat", "0.2", AE_ORIGIN_CONFIG, &e), -1);
    assert_string_equal(e.message, "unknown option --rat; did you mean --rate?");
    assert_string_equal(ae_origin_name((ae_origin)99), "?");
    ae_options_free(o);
}

/* The rows of the table: sorted, so that a name stands once, with help, and with what their kind needs. */
static void test_table(void **state)
{
    (void)state;
    const char *last = "";
    char letters[128] = "";
    for (const ae_option *row = ae_option_table(); row->name; row++) {
        assert_true(strcmp(last, row->name) < 0);
        last = row->name;
        assert_non_null(row->help);
        assert_true(row->help[strlen(row->help) - 1] != '.');
        assert_null(strchr(row->name, '_'));
        assert_true((row->kind == AE_OPTION_FLAG) == (row->value == NULL));
        assert_true(row->low <= row->high);
        if (row->letter) {
            assert_null(strchr(letters, row->letter));
            letters[strlen(letters)] = row->letter;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),  cmocka_unit_test(test_no_values),   cmocka_unit_test(test_report),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_unknown_row), cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
