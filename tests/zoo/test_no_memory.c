/* Every allocation of a training step, of large vocabularies' parts, of generating, and of reading, converting and
 * writing a model fails in turn, alone and with all that follow: what was begun ends with an error that says so, or
 * with the right result, and nothing leaks. */
#include "memory_faults.h"

#include "apps/weights.h"
#include "nn/adaptive_softmax.h"
#include "nn/optimizer.h"
#include "nn/sampled_softmax.h"
#include "zoo/beam_search.h"
#include "zoo/bert.h"
#include "zoo/gpt2.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* One way through the library: 0 and a number that is always the same, or -1 and the message. */
typedef int (*scenario)(double *result, ae_err *e);

/* ---- a training step ------------------------------------------------------------------------------------------------ */

static const char config_text[] =
    "{\"vocab_size\":31,\"hidden_size\":8,\"num_hidden_layers\":1,\"num_attention_heads\":2,\"intermediate_size\":12,"
    "\"max_position_embeddings\":6,\"type_vocab_size\":2}";

static int graph_error(const ae_graph *g, ae_err *e)
{
    return ae_ok(g) ? 0 : ae_err_set(e, ae_graph_error(g)->code, "%s", ae_graph_error(g)->message);
}

/* The loss of a batch of 2 x 6 packed tokens, its gradient, and one step; the result is the loss of the next one. */
static int steps(ae_model *m, struct ae_bert *b, ae_graph *g, ae_optimizer *opt, double *result, ae_err *e)
{
    for (int step = 0; step < 2; step++) {
        ae_graph_begin(g, AE_TRAIN);
        ae_tensor *ids = ae_randint(g, 2, (int64_t[]){2, 6}, 1, 31);
        ae_tensor *mask = ae_from_data(g, AE_I64, 2, (int64_t[]){2, 6}, (int64_t[12]){1, 1, 1, 1, 1, 1, 1, 1, 1});
        ae_bert_inputs in = {.input_ids = ids, .attention_mask = mask, .packed = true};
        ae_tensor *loss = ae_bert_mlm_loss(g, b, ae_bert_encode(g, b, &in), ids);
        *result = ae_item(loss);
        if (ae_backward(g, loss, 0) != 0 || (step == 0 && ae_optimizer_step(opt, g, 0.1) != 0)) {
            return graph_error(g, e);
        }
    }
    return ae_model_ok(m) ? graph_error(g, e)
                          : ae_err_set(e, ae_model_error(m)->code, "%s", ae_model_error(m)->message);
}

static int train(double *result, ae_err *e)
{
    struct ae_bert b = {0};
    ae_json *config = ae_json_parse(config_text, sizeof config_text - 1, e);
    ae_model *m = ae_model_new(1);
    ae_graph *g = ae_graph_new();
    ae_optimizer *opt = NULL;
    const ae_zoo_model *row = ae_zoo_find("BertForMaskedLM");
    int status = -1;
    if (!config || !m || !g) {
        ae_err_set(e, AE_E_MEMORY, "no memory to begin");
    } else {
        row->build(m, &b, config, row->kind);
        ae_optim_config rule = ae_optim_defaults("adamw");
        opt = ae_model_ok(m) ? ae_optimizer_new(m, &rule, e) : NULL;
        if (!ae_model_ok(m)) {
            ae_err_set(e, ae_model_error(m)->code, "%s", ae_model_error(m)->message);
        }
        status = opt ? steps(m, &b, g, opt, result, e) : -1;
    }
    ae_optimizer_free(opt);
    ae_graph_free(g);
    ae_model_free(m);
    ae_json_free(config);
    return status;
}

/* ---- a large vocabulary ------------------------------------------------------------------------------------------------ */

/* Two rounds of look-ups, whose gradients are kept by rows, an adaptive embedding and softmax, a sampled one, and a
 * step; the result is the loss of the next round. */
static int vocabulary_rounds(ae_graph *g, ae_tensor *table, const struct ae_adaptive_embedding *embedding,
                             const struct ae_adaptive_softmax *softmax, ae_optimizer *opt, double *result)
{
    for (int round = 0; round < 3 && ae_ok(g); round++) {
        ae_graph_begin(g, AE_TRAIN);
        ae_tensor *ids = ae_from_data(g, AE_I64, 1, (int64_t[]){4}, (int64_t[]){1, 30 + round, 9, 30});
        ae_tensor *x = ae_add(g, ae_f_embedding(g, table, ids, 1), ae_adaptive_embedding(g, embedding, ids));
        struct ae_candidates drawn = ae_log_uniform_candidates(g, 64, 5);
        ae_tensor *loss = ae_adaptive_softmax_loss(g, softmax, x, ids, -100, AE_REDUCE_MEAN);
        ae_tensor *other = ae_sampled_softmax_loss(g, x, table, NULL, ids, &drawn, -100, AE_REDUCE_MEAN);
        loss = ae_add(g, loss, other);
        *result = ae_item(loss);
        if (ae_backward(g, loss, 0) == 0 && round == 1) {
            ae_optimizer_step(opt, g, 0.1);
        }
    }
    return ae_ok(g) ? 0 : -1;
}

