/* WordPiece: the longest token at the front of a word, then of the rest with "##" before it, and so on; a word that
 * does not go up this way is unknown as a whole (Wu et al. 2016; Devlin et al. 2018). */
#include "tokenizers/component.h"
#include "tokenizers/unicode.h"

#include <stdlib.h>

typedef struct word_piece {
    ae_vocab *vocab;
    char *unknown_token, *prefix;
    int32_t unknown;
    int64_t longest_word; /* in characters */
} word_piece;

static void release(void *self)
{
    word_piece *m = self;
    ae_vocab_free(m->vocab);
    free(m->unknown_token);
    free(m->prefix);
    free(m);
}

static int read_parameters(word_piece *m, const ae_json *object, ae_err *e)
{
    ae_err local = {0};
    const char *unknown = ae_json_string(object, "unk_token", "[UNK]", &local);
    const char *prefix = ae_json_string(object, "continuing_subword_prefix", "##", &local);
    m->longest_word = ae_json_int(object, "max_input_chars_per_word", 100, &local);
    if (!local.code && m->longest_word < 0) {
        ae_err_set(&local, AE_E_VALUE, "\"max_input_chars_per_word\" is %lld", (long long)m->longest_word);
    }
    if (local.code) {
        return ae_err_set(e, local.code, "%s", local.message);
    }
    m->unknown_token = strdup(unknown);
    m->prefix = strdup(prefix);
    if (!m->unknown_token || !m->prefix) {
        return ae_err_set(e, AE_E_MEMORY, "no memory");
    }
    return 0;
}

static void *make(const ae_json *object, ae_vocab *vocab, ae_merges merges, ae_err *e)
{
    free(merges.pairs);
    word_piece *m = calloc(1, sizeof *m);
    if (!m) {
        ae_err_set(e, AE_E_MEMORY, "no memory");
        ae_vocab_free(vocab);
        return NULL;
    }
    m->vocab = vocab;
    if (read_parameters(m, object, e) != 0) {
        release(m);
        return NULL;
    }
    m->unknown = ae_vocab_find(vocab, m->unknown_token, strlen(m->unknown_token));
    if (vocab->used > 0 && m->unknown < 0) {
        ae_err_set(e, AE_E_MISSING, "the unknown token \"%.60s\" is not in the vocabulary", m->unknown_token);
        release(m);
        return NULL;
    }
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
    const word_piece *m = self;
    ae_json_set_string(object, "unk_token", m->unknown_token);
    ae_json_set_string(object, "continuing_subword_prefix", m->prefix);
    ae_json_set_int(object, "max_input_chars_per_word", m->longest_word);
    return ae_json_set(object, "vocab", ae_vocab_json(m->vocab, NULL));
}

/* The longest token that `bytes` begin with, behind the prefix if there is one: its id, and in *length the bytes it
 * takes; -1 if there is none. `room` holds the prefix and behind it place for the longest token. */
static int32_t longest(const word_piece *m, const char *bytes, size_t left, size_t prefix, char *room, size_t *length)
{
    if (m->vocab->longest < prefix) {
        return -1;
    }
    size_t n = m->vocab->longest - prefix;
    n = n < left ? n : left;
    const char *token = bytes;
    if (prefix > 0) {
        memcpy(room + prefix, bytes, n);
        token = room;
    }
    for (; n > 0; n--) {
        if (n < left && ((unsigned char)bytes[n] & 0xc0) == 0x80) {
            continue; /* not between the bytes of one character */
        }
        int32_t id = ae_vocab_find(m->vocab, token, prefix + n);
        if (id >= 0) {
            *length = n;
            return id;
        }
    }
    return -1;
}

static void encode(const void *self, const char *word, size_t bytes, ae_work *w)
{
    const word_piece *m = self;
    size_t made = w->n_made, prefix = strlen(m->prefix);
    char *room = ae_work_room(w, 1, prefix + m->vocab->longest + 1);
    bool bad = bytes > (size_t)m->longest_word && ae_utf8_count(word, bytes) > (size_t)m->longest_word;
    if (room) {
        memcpy(room, m->prefix, prefix);
    }
    for (size_t i = 0; room && i < bytes && !bad;) {
        size_t n = 0;
        int32_t id = longest(m, word + i, bytes - i, i > 0 ? prefix : 0, room, &n);
        bad = id < 0;
        if (!bad) {
            ae_work_make(w, id, i, i + n);
            i += n;
        }
    }
    if (bad && m->unknown >= 0) {
        w->n_made = made;
        ae_work_make(w, m->unknown, 0, bytes);
    }
}

static const ae_vocab *vocab_of(const void *self)
{
    return ((const word_piece *)self)->vocab;
}

static int32_t unknown_of(const void *self)
{
    return ((const word_piece *)self)->unknown;
}

static const char *prefix_of(const void *self)
{
    return ((const word_piece *)self)->prefix;
}

static uint64_t hash(const void *self)
{
    const word_piece *m = self;
    uint64_t parts[4] = {ae_vocab_hash(m->vocab), ae_hash_bytes(m->unknown_token, strlen(m->unknown_token)),
                         ae_hash_bytes(m->prefix, strlen(m->prefix)), (uint64_t)m->longest_word};
    return ae_hash_bytes(parts, sizeof parts);
}

const ae_model_row ae_model_word_piece = {
    {"WordPiece", from_json, to_json, release}, make, encode, NULL, vocab_of, unknown_of, prefix_of, hash, NULL};
