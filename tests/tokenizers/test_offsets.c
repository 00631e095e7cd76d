/* Tokens stand in the text where their offsets say, for the tokenizers of the golden cases and texts of all scripts;
 * and the check finds offsets that are wrong. As a tool:
 *
 *     test_offsets TOKENIZER TEXTS.json [SHOWN]
 *
 * checks the texts of a JSON array, shows that many breaches and exits with 1 when there is one. */
#include "tokenizers/offset_checks.h"
#include "tokenizers/tokenizer_samples.h"

/* Shows a breach; the token's neighbours tell what happened. */
static void show(const offset_checker *k, const char *text, const ae_encoding *x, int64_t i, int64_t number)
{
    size_t n = 0;
    const char *token = x->count ? ae_tokenizer_token(k->t, x->ids[i], &n) : "it cannot be encoded";
    n = x->count ? n : strlen(token);
    fprintf(stderr, "text %lld, token %lld: \"%.*s\"", (long long)number, (long long)i, (int)n, token);
    if (x->count) {
        fprintf(stderr, " is said to stand at %lld-%lld: \"%.*s\"", (long long)x->starts[i], (long long)x->ends[i],
                (int)(x->ends[i] - x->starts[i]), text + x->starts[i]);
    }
    fputc('\n', stderr);
}

/* The number of texts with a breach; *count receives how many texts there were. */
static int64_t check_texts(const ae_tokenizer *t, const ae_json *texts, int64_t shown, int64_t *count)
{
    offset_checker k = {.t = t};
    ae_encoding x = {0};
    int64_t breaches = 0;
    *count = 0;
    for (const ae_json *m = ae_json_first(texts); m; m = ae_json_next(m), ++*count) {
        size_t bytes = 0;
        char *text = ae_json_value_bytes(m, &bytes, NULL);
        int64_t i = text ? offset_breach(&k, text, bytes, &x) : -1;
        if (i >= 0 && breaches++ < shown) {
            show(&k, text, &x, i, *count);
        }
        free(text);
    }
    ae_encoding_free(&x);
    offset_checker_free(&k);
    return breaches;
}

static int run_tool(const char *path, const char *texts_path, int64_t shown)
{
    ae_err e = {0};
    ae_tokenizer *t = ae_tokenizer_open(path, NULL, &e);
    ae_json *texts = t ? ae_json_read_file(texts_path, &e) : NULL;
    if (!texts) {
        fprintf(stderr, "%s\n", e.message);
        ae_tokenizer_free(t);
        return 2;
    }
    int64_t count = 0, breaches = check_texts(t, texts, shown, &count);
    printf("%s: %lld texts, %lld with a token that stands elsewhere\n", path, (long long)count, (long long)breaches);
    ae_json_free(texts);
    ae_tokenizer_free(t);
    return breaches > 0;
}

static const char *const golden[] = {"tok_albert", "tok_bert_cased", "tok_bert_uncased", "tok_gpt1",
                                     "tok_gpt2",   "tok_roberta",    "tok_spm_bpe",      "tok_spm_unigram_bytefallback",
                                     "tok_t5",     "tok_xlnet"};
enum { GOLDEN = sizeof golden / sizeof *golden };

static void texts_of_the_cases(void **state)
{
    (void)state;
    for (int i = 0; i < GOLDEN; i++) {
        char path[512];
        ae_err e = {0};
        snprintf(path, sizeof path, "%s/golden/%s/expected.json", AE_TEST_DIR, golden[i]);
        ae_json *expected = ae_json_read_file(path, &e), *texts = ae_json_new_array();
        for (const ae_json *m = ae_json_first(ae_json_get(expected, "rows")); m; m = ae_json_next(m)) {
            ae_json_add(texts, NULL, ae_json_copy(ae_json_get(m, "text")));
        }
        ae_tokenizer *t = open_golden(golden[i], NULL);
        int64_t count = 0;
        if (check_texts(t, texts, 5, &count) != 0) {
            fail_msg("%s: offsets are wrong", golden[i]);
        }
        assert_true(count > 20);
        ae_tokenizer_free(t);
        ae_json_free(texts);
        ae_json_free(expected);
    }
}

static void random_texts(void **state)
{
    (void)state;
    uint64_t seed = 7;
    char text[4096];
    for (int i = 0; i < GOLDEN; i++) {
        ae_tokenizer *t = open_golden(golden[i], NULL);
        offset_checker k = {.t = t};
        ae_encoding x = {0};
        for (int n = 0; n < 400; n++) {
            size_t bytes = random_text(&seed, 20, text, sizeof text);
            int64_t breach = offset_breach(&k, text, bytes, &x);
            if (breach >= 0) {
                show(&k, text, &x, breach, n);
                fail_msg("%s: offsets are wrong", golden[i]);
            }
        }
        ae_encoding_free(&x);
        offset_checker_free(&k);
        ae_tokenizer_free(t);
    }
}

/* A token that is moved by a byte, or whose range is a character too long, is found. */
static void wrong_offsets_are_found(void **state)
{
    (void)state;
    static const char text[] = "the quick\xc3\xa9 fox jumps";
    for (int i = 0; i < GOLDEN; i++) {
        int found = 0;
        ae_tokenizer *t = open_golden(golden[i], NULL);
        offset_checker k = {.t = t};
        ae_encoding x = {0};
        assert_int_equal(offset_breach(&k, text, sizeof text - 1, &x), -1);
        assert_true(x.count > 4);
        for (int64_t n = 0; n < x.count; n++) {
            int64_t start = x.starts[n], end = x.ends[n];
            assert_true(offset_holds(&k, text, &x, n));
            if (x.ids[n] == ae_tokenizer_role(t, AE_TOKEN_UNKNOWN) || k.want.length == 0) {
                continue; /* a word that is not known, a blank: nothing to find */
            }
            x.starts[n] = start + 1;
            x.ends[n] = n + 1 < x.count ? end + 1 : end;
            assert_false(offset_holds(&k, text, &x, n));
            x.starts[n] = start;
            x.ends[n] = n + 1 < x.count ? end + 2 : end - 1;
            assert_false(offset_holds(&k, text, &x, n));
            x.ends[n] = end;
            found++;
        }
        assert_true(found > 3);
        ae_encoding_free(&x);
        offset_checker_free(&k);
        ae_tokenizer_free(t);
    }
}

int main(int argc, char **argv)
{
    if (argc > 2) {
        return run_tool(argv[1], argv[2], argc > 3 ? strtol(argv[3], NULL, 10) : 5);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_of_the_cases),
        cmocka_unit_test(random_texts),
        cmocka_unit_test(wrong_offsets_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
