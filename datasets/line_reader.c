#include "datasets/line_reader.h"

#include "tensor/byte_buffer.h"
#include "tensor/input_file.h"
#include "tensor/utf8_check.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 256 * 1024 };

typedef struct source {
    char *path;
    const char *name; /* in messages */
    int64_t bytes;    /* known once it was read */
    uint64_t hash;
} source;

struct ae_line_reader {
    source *sources;
    int count, current; /* current is the one that is read next while `in` is NULL */
    ae_line_options options;
    ae_input *in;
    bool at_end;    /* of the current file */
    int64_t number; /* of the last line */
    char *block;    /* what was read: `at`..`filled` waits, and up to `searched` holds no line end */
    size_t capacity, at, searched, filled;
    ae_bytes converted;
    int64_t total, done, repaired;
};

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static int look_at_paths(ae_line_reader *r, const char *const *paths, int n, ae_err *e)
{
    bool standard = false;
    for (int i = 0; i < n; i++) {
        int64_t size;
        bool dash = strcmp(paths[i], "-") == 0;
        if (dash && standard) {
            return ae_err_set(e, AE_E_VALUE, "standard input (-) can be read once only; it is given twice");
        }
        standard = standard || dash;
        if (ae_input_check(paths[i], &size, e) != 0) {
            return -1;
        }
        r->total = size < 0 || r->total < 0 ? -1 : r->total + size;
        source *s = &r->sources[r->count];
        s->path = strdup(paths[i]);
        if (!s->path) {
            return ae_err_set(e, AE_E_MEMORY, "%s: no memory to read it", paths[i]);
        }
        s->name = dash ? "standard input" : s->path;
        r->count++;
    }
    return 0;
}

ae_line_reader *ae_line_reader_open(const char *const *paths, int n, const ae_line_options *options, ae_err *e)
{
    if (n < 1) {
        ae_err_set(e, AE_E_VALUE, "no text file was given");
        return NULL;
    }
    ae_line_reader *r = calloc(1, sizeof *r);
    if (r) {
        r->sources = calloc((size_t)n, sizeof *r->sources);
        r->block = malloc(BLOCK + 1);
        r->capacity = BLOCK;
        r->options = options ? *options : (ae_line_options){0};
    }
    if (!r || !r->sources || !r->block) {
        ae_err_set(e, AE_E_MEMORY, "no memory to read %s", paths[0]);
    } else if (look_at_paths(r, paths, n, e) == 0) {
        return r;
    }
    ae_line_reader_close(r);
    return NULL;
}

