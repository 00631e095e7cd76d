#include "tensor/safetensors_internal.h"

#include "tensor/byte_buffer.h"
#include "tensor/file_map.h"

#include <stdlib.h>
#include <string.h>

enum { LONGEST_HEADER = 100000000, DATA_ALIGNMENT = 64 };

static const char *const dtype_names[] = {
#define AE_SAFETENSORS_NAME(symbol, name, bytes, numpy, safetensors) safetensors,
    AE_DTYPES(AE_SAFETENSORS_NAME)
#undef AE_SAFETENSORS_NAME
};

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* The bytes of one tensor, relative to the end of the header. */
typedef struct extent {
    int64_t begin;
    int64_t end;
    const char *name;
} extent;

typedef struct reader {
    ae_storage *file;
    size_t data_at; /* where the tensors' bytes begin in the file */
    int64_t data_bytes;
    ae_tensors *tensors;
    extent *extents;
    size_t count;
    ae_err *e;
} reader;

static int read_dtype(const ae_json *entry, ae_dtype *dtype, ae_err *e)
{
    const char *name = ae_json_need_string(entry, "dtype", e);
    if (!name) {
        return -1;
    }
    for (int i = 0; i < AE_DTYPE_COUNT; i++) {
        if (strcmp(name, dtype_names[i]) == 0) {
            *dtype = (ae_dtype)i;
            return 0;
        }
    }
    return ae_err_set(e, AE_E_UNSUPPORTED,
                      "the dtype \"%.40s\" is not supported; F32, F64, BF16, F16, I8, U8, I32, I64 and BOOL are", name);
}

static int read_shape(const ae_json *entry, int *ndim, int64_t shape[AE_MAX_DIMS], ae_err *e)
{
    const ae_json *list = ae_json_need_array(entry, "shape", e);
    if (!list) {
        return -1;
    }
    int n = 0;
    for (const ae_json *m = ae_json_first(list); m; m = ae_json_next(m)) {
        if (n == AE_MAX_DIMS) {
            return ae_err_set(e, AE_E_UNSUPPORTED, "more than %d axes", AE_MAX_DIMS);
        }
        if (ae_json_value_int(m, &shape[n], e) != 0) {
            ae_err_prefix(e, "shape");
            return -1;
        }
        n++;
    }
    *ndim = n;
    if (ae_shape_numel(n, shape) < 0) {
        char text[AE_SHAPE_TEXT_MAX];
        return ae_err_set(e, AE_E_FORMAT, "the shape %s has a negative extent or too many elements",
                          ae_shape_text(n, shape, text));
    }
    return 0;
}

static int read_offsets(const reader *r, const ae_json *entry, extent *x, ae_err *e)
{
    const ae_json *list = ae_json_need_array(entry, "data_offsets", e);
    if (!list) {
        return -1;
    }
    if (ae_json_count(list) != 2) {
        return ae_err_set(e, AE_E_FORMAT, "data_offsets has %d entries; two are needed", ae_json_count(list));
    }
    if (ae_json_value_int(ae_json_at(list, 0), &x->begin, e) != 0 ||
        ae_json_value_int(ae_json_at(list, 1), &x->end, e) != 0) {
        ae_err_prefix(e, "data_offsets");
        return -1;
    }
    if (x->begin < 0 || x->end < x->begin || x->end > r->data_bytes) {
        return ae_err_set(e, AE_E_FORMAT, "data_offsets [%lld, %lld] do not lie in the %lld bytes after the header%s",
                          (long long)x->begin, (long long)x->end, (long long)r->data_bytes,
                          x->end > r->data_bytes && x->begin >= 0 ? "; is the file cut short?" : "");
    }
    return 0;
}

static int read_entry(reader *r, const char *name, const ae_json *entry, extent *x)
{
    ae_dtype dtype = AE_F32;
    int ndim = 0;
    int64_t shape[AE_MAX_DIMS] = {0};
    static const char *const keys[] = {"dtype", "shape", "data_offsets"};
    if (ae_json_check_keys(entry, keys, 3, r->e) != 0 || read_dtype(entry, &dtype, r->e) != 0 ||
        read_shape(entry, &ndim, shape, r->e) != 0 || read_offsets(r, entry, x, r->e) != 0) {
        return -1;
    }
    int64_t bytes;
    if (__builtin_mul_overflow(ae_shape_numel(ndim, shape), (int64_t)ae_dtype_size(dtype), &bytes) ||
        bytes != x->end - x->begin) {
        char text[AE_SHAPE_TEXT_MAX];
        return ae_err_set(r->e, AE_E_FORMAT, "%lld bytes in the file do not make a shape %s of %s",
                          (long long)(x->end - x->begin), ae_shape_text(ndim, shape, text), dtype_names[dtype]);
    }
    x->name = name;
    ae_tensor *t = ae_tensor_on_storage(r->file, r->data_at + (size_t)x->begin, dtype, ndim, shape, r->e);
    if (!t) {
        return -1;
    }
    ae_normalise_bools(t);
    return ae_tensors_add(r->tensors, name, t, r->e);
}

