/* Products of bf16 with many rows, by a copy of B in oneDNN's own layout made for the one product. Given plain rows,
 * the primitive lays B out anew within: every thread for itself, for every block of rows. */
#include "tensor/onednn_internal.h"

#include <pthread.h>
#include <string.h>

#include "tensor/threads.h"

enum {
    KEPT = 32,             /* copies that wait for the next product of their extents */
    KEPT_BYTES = 64 << 20, /* of memory that they hold together */
    MOST_NUMEL = 1 << 24,  /* of a B worth a copy */
    LEAST_EXTENT = 64,     /* of its axes */
    LEAST_ROWS = 768,      /* of a product that pays for it: the copy costs some 35 rows and saves 5 to 10 % */
    LAYOUT_ROWS = 2048,    /* that the layout is chosen for: results must not depend on which product came first */
};

/* The copies that wait, least recently used first, under their lock. */
static struct {
    pthread_mutex_t lock;
    int count;
    size_t bytes;
    ae_onednn_pack *pack[KEPT];
} shelf = {.lock = PTHREAD_MUTEX_INITIALIZER};

bool ae_onednn_repacks(const ae_gemm *q)
{
    return q->b_dtype == AE_BF16 && q->batch == 1 && q->m >= LEAST_ROWS && q->n >= LEAST_EXTENT &&
           q->k >= LEAST_EXTENT && q->n * q->k <= MOST_NUMEL && ae_onednn_has_bf16() && !ae_onednn_is_wrong(q);
}

/* Takes the copy at i from the shelf. The lock is held. */
static ae_onednn_pack *remove_at(int i)
{
    ae_onednn_pack *pack = shelf.pack[i];
    shelf.count--;
    shelf.bytes -= ae_onednn_pack_bytes(pack);
    memmove(&shelf.pack[i], &shelf.pack[i + 1], (size_t)(shelf.count - i) * sizeof(ae_onednn_pack *));
    return pack;
}

/* A copy of the extents of q that waits; NULL when there is none. */
static ae_onednn_pack *find(const ae_gemm *q)
{
    ae_onednn_pack *pack = NULL;
    pthread_mutex_lock(&shelf.lock);
    for (int i = shelf.count - 1; i >= 0 && !pack; i--) {
        const ae_onednn_pack *p = shelf.pack[i];
        pack = p->n == q->n && p->k == q->k && p->threads == ae_threads() ? remove_at(i) : NULL;
    }
    pthread_mutex_unlock(&shelf.lock);
    return pack;
}

/* B of q in the layout; NULL when there is none, or no memory for it: then the product goes without. */
static ae_onednn_pack *take(const ae_gemm *q)
{
    ae_err ignored = {0};
    ae_onednn_pack *pack = find(q);
    if (!pack) {
        ae_gemm like = *q;
        like.m = LAYOUT_ROWS;
        like.a_row = q->k;
        like.a_col = 1;
        like.c_row = q->n;
        return ae_onednn_pack_new(&like, &ignored);
    }
    if (ae_onednn_pack_fill(pack, q->b, q->b_row, q->b_col, &ignored) != 0) {
        ae_onednn_pack_free(pack);
        pack = NULL;
    }
    return pack;
}

static void put(ae_onednn_pack *pack)
{
    ae_onednn_pack *last[KEPT];
    int n = 0;
    pthread_mutex_lock(&shelf.lock);
    while (shelf.count > 0 && (shelf.count == KEPT || shelf.bytes + ae_onednn_pack_bytes(pack) > KEPT_BYTES)) {
        last[n++] = remove_at(0);
    }
    shelf.pack[shelf.count++] = pack;
    shelf.bytes += ae_onednn_pack_bytes(pack);
    pthread_mutex_unlock(&shelf.lock);
    while (n > 0) {
        ae_onednn_pack_free(last[--n]);
    }
}

int ae_onednn_matmul_repacked(const ae_gemm *q, ae_err *e)
{
    ae_onednn_pack *pack = ae_onednn_repacks(q) ? take(q) : NULL;
    if (!pack) {
        return 1;
    }
    const int result = ae_onednn_matmul(q, pack, e);
    put(pack);
    return result;
}

int ae_onednn_kept_repacks(void)
{
    pthread_mutex_lock(&shelf.lock);
    const int count = shelf.count;
    pthread_mutex_unlock(&shelf.lock);
    return count;
}

void ae_onednn_release_repacks(void)
{
    pthread_mutex_lock(&shelf.lock);
    while (shelf.count > 0) {
        ae_onednn_pack_free(remove_at(shelf.count - 1));
    }
    pthread_mutex_unlock(&shelf.lock);
}
