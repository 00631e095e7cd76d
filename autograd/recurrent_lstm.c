#include "autograd/compute_type.h"
#include "autograd/ops.h"
#include "autograd/recurrent_steps.h"
#include "tensor/kernels.h"
#include "tensor/threads.h"

#include <math.h>
#include <string.h>

enum { W_HR = REC_B_HH + 1, H0, C0, LENGTHS, INPUTS };
enum { ACT, CELL }; /* extras: the gates after their functions (total,4H), the cells (total,H) */

typedef struct lstm_layer {
    ae_graph *graph;
    ae_steps s;
    int64_t hidden, width; /* of the cell, of the state (less with projection) */
    float cell_clip, proj_clip;
    ae_step_rows act;  /* (total,4H) */
    ae_step_rows cell; /* (total,H) */
    float *h;          /* (total,P) */
    float *h0;         /* (B,P) sorted */
    float *c0;         /* (B,H) sorted */
} lstm_layer;

static int lstm_shape(ae_call *c)
{
    char text[AE_DESCRIBE_MAX];
    if (ae_recurrent_check(c, 4, LENGTHS) != 0) {
        return -1;
    }
    const ae_tensor *x = c->in[REC_X], *hr = c->in[W_HR];
    int64_t hidden = c->in[REC_W_IH]->shape[0] / 4, width = c->in[REC_W_HH]->shape[1];
    if (hr ? hr->ndim != 2 || hr->shape[0] != width || hr->shape[1] != hidden : width != hidden) {
        return ae_call_fail(c, AE_E_SHAPE, "the state has %lld units and the cell %lld, so the projection must be %s",
                            (long long)width, (long long)hidden,
                            hr ? ae_call_describe(c, W_HR, text) : "given as w_hr [state,cell]");
    }
    if (ae_recurrent_check_state(c, H0, "h0", width) != 0 || ae_recurrent_check_state(c, C0, "c0", hidden) != 0) {
        return -1;
    }
    ae_call_out(c, 0, x->dtype, 3, (int64_t[]){x->shape[0], x->shape[1], width});
    ae_call_out(c, 1, x->dtype, 2, (int64_t[]){x->shape[0], width});
    ae_call_out(c, 2, x->dtype, 2, (int64_t[]){x->shape[0], hidden});
    return 0;
}

/* Lays out the steps and the cells' initial state: what both directions begin with. */
static int lstm_begin(ae_call *c, lstm_layer *l)
{
    const ae_recurrent_options *o = c->attr;
    *l = (lstm_layer){.graph = c->graph, .cell_clip = (float)o->cell_clip};
    l->hidden = c->in[REC_W_IH]->shape[0] / 4;
    l->width = c->in[REC_W_HH]->shape[1];
    l->proj_clip = c->in[W_HR] ? (float)o->proj_clip : 0.0f;
    if (ae_steps_make(&l->s, c->graph, c->in[REC_X], c->in[LENGTHS], o->reverse) != 0) {
        return -1;
    }
    l->c0 = ae_steps_matrix(&l->s, l->s.batch, l->hidden);
    if (!l->c0) {
        return -1;
    }
    ae_steps_sort(&l->s, c->in[C0], l->hidden, l->c0);
    return 0;
}

/* ---- forward ------------------------------------------------------------------------------------------------------- */

/* From the gates' sums of one step: act, the cells, and m (rows,H) = o tanh(c). */
static void cells(const lstm_layer *l, int64_t t, float *act, float *m)
{
    const ae_kernels *k = ae_kernels_get();
    const int64_t n = l->hidden, rows = l->s.count[t];
    float *cell = ae_step_rows_place(&l->cell, t);
    const float *before = t ? ae_step_rows_place(&l->cell, t - 1) : l->c0;
#pragma omp parallel for schedule(static) if (rows * n > 4096)
    for (int64_t j = 0; j < rows; j++) {
        ae_threads_prepare();
        float *a = act + j * 4 * n;
        k->lstm(a, before + j * n, l->cell_clip, a, cell + j * n, m + j * n, n);
    }
    ae_step_rows_written(&l->act, t);
    ae_step_rows_written(&l->cell, t);
}

static void clamp(float *x, int64_t n, float limit)
{
    for (int64_t i = 0; i < n && limit > 0; i++) {
        x[i] = x[i] > limit ? limit : x[i] < -limit ? -limit : x[i];
    }
}

