/* Projection to classes and cross-entropy in one: a block of rows of the logits exists at a time, and its gradients are
 * taken while it does. A language model's logits, its largest tensor, are never held whole. */
#include "autograd/class_targets.h"
#include "autograd/compute_type.h"
#include "autograd/linear_inference.h"
#include "autograd/ops.h"
#include "autograd/tape.h"
#include "autograd/weight_product.h"
#include "tensor/kernels.h"

#include <omp.h>
#include <string.h>

enum {
    BLOCK_BYTES = 128 << 20, /* of logits at a time: few rows make slow products */
    ROWS_LEAST = 64,
    ROWS_MULTIPLE = 16
};

typedef struct linear_cross_entropy_attr {
    int64_t ignore_index;
    double smoothing;
    ae_reduction reduction;
} linear_cross_entropy_attr;

enum { X, WEIGHT, BIAS, TARGETS };

/* ---- shape ---------------------------------------------------------------------------------------------------------- */

static int linear_cross_entropy_shape(ae_call *c)
{
    char x[AE_DESCRIBE_MAX], w[AE_DESCRIBE_MAX];
    const linear_cross_entropy_attr *a = c->attr;
    const ae_tensor *rows = c->in[X], *weight = c->in[WEIGHT], *bias = c->in[BIAS], *targets = c->in[TARGETS];
    if (!ae_dtype_is_float(rows->dtype) || weight->dtype != rows->dtype || (bias && bias->dtype != rows->dtype)) {
        return ae_call_fail(c, AE_E_DTYPE, "%s is %s and %s is %s; floats of one dtype are needed",
                            ae_call_describe(c, X, x), ae_dtype_name(rows->dtype), ae_call_describe(c, WEIGHT, w),
                            ae_dtype_name(weight->dtype));
    }
    if (rows->ndim != 2 || weight->ndim != 2 || rows->shape[1] != weight->shape[1]) {
        return ae_call_fail(c, AE_E_SHAPE, "%s must be (rows,features) and %s (classes,features)",
                            ae_call_describe(c, X, x), ae_call_describe(c, WEIGHT, w));
    }
    if (bias && (bias->ndim != 1 || bias->shape[0] != weight->shape[0])) {
        return ae_call_fail(c, AE_E_SHAPE, "%s must have one value a class of %s", ae_call_describe(c, BIAS, x),
                            ae_call_describe(c, WEIGHT, w));
    }
    if (targets->ndim != 1 || targets->shape[0] != rows->shape[0]) {
        return ae_call_fail(c, AE_E_SHAPE, "targets %s must have one id a row of %s", ae_call_describe(c, TARGETS, w),
                            ae_call_describe(c, X, x));
    }
    if (ae_targets_check(c, TARGETS, weight->shape[0], a->ignore_index) != 0 ||
        ae_label_smoothing_check(c, a->smoothing) != 0) {
        return -1;
    }
    ae_call_out(c, 0, rows->dtype, a->reduction == AE_REDUCE_NONE ? 1 : 0, targets->shape);
    return 0;
}

/* ---- forward ---------------------------------------------------------------------------------------------------------- */

/* What all blocks share. */
typedef struct block_run {
    ae_call *call;
    ae_weight weight; /* made when a block first needs it: inference may have copies of its own */
    int64_t many;     /* rows of a block where the weight is read often, else 0 */
    ae_tensor *x;     /* dense */
    const float *bias;
    const float *late; /* the bias, where the product left it out: a row takes it up on its way to the softmax */
    float *logits, *losses;
    uint16_t *narrow;    /* the gradients of the logits as products in bf16 read them; NULL: they stand in logits */
    float *dx, *dw, *db; /* NULL where that gradient is not wanted */
    float *db_parts;     /* (threads,classes): each thread's share of db */
    int64_t features, classes;
    float scale; /* of the gradient: 1, or 1 / rows that count */
} block_run;

/* Rows of a block: as many as BLOCK_BYTES holds, the blocks of nearly one size. */
static int64_t block_rows(int64_t rows, int64_t classes)
{
    int64_t most = BLOCK_BYTES / (int64_t)sizeof(float) / (classes > 0 ? classes : 1);
    most = most < ROWS_LEAST ? ROWS_LEAST : most;
    int64_t blocks = (rows + most - 1) / most;
    int64_t each = blocks > 0 ? (rows + blocks - 1) / blocks : 1;
    return (each + ROWS_MULTIPLE - 1) / ROWS_MULTIPLE * ROWS_MULTIPLE;
}

