/* Opening tokenizers: vocabularies, folders, model files, and what broken ones get. */
#include "tokenizer_samples.h"

#include "tensor/model_file.h"

#include <unistd.h>

static char folder[] = "tokenizer_XXXXXX";

static const char *write_text(const char *name, const char *text)
{
    return write_file_in(folder, name, text, strlen(text));
}

static ae_tokenizer *open_text(const char *name, const char *text, const ae_tokenizer_options *o)
{
    ae_err e = {0};
    ae_tokenizer *t = ae_tokenizer_open(write_text(name, text), o, &e);
    if (!t) {
        fail_msg("%s", e.message);
    }
    return t;
}

static void refuses_file(const char *name, const char *text, const ae_tokenizer_options *o, const char *message)
{
    ae_err e = {0};
    const char *path = write_text(name, text);
    assert_null(ae_tokenizer_open(path, o, &e));
    assert_message(&e, message);
    unlink(path);
}

static void test_vocab_txt(void **state)
{
    (void)state;
    ae_encoding x = {0};
    ae_tokenizer *t = open_text("vocab.txt", "\xef\xbb\xbf[UNK]\r\nth\r\n##e\r\n\r\n[CLS]\r\n[SEP]\r\nth", NULL);
    assert_string_equal(ae_tokenizer_kind(t), "bert");
    assert_int_equal(ae_tokenizer_size(t), 7);
    assert_int_equal(ae_tokenizer_id(t, "th", 2), 6); /* the last of two lines */
    assert_int_equal(ae_tokenizer_id(t, "", 0), 3);
    encode_text(t, "THE", &(ae_encode_options){.special = true}, &x); /* no capitals in it: lower-cased */
    assert_spelled(t, &x, "[CLS] th ##e [SEP]");
    ae_tokenizer_free(t);
    t = open_text("vocab.txt", "[UNK]\nth\n##e\nThe\n", NULL);
    encode_text(t, "The THE", NULL, &x);
    assert_spelled(t, &x, "The [UNK]");
    ae_tokenizer_free(t);
    t = open_text("vocab.txt", "[UNK]\nth\n##e\nThe\n", &(ae_tokenizer_options){.lower_case = 1, .max_word_size = 3});
    encode_text(t, "The thee", NULL, &x);
    assert_spelled(t, &x, "th ##e [UNK]");
    ae_tokenizer_free(t);
    t = open_text("vocab.txt", "[UNK]\t0\nth\t1\n##e\t2\n", NULL); /* ERNIE's numbers */
    assert_int_equal(ae_tokenizer_id(t, "##e", 3), 2);
    ae_tokenizer_free(t);
    t = open_text("vocab.txt", "[UNK]\n\xe4\xb8\xad\na\n", NULL);
    assert_string_equal(ae_tokenizer_kind(t), "char");
    ae_tokenizer_free(t);
    t = open_text("vocab.txt", "{\n\"\na\n:\n", NULL);
    assert_string_equal(ae_tokenizer_kind(t), "plain");
    ae_tokenizer_free(t);
    t = open_text("vocab.txt", "[UNK]\nword\nother\n", NULL);
    assert_string_equal(ae_tokenizer_kind(t), "space");
    ae_tokenizer_free(t);
    t = open_text("vocab.txt", "[UNK]\nword\nother\n", &(ae_tokenizer_options){.kind = "bert"});
    assert_string_equal(ae_tokenizer_kind(t), "bert");
    ae_tokenizer_free(t);
    refuses_file("vocab.txt", "", NULL, "vocab.txt: it is empty; a vocabulary has one token a line");
    refuses_file("vocab.txt", "a\nb\xff\n", NULL, "vocab.txt: line 2 is not valid UTF-8");
    refuses_file("vocab.txt", "a\n##b\n", NULL, "vocab.txt: the unknown token \"[UNK]\" is not in the vocabulary");
    refuses_file("vocab.txt", "a\n", &(ae_tokenizer_options){.kind = "brt"}, "there is no tokenizer kind \"brt\"");
    refuses_file("vocab.txt", "a\n", &(ae_tokenizer_options){.kind = "albrt"}, "did you mean \"albert\"?");
    refuses_file("vocab.txt", "a\n", &(ae_tokenizer_options){.kind = "t5"},
                 "the kind \"t5\" is made from a SentencePiece model, not from a list of tokens");
    refuses_file("vocab.txt", "a\n", &(ae_tokenizer_options){.kind = "gpt2"},
                 "the kind \"gpt2\" needs merges.txt beside the vocabulary, or its path");
    refuses_file("vocab.txt", "[UNK]\n##a\n", &(ae_tokenizer_options){.max_word_size = -2}, "max_word_size is -2");
    refuses_file("broken.json", "{\"a\":", NULL, "broken.json: ");
    ae_encoding_free(&x);
}

