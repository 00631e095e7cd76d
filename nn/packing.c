#include "nn/packing.h"
#include "autograd/tape.h"

#include <string.h>

/* Whether position t of sequence b counts. */
typedef bool counts_fn(const void *self, int64_t b, int64_t t);

static const ae_packing *plan(ae_graph *g, int64_t batch, int64_t length, counts_fn *counts, const void *self)
{
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
            if (counts(self, b, t)) {
                rows[n++] = b * length + t;
            }
        }
    }
    offsets[batch] = n;
    *p = (ae_packing){batch, length, n, offsets, ae_from_data(g, AE_I64, 1, &n, rows)};
    return ae_ok(g) ? p : NULL;
}

static bool is_real(const void *self, int64_t b, int64_t t)
{
    const ae_tensor *attention_mask = self;
    return ae_get_f64(attention_mask, b * attention_mask->shape[1] + t) != 0.0;
}

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
    return plan(g, attention_mask->shape[0], attention_mask->shape[1], is_real, attention_mask);
}

static bool always(const void *self, int64_t b, int64_t t)
{
    (void)self, (void)b, (void)t;
    return true;
}

const ae_packing *ae_packing_whole(ae_graph *g, int64_t batch, int64_t length)
{
    return ae_ok(g) ? plan(g, batch, length, always, NULL) : NULL;
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

/* Which positions of a batch are read, and where its packed rows stand. */
struct read_positions {
    const ae_reading *reading;
    const uint8_t *real; /* (B,T) */
    int64_t length;
};

static bool is_read(const void *self, int64_t b, int64_t t)
{
    const struct read_positions *r = self;
    const ae_reading *reading = r->reading;
    int64_t at = b * r->length + t;
    bool labelled = reading->labels && ae_get_i64(reading->labels, at) != reading->ignore;
    return r->real[at] && (labelled || (reading->first && t == 0));
}

/* Where the rows of `part` stand among those of `whole`, both rising. */
static ae_tensor *rows_within(ae_graph *g, const ae_packing *part, const ae_packing *whole)
{
    ae_tensor *rows = ae_zeros(g, AE_I64, 1, &part->count);
    for (int64_t i = 0, k = 0; i < part->count && ae_ok(g); i++) {
        int64_t at = ae_get_i64(part->rows, i);
        for (; ae_get_i64(whole->rows, k) != at; k++) {
        }
        ae_set_i64(rows, i, k);
    }
    return rows;
}

ae_queries ae_packing_read(ae_graph *g, const ae_packing *p, const ae_reading *reading)
{
    const ae_tensor *labels = reading->labels;
    if (!ae_ok(g) || !p) {
        return (ae_queries){0};
    }
    if (labels &&
        (labels->ndim != 2 || !labels->data || labels->shape[0] != p->batch || labels->shape[1] != p->length)) {
        char text[AE_SHAPE_TEXT_MAX];
        ae_fail(g, AE_E_SHAPE, "labels are %s; the batch is %lld x %lld",
                ae_shape_text(labels->ndim, labels->shape, text), (long long)p->batch, (long long)p->length);
        return (ae_queries){0};
    }
    uint8_t *real = ae_arena(g, (size_t)(p->batch * p->length + 1)); /* zeroed */
    for (int64_t i = 0; real && i < p->count; i++) {
        real[ae_get_i64(p->rows, i)] = 1;
    }
    struct read_positions positions = {reading, real, p->length};
    const ae_packing *part = real ? plan(g, p->batch, p->length, is_read, &positions) : NULL;
    if (!part) {
        return (ae_queries){0};
    }
    return (ae_queries){rows_within(g, part, p), part, ae_mask_packed_cross(g, p->batch, part->offsets, p->offsets)};
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
