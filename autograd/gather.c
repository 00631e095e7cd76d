/* Single elements by ids along one axis: gather, its transpose, and what is made of them. */
#include "autograd/ids.h"
#include "autograd/ops.h"
#include "autograd/tape.h"

#include <string.h>

typedef struct gather_attr {
    int axis;
    int64_t shape[AE_MAX_DIMS]; /* of what the ids point into */
} gather_attr;

/* ---- walking ids --------------------------------------------------------------------------------------------------- */

/* The ids as rows: all axes but the last. Along a row either the id moves (axis is the last one) or the place does. */
typedef struct id_rows {
    int last;
    int64_t rows, n;
} id_rows;

static id_rows rows_of(const ae_tensor *ids)
{
    id_rows r = {.last = ids->ndim - 1, .rows = 1, .n = 1};
    for (int i = 0; i < r.last; i++) {
        r.rows *= ids->shape[i];
    }
    r.n = ids->ndim ? ids->shape[r.last] : 1;
    return r;
}

/* The offset in t of an index over the axes before the last, the axis of the ids left out. */
static int64_t row_offset(const ae_tensor *ids, const ae_tensor *t, int axis, int64_t index)
{
    int64_t offset = 0;
    for (int i = ids->ndim - 2; i >= 0; i--) {
        offset += i == axis ? 0 : index % ids->shape[i] * t->strides[i];
        index /= ids->shape[i];
    }
    return offset;
}

/* ---- gather -------------------------------------------------------------------------------------------------------- */

/* Rank and extents: those of the ids may be smaller than those of x, but for `axis`, where they are free. */
static int check_extents(ae_call *c, const ae_tensor *ids, const int64_t *shape, int ndim, int axis)
{
    char a[AE_SHAPE_TEXT_MAX], b[AE_SHAPE_TEXT_MAX];
    bool fits = ids->ndim == ndim;
    for (int i = 0; i < ndim && fits; i++) {
        fits = i == axis || ids->shape[i] <= shape[i];
    }
    if (fits) {
        return 0;
    }
    return ae_call_fail(c, AE_E_SHAPE, "ids %s for %s: ranks must be equal and no extent larger but for axis %d",
                        ae_shape_text(ids->ndim, ids->shape, a), ae_shape_text(ndim, shape, b), axis);
}

static int gather_shape(ae_call *c)
{
    const gather_attr *a = c->attr;
    const ae_tensor *x = c->in[0], *ids = c->in[1];
    if (ae_ids_check_dtype(c, 1) != 0 || check_extents(c, ids, x->shape, x->ndim, a->axis) != 0) {
        return -1;
    }
    ae_call_out(c, 0, x->dtype, ids->ndim, ids->shape);
    return 0;
}

/* y[i] = x[i * step + ids[i] * id_step] for one row, by width of element. */
static void gather_row(size_t size, const char *x, int64_t step, int64_t id_step, const int64_t *ids, char *y,
                       int64_t n)
{
    if (size == 4) {
        for (int64_t i = 0; i < n; i++) {
            ((uint32_t *)(void *)y)[i] = ((const uint32_t *)(const void *)x)[i * step + ids[i] * id_step];
        }
    } else {
        for (int64_t i = 0; i < n; i++) {
            memcpy(y + i * (int64_t)size, x + (i * step + ids[i] * id_step) * (int64_t)size, size);
        }
    }
}

static int gather_forward(ae_call *c)
{
    const gather_attr *a = c->attr;
    const ae_tensor *x = c->in[0], *y = c->out[0];
    const int64_t *ids = ae_ids(c, 1, x->ndim ? x->shape[a->axis] : 1, 0, a->axis);
    if (!ids) {
        return -1;
    }
    id_rows r = rows_of(y);
    int64_t size = (int64_t)ae_dtype_size(x->dtype), id_step = x->ndim ? x->strides[a->axis] : 0;
    int64_t step = x->ndim && a->axis != r.last ? x->strides[r.last] : 0;
#pragma omp parallel for schedule(static) if (r.rows * r.n > 32768)
    for (int64_t k = 0; k < r.rows; k++) {
        int64_t from = row_offset(y, x, a->axis, k);
        gather_row((size_t)size, (const char *)x->data + from * size, step, id_step, ids + k * r.n,
                   (char *)y->data + k * r.n * size, r.n);
    }
    return 0;
}

