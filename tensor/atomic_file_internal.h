/* The system calls behind atomic saving, as a table, so that tests can make each of them fail. Internal. */
#ifndef AE_TENSOR_ATOMIC_FILE_INTERNAL_H
#define AE_TENSOR_ATOMIC_FILE_INTERNAL_H

#include "tensor/atomic_file.h"

#include <sys/types.h>

/* Each call behaves like the system call of its name: errno is set on -1. `self` is passed to every one. */
typedef struct ae_file_calls {
    int (*open)(void *self, const char *path, int flags, unsigned mode);
    ssize_t (*write)(void *self, int fd, const void *data, size_t bytes);
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

#endif
