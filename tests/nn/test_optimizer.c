/* Optimizers: the rules that no reference case covers, against their formulas in double; groups, clipping, refusals,
 * saving; L-BFGS against PyTorch's numbers. */
#include "nn/linear.h"
#include "nn/optimizer.h"
#include "tensor/threads.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- a small model with given gradients -------------------------------------------------------------------------------- */

enum { ROWS = 3, COLUMNS = 2, N = ROWS * COLUMNS };

typedef struct fixture {
    ae_model *m;
    ae_graph *g;
    ae_tensor *weight; /* layer.weight (3,2) */
    ae_tensor *bias;   /* layer.LayerNorm.bias (2) */
} fixture;

static const float start[N] = {1, -2, 0.5F, 3, -0.25F, 0.75F};

static fixture make(void)
{
    fixture f = {.m = ae_model_new(1), .g = ae_graph_new()};
    f.weight = ae_param(f.m, "layer.weight", 2, (int64_t[]){ROWS, COLUMNS}, ae_init_zeros());
    f.bias = ae_param(f.m, "layer.LayerNorm.bias", 1, (int64_t[]){COLUMNS}, ae_init_zeros());
    memcpy(f.weight->data, start, sizeof start);
    memcpy(f.bias->data, start, 2 * sizeof(float));
    ae_graph_begin(f.g, AE_TRAIN);
    return f;
}

static void drop(fixture f)
{
    ae_graph_free(f.g);
    ae_model_free(f.m);
}

static void give(ae_tensor *p, double scale, int t)
{
    ae_tensor_free(p->grad);
    p->grad = ae_tensor_new(AE_F32, p->ndim, p->shape, NULL);
    for (int64_t i = 0; i < ae_numel(p); i++) {
        ((float *)p->grad->data)[i] = (float)(scale * sin((double)(i + 1) * (t + 1)));
    }
}

static double gradient(int i, int t)
{
    return (double)(float)sin((double)(i + 1) * (t + 1));
}

static ae_optimizer *optimizer(fixture f, const ae_optim_config *c)
{
    ae_err e = {0};
    ae_optimizer *opt = ae_optimizer_new(f.m, c, &e);
    if (!opt) {
        fail_msg("%s", e.message);
    }
    return opt;
}

static void near(const ae_tensor *p, const double *want, double tolerance)
{
    for (int64_t i = 0; i < ae_numel(p); i++) {
        double got = (double)((float *)p->data)[i];
        if (!(fabs(got - want[i]) <= tolerance * (1 + fabs(want[i])))) {
            fail_msg("%s: element %d is %.9g and should be %.9g", p->name, (int)i, got, want[i]);
        }
    }
}

/* ---- rules by their formulas ------------------------------------------------------------------------------------------- */

/* Adam with a correction of the rate by c(t) and decoupled decay: p -= lr c m/(sqrt v + eps) + decay p. */
static void adam_by_hand(const ae_optim_config *c, double lr, int steps, bool kiros, bool decay_corrected, double wd,
                         double *p)
{
    double m[N] = {0};
    double v[N] = {0};
    for (int i = 0; i < N; i++) {
        p[i] = (double)start[i];
    }
    for (int t = 1; t <= steps; t++) {
        double b1 = kiros ? 1 - c->beta1 : c->beta1;
        double b2 = kiros ? 1 - c->beta2 : c->beta2;
        double step = lr * sqrt(1 - pow(b2, t)) / (1 - pow(b1, t));
        for (int i = 0; i < N; i++) {
            double g = gradient(i, t);
            m[i] = c->beta1 * m[i] + (1 - c->beta1) * g;
            v[i] = c->beta2 * v[i] + (1 - c->beta2) * g * g;
            p[i] -= step * m[i] / (sqrt(v[i]) + c->eps) + (decay_corrected ? step : lr) * wd * p[i];
        }
    }
}

static void check_adam(const char *rule, bool kiros, bool decay_corrected, double wd)
{
    fixture f = make();
    double want[N];
    ae_optim_config c = ae_optim_defaults(rule);
    c.weight_decay = wd;
    ae_optimizer *opt = optimizer(f, &c);
    for (int t = 1; t <= 5; t++) {
        give(f.weight, 1, t);
        assert_int_equal(ae_optimizer_step(opt, f.g, 0.03), 0);
    }
    adam_by_hand(&c, 0.03, 5, kiros, decay_corrected, wd, want);
    near(f.weight, want, 2e-6);
    ae_optimizer_free(opt);
    drop(f);
}

static void test_adams_of_the_papers(void **state)
{
    (void)state;
    check_adam("adam_gpt1", false, true, 0.1);
    check_adam("adamw_fairseq", false, false, 0.1);
    check_adam("adam_kiros", true, false, 0);
}

