#include "tensor/json.h"

#include "tensor/nearest_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static ae_json *parse(const char *text)
{
    ae_err e = {0};
    ae_json *j = ae_json_parse(text, strlen(text), &e);
    if (!j) {
        fail_msg("%s: %s", text, e.message);
    }
    return j;
}

static void assert_has(const char *message, const char *part)
{
    if (!strstr(message, part)) {
        fail_msg("the message \"%s\" lacks \"%s\"", message, part);
    }
}

static void assert_written(ae_json *j, const char *plain)
{
    ae_err e = {0};
    char *text = ae_json_text(j, false, &e);
    assert_non_null(text);
    assert_string_equal(text, plain);
    free(text);
}

static void test_refused_texts(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "line 1, column 1: the text ends where a value is needed"},
        {"  \n ", "line 2, column 2: the text ends"},
        {"{\"a\":1} x", "line 1, column 9: text after the end"},
        {"{\"a\":1,\n \"b\":2, \"a\":3}", "line 2, column 9: the key \"a\" stands twice"},
        {"{\"a\":1,\"\\u0061\":3}", "column 8: the key \"a\" stands twice"},
        {"{\"x\":{},\"y\":{\"k\":[{\"q\":1}],\"l\":2,\"k\":3}}", "column 34: the key \"k\" stands twice"},
        {"1e999", "column 1: the number 1e999 is beyond the range of a double"},
        {"[1, -1e400]", "column 5: the number -1e400 is beyond"},
        {"\"\xff\"", "column 2: invalid UTF-8"},
        {"\"\xc0\xaf\"", "invalid UTF-8"},
        {"\"\xed\xa0\x80\"", "invalid UTF-8"},
        {"\"\xf5\x80\x80\x80\"", "invalid UTF-8"},
        {"\"\xc3\xa4\xe2\x82\"", "column 3: invalid UTF-8"},
        {"\"\\ud800\"", "first half of a surrogate pair without"},
        {"\"\\ud800\\u0041\"", "first half of a surrogate pair without"},
        {"\"\\udc00\"", "second half of a surrogate pair without"},
        {"\"\\u12g4\"", "\\u needs four hexadecimal digits"},
        {"\"\\x\"", "an escape that JSON does not have"},
        {"\"\\", "an escape that JSON does not have"},
        {"\"abc", "column 1: a string without its closing quote"},
        {"\"a\nb\"", "a control character"},
        {"01", "a leading zero"},
        {"-", "digits after its sign"},
        {"NaN", "a value is needed here"},
        {"-Infinity", "NaN and Infinity are not JSON"},
        {"1.", "digits after its point"},
        {"1e+", "digits in its exponent"},
        {"0.1234567890123456789012345678901234567890123456789012345678901234", "more than 63 characters"},
        {"[1,2", "an array without its closing bracket"},
        {"[1 2]", "a comma or a closing bracket"},
        {"[1,]", "a comma before the closing bracket"},
        {"{\"a\":1,}", "a comma before the closing brace"},
        {"{\"a\" 1}", "a colon is needed"},
        {"{a:1}", "a key in quotes"},
        {"{\"a\":1", "an object without its closing brace"},
        {"{\"a\":1 \"b\":2}", "a comma or a closing brace"},
        {"[nul]", "a word that JSON does not have"},
        {"truex", "text after the end"},
        {"// comment\n1", "a value is needed here"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ae_err e = {0};
        ae_json *j = ae_json_parse(cases[i][0], strlen(cases[i][0]), &e);
        if (j) {
            fail_msg("accepted: %s", cases[i][0]);
        }
        assert_int_equal(e.code, AE_E_FORMAT);
        assert_has(e.message, cases[i][1]);
    }
}

static void test_zero_byte_and_length(void **state)
{
    (void)state;
    ae_err e = {0};
    assert_null(ae_json_parse("1\0", 2, &e));
    assert_has(e.message, "column 2: text after the end");
    ae_json *j = ae_json_parse("123456", 3, &e);
    assert_non_null(j);
    int64_t v = 0;
    assert_int_equal(ae_json_value_int(j, &v, NULL), 0);
    assert_int_equal(v, 123);
    ae_json_free(j);
}

