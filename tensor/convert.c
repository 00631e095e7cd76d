/* Element access and conversion between dtypes, for every stride. The fast conversions of training are kernels. */
#include "tensor/tensor.h"

#include <math.h>
#include <string.h>

float ae_bf16_to_f32(uint16_t bits)
{
    uint32_t u = (uint32_t)bits << 16;
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

uint16_t ae_f32_to_bf16(float value)
{
    uint32_t u;
    memcpy(&u, &value, sizeof u);
    if ((u & 0x7fffffffu) > 0x7f800000u) {
        return (uint16_t)((u >> 16) | 0x40u); /* a NaN whose payload lay in the lower half would become infinity */
    }
    return (uint16_t)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

float ae_f16_to_f32(uint16_t bits)
{
    uint32_t sign = (uint32_t)(bits >> 15) << 31;
    uint32_t exponent = (bits >> 10) & 31u;
    uint32_t fraction = bits & 1023u;
    float f;
    if (exponent == 0) {
        f = ldexpf((float)fraction, -24);
        return sign ? -f : f;
    }
    uint32_t u = sign | ((exponent == 31 ? 255u : exponent + 112u) << 23) | (fraction << 13);
    memcpy(&f, &u, sizeof f);
    return f;
}

uint16_t ae_f32_to_f16(float value)
{
    uint32_t u;
    memcpy(&u, &value, sizeof u);
    uint16_t sign = (uint16_t)((u >> 16) & 0x8000u);
    u &= 0x7fffffffu;
    if (u > 0x7f800000u) {
        return (uint16_t)(sign | 0x7e00u);
    }
    if (u >= 0x477ff000u) { /* rounds to 65536 or more */
        return (uint16_t)(sign | 0x7c00u);
    }
    if (u < 0x38800000u) { /* below the smallest normal: count units of 2^-24, ties to even */
        float scaled;
        memcpy(&scaled, &u, sizeof scaled);
        return (uint16_t)(sign | (uint16_t)lrintf(scaled * 16777216.0f));
    }
    u += 0xfffu + ((u >> 13) & 1u);
    return (uint16_t)(sign | (uint16_t)((u - 0x38000000u) >> 13));
}

static int64_t offset_of(const ae_tensor *t, int64_t index)
{
    int64_t offset = 0;
    for (int i = t->ndim - 1; i >= 0; i--) {
        offset += index % t->shape[i] * t->strides[i];
        index /= t->shape[i];
    }
    return offset;
}

static double load_f64(ae_dtype dtype, const void *data, int64_t i)
{
    switch (dtype) {
    case AE_F32:
        return (double)((const float *)data)[i];
    case AE_F64:
        return ((const double *)data)[i];
    case AE_BF16:
        return (double)ae_bf16_to_f32(((const uint16_t *)data)[i]);
    case AE_F16:
        return (double)ae_f16_to_f32(((const uint16_t *)data)[i]);
    case AE_I8:
        return ((const int8_t *)data)[i];
    case AE_I32:
        return ((const int32_t *)data)[i];
    case AE_I64:
        return (double)((const int64_t *)data)[i];
    default:
        return ((const uint8_t *)data)[i];
    }
}

static int64_t truncated(double v)
{
    if (isnan(v)) {
        return 0;
    }
    if (v >= 9223372036854775807.0) {
        return INT64_MAX;
    }
    return v <= -9223372036854775808.0 ? INT64_MIN : (int64_t)v;
}

static int64_t load_i64(ae_dtype dtype, const void *data, int64_t i)
{
    switch (dtype) {
    case AE_I64:
        return ((const int64_t *)data)[i];
    case AE_I32:
        return ((const int32_t *)data)[i];
    case AE_I8:
        return ((const int8_t *)data)[i];
    case AE_U8:
    case AE_BOOL:
        return ((const uint8_t *)data)[i];
    default:
        return truncated(load_f64(dtype, data, i));
    }
}

static void store_i64(ae_dtype dtype, void *data, int64_t i, int64_t v)
{
    switch (dtype) {
    case AE_F32:
        ((float *)data)[i] = (float)v;
        break;
    case AE_F64:
        ((double *)data)[i] = (double)v;
        break;
    case AE_BF16:
        ((uint16_t *)data)[i] = ae_f32_to_bf16((float)v);
        break;
    case AE_F16:
        ((uint16_t *)data)[i] = ae_f32_to_f16((float)v);
        break;
    case AE_I8:
        ((int8_t *)data)[i] = (int8_t)v;
        break;
    case AE_I32:
        ((int32_t *)data)[i] = (int32_t)v;
        break;
    case AE_I64:
        ((int64_t *)data)[i] = v;
        break;
    case AE_BOOL:
        ((uint8_t *)data)[i] = v != 0;
        break;
    default:
        ((uint8_t *)data)[i] = (uint8_t)v;
        break;
    }
}

static void store_f64(ae_dtype dtype, void *data, int64_t i, double v)
{
    switch (dtype) {
    case AE_F32:
        ((float *)data)[i] = (float)v;
        break;
    case AE_F64:
        ((double *)data)[i] = v;
        break;
    case AE_BF16:
        ((uint16_t *)data)[i] = ae_f32_to_bf16((float)v);
        break;
    case AE_F16:
        ((uint16_t *)data)[i] = ae_f32_to_f16((float)v);
        break;
    case AE_BOOL:
        ((uint8_t *)data)[i] = v != 0.0;
        break;
    default:
        store_i64(dtype, data, i, truncated(v));
        break;
    }
}

double ae_get_f64(const ae_tensor *t, int64_t index)
{
    return load_f64(t->dtype, t->data, offset_of(t, index));
}

int64_t ae_get_i64(const ae_tensor *t, int64_t index)
{
    return load_i64(t->dtype, t->data, offset_of(t, index));
}

void ae_set_f64(ae_tensor *t, int64_t index, double value)
{
    store_f64(t->dtype, t->data, offset_of(t, index), value);
}

void ae_set_i64(ae_tensor *t, int64_t index, int64_t value)
{
    store_i64(t->dtype, t->data, offset_of(t, index), value);
}

/* One row along the last axis, element by element. */
static void copy_row(ae_tensor *dst, int64_t d, const ae_tensor *src, int64_t s, int64_t n)
{
    int64_t dstep = dst->ndim ? dst->strides[dst->ndim - 1] : 1;
    int64_t sstep = src->ndim ? src->strides[src->ndim - 1] : 1;
    size_t size = ae_dtype_size(src->dtype);
    if (dst->dtype == src->dtype && dstep == 1 && sstep == 1) {
        memcpy((char *)dst->data + (size_t)d * size, (const char *)src->data + (size_t)s * size, (size_t)n * size);
        return;
    }
    bool exact = !ae_dtype_is_float(src->dtype);
    for (int64_t i = 0; i < n; i++) {
        if (exact) {
            store_i64(dst->dtype, dst->data, d + i * dstep, load_i64(src->dtype, src->data, s + i * sstep));
        } else {
            store_f64(dst->dtype, dst->data, d + i * dstep, load_f64(src->dtype, src->data, s + i * sstep));
        }
    }
}

int ae_tensor_copy(ae_tensor *dst, const ae_tensor *src, ae_err *e)
{
    char a[AE_SHAPE_TEXT_MAX], b[AE_SHAPE_TEXT_MAX];
    if (!ae_same_shape(dst, src)) {
        return ae_err_set(e, AE_E_SHAPE, "copy: the source is %s, the destination %s",
                          ae_shape_text(src->ndim, src->shape, a), ae_shape_text(dst->ndim, dst->shape, b));
    }
    int64_t n = ae_numel(src);
    int64_t row = src->ndim ? src->shape[src->ndim - 1] : 1;
    for (int64_t i = 0; n > 0 && i < n; i += row) {
        copy_row(dst, offset_of(dst, i), src, offset_of(src, i), row);
    }
    return 0;
}
