/* Whole slices along one axis by ids: embedding, index_select, and the transpose of both. */
#include "autograd/ids.h"
#include "autograd/ops.h"
#include "autograd/tape.h"
#include "autograd/wide.h"
#include "tensor/kernels.h"

#include <string.h>

typedef struct select_attr {
    int axis;
    int64_t extent; /* of that axis */
    int64_t blank;  /* slices of this id read as zeros; -1: none */
    int64_t skip;   /* slices of this id get no gradient; -1: none */
} select_attr;

/* ---- the kernel of look-up ----------------------------------------------------------------------------------------- */

static int64_t product(const int64_t *shape, int from, int to)
{
    int64_t n = 1;
    for (int i = from; i < to; i++) {
        n *= shape[i];
    }
    return n;
}

/* Whether the axes behind `axis` lie densely. */
static bool inner_is_dense(const ae_tensor *x, int axis)
{
    int64_t step = 1;
    for (int i = x->ndim - 1; i > axis; i--) {
        if (x->shape[i] != 1 && x->strides[i] != step) {
            return false;
        }
        step *= x->shape[i];
    }
    return true;
}

static int64_t outer_offset(const ae_tensor *x, int axis, int64_t index)
{
    int64_t offset = 0;
    for (int i = axis - 1; i >= 0; i--) {
        offset += index % x->shape[i] * x->strides[i];
        index /= x->shape[i];
    }
    return offset;
}

static void copy_slice(char *to, const char *from, size_t bytes)
{
    if (bytes == 4) {
        memcpy(to, from, 4);
    } else if (bytes == 8) {
        memcpy(to, from, 8);
    } else {
        memcpy(to, from, bytes);
    }
}

static int select_forward(ae_call *c)
{
    const select_attr *a = c->attr;
    ae_tensor *y = c->out[0];
    const int64_t *ids = ae_ids(c, 1, a->extent, 0, a->axis);
    if (!ids) {
        return -1;
    }
    const ae_tensor *x = inner_is_dense(c->in[0], a->axis) ? c->in[0] : ae_dense(c->graph, c->in[0]);
    if (!ae_ok(c->graph)) {
        return -1;
    }
    int64_t outer = product(x->shape, 0, a->axis), inner = product(x->shape, a->axis + 1, x->ndim);
    int64_t n = ae_numel(c->in[1]), total = outer * n;
    size_t size = ae_dtype_size(x->dtype), bytes = (size_t)inner * size;
#pragma omp parallel for schedule(static) if (total * inner > 32768)
    for (int64_t t = 0; t < total; t++) {
        int64_t id = ids[t % n];
        char *to = (char *)y->data + (size_t)t * bytes;
        if (id == a->blank) {
            memset(to, 0, bytes);
        } else {
            int64_t offset = outer_offset(x, a->axis, t / n) + id * x->strides[a->axis];
            copy_slice(to, (const char *)x->data + offset * (int64_t)size, bytes);
        }
    }
    return 0;
}

static int select_shape(ae_call *c)
{
    char text[AE_DESCRIBE_MAX];
    const select_attr *a = c->attr;
    const ae_tensor *x = c->in[0], *ids = c->in[1];
    int64_t shape[AE_MAX_DIMS];
    int behind = x->ndim - a->axis - 1, n = a->axis + ids->ndim + behind;
    if (ae_ids_check_dtype(c, 1) != 0) {
        return -1;
    }
    if (n > AE_MAX_DIMS) {
        return ae_call_fail(c, AE_E_SHAPE, "%s at ids of rank %d would have %d axes; at most %d are possible",
                            ae_call_describe(c, 0, text), ids->ndim, n, AE_MAX_DIMS);
    }
    memcpy(shape, x->shape, (size_t)a->axis * sizeof *shape);
    memcpy(shape + a->axis, ids->shape, (size_t)ids->ndim * sizeof *shape);
    memcpy(shape + a->axis + ids->ndim, x->shape + a->axis + 1, (size_t)behind * sizeof *shape);
    ae_call_out(c, 0, x->dtype, n, shape);
    return 0;
}