static void test_gpt1_leaves_vectors_undecayed(void **state)
{
    (void)state;
    fixture f = make();
    ae_optim_config c = ae_optim_defaults("adam_gpt1");
    c.weight_decay = 0.5;
    ae_optimizer *opt = optimizer(f, &c);
    give(f.weight, 0, 1);
    give(f.bias, 0, 1);
    assert_int_equal(ae_optimizer_step(opt, f.g, 0.1), 0);
    assert_true(((float *)f.weight->data)[0] < 1);
    assert_true(((float *)f.bias->data)[0] == 1);
    ae_optimizer_free(opt);
    drop(f);
}

static double rms(const double *x, int n)
{
    double s = 0;
    for (int i = 0; i < n; i++) {
        s += x[i] * x[i];
    }
    return sqrt(s / n);
}

/* tensorflow/mesh's rule for one matrix, step after step, in double. */
static void mesh_by_hand(int rows, int columns, int steps, double lr, double *p)
{
    int n = rows * columns;
    double *vr = calloc((size_t)rows, sizeof *vr);
    double *vc = calloc((size_t)columns, sizeof *vc);
    double *u = calloc((size_t)n, sizeof *u);
    for (int t = 1; t <= steps; t++) {
        double b2 = 1 - pow(t, -0.8);
        double mean = 0;
        for (int r = 0; r < rows; r++) {
            double s = 0;
            for (int k = 0; k < columns; k++) {
                s += pow(gradient(r * columns + k, t), 2) + 1e-30;
            }
            vr[r] = b2 * vr[r] + (1 - b2) * s / columns;
            mean += vr[r] / rows;
        }
        for (int k = 0; k < columns; k++) {
            double s = 0;
            for (int r = 0; r < rows; r++) {
                s += pow(gradient(r * columns + k, t), 2) + 1e-30;
            }
            vc[k] = b2 * vc[k] + (1 - b2) * s / rows;
        }
        for (int i = 0; i < n; i++) {
            u[i] = gradient(i, t) / sqrt(vr[i / columns] / mean) / sqrt(vc[i % columns]);
        }
        double scale = lr * fmax(1e-3, rms(p, n)) / fmax(1, rms(u, n));
        for (int i = 0; i < n; i++) {
            p[i] -= scale * u[i];
        }
    }
    free(vr);
    free(vc);
    free(u);
}

static void test_adafactor_of_mesh(void **state)
{
    (void)state;
    enum { R = 130, C = 129 };
    ae_model *m = ae_model_new(1);
    ae_graph *g = ae_graph_new();
    ae_tensor *big = ae_param(m, "big", 2, (int64_t[]){R, C}, ae_init_normal(0.1));
    ae_tensor *flat = ae_param(m, "flat", 2, (int64_t[]){4, 200}, ae_init_normal(0.1));
    double *want = malloc(R * C * sizeof *want);
    for (int i = 0; i < R * C; i++) {
        want[i] = (double)((float *)big->data)[i];
    }
    mesh_by_hand(R, C, 3, 0.05, want);
    ae_optim_config c = ae_optim_defaults("adafactor_mesh");
    ae_optimizer *opt = ae_optimizer_new(m, &c, NULL);
    ae_graph_begin(g, AE_TRAIN);
    for (int t = 1; t <= 3; t++) {
        give(big, 1, t);
        give(flat, 1, t);
        assert_int_equal(ae_optimizer_step(opt, g, 0.05), 0);
    }
    near(big, want, 3e-6);
    assert_int_equal(ae_optimizer_bytes(opt), 4 * (R + C + 800)); /* one axis below 128: not factored */
    free(want);
    ae_optimizer_free(opt);
    ae_graph_free(g);
    ae_model_free(m);
}

static void test_lamb_with_correction(void **state)
{
    (void)state;
    fixture f = make();
    ae_optim_config c = ae_optim_defaults("lamb");
    c.correct_bias = true;
    c.weight_decay = 0.1;
    ae_optimizer *opt = optimizer(f, &c);
    give(f.weight, 1, 1);
    assert_int_equal(ae_optimizer_step(opt, f.g, 0.02), 0);
    double p[N];
    double u[N];
    for (int i = 0; i < N; i++) {
        p[i] = (double)start[i];
        u[i] = gradient(i, 1) / (fabs(gradient(i, 1)) + c.eps) + 0.1 * p[i];
    }
    double ratio = rms(p, N) / rms(u, N);
    for (int i = 0; i < N; i++) {
        p[i] -= 0.02 * ratio * u[i];
    }
    near(f.weight, p, 2e-6);
    ae_optimizer_free(opt);
    drop(f);
}

/* ---- groups ------------------------------------------------------------------------------------------------------------ */

