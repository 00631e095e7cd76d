#include "autograd/fold.h"
#include "autograd/column_sums.h"
#include "autograd/wide.h"
#include "tensor/kernels.h"

#include <math.h>
#include <string.h>

enum {
    ENOUGH_TASKS = 16, /* results, or blocks of columns, that keep the threads busy without cutting the reduction */
    MAX_PIECES = 32,
    PIECE = 32768, /* elements from which a piece of its own pays */
    PARALLEL = 32768
};

typedef struct axis {
    int64_t n;
    int64_t x;  /* step in x */
    int64_t to; /* kept: step in the result; reduced: step of the place among the reduced axes */
    bool reduced;
} axis;

/* What the loops need: the inner axis, and the outer ones of both kinds. */
typedef struct fold_plan {
    ae_fold_kind kind;
    ae_dtype dtype;
    bool floats; /* computes in double; else in int64 */
    const char *data;
    axis inner;
    axis kept[AE_MAX_DIMS];
    axis gone[AE_MAX_DIMS];
    int kept_count, gone_count;
    int64_t results, reduced; /* elements of the result; elements reduced into each of them */
    int64_t blocks;           /* tasks in a piece: results, or blocks of columns */
    int64_t pieces, length;   /* pieces of the reduction, and their length in steps */
    int64_t steps;            /* length of the reduction in elements (rows) or outer steps (columns) */
} fold_plan;

/* The running values of up to AE_WIDE results side by side, and the places of the extremes. */
typedef union lane {
    double f;
    int64_t i;
} lane;

typedef struct lanes {
    lane value[AE_WIDE];
    int64_t at[AE_WIDE];
} lanes;

/* ---- the plan ------------------------------------------------------------------------------------------------------ */

/* Wide steps outside, expanded axes (step 0) outermost, because a dense innermost axis is what is fast. */
static bool goes_before(const axis *a, const axis *b)
{
    return b->x != 0 && (a->x == 0 || a->x > b->x);
}

static int collect_axes(const ae_tensor *x, const bool *over, axis *axes)
{
    int64_t to[2] = {1, 1};
    axis found[AE_MAX_DIMS];
    int n = 0;
    for (int i = x->ndim - 1; i >= 0; i--) {
        found[i] = (axis){x->shape[i], x->strides[i], to[over[i]], over[i]};
        to[over[i]] *= x->shape[i];
    }
    for (int i = 0; i < x->ndim; i++) {
        if (found[i].n == 1) {
            continue;
        }
        int k = n++;
        for (; k > 0 && goes_before(&found[i], &axes[k - 1]); k--) {
            axes[k] = axes[k - 1];
        }
        axes[k] = found[i];
    }
    int last = 0;
    for (int i = 1; i < n; i++) {
        axis *a = &axes[last], *b = &axes[i];
        if (a->reduced == b->reduced && a->x == b->x * b->n && a->to == b->to * b->n) {
            *a = (axis){a->n * b->n, b->x, b->to, b->reduced};
        } else {
            axes[++last] = *b;
        }
    }
    return n ? last + 1 : 0;
}

static fold_plan make_plan(ae_fold_kind kind, const ae_tensor *x, const bool *over)
{
    fold_plan p = {.kind = kind, .dtype = x->dtype, .data = x->data, .results = 1, .reduced = 1};
    axis axes[AE_MAX_DIMS];
    int n = collect_axes(x, over, axes);
    p.floats = ae_dtype_is_float(x->dtype) && kind != AE_FOLD_ANY && kind != AE_FOLD_ALL;
    p.inner = n ? axes[n - 1] : (axis){1, 1, 1, true};
    for (int i = 0; i < n; i++) {
        *(axes[i].reduced ? &p.reduced : &p.results) *= axes[i].n;
        if (i < n - 1 && axes[i].reduced) {
            p.gone[p.gone_count++] = axes[i];
        } else if (i < n - 1) {
            p.kept[p.kept_count++] = axes[i];
        }
    }
    int64_t width = p.inner.reduced ? 1 : p.inner.n;
    p.blocks = width ? p.results / width * ((width + AE_WIDE - 1) / AE_WIDE) : 0;
    p.steps = p.reduced;
    p.pieces = 1;
    if (p.blocks < ENOUGH_TASKS) {
        int64_t pieces = p.reduced * p.results / PIECE;
        p.pieces = pieces > MAX_PIECES ? MAX_PIECES : pieces > p.steps ? p.steps : pieces > 1 ? pieces : 1;
    }
    p.length = (p.steps + p.pieces - 1) / p.pieces;
    return p;
}

