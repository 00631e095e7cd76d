/* The models of SentencePiece's files: pieces chosen by probability, by merging, by words or by characters, with the
 * original's arithmetic and order of choice (Kudo & Richardson 2018; Kudo 2018 for unigram). */
#include "tokenizers/sentencepiece_internal.h"
#include "tokenizers/unicode.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static const char *const algorithm_names[] = {NULL, "unigram", "bpe", "word", "char"};

enum { ALGORITHMS = 5 };

static void release(void *self)
{
    ae_sentencepiece *m = self;
    ae_piece_list_free(&m->pieces);
    ae_trie_free(&m->user);
    ae_trie_free(&m->path.trie);
    free(m->path.scores);
    ae_piece_merges_free(&m->merges);
    free(m);
}

/* ---- making ------------------------------------------------------------------------------------------------------- */

static int check_pieces(ae_sentencepiece *m, ae_err *e)
{
    const ae_vocab *v = m->pieces.vocab;
    m->unknown = -1;
    for (int32_t id = 0; id < v->size; id++) {
        size_t bytes = 0;
        const char *spelling = ae_vocab_token(v, id, &bytes);
        if (!spelling || bytes == 0) {
            return ae_err_set(e, AE_E_FORMAT, "piece %d has no spelling", (int)id);
        }
        if (ae_vocab_find(v, spelling, bytes) != id) {
            return ae_err_set(e, AE_E_FORMAT, "the piece \"%.60s\" stands twice", spelling);
        }
        if (!isfinite(m->pieces.scores[id])) {
            return ae_err_set(e, AE_E_VALUE, "the score of the piece \"%.60s\" is no number", spelling);
        }
        if (m->pieces.types[id] == AE_PIECE_UNKNOWN && m->unknown >= 0) {
            return ae_err_set(e, AE_E_FORMAT, "there are two unknown pieces, %d and %d", (int)m->unknown, (int)id);
        }
        m->unknown = m->pieces.types[id] == AE_PIECE_UNKNOWN ? id : m->unknown;
    }
    return m->unknown < 0 ? ae_err_set(e, AE_E_MISSING, "there is no unknown piece (type 2)") : 0;
}

/* Whether a ▁ stands behind another character. */
static bool goes_on_behind_mark(const char *spelling, size_t bytes)
{
    bool other = false;
    for (size_t i = 0; i < bytes;) {
        bool mark = ae_is_space_mark(spelling + i, bytes - i);
        if (mark && other) {
            return true;
        }
        other = other || !mark;
        i += mark ? 3 : 1;
    }
    return false;
}

static void look_at_pieces(ae_sentencepiece *m)
{
    for (int i = 0; i < 256; i++) {
        int32_t id = ae_vocab_find_byte(m->pieces.vocab, (unsigned char)i);
        m->bytes[i] = id >= 0 && m->pieces.types[id] == AE_PIECE_BYTE ? id : -1;
    }
    m->parts = true;
    for (int32_t id = 0; id < m->pieces.vocab->size; id++) {
        size_t bytes = 0;
        const char *spelling = ae_vocab_token(m->pieces.vocab, id, &bytes);
        m->parts = m->parts && !(ae_piece_in_text(m->pieces.types[id]) && goes_on_behind_mark(spelling, bytes));
    }
}

/* A trie of the pieces that are wanted. */
static int make_trie(const ae_sentencepiece *m, bool (*wanted)(uint8_t type), ae_trie *trie, ae_err *e)
{
    ae_trie_key *keys = malloc(((size_t)m->pieces.vocab->size + 1) * sizeof *keys);
    size_t count = 0;
    if (!keys) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for %d pieces", (int)m->pieces.vocab->size);
    }
    for (int32_t id = 0; id < m->pieces.vocab->size; id++) {
        if (wanted(m->pieces.types[id])) {
            size_t bytes = 0;
            keys[count].bytes = ae_vocab_token(m->pieces.vocab, id, &bytes);
            keys[count].length = (uint32_t)bytes;
            keys[count++].id = id;
        }
    }
    int result = ae_trie_build(trie, keys, count, e);
    free(keys);
    return result;
}

static bool is_user(uint8_t type)
{
    return type == AE_PIECE_USER;
}

static bool can_be_chosen(uint8_t type)
{
    return type == AE_PIECE_NORMAL || type == AE_PIECE_USER;
}

/* The scores as the original has them while it looks for the best path: a user-defined piece of n bytes has n times the
 * largest score of a normal one less 0.1, where the largest begins at the smallest positive number. */
