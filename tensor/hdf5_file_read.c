/* Reading from HDF5 files: tensors, mapped where that is possible, texts, blobs and attributes. */
#include "tensor/file_map.h"
#include "tensor/hdf5_file_handle.h"

#include <stdlib.h>
#include <string.h>

static hid_t open_dataset(ae_h5 *f, const char *name, ae_err *e)
{
    hid_t object = ae_h5_open_object(f, name, e);
    if (object >= 0 && H5Iget_type(object) != H5I_DATASET) {
        ae_err_set(e, AE_E_FORMAT, "%s: %.200s is a group, not a dataset", f->path, name);
        ae_h5_drop(object);
        return -1;
    }
    return object;
}

/* Where the values of a dataset can be mapped in the file: contiguous, inside the file, in our own layout. Returns 1
 * and the offset, 0 when they must be read, -1 when the dataset claims bytes beyond the end of the file. */
static int mapped_place(ae_h5 *f, hid_t dataset, const char *name, bool same_type, size_t bytes, size_t *offset,
                        ae_err *e)
{
    haddr_t at = H5Dget_offset(dataset);
    if (!same_type || bytes == 0 || at == HADDR_UNDEF || !f->medium.map) {
        return 0;
    }
    size_t size = ae_storage_bytes(f->medium.map);
    if (at > size || bytes > size - at || H5Dget_storage_size(dataset) != bytes) {
        return ae_err_set(e, AE_E_FORMAT, "%s: %.200s claims %zu bytes at %llu in a file of %zu; is it cut short?",
                          f->path, name, bytes, (unsigned long long)at, size);
    }
    *offset = (size_t)at;
    return 1;
}

/* Fails on storage that a file of its own cannot hold, and on sizes that no such file can have compressed. */
static int check_storage(ae_h5 *f, hid_t dataset, const char *name, size_t bytes, ae_err *e)
{
    hid_t p = H5Dget_create_plist(dataset);
    H5D_layout_t layout = p >= 0 ? H5Pget_layout(p) : H5D_LAYOUT_ERROR;
    int external = p >= 0 ? H5Pget_external_count(p) : -1;
    ae_h5_drop(p);
    if ((layout != H5D_COMPACT && layout != H5D_CONTIGUOUS && layout != H5D_CHUNKED) || external != 0) {
        return ae_err_set(e, AE_E_UNSUPPORTED, "%s: the values of %.200s lie in other files; copy them into one",
                          f->path, name);
    }
    size_t stored = (size_t)H5Dget_storage_size(dataset);
    if (bytes > ((size_t)64 << 20) && bytes / 1100 > stored) { /* deflate reaches 1032 : 1 */
        return ae_err_set(e, AE_E_FORMAT, "%s: %.200s claims %zu bytes and stores %zu", f->path, name, bytes, stored);
    }
    return 0;
}

static ae_tensor *read_converted(ae_h5 *f, hid_t dataset, const char *name, ae_dtype dtype, int ndim,
                                 const int64_t *shape, size_t bytes, ae_err *e)
{
    if (check_storage(f, dataset, name, bytes, e) != 0) {
        return NULL;
    }
    ae_tensor *t = ae_tensor_new(dtype, ndim, shape, e);
    hid_t type = ae_h5_file_type(dtype); /* the machine is little endian, as the files are */
    if (t && ae_numel(t) > 0 && H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, t->data) < 0) {
        ae_h5_fail(f, AE_E_IO, e, "%.200s cannot be read", name);
        ae_tensor_free(t);
        t = NULL;
    }
    ae_h5_drop(type);
    return t;
}

static int read_shape(ae_h5 *f, hid_t dataset, const char *name, int64_t shape[AE_MAX_DIMS], ae_err *e)
{
    hsize_t extents[H5S_MAX_RANK] = {0};
    hid_t space = H5Dget_space(dataset);
    H5S_class_t class = space >= 0 ? H5Sget_simple_extent_type(space) : H5S_NO_CLASS;
    int ndim = class == H5S_SCALAR ? 0 : class == H5S_SIMPLE ? H5Sget_simple_extent_dims(space, extents, NULL) : -1;
    ae_h5_drop(space);
    if (ndim < 0 || ndim > AE_MAX_DIMS) {
        return ae_err_set(e, AE_E_UNSUPPORTED, "%s: %.200s has %d axes; 0 to %d are possible", f->path, name, ndim,
                          AE_MAX_DIMS);
    }
    for (int i = 0; i < ndim; i++) {
        if (extents[i] > INT64_MAX) {
            return ae_err_set(e, AE_E_FORMAT, "%s: %.200s has an impossible extent", f->path, name);
        }
        shape[i] = (int64_t)extents[i];
    }
    return ndim;
}