void ae_line_reader_close(ae_line_reader *r)
{
    if (!r) {
        return;
    }
    ae_input_close(r->in);
    for (int i = 0; i < r->count; i++) {
        free(r->sources[i].path);
    }
    free(r->sources);
    free(r->block);
    ae_bytes_free(&r->converted);
    free(r);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* Moves what waits to the front, makes room and reads on; at_end tells the end of the file. */
static int read_on(ae_line_reader *r, ae_err *e)
{
    memmove(r->block, r->block + r->at, r->filled - r->at);
    r->filled -= r->at;
    r->searched -= r->at;
    r->at = 0;
    if (r->filled == r->capacity) {
        char *longer = realloc(r->block, 2 * r->capacity + 1);
        if (!longer) {
            return ae_err_set(e, AE_E_MEMORY, "%s:%lld: no memory for a line of more than %zu bytes",
                              r->sources[r->current].name, (long long)r->number + 1, r->capacity);
        }
        r->block = longer;
        r->capacity *= 2;
    }
    int64_t n = ae_input_read(r->in, r->block + r->filled, r->capacity - r->filled, e);
    if (n < 0) {
        return -1;
    }
    r->at_end = n == 0;
    r->filled += (size_t)n;
    return 0;
}

static int begin_file(ae_line_reader *r, ae_err *e)
{
    const unsigned char *b = (const unsigned char *)r->block;
    const char *name = r->sources[r->current].name;
    r->in = ae_input_open(r->sources[r->current].path, e);
    if (!r->in) {
        return -1;
    }
    r->at_end = false;
    r->number = 0;
    r->at = r->searched = r->filled = 0;
    while (r->filled < 3 && !r->at_end && !memchr(r->block, '\n', r->filled)) { /* who types waits for an answer */
        if (read_on(r, e) != 0) {
            return -1;
        }
    }
    if (r->filled >= 2 && ((b[0] == 0xff && b[1] == 0xfe) || (b[0] == 0xfe && b[1] == 0xff))) {
        return ae_err_set(e, AE_E_FORMAT, "%s:1: begins as UTF-16 does; convert it: iconv -f UTF-16 -t UTF-8", name);
    }
    if (r->filled >= 3 && b[0] == 0xef && b[1] == 0xbb && b[2] == 0xbf) {
        r->at = r->searched = 3;
    }
    return 0;
}

static void end_file(ae_line_reader *r)
{
    source *s = &r->sources[r->current++];
    s->bytes = ae_input_taken(r->in);
    s->hash = ae_input_hash(r->in);
    r->done += s->bytes;
    ae_input_close(r->in);
    r->in = NULL;
}

/* Finds the next raw line in the block: 1, its line end replaced by a NUL; 0 at the end of the last file. */
static int find_line(ae_line_reader *r, ae_line *line, ae_err *e)
{
    for (;;) {
        if (!r->in && r->current == r->count) {
            return 0;
        }
        if (!r->in && begin_file(r, e) != 0) {
            return -1;
        }
        char *start = r->block + r->at, *end = memchr(r->block + r->searched, '\n', r->filled - r->searched);
        if (end || (r->at_end && r->filled > r->at)) {
            size_t bytes = end ? (size_t)(end - start) : r->filled - r->at;
            r->at += bytes + (end ? 1 : 0);
            r->searched = r->at;
            if (end && bytes > 0 && start[bytes - 1] == '\r') {
                bytes--;
            }
            start[bytes] = '\0';
            *line = (ae_line){start, bytes, r->sources[r->current].name, ++r->number, r->current, end != NULL};
            return 1;
        }
        r->searched = r->filled;
        if (r->at_end) {
            end_file(r);
        } else if (read_on(r, e) != 0) {
            return -1;
        }
    }
}

/* ---- encodings --------------------------------------------------------------------------------------------------- */

/* The code points of cp1252's bytes 80 to 9f; 0 where it has none (Unicode's mapping file CP1252.TXT). */
static const uint16_t cp1252[32] = {0x20ac, 0,      0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
                                    0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0,      0x017d, 0,
                                    0,      0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
                                    0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0,      0x017e, 0x0178};

/* The length of the valid beginning of the text. */
static size_t valid_prefix(const char *text, size_t bytes)
{
    size_t at = 0;
    while (at < bytes) {
        uint64_t word;
        while (bytes - at >= sizeof word) { /* eight bytes of ASCII at once */
            memcpy(&word, text + at, sizeof word);
            if (word & 0x8080808080808080u) {
                break;
            }
            at += sizeof word;
        }
        int length = at < bytes ? ae_utf8_length(text + at, bytes - at) : 1;
        if (length == 0) {
            break;
        }
        at += at < bytes ? (size_t)length : 0;
    }
    return at;
}

/* The length of an invalid place: the longest part that begins a sequence, at least one byte, as Unicode recommends
 * (chapter 3.9, "U+FFFD Substitution of Maximal Subparts"). */
static size_t invalid_length(const unsigned char *p, size_t bytes)
{
    size_t whole = p[0] >= 0xf0 && p[0] <= 0xf4 ? 4 : p[0] >= 0xe0 && p[0] <= 0xef ? 3 : 1, n = 1;
    unsigned low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    unsigned high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    while (n < whole - (whole > 1) && n < bytes && p[n] >= low && p[n] <= high) {
        n++;
        low = 0x80;
        high = 0xbf;
    }
    return n;
}

static int refuse_bytes(const ae_line_reader *r, const ae_line *line, size_t at, ae_err *e)
{
    unsigned byte = (unsigned char)line->text[at];
    if (r->options.encoding == AE_TEXT_CP1252) {
        return ae_err_set(e, AE_E_FORMAT,
                          "%s:%lld: byte %zu of the line is 0x%02x, which cp1252 does not have; --encoding latin1 has "
                          "every byte, --encoding-errors replace or skip goes past such bytes",
                          line->path, (long long)line->number, at + 1, byte);
    }
    return ae_err_set(e, AE_E_FORMAT,
                      "%s:%lld: byte %zu of the line is 0x%02x, which is not UTF-8 there; convert the file (iconv -f "
                      "GB18030 -t UTF-8), or give --encoding latin1 or cp1252 if it is so encoded, or "
                      "--encoding-errors replace or skip to go past such bytes",
                      line->path, (long long)line->number, at + 1, byte);
}

static void repair(ae_line_reader *r)
{
    r->repaired++;
    if (r->options.errors == AE_TEXT_ERRORS_REPLACE) {
        ae_bytes_add(&r->converted, "\xef\xbf\xbd", 3);
    }
}

static void repair_utf8(ae_line_reader *r, const ae_line *line)
{
    size_t at = 0;
    while (at < line->bytes) {
        size_t valid = valid_prefix(line->text + at, line->bytes - at);
        ae_bytes_add(&r->converted, line->text + at, valid);
        at += valid;
        if (at < line->bytes) {
            at += invalid_length((const unsigned char *)line->text + at, line->bytes - at);
            repair(r);
        }
    }
}

/* From an encoding of single bytes. */
static int widen(ae_line_reader *r, const ae_line *line, ae_err *e)
{
    for (size_t i = 0; i < line->bytes; i++) {
        unsigned c = (unsigned char)line->text[i];
        if (r->options.encoding == AE_TEXT_CP1252 && c >= 0x80 && c < 0xa0) {
            c = cp1252[c - 0x80];
            if (c == 0) {
                if (r->options.errors == AE_TEXT_ERRORS_FAIL) {
                    return refuse_bytes(r, line, i, e);
                }
                repair(r);
                continue;
            }
        }
        char utf8[3] = {(char)c};
        size_t n = 1;
        if (c >= 0x800) {
            utf8[0] = (char)(0xe0 | c >> 12);
            utf8[1] = (char)(0x80 | (c >> 6 & 0x3f));
            utf8[2] = (char)(0x80 | (c & 0x3f));
            n = 3;
        } else if (c >= 0x80) {
            utf8[0] = (char)(0xc0 | c >> 6);
            utf8[1] = (char)(0x80 | (c & 0x3f));
            n = 2;
        }
        ae_bytes_add(&r->converted, utf8, n);
    }
    return 0;
}

static bool is_ascii(const char *text, size_t bytes)
{
    unsigned char all = 0;
    for (size_t i = 0; i < bytes; i++) {
        all |= (unsigned char)text[i];
    }
    return all < 0x80;
}

/* Makes the line UTF-8; most lines are already and stay where they are. */
static int decode(ae_line_reader *r, ae_line *line, ae_err *e)
{
    bool utf8 = r->options.encoding == AE_TEXT_UTF8;
    size_t valid = utf8 ? valid_prefix(line->text, line->bytes) : 0;
    if (utf8 ? valid == line->bytes : is_ascii(line->text, line->bytes)) {
        return 0;
    }
    if (utf8 && r->options.errors == AE_TEXT_ERRORS_FAIL) {
        return refuse_bytes(r, line, valid, e);
    }
    r->converted.length = 0;
    ae_bytes_add(&r->converted, "", 0);
    if (utf8) {
        repair_utf8(r, line);
    } else if (widen(r, line, e) != 0) {
        return -1;
    }
    if (r->converted.failed) {
        return ae_err_set(e, AE_E_MEMORY, "%s:%lld: no memory for a line of %zu bytes", line->path,
                          (long long)line->number, line->bytes);
    }
    line->text = r->converted.data;
    line->bytes = r->converted.length;
    return 0;
}

int ae_line_reader_next(ae_line_reader *r, ae_line *line, ae_err *e)
{
    int found = find_line(r, line, e);
    return found == 1 && decode(r, line, e) != 0 ? -1 : found;
}

bool ae_line_reader_ready(const ae_line_reader *r)
{
    const source *s = r->current < r->count ? &r->sources[r->current] : NULL;
    if (!s || strcmp(s->path, "-") != 0 || memchr(r->block + r->at, '\n', r->filled - r->at)) {
        return true;
    }
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&input, 1, 0) != 0;
}

int64_t ae_line_reader_consumed(const ae_line_reader *r)
{
    return r->done + (r->in ? ae_input_taken(r->in) : 0);
}

int64_t ae_line_reader_total(const ae_line_reader *r)
{
    return r->total;
}

int64_t ae_line_reader_repaired(const ae_line_reader *r)
{
    return r->repaired;
}

void ae_line_reader_source(const ae_line_reader *r, int file, int64_t *bytes, uint64_t *hash)
{
    *bytes = r->sources[file].bytes;
    *hash = r->sources[file].hash;
}
