/* Activations against numbers computed with Python's math module, far from zero, and what bad input gets. */
#include "op_values.h"

typedef struct unary {
    const char *name;
    ae_tensor *(*op)(ae_graph *g, ae_tensor *x);
    const double *x;
    double y[5], slope[5];
} unary;

static const double X[] = {-3.0, -0.5, 0.0, 0.25, 2.0};

static const unary rows[] = {
    {"relu", ae_relu, X, {0.0, 0.0, 0.0, 0.25, 2.0}, {0.0, 0.0, 0.0, 1.0, 1.0}},
    {"gelu",
     ae_gelu,
     X,
     {-0.004049694094890287, -0.15426876936299344, 0.0, 0.14967658142073093, 1.9544997361036416},
     {-0.011945647204183927, 0.13250487534383712, 0.5, 0.695373354883636, 1.085231801078197}},
    {"gelu_tanh",
     ae_gelu_tanh,
     X,
     {-0.0036373920817729943, -0.15428599017485606, 0.0, 0.149675350701685, 1.954597694087775},
     {-0.011584166630969516, 0.13263009646535764, 0.5, 0.6953540951510604, 1.0860992566236183}},
    {"silu",
     ae_silu,
     X,
     {-0.14227761953270035, -0.1887703343990727, 0.0, 0.14054412522144952, 1.7615941559557646},
     {-0.08810410601516962, 0.2600388126973482, 0.5, 0.6237100215701977, 1.0907842487848955}},
    {"softplus",
     ae_softplus,
     X,
     {0.04858735157374206, 0.4740769841801067, 0.6931471805599453, 0.8259394198788436, 2.1269280110429727},
     {0.04742587317756678, 0.3775406687981454, 0.5, 0.5621765008857981, 0.8807970779778823}},
    {"tanh",
     ae_tanh,
     X,
     {-0.9950547536867305, -0.46211715726000974, 0.0, 0.24491866240370913, 0.9640275800758169},
     {0.009866037165440211, 0.7864477329659274, 1.0, 0.940014848806378, 0.07065082485316443}},
    {"sigmoid",
     ae_sigmoid,
     X,
     {0.04742587317756678, 0.3775406687981454, 0.5, 0.5621765008857981, 0.8807970779778823},
     {0.04517665973091214, 0.2350037122015945, 0.25, 0.24613408273759835, 0.10499358540350662}},
};

static void values_and_slopes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int k = 0; k < 4; k++) {
            const ae_dtype dtypes[] = {AE_F64, AE_F32, AE_BF16, AE_F16};
            const double tolerance[] = {1e-14, 1e-6, 0x1p-7, 0x1p-9};
            ae_graph_begin(g, AE_TRAIN);
            ae_tensor *x = values(dtypes[k], "5", rows[i].x);
            ae_requires_grad(g, x);
            ae_tensor *y = rows[i].op(g, x);
            assert_string_equal(y->op, rows[i].name);
            assert_int_equal(y->dtype, dtypes[k]);
            expect_near(y, "[5]", 5, rows[i].y, tolerance[k]);
            assert_int_equal(ae_backward(g, ae_sum(g, y, 0, NULL, false), 0), 0);
            expect_near(x->grad, "[5]", 5, rows[i].slope, tolerance[k]);
        }
    }
}

static void nan_passes_and_empty_stays_empty(void **state)
{
    const double nan[] = {NAN, 1.0};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double got[2];
        assert_int_equal(ae_read(rows[i].op(g, values(AE_F32, "2", nan)), AE_F64, got, 2), 0);
        assert_true(isnan(got[0]) && !isnan(got[1]));
        ae_tensor *x = values(AE_F32, "3,0", NULL);
        ae_requires_grad(g, x);
        ae_tensor *y = rows[i].op(g, x);
        expect(y, "[3,0]", 0, NULL);
        assert_int_equal(ae_backward(g, ae_sum(g, y, 0, NULL, false), 0), 0);
        expect(x->grad, "[3,0]", 0, NULL);
    }
}

static void integers_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char message[200];
        if (false) {
            continue;
        }
        ae_tensor *x = ladder(AE_I32, "2");
        rows[i].op(g, x);
        snprintf(message, sizeof message, "%s: input 0 [2] is i32, which this operation does not take; cast it",
                 rows[i].name);
        expect_error(AE_E_DTYPE, message);
        rows[i].op(g, NULL);
        snprintf(message, sizeof message, "%s: input 0 is NULL", rows[i].name);
        expect_error(AE_E_VALUE, message);
    }
}

/* f at -1000, -40, 40 and 1000. */
static void far_from_zero(void **state)
{
    const double far[] = {-1000, -40, 40, 1000};
    const double ramp[] = {0, 0, 40, 1000}, unit[] = {0, 0, 1, 1}, both[] = {-1, -1, 1, 1};
    (void)state;
    for (int k = 0; k < 2; k++) {
        ae_dtype dtype = k ? AE_F64 : AE_F32;
        expect_near(ae_relu(g, values(dtype, "4", far)), "[4]", 4, ramp, 0);
        expect_near(ae_gelu(g, values(dtype, "4", far)), "[4]", 4, ramp, 0);
        expect_near(ae_gelu_tanh(g, values(dtype, "4", far)), "[4]", 4, ramp, 0);
        expect_near(ae_silu(g, values(dtype, "4", far)), "[4]", 4, ramp, 1e-15);
        expect_near(ae_softplus(g, values(dtype, "4", far)), "[4]", 4, ramp, 1e-15);
        expect_near(ae_tanh(g, values(dtype, "4", far)), "[4]", 4, both, 0);
        expect_near(ae_sigmoid(g, values(dtype, "4", far)), "[4]", 4, unit, 1e-15);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(values_and_slopes, begin_step),
        cmocka_unit_test_setup(nan_passes_and_empty_stays_empty, begin_step),
        cmocka_unit_test_setup(integers_are_refused, begin_step),
        cmocka_unit_test_setup(far_from_zero, begin_step),
    };
    return cmocka_run_group_tests(tests, make_graph, free_graph);
}
