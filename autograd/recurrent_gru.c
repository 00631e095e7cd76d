#include "autograd/compute_type.h"
#include "autograd/ops.h"
#include "autograd/recurrent_steps.h"
#include "tensor/kernels.h"
#include "tensor/threads.h"

#include <math.h>
#include <string.h>

enum { H0 = REC_B_HH + 1, LENGTHS, INPUTS };
enum { ACT, HG_N }; /* extras: r, z, n (total,3H); torch's form: W_hn h + b_hn (total,H) */

static int gru_shape(ae_call *c)
{
    char text[AE_DESCRIBE_MAX];
    if (ae_recurrent_check(c, 3, LENGTHS) != 0) {
        return -1;
    }
    const ae_tensor *x = c->in[REC_X];
    int64_t n = c->in[REC_W_IH]->shape[0] / 3;
    if (c->in[REC_W_HH]->shape[1] != n) {
        return ae_call_fail(c, AE_E_SHAPE, "the weight of the state must be [%lld,%lld]; got %s", (long long)(3 * n),
                            (long long)n, ae_call_describe(c, REC_W_HH, text));
    }
    if (ae_recurrent_check_state(c, H0, "h0", n) != 0) {
        return -1;
    }
    ae_call_out(c, 0, x->dtype, 3, (int64_t[]){x->shape[0], x->shape[1], n});
    ae_call_out(c, 1, x->dtype, 2, (int64_t[]){x->shape[0], n});
    return 0;
}

typedef struct gru_layer {
    ae_graph *graph;
    ae_steps s;
    int64_t hidden;
    ae_step_rows act;  /* (total,3H) */
    ae_step_rows hg_n; /* (total,H) */
    float *h;          /* (total,H) */
    float *h0;         /* (B,H) sorted */
} gru_layer;

static const float *state_before(const gru_layer *l, int64_t t)
{
    return t ? l->h + l->s.first[t - 1] * l->hidden : l->h0;
}

/* What both forms of forward begin with. */
static int gru_begin(ae_call *c, gru_layer *l)
{
    const ae_recurrent_options *o = c->attr;
    *l = (gru_layer){.graph = c->graph, .hidden = c->in[REC_W_HH]->shape[1]};
    if (ae_steps_make(&l->s, c->graph, c->in[REC_X], c->in[LENGTHS], o->reverse) != 0) {
        return -1;
    }
    ae_dtype kept = ae_compute_dtype(c->graph, AE_F32);
    ae_tensor *act = ae_call_extra(c, ACT, kept, 2, (int64_t[]){l->s.total, 3 * l->hidden});
    l->h = ae_steps_matrix(&l->s, l->s.total, l->hidden);
    l->h0 = ae_steps_matrix(&l->s, l->s.batch, l->hidden);
    if (!ae_ok(c->graph) || ae_step_rows_make(&l->act, &l->s, 3 * l->hidden, act) != 0) {
        return -1;
    }
    ae_steps_sort(&l->s, c->in[H0], l->hidden, l->h0);
    return 0;
}

static void gru_end(ae_call *c, const gru_layer *l)
{
    ae_steps_unpack(&l->s, l->h, c->out[0]);
    ae_steps_last(&l->s, l->h, l->h0, l->hidden, c->out[1]);
}

static int64_t pack_rows(const ae_steps *s)
{
    return s->steps > 3 ? s->batch : 0;
}

/* ---- forward, reset after the product (PyTorch) -------------------------------------------------------------------- */

static void gru_cells(const gru_layer *l, int64_t t, const float *hg)
{
    const ae_kernels *k = ae_kernels_get();
    const int64_t n = l->hidden, rows = l->s.count[t], first = l->s.first[t];
    const float *before = state_before(l, t);
    float *acts = ae_step_rows_read(&l->act, t), *hg_n = ae_step_rows_place(&l->hg_n, t);
#pragma omp parallel for schedule(static) if (rows * n > 4096)
    for (int64_t j = 0; j < rows; j++) {
        ae_threads_prepare();
        float *act = acts + j * 3 * n;
        k->gru(act, hg + j * 3 * n, before + j * n, act, l->h + (first + j) * n, n);
        memcpy(hg_n + j * n, hg + j * 3 * n + 2 * n, (size_t)n * sizeof(float));
    }
    ae_step_rows_written(&l->act, t);
    ae_step_rows_written(&l->hg_n, t);
}

