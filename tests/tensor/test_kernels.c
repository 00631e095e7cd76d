/* Every kernel under every instruction set this machine has, against a plain twin in double precision: sizes across
 * every block and tail, values where floats are special, and nothing written outside the result. */
#include "tensor/kernel_checks.h"

/* ---- which table ---- */

/* The first question asks the environment; main has set it. */
static void environment(void **state)
{
    (void)state;
    assert_string_equal(ae_kernels_name(), "base");
}

static void selection(void **state)
{
    (void)state;
    assert_ptr_equal(ae_kernels_get(), ae_kernels_at(0));
    assert_int_equal(ae_kernels_select("sse9"), -1);
    assert_string_equal(ae_kernels_name(), "base");
    assert_int_equal(ae_kernels_select(NULL), 0);
    assert_ptr_equal(ae_kernels_get(), ae_kernels_at(ae_kernels_count() - 1));
    assert_int_equal(ae_kernels_select("base"), 0);
    assert_int_equal(ae_kernels_select(""), 0);
    assert_ptr_equal(ae_kernels_get(), ae_kernels_at(ae_kernels_count() - 1));
    assert_null(ae_kernels_at(-1));
    assert_null(ae_kernels_at(ae_kernels_count()));
}

/* Last: by now every entry of every table that runs here was called, and the counters know. */
static void every_call_was_counted(void **state)
{
    (void)state;
    int tables = 0;
    for (int i = 0; i < AE_KERNEL_COUNT; i++) {
        const char *isa = strrchr(ae_kernel_name(i), '.');
        if (strncmp(ae_kernel_name(i), "gemm.", 5) == 0) {
            continue;
        }
        bool runs = ae_kernels_select(isa + 1) == 0;
        if (ae_kernel_count_at(i) != runs) {
            fail_msg("%s: the count is %lld", ae_kernel_name(i), (long long)ae_kernel_count_at(i));
        }
        tables += strcmp(ae_kernel_name(i), "exp.base") == 0;
    }
    assert_int_equal(tables, 1);
    ae_kernels_select(NULL);
    ae_kernel_counts_reset();
    float x = 1;
    k = ae_kernels_get();
    k->exp(&x, &x, 1);
    char name[32];
    snprintf(name, sizeof name, "exp.%s", k->name);
    assert_int_equal(ae_kernel_count(name), 1);
    assert_int_equal(ae_kernel_count("log.base"), 0);
    assert_int_equal(ae_kernel_count("exp"), -1);
}

#define EACH_ISA(body)                                                                                                 \
    static void each_##body(void **state)                                                                              \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        each_isa(body);                                                                                                \
    }

EACH_ISA(unary_sizes)
EACH_ISA(unary_sweep)
EACH_ISA(backward_sizes)
EACH_ISA(relu_backward_is_a_choice)
EACH_ISA(conversions)
EACH_ISA(vectors)
EACH_ISA(extremes_of_specials)
EACH_ISA(first_of_equals_is_found)
EACH_ISA(columns_keep_their_extremes)
EACH_ISA(sums_of_columns)
EACH_ISA(softmax_rows)
EACH_ISA(softmax_of_specials)
EACH_ISA(cross_entropy_rows)
EACH_ISA(norms)
EACH_ISA(norm_far_from_zero)
EACH_ISA(dropout)
EACH_ISA(cells)
EACH_ISA(products)
EACH_ISA(transposes)
EACH_ISA(streams)
EACH_ISA(bytes_of_a_row)
EACH_ISA(adam_steps)
EACH_ISA(sgd_steps)
EACH_ISA(sgd_first_step_ignores_the_buffer)

int main(void)
{
    setenv("AESOP_ISA", "base", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(environment),
        cmocka_unit_test(selection),
        cmocka_unit_test(each_unary_sizes),
        cmocka_unit_test(each_unary_sweep),
        cmocka_unit_test(each_backward_sizes),
        cmocka_unit_test(each_relu_backward_is_a_choice),
        cmocka_unit_test(each_conversions),
        cmocka_unit_test(each_vectors),
        cmocka_unit_test(each_extremes_of_specials),
        cmocka_unit_test(each_first_of_equals_is_found),
        cmocka_unit_test(each_columns_keep_their_extremes),
        cmocka_unit_test(each_softmax_rows),
        cmocka_unit_test(each_softmax_of_specials),
        cmocka_unit_test(each_cross_entropy_rows),
        cmocka_unit_test(plain_norm_backward_is_right),
        cmocka_unit_test(each_norms),
        cmocka_unit_test(each_norm_far_from_zero),
        cmocka_unit_test(each_dropout),
        cmocka_unit_test(each_cells),
        cmocka_unit_test(each_products),
        cmocka_unit_test(each_transposes),
        cmocka_unit_test(each_streams),
        cmocka_unit_test(each_bytes_of_a_row),
        cmocka_unit_test(each_adam_steps),
        cmocka_unit_test(each_sgd_steps),
        cmocka_unit_test(each_sgd_first_step_ignores_the_buffer),
        cmocka_unit_test(each_sums_of_columns),
        cmocka_unit_test(every_call_was_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
