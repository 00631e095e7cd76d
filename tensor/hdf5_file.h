/* The HDF5 door: named tensors, texts and attributes in one file that h5py and every other HDF5 program reads.
 *
 * A name is a path: "weights/layer.0.bias" is the dataset "layer.0.bias" in the group "weights"; dots are ordinary
 * letters. Tensors are stored contiguous, little endian and aligned to 64 bytes; bf16 as 16-bit integers with the
 * attribute dtype = "bf16", f16 as a 16-bit float, bool as h5py's enumeration. Members keep the order of writing.
 *
 * A file written here ends with a checksum (behind the part that other programs read) over all but its large tensors; a
 * damaged one is refused. Files of other programs have none: HDF5's own library reads them, and there are damaged ones
 * that make it crash, so foreign files from doubtful sources are better read in a process of their own.
 *
 * Files are never changed in place: a file being written is a temporary one until ae_h5_commit (atomic_file.h).
 * One thread at a time may use an `ae_h5`; different ones may be used by different threads. */
#ifndef AE_TENSOR_HDF5_FILE_H
#define AE_TENSOR_HDF5_FILE_H

#include "tensor/json.h"
#include "tensor/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ae_h5 ae_h5;

/* The version of the HDF5 library in use, as "1.10.8". */
AE_API void ae_h5_version(char text[32]);

/* ---- whole dictionaries ------------------------------------------------------------------------------------------ */

/* Reads every tensor below a group (NULL: the whole file) under its path from there; joint, '/' or '.', stands between
 * groups. Datasets of text are left out; links that leave the file are not followed. See ae_h5_read_tensor for storage.
 */
AE_API ae_tensors *ae_hdf5_read(const char *path, const char *group, char joint, ae_err *e);

/* Writes a dictionary as a file of its own; with `dots_are_groups`, "a.b" is stored as b in the group a. */
AE_API int ae_hdf5_write(const char *path, const ae_tensors *tensors, bool dots_are_groups, ae_err *e);

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* Begins to write a file; NULL and e filled on failure. End with commit or close. */
AE_API ae_h5 *ae_h5_create(const char *path, ae_err *e);

/* Finishes the file, makes it durable and puts it in place; frees f. After any failed write it fails and leaves the old
 * file, if any, as it was: a full disk cannot pass unnoticed. */
AE_API int ae_h5_commit(ae_h5 *f, ae_err *e);

/* All writers return 0, or -1 with e filled; groups on the way are made; an existing name is an error. */
AE_API int ae_h5_write_tensor(ae_h5 *f, const char *name, const ae_tensor *t, ae_err *e);
AE_API int ae_h5_write_tensors(ae_h5 *f, const char *group, const ae_tensors *tensors, ae_err *e);
AE_API int ae_h5_write_text(ae_h5 *f, const char *name, const char *text, ae_err *e); /* UTF-8 of any length */
AE_API int ae_h5_write_blob(ae_h5 *f, const char *name, const void *data, size_t bytes, ae_err *e); /* as u8 */

/* Attributes of an existing object; "/" is the file itself. Texts up to 60 000 bytes. */
AE_API int ae_h5_write_attribute(ae_h5 *f, const char *object, const char *key, const char *text, ae_err *e);
AE_API int ae_h5_write_attribute_int(ae_h5 *f, const char *object, const char *key, int64_t value, ae_err *e);

/* Adds rows to a tensor whose final length is not known yet: rows is (n, ...), equal in dtype and in the later extents
 * from call to call. The rows wait in a nameless file of the same folder until commit stores them as one contiguous
 * tensor (sum of n, ...). */
AE_API int ae_h5_append(ae_h5 *f, const char *name, const ae_tensor *rows, ae_err *e);

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* Opens a file for reading; NULL and e filled when it is missing, cut short or no HDF5 file. */
AE_API ae_h5 *ae_h5_open(const char *path, ae_err *e);

/* Closes a file that is read, or abandons one that is written; NULL is allowed. Tensors read from it stay valid. */
AE_API void ae_h5_close(ae_h5 *f);

AE_API bool ae_h5_has(ae_h5 *f, const char *name);

/* The members of a group ("/" for the file) in order: an object name -> "group", "tensor", "text" or "other". */
AE_API ae_json *ae_h5_members(ae_h5 *f, const char *group, ae_err *e);

/* One tensor. When the dataset is contiguous, in the layout that the writers here use, and lies inside the file, it is
 * a private map of the file, so that memory grows only as values are touched, and changing it never changes the file;
 * anything else (chunks, compression, big endian) is read and converted. 16- and 32-bit integers without a dtype of
 * their own are widened; what has none (u64, compounds, complex) is AE_E_UNSUPPORTED. */
AE_API ae_tensor *ae_h5_read_tensor(ae_h5 *f, const char *name, ae_err *e);

/* All tensors below a group (NULL or "/": the file), named by their path from there with `joint` between groups. */
AE_API ae_tensors *ae_h5_read_tensors(ae_h5 *f, const char *group, char joint, ae_err *e);

/* A text dataset as a malloc'ed string; a blob as malloc'ed bytes; both owned by the caller. */
AE_API char *ae_h5_read_text(ae_h5 *f, const char *name, ae_err *e);
AE_API void *ae_h5_read_blob(ae_h5 *f, const char *name, size_t *bytes, ae_err *e);

/* An attribute of an object; a missing one is AE_E_MISSING. The text is malloc'ed and owned by the caller. */
AE_API char *ae_h5_read_attribute(ae_h5 *f, const char *object, const char *key, ae_err *e);
AE_API int ae_h5_read_attribute_int(ae_h5 *f, const char *object, const char *key, int64_t *value, ae_err *e);
AE_API bool ae_h5_has_attribute(ae_h5 *f, const char *object, const char *key);

#ifdef __cplusplus
}
#endif
#endif
