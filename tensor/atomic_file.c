#include "tensor/atomic_file_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ATTEMPTS = 1000, LARGEST_WRITE = 1 << 30 };

struct ae_atomic_file {
    const ae_file_calls *calls;
    char *target;
    char *temporary;
    char *folder;
    int fd;
    bool failed;
};

static int call_open(void *self, const char *path, int flags, unsigned mode)
{
    (void)self;
    return open(path, flags, mode);
}

static ssize_t call_write(void *self, int fd, const void *data, size_t bytes)
{
    (void)self;
    return write(fd, data, bytes);
}

static ssize_t call_pwrite(void *self, int fd, const void *data, size_t bytes, off_t offset)
{
    (void)self;
    return pwrite(fd, data, bytes, offset);
}

static int call_ftruncate(void *self, int fd, off_t length)
{
    (void)self;
    return ftruncate(fd, length);
}

static int call_fsync(void *self, int fd)
{
    (void)self;
    return fsync(fd);
}

static int call_close(void *self, int fd)
{
    (void)self;
    return close(fd);
}

static int call_rename(void *self, const char *from, const char *to)
{
    (void)self;
    return rename(from, to);
}

static int call_unlink(void *self, const char *path)
{
    (void)self;
    return unlink(path);
}

const ae_file_calls ae_system_calls = {
    .open = call_open,
    .write = call_write,
    .pwrite = call_pwrite,
    .ftruncate = call_ftruncate,
    .fsync = call_fsync,
    .close = call_close,
    .rename = call_rename,
    .unlink = call_unlink,
};

static void release(ae_atomic_file *f)
{
    free(f->target);
    free(f->temporary);
    free(f->folder);
    free(f);
}

/* The file to replace: a symbolic link is followed as long as what it names exists. */
static char *resolve(const char *path)
{
    char *real = realpath(path, NULL);
    return real ? real : strdup(path);
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash) {
        return strdup(".");
    }
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

/* Creates a temporary file under a name that nobody uses. O_EXCL and 0666 instead of mkstemp, so that the user's umask
 * decides the permissions. */
