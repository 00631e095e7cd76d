/* What an operation is: one constant struct with its shape rule, forward, vjp (or decomposition) and samples.
 *
 * Two kinds. A primitive op's vjp is written with ops, so a gradient is itself differentiable; the engine undoes
 * broadcasting and asks only for the gradients that are needed. A fused op computes on buffers and has `.decompose`,
 * the same function in primitive ops: its documentation, its reference in tests, and its path for f64 and higher
 * derivatives.
 *
 * To write an op: its text in a file of its family, and its prototype and its row in the family's header. User code
 * makes custom ops with the same struct and calls ae_apply. */
#ifndef AE_AUTOGRAD_OP_H
#define AE_AUTOGRAD_OP_H

#include "autograd/graph.h"
#include "tensor/random.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    AE_MAX_OUT = 4,   /* outputs of an op */
    AE_MAX_EXTRA = 6, /* further tensors that forward hands to vjp */
    AE_NEEDS = 8      /* inputs whose needs are declared one by one; later ones share the last entry */
};

typedef struct ae_op ae_op;
typedef struct ae_sample ae_sample;

/* One application of an op: on the stack while it runs, on the tape until backward. */
typedef struct ae_call {
    ae_graph *graph;
    const ae_op *op;
    int n_in;
    int n_out;
    ae_tensor **in; /* NULL where an optional input was left out; in vjp data is NULL where it was not saved */
    ae_tensor *out[AE_MAX_OUT];
    ae_tensor *extra[AE_MAX_EXTRA]; /* made by forward with ae_call_extra; kept for vjp, freed at once without a tape */
    void *attr;                     /* a copy of the attributes; NULL when there are none */
    size_t attr_size;
    uint64_t draw;  /* the draw number of a random op */
    bool recording; /* whether a vjp may follow, so that forward must fill what it reads from extra */
    bool *need;     /* n_in entries: which inputs' gradients are wanted */
    int index;      /* the library's own: place on the tape, reached by this backward */
    bool wanted;
} ae_call;

#define AE_IN(i) (1u << (i))         /* bit of an input in `needs` and `optional` */
#define AE_OUT(i) (1u << (16 + (i))) /* bit of an output in `needs` */

enum {
    AE_OP_VIEW = 1,  /* outputs share the storage of input 0; forward sets c->out with ae_view */
    AE_OP_FUSED = 2, /* vjp works on buffers; decompose is set */
    AE_OP_RANDOM = 4 /* takes a draw number */
};

struct ae_op {
    const char *name;    /* as in the function: ae_<name> */
    const char *formula; /* one line, shown by `aesop list ops` */
    int min_in;
    int max_in; /* -1: any number */
    int n_out;
    unsigned flags;
    unsigned optional;        /* AE_IN bits of inputs that may be NULL */
    unsigned needs[AE_NEEDS]; /* needs[i]: what must be saved for the gradient of input i (AE_IN | AE_OUT bits) */

    /* Checks the inputs and describes every output with ae_call_out; returns 0, or -1 after ae_call_fail. */
    int (*shape)(ae_call *c);
    /* Fills the outputs, which are allocated and contiguous (unless AE_OP_VIEW). Returns 0, -1 after ae_call_fail, or
     * AE_DECLINE to have the decomposition run instead. */
    int (*forward)(ae_call *c);
    /* Sets gin[i] for each input with c->need[i]; gout[i] is NULL where an output went unused. A gin[i] left NULL
     * means zero. */
    void (*vjp)(ae_call *c, ae_tensor *const *gout, ae_tensor **gin);
    /* Sets c->out[i] by calling ops on c->in. Returns 0, or -1 when an op failed. */
    int (*decompose)(ae_call *c);
    const char *no_vjp; /* for an op without derivative: why */
    const void *kernel; /* what a family's shared forward works with: see elementwise.h */

    /* Calls the op on inputs made with ae_sample_*; see below. */
    void (*sample)(ae_sample *s);
    int samples;     /* small variants, checked against central differences */
    int big_samples; /* further variants, compared in f32 with the result in f64 only */
};

enum { AE_DECLINE = 1 };

/* Applies an op: checks the inputs, computes, records. in has n entries; attr is copied. Returns output 0, or the bad
 * tensor. */
AE_API ae_tensor *ae_apply(ae_graph *g, const ae_op *op, ae_tensor *const *in, int n, const void *attr,
                           size_t attr_size);

/* The same for several outputs: out[0..n_out) are all set, to the bad tensor after an error. Returns 0 or -1. */
AE_API int ae_apply_n(ae_graph *g, const ae_op *op, ae_tensor *const *in, int n, const void *attr, size_t attr_size,
                      ae_tensor **out);

/* ---- for the functions of an op ---------------------------------------------------------------------------------- */

/* Fails with "<op>: <message>" in the graph; returns -1. */
AE_API int ae_call_fail(ae_call *c, ae_code code, const char *format, ...) AE_PRINTF(3, 4);