static ae_tensor *read_typed(ae_h5 *f, hid_t dataset, const char *name, hid_t type, ae_err *e)
{
    int64_t shape[AE_MAX_DIMS] = {0}, bytes;
    int dtype = ae_h5_dtype_of(dataset, type), ndim = read_shape(f, dataset, name, shape, e);
    if (ndim < 0) {
        return NULL;
    }
    if (dtype < 0) {
        ae_err_set(e, AE_E_UNSUPPORTED, "%s: the values of %.200s have a type that no dtype here holds", f->path, name);
        return NULL;
    }
    int64_t n = ae_shape_numel(ndim, shape);
    if (n < 0 || __builtin_mul_overflow(n, (int64_t)ae_dtype_size((ae_dtype)dtype), &bytes)) {
        ae_err_set(e, AE_E_FORMAT, "%s: %.200s has too many elements", f->path, name);
        return NULL;
    }
    hid_t ours = ae_h5_file_type((ae_dtype)dtype);
    bool same_type = H5Tequal(type, ours) > 0;
    ae_h5_drop(ours);
    size_t offset = 0;
    int place = mapped_place(f, dataset, name, same_type, (size_t)bytes, &offset, e);
    if (place < 0) {
        return NULL;
    }
    ae_tensor *t = place ? ae_tensor_on_storage(f->medium.map, offset, (ae_dtype)dtype, ndim, shape, e)
                         : read_converted(f, dataset, name, (ae_dtype)dtype, ndim, shape, (size_t)bytes, e);
    if (t) {
        ae_normalise_bools(t);
    }
    return t;
}

ae_tensor *ae_h5_load_tensor(ae_h5 *f, const char *name, ae_err *e)
{
    hid_t dataset = open_dataset(f, name, e);
    if (dataset < 0) {
        return NULL;
    }
    hid_t type = H5Dget_type(dataset);
    ae_tensor *t = NULL;
    if (type < 0) {
        ae_h5_fail(f, AE_E_IO, e, "the type of %.200s cannot be read", name);
    } else {
        t = read_typed(f, dataset, name, type, e);
    }
    ae_h5_drop(type);
    ae_h5_drop(dataset);
    return t;
}

ae_tensor *ae_h5_read_tensor(ae_h5 *f, const char *name, ae_err *e)
{
    ae_h5_guard g = ae_h5_enter();
    ae_tensor *t = ae_h5_load_tensor(f, name, e);
    ae_h5_leave(g);
    return t;
}

/* ---- texts, blobs, attributes ------------------------------------------------------------------------------------ */

/* How to read from a dataset or an attribute, which HDF5 keeps apart. */
typedef struct source {
    hid_t id;
    bool attribute;
} source;

static herr_t read_source(source s, hid_t type, void *out)
{
    return s.attribute ? H5Aread(s.id, type, out) : H5Dread(s.id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out);
}

/* One string of fixed or variable length as a malloc'ed string; NULL when it is none or cannot be read. */
static char *read_string(source s)
{
    hid_t type = s.attribute ? H5Aget_type(s.id) : H5Dget_type(s.id);
    hid_t space = s.attribute ? H5Aget_space(s.id) : H5Dget_space(s.id);
    char *text = NULL;
    if (type >= 0 && space >= 0 && H5Tget_class(type) == H5T_STRING && H5Sget_simple_extent_npoints(space) == 1) {
        if (H5Tis_variable_str(type) > 0) {
            char *inside = NULL;
            if (read_source(s, type, &inside) >= 0) {
                text = strdup(inside ? inside : "");
                H5Dvlen_reclaim(type, space, H5P_DEFAULT, &inside);
            }
        } else {
            size_t n = H5Tget_size(type);
            text = n < SIZE_MAX / 2 ? calloc(1, n + 1) : NULL;
            if (text && read_source(s, type, text) < 0) {
                free(text);
                text = NULL;
            }
        }
    }
    ae_h5_drop(space);
    ae_h5_drop(type);
    return text;
}

