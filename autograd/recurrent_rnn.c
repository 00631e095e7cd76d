#include "autograd/ops.h"
#include "autograd/recurrent_steps.h"
#include "tensor/kernels.h"
#include "tensor/threads.h"

#include <math.h>

enum { H0 = REC_B_HH + 1, LENGTHS, INPUTS };

static int rnn_shape(ae_call *c)
{
    char text[AE_DESCRIBE_MAX];
    if (ae_recurrent_check(c, 1, LENGTHS) != 0) {
        return -1;
    }
    const ae_tensor *x = c->in[REC_X];
    int64_t n = c->in[REC_W_IH]->shape[0];
    if (c->in[REC_W_HH]->shape[1] != n) {
        return ae_call_fail(c, AE_E_SHAPE, "the weight of the state must be [%lld,%lld]; got %s", (long long)n,
                            (long long)n, ae_call_describe(c, REC_W_HH, text));
    }
    if (ae_recurrent_check_state(c, H0, "h0", n) != 0) {
        return -1;
    }
    ae_call_out(c, 0, x->dtype, 3, (int64_t[]){x->shape[0], x->shape[1], n});
    ae_call_out(c, 1, x->dtype, 2, (int64_t[]){x->shape[0], n});
    return 0;
}

/* ---- forward ------------------------------------------------------------------------------------------------------- */

static void activate(float *h, int64_t n, bool relu)
{
    const ae_kernels *k = ae_kernels_get();
    const int64_t block = 2048;
#pragma omp parallel for schedule(static) if (n > 2 * block)
    for (int64_t i = 0; i < n; i += block) {
        ae_threads_prepare();
        (relu ? k->relu : k->tanh)(h + i, h + i, n - i < block ? n - i : block);
    }
}

static int rnn_forward(ae_call *c)
{
    const ae_recurrent_options *o = c->attr;
    ae_graph *g = c->graph;
    ae_steps s;
    if (c->in[REC_X]->dtype != AE_F32) {
        return AE_DECLINE;
    }
    if (ae_steps_make(&s, g, c->in[REC_X], c->in[LENGTHS], o->reverse) != 0) {
        return -1;
    }
    int64_t n = c->in[REC_W_HH]->shape[1];
    ae_tensor *states = ae_empty(g, AE_F32, 2, (int64_t[]){s.total, n});
    float *h = states->data, *h0 = ae_steps_matrix(&s, s.batch, n);
    ae_weight hh = {0};
    int status = ae_recurrent_inputs(c, &s, states, ae_bias_sum(g, c->in[REC_B_IH], c->in[REC_B_HH]));
    if (status == 0) {
        ae_steps_sort(&s, c->in[H0], n, h0);
        status = ae_weight_make(&hh, g, c->in[REC_W_HH], s.steps > 3 ? s.batch : 0, false);
    }
    for (int64_t t = 0; t < s.steps && status == 0; t++) {
        float *now = h + s.first[t] * n;
        if (t || c->in[H0]) {
            status = ae_weight_forward(g, &hh, s.count[t], t ? h + s.first[t - 1] * n : h0, now, NULL, true);
        }
        activate(now, s.count[t] * n, o->relu);
    }
    ae_weight_free(&hh);
    if (status == 0) {
        ae_steps_unpack(&s, h, c->out[0]);
        ae_steps_last(&s, h, h0, n, c->out[1]);
    }
    return status;
}

/* ---- backward ------------------------------------------------------------------------------------------------------ */

static void activate_backward(const float *h, const float *dh, float *dgates, int64_t n, bool relu)
{
    const ae_kernels *k = ae_kernels_get();
    const int64_t block = 2048;
#pragma omp parallel for schedule(static) if (n > 2 * block)
    for (int64_t i = 0; i < n; i += block) {
        ae_threads_prepare();
        (relu ? k->relu_backward : k->tanh_backward)(h + i, dh + i, dgates + i, n - i < block ? n - i : block);
    }
}

static int rnn_steps_back(ae_call *c, const ae_steps *s, const float *h, const float *dy, float *dh,
                          const ae_step_rows *dgates)
{
    const ae_recurrent_options *o = c->attr;
    const int64_t n = c->in[REC_W_HH]->shape[1];
    ae_weight hh;
    int status = ae_weight_make(&hh, c->graph, c->in[REC_W_HH], s->steps > 3 ? s->batch : 0, true);
    for (int64_t t = s->steps - 1; t >= 0 && status == 0; t--) {
        float *now = ae_step_rows_place(dgates, t);
        ae_steps_add(s, t, dy, n, dh);
        activate_backward(h + s->first[t] * n, dh, now, s->count[t] * n, o->relu);
        ae_step_rows_written(dgates, t);
        if (t || (c->in[H0] && c->need[H0])) {
            status = ae_weight_backward(c->graph, &hh, s->count[t], now, AE_F32, dh, false);
        }
    }
    ae_weight_free(&hh);
    return status;
}

