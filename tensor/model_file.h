/* The model file: one HDF5 file as a container of named sections.
 *
 *   attributes of the file   aesop_format (an integer), model, writer, and plugin when the model comes from one
 *   config                   a text: the configuration as JSON
 *   weights                  a group of tensors under their checkpoint names
 *   anything else            sections of other folders: texts, blobs and groups of tensors for the tokenizer, the data
 *                            position, the optimizer, the schedule, the random state; opaque here
 *
 * Sections are written and read with the functions of hdf5_file.h. */
#ifndef AE_TENSOR_MODEL_FILE_H
#define AE_TENSOR_MODEL_FILE_H

#include "tensor/hdf5_file.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The format that is written; every older one stays readable, a newer one is refused. */
#define AE_MODEL_FORMAT 1

/* What the file says of itself. */
typedef struct ae_model_info {
    int64_t format;
    char *model;  /* the name of the model in its list, "bert" */
    char *plugin; /* the plugin that brought the model; NULL when it is built in */
    char *writer; /* "aesop 0.1.0" */
} ae_model_info;

/* Begins a model file: format, names and the section config are written, the rest is the caller's, then ae_h5_commit.
 * plugin may be NULL. NULL and e filled on failure. */
AE_API ae_h5 *ae_model_file_create(const char *path, const char *model, const char *plugin, const ae_json *config,
                                   ae_err *e);

/* Opens a model file and fills info, to be freed with ae_model_info_free whatever happens. An HDF5 file of another
 * kind, and a format newer than AE_MODEL_FORMAT, are refused with what was found and the remedy. */
AE_API ae_h5 *ae_model_file_open(const char *path, ae_model_info *info, ae_err *e);

/* The section config; owned by the caller. */
AE_API ae_json *ae_model_file_config(ae_h5 *f, ae_err *e);

/* Writes or reads a JSON value as a text section of any name; the result of reading is owned by the caller. */
AE_API int ae_h5_write_json(ae_h5 *f, const char *name, const ae_json *value, ae_err *e);
AE_API ae_json *ae_h5_read_json(ae_h5 *f, const char *name, ae_err *e);

/* Frees the strings and empties the struct. */
AE_API void ae_model_info_free(ae_model_info *info);

#ifdef __cplusplus
}
#endif
#endif
