/* The graph: an arena of tensors, a tape of what was done to them, and backward over that tape.
 *
 * Eager: an operation computes when it is called. Everything an operation returns lives in the graph that was its first
 * parameter, at the latest until the next ae_graph_begin; frames give storages back earlier:
 *
 *     ae_graph_begin(g, AE_TRAIN);
 *     ae_tensor *loss = model_loss(g, model, batch);   // opens and closes frames inside
 *     if (ae_backward(g, loss, 0) == 0) {
 *         ae_optimizer_step(opt, g, lr);
 *     }
 *
 * A graph belongs to one thread at a time; two graphs may live on two threads. */
#ifndef AE_AUTOGRAD_GRAPH_H
#define AE_AUTOGRAD_GRAPH_H

#include "tensor/pool.h"
#include "tensor/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- life of a graph --------------------------------------------------------------------------------------------- */

enum {
    AE_EVAL = 0,                     /* no tape, no dropout */
    AE_GRAD = 1,                     /* record a tape for backward */
    AE_DROPOUT = 2,                  /* random layers act */
    AE_TRAIN = AE_GRAD | AE_DROPOUT, /* both */
    AE_HIGHER_ORDER = 4,             /* run fused operations as their decomposition, so that second derivatives exist */
    AE_ANOMALY = 8                   /* the first operation that makes a NaN or infinity is an error */
};

AE_API ae_graph *ae_graph_new(void);    /* NULL when there is no memory */
AE_API void ae_graph_free(ae_graph *g); /* everything that lives in it dies; NULL is allowed */

/* Starts a step: all tensors of the last one die, the error is cleared, the tape is empty, draws count from 0. */
AE_API void ae_graph_begin(ae_graph *g, unsigned flags);

AE_API unsigned ae_graph_flags(const ae_graph *g);

/* The key of the random operations until the next call: every step of training has its own (seed, step, round, rank).
 * Starts as four zeros; survives ae_graph_begin. */
AE_API void ae_graph_random(ae_graph *g, uint64_t seed, uint64_t step, uint32_t round, uint32_t rank);

/* The precision: AE_F32 (default), AE_BF16 or AE_I8. Parameters, their gradients and losses are f32 in all of them.
 *
 * AE_BF16: linear and the norms give bf16 whatever they are given, and with them attention and what is computed element
 * by element; so that is what the tape holds. matmul, convolution and recurrent operations multiply bf16 and give the
 * dtype that they are given; gates and cells of recurrent ones are kept for backward in bf16. Sums, means, softmax and
 * losses are computed in f32. Where bf16 meets f32, as in a residual stream that begins with embeddings, the result is
 * f32.
 *
 * AE_I8: linear layers whose weight is a parameter of at least 64 x 64 multiply i8, summed in i32, and all else
 * computes in f32. i8 has no gradients: ae_graph_begin with AE_GRAD is then an error.
 *
 * Survives ae_graph_begin. */
AE_API void ae_graph_precision(ae_graph *g, ae_dtype dtype);
AE_API ae_dtype ae_graph_get_precision(const ae_graph *g);

/* Whether the gradient that a parameter of two axes gets from look-ups alone (ae_f_embedding, ae_index_select along
 * axis 0) may be kept as the rows that were looked up, when these are few: no V x H numbers are zeroed, added or read.
 * The parameter's grad is then NULL; ae_param_grad (nn/model.h) gives it whole, and optimizers take it as it is, with
 * the same result to the bit. A hook sees it whole. Off at first; survives ae_graph_begin. Without effect under
 * AE_HIGHER_ORDER and AE_ANOMALY. */
AE_API void ae_graph_sparse_gradients(ae_graph *g, bool on);

/* Bytes of weights, in the form in which they were read, of the linear layers computed without AE_GRAD since
 * ae_graph_begin. */
AE_API int64_t ae_graph_weight_bytes(const ae_graph *g);

/* The pool behind the graph, for its byte counts. */
AE_API ae_pool *ae_graph_pool(const ae_graph *g);

/* The bytes that the tape alone keeps alive for backward right now, parameters excluded, each storage counted once. */
AE_API int64_t ae_graph_saved_bytes(const ae_graph *g);

/* The number of operations on the tape. */
AE_API int ae_graph_tape_length(const ae_graph *g);

/* ---- errors stick ------------------------------------------------------------------------------------------------ */