static int lstm_steps(const lstm_layer *l, const ae_weight *hh, const ae_weight *hr, bool has_h0)
{
    float *m = hr ? ae_steps_matrix(&l->s, l->s.batch, l->hidden) : NULL;
    int status = ae_ok(l->graph) ? 0 : -1;
    for (int64_t t = 0; t < l->s.steps && status == 0; t++) {
        const int64_t rows = l->s.count[t];
        const float *before = t ? l->h + l->s.first[t - 1] * l->width : l->h0;
        float *h = l->h + l->s.first[t] * l->width, *act = ae_step_rows_read(&l->act, t);
        if (t || has_h0) {
            status = ae_weight_forward(l->graph, hh, rows, before, act, NULL, true);
        }
        cells(l, t, act, hr ? m : h);
        if (hr && status == 0) {
            status = ae_weight_forward(l->graph, hr, rows, m, h, NULL, false);
            clamp(h, rows * l->width, l->proj_clip);
        }
    }
    return status;
}

static int lstm_forward(ae_call *c)
{
    lstm_layer l;
    if (c->in[REC_X]->dtype != AE_F32) {
        return AE_DECLINE;
    }
    if (lstm_begin(c, &l) != 0) {
        return -1;
    }
    ae_dtype kept = ae_compute_dtype(c->graph, AE_F32);
    ae_tensor *act = ae_call_extra(c, ACT, kept, 2, (int64_t[]){l.s.total, 4 * l.hidden});
    ae_tensor *cell = ae_call_extra(c, CELL, kept, 2, (int64_t[]){l.s.total, l.hidden});
    l.h = ae_steps_matrix(&l.s, l.s.total, l.width);
    l.h0 = ae_steps_matrix(&l.s, l.s.batch, l.width);
    if (!ae_ok(c->graph) || ae_step_rows_make(&l.act, &l.s, 4 * l.hidden, act) != 0 ||
        ae_step_rows_make(&l.cell, &l.s, l.hidden, cell) != 0) {
        return -1;
    }
    ae_steps_sort(&l.s, c->in[H0], l.width, l.h0);
    ae_weight hh, hr = {0};
    int64_t rows = l.s.steps > 3 ? l.s.batch : 0;
    int status = ae_weight_make(&hh, c->graph, c->in[REC_W_HH], rows, false);
    if (status == 0 && c->in[W_HR]) {
        status = ae_weight_make(&hr, c->graph, c->in[W_HR], rows, false);
    }
    const float *bias = ae_bias_sum(c->graph, c->in[REC_B_IH], c->in[REC_B_HH]);
    if (status == 0 && ae_recurrent_inputs(c, &l.s, act, bias) == 0) {
        status = lstm_steps(&l, &hh, c->in[W_HR] ? &hr : NULL, c->in[H0] != NULL);
    }
    ae_weight_free(&hh);
    ae_weight_free(&hr);
    if (status == 0 && ae_ok(c->graph)) {
        ae_steps_unpack(&l.s, l.h, c->out[0]);
        ae_steps_last(&l.s, l.h, l.h0, l.width, c->out[1]);
        ae_step_rows_last(&l.cell, l.c0, c->out[2]);
    }
    return status;
}

/* ---- backward ------------------------------------------------------------------------------------------------------ */

typedef struct lstm_gradient {
    ae_recurrent_backward b;
    ae_step_rows before; /* (total,H) the cells once more: the step before is read beside the step */
    ae_step_rows dgates; /* (total,4H) */
    float *dc;           /* (B,H) of the cell */
    float *dm;           /* (B,H) of o tanh(c), with projection */
    float *dproj;        /* (total,P): of the projection's result, when w_hr's gradient is wanted */
} lstm_gradient;

static void cells_backward(const lstm_layer *l, const lstm_gradient *d, int64_t t, const float *dm)
{
    const ae_kernels *k = ae_kernels_get();
    const int64_t n = l->hidden, rows = l->s.count[t];
    const float *act = ae_step_rows_read(&l->act, t), *cell = ae_step_rows_read(&l->cell, t);
    const float *before = t ? ae_step_rows_read(&d->before, t - 1) : l->c0;
    float *dgates = ae_step_rows_place(&d->dgates, t);
#pragma omp parallel for schedule(static) if (rows * n > 4096)
    for (int64_t j = 0; j < rows; j++) {
        ae_threads_prepare();
        k->lstm_backward(act + j * 4 * n, before + j * n, cell + j * n, l->cell_clip, dm + j * n, d->dc + j * n,
                         dgates + j * 4 * n, d->dc + j * n, n);
    }
    ae_step_rows_written(&d->dgates, t);
}

