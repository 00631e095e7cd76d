/* The copies of parameters that inference reads: linear layers in i8 and bf16 near those in f32, which weights have
 * copies, that a change of values reaches them, what they weigh, that threads share them, that training stays without
 * them; losses over a vocabulary; and a whole language model in int8. */
#include "nn/linear.h"
#include "nn/optimizer.h"
#include "tensor/counters.h"
#include "tensor/kernels.h"
#include "zoo/zoo.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { IN = 96, OUT = 176, MOST = 300 };

typedef struct layers {
    ae_model *m;
    ae_graph *g;
    struct ae_linear plain, turned, head; /* (OUT,IN), (IN,OUT), (7,IN) */
    float *x;                             /* (MOST,IN) */
} layers;

static layers make(void)
{
    layers l = {.m = ae_model_new(1), .g = ae_graph_new()};
    ae_linear_init(l.m, &l.plain, "plain", IN, OUT, ae_init_normal(0.1), true);
    ae_linear_init_in_out(l.m, &l.turned, "turned", IN, OUT, ae_init_normal(0.1), false);
    ae_linear_init(l.m, &l.head, "head", IN, 7, ae_init_normal(0.1), true);
    assert_true(ae_model_ok(l.m));
    ae_random_key key = ae_random_key_make(5, 0, 0, 0, 0);
    l.x = malloc(sizeof(float) * MOST * IN);
    assert_non_null(l.x);
    ae_random_normal_f32(&key, 0, 0, 1, l.x, (int64_t)MOST * IN);
    for (int64_t j = 0; j < OUT; j++) {
        ((float *)l.plain.bias->data)[j] = (float)j * 0.01F;
    }
    return l;
}

static void drop(layers *l)
{
    ae_graph_free(l->g);
    ae_model_free(l->m);
    free(l->x);
}

/* The result of a layer for m rows in a precision; the caller frees. */
static float *run(const layers *l, ae_graph *g, const struct ae_linear *layer, int64_t m, ae_dtype precision)
{
    const int64_t out = layer->in_out ? layer->weight->shape[1] : layer->weight->shape[0];
    float *y = malloc(sizeof(float) * (size_t)(m * out));
    ae_graph_precision(g, precision);
    ae_graph_begin(g, AE_EVAL);
    ae_tensor *x = ae_from_borrowed(g, AE_F32, 2, (int64_t[]){m, IN}, l->x);
    if (ae_read(ae_linear(g, layer, x), AE_F32, y, m * out) != 0) {
        fail_msg("%s", ae_graph_error(g)->message);
    }
    return y;
}

/* |a - b| / |b| of whole matrices. */
static double distance(const float *a, const float *b, int64_t n)
{
    double error = 0, size = 0;
    for (int64_t i = 0; i < n; i++) {
        error += pow((double)a[i] - (double)b[i], 2);
        size += pow((double)b[i], 2);
    }
    return sqrt(error / size);
}

/* How far a precision is from f32 for 1 .. 300 rows, so that every path is taken. */
static void nearness(const layers *l, const struct ae_linear *layer, ae_dtype precision, double least, double most)
{
    static const int64_t rows[] = {1, 2, 4, 5, 8, 9, 16, 17, 100, 300};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        float *want = run(l, l->g, layer, rows[i], AE_F32), *got = run(l, l->g, layer, rows[i], precision);
        double d = distance(got, want, rows[i] * OUT);
        if (!(d >= least && d <= most)) {
            fail_msg("%s with %lld rows: %g from f32", layer->weight->name, (long long)rows[i], d);
        }
        free(want);
        free(got);
    }
}

static void precisions_are_near_f32(void **state)
{
    (void)state;
    layers l = make();
    nearness(&l, &l.plain, AE_I8, 1e-4, 0.02);
    nearness(&l, &l.turned, AE_I8, 1e-4, 0.02);
    nearness(&l, &l.plain, AE_BF16, 1e-5, 0.006);
    nearness(&l, &l.turned, AE_BF16, 1e-5, 0.006);
    drop(&l);
}

