#include "tensor/zip_file.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
    LOCAL_SIGNATURE = 0x04034b50,
    CENTRAL_SIGNATURE = 0x02014b50,
    END_SIGNATURE = 0x06054b50,
    END64_SIGNATURE = 0x06064b50,
    LOCATOR64_SIGNATURE = 0x07064b50,
    LOCAL_SIZE = 30,
    CENTRAL_SIZE = 46,
    END_SIZE = 22,
    END64_SIZE = 56,
    LOCATOR64_SIZE = 20,
    ZIP64_FIELD = 1,
    PADDING_FIELD = 0x4246, /* "FB", as PyTorch marks its padding */
    STORED = 0,
    DEFLATED = 8,
    ALIGNMENT = 64
};

#define LIMIT32 0xffffffffu

typedef struct member {
    char *name;
    unsigned flags;
    unsigned method;
    uint32_t crc;
    uint64_t packed;
    uint64_t size;
    uint64_t header_at;
} member;

struct ae_zip {
    ae_storage *file;
    const unsigned char *data;
    uint64_t bytes;
    member *members;
    int count;
};

/* ---- reading ----------------------------------------------------------------------------------------------------- */

typedef struct directory {
    uint64_t at;
    uint64_t bytes;
    uint64_t count;
} directory;

/* The values of the end record that do not fit stand in a ZIP64 record before it. */
static int read_end64(const ae_zip *z, uint64_t end_at, directory *d, ae_err *e)
{
    uint64_t at;
    if (end_at < LOCATOR64_SIZE || ae_load_u32(z->data + end_at - LOCATOR64_SIZE) != LOCATOR64_SIGNATURE) {
        return 0; /* the values are what they are */
    }
    at = ae_load_u64(z->data + end_at - LOCATOR64_SIZE + 8);
    if (at > z->bytes || z->bytes - at < END64_SIZE || ae_load_u32(z->data + at) != END64_SIGNATURE) {
        return ae_err_set(e, AE_E_FORMAT, "the ZIP64 end record is not where the archive says");
    }
    *d = (directory){ae_load_u64(z->data + at + 48), ae_load_u64(z->data + at + 40), ae_load_u64(z->data + at + 32)};
    return 0;
}

static int find_directory(const ae_zip *z, directory *d, ae_err *e)
{
    if (z->bytes < END_SIZE) {
        return ae_err_set(e, AE_E_FORMAT, "%llu bytes are too few for a ZIP archive", (unsigned long long)z->bytes);
    }
    uint64_t at = z->bytes - END_SIZE;
    uint64_t lowest = at > 0xffff ? at - 0xffff : 0; /* a comment of at most that length may follow the record */
    while (ae_load_u32(z->data + at) != END_SIGNATURE) {
        if (at-- == lowest) {
            return ae_err_set(e, AE_E_FORMAT, "no end record of a ZIP archive; is the file cut short?");
        }
    }
    const unsigned char *end = z->data + at;
    *d = (directory){ae_load_u32(end + 16), ae_load_u32(end + 12), ae_load_u16(end + 10)};
    bool full = d->at == LIMIT32 || d->bytes == LIMIT32 || d->count == 0xffff;
    if (full && read_end64(z, at, d, e) != 0) {
        return -1;
    }
    if (d->at > z->bytes || d->bytes > z->bytes - d->at || d->count > d->bytes / CENTRAL_SIZE || d->count > INT32_MAX) {
        return ae_err_set(e, AE_E_FORMAT, "the directory of the ZIP archive does not lie in the file");
    }
    return 0;
}

/* Replaces the values that are at their 32-bit limit by those of the ZIP64 field, which holds just those, in order. */
static int read_zip64_field(member *m, const unsigned char *extra, size_t length, ae_err *e)
{
    uint64_t *values[3];
    int wanted = 0;
    if (m->size == LIMIT32) {
        values[wanted++] = &m->size;
    }
    if (m->packed == LIMIT32) {
        values[wanted++] = &m->packed;
    }
    if (m->header_at == LIMIT32) {
        values[wanted++] = &m->header_at;
    }
    for (size_t at = 0; wanted > 0 && at + 4 <= length;) {
        unsigned id = ae_load_u16(extra + at), size = ae_load_u16(extra + at + 2);
        if (size > length - at - 4) {
            break;
        }
        if (id == ZIP64_FIELD && size >= 8 * (unsigned)wanted) {
            for (int i = 0; i < wanted; i++) {
                *values[i] = ae_load_u64(extra + at + 4 + 8 * (size_t)i);
            }
            return 0;
        }
        at += 4 + (size_t)size;
    }
    return wanted == 0 ? 0 : ae_err_set(e, AE_E_FORMAT, "the ZIP64 sizes of %.200s are missing", m->name);
}

