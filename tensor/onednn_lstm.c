#include "tensor/onednn_lstm.h"
#include "tensor/onednn_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Plain weights lie as given; backward wants them in another layout than forward. */
enum {
    X,
    W_IH,
    W_HH,
    BIAS,
    Y,
    WORKSPACE,
    BACK_W_IH,
    BACK_W_HH,
    DX,
    DW_IH,
    DW_HH,
    DBIAS,
    DY,
    PLAIN_W_IH,
    PLAIN_W_HH,
    MEMORIES
};

struct ae_onednn_lstm {
    int64_t time, batch, in, cells;
    dnnl_primitive_t forward, backward;
    dnnl_stream_t stream;
    dnnl_memory_t memory[MEMORIES];
    char name[AE_ONEDNN_NAME_MAX];
};

/* ---- making one ------------------------------------------------------------------------------------------------------ */

static dnnl_status_t dense(ae_desc *desc, int ndims, const int64_t *dims)
{
    int64_t strides[8], step = 1;
    for (int i = ndims - 1; i >= 0; i--) {
        strides[i] = step;
        step *= dims[i];
    }
    return ae_desc_new(desc, ndims, dims, dnnl_f32, strides);
}

typedef struct descriptions {
    ae_desc x, w_ih, w_hh, bias, y, plain_w_ih, plain_w_hh;
} descriptions;

static void free_descriptions(descriptions *d)
{
    ae_desc all[] = {d->x, d->w_ih, d->w_hh, d->bias, d->y, d->plain_w_ih, d->plain_w_hh};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ae_desc_free(all[i]);
    }
}

static dnnl_status_t describe(const ae_onednn_lstm *l, descriptions *d)
{
    const int64_t h = l->cells, in = l->in;
    const int64_t x[3] = {l->time, l->batch, in}, y[3] = {l->time, l->batch, h}, bias[4] = {1, 1, 4, h};
    const int64_t w_ih[5] = {1, 1, in, 4, h}, w_hh[5] = {1, 1, h, 4, h};
    const int64_t ih_strides[5] = {4 * h * in, 4 * h * in, 1, h * in, in}; /* (4H,I) and (4H,H) as they lie */
    const int64_t hh_strides[5] = {4 * h * h, 4 * h * h, 1, h * h, h};
    dnnl_status_t status = dense(&d->x, 3, x);
    status = status == dnnl_success ? dense(&d->y, 3, y) : status;
    status = status == dnnl_success ? dense(&d->bias, 4, bias) : status;
    status = status == dnnl_success ? ae_desc_new(&d->w_ih, 5, w_ih, dnnl_f32, NULL) : status;
    status = status == dnnl_success ? ae_desc_new(&d->w_hh, 5, w_hh, dnnl_f32, NULL) : status;
    status = status == dnnl_success ? ae_desc_new(&d->plain_w_ih, 5, w_ih, dnnl_f32, ih_strides) : status;
    return status == dnnl_success ? ae_desc_new(&d->plain_w_hh, 5, w_hh, dnnl_f32, hh_strides) : status;
}

static dnnl_status_t make(ae_onednn_lstm *l, int i, ae_desc_ref desc)
{
    return dnnl_memory_create(&l->memory[i], desc, ae_onednn_engine(), DNNL_MEMORY_ALLOCATE);
}

static ae_desc_ref asked(const_dnnl_primitive_desc_t pd, dnnl_query_t what, int i)
{
    return dnnl_primitive_desc_query_md(pd, what, i);
}

static dnnl_status_t make_memories(ae_onednn_lstm *l, const descriptions *d, const_dnnl_primitive_desc_t forward,
                                   const_dnnl_primitive_desc_t backward)
{
    const struct {
        int i;
        ae_desc_ref desc;
    } all[] = {{X, d->x},
               {W_IH, asked(forward, dnnl_query_weights_md, 0)},
               {W_HH, asked(forward, dnnl_query_weights_md, 1)},
               {BIAS, d->bias},
               {Y, d->y},
               {WORKSPACE, asked(forward, dnnl_query_workspace_md, 0)},
               {BACK_W_IH, asked(backward, dnnl_query_weights_md, 0)},
               {BACK_W_HH, asked(backward, dnnl_query_weights_md, 1)},
               {DX, d->x},
               {DW_IH, asked(backward, dnnl_query_diff_weights_md, 0)},
               {DW_HH, asked(backward, dnnl_query_diff_weights_md, 1)},
               {DBIAS, d->bias},
               {DY, d->y},
               {PLAIN_W_IH, d->plain_w_ih},
               {PLAIN_W_HH, d->plain_w_hh}};
    dnnl_status_t status = dnnl_success;
    for (size_t k = 0; k < sizeof all / sizeof *all && status == dnnl_success; k++) {
        status = make(l, all[k].i, all[k].desc);
    }
    return status;
}

