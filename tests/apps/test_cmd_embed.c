/* `aesop embed`: poolings and layers against the states themselves, the same bits whatever stands beside a text, and
 * what bad input gets. */
#include "apps/tiny_models.h"
#include "tensor/hdf5_file.h"
#include "tensor/npy.h"

#include <math.h>

static const int64_t ids[] = {CLS, THE, OLD, CROW, SAT, SEP};
enum { TOKENS = sizeof ids / sizeof *ids, WIDTH = 8 };

static int make_models(void **state)
{
    (void)state;
    make_model("e_mlm.h5", "BertForMaskedLM", "{" BERT_SIZES "}", "{}", NULL, 5);
    make_model("e_bare.h5", "BertModel", "{" BERT_SIZES "}", "{}", NULL, 5);
    make_model("e_gpt2.h5", "GPT2LMHeadModel", "{" GPT2_SIZES "}", "{}", NULL, 5);
    make_model("e_lstm.h5", "Composed",
               "{\"vocab_size\": 20, \"embedding\": [\"word\"], \"encoder\": \"lstm\", \"target\": [\"cls\"], "
               "\"hidden_size\": 6, \"emb_size\": 5, \"layers_num\": 2, \"initializer_range\": 0.5}",
               "{\"objective\": \"classes\"}", NULL, 5);
    make_model("e_nli.h5", "Composed",
               "{\"vocab_size\": 20, \"embedding\": [\"word\"], \"encoder\": \"bilstm\", \"target\": [\"siamese\"], "
               "\"hidden_size\": 6, \"emb_size\": 5, \"layers_num\": 1, \"pooling\": \"max\"}",
               "{\"objective\": \"classes\", \"texts\": 2}", NULL, 5);
    return 0;
}

static void expect_vector(const char *line, const double *want, int n)
{
    char *end;
    for (int i = 0; i < n; i++, line = end) {
        double x = strtod(line, &end);
        assert_true(end != line && fabs(x - want[i]) < 1e-5);
    }
    assert_true(*line == '\n' || *line == '\0');
}

/* Every pooling of a layer's states, as computed here. */
static void check_poolings(const char *path, const char *layer, const char *name)
{
    tiny t;
    double mean[WIDTH] = {0}, max[WIDTH], first[WIDTH], last[WIDTH];
    ae_tensors *seen = ae_tensors_new();
    tiny_open(&t, path);
    tiny_run(&t, NULL, ids, TOKENS, seen);
    const ae_tensor *states = ae_tensors_get(seen, name);
    assert_non_null(states);
    for (int k = 0; k < WIDTH; k++) {
        max[k] = -INFINITY;
        for (int i = 0; i < TOKENS; i++) {
            double x = ae_get_f64(states, i * WIDTH + k);
            mean[k] += x / TOKENS;
            max[k] = fmax(max[k], x);
        }
        first[k] = ae_get_f64(states, k);
        last[k] = ae_get_f64(states, (TOKENS - 1) * WIDTH + k);
    }
    static const char *const poolings[] = {"auto", "mean", "max", "cls", "first", "last"};
    const double *const want[] = {mean, mean, max, first, first, last};
    for (int i = 0; i < 6; i++) {
        give_input("The old crow sat\n");
        expect_status(aesop(6, "embed", path, "--pooling", poolings[i], "--layer", layer), 0);
        expect_vector(out_text, want[i], WIDTH);
    }
    ae_tensors_free(seen);
    tiny_close(&t);
}

static void poolings_and_layers(void **state)
{
    (void)state;
    check_poolings("e_mlm.h5", "-1", "hidden_states.2");
    check_poolings("e_mlm.h5", "0", "hidden_states.0");
    check_poolings("e_gpt2.h5", "1", "hidden_states.1");
}

static void vectors_of_the_model_itself(void **state)
{
    (void)state;
    tiny t;
    double pooled[WIDTH];
    tiny_open(&t, "e_bare.h5");
    const ae_tensor *p = tiny_run(&t, "pooler_output", ids, TOKENS, NULL);
    for (int k = 0; k < WIDTH; k++) {
        pooled[k] = ae_get_f64(p, k);
    }
    tiny_close(&t);
    give_input("The old crow sat\n");
    expect_status(aesop(4, "embed", "e_bare.h5", "--pooling", "pooler"), 0);
    expect_vector(out_text, pooled, WIDTH);
    give_input("The old crow sat\n");
    expect_status(aesop(2, "embed", "e_nli.h5"), 0); /* the sentence vector u of the classifier of pairs */
    double u[6];
    for (int k = 0, at = 0, n; k < 6; k++, at += n) {
        assert_int_equal(sscanf(out_text + at, "%lf%n", &u[k], &n), 1);
    }
    give_input("the old crow sat\nthe fox\n");
    expect_status(aesop(2, "embed", "e_nli.h5"), 0);
    expect_vector(out_text, u, 6);
}

