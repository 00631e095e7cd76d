/* Internal to autograd/: the blocked kernel behind attention. */
#ifndef AE_AUTOGRAD_ATTENTION_INTERNAL_H
#define AE_AUTOGRAD_ATTENTION_INTERNAL_H

#include "autograd/attention.h"

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
    float scale, dropout;
    ae_random_key key; /* of the dropout: probability (b,a,t,s) is element ((b A + a) T + t) S + s of the draw, and in a
                          packed batch the sequences' probabilities follow one another in that order */
    float *lse;        /* (A, all queries): log of the sum of exponentials of every row */
} attention_problem;

typedef struct attention_gradients {
    const float *y, *dy;    /* like the result, dense */
    float *dq, *dk, *dv;    /* dense, zero at first */
    float *dbias;           /* (B,A,T,S), zero at first, or NULL */
    float *drelative_query; /* (B,T,A*D), zero at first, or NULL */
    float
        *drelative_keys; /* (B,R,A*D), zero at first: each sequence's own, so that heads of a batch run side by side */
} attention_gradients;

/* Whether query t of T sees key s of S in sequence b. */
bool ae_attention_sees(const ae_mask *m, int64_t b, int64_t t, int64_t s, int64_t n_t, int64_t n_s);

/* Whether causality (or the prefix) alone, whatever keep says, lets query t of T see key s of S. */
bool ae_attention_precedes(const ae_mask *m, int64_t b, int64_t t, int64_t s, int64_t n_t, int64_t n_s);

/* Floats of scratch memory that a run needs. */
int64_t ae_attention_scratch(const attention_problem *p, bool backward);

void ae_attention_run(const attention_problem *p, float *y, float *scratch);
void ae_attention_run_backward(const attention_problem *p, const attention_gradients *d, float *scratch);

#endif
