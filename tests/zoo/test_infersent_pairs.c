/* The network of pairs encodes both texts in one batch: its loss and every gradient are those of encoding each text
 * apart, for every encoder, whatever padding either text has. */
#include "zoo/infersent.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { B = 3, E = 3, V = 11, MOST = 64 };

/* What differs between batches of pairs: padded times and lengths of either text. */
typedef struct pairs {
    int64_t time[2], lengths[2][B];
} pairs;

static const pairs batches[] = {
    {{4, 8}, {{3, 1, 2}, {2, 6, 4}}}, /* neither text has a row as long as its time */
    {{7, 3}, {{5, 7, 6}, {1, 1, 3}}}, /* the first text is the longer one */
    {{6, 4}, {{2, 3, 1}, {3, 1, 2}}}, /* both see as many steps, of unequal times */
    {{5, 5}, {{5, 2, 3}, {1, 4, 2}}}, /* equal times, unequally many steps */
};

static const char *const encoders[] = {
    "\"encoder_type\":\"InferSent\",\"version\":1",
    "\"encoder_type\":\"InferSent\",\"version\":2",
    "\"encoder_type\":\"InferSent\",\"pool_type\":\"mean\"",
    "\"encoder_type\":\"BLSTMprojEncoder\"",
    "\"encoder_type\":\"BLSTMprojEncoder\",\"pool_type\":\"mean\"",
    "\"encoder_type\":\"BLSTMprojEncoder\",\"pool_type\":\"mean\",\"fixed\":true",
    "\"encoder_type\":\"LSTMEncoder\"",
    "\"encoder_type\":\"GRUEncoder\"",
    "\"encoder_type\":\"BGRUlastEncoder\"",
    "\"encoder_type\":\"InnerAttentionNAACLEncoder\"",
    "\"encoder_type\":\"InnerAttentionMILAEncoder\"",
    "\"encoder_type\":\"InnerAttentionMILAEncoder\",\"fixed\":true",
    "\"encoder_type\":\"InnerAttentionYANGEncoder\"",
    "\"encoder_type\":\"ConvNetEncoder\"",
};

/* ---- a network and its batch --------------------------------------------------------------------------------------- */

typedef struct fixture {
    ae_model *m;
    struct ae_nli_net net;
    ae_graph *g;
    ae_tensors *in, *out;
    const ae_zoo_model *row;
} fixture;

/* Weights at which what one step more would change stands far above rounding. */
static void enlarge(const fixture *f)
{
    for (int i = 0; i < ae_model_count(f->m); i++) {
        ae_tensor *t = ae_model_at(f->m, i).tensor;
        for (int64_t k = 0; k < ae_numel(t); k++) {
            ae_set_f64(t, k, t == f->net.encoder.words.weight ? 2 * sin((double)(k + 1) * 1.7) : 2 * ae_get_f64(t, k));
        }
    }
}

static void make(fixture *f, const char *encoder)
{
    char config[256];
    ae_err e = {0};
    memset(f, 0, sizeof *f);
    snprintf(config, sizeof config, "{\"word_emb_dim\":%d,\"enc_lstm_dim\":4,\"fc_dim\":5,\"vocab_size\":%d,%s}", E, V,
             encoder);
    ae_json *json = ae_json_parse(config, strlen(config), &e);
    f->row = ae_zoo_find("NLINet");
    f->m = ae_model_new(5);
    f->g = ae_graph_new();
    f->in = ae_tensors_new();
    f->out = ae_tensors_new();
    f->row->build(f->m, &f->net, json, f->row->kind);
    if (!ae_model_ok(f->m)) {
        fail_msg("%s: %s", encoder, ae_model_error(f->m)->message);
    }
    enlarge(f);
    ae_json_free(json);
}

static void drop(fixture *f)
{
    ae_graph_free(f->g);
    ae_model_free(f->m);
    ae_tensors_free(f->in);
    ae_tensors_free(f->out);
}

static ae_tensor *put(fixture *f, const char *name, ae_dtype dtype, int ndim, const int64_t *shape)
{
    ae_err e = {0};
    ae_tensor *t = ae_tensor_new(dtype, ndim, shape, &e);
    assert_int_equal(ae_tensors_add(f->in, name, t, &e), 0);
    return t;
}

static int64_t id_at(int text, int64_t b, int64_t t)
{
    return (5 * text + 3 * b + 7 * t + t * t) % V;
}