static int gru_forward(ae_call *c)
{
    gru_layer l;
    if (c->in[REC_X]->dtype != AE_F32) {
        return AE_DECLINE;
    }
    if (gru_begin(c, &l) != 0) {
        return -1;
    }
    ae_graph *g = c->graph;
    ae_tensor *hg_n = ae_call_extra(c, HG_N, l.act.packed->dtype, 2, (int64_t[]){l.s.total, l.hidden});
    float *hg = ae_steps_matrix(&l.s, l.s.batch, 3 * l.hidden);
    if (!hg || ae_step_rows_make(&l.hg_n, &l.s, l.hidden, hg_n) != 0 ||
        ae_recurrent_inputs(c, &l.s, l.act.packed, ae_bias_sum(g, c->in[REC_B_IH], NULL)) != 0) {
        return -1;
    }
    ae_weight hh;
    const float *bias = ae_bias_sum(g, c->in[REC_B_HH], NULL);
    int status = ae_weight_make(&hh, g, c->in[REC_W_HH], pack_rows(&l.s), false);
    for (int64_t t = 0; t < l.s.steps && status == 0; t++) {
        status = ae_weight_forward(g, &hh, l.s.count[t], state_before(&l, t), hg, bias, false);
        gru_cells(&l, t, hg);
    }
    ae_weight_free(&hh);
    if (status == 0) {
        gru_end(c, &l);
    }
    return status;
}

/* ---- backward, reset after ----------------------------------------------------------------------------------------- */

typedef struct gru_gradient {
    ae_recurrent_backward b;
    ae_step_rows dxg; /* (total,3H) of the input's pre-activations */
    ae_step_rows dhg; /* (total,3H) of the state's; torch's form only */
    float *part;      /* (B,H) */
} gru_gradient;

static void gru_cells_backward(const gru_layer *l, const gru_gradient *d, int64_t t)
{
    const ae_kernels *k = ae_kernels_get();
    const int64_t n = l->hidden, rows = l->s.count[t];
    const float *before = state_before(l, t);
    const float *act = ae_step_rows_read(&l->act, t), *hg_n = ae_step_rows_read(&l->hg_n, t);
    float *dxg = ae_step_rows_place(&d->dxg, t), *dhg = ae_step_rows_place(&d->dhg, t);
#pragma omp parallel for schedule(static) if (rows * n > 4096)
    for (int64_t j = 0; j < rows; j++) {
        ae_threads_prepare();
        float *dh = d->b.dh + j * n;
        k->gru_backward(act + j * 3 * n, hg_n + j * n, before + j * n, dh, dxg + j * 3 * n, dhg + j * 3 * n, dh, n);
    }
    ae_step_rows_written(&d->dxg, t);
    ae_step_rows_written(&d->dhg, t);
}

/* The layer as the vjp sees it. */
static int gru_back_begin(ae_call *c, gru_layer *l, gru_gradient *d, ae_tensor *const *gout)
{
    const ae_recurrent_options *o = c->attr;
    *l = (gru_layer){.graph = c->graph, .hidden = c->in[REC_W_HH]->shape[1]};
    if (ae_steps_make(&l->s, c->graph, c->in[REC_X], c->in[LENGTHS], o->reverse) != 0 ||
        ae_recurrent_backward_begin(c, &l->s, H0, gout, &d->b) != 0) {
        return -1;
    }
    l->h = d->b.h;
    l->h0 = d->b.h0;
    if (ae_step_rows_make(&l->act, &l->s, 3 * l->hidden, c->extra[ACT]) != 0 ||
        ae_step_rows_make(&d->dxg, &l->s, 3 * l->hidden, NULL) != 0) {
        return -1;
    }
    d->part = ae_steps_matrix(&l->s, l->s.batch, 3 * l->hidden);
    return ae_ok(c->graph) ? 0 : -1;
}

