/* What a masked language model puts under masks: logits at given places of sequences, and the likeliest tokens. */
#ifndef AE_APPS_MASKED_WORDS_H
#define AE_APPS_MASKED_WORDS_H

#include "apps/model_use.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A sequence with masks already in it. */
typedef struct ae_masked_text {
    int32_t *ids;      /* (count) */
    uint8_t *type_ids; /* (count) */
    int64_t count;
    int64_t *places; /* (n_places), rising: where logits are wanted */
    int64_t n_places;
} ae_masked_text;

/* The logits (v) of place number `place` of text number `text`; other than 0 ends the run with -1. */
typedef int (*ae_masked_fn)(void *self, int64_t text, int64_t place, const float *logits, int64_t v);

/* Runs texts in batches that fit a bounded memory and calls visit for every place, in order. Returns 0, or -1 and
 * run->error. */
AE_API int ae_masked_run(ae_run *run, const ae_use *use, const ae_masked_text *texts, int64_t n, ae_masked_fn visit,
                         void *self);

typedef struct ae_candidate {
    int32_t id;
    double probability; /* among all tokens */
} ae_candidate;

/* The n likeliest tokens that are not special, the likeliest first; returns how many there are. */
AE_API int64_t ae_masked_candidates(const ae_tokenizer *t, const float *logits, int64_t v, int64_t n,
                                    ae_candidate *best);

#ifdef __cplusplus
}
#endif
#endif
