/* BPE: a word begins as characters, and the adjacent pair that stands first in the list of merges is joined, the
 * leftmost of equal ones, until none is in the list (Sennrich et al. 2016; Radford et al. 2019). */
#include "tokenizers/byte_letters.h"
#include "tokenizers/component.h"
#include "tokenizers/unicode.h"

#include <stdio.h>
#include <stdlib.h>

/* A pair that is merged: what it gives, and its place in the list. */
typedef struct merge {
    uint64_t pair; /* the two ids */
    uint32_t rank;
    int32_t id;
} merge;

#define NO_RANK UINT32_MAX

enum { DIRECT = 0x200 };

typedef struct bpe {
    ae_vocab *vocab;
    ae_merges merges;
    merge *table;   /* open addressing, a power of two */
    uint16_t *tags; /* of its places; 0: free */
    uint64_t mask;
    char *unknown_token, *prefix, *suffix; /* unknown_token NULL: unknown characters vanish */
    int32_t unknown;
    bool fuse_unknown, byte_fallback, ignore_merges;
    int32_t direct[DIRECT]; /* the ids of the first characters, where there is neither prefix nor suffix; else -1 */
    int32_t fallback[256];  /* of <0x00> and so on */
    int32_t byte_ids[256];  /* of ByteLevel's letters, as `direct` */
} bpe;

static void release(void *self)
{
    bpe *m = self;
    ae_vocab_free(m->vocab);
    free(m->merges.pairs);
    free(m->table);
    free(m->tags);
    free(m->unknown_token);
    free(m->prefix);
    free(m->suffix);
    free(m);
}

static uint64_t pair_of(int32_t a, int32_t b)
{
    return (uint64_t)(uint32_t)a << 32 | (uint32_t)b;
}

static uint64_t hash_of(uint64_t pair)
{
    uint64_t h = pair * 0x9e3779b97f4a7c15u;
    return h ^ h >> 32;
}

/* Never 0, which means free. The tags are small enough to stay in a near cache, and most pairs are no merges. */
static uint16_t tag_of(uint64_t hash)
{
    return (uint16_t)(hash >> 48 | 1);
}

/* The place of a pair, or the free one where it would stand. */
static uint64_t place_of(const bpe *m, uint64_t pair)
{
    uint64_t h = hash_of(pair), i = h & m->mask;
    uint16_t tag = tag_of(h);
    while (m->tags[i] && (m->tags[i] != tag || m->table[i].pair != pair)) {
        i = (i + 1) & m->mask;
    }
    return i;
}

