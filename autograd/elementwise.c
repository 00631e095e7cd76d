#include "autograd/elementwise.h"
#include "autograd/ops.h"
#include "autograd/tape.h"

#include <string.h>

/* Results of PARALLEL elements and more are shared out among the threads, PIECE elements at a time. */
enum { MAX_OPERANDS = 3, PARALLEL = 32768, PIECE = 8192 };

int ae_broadcast_shape(const ae_tensor *a, const ae_tensor *b, int *ndim, int64_t shape[AE_MAX_DIMS])
{
    int n = a->ndim > b->ndim ? a->ndim : b->ndim;
    int64_t result[AE_MAX_DIMS];
    for (int i = 1; i <= n; i++) {
        int64_t x = i <= a->ndim ? a->shape[a->ndim - i] : 1;
        int64_t y = i <= b->ndim ? b->shape[b->ndim - i] : 1;
        if (x != y && x != 1 && y != 1) {
            return -1;
        }
        result[n - i] = x == 1 ? y : x;
    }
    *ndim = n;
    memcpy(shape, result, (size_t)n * sizeof *shape);
    return 0;
}

static int broadcast_strides(const ae_tensor *t, int ndim, const int64_t *shape, int64_t *strides)
{
    if (t->ndim > ndim) {
        return -1;
    }
    for (int i = 0; i < ndim; i++) {
        int k = i - (ndim - t->ndim);
        if (k < 0 || (t->shape[k] == 1 && shape[i] != 1)) {
            strides[i] = 0;
        } else if (t->shape[k] == shape[i]) {
            strides[i] = t->strides[k];
        } else {
            return -1;
        }
    }
    return 0;
}

ae_tensor *ae_broadcast_view(ae_graph *g, const ae_tensor *src, int ndim, const int64_t *shape)
{
    int64_t strides[AE_MAX_DIMS];
    if (broadcast_strides(src, ndim, shape, strides) != 0) {
        return NULL;
    }
    return ae_view(g, src, ndim, shape, strides, 0);
}

static bool result_is_bool(const ae_block_kernel *k)
{
    return k->f32_bool || k->f64_bool || k->i64_bool;
}

static bool takes(const ae_block_kernel *k, ae_dtype dtype)
{
    bool boolean = result_is_bool(k);
    if (dtype == AE_F64) {
        return boolean ? k->f64_bool != NULL : k->f64 != NULL;
    }
    if (ae_dtype_is_float(dtype)) {
        return boolean ? k->f32_bool != NULL : k->f32 != NULL;
    }
    return boolean ? k->i64_bool != NULL : k->i64 != NULL;
}

int ae_elementwise_out(ae_call *c, ae_dtype dtype)
{
    char a[AE_DESCRIBE_MAX], b[AE_DESCRIBE_MAX];
    ae_tensor out = {.ndim = c->in[0]->ndim};
    memcpy(out.shape, c->in[0]->shape, sizeof out.shape);
    for (int i = 1; i < c->n_in; i++) {
        if (ae_broadcast_shape(&out, c->in[i], &out.ndim, out.shape) != 0) {
            return ae_call_fail(c, AE_E_SHAPE, "%s and %s do not broadcast: extents must be equal or 1 from the right",
                                ae_call_describe(c, i - 1, a), ae_call_describe(c, i, b));
        }
    }
    ae_call_out(c, 0, dtype, out.ndim, out.shape);
    return 0;
}

int ae_elementwise_shape(ae_call *c)
{
    char a[AE_DESCRIBE_MAX], b[AE_DESCRIBE_MAX];
    const ae_tensor *x = c->in[0];
    for (int i = 1; i < c->n_in; i++) {
        if (c->in[i]->dtype != x->dtype) {
            return ae_call_fail(c, AE_E_DTYPE, "%s is %s and %s is %s; cast one of them", ae_call_describe(c, 0, a),
                                ae_dtype_name(x->dtype), ae_call_describe(c, i, b), ae_dtype_name(c->in[i]->dtype));
        }
    }
    if (!takes(c->op->kernel, x->dtype)) {
        return ae_call_fail(c, AE_E_DTYPE, "%s is %s, which this operation does not take; cast it",
                            ae_call_describe(c, 0, a), ae_dtype_name(x->dtype));
    }
    return ae_elementwise_out(c, result_is_bool(c->op->kernel) ? AE_BOOL : x->dtype);
}

/* ---- the driver ---------------------------------------------------------------------------------------------------- */

