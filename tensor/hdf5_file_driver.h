/* A file driver for HDF5 over atomic saving (writing) and over a mapped file (reading). Internal to the HDF5 door.
 *
 * HDF5's own driver cannot be used for writing: when a write fails (a full disk), closing the file fails too, HDF5
 * keeps the identifier of the freed file, and the process crashes when it exits. This driver remembers the first
 * failure and from then on accepts everything and stores nothing, so that closing always succeeds. */
#ifndef AE_TENSOR_HDF5_FILE_DRIVER_H
#define AE_TENSOR_HDF5_FILE_DRIVER_H

#include "tensor/atomic_file_internal.h"
#include "tensor/pool.h"

#include <hdf5.h>

/* What the bytes of a file come from or go to; it must outlive the HDF5 file. */
typedef struct ae_h5_medium {
    ae_atomic_file *saving; /* when writing */
    ae_storage *map;        /* when reading */
    bool discard;           /* store nothing any more */
    ae_err error;           /* the first failure */
    uint64_t length;        /* of the file that was written, once HDF5 closed it */
    const char *rows;       /* a map that is being written, of which no more than a piece is kept in memory */
    size_t rows_bytes;
    hid_t driver; /* while the file is open: HDF5 1.10 lets go of the driver before it calls its close */
} ae_h5_medium;

/* Makes file access properties use the medium; returns 0 or -1. */
int ae_h5_use_medium(hid_t access_properties, ae_h5_medium *medium);

/* Lets go of the driver, once the file is closed. */
void ae_h5_leave_medium(ae_h5_medium *medium);

#endif
