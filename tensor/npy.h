/* NumPy's files: .npy (one array, format versions 1 to 3 of numpy.lib.format) and .npz (a ZIP archive of them).
 *
 * bf16, which NumPy lacks, is written as raw 2-byte elements ("<V2", as ml_dtypes writes it; view them as bfloat16 or
 * uint16) and such elements are read as bf16. Integers without a dtype of their own are widened (i2, u2 to i32; u4 to
 * i64); complex numbers, u8 (64 bit), strings and pickled objects are AE_E_UNSUPPORTED. */
#ifndef AE_TENSOR_NPY_H
#define AE_TENSOR_NPY_H

#include "tensor/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Reads one array; contiguous in row-major order and mapped from the file where its layout allows, else converted
 * (other byte order, Fortran order, widening). NULL and e filled, with the path in front, on failure. */
AE_API ae_tensor *ae_npy_read(const char *path, ae_err *e);

/* Writes a tensor of any strides; the file is afterwards the old or the new one, never a part. Returns 0 or -1. */
AE_API int ae_npy_write(const char *path, const ae_tensor *t, ae_err *e);

/* Reads an archive of stored or deflated arrays; names are the members' without ".npy". */
AE_API ae_tensors *ae_npz_read(const char *path, ae_err *e);

/* Writes a dictionary as an archive of stored arrays, as numpy.savez does. */
AE_API int ae_npz_write(const char *path, const ae_tensors *tensors, ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
