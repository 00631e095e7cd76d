/* Reading models of pieces and encoding batches with them while allocations fail, each in turn, alone or with all that
 * follow: an error of memory or the same tokens, and nothing left behind. */
#include "memory_scenarios.h"
#include "tensor/threads.h"
#include "tokenizers/tokenizer.h"

#include <stdio.h>

#define PIECES                                                                                                         \
    "[[\"<unk>\",0,2],[\"\\u2581\",-2],[\"a\",-3],[\"b\",-3.5],[\"\\u2581a\",-4],[\"ab\",-5],[\"9,\",-4],[\"9\",-5],"  \
    "[\",\",-5],[\"[x]\",0,4],[\"ba\",-1,5]]"

static const char *const models[] = {
    "{\"type\":\"Unigram\",\"unk_id\":0,\"byte_fallback\":true,\"vocab\":[[\"<unk>\",0],[\"a\",-1],[\"ab\",-3]]}",
    "{\"type\":\"SentencePiece\",\"algorithm\":\"unigram\",\"comma_rule\":true,\"pieces\":" PIECES "}",
    "{\"type\":\"SentencePiece\",\"algorithm\":\"bpe\",\"pieces\":" PIECES "}",
    "{\"type\":\"SentencePiece\",\"algorithm\":\"word\",\"pieces\":" PIECES "}",
    "{\"type\":\"SentencePiece\",\"algorithm\":\"char\",\"pieces\":" PIECES "}",
    "{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]}",
};

enum { MODELS = sizeof models / sizeof *models };

/* A hash of the ids of some texts in *ids, never 0; 0, or -1 and e. */
static int run(const void *self, uint64_t *ids, ae_err *e)
{
    const char *model = self;
    static const char text[] = "\xe2\x96\x81"
                               "abab\xe2\x96\x81"
                               "a9,z\xe2\x96\x81[x]ba";
    const ae_text texts[] = {{.a = text, .a_bytes = sizeof text - 1}, {.a = text, .a_bytes = 9}, {.a = ""}};
    char json[2000];
    int n = snprintf(json, sizeof json, "{\"padding\":{\"pad_id\":1},\"model\":%s}", model);
    ae_json *j = ae_json_parse(json, (size_t)n, e);
    ae_tokenizer *t = j ? ae_tokenizer_from_json(j, e) : NULL;
    ae_encoding_batch b = {0};
    ae_batch_options options = {.padding = AE_PAD_LONGEST};
    int status = t ? ae_tokenizer_encode_batch(t, texts, 3, &options, &b, e) : -1;
    *ids = 1;
    for (int64_t i = 0; status == 0 && i < 3 * b.longest; i++) {
        *ids = (*ids * 31 + (uint64_t)b.ids[i]) * 31 + (uint64_t)b.starts[i];
    }
    ae_encoding_batch_free(&b);
    ae_tokenizer_free(t);
    ae_json_free(j);
    return status;
}

static void every_failure(void **state)
{
    (void)state;
    assert_int_equal(ae_set_threads(1, NULL), 0);
    for (int i = 0; i < MODELS; i++) {
        char name[61];
        snprintf(name, sizeof name, "%.60s", models[i]);
        memory_every_failure(name, run, models[i], 5000, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_failure)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