/* A clipped state passes nothing on. */
static void mask_clipped(const float *h, float *dh, int64_t n, float limit)
{
    for (int64_t i = 0; i < n && limit > 0; i++) {
        dh[i] = fabsf(h[i]) >= limit ? 0.0f : dh[i];
    }
}

static int lstm_steps_back(const lstm_layer *l, const lstm_gradient *d, const ae_weight *hh, const ae_weight *hr,
                           bool to_h0)
{
    int status = 0;
    for (int64_t t = l->s.steps - 1; t >= 0 && status == 0; t--) {
        const int64_t rows = l->s.count[t], first = l->s.first[t];
        const float *dm = d->b.dh;
        ae_steps_add(&l->s, t, d->b.dy, l->width, d->b.dh);
        if (hr) {
            mask_clipped(l->h + first * l->width, d->b.dh, rows * l->width, l->proj_clip);
            if (d->dproj) {
                memcpy(d->dproj + first * l->width, d->b.dh, (size_t)(rows * l->width) * sizeof(float));
            }
            status = ae_weight_backward(l->graph, hr, rows, d->b.dh, AE_F32, d->dm, false);
            dm = d->dm;
        }
        cells_backward(l, d, t, dm);
        if ((t || to_h0) && status == 0) {
            status = ae_weight_backward(l->graph, hh, rows, ae_step_rows_place(&d->dgates, t), AE_F32, d->b.dh, false);
        }
    }
    return status;
}

/* dW_hr = dproj^T (o tanh(c)) */
static void projection_gradient(ae_call *c, const lstm_layer *l, const lstm_gradient *d, ae_tensor **gin)
{
    const ae_kernels *k = ae_kernels_get();
    const int64_t n = l->hidden;
    float *m = ae_steps_matrix(&l->s, l->s.total, n);
    gin[W_HR] = ae_empty(c->graph, AE_F32, 2, c->in[W_HR]->shape);
    if (!m || !ae_ok(c->graph)) {
        return;
    }
    for (int64_t t = 0; t < l->s.steps; t++) {
        const float *act = ae_step_rows_read(&l->act, t), *cell = ae_step_rows_read(&l->cell, t);
        float *now = m + l->s.first[t] * n;
#pragma omp parallel for schedule(static) if (l->s.count[t] * n > 4096)
        for (int64_t j = 0; j < l->s.count[t]; j++) {
            k->tanh(cell + j * n, now + j * n, n);
            k->mul(now + j * n, act + j * 4 * n + 3 * n, now + j * n, n);
        }
    }
    ae_weight_gradient(c->graph, l->s.total, d->dproj, AE_F32, l->width, l->width, m, n, gin[W_HR]->data, false);
}

/* Backward knows a clipped cell by its value: where that was rounded, the limit is rounded alike. */
static float kept_limit(float limit, ae_dtype dtype)
{
    uint16_t rounded;
    if (dtype == AE_BF16) {
        ae_kernels_get()->f32_to_bf16(&limit, &rounded, 1);
        ae_kernels_get()->bf16_to_f32(&rounded, &limit, 1);
    }
    return limit;
}

/* The layer as the vjp sees it, and room for what it finds. */
static int lstm_back_begin(ae_call *c, lstm_layer *l, lstm_gradient *d, ae_tensor *const *gout)
{
    if (lstm_begin(c, l) != 0) {
        return -1;
    }
    const ae_steps *s = &l->s;
    ae_tensor *cell = c->extra[CELL];
    l->cell_clip = kept_limit(l->cell_clip, cell->dtype);
    *d = (lstm_gradient){.dc = ae_steps_matrix(s, s->batch, l->hidden)};
    if (ae_step_rows_make(&l->act, s, 4 * l->hidden, c->extra[ACT]) != 0 ||
        ae_step_rows_make(&l->cell, s, l->hidden, cell) != 0 ||
        ae_step_rows_make(&d->before, s, l->hidden, cell) != 0 ||
        ae_step_rows_make(&d->dgates, s, 4 * l->hidden, NULL) != 0) {
        return -1;
    }
    if (c->in[W_HR]) {
        d->dm = ae_steps_matrix(s, s->batch, l->hidden);
        d->dproj = c->need[W_HR] ? ae_steps_matrix(s, s->total, l->width) : NULL;
    }
    if (!ae_ok(c->graph) || ae_recurrent_backward_begin(c, s, H0, gout, &d->b) != 0) {
        return -1;
    }
    ae_steps_sort(s, gout[2], l->hidden, d->dc);
    l->h = d->b.h;
    l->h0 = d->b.h0;
    return 0;
}

