/* Heads that read few of the last states: the last layer leaves the others out, and the loss and every gradient are
 * those of a run that computes all of them, as an observed graph does. */
#include "small_training.h"
#include "tensor/gemm.h"

typedef struct outcome {
    double loss, flop;
    float *grad; /* of all parameters, one behind the other */
    int64_t count;
} outcome;

static int64_t masked_or_padding(int64_t i)
{
    return i == B * T - 1 ? 5 : masked(i); /* the last position is padding */
}

static int64_t nothing(int64_t i)
{
    return (void)i, -100;
}

/* The batch again with other labels; texts: one a text. */
static void relabel(fixture *f, bool texts, bool mask, int64_t (*words)(int64_t))
{
    ae_tensors_free(f->inputs);
    f->inputs = ae_tensors_new();
    give(f, "input_ids", 2, word);
    give(f, "token_type_ids", 2, segment);
    give(f, "labels", texts ? 1 : 2, texts ? relation : words);
    give(f, "class_labels", 1, relation);
    give(f, "next_sentence_label", 1, relation);
    if (mask) {
        give(f, "attention_mask", 2, real);
    }
}

static void read_gradients(const ae_model *m, outcome *o)
{
    o->count = ae_model_numel(m);
    o->grad = calloc((size_t)o->count, sizeof *o->grad);
    int64_t at = 0;
    for (int i = 0; i < ae_model_count(m); i++) {
        const ae_tensor *t = ae_model_at(m, i).tensor;
        if (t->grad) {
            assert_int_equal(ae_read(t->grad, AE_F32, o->grad + at, ae_numel(t)), 0);
        }
        at += ae_numel(t);
    }
}

/* One forward and backward without dropout; all: every state is computed. */
static outcome run(const fixture *f, ae_dtype precision, bool all)
{
    outcome o = {0};
    ae_graph *g = ae_graph_new();
    ae_tensors *seen = ae_tensors_new(), *outputs = ae_tensors_new();
    ae_io io = {g, f->inputs, outputs, true, true};
    ae_graph_precision(g, precision);
    ae_graph_observe(g, all ? seen : NULL);
    ae_model_zero_grad(f->model);
    ae_graph_begin(g, AE_GRAD);
    double before = ae_gemm_flop();
    ae_tensor *loss = f->row->run(f->self, &io);
    o.loss = loss ? ae_item(loss) : (double)NAN;
    if (ae_backward(g, loss, 0) != 0) {
        fail_msg("%s: %s", f->row->class_name, ae_graph_error(g)->message);
    }
    o.flop = ae_gemm_flop() - before;
    read_gradients(f->model, &o);
    ae_tensors_free(seen);
    ae_tensors_free(outputs);
    ae_graph_free(g);
    return o;
}

/* few: the run that may leave states out has to have fewer products. */
static void compare(const fixture *f, ae_dtype precision, bool few, double tolerance)
{
    outcome all = run(f, precision, true), some = run(f, precision, false);
    double most = 0, worst = 0;
    assert_true(!few || some.flop < 0.95 * all.flop);
    assert_true(fabs(all.loss - some.loss) <= tolerance * fabs(all.loss));
    for (int64_t i = 0; i < all.count; i++) {
        most = fmax(most, fabs((double)all.grad[i]));
        worst = fmax(worst, fabs((double)(all.grad[i] - some.grad[i])));
    }
    if (!(most > 0 && worst <= tolerance * most)) {
        fail_msg("%s: gradients differ by %g of %g", f->row->class_name, worst, most);
    }
    free(all.grad);
    free(some.grad);
}

static void both_masks(const char *class_name, const char *config, bool texts, bool few)
{
    for (int mask = 0; mask < 2; mask++) {
        fixture f;
        make(&f, class_name, config);
        relabel(&f, texts, mask, mask ? masked_or_padding : masked);
        compare(&f, AE_F32, few && mask, 2e-6); /* without a mask the observed run multiplies for attention maps, too */
        compare(&f, AE_BF16, few && mask, 0.02);
        drop(&f);
    }
}

/* ---- tests --------------------------------------------------------------------------------------------------------- */

static void bert(void **state)
{
    (void)state;
    both_masks("BertForPreTraining", BERT "}", false, true);
    both_masks("BertForMaskedLM", BERT "}", false, true);
    both_masks("BertForNextSentencePrediction", BERT "}", true, true);
    both_masks("BertForSequenceClassification", BERT "}", true, true);
}

static void bert_that_cannot(void **state)
{
    (void)state;
    both_masks("BertForMaskedLM", BERT ",\"position_embedding_type\":\"relative_key\"}", false, false);
    both_masks("BertForSequenceClassification", BERT ",\"is_decoder\":true}", true, false);
}

#define TARGETS(list) ",\"embedding\":[\"word\",\"pos\",\"seg\"],\"target\":[" list "]"

static void composed(void **state)
{
    (void)state;
    both_masks("Composed", COMPOSED MLM "}", false, true);
    both_masks("Composed", COMPOSED MLM ",\"layernorm_positioning\":\"pre\",\"feed_forward\":\"gated\"}", false, true);
    both_masks("Composed", COMPOSED TARGETS("\"mlm\",\"sp\",\"cls\"") "}", false, true);
    both_masks("Composed", COMPOSED TARGETS("\"cls\"") ",\"parameter_sharing\":true}", true, true);
}

static void composed_that_cannot(void **state)
{
    (void)state;
    both_masks("Composed", COMPOSED TARGETS("\"cls\"") ",\"pooling\":\"max\"}", true, false);
    both_masks("Composed", COMPOSED MLM ",\"relative_position_embedding\":true}", false, false);
    both_masks("Composed", COMPOSED MLM ",\"has_residual_attention\":true}", false, false);
}

/* A batch in which nothing is predicted: no query is left, and the loss is what it is otherwise. */
static void nothing_is_read(void **state)
{
    (void)state;
    fixture f;
    make(&f, "BertForMaskedLM", BERT "}");
    relabel(&f, false, true, nothing);
    outcome all = run(&f, AE_F32, true), some = run(&f, AE_F32, false);
    assert_true(all.loss == some.loss || (isnan(all.loss) && isnan(some.loss)));
    free(all.grad);
    free(some.grad);
    drop(&f);
}

static void labels_of_another_shape(void **state)
{
    (void)state;
    fixture f;
    make(&f, "BertForMaskedLM", BERT "}");
    relabel(&f, true, true, masked); /* one a text, not one a token */
    ae_graph *g = ae_graph_new();
    ae_tensors *outputs = ae_tensors_new();
    ae_io io = {g, f.inputs, outputs, true, true};
    ae_graph_begin(g, AE_GRAD);
    f.row->run(f.self, &io);
    assert_int_equal(ae_graph_error(g)->code, AE_E_SHAPE);
    assert_string_equal(ae_graph_error(g)->message, "labels are [3]; the batch is 3 x 12");
    ae_tensors_free(outputs);
    ae_graph_free(g);
    drop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bert),
        cmocka_unit_test(bert_that_cannot),
        cmocka_unit_test(composed),
        cmocka_unit_test(composed_that_cannot),
        cmocka_unit_test(nothing_is_read),
        cmocka_unit_test(labels_of_another_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
