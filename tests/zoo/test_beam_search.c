/* Beam search on a decoder whose probabilities are known, where the greedy way loses; what bad options get. The golden
 * cases compare it with Hugging Face's. */
#include "zoo/beam_search.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { V = 4 };

/* Probabilities of the next token behind the last. Behind 0, 1 is likelier than 2; but 2 goes on almost surely. */
static const float chain[V][V] = {
    {0.01f, 0.55f, 0.43f, 0.01f},
    {0.3f, 0.3f, 0.2f, 0.2f},
    {0.02f, 0.03f, 0.92f, 0.03f},
    {0.2f, 0.4f, 0.2f, 0.2f},
};

static ae_tensor *next_of(ae_graph *g, const void *self, ae_tensor *ids, ae_tensor *positions, ae_tensor *mask,
                          ae_kv_cache *cache)
{
    (void)self, (void)positions, (void)mask, (void)cache;
    int64_t batch = ae_dim(ids, 0), length = ae_dim(ids, 1), shape[2] = {batch, V};
    ae_tensor *y = ae_empty(g, AE_F32, 2, shape);
    for (int64_t i = 0; i < batch * V; i++) {
        ae_set_f64(y, i, log((double)chain[ae_get_i64(ids, (i / V + 1) * length - 1)][i % V]));
    }
    return y;
}

/* Searches behind 0; returns the length of the best sequence, or -1 with the message. */
static int64_t search(const ae_beam_options *o, int64_t *ids, double *score, char *message)
{
    ae_err e = {0};
    ae_graph *g = ae_graph_new();
    ae_decoder d = {next_of, NULL, 1, 1, V, 50};
    ae_tensor *given = ae_tensor_new(AE_I64, 2, (int64_t[]){1, 1}, &e), *sequences = NULL, *totals = NULL;
    int status = ae_beam_search(g, &d, given, NULL, o, &sequences, &totals, NULL, &e);
    int64_t length = -1;
    strcpy(message, e.message);
    if (status == 0) {
        length = sequences->shape[1];
        memcpy(ids, sequences->data, (size_t)length * sizeof *ids);
        *score = ae_get_f64(totals, 0);
    }
    ae_tensor_free(given);
    ae_tensor_free(sequences);
    ae_tensor_free(totals);
    ae_graph_free(g);
    return length;
}

static void expect_search(const ae_beam_options *o, int64_t length, const int64_t *want, double score)
{
    int64_t ids[64];
    double got = 0;
    char message[AE_ERR_MESSAGE_MAX];
    assert_int_equal(search(o, ids, &got, message), length);
    for (int64_t i = 0; i < length; i++) {
        assert_int_equal(ids[i], want[i]);
    }
    assert_true(fabs(got - score) < 1e-5);
}

static void beams_beat_the_greedy_way(void **state)
{
    (void)state;
    ae_beam_options o = {.rules = {.max_new_tokens = 3, .pad_token_id = -1}, .num_beams = 1};
    expect_search(&o, 4, (int64_t[]){0, 1, 0, 1}, log(0.55) + log(0.3) + log(0.55));
    o.num_beams = 2;
    expect_search(&o, 4, (int64_t[]){0, 2, 2, 2}, log(0.43) + 2 * log(0.92));
    o.length_penalty = 2;
    expect_search(&o, 4, (int64_t[]){0, 2, 2, 2}, (log(0.43) + 2 * log(0.92)) / 16);
}

/* With 1 as the end, "nothing" is the likeliest sequence; a length penalty makes the long one the best, unless the
 * search stops with the first two that are complete. */
