/* Precision bf16: of what dtype the results and gradients of operations are, and that they are those of f32 rounded. */
#include "autograd/compute_type.h"
#include "nn/model.h"
#include "op_values.h"

#include <math.h>
#include <stdlib.h>

enum { ROWS = 37, WIDTH = 130 };

typedef struct parameters {
    ae_model *root;
    ae_tensor *x, *residual, *weight, *bias, *gamma, *beta;
} parameters;

static parameters p;

static int make_parameters(void **state)
{
    ae_init normal = ae_init_normal(0.5);
    p.root = ae_model_new(7);
    p.x = ae_param(p.root, "x", 2, (int64_t[]){ROWS, WIDTH}, normal);
    p.residual = ae_param(p.root, "residual", 2, (int64_t[]){ROWS, WIDTH}, normal);
    p.weight = ae_param(p.root, "weight", 2, (int64_t[]){WIDTH, WIDTH}, normal);
    p.bias = ae_param(p.root, "bias", 1, (int64_t[]){WIDTH}, normal);
    p.gamma = ae_param(p.root, "gamma", 1, (int64_t[]){WIDTH}, normal);
    p.beta = ae_param(p.root, "beta", 1, (int64_t[]){WIDTH}, normal);
    return make_graph(state);
}

static int free_parameters(void **state)
{
    ae_model_free(p.root);
    return free_graph(state);
}

/* The relative length of got - want. */
static double distance(const double *got, const double *want, int64_t n)
{
    double error = 0, size = 0;
    for (int64_t i = 0; i < n; i++) {
        error += (got[i] - want[i]) * (got[i] - want[i]);
        size += want[i] * want[i];
    }
    return sqrt(error / size);
}

/* ---- what is computed ------------------------------------------------------------------------------------------------ */

typedef ae_tensor *(*function)(void);

/* bit 0: x is bf16, bit 1: residual is */
static int narrow_inputs;

static ae_tensor *input(ae_tensor *t, int bit)
{
    return narrow_inputs & bit ? ae_cast(g, t, AE_BF16) : t;
}

static ae_tensor *linear(void)
{
    return ae_f_linear(g, input(p.x, 1), p.weight, p.bias);
}

static ae_tensor *linear_in_out(void)
{
    return ae_f_linear_in_out(g, input(p.x, 1), p.weight, p.bias);
}

static ae_tensor *act_linear(void)
{
    return ae_f_act_linear(g, AE_GEMM_GELU, input(p.x, 1), p.weight, p.bias, false);
}

static ae_tensor *layer_norm(void)
{
    return ae_f_layer_norm(g, input(p.x, 1), p.gamma, p.beta, 1e-5);
}

static ae_tensor *layer_norm_uer(void)
{
    return ae_f_layer_norm_uer(g, input(p.x, 1), p.gamma, p.beta, 1e-6);
}

static ae_tensor *rms_norm(void)
{
    return ae_f_rms_norm(g, input(p.x, 1), p.gamma, 1e-6);
}

static ae_tensor *residual_norm(void)
{
    return ae_f_dropout_add_layer_norm(g, input(p.x, 1), input(p.residual, 2), 0, p.gamma, p.beta, 1e-5);
}

static ae_tensor *residual_norm_dropped(void)
{
    return ae_f_dropout_add_layer_norm(g, input(p.x, 1), input(p.residual, 2), 0.3, p.gamma, p.beta, 1e-5);
}

static ae_tensor *product(void)
{
    return ae_matmul(g, input(p.x, 1), p.weight);
}

typedef struct outcome {
    ae_dtype dtype;
    double *value;
    double *grad[6];
} outcome;

static ae_tensor *parameter(int i)
{
    ae_tensor *all[] = {p.x, p.residual, p.weight, p.bias, p.gamma, p.beta};
    return all[i];
}

static outcome run(function f, ae_dtype precision, unsigned flags)
{
    outcome o = {0};
    ae_model_zero_grad(p.root);
    ae_graph_precision(g, precision);
    ae_graph_random(g, 3, 1, 0, 0);
    ae_graph_begin(g, flags);
    ae_tensor *y = f();
    o.dtype = y->dtype;
    o.value = calloc((size_t)ae_numel(y), sizeof *o.value);
    assert_int_equal(ae_read(y, AE_F64, o.value, ae_numel(y)), 0);
    /* the loss weighs every element differently, so that gradients do not cancel */
    ae_tensor *loss = ae_sum(g, ae_mul(g, ae_to_f32(g, y), p.residual), 0, NULL, false);
    assert_int_equal(loss->dtype, AE_F32);
    if (ae_backward(g, loss, 0) != 0) {
        fail_msg("%s", ae_graph_error(g)->message);
    }
    for (int i = 0; i < 6; i++) {
        ae_tensor *grad = parameter(i)->grad;
        if (grad) {
            assert_int_equal(grad->dtype, AE_F32);
            o.grad[i] = calloc((size_t)ae_numel(grad), sizeof(double));
            assert_int_equal(ae_read(grad, AE_F64, o.grad[i], ae_numel(grad)), 0);
        }
    }
    ae_graph_precision(g, AE_F32);
    return o;
}

static void outcome_free(outcome *o)
{
    free(o->value);
    for (int i = 0; i < 6; i++) {
        free(o->grad[i]);
    }
}

