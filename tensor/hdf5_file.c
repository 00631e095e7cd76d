/* With hdf5_file_driver, the only place that knows HDF5. Public functions come in between enter() and leave(), which
 * take the lock that HDF5 needs when it was built without its own, and keep HDF5 from printing; static functions assume
 * both. */
#include "tensor/hdf5_file_internal.h"

#include "tensor/file_map.h"
#include "tensor/hdf5_file_driver.h"
#include "tensor/hdf5_file_seal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    ALIGNMENT = 64,
    DEEPEST = 64,           /* groups below groups */
    MOST_OBJECTS = 4000000, /* in one walk: hard links can make a small file endless */
    LONGEST_ATTRIBUTE = 60000,
    LONGEST_NAME = 4096
};

/* Rows waiting for their final number. */
typedef struct spool {
    char *name;
    int fd;
    ae_dtype dtype;
    int ndim;
    int64_t shape[AE_MAX_DIMS]; /* the first extent counts the rows so far */
    struct spool *next;
} spool;

struct ae_h5 {
    char *path;
    hid_t file;
    ae_h5_medium medium;
    spool *spools;
    ae_seal_parts large; /* the places of large tensors, which the seal leaves out */
    bool failed;         /* a write went wrong */
};

/* ---- HDF5's global state ------------------------------------------------------------------------------------------ */

static pthread_mutex_t hdf5_lock = PTHREAD_MUTEX_INITIALIZER; /* guards HDF5's own globals, none of ours */

typedef struct guard {
    H5E_auto2_t printer;
    void *data;
} guard;

static guard enter(void)
{
    guard g = {0};
    pthread_mutex_lock(&hdf5_lock);
    H5Eget_auto2(H5E_DEFAULT, &g.printer, &g.data);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    return g;
}

static void leave(guard g)
{
    H5Eset_auto2(H5E_DEFAULT, g.printer, g.data);
    pthread_mutex_unlock(&hdf5_lock);
}

static void drop(hid_t id)
{
    if (id >= 0) {
        H5Idec_ref(id);
    }
}

static herr_t keep_first(unsigned n, const H5E_error2_t *error, void *arg)
{
    char *text = arg;
    if (n == 0 && error->desc) {
        snprintf(text, 200, "%s", error->desc);
    }
    return 0;
}

/* Sets "path: what (HDF5: its innermost reason)"; always returns -1. */
AE_PRINTF(4, 5) static int fail(ae_h5 *f, ae_code code, ae_err *e, const char *format, ...)
{
    char reason[200] = "", what[AE_ERR_MESSAGE_MAX / 2];
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, reason);
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    f->failed = true;
    if (code == AE_E_IO && reason[0]) {
        return ae_err_set(e, code, "%s: %s (HDF5: %s)", f->path, what, reason);
    }
    return ae_err_set(e, code, "%s: %s", f->path, what);
}

/* ---- types ------------------------------------------------------------------------------------------------------- */

static hid_t half_type(void)
{
    hid_t type = H5Tcopy(H5T_IEEE_F32LE);
    H5Tset_fields(type, 15, 10, 5, 0, 10); /* sign, exponent, its bits, mantissa, its bits: IEEE 754 binary16 */
    H5Tset_size(type, 2);
    H5Tset_ebias(type, 15);
    return type;
}

static hid_t bool_type(void)
{
    hid_t type = H5Tenum_create(H5T_STD_I8LE);
    signed char no = 0, yes = 1;
    H5Tenum_insert(type, "FALSE", &no);
    H5Tenum_insert(type, "TRUE", &yes);
    return type;
}

/* The type a dtype has in a file; the caller drops it. */
static hid_t file_type(ae_dtype dtype)
{
    switch (dtype) {
    case AE_F32:
        return H5Tcopy(H5T_IEEE_F32LE);
    case AE_F64:
        return H5Tcopy(H5T_IEEE_F64LE);
    case AE_BF16:
        return H5Tcopy(H5T_STD_U16LE);
    case AE_F16:
        return half_type();
    case AE_I8:
        return H5Tcopy(H5T_STD_I8LE);
    case AE_U8:
        return H5Tcopy(H5T_STD_U8LE);
    case AE_I32:
        return H5Tcopy(H5T_STD_I32LE);
    case AE_I64:
        return H5Tcopy(H5T_STD_I64LE);
    case AE_BOOL:
        return bool_type();
    default:
        return -1;
    }
}

