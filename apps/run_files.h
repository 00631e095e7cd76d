/* The files of one training run, named after its output RUN.h5:
 *
 *   RUN.h5            the last state: all that --resume needs
 *   RUN.best.h5       the weights of the best evaluation
 *   RUN.step-N.h5     the last K states (--keep K)
 *   RUN.log.jsonl     one JSON object a line: "step" lines, "evaluation" lines
 *   RUN.data.h5, RUN.valid.h5   instances built from --corpus and --valid
 *   RUN.lock          held by the running process, so that a second writer is refused */
#ifndef AE_APPS_RUN_FILES_H
#define AE_APPS_RUN_FILES_H

#include "tensor/json.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { AE_RUN_PATH = 4096, AE_RUN_TEMPORARY = 256 };

typedef struct ae_run_files {
    char last[AE_RUN_PATH]; /* RUN.h5 */
    int lock;               /* descriptor of RUN.lock */
    FILE *log;
} ae_run_files;

/* RUN.<what> of an output RUN.h5 (the ending is cut off where it is there). */
AE_API int ae_run_path(const char *output, const char *what, char path[AE_RUN_PATH], ae_err *e);

/* Takes the lock, refuses files that exist (unless `force` or `resume`), and opens the log: anew, or, resuming from
 * step N, behind its last line of a step up to N. Close with ae_run_files_close, also after a failure. */
AE_API int ae_run_files_open(ae_run_files *f, const char *output, bool resume, int64_t step, ae_err *e);
AE_API void ae_run_files_close(ae_run_files *f);

/* Writes a line to the log; takes `line` over. A failed write is an error (the disk is full). */
AE_API int ae_run_log(ae_run_files *f, ae_json *line, ae_err *e);

/* Gives RUN.h5 the second name RUN.step-N.h5 (a hard link) and removes the oldest beyond `keep`. */
AE_API int ae_run_keep(ae_run_files *f, int64_t step, int64_t keep, ae_err *e);

/* Makes an empty file "aesop-WHAT-......h5" in the folder of TMPDIR (else /tmp), to be removed by the caller. Returns
 * 0, or -1 and e. */
AE_API int ae_run_temporary(const char *what, char path[AE_RUN_TEMPORARY], ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