static void test_groups_and_freezing(void **state)
{
    (void)state;
    fixture f = make();
    ae_tensor *head = ae_param(f.m, "head.weight", 1, (int64_t[]){2}, ae_init_ones());
    ae_tensor *still = ae_param(f.m, "still", 1, (int64_t[]){2}, ae_init_ones());
    ae_tensor *frozen = ae_param(f.m, "frozen", 1, (int64_t[]){2}, ae_init_ones());
    ae_tie(f.m, "decoder.weight", head);
    const ae_optim_group groups[] = {{"head.*", 0.5, 0}, {"still", 0, NAN}, {"*", 1, NAN}};
    ae_optim_config c = ae_optim_defaults("sgd");
    c.weight_decay = 0.25;
    c.no_decay = AE_NO_DECAY_BERT;
    c.groups = groups;
    c.n_groups = 3;
    ae_optimizer *opt = optimizer(f, &c);
    ae_model_freeze(f.m, "frozen", true);
    ae_tensor *all[] = {f.weight, f.bias, head, still, frozen};
    for (int i = 0; i < 5; i++) {
        give(all[i], 0, 0);
    }
    ((float *)head->grad->data)[0] = 1;
    uint64_t version = ae_param_version(head);
    assert_int_equal(ae_optimizer_step(opt, f.g, 0.5), 0);
    assert_true(((float *)f.weight->data)[0] == 1 - 0.5F * 0.25F);
    assert_true(((float *)f.bias->data)[0] == 1); /* not decayed */
    assert_true(((float *)head->data)[0] == 1 - 0.25F && ((float *)head->data)[1] == 1);
    assert_true(((float *)still->data)[0] == 1 && ((float *)frozen->data)[0] == 1);
    assert_int_equal(ae_optimizer_report(opt).updated, 3);
    assert_true(ae_param_version(head) > version);
    for (int i = 0; i < 5; i++) {
        assert_null(all[i]->grad);
    }
    ae_optimizer_free(opt);
    drop(f);
}

static void test_a_parameter_without_gradient_waits(void **state)
{
    (void)state;
    fixture f = make();
    ae_optim_config c = ae_optim_defaults("adam");
    ae_optimizer *opt = optimizer(f, &c);
    give(f.weight, 1, 1);
    assert_int_equal(ae_optimizer_step(opt, f.g, 0.1), 0);
    assert_memory_equal(f.bias->data, start, 2 * sizeof(float));
    assert_int_equal(ae_optimizer_bytes(opt), 2 * N * 4);
    give(f.bias, 1, 1);
    assert_int_equal(ae_optimizer_step(opt, f.g, 0.1), 0); /* its first update moves by the whole rate */
    assert_true(fabsf(((float *)f.bias->data)[0] - 0.9F) < 1e-5F);
    assert_int_equal(ae_optimizer_report(opt).step, 2);
    ae_optimizer_free(opt);
    drop(f);
}

/* ---- clipping and accumulation ----------------------------------------------------------------------------------------- */

static double clipped(ae_clip rule, double norm, double scale)
{
    fixture f = make();
    ae_optim_config c = ae_optim_defaults("sgd");
    c.clip_norm = 2;
    c.clip_rule = rule;
    c.weight_decay = 1;
    ae_optimizer *opt = optimizer(f, &c);
    give(f.weight, 0, 1);
    give(f.bias, 0, 1);
    ((float *)f.weight->grad->data)[0] = (float)(0.6 * norm);
    ((float *)f.bias->grad->data)[1] = (float)(0.8 * norm);
    ae_optimizer_scale_grad(opt, scale);
    assert_int_equal(ae_optimizer_step(opt, f.g, 0.5), 0);
    assert_true(fabs(ae_optimizer_report(opt).grad_norm - norm * scale) < 1e-5);
    double x = (double)((float *)f.weight->data)[0];
    ae_optimizer_free(opt);
    drop(f);
    return x;
}

static void test_clipping_by_norm(void **state)
{
    (void)state;
    assert_true(fabs(clipped(AE_CLIP_TORCH, 1, 1) - (1 - 0.5 * (0.6 + 1))) < 1e-6);
    assert_true(fabs(clipped(AE_CLIP_TORCH, 4, 1) - (1 - 0.5 * (2.4 * 2 / (4 + 1e-6) + 1))) < 1e-6);
    assert_true(fabs(clipped(AE_CLIP_TF, 4, 1) - (1 - 0.5 * (1.2 + 1))) < 1e-6);
    assert_true(fabs(clipped(AE_CLIP_TF, 0, 1) - 0.5) < 1e-6);
    assert_true(fabs(clipped(AE_CLIP_INFERSENT, 4, 1) - (1 - 0.25 * (2.4 + 1))) < 1e-6); /* decay shrinks too */
    assert_true(fabs(clipped(AE_CLIP_TF, 8, 0.5) - (1 - 0.5 * (1.2 + 1))) < 1e-6);       /* scaled before clipping */
    assert_true(fabs(clipped(AE_CLIP_TF, 2, 0.5) - (1 - 0.5 * (0.6 + 1))) < 1e-6);
}

