/* Writing into HDF5 files: datasets, texts, blobs and attributes. */
#include "tensor/file_map.h"
#include "tensor/hdf5_file_handle.h"

#include <string.h>

enum { LONGEST_ATTRIBUTE = 60000 };

/* Whether a name can be written as it is: no empty part, no "." or ".." part, not too long. */
static int check_name(ae_h5 *f, const char *name, ae_err *e)
{
    const char *part = name;
    bool good = strlen(name) < AE_H5_LONGEST_NAME;
    while (good && part) {
        const char *slash = strchr(part, '/');
        size_t n = slash ? (size_t)(slash - part) : strlen(part);
        good = n > 0 && !(n == 1 && part[0] == '.') && !(n == 2 && memcmp(part, "..", 2) == 0);
        part = slash ? slash + 1 : NULL;
    }
    if (!good) {
        f->failed = true;
        return ae_err_set(e, AE_E_VALUE,
                          "%s: \"%.200s\" is no name for a dataset; empty parts, \".\" and \"..\" are not", f->path,
                          name);
    }
    return 0;
}

int ae_h5_check_write(ae_h5 *f, const char *name, ae_err *e)
{
    if (!f->medium.saving) {
        return ae_err_set(e, AE_E_STATE, "%s: is open for reading; %.200s cannot be written to it", f->path, name);
    }
    if (check_name(f, name, e) != 0) {
        return -1;
    }
    if (ae_h5_path_exists(f->file, name)) {
        f->failed = true;
        return ae_err_set(e, AE_E_UNEXPECTED, "%s: %.200s is there already", f->path, name);
    }
    return 0;
}

/* Makes the groups before the last part of a name, each keeping the order of its members. */
static int make_groups(ae_h5 *f, const char *name, ae_err *e)
{
    char part[AE_H5_LONGEST_NAME];
    for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
        size_t n = (size_t)(slash - name);
        memcpy(part, name, n);
        part[n] = '\0';
        if (H5Lexists(f->file, part, H5P_DEFAULT) > 0) {
            continue;
        }
        hid_t creation = H5Pcreate(H5P_GROUP_CREATE);
        H5Pset_obj_track_times(creation, false); /* equal contents give equal bytes */
        H5Pset_link_creation_order(creation, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
        hid_t group = H5Gcreate2(f->file, part, H5P_DEFAULT, creation, H5P_DEFAULT);
        int result =
            group < 0 || H5Gclose(group) < 0 ? ae_h5_fail(f, AE_E_IO, e, "the group %.200s cannot be made", part) : 0;
        ae_h5_drop(creation); /* after the message: every call of HDF5 forgets the reason of the failure before it */
        if (result != 0) {
            return -1;
        }
    }
    return 0;
}

int ae_h5_check_medium(ae_h5 *f, ae_err *e)
{
    if (f->medium.error.code == AE_OK) {
        return 0;
    }
    f->failed = true;
    return ae_err_set(e, f->medium.error.code, "%s", f->medium.error.message);
}

/* Leaves the bytes of a large tensor out of the seal, so that opening a file need not read them. */
static int note_large(ae_h5 *f, hid_t dataset, hid_t type)
{
    haddr_t at = H5Dget_offset(dataset);
    hsize_t bytes = H5Dget_storage_size(dataset);
    if (at == HADDR_UNDEF || bytes < AE_SEAL_SMALLEST || H5Tget_class(type) == H5T_STRING) {
        return 0;
    }
    return ae_seal_leave_out(&f->large, at, bytes);
}