/* In a vjp: the sum of what has reached input i's gradient so far, when the vjp may add its part in place (dense, of
 * the input's dtype and shape, held by nobody else); NULL when there is none or it may not. A vjp that added to it
 * hands it back as gin[i]. For ops of which this saves a pass over memory; what others return the engine adds itself.
 */
AE_API ae_tensor *ae_call_sum(const ae_call *c, int i);

/* Sets the description of output i. */
AE_API void ae_call_out(ae_call *c, int i, ae_dtype dtype, int ndim, const int64_t *shape);

/* Sets the description of output i to dtype and shape of t. */
AE_API void ae_call_out_like(ae_call *c, int i, const ae_tensor *t);

/* Makes extra i: a contiguous uninitialised tensor that vjp finds in c->extra[i]. NULL after an error. */
AE_API ae_tensor *ae_call_extra(ae_call *c, int i, ae_dtype dtype, int ndim, const int64_t *shape);

/* Keeps an existing tensor as extra i. */
AE_API void ae_call_keep_extra(ae_call *c, int i, ae_tensor *t);

#define AE_DESCRIBE_MAX 320

/* "encoder.weight [32,32]", or "input 1 [2,3]" without a name, for messages; returns text. */
AE_API const char *ae_call_describe(const ae_call *c, int i, char text[AE_DESCRIBE_MAX]);

/* A new contiguous uninitialised tensor in the graph; the bad tensor when memory fails. */
AE_API ae_tensor *ae_empty(ae_graph *g, ae_dtype dtype, int ndim, const int64_t *shape);
AE_API ae_tensor *ae_empty_like(ae_graph *g, const ae_tensor *t);

/* A view of base's storage, offset elements behind base->data, without history: for forward of view ops. */
AE_API ae_tensor *ae_view(ae_graph *g, const ae_tensor *base, int ndim, const int64_t *shape, const int64_t *strides,
                          int64_t offset);

/* x itself when it is contiguous, else a contiguous copy without history: for forward and vjp on buffers. */
AE_API ae_tensor *ae_dense(ae_graph *g, ae_tensor *x);

/* Fills dst from src of the same dtype and shape, in parallel; both may have any strides. */
AE_API void ae_copy_values(ae_tensor *dst, const ae_tensor *src);

/* A view of src broadcast to a shape (stride 0 along expanded axes), without history; NULL when it does not fit. */
AE_API ae_tensor *ae_broadcast_view(ae_graph *g, const ae_tensor *src, int ndim, const int64_t *shape);

/* The NumPy broadcast of two shapes; -1 when they do not fit. */
AE_API int ae_broadcast_shape(const ae_tensor *a, const ae_tensor *b, int *ndim, int64_t shape[AE_MAX_DIMS]);

/* The axis counted from the front (0..ndim-1) of an axis that may be negative; -1 outside. */
AE_API int ae_axis(int axis, int ndim);

/* The next draw number of the graph, and the key behind a draw (c->draw): for random ops. */
AE_API uint64_t ae_draw(ae_graph *g);
AE_API ae_random_key ae_draw_key(const ae_graph *g, uint64_t draw);

/* ---- samples: how the tests over the list call an op ------------------------------------------------------------- */

/* The harness runs `sample` for variant 0..samples-1 (and samples..samples+big_samples-1), several times with inputs it
 * makes, perturbs, and lays out with odd strides. The function builds its inputs with the calls below, always the same
 * ones in the same order for a variant, and stores the results in out. */
struct ae_sample {
    ae_graph *graph;
    int variant;
    ae_tensor *out[AE_MAX_OUT]; /* results; every float one enters the scalar that is differentiated */
    const struct ae_sample_maker *maker;
    void *harness; /* the maker's own */
};

/* Who makes the inputs: what each of the calls below does. */
typedef struct ae_sample_maker {
    ae_tensor *(*in)(ae_sample *s, const char *shape, double lo, double hi);
    ae_tensor *(*distinct)(ae_sample *s, const char *shape);
    ae_tensor *(*ids)(ae_sample *s, const char *shape, int64_t lo, int64_t hi);
    ae_tensor *(*mask)(ae_sample *s, const char *shape);
} ae_sample_maker;

/* A differentiable input of a shape such as "2,3,4" ("" for a scalar), values in [lo, hi), in the dtype under test. */
AE_API ae_tensor *ae_sample_in(ae_sample *s, const char *shape, double lo, double hi);

/* A differentiable input whose values are at least 0.05 apart from each other and from 0, for max, sort and the like.
 */
AE_API ae_tensor *ae_sample_distinct(ae_sample *s, const char *shape);

/* Integer input with values in [lo, hi): AE_I64. */
AE_API ae_tensor *ae_sample_ids(ae_sample *s, const char *shape, int64_t lo, int64_t hi);

/* Boolean input, true with probability 0.6. */
AE_API ae_tensor *ae_sample_mask(ae_sample *s, const char *shape);

#ifdef __cplusplus
}
#endif
#endif
