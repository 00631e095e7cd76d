/* tensor/: data without gradients. This header holds dtypes, shapes and the tensor struct itself; the other public
 * headers of the folder stand beside it:
 *
 *   error.h        errors                         json.h         the JSON door
 *   threads.h      thread counts, denormals       safetensors.h  named tensors in one file
 *   random.h       counter-based random numbers   npy.h          NumPy's .npy and .npz
 *   pool.h         storages and their pool        hdf5_file.h    the HDF5 door; model_file.h on top of it
 *   kernels.h      kernels by instruction set     torch_file.h   PyTorch's .bin/.pt/.pkl
 *   onednn.h       the oneDNN door                sharded.h      files of tensors by what they are, shards
 *   lapack.h       the LAPACK door                atomic_file.h  saving the whole or nothing
 *
 * Nothing in this folder knows of graphs: operations that record a tape live in autograd/. */
#ifndef AE_TENSOR_TENSOR_H
#define AE_TENSOR_TENSOR_H

#include "tensor/error.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AE_VERSION "0.1.0"

/* The version of the library that is linked, as in AE_VERSION. */
AE_API const char *ae_version(void);

/* ---- dtypes ---------------------------------------------------------------------------------------------------- */

/* One row a dtype: symbol, name, bytes an element, NumPy's code, safetensors' name. */
#define AE_DTYPES(ROW)                                                                                                 \
    ROW(AE_F32, "f32", 4, "<f4", "F32")                                                                                \
    ROW(AE_F64, "f64", 8, "<f8", "F64")                                                                                \
    ROW(AE_BF16, "bf16", 2, "<V2", "BF16") /* NumPy has none: its bits, as ml_dtypes */                                \
    ROW(AE_F16, "f16", 2, "<f2", "F16")    /* files and inference only */                                              \
    ROW(AE_I8, "i8", 1, "|i1", "I8")                                                                                   \
    ROW(AE_U8, "u8", 1, "|u1", "U8")                                                                                   \
    ROW(AE_I32, "i32", 4, "<i4", "I32")                                                                                \
    ROW(AE_I64, "i64", 8, "<i8", "I64")                                                                                \
    ROW(AE_BOOL, "bool", 1, "|b1", "BOOL") /* one byte, 0 or 1 */

typedef enum ae_dtype {
#define AE_DTYPE_ENUM(symbol, name, bytes, numpy, safetensors) symbol,
    AE_DTYPES(AE_DTYPE_ENUM)
#undef AE_DTYPE_ENUM
        AE_DTYPE_COUNT
} ae_dtype;

AE_API size_t ae_dtype_size(ae_dtype dtype);      /* bytes an element */
AE_API const char *ae_dtype_name(ae_dtype dtype); /* "f32"; "?" outside the list */
AE_API bool ae_dtype_is_float(ae_dtype dtype);    /* f32 f64 bf16 f16 */
AE_API bool ae_dtype_is_int(ae_dtype dtype);      /* i8 u8 i32 i64, not bool */

/* Finds a dtype by its name ("f32"); returns 0, or -1 when there is none. */
AE_API int ae_dtype_parse(const char *name, ae_dtype *dtype);

/* ---- the tensor ------------------------------------------------------------------------------------------------ */

#define AE_MAX_DIMS 8

typedef struct ae_graph ae_graph;     /* autograd/graph.h */
typedef struct ae_storage ae_storage; /* tensor/pool.h */
typedef struct ae_slot ae_slot;       /* autograd/tape.h: where a gradient arrives */

/* A strided, row-major view of a storage. Public so that a debugger can print it; change nothing in it by hand.
 * A tensor's values never change after the operation that made it. */
typedef struct ae_tensor {
    ae_dtype dtype;
    int ndim;                     /* 0 for a scalar */
    int64_t shape[AE_MAX_DIMS];   /* extents; zero is allowed */
    int64_t strides[AE_MAX_DIMS]; /* in elements; 0 along an expanded axis, negative never */
    void *data;                   /* the first element; NULL once the storage went back to the pool */
    const char *name;             /* a parameter's checkpoint name, or a name given by ae_name; else NULL */
    const char *op;               /* the name of the operation that made it; NULL for leaves */
    struct ae_tensor *grad;       /* set by backward on parameters and on tensors that asked for it; else NULL */
    /* the library's own */
    struct ae_row_gradient *grad_rows; /* in place of grad: see ae_graph_sparse_gradients */
    ae_storage *storage;               /* one reference is held while data is not NULL */
    ae_slot *slot;                     /* NULL when no gradient is wanted */
    ae_graph *graph;                   /* the graph that owns it; NULL for parameters and host tensors */
    const ae_err *fault;               /* the error slot of the model root that owns it; NULL elsewhere */
    int depth;                         /* the frame it lives in; 0 is the graph itself */
    int died_line;                     /* where the frame was opened that took the storage back */
    const char *died_file;
    struct ae_packs *packs; /* of a parameter: the copies that products read; NULL elsewhere */
} ae_tensor;