static dnnl_status_t build(ae_onednn_lstm *l, const descriptions *d)
{
    const ae_lstm_descs described = {d->x, d->w_ih, d->w_hh, d->bias, d->y};
    dnnl_primitive_desc_t forward = NULL, backward = NULL;
    const char *name = "";
    dnnl_status_t status = ae_lstm_describe(&forward, ae_onednn_engine(), &described, NULL);
    status = status == dnnl_success ? ae_lstm_describe(&backward, ae_onednn_engine(), &described, forward) : status;
    status = status == dnnl_success ? dnnl_primitive_create(&l->forward, forward) : status;
    status = status == dnnl_success ? dnnl_primitive_create(&l->backward, backward) : status;
    status =
        status == dnnl_success ? dnnl_stream_create(&l->stream, ae_onednn_engine(), dnnl_stream_default_flags) : status;
    status = status == dnnl_success ? make_memories(l, d, forward, backward) : status;
    if (status == dnnl_success &&
        dnnl_primitive_desc_query(forward, dnnl_query_impl_info_str, 0, &name) == dnnl_success) {
        snprintf(l->name, sizeof l->name, "%s", name);
    }
    dnnl_primitive_desc_destroy(backward);
    dnnl_primitive_desc_destroy(forward);
    return status;
}

ae_onednn_lstm *ae_onednn_lstm_new(int64_t time, int64_t batch, int64_t in, int64_t cells, ae_err *e)
{
    ae_onednn_lstm *l = ae_onednn_engine() ? calloc(1, sizeof *l) : NULL;
    if (!l) {
        ae_err_set(e, AE_E_MEMORY, "lstm: no memory, or no engine of oneDNN");
        return NULL;
    }
    *l = (ae_onednn_lstm){.time = time, .batch = batch, .in = in, .cells = cells};
    descriptions d = {0};
    dnnl_status_t status = describe(l, &d);
    status = status == dnnl_success ? build(l, &d) : status;
    free_descriptions(&d);
    if (status != dnnl_success) {
        ae_onednn_lstm_free(l);
        ae_err_set(e, status == dnnl_out_of_memory ? AE_E_MEMORY : AE_E_UNSUPPORTED,
                   "lstm: oneDNN has none of %lld x %lld x %lld with %lld cells (status %d)", (long long)time,
                   (long long)batch, (long long)in, (long long)cells, (int)status);
        return NULL;
    }
    return l;
}

void ae_onednn_lstm_free(ae_onednn_lstm *l)
{
    if (!l) {
        return;
    }
    for (int i = 0; i < MEMORIES; i++) {
        dnnl_memory_destroy(l->memory[i]);
    }
    dnnl_stream_destroy(l->stream);
    dnnl_primitive_destroy(l->backward);
    dnnl_primitive_destroy(l->forward);
    free(l);
}

const char *ae_onednn_lstm_name(const ae_onednn_lstm *l)
{
    return l->name;
}

/* ---- running it ------------------------------------------------------------------------------------------------------ */

static float *values(const ae_onednn_lstm *l, int i)
{
    void *data = NULL;
    return dnnl_memory_get_data_handle(l->memory[i], &data) == dnnl_success ? data : NULL;
}

static void put(const ae_onednn_lstm *l, int i, const float *from, int64_t n)
{
    memcpy(values(l, i), from, (size_t)n * sizeof *from);
}

static int run(const ae_onednn_lstm *l, dnnl_primitive_t prim, const dnnl_exec_arg_t *arguments, int n, ae_err *e)
{
    dnnl_status_t status = dnnl_primitive_execute(prim, l->stream, n, arguments);
    status = status == dnnl_success ? dnnl_stream_wait(l->stream) : status;
    return status == dnnl_success ? 0 : ae_onednn_failed(e, "running an lstm", status);
}

