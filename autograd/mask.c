#include "autograd/attention.h"
#include "autograd/tape.h"

#include <string.h>

static ae_mask *mask_new(ae_graph *g, ae_mask_kind kind)
{
    ae_mask *m = ae_arena(g, sizeof *m);
    if (m) {
        m->kind = kind;
    }
    return m;
}

/* Reads (B,S) or (B,T,S) into bytes; hides nothing when every entry is set, which keeps the fast paths free of
 * look-ups. */
static int read_keep(ae_graph *g, ae_mask *m, const ae_tensor *t)
{
    char text[AE_SHAPE_TEXT_MAX];
    if ((t->ndim != 2 && t->ndim != 3) || !t->data) {
        ae_fail(g, AE_E_SHAPE, "mask: attention_mask is %s; it must be (batch, keys) or (batch, queries, keys)",
                ae_shape_text(t->ndim, t->shape, text));
        return -1;
    }
    int64_t n = ae_numel(t);
    uint8_t *keep = ae_arena(g, (size_t)n + 1);
    if (!keep) {
        return -1;
    }
    bool all = true;
    for (int64_t i = 0; i < n; i++) {
        keep[i] = ae_get_f64(t, i) != 0.0;
        all = all && keep[i];
    }
    m->sequences = t->shape[0];
    m->queries = t->ndim == 3 ? t->shape[1] : 0;
    m->keys = t->shape[t->ndim - 1];
    m->keep = all ? NULL : keep;
    return 0;
}

static const ae_mask *with_keep(ae_graph *g, ae_mask_kind kind, const ae_tensor *attention_mask)
{
    ae_mask *m = mask_new(g, kind);
    if (m && attention_mask && ae_ok(g)) {
        read_keep(g, m, attention_mask);
    }
    return m;
}

const ae_mask *ae_mask_full(ae_graph *g)
{
    return mask_new(g, AE_MASK_FULL);
}

const ae_mask *ae_mask_padding(ae_graph *g, const ae_tensor *attention_mask)
{
    return with_keep(g, AE_MASK_FULL, attention_mask);
}

const ae_mask *ae_mask_causal(ae_graph *g, const ae_tensor *attention_mask)
{
    return with_keep(g, AE_MASK_CAUSAL, attention_mask);
}

const ae_mask *ae_mask_prefix(ae_graph *g, const ae_tensor *prefix_lengths, const ae_tensor *attention_mask)
{
    ae_mask *m = (ae_mask *)(uintptr_t)with_keep(g, AE_MASK_PREFIX, attention_mask);
    int64_t n = prefix_lengths->ndim == 1 ? prefix_lengths->shape[0] : -1;
    if (!m || !ae_ok(g)) {
        return m;
    }
    if (n < 0 || (m->sequences && m->sequences != n) || !prefix_lengths->data) {
        ae_fail(g, AE_E_SHAPE, "mask: prefix_lengths must hold one number a sequence");
        return m;
    }
    int64_t *prefix = ae_arena(g, (size_t)(n + 1) * sizeof *prefix);
    for (int64_t i = 0; prefix && i < n; i++) {
        prefix[i] = ae_get_i64(prefix_lengths, i);
    }
    m->prefix = prefix;
    m->sequences = n;
    return m;
}

/* A copy of n + 1 offsets, which rise from 0. */
static const int64_t *copy_offsets(ae_graph *g, int64_t n, const int64_t *offsets)
{
    int64_t *copy = ae_arena(g, (size_t)(n + 1) * sizeof *copy);
    if (!copy) {
        return NULL;
    }
    memcpy(copy, offsets, (size_t)(n + 1) * sizeof *copy);
    for (int64_t i = 0; i <= n; i++) {
        if (copy[i] < (i ? copy[i - 1] : 0) || (i == 0 && copy[0] != 0)) {
            ae_fail(g, AE_E_VALUE, "mask: offset %lld of a packed batch is %lld; offsets rise from 0", (long long)i,
                    (long long)copy[i]);
            break;
        }
    }
    return copy;
}

const ae_mask *ae_mask_packed(ae_graph *g, ae_mask_kind kind, int64_t n, const int64_t *offsets)
{
    ae_mask *m = mask_new(g, kind);
    const int64_t *copy = copy_offsets(g, n, offsets);
    if (m && copy) {
        m->sequences = n;
        m->q_offsets = copy;
        m->k_offsets = copy;
    }
    return m;
}

const ae_mask *ae_mask_packed_cross(ae_graph *g, int64_t n, const int64_t *q_offsets, const int64_t *k_offsets)
{
    ae_mask *m = mask_new(g, AE_MASK_FULL);
    const int64_t *queries = copy_offsets(g, n, q_offsets), *keys = copy_offsets(g, n, k_offsets);
    if (m && queries && keys) {
        m->sequences = n;
        m->q_offsets = queries;
        m->k_offsets = keys;
    }
    return m;
}

const ae_mask *ae_mask_with_bias(ae_graph *g, const ae_mask *mask, ae_tensor *bias)
{
    ae_mask *m = mask_new(g, AE_MASK_FULL);
    if (!m || !mask || !ae_ok(g)) {
        return m;
    }
    if (mask->q_offsets) {
        ae_fail(g, AE_E_UNSUPPORTED, "mask: a packed batch takes no additive bias; pad it");
        return m;
    }
    *m = *mask;
    m->bias = bias;
    return m;
}
