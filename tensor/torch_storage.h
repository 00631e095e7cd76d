/* The storages of a PyTorch file: where the bytes behind a storage key lie. Internal to the PyTorch reader. */
#ifndef AE_TENSOR_TORCH_STORAGE_H
#define AE_TENSOR_TORCH_STORAGE_H

#include "tensor/pickle.h"
#include "tensor/pool.h"
#include "tensor/zip_file.h"

/* One storage: `bytes` bytes from `offset` of `data`. */
typedef struct ae_torch_storage {
    char *key;
    ae_storage *data;
    size_t offset;
    size_t bytes;
} ae_torch_storage;

typedef struct ae_torch_storages {
    ae_zip *zip;  /* the ZIP format: storages are members, found on demand */
    char *prefix; /* and lie below this name */
    ae_torch_storage *list;
    size_t count;
    size_t capacity;
} ae_torch_storages;

/* How the elements of a storage class lie in the file, and what they become. */
typedef struct ae_torch_element {
    ae_dtype dtype;
    size_t stored; /* bytes in the file; 2 where shorts become i32 */
} ae_torch_element;

/* The element of a persistent value ("storage", class, key, location, count, ...); also gives key and count. */
int ae_torch_describe(const ae_pickle_value *persistent, ae_torch_element *element, const ae_pickle_value **key,
                      int64_t *count, ae_err *e);

/* The storage of a key; borrowed, NULL and e filled when the file has none. */
const ae_torch_storage *ae_torch_find(ae_torch_storages *s, const ae_pickle_value *key, ae_err *e);

/* Adds a storage of which the list takes a reference, or a copy where the bytes are not aligned to `width`: one copy,
 * so that tensors which share the storage in the file share it in memory too. */
int ae_torch_add(ae_torch_storages *s, const ae_pickle_value *key, ae_storage *data, size_t offset, size_t bytes,
                 size_t width, ae_err *e);

void ae_torch_storages_free(ae_torch_storages *s);

#endif
