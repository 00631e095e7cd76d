/* The seal of an HDF5 file written here: a checksum behind the end of the HDF5 part, where other programs do not look,
 * over all bytes but those of large tensors. HDF5's library crashes on damaged group and header structures, so a sealed
 * file is handed to it only when they are as they were written. Internal to the HDF5 door.
 *
 *   count * {begin, bytes}  u64 each: the parts that the checksum leaves out, ascending
 *   end, count              u64 each: the length of the HDF5 part, the number of parts
 *   checksum, own checksum  u32 each: CRC-32 of the rest of the HDF5 part, and of the seal up to here
 *   "AESOPEND" */
#ifndef AE_TENSOR_HDF5_FILE_SEAL_H
#define AE_TENSOR_HDF5_FILE_SEAL_H

#include "tensor/atomic_file_internal.h"
#include "tensor/pool.h"

enum { AE_SEAL_SMALLEST = 4096 }; /* tensors below this are under the checksum too */

typedef struct ae_seal_part {
    uint64_t begin;
    uint64_t bytes;
} ae_seal_part;

typedef struct ae_seal_parts {
    ae_seal_part *list;
    size_t count;
    size_t capacity;
} ae_seal_parts;

/* Notes a part to leave out; -1 without memory. */
int ae_seal_leave_out(ae_seal_parts *p, uint64_t begin, uint64_t bytes);
void ae_seal_parts_free(ae_seal_parts *p);

/* Appends the seal to a finished HDF5 file of `end` bytes. */
int ae_seal_write(ae_atomic_file *f, uint64_t end, ae_seal_parts *p, ae_err *e);

/* 1 when a file is sealed and whole, 0 when it has no seal, -1 with e filled (without the path) when it is damaged. */
int ae_seal_check(const ae_storage *file, ae_err *e);

#endif