/* In f32 few rows stream the weight, which changes the rounding alone; and the streams are what ran. */
static void streams_round_in_another_order(void **state)
{
    (void)state;
    static const char *const kernels[] = {"stream_f32", "stream_columns_f32", "stream_bf16", "stream_i8",
                                          "quantize_i8"};
    layers l = make();
    const struct ae_linear *const both[] = {&l.plain, &l.turned};
    ae_kernel_counts_reset();
    for (int i = 0; i < 2; i++) {
        float *many = run(&l, l.g, both[i], 100, AE_F32);
        for (int64_t m = 1; m <= 4; m++) {
            float *few = run(&l, l.g, both[i], m, AE_F32);
            assert_true(distance(few, many, m * OUT) < 1e-6);
            free(few);
        }
        free(many);
        free(run(&l, l.g, both[i], 1, AE_BF16));
        free(run(&l, l.g, both[i], 1, AE_I8));
    }
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s.%s", kernels[i], ae_kernels_name());
        if (ae_kernel_count(name) != 1) {
            fail_msg("%s was not called", name);
        }
    }
    drop(&l);
}

static void small_weights_and_other_tensors_stay_f32(void **state)
{
    (void)state;
    layers l = make();
    float *want = run(&l, l.g, &l.head, 20, AE_F32), *got = run(&l, l.g, &l.head, 20, AE_I8);
    assert_memory_equal(got, want, sizeof(float) * 20 * 7);
    free(want);
    free(got);
    assert_int_equal(ae_model_pack_bytes(l.m), 0);
    ae_graph_begin(l.g, AE_EVAL);
    ae_tensor *w = ae_from_data(l.g, AE_F32, 2, (int64_t[]){OUT, IN}, l.plain.weight->data);
    ae_tensor *x = ae_from_borrowed(l.g, AE_F32, 2, (int64_t[]){20, IN}, l.x);
    float *y = malloc(sizeof(float) * 20 * OUT);
    assert_int_equal(ae_read(ae_f_linear(l.g, x, w, NULL), AE_F32, y, 20 * OUT), 0);
    assert_int_equal(ae_model_pack_bytes(l.m), 0);
    free(y);
    drop(&l);
}

static void changed_values_are_read(void **state)
{
    (void)state;
    layers l = make();
    float *before = run(&l, l.g, &l.plain, 20, AE_I8), *few = run(&l, l.g, &l.plain, 2, AE_I8);
    const int64_t bytes = ae_model_pack_bytes(l.m);
    assert_true(bytes >= OUT * IN + OUT * (int64_t)sizeof(float) && bytes < 4 * OUT * IN);
    float *w = l.plain.weight->data;
    for (int64_t i = 0; i < (int64_t)OUT * IN; i++) {
        w[i] = -w[i];
    }
    memset(l.plain.bias->data, 0, sizeof(float) * OUT);
    ae_param_touch(l.plain.weight);
    float *after = run(&l, l.g, &l.plain, 20, AE_I8), *few_after = run(&l, l.g, &l.plain, 2, AE_I8);
    for (int64_t i = 0; i < 20 * OUT; i++) {
        assert_true(fabsf(before[i] + after[i] - (float)(i % OUT) * 0.01F) < 1e-4F);
        assert_true(i >= 2 * OUT || fabsf(few[i] + few_after[i] - (float)(i % OUT) * 0.01F) < 1e-4F);
    }
    assert_int_equal(ae_model_pack_bytes(l.m), bytes);
    ae_model_drop_packs(l.m);
    assert_int_equal(ae_model_pack_bytes(l.m), 0);
    float *again = run(&l, l.g, &l.plain, 20, AE_I8);
    assert_memory_equal(again, after, sizeof(float) * 20 * OUT);
    float *const all[] = {before, few, after, few_after, again};
    for (int i = 0; i < 5; i++) {
        free(all[i]);
    }
    drop(&l);
}

