/* Internal to autograd/: the insides of a graph. */
#ifndef AE_AUTOGRAD_TAPE_H
#define AE_AUTOGRAD_TAPE_H

#include "autograd/op.h"
#include "autograd/row_gradient.h"

/* Hooks are the graph's and last for a step: a parameter's slot outlives both. */
typedef struct hook {
    const ae_slot *slot;
    ae_hook_fn fn;
    void *user;
    struct hook *next;
} hook;

/* Where the gradient of one value arrives. All aliases of the value share it. A parameter's slot belongs to its model
 * root, every other one to the graph's arena. */
struct ae_slot {
    ae_call *node;         /* the call that made the value; NULL for leaves */
    int out;               /* which output of node it is */
    ae_tensor *leaf;       /* the tensor whose ->grad receives the gradient: leaves, and where ae_retain_grad asked */
    bool parameter;        /* outlives the step */
    bool wanted;           /* reached by the backward that runs now */
    bool listed;           /* in that run's list of leaves */
    int uses;              /* contributions still to come in it; 0 between runs */
    ae_tensor *grad;       /* the sum so far */
    ae_row_gradient *rows; /* or its rows, while look-ups alone have reached a parameter */
    ae_slot *next;         /* list of leaves that this backward reached */
};

typedef struct arena_chunk {
    struct arena_chunk *next;
    size_t size;
    size_t used;
    _Alignas(16) char data[];
} arena_chunk;

typedef struct frame_record {
    uint64_t serial;
    int first; /* the first entry of graph->live that was made inside */
    const char *file;
    int line;
    int64_t span; /* in the profile; -1: none */
} frame_record;

struct ae_graph {
    ae_err error;
    unsigned flags;
    bool recording;
    ae_pool *pool;

    arena_chunk *chunks; /* all chunks; allocation goes on in `chunk` */
    arena_chunk *chunk;

    ae_tensor **live; /* tensors whose storage a frame will release, in order of making */
    int live_count;
    int live_capacity;

    frame_record *frames; /* frames[0] is the graph itself */
    int depth;
    int frame_capacity;
    uint64_t serial;

    ae_call **tape;
    int tape_count;
    int tape_capacity;

    uint64_t seed, random_step;
    uint32_t round, rank;
    uint64_t draws;
    ae_dtype precision;
    bool recompute;          /* ae_segment checkpoints */
    bool sparse;             /* ae_graph_sparse_gradients */
    int64_t weight_bytes;    /* read by linear layers in this step */
    struct reached *reached; /* while a segment runs for the first time: the leaves that it uses */

    hook *hooks; /* of this step, in order of setting */
    ae_tensor bad;
    ae_tensors *sink;              /* of ae_observe */
    struct backward_run *backward; /* the run that is under way, if any */
    const ae_op *replaced;         /* for tests: calls of this op, when not NULL, */
    const ae_op *replacement;      /* run this one, a copy with a broken derivative */
    ae_param_final_fn param_final;
    void *param_final_user;
    struct ae_profile *profile; /* NULL: nobody looks */
};

/* Zeroed memory until the next ae_graph_begin; NULL after setting the error. */
void *ae_arena(ae_graph *g, size_t bytes);

/* Sets an error and returns -1 unless t can be worked with in g: not NULL, values there, of this graph or of none, of
 * no failed root. */
int ae_check_usable(ae_graph *g, const ae_tensor *t, const char *who);

/* The same where values that have gone do no harm. */
int ae_check_graph(ae_graph *g, const ae_tensor *t, const char *who);

/* A tensor struct registered in the current frame, without storage; NULL after setting the error. */
ae_tensor *ae_struct_new(ae_graph *g);

/* A copy of t's struct that holds its own reference to the storage and is in no frame; drop with ae_alias_drop. With
 * data false it only remembers dtype, shape and slot. */
ae_tensor *ae_alias(ae_graph *g, const ae_tensor *t, bool data);
void ae_alias_drop(ae_tensor *t);

/* Releases what a call on the tape saved. */
void ae_call_release(ae_call *c);

/* Empties the tape down to `count` calls. */
void ae_tape_truncate(ae_graph *g, int count);

/* In a vjp: whether the gradient of input i, a parameter's table (V,H) of f32, may be left in its slot's rows (which
 * may stand there already) instead of being returned. */
bool ae_call_takes_rows(const ae_call *c, int i);

/* Adds grad to *sum: takes it over, adds in place when the sum's storage is the engine's alone, else adds anew. */
int ae_accumulate(ae_graph *g, ae_tensor **sum, ae_tensor *grad, bool create_graph);

/* Runs the tape backward from `outputs`; see backward.c. */
typedef struct backward_request {
    ae_tensor *const *outputs;
    ae_tensor *const *grads;
    int n;
    int floor;            /* calls below this place of the tape are not run */
    ae_tensor *const *xs; /* NULL: every leaf; else only these, whose gradients stay in their slots */
    int n_xs;
    unsigned flags;
} backward_request;
int ae_run_backward(ae_graph *g, const backward_request *r);

/* The request of the run that is under way; NULL outside backward. */
const backward_request *ae_running_request(const ae_graph *g);

/* Whether the run that is under way must leave what the tape saved as it is. */
bool ae_running_retains(const ae_graph *g);

/* Puts a call whose outputs are computed onto the tape. */
int ae_record(ae_call *c);

/* Adds t to the leaves that the running segment uses, if it is one and new. */
void ae_reach(ae_graph *g, ae_tensor *t);

/* Spans of the graph's profile, which must be there: an operation (its vjp when `backward`), and a phase of the engine.
 * Both end with ae_span_end. */
int64_t ae_span_begin(ae_graph *g, const char *name, bool backward);
int64_t ae_span_phase(ae_graph *g, const char *name);
void ae_span_end(ae_graph *g, int64_t span);
int64_t ae_span_frame(ae_graph *g, const char *file, int line); /* -1 inside an operation */
void ae_close_spans(ae_graph *g, int depth);                    /* of the frames from this depth on */
void ae_span_saved(ae_graph *g, const ae_call *c);              /* counts what a call on the tape holds */

/* A slot for a leaf; parameters' slots are malloc'ed by nn and passed through here to be set up. */
void ae_slot_init(ae_slot *slot, ae_tensor *leaf, bool parameter);

#endif
