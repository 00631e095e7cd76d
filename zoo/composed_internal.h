/* Internal to the composable family: what its files share. */
#ifndef AE_ZOO_COMPOSED_INTERNAL_H
#define AE_ZOO_COMPOSED_INTERNAL_H

#include "zoo/composed.h"

/* A batch as the model sees it. */
struct ae_composed_batch {
    ae_tokens tokens;
    bool uer;           /* it came under UER-py's names */
    ae_tensor *real;    /* (B) i64: how many tokens of each row are real; NULL: all */
    ae_tensor *weights; /* (B,T) f32: of mean pooling where UER-py's arithmetic is wanted; else NULL */
};

/* The batch under any of its names; `which` is 0 for a single sequence, 1 or 2 for s1_ids or s2_ids. */
struct ae_composed_batch ae_composed_read_batch(const struct ae_composed *c, ae_io *io, int which);

/* Checks the words of a configuration and gives an equal one with UER-py's other spellings resolved ("dual" streams,
 * fused embeddings, single words for lists, labels_num), owned by the caller; NULL and e. */
ae_json *ae_composed_config(const ae_json *config, ae_err *e);

/* The parameters of the configured targets, "target.<name>.". */
void ae_composed_targets_init(ae_model *m, struct ae_composed *c, const ae_json *config, ae_err *e);

/* Which states they read, where their losses are all that is wanted: true and *reading; false when they may read all.
 */
bool ae_composed_targets_read(const struct ae_composed *c, ae_io *io, const struct ae_composed_batch *batch,
                              ae_reading *reading);

/* Their outputs on states, and the sum of their losses, or NULL. */
ae_tensor *ae_composed_targets_run(const struct ae_composed *c, ae_io *io, const struct ae_composed_batch *batch,
                                   ae_tensor *states);

/* The siamese classifier on a batch of pairs. */
ae_tensor *ae_composed_siamese_run(const struct ae_composed *c, ae_io *io);

#endif
