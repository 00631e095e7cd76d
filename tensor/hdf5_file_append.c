/* Rows whose final number is not known yet: they wait in nameless files. */
#include "tensor/file_map.h"
#include "tensor/hdf5_file_handle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Rows waiting for their final number. */
struct ae_h5_spool {
    char *name;
    int fd;
    ae_dtype dtype;
    int ndim;
    int64_t shape[AE_MAX_DIMS]; /* the first extent counts the rows so far */
    struct ae_h5_spool *next;
};

/* A nameless file in the folder of the target, where there is room for the result anyway. */
static int nameless_file(ae_h5 *f, ae_err *e)
{
    size_t room = strlen(ae_atomic_temporary(f->medium.saving)) + 16;
    char *path = malloc(room);
    if (!path) {
        return ae_err_set(e, AE_E_MEMORY, "%s: no memory for a file name", f->path);
    }
    snprintf(path, room, "%s.XXXXXX", ae_atomic_temporary(f->medium.saving));
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) {
        ae_err_set(e, AE_E_IO, "%s: cannot create a temporary file: %s", f->path, strerror(errno));
    } else {
        unlink(path);
    }
    free(path);
    return fd;
}

static ae_h5_spool *find_spool(ae_h5 *f, const char *name)
{
    ae_h5_spool *s = f->spools;
    while (s && strcmp(s->name, name) != 0) {
        s = s->next;
    }
    return s;
}

static ae_h5_spool *new_spool(ae_h5 *f, const char *name, const ae_tensor *rows, ae_err *e)
{
    ae_h5_spool *s = calloc(1, sizeof *s);
    if (!s || !(s->name = strdup(name))) {
        free(s);
        ae_err_set(e, AE_E_MEMORY, "%s: no memory to append to %.200s", f->path, name);
        return NULL;
    }
    s->fd = nameless_file(f, e);
    if (s->fd < 0) {
        free(s->name);
        free(s);
        return NULL;
    }
    s->dtype = rows->dtype;
    s->ndim = rows->ndim;
    memcpy(s->shape, rows->shape, sizeof s->shape);
    s->shape[0] = 0;
    ae_h5_spool **end = &f->spools; /* commit writes them in the order of their first rows */
    while (*end) {
        end = &(*end)->next;
    }
    *end = s;
    return s;
}

static int check_rows(ae_h5 *f, const ae_h5_spool *s, const ae_tensor *rows, ae_err *e)
{
    bool equal = rows->dtype == s->dtype && rows->ndim == s->ndim;
    for (int i = 1; equal && i < rows->ndim; i++) {
        equal = rows->shape[i] == s->shape[i];
    }
    if (!equal) {
        char a[AE_SHAPE_TEXT_MAX], b[AE_SHAPE_TEXT_MAX];
        return ae_err_set(e, AE_E_SHAPE, "%s: rows %s of %s cannot follow rows %s of %s in %.200s", f->path,
                          ae_shape_text(rows->ndim, rows->shape, a), ae_dtype_name(rows->dtype),
                          ae_shape_text(s->ndim, s->shape, b), ae_dtype_name(s->dtype), s->name);
    }
    return 0;
}

static int write_fully(ae_h5 *f, int fd, const char *at, size_t bytes, ae_err *e)
{
    const ae_file_calls *c = ae_atomic_calls(f->medium.saving);
    while (bytes > 0) {
        ssize_t n = c->write(c->self, fd, at, bytes < (1u << 30) ? bytes : (1u << 30));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return ae_err_set(e, AE_E_IO, "%s: cannot write: %s", f->path, strerror(errno));
        }
        at += n;
        bytes -= (size_t)n;
    }
    return 0;
}

static int append(ae_h5 *f, const char *name, const ae_tensor *rows, ae_err *e)
{
    ae_h5_spool *s = find_spool(f, name);
    if (rows->ndim < 1) {
        return ae_err_set(e, AE_E_SHAPE, "%s: rows for %.200s need at least one axis; received a scalar", f->path,
                          name);
    }
    if (!s && (ae_h5_check_write(f, name, e) != 0 || !(s = new_spool(f, name, rows, e)))) {
        return -1;
    }
    if (check_rows(f, s, rows, e) != 0) {
        return -1;
    }
    ae_tensor *made = NULL;
    const ae_tensor *dense = ae_dense_for_file(rows, &made, e);
    int result = dense ? write_fully(f, s->fd, dense->data, (size_t)ae_numel(dense) * ae_dtype_size(s->dtype), e) : -1;
    ae_tensor_free(made);
    s->shape[0] += rows->shape[0];
    return result;
}

int ae_h5_append(ae_h5 *f, const char *name, const ae_tensor *rows, ae_err *e)
{
    ae_h5_guard g = ae_h5_enter();
    int result = append(f, name, rows, e);
    f->failed = f->failed || result != 0;
    ae_h5_leave(g);
    return result;
}

/* Stores the rows of a spool as one dataset; they are mapped, so that they need not fit in memory. */
static int store_spool(ae_h5 *f, const ae_h5_spool *s, ae_err *e)
{
    if (ae_h5_path_exists(f->file, s->name)) {
        f->failed = true;
        return ae_err_set(e, AE_E_UNEXPECTED, "%s: %.200s is there already", f->path, s->name);
    }
    size_t bytes = (size_t)ae_shape_numel(s->ndim, s->shape) * ae_dtype_size(s->dtype);
    void *data = NULL;
    if (bytes > 0) {
        data = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, s->fd, 0);
        if (data == MAP_FAILED) {
            return ae_h5_fail(f, AE_E_IO, e, "the rows of %.200s cannot be mapped: %s", s->name, strerror(errno));
        }
    }
    f->medium.rows = data;
    f->medium.rows_bytes = bytes;
    int result = ae_h5_write_values(f, s->name, s->dtype, s->ndim, s->shape, data, e);
    f->medium.rows = NULL;
    if (data) {
        munmap(data, bytes);
    }
    return result;
}

int ae_h5_store_spools(ae_h5 *f, ae_err *e)
{
    for (const ae_h5_spool *s = f->spools; s; s = s->next) {
        if (store_spool(f, s, e) != 0) {
            return -1;
        }
    }
    return 0;
}

void ae_h5_drop_spools(ae_h5 *f)
{
    while (f->spools) {
        ae_h5_spool *s = f->spools;
        f->spools = s->next;
        if (s->fd >= 0) {
            close(s->fd);
        }
        free(s->name);
        free(s);
    }
}