static int sum_by_id(ae_call *c, const select_attr *a, ae_tensor *x, ae_tensor *y, bool add);
static bool sum_into_rows(ae_call *c, const select_attr *a, ae_tensor *x);

static void select_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    const select_attr *a = c->attr;
    select_attr back = {a->axis, a->extent, -1, a->skip >= 0 ? a->skip : a->blank};
    if (a->axis == 0 && ae_call_takes_rows(c, 0) && sum_into_rows(c, &back, gout[0])) {
        return;
    }
    ae_tensor *sum = ae_ok(c->graph) ? ae_call_sum(c, 0) : NULL;
    if (sum && sum->dtype == AE_F32) { /* a tied table: only the rows that were looked up are touched */
        gin[0] = sum_by_id(c, &back, gout[0], sum, true) == 0 ? sum : NULL;
        return;
    }
    gin[0] = ae_apply(c->graph, &ae_op_index_sum, (ae_tensor *[]){gout[0], c->in[1]}, 2, &back, sizeof back);
}

/* ---- embedding ----------------------------------------------------------------------------------------------------- */

static void embedding_sample(ae_sample *s)
{
    static const char *const tables[] = {"5,3", "4,2", "5,3", "70,300", "3,520"};
    static const char *const ids[] = {"4", "2,3", "", "40", "2,9"};
    static const int64_t rows[] = {5, 4, 5, 70, 3};
    int v = s->variant; /* the row without gradient only where nothing compares with differences */
    ae_tensor *table = ae_sample_in(s, tables[v], -2, 2);
    s->out[0] = ae_f_embedding(s->graph, table, ae_sample_ids(s, ids[v], 0, rows[v]), v == 4 ? 1 : -1);
}

const ae_op ae_op_embedding = {
    .name = "embedding",
    .formula = "table[ids]",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .needs = {AE_IN(1)},
    .shape = select_shape,
    .forward = select_forward,
    .vjp = select_vjp,
    .sample = embedding_sample,
    .samples = 3,
    .big_samples = 2,
};

ae_tensor *ae_f_embedding(ae_graph *g, ae_tensor *table, ae_tensor *ids, int64_t padding_idx)
{
    char text[AE_SHAPE_TEXT_MAX];
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    if (table->ndim != 2) {
        return ae_fail(g, AE_E_SHAPE, "embedding: the table is (V,H), two axes; %s is %s",
                       table->name ? table->name : "this one", ae_shape_text(table->ndim, table->shape, text));
    }
    if (padding_idx < -1 || padding_idx >= table->shape[0]) {
        return ae_fail(g, AE_E_VALUE, "embedding: padding_idx %lld is no row of %s %s; -1 means none",
                       (long long)padding_idx, table->name ? table->name : "the table",
                       ae_shape_text(table->ndim, table->shape, text));
    }
    select_attr a = {0, table->shape[0], -1, padding_idx};
    return ae_apply(g, &ae_op_embedding, (ae_tensor *[]){table, ids}, 2, &a, sizeof a);
}

/* ---- index_select -------------------------------------------------------------------------------------------------- */

static void index_select_sample(ae_sample *s)
{
    static const char *const shapes[] = {"4", "3,4", "2,3,4", "2,3,4", "4,60,3", "9,400"};
    static const char *const ids[] = {"6", "2,2", "5", "", "70", "300"};
    static const int axes[] = {0, -1, 1, 0, 1, 1};
    static const int64_t extents[] = {4, 4, 3, 2, 60, 400};
    int v = s->variant;
    ae_tensor *x = ae_sample_in(s, shapes[v], -2, 2);
    s->out[0] = ae_index_select(s->graph, x, axes[v], ae_sample_ids(s, ids[v], 0, extents[v]));
}