static void test_clipping_by_value(void **state)
{
    (void)state;
    fixture f = make();
    ae_optim_config c = ae_optim_defaults("sgd");
    c.clip_value = 0.25;
    ae_optimizer *opt = optimizer(f, &c);
    ae_optimizer_scale_grad(opt, 0.5);
    give(f.weight, 0, 1);
    float *g = f.weight->grad->data;
    g[0] = 4;
    g[1] = -4;
    g[2] = 0.25F;
    assert_int_equal(ae_optimizer_step(opt, f.g, 1), 0);
    const float *p = f.weight->data;
    assert_true(p[0] == 0.75F && p[1] == -1.75F && p[2] == 0.375F && p[3] == 3);
    ae_optimizer_free(opt);
    drop(f);
}

static void test_rounds_add_up(void **state)
{
    (void)state;
    fixture f = make();
    ae_optim_config c = ae_optim_defaults("sgd");
    ae_optimizer *opt = optimizer(f, &c);
    for (int round = 0; round < 2; round++) {
        ae_graph_begin(f.g, AE_TRAIN);
        ae_tensor *loss = ae_sum(f.g, ae_scale(f.g, f.weight, round + 1), 0, NULL, false);
        assert_int_equal(ae_backward(f.g, loss, 0), 0);
    }
    ae_optimizer_scale_grad(opt, 0.5);
    assert_int_equal(ae_optimizer_step(opt, f.g, 1), 0);
    assert_true(((float *)f.weight->data)[0] == 1 - 1.5F);
    ae_optimizer_free(opt);
    drop(f);
}

/* ---- refusals ---------------------------------------------------------------------------------------------------------- */

static void refused(fixture f, ae_optimizer *opt, double lr, ae_code code, const char *message)
{
    assert_int_equal(ae_optimizer_step(opt, f.g, lr), -1);
    assert_int_equal(ae_graph_error(f.g)->code, code);
    if (!strstr(ae_graph_error(f.g)->message, message)) {
        fail_msg("got: %s", ae_graph_error(f.g)->message);
    }
    assert_memory_equal(f.weight->data, start, sizeof start);
    assert_null(f.weight->grad);
    assert_null(f.bias->grad);
    assert_int_equal(ae_optimizer_report(opt).step, 0);
    ae_graph_begin(f.g, AE_TRAIN);
}

static void test_refusals(void **state)
{
    (void)state;
    fixture f = make();
    ae_optim_config c = ae_optim_defaults("adam");
    ae_optimizer *opt = optimizer(f, &c);
    uint64_t version = ae_param_version(f.weight);
    give(f.weight, 1, 1);
    give(f.bias, 1, 1);
    ((float *)f.bias->grad->data)[1] = NAN;
    refused(f, opt, 0.1, AE_E_NONFINITE, "the gradient of layer.LayerNorm.bias is not finite, so nothing was updated");
    give(f.weight, 1, 1);
    ((float *)f.weight->grad->data)[0] = INFINITY;
    refused(f, opt, 0.1, AE_E_NONFINITE, "the gradient of layer.weight is not finite");
    give(f.weight, 1, 1);
    refused(f, opt, -1, AE_E_VALUE, "optimizer: the rate must be finite and at least 0; it is -1");
    give(f.weight, 1, 1);
    refused(f, opt, NAN, AE_E_VALUE, "the rate must be finite");
    give(f.weight, 1, 1);
    ae_fail(f.g, AE_E_VALUE, "the loss went wrong");
    refused(f, opt, 0.1, AE_E_VALUE, "the loss went wrong");
    f.weight->grad = ae_tensor_new(AE_F64, 1, (int64_t[]){6}, NULL);
    refused(f, opt, 0.1, AE_E_SHAPE,
            "optimizer: the gradient of layer.weight must be contiguous f32 [3,2]; it is f64 [6]");
    assert_true(ae_param_version(f.weight) == version);
    give(f.weight, 1, 1);
    assert_int_equal(ae_optimizer_step(opt, f.g, 0.1), 0);
    ae_optimizer_free(opt);
    drop(f);
}

static void refuse_config(ae_model *m, ae_optim_config c, const char *message)
{
    ae_err e = {0};
    assert_null(ae_optimizer_new(m, &c, &e));
    if (strcmp(e.message, message) != 0) {
        fail_msg("got: %s", e.message);
    }
}

