/* Internal to autograd/: the blocked kernel behind attention. */
#ifndef AE_AUTOGRAD_ATTENTION_INTERNAL_H
#define AE_AUTOGRAD_ATTENTION_INTERNAL_H

#include "autograd/attention.h"
#include "tensor/gemm_blocks.h"
#include "tensor/kernels.h"

typedef struct attention_attr {
    int heads;
    double scale;
    double dropout;
    ae_mask mask;
    int64_t origin; /* of the relative keys */
} attention_attr;

/* What scores come from; all but q and k may be NULL. */
typedef struct attention_terms {
    ae_tensor *q, *k, *bias, *relative_query, *relative_keys, *relative_key;
} attention_terms;

/* The probabilities of unpacked sequences in primitive ops, (B,A,T,S), in the widest dtype of the terms. */
ae_tensor *ae_attention_probabilities(ae_graph *g, const attention_attr *a, const attention_terms *terms);

/* The op in primitive ops. */
int ae_attention_decompose(ae_call *c);

/* ---- the problem ------------------------------------------------------------------------------------------------- */

/* One attention: f32 or bf16, last axes dense. Sequence b has its rows of q at q->strides, or at its offsets when
 * packed. */
typedef struct attention_problem {
    const attention_attr *attr;
    int64_t batch, heads, d, e;
    int64_t max_t, max_s; /* the longest sequences */
    int64_t block;        /* queries at a time */
    bool bf16; /* q, k, v are, and are multiplied as such; else bf16 is widened a head and a block at a time */
    const ae_tensor *q, *k, *v;
    const ae_tensor *bias;                           /* (B,A,T,S) view, or NULL */
    const ae_tensor *relative_query, *relative_keys; /* as q, and (R,A*D); or NULL */
    const ae_tensor *relative_key;                   /* as k, or NULL */
    const ae_tensor *dy;                             /* for backward: the result's gradient, dense */
    int64_t dbias_strides[4]; /* of the bias's gradient, which has the bias's own shape: 0 along what it broadcasts */
    int64_t bias_count;       /* its elements; 0 when no gradient of the bias is wanted */
    float scale, dropout;
    ae_random_key key; /* of the dropout: probability (b,a,t,s) is element ((b A + a) T + t) S + s of the draw, and in a
                          packed batch the sequences' probabilities follow one another in that order */
    float *lse;        /* (A, all queries): log of the sum of exponentials of every row */
} attention_problem;

/* Rows of one head within a tensor: row i begins i * row elements behind data. */
typedef struct attention_rows {
    const void *data;
    ae_dtype dtype;
    int64_t row;
} attention_rows;

/* The same in f32. */
typedef struct attention_f32_rows {
    const float *data;
    int64_t row;
} attention_f32_rows;

/* Rows [from, from + n) of x in f32: where they lie, or widened into room (n,width). */
attention_f32_rows ae_attention_in_f32(const attention_rows *x, int64_t from, int64_t n, int64_t width, float *room);

/* One (sequence, head): where its rows are. */
typedef struct attention_head {
    const ae_mask *mask;
    int64_t b, a, t, s; /* sequence, head, queries, keys */
    int64_t row0;       /* number of its first query among all queries */
    int64_t key0;       /* number of its first key among all keys */
    uint64_t first;     /* element of its first probability in the dropout's draw */
    attention_rows q, k, v, dy, relative_query, relative_keys, relative_key;
    const ae_tensor *bias; /* as the problem's */
    int64_t bias0;         /* element of the view where the head's begins */
    float *lse;
} attention_head;

typedef struct attention_gradients {
    void *dq, *dk, *dv;     /* dense, of q's dtype; zero at first where that is f32 */
    float *drelative_query; /* like the relative query, dense, zero at first, or NULL */
    float *drelative_key;   /* likewise */
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

/* Floats of scratch memory that a run needs. */
int64_t ae_attention_scratch(const attention_problem *p, bool backward);

/* Both return 0, or -1 with e filled. y is of q's dtype, dense. */
int ae_attention_run(const attention_problem *p, void *y, float *scratch, ae_err *e);
int ae_attention_run_backward(const attention_problem *p, const attention_gradients *d, float *scratch, ae_err *e);

/* ---- what one thread works with ---------------------------------------------------------------------------------- */

/* Scratch memory that is handed out from the front; base NULL only counts. */
typedef struct attention_room {
    float *base;
    int64_t used;
} attention_room;

float *ae_attention_take(attention_room *room, int64_t floats);

/* The operands of one head and block of queries in the form that the products take, and the sums they add to. The
 * pointers' rows are dense unless a row length stands beside them. */
typedef struct attention_products {
    const struct attention_products_kind *kind;
    const attention_problem *p;
    const attention_gradients *d; /* NULL: forward */
    void *y;                      /* forward's result */
    const attention_head *h;
    int64_t t0, n_t, n_s; /* the block: its first query, its queries, the keys they see */
    int64_t rows, ld; /* of the block's matrices (queries, keys): rows, and elements between two; set by kind->block */

    float *dk, *dv; /* sums of the head, (S,D) and (S,E) */
    int64_t dk_row, dv_row;
    float *result; /* a block of y or dq before it is narrowed, (rows, D or E) */

    attention_f32_rows q32, k32, v32, dy32; /* products of f32 */
    float *kt, *vt;                         /* (D,S), (E,S) */
    float *q_room, *k_room, *v_room, *dy_room, *dk_room, *dv_room;

    uint16_t *q16, *k16, *v16, *dy16; /* products of bf16: rows behind the last are zero up to a rounded number */
    uint16_t *x16;                    /* probabilities or dS, (rows, ld) */
    ae_blocks blocks;
    int status; /* -1 after a failure, with err filled */
    ae_err err;
} attention_products;

/* How a thread multiplies. x, of the block, is (rows, ld), of which (n_t, n_s) count; D, E are the head's widths. */
typedef struct attention_products_kind {
    void (*lay_out)(attention_products *w, attention_room *room);
    void (*begin)(attention_products *w);                          /* of a head: reads k and v */
    void (*block)(attention_products *w);                          /* reads q, and dy for backward */
    void (*scores)(attention_products *w, float *x);               /* x = scale q k^T */
    void (*output)(attention_products *w, const float *x);         /* y = x v */
    void (*value_gradient)(attention_products *w, const float *x); /* dv += x^T dy */
    void (*probability_gradient)(attention_products *w, float *x); /* x = dy v^T */
    void (*query_key_gradients)(attention_products *w, float *x);  /* dq = scale x k, dk += scale x^T q; spoils x */
} attention_products_kind;

extern const attention_products_kind ae_attention_products_f32;
extern const attention_products_kind ae_attention_products_bf16;

/* Writes n dense rows of width floats to the head's columns of a dense bf16 tensor (rows, A*width), from `row0` on. */
void ae_attention_narrow(const attention_products *w, const float *x, int64_t n, int64_t width, void *to, int64_t row0);

/* The number of keys or queries that bf16 products round n up to: they like few shapes and no odd ones. */
int64_t ae_attention_rounded(int64_t n);

/* ---- relative scores --------------------------------------------------------------------------------------------- */

/* Floats of scratch that the two functions below need. */
int64_t ae_attention_relative_scratch(const attention_problem *p);

/* Adds the relative scores of w's block to x. */
void ae_attention_add_relative(const attention_products *w, float *x, float *scratch);

/* Adds what comes from dS of w's block to the gradients of the relative query and key, and to `part` of those of the
 * relative keys. */
void ae_attention_relative_gradients(const attention_products *w, int64_t part, float *x_grad, float *scratch);

#endif