const ae_op ae_op_index_select = {
    .name = "index_select",
    .formula = "x[..., ids, ...]: slices along an axis",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .needs = {AE_IN(1)},
    .shape = select_shape,
    .forward = select_forward,
    .vjp = select_vjp,
    .sample = index_select_sample,
    .samples = 4,
    .big_samples = 2,
};

static ae_tensor *no_axis(ae_graph *g, const char *op, const ae_tensor *x, int axis)
{
    char text[AE_SHAPE_TEXT_MAX];
    return ae_fail(g, AE_E_VALUE, "%s: axis %d of %s %s does not exist", op, axis, x->name ? x->name : "a tensor",
                   ae_shape_text(x->ndim, x->shape, text));
}

ae_tensor *ae_index_select(ae_graph *g, ae_tensor *x, int axis, ae_tensor *ids)
{
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    int k = ae_axis(axis, x->ndim);
    if (k < 0) {
        return no_axis(g, "index_select", x, axis);
    }
    select_attr a = {k, x->shape[k], -1, -1};
    return ae_apply(g, &ae_op_index_select, (ae_tensor *[]){x, ids}, 2, &a, sizeof a);
}

/* ---- index_sum: zeros with y[..., ids, ...] += x ------------------------------------------------------------------- */

/* The places of each id one after the other, in their order: those of id r are order[starts[r] .. starts[r + 1]). */
static void order_by_id(const int64_t *ids, int64_t n, int64_t extent, int64_t skip, int64_t *starts, int64_t *order)
{
    memset(starts, 0, (size_t)(extent + 1) * sizeof *starts);
    for (int64_t i = 0; i < n; i++) {
        starts[ids[i]] += ids[i] != skip;
    }
    int64_t sum = 0;
    for (int64_t r = 0; r <= extent; r++) {
        sum += starts[r];
        starts[r] = sum;
    }
    for (int64_t i = n - 1; i >= 0; i--) {
        if (ids[i] != skip) {
            order[--starts[ids[i]]] = i;
        }
    }
}

/* The sum of slices of f32 in double, beginning from what y holds when `add`. Slices that follow each other in memory
 * go by the kernel. */
static void sum_floats(const float *x, int64_t inner, const int64_t *order, int64_t count, float *y, int64_t n,
                       bool add)
{
    double sum[AE_WIDE];
    const ae_kernels *f = ae_kernels_get();
    for (int64_t j = 0; j < n; j++) {
        sum[j] = add ? (double)y[j] : 0.0;
    }
    for (int64_t k = 0, run; k < count; k += run) {
        for (run = 1; k + run < count && order[k + run] == order[k] + run; run++) {
        }
        f->column_sums(x + order[k] * inner, inner, run, n, sum);
    }
    ae_wide_store(AE_F32, sum, y, 1, n);
}

/* One stretch of one result slice: the sum of the slices in `order`, always in that order. Only f32 is added to. */
static void sum_slices(ae_dtype dtype, const char *x, int64_t inner, const int64_t *order, int64_t count, char *y,
                       int64_t n, bool add)
{
    size_t size = ae_dtype_size(dtype);
    if (count == 0) {
        memset(y, 0, add ? 0 : (size_t)n * size);
    } else if (count == 1 && !add) {
        memcpy(y, x + order[0] * inner * (int64_t)size, (size_t)n * size);
    } else if (dtype == AE_F32) {
        sum_floats((const float *)(const void *)x, inner, order, count, (float *)(void *)y, n, add);
    } else if (ae_dtype_is_float(dtype)) {
        double sum[AE_WIDE], next[AE_WIDE];
        memset(sum, 0, (size_t)n * sizeof *sum);
        for (int64_t k = 0; k < count; k++) {
            ae_wide_load(dtype, x + order[k] * inner * (int64_t)size, 1, n, next);
            for (int64_t j = 0; j < n; j++) {
                sum[j] += next[j];
            }
        }
        ae_wide_store(dtype, sum, y, 1, n);
    } else {
        int64_t sum[AE_WIDE] = {0}, next[AE_WIDE];
        for (int64_t k = 0; k < count; k++) {
            ae_wide_load_int(dtype, x + order[k] * inner * (int64_t)size, 1, n, next);
            for (int64_t j = 0; j < n; j++) {
                sum[j] = (int64_t)((uint64_t)sum[j] + (uint64_t)next[j]);
            }
        }
        ae_wide_store_int(dtype, sum, y, 1, n);
    }
}

