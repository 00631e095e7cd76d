#include "tensor/hdf5_file_seal.h"

#include "tensor/byte_buffer.h"
#include "tensor/zip_file.h"

#include <stdlib.h>
#include <string.h>

enum { FOOTER = 32, PIECE = 1 << 16 };

static const char magic[] = "AESOPEND";

int ae_seal_leave_out(ae_seal_parts *p, uint64_t begin, uint64_t bytes)
{
    if (p->count == p->capacity) {
        size_t capacity = p->capacity ? 2 * p->capacity : 64;
        ae_seal_part *list = realloc(p->list, capacity * sizeof *list);
        if (!list) {
            return -1;
        }
        p->list = list;
        p->capacity = capacity;
    }
    p->list[p->count++] = (ae_seal_part){begin, bytes};
    return 0;
}

void ae_seal_parts_free(ae_seal_parts *p)
{
    free(p->list);
    *p = (ae_seal_parts){0};
}

static int by_begin(const void *a, const void *b)
{
    const ae_seal_part *x = a, *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

/* Where bytes are read from: a file being saved, or memory. */
typedef struct source {
    ae_atomic_file *saving;
    const char *memory;
} source;

static int add_range(source s, uint64_t begin, uint64_t end, uint32_t *crc)
{
    char piece[PIECE];
    while (begin < end) {
        size_t n = end - begin < PIECE ? (size_t)(end - begin) : PIECE;
        if (s.saving && ae_atomic_read_at(s.saving, begin, piece, n) != 0) {
            return -1;
        }
        *crc = ae_crc32(*crc, s.saving ? piece : s.memory + begin, n);
        begin += n;
    }
    return 0;
}

/* The checksum of bytes 0 to end without the parts; -1 when they do not ascend inside or cannot be read. */
static int checksum(source s, uint64_t end, const ae_seal_part *parts, uint64_t count, uint32_t *crc)
{
    uint64_t at = 0;
    *crc = 0;
    for (uint64_t i = 0; i < count; i++) {
        ae_seal_part part;
        memcpy(&part, parts + i, sizeof part); /* may lie at any address of a file */
        if (part.begin < at || part.begin > end || part.bytes > end - part.begin ||
            add_range(s, at, part.begin, crc) != 0) {
            return -1;
        }
        at = part.begin + part.bytes;
    }
    return add_range(s, at, end, crc);
}

int ae_seal_write(ae_atomic_file *f, uint64_t end, ae_seal_parts *p, ae_err *e)
{
    uint32_t crc;
    if (p->count > 0) {
        qsort(p->list, p->count, sizeof *p->list, by_begin);
    }
    if (checksum((source){.saving = f}, end, p->list, p->count, &crc) != 0) {
        return ae_err_set(e, AE_E_IO, "%s: cannot be read back to be sealed", ae_atomic_temporary(f));
    }
    ae_bytes b = {0};
    for (size_t i = 0; i < p->count; i++) {
        ae_bytes_u64(&b, p->list[i].begin);
        ae_bytes_u64(&b, p->list[i].bytes);
    }
    ae_bytes_u64(&b, end);
    ae_bytes_u64(&b, p->count);
    ae_bytes_u32(&b, crc);
    ae_bytes_u32(&b, b.failed ? 0 : ae_crc32(0, b.data, b.length));
    ae_bytes_add_text(&b, magic);
    int result = b.failed ? ae_err_set(e, AE_E_MEMORY, "no memory for the seal of a file")
                          : ae_atomic_write_at(f, end, b.data, b.length, e);
    ae_bytes_free(&b);
    return result;
}

int ae_seal_check(const ae_storage *file, ae_err *e)
{
    const char *data = ae_storage_data(file);
    uint64_t size = ae_storage_bytes(file);
    if (size < FOOTER || memcmp(data + size - 8, magic, 8) != 0) {
        return 0;
    }
    const char *footer = data + size - FOOTER;
    uint64_t end = ae_load_u64(footer), count = ae_load_u64(footer + 8), room = size - FOOTER;
    uint32_t crc = 0;
    if (end > room || count > (room - end) / sizeof(ae_seal_part) || count * sizeof(ae_seal_part) != room - end ||
        ae_crc32(0, data + end, (size_t)(room - end) + 20) != ae_load_u32(footer + 20) ||
        checksum((source){.memory = data}, end, (const ae_seal_part *)(const void *)(data + end), count, &crc) != 0 ||
        crc != ae_load_u32(footer + 16)) {
        return ae_err_set(e, AE_E_FORMAT, "damaged since it was written: its checksum does not fit");
    }
    return 1;
}