static void rnn_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    const ae_recurrent_options *o = c->attr;
    ae_steps s;
    ae_recurrent_backward b;
    if (ae_steps_make(&s, c->graph, c->in[REC_X], c->in[LENGTHS], o->reverse) != 0 ||
        ae_recurrent_backward_begin(c, &s, H0, gout, &b) != 0) {
        return;
    }
    ae_step_rows dgates;
    if (ae_step_rows_make(&dgates, &s, c->in[REC_W_IH]->shape[0], NULL) != 0 ||
        rnn_steps_back(c, &s, b.h, b.dy, b.dh, &dgates) != 0) {
        return;
    }
    ae_recurrent_gradients(c, &s, dgates.packed, dgates.packed, b.previous, gin);
    ae_recurrent_state_gradient(c, &s, H0, b.dh, gin);
}

/* ---- the same in primitive ops ------------------------------------------------------------------------------------- */

static int rnn_decompose(ae_call *c)
{
    ae_graph *g = c->graph;
    const ae_recurrent_options *o = c->attr;
    ae_tensor **in = c->in;
    int64_t time = in[REC_X]->shape[1], n = in[REC_W_HH]->shape[1];
    ae_tensor *h = in[H0] ? in[H0] : ae_plain_zeros(c, n);
    ae_tensor **y = ae_plain_list(g, time);
    for (int64_t i = 0; i < time && ae_ok(g); i++) {
        ae_plain_step s = ae_plain_step_at(c, i, in[LENGTHS], o->reverse);
        ae_tensor *sum =
            ae_add(g, ae_f_linear(g, s.x, in[REC_W_IH], in[REC_B_IH]), ae_f_linear(g, h, in[REC_W_HH], in[REC_B_HH]));
        ae_tensor *state = o->relu ? ae_relu(g, sum) : ae_tanh(g, sum);
        y[s.time] = ae_plain_select(g, &s, state, ae_plain_zeros(c, n));
        h = ae_plain_select(g, &s, state, h);
    }
    c->out[0] = ae_plain_stack(c, y, n);
    c->out[1] = h;
    return ae_ok(g) ? 0 : -1;
}

/* ---- the row ------------------------------------------------------------------------------------------------------- */

static void rnn_sample(ae_sample *s)
{
    static const ae_recurrent_sample cases[] = {
        {2, 3, 2, 2, true, true, true, {0}},
        {2, 3, 2, 2, false, false, false, {.reverse = true, .relu = true}},
        {3, 2, 1, 2, true, false, true, {.reverse = true}},
        {5, 7, 33, 65, true, true, true, {.reverse = true}},
        {4, 6, 20, 130, false, true, false, {.relu = true}},
    };
    ae_tensor *in[INPUTS];
    ae_recurrent_sample_inputs(s, &cases[s->variant], 1, in);
    ae_f_rnn(s->graph, in[0], in[1], in[2], in[3], in[4], in[5], in[6], &cases[s->variant].options, s->out);
}

#define RNN_ALWAYS (AE_IN(REC_W_HH) | AE_IN(LENGTHS) | AE_OUT(0))

const ae_op ae_op_rnn = {
    .name = "rnn",
    .formula = "h = act(W x + U h + b), over time",
    .min_in = INPUTS,
    .max_in = INPUTS,
    .n_out = 2,
    .flags = AE_OP_FUSED,
    .optional = AE_IN(REC_B_IH) | AE_IN(REC_B_HH) | AE_IN(H0) | AE_IN(LENGTHS),
    .needs = {RNN_ALWAYS | AE_IN(REC_W_IH), RNN_ALWAYS | AE_IN(REC_X), RNN_ALWAYS | AE_IN(H0), RNN_ALWAYS, RNN_ALWAYS,
              RNN_ALWAYS, RNN_ALWAYS},
    .shape = rnn_shape,
    .forward = rnn_forward,
    .vjp = rnn_vjp,
    .decompose = rnn_decompose,
    .sample = rnn_sample,
    .samples = 3,
    .big_samples = 2,
};

int ae_f_rnn(ae_graph *g, ae_tensor *x, ae_tensor *w_ih, ae_tensor *w_hh, ae_tensor *b_ih, ae_tensor *b_hh,
             ae_tensor *h0, ae_tensor *lengths, const ae_recurrent_options *options, ae_tensor *out[2])
{
    ae_tensor *in[INPUTS] = {x, w_ih, w_hh, b_ih, b_hh, h0, lengths};
    return ae_apply_widened(g, &ae_op_rnn, in, INPUTS, options, sizeof *options, out);
}