static int run_back(ae_call *c, const lstm_layer *l, const lstm_gradient *d)
{
    ae_weight hh, hr = {0};
    int64_t rows = l->s.steps > 3 ? l->s.batch : 0;
    int status = ae_weight_make(&hh, c->graph, c->in[REC_W_HH], rows, true);
    if (status == 0 && c->in[W_HR]) {
        status = ae_weight_make(&hr, c->graph, c->in[W_HR], rows, true);
    }
    if (status == 0) {
        status = lstm_steps_back(l, d, &hh, c->in[W_HR] ? &hr : NULL, c->in[H0] && c->need[H0]);
    }
    ae_weight_free(&hh);
    ae_weight_free(&hr);
    return status;
}

static void lstm_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    lstm_layer l;
    lstm_gradient d;
    if (lstm_back_begin(c, &l, &d, gout) != 0 || run_back(c, &l, &d) != 0) {
        return;
    }
    ae_recurrent_gradients(c, &l.s, d.dgates.packed, d.dgates.packed, d.b.previous, gin);
    ae_recurrent_state_gradient(c, &l.s, H0, d.b.dh, gin);
    ae_recurrent_state_gradient(c, &l.s, C0, d.dc, gin);
    if (d.dproj) {
        projection_gradient(c, &l, &d, gin);
    }
}

/* ---- the same in primitive ops ------------------------------------------------------------------------------------- */

static ae_tensor *gate(ae_graph *g, ae_tensor *gates, int i, int64_t n)
{
    return ae_slice(g, gates, 1, i * n, (i + 1) * n, 1);
}

static ae_tensor *clipped(ae_graph *g, ae_tensor *x, double limit)
{
    return limit > 0 ? ae_clamp(g, x, -limit, limit) : x;
}

static int lstm_decompose(ae_call *call)
{
    ae_graph *g = call->graph;
    const ae_recurrent_options *o = call->attr;
    ae_tensor **in = call->in, *w_hr = in[W_HR];
    int64_t time = in[REC_X]->shape[1], n = in[REC_W_IH]->shape[0] / 4, width = in[REC_W_HH]->shape[1];
    ae_tensor *h = in[H0] ? in[H0] : ae_plain_zeros(call, width);
    ae_tensor *c = in[C0] ? in[C0] : ae_plain_zeros(call, n);
    ae_tensor **y = ae_plain_list(g, time);
    for (int64_t i = 0; i < time && ae_ok(g); i++) {
        ae_plain_step s = ae_plain_step_at(call, i, in[LENGTHS], o->reverse);
        ae_tensor *gates =
            ae_add(g, ae_f_linear(g, s.x, in[REC_W_IH], in[REC_B_IH]), ae_f_linear(g, h, in[REC_W_HH], in[REC_B_HH]));
        ae_tensor *kept = ae_mul(g, ae_sigmoid(g, gate(g, gates, 1, n)), c);
        ae_tensor *added = ae_mul(g, ae_sigmoid(g, gate(g, gates, 0, n)), ae_tanh(g, gate(g, gates, 2, n)));
        ae_tensor *cell = clipped(g, ae_add(g, kept, added), o->cell_clip);
        ae_tensor *m = ae_mul(g, ae_sigmoid(g, gate(g, gates, 3, n)), ae_tanh(g, cell));
        ae_tensor *state = w_hr ? clipped(g, ae_f_linear(g, m, w_hr, NULL), o->proj_clip) : m;
        y[s.time] = ae_plain_select(g, &s, state, ae_plain_zeros(call, width));
        h = ae_plain_select(g, &s, state, h);
        c = ae_plain_select(g, &s, cell, c);
    }
    call->out[0] = ae_plain_stack(call, y, width);
    call->out[1] = h;
    call->out[2] = c;
    return ae_ok(g) ? 0 : -1;
}

/* ---- the row ------------------------------------------------------------------------------------------------------- */

typedef struct lstm_case {
    int batch, time, in, hidden, proj;
    bool bias, states, lengths;
    ae_recurrent_options options;
} lstm_case;

