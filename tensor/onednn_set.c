/* Sets of primitives, each in the hands of one thread. */
#include "tensor/onednn_internal.h"

#include <omp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { PROBES = 8 }; /* places that a primitive may stand at */

struct ae_onednn_set {
    struct ae_onednn_set *next;
    ae_matmul *matmul[AE_ONEDNN_SET]; /* at the hash of what it multiplies, or a few places behind */
    void *scratch;
    size_t scratch_bytes;
};

/* The sets that wait, under their lock. */
static struct {
    pthread_mutex_t lock;
    ae_onednn_set *first;
} shelf = {.lock = PTHREAD_MUTEX_INITIALIZER};

ae_onednn_set *ae_onednn_set_take(ae_err *e)
{
    pthread_mutex_lock(&shelf.lock);
    ae_onednn_set *set = shelf.first;
    shelf.first = set ? set->next : NULL;
    pthread_mutex_unlock(&shelf.lock);
    set = set ? set : calloc(1, sizeof *set);
    if (!set) {
        ae_err_set(e, AE_E_MEMORY, "gemm: no memory for a set of primitives");
    }
    return set;
}

void ae_onednn_set_put(ae_onednn_set *set)
{
    if (set) {
        pthread_mutex_lock(&shelf.lock);
        set->next = shelf.first;
        shelf.first = set;
        pthread_mutex_unlock(&shelf.lock);
    }
}

static void set_free(ae_onednn_set *set)
{
    for (int i = 0; i < AE_ONEDNN_SET; i++) {
        ae_matmul_free(set->matmul[i]);
    }
    free(set->scratch);
    free(set);
}

void ae_onednn_release_sets(void)
{
    pthread_mutex_lock(&shelf.lock);
    while (shelf.first) {
        ae_onednn_set *set = shelf.first;
        shelf.first = set->next;
        set_free(set);
    }
    pthread_mutex_unlock(&shelf.lock);
}

int ae_onednn_cached_in_sets(void)
{
    int count = 0;
    pthread_mutex_lock(&shelf.lock);
    for (const ae_onednn_set *set = shelf.first; set; set = set->next) {
        for (int i = 0; i < AE_ONEDNN_SET; i++) {
            count += set->matmul[i] != NULL;
        }
    }
    pthread_mutex_unlock(&shelf.lock);
    return count;
}

/* The primitive for key. When all its places are taken, the one at the first goes back to the cache. */
static ae_matmul *matmul_for(ae_onednn_set *set, const ae_matmul_key *key, ae_err *e)
{
    const uint64_t hash = ae_matmul_hash(key);
    ae_matmul **place = &set->matmul[hash % AE_ONEDNN_SET];
    for (uint64_t i = 0; i < PROBES; i++) {
        ae_matmul **at = &set->matmul[(hash + i) % AE_ONEDNN_SET];
        if (!*at) {
            place = at;
            break;
        }
        if ((*at)->hash == hash && !memcmp(&(*at)->key, key, sizeof *key)) {
            return *at;
        }
    }
    if (*place) {
        ae_matmul_put(*place);
    }
    *place = ae_matmul_take(key, hash, NULL, e);
    return *place;
}

static int reserve(ae_onednn_set *set, size_t bytes, ae_err *e)
{
    if (set->scratch_bytes >= bytes) {
        return 0;
    }
    free(set->scratch);
    set->scratch_bytes = (bytes + 4095) / 4096 * 4096;
    set->scratch = aligned_alloc(4096, set->scratch_bytes);
    if (!set->scratch) {
        set->scratch_bytes = 0;
        return ae_onednn_no_scratch(e, bytes);
    }
    return 0;
}

static int run(ae_onednn_set *set, const ae_gemm *q, ae_err *e)
{
    ae_matmul_key key;
    ae_matmul_key_of(q, &key);
    ae_matmul *p = matmul_for(set, &key, e);
    if (!p || !p->prim) {
        return p ? 1 : -1;
    }
    return reserve(set, p->scratch_bytes, e) ? -1 : ae_matmul_execute(p, q, NULL, set->scratch, e);
}

int ae_onednn_set_matmul(ae_onednn_set *set, const ae_gemm *q, ae_err *e)
{
    if (ae_onednn_is_wrong(q)) {
        return 1;
    }
    const int threads = omp_get_max_threads(); /* oneDNN's thread count is the calling thread's OpenMP setting */
    if (threads != 1) {
        omp_set_num_threads(1);
    }
    const int result = run(set, q, e);
    if (threads != 1) {
        omp_set_num_threads(threads);
    }
    return result;
}
