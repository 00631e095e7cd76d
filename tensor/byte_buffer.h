/* A growing buffer of bytes with a sticky failure: write many, check once. Internal to the library. */
#ifndef AE_TENSOR_BYTE_BUFFER_H
#define AE_TENSOR_BYTE_BUFFER_H

#include "tensor/error.h"

/* All zero bytes is a valid, empty buffer. */
typedef struct ae_bytes {
    char *data; /* always followed by a NUL byte once something was added */
    size_t length;
    size_t capacity;
    bool failed; /* no memory; later additions are ignored */
} ae_bytes;

void ae_bytes_add(ae_bytes *b, const void *data, size_t length);
void ae_bytes_add_text(ae_bytes *b, const char *text);
void ae_bytes_printf(ae_bytes *b, const char *format, ...) AE_PRINTF(2, 3);
void ae_bytes_fill(ae_bytes *b, char value, size_t count);
void ae_bytes_u8(ae_bytes *b, unsigned value);
void ae_bytes_u16(ae_bytes *b, unsigned value); /* little endian, as are the next two */
void ae_bytes_u32(ae_bytes *b, uint32_t value);
void ae_bytes_u64(ae_bytes *b, uint64_t value);
void ae_bytes_free(ae_bytes *b); /* and empties it */

/* Little-endian reads from memory of any alignment. */
unsigned ae_load_u16(const void *p);
uint32_t ae_load_u32(const void *p);
uint64_t ae_load_u64(const void *p);

#endif
