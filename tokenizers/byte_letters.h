/* GPT-2's printable characters for bytes (Radford et al. 2019, bytes_to_unicode): 33-126, 161-172 and 174-255 stand for
 * themselves, the other 68 bytes in their order for U+0100, U+0101, ... Internal to tokenizers/. */
#ifndef AE_TOKENIZERS_BYTE_LETTERS_H
#define AE_TOKENIZERS_BYTE_LETTERS_H

#include <stdint.h>

/* The character of a byte. */
uint32_t ae_byte_character(unsigned char byte);

/* The byte of a character, or -1. */
int ae_character_byte(uint32_t c);

/* The character as UTF-8 with a NUL behind; its length, 1 or 2. */
int ae_byte_letter(unsigned char byte, char letter[3]);

#endif
