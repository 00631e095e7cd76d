/* Reversed axes, diagonals and triangles. */
#include "autograd/copy.h"
#include "autograd/ops.h"
#include "autograd/tape.h"

#include <string.h>

/* ---- flip ---------------------------------------------------------------------------------------------------------- */

typedef struct flip_attr {
    bool over[AE_MAX_DIMS];
} flip_attr;

static int same_shape(ae_call *c)
{
    ae_call_out_like(c, 0, c->in[0]);
    return 0;
}

static int flip_forward(ae_call *c)
{
    const flip_attr *a = c->attr;
    const ae_tensor *x = c->in[0], *y = c->out[0];
    int64_t from[AE_MAX_DIMS], offset = 0;
    if (ae_numel(x) == 0) {
        return 0;
    }
    for (int i = 0; i < x->ndim; i++) {
        from[i] = a->over[i] ? -x->strides[i] : x->strides[i];
        offset += a->over[i] ? (x->shape[i] - 1) * x->strides[i] : 0;
    }
    size_t size = ae_dtype_size(x->dtype);
    ae_copy_strided(size, x->ndim, x->shape, y->data, y->strides, (const char *)x->data + offset * (int64_t)size, from);
    return 0;
}

static void flip_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    gin[0] = ae_apply(c->graph, &ae_op_flip, gout, 1, c->attr, c->attr_size);
}

static void flip_sample(ae_sample *s)
{
    ae_tensor *x = ae_sample_in(s, "2,3,4", -2, 2);
    s->out[0] = s->variant ? ae_flip(s->graph, x, 2, (int[]){0, -1}) : ae_flip(s->graph, x, 1, (int[]){1});
}

const ae_op ae_op_flip = {
    .name = "flip",
    .formula = "x backward along axes",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .shape = same_shape,
    .forward = flip_forward,
    .vjp = flip_vjp,
    .sample = flip_sample,
    .samples = 2,
};

ae_tensor *ae_flip(ae_graph *g, ae_tensor *x, int n, const int *axes)
{
    flip_attr a = {{false}};
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    for (int i = 0; i < n; i++) {
        int k = ae_axis(axes[i], x->ndim);
        if (k < 0) {
            return ae_fail(g, AE_E_VALUE, "flip: axis %d of a tensor with %d axes", axes[i], x->ndim);
        }
        a.over[k] = true;
    }
    return ae_apply(g, &ae_op_flip, &x, 1, &a, sizeof a);
}

/* ---- diagonal, diag_embed ------------------------------------------------------------------------------------------ */

typedef struct diagonal_attr {
    int64_t offset;
    int axis1, axis2;
    int64_t extent1, extent2; /* of those axes in the larger of input and output */
} diagonal_attr;

static int64_t diagonal_length(const diagonal_attr *a)
{
    int64_t rows = a->offset < 0 ? a->extent1 + a->offset : a->extent1;
    int64_t cols = a->offset > 0 ? a->extent2 - a->offset : a->extent2;
    int64_t n = rows < cols ? rows : cols;
    return n > 0 ? n : 0;
}

/* The diagonal of x as a view whose last axis it is. */
static ae_tensor *diagonal_view(ae_graph *g, const ae_tensor *x, const diagonal_attr *a)
{
    int64_t shape[AE_MAX_DIMS], strides[AE_MAX_DIMS];
    int n = 0;
    for (int i = 0; i < x->ndim; i++) {
        if (i != a->axis1 && i != a->axis2) {
            shape[n] = x->shape[i];
            strides[n++] = x->strides[i];
        }
    }
    int64_t length = diagonal_length(a);
    shape[n] = length;
    strides[n++] = x->strides[a->axis1] + x->strides[a->axis2];
    int64_t start = 0; /* an empty diagonal may have any offset, INT64_MIN too */
    if (length > 0) {
        start = a->offset < 0 ? -a->offset * x->strides[a->axis1] : a->offset * x->strides[a->axis2];
    }
    return ae_view(g, x, n, shape, strides, start);
}