char *ae_h5_read_text(ae_h5 *f, const char *name, ae_err *e)
{
    ae_h5_guard g = ae_h5_enter();
    char *text = NULL;
    hid_t dataset = open_dataset(f, name, e);
    if (dataset >= 0) {
        hid_t type = H5Dget_type(dataset);
        size_t size = type >= 0 && H5Tis_variable_str(type) == 0 ? H5Tget_size(type) : 0;
        ae_h5_drop(type);
        if (check_storage(f, dataset, name, size, e) == 0 && !(text = read_string((source){dataset, false}))) {
            ae_err_set(e, AE_E_FORMAT, "%s: %.200s is not one readable text", f->path, name);
        }
        ae_h5_drop(dataset);
    }
    ae_h5_leave(g);
    return text;
}

void *ae_h5_read_blob(ae_h5 *f, const char *name, size_t *bytes, ae_err *e)
{
    ae_tensor *t = ae_h5_read_tensor(f, name, e);
    *bytes = 0;
    if (!t) {
        return NULL;
    }
    void *data = NULL;
    if (t->dtype != AE_U8 || t->ndim != 1) {
        char text[AE_SHAPE_TEXT_MAX];
        ae_err_set(e, AE_E_FORMAT, "%s: %.200s is %s %s; a blob is a vector of u8", f->path, name,
                   ae_dtype_name(t->dtype), ae_shape_text(t->ndim, t->shape, text));
    } else {
        *bytes = (size_t)t->shape[0];
        data = malloc(*bytes + 1);
        if (data) {
            memcpy(data, t->data, *bytes);
        } else {
            ae_err_set(e, AE_E_MEMORY, "%s: no memory for the %zu bytes of %.200s", f->path, *bytes, name);
        }
    }
    ae_tensor_free(t);
    return data;
}

static hid_t open_attribute(ae_h5 *f, const char *object, const char *key, ae_err *e)
{
    hid_t target = ae_h5_open_object(f, object, e);
    hid_t a = target >= 0 && H5Aexists(target, key) > 0 ? H5Aopen(target, key, H5P_DEFAULT) : -1;
    if (target >= 0 && a < 0) {
        ae_err_set(e, AE_E_MISSING, "%s: %.200s has no attribute %.100s", f->path, object, key);
    }
    ae_h5_drop(target);
    return a;
}

char *ae_h5_read_attribute(ae_h5 *f, const char *object, const char *key, ae_err *e)
{
    ae_h5_guard g = ae_h5_enter();
    hid_t a = open_attribute(f, object, key, e);
    char *text = a >= 0 ? read_string((source){a, true}) : NULL;
    if (a >= 0 && !text) {
        ae_err_set(e, AE_E_FORMAT, "%s: the attribute %.100s of %.200s is not one text", f->path, key, object);
    }
    ae_h5_drop(a);
    ae_h5_leave(g);
    return text;
}

int ae_h5_read_attribute_int(ae_h5 *f, const char *object, const char *key, int64_t *value, ae_err *e)
{
    ae_h5_guard g = ae_h5_enter();
    hid_t a = open_attribute(f, object, key, e);
    hid_t type = a >= 0 ? H5Aget_type(a) : -1, space = a >= 0 ? H5Aget_space(a) : -1;
    int result = -1;
    if (a >= 0) {
        bool is_int =
            type >= 0 && space >= 0 && H5Tget_class(type) == H5T_INTEGER && H5Sget_simple_extent_npoints(space) == 1;
        result = is_int && H5Aread(a, H5T_NATIVE_INT64, value) >= 0 ? 0 : -1;
        if (result != 0) {
            ae_err_set(e, AE_E_FORMAT, "%s: the attribute %.100s of %.200s is not one integer", f->path, key, object);
        }
    }
    ae_h5_drop(space);
    ae_h5_drop(type);
    ae_h5_drop(a);
    ae_h5_leave(g);
    return result;
}

bool ae_h5_has_attribute(ae_h5 *f, const char *object, const char *key)
{
    ae_h5_guard g = ae_h5_enter();
    hid_t a = open_attribute(f, object, key, NULL);
    ae_h5_drop(a);
    ae_h5_leave(g);
    return a >= 0;
}