static const merge *find_merge(const bpe *m, int32_t a, int32_t b)
{
    uint64_t i = place_of(m, pair_of(a, b));
    return m->tags[i] ? &m->table[i] : NULL;
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
    uint64_t size = 16;
    while (size < (uint64_t)m->merges.count * 2) {
        size *= 2;
    }
    char *room = malloc(2 * (size_t)m->vocab->longest + 1);
    m->table = malloc(size * sizeof *m->table);
    m->tags = calloc(size, sizeof *m->tags);
    if (!m->table || !m->tags || !room) {
        free(room);
        return ae_err_set(e, AE_E_MEMORY, "no memory for %lld merges", (long long)m->merges.count);
    }
    m->mask = size - 1;
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
        uint64_t place = place_of(m, pair_of(a, b)); /* one that stands twice has its last rank, as in a dictionary */
        m->table[place] = (merge){pair_of(a, b), (uint32_t)i, id};
        m->tags[place] = tag_of(hash_of(pair_of(a, b)));
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
        char token[8];
        int n = snprintf(token, sizeof token, "<0x%02X>", (unsigned)i);
        m->fallback[i] = ae_vocab_find(m->vocab, token, (size_t)n);
        m->byte_ids[i] = m->direct[ae_byte_character((unsigned char)i)];
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
    if (m->unknown_token && m->unknown < 0 && vocab->used > 0) {
        ae_err_set(e, AE_E_MISSING, "the unknown token \"%.60s\" is not in the vocabulary", m->unknown_token);
        release(m);
        return NULL;
    }
    fill_direct(m);
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

/* A symbol of the word that is being merged, in a list that shrinks. */
typedef struct symbol {
    int32_t id;
    uint32_t start, end;
    uint32_t rank; /* of the pair with the next symbol */
    int32_t merged;
    int32_t before, next; /* in the linked list; -1: none; id -1: joined to another */
} symbol;

static void rate(const bpe *m, symbol *s, const symbol *next)
{
    const merge *found = next ? find_merge(m, s->id, next->id) : NULL;
    s->rank = found ? found->rank : NO_RANK;
    s->merged = s->rank != NO_RANK ? found->id : -1;
}

/* The characters of a word as symbols; what has no id becomes bytes, or unknown, or vanishes. */
static size_t begin(const bpe *m, const char *word, size_t bytes, symbol *s)
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
            s[n++] = (symbol){.id = id, .start = (uint32_t)i, .end = (uint32_t)(i + size)};
            unknown = false;
        } else if (bytes_known) {
            for (size_t k = 0; k < size; k++) {
                int32_t byte = m->fallback[(unsigned char)word[i + k]];
                s[n++] = (symbol){.id = byte, .start = (uint32_t)(i + k), .end = (uint32_t)(i + k + 1)};
            }
            unknown = false;
        } else if (m->unknown >= 0 && unknown && m->fuse_unknown) {
            s[n - 1].end = (uint32_t)(i + size);
        } else if (m->unknown >= 0) {
            s[n++] = (symbol){.id = m->unknown, .start = (uint32_t)i, .end = (uint32_t)(i + size)};
            unknown = true;
        }
        i += size;
    }
    return n;
}

enum { SHORT = 128 };

/* The symbols of a short word in arrays, so that the smallest rank is found fast; a joined one has no rank. */
typedef struct short_word {
    int32_t rank[SHORT], merged[SHORT], id[SHORT];
    uint32_t start[SHORT], end[SHORT];
    uint8_t next[SHORT], before[SHORT];
} short_word;

#define LAST_RANK INT32_MAX

static void rate_short(const bpe *m, short_word *s, size_t i, size_t n)
{
    size_t next = s->next[i];
    const merge *found = next < n ? find_merge(m, s->id[i], s->id[next]) : NULL;
    s->rank[i] = found ? (int32_t)found->rank : LAST_RANK;
    s->merged[i] = found ? found->id : -1;
}

/* Short words: look at all pairs for each merge. The symbols that are left are made tokens. */
static void merge_short(const bpe *m, short_word *s, size_t n, ae_work *w)
{
    for (size_t i = 0; i < n; i++) {
        s->next[i] = (uint8_t)(i + 1);
        s->before[i] = (uint8_t)(i - 1);
        rate_short(m, s, i, n);
    }
    for (;;) {
        int32_t rank = LAST_RANK;
        for (size_t i = 0; i < n; i++) {
            rank = s->rank[i] < rank ? s->rank[i] : rank;
        }
        if (rank == LAST_RANK) {
            break;
        }
        size_t i = 0;
        while (s->rank[i] != rank) {
            i++;
        }
        size_t gone = s->next[i];
        s->id[i] = s->merged[i];
        s->end[i] = s->end[gone];
        s->next[i] = s->next[gone];
        s->rank[gone] = LAST_RANK;
        if (s->next[i] < n) {
            s->before[s->next[i]] = (uint8_t)i;
        }
        rate_short(m, s, i, n);
        if (i > 0) {
            rate_short(m, s, s->before[i], n);
        }
    }
    for (size_t i = 0; i < n; i = s->next[i]) {
        ae_work_make(w, s->id[i], s->start[i], s->end[i]);
    }
}

/* What waits to be merged, the smallest rank and then the leftmost at the top of a heap. */
typedef struct waiting {
    uint32_t rank;
    int32_t at, merged;
} waiting;