/* Slices of x grouped by where they go: those of group r are order[starts[r] .. starts[r + 1]). */
typedef struct slice_groups {
    int64_t groups, n; /* n: slices of x for each outer index */
    const int64_t *starts, *order;
} slice_groups;

/* y[o, r] (+)= the slices of group r. A task is one stretch of one result slice, so the bits do not depend on the
 * number of threads. */
static void sum_groups(const slice_groups *s, const ae_tensor *x, int64_t outer, int64_t inner, char *y, bool add)
{
    int64_t stretches = (inner + AE_WIDE - 1) / AE_WIDE, tasks = outer * s->groups * stretches;
    int64_t size = (int64_t)ae_dtype_size(x->dtype), chunk = tasks / 64 + 1;
#pragma omp parallel for schedule(dynamic, chunk) if (outer * (s->groups + s->n) * inner > 32768)
    for (int64_t t = 0; t < tasks; t++) {
        int64_t from = t % stretches * AE_WIDE, slice = t / stretches;
        int64_t o = slice / s->groups, r = slice % s->groups;
        int64_t m = inner - from < AE_WIDE ? inner - from : AE_WIDE;
        const char *src = (const char *)x->data + (o * s->n * inner + from) * size;
        sum_slices(x->dtype, src, inner, s->order + s->starts[r], s->starts[r + 1] - s->starts[r],
                   y + (slice * inner + from) * size, m, add);
    }
}

/* y[..., ids, ...] (+)= the slices of x, ids being input 1 of c. */
static int sum_by_id(ae_call *c, const select_attr *a, ae_tensor *x, ae_tensor *y, bool add)
{
    ae_graph *g = c->graph;
    const int64_t *ids = ae_ids(c, 1, a->extent, -1, 0);
    int64_t n = ae_numel(c->in[1]);
    x = ae_dense(g, x);
    ae_tensor *starts = ae_empty(g, AE_I64, 1, (int64_t[]){a->extent + 1});
    ae_tensor *order = ae_empty(g, AE_I64, 1, &n);
    if (!ae_ok(g)) {
        return -1;
    }
    order_by_id(ids, n, a->extent, a->skip, starts->data, order->data);
    slice_groups s = {a->extent, n, starts->data, order->data};
    sum_groups(&s, x, product(y->shape, 0, a->axis), product(y->shape, a->axis + 1, y->ndim), y->data, add);
    return 0;
}

/* ---- the same into the rows of a table's gradient ------------------------------------------------------------------ */

/* The places of the ids in rising order of ids, and of one id in their own: radix sort, 11 bits a pass, between order
 * and spare. Returns the one of the two that holds them; *n becomes how many are not `skip`. */
static int64_t *sort_places(const int64_t *ids, int64_t *n, int64_t extent, int64_t skip, int64_t *order,
                            int64_t *spare)
{
    enum { BITS = 11, DIGITS = 1 << BITS };
    int64_t kept = 0;
    for (int64_t i = 0; i < *n; i++) {
        order[kept] = i;
        kept += ids[i] != skip;
    }
    *n = kept;
    for (int shift = 0; shift < 63 && (extent - 1) >> shift > 0; shift += BITS) {
        int64_t before[DIGITS + 1] = {0};
        for (int64_t i = 0; i < kept; i++) {
            before[(ids[order[i]] >> shift & (DIGITS - 1)) + 1]++;
        }
        for (int d = 0; d < DIGITS; d++) {
            before[d + 1] += before[d];
        }
        for (int64_t i = 0; i < kept; i++) {
            spare[before[ids[order[i]] >> shift & (DIGITS - 1)]++] = order[i];
        }
        int64_t *t = order;
        order = spare;
        spare = t;
    }
    return order;
}