ae_tensor *ae_scatter_zeros(ae_graph *g, ae_tensor *src, ae_tensor *ids, int axis, const int64_t *shape, int ndim)
{
    gather_attr a = {.axis = axis};
    memcpy(a.shape, shape, (size_t)ndim * sizeof *shape);
    return ae_apply(g, &ae_op_scatter_sum, (ae_tensor *[]){src, ids}, 2, &a, sizeof a);
}

static void gather_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    const gather_attr *a = c->attr;
    const ae_tensor *x = c->in[0];
    gin[0] = ae_scatter_zeros(c->graph, gout[0], c->in[1], a->axis, x->shape, x->ndim);
}

static void gather_sample(ae_sample *s)
{
    static const char *const shapes[] = {"3,4", "3,4", "2,3,4", "5", "9,50,30", "20,300"};
    static const char *const ids[] = {"3,2", "5,4", "2,7,3", "3", "9,60,29", "20,600"};
    static const int axes[] = {1, 0, 1, 0, 1, -1};
    static const int64_t extents[] = {4, 3, 3, 5, 50, 300};
    int v = s->variant;
    ae_tensor *x = ae_sample_in(s, shapes[v], -2, 2);
    s->out[0] = ae_gather(s->graph, x, axes[v], ae_sample_ids(s, ids[v], 0, extents[v]));
}

const ae_op ae_op_gather = {
    .name = "gather",
    .formula = "y[i, j] = x[ids[i, j], j], the axis being 0",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .needs = {AE_IN(1)},
    .shape = gather_shape,
    .forward = gather_forward,
    .vjp = gather_vjp,
    .sample = gather_sample,
    .samples = 4,
    .big_samples = 2,
};

static int find_axis(ae_graph *g, const char *op, const ae_tensor *x, int axis)
{
    char text[AE_SHAPE_TEXT_MAX];
    int k = x->ndim == 0 && (axis == 0 || axis == -1) ? 0 : ae_axis(axis, x->ndim);
    if (k < 0) {
        ae_fail(g, AE_E_VALUE, "%s: axis %d of %s %s does not exist", op, axis, x->name ? x->name : "a tensor",
                ae_shape_text(x->ndim, x->shape, text));
    }
    return k;
}

ae_tensor *ae_gather(ae_graph *g, ae_tensor *x, int axis, ae_tensor *ids)
{
    int k = ae_ok(g) ? find_axis(g, "gather", x, axis) : -1;
    gather_attr a = {.axis = k};
    return k < 0 ? ae_bad(g) : ae_apply(g, &ae_op_gather, (ae_tensor *[]){x, ids}, 2, &a, sizeof a);
}

ae_tensor *ae_take_along(ae_graph *g, ae_tensor *x, int axis, ae_tensor *ids)
{
    return ae_gather(g, x, axis, ids);
}

/* ---- scatter_sum: zeros with y[ids[i, j], j] += x[i, j] ------------------------------------------------------------ */

static int scatter_shape(ae_call *c)
{
    char a_text[AE_DESCRIBE_MAX], b_text[AE_DESCRIBE_MAX];
    const gather_attr *a = c->attr;
    const ae_tensor *x = c->in[0], *ids = c->in[1];
    if (ae_ids_check_dtype(c, 1) != 0) {
        return -1;
    }
    if (!ae_same_shape(x, ids)) {
        return ae_call_fail(c, AE_E_SHAPE, "%s and its ids %s must have one shape", ae_call_describe(c, 0, a_text),
                            ae_call_describe(c, 1, b_text));
    }
    if (check_extents(c, ids, a->shape, ids->ndim, a->axis) != 0) {
        return -1;
    }
    ae_call_out(c, 0, x->dtype, x->ndim, a->shape);
    return 0;
}

#define SCATTER_ROW(type)                                                                                              \
    static void scatter_row_##type(const type *x, int64_t step, int64_t id_step, const int64_t *ids, type *y,          \
                                   int64_t n)                                                                          \
    {                                                                                                                  \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            type *to = &y[i * step + ids[i] * id_step];                                                                \
            *to = (type)(*to + x[i]);                                                                                  \
        }                                                                                                              \
    }
