/* The report of memory: what a dry step says is what a real one takes, within 5 %; for files, recipes and
 * configurations, in training and inference; its parts add up; and what bad input gets. */
#include "apps/memory_report.h"
#include "tensor/kernels.h"
#include "tiny_models.h"

#include <math.h>
#include <sys/resource.h>

/* ---- a dry step against a real one --------------------------------------------------------------------------------- */

typedef struct step {
    const char *class_name, *config, *rule;
    bool infer, recompute, early;
    int64_t rounds;
    ae_dtype precision;
} step;

static ae_memory_report *measured(const step *s, bool dry)
{
    ae_err e = {0};
    ae_bench_model b;
    ae_memory_report *r = calloc(1, sizeof *r);
    ae_memory_plan plan = {.train = !s->infer, .recompute = s->recompute, .dry = dry, .precision = s->precision};
    ae_json *config = ae_json_parse(s->config, strlen(s->config), &e);
    if (ae_bench_model_from(&b, ae_zoo_find(s->class_name), config, dry, &e) != 0) {
        fail_msg("%s: %s", s->class_name, e.message);
    }
    b.rule = s->rule;
    b.early = s->early;
    b.rounds = s->rounds;
    if (ae_bench_model_feed(&b, 6, 24, plan.train, &e) != 0 || ae_memory_measure(&b, &plan, r, &e) != 0) {
        fail_msg("%s: %s", s->class_name, e.message);
    }
    ae_bench_model_free(&b);
    assert_false(ae_kernels_dry());
    return r;
}

static int64_t kind_of(const ae_memory_report *r, ae_memory_kind kind)
{
    int64_t bytes = 0;
    for (int i = 0; i < r->count; i++) {
        bytes += r->lines[i].kind == kind ? r->lines[i].at_peak : 0;
    }
    return bytes;
}

static int64_t agree(const step *s)
{
    ae_memory_report *dry = measured(s, true), *real = measured(s, false);
    int64_t total = dry->weights + dry->packs + dry->optimizer + dry->inputs, most = real->total;
    for (int k = 0; k <= AE_MEMORY_GRADIENTS; k++) {
        assert_int_equal(kind_of(dry, (ae_memory_kind)k), dry->kinds[k]);
        total += dry->kinds[k];
    }
    assert_int_equal(total, dry->total); /* the parts are the whole */
    assert_true(dry->reserved >= dry->total);
    assert_true(fabs((double)(dry->total - real->total)) <= 0.05 * (double)real->total);
    assert_int_equal(dry->weights, real->weights);
    assert_int_equal(dry->optimizer, real->optimizer);
    assert_int_equal(dry->packs, real->packs);
    assert_true((dry->optimizer > 0) == !s->infer && (dry->kinds[AE_MEMORY_SAVED] > 0) == !s->infer);
    free(dry);
    free(real);
    return most;
}

#define BERT_CONFIG                                                                                                    \
    "{\"vocab_size\":100,\"hidden_size\":32,\"num_hidden_layers\":3,\"num_attention_heads\":2,\"intermediate_size\":"  \
    "128,\"max_position_embeddings\":24,\"num_labels\":3}"
#define WIDE_CONFIG                                                                                                    \
    "{\"vocab_size\":100,\"hidden_size\":128,\"num_hidden_layers\":3,\"num_attention_heads\":2,\"intermediate_size\":" \
    "512,\"max_position_embeddings\":24}"
#define GPT2_CONFIG "{\"vocab_size\":100,\"n_embd\":32,\"n_layer\":3,\"n_head\":2,\"n_positions\":24}"
#define COMPOSED_CONFIG                                                                                                \
    "{\"vocab_size\":100,\"hidden_size\":32,\"layers_num\":3,\"heads_num\":2,\"max_seq_length\":24,\"embedding\":["    \
    "\"word\",\"pos\",\"seg\"],\"encoder\":\"transformer\",\"target\":[\"mlm\"]}"
#define LSTM_CONFIG                                                                                                    \
    "{\"vocab_size\":100,\"hidden_size\":32,\"emb_size\":32,\"encoder\":\"lstm\",\"embedding\":[\"word\"],\"target\":" \
    "["                                                                                                                \
    "\"lm\"]}"
#define NLI_CONFIG "{\"word_emb_dim\":16,\"enc_lstm_dim\":24,\"fc_dim\":16,\"pool_type\":\"max\",\"version\":2}"

