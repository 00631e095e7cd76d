#include "autograd/recurrent_steps.h"
#include "autograd/column_sums.h"
#include "autograd/compute_type.h"
#include "autograd/ops.h"
#include "autograd/tape.h"
#include "tensor/kernels.h"
#include "tensor/threads.h"

#include <math.h>
#include <string.h>

/* ---- checks -------------------------------------------------------------------------------------------------------- */

static int check_dtypes(ae_call *c, int lengths_at)
{
    ae_dtype dtype = c->in[REC_X]->dtype;
    char text[AE_DESCRIBE_MAX];
    if (dtype != AE_F32 && dtype != AE_F64 && dtype != AE_BF16) {
        return ae_call_fail(c, AE_E_DTYPE, "x is %s; it must be f32, f64 or bf16", ae_dtype_name(dtype));
    }
    for (int i = 1; i < c->n_in; i++) {
        const ae_tensor *t = c->in[i];
        if (t && i != lengths_at && t->dtype != dtype) {
            return ae_call_fail(c, AE_E_DTYPE, "x is %s but %s is %s; all must be of one dtype", ae_dtype_name(dtype),
                                ae_call_describe(c, i, text), ae_dtype_name(t->dtype));
        }
    }
    return 0;
}

static int check_bias(ae_call *c, int at, int64_t n)
{
    char text[AE_DESCRIBE_MAX], shape[AE_SHAPE_TEXT_MAX];
    const ae_tensor *t = c->in[at];
    if (t && (t->ndim != 1 || t->shape[0] != n)) {
        return ae_call_fail(c, AE_E_SHAPE, "a bias must be %s, one element a row of the weights; got %s",
                            ae_shape_text(1, &n, shape), ae_call_describe(c, at, text));
    }
    return 0;
}

static int check_lengths(ae_call *c, int at)
{
    char text[AE_DESCRIBE_MAX];
    const ae_tensor *lengths = c->in[at], *x = c->in[REC_X];
    if (!lengths) {
        return 0;
    }
    if (lengths->dtype != AE_I32 && lengths->dtype != AE_I64) {
        return ae_call_fail(c, AE_E_DTYPE, "lengths are %s; they must be i32 or i64", ae_dtype_name(lengths->dtype));
    }
    if (lengths->ndim != 1 || lengths->shape[0] != x->shape[0]) {
        return ae_call_fail(c, AE_E_SHAPE, "lengths must be [%lld], one a row of x; got %s", (long long)x->shape[0],
                            ae_call_describe(c, at, text));
    }
    for (int64_t i = 0; i < x->shape[0]; i++) {
        int64_t n = ae_get_i64(lengths, i);
        if (n < 0 || n > x->shape[1]) {
            return ae_call_fail(c, AE_E_VALUE, "length %lld of row %lld is outside of 0..%lld, the steps of x",
                                (long long)n, (long long)i, (long long)x->shape[1]);
        }
    }
    return 0;
}

int ae_recurrent_check(ae_call *c, int gates, int lengths_at)
{
    char a[AE_DESCRIBE_MAX], b[AE_DESCRIBE_MAX];
    const ae_tensor *x = c->in[REC_X], *ih = c->in[REC_W_IH], *hh = c->in[REC_W_HH];
    if (check_dtypes(c, lengths_at) != 0) {
        return -1;
    }
    if (x->ndim != 3) {
        return ae_call_fail(c, AE_E_SHAPE, "x must be (batch, time, features); got %s", ae_call_describe(c, REC_X, a));
    }
    if (ih->ndim != 2 || ih->shape[0] % gates != 0 || ih->shape[1] != x->shape[2]) {
        return ae_call_fail(c, AE_E_SHAPE, "the weight of the input must be [%d x hidden,%lld] for x %s; got %s", gates,
                            (long long)x->shape[2], ae_call_describe(c, REC_X, a), ae_call_describe(c, REC_W_IH, b));
    }
    if (hh->ndim != 2 || hh->shape[0] != ih->shape[0]) {
        return ae_call_fail(c, AE_E_SHAPE, "the weight of the state must have %lld rows, as %s; got %s",
                            (long long)ih->shape[0], ae_call_describe(c, REC_W_IH, a),
                            ae_call_describe(c, REC_W_HH, b));
    }
    if (check_bias(c, REC_B_IH, ih->shape[0]) != 0 || check_bias(c, REC_B_HH, ih->shape[0]) != 0) {
        return -1;
    }
    return check_lengths(c, lengths_at);
}

