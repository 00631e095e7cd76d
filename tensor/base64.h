/* Bytes as text of 64 letters (RFC 4648, section 4). Internal to the library. */
#ifndef AE_TENSOR_BASE64_H
#define AE_TENSOR_BASE64_H

#include "tensor/error.h"

/* The text of bytes, NUL-terminated and padded; NULL without memory. Owned by the caller. */
char *ae_base64_text(const void *bytes, size_t length);

/* The bytes of a text, which must be padded and hold nothing else; malloc'ed with a NUL behind them, owned by the
 * caller. NULL and e filled when it is no such text, or without memory. */
char *ae_base64_bytes(const char *text, size_t length, size_t *bytes, ae_err *e);

#endif