/* The lengths of a text, its ids (B,T), and with `vectors` their words (T,B,E) in place of the ids. */
static void put_text(fixture *f, const pairs *p, int text, bool vectors, ae_dtype dtype)
{
    static const char *const names[2][3] = {{"s1", "s1_ids", "s1_lengths"}, {"s2", "s2_ids", "s2_lengths"}};
    int64_t time = p->time[text];
    ae_tensor *lengths = put(f, names[text][2], dtype, 1, (int64_t[]){B});
    ae_tensor *x = vectors ? put(f, names[text][0], AE_F32, 3, (int64_t[]){time, B, E})
                           : put(f, names[text][1], dtype, 2, (int64_t[]){B, time});
    for (int64_t b = 0; b < B; b++) {
        ae_set_i64(lengths, b, p->lengths[text][b]);
        for (int64_t t = 0; t < time && !vectors; t++) {
            ae_set_i64(x, b * time + t, id_at(text, b, t));
        }
        for (int64_t i = 0; i < time * E && vectors; i++) {
            double v = ae_get_f64(f->net.encoder.words.weight, id_at(text, b, i / E) * E + i % E);
            ae_set_f64(x, (i / E * B + b) * E + i % E, i / E < p->lengths[text][b] ? v : 0);
        }
    }
}

static void put_labels(fixture *f)
{
    ae_tensor *labels = put(f, "labels", AE_I64, 1, (int64_t[]){B});
    for (int64_t b = 0; b < B; b++) {
        ae_set_i64(labels, b, b);
    }
}

/* ---- the two ways -------------------------------------------------------------------------------------------------- */

static ae_tensor *together(fixture *f)
{
    ae_io io = {.graph = f->g, .inputs = f->in, .outputs = f->out};
    return f->row->run(&f->net, &io);
}

/* A text's vectors (B,T,E), without a look at the other text. */
static ae_tensor *words_of(const fixture *f, const pairs *p, int text, bool vectors)
{
    static const char *const names[2][2] = {{"s1", "s1_ids"}, {"s2", "s2_ids"}};
    ae_tensor *x = ae_input(f->g, ae_tensors_get(f->in, names[text][!vectors]));
    if (vectors) {
        return ae_transpose(f->g, x, 0, 1);
    }
    int64_t time = p->time[text];
    ae_tensor *real = ae_zeros(f->g, AE_F32, 3, (int64_t[]){B, time, 1});
    for (int64_t i = 0; i < B * time; i++) {
        ae_set_f64(real, i, i % time < p->lengths[text][i / time]);
    }
    return ae_mul(f->g, ae_embedding(f->g, &f->net.encoder.words, x), real);
}

static ae_tensor *apart(fixture *f, const pairs *p, bool vectors)
{
    static const char *const lengths[2] = {"s1_lengths", "s2_lengths"};
    ae_tensor *u[2];
    for (int i = 0; i < 2; i++) {
        u[i] = ae_infersent_encode(f->g, &f->net.encoder, words_of(f, p, i, vectors),
                                   ae_input(f->g, ae_tensors_get(f->in, lengths[i])));
    }
    return ae_cross_entropy(f->g, ae_nli_net_classify(f->g, &f->net, u[0], u[1]),
                            ae_input(f->g, ae_tensors_get(f->in, "labels")), NULL);
}

typedef struct result {
    double loss;
    double *gradients[MOST]; /* of each parameter; NULL where it has none */
} result;

static result collect(fixture *f, ae_tensor *loss)
{
    ae_err e = {0};
    result r = {.loss = loss ? ae_item(loss) : NAN};
    if (!loss || ae_backward(f->g, loss, 0) != 0) {
        fail_msg("%s", ae_graph_error(f->g)->message);
    }
    assert_in_range(ae_model_count(f->m), 1, MOST);
    for (int i = 0; i < ae_model_count(f->m); i++) {
        const ae_tensor *grad = ae_param_grad(ae_model_at(f->m, i).tensor, &e);
        r.gradients[i] = grad ? malloc((size_t)ae_numel(grad) * sizeof(double)) : NULL;
        for (int64_t k = 0; grad && k < ae_numel(grad); k++) {
            r.gradients[i][k] = ae_get_f64(grad, k);
        }
    }
    ae_model_zero_grad(f->m);
    return r;
}

/* Within float's rounding of the largest of the gradient. */
static void assert_same(const fixture *f, const char *encoder, int batch, result *a, result *b)
{
    if (!(fabs(a->loss - b->loss) <= 1e-6)) {
        fail_msg("%s, batch %d: loss %.9g together, %.9g apart", encoder, batch, a->loss, b->loss);
    }
    for (int i = 0; i < ae_model_count(f->m); i++) {
        ae_param_info info = ae_model_at(f->m, i);
        double largest = 1e-2;
        assert_true(!a->gradients[i] == !b->gradients[i]);
        for (int64_t k = 0; b->gradients[i] && k < ae_numel(info.tensor); k++) {
            largest = fmax(largest, fabs(b->gradients[i][k]));
        }
        for (int64_t k = 0; b->gradients[i] && k < ae_numel(info.tensor); k++) {
            if (!(fabs(a->gradients[i][k] - b->gradients[i][k]) <= 2e-6 * largest)) {
                fail_msg("%s, batch %d: gradient %lld of %s is %.9g together, %.9g apart", encoder, batch, (long long)k,
                         info.name, a->gradients[i][k], b->gradients[i][k]);
            }
        }
        free(a->gradients[i]);
        free(b->gradients[i]);
    }
}