/* Tokenizers' vocabularies and test cases hold zero bytes. */
static void test_zero_bytes_in_strings(void **state)
{
    (void)state;
    ae_err e = {0};
    static const char text[] = "{\"k\\u0000\":[\"a\\u0000b\\u0000\",\"\\\\u0000\"],\"n\":12345678901234567890}";
    ae_json *j = parse(text);
    assert_written(j, text);
    ae_json *copy = ae_json_copy(j);
    assert_written(copy, text);
    ae_json_free(copy);
    const ae_json *list = ae_json_first(j);
    assert_string_equal(ae_json_key(list), "k\xc0\x80");
    size_t length = 0;
    char *bytes = ae_json_value_bytes(ae_json_at(list, 0), &length, &e);
    assert_int_equal(length, 4);
    assert_memory_equal(bytes, "a\0b\0\0", 5);
    ae_json *again = ae_json_new_bytes(bytes, length);
    assert_written(again, "\"a\\u0000b\\u0000\"");
    ae_json_free(again);
    free(bytes);
    bytes = ae_json_value_bytes(ae_json_at(list, 1), &length, &e);
    assert_string_equal(bytes, "\\u0000"); /* an escaped backslash and plain letters */
    free(bytes);
    const char *value;
    assert_int_equal(ae_json_value_string(ae_json_at(list, 0), &value, &e), -1);
    assert_has(e.message, "a string without zero bytes is needed");
    ae_err_clear(&e);
    assert_null(ae_json_value_bytes(list, &length, &e));
    assert_has(e.message, "is an array; a string is needed");
    ae_json_free(j);
    j = ae_json_new_bytes("", 0);
    assert_written(j, "\"\"");
    ae_json_free(j);
    j = ae_json_new_string("\xc0\x80"); /* not a zero byte, but invalid UTF-8 */
    assert_written(j, "\"\xef\xbf\xbd\xef\xbf\xbd\"");
    ae_json_free(j);
}

static void test_depth(void **state)
{
    (void)state;
    char text[2 * 600 + 1] = {0};
    memset(text, '[', 512);
    memset(text + 512, ']', 512);
    ae_json_free(parse(text));
    memset(text, '[', 513);
    memset(text + 513, ']', 513);
    ae_err e = {0};
    assert_null(ae_json_parse(text, strlen(text), &e));
    assert_has(e.message, "column 513: nested deeper than 512 levels");
}

static void test_values(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_json *j = parse("\xef\xbb\xbf{\"i\": -7, \"big\": 9007199254740993, \"max\": 9223372036854775807, \"f\": 1.5e-3,"
                       " \"whole\": 3.0, \"t\": true, \"s\": \"\\u00e4\\ud83d\\ude00\\n\", \"n\": null,"
                       " \"a\": [1, \"x\", false], \"o\": {\"k\": 1}, \"\": 5}");
    assert_int_equal(ae_json_int(j, "i", 1, &e), -7);
    assert_true(ae_json_int(j, "big", 1, &e) == 9007199254740993);
    assert_true(ae_json_int(j, "max", 1, &e) == INT64_MAX);
    assert_int_equal(ae_json_int(j, "whole", 1, &e), 3);
    assert_int_equal(ae_json_int(j, "absent", 42, &e), 42);
    assert_int_equal(ae_json_int(j, "n", 43, &e), 43);
    assert_int_equal(ae_json_int(j, "", 0, &e), 5);
    assert_true(ae_json_double(j, "f", 0, &e) == 1.5e-3);
    assert_true(ae_json_bool(j, "t", false, &e));
    assert_true(ae_json_bool(j, "absent", true, &e));
    assert_string_equal(ae_json_string(j, "s", "", &e), "\xc3\xa4\xf0\x9f\x98\x80\n");
    assert_int_equal(ae_json_count(ae_json_array(j, "a", &e)), 3);
    assert_int_equal(ae_json_need_int(ae_json_need_object(j, "o", &e), "k", &e), 1);
    assert_null(ae_json_array(j, "absent", &e));
    assert_null(ae_json_object(j, "n", &e));
    assert_int_equal(ae_json_type_of(ae_json_at(ae_json_get(j, "a"), 1)), AE_JSON_STRING);
    assert_null(ae_json_at(ae_json_get(j, "a"), 3));
    assert_null(ae_json_at(ae_json_get(j, "a"), -1));
    assert_null(ae_json_get(j, "I"));
    assert_true(ae_json_is_null(ae_json_get(j, "n")) && ae_json_is_null(NULL));
    assert_int_equal(e.code, AE_OK);
    assert_int_equal(ae_json_count(j), 11);
    assert_string_equal(ae_json_key(ae_json_next(ae_json_first(j))), "big");
    ae_json_free(j);
}