AE_API bool ae_ok(const ae_graph *g);                   /* no error since ae_graph_begin */
AE_API const ae_err *ae_graph_error(const ae_graph *g); /* code AE_OK when there is none; owned by the graph */

/* Records an error unless one is there; returns the bad tensor, so that a function can end with it. */
AE_API ae_tensor *ae_fail(ae_graph *g, ae_code code, const char *format, ...) AE_PRINTF(3, 4);

/* The bad tensor: what operations return once the graph has failed. Its rank is 0, every extent reads as 1, its one
 * element is zero in every dtype. */
AE_API ae_tensor *ae_bad(ae_graph *g);

/* ---- frames ------------------------------------------------------------------------------------------------------ */

/* A frame bounds the life of what is made inside it. Frames are a stack: closing one closes those opened inside it. */
typedef struct ae_frame {
    ae_graph *graph;
    int depth;
    uint64_t serial;
} ae_frame;

#define ae_frame_open(g) ae_frame_open_at((g), __FILE__, __LINE__)
AE_API ae_frame ae_frame_open_at(ae_graph *g, const char *file, int line);

/* Lets t outlive the frame: it moves to the enclosing one. Nothing happens to a tensor that lives outside already. */
AE_API void ae_frame_keep(ae_frame f, ae_tensor *t);

/* Closes f: storages that neither the tape saved nor an outer frame holds go back to the pool. */
AE_API void ae_frame_close(ae_frame f);

/* For loops: empties f of all but x, leaves it open, returns x. What a round made and the next does not read goes:
 *
 *     ae_frame f = ae_frame_open(g);
 *     for (int i = 0; i < layers; i++) {
 *         x = ae_frame_carry(f, layer(g, i, x));   // the x before is gone, so inference holds one layer
 *     }
 *     return ae_frame_return(f, x); */
AE_API ae_tensor *ae_frame_carry(ae_frame f, ae_tensor *x);

/* Keeps x, closes f, returns x. */
AE_API ae_tensor *ae_frame_return(ae_frame f, ae_tensor *x);

/* ---- into and out of the graph ----------------------------------------------------------------------------------- */

/* A tensor over a host tensor's storage (no copy; the storage stays alive with it). */
AE_API ae_tensor *ae_input(ae_graph *g, const ae_tensor *host);

/* A tensor with a copy of contiguous data. */
AE_API ae_tensor *ae_from_data(ae_graph *g, ae_dtype dtype, int ndim, const int64_t *shape, const void *data);

/* A tensor over the caller's contiguous data, which must stay and not change until the next ae_graph_begin. */
AE_API ae_tensor *ae_from_borrowed(ae_graph *g, ae_dtype dtype, int ndim, const int64_t *shape, void *data);

/* The same values with no history: no gradient passes. */
AE_API ae_tensor *ae_detach(ae_graph *g, ae_tensor *x);

/* Gives t a name for messages and for the DOT picture; the string is copied. Returns t. */
AE_API ae_tensor *ae_name(ae_graph *g, ae_tensor *t, const char *name);

/* The value of a tensor of one element; NaN (0 from ae_item_i64) for another count and for a bad or freed tensor. */
AE_API double ae_item(const ae_tensor *t);
AE_API int64_t ae_item_i64(const ae_tensor *t);

/* Copies the elements, row-major and converted, into out[0..n); returns 0, or -1 with out zeroed when t is freed, bad
 * or has another number of elements than n. */
AE_API int ae_read(const ae_tensor *t, ae_dtype dtype, void *out, int64_t n);

/* ---- looking inside ---------------------------------------------------------------------------------------------- */

/* While sink is set, ae_observe copies what models show under the names they give: hidden_states.0, attentions.3, ...
 * For parity, pictures and teaching; NULL ends it. The sink stays the caller's and survives ae_graph_begin. */
AE_API void ae_graph_observe(ae_graph *g, ae_tensors *sink);
AE_API bool ae_observing(const ae_graph *g);
AE_API ae_tensors *ae_observer(const ae_graph *g); /* the sink, or NULL */

/* Shows t under a formatted name; nothing happens without a sink, for a failed graph or a name that is there already.
 */
AE_API void ae_observe(ae_graph *g, const ae_tensor *t, const char *format, ...) AE_PRINTF(3, 4);

