#include "tensor/byte_buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Makes room for `more` bytes and a NUL; false when there is none. */
static bool reserve(ae_bytes *b, size_t more)
{
    if (b->failed || more > SIZE_MAX / 4 || b->length > SIZE_MAX / 4) {
        b->failed = true;
        return false;
    }
    size_t wanted = b->length + more + 1;
    if (wanted > b->capacity) {
        size_t capacity = b->capacity < 256 ? 256 : b->capacity * 2;
        capacity = capacity < wanted ? wanted : capacity;
        char *data = realloc(b->data, capacity);
        if (!data) {
            b->failed = true;
            return false;
        }
        b->data = data;
        b->capacity = capacity;
    }
    return true;
}

void ae_bytes_add(ae_bytes *b, const void *data, size_t length)
{
    if (!reserve(b, length)) {
        return;
    }
    if (length > 0) {
        memcpy(b->data + b->length, data, length);
    }
    b->length += length;
    b->data[b->length] = '\0';
}

void ae_bytes_add_text(ae_bytes *b, const char *text)
{
    ae_bytes_add(b, text, strlen(text));
}

void ae_bytes_printf(ae_bytes *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0) {
        b->failed = true;
    } else if (reserve(b, (size_t)n)) {
        vsnprintf(b->data + b->length, (size_t)n + 1, format, again);
        b->length += (size_t)n;
    }
    va_end(again);
}

void ae_bytes_fill(ae_bytes *b, char value, size_t count)
{
    if (reserve(b, count)) {
        memset(b->data + b->length, value, count);
        b->length += count;
        b->data[b->length] = '\0';
    }
}

static void add_little_endian(ae_bytes *b, uint64_t value, int bytes)
{
    unsigned char raw[8];
    for (int i = 0; i < bytes; i++) {
        raw[i] = (unsigned char)(value >> (8 * i));
    }
    ae_bytes_add(b, raw, (size_t)bytes);
}

void ae_bytes_u8(ae_bytes *b, unsigned value)
{
    add_little_endian(b, value, 1);
}

void ae_bytes_u16(ae_bytes *b, unsigned value)
{
    add_little_endian(b, value, 2);
}

void ae_bytes_u32(ae_bytes *b, uint32_t value)
{
    add_little_endian(b, value, 4);
}

void ae_bytes_u64(ae_bytes *b, uint64_t value)
{
    add_little_endian(b, value, 8);
}

void ae_bytes_free(ae_bytes *b)
{
    free(b->data);
    *b = (ae_bytes){0};
}

static uint64_t load_little_endian(const void *p, int bytes)
{
    const unsigned char *raw = p;
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) {
        value |= (uint64_t)raw[i] << (8 * i);
    }
    return value;
}

unsigned ae_load_u16(const void *p)
{
    return (unsigned)load_little_endian(p, 2);
}

uint32_t ae_load_u32(const void *p)
{
    return (uint32_t)load_little_endian(p, 4);
}

uint64_t ae_load_u64(const void *p)
{
    return load_little_endian(p, 8);
}