enum { LONG = 256, FEW = 96, ROWS = 300, FEWER_ROWS = 150 };

/* The result of a layer of LONG inputs for m rows; the caller frees. */
static float *run_long(ae_graph *g, const struct ae_linear *layer, const float *x, int64_t m, ae_dtype precision)
{
    float *y = malloc(sizeof(float) * (size_t)(m * FEW));
    ae_graph_precision(g, precision);
    ae_graph_begin(g, AE_EVAL);
    ae_tensor *t = ae_from_borrowed(g, AE_F32, 2, (int64_t[]){m, LONG}, (void *)(uintptr_t)x);
    if (ae_read(ae_linear(g, layer, t), AE_F32, y, m * FEW) != 0) {
        fail_msg("%s", ae_graph_error(g)->message);
    }
    return y;
}

static double at(const struct ae_linear *layer, int64_t o, int64_t i)
{
    const float *w = layer->weight->data;
    return (double)(layer->in_out ? w[i * FEW + o] : w[o * LONG + i]);
}

static void check_long_sums(const struct ae_linear *layer, const float *x, const float *y)
{
    float *want = malloc(sizeof(float) * ROWS * FEW);
    for (int64_t r = 0; r < ROWS; r++) {
        for (int64_t o = 0; o < FEW; o++) {
            double sum = 0;
            for (int64_t i = 0; i < LONG; i++) {
                sum += (double)x[r * LONG + i] * at(layer, o, i);
            }
            want[r * FEW + o] = (float)sum;
        }
    }
    assert_true(distance(y, want, (int64_t)ROWS * FEW) < 1e-6);
    free(want);
}

/* A change of values reaches the copy, exactly; the one in bf16 is near; and dropped copies are gone. */
static void check_change(ae_model *m, ae_graph *g, const struct ae_linear *layer, const float *x, const float *before)
{
    const int64_t bytes = ae_model_pack_bytes(m);
    assert_true(bytes == 0 || bytes >= 4 * LONG * FEW); /* none where no layout beats rows */
    assert_int_equal(ae_kernel_count("gemm.packed.f32") > 0, bytes > 0);
    for (int64_t i = 0; i < (int64_t)LONG * FEW; i++) {
        ((float *)layer->weight->data)[i] *= -1;
    }
    ae_param_touch(layer->weight);
    float *after = run_long(g, layer, x, ROWS, AE_F32);
    for (int64_t i = 0; i < (int64_t)ROWS * FEW; i++) {
        assert_true(after[i] == -before[i]);
    }
    assert_int_equal(ae_model_pack_bytes(m), bytes);
    float *rounded = run_long(g, layer, x, ROWS, AE_BF16);
    assert_true(distance(rounded, after, (int64_t)ROWS * FEW) < 0.006);
    ae_model_drop_packs(m);
    assert_int_equal(ae_model_pack_bytes(m), 0);
    free(after);
    free(rounded);
}

/* The results for FEWER_ROWS and for ROWS, computed in this order or the other; the caller frees. */
static void run_in_order(ae_graph *g, bool in_out, bool fewer_first, const float *x, float *got[2])
{
    ae_model *m = ae_model_new(1);
    struct ae_linear layer;
    (in_out ? ae_linear_init_in_out : ae_linear_init)(m, &layer, "long", LONG, FEW, ae_init_normal(0.1), false);
    ae_kernel_counts_reset();
    for (int k = 0; k < 2; k++) {
        bool fewer = (k == 0) == fewer_first;
        got[fewer ? 0 : 1] = run_long(g, &layer, x, fewer ? FEWER_ROWS : ROWS, AE_F32);
    }
    check_long_sums(&layer, x, got[1]);
    check_change(m, g, &layer, x, got[1]);
    ae_model_free(m);
}

/* Long sums of few columns read a copy in oneDNN's layout: right, of the values that are there now, and the same bits
 * whichever number of rows came first. */
