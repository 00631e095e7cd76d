/* `aesop parity` as a user meets it: exit statuses, what it prints, what it stores, what bad cases get. */
#include "apps/program.h"
#include "tensor/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define CASE AE_TEST_DIR "/golden/gpt2_past"

static void passes_and_says_which_kernels_ran(void **state)
{
    (void)state;
    assert_int_equal(aesop(2, "parity", CASE), 0);
    assert_non_null(strstr(out_text, "PASS  37 tensors compared, 0 failed"));
    assert_non_null(strstr(out_text, "kernels: "));
    assert_non_null(strstr(out_text, "attention.blocked.backward"));
}

static void prints_json(void **state)
{
    (void)state;
    assert_int_equal(aesop(3, "parity", CASE, "--json"), 0);
    ae_json *j = ae_json_parse(out_text, strlen(out_text), NULL);
    assert_non_null(j);
    assert_true(ae_json_bool(j, "pass", false, NULL));
    assert_int_equal(ae_json_count(ae_json_get(j, "tensors")), 37);
    assert_string_equal(ae_json_string(j, "mode", "", NULL), "padded");
    ae_json_free(j);
}

static void stores_what_it_computed(void **state)
{
    (void)state;
    unlink("parity_out.safetensors");
    assert_int_equal(aesop(4, "parity", CASE, "--write", "parity_out.safetensors"), 0);
    ae_tensors *d = ae_safetensors_read("parity_out.safetensors", NULL, NULL);
    assert_non_null(d);
    assert_non_null(ae_tensors_get(d, "grad.transformer.wte.weight"));
    assert_non_null(ae_tensors_get(d, "present.1.value"));
    ae_tensors_free(d);
    assert_int_equal(aesop(5, "parity", CASE, CASE, "--write", "x.safetensors"), 2);
    assert_non_null(strstr(log_text, "--write stores one case; 2 were given"));
}

/* A folder with files of a case. */
static void link_files(const char *dir, const char *of, int n, const char *const *files)
{
    char from[1024], to[1024];
    mkdir(dir, 0777);
    for (int i = 0; i < n; i++) {
        snprintf(from, sizeof from, "%s/%s", of, files[i]);
        snprintf(to, sizeof to, "%s/%s", dir, files[i]);
        unlink(to);
        assert_int_equal(symlink(from, to), 0);
    }
}

/* A copy of the case whose expected logits are off by a little, and which expects a tensor that nobody makes. */
static void copy_spoiled(const char *dir)
{
    static const char *const files[] = {"meta.json", "config.json", "model.safetensors", "inputs.safetensors"};
    char from[1024], to[1024];
    ae_err e = {0};
    link_files(dir, CASE, 4, files);
    snprintf(from, sizeof from, "%s/expected.safetensors", CASE);
    snprintf(to, sizeof to, "%s/expected.safetensors", dir);
    ae_tensors *d = ae_safetensors_read(from, NULL, &e);
    assert_non_null(d);
    ae_tensor *logits = ae_tensors_get(d, "logits");
    ae_set_f64(logits, 3, ae_get_f64(logits, 3) + 0.01);
    ae_tensors_add(d, "pooler_output", ae_tensor_new(AE_F32, 1, (int64_t[]){4}, &e), &e);
    assert_int_equal(ae_safetensors_write(to, d, NULL, &e), 0);
    ae_tensors_free(d);
}

static void fails_on_a_wrong_or_missing_tensor(void **state)
{
    (void)state;
    copy_spoiled("spoiled_case");
    assert_int_equal(aesop(2, "parity", "spoiled_case"), 1);
    assert_non_null(strstr(out_text, "FAIL  38 tensors compared, 2 failed"));
    assert_non_null(strstr(out_text, "pooler_output   <-- not produced"));
    assert_non_null(strstr(out_text, "logits   <-- beyond tolerance"));
}

