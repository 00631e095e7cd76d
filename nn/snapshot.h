/* Snapshots: the sections of a model file that training needs to go on bit for bit.
 *
 *   weights     parameters and buffers
 *   optimizer   its states; the attribute "rule" says whose
 *   training    JSON: seed and step of the random numbers, and "extra", the caller's own (schedule, data position)
 *
 * Random numbers have no other state than the key (seed, step, round, rank), so a run that calls
 * ae_graph_random(g, c.seed, c.step, round, rank) for its next step draws what the interrupted one would have drawn. */
#ifndef AE_NN_SNAPSHOT_H
#define AE_NN_SNAPSHOT_H

#include "nn/optimizer.h"
#include "nn/state.h"
#include "tensor/model_file.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ae_snapshot {
    ae_model *model;
    ae_optimizer *optimizer; /* NULL: weights alone */
    uint64_t seed;
    int64_t step;   /* steps done */
    ae_json *extra; /* an object; reading gives it to the caller to free, NULL when there is none */
} ae_snapshot;

/* Writes the sections into a file that ae_model_file_create began. Returns 0 or -1. */
AE_API int ae_snapshot_write(ae_h5 *f, const ae_snapshot *c, ae_err *e);

/* Fills c->model and, unless NULL, c->optimizer from an open file, and sets seed, step and extra. The weights are
 * mapped and read when they are first used. An optimizer is wanted and the file has none, or one of another rule:
 * errors. The section training may be missing (a file of weights): seed and step are 0 then. Returns 0 or -1; after a
 * failure the model or the optimizer may hold values of the file. */
AE_API int ae_snapshot_read(ae_h5 *f, ae_snapshot *c, ae_err *e);

/* The whole file: afterwards path is the old file or the new one, never a part. name and plugin as in
 * ae_model_file_create. */
AE_API int ae_snapshot_save(const char *path, const char *name, const char *plugin, const ae_json *config,
                            const ae_snapshot *c, ae_err *e);
AE_API int ae_snapshot_load(const char *path, ae_snapshot *c, ae_err *e); /* messages begin with the path */

#ifdef __cplusplus
}
#endif
#endif
