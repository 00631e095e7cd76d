/* HDF5 files as handles: opening, creating, finishing, closing; and HDF5's own state. */
#include "tensor/hdf5_file_handle.h"

#include "tensor/file_map.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

/* ---- HDF5's global state ----------------------------------------------------------------------------------------- */

static pthread_mutex_t hdf5_lock = PTHREAD_MUTEX_INITIALIZER; /* guards HDF5's own globals, none of ours */

ae_h5_guard ae_h5_enter(void)
{
    ae_h5_guard g = {0};
    pthread_mutex_lock(&hdf5_lock);
    H5Eget_auto2(H5E_DEFAULT, &g.printer, &g.data);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    return g;
}

void ae_h5_leave(ae_h5_guard g)
{
    H5Eset_auto2(H5E_DEFAULT, g.printer, g.data);
    pthread_mutex_unlock(&hdf5_lock);
}

void ae_h5_drop(hid_t id)
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

int ae_h5_fail(ae_h5 *f, ae_code code, ae_err *e, const char *format, ...)
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

void ae_h5_version(char text[32])
{
    unsigned major = 0, minor = 0, release = 0;
    H5get_libversion(&major, &minor, &release);
    snprintf(text, 32, "%u.%u.%u", major, minor, release);
}

/* ---- handles ----------------------------------------------------------------------------------------------------- */

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
        ae_h5_drop(p);
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

static void close_handle(ae_h5 *f)
{
    if (f->file >= 0) {
        f->medium.discard = true; /* what an abandoned file still holds back need not be written */
        H5Fclose(f->file);
    }
    ae_h5_leave_medium(&f->medium);
    ae_atomic_abort(f->medium.saving);
    ae_h5_drop_spools(f);
    ae_seal_parts_free(&f->large);
    ae_storage_drop(f->medium.map);
    free(f->path);
    free(f);
}

void ae_h5_close(ae_h5 *f)
{
    if (f) {
        ae_h5_guard g = ae_h5_enter();
        close_handle(f);
        ae_h5_leave(g);
    }
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void create_file(ae_h5 *f, ae_err *e)
{
    hid_t access = access_properties(f), creation = H5Pcreate(H5P_FILE_CREATE);
    H5Pset_link_creation_order(creation, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
    f->file = H5Fcreate(f->path, H5F_ACC_TRUNC, creation, access);
    if (f->file < 0) {
        ae_h5_fail(f, AE_E_IO, e, "cannot be created");
    }
    ae_h5_drop(creation);
    ae_h5_drop(access);
}

ae_h5 *ae_h5_create_with(const char *path, const ae_file_calls *calls, ae_err *e)
{
    ae_h5 *f = new_handle(path, e);
    if (!f) {
        return NULL;
    }
    ae_h5_guard g = ae_h5_enter();
    f->medium.saving = ae_atomic_open_with(path, calls, e);
    if (f->medium.saving) {
        create_file(f, e);
    }
    if (f->file < 0) {
        close_handle(f);
        f = NULL;
    }
    ae_h5_leave(g);
    return f;
}

ae_h5 *ae_h5_create(const char *path, ae_err *e)
{
    return ae_h5_create_with(path, NULL, e);
}

static int finish_file(ae_h5 *f, ae_err *e)
{
    int result = 0;
    if (H5Fflush(f->file, H5F_SCOPE_GLOBAL) < 0) {
        result = ae_h5_fail(f, AE_E_IO, e, "cannot be flushed");
    }
    if (H5Fclose(f->file) < 0 && result == 0) {
        result = ae_h5_fail(f, AE_E_IO, e, "cannot be closed");
    }
    f->file = -1;
    if (result != 0 || ae_h5_check_medium(f, e) != 0) {
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
    if (ae_h5_store_spools(f, e) != 0 || finish_file(f, e) != 0) {
        return -1;
    }
    ae_atomic_file *saving = f->medium.saving;
    f->medium.saving = NULL;
    return ae_atomic_commit(saving, e);
}

int ae_h5_commit(ae_h5 *f, ae_err *e)
{
    ae_h5_guard g = ae_h5_enter();
    int result = commit(f, e);
    close_handle(f);
    ae_h5_leave(g);
    return result;
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
    ae_h5_guard g = ae_h5_enter();
    hid_t access = access_properties(f);
    f->file = H5Fopen(path, H5F_ACC_RDONLY, access);
    if (f->file < 0) {
        char reason[200] = "no reason given";
        H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, reason);
        ae_err_set(e, AE_E_FORMAT, "%s: not an HDF5 file, or cut short (HDF5: %s)", path, reason);
    }
    ae_h5_drop(access);
    if (f->file < 0) {
        close_handle(f);
        f = NULL;
    }
    ae_h5_leave(g);
    return f;
}

ae_h5 *ae_h5_open(const char *path, ae_err *e)
{
    ae_storage *file = ae_map_file(path, e);
    ae_h5 *f = file ? ae_h5_open_storage(file, path, e) : NULL;
    ae_storage_drop(file);
    return f;
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

bool ae_h5_path_exists(hid_t file, const char *name)
{
    char part[AE_H5_LONGEST_NAME];
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

hid_t ae_h5_open_object(ae_h5 *f, const char *name, ae_err *e)
{
    hid_t object = ae_h5_path_exists(f->file, name) ? H5Oopen(f->file, name, H5P_DEFAULT) : -1;
    if (object < 0) {
        ae_err_set(e, AE_E_MISSING, "%s: there is no %.200s in the file", f->path, name);
    }
    return object;
}

bool ae_h5_has(ae_h5 *f, const char *name)
{
    ae_h5_guard g = ae_h5_enter();
    bool there = ae_h5_path_exists(f->file, name);
    ae_h5_leave(g);
    return there;
}
