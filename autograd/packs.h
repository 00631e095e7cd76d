/* Internal to the library: what is kept of a parameter beside its values, which stay its one truth. Copies are made
 * when a product first asks for them, filled anew in place when the values have changed since, and freed on demand. */
#ifndef AE_AUTOGRAD_PACKS_H
#define AE_AUTOGRAD_PACKS_H

#include "tensor/gemm.h"
#include "tensor/row_weight.h"

#include <pthread.h>

enum { AE_PACK_KINDS = 4 }; /* two types, each of a weight (out,in) and of one (in,out) */

/* A copy in oneDNN's own layout. */
typedef struct ae_block_pack {
    ae_gemm_pack *pack; /* NULL: not made, or no layout is faster than rows */
    size_t bytes;
    bool made;
    uint64_t filled; /* the version that it holds */
} ae_block_pack;

typedef struct ae_packs {
    pthread_mutex_t lock;
    uint64_t version;                    /* of the values: raised by whoever changes them */
    ae_row_weight rows[AE_PACK_KINDS];   /* of bf16 and i8 */
    uint64_t filled[AE_PACK_KINDS];      /* the version that rows hold */
    ae_block_pack blocks[AE_PACK_KINDS]; /* of f32 and bf16 */
} ae_packs;

int ae_packs_init(ae_packs *p);     /* of zeroed memory; 0 or -1 */
void ae_packs_clear(ae_packs *p);   /* frees every copy; no product may run */
void ae_packs_destroy(ae_packs *p); /* the same, and the lock */
size_t ae_packs_bytes(ae_packs *p); /* that the copies hold */

/* Rows of a parameter (out,in), or (in,out) with in_out, in bf16 or i8, valid as long as the values do not change and
 * ae_packs_clear is not called; with many, i8 in the layout for products of many rows too. May be called from several
 * threads. *w is a copy of the struct: do not free it. Returns 0, or -1 with e filled. */
int ae_packs_rows(const ae_tensor *parameter, ae_dtype dtype, bool in_out, bool many, ae_row_weight *w, ae_err *e);

/* The parameter (out,in), or (in,out) with in_out, in f32 or bf16 as the product with many rows (...,in) likes it best,
 * valid as above. Returns 0; 1 where no layout is faster than rows, with *pack NULL; -1 with e filled. In a dry run
 * *pack is NULL too: the copy is made only to know its bytes. */
int ae_packs_blocks(const ae_tensor *parameter, ae_dtype dtype, bool in_out, const ae_gemm_pack **pack, ae_err *e);

#endif
