/* Walks the list of ops: every row's derivative against central differences in f64, first and second order; every fast
 * path against the f64 result, values and gradients, dense and strided, with each input's gradient switched off in
 * turn, in f32 under every instruction set, and in bf16; and extents of zero. */
#include "op_checks.c"
#include "tensor/counters.h"
#include "tensor/gemm_blocks.h"

#include <setjmp.h>
#include <stddef.h>

#include <cmocka.h>

/* Every failure is printed, and counted at the end: an op is seldom broken alone. */
static int report(const verdict *v)
{
    if (v->failed) {
        print_error("%s\n", v->text);
    }
    return v->failed;
}

static void differences(verdict *v, const ae_op *op, int variant)
{
    if (op->vjp) {
        first_order(v, op, variant);
        second_order(v, op, variant);
    }
}

/* Every op, its small variants and, when asked, the big ones. */
static void for_all(void (*check)(verdict *v, const ae_op *op, int variant), bool big)
{
    int n, failures = 0;
    const ae_op *const *list = ae_op_list(&n);
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < list[i]->samples + (big ? list[i]->big_samples : 0); k++) {
            verdict v = {0};
            check(&v, list[i], k);
            failures += report(&v);
        }
    }
    assert_int_equal(failures, 0);
}

static void derivatives_agree_with_differences(void **state)
{
    (void)state;
    for_all(differences, false);
}

static void fast_paths_agree_with_f64(void **state)
{
    (void)state;
    for (int i = 0; i < ae_kernels_count(); i++) {
        assert_int_equal(ae_kernels_select(ae_kernels_at(i)->name), 0);
        for_all(fast_path, true);
        for_all(bf16_path, false);
    }
    assert_int_equal(ae_kernels_select(NULL), 0);
}

static void bf16_agrees_with_f64(void **state)
{
    (void)state;
    for_all(bf16_path, true);
}

/* Attention in bf16 multiplies bf16 where the processor does, and widens elsewhere: both everywhere. */
static void attention_in_bf16_agrees_with_f64(void **state)
{
    int failures = 0;
    const ae_op *op = ae_op_find("attention");
    (void)state;
    for (int k = 0; k < 2 * (op->samples + op->big_samples); k++) {
        verdict v = {0};
        ae_blocks_select(k % 2 ? AE_BLOCKS_BF16 : AE_BLOCKS_WIDENED);
        bf16_path(&v, op, k / 2);
        failures += report(&v);
    }
    ae_blocks_select(AE_BLOCKS_BEST);
    assert_int_equal(failures, 0);
}

static void zero_extents_do_not_crash(void **state)
{
    (void)state;
    for_all(zero_extents, false);
}

static void rows_are_complete(void **state)
{
    int n;
    const ae_op *const *list = ae_op_list(&n);
    (void)state;
    for (int i = 0; i < n; i++) {
        const ae_op *op = list[i];
        assert_non_null(op->formula);
        assert_non_null(op->sample);
        assert_true(op->samples > 0);
        assert_true(op->vjp || op->no_vjp);
        assert_false(op->vjp && op->no_vjp);
        assert_true(!(op->flags & AE_OP_FUSED) || op->decompose);
        assert_ptr_equal(ae_op_find(op->name), op);
        for (int k = 0; k < i; k++) {
            assert_string_not_equal(list[k]->name, op->name);
        }
    }
}

/* Kernels of the tables that no op of the list calls; tests/tensor/test_kernels.c has them all. */
static bool serves_no_op(const char *name)
{
    static const char *const others[] = {
        "adam.",       "sgd.",        "axpy.",        "sum_squares.", /* optimizers */
        "f16_to_f32.", "f32_to_f16.",                                 /* files */
        "max.",                                                       /* compositions of its own */
        "stream_",     "scale_i32.",  "quantize_i8.", /* linear without gradients: tests/nn/test_packs.c */
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (strncmp(name, others[i], strlen(others[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* Runs last: a fast path that never ran would have passed every comparison. */
static void kernels_were_called(void **state)
{
    int missing = 0;
    (void)state;
    for (int i = 0; i < AE_KERNEL_COUNT; i++) {
        const char *name = ae_kernel_name(i), *isa = strrchr(name, '.') + 1;
        bool here = strncmp(name, "attention.", 10) == 0 || ae_kernels_select(isa) == 0;
        if (here && !serves_no_op(name) && ae_kernel_count_at(i) == 0) {
            print_error("%s was never called\n", name);
            missing++;
        }
    }
    ae_kernels_select(NULL);
    assert_int_equal(missing, 0);
}

static int setup(void **state)
{
    (void)state;
    graph = ae_graph_new();
    return graph ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    ae_graph_free(graph);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_complete),
        cmocka_unit_test(derivatives_agree_with_differences),
        cmocka_unit_test(fast_paths_agree_with_f64),
        cmocka_unit_test(bf16_agrees_with_f64),
        cmocka_unit_test(attention_in_bf16_agrees_with_f64),
        cmocka_unit_test(zero_extents_do_not_crash),
        cmocka_unit_test(kernels_were_called),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
