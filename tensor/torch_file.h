/* PyTorch's files: what torch.save writes. Read are the ZIP format of PyTorch 1.6 and later and the older format of
 * consecutive pickles; written is the ZIP format. Nothing in a file is executed: the pickle inside is read as data, and
 * of the functions it names only those that rebuild tensors are known. */
#ifndef AE_TENSOR_TORCH_FILE_H
#define AE_TENSOR_TORCH_FILE_H

#include "tensor/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Reads every tensor in a file: a state dict, a checkpoint of nested dictionaries and lists, or a whole pickled module.
 *
 * Names are the keys on the way joined by dots ("model.encoder.weight", "optimizer.state.0.exp_avg"); a module gives
 * its parameters, buffers and sub-modules as its state_dict would; a file that is one tensor gives it the name
 * "tensor". Instances of unknown classes count as dictionaries of their attributes; numbers, texts and None are left
 * out. A value made by an unknown function is an error that names the function. Tensors view the mapped file where they
 * lie contiguous and aligned in it, tied ones share storage; 16-bit integers are widened to i32; complex and quantised
 * tensors are AE_E_UNSUPPORTED. NULL and e filled, with the path in front, on failure. */
AE_API ae_tensors *ae_torch_read(const char *path, ae_err *e);

/* Writes a state dict (an OrderedDict of CPU tensors) that torch.load reads, also with weights_only. Tensors on the
 * same memory are stored once, so that ties survive. The file is afterwards the old or the new one. Returns 0 or -1. */
AE_API int ae_torch_write(const char *path, const ae_tensors *tensors, ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
