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

/* A copy of the case whose expected logits are off by a little, and which expects a tensor that nobody makes. */
static void copy_spoiled(const char *dir)
{
    static const char *const files[] = {"meta.json", "config.json", "model.safetensors", "inputs.safetensors"};
    char from[1024], to[1024];
    mkdir(dir, 0777);
    for (int i = 0; i < 4; i++) {
        snprintf(from, sizeof from, "%s/%s", CASE, files[i]);
        snprintf(to, sizeof to, "%s/%s", dir, files[i]);
        unlink(to);
        assert_int_equal(symlink(from, to), 0);
    }
    ae_err e = {0};
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_and_says_which_kernels_ran), cmocka_unit_test(prints_json),
        cmocka_unit_test(stores_what_it_computed),           cmocka_unit_test(fails_on_a_wrong_or_missing_tensor),
        cmocka_unit_test(names_what_is_wrong_with_a_case),
    };
    return cmocka_run_group_tests(tests, NULL, free_texts);
}
