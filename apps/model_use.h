/* A trained model at work: opened from the command line's first argument with what every command that uses models
 * needs. */
#ifndef AE_APPS_MODEL_USE_H
#define AE_APPS_MODEL_USE_H

#include "apps/model_bundle.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Begin with all zero bytes; free with ae_use_free. */
typedef struct ae_use {
    ae_bundle bundle;
    ae_graph *graph;
    const char *path;      /* of the model; borrowed from the command line */
    const char *objective; /* what the model learned: "classes", "regression", "lm", "mlm", "mlm_nsp", ...; or NULL */
    int64_t seq;           /* tokens of a sequence at most, special ones included */
    bool special;          /* special tokens are put around texts */
} ae_use;

/* Opens the model and makes a graph in the precision that --precision says. Values that the file keeps of its training
 * and that say how text becomes tokens (seq, no-special, line-ends, unit, masking) become the run's where the command
 * line says nothing. Refused, with the remedy: a
 * model without tokenizer, a tokenizer whose ids do not fit the model's table, --seq beyond the model's positions.
 * Returns 0, or -1 and run->error. */
AE_API int ae_use_open(ae_run *run, ae_use *use);
AE_API void ae_use_free(ae_use *use); /* and zeroes it */

/* Fails, saying what the model is and what to use instead, unless its objective is one of `wanted` (NULL at the
 * end). `what` is what the command needs: "a head for classes or scores". */
AE_API int ae_use_need(ae_run *run, const ae_use *use, const char *const *wanted, const char *what);

/* The names of the model's classes, by number where it names none; the caller's. NULL and run->error. */
AE_API ae_labels *ae_use_labels(ae_run *run, const ae_use *use);

/* How many texts a record of a classifier has: 1, 2, or 0 where nothing says so. */
AE_API int64_t ae_use_texts(const ae_use *use);

/* The id of a role; -1 and run->error when the tokenizer has none. */
AE_API int32_t ae_use_role(ae_run *run, const ae_use *use, ae_token_role role);

/* The graph's error as the run's; returns -1. */
AE_API int ae_use_failed(ae_run *run, const ae_use *use);

#ifdef __cplusplus
}
#endif
#endif
