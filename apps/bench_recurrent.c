/* Recurrent layers beside oneDNN's own primitive, by turns. */
#include "apps/bench.h"
#include "autograd/ops.h"
#include "tensor/onednn_lstm.h"

#include <math.h>
#include <stdlib.h>

enum { REPEATS = 3 };

typedef struct layer {
    ae_graph *graph;
    int64_t batch, time, width, gates;
    double forward[REPEATS], backward[REPEATS];
} layer;

static ae_tensor *spread(ae_graph *g, int ndim, const int64_t *shape, double scale)
{
    return ae_requires_grad(g, ae_randn(g, AE_F32, ndim, shape, 0, scale));
}

/* One step of ours, timed into place i: an LSTM with four gates, a GRU with three. */
static void step(layer *l, int i)
{
    ae_graph *g = l->graph;
    ae_graph_begin(g, AE_TRAIN);
    int64_t h = l->width, wide = l->gates * h;
    double scale = 1 / sqrt((double)h);
    ae_tensor *x = spread(g, 3, (int64_t[]){l->batch, l->time, h}, 1), *out[3];
    ae_tensor *w_ih = spread(g, 2, (int64_t[]){wide, h}, scale), *w_hh = spread(g, 2, (int64_t[]){wide, h}, scale);
    ae_tensor *bias = spread(g, 1, &wide, scale);
    ae_recurrent_options options = {0};
    double start = ae_seconds();
    if (l->gates == 4) {
        ae_f_lstm(g, x, w_ih, w_hh, bias, NULL, NULL, NULL, NULL, NULL, &options, out);
    } else {
        ae_f_gru(g, x, w_ih, w_hh, bias, NULL, NULL, NULL, &options, out);
    }
    l->forward[i] = ae_seconds() - start;
    ae_tensor *dy = ae_ok(g) ? ae_full(g, AE_F32, 3, out[0]->shape, 1.0) : out[0];
    start = ae_seconds();
    ae_backward_from(g, out, &dy, 1, 0);
    l->backward[i] = ae_seconds() - start;
}

/* The same of oneDNN's. */
static int onednn_step(layer *l, ae_onednn_lstm *theirs, const float *dy, int i, ae_err *e)
{
    double start = ae_seconds();
    if (!ae_onednn_lstm_forward(theirs, e)) {
        return -1;
    }
    l->forward[i] = ae_seconds() - start;
    start = ae_seconds();
    if (!ae_onednn_lstm_backward(theirs, dy, e)) {
        return -1;
    }
    l->backward[i] = ae_seconds() - start;
    return 0;
}

static void print_row(ae_run *run, const char *name, layer *l)
{
    double rows = (double)(l->batch * l->time), h = (double)l->width;
    double forward = ae_median(l->forward, REPEATS), backward = ae_median(l->backward, REPEATS);
    double rate = 4.0 * (double)l->gates * rows * h * h / forward * 1e-9;
    if (!run->json) {
        fprintf(run->out, "%-21s %10.3f %10.3f %10.1f GFLOP/s\n", name, forward * 1e3, backward * 1e3, rate);
        return;
    }
    ae_json *row = ae_json_new_object();
    ae_json_set_string(row, "op", name);
    ae_json_set_double(row, "forward_ms", forward * 1e3);
    ae_json_set_double(row, "backward_ms", backward * 1e3);
    ae_json_set_double(row, "forward_gflops", rate);
    ae_run_print_json(run, row);
}

/* A layer of oneDNN with made-up numbers: weights of deviation 1/sqrt(H) and x of deviation 1, as ours have. */
static ae_onednn_lstm *theirs_new(const layer *l, ae_err *e)
{
    ae_graph *g = l->graph;
    int64_t h = l->width, wide = 4 * h;
    ae_onednn_lstm *theirs = ae_onednn_lstm_new(l->time, l->batch, h, h, e);
    ae_graph_begin(g, AE_EVAL);
    double scale = 1 / sqrt((double)h);
    ae_tensor *x = spread(g, 3, (int64_t[]){l->time, l->batch, h}, 1), *bias = spread(g, 1, &wide, scale);
    ae_tensor *w = spread(g, 2, (int64_t[]){wide, h}, scale);
    if (theirs && (!ae_ok(g) || ae_onednn_lstm_fill(theirs, x->data, w->data, w->data, bias->data, e) != 0)) {
        ae_onednn_lstm_free(theirs);
        return NULL;
    }
    return theirs;
}

int ae_bench_recurrent(ae_run *run, ae_graph *g, int64_t batch, int64_t time, int64_t width)
{
    layer lstm = {.graph = g, .batch = batch, .time = time, .width = width, .gates = 4};
    layer onednn = lstm, gru = lstm;
    gru.gates = 3;
    int64_t n = batch * time * width;
    float *dy = malloc((size_t)n * sizeof *dy);
    ae_onednn_lstm *theirs = theirs_new(&lstm, &run->error);
    int status = dy && theirs ? 0 : -1;
    for (int64_t i = 0; dy && i < n; i++) {
        dy[i] = 1;
    }
    for (int i = 0; i < REPEATS && status == 0 && ae_ok(g); i++) {
        step(&lstm, i);
        status = onednn_step(&onednn, theirs, dy, i, &run->error);
        step(&gru, i);
    }
    if (status == 0 && ae_ok(g)) {
        print_row(run, "lstm (H,H)", &lstm);
        print_row(run, "lstm of oneDNN (H,H)", &onednn);
        print_row(run, "gru (H,H)", &gru);
    } else if (!run->error.code) {
        ae_err_set(&run->error, ae_ok(g) ? AE_E_MEMORY : ae_graph_error(g)->code, "%s",
                   ae_ok(g) ? "no memory for gradients" : ae_graph_error(g)->message);
    }
    ae_onednn_lstm_free(theirs);
    free(dy);
    return run->error.code ? -1 : 0;
}
