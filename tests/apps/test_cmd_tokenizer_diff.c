/* `aesop tokenizer diff`: tokens, ids, merges, stages and texts in which two tokenizers differ, and the exit status. */
#include "apps/tiny_models.h"

#define GPT2_CASE AE_TEST_DIR "/golden/tok_gpt2"

static void expect_out(const char *want)
{
    if (!strstr(out_text, want)) {
        fail_msg("the output lacks \"%s\"; it is: %s", want, out_text);
    }
}

static void nothing(void **state)
{
    (void)state;
    write_text("d_text.txt", "The fox said.\n\nZebra\n");
    expect_status(aesop(5, "tokenizer", "diff", GPT2_CASE, GPT2_CASE, "d_text.txt"), 0);
    assert_string_equal(out_text, "tokens         497 in both with one id, 0 with another, 0 only in A, 0 only in B\n"
                                  "merges         240 and 240, the same\n"
                                  "normalizer     the same\npre_tokenizer  the same\nmodel          the same\n"
                                  "post_processor the same\ndecoder        the same\nadded_tokens   the same\n"
                                  "lines          3: 3 with the same ids, 0 with the same tokens under other ids, 0 "
                                  "differ\n");
}

static void tokens_and_ids(void **state)
{
    (void)state;
    write_text("d_a.txt", "[UNK]\n[CLS]\n[SEP]\nthe\nfox\ncrow\n##s\n");
    write_text("d_b.txt", "[UNK]\n[CLS]\n[SEP]\nthe\ncrow\nfox\n##es\nsat\n");
    write_text("d_text.txt", "the\nfox\ncrows sat\n");
    expect_status(aesop(6, "tokenizer", "diff", "d_a.txt", "d_b.txt", "d_text.txt", "--examples=1"), 1);
    assert_string_equal(out_text, "  other id          4        5  fox\n"
                                  "  only in A         6        -  ##s\n"
                                  "  only in B         6        -  ##es\n"
                                  "  d_text.txt: line 2\n    A: fox\n    B: fox\n"
                                  "tokens         4 in both with one id, 2 with another, 1 only in A, 2 only in B\n"
                                  "normalizer     the same\npre_tokenizer  the same\nmodel          the same\n"
                                  "post_processor the same\ndecoder        the same\nadded_tokens   the same\n"
                                  "lines          3: 1 with the same ids, 1 with the same tokens under other ids, 1 "
                                  "differ\n");
    expect_status(aesop(6, "tokenizer", "diff", "d_a.txt", "d_b.txt", "d_text.txt", "--json"), 1);
    expect_out(
        "{\"schema\":1,\"same\":false,\"same_id\":4,\"other_id\":2,\"only_a\":1,\"only_b\":2,\"first_merge\":null,"
        "\"components\":[],\"lines\":3,\"lines_same_ids\":1,\"lines_same_tokens\":1,\"examples\":[{\"what\":"
        "\"other id\",\"token\":\"fox\",\"id\":4,\"other_id\":5},");
    expect_out("{\"what\":\"only in A\",\"token\":\"##s\",\"id\":6,\"other_id\":null}");
    expect_out(
        "{\"what\":\"text\",\"file\":\"d_text.txt\",\"line\":3,\"a\":[\"crow\",\"##s\",\"[UNK]\"],\"b\":[\"[UNK]\","
        "\"sat\"]}");
}

static void merges_and_stages(void **state)
{
    (void)state;
    static const char a[] =
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"ba\":3},\"merges\":[\"a "
        "b\",\"b a\"]}}";
    static const char b[] = "{\"normalizer\":{\"type\":\"NFC\"},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,"
                            "\"ab\":2,\"ba\":3},\"merges\":[\"a b\"]}}";
    write_text("d_a.json", a);
    write_text("d_b.json", b);
    expect_status(aesop(4, "tokenizer", "diff", "d_a.json", "d_b.json"), 1);
    expect_out(
        "tokens         4 in both with one id, 0 with another, 0 only in A, 0 only in B\n"
        "merges         2 and 1, the same up to number 1\n"
        "normalizer     differs\n  A: null\n  B: {\"type\":\"NFC\"}\npre_tokenizer  the same\nmodel          the "
        "same\n");
    assert_null(strstr(out_text, "lines"));
    expect_status(aesop(5, "tokenizer", "diff", "d_a.json", "d_b.json", "--json"), 1);
    expect_out("\"first_merge\":1,\"components\":[\"normalizer\"],\"lines\":0");
}

static void bad_input(void **state)
{
    (void)state;
    write_text("d_a.txt", "[UNK]\n[CLS]\n[SEP]\nthe\n");
    write_text("d_c.json", "{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0},\"unk_token\":\"<unk>\"}}");
    write_text("d_text.txt", "zebra\n");
    expect_status(aesop(3, "tokenizer", "diff", "d_a.txt"), 2);
    expect_log("an argument is missing");
    expect_status(aesop(4, "tokenizer", "diff", "d_a.txt", "nowhere.txt"), 2);
    expect_log("nowhere.txt: cannot be opened");
    expect_status(aesop(5, "tokenizer", "diff", "d_a.txt", "d_a.txt", "nowhere.txt"), 2);
    expect_log("nowhere.txt: cannot be opened");
    expect_status(aesop(5, "tokenizer", "diff", "d_a.txt", "d_c.json", "d_text.txt"), 2);
    expect_log("d_text.txt: line 1: ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing),
        cmocka_unit_test(tokens_and_ids),
        cmocka_unit_test(merges_and_stages),
        cmocka_unit_test(bad_input),
    };
    return cmocka_run_group_tests(tests, NULL, free_texts);
}
