#include "tensor/bzip2.h"

#include <string.h>

bool ae_bzip2_begins(const char *data, size_t bytes)
{
    return bytes > 3 && memcmp(data, "BZh", 3) == 0 && data[3] >= '1' && data[3] <= '9';
}

#ifdef AE_HAVE_BZIP2

#include <bzlib.h>

enum { PART = 1 << 16, MOST_AT_ONCE = 1 << 30 };

/* One stream; *used is how much of the data it took. */
static int unpack_stream(const char *data, size_t bytes, size_t *used, ae_bytes *out, ae_err *e)
{
    char part[PART];
    bz_stream s = {.next_in = (char *)(uintptr_t)data,
                   .avail_in = bytes < MOST_AT_ONCE ? (unsigned)bytes : MOST_AT_ONCE};
    if (BZ2_bzDecompressInit(&s, 0, 0) != BZ_OK) {
        return ae_err_set(e, AE_E_MEMORY, "no memory to unpack it");
    }
    int state = BZ_OK;
    size_t before = bytes - s.avail_in, taken = 0;
    while (state == BZ_OK && !out->failed) {
        s.next_out = part;
        s.avail_out = sizeof part;
        unsigned given = s.avail_in;
        state = BZ2_bzDecompress(&s);
        taken += given - s.avail_in;
        ae_bytes_add(out, part, sizeof part - s.avail_out);
        if (state == BZ_OK && s.avail_in == 0 && before > 0) {
            s.avail_in = before < MOST_AT_ONCE ? (unsigned)before : MOST_AT_ONCE;
            before -= s.avail_in;
        } else if (state == BZ_OK && s.avail_in == 0 && s.avail_out > 0) {
            state = BZ_UNEXPECTED_EOF;
        }
    }
    BZ2_bzDecompressEnd(&s);
    *used = taken;
    if (out->failed || state == BZ_MEM_ERROR) {
        return ae_err_set(e, AE_E_MEMORY, "no memory to unpack it");
    }
    return state == BZ_STREAM_END       ? 0
           : state == BZ_UNEXPECTED_EOF ? ae_err_set(e, AE_E_FORMAT, "the bzip2 data is cut short")
                                        : ae_err_set(e, AE_E_FORMAT, "the bzip2 data is damaged");
}

int ae_bzip2_unpack(const char *data, size_t bytes, ae_bytes *out, ae_err *e)
{
    while (bytes > 0) {
        size_t used = 0;
        if (!ae_bzip2_begins(data, bytes)) {
            return ae_err_set(e, AE_E_FORMAT, "something that is no bzip2 data follows the bzip2 data");
        }
        if (unpack_stream(data, bytes, &used, out, e) != 0) {
            return -1;
        }
        data += used;
        bytes -= used;
    }
    return 0;
}

#else

int ae_bzip2_unpack(const char *data, size_t bytes, ae_bytes *out, ae_err *e)
{
    (void)data;
    (void)bytes;
    (void)out;
    return ae_err_set(e, AE_E_UNSUPPORTED, "is packed by bzip2, which this build lacks; unpack it (bunzip2)");
}

#endif
