/* Packing: the real positions of a padded batch, one after the other, so that nothing is computed on padding. */
#ifndef AE_NN_PACKING_H
#define AE_NN_PACKING_H

#include "autograd/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where the N real positions of a (B,T) batch are. Owned by the graph. */
typedef struct ae_packing {
    int64_t batch, length;  /* B, T */
    int64_t count;          /* N */
    const int64_t *offsets; /* (B+1): sequence b is packed rows offsets[b] to offsets[b+1] */
    ae_tensor *rows;        /* (N) i64: b*T + t of every packed row */
} ae_packing;

/* Plans from attention_mask (B,T), nonzero where a position is real. NULL after an error. */
AE_API const ae_packing *ae_packing_plan(ae_graph *g, const ae_tensor *attention_mask);

/* Whether no row of attention_mask (B,T) begins with padding: only then does no query of causal attention look at
 * padding alone, and packing changes nothing that a reference computes. */
AE_API bool ae_begins_real(const ae_tensor *attention_mask);

/* x (B,T,...) to (N,...), with gradient. */
AE_API ae_tensor *ae_pack(ae_graph *g, const ae_packing *p, ae_tensor *x);

/* x (N,...) to (B,T,...), zeros at padding, with gradient. */
AE_API ae_tensor *ae_unpack(ae_graph *g, const ae_packing *p, ae_tensor *x);

/* The packed mask of a kind for attention over this packing. */
AE_API const ae_mask *ae_packing_mask(ae_graph *g, const ae_packing *p, ae_mask_kind kind);

/* The rows of states (B,T,H) whose label (B,T) is not `ignore`, (P,H), and those labels, (P) i64, in *targets: only
 * predicted positions reach a vocabulary projection. P may be 0. */
AE_API ae_tensor *ae_labelled_rows(ae_graph *g, ae_tensor *states, const ae_tensor *labels, int64_t ignore,
                                   ae_tensor **targets);

#ifdef __cplusplus
}
#endif
#endif
