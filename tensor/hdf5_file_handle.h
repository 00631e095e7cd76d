/* What the files of the HDF5 door share. Internal to it.
 *
 * Public functions come in between ae_h5_enter() and ae_h5_leave(), which take the lock that HDF5 needs when it was
 * built without its own, and keep HDF5 from printing; all other functions assume both. */
#ifndef AE_TENSOR_HDF5_FILE_HANDLE_H
#define AE_TENSOR_HDF5_FILE_HANDLE_H

#include "tensor/hdf5_file_driver.h"
#include "tensor/hdf5_file_internal.h"
#include "tensor/hdf5_file_seal.h"

enum { AE_H5_LONGEST_NAME = 4096 };

typedef struct ae_h5_spool ae_h5_spool; /* rows waiting for their final number */

struct ae_h5 {
    char *path;
    hid_t file;
    ae_h5_medium medium;
    ae_h5_spool *spools;
    ae_seal_parts large; /* the places of large tensors, which the seal leaves out */
    bool failed;         /* a write went wrong */
};

/* ---- HDF5's global state ----------------------------------------------------------------------------------------- */

typedef struct ae_h5_guard {
    H5E_auto2_t printer;
    void *data;
} ae_h5_guard;

ae_h5_guard ae_h5_enter(void);
void ae_h5_leave(ae_h5_guard g);

/* Lets go of an identifier of any kind; negative ones are allowed. */
void ae_h5_drop(hid_t id);

/* Sets "path: what (HDF5: its innermost reason)"; always returns -1. */
AE_PRINTF(4, 5) int ae_h5_fail(ae_h5 *f, ae_code code, ae_err *e, const char *format, ...);

/* ---- names and types --------------------------------------------------------------------------------------------- */

bool ae_h5_path_exists(hid_t file, const char *name);

/* Opens an object by its path; refuses names that are not there with a message of its own. */
hid_t ae_h5_open_object(ae_h5 *f, const char *name, ae_err *e);

/* The type a dtype has in a file; the caller drops it. */
hid_t ae_h5_file_type(ae_dtype dtype);

/* The dtype that a dataset's values become; -1 when there is none. */
int ae_h5_dtype_of(hid_t dataset, hid_t type);

/* ---- writing and reading ----------------------------------------------------------------------------------------- */

/* Checks what all writers need: that f is being written and the name is good and free. */
int ae_h5_check_write(ae_h5 *f, const char *name, ae_err *e);

/* Reports the first failure that the driver saw, which HDF5 never heard of. */
int ae_h5_check_medium(ae_h5 *f, ae_err *e);

/* Writes dense values as a dataset. */
int ae_h5_write_values(ae_h5 *f, const char *name, ae_dtype dtype, int ndim, const int64_t *shape, const void *data,
                       ae_err *e);

/* The public writing and reading of one tensor, without the guard. */
int ae_h5_store_tensor(ae_h5 *f, const char *name, const ae_tensor *t, ae_err *e);
ae_tensor *ae_h5_load_tensor(ae_h5 *f, const char *name, ae_err *e);

/* Stores the rows of all spools as datasets. */
int ae_h5_store_spools(ae_h5 *f, ae_err *e);
void ae_h5_drop_spools(ae_h5 *f);

#endif
