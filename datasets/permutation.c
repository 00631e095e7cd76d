/* A Feistel network (Luby and Rackoff 1988) whose rounds are Philox is a permutation of the numbers of 2*half bits;
 * walking along its cycle until the number is below n makes one of 0..n-1 (Black and Rogaway 2002). The numbers that
 * may have to be walked through are at most 4n, so a place costs fewer than 4 walks on average. */
#include "datasets/permutation.h"

#include <assert.h>

enum { ROUNDS = 8 };

ae_permutation ae_permutation_of(const ae_random_key *key, int64_t n)
{
    assert(n >= 1);
    ae_permutation p = {*key, (uint64_t)n, 1};
    while (p.half < 32 && (uint64_t)1 << 2 * p.half < p.n) {
        p.half++;
    }
    return p;
}

static uint64_t feistel(const ae_permutation *p, uint64_t x)
{
    uint32_t mask = (uint32_t)(((uint64_t)1 << p->half) - 1);
    uint32_t left = (uint32_t)(x >> p->half);
    uint32_t right = (uint32_t)x & mask;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        const uint32_t counter[4] = {right, round, p->key.stream[0], p->key.stream[1]};
        uint32_t words[4];
        ae_philox(p->key.key, counter, words);
        uint32_t next = left ^ (words[0] & mask);
        left = right;
        right = next;
    }
    return (uint64_t)left << p->half | right;
}

int64_t ae_permutation_at(const ae_permutation *p, int64_t i)
{
    assert(i >= 0 && (uint64_t)i < p->n);
    uint64_t x = (uint64_t)i;
    do {
        x = feistel(p, x);
    } while (x >= p->n);
    return (int64_t)x;
}