static int make_path(ae_sentencepiece *m, ae_err *e)
{
    int32_t count = m->pieces.vocab->size;
    float smallest = FLT_MAX, largest = FLT_MIN;
    for (int32_t id = 0; id < count; id++) {
        if (m->pieces.types[id] == AE_PIECE_NORMAL) {
            smallest = fminf(smallest, m->pieces.scores[id]);
            largest = fmaxf(largest, m->pieces.scores[id]);
        }
    }
    m->path.unknown = m->unknown;
    m->path.unknown_score = (double)(smallest - 10.0f);
    m->path.scores = malloc(((size_t)count + 1) * sizeof *m->path.scores);
    if (!m->path.scores) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for %d pieces", (int)count);
    }
    m->largest = fabs(m->path.unknown_score);
    for (int32_t id = 0; id < count; id++) {
        float length = m->pieces.types[id] == AE_PIECE_USER ? (float)m->pieces.vocab->entries[id].length : 0;
        m->path.scores[id] = length > 0 ? (double)(length * largest) - 0.1 : (double)m->pieces.scores[id];
        m->largest = fmax(m->largest, fabs(m->path.scores[id]));
    }
    return make_trie(m, can_be_chosen, &m->path.trie, e);
}

static uint64_t hash_of(const ae_sentencepiece *m)
{
    size_t count = (size_t)m->pieces.vocab->size;
    uint64_t parts[6] = {
        ae_vocab_hash(m->pieces.vocab),        ae_hash_bytes(m->pieces.scores, count * sizeof *m->pieces.scores),
        ae_hash_bytes(m->pieces.types, count), (uint64_t)m->options.algorithm,
        (uint64_t)m->options.byte_fallback,    (uint64_t)m->options.comma_rule};
    return ae_hash_bytes(parts, sizeof parts);
}

static int prepare(ae_sentencepiece *m, ae_err *e)
{
    if (m->options.algorithm < AE_PIECES_UNIGRAM || m->options.algorithm > AE_PIECES_CHAR) {
        return ae_err_set(e, AE_E_VALUE, "the algorithm is %d; algorithms are 1 to 4", (int)m->options.algorithm);
    }
    if (check_pieces(m, e) != 0) {
        return -1;
    }
    look_at_pieces(m);
    for (int i = 0; i < 256 && m->options.byte_fallback; i++) {
        if (m->bytes[i] < 0) {
            return ae_err_set(e, AE_E_MISSING, "with \"byte_fallback\" there must be the piece <0x%02X>", (unsigned)i);
        }
    }
    m->hash = hash_of(m);
    if (m->options.algorithm == AE_PIECES_UNIGRAM) {
        return make_path(m, e);
    }
    if (make_trie(m, is_user, &m->user, e) != 0) {
        return -1;
    }
    return m->options.algorithm == AE_PIECES_BPE ? ae_piece_merges_init(m, e) : 0;
}

void *ae_sentencepiece_make(ae_piece_list pieces, ae_piece_options options, ae_err *e)
{
    ae_sentencepiece *m = calloc(1, sizeof *m);
    if (!m) {
        ae_piece_list_free(&pieces);
        ae_err_set(e, AE_E_MEMORY, "no memory");
        return NULL;
    }
    m->pieces = pieces;
    m->options = options;
    if (prepare(m, e) != 0) {
        release(m);
        return NULL;
    }
    return m;
}

const ae_piece_list *ae_sentencepiece_pieces(const void *self)
{
    return &((const ae_sentencepiece *)self)->pieces;
}

ae_piece_options ae_sentencepiece_options(const void *self)
{
    return ((const ae_sentencepiece *)self)->options;
}

/* ---- JSON ---------------------------------------------------------------------------------------------------------- */

static void *from_json(const ae_json *object, ae_err *e)
{
    ae_err local = {0};
    const char *name = ae_json_need_string(object, "algorithm", &local);
    ae_piece_options options = {.byte_fallback = ae_json_bool(object, "byte_fallback", false, &local),
                                .comma_rule = ae_json_bool(object, "comma_rule", false, &local)};
    const ae_json *array = ae_json_need_array(object, "pieces", &local);
    if (local.code) {
        ae_err_set(e, local.code, "%s", local.message);
        return NULL;
    }
    int algorithm = 1;
    while (algorithm < ALGORITHMS && strcmp(algorithm_names[algorithm], name) != 0) {
        algorithm++;
    }
    if (algorithm == ALGORITHMS) {
        ae_err_set(e, AE_E_VALUE, "\"algorithm\" is \"%.60s\"; it must be \"unigram\", \"bpe\", \"word\" or \"char\"",
                   name);
        return NULL;
    }
    options.algorithm = (ae_piece_algorithm)algorithm;
    ae_piece_list pieces;
    return ae_piece_list_from_json(array, &pieces, e) == 0 ? ae_sentencepiece_make(pieces, options, e) : NULL;
}

