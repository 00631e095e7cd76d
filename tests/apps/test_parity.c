/* Every case under tests/golden, padded and, where the model can, packed; those of models in bf16 too. */
#include "apps/parity.h"
#include "apps/parity_tokenizer.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void run_case(const char *dir, bool packed, ae_dtype precision)
{
    ae_err e = {0};
    ae_parity_row *rows = NULL;
    int n = 0;
    ae_case *c = ae_case_read(dir, &e);
    ae_tensors *outputs = ae_tensors_new();
    if (c) {
        c->precision = precision;
    }
    if (!c || ae_case_run(c, packed, outputs, &e) != 0) {
        fail_msg("%s: %s", dir, e.message);
    }
    int failures = ae_case_compare(c, outputs, packed, &rows, &n, &e);
    for (int i = 0; i < n && i < 8 && failures; i++) {
        print_message("%10.4g %11.3e %s\n", rows[i].fraction, rows[i].max_abs, rows[i].name);
    }
    if (failures) {
        fail_msg("%s%s: %d of %d tensors beyond tolerance", dir, packed ? " (packed)" : "", failures, n);
    }
    assert_true(n > 0);
    free(rows);
    ae_tensors_free(outputs);
    ae_case_free(c);
}

/* Runs all of them; returns how many there are. */
static int run_cases(ae_dtype precision)
{
    DIR *d = opendir(AE_TEST_DIR "/golden");
    assert_non_null(d);
    int cases = 0;
    for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
        char dir[1024];
        snprintf(dir, sizeof dir, "%s/golden/%s", AE_TEST_DIR, entry->d_name);
        ae_case *c = entry->d_name[0] == '.' ? NULL : ae_case_read(dir, NULL);
        if (!c) {
            continue;
        }
        bool packs = ae_case_packs(c), runs = precision == AE_F32 || strcmp(ae_case_kind(c), "model") == 0;
        ae_case_free(c);
        if (runs) {
            run_case(dir, false, precision);
            cases++;
        }
        if (runs && packs) {
            run_case(dir, true, precision);
        }
    }
    closedir(d);
    return cases;
}

static void every_case(void **state)
{
    (void)state;
    assert_true(run_cases(AE_F32) >= 100);
}

/* Every model's outputs and gradients again, with activations in bf16. */
static void every_model_in_bf16(void **state)
{
    (void)state;
    assert_true(run_cases(AE_BF16) >= 60);
}

static void every_tokenizer_case(void **state)
{
    (void)state;
    DIR *d = opendir(AE_TEST_DIR "/golden");
    assert_non_null(d);
    int cases = 0;
    for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
        char dir[1024];
        ae_err e = {0};
        ae_tokenizer_parity p;
        snprintf(dir, sizeof dir, "%s/golden/%s", AE_TEST_DIR, entry->d_name);
        if (entry->d_name[0] == '.' || !ae_is_tokenizer_case(dir)) {
            continue;
        }
        if (ae_tokenizer_case_run(dir, &p, &e) || p.differences) {
            fail_msg("%s: %lld fields differ, the first is %s %s", dir, (long long)p.differences,
                     p.kept ? p.first[0].path : "none", e.message);
        }
        /* SentencePiece itself was asked for no pairs and put no special tokens around. */
        assert_true(p.fields > (strstr(entry->d_name, "tok_spm") ? 80 : 100));
        ae_tokenizer_parity_free(&p);
        cases++;
    }
    closedir(d);
    assert_true(cases >= 10);
}

static void unknown_generation_is_refused(void **state)
{
    (void)state;
    static const char meta[] = "{\"class\":\"GPT2LMHeadModel\",\"kind\":\"decode\","
                               "\"generate\":{\"max_new_tokens\":3,\"sequence_bias\":1.5}}";
    ae_err e = {0};
    ae_case *c = ae_case_read(AE_TEST_DIR "/golden/decode_gpt2_greedy", &e);
    ae_tensors *outputs = ae_tensors_new();
    assert_non_null(c);
    ae_json_free(c->meta);
    c->meta = ae_json_parse(meta, strlen(meta), &e);
    assert_int_equal(ae_case_run(c, false, outputs, &e), -1);
    assert_non_null(strstr(e.message, "generation with \"sequence_bias\" is not known to this version"));
    assert_int_equal(ae_tensors_count(outputs), 0);
    ae_tensors_free(outputs);
    ae_case_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_case), cmocka_unit_test(every_model_in_bf16),
                                       cmocka_unit_test(every_tokenizer_case),
                                       cmocka_unit_test(unknown_generation_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