static void names_what_is_wrong_with_a_case(void **state)
{
    (void)state;
    assert_int_equal(aesop(2, "parity", "no_such_case"), 2);
    assert_non_null(strstr(log_text, "no_such_case/meta.json"));
    mkdir("empty_case", 0777);
    FILE *f = fopen("empty_case/meta.json", "w");
    fputs("{\"class\": \"x.NoSuchModel\"}", f);
    fclose(f);
    assert_int_equal(aesop(2, "parity", "empty_case"), 2);
    assert_non_null(strstr(log_text, "expected.safetensors"));
    assert_int_equal(aesop(1, "parity"), 2);
}

/* What changes the tokens that are chosen, and is not known, is not ignored. */
static void refuses_unknown_generation(void **state)
{
    (void)state;
    static const char *const files[] = {"expected.safetensors", "config.json", "model.safetensors",
                                        "inputs.safetensors"};
    static const char *const options[][2] = {
        {"\"do_sample\": true", "the tokens must be chosen without do_sample"},
        {"\"num_beams\": 0", "num_beams is 0; 1 to 4096 are possible"},
        {"\"num_beams\": 2, \"early_stopping\": \"soon\"", "early_stopping is \"soon\"; true, false and"},
        {"\"num_beams\": 2, \"num_beam_groups\": 2", "generation with \"num_beam_groups\" is not known"},
        {"\"suppress_tokens\": [3]", "generation with \"suppress_tokens\" is not known to this version"},
        {"\"eos_token_id\": \"x\"", "eos_token_id"},
        {"\"bad_words_ids\": [[]]", "bad word 0 holds no token"},
        {"\"repetition_penalty\": -2", "repetition_penalty is -2; it must be above 0"},
        {"\"max_length\": 2", "-4 tokens behind 6; the model has 24 positions"},
    };
    link_files("decode_case", AE_TEST_DIR "/golden/decode_gpt2_ngrams", 4, files);
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        FILE *f = fopen("decode_case/meta.json", "w");
        fprintf(f, "{\"kind\": \"decode\", \"class\": \"GPT2LMHeadModel\", \"generate\": {%s}}", options[i][0]);
        fclose(f);
        assert_int_equal(aesop(2, "parity", "decode_case"), 2);
        if (!strstr(log_text, options[i][1])) {
            fail_msg("%s: %s", options[i][0], log_text);
        }
    }
}

/* ---- tokenizers ------------------------------------------------------------------------------------------------------ */

#define TOKENIZER_CASE AE_TEST_DIR "/golden/tok_gpt2"

static void compares_tokenizers_field_by_field(void **state)
{
    (void)state;
    assert_int_equal(aesop(4, "parity", TOKENIZER_CASE, "--write", "tok_out.json"), 0);
    assert_non_null(strstr(out_text, "PASS  131 fields compared, 0 failed"));
    ae_json *j = ae_json_read_file("tok_out.json", NULL);
    assert_int_equal(ae_json_count(ae_json_get(j, "rows")), 29);
    assert_int_equal(ae_json_count(ae_json_get(j, "pairs")), 3);
    assert_int_equal(ae_json_count(ae_json_get(ae_json_at(ae_json_get(j, "rows"), 0), "ids")), 23);
    ae_json_free(j);
    assert_int_equal(aesop(3, "parity", TOKENIZER_CASE, "--json"), 0);
    assert_non_null(strstr(out_text, "\"pass\":true,\"failures\":0,\"fields\":131,\"differences\":[]"));
}

