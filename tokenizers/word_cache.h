/* A cache from parts of texts to their tokens. Bounded: when it is full it begins anew. Internal to tokenizers/. */
#ifndef AE_TOKENIZERS_WORD_CACHE_H
#define AE_TOKENIZERS_WORD_CACHE_H

#include "tokenizers/vocab.h"

enum { AE_CACHED_BYTES = 200 }; /* longer parts are not kept; offsets in them fit a byte */

typedef struct ae_cached {
    uint64_t key;    /* the bytes themselves if there are at most 8, else their hash */
    uint32_t offset; /* in the arena: ids, starts, ends, words, bytes */
    int32_t id;      /* the first */
    uint8_t bytes;   /* 0: free */
    uint8_t count, words;
    uint8_t limit; /* of a model's own cache: see piece_parts.c */
    float score;   /* likewise */
} ae_cached;

typedef struct ae_word_cache {
    ae_cached *slots; /* open addressing */
    uint32_t mask, used;
    char *arena;
    uint32_t arena_used, arena_room;
    uint64_t owner; /* the hash of the tokenizer whose words they are */
} ae_word_cache;

void ae_word_cache_free(ae_word_cache *c);

/* Forgets everything when the words are another tokenizer's. */
void ae_word_cache_own(ae_word_cache *c, uint64_t owner);

/* The first eight bytes; `room` bytes may be read. */
static inline uint64_t ae_word_head(const char *word, size_t bytes, size_t room)
{
    uint64_t head = 0;
    if (room >= 8) {
        memcpy(&head, word, 8);
        return bytes < 8 ? head & (((uint64_t)1 << 8 * bytes) - 1) : head;
    }
    memcpy(&head, word, bytes < 8 ? bytes : 8);
    return head;
}

/* The entry of a part, or NULL. `room`: bytes from its beginning that may be read. */
static inline const ae_cached *ae_word_cache_find(const ae_word_cache *c, const char *word, size_t bytes, size_t room)
{
    if (!c->slots || bytes > AE_CACHED_BYTES) {
        return NULL;
    }
    uint64_t key = bytes <= 8 ? ae_word_head(word, bytes, room) : ae_hash_bytes(word, bytes);
    uint64_t h = (key ^ bytes) * 0x9e3779b97f4a7c15u;
    for (uint32_t i = (uint32_t)(h >> 32) & c->mask;; i = (i + 1) & c->mask) {
        const ae_cached *x = &c->slots[i];
        if (x->bytes == 0) {
            return NULL;
        }
        if (x->key == key && x->bytes == bytes &&
            (bytes <= 8 || memcmp(c->arena + x->offset + 7u * x->count, word, bytes) == 0)) {
            return x;
        }
    }
}

/* Keeps what a part gave: offsets from its beginning, words from its first. Parts that are too long, or have too many
 * tokens, are not kept; nor is anything without memory; NULL then. */
ae_cached *ae_word_cache_add(ae_word_cache *c, const char *word, size_t bytes, const int32_t *ids,
                             const uint32_t *starts, const uint32_t *ends, const int32_t *words, size_t count,
                             uint32_t text_start, int32_t first_word, int32_t n_words);

#endif