static void test_wrong_types(void **state)
{
    (void)state;
    ae_json *j = parse("{\"s\": \"abc\", \"f\": 0.5, \"o\": {}, \"n\": null, \"t\": true, \"huge\": 1e300,"
                       " \"digits\": 10000000000000000000000}");
    ae_err e = {0};
    assert_int_equal(ae_json_int(j, "s", 9, &e), 9);
    assert_string_equal(e.message, "\"s\" is the string \"abc\"; an integer is needed");
    assert_int_equal(e.code, AE_E_VALUE);
    ae_err_clear(&e);
    ae_json_int(j, "f", 9, &e);
    assert_string_equal(e.message, "\"f\" is 0.5; an integer is needed");
    ae_err_clear(&e);
    ae_json_int(j, "huge", 9, &e);
    assert_string_equal(e.message, "\"huge\" is 1e300; an integer is needed");
    ae_err_clear(&e);
    ae_json_int(j, "digits", 9, &e);
    assert_string_equal(e.message, "\"digits\" is 10000000000000000000000; an integer of at most 64 bits is needed");
    ae_err_clear(&e);
    assert_true(ae_json_double(j, "digits", 0, &e) == 1e22);
    ae_json_double(j, "t", 9, &e);
    assert_string_equal(e.message, "\"t\" is true; a number is needed");
    ae_err_clear(&e);
    ae_json_bool(j, "o", false, &e);
    assert_string_equal(e.message, "\"o\" is an object; true or false is needed");
    ae_err_clear(&e);
    ae_json_string(j, "f", "", &e);
    assert_string_equal(e.message, "\"f\" is 0.5; a string is needed");
    ae_err_clear(&e);
    ae_json_array(j, "o", &e);
    assert_string_equal(e.message, "\"o\" is an object; an array is needed");
    ae_err_clear(&e);
    assert_true(isnan(ae_json_need_double(j, "gone", &e)));
    assert_int_equal(e.code, AE_E_MISSING);
    assert_string_equal(e.message, "the key \"gone\" is needed and is missing");
    ae_err_clear(&e);
    assert_null(ae_json_need_string(j, "n", &e));
    assert_string_equal(e.message, "the key \"n\" is needed and is null");
    ae_err_clear(&e);
    assert_false(ae_json_need_bool(ae_json_get(j, "f"), "x", &e));
    assert_string_equal(e.message, "the key \"x\" is needed, in an object; received a number");
    ae_err_clear(&e);
    int64_t v;
    assert_int_equal(ae_json_value_int(NULL, &v, &e), -1);
    assert_string_equal(e.message, "an integer is needed, and there is no value");
    ae_json_free(j);
}

static void test_unknown_keys(void **state)
{
    (void)state;
    static const char *const known[] = {"hidden_size", "num_layers", "dropout"};
    ae_json *j = parse("{\"dropout\": 1, \"hiden_size\": 2}");
    ae_err e = {0};
    assert_int_equal(ae_json_check_keys(j, known, 3, &e), -1);
    assert_int_equal(e.code, AE_E_UNEXPECTED);
    assert_string_equal(e.message, "unknown key \"hiden_size\"; did you mean \"hidden_size\"?");
    ae_json_free(j);
    ae_err_clear(&e);
    j = parse("{\"zzzzzzzzz\": 2}");
    assert_int_equal(ae_json_check_keys(j, known, 3, &e), -1);
    assert_string_equal(e.message, "unknown key \"zzzzzzzzz\"");
    ae_json_free(j);
    ae_err_clear(&e);
    j = parse("[]");
    assert_int_equal(ae_json_check_keys(j, known, 3, &e), -1);
    assert_string_equal(e.message, "the value is an array; an object is needed");
    ae_json_free(j);
    j = parse("{\"num_layers\": 3}");
    assert_int_equal(ae_json_check_keys(j, known, 3, NULL), 0);
    ae_json_free(j);
    assert_int_equal(ae_edit_distance("kitten", "sitting"), 3);
    assert_int_equal(ae_edit_distance("", "abc"), 3);
    assert_int_equal(ae_edit_distance("same", "same"), 0);
    assert_null(ae_nearest_name("x", known, 0));
}