static void gru_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    gru_layer l;
    gru_gradient d;
    ae_weight hh;
    const int64_t n = c->in[REC_W_HH]->shape[1];
    if (gru_back_begin(c, &l, &d, gout) != 0 || ae_step_rows_make(&l.hg_n, &l.s, n, c->extra[HG_N]) != 0 ||
        ae_step_rows_make(&d.dhg, &l.s, 3 * n, NULL) != 0) {
        return;
    }
    int status = ae_weight_make(&hh, c->graph, c->in[REC_W_HH], pack_rows(&l.s), true);
    for (int64_t t = l.s.steps - 1; t >= 0 && status == 0; t--) {
        ae_steps_add(&l.s, t, d.b.dy, n, d.b.dh);
        gru_cells_backward(&l, &d, t);
        if (t || (c->in[H0] && c->need[H0])) {
            const float *dhg = ae_step_rows_place(&d.dhg, t);
            status = ae_weight_backward(c->graph, &hh, l.s.count[t], dhg, AE_F32, d.b.dh, true);
        }
    }
    ae_weight_free(&hh);
    if (status == 0) {
        ae_recurrent_gradients(c, &l.s, d.dxg.packed, d.dhg.packed, d.b.previous, gin);
        ae_recurrent_state_gradient(c, &l.s, H0, d.b.dh, gin);
    }
}

/* ---- reset before the product (TensorFlow) ------------------------------------------------------------------------- */

/* The rows [from, to) of the state's weight, as a weight of their own. */
static int weight_part(ae_call *c, ae_weight *w, int64_t from, int64_t to, int64_t pack, bool backward)
{
    ae_tensor *hh = c->in[REC_W_HH];
    ae_tensor *part =
        ae_view(c->graph, hh, 2, (int64_t[]){to - from, hh->shape[1]}, hh->strides, from * hh->strides[0]);
    *w = (ae_weight){0};
    return ae_ok(c->graph) ? ae_weight_make(w, c->graph, part, pack, backward) : -1;
}

/* gates (rows,2H) = U h; leaves r and z in act, and r h in rh (rows,H). */
static void reset_cells(const gru_layer *l, int64_t t, float *gates, float *rh)
{
    const ae_kernels *k = ae_kernels_get();
    const int64_t n = l->hidden, rows = l->s.count[t];
    const float *before = state_before(l, t);
    float *acts = ae_step_rows_read(&l->act, t);
#pragma omp parallel for schedule(static) if (rows * n > 4096)
    for (int64_t j = 0; j < rows; j++) {
        ae_threads_prepare();
        float *act = acts + j * 3 * n;
        k->add(act, gates + j * 2 * n, act, 2 * n);
        k->gru_reset(act, before + j * n, act, rh + j * n, n);
    }
}

/* Goes on where reset_cells has left act. */
static void output_cells(const gru_layer *l, int64_t t, const float *candidate)
{
    const ae_kernels *k = ae_kernels_get();
    const int64_t n = l->hidden, rows = l->s.count[t], first = l->s.first[t];
    const float *before = state_before(l, t);
    float *acts = ae_step_rows_place(&l->act, t);
#pragma omp parallel for schedule(static) if (rows * n > 4096)
    for (int64_t j = 0; j < rows; j++) {
        ae_threads_prepare();
        float *act = acts + j * 3 * n;
        k->add(act + 2 * n, candidate + j * n, act + 2 * n, n);
        k->gru_output(act + 2 * n, act + n, before + j * n, act + 2 * n, l->h + (first + j) * n, n);
    }
    ae_step_rows_written(&l->act, t);
}

static int gru_reset_before_forward(ae_call *c)
{
    gru_layer l;
    if (c->in[REC_X]->dtype != AE_F32) {
        return AE_DECLINE;
    }
    if (gru_begin(c, &l) != 0) {
        return -1;
    }
    ae_graph *g = c->graph;
    const int64_t n = l.hidden;
    float *gates = ae_steps_matrix(&l.s, l.s.batch, 2 * n), *rh = ae_steps_matrix(&l.s, l.s.batch, n);
    const float *bias = ae_bias_sum(g, c->in[REC_B_IH], c->in[REC_B_HH]);
    ae_weight rz = {0}, cand = {0};
    int status = ae_recurrent_inputs(c, &l.s, l.act.packed, bias);
    if (status == 0 && weight_part(c, &rz, 0, 2 * n, pack_rows(&l.s), false) == 0) {
        status = weight_part(c, &cand, 2 * n, 3 * n, pack_rows(&l.s), false);
    }
    for (int64_t t = 0; t < l.s.steps && status == 0 && ae_ok(g); t++) {
        status = ae_weight_forward(g, &rz, l.s.count[t], state_before(&l, t), gates, NULL, false);
        reset_cells(&l, t, gates, rh);
        status = status == 0 ? ae_weight_forward(g, &cand, l.s.count[t], rh, gates, NULL, false) : status;
        output_cells(&l, t, gates);
    }
    ae_weight_free(&rz);
    ae_weight_free(&cand);
    if (status == 0 && ae_ok(g)) {
        gru_end(c, &l);
    }
    return status;
}