int ae_recurrent_check_state(ae_call *c, int at, const char *name, int64_t width)
{
    char text[AE_DESCRIBE_MAX];
    const ae_tensor *t = c->in[at];
    int64_t batch = c->in[REC_X]->shape[0];
    if (t && (t->ndim != 2 || t->shape[0] != batch || t->shape[1] != width)) {
        return ae_call_fail(c, AE_E_SHAPE, "%s must be [%lld,%lld]; got %s", name, (long long)batch, (long long)width,
                            ae_call_describe(c, at, text));
    }
    return 0;
}

/* ---- the layout of the steps --------------------------------------------------------------------------------------- */

static void sort_rows(ae_steps *s, const ae_tensor *lengths, int64_t *places)
{
    /* Counting sort, stable: places[n] is where rows of length n begin when the longest come first. */
    memset(places, 0, (size_t)(s->time + 2) * sizeof *places);
    for (int64_t i = 0; i < s->batch; i++) {
        places[lengths ? ae_get_i64(lengths, i) : s->time]++;
    }
    int64_t at = 0;
    for (int64_t n = s->time; n >= 0; n--) {
        int64_t rows = places[n];
        places[n] = at;
        at += rows;
    }
    for (int64_t i = 0; i < s->batch; i++) {
        int64_t n = lengths ? ae_get_i64(lengths, i) : s->time;
        s->order[places[n]] = i;
        s->length[places[n]++] = n;
    }
}

int ae_steps_make(ae_steps *s, ae_graph *g, const ae_tensor *x, const ae_tensor *lengths, bool reverse)
{
    *s = (ae_steps){.graph = g, .batch = x->shape[0], .time = x->shape[1], .reverse = reverse};
    int64_t n = 2 * s->batch + 3 * s->time + 3;
    ae_tensor *memory = ae_empty(g, AE_I64, 1, &n);
    if (!ae_ok(g)) {
        return -1;
    }
    s->order = memory->data;
    s->length = s->order + s->batch;
    s->count = s->length + s->batch;
    s->first = s->count + s->time;
    sort_rows(s, lengths, s->first + s->time + 1);
    s->steps = s->batch ? s->length[0] : 0;
    int64_t rows = s->batch;
    for (int64_t t = 0; t < s->steps; t++) {
        while (rows > 0 && s->length[rows - 1] <= t) {
            rows--;
        }
        s->count[t] = rows;
        s->first[t] = s->total;
        s->total += rows;
    }
    s->first[s->steps] = s->total;
    return 0;
}

float *ae_steps_matrix(const ae_steps *s, int64_t rows, int64_t cols)
{
    ae_tensor *t = ae_empty(s->graph, AE_F32, 2, (int64_t[]){rows, cols});
    return ae_ok(s->graph) ? t->data : NULL;
}

/* ---- padded and packed --------------------------------------------------------------------------------------------- */

/* The time in the padded batch that sorted row j meets at a step. */
static int64_t time_at(const ae_steps *s, int64_t j, int64_t step)
{
    return s->reverse ? s->length[j] - 1 - step : step;
}

static void copy_row(const float *from, int64_t from_step, float *to, int64_t to_step, int64_t n)
{
    if (from_step == 1 && to_step == 1) {
        memcpy(to, from, (size_t)n * sizeof *to);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        to[i * to_step] = from[i * from_step];
    }
}

void ae_steps_pack(const ae_steps *s, const ae_tensor *padded, float *packed)
{
    const int64_t width = padded->shape[2], *strides = padded->strides;
    const float *x = padded->data;
#pragma omp parallel for schedule(static) if (s->total * width > 32768)
    for (int64_t t = 0; t < s->steps; t++) {
        for (int64_t j = 0; j < s->count[t]; j++) {
            copy_row(x + s->order[j] * strides[0] + time_at(s, j, t) * strides[1], strides[2],
                     packed + (s->first[t] + j) * width, 1, width);
        }
    }
}

