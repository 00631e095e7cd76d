/* Internal to zoo/: what changes the logits before a token is chosen. */
#ifndef AE_ZOO_GENERATE_INTERNAL_H
#define AE_ZOO_GENERATE_INTERNAL_H

#include "zoo/generate.h"

/* Whether the rules of o make sense for a vocabulary of v tokens. Returns 0 or -1. */
int ae_generate_check_rules(const ae_generate_options *o, int64_t v, ae_err *e);

/* Whether a row ends with this token. */
bool ae_generate_ends(const ae_generate_options *o, int64_t token);

/* Applies the rules to the logits (V) of the token behind ids (length), of which the first `start` were given. seen: V
 * bytes of scratch. */
void ae_generate_rules(const ae_generate_options *o, const int64_t *ids, int64_t length, int64_t start, float *logits,
                       int64_t v, uint8_t *seen);

#endif