static int create_temporary(ae_atomic_file *f, ae_err *e)
{
    const char *slash = strrchr(f->target, '/');
    const char *base = slash ? slash + 1 : f->target;
    size_t room = strlen(f->folder) + strlen(base) + 64;
    f->temporary = malloc(room);
    if (!f->temporary) {
        return ae_err_set(e, AE_E_MEMORY, "%s: no memory for a file name", f->target);
    }
    for (int k = 0; k < ATTEMPTS; k++) {
        snprintf(f->temporary, room, "%s/.%s.%ld-%d.tmp", f->folder, base, (long)getpid(), k);
        f->fd = f->calls->open(f->calls->self, f->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (f->fd >= 0 || errno != EEXIST) {
            break;
        }
    }
    if (f->fd < 0) {
        return ae_err_set(e, AE_E_IO, "%s: cannot create a temporary file in the folder %s: %s", f->target, f->folder,
                          strerror(errno));
    }
    return 0;
}

ae_atomic_file *ae_atomic_open_with(const char *path, const ae_file_calls *calls, ae_err *e)
{
    ae_atomic_file *f = calloc(1, sizeof *f);
    if (!f) {
        ae_err_set(e, AE_E_MEMORY, "%s: no memory to save a file", path);
        return NULL;
    }
    f->calls = calls ? calls : &ae_system_calls;
    f->fd = -1;
    f->target = resolve(path);
    f->folder = f->target ? folder_of(f->target) : NULL;
    struct stat old;
    if (!f->folder) {
        ae_err_set(e, AE_E_MEMORY, "%s: no memory for a file name", path);
    } else if (path[0] == '\0') {
        ae_err_set(e, AE_E_VALUE, "an empty file name; give the path of the file to write");
    } else {
        bool exists = stat(f->target, &old) == 0;
        if (exists && !S_ISREG(old.st_mode)) {
            ae_err_set(e, AE_E_IO, "%s: not a regular file; it cannot be replaced", path);
        } else if (create_temporary(f, e) == 0) {
            if (exists) {
                /* Some file systems refuse this; the content matters more than the permissions. */
                (void)!fchmod(f->fd, old.st_mode & 07777);
            }
            return f;
        }
    }
    release(f);
    return NULL;
}

ae_atomic_file *ae_atomic_open(const char *path, ae_err *e)
{
    return ae_atomic_open_with(path, NULL, e);
}

static int stick(ae_atomic_file *f, const char *what, const char *reason, ae_err *e)
{
    f->failed = true;
    return ae_err_set(e, AE_E_IO, "%s: cannot %s: %s; the old file, if any, is unchanged", f->target, what, reason);
}

/* Writes all bytes, at an offset or (offset < 0) behind what was written last. */
static int write_fully(ae_atomic_file *f, int64_t offset, const char *at, size_t bytes, ae_err *e)
{
    const ae_file_calls *c = f->calls;
    while (bytes > 0 && !f->failed) {
        size_t part = bytes < LARGEST_WRITE ? bytes : LARGEST_WRITE;
        ssize_t n = offset < 0 ? c->write(c->self, f->fd, at, part) : c->pwrite(c->self, f->fd, at, part, offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return stick(f, "write", n < 0 ? strerror(errno) : "nothing was accepted", e);
        }
        at += n;
        bytes -= (size_t)n;
        offset += offset < 0 ? 0 : n;
    }
    return f->failed ? ae_err_set(e, AE_E_IO, "%s: an earlier write failed", f->target) : 0;
}

int ae_atomic_write(ae_atomic_file *f, const void *data, size_t bytes, ae_err *e)
{
    return write_fully(f, -1, data, bytes, e);
}

int ae_atomic_write_at(ae_atomic_file *f, uint64_t offset, const void *data, size_t bytes, ae_err *e)
{
    return write_fully(f, (int64_t)offset, data, bytes, e);
}

int ae_atomic_truncate(ae_atomic_file *f, uint64_t length, ae_err *e)
{
    if (f->failed) {
        return ae_err_set(e, AE_E_IO, "%s: an earlier write failed", f->target);
    }
    return f->calls->ftruncate(f->calls->self, f->fd, (off_t)length) == 0
               ? 0
               : stick(f, "set the length", strerror(errno), e);
}

int ae_atomic_read_at(ae_atomic_file *f, uint64_t offset, void *out, size_t bytes)
{
    char *at = out;
    while (bytes > 0) {
        ssize_t n = pread(f->fd, at, bytes, (off_t)offset);
        if (n <= 0) {
            if (n < 0 && errno == EINTR) {
                continue;
            }
            return -1;
        }
        at += n;
        bytes -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

const ae_file_calls *ae_atomic_calls(const ae_atomic_file *f)
{
    return f->calls;
}

const char *ae_atomic_temporary(const ae_atomic_file *f)
{
    return f->temporary;
}

static int sync_folder(const ae_atomic_file *f)
{
    const ae_file_calls *c = f->calls;
    int fd = c->open(c->self, f->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    int result = c->fsync(c->self, fd);
    int reason = errno;
    if (result != 0 && (reason == EINVAL || reason == ENOTSUP)) {
        result = 0; /* file systems without this notion, such as some network mounts */
    }
    if (c->close(c->self, fd) != 0 && result == 0) {
        return -1;
    }
    errno = reason;
    return result;
}

int ae_atomic_commit(ae_atomic_file *f, ae_err *e)
{
    const ae_file_calls *c = f->calls;
    const char *step = NULL;
    if (f->failed) {
        ae_err_set(e, AE_E_IO, "%s: an earlier write failed", f->target);
        ae_atomic_abort(f);
        return -1;
    }
    if (c->fsync(c->self, f->fd) != 0) {
        step = "sync";
    }
    int reason = errno;
    int closed = c->close(c->self, f->fd);
    f->fd = -1;
    if (!step && closed != 0) {
        step = "close";
        reason = errno;
    }
    if (!step && c->rename(c->self, f->temporary, f->target) != 0) {
        step = "rename";
        reason = errno;
    }
    if (step) {
        ae_err_set(e, AE_E_IO, "%s: cannot %s the new file: %s; the old file, if any, is unchanged", f->target, step,
                   strerror(reason));
        ae_atomic_abort(f);
        return -1;
    }
    int result = sync_folder(f);
    if (result != 0) {
        ae_err_set(e, AE_E_IO, "%s: the new file is in place, but its folder could not be synced: %s", f->target,
                   strerror(errno));
    }
    release(f);
    return result;
}

void ae_atomic_abort(ae_atomic_file *f)
{
    if (!f) {
        return;
    }
    if (f->fd >= 0) {
        f->calls->close(f->calls->self, f->fd);
    }
    f->calls->unlink(f->calls->self, f->temporary);
    release(f);
}

int ae_atomic_save(const char *path, const void *data, size_t bytes, ae_err *e)
{
    ae_atomic_file *f = ae_atomic_open(path, e);
    if (!f) {
        return -1;
    }
    if (ae_atomic_write(f, data, bytes, e) != 0) {
        ae_atomic_abort(f);
        return -1;
    }
    return ae_atomic_commit(f, e);
}
