/* A trie over bytes in one array (Aoe 1989, "An efficient digital search algorithm by using a double-array
 * structure"): a step is one look-up. Internal to tokenizers/.
 *
 * The unit of the child by byte c of a unit with base b stands at b ^ c, and no two units have the same base, so a unit
 * is known as a child by the byte that it carries alone. */
#ifndef AE_TOKENIZERS_TRIE_H
#define AE_TOKENIZERS_TRIE_H

#include "tensor/error.h"

#include <stddef.h>

/* Bits of a unit: 0-7 the byte that leads to it, 8 it is in use, 9 it has an id, 10-33 the id, 34-63 the base. */
typedef struct ae_trie {
    uint64_t *units; /* the root is the first; NULL: nothing is in it */
    uint32_t count;
} ae_trie;

typedef struct ae_trie_key {
    const char *bytes;
    uint32_t length;
    int32_t id; /* below 2^24 */
} ae_trie_key;

/* Builds it from keys, which are sorted here; empty ones are left out, and of equal ones the largest id counts. -1 and
 * e filled without memory. */
int ae_trie_build(ae_trie *t, ae_trie_key *keys, size_t count, ae_err *e);

void ae_trie_free(ae_trie *t); /* frees what it holds and empties it */

/* One step from *unit, which begins as t->units[0], by a byte; false: no key goes on that way. */
static inline bool ae_trie_step(const ae_trie *t, uint64_t *unit, unsigned char byte)
{
    *unit = t->units[(*unit >> 34) ^ byte];
    return (*unit & 0x1ff) == (0x100u | byte);
}

/* The id of the key that ends at a unit, or -1. */
static inline int32_t ae_trie_id(uint64_t unit)
{
    return unit & 0x200 ? (int32_t)(unit >> 10 & 0xffffff) : -1;
}

/* The id of the longest key at the front of bytes, and its length in *length; -1 and 0 when there is none. */
int32_t ae_trie_longest(const ae_trie *t, const char *bytes, size_t left, size_t *length);

#endif