static void link_file(const char *from_dir, const char *dir, const char *file)
{
    char from[1024], to[1024];
    snprintf(from, sizeof from, "%s/%s", from_dir, file);
    snprintf(to, sizeof to, "%s/%s", dir, file);
    unlink(to);
    assert_int_equal(symlink(from, to), 0);
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void tells_how_tokenizers_differ(void **state)
{
    (void)state;
    mkdir("tok_spoiled", 0777);
    link_file(TOKENIZER_CASE, "tok_spoiled", "vocab.json");
    link_file(TOKENIZER_CASE, "tok_spoiled", "merges.txt");
    write_text("tok_spoiled/meta.json", "{\"class\": \"GPT2Tokenizer\", \"kind\": \"tok\"}");
    write_text("tok_spoiled/expected.json",
               "{\"rows\":[{\"text\":\"The\",\"ids\":[323],\"tokens\":[\"Te\"]}],"
               "\"pairs\":[{\"a\":\"The\",\"b\":\"\",\"max9\":{\"input_ids\":[323],\"other\":1}}]}");
    assert_int_equal(aesop(2, "parity", "tok_spoiled"), 1);
    assert_non_null(strstr(out_text, "rows[0].tokens\n  got  [\"The\"]\n  want [\"Te\"]\n"));
    assert_non_null(strstr(out_text, "pairs[0].max9.other\n  got  nothing\n  want 1\n"));
    assert_non_null(strstr(out_text, "FAIL  4 fields compared, 3 failed"));
    assert_int_equal(aesop(3, "parity", TOKENIZER_CASE, "tok_spoiled"), 1);
    assert_non_null(strstr(out_text, "2 cases, 1 failed"));
}

static void refuses_tokenizers_by_name(void **state)
{
    (void)state;
    mkdir("tok_other", 0777);
    write_text("tok_other/meta.json", "{\"class\": \"WolpertingerTokenizer\"}");
    write_text("tok_other/expected.json", "{\"rows\":[]}");
    assert_int_equal(aesop(2, "parity", "tok_other"), 2);
    assert_non_null(
        strstr(log_text, "tok_other: tokenizers of the class WolpertingerTokenizer are not known to this version"));
    write_text("tok_other/meta.json", "{\"class\": \"GPT2Tokenizer\"}");
    assert_int_equal(aesop(2, "parity", "tok_other"), 2);
    link_file(TOKENIZER_CASE, "tok_other", "vocab.json");
    link_file(TOKENIZER_CASE, "tok_other", "merges.txt");
    assert_int_equal(aesop(2, "parity", "tok_other"), 2);
    assert_non_null(strstr(log_text, "expected.json has no field to compare"));
}

/* In bf16 a case passes, a spoiled one does not, and what is no single forward and backward is refused. */
static void bf16_is_compared_by_length(void **state)
{
    (void)state;
    assert_int_equal(aesop(5, "parity", CASE, "--precision", "bf16", "--json"), 0);
    ae_json *j = ae_json_parse(out_text, strlen(out_text), NULL);
    const ae_json *worst = ae_json_first(ae_json_get(j, "tensors"));
    assert_true(ae_json_double(worst, "relative", 0, NULL) > 1e-3); /* it is bf16 */
    ae_json_free(j);
    copy_spoiled("parity_spoiled_bf16");
    ae_err e = {0};
    ae_tensors *d = ae_safetensors_read("parity_spoiled_bf16/expected.safetensors", NULL, &e);
    ae_tensor *logits = ae_tensors_get(d, "logits");
    for (int64_t i = 0; i < ae_numel(logits); i++) {
        ae_set_f64(logits, i, 1.2 * ae_get_f64(logits, i));
    }
    assert_int_equal(ae_safetensors_write("parity_spoiled_bf16/expected.safetensors", d, NULL, &e), 0);
    ae_tensors_free(d);
    assert_int_equal(aesop(4, "parity", "parity_spoiled_bf16", "--precision", "bf16"), 1);
    assert_non_null(strstr(out_text, "logits   <-- beyond tolerance"));
    assert_int_equal(aesop(4, "parity", AE_TEST_DIR "/golden/steps_gpt2_adamw_torch", "--precision", "bf16"), 2);
    assert_non_null(strstr(log_text, "bf16 is for cases of one forward and backward; this one is of the kind steps"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_and_says_which_kernels_ran),  cmocka_unit_test(prints_json),
        cmocka_unit_test(bf16_is_compared_by_length),         cmocka_unit_test(stores_what_it_computed),
        cmocka_unit_test(fails_on_a_wrong_or_missing_tensor), cmocka_unit_test(names_what_is_wrong_with_a_case),
        cmocka_unit_test(refuses_unknown_generation),         cmocka_unit_test(compares_tokenizers_field_by_field),
        cmocka_unit_test(tells_how_tokenizers_differ),        cmocka_unit_test(refuses_tokenizers_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, free_texts);
}
