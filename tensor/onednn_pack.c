/* Weights in the layout that oneDNN's matmul prefers. */
#include "tensor/onednn_internal.h"

#include <omp.h>
#include <stdlib.h>

#include "tensor/kernels.h"
#include "tensor/threads.h"

ae_desc_ref ae_onednn_pack_desc(const ae_onednn_pack *pack)
{
    ae_desc_ref desc = NULL;
    return dnnl_memory_get_memory_desc(pack->memory, &desc) == dnnl_success ? desc : NULL;
}

/* The memory of a pack: asks a bare matmul of these extents which layout it would like. */
static dnnl_status_t choose_layout(ae_onednn_pack *pack, const ae_gemm *q, bool *fast)
{
    ae_gemm bare = *q;
    bare.bias = NULL;
    bare.activation = AE_GEMM_NONE;
    bare.accumulate = 0;
    bare.alpha = 1;
    ae_matmul_key key;
    ae_matmul_key_of(&bare, &key);
    key.b_stride[0] = key.b_stride[1] = key.b_stride[2] = 0;
    dnnl_primitive_desc_t pd;
    char name[AE_ONEDNN_NAME_MAX];
    dnnl_status_t status = ae_matmul_describe_key(&key, NULL, &pd);
    *fast = status == dnnl_success && ae_onednn_is_fast(pd, name);
    if (*fast) {
        const ae_desc_ref layout = dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
        pack->bytes = dnnl_memory_desc_get_size(layout);
        pack->data = aligned_alloc(64, (pack->bytes + 63) / 64 * 64);
        status =
            pack->data ? dnnl_memory_create(&pack->memory, layout, ae_onednn_engine(), pack->data) : dnnl_out_of_memory;
    }
    dnnl_primitive_desc_destroy(pd);
    return status;
}

ae_onednn_pack *ae_onednn_pack_new(const ae_gemm *q, ae_err *e)
{
    if (!ae_onednn_engine() || (q->b_dtype == AE_I8 && !ae_onednn_sums_i8())) {
        return NULL;
    }
    ae_onednn_pack *pack = calloc(1, sizeof *pack);
    if (!pack) {
        ae_err_set(e, AE_E_MEMORY, "gemm: no memory for a pack");
        return NULL;
    }
    pack->dtype = q->b_dtype;
    pack->m = q->m;
    pack->n = q->n;
    pack->k = q->k;
    pack->threads = ae_threads();
    const int old = omp_get_max_threads();
    omp_set_num_threads(pack->threads);
    bool fast;
    const dnnl_status_t status = choose_layout(pack, q, &fast);
    omp_set_num_threads(old);
    if (status == dnnl_out_of_memory || (fast && status != dnnl_success)) {
        ae_onednn_failed(e, "choosing the layout of a pack", status);
    }
    if (status != dnnl_success || !fast || ae_onednn_pack_fill(pack, q->b, q->b_row, q->b_col, e)) {
        ae_onednn_pack_free(pack);
        return NULL;
    }
    return pack;
}

/* Copies between the pack and plain memory with these strides. */
static int reorder(const ae_onednn_pack *pack, void *plain, int64_t row, int64_t col, bool into_pack, ae_err *e)
{
    const dnnl_engine_t engine = ae_onednn_engine();
    const int64_t dims[2] = {pack->k, pack->n};
    const int64_t strides[2] = {row, col};
    ae_desc desc = NULL;
    dnnl_memory_t memory = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_t prim = NULL;
    dnnl_stream_t stream = NULL;
    dnnl_status_t status = ae_desc_new(&desc, 2, dims, ae_onednn_dtype(pack->dtype), strides);
    if (status == dnnl_success) {
        status = dnnl_memory_create(&memory, desc, engine, plain);
    }
    if (status == dnnl_success) {
        const ae_desc_ref layout = ae_onednn_pack_desc(pack);
        status = dnnl_reorder_primitive_desc_create(&pd, into_pack ? desc : layout, engine, into_pack ? layout : desc,
                                                    engine, NULL);
    }
    if (status == dnnl_success) {
        status = dnnl_primitive_create(&prim, pd);
    }
    if (status == dnnl_success) {
        status = dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
    }
    if (status == dnnl_success) {
        const dnnl_exec_arg_t arguments[2] = {{DNNL_ARG_FROM, into_pack ? memory : pack->memory},
                                              {DNNL_ARG_TO, into_pack ? pack->memory : memory}};
        status = dnnl_primitive_execute(prim, stream, 2, arguments);
    }
    if (status == dnnl_success) {
        status = dnnl_stream_wait(stream);
    }
    dnnl_stream_destroy(stream);
    dnnl_primitive_destroy(prim);
    dnnl_primitive_desc_destroy(pd);
    dnnl_memory_destroy(memory);
    ae_desc_free(desc);
    return status == dnnl_success ? 0 : ae_onednn_failed(e, "copying a pack", status);
}

int ae_onednn_pack_fill(ae_onednn_pack *pack, const void *b, int64_t b_row, int64_t b_col, ae_err *e)
{
    return ae_kernels_dry() ? 0 : reorder(pack, (void *)(uintptr_t)b, b_row, b_col, true, e);
}

int ae_onednn_pack_read(const ae_onednn_pack *pack, void *b, ae_err *e)
{
    return reorder(pack, b, pack->n, 1, false, e);
}

size_t ae_onednn_pack_bytes(const ae_onednn_pack *pack)
{
    return pack ? pack->bytes : 0;
}

void ae_onednn_pack_free(ae_onednn_pack *pack)
{
    if (pack) {
        dnnl_memory_destroy(pack->memory);
        free(pack->data);
        free(pack);
    }
}
