/* A batch under the names of data sets or of UER-py. */
#include "zoo/composed_internal.h"

static int64_t at(const ae_tensor *t, int64_t i, int64_t otherwise)
{
    return t ? ae_get_i64(t, i) : otherwise;
}

static bool same_shape(const ae_tensor *t, const ae_tensor *ids)
{
    return t->ndim == 2 && t->shape[0] == ids->shape[0] && t->shape[1] == ids->shape[1];
}

static int check(ae_graph *g, const ae_tensor *ids, const char *name, const ae_tensor *other, const char *other_name)
{
    char a[AE_SHAPE_TEXT_MAX], b[AE_SHAPE_TEXT_MAX];
    if (!ae_ok(g)) {
        return -1;
    }
    if (ids->ndim != 2 || ids->shape[0] < 1 || ids->shape[1] < 1) {
        ae_fail(g, AE_E_SHAPE, "composed: %s is %s; it must be (batch, tokens)", name,
                ae_shape_text(ids->ndim, ids->shape, a));
    } else if (other && !same_shape(other, ids)) {
        ae_fail(g, AE_E_SHAPE, "composed: %s is %s, but %s is %s", other_name,
                ae_shape_text(other->ndim, other->shape, a), name, ae_shape_text(ids->ndim, ids->shape, b));
    }
    return ae_ok(g) ? 0 : -1;
}

/* What the segments say: which tokens are real, and how many of them each row begins with. */
static void read_segments(ae_graph *g, struct ae_composed_batch *b, ae_tensor *segments)
{
    int64_t rows = segments->shape[0], n = segments->shape[1];
    ae_tensor *mask = ae_zeros(g, AE_I64, 2, segments->shape), *real = ae_zeros(g, AE_I64, 1, &rows);
    bool padded = false;
    for (int64_t i = 0; i < rows && ae_ok(g); i++) {
        int64_t length = 0;
        for (int64_t k = 0; k < n; k++) {
            bool is_real = ae_get_i64(segments, i * n + k) != 0;
            if (is_real && length < k) {
                ae_fail(g, AE_E_VALUE,
                        "composed: row %lld of the batch has padding before token %lld; texts begin at "
                        "the front",
                        (long long)i, (long long)k);
                return;
            }
            length += is_real;
            ae_set_i64(mask, i * n + k, is_real);
        }
        ae_set_i64(real, i, length);
        padded = padded || length < n;
    }
    b->tokens.segments = segments;
    b->tokens.attention_mask = padded ? mask : NULL;
    b->real = padded ? real : NULL;
}

/* Segments of a data set's batch: token_type_ids count from 0, and padding is what the mask hides. */
static ae_tensor *number_segments(ae_graph *g, const ae_tensor *ids, const ae_tensor *mask, const ae_tensor *types)
{
    ae_tensor *segments = ae_zeros(g, AE_I64, 2, ids->shape);
    for (int64_t i = 0; i < ae_numel(ids) && ae_ok(g); i++) {
        ae_set_i64(segments, i, at(mask, i, 1) != 0 ? 1 + at(types, i, 0) : 0);
    }
    return segments;
}

/* Segments of texts that come with lengths (B). */
static ae_tensor *segments_by_lengths(ae_graph *g, const ae_tensor *ids, const ae_tensor *lengths, const char *name)
{
    int64_t rows = ids->shape[0], n = ids->shape[1];
    ae_tensor *segments = ae_zeros(g, AE_I64, 2, ids->shape);
    if (ae_ok(g) && lengths && (lengths->ndim != 1 || lengths->shape[0] != rows)) {
        char a[AE_SHAPE_TEXT_MAX];
        ae_fail(g, AE_E_SHAPE, "composed: %s is %s; it must hold the lengths of %lld texts", name,
                ae_shape_text(lengths->ndim, lengths->shape, a), (long long)rows);
    }
    for (int64_t i = 0; i < rows && ae_ok(g); i++) {
        int64_t length = at(lengths, i, n);
        if (length < 1 || length > n) {
            ae_fail(g, AE_E_VALUE, "composed: %s holds %lld for text %lld; lengths are in 1..%lld", name,
                    (long long)length, (long long)i, (long long)n);
        }
        for (int64_t k = 0; k < length && ae_ok(g); k++) {
            ae_set_i64(segments, i * n + k, 1);
        }
    }
    return segments;
}

struct ae_composed_batch ae_composed_read_batch(const struct ae_composed *c, ae_io *io, int which)
{
    static const char *const ids_names[] = {"input_ids", "s1_ids", "s2_ids"};
    static const char *const lengths_names[] = {"", "s1_lengths", "s2_lengths"};
    ae_graph *g = io->graph;
    struct ae_composed_batch b = {.uer = which == 0 && ae_tensors_get(io->inputs, "src")};
    const char *name = b.uer ? "src" : ids_names[which];
    ae_tensor *ids = ae_io_get(io, name), *segments = NULL;
    b.tokens.ids = ids;
    if (which > 0) {
        ae_tensor *lengths = ae_io_optional(io, lengths_names[which]);
        segments =
            check(g, ids, name, NULL, NULL) == 0 ? segments_by_lengths(g, ids, lengths, lengths_names[which]) : NULL;
    } else if (b.uer) {
        segments = ae_io_get(io, "seg");
        check(g, ids, name, segments, "seg");
    } else {
        ae_tensor *mask = ae_io_optional(io, "attention_mask"), *types = ae_io_optional(io, "token_type_ids");
        if (check(g, ids, name, mask, "attention_mask") == 0 && check(g, ids, name, types, "token_type_ids") == 0) {
            segments = number_segments(g, ids, mask, types);
        }
    }
    if (!ae_ok(g)) {
        return b;
    }
    bool packs = c->pack == AE_PACK_ALWAYS || (c->pack == AE_PACK_BY_NAMES && !b.uer);
    read_segments(g, &b, segments);
    b.tokens.lengths = packs ? b.real : NULL;
    b.tokens.packed = packs && io->packed;
    b.weights = packs ? NULL : ae_cast(g, segments, AE_F32);
    return b;
}
