#include "tokenizers/word_cache.h"

#include <stdlib.h>

enum { SLOTS = 1 << 16, ARENA = 8 << 20 };

void ae_word_cache_free(ae_word_cache *c)
{
    free(c->slots);
    free(c->arena);
    *c = (ae_word_cache){0};
}

static void forget(ae_word_cache *c)
{
    if (c->slots) {
        memset(c->slots, 0, ((size_t)c->mask + 1) * sizeof *c->slots);
    }
    c->used = c->arena_used = 0;
}

void ae_word_cache_own(ae_word_cache *c, uint64_t owner)
{
    if (c->owner != owner) {
        forget(c);
        c->owner = owner;
    }
}

static ae_cached *put(ae_word_cache *c, const ae_cached *x)
{
    uint64_t h = (x->key ^ x->bytes) * 0x9e3779b97f4a7c15u;
    uint32_t i = (uint32_t)(h >> 32) & c->mask;
    while (c->slots[i].bytes) {
        i = (i + 1) & c->mask;
    }
    c->slots[i] = *x;
    c->used++;
    return &c->slots[i];
}

/* Small at first, so that one short text costs little. */
static bool make_room(ae_word_cache *c, size_t bytes)
{
    if (c->arena_used + bytes > ARENA || (c->slots && c->mask + 1 == SLOTS && c->used > SLOTS / 2)) {
        forget(c);
    }
    if (c->arena_used + bytes > c->arena_room) {
        size_t room = 2 * (size_t)c->arena_room + bytes + 4096;
        char *arena = realloc(c->arena, room);
        if (!arena) {
            return false;
        }
        c->arena = arena;
        c->arena_room = (uint32_t)room;
    }
    if (!c->slots || c->used > c->mask / 2) {
        uint32_t old = c->slots ? c->mask + 1 : 0, count = old ? 4 * old : 256;
        ae_cached *slots = c->slots, *more = calloc(count, sizeof *more);
        if (!more) {
            return false;
        }
        c->slots = more;
        c->mask = count - 1;
        c->used = 0;
        for (uint32_t i = 0; i < old; i++) {
            if (slots[i].bytes) {
                put(c, &slots[i]);
            }
        }
        free(slots);
    }
    return true;
}

ae_cached *ae_word_cache_add(ae_word_cache *c, const char *word, size_t bytes, const int32_t *ids,
                             const uint32_t *starts, const uint32_t *ends, const int32_t *words, size_t count,
                             uint32_t text_start, int32_t first_word, int32_t n_words)
{
    size_t size = (7 * count + bytes + 3) / 4 * 4;
    if (bytes == 0 || bytes > AE_CACHED_BYTES || count > 255 || n_words > 255 || !make_room(c, size)) {
        return NULL;
    }
    char *p = c->arena + c->arena_used;
    memcpy(p, ids, count * sizeof *ids);
    unsigned char *q = (unsigned char *)p + 4 * count;
    for (size_t i = 0; i < count; i++) {
        q[i] = (unsigned char)(starts[i] - text_start);
        q[count + i] = (unsigned char)(ends[i] - text_start);
        q[2 * count + i] = (unsigned char)(words[i] - first_word);
    }
    memcpy(q + 3 * count, word, bytes);
    ae_cached x = {.key = bytes <= 8 ? ae_word_head(word, bytes, bytes) : ae_hash_bytes(word, bytes),
                   .offset = c->arena_used,
                   .id = count ? ids[0] : -1,
                   .bytes = (uint8_t)bytes,
                   .count = (uint8_t)count,
                   .words = (uint8_t)n_words};
    c->arena_used += (uint32_t)size;
    return put(c, &x);
}
