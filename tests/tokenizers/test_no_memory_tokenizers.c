/* Tokenizers of all families are read, encode, decode, are written and extended while allocations fail, each in turn,
 * alone or with all that follow: an error of memory or the same result, and nothing left behind. */
#include "memory_scenarios.h"

#include "fuzz/piece_targets.h"

static const char text[] = "The fox's 3,14 \xc3\x84xxy \xe4\xb8\xad a<m>ab new york";

static uint64_t mix(uint64_t h, uint64_t x)
{
    return (h ^ x) * 0x9e3779b97f4a7c15u;
}

static int encode_and_decode(const ae_tokenizer *t, uint64_t *hash, ae_err *e)
{
    ae_encoding x = {0};
    char *decoded = NULL;
    int status = ae_tokenizer_encode(t, text, sizeof text - 1, &(ae_encode_options){.special = true}, &x, e);
    if (status == 0) {
        decoded = ae_tokenizer_decode(t, x.ids, x.count, false, NULL, e);
        status = decoded ? 0 : -1;
    }
    for (int64_t i = 0; i < x.count && status == 0; i++) {
        *hash = mix(mix(*hash, (uint64_t)x.ids[i]), (uint64_t)x.ends[i]);
    }
    *hash = decoded ? mix(*hash, ae_hash_bytes(decoded, strlen(decoded))) : 0;
    free(decoded);
    ae_encoding_free(&x);
    return status;
}

static int extend(const ae_tokenizer *t, uint64_t *hash, ae_err *e)
{
    static const char *const words[] = {"new york", "fox", "the", "\xe4\xb8\xad\xe6\x96\x87"};
    static const char *const special[] = {"</s>"};
    ae_tokenizer_words w = {.words = words, .n_words = 4, .special = special, .n_special = 1};
    ae_vocabulary_map m = {0};
    ae_tokenizer *now = ae_tokenizer_extend(t, &w, NULL, e);
    int status = now ? ae_vocabulary_map_make(t, now, true, &m, e) : -1;
    if (status == 0) {
        *hash = mix(mix(*hash, ae_tokenizer_hash(now)), (uint64_t)m.begin[m.size]);
    }
    ae_vocabulary_map_free(&m);
    ae_tokenizer_free(now);
    return status;
}

/* All that is done with number i of the tokenizers; 0, or -1 and e. */
static int use(const void *self, uint64_t *hash, ae_err *e)
{
    const char *whole = self;
    *hash = 1;
    ae_json *json = ae_json_parse(whole, strlen(whole), e);
    ae_tokenizer *t = json ? ae_tokenizer_from_json(json, e) : NULL;
    ae_json_free(json);
    int status = t ? encode_and_decode(t, hash, e) : -1;
    json = status == 0 ? ae_tokenizer_json(t, e) : NULL;
    ae_tokenizer *again = json ? ae_tokenizer_from_json(json, e) : NULL;
    *hash = again ? mix(*hash, ae_tokenizer_hash(again)) : 0;
    status = again ? extend(again, hash, e) : -1;
    ae_json_free(json);
    ae_tokenizer_free(again);
    ae_tokenizer_free(t);
    return status;
}

static void every_failure(void **state)
{
    (void)state;
    for (int i = 0; i < FUZZ_TOKENIZERS; i++) {
        char name[32];
        snprintf(name, sizeof name, "tokenizer %d", i);
        memory_every_failure(name, use, fuzz_tokenizers[i], 300, i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_failure)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
