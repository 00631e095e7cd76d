/* Printing against what NumPy's str() gave for the same arrays (print_cases.txt, made by print_cases.py). */
#include "tensor/pool.h"
#include "tensor/tensor.h"

#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LINE = 1 << 20, MAX_ELEMENTS = 10000 };

typedef struct test_case {
    ae_dtype dtype;
    int ndim;
    int64_t shape[AE_MAX_DIMS];
    const char *values;
} test_case;

/* "f32 2x3 0x1p+0 ..." */
static test_case parse(char *line)
{
    test_case c = {0};
    char *name = strtok(line, " ");
    char *shape = strtok(NULL, " ");
    c.values = strtok(NULL, "\n");
    assert_int_equal(ae_dtype_parse(name, &c.dtype), 0);
    for (char *p = shape; *p != '-' && *p != '\0'; p += *p == 'x') {
        c.shape[c.ndim++] = strtoll(p, &p, 10);
    }
    return c;
}

static ae_tensor *make(const test_case *c)
{
    ae_tensor *t = ae_tensor_new(c->dtype, c->ndim, c->shape, NULL);
    assert_non_null(t);
    int64_t n = ae_numel(t);
    double start = 0;
    double step = 0;
    char *at = (char *)(c->values != NULL ? c->values : "");
    bool range = strncmp(at, "range ", 6) == 0;
    if (range) {
        start = strtod(at + 6, &at);
        step = strtod(at, &at);
    }
    for (int64_t i = 0; i < n; i++) {
        if (ae_dtype_is_float(c->dtype)) {
            ae_set_f64(t, i, range ? start + step * (double)i : strtod(at, &at));
        } else {
            ae_set_i64(t, i, range ? (int64_t)(start + step * (double)i) : strtoll(at, &at, 10));
        }
    }
    return t;
}

/* Reads the expected lines up to "--", joined by newlines. */
static void read_expected(FILE *f, char *line, char *expected)
{
    expected[0] = '\0';
    while (fgets(line, LINE, f) != NULL && strcmp(line, "--\n") != 0) {
        strcat(expected, line);
    }
    expected[strlen(expected) - 1] = '\0';
}

static void prints_as_numpy(void **state)
{
    (void)state;
    FILE *f = fopen(AE_TEST_DIR "/tensor/print_cases.txt", "r");
    assert_non_null(f);
    char *line = malloc(LINE);
    char *copy = malloc(LINE);
    char *expected = malloc(LINE);
    int wrong = 0;
    int count = 0;
    assert_true(line != NULL && copy != NULL && expected != NULL);
    while (fgets(line, LINE, f) != NULL) {
        strcpy(copy, line);
        test_case c = parse(line);
        ae_tensor *t = make(&c);
        read_expected(f, line, expected);
        char *got = ae_tensor_text(t);
        assert_non_null(got);
        if (strcmp(got, expected) != 0) {
            print_error("case %.200s\nis\n%s\nshould be\n%s\n", copy, got, expected);
            wrong++;
        }
        free(got);
        ae_tensor_free(t);
        count++;
    }
    fclose(f);
    free(line);
    free(copy);
    free(expected);
    assert_int_equal(wrong, 0);
    assert_true(count > 300);
}

static void check_text(const ae_tensor *t, const char *expected)
{
    char *got = ae_tensor_text(t);
    assert_non_null(got);
    assert_string_equal(got, expected);
    free(got);
}

/* Digits that tell a bf16 from its neighbours, not those of the wider float. */
static void bf16(void **state)
{
    (void)state;
    ae_tensor *t = ae_tensor_new(AE_BF16, 1, (int64_t[]){3}, NULL);
    assert_non_null(t);
    ae_set_f64(t, 0, 0.1);
    ae_set_f64(t, 1, -2.0);
    ae_set_f64(t, 2, 3.140625);
    check_text(t, "[ 0.1  -2.    3.14]");
    ae_tensor_free(t);
}

static void strides(void **state)
{
    (void)state;
    float data[6] = {1, 2, 3, 4, 5, 6};
    ae_tensor *t = ae_tensor_wrap(data, AE_F32, 2, (int64_t[]){3, 2}, NULL);
    assert_non_null(t);
    t->strides[0] = 1;
    t->strides[1] = 3;
    check_text(t, "[[1. 4.]\n [2. 5.]\n [3. 6.]]");
    t->strides[1] = 0;
    check_text(t, "[[1. 1.]\n [2. 2.]\n [3. 3.]]");
    ae_tensor_free(t);
}

/* A freed tensor and none at all say so. */
static void without_values(void **state)
{
    (void)state;
    ae_tensor t = {.dtype = AE_F32, .ndim = 1, .shape = {3}};
    check_text(&t, "(freed)");
    check_text(NULL, "(no tensor)");
}

static void print_adds_a_newline(void **state)
{
    (void)state;
    float v = 2.5f;
    char written[16] = {0};
    ae_tensor *t = ae_tensor_wrap(&v, AE_F32, 0, NULL, NULL);
    assert_non_null(t);
    FILE *f = tmpfile();
    assert_non_null(f);
    assert_int_equal(ae_tensor_print(f, t), 0);
    rewind(f);
    assert_int_equal(fread(written, 1, sizeof written, f), 4);
    assert_string_equal(written, "2.5\n");
    fclose(f);
    FILE *closed = fopen("/dev/full", "w");
    if (closed != NULL) {
        setvbuf(closed, NULL, _IONBF, 0);
        assert_int_equal(ae_tensor_print(closed, t), -1);
        fclose(closed);
    }
    ae_tensor_free(t);
}

/* A locale with a decimal comma changes nothing. */
static void locale_does_not_matter(void **state)
{
    (void)state;
    const char *names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "C"};
    double v[2] = {0.5, 1.25};
    ae_tensor *t = ae_tensor_wrap(v, AE_F64, 1, (int64_t[]){2}, NULL);
    assert_non_null(t);
    for (int i = 0; i < 4; i++) {
        if (setlocale(LC_NUMERIC, names[i]) != NULL) {
            check_text(t, "[0.5  1.25]");
        }
    }
    setlocale(LC_NUMERIC, "C");
    ae_tensor_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_as_numpy),
        cmocka_unit_test(bf16),
        cmocka_unit_test(strides),
        cmocka_unit_test(without_values),
        cmocka_unit_test(print_adds_a_newline),
        cmocka_unit_test(locale_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
