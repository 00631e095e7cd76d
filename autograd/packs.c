#include "autograd/packs.h"
#include "tensor/kernels.h"

#include <stdlib.h>

/* The layout is chosen for this many rows, whatever the first product has: results must not depend on the order of
 * batches. */
enum { LAYOUT_ROWS = 512 };

int ae_packs_init(ae_packs *p)
{
    return pthread_mutex_init(&p->lock, NULL) == 0 ? 0 : -1;
}

void ae_packs_clear(ae_packs *p)
{
    for (int i = 0; i < AE_PACK_KINDS; i++) {
        ae_row_weight_free(&p->rows[i]);
        ae_gemm_pack_free(p->blocks[i].pack);
        p->blocks[i] = (ae_block_pack){.made = false};
    }
}

void ae_packs_destroy(ae_packs *p)
{
    ae_packs_clear(p);
    pthread_mutex_destroy(&p->lock);
}

size_t ae_packs_bytes(ae_packs *p)
{
    size_t bytes = 0;
    pthread_mutex_lock(&p->lock);
    for (int i = 0; i < AE_PACK_KINDS; i++) {
        bytes += ae_row_weight_bytes(&p->rows[i]) + p->blocks[i].bytes;
    }
    pthread_mutex_unlock(&p->lock);
    return bytes;
}

/* Makes or fills anew copy `kind`; the lock is held. */
static int bring_up_to_date(ae_packs *p, int kind, const ae_tensor *t, ae_dtype dtype, bool in_out, ae_err *e)
{
    ae_row_weight *w = &p->rows[kind];
    const int64_t out = t->shape[in_out ? 1 : 0];
    const int64_t in = t->shape[in_out ? 0 : 1];
    const bool made = w->memory != NULL;
    if (made && p->filled[kind] == p->version) {
        return 0;
    }
    if ((!made && ae_row_weight_new(w, dtype, out, in, e) != 0) ||
        ae_row_weight_fill(w, t->data, t->strides[in_out ? 1 : 0], t->strides[in_out ? 0 : 1], e) != 0) {
        ae_row_weight_free(w);
        return -1;
    }
    p->filled[kind] = p->version;
    return 0;
}

int ae_packs_rows(const ae_tensor *parameter, ae_dtype dtype, bool in_out, bool many, ae_row_weight *w, ae_err *e)
{
    ae_packs *p = parameter->packs;
    const int kind = (dtype == AE_I8 ? 2 : 0) + in_out;
    pthread_mutex_lock(&p->lock);
    int status = bring_up_to_date(p, kind, parameter, dtype, in_out, e);
    if (status == 0 && many) {
        status = ae_row_weight_block(&p->rows[kind], e);
    }
    *w = p->rows[kind];
    pthread_mutex_unlock(&p->lock);
    return status;
}

/* ---- blocks ----------------------------------------------------------------------------------------------------------- */

/* The parameter's values in the type of the copy: its own, or rounded ones from malloc, which go to *rounded too. */
static const void *values_as(const ae_tensor *t, ae_dtype dtype, uint16_t **rounded)
{
    *rounded = NULL;
    if (dtype == AE_F32) {
        return t->data;
    }
    const int64_t n = ae_numel(t);
    const int64_t part = 1 << 15;
    *rounded = malloc((size_t)n * sizeof **rounded);
    uint16_t *to = *rounded;
#pragma omp parallel for schedule(static) if (n > part)
    for (int64_t i = 0; i < n; i += part) {
        if (to) {
            ae_kernels_get()->f32_to_bf16((const float *)t->data + i, to + i, n - i < part ? n - i : part);
        }
    }
    return to;
}

static int fill_block(ae_block_pack *b, const ae_tensor *t, ae_dtype dtype, bool in_out, ae_err *e)
{
    const int64_t out = t->shape[in_out ? 1 : 0];
    const int64_t in = t->shape[in_out ? 0 : 1];
    uint16_t *rounded;
    const void *values = values_as(t, dtype, &rounded);
    int status = 0;
    if (!values) {
        return ae_err_set(e, AE_E_MEMORY, "no memory to round a weight [%lld,%lld]", (long long)t->shape[0],
                          (long long)t->shape[1]);
    }
    if (b->pack) {
        status = ae_gemm_pack_refill(b->pack, values, e);
    } else {
        ae_gemm p = {.a_dtype = dtype, .b_dtype = dtype, .c_dtype = dtype, .alpha = 1.0f, .batch = 1};
        p.m = LAYOUT_ROWS;
        p.n = out;
        p.k = in;
        p.a_row = in;
        p.a_col = 1;
        p.b = values;
        p.b_row = in_out ? out : 1;
        p.b_col = in_out ? 1 : in;
        p.c_row = out;
        b->pack = ae_gemm_pack_new(&p, e);
        status = b->pack ? 0 : -1;
    }
    free(rounded);
    return status;
}

/* Makes or fills anew a copy; the lock is held. */
static int bring_block_up_to_date(ae_packs *p, ae_block_pack *b, const ae_tensor *t, ae_dtype dtype, bool in_out,
                                  ae_err *e)
{
    if (ae_kernels_dry() ? b->bytes > 0 : b->made && (!b->pack || b->filled == p->version)) {
        return 0;
    }
    if (fill_block(b, t, dtype, in_out, e) != 0) {
        return -1;
    }
    if (!ae_gemm_pack_is_blocked(b->pack)) {
        ae_gemm_pack_free(b->pack);
        b->pack = NULL;
    }
    b->made = !ae_kernels_dry();
    b->bytes = ae_gemm_pack_bytes(b->pack);
    b->filled = p->version;
    if (ae_kernels_dry()) { /* which asks how large the copy would be */
        ae_gemm_pack_free(b->pack);
        b->pack = NULL;
    }
    return 0;
}

int ae_packs_blocks(const ae_tensor *parameter, ae_dtype dtype, bool in_out, const ae_gemm_pack **pack, ae_err *e)
{
    ae_packs *p = parameter->packs;
    ae_block_pack *b = &p->blocks[(dtype == AE_BF16 ? 2 : 0) + in_out];
    pthread_mutex_lock(&p->lock);
    int status = bring_block_up_to_date(p, b, parameter, dtype, in_out, e);
    status = status == 0 && b->bytes == 0 ? 1 : status;
    *pack = b->pack;
    pthread_mutex_unlock(&p->lock);
    return status;
}
