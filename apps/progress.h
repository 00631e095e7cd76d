/* Progress of long work, on the log stream: a bar on a terminal, else a plain line at most every ten seconds. */
#ifndef AE_APPS_PROGRESS_H
#define AE_APPS_PROGRESS_H

#include "apps/app.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ae_progress {
    FILE *log;
    enum { AE_PROGRESS_NONE, AE_PROGRESS_PLAIN, AE_PROGRESS_BAR } kind;
    const char *what; /* "train"; borrowed */
    double started, shown;
    bool drawn; /* a bar stands on the line */
} ae_progress;

/* As --progress, -q and the stream say (a command without these options: plain). */
AE_API ae_progress ae_progress_begin(const ae_run *run, const char *what);

/* Shows done of all (all <= 0: unknown) with a note ("loss 2.31"; NULL for none) when it is time to, and what is left
 * by the pace since `from` done at the beginning. */
AE_API void ae_progress_show(ae_progress *p, double done, double all, double from, const char *note);

/* Takes the bar away before other lines are printed, and at the end. */
AE_API void ae_progress_clear(ae_progress *p);

#ifdef __cplusplus
}
#endif
#endif
