/* Chinese words: cuts as jieba makes them, also with a list of a user; dictionaries in all their forms, broken ones
 * with the message they get; broken text; every part of a text in exactly one word. */
#include "tokenizer_samples.h"

#include "tokenizers/segmenter_internal.h"

#include <unistd.h>

static const char words_file[] = AE_TEST_DIR "/tokenizers/chinese_words/words.txt";
static const char user_file[] = AE_TEST_DIR "/tokenizers/chinese_words/user.txt";

static ae_segmenter *open_words(int n)
{
    const char *const paths[] = {words_file, user_file};
    ae_err e = {0};
    ae_segmenter *s = ae_segmenter_open(paths, n, &e);
    if (!s) {
        fail_msg("%s", e.message);
    }
    return s;
}

static void cut_text(const ae_segmenter *s, const char *text, size_t bytes, ae_segments *x)
{
    ae_err e = {0};
    if (ae_segmenter_cut(s, text, bytes, x, &e) != 0) {
        fail_msg("%s", e.message);
    }
}

static void assert_words(const ae_segmenter *s, const ae_json *row, const char *key, ae_segments *x)
{
    size_t bytes, length;
    char *text = ae_json_value_bytes(ae_json_get(row, "text"), &bytes, NULL);
    int64_t i = 0;
    uint32_t start = 0;
    cut_text(s, text, bytes, x);
    for (const ae_json *m = ae_json_first(ae_json_get(row, key)); m; m = ae_json_next(m), start = x->ends[i++]) {
        char *word = ae_json_value_bytes(m, &length, NULL);
        if (i >= x->count || x->ends[i] - start != length || memcmp(text + start, word, length) != 0) {
            fail_msg("%s: word %d is not %s", text, (int)i, word);
        }
        free(word);
    }
    assert_int_equal(i, x->count);
    assert_int_equal(start, bytes);
    free(text);
}

/* expected.json is what jieba gives; see meta.json beside it. */
static void cuts_as_jieba(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_json *expected = ae_json_read_file(AE_TEST_DIR "/tokenizers/chinese_words/expected.json", &e);
    assert_non_null(expected);
    ae_segmenter *s = open_words(1), *with_user = open_words(2);
    ae_segments x = {0};
    int rows = 0;
    for (const ae_json *m = ae_json_first(ae_json_get(expected, "rows")); m; m = ae_json_next(m), rows++) {
        assert_words(s, m, "words", &x);
        assert_words(with_user, m, "with_user", &x);
    }
    assert_int_equal(rows, 11);
    assert_int_equal(ae_segmenter_size(s), 109);
    assert_int_equal(ae_segmenter_size(with_user), 112);
    assert_int_equal(with_user->total, 15408);
    assert_int_equal(ae_segmenter_frequency(with_user, "歪嘴", 6), 3);
    assert_int_equal(ae_segmenter_frequency(with_user, "看见", 6), 50); /* one more than it had */
    assert_int_equal(ae_segmenter_frequency(with_user, "面包师傅", 12), 1);
    assert_int_equal(ae_segmenter_frequency(s, "静静地走", 12), 1);
    assert_int_equal(ae_segmenter_frequency(s, "走来", 6), 0);
    assert_true(ae_segmenter_hash(s) != ae_segmenter_hash(with_user));
    ae_segments_free(&x);
    ae_segmenter_free(s);
    ae_segmenter_free(with_user);
    ae_json_free(expected);
}

/* ---- dictionaries -------------------------------------------------------------------------------------------------- */

static char path[] = "segmenter_XXXXXX";

static void write_words(const char *text)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static ae_segmenter *read_words(const char *text, ae_err *e)
{
    const char *const paths[] = {path};
    write_words(text);
    return ae_segmenter_open(paths, 1, e);
}

static void refuses(const char *text, const char *message)
{
    ae_err e = {0};
    assert_null(read_words(text, &e));
    assert_message(&e, message);
    assert_message(&e, path);
}

