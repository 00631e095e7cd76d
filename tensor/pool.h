/* Storages: counted, 64-byte aligned blocks of memory, and the pool that keeps freed blocks for the next step.
 *
 * Counting stays inside the library: frames, tape, views and gradients hold references; users never see a count. */
#ifndef AE_TENSOR_POOL_H
#define AE_TENSOR_POOL_H

#include "tensor/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ae_pool ae_pool;

/* Byte counts of a pool. `held` counts what was asked for, not the rounding of blocks. */
typedef struct ae_pool_stats {
    int64_t held;         /* bytes in storages that are alive */
    int64_t peak;         /* the largest `held` since the last ae_pool_reset_peak */
    int64_t reserved;     /* bytes got from the system, alive or waiting in the pool */
    int64_t system_calls; /* how often the system was asked for memory */
    int64_t made;         /* bytes of all storages since the pool was made, those that died included */
} ae_pool_stats;

AE_API ae_pool *ae_pool_new(void);

/* Frees the waiting blocks now and the pool itself once its last storage is dropped; NULL is allowed. */
AE_API void ae_pool_free(ae_pool *pool);

AE_API ae_pool_stats ae_pool_get_stats(const ae_pool *pool);
AE_API void ae_pool_reset_peak(ae_pool *pool);

/* What a storage of a pool is held for, when the pool accounts for it. */
typedef enum ae_memory_kind {
    AE_MEMORY_WORKING,  /* results and workspaces on their way */
    AE_MEMORY_SAVED,    /* for backward */
    AE_MEMORY_GRADIENTS /* of parameters */
} ae_memory_kind;

/* One line of a pool's account: the bytes of a kind that belong to an operation. */
typedef struct ae_memory_row {
    ae_memory_kind kind;
    const char *what; /* an operation's name, or "" */
    int64_t held;     /* now */
    int64_t at_peak;  /* when the pool held most */
} ae_memory_row;

/* Makes an empty pool keep an account by kind and operation from now on; returns 0, or -1 without memory. A graph
 * labels what its operations make once this is on; without it nothing is counted but ae_pool_stats. */
AE_API int ae_pool_account(ae_pool *pool);
AE_API int ae_pool_rows(const ae_pool *pool);                    /* lines of the account; 0 without one */
AE_API ae_memory_row ae_pool_row(const ae_pool *pool, int i);    /* all zeros outside 0..rows-1 */
AE_API const char *ae_memory_kind_name(ae_memory_kind kind);     /* "working", "saved", "gradients"; "?" outside */
bool ae_pool_accounts(const ae_pool *pool);                      /* whether it keeps one */
const char *ae_pool_label(ae_pool *pool, const char *operation); /* of storages made from now on; returns the last */
void ae_storage_label(ae_storage *s, ae_memory_kind kind, const char *operation); /* in the place of its label */
ae_memory_kind ae_storage_kind(const ae_storage *s);

/* Gives the waiting blocks back to the system. */
AE_API void ae_pool_trim(ae_pool *pool);

/* A block of at least `bytes` uninitialised bytes with one reference; pool NULL means plain system memory. NULL when
 * there is no memory. Zero bytes give a valid, distinct block. */
ae_storage *ae_storage_new(ae_pool *pool, size_t bytes);

/* Memory of somebody else; release(arg) is called when the last reference goes (release may be NULL). */
ae_storage *ae_storage_wrap(void *data, size_t bytes, void (*release)(void *arg), void *arg);

void ae_storage_hold(ae_storage *s);          /* one more reference */
void ae_storage_drop(ae_storage *s);          /* one less; NULL is allowed */
bool ae_storage_is_sole(const ae_storage *s); /* one reference, and memory of our own */
void *ae_storage_data(const ae_storage *s);
size_t ae_storage_bytes(const ae_storage *s);
ae_pool *ae_storage_pool(const ae_storage *s); /* NULL: plain memory or somebody else's */

/* Marks a storage for a report that counts each once; false when it was marked before. For the thread that owns it. */
bool ae_storage_mark(ae_storage *s);

/* Makes t a view of s beginning `offset` bytes in, taking over the caller's reference to s. For internal use. */
void ae_tensor_attach(ae_tensor *t, ae_storage *s, size_t offset);

#ifdef __cplusplus
}
#endif
#endif
