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

/* The same where all positions of a (B,T) batch are real. */
AE_API const ae_packing *ae_packing_whole(ae_graph *g, int64_t batch, int64_t length);

/* Whether no row of attention_mask (B,T) begins with padding: only then does no query of causal attention look at
 * padding alone, and packing changes nothing that a reference computes. */
AE_API bool ae_begins_real(const ae_tensor *attention_mask);

/* x (B,T,...) to (N,...), with gradient. */
AE_API ae_tensor *ae_pack(ae_graph *g, const ae_packing *p, ae_tensor *x);

/* x (N,...) to (B,T,...), zeros at padding, with gradient. */
AE_API ae_tensor *ae_unpack(ae_graph *g, const ae_packing *p, ae_tensor *x);

/* The packed mask of a kind for attention over this packing. */
AE_API const ae_mask *ae_packing_mask(ae_graph *g, const ae_packing *p, ae_mask_kind kind);

/* Which positions of an encoder's last states anybody reads. Its last layer needs keys and values of all positions, but
 * queries, and what follows attention, of these alone: a sixth of them in BERT's pretraining, one a sequence in a
 * classifier. */
typedef struct ae_reading {
    bool first;              /* the first position of every sequence */
    const ae_tensor *labels; /* (B,T): positions whose label is not `ignore`; NULL: none */
    int64_t ignore;
} ae_reading;

/* The last layer's queries. */
typedef struct ae_queries {
    ae_tensor *rows;           /* (P) i64: which packed rows are read, rising; NULL: all */
    const ae_packing *packing; /* of those: what unpacks their states */
    const ae_mask *mask;       /* every one of them sees its sequence's packed keys */
} ae_queries;

/* The queries of packed sequences p that are read; what is read at padding is not among them. P may be 0. */
AE_API ae_queries ae_packing_read(ae_graph *g, const ae_packing *p, const ae_reading *reading);

/* The rows of states (B,T,H) whose label (B,T) is not `ignore`, (P,H), and those labels, (P) i64, in *targets: only
 * predicted positions reach a vocabulary projection. P may be 0. */
AE_API ae_tensor *ae_labelled_rows(ae_graph *g, ae_tensor *states, const ae_tensor *labels, int64_t ignore,
                                   ae_tensor **targets);

#ifdef __cplusplus
}
#endif
#endif