/* ---- gradients --------------------------------------------------------------------------------------------------- */

enum {
    AE_RETAIN = 1,      /* keep the tape for another backward */
    AE_CREATE_GRAPH = 2 /* record the backward itself (ae_grad only; the graph needs AE_HIGHER_ORDER) */
};

/* Makes a tensor without history (an input, or a detached one) a leaf: backward leaves its gradient in t->grad.
 * A tensor that is not of floats is an error. Returns t. */
AE_API ae_tensor *ae_requires_grad(ae_graph *g, ae_tensor *t);

/* Asks backward to leave the gradient of an intermediate result in t->grad too. Returns t. */
AE_API ae_tensor *ae_retain_grad(ae_graph *g, ae_tensor *t);

/* Adds d loss / d p to p->grad for every parameter and leaf that loss depends on; loss has one element. Consumes the
 * tape unless AE_RETAIN. Returns 0; -1 when the graph has failed, and then every gradient that it reached is dropped,
 * those of earlier rounds of an accumulation too. */
AE_API int ae_backward(ae_graph *g, ae_tensor *loss, unsigned flags);

/* The same from several outputs with given gradients (a NULL entry of grads means one, for a single element only). */
AE_API int ae_backward_from(ae_graph *g, ae_tensor *const *outputs, ae_tensor *const *grads, int n, unsigned flags);

/* Writes d y / d xs[i] (weighted by grad_y; NULL means one, for a single element only) into grads[i]; zeros where y
 * does not depend on xs[i]. Leaves every ->grad alone. Returns 0 or -1. */
AE_API int ae_grad(ae_graph *g, ae_tensor *y, ae_tensor *grad_y, ae_tensor *const *xs, int n, ae_tensor **grads,
                   unsigned flags);

/* Switches recording; returns what it was, to be given back at the end of the stretch without gradients. */
AE_API bool ae_set_recording(ae_graph *g, bool on);

/* The directional derivative of y = f(x) along v, J v, by double backward. y must have been computed in this graph from
 * x under AE_HIGHER_ORDER. */
AE_API ae_tensor *ae_jvp(ae_graph *g, ae_tensor *y, ae_tensor *x, ae_tensor *v);

/* A hook sees the summed gradient of a tensor before it is passed on, and may return another of the same shape (or NULL
 * to leave it). Set for the current step. On a parameter it fires once a backward, however often the parameter is used,
 * and sees what this backward adds. */
typedef ae_tensor *(*ae_hook_fn)(ae_graph *g, ae_tensor *grad, void *user);
AE_API int ae_hook(ae_graph *g, ae_tensor *t, ae_hook_fn fn, void *user);

/* Called when a parameter's gradient is complete: once a backward, after its last use. Stays set; NULL takes it off. */
typedef void (*ae_param_final_fn)(ae_tensor *parameter, void *user);
AE_API void ae_on_param_final(ae_graph *g, ae_param_final_fn fn, void *user);

/* Runs fn without saving anything inside it, and runs it again in backward, with the same random numbers and precision,
 * to find its gradients (Chen et al. 2016, arXiv:1604.06174). fn must depend on self and its arguments alone. */
typedef ae_tensor *(*ae_segment_fn)(ae_graph *g, void *self, ae_tensor *const *in, int n);
AE_API ae_tensor *ae_checkpoint(ae_graph *g, ae_segment_fn fn, void *self, ae_tensor *const *in, int n);

/* Whether models recompute their layers in backward (ae_segment) instead of saving what is inside them. Off at first;
 * survives ae_graph_begin. */
AE_API void ae_graph_recompute(ae_graph *g, bool on);
AE_API bool ae_graph_recomputes(const ae_graph *g);

/* How a model calls each of its layers: fn(g, self, in, n), by ae_checkpoint while the graph recomputes. The `size`
 * bytes at self are copied for the second run, so that they may stand in the caller's frame; what they point to must
 * last until backward. Every tensor that is not a parameter and passes a gradient on must be among `in`. */
AE_API ae_tensor *ae_segment(ae_graph *g, ae_segment_fn fn, const void *self, size_t size, ae_tensor *const *in, int n);

/* Writes the tape as a Graphviz DOT picture. Returns 0, or -1 when writing failed. */
AE_API int ae_graph_dot(const ae_graph *g, FILE *out);

#ifdef __cplusplus
}
#endif
#endif
