/* `aesop inspect --memory`: from a file, a recipe or a configuration to the report of a step. */
#ifndef AE_APPS_INSPECT_MEMORY_H
#define AE_APPS_INSPECT_MEMORY_H

#include "apps/app.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The options that say which step. */
#define AE_INSPECT_MEMORY_OPTIONS                                                                                      \
    "accumulate", "batch", "checkpoint-activations", "infer", "model", "optimizer", "precision", "seq", "threads",     \
        "update-in-backward"

/* Prints the report of the model that the argument or --model names. Returns the exit status, or -1 and run->error. */
AE_API int ae_inspect_memory(ae_run *run);

/* Refuses the options above where there is no --memory. Returns 0, or -1 and run->error. */
AE_API int ae_inspect_no_memory(ae_run *run);

#ifdef __cplusplus
}
#endif
#endif