/* Creates a contiguous dataset and fills it. */
static int write_dataset(ae_h5 *f, const char *name, hid_t type, hid_t space, const void *data, bool is_bf16, ae_err *e)
{
    if (make_groups(f, name, e) != 0) {
        return -1;
    }
    hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_obj_track_times(creation, false);
    H5Pset_layout(creation, H5D_CONTIGUOUS);
    H5Pset_fill_time(creation, H5D_FILL_TIME_NEVER);
    hid_t dataset = H5Dcreate2(f->file, name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    int result = dataset >= 0 ? 0 : ae_h5_fail(f, AE_E_IO, e, "%.200s cannot be created", name);
    ae_h5_drop(creation);
    if (dataset < 0) {
        return result;
    }
    if (H5Sget_simple_extent_npoints(space) > 0 && H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0) {
        result = ae_h5_fail(f, AE_E_IO, e, "%.200s cannot be written", name);
    }
    if (is_bf16 && result == 0) {
        hid_t text = H5Tcopy(H5T_C_S1), scalar = H5Screate(H5S_SCALAR);
        H5Tset_size(text, 4);
        hid_t a = H5Acreate2(dataset, "dtype", text, scalar, H5P_DEFAULT, H5P_DEFAULT);
        if (a < 0 || H5Awrite(a, text, "bf16") < 0 || H5Aclose(a) < 0) {
            result = ae_h5_fail(f, AE_E_IO, e, "the dtype of %.200s cannot be written", name);
        }
        ae_h5_drop(scalar);
        ae_h5_drop(text);
    }
    if (result == 0 && note_large(f, dataset, type) != 0) {
        result = ae_h5_fail(f, AE_E_MEMORY, e, "no memory to note where %.200s lies", name);
    }
    if (H5Dclose(dataset) < 0 && result == 0) {
        result = ae_h5_fail(f, AE_E_IO, e, "%.200s cannot be closed", name);
    }
    return result == 0 ? ae_h5_check_medium(f, e) : -1;
}

static hid_t make_space(int ndim, const int64_t *shape)
{
    hsize_t extents[AE_MAX_DIMS];
    for (int i = 0; i < ndim; i++) {
        extents[i] = (hsize_t)shape[i];
    }
    return ndim == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(ndim, extents, NULL);
}

int ae_h5_write_values(ae_h5 *f, const char *name, ae_dtype dtype, int ndim, const int64_t *shape, const void *data,
                       ae_err *e)
{
    hid_t type = ae_h5_file_type(dtype), space = make_space(ndim, shape);
    int result = type >= 0 && space >= 0 ? write_dataset(f, name, type, space, data, dtype == AE_BF16, e)
                                         : ae_h5_fail(f, AE_E_IO, e, "no HDF5 type or space for %.200s", name);
    ae_h5_drop(space);
    ae_h5_drop(type);
    return result;
}

int ae_h5_store_tensor(ae_h5 *f, const char *name, const ae_tensor *t, ae_err *e)
{
    ae_tensor *made = NULL;
    if (ae_h5_check_write(f, name, e) != 0) {
        return -1;
    }
    ae_err own = {0};
    const ae_tensor *dense = ae_dense_for_file(t, &made, &own);
    if (!dense) {
        f->failed = true;
        return ae_err_set(e, own.code, "%s: %.200s: %s", f->path, name, own.message);
    }
    int result = ae_h5_write_values(f, name, t->dtype, t->ndim, t->shape, dense->data, e);
    ae_tensor_free(made);
    return result;
}

int ae_h5_write_tensor(ae_h5 *f, const char *name, const ae_tensor *t, ae_err *e)
{
    ae_h5_guard g = ae_h5_enter();
    int result = ae_h5_store_tensor(f, name, t, e);
    ae_h5_leave(g);
    return result;
}

int ae_h5_write_text(ae_h5 *f, const char *name, const char *text, ae_err *e)
{
    ae_h5_guard g = ae_h5_enter();
    int result = ae_h5_check_write(f, name, e);
    if (result == 0) {
        size_t n = strlen(text);
        hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
        H5Tset_size(type, n > 0 ? n : 1); /* HDF5 has no strings of size 0 */
        H5Tset_cset(type, H5T_CSET_UTF8);
        H5Tset_strpad(type, H5T_STR_NULLPAD);
        result = write_dataset(f, name, type, space, text, false, e);
        ae_h5_drop(space);
        ae_h5_drop(type);
    }
    ae_h5_leave(g);
    return result;
}

int ae_h5_write_blob(ae_h5 *f, const char *name, const void *data, size_t bytes, ae_err *e)
{
    ae_h5_guard g = ae_h5_enter();
    int64_t shape[1] = {(int64_t)bytes};
    int result = ae_h5_check_write(f, name, e) == 0 ? ae_h5_write_values(f, name, AE_U8, 1, shape, data, e) : -1;
    ae_h5_leave(g);
    return result;
}

/* ---- attributes -------------------------------------------------------------------------------------------------- */

static int write_attribute(ae_h5 *f, const char *object, const char *key, hid_t type, const void *data, ae_err *e)
{
    if (!f->medium.saving) {
        return ae_err_set(e, AE_E_STATE, "%s: is open for reading; no attribute can be written to it", f->path);
    }
    hid_t space = H5Screate(H5S_SCALAR), target = H5Oopen(f->file, object, H5P_DEFAULT);
    hid_t a = target >= 0 ? H5Acreate2(target, key, type, space, H5P_DEFAULT, H5P_DEFAULT) : -1;
    int result = 0;
    if (a < 0 || H5Awrite(a, type, data) < 0) {
        result = ae_h5_fail(f, AE_E_IO, e, "the attribute %.100s of %.200s cannot be written", key, object);
    }
    ae_h5_drop(a);
    ae_h5_drop(space);
    ae_h5_drop(target);
    return result;
}

int ae_h5_write_attribute(ae_h5 *f, const char *object, const char *key, const char *text, ae_err *e)
{
    size_t n = strlen(text);
    if (n > LONGEST_ATTRIBUTE) {
        f->failed = true;
        return ae_err_set(e, AE_E_VALUE, "%s: the attribute %.100s has %zu bytes; at most %d fit, use a text", f->path,
                          key, n, LONGEST_ATTRIBUTE);
    }
    ae_h5_guard g = ae_h5_enter();
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, n > 0 ? n : 1);
    H5Tset_cset(type, H5T_CSET_UTF8);
    H5Tset_strpad(type, H5T_STR_NULLPAD);
    int result = write_attribute(f, object, key, type, text, e);
    ae_h5_drop(type);
    ae_h5_leave(g);
    return result;
}

int ae_h5_write_attribute_int(ae_h5 *f, const char *object, const char *key, int64_t value, ae_err *e)
{
    ae_h5_guard g = ae_h5_enter();
    int result = write_attribute(f, object, key, H5T_NATIVE_INT64, &value, e);
    ae_h5_leave(g);
    return result;
}
