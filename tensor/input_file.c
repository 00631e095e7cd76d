#include "tensor/input_file.h"

#include "tensor/bzip2.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { BLOCK = 256 * 1024, GZIP_WINDOW = 16 + MAX_WBITS };

struct ae_input {
    char *path;
    int fd;
    bool started, gzip, member_open, ended;
    z_stream z;
    size_t at, filled; /* what waits in the block */
    int64_t taken;
    uint64_t hash;
    unsigned char tail[8]; /* bytes that do not fill a word of the hash yet */
    size_t tail_bytes;
    unsigned char block[BLOCK];
};

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static int refuse_folder(const char *path, const struct stat *s, ae_err *e)
{
    return S_ISDIR(s->st_mode) ? ae_err_set(e, AE_E_VALUE, "%s: is a folder; name the files in it", path) : 0;
}

static int cannot_open(const char *path, ae_err *e)
{
    return ae_err_set(e, errno == ENOENT ? AE_E_MISSING : AE_E_IO, "%s: cannot be opened: %s", path, strerror(errno));
}

int ae_input_check(const char *path, int64_t *size, ae_err *e)
{
    struct stat s;
    *size = -1;
    if (strcmp(path, "-") == 0) {
        return 0;
    }
    if (stat(path, &s) != 0) {
        return cannot_open(path, e);
    }
    if (refuse_folder(path, &s, e) != 0) {
        return -1;
    }
    if (!S_ISREG(s.st_mode)) { /* to open and close a pipe would end its writer */
        return access(path, R_OK) == 0 ? 0 : cannot_open(path, e);
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return cannot_open(path, e);
    }
    close(fd);
    *size = (int64_t)s.st_size;
    return 0;
}

ae_input *ae_input_open(const char *path, ae_err *e)
{
    struct stat s;
    ae_input *in = calloc(1, sizeof *in);
    if (!in || !(in->path = strdup(path))) {
        free(in);
        ae_err_set(e, AE_E_MEMORY, "%s: no memory to read it", path);
        return NULL;
    }
    bool standard = strcmp(path, "-") == 0;
    in->fd = standard ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (in->fd < 0) {
        cannot_open(path, e);
    } else if (fstat(in->fd, &s) == 0 && refuse_folder(path, &s, e) == 0) {
        return in;
    }
    ae_input_close(in);
    return NULL;
}

void ae_input_close(ae_input *in)
{
    if (!in) {
        return;
    }
    if (in->member_open) {
        inflateEnd(&in->z);
    }
    if (in->fd >= 0) {
        close(in->fd);
    }
    free(in->path);
    free(in);
}

/* ---- the bytes of the file --------------------------------------------------------------------------------------- */

static void hash_word(ae_input *in, uint64_t word)
{
    in->hash = (in->hash ^ word) * 0x9e3779b97f4a7c15u;
    in->hash ^= in->hash >> 29;
}

/* Words of eight bytes, whatever the sizes in which the bytes come. */
static void hash_bytes(ae_input *in, const unsigned char *data, size_t n)
{
    uint64_t word;
    while (n > 0 && (in->tail_bytes > 0 || n < sizeof word)) {
        in->tail[in->tail_bytes++] = *data++;
        n--;
        if (in->tail_bytes == sizeof word) {
            memcpy(&word, in->tail, sizeof word);
            hash_word(in, word);
            in->tail_bytes = 0;
        }
    }
    for (; n >= sizeof word; n -= sizeof word, data += sizeof word) {
        memcpy(&word, data, sizeof word);
        hash_word(in, word);
    }
    memcpy(in->tail, data, n);
    in->tail_bytes = n > 0 ? n : in->tail_bytes;
}

uint64_t ae_input_hash(const ae_input *in)
{
    ae_input copy = {.hash = in->hash};
    uint64_t word = 0;
    memcpy(&word, in->tail, in->tail_bytes);
    hash_word(&copy, word);
    hash_word(&copy, (uint64_t)in->taken);
    return copy.hash;
}

int64_t ae_input_taken(const ae_input *in)
{
    return in->taken;
}

static int64_t take(ae_input *in, void *data, size_t bytes, ae_err *e)
{
    for (;;) {
        ssize_t n = read(in->fd, data, bytes);
        if (n >= 0) {
            in->taken += n;
            hash_bytes(in, data, (size_t)n);
            return n;
        }
        if (errno != EINTR) {
            return ae_err_set(e, AE_E_IO, "%s: cannot be read: %s", in->path, strerror(errno));
        }
    }
}

/* Moves what waits to the front of the block and reads more; false at the end of the file and on failure. */
static bool refill(ae_input *in, bool *failed, ae_err *e)
{
    memmove(in->block, in->block + in->at, in->filled - in->at);
    in->filled -= in->at;
    in->at = 0;
    int64_t n = take(in, in->block + in->filled, BLOCK - in->filled, e);
    *failed = n < 0;
    in->filled += n > 0 ? (size_t)n : 0;
    return n > 0;
}

