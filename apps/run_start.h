/* How a training run begins: from a recipe, from weights (--init), or from its own checkpoint (--resume). */
#ifndef AE_APPS_RUN_START_H
#define AE_APPS_RUN_START_H

#include "apps/model_bundle.h"
#include "apps/recipes.h"

#ifdef __cplusplus
extern "C" {
#endif

#define AE_START_OPTIONS                                                                                               \
    "model", "set", "encoder", "dropout", "init", "resume", "tokenizer", "config", "print-config", "plugin"

typedef struct ae_run_start {
    const ae_recipe *recipe; /* NULL: a configuration of one's own */
    char family[64];         /* "bert" */
    const char *resume;      /* --resume, or NULL */
    const char *init;        /* --init, or NULL */
} ae_run_start;

/* Recipe, family and configuration of what --model names: a recipe, or a configuration file by its path. *config is the
 * caller's. Returns 0, or -1 and run->error. */
AE_API int ae_run_model(ae_run *run, const char *model, ae_run_start *s, ae_json **config);

/* Reads --config, chooses the model and fills the bundle's configuration, tokenizer (NULL when nothing gave one) and
 * settings; recipe and stored values are laid below the command line. `stage` is "pretrain" or "finetune". Returns 0,
 * or -1 and run->error. */
AE_API int ae_run_choose(ae_run *run, ae_run_start *s, ae_bundle *d, const char *stage);

/* What the data demand of the model. */
typedef struct ae_run_needs {
    const char *objective;   /* "mlm_nsp", "mlm", "lm", "classes", "regression" */
    int texts;               /* of a labelled example: 1 or 2; 0 for instances */
    int64_t seq;             /* tokens of a sequence */
    const ae_labels *labels; /* classes; NULL elsewhere */
} ae_run_needs;

/* The row of the zoo that serves the needs; NULL and run->error. */
AE_API const ae_zoo_model *ae_run_row(ae_run *run, const ae_run_start *s, const ae_run_needs *needs);

/* Fits the configuration to the needs (vocabulary, labels, positions), builds the model with the seed, and loads
 * --init's or --resume's weights. Returns 0, or -1 and run->error. */
AE_API int ae_run_build(ae_run *run, const ae_run_start *s, ae_bundle *d, const ae_run_needs *needs, uint64_t seed);

/* Refuses an output that exists, unless --force, --dry-run or --resume of the same file is given: before data are
 * built. */
AE_API int ae_run_refuse(ae_run *run, const char *output, const char *resume);

#ifdef __cplusplus
}
#endif
#endif
