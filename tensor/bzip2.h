/* The door to libbz2: the only file that knows it. Builds without the library say so. Internal. */
#ifndef AE_TENSOR_BZIP2_H
#define AE_TENSOR_BZIP2_H

#include "tensor/byte_buffer.h"

/* Whether bytes begin as a bzip2 file. */
bool ae_bzip2_begins(const char *data, size_t bytes);

/* Adds what a bzip2 file holds (also several streams after each other) to `out`. 0, or -1 and e: damaged, cut short, no
 * memory, a build without libbz2. */
int ae_bzip2_unpack(const char *data, size_t bytes, ae_bytes *out, ae_err *e);

#endif
