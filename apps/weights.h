/* Where weights lie outside the program: folders and files of every format that is read, and back. */
#ifndef AE_APPS_WEIGHTS_H
#define AE_APPS_WEIGHTS_H

#include "tensor/json.h"
#include "tensor/tensor.h"
#include "zoo/encoder.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One row a format: symbol, name, what it is. */
#define AE_WEIGHT_FORMATS(ROW)                                                                                         \
    ROW(AE_WEIGHTS_H5, "h5", "Aesop's model file; other HDF5 files as plain tensors")                                  \
    ROW(AE_WEIGHTS_HF, "hf", "a Hugging Face folder: config.json and model.safetensors or pytorch_model.bin")          \
    ROW(AE_WEIGHTS_SAFETENSORS, "safetensors", "named tensors")                                                        \
    ROW(AE_WEIGHTS_TORCH, "bin", "PyTorch's .bin, .pt, .pth and .pkl")                                                 \
    ROW(AE_WEIGHTS_NPZ, "npz", "NumPy's archive of arrays")

typedef enum ae_weights_format {
#define AE_WEIGHTS_ENUM(symbol, name, about) symbol,
    AE_WEIGHT_FORMATS(AE_WEIGHTS_ENUM)
#undef AE_WEIGHTS_ENUM
        AE_WEIGHTS_FORMAT_COUNT
} ae_weights_format;

AE_API const char *ae_weights_format_name(ae_weights_format format);  /* "h5"; NULL outside the list */
AE_API const char *ae_weights_format_about(ae_weights_format format); /* NULL outside the list */

/* What a file or folder held. */
typedef struct ae_weights {
    ae_weights_format format;
    char class_name[128]; /* "BertForMaskedLM"; "" where nothing says so */
    ae_json *config;      /* NULL where there is none */
    ae_tensors *tensors;
    char plugin[64]; /* the plugin that brought the model's encoder; "" for none */
    const ae_encoder *const
        *encoders; /* for the model, besides those listed; set by the caller after reading; or NULL */
} ae_weights;

/* Reads a folder or a file, whose contents decide the format. Returns 0 or -1; free with ae_weights_free either way. */
AE_API int ae_weights_read(const char *path, ae_weights *w, ae_err *e);
AE_API void ae_weights_free(ae_weights *w);

/* The format that a path's ending means, or `to` when it is not NULL; -1 and e when neither says. */
AE_API int ae_weights_format_of(const char *path, const char *to, ae_weights_format *format, ae_err *e);

/* Writes w in a format. hf makes the folder. Returns 0 or -1. */
AE_API int ae_weights_write(const char *path, ae_weights_format format, const ae_weights *w, ae_err *e);

/* Passes w through the model that it belongs to: every parameter must be there and fit, prefixes and old names are
 * mended, and w->tensors becomes the model's own state under the names of its class. w->class_name must be in the zoo's
 * list and w->config be set. Returns 0 or -1. */
AE_API int ae_weights_normalise(ae_weights *w, ae_err *e);

/* The same, and the names change: "hf" are those of the class, "uer" UER-py's (zoo/uer.h), with the configuration that
 * belongs to them. What w has is seen by its tensors; the class of UER-py's tensors follows from them where none is
 * set. Returns 0 or -1. */
AE_API int ae_weights_rename(ae_weights *w, const char *names, ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
