/* safetensors from memory and with system calls that can fail, for tests. Internal. */
#ifndef AE_TENSOR_SAFETENSORS_INTERNAL_H
#define AE_TENSOR_SAFETENSORS_INTERNAL_H

#include "tensor/atomic_file_internal.h"
#include "tensor/pool.h"
#include "tensor/safetensors.h"

ae_tensors *ae_safetensors_parse(ae_storage *file, ae_json **metadata, ae_err *e);

int ae_safetensors_write_with(const char *path, const ae_tensors *tensors, const ae_json *metadata,
                              const ae_file_calls *calls, ae_err *e);

#endif