typedef struct operand {
    const char *data;
    size_t size; /* of an element */
    int64_t strides[AE_MAX_DIMS];
    bool dense; /* the whole operand lies as the result does */
} operand;

typedef struct plan {
    int ndim;
    int64_t shape[AE_MAX_DIMS];
    int n;
    operand x[MAX_OPERANDS];
    ae_dtype dtype; /* the operands', where the kernel computes */
} plan;

static bool mergeable(const plan *p, int i)
{
    for (int k = 0; k < p->n; k++) {
        if (p->x[k].strides[i - 1] != p->x[k].strides[i] * p->shape[i]) {
            return false;
        }
    }
    return true;
}

/* Merges neighbouring axes that every operand walks as one, so that rows are as long as they can be. */
static void merge_axes(plan *p)
{
    int out = 0;
    for (int i = 1; i < p->ndim; i++) {
        bool merged = false;
        /* axis `out` and axis i, after moving i next to it */
        p->shape[out + 1] = p->shape[i];
        for (int k = 0; k < p->n; k++) {
            p->x[k].strides[out + 1] = p->x[k].strides[i];
        }
        if (mergeable(p, out + 1)) {
            p->shape[out] *= p->shape[out + 1];
            for (int k = 0; k < p->n; k++) {
                p->x[k].strides[out] = p->x[k].strides[out + 1];
            }
            merged = true;
        }
        out += merged ? 0 : 1;
    }
    p->ndim = p->ndim ? out + 1 : 0;
}

/* One element n times: a broadcast axis. */
static void repeat(const char *src, size_t size, int64_t n, char *block)
{
    size_t bytes = (size_t)n * size;
    memcpy(block, src, size);
    for (size_t done = size; done < bytes; done *= 2) {
        memcpy(block + done, block, done < bytes - done ? done : bytes - done);
    }
}

/* Copies elements of one operand, beginning at result index `from`, into a dense block. */
static void gather(const plan *p, const operand *x, int64_t from, int64_t n, char *block)
{
    int last = p->ndim - 1;
    int64_t at[AE_MAX_DIMS];
    int64_t rest = from;
    for (int i = last; i >= 0; i--) {
        at[i] = rest % p->shape[i];
        rest /= p->shape[i];
    }
    while (n > 0) {
        int64_t offset = 0;
        for (int i = 0; i <= last; i++) {
            offset += at[i] * x->strides[i];
        }
        int64_t row = p->shape[last] - at[last];
        row = row < n ? row : n;
        const char *src = x->data + offset * (int64_t)x->size;
        int64_t step = x->strides[last];
        if (step == 1) {
            memcpy(block, src, (size_t)row * x->size);
        } else if (step == 0) {
            repeat(src, x->size, row, block);
        } else if (x->size == 4) {
            uint32_t *to = (uint32_t *)(void *)block;
            const uint32_t *s = (const uint32_t *)(const void *)src;
            for (int64_t i = 0; i < row; i++) {
                to[i] = s[i * step];
            }
        } else {
            for (int64_t i = 0; i < row; i++) {
                memcpy(block + i * (int64_t)x->size, src + i * step * (int64_t)x->size, x->size);
            }
        }
        block += row * (int64_t)x->size;
        n -= row;
        at[last] = 0;
        for (int i = last - 1; i >= 0 && ++at[i] == p->shape[i]; i--) {
            at[i] = 0;
        }
    }
}

#define WIDEN(type)                                                                                                    \
    do {                                                                                                               \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            ((int64_t *)block)[i] = ((const type *)src)[i];                                                            \
        }                                                                                                              \
    } while (0)

/* bf16 and f16 widen to f32, small integers and bool to i64. */
static void widen(ae_dtype dtype, const void *src, void *block, int64_t n)
{
    switch (dtype) {
    case AE_BF16:
        ae_kernels_get()->bf16_to_f32(src, block, n);
        break;
    case AE_F16:
        ae_kernels_get()->f16_to_f32(src, block, n);
        break;
    case AE_I8:
        WIDEN(int8_t);
        break;
    case AE_I32:
        WIDEN(int32_t);
        break;
    default:
        WIDEN(uint8_t);
        break;
    }
}

#define NARROW(type, value)                                                                                            \
    do {                                                                                                               \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            int64_t v = ((const int64_t *)block)[i];                                                                   \
            ((type *)dst)[i] = (type)(value);                                                                          \
        }                                                                                                              \
    } while (0)