static void long_sums_read_blocks(void **state)
{
    (void)state;
    ae_graph *g = ae_graph_new();
    float *x = malloc(sizeof(float) * ROWS * LONG);
    ae_random_key key = ae_random_key_make(6, 0, 0, 0, 0);
    ae_random_normal_f32(&key, 0, 0, 1, x, (int64_t)ROWS * LONG);
    for (int in_out = 0; in_out < 2; in_out++) {
        float *one[2], *other[2];
        run_in_order(g, in_out, true, x, one);
        run_in_order(g, in_out, false, x, other);
        assert_memory_equal(one[0], other[0], sizeof(float) * FEWER_ROWS * FEW);
        assert_memory_equal(one[1], other[1], sizeof(float) * ROWS * FEW);
        for (int k = 0; k < 2; k++) {
            free(one[k]);
            free(other[k]);
        }
    }
    free(x);
    ae_graph_free(g);
}

static void a_step_counts_the_bytes_it_read(void **state)
{
    (void)state;
    layers l = make();
    const int64_t numel = (int64_t)OUT * IN;
    free(run(&l, l.g, &l.plain, 1, AE_F32));
    assert_int_equal(ae_graph_weight_bytes(l.g), 4 * numel);
    free(run(&l, l.g, &l.plain, 100, AE_F32));
    assert_int_equal(ae_graph_weight_bytes(l.g), 4 * numel);
    free(run(&l, l.g, &l.turned, 1, AE_BF16));
    assert_int_equal(ae_graph_weight_bytes(l.g), 2 * numel);
    free(run(&l, l.g, &l.turned, 100, AE_BF16));
    assert_int_equal(ae_graph_weight_bytes(l.g), 2 * numel);
    free(run(&l, l.g, &l.plain, 1, AE_I8));
    assert_int_equal(ae_graph_weight_bytes(l.g), numel + 4 * OUT);
    ae_graph_begin(l.g, AE_EVAL);
    assert_int_equal(ae_graph_weight_bytes(l.g), 0);
    drop(&l);
}

/* A training step in bf16 and f32 makes no copies, takes no stream, and int8 has no training at all. */
static void training_is_as_it_was(void **state)
{
    (void)state;
    layers l = make();
    static const ae_dtype both[] = {AE_F32, AE_BF16};
    ae_kernel_counts_reset();
    for (int i = 0; i < 2; i++) {
        ae_graph_precision(l.g, both[i]);
        ae_graph_begin(l.g, AE_TRAIN);
        ae_tensor *x = ae_from_borrowed(l.g, AE_F32, 2, (int64_t[]){2, IN}, l.x);
        ae_tensor *y = ae_sum(l.g, ae_linear(l.g, &l.plain, x), 0, NULL, false);
        assert_int_equal(ae_backward(l.g, y, 0), 0);
        assert_int_equal(ae_graph_weight_bytes(l.g), 0);
    }
    assert_int_equal(ae_model_pack_bytes(l.m), 0);
    for (int i = 0; i < AE_KERNEL_COUNT; i++) {
        assert_true(strncmp(ae_kernel_name(i), "stream", 6) != 0 || ae_kernel_count_at(i) == 0);
    }
    ae_graph_precision(l.g, AE_I8);
    ae_graph_begin(l.g, AE_TRAIN);
    assert_false(ae_ok(l.g));
    assert_int_equal(ae_graph_error(l.g)->code, AE_E_UNSUPPORTED);
    assert_string_equal(ae_graph_error(l.g)->message,
                        "graph_begin: int8 has no gradients; set the precision f32 or bf16 for them");
    ae_graph_begin(l.g, AE_EVAL);
    assert_true(ae_ok(l.g) && ae_graph_get_precision(l.g) == AE_I8);
    drop(&l);
}

typedef struct worker {
    const layers *l;
    float *y;
} worker;

static void *work(void *self)
{
    worker *w = self;
    ae_graph *g = ae_graph_new();
    w->y = g ? run(w->l, g, &w->l->plain, 30, AE_I8) : NULL;
    ae_graph_free(g);
    return NULL;
}