static void dry_steps_agree_with_real_ones(void **state)
{
    (void)state;
    static const step steps[] = {
        {.class_name = "BertForPreTraining", .config = BERT_CONFIG},
        {.class_name = "BertForPreTraining", .config = BERT_CONFIG, .precision = AE_BF16, .rule = "adafactor"},
        {.class_name = "BertForPreTraining", .config = BERT_CONFIG, .infer = true},
        {.class_name = "BertForPreTraining", .config = BERT_CONFIG, .infer = true, .precision = AE_BF16},
        {.class_name = "BertForPreTraining", .config = WIDE_CONFIG, .infer = true},
        {.class_name = "BertForPreTraining", .config = WIDE_CONFIG, .infer = true, .precision = AE_BF16},
        {.class_name = "BertForPreTraining", .config = BERT_CONFIG, .rounds = 2},
        {.class_name = "BertForSequenceClassification", .config = BERT_CONFIG, .rule = "adagrad"},
        {.class_name = "BertForTokenClassification", .config = BERT_CONFIG},
        {.class_name = "BertForQuestionAnswering", .config = BERT_CONFIG},
        {.class_name = "BertForMultipleChoice", .config = BERT_CONFIG},
        {.class_name = "GPT2LMHeadModel", .config = GPT2_CONFIG, .recompute = true},
        {.class_name = "GPT2LMHeadModel", .config = GPT2_CONFIG, .precision = AE_BF16, .early = true},
        {.class_name = "Composed", .config = COMPOSED_CONFIG, .rule = "lamb"},
        {.class_name = "Composed", .config = LSTM_CONFIG},
        {.class_name = "NLINet", .config = NLI_CONFIG},
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        step s = steps[i];
        s.precision = s.precision == AE_BF16 ? AE_BF16 : AE_F32;
        agree(&s);
    }
}

/* What is there to spare memory does, in the report as in the step. */
static void what_spares_memory_shows(void **state)
{
    (void)state;
    step s = {.class_name = "BertForPreTraining", .config = BERT_CONFIG, .rule = "adamw", .precision = AE_F32};
    int64_t plain = agree(&s);
    s.recompute = true;
    int64_t recomputed = agree(&s);
    s.early = true;
    int64_t both = agree(&s);
    s.early = s.recompute = false;
    s.rounds = 2;
    int64_t rounds = agree(&s);
    assert_true(recomputed < plain && both < recomputed && rounds > plain);
}

/* ---- the command --------------------------------------------------------------------------------------------------- */

static int64_t bytes_of(const char *key)
{
    ae_err e = {0};
    ae_json *j = ae_json_parse(out_text, strlen(out_text), &e);
    fail_on(&e);
    int64_t bytes = ae_json_int(ae_json_get(j, "bytes"), key, -1, &e);
    ae_json_free(j);
    return bytes;
}

/* The same recipe measured by `bench train`, which computes it. */
static void a_recipe_agrees_with_bench(void **state)
{
    (void)state;
    static const char *const recipes[] = {"bert-tiny", "nanogpt"};
    for (int i = 0; i < 4; i++) {
        char *extra = i % 2 ? "--checkpoint-activations" : "--json", *model = (char *)(uintptr_t)recipes[i / 2];
        expect_status(aesop(11, "inspect", "--memory", "--model", model, "--batch", "2", "--seq", "32", "--json",
                            "--precision=f32", extra),
                      0);
        double said = (double)bytes_of("total");
        expect_status(aesop(12, "bench", "train", "--model", model, "--batch", "2", "--seq", "32", "--steps", "1",
                            "--json", "--precision=f32", extra),
                      0);
        ae_json *j = ae_json_parse(out_text, strlen(out_text), NULL);
        double held = ae_json_double(j, "held_bytes", 0, NULL);
        ae_json_free(j);
        assert_true(said > 0 && fabs(said - held) <= 0.05 * held);
    }
}