static int read_members(ae_zip *z, const directory *d, ae_err *e)
{
    const unsigned char *p = z->data + d->at, *end = p + d->bytes;
    z->members = calloc((size_t)d->count + 1, sizeof *z->members);
    if (!z->members) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for the directory of a ZIP archive");
    }
    for (uint64_t i = 0; i < d->count; i++) {
        if (end - p < CENTRAL_SIZE || ae_load_u32(p) != CENTRAL_SIGNATURE) {
            return ae_err_set(e, AE_E_FORMAT, "entry %llu of the ZIP directory is damaged", (unsigned long long)i);
        }
        size_t name = ae_load_u16(p + 28), extra = ae_load_u16(p + 30), comment = ae_load_u16(p + 32);
        if ((size_t)(end - p) - CENTRAL_SIZE < name + extra + comment) {
            return ae_err_set(e, AE_E_FORMAT, "entry %llu of the ZIP directory is cut short", (unsigned long long)i);
        }
        member *m = &z->members[z->count];
        *m = (member){.name = strndup((const char *)p + CENTRAL_SIZE, name),
                      .flags = ae_load_u16(p + 8),
                      .method = ae_load_u16(p + 10),
                      .crc = ae_load_u32(p + 16),
                      .packed = ae_load_u32(p + 20),
                      .size = ae_load_u32(p + 24),
                      .header_at = ae_load_u32(p + 42)};
        if (!m->name) {
            return ae_err_set(e, AE_E_MEMORY, "no memory for the directory of a ZIP archive");
        }
        z->count++;
        if (read_zip64_field(m, p + CENTRAL_SIZE + name, extra, e) != 0) {
            return -1;
        }
        p += CENTRAL_SIZE + name + extra + comment;
    }
    return 0;
}

ae_zip *ae_zip_parse(ae_storage *file, ae_err *e)
{
    ae_zip *z = calloc(1, sizeof *z);
    if (!z) {
        ae_err_set(e, AE_E_MEMORY, "no memory to open a ZIP archive");
        return NULL;
    }
    ae_storage_hold(file);
    z->file = file;
    z->data = ae_storage_data(file);
    z->bytes = ae_storage_bytes(file);
    directory d;
    if (find_directory(z, &d, e) != 0 || read_members(z, &d, e) != 0) {
        ae_zip_free(z);
        return NULL;
    }
    return z;
}

void ae_zip_free(ae_zip *z)
{
    if (!z) {
        return;
    }
    for (int i = 0; i < z->count; i++) {
        free(z->members[i].name);
    }
    free(z->members);
    ae_storage_drop(z->file);
    free(z);
}

int ae_zip_count(const ae_zip *z)
{
    return z->count;
}

const char *ae_zip_name(const ae_zip *z, int i)
{
    return z->members[i].name;
}

