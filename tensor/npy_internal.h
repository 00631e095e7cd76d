/* NumPy's formats from memory and with system calls that can fail, for tests. Internal. */
#ifndef AE_TENSOR_NPY_INTERNAL_H
#define AE_TENSOR_NPY_INTERNAL_H

#include "tensor/atomic_file_internal.h"
#include "tensor/npy.h"
#include "tensor/pool.h"

ae_tensor *ae_npy_parse(ae_storage *file, size_t offset, size_t bytes, ae_err *e);
ae_tensors *ae_npz_parse(ae_storage *file, ae_err *e);
int ae_npy_write_with(const char *path, const ae_tensor *t, const ae_file_calls *calls, ae_err *e);
int ae_npz_write_with(const char *path, const ae_tensors *tensors, const ae_file_calls *calls, ae_err *e);

#endif
