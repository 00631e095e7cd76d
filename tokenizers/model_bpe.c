/* BPE: a word begins as characters, and the adjacent pair that stands first in the list of merges is joined, the
 * leftmost of equal ones, until none is in the list (Sennrich et al. 2016; Radford et al. 2019). */
#include "tokenizers/byte_letters.h"
#include "tokenizers/component.h"
#include "tokenizers/merge_table.h"
#include "tokenizers/unicode.h"

#include <stdlib.h>

enum { DIRECT = 0x200 };

typedef struct bpe {
    ae_vocab *vocab;
    ae_merges merges;
    ae_merge_table table;
    char *unknown_token, *prefix, *suffix; /* unknown_token NULL: unknown characters vanish */
    int32_t unknown;
    bool fuse_unknown, byte_fallback, ignore_merges;
    int32_t direct[DIRECT]; /* the ids of the first characters, where there is neither prefix nor suffix; else -1 */
    int32_t fallback[256];  /* of <0x00> and so on */
    int32_t byte_ids[256];  /* of ByteLevel's letters, as `direct` */
    uint8_t joints[8192];   /* see the row; only where `has_joints` */
    bool has_joints;
} bpe;

static void release(void *self)
{
    bpe *m = self;
    ae_vocab_free(m->vocab);
    free(m->merges.pairs);
    ae_merge_table_free(&m->table);
    free(m->unknown_token);
    free(m->prefix);
    free(m->suffix);
    free(m);
}

/* ---- making ------------------------------------------------------------------------------------------------------- */

static char *copy_string(const ae_json *object, const char *key, bool *failed, ae_err *e)
{
    ae_err local = {0};
    const char *text = ae_json_string(object, key, NULL, &local);
    char *copy = text ? strdup(text) : NULL;
    if (local.code || (text && !copy)) {
        ae_err_set(e, local.code ? local.code : AE_E_MEMORY, "%s", local.code ? local.message : "no memory");
        *failed = true;
    }
    return copy;
}

static int read_parameters(bpe *m, const ae_json *object, ae_err *e)
{
    bool failed = false;
    m->unknown_token = copy_string(object, "unk_token", &failed, e);
    m->prefix = copy_string(object, "continuing_subword_prefix", &failed, e);
    m->suffix = copy_string(object, "end_of_word_suffix", &failed, e);
    ae_err local = {0};
    m->fuse_unknown = ae_json_bool(object, "fuse_unk", false, &local);
    m->byte_fallback = ae_json_bool(object, "byte_fallback", false, &local);
    m->ignore_merges = ae_json_bool(object, "ignore_merges", false, &local);
    if (ae_json_double(object, "dropout", 0, &local) != 0 && !local.code) {
        ae_err_set(&local, AE_E_UNSUPPORTED, "\"dropout\" is not 0: it would make tokens depend on chance");
    }
    if (local.code) {
        return ae_err_set(e, local.code, "%s", local.message);
    }
    return failed ? -1 : 0;
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

/* The token that a pair gives: the second's prefix goes. */
static int32_t joined(const bpe *m, int32_t a, int32_t b, char *room)
{
    size_t a_bytes = 0, b_bytes = 0, prefix = strlen(or_empty(m->prefix));
    const char *first = ae_vocab_token(m->vocab, a, &a_bytes), *second = ae_vocab_token(m->vocab, b, &b_bytes);
    if (!first || !second || b_bytes < prefix) {
        return -1;
    }
    memcpy(room, first, a_bytes);
    memcpy(room + a_bytes, second + prefix, b_bytes - prefix);
    room[a_bytes + b_bytes - prefix] = '\0';
    return ae_vocab_find(m->vocab, room, a_bytes + b_bytes - prefix);
}

static int fill_table(bpe *m, ae_err *e)
{
    char *room = malloc(2 * (size_t)m->vocab->longest + 1);
    if (!room) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for %lld merges", (long long)m->merges.count);
    }
    if (ae_merge_table_init(&m->table, m->merges.count, e) != 0) {
        free(room);
        return -1;
    }
    for (int64_t i = 0; i < m->merges.count; i++) {
        int32_t a = m->merges.pairs[i][0], b = m->merges.pairs[i][1], id = joined(m, a, b, room);
        if (id < 0) {
            const char *first = ae_vocab_token(m->vocab, a, NULL), *second = ae_vocab_token(m->vocab, b, NULL);
            ae_err_set(e, AE_E_MISSING,
                       "merge %lld joins \"%.60s\" and \"%.60s\" to a token that is not in the vocabulary",
                       (long long)i + 1, first ? first : "?", second ? second : "?");
            free(room);
            return -1;
        }
        ae_merge_table_put(&m->table, a, b, (uint32_t)i, id);
    }
    free(room);
    return 0;
}