static void threads_share_the_copies(void **state)
{
    (void)state;
    layers l = make();
    pthread_t threads[4];
    worker workers[4] = {{&l, NULL}, {&l, NULL}, {&l, NULL}, {&l, NULL}};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    for (int i = 0; i < 4; i++) {
        assert_non_null(workers[i].y);
        assert_memory_equal(workers[i].y, workers[0].y, sizeof(float) * 30 * OUT);
    }
    for (int i = 0; i < 4; i++) {
        free(workers[i].y);
    }
    drop(&l);
}

/* The loss of m rows over the classes of a table, by blocks or with the logits whole. */
static double loss_over(const layers *l, ae_tensor *table, ae_tensor *bias, int64_t m, ae_dtype precision, bool whole)
{
    ae_graph_precision(l->g, precision);
    ae_graph_begin(l->g, AE_EVAL);
    ae_tensor *x = ae_from_borrowed(l->g, AE_F32, 2, (int64_t[]){m, table->shape[1]}, l->x);
    ae_tensor *targets = ae_empty(l->g, AE_I64, 1, &m);
    for (int64_t i = 0; i < m; i++) {
        ae_set_i64(targets, i, i % 5 == 3 ? -100 : i * 7919 % table->shape[0]);
    }
    ae_tensor *loss = whole ? ae_cross_entropy(l->g, ae_f_linear(l->g, x, table, bias), targets, NULL)
                            : ae_linear_cross_entropy(l->g, x, table, bias, targets, NULL);
    const double value = ae_item(loss);
    if (!ae_ok(l->g)) {
        fail_msg("%s", ae_graph_error(l->g)->message);
    }
    return value;
}

/* In each precision as with that precision's logits, whichever way the rows take, and near f32: an error of a
 * hundredth of the logits, whose deviation is 1, moves a row's loss by no more than a few hundredths. */
static void losses_are_those_of_the_logits(void **state)
{
    (void)state;
    static const int64_t rows[] = {1, 4, 8, 9, 16, 17, 300};
    static const ae_dtype precisions[] = {AE_F32, AE_BF16, AE_I8};
    layers l = make();
    ae_tensor *w = l.plain.weight, *b = l.plain.bias;
    for (size_t i = 0; i < 3 * sizeof rows / sizeof *rows; i++) {
        const int64_t m = rows[i / 3];
        const ae_dtype precision = precisions[i % 3];
        const double f32 = loss_over(&l, w, b, m, AE_F32, true);
        const double want = loss_over(&l, w, b, m, precision, true), got = loss_over(&l, w, b, m, precision, false);
        const double apart = precision == AE_BF16 ? 0.02 : 2e-6 * want; /* logits that are kept are rounded to bf16 */
        if (!(fabs(got - want) < apart && fabs(got - f32) < 0.05)) {
            fail_msg("%lld rows in %s: %.9g, the logits give %.9g, f32 %.9g", (long long)m, ae_dtype_name(precision),
                     got, want, f32);
        }
        assert_true(precision != AE_I8 || fabs(got - f32) > 1e-6);
    }
    ae_model_drop_packs(l.m);
    loss_over(&l, w, b, 100, AE_I8, false);
    assert_true(ae_model_pack_bytes(l.m) > 0);
    assert_int_equal(ae_graph_weight_bytes(l.g), (int64_t)OUT * (IN + 4));
    ae_model_drop_packs(l.m);
    const double once = loss_over(&l, w, b, 100, AE_BF16, false);
    const int64_t copies = ae_model_pack_bytes(l.m); /* many rows too read the copy that is kept */
    assert_true(copies >= 2 * OUT * IN);
    assert_true(loss_over(&l, w, b, 100, AE_BF16, false) == once);
    assert_int_equal(ae_model_pack_bytes(l.m), copies);
    drop(&l);
}

