/* What a step holds, on a small BERT: the bytes that the rows declare and no more; and that a step costs the system
 * nothing from the second one on. */
#include "autograd/tape.h"
#include "nn/optimizer.h"
#include "zoo/bert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { H = 32, F = 80, A = 4, B = 3, T = 24, N = B * T, V = 97, FLOAT = 4 };

typedef struct small_bert {
    ae_model *model;
    struct ae_bert bert;
    ae_graph *g;
} small_bert;

/* A masked language model of that many layers, with its graph. */
static small_bert *make(int layers)
{
    char text[512];
    ae_err e = {0};
    snprintf(text, sizeof text,
             "{\"vocab_size\":%d,\"hidden_size\":%d,\"num_hidden_layers\":%d,\"num_attention_heads\":%d,"
             "\"intermediate_size\":%d,\"max_position_embeddings\":%d,\"type_vocab_size\":2,\"hidden_act\":\"gelu\","
             "\"hidden_dropout_prob\":0.1,\"attention_probs_dropout_prob\":0.1,\"initializer_range\":0.02,"
             "\"layer_norm_eps\":1e-12,\"pad_token_id\":0}",
             V, H, layers, A, F, T);
    small_bert *s = calloc(1, sizeof *s);
    assert_non_null(s);
    ae_json *config = ae_json_parse(text, strlen(text), &e);
    assert_non_null(config);
    s->model = ae_model_new(1);
    const ae_zoo_model *row = ae_zoo_find("BertForMaskedLM");
    row->build(s->model, &s->bert, config, row->kind);
    ae_json_free(config);
    if (!ae_model_ok(s->model)) {
        fail_msg("%s", ae_model_error(s->model)->message);
    }
    s->g = ae_graph_new();
    assert_non_null(s->g);
    return s;
}

static void drop(small_bert *s)
{
    ae_model_free(s->model);
    ae_graph_free(s->g);
    free(s);
}

static ae_tensor *ids(ae_graph *g, int every, int64_t otherwise)
{
    int64_t numbers[N];
    for (int i = 0; i < N; i++) {
        numbers[i] = i % every ? otherwise : 1 + i * 7 % (V - 1);
    }
    return ae_from_data(g, AE_I64, 2, (int64_t[]){B, T}, numbers);
}

/* ---- a training step ----------------------------------------------------------------------------------------------- */

/* One layer saves: x; q, k, v and the log sums of attention; its result; both sums that are normalised, with their
 * means and deviations; the input, the inside and the result of gelu. Dropout and add save nothing. */
static void a_layer_saves_what_rows_declare(void **state)
{
    (void)state;
    small_bert *s = make(1);
    ae_graph_begin(s->g, AE_TRAIN);
    ae_tensor *x = ae_requires_grad(s->g, ae_ones(s->g, AE_F32, 3, (int64_t[]){B, T, H}));
    ae_tensor *y = ae_bert_layer(s->g, &s->bert, 0, x, NULL, NULL, NULL, NULL);
    assert_true(ae_ok(s->g));
    int64_t rows_of_h = 1 + 3 + 1 + 2 + 1; /* x, q k v, attention, two sums, input of the feed-forward half */
    int64_t expected = FLOAT * (int64_t)N * (rows_of_h * H + F + A + 2 * 2); /* F: gelu's input */
    assert_int_equal(ae_graph_saved_bytes(s->g), expected);
    /* Nothing else is alive but the result. */
    assert_int_equal(ae_pool_get_stats(ae_graph_pool(s->g)).held, expected + FLOAT * N * H);
    assert_int_equal(ae_backward(s->g, ae_sum(s->g, y, 0, NULL, false), 0), 0);
    assert_int_equal(ae_graph_saved_bytes(s->g), 0);
    drop(s);
}

/* A frozen layer under a trained one saves nothing. */
static void what_needs_no_gradient_is_not_saved(void **state)
{
    (void)state;
    small_bert *s = make(2);
    ae_model_freeze(s->model, "bert.embeddings.* bert.encoder.layer.0.*", true);
    int64_t saved[2];
    for (int i = 0; i < 2; i++) {
        ae_graph_begin(s->g, AE_TRAIN);
        ae_tensor *x = ae_ones(s->g, AE_F32, 3, (int64_t[]){B, T, H});
        x = i ? ae_bert_layer(s->g, &s->bert, 0, x, NULL, NULL, NULL, NULL) : x;
        ae_bert_layer(s->g, &s->bert, 1, x, NULL, NULL, NULL, NULL);
        saved[i] = ae_graph_saved_bytes(s->g);
    }
    assert_true(saved[0] > 0);
    assert_int_equal(saved[1], saved[0]);
    drop(s);
}

