/* Packed weights: the layout of oneDNN's choice when it has one, plain rows otherwise. */
#include "tensor/gemm_internal.h"
#include "tensor/kernels.h"
#include "tensor/onednn.h"

#include <stdlib.h>
#include <string.h>

/* The product as the blocked pack will meet it: bf16 that the processor does not multiply is f32 there. */
static ae_gemm product_of_pack(const ae_gemm *q, bool widened)
{
    ae_gemm p = *q;
    if (widened) {
        p.a_dtype = p.b_dtype = p.c_dtype = AE_F32;
    }
    p.a_row = p.k; /* the layout is asked for with dense operands, whatever the first product had */
    p.a_col = 1;
    p.c_row = p.n;
    return p;
}

/* Widens b into f32 of the same orientation, from malloc; its strides go to row and col. */
static float *widened_copy(const ae_gemm_pack *pack, const uint16_t *b, int64_t *row, int64_t *col, ae_err *e)
{
    float *wide = malloc((size_t)(pack->n * pack->k) * sizeof *wide);
    if (!wide) {
        ae_err_set(e, AE_E_MEMORY, "gemm: no memory to widen weights [%lld,%lld]", (long long)pack->k,
                   (long long)pack->n);
        return NULL;
    }
    const bool by_rows = pack->b_col == 1;
    *row = by_rows ? pack->n : 1;
    *col = by_rows ? 1 : pack->k;
    if (by_rows) {
        ae_gemm_widen_rows(wide, pack->n, b, pack->b_row, pack->k, pack->n);
    } else {
        ae_gemm_widen_rows(wide, pack->k, b, pack->b_col, pack->n, pack->k);
    }
    return wide;
}

/* Makes pack->blocked when oneDNN offers a layout; leaves it NULL, without an error, when it does not. */
static int make_blocked(ae_gemm_pack *pack, const ae_gemm *q, ae_err *e)
{
    if (q->m == 0 || q->n == 0 || q->k == 0 || q->b_dtype == AE_I8) {
        return 0; /* i8 weights may carry sums beside them in oneDNN's layout, and cannot be read back */
    }
    pack->widened = q->b_dtype == AE_BF16 && !ae_onednn_has_bf16();
    ae_gemm p = product_of_pack(q, pack->widened);
    float *wide = NULL;
    if (pack->widened) {
        wide = widened_copy(pack, q->b, &p.b_row, &p.b_col, e);
        if (!wide) {
            return -1;
        }
        p.b = wide;
    }
    ae_err failure = {0};
    pack->blocked = ae_onednn_pack_new(&p, &failure);
    free(wide);
    if (!pack->blocked && failure.code != AE_OK) {
        return ae_err_set(e, failure.code, "%s", failure.message);
    }
    return 0;
}

static int copy_rows(ae_gemm_pack *pack, const void *b, ae_err *e)
{
    const size_t size = ae_dtype_size(pack->dtype);
    if (!pack->data) {
        pack->data = malloc((size_t)(pack->n * pack->k) * size + 1);
    }
    if (!pack->data) {
        return ae_err_set(e, AE_E_MEMORY, "gemm: no memory for a pack of [%lld,%lld]", (long long)pack->k,
                          (long long)pack->n);
    }
    for (int64_t i = 0; i < pack->k && !ae_kernels_dry(); i++) {
        for (int64_t j = 0; j < pack->n; j++) {
            memcpy((char *)pack->data + (size_t)(i * pack->n + j) * size,
                   (const char *)b + (size_t)(i * pack->b_row + j * pack->b_col) * size, size);
        }
    }
    return 0;
}

ae_gemm_pack *ae_gemm_pack_new(const ae_gemm *p, ae_err *e)
{
    ae_gemm q;
    ae_gemm like; /* only b is read: a and c need not exist yet */
    if (!p || !p->b || p->b_pack || p->batch != 1 || p->b_dtype == AE_F64) {
        ae_err_set(e, p && p->b_dtype == AE_F64 ? AE_E_UNSUPPORTED : AE_E_VALUE,
                   "gemm: a pack is made from plain weights of f32, bf16 or i8 in a product of batch 1");
        return NULL;
    }
    like = *p;
    like.a = like.c = (void *)(uintptr_t)p->b;
    ae_gemm_pack *pack = ae_gemm_check(&like, &q, e) ? NULL : calloc(1, sizeof *pack);
    if (!pack) {
        ae_err_set(e, AE_E_MEMORY, "gemm: no memory for a pack"); /* keeps the error of the check */
        return NULL;
    }
    pack->dtype = q.b_dtype;
    pack->n = q.n;
    pack->k = q.k;
    pack->b_row = q.b_row;
    pack->b_col = q.b_col;
    if (make_blocked(pack, &q, e) || (!pack->blocked && copy_rows(pack, q.b, e))) {
        ae_gemm_pack_free(pack);
        return NULL;
    }
    return pack;
}

int ae_gemm_pack_refill(ae_gemm_pack *pack, const void *b, ae_err *e)
{
    if (!pack || !b) {
        return ae_err_set(e, AE_E_VALUE, "gemm: %s to refill a pack is NULL", pack ? "b" : "the pack");
    }
    if (!pack->blocked) {
        return copy_rows(pack, b, e);
    }
    if (!pack->widened) {
        return ae_onednn_pack_fill(pack->blocked, b, pack->b_row, pack->b_col, e);
    }
    int64_t row, col;
    float *wide = widened_copy(pack, b, &row, &col, e);
    const int result = wide ? ae_onednn_pack_fill(pack->blocked, wide, row, col, e) : -1;
    free(wide);
    return result;
}

void *ae_gemm_pack_unblock(const ae_gemm_pack *pack, ae_err *e)
{
    const size_t count = (size_t)(pack->n * pack->k);
    void *rows = malloc(count * (pack->widened ? sizeof(float) : ae_dtype_size(pack->dtype)));
    if (!rows) {
        ae_err_set(e, AE_E_MEMORY, "gemm: no memory to read a pack of [%lld,%lld]", (long long)pack->k,
                   (long long)pack->n);
        return NULL;
    }
    if (ae_onednn_pack_read(pack->blocked, rows, e)) {
        free(rows);
        return NULL;
    }
    if (pack->widened) { /* narrowing is exact, these were bf16 */
        uint16_t *narrow = malloc(count * sizeof *narrow);
        if (narrow) {
            ae_gemm_narrow_rows(narrow, pack->n, rows, pack->n, pack->k, pack->n);
        } else {
            ae_err_set(e, AE_E_MEMORY, "gemm: no memory to read a pack of [%lld,%lld]", (long long)pack->k,
                       (long long)pack->n);
        }
        free(rows);
        return narrow;
    }
    return rows;
}

bool ae_gemm_pack_is_blocked(const ae_gemm_pack *pack)
{
    return pack && pack->blocked;
}

size_t ae_gemm_pack_bytes(const ae_gemm_pack *pack)
{
    if (!pack) {
        return 0;
    }
    return pack->blocked ? ae_onednn_pack_bytes(pack->blocked)
                         : (size_t)(pack->n * pack->k) * ae_dtype_size(pack->dtype);
}

void ae_gemm_pack_free(ae_gemm_pack *pack)
{
    if (pack) {
        ae_onednn_pack_free(pack->blocked);
        free(pack->data);
        free(pack);
    }
}
