/* The options of building instances, shared by `data build` and `pretrain --corpus`. */
#ifndef AE_APPS_INSTANCE_SETTINGS_H
#define AE_APPS_INSTANCE_SETTINGS_H

#include "apps/app.h"
#include "datasets/instances.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The names of the options that ae_instance_build reads, for lists of options. */
#define AE_INSTANCE_OPTIONS                                                                                            \
    "buffer", "corpus", "dictionary", "duplicates", "dynamic", "encoding", "encoding-errors", "exclude",               \
        "full-sentences", "line-ends", "mask-most", "mask-rate", "no-special", "seq", "short-seq", "span",             \
        "span-most", "span-p", "static", "unit", "whole-word"

/* Builds the file `output` from `paths` with progress and a report on the log; a signal that ae_stop_signal knows stops
 * it and leaves no file. Returns 0, or -1 and run->error (options that contradict each other, too). */
AE_API int ae_instance_build(ae_run *run, const char *const *paths, int n, const ae_tokenizer *t, const char *objective,
                             const char *output, ae_build_report *report);

/* The same, unless `output` exists and was built from this text (by its hash) with this tokenizer and these options. */
AE_API int ae_instance_build_once(ae_run *run, const char *const *paths, int n, const ae_tokenizer *t,
                                  const char *objective, const char *output);

#ifdef __cplusplus
}
#endif
#endif
