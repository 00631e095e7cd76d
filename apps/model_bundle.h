/* A model with all that belongs to it: built by a recipe, or opened from a file, for training and for use.
 *
 * A model file keeps, besides configuration and weights, the sections "tokenizer" (tokenizer.json) and "settings" (a
 * JSON object: "objective", "recipe", "seq", and the values of the run that made it). Classes have their names in the
 * configuration ("id2label"), as Hugging Face has them. */
#ifndef AE_APPS_MODEL_BUNDLE_H
#define AE_APPS_MODEL_BUNDLE_H

#include "apps/app.h"
#include "datasets/table.h"
#include "nn/snapshot.h"
#include "tokenizers/tokenizer.h"
#include "zoo/zoo.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Begin with all zero bytes; everything in it is owned by it. */
typedef struct ae_bundle {
    const ae_zoo_model *row;
    void *self; /* the model's struct, for row->run */
    ae_model *model;
    ae_json *config;
    ae_tokenizer *tokenizer; /* NULL when the source has none */
    ae_json *settings;       /* an object */
    char plugin[64];         /* the plugin that brought the encoder; "" for none */
} ae_bundle;

AE_API void ae_bundle_free(ae_bundle *d); /* and zeroes it */

/* Builds row's model from d->config (set by the caller) with fresh weights drawn from seed; with `deferred` the values
 * are left to a loader. Returns 0, or -1 and run->error. */
AE_API int ae_bundle_build(ae_run *run, ae_bundle *d, const ae_zoo_model *row, uint64_t seed, bool deferred);

/* Opens a model file or a Hugging Face folder with its weights (mapped) and its tokenizer; --tokenizer, where the
 * command has it and it was given, comes first. A class that is not in the zoo is AE_E_UNSUPPORTED. */
AE_API int ae_bundle_open(ae_run *run, ae_bundle *d, const char *path);

/* Fills a built model with the weights of a file (--init). The tokenizers must agree where both are known. Heads that
 * the file lacks or that have another shape keep their first values; the log says which. */
AE_API int ae_bundle_init(ae_run *run, ae_bundle *d, const char *path);

/* Reads only configuration, class, tokenizer and settings of a file into d: what a run that starts from it inherits.
 * class_name receives the class ("" when nothing says so). */
AE_API int ae_bundle_peek(ae_run *run, ae_bundle *d, const char *path, char class_name[128]);

/* Writes a model file: the bundle's sections, and from the snapshot optimizer, step, seed and `extra`. snapshot NULL:
 * weights alone. `also` (may be NULL) are further tensors, stored under "average". */
AE_API int ae_bundle_save(const ae_bundle *d, const char *path, const ae_snapshot *snapshot, const ae_tensors *also,
                          ae_err *e);

/* The classes of the configuration; NULL without an error when they have no names. Owned by the caller. */
AE_API ae_labels *ae_bundle_labels(const ae_bundle *d, ae_err *e);

/* Writes num_labels, id2label and label2id, or those of one score (num_labels 1, problem_type regression). */
AE_API int ae_bundle_set_labels(ae_json *config, const ae_labels *labels, ae_err *e);

/* The number of tokens a sequence of a family's model may have by its configuration, and setting it; 0: any. */
AE_API int64_t ae_family_positions(const char *family, const ae_json *config);
AE_API void ae_family_set_positions(const char *family, ae_json *config, int64_t positions);

/* The same of an open model. */
AE_API int64_t ae_bundle_positions(const ae_bundle *d);

/* Whether the model takes texts apart (s1_ids, s2_ids), not joined (input_ids). */
AE_API bool ae_bundle_apart(const ae_bundle *d);

/* Runs the model on a batch in g (already begun): the loss, or NULL when the batch has no labels or after an error of
 * the graph. outputs (owned by the caller) receives what the model puts. */
AE_API ae_tensor *ae_bundle_run(const ae_bundle *d, ae_graph *g, const ae_tensors *batch, ae_tensors *outputs,
                                bool loss_only);

#ifdef __cplusplus
}
#endif
#endif
