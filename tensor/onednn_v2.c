/* The calls of oneDNN 2.x that 3.x changed. */
#include "tensor/onednn_internal.h"

#include <stdlib.h>

#if DNNL_VERSION_MAJOR < 3

dnnl_status_t ae_desc_new(ae_desc *desc, int ndims, const int64_t *dims, dnnl_data_type_t dtype, const int64_t *strides)
{
    *desc = calloc(1, sizeof **desc);
    if (!*desc) {
        return dnnl_out_of_memory;
    }
    const dnnl_status_t status = strides ? dnnl_memory_desc_init_by_strides(*desc, ndims, dims, dtype, strides)
                                         : dnnl_memory_desc_init_by_tag(*desc, ndims, dims, dtype, dnnl_format_tag_any);
    if (status != dnnl_success) {
        ae_desc_free(*desc);
        *desc = NULL;
    }
    return status;
}

void ae_desc_free(ae_desc desc)
{
    free(desc);
}

dnnl_status_t ae_post_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1.0F);
}

dnnl_status_t ae_post_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t kind, float alpha)
{
    return dnnl_post_ops_append_eltwise(ops, 1.0F, kind, alpha, 0.0F);
}

dnnl_status_t ae_matmul_describe(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, ae_desc_ref a, ae_desc_ref b,
                                 ae_desc_ref bias, ae_desc_ref c, dnnl_primitive_attr_t attributes)
{
    dnnl_matmul_desc_t desc;
    const dnnl_status_t status = dnnl_matmul_desc_init(&desc, a, b, bias, c);
    return status != dnnl_success ? status : dnnl_primitive_desc_create(pd, &desc, attributes, engine, NULL);
}

dnnl_status_t ae_lstm_describe(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const ae_lstm_descs *d,
                               const_dnnl_primitive_desc_t forward)
{
    const dnnl_rnn_direction_t direction = dnnl_unidirectional_left2right;
    dnnl_rnn_desc_t desc;
    const dnnl_status_t status =
        forward ? dnnl_lstm_backward_desc_init(&desc, dnnl_backward, direction, d->x, NULL, NULL, d->w_ih, d->w_hh,
                                               d->bias, d->y, NULL, NULL, d->x, NULL, NULL, d->w_ih, d->w_hh, d->bias,
                                               d->y, NULL, NULL, dnnl_rnn_flags_undef)
                : dnnl_lstm_forward_desc_init(&desc, dnnl_forward_training, direction, d->x, NULL, NULL, d->w_ih,
                                              d->w_hh, d->bias, d->y, NULL, NULL, dnnl_rnn_flags_undef);
    return status != dnnl_success ? status : dnnl_primitive_desc_create(pd, &desc, NULL, engine, forward);
}

#endif
