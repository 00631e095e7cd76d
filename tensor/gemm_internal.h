/* What the paths of the matrix product share. */
#ifndef AE_TENSOR_GEMM_INTERNAL_H
#define AE_TENSOR_GEMM_INTERNAL_H

#include "tensor/gemm.h"

/* A copy of B: in oneDNN's own layout when that door offered one, else dense rows (k,n). bf16 is kept widened where
 * the processor does not multiply it. */
struct ae_gemm_pack {
    ae_dtype dtype; /* of the weights */
    int64_t n;
    int64_t k;
    int64_t b_row; /* the strides that refill reads with */
    int64_t b_col;
    void *data;                     /* dense rows, from malloc; NULL when blocked is set */
    struct ae_onednn_pack *blocked; /* of `dtype`, or of f32 when `widened` */
    bool widened;
};

/* Checks p as ae_gemm_run promises, and writes it to q in normal form: strides of extents up to 1 made to look dense,
 * batches that are one tall matrix joined, a pack of plain rows put in as b (a blocked one stays, with b NULL).
 * Returns 0, or -1 with e filled. */
int ae_gemm_check(const ae_gemm *p, ae_gemm *q, ae_err *e);

/* The plain twin without checks, on what ae_gemm_check wrote. */
int ae_gemm_plain_unchecked(const ae_gemm *p, ae_err *e);

/* The fast path without checks, on what ae_gemm_check wrote. */
int ae_gemm_run_unchecked(const ae_gemm *q, ae_err *e);

/* Writes a blocked pack back as dense rows (k,n) of its weights' dtype, from malloc; NULL with e filled on failure. */
void *ae_gemm_pack_unblock(const ae_gemm_pack *pack, ae_err *e);

/* Copies rows of bf16 to rows of f32 and back; strides in elements, columns dense. In parallel when it is worth it. */
void ae_gemm_widen_rows(float *dst, int64_t dst_row, const uint16_t *src, int64_t src_row, int64_t rows, int64_t cols);
void ae_gemm_narrow_rows(uint16_t *dst, int64_t dst_row, const float *src, int64_t src_row, int64_t rows, int64_t cols);

/* The bits of a bf16 number as f32, and back with rounding to nearest even; here so that loops can inline them. */
static inline float ae_gemm_widen(uint16_t bits)
{
    union {
        uint32_t u;
        float f;
    } x = {.u = (uint32_t)bits << 16};
    return x.f;
}

static inline uint16_t ae_gemm_narrow(float value)
{
    union {
        float f;
        uint32_t u;
    } x = {.f = value};
    if ((x.u & 0x7fffffffu) > 0x7f800000u) {
        return (uint16_t)((x.u >> 16) | 0x40u); /* a NaN stays one: rounding could make it an infinity */
    }
    return (uint16_t)((x.u + 0x7fffu + ((x.u >> 16) & 1u)) >> 16);
}

#endif