/* The number of elements; 1 for a scalar, 0 when any extent is 0. */
AE_API int64_t ae_numel(const ae_tensor *t);

/* The extent of an axis; negative axes count from the end; -1 when there is no such axis. */
AE_API int64_t ae_dim(const ae_tensor *t, int axis);

/* Whether the elements lie densely in row-major order (always so for at most one element). */
AE_API bool ae_is_contiguous(const ae_tensor *t);

/* Whether two tensors have the same rank and extents. */
AE_API bool ae_same_shape(const ae_tensor *a, const ae_tensor *b);

/* The product of extents; -1 when an extent is negative, the rank is over AE_MAX_DIMS or the product overflows. */
AE_API int64_t ae_shape_numel(int ndim, const int64_t *shape);

/* Writes row-major strides for a shape. */
AE_API void ae_shape_strides(int ndim, const int64_t *shape, int64_t *strides);

#define AE_SHAPE_TEXT_MAX 192

/* Writes "[2,3]" into text and returns text, for messages. */
AE_API const char *ae_shape_text(int ndim, const int64_t *shape, char text[AE_SHAPE_TEXT_MAX]);

/* ---- host tensors: owned by the caller, in no graph ------------------------------------------------------------- */

/* A new contiguous tensor of zeros; NULL and e filled when memory or the shape fails. Free with ae_tensor_free. */
AE_API ae_tensor *ae_tensor_new(ae_dtype dtype, int ndim, const int64_t *shape, ae_err *e);

/* A tensor over the caller's memory, which must outlive it; contiguous. Free with ae_tensor_free (the memory stays). */
AE_API ae_tensor *ae_tensor_wrap(void *data, ae_dtype dtype, int ndim, const int64_t *shape, ae_err *e);

/* A second handle on the same storage (both must be freed); dtype, shape and strides are copied. */
AE_API ae_tensor *ae_tensor_share(const ae_tensor *t, ae_err *e);

/* Frees a host tensor; NULL is allowed. Its storage goes when the last tensor on it goes. */
AE_API void ae_tensor_free(ae_tensor *t);

/* Copies and converts the elements of src (any strides) into dst (same shape, contiguous or not). Float to integer
 * truncates toward zero; anything to bool is "not zero". Returns 0, or -1 on unequal shapes. */
AE_API int ae_tensor_copy(ae_tensor *dst, const ae_tensor *src, ae_err *e);

/* Reads or writes one element by its row-major index, as a double or an i64 (exact for every integer). */
AE_API double ae_get_f64(const ae_tensor *t, int64_t index);
AE_API int64_t ae_get_i64(const ae_tensor *t, int64_t index);
AE_API void ae_set_f64(ae_tensor *t, int64_t index, double value);
AE_API void ae_set_i64(ae_tensor *t, int64_t index, int64_t value);

/* bf16 and f16 are kept as their 16 bits; conversion rounds to nearest even, NaN stays NaN. */
AE_API float ae_bf16_to_f32(uint16_t bits);
AE_API uint16_t ae_f32_to_bf16(float value);
AE_API float ae_f16_to_f32(uint16_t bits);
AE_API uint16_t ae_f32_to_f16(float value);

/* ---- printing ---------------------------------------------------------------------------------------------------- */

/* Prints the values as NumPy's str() does (brackets, alignment, 8 digits, "..." above 1000 elements) and a newline.
 * Returns 0, or -1 when writing failed. */
AE_API int ae_tensor_print(FILE *out, const ae_tensor *t);

/* The same as a malloc'ed string without the final newline; the caller frees it; NULL when there is no memory. */
AE_API char *ae_tensor_text(const ae_tensor *t);

/* ---- named tensors: an ordered dictionary ------------------------------------------------------------------------ */

typedef struct ae_tensors ae_tensors;

AE_API ae_tensors *ae_tensors_new(void);
AE_API void ae_tensors_free(ae_tensors *d); /* frees what it owns; NULL is allowed */

/* Adds t under a copy of name and takes t over; on a duplicate name or no memory t is freed and -1 returned. */
AE_API int ae_tensors_add(ae_tensors *d, const char *name, ae_tensor *t, ae_err *e);

/* Adds a contiguous copy of t (which may belong to a graph) under name. */
AE_API int ae_tensors_add_copy(ae_tensors *d, const char *name, const ae_tensor *t, ae_err *e);

AE_API int ae_tensors_count(const ae_tensors *d);
AE_API const char *ae_tensors_name(const ae_tensors *d, int i);          /* borrowed; NULL outside 0..count-1 */
AE_API ae_tensor *ae_tensors_at(const ae_tensors *d, int i);             /* borrowed; NULL outside 0..count-1 */
AE_API ae_tensor *ae_tensors_get(const ae_tensors *d, const char *name); /* borrowed; NULL when not there; O(1) */

#ifdef __cplusplus
}
#endif
#endif
