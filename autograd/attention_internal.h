/* Internal to autograd/: the blocked kernel behind attention. */
#ifndef AE_AUTOGRAD_ATTENTION_INTERNAL_H
#define AE_AUTOGRAD_ATTENTION_INTERNAL_H

#include "autograd/attention.h"
#include "tensor/kernels.h"

enum {
    AE_ATTENTION_BLOCK = 64
}; /* queries at a time: their scores against 512 keys fill half of a second-level cache of
     256 KiB */

typedef struct attention_attr {
    int heads;
    double scale;
    double dropout;
    ae_mask mask;
    int64_t origin; /* of the relative keys */
} attention_attr;

/* What scores come from; the last three may be NULL. */
typedef struct attention_terms {
    ae_tensor *q, *k, *bias, *relative_query, *relative_keys;
} attention_terms;

/* The probabilities of unpacked sequences in primitive ops, (B,A,T,S). */
ae_tensor *ae_attention_probabilities(ae_graph *g, const attention_attr *a, const attention_terms *in);

/* The op in primitive ops. */
int ae_attention_decompose(ae_call *c);

/* One attention: f32, last axes dense. Sequence b has its rows of q at q->strides, or at its offsets when packed. */
typedef struct attention_problem {
    const attention_attr *attr;
    int64_t batch, heads, d, e;
    int64_t max_t, max_s; /* the longest sequences */
    const ae_tensor *q, *k, *v;
    const ae_tensor *bias;                           /* (B,A,T,S) view, or NULL */
    const ae_tensor *relative_query, *relative_keys; /* (B,T,A*D) and (R,A*D), or NULL */
    int64_t dbias_strides[4]; /* of the bias's gradient, which has the bias's own shape: 0 along what it broadcasts */
    int64_t bias_count;       /* its elements; 0 when no gradient of the bias is wanted */
    float scale, dropout;
    ae_random_key key; /* of the dropout: probability (b,a,t,s) is element ((b A + a) T + t) S + s of the draw, and in a
                          packed batch the sequences' probabilities follow one another in that order */
    float *lse;        /* (A, all queries): log of the sum of exponentials of every row */
} attention_problem;

/* One (sequence, head): where its rows are. */
typedef struct attention_head {
    const ae_mask *mask;
    int64_t b, t, s; /* sequence, queries, keys */
    const float *q, *k, *v;
    int64_t q_row, k_row, v_row;
    int64_t row0;   /* number of its first query among all queries */
    int64_t key0;   /* number of its first key among all keys */
    uint64_t first; /* element of its first probability in the dropout's draw */
    const float *bias;
    const int64_t *bias_strides; /* of the (B,A,T,S) view */
    const float *relative_query, *relative_keys;
    int64_t relative_query_row, relative_keys_row;
    float *lse;
} attention_head;

typedef struct attention_gradients {
    const float *y, *dy;    /* like the result, dense */
    float *dq, *dk, *dv;    /* dense, zero at first */
    float *drelative_query; /* (B,T,A*D), zero at first, or NULL */
    float *dbias;          /* (parts, the bias's shape), zero at first, or NULL: the gradient is the sum of the parts */
    float *drelative_keys; /* (parts,R,A*D), likewise */
} attention_gradients;

/* Heads of sequences that add to the same elements of a shared gradient are a class. A task takes members of one class
 * in order; when the classes are too few to keep the threads busy, each is split into parts that have a sum each. So
 * the bits depend on the number of threads, and on nothing else. */
typedef struct attention_tasks {
    bool over_batch, over_heads; /* what the pairs (sequence, head) of a class run over */
    int64_t classes, members, parts;
} attention_tasks;

/* Whether query t of T sees key s of S in sequence b. */
bool ae_attention_sees(const ae_mask *m, int64_t b, int64_t t, int64_t s, int64_t n_t, int64_t n_s);

/* Whether causality (or the prefix) alone, whatever keep says, lets query t of T see key s of S. */
bool ae_attention_precedes(const ae_mask *m, int64_t b, int64_t t, int64_t s, int64_t n_t, int64_t n_s);

attention_tasks ae_attention_plan(const attention_problem *p);

/* Adds the relative scores of a block to x; and from dS to the gradients of the relative query (of the block) and of
 * the relative keys (R,A*D). scratch: (D + AE_ATTENTION_BLOCK) * (max_s + AE_ATTENTION_BLOCK) floats. */
void ae_attention_add_relative(const ae_kernels *f, const attention_problem *p, const attention_head *h, int64_t t0,
                               int64_t n_t, int64_t n_s, float *x, float *scratch);
void ae_attention_relative_gradients(const ae_kernels *f, const attention_problem *p, const attention_head *h,
                                     int64_t t0, int64_t n_t, int64_t n_s, const float *x_grad, float *dquery,
                                     float *dkeys, float *scratch);

/* Floats of scratch memory that a run needs. */
int64_t ae_attention_scratch(const attention_problem *p, bool backward);

void ae_attention_run(const attention_problem *p, float *y, float *scratch);
void ae_attention_run_backward(const attention_problem *p, const attention_gradients *d, float *scratch);

#endif