/* Rows for the ids looked up and those that `old` has: theirs copied, the others zero where something is added to them.
 * starts: of the places of each row's id. NULL without memory. */
static ae_row_gradient *rows_for(ae_graph *g, const int64_t *ids, const slice_groups *s, const ae_row_gradient *old,
                                 int64_t width, int64_t *starts)
{
    ae_row_gradient *r = ae_row_gradient_new(g->pool, s->groups, width);
    int64_t kept = old ? old->count : 0;
    for (int64_t i = 0, k = 0, row = 0; r && row < r->count; row++) {
        int64_t id = i < s->n ? ids[s->order[i]] : INT64_MAX;
        bool has = k < kept && old->ids[k] <= id;
        r->ids[row] = has ? old->ids[k] : id;
        starts[row] = i;
        if (has) {
            memcpy(r->values + row * width, old->values + k++ * width, (size_t)width * sizeof(float));
        } else if (old) {
            memset(r->values + row * width, 0, (size_t)width * sizeof(float));
        }
        while (i < s->n && ids[s->order[i]] == r->ids[row]) {
            i++;
        }
    }
    starts[s->groups] = s->n;
    return r;
}

/* How many rows rows_for will need. */
static int64_t count_rows(const int64_t *ids, const slice_groups *s, const ae_row_gradient *old)
{
    int64_t count = 0, kept = old ? old->count : 0;
    for (int64_t i = 0, k = 0; i < s->n || k < kept; count++) {
        int64_t id = i < s->n ? ids[s->order[i]] : INT64_MAX, row = k < kept && old->ids[k] < id ? old->ids[k] : id;
        k += k < kept && old->ids[k] == row;
        while (i < s->n && ids[s->order[i]] == row) {
            i++;
        }
    }
    return count;
}

/* Leaves the slices of x, summed by id, in the rows of input 0's slot, with the bits that the whole table would get;
 * false when it failed, and when the rows would be too many. */
static bool sum_into_rows(ae_call *c, const select_attr *a, ae_tensor *x)
{
    ae_graph *g = c->graph;
    ae_slot *slot = c->in[0]->slot;
    const int64_t *ids = ae_ids(c, 1, a->extent, -1, 0);
    int64_t n = ae_numel(c->in[1]), width = c->in[0]->shape[1];
    x = ae_dense(g, x);
    ae_tensor *order = ae_empty(g, AE_I64, 1, &n), *spare = ae_empty(g, AE_I64, 1, &n);
    if (!ae_ok(g)) {
        return false;
    }
    slice_groups s = {.n = n};
    s.order = sort_places(ids, &s.n, a->extent, a->skip, order->data, spare->data);
    s.groups = count_rows(ids, &s, slot->rows);
    if (!ae_row_gradient_pays(s.groups, a->extent)) {
        return false;
    }
    ae_tensor *starts = ae_empty(g, AE_I64, 1, (int64_t[]){s.groups + 1});
    ae_row_gradient *rows = ae_ok(g) ? rows_for(g, ids, &s, slot->rows, width, starts->data) : NULL;
    if (!rows) {
        ae_fail(g, AE_E_MEMORY, "no memory for the gradient of looked up rows");
        return false;
    }
    s.starts = starts->data;
    sum_groups(&s, x, 1, width, (char *)rows->values, slot->rows != NULL);
    ae_row_gradient_free(slot->rows);
    slot->rows = rows;
    return true;
}

