/* UER-py's checkpoints as BERT and GPT-2: values and gradients of its golden cases, and the way back. */
#include "tensor/safetensors.h"
#include "zoo/gpt2.h"
#include "zoo/uer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A case of UER-py with the model that its names make. */
typedef struct fixture {
    ae_tensors *weights, *inputs, *expected;
    ae_json *uer, *config;
    const char *class_name;
    const ae_rename_table *names;
    ae_model *m;
    void *self;
    ae_graph *g;
} fixture;

static ae_tensors *tensors_of(const char *name, const char *file)
{
    char path[1024];
    snprintf(path, sizeof path, AE_TEST_DIR "/golden/%s/%s.safetensors", name, file);
    ae_tensors *t = ae_safetensors_read(path, NULL, NULL);
    assert_non_null(t);
    return t;
}

static fixture open_case(const char *name)
{
    fixture f = {.weights = tensors_of(name, "model"),
                 .inputs = tensors_of(name, "inputs"),
                 .expected = tensors_of(name, "expected"),
                 .m = ae_model_new(1),
                 .g = ae_graph_new()};
    ae_err e = {0};
    char path[1024];
    snprintf(path, sizeof path, AE_TEST_DIR "/golden/%s/config.json", name);
    f.uer = ae_json_read_file(path, &e);
    f.class_name = ae_uer_class(f.weights);
    assert_non_null(f.class_name);
    f.names = ae_uer_names(f.class_name);
    f.config = ae_uer_config_read(f.class_name, f.uer, f.weights, &e);
    assert_string_equal(e.message, "");
    const ae_zoo_model *row = ae_zoo_find(f.class_name);
    f.self = calloc(1, row->size);
    row->build(f.m, f.self, f.config, row->kind);
    ae_load_options load = {.renames = *f.names};
    ae_model_load(f.m, f.weights, &load, NULL, &e);
    assert_string_equal(e.message, "");
    return f;
}

static void close_case(fixture *f)
{
    ae_tensors_free(f->weights);
    ae_tensors_free(f->inputs);
    ae_tensors_free(f->expected);
    ae_json_free(f->uer);
    ae_json_free(f->config);
    ae_graph_free(f->g);
    ae_model_free(f->m);
    free(f->self);
}

static bool is_gain(const char *name)
{
    return strstr(name, "LayerNorm.weight") || strstr(name, "ln_1.weight") || strstr(name, "ln_2.weight") ||
           strstr(name, "ln_f.weight") || strstr(name, ".gamma");
}

/* Multiplies every gain by what the two layer norms differ by, so that the model computes UER-py's numbers. */
static double correct_gains(fixture *f)
{
    double factor = 1;
    for (int i = 0; i < ae_model_count(f->m); i++) {
        ae_param_info p = ae_model_at(f->m, i);
        if (is_gain(p.name)) {
            factor = sqrt(1 - 1 / (double)ae_numel(p.tensor));
            for (int64_t k = 0; k < ae_numel(p.tensor); k++) {
                ae_set_f64(p.tensor, k, ae_get_f64(p.tensor, k) * factor);
            }
        }
    }
    return factor;
}

static double largest(const ae_tensor *t)
{
    double most = 0;
    for (int64_t i = 0; i < ae_numel(t); i++) {
        most = fmax(most, fabs(ae_get_f64(t, i)));
    }
    return most;
}

/* The loss and every gradient, under UER-py's names, against the case. */
static void expect_case(fixture *f, ae_tensor *loss, double factor)
{
    ae_err e = {0};
    if (!ae_ok(f->g)) {
        fail_msg("%s", ae_graph_error(f->g)->message);
    }
    assert_true(fabs(ae_item(loss) - ae_get_f64(ae_tensors_get(f->expected, "loss"), 0)) < 2e-5);
    assert_int_equal(ae_backward(f->g, loss, 0), 0);
    ae_tensors *gradients = ae_tensors_new();
    ae_save_options save = {.renames = *f->names, .gradients = true};
    ae_model_save(f->m, &save, gradients, &e);
    assert_string_equal(e.message, "");
    int compared = 0;
    for (int i = 0; i < ae_tensors_count(f->expected); i++) {
        const char *name = ae_tensors_name(f->expected, i);
        if (strncmp(name, "grad.", 5) != 0) {
            continue;
        }
        const ae_tensor *want = ae_tensors_at(f->expected, i), *got = ae_tensors_get(gradients, name + 5);
        assert_non_null(got);
        assert_true(ae_same_shape(got, want));
        double scale = is_gain(name) ? factor : 1, most = largest(want);
        for (int64_t k = 0; k < ae_numel(want); k++) {
            if (fabs(ae_get_f64(got, k) * scale - ae_get_f64(want, k)) > 2e-6 + 1e-4 * most) {
                fail_msg("%s, element %lld: %g, not %g", name, (long long)k, ae_get_f64(got, k) * scale,
                         ae_get_f64(want, k));
            }
        }
        compared++;
    }
    assert_int_equal(compared, ae_tensors_count(gradients));
    ae_tensors_free(gradients);
}

