/* Small models of every family with a batch each, trained a few steps: what tests of ways to train share. */
#ifndef AE_TESTS_SMALL_TRAINING_H
#define AE_TESTS_SMALL_TRAINING_H

#include "nn/optimizer.h"
#include "zoo/zoo.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { B = 3, T = 12, V = 29, STEPS = 3 };

typedef struct fixture {
    const ae_zoo_model *row;
    ae_model *model;
    void *self;
    ae_tensors *inputs;
} fixture;

/* ---- models and batches -------------------------------------------------------------------------------------------- */

static inline void give(fixture *f, const char *name, int ndim, int64_t (*value)(int64_t i))
{
    ae_err e = {0};
    ae_tensor *t = ae_tensor_new(AE_I64, ndim, (int64_t[]){B, T}, &e);
    for (int64_t i = 0; i < ae_numel(t); i++) {
        ae_set_i64(t, i, value(i));
    }
    assert_int_equal(ae_tensors_add(f->inputs, name, t, &e), 0);
}

static inline int64_t word(int64_t i)
{
    return 1 + i * 7 % (V - 1);
}

static inline int64_t next_word(int64_t i)
{
    return i % T < T - 3 ? word(i + 1) : -100;
}

static inline int64_t masked(int64_t i)
{
    return i % 5 == 1 && i % T < T - 3 ? word(i + 3) : -100;
}

static inline int64_t real(int64_t i)
{
    return i % T < T - i / T; /* each row is one token shorter than the one before */
}

static inline int64_t segment(int64_t i)
{
    return i % T >= 5 && real(i);
}

static inline int64_t relation(int64_t i)
{
    return i % 2;
}

static inline void make(fixture *f, const char *class_name, const char *config)
{
    ae_err e = {0};
    ae_json *json = ae_json_parse(config, strlen(config), &e);
    assert_non_null(json);
    f->row = ae_zoo_find(class_name);
    assert_non_null(f->row);
    f->model = ae_model_new(3);
    f->self = calloc(1, f->row->size);
    f->row->build(f->model, f->self, json, f->row->kind);
    if (!ae_model_ok(f->model)) {
        fail_msg("%s: %s", class_name, ae_model_error(f->model)->message);
    }
    ae_json_free(json);
    f->inputs = ae_tensors_new();
    give(f, "input_ids", 2, word);
    give(f, "attention_mask", 2, real);
    give(f, "token_type_ids", 2, segment);
    give(f, "labels", strcmp(class_name, "GPT2ForSequenceClassification") == 0 ? 1 : 2, masked);
    give(f, "next_ids", 2, next_word);
    give(f, "next_sentence_label", 1, relation);
}

static inline void drop(fixture *f)
{
    ae_model_free(f->model);
    ae_tensors_free(f->inputs);
    free(f->self);
}

/* A model of which steps are to be made, by a rule. */
typedef struct training {
    fixture f;
    ae_graph *g;
    ae_optimizer *opt;
} training;

static inline training begin_training(const char *class_name, const char *config, const ae_optim_config *rule)
{
    ae_err e = {0};
    training t = {.g = ae_graph_new()};
    make(&t.f, class_name, config);
    t.opt = ae_optimizer_new(t.f.model, rule, &e);
    assert_non_null(t.opt);
    return t;
}

/* The loss of step `number`, with dropout, on a fresh tape. */
static inline ae_tensor *forward(const training *t, uint64_t number, bool packed, ae_tensors *outputs)
{
    ae_io io = {t->g, t->f.inputs, outputs, packed, true};
    ae_graph_random(t->g, 5, number, 0, 0);
    ae_graph_begin(t->g, AE_TRAIN);
    return t->f.row->run(t->f.self, &io);
}

/* Frees all but the trained model, which is the caller's. */
static inline ae_model *end_training(training *t)
{
    ae_model *trained = t->f.model;
    ae_optimizer_free(t->opt);
    ae_graph_free(t->g);
    t->f.model = NULL;
    drop(&t->f);
    return trained;
}

/* ---- comparing ----------------------------------------------------------------------------------------------------- */

static inline void same_weights(const ae_model *a, const ae_model *b)
{
    assert_int_equal(ae_model_count(a), ae_model_count(b));
    for (int i = 0; i < ae_model_count(a); i++) {
        ae_param_info x = ae_model_at(a, i), y = ae_model_at(b, i);
        size_t bytes = (size_t)ae_numel(x.tensor) * ae_dtype_size(x.tensor->dtype);
        if (memcmp(x.tensor->data, y.tensor->data, bytes) != 0) {
            fail_msg("%s differs", x.name);
        }
    }
}

/* ---- configurations: BERT and COMPOSED want a closing brace ------------------------------------------------------------- */

#define BERT                                                                                                           \
    "{\"vocab_size\":29,\"hidden_size\":16,\"num_hidden_layers\":4,\"num_attention_heads\":2,\"intermediate_size\":"   \
    "64,\"max_position_embeddings\":12,\"num_labels\":2"
#define GPT2 "{\"vocab_size\":29,\"n_embd\":16,\"n_layer\":4,\"n_head\":2,\"n_positions\":12,\"pad_token_id\":0}"
#define COMPOSED                                                                                                       \
    "{\"vocab_size\":29,\"emb_size\":16,\"hidden_size\":16,\"feedforward_size\":64,\"heads_num\":2,\"layers_num\":4,"  \
    "\"max_seq_length\":12,\"dropout\":0.1,\"encoder\":\"transformer\""
#define MLM ",\"embedding\":[\"word\",\"pos\",\"seg\"],\"target\":[\"mlm\"]"

#endif
