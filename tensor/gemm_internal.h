/* What the paths of the matrix product share. */
#ifndef AE_TENSOR_GEMM_INTERNAL_H
#define AE_TENSOR_GEMM_INTERNAL_H

#include "tensor/gemm.h"

/* A copy of B: in oneDNN's own layout when that door gave one, else dense row-major (k,n). */
struct ae_gemm_pack {
    ae_dtype dtype;
    int64_t n;
    int64_t k;
    int64_t b_row; /* the strides that refill reads with */
    int64_t b_col;
    size_t bytes;
    void *data;    /* dense rows of n, from malloc; NULL when blocked is set */
    void *blocked; /* the door's own; see onednn.h */
};

/* Checks p as ae_gemm_run promises, and writes it to q in normal form: strides of extents up to 1 made to look dense,
 * batches that are one tall matrix joined, a pack of plain rows put in as b. Returns 0, or -1 with e filled. */
int ae_gemm_check(const ae_gemm *p, ae_gemm *q, ae_err *e);

/* The plain twin without checks, on what ae_gemm_check wrote. */
int ae_gemm_plain_unchecked(const ae_gemm *p, ae_err *e);

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