static int diagonal_forward(ae_call *c)
{
    c->out[0] = diagonal_view(c->graph, c->in[0], c->attr);
    return 0;
}

static void diagonal_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    gin[0] = ae_apply(c->graph, &ae_op_diag_embed, gout, 1, c->attr, c->attr_size);
}

static void diagonal_sample(ae_sample *s)
{
    static const char *const shapes[] = {"3,3", "4,2,3", "2,3", "2,2"};
    static const int64_t offsets[] = {0, -1, 1, 4};
    static const int axes[][2] = {{0, 1}, {0, 2}, {1, 0}, {0, 1}};
    int v = s->variant;
    s->out[0] = ae_diagonal(s->graph, ae_sample_in(s, shapes[v], -2, 2), offsets[v], axes[v][0], axes[v][1]);
}

const ae_op ae_op_diagonal = {
    .name = "diagonal",
    .formula = "y[..., i] = x[..., i, i + offset, ...]",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .flags = AE_OP_VIEW,
    .forward = diagonal_forward,
    .vjp = diagonal_vjp,
    .sample = diagonal_sample,
    .samples = 4,
};

ae_tensor *ae_diagonal(ae_graph *g, ae_tensor *x, int64_t offset, int axis1, int axis2)
{
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    diagonal_attr a = {offset, ae_axis(axis1, x->ndim), ae_axis(axis2, x->ndim), 0, 0};
    if (a.axis1 < 0 || a.axis2 < 0 || a.axis1 == a.axis2) {
        return ae_fail(g, AE_E_VALUE, "diagonal: axes %d and %d of a tensor with %d axes; it takes two different ones",
                       axis1, axis2, x->ndim);
    }
    a.extent1 = x->shape[a.axis1];
    a.extent2 = x->shape[a.axis2];
    return ae_apply(g, &ae_op_diagonal, &x, 1, &a, sizeof a);
}

static int diag_embed_shape(ae_call *c)
{
    const diagonal_attr *a = c->attr;
    const ae_tensor *x = c->in[0];
    int64_t shape[AE_MAX_DIMS];
    for (int i = 0, k = 0; i <= x->ndim; i++) {
        shape[i] = i == a->axis1 ? a->extent1 : i == a->axis2 ? a->extent2 : x->shape[k++];
    }
    ae_call_out(c, 0, x->dtype, x->ndim + 1, shape);
    return 0;
}

static int diag_embed_forward(ae_call *c)
{
    ae_tensor *y = c->out[0];
    memset(y->data, 0, (size_t)ae_numel(y) * ae_dtype_size(y->dtype));
    ae_tensor *view = diagonal_view(c->graph, y, c->attr);
    if (ae_ok(c->graph)) {
        ae_copy_values(view, c->in[0]);
    }
    return 0;
}

static void diag_embed_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    gin[0] = ae_apply(c->graph, &ae_op_diagonal, gout, 1, c->attr, c->attr_size);
}

static void diag_embed_sample(ae_sample *s)
{
    static const int64_t offsets[] = {0, -2, 1};
    s->out[0] = ae_diag_embed(s->graph, ae_sample_in(s, s->variant ? "2,3" : "3", -2, 2), offsets[s->variant]);
}

const ae_op ae_op_diag_embed = {
    .name = "diag_embed",
    .formula = "zeros with y[..., i, i + offset, ...] = x[..., i]; the transpose of diagonal",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .shape = diag_embed_shape,
    .forward = diag_embed_forward,
    .vjp = diag_embed_vjp,
    .sample = diag_embed_sample,
    .samples = 3,
};

ae_tensor *ae_diag_embed(ae_graph *g, ae_tensor *x, int64_t offset)
{
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    if (x->ndim < 1 || x->ndim >= AE_MAX_DIMS) {
        return ae_fail(g, AE_E_SHAPE, "diag_embed: a tensor with %d axes; it takes 1 to %d", x->ndim, AE_MAX_DIMS - 1);
    }
    if (offset < -INT32_MAX || offset > INT32_MAX) {
        return ae_fail(g, AE_E_VALUE, "diag_embed: no matrix holds diagonal %lld", (long long)offset);
    }
    int64_t n = x->shape[x->ndim - 1] + (offset < 0 ? -offset : offset);
    diagonal_attr a = {offset, x->ndim - 1, x->ndim, n, n};
    return ae_apply(g, &ae_op_diag_embed, &x, 1, &a, sizeof a);
}

