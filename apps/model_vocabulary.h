/* Another vocabulary for a model of any class: the rows of its tables of words follow its tokens.
 *
 * Which extents follow the vocabulary is not told by each model but found out: the model is described once more with a
 * vocab_size one larger, and every extent that grew by one counts tokens (embeddings, projections to words, tied or
 * not, and their biases). */
#ifndef AE_APPS_MODEL_VOCABULARY_H
#define AE_APPS_MODEL_VOCABULARY_H

#include "apps/model_bundle.h"
#include "tokenizers/extend.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What became of a model's rows. */
typedef struct ae_vocabulary_report {
    int64_t before, after; /* rows of its tables */
    int64_t kept;          /* tokens whose rows were carried over */
    int64_t means;         /* tokens whose rows are the mean of the rows of old tokens */
    int64_t drawn;         /* tokens whose rows the model's own initialiser drew */
    ae_name_list tables;   /* the parameters that changed, with shapes before and after */
} ae_vocabulary_report;

AE_API void ae_vocabulary_report_free(ae_vocabulary_report *r);

/* Gives an open model the tokenizer `now` (taken over on success) and rows as `map` says: kept ones are copied, pieces
 * give their mean (of weights and biases alike), new ones what the class's initialiser draws from `seed`. The tables
 * have at least `least` rows, else as many as `now` has ids; rows without a token keep their numbers where the old
 * tokenizer had no token there either. Ids of the configuration ("pad_token_id" and every other "..._token_id") follow
 * their tokens; those whose token is gone become null. Settings stay. Returns 0; -1 and run->error, d as it was: a
 * model without a table of words, a tokenizer that the tables do not fit, no memory. */
AE_API int ae_bundle_change_vocabulary(ae_run *run, ae_bundle *d, ae_tokenizer *now, const ae_vocabulary_map *map,
                                       int64_t least, uint64_t seed, ae_vocabulary_report *report);

#ifdef __cplusplus
}
#endif
#endif