int ae_zip_find(const ae_zip *z, const char *name)
{
    for (int i = 0; i < z->count; i++) {
        if (strcmp(z->members[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

/* Where the packed bytes of a member begin; the lengths in its local header may differ from the directory's. */
static int locate(const ae_zip *z, const member *m, size_t *at, ae_err *e)
{
    if (m->flags & 1) {
        return ae_err_set(e, AE_E_UNSUPPORTED, "%.200s is encrypted", m->name);
    }
    if (m->header_at > z->bytes || z->bytes - m->header_at < LOCAL_SIZE ||
        ae_load_u32(z->data + m->header_at) != LOCAL_SIGNATURE) {
        return ae_err_set(e, AE_E_FORMAT, "%.200s is not where the ZIP directory says", m->name);
    }
    const unsigned char *local = z->data + m->header_at;
    uint64_t begin = m->header_at + LOCAL_SIZE + ae_load_u16(local + 26) + ae_load_u16(local + 28);
    if (begin > z->bytes || m->packed > z->bytes - begin) {
        return ae_err_set(e, AE_E_FORMAT, "%.200s does not lie in the file; is it cut short?", m->name);
    }
    *at = (size_t)begin;
    return 0;
}

/* Inflates in pieces, because zlib counts in 32 bits; 0 when exactly `size` bytes came out. */
static int inflate_all(const unsigned char *in, size_t packed, unsigned char *out, size_t size)
{
    enum { PIECE = 1 << 30 };
    z_stream s = {0};
    if (inflateInit2(&s, -MAX_WBITS) != Z_OK) {
        return -1;
    }
    size_t done_in = 0, done_out = 0;
    int state = Z_OK;
    while (state == Z_OK) {
        size_t room = size - done_out, rest = packed - done_in;
        s.next_in = (unsigned char *)(uintptr_t)(in + done_in);
        s.avail_in = (uInt)(rest < PIECE ? rest : PIECE);
        s.next_out = out + done_out;
        s.avail_out = (uInt)(room < PIECE ? room : PIECE);
        uInt before_in = s.avail_in, before_out = s.avail_out;
        state = inflate(&s, Z_NO_FLUSH);
        done_in += before_in - s.avail_in;
        done_out += before_out - s.avail_out;
    }
    inflateEnd(&s);
    return state == Z_STREAM_END && done_out == size ? 0 : -1;
}

uint32_t ae_crc32(uint32_t crc, const void *data, size_t bytes)
{
    return bytes > 0 ? (uint32_t)crc32_z(crc, data, bytes) : crc; /* zlib takes no data for a reset */
}

static ae_storage *inflate_member(const ae_zip *z, const member *m, size_t at, ae_err *e)
{
    if (m->size / 1100 > m->packed + 64) { /* deflate reaches 1032 : 1 */
        ae_err_set(e, AE_E_FORMAT, "%.200s claims %llu bytes from %llu", m->name, (unsigned long long)m->size,
                   (unsigned long long)m->packed);
        return NULL;
    }
    ae_storage *s = ae_storage_new(NULL, (size_t)m->size);
    if (!s) {
        ae_err_set(e, AE_E_MEMORY, "no memory for the %llu bytes of %.200s", (unsigned long long)m->size, m->name);
        return NULL;
    }
    unsigned char *out = ae_storage_data(s);
    if (inflate_all(z->data + at, (size_t)m->packed, out, (size_t)m->size) != 0) {
        ae_err_set(e, AE_E_FORMAT, "%.200s: its compressed bytes are damaged", m->name);
    } else if (ae_crc32(0, out, (size_t)m->size) != m->crc) {
        ae_err_set(e, AE_E_FORMAT, "%.200s: its checksum does not fit", m->name);
    } else {
        return s;
    }
    ae_storage_drop(s);
    return NULL;
}

ae_storage *ae_zip_content(const ae_zip *z, int i, size_t *offset, size_t *bytes, ae_err *e)
{
    const member *m = &z->members[i];
    size_t at = 0;
    if (locate(z, m, &at, e) != 0) {
        return NULL;
    }
    *bytes = (size_t)m->size;
    if (m->method == DEFLATED) {
        *offset = 0;
        return inflate_member(z, m, at, e);
    }
    if (m->method != STORED || m->packed != m->size) {
        ae_err_set(e, m->method != STORED ? AE_E_UNSUPPORTED : AE_E_FORMAT,
                   "%.200s: compression method %u is not supported; stored and deflated are", m->name, m->method);
        return NULL;
    }
    *offset = at;
    ae_storage_hold(z->file);
    return z->file;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* What local headers and the directory have in common, from the version to the name length. */
static void add_common(ae_bytes *b, bool large, uint32_t crc, uint32_t size, size_t name)
{
    ae_bytes_u16(b, large ? 45 : 20); /* the version needed */
    ae_bytes_u16(b, 0x800);           /* names are UTF-8 */
    ae_bytes_u16(b, STORED);
    ae_bytes_u16(b, 0); /* time and date: 1980-01-01, so that equal content gives equal files */
    ae_bytes_u16(b, 0x0021);
    ae_bytes_u32(b, crc);
    ae_bytes_u32(b, size);
    ae_bytes_u32(b, size);
    ae_bytes_u16(b, (unsigned)name);
}

static void add_local_header(ae_bytes *b, uint64_t at, const char *name, uint32_t crc, uint64_t size)
{
    bool large = size >= LIMIT32;
    size_t length = strlen(name), extra = large ? 20 : 0;
    uint64_t content = at + LOCAL_SIZE + length + extra + 4;
    size_t padding = (size_t)((ALIGNMENT - content % ALIGNMENT) % ALIGNMENT);
    ae_bytes_u32(b, LOCAL_SIGNATURE);
    add_common(b, large, crc, large ? LIMIT32 : (uint32_t)size, length);
    ae_bytes_u16(b, (unsigned)(extra + 4 + padding));
    ae_bytes_add(b, name, length);
    if (large) {
        ae_bytes_u16(b, ZIP64_FIELD);
        ae_bytes_u16(b, 16);
        ae_bytes_u64(b, size);
        ae_bytes_u64(b, size);
    }
    ae_bytes_u16(b, PADDING_FIELD);
    ae_bytes_u16(b, (unsigned)padding);
    ae_bytes_fill(b, 0, padding);
}

static void add_directory_entry(ae_bytes *b, uint64_t at, const char *name, uint32_t crc, uint64_t size)
{
    bool large = size >= LIMIT32, far = at >= LIMIT32;
    unsigned values = (large ? 2 : 0) + (far ? 1 : 0);
    ae_bytes_u32(b, CENTRAL_SIGNATURE);
    ae_bytes_u16(b, 45); /* made by */
    add_common(b, values > 0, crc, large ? LIMIT32 : (uint32_t)size, strlen(name));
    ae_bytes_u16(b, values ? 4 + 8 * values : 0);
    ae_bytes_fill(b, 0, 10); /* comment, disk, attributes */
    ae_bytes_u32(b, far ? LIMIT32 : (uint32_t)at);
    ae_bytes_add_text(b, name);
    if (values) {
        ae_bytes_u16(b, ZIP64_FIELD);
        ae_bytes_u16(b, 8 * values);
    }
    if (large) {
        ae_bytes_u64(b, size);
        ae_bytes_u64(b, size);
    }
    if (far) {
        ae_bytes_u64(b, at);
    }
}

int ae_zip_add(ae_zip_writer *w, const char *name, const void *head, size_t head_bytes, const void *data, size_t bytes,
               ae_err *e)
{
    if (strlen(name) > 0xffff) {
        return ae_err_set(e, AE_E_VALUE, "the name %.100s... is too long for a ZIP archive", name);
    }
    uint32_t crc = ae_crc32(ae_crc32(0, head, head_bytes), data, bytes);
    uint64_t size = (uint64_t)head_bytes + bytes;
    ae_bytes local = {0};
    add_local_header(&local, w->at, name, crc, size);
    add_directory_entry(&w->directory, w->at, name, crc, size);
    int result = 0;
    if (local.failed || w->directory.failed) {
        result = ae_err_set(e, AE_E_MEMORY, "no memory to write %.200s", name);
    } else if (ae_atomic_write(w->file, local.data, local.length, e) != 0 ||
               ae_atomic_write(w->file, head, head_bytes, e) != 0 || ae_atomic_write(w->file, data, bytes, e) != 0) {
        result = -1;
    }
    w->at += local.length + size;
    w->count++;
    ae_bytes_free(&local);
    return result;
}

int ae_zip_finish(ae_zip_writer *w, ae_err *e)
{
    uint64_t begin = w->at, bytes = w->directory.length;
    ae_bytes *b = &w->directory;
    bool large = begin >= LIMIT32 || bytes >= LIMIT32 || w->count >= 0xffff;
    if (large) {
        ae_bytes_u32(b, END64_SIGNATURE);
        ae_bytes_u64(b, END64_SIZE - 12);
        ae_bytes_u16(b, 45);
        ae_bytes_u16(b, 45);
        ae_bytes_fill(b, 0, 8); /* disk numbers */
        ae_bytes_u64(b, w->count);
        ae_bytes_u64(b, w->count);
        ae_bytes_u64(b, bytes);
        ae_bytes_u64(b, begin);
        ae_bytes_u32(b, LOCATOR64_SIGNATURE);
        ae_bytes_u32(b, 0);
        ae_bytes_u64(b, begin + bytes);
        ae_bytes_u32(b, 1);
    }
    unsigned count = large ? 0xffff : (unsigned)w->count;
    ae_bytes_u32(b, END_SIGNATURE);
    ae_bytes_u32(b, 0); /* disk numbers */
    ae_bytes_u16(b, count);
    ae_bytes_u16(b, count);
    ae_bytes_u32(b, large ? LIMIT32 : (uint32_t)bytes);
    ae_bytes_u32(b, large ? LIMIT32 : (uint32_t)begin);
    ae_bytes_u16(b, 0);
    if (b->failed) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for the directory of a ZIP archive");
    }
    return ae_atomic_write(w->file, b->data, b->length, e);
}

void ae_zip_writer_free(ae_zip_writer *w)
{
    ae_bytes_free(&w->directory);
}
