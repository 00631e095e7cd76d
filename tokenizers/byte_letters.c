#include "tokenizers/byte_letters.h"

#include "tokenizers/unicode.h"

/* How many bytes below this one have a character of their own: 0-32, 127-160, 173. */
uint32_t ae_byte_character(unsigned char byte)
{
    if (byte <= 32) {
        return 0x100u + byte;
    }
    if (byte >= 127 && byte <= 160) {
        return 0x100u + 33 + (byte - 127u);
    }
    return byte == 173 ? 0x100 + 67 : byte;
}

int ae_character_byte(uint32_t c)
{
    if (c < 0x100) {
        return ae_byte_character((unsigned char)c) == c ? (int)c : -1;
    }
    uint32_t i = c - 0x100;
    return i <= 32 ? (int)i : i <= 66 ? (int)(i - 33 + 127) : i == 67 ? 173 : -1;
}

int ae_byte_letter(unsigned char byte, char letter[3])
{
    char bytes[4];
    int n = ae_utf8_encode(ae_byte_character(byte), bytes);
    letter[0] = bytes[0];
    letter[1] = n > 1 ? bytes[1] : '\0';
    letter[n] = '\0';
    return n;
}