static void narrow(ae_dtype dtype, const void *block, void *dst, int64_t n)
{
    switch (dtype) {
    case AE_BF16:
        ae_kernels_get()->f32_to_bf16(block, dst, n);
        break;
    case AE_F16:
        ae_kernels_get()->f32_to_f16(block, dst, n);
        break;
    case AE_I8:
        NARROW(int8_t, v);
        break;
    case AE_I32:
        NARROW(int32_t, v);
        break;
    case AE_BOOL:
        NARROW(uint8_t, v != 0);
        break;
    default:
        NARROW(uint8_t, v);
        break;
    }
}

static void call_kernel(const ae_block_kernel *k, ae_dtype dtype, const void *const *x, void *y, int64_t n,
                        const void *attr)
{
    bool boolean = result_is_bool(k);
    if (dtype == AE_F64) {
        const double *const p[MAX_OPERANDS] = {x[0], x[1], x[2]};
        if (boolean) {
            k->f64_bool(p, y, n, attr);
        } else {
            k->f64(p, y, n, attr);
        }
    } else if (ae_dtype_is_float(dtype)) {
        const float *const p[MAX_OPERANDS] = {x[0], x[1], x[2]};
        if (boolean) {
            k->f32_bool(p, y, n, attr);
        } else {
            k->f32(p, y, n, attr);
        }
    } else {
        const int64_t *const p[MAX_OPERANDS] = {x[0], x[1], x[2]};
        if (boolean) {
            k->i64_bool(p, y, n, attr);
        } else {
            k->i64(p, y, n, attr);
        }
    }
}

/* Whether kernels take this dtype as it lies. */
static bool computes_in(ae_dtype dtype)
{
    return dtype == AE_F32 || dtype == AE_F64 || dtype == AE_I64;
}

/* Result elements [from, from + n), n at most AE_BLOCK. */
static void run_block(const plan *p, const ae_block_kernel *k, ae_tensor *out, int64_t from, int64_t n,
                      const void *attr)
{
    uint64_t gathered[MAX_OPERANDS][AE_BLOCK], widened[MAX_OPERANDS][AE_BLOCK], result[AE_BLOCK];
    const void *x[MAX_OPERANDS] = {NULL};
    bool narrow_type = !k->bytes && !computes_in(p->dtype);
    for (int i = 0; i < p->n; i++) {
        const char *src = p->x[i].data + from * (int64_t)p->x[i].size;
        if (!p->x[i].dense) {
            gather(p, &p->x[i], from, n, (char *)gathered[i]);
            src = (const char *)gathered[i];
        }
        x[i] = src;
        if (narrow_type) {
            widen(p->dtype, src, widened[i], n);
            x[i] = widened[i];
        }
    }
    char *y = (char *)out->data + from * (int64_t)ae_dtype_size(out->dtype);
    if (k->bytes) {
        k->bytes(x, y, n, attr);
        return;
    }
    bool via_buffer = narrow_type && !result_is_bool(k);
    call_kernel(k, p->dtype, x, via_buffer ? (void *)result : (void *)y, n, attr);
    if (via_buffer) {
        narrow(p->dtype, result, y, n);
    }
}

/* Results are cut into pieces for the threads. No region for short ones: even a region of one thread costs libgomp half
 * a microsecond. */
static void run_strided(const plan *p, const ae_block_kernel *k, ae_tensor *out, int64_t n, const void *attr)
{
    int64_t blocks = (n + AE_BLOCK - 1) / AE_BLOCK;
    if (n < PARALLEL) {
        for (int64_t i = 0; i < blocks; i++) {
            run_block(p, k, out, i * AE_BLOCK, n - i * AE_BLOCK < AE_BLOCK ? n - i * AE_BLOCK : AE_BLOCK, attr);
        }
        return;
    }
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < blocks; i++) {
        run_block(p, k, out, i * AE_BLOCK, n - i * AE_BLOCK < AE_BLOCK ? n - i * AE_BLOCK : AE_BLOCK, attr);
    }
}

static void dense_piece(const ae_block_kernel *k, ae_tensor *const *in, int n_in, ae_tensor *out, int64_t from,
                        int64_t n, const void *attr)
{
    const void *x[MAX_OPERANDS] = {NULL};
    for (int i = 0; i < n_in; i++) {
        x[i] = (const char *)in[i]->data + from * (int64_t)ae_dtype_size(in[i]->dtype);
    }
    char *y = (char *)out->data + from * (int64_t)ae_dtype_size(out->dtype);
    if (k->bytes) {
        k->bytes(x, y, n, attr);
    } else {
        call_kernel(k, in[0]->dtype, x, y, n, attr);
    }
}

