/* A vocabulary: tokens that are bytes, ids, and both ways between them. Internal to tokenizers/. */
#ifndef AE_TOKENIZERS_VOCAB_H
#define AE_TOKENIZERS_VOCAB_H

#include "tensor/json.h"

#include <string.h>

typedef struct ae_vocab_entry {
    uint32_t offset, length; /* in bytes; length AE_NO_TOKEN: no token has this id */
} ae_vocab_entry;

typedef struct ae_vocab_slot {
    uint32_t tag; /* the upper half of the hash */
    int32_t id;   /* -1: free */
} ae_vocab_slot;

typedef struct ae_vocab {
    char *bytes;
    size_t bytes_used, bytes_room;
    ae_vocab_entry *entries; /* by id */
    int32_t size;            /* one more than the largest id */
    int32_t entries_room;
    ae_vocab_slot *slots; /* open addressing, a power of two */
    uint32_t mask;
    int32_t used;     /* slots in use: different tokens */
    uint32_t longest; /* bytes of the longest token */
    uint64_t lengths; /* bit n: there is a token of n bytes; bit 63: of 63 or more */
} ae_vocab;

#define AE_NO_TOKEN UINT32_MAX
enum { AE_VOCAB_MAX = 1 << 24 }; /* ids must be below */

/* A hash of bytes: multiply and fold, eight bytes a step. */
static inline uint64_t ae_hash_bytes(const void *data, size_t length)
{
    const unsigned char *p = data;
    uint64_t h = 0x9e3779b97f4a7c15u ^ length, word = 0;
    for (; length >= 8; p += 8, length -= 8) {
        memcpy(&word, p, 8);
        h = (h ^ word) * 0xd6e8feb86659fd93u;
        h ^= h >> 32;
    }
    if (length >= 4) {
        uint32_t low = 0, high = 0;
        memcpy(&low, p, 4);
        memcpy(&high, p + length - 4, 4);
        word = (uint64_t)high << 32 | low;
    } else if (length > 0) {
        word = (uint64_t)p[0] << 16 | (uint64_t)p[length / 2] << 8 | p[length - 1];
    } else {
        word = 0;
    }
    h = (h ^ word) * 0xd6e8feb86659fd93u;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    return h ^ h >> 29;
}

ae_vocab *ae_vocab_new(void);    /* NULL without memory */
void ae_vocab_free(ae_vocab *v); /* NULL is allowed */

/* Gives an id its token. A token that has an id already keeps its text under the old id and is found under the new one,
 * as in a dictionary that is filled line by line. */
int ae_vocab_add(ae_vocab *v, const char *token, size_t bytes, int64_t id, ae_err *e);

/* The id of a token, or -1. */
int32_t ae_vocab_find(const ae_vocab *v, const char *token, size_t bytes);

/* The id of the token <0x00> to <0xFF> that stands for a byte, or -1. */
int32_t ae_vocab_find_byte(const ae_vocab *v, unsigned char byte);

/* The token of an id, NUL-terminated, or NULL. */
const char *ae_vocab_token(const ae_vocab *v, int32_t id, size_t *bytes);

/* Reads and writes the object {"token": id, ...}. What is written is in the order of ids. */
ae_vocab *ae_vocab_from_json(const ae_json *object, ae_err *e);
ae_json *ae_vocab_json(const ae_vocab *v, ae_err *e);

/* A hash of which token has which id. */
uint64_t ae_vocab_hash(const ae_vocab *v);

#endif