/* Writes the candidates' gradients into dxg and, densely, into part; dh becomes z dh. */
static void output_cells_backward(const gru_layer *l, const gru_gradient *d, int64_t t)
{
    const ae_kernels *k = ae_kernels_get();
    const int64_t n = l->hidden, rows = l->s.count[t];
    const float *before = state_before(l, t), *acts = ae_step_rows_read(&l->act, t);
    float *dxg = ae_step_rows_place(&d->dxg, t);
#pragma omp parallel for schedule(static) if (rows * n > 4096)
    for (int64_t j = 0; j < rows; j++) {
        ae_threads_prepare();
        const float *act = acts + j * 3 * n;
        float *dx = dxg + j * 3 * n, *dh = d->b.dh + j * n;
        k->gru_output_backward(act + 2 * n, act + n, before + j * n, dh, dx + 2 * n, dx + n, dh, n);
        memcpy(d->part + j * n, dx + 2 * n, (size_t)n * sizeof(float));
    }
}

/* Goes on where output_cells_backward has left act and dxg. Takes the gradients of r h in drh; leaves those of both
 * gates, densely, in part. */
static void reset_cells_backward(const gru_layer *l, const gru_gradient *d, int64_t t, const float *drh)
{
    const ae_kernels *k = ae_kernels_get();
    const int64_t n = l->hidden, rows = l->s.count[t];
    const float *before = state_before(l, t), *act = ae_step_rows_place(&l->act, t);
    float *dxg = ae_step_rows_place(&d->dxg, t);
#pragma omp parallel for schedule(static) if (rows * n > 4096)
    for (int64_t j = 0; j < rows; j++) {
        ae_threads_prepare();
        float *dx = dxg + j * 3 * n;
        k->gru_reset_backward(act + j * 3 * n, before + j * n, drh + j * n, dx, d->b.dh + j * n, n);
        memcpy(d->part + j * 2 * n, dx, (size_t)(2 * n) * sizeof(float));
    }
    ae_step_rows_written(&d->dxg, t);
}

static int reset_before_steps_back(ae_call *c, const gru_layer *l, const gru_gradient *d)
{
    ae_graph *g = c->graph;
    const int64_t n = l->hidden;
    ae_weight rz = {0}, cand = {0};
    float *drh = ae_steps_matrix(&l->s, l->s.batch, n);
    int status = weight_part(c, &rz, 0, 2 * n, pack_rows(&l->s), true);
    status = status == 0 ? weight_part(c, &cand, 2 * n, 3 * n, pack_rows(&l->s), true) : status;
    for (int64_t t = l->s.steps - 1; t >= 0 && status == 0; t--) {
        ae_steps_add(&l->s, t, d->b.dy, n, d->b.dh);
        output_cells_backward(l, d, t);
        status = ae_weight_backward(g, &cand, l->s.count[t], d->part, AE_F32, drh, false);
        reset_cells_backward(l, d, t, drh);
        if (status == 0 && (t || (c->in[H0] && c->need[H0]))) {
            status = ae_weight_backward(g, &rz, l->s.count[t], d->part, AE_F32, d->b.dh, true);
        }
    }
    ae_weight_free(&rz);
    ae_weight_free(&cand);
    return status;
}

