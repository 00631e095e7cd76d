/* The door to oneDNN. Only the files tensor/onednn* include its headers; they serve 2.6 and 3.x, whose C interfaces
 * differ. Nothing here is for users of the library: they call ae_gemm_run.
 *
 * The engine and bounded caches of primitives are the only state. Whoever needs a primitive takes it out of the cache
 * and puts it back, so two threads never share one, and no lock is held while computing. */
#ifndef AE_TENSOR_ONEDNN_H
#define AE_TENSOR_ONEDNN_H

#include "tensor/gemm.h"

enum { AE_ONEDNN_CACHE_MAX = 512 }; /* primitives that wait for their next use */
enum { AE_ONEDNN_NAME_MAX = 64 };

typedef struct ae_onednn_pack ae_onednn_pack;

/* "2.6.3" of the oneDNN that is loaded, written into text; returns text. */
const char *ae_onednn_version(char text[AE_ONEDNN_NAME_MAX]);

/* Runs q, which ae_gemm_check wrote and which is not empty, as a matmul primitive; with pack, B is taken from there.
 * Returns 0; 1 when oneDNN has no fast implementation (nothing was written); -1 on failure, with e filled. */
int ae_onednn_matmul(const ae_gemm *q, const ae_onednn_pack *pack, ae_err *e);

/* As ae_onednn_matmul, by a copy of B in a layout of oneDNN's choice, where that is worth the copy: bf16 with many
 * rows. A few copies wait for the next product of their extents. Returns 0; 1 where it is not worth it (nothing was
 * written); -1 with e filled. */
int ae_onednn_matmul_repacked(const ae_gemm *q, ae_err *e);
bool ae_onednn_repacks(const ae_gemm *q); /* whether it is worth it */

/* The implementation that ae_onednn_matmul takes ("brg:avx512_core"); "" when there is no fast one. Returns text. */
const char *ae_onednn_matmul_name(const ae_gemm *q, const ae_onednn_pack *pack, char text[AE_ONEDNN_NAME_MAX]);

/* Primitives and a scratchpad for one thread that makes many products of few kinds: no lock but when it takes and puts
 * back the set, which keeps its primitives for the next use. There are as many sets as threads ever held one at a time.
 */
typedef struct ae_onednn_set ae_onednn_set;
enum { AE_ONEDNN_SET = 256 }; /* primitives of a set at most */

/* A set that waits, or a new one; NULL with e filled when there is no memory. */
ae_onednn_set *ae_onednn_set_take(ae_err *e);
void ae_onednn_set_put(ae_onednn_set *set); /* NULL is allowed */

/* As ae_onednn_matmul, on the calling thread alone, which may be one of a parallel region. Does not count the call. */
int ae_onednn_set_matmul(ae_onednn_set *set, const ae_gemm *q, ae_err *e);

/* C = alpha A B + beta C for one f32 matrix product of q (its batch, bias and activation are not looked at), with the
 * operands given. Needs no primitive. Returns 0, or 1 when oneDNN refuses. */
int ae_onednn_sgemm(const ae_gemm *q, const float *a, const float *b, float beta, float *c);

/* Whether this processor multiplies bf16 in hardware, as oneDNN sees it (ONEDNN_MAX_CPU_ISA counts). Without it
 * oneDNN's bf16 product, where there is one, is three times slower than widening to f32. */
bool ae_onednn_has_bf16(void);

/* Whether oneDNN's products of i8 are exact on this processor; where they are not, none is made. */
bool ae_onednn_sums_i8(void);

/* A copy of B of q (plain strides) in the layout that a matmul of q's extents prefers. NULL: with e untouched when
 * there is no fast implementation, with e filled on failure. */
ae_onednn_pack *ae_onednn_pack_new(const ae_gemm *q, ae_err *e);

/* Fills the pack from weights of q's dtype and extents with the strides given. */
int ae_onednn_pack_fill(ae_onednn_pack *pack, const void *b, int64_t b_row, int64_t b_col, ae_err *e);

/* Writes the weights back as dense rows (k,n); f32 and bf16 only. */
int ae_onednn_pack_read(const ae_onednn_pack *pack, void *b, ae_err *e);

size_t ae_onednn_pack_bytes(const ae_onednn_pack *pack);
void ae_onednn_pack_free(ae_onednn_pack *pack); /* NULL is allowed */

/* The primitives that wait in the cache, and in sets; the copies of B that wait; and the release of them all, with the
 * scratchpads. */
int ae_onednn_cached(void);
int ae_onednn_cached_in_sets(void);
int ae_onednn_kept_repacks(void);
void ae_onednn_release(void);

#endif