static void test_vocab_json(void **state)
{
    (void)state;
    ae_encoding x = {0};
    write_text("merges.txt", "#version: 0.2\na b\nab c\n\n");
    ae_tokenizer *t =
        open_text("vocab.json", "{\"a\":0,\"b\":1,\"c\":3,\"ab\":2,\"abc\":4,\"<s>\":5,\"</s>\":6}", NULL);
    assert_string_equal(ae_tokenizer_kind(t), "roberta");
    encode_text(t, "abcab", &(ae_encode_options){.special = true}, &x);
    assert_spelled(t, &x, "<s> abc ab </s>");
    ae_tokenizer_free(t);
    /* UER's vocabulary of GPT-2: lines instead of an object. */
    write_text("pairs.txt", "\xc4\xa0 a\n");
    char merges[64];
    snprintf(merges, sizeof merges, "%s/pairs.txt", folder);
    t = open_text("uer.txt",
                  "<|endoftext|>\na\n\xc4\xa0\n\xc4\xa0"
                  "a\n",
                  &(ae_tokenizer_options){.merges = merges});
    encode_text(t, "a a", NULL, &x);
    assert_spelled(t, &x,
                   "a \xc4\xa0"
                   "a");
    assert_int_equal(ae_tokenizer_role(t, AE_TOKEN_CLS), 0);
    ae_tokenizer_free(t);
    refuses_file("vocab.json", "{\"a\":0,\"c\":2}", NULL, "vocab.json: no token has the id 1, and the largest id is 2");
    refuses_file("vocab.json", "{\"a\":0,\"a\":1}", NULL, "vocab.json: line 1, column 8: the key \"a\" stands twice");
    refuses_file("vocab.json", "{}", NULL, "vocab.json: it has no tokens");
    refuses_file("vocab.json", "{\"a\":0,\"b\":1}", NULL,
                 "vocab.json: merges: line 3: the token \"ab\" is not in the vocabulary");
    write_text("merges.txt", "a b c\n");
    refuses_file("vocab.json", "{\"a\":0,\"b\":1,\"ab\":2}", NULL,
                 "vocab.json: merges: line 1: \"a b c\" is not two tokens with a space between");
    write_text("merges.txt", "b a\n");
    refuses_file("vocab.json", "{\"a\":0,\"b\":1,\"ab\":2}", NULL,
                 "merge 1 joins \"b\" and \"a\" to a token that is not");
    refuses_file("vocab.json", "{\"a\":0}", &(ae_tokenizer_options){.merges = "nowhere.txt"}, "nowhere.txt");
    char path[64];
    snprintf(path, sizeof path, "%s/merges.txt", folder);
    unlink(path);
    /* The names of OpenAI's files; words that end in </w> are GPT-1's. */
    unlink(write_text("vocab.json", ""));
    write_text("encoder_bpe_40000.json", "{\"<unk>\":0,\"a\":1,\"b</w>\":2,\"ab</w>\":3}");
    write_text("vocab_40000.bpe", "#version: 0.2\na b</w>\n");
    ae_err e = {0};
    t = ae_tokenizer_open(folder, NULL, &e);
    assert_non_null(t);
    assert_string_equal(ae_tokenizer_kind(t), "gpt1");
    encode_text(t, "AB a ab", NULL, &x);
    assert_spelled(t, &x, "ab</w> <unk> ab</w>");
    ae_tokenizer_free(t);
    unlink(write_text("vocab_40000.bpe", ""));
    unlink(write_text("encoder_bpe_40000.json", ""));
    unlink(merges);
    snprintf(path, sizeof path, "%s/uer.txt", folder);
    unlink(path);
    ae_encoding_free(&x);
}