static int to_json(const void *self, ae_json *object)
{
    const ae_sentencepiece *m = self;
    ae_json_set_string(object, "algorithm", algorithm_names[m->options.algorithm]);
    ae_json_set_bool(object, "byte_fallback", m->options.byte_fallback);
    ae_json_set_bool(object, "comma_rule", m->options.comma_rule);
    return ae_json_set(object, "pieces", ae_piece_list_json(&m->pieces));
}

/* ---- tokens -------------------------------------------------------------------------------------------------------- */

void ae_sentencepiece_join(const ae_sentencepiece *m, size_t start, size_t end, ae_work *w)
{
    ae_made *last = w->n_made > 0 ? &w->made[w->n_made - 1] : NULL;
    if (start > 0 && last && last->id == m->unknown && last->end == start) {
        last->end = (uint32_t)end;
    } else {
        ae_work_make(w, m->unknown, start, end);
    }
}

void ae_sentencepiece_add(const ae_sentencepiece *m, const char *text, size_t start, size_t end, int32_t id, ae_work *w)
{
    w->word += start > 0 && ae_is_space_mark(text + start, end - start);
    if (id != m->unknown) {
        ae_work_make(w, id, start, end);
    } else if (m->options.byte_fallback) {
        for (size_t i = start; i < end; i++) {
            ae_work_make(w, m->bytes[(unsigned char)text[i]], i, i + 1);
        }
    } else {
        ae_sentencepiece_join(m, start, end, w);
    }
}

int32_t ae_sentencepiece_find(const ae_sentencepiece *m, const char *text, size_t bytes)
{
    int32_t id = ae_vocab_find(m->pieces.vocab, text, bytes);
    return id >= 0 && m->pieces.types[id] != AE_PIECE_CONTROL ? id : m->unknown;
}

size_t ae_sentencepiece_letter(const ae_sentencepiece *m, const char *text, size_t left, int32_t *user)
{
    size_t length = 0;
    *user = ae_trie_longest(&m->user, text, left, &length);
    return *user >= 0 ? length : ae_lead_length((unsigned char)*text);
}

static void add_letters(const ae_sentencepiece *m, const char *text, size_t start, size_t end, ae_work *w)
{
    while (start < end) {
        int32_t user = -1;
        size_t n = ae_sentencepiece_letter(m, text + start, end - start, &user);
        ae_sentencepiece_add(m, text, start, start + n, user >= 0 ? user : ae_sentencepiece_find(m, text + start, n),
                             w);
        start += n;
    }
}

/* Words begin at each ▁. */
static void add_words(const ae_sentencepiece *m, const char *text, size_t start, size_t end, ae_work *w)
{
    while (start < end) {
        size_t stop = start + ae_lead_length((unsigned char)text[start]);
        while (stop < end && !ae_is_space_mark(text + stop, end - stop)) {
            stop++;
        }
        ae_sentencepiece_add(m, text, start, stop, ae_sentencepiece_find(m, text + start, stop - start), w);
        start = stop;
    }
}

void ae_sentencepiece_whole(const ae_sentencepiece *m, const char *text, size_t start, size_t end, ae_work *w)
{
    switch (m->options.algorithm) {
    case AE_PIECES_UNIGRAM:
        ae_sentencepiece_path(m, text, start, end, 0, true, w);
        break;
    case AE_PIECES_BPE:
        ae_sentencepiece_merge(m, text, start, end, w);
        break;
    case AE_PIECES_WORD:
        add_words(m, text, start, end, w);
        break;
    case AE_PIECES_CHAR:
        add_letters(m, text, start, end, w);
        break;
    }
}

static void encode(const void *self, const char *word, size_t bytes, ae_work *w)
{
    const ae_sentencepiece *m = self;
    size_t first = w->n_made;
    if (m->parts && !m->merges.unused) {
        ae_sentencepiece_parts(m, word, bytes, w);
    } else {
        ae_sentencepiece_whole(m, word, 0, bytes, w);
    }
    if (m->options.comma_rule) {
        ae_sentencepiece_commas(m, word, first, w);
    }
}

/* ---- questions ----------------------------------------------------------------------------------------------------- */

static const ae_vocab *vocab_of(const void *self)
{
    return ((const ae_sentencepiece *)self)->pieces.vocab;
}

static int32_t unknown_of(const void *self)
{
    return ((const ae_sentencepiece *)self)->unknown;
}

static const char *prefix_of(const void *self)
{
    (void)self;
    return "";
}

static uint64_t hash(const void *self)
{
    return ((const ae_sentencepiece *)self)->hash;
}

const ae_model_row ae_model_sentencepiece = {
    {"SentencePiece", from_json, to_json, release}, NULL, encode, NULL, vocab_of, unknown_of, prefix_of, hash, NULL};
