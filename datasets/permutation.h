/* A permutation of 0..n-1 of which any place can be asked for, without memory of n. Internal to the library. */
#ifndef AE_DATASETS_PERMUTATION_H
#define AE_DATASETS_PERMUTATION_H

#include "tensor/random.h"

typedef struct ae_permutation {
    ae_random_key key;
    uint64_t n;
    int half; /* bits of each half of a number: 2^(2*half) >= n */
} ae_permutation;

/* The permutation of 0..n-1 that a key names; n is at least 1. */
ae_permutation ae_permutation_of(const ae_random_key *key, int64_t n);

/* What stands at place i of it, 0 <= i < n. */
int64_t ae_permutation_at(const ae_permutation *p, int64_t i);

#endif