static void test_configurations_refused(void **state)
{
    (void)state;
    fixture f = make();
    ae_optim_config c = ae_optim_defaults("adamv");
    refuse_config(f.m, c, "optimizer: there is no rule adamv; did you mean adam?");
    c = ae_optim_defaults("zzzzzzzzz");
    refuse_config(f.m, c, "optimizer: there is no rule zzzzzzzzz; see AE_OPTIM_RULES");
    c = ae_optim_defaults("adam");
    c.beta1 = 1;
    refuse_config(f.m, c, "optimizer: beta1 of adam must lie in [0, 1); it is 1");
    c = ae_optim_defaults("adam");
    c.weight_decay = NAN;
    refuse_config(f.m, c, "optimizer: weight_decay of adam must be finite and at least 0; it is nan");
    c = ae_optim_defaults("sgd");
    c.nesterov = true;
    refuse_config(f.m, c, "optimizer: nesterov needs momentum above 0 and dampening 0; they are 0 and 0");
    c = ae_optim_defaults("sgd");
    c.clip_rule = (ae_clip)7;
    refuse_config(f.m, c, "optimizer: clip_rule must be one of AE_CLIP_*; it is 7");
    c = ae_optim_defaults("adafactor");
    c.factor_from = -1;
    refuse_config(f.m, c, "optimizer: factor_from must be at least 0; it is -1");
    const ae_optim_group nobody[] = {{"decoder.*", 1, NAN}};
    c = ae_optim_defaults("sgd");
    c.groups = nobody;
    c.n_groups = 1;
    refuse_config(f.m, c,
                  "optimizer: group 0 (decoder.*) holds no parameter: nothing matches it, or an earlier group does");
    const ae_optim_group negative[] = {{"*", -1, NAN}};
    c.groups = negative;
    refuse_config(
        f.m, c,
        "optimizer: group 0 (*) has lr_scale -1 and weight_decay nan; both must be finite and at least 0, and "
        "weight_decay may be NaN");
    c = ae_optim_defaults("lbfgs");
    c.history = 0;
    refuse_config(f.m, c, "optimizer: lbfgs needs history and max_iterations of at least 1; they are 0 and 20");
    c = ae_optim_defaults("lbfgs");
    c.clip_norm = 1;
    refuse_config(f.m, c,
                  "optimizer: lbfgs takes no groups, weight decay or clipping: they would bend its model of the "
                  "function; add the penalty to the loss");
    ae_model_fail(f.m, AE_E_VALUE, "building went wrong");
    refuse_config(f.m, ae_optim_defaults("sgd"), "building went wrong");
    drop(f);
}

static void test_the_list(void **state)
{
    (void)state;
    assert_int_equal(ae_optim_count(), 18);
    for (int i = 0; i < ae_optim_count(); i++) {
        ae_optim_config c = ae_optim_defaults(ae_optim_name(i));
        fixture f = make();
        ae_optimizer *opt = optimizer(f, &c);
        assert_true(strlen(ae_optim_source(i)) > 0 && strlen(ae_optim_formula(i)) > 0);
        ae_optimizer_free(opt);
        drop(f);
    }
    assert_null(ae_optim_name(-1));
    assert_null(ae_optim_source(18));
    assert_null(ae_optim_formula(18));
    ae_optimizer_free(NULL);
}

/* ---- threads ----------------------------------------------------------------------------------------------------------- */

static void run_on_threads(const char *rule, int threads, float *out, int64_t n)
{
    assert_int_equal(ae_set_threads(threads, NULL), 0);
    ae_model *m = ae_model_new(3);
    ae_graph *g = ae_graph_new();
    ae_tensor *p = ae_param(m, "p", 2, (int64_t[]){n / 100, 100}, ae_init_normal(1));
    ae_optim_config c = ae_optim_defaults(rule);
    c.clip_norm = 1;
    ae_optimizer *opt = ae_optimizer_new(m, &c, NULL);
    ae_graph_begin(g, AE_TRAIN);
    for (int t = 1; t <= 2; t++) {
        give(p, 1, t);
        assert_int_equal(ae_optimizer_step(opt, g, 0.01), 0);
    }
    memcpy(out, p->data, (size_t)n * sizeof(float));
    ae_optimizer_free(opt);
    ae_graph_free(g);
    ae_model_free(m);
    assert_int_equal(ae_set_threads(0, NULL), 0);
}

static void test_threads_change_nothing(void **state)
{
    (void)state;
    enum { SIZE = 70000 };
    float *a = malloc(SIZE * sizeof *a);
    float *b = malloc(SIZE * sizeof *b);
    for (int i = 0; i < ae_optim_count(); i++) {
        if (strcmp(ae_optim_name(i), "lbfgs") != 0) {
            run_on_threads(ae_optim_name(i), 1, a, SIZE);
            run_on_threads(ae_optim_name(i), 3, b, SIZE);
            assert_memory_equal(a, b, SIZE * sizeof *a);
        }
    }
    free(a);
    free(b);
}

