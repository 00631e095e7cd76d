#include "tensor/file_map.h"

#include "tensor/utf8_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct mapping {
    void *data;
    size_t bytes;
} mapping;

static void unmap(void *arg)
{
    mapping *m = arg;
    if (m->bytes > 0) {
        munmap(m->data, m->bytes);
    }
    free(m);
}

ae_storage *ae_map_descriptor(int fd, const char *path, ae_err *e)
{
    struct stat info;
    if (fstat(fd, &info) != 0) {
        ae_err_set(e, AE_E_IO, "%s: cannot be examined: %s", path, strerror(errno));
        return NULL;
    }
    if (!S_ISREG(info.st_mode)) {
        ae_err_set(e, AE_E_IO, "%s: not a regular file", path);
        return NULL;
    }
    mapping *m = malloc(sizeof *m);
    if (!m) {
        ae_err_set(e, AE_E_MEMORY, "%s: no memory to map the file", path);
        return NULL;
    }
    *m = (mapping){m, (size_t)info.st_size}; /* an empty file cannot be mapped; any address serves */
    if (m->bytes > 0) {
        m->data = mmap(NULL, m->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
        if (m->data == MAP_FAILED) {
            ae_err_set(e, AE_E_IO, "%s: cannot be mapped: %s", path, strerror(errno));
            free(m);
            return NULL;
        }
    }
    ae_storage *s = ae_storage_wrap(m->data, m->bytes, unmap, m);
    if (!s) {
        unmap(m);
        ae_err_set(e, AE_E_MEMORY, "%s: no memory to map the file", path);
    }
    return s;
}

ae_storage *ae_map_file(const char *path, ae_err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        bool absent = errno == ENOENT || errno == ENOTDIR; /* a wrong name, not a disk in trouble */
        ae_err_set(e, absent ? AE_E_MISSING : AE_E_IO, "%s: cannot be opened: %s", path, strerror(errno));
        return NULL;
    }
    ae_storage *s = ae_map_descriptor(fd, path, e);
    close(fd);
    return s;
}

ae_storage *ae_copy_bytes(const void *data, size_t bytes, ae_err *e)
{
    void *copy = malloc(bytes ? bytes : 1);
    ae_storage *s = copy ? ae_storage_wrap(copy, bytes, free, copy) : NULL;
    if (!s) {
        free(copy);
        ae_err_set(e, AE_E_MEMORY, "no memory for %zu bytes", bytes);
        return NULL;
    }
    if (bytes > 0) {
        memcpy(copy, data, bytes);
    }
    return s;
}

ae_tensor *ae_tensor_on_storage(ae_storage *s, size_t offset, ae_dtype dtype, int ndim, const int64_t *shape, ae_err *e)
{
    char *first = (char *)ae_storage_data(s) + offset;
    if ((uintptr_t)first % ae_dtype_size(dtype) != 0) {
        ae_tensor *copy = ae_tensor_new(dtype, ndim, shape, e);
        if (copy) {
            memcpy(copy->data, first, (size_t)ae_numel(copy) * ae_dtype_size(dtype));
        }
        return copy;
    }
    ae_tensor *t = ae_tensor_wrap(first, dtype, ndim, shape, e);
    if (t) {
        ae_storage_drop(t->storage);
        ae_storage_hold(s);
        ae_tensor_attach(t, s, offset);
    }
    return t;
}

const ae_tensor *ae_dense_for_file(const ae_tensor *t, ae_tensor **made, ae_err *e)
{
    *made = NULL;
    if (!t->data) {
        ae_err_set(e, AE_E_FREED, "tensor %.200s: was freed before it could be written", t->name ? t->name : "?");
        return NULL;
    }
    if (ae_is_contiguous(t)) {
        return t;
    }
    *made = ae_tensor_new(t->dtype, t->ndim, t->shape, e);
    if (*made && ae_tensor_copy(*made, t, e) != 0) {
        ae_tensor_free(*made);
        *made = NULL;
    }
    return *made;
}

int ae_check_names_for_file(const ae_tensors *tensors, ae_err *e)
{
    for (int i = 0; i < ae_tensors_count(tensors); i++) {
        const char *name = ae_tensors_name(tensors, i);
        if (name[0] == '\0' || !ae_utf8_is_valid(name, strlen(name))) {
            return ae_err_set(e, AE_E_VALUE, "the name of tensor %d is %s", i, name[0] ? "not UTF-8" : "empty");
        }
        if (!ae_tensors_at(tensors, i)->data) {
            return ae_err_set(e, AE_E_FREED, "tensor %.200s: was freed before it could be written", name);
        }
    }
    return 0;
}

void ae_normalise_bools(ae_tensor *t)
{
    if (t->dtype != AE_BOOL) {
        return;
    }
    unsigned char *b = t->data;
    for (int64_t i = 0, n = ae_numel(t); i < n; i++) {
        if (b[i] > 1) {
            b[i] = 1;
        }
    }
}