static int vocabulary(double *result, ae_err *e)
{
    struct ae_adaptive_embedding embedding;
    struct ae_adaptive_softmax softmax;
    ae_adaptive_layout layout = {.classes = 64,
                                 .cutoffs = (const int64_t[]){8, 20},
                                 .n_cutoffs = 2,
                                 .width = 8,
                                 .outer = 6,
                                 .div_value = 2,
                                 .init = ae_init_normal(0.1),
                                 .proj_init = ae_init_normal(0.1)};
    ae_model *m = ae_model_new(1);
    ae_graph *g = ae_graph_new();
    int status = m && g ? 0 : ae_err_set(e, AE_E_MEMORY, "no memory to begin");
    ae_optimizer *opt = NULL;
    if (status == 0) {
        ae_optim_config rule = ae_optim_defaults("adafactor");
        ae_tensor *table = ae_param(m, "table", 2, (int64_t[]){64, 6}, ae_init_normal(0.1));
        ae_graph_sparse_gradients(g, true);
        ae_adaptive_embedding_init(m, &embedding, "embedding", &layout);
        ae_adaptive_softmax_init_transfo_xl(m, &softmax, "softmax", &layout, &embedding, NULL);
        opt = ae_optimizer_new(m, &rule, e);
        status = opt ? vocabulary_rounds(g, table, &embedding, &softmax, opt, result) : -1;
        status = opt && status != 0 ? graph_error(g, e) : status;
    }
    ae_optimizer_free(opt);
    ae_graph_free(g);
    ae_model_free(m);
    return status;
}

/* ---- generation ------------------------------------------------------------------------------------------------------ */

static int generate_both_ways(ae_graph *g, struct ae_gpt2 *p, ae_tensor *ids, double *result, ae_err *e)
{
    static const int64_t end = 3;
    ae_decoder d = ae_zoo_find("GPT2LMHeadModel")->decoder(p);
    ae_generate_options o = {.max_new_tokens = 3, .eos = {&end, 1}, .repetition_penalty = 1.2};
    ae_beam_options beams = {.rules = o, .num_beams = 2, .length_penalty = 1};
    ae_tensor *found[2] = {0}, *scores = NULL, *totals = NULL;
    int status = ae_generate(g, &d, ids, NULL, &o, &found[0], &scores, e);
    status = status == 0 ? ae_beam_search(g, &d, ids, NULL, &beams, &found[1], &totals, NULL, e) : -1;
    *result = 0;
    for (int i = 0; i < 2 && status == 0; i++) {
        for (int64_t k = 0; k < ae_numel(found[i]); k++) {
            *result = *result * 3 + (double)ae_get_i64(found[i], k);
        }
    }
    ae_tensor_free(found[0]);
    ae_tensor_free(found[1]);
    ae_tensor_free(scores);
    ae_tensor_free(totals);
    return status;
}

/* The loss of the same texts, by the copies of the weights. */
static int loss_of_texts(ae_graph *g, struct ae_gpt2 *p, ae_tensor *ids, double *result, ae_err *e)
{
    ae_gpt2_inputs in = {.input_ids = ids};
    ae_graph_begin(g, AE_EVAL);
    *result = ae_item(ae_gpt2_lm_loss(g, p, ae_gpt2_encode(g, p, &in), ids));
    return graph_error(g, e);
}

typedef int (*gpt2_use)(ae_graph *g, struct ae_gpt2 *p, ae_tensor *ids, double *result, ae_err *e);

static int use_gpt2(gpt2_use use, const char *text, ae_dtype precision, double *result, ae_err *e)
{
    const ae_zoo_model *row = ae_zoo_find("GPT2LMHeadModel");
    struct ae_gpt2 p = {0};
    ae_json *config = ae_json_parse(text, strlen(text), e);
    ae_model *m = ae_model_new(1);
    ae_graph *g = ae_graph_new();
    ae_tensor *ids = ae_tensor_new(AE_I64, 2, (int64_t[]){2, 5}, e);
    int status = -1;
    if (!config || !m || !g || !ids) {
        ae_err_set(e, AE_E_MEMORY, "no memory to begin");
    } else {
        row->build(m, &p, config, row->kind);
        if (!ae_model_ok(m)) {
            ae_err_set(e, ae_model_error(m)->code, "%s", ae_model_error(m)->message);
        } else {
            ae_graph_precision(g, precision);
            status = use(g, &p, ids, result, e);
        }
    }
    ae_tensor_free(ids);
    ae_graph_free(g);
    ae_model_free(m);
    ae_json_free(config);
    return status;
}

static int generate(double *result, ae_err *e)
{
    static const char small[] = "{\"vocab_size\":11,\"n_embd\":8,\"n_layer\":1,\"n_head\":2,\"n_positions\":8}";
    return use_gpt2(generate_both_ways, small, AE_F32, result, e);
}

