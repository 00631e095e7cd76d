/* Attention: which keys a query sees, and the product itself. */
#ifndef AE_AUTOGRAD_ATTENTION_H
#define AE_AUTOGRAD_ATTENTION_H

#include "autograd/op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- masks ------------------------------------------------------------------------------------------------------- */

typedef enum ae_mask_kind {
    AE_MASK_FULL,   /* every query sees every key */
    AE_MASK_CAUSAL, /* query t of T sees keys up to t + S - T of S: the queries are the last T positions */
    AE_MASK_PREFIX  /* as causal, and every query sees the first prefix[b] keys */
} ae_mask_kind;

/* Which keys take part. Owned by the graph, until the next ae_graph_begin. A query that sees no key (padding on the
 * left of causal attention) weighs evenly all keys that one rule alone hides, `keep` or causality but not both, and
 * passes gradients on to those that `keep` hides: so come out the masks of Hugging Face, sums of the least float. */
typedef struct ae_mask {
    ae_mask_kind kind;
    int64_t sequences;        /* B, where one of the arrays below is set; else 0 */
    const int64_t *prefix;    /* (B) */
    const uint8_t *keep;      /* (B,S): 0 hides a key from every query; or (B,T,S): from one; NULL hides none */
    int64_t queries, keys;    /* T and S of keep; T is 0 where one row serves every query */
    const int64_t *q_offsets; /* (B+1), packed batches: sequence b is rows q_offsets[b] to q_offsets[b+1] of (N,..) */
    const int64_t *k_offsets; /* (B+1) */
    ae_tensor *bias;          /* added to the scaled scores; broadcasts to (B,A,T,S); may have a gradient; or NULL */
} ae_mask;

/* Every query sees every key. */
AE_API const ae_mask *ae_mask_full(ae_graph *g);

/* Keys where attention_mask is 0 are hidden (ids, bool or float; NULL hides none): (B,S) hides them from every query of
 * their sequence, (B,T,S) from one query each. */
AE_API const ae_mask *ae_mask_padding(ae_graph *g, const ae_tensor *attention_mask);

/* Causal; attention_mask as above, or NULL. */
AE_API const ae_mask *ae_mask_causal(ae_graph *g, const ae_tensor *attention_mask);

/* Causal behind a prefix of prefix_lengths (B) keys that all see; attention_mask as above. Dong et al. 2019. */
AE_API const ae_mask *ae_mask_prefix(ae_graph *g, const ae_tensor *prefix_lengths, const ae_tensor *attention_mask);

/* Packed sequences: n of them, offsets (n+1) rising from 0 into the rows of queries, keys and values alike. */
AE_API const ae_mask *ae_mask_packed(ae_graph *g, ae_mask_kind kind, int64_t n, const int64_t *offsets);

/* The same with queries of their own, n sequences of both: no query of a sequence, or few, may look at all of its keys.
 * Every query sees every key of its sequence. */
AE_API const ae_mask *ae_mask_packed_cross(ae_graph *g, int64_t n, const int64_t *q_offsets, const int64_t *k_offsets);

/* A copy of mask with an additive bias, which broadcasts to (B,A,T,S) and may have a gradient. Not for packed masks. */
AE_API const ae_mask *ae_mask_with_bias(ae_graph *g, const ae_mask *mask, ae_tensor *bias);

/* ---- attention --------------------------------------------------------------------------------------------------- */

/* A second score of every pair, by where the key stands relative to the query: query t of T and key s of S have
 * query[t] . keys[s - t + origin] more, before the scale, and with `key` also key[s] . keys[s - t + origin]; nothing
 * more where there is no such row. For Transformer-XL (Dai et al. 2019, section 3.3) query is q + v of that paper, keys
 * are W R of the distances S-1 to 0, and origin is T - 1; for XLNet (Yang et al. 2019), whose distances are S to 1 - T,
 * origin is T. Query alone is Shaw et al. 2018, arXiv:1803.02155, on the keys' side; with both, q and k themselves, it
 * is method 4 of Huang et al. 2020, arXiv:2009.13658. In packed batches t and s count within their sequence. */
typedef struct ae_relative {
    ae_tensor *query; /* as q: (B,T,A*D); packed (N,A*D) */
    ae_tensor *keys;  /* (R,A*D) */
    int64_t origin;   /* the row of the key at the query's own place, counted as if both sequences began together */
    ae_tensor *key;   /* as k: (B,S,A*D); packed (M,A*D); or NULL */
} ae_relative;

typedef struct ae_attention_options {
    int heads;                   /* A */
    double scale;                /* of the scores; 0 means 1/sqrt(D) */
    double dropout;              /* of the probabilities, where the graph has AE_DROPOUT */
    const ae_relative *relative; /* NULL: none */
} ae_attention_options;

/* softmax(scale q k^T + bias) v, head by head: q (B,T,A*D), k (B,S,A*D), v (B,S,A*E) give (B,T,A*E); head a is columns
 * a*D to (a+1)*D. With a packed mask q is (N,A*D), k and v (M,..) and the result (N,A*E). The (B,A,T,S) scores are
 * never held. Vaswani et al. 2017, equation 1; blocks as in Dao et al. 2022, arXiv:2205.14135. mask NULL means full.
 *
 * q, k and v are of one float dtype, which the result has too; what is added to the scores (bias, relative query and
 * keys) is of that dtype, or f32 or bf16 where q is one of these. Every gradient has its input's dtype. With bf16,
 * scores, softmax and all sums are f32; probabilities and their gradients are rounded to bf16 before a product where
 * the processor multiplies bf16, and nowhere else. A gradient that many heads add to, of a bias or of relative keys,
 * takes its own memory (with few heads and many threads some times that), and its bits depend on the number of
 * threads. */
AE_API ae_tensor *ae_f_attention(ae_graph *g, ae_tensor *q, ae_tensor *k, ae_tensor *v, const ae_mask *mask,
                                 const ae_attention_options *options);

/* The probabilities themselves, (B,A,T,S), before dropout: for pictures, parity and models that read them. Not packed.
 */
AE_API ae_tensor *ae_attention_scores(ae_graph *g, ae_tensor *q, ae_tensor *k, const ae_mask *mask,
                                      const ae_attention_options *options);

#define AE_ATTENTION_OPS(ROW) ROW(attention)

#ifdef __cplusplus
}
#endif
#endif