/* ---- saving ------------------------------------------------------------------------------------------------------------ */

static void step(fixture f, ae_optimizer *opt, int t)
{
    give(f.weight, 1, t);
    if (t % 2) {
        give(f.bias, 1, t);
    }
    assert_int_equal(ae_optimizer_step(opt, f.g, 0.05), 0);
}

static void check_resume(const char *rule)
{
    ae_err e = {0};
    fixture f = make();
    fixture h = make();
    ae_optim_config c = ae_optim_defaults(rule);
    c.momentum = 0.9;
    ae_optimizer *whole = optimizer(f, &c);
    ae_optimizer *first = optimizer(h, &c);
    for (int t = 1; t <= 5; t++) {
        step(f, whole, t);
    }
    step(h, first, 1);
    step(h, first, 2);
    ae_tensors *saved = ae_tensors_new();
    assert_int_equal(ae_optimizer_save(first, saved, &e), 0);
    ae_optimizer_free(first);
    ae_optimizer *second = optimizer(h, &c);
    if (ae_optimizer_load(second, saved, &e) != 0) {
        fail_msg("%s: %s", rule, e.message);
    }
    assert_int_equal(ae_optimizer_report(second).step, 2);
    for (int t = 3; t <= 5; t++) {
        step(h, second, t);
    }
    assert_memory_equal(f.weight->data, h.weight->data, sizeof start);
    assert_memory_equal(f.bias->data, h.bias->data, 2 * sizeof(float));
    ae_tensors_free(saved);
    ae_optimizer_free(second);
    ae_optimizer_free(whole);
    drop(f);
    drop(h);
}

static void test_every_rule_resumes(void **state)
{
    (void)state;
    for (int i = 0; i < ae_optim_count(); i++) {
        if (strcmp(ae_optim_name(i), "lbfgs") != 0) {
            check_resume(ae_optim_name(i));
        }
    }
}

static void refuse_state(ae_optimizer *opt, const ae_tensors *in, const char *message)
{
    ae_err e = {0};
    assert_int_equal(ae_optimizer_load(opt, in, &e), -1);
    if (strcmp(e.message, message) != 0) {
        fail_msg("got: %s", e.message);
    }
}

static void add(ae_tensors *d, const char *name, ae_dtype dtype, int64_t n, double value)
{
    ae_tensor *t = ae_tensor_new(dtype, n < 0 ? 0 : 1, &n, NULL);
    ae_set_f64(t, 0, value);
    assert_int_equal(ae_tensors_add(d, name, t, NULL), 0);
}

static void test_states_refused(void **state)
{
    (void)state;
    fixture f = make();
    ae_optim_config c = ae_optim_defaults("adam");
    ae_optimizer *opt = optimizer(f, &c);
    step(f, opt, 1);
    ae_tensors *d = ae_tensors_new();
    refuse_state(opt, d, "optimizer: the count \"step\" is missing; is this an optimizer's state?");
    add(d, "step", AE_I64, -1, 1);
    add(d, "updates/layer.weight", AE_I64, -1, 1);
    refuse_state(opt, d, "optimizer: the state exp_avg/layer.weight of adam is missing");
    add(d, "exp_avg/layer.weight", AE_F32, 5, 1);
    refuse_state(opt, d, "optimizer: the state exp_avg/layer.weight must be [3,2]; it is [5]");
    ae_tensors_free(d);
    d = ae_tensors_new();
    add(d, "step", AE_I64, -1, 1);
    add(d, "momentum_buffer/layer.weight", AE_F32, 6, 0);
    refuse_state(opt, d,
                 "optimizer: the state momentum_buffer/layer.weight is not one of adam for this model; resume with the "
                 "rule and the model that wrote it");
    ae_tensors_free(d);
    d = ae_tensors_new();
    add(d, "step", AE_F32, -1, 1);
    refuse_state(opt, d, "optimizer: the state step must be one count");
    ae_tensors_free(d);
    assert_int_equal(ae_optimizer_report(opt).step, 1);
    ae_err e = {0};
    assert_int_equal(ae_optimizer_use_mean(opt, &e), -1);
    assert_string_equal(e.message, "optimizer: adam keeps no mean of the parameters; asgd and ae_average do");
    ae_optimizer_free(opt);
    drop(f);
}

/* ---- L-BFGS ------------------------------------------------------------------------------------------------------------ */

/* sum c (x - y)^2 + 0.1 sum x^4 + (y - 1)^2 over x (5) and y (1). */
typedef struct valley {
    ae_tensor *x, *y;
    int calls, fail_at;
} valley;