/* Whether an object carries the text attribute key = value; long values need no comparison. */
static bool attribute_is(hid_t object, const char *key, const char *value)
{
    char text[16] = "";
    hid_t a = H5Aexists(object, key) > 0 ? H5Aopen(object, key, H5P_DEFAULT) : -1;
    hid_t type = a >= 0 ? H5Aget_type(a) : -1;
    hid_t space = a >= 0 ? H5Aget_space(a) : -1;
    bool fits = type >= 0 && space >= 0 && H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0 &&
                H5Tget_size(type) < sizeof text && H5Sget_simple_extent_npoints(space) == 1;
    bool equal = fits && H5Aread(a, type, text) >= 0 && strcmp(text, value) == 0;
    drop(space);
    drop(type);
    drop(a);
    return equal;
}

/* The dtype that a stored integer becomes, widened where there is none of its kind; -1 when none can hold it. */
static int integer_dtype(hid_t dataset, hid_t type, size_t size)
{
    bool is_signed = H5Tget_sign(type) == H5T_SGN_2;
    if (size == 1) {
        return is_signed ? AE_I8 : AE_U8;
    }
    if (size == 2) {
        return !is_signed && attribute_is(dataset, "dtype", "bf16") ? AE_BF16 : AE_I32;
    }
    if (size == 4) {
        return is_signed ? AE_I32 : AE_I64;
    }
    return size == 8 && is_signed ? AE_I64 : -1;
}