/* Adds a tensor with `change` of every element under the model's name for it. */
static void add_changed(ae_tensors *to, const char *name, const ae_tensor *t, int64_t (*change)(int64_t))
{
    ae_tensor *copy = ae_tensor_new(AE_I64, t->ndim, t->shape, NULL);
    for (int64_t i = 0; i < ae_numel(copy); i++) {
        ae_set_i64(copy, i, change(ae_get_i64(t, i)));
    }
    ae_tensors_add(to, name, copy, NULL);
}

static int64_t same(int64_t x)
{
    return x;
}

static int64_t is_real(int64_t segment)
{
    return segment > 0;
}

static int64_t type_of(int64_t segment)
{
    return segment > 1;
}

static int64_t label_of(int64_t target)
{
    return target > 0 ? target : -100;
}

static void bert_computes_their_numbers(void **state)
{
    (void)state;
    fixture f = open_case("uer_bert_mlm_sp");
    assert_string_equal(f.class_name, "BertForPreTraining");
    double factor = correct_gains(&f);
    ae_tensors *in = ae_tensors_new(), *out = ae_tensors_new();
    add_changed(in, "input_ids", ae_tensors_get(f.inputs, "src"), same);
    add_changed(in, "attention_mask", ae_tensors_get(f.inputs, "seg"), is_real);
    add_changed(in, "token_type_ids", ae_tensors_get(f.inputs, "seg"), type_of);
    add_changed(in, "labels", ae_tensors_get(f.inputs, "tgt_mlm"), label_of);
    add_changed(in, "next_sentence_label", ae_tensors_get(f.inputs, "tgt_sp"), same);
    ae_graph_begin(f.g, AE_GRAD);
    ae_io io = {.graph = f.g, .inputs = in, .outputs = out};
    expect_case(&f, ae_zoo_find(f.class_name)->run(f.self, &io), factor);
    ae_tensors_free(in);
    ae_tensors_free(out);
    close_case(&f);
}

static void gpt2_computes_their_numbers(void **state)
{
    (void)state;
    fixture f = open_case("uer_gpt2_lm");
    assert_string_equal(f.class_name, "GPT2LMHeadModel");
    double factor = correct_gains(&f);
    ae_graph *g = f.g;
    ae_graph_begin(g, AE_GRAD);
    ae_gpt2_inputs in = {.input_ids = ae_input(g, ae_tensors_get(f.inputs, "src"))};
    ae_tensor *seg = ae_input(g, ae_tensors_get(f.inputs, "seg")), *tgt = ae_input(g, ae_tensors_get(f.inputs, "tgt"));
    ae_tensor *padding = ae_eq(g, seg, ae_scalar(g, AE_I64, 0));
    ae_tensor *labels = ae_masked_fill(g, tgt, padding, -100), *targets;
    ae_tensor *rows = ae_labelled_rows(g, ae_gpt2_encode(g, f.self, &in), labels, -100, &targets);
    expect_case(&f, ae_cross_entropy(g, ae_gpt2_logits(g, f.self, rows), targets, NULL), factor);
    close_case(&f);
}

/* Everything comes back bit for bit under all its names, but the row of padding's segment, which comes back as zeros.
 */
static void the_way_back(void **state)
{
    static const char *const cases[] = {"uer_bert_mlm_sp", "uer_gpt2_lm"};
    (void)state;
    for (int c = 0; c < 2; c++) {
        fixture f = open_case(cases[c]);
        ae_err e = {0};
        ae_tensors *back = ae_tensors_new();
        ae_save_options save = {.renames = *f.names, .aliases = true};
        ae_model_save(f.m, &save, back, &e);
        assert_string_equal(e.message, "");
        assert_int_equal(ae_tensors_count(back), ae_tensors_count(f.weights));
        for (int i = 0; i < ae_tensors_count(back); i++) {
            const char *name = ae_tensors_name(back, i);
            const ae_tensor *got = ae_tensors_at(back, i), *want = ae_tensors_get(f.weights, name);
            assert_non_null(want);
            assert_true(ae_same_shape(got, want));
            int64_t skip = strcmp(name, "embedding.seg.embedding.weight") == 0 ? got->shape[1] : 0;
            for (int64_t k = 0; k < ae_numel(got); k++) {
                assert_true(ae_get_f64(got, k) == (k < skip ? 0 : ae_get_f64(want, k)));
            }
        }
        ae_tensors_free(back);
        close_case(&f);
    }
}

