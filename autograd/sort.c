/* Sorting along an axis: stable, NaN greatest, as in PyTorch. */
#include "autograd/ids.h"
#include "autograd/ops.h"
#include "autograd/tape.h"
#include "autograd/wide.h"

#include <math.h>
#include <string.h>

typedef struct sort_attr {
    int axis;
    bool descending;
    int64_t k; /* results along the axis; the whole extent for sort */
} sort_attr;

/* An element as an unsigned number of the same order, and its place. */
typedef struct keyed {
    uint64_t key;
    int64_t at;
} keyed;

/* ---- keys ---------------------------------------------------------------------------------------------------------- */

/* The bits of a double, the sign turned so that they compare as unsigned numbers. */
static uint64_t float_key(double x)
{
    uint64_t bits;
    if (isnan(x)) {
        return UINT64_MAX;
    }
    x += 0.0; /* -0 equals 0 */
    memcpy(&bits, &x, sizeof bits);
    return bits >> 63 ? ~bits : bits | (UINT64_C(1) << 63);
}

static void load_keys(ae_dtype dtype, const char *x, int64_t step, int64_t n, bool descending, keyed *out)
{
    double f[AE_WIDE];
    int64_t v[AE_WIDE], size = (int64_t)ae_dtype_size(dtype);
    for (int64_t from = 0; from < n; from += AE_WIDE) {
        int64_t m = n - from < AE_WIDE ? n - from : AE_WIDE;
        if (ae_dtype_is_float(dtype)) {
            ae_wide_load(dtype, x + from * step * size, step, m, f);
        } else {
            ae_wide_load_int(dtype, x + from * step * size, step, m, v);
        }
        for (int64_t i = 0; i < m; i++) {
            uint64_t key = ae_dtype_is_float(dtype) ? float_key(f[i]) : (uint64_t)v[i] ^ (UINT64_C(1) << 63);
            out[from + i] = (keyed){descending ? ~key : key, from + i};
        }
    }
}

/* Places break ties, so the order is stable whatever the algorithm is. */
static bool before(const keyed *a, const keyed *b)
{
    return a->key < b->key || (a->key == b->key && a->at < b->at);
}

/* ---- sorting a line ------------------------------------------------------------------------------------------------ */

static void merge_runs(const keyed *from, keyed *to, int64_t lo, int64_t mid, int64_t hi)
{
    int64_t i = lo, j = mid;
    for (int64_t k = lo; k < hi; k++) {
        bool left = i < mid && (j >= hi || before(&from[i], &from[j]));
        to[k] = left ? from[i++] : from[j++];
    }
}

/* Merges runs of doubling length, back and forth between two buffers; returns the one that holds the result. */
static keyed *merge_sort(keyed *a, keyed *b, int64_t n)
{
    for (int64_t run = 1; run < n; run *= 2) {
        for (int64_t lo = 0; lo < n; lo += 2 * run) {
            int64_t mid = lo + run < n ? lo + run : n, hi = lo + 2 * run < n ? lo + 2 * run : n;
            merge_runs(a, b, lo, mid, hi);
        }
        keyed *t = a;
        a = b;
        b = t;
    }
    return a;
}

static void sift_down(keyed *heap, int64_t n, int64_t i)
{
    for (;;) {
        int64_t last = i;
        for (int64_t child = 2 * i + 1; child <= 2 * i + 2 && child < n; child++) {
            last = before(&heap[last], &heap[child]) ? child : last;
        }
        if (last == i) {
            return;
        }
        keyed t = heap[i];
        heap[i] = heap[last];
        heap[last] = t;
        i = last;
    }
}

/* Leaves the first k of a in a[0..k), in a heap whose root is the last of them. */
static void select_first(keyed *a, int64_t n, int64_t k)
{
    for (int64_t i = k / 2; i >= 0 && k > 0; i--) {
        sift_down(a, k, i);
    }
    for (int64_t i = k; i < n && k > 0; i++) {
        if (before(&a[i], &a[0])) {
            a[0] = a[i];
            sift_down(a, k, 0);
        }
    }
}

/* ---- the ops ------------------------------------------------------------------------------------------------------- */

/* Offset of line `index`: all axes but `axis`. */
static int64_t line_offset(const ae_tensor *t, int axis, int64_t index)
{
    int64_t offset = 0;
    for (int i = t->ndim - 1; i >= 0; i--) {
        if (i != axis) {
            offset += index % t->shape[i] * t->strides[i];
            index /= t->shape[i];
        }
    }
    return offset;
}

static void sort_line(const sort_attr *a, const ae_tensor *x, int64_t line, keyed *scratch, ae_tensor *y,
                      ae_tensor *ids)
{
    int64_t n = x->shape[a->axis], size = (int64_t)ae_dtype_size(x->dtype);
    int64_t step = y->strides[a->axis], x_step = x->strides[a->axis], to = line_offset(y, a->axis, line);
    const char *from = (const char *)x->data + line_offset(x, a->axis, line) * size;
    load_keys(x->dtype, from, x_step, n, a->descending, scratch);
    if (a->k < n) {
        select_first(scratch, n, a->k);
    }
    const keyed *sorted = merge_sort(scratch, scratch + n, a->k);
    for (int64_t i = 0; i < a->k; i++) {
        memcpy((char *)y->data + (to + i * step) * size, from + sorted[i].at * x_step * size, (size_t)size);
        ((int64_t *)ids->data)[to + i * step] = sorted[i].at;
    }
}

