/* safetensors: named tensors in one file (the format of Hugging Face's safetensors 0.4: an 8-byte little-endian header
 * length, a JSON header, then the bytes). */
#ifndef AE_TENSOR_SAFETENSORS_H
#define AE_TENSOR_SAFETENSORS_H

#include "tensor/json.h"
#include "tensor/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Maps a file; its tensors, in the header's order, view the map, which goes when the last of them goes (a tensor whose
 * bytes are not aligned for its dtype is copied, and bytes of bools other than 0 and 1 become 1). Changing their values
 * never changes the file. `metadata`, unless NULL, receives the header's "__metadata__" object of strings (NULL when
 * the
 * file has none), to be freed with ae_json_free. The header is checked completely: lengths, offsets, overlaps, holes,
 * dtypes, shapes, names. NULL and e filled, path and tensor named, on any defect. The dtypes are those of AE_DTYPES;
 * others (F8_E4M3, U16, ...) are AE_E_UNSUPPORTED. */
AE_API ae_tensors *ae_safetensors_read(const char *path, ae_json **metadata, ae_err *e);

/* Writes tensors of any strides and an object of strings (or NULL) to a file, which afterwards is the old or the new
 * one, never a part. The bytes are laid out widest dtype first, the rest in the dictionary's order, so that each tensor
 * is aligned. Returns 0, or -1 with e filled. */
AE_API int ae_safetensors_write(const char *path, const ae_tensors *tensors, const ae_json *metadata, ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
