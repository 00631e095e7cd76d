/* Primitives in the hands of one thread: no lock, one look-up by hash. */
#include "tensor/onednn_internal.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* The primitive for key; another one in its place goes back to the cache. */
static ae_matmul *matmul_for(ae_onednn_taken *taken, const ae_matmul_key *key, ae_err *e)
{
    const uint64_t hash = ae_matmul_hash(key);
    ae_matmul **place = &taken->matmul[hash % AE_ONEDNN_TAKEN];
    if (*place && (*place)->hash == hash && !memcmp(&(*place)->key, key, sizeof *key)) {
        return *place;
    }
    if (*place) {
        ae_matmul_put(*place);
    }
    *place = ae_matmul_take(key, hash, NULL, e);
    return *place;
}

static int reserve(ae_onednn_taken *taken, size_t bytes, ae_err *e)
{
    if (taken->scratch_bytes >= bytes) {
        return 0;
    }
    free(taken->scratch);
    taken->scratch_bytes = (bytes + 4095) / 4096 * 4096;
    taken->scratch = aligned_alloc(4096, taken->scratch_bytes);
    if (!taken->scratch) {
        taken->scratch_bytes = 0;
        return ae_onednn_no_scratch(e, bytes);
    }
    return 0;
}

/* oneDNN takes its thread count from the calling thread's OpenMP setting. */
static int run(ae_onednn_taken *taken, const ae_gemm *q, ae_err *e)
{
    ae_matmul_key key;
    ae_matmul_key_of(q, &key);
    ae_matmul *p = matmul_for(taken, &key, e);
    if (!p || !p->prim) {
        return p ? 1 : -1;
    }
    return reserve(taken, p->scratch_bytes, e) ? -1 : ae_matmul_execute(p, q, NULL, taken->scratch, e);
}

int ae_onednn_matmul_taken(ae_onednn_taken *taken, const ae_gemm *q, ae_err *e)
{
    if (ae_onednn_is_wrong(q)) {
        return 1;
    }
    const int threads = omp_get_max_threads();
    if (threads != 1) {
        omp_set_num_threads(1);
    }
    const int result = run(taken, q, e);
    if (threads != 1) {
        omp_set_num_threads(threads);
    }
    return result;
}

void ae_onednn_put_back(ae_onednn_taken *taken)
{
    for (int i = 0; i < AE_ONEDNN_TAKEN; i++) {
        if (taken->matmul[i]) {
            ae_matmul_put(taken->matmul[i]);
        }
    }
    free(taken->scratch);
    *taken = (ae_onednn_taken){0};
}
