/* An operation of the user's own, as docs/how-to-add-an-op.md shows it: only public headers, the checks of the tests
 * over the list, and the messages that mistakes get. */
#include "../autograd/op_checks.c"

#include <setjmp.h>
#include <stddef.h>

#include <cmocka.h>

/* ---- softsign ------------------------------------------------------------------------------------------------------ */

static int softsign_shape(ae_call *c)
{
    char x[AE_DESCRIBE_MAX];
    if (c->in[0]->dtype != AE_F32 && c->in[0]->dtype != AE_F64) {
        return ae_call_fail(c, AE_E_DTYPE, "%s is %s; it takes f32 and f64", ae_call_describe(c, 0, x),
                            ae_dtype_name(c->in[0]->dtype));
    }
    ae_call_out_like(c, 0, c->in[0]);
    return 0;
}

static int softsign_forward(ae_call *c)
{
    const ae_tensor *x = c->in[0];
    for (int64_t i = 0; i < ae_numel(x); i++) {
        double v = ae_get_f64(x, i);
        ae_set_f64(c->out[0], i, v / (1 + fabs(v)));
    }
    return 0;
}

/* dy/dx = 1 / (1 + |x|)^2 = (1 - |y|)^2 */
static void softsign_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    ae_tensor *t = ae_affine(g, ae_abs(g, c->out[0]), -1, 1);
    gin[0] = ae_mul(g, gout[0], ae_square(g, t));
}

static void softsign_sample(ae_sample *s);

static const ae_op softsign = {
    .name = "softsign",
    .formula = "x / (1 + |x|)",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .needs = {AE_OUT(0)},
    .shape = softsign_shape,
    .forward = softsign_forward,
    .vjp = softsign_vjp,
    .sample = softsign_sample,
    .samples = 2,
};

static ae_tensor *my_softsign(ae_graph *g, ae_tensor *x)
{
    return ae_apply(g, &softsign, &x, 1, NULL, 0);
}

/* Values away from the kink at 0. */
static void softsign_sample(ae_sample *s)
{
    s->out[0] = my_softsign(s->graph, s->variant == 0 ? ae_sample_distinct(s, "3,5") : ae_sample_in(s, "2,3", 0.1, 4));
}

/* ---- tests --------------------------------------------------------------------------------------------------------- */

static void values_and_gradients(void **state)
{
    (void)state;
    ae_graph_begin(graph, AE_GRAD);
    ae_tensor *x = ae_from_data(graph, AE_F32, 1, (int64_t[]){3}, (float[]){-1, 0, 3});
    ae_requires_grad(graph, x);
    ae_tensor *y = my_softsign(graph, x);
    ae_backward(graph, ae_sum(graph, y, 0, NULL, false), 0);
    assert_true(ae_ok(graph));
    const double values[] = {-0.5, 0, 0.75}, gradients[] = {0.25, 1, 0.0625};
    for (int i = 0; i < 3; i++) {
        assert_true(ae_get_f64(y, i) == values[i]);
        assert_true(ae_get_f64(x->grad, i) == gradients[i]);
    }
}

/* What the tests over the list do with each row. */
static verdict all_checks(const ae_op *op)
{
    verdict v = {0};
    for (int variant = 0; variant < op->samples; variant++) {
        first_order(&v, op, variant);
        second_order(&v, op, variant);
        fast_path(&v, op, variant);
        bf16_path(&v, op, variant);
        zero_extents(&v, op, variant);
    }
    return v;
}

static void passes_the_checks(void **state)
{
    (void)state;
    verdict v = all_checks(&softsign);
    assert_string_equal(v.text, "");
    assert_false(v.failed);
}

static ae_op wrong_op;

static void wrong_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    softsign_vjp(c, gout, gin);
    gin[0] = ae_neg(c->graph, gin[0]);
}

static void wrong_sample(ae_sample *s)
{
    ae_tensor *x = ae_sample_in(s, "2", 0.9999999999, 1);
    s->out[0] = ae_apply(s->graph, &wrong_op, &x, 1, NULL, 0);
}

static void a_wrong_sign_is_found(void **state)
{
    (void)state;
    wrong_op = softsign;
    wrong_op.vjp = wrong_vjp;
    wrong_op.sample = wrong_sample;
    wrong_op.samples = 1;
    verdict v = {0};
    first_order(&v, &wrong_op, 0);
    assert_true(v.failed);
    assert_memory_equal(v.text, "softsign variant 0: gradient of input 0 at 0 is ", 48);
    assert_non_null(strstr(v.text, ", differences say "));
}

static void a_forgotten_need_is_found(void **state)
{
    (void)state;
    wrong_op = softsign;
    wrong_op.needs[0] = 0;
    ae_graph_begin(graph, AE_GRAD);
    ae_tensor *x = ae_requires_grad(graph, ae_ones(graph, AE_F32, 1, (int64_t[]){2}));
    ae_tensor *y = ae_apply(graph, &wrong_op, &x, 1, NULL, 0);
    assert_int_equal(ae_backward(graph, ae_sum(graph, y, 0, NULL, false), 0), -1);
    assert_string_equal(ae_graph_error(graph)->message,
                        "backward of softsign: abs: the tensor (input 0) has no values: it was freed, or the op's "
                        "needs do not save it");
}

static void bad_input(void **state)
{
    (void)state;
    ae_graph_begin(graph, AE_EVAL);
    ae_tensor *ids = ae_name(graph, ae_zeros(graph, AE_I64, 1, (int64_t[]){3}), "ids");
    assert_ptr_equal(my_softsign(graph, ids), ae_bad(graph));
    assert_string_equal(ae_graph_error(graph)->message, "softsign: ids [3] is i64; it takes f32 and f64");

    ae_graph_begin(graph, AE_EVAL);
    ae_tensor *x = ae_ones(graph, AE_F32, 1, (int64_t[]){3});
    assert_ptr_equal(ae_apply(graph, &softsign, (ae_tensor *[]){x, x}, 2, NULL, 0), ae_bad(graph));
    assert_string_equal(ae_graph_error(graph)->message, "softsign: 2 inputs; it takes 1 to 1");

    ae_graph_begin(graph, AE_EVAL);
    ae_frame f = ae_frame_open_at(graph, "mine.c", 12);
    x = ae_ones(graph, AE_F32, 1, (int64_t[]){3});
    ae_frame_close(f);
    my_softsign(graph, x);
    assert_string_equal(
        ae_graph_error(graph)->message,
        "softsign: the tensor (input 0) was freed when the frame opened at mine.c:12 closed; hand it on "
        "with ae_frame_keep");

    ae_graph_begin(graph, AE_EVAL | AE_ANOMALY);
    x = ae_from_data(graph, AE_F32, 1, (int64_t[]){2}, (float[]){1, (float)INFINITY});
    my_softsign(graph, x);
    assert_non_null(strstr(ae_graph_error(graph)->message, " at element 1 of its output [2], from input 0 [2]"));
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
        cmocka_unit_test(values_and_gradients),
        cmocka_unit_test(passes_the_checks),
        cmocka_unit_test(a_wrong_sign_is_found),
        cmocka_unit_test(a_forgotten_need_is_found),
        cmocka_unit_test(bad_input),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
