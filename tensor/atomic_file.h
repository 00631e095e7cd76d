/* Saving so that a crash, a full disk or a power cut leaves the old file or the new one, never a part.
 *
 * The bytes go to a temporary file in the same folder (".NAME.PID-K.tmp"); commit syncs it, checks its close, renames
 * it over the target and syncs the folder. A crash before the rename leaves the temporary file behind, to be deleted
 * by hand. A target that is a symbolic link is followed; an existing target keeps its permissions. */
#ifndef AE_TENSOR_ATOMIC_FILE_H
#define AE_TENSOR_ATOMIC_FILE_H

#include "tensor/error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ae_atomic_file ae_atomic_file;

/* Begins to replace the file at path; NULL and e filled when the folder cannot be written. End with commit or abort. */
AE_API ae_atomic_file *ae_atomic_open(const char *path, ae_err *e);

/* Appends bytes; returns 0, or -1 with e filled. After a failure every later write and the commit fail too. */
AE_API int ae_atomic_write(ae_atomic_file *f, const void *data, size_t bytes, ae_err *e);

/* The path of the temporary file, for libraries that open files themselves; borrowed. They must have closed it before
 * commit. */
AE_API const char *ae_atomic_temporary(const ae_atomic_file *f);

/* Makes the new content durable and visible, and frees f. On -1 the old file is still there, except when only the last
 * step, the sync of the folder, failed: the message says so. */
AE_API int ae_atomic_commit(ae_atomic_file *f, ae_err *e);

/* Removes the temporary file and frees f; NULL is allowed. */
AE_API void ae_atomic_abort(ae_atomic_file *f);

/* All of it in one call. */
AE_API int ae_atomic_save(const char *path, const void *data, size_t bytes, ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
