/* The rules of generation on a decoder whose logits are known, when tokens are drawn as well, and what bad rules get.
 * The golden cases compare greedy generation with Hugging Face's. */
#include "zoo/generate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { V = 5 };

/* The likelier the higher the token; the same after everything. */
static ae_tensor *rising(ae_graph *g, const void *self, ae_tensor *ids, ae_tensor *positions, ae_tensor *mask,
                         ae_kv_cache *cache)
{
    (void)self, (void)positions, (void)mask, (void)cache;
    int64_t shape[2] = {ae_dim(ids, 0), V};
    return ae_expand(g, ae_arange(g, AE_F32, 0, V, 1), 2, shape);
}

/* Generates behind a prompt; returns the number of ids in all, or -1 with the message. */
static int64_t generate(const ae_generate_options *o, int64_t n, const int64_t *prompt, int64_t *ids, char *message)
{
    ae_err e = {0};
    ae_graph *g = ae_graph_new();
    ae_decoder d = {rising, NULL, 1, 1, V, 1000};
    ae_tensor *given = ae_tensor_new(AE_I64, 2, (int64_t[]){1, n}, &e), *sequences = NULL;
    memcpy(given->data, prompt, (size_t)n * sizeof *prompt);
    int status = ae_generate(g, &d, given, NULL, o, &sequences, NULL, &e);
    strcpy(message, e.message);
    int64_t length = -1;
    if (status == 0) {
        length = sequences->shape[1];
        memcpy(ids, sequences->data, (size_t)length * sizeof *ids);
    }
    ae_tensor_free(given);
    ae_tensor_free(sequences);
    ae_graph_free(g);
    return length;
}

static void expect_ids(const ae_generate_options *o, int64_t n, const int64_t *prompt, int64_t length,
                       const int64_t *want)
{
    int64_t ids[64];
    char message[AE_ERR_MESSAGE_MAX];
    assert_int_equal(generate(o, n, prompt, ids, message), length);
    for (int64_t i = 0; i < length; i++) {
        assert_int_equal(ids[i], want[i]);
    }
}

static const int64_t start[] = {2, 2};

static void greedy_rules(void **state)
{
    (void)state;
    static const int64_t ends[] = {4, 3}, word[] = {4, 4};
    ae_token_list words[] = {{word, 2}, {ends, 1}};
    ae_generate_options o = {.max_new_tokens = 3, .pad_token_id = -1};
    expect_ids(&o, 2, start, 5, (int64_t[]){2, 2, 4, 4, 4});
    o.repetition_penalty = 8; /* 4 -> 0.5 once it came */
    expect_ids(&o, 2, start, 5, (int64_t[]){2, 2, 4, 3, 1});
    o.repetition_penalty = 1;
    o.no_repeat_ngram_size = 2;
    expect_ids(&o, 2, start, 5, (int64_t[]){2, 2, 4, 4, 3});
    o.no_repeat_ngram_size = 0;
    o.bad_words = words;
    o.bad_word_count = 1;
    expect_ids(&o, 2, start, 5, (int64_t[]){2, 2, 4, 3, 4});
    o.bad_word_count = 2;
    expect_ids(&o, 2, start, 5, (int64_t[]){2, 2, 3, 3, 3});
    o.eos = (ae_token_list){ends, 1}; /* a bad word that is an end is none */
    expect_ids(&o, 2, start, 3, (int64_t[]){2, 2, 4});
}

static void ends_wait(void **state)
{
    (void)state;
    static const int64_t ends[] = {3, 4, 77};
    ae_generate_options o = {.max_new_tokens = 4, .eos = {ends, 3}};
    expect_ids(&o, 2, start, 3, (int64_t[]){2, 2, 4});
    o.min_new_tokens = 2;
    expect_ids(&o, 2, start, 5, (int64_t[]){2, 2, 2, 2, 4});
    o.min_length = 3;
    o.min_new_tokens = 0;
    expect_ids(&o, 2, start, 4, (int64_t[]){2, 2, 2, 4});
}

/* Tokens that are forbidden are not drawn, however unlikely the others are: what never repeats is a permutation. */
static void drawing_obeys(void **state)
{
    (void)state;
    int64_t ids[64];
    char message[AE_ERR_MESSAGE_MAX];
    bool differs = false;
    for (uint64_t seed = 0; seed < 50; seed++) {
        ae_generate_options o = {.max_new_tokens = 4, .temperature = 2, .no_repeat_ngram_size = 1, .seed = seed};
        int seen[V] = {0};
        assert_int_equal(generate(&o, 1, start, ids, message), 5);
        for (int i = 0; i < V; i++) {
            assert_int_equal(seen[ids[i]]++, 0);
        }
        differs = differs || ids[1] != 4;
        o.max_new_tokens = 5; /* nothing is left: token 0, as the reference's greedy choice */
        assert_int_equal(generate(&o, 1, start, ids, message), 6);
        assert_int_equal(ids[5], 0);
    }
    assert_true(differs);
}

