/* How well a language model knows text: loss, perplexity, bits per byte and per character; for masked models the share
 * of masked words that it finds. */
#ifndef AE_APPS_LANGUAGE_EVALUATION_H
#define AE_APPS_LANGUAGE_EVALUATION_H

#include "apps/model_use.h"
#include "apps/requirement.h"
#include "datasets/dataset.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The text behind tokens; 0 where it is not known. */
typedef struct ae_text_size {
    int64_t bytes, characters;
} ae_text_size;

/* Reads files to their end and counts bytes and characters, a line end as one. Returns 0, or -1 and run->error. */
AE_API int ae_text_size_of(ae_run *run, const char *const *paths, int n, ae_text_size *size);

/* Evaluates a model on the running text of instances (objective "lm") in windows of use->seq tokens, each `stride`
 * behind the one before: a token is predicted once, in the first window that holds it. Adds loss (nats a token),
 * perplexity, bits_per_byte and bits_per_character. Returns 0, or -1 and run->error. */
AE_API int ae_evaluate_text(ae_run *run, const ae_use *use, const ae_dataset *d, int64_t stride, int64_t batch,
                            const ae_text_size *size, ae_results *r, int64_t *tokens);

/* Evaluates a masked model on instances ("mlm", "mlm_nsp"). Adds loss, perplexity and masked_accuracy over the masked
 * tokens, and next_sentence_accuracy where model and data have it. */
AE_API int ae_evaluate_masked(ae_run *run, const ae_use *use, const ae_dataset *d, int64_t batch, ae_results *r,
                              int64_t *tokens);

#ifdef __cplusplus
}
#endif
#endif