static int32_t character_id(const bpe *m, const char *bytes, size_t n, bool first, bool last)
{
    size_t prefix = first ? 0 : strlen(or_empty(m->prefix)), suffix = last ? strlen(or_empty(m->suffix)) : 0;
    char room[256];
    if (prefix + n + suffix > sizeof room) {
        return -1;
    }
    if (prefix) {
        memcpy(room, m->prefix, prefix);
    }
    memcpy(room + prefix, bytes, n);
    if (suffix) {
        memcpy(room + prefix + n, m->suffix, suffix);
    }
    return ae_vocab_find(m->vocab, room, prefix + n + suffix);
}

static void fill_direct(bpe *m)
{
    bool plain = !*or_empty(m->prefix) && !*or_empty(m->suffix);
    for (uint32_t c = 0; c < DIRECT; c++) {
        char bytes[4];
        int n = ae_utf8_encode(c, bytes);
        m->direct[c] = plain ? ae_vocab_find(m->vocab, bytes, (size_t)n) : -1;
    }
    for (int i = 0; i < 256; i++) {
        m->fallback[i] = ae_vocab_find_byte(m->vocab, (unsigned char)i);
        m->byte_ids[i] = m->direct[ae_byte_character((unsigned char)i)];
    }
}

/* The byte that a token spelled in ByteLevel's letters ends with, or begins with; -1: it is spelled otherwise. */
static int edge_byte(const bpe *m, int32_t id, bool last)
{
    size_t bytes = 0;
    const char *token = ae_vocab_token(m->vocab, id, &bytes);
    size_t at = last && bytes > 0 ? bytes - 1 : 0;
    while (at > 0 && ((unsigned char)token[at] & 0xc0) == 0x80) {
        at--;
    }
    uint32_t c = 0;
    if (!token || bytes == 0) {
        return -1;
    }
    ae_utf8_decode(token + at, &c);
    return ae_character_byte(c);
}

/* Two bytes can be joined when some merge has the one at the end of its left token and the other at the beginning of
 * its right one. */
static void fill_joints(bpe *m)
{
    m->has_joints = !m->ignore_merges;
    for (int i = 0; i < 256; i++) {
        m->has_joints = m->has_joints && m->byte_ids[i] >= 0;
    }
    for (int64_t i = 0; i < m->merges.count && m->has_joints; i++) {
        int a = edge_byte(m, m->merges.pairs[i][0], true), b = edge_byte(m, m->merges.pairs[i][1], false);
        if (a >= 0 && b >= 0) {
            m->joints[(a << 8 | b) >> 3] |= (uint8_t)(1u << (b & 7));
        }
    }
}

static void *make(const ae_json *object, ae_vocab *vocab, ae_merges merges, ae_err *e)
{
    bpe *m = calloc(1, sizeof *m);
    if (!m) {
        ae_err_set(e, AE_E_MEMORY, "no memory");
        ae_vocab_free(vocab);
        free(merges.pairs);
        return NULL;
    }
    m->vocab = vocab;
    m->merges = merges;
    if (read_parameters(m, object, e) != 0 || fill_table(m, e) != 0) {
        release(m);
        return NULL;
    }
    m->unknown = m->unknown_token ? ae_vocab_find(vocab, m->unknown_token, strlen(m->unknown_token)) : -1;
    fill_direct(m);
    fill_joints(m);
    return m;
}

/* ---- JSON ---------------------------------------------------------------------------------------------------------- */