static void test_digits_survive(void **state)
{
    (void)state;
    static const char text[] =
        "[1,-0,-0.0,0.1,1.0,1e5,12345678901234567890,123456789012345678901234567890,"
        "2.2250738585072014e-308,5e-324,1E+2,999999999999999,-1000000000000000,3.14159265358979312]";
    ae_json *j = parse(text);
    assert_written(j, text);
    ae_json *copy = ae_json_copy(j);
    ae_json_free(j);
    assert_written(copy, text);
    ae_json_free(copy);
}

static void test_building(void **state)
{
    (void)state;
    ae_json *j = ae_json_new_object();
    ae_json *a = ae_json_new_array();
    assert_int_equal(ae_json_add(a, NULL, ae_json_new_int(INT64_MIN)), 0);
    assert_int_equal(ae_json_add(a, NULL, ae_json_new_double(0.1)), 0);
    assert_int_equal(ae_json_add(a, NULL, ae_json_new_double(1.0 / 3)), 0);
    assert_int_equal(ae_json_add(a, NULL, ae_json_new_double(2)), 0);
    assert_int_equal(ae_json_add(a, NULL, ae_json_new_double(1e22)), 0);
    assert_int_equal(ae_json_add(a, NULL, ae_json_new_double((double)NAN)), 0);
    assert_int_equal(ae_json_add(a, NULL, ae_json_new_double((double)INFINITY)), 0);
    assert_int_equal(ae_json_set(j, "a", a), 0);
    ae_json_set_string(j, "s", "q\"\\\b\f\n\r\t\x01\xff\xc3\xa4");
    ae_json_set_bool(j, "b", true);
    ae_json_set_int(j, "b", 5);
    ae_json_set_null(j, "n");
    ae_json_set_double(j, "d", -0.0);
    ae_json_set_string(j, "none", NULL);
    ae_json_set_int(j, "gone", 1);
    ae_json_remove(j, "gone");
    ae_json_remove(j, "never there");
    assert_written(
        j,
        "{\"a\":[-9223372036854775808,0.1,0.3333333333333333,2.0,1e+22,null,null],"
        "\"s\":\"q\\\"\\\\\\b\\f\\n\\r\\t\\u0001\xef\xbf\xbd\xc3\xa4\",\"b\":5,\"n\":null,\"d\":-0.0,\"none\":null}");
    ae_json_free(j);
}

static void test_pretty(void **state)
{
    (void)state;
    ae_json *j = parse("{\"a\":[1,2],\"o\":{},\"e\":[],\"m\":[{\"x\":1},[2]]}");
    char *text = ae_json_text(j, true, NULL);
    assert_string_equal(text,
                        "{\n  \"a\": [1, 2],\n  \"o\": {},\n  \"e\": [],\n  \"m\": [\n    {\n      \"x\": 1\n    },\n"
                        "    [2]\n  ]\n}\n");
    free(text);
    ae_json_free(j);
}

static void test_broken_build_is_reported(void **state)
{
    (void)state;
    ae_json *j = ae_json_new_object();
    ae_json *inner = ae_json_new_object();
    assert_int_equal(ae_json_set(inner, "x", NULL), -1);
    assert_int_equal(ae_json_set(j, "inner", inner), -1); /* what is broken inside is broken */
    ae_err e = {0};
    assert_null(ae_json_text(j, false, &e));
    assert_int_equal(e.code, AE_E_MEMORY);
    ae_err_clear(&e);
    assert_int_equal(ae_json_write_file(j, "never.json", &e), -1);
    assert_has(e.message, "never.json: no memory for a JSON text, or a member could not be added");
    assert_int_equal(access("never.json", F_OK), -1);
    assert_int_equal(ae_json_add(j, NULL, ae_json_new_null()), -1); /* an array's call on an object */
    assert_int_equal(ae_json_set(NULL, "x", ae_json_new_null()), -1);
    ae_json_free(j);
}