static int copy(const ae_onednn_lstm *l, int from, int to, ae_err *e)
{
    ae_desc_ref source = NULL, target = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_t prim = NULL;
    dnnl_status_t status = dnnl_memory_get_memory_desc(l->memory[from], &source);
    status = status == dnnl_success ? dnnl_memory_get_memory_desc(l->memory[to], &target) : status;
    status = status == dnnl_success
                 ? dnnl_reorder_primitive_desc_create(&pd, source, ae_onednn_engine(), target, ae_onednn_engine(), NULL)
                 : status;
    status = status == dnnl_success ? dnnl_primitive_create(&prim, pd) : status;
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, l->memory[from]}, {DNNL_ARG_TO, l->memory[to]}};
    int result =
        status == dnnl_success ? run(l, prim, arguments, 2, e) : ae_onednn_failed(e, "copying weights", status);
    dnnl_primitive_destroy(prim);
    dnnl_primitive_desc_destroy(pd);
    return result;
}

int ae_onednn_lstm_fill(ae_onednn_lstm *l, const float *x, const float *w_ih, const float *w_hh, const float *bias,
                        ae_err *e)
{
    put(l, X, x, l->time * l->batch * l->in);
    put(l, PLAIN_W_IH, w_ih, 4 * l->cells * l->in);
    put(l, PLAIN_W_HH, w_hh, 4 * l->cells * l->cells);
    put(l, BIAS, bias, 4 * l->cells);
    bool done = copy(l, PLAIN_W_IH, W_IH, e) == 0 && copy(l, PLAIN_W_HH, W_HH, e) == 0 &&
                copy(l, PLAIN_W_IH, BACK_W_IH, e) == 0 && copy(l, PLAIN_W_HH, BACK_W_HH, e) == 0;
    return done ? 0 : -1;
}

const float *ae_onednn_lstm_forward(ae_onednn_lstm *l, ae_err *e)
{
    const dnnl_exec_arg_t arguments[] = {
        {DNNL_ARG_SRC_LAYER, l->memory[X]},       {DNNL_ARG_WEIGHTS_LAYER, l->memory[W_IH]},
        {DNNL_ARG_WEIGHTS_ITER, l->memory[W_HH]}, {DNNL_ARG_BIAS, l->memory[BIAS]},
        {DNNL_ARG_DST_LAYER, l->memory[Y]},       {DNNL_ARG_WORKSPACE, l->memory[WORKSPACE]}};
    return run(l, l->forward, arguments, 6, e) == 0 ? values(l, Y) : NULL;
}

/* Bytes of a memory set to zero: backward adds to the gradients of weights and bias. */
static void clear(const ae_onednn_lstm *l, int i)
{
    ae_desc_ref desc = NULL;
    if (dnnl_memory_get_memory_desc(l->memory[i], &desc) == dnnl_success) {
        memset(values(l, i), 0, dnnl_memory_desc_get_size(desc));
    }
}

const float *ae_onednn_lstm_backward(ae_onednn_lstm *l, const float *dy, ae_err *e)
{
    put(l, DY, dy, l->time * l->batch * l->cells);
    clear(l, DW_IH);
    clear(l, DW_HH);
    clear(l, DBIAS);
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC_LAYER, l->memory[X]},
                                         {DNNL_ARG_WEIGHTS_LAYER, l->memory[BACK_W_IH]},
                                         {DNNL_ARG_WEIGHTS_ITER, l->memory[BACK_W_HH]},
                                         {DNNL_ARG_BIAS, l->memory[BIAS]},
                                         {DNNL_ARG_DST_LAYER, l->memory[Y]},
                                         {DNNL_ARG_WORKSPACE, l->memory[WORKSPACE]},
                                         {DNNL_ARG_DIFF_SRC_LAYER, l->memory[DX]},
                                         {DNNL_ARG_DIFF_WEIGHTS_LAYER, l->memory[DW_IH]},
                                         {DNNL_ARG_DIFF_WEIGHTS_ITER, l->memory[DW_HH]},
                                         {DNNL_ARG_DIFF_BIAS, l->memory[DBIAS]},
                                         {DNNL_ARG_DIFF_DST_LAYER, l->memory[DY]}};
    return run(l, l->backward, arguments, 11, e) == 0 ? values(l, DX) : NULL;
}