/* Offset in x and in `to` at an index over axes. */
static void locate(const axis *axes, int n, int64_t index, int64_t *x, int64_t *to)
{
    *x = *to = 0;
    for (int i = n - 1; i >= 0; i--) {
        int64_t at = index % axes[i].n;
        index /= axes[i].n;
        *x += at * axes[i].x;
        *to += at * axes[i].to;
    }
}

/* ---- accumulating -------------------------------------------------------------------------------------------------- */

/* The order of MAX: a larger value, then NaN, then the earlier place. MIN negates what it loads. */
static bool beats(double v, int64_t at, double best, int64_t best_at)
{
    if (v == best || (isnan(v) && isnan(best))) {
        return at < best_at;
    }
    return v > best || (isnan(v) && !isnan(best));
}

static void start(const fold_plan *p, lanes *l, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        l->at[i] = INT64_MAX;
        switch (p->kind) {
        case AE_FOLD_PROD:
            l->value[i] = p->floats ? (lane){.f = 1.0} : (lane){.i = 1};
            break;
        case AE_FOLD_MAX:
        case AE_FOLD_MIN:
            l->value[i] = p->floats ? (lane){.f = -(double)INFINITY} : (lane){.i = INT64_MIN};
            break;
        default:
            l->value[i] = p->floats ? (lane){.f = 0.0} : (lane){.i = 0};
            break;
        }
    }
}

static void join(const fold_plan *p, lane *value, int64_t *at, lane v, int64_t v_at)
{
    bool take;
    switch (p->kind) {
    case AE_FOLD_PROD:
        if (p->floats) {
            value->f *= v.f;
        } else {
            value->i = (int64_t)((uint64_t)value->i * (uint64_t)v.i);
        }
        break;
    case AE_FOLD_MAX:
    case AE_FOLD_MIN:
        take = p->floats ? beats(v.f, v_at, value->f, *at) : v.i > value->i || (v.i == value->i && v_at < *at);
        if (take) {
            *value = v;
            *at = v_at;
        }
        break;
    default:
        if (p->floats) {
            value->f += v.f;
        } else {
            value->i = (int64_t)((uint64_t)value->i + (uint64_t)v.i);
        }
        break;
    }
}

/* Up to AE_WIDE elements in the computing type, as the kind wants them. */
static void load(const fold_plan *p, const char *x, int64_t step, int64_t n, lane *out)
{
    double wide[AE_WIDE];
    if (p->floats) {
        ae_wide_load(p->dtype, x, step, n, wide);
        for (int64_t i = 0; i < n; i++) {
            out[i].f = p->kind == AE_FOLD_MIN ? -wide[i] : wide[i];
        }
        return;
    }
    if (ae_dtype_is_float(p->dtype)) {
        ae_wide_load(p->dtype, x, step, n, wide);
        for (int64_t i = 0; i < n; i++) {
            out[i].i = wide[i] != 0.0;
        }
        return;
    }
    int64_t whole[AE_WIDE];
    ae_wide_load_int(p->dtype, x, step, n, whole);
    bool truth = p->kind == AE_FOLD_ANY || p->kind == AE_FOLD_ALL;
    for (int64_t i = 0; i < n; i++) {
        out[i].i = truth ? whole[i] != 0 : p->kind == AE_FOLD_MIN ? ~whole[i] : whole[i];
    }
}

static bool is_extreme(const fold_plan *p)
{
    return p->kind == AE_FOLD_MAX || p->kind == AE_FOLD_MIN;
}

/* Whether v may change an extreme: most elements lose at this first look. */
static bool may_take(const fold_plan *p, lane v, lane best)
{
    return p->floats ? !(v.f < best.f) : v.i >= best.i;
}

/* The extreme of n dense f32 into one result: the value first, its place only when it may count. */
static void add_extreme(const fold_plan *p, const float *x, int64_t n, int64_t at, int64_t at_step, lanes *l)
{
    const ae_kernels *f = ae_kernels_get();
    bool min = p->kind == AE_FOLD_MIN;
    float best = min ? f->min(x, n) : f->max(x, n);
    lane v = {.f = min ? -(double)best : (double)best};
    if (n > 0 && may_take(p, v, l->value[0])) {
        join(p, &l->value[0], &l->at[0], v, at + f->find(x, best, n) * at_step);
    }
}