static int by_offset(const void *a, const void *b)
{
    const extent *x = a, *y = b;
    if (x->begin != y->begin) {
        return x->begin < y->begin ? -1 : 1;
    }
    return (x->end > y->end) - (x->end < y->end);
}

/* The format wants the tensors to cover the bytes after the header exactly. */
static int check_cover(const reader *r)
{
    qsort(r->extents, r->count, sizeof *r->extents, by_offset);
    int64_t at = 0;
    for (size_t i = 0; i < r->count; i++) {
        const extent *x = &r->extents[i];
        if (x->begin < at) {
            return ae_err_set(r->e, AE_E_FORMAT, "the tensors %.200s and %.200s overlap", r->extents[i - 1].name,
                              x->name);
        }
        if (x->begin > at) {
            return ae_err_set(r->e, AE_E_FORMAT, "%lld bytes before the tensor %.200s belong to no tensor",
                              (long long)(x->begin - at), x->name);
        }
        at = x->end;
    }
    if (at != r->data_bytes) {
        return ae_err_set(r->e, AE_E_FORMAT, "%lld bytes at the end belong to no tensor",
                          (long long)(r->data_bytes - at));
    }
    return 0;
}

static int check_metadata(const ae_json *metadata, ae_err *e)
{
    if (ae_json_type_of(metadata) != AE_JSON_OBJECT) {
        return ae_err_set(e, AE_E_FORMAT, "__metadata__ is %s; an object of strings is needed",
                          ae_json_type_name(ae_json_type_of(metadata)));
    }
    for (const ae_json *m = ae_json_first(metadata); m; m = ae_json_next(m)) {
        const char *text;
        if (ae_json_value_string(m, &text, e) != 0) {
            ae_err_prefix(e, "__metadata__");
            return -1;
        }
    }
    return 0;
}

static int read_entries(reader *r, const ae_json *header, ae_json **metadata)
{
    r->extents = calloc((size_t)ae_json_count(header) + 1, sizeof *r->extents);
    r->tensors = ae_tensors_new();
    if (!r->extents || !r->tensors) {
        return ae_err_set(r->e, AE_E_MEMORY, "no memory for the header");
    }
    const ae_json *meta = NULL;
    for (const ae_json *m = ae_json_first(header); m; m = ae_json_next(m)) {
        const char *name = ae_json_key(m);
        if (strcmp(name, "__metadata__") == 0) {
            meta = m;
            if (check_metadata(m, r->e) != 0) {
                return -1;
            }
        } else if (read_entry(r, name, m, &r->extents[r->count++]) != 0) {
            ae_err_prefix(r->e, "tensor %.200s", name);
            return -1;
        }
    }
    if (check_cover(r) != 0) {
        return -1;
    }
    if (metadata && meta && !(*metadata = ae_json_copy(meta))) {
        return ae_err_set(r->e, AE_E_MEMORY, "no memory for the metadata");
    }
    return 0;
}

static ae_json *read_header(reader *r)
{
    size_t bytes = ae_storage_bytes(r->file);
    const char *data = ae_storage_data(r->file);
    if (bytes < 8) {
        ae_err_set(r->e, AE_E_FORMAT, "%zu bytes are too few for a safetensors file", bytes);
        return NULL;
    }
    uint64_t length = ae_load_u64(data);
    if (length > bytes - 8 || length > LONGEST_HEADER) {
        ae_err_set(
            r->e, AE_E_FORMAT,
            "the header claims %llu bytes in a file of %zu (at most %d are allowed); not safetensors, or cut short",
            (unsigned long long)length, bytes, LONGEST_HEADER);
        return NULL;
    }
    r->data_at = 8 + (size_t)length;
    r->data_bytes = (int64_t)(bytes - r->data_at);
    ae_json *header = ae_json_parse(data + 8, (size_t)length, r->e);
    if (header && ae_json_type_of(header) != AE_JSON_OBJECT) {
        ae_err_set(r->e, AE_E_FORMAT, "the header is %s; an object is needed",
                   ae_json_type_name(ae_json_type_of(header)));
        ae_json_free(header);
        return NULL;
    }
    ae_err_prefix(r->e, "header");
    return header;
}

ae_tensors *ae_safetensors_parse(ae_storage *file, ae_json **metadata, ae_err *e)
{
    ae_err own = {0};
    reader r = {.file = file, .e = &own};
    if (metadata) {
        *metadata = NULL;
    }
    ae_json *header = read_header(&r);
    int result = header ? read_entries(&r, header, metadata) : -1;
    free(r.extents);
    ae_json_free(header);
    if (result != 0) {
        ae_tensors_free(r.tensors);
        ae_err_set(e, own.code, "%s", own.message);
        return NULL;
    }
    return r.tensors;
}

