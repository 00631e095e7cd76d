/* PyTorch's files from memory and with system calls that can fail, for tests. Internal. */
#ifndef AE_TENSOR_TORCH_FILE_INTERNAL_H
#define AE_TENSOR_TORCH_FILE_INTERNAL_H

#include "tensor/atomic_file_internal.h"
#include "tensor/pool.h"
#include "tensor/torch_file.h"

ae_tensors *ae_torch_parse(ae_storage *file, ae_err *e);
int ae_torch_write_with(const char *path, const ae_tensors *tensors, const ae_file_calls *calls, ae_err *e);

#endif