/* Their configuration comes back with the values it had. */
static void configurations_there_and_back(void **state)
{
    static const char *const cases[] = {"uer_bert_mlm_sp", "uer_gpt2_lm"};
    (void)state;
    for (int c = 0; c < 2; c++) {
        fixture f = open_case(cases[c]);
        ae_err e = {0};
        ae_json *back = ae_uer_config_write(f.class_name, f.config, &e);
        assert_string_equal(e.message, "");
        for (const ae_json *j = ae_json_first(f.uer); j; j = ae_json_next(j)) {
            char *want = ae_json_text(j, false, &e), *got = ae_json_text(ae_json_get(back, ae_json_key(j)), false, &e);
            assert_string_equal(got, want);
            free(want);
            free(got);
        }
        ae_json_free(back);
        close_case(&f);
    }
}

static void expect_refused(const char *of, const char *change, const char *message)
{
    fixture f = open_case(of);
    ae_err e = {0};
    ae_json *patch = ae_json_parse(change, strlen(change), NULL);
    assert_int_equal(ae_json_merge(f.uer, patch, NULL), 0);
    assert_null(ae_uer_config_read(f.class_name, f.uer, f.weights, &e));
    assert_string_equal(e.message, message);
    ae_json_free(patch);
    close_case(&f);
}

static void other_models_are_refused(void **state)
{
    (void)state;
    expect_refused("uer_bert_mlm_sp", "{\"layernorm_positioning\": \"pre\"}",
                   "config: \"layernorm_positioning\" is pre; BertForPreTraining is post there");
    expect_refused("uer_bert_mlm_sp", "{\"embedding\": [\"word\", \"sinusoidalpos\"]}",
                   "config: \"embedding\" is word_sinusoidalpos; BertForPreTraining is word_pos_seg there");
    expect_refused("uer_bert_mlm_sp", "{\"parameter_sharing\": true}",
                   "config: \"parameter_sharing\" is true; BertForPreTraining is false there");
    expect_refused("uer_gpt2_lm", "{\"remove_embedding_layernorm\": false}",
                   "config: \"remove_embedding_layernorm\" is false; GPT2LMHeadModel is true there");
    expect_refused("uer_gpt2_lm", "{\"emb_size\": 16}",
                   "config: \"emb_size\" is another than hidden_size; GPT2LMHeadModel is of one width there");
    expect_refused("uer_gpt2_lm", "{\"hidden_act\": \"linear\"}",
                   "config: \"hidden_act\" is linear; gelu, gelu_fast, relu and silu are UER-py's");
    assert_null(ae_uer_names("BertForMultipleChoice"));
}

static void expect_unwritable(const char *class_name, const char *config, const char *message)
{
    ae_err e = {0};
    ae_json *j = ae_json_parse(config, strlen(config), NULL);
    assert_null(ae_uer_config_write(class_name, j, &e));
    assert_string_equal(e.message, message);
    ae_json_free(j);
}

static void what_they_lack_is_refused(void **state)
{
    (void)state;
    expect_unwritable("BertForMaskedLM", "{\"position_embedding_type\": \"relative_key\"}",
                      "config: \"position_embedding_type\" is relative_key; UER-py's model is absolute there");
    expect_unwritable("BertForMaskedLM", "{\"type_vocab_size\": 1}",
                      "config: \"type_vocab_size\" is not 2; UER-py's model is of two segments and padding there");
    expect_unwritable("GPT2LMHeadModel", "{\"scale_attn_weights\": false}",
                      "config: \"scale_attn_weights\" is false; UER-py's model is true there");
    expect_unwritable("GPT2LMHeadModel", "{\"activation_function\": \"tanh\"}",
                      "config: \"activation_function\" is tanh; UER-py has gelu, gelu_new, relu and silu");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bert_computes_their_numbers),
        cmocka_unit_test(gpt2_computes_their_numbers),
        cmocka_unit_test(the_way_back),
        cmocka_unit_test(configurations_there_and_back),
        cmocka_unit_test(other_models_are_refused),
        cmocka_unit_test(what_they_lack_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