void ae_steps_unpack(const ae_steps *s, const float *packed, ae_tensor *padded)
{
    const int64_t width = padded->shape[2], *strides = padded->strides;
    float *y = padded->data;
    if (s->total < s->batch * s->time) {
        memset(y, 0, (size_t)(s->batch * s->time * width) * sizeof *y);
    }
#pragma omp parallel for schedule(static) if (s->total * width > 32768)
    for (int64_t t = 0; t < s->steps; t++) {
        for (int64_t j = 0; j < s->count[t]; j++) {
            copy_row(packed + (s->first[t] + j) * width, 1,
                     y + s->order[j] * strides[0] + time_at(s, j, t) * strides[1], strides[2], width);
        }
    }
}

void ae_steps_sort(const ae_steps *s, const ae_tensor *state, int64_t width, float *sorted)
{
    if (!state) {
        memset(sorted, 0, (size_t)(s->batch * width) * sizeof *sorted);
        return;
    }
    for (int64_t j = 0; j < s->batch; j++) {
        copy_row((const float *)state->data + s->order[j] * state->strides[0], state->strides[1], sorted + j * width, 1,
                 width);
    }
}

void ae_steps_unsort(const ae_steps *s, const float *sorted, ae_tensor *state)
{
    int64_t width = state->shape[1];
    for (int64_t j = 0; j < s->batch; j++) {
        copy_row(sorted + j * width, 1, (float *)state->data + s->order[j] * width, 1, width);
    }
}

void ae_steps_previous(const ae_steps *s, const float *packed, const float *h0, int64_t width, float *previous)
{
    for (int64_t t = 0; t < s->steps; t++) {
        const float *from = t ? packed + s->first[t - 1] * width : h0;
        memcpy(previous + s->first[t] * width, from, (size_t)(s->count[t] * width) * sizeof *previous);
    }
}

void ae_steps_last(const ae_steps *s, const float *packed, const float *h0, int64_t width, ae_tensor *state)
{
    for (int64_t j = 0; j < s->batch; j++) {
        int64_t n = s->length[j];
        const float *from = n ? packed + (s->first[n - 1] + j) * width : h0 + j * width;
        copy_row(from, 1, (float *)state->data + s->order[j] * width, 1, width);
    }
}

void ae_steps_add(const ae_steps *s, int64_t step, const float *packed, int64_t width, float *sum)
{
    if (packed) {
        ae_kernels_get()->add(packed + s->first[step] * width, sum, sum, s->count[step] * width);
    }
}

/* ---- packed matrices in the compute type --------------------------------------------------------------------------- */

int ae_step_rows_make(ae_step_rows *r, const ae_steps *s, int64_t n, ae_tensor *packed)
{
    ae_dtype dtype = ae_compute_dtype(s->graph, AE_F32);
    *r = (ae_step_rows){
        .s = s, .n = n, .packed = packed ? packed : ae_empty(s->graph, dtype, 2, (int64_t[]){s->total, n})};
    r->buffer = ae_ok(s->graph) && r->packed->dtype != AE_F32 ? ae_steps_matrix(s, s->batch, n) : NULL;
    return ae_ok(s->graph) ? 0 : -1;
}

float *ae_step_rows_place(const ae_step_rows *r, int64_t step)
{
    return r->buffer ? r->buffer : (float *)r->packed->data + r->s->first[step] * r->n;
}

/* The kernel that moves a step's rows between bf16 and the buffer, on threads. */
static void move_rows(const ae_step_rows *r, int64_t step, bool out)
{
    const ae_kernels *k = ae_kernels_get();
    uint16_t *rows = (uint16_t *)r->packed->data + r->s->first[step] * r->n;
    const int64_t n = r->s->count[step] * r->n, block = 1 << 14;
#pragma omp parallel for schedule(static) if (n > block)
    for (int64_t i = 0; i < n; i += block) {
        const int64_t m = n - i < block ? n - i : block;
        if (out) {
            k->f32_to_bf16(r->buffer + i, rows + i, m);
        } else {
            k->bf16_to_f32(rows + i, r->buffer + i, m);
        }
    }
}

float *ae_step_rows_read(const ae_step_rows *r, int64_t step)
{
    if (r->buffer) {
        move_rows(r, step, false);
    }
    return ae_step_rows_place(r, step);
}

