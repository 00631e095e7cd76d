/* Numbered things made ahead of their use on a thread of its own. Internal to the library. */
#ifndef AE_DATASETS_READ_AHEAD_H
#define AE_DATASETS_READ_AHEAD_H

#include "tensor/tensor.h"

typedef struct ae_read_ahead ae_read_ahead;

/* Makes thing `number`; called from one thread at a time, and not from the one that waits for it. */
typedef ae_tensors *(*ae_make_fn)(const void *self, int64_t number, ae_err *e);

/* At most `depth` (at least 1) finished things wait; the thread starts at the first ae_read_ahead_get. NULL and e when
 * there is no memory. */
ae_read_ahead *ae_read_ahead_new(ae_make_fn make, const void *self, int depth, ae_err *e);

/* Thing `number`, the caller's, or NULL and the error that making it gave. Asking for numbers in turn finds them made;
 * another number than the next throws away what waits. One thread at a time may call it. */
ae_tensors *ae_read_ahead_get(ae_read_ahead *r, int64_t number, ae_err *e);

/* Ends the thread after the thing it is at, and frees what waits; NULL is allowed. */
void ae_read_ahead_free(ae_read_ahead *r);

#endif
