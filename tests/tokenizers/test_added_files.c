/* Added tokens and kinds from the files around a vocabulary: tokenizer_config.json, special_tokens_map.json,
 * added_tokens.json; CLIP and Whisper, which need them. The pieces are those that Hugging Face's library cuts. */
#include "tokenizer_samples.h"

#include "tokenizers/added_files.h"

#include <unistd.h>

static char folder[] = "added_files_XXXXXX";

static const char *const names[] = {"vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json",
                                    "added_tokens.json"};

static void path_of(const char *name, char path[256])
{
    snprintf(path, 256, "%s/%s", folder, name);
}

/* Files of the folder in the order of `names`, NULL: none. */
static void write_files(const char *const texts[5])
{
    for (int i = 0; i < 5; i++) {
        char path[256];
        path_of(names[i], path);
        unlink(path);
        FILE *f = texts[i] ? fopen(path, "wb") : NULL;
        if (texts[i]) {
            assert_non_null(f);
            fputs(texts[i], f);
            assert_int_equal(fclose(f), 0);
        }
    }
}

static ae_tokenizer *open_files(const char *vocab, const char *merges, const char *config, const char *special,
                                const char *added)
{
    const char *const texts[5] = {vocab, merges, config, special, added};
    ae_err e = {0};
    write_files(texts);
    ae_tokenizer *t = ae_tokenizer_open(folder, NULL, &e);
    if (!t) {
        fail_msg("%s", e.message);
    }
    return t;
}

static void spells(const ae_tokenizer *t, const char *text, bool special, const char *want)
{
    ae_encoding x = {0};
    encode_text(t, text, &(ae_encode_options){.special = special}, &x);
    assert_spelled(t, &x, want);
    ae_encoding_free(&x);
}

static void decodes(const ae_tokenizer *t, const char *text, const char *want)
{
    ae_encoding x = {0};
    ae_err e = {0};
    encode_text(t, text, NULL, &x);
    char *got = ae_tokenizer_decode(t, x.ids, x.count, true, NULL, &e);
    assert_string_equal(got, want);
    free(got);
    ae_encoding_free(&x);
}

static const char clip_vocab[] =
    "{\"a\":0,\"b\":1,\"a</w>\":2,\"b</w>\":3,\"ab</w>\":4,\"'</w>\":5,\"s</w>\":6,\"'\":7,"
    "\"'s</w>\":8,\"1</w>\":9,\"<|startoftext|>\":10,\"<|endoftext|>\":11}";

static void test_clip(void **state)
{
    (void)state;
    ae_tokenizer *t = open_files(clip_vocab, "#version: 0.2\na b</w>\n' s</w>\n", NULL, NULL, NULL);
    assert_string_equal(ae_tokenizer_kind(t), "clip");
    spells(t, " AB  a's\t11 ", true, "<|startoftext|> ab</w> a</w> 's</w> 1</w> 1</w> <|endoftext|>");
    spells(t, "bab", false, "b ab</w>");
    spells(t, "x<|STARTOFTEXT|>", false, "<|endoftext|> <|startoftext|>"); /* unknown; the beginning in any case */
    decodes(t, "ab a's", "ab a 's");
    assert_int_equal(ae_tokenizer_role(t, AE_TOKEN_CLS), 10);
    assert_int_equal(ae_tokenizer_role(t, AE_TOKEN_SEP), 11);
    assert_false(ae_tokenizer_continues(t, 0)); /* words are told by their ends */
    assert_true(ae_tokenizer_joins(t, 0, 1));
    ae_tokenizer_free(t);
}

static const char letters[] = "{\"a\":0,\"b\":1,\"\xc4\xa0\":2,\"\":3}";