static void lstm_sample(ae_sample *s)
{
    static const lstm_case cases[] = {
        {2, 3, 2, 2, 0, true, true, true, {0}},
        {2, 3, 2, 2, 0, false, false, false, {.reverse = true}},
        {3, 2, 1, 2, 0, true, false, true, {.reverse = true, .cell_clip = 0.2}},
        {2, 3, 2, 3, 2, false, true, true, {.cell_clip = 0.3, .proj_clip = 0.1}},
        {2, 2, 1, 2, 1, true, false, false, {.reverse = true}},
        {5, 7, 33, 65, 0, true, true, true, {.reverse = true}},
        {9, 11, 16, 40, 0, true, false, true, {0}},
        {4, 6, 20, 48, 24, true, true, true, {.cell_clip = 0.5, .proj_clip = 0.4}},
        {3, 2, 8, 16, 0, true, true, false, {0}},
        {2, 5, 70, 129, 67, false, false, false, {.reverse = true}},
    };
    const lstm_case *k = &cases[s->variant];
    char shape[64];
    int width = k->proj ? k->proj : k->hidden;
    double scale = 1.5 / sqrt(k->hidden);
    ae_tensor *in[INPUTS] = {NULL};
    snprintf(shape, sizeof shape, "%d,%d,%d", k->batch, k->time, k->in);
    in[REC_X] = ae_sample_in(s, shape, -1, 1);
    snprintf(shape, sizeof shape, "%d,%d", 4 * k->hidden, k->in);
    in[REC_W_IH] = ae_sample_in(s, shape, -scale, scale);
    snprintf(shape, sizeof shape, "%d,%d", 4 * k->hidden, width);
    in[REC_W_HH] = ae_sample_in(s, shape, -scale, scale);
    snprintf(shape, sizeof shape, "%d", 4 * k->hidden);
    in[REC_B_IH] = k->bias ? ae_sample_in(s, shape, -1, 1) : NULL;
    in[REC_B_HH] = k->bias ? ae_sample_in(s, shape, -1, 1) : NULL;
    snprintf(shape, sizeof shape, "%d,%d", k->proj, k->hidden);
    in[W_HR] = k->proj ? ae_sample_in(s, shape, -1, 1) : NULL;
    snprintf(shape, sizeof shape, "%d,%d", k->batch, width);
    in[H0] = k->states ? ae_sample_in(s, shape, -1, 1) : NULL;
    snprintf(shape, sizeof shape, "%d,%d", k->batch, k->hidden);
    in[C0] = k->states ? ae_sample_in(s, shape, -1, 1) : NULL;
    snprintf(shape, sizeof shape, "%d", k->batch);
    in[LENGTHS] = k->lengths ? ae_sample_ids(s, shape, 0, k->time + 1) : NULL;
    ae_f_lstm(s->graph, in[REC_X], in[REC_W_IH], in[REC_W_HH], in[REC_B_IH], in[REC_B_HH], in[W_HR], in[H0], in[C0],
              in[LENGTHS], &k->options, s->out);
}

#define LSTM_ALWAYS (AE_IN(REC_W_HH) | AE_IN(W_HR) | AE_IN(C0) | AE_IN(LENGTHS) | AE_OUT(0))

const ae_op ae_op_lstm = {
    .name = "lstm",
    .formula = "c = f c + i g, h = o tanh(c), over time",
    .min_in = INPUTS,
    .max_in = INPUTS,
    .n_out = 3,
    .flags = AE_OP_FUSED,
    .optional = AE_IN(REC_B_IH) | AE_IN(REC_B_HH) | AE_IN(W_HR) | AE_IN(H0) | AE_IN(C0) | AE_IN(LENGTHS),
    .needs = {LSTM_ALWAYS | AE_IN(REC_W_IH), LSTM_ALWAYS | AE_IN(REC_X), LSTM_ALWAYS | AE_IN(H0), LSTM_ALWAYS,
              LSTM_ALWAYS, LSTM_ALWAYS, LSTM_ALWAYS, LSTM_ALWAYS},
    .shape = lstm_shape,
    .forward = lstm_forward,
    .vjp = lstm_vjp,
    .decompose = lstm_decompose,
    .sample = lstm_sample,
    .samples = 5,
    .big_samples = 5,
};

int ae_f_lstm(ae_graph *g, ae_tensor *x, ae_tensor *w_ih, ae_tensor *w_hh, ae_tensor *b_ih, ae_tensor *b_hh,
              ae_tensor *w_hr, ae_tensor *h0, ae_tensor *c0, ae_tensor *lengths, const ae_recurrent_options *options,
              ae_tensor *out[3])
{
    ae_tensor *in[INPUTS] = {x, w_ih, w_hh, b_ih, b_hh, w_hr, h0, c0, lengths};
    return ae_apply_widened(g, &ae_op_lstm, in, INPUTS, options, sizeof *options, out);
}