/* The same line alone, among texts of its length and among others, at several places: equal to the last digit. */
static void neighbours_change_nothing(void **state)
{
    (void)state;
    static const char *const models[] = {"e_mlm.h5", "e_gpt2.h5", "e_lstm.h5", "e_nli.h5"};
    static const char *const others[] = {"a tree", "he said the fox ran", "she", "the old fox ran",
                                         "on , on , on , on"};
    char text[20000] = "", *alone;
    for (int i = 0; i < 40; i++) {
        strcat(strcat(text, i % 7 == 3 ? "the old crow sat" : others[i * i % 5]), "\n");
    }
    for (int m = 0; m < 4; m++) {
        give_input("the old crow sat\n");
        expect_status(aesop(2, "embed", models[m]), 0);
        alone = strdup(out_text);
        give_input(text);
        expect_status(aesop(2, "embed", models[m]), 0);
        assert_int_equal(count_lines(out_text), 40);
        for (int i = 0; i < 40; i++) {
            char *line = line_of(out_text, i);
            bool same = strncmp(line, alone, strlen(alone) - 1) == 0;
            assert_int_equal(same, i % 7 == 3);
            free(line);
        }
        free(alone);
    }
}

static void formats(void **state)
{
    (void)state;
    ae_err e = {0};
    write_text("e_lines.txt", "\nthe fox\n\n");
    expect_status(aesop(6, "embed", "e_mlm.h5", "e_lines.txt", "-o", "e.npy", "--force"), 0);
    ae_tensor *t = ae_npy_read("e.npy", &e);
    fail_on(&e);
    assert_true(t->ndim == 2 && t->shape[0] == 3 && t->shape[1] == WIDTH);
    assert_true(isnan(ae_get_f64(t, 0)) && isfinite(ae_get_f64(t, WIDTH)) && isnan(ae_get_f64(t, 2 * WIDTH)));
    expect_status(aesop(6, "embed", "e_mlm.h5", "e_lines.txt", "-o", "e.h5", "--force"), 0);
    ae_tensors *all = ae_hdf5_read("e.h5", NULL, '/', &e);
    fail_on(&e);
    assert_true(ae_get_f64(ae_tensors_get(all, "embedding"), WIDTH + 3) == ae_get_f64(t, WIDTH + 3));
    ae_tensors_free(all);
    ae_tensor_free(t);
    expect_status(aesop(4, "embed", "e_mlm.h5", "e_lines.txt", "--json"), 0);
    char *first = line_of(out_text, 0), *second = line_of(out_text, 1);
    assert_string_equal(first, "{\"schema\":1,\"embedding\":null}");
    ae_json *j = ae_json_parse(second, strlen(second), &e);
    assert_int_equal(ae_json_count(ae_json_get(j, "embedding")), WIDTH);
    ae_json_free(j);
    free(first);
    free(second);
    give_input("\n\n"); /* nothing but empty records */
    expect_status(aesop(5, "embed", "e_mlm.h5", "-o", "e0.npy", "--force"), 0);
    t = ae_npy_read("e0.npy", &e);
    assert_true(t->shape[0] == 2 && t->shape[1] == WIDTH);
    ae_tensor_free(t);
}

static void bad_input(void **state)
{
    (void)state;
    give_input("the fox\n");
    expect_status(aesop(4, "embed", "e_mlm.h5", "--layer", "3"), 2);
    expect_log("--layer 3: the model shows 3 (0: the embeddings; -1: the last)");
    expect_status(aesop(4, "embed", "e_mlm.h5", "--layer", "-4"), 2);
    expect_log("--layer -4: the model shows 3");
    expect_status(aesop(4, "embed", "e_lstm.h5", "--layer", "1"), 2);
    expect_log("--layer 1: the model shows 0");
    expect_status(aesop(4, "embed", "e_gpt2.h5", "--pooling", "pooler"), 2);
    expect_log("e_gpt2.h5 is a GPT2LMHeadModel and has no pooler; --pooling cls, mean, max and last take the states");
    expect_status(aesop(4, "embed", "e_mlm.h5", "--pooling", "median"), 2);
    give_input("");
    expect_status(aesop(2, "embed", "e_mlm.h5"), 2);
    expect_log("the input is empty");
    make_model("e_mute.h5", "BertModel", "{" BERT_SIZES "}", "{}", "", 1);
    expect_status(aesop(2, "embed", "e_mute.h5"), 2);
    expect_log("e_mute.h5 holds no tokenizer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(poolings_and_layers),
        cmocka_unit_test(vectors_of_the_model_itself),
        cmocka_unit_test(neighbours_change_nothing),
        cmocka_unit_test(formats),
        cmocka_unit_test(bad_input),
    };
    return cmocka_run_group_tests(tests, make_models, free_texts);
}
