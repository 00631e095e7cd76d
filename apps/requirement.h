/* Results by name, printed, and held against --require. */
#ifndef AE_APPS_REQUIREMENT_H
#define AE_APPS_REQUIREMENT_H

#include "apps/app.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One result. */
typedef struct ae_result {
    const char *name; /* "accuracy" */
    double value;
    bool falls; /* less is better */
} ae_result;

enum { AE_RESULTS_MOST = 32 };

typedef struct ae_results {
    ae_result all[AE_RESULTS_MOST];
    int count;
} ae_results;

AE_API void ae_results_add(ae_results *r, const char *name, double value, bool falls);

/* Checks --require before the work is done: every one must be NAME=X with a name of the list (NULL at the end; short
 * forms are acc, f1, mcc, ppl, bpb, bpc). Returns 0, or -1 and run->error with the nearest name. */
AE_API int ae_requirements_check(ae_run *run, const char *const *names);

/* Prints the results: a line each; nothing with --json. */
AE_API void ae_results_print(ae_run *run, const ae_results *r);
AE_API void ae_results_json(const ae_results *r, ae_json *object);

/* AE_EXIT_DONE, or AE_EXIT_NO when a requirement is not met, said on the log. A result that is NaN meets none. */
AE_API int ae_requirements_verdict(ae_run *run, const ae_results *r);

#ifdef __cplusplus
}
#endif
#endif