ae_tensor *ae_diag(ae_graph *g, ae_tensor *x, int64_t offset)
{
    if (ae_ok(g) && x->ndim != 1 && x->ndim != 2) {
        return ae_fail(g, AE_E_SHAPE, "diag: a tensor with %d axes; it takes a vector or a matrix", x->ndim);
    }
    return ae_ok(g) && x->ndim == 2 ? ae_diagonal(g, x, offset, 0, 1) : ae_diag_embed(g, x, offset);
}

/* ---- tril, triu ---------------------------------------------------------------------------------------------------- */

static int triangle_shape(ae_call *c)
{
    char text[AE_DESCRIBE_MAX];
    if (c->in[0]->ndim < 2) {
        return ae_call_fail(c, AE_E_SHAPE, "%s is no matrix", ae_call_describe(c, 0, text));
    }
    return same_shape(c);
}

static int64_t clamp(int64_t x, int64_t lo, int64_t hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

/* Row i keeps columns [0, i + k] of a lower triangle, [i + k, n) of an upper one. */
static int triangle_forward(ae_call *c)
{
    const ae_tensor *x = c->in[0], *y = c->out[0];
    int64_t rows = x->shape[x->ndim - 2], n = x->shape[x->ndim - 1];
    int64_t k = clamp(*(const int64_t *)c->attr, -rows - 1, n + 1);
    size_t size = ae_dtype_size(x->dtype);
    ae_copy_values(c->out[0], x);
    int64_t total = n ? ae_numel(x) / n : 0;
#pragma omp parallel for schedule(static) if (total * n > 32768)
    for (int64_t r = 0; r < total; r++) {
        char *row = (char *)y->data + (size_t)(r * n) * size;
        int64_t i = r % rows;
        if (c->op->name == ae_op_tril.name) {
            int64_t keep = clamp(i + k + 1, 0, n);
            memset(row + (size_t)keep * size, 0, (size_t)(n - keep) * size);
        } else {
            memset(row, 0, (size_t)clamp(i + k, 0, n) * size);
        }
    }
    return 0;
}

static void triangle_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    gin[0] = ae_apply(c->graph, c->op, gout, 1, c->attr, c->attr_size);
}

static void tril_sample(ae_sample *s)
{
    s->out[0] = ae_tril(s->graph, ae_sample_in(s, s->variant ? "2,3,4" : "3,3", -2, 2), s->variant ? -1 : 0);
}

static void triu_sample(ae_sample *s)
{
    s->out[0] = ae_triu(s->graph, ae_sample_in(s, s->variant ? "2,3,4" : "3,3", -2, 2), s->variant ? 2 : 0);
}

const ae_op ae_op_tril = {
    .name = "tril",
    .formula = "x[i, j] where j <= i + k, else 0",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .shape = triangle_shape,
    .forward = triangle_forward,
    .vjp = triangle_vjp,
    .sample = tril_sample,
    .samples = 2,
};

const ae_op ae_op_triu = {
    .name = "triu",
    .formula = "x[i, j] where j >= i + k, else 0",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .shape = triangle_shape,
    .forward = triangle_forward,
    .vjp = triangle_vjp,
    .sample = triu_sample,
    .samples = 2,
};

ae_tensor *ae_tril(ae_graph *g, ae_tensor *x, int64_t k)
{
    return ae_apply(g, &ae_op_tril, &x, 1, &k, sizeof k);
}

ae_tensor *ae_triu(ae_graph *g, ae_tensor *x, int64_t k)
{
    return ae_apply(g, &ae_op_triu, &x, 1, &k, sizeof k);
}
