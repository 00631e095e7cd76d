/* Updates inside backward: the numbers of backward and a step behind it to the bit, for every rule, for tied and shared
 * parameters, with layers recomputed too; less memory; and what cannot be done so is refused. */
#include "small_training.h"

typedef struct outcome {
    double loss[STEPS], norm[STEPS];
    int updated;
    int64_t peak; /* of the pool, in the last step */
    ae_tensors *states;
    ae_model *model;
} outcome;

typedef struct way {
    const char *rule;
    bool early, recompute;
    double clip_value;
} way;

static void one_step(const training *t, const way *w, int i, outcome *o)
{
    ae_graph *g = t->g;
    ae_optimizer *opt = t->opt;
    ae_tensors *outputs = ae_tensors_new();
    ae_graph_begin(g, AE_TRAIN); /* what the step before made is no part of the peak */
    ae_pool_reset_peak(ae_graph_pool(g));
    ae_tensor *loss = forward(t, (uint64_t)i, true, outputs);
    o->loss[i] = loss ? ae_item(loss) : (double)NAN;
    int status = w->early                       ? ae_optimizer_backward(opt, g, loss, 1e-2)
                 : ae_backward(g, loss, 0) == 0 ? ae_optimizer_step(opt, g, 1e-2)
                                                : -1;
    if (status != 0) {
        fail_msg("%s: %s", w->rule, ae_graph_error(g)->message);
    }
    o->norm[i] = ae_optimizer_report(opt).grad_norm;
    o->updated = ae_optimizer_report(opt).updated;
    o->peak = ae_pool_get_stats(ae_graph_pool(g)).peak;
    assert_int_equal(ae_optimizer_report(opt).step, i + 1);
    ae_tensors_free(outputs);
}

static outcome train(const char *class_name, const char *config, way w)
{
    ae_err e = {0};
    outcome o = {.states = ae_tensors_new()};
    ae_optim_config rule = ae_optim_defaults(w.rule);
    rule.clip_value = w.clip_value;
    training t = begin_training(class_name, config, &rule);
    ae_graph_sparse_gradients(t.g, true); /* tables that are only looked up get theirs by rows */
    if (w.recompute) {
        assert_int_equal(ae_zoo_recompute(t.f.row, t.f.self, t.g, &e), 0);
    }
    for (int i = 0; i < STEPS; i++) {
        one_step(&t, &w, i, &o);
    }
    assert_int_equal(ae_optimizer_save(t.opt, o.states, &e), 0);
    o.model = end_training(&t);
    return o;
}

static void free_outcome(outcome *o)
{
    ae_tensors_free(o->states);
    ae_model_free(o->model);
}

static void same_outcome(const outcome *a, const outcome *b)
{
    assert_true(isfinite(a->loss[0]) && a->loss[2] != a->loss[0] && a->norm[0] > 0);
    assert_memory_equal(a->loss, b->loss, sizeof a->loss);
    assert_memory_equal(a->norm, b->norm, sizeof a->norm);
    assert_int_equal(a->updated, b->updated);
    same_weights(a->model, b->model);
    assert_int_equal(ae_tensors_count(a->states), ae_tensors_count(b->states));
    for (int i = 0; i < ae_tensors_count(a->states); i++) {
        const ae_tensor *x = ae_tensors_at(a->states, i), *y = ae_tensors_get(b->states, ae_tensors_name(a->states, i));
        assert_memory_equal(x->data, y->data, (size_t)ae_numel(x) * ae_dtype_size(x->dtype));
    }
}

/* ---- tests --------------------------------------------------------------------------------------------------------- */

static void every_rule_gives_the_same(void **state)
{
    (void)state;
    for (int i = 0; i < ae_optim_count(); i++) {
        if (strcmp(ae_optim_name(i), "lbfgs") == 0) {
            continue;
        }
        outcome two = train("BertForPreTraining", BERT "}", (way){.rule = ae_optim_name(i)});
        outcome one = train("BertForPreTraining", BERT "}", (way){.rule = ae_optim_name(i), .early = true});
        same_outcome(&two, &one);
        assert_true(one.peak < two.peak);
        free_outcome(&two);
        free_outcome(&one);
    }
}

