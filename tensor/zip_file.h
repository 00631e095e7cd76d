/* ZIP archives (PKWARE APPNOTE 6.3: stored and deflated members, ZIP64), for .npz and PyTorch's files; the zlib door.
 * Internal to the file readers. */
#ifndef AE_TENSOR_ZIP_FILE_H
#define AE_TENSOR_ZIP_FILE_H

#include "tensor/atomic_file.h"
#include "tensor/byte_buffer.h"
#include "tensor/pool.h"

typedef struct ae_zip ae_zip;

/* Reads the directory of an archive, of which it takes a reference; NULL and e filled when it is none. */
ae_zip *ae_zip_parse(ae_storage *file, ae_err *e);
void ae_zip_free(ae_zip *z); /* NULL is allowed */

int ae_zip_count(const ae_zip *z);
const char *ae_zip_name(const ae_zip *z, int i);
int ae_zip_find(const ae_zip *z, const char *name); /* -1 when there is none */

/* The content of a member as `bytes` bytes from `offset` of a storage of which the caller gets a reference: the archive
 * itself for a stored member (its checksum is not looked at, so that nothing is touched), new memory for a deflated
 * one. NULL and e filled, the member named, on any defect. */
ae_storage *ae_zip_content(const ae_zip *z, int i, size_t *offset, size_t *bytes, ae_err *e);

/* Writing: all zero bytes but `file`. Members are stored, their content beginning at multiples of 64. */
typedef struct ae_zip_writer {
    ae_atomic_file *file;
    uint64_t at;
    uint64_t count;
    ae_bytes directory;
} ae_zip_writer;

/* Adds a member made of two parts; each may be empty. Returns 0, or -1 with e filled. */
int ae_zip_add(ae_zip_writer *w, const char *name, const void *head, size_t head_bytes, const void *data, size_t bytes,
               ae_err *e);

/* Writes the directory. */
int ae_zip_finish(ae_zip_writer *w, ae_err *e);

/* CRC-32 as ZIP, PNG and Ethernet have it; begin with 0. */
uint32_t ae_crc32(uint32_t crc, const void *data, size_t bytes);

/* Frees what the writer holds besides the file. */
void ae_zip_writer_free(ae_zip_writer *w);

#endif