/* Values and gradients within bf16's rounding of f32's, and not f32's themselves. */
static void expect_rounded(const char *what, const outcome *o, const outcome *f32)
{
    double d = distance(o->value, f32->value, ROWS * WIDTH);
    if (!(d > 1e-4 && d < 0.01)) {
        fail_msg("%s, inputs %d: values are %g apart", what, narrow_inputs, d);
    }
    for (int i = 0; i < 6; i++) {
        assert_true(!o->grad[i] == !f32->grad[i]);
        d = o->grad[i] ? distance(o->grad[i], f32->grad[i], ae_numel(parameter(i))) : 0;
        if (!(d < 0.015)) {
            fail_msg("%s, inputs %d: gradients of %s are %g apart", what, narrow_inputs, parameter(i)->name, d);
        }
    }
}

static void results_are_bf16(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        function f;
        bool mixes; /* gives bf16 from bf16 alone */
    } cases[] = {{"linear", linear, false},
                 {"linear_in_out", linear_in_out, false},
                 {"act_linear", act_linear, false},
                 {"layer_norm", layer_norm, false},
                 {"layer_norm_uer", layer_norm_uer, false},
                 {"rms_norm", rms_norm, false},
                 {"dropout_add_layer_norm", residual_norm, false},
                 {"dropout_add_layer_norm with dropout", residual_norm_dropped, false},
                 {"matmul", product, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        narrow_inputs = 0;
        outcome f32 = run(cases[i].f, AE_F32, AE_TRAIN);
        assert_int_equal(f32.dtype, AE_F32);
        for (narrow_inputs = 0; narrow_inputs < 4; narrow_inputs++) {
            outcome bf16 = run(cases[i].f, AE_BF16, AE_TRAIN);
            assert_int_equal(bf16.dtype, cases[i].mixes && !(narrow_inputs & 1) ? AE_F32 : AE_BF16);
            expect_rounded(cases[i].name, &bf16, &f32);
            outcome decomposed = run(cases[i].f, AE_BF16, AE_TRAIN | AE_HIGHER_ORDER);
            assert_int_equal(decomposed.dtype, bf16.dtype);
            expect_rounded(cases[i].name, &decomposed, &f32);
            outcome_free(&bf16);
            outcome_free(&decomposed);
        }
        outcome_free(&f32);
    }
    narrow_inputs = 0;
}

/* A residual stream that began in f32 stays there; losses, and what weighs them, are f32 from bf16 logits. */
static void what_stays_in_f32(void **state)
{
    (void)state;
    ae_graph_precision(g, AE_BF16);
    ae_graph_begin(g, AE_TRAIN);
    ae_tensor *logits = linear();
    assert_int_equal(ae_add(g, p.x, logits)->dtype, AE_F32);
    assert_int_equal(ae_add(g, logits, logits)->dtype, AE_BF16);
    assert_int_equal(ae_gelu(g, logits)->dtype, AE_BF16);
    assert_int_equal(ae_softmax(g, logits, -1)->dtype, AE_BF16);
    int64_t labels[ROWS] = {0};
    ae_tensor *targets = ae_from_data(g, AE_I64, 1, (int64_t[]){ROWS}, labels);
    assert_int_equal(ae_cross_entropy(g, logits, targets, NULL)->dtype, AE_F32);
    assert_int_equal(ae_linear_cross_entropy(g, logits, p.weight, p.bias, targets, NULL)->dtype, AE_F32);
    assert_int_equal(ae_mse_loss(g, logits, p.x, AE_REDUCE_MEAN)->dtype, AE_F32);
    assert_int_equal(ae_nll_loss(g, ae_log_softmax(g, logits, -1), targets, NULL)->dtype, AE_F32);
    assert_int_equal(ae_kl_div(g, logits, logits, AE_REDUCE_MEAN)->dtype, AE_F32);
    assert_int_equal(ae_cosine_similarity(g, logits, logits, -1, 1e-8)->dtype, AE_F32);
    assert_true(ae_ok(g));
    ae_graph_precision(g, AE_F32);
}

/* Without the precision, bf16 and f32 meet in the wider one, and a parameter may stay f32. */
static void without_the_precision(void **state)
{
    (void)state;
    ae_graph_begin(g, AE_EVAL);
    ae_tensor *x = ae_cast(g, p.x, AE_BF16);
    assert_int_equal(ae_f_linear(g, x, p.weight, p.bias)->dtype, AE_BF16);
    assert_int_equal(ae_f_layer_norm(g, x, p.gamma, p.beta, 1e-5)->dtype, AE_BF16);
    assert_int_equal(ae_matmul(g, x, p.weight)->dtype, AE_F32);
    ae_f_linear(g, p.x, ae_cast(g, p.weight, AE_BF16), NULL);
    expect_error(AE_E_DTYPE, "linear: x is f32, weight bf16, bias left out; they must be of one float dtype, or x bf16 "
                             "and the others f32");
    ae_f_layer_norm(g, p.x, ae_cast(g, p.gamma, AE_BF16), NULL, 1e-5);
    expect_error(AE_E_DTYPE, "layer_norm: x is f32 and input 1 [130] is bf16; cast one of them");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(results_are_bf16), cmocka_unit_test(what_stays_in_f32),
                                       cmocka_unit_test(without_the_precision)};
    return cmocka_run_group_tests(tests, make_parameters, free_parameters);
}
