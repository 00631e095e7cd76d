/* Words, character ids and Unihan while allocations fail, each in turn, alone or with all that
 * follow: an error of memory or the same result, and nothing left behind. */
#include "memory_scenarios.h"
#include "tokenizers/character_ids.h"
#include "tokenizers/kinds.h"
#include "tokenizers/segmenter.h"
#include "tokenizers/unihan.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNIHAN "no_memory_unihan"

static int segment(const void *self, uint64_t *result, ae_err *e)
{
    (void)self;
    static const char *const paths[] = {AE_TEST_DIR "/tokenizers/chinese_words/words.txt",
                                        AE_TEST_DIR "/tokenizers/chinese_words/user.txt"};
    static char text[3000];
    for (size_t i = 0; i < sizeof text; i += 6) {
        memcpy(text + i, "狐狸", 6);
    }
    ae_segmenter *s = ae_segmenter_open(paths, 2, e);
    ae_segments x = {0};
    int status = s ? ae_segmenter_cut(s, text, sizeof text, &x, e) : -1;
    *result = s ? ae_segmenter_hash(s) ^ (uint64_t)x.count : 0;
    ae_segments_free(&x);
    ae_segmenter_free(s);
    return status;
}

static int characters(const void *self, uint64_t *result, ae_err *e)
{
    (void)self;
    static char text[200];
    memset(text, ' ', sizeof text);
    for (size_t i = 0; i < sizeof text; i += 2) {
        text[i] = 'x';
    }
    ae_character_words x = {0};
    ae_character_options o = {.marks = true};
    int status = ae_character_words_of(NULL, text, sizeof text, &o, &x, e);
    *result = status == 0 ? (uint64_t)x.count : 0;
    ae_character_words_free(&x);
    return status;
}

static int unihan(const void *self, uint64_t *result, ae_err *e)
{
    (void)self;
    ae_unihan *u = ae_unihan_open(UNIHAN, e);
    *result = u ? (uint64_t)ae_unihan_radical(u, 0x72d0) + (uint64_t)strlen(ae_unihan_pinyin(u, 0x72d0)) : 0;
    ae_unihan_free(u);
    return u ? 0 : -1;
}

static int english(const void *self, uint64_t *result, ae_err *e)
{
    (void)self;
    static const char *const kinds[] = {"treebank", "nltk", "moses", "simple"};
    static const char *const tokens[] = {"<unk>", "UNK", "[UNK]", "fox"};
    static const char text[] =
        "\"Mr. Fox didn't run,\" he said; they're gonna 'sleep'... A long text fills the room of "
        "the first buffers, which then have to grow, and grow, and grow, once more at least.";
    *result = 0;
    int status = 0;
    for (int i = 0; i < 4 && status == 0; i++) {
        ae_kind_parts parts = {.kind = ae_kind_find(kinds[i], e), .tokens = tokens, .n_tokens = 4};
        ae_tokenizer *t = ae_tokenizer_from_parts(&parts, e);
        ae_encoding x = {0};
        status = t ? ae_tokenizer_encode(t, text, sizeof text - 1, NULL, &x, e) : -1;
        *result = 1000 * *result + (uint64_t)x.count;
        ae_encoding_free(&x);
        ae_tokenizer_free(t);
    }
    return status;
}

static void words(void **state)
{
    (void)state;
    memory_every_failure("segmenter", segment, NULL, 3000, 0);
}

static void ids_of_characters(void **state)
{
    (void)state;
    memory_every_failure("characters", characters, NULL, 3000, 0);
}

static void database(void **state)
{
    (void)state;
    static const char *const files[][2] = {
        {UNIHAN "/Unihan_Readings.txt", "U+4E2D\tkMandarin\tzhōng\nU+72D0\tkMandarin\thú\n"},
        {UNIHAN "/Unihan_IRGSources.txt", "U+72D0\tkRSUnicode\t94.5\n"}};
    mkdir(UNIHAN, 0777);
    for (int i = 0; i < 2; i++) {
        FILE *f = fopen(files[i][0], "w");
        assert_non_null(f);
        fputs(files[i][1], f);
        fclose(f);
    }
    memory_every_failure("unihan", unihan, NULL, 3000, 0);
    unlink(files[0][0]);
    unlink(files[1][0]);
    rmdir(UNIHAN);
}

static void rules(void **state)
{
    (void)state;
    memory_every_failure("english", english, NULL, 3000, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),
        cmocka_unit_test(ids_of_characters),
        cmocka_unit_test(database),
        cmocka_unit_test(rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