/* The rows of the gates meet h, those of the candidate r h. */
static void reset_before_weight(ae_call *c, const gru_layer *l, const gru_gradient *d, ae_tensor **gin)
{
    const ae_kernels *k = ae_kernels_get();
    const int64_t n = l->hidden, total = l->s.total;
    gin[REC_W_HH] = ae_empty(c->graph, AE_F32, 2, c->in[REC_W_HH]->shape);
    if (!ae_ok(c->graph)) {
        return;
    }
    float *dw = gin[REC_W_HH]->data, *rh = d->b.previous;
    const ae_tensor *dxg = d->dxg.packed;
    const char *candidates = (const char *)dxg->data + (size_t)(2 * n) * ae_dtype_size(dxg->dtype);
    ae_weight_gradient(c->graph, total, dxg->data, dxg->dtype, 3 * n, 2 * n, rh, n, dw, false);
    for (int64_t t = 0; t < l->s.steps; t++) {
        const float *act = ae_step_rows_read(&l->act, t);
        for (int64_t j = 0; j < l->s.count[t]; j++) {
            float *row = rh + (l->s.first[t] + j) * n;
            k->mul(row, act + j * 3 * n, row, n);
        }
    }
    ae_weight_gradient(c->graph, total, candidates, dxg->dtype, 3 * n, n, rh, n, dw + 2 * n * n, false);
}

static void gru_reset_before_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    gru_layer l;
    gru_gradient d;
    if (gru_back_begin(c, &l, &d, gout) != 0 || reset_before_steps_back(c, &l, &d) != 0) {
        return;
    }
    ae_recurrent_gradients(c, &l.s, d.dxg.packed, d.dxg.packed, NULL, gin);
    ae_recurrent_state_gradient(c, &l.s, H0, d.b.dh, gin);
    if (d.b.previous) {
        reset_before_weight(c, &l, &d, gin);
    }
}

/* ---- the same in primitive ops ------------------------------------------------------------------------------------- */

static ae_tensor *rows_of(ae_graph *g, ae_tensor *t, int64_t from, int64_t to)
{
    return t ? ae_slice(g, t, 0, from, to, 1) : NULL;
}

/* W x + b for the rows [from, to) of a weight and its bias. */
static ae_tensor *part(ae_graph *g, ae_tensor *x, ae_tensor *w, ae_tensor *b, int64_t from, int64_t to)
{
    return ae_f_linear(g, x, rows_of(g, w, from, to), rows_of(g, b, from, to));
}

static ae_tensor *candidate(ae_call *c, ae_tensor *x, ae_tensor *h, ae_tensor *r, int64_t n)
{
    ae_graph *g = c->graph;
    ae_tensor **in = c->in, *of_x = part(g, x, in[REC_W_IH], in[REC_B_IH], 2 * n, 3 * n);
    if (c->op->name == ae_op_gru_reset_before.name) {
        ae_tensor *of_h = part(g, ae_mul(g, r, h), in[REC_W_HH], in[REC_B_HH], 2 * n, 3 * n);
        return ae_tanh(g, ae_add(g, of_x, of_h));
    }
    ae_tensor *of_h = part(g, h, in[REC_W_HH], in[REC_B_HH], 2 * n, 3 * n);
    return ae_tanh(g, ae_add(g, of_x, ae_mul(g, r, of_h)));
}

static int gru_decompose(ae_call *c)
{
    ae_graph *g = c->graph;
    const ae_recurrent_options *o = c->attr;
    ae_tensor **in = c->in;
    int64_t time = in[REC_X]->shape[1], n = in[REC_W_HH]->shape[1];
    ae_tensor *h = in[H0] ? in[H0] : ae_plain_zeros(c, n);
    ae_tensor **y = ae_plain_list(g, time);
    for (int64_t i = 0; i < time && ae_ok(g); i++) {
        ae_plain_step s = ae_plain_step_at(c, i, in[LENGTHS], o->reverse);
        ae_tensor *gate[2];
        for (int k = 0; k < 2; k++) {
            ae_tensor *of_x = part(g, s.x, in[REC_W_IH], in[REC_B_IH], k * n, (k + 1) * n);
            gate[k] = ae_sigmoid(g, ae_add(g, of_x, part(g, h, in[REC_W_HH], in[REC_B_HH], k * n, (k + 1) * n)));
        }
        ae_tensor *r = gate[0], *z = gate[1], *now = candidate(c, s.x, h, r, n);
        ae_tensor *state = ae_add(g, now, ae_mul(g, z, ae_sub(g, h, now))); /* (1 - z) n + z h */
        y[s.time] = ae_plain_select(g, &s, state, ae_plain_zeros(c, n));
        h = ae_plain_select(g, &s, state, h);
    }
    c->out[0] = ae_plain_stack(c, y, n);
    c->out[1] = h;
    return ae_ok(g) ? 0 : -1;
}