void ae_step_rows_written(const ae_step_rows *r, int64_t step)
{
    if (r->buffer) {
        move_rows(r, step, true);
    }
}

void ae_step_rows_last(const ae_step_rows *r, const float *initial, ae_tensor *state)
{
    for (int64_t j = 0; j < r->s->batch; j++) {
        int64_t n = r->s->length[j];
        const float *from = n ? ae_step_rows_place(r, n - 1) : initial;
        copy_row(from + j * r->n, 1, (float *)state->data + r->s->order[j] * r->n, 1, r->n);
    }
}

/* ---- what every layer does ---------------------------------------------------------------------------------------- */

int ae_recurrent_inputs(ae_call *c, const ae_steps *s, ae_tensor *gates, const float *bias)
{
    ae_weight w = {0};
    ae_frame f = ae_frame_open(c->graph);
    float *x = ae_steps_matrix(s, s->total, c->in[REC_X]->shape[2]);
    int status = x ? ae_weight_make(&w, c->graph, c->in[REC_W_IH], 0, false) : -1;
    if (status == 0) {
        ae_steps_pack(s, c->in[REC_X], x);
        status = ae_weight_forward_into(c->graph, &w, s->total, x, gates, bias);
    }
    ae_weight_free(&w);
    ae_frame_close(f);
    return status;
}

int ae_recurrent_backward_begin(ae_call *c, const ae_steps *s, int h0_at, ae_tensor *const *gout,
                                ae_recurrent_backward *b)
{
    const ae_tensor *h0 = c->in[h0_at];
    const int64_t width = c->in[REC_W_HH]->shape[1];
    *b = (ae_recurrent_backward){.h = ae_steps_matrix(s, s->total, width), .h0 = ae_steps_matrix(s, s->batch, width)};
    b->previous = c->need[REC_W_HH] ? ae_steps_matrix(s, s->total, width) : NULL;
    b->dy = gout[0] ? ae_steps_matrix(s, s->total, width) : NULL;
    b->dh = ae_steps_matrix(s, s->batch, width);
    if (!ae_ok(c->graph)) {
        return -1;
    }
    ae_steps_pack(s, c->out[0], b->h);
    ae_steps_sort(s, h0 && h0->data ? h0 : NULL, width, b->h0);
    ae_steps_sort(s, gout[1], width, b->dh);
    if (b->dy) {
        ae_steps_pack(s, gout[0], b->dy);
    }
    if (b->previous) {
        ae_steps_previous(s, b->h, b->h0, width, b->previous);
    }
    return 0;
}

void ae_recurrent_state_gradient(ae_call *c, const ae_steps *s, int at, const float *sorted, ae_tensor **gin)
{
    if (c->in[at] && c->need[at]) {
        gin[at] = ae_empty(c->graph, AE_F32, 2, c->in[at]->shape);
        if (ae_ok(c->graph)) {
            ae_steps_unsort(s, sorted, gin[at]);
        }
    }
}

void ae_recurrent_gradients(ae_call *c, const ae_steps *s, ae_tensor *dx_gates, ae_tensor *dh_gates,
                            const float *previous, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    int64_t wide = c->in[REC_W_IH]->shape[0], in = c->in[REC_W_IH]->shape[1], state = c->in[REC_W_HH]->shape[1];
    if (c->need[REC_X]) {
        ae_weight w;
        gin[REC_X] = ae_empty(g, AE_F32, 3, c->in[REC_X]->shape);
        float *dx = ae_steps_matrix(s, s->total, in);
        if (dx && ae_weight_make(&w, g, c->in[REC_W_IH], 0, true) == 0 &&
            ae_weight_backward(g, &w, s->total, dx_gates->data, dx_gates->dtype, dx, false) == 0) {
            ae_steps_unpack(s, dx, gin[REC_X]);
        }
    }
    if (c->need[REC_W_IH]) {
        gin[REC_W_IH] = ae_empty(g, AE_F32, 2, c->in[REC_W_IH]->shape);
        float *x = ae_steps_matrix(s, s->total, in);
        if (x) {
            ae_steps_pack(s, c->in[REC_X], x);
            ae_weight_gradient(g, s->total, dx_gates->data, dx_gates->dtype, wide, wide, x, in, gin[REC_W_IH]->data,
                               false);
        }
    }
    if (c->need[REC_W_HH] && previous) {
        gin[REC_W_HH] = ae_empty(g, AE_F32, 2, c->in[REC_W_HH]->shape);
        if (ae_ok(g)) {
            ae_weight_gradient(g, s->total, dh_gates->data, dh_gates->dtype, wide, wide, previous, state,
                               gin[REC_W_HH]->data, false);
        }
    }
    for (int i = REC_B_IH; i <= REC_B_HH; i++) {
        if (c->in[i] && c->need[i] && ae_ok(g)) {
            gin[i] = ae_column_sums_of(g, i == REC_B_IH ? dx_gates : dh_gates);
        }
    }
}

