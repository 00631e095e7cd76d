#include "autograd/compute_type.h"
#include "autograd/ops.h"
#include "tensor/kernels.h"

ae_dtype ae_compute_dtype(const ae_graph *g, ae_dtype dtype)
{
    return dtype == AE_F32 && ae_graph_get_precision(g) == AE_BF16 ? AE_BF16 : dtype;
}

static ae_tensor *cast_to(ae_graph *g, ae_tensor *x, ae_dtype dtype)
{
    return x->dtype == dtype ? x : ae_cast(g, x, dtype);
}

ae_tensor *ae_to_compute(ae_graph *g, ae_tensor *x)
{
    return ae_ok(g) && x && x->data ? cast_to(g, x, ae_compute_dtype(g, x->dtype)) : x;
}

ae_tensor *ae_to_f32(ae_graph *g, ae_tensor *x)
{
    bool half = ae_ok(g) && x && x->data && (x->dtype == AE_BF16 || x->dtype == AE_F16);
    return half ? cast_to(g, x, AE_F32) : x;
}

/* ---- rows ------------------------------------------------------------------------------------------------------------ */

const float *ae_row_read(const ae_tensor *t, int64_t i, int64_t n, float *buffer)
{
    if (t->dtype == AE_F32) {
        return (const float *)t->data + i * n;
    }
    ae_kernels_get()->bf16_to_f32((const uint16_t *)t->data + i * n, buffer, n);
    return buffer;
}

float *ae_row_place(ae_tensor *t, int64_t i, int64_t n, float *buffer)
{
    return t->dtype == AE_F32 ? (float *)t->data + i * n : buffer;
}

void ae_row_written(ae_tensor *t, int64_t i, int64_t n, const float *buffer)
{
    if (t->dtype != AE_F32) {
        ae_kernels_get()->f32_to_bf16(buffer, (uint16_t *)t->data + i * n, n);
    }
}
