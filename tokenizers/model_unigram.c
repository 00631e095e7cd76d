/* Unigram as Hugging Face's library has it: the most probable cut of each word of the pre-tokenizer, in double
 * precision, where every token of the list counts and unknown characters that follow each other are one token
 * (Kudo 2018, "Subword regularization"). */
#include "tokenizers/best_path.h"
#include "tokenizers/component.h"
#include "tokenizers/rust_number.h"
#include "tokenizers/unicode.h"

#include <math.h>
#include <stdlib.h>

typedef struct unigram {
    ae_vocab *vocab;
    ae_path_pieces path;
    bool byte_fallback;
    int32_t bytes[256]; /* the ids of <0x00> and so on, or -1 */
} unigram;

static const double unknown_penalty = 10;

static void release(void *self)
{
    unigram *m = self;
    ae_vocab_free(m->vocab);
    ae_trie_free(&m->path.trie);
    free(m->path.scores);
    free(m);
}

/* ---- making ------------------------------------------------------------------------------------------------------- */

/* One member of "vocab": [token, score]. */
static int read_token(unigram *m, const ae_json *item, int32_t id, ae_err *e)
{
    if (ae_json_type_of(item) != AE_JSON_ARRAY || ae_json_count(item) != 2) {
        return ae_err_set(e, AE_E_FORMAT, "it must be [token, score]");
    }
    size_t bytes = 0;
    char *token = ae_json_value_bytes(ae_json_at(item, 0), &bytes, e);
    int result = token ? ae_rust_double(ae_json_at(item, 1), &m->path.scores[id], e) : -1;
    result = result == 0 ? ae_vocab_add(m->vocab, token, bytes, id, e) : result;
    free(token);
    return result;
}

static int read_tokens(unigram *m, const ae_json *list, ae_err *e)
{
    m->vocab = ae_vocab_new();
    m->path.scores = calloc((size_t)ae_json_count(list) + 1, sizeof *m->path.scores);
    if (!m->vocab || !m->path.scores) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for the vocabulary");
    }
    int32_t id = 0;
    double smallest = HUGE_VAL;
    for (const ae_json *item = ae_json_first(list); item; item = ae_json_next(item), id++) {
        if (read_token(m, item, id, e) != 0) {
            ae_err_prefix(e, "token %d", (int)id);
            return -1;
        }
        smallest = m->path.scores[id] < smallest ? m->path.scores[id] : smallest;
    }
    m->path.unknown_score = smallest - unknown_penalty;
    return 0;
}

static int read_unknown(unigram *m, const ae_json *object, ae_err *e)
{
    ae_err local = {0};
    int64_t unknown = ae_json_int(object, "unk_id", -1, &local);
    m->byte_fallback = ae_json_bool(object, "byte_fallback", false, &local);
    if (local.code) {
        return ae_err_set(e, local.code, "%s", local.message);
    }
    if (!ae_json_is_null(ae_json_get(object, "unk_id")) && (unknown < 0 || unknown >= m->vocab->size)) {
        return ae_err_set(e, AE_E_VALUE, "\"unk_id\" is %lld; the vocabulary has %d tokens", (long long)unknown,
                          (int)m->vocab->size);
    }
    m->path.unknown = (int32_t)unknown;
    return 0;
}

static int fill_look_up(unigram *m, ae_err *e)
{
    ae_trie_key *keys = malloc(((size_t)m->vocab->size + 1) * sizeof *keys);
    if (!keys) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for the vocabulary");
    }
    for (int32_t id = 0; id < m->vocab->size; id++) {
        size_t bytes = 0;
        const char *token = ae_vocab_token(m->vocab, id, &bytes);
        keys[id] = (ae_trie_key){token, (uint32_t)bytes, id};
    }
    int result = ae_trie_build(&m->path.trie, keys, (size_t)m->vocab->size, e);
    free(keys);
    for (int i = 0; i < 256; i++) {
        m->bytes[i] = ae_vocab_find_byte(m->vocab, (unsigned char)i);
    }
    return result;
}

