#include "nn/packing.h"
#include "autograd/tape.h"

#include <string.h>

const ae_packing *ae_packing_plan(ae_graph *g, const ae_tensor *attention_mask)
{
    char text[AE_SHAPE_TEXT_MAX];
    if (!ae_ok(g)) {
        return NULL;
    }
    if (attention_mask->ndim != 2 || !attention_mask->data) {
        ae_fail(g, AE_E_SHAPE, "packing: attention_mask is %s; it must be (batch, length)",
                ae_shape_text(attention_mask->ndim, attention_mask->shape, text));
        return NULL;
    }
    int64_t batch = attention_mask->shape[0], length = attention_mask->shape[1];
    ae_packing *p = ae_arena(g, sizeof *p);
    int64_t *offsets = ae_arena(g, (size_t)(batch + 1) * sizeof *offsets);
    int64_t *rows = ae_arena(g, (size_t)(batch * length + 1) * sizeof *rows);
    if (!p || !offsets || !rows) {
        return NULL;
    }
    int64_t n = 0;
    for (int64_t b = 0; b < batch; b++) {
        offsets[b] = n;
        for (int64_t t = 0; t < length; t++) {
            if (ae_get_f64(attention_mask, b * length + t) != 0.0) {
                rows[n++] = b * length + t;
            }
        }
    }
    offsets[batch] = n;
    *p = (ae_packing){batch, length, n, offsets, ae_from_data(g, AE_I64, 1, &n, rows)};
    return ae_ok(g) ? p : NULL;
}

bool ae_begins_real(const ae_tensor *attention_mask)
{
    int64_t rows = attention_mask->ndim == 2 && attention_mask->data ? attention_mask->shape[0] : 0;
    for (int64_t b = 0; b < rows && attention_mask->shape[1] > 0; b++) {
        if (ae_get_f64(attention_mask, b * attention_mask->shape[1]) == 0.0) {
            return false;
        }
    }
    return true;
}

/* The shape of x with its first `drop` axes replaced by the given ones. */
static int reshaped(const ae_tensor *x, int drop, int n, const int64_t *lead, int64_t *shape)
{
    memcpy(shape, lead, (size_t)n * sizeof *lead);
    memcpy(shape + n, x->shape + drop, (size_t)(x->ndim - drop) * sizeof *shape);
    return n + x->ndim - drop;
}

ae_tensor *ae_pack(ae_graph *g, const ae_packing *p, ae_tensor *x)
{
    int64_t shape[AE_MAX_DIMS];
    if (!ae_ok(g) || !p) {
        return ae_bad(g);
    }
    ae_frame f = ae_frame_open(g);
    int ndim = reshaped(x, 2, 1, (int64_t[]){p->batch * p->length}, shape);
    return ae_frame_return(f, ae_index_select(g, ae_reshape(g, x, ndim, shape), 0, p->rows));
}

ae_tensor *ae_unpack(ae_graph *g, const ae_packing *p, ae_tensor *x)
{
    int64_t shape[AE_MAX_DIMS];
    if (!ae_ok(g) || !p) {
        return ae_bad(g);
    }
    ae_frame f = ae_frame_open(g);
    int ndim = reshaped(x, 1, 1, (int64_t[]){p->batch * p->length}, shape);
    ae_tensor *flat = ae_index_add(g, ae_zeros(g, x->dtype, ndim, shape), 0, p->rows, x);
    ndim = reshaped(x, 1, 2, (int64_t[]){p->batch, p->length}, shape);
    return ae_frame_return(f, ae_reshape(g, flat, ndim, shape));
}

const ae_mask *ae_packing_mask(ae_graph *g, const ae_packing *p, ae_mask_kind kind)
{
    return p && ae_ok(g) ? ae_mask_packed(g, kind, p->batch, p->offsets) : NULL;
}

ae_tensor *ae_labelled_rows(ae_graph *g, ae_tensor *states, const ae_tensor *labels, int64_t ignore,
                            ae_tensor **targets)
{
    *targets = ae_bad(g);
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    int64_t n = ae_numel(labels), count = 0, width = ae_dim(states, -1);
    if (states->ndim != labels->ndim + 1 || !labels->data || width <= 0 || ae_numel(states) / width != n) {
        char a[AE_SHAPE_TEXT_MAX], b[AE_SHAPE_TEXT_MAX];
        return ae_fail(g, AE_E_SHAPE, "labels are %s; states %s must have one row for each",
                       ae_shape_text(labels->ndim, labels->shape, a), ae_shape_text(states->ndim, states->shape, b));
    }
    int64_t *rows = ae_arena(g, (size_t)(2 * n + 2) * sizeof *rows);
    for (int64_t i = 0; rows && i < n; i++) {
        int64_t label = ae_get_i64(labels, i);
        if (label != ignore) {
            rows[count] = i;
            rows[n + count++] = label;
        }
    }
    if (!rows) {
        return ae_bad(g);
    }
    *targets = ae_from_data(g, AE_I64, 1, &count, rows + n);
    ae_tensor *flat = ae_reshape(g, states, 2, (int64_t[]){n, width});
    return ae_index_select(g, flat, 0, ae_from_data(g, AE_I64, 1, &count, rows));
}