/* Tied tables, and layers that are one: their gradients are complete after the last use, in recomputed layers too. */
static void every_model_gives_the_same(void **state)
{
    (void)state;
    static const char *const models[][2] = {
        {"GPT2LMHeadModel", GPT2},
        {"BertForMaskedLM", BERT ",\"position_embedding_type\":\"relative_key\"}"},
        {"Composed", COMPOSED MLM ",\"parameter_sharing\":true}"},
        {"Composed", COMPOSED MLM ",\"layernorm\":\"t5\",\"relative_position_embedding\":true}"},
    };
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        outcome two = train(models[i][0], models[i][1], (way){.rule = "adamw", .clip_value = 1e-3});
        for (int recompute = 0; recompute < 2; recompute++) {
            outcome one = train(models[i][0], models[i][1], (way){"adamw", true, recompute, 1e-3});
            same_outcome(&two, &one);
            assert_true(one.peak <= two.peak); /* it may lie in the forward pass */
            free_outcome(&one);
        }
        free_outcome(&two);
    }
}

static ae_tensor *loss_of(ae_graph *g, ae_tensor *p, double scale)
{
    ae_graph_begin(g, AE_TRAIN);
    return ae_sum(g, ae_square(g, ae_scale(g, p, scale)), 0, NULL, false);
}

static void refuses(ae_model *m, ae_tensor *p, const ae_optim_config *config, double lr, const char *message)
{
    ae_err e = {0};
    ae_graph *g = ae_graph_new();
    ae_optimizer *opt = ae_optimizer_new(m, config, &e);
    double before = ae_get_f64(p, 1);
    assert_non_null(opt);
    assert_int_equal(ae_optimizer_backward(opt, g, loss_of(g, p, 1), lr), -1);
    assert_string_equal(ae_graph_error(g)->message, message);
    assert_true(ae_get_f64(p, 1) == before && !p->grad);
    assert_int_equal(ae_optimizer_report(opt).step, 0);
    ae_optimizer_free(opt);
    ae_graph_free(g);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    ae_model *m = ae_model_new(1);
    ae_tensor *p = ae_param(m, "p", 1, (int64_t[]){3}, ae_init_normal(1));
    ae_optim_config config = ae_optim_defaults("sgd"), lbfgs = ae_optim_defaults("lbfgs");
    refuses(m, p, &config, -1, "optimizer: the rate must be finite and at least 0; it is -1");
    refuses(m, p, &lbfgs, 1, "optimizer: lbfgs evaluates the function itself; call ae_optimizer_minimise");
    config.clip_norm = 2;
    refuses(m, p, &config, 0.1,
            "optimizer: clipping by the norm of all gradients (clip_norm 2) needs all of them; an update inside "
            "backward goes without it, or with clip_value");
    ae_model_free(m);
}

/* A gradient that is not finite leaves its own parameter alone, and a graph that has failed changes nothing. */
static void failures_stop_the_update(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_model *m = ae_model_new(1);
    ae_graph *g = ae_graph_new();
    ae_tensor *p = ae_param(m, "p", 1, (int64_t[]){3}, ae_init_normal(1));
    ae_optim_config config = ae_optim_defaults("sgd");
    ae_optimizer *opt = ae_optimizer_new(m, &config, &e);
    double before = ae_get_f64(p, 1);
    assert_int_equal(ae_optimizer_backward(opt, g, loss_of(g, p, 1e30), 0.1), -1);
    assert_string_equal(ae_graph_error(g)->message,
                        "optimizer: the gradient of p is not finite, so the update stopped half way; look for the "
                        "operation with AE_ANOMALY, or lower the learning rate");
    assert_int_equal(ae_graph_error(g)->code, AE_E_NONFINITE);
    assert_true(ae_get_f64(p, 1) == before && !p->grad);
    ae_tensor *loss = loss_of(g, p, 1);
    ae_fail(g, AE_E_VALUE, "no");
    assert_int_equal(ae_optimizer_backward(opt, g, loss, 0.1), -1);
    assert_true(ae_get_f64(p, 1) == before && !p->grad);
    assert_int_equal(ae_optimizer_backward(opt, g, loss_of(g, p, 1), 0.25), 0);
    assert_true(fabs(ae_get_f64(p, 1) - before / 2) < 1e-6);
    ae_optimizer_free(opt);
    ae_graph_free(g);
    ae_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_gives_the_same),
        cmocka_unit_test(every_model_gives_the_same),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(failures_stop_the_update),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
