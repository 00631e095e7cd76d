/* One step of a decoder over host ids, and what every way of generating checks and returns. */
#include "zoo/generate_internal.h"

/* Columns [from, to) of a (B,..) host tensor as a tensor of the graph. */
static ae_tensor *columns(ae_graph *g, const ae_tensor *t, int64_t from, int64_t to)
{
    ae_tensor *all = ae_input(g, t);
    return ae_contiguous(g, ae_slice(g, all, 1, from, to, 1));
}

/* Real tokens count from 0 in every row; padding gets 1, as in the reference. */
static ae_tensor *positions(ae_graph *g, const ae_decode_view *v)
{
    int64_t batch = v->mask->shape[0], shape[2] = {batch, v->to - v->from};
    ae_tensor *p = ae_zeros(g, AE_I64, 2, shape);
    for (int64_t b = 0; b < batch && ae_ok(g); b++) {
        int64_t at = 0;
        for (int64_t t = v->first; t < v->to; t++) {
            bool real = ae_get_i64(v->mask, b * v->mask->shape[1] + t) != 0;
            if (t >= v->from) {
                ae_set_i64(p, b * shape[1] + t - v->from, real ? at : 1);
            }
            at += real;
        }
    }
    return p;
}

int ae_decode_step(ae_graph *g, const ae_decoder *d, const ae_decode_view *v, ae_kv_cache *cache, float *logits,
                   ae_err *e)
{
    ae_graph_begin(g, AE_EVAL);
    ae_tensor *y = d->fn(g, d->self, columns(g, v->ids, v->from, v->to), positions(g, v),
                         columns(g, v->mask, v->first, v->to), cache);
    if (ae_read(y, AE_F32, logits, v->ids->shape[0] * d->vocab_size) != 0) {
        return ae_err_set(e, ae_ok(g) ? AE_E_SHAPE : ae_graph_error(g)->code, "generate: %s",
                          ae_ok(g) ? "the decoder's logits are not (batch, vocabulary)" : ae_graph_error(g)->message);
    }
    return 0;
}

int ae_decode_check(const ae_decoder *d, const ae_tensor *ids, const ae_tensor *mask, const ae_generate_options *o,
                    ae_err *e)
{
    char shape[AE_SHAPE_TEXT_MAX];
    if (ids->ndim != 2 || ids->shape[1] < 1 || (mask && !ae_same_shape(ids, mask))) {
        return ae_err_set(e, AE_E_SHAPE,
                          "generate: input_ids are %s; they must be (batch, length) with at least one "
                          "token, and attention_mask likewise",
                          ae_shape_text(ids->ndim, ids->shape, shape));
    }
    int64_t room = d->max_positions - ids->shape[1];
    if (o->max_new_tokens < 0 || (!o->slide && o->max_new_tokens > room)) {
        return ae_err_set(e, AE_E_VALUE, "generate: %lld tokens behind %lld; the model has %lld positions",
                          (long long)o->max_new_tokens, (long long)ids->shape[1], (long long)d->max_positions);
    }
    return ae_generate_check_rules(o, d->vocab_size, e);
}

ae_tensor *ae_decode_cut(ae_tensor *t, int64_t n, ae_err *e)
{
    if (!t || t->shape[1] == n) {
        return t;
    }
    ae_tensor part = *t;
    part.shape[1] = n;
    ae_tensor *copy = ae_tensor_new(t->dtype, t->ndim, part.shape, e);
    if (copy) {
        ae_tensor_copy(copy, &part, e);
    }
    ae_tensor_free(t);
    return copy;
}