static void files_and_configurations_are_read(void **state)
{
    (void)state;
    make_model("tiny_report.h5", "BertForSequenceClassification", "{" BERT_SIZES ", \"num_labels\": 2}", "{}", NULL, 1);
    expect_status(aesop(8, "inspect", "tiny_report.h5", "--memory", "--seq", "24", "--json", "--batch", "3"), 0);
    assert_non_null(strstr(out_text, "\"model\":\"BertForSequenceClassification\""));
    assert_non_null(strstr(out_text, "\"optimizer\":\"adamw\""));
    int64_t weights = bytes_of("weights");
    assert_int_equal(bytes_of("optimizer"), 2 * weights); /* every parameter is trained */
    expect_status(aesop(7, "inspect", "tiny_report.h5", "--memory", "--infer", "--seq", "20", "--json"), 0);
    assert_int_equal(bytes_of("optimizer"), 0);
    assert_int_equal(bytes_of("saved"), 0);
    assert_int_equal(bytes_of("weights"), weights);
    write_text("unbuilt.json", "{\"architectures\": [\"GPT2LMHeadModel\"], " GPT2_SIZES "}");
    expect_status(aesop(8, "inspect", "--memory", "--model", "./unbuilt.json", "--batch", "2", "--seq", "30"), 0);
    assert_non_null(strstr(out_text, "GPT2LMHeadModel, a training step of 2 x 30 in "));
    assert_non_null(strstr(out_text, "saved for backward"));
    assert_non_null(strstr(out_text, "  attention"));
    assert_non_null(strstr(out_text, "all, when most is held"));
    write_text("unbuilt.json", "{\"encoder\": \"bilstm\", \"embedding\": [\"word\"], \"target\": [\"cls\"], "
                               "\"hidden_size\": 16, \"emb_size\": 8}");
    expect_status(aesop(8, "inspect", "--memory", "--model", "./unbuilt.json", "--batch", "2", "--seq", "9"), 0);
    expect_status(
        aesop(10, "inspect", "--memory", "--model", "bert-tiny", "--batch", "2", "--seq", "9", "--accumulate", "4"), 0);
}

/* BERT-base would need four gigabytes. */
static void large_models_are_not_built(void **state)
{
    (void)state;
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    expect_status(aesop(6, "inspect", "--memory", "--model", "bert-base", "--json", "--precision=f32"), 0);
    getrusage(RUSAGE_SELF, &after);
    int64_t total = bytes_of("total"), taken = (int64_t)(after.ru_maxrss - before.ru_maxrss) * 1024;
    assert_int_equal(bytes_of("weights"), 4LL * 110106428);
    assert_int_equal(bytes_of("optimizer"), 8LL * 110106428);
    assert_true(total > 3LL << 30 && total < 5LL << 30);
#ifndef __SANITIZE_ADDRESS__ /* its shadow and quarantine count too */
    assert_true(taken < total / 4);
#else
    (void)taken;
#endif
}

static void bad_input_is_answered(void **state)
{
    (void)state;
    expect_status(aesop(2, "inspect", "--memory"), 2);
    expect_log("--memory of which model? Give either a file or --model NAME");
    expect_status(aesop(5, "inspect", "x.h5", "--memory", "--model", "bert-tiny"), 2);
    expect_log("--memory of which model? Give either a file or --model NAME");
    expect_status(aesop(1, "inspect"), 2);
    expect_log("which file or folder? `inspect PATH`, or --memory --model NAME");
    expect_status(aesop(4, "inspect", "x.h5", "--batch", "3"), 2);
    expect_log("--batch says which step --memory is about; give --memory too");
    expect_status(aesop(4, "inspect", "--memory", "--model", "bert-tyni"), 2);
    expect_log("did you mean bert-tiny");
    expect_status(aesop(5, "inspect", "--memory", "--model", "lstm", "--checkpoint-activations"), 2);
    expect_log("--checkpoint-activations: Composed as it is configured cannot recompute its layers in backward");
    expect_status(aesop(7, "inspect", "--memory", "--model", "bert-tiny", "--update-in-backward", "--accumulate", "2"),
                  2);
    expect_log("--update-in-backward: --accumulate 2 keeps gradients from batch to batch; give --accumulate 1");
    expect_status(aesop(6, "inspect", "--memory", "--model", "bert-tiny", "--optimizer", "adamm"), 2);
    expect_log("adamm");
    make_model("bare.h5", "BertModel", "{" BERT_SIZES "}", "{}", NULL, 1);
    expect_status(aesop(5, "inspect", "bare.h5", "--memory", "--seq", "20"), 2);
    expect_log("BertModel gives no loss to train on");
    write_text("words.npz", "no archive");
    expect_status(aesop(3, "inspect", "words.npz", "--memory"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dry_steps_agree_with_real_ones), cmocka_unit_test(what_spares_memory_shows),
        cmocka_unit_test(a_recipe_agrees_with_bench),     cmocka_unit_test(files_and_configurations_are_read),
        cmocka_unit_test(large_models_are_not_built),     cmocka_unit_test(bad_input_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, free_texts);
}
