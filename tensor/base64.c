#include "tensor/base64.h"

#include <stdlib.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *ae_base64_text(const void *bytes, size_t length)
{
    const unsigned char *p = bytes;
    char *text = malloc((length + 2) / 3 * 4 + 1), *out = text;
    if (!text) {
        return NULL;
    }
    for (size_t i = 0; i < length; i += 3) {
        size_t n = length - i < 3 ? length - i : 3;
        unsigned group = (unsigned)p[i] << 16 | (n > 1 ? (unsigned)p[i + 1] << 8 : 0) | (n > 2 ? p[i + 2] : 0);
        *out++ = letters[group >> 18];
        *out++ = letters[group >> 12 & 63];
        *out++ = n > 1 ? letters[group >> 6 & 63] : '=';
        *out++ = n > 2 ? letters[group & 63] : '=';
    }
    *out = '\0';
    return text;
}

static int value_of(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

char *ae_base64_bytes(const char *text, size_t length, size_t *bytes, ae_err *e)
{
    size_t padding = length > 1 && text[length - 1] == '=' ? 1 + (text[length - 2] == '=') : 0;
    if (length % 4 != 0) {
        ae_err_set(e, AE_E_FORMAT, "%zu letters are not base64: a multiple of 4 is needed", length);
        return NULL;
    }
    char *result = malloc(length / 4 * 3 + 1), *out = result;
    if (!result) {
        ae_err_set(e, AE_E_MEMORY, "no memory");
        return NULL;
    }
    for (size_t i = 0; i < length; i += 4) {
        unsigned group = 0;
        for (size_t k = 0; k < 4; k++) {
            bool pad = i + k >= length - padding;
            int value = pad ? 0 : value_of(text[i + k]);
            if (value < 0) {
                ae_err_set(e, AE_E_FORMAT, "letter %zu is not base64", i + k + 1);
                free(result);
                return NULL;
            }
            group = group << 6 | (unsigned)value;
        }
        *out++ = (char)(group >> 16);
        *out++ = (char)(group >> 8 & 255);
        *out++ = (char)(group & 255);
    }
    *bytes = length / 4 * 3 - padding;
    result[*bytes] = '\0';
    return result;
}
