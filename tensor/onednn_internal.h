/* What the files of the oneDNN door share. A description of memory is a pointer in both versions here: 3.x made it
 * one, and for 2.x the struct lives on the heap; so nearly all code is the same for both, and onednn_v2.c and
 * onednn_v3.c hold the few calls whose arguments differ. */
#ifndef AE_TENSOR_ONEDNN_INTERNAL_H
#define AE_TENSOR_ONEDNN_INTERNAL_H

#include "tensor/onednn.h"

#include <oneapi/dnnl/dnnl.h>

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t ae_desc;
typedef const_dnnl_memory_desc_t ae_desc_ref;
#else
typedef dnnl_memory_desc_t *ae_desc;
typedef const dnnl_memory_desc_t *ae_desc_ref;
#endif

/* ---- onednn_v2.c or onednn_v3.c ---------------------------------------------------------------------------------- */

/* Describes memory by strides; strides NULL lets the primitive choose the layout. *desc is NULL on failure. */
dnnl_status_t ae_desc_new(ae_desc *desc, int ndims, const int64_t *dims, dnnl_data_type_t dtype,
                          const int64_t *strides);
void ae_desc_free(ae_desc desc); /* NULL is allowed */

dnnl_status_t ae_post_sum(dnnl_post_ops_t ops);
dnnl_status_t ae_post_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t kind, float alpha);

/* bias may be NULL. */
dnnl_status_t ae_matmul_describe(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, ae_desc_ref a, ae_desc_ref b,
                                 ae_desc_ref bias, ae_desc_ref c, dnnl_primitive_attr_t attributes);

/* Of an LSTM of one layer and direction that begins with zeros; weights in a layout of oneDNN's choice. */
typedef struct ae_lstm_descs {
    ae_desc_ref x, w_ih, w_hh, bias, y;
} ae_lstm_descs;

/* Its forward pass in training or, given that, its backward pass. *pd is NULL on failure. */
dnnl_status_t ae_lstm_describe(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const ae_lstm_descs *d,
                               const_dnnl_primitive_desc_t forward);

/* ---- onednn.c ---------------------------------------------------------------------------------------------------- */

/* All that decides which primitive a product needs. Compared as bytes: make it with memset. */
typedef struct ae_matmul_key {
    int64_t batch;
    int64_t m;
    int64_t n;
    int64_t k;
    int64_t a_stride[3]; /* batch, row, column; batch 0 broadcasts */
    int64_t b_stride[3]; /* all 0: a layout of oneDNN's choice */
    int64_t c_stride[2];
    int64_t pack_m; /* names the layout of a pack: the m it was made for; -1 without */
    int32_t a_dtype;
    int32_t c_dtype;
    int32_t bias; /* its dtype, or -1 */
    int32_t activation;
    int32_t accumulate;
    int32_t threads;
    float alpha;
    int32_t pack_threads; /* the rest of the layout's name; it also fills the struct, so that no byte is unset */
} ae_matmul_key;

void ae_matmul_key_of(const ae_gemm *q, ae_matmul_key *key);

/* Describes the matmul of key, with b in the layout given or, when NULL, as key says. *pd is NULL on failure. */
dnnl_status_t ae_matmul_describe_key(const ae_matmul_key *key, ae_desc_ref b, dnnl_primitive_desc_t *pd);

/* The one engine, made at first use; NULL when oneDNN cannot make it. */
dnnl_engine_t ae_onednn_engine(void);

dnnl_data_type_t ae_onednn_dtype(ae_dtype dtype);

/* Whether the implementation behind pd is worth its call, and its name. */
bool ae_onednn_is_fast(const_dnnl_primitive_desc_t pd, char name[AE_ONEDNN_NAME_MAX]);

/* Fills e from a status that is a failure. */
int ae_onednn_failed(ae_err *e, const char *what, dnnl_status_t status);

/* Fills e: there is no memory for so many bytes of scratch. Returns -1. */
int ae_onednn_no_scratch(ae_err *e, size_t bytes);

/* ---- onednn.c: the cache ------------------------------------------------------------------------------------------- */

/* A primitive with all it needs to run; prim is NULL when oneDNN has nothing fast for the key. */
typedef struct ae_matmul {
    ae_matmul_key key;
    uint64_t hash;
    uint64_t used; /* the time of the last use */
    dnnl_primitive_t prim;
    dnnl_stream_t stream;
    dnnl_memory_t a;
    dnnl_memory_t b;
    dnnl_memory_t c;
    dnnl_memory_t bias;
    dnnl_memory_t scratch;
    size_t scratch_bytes;
    char name[AE_ONEDNN_NAME_MAX];
} ae_matmul;

uint64_t ae_matmul_hash(const ae_matmul_key *key);

/* The primitive of a key, whose hash is given, out of the cache or new, with pack or without; the caller puts it back.
 * NULL on failure, with e filled. */
ae_matmul *ae_matmul_take(const ae_matmul_key *key, uint64_t hash, const ae_onednn_pack *pack, ae_err *e);
void ae_matmul_put(ae_matmul *p);
void ae_matmul_free(ae_matmul *p); /* NULL is allowed */

/* Runs p, which has a primitive, with p->scratch_bytes of memory at scratch. */
int ae_matmul_execute(ae_matmul *p, const ae_gemm *q, const ae_onednn_pack *pack, void *scratch, ae_err *e);

/* Whether oneDNN would compute q wrongly. */
bool ae_onednn_is_wrong(const ae_gemm *q);

/* ---- onednn_set.c ------------------------------------------------------------------------------------------------ */

/* Frees the sets that wait. */
void ae_onednn_release_sets(void);

/* ---- onednn_repack.c --------------------------------------------------------------------------------------------- */

/* Frees the copies of B that wait. */
void ae_onednn_release_repacks(void);

/* ---- onednn_pack.c ----------------------------------------------------------------------------------------------- */

struct ae_onednn_pack {
    ae_dtype dtype;
    int64_t m; /* the rows of the products it was made for */
    int64_t n;
    int64_t k;
    int threads; /* the layout depends on them */
    size_t bytes;
    void *data;           /* from aligned_alloc */
    dnnl_memory_t memory; /* over data, in the layout */
};

/* The description of a pack's layout, borrowed. */
ae_desc_ref ae_onednn_pack_desc(const ae_onednn_pack *pack);

#endif
