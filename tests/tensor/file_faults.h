/* System calls that fail on demand, and small helpers on files, for the tests of everything that saves. */
#ifndef AE_TESTS_FILE_FAULTS_H
#define AE_TESTS_FILE_FAULTS_H

#include "tensor/atomic_file_internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct file_faults {
    int at;       /* the number of the call that fails, from 0 */
    int reason;   /* its errno */
    bool crash;   /* all later calls fail too */
    bool partial; /* a write that should fail writes one byte instead */
    int calls;    /* made so far */
    bool hit;     /* the failure took place */
    bool renamed; /* a rename took place */
} file_faults;

static inline bool file_fault_here(file_faults *f)
{
    int call = f->calls++;
    bool fails = call == f->at || (f->crash && call > f->at);
    if (fails) {
        f->hit = true;
        errno = f->reason;
    }
    return fails;
}

static inline int faulty_open(void *self, const char *path, int flags, unsigned mode)
{
    return file_fault_here(self) ? -1 : ae_system_calls.open(NULL, path, flags, mode);
}

static inline ssize_t faulty_write(void *self, int fd, const void *data, size_t bytes)
{
    file_faults *f = self;
    if (file_fault_here(f)) {
        return f->partial ? ae_system_calls.write(NULL, fd, data, 1) : -1;
    }
    return ae_system_calls.write(NULL, fd, data, bytes);
}

static inline ssize_t faulty_pwrite(void *self, int fd, const void *data, size_t bytes, off_t offset)
{
    return file_fault_here(self) ? -1 : ae_system_calls.pwrite(NULL, fd, data, bytes, offset);
}

static inline int faulty_ftruncate(void *self, int fd, off_t length)
{
    return file_fault_here(self) ? -1 : ae_system_calls.ftruncate(NULL, fd, length);
}

static inline int faulty_fsync(void *self, int fd)
{
    return file_fault_here(self) ? -1 : ae_system_calls.fsync(NULL, fd);
}

/* The descriptor is closed in any case, as the kernel does it. */
static inline int faulty_close(void *self, int fd)
{
    int result = ae_system_calls.close(NULL, fd);
    return file_fault_here(self) ? -1 : result;
}

static inline int faulty_rename(void *self, const char *from, const char *to)
{
    file_faults *f = self;
    if (file_fault_here(f)) {
        return -1;
    }
    f->renamed = true;
    return ae_system_calls.rename(NULL, from, to);
}

/* Cleaning up after a failure is not a step that is counted, but a crash stops it. */
static inline int faulty_unlink(void *self, const char *path)
{
    file_faults *f = self;
    return f->hit && f->crash ? -1 : ae_system_calls.unlink(NULL, path);
}

static inline ae_file_calls file_faults_calls(file_faults *f)
{
    return (ae_file_calls){
        .open = faulty_open,
        .write = faulty_write,
        .pwrite = faulty_pwrite,
        .ftruncate = faulty_ftruncate,
        .fsync = faulty_fsync,
        .close = faulty_close,
        .rename = faulty_rename,
        .unlink = faulty_unlink,
        .self = f,
    };
}

/* A whole file with a final NUL, malloc'ed; NULL when it is not there. */
static inline char *file_text(const char *path, size_t *length)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        return NULL;
    }
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    rewind(f);
    char *text = calloc(1, (size_t)size + 1);
    size_t n = text ? fread(text, 1, (size_t)size, f) : 0;
    fclose(f);
    if (length) {
        *length = n;
    }
    return text;
}

static inline int put_file(const char *path, const void *data, size_t length)
{
    FILE *f = fopen(path, "wb");
    size_t n = f ? fwrite(data, 1, length, f) : 0;
    return f && fclose(f) == 0 && n == length ? 0 : -1;
}

/* The number of entries of a folder besides "." and "..". */
static inline int count_files(const char *folder)
{
    DIR *d = opendir(folder);
    int n = 0;
    for (struct dirent *entry; d && (entry = readdir(d));) {
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    }
    if (d) {
        closedir(d);
    }
    return n;
}

static inline void remove_temporaries(const char *folder)
{
    DIR *d = opendir(folder);
    for (struct dirent *entry; d && (entry = readdir(d));) {
        size_t n = strlen(entry->d_name);
        char path[512];
        if (n > 4 && strcmp(entry->d_name + n - 4, ".tmp") == 0) {
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
            remove(path);
        }
    }
    if (d) {
        closedir(d);
    }
}

#endif