/* Every operand lies as the result does, in a dtype that the kernel takes: nothing to plan. */
static void run_dense(const ae_block_kernel *k, ae_tensor *const *in, int n_in, ae_tensor *out, int64_t n,
                      const void *attr)
{
    if (n < PARALLEL) {
        dense_piece(k, in, n_in, out, 0, n, attr);
        return;
    }
    int64_t pieces = (n + PIECE - 1) / PIECE;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < pieces; i++) {
        dense_piece(k, in, n_in, out, i * PIECE, n - i * PIECE < PIECE ? n - i * PIECE : PIECE, attr);
    }
}

static bool lies_as(const ae_tensor *x, const ae_tensor *out)
{
    return ae_same_shape(x, out) && ae_is_contiguous(x);
}

/* Ids and masks are computed in a dry run too: shapes hang on them. */
static bool all_floats(ae_tensor *const *in, int n_in, const ae_tensor *out)
{
    bool floats = ae_dtype_is_float(out->dtype);
    for (int i = 0; i < n_in; i++) {
        floats = floats && ae_dtype_is_float(in[i]->dtype);
    }
    return floats;
}

void ae_elementwise_run(const ae_block_kernel *k, ae_tensor *const *in, int n_in, ae_tensor *out, const void *attr)
{
    int64_t n = ae_numel(out);
    bool dense = k->bytes || computes_in(in[0]->dtype);
    for (int i = 0; i < n_in && dense; i++) {
        dense = lies_as(in[i], out);
    }
    if (n == 0 || (n > PIECE && ae_kernels_dry() && all_floats(in, n_in, out))) {
        return;
    }
    if (dense) {
        run_dense(k, in, n_in, out, n, attr);
        return;
    }
    plan p = {.ndim = out->ndim, .n = n_in, .dtype = in[0]->dtype};
    memcpy(p.shape, out->shape, sizeof p.shape);
    for (int i = 0; i < n_in; i++) {
        p.x[i].data = in[i]->data;
        p.x[i].size = ae_dtype_size(in[i]->dtype);
        p.x[i].dense = lies_as(in[i], out);
        broadcast_strides(in[i], out->ndim, out->shape, p.x[i].strides);
    }
    merge_axes(&p);
    run_strided(&p, k, out, n, attr);
}

int ae_elementwise_forward(ae_call *c)
{
    ae_elementwise_run(c->op->kernel, c->in, c->n_in, c->out[0], c->attr);
    return 0;
}

ae_tensor *ae_elementwise_grad(ae_call *c, const ae_block_kernel *k, ae_tensor *known, ae_tensor *dy)
{
    if (c->graph->recording || dy->dtype == AE_F64 || known->dtype != dy->dtype) {
        return NULL;
    }
    ae_tensor *dx = ae_empty(c->graph, dy->dtype, dy->ndim, dy->shape);
    if (dx != ae_bad(c->graph)) {
        ae_elementwise_run(k, (ae_tensor *[]){known, dy}, 2, dx, c->attr);
    }
    return dx;
}

void ae_promote(ae_graph *g, ae_tensor **x, int n)
{
    ae_dtype best = AE_BF16;
    bool mixed = false;
    for (int i = 0; i < n; i++) {
        if (!ae_ok(g) || !x[i] || !ae_dtype_is_float(x[i]->dtype)) {
            return;
        }
        ae_dtype d = x[i]->dtype;
        mixed = mixed || d != x[0]->dtype;
        best = d == AE_F64 || best == AE_F64 ? AE_F64 : AE_F32;
    }
    for (int i = 0; i < n && mixed; i++) {
        x[i] = ae_cast(g, x[i], best);
    }
}

ae_tensor *ae_elementwise(ae_graph *g, const ae_op *op, ae_tensor *const *in, int n, const void *attr, size_t attr_size)
{
    bool mixed = false;
    for (int i = 1; i < n; i++) {
        mixed = mixed || (in[i] && in[0] && in[i]->dtype != in[0]->dtype);
    }
    if (!mixed) {
        return ae_apply(g, op, in, n, attr, attr_size);
    }
    ae_frame f = ae_frame_open(g);
    ae_tensor *same[MAX_OPERANDS];
    memcpy(same, in, (size_t)n * sizeof *in);
    ae_promote(g, same, n);
    return ae_frame_return(f, ae_apply(g, op, same, n, attr, attr_size));
}