/* n elements into one result. */
static void add_row(const fold_plan *p, const char *x, int64_t step, int64_t n, int64_t at, int64_t at_step, lanes *l)
{
    if (p->kind == AE_FOLD_SUM && p->dtype == AE_F32 && step == 1) {
        l->value[0].f += ae_kernels_get()->sum((const float *)(const void *)x, n);
        return;
    }
    lane v[AE_WIDE];
    bool extreme = is_extreme(p);
    if (extreme && p->dtype == AE_F32 && step == 1) {
        add_extreme(p, (const float *)(const void *)x, n, at, at_step, l);
        return;
    }
    int64_t size = (int64_t)ae_dtype_size(p->dtype);
    for (int64_t i = 0; i < n; i += AE_WIDE) {
        int64_t m = n - i < AE_WIDE ? n - i : AE_WIDE;
        load(p, x + i * step * size, step, m, v);
        for (int64_t k = 0; k < m; k++) {
            if (extreme && !may_take(p, v[k], l->value[0])) {
                continue;
            }
            join(p, &l->value[0], &l->at[0], v[k], at + (i + k) * at_step);
        }
    }
}

/* n elements into n results. */
static void add_columns(const fold_plan *p, const char *x, int64_t step, int64_t n, int64_t at, lanes *l)
{
    if (p->kind == AE_FOLD_SUM && p->dtype == AE_F32 && step == 1) {
        const float *f = (const float *)(const void *)x;
        for (int64_t i = 0; i < n; i++) {
            l->value[i].f += (double)f[i];
        }
        return;
    }
    if (p->kind == AE_FOLD_SUM && p->floats) {
        double wide[AE_WIDE];
        ae_wide_load(p->dtype, x, step, n, wide);
        for (int64_t i = 0; i < n; i++) {
            l->value[i].f += wide[i];
        }
        return;
    }
    lane v[AE_WIDE];
    bool extreme = is_extreme(p);
    load(p, x, step, n, v);
    for (int64_t i = 0; i < n; i++) {
        if (extreme && !may_take(p, v[i], l->value[i])) {
            continue;
        }
        join(p, &l->value[i], &l->at[i], v[i], at);
    }
}

/* ---- tasks --------------------------------------------------------------------------------------------------------- */

/* The results of a block: the first one, how many, and where they begin in x. */
typedef struct block {
    int64_t result, step, n, x;
} block;

static block find_block(const fold_plan *p, int64_t index)
{
    block b = {.n = 1, .step = 1};
    if (p->inner.reduced) {
        locate(p->kept, p->kept_count, index, &b.x, &b.result);
        return b;
    }
    int64_t stretches = (p->inner.n + AE_WIDE - 1) / AE_WIDE, first = index % stretches * AE_WIDE;
    locate(p->kept, p->kept_count, index / stretches, &b.x, &b.result);
    b.x += first * p->inner.x;
    b.result += first * p->inner.to;
    b.step = p->inner.to;
    b.n = p->inner.n - first < AE_WIDE ? p->inner.n - first : AE_WIDE;
    return b;
}

static void run_rows(const fold_plan *p, const block *b, int64_t from, int64_t to, lanes *l)
{
    int64_t size = (int64_t)ae_dtype_size(p->dtype);
    while (from < to) {
        int64_t x, at, first = from % p->inner.n;
        int64_t n = p->inner.n - first < to - from ? p->inner.n - first : to - from;
        locate(p->gone, p->gone_count, from / p->inner.n, &x, &at);
        x += b->x + first * p->inner.x;
        add_row(p, p->data + x * size, p->inner.x, n, at + first * p->inner.to, p->inner.to, l);
        from += n;
    }
}

/* Whether steps over the reduced axes come in the order of their places, so that the first of equals is met first. */
static bool places_rise(const fold_plan *p)
{
    for (int i = 0; i + 1 < p->gone_count; i++) {
        if (p->gone[i].to < p->gone[i + 1].to * p->gone[i + 1].n) {
            return false;
        }
    }
    return true;
}

/* Extremes of dense f32 columns, with the number of the row where each one stands. */
static void extreme_columns(const fold_plan *p, const block *b, int64_t from, int64_t to, lanes *l)
{
    const ae_kernels *f = ae_kernels_get();
    bool min = p->kind == AE_FOLD_MIN;
    float best[AE_WIDE];
    int32_t row[AE_WIDE] = {0};
    for (int64_t r = from; r < to; r++) {
        int64_t offset, at;
        locate(p->gone, p->gone_count, r, &offset, &at);
        const float *x = (const float *)(const void *)p->data + offset + b->x;
        if (r == from) {
            memcpy(best, x, (size_t)b->n * sizeof *best);
        } else {
            (min ? f->min_into : f->max_into)(x, (int32_t)(r - from), best, row, b->n);
        }
    }
    for (int64_t i = 0; i < b->n && from < to; i++) {
        int64_t offset, at;
        locate(p->gone, p->gone_count, from + row[i], &offset, &at);
        l->value[i].f = min ? -(double)best[i] : (double)best[i];
        l->at[i] = at;
    }
}

