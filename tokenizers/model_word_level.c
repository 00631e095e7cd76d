/* WordLevel: a word is a token or unknown. */
#include "tokenizers/component.h"

#include <stdlib.h>

typedef struct word_level {
    ae_vocab *vocab;
    char *unknown_token;
    int32_t unknown; /* -1: unknown words are an error */
} word_level;

static void release(void *self)
{
    word_level *m = self;
    ae_vocab_free(m->vocab);
    free(m->unknown_token);
    free(m);
}

static void *make(const ae_json *object, ae_vocab *vocab, ae_merges merges, ae_err *e)
{
    free(merges.pairs);
    ae_err local = {0};
    const char *unknown = ae_json_string(object, "unk_token", "<unk>", &local);
    word_level *m = calloc(1, sizeof *m);
    char *copy = local.code ? NULL : strdup(unknown);
    if (!m || !copy) {
        ae_err_set(e, local.code ? local.code : AE_E_MEMORY, "%s", local.code ? local.message : "no memory");
        ae_vocab_free(vocab);
        free(copy);
        free(m);
        return NULL;
    }
    *m = (word_level){vocab, copy, ae_vocab_find(vocab, copy, strlen(copy))};
    return m;
}

static void *from_json(const ae_json *object, ae_err *e)
{
    const ae_json *tokens = ae_json_need_object(object, "vocab", e);
    ae_vocab *vocab = tokens ? ae_vocab_from_json(tokens, e) : NULL;
    return vocab ? make(object, vocab, (ae_merges){0}, e) : NULL;
}

static int to_json(const void *self, ae_json *object)
{
    const word_level *m = self;
    ae_json_set(object, "vocab", ae_vocab_json(m->vocab, NULL));
    return ae_json_set_string(object, "unk_token", m->unknown_token);
}

static void encode(const void *self, const char *word, size_t bytes, ae_work *w)
{
    const word_level *m = self;
    int32_t id = ae_vocab_find(m->vocab, word, bytes);
    id = id < 0 ? m->unknown : id;
    if (id >= 0) {
        ae_work_make(w, id, 0, bytes);
    } else {
        ae_work_miss(w, word, bytes);
    }
}

static const ae_vocab *vocab_of(const void *self)
{
    return ((const word_level *)self)->vocab;
}

static int32_t unknown_of(const void *self)
{
    return ((const word_level *)self)->unknown;
}

static const char *prefix_of(const void *self)
{
    (void)self;
    return "";
}

static uint64_t hash(const void *self)
{
    const word_level *m = self;
    uint64_t parts[2] = {ae_vocab_hash(m->vocab), ae_hash_bytes(m->unknown_token, strlen(m->unknown_token))};
    return ae_hash_bytes(parts, sizeof parts);
}

const ae_model_row ae_model_word_level = {
    {"WordLevel", from_json, to_json, release}, make, encode, NULL, vocab_of, unknown_of, prefix_of, hash, NULL};
