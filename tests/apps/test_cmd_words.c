/* `aesop tokenizer segment` and `aesop tokenizer characters`. */
#include "apps/program.h"

#include <setjmp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define WORDS AE_TEST_DIR "/tokenizers/chinese_words/words.txt"
#define USER AE_TEST_DIR "/tokenizers/chinese_words/user.txt"
#define TEXT "words_text.txt"
#define UNIHAN "words_unihan"

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static void assert_refused(int status, const char *part)
{
    assert_int_equal(status, 2);
    if (!strstr(log_text, part)) {
        fail_msg("\"%s\" lacks \"%s\"", log_text, part);
    }
}

static void words_between_blanks(void **state)
{
    (void)state;
    put(TEXT, "面包师傅看见狐狸　和 猫\n\nabc\n");
    assert_int_equal(aesop(5, "tokenizer", "segment", "--dictionary", WORDS, TEXT), 0);
    assert_string_equal(out_text, "面包师 傅 看见 狐狸 和 猫\n\nabc\n");
    assert_int_equal(aesop(7, "tokenizer", "segment", "--dictionary", WORDS, "--dictionary", USER, TEXT), 0);
    assert_string_equal(out_text, "面包师傅 看见 狐狸 和 猫\n\nabc\n");
    put(TEXT, "狐狸 和\n");
    assert_int_equal(aesop(6, "tokenizer", "segment", "--json", "--dictionary", WORDS, TEXT), 0);
    assert_string_equal(out_text, "{\"schema\":1,\"words\":[\"狐狸\",\" \",\"和\"]}\n");
    assert_refused(aesop(3, "tokenizer", "segment", TEXT), "give --dictionary FILE, a word and its frequency a line");
    assert_refused(aesop(5, "tokenizer", "segment", "--dictionary", "nowhere.txt", TEXT), "nowhere.txt");
    assert_refused(aesop(5, "tokenizer", "segment", "--dictionary", WORDS, "nowhere.txt"), "nowhere.txt");
}

static void ids_of_characters(void **state)
{
    (void)state;
    put(TEXT, "a \xc3\xa9\n\n");
    assert_int_equal(aesop(3, "tokenizer", "characters", TEXT), 0);
    assert_string_equal(out_text, "258,97,259 258,195,169,259\n\n");
    assert_int_equal(aesop(5, "tokenizer", "characters", "--special", "--shifted", TEXT), 0);
    assert_string_equal(out_text, "259,257,260 259,98,260 259,196,170,260 259,258,260\n259,257,260 259,258,260\n");
    assert_int_equal(aesop(5, "tokenizer", "characters", "--width=4", "--json", TEXT), 0);
    assert_string_equal(out_text, "{\"schema\":1,\"ids\":[[258,97,259,260],[258,195,169,259]]}\n"
                                  "{\"schema\":1,\"ids\":[]}\n");
    put(TEXT, "It's so.\n");
    assert_int_equal(
        aesop(6, "tokenizer", "characters", "--width=3", "--tokenizer", AE_TEST_DIR "/golden/tok_bert_uncased", TEXT),
        0);
    assert_string_equal(out_text, "258,105,259 258,39,259 258,115,259 258,115,259 258,46,259\n");
    assert_refused(aesop(5, "tokenizer", "characters", "--tokenizer", "nowhere", TEXT), "nowhere");
    assert_refused(aesop(4, "tokenizer", "characters", "--width=2", TEXT), "width");
}

static void radicals_and_readings(void **state)
{
    (void)state;
    put(TEXT, "狐x中\xff狸\n");
    mkdir(UNIHAN, 0777);
    put(UNIHAN "/Unihan_Readings.txt", "U+4E2D\tkMandarin\tzhōng\nU+72D0\tkMandarin\thú\n");
    put(UNIHAN "/Unihan_IRGSources.txt", "U+72D0\tkRSUnicode\t94.5\nU+72F8\tkRSUnicode\t94.7\n");
    assert_int_equal(aesop(7, "tokenizer", "characters", "--unihan", UNIHAN, "--encoding-errors", "skip", TEXT), 0);
    assert_string_equal(out_text, "狐/犬/hú 中//zhōng 狸/犬/\n");
    put(TEXT, "中狐\n");
    assert_int_equal(aesop(6, "tokenizer", "characters", "--unihan", UNIHAN, "--json", TEXT), 0);
    assert_string_equal(out_text,
                        "{\"schema\":1,\"characters\":[{\"character\":\"中\",\"radical_number\":0,\"radical\":null,"
                        "\"strokes\":-1,\"pinyin\":\"zhōng\",\"letters\":\"zhong\",\"tone\":1},{\"character\":\"狐\","
                        "\"radical_number\":94,\"radical\":\"犬\",\"strokes\":5,\"pinyin\":\"hú\",\"letters\":\"hu\","
                        "\"tone\":2}]}\n");
    assert_refused(aesop(6, "tokenizer", "characters", "--unihan", UNIHAN, "--special", TEXT),
                   "--unihan shows radicals and readings");
    unlink(UNIHAN "/Unihan_IRGSources.txt");
    assert_refused(aesop(5, "tokenizer", "characters", "--unihan", UNIHAN, TEXT), "there is no Unihan_IRGSources.txt");
    unlink(UNIHAN "/Unihan_Readings.txt");
    rmdir(UNIHAN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_between_blanks),
        cmocka_unit_test(ids_of_characters),
        cmocka_unit_test(radicals_and_readings),
    };
    int failures = cmocka_run_group_tests(tests, NULL, free_texts);
    unlink(TEXT);
    return failures;
}
