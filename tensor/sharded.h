/* Checkpoints of any exchange format by their names, and those that are spread over several files. */
#ifndef AE_TENSOR_SHARDED_H
#define AE_TENSOR_SHARDED_H

#include "tensor/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Reads the tensors of a file by what it is: safetensors, HDF5, a file of torch.save, .npz, .npy (one tensor named
 * "array"), or an index "*.index.json" of shards. The content decides, not the ending; NULL and e filled when it is
 * none of these or damaged. */
AE_API ae_tensors *ae_tensors_read_file(const char *path, ae_err *e);

/* Reads the shards that an index of Hugging Face's layout names ({"weight_map": {tensor: file}}), which lie in its
 * folder: model.safetensors.index.json and pytorch_model.bin.index.json. Gives the tensors in the order of the index;
 * a shard without a tensor that the index promises is AE_E_MISSING, a file name that leaves the folder is refused. */
AE_API ae_tensors *ae_sharded_read(const char *index_path, ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
