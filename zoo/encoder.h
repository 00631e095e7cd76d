/* Encoders and targets of the composable family (zoo/composed.h): embedding x encoder x target, as UER-py has it (Zhao
 * et al. 2019, arXiv:1909.05658).
 *
 * To add an encoder, fill an ae_encoder in one file; give it to the program in an ae_app or a plugin, or add a line to
 * the list in zoo/encoders.h. Nothing else needs to know it: pretraining, fine-tuning, prediction and export follow. */
#ifndef AE_ZOO_ENCODER_H
#define AE_ZOO_ENCODER_H

#include "nn/nn.h"
#include "tensor/json.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What an encoder and a target know of a batch besides the embedded tokens. */
typedef struct ae_tokens {
    ae_tensor *ids;            /* (B,T) */
    ae_tensor *segments;       /* (B,T): 0 at padding, 1 in the first segment, 2 in the second */
    ae_tensor *attention_mask; /* (B,T): 1 at real tokens; NULL when all are */
    ae_tensor *lengths;        /* (B): real tokens, all at the front; NULL when all are T */
} ae_tokens;

typedef struct ae_encoder {
    const char *name;  /* "lstm" */
    const char *about; /* one line with its source */
    size_t size;       /* of its struct */
    /* Makes its parameters under the open scope from the whole configuration, for inputs of `width` numbers a token;
     * self is zeroed. Returns the width of its states; errors stick in m. */
    int64_t (*build)(ae_model *m, void *self, const ae_json *config, int64_t width);
    /* States (B,T,out) of embedded tokens x (B,T,width). */
    ae_tensor *(*encode)(ae_graph *g, const void *self, ae_tensor *x, const ae_tokens *tokens);
    bool looks_ahead; /* a state may depend on later tokens, so that it cannot be trained to predict them */
} ae_encoder;

#ifdef __cplusplus
}
#endif
#endif
