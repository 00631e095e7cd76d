/* Files read once from front to end: plain ones, gzip files (RFC 1952, also several members after each other), which
 * are told by their first bytes, and standard input. Internal; with zip_file.c the zlib door. */
#ifndef AE_TENSOR_INPUT_FILE_H
#define AE_TENSOR_INPUT_FILE_H

#include "tensor/byte_buffer.h"

typedef struct ae_input ae_input;

/* Opens a path, or standard input for "-"; NULL and e filled, the path in front, for a folder and what cannot be
 * opened. */
ae_input *ae_input_open(const char *path, ae_err *e);

/* Checks that a path could be opened, and finds its size in bytes: -1 for standard input and pipes, which are left
 * untouched. Returns 0, or -1 with e filled as ae_input_open does it. */
int ae_input_check(const char *path, int64_t *size, ae_err *e);

/* Reads up to `bytes` (> 0) bytes of content; 0 only at the end, -1 and e filled on failure: a gzip file that is
 * damaged or cut short, or what the system says. */
int64_t ae_input_read(ae_input *in, void *data, size_t bytes, ae_err *e);

/* Adds the whole content of a path, which may be packed by gzip or bzip2, to `out`. 0, or -1 and e filled, the path in
 * front. */
int ae_input_read_all(const char *path, ae_bytes *out, ae_err *e);

/* Bytes taken from the file itself so far: compressed ones of a gzip file. */
int64_t ae_input_taken(const ae_input *in);

/* A hash of these bytes; equal files give equal hashes once they are read to the end. */
uint64_t ae_input_hash(const ae_input *in);

void ae_input_close(ae_input *in); /* NULL is allowed */

#endif