static void test_whisper(void **state)
{
    (void)state;
    ae_tokenizer *t =
        open_files(letters, "#version: 0.2\n", "{\"tokenizer_class\":\"WhisperTokenizer\"}",
                   "{\"additional_special_tokens\":[\"<|startoftranscript|>\",\"<|notimestamps|>\"]}",
                   "{\"<|endoftext|>\":4,\"<|notimestamps|>\":9,\"<|startoftranscript|>\":5,\"<|0.00|>\":7}");
    assert_string_equal(ae_tokenizer_kind(t), "whisper");
    assert_int_equal(ae_tokenizer_size(t), 10);
    spells(t, "a b<|0.00|>", true, "<|startoftranscript|> <|notimestamps|> a \xc4\xa0 b <|0.00|> <|endoftext|>");
    assert_int_equal(ae_tokenizer_id(t, "<|notimestamps|>", 16), 9);
    assert_true(ae_tokenizer_is_special(t, 9));
    assert_true(ae_tokenizer_is_special(t, 4));
    assert_false(ae_tokenizer_is_special(t, 7));
    const int32_t a = 0, b = 1;
    int32_t ids[5];
    uint8_t types[5];
    assert_int_equal(ae_tokenizer_assemble(t, &a, 1, &b, 1, ids, types), 5);
    assert_int_equal(types[3], 1);
    assert_int_equal(types[4], 0);
    ae_tokenizer_free(t);
    t = open_files(letters, "\n", NULL, NULL, "{\"<|startoftranscript|>\":5}"); /* no end: no frame */
    assert_int_equal(ae_tokenizer_special_count(t, false), 0);
    ae_tokenizer_free(t);
}

/* The decoder of added tokens in tokenizer_config.json says all of each; the map says only what is special. */
static void test_flags(void **state)
{
    (void)state;
    ae_tokenizer *t = open_files(letters, "\n",
                                 "{\"tokenizer_class\":\"GPT2TokenizerFast\",\"added_tokens_decoder\":{"
                                 "\"8\":{\"content\":\"<x>\",\"lstrip\":true,\"rstrip\":true,\"special\":true},"
                                 "\"6\":{\"content\":\"aa\",\"single_word\":true,\"normalized\":false}},"
                                 "\"bos_token\":{\"content\":\"<x>\"},\"pad_token\":null,\"add_bos_token\":3}",
                                 "{\"eos_token\":{\"content\":\"<y>\",\"rstrip\":true},\"cls_token\":\"aa\"}", NULL);
    assert_string_equal(ae_tokenizer_kind(t), "gpt2");
    assert_int_equal(ae_tokenizer_id(t, "<x>", 3), 8);
    assert_int_equal(ae_tokenizer_id(t, "aa", 2), 6);
    assert_int_equal(ae_tokenizer_id(t, "<y>", 3), 9); /* without an id: behind all others */
    assert_true(ae_tokenizer_is_special(t, 6));
    spells(t, "a <x> a aa aaa<y> b", false, "a <x> a \xc4\xa0 aa \xc4\xa0 a a a <y> b");
    ae_tokenizer_free(t);
}

static void refuses(const char *config, const char *added, const char *message)
{
    const char *const texts[5] = {letters, "\n", config, NULL, added};
    ae_err e = {0};
    write_files(texts);
    assert_null(ae_tokenizer_open(folder, NULL, &e));
    assert_message(&e, message);
}

static void test_refused(void **state)
{
    (void)state;
    refuses("{\"added_tokens_decoder\":{\"x\":{\"content\":\"y\"}}}", NULL, "added_tokens_decoder: \"x\" is no id");
    refuses("{\"added_tokens_decoder\":{\"-1\":{\"content\":\"y\"}}}", NULL, "added_tokens_decoder: \"-1\" is no id");
    refuses("{\"added_tokens_decoder\":{\"5\":{\"special\":true}}}", NULL, "vocab.json: added_tokens_decoder: 5: ");
    refuses("{\"bos_token\":{\"content\":\"<s>\",\"lstrip\":3}}", NULL, "vocab.json: bos_token: ");
    refuses("{\"additional_special_tokens\":[{\"lstrip\":true}]}", NULL, "vocab.json: additional_special_tokens: ");
    refuses(NULL, "{\"<x>\":\"y\"}", "vocab.json: added_tokens.json: ");
    refuses(NULL, "{\"<x>\":1}", "added_tokens: \"<x>\" has the id 1, which is another token's");
    refuses(NULL, "{\"<x>\":", "added_tokens.json: ");
    char *many = malloc(24u * (AE_ADDED_FILES_MAX + 2));
    size_t n = (size_t)sprintf(many, "{");
    for (int i = 0; i <= AE_ADDED_FILES_MAX; i++) {
        n += (size_t)sprintf(many + n, "%s\"<%d>\":%d", i ? "," : "", i, i + 4);
    }
    strcpy(many + n, "}");
    refuses(NULL, many, "vocab.json: the files name more than 16384 added tokens");
    free(many);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    write_files((const char *const[5]){NULL});
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clip),
        cmocka_unit_test(test_whisper),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
