/* Internal to the library: what is kept of a parameter beside its values, which stay its one truth. Copies are made
 * when a product first asks for them, filled anew in place when the values have changed since, and freed on demand. */
#ifndef AE_AUTOGRAD_PACKS_H
#define AE_AUTOGRAD_PACKS_H

#include "tensor/row_weight.h"

#include <pthread.h>

enum { AE_PACK_KINDS = 4 }; /* bf16 and i8, each of a weight (out,in) and of one (in,out) */

typedef struct ae_packs {
    pthread_mutex_t lock;
    uint64_t version; /* of the values: raised by whoever changes them */
    ae_row_weight rows[AE_PACK_KINDS];
    uint64_t filled[AE_PACK_KINDS]; /* the version that rows hold */
} ae_packs;

int ae_packs_init(ae_packs *p);     /* of zeroed memory; 0 or -1 */
void ae_packs_clear(ae_packs *p);   /* frees every copy; no product may run */
void ae_packs_destroy(ae_packs *p); /* the same, and the lock */
size_t ae_packs_bytes(ae_packs *p); /* that the copies hold */

/* Rows of a parameter (out,in), or (in,out) with in_out, in bf16 or i8, valid as long as the values do not change and
 * ae_packs_clear is not called; with many, i8 in the layout for products of many rows too. May be called from several
 * threads. *w is a copy of the struct: do not free it. Returns 0, or -1 with e filled. */
int ae_packs_rows(const ae_tensor *parameter, ae_dtype dtype, bool in_out, bool many, ae_row_weight *w, ae_err *e);

#endif