static void test_merge(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_json *j = parse("{\"a\":1,\"o\":{\"x\":1,\"y\":2},\"z\":{\"q\":1}}");
    ae_json *over = parse("{\"o\":{\"y\":null,\"w\":[1]},\"z\":7,\"new\":{\"k\":0}}");
    assert_int_equal(ae_json_merge(j, over, &e), 0);
    ae_json_free(over);
    assert_written(j, "{\"a\":1,\"o\":{\"x\":1,\"y\":null,\"w\":[1]},\"z\":7,\"new\":{\"k\":0}}");
    over = parse("[1]");
    assert_int_equal(ae_json_merge(j, over, &e), -1);
    assert_string_equal(e.message, "merging needs two objects; received an object and an array");
    ae_json_free(over);
    ae_json_free(j);
}

static void test_locale(void **state)
{
    (void)state;
    static const char *const commas[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE", "fr_FR"};
    const char *found = NULL;
    for (size_t i = 0; i < sizeof commas / sizeof commas[0] && !found; i++) {
        found = setlocale(LC_ALL, commas[i]);
    }
    ae_json *j = parse("[0.5, 1.25e2]");
    double v = 0;
    assert_int_equal(ae_json_value_double(ae_json_at(j, 0), &v, NULL), 0);
    assert_true(v == 0.5);
    ae_json_add(j, NULL, ae_json_new_double(2.5));
    assert_written(j, "[0.5,1.25e2,2.5]");
    ae_json_free(j);
    setlocale(LC_ALL, "C");
}

/* 200 000 keys: a quadratic step anywhere would take minutes. */
static void test_large_object(void **state)
{
    (void)state;
    enum { COUNT = 200000 };
    ae_json *j = ae_json_new_object();
    char key[32];
    for (int i = 0; i < COUNT; i++) {
        snprintf(key, sizeof key, "token%d", i);
        assert_int_equal(ae_json_add(j, key, ae_json_new_int(i)), 0);
    }
    char *text = ae_json_text(j, false, NULL);
    ae_json_free(j);
    j = parse(text);
    free(text);
    int64_t sum = 0, v = 0;
    for (const ae_json *m = ae_json_first(j); m; m = ae_json_next(m)) {
        assert_int_equal(ae_json_value_int(m, &v, NULL), 0);
        sum += v;
    }
    assert_true(sum == (int64_t)COUNT * (COUNT - 1) / 2);
    ae_json_free(j);
}

static void test_files(void **state)
{
    (void)state;
    char path[] = "json_test_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "{\"a\": tru}", 10), 10);
    close(fd);
    ae_err e = {0};
    assert_null(ae_json_read_file(path, &e));
    assert_memory_equal(e.message, path, strlen(path));
    assert_has(e.message, ": line 1, column 7: a word");
    ae_err_clear(&e);
    ae_json *j = parse("{\"k\":[1,2.50]}");
    assert_int_equal(ae_json_write_file(j, path, &e), 0);
    ae_json_free(j);
    j = ae_json_read_file(path, &e);
    assert_non_null(j);
    assert_written(j, "{\"k\":[1,2.50]}");
    ae_json_free(j);
    unlink(path);
    assert_null(ae_json_read_file(path, &e));
    assert_int_equal(e.code, AE_E_MISSING);
    assert_has(e.message, "cannot be opened: No such file");
    ae_err_clear(&e);
    assert_null(ae_json_read_file("/", &e));
    assert_has(e.message, "not a regular file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused_texts),
        cmocka_unit_test(test_zero_byte_and_length),
        cmocka_unit_test(test_zero_bytes_in_strings),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_wrong_types),
        cmocka_unit_test(test_unknown_keys),
        cmocka_unit_test(test_digits_survive),
        cmocka_unit_test(test_building),
        cmocka_unit_test(test_pretty),
        cmocka_unit_test(test_broken_build_is_reported),
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_locale),
        cmocka_unit_test(test_large_object),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
