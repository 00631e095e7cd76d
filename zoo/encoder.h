/* Encoders of the composable family (zoo/composed.h): embedding x encoder x target, as UER-py has it (Zhao et al. 2019,
 * arXiv:1909.05658).
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
    ae_tensor *segments;       /* (B,T) i64: 0 at padding, 1 in the first segment, 2 in the second */
    ae_tensor *attention_mask; /* (B,T): 1 at real tokens; NULL when all are */
    ae_tensor *lengths;        /* (B) i64: real tokens, all at the front; NULL: recurrent layers run over all T */
    bool packed;               /* states at padding are of no interest: they need not be computed */
    const ae_reading *reading; /* which states the targets read: an encoder may leave the others 0; NULL: all */
} ae_tokens;

/* Which tokens a state depends on: what it may be trained to predict. */
typedef enum ae_sight {
    AE_SIGHT_FULL, /* all: not for language models, which would see what they predict */
    AE_SIGHT_PAST, /* its own token and those before it */
    AE_SIGHT_APART /* the first half as AE_SIGHT_PAST, the second half on its own token and those behind it */
} ae_sight;

typedef struct ae_encoder {
    const char *name;  /* "lstm" */
    const char *about; /* one line with its source */
    size_t size;       /* of its struct */
    /* The keys of the configuration that it reads besides those that all share (zoo/composed.h), NULL at the end; they
     * are how a misspelt key is found. NULL: none. */
    const char *const *keys;
    /* Makes its parameters under the open scope from the whole configuration, for inputs of `width` numbers a token;
     * self is zeroed. Returns the width of its states; errors stick in m. */
    int64_t (*build)(ae_model *m, void *self, const ae_json *config, int64_t width);
    /* States (B,T,out) of embedded tokens x (B,T,width). */
    ae_tensor *(*encode)(ae_graph *g, const void *self, ae_tensor *x, const ae_tokens *tokens);
    /* What a built encoder's states see; NULL: AE_SIGHT_FULL. */
    ae_sight (*sight)(const void *self);
    /* Whether a built encoder calls its layers by ae_segment (--checkpoint-activations); NULL: no. */
    bool (*recomputes)(const void *self);
} ae_encoder;

/* The sizes that most encoders share, read from the whole configuration: hidden_size (512), layers_num (2) and dropout
 * (0.1). Returns 0; -1 with the root failed by a message that begins with the encoder's name. */
typedef struct ae_encoder_sizes {
    int64_t hidden_size;
    int layers_num;
    double dropout;
} ae_encoder_sizes;
AE_API int ae_encoder_read_sizes(ae_model *m, const char *name, const ae_json *config, ae_encoder_sizes *sizes);

#ifdef __cplusplus
}
#endif
#endif