/* ---- the rows ------------------------------------------------------------------------------------------------------ */

static void sample(ae_sample *s, bool reset_before)
{
    static const ae_recurrent_sample cases[] = {
        {2, 3, 2, 2, true, true, true, {0}},
        {2, 3, 2, 2, false, false, false, {.reverse = true}},
        {3, 2, 1, 2, true, false, true, {.reverse = true}},
        {5, 7, 33, 65, true, true, true, {.reverse = true}},
        {4, 6, 20, 130, false, true, false, {0}},
    };
    ae_tensor *in[INPUTS];
    ae_recurrent_sample_inputs(s, &cases[s->variant], 3, in);
    ae_recurrent_options options = cases[s->variant].options;
    options.reset_before = reset_before;
    ae_f_gru(s->graph, in[0], in[1], in[2], in[3], in[4], in[5], in[6], &options, s->out);
}

static void gru_sample(ae_sample *s)
{
    sample(s, false);
}

static void gru_reset_before_sample(ae_sample *s)
{
    sample(s, true);
}

#define GRU_ALWAYS (AE_IN(REC_W_HH) | AE_IN(H0) | AE_IN(LENGTHS) | AE_OUT(0))

const ae_op ae_op_gru = {
    .name = "gru",
    .formula = "n = tanh(W x + b + r (U h + c)), h = (1 - z) n + z h, over time",
    .min_in = INPUTS,
    .max_in = INPUTS,
    .n_out = 2,
    .flags = AE_OP_FUSED,
    .optional = AE_IN(REC_B_IH) | AE_IN(REC_B_HH) | AE_IN(H0) | AE_IN(LENGTHS),
    .needs = {GRU_ALWAYS | AE_IN(REC_W_IH), GRU_ALWAYS | AE_IN(REC_X), GRU_ALWAYS, GRU_ALWAYS, GRU_ALWAYS, GRU_ALWAYS,
              GRU_ALWAYS},
    .shape = gru_shape,
    .forward = gru_forward,
    .vjp = gru_vjp,
    .decompose = gru_decompose,
    .sample = gru_sample,
    .samples = 3,
    .big_samples = 2,
};

const ae_op ae_op_gru_reset_before = {
    .name = "gru_reset_before",
    .formula = "n = tanh(W x + b + U (r h)), h = (1 - z) n + z h, over time",
    .min_in = INPUTS,
    .max_in = INPUTS,
    .n_out = 2,
    .flags = AE_OP_FUSED,
    .optional = AE_IN(REC_B_IH) | AE_IN(REC_B_HH) | AE_IN(H0) | AE_IN(LENGTHS),
    .needs = {GRU_ALWAYS | AE_IN(REC_W_IH), GRU_ALWAYS | AE_IN(REC_X), GRU_ALWAYS, GRU_ALWAYS, GRU_ALWAYS, GRU_ALWAYS,
              GRU_ALWAYS},
    .shape = gru_shape,
    .forward = gru_reset_before_forward,
    .vjp = gru_reset_before_vjp,
    .decompose = gru_decompose,
    .sample = gru_reset_before_sample,
    .samples = 3,
    .big_samples = 2,
};

int ae_f_gru(ae_graph *g, ae_tensor *x, ae_tensor *w_ih, ae_tensor *w_hh, ae_tensor *b_ih, ae_tensor *b_hh,
             ae_tensor *h0, ae_tensor *lengths, const ae_recurrent_options *options, ae_tensor *out[2])
{
    ae_tensor *in[INPUTS] = {x, w_ih, w_hh, b_ih, b_hh, h0, lengths};
    const ae_op *op = options->reset_before ? &ae_op_gru_reset_before : &ae_op_gru;
    return ae_apply_widened(g, op, in, INPUTS, options, sizeof *options, out);
}
