#include "autograd/wide.h"
#include "tensor/kernels.h"

/* Dense halves, by the kernels that convert many at once. */
static void load_halves(ae_dtype dtype, const uint16_t *src, int64_t n, double *out)
{
    const ae_kernels *k = ae_kernels_get();
    float f[AE_WIDE];
    for (int64_t from = 0; from < n; from += AE_WIDE) {
        int64_t m = n - from < AE_WIDE ? n - from : AE_WIDE;
        (dtype == AE_BF16 ? k->bf16_to_f32 : k->f16_to_f32)(src + from, f, m);
        for (int64_t i = 0; i < m; i++) {
            out[from + i] = (double)f[i];
        }
    }
}

void ae_wide_load(ae_dtype dtype, const void *src, int64_t step, int64_t n, double *out)
{
    const float *f = src;
    const double *d = src;
    const uint16_t *h = src;
    if (dtype == AE_F32 && step == 1) {
        for (int64_t i = 0; i < n; i++) {
            out[i] = (double)f[i];
        }
    } else if (dtype == AE_F32) {
        for (int64_t i = 0; i < n; i++) {
            out[i] = (double)f[i * step];
        }
    } else if (dtype == AE_F64) {
        for (int64_t i = 0; i < n; i++) {
            out[i] = d[i * step];
        }
    } else if (step == 1) {
        load_halves(dtype, h, n, out);
    } else if (dtype == AE_BF16) {
        for (int64_t i = 0; i < n; i++) {
            out[i] = (double)ae_bf16_to_f32(h[i * step]);
        }
    } else {
        for (int64_t i = 0; i < n; i++) {
            out[i] = (double)ae_f16_to_f32(h[i * step]);
        }
    }
}

void ae_wide_store(ae_dtype dtype, const double *x, void *dst, int64_t step, int64_t n)
{
    float *f = dst;
    double *d = dst;
    uint16_t *h = dst;
    for (int64_t i = 0; i < n; i++) {
        switch (dtype) {
        case AE_F32:
            f[i * step] = (float)x[i];
            break;
        case AE_F64:
            d[i * step] = x[i];
            break;
        case AE_BF16:
            h[i * step] = ae_f32_to_bf16((float)x[i]);
            break;
        default:
            h[i * step] = ae_f32_to_f16((float)x[i]);
            break;
        }
    }
}

void ae_wide_load_int(ae_dtype dtype, const void *src, int64_t step, int64_t n, int64_t *out)
{
    for (int64_t i = 0; i < n; i++) {
        switch (dtype) {
        case AE_I64:
            out[i] = ((const int64_t *)src)[i * step];
            break;
        case AE_I32:
            out[i] = ((const int32_t *)src)[i * step];
            break;
        case AE_I8:
            out[i] = ((const int8_t *)src)[i * step];
            break;
        default:
            out[i] = ((const uint8_t *)src)[i * step];
            break;
        }
    }
}

void ae_wide_store_int(ae_dtype dtype, const int64_t *x, void *dst, int64_t step, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        switch (dtype) {
        case AE_I64:
            ((int64_t *)dst)[i * step] = x[i];
            break;
        case AE_I32:
            ((int32_t *)dst)[i * step] = (int32_t)x[i];
            break;
        case AE_I8:
            ((int8_t *)dst)[i * step] = (int8_t)x[i];
            break;
        case AE_BOOL:
            ((uint8_t *)dst)[i * step] = x[i] != 0;
            break;
        default:
            ((uint8_t *)dst)[i * step] = (uint8_t)x[i];
            break;
        }
    }
}
