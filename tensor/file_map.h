/* Whole files as storages, and tensors as views of them. Internal to the file readers. */
#ifndef AE_TENSOR_FILE_MAP_H
#define AE_TENSOR_FILE_MAP_H

#include "tensor/pool.h"

/* Maps a regular file privately (writes stay in memory and never reach the file); one reference, dropped by the caller,
 * and one for every tensor made on it. NULL and e filled, with the path in front, when it cannot be opened. The file
 * must not be shortened while it is mapped; atomic saving replaces it instead and is safe. */
ae_storage *ae_map_file(const char *path, ae_err *e);

/* The same for an open descriptor, which stays the caller's. */
ae_storage *ae_map_descriptor(int fd, const char *path, ae_err *e);

/* A storage holding a copy of the bytes, for reading formats from memory. */
ae_storage *ae_copy_bytes(const void *data, size_t bytes, ae_err *e);

/* A contiguous host tensor over a part of a storage, with a reference of its own; copied instead when the offset is not
 * a multiple of the element size in memory. The part must lie inside the storage. NULL and e filled on failure. */
ae_tensor *ae_tensor_on_storage(ae_storage *s, size_t offset, ae_dtype dtype, int ndim, const int64_t *shape,
                                ae_err *e);

/* t itself when it is contiguous, else a contiguous copy that *made receives and the caller frees. NULL and e filled,
 * the tensor named, when it was freed before or there is no memory. */
const ae_tensor *ae_dense_for_file(const ae_tensor *t, ae_tensor **made, ae_err *e);

/* Fails when a name is empty or not UTF-8, or a tensor was freed. */
int ae_check_names_for_file(const ae_tensors *tensors, ae_err *e);

/* Sets every byte of a bool tensor that is neither 0 nor 1 to 1: foreign files promise nothing, kernels rely on it. */
void ae_normalise_bools(ae_tensor *t);

#endif