static void ends_complete_sequences(void **state)
{
    (void)state;
    static const int64_t end = 1;
    int64_t longest[21] = {0};
    for (int i = 1; i <= 20; i++) {
        longest[i] = 2;
    }
    ae_beam_options o = {.rules = {.max_new_tokens = 20, .eos = {&end, 1}}, .num_beams = 2};
    expect_search(&o, 2, (int64_t[]){0, 1}, log(0.55));
    o.length_penalty = 1;
    expect_search(&o, 21, longest, (log(0.43) + 19 * log(0.92)) / 21);
    o.early_stopping = AE_BEAM_STOP_NEVER;
    expect_search(&o, 21, longest, (log(0.43) + 19 * log(0.92)) / 21);
    o.early_stopping = AE_BEAM_STOP_FULL;
    expect_search(&o, 2, (int64_t[]){0, 1}, log(0.55));
    o.length_penalty = 2;
    o.num_beams = 3;
    expect_search(&o, 4, (int64_t[]){0, 2, 2, 1}, (log(0.43) + log(0.92) + log(0.03)) / 9);
    o.rules.max_new_tokens = 0;
    expect_search(&o, 1, (int64_t[]){0}, 0);
}

static void expect_message(const ae_beam_options *o, const char *want)
{
    int64_t ids[64];
    double score;
    char message[AE_ERR_MESSAGE_MAX];
    assert_int_equal(search(o, ids, &score, message), -1);
    assert_string_equal(message, want);
}

static void bad_options(void **state)
{
    (void)state;
    static const int64_t ends[V] = {0, 1, 2, 3};
    ae_generate_options rules = {.max_new_tokens = 2};
    expect_message(&(ae_beam_options){.rules = rules}, "beam_search: num_beams is 0; 1 to 4096 are possible");
    rules.eos = (ae_token_list){ends, V};
    expect_message(&(ae_beam_options){.rules = rules, .num_beams = 2},
                   "beam_search: 4 ends in a vocabulary of 4 leave nothing to go on with");
    rules.max_new_tokens = 50;
    expect_message(&(ae_beam_options){.rules = rules, .num_beams = 2},
                   "generate: 50 tokens behind 1; the model has 50 positions");
}

/* ---- the cache that beams hand on ------------------------------------------------------------------------------------ */

static void caches_are_reordered(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_graph *g = ae_graph_new();
    ae_kv_cache *c = ae_kv_cache_new(2, 3, 4, 2, &e);
    ae_graph_begin(g, AE_EVAL);
    ae_tensor *x = ae_reshape(g, ae_arange(g, AE_F32, 0, 12, 1), 3, (int64_t[]){3, 2, 2}), *k, *v;
    for (int layer = 0; layer < 2; layer++) {
        k = ae_add_scalar(g, x, 100 * layer);
        v = ae_add_scalar(g, k, 50);
        ae_kv_cache_append(g, c, layer, &k, &v);
    }
    assert_int_equal(ae_kv_cache_reorder(c, (int64_t[]){2, 0, 2}, &e), 0);
    ae_tensor *more = ae_zeros(g, AE_F32, 3, (int64_t[]){3, 1, 2});
    for (int layer = 0; layer < 2; layer++) {
        k = v = more;
        ae_kv_cache_append(g, c, layer, &k, &v); /* views of what is there */
        for (int64_t b = 0; b < 3; b++) {
            for (int64_t i = 0; i < 4; i++) {
                double want = (double)((b == 1 ? 0 : 2) * 4 + i + 100 * layer);
                const ae_tensor *halves[2] = {k, v};
                for (int half = 0; half < 2; half++) {
                    const float *row = (const float *)halves[half]->data + b * halves[half]->strides[0];
                    assert_true((double)row[i] == want + 50 * half);
                }
            }
        }
    }
    assert_int_equal(ae_kv_cache_reorder(c, (int64_t[]){0, 3, 2}, &e), -1);
    assert_string_equal(e.message, "kv_cache: sequence 1 cannot go on from sequence 3 of 3");
    ae_kv_cache_free(c);
    ae_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beams_beat_the_greedy_way),
        cmocka_unit_test(ends_complete_sequences),
        cmocka_unit_test(bad_options),
        cmocka_unit_test(caches_are_reordered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
