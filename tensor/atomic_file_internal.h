/* The system calls behind atomic saving, as a table, so that tests can make each of them fail. Internal. */
#ifndef AE_TENSOR_ATOMIC_FILE_INTERNAL_H
#define AE_TENSOR_ATOMIC_FILE_INTERNAL_H

#include "tensor/atomic_file.h"

#include <sys/types.h>

/* Each call behaves like the system call of its name: errno is set on -1. `self` is passed to every one. */
typedef struct ae_file_calls {
    int (*open)(void *self, const char *path, int flags, unsigned mode);
    ssize_t (*write)(void *self, int fd, const void *data, size_t bytes);
    ssize_t (*pwrite)(void *self, int fd, const void *data, size_t bytes, off_t offset);
    int (*ftruncate)(void *self, int fd, off_t length);
    int (*fsync)(void *self, int fd);
    int (*close)(void *self, int fd);
    int (*rename)(void *self, const char *from, const char *to);
    int (*unlink)(void *self, const char *path);
    void *self;
} ae_file_calls;

/* The real system calls. */
extern const ae_file_calls ae_system_calls;

/* ae_atomic_open with other calls, which must outlive the file; calls NULL means the system's. */
ae_atomic_file *ae_atomic_open_with(const char *path, const ae_file_calls *calls, ae_err *e);

/* The calls that a file was opened with. */
const ae_file_calls *ae_atomic_calls(const ae_atomic_file *f);

/* Writes at an offset, sets the length; 0, or -1 with e filled, sticky like ae_atomic_write. */
int ae_atomic_write_at(ae_atomic_file *f, uint64_t offset, const void *data, size_t bytes, ae_err *e);
int ae_atomic_truncate(ae_atomic_file *f, uint64_t length, ae_err *e);

/* Reads back what was written; -1 when it is not all there. */
int ae_atomic_read_at(ae_atomic_file *f, uint64_t offset, void *out, size_t bytes);

#endif