/* ---- for the decompositions ---------------------------------------------------------------------------------------- */

ae_plain_step ae_plain_step_at(ae_call *c, int64_t i, const ae_tensor *lengths, bool reverse)
{
    ae_graph *g = c->graph;
    ae_tensor *x = c->in[REC_X];
    int64_t batch = x->shape[0];
    ae_plain_step s = {.time = reverse ? x->shape[1] - 1 - i : i};
    ae_tensor *slice = ae_slice(g, x, 1, s.time, s.time + 1, 1);
    s.x = ae_reshape(g, slice, 2, (int64_t[]){batch, x->shape[2]});
    if (lengths && ae_ok(g)) {
        s.running = ae_empty(g, AE_BOOL, 2, (int64_t[]){batch, 1});
        for (int64_t b = 0; b < batch && ae_ok(g); b++) {
            ((uint8_t *)s.running->data)[b] = s.time < ae_get_i64(lengths, b);
        }
    }
    return s;
}

ae_tensor *ae_plain_zeros(ae_call *c, int64_t width)
{
    return ae_zeros(c->graph, c->in[REC_X]->dtype, 2, (int64_t[]){c->in[REC_X]->shape[0], width});
}

ae_tensor *ae_plain_select(ae_graph *g, const ae_plain_step *s, ae_tensor *now, ae_tensor *before)
{
    return s->running ? ae_where(g, s->running, now, before) : now;
}

ae_tensor **ae_plain_list(ae_graph *g, int64_t n)
{
    return ae_arena(g, (size_t)n * sizeof(ae_tensor *));
}

ae_tensor *ae_plain_stack(ae_call *c, ae_tensor *const *outputs, int64_t width)
{
    ae_graph *g = c->graph;
    int64_t batch = c->in[REC_X]->shape[0], time = c->in[REC_X]->shape[1];
    return time ? ae_stack(g, outputs, (int)time, 1)
                : ae_zeros(g, c->in[REC_X]->dtype, 3, (int64_t[]){batch, 0, width});
}

/* ---- samples ------------------------------------------------------------------------------------------------------- */

void ae_recurrent_sample_inputs(ae_sample *s, const ae_recurrent_sample *k, int gates, ae_tensor *in[7])
{
    char shape[64];
    double scale = 1.5 / sqrt(k->hidden);
    snprintf(shape, sizeof shape, "%d,%d,%d", k->batch, k->time, k->in);
    in[REC_X] = ae_sample_in(s, shape, -1, 1);
    snprintf(shape, sizeof shape, "%d,%d", gates * k->hidden, k->in);
    in[REC_W_IH] = ae_sample_in(s, shape, -scale, scale);
    snprintf(shape, sizeof shape, "%d,%d", gates * k->hidden, k->hidden);
    in[REC_W_HH] = ae_sample_in(s, shape, -scale, scale);
    snprintf(shape, sizeof shape, "%d", gates * k->hidden);
    in[REC_B_IH] = k->bias ? ae_sample_in(s, shape, -1, 1) : NULL;
    in[REC_B_HH] = k->bias ? ae_sample_in(s, shape, -1, 1) : NULL;
    snprintf(shape, sizeof shape, "%d,%d", k->batch, k->hidden);
    in[REC_B_HH + 1] = k->state ? ae_sample_in(s, shape, -1, 1) : NULL;
    snprintf(shape, sizeof shape, "%d", k->batch);
    in[REC_B_HH + 2] = k->lengths ? ae_sample_ids(s, shape, 0, k->time + 1) : NULL;
}