SCATTER_ROW(float)
SCATTER_ROW(double)
SCATTER_ROW(uint8_t)
SCATTER_ROW(uint32_t)
SCATTER_ROW(uint64_t)

static void scatter_row(ae_dtype dtype, const char *x, int64_t step, int64_t id_step, const int64_t *ids, char *y,
                        int64_t n)
{
    const void *from = x;
    void *to = y;
    switch (dtype) {
    case AE_F32:
        scatter_row_float(from, step, id_step, ids, to, n);
        break;
    case AE_F64:
        scatter_row_double(from, step, id_step, ids, to, n);
        break;
    case AE_I32:
        scatter_row_uint32_t(from, step, id_step, ids, to, n);
        break;
    case AE_I64:
        scatter_row_uint64_t(from, step, id_step, ids, to, n);
        break;
    default:
        scatter_row_uint8_t(from, step, id_step, ids, to, n);
        break;
    }
}

/* What lies behind `axis` and before it belongs to one thread; the additions along the axis keep their order. */
static void scatter_rows(const gather_attr *a, const ae_tensor *x, const int64_t *ids, ae_tensor *y)
{
    id_rows r = rows_of(x);
    bool inside = a->axis == r.last;
    int64_t size = (int64_t)ae_dtype_size(x->dtype), along = inside ? 1 : x->shape[a->axis];
    int64_t behind = 1; /* rows that the axis is walked over: those of the axes between it and the last one */
    for (int i = a->axis + 1; i < r.last; i++) {
        behind *= x->shape[i];
    }
    int64_t lines = along ? r.rows / along : 0, id_step = y->strides[a->axis];
    int64_t step = inside ? 0 : y->strides[r.last];
    int64_t width = inside ? r.n : 64, stretches = inside ? 1 : (r.n + width - 1) / width;
#pragma omp parallel for schedule(static) if (r.rows * r.n > 32768)
    for (int64_t t = 0; t < lines * stretches; t++) {
        int64_t line = t / stretches, first = t % stretches * width;
        int64_t n = r.n - first < width ? r.n - first : width;
        for (int64_t k = 0; k < along; k++) {
            int64_t row = inside ? line : (line / behind * along + k) * behind + line % behind;
            int64_t from = row * r.n + first, to = row_offset(x, y, a->axis, row) + first * step;
            scatter_row(x->dtype, (const char *)x->data + from * size, step, id_step, ids + from,
                        (char *)y->data + to * size, n);
        }
    }
}

static int scatter_forward(ae_call *c)
{
    const gather_attr *a = c->attr;
    ae_graph *g = c->graph;
    ae_tensor *x = c->in[0], *y = c->out[0];
    bool half = x->dtype == AE_BF16 || x->dtype == AE_F16; /* summed in f32 and rounded once */
    const int64_t *ids = ae_ids(c, 1, y->ndim ? y->shape[a->axis] : 1, -1, 0);
    if (!ids) {
        return -1;
    }
    ae_tensor *wide = half ? ae_empty(g, AE_F32, y->ndim, y->shape) : y;
    ae_tensor *from = half ? ae_empty(g, AE_F32, x->ndim, x->shape) : ae_dense(g, x);
    if (!ae_ok(g) || (half && ae_tensor_copy(from, x, &g->error) != 0)) {
        return -1;
    }
    memset(wide->data, 0, (size_t)ae_numel(wide) * ae_dtype_size(wide->dtype));
    if (y->ndim == 0) {
        memcpy(wide->data, from->data, ae_dtype_size(wide->dtype));
    } else if (ae_numel(x) > 0) {
        scatter_rows(a, from, ids, wide);
    }
    return half ? ae_tensor_copy(y, wide, &g->error) : 0;
}

static void scatter_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    const gather_attr *a = c->attr;
    gin[0] = ae_gather(c->graph, gout[0], a->axis, c->in[1]);
}