/* The dtype that a dataset's values become; -1 when there is none. */
static int dtype_of(hid_t dataset, hid_t type)
{
    size_t size = H5Tget_size(type);
    hid_t yes_no;
    int dtype = -1;
    switch (H5Tget_class(type)) {
    case H5T_FLOAT:
        return size == 4 ? AE_F32 : size == 8 ? AE_F64 : size == 2 ? AE_F16 : -1;
    case H5T_INTEGER:
        return integer_dtype(dataset, type, size);
    case H5T_ENUM:
        yes_no = bool_type();
        dtype = H5Tequal(type, yes_no) > 0 ? AE_BOOL : -1;
        drop(yes_no);
        return dtype;
    default:
        return -1;
    }
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* While writing, metadata stay in memory until they are flushed: after a failed write nothing is there to read back. */
static void keep_metadata(hid_t access)
{
    H5AC_cache_config_t config = {.version = H5AC__CURR_CACHE_CONFIG_VERSION};
    if (H5Pget_mdc_config(access, &config) >= 0) {
        config.evictions_enabled = false;
        config.incr_mode = H5C_incr__off;
        config.flash_incr_mode = H5C_flash_incr__off;
        config.decr_mode = H5C_decr__off;
        H5Pset_mdc_config(access, &config);
    }
}

static hid_t access_properties(ae_h5 *f)
{
    hid_t p = H5Pcreate(H5P_FILE_ACCESS);
    if (p < 0 || ae_h5_use_medium(p, &f->medium) != 0) {
        drop(p);
        return -1;
    }
    H5Pset_libver_bounds(p, H5F_LIBVER_EARLIEST, H5F_LIBVER_V110);
    H5Pset_alignment(p, 1, ALIGNMENT);
    H5Pset_fclose_degree(p, H5F_CLOSE_STRONG);
    if (f->medium.saving) {
        keep_metadata(p);
    }
    return p;
}

static ae_h5 *new_handle(const char *path, ae_err *e)
{
    ae_h5 *f = calloc(1, sizeof *f);
    if (f) {
        f->path = strdup(path);
        f->file = -1;
    }
    if (!f || !f->path) {
        free(f);
        ae_err_set(e, AE_E_MEMORY, "%s: no memory to open a file", path);
        return NULL;
    }
    return f;
}

static void close_spools(ae_h5 *f)
{
    while (f->spools) {
        spool *s = f->spools;
        f->spools = s->next;
        if (s->fd >= 0) {
            close(s->fd);
        }
        free(s->name);
        free(s);
    }
}

static void close_handle(ae_h5 *f)
{
    if (f->file >= 0) {
        f->medium.discard = true; /* what an abandoned file still holds back need not be written */
        H5Fclose(f->file);
    }
    ae_atomic_abort(f->medium.saving);
    close_spools(f);
    ae_seal_parts_free(&f->large);
    ae_storage_drop(f->medium.map);
    free(f->path);
    free(f);
}

static void create_file(ae_h5 *f, ae_err *e)
{
    hid_t access = access_properties(f), creation = H5Pcreate(H5P_FILE_CREATE);
    H5Pset_link_creation_order(creation, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
    f->file = H5Fcreate(f->path, H5F_ACC_TRUNC, creation, access);
    if (f->file < 0) {
        fail(f, AE_E_IO, e, "cannot be created");
    }
    drop(creation);
    drop(access);
}

ae_h5 *ae_h5_create_with(const char *path, const ae_file_calls *calls, ae_err *e)
{
    ae_h5 *f = new_handle(path, e);
    if (!f) {
        return NULL;
    }
    guard g = enter();
    f->medium.saving = ae_atomic_open_with(path, calls, e);
    if (f->medium.saving) {
        create_file(f, e);
    }
    if (f->file < 0) {
        close_handle(f);
        f = NULL;
    }
    leave(g);
    return f;
}

ae_h5 *ae_h5_create(const char *path, ae_err *e)
{
    return ae_h5_create_with(path, NULL, e);
}

static bool path_exists(hid_t file, const char *name)
{
    char part[LONGEST_NAME];
    size_t n = strlen(name);
    if (n >= sizeof part) {
        return false;
    }
    if (strcmp(name, "/") == 0) {
        return true;
    }
    for (size_t i = 1; i <= n; i++) { /* H5Lexists wants every group on the way to exist */
        if (i == n || name[i] == '/') {
            memcpy(part, name, i);
            part[i] = '\0';
            if (H5Lexists(file, part, H5P_DEFAULT) <= 0) {
                return false;
            }
        }
    }
    return n > 0;
}

/* Whether a name can be written as it is: no empty part, no "." or ".." part, not too long. */
static int check_name(ae_h5 *f, const char *name, ae_err *e)
{
    const char *part = name;
    bool good = strlen(name) < LONGEST_NAME;
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

/* Checks what all writers need: that f is being written and the name is good and free. */
static int check_write(ae_h5 *f, const char *name, ae_err *e)
{
    if (!f->medium.saving) {
        return ae_err_set(e, AE_E_STATE, "%s: is open for reading; %.200s cannot be written to it", f->path, name);
    }
    if (check_name(f, name, e) != 0) {
        return -1;
    }
    if (path_exists(f->file, name)) {
        f->failed = true;
        return ae_err_set(e, AE_E_UNEXPECTED, "%s: %.200s is there already", f->path, name);
    }
    return 0;
}

/* Makes the groups before the last part of a name, each keeping the order of its members. */
static int make_groups(ae_h5 *f, const char *name, ae_err *e)
{
    char part[LONGEST_NAME];
    for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
        size_t n = (size_t)(slash - name);
        memcpy(part, name, n);
        part[n] = '\0';
        if (H5Lexists(f->file, part, H5P_DEFAULT) > 0) {
            continue;
        }
        hid_t creation = H5Pcreate(H5P_GROUP_CREATE);
        H5Pset_link_creation_order(creation, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
        hid_t group = H5Gcreate2(f->file, part, H5P_DEFAULT, creation, H5P_DEFAULT);
        int result =
            group < 0 || H5Gclose(group) < 0 ? fail(f, AE_E_IO, e, "the group %.200s cannot be made", part) : 0;
        drop(creation); /* after the message: every call of HDF5 forgets the reason of the failure before it */
        if (result != 0) {
            return -1;
        }
    }
    return 0;
}

/* Reports the first failure that the driver saw, which HDF5 never heard of. */
static int check_medium(ae_h5 *f, ae_err *e)
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
    H5Pset_layout(creation, H5D_CONTIGUOUS);
    H5Pset_fill_time(creation, H5D_FILL_TIME_NEVER);
    hid_t dataset = H5Dcreate2(f->file, name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    int result = dataset >= 0 ? 0 : fail(f, AE_E_IO, e, "%.200s cannot be created", name);
    drop(creation);
    if (dataset < 0) {
        return result;
    }
    if (H5Sget_simple_extent_npoints(space) > 0 && H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0) {
        result = fail(f, AE_E_IO, e, "%.200s cannot be written", name);
    }
    if (is_bf16 && result == 0) {
        hid_t text = H5Tcopy(H5T_C_S1), scalar = H5Screate(H5S_SCALAR);
        H5Tset_size(text, 4);
        hid_t a = H5Acreate2(dataset, "dtype", text, scalar, H5P_DEFAULT, H5P_DEFAULT);
        if (a < 0 || H5Awrite(a, text, "bf16") < 0 || H5Aclose(a) < 0) {
            result = fail(f, AE_E_IO, e, "the dtype of %.200s cannot be written", name);
        }
        drop(scalar);
        drop(text);
    }
    if (result == 0 && note_large(f, dataset, type) != 0) {
        result = fail(f, AE_E_MEMORY, e, "no memory to note where %.200s lies", name);
    }
    if (H5Dclose(dataset) < 0 && result == 0) {
        result = fail(f, AE_E_IO, e, "%.200s cannot be closed", name);
    }
    return result == 0 ? check_medium(f, e) : -1;
}

static hid_t make_space(int ndim, const int64_t *shape)
{
    hsize_t extents[AE_MAX_DIMS];
    for (int i = 0; i < ndim; i++) {
        extents[i] = (hsize_t)shape[i];
    }
    return ndim == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(ndim, extents, NULL);
}

static int write_values(ae_h5 *f, const char *name, ae_dtype dtype, int ndim, const int64_t *shape, const void *data,
                        ae_err *e)
{
    hid_t type = file_type(dtype), space = make_space(ndim, shape);
    int result = type >= 0 && space >= 0 ? write_dataset(f, name, type, space, data, dtype == AE_BF16, e)
                                         : fail(f, AE_E_IO, e, "no HDF5 type or space for %.200s", name);
    drop(space);
    drop(type);
    return result;
}

static int write_tensor(ae_h5 *f, const char *name, const ae_tensor *t, ae_err *e)
{
    ae_tensor *made = NULL;
    if (check_write(f, name, e) != 0) {
        return -1;
    }
    ae_err own = {0};
    const ae_tensor *dense = ae_dense_for_file(t, &made, &own);
    if (!dense) {
        f->failed = true;
        return ae_err_set(e, own.code, "%s: %.200s: %s", f->path, name, own.message);
    }
    int result = write_values(f, name, t->dtype, t->ndim, t->shape, dense->data, e);
    ae_tensor_free(made);
    return result;
}

int ae_h5_write_tensor(ae_h5 *f, const char *name, const ae_tensor *t, ae_err *e)
{
    guard g = enter();
    int result = write_tensor(f, name, t, e);
    leave(g);
    return result;
}

static int write_tensors(ae_h5 *f, const char *group, const ae_tensors *tensors, bool dots_are_groups, ae_err *e)
{
    char name[LONGEST_NAME];
    for (int i = 0; i < ae_tensors_count(tensors); i++) {
        int n =
            snprintf(name, sizeof name, "%s%s%s", group ? group : "", group ? "/" : "", ae_tensors_name(tensors, i));
        if (n < 0 || n >= (int)sizeof name) {
            f->failed = true;
            return ae_err_set(e, AE_E_VALUE, "%s: the name of tensor %d is too long", f->path, i);
        }
        for (char *c = name; dots_are_groups && *c; c++) {
            *c = *c == '.' ? '/' : *c;
        }
        if (write_tensor(f, name, ae_tensors_at(tensors, i), e) != 0) {
            return -1;
        }
    }
    return 0;
}

int ae_h5_write_tensors(ae_h5 *f, const char *group, const ae_tensors *tensors, ae_err *e)
{
    guard g = enter();
    int result = write_tensors(f, group, tensors, false, e);
    leave(g);
    return result;
}

int ae_h5_write_text(ae_h5 *f, const char *name, const char *text, ae_err *e)
{
    guard g = enter();
    int result = check_write(f, name, e);
    if (result == 0) {
        size_t n = strlen(text);
        hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
        H5Tset_size(type, n > 0 ? n : 1); /* HDF5 has no strings of size 0 */
        H5Tset_cset(type, H5T_CSET_UTF8);
        H5Tset_strpad(type, H5T_STR_NULLPAD);
        result = write_dataset(f, name, type, space, text, false, e);
        drop(space);
        drop(type);
    }
    leave(g);
    return result;
}

int ae_h5_write_blob(ae_h5 *f, const char *name, const void *data, size_t bytes, ae_err *e)
{
    guard g = enter();
    int64_t shape[1] = {(int64_t)bytes};
    int result = check_write(f, name, e) == 0 ? write_values(f, name, AE_U8, 1, shape, data, e) : -1;
    leave(g);
    return result;
}

static int write_attribute(ae_h5 *f, const char *object, const char *key, hid_t type, const void *data, ae_err *e)
{
    if (!f->medium.saving) {
        return ae_err_set(e, AE_E_STATE, "%s: is open for reading; no attribute can be written to it", f->path);
    }
    hid_t space = H5Screate(H5S_SCALAR), target = H5Oopen(f->file, object, H5P_DEFAULT);
    hid_t a = target >= 0 ? H5Acreate2(target, key, type, space, H5P_DEFAULT, H5P_DEFAULT) : -1;
    int result = 0;
    if (a < 0 || H5Awrite(a, type, data) < 0) {
        result = fail(f, AE_E_IO, e, "the attribute %.100s of %.200s cannot be written", key, object);
    }
    drop(a);
    drop(space);
    drop(target);
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
    guard g = enter();
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, n > 0 ? n : 1);
    H5Tset_cset(type, H5T_CSET_UTF8);
    H5Tset_strpad(type, H5T_STR_NULLPAD);
    int result = write_attribute(f, object, key, type, text, e);
    drop(type);
    leave(g);
    return result;
}

int ae_h5_write_attribute_int(ae_h5 *f, const char *object, const char *key, int64_t value, ae_err *e)
{
    guard g = enter();
    int result = write_attribute(f, object, key, H5T_NATIVE_INT64, &value, e);
    leave(g);
    return result;
}

/* ---- rows of unknown number ---------------------------------------------------------------------------------------- */

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

static spool *find_spool(ae_h5 *f, const char *name)
{
    spool *s = f->spools;
    while (s && strcmp(s->name, name) != 0) {
        s = s->next;
    }
    return s;
}

static spool *new_spool(ae_h5 *f, const char *name, const ae_tensor *rows, ae_err *e)
{
    spool *s = calloc(1, sizeof *s);
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
    spool **end = &f->spools; /* commit writes them in the order of their first rows */
    while (*end) {
        end = &(*end)->next;
    }
    *end = s;
    return s;
}

static int check_rows(ae_h5 *f, const spool *s, const ae_tensor *rows, ae_err *e)
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
    spool *s = find_spool(f, name);
    if (rows->ndim < 1) {
        return ae_err_set(e, AE_E_SHAPE, "%s: rows for %.200s need at least one axis; received a scalar", f->path,
                          name);
    }
    if (!s && (check_write(f, name, e) != 0 || !(s = new_spool(f, name, rows, e)))) {
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
    guard g = enter();
    int result = append(f, name, rows, e);
    f->failed = f->failed || result != 0;
    leave(g);
    return result;
}

/* Stores the rows of a spool as one dataset; they are mapped, so that they need not fit in memory. */
static int store_spool(ae_h5 *f, const spool *s, ae_err *e)
{
    if (path_exists(f->file, s->name)) {
        f->failed = true;
        return ae_err_set(e, AE_E_UNEXPECTED, "%s: %.200s is there already", f->path, s->name);
    }
    size_t bytes = (size_t)ae_shape_numel(s->ndim, s->shape) * ae_dtype_size(s->dtype);
    void *data = NULL;
    if (bytes > 0) {
        data = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, s->fd, 0);
        if (data == MAP_FAILED) {
            return fail(f, AE_E_IO, e, "the rows of %.200s cannot be mapped: %s", s->name, strerror(errno));
        }
    }
    int result = write_values(f, s->name, s->dtype, s->ndim, s->shape, data, e);
    if (data) {
        munmap(data, bytes);
    }
    return result;
}

static int finish_file(ae_h5 *f, ae_err *e)
{
    int result = 0;
    if (H5Fflush(f->file, H5F_SCOPE_GLOBAL) < 0) {
        result = fail(f, AE_E_IO, e, "cannot be flushed");
    }
    if (H5Fclose(f->file) < 0 && result == 0) {
        result = fail(f, AE_E_IO, e, "cannot be closed");
    }
    f->file = -1;
    if (result != 0 || check_medium(f, e) != 0) {
        return -1;
    }
    return ae_seal_write(f->medium.saving, f->medium.length, &f->large, e);
}

static int commit(ae_h5 *f, ae_err *e)
{
    if (!f->medium.saving) {
        return ae_err_set(e, AE_E_STATE, "%s: is open for reading; there is nothing to commit", f->path);
    }
    if (f->failed) {
        return ae_err_set(e, AE_E_IO, "%s: an earlier write failed; the old file, if any, is unchanged", f->path);
    }
    for (const spool *s = f->spools; s; s = s->next) {
        if (store_spool(f, s, e) != 0) {
            return -1;
        }
    }
    if (finish_file(f, e) != 0) {
        return -1;
    }
    ae_atomic_file *saving = f->medium.saving;
    f->medium.saving = NULL;
    return ae_atomic_commit(saving, e);
}

int ae_h5_commit(ae_h5 *f, ae_err *e)
{
    guard g = enter();
    int result = commit(f, e);
    close_handle(f);
    leave(g);
    return result;
}

int ae_hdf5_write(const char *path, const ae_tensors *tensors, bool dots_are_groups, ae_err *e)
{
    ae_h5 *f = ae_h5_create(path, e);
    if (!f) {
        return -1;
    }
    guard g = enter();
    int result = write_tensors(f, NULL, tensors, dots_are_groups, e);
    leave(g);
    if (result != 0) {
        ae_h5_close(f);
        return -1;
    }
    return ae_h5_commit(f, e);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

ae_h5 *ae_h5_open_storage(ae_storage *file, const char *path, ae_err *e)
{
    ae_err own = {0};
    if (ae_seal_check(file, &own) < 0) {
        ae_err_set(e, own.code, "%s: %s", path, own.message);
        return NULL;
    }
    ae_h5 *f = new_handle(path, e);
    if (!f) {
        return NULL;
    }
    ae_storage_hold(file);
    f->medium.map = file;
    guard g = enter();
    hid_t access = access_properties(f);
    f->file = H5Fopen(path, H5F_ACC_RDONLY, access);
    if (f->file < 0) {
        char reason[200] = "no reason given";
        H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, reason);
        ae_err_set(e, AE_E_FORMAT, "%s: not an HDF5 file, or cut short (HDF5: %s)", path, reason);
    }
    drop(access);
    if (f->file < 0) {
        close_handle(f);
        f = NULL;
    }
    leave(g);
    return f;
}

ae_h5 *ae_h5_open(const char *path, ae_err *e)
{
    ae_storage *file = ae_map_file(path, e);
    ae_h5 *f = file ? ae_h5_open_storage(file, path, e) : NULL;
    ae_storage_drop(file);
    return f;
}

void ae_h5_close(ae_h5 *f)
{
    if (f) {
        guard g = enter();
        close_handle(f);
        leave(g);
    }
}

bool ae_h5_has(ae_h5 *f, const char *name)
{
    guard g = enter();
    bool there = path_exists(f->file, name);
    leave(g);
    return there;
}

/* Opens an object by its path; refuses names that are not there with a message of its own. */
static hid_t open_object(ae_h5 *f, const char *name, ae_err *e)
{
    hid_t object = path_exists(f->file, name) ? H5Oopen(f->file, name, H5P_DEFAULT) : -1;
    if (object < 0) {
        ae_err_set(e, AE_E_MISSING, "%s: there is no %.200s in the file", f->path, name);
    }
    return object;
}

static hid_t open_dataset(ae_h5 *f, const char *name, ae_err *e)
{
    hid_t object = open_object(f, name, e);
    if (object >= 0 && H5Iget_type(object) != H5I_DATASET) {
        ae_err_set(e, AE_E_FORMAT, "%s: %.200s is a group, not a dataset", f->path, name);
        drop(object);
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
    drop(p);
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
    hid_t type = file_type(dtype); /* the machine is little endian, as the files are */
    if (t && ae_numel(t) > 0 && H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, t->data) < 0) {
        fail(f, AE_E_IO, e, "%.200s cannot be read", name);
        ae_tensor_free(t);
        t = NULL;
    }
    drop(type);
    return t;
}

static int read_shape(ae_h5 *f, hid_t dataset, const char *name, int64_t shape[AE_MAX_DIMS], ae_err *e)
{
    hsize_t extents[H5S_MAX_RANK] = {0};
    hid_t space = H5Dget_space(dataset);
    H5S_class_t class = space >= 0 ? H5Sget_simple_extent_type(space) : H5S_NO_CLASS;
    int ndim = class == H5S_SCALAR ? 0 : class == H5S_SIMPLE ? H5Sget_simple_extent_dims(space, extents, NULL) : -1;
    drop(space);
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
    int dtype = dtype_of(dataset, type), ndim = read_shape(f, dataset, name, shape, e);
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
    hid_t ours = file_type((ae_dtype)dtype);
    bool same_type = H5Tequal(type, ours) > 0;
    drop(ours);
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

static ae_tensor *read_tensor(ae_h5 *f, const char *name, ae_err *e)
{
    hid_t dataset = open_dataset(f, name, e);
    if (dataset < 0) {
        return NULL;
    }
    hid_t type = H5Dget_type(dataset);
    ae_tensor *t = NULL;
    if (type < 0) {
        fail(f, AE_E_IO, e, "the type of %.200s cannot be read", name);
    } else {
        t = read_typed(f, dataset, name, type, e);
    }
    drop(type);
    drop(dataset);
    return t;
}

ae_tensor *ae_h5_read_tensor(ae_h5 *f, const char *name, ae_err *e)
{
    guard g = enter();
    ae_tensor *t = read_tensor(f, name, e);
    leave(g);
    return t;
}

/* ---- walking ----------------------------------------------------------------------------------------------------- */

typedef struct walk {
    ae_h5 *f;
    char joint;
    int depth;
    int objects;
    char path[LONGEST_NAME]; /* of the group being walked, in the file; "" for the root */
    size_t skip;             /* how much of the path stands before the names */
    ae_tensors *tensors;
    ae_json *members; /* instead of tensors: only the group itself */
    ae_err *e;
    bool failed;
} walk;

static int walk_group(walk *w);

static bool holds_text(hid_t dataset)
{
    hid_t type = H5Dget_type(dataset);
    bool text = type >= 0 && H5Tget_class(type) == H5T_STRING;
    drop(type);
    return text;
}

static int add_found(walk *w)
{
    ae_tensor *t = read_tensor(w->f, w->path, w->e);
    if (!t) {
        return -1;
    }
    char name[LONGEST_NAME];
    snprintf(name, sizeof name, "%s", w->path + w->skip);
    for (char *c = name; *c; c++) {
        *c = *c == '/' ? w->joint : *c;
    }
    return ae_tensors_add(w->tensors, name, t, w->e);
}

static int visit(walk *w, hid_t object, const char *name)
{
    H5I_type_t kind = H5Iget_type(object);
    if (w->members) {
        const char *what = kind == H5I_GROUP     ? "group"
                           : kind != H5I_DATASET ? "other"
                           : holds_text(object)  ? "text"
                                                 : "tensor";
        return ae_json_add(w->members, name, ae_json_new_string(what));
    }
    if (kind == H5I_GROUP) {
        return walk_group(w);
    }
    return kind == H5I_DATASET && !holds_text(object) ? add_found(w) : 0;
}

static herr_t visit_link(hid_t group, const char *name, const H5L_info_t *info, void *arg)
{
    walk *w = arg;
    size_t before = strlen(w->path), more = strlen(name);
    if (info->type != H5L_TYPE_HARD) {
        return 0;
    }
    if (before + more + 2 > sizeof w->path || ++w->objects > MOST_OBJECTS) {
        w->failed = true;
        ae_err_set(w->e, AE_E_FORMAT, "%s: names too long or too many below %.200s", w->f->path, w->path);
        return -1;
    }
    hid_t object = H5Oopen(group, name, H5P_DEFAULT);
    if (object < 0) {
        w->failed = true;
        return fail(w->f, AE_E_IO, w->e, "%.200s/%.200s cannot be opened", w->path, name);
    }
    snprintf(w->path + before, sizeof w->path - before, "%s%s", before ? "/" : "", name);
    int result = visit(w, object, name);
    w->path[before] = '\0';
    w->failed = w->failed || result != 0;
    drop(object);
    return result;
}

/* Walks the group at w->path in the order of creation where the file keeps it, else by name. */
static int walk_group(walk *w)
{
    if (++w->depth > DEEPEST) {
        return ae_err_set(w->e, AE_E_FORMAT, "%s: groups nested deeper than %d", w->f->path, DEEPEST);
    }
    hid_t group = H5Gopen2(w->f->file, w->path[0] ? w->path : "/", H5P_DEFAULT);
    hid_t p = group >= 0 ? H5Gget_create_plist(group) : -1;
    unsigned order = 0;
    if (p >= 0) {
        H5Pget_link_creation_order(p, &order);
    }
    H5_index_t index = order & H5P_CRT_ORDER_INDEXED ? H5_INDEX_CRT_ORDER : H5_INDEX_NAME;
    herr_t result = group >= 0 ? H5Literate(group, index, H5_ITER_INC, NULL, visit_link, w) : -1;
    if (result < 0 && !w->failed) {
        fail(w->f, AE_E_IO, w->e, "the group %.200s cannot be read", w->path[0] ? w->path : "/");
    }
    drop(p);
    drop(group);
    w->depth--;
    return result < 0 ? -1 : 0;
}

/* Prepares a walk of a group by its name; NULL and "/" are the file. */
static int begin_walk(walk *w, const char *group)
{
    while (group && group[0] == '/') {
        group++;
    }
    size_t n = group ? strlen(group) : 0;
    if (n > 0) {
        hid_t object = open_object(w->f, group, w->e);
        bool is_group = object >= 0 && H5Iget_type(object) == H5I_GROUP;
        drop(object);
        if (object >= 0 && !is_group) {
            ae_err_set(w->e, AE_E_FORMAT, "%s: %.200s is no group", w->f->path, group);
        }
        if (!is_group) {
            return -1;
        }
        memcpy(w->path, group, n + 1);
        w->skip = n + 1;
    }
    return walk_group(w);
}

static ae_tensors *read_tensors(ae_h5 *f, const char *group, char joint, ae_err *e)
{
    walk w = {.f = f, .joint = joint, .e = e, .tensors = ae_tensors_new()};
    if (!w.tensors) {
        ae_err_set(e, AE_E_MEMORY, "%s: no memory for its tensors", f->path);
        return NULL;
    }
    if (begin_walk(&w, group) != 0) {
        ae_tensors_free(w.tensors);
        return NULL;
    }
    return w.tensors;
}

ae_tensors *ae_h5_read_tensors(ae_h5 *f, const char *group, char joint, ae_err *e)
{
    guard g = enter();
    ae_tensors *tensors = read_tensors(f, group, joint, e);
    leave(g);
    return tensors;
}

ae_tensors *ae_hdf5_read(const char *path, const char *group, char joint, ae_err *e)
{
    ae_h5 *f = ae_h5_open(path, e);
    ae_tensors *tensors = f ? ae_h5_read_tensors(f, group, joint, e) : NULL;
    ae_h5_close(f);
    return tensors;
}

ae_json *ae_h5_members(ae_h5 *f, const char *group, ae_err *e)
{
    guard g = enter();
    walk w = {.f = f, .e = e, .members = ae_json_new_object()};
    if (!w.members) {
        ae_err_set(e, AE_E_MEMORY, "%s: no memory for its members", f->path);
    } else if (begin_walk(&w, group) != 0) {
        ae_json_free(w.members);
        w.members = NULL;
    }
    leave(g);
    return w.members;
}

/* ---- texts, blobs, attributes ---------------------------------------------------------------------------------------- */

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
    drop(space);
    drop(type);
    return text;
}

char *ae_h5_read_text(ae_h5 *f, const char *name, ae_err *e)
{
    guard g = enter();
    char *text = NULL;
    hid_t dataset = open_dataset(f, name, e);
    if (dataset >= 0) {
        hid_t type = H5Dget_type(dataset);
        size_t size = type >= 0 && H5Tis_variable_str(type) == 0 ? H5Tget_size(type) : 0;
        drop(type);
        if (check_storage(f, dataset, name, size, e) == 0 && !(text = read_string((source){dataset, false}))) {
            ae_err_set(e, AE_E_FORMAT, "%s: %.200s is not one readable text", f->path, name);
        }
        drop(dataset);
    }
    leave(g);
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
    hid_t target = open_object(f, object, e);
    hid_t a = target >= 0 && H5Aexists(target, key) > 0 ? H5Aopen(target, key, H5P_DEFAULT) : -1;
    if (target >= 0 && a < 0) {
        ae_err_set(e, AE_E_MISSING, "%s: %.200s has no attribute %.100s", f->path, object, key);
    }
    drop(target);
    return a;
}

char *ae_h5_read_attribute(ae_h5 *f, const char *object, const char *key, ae_err *e)
{
    guard g = enter();
    hid_t a = open_attribute(f, object, key, e);
    char *text = a >= 0 ? read_string((source){a, true}) : NULL;
    if (a >= 0 && !text) {
        ae_err_set(e, AE_E_FORMAT, "%s: the attribute %.100s of %.200s is not one text", f->path, key, object);
    }
    drop(a);
    leave(g);
    return text;
}

int ae_h5_read_attribute_int(ae_h5 *f, const char *object, const char *key, int64_t *value, ae_err *e)
{
    guard g = enter();
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
    drop(space);
    drop(type);
    drop(a);
    leave(g);
    return result;
}

bool ae_h5_has_attribute(ae_h5 *f, const char *object, const char *key)
{
    guard g = enter();
    hid_t a = open_attribute(f, object, key, NULL);
    drop(a);
    leave(g);
    return a >= 0;
}

void ae_h5_version(char text[32])
{
    unsigned major = 0, minor = 0, release = 0;
    H5get_libversion(&major, &minor, &release);
    snprintf(text, 32, "%u.%u.%u", major, minor, release);
}