/* Wide enough for copies of the weights, which are made on the way. */
static const char wide[] = "{\"vocab_size\":64,\"n_embd\":64,\"n_layer\":1,\"n_head\":2,\"n_positions\":8}";

static int generate_in_int8(double *result, ae_err *e)
{
    return use_gpt2(generate_both_ways, wide, AE_I8, result, e);
}

static int loss_in_int8(double *result, ae_err *e)
{
    return use_gpt2(loss_of_texts, wide, AE_I8, result, e);
}

static int generate_in_bf16(double *result, ae_err *e)
{
    return use_gpt2(generate_both_ways, wide, AE_BF16, result, e);
}

/* ---- model files ----------------------------------------------------------------------------------------------------- */

static double sum_of(const ae_tensors *tensors)
{
    double sum = 0;
    for (int i = 0; i < ae_tensors_count(tensors); i++) {
        const ae_tensor *t = ae_tensors_at(tensors, i);
        for (int64_t k = 0; k < ae_numel(t); k++) {
            sum += ae_get_f64(t, k) * (double)(k % 7 + 1);
        }
    }
    return sum;
}

static int convert(const char *from, const char *names, const char *to, ae_weights_format format, double *result,
                   ae_err *e)
{
    ae_weights w = {0};
    int status = ae_weights_read(from, &w, e);
    status = status == 0 ? ae_weights_rename(&w, names, e) : -1;
    status = status == 0 ? ae_weights_write(to, format, &w, e) : -1;
    *result = status == 0 ? sum_of(w.tensors) : 0;
    ae_weights_free(&w);
    return status;
}

static int folder_to_model_file(double *result, ae_err *e)
{
    return convert(AE_TEST_DIR "/golden/bert_pretraining", "hf", "no_memory.h5", AE_WEIGHTS_H5, result, e);
}

static int model_file_to_uer(double *result, ae_err *e)
{
    return convert("no_memory_in.h5", "uer", "no_memory.bin", AE_WEIGHTS_TORCH, result, e);
}

/* ---- the failures ----------------------------------------------------------------------------------------------------- */

static void arm(long at, bool rest)
{
    atomic_store(&faults.calls, 0);
    atomic_store(&faults.hit, false);
    atomic_store(&faults.rest, rest);
    atomic_store(&faults.at, at);
}

/* Call number n of a scenario fails; returns false when the scenario has no such call. */
static bool fail_at(scenario run, long n, bool rest, double want)
{
    double result = 0;
    ae_err e = {0};
    long before = faults.live;
    arm(n, rest);
    int status = run(&result, &e);
    bool hit = atomic_load(&faults.hit);
    arm(-1, false);
    long after = faults.live;
    if (status == 0 && result != want) {
        fail_msg("allocation %ld%s: no error, and %.17g instead of %.17g", n, rest ? " and on" : "", result, want);
    }
    if (status != 0 && (!hit || !*e.message)) {
        fail_msg("allocation %ld%s: an error without a reason: \"%s\"", n, rest ? " and on" : "", e.message);
    }
    if (after != before) {
        fail_msg("allocation %ld%s: %ld blocks leaked; \"%s\"", n, rest ? " and on" : "", after - before, e.message);
    }
    return hit;
}

static void every_failure(scenario run)
{
    double want = 0, again = 0;
    ae_err e = {0};
    for (int i = 0; i < 2; i++) { /* caches that outlive a graph are filled now */
        if (run(&want, &e) != 0) {
            fail_msg("without a failure: %s", e.message);
        }
    }
    atomic_store(&faults.calls, 0);
    assert_int_equal(run(&again, &e), 0);
    assert_true(again == want);
    long calls = atomic_load(&faults.calls);
    assert_true(calls > 20);
    long stride = calls / 1500 + 1;
    for (int rest = 0; rest < 2; rest++) {
        long hits = 0;
        for (long n = 0; n < calls; n += stride) {
            hits += fail_at(run, n, rest != 0, want);
        }
        assert_true(hits >= calls / stride - 2);
    }
}

static void training(void **state)
{
    (void)state;
    every_failure(train);
}

static void large_vocabularies(void **state)
{
    (void)state;
    every_failure(vocabulary);
}

static void generation(void **state)
{
    (void)state;
    every_failure(generate);
    every_failure(generate_in_int8);
    every_failure(generate_in_bf16);
    every_failure(loss_in_int8);
}

static void model_files(void **state)
{
    (void)state;
    double sum;
    ae_err e = {0};
    every_failure(folder_to_model_file);
    assert_int_equal(convert(AE_TEST_DIR "/golden/bert_pretraining", "hf", "no_memory_in.h5", AE_WEIGHTS_H5, &sum, &e),
                     0);
    every_failure(model_file_to_uer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(training), cmocka_unit_test(large_vocabularies),
                                       cmocka_unit_test(generation), cmocka_unit_test(model_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
