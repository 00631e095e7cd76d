/* HDF5 from memory and with system calls that can fail, for tests. Internal. */
#ifndef AE_TENSOR_HDF5_FILE_INTERNAL_H
#define AE_TENSOR_HDF5_FILE_INTERNAL_H

#include "tensor/atomic_file_internal.h"
#include "tensor/hdf5_file.h"
#include "tensor/pool.h"

/* ae_h5_create with other system calls. */
ae_h5 *ae_h5_create_with(const char *path, const ae_file_calls *calls, ae_err *e);

/* ae_h5_open on bytes in memory, of which it takes a reference; path is for messages. */
ae_h5 *ae_h5_open_storage(ae_storage *file, const char *path, ae_err *e);

#endif