/* The loss of one row from its logits, which become their gradients where these are wanted: in their place, and rounded
 * in narrow where there is that. */
static void row_loss(const block_run *b, int64_t i, float *row, uint16_t *narrow, float *db)
{
    const linear_cross_entropy_attr *a = b->call->attr;
    const ae_kernels *k = ae_kernels_get();
    int64_t t = ae_get_i64(b->call->in[TARGETS], i), v = b->classes;
    float lse = 0;
    if (t == a->ignore_index) {
        b->losses[i] = 0;
        memset(row, 0, (size_t)v * sizeof *row);
        if (narrow) {
            memset(narrow, 0, (size_t)v * sizeof *narrow);
        }
        return;
    }
    if (b->late) {
        k->add(row, b->late, row, v);
    }
    b->losses[i] = k->cross_entropy(row, v, t, (float)a->smoothing, &lse);
    if (b->dx || b->dw || b->db) {
        k->cross_entropy_backward(row, row, v, t, (float)a->smoothing, lse, b->scale);
    }
    if (narrow) {
        k->f32_to_bf16(row, narrow, v);
    }
    if (db) {
        k->add(db, row, db, v);
    }
}

/* Everything that passes over a row does so at once, while a cache holds it. */
static void block_losses(const block_run *b, int64_t from, int64_t n)
{
    int64_t v = b->classes;
#pragma omp parallel if (n * v > 16384)
    {
        float *db = b->db ? b->db_parts + omp_get_thread_num() * v : NULL;
#pragma omp for schedule(static)
        for (int64_t i = 0; i < n; i++) {
            row_loss(b, from + i, b->logits + i * v, b->narrow ? b->narrow + i * v : NULL, db);
        }
    }
}

/* As inference computes linear layers; 1 when the block is a product like those of training. */
static int infer_logits(const block_run *b, int64_t from, int64_t n)
{
    ae_graph *g = b->call->graph;
    ae_frame f = ae_frame_open(g);
    int64_t strides[2] = {b->features, 1};
    ae_tensor *x = ae_view(g, b->x, 2, (int64_t[]){n, b->features}, strides, from * b->features);
    ae_tensor *y = ae_from_borrowed(g, AE_F32, 2, (int64_t[]){n, b->classes}, b->logits);
    int status = ae_linear_infer(b->call, x, false, AE_GEMM_NONE, y);
    ae_frame_close(f);
    return status;
}

/* Inference in bf16 reads the rounded copy that the parameter keeps. */
static int make_weight(block_run *b)
{
    ae_call *c = b->call;
    const ae_tensor *kept = ae_linear_weight(c, false); /* (features,classes), a view of (classes,features) */
    if (ae_ok(c->graph) && kept->dtype == AE_BF16) {
        b->weight = (ae_weight){.data = kept->data, .dtype = AE_BF16, .out = b->classes, .in = b->features};
        return 0;
    }
    return ae_weight_make(&b->weight, c->graph, c->in[WEIGHT], b->many, false);
}

static int block_logits(block_run *b, int64_t from, int64_t n)
{
    ae_call *c = b->call;
    int status = infer_logits(b, from, n);
    b->late = NULL;
    if (status <= 0) {
        return status;
    }
    if (!b->weight.data && make_weight(b) != 0) {
        return -1;
    }
    const float *x = b->x->data;
    b->late = b->bias;
    return ae_weight_forward(c->graph, &b->weight, n, x + from * b->features, b->logits, NULL, false);
}

static int run_block(block_run *b, int64_t from, int64_t n)
{
    ae_graph *g = b->call->graph;
    const float *x = (const float *)b->x->data + from * b->features;
    if (block_logits(b, from, n) != 0) {
        return -1;
    }
    block_losses(b, from, n);
    const void *dy = b->narrow ? (const void *)b->narrow : b->logits;
    const ae_dtype dtype = b->narrow ? AE_BF16 : AE_F32;
    if (b->dx && ae_weight_backward(g, &b->weight, n, dy, dtype, b->dx + from * b->features, false) != 0) {
        return -1;
    }
    if (b->dw && ae_weight_gradient(g, n, dy, dtype, b->classes, b->classes, x, b->features, b->dw, from > 0) != 0) {
        return -1;
    }
    return ae_ok(g) ? 0 : -1;
}