/* The likeliest token says how many the model sees; the first of the new ones must stand at the right position. */
static ae_tensor *counting(ae_graph *g, const void *self, ae_tensor *ids, ae_tensor *positions, ae_tensor *mask,
                           ae_kv_cache *cache)
{
    (void)self, (void)cache;
    int64_t seen = ae_dim(mask, 1), new = ae_dim(ids, 1);
    assert_int_equal(ae_get_i64(positions, 0), seen - new);
    assert_int_equal(ae_get_i64(positions, new - 1), seen - 1);
    ae_tensor *logits = ae_zeros(g, AE_F32, 2, (int64_t[]){1, V});
    ae_set_f64(logits, seen, 1);
    return logits;
}

static int note(void *user, int64_t row, int64_t id)
{
    int64_t *noted = user;
    assert_int_equal(row, 0);
    noted[++noted[0]] = id;
    return noted[0] == 8; /* enough */
}

static void the_context_slides(void **state)
{
    (void)state;
    int64_t noted[16] = {0};
    static const int64_t want[] = {2, 3, 4, 2, 3, 4, 2, 3};
    ae_err e = {0};
    ae_graph *g = ae_graph_new();
    ae_decoder d = {counting, NULL, 1, 1, V, 4};
    ae_generate_options o = {.max_new_tokens = 9, .pad_token_id = -1, .slide = true, .token = note, .user = noted};
    ae_tensor *given = ae_tensor_new(AE_I64, 2, (int64_t[]){1, 2}, &e), *sequences = NULL;
    assert_int_equal(ae_generate(g, &d, given, NULL, &o, &sequences, NULL, &e), 0);
    assert_int_equal(sequences->shape[1], 10); /* the callback ended it one before the last */
    assert_int_equal(noted[0], 8);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(noted[i + 1], want[i]);
        assert_int_equal(ae_get_i64(sequences, i + 2), want[i]);
    }
    ae_tensor_free(given);
    ae_tensor_free(sequences);
    noted[0] = 0;
    given = ae_tensor_new(AE_I64, 2, (int64_t[]){1, 7}, &e); /* longer than all positions from the start */
    o.max_new_tokens = 3;
    assert_int_equal(ae_generate(g, &d, given, NULL, &o, &sequences, NULL, &e), 0);
    assert_int_equal(noted[1], 2);
    assert_int_equal(noted[3], 4);
    ae_tensor_free(given);
    ae_tensor_free(sequences);
    ae_graph_free(g);
}

static void expect_message(const ae_generate_options *o, const char *want)
{
    int64_t ids[64];
    char message[AE_ERR_MESSAGE_MAX];
    assert_int_equal(generate(o, 2, start, ids, message), -1);
    assert_string_equal(message, want);
}

static void bad_rules(void **state)
{
    (void)state;
    static const int64_t word[] = {1, 5};
    ae_token_list words[] = {{word, 1}, {word, 2}};
    expect_message(&(ae_generate_options){.max_new_tokens = 1, .repetition_penalty = -1},
                   "generate: repetition_penalty is -1; it must be above 0 (1 does nothing)");
    expect_message(&(ae_generate_options){.max_new_tokens = 1, .min_length = -2},
                   "generate: no_repeat_ngram_size 0, min_length -2, min_new_tokens 0; none may be below 0");
    expect_message(&(ae_generate_options){.max_new_tokens = 1, .bad_words = words, .bad_word_count = 2},
                   "generate: bad word 1 holds the token 5; the vocabulary has 5");
    words[0].count = 0;
    expect_message(&(ae_generate_options){.max_new_tokens = 1, .bad_words = words, .bad_word_count = 2},
                   "generate: bad word 0 holds no token");
    expect_message(&(ae_generate_options){.max_new_tokens = 999},
                   "generate: 999 tokens behind 2; the model has 1000 positions");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greedy_rules),       cmocka_unit_test(ends_wait), cmocka_unit_test(drawing_obeys),
        cmocka_unit_test(the_context_slides), cmocka_unit_test(bad_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