/* One merge, "a b" or ["a", "b"]: the ids of its tokens. */
static int read_merge(const ae_vocab *vocab, const ae_json *item, int32_t pair[2], ae_err *e)
{
    char *texts[2] = {NULL, NULL};
    size_t bytes[2] = {0, 0};
    int result = 0;
    if (ae_json_type_of(item) == AE_JSON_ARRAY && ae_json_count(item) == 2) {
        const ae_json *first = ae_json_first(item);
        texts[0] = ae_json_value_bytes(first, &bytes[0], e);
        texts[1] = texts[0] ? ae_json_value_bytes(ae_json_next(first), &bytes[1], e) : NULL;
        result = texts[1] ? 0 : -1;
    } else {
        texts[0] = ae_json_value_bytes(item, &bytes[0], e);
        char *space = texts[0] ? memchr(texts[0], ' ', bytes[0]) : NULL;
        if (!space || memchr(space + 1, ' ', bytes[0] - (size_t)(space + 1 - texts[0]))) {
            result = texts[0] ? ae_err_set(e, AE_E_FORMAT, "\"%.60s\" is not two tokens with a space between", texts[0])
                              : -1;
        } else {
            bytes[1] = bytes[0] - (size_t)(space + 1 - texts[0]);
            bytes[0] = (size_t)(space - texts[0]);
            texts[1] = malloc(bytes[1] + 1);
            result = texts[1] ? 0 : ae_err_set(e, AE_E_MEMORY, "no memory");
            if (texts[1]) {
                memcpy(texts[1], space + 1, bytes[1]);
                texts[1][bytes[1]] = '\0';
                *space = '\0';
            }
        }
    }
    for (int i = 0; i < 2 && result == 0; i++) {
        pair[i] = ae_vocab_find(vocab, texts[i], bytes[i]);
        if (pair[i] < 0) {
            result = ae_err_set(e, AE_E_MISSING, "the token \"%.60s\" is not in the vocabulary", texts[i]);
        }
    }
    free(texts[0]);
    free(texts[1]);
    return result;
}

static void *from_json(const ae_json *object, ae_err *e)
{
    const ae_json *tokens = ae_json_need_object(object, "vocab", e);
    const ae_json *list = tokens ? ae_json_need_array(object, "merges", e) : NULL;
    ae_vocab *vocab = list ? ae_vocab_from_json(tokens, e) : NULL;
    if (!vocab) {
        return NULL;
    }
    ae_merges merges = {malloc(((size_t)ae_json_count(list) + 1) * sizeof *merges.pairs), 0};
    if (!merges.pairs) {
        ae_err_set(e, AE_E_MEMORY, "no memory");
        ae_vocab_free(vocab);
        return NULL;
    }
    for (const ae_json *item = ae_json_first(list); item; item = ae_json_next(item)) {
        if (read_merge(vocab, item, merges.pairs[merges.count], e) != 0) {
            ae_err_prefix(e, "merge %lld", (long long)merges.count + 1);
            ae_vocab_free(vocab);
            free(merges.pairs);
            return NULL;
        }
        merges.count++;
    }
    return make(object, vocab, merges, e);
}

/* "a b" when no token has a space, which every reader knows; else ["a", "b"]. */
static ae_json *merges_json(const bpe *m)
{
    bool spaces = false;
    for (int32_t id = 0; id < m->vocab->size && !spaces; id++) {
        size_t bytes = 0;
        const char *token = ae_vocab_token(m->vocab, id, &bytes);
        spaces = token && memchr(token, ' ', bytes);
    }
    ae_json *list = ae_json_new_array();
    char *room = malloc(2 * (size_t)m->vocab->longest + 2);
    for (int64_t i = 0; list && room && i < m->merges.count; i++) {
        size_t a = 0, b = 0;
        const char *first = ae_vocab_token(m->vocab, m->merges.pairs[i][0], &a);
        const char *second = ae_vocab_token(m->vocab, m->merges.pairs[i][1], &b);
        ae_json *item = NULL;
        if (spaces) {
            item = ae_json_new_array();
            ae_json_add(item, NULL, ae_json_new_bytes(first, a));
            ae_json_add(item, NULL, ae_json_new_bytes(second, b));
        } else {
            memcpy(room, first, a);
            room[a] = ' ';
            memcpy(room + a + 1, second, b);
            item = ae_json_new_bytes(room, a + 1 + b);
        }
        ae_json_add(list, NULL, item);
    }
    if (!room) {
        ae_json_free(list);
        list = NULL;
    }
    free(room);
    return list;
}

static int to_json(const void *self, ae_json *object)
{
    const bpe *m = self;
    ae_json_set_null(object, "dropout");
    ae_json_set_string(object, "unk_token", m->unknown_token);
    ae_json_set_string(object, "continuing_subword_prefix", m->prefix);
    ae_json_set_string(object, "end_of_word_suffix", m->suffix);
    ae_json_set_bool(object, "fuse_unk", m->fuse_unknown);
    ae_json_set_bool(object, "byte_fallback", m->byte_fallback);
    ae_json_set_bool(object, "ignore_merges", m->ignore_merges);
    ae_json_set(object, "vocab", ae_vocab_json(m->vocab, NULL));
    return ae_json_set(object, "merges", merges_json(m));
}

/* ---- encoding ------------------------------------------------------------------------------------------------------ */

/* The characters of a word as symbols; what has no id becomes bytes, or unknown, or vanishes. Files
 * may name an unknown token that is not in their vocabulary, where bytes are never unknown. */