/* ---- gzip -------------------------------------------------------------------------------------------------------- */

static bool gzip_begins(const ae_input *in)
{
    return in->filled - in->at >= 2 && in->block[in->at] == 0x1f && in->block[in->at + 1] == 0x8b;
}

/* Finds the next member: 1; 0 at the end of the file; -1 and e. gzip itself lets zero bytes stand behind the last. */
static int begin_member(ae_input *in, ae_err *e)
{
    bool failed = false;
    for (;;) {
        while (in->at < in->filled && in->block[in->at] == 0) {
            in->at++;
        }
        if (in->filled - in->at >= 2 || !refill(in, &failed, e)) {
            break;
        }
    }
    if (failed || in->at == in->filled) {
        return failed ? -1 : 0;
    }
    if (!gzip_begins(in)) {
        return ae_err_set(e, AE_E_FORMAT, "%s: something that is no gzip data follows the gzip data", in->path);
    }
    memset(&in->z, 0, sizeof in->z);
    if (inflateInit2(&in->z, GZIP_WINDOW) != Z_OK) {
        return ae_err_set(e, AE_E_MEMORY, "%s: no memory to unpack it", in->path);
    }
    in->member_open = true;
    return 1;
}

static int64_t damaged(ae_input *in, int state, ae_err *e)
{
    const char *what = state == Z_BUF_ERROR ? "the gzip data is cut short" : "the gzip data is damaged";
    return ae_err_set(e, AE_E_FORMAT, "%s: %s%s%s; `gzip -t` says the same", in->path, what, in->z.msg ? ": " : "",
                      in->z.msg ? in->z.msg : "");
}

static int64_t read_gzip(ae_input *in, void *data, size_t bytes, ae_err *e)
{
    uInt room = bytes < (1u << 30) ? (uInt)bytes : 1u << 30;
    for (;;) {
        if (!in->member_open) {
            int found = begin_member(in, e);
            if (found <= 0) {
                return found;
            }
        }
        bool failed;
        if (in->at == in->filled && !refill(in, &failed, e)) {
            return failed ? -1 : damaged(in, Z_BUF_ERROR, e);
        }
        in->z.next_in = in->block + in->at;
        in->z.avail_in = (uInt)(in->filled - in->at);
        in->z.next_out = data;
        in->z.avail_out = room;
        int state = inflate(&in->z, Z_NO_FLUSH);
        in->at = in->filled - in->z.avail_in;
        if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR) {
            return damaged(in, state, e);
        }
        if (state == Z_STREAM_END) {
            inflateEnd(&in->z);
            in->member_open = false;
        }
        if (in->z.avail_out < room) {
            return room - in->z.avail_out;
        }
    }
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

int64_t ae_input_read(ae_input *in, void *data, size_t bytes, ae_err *e)
{
    bool failed = false;
    if (!in->started) { /* two bytes tell gzip, and a pipe may give them one by one */
        while (in->filled < 2 && refill(in, &failed, e)) {
        }
        if (failed) {
            return -1;
        }
        in->started = true;
        in->gzip = gzip_begins(in);
    }
    if (in->gzip) {
        return read_gzip(in, data, bytes, e);
    }
    if (in->at < in->filled) {
        size_t n = in->filled - in->at < bytes ? in->filled - in->at : bytes;
        memcpy(data, in->block + in->at, n);
        in->at += n;
        return (int64_t)n;
    }
    return take(in, data, bytes, e);
}

/* ---- whole files -------------------------------------------------------------------------------------------------- */

static int read_parts(const char *path, ae_bytes *out, ae_err *e)
{
    char part[1 << 14];
    ae_input *in = ae_input_open(path, e);
    int64_t got = in ? 1 : -1;
    while (got > 0 && !out->failed) {
        got = ae_input_read(in, part, sizeof part, e);
        if (got > 0) {
            ae_bytes_add(out, part, (size_t)got);
        }
    }
    ae_input_close(in);
    if (out->failed) {
        return ae_err_set(e, AE_E_MEMORY, "%s: no memory to read it", path);
    }
    return got < 0 ? -1 : 0;
}

int ae_input_read_all(const char *path, ae_bytes *out, ae_err *e)
{
    ae_bytes packed = {0};
    size_t before = out->length;
    if (read_parts(path, out, e) != 0) {
        return -1;
    }
    if (out->length == before || !ae_bzip2_begins(out->data + before, out->length - before)) {
        return 0;
    }
    ae_bytes_add(&packed, out->data + before, out->length - before);
    out->length = before;
    int status = packed.failed ? ae_err_set(e, AE_E_MEMORY, "no memory to read it")
                               : ae_bzip2_unpack(packed.data, packed.length, out, e);
    ae_bytes_free(&packed);
    if (status != 0) {
        ae_err_prefix(e, "%s", path);
    }
    return status;
}
