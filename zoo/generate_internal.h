/* Internal to zoo/: what all ways of generating share: a step of the decoder, and what changes the logits before a
 * token is chosen. */
#ifndef AE_ZOO_GENERATE_INTERNAL_H
#define AE_ZOO_GENERATE_INTERNAL_H

#include "zoo/generate.h"

/* What a step reads: columns from..to-1 of ids (B,..), which the model sees behind columns first..from-1 in its cache;
 * the mask covers both. */
typedef struct ae_decode_view {
    const ae_tensor *ids, *mask;
    int64_t first, from, to;
} ae_decode_view;

/* Logits (B,V) of the token behind a view. Begins the graph anew. Returns 0 or -1. */
int ae_decode_step(ae_graph *g, const ae_decoder *d, const ae_decode_view *v, ae_kv_cache *cache, float *logits,
                   ae_err *e);

/* Whether ids, mask and options fit each other and the decoder. Returns 0 or -1. */
int ae_decode_check(const ae_decoder *d, const ae_tensor *ids, const ae_tensor *mask, const ae_generate_options *o,
                    ae_err *e);

/* A host tensor cut to n columns of its second axis; t is freed or handed back. */
ae_tensor *ae_decode_cut(ae_tensor *t, int64_t n, ae_err *e);

/* Whether the rules of o make sense for a vocabulary of v tokens. Returns 0 or -1. */
int ae_generate_check_rules(const ae_generate_options *o, int64_t v, ae_err *e);

/* Whether a row ends with this token. */
bool ae_generate_ends(const ae_generate_options *o, int64_t token);

/* Applies the rules to the logits (V) of the token behind ids (length), of which the first `start` were given. seen: V
 * bytes of scratch. */
void ae_generate_rules(const ae_generate_options *o, const int64_t *ids, int64_t length, int64_t start, float *logits,
                       int64_t v, uint8_t *seen);

#endif