static bool sooner(waiting a, waiting b)
{
    return a.rank != b.rank ? a.rank < b.rank : a.at < b.at;
}

static void push(waiting *heap, size_t *count, waiting x)
{
    size_t i = (*count)++;
    for (; i > 0 && sooner(x, heap[(i - 1) / 2]); i = (i - 1) / 2) {
        heap[i] = heap[(i - 1) / 2];
    }
    heap[i] = x;
}

static waiting pop(waiting *heap, size_t *count)
{
    waiting top = heap[0], x = heap[--*count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        child += child + 1 < *count && sooner(heap[child + 1], heap[child]);
        if (child >= *count || !sooner(heap[child], x)) {
            break;
        }
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = x;
    return top;
}

static void wait_for(symbol *s, int32_t i, waiting *heap, size_t *count)
{
    if (i >= 0 && s[i].rank != NO_RANK) {
        push(heap, count, (waiting){s[i].rank, i, s[i].merged});
    }
}

/* Long words: a heap, so that a word of n characters costs n log n. Entries go stale when a symbol changes, and are
 * left out when they come up. */
static size_t merge_long(const bpe *m, symbol *s, size_t n, waiting *heap)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        s[i].before = (int32_t)i - 1;
        s[i].next = i + 1 < n ? (int32_t)i + 1 : -1;
        rate(m, &s[i], i + 1 < n ? &s[i + 1] : NULL);
        wait_for(s, (int32_t)i, heap, &count);
    }
    while (count > 0) {
        waiting top = pop(heap, &count);
        symbol *x = &s[top.at];
        if (x->id < 0 || x->rank != top.rank) {
            continue;
        }
        symbol *y = &s[x->next];
        x->id = x->merged;
        x->end = y->end;
        x->next = y->next;
        y->id = -1;
        if (x->next >= 0) {
            s[x->next].before = top.at;
        }
        rate(m, x, x->next >= 0 ? &s[x->next] : NULL);
        wait_for(s, top.at, heap, &count);
        if (x->before >= 0) {
            rate(m, &s[x->before], x);
            wait_for(s, x->before, heap, &count);
        }
    }
    size_t left = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i].id >= 0) {
            s[left++] = s[i];
        }
    }
    return left;
}

static void merge_symbols(const bpe *m, symbol *s, size_t n, ae_work *w)
{
    if (n <= SHORT) {
        short_word short_form;
        for (size_t i = 0; i < n; i++) {
            short_form.id[i] = s[i].id;
            short_form.start[i] = s[i].start;
            short_form.end[i] = s[i].end;
        }
        merge_short(m, &short_form, n, w);
        return;
    }
    /* Every merge puts two new pairs at most on the heap, and there are fewer merges than symbols. */
    waiting *heap = ae_work_room(w, 2, 3 * n * sizeof *heap);
    n = heap ? merge_long(m, s, n, heap) : 0;
    for (size_t i = 0; i < n; i++) {
        ae_work_make(w, s[i].id, s[i].start, s[i].end);
    }
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
    symbol *s = ae_work_room(w, 1, bytes * sizeof *s);
    if (s) {
        merge_symbols(m, s, begin(m, word, bytes, s), w);
    }
}

/* Bytes instead of the letters that ByteLevel spells them with. */
static bool encode_bytes(const void *self, const char *word, size_t bytes, ae_work *w)
{
    const bpe *m = self;
    if (bytes > SHORT || m->ignore_merges) {
        return false;
    }
    short_word s;
    for (size_t i = 0; i < bytes; i++) {
        s.id[i] = m->byte_ids[(unsigned char)word[i]];
        s.start[i] = (uint32_t)i;
        s.end[i] = (uint32_t)i + 1;
        if (s.id[i] < 0) {
            return false;
        }
    }
    merge_short(m, &s, bytes, w);
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
    {"BPE", from_json, to_json, release}, make, encode, encode_bytes, vocab_of, unknown_of, prefix_of, hash};