/* db: what the threads have gathered. */
static void add_parts(const block_run *b)
{
    memset(b->db, 0, (size_t)b->classes * sizeof *b->db);
    for (int i = 0; i < omp_get_max_threads(); i++) {
        ae_kernels_get()->add(b->db, b->db_parts + i * b->classes, b->db, b->classes);
    }
}

/* The place of input i's gradient, or NULL when it is not wanted. */
static float *gradient_place(ae_call *c, int i)
{
    if (!c->recording || !c->in[i] || !c->need[i]) {
        return NULL;
    }
    ae_tensor *t = ae_call_extra(c, i, AE_F32, c->in[i]->ndim, c->in[i]->shape);
    return t ? t->data : NULL;
}

static int run_blocks(block_run *b, int64_t rows)
{
    ae_call *c = b->call;
    ae_graph *g = c->graph;
    int64_t step = block_rows(rows, b->classes), most = rows < step ? rows : step, status = 0;
    ae_tensor *logits = ae_empty(g, AE_F32, 2, (int64_t[]){most, b->classes});
    bool narrows = (b->dx || b->dw) && ae_compute_dtype(g, AE_F32) == AE_BF16;
    ae_tensor *narrow = narrows ? ae_empty(g, AE_BF16, 2, (int64_t[]){most, b->classes}) : NULL;
    ae_tensor *parts = b->db ? ae_zeros(g, AE_F32, 2, (int64_t[]){omp_get_max_threads(), b->classes}) : NULL;
    if (!ae_ok(g)) {
        return -1;
    }
    b->db_parts = parts ? parts->data : NULL;
    b->many = rows > step ? most : 0;
    b->logits = logits->data;
    b->narrow = narrow ? narrow->data : NULL;
    for (int64_t from = 0; from < rows && status == 0; from += step) {
        status = run_block(b, from, rows - from < step ? rows - from : step);
    }
    ae_weight_free(&b->weight);
    if (parts) {
        add_parts(b);
    }
    return status == 0 ? 0 : -1;
}

static int linear_cross_entropy_forward(ae_call *c)
{
    const linear_cross_entropy_attr *a = c->attr;
    ae_graph *g = c->graph;
    int64_t rows = c->in[X]->shape[0];
    if (c->in[X]->dtype != AE_F32 || a->reduction == AE_REDUCE_NONE) {
        return AE_DECLINE; /* a gradient for each row comes too late to be put in while the logits are there */
    }
    block_run b = {.call = c, .features = c->in[X]->shape[1], .classes = c->in[WEIGHT]->shape[0]};
    double count = ae_targets_count(c->in[TARGETS], a->ignore_index);
    b.scale = a->reduction == AE_REDUCE_MEAN ? (float)(1 / count) : 1.0f;
    b.x = ae_dense(g, c->in[X]);
    ae_tensor *losses = ae_empty(g, AE_F32, 1, &rows);
    ae_tensor *bias = c->in[BIAS] ? ae_dense(g, c->in[BIAS]) : NULL;
    b.dx = gradient_place(c, X);
    b.dw = gradient_place(c, WEIGHT);
    b.db = gradient_place(c, BIAS);
    if (!ae_ok(g)) {
        return -1;
    }
    b.bias = bias ? bias->data : NULL;
    b.losses = losses->data;
    if (b.dw && rows == 0) {
        memset(b.dw, 0, (size_t)(b.classes * b.features) * sizeof *b.dw);
    }
    if (run_blocks(&b, rows) != 0) {
        return -1;
    }
    double total = ae_kernels_get()->sum(b.losses, rows);
    *(float *)c->out[0]->data = (float)(a->reduction == AE_REDUCE_MEAN ? total / count : total);
    return 0;
}

/* ---- vjp -------------------------------------------------------------------------------------------------------------- */