static void run_columns(const fold_plan *p, const block *b, int64_t from, int64_t to, lanes *l)
{
    int64_t size = (int64_t)ae_dtype_size(p->dtype);
    if (is_extreme(p) && p->dtype == AE_F32 && p->inner.x == 1 && to - from <= INT32_MAX && places_rise(p)) {
        extreme_columns(p, b, from, to, l);
        return;
    }
    if (p->kind == AE_FOLD_SUM && p->dtype == AE_F32 && p->inner.x == 1 && p->gone_count == 1) {
        const float *x = (const float *)(const void *)p->data + b->x + from * p->gone[0].x;
        ae_kernels_get()->column_sums(x, p->gone[0].x, to - from, b->n, &l->value[0].f);
        return;
    }
    for (int64_t r = from; r < to; r++) {
        int64_t x, at;
        locate(p->gone, p->gone_count, r, &x, &at);
        add_columns(p, p->data + (x + b->x) * size, p->inner.x, b->n, at, l);
    }
}

static void store_value(const fold_plan *p, double scale, lane v, ae_tensor *y, int64_t index)
{
    char *to = (char *)y->data + index * (int64_t)ae_dtype_size(y->dtype);
    if (p->floats) {
        double f = p->kind == AE_FOLD_SUM ? v.f * scale : p->kind == AE_FOLD_MIN ? -v.f : v.f;
        ae_wide_store(y->dtype, &f, to, 1, 1);
        return;
    }
    int64_t i = p->kind == AE_FOLD_MIN ? ~v.i : p->kind == AE_FOLD_ALL ? v.i == p->reduced : v.i;
    ae_wide_store_int(y->dtype, &i, to, 1, 1);
}

static void store(const fold_plan *p, double scale, const block *b, const lanes *l, ae_tensor *y, ae_tensor *ids)
{
    for (int64_t i = 0; i < b->n; i++) {
        int64_t index = b->result + i * b->step;
        if (y) {
            store_value(p, scale, l->value[i], y, index);
        }
        if (ids) {
            ((int64_t *)ids->data)[index] = l->at[i];
        }
    }
}

/* All pieces of a block in their order. */
static void combine(const fold_plan *p, const lanes *parts, int64_t index, const block *b, lanes *l)
{
    start(p, l, b->n);
    for (int64_t piece = 0; piece < p->pieces; piece++) {
        const lanes *part = &parts[piece * p->blocks + index];
        for (int64_t i = 0; i < b->n; i++) {
            join(p, &l->value[i], &l->at[i], part->value[i], part->at[i]);
        }
    }
}

/* ---- the columns of f32 rows: the gradient of every bias ----------------------------------------------------------- */

static bool sums_columns(const fold_plan *p)
{
    return p->kind == AE_FOLD_SUM && p->dtype == AE_F32 && !p->inner.reduced && p->inner.x == 1 && p->inner.to == 1 &&
           p->kept_count == 0 && p->gone_count == 1;
}

int ae_fold(ae_graph *g, ae_fold_kind kind, const ae_tensor *x, const bool *over, double scale, ae_tensor *y,
            ae_tensor *ids)
{
    fold_plan p = make_plan(kind, x, over);
    if (sums_columns(&p)) {
        return ae_column_sums(g, p.data, AE_F32, p.steps, p.gone[0].x, p.inner.n, scale, y->data);
    }
    int64_t tasks = p.blocks * p.pieces;
    lanes *parts = NULL;
    if (p.pieces > 1) {
        ae_tensor *scratch = ae_empty(g, AE_U8, 1, (int64_t[]){tasks * (int64_t)sizeof(lanes)});
        if (scratch == ae_bad(g)) {
            return -1;
        }
        parts = scratch->data;
    }
#pragma omp parallel for schedule(static) if (p.results * p.reduced >= PARALLEL)
    for (int64_t t = 0; t < tasks; t++) {
        lanes own, *l = parts ? &parts[t] : &own;
        int64_t from = t / p.blocks * p.length, to = from + p.length < p.steps ? from + p.length : p.steps;
        block b = find_block(&p, t % p.blocks);
        start(&p, l, b.n);
        (p.inner.reduced ? run_rows : run_columns)(&p, &b, from, to, l);
        if (!parts) {
            store(&p, scale, &b, l, y, ids);
        }
    }
    for (int64_t i = 0; i < p.blocks && parts; i++) {
        lanes l;
        block b = find_block(&p, i);
        combine(&p, parts, i, &b, &l);
        store(&p, scale, &b, &l, y, ids);
    }
    return 0;
}