static void check(const char *encoder, int batch, bool vectors, int flags)
{
    const pairs *p = &batches[batch];
    fixture f;
    make(&f, encoder);
    put_text(&f, p, 0, vectors, AE_I64);
    put_text(&f, p, 1, vectors, AE_I32); /* either type of integers serves, beside the other too */
    put_labels(&f);
    ae_graph_sparse_gradients(f.g, batch % 2 == 0);
    ae_graph_begin(f.g, flags);
    result a = collect(&f, together(&f));
    ae_graph_begin(f.g, flags);
    result b = collect(&f, apart(&f, p, vectors));
    assert_same(&f, encoder, batch, &a, &b);
    drop(&f);
}

static void pairs_are_encoded_as_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof encoders / sizeof *encoders; i++) {
        for (int k = 0; k < (int)(sizeof batches / sizeof *batches); k++) {
            check(encoders[i], k, true, AE_GRAD);
            check(encoders[i], k, false, AE_GRAD);
            check(encoders[i], k, true, AE_GRAD | AE_ANOMALY); /* nothing on the way is infinite */
        }
    }
}

/* Vectors of the one text and ids of the other, as a batch may have. */
static void a_pair_may_mix_vectors_and_ids(void **state)
{
    double loss[2];
    (void)state;
    for (int i = 0; i < 2; i++) {
        fixture f;
        make(&f, encoders[0]);
        put_text(&f, &batches[0], 0, i == 0, AE_I64);
        put_text(&f, &batches[0], 1, false, AE_I64);
        put_labels(&f);
        ae_graph_begin(f.g, AE_EVAL);
        loss[i] = ae_item(together(&f));
        assert_true(ae_ok(f.g));
        drop(&f);
    }
    assert_float_equal(loss[0], loss[1], 1e-6);
}

/* ---- what is no batch of pairs ------------------------------------------------------------------------------------- */

static void refused(const pairs *p, bool vectors, const char *lost, const char *message)
{
    fixture f;
    make(&f, encoders[0]);
    put_text(&f, p, 0, vectors, AE_I64);
    put_text(&f, p, 1, vectors, AE_I64);
    ae_tensor *t = lost ? (ae_tensor *)(uintptr_t)ae_tensors_get(f.in, lost) : NULL;
    for (int i = 0; t && i < t->ndim; i++) {
        t->shape[i] -= t->shape[i] == B;
    }
    if (t && t->ndim == 2) { /* and the lengths of it */
        ((ae_tensor *)(uintptr_t)ae_tensors_get(f.in, "s2_lengths"))->shape[0]--;
    }
    ae_graph_begin(f.g, AE_GRAD);
    together(&f);
    assert_string_equal(ae_graph_error(f.g)->message, message);
    drop(&f);
}

static void what_is_no_pair_is_named(void **state)
{
    static const pairs too_long = {{4, 8}, {{3, 5, 2}, {2, 6, 4}}}, negative = {{4, 8}, {{3, 1, 2}, {2, 6, -1}}};
    (void)state;
    refused(&too_long, false, NULL,
            "infersent: length 5 of row 1 of s1_lengths is outside of 0..4, the steps of s1_ids");
    refused(&negative, true, NULL, "infersent: length -1 of row 2 of s2_lengths is outside of 0..8, the steps of s2");
    refused(&batches[0], true, "s2_lengths",
            "infersent: s2, batch first, is [3,8,3] and s2_lengths [2]; they must agree in the batch");
    refused(&batches[0], false, "s2_ids", "infersent: s1_ids has 3 rows and s2_ids 2; a pair has both texts");
}

static void an_odd_number_of_rows_is_no_pairs(void **state)
{
    (void)state;
    fixture f;
    make(&f, encoders[0]);
    ae_graph_begin(f.g, AE_EVAL);
    ae_tensor *sent = ae_zeros(f.g, AE_F32, 3, (int64_t[]){B, 2, E});
    ae_tensor *lengths = ae_full(f.g, AE_I64, 1, (int64_t[]){B}, 2);
    assert_ptr_equal(ae_infersent_encode_pairs(f.g, &f.net.encoder, sent, lengths), ae_bad(f.g));
    assert_string_equal(ae_graph_error(f.g)->message, "infersent: 3 rows; texts of pairs are an even number");
    drop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_are_encoded_as_apart),
        cmocka_unit_test(a_pair_may_mix_vectors_and_ids),
        cmocka_unit_test(what_is_no_pair_is_named),
        cmocka_unit_test(an_odd_number_of_rows_is_no_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
