/* What rows train on, and that a language model reads its targets shifted or given. */
#include "zoo/zoo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char gpt2_config[] = "{\"vocab_size\":11,\"n_embd\":8,\"n_layer\":1,\"n_head\":2,\"n_positions\":6,"
                                  "\"num_labels\":2}";

static void add_ids(ae_tensors *in, const char *name, int ndim, int64_t rows, int64_t columns, const int64_t *values)
{
    ae_err e = {0};
    ae_tensor *t = ae_tensor_new(AE_I64, ndim, (int64_t[]){rows, columns}, &e);
    assert_non_null(t);
    for (int64_t i = 0; i < ae_numel(t); i++) {
        ae_set_i64(t, i, values[i]);
    }
    assert_int_equal(ae_tensors_add(in, name, t, &e), 0);
}

static const int64_t ids[8] = {1, 2, 3, 4, 5, 6, 7, 0};

/* The loss of a GPT-2 row on two sequences of four tokens; logits of all outputs into *first when it is not NULL. */
static double loss_of(const char *class_name, ae_tensors *in, double *first)
{
    ae_err e = {0};
    ae_json *config = ae_json_parse(gpt2_config, sizeof gpt2_config - 1, &e);
    const ae_zoo_model *row = ae_zoo_find(class_name);
    ae_model *m = ae_model_new(3);
    void *self = calloc(1, row->size);
    row->build(m, self, config, row->kind);
    assert_true(ae_model_ok(m));
    ae_tensors *out = ae_tensors_new();
    ae_graph *g = ae_graph_new();
    ae_graph_begin(g, AE_EVAL);
    ae_io io = {.graph = g, .inputs = in, .outputs = out};
    ae_tensor *loss = row->run(self, &io);
    assert_true(ae_ok(g));
    double value = loss ? ae_item(loss) : 0;
    if (first) {
        *first = ae_get_f64(ae_tensors_get(out, "logits"), 2); /* row 1, class 0 */
    }
    ae_graph_free(g);
    ae_tensors_free(out);
    ae_model_free(m);
    ae_json_free(config);
    free(self);
    return value;
}

static void next_ids_are_not_shifted(void **state)
{
    (void)state;
    static const int64_t next[8] = {2, 3, 4, -100, 6, 7, -100, -100}, labels[8] = {1, 2, 3, 4, 5, 6, 7, -100};
    ae_tensors *given = ae_tensors_new(), *shifted = ae_tensors_new();
    add_ids(given, "input_ids", 2, 2, 4, ids);
    add_ids(given, "next_ids", 2, 2, 4, next);
    add_ids(shifted, "input_ids", 2, 2, 4, ids);
    add_ids(shifted, "labels", 2, 2, 4, labels);
    double a = loss_of("GPT2LMHeadModel", given, NULL), b = loss_of("GPT2LMHeadModel", shifted, NULL);
    assert_true(a > 1);
    assert_float_equal(a, b, 1e-6);
    ae_tensors_free(given);
    ae_tensors_free(shifted);
}

static void classes_read_the_last_real_token(void **state)
{
    (void)state;
    static const int64_t mask[8] = {1, 1, 1, 1, 1, 1, 1, 0};
    double with_mask, without, cut;
    ae_tensors *in = ae_tensors_new();
    add_ids(in, "input_ids", 2, 2, 4, ids);
    loss_of("GPT2ForSequenceClassification", in, &without);
    add_ids(in, "attention_mask", 2, 2, 4, mask);
    loss_of("GPT2ForSequenceClassification", in, &with_mask);
    ae_tensors_free(in);
    static const int64_t short_ids[6] = {1, 2, 3, 5, 6, 7};
    in = ae_tensors_new();
    add_ids(in, "input_ids", 2, 2, 3, short_ids);
    loss_of("GPT2ForSequenceClassification", in, &cut);
    assert_float_equal(with_mask, cut, 1e-6);
    assert_true(with_mask > without + 1e-4 || with_mask < without - 1e-4);
    ae_tensors_free(in);
}

static void rows_are_found_by_objective(void **state)
{
    (void)state;
    static const struct {
        const char *family, *objective;
        int texts;
        const char *class_name;
    } cases[] = {
        {"bert", "mlm_nsp", 0, "BertForPreTraining"},
        {"bert", "mlm", 0, "BertForMaskedLM"},
        {"bert", "classes", 1, "BertForSequenceClassification"},
        {"bert", "classes", 2, "BertForSequenceClassification"},
        {"bert", "tags", 0, "BertForTokenClassification"},
        {"bert", "spans", 0, "BertForQuestionAnswering"},
        {"bert", "choices", 0, "BertForMultipleChoice"},
        {"gpt2", "lm", 0, "GPT2LMHeadModel"},
        {"gpt2", "classes", 0, "GPT2ForSequenceClassification"},
        {"infersent", "classes", 0, "NLINet"},
        {"infersent", "classes", 1, "ClassificationNet"},
        {"infersent", "classes", 2, "NLINet"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const ae_zoo_model *row = ae_zoo_for_texts(cases[i].family, cases[i].objective, cases[i].texts);
        assert_non_null(row);
        assert_string_equal(row->class_name, cases[i].class_name);
    }
    assert_ptr_equal(ae_zoo_for("infersent", "classes"), ae_zoo_find("NLINet"));
    assert_true(ae_zoo_for("infersent", "classes")->apart);
    assert_false(ae_zoo_for("bert", "classes")->apart);
    assert_null(ae_zoo_for("bert", "lm"));
    assert_null(ae_zoo_for("no such family", "mlm"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(next_ids_are_not_shifted),
        cmocka_unit_test(classes_read_the_last_real_token),
        cmocka_unit_test(rows_are_found_by_objective),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