static int sort_shape(ae_call *c)
{
    char text[AE_DESCRIBE_MAX];
    const sort_attr *a = c->attr;
    const ae_tensor *x = c->in[0];
    int64_t shape[AE_MAX_DIMS];
    if (a->k < 0 || a->k > x->shape[a->axis]) {
        return ae_call_fail(c, AE_E_VALUE, "k is %lld for axis %d of %s", (long long)a->k, a->axis,
                            ae_call_describe(c, 0, text));
    }
    memcpy(shape, x->shape, sizeof shape);
    shape[a->axis] = a->k;
    ae_call_out(c, 0, x->dtype, x->ndim, shape);
    ae_call_out(c, 1, AE_I64, x->ndim, shape);
    return 0;
}

/* Lines are cut into a fixed number of tasks, each with its own scratch. */
static int sort_forward(ae_call *c)
{
    enum { TASKS = 16 };
    const sort_attr *a = c->attr;
    const ae_tensor *x = c->in[0];
    int64_t n = x->shape[a->axis], lines = n ? ae_numel(x) / n : 0;
    int64_t tasks = lines < TASKS ? lines : TASKS;
    ae_tensor *scratch = ae_empty(c->graph, AE_U8, 1, (int64_t[]){tasks * 2 * n * (int64_t)sizeof(keyed)});
    if (!ae_ok(c->graph)) {
        return -1;
    }
#pragma omp parallel for schedule(static) if (lines * n > 8192)
    for (int64_t t = 0; t < tasks; t++) {
        for (int64_t line = t * lines / tasks; line < (t + 1) * lines / tasks; line++) {
            sort_line(a, x, line, (keyed *)scratch->data + t * 2 * n, c->out[0], c->out[1]);
        }
    }
    return 0;
}

static void sort_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    const sort_attr *a = c->attr;
    const ae_tensor *x = c->in[0];
    gin[0] = ae_scatter_zeros(c->graph, gout[0], c->out[1], a->axis, x->shape, x->ndim);
}

static void sort_sample(ae_sample *s)
{
    static const char *const shapes[] = {"5", "3,4", "2,3,2", "3,600"};
    static const int axes[] = {0, 0, -2, 1};
    int v = s->variant;
    ae_tensor *x = v < 3 ? ae_sample_distinct(s, shapes[v]) : ae_sample_in(s, shapes[v], -2, 2);
    s->out[0] = ae_sort(s->graph, x, axes[v], v == 1, NULL);
}

const ae_op ae_op_sort = {
    .name = "sort",
    .formula = "x in order along an axis; the gradient goes back to the places",
    .min_in = 1,
    .max_in = 1,
    .n_out = 2,
    .needs = {AE_OUT(1)},
    .shape = sort_shape,
    .forward = sort_forward,
    .vjp = sort_vjp,
    .sample = sort_sample,
    .samples = 3,
    .big_samples = 1,
};

static void topk_sample(ae_sample *s)
{
    static const char *const shapes[] = {"5", "3,4", "4,600"};
    int v = s->variant;
    ae_tensor *x = v < 2 ? ae_sample_distinct(s, shapes[v]) : ae_sample_in(s, shapes[v], -2, 2);
    s->out[0] = ae_topk(s->graph, x, v == 2 ? 40 : 2, v == 1 ? 0 : -1, v != 1, NULL);
}

const ae_op ae_op_topk = {
    .name = "topk",
    .formula = "the k largest (or smallest) of x along an axis, in order",
    .min_in = 1,
    .max_in = 1,
    .n_out = 2,
    .needs = {AE_OUT(1)},
    .shape = sort_shape,
    .forward = sort_forward,
    .vjp = sort_vjp,
    .sample = topk_sample,
    .samples = 2,
    .big_samples = 1,
};

static ae_tensor *apply(ae_graph *g, const ae_op *op, ae_tensor *x, sort_attr a, int axis, ae_tensor **ids)
{
    char text[AE_SHAPE_TEXT_MAX];
    ae_tensor *out[AE_MAX_OUT] = {ae_bad(g), ae_bad(g)};
    if (ae_ok(g) && (a.axis = ae_axis(axis, x->ndim)) < 0) {
        ae_fail(g, AE_E_VALUE, "%s: axis %d of %s %s does not exist", op->name, axis, x->name ? x->name : "a tensor",
                ae_shape_text(x->ndim, x->shape, text));
    }
    if (ae_ok(g)) {
        a.k = op == &ae_op_sort ? x->shape[a.axis] : a.k;
        ae_apply_n(g, op, &x, 1, &a, sizeof a, out);
    }
    if (ids) {
        *ids = out[1];
    }
    return out[0];
}

ae_tensor *ae_sort(ae_graph *g, ae_tensor *x, int axis, bool descending, ae_tensor **ids)
{
    return apply(g, &ae_op_sort, x, (sort_attr){.descending = descending}, axis, ids);
}

ae_tensor *ae_argsort(ae_graph *g, ae_tensor *x, int axis, bool descending)
{
    ae_tensor *ids;
    bool was = ae_set_recording(g, false);
    apply(g, &ae_op_sort, x, (sort_attr){.descending = descending}, axis, &ids);
    ae_set_recording(g, was);
    return ids;
}

ae_tensor *ae_topk(ae_graph *g, ae_tensor *x, int64_t k, int axis, bool largest, ae_tensor **ids)
{
    return apply(g, &ae_op_topk, x, (sort_attr){.descending = largest, .k = k}, axis, ids);
}