static int index_sum_forward(ae_call *c)
{
    return sum_by_id(c, c->attr, c->in[0], c->out[0], false);
}

static int index_sum_shape(ae_call *c)
{
    char x_text[AE_DESCRIBE_MAX], ids_text[AE_DESCRIBE_MAX];
    const select_attr *a = c->attr;
    const ae_tensor *x = c->in[0], *ids = c->in[1];
    int64_t shape[AE_MAX_DIMS];
    int behind = x->ndim - a->axis - ids->ndim;
    if (ae_ids_check_dtype(c, 1) != 0) {
        return -1;
    }
    for (int i = 0; i < ids->ndim && behind >= 0; i++) {
        behind = x->shape[a->axis + i] == ids->shape[i] ? behind : -1;
    }
    if (behind < 0) {
        return ae_call_fail(c, AE_E_SHAPE, "the axes of %s from %d on are not those of the ids %s",
                            ae_call_describe(c, 0, x_text), a->axis, ae_call_describe(c, 1, ids_text));
    }
    memcpy(shape, x->shape, (size_t)a->axis * sizeof *shape);
    shape[a->axis] = a->extent;
    memcpy(shape + a->axis + 1, x->shape + a->axis + ids->ndim, (size_t)behind * sizeof *shape);
    ae_call_out(c, 0, x->dtype, a->axis + 1 + behind, shape);
    return 0;
}

static void index_sum_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    const select_attr *a = c->attr;
    select_attr back = {a->axis, a->extent, a->skip, -1};
    gin[0] = ae_apply(c->graph, &ae_op_index_select, (ae_tensor *[]){gout[0], c->in[1]}, 2, &back, sizeof back);
}

static void index_sum_sample(ae_sample *s)
{
    static const char *const shapes[] = {"4,3", "2,2,3,2", "130,270"};
    static const char *const ids[] = {"4", "2,3", "130"};
    static const select_attr attrs[] = {{0, 5, -1, -1}, {1, 4, -1, 2}, {0, 11, -1, 3}};
    int v = s->variant;
    ae_tensor *x = ae_sample_in(s, shapes[v], -2, 2);
    ae_tensor *places = ae_sample_ids(s, ids[v], 0, attrs[v].extent);
    s->out[0] = ae_apply(s->graph, &ae_op_index_sum, (ae_tensor *[]){x, places}, 2, &attrs[v], sizeof attrs[v]);
}

const ae_op ae_op_index_sum = {
    .name = "index_sum",
    .formula = "zeros with y[..., ids, ...] += x; the transpose of index_select",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .needs = {AE_IN(1)},
    .shape = index_sum_shape,
    .forward = index_sum_forward,
    .vjp = index_sum_vjp,
    .sample = index_sum_sample,
    .samples = 2,
    .big_samples = 1,
};

ae_tensor *ae_index_add(ae_graph *g, ae_tensor *x, int axis, ae_tensor *ids, ae_tensor *src)
{
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    int k = ae_axis(axis, x->ndim);
    if (k < 0) {
        return no_axis(g, "index_add", x, axis);
    }
    char a_text[AE_SHAPE_TEXT_MAX], b_text[AE_SHAPE_TEXT_MAX];
    select_attr a = {k, x->shape[k], -1, -1};
    ae_frame f = ae_frame_open(g);
    ae_tensor *sum = ae_apply(g, &ae_op_index_sum, (ae_tensor *[]){src, ids}, 2, &a, sizeof a);
    if (ae_ok(g) && !ae_same_shape(sum, x)) {
        ae_fail(g, AE_E_SHAPE, "index_add: src gives %s, which cannot be added to %s",
                ae_shape_text(sum->ndim, sum->shape, a_text), ae_shape_text(x->ndim, x->shape, b_text));
    }
    return ae_frame_return(f, ae_add(g, x, sum));
}