/* 260 rows of 140,000 logits pass 128 MiB: two blocks, and one copy of the weight. */
static void losses_by_blocks(void **state)
{
    (void)state;
    enum { CLASSES = 140000, WIDTH = 64 };
    layers l = make();
    ae_tensor *table = ae_param(l.m, "table", 2, (int64_t[]){CLASSES, WIDTH}, ae_init_normal(0.1));
    assert_true(ae_model_ok(l.m));
    const double f32 = loss_over(&l, table, NULL, 260, AE_F32, false);
    const double want = loss_over(&l, table, NULL, 260, AE_I8, true);
    assert_int_equal(ae_graph_weight_bytes(l.g), (int64_t)CLASSES * (WIDTH + 4));
    const int64_t copies = ae_model_pack_bytes(l.m);
    const double got = loss_over(&l, table, NULL, 260, AE_I8, false);
    assert_int_equal(ae_graph_weight_bytes(l.g), 2 * (int64_t)CLASSES * (WIDTH + 4));
    assert_int_equal(ae_model_pack_bytes(l.m), copies);
    assert_true(fabs(got - want) < 2e-6 * want && fabs(got - f32) > 1e-7 && fabs(got - f32) < 0.01);
    drop(&l);
}

/* The logits of a small GPT-2 for one token and for many; its weights are (in,out), its projection is the table. */
static void a_language_model(void **state)
{
    (void)state;
    static const char text[] = "{\"vocab_size\":150,\"n_embd\":64,\"n_layer\":2,\"n_head\":2,\"n_positions\":32}";
    const ae_zoo_model *row = ae_zoo_find("GPT2LMHeadModel");
    ae_json *config = ae_json_parse(text, sizeof text - 1, NULL);
    ae_model *m = ae_model_new(1);
    void *self = calloc(1, row->size);
    row->build(m, self, config, row->kind);
    assert_true(ae_model_ok(m));
    ae_decoder d = row->decoder(self);
    ae_tensor *ids = ae_tensor_new(AE_I64, 2, (int64_t[]){3, 9}, NULL);
    for (int64_t i = 0; i < 27; i++) {
        ae_set_i64(ids, i, i * 5 % 150);
    }
    static const ae_dtype precisions[] = {AE_F32, AE_BF16, AE_I8};
    ae_tensor *sequences, *scores[3];
    ae_graph *g = ae_graph_new();
    for (int i = 0; i < 3; i++) {
        ae_err e = {0};
        ae_generate_options o = {.max_new_tokens = 5};
        ae_graph_precision(g, precisions[i]);
        assert_int_equal(ae_generate(g, &d, ids, NULL, &o, &sequences, &scores[i], &e), 0);
        ae_tensor_free(sequences);
    }
    for (int64_t b = 0; b < 3; b++) { /* behind the first token the texts may part */
        const float *f32 = (const float *)scores[0]->data + b * 5 * 150;
        double bf16 = distance((const float *)scores[1]->data + b * 5 * 150, f32, 150);
        double i8 = distance((const float *)scores[2]->data + b * 5 * 150, f32, 150);
        assert_true(bf16 > 1e-5 && bf16 < 0.02 && i8 > 1e-4 && i8 < 0.06);
    }
    for (int i = 0; i < 3; i++) {
        ae_tensor_free(scores[i]);
    }
    ae_tensor_free(ids);
    ae_graph_free(g);
    ae_model_free(m);
    ae_json_free(config);
    free(self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(precisions_are_near_f32),
        cmocka_unit_test(streams_round_in_another_order),
        cmocka_unit_test(small_weights_and_other_tensors_stay_f32),
        cmocka_unit_test(changed_values_are_read),
        cmocka_unit_test(long_sums_read_blocks),
        cmocka_unit_test(a_step_counts_the_bytes_it_read),
        cmocka_unit_test(training_is_as_it_was),
        cmocka_unit_test(threads_share_the_copies),
        cmocka_unit_test(losses_are_those_of_the_logits),
        cmocka_unit_test(losses_by_blocks),
        cmocka_unit_test(a_language_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