static void test_folder(void **state)
{
    (void)state;
    ae_encoding x = {0};
    ae_err e = {0};
    char path[256];
    assert_null(ae_tokenizer_open(folder, NULL, &e));
    assert_message(&e, "there is no tokenizer.json, vocab.json, vocab.txt or SentencePiece model in this folder");
    e = (ae_err){0};
    assert_null(ae_tokenizer_open("no/such/file", NULL, &e));
    assert_message(&e, "no/such/file");
    e = (ae_err){0};
    write_text("vocab.txt", "[UNK]\nTh\n##e\nextra\n");
    write_text("tokenizer_config.json", "{\"do_lower_case\":false,\"bos_token\":{\"content\":\"extra\"}}");
    write_text("special_tokens_map.json", "{\"pad_token\":\"[P]\",\"additional_special_tokens\":[\"##e\"]}");
    ae_tokenizer *t = ae_tokenizer_open(folder, NULL, &e);
    assert_non_null(t);
    assert_int_equal(ae_tokenizer_id(t, "[P]", 3), 4); /* a token that the vocabulary lacks comes behind it */
    assert_true(ae_tokenizer_is_special(t, 4));
    assert_true(ae_tokenizer_is_special(t, 3));
    encode_text(t, "Th[P]Th", NULL, &x);
    assert_spelled(t, &x, "Th [P] Th");
    /* The same as tokenizer.json, which comes first, and with an option laid over. */
    ae_json *j = ae_tokenizer_json(t, &e);
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    assert_int_equal(ae_json_write_file(j, path, &e), 0);
    ae_tokenizer *u = ae_tokenizer_open(folder, NULL, &e);
    assert_true(ae_tokenizer_hash(t) == ae_tokenizer_hash(u));
    ae_tokenizer_free(u);
    u = ae_tokenizer_open(folder, &(ae_tokenizer_options){.lower_case = 1}, &e);
    encode_text(u, "Th[P]Th", NULL, &x);
    assert_spelled(u, &x, "[UNK] [P] [UNK]");
    ae_tokenizer_free(u);
    u = ae_tokenizer_open(folder, &(ae_tokenizer_options){.kind = "space"}, &e); /* asks for the vocabulary */
    assert_string_equal(ae_tokenizer_kind(u), "space");
    ae_tokenizer_free(u);
    assert_null(ae_tokenizer_open(path, &(ae_tokenizer_options){.kind = "bert"}, &e));
    assert_message(&e, "a tokenizer.json says itself what kind it is; leave the kind (\"bert\") out");
    ae_json_free(j);
    ae_tokenizer_free(t);
    ae_encoding_free(&x);
    static const char *const names[] = {"vocab.txt", "tokenizer_config.json", "special_tokens_map.json",
                                        "tokenizer.json"};
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        assert_int_equal(unlink(path), 0);
    }
}

static void test_model_file(void **state)
{
    (void)state;
    ae_err e = {0};
    char path[256];
    snprintf(path, sizeof path, "%s/model.h5", folder);
    ae_tokenizer *t = open_golden("tok_gpt2", NULL);
    ae_json *j = ae_tokenizer_json(t, &e), *config = ae_json_new_object();
    ae_h5 *f = ae_model_file_create(path, "gpt2", NULL, config, &e);
    assert_non_null(f);
    assert_int_equal(ae_h5_write_json(f, "tokenizer", j, &e), 0);
    assert_int_equal(ae_h5_commit(f, &e), 0);
    ae_tokenizer *u = ae_tokenizer_open(path, NULL, &e);
    assert_non_null(u);
    assert_true(ae_tokenizer_hash(t) == ae_tokenizer_hash(u));
    ae_tokenizer_free(u);
    f = ae_model_file_create(path, "gpt2", NULL, config, &e);
    assert_int_equal(ae_h5_commit(f, &e), 0);
    assert_null(ae_tokenizer_open(path, NULL, &e));
    assert_message(&e, "model.h5: there is no tokenizer in this model file");
    ae_json_free(config);
    ae_json_free(j);
    ae_tokenizer_free(t);
    unlink(path);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const left[] = {"vocab.txt", "vocab.json", "broken.json", "merges.txt"};
    for (int i = 0; i < 4; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", folder, left[i]);
        unlink(path);
    }
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vocab_txt),
        cmocka_unit_test(test_vocab_json),
        cmocka_unit_test(test_folder),
        cmocka_unit_test(test_model_file),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
