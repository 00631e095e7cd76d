/* Keys and values of what was read so far, so that a decoder reads every token once. */
#ifndef AE_NN_KV_CACHE_H
#define AE_NN_KV_CACHE_H

#include "autograd/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One layer's keys and values (B,S,A*D) inside a graph, with gradients; both NULL when nothing was read. */
typedef struct ae_kv {
    ae_tensor *key, *value;
} ae_kv;

/* Puts k and v (B,T,A*D) behind what past holds, and the result into past. */
AE_API void ae_kv_extend(ae_graph *g, ae_kv *past, ae_tensor *k, ae_tensor *v);

/* Memory for `capacity` positions of every layer; outlives the steps of a graph. Without gradients. */
typedef struct ae_kv_cache ae_kv_cache;

/* The caller frees it with ae_kv_cache_free; NULL with AE_E_MEMORY. The memory itself is taken with the first keys, in
 * their dtype: bf16 under that precision. */
AE_API ae_kv_cache *ae_kv_cache_new(int layers, int64_t batch, int64_t capacity, int64_t width, ae_err *e);
AE_API void ae_kv_cache_free(ae_kv_cache *c); /* NULL is allowed */

/* Positions that are read already. */
AE_API int64_t ae_kv_cache_length(const ae_kv_cache *c);

/* Writes k and v (B,T,A*D) of a layer at the end of the cache and returns views of all positions, (B,S,A*D), through *k
 * and *v. The length grows when the last layer was written. Fails the graph: AE_E_SHAPE, AE_E_DTYPE (another dtype than
 * the first keys had), AE_E_MEMORY. */
AE_API void ae_kv_cache_append(ae_graph *g, ae_kv_cache *c, int layer, ae_tensor **k, ae_tensor **v);

/* Sequence b becomes what sequence from[b] was, for all B of them: beams that go on from others. Returns 0 or -1. */
AE_API int ae_kv_cache_reorder(ae_kv_cache *c, const int64_t *from, ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
