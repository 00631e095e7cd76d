/* Opening a SentencePiece model, encoding and decoding with it, and writing it in both forms while allocations fail,
 * each in turn, alone or with all that follow: an error of memory or the same result, and nothing left behind. */
#include "memory_scenarios.h"
#include "tokenizers/piece_kinds.h"

#include <stdio.h>

/* A hash of the ids, the text that they decode to and the files in *hash; 0, or -1 and e. */
static int use(const ae_tokenizer *t, uint64_t *hash, ae_err *e)
{
    static const char text[] = "A\xcc\x81 the ab\xff (words)  1,";
    ae_encoding x = {0};
    size_t bytes = 0, length = 0;
    const ae_encode_options options = {.special = true};
    int status = ae_tokenizer_encode(t, text, sizeof text - 1, &options, &x, e);
    char *decoded = status == 0 ? ae_tokenizer_decode(t, x.ids, x.count, false, &bytes, e) : NULL;
    char *file = decoded ? ae_tokenizer_piece_file(t, &length, e) : NULL;
    ae_json *json = file ? ae_tokenizer_exchange_json(t, e) : NULL;
    char *written = json ? ae_json_text(json, false, e) : NULL;
    uint64_t parts[4] = {0};
    if (written) {
        parts[0] = ae_hash_bytes(x.ids, (size_t)x.count * sizeof *x.ids);
        parts[1] = ae_hash_bytes(decoded, bytes);
        parts[2] = ae_hash_bytes(file, length);
        parts[3] = ae_hash_bytes(written, strlen(written));
        *hash = ae_hash_bytes(parts, sizeof parts) | 1;
    }
    status = written ? 0 : -1;
    free(decoded);
    free(file);
    free(written);
    ae_json_free(json);
    ae_encoding_free(&x);
    return status;
}

typedef struct scenario {
    const char *kind;
    const char *data;
    size_t bytes;
} scenario;

static int run(const void *self, uint64_t *hash, ae_err *e)
{
    const scenario *s = self;
    ae_tokenizer_options options = {.kind = s->kind, .extra_ids = 2};
    ae_piece_settings settings = {.options = &options};
    const ae_piece_kind *kind = ae_piece_kind_settle(&settings, e);
    ae_piece_file f;
    ae_tokenizer *t = NULL;
    if (kind && ae_piece_file_read(s->data, s->bytes, &f, e) == 0) {
        t = ae_tokenizer_from_pieces(&f, kind, &settings, e);
    }
    int status = t ? use(t, hash, e) : -1;
    ae_tokenizer_free(t);
    return status;
}

/* A model of few pieces with a map of characters: A becomes a. */
static size_t small_model(char *data)
{
    static const char *const pieces[] = {"<unk>", "<s>", "</s>", "\xe2\x96\x81", "a", "b", "the", "1,", "1", ","};
    static const char rest[] = "\x1a\x03\x0a\x01x";
    size_t n = 0;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        size_t length = strlen(pieces[i]);
        char type = i == 0 ? 2 : i < 3 ? 3 : 1;
        n += (size_t)sprintf(data + n, "\x0a%c\x0a%c%s\x15", (int)(length + 9), (int)length, pieces[i]);
        memcpy(data + n, "\0\0\x80\xbf\x18", 5);
        data[n + 5] = type;
        n += 6;
    }
    memcpy(data + n, rest, sizeof rest - 1);
    return n + sizeof rest - 1;
}

static void every_failure(void **state)
{
    (void)state;
    static const char *const kinds[] = {"sentencepiece", "albert", "t5", "xlm-roberta"};
    char data[512];
    size_t bytes = small_model(data);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        scenario s = {kinds[i], data, bytes};
        memory_every_failure(kinds[i], run, &s, 8000, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_failure)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
