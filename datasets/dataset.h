/* A dataset: numbered examples of ids, and how some of them become one batch of named tensors.
 *
 * Instances built from a corpus (instances.h) and labelled tables (labelled.h) are datasets; so is whatever fills this
 * struct. A batch's tensors carry the names that the models take (zoo.h), as Hugging Face has them:
 *
 *   input_ids (B,T) i64, attention_mask (B,T) i64, token_type_ids (B,T) i64
 *   labels               (B,T) i64 of a masked language model, -100 where nothing is predicted;
 *                        (B) i64 of classes; (B) f32 of scores
 *   next_ids (B,T) i64   of a language model: the token after each, -100 at padding and ends (not shifted by the model)
 *   next_sentence_label (B) i64   0: B follows A, 1: B is from elsewhere
 *   s1_ids (B,T) s1_lengths (B) s2_ids s2_lengths   of sentence pairs that are encoded apart
 *
 * T is the longest of the batch, rounded up to a multiple that the caller gives; padding holds the tokenizer's pad id.
 */
#ifndef AE_DATASETS_DATASET_H
#define AE_DATASETS_DATASET_H

#include "tensor/random.h"
#include "tensor/tensor.h"
#include "tokenizers/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ae_dataset ae_dataset;

typedef struct ae_collate {
    int64_t multiple;  /* T is rounded up to a multiple of this; 0 counts as 1 */
    ae_random_key key; /* of dynamic masking and other draws; element i of the batch uses ae_random_subkey(key, i) */
    bool windows;      /* pieces of running text (lm) begin anywhere within their piece, not at its first token */
} ae_collate;

struct ae_dataset {
    int64_t count;
    const char *objective; /* "mlm_nsp", "mlm", "lm", "classes", "regression", "none" */
    /* Tokens of example i, special ones included: what buckets sort by. */
    int64_t (*length)(const ae_dataset *d, int64_t i);
    /* The batch of n examples; owned by the caller; NULL and e on failure. Must be a pure function of its arguments,
     * may be called from any thread, and opens no OpenMP region (it runs while a step's regions do). */
    ae_tensors *(*collate)(const ae_dataset *d, const int64_t *examples, int64_t n, const ae_collate *how, ae_err *e);
    void (*free)(ae_dataset *d);
};

AE_API void ae_dataset_free(ae_dataset *d); /* calls d->free; NULL is allowed */

/* ---- the batch of a step ------------------------------------------------------------------------------------------- */

typedef struct ae_batch_plan {
    int64_t batch; /* sequences a batch */
    uint64_t seed;
    bool shuffle; /* false: examples in their order, the last batch of an epoch short */
    int64_t
        window; /* batches whose examples are sorted by length and cut anew, so that a batch is even; 0: 64; 1: off */
    int64_t multiple; /* as in ae_collate */
    bool windows;     /* as in ae_collate */
    int rank, ranks;  /* batch k of this process is batch k * ranks + rank of all; 0 of 0 means alone */
    int ahead;        /* batches made ahead on a thread of their own; 0: none */
} ae_batch_plan;

typedef struct ae_batches ae_batches;

/* Plans batches over a dataset, which must outlive it. Shuffled batches are full: the examples that an epoch has left
 * over (another few each time) join no batch of it. Fewer examples than a batch make one short batch an epoch. NULL and
 * e: bad numbers, an empty dataset, no memory. */
AE_API ae_batches *ae_batches_new(const ae_dataset *d, const ae_batch_plan *plan, ae_err *e);
AE_API void ae_batches_free(ae_batches *b); /* ends its thread; NULL is allowed */

AE_API int64_t ae_batches_per_epoch(const ae_batches *b); /* of all ranks together: at least 1 */

/* The examples of this process's batch `number` (0, 1, ... over all epochs): a pure function of (dataset, plan,
 * number), from any thread. Writes at most plan.batch of them and returns how many. Epoch e's order is a permutation
 * drawn from (seed, e) alone; it is computed place by place and takes no memory. */
AE_API int64_t ae_batches_examples(const ae_batches *b, int64_t number, int64_t *examples);

/* Batch `number` of this process, collated with a key of (seed, its number among all): owned by the caller. With
 * plan.ahead a thread makes number+1, ... meanwhile; the batches are the same, and so are the errors. Another number
 * than the next is allowed and throws away what was made ahead. One thread at a time may call it. NULL and e when
 * number is negative or collating failed. */
AE_API ae_tensors *ae_batches_get(ae_batches *b, int64_t number, ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
