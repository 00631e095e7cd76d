/* Whether bytes are UTF-8, for file formats that demand it; text processing proper lives in tokenizers/. Internal. */
#ifndef AE_TENSOR_UTF8_CHECK_H
#define AE_TENSOR_UTF8_CHECK_H

#include <stdbool.h>
#include <stddef.h>

/* The length (1 to 4) of the valid UTF-8 sequence at the start of the bytes, or 0: overlong forms, surrogates and code
 * points above U+10FFFF are invalid (Unicode 15, table 3-7). */
int ae_utf8_length(const char *bytes, size_t available);

/* Whether all bytes are valid UTF-8. */
bool ae_utf8_is_valid(const char *bytes, size_t length);

#endif