static void scatter_sum_sample(ae_sample *s)
{
    static const gather_attr attrs[] = {{1, {3, 5}}, {0, {4, 3}}, {1, {2, 4, 3}}, {0, {30, 400}}};
    static const char *const shapes[] = {"3,4", "6,3", "2,3,2", "50,350"};
    int v = s->variant;
    ae_tensor *x = ae_sample_in(s, shapes[v], -2, 2);
    ae_tensor *ids = ae_sample_ids(s, shapes[v], 0, attrs[v].shape[attrs[v].axis]);
    s->out[0] = ae_apply(s->graph, &ae_op_scatter_sum, (ae_tensor *[]){x, ids}, 2, &attrs[v], sizeof attrs[v]);
}

const ae_op ae_op_scatter_sum = {
    .name = "scatter_sum",
    .formula = "zeros with y[ids[i, j], j] += x[i, j]; the transpose of gather",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .needs = {AE_IN(1)},
    .shape = scatter_shape,
    .forward = scatter_forward,
    .vjp = scatter_vjp,
    .sample = scatter_sum_sample,
    .samples = 3,
    .big_samples = 1,
};

ae_tensor *ae_scatter_add(ae_graph *g, ae_tensor *x, int axis, ae_tensor *ids, ae_tensor *src)
{
    int k = ae_ok(g) ? find_axis(g, "scatter_add", x, axis) : -1;
    if (k < 0) {
        return ae_bad(g);
    }
    char a_text[AE_SHAPE_TEXT_MAX], b_text[AE_SHAPE_TEXT_MAX];
    if (src->ndim != x->ndim) {
        return ae_fail(g, AE_E_SHAPE, "scatter_add: src %s and x %s must have one rank",
                       ae_shape_text(src->ndim, src->shape, a_text), ae_shape_text(x->ndim, x->shape, b_text));
    }
    ae_frame f = ae_frame_open(g);
    return ae_frame_return(f, ae_add(g, x, ae_scatter_zeros(g, src, ids, k, x->shape, x->ndim)));
}

/* ---- one_hot ------------------------------------------------------------------------------------------------------- */

typedef struct one_hot_attr {
    int64_t classes;
    ae_dtype dtype;
} one_hot_attr;

static int one_hot_shape(ae_call *c)
{
    const one_hot_attr *a = c->attr;
    const ae_tensor *ids = c->in[0];
    int64_t shape[AE_MAX_DIMS];
    if (ae_ids_check_dtype(c, 0) != 0) {
        return -1;
    }
    if (a->classes < 0 || ids->ndim == AE_MAX_DIMS || (unsigned)a->dtype >= AE_DTYPE_COUNT) {
        return ae_call_fail(c, AE_E_VALUE, "%lld classes for ids of rank %d in dtype %d", (long long)a->classes,
                            ids->ndim, (int)a->dtype);
    }
    memcpy(shape, ids->shape, sizeof shape);
    shape[ids->ndim] = a->classes;
    ae_call_out(c, 0, a->dtype, ids->ndim + 1, shape);
    return 0;
}

static int one_hot_forward(ae_call *c)
{
    const one_hot_attr *a = c->attr;
    ae_tensor *y = c->out[0];
    const int64_t *ids = ae_ids(c, 0, a->classes, -1, 0);
    if (!ids) {
        return -1;
    }
    memset(y->data, 0, (size_t)ae_numel(y) * ae_dtype_size(y->dtype));
    for (int64_t i = 0; i < ae_numel(c->in[0]); i++) {
        ae_set_f64(y, i * a->classes + ids[i], 1.0);
    }
    return 0;
}

static void one_hot_sample(ae_sample *s)
{
    s->out[0] = ae_one_hot(s->graph, ae_sample_ids(s, s->variant ? "2,3" : "4", 0, 5), 5, AE_F32);
}

const ae_op ae_op_one_hot = {
    .name = "one_hot",
    .formula = "y[..., c] = 1 where ids[...] = c, else 0",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .shape = one_hot_shape,
    .forward = one_hot_forward,
    .no_vjp = "ids have no gradient",
    .sample = one_hot_sample,
    .samples = 2,
};

ae_tensor *ae_one_hot(ae_graph *g, ae_tensor *ids, int64_t classes, ae_dtype dtype)
{
    one_hot_attr a = {classes, dtype};
    return ae_apply(g, &ae_op_one_hot, &ids, 1, &a, sizeof a);
}
