/* Whether the tests over the list of ops would notice a wrong derivative: in each row in turn one input's gradient has
 * its sign flipped, or is left zero, and the checks must find it. */
#include "autograd/tape.h"
#include "op_checks.c"

#include <setjmp.h>
#include <stddef.h>

#include <cmocka.h>

/* The broken copy that ae_apply runs instead of the row, and what is wrong with it. */
static struct {
    const ae_op *original;
    ae_op copy;
    int input;     /* whose gradient is broken; -1: none, only seen is filled */
    bool zero;     /* left out, instead of negated */
    unsigned seen; /* inputs that received a gradient */
} mutant;

static void broken_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    mutant.original->vjp(c, gout, gin);
    for (int i = 0; i < c->n_in && i < 32; i++) {
        if (!gin[i] || !c->need[i]) {
            continue;
        }
        mutant.seen |= 1u << i;
        if (i == mutant.input) {
            gin[i] = mutant.zero ? NULL : ae_neg(c->graph, gin[i]);
        }
    }
}

static void begin_mutation(const ae_op *op, int input, bool zero)
{
    mutant.original = op;
    mutant.copy = *op;
    mutant.copy.vjp = broken_vjp;
    mutant.input = input;
    mutant.zero = zero;
    graph->replaced = op;
    graph->replacement = &mutant.copy;
}

/* The checks of all small variants. The vjp of a fused op, and that of a cast, run in f32 alone. */
static verdict examine(const ae_op *op)
{
    verdict v = {0};
    for (int k = 0; k < op->samples && !v.failed; k++) {
        first_order(&v, op, k);
        fast_path(&v, op, k);
    }
    return v;
}

/* The inputs that get gradients in some variant. */
static unsigned inputs_with_gradient(const ae_op *op)
{
    mutant.seen = 0;
    begin_mutation(op, -1, false);
    verdict v = examine(op);
    if (v.failed) {
        fail_msg("nothing is broken yet: %s", v.text);
    }
    return mutant.seen;
}

static void every_broken_derivative_is_noticed(void **state)
{
    int n, missed = 0;
    const ae_op *const *list = ae_op_list(&n);
    (void)state;
    for (int i = 0; i < n; i++) {
        unsigned inputs = list[i]->vjp ? inputs_with_gradient(list[i]) : 0;
        if (list[i]->vjp && !inputs) {
            print_error("%s: no sample asks for a gradient\n", list[i]->name);
            missed++;
        }
        for (int k = 0; k < 32; k++) {
            for (int zero = 0; zero < 2 && (inputs & 1u << k); zero++) {
                begin_mutation(list[i], k, zero);
                if (!examine(list[i]).failed) {
                    print_error("%s: nobody notices that the gradient of input %d is %s\n", list[i]->name, k,
                                zero ? "left out" : "negated");
                    missed++;
                }
            }
        }
        graph->replaced = NULL;
    }
    assert_int_equal(missed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_broken_derivative_is_noticed),
    };
    graph = ae_graph_new();
    int status = graph ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
    ae_graph_free(graph);
    return status;
}
