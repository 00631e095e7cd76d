#include "tensor/utf8_check.h"

int ae_utf8_length(const char *bytes, size_t available)
{
    const unsigned char *b = (const unsigned char *)bytes;
    if (available == 0) {
        return 0;
    }
    if (b[0] < 0x80) {
        return 1;
    }
    int length = b[0] >= 0xf0 ? 4 : b[0] >= 0xe0 ? 3 : 2;
    if (b[0] < 0xc2 || b[0] > 0xf4 || available < (size_t)length) {
        return 0;
    }
    /* The range of the second byte keeps out overlong forms, surrogates and what lies above U+10FFFF. */
    unsigned char low = b[0] == 0xe0 ? 0xa0 : b[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = b[0] == 0xed ? 0x9f : b[0] == 0xf4 ? 0x8f : 0xbf;
    if (b[1] < low || b[1] > high) {
        return 0;
    }
    for (int i = 2; i < length; i++) {
        if ((b[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return length;
}

bool ae_utf8_is_valid(const char *bytes, size_t length)
{
    for (size_t at = 0; at < length;) {
        int n = ae_utf8_length(bytes + at, length - at);
        if (n == 0) {
            return false;
        }
        at += (size_t)n;
    }
    return true;
}
