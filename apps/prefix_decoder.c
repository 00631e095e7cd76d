#include "apps/prefix_decoder.h"

#include <stdlib.h>
#include <string.h>

void ae_prefix_decoder_free(ae_prefix_decoder *p)
{
    free(p->ids);
    memset(p, 0, sizeof *p);
}

/* Puts new ids (B,T) behind what was read; position 0 begins anew. */
static int remember(ae_prefix_decoder *p, const ae_tensor *ids, bool anew)
{
    int64_t b = ids->shape[0], t = ids->shape[1];
    p->length = anew ? 0 : p->length;
    if (b != p->batch || p->length + t > p->capacity) {
        int64_t capacity = 2 * (p->length + t);
        int64_t *larger = malloc((size_t)(b * capacity) * sizeof *larger);
        if (!larger) {
            return -1;
        }
        for (int64_t i = 0; i < b && p->length > 0; i++) {
            memcpy(larger + i * capacity, p->ids + i * p->capacity, (size_t)p->length * sizeof *larger);
        }
        free(p->ids);
        p->ids = larger;
        p->batch = b;
        p->capacity = capacity;
    }
    for (int64_t i = 0; i < b * t; i++) {
        p->ids[i / t * p->capacity + p->length + i % t] = ae_get_i64(ids, i);
    }
    p->length += t;
    return 0;
}

static ae_tensors *batch_of(const ae_prefix_decoder *p)
{
    ae_tensors *batch = ae_tensors_new();
    int64_t shape[2] = {p->batch, p->length};
    ae_tensor *ids = ae_tensor_new(AE_I64, 2, shape, NULL), *mask = ae_tensor_new(AE_I64, 2, shape, NULL);
    for (int64_t i = 0; ids && mask && i < p->batch * p->length; i++) {
        ae_set_i64(ids, i, p->ids[i / p->length * p->capacity + i % p->length]);
        ae_set_i64(mask, i, 1);
    }
    if (!batch || !ids || !mask || ae_tensors_add(batch, "input_ids", ids, NULL) != 0 ||
        ae_tensors_add(batch, "attention_mask", mask, NULL) != 0) {
        ae_tensors_free(batch);
        return NULL;
    }
    return batch;
}

/* The last position's logits (B,V) of logits (B,T,V). */
static ae_tensor *last_logits(ae_graph *g, const ae_tensors *outputs)
{
    const ae_tensor *all = ae_tensors_get(outputs, "logits");
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    if (!all || all->ndim != 3) {
        return ae_fail(g, AE_E_UNSUPPORTED, "the model gives no logits of words");
    }
    ae_tensor *x = ae_input(g, all);
    return ae_contiguous(g, ae_squeeze(g, ae_slice(g, x, 1, -1, INT64_MAX, 1), 1));
}

static ae_tensor *decode(ae_graph *g, const void *self, ae_tensor *ids, ae_tensor *positions, ae_tensor *mask,
                         ae_kv_cache *cache)
{
    ae_prefix_decoder *p = *(ae_prefix_decoder *const *)self;
    (void)mask, (void)cache;
    if (!ae_ok(g) || remember(p, ids, ae_get_i64(positions, 0) == 0) != 0) {
        return ae_fail(g, AE_E_MEMORY, "no memory for %lld tokens", (long long)p->length);
    }
    ae_tensors *batch = batch_of(p), *outputs = ae_tensors_new();
    ae_tensor *y = ae_bad(g);
    if (batch && outputs) {
        ae_bundle_run(p->bundle, g, batch, outputs, false);
        y = last_logits(g, outputs);
    } else {
        ae_fail(g, AE_E_MEMORY, "no memory for %lld tokens", (long long)p->length);
    }
    ae_tensors_free(batch);
    ae_tensors_free(outputs);
    return y;
}

ae_decoder ae_decoder_of(const ae_bundle *bundle, ae_prefix_decoder *p)
{
    if (bundle->row->decoder) {
        return bundle->row->decoder(bundle->self);
    }
    int64_t positions = ae_bundle_positions(bundle);
    p->bundle = bundle;
    p->self = p;
    return (ae_decoder){.fn = decode,
                        .self = &p->self,
                        .layers = 1,
                        .width = 1,
                        .vocab_size = ae_json_int(bundle->config, "vocab_size", 0, NULL),
                        .max_positions = positions > 0 ? positions : INT32_MAX};
}