static void reads_lines(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_segmenter *s =
        read_words("\xef\xbb\xbf狐 5 n\r\n\r\n  狐狸\t7\tnr \n狸 1 X\n狐 0\n猫 fox\nEdu Trust 20\n狗", &e);
    assert_non_null(s);
    assert_int_equal(ae_segmenter_size(s), 5); /* 狐 lost its frequency again */
    assert_int_equal(s->total, 5 + 7 + 1 + 0 + 2 + 20 + 2);
    assert_int_equal(ae_segmenter_frequency(s, "狐", 3), 0);
    assert_int_equal(ae_segmenter_frequency(s, "狐狸", 6), 7);
    assert_int_equal(ae_segmenter_frequency(s, "猫", 3), 2);
    assert_int_equal(ae_segmenter_frequency(s, "Edu Trust", 9), 20);
    ae_segmenter_free(s);
    refuses("", "no line has a word with a frequency, as \"狐狸 120 n\" has");
    refuses("狐 0\n", "no line has a word with a frequency");
    refuses("狐 1\n\xff 2\n", "line 2: is not valid UTF-8");
    refuses("狐 1\n\nthe fox saw Grapes\n",
            "line 3: \"the fox saw Grapes\" is no line of a dictionary, such as \"狐狸 120 n\"");
    refuses("狐 1000000000001\n", "line 1: a frequency is above 1000000000000");
    refuses("狐 99999999999999999999999999999 n\n", "line 1: a frequency is above 1000000000000");
    const char *const missing[] = {"nowhere.txt"};
    assert_null(ae_segmenter_open(missing, 1, &e));
    assert_message(&e, "nowhere.txt");
    e = (ae_err){0};
    assert_null(ae_segmenter_open(NULL, 0, &e));
    assert_message(&e, "a dictionary: no line has a word");
    unlink(path);
}

/* ---- texts --------------------------------------------------------------------------------------------------------- */

static void covers_every_text(void **state)
{
    (void)state;
    static char text[1 << 14];
    ae_segmenter *s = open_words(2);
    ae_segments x = {0};
    uint64_t seed = 5;
    for (int i = 0; i < 300; i++) {
        size_t bytes = random_text(&seed, 30, text, sizeof text);
        cut_text(s, text, bytes, &x);
        assert_true((x.count == 0) == (bytes == 0));
        for (int64_t k = 0; k < x.count; k++) {
            assert_true(x.ends[k] > (k > 0 ? x.ends[k - 1] : 0));
        }
        assert_true(bytes == 0 || x.ends[x.count - 1] == bytes);
    }
    cut_text(s, "狐\xe7\x8b狸\xff", 9, &x);
    static const uint32_t ends[] = {3, 5, 8, 9};
    assert_int_equal(x.count, 4);
    assert_memory_equal(x.ends, ends, sizeof ends);
    ae_err e = {0};
    assert_int_equal(ae_segmenter_cut(s, text, (size_t)1 << 31, &x, &e), -1);
    assert_message(&e, "a text of 2147483648 bytes; give it in parts of at most 2147483647");
    ae_segments_free(&x);
    ae_segmenter_free(s);
    ae_segmenter_free(NULL);
}

/* A stretch of many characters without a mark, with more words than fit the first buffers. */
static void long_texts(void **state)
{
    (void)state;
    enum { TIMES = 20000 };
    ae_segmenter *s = open_words(1);
    ae_segments x = {0};
    char *text = malloc((size_t)TIMES * 12);
    for (int i = 0; i < TIMES; i++) {
        memcpy(text + i * 12, "狐狸看见", 12);
    }
    cut_text(s, text, (size_t)TIMES * 12, &x);
    assert_int_equal(x.count, 2 * TIMES);
    assert_int_equal(x.ends[1], 12);
    free(text);
    ae_segments_free(&x);
    ae_segmenter_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_as_jieba),
        cmocka_unit_test(reads_lines),
        cmocka_unit_test(covers_every_text),
        cmocka_unit_test(long_texts),
    };
    int file = mkstemp(path);
    if (file < 0 || close(file) != 0) {
        return 1;
    }
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failures;
}