static int valley_loss(ae_graph *g, void *user, double *loss)
{
    valley *v = user;
    ae_graph_begin(g, AE_TRAIN);
    ae_tensor *c = ae_from_data(g, AE_F32, 1, (int64_t[]){5}, (float[]){1, 2, 3, 4, 5});
    ae_tensor *d = ae_sub(g, v->x, v->y);
    ae_tensor *square = ae_mul(g, v->x, v->x);
    ae_tensor *e = ae_add_scalar(g, v->y, -1);
    ae_tensor *sum = ae_add(g, ae_sum(g, ae_mul(g, c, ae_mul(g, d, d)), 0, NULL, false),
                            ae_scale(g, ae_sum(g, ae_mul(g, square, square), 0, NULL, false), 0.1));
    sum = ae_add(g, sum, ae_sum(g, ae_mul(g, e, e), 0, NULL, false));
    if (++v->calls == v->fail_at) {
        sum = ae_scale(g, sum, NAN);
    }
    *loss = ae_item(sum);
    return ae_backward(g, sum, 0);
}

static ae_model *make_valley(valley *v)
{
    ae_model *m = ae_model_new(1);
    *v = (valley){0};
    v->x = ae_param(m, "x", 1, (int64_t[]){5}, ae_init_zeros());
    v->y = ae_param(m, "y", 1, (int64_t[]){1}, ae_init_constant(0.5));
    memcpy(v->x->data, ((float[]){1, -1, 2, 0.5F, -2}), 5 * sizeof(float));
    return m;
}

static void at_point(const valley *v, const double *want, double tolerance)
{
    near(v->x, want, tolerance);
    near(v->y, want + 5, tolerance);
}

/* torch.optim.LBFGS(lr=0.2, max_iter=3, history_size=2) in f64: the point after each call. */
static const double torch_points[4][6] = {
    {0.9664214, -0.9116616, 1.7831367, 0.4613605, -1.6375615, 0.3463613},
    {0.8621653, -0.7148452, 1.3403607, 0.3448378, -1.0824416, 0.2831882},
    {0.7270099, -0.4714368, 0.9716853, 0.273372, -0.6465596, 0.273313},
    {0.5988512, -0.2323943, 0.717942, 0.266293, -0.3054659, 0.2488476},
};
static const double torch_losses[4] = {46.40625, 31.793490573948123, 16.07677173371958, 7.67727480405477};

static ae_optimizer *lbfgs(ae_model *m, bool wolfe)
{
    ae_optim_config c = ae_optim_defaults("lbfgs");
    c.strong_wolfe = wolfe;
    if (!wolfe) {
        c.max_iterations = 3;
        c.history = 2;
    }
    ae_optimizer *opt = ae_optimizer_new(m, &c, NULL);
    assert_non_null(opt);
    return opt;
}

static void test_lbfgs_as_torch(void **state)
{
    (void)state;
    ae_err e = {0};
    valley v;
    ae_model *m = make_valley(&v);
    ae_graph *g = ae_graph_new();
    ae_optimizer *opt = lbfgs(m, false);
    for (int t = 0; t < 4; t++) {
        double loss;
        if (t == 2) { /* goes on from a saved state */
            ae_tensors *saved = ae_tensors_new();
            assert_int_equal(ae_optimizer_save(opt, saved, &e), 0);
            ae_optimizer_free(opt);
            opt = lbfgs(m, false);
            assert_int_equal(ae_optimizer_load(opt, saved, &e), 0);
            ae_tensors_free(saved);
        }
        assert_int_equal(ae_optimizer_minimise(opt, g, 0.2, valley_loss, &v, &loss), 0);
        assert_true(fabs(loss - torch_losses[t]) < 1e-5 * torch_losses[t]);
        assert_int_equal(v.calls, 3 * (t + 1));
        at_point(&v, torch_points[t], 2e-6);
    }
    assert_true(ae_optimizer_bytes(opt) > 0);
    assert_int_equal(ae_optimizer_report(opt).step, 4);
    ae_optimizer_free(opt);
    ae_graph_free(g);
    ae_model_free(m);
}

static void test_lbfgs_finds_the_minimum(void **state)
{
    (void)state;
    const double least[6] = {0.6440551, 0.6677174, 0.676817, 0.6816479, 0.6846516, 0.6974864};
    valley v;
    ae_model *m = make_valley(&v);
    ae_graph *g = ae_graph_new();
    ae_optimizer *opt = lbfgs(m, true);
    double loss = 0;
    for (int t = 0; t < 3; t++) {
        assert_int_equal(ae_optimizer_minimise(opt, g, 1, valley_loss, &v, &loss), 0);
    }
    at_point(&v, least, 3e-4);
    assert_true(fabs(loss - 0.2008806) < 1e-6);
    assert_true(v.calls < 60);
    ae_optimizer_free(opt);
    ae_graph_free(g);
    ae_model_free(m);
}

