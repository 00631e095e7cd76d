/* --profile: where the time of a run goes, for every command that computes. */
#ifndef AE_APPS_PROFILING_H
#define AE_APPS_PROFILING_H

#include "apps/app.h"
#include "autograd/profile.h"
#include "datasets/dataset.h"

#ifdef __cplusplus
extern "C" {
#endif

/* With --profile: makes run->profile and begins a span that is called like the command; refuses a file that exists.
 * Commands give it to their graphs with ae_graph_profile(g, run->profile). Returns 0, or -1 and run->error. */
AE_API int ae_profiling_begin(ae_run *run);

/* Ends it: prints the table to run->log (with --json one line of JSON), writes the trace, frees run->profile. Prints
 * and writes nothing for a run that failed (status below 0). Returns the status, or -1 and run->error. */
AE_API int ae_profiling_end(ae_run *run, int status);

/* The dataset with the making of its batches, on a thread that reads ahead, as spans of p; NULL and e without memory.
 * Free it before d, which must outlive it. */
AE_API ae_dataset *ae_profiled_dataset(const ae_dataset *d, ae_profile *p, ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
