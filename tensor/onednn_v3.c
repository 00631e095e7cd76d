/* The calls that oneDNN 3.x changed. */
#include "tensor/onednn_internal.h"

#if DNNL_VERSION_MAJOR >= 3

dnnl_status_t ae_desc_new(ae_desc *desc, int ndims, const int64_t *dims, dnnl_data_type_t dtype, const int64_t *strides)
{
    *desc = NULL;
    return strides ? dnnl_memory_desc_create_with_strides(desc, ndims, dims, dtype, strides)
                   : dnnl_memory_desc_create_with_tag(desc, ndims, dims, dtype, dnnl_format_tag_any);
}

void ae_desc_free(ae_desc desc)
{
    if (desc) {
        dnnl_memory_desc_destroy(desc);
    }
}

dnnl_status_t ae_post_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1.0F, 0, dnnl_data_type_undef);
}

dnnl_status_t ae_post_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t kind, float alpha)
{
    return dnnl_post_ops_append_eltwise(ops, kind, alpha, 0.0F);
}

dnnl_status_t ae_matmul_describe(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, ae_desc_ref a, ae_desc_ref b,
                                 ae_desc_ref bias, ae_desc_ref c, dnnl_primitive_attr_t attributes)
{
    return dnnl_matmul_primitive_desc_create(pd, engine, a, b, bias, c, attributes);
}

dnnl_status_t ae_lstm_describe(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const ae_lstm_descs *d,
                               const_dnnl_primitive_desc_t forward)
{
    const dnnl_rnn_direction_t direction = dnnl_unidirectional_left2right;
    return forward ? dnnl_lstm_backward_primitive_desc_create(pd, engine, dnnl_backward, direction, d->x, NULL, NULL,
                                                              d->w_ih, d->w_hh, NULL, NULL, d->bias, d->y, NULL, NULL,
                                                              d->x, NULL, NULL, d->w_ih, d->w_hh, NULL, NULL, d->bias,
                                                              d->y, NULL, NULL, dnnl_rnn_flags_undef, forward, NULL)
                   : dnnl_lstm_forward_primitive_desc_create(pd, engine, dnnl_forward_training, direction, d->x, NULL,
                                                             NULL, d->w_ih, d->w_hh, NULL, NULL, d->bias, d->y, NULL,
                                                             NULL, dnnl_rnn_flags_undef, NULL);
}

#endif
