/* Generation with a language model that keeps no cache, recurrent or composed: every token reads its whole past anew.
 */
#ifndef AE_APPS_PREFIX_DECODER_H
#define AE_APPS_PREFIX_DECODER_H

#include "apps/model_use.h"

#ifdef __cplusplus
extern "C" {
#endif

/* All zero bytes but `bundle`; free with ae_prefix_decoder_free. */
typedef struct ae_prefix_decoder {
    const ae_bundle *bundle;
    struct ae_prefix_decoder *self; /* what the decoder, which may change nothing, changes */
    int64_t *ids;                   /* (batch, length) of what was read */
    int64_t batch, length, capacity;
} ae_prefix_decoder;

/* The decoder of a model: its own, or one through `p`, which must outlive it. */
AE_API ae_decoder ae_decoder_of(const ae_bundle *bundle, ae_prefix_decoder *p);

AE_API void ae_prefix_decoder_free(ae_prefix_decoder *p);

#ifdef __cplusplus
}
#endif
#endif
