/* Internal to autograd/: what the recurrent layers share.
 *
 * Packed rows: the rows of a batch are sorted longest first, so that those which are still running at a step are
 * always the first count[step] of them. A packed matrix holds step 0's rows, then step 1's, and so on, `total` in all:
 * no padding is stored or computed, and every step is one dense block. A reversed layer meets each row's last token at
 * step 0; nothing else in it differs. */
#ifndef AE_AUTOGRAD_RECURRENT_STEPS_H
#define AE_AUTOGRAD_RECURRENT_STEPS_H

#include "autograd/recurrent.h"
#include "autograd/weight_product.h"

typedef struct ae_steps {
    ae_graph *graph;
    int64_t batch, time; /* of the padded batch */
    int64_t steps;       /* the longest length */
    int64_t total;       /* rows of a packed matrix */
    int64_t *order;      /* (batch) the batch's row at each sorted place */
    int64_t *length;     /* (batch) in sorted order */
    int64_t *count;      /* (steps) rows running */
    int64_t *first;      /* (steps+1) where a step's rows begin */
    bool reverse;
} ae_steps;

/* ---- checks: each returns 0, or -1 after ae_call_fail ---- */

/* The inputs that every layer has, at the places below: `gates` G, the state's width P. */
enum { REC_X, REC_W_IH, REC_W_HH, REC_B_IH, REC_B_HH };
int ae_recurrent_check(ae_call *c, int gates, int lengths_at);

/* A state (B,width), or NULL. */
int ae_recurrent_check_state(ae_call *c, int at, const char *name, int64_t width);

/* ---- padded and packed ---- */

/* Lays out the steps of a batch; the arrays live in the current frame. Returns 0 or -1. */
int ae_steps_make(ae_steps *s, ae_graph *g, const ae_tensor *x, const ae_tensor *lengths, bool reverse);

/* An uninitialised f32 matrix in the current frame; NULL after an error. */
float *ae_steps_matrix(const ae_steps *s, int64_t rows, int64_t cols);

void ae_steps_pack(const ae_steps *s, const ae_tensor *padded, float *packed);
void ae_steps_unpack(const ae_steps *s, const float *packed, ae_tensor *padded); /* zeros past the lengths */

/* A state (B,width) sorted; zeros for NULL. */
void ae_steps_sort(const ae_steps *s, const ae_tensor *state, int64_t width, float *sorted);
void ae_steps_unsort(const ae_steps *s, const float *sorted, ae_tensor *state);

/* The state that each packed row began with: h0 (sorted) at step 0, else the packed row of the step before. */
void ae_steps_previous(const ae_steps *s, const float *packed, const float *h0, int64_t width, float *previous);

/* The state of every row after its last step, in the batch's order. */
void ae_steps_last(const ae_steps *s, const float *packed, const float *h0, int64_t width, ae_tensor *state);

/* Adds a packed gradient's rows of one step to the running gradient; packed may be NULL. */
void ae_steps_add(const ae_steps *s, int64_t step, const float *packed, int64_t width, float *sum);

/* ---- packed matrices in the compute type ---- */

/* A packed matrix (total,n) that is f32, or bf16 under that precision; one step of it at a time is f32 for kernels. */
typedef struct ae_step_rows {
    const ae_steps *s;
    ae_tensor *packed;
    int64_t n;
    float *buffer; /* (B,n) when packed is bf16 */
} ae_step_rows;

/* Takes a packed matrix, or with NULL makes one, in the current frame. Returns 0 or -1. */
int ae_step_rows_make(ae_step_rows *r, const ae_steps *s, int64_t n, ae_tensor *packed);

/* The rows of a step, read; where they lie or in the buffer, which the next call overwrites. */
float *ae_step_rows_read(const ae_step_rows *r, int64_t step);

/* The place to write the rows of a step to; then ae_step_rows_written. In a buffer, rows that have ended keep what was
 * written last, and it may be read as the step before while it is overwritten row by row. */
float *ae_step_rows_place(const ae_step_rows *r, int64_t step);
void ae_step_rows_written(const ae_step_rows *r, int64_t step);

/* As ae_steps_last, after the last step was written; not rounded. */
void ae_step_rows_last(const ae_step_rows *r, const float *initial, ae_tensor *state);

/* ---- what every layer does ---- */

/* gates (total,G H) of f32 or bf16 = x W_ih^T + bias, over all steps at once. Returns 0 or -1. */
int ae_recurrent_inputs(ae_call *c, const ae_steps *s, ae_tensor *gates, const float *bias);

/* What a vjp begins with, in packed and sorted rows: the states and what arrived at them. */
typedef struct ae_recurrent_backward {
    float *h;        /* (total,P) the outputs */
    float *h0;       /* (B,P) zeros when it was left out, or not saved */
    float *previous; /* (total,P) the state each step began with, when w_hh wants its gradient; else NULL */
    float *dy;       /* (total,P) of the outputs, or NULL */
    float *dh;       /* (B,P) of the last states; the backward loop carries it to h0 */
} ae_recurrent_backward;
int ae_recurrent_backward_begin(ae_call *c, const ae_steps *s, int h0_at, ae_tensor *const *gout,
                                ae_recurrent_backward *b);

/* gin of an initial state from its gradient in sorted rows, when it is wanted. */
void ae_recurrent_state_gradient(ae_call *c, const ae_steps *s, int at, const float *sorted, ae_tensor **gin);

/* Sets gin[] of x, both weights and both biases from packed gradients of the pre-activations: dx_gates of the input
 * side, dh_gates of the state side (the same matrix for all but the GRU), each dense and f32 or bf16. previous
 * (total,in of w_hh) may be NULL when w_hh needs no gradient. */
void ae_recurrent_gradients(ae_call *c, const ae_steps *s, ae_tensor *dx_gates, ae_tensor *dh_gates,
                            const float *previous, ae_tensor **gin);

/* ---- for the decompositions ---- */

/* Step i of a layer in primitive ops: its time, the slice of x (B,I), and which rows are still running, (B,1) bool, or
 * NULL when all are. */
typedef struct ae_plain_step {
    int64_t time;
    ae_tensor *x;
    ae_tensor *running;
} ae_plain_step;
ae_plain_step ae_plain_step_at(ae_call *c, int64_t i, const ae_tensor *lengths, bool reverse);

/* Where running: now, elsewhere: before (NULL means zeros). */
ae_tensor *ae_plain_select(ae_graph *g, const ae_plain_step *s, ae_tensor *now, ae_tensor *before);

/* (B,width) zeros in the dtype of x. */
ae_tensor *ae_plain_zeros(ae_call *c, int64_t width);

/* Room for one tensor a step, in the graph's arena. */
ae_tensor **ae_plain_list(ae_graph *g, int64_t n);

/* outputs[time] (B,width) stacked to (B,T,width). */
ae_tensor *ae_plain_stack(ae_call *c, ae_tensor *const *outputs, int64_t width);

/* ---- samples ---- */

typedef struct ae_recurrent_sample {
    int batch, time, in, hidden;
    bool bias, state, lengths;
    ae_recurrent_options options;
} ae_recurrent_sample;

/* The seven inputs of a cell with one state: x, w_ih, w_hh, b_ih, b_hh, h0, lengths. */
void ae_recurrent_sample_inputs(ae_sample *s, const ae_recurrent_sample *k, int gates, ae_tensor *in[7]);

#endif