/* ---- inference ----------------------------------------------------------------------------------------------------- */

static int64_t inference_peak(int layers)
{
    small_bert *s = make(layers);
    ae_graph_begin(s->g, AE_EVAL);
    ae_bert_inputs in = {.input_ids = ids(s->g, 1, 0)};
    ae_pool_reset_peak(ae_graph_pool(s->g));
    ae_tensor *y = ae_bert_encode(s->g, &s->bert, &in);
    assert_true(ae_ok(s->g) && ae_get_f64(y, 3) != 0);
    ae_pool_stats stats = ae_pool_get_stats(ae_graph_pool(s->g));
    assert_true(stats.held - FLOAT * N * H <= 3 * N * (int64_t)sizeof(int64_t)); /* the states, and the ids given */
    drop(s);
    return stats.peak;
}

static void inference_holds_one_layer(void **state)
{
    (void)state;
    int64_t peak = inference_peak(2);
    assert_int_equal(inference_peak(8), peak);
    /* Input, attention, sum, norm, output, sum, norm, and the inside of the feed-forward half twice; a tape for two
     * layers would hold twice that. */
    assert_true(peak <= FLOAT * (int64_t)N * (7 * H + 2 * F) + 3 * N * (int64_t)sizeof(int64_t));
}

/* ---- many steps ---------------------------------------------------------------------------------------------------- */

static double step(small_bert *s, ae_optimizer *opt, uint64_t number)
{
    ae_graph *g = s->g;
    ae_graph_random(g, 1, number, 0, 0);
    ae_graph_begin(g, AE_TRAIN);
    ae_bert_inputs in = {.input_ids = ids(g, 1, 0)};
    ae_tensor *loss = ae_bert_mlm_loss(g, &s->bert, ae_bert_encode(g, &s->bert, &in), ids(g, 6, -100));
    double value = ae_item(loss);
    if (ae_backward(g, loss, 0) != 0 || ae_optimizer_step(opt, g, 1e-3) != 0) {
        fail_msg("step %d: %s", (int)number, ae_graph_error(g)->message);
    }
    return value;
}

static size_t arena_bytes(const ae_graph *g)
{
    size_t bytes = 0;
    for (const arena_chunk *c = g->chunks; c; c = c->next) {
        bytes += c->size;
    }
    return bytes;
}

static int64_t resident_bytes(void)
{
    long long total = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%lld %lld", &total, &resident), 2);
    fclose(f);
    return (int64_t)resident * sysconf(_SC_PAGESIZE);
}

static void steps_are_flat(void **state)
{
    (void)state;
    ae_err e = {0};
    small_bert *s = make(2);
    ae_optim_config config = ae_optim_defaults("adamw");
    config.clip_norm = 1;
    ae_optimizer *opt = ae_optimizer_new(s->model, &config, &e);
    assert_non_null(opt);
    double first = step(s, opt, 0), last = 0;
    ae_pool_stats after_one = ae_pool_get_stats(ae_graph_pool(s->g)), stats;
    size_t arena = arena_bytes(s->g);
    int live = s->g->live_capacity, tape = s->g->tape_capacity;
    int64_t resident = 0;
    for (uint64_t i = 1; i <= 200; i++) {
        last = step(s, opt, i);
        stats = ae_pool_get_stats(ae_graph_pool(s->g));
        assert_int_equal(stats.system_calls, after_one.system_calls);
        assert_int_equal(stats.peak, after_one.peak);
        assert_int_equal(stats.reserved, after_one.reserved);
        resident = i == 20 ? resident_bytes() : resident;
    }
    assert_true(last < 0.7 * first);
    assert_int_equal(arena_bytes(s->g), arena);
    assert_true(s->g->live_capacity == live && s->g->tape_capacity == tape);
#ifndef __SANITIZE_ADDRESS__ /* its quarantine keeps what was freed */
    assert_true(resident_bytes() - resident < 256 * 1024);
#else
    (void)resident;
#endif
    ae_optimizer_free(opt);
    drop(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_layer_saves_what_rows_declare),
        cmocka_unit_test(what_needs_no_gradient_is_not_saved),
        cmocka_unit_test(inference_holds_one_layer),
        cmocka_unit_test(steps_are_flat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