static size_t begin(const bpe *m, const char *word, size_t bytes, ae_symbol *s, ae_work *w)
{
    size_t n = 0;
    bool unknown = false; /* the last symbol is an unknown one that more may be joined to */
    for (size_t i = 0; i < bytes;) {
        uint32_t c = 0;
        size_t size = (size_t)ae_utf8_decode(word + i, &c);
        int32_t id = c < DIRECT ? m->direct[c] : -1;
        if (id < 0) {
            id = character_id(m, word + i, size, i == 0, i + size == bytes);
        }
        bool bytes_known = id < 0 && m->byte_fallback;
        for (size_t k = 0; k < size && bytes_known; k++) {
            bytes_known = m->fallback[(unsigned char)word[i + k]] >= 0;
        }
        if (id >= 0) {
            s[n++] = (ae_symbol){.id = id, .start = (uint32_t)i, .end = (uint32_t)(i + size)};
            unknown = false;
        } else if (bytes_known) {
            for (size_t k = 0; k < size; k++) {
                int32_t byte = m->fallback[(unsigned char)word[i + k]];
                s[n++] = (ae_symbol){.id = byte, .start = (uint32_t)(i + k), .end = (uint32_t)(i + k + 1)};
            }
            unknown = false;
        } else if (m->unknown >= 0 && unknown && m->fuse_unknown) {
            s[n - 1].end = (uint32_t)(i + size);
        } else if (m->unknown >= 0) {
            s[n++] = (ae_symbol){.id = m->unknown, .start = (uint32_t)i, .end = (uint32_t)(i + size)};
            unknown = true;
        } else if (m->unknown_token) {
            ae_work_miss(w, word + i, size);
        }
        i += size;
    }
    return n;
}

static void encode(const void *self, const char *word, size_t bytes, ae_work *w)
{
    const bpe *m = self;
    if (m->ignore_merges) {
        int32_t whole = ae_vocab_find(m->vocab, word, bytes);
        if (whole >= 0) {
            ae_work_make(w, whole, 0, bytes);
            return;
        }
    }
    ae_symbol *s = ae_work_room(w, 1, bytes * sizeof *s);
    size_t n = s ? ae_merge_symbols(&m->table, s, begin(m, word, bytes, s, w), NULL, w) : 0;
    for (size_t i = 0; i < n; i++) {
        ae_work_make(w, s[i].id, s[i].start, s[i].end);
    }
}

/* Bytes instead of the letters that ByteLevel spells them with. */
static bool encode_bytes(const void *self, const char *word, size_t bytes, ae_work *w)
{
    const bpe *m = self;
    if (bytes > AE_SHORT_WORD || m->ignore_merges) {
        return false;
    }
    ae_short_word s;
    for (size_t i = 0; i < bytes; i++) {
        s.id[i] = m->byte_ids[(unsigned char)word[i]];
        s.start[i] = (uint32_t)i;
        s.end[i] = (uint32_t)i + 1;
        if (s.id[i] < 0) {
            return false;
        }
    }
    ae_merge_short_word(&m->table, &s, bytes);
    for (size_t i = 0; i < bytes; i = s.next[i]) {
        ae_work_make(w, s.id[i], s.start[i], s.end[i]);
    }
    return true;
}

static const ae_vocab *vocab_of(const void *self)
{
    return ((const bpe *)self)->vocab;
}

static int32_t unknown_of(const void *self)
{
    return ((const bpe *)self)->unknown;
}

static const char *prefix_of(const void *self)
{
    return or_empty(((const bpe *)self)->prefix);
}

const char *ae_bpe_suffix(const void *self)
{
    return or_empty(((const bpe *)self)->suffix);
}

static const uint8_t *joints_of(const void *self)
{
    const bpe *m = self;
    return m->has_joints ? m->joints : NULL;
}

static uint64_t text_hash(const char *text)
{
    return text ? ae_hash_bytes(text, strlen(text)) : 0;
}

static uint64_t hash(const void *self)
{
    const bpe *m = self;
    uint64_t flags = (uint64_t)m->fuse_unknown | (uint64_t)m->byte_fallback << 1 | (uint64_t)m->ignore_merges << 2;
    uint64_t parts[6] = {
        ae_vocab_hash(m->vocab),     ae_hash_bytes(m->merges.pairs, (size_t)m->merges.count * sizeof *m->merges.pairs),
        text_hash(m->unknown_token), text_hash(m->prefix),
        text_hash(m->suffix),        flags};
    return ae_hash_bytes(parts, sizeof parts);
}

const ae_model_row ae_model_bpe = {
    {"BPE", from_json, to_json, release}, make, encode, encode_bytes, vocab_of, unknown_of, prefix_of, hash, joints_of};