/* upstream times the gradient that forward left, in its place where the tape is used once. */
static ae_tensor *scaled(ae_call *c, int i, float upstream)
{
    ae_graph *g = c->graph;
    ae_tensor *made = c->extra[i], *sum = ae_call_sum(c, i);
    int64_t n = ae_numel(made);
    ae_tensor *y = sum ? sum : ae_running_retains(g) ? ae_empty_like(g, made) : made;
    if (!ae_ok(g) || (y == made && upstream == 1.0f)) {
        return y;
    }
    const float *from = made->data;
    float *to = y->data;
#pragma omp parallel for simd schedule(static) if (n > 32768)
    for (int64_t k = 0; k < n; k++) {
        to[k] = upstream * from[k] + (sum ? to[k] : 0);
    }
    return y;
}

static void linear_cross_entropy_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    float upstream = (float)ae_item(gout[0]);
    for (int i = X; i <= BIAS; i++) {
        if (c->in[i] && c->need[i] && ae_ok(c->graph)) {
            gin[i] = scaled(c, i, upstream);
        }
    }
}

/* ---- decomposition and row -------------------------------------------------------------------------------------------- */

static int linear_cross_entropy_decompose(ae_call *c)
{
    const linear_cross_entropy_attr *a = c->attr;
    ae_cross_entropy_options o = {
        .ignore_index = a->ignore_index, .label_smoothing = a->smoothing, .reduction = a->reduction};
    ae_tensor *logits = ae_f_linear(c->graph, c->in[X], c->in[WEIGHT], c->in[BIAS]);
    c->out[0] = ae_cross_entropy(c->graph, logits, c->in[TARGETS], &o);
    return ae_ok(c->graph) ? 0 : -1;
}

static void linear_cross_entropy_sample(ae_sample *s)
{
    static const char *const xs[] = {"5,3", "5,3", "4,2", "5,3", "150,67"};
    static const char *const ws[] = {"4,3", "4,3", "3,2", "4,3", "131,67"};
    static const char *const bs[] = {"4", NULL, "3", "4", "131"};
    static const char *const ts[] = {"5", "5", "4", "5", "150"};
    int v = s->variant;
    ae_cross_entropy_options o = {.ignore_index = v == 1 ? 2 : -100, .label_smoothing = v == 2 || v == 4 ? 0.1 : 0};
    o.reduction = v == 3 ? AE_REDUCE_NONE : v == 1 ? AE_REDUCE_SUM : AE_REDUCE_MEAN;
    ae_tensor *x = ae_sample_in(s, xs[v], -1, 1), *w = ae_sample_in(s, ws[v], -1, 1);
    ae_tensor *b = bs[v] ? ae_sample_in(s, bs[v], -1, 1) : NULL;
    ae_tensor *t = ae_sample_ids(s, ts[v], 0, v == 4 ? 131 : v == 2 ? 3 : 4);
    s->out[0] = ae_linear_cross_entropy(s->graph, x, w, b, t, &o);
}

const ae_op ae_op_linear_cross_entropy = {
    .name = "linear_cross_entropy",
    .formula = "-log softmax(x weight^T + bias)[target]",
    .min_in = 4,
    .max_in = 4,
    .n_out = 1,
    .flags = AE_OP_FUSED,
    .optional = AE_IN(BIAS),
    .shape = linear_cross_entropy_shape,
    .forward = linear_cross_entropy_forward,
    .vjp = linear_cross_entropy_vjp,
    .decompose = linear_cross_entropy_decompose,
    .sample = linear_cross_entropy_sample,
    .samples = 4,
    .big_samples = 1,
};

ae_tensor *ae_linear_cross_entropy(ae_graph *g, ae_tensor *x, ae_tensor *weight, ae_tensor *bias, ae_tensor *targets,
                                   const ae_cross_entropy_options *options)
{
    linear_cross_entropy_attr a = {.ignore_index = -100, .reduction = AE_REDUCE_MEAN};
    if (options) {
        a = (linear_cross_entropy_attr){options->ignore_index, options->label_smoothing, options->reduction};
    }
    if (options && options->class_weight) {
        return ae_cross_entropy(g, ae_f_linear(g, x, weight, bias), targets, options);
    }
    ae_frame f = ae_frame_open(g);
    ae_tensor *in[] = {ae_to_f32(g, x), ae_to_f32(g, weight), ae_to_f32(g, bias), targets};
    return ae_frame_return(f, ae_apply(g, &ae_op_linear_cross_entropy, in, 4, &a, sizeof a));
}