ae_tensors *ae_safetensors_read(const char *path, ae_json **metadata, ae_err *e)
{
    if (metadata) {
        *metadata = NULL;
    }
    ae_storage *file = ae_map_file(path, e);
    if (!file) {
        return NULL;
    }
    ae_err own = {0};
    ae_tensors *tensors = ae_safetensors_parse(file, metadata, &own);
    ae_storage_drop(file);
    if (!tensors) {
        ae_err_set(e, own.code, "%s: %s", path, own.message);
    }
    return tensors;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* The tensors' places in the file: indices into the dictionary, widest dtype first, otherwise in order. */
static int *layout(const ae_tensors *tensors)
{
    int count = ae_tensors_count(tensors), at = 0;
    int *order = malloc(((size_t)count + 1) * sizeof *order);
    for (size_t width = 8; order && width >= 1; width /= 2) {
        for (int i = 0; i < count; i++) {
            if (ae_dtype_size(ae_tensors_at(tensors, i)->dtype) == width) {
                order[at++] = i;
            }
        }
    }
    return order;
}

static ae_json *header_entry(const ae_tensor *t, int64_t begin, int64_t end)
{
    ae_json *entry = ae_json_new_object(), *shape = ae_json_new_array(), *offsets = ae_json_new_array();
    for (int i = 0; i < t->ndim; i++) {
        ae_json_add(shape, NULL, ae_json_new_int(t->shape[i]));
    }
    ae_json_add(offsets, NULL, ae_json_new_int(begin));
    ae_json_add(offsets, NULL, ae_json_new_int(end));
    ae_json_set_string(entry, "dtype", dtype_names[t->dtype]);
    ae_json_set(entry, "shape", shape);
    ae_json_set(entry, "data_offsets", offsets);
    return entry;
}

/* The header's text with its length in front, padded so that the bytes after it are aligned. */
static int make_header(ae_bytes *out, const ae_tensors *tensors, const int *order, const ae_json *metadata, ae_err *e)
{
    ae_json *header = ae_json_new_object();
    if (metadata) {
        ae_json_set(header, "__metadata__", ae_json_copy(metadata));
    }
    int64_t at = 0;
    for (int i = 0; i < ae_tensors_count(tensors); i++) {
        const ae_tensor *t = ae_tensors_at(tensors, order[i]);
        int64_t bytes = ae_numel(t) * (int64_t)ae_dtype_size(t->dtype);
        ae_json_add(header, ae_tensors_name(tensors, order[i]), header_entry(t, at, at + bytes));
        at += bytes;
    }
    char *text = ae_json_text(header, false, e);
    ae_json_free(header);
    if (!text) {
        return -1;
    }
    size_t length = strlen(text);
    size_t padding = (DATA_ALIGNMENT - (8 + length) % DATA_ALIGNMENT) % DATA_ALIGNMENT;
    ae_bytes_u64(out, length + padding);
    ae_bytes_add(out, text, length);
    ae_bytes_fill(out, ' ', padding);
    free(text);
    return out->failed ? ae_err_set(e, AE_E_MEMORY, "no memory for a header") : 0;
}

static int write_all(ae_atomic_file *f, const ae_tensors *tensors, const int *order, const ae_bytes *header, ae_err *e)
{
    if (ae_atomic_write(f, header->data, header->length, e) != 0) {
        return -1;
    }
    for (int i = 0; i < ae_tensors_count(tensors); i++) {
        ae_tensor *made = NULL;
        const ae_tensor *dense = ae_dense_for_file(ae_tensors_at(tensors, order[i]), &made, e);
        int result =
            dense ? ae_atomic_write(f, dense->data, (size_t)ae_numel(dense) * ae_dtype_size(dense->dtype), e) : -1;
        ae_tensor_free(made);
        if (result != 0) {
            return -1;
        }
    }
    return 0;
}

static int check_writable(const ae_tensors *tensors, const ae_json *metadata, ae_err *e)
{
    if (ae_tensors_get(tensors, "__metadata__")) {
        return ae_err_set(e, AE_E_VALUE, "__metadata__ is no name for a tensor in safetensors");
    }
    return ae_check_names_for_file(tensors, e) != 0 || (metadata && check_metadata(metadata, e) != 0) ? -1 : 0;
}

int ae_safetensors_write_with(const char *path, const ae_tensors *tensors, const ae_json *metadata,
                              const ae_file_calls *calls, ae_err *e)
{
    ae_err own = {0};
    ae_bytes header = {0};
    int *order = layout(tensors);
    int result = -1;
    if (!order) {
        ae_err_set(&own, AE_E_MEMORY, "no memory to lay out a file");
    } else if (check_writable(tensors, metadata, &own) == 0 &&
               make_header(&header, tensors, order, metadata, &own) == 0) {
        ae_atomic_file *f = ae_atomic_open_with(path, calls, e);
        if (f && write_all(f, tensors, order, &header, e) == 0) {
            result = ae_atomic_commit(f, e);
        } else {
            ae_atomic_abort(f);
        }
    }
    if (own.code != AE_OK) {
        ae_err_set(e, own.code, "%s: %s", path, own.message);
    }
    ae_bytes_free(&header);
    free(order);
    return result;
}

int ae_safetensors_write(const char *path, const ae_tensors *tensors, const ae_json *metadata, ae_err *e)
{
    return ae_safetensors_write_with(path, tensors, metadata, NULL, e);
}