/* From a rate far too large the line search must come back: no step may raise the loss. */
static void test_lbfgs_searches(void **state)
{
    (void)state;
    valley v;
    ae_model *m = make_valley(&v);
    ae_graph *g = ae_graph_new();
    ae_optim_config c = ae_optim_defaults("lbfgs");
    c.strong_wolfe = true;
    c.max_iterations = 1;
    c.max_evaluations = 30;
    ae_optimizer *opt = ae_optimizer_new(m, &c, NULL);
    double last = INFINITY;
    for (int t = 0; t < 12; t++) {
        double loss;
        assert_int_equal(ae_optimizer_minimise(opt, g, t == 0 ? 1e4 : 50, valley_loss, &v, &loss), 0);
        assert_true(loss < last || loss < 0.21);
        last = loss;
    }
    assert_true(last < 0.21);
    ae_optimizer_free(opt);
    ae_graph_free(g);
    ae_model_free(m);
}

static void test_lbfgs_refusals(void **state)
{
    (void)state;
    valley v;
    ae_model *m = make_valley(&v);
    ae_graph *g = ae_graph_new();
    ae_optimizer *opt = lbfgs(m, false);
    const double before[6] = {1, -1, 2, 0.5, -2, 0.5};
    v.fail_at = 3;
    assert_int_equal(ae_optimizer_minimise(opt, g, 0.2, valley_loss, &v, NULL), -1);
    assert_non_null(strstr(ae_graph_error(g)->message, "is not finite, so nothing was updated"));
    at_point(&v, before, 0);
    ae_graph_begin(g, AE_TRAIN);
    assert_int_equal(ae_optimizer_step(opt, g, 0.2), -1);
    assert_string_equal(ae_graph_error(g)->message,
                        "optimizer: lbfgs evaluates the function itself; call ae_optimizer_minimise");
    assert_int_equal(ae_optimizer_minimise(opt, g, 0, valley_loss, &v, NULL), -1);
    assert_string_equal(ae_graph_error(g)->message, "optimizer: the rate of lbfgs must be finite and above 0; it is 0");
    assert_int_equal(ae_optimizer_minimise(opt, g, 0.2, valley_loss, &v, NULL), 0);
    ae_model_freeze(m, "y", true);
    assert_int_equal(ae_optimizer_minimise(opt, g, 0.2, valley_loss, &v, NULL), -1);
    assert_string_equal(ae_graph_error(g)->message,
                        "optimizer: lbfgs remembers 6 elements and the trainable parameters "
                        "have 5; make a new optimizer after freezing");
    ae_optimizer_free(opt);
    ae_graph_free(g);
    ae_model_free(m);
}

static void test_minimise_with_another_rule(void **state)
{
    (void)state;
    valley v;
    ae_model *m = make_valley(&v);
    ae_graph *g = ae_graph_new();
    ae_optim_config c = ae_optim_defaults("sgd");
    ae_optimizer *opt = ae_optimizer_new(m, &c, NULL);
    double loss = 0;
    assert_int_equal(ae_optimizer_minimise(opt, g, 0.01, valley_loss, &v, &loss), 0);
    assert_true(fabs(loss - 46.40625) < 1e-4);
    assert_int_equal(v.calls, 1);
    assert_true(fabsf(((float *)v.x->data)[0] - (1 - 0.01F * (1 + 0.4F))) < 1e-6F);
    v.fail_at = 2;
    assert_int_equal(ae_optimizer_minimise(opt, g, 0.01, valley_loss, &v, &loss), -1);
    ae_optimizer_free(opt);
    ae_graph_free(g);
    ae_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adams_of_the_papers),     cmocka_unit_test(test_gpt1_leaves_vectors_undecayed),
        cmocka_unit_test(test_adafactor_of_mesh),       cmocka_unit_test(test_lamb_with_correction),
        cmocka_unit_test(test_groups_and_freezing),     cmocka_unit_test(test_a_parameter_without_gradient_waits),
        cmocka_unit_test(test_clipping_by_norm),        cmocka_unit_test(test_clipping_by_value),
        cmocka_unit_test(test_rounds_add_up),           cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_configurations_refused),  cmocka_unit_test(test_the_list),
        cmocka_unit_test(test_threads_change_nothing),  cmocka_unit_test(test_every_rule_resumes),
        cmocka_unit_test(test_states_refused),          cmocka_unit_test(test_lbfgs_as_torch),
        cmocka_unit_test(test_lbfgs_finds_the_minimum), cmocka_unit_test(test_lbfgs_searches),
        cmocka_unit_test(test_lbfgs_refusals),          cmocka_unit_test(test_minimise_with_another_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