static void *from_json(const ae_json *object, ae_err *e)
{
    const ae_json *list = ae_json_need_array(object, "vocab", e);
    unigram *m = list ? calloc(1, sizeof *m) : NULL;
    if (!m) {
        if (list) {
            ae_err_set(e, AE_E_MEMORY, "no memory");
        }
        return NULL;
    }
    if (read_tokens(m, list, e) != 0 || read_unknown(m, object, e) != 0 || fill_look_up(m, e) != 0) {
        release(m);
        return NULL;
    }
    return m;
}

static int to_json(const void *self, ae_json *object)
{
    const unigram *m = self;
    if (m->path.unknown < 0) {
        ae_json_set_null(object, "unk_id");
    } else {
        ae_json_set_int(object, "unk_id", m->path.unknown);
    }
    ae_json *list = ae_json_new_array();
    for (int32_t id = 0; list && id < m->vocab->size; id++) {
        size_t bytes = 0;
        const char *token = ae_vocab_token(m->vocab, id, &bytes);
        ae_json *item = ae_json_new_array();
        int failed = ae_json_add(item, NULL, ae_json_new_bytes(token, bytes));
        failed |= ae_json_add(item, NULL, ae_rust_number(m->path.scores[id]));
        if (ae_json_add(list, NULL, item) != 0 || failed) {
            ae_json_free(list);
            list = NULL;
        }
    }
    ae_json_set(object, "vocab", list);
    return ae_json_set_bool(object, "byte_fallback", m->byte_fallback);
}

/* ---- encoding ------------------------------------------------------------------------------------------------------ */

/* Unknown characters in a row: a token of the list that is spelled so, or their bytes, or the unknown token. */
static void make_unknown(const unigram *m, const char *word, size_t start, size_t end, ae_work *w)
{
    int32_t id = ae_vocab_find(m->vocab, word + start, end - start);
    bool fall_back = id < 0 && m->byte_fallback;
    for (size_t i = start; i < end && fall_back; i++) {
        fall_back = m->bytes[(unsigned char)word[i]] >= 0;
    }
    for (size_t i = start; i < end && fall_back; i++) {
        ae_work_make(w, m->bytes[(unsigned char)word[i]], start, end);
    }
    if (!fall_back) {
        ae_work_make(w, id < 0 ? m->path.unknown : id, start, end);
    }
}

static void encode(const void *self, const char *word, size_t bytes, ae_work *w)
{
    const unigram *m = self;
    ae_path_spot *spots = ae_work_room(w, 1, (bytes + 1) * sizeof *spots);
    size_t missing = 0;
    if (!spots) {
        return;
    }
    if (isnan(ae_best_path(&m->path, word, bytes, 0, false, spots, &missing))) {
        size_t start = missing - 1;
        while (((unsigned char)word[start] & 0xc0) == 0x80) {
            start--;
        }
        ae_work_miss(w, word + start, missing - start);
        return;
    }
    for (size_t start = 0; start < bytes;) {
        size_t end = spots[start].start;
        int32_t id = spots[end].id;
        if (id == m->path.unknown) {
            while (end < bytes && spots[spots[end].start].id == id) {
                end = spots[end].start;
            }
            make_unknown(m, word, start, end, w);
        } else {
            ae_work_make(w, id, start, end);
        }
        start = end;
    }
}

static const ae_vocab *vocab_of(const void *self)
{
    return ((const unigram *)self)->vocab;
}

static int32_t unknown_of(const void *self)
{
    return ((const unigram *)self)->path.unknown;
}

static const char *prefix_of(const void *self)
{
    (void)self;
    return "";
}

static uint64_t hash(const void *self)
{
    const unigram *m = self;
    uint64_t parts[4] = {ae_vocab_hash(m->vocab),
                         ae_hash_bytes(m->path.scores, (size_t)m->vocab->size * sizeof *m->path.scores),
                         (uint64_t)(uint32_t)m->path.unknown, (uint64_t)m->byte_fallback};
    return ae_hash_bytes(parts, sizeof parts);
}

const ae_model_row ae_model_unigram = {
    {"Unigram", from_json, to_json, release}, NULL, encode, NULL, vocab_of, unknown_of, prefix_of, hash, NULL};
